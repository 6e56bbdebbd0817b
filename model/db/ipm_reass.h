#ifndef IPM_REASS_H
#define IPM_REASS_H

/*
 * Fragments waiting for their packet, IPv4 and IPv6, before IPsec sees it.
 * Every fragment's frame is told about exactly once: when a packet is complete
 * (it was completed by such a frame) or when it is given up (why).
 *
 * Source: RFC 791 3.2; RFC 8200 4.5; RFC 5722 4; RFC 6946; FreeBSD
 * sys/netinet/ip_reass.c.
 */

#include "../wire/ipm_ip.h"
#include "ipm_arena.h"
#include "ipm_digest.h"

struct ipm_reass {
	ipm_off first, last; /* packets in order of their first fragment */
	uint32_t count;
};

/*
 * What became of an earlier frame: reason IPM_R_OK, then it belongs to the
 * packet that frame `by` completed; else it died for that reason.  (With the
 * rule `bsd` a fragment may push out all octets of an earlier one, which then
 * ends as FRAG_DUPLICATE.)
 */
typedef void ipm_fragment_fn(
    void *ctx, uint64_t frame, enum ipm_reason reason, uint64_t by);

/* Octets of an IPv6 fragment that an ICMP error about it quotes. */
#define IPM_REASS_QUOTE 1232U

/* Of the packet that was given up last. */
struct ipm_reass_lost {
	uint8_t version;
	unsigned flags; /* of the fragment at offset 0 */
	size_t len;     /* of `first`; 0: IPv4, or that one did not come */
	uint8_t first[IPM_REASS_QUOTE]; /* the fragment at offset 0, as it came
					   but for reserved fields */
};

struct ipm_reass_env {
	struct ipm_arena *arena;
	const struct ipm_alloc *alloc;
	const struct ipm_profile *pf;
	uint64_t now;          /* seconds */
	ipm_fragment_fn *tell; /* or NULL */
	void *tell_ctx;
	struct ipm_reass_lost *lost; /* or NULL; its version before tell */
	unsigned flags; /* the caller's, of a fragment that is added */
};

void ipm_reass_init(struct ipm_reass *t);

/* Gives up one packet whose time is over (switches frag-seconds4, -6); false:
 * there is none. */
bool ipm_reass_expire(struct ipm_reass *t, const struct ipm_reass_env *e);

/*
 * Takes one fragment (ip->fragment is true).
 *
 *   frame   its number, from 1 on
 *   out     room for a whole packet; used on IPM_R_OK alone
 *   packet  the whole packet in out
 *   pieces  fragments it was made of
 *
 * Returns IPM_R_FRAG_PENDING (kept); IPM_R_OK (the packet is complete);
 * FRAG_BAD, FRAG_DUPLICATE (an exact copy; with the rules `first` and `bsd`
 * whatever adds no octet), FRAG_TOO_BIG, FRAG_FULL (no room for another
 * packet), NO_MEMORY: this fragment alone is dropped; FRAG_OVERLAP and
 * FRAG_FULL (too many pieces of one packet): the whole packet is given up, and
 * after FRAG_OVERLAP whatever else comes of it is refused until its time is
 * over.  FRAG_TOO_BIG and NO_MEMORY end the packet, too, when it was complete
 * but its header makes it too long, or `out` is too small.
 */
enum ipm_reason ipm_reass_add(struct ipm_reass *t,
    const struct ipm_reass_env *e, const struct ipm_ip *ip, uint64_t frame,
    uint8_t *out, size_t cap, struct ipm_span *packet, size_t *pieces);

/* Adds what waits to a digest (ipm_state_digest). */
void ipm_reass_digest(
    const struct ipm_reass *t, const struct ipm_arena *a, struct ipm_digest *d);

#endif
