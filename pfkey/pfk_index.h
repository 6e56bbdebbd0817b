#ifndef PFK_INDEX_H
#define PFK_INDEX_H

/*
 * Where to find an SA by SPI, a head by its ends, a policy by id and by
 * selector: derived data, rebuilt from the state whenever it is out of step,
 * checked against walks over the lists by the tests.
 */

#include <stdbool.h>

#include "db/ipm_arena.h"
#include "ipm_err.h"

/* A multimap from a 32-bit hash to offsets: open addressing, linear probing,
 * deletion by shifting back.  Equal hashes are the caller's to tell apart. */
struct pfk_map {
	struct pfk_map_slot {
		uint32_t hash;
		ipm_off off; /* 0: free */
	} * slot;
	uint32_t n_slots, count; /* n_slots is 0 or a power of two */
};

struct pfk_index {
	struct pfk_map spi;   /* SAs of heads */
	struct pfk_map heads; /* by protocol, source, destination */
	struct pfk_map ids;   /* policies by id */
	struct pfk_map sels;  /* policies by exact selector */
	bool built;           /* spi and heads */
	bool spd_built;       /* ids and sels, as of this generation */
	uint64_t spd_generation;
};

/* Puts (hash, off) in; off is not 0.  IPM_OK, or IPM_ERR_NOMEM with the map as
 * it was. */
enum ipm_err pfk_map_add(struct pfk_map *m, const struct ipm_alloc *alloc,
    uint32_t hash, ipm_off off);

/* Takes (hash, off) out; false when it is not in. */
bool pfk_map_del(struct pfk_map *m, uint32_t hash, ipm_off off);

/*
 * The offsets of a hash one after another, in no order of meaning.
 *
 *   at  where the walk stands: 0 begins it; not to be used over a change
 *
 * 0: no more.
 */
ipm_off pfk_map_next(const struct pfk_map *m, uint32_t hash, uint32_t *at);

/* Empty, its memory returned. */
void pfk_map_free(struct pfk_map *m, const struct ipm_alloc *alloc);

/* All four maps. */
void pfk_index_free(struct pfk_index *x, const struct ipm_alloc *alloc);

#endif
