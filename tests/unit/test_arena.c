/*
 * The arena: pieces are zeroed, aligned, apart from each other, and come back;
 * no room changes nothing; a copy is a snapshot.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_arena.h"
#include "support/db_box.h"

/* Lengths around the borders of the size classes. */
static const size_t lengths[] = { 0, 1, 7, 8, 9, 16, 31, 32, 33, 48, 152, 248,
	249, 255, 256, 257, 511, 512, 513, 1024, 1025, 4095, 4096, 4097,
	65535 };
#define N_LENGTHS (sizeof lengths / sizeof lengths[0])

static bool
all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

Test(arena, pieces_are_zeroed_aligned_and_never_offset_0)
{
	struct db_memory m;
	struct ipm_arena a;

	db_memory_init(&m);
	ipm_arena_init(&a, 0);
	for (size_t i = 0; i < N_LENGTHS; i++) {
		ipm_off off = ipm_arena_take(&a, &m.alloc, lengths[i]);
		uint8_t *p;

		cr_assert_neq(off, 0);
		p = ipm_arena_at(&a, off);
		cr_expect_eq((uintptr_t)p % 8, 0, "length %zu", lengths[i]);
		cr_expect(all_zero(p, lengths[i]), "length %zu", lengths[i]);
		memset(p, 0xff, lengths[i]);
	}
	ipm_arena_free(&a, &m.alloc);
	cr_expect_eq(m.live, 0);
	cr_expect_eq(m.octets, 0);
}

/* The naive twin: a list of what is out, each filled with its own octet. */
struct out {
	ipm_off off;
	size_t len;
	uint8_t fill;
};

static bool
filled(const struct ipm_arena *a, const struct out *o)
{
	const uint8_t *p = ipm_arena_at(a, o->off);

	for (size_t i = 0; i < o->len; i++)
		if (p[i] != o->fill)
			return false;
	return true;
}

/*
 * A random history; false when a piece is not zeroed or another one changed
 * it.  The planted fault returns a piece that is still in use.
 */
static bool
history(uint64_t seed, bool fault)
{
	static struct out out[400];
	struct db_memory m;
	struct ipm_arena a;
	size_t n = 0;
	bool good = true;

	db_memory_init(&m);
	ipm_arena_init(&a, 0);
	for (unsigned step = 0; step < 4000 && good; step++) {
		uint64_t r = db_random(&seed);

		if (n < 400 && (n == 0 || r % 100 < 55)) {
			struct out *o = &out[n++];

			o->len = lengths[(r >> 8) % (N_LENGTHS - 4)];
			o->fill = (uint8_t)(r >> 32 | 1);
			o->off = ipm_arena_take(&a, &m.alloc, o->len);
			cr_assert_neq(o->off, 0);
			good = all_zero(ipm_arena_at(&a, o->off), o->len);
			memset(ipm_arena_at(&a, o->off), o->fill, o->len);
		} else {
			size_t k = (r >> 8) % n;

			good = filled(&a, &out[k]);
			ipm_arena_give(&a, out[k].off, out[k].len);
			if (!fault)
				out[k] = out[--n];
		}
	}
	for (size_t i = 0; i < n && good; i++)
		good = filled(&a, &out[i]);
	if (good) {
		while (n > 0) {
			n--;
			ipm_arena_give(&a, out[n].off, out[n].len);
		}
		cr_expect_eq(a.in_use, 0);
		cr_expect(all_zero(a.base + a.used, a.cap - a.used));
	}
	ipm_arena_free(&a, &m.alloc);
	cr_expect_eq(m.live, 0);
	return good;
}

Test(arena, naive_twin_agrees_on_random_histories)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		cr_expect(history(seed, false), "seed %llu",
		    (unsigned long long)seed);
}

Test(arena, naive_twin_sees_a_piece_given_twice)
{
	cr_expect_not(history(1, true));
}

/* Taking and giving back the same lengths for ever needs no more memory. */
Test(arena, memory_is_flat_over_a_long_history)
{
	struct db_memory m;
	struct ipm_arena a;
	size_t used = 0;

	db_memory_init(&m);
	ipm_arena_init(&a, 0);
	for (unsigned round = 0; round < 1000; round++) {
		ipm_off off[N_LENGTHS];

		for (size_t i = 0; i < N_LENGTHS; i++)
			off[i] = ipm_arena_take(&a, &m.alloc, lengths[i]);
		for (size_t i = 0; i < N_LENGTHS; i++)
			ipm_arena_give(&a, off[i], lengths[i]);
		if (round == 0)
			used = a.used;
		cr_assert_eq(a.used, used, "round %u", round);
	}
	ipm_arena_free(&a, &m.alloc);
}

Test(arena, given_back_is_wiped_but_for_the_free_list)
{
	struct db_memory m;
	struct ipm_arena a;
	ipm_off off;
	uint8_t *p;

	db_memory_init(&m);
	ipm_arena_init(&a, 0);
	off = ipm_arena_take(&a, &m.alloc, 200);
	memset(ipm_arena_at(&a, off), 0x77, 200);
	ipm_arena_give(&a, off, 200);
	p = ipm_arena_at(&a, off);
	cr_expect(all_zero(p + sizeof(ipm_off), 200 - sizeof(ipm_off)));
	cr_expect_null(memchr(p, 0x77, 200));
	ipm_arena_give(&a, 0, 200); /* nothing */
	ipm_arena_free(&a, &m.alloc);
}

Test(arena, no_room_changes_nothing)
{
	struct db_memory m;
	struct ipm_arena a, before;

	/* The limit. */
	db_memory_init(&m);
	ipm_arena_init(&a, 1100);
	cr_assert_neq(ipm_arena_take(&a, &m.alloc, 900), 0);
	before = a;
	cr_expect_eq(ipm_arena_take(&a, &m.alloc, 200), 0);
	cr_expect_eq(memcmp(&a, &before, sizeof a), 0);
	cr_expect_neq(ipm_arena_take(&a, &m.alloc, 8), 0);
	ipm_arena_free(&a, &m.alloc);

	/* A limit that is no multiple of a unit. */
	ipm_arena_init(&a, 21);
	cr_expect_neq(ipm_arena_take(&a, &m.alloc, 8), 0);
	cr_expect_eq(ipm_arena_take(&a, &m.alloc, 8), 0);
	cr_expect_leq(a.cap, 21);
	ipm_arena_free(&a, &m.alloc);

	/* The allocator. */
	ipm_arena_init(&a, 0);
	cr_assert_neq(ipm_arena_take(&a, &m.alloc, 8), 0);
	m.fail_at = m.calls + 1;
	before = a;
	cr_expect_eq(ipm_arena_take(&a, &m.alloc, 100000), 0);
	cr_expect_eq(memcmp(&a, &before, sizeof a), 0);
	ipm_arena_free(&a, &m.alloc);
	cr_expect_eq(m.live, 0);
}

Test(arena, absurd_lengths_are_refused)
{
	static const size_t absurd[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 7,
		SIZE_MAX - 8, SIZE_MAX / 2, (size_t)UINT32_MAX * 8 + 1,
		(size_t)UINT32_MAX * 8 };
	struct db_memory m;
	struct ipm_arena a;

	db_memory_init(&m);
	m.fail_at = 1;
	ipm_arena_init(&a, 0);
	for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++)
		cr_expect_eq(
		    ipm_arena_take(&a, &m.alloc, absurd[i]), 0, "row %zu", i);
	cr_expect_eq(a.in_use, 0);
}

Test(arena, copy_is_a_snapshot)
{
	struct db_memory m;
	struct ipm_arena a, b;
	ipm_off off, next_a, next_b;

	db_memory_init(&m);
	ipm_arena_init(&a, 0);
	cr_assert_eq(ipm_arena_clone(&b, &a, &m.alloc), IPM_OK, "empty");
	ipm_arena_free(&b, &m.alloc);

	off = ipm_arena_take(&a, &m.alloc, 40);
	memset(ipm_arena_at(&a, off), 0x11, 40);
	ipm_arena_give(&a, ipm_arena_take(&a, &m.alloc, 16), 16);
	cr_assert_eq(ipm_arena_clone(&b, &a, &m.alloc), IPM_OK);
	cr_expect_neq(a.base, b.base);
	cr_expect_eq(
	    memcmp(ipm_arena_at(&a, off), ipm_arena_at(&b, off), 40), 0);
	/* What is done to one is not done to the other; equal steps give
	 * equal offsets. */
	memset(ipm_arena_at(&a, off), 0x22, 40);
	cr_expect_eq(((uint8_t *)ipm_arena_at(&b, off))[0], 0x11);
	next_a = ipm_arena_take(&a, &m.alloc, 16);
	next_b = ipm_arena_take(&b, &m.alloc, 16);
	cr_expect_eq(next_a, next_b);
	ipm_arena_free(&b, &m.alloc);

	m.fail_at = m.calls + 1;
	cr_expect_eq(ipm_arena_clone(&b, &a, &m.alloc), IPM_ERR_NOMEM);
	cr_expect_null(b.base);
	cr_expect_eq(b.in_use, 0);
	ipm_arena_free(&b, &m.alloc);
	ipm_arena_free(&a, &m.alloc);
	cr_expect_eq(m.live, 0);
}

/* What was reserved can be taken without the allocator; what cannot be
 * reserved changes nothing. */
Test(arena, reserve)
{
	static const size_t lens[] = { 1, 8, 200, 256, 257, 600, 3000 };
	struct db_memory m;
	struct ipm_arena a;

	db_memory_init(&m);
	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		size_t piece = lens[i] <= 256 ? (lens[i] + 7) / 8 * 8 : 512;
		size_t calls;

		while (lens[i] > piece)
			piece *= 2;
		ipm_arena_init(&a, 0);
		cr_assert_neq(ipm_arena_take(&a, &m.alloc, 8), 0);
		cr_assert(ipm_arena_reserve(&a, &m.alloc, 50 * piece));
		calls = m.calls;
		for (int k = 0; k < 50; k++)
			cr_expect_neq(ipm_arena_take(&a, &m.alloc, lens[i]), 0);
		cr_expect_eq(m.calls, calls, "%zu octets", lens[i]);
		ipm_arena_free(&a, &m.alloc);
	}
	ipm_arena_init(&a, 10000);
	cr_expect(!ipm_arena_reserve(&a, &m.alloc, 10000));
	cr_expect(!ipm_arena_reserve(&a, &m.alloc, SIZE_MAX));
	cr_expect_eq(a.cap, 0);
	cr_expect(ipm_arena_reserve(&a, &m.alloc, 9000));
	m.fail_at = m.calls + 1;
	cr_expect(ipm_arena_reserve(&a, &m.alloc, 9000), "nothing to do");
	cr_expect(!ipm_arena_reserve(&a, &m.alloc, 9993));
	cr_expect_eq(a.in_use, 0);
	ipm_arena_free(&a, &m.alloc);
	cr_expect_eq(m.live, 0);
}
