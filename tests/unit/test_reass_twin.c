/*
 * Reassembly beside a naive twin: an owner per octet and a list of everything
 * that came, on random histories of interleaved packets with reordering,
 * copies, overlaps, contradictions, limits and time.  Each answer, each packet
 * and what was told of each frame must agree; planted faults show that the
 * comparison can fail.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/db_box.h"
#include "support/reass_bench.h"

enum {
	LEN = 320,       /* more than any payload here */
	FRAGS = 64,      /* offered of one packet at the most */
	IDS = 3,         /* packets interleaved */
	PACKETS_MAX = 2, /* that the table may keep */
	PIECES_MAX = 6,
	TIME = 20
};

enum rule {
	FIRST,
	LAST,
	DROP,
	BSD,
	SIX,
	N_RULES
};

enum fault {
	SOUND,
	LAST_WINS_INSTEAD,
	GAP_IS_FINE,
	OFF_BY_ONE_UNIT,
	COPIES_ARE_OVERLAPS,
	ENDS_UNCHECKED,
	OVERLAP_FORGOTTEN,
	NEVER_EXPIRES,
	ONE_PIECE_MORE,
	N_FAULTS
};

/* A fragment as offered. */
struct offered {
	size_t off, len;
	bool more;
	uint8_t octets[LEN];
	uint64_t frame;
	bool gone; /* told of already */
};

struct twin {
	bool alive, dead;
	uint64_t born;
	size_t total; /* 0: not known */
	struct offered kept[FRAGS];
	size_t n_kept;
	int owner[LEN]; /* index + 1 into kept */
};

/* What must have been told of each frame. */
struct told {
	enum ipm_reason reason[REASS_FRAMES];
	unsigned times[REASS_FRAMES];
};

static void
tell(struct told *told, struct offered *o, enum ipm_reason reason)
{
	if (o->gone)
		return;
	o->gone = true;
	told->reason[o->frame] = reason;
	told->times[o->frame]++;
}

static void
tell_all(struct told *told, struct twin *t, enum ipm_reason reason)
{
	for (size_t i = 0; i < t->n_kept; i++)
		tell(told, &t->kept[i], reason);
}

/* Octets still owned by this fragment, and the first of them. */
static size_t
owned(const struct twin *t, size_t i, size_t *start)
{
	size_t n = 0;

	for (size_t k = LEN; k-- > 0;)
		if (t->owner[k] == (int)i + 1) {
			*start = k;
			n++;
		}
	return n;
}

/* Fragments kept; with the rule bsd those that own something. */
static size_t
pieces(const struct twin *t, enum rule rule)
{
	size_t n = 0, start;

	for (size_t i = 0; i < t->n_kept; i++)
		n += rule != BSD || owned(t, i, &start) != 0;
	return n;
}

static bool
wins(const struct twin *t, enum rule rule, enum fault fault, int owner,
    const struct offered *o)
{
	size_t start = 0;

	if (owner == 0)
		return true;
	if (rule == BSD && fault != LAST_WINS_INSTEAD) {
		(void)owned(t, (size_t)owner - 1, &start);
		return start > o->off;
	}
	return (rule == LAST) != (fault == LAST_WINS_INSTEAD);
}

static bool
contradicts(const struct twin *t, const struct offered *o)
{
	size_t end = o->off + o->len;

	if (t->total != 0 && (o->more ? end >= t->total : end != t->total))
		return true;
	for (size_t i = 0; i < t->n_kept && !o->more; i++) {
		const struct offered *k = &t->kept[i];

		if (k->off + k->len > end ||
		    (k->more && k->off + k->len == end))
			return true;
	}
	return false;
}

static bool
is_copy(const struct twin *t, const struct offered *o)
{
	for (size_t i = 0; i < t->n_kept; i++) {
		const struct offered *k = &t->kept[i];

		if (k->off == o->off && k->len == o->len &&
		    k->more == o->more &&
		    memcmp(k->octets, o->octets, o->len) == 0)
			return true;
	}
	return false;
}

static bool
whole(const struct twin *t, enum fault fault)
{
	if (t->total == 0)
		return false;
	for (size_t i = 0; i < t->total; i++)
		if (t->owner[i] == 0 && fault != GAP_IS_FINE)
			return false;
	return true;
}

/* Gives octets to the fragment; those it pushes out are told of. */
static void
paint(struct twin *t, enum rule rule, enum fault fault, struct told *told,
    const struct offered *o)
{
	bool take[LEN] = { false };
	size_t start;

	for (size_t k = o->off; k < o->off + o->len; k++)
		take[k] = wins(t, rule, fault, t->owner[k], o);
	for (size_t k = 0; k < LEN; k++)
		if (take[k])
			t->owner[k] = (int)t->n_kept + 1;
	for (size_t i = 0; i < t->n_kept && rule == BSD; i++)
		if (owned(t, i, &start) == 0)
			tell(told, &t->kept[i], IPM_R_FRAG_DUPLICATE);
	t->kept[t->n_kept++] = *o;
	if (!o->more)
		t->total = o->off + o->len;
}

static enum ipm_reason
twin_add(struct twin all[IDS], size_t id, enum rule rule, enum fault fault,
    uint64_t now, struct told *told, struct offered *o)
{
	struct twin *t = &all[id];
	size_t there = 0, alive = 0;

	if (o->len == 0 || (o->more && o->len % 8 != 0))
		return IPM_R_FRAG_BAD;
	if (t->alive && t->dead)
		return IPM_R_FRAG_OVERLAP;
	if (fault == OFF_BY_ONE_UNIT && o->off >= 8)
		o->off -= 8;
	for (size_t k = o->off; k < o->off + o->len; k++)
		there += t->owner[k] != 0;
	if (t->alive) {
		bool copy = is_copy(t, o) && fault != COPIES_ARE_OVERLAPS;

		if (there != 0 && !copy && (rule == DROP || rule == SIX)) {
			tell_all(told, t, IPM_R_FRAG_OVERLAP);
			memset(t->owner, 0, sizeof t->owner);
			t->n_kept = 0;
			t->dead = fault != OVERLAP_FORGOTTEN;
			t->alive = t->dead;
			return IPM_R_FRAG_OVERLAP;
		}
		if (contradicts(t, o) && fault != ENDS_UNCHECKED)
			return IPM_R_FRAG_BAD;
		if (copy || (there == o->len && rule != LAST))
			return IPM_R_FRAG_DUPLICATE;
		if (pieces(t, rule) + (fault != ONE_PIECE_MORE) > PIECES_MAX) {
			tell_all(told, t, IPM_R_FRAG_FULL);
			*t = (struct twin){ 0 };
			return IPM_R_FRAG_FULL;
		}
	} else {
		for (size_t i = 0; i < IDS; i++)
			alive += all[i].alive;
		if (alive >= PACKETS_MAX)
			return IPM_R_FRAG_FULL;
		*t = (struct twin){ .alive = true, .born = now };
	}
	cr_assert(t->n_kept < FRAGS);
	paint(t, rule, fault, told, o);
	return whole(t, fault) ? IPM_R_OK : IPM_R_FRAG_PENDING;
}

/* The packet is complete: its octets, and who is told. */
static bool
same_packet(struct twin *t, const struct reass_bench *b, struct told *told)
{
	size_t head = b->packet.p[0] >> 4 == 4 ? 20 : 40;
	bool same = b->packet.len == head + t->total;

	for (size_t k = 0; k < t->total && same; k++) {
		const struct offered *o = &t->kept[t->owner[k] - 1];

		same = b->packet.p[head + k] == o->octets[k - o->off];
	}
	/* The completing frame is answered and not told of. */
	t->kept[t->n_kept - 1].gone = true;
	tell_all(told, t, IPM_R_OK);
	*t = (struct twin){ 0 };
	return same;
}

static void
expire(struct twin all[IDS], enum fault fault, uint64_t now, struct told *told)
{
	for (size_t i = 0; i < IDS; i++) {
		if (!all[i].alive || now - all[i].born < TIME ||
		    fault == NEVER_EXPIRES)
			continue;
		tell_all(told, &all[i], IPM_R_FRAG_TIMEOUT);
		all[i] = (struct twin){ 0 };
	}
}

/* What a sender would cut a payload of `total` octets into. */
struct plan {
	size_t total, off[LEN / 8 + 1], n;
	uint8_t octets[LEN];
};

static void
make_plan(struct plan *p, uint64_t *rng)
{
	size_t at = 0;

	p->total = 24 + db_random(rng) % 180;
	p->n = 0;
	while (at < p->total) {
		p->off[p->n++] = at;
		at += (1 + db_random(rng) % 6) * 8;
	}
	p->off[p->n] = p->total;
	for (size_t i = 0; i < LEN; i++)
		p->octets[i] = (uint8_t)db_random(rng);
}

/* Mostly a piece of the plan, in any order and any number of times. */
static void
make_fragment(const struct plan *p, uint64_t *rng, struct offered *o)
{
	uint64_t r = db_random(rng);
	size_t k = r % p->n;

	*o = (struct offered){ 0 };
	o->off = p->off[k];
	o->len = p->off[k + 1] - o->off;
	o->more = k + 1 < p->n;
	memcpy(o->octets, p->octets + o->off, o->len);
	r >>= 32;
	if (r % 8 == 0) {
		o->off = r / 8 % (p->total / 8 + 1) * 8;
		o->len = (r / 512 % 5 + 1) * 8;
		o->more = o->off + o->len < p->total;
		if (!o->more)
			o->len = p->total - o->off;
		memset(o->octets, (int)(r / 64 % 256), sizeof o->octets);
	}
	/* Lengths and ends that cannot be. */
	if (r % 32 == 1)
		o->len = r / 32 % 32;
	if (r % 32 == 2)
		o->more = !o->more;
}

/* True when a history ends differently for the table and its twin. */
static bool
histories_differ(enum rule rule, uint64_t seed, unsigned steps,
    enum fault fault, unsigned seen[IPM_N_REASONS])
{
	static const char *const words[N_RULES] = { "first", "last", "drop",
		"bsd", "first" };
	struct reass_bench *b = reass_bench_new();
	struct twin *all = calloc(IDS, sizeof *all);
	struct told *told = calloc(1, sizeof *told);
	struct plan plans[IDS];
	uint64_t rng = seed * 1000 + rule;
	bool differ = false;

	cr_assert(all != NULL && told != NULL);
	cr_assert(ipm_profile_set(&b->pf, "frag-overlap4", words[rule]));
	b->pf.value[IPM_SW_FRAG_PACKETS] = PACKETS_MAX;
	b->pf.value[IPM_SW_FRAG_PIECES] = PIECES_MAX;
	b->pf.value[IPM_SW_FRAG_TIME4] = TIME;
	b->pf.value[IPM_SW_FRAG_TIME6] = TIME;
	for (size_t i = 0; i < IDS; i++)
		make_plan(&plans[i], &rng);
	for (unsigned n = 0; n < steps && !differ; n++) {
		size_t id = db_random(&rng) % IDS;
		enum ipm_reason got, want;
		struct offered o;

		reass_wait(b, db_random(&rng) % 16 == 0 ? 3 : 0);
		expire(all, fault, b->now, told);
		make_fragment(&plans[id], &rng, &o);
		if (o.off == 0 && !o.more)
			continue; /* that is no fragment */
		o.frame = b->frame + 1;
		got = reass_offer(b,
		    &(struct reass_frag){ .version = rule == SIX ? 6 : 4,
			.id = (uint32_t)id,
			.off = (uint32_t)o.off,
			.more = o.more,
			.payload = o.octets,
			.len = o.len });
		want = twin_add(all, id, rule, fault, b->now, told, &o);
		seen[got]++;
		differ = got != want;
		if (got == IPM_R_OK && !differ) {
			differ = !same_packet(&all[id], b, told);
			make_plan(&plans[id], &rng);
		}
	}
	reass_wait(b, TIME);
	expire(all, SOUND, b->now, told);
	for (uint64_t f = 1; f <= b->frame; f++) {
		seen[b->told[f]] += b->times[f] != 0;
		differ = differ || b->times[f] != told->times[f] ||
		    b->told[f] != told->reason[f];
	}
	differ = differ || b->t.count != 0 || b->arena.in_use != 0;
	reass_bench_free(b);
	free(all);
	free(told);
	return differ;
}

Test(reass_twin, agrees_under_every_rule)
{
	static const enum ipm_reason all[] = { IPM_R_OK, IPM_R_FRAG_PENDING,
		IPM_R_FRAG_BAD, IPM_R_FRAG_DUPLICATE, IPM_R_FRAG_FULL,
		IPM_R_FRAG_TIMEOUT };

	for (int rule = FIRST; rule < N_RULES; rule++) {
		unsigned seen[IPM_N_REASONS] = { 0 };
		bool gives_up = rule == DROP || rule == SIX;

		for (uint64_t seed = 1; seed <= 60; seed++)
			cr_assert_not(histories_differ((enum rule)rule, seed,
					  1000, SOUND, seen),
			    "rule %d seed %llu", rule,
			    (unsigned long long)seed);
		/* The histories have been everywhere. */
		for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
			cr_expect(seen[all[i]] > 50, "rule %d: %s %u times",
			    rule, ipm_reasons[all[i]].name, seen[all[i]]);
		cr_expect_eq(seen[IPM_R_FRAG_OVERLAP] > 50, gives_up);
	}
}

/* With COPIES_ARE_OVERLAPS, `first` and `bsd` still see a covered fragment. */
static bool
shows(enum fault fault, enum rule rule)
{
	bool gives_up = rule == DROP || rule == SIX;

	if (fault == LAST_WINS_INSTEAD)
		return !gives_up;
	if (fault == OVERLAP_FORGOTTEN)
		return gives_up;
	if (fault == COPIES_ARE_OVERLAPS)
		return gives_up || rule == LAST;
	return true;
}

Test(reass_twin, finds_every_planted_fault)
{
	for (int f = SOUND + 1; f < N_FAULTS; f++)
		for (int rule = FIRST; rule < N_RULES; rule++) {
			unsigned seen[IPM_N_REASONS] = { 0 };

			if (shows((enum fault)f, (enum rule)rule))
				cr_expect(histories_differ((enum rule)rule, 1,
					      4000, (enum fault)f, seen),
				    "rule %d: fault %d is not seen", rule, f);
		}
}
