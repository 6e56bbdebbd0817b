/*
 * The maps of the key engine's index, against a plain list of pairs.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "pfk_engine.h"
#include "support/pfk_box.h"

#define PAIRS 600

struct pair {
	uint32_t hash;
	ipm_off off;
};

/* Does the map give exactly the list's offsets for this hash? */
static bool
same(const struct pfk_map *m, const struct pair *list, size_t n, uint32_t hash)
{
	bool seen[PAIRS] = { false };
	uint32_t at = 0;
	ipm_off off;

	while ((off = pfk_map_next(m, hash, &at)) != 0) {
		size_t i = 0;

		while (i < n &&
		    (seen[i] || list[i].hash != hash || list[i].off != off))
			i++;
		if (i == n)
			return false;
		seen[i] = true;
	}
	for (size_t i = 0; i < n; i++)
		if (list[i].hash == hash && !seen[i])
			return false;
	return true;
}

/* Few hashes, so that many entries share one and probes run into each other,
 * also over the end of the slots. */
Test(pfk_index, map_agrees_with_a_list_on_random_histories)
{
	static struct pair list[PAIRS];
	struct db_memory mem;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct pfk_map m = { 0 };
		uint64_t rng = seed;
		size_t n = 0;
		uint32_t hashes = 1U << seed % 10;

		db_memory_init(&mem);
		for (uint32_t step = 1; step <= 3000; step++) {
			uint64_t v = db_random(&rng);
			uint32_t hash = (uint32_t)(v >> 8) % hashes;

			/* phases of growth and of shrinking */
			if (n < PAIRS &&
			    (n == 0 || v % 8 < step / 300 % 2 * 4 + 2)) {
				cr_assert_eq(
				    pfk_map_add(&m, &mem.alloc, hash, step),
				    IPM_OK);
				list[n++] = (struct pair){ hash, step };
			} else {
				size_t i = (size_t)(v >> 32) % n;

				cr_expect(!pfk_map_del(
				    &m, list[i].hash + hashes, list[i].off));
				cr_expect(!pfk_map_del(
				    &m, list[i].hash, list[i].off + 5000));
				hash = list[i].hash;
				cr_expect(pfk_map_del(&m, hash, list[i].off));
				list[i] = list[--n];
			}
			cr_assert_eq(m.count, n);
			cr_assert(same(&m, list, n, hash), "seed %llu step %u",
			    (unsigned long long)seed, step);
			if (step % 100 == 0)
				for (uint32_t h = 0; h <= hashes; h++)
					cr_assert(same(&m, list, n, h));
		}
		pfk_map_free(&m, &mem.alloc);
		cr_expect_eq(mem.live, 0);
	}
}

Test(pfk_index, empty_map)
{
	struct pfk_map m = { 0 };
	uint32_t at = 0;

	cr_expect_eq(pfk_map_next(&m, 7, &at), 0);
	cr_expect(!pfk_map_del(&m, 7, 1));
}

/* A map that cannot grow is as it was, and whole. */
Test(pfk_index, no_room_changes_nothing)
{
	struct db_memory mem;
	struct pfk_map m = { 0 };
	uint32_t n = 0, at;

	db_memory_init(&mem);
	mem.fail_at = 1;
	cr_expect_eq(pfk_map_add(&m, &mem.alloc, 1, 1), IPM_ERR_NOMEM);
	cr_expect_eq(m.n_slots, 0);
	mem.fail_at = 4;
	while (pfk_map_add(&m, &mem.alloc, n, n + 1) == IPM_OK)
		n++;
	cr_expect_gt(n, 10);
	cr_expect_eq(m.count, n);
	for (uint32_t i = 0; i < n; i++) {
		at = 0;
		cr_expect_eq(pfk_map_next(&m, i, &at), i + 1);
		cr_expect_eq(pfk_map_next(&m, i, &at), 0);
	}
	at = 0;
	cr_expect_eq(pfk_map_next(&m, n, &at), 0);
	pfk_map_free(&m, &mem.alloc);
	cr_expect_eq(mem.live, 0);
}

Test(pfk_index, all_maps_are_freed)
{
	struct db_memory mem;
	struct pfk_index x = { .built = true, .spd_built = true };

	db_memory_init(&mem);
	cr_assert_eq(pfk_map_add(&x.spi, &mem.alloc, 1, 1), IPM_OK);
	cr_assert_eq(pfk_map_add(&x.heads, &mem.alloc, 1, 1), IPM_OK);
	cr_assert_eq(pfk_map_add(&x.ids, &mem.alloc, 1, 1), IPM_OK);
	cr_assert_eq(pfk_map_add(&x.sels, &mem.alloc, 1, 1), IPM_OK);
	cr_expect_eq(mem.live, 4);
	pfk_index_free(&x, &mem.alloc);
	cr_expect_eq(mem.live, 0);
	cr_expect(!x.built);
	cr_expect(!x.spd_built);
}

/* Equals come out in the order in which they went in, also over deletions and
 * growth. */
Test(pfk_index, equal_hashes_keep_their_order)
{
	struct db_memory mem;
	struct pfk_map m = { 0 };
	uint64_t rng = 11;

	db_memory_init(&mem);
	for (uint32_t i = 1; i <= 2000; i++) {
		uint64_t v = db_random(&rng);
		uint32_t at = 0, last = 0, off;

		cr_assert_eq(
		    pfk_map_add(&m, &mem.alloc, (uint32_t)v % 40, i), IPM_OK);
		if ((v >> 32) % 3 == 0) {
			off = pfk_map_next(&m, (uint32_t)(v >> 40) % 40, &at);
			if (off != 0)
				cr_expect(pfk_map_del(
				    &m, (uint32_t)(v >> 40) % 40, off));
		}
		at = 0;
		while ((off = pfk_map_next(&m, (uint32_t)v % 40, &at)) != 0) {
			cr_assert_gt(off, last);
			last = off;
		}
	}
	pfk_map_free(&m, &mem.alloc);
}

/* The last added SA of an SPI, walking the list. */
static ipm_off
walk_spi(const struct ipm_sad *sad, const struct ipm_arena *a, uint32_t spi,
    const struct ipm_saidx *within)
{
	ipm_off found = 0;

	for (ipm_off off = sad->first; off != 0;) {
		const struct ipm_sa *sa = ipm_arena_at(a, off);

		if (sa->sah != 0 && sa->spi == spi &&
		    (within == NULL ||
			(sa->proto == within->proto &&
			    ipm_addr_equal(&sa->dst, &within->dst))))
			found = off;
		off = sa->next;
	}
	return found;
}

/* The newest head that matches, walking the list. */
static ipm_off
walk_sah(const struct ipm_sad *sad, const struct ipm_arena *a,
    const struct ipm_saidx *wanted, enum ipm_saidx_cmp how)
{
	for (ipm_off off = sad->sah_first; off != 0;) {
		const struct ipm_sah *h = ipm_arena_at(a, off);
		struct ipm_saidx idx = ipm_sah_idx(h);

		if (ipm_saidx_match(&idx, wanted, how))
			return off;
		off = h->next;
	}
	return 0;
}

static void
expect_walks(const struct pfk_engine *e, const struct pfk_index *x)
{
	const struct ipm_arena *a = &e->ipm.arena;
	const struct ipm_sad *sad = &e->ipm.sad;

	for (ipm_off off = sad->first; off != 0;) {
		const struct ipm_sa *sa = ipm_arena_at(a, off);
		struct ipm_saidx idx = ipm_sah_idx(ipm_arena_at(a, sa->sah));

		cr_assert_eq(pfk_index_spi(x, a, sa->spi, NULL),
		    walk_spi(sad, a, sa->spi, NULL));
		cr_assert_eq(pfk_index_spi(x, a, sa->spi, &idx),
		    walk_spi(sad, a, sa->spi, &idx));
		for (int how = 0; how < 3; how++)
			for (uint32_t reqid = 0; reqid < 3; reqid++) {
				idx.reqid = reqid;
				cr_assert_eq(pfk_index_sah(x, a, &idx,
						 (enum ipm_saidx_cmp)how),
				    walk_sah(
					sad, a, &idx, (enum ipm_saidx_cmp)how));
			}
		off = sa->next;
	}
	cr_assert_eq(x->spi.count, sad->count);
	cr_assert_eq(x->heads.count, sad->sah_count);
}

/* Random histories through the engine's door: what the index finds is what a
 * walk finds, and one built anew finds the same. */
Test(pfk_index, sas_and_heads_agree_with_walks)
{
	static struct pfk_box b;
	static struct pfk_text t;

	for (uint64_t seed = 1; seed <= 8; seed++) {
		uint64_t rng = seed;

		pfk_box_init(&b, IPM_PF_FREEBSD_2017);
		/* duplicates come of running out of tries */
		b.e.ipm.sysctls.v[IPM_SV_SPI_TRYCNT] = 3;
		for (int i = 0; i < 400; i++) {
			uint64_t v = db_random(&rng);
			uint32_t spi = 0x1000 + (uint32_t)(v >> 8) % 24;
			struct pfk_index fresh = { 0 };

			if (v % 8 < 4) {
				pfk_getspi(&t, 0x1000, 0x1017);
				b.tape.pos = 4 * ((v >> 40) % 1000);
			} else if (v % 8 < 6) {
				pfk_update(&t, spi);
				if ((v & 16) != 0) {
					pfk_cut_ext(&t, 8);
					pfk_cut_ext(&t, 9);
					pfk_add_addr(&t, 28, 4,
					    (uint8_t)((v >> 30) % 3));
				}
			} else {
				pfk_name_sa(&t, 4, spi);
			}
			pfk_find_ext(&t, 6)[15] = (uint8_t)((v >> 16) % 3);
			if (pfk_find_ext(&t, 19) != NULL) {
				pfk_find_ext(&t, 19)[4] =
				    (uint8_t)((v >> 20) % 3);
				pfk_find_ext(&t, 19)[12] =
				    (uint8_t)((v >> 24) % 3);
			}
			(void)pfk_ask(&b, &t, NULL);
			if (v >> 58 == 0)
				pfk_box_wait(&b, 1 + (v >> 50) % 20);
			expect_walks(&b.e, &b.e.index);
			if (i % 20 == 0) {
				cr_assert_eq(
				    pfk_index_ready(&fresh, &b.e.ipm.sad,
					&b.e.ipm.arena, &b.mem.alloc),
				    IPM_OK);
				expect_walks(&b.e, &fresh);
				pfk_index_free(&fresh, &b.mem.alloc);
			}
		}
		pfk_box_free(&b);
	}
}
