#ifndef IPM_IPCOMP_H
#define IPM_IPCOMP_H

/*
 * IPcomp: next(1) flags(1) CPI(2) and one raw deflate stream.  Which stream a
 * compressor makes is its free choice, so a foreign packet is checked by
 * inflating; sealing takes the compressed octets as a choice or makes its own.
 */

#include "../ipm_env.h"
#include "../ipm_trace.h"

#define IPM_IPCOMP_HLEN 4U

struct ipm_ipcomp_opened {
	uint8_t next_header;
	uint8_t flags; /* 0 from a correct sender */
	uint16_t cpi;
	struct ipm_span compressed; /* in the packet */
	struct ipm_span payload;    /* in out */
};

/* CPI (host order) of an IPcomp header, or false when shorter than 4. */
bool ipm_ipcomp_peek(struct ipm_span ipcomp, uint16_t *cpi);

/*
 * Opens one IPcomp packet.
 *
 *   ipcomp  header up to the end of the IP packet
 *   limit   most octets the result may have: 65535 less what stands in front
 *   out     room for cap octets; limit is enough, less gives NO_MEMORY for
 *           what would not fit
 *
 * Returns IPM_R_OK, BAD_LENGTH (shorter than the header), COMP_NESTED (next
 * header 108, by switch), INFLATE_FAILED, INFLATE_TOO_BIG, EMPTY_PAYLOAD and
 * COMP_EXPANDED (by switch), NO_MEMORY.  On anything but IPM_R_OK o->payload
 * is empty and out may hold part of a result.
 *
 * Source: RFC 3173 2, 3; FreeBSD sys/netipsec/xform_ipcomp.c ipcomp_input.
 */
enum ipm_reason ipm_ipcomp_open(const struct ipm_compressor *comp,
    const struct ipm_profile *pf, struct ipm_span ipcomp, size_t limit,
    uint8_t *out, size_t cap, struct ipm_trace *trace,
    struct ipm_ipcomp_opened *o);

/* What a sender does with a payload. */
enum ipm_ipcomp_made {
	IPM_IPCOMP_SENT,   /* out holds header and stream */
	IPM_IPCOMP_SMALL,  /* below the threshold: sent as it is */
	IPM_IPCOMP_NO_GAIN /* would not get smaller: sent as it is */
};

/* When a sender leaves a packet alone. */
struct ipm_ipcomp_rules {
	size_t threshold;  /* packets of up to so many octets (FreeBSD: 90) */
	bool count_header; /* the 4 octets count in the comparison (RFC 3173
			      2.2); FreeBSD leaves them out */
};

/*
 * Compresses one payload, or says why not.
 *
 *   packet_len  octets of the whole packet, for the threshold
 *   given       compressed octets to use instead of compressing; p NULL: none
 *   out         room for cap octets; payload.len + 3 are enough for what
 *               compressing makes (payload.len - 1 when the header counts),
 *               given.len + 4 for what is given
 *
 * Returns IPM_OK with *made, and *len set if that is SENT (else 0);
 * IPM_ERR_NOBUF (cap), or the compressor's error.
 *
 * Source: RFC 3173 2.2, 3.3; FreeBSD sys/netipsec/xform_ipcomp.c
 * ipcomp_output, ipcomp_output_cb.
 */
enum ipm_err ipm_ipcomp_seal(const struct ipm_compressor *comp,
    const struct ipm_ipcomp_rules *rules, uint16_t cpi, uint8_t next_header,
    size_t packet_len, struct ipm_span payload, struct ipm_span given,
    uint8_t *out, size_t cap, size_t *len, enum ipm_ipcomp_made *made);

#endif
