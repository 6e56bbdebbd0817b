/*
 * The state as one value: its digest, its copies, its end.
 */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_state.h"
#include "support/db_box.h"

/* --- the hash ------------------------------------------------------------------ */

/* Published figures of FNV-1a, 64 bits (draft-eastlake-fnv, appendix C). */
Test(digest, fnv_1a_published_figures)
{
	static const struct {
		const char *text;
		uint64_t want;
	} rows[] = {
		{ "", 0xcbf29ce484222325 },
		{ "a", 0xaf63dc4c8601ec8c },
		{ "b", 0xaf63df4c8601f1a5 },
		{ "foobar", 0x85944171f73967e8 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_digest d = IPM_DIGEST_INIT;

		ipm_digest_octets(
		    &d, (const uint8_t *)rows[i].text, strlen(rows[i].text));
		cr_expect_eq(d.h, rows[i].want, "row %zu", i);
	}
}

/* A number is its eight octets, the high one first, on every machine. */
Test(digest, numbers_are_big_endian)
{
	static const uint8_t be[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct ipm_digest a = IPM_DIGEST_INIT, b = IPM_DIGEST_INIT;

	ipm_digest_number(&a, 0x0102030405060708);
	ipm_digest_octets(&b, be, sizeof be);
	cr_expect_eq(a.h, b.h);
}

/* --- the state ------------------------------------------------------------------ */

struct box {
	struct db_memory m;
	struct ipm_state s;
};

static void
box_init(struct box *b)
{
	db_memory_init(&b->m);
	ipm_state_init(&b->s, 0);
}

static void
box_free(struct box *b)
{
	ipm_state_free(&b->s, &b->m.alloc);
	cr_expect_eq(b->m.live, 0);
	cr_expect_eq(b->m.octets, 0);
}

static ipm_off
add(struct box *b, uint8_t family, uint32_t host, uint32_t spi)
{
	struct ipm_sa_config c = db_config(family, host, spi);
	ipm_off off;

	c.last_seq = 70;
	cr_assert_eq(
	    ipm_sad_add(&b->s.sad, &b->s.arena, &b->m.alloc, 5, &c, &off),
	    IPM_OK);
	return off;
}

/*
 * The same history in another memory: other offsets, another growth, pieces
 * that came and went between.  What is equal is the digest.
 */
Test(state, equal_histories_have_equal_digests_in_any_memory)
{
	struct box a, b;

	box_init(&a);
	box_init(&b);
	ipm_state_init(&b.s, 1 << 20);
	cr_expect_eq(ipm_state_digest(&a.s), ipm_state_digest(&b.s));
	for (uint32_t i = 0; i < 50; i++) {
		ipm_off x = add(&a, 6, i, i);
		ipm_off hole = ipm_arena_take(&b.s.arena, &b.m.alloc, 24 + i);
		ipm_off y = add(&b, 6, i, i);

		memset(ipm_arena_at(&b.s.arena, hole), 0x5a, 24 + i);
		if (i % 3 == 0)
			ipm_arena_give(&b.s.arena, hole, 24 + i);
		cr_expect_neq(x, y);
		cr_expect_eq(ipm_state_digest(&a.s), ipm_state_digest(&b.s),
		    "step %u", i);
		if (i % 4 == 0) {
			cr_assert_eq(
			    ipm_sad_del(&a.s.sad, &a.s.arena, x), IPM_OK);
			cr_expect_neq(
			    ipm_state_digest(&a.s), ipm_state_digest(&b.s));
			cr_assert_eq(
			    ipm_sad_del(&b.s.sad, &b.s.arena, y), IPM_OK);
		}
	}
	box_free(&a);
	box_free(&b);
}

/* Which octets of an SA count; the rest are offsets and fill. */
static bool
counts(size_t at)
{
#define IN(field)                                 \
	(at >= offsetof(struct ipm_sa, field) &&  \
	    at < offsetof(struct ipm_sa, field) + \
		    sizeof(((struct ipm_sa *)0)->field))
#define IN_ADDR(field)                                                     \
	(at == offsetof(struct ipm_sa, field.family) || IN(field.octet) || \
	    IN(field.scope))
	return IN(serial) || IN(created) || IN(first_use) || IN(octets) ||
	    IN(packets) || IN(hard_add) || IN(soft_add) || IN_ADDR(src) ||
	    IN_ADDR(dst) || IN(spi) || IN(reqid) || IN(flags) ||
	    IN(window_size) || IN(enc) || IN(auth) || IN(comp) || IN(sport) ||
	    IN(dport) || IN(proto) || IN(mode) || IN(out_seq) || IN(out_iv) ||
	    IN(seq) || IN(pid) || IN(sadb_flags) || IN(enc_bits) ||
	    IN(auth_bits) || IN(state) || IN(sadb_enc) || IN(sadb_auth);
#undef IN
#undef IN_ADDR
}

/* Each octet of each field changes the digest, and back again. */
Test(state, digest_sees_every_field_of_an_sa)
{
	struct box b;
	uint64_t want;
	struct ipm_sa *sa;
	uint8_t *p, *key;
	ipm_off off;
	size_t seen = 0;

	box_init(&b);
	off = add(&b, 6, 7, 0x1234);
	sa = ipm_arena_at(&b.s.arena, off);
	want = ipm_state_digest(&b.s);
	p = (uint8_t *)sa;
	for (size_t i = 0; i < sizeof *sa; i++) {
		if (!counts(i))
			continue;
		p[i] ^= 0x40;
		cr_expect_neq(ipm_state_digest(&b.s), want, "octet %zu", i);
		p[i] ^= 0x40;
		seen++;
	}
	cr_expect_geq(seen, 56U + 42 + 16 + 10 + 2 + 16 + 12 + 4 + 3);

	key = ipm_arena_at(&b.s.arena, sa->enc_key);
	for (size_t i = 0; i < sa->enc_key_len; i++) {
		key[i] ^= 1;
		cr_expect_neq(ipm_state_digest(&b.s), want, "key %zu", i);
		key[i] ^= 1;
	}
	key = ipm_arena_at(&b.s.arena, sa->auth_key);
	for (size_t i = 0; i < sa->auth_key_len; i++) {
		key[i] ^= 1;
		cr_expect_neq(ipm_state_digest(&b.s), want, "key %zu", i);
		key[i] ^= 1;
	}
	cr_expect_eq(ipm_state_digest(&b.s), want);
	box_free(&b);
}

/* Every bit of the window, its top and its counters. */
Test(state, digest_sees_the_window)
{
	struct box b;
	struct ipm_replay *r;
	const struct ipm_sa *sa;
	uint64_t want;

	box_init(&b);
	sa = ipm_arena_at(&b.s.arena, add(&b, 4, 7, 0x1234));
	r = ipm_arena_at(&b.s.arena, sa->replay);
	want = ipm_state_digest(&b.s);
	for (uint32_t i = 0; i < r->blocks * 32; i++) {
		r->bits[i / 32] ^= 1U << i % 32;
		cr_expect_neq(ipm_state_digest(&b.s), want, "bit %u", i);
		r->bits[i / 32] ^= 1U << i % 32;
	}
	r->top++;
	cr_expect_neq(ipm_state_digest(&b.s), want, "top");
	r->top--;
	r->accepted++;
	cr_expect_neq(ipm_state_digest(&b.s), want, "accepted");
	r->accepted--;
	r->failures++;
	cr_expect_neq(ipm_state_digest(&b.s), want, "failures");
	r->failures--;
	cr_expect_eq(ipm_state_digest(&b.s), want);
	box_free(&b);
}

/* Order of addition is part of the state. */
Test(state, digest_sees_the_order)
{
	struct box a, b;

	box_init(&a);
	box_init(&b);
	(void)add(&a, 4, 1, 1);
	(void)add(&a, 4, 2, 2);
	(void)add(&b, 4, 2, 2);
	(void)add(&b, 4, 1, 1);
	cr_expect_neq(ipm_state_digest(&a.s), ipm_state_digest(&b.s));
	box_free(&a);
	box_free(&b);
}

/* An SA that came and went leaves its serial number behind: the next one has
 * another. */
Test(state, digest_sees_what_came_and_went)
{
	struct box b;
	uint64_t empty;
	ipm_off off;

	box_init(&b);
	empty = ipm_state_digest(&b.s);
	off = add(&b, 4, 1, 1);
	cr_assert_eq(ipm_sad_del(&b.s.sad, &b.s.arena, off), IPM_OK);
	cr_expect_neq(ipm_state_digest(&b.s), empty);
	box_free(&b);
}

static const uint8_t fragment[28] = { 0x45, 0, 0, 28, 0, 9, 0x20, 0, 64, 50, 0,
	0, 192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4, 5, 6, 7, 8 };

/* Fragments that wait are part of the state, until their time is over. */
Test(state, digest_sees_waiting_fragments)
{
	static uint8_t out[IPM_IP_MAX];
	struct ipm_profile pf;
	struct ipm_reass_env e;
	struct ipm_span packet;
	struct ipm_ip ip;
	struct box b;
	uint64_t empty, waiting;
	struct ipm_state copy;
	size_t pieces;

	box_init(&b);
	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	e = (struct ipm_reass_env){
		.arena = &b.s.arena, .alloc = &b.m.alloc, .pf = &pf, .now = 100
	};
	empty = ipm_state_digest(&b.s);
	cr_assert_eq(
	    ipm_ip_parse(ipm_span(fragment, sizeof fragment), false, &ip),
	    IPM_R_OK);
	cr_assert_eq(ipm_reass_add(&b.s.reass, &e, &ip, 1, out, sizeof out,
			 &packet, &pieces),
	    IPM_R_FRAG_PENDING);
	waiting = ipm_state_digest(&b.s);
	cr_expect_neq(waiting, empty);
	cr_assert_eq(ipm_state_clone(&copy, &b.s, &b.m.alloc), IPM_OK);
	cr_expect_eq(ipm_state_digest(&copy), waiting);
	e.now = 100 + 31;
	while (ipm_reass_expire(&b.s.reass, &e))
		;
	cr_expect_eq(ipm_state_digest(&b.s), empty);
	cr_expect_eq(ipm_state_digest(&copy), waiting);
	ipm_state_free(&copy, &b.m.alloc);
	box_free(&b);
}

/* --- copies ------------------------------------------------------------------------ */

/* A run, rewound and run again, comes to the same state: the copy is the
 * whole of it. */
Test(state, rewinding_and_running_again)
{
	struct ipm_profile pf;
	struct box b;
	uint64_t rng = 5;

	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	box_init(&b);
	for (uint32_t i = 0; i < 8; i++)
		(void)add(&b, 6, i, i);
	for (unsigned round = 0; round < 50; round++) {
		struct ipm_state copy;
		uint64_t seed = db_random(&rng), digest[2], before;

		before = ipm_state_digest(&b.s);
		cr_assert_eq(ipm_state_clone(&copy, &b.s, &b.m.alloc), IPM_OK);
		for (int run = 0; run < 2; run++) {
			struct ipm_state *s = run == 0 ? &copy : &b.s;
			uint64_t r = seed;

			cr_expect_eq(ipm_state_digest(s), before,
			    "the other run changed it");
			for (unsigned step = 0; step < 60; step++) {
				uint64_t v = db_random(&r);
				ipm_off off = s->sad.first;
				struct ipm_sa_config c = db_config(
				    6, (uint32_t)v, (uint32_t)(v >> 32));
				struct ipm_sa *sa;

				for (uint64_t k = v % s->sad.count; k > 0; k--)
					off = ((struct ipm_sa *)ipm_arena_at(
						   &s->arena, off))
						  ->next;
				sa = ipm_arena_at(&s->arena, off);
				if (v >> 60 == 0 && s->sad.count > 1)
					cr_assert_eq(ipm_sad_del(&s->sad,
							 &s->arena, off),
					    IPM_OK);
				else if (v >> 60 == 1)
					cr_assert_eq(
					    ipm_sad_add(&s->sad, &s->arena,
						&b.m.alloc, v, &c, &off),
					    IPM_OK);
				else
					(void)ipm_replay_mark(
					    ipm_arena_at(&s->arena, sa->replay),
					    &pf, 1 + v % 200);
			}
			digest[run] = ipm_state_digest(s);
		}
		cr_expect_eq(digest[0], digest[1], "round %u", round);
		cr_expect_neq(digest[0], before);
		ipm_state_free(&copy, &b.m.alloc);
	}
	box_free(&b);
}

/* No room for a copy: an empty state that can be used and freed. */
Test(state, no_room_for_a_copy)
{
	struct box b, fresh;
	struct ipm_state copy;
	uint64_t digest;

	box_init(&b);
	box_init(&fresh);
	(void)add(&b, 4, 1, 1);
	digest = ipm_state_digest(&b.s);
	b.m.fail_at = b.m.calls + 1;
	cr_expect_eq(ipm_state_clone(&copy, &b.s, &b.m.alloc), IPM_ERR_NOMEM);
	cr_expect_eq(ipm_state_digest(&copy), ipm_state_digest(&fresh.s));
	cr_expect_eq(ipm_state_digest(&b.s), digest);
	ipm_state_free(&copy, &b.m.alloc);
	box_free(&fresh);
	box_free(&b);
}

/* Freed, a state is as new. */
Test(state, freed_is_empty)
{
	struct box b, fresh;

	box_init(&b);
	box_init(&fresh);
	(void)add(&b, 4, 1, 1);
	ipm_state_free(&b.s, &b.m.alloc);
	cr_expect_eq(ipm_state_digest(&b.s), ipm_state_digest(&fresh.s));
	(void)add(&b, 4, 1, 1);
	(void)add(&fresh, 4, 1, 1);
	cr_expect_eq(ipm_state_digest(&b.s), ipm_state_digest(&fresh.s));
	box_free(&fresh);
	box_free(&b);
}
