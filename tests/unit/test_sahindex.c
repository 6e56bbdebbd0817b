/*
 * The index of heads against a walk of their list, on random histories: which
 * head a wanted index finds (facts datapath 4.1), and how many are looked at;
 * and want of memory.
 */
#include <criterion/criterion.h>

#include "db/ipm_sahindex.h"
#include "support/db_box.h"

#define HEADS_MAX 400U

struct world {
	struct db_memory m;
	struct ipm_arena a;
	struct ipm_sad sad;
	struct ipm_sahindex x;
	ipm_off head[HEADS_MAX];
	size_t n;
};

static void
open_world(struct world *w)
{
	*w = (struct world){ 0 };
	db_memory_init(&w->m);
	ipm_arena_init(&w->a, SIZE_MAX);
}

static void
close_world(struct world *w)
{
	ipm_sahindex_free(&w->x, &w->m.alloc);
	ipm_arena_free(&w->a, &w->m.alloc);
	cr_expect_eq(w->m.live, 0);
}

/* One of few, so that they meet; v6 with and without a zone. */
static struct ipm_addr
some_addr(uint64_t v)
{
	struct ipm_addr a = { .family = (v & 1) != 0 ? 4 : 6 };

	a.octet[3] = (uint8_t)(v >> 1 & 1);
	if (a.family == 6) {
		a.octet[15] = (uint8_t)(v >> 2 & 1);
		a.scope = v >> 3 & 1;
	}
	return a;
}

static struct ipm_saidx
some_idx(uint64_t *rng)
{
	uint64_t v = db_random(rng);

	return (struct ipm_saidx){ .src = some_addr(v),
		.dst = some_addr(v >> 8),
		.reqid = v >> 16 & 3,
		.proto = (v >> 20 & 1) != 0 ? IPM_PROTO_ESP : IPM_PROTO_AH,
		.mode = (uint8_t)((v >> 24) % 3) };
}

static bool
equal(const struct ipm_addr *a, const struct ipm_addr *b)
{
	if (a->family != b->family || a->scope != b->scope)
		return false;
	for (size_t i = 0; i < 16; i++)
		if (a->octet[i] != b->octet[i])
			return false;
	return true;
}

/* The table of facts datapath 4.1, over the list from its newest on. */
static ipm_off
slowly(const struct world *w, const struct ipm_saidx *want, bool alive)
{
	for (ipm_off off = w->sad.sah_first; off != 0;) {
		const struct ipm_sah *h = ipm_arena_at(&w->a, off);

		if (h->proto == want->proto && equal(&h->src, &want->src) &&
		    equal(&h->dst, &want->dst) &&
		    (want->reqid == 0 || h->reqid == want->reqid) &&
		    (h->mode == IPM_MODE_ANY || h->mode == want->mode) &&
		    (!alive || h->alive_first != 0))
			return off;
		off = h->next;
	}
	return 0;
}

static void
add(struct world *w, const struct ipm_saidx *idx, bool alive)
{
	cr_assert_eq(
	    ipm_sah_make(&w->sad, &w->a, &w->m.alloc, idx, &w->head[w->n]),
	    IPM_OK);
	/* Nobody looks at the SA itself. */
	((struct ipm_sah *)ipm_arena_at(&w->a, w->head[w->n]))->alive_first =
	    alive;
	w->n++;
}

static void
drop(struct world *w, size_t i)
{
	ipm_sah_free(&w->sad, &w->a, w->head[i]);
	w->head[i] = w->head[--w->n];
}

Test(sahindex, agrees_with_the_walk_on_random_histories)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		uint64_t rng = seed, v;
		struct world w;

		open_world(&w);
		for (size_t i = 0; i < 1500; i++) {
			struct ipm_saidx idx = some_idx(&rng);
			bool alive = db_random(&rng) & 1;

			v = db_random(&rng);
			/* Up to the last head and down again. */
			if (w.n < HEADS_MAX &&
			    (v & 15) < (i % 600 < 400 ? 6 : 1))
				add(&w, &idx, alive);
			else if (w.n != 0 && (v & 15) < (i % 600 < 400 ? 7 : 9))
				drop(&w, v / 16 % w.n);
			idx = some_idx(&rng);
			cr_assert_eq(ipm_sahindex_find(&w.x, &w.m.alloc, &w.sad,
					 &w.a, &idx, alive),
			    slowly(&w, &idx, alive), "seed %zu, %zu",
			    (size_t)seed, i);
		}
		close_world(&w);
	}
}

/* Many gateways, or one with many reqids: a packet looks at a few heads. */
Test(sahindex, does_not_walk)
{
	for (unsigned same_ends = 0; same_ends < 2; same_ends++) {
		struct ipm_saidx idx = { .src = { .family = 4 },
			.dst = { .family = 4 },
			.proto = IPM_PROTO_ESP,
			.mode = IPM_MODE_TUNNEL };
		struct world w;
		ipm_off off;

		open_world(&w);
		for (uint32_t i = 1; i <= 20000; i++) {
			idx.reqid = i;
			if (!same_ends)
				ipm_store32(idx.dst.octet, i);
			cr_assert_eq(
			    ipm_sah_make(&w.sad, &w.a, &w.m.alloc, &idx, &off),
			    IPM_OK);
			cr_assert_eq(ipm_sahindex_find(&w.x, &w.m.alloc, &w.sad,
					 &w.a, &idx, false),
			    off);
		}
		cr_expect_lt(w.x.probes, 3U * 20000);
		/* As it doubles, from 16 to 32768. */
		cr_expect_leq(w.x.builds, 12);
		/* Without a reqid the newest one fits. */
		w.x.probes = 0;
		idx.reqid = 0;
		cr_expect_eq(ipm_sahindex_find(
				 &w.x, &w.m.alloc, &w.sad, &w.a, &idx, false),
		    off);
		cr_expect_lt(w.x.probes, 10);
		close_world(&w);
	}
}

/* No memory for the index: the answer is the same, and a later call that has
 * some finds it. */
Test(sahindex, no_memory)
{
	for (size_t fail = 1; fail <= 2; fail++) {
		uint64_t rng = 7;
		struct world w;
		struct ipm_saidx idx;

		open_world(&w);
		for (size_t i = 0; i < 300; i++) {
			idx = some_idx(&rng);
			add(&w, &idx, true);
		}
		w.m.fail_at = w.m.calls + fail;
		for (size_t i = 0; i < 50; i++) {
			idx = some_idx(&rng);
			cr_expect_eq(ipm_sahindex_find(&w.x, &w.m.alloc, &w.sad,
					 &w.a, &idx, false),
			    slowly(&w, &idx, false));
			cr_expect_eq(w.x.probes, 0);
		}
		w.m.fail_at = 0;
		for (size_t i = 0; i < 50; i++) {
			idx = some_idx(&rng);
			cr_expect_eq(ipm_sahindex_find(&w.x, &w.m.alloc, &w.sad,
					 &w.a, &idx, false),
			    slowly(&w, &idx, false));
		}
		cr_expect_gt(w.x.probes, 0);
		close_world(&w);
	}
}
