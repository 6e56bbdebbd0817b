/*
 * What time does: larval SAs, soft and hard limits, heads, acquires.  The
 * expected seconds are those of the kernel's comparisons (strict, once a
 * second), the acquires' those of its counter.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "support/pfk_box.h"

static struct pfk_box b;
static struct pfk_text m, r;

static struct ipm_sa *
sa_of(uint32_t spi)
{
	ipm_off off = b.e.ipm.sad.first;

	while (off != 0) {
		struct ipm_sa *sa = ipm_arena_at(&b.e.ipm.arena, off);

		if (sa->spi == spi)
			return sa;
		off = sa->next;
	}
	return NULL;
}

static void
listen_all(void)
{
	pfk_head(&m, 7, 2, 1, 1);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
}

/* An SA with limits: octets, addtime, usetime of hard and soft. */
static void
add(uint32_t spi, const uint64_t hard[3], const uint64_t soft[3])
{
	pfk_esp(&m, spi);
	pfk_set(m.p + 8, 4, spi);
	pfk_add_life(&m, 3, hard[0], hard[1], hard[2]);
	pfk_add_life(&m, 4, soft[0], soft[1], soft[2]);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
}

#define LIMITS(o, a, u) ((const uint64_t[]){ o, a, u })

/* 3 a hard, 4 a soft EXPIRE of this SA alone, 0 none. */
static unsigned
expired(uint32_t spi)
{
	unsigned type;

	if (!pfk_next(&b, b.sock, &r))
		return 0;
	cr_expect_eq(r.p[1], 8);
	cr_expect_eq(ipm_load32(r.p + 20), spi);
	/* [PFKEY-3.1.8-02] */
	type = pfk_find_ext(&r, 3) != NULL ? 3 : 4;
	cr_expect_eq(pfk_find_ext(&r, 3) != NULL, pfk_find_ext(&r, 4) == NULL);
	cr_expect_not_null(pfk_find_ext(&r, 2));
	cr_expect_eq(r.p[16 + 9], type == 3 ? 3 : 2);
	cr_expect_eq(pfk_get_le(r.p + 8, 4), spi);
	cr_expect_eq(pfk_get_le(r.p + 12, 4), 0);
	cr_expect_eq(pfk_drain(&b, b.sock), 0);
	return type;
}

/* [PFKEY-3.1.1-05] At that age, strictly not before, and without a word. */
Test(pfk_life, larval)
{
	static const int32_t lifetimes[] = { 30, 5, 1, 0 };

	for (size_t i = 0; i < sizeof lifetimes / sizeof lifetimes[0]; i++) {
		int32_t life = lifetimes[i];
		uint32_t spi;

		pfk_box_init(&b, IPM_PF_FREEBSD_2017);
		b.e.ipm.sysctls.v[IPM_SV_LARVAL_LIFETIME] = life;
		listen_all();
		pfk_getspi(&m, 0x1000, 0x10ff);
		cr_assert_eq(pfk_ask(&b, &m, &r), 0);
		spi = ipm_load32(r.p + 20);
		if (life > 1) {
			pfk_box_wait(&b, (uint64_t)life - 1);
			cr_expect_not_null(sa_of(spi));
		}
		pfk_box_wait(&b, 1);
		cr_expect_null(sa_of(spi), "lifetime %d", life);
		cr_expect_eq(pfk_drain(&b, b.sock), 0);
		/* its head goes with the next run */
		cr_expect_eq(b.e.ipm.sad.sah_count, 1);
		pfk_box_wait(&b, 1);
		cr_expect_eq(b.e.ipm.sad.sah_count, 0);
		pfk_box_free(&b);
	}
}

/* The variable is a u_int of the kernel's, though sysctl(8) shows an int: below
 * 0 it is more than a hundred years. */
Test(pfk_life, larval_lifetime_below_0)
{
	uint32_t spi;

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	b.e.ipm.sysctls.v[IPM_SV_LARVAL_LIFETIME] = -3;
	pfk_getspi(&m, 0x1000, 0x10ff);
	cr_assert_eq(pfk_ask(&b, &m, &r), 0);
	spi = ipm_load32(r.p + 20);
	pfk_box_wait(&b, UINT32_MAX - 3);
	cr_expect_not_null(sa_of(spi));
	pfk_box_wait(&b, 1);
	cr_expect_null(sa_of(spi));
	pfk_box_free(&b);
}

/* [PFKEY-2.3.2-02] [PFKEY-3.1.8-05] [PFKEY-3.3-01] */
Test(pfk_life, soft_then_hard_by_age)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	add(1000, LIMITS(0, 10, 0), LIMITS(0, 5, 0));
	pfk_box_wait(&b, 5);
	cr_expect_eq(expired(1000), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 4);
	/* [PFKEY-3.3-02] */
	cr_expect_eq(pfk_state_of(&b, 1000), 2);
	pfk_box_wait(&b, 4);
	cr_expect_eq(expired(1000), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 3);
	cr_expect_null(sa_of(1000));
	/* [PFKEY-3.1.2-06] */
	pfk_update(&m, 1000);
	cr_expect_eq(pfk_ask(&b, &m, NULL), 22);
	pfk_box_free(&b);
}

/* [PFKEY-3.1.8-03] [PFKEY-3.1.8-04] */
Test(pfk_life, hard_first)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	add(1000, LIMITS(0, 5, 0), LIMITS(0, 5, 0));
	pfk_box_wait(&b, 6);
	cr_expect_eq(expired(1000), 3);
	add(1001, LIMITS(0, 5, 0), LIMITS(0, 9, 0));
	pfk_box_wait(&b, 20);
	cr_expect_eq(expired(1001), 3);
	pfk_box_free(&b);
}

/* [PFKEY-2.3.2-03] Not while it is unused. */
Test(pfk_life, by_use)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	add(1000, LIMITS(0, 0, 10), LIMITS(0, 0, 5));
	pfk_box_wait(&b, 1000);
	cr_expect_eq(expired(1000), 0);
	sa_of(1000)->first_use = b.env.sec;
	pfk_box_wait(&b, 5);
	cr_expect_eq(expired(1000), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 4);
	pfk_box_wait(&b, 5);
	cr_expect_eq(expired(1000), 3);
	pfk_box_free(&b);
}

/* [PFKEY-2.3.2-04] [PFKEY-2.3.2-05] [ARCH-4.4.2.1-09]
 * [ARCH-4.4.2.1-12] [ARCH2401-4.4.3-04] With the next run of the timer. */
Test(pfk_life, by_octets)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	add(1000, LIMITS(2000, 100, 0), LIMITS(1000, 90, 0));
	sa_of(1000)->octets = 1000;
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 0);
	sa_of(1000)->octets = 1001;
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 4);
	cr_expect_eq(pfk_get_le(pfk_find_ext(&r, 2) + 8, 8), 1001);
	pfk_box_wait(&b, 50);
	cr_expect_eq(expired(1000), 0);
	sa_of(1000)->octets = 5000;
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 3);
	pfk_box_free(&b);
}

/* [PFKEY-2.3.2-01] Without limits for ever; allocations limit nothing. */
Test(pfk_life, for_ever)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	pfk_esp(&m, 1000);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	pfk_esp(&m, 1001);
	pfk_set(pfk_add_ext(&m, 3, 32) + 4, 4, 2);
	pfk_set(pfk_add_ext(&m, 4, 32) + 4, 4, 1);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	sa_of(1001)->packets = 100;
	pfk_box_wait(&b, 100ULL * 365 * 86400);
	cr_expect_eq(pfk_drain(&b, b.sock), 0);
	cr_expect_eq(pfk_state_of(&b, 1000), 1);
	cr_expect_eq(pfk_state_of(&b, 1001), 1);
	pfk_box_free(&b);
}

/* UPDATE brings a dying SA back, with new limits or its own, and then it dies
 * softly again. */
Test(pfk_life, update_revives)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	add(1000, LIMITS(0, 100, 0), LIMITS(0, 5, 0));
	pfk_box_wait(&b, 6);
	cr_expect_eq(expired(1000), 4);
	pfk_update(&m, 1000);
	pfk_cut_ext(&m, 8);
	pfk_cut_ext(&m, 9);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	cr_expect_eq(pfk_state_of(&b, 1000), 1);
	cr_expect_neq(sa_of(1000)->life, 0, "a dying one keeps its limits");
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 4);
	pfk_update(&m, 1000);
	pfk_cut_ext(&m, 8);
	pfk_cut_ext(&m, 9);
	pfk_add_life(&m, 3, 0, 200, 0);
	pfk_add_life(&m, 4, 0, 50, 0);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	pfk_box_wait(&b, 43);
	cr_expect_eq(expired(1000), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 4);
	pfk_box_free(&b);
}

/* All hard ones and then all soft ones, each the oldest first. */
Test(pfk_life, order_of_expiry)
{
	static const uint32_t want[] = { 1000, 1002, 1001, 1003 };
	size_t n = 0;

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	for (uint32_t i = 0; i < 4; i++)
		if (i % 2 == 0)
			add(1000 + i, LIMITS(0, 5, 0), LIMITS(0, 1, 0));
		else
			add(1000 + i, LIMITS(0, 50, 0), LIMITS(0, 5, 0));
	b.e.last_tick = 1005; /* one run sees them all */
	pfk_box_wait(&b, 6);
	for (; pfk_next(&b, b.sock, &r); n++) {
		cr_assert_lt(n, 4);
		cr_expect_eq(ipm_load32(r.p + 20), want[n], "%zu", n);
	}
	cr_expect_eq(n, 4);
	pfk_box_free(&b);
}

/* FreeBSD 13: beyond 80 of 100 of 2^32 sequence numbers, 0xcccccccc, with
 * limits alone and without ESN. */
Test(pfk_life, sequence_numbers)
{
	const uint64_t worn = 0xcccccccd;

	for (int newer = 0; newer < 2; newer++)
		for (int received = 0; received < 2; received++) {
			struct ipm_sa *sa;

			pfk_box_init(&b,
			    newer ? IPM_PF_FREEBSD_13 : IPM_PF_FREEBSD_2017);
			listen_all();
			add(1000, LIMITS(0, 5000, 0), LIMITS(0, 4000, 0));
			sa = sa_of(1000);
			if (received)
				((struct ipm_replay *)ipm_arena_at(
				     &b.e.ipm.arena, sa->replay))
				    ->top = worn;
			else
				sa->out_seq = worn;
			pfk_box_wait(&b, 1);
			cr_expect_eq(expired(1000), newer ? 4 : 0);
			pfk_box_free(&b);
		}
	pfk_box_init(&b, IPM_PF_FREEBSD_13);
	listen_all();
	add(1000, LIMITS(0, 5000, 0), LIMITS(0, 4000, 0));
	sa_of(1000)->out_seq = worn - 1;
	pfk_box_wait(&b, 1);
	cr_expect_eq(expired(1000), 0, "80 of 100, not more");
	pfk_box_free(&b);
}

/* What an SA was used for is told: by GET, and with its end. */
Test(pfk_life, use_is_told)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	add(1000, LIMITS(0, 5, 0), LIMITS(0, 50, 0));
	sa_of(1000)->packets = UINT64_C(0x500000003);
	sa_of(1000)->octets = UINT64_C(0x600000007);
	sa_of(1000)->first_use = 1002;
	sa_of(1000)->out_seq = 9;
	for (int end = 0; end < 2; end++) {
		const uint8_t *p;

		if (end) {
			pfk_box_wait(&b, 6);
			cr_assert_eq(expired(1000), 3);
		} else {
			pfk_name_sa(&m, 5, 1000);
			cr_assert_eq(pfk_ask(&b, &m, &r), 0);
		}
		p = pfk_find_ext(&r, 2);
		cr_expect_eq(pfk_get_le(p + 4, 4), 3);
		cr_expect_eq(pfk_get_le(p + 8, 8), UINT64_C(0x600000007));
		cr_expect_eq(pfk_get_le(p + 16, 8), 1000);
		cr_expect_eq(pfk_get_le(p + 24, 8), 1002);
		cr_expect_eq(pfk_get_le(pfk_find_ext(&r, 19) + 8, 4), 9);
	}
	pfk_box_free(&b);
}

/* --- the clock ----------------------------------------------------------------------------- */

/* One jump is as good as a run in each second: the same messages, the same
 * state. */
Test(pfk_life, jumps_are_as_good_as_steps)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		static struct pfk_box stepped;
		uint64_t rng = seed;
		size_t n = 0;

		pfk_box_init(&b, IPM_PF_FREEBSD_13);
		cr_assert_eq(pfk_set_rcvbuf(&b.e, b.sock, 65536), 0);
		listen_all();
		for (uint32_t i = 0; i < 12; i++) {
			uint64_t v = db_random(&rng);

			if (v % 4 == 0) {
				pfk_getspi(&m, 5000, 5999);
				cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
				continue;
			}
			add(1000 + i,
			    LIMITS((v >> 8) % 2000, (v >> 16) % 60,
				(v >> 24) % 60),
			    LIMITS((v >> 32) % 2000, (v >> 40) % 60,
				(v >> 48) % 60));
			sa_of(1000 + i)->octets = (v >> 4) % 1500;
			sa_of(1000 + i)->first_use =
			    (v & 1) != 0 ? 1000 + (v >> 56) % 9 : 0;
			pfk_head(&m, 6, 9, 0, 7);
			pfk_add_ends(&m, 1, (uint8_t)v);
			pfk_add_ext(&m, 13, 8);
			cr_assert_eq(pfk_send(&b.e, &b.pf, &b.env, b.sock,
					 ipm_span(m.p, m.len)),
			    0);
		}
		(void)pfk_drain(&b, b.sock);
		stepped = b;
		cr_assert_eq(
		    pfk_engine_clone(&stepped.e, &b.e, &b.mem.alloc), IPM_OK);
		pfk_box_wait(&b, 100);
		stepped.env.alloc = b.env.alloc;
		for (int i = 0; i < 100; i++)
			pfk_box_wait(&stepped, 1);
		cr_expect_eq(pfk_engine_digest(&b.e),
		    pfk_engine_digest(&stepped.e), "seed %d", (int)seed);
		n = pfk_drain(&b, b.sock);
		cr_expect_gt(n, 0);
		pfk_engine_free(&stepped.e, &b.mem.alloc);
		pfk_box_free(&b);
	}
}

/* A clock that stands still or goes back does nothing. */
Test(pfk_life, no_time)
{
	uint64_t before;

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	add(1000, LIMITS(0, 1, 0), LIMITS(0, 1, 0));
	before = pfk_engine_digest(&b.e);
	pfk_box_wait(&b, 0);
	b.env.sec -= 500;
	pfk_box_wait(&b, 0);
	cr_expect_eq(pfk_engine_digest(&b.e), before);
	pfk_box_free(&b);
}

/* The last second of all comes, and what is due in it is done once. */
Test(pfk_life, end_of_time, .timeout = 20)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	b.env.sec = UINT64_MAX - 10;
	pfk_box_wait(&b, 0);
	add(1000, LIMITS(0, 9, 0), LIMITS(0, 8, 0));
	add(1001, LIMITS(0, 2000, 0), LIMITS(0, UINT64_MAX, 0));
	pfk_box_wait(&b, 10);
	cr_expect(pfk_next(&b, b.sock, &r));
	cr_expect_eq(r.p[16 + 9], 2);
	cr_expect_eq(expired(1000), 3);
	cr_expect_not_null(sa_of(1001));
	pfk_box_free(&b);
}

/* --- acquires --------------------------------------------------------------------------------- */

static struct ipm_wanted
wanted(uint8_t host)
{
	struct ipm_wanted w = { .proto = 50, .mode = 1 };

	w.src = (struct ipm_addr){ .family = 4, .octet = { 192, 0, 2, 1 } };
	w.dst = (struct ipm_addr){ .family = 4, .octet = { 192, 0, 2, host } };
	return w;
}

/* The number of the ACQUIRE that a packet causes, 0 none. */
static uint32_t
packet(const struct ipm_wanted *w)
{
	cr_expect_eq(pfk_acquire(&b.e, &b.pf, &b.env, w), 0);
	if (!pfk_next(&b, b.sock, &r))
		return 0;
	cr_expect_eq(r.p[1], 6);
	cr_expect_eq(pfk_drain(&b, b.sock), 0);
	return (uint32_t)pfk_get_le(r.p + 8, 4);
}

/* [PFKEY-3.1.6-01] [PFKEY-3.1.6-05] Packets 1, 13, 25, ... of a flow, under
 * one number; another flow has the next. */
Test(pfk_life, acquires_are_rare)
{
	struct ipm_wanted w = wanted(2), other = wanted(3);

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	for (int i = 1; i <= 30; i++)
		cr_expect_eq(packet(&w), i % 12 == 1 ? 1 : 0, "packet %d", i);
	cr_expect_eq(packet(&other), 2);
	w.mode = 2;
	cr_expect_eq(packet(&w), 3, "another mode");
	cr_expect_null(pfk_find_ext(&r, 19), "X_SA2 is for a reqid");
	w.reqid = 5;
	cr_expect_eq(packet(&w), 4, "another reqid");
	cr_expect_eq(pfk_find_ext(&r, 19)[4], 2);
	cr_expect_eq(pfk_get_le(pfk_find_ext(&r, 19) + 12, 4), 5);
	pfk_box_free(&b);
}

/* A policy of ports, of 10.1.0.0/16 and 10.2.0.0/24. */
static ipm_off
add_policy(uint8_t proto, uint16_t sport, uint16_t dport)
{
	uint8_t *p;

	pfk_head(&m, 14, 0, 0, 7);
	p = pfk_add_ext(&m, 18, 24);
	p[4] = 2;
	p[6] = 2;
	p[16] = 8;
	p[18] = 50;
	p[20] = 1;
	for (unsigned type = 5; type <= 6; type++) {
		pfk_add_addr(&m, type, 4, 0);
		p = pfk_find_ext(&m, type);
		p[4] = proto;
		p[5] = type == 5 ? 16 : 24;
		ipm_store16(p + 10, type == 5 ? sport : dport);
		ipm_store32(p + 12, type == 5 ? 0x0a010000 : 0x0a020000);
	}
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	return b.e.ipm.spd.last[IPM_DIR_OUT];
}

/* [PFKEY-2.3.3-07] The addresses are the SA's.  Of a policy for TCP or UDP they
 * have its ports, where it has any, and there its prefix, and the protocol;
 * of another they have none of it. */
Test(pfk_life, acquires_tell_ports)
{
	static const struct {
		uint8_t proto;
		uint16_t ports[2];
		uint8_t told, prefix[2];
	} rows[] = {
		{ 6, { 1000, 80 }, 6, { 16, 24 } },
		{ 17, { 1000, 53 }, 17, { 16, 24 } },
		{ 17, { 0, 53 }, 17, { 32, 24 } },
		{ 6, { 1000, 0 }, 6, { 16, 32 } },
		{ 6, { 0, 0 }, 6, { 32, 32 } },
		{ 132, { 1000, 80 }, 255, { 32, 32 } },
		{ 255, { 1000, 80 }, 255, { 32, 32 } },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_wanted w = wanted(2);

		pfk_box_init(&b, IPM_PF_FREEBSD_2017);
		listen_all();
		w.sp = add_policy(
		    rows[i].proto, rows[i].ports[0], rows[i].ports[1]);
		cr_assert_eq(packet(&w), 1);
		cr_expect_eq(pfk_get_le(pfk_find_ext(&r, 18), 2), 2);
		for (unsigned end = 0; end < 2; end++) {
			const uint8_t *p = pfk_find_ext(&r, 5 + end);
			bool told = rows[i].told != 255;

			cr_expect_eq(p[4], rows[i].told, "row %zu", i);
			cr_expect_eq(p[5], rows[i].prefix[end], "row %zu", i);
			cr_expect_eq(ipm_load16(p + 10),
			    told ? rows[i].ports[end] : 0, "row %zu", i);
			cr_expect_eq(
			    ipm_load32(p + 12), 0xc0000201 + end, "row %zu", i);
		}
		pfk_box_free(&b);
	}
}

/* In each run policies are looked at before SAs. */
Test(pfk_life, policies_expire_first)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	add(1000, LIMITS(0, 5, 0), LIMITS(0, 4, 0));
	(void)add_policy(6, 1, 2);
	m.p[1] = 13;
	pfk_add_life(&m, 3, 0, 5, 0);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	(void)pfk_drain(&b, b.sock);
	pfk_box_wait(&b, 5);
	cr_assert_eq(expired(1000), 4);
	pfk_box_wait(&b, 1);
	cr_assert(pfk_next(&b, b.sock, &r));
	cr_expect_eq(r.p[1], 21);
	cr_expect_eq(expired(1000), 3);
	pfk_box_free(&b);
}

/* A report of failure, and a message that goes out again, let the entry live
 * for as long as a new one. */
Test(pfk_life, acquires_begin_anew)
{
	for (int again = 0; again < 2; again++) {
		struct ipm_wanted w = wanted(2);

		pfk_box_init(&b, IPM_PF_FREEBSD_2017);
		listen_all();
		cr_expect_eq(packet(&w), 1);
		pfk_box_wait(&b, 15);
		if (again) {
			b.e.ipm.sysctls.v[IPM_SV_BLOCKACQ_COUNT] = -1;
			cr_expect_eq(packet(&w), 1);
			b.e.ipm.sysctls.v[IPM_SV_BLOCKACQ_COUNT] = 10;
		} else {
			pfk_head(&m, 6, 3, 1, 7);
			m.p[2] = 3;
			cr_expect_eq(pfk_ask(&b, &m, NULL), PFK_SILENCE);
		}
		pfk_box_wait(&b, 20);
		cr_expect_eq(packet(&w), 0);
		pfk_box_wait(&b, 1);
		cr_expect_eq(packet(&w), 2);
		pfk_box_free(&b);
	}
}

/* After net.key.blockacq_lifetime a new one; the count is a sysctl too. */
Test(pfk_life, acquires_time_out)
{
	struct ipm_wanted w = wanted(2);

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	cr_expect_eq(packet(&w), 1);
	pfk_box_wait(&b, 20);
	cr_expect_eq(packet(&w), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(packet(&w), 2);
	b.e.ipm.sysctls.v[IPM_SV_BLOCKACQ_COUNT] = -1;
	cr_expect_eq(packet(&w), 2, "no packet in between");
	cr_expect_eq(packet(&w), 2);
	pfk_box_free(&b);
}

/* [PFKEY-3.1.6-02] [PFKEY-1.5-01] A daemon's failure lets the next packets
 * count anew; its GETSPI or ADD of that number ends the entry. */
Test(pfk_life, acquires_are_answered)
{
	struct ipm_wanted w = wanted(2);

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	cr_expect_eq(packet(&w), 1);
	for (int i = 0; i < 11; i++)
		cr_expect_eq(packet(&w), 0);
	pfk_head(&m, 6, 3, 1, 7);
	m.p[2] = 3;
	cr_expect_eq(pfk_ask(&b, &m, NULL), PFK_SILENCE);
	for (int i = 0; i < 11; i++)
		cr_expect_eq(packet(&w), 0);
	cr_expect_eq(packet(&w), 1);
	/* of another index the answer is none */
	pfk_getspi(&m, 0x1000, 0x10ff);
	pfk_set(m.p + 8, 4, 1);
	pfk_find_ext(&m, 19)[4] = 2;
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(packet(&w), 0);
	pfk_find_ext(&m, 19)[4] = 1;
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(packet(&w), 2);
	/* the header alone without an errno does nothing */
	for (int i = 0; i < 11; i++)
		cr_expect_eq(packet(&w), 0);
	pfk_head(&m, 6, 3, 2, 7);
	cr_expect_eq(pfk_ask(&b, &m, NULL), PFK_SILENCE);
	cr_expect_eq(packet(&w), 2);
	/* nor does an ADD of another number; the right one ends it */
	pfk_esp(&m, 0x3000);
	pfk_set(m.p + 8, 4, 3);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(packet(&w), 0);
	pfk_esp(&m, 0x3001);
	pfk_set(m.p + 8, 4, 2);
	cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
	pfk_box_wait(&b, 1);
	cr_expect_eq(packet(&w), 3);
	pfk_box_free(&b);
}

/* The counter ends at 2^32 - 1, and then every number is 1. */
Test(pfk_life, acquire_numbers_end)
{
	struct ipm_wanted w = wanted(2);

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	b.e.acq_seq = UINT32_MAX - 2;
	cr_expect_eq(packet(&w), UINT32_MAX - 1);
	w = wanted(3);
	cr_expect_eq(packet(&w), UINT32_MAX);
	w = wanted(4);
	cr_expect_eq(packet(&w), 1);
	w = wanted(5);
	cr_expect_eq(packet(&w), 1);
	pfk_box_free(&b);
}

/* With no memory for its entry a packet ends; nothing is changed. */
Test(pfk_life, acquire_without_memory)
{
	struct ipm_wanted w = wanted(2);
	int err = 0;

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	listen_all();
	b.mem.fail_at = b.mem.calls + 1;
	for (uint8_t i = 0; i < 250 && err == 0; i++) {
		uint64_t before = pfk_engine_digest(&b.e);

		w = wanted(i);
		err = pfk_acquire(&b.e, &b.pf, &b.env, &w);
		if (err != 0)
			cr_expect_eq(pfk_engine_digest(&b.e), before);
	}
	cr_expect_eq(err, 55);
	b.mem.fail_at = 0;
	pfk_box_free(&b);
}
