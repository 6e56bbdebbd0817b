/*
 * Reassembly: each reason once, the two policies of RFC 5722 and of the
 * profiles, and a naive twin (an octet array with an owner per octet) on
 * random histories.  Planted faults show that the comparison can fail.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_reass.h"
#include "hx_engine.h"

#define MAX_FRAMES 4096

/* A table with its memory, and what it told of each frame. */
struct bench {
	struct ipm_arena arena;
	struct ipm_alloc alloc;
	struct ipm_profile pf;
	struct ipm_reass t;
	uint64_t now, frame;
	enum ipm_reason told[MAX_FRAMES];
	uint64_t by[MAX_FRAMES];
	unsigned times[MAX_FRAMES];
	uint8_t out[66000];
	struct ipm_span packet;
};

static void
tell(void *ctx, uint64_t frame, enum ipm_reason reason, uint64_t by)
{
	struct bench *b = ctx;

	cr_assert(frame < MAX_FRAMES);
	b->told[frame] = reason;
	b->by[frame] = by;
	b->times[frame]++;
}

static struct bench *
bench_new(void)
{
	struct bench *b = calloc(1, sizeof *b);

	cr_assert_not_null(b);
	ipm_arena_init(&b->arena, 0);
	b->alloc = hx_alloc();
	ipm_profile_init(&b->pf, IPM_PF_OBSERVER);
	ipm_reass_init(&b->t);
	b->now = 1000;
	return b;
}

static void
bench_free(struct bench *b)
{
	ipm_arena_free(&b->arena, &b->alloc);
	free(b);
}

static struct ipm_reass_env
env_of(struct bench *b)
{
	return (struct ipm_reass_env){ &b->arena, &b->alloc, &b->pf, b->now,
		tell, b };
}

/* A fragment of version v: len octets of payload from off on. */
static size_t
fragment(uint8_t *p, unsigned v, uint32_t id, uint32_t off, bool more,
    const uint8_t *payload, size_t len)
{
	if (v == 4) {
		struct ipm_ip4_fields f = { .ttl = 64,
			.proto = 17,
			.total = (uint16_t)(20 + len),
			.id = (uint16_t)id,
			.src = { 192, 0, 2, 1 },
			.dst = { 192, 0, 2, 2 } };

		ipm_ip4_build(p, &f);
		ipm_store16(p + 6, (uint16_t)((more ? 0x2000 : 0) | off / 8));
		ipm_store16(p + 10, 0);
		ipm_store16(
		    p + 10, ipm_sum_fold(ipm_sum_add(0, ipm_span(p, 20))));
		memcpy(p + 20, payload, len);
		return 20 + len;
	}
	struct ipm_ip6_fields f = { .hlim = 64,
		.nh = IPM_PROTO_FRAGMENT,
		.plen = (uint16_t)(8 + len),
		.src = { 0x20, 1 },
		.dst = { 0x20, 2 } };
	ipm_ip6_build(p, &f);
	memset(p + 40, 0, 8);
	p[40] = 17;
	ipm_store16(p + 42, (uint16_t)(off | (more ? 1 : 0)));
	ipm_store32(p + 44, id);
	memcpy(p + 48, payload, len);
	return 48 + len;
}

static enum ipm_reason
offer(struct bench *b, unsigned v, uint32_t id, uint32_t off, bool more,
    const uint8_t *payload, size_t len)
{
	static uint8_t p[70000];
	struct ipm_reass_env e = env_of(b);
	size_t n = fragment(p, v, id, off, more, payload, len), pieces;
	struct ipm_ip ip;

	cr_assert_eq(ipm_ip_parse(ipm_span(p, n), true, &ip), IPM_R_OK);
	cr_assert(ip.fragment);
	return ipm_reass_add(&b->t, &e, &ip, ++b->frame, b->out, sizeof b->out,
	    &b->packet, &pieces);
}

static uint8_t octets[65536];

static void
fill_octets(void)
{
	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (uint8_t)(i * 7 + i / 251);
}

/* The packet in out is whole, of one piece and has this payload. */
static void
expect_whole(const struct bench *b, unsigned v, size_t len)
{
	struct ipm_ip ip;

	cr_assert_eq(ipm_ip_parse(b->packet, true, &ip), IPM_R_OK);
	cr_expect_eq(ip.version, v);
	cr_expect(!ip.fragment);
	cr_expect_eq(ip.proto, 17);
	cr_expect_eq(ip.packet.len - ip.hlen, len);
	cr_expect_eq(memcmp(ip.packet.p + ip.hlen, octets, len), 0);
}

TestSuite(reass, .init = fill_octets);

/* [ARCH-5.2-01] In any order of three pieces, both versions. */
Test(reass, rfc791_and_rfc8200_every_order)
{
	static const unsigned order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 },
		{ 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (unsigned v = 4; v <= 6; v += 2)
		for (size_t k = 0; k < 6; k++) {
			struct bench *b = bench_new();

			for (size_t i = 0; i < 3; i++) {
				unsigned n = order[k][i];
				uint32_t off = n * 16;

				cr_expect_eq(offer(b, v, 7, off, n != 2,
						 octets + off, n == 2 ? 5 : 16),
				    i == 2 ? IPM_R_OK : IPM_R_FRAG_PENDING);
			}
			expect_whole(b, v, 37);
			cr_expect_eq(b->told[1], IPM_R_OK);
			cr_expect_eq(b->by[1], 3);
			cr_expect_eq(b->by[2], 3);
			cr_expect_eq(b->times[3], 0);
			cr_expect_eq(b->t.count, 0);
			cr_expect_eq(b->arena.in_use, 0);
			bench_free(b);
		}
}

Test(reass, pieces_of_different_packets_do_not_mix)
{
	struct bench *b = bench_new();

	cr_expect_eq(offer(b, 4, 1, 0, true, octets, 16), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 4, 2, 16, false, octets, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 6, 1, 16, false, octets, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(b->t.count, 3);
	bench_free(b);
}

/* Lengths that cannot be: this fragment alone is dropped. */
Test(reass, rfc8200_4_5_bad_fragments)
{
	struct bench *b = bench_new();

	cr_expect_eq(offer(b, 6, 1, 0, true, octets, 13), IPM_R_FRAG_BAD,
	    "not a multiple of 8");
	cr_expect_eq(offer(b, 4, 1, 8, true, octets, 0), IPM_R_FRAG_BAD,
	    "nothing in it");
	cr_expect_eq(
	    offer(b, 4, 1, 65528, false, octets, 64), IPM_R_FRAG_TOO_BIG);
	cr_expect_eq(
	    offer(b, 6, 1, 65528, false, octets, 64), IPM_R_FRAG_TOO_BIG);
	cr_expect_eq(
	    offer(b, 4, 2, 16, false, octets + 16, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 4, 2, 24, true, octets, 8), IPM_R_FRAG_BAD,
	    "behind the end");
	cr_expect_eq(
	    offer(b, 4, 2, 8, false, octets, 4), IPM_R_FRAG_BAD, "another end");
	cr_expect_eq(offer(b, 4, 2, 0, true, octets, 16), IPM_R_OK,
	    "the packet has not suffered");
	expect_whole(b, 4, 24);
	bench_free(b);
}

Test(reass, rfc8200_4_5_exact_copies_are_harmless)
{
	for (unsigned v = 4; v <= 6; v += 2) {
		struct bench *b = bench_new();

		cr_expect_eq(
		    offer(b, v, 1, 0, true, octets, 16), IPM_R_FRAG_PENDING);
		cr_expect_eq(
		    offer(b, v, 1, 0, true, octets, 16), IPM_R_FRAG_DUPLICATE);
		cr_expect_eq(
		    offer(b, v, 1, 16, false, octets + 16, 3), IPM_R_OK);
		expect_whole(b, v, 19);
		cr_expect_eq(b->times[2], 0);
		bench_free(b);
	}
}

/* RFC 5722 4: the packet and what still comes of it are given up. */
Test(reass, rfc5722_4_ipv6_overlap_ends_the_packet)
{
	struct bench *b = bench_new();

	cr_expect_eq(offer(b, 6, 1, 0, true, octets, 16), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 6, 1, 8, true, octets, 16), IPM_R_FRAG_OVERLAP);
	cr_expect_eq(b->told[1], IPM_R_FRAG_OVERLAP);
	cr_expect_eq(offer(b, 6, 1, 24, false, octets, 8), IPM_R_FRAG_OVERLAP,
	    "a later one too");
	b->now += 60;
	struct ipm_reass_env e = env_of(b);
	ipm_reass_expire(&b->t, &e);
	cr_expect_eq(b->t.count, 0);
	cr_expect_eq(offer(b, 6, 1, 0, true, octets, 16), IPM_R_FRAG_PENDING,
	    "the identification is free again");
	for (unsigned i = 1; i <= 3; i++)
		cr_expect(b->times[i] <= 1);
	bench_free(b);
}

/* The same three pieces under each rule of IPv4; the octets tell who won. */
Test(reass, overlap4_first_last_drop_bsd)
{
	static const struct {
		const char *rule;
		/* Owner of each 8-octet unit: A 0-23, then B 8-31, C 32-39. */
		const char *owners;
	} rows[] = {
		{ "first", "AAABC" },
		{ "last", "ABBBC" },
		{ "bsd", "AAABC" },
		{ "drop", NULL },
	};
	static const struct {
		const char *rule, *owners;
	} behind[] = {
		/* Now the one that starts later comes first. */
		{ "first", "ABBBC" },
		{ "last", "AAABC" },
		{ "bsd", "AAABC" },
	};
	uint8_t a[24], bb[24], c[8];

	memset(a, 'A', sizeof a);
	memset(bb, 'B', sizeof bb);
	memset(c, 'C', sizeof c);
	for (size_t i = 0; i < 4; i++) {
		struct bench *b = bench_new();

		cr_assert(
		    ipm_profile_set(&b->pf, "frag-overlap4", rows[i].rule));
		cr_expect_eq(
		    offer(b, 4, 1, 0, true, a, 24), IPM_R_FRAG_PENDING);
		cr_expect_eq(offer(b, 4, 1, 8, true, bb, 24),
		    rows[i].owners == NULL ? IPM_R_FRAG_OVERLAP
					   : IPM_R_FRAG_PENDING);
		cr_expect_eq(offer(b, 4, 1, 32, false, c, 8),
		    rows[i].owners == NULL ? IPM_R_FRAG_OVERLAP : IPM_R_OK);
		for (size_t k = 0; rows[i].owners != NULL && k < 5; k++)
			cr_expect_eq(b->packet.p[20 + 8 * k], rows[i].owners[k],
			    "%s %zu", rows[i].rule, k);
		bench_free(b);
	}
	for (size_t i = 0; i < 3; i++) {
		struct bench *b = bench_new();

		cr_assert(
		    ipm_profile_set(&b->pf, "frag-overlap4", behind[i].rule));
		(void)offer(b, 4, 1, 8, true, bb, 24);
		(void)offer(b, 4, 1, 0, true, a, 24);
		cr_expect_eq(offer(b, 4, 1, 32, false, c, 8), IPM_R_OK);
		for (size_t k = 0; k < 5; k++)
			cr_expect_eq(b->packet.p[20 + 8 * k],
			    behind[i].owners[k], "%s %zu", behind[i].rule, k);
		bench_free(b);
	}
}

Test(reass, rfc1122_3_3_2_time_limit)
{
	struct bench *b = bench_new();
	struct ipm_reass_env e;

	(void)offer(b, 4, 1, 0, true, octets, 8);
	(void)offer(b, 6, 1, 0, true, octets, 8);
	b->now += 29;
	e = env_of(b);
	ipm_reass_expire(&b->t, &e);
	cr_expect_eq(b->t.count, 2);
	b->now += 1;
	e = env_of(b);
	ipm_reass_expire(&b->t, &e);
	cr_expect_eq(b->told[1], IPM_R_FRAG_TIMEOUT);
	cr_expect_eq(b->t.count, 1);
	b->now += 30;
	e = env_of(b);
	ipm_reass_expire(&b->t, &e);
	cr_expect_eq(b->told[2], IPM_R_FRAG_TIMEOUT);
	cr_expect_eq(b->arena.in_use, 0);
	bench_free(b);
}

Test(reass, table_limits)
{
	struct bench *b = bench_new();

	cr_assert(ipm_profile_set(&b->pf, "frag-packets", "2"));
	cr_assert(ipm_profile_set(&b->pf, "frag-pieces", "3"));
	(void)offer(b, 4, 1, 0, true, octets, 8);
	(void)offer(b, 4, 2, 0, true, octets, 8);
	cr_expect_eq(offer(b, 4, 3, 0, true, octets, 8), IPM_R_FRAG_FULL);
	cr_expect_eq(offer(b, 4, 1, 16, true, octets, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 4, 1, 32, true, octets, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 4, 1, 48, true, octets, 8), IPM_R_FRAG_FULL,
	    "a piece too many ends the packet");
	cr_expect_eq(b->told[1], IPM_R_FRAG_FULL);
	cr_expect_eq(b->told[4], IPM_R_FRAG_FULL);
	cr_expect_eq(b->t.count, 1);
	bench_free(b);
}

static void *
no_memory(void *ctx, void *old, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0)
		free(old);
	return NULL;
}

Test(reass, no_memory_is_a_reason)
{
	struct bench *b = bench_new();

	b->alloc = (struct ipm_alloc){ NULL, no_memory };
	cr_expect_eq(offer(b, 4, 1, 0, true, octets, 8), IPM_R_NO_MEMORY);
	cr_expect_eq(b->t.count, 0);
	bench_free(b);
}

/* --- the naive twin -------------------------------------------------------- */

static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

enum {
	TWIN_LEN = 256
};
enum fault {
	SOUND,
	LAST_WINS_INSTEAD,
	GAP_IS_FINE,
	OFF_BY_ONE_UNIT,
	N_FAULTS
};

/* One IPv4 packet under the rule `first`: who came first owns an octet. */
struct twin {
	uint8_t data[TWIN_LEN];
	bool have[TWIN_LEN];
	size_t total;
};

static bool
twin_add(struct twin *t, size_t off, bool more, const uint8_t *p, size_t len,
    enum fault fault)
{
	if (fault == OFF_BY_ONE_UNIT && off >= 8)
		off -= 8;
	for (size_t i = 0; i < len && off + i < TWIN_LEN; i++)
		if (!t->have[off + i] || fault == LAST_WINS_INSTEAD) {
			t->have[off + i] = true;
			t->data[off + i] = p[i];
		}
	if (!more)
		t->total = off + len;
	if (t->total == 0)
		return false;
	if (fault == GAP_IS_FINE)
		return true;
	for (size_t i = 0; i < t->total; i++)
		if (!t->have[i])
			return false;
	return true;
}

/* True when a history ends differently for the table and its twin. */
static bool
histories_differ(uint64_t seed, unsigned rounds, enum fault fault)
{
	struct bench *b = bench_new();
	uint64_t rng = seed;
	bool differ = false;

	for (unsigned n = 0; n < rounds && !differ; n++) {
		struct twin t = { 0 };
		size_t total = 40 + next_random(&rng) % 150;
		bool done = false;

		b->frame = 0;
		memset(b->times, 0, sizeof b->times);
		for (unsigned k = 0; k < 60 && !done && !differ; k++) {
			uint64_t r = next_random(&rng);
			size_t off = r % (total / 8 + 1) * 8;
			size_t len = (1 + (r >> 8) % 5) * 8;
			uint8_t p[64];
			enum ipm_reason got;
			bool more, want;

			for (size_t i = 0; i < sizeof p; i++)
				p[i] = (uint8_t)next_random(&rng);
			more = off + len < total;
			if (!more)
				len = total - off;
			if (len == 0 || (off == 0 && !more))
				continue;
			got = offer(b, 4, n, (uint32_t)off, more, p, len);
			if (got == IPM_R_FRAG_DUPLICATE)
				continue;
			want = twin_add(&t, off, more, p, len, fault);
			done = got == IPM_R_OK;
			differ = done != want ||
			    (done &&
				(b->packet.len != 20 + t.total ||
				    memcmp(b->packet.p + 20, t.data, t.total) !=
					0));
		}
		/* Each kept fragment was told about once at the most. */
		for (unsigned i = 1; done && i <= b->frame; i++)
			differ = differ || b->times[i] > 1;
		b->now += 100;
		struct ipm_reass_env e = env_of(b);
		ipm_reass_expire(&b->t, &e);
		differ = differ || b->t.count != 0 || b->arena.in_use != 0;
	}
	bench_free(b);
	return differ;
}

Test(reass, naive_twin_agrees)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		cr_expect_not(histories_differ(seed, 200, SOUND), "seed %llu",
		    (unsigned long long)seed);
}

Test(reass, naive_twin_finds_every_planted_fault)
{
	for (int f = SOUND + 1; f < N_FAULTS; f++)
		cr_expect(histories_differ(1, 200, (enum fault)f),
		    "fault %d is not seen", f);
}
