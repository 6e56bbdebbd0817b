/* Capture files, pcap and pcapng, whole and broken. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "hx_pcap.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	struct hx_frame f;
	struct hx_err err;
	struct hx_pcap *p;
	FILE *in;
	uint64_t n = 0;
	int got = 0;

	if (copy == NULL || size == 0) {
		free(copy);
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		copy[i] = data[i];
	in = fmemopen(copy, size, "rb");
	if (in != NULL) {
		p = hx_pcap_open_stream(in, "fuzz", &err);
		while (p != NULL && n < 1000 &&
		    (got = hx_pcap_next(p, &f, &err)) > 0)
			if (f.number != ++n)
				abort();
		if (p != NULL && got < 0 && err.text[0] == '\0')
			abort();
		hx_pcap_close(p);
	}
	free(copy);
	return 0;
}
