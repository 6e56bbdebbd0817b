#ifndef PFK_SP_H
#define PFK_SP_H

/*
 * A policy as sadb_x_policy: what PF_KEY and setsockopt(2) have in common.
 *
 * Source: FreeBSD sys/netipsec/key.c (key_msg2sp, key_sp2msg); facts pfkey 5.4,
 * 3.11.8.
 */

#include "db/ipm_spd.h"
#include "ipm_profile.h"

#define PFK_XPOLICY_LEN 16U /* sadb_x_policy without requests */
#define PFK_REQUEST_LEN 8U  /* sadb_x_ipsecrequest without addresses */

/* Head of a sadb_x_policy. */
struct pfk_xpolicy {
	uint16_t type;
	uint8_t dir;
	uint32_t id, priority;
};

/* p has 16 octets. */
struct pfk_xpolicy pfk_xpolicy_read(const uint8_t *p);

/* What a sadb_x_policy asks for. */
struct pfk_sp_in {
	struct ipm_sp_config c; /* direction, type, priority, requests */
	/* Reqids that were chosen here: where in the octets they belong. */
	uint8_t n_chosen;
	struct {
		uint16_t at;
		uint16_t reqid;
	} chosen[IPM_REQS_MAX];
};

/*
 * Reads a whole sadb_x_policy.
 *
 *   spd  gives automatic reqids, which are used up even when it fails
 *   x    at least 16 octets; as many as its owner says it has
 *
 * 0, PFK_EINVAL, or PFK_EPROTONOSUPPORT (facts pfkey 5.4).  Direction and type
 * are not judged beyond that: who may use which is the caller's rule.
 */
int pfk_sp_read(const struct ipm_profile *pf, struct ipm_spd *spd,
    struct ipm_span x, struct pfk_sp_in *in);

/* Writes the reqids that were chosen into the octets that were read. */
void pfk_sp_write_chosen(const struct pfk_sp_in *in, uint8_t *x);

/* Octets of a policy as sadb_x_policy with its requests. */
size_t pfk_sp_len(const struct ipm_arena *a, const struct ipm_sp *sp);

/* Writes its first len octets, which are 16 or pfk_sp_len; the length field
 * states the whole.  `scoped`: byte 7 tells the scope. */
void pfk_sp_write(const struct ipm_arena *a, const struct ipm_sp *sp,
    bool scoped, uint8_t *out, size_t len);

#endif
