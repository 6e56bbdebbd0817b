/*
 * Implementation notes.  Pieces are rounded up to a size class: multiples of 8
 * up to 256 octets (classes 0 to 31), then powers of two (class 32 is 512).  A
 * returned piece goes on the list of its class; its first four octets hold the
 * next one.  Classes beyond the last are never reused.
 */
#include "ipm_arena.h"

#include <string.h>

#define UNIT      8U
#define SMALL     32U /* classes of multiples of 8 */
#define LIMIT_MAX ((size_t)UINT32_MAX * UNIT)

void
ipm_arena_init(struct ipm_arena *a, size_t limit)
{
	*a = (struct ipm_arena){ .used = UNIT };
	a->limit = limit == 0 || limit > LIMIT_MAX ? LIMIT_MAX : limit;
}

/* Class of a length, and the octets that class hands out. */
static unsigned
class_of(size_t len, size_t *size)
{
	unsigned c = SMALL;

	if (len <= (size_t)SMALL * UNIT) {
		c = len == 0 ? 0 : (unsigned)((len - 1) / UNIT);
		*size = ((size_t)c + 1) * UNIT;
		return c;
	}
	*size = (size_t)SMALL * UNIT * 2;
	while (*size < len && c + 1 < IPM_ARENA_CLASSES) {
		*size *= 2;
		c++;
	}
	if (*size < len)
		*size = (len + UNIT - 1) / UNIT * UNIT;
	return c;
}

static bool
grow(struct ipm_arena *a, const struct ipm_alloc *alloc, size_t need)
{
	size_t cap = a->cap == 0 ? 4096 : a->cap;
	uint8_t *p;

	if (need > a->limit)
		return false;
	while (cap < need)
		cap += cap / 2 + UNIT;
	cap = cap / UNIT * UNIT;
	if (cap > a->limit)
		cap = a->limit;
	p = alloc->resize(alloc->ctx, a->base, a->cap, cap);
	if (p == NULL)
		return false;
	memset(p + a->cap, 0, cap - a->cap);
	a->base = p;
	a->cap = cap;
	return true;
}

ipm_off
ipm_arena_take(struct ipm_arena *a, const struct ipm_alloc *alloc, size_t len)
{
	size_t size;
	unsigned c;
	ipm_off off;

	/* Also keeps the rounding up of class_of from wrapping. */
	if (len > a->limit)
		return 0;
	c = class_of(len, &size);
	off = a->free[c];
	if (off != 0 && c + 1 < IPM_ARENA_CLASSES) {
		memcpy(&a->free[c], ipm_arena_at(a, off), sizeof a->free[c]);
		memset(ipm_arena_at(a, off), 0, sizeof a->free[c]);
	} else {
		if (size > SIZE_MAX - a->used ||
		    (a->used + size > a->cap &&
			!grow(a, alloc, a->used + size)))
			return 0;
		off = (ipm_off)(a->used / UNIT);
		a->used += size;
	}
	a->in_use += size;
	return off;
}

bool
ipm_arena_reserve(
    struct ipm_arena *a, const struct ipm_alloc *alloc, size_t len)
{
	if (len <= a->cap - a->used && a->used <= a->cap)
		return true;
	return len <= a->limit && len <= SIZE_MAX - a->used &&
	    grow(a, alloc, a->used + len);
}

void
ipm_arena_give(struct ipm_arena *a, ipm_off off, size_t len)
{
	size_t size;
	unsigned c = class_of(len, &size);

	if (off == 0)
		return;
	ipm_wipe(ipm_arena_at(a, off), size);
	a->in_use -= size;
	if (c + 1 == IPM_ARENA_CLASSES)
		return;
	memcpy(ipm_arena_at(a, off), &a->free[c], sizeof a->free[c]);
	a->free[c] = off;
}

enum ipm_err
ipm_arena_clone(struct ipm_arena *dst, const struct ipm_arena *src,
    const struct ipm_alloc *alloc)
{
	uint8_t *p = NULL;

	if (src->cap != 0) {
		p = alloc->resize(alloc->ctx, NULL, 0, src->cap);
		if (p == NULL) {
			ipm_arena_init(dst, src->limit);
			return IPM_ERR_NOMEM;
		}
		memcpy(p, src->base, src->cap);
	}
	*dst = *src;
	dst->base = p;
	return IPM_OK;
}

void
ipm_arena_free(struct ipm_arena *a, const struct ipm_alloc *alloc)
{
	if (a->base != NULL) {
		ipm_wipe(a->base, a->cap);
		(void)alloc->resize(alloc->ctx, a->base, a->cap, 0);
	}
	ipm_arena_init(a, a->limit);
}
