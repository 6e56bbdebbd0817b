/*
 * The SPD: order, comparisons, ids, what sockets hold; and the sockets.
 *
 * Source of the expected values: the twin below, written from RFC 4301 4.4.1
 * and the rules of FreeBSD's key.c, and figures of the recordings where named.
 */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_state.h"
#include "support/db_box.h"

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
}

static struct ipm_sp *
sp_at(const struct box *b, ipm_off off)
{
	return ipm_arena_at(&b->s.arena, off);
}

static struct ipm_addr
addr4(uint32_t v)
{
	struct ipm_addr a = { .family = 4 };

	ipm_store32(a.octet, v);
	return a;
}

static struct ipm_addr
addr6(uint32_t high, uint32_t low, uint32_t scope)
{
	struct ipm_addr a = { .family = 6, .scope = scope };

	ipm_store32(a.octet, high);
	ipm_store32(a.octet + 12, low);
	return a;
}

/* 10.1.0.0/24 > 10.2.0.0/16 any, out, ipsec esp/tunnel: the policy of the
 * recordings. */
static struct ipm_sp_config
config(void)
{
	struct ipm_sp_config c = {
		.sel = { .src = { .addr = addr4(0x0a010000) },
		    .dst = { .addr = addr4(0x0a020000) },
		    .src_prefix = 24,
		    .dst_prefix = 16,
		    .proto = IPM_ULP_ANY },
		.dir = IPM_DIR_OUT,
		.type = IPM_POLICY_IPSEC,
		.scope = IPM_SCOPE_GLOBAL,
		.n_reqs = 1,
		.req = { { .src = { .addr = addr4(0xc0000201) },
		    .dst = { .addr = addr4(0xc0000202) },
		    .proto = 50,
		    .mode = 2,
		    .level = IPM_LEVEL_REQUIRE } },
	};

	return c;
}

static enum ipm_err
try_add(
    struct box *b, const struct ipm_sp_config *c, uint32_t tries, ipm_off *off)
{
	return ipm_spd_add(
	    &b->s.spd, &b->s.arena, &b->m.alloc, 100, tries, c, off);
}

static ipm_off
add(struct box *b, const struct ipm_sp_config *c)
{
	ipm_off off;

	cr_assert_eq(try_add(b, c, 1000, &off), IPM_OK);
	return off;
}

/* A packet's selector: full prefixes. */
static struct ipm_selector
packet4(
    uint32_t src, uint32_t dst, uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct ipm_selector p = { .src = { .addr = addr4(src), .port = sport },
		.dst = { .addr = addr4(dst), .port = dport },
		.src_prefix = 32,
		.dst_prefix = 32,
		.proto = proto };

	return p;
}

/* --- comparisons -------------------------------------------------------------- */

/* Exact comparison: every field counts, the host bits behind a prefix too;
 * what the owner wrote beside address and port does not. */
Test(spd, exact_comparison_sees_every_field)
{
	static const struct {
		const char *what;
		size_t at;
	} rows[] = {
		{ "source prefix", offsetof(struct ipm_selector, src_prefix) },
		{ "destination prefix",
		    offsetof(struct ipm_selector, dst_prefix) },
		{ "protocol", offsetof(struct ipm_selector, proto) },
		{ "source host bits",
		    offsetof(struct ipm_selector, src.addr.octet[3]) },
		{ "destination host bits",
		    offsetof(struct ipm_selector, dst.addr.octet[15]) },
		{ "source port", offsetof(struct ipm_selector, src.port) },
		{ "destination port", offsetof(struct ipm_selector, dst.port) },
		{ "source zone",
		    offsetof(struct ipm_selector, src.addr.scope) },
		{ "destination zone",
		    offsetof(struct ipm_selector, dst.addr.scope) },
		{ "source family",
		    offsetof(struct ipm_selector, src.addr.family) },
	};
	struct ipm_selector a = { .src = { .addr = addr6(0x20010db8, 1, 0) },
		.dst = { .addr = addr6(0x20010db8, 2, 0) },
		.src_prefix = 64,
		.dst_prefix = 64,
		.proto = 17 };
	struct ipm_selector c = a;

	c.src.raw_len = 28;
	c.src.raw[4] = 1; /* a flow label */
	cr_expect(ipm_selector_equal(&a, &c));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		c = a;
		((uint8_t *)&c)[rows[i].at] ^= 2;
		cr_expect(!ipm_selector_equal(&a, &c), "%s", rows[i].what);
		cr_expect(!ipm_selector_equal(&c, &a), "%s", rows[i].what);
	}
}

/* [MAN-pfkey-03] Masked comparison, row by row (key_cmpspidx_withmask). */
Test(spd, masked_comparison_v4)
{
	static const struct {
		uint32_t src;
		uint8_t prefix;
		uint8_t proto;
		uint16_t port;
		uint32_t packet;
		uint8_t p_proto;
		uint16_t p_port;
		bool want;
	} rows[] = {
		{ 0x0a010000, 24, 255, 0, 0x0a0100ff, 17, 9, true },
		{ 0x0a010000, 24, 255, 0, 0x0a010100, 17, 9, false },
		{ 0x0a010005, 24, 255, 0, 0x0a0100ff, 17, 9, true },
		{ 0x0a010000, 0, 255, 0, 0xffffffff, 17, 9, true },
		{ 0x0a010000, 32, 255, 0, 0x0a010000, 17, 9, true },
		{ 0x0a010000, 32, 255, 0, 0x0a010001, 17, 9, false },
		{ 0x0a010080, 25, 255, 0, 0x0a0100ff, 17, 9, true },
		{ 0x0a010080, 25, 255, 0, 0x0a01007f, 17, 9, false },
		{ 0x80000000, 1, 255, 0, 0xffffffff, 17, 9, true },
		{ 0x80000000, 1, 255, 0, 0x7fffffff, 17, 9, false },
		{ 0x0a010000, 24, 17, 0, 0x0a010001, 17, 9, true },
		{ 0x0a010000, 24, 6, 0, 0x0a010001, 17, 9, false },
		/* a packet of unknown protocol is under "any" alone */
		{ 0x0a010000, 24, 17, 0, 0x0a010001, 255, 0, false },
		{ 0x0a010000, 24, 255, 0, 0x0a010001, 255, 0, true },
		{ 0x0a010000, 24, 17, 9, 0x0a010001, 17, 9, true },
		{ 0x0a010000, 24, 17, 9, 0x0a010001, 17, 8, false },
		{ 0x0a010000, 24, 17, 9, 0x0a010001, 17, 0, false },
		{ 0x0a010000, 24, 255, 9, 0x0a010001, 6, 9, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int side = 0; side < 2; side++) {
			struct ipm_selector p = {
				.src = { .addr = addr4(0) },
				.dst = { .addr = addr4(0) },
				.proto = rows[i].proto,
			};
			struct ipm_selector x = packet4(rows[i].packet,
			    rows[i].packet, rows[i].p_proto, rows[i].p_port,
			    rows[i].p_port);
			struct ipm_end *e = side == 0 ? &p.src : &p.dst;

			e->addr = addr4(rows[i].src);
			e->port = rows[i].port;
			*(side == 0 ? &p.src_prefix : &p.dst_prefix) =
			    rows[i].prefix;
			cr_expect_eq(ipm_selector_match(&p, &x), rows[i].want,
			    "row %zu side %d", i, side);
		}
}

/* A zone of 0 is any on either side; families never match each other. */
Test(spd, masked_comparison_v6_zones_and_families)
{
	static const struct {
		uint32_t policy, packet;
		bool want;
	} rows[] = {
		{ 0, 0, true },
		{ 0, 2, true },
		{ 2, 0, true },
		{ 2, 2, true },
		{ 2, 3, false },
	};
	struct ipm_selector p = { .src = { .addr = addr6(0xfe800000, 0, 0) },
		.dst = { .addr = addr6(0xfe800000, 0, 0) },
		.src_prefix = 10,
		.dst_prefix = 128,
		.proto = IPM_ULP_ANY };
	struct ipm_selector x = { .src = { .addr = addr6(0xfe800000, 1, 0) },
		.dst = { .addr = addr6(0xfe800000, 0, 0) },
		.src_prefix = 128,
		.dst_prefix = 128,
		.proto = 58 };
	struct ipm_selector q;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		p.src.addr.scope = rows[i].policy;
		x.src.addr.scope = rows[i].packet;
		cr_expect_eq(
		    ipm_selector_match(&p, &x), rows[i].want, "row %zu", i);
	}
	x.src.addr.scope = p.src.addr.scope = 0;
	q = packet4(0, 0, 58, 0, 0);
	q.src_prefix = q.dst_prefix = 0;
	cr_expect(!ipm_selector_match(&q, &x));
	x = packet4(0xfe800000, 0xfe800000, 58, 0, 0);
	cr_expect(!ipm_selector_match(&p, &x));
	/* An end of no known family matches nothing, not even its like. */
	memset(&q, 0, sizeof q);
	q.proto = IPM_ULP_ANY;
	x = q;
	cr_expect(!ipm_selector_match(&q, &x));
}

/* --- order -------------------------------------------------------------------- */

/* Priorities 10, 5, 20, 5 stand as 5, 5, 10, 20, equal ones in the order in
 * which they came (recording pfkey-spdadd-prio-order: ids 2, 4, 1, 3). */
Test(spd, smaller_priorities_first_equal_ones_as_they_came)
{
	static const uint32_t priority[] = { 10, 5, 20, 5 };
	static const uint32_t ids[] = { 2, 4, 1, 3 };
	struct box b;
	struct ipm_sp_config c = config();
	ipm_off off;

	box_init(&b);
	for (uint8_t i = 0; i < 4; i++) {
		c.priority = priority[i];
		c.sel.src_prefix = (uint8_t)(24 - i);
		(void)add(&b, &c);
	}
	off = b.s.spd.first[IPM_DIR_OUT];
	for (size_t i = 0; i < 4; i++) {
		cr_assert_neq(off, 0);
		cr_expect_eq(sp_at(&b, off)->id, ids[i], "place %zu", i);
		off = sp_at(&b, off)->next;
	}
	cr_expect_eq(off, 0);
	cr_expect_eq(b.s.spd.first[IPM_DIR_IN], 0);
	box_free(&b);
}

/* [ARCH2401-4.4.1-02] The first match wins and is marked as used; a miss marks
 * nothing. */
Test(spd, first_match_wins_and_is_marked)
{
	struct box b;
	struct ipm_sp_config c = config();
	struct ipm_selector x = packet4(0x0a010005, 0x0a020007, 17, 1, 2);
	ipm_off wide, narrow;

	box_init(&b);
	wide = add(&b, &c);
	c.sel.src_prefix = 32;
	c.sel.src.addr = addr4(0x0a010005);
	narrow = add(&b, &c);
	cr_expect_eq(sp_at(&b, wide)->lastused, 100);
	cr_expect_eq(
	    ipm_spd_lookup(&b.s.spd, &b.s.arena, IPM_DIR_OUT, &x, 150), wide);
	cr_expect_eq(sp_at(&b, wide)->lastused, 150);
	cr_expect_eq(sp_at(&b, narrow)->lastused, 100);
	cr_expect_eq(
	    ipm_spd_lookup(&b.s.spd, &b.s.arena, IPM_DIR_IN, &x, 160), 0);
	x.dst.addr = addr4(0x0b000000);
	cr_expect_eq(
	    ipm_spd_lookup(&b.s.spd, &b.s.arena, IPM_DIR_OUT, &x, 160), 0);
	cr_expect_eq(sp_at(&b, wide)->lastused, 150);
	box_free(&b);
}

/* --- the twin ------------------------------------------------------------------ */

#define TWIN_MAX 200

struct twin_sp {
	struct ipm_selector sel;
	uint32_t priority, id;
	uint64_t lastused;
	uint8_t dir;
};

/* In search order, both directions in one array. */
struct twin {
	struct twin_sp sp[TWIN_MAX];
	size_t n;
	uint32_t last_id;
	bool equal_first; /* the planted fault: before its equals */
};

static void
twin_add(struct twin *t, const struct ipm_sp_config *c, uint64_t now)
{
	size_t i = 0;

	while (i < t->n &&
	    (t->sp[i].priority < c->priority ||
		(t->sp[i].priority == c->priority && !t->equal_first)))
		i++;
	memmove(&t->sp[i + 1], &t->sp[i], (t->n - i) * sizeof t->sp[0]);
	t->sp[i] =
	    (struct twin_sp){ c->sel, c->priority, ++t->last_id, now, c->dir };
	t->n++;
}

static bool
twin_bit(const struct ipm_addr *a, unsigned i)
{
	return (a->octet[i / 8] & 0x80 >> i % 8) != 0;
}

static bool
twin_end(const struct ipm_end *p, unsigned prefix, const struct ipm_end *x)
{
	if (p->addr.family != x->addr.family)
		return false;
	for (unsigned i = 0; i < prefix; i++)
		if (twin_bit(&p->addr, i) != twin_bit(&x->addr, i))
			return false;
	if (p->addr.scope != 0 && x->addr.scope != 0 &&
	    p->addr.scope != x->addr.scope)
		return false;
	return p->port == 0 || p->port == x->port;
}

static size_t
twin_lookup(struct twin *t, uint8_t dir, const struct ipm_selector *x)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct ipm_selector *p = &t->sp[i].sel;

		if (t->sp[i].dir == dir &&
		    (p->proto == 255 || p->proto == x->proto) &&
		    twin_end(&p->src, p->src_prefix, &x->src) &&
		    twin_end(&p->dst, p->dst_prefix, &x->dst))
			return i;
	}
	return t->n;
}

/* Few values of each field, so that equals and overlaps are common. */
static void
random_end(uint64_t *rng, uint8_t family, bool packet, struct ipm_end *e,
    uint8_t *prefix)
{
	static const uint8_t prefixes[] = { 0, 1, 7, 8, 9, 30, 31, 32 };
	uint64_t v = db_random(rng);

	memset(e, 0, sizeof *e);
	if (family == 4)
		e->addr = addr4(0x0a010000 | (v & 3));
	else
		e->addr = addr6(0xfe800000 | (v & 1) << 16, v >> 1 & 1,
		    v >> 2 & 1 ? v >> 3 & 3 : 0);
	if (v >> 8 & 1)
		e->addr.octet[0] ^= 0x81;
	e->port = (uint16_t)(v >> 10 & 1 ? v >> 12 & 3 : 0);
	*prefix = prefixes[v >> 16 & 7];
	if (family == 6)
		*prefix = (uint8_t)(*prefix * 4);
	if (packet)
		*prefix = family == 4 ? 32 : 128;
}

static struct ipm_selector
random_selector(uint64_t *rng, bool packet)
{
	static const uint8_t protos[] = { 255, 255, 17, 6 };
	uint64_t v = db_random(rng);
	uint8_t family = v & 1 ? 4 : 6;
	struct ipm_selector s;

	memset(&s, 0, sizeof s);
	random_end(rng, family, packet, &s.src, &s.src_prefix);
	random_end(rng, family, packet, &s.dst, &s.dst_prefix);
	s.proto = protos[v >> 8 & 3];
	return s;
}

/* Both ways through both lists; false when they differ from the twin. */
static bool
twin_agrees(const struct box *b, const struct twin *t)
{
	for (uint8_t dir = IPM_DIR_IN; dir < IPM_N_DIRS; dir++) {
		ipm_off off = b->s.spd.first[dir], prev = 0;
		uint32_t n = 0;

		for (size_t i = 0; i < t->n; i++) {
			const struct ipm_sp *sp = sp_at(b, off);

			if (t->sp[i].dir != dir)
				continue;
			if (off == 0 || sp->id != t->sp[i].id ||
			    sp->priority != t->sp[i].priority ||
			    sp->prev != prev || sp->dir != dir ||
			    sp->lastused != t->sp[i].lastused)
				return false;
			prev = off;
			off = sp->next;
			n++;
		}
		if (off != 0 || b->s.spd.last[dir] != prev ||
		    b->s.spd.count[dir] != n)
			return false;
	}
	return true;
}

static bool
history(uint64_t seed, unsigned steps, bool fault)
{
	struct twin *t = calloc(1, sizeof *t);
	struct box b;
	uint64_t rng = seed, generation;
	bool same = true;

	cr_assert_not_null(t);
	t->equal_first = fault;
	box_init(&b);
	for (unsigned step = 0; step < steps && same; step++) {
		uint64_t v = db_random(&rng), now = 100 + step;
		uint8_t dir = v >> 8 & 1 ? IPM_DIR_IN : IPM_DIR_OUT;

		generation = b.s.spd.generation;
		if ((v & 3) == 0 && t->n < TWIN_MAX - 1) {
			struct ipm_sp_config c = config();
			ipm_off off;

			c.sel = random_selector(&rng, false);
			c.dir = dir;
			c.priority = (uint32_t)(v >> 16 & 3);
			c.n_reqs = (uint8_t)(v >> 20 & 3);
			cr_assert_eq(ipm_spd_add(&b.s.spd, &b.s.arena,
					 &b.m.alloc, now, 1000, &c, &off),
			    IPM_OK);
			twin_add(t, &c, now);
			cr_expect_neq(b.s.spd.generation, generation);
		} else if ((v & 7) == 1 && t->n != 0) {
			size_t i = (size_t)(v >> 16) % t->n;
			ipm_off off =
			    ipm_spd_by_id(&b.s.spd, &b.s.arena, t->sp[i].id);

			cr_assert_neq(off, 0);
			ipm_spd_del(&b.s.spd, &b.s.arena, off);
			memmove(&t->sp[i], &t->sp[i + 1],
			    (t->n - i - 1) * sizeof t->sp[0]);
			t->n--;
			cr_expect_neq(b.s.spd.generation, generation);
		} else if ((v & 7) == 5) {
			struct ipm_selector s = random_selector(&rng, false);
			ipm_off off =
			    ipm_spd_exact(&b.s.spd, &b.s.arena, dir, &s);
			size_t i = 0;

			while (i < t->n &&
			    (t->sp[i].dir != dir ||
				memcmp(&t->sp[i].sel, &s, sizeof s) != 0))
				i++;
			cr_expect_eq(off == 0, i == t->n);
			if (off != 0 && i < t->n)
				cr_expect_eq(sp_at(&b, off)->id, t->sp[i].id);
			cr_expect_eq(b.s.spd.generation, generation);
		} else {
			struct ipm_selector x = random_selector(&rng, true);
			ipm_off off =
			    ipm_spd_lookup(&b.s.spd, &b.s.arena, dir, &x, now);
			size_t i = twin_lookup(t, dir, &x);

			same = (off == 0) == (i == t->n);
			if (same && off != 0) {
				same = sp_at(&b, off)->id == t->sp[i].id;
				t->sp[i].lastused = now;
			}
			cr_expect_eq(b.s.spd.generation, generation);
		}
		same = same && twin_agrees(&b, t);
	}
	box_free(&b);
	free(t);
	return same;
}

Test(spd, agrees_with_the_twin_on_random_histories)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		cr_expect(history(seed, 1500, false), "seed %llu",
		    (unsigned long long)seed);
}

Test(spd, twin_sees_a_planted_fault)
{
	cr_expect(!history(1, 1500, true));
}

/* --- ids, reqids, generation ----------------------------------------------------- */

Test(spd, ids_ascend_from_1_and_are_not_used_again_at_once)
{
	struct box b;
	struct ipm_sp_config c = config();
	ipm_off off;

	box_init(&b);
	cr_expect_eq(sp_at(&b, add(&b, &c))->id, 1);
	off = add(&b, &c);
	cr_expect_eq(sp_at(&b, off)->id, 2);
	ipm_spd_del(&b.s.spd, &b.s.arena, off);
	cr_expect_eq(sp_at(&b, add(&b, &c))->id, 3);
	cr_expect_eq(ipm_spd_by_id(&b.s.spd, &b.s.arena, 2), 0);
	cr_expect_eq(ipm_spd_by_id(&b.s.spd, &b.s.arena, 0), 0);
	box_free(&b);
}

/* Behind 0xffffffff comes 1, or the next one that is free. */
Test(spd, ids_come_round_and_pass_over_those_in_use)
{
	struct box b;
	struct ipm_sp_config c = config();
	uint64_t generation;
	ipm_off off;

	box_init(&b);
	for (int i = 0; i < 3; i++)
		(void)add(&b, &c);
	b.s.spd.last_id = 0xfffffffe;
	cr_expect_eq(sp_at(&b, add(&b, &c))->id, 0xffffffff);
	generation = b.s.spd.generation;
	cr_expect_eq(try_add(&b, &c, 3, &off), IPM_ERR_NOTFOUND);
	cr_expect_eq(off, 0);
	cr_expect_eq(b.s.spd.last_id, 3);
	cr_expect_eq(b.s.spd.generation, generation);
	cr_expect_eq(b.s.spd.count[IPM_DIR_OUT], 4);
	b.s.spd.last_id = 0xffffffff;
	cr_assert_eq(try_add(&b, &c, 4, &off), IPM_OK);
	cr_expect_eq(sp_at(&b, off)->id, 4);
	cr_expect_eq(try_add(&b, &c, 0, &off), IPM_ERR_NOTFOUND);
	box_free(&b);
}

Test(spd, ids_that_are_passed_over)
{
	struct box b;
	struct ipm_sp_config c = config();

	box_init(&b);
	ipm_spd_skip_id(&b.s.spd);
	cr_expect_eq(sp_at(&b, add(&b, &c))->id, 2);
	b.s.spd.last_id = 0xffffffff;
	ipm_spd_skip_id(&b.s.spd);
	cr_expect_eq(b.s.spd.last_id, 1);
	cr_expect_eq(sp_at(&b, add(&b, &c))->id, 3);
	box_free(&b);
}

/* The counter starts at 0x4000 and moves before it is read (recording
 * pfkey-spdadd-unique0: 0x4001, 0x4002); behind 0xffffffff comes 0x4000. */
Test(spd, automatic_reqids)
{
	struct ipm_spd spd;

	ipm_spd_init(&spd);
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x3fff), 0x4001);
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x3fff), 0x4002);
	spd.last_reqid = 0xfffffffe;
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x3fff), 0xffffffff);
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x3fff), 0x4000);
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x3fff), 0x4001);
}

/* Where a policy may name more of them itself, automatic ones begin above. */
Test(spd, automatic_reqids_above_a_larger_manual_range)
{
	struct ipm_spd spd;

	ipm_spd_init(&spd);
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x7fff), 0x8001);
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x7fff), 0x8002);
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x3fff), 0x8003);
	spd.last_reqid = 0x7fff;
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x7fff), 0x8001);
	spd.last_reqid = 0xffffffff;
	cr_expect_eq(ipm_spd_new_reqid(&spd, 0x7fff), 0x8000);
}

/* Policies with a limit are counted: the timer asks. */
Test(spd, counts_the_mortal_ones)
{
	struct box b;
	struct ipm_sp_config c = config();
	ipm_off life, valid;

	box_init(&b);
	(void)add(&b, &c);
	cr_expect_eq(b.s.spd.mortal, 0);
	c.lifetime = 5;
	life = add(&b, &c);
	c.lifetime = 0;
	c.validtime = 5;
	valid = add(&b, &c);
	cr_expect_eq(b.s.spd.mortal, 2);
	ipm_spd_del(&b.s.spd, &b.s.arena, life);
	cr_expect_eq(b.s.spd.mortal, 1);
	ipm_spd_del(&b.s.spd, &b.s.arena, valid);
	cr_expect_eq(b.s.spd.mortal, 0);
	box_free(&b);
}

Test(spd, refuses_what_is_no_policy)
{
	struct box b;
	struct ipm_sp_config c = config();
	uint64_t digest;
	ipm_off off;

	box_init(&b);
	digest = ipm_state_digest(&b.s);
	c.dir = IPM_DIR_ANY;
	cr_expect_eq(try_add(&b, &c, 10, &off), IPM_ERR_BADARG);
	c.dir = IPM_N_DIRS;
	cr_expect_eq(try_add(&b, &c, 10, &off), IPM_ERR_BADARG);
	c.dir = IPM_DIR_IN;
	c.n_reqs = IPM_REQS_MAX + 1;
	cr_expect_eq(try_add(&b, &c, 10, &off), IPM_ERR_BADARG);
	cr_expect_eq(ipm_state_digest(&b.s), digest);
	box_free(&b);
}

/* --- memory ---------------------------------------------------------------------- */

/* No room for the policy or for its requests: nothing has changed.  Every
 * limit of the arena is tried, so that either piece is the one that fails. */
Test(spd, no_room_changes_nothing)
{
	struct ipm_sp_config c = config();
	unsigned failed = 0, added = 0;

	c.n_reqs = IPM_REQS_MAX;
	for (size_t limit = 8; limit < 1600; limit += 8) {
		struct box b;
		uint64_t digest;
		size_t in_use;
		ipm_off off;

		db_memory_init(&b.m);
		ipm_state_init(&b.s, limit);
		digest = ipm_state_digest(&b.s);
		in_use = b.s.arena.in_use;
		if (try_add(&b, &c, 10, &off) == IPM_OK) {
			added++;
			cr_expect_neq(ipm_state_digest(&b.s), digest);
			ipm_spd_del(&b.s.spd, &b.s.arena, off);
		} else {
			failed++;
			cr_expect_eq(off, 0);
			cr_expect_eq(ipm_state_digest(&b.s), digest);
		}
		cr_expect_eq(b.s.arena.in_use, in_use, "limit %zu", limit);
		box_free(&b);
	}
	cr_expect_gt(failed, 10);
	cr_expect_gt(added, 10);
}

/* What is removed gives all its memory back. */
Test(spd, removal_gives_everything_back)
{
	struct box b;
	struct ipm_sp_config c = config();
	size_t used = 0;

	box_init(&b);
	for (int round = 0; round < 5; round++) {
		for (uint8_t i = 0; i < 40; i++) {
			c.n_reqs = i % (IPM_REQS_MAX + 1);
			(void)add(&b, &c);
		}
		while (b.s.spd.first[IPM_DIR_OUT] != 0)
			ipm_spd_del(
			    &b.s.spd, &b.s.arena, b.s.spd.first[IPM_DIR_OUT]);
		cr_expect_eq(b.s.arena.in_use, 0);
		if (round == 0)
			used = b.s.arena.used;
		cr_expect_eq(b.s.arena.used, used);
	}
	box_free(&b);
}

/* --- policies that sockets hold ----------------------------------------------------- */

/* A policy that was removed stays readable while a socket caches it, is found
 * no more, and goes with the last socket. */
Test(spd, cached_policy_outlives_its_removal)
{
	struct box b;
	struct ipm_sp_config c = config();
	ipm_off off;

	box_init(&b);
	off = add(&b, &c);
	ipm_sp_hold(&b.s.arena, off);
	ipm_sp_hold(&b.s.arena, off);
	cr_expect_eq(sp_at(&b, off)->refs, 2);
	ipm_spd_del(&b.s.spd, &b.s.arena, off);
	cr_expect_eq(ipm_spd_by_id(&b.s.spd, &b.s.arena, 1), 0);
	cr_expect_eq(b.s.spd.count[IPM_DIR_OUT], 0);
	cr_expect(sp_at(&b, off)->dead);
	cr_expect_eq(sp_at(&b, off)->id, 1);
	ipm_sp_release(&b.s.arena, off);
	cr_expect_eq(sp_at(&b, off)->n_reqs, 1);
	cr_expect_neq(b.s.arena.in_use, 0);
	ipm_sp_release(&b.s.arena, off);
	cr_expect_eq(b.s.arena.in_use, 0);
	ipm_sp_release(&b.s.arena, 0);
	box_free(&b);
}

/* A socket that lets go of a living policy leaves it alone. */
Test(spd, release_leaves_a_living_policy)
{
	struct box b;
	struct ipm_sp_config c = config();
	ipm_off off;

	box_init(&b);
	off = add(&b, &c);
	ipm_sp_hold(&b.s.arena, off);
	ipm_sp_release(&b.s.arena, off);
	cr_expect_eq(ipm_spd_by_id(&b.s.spd, &b.s.arena, 1), off);
	ipm_spd_del(&b.s.spd, &b.s.arena, off);
	cr_expect_eq(b.s.arena.in_use, 0);
	box_free(&b);
}

/* --- digest ---------------------------------------------------------------------- */

/* Flips each octet of each field named and expects another digest. */
static size_t
flip_each(
    const struct box *b, void *object, const size_t (*fields)[2], size_t n)
{
	uint64_t want = ipm_state_digest(&b->s);
	uint8_t *p = object;
	size_t seen = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < fields[i][1]; k++, seen++) {
			p[fields[i][0] + k] ^= 0x10;
			cr_expect_neq(ipm_state_digest(&b->s), want,
			    "field %zu octet %zu", i, k);
			p[fields[i][0] + k] ^= 0x10;
		}
	cr_expect_eq(ipm_state_digest(&b->s), want);
	return seen;
}

#define FIELD(type, f)                                                  \
	{                                                               \
		offsetof(struct type, f), sizeof(((struct type *)0)->f) \
	}
#define END(type, f)                                           \
	FIELD(type, f.addr.family), FIELD(type, f.addr.octet), \
	    FIELD(type, f.addr.scope), FIELD(type, f.port), FIELD(type, f.raw)

static const size_t sp_fields[][2] = { END(ipm_sp, sel.src),
	END(ipm_sp, sel.dst), FIELD(ipm_sp, sel.src_prefix),
	FIELD(ipm_sp, sel.dst_prefix), FIELD(ipm_sp, sel.proto),
	FIELD(ipm_sp, created), FIELD(ipm_sp, lastused),
	FIELD(ipm_sp, lifetime), FIELD(ipm_sp, validtime), FIELD(ipm_sp, id),
	FIELD(ipm_sp, priority), FIELD(ipm_sp, refs), FIELD(ipm_sp, dir),
	FIELD(ipm_sp, type), FIELD(ipm_sp, scope), FIELD(ipm_sp, dead) };
static const size_t req_fields[][2] = { END(ipm_request, src),
	END(ipm_request, dst), FIELD(ipm_request, reqid),
	FIELD(ipm_request, proto), FIELD(ipm_request, mode),
	FIELD(ipm_request, level) };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct ipm_sp_config
full_config(void)
{
	struct ipm_sp_config c = config();

	c.sel.src.raw_len = c.sel.dst.raw_len = IPM_SOCKADDR_MAX;
	c.req[0].src.raw_len = c.req[0].dst.raw_len = IPM_SOCKADDR_MAX;
	c.req[1] = c.req[0];
	c.n_reqs = 2;
	return c;
}

Test(spd, digest_sees_every_field)
{
	struct box b;
	struct ipm_sp_config c = full_config();
	struct ipm_request *req;
	uint64_t want;
	ipm_off off;

	box_init(&b);
	off = add(&b, &c);
	cr_expect_geq(
	    flip_each(&b, sp_at(&b, off), sp_fields, COUNT(sp_fields)),
	    2 * 51U + 3 + 32 + 12 + 4);
	req = ipm_arena_at(&b.s.arena, sp_at(&b, off)->reqs);
	(void)flip_each(&b, &req[0], req_fields, COUNT(req_fields));
	(void)flip_each(&b, &req[1], req_fields, COUNT(req_fields));
	want = ipm_state_digest(&b.s);
	sp_at(&b, off)->sel.src.raw_len--;
	cr_expect_neq(ipm_state_digest(&b.s), want, "raw_len");
	sp_at(&b, off)->sel.src.raw_len++;
	sp_at(&b, off)->n_reqs--;
	cr_expect_neq(ipm_state_digest(&b.s), want, "n_reqs");
	sp_at(&b, off)->n_reqs++;
	b.s.spd.last_id++;
	cr_expect_neq(ipm_state_digest(&b.s), want, "last_id");
	b.s.spd.last_id--;
	b.s.spd.last_reqid++;
	cr_expect_neq(ipm_state_digest(&b.s), want, "last_reqid");
	b.s.spd.last_reqid--;
	b.s.spd.ids_reused ^= 1;
	cr_expect_neq(ipm_state_digest(&b.s), want, "ids_reused");
	b.s.spd.ids_reused ^= 1;
	b.s.spd.generation++;
	cr_expect_neq(ipm_state_digest(&b.s), want, "generation");
	b.s.spd.generation--;
	cr_expect_eq(ipm_state_digest(&b.s), want);
	box_free(&b);
}

/* Equal histories have equal digests wherever the pieces lie; a copy lives on
 * without the original. */
Test(spd, digest_of_equal_histories_and_of_copies)
{
	struct box a, b;
	struct ipm_state copy;
	struct ipm_sp_config c = full_config();
	uint64_t digest;

	box_init(&a);
	box_init(&b);
	for (uint32_t i = 0; i < 30; i++) {
		ipm_off hole =
		    ipm_arena_take(&b.s.arena, &b.m.alloc, 40 + 8 * i);

		c.priority = i % 3;
		(void)add(&a, &c);
		(void)add(&b, &c);
		if (i % 2 != 0)
			ipm_arena_give(&b.s.arena, hole, 40 + 8 * i);
		cr_expect_eq(ipm_state_digest(&a.s), ipm_state_digest(&b.s));
	}
	digest = ipm_state_digest(&a.s);
	cr_assert_eq(ipm_state_clone(&copy, &a.s, &a.m.alloc), IPM_OK);
	ipm_spd_del(&a.s.spd, &a.s.arena, a.s.spd.first[IPM_DIR_OUT]);
	cr_expect_neq(ipm_state_digest(&a.s), digest);
	cr_expect_eq(ipm_state_digest(&copy), digest);
	ipm_state_free(&copy, &a.m.alloc);
	box_free(&a);
	box_free(&b);
}

/* --- sockets ---------------------------------------------------------------------- */

static ipm_off
open_pcb(struct box *b, uint32_t id)
{
	struct ipm_pcb as = {
		.id = id, .family = 4, .proto = 17, .lport = 500
	};
	ipm_off off;

	cr_assert_eq(
	    ipm_pcb_open(&b->s.pcbs, &b->s.arena, &b->m.alloc, &as, &off),
	    IPM_OK);
	return off;
}

static struct ipm_pcb *
pcb_at(const struct box *b, ipm_off off)
{
	return ipm_arena_at(&b->s.arena, off);
}

static ipm_off
make_sp(struct box *b)
{
	struct ipm_sp_config c = full_config();
	ipm_off off;

	c.scope = IPM_SCOPE_PCB;
	cr_assert_eq(
	    ipm_sp_make(&b->s.arena, &b->m.alloc, 7, &c, &off), IPM_OK);
	return off;
}

Test(pcb, open_find_close_in_any_order)
{
	static const uint32_t order[6][3] = { { 1, 2, 3 }, { 1, 3, 2 },
		{ 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } };

	for (size_t i = 0; i < 6; i++) {
		struct box b;
		ipm_off off[4] = { 0 };

		box_init(&b);
		for (uint32_t id = 1; id <= 3; id++)
			off[id] = open_pcb(&b, id);
		for (uint32_t k = 0; k < 3; k++) {
			uint32_t id = order[i][k];

			cr_expect_eq(b.s.pcbs.count, 3 - k);
			cr_expect_eq(
			    ipm_pcb_by_id(&b.s.pcbs, &b.s.arena, id), off[id]);
			ipm_pcb_close(&b.s.pcbs, &b.s.arena, off[id]);
			cr_expect_eq(
			    ipm_pcb_by_id(&b.s.pcbs, &b.s.arena, id), 0);
		}
		cr_expect_eq(b.s.pcbs.first, 0);
		cr_expect_eq(b.s.pcbs.last, 0);
		cr_expect_eq(b.s.arena.in_use, 0);
		(void)open_pcb(&b, 9);
		cr_expect_eq(b.s.pcbs.first, b.s.pcbs.last);
		box_free(&b);
	}
}

Test(pcb, an_id_is_taken_once_and_brings_no_policies)
{
	struct box b;
	struct ipm_pcb as = { .id = 5,
		.policy = { 1, 2, 3 },
		.cached = { 4, 5 },
		.cached_generation = 9,
		.next = 77 };
	ipm_off off, again;

	box_init(&b);
	cr_assert_eq(
	    ipm_pcb_open(&b.s.pcbs, &b.s.arena, &b.m.alloc, &as, &off), IPM_OK);
	for (int dir = 0; dir < IPM_N_DIRS; dir++) {
		cr_expect_eq(pcb_at(&b, off)->policy[dir], 0);
		cr_expect_eq(pcb_at(&b, off)->cached[dir], 0);
	}
	cr_expect_eq(pcb_at(&b, off)->next, 0);
	cr_expect_eq(
	    ipm_pcb_open(&b.s.pcbs, &b.s.arena, &b.m.alloc, &as, &again),
	    IPM_ERR_EXISTS);
	cr_expect_eq(again, 0);
	box_free(&b);
}

/* Closing a socket frees its own policies and lets go of what it cached. */
Test(pcb, close_frees_policies_and_lets_go)
{
	struct box b;
	struct ipm_sp_config c = config();
	ipm_off pcb, sp;

	box_init(&b);
	sp = add(&b, &c);
	pcb = open_pcb(&b, 1);
	ipm_pcb_set_policy(&b.s.arena, pcb, IPM_DIR_IN, make_sp(&b));
	ipm_pcb_set_policy(&b.s.arena, pcb, IPM_DIR_OUT, make_sp(&b));
	ipm_pcb_set_policy(&b.s.arena, pcb, IPM_DIR_OUT, make_sp(&b));
	ipm_sp_hold(&b.s.arena, sp);
	pcb_at(&b, pcb)->cached[IPM_DIR_OUT] = sp;
	ipm_spd_del(&b.s.spd, &b.s.arena, sp);
	ipm_pcb_close(&b.s.pcbs, &b.s.arena, pcb);
	cr_expect_eq(b.s.arena.in_use, 0);
	box_free(&b);
}

/* An accepted connection has policies of its own, equal to the listener's:
 * they stay when the listener goes. */
Test(pcb, accepted_connection_has_copies)
{
	struct box b;
	ipm_off listener, child, sp;
	const struct ipm_request *req;

	box_init(&b);
	listener = open_pcb(&b, 1);
	child = open_pcb(&b, 2);
	ipm_pcb_set_policy(&b.s.arena, listener, IPM_DIR_OUT, make_sp(&b));
	ipm_pcb_set_policy(&b.s.arena, child, IPM_DIR_IN, make_sp(&b));
	cr_assert_eq(
	    ipm_pcb_inherit(&b.s.arena, &b.m.alloc, listener, child), IPM_OK);
	sp = pcb_at(&b, child)->policy[IPM_DIR_OUT];
	cr_assert_neq(sp, 0);
	cr_expect_neq(sp, pcb_at(&b, listener)->policy[IPM_DIR_OUT]);
	cr_expect_eq(pcb_at(&b, child)->policy[IPM_DIR_IN], 0);
	ipm_pcb_close(&b.s.pcbs, &b.s.arena, listener);
	cr_expect_eq(sp_at(&b, sp)->n_reqs, 2);
	cr_expect_eq(sp_at(&b, sp)->scope, IPM_SCOPE_PCB);
	req = ipm_arena_at(&b.s.arena, sp_at(&b, sp)->reqs);
	cr_expect_eq(req[1].proto, 50);
	cr_expect_eq(req[1].level, IPM_LEVEL_REQUIRE);
	box_free(&b);
}

/* No room for the copies: the child keeps what it had. */
Test(pcb, no_room_to_inherit_changes_nothing)
{
	unsigned failed = 0, done = 0;

	for (size_t room = 0; room < 1600; room += 64) {
		struct box b;
		ipm_off listener, child;
		uint64_t digest;
		size_t in_use;

		box_init(&b);
		listener = open_pcb(&b, 1);
		child = open_pcb(&b, 2);
		for (enum ipm_dir d = IPM_DIR_IN; d <= IPM_DIR_OUT; d++)
			ipm_pcb_set_policy(
			    &b.s.arena, listener, d, make_sp(&b));
		ipm_pcb_set_policy(&b.s.arena, child, IPM_DIR_IN, make_sp(&b));
		/* All memory that is there is taken but for `room`. */
		b.s.arena.limit = b.s.arena.used + room;
		b.s.arena.cap = b.s.arena.limit < b.s.arena.cap
		    ? b.s.arena.limit
		    : b.s.arena.cap;
		digest = ipm_state_digest(&b.s);
		in_use = b.s.arena.in_use;
		if (ipm_pcb_inherit(&b.s.arena, &b.m.alloc, listener, child) ==
		    IPM_OK) {
			done++;
			cr_expect_neq(ipm_state_digest(&b.s), digest);
		} else {
			failed++;
			cr_expect_eq(ipm_state_digest(&b.s), digest);
			cr_expect_eq(b.s.arena.in_use, in_use);
		}
		b.s.arena.cap = b.m.octets;
		box_free(&b);
	}
	cr_expect_gt(failed, 3);
	cr_expect_gt(done, 3);
}

static const size_t pcb_fields[][2] = { FIELD(ipm_pcb, laddr.family),
	FIELD(ipm_pcb, laddr.octet), FIELD(ipm_pcb, laddr.scope),
	FIELD(ipm_pcb, faddr.family), FIELD(ipm_pcb, faddr.octet),
	FIELD(ipm_pcb, faddr.scope), FIELD(ipm_pcb, id), FIELD(ipm_pcb, lport),
	FIELD(ipm_pcb, fport), FIELD(ipm_pcb, family), FIELD(ipm_pcb, proto),
	FIELD(ipm_pcb, raw), FIELD(ipm_pcb, listening), FIELD(ipm_pcb, encap),
	FIELD(ipm_pcb, tcp_md5), FIELD(ipm_pcb, cached_generation) };

Test(pcb, digest_sees_every_field_and_the_policies)
{
	struct box b;
	struct ipm_sp_config c = config();
	uint64_t none, own, cached;
	ipm_off pcb, sp;

	box_init(&b);
	sp = add(&b, &c);
	pcb = open_pcb(&b, 1);
	(void)flip_each(&b, pcb_at(&b, pcb), pcb_fields, COUNT(pcb_fields));
	none = ipm_state_digest(&b.s);
	ipm_pcb_set_policy(&b.s.arena, pcb, IPM_DIR_OUT, make_sp(&b));
	own = ipm_state_digest(&b.s);
	cr_expect_neq(own, none);
	(void)flip_each(&b, sp_at(&b, pcb_at(&b, pcb)->policy[IPM_DIR_OUT]),
	    sp_fields, COUNT(sp_fields));
	ipm_sp_hold(&b.s.arena, sp);
	pcb_at(&b, pcb)->cached[IPM_DIR_IN] = sp;
	cached = ipm_state_digest(&b.s);
	cr_expect_neq(cached, own);
	ipm_pcb_uncache(&b.s.arena, pcb);
	cr_expect_eq(ipm_state_digest(&b.s), own);
	ipm_pcb_set_policy(&b.s.arena, pcb, IPM_DIR_OUT, 0);
	cr_expect_eq(ipm_state_digest(&b.s), none);
	box_free(&b);
}
