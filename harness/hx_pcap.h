#ifndef HX_PCAP_H
#define HX_PCAP_H

/* Captures, read through libpcap. */

#include <stdio.h>

#include "hx_err.h"
#include "wire/ipm_bytes.h"

struct hx_frame {
	uint64_t number; /* from 1 */
	uint64_t sec;
	uint32_t nsec;
	struct ipm_span octets; /* captured; valid until the next call */
	size_t wire_len;        /* octets on the wire */
	int linktype;           /* LINKTYPE_ of the capture */
};

struct hx_pcap;

/*
 * Opens a capture ("-": standard input), pcap or pcapng.  NULL with one line
 * in err: no such file, not a capture, a link type the model does not read.
 */
struct hx_pcap *hx_pcap_open(const char *path, struct hx_err *err);

/* The same from an open stream, which is closed with the capture (or at once,
 * when this returns NULL); `name` is what errors call it. */
struct hx_pcap *hx_pcap_open_stream(
    FILE *f, const char *name, struct hx_err *err);

/*
 * The next frame.  1: *f is it; 0: the capture has ended; -1 with one line in
 * err: it breaks off (all frames before were whole).
 */
int hx_pcap_next(struct hx_pcap *h, struct hx_frame *f, struct hx_err *err);

void hx_pcap_close(struct hx_pcap *h);

#endif
