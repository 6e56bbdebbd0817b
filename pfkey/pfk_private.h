#ifndef PFK_PRIVATE_H
#define PFK_PRIVATE_H

/*
 * The one extension of our own, taken with the switch pfkey-private-extension
 * alone and never sent: what an ADD cannot say in any kernel's numbers.  Where
 * it stands, its names count and not the numbers in sadb_sa.
 *
 *   0:2 length (8 words)   2:2 type         4:4 IPM_SAF_ bits to add
 *   8:8 last sequence number used, both ways (64 bits with ESN)
 *  16:24 name of the cipher or combined mode (ipm_algs), filled with zeros
 *  40:24 name of the integrity algorithm, likewise
 *
 * Integers are in the order of PF_KEY's host: little endian.
 */

#include "db/ipm_sad.h"

#define PFK_PRIVATE_TYPE 0xf1f5U
#define PFK_PRIVATE_LEN  64U

struct pfk_private {
	uint32_t flags;
	uint64_t last_seq;
	const struct ipm_alg *enc, *auth; /* NULL: none */
};

/* What of the SA goes into the extension: all but IPcomp's algorithm. */
void pfk_private_put(
    uint8_t out[PFK_PRIVATE_LEN], const struct ipm_sa_config *c);

/* Reads PFK_PRIVATE_LEN octets.  False: a name without its zero, an unknown
 * name, one of the wrong kind, a flag that is not ESN's or Linux's. */
bool pfk_private_get(const uint8_t *p, struct pfk_private *v);

#endif
