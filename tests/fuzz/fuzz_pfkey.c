/*
 * PF_KEY messages: the first octet chooses dialect and byte order.  What can be
 * decoded is encoded to the same octets, by way of JSON too.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hx_pfkey.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pfk_ext exts[PFK_EXTS_MAX];
	struct ipm_span octets;
	struct pfk_codec c;
	struct pfk_msg m;
	struct hx_octets back;
	enum pfk_fault fault;
	size_t n, where, len;
	uint8_t *out;
	char why[160];
	json_t *j;

	if (size < 1 || size > 65536)
		return 0;
	c.dialect = &pfk_dialects[data[0] & 3];
	c.order = (data[0] & 4) != 0 ? PFK_BE : PFK_LE;
	octets = ipm_span(data + 1, size - 1);
	if (pfk_decode(&c, octets, &m, exts, &n, &where) != PFK_FINE) {
		if (where > octets.len)
			abort();
		return 0;
	}
	out = malloc(octets.len);
	if (out == NULL)
		return 0;
	if (pfk_encode(&c, &m, exts, n, out, octets.len, &len) != IPM_OK ||
	    len != octets.len || memcmp(out, octets.p, len) != 0)
		abort();
	free(out);
	j = hx_pfkey_to_json(&c, octets, true, &fault, &where);
	if (j == NULL)
		return 0;
	if (!hx_pfkey_from_json(&c, j, &back, why, sizeof why) ||
	    back.len != octets.len || memcmp(back.p, octets.p, octets.len) != 0)
		abort();
	hx_octets_free(&back);
	json_decref(j);
	return 0;
}
