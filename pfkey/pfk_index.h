#ifndef PFK_INDEX_H
#define PFK_INDEX_H

/*
 * Where to find an SA by SPI, a head by its ends, a policy by id and by
 * selector: derived data, rebuilt from the state whenever it is out of step,
 * checked against walks over the lists by the tests.
 */

#include <stdbool.h>

#include "db/ipm_arena.h"

/* A multimap from a 32-bit hash to offsets: open addressing, linear probing,
 * deletion by shifting back.  Equal hashes are the caller's to tell apart. */
struct pfk_map {
	struct pfk_map_slot {
		uint32_t hash;
		ipm_off off; /* 0: free */
	} * slot;
	uint32_t n_slots, count;
};

struct pfk_index {
	struct pfk_map spi;   /* SAs of heads */
	struct pfk_map heads; /* by protocol, source, destination */
	struct pfk_map ids;   /* policies by id */
	struct pfk_map sels;  /* policies by exact selector */
	bool built;
};

#endif
