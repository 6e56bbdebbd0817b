#ifndef IPM_ALLOC_H
#define IPM_ALLOC_H

#include <stddef.h>

/*
 * Memory.  resize(old NULL) allocates, resize(new_size 0) frees and returns
 * NULL.  A failure returns NULL and leaves the old block as it was.  Blocks
 * hold keys: one that is freed or left behind by a move is wiped by resize.
 */
struct ipm_alloc {
	void *ctx;
	void *(*resize)(void *ctx, void *old, size_t old_size, size_t new_size);
};

#endif
