#ifndef HX_PCAP_OUT_H
#define HX_PCAP_OUT_H

/* Clear packets, written through libpcap. */

#include "hx_err.h"
#include "wire/ipm_bytes.h"

/* A capture being written, nanoseconds: of IP packets (LINKTYPE_RAW), or of
 * what enc(4) sees (LINKTYPE_ENC). */
enum hx_pcap_link {
	HX_LINK_RAW,
	HX_LINK_ENC
};

/*
 * Whether creating `out` would destroy the file read as `in`, either of them
 * under any name; "-" is standard input there and never a file here.
 */
bool hx_pcap_out_destroys(const char *out, const char *in);

struct hx_pcap_out *hx_pcap_create(
    const char *path, enum hx_pcap_link link, struct hx_err *err);
void hx_pcap_write(
    struct hx_pcap_out *o, uint64_t sec, uint32_t nsec, struct ipm_span packet);
/* False with one line in err when not all could be written. */
bool hx_pcap_finish(struct hx_pcap_out *o, struct hx_err *err);

#endif
