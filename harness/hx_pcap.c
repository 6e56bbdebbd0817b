#include "hx_pcap.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "wire/ipm_link.h"

#define NSEC_PER_SEC 1000000000
#define READ_AHEAD   ((size_t)1 << 18)

struct hx_pcap {
	pcap_t *p;
	char *path;
	uint64_t frames;
	int linktype;
	char ahead[READ_AHEAD]; /* of the stream */
};

/*
 * libpcap numbers some link types by platform (DLT_) and others by file
 * (LINKTYPE_); for those the model reads only these differ.
 */
static int
linktype_of(int dlt)
{
	switch (dlt) {
	case DLT_RAW:
		return 101;
#ifdef DLT_ENC
	case DLT_ENC:
		return 109;
#endif
#ifdef DLT_LOOP
	case DLT_LOOP:
		return 108;
#endif
	default:
		return dlt;
	}
}

static void
close_stream(FILE *f)
{
	if (f != stdin)
		(void)fclose(f);
}

struct hx_pcap *
hx_pcap_open(const char *path, struct hx_err *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");

	if (f == NULL) {
		hx_err_set(err, path, 0, 0, "%s", strerror(errno));
		return NULL;
	}
	return hx_pcap_open_stream(f, path, err);
}

struct hx_pcap *
hx_pcap_open_stream(FILE *f, const char *name, struct hx_err *err)
{
	char reason[PCAP_ERRBUF_SIZE];
	struct hx_pcap *h = calloc(1, sizeof *h);

	if (h == NULL || (h->path = strdup(name)) == NULL) {
		hx_err_set(err, name, 0, 0, "out of memory");
		free(h);
		close_stream(f);
		return NULL;
	}
	/* Standard input outlives the buffer. */
	if (f != stdin)
		(void)setvbuf(f, h->ahead, _IOFBF, sizeof h->ahead);
	h->p = pcap_fopen_offline_with_tstamp_precision(
	    f, PCAP_TSTAMP_PRECISION_NANO, reason);
	if (h->p == NULL) {
		hx_err_set(err, name, 0, 0, "not a capture: %s", reason);
		close_stream(f);
		free(h->path);
		free(h);
		return NULL;
	}
	h->linktype = linktype_of(pcap_datalink(h->p));
	if (!ipm_link_known(h->linktype)) {
		const char *dlt =
		    pcap_datalink_val_to_name(pcap_datalink(h->p));

		hx_err_set(err, name, 0, 0,
		    "frames of link type %d (%s) are not read", h->linktype,
		    dlt == NULL ? "unknown" : dlt);
		hx_pcap_close(h);
		return NULL;
	}
	return h;
}

/*
 * Seconds of a pcap file are unsigned (they end in 2106), libpcap's are not;
 * and a fraction that is no fraction carries over, so that nsec is one.
 */
static void
set_time(struct hx_frame *f, const struct timeval *ts)
{
	int64_t sec = ts->tv_sec, nsec = ts->tv_usec;

	if (sec < 0 && sec >= INT32_MIN)
		sec += (int64_t)1 << 32;
	if (sec < 0)
		sec = 0;
	if (nsec < 0)
		nsec = 0;
	f->sec = (uint64_t)(sec + nsec / NSEC_PER_SEC);
	f->nsec = (uint32_t)(nsec % NSEC_PER_SEC);
}

int
hx_pcap_next(struct hx_pcap *h, struct hx_frame *f, struct hx_err *err)
{
	struct pcap_pkthdr *ph;
	const u_char *data;
	int r = pcap_next_ex(h->p, &ph, &data);

	if (r == PCAP_ERROR_BREAK)
		return 0;
	if (r != 1) {
		hx_err_set(err, h->path, 0, 0,
		    "the capture breaks off after frame %llu: %s",
		    (unsigned long long)h->frames, pcap_geterr(h->p));
		return -1;
	}
	*f = (struct hx_frame){ .number = ++h->frames,
		.octets = ipm_span(data, ph->caplen),
		.wire_len = ph->len,
		.linktype = h->linktype };
	set_time(f, &ph->ts);
	return 1;
}

void
hx_pcap_close(struct hx_pcap *h)
{
	if (h == NULL)
		return;
	pcap_close(h->p);
	free(h->path);
	free(h);
}
