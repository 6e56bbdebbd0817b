#ifndef IPM_SAHINDEX_H
#define IPM_SAHINDEX_H

/*
 * The heads of a SAD by what an outbound packet wants of one, so that sending
 * does not walk all of them.  Derived data as of ipm_derived.h: outside the
 * state, never copied with it, never digested; it follows one state.
 */

#include "ipm_sad.h"

/* A bucket's heads, newest first. */
struct ipm_sahindex_entry {
	ipm_off head;
	/* Index plus 1 of the next older one: by protocol and ends, and by
	 * these and the reqid. */
	uint32_t older[2];
};

struct ipm_sahindex {
	struct ipm_sahindex_entry *entry; /* oldest first */
	uint32_t *bucket;                 /* two tables of cap buckets */
	uint32_t cap;                     /* a power of two; 0: not built */
	uint32_t count;
	uint64_t generation; /* of the heads it is in step with */
	/* So far: heads looked at; how often all were put in their buckets. */
	uint64_t probes, builds;
};

/* An index over nothing is all zeros. */

/*
 * The newest head that the wanted index matches (IPM_CMP_MODE_REQID), with
 * `alive` the newest of those that have a MATURE or DYING SA; or 0.  The index
 * brings itself in step.  Few heads are walked, and any number of them where
 * there is no memory for the index.
 */
ipm_off ipm_sahindex_find(struct ipm_sahindex *x, const struct ipm_alloc *alloc,
    const struct ipm_sad *sad, const struct ipm_arena *a,
    const struct ipm_saidx *wanted, bool alive);

/* Empty, its memory returned. */
void ipm_sahindex_free(struct ipm_sahindex *x, const struct ipm_alloc *alloc);

#endif
