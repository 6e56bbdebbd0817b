/*
 * A policy as sadb_x_policy: what is refused, with which errno, and what is
 * given back.
 *
 * Source of the expected values: the rules of key_msg2sp as the twin below
 * writes them down step by step, and octets of the recordings.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "hx_hex.h"
#include "pfk_engine.h"
#include "pfk_sp.h"
#include "support/db_box.h"

static struct ipm_profile
profile(enum ipm_profile_id id)
{
	struct ipm_profile pf;

	ipm_profile_init(&pf, id);
	return pf;
}

/* --- the twin: errno of a policy, and how many reqids it uses up ------------------- */

struct twin {
	int err;
	unsigned reqids, requests;
};

static struct twin
twin(const uint8_t *p, size_t given)
{
	struct twin t = { 0 };
	unsigned type = p[4] | p[5] << 8;
	size_t at = 16, left;

	if (given != (size_t)(p[0] | p[1] << 8) * 8 || type > 4) {
		t.err = 22;
		return t;
	}
	if (type != 2)
		return t;
	for (left = given - 16; left > 0; t.requests++) {
		const uint8_t *r = p + at;
		size_t len, sa;
		unsigned proto, reqid;
		uint8_t family;

		t.err = 22;
		if (left < 8)
			return t;
		len = (size_t)(r[0] | r[1] << 8);
		if (len < 8 || len > left) /* a */
			return t;
		if (t.requests == 4) /* b */
			return t;
		proto = (unsigned)(r[2] | r[3] << 8);
		if (proto != 50 && proto != 51 && proto != 108) { /* c */
			t.err = 43;
			return t;
		}
		if (r[4] != 1 && r[4] != 2) /* d */
			return t;
		if (r[5] > 3) /* e */
			return t;
		reqid = (unsigned)(r[6] | r[7] << 8);
		if (r[5] == 3 && (reqid == 0 || reqid > 0x3fff)) /* f */
			t.reqids++;
		if (len > 8) {
			sa = r[8];
			if (left - 8 < 16 || left - 8 < 2 * sa || sa > 28)
				return t;     /* h */
			if (len < 8 + 2 * sa) /* i */
				return t;
			/* the family that a sockaddr of so many octets has */
			family = sa < 2 ? 0 : r[9];
			if (r[8 + sa] != sa || r[9 + sa] != family) /* j */
				return t;
		} else if (r[4] == 2) { /* k */
			return t;
		}
		at += len;
		left -= len;
		t.err = 0;
	}
	if (t.requests == 0)
		t.err = 22;
	return t;
}

/* Reads p both ways. */
static int
both(const uint8_t *p, size_t len, const char *what)
{
	struct ipm_profile pf = profile(IPM_PF_FREEBSD_2017);
	struct twin want = twin(p, len);
	struct pfk_sp_in in;
	struct ipm_spd spd;
	int err;

	ipm_spd_init(&spd);
	err = pfk_sp_read(&pf, &spd, ipm_span(p, len), &in);
	cr_assert_eq(err, want.err, "%s: %d, not %d", what, err, want.err);
	cr_assert_eq(spd.last_reqid, 0x4000 + want.reqids, "%s", what);
	cr_assert_eq(in.n_chosen, want.reqids, "%s", what);
	if (err == 0)
		cr_assert_eq(in.c.n_reqs, want.requests, "%s", what);
	return err;
}

/* --- octets ------------------------------------------------------------------------- */

/* esp/tunnel/192.0.2.1-192.0.2.2/require, ah/transport//unique (recording
 * pfkey-spdadd-2reqs, level and reqid of the second changed). */
static const char two[] = "08001200020002000000000007000000"
			  "2800320002020000"
			  "10020000c00002010000000000000000"
			  "10020000c00002020000000000000000"
			  "0800330001030000";
/* esp/tunnel over IPv6 (recording pfkey-spdadd-fammix). */
static const char six[] =
    "0a001200020002000000000000000000"
    "4000320002020000"
    "1c1c00000000000020010db8000b0000000000000000000100000000"
    "1c1c00000000000020010db8000b0000000000000000000200000000";

static size_t
octets(const char *text, uint8_t *p)
{
	struct hx_octets o;
	size_t len;

	cr_assert(hx_hex_read(text, &o));
	memcpy(p, o.p, o.len);
	len = o.len;
	hx_octets_free(&o);
	return len;
}

Test(pfk_sp, reads_every_field)
{
	struct ipm_profile pf = profile(IPM_PF_FREEBSD_13);
	struct ipm_spd spd;
	struct pfk_sp_in in;
	uint8_t p[128];
	size_t len = octets(two, p);

	ipm_spd_init(&spd);
	cr_assert_eq(pfk_sp_read(&pf, &spd, ipm_span(p, len), &in), 0);
	cr_expect_eq(in.c.type, IPM_POLICY_IPSEC);
	cr_expect_eq(in.c.dir, IPM_DIR_OUT);
	cr_expect_eq(in.c.priority, 7);
	cr_expect_eq(in.c.n_reqs, 2);
	cr_expect_eq(in.c.req[0].proto, 50);
	cr_expect_eq(in.c.req[0].mode, IPM_MODE_TUNNEL);
	cr_expect_eq(in.c.req[0].level, IPM_LEVEL_REQUIRE);
	cr_expect_eq(in.c.req[0].reqid, 0);
	cr_expect_eq(in.c.req[0].src.addr.family, 4);
	cr_expect_arr_eq(in.c.req[0].src.addr.octet, "\xc0\x00\x02\x01", 4);
	cr_expect_arr_eq(in.c.req[0].dst.addr.octet, "\xc0\x00\x02\x02", 4);
	cr_expect_eq(in.c.req[0].dst.raw_len, 16);
	cr_expect_eq(in.c.req[1].proto, 51);
	cr_expect_eq(in.c.req[1].level, IPM_LEVEL_UNIQUE);
	cr_expect_eq(in.c.req[1].src.raw_len, 0);
	cr_expect_eq(in.c.req[1].src.addr.family, 0);
	/* [MAN-level-03] [MAN-level-04] The first reqid of the kernel's own. */
	cr_expect_eq(in.c.req[1].reqid, 0x4001);
	pfk_sp_write_chosen(&in, p);
	cr_expect_eq(p[len - 2], 0x01);
	cr_expect_eq(p[len - 1], 0x40);

	len = octets(six, p);
	cr_assert_eq(pfk_sp_read(&pf, &spd, ipm_span(p, len), &in), 0);
	cr_expect_eq(in.c.req[0].src.addr.family, 6);
	cr_expect_eq(in.c.req[0].src.addr.octet[0], 0x20);
	cr_expect_eq(in.c.req[0].dst.addr.octet[15], 2);
}

/* [MAN-level-04] Which reqids a policy may name; the rest is replaced.  Up to
 * 0x3fff in FreeBSD, to 32767 by ipsec_set_policy(3). */
Test(pfk_sp, reqids_of_level_unique)
{
	static const struct {
		enum ipm_profile_id pf;
		uint16_t wanted;
		uint32_t got;
	} rows[] = {
		{ IPM_PF_FREEBSD_13, 0, 0x4001 },
		{ IPM_PF_FREEBSD_13, 1, 1 },
		{ IPM_PF_FREEBSD_13, 0x3fff, 0x3fff },
		{ IPM_PF_FREEBSD_13, 0x4000, 0x4001 },
		{ IPM_PF_FREEBSD_13, 0x7fff, 0x4001 },
		{ IPM_PF_FREEBSD_13, 0xffff, 0x4001 },
		{ IPM_PF_FREEBSD_2017, 0x3fff, 0x3fff },
		{ IPM_PF_FREEBSD_2017, 0x4000, 0x4001 },
		{ IPM_PF_MANUAL, 0, 0x8001 },
		{ IPM_PF_MANUAL, 0x3fff, 0x3fff },
		{ IPM_PF_MANUAL, 0x4000, 0x4000 },
		{ IPM_PF_MANUAL, 32767, 32767 },
		{ IPM_PF_MANUAL, 32768, 0x8001 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (unsigned level = 0; level <= IPM_LEVEL_UNIQUE; level++) {
			struct ipm_profile pf = profile(rows[i].pf);
			struct ipm_spd spd;
			struct pfk_sp_in in;
			uint8_t p[128], q[128];
			size_t len = octets(two, p);

			ipm_spd_init(&spd);
			p[len - 3] = (uint8_t)level;
			p[len - 2] = (uint8_t)rows[i].wanted;
			p[len - 1] = (uint8_t)(rows[i].wanted >> 8);
			memcpy(q, p, len);
			cr_assert_eq(
			    pfk_sp_read(&pf, &spd, ipm_span(p, len), &in), 0);
			cr_expect_arr_eq(p, q, len, "row %zu", i);
			pfk_sp_write_chosen(&in, p);
			/* At other levels it counts for nothing and stays. */
			cr_expect_eq(in.c.req[1].reqid,
			    level == IPM_LEVEL_UNIQUE ? rows[i].got : 0,
			    "row %zu", i);
			cr_expect_eq(p[len - 2] | p[len - 1] << 8,
			    (int)(level == IPM_LEVEL_UNIQUE ? rows[i].got
							    : rows[i].wanted),
			    "row %zu", i);
			cr_expect_arr_eq(p, q, len - 2, "row %zu", i);
		}
}

/* A choice above 16 bits is written cut to the field's 16, also later; the
 * policy has it in full. */
Test(pfk_sp, reqids_beyond_the_field)
{
	struct ipm_profile pf = profile(IPM_PF_FREEBSD_13);
	struct db_memory mem;
	struct ipm_arena a;
	struct ipm_spd spd;
	struct pfk_sp_in in;
	uint8_t p[128], out[128];
	size_t len = octets(two, p);
	ipm_off off;

	db_memory_init(&mem);
	ipm_arena_init(&a, 0);
	ipm_spd_init(&spd);
	spd.last_reqid = 0x1abcc;
	cr_assert_eq(pfk_sp_read(&pf, &spd, ipm_span(p, len), &in), 0);
	cr_expect_eq(in.c.req[1].reqid, 0x1abcd);
	pfk_sp_write_chosen(&in, p);
	cr_expect_eq(p[len - 2] | p[len - 1] << 8, 0xabcd);
	cr_assert_eq(ipm_sp_make(&a, &mem.alloc, 1, &in.c, &off), IPM_OK);
	pfk_sp_write(&a, ipm_arena_at(&a, off), false, out, len);
	cr_expect_arr_eq(out, p, len);
	ipm_arena_free(&a, &mem.alloc);
}

/* --- refusals ---------------------------------------------------------------------- */

/* Each row of the rules once: octet at `at` of `two` (or `six`) becomes `to`. */
Test(pfk_sp, refuses_by_the_rules)
{
	static const struct {
		const char *rule;
		const char *base;
		size_t at;
		uint8_t to;
		int want;
	} rows[] = {
		{ "as it is", two, 0, 8, 0 },
		{ "1 length below", two, 0, 7, 22 },
		{ "1 length above", two, 0, 9, 22 },
		{ "1 length high octet", two, 1, 1, 22 },
		{ "exttype is not looked at", two, 2, 1, 0 },
		{ "3 type", two, 4, 5, 22 },
		{ "3 type high octet", two, 5, 1, 22 },
		{ "3 none: requests are not read", two, 4, 1, 0 },
		{ "3 entrust", two, 4, 3, 0 },
		{ "a length 7", two, 16, 7, 22 },
		{ "a length 0", two, 16, 0, 22 },
		{ "a length past the end", two, 16, 49, 22 },
		{ "a length high octet", two, 17, 1, 22 },
		{ "a last one past the end", two, 56, 9, 22 },
		{ "c protocol 0", two, 18, 0, 43 },
		{ "c protocol tcp", two, 18, 6, 43 },
		{ "c protocol high octet", two, 19, 1, 43 },
		{ "c ah", two, 18, 51, 0 },
		{ "c ipcomp", two, 18, 108, 0 },
		{ "d mode any", two, 20, 0, 22 },
		{ "d mode tcpmd5", two, 20, 3, 22 },
		{ "d transport with addresses", two, 20, 1, 0 },
		{ "e level 4", two, 21, 4, 22 },
		{ "e level default", two, 21, 0, 0 },
		{ "e level use", two, 21, 1, 0 },
		{ "h sa_len above the union", six, 24, 29, 22 },
		{ "i sa_len above half of the request", two, 24, 17, 22 },
		{ "i length for one address", two, 16, 24, 22 },
		{ "j sa_len of the second", two, 40, 15, 22 },
		{ "j family of the second", two, 41, 28, 22 },
		{ "j family of the first", two, 25, 28, 22 },
		{ "k tunnel without addresses", two, 60, 2, 22 },
		{ "length of no multiple of 8", two, 16, 41, 22 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t p[128];
		size_t len = octets(rows[i].base, p);

		p[rows[i].at] = rows[i].to;
		cr_expect_eq(both(p, len, rows[i].rule), rows[i].want, "%s",
		    rows[i].rule);
	}
}

/* b: four requests are taken, five are not; none is not either. */
Test(pfk_sp, four_requests_and_no_more)
{
	for (uint8_t n = 0; n <= 6; n++) {
		uint8_t p[128] = { (uint8_t)(2 + n), 0, 18, 0, 2, 0, 2 };

		for (uint8_t i = 0; i < n; i++) {
			p[16 + 8 * i] = 8;
			p[18 + 8 * i] = 50;
			p[20 + 8 * i] = 1;
		}
		cr_expect_eq(both(p, 16U + 8 * n, "n"),
		    n == 0 || n > 4 ? PFK_EINVAL : 0, "%u", n);
	}
}

/* A request's stated length need not be a multiple of 8: the next one begins
 * where it ends. */
Test(pfk_sp, requests_of_odd_lengths)
{
	uint8_t p[72] = { 9, 0, 18, 0, 2, 0, 2 };

	octets("2900320002020000"
	       "10020000c00002010000000000000000"
	       "10020000c00002020000000000000000"
	       "ff"
	       "0f00330001020000"
	       "00000000000000",
	    p + 16);
	/* 41 octets, then 15 with two sockaddrs of length 0. */
	cr_expect_eq(both(p, 72, "odd"), PFK_EINVAL);
	p[57] = 15;
	cr_expect_eq(
	    twin(p, 72).requests, 1, "what is left is too short for h");
}

/* h: with addresses a struct sockaddr must be left, whatever length is stated in
 * it: 16 octets are enough, 15 are not. */
Test(pfk_sp, room_for_a_sockaddr)
{
	for (uint8_t first = 40; first <= 41; first++) {
		uint8_t p[80] = { 10, 0, 18, 0, 2, 0, 2 };
		uint8_t *second = p + 16 + first;

		octets("2800320002020000"
		       "10020000c00002010000000000000000"
		       "10020000c00002020000000000000000",
		    p + 16);
		p[16] = first;
		second[0] = (uint8_t)(64 - first);
		second[2] = 50;
		second[4] = 1;
		cr_expect_eq(both(p, sizeof p, "room"),
		    first == 40 ? 0 : PFK_EINVAL, "%u", first);
	}
}

/* Sockaddrs of families and lengths that nobody knows are taken and given
 * back. */
Test(pfk_sp, strange_sockaddrs_come_back)
{
	struct ipm_profile pf = profile(IPM_PF_FREEBSD_13);

	for (uint8_t sa_len = 0; sa_len <= 28; sa_len++) {
		struct db_memory mem;
		struct ipm_arena a;
		struct ipm_spd spd;
		struct pfk_sp_in in;
		uint8_t p[96] = { 0 }, out[96];
		uint8_t body = sa_len < 8 ? 16 : (uint8_t)(2 * sa_len);
		size_t rounded = (8U + body + 7) / 8 * 8;
		size_t len = 16 + rounded;
		ipm_off off;

		p[0] = (uint8_t)(len / 8);
		p[2] = 18;
		p[4] = 2;
		p[6] = 2;
		p[16] = (uint8_t)rounded;
		p[18] = 50;
		p[20] = 1;
		for (size_t i = 24; i < 24U + 2 * sa_len; i++)
			p[i] = (uint8_t)i;
		for (size_t k = 0; k < 2; k++) {
			uint8_t *sa = p + 24 + k * sa_len;

			sa[0] = sa_len;
			if (sa_len != 1)
				sa[1] = sa_len == 0 ? 0 : 99;
		}
		cr_assert_eq(both(p, len, "strange"), 0, "%u", sa_len);
		ipm_spd_init(&spd);
		cr_assert_eq(pfk_sp_read(&pf, &spd, ipm_span(p, len), &in), 0);
		cr_expect_eq(in.c.req[0].src.addr.family, 0);
		cr_expect_eq(in.c.req[0].src.raw_len, sa_len);
		db_memory_init(&mem);
		ipm_arena_init(&a, 0);
		cr_assert_eq(
		    ipm_sp_make(&a, &mem.alloc, 1, &in.c, &off), IPM_OK);
		cr_assert_eq(pfk_sp_len(&a, ipm_arena_at(&a, off)),
		    16 + (8U + 2 * sa_len + 7) / 8 * 8);
		pfk_sp_write(&a, ipm_arena_at(&a, off), false, out,
		    pfk_sp_len(&a, ipm_arena_at(&a, off)));
		cr_expect_arr_eq(out + 24, p + 24, 2 * sa_len, "%u", sa_len);
		ipm_arena_free(&a, &mem.alloc);
	}
}

/* [MAN-sockopt-03] Every shorter run of octets, with its length field as it was
 * and with the one that would fit; and every value of each length. */
Test(pfk_sp, truncations_and_lengths)
{
	static const char *const bases[] = { two, six };
	unsigned taken = 0;

	for (size_t b = 0; b < 2; b++) {
		uint8_t p[128], q[128];
		size_t len = octets(bases[b], p);

		for (size_t n = 16; n < len; n++) {
			cr_expect_eq(both(p, n, "cut"), PFK_EINVAL);
			memcpy(q, p, len);
			q[0] = (uint8_t)(n / 8);
			taken += both(q, n, "cut and stated") == 0;
		}
		for (size_t at = 16; at < len; at++)
			for (unsigned v = 0; v < 256; v++) {
				memcpy(q, p, len);
				q[at] = (uint8_t)v;
				(void)both(q, len, "changed");
			}
	}
	/* `two` cut behind its first request is a policy. */
	cr_expect_eq(taken, 1);
}

/* Random damage, some of it in the octets that are looked at most. */
Test(pfk_sp, agrees_with_the_twin_on_damaged_policies)
{
	static const uint8_t values[] = { 0, 1, 2, 3, 4, 8, 15, 16, 17, 24, 28,
		29, 40, 48, 50, 51, 64, 108, 255 };
	uint64_t rng = 3;
	unsigned good = 0, bad = 0;

	for (unsigned i = 0; i < 200000; i++) {
		uint8_t p[128];
		size_t len = octets(i % 2 == 0 ? two : six, p);
		unsigned changes = 1 + (unsigned)(db_random(&rng) % 3);

		while (changes-- > 0) {
			uint64_t v = db_random(&rng);

			p[16 + (v >> 8) % (len - 16)] =
			    values[(v >> 32) % sizeof values];
		}
		if (both(p, len, "damaged") == 0)
			good++;
		else
			bad++;
	}
	cr_expect_gt(good, 20000);
	cr_expect_gt(bad, 20000);
}

/* --- writing ------------------------------------------------------------------------ */

/* What was read is written back, scope and id added; 16 octets state the
 * length of all. */
Test(pfk_sp, writes_what_it_read)
{
	struct ipm_profile pf = profile(IPM_PF_FREEBSD_13);
	static const char *const bases[] = { two, six };

	for (size_t b = 0; b < 2; b++) {
		struct db_memory mem;
		struct ipm_arena a;
		struct ipm_spd spd;
		struct pfk_sp_in in;
		struct ipm_sp *sp;
		uint8_t p[128], out[128];
		size_t len = octets(bases[b], p);
		ipm_off off;

		db_memory_init(&mem);
		ipm_arena_init(&a, 0);
		ipm_spd_init(&spd);
		cr_assert_eq(pfk_sp_read(&pf, &spd, ipm_span(p, len), &in), 0);
		pfk_sp_write_chosen(&in, p);
		in.c.scope = IPM_SCOPE_PCB;
		cr_assert_eq(
		    ipm_sp_make(&a, &mem.alloc, 1, &in.c, &off), IPM_OK);
		sp = ipm_arena_at(&a, off);
		sp->id = 0x01020304;
		p[8] = 4;
		p[9] = 3;
		p[10] = 2;
		p[11] = 1;
		memset(out, 0xee, sizeof out);
		cr_assert_eq(pfk_sp_len(&a, sp), len);
		pfk_sp_write(&a, sp, false, out, len);
		cr_expect_arr_eq(out, p, len);
		cr_expect_eq(out[len], 0xee);
		p[7] = IPM_SCOPE_PCB;
		memset(out, 0xee, sizeof out);
		pfk_sp_write(&a, sp, true, out, 16);
		cr_expect_arr_eq(out, p, 16);
		cr_expect_eq(out[16], 0xee);
		ipm_arena_free(&a, &mem.alloc);
	}
}
