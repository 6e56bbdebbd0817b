#ifndef IPM_SPDINDEX_H
#define IPM_SPDINDEX_H

/*
 * A classifier over one SPD: the first policy of a direction's list that
 * matches a packet, found without walking the list.  Derived data as of
 * ipm_derived.h: outside the state, never copied with it, never digested; it
 * follows one state.
 *
 * Tuple space search (Srinivasan, Suri, Varghese, "Packet classification using
 * tuple space search", SIGCOMM 1999), pruned by address: policies are grouped
 * by their masked addresses, and within a group by which of protocol and ports
 * they name.  Which prefix lengths can match an address at all is asked from a
 * filter first, so the number of different masks in the SPD does not matter,
 * only how many prefixes lie around one address.
 */

#include "ipm_spd.h"

struct ipm_spdindex {
	void *block; /* everything below stands in it */
	struct ipm_spdindex_entry *entry;
	struct ipm_spdindex_group *groups;
	struct ipm_spdindex_slot *cells;
	struct ipm_spdindex_rank *ranks;
	struct ipm_spdindex_masks *masks;
	uint8_t *filter;
	uint32_t cap;        /* entries; a power of two, 0: not built */
	uint32_t n_entries;  /* since it was built */
	uint32_t live;       /* those whose policy still stands */
	uint64_t generation; /* of the SPD it is in step with */
	uint64_t n_gone;     /* likewise */
	/* So far: lines of the filter, groups, cells and policies looked at;
	 * how often all was built anew. */
	uint64_t probes, builds;
};

/* An index over nothing is all zeros. */

/*
 * In step with the SPD: additions and the last removals are followed, else all
 * is built anew.  IPM_OK, or IPM_ERR_NOMEM with the index empty.
 */
enum ipm_err ipm_spdindex_sync(struct ipm_spdindex *x,
    const struct ipm_alloc *alloc, const struct ipm_spd *spd,
    const struct ipm_arena *a);

/* The first policy that matches, or 0; in step. */
ipm_off ipm_spdindex_find(struct ipm_spdindex *x, const struct ipm_arena *a,
    enum ipm_dir dir, const struct ipm_selector *packet);

/*
 * What ipm_spd_lookup does, to the same result, lastused included.  Short lists
 * are walked, and any list where there is no memory for the index.
 */
ipm_off ipm_spdindex_lookup(struct ipm_spdindex *x,
    const struct ipm_alloc *alloc, const struct ipm_spd *spd,
    struct ipm_arena *a, enum ipm_dir dir, const struct ipm_selector *packet,
    uint64_t now);

/* Octets of memory that it holds. */
size_t ipm_spdindex_octets(const struct ipm_spdindex *x);

/* Empty, its memory returned. */
void ipm_spdindex_free(struct ipm_spdindex *x, const struct ipm_alloc *alloc);

#endif
