#ifndef IPM_HASH_H
#define IPM_HASH_H

/* What the indexes of derived data hash with.  Nothing of it reaches a state,
 * a digest or a file. */

#include <stdint.h>

/* A 64-bit finaliser (MurmurHash3's fmix64): every input bit reaches every
 * output bit. */
static inline uint64_t
ipm_hash_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdU;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53U;
	return x ^ x >> 33;
}

#endif
