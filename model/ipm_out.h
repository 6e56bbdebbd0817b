#ifndef IPM_OUT_H
#define IPM_OUT_H

/*
 * Between the parts of the outbound path (ipm_output.c, ipm_seal.c,
 * ipm_ipout.c, ipm_send.c): nobody else's.
 */

#include "ipm_errno.h"
#include "ipm_path.h"

static inline uint8_t
ipm_out_version(const struct ipm_pkt *m)
{
	return m->p[0] >> 4;
}

/* Counts for IPv4's or IPv6's structure. */
static inline void
ipm_out_count(struct ipm_path *path, uint8_t version, enum ipm_stat four,
    enum ipm_stat six)
{
	path->s->stats.v[version == 6 ? six : four]++;
}

/* A buffer of the outbound path that m does not lie in. */
static inline uint8_t *
ipm_out_buffer(const struct ipm_path *path, const struct ipm_pkt *m)
{
	struct ipm_work *w = path->work;

	return m->p >= w->out[0] && m->p < w->out[0] + sizeof w->out[0]
	    ? w->out[1]
	    : w->out[0];
}
#define IPM_OUT_CAP sizeof((struct ipm_work *)0)->out[0]

/* What became of one transform. */
struct ipm_sealed {
	enum ipm_reason reason; /* IPM_R_OK: it is done */
	/* What the sender is told of a refusal; 0 for one behind the call of
	 * the crypto or compression provider, which nobody hears of. */
	int err;
	bool in_line; /* nothing was handed to a provider */
};

/*
 * Applies one SA to m: ESP, AH or IPcomp behind the IP header.  m is in
 * another buffer then; the IPv4 checksum is left as it stood (ipm_ip_output
 * writes it).  On a refusal m is as it was.
 *
 * Source: FreeBSD sys/netipsec/xform_esp.c, xform_ah.c, xform_ipcomp.c (facts
 * datapath 3.6).
 */
struct ipm_sealed ipm_seal(
    struct ipm_path *path, struct ipm_pkt *m, ipm_off sa);

/* Puts the UDP header of the SA's ports behind the IPv4 header (facts 3.7).
 * IPM_R_OK, NATT_IPV6 or TOO_BIG. */
enum ipm_reason ipm_seal_udp(
    struct ipm_path *path, struct ipm_pkt *m, const struct ipm_sa *sa);

/* Tells of the end of a packet that this host made. */
enum ipm_reason ipm_out_end(
    struct ipm_path *path, const struct ipm_pkt *m, enum ipm_reason fate);

#endif
