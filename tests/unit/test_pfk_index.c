/*
 * The maps of the key engine's index, against a plain list of pairs.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "pfk_index.h"
#include "support/db_box.h"

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
