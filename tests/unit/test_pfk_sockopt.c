/*
 * The socket options of IPsec.
 *
 * Source of the expected values: the setsockopt and getsockopt steps of the
 * recordings, octet for octet, and the rules of ipsec_pcb.c, udpencap.c and
 * xform_tcp.c where no recording tells.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "pfk_engine.h"
#include "support/db_box.h"
#include "support/vec_file.h"

#define BUF 4096U

struct box {
	struct db_memory m;
	struct pfk_engine e;
	struct ipm_profile pf;
	struct ipm_env env;
	uint32_t last_id;
};

static void
box_limit(struct box *b, enum ipm_profile_id id, size_t limit)
{
	db_memory_init(&b->m);
	ipm_profile_init(&b->pf, id);
	b->env = (struct ipm_env){ .sec = 3, .alloc = &b->m.alloc };
	b->last_id = 0;
	pfk_engine_init(&b->e, 3, limit);
}

static void
box_init(struct box *b, enum ipm_profile_id id)
{
	box_limit(b, id, 0);
}

static void
box_free(struct box *b)
{
	pfk_engine_free(&b->e, &b->m.alloc);
	cr_expect_eq(b->m.live, 0);
}

static ipm_off
open_pcb(struct box *b, uint8_t family, uint8_t proto, bool raw)
{
	struct ipm_pcb as = {
		.id = ++b->last_id, .family = family, .proto = proto, .raw = raw
	};
	ipm_off off;

	cr_assert_eq(ipm_pcb_open(&b->e.ipm.pcbs, &b->e.ipm.arena, &b->m.alloc,
			 &as, &off),
	    IPM_OK);
	return off;
}

static struct ipm_pcb *
pcb_at(const struct box *b, ipm_off pcb)
{
	return ipm_arena_at(&b->e.ipm.arena, pcb);
}

static size_t
octets(const char *text, uint8_t *p)
{
	struct hx_octets o;
	size_t len;

	cr_assert(hx_hex_read(text, &o));
	len = o.len;
	if (len != 0)
		memcpy(p, o.p, len);
	hx_octets_free(&o);
	return len;
}

static int
set(struct box *b, ipm_off pcb, int level, int option, const char *text)
{
	uint8_t p[BUF];
	size_t len = octets(text, p);

	return pfk_setsockopt(
	    &b->e, &b->pf, &b->env, pcb, true, level, option, ipm_span(p, len));
}

static void
expect_get(struct box *b, ipm_off pcb, int level, int option, const char *in,
    int err, const char *out, const char *what)
{
	uint8_t p[BUF], q[BUF], want[BUF];
	size_t len = octets(in, p), got, n = octets(out, want);

	cr_expect_eq(pfk_getsockopt(&b->e, &b->pf, pcb, level, option,
			 ipm_span(p, len), q, sizeof q, &got),
	    err, "%s", what);
	cr_expect_eq(got, n, "%s: %zu octets", what, got);
	if (got == n && n != 0)
		cr_expect_arr_eq(q, want, n, "%s", what);
}

/* --- recordings ---------------------------------------------------------------------- */

/* Sockets by their name in a recording: udp4:9000, raw4:253, tcp4. */
struct names {
	char name[8][64];
	ipm_off off[8];
	size_t n;
};

static ipm_off
by_name(struct box *b, struct names *t, const char *name)
{
	static const struct {
		const char *prefix;
		uint8_t proto;
		bool raw;
	} kinds[] = { { "udp", 17, false }, { "tcp", 6, false },
		{ "raw", 253, true } };

	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->name[i], name) == 0)
			return t->off[i];
	cr_assert_lt(t->n, 8);
	for (size_t i = 0; i < 3; i++)
		if (strncmp(name, kinds[i].prefix, 3) == 0) {
			(void)snprintf(
			    t->name[t->n], sizeof t->name[0], "%s", name);
			t->off[t->n] = open_pcb(b, (uint8_t)(name[3] - '0'),
			    kinds[i].proto, kinds[i].raw);
			return t->off[t->n++];
		}
	cr_assert_fail("socket %s", name);
	return 0;
}

static int
number(const json_t *step, const char *name)
{
	return (int)json_integer_value(json_object_get(step, name));
}

/* Options that are not of IPsec (IP_TOS, IPV6_HOPOPTS, ...). */
static bool
is_ours(const json_t *step)
{
	static const int ours[][2] = { { 0, 21 }, { 41, 28 }, { 17, 1 } };

	for (size_t i = 0; i < 3; i++)
		if (number(step, "level") == ours[i][0] &&
		    number(step, "option") == ours[i][1])
			return true;
	return false;
}

struct count {
	size_t sets, gets;
};

static void
play(const json_t *c, struct count *n)
{
	const char *id = vec_text(c, "id");
	struct names names = { .n = 0 };
	struct box b;
	json_t *step;
	size_t i;

	box_init(&b, IPM_PF_FREEBSD_13);
	json_array_foreach(json_object_get(c, "steps"), i, step)
	{
		const char *op = vec_text(step, "op");
		ipm_off pcb;

		if (strstr(op, "sockopt") == NULL || !is_ours(step))
			continue;
		pcb = by_name(&b, &names, vec_text(step, "socket"));
		if (strcmp(op, "setsockopt") == 0) {
			cr_expect_eq(set(&b, pcb, number(step, "level"),
					 number(step, "option"),
					 vec_text(step, "value")),
			    number(step, "errno"), "%s step %zu", id, i);
			n->sets++;
		} else {
			expect_get(&b, pcb, number(step, "level"),
			    number(step, "option"), vec_text(step, "value_in"),
			    number(step, "errno"), vec_text(step, "value_out"),
			    id);
			n->gets++;
		}
	}
	box_free(&b);
}

static struct count
play_file(const char *path)
{
	json_t *root = vec_load(path), *c;
	struct count n = { 0, 0 };
	size_t i;

	json_array_foreach(json_object_get(root, "cases"), i, c) play(c, &n);
	json_decref(root);
	return n;
}

/* [MAN-sockopt-01] [MAN-sockopt-02] [MAN-sockopt-03] [MAN-sockopt-04]
 * [MAN-sockopt-06] [MAN-sockopt-09] [MAN-sockopt-10] */
Test(pfk_sockopt, recorded_policies)
{
	struct count n = play_file("vectors/freebsd/socket-policy.json");

	cr_expect_eq(n.sets, 106);
	cr_expect_eq(n.gets, 66);
}

Test(pfk_sockopt, recorded_udp_encap)
{
	struct count n = play_file("vectors/freebsd/natt.json");

	cr_expect_geq(n.sets, 20);
}

/* --- policies ------------------------------------------------------------------------- */

#define BYPASS_OUT  "02001200040002000000000000000000"
#define BYPASS_IN   "02001200040001000000000000000000"
#define ENTRUST_OUT "02001200030002000000000000000000"
#define NONE_OUT    "02001200010002000000000000000000"
#define IPSEC_OUT   "030012000200020000000000000000000800320001020000"
#define UNIQUE_OUT  "030012000200020000000000000000000800320001030000"
/* esp/tunnel/192.0.2.1-192.0.2.2/require, ah/transport//use, priority 7 */
#define TUNNEL_OUT                         \
	"08001200020002000000000007000000" \
	"2800320002020000"                 \
	"10020000c00002010000000000000000" \
	"10020000c00002020000000000000000" \
	"0800330001010000"

/* [MAN-sockopt-08] [ARCH-4.4.1-21] IPSEC and BYPASS want privilege; the error comes before any
 * about the requests, behind those about direction and type. */
Test(pfk_sockopt, privilege)
{
	static const struct {
		const char *value;
		int want;
	} rows[] = {
		{ BYPASS_OUT, PFK_EACCES },
		{ BYPASS_IN, PFK_EACCES },
		{ IPSEC_OUT, PFK_EACCES },
		{ TUNNEL_OUT, PFK_EACCES },
		{ "030012000200020000000000000000000800000001020000",
		    PFK_EACCES },
		{ "09001200020002000000000000000000", PFK_EACCES },
		{ ENTRUST_OUT, 0 },
		{ NONE_OUT, PFK_EINVAL },
		{ "02001200040003000000000000000000", PFK_EINVAL },
		{ "0200120004000200", PFK_EINVAL },
	};
	struct box b;
	ipm_off pcb;
	uint64_t digest;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	digest = pfk_engine_digest(&b.e);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t p[BUF];
		size_t len = octets(rows[i].value, p);

		cr_expect_eq(pfk_setsockopt(&b.e, &b.pf, &b.env, pcb, false, 0,
				 21, ipm_span(p, len)),
		    rows[i].want, "row %zu", i);
		cr_expect_eq(pfk_engine_digest(&b.e), digest, "row %zu", i);
	}
	cr_expect_eq(set(&b, pcb, 0, 21, TUNNEL_OUT), 0);
	digest = pfk_engine_digest(&b.e);
	for (size_t i = 0; i < 6; i++) {
		uint8_t p[BUF];
		size_t len = octets(rows[i].value, p);

		(void)pfk_setsockopt(
		    &b.e, &b.pf, &b.env, pcb, false, 0, 21, ipm_span(p, len));
		cr_expect_eq(pfk_engine_digest(&b.e), digest, "row %zu", i);
	}
	box_free(&b);
}

/* [MAN-sockopt-02] An option belongs to a level, a level to a socket: the level
 * of the other family is EINVAL (recording sock-other). */
Test(pfk_sockopt, levels_and_options)
{
	static const struct {
		uint8_t family, proto;
		bool raw;
		int level, option;
		int want;
	} rows[] = {
		{ 4, 17, false, 0, 21, 0 },
		{ 4, 6, false, 0, 21, 0 },
		{ 4, 253, true, 0, 21, 0 },
		{ 6, 17, false, 41, 28, 0 },
		{ 4, 17, false, 41, 28, PFK_EINVAL },
		{ 6, 17, false, 0, 21, PFK_EINVAL },
		{ 4, 17, false, 0, 28, PFK_ENOPROTOOPT },
		{ 6, 17, false, 41, 21, PFK_ENOPROTOOPT },
		{ 4, 17, false, 17, 1, 0 },
		{ 6, 17, false, 17, 1, 0 },
		{ 4, 6, false, 17, 1, PFK_EINVAL },
		{ 4, 17, true, 17, 1, PFK_EINVAL },
		{ 4, 17, false, 17, 2, PFK_ENOPROTOOPT },
		{ 4, 6, false, 6, 16, 0 },
		{ 6, 6, false, 6, 16, 0 },
		{ 4, 17, false, 6, 16, PFK_EINVAL },
		{ 4, 6, true, 6, 16, PFK_EINVAL },
		{ 4, 6, false, 6, 1, PFK_ENOPROTOOPT },
		{ 4, 17, false, 1, 21, PFK_EINVAL },
		{ 4, 17, false, -1, 21, PFK_EINVAL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool is_int = rows[i].level == 17 || rows[i].level == 6;
		uint8_t q[64], in[64];
		size_t len, in_len = octets(BYPASS_OUT, in);
		struct box b;
		ipm_off pcb;

		box_init(&b, IPM_PF_MANUAL);
		pcb = open_pcb(&b, rows[i].family, rows[i].proto, rows[i].raw);
		cr_expect_eq(set(&b, pcb, rows[i].level, rows[i].option,
				 is_int ? "02000000" : BYPASS_OUT),
		    rows[i].want, "row %zu", i);
		cr_expect_eq(pfk_getsockopt(&b.e, &b.pf, pcb, rows[i].level,
				 rows[i].option, ipm_span(in, in_len), q,
				 sizeof q, &len),
		    rows[i].want, "row %zu", i);
		cr_expect_eq(len, rows[i].want != 0 ? 0U : is_int ? 4U : 16U);
		box_free(&b);
	}
}

/* A page is the most, the head the least; sizes between are judged by the
 * length that the value states. */
Test(pfk_sockopt, sizes)
{
	static uint8_t p[BUF + 8];
	struct box b;
	ipm_off pcb;
	uint64_t digest;
	size_t len;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	digest = pfk_engine_digest(&b.e);
	(void)octets(BYPASS_OUT, p);
	for (size_t n = 0; n <= BUF + 8; n++) {
		int err;

		p[0] = (uint8_t)(n / 8);
		p[1] = (uint8_t)(n / 8 >> 8);
		err = pfk_set_policy(
		    &b.e, &b.pf, &b.env, pcb, true, ipm_span(p, n));
		cr_expect_eq(err,
		    n >= 16 && n <= BUF && n % 8 == 0 ? 0 : PFK_EINVAL,
		    "%zu octets", n);
		cr_expect_eq(set(&b, pcb, 0, 21, ENTRUST_OUT), 0);
		cr_expect_eq(pfk_engine_digest(&b.e), digest);
	}
	for (size_t n = 0; n <= BUF + 8; n++) {
		uint8_t in[16];

		(void)octets(BYPASS_OUT, in);
		cr_expect_eq(pfk_get_policy(&b.e, &b.pf, pcb, ipm_span(in, 16),
				 p, n, &len),
		    n >= 16 && n <= BUF ? 0 : PFK_EINVAL, "%zu octets", n);
		cr_expect_eq(len, n >= 16 && n <= BUF ? 16U : 0U);
	}
	box_free(&b);
}

/* Reading without room for the requests succeeds: 16 octets, in whose length
 * field the need stands. */
Test(pfk_sockopt, short_buffer_tells_the_need)
{
	struct box b;
	ipm_off pcb;
	uint8_t in[16], want[64], out[80];
	size_t need = octets(TUNNEL_OUT, want), len;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	cr_assert_eq(set(&b, pcb, 0, 21, TUNNEL_OUT), 0);
	(void)octets(BYPASS_OUT, in);
	want[7] = IPM_SCOPE_PCB;
	for (size_t cap = 16; cap <= sizeof out; cap++) {
		memset(out, 0xee, sizeof out);
		cr_assert_eq(pfk_get_policy(&b.e, &b.pf, pcb, ipm_span(in, 16),
				 out, cap, &len),
		    0);
		cr_expect_eq(len, cap < need ? 16 : need, "cap %zu", cap);
		cr_expect_arr_eq(out, want, len, "cap %zu", cap);
		for (size_t i = len; i < sizeof out; i++)
			cr_expect_eq(out[i], 0xee, "cap %zu", cap);
	}
	box_free(&b);
}

/* Without a policy the caller's own octets come back, made ENTRUST: direction
 * and octet 7 are not touched. */
Test(pfk_sockopt, entrust_is_written_over_the_callers_octets)
{
	struct box b;
	ipm_off pcb;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	expect_get(&b, pcb, 0, 21, "ffffffffffff02ffffffffffffffffff", 0,
	    "02001200030002ff0000000000000000", "garbage");
	expect_get(&b, pcb, 0, 21, "00000000000001", 0,
	    "02001200030001000000000000000000", "a short value");
	expect_get(
	    &b, pcb, 0, 21, "000000000000", PFK_EINVAL, "", "no direction");
	expect_get(&b, pcb, 0, 21, "", PFK_EINVAL, "", "nothing");
	box_free(&b);
}

/* The scope of a policy is told where scopes exist. */
Test(pfk_sockopt, octet_7_by_profile)
{
	static const struct {
		enum ipm_profile_id pf;
		uint8_t want;
	} rows[] = { { IPM_PF_FREEBSD_13, 4 }, { IPM_PF_FREEBSD_2017, 0 },
		{ IPM_PF_MANUAL, 0 } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box b;
		ipm_off pcb;
		uint8_t in[16], out[64];
		size_t len;

		box_init(&b, rows[i].pf);
		pcb = open_pcb(&b, 6, 17, false);
		cr_assert_eq(set(&b, pcb, 41, 28, BYPASS_OUT), 0);
		(void)octets(BYPASS_OUT, in);
		cr_assert_eq(pfk_get_policy(&b.e, &b.pf, pcb, ipm_span(in, 16),
				 out, sizeof out, &len),
		    0);
		cr_expect_eq(out[7], rows[i].want, "row %zu", i);
		box_free(&b);
	}
}

/* [MAN-sockopt-04] [MAN-sockopt-06] One direction leaves the other alone;
 * ENTRUST clears its own, whatever its length field and octets behind say. */
Test(pfk_sockopt, directions_and_clearing)
{
	struct box b;
	ipm_off pcb;
	uint64_t none, in;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	none = pfk_engine_digest(&b.e);
	cr_assert_eq(set(&b, pcb, 0, 21, BYPASS_IN), 0);
	cr_expect_eq(pcb_at(&b, pcb)->policy[IPM_DIR_OUT], 0);
	cr_expect_neq(pcb_at(&b, pcb)->policy[IPM_DIR_IN], 0);
	in = pfk_engine_digest(&b.e);
	cr_assert_eq(set(&b, pcb, 0, 21, TUNNEL_OUT), 0);
	cr_expect_neq(pcb_at(&b, pcb)->policy[IPM_DIR_OUT], 0);
	cr_assert_eq(
	    set(&b, pcb, 0, 21, "63001200030002000000000000000000ffff"), 0);
	cr_expect_eq(pfk_engine_digest(&b.e), in);
	cr_assert_eq(
	    set(&b, pcb, 0, 21, "02001200030001000000000000000000"), 0);
	cr_expect_eq(pfk_engine_digest(&b.e), none);
	box_free(&b);
}

/* A policy of a socket has no id, no place in the SPD, no selector but its
 * family's zeros. */
Test(pfk_sockopt, stored_policy)
{
	struct box b;
	ipm_off pcb;
	const struct ipm_sp *sp;
	const struct ipm_request *req;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 6, 6, false);
	cr_assert_eq(set(&b, pcb, 41, 28, TUNNEL_OUT), 0);
	sp = ipm_arena_at(&b.e.ipm.arena, pcb_at(&b, pcb)->policy[IPM_DIR_OUT]);
	cr_expect_eq(sp->id, 0);
	cr_expect_eq(sp->scope, IPM_SCOPE_PCB);
	cr_expect_eq(sp->sel.proto, IPM_ULP_ANY);
	cr_expect_eq(sp->sel.src.addr.family, 6);
	cr_expect_eq(sp->sel.dst.addr.family, 6);
	cr_expect_eq(sp->sel.src_prefix, 0);
	cr_expect_eq(sp->created, 3);
	cr_expect_eq(sp->n_reqs, 2);
	req = ipm_arena_at(&b.e.ipm.arena, sp->reqs);
	/* [MAN-sockopt-09] in the order of the bundle */
	cr_expect_eq(req[0].proto, IPM_PROTO_ESP);
	cr_expect_eq(req[1].proto, IPM_PROTO_AH);
	cr_expect_eq(b.e.ipm.spd.count[IPM_DIR_OUT], 0);
	cr_expect_eq(b.e.ipm.spd.last_id, 0);
	cr_expect_eq(b.e.ipm.spd.generation, 0);
	box_free(&b);
}

/* Reqids of level unique are chosen from the SPD's counter; a value that is
 * refused behind such a choice has used it up. */
Test(pfk_sockopt, automatic_reqids)
{
	struct box b;
	ipm_off pcb;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	cr_assert_eq(set(&b, pcb, 0, 21, UNIQUE_OUT), 0);
	expect_get(&b, pcb, 0, 21, BYPASS_OUT, 0,
	    "030012000200020400000000000000000800320001030140", "0x4001");
	cr_expect_eq(set(&b, pcb, 0, 21,
			 "04001200020002000000000000000000"
			 "08003200010300000800320001040000"),
	    PFK_EINVAL);
	cr_assert_eq(set(&b, pcb, 0, 21, UNIQUE_OUT), 0);
	expect_get(&b, pcb, 0, 21, BYPASS_OUT, 0,
	    "030012000200020400000000000000000800320001030340", "0x4003");
	box_free(&b);
}

/* Setting over and over keeps no memory; what was cached is let go. */
Test(pfk_sockopt, replaced_policies_are_freed)
{
	struct ipm_sp_config c = { .dir = IPM_DIR_OUT,
		.type = IPM_POLICY_NONE };
	struct box b;
	ipm_off pcb, sp;
	size_t in_use;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	in_use = b.e.ipm.arena.in_use;
	cr_assert_eq(ipm_spd_add(&b.e.ipm.spd, &b.e.ipm.arena, &b.m.alloc, 3,
			 10, &c, &sp),
	    IPM_OK);
	ipm_sp_hold(&b.e.ipm.arena, sp);
	pcb_at(&b, pcb)->cached[IPM_DIR_OUT] = sp;
	ipm_spd_del(&b.e.ipm.spd, &b.e.ipm.arena, sp);
	for (int i = 0; i < 50; i++) {
		cr_assert_eq(set(&b, pcb, 0, 21, TUNNEL_OUT), 0);
		cr_expect_eq(pcb_at(&b, pcb)->cached[IPM_DIR_OUT], 0);
		cr_assert_eq(set(&b, pcb, 0, 21, BYPASS_OUT), 0);
	}
	cr_assert_eq(set(&b, pcb, 0, 21, ENTRUST_OUT), 0);
	cr_expect_eq(b.e.ipm.arena.in_use, in_use);
	box_free(&b);
}

/* [MAN-sockopt-03] Every truncation and every changed length is refused and
 * changes nothing (but for automatic reqids, of which there are none here). */
Test(pfk_sockopt, truncations_change_nothing)
{
	struct box b;
	ipm_off pcb;
	uint8_t p[64], q[64];
	size_t len = octets(TUNNEL_OUT, p);
	uint64_t digest;
	unsigned refused = 0;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	cr_assert_eq(set(&b, pcb, 0, 21, BYPASS_OUT), 0);
	digest = pfk_engine_digest(&b.e);
	for (size_t n = 0; n < len; n++) {
		cr_expect_eq(pfk_set_policy(&b.e, &b.pf, &b.env, pcb, true,
				 ipm_span(p, n)),
		    PFK_EINVAL, "%zu octets", n);
		cr_expect_eq(pfk_engine_digest(&b.e), digest);
	}
	/* lengths: of the whole, of each request, of each sockaddr */
	for (size_t k = 0; k < 5; k++) {
		static const size_t at[] = { 0, 16, 24, 40, 56 };

		for (unsigned v = 0; v < 256; v++) {
			memcpy(q, p, len);
			q[at[k]] = (uint8_t)v;
			/* 48: the first request takes the rest, a policy. */
			if (v == p[at[k]] || (at[k] == 16 && v == 48))
				continue;
			cr_expect_neq(pfk_set_policy(&b.e, &b.pf, &b.env, pcb,
					  true, ipm_span(q, len)),
			    0, "octet %zu is %u", at[k], v);
			cr_expect_eq(pfk_engine_digest(&b.e), digest,
			    "octet %zu is %u", at[k], v);
			refused++;
		}
	}
	cr_expect_eq(refused, 5 * 255 - 1);
	box_free(&b);
}

/* --- memory, copies ---------------------------------------------------------------------- */

/* No room: ENOBUFS, and the old policy and the counter of reqids stay. */
Test(pfk_sockopt, no_room_changes_nothing)
{
	unsigned failed = 0, done = 0;

	for (size_t limit = 8; limit < 2400; limit += 8) {
		struct box b;
		struct ipm_pcb as = { .id = 1, .family = 4, .proto = 17 };
		ipm_off pcb;
		uint64_t digest;
		int err;

		box_limit(&b, IPM_PF_FREEBSD_13, limit);
		if (ipm_pcb_open(&b.e.ipm.pcbs, &b.e.ipm.arena, &b.m.alloc, &as,
			&pcb) != IPM_OK) {
			box_free(&b);
			continue;
		}
		(void)set(&b, pcb, 0, 21, BYPASS_OUT);
		digest = pfk_engine_digest(&b.e);
		err = set(&b, pcb, 0, 21, UNIQUE_OUT);
		if (err == 0) {
			done++;
			cr_expect_neq(pfk_engine_digest(&b.e), digest);
		} else {
			failed++;
			cr_expect_eq(err, PFK_ENOBUFS);
			cr_expect_eq(pfk_engine_digest(&b.e), digest);
		}
		box_free(&b);
	}
	cr_expect_gt(failed, 10);
	cr_expect_gt(done, 10);
}

/* A copy has the policies, and is no longer the original. */
Test(pfk_sockopt, clone)
{
	struct box b;
	struct pfk_engine copy;
	ipm_off pcb;
	uint64_t digest;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 17, false);
	cr_assert_eq(set(&b, pcb, 0, 21, TUNNEL_OUT), 0);
	cr_assert_eq(set(&b, pcb, 17, 1, "02000000"), 0);
	cr_assert_eq(pfk_engine_clone(&copy, &b.e, &b.m.alloc), IPM_OK);
	digest = pfk_engine_digest(&copy);
	cr_expect_eq(pfk_engine_digest(&b.e), digest);
	cr_assert_eq(set(&b, pcb, 0, 21, ENTRUST_OUT), 0);
	cr_expect_neq(pfk_engine_digest(&b.e), digest);
	cr_expect_eq(pfk_engine_digest(&copy), digest);
	pfk_engine_free(&copy, &b.m.alloc);
	box_free(&b);
}

/* --- integers --------------------------------------------------------------------------- */

/* UDP_ENCAP: 0 and 2 of 4 octets; 1 (non-IKE) went with the rework.  A longer
 * value counts by its first 4 octets. */
Test(pfk_sockopt, udp_encap_values)
{
	static const struct {
		const char *value;
		int want;
		uint8_t now;
	} rows[] = {
		{ "02000000", 0, 2 },
		{ "01000000", PFK_EINVAL, 2 },
		{ "03000000", PFK_EINVAL, 2 },
		{ "00000002", PFK_EINVAL, 2 },
		{ "02010000", PFK_EINVAL, 2 },
		{ "ffffffff", PFK_EINVAL, 2 },
		{ "000000", PFK_EINVAL, 2 },
		{ "", PFK_EINVAL, 2 },
		{ "00000000", 0, 0 },
		{ "0200000001", 0, 2 },
		{ "0000000000000000", 0, 0 },
	};
	struct box b;
	ipm_off pcb;

	box_init(&b, IPM_PF_FREEBSD_2017);
	pcb = open_pcb(&b, 4, 17, false);
	expect_get(&b, pcb, 17, 1, "", 0, "00000000", "at first");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[9];

		cr_expect_eq(set(&b, pcb, 17, 1, rows[i].value), rows[i].want,
		    "row %zu", i);
		cr_expect_eq(pcb_at(&b, pcb)->encap, rows[i].now, "row %zu", i);
		(void)snprintf(text, sizeof text, "%02x000000", rows[i].now);
		expect_get(&b, pcb, 17, 1, "", 0, text, "row");
	}
	box_free(&b);
}

/* TCP_MD5SIG: anything above 0 is on, and reads as 1. */
Test(pfk_sockopt, tcp_md5sig_values)
{
	static const struct {
		const char *value;
		int want;
		uint8_t now;
	} rows[] = {
		{ "01000000", 0, 1 },
		{ "00000080", 0, 0 },
		{ "ffffff7f", 0, 1 },
		{ "ffffffff", 0, 0 },
		{ "02000000", 0, 1 },
		{ "010000", PFK_EINVAL, 1 },
		{ "00000000", 0, 0 },
		{ "0100000000", 0, 1 },
	};
	struct box b;
	ipm_off pcb;

	box_init(&b, IPM_PF_FREEBSD_2017);
	pcb = open_pcb(&b, 6, 6, false);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[9];

		cr_expect_eq(set(&b, pcb, 6, 16, rows[i].value), rows[i].want,
		    "row %zu", i);
		cr_expect_eq(
		    pcb_at(&b, pcb)->tcp_md5, rows[i].now, "row %zu", i);
		(void)snprintf(text, sizeof text, "%02x000000", rows[i].now);
		expect_get(&b, pcb, 6, 16, "", 0, text, "row");
	}
	box_free(&b);
}

/* A kernel without TCP-MD5 has no such option; the recorded one is so. */
Test(pfk_sockopt, tcp_md5sig_absent)
{
	struct box b;
	ipm_off pcb;

	box_init(&b, IPM_PF_FREEBSD_13);
	pcb = open_pcb(&b, 4, 6, false);
	cr_expect_eq(set(&b, pcb, 6, 16, "01000000"), PFK_ENOPROTOOPT);
	cr_expect_eq(pcb_at(&b, pcb)->tcp_md5, 0);
	expect_get(&b, pcb, 6, 16, "", PFK_ENOPROTOOPT, "", "absent");
	box_free(&b);
}

/* As many octets come back as there is room for. */
Test(pfk_sockopt, integers_into_short_buffers)
{
	struct box b;
	ipm_off pcb;

	box_init(&b, IPM_PF_MANUAL);
	pcb = open_pcb(&b, 4, 17, false);
	cr_assert_eq(set(&b, pcb, 17, 1, "02000000"), 0);
	for (size_t cap = 0; cap <= 6; cap++) {
		uint8_t out[8];
		size_t len;

		memset(out, 0xee, sizeof out);
		cr_expect_eq(pfk_get_encap(&b.e, pcb, out, cap, &len), 0);
		cr_expect_eq(len, cap < 4 ? cap : 4);
		for (size_t i = 0; i < sizeof out; i++)
			cr_expect_eq(out[i], i >= len ? 0xee : i == 0 ? 2 : 0);
	}
	box_free(&b);
}
