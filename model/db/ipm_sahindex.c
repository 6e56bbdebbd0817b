/*
 * Implementation notes.  Two tables of chained buckets over one array of
 * entries: a request without a reqid asks by protocol and ends, one with a
 * reqid asks by that as well, since gateways may have many heads between them
 * that differ in nothing else.  A new head goes to the front of its chains, so
 * that the first match is the newest.  Additions are followed; after a removal
 * all is built anew.
 */
#include "ipm_sahindex.h"

#include "ipm_hash.h"

#include <string.h>

/* So many heads are walked faster than hashed. */
#define WALKED 8U

enum {
	BY_ENDS,
	BY_REQID
};

static const struct ipm_sah *
head_at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

static uint64_t
mix_addr(uint64_t h, const struct ipm_addr *a)
{
	if (a->family == 4)
		return ipm_hash_mix(h ^ ipm_load32(a->octet));
	h = ipm_hash_mix(h ^ ipm_load64(a->octet));
	return ipm_hash_mix(h ^ ipm_load64(a->octet + 8) ^ a->scope);
}

/* The bucket of a head, or of what is wanted, in one of the tables. */
static size_t
bucket_of(
    const struct ipm_sahindex *x, const struct ipm_saidx *idx, unsigned table)
{
	uint64_t h = ipm_hash_mix((uint64_t)idx->proto << 8 | idx->src.family);

	h = mix_addr(mix_addr(h, &idx->src), &idx->dst);
	if (table == BY_REQID)
		h = ipm_hash_mix(h ^ idx->reqid);
	return (size_t)table * x->cap + (h & (x->cap - 1));
}

static void
link_entry(struct ipm_sahindex *x, const struct ipm_arena *a, uint32_t i)
{
	struct ipm_saidx idx = ipm_sah_idx(head_at(a, x->entry[i].head));

	for (unsigned table = BY_ENDS; table <= BY_REQID; table++) {
		uint32_t *b = &x->bucket[bucket_of(x, &idx, table)];

		x->entry[i].older[table] = *b;
		*b = i + 1;
	}
}

static size_t
entry_octets(uint32_t cap)
{
	return cap * sizeof(struct ipm_sahindex_entry);
}

static size_t
bucket_octets(uint32_t cap)
{
	return 2 * (size_t)cap * sizeof(uint32_t);
}

/* Room for n heads, all chains empty. */
static enum ipm_err
grow(struct ipm_sahindex *x, const struct ipm_alloc *alloc, uint32_t n)
{
	struct ipm_sahindex bigger = {
		.cap = 16, .count = x->count, .probes = x->probes
	};

	while (bigger.cap < n)
		bigger.cap *= 2;
	bigger.entry =
	    alloc->resize(alloc->ctx, NULL, 0, entry_octets(bigger.cap));
	bigger.bucket =
	    alloc->resize(alloc->ctx, NULL, 0, bucket_octets(bigger.cap));
	if (bigger.entry == NULL || bigger.bucket == NULL) {
		ipm_sahindex_free(&bigger, alloc);
		return IPM_ERR_NOMEM;
	}
	if (x->count != 0)
		memcpy(bigger.entry, x->entry, entry_octets(x->count));
	ipm_sahindex_free(x, alloc);
	*x = bigger;
	return IPM_OK;
}

static void
link_all(struct ipm_sahindex *x, const struct ipm_arena *a)
{
	x->builds++;
	memset(x->bucket, 0, bucket_octets(x->cap));
	for (uint32_t i = 0; i < x->count; i++)
		link_entry(x, a, i);
}

/* The newest `more` heads of the list become the last entries. */
static void
take_newest(struct ipm_sahindex *x, const struct ipm_sad *sad,
    const struct ipm_arena *a, uint32_t more)
{
	ipm_off off = sad->sah_first;

	for (uint32_t i = more; i-- > 0; off = head_at(a, off)->next)
		x->entry[x->count + i] =
		    (struct ipm_sahindex_entry){ .head = off };
	for (uint32_t i = 0; i < more; i++)
		link_entry(x, a, x->count + i);
	x->count += more;
}

static enum ipm_err
sync(struct ipm_sahindex *x, const struct ipm_alloc *alloc,
    const struct ipm_sad *sad, const struct ipm_arena *a)
{
	uint32_t more = sad->sah_count - x->count, cap = x->cap;

	if (x->cap != 0 && x->generation == sad->sah_generation)
		return IPM_OK;
	/* Each addition and removal counts one: equal growth of both numbers
	 * means additions alone. */
	if (sad->sah_count < x->count ||
	    sad->sah_generation - x->generation != more) {
		x->count = 0;
		more = sad->sah_count;
		cap = 0;
	}
	if (sad->sah_count > x->cap && grow(x, alloc, sad->sah_count) != IPM_OK)
		return IPM_ERR_NOMEM;
	if (x->cap != cap)
		link_all(x, a);
	take_newest(x, sad, a, more);
	x->generation = sad->sah_generation;
	return IPM_OK;
}

static bool
fits(const struct ipm_sah *h, const struct ipm_saidx *wanted, bool alive)
{
	struct ipm_saidx idx = ipm_sah_idx(h);

	return (!alive || h->alive_first != 0) &&
	    ipm_saidx_match(&idx, wanted, IPM_CMP_MODE_REQID);
}

static ipm_off
walk(const struct ipm_sad *sad, const struct ipm_arena *a,
    const struct ipm_saidx *wanted, bool alive)
{
	ipm_off off = sad->sah_first;

	while (off != 0 && !fits(head_at(a, off), wanted, alive))
		off = head_at(a, off)->next;
	return off;
}

ipm_off
ipm_sahindex_find(struct ipm_sahindex *x, const struct ipm_alloc *alloc,
    const struct ipm_sad *sad, const struct ipm_arena *a,
    const struct ipm_saidx *wanted, bool alive)
{
	unsigned table = wanted->reqid == 0 ? BY_ENDS : BY_REQID;

	if (sad->sah_count <= WALKED || sync(x, alloc, sad, a) != IPM_OK)
		return walk(sad, a, wanted, alive);
	for (uint32_t i = x->bucket[bucket_of(x, wanted, table)]; i != 0;
	     i = x->entry[i - 1].older[table]) {
		ipm_off off = x->entry[i - 1].head;

		x->probes++;
		if (fits(head_at(a, off), wanted, alive))
			return off;
	}
	return 0;
}

void
ipm_sahindex_free(struct ipm_sahindex *x, const struct ipm_alloc *alloc)
{
	if (x->entry != NULL)
		(void)alloc->resize(
		    alloc->ctx, x->entry, entry_octets(x->cap), 0);
	if (x->bucket != NULL)
		(void)alloc->resize(
		    alloc->ctx, x->bucket, bucket_octets(x->cap), 0);
	*x = (struct ipm_sahindex){ 0 };
}
