/*
 * The classifier over an SPD.  The expected values come from walks: two states
 * live through one random history, one looked up by walking its lists
 * (ipm_spd_lookup, which test_spd.c holds to a twin of its own), the other by
 * the index; both find the same policy at every step, and the digests of both
 * stay equal, when each policy was last used included.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_spdindex.h"
#include "db/ipm_state.h"
#include "support/db_box.h"

struct box {
	struct db_memory m;
	struct ipm_state s;
	struct ipm_spdindex x;
};

static struct box *
box_new(void)
{
	struct box *b = calloc(1, sizeof *b);

	cr_assert_not_null(b);
	db_memory_init(&b->m);
	ipm_state_init(&b->s, 0);
	return b;
}

static void
box_free(struct box *b)
{
	ipm_spdindex_free(&b->x, &b->m.alloc);
	cr_expect_eq(ipm_spdindex_octets(&b->x), 0);
	ipm_state_free(&b->s, &b->m.alloc);
	cr_expect_eq(b->m.live, 0, "blocks");
	cr_expect_eq(b->m.octets, 0, "octets");
	free(b);
}

static struct ipm_sp *
sp_at(const struct box *b, ipm_off off)
{
	return ipm_arena_at(&b->s.arena, off);
}

static ipm_off
add(struct box *b, const struct ipm_sp_config *c)
{
	ipm_off off;

	cr_assert_eq(
	    ipm_spd_add(&b->s.spd, &b->s.arena, &b->m.alloc, 5, 1000, c, &off),
	    IPM_OK);
	return off;
}

static void
del(struct box *b, ipm_off off)
{
	ipm_spd_del(&b->s.spd, &b->s.arena, off);
}

/* The index itself, whatever the length of the list. */
static ipm_off
find(struct box *b, enum ipm_dir dir, const struct ipm_selector *packet)
{
	cr_assert_eq(
	    ipm_spdindex_sync(&b->x, &b->m.alloc, &b->s.spd, &b->s.arena),
	    IPM_OK);
	return ipm_spdindex_find(&b->x, &b->s.arena, dir, packet);
}

static ipm_off
look_up(struct box *b, enum ipm_dir dir, const struct ipm_selector *packet,
    uint64_t now)
{
	return ipm_spdindex_lookup(
	    &b->x, &b->m.alloc, &b->s.spd, &b->s.arena, dir, packet, now);
}

/* --- walks, one of them right ----------------------------------------------------- */

enum fault {
	SOUND,
	LAST_OF_ALL,      /* the last match, not the first */
	NOT_MASKED,       /* host bits of a policy count */
	PORTS_EXACT,      /* port 0 is a port */
	PROTO_EXACT,      /* 255 is a protocol */
	ZONES_EXACT,      /* zone 0 is a zone */
	DIRECTIONS_MIXED, /* the other direction's list */
	NEVER_IN_STEP,    /* the index as it was first built */
	N_FAULTS
};

static bool
end_differs(enum fault fault, const struct ipm_end *p, const struct ipm_end *x)
{
	return (fault == NOT_MASKED &&
		   memcmp(p->addr.octet, x->addr.octet, 16) != 0) ||
	    (fault == PORTS_EXACT && p->port != x->port) ||
	    (fault == ZONES_EXACT && p->addr.scope != x->addr.scope);
}

static ipm_off
walk(const struct box *b, enum fault fault, enum ipm_dir dir,
    const struct ipm_selector *x)
{
	ipm_off found = 0, off;

	if (fault == DIRECTIONS_MIXED)
		dir = dir == IPM_DIR_IN ? IPM_DIR_OUT : IPM_DIR_IN;
	for (off = b->s.spd.first[dir]; off != 0; off = sp_at(b, off)->next) {
		const struct ipm_selector *p = &sp_at(b, off)->sel;

		if (!ipm_selector_match(p, x) ||
		    end_differs(fault, &p->src, &x->src) ||
		    end_differs(fault, &p->dst, &x->dst) ||
		    (fault == PROTO_EXACT && p->proto != x->proto))
			continue;
		found = off;
		if (fault != LAST_OF_ALL)
			break;
	}
	return found;
}

/* --- random policies and packets --------------------------------------------------- */

/* How addresses and masks are drawn. */
enum style {
	FEW,       /* few values: equals and overlaps are common */
	ALL_MASKS, /* any prefix length, addresses near each other */
	ALIKE      /* equal but for host bits and zones */
};

static void
some_end(uint64_t *rng, enum style style, uint8_t family, struct ipm_end *e,
    uint8_t *prefix)
{
	static const uint8_t prefixes[] = { 0, 8, 15, 16, 17, 24, 31, 32 };
	uint64_t v = db_random(rng);
	unsigned full = family == 4 ? 32 : 128;

	if (style == ALIKE) {
		e->addr = (struct ipm_addr){ .family = 6,
			.octet = { 0xfe, 0x80, [15] = (uint8_t)v },
			.scope = v >> 32 & 3 };
		*prefix = 10;
		return;
	}
	e->addr.family = family;
	ipm_store32(e->addr.octet, 0x0a000000);
	if (style == FEW) {
		e->addr.octet[v & 3] ^= (uint8_t)(v >> 8 & 0x81);
		e->addr.octet[full / 8 - 1] ^= (uint8_t)(v >> 16 & 3);
		*prefix = (uint8_t)(prefixes[v >> 20 & 7] * (full / 32));
	} else {
		/* One bit differs from the same address for all. */
		e->addr.octet[v % full / 8] ^= (uint8_t)(0x80 >> v % 8);
		*prefix = (uint8_t)(v >> 20) % (full + 1);
	}
	if (family == 6)
		e->addr.scope = (v >> 32 & 1) != 0 ? v >> 33 & 3 : 0;
	if ((v >> 40 & 1) != 0)
		e->port = v >> 41 & 3;
	/* More than an address has: as if it were full. */
	if ((v >> 44 & 63) == 0)
		*prefix = 255;
}

static struct ipm_selector
some_selector(uint64_t *rng, enum style style)
{
	/* ICMPv6 has type and code where the ports are. */
	static const uint8_t protos[] = { 255, 255, 6, 17, 58, 58, 0, 1 };
	uint64_t v = db_random(rng);
	uint8_t src = (v & 1) != 0 ? 4 : 6, dst = src;
	struct ipm_selector s;

	memset(&s, 0, sizeof s);
	/* Families that differ, and unknown ones. */
	if ((v >> 8 & 31) == 0)
		dst = (v & 1) != 0 ? 6 : 4;
	some_end(rng, style, src, &s.src, &s.src_prefix);
	some_end(rng, style, dst, &s.dst, &s.dst_prefix);
	s.proto = 255;
	if (style == ALIKE)
		return s;
	if ((v >> 16 & 63) == 0)
		s.src.addr.family = 0;
	if ((v >> 24 & 63) == 0)
		s.dst.addr.family = 0;
	s.proto = protos[v >> 32 & 7];
	return s;
}

/* Under a policy of the list, or anywhere. */
static struct ipm_selector
some_packet(uint64_t *rng, enum style style)
{
	struct ipm_selector s = some_selector(rng, style);

	s.src_prefix = (uint8_t)(ipm_addr_len(&s.src.addr) * 8);
	s.dst_prefix = (uint8_t)(ipm_addr_len(&s.dst.addr) * 8);
	return s;
}

/* --- histories -------------------------------------------------------------------- */

struct pair {
	struct box *walked, *indexed;
	enum fault fault;
	bool same;
};

static void
both_del(struct pair *p, uint32_t id)
{
	del(p->walked,
	    ipm_spd_by_id(&p->walked->s.spd, &p->walked->s.arena, id));
	del(p->indexed,
	    ipm_spd_by_id(&p->indexed->s.spd, &p->indexed->s.arena, id));
}

static uint32_t
some_id(const struct pair *p, uint64_t v)
{
	const struct box *b = p->walked;
	unsigned dir = b->s.spd.count[IPM_DIR_IN] == 0 ||
		(b->s.spd.count[IPM_DIR_OUT] != 0 && (v & 1) != 0)
	    ? IPM_DIR_OUT
	    : IPM_DIR_IN;
	ipm_off off = b->s.spd.first[dir];

	if (off == 0)
		return 0;
	for (uint32_t i = (uint32_t)(v >> 8) % b->s.spd.count[dir]; i != 0; i--)
		off = sp_at(b, off)->next;
	return sp_at(b, off)->id;
}

static void
both_add(struct pair *p, uint64_t *rng, enum style style, uint64_t v)
{
	struct ipm_sp_config c = { .sel = some_selector(rng, style),
		.dir = (v & 1) != 0 ? IPM_DIR_IN : IPM_DIR_OUT,
		.type = IPM_POLICY_NONE,
		/* Mostly one priority; else before, behind, between. */
		.priority = (v >> 8 & 3) != 0 ? 5 : (uint32_t)(v >> 16 & 15) };

	(void)add(p->walked, &c);
	(void)add(p->indexed, &c);
}

static void
both_look(struct pair *p, uint64_t *rng, enum style style, uint64_t now)
{
	struct box *w = p->walked, *x = p->indexed;
	enum ipm_dir dir = (db_random(rng) & 1) != 0 ? IPM_DIR_IN : IPM_DIR_OUT;
	struct ipm_selector packet = some_packet(rng, style);
	ipm_off a, b;

	a = walk(w, p->fault, dir, &packet);
	/* The index alone, however short the list. */
	b = p->fault == NEVER_IN_STEP && x->x.cap != 0
	    ? ipm_spdindex_find(&x->x, &x->s.arena, dir, &packet)
	    : find(x, dir, &packet);
	/* The same history gives the same offsets. */
	p->same = a == b;
	if (p->fault != SOUND)
		return;
	a = ipm_spd_lookup(&w->s.spd, &w->s.arena, dir, &packet, now);
	b = look_up(x, dir, &packet, now);
	p->same = p->same && a == b;
	/* What was used, when: seldom, for it is long to say. */
	if (now % 16 == 0)
		p->same = p->same &&
		    ipm_state_digest(&w->s) == ipm_state_digest(&x->s);
}

/* False when walk and index differ. */
static bool
history(uint64_t seed, enum style style, unsigned steps, enum fault fault)
{
	struct pair p = { box_new(), box_new(), fault, true };
	uint64_t rng = seed;

	for (unsigned step = 0; step < steps && p.same; step++) {
		uint64_t v = db_random(&rng), w = db_random(&rng);
		uint32_t id = some_id(&p, w);

		if (v % 8 < (step / 256 % 2 == 0 ? 4U : 2U))
			both_add(&p, &rng, style, w);
		else if (v % 8 < 4 && id != 0)
			both_del(&p, id);
		/* More go at once than the SPD remembers; rarely all. */
		if ((v >> 8 & 255) == 0)
			for (unsigned n = (v >> 16 & 7) == 0 ? 10000 : 40;
			     n != 0 && (id = some_id(&p, w)) != 0; n--)
				both_del(&p, id);
		/* Several changes may come between two looks. */
		if ((v >> 40 & 3) != 0)
			both_look(&p, &rng, style, 100 + step);
	}
	box_free(p.walked);
	box_free(p.indexed);
	return p.same;
}

/* [ARCH2401-4.4.1-02] [ARCH-4.4.1-05] The first match of the ordered list. */
Test(spdindex, agrees_with_the_walk_on_random_histories)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		cr_expect(history(seed, FEW, 3000, SOUND), "few, seed %llu",
		    (unsigned long long)seed);
		cr_expect(history(seed, ALL_MASKS, 3000, SOUND),
		    "all masks, seed %llu", (unsigned long long)seed);
		cr_expect(history(seed, ALIKE, 1000, SOUND), "alike, seed %llu",
		    (unsigned long long)seed);
	}
}

Test(spdindex, the_comparison_sees_every_planted_fault)
{
	for (int f = SOUND + 1; f < N_FAULTS; f++)
		cr_expect(!history(1, FEW, 3000, (enum fault)f),
		    "fault %d is not seen", f);
}

/* --- single policies ---------------------------------------------------------------- */

static struct ipm_addr
addr4(uint32_t v)
{
	struct ipm_addr a = { .family = 4 };

	ipm_store32(a.octet, v);
	return a;
}

/* 10.<i>.0.0/24 > 192.0.2.0/24, one policy for each i. */
static struct ipm_sp_config
config(uint32_t i)
{
	return (struct ipm_sp_config){
		.sel = { .src = { .addr = addr4(0x0a000000 | i << 8) },
		    .dst = { .addr = addr4(0xc0000200) },
		    .src_prefix = 24,
		    .dst_prefix = 24,
		    .proto = IPM_ULP_ANY },
		.dir = IPM_DIR_OUT,
		.type = IPM_POLICY_NONE
	};
}

static struct ipm_selector
packet(uint32_t i)
{
	return (
	    struct ipm_selector){ .src = { .addr = addr4(0x0a000001 | i << 8) },
		.dst = { .addr = addr4(0xc0000263) },
		.src_prefix = 32,
		.dst_prefix = 32,
		.proto = 17 };
}

Test(spdindex, nothing_in_an_empty_database)
{
	struct box *b = box_new();
	struct ipm_selector p = packet(0);

	cr_expect_eq(ipm_spdindex_find(&b->x, &b->s.arena, IPM_DIR_OUT, &p), 0);
	cr_expect_eq(look_up(b, IPM_DIR_OUT, &p, 9), 0);
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), 0);
	box_free(b);
}

/* Every prefix length of both ends: the packet that differs in the last bit of
 * the prefix falls out, the one that differs right behind it does not. */
static void
edge_of_prefix(uint8_t family, bool src, unsigned prefix)
{
	struct box *b = box_new();
	struct ipm_sp_config c = config(0);
	struct ipm_selector p;
	struct ipm_addr *a;
	unsigned full = family == 4 ? 32 : 128;
	ipm_off off;

	memset(&c.sel.src.addr, 0, sizeof c.sel.src.addr);
	memset(&c.sel.dst.addr, 0, sizeof c.sel.dst.addr);
	c.sel.src.addr.family = c.sel.dst.addr.family = family;
	memset(c.sel.src.addr.octet, 0xa5, full / 8);
	memset(c.sel.dst.addr.octet, 0x5a, full / 8);
	c.sel.src_prefix = (uint8_t)(src ? prefix : full);
	c.sel.dst_prefix = (uint8_t)(src ? full : prefix);
	off = add(b, &c);
	/* Other masks, so that the filter is asked. */
	for (uint8_t i = 0; i < 8; i++) {
		struct ipm_sp_config other = c;

		other.sel.src.addr.octet[0] = 0xff;
		other.sel.dst.addr.octet[0] = 0xff;
		other.sel.src_prefix = (uint8_t)(8 + i);
		other.sel.dst_prefix = 8;
		(void)add(b, &other);
	}
	p = c.sel;
	a = src ? &p.src.addr : &p.dst.addr;
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), off);
	cr_expect_eq(find(b, IPM_DIR_IN, &p), 0);
	if (prefix > 0) {
		a->octet[(prefix - 1) / 8] ^=
		    (uint8_t)(128 >> (prefix - 1) % 8);
		cr_expect_eq(find(b, IPM_DIR_OUT, &p), 0, "IPv%u/%u, within",
		    family, prefix);
		a->octet[(prefix - 1) / 8] ^=
		    (uint8_t)(128 >> (prefix - 1) % 8);
	}
	if (prefix < full) {
		a->octet[prefix / 8] ^= (uint8_t)(128 >> prefix % 8);
		cr_expect_eq(find(b, IPM_DIR_OUT, &p), off, "IPv%u/%u, behind",
		    family, prefix);
	}
	box_free(b);
}

Test(spdindex, every_prefix_length_to_the_bit)
{
	for (unsigned prefix = 0; prefix <= 128; prefix++)
		for (int src = 0; src <= 1; src++) {
			edge_of_prefix(6, src != 0, prefix);
			if (prefix <= 32)
				edge_of_prefix(4, src != 0, prefix);
		}
}

/* Which policies a packet without a zone, and one with, may meet: a zone 0 on
 * either side fits all (FreeBSD key.c key_sockaddrcmp_withmask). */
Test(spdindex, zones)
{
	struct box *b = box_new();
	struct ipm_sp_config c = config(0);
	struct ipm_selector p;
	ipm_off off[4];

	c.sel.src.addr = c.sel.dst.addr =
	    (struct ipm_addr){ .family = 6, .octet = { 0xfe, 0x80 } };
	c.sel.src_prefix = c.sel.dst_prefix = 10;
	p = c.sel;
	for (uint32_t i = 0; i < 3; i++) {
		c.sel.src.addr.scope = i + 1;
		off[i] = add(b, &c);
	}
	for (uint32_t i = 0; i < 3; i++) {
		p.src.addr.scope = i + 1;
		cr_expect_eq(find(b, IPM_DIR_OUT, &p), off[i]);
	}
	p.src.addr.scope = 4;
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), 0);
	p.src.addr.scope = 0;
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), off[0]);
	c.sel.src.addr.scope = 0;
	off[3] = add(b, &c);
	p.src.addr.scope = 4;
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), off[3]);
	del(b, off[0]);
	p.src.addr.scope = 0;
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), off[1]);
	box_free(b);
}

/* --- what it costs -------------------------------------------------------------------- */

/* A look after every change: built anew only as often as the room doubles. */
Test(spdindex, additions_and_removals_are_followed)
{
	enum {
		N = 5000
	};
	static ipm_off off[N];
	struct box *b = box_new();
	struct ipm_selector p;

	for (uint32_t i = 0; i < N; i++) {
		struct ipm_sp_config c = config(i);

		/* Every third before all others so far. */
		c.priority = i % 3 == 0 ? N - i : N;
		off[i] = add(b, &c);
		p = packet(i);
		cr_assert_eq(find(b, IPM_DIR_OUT, &p), off[i]);
	}
	cr_expect_leq(b->x.builds, 14, "%llu", (unsigned long long)b->x.builds);
	for (uint32_t i = 0; i < N; i++) {
		p = packet(i);
		cr_assert_eq(find(b, IPM_DIR_OUT, &p), off[i]);
		del(b, off[i]);
		cr_assert_eq(find(b, IPM_DIR_OUT, &p), 0);
	}
	cr_expect_leq(b->x.builds, 28, "%llu", (unsigned long long)b->x.builds);
	/* What is gone takes no memory for ever. */
	cr_expect_leq(ipm_spdindex_octets(&b->x), 49152U);
	box_free(b);
}

/* Policies come and go without end: memory stays. */
Test(spdindex, churn_keeps_the_memory)
{
	struct box *b = box_new();
	ipm_off off[64];
	size_t most;

	for (uint32_t i = 0; i < 64; i++) {
		struct ipm_sp_config c = config(i);

		off[i] = add(b, &c);
	}
	for (uint32_t i = 64; i < 20000; i++) {
		struct ipm_sp_config c = config(i);
		struct ipm_selector p = packet(i);

		del(b, off[i % 64]);
		off[i % 64] = add(b, &c);
		cr_assert_eq(find(b, IPM_DIR_OUT, &p), off[i % 64]);
	}
	most = ipm_spdindex_octets(&b->x);
	cr_expect_leq(most, 49152U);
	cr_expect_leq(b->x.builds, 20000 / 32);
	box_free(b);
}

/* Equal but for host bits: one chain, and still its first. */
Test(spdindex, policies_equal_under_their_masks_keep_their_order)
{
	struct box *b = box_new();
	struct ipm_selector p = packet(0);
	ipm_off off[300];

	for (uint32_t i = 0; i < 300; i++) {
		struct ipm_sp_config c = config(0);

		c.sel.src.addr = addr4(0x0a000000 | i);
		c.sel.src_prefix = 8;
		c.priority = 1000 - i;
		off[i] = add(b, &c);
		cr_assert_eq(find(b, IPM_DIR_OUT, &p), off[i]);
	}
	for (uint32_t i = 300; i-- > 150;) {
		cr_assert_eq(find(b, IPM_DIR_OUT, &p), off[i]);
		del(b, off[i]);
	}
	/* From the other end. */
	for (uint32_t i = 0; i < 150; i++) {
		cr_assert_eq(find(b, IPM_DIR_OUT, &p), off[149]);
		del(b, off[i]);
	}
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), 0);
	box_free(b);
}

/* Between the same networks, a port each: what is gone hides nothing. */
Test(spdindex, policies_that_differ_by_port)
{
	enum {
		N = 680
	};
	struct box *b = box_new();
	ipm_off off[N];
	uint32_t gone[N] = { 0 };

	for (uint32_t i = 0; i < N; i++) {
		struct ipm_sp_config c = config(0);

		c.sel.proto = 17;
		c.sel.dst.port = (uint16_t)(1 + i);
		off[i] = add(b, &c);
	}
	for (uint32_t n = 0; n < N; n++) {
		uint32_t k = n * 123 % N; /* 123 and 680 have no factor */

		for (uint32_t i = 0; i < N; i++) {
			struct ipm_selector p = packet(0);

			p.dst.port = (uint16_t)(1 + i);
			cr_assert_eq(
			    find(b, IPM_DIR_OUT, &p), gone[i] ? 0 : off[i]);
		}
		del(b, off[k]);
		gone[k] = 1;
	}
	box_free(b);
}

/* Probes of 64 looks, each found, among n policies with one mask. */
static uint64_t
probes(uint32_t n)
{
	struct box *b = box_new();
	uint64_t from, used;

	for (uint32_t i = 0; i < n; i++) {
		struct ipm_sp_config c = config(i);

		(void)add(b, &c);
	}
	(void)find(b, IPM_DIR_OUT, &(struct ipm_selector){ .proto = 0 });
	from = b->x.probes;
	for (uint32_t i = 0; i < 64; i++) {
		struct ipm_selector p = packet(i * (n / 64));

		cr_assert_neq(find(b, IPM_DIR_OUT, &p), 0);
	}
	used = b->x.probes - from;
	box_free(b);
	return used;
}

Test(spdindex, probes_do_not_grow_with_the_policies)
{
	cr_expect_eq(probes(64), probes(16384));
}

/* --- memory, copies ------------------------------------------------------------------- */

Test(spdindex, without_memory_the_list_is_walked)
{
	struct box *b = box_new();
	struct ipm_selector p = packet(7);
	ipm_off off[64];

	for (uint32_t i = 0; i < 64; i++) {
		struct ipm_sp_config c = config(i);

		off[i] = add(b, &c);
	}
	b->m.fail_at = b->m.calls + 1;
	cr_expect_eq(look_up(b, IPM_DIR_OUT, &p, 77), off[7]);
	cr_expect_eq(sp_at(b, off[7])->lastused, 77);
	cr_expect_eq(ipm_spdindex_octets(&b->x), 0);
	cr_expect_eq(
	    ipm_spdindex_sync(&b->x, &b->m.alloc, &b->s.spd, &b->s.arena),
	    IPM_ERR_NOMEM);
	b->m.fail_at = 0;
	cr_expect_eq(look_up(b, IPM_DIR_OUT, &p, 78), off[7]);
	cr_expect_eq(sp_at(b, off[7])->lastused, 78);
	cr_expect_gt(ipm_spdindex_octets(&b->x), 0);
	/* It cannot grow: what there was is given up, the walk goes on. */
	for (uint32_t i = 64; i < 256; i++) {
		struct ipm_sp_config c = config(i);

		(void)add(b, &c);
	}
	b->m.fail_at = b->m.calls + 1;
	p = packet(200);
	cr_expect_neq(look_up(b, IPM_DIR_OUT, &p, 79), 0);
	cr_expect_eq(ipm_spdindex_octets(&b->x), 0);
	b->m.fail_at = 0;
	box_free(b);
}

/* Short lists need no index, the way most hosts are set up. */
Test(spdindex, short_lists_are_walked_without_one)
{
	struct box *b = box_new();
	struct ipm_selector p = packet(1);
	struct ipm_sp_config c = config(1);
	ipm_off off = add(b, &c);

	cr_expect_eq(look_up(b, IPM_DIR_OUT, &p, 9), off);
	cr_expect_eq(sp_at(b, off)->lastused, 9);
	cr_expect_eq(ipm_spdindex_octets(&b->x), 0);
	box_free(b);
}

/* A copy goes its own way, with an index of its own. */
Test(spdindex, a_copy_of_the_state_has_its_own)
{
	struct box *b = box_new(), *copy = box_new();
	struct ipm_sp_config c;
	struct ipm_selector p = packet(3);
	ipm_off off[64], mine, theirs;
	uint64_t digest;

	for (uint32_t i = 0; i < 64; i++) {
		c = config(i);
		off[i] = add(b, &c);
	}
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), off[3]);
	digest = ipm_state_digest(&b->s);
	cr_assert_eq(ipm_state_clone(&copy->s, &b->s, &copy->m.alloc), IPM_OK);
	cr_expect_eq(ipm_state_digest(&copy->s), digest);
	cr_expect_eq(find(copy, IPM_DIR_OUT, &p), off[3]);
	/* Different policies, the same generation. */
	c = config(100);
	mine = add(b, &c);
	c = config(200);
	theirs = add(copy, &c);
	p = packet(100);
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), mine);
	cr_expect_eq(find(copy, IPM_DIR_OUT, &p), 0);
	p = packet(200);
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), 0);
	cr_expect_eq(find(copy, IPM_DIR_OUT, &p), theirs);
	del(copy, off[3]);
	p = packet(3);
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), off[3]);
	cr_expect_eq(find(copy, IPM_DIR_OUT, &p), 0);
	box_free(b);
	box_free(copy);
}

/* A policy that a socket holds on to is found no more, though it is still
 * there. */
Test(spdindex, a_dead_policy_is_not_found)
{
	struct box *b = box_new();
	struct ipm_sp_config c = config(1);
	struct ipm_selector p = packet(1);
	ipm_off off = add(b, &c);

	ipm_sp_hold(&b->s.arena, off);
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), off);
	del(b, off);
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), 0);
	ipm_sp_release(&b->s.arena, off);
	cr_expect_eq(find(b, IPM_DIR_OUT, &p), 0);
	box_free(b);
}
