#ifndef IPM_ARENA_H
#define IPM_ARENA_H

/*
 * One block of memory addressed by offsets, so that a copy of the block is a
 * snapshot of everything in it.  It grows through the caller's allocator and
 * every octet in it is defined (zeroed when handed out), so that equal
 * histories give equal blocks.
 */

#include <stdint.h>

#include "../ipm_env.h"

/* Offset in units of 8 octets; 0 is nothing (the first unit is never given). */
typedef uint32_t ipm_off;

#define IPM_ARENA_CLASSES 48U

struct ipm_arena {
	uint8_t *base;    /* 8-octet aligned; moves when it grows */
	size_t cap, used; /* octets */
	size_t limit;     /* never grow past; 0: 32 GiB */
	ipm_off free[IPM_ARENA_CLASSES]; /* lists of returned pieces by size */
	size_t in_use; /* octets handed out and not returned */
};

void ipm_arena_init(struct ipm_arena *a, size_t limit);

/* A zeroed piece of len octets, 8-octet aligned; 0 when there is no room
 * (nothing changed).  Pointers into the arena are stale after this. */
ipm_off ipm_arena_take(
    struct ipm_arena *a, const struct ipm_alloc *alloc, size_t len);

/* Makes room for takes whose pieces (lengths rounded up as take does: to 8
 * octets up to 256, then to a power of two) come to len octets at most, so
 * that they cannot fail.  False: no room, nothing changed.  Pointers into the
 * arena are stale after this. */
bool ipm_arena_reserve(
    struct ipm_arena *a, const struct ipm_alloc *alloc, size_t len);

/* Wipes and returns a piece of len octets that take gave. */
void ipm_arena_give(struct ipm_arena *a, ipm_off off, size_t len);

/* Address of a piece; valid until the next take. */
static inline void *
ipm_arena_at(const struct ipm_arena *a, ipm_off off)
{
	return a->base + (size_t)off * 8;
}

/* dst becomes a copy of src.  IPM_OK or IPM_ERR_NOMEM (dst empty). */
enum ipm_err ipm_arena_clone(struct ipm_arena *dst, const struct ipm_arena *src,
    const struct ipm_alloc *alloc);

/* Wipes and frees the block. */
void ipm_arena_free(struct ipm_arena *a, const struct ipm_alloc *alloc);

#endif
