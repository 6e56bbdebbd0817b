/*
 * The window against a naive twin: a set of the numbers that were taken,
 * judged straight by the text.  All short histories of small windows, and
 * millions of random steps on windows of every shape.  The planted faults are
 * variants of the window's own code, as a slip in it would make them.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_replay.h"
#include "support/db_box.h"

/* --- the twin ---------------------------------------------------------------- */

/* A set of numbers: open addressing, 0 is a free place, cleared by epoch. */
#define SET_BITS 18U
#define SET_SIZE (1U << SET_BITS)

struct set {
	uint64_t number[SET_SIZE];
	uint32_t epoch[SET_SIZE];
	uint32_t now;
	uint32_t n;
};

static struct set taken;

static uint32_t
place(uint64_t number)
{
	uint32_t at =
	    (uint32_t)(number * 0x9e3779b97f4a7c15U >> (64 - SET_BITS));

	while (taken.epoch[at] == taken.now && taken.number[at] != number)
		at = (at + 1) % SET_SIZE;
	return at;
}

static bool
is_taken(uint64_t number)
{
	return taken.epoch[place(number)] == taken.now;
}

static void
take(uint64_t number)
{
	uint32_t at = place(number);

	cr_assert_lt(taken.n, SET_SIZE / 2);
	taken.n += taken.epoch[at] != taken.now;
	taken.epoch[at] = taken.now;
	taken.number[at] = number;
}

struct twin {
	uint64_t top;
	uint64_t size;
	bool esn;
	bool old; /* FreeBSD's form before its repair */
	bool th0_zero;
};

static void
twin_init(struct twin *t, uint32_t size, bool esn, uint64_t last)
{
	*t = (struct twin){ .top = last, .size = size, .esn = esn };
	taken.now++;
	taken.n = 0;
}

/*
 * [ESP-A2.2-01] [ESP-A2.2-02] [ESP-A2.2-03]  Of the numbers with this low half
 * the first that is not left of the window; where that is negative there is
 * none, or, by the switch, the low half itself.  Without a window: the nearest
 * to the top.
 */
static bool
twin_infer(const struct twin *t, uint32_t lo, uint64_t *seq)
{
	const int64_t round = (int64_t)1 << 32;
	int64_t top = (int64_t)t->top, left = top - (int64_t)t->size + 1;
	int64_t s = (int64_t)lo - round;

	*seq = lo;
	if (!t->esn)
		return true;
	if (t->size == 0) {
		s = lo;
		while (llabs(s + round - top) < llabs(s - top))
			s += round;
		*seq = (uint64_t)s;
		return true;
	}
	while (s < left)
		s += round;
	if (s >= 0)
		*seq = (uint64_t)s;
	return s >= 0 || t->th0_zero;
}

/* RFC 4303 3.4.3 read aloud. */
static enum ipm_reason
twin_check(const struct twin *t, uint64_t seq)
{
	if (t->size == 0)
		return IPM_R_OK;
	if (seq == 0)
		return IPM_R_SEQ_ZERO;
	if (t->old)
		return IPM_R_OK;
	if (seq + t->size <= t->top)
		return IPM_R_LEFT_OF_WINDOW;
	return is_taken(seq) ? IPM_R_REPLAYED : IPM_R_OK;
}

/* The rows of ipsec_updatereplay() before the repair, 32-bit sum and all. */
static enum ipm_reason
twin_mark_old(struct twin *t, uint32_t seq)
{
	if (seq == 0)
		return IPM_R_SEQ_ZERO;
	if ((uint32_t)((uint32_t)t->size + seq) < (uint32_t)t->top)
		return IPM_R_OK;
	if (seq > t->top)
		t->top = seq;
	if (is_taken(seq))
		return IPM_R_REPLAYED;
	take(seq);
	return IPM_R_OK;
}

static enum ipm_reason
twin_mark(struct twin *t, uint64_t seq)
{
	enum ipm_reason reason = twin_check(t, seq);

	if (t->old && t->size != 0)
		return twin_mark_old(t, (uint32_t)seq);
	if (reason != IPM_R_OK)
		return reason;
	if (seq > t->top)
		t->top = seq;
	take(seq);
	return IPM_R_OK;
}

/* --- the window, sound or with a slip ------------------------------------------ */

/* NULL: as it is. */
struct variant {
	const char *slip;
	enum ipm_reason (*infer)(const struct ipm_replay *,
	    const struct ipm_profile *, uint32_t, uint64_t *);
	enum ipm_reason (*check)(
	    const struct ipm_replay *, const struct ipm_profile *, uint64_t);
	enum ipm_reason (*mark)(
	    struct ipm_replay *, const struct ipm_profile *, uint64_t);
	bool marks_before_icv;
	bool marks_when_looking;
	bool last_is_seen;
};

static enum ipm_reason
check_wide(
    const struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	enum ipm_reason reason = ipm_replay_check(r, p, seq);

	return reason == IPM_R_LEFT_OF_WINDOW && r->top - seq == r->size
	    ? IPM_R_OK
	    : reason;
}

static enum ipm_reason
check_narrow(
    const struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	return r->size > 1 && seq != 0 && seq + r->size - 1 == r->top
	    ? IPM_R_LEFT_OF_WINDOW
	    : ipm_replay_check(r, p, seq);
}

static enum ipm_reason
check_takes_zero(
    const struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	return seq == 0 ? IPM_R_OK : ipm_replay_check(r, p, seq);
}

/* A wire value of 0 refused in every subspace. */
static enum ipm_reason
check_low_zero(
    const struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	return r->size != 0 && (uint32_t)seq == 0 ? IPM_R_SEQ_ZERO
						  : ipm_replay_check(r, p, seq);
}

static enum ipm_reason
check_forgets_bits(
    const struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	enum ipm_reason reason = ipm_replay_check(r, p, seq);

	return reason == IPM_R_REPLAYED && seq != r->top ? IPM_R_OK : reason;
}

/* The rule of 3.4.3's body text: below the top's low half, the next subspace. */
static enum ipm_reason
infer_body_text(const struct ipm_replay *r, const struct ipm_profile *p,
    uint32_t lo, uint64_t *seq)
{
	(void)p;
	*seq = lo;
	if (r->esn)
		*seq |= ((r->top >> 32) + (lo < (uint32_t)r->top)) << 32;
	return IPM_R_OK;
}

/* The appendix, with its comparisons to be spoilt. */
static uint64_t
appendix(const struct ipm_replay *r, uint32_t lo, bool case_a, bool right)
{
	uint64_t th = r->top >> 32;

	if (case_a)
		th += !right;
	else
		th -= right && th != 0;
	return th << 32 | lo;
}

/* Case A only from Tl = W on. */
static enum ipm_reason
infer_case_a_late(const struct ipm_replay *r, const struct ipm_profile *p,
    uint32_t lo, uint64_t *seq)
{
	uint32_t tl = (uint32_t)r->top;

	if (!r->esn || r->size == 0 || tl != r->size - 1)
		return ipm_replay_infer(r, p, lo, seq);
	*seq = appendix(r, lo, false, lo >= tl - r->size + 1);
	return IPM_R_OK;
}

/* Case A already at Tl = W - 2. */
static enum ipm_reason
infer_case_a_early(const struct ipm_replay *r, const struct ipm_profile *p,
    uint32_t lo, uint64_t *seq)
{
	uint32_t tl = (uint32_t)r->top;

	if (!r->esn || r->size < 2 || tl != r->size - 2)
		return ipm_replay_infer(r, p, lo, seq);
	*seq = appendix(r, lo, true, lo >= tl - r->size + 1);
	return IPM_R_OK;
}

/* Seql > Bl where the text has Seql >= Bl. */
static enum ipm_reason
infer_edge(const struct ipm_replay *r, const struct ipm_profile *p, uint32_t lo,
    uint64_t *seq)
{
	uint32_t tl = (uint32_t)r->top;

	if (!r->esn || r->size == 0)
		return ipm_replay_infer(r, p, lo, seq);
	*seq = appendix(r, lo, tl >= r->size - 1, lo > tl - r->size + 1);
	return IPM_R_OK;
}

/* A number before the start becomes one of the first subspace. */
static enum ipm_reason
infer_before_start(const struct ipm_replay *r, const struct ipm_profile *p,
    uint32_t lo, uint64_t *seq)
{
	(void)ipm_replay_infer(r, p, lo, seq);
	return IPM_R_OK;
}

/* What mark would leave of the old bits when it did not clear any. */
static enum ipm_reason
mark_no_clearing(
    struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	size_t len = r->blocks * sizeof r->bits[0];
	uint32_t *bits = malloc(len + 1);
	enum ipm_reason reason;

	cr_assert_not_null(bits);
	memcpy(bits, r->bits, len);
	reason = ipm_replay_mark(r, p, seq);
	for (uint32_t i = 0; i < r->blocks; i++)
		r->bits[i] |= bits[i];
	free(bits);
	return reason;
}

/* The block of the new top is cleared, those jumped over are not. */
static enum ipm_reason
mark_clears_last_only(
    struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	size_t len = r->blocks * sizeof r->bits[0];
	uint32_t *bits = malloc(len + 1);
	uint64_t top = r->top;
	enum ipm_reason reason;

	cr_assert_not_null(bits);
	memcpy(bits, r->bits, len);
	reason = ipm_replay_mark(r, p, seq);
	for (uint64_t b = top / 32 + 1;
	     r->blocks != 0 && b < seq / 32 && b < top / 32 + 64; b++)
		r->bits[b & (r->blocks - 1)] |= bits[b & (r->blocks - 1)];
	free(bits);
	return reason;
}

/* Every move to the right forgets what the window held. */
static enum ipm_reason
mark_clears_all(struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	if (seq > r->top)
		memset(r->bits, 0, r->blocks * sizeof r->bits[0]);
	return ipm_replay_mark(r, p, seq);
}

/* The top moves, but its own bit is not set. */
static enum ipm_reason
mark_forgets_top(
    struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	bool moved = seq > r->top;
	enum ipm_reason reason = ipm_replay_mark(r, p, seq);

	if (moved && r->blocks != 0)
		r->bits[(seq / 32) & (r->blocks - 1)] &= ~(1U << seq % 32);
	return reason;
}

/* Only the low half of the top moves. */
static enum ipm_reason
mark_keeps_high(struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	uint64_t high = r->top >> 32;
	enum ipm_reason reason = ipm_replay_mark(r, p, seq);

	r->top = high << 32 | (uint32_t)r->top;
	return reason;
}

/* A packet inside the window pulls the top back. */
static enum ipm_reason
mark_moves_left(struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	enum ipm_reason reason = ipm_replay_mark(r, p, seq);

	if (reason == IPM_R_OK && r->size != 0)
		r->top = seq;
	return reason;
}

static const struct variant sound = { .slip = "none" };

static const struct variant slips[] = {
	{ .slip = "left edge one too far left", .check = check_wide },
	{ .slip = "left edge one too far right", .check = check_narrow },
	{ .slip = "0 taken", .check = check_takes_zero },
	{ .slip = "2^32 refused", .check = check_low_zero },
	{ .slip = "only the top's bit looked at", .check = check_forgets_bits },
	{ .slip = "body text's inference", .infer = infer_body_text },
	{ .slip = "case A from Tl = W", .infer = infer_case_a_late },
	{ .slip = "case A from Tl = W-2", .infer = infer_case_a_early },
	{ .slip = "inference off by one at Bl", .infer = infer_edge },
	{ .slip = "before the start taken", .infer = infer_before_start },
	{ .slip = "nothing cleared", .mark = mark_no_clearing },
	{ .slip = "skipped blocks kept", .mark = mark_clears_last_only },
	{ .slip = "all cleared", .mark = mark_clears_all },
	{ .slip = "top's bit not set", .mark = mark_forgets_top },
	{ .slip = "high half kept", .mark = mark_keeps_high },
	{ .slip = "top moves left", .mark = mark_moves_left },
	{ .slip = "marked before the ICV", .marks_before_icv = true },
	{ .slip = "marked when looking", .marks_when_looking = true },
	{ .slip = "start counts as seen", .last_is_seen = true },
};
#define N_SLIPS (sizeof slips / sizeof slips[0])

/* --- one packet on both --------------------------------------------------------- */

struct pair {
	struct ipm_replay *r;
	struct ipm_profile p;
	struct twin t;
	const struct variant *v;
	unsigned long *tally; /* by reason, or NULL */
};

static void
pair_init(struct pair *x, const struct variant *v, uint32_t size, bool esn,
    uint64_t last, bool old, bool th0_zero)
{
	ipm_profile_init(&x->p, IPM_PF_OBSERVER);
	cr_assert(
	    ipm_profile_set(&x->p, "replay-old-accept", old ? "on" : "off"));
	cr_assert(ipm_profile_set(
	    &x->p, "esn-before-start", th0_zero ? "zero" : "reject"));
	x->v = v;
	x->tally = NULL;
	x->r = malloc(ipm_replay_octets(size));
	cr_assert_not_null(x->r);
	ipm_replay_init(x->r, size, esn, last);
	if (v->last_is_seen && size != 0)
		x->r->bits[(last / 32) & (x->r->blocks - 1)] |= 1U << last % 32;
	twin_init(&x->t, size, esn, last);
	x->t.old = old && !esn;
	x->t.th0_zero = th0_zero;
}

static enum ipm_reason
fast_mark(struct pair *x, uint64_t seq)
{
	return (x->v->mark != NULL ? x->v->mark : ipm_replay_mark)(
	    x->r, &x->p, seq);
}

/* Looks; the number its low half stands for goes to *seq. */
static enum ipm_reason
fast_look(struct pair *x, uint32_t lo, uint64_t *seq)
{
	enum ipm_reason reason =
	    (x->v->infer != NULL ? x->v->infer : ipm_replay_infer)(
		x->r, &x->p, lo, seq);

	if (reason != IPM_R_OK)
		return reason;
	return (x->v->check != NULL ? x->v->check : ipm_replay_check)(
	    x->r, &x->p, *seq);
}

/*
 * The packet with this full number, whose ICV is good or forged, comes in.
 * Do both do the same with it?
 */
static bool
same(struct pair *x, uint64_t number, bool forged)
{
	uint32_t lo = (uint32_t)number;
	uint64_t a = 0, b = 0;
	enum ipm_reason fast = fast_look(x, lo, &a), slow;

	if (x->v->marks_when_looking && fast == IPM_R_OK)
		(void)fast_mark(x, a);
	slow = twin_infer(&x->t, lo, &b) ? twin_check(&x->t, b)
					 : IPM_R_LEFT_OF_WINDOW;
	if (x->tally != NULL)
		x->tally[slow]++;
	if (fast != slow || (fast == IPM_R_OK && a != b))
		return false;
	if (fast != IPM_R_OK)
		return x->r->top == x->t.top;
	/* [ESP-3.4.3-20] [ESP-A2.3-01] [AH-3.4.3-12] With a wrong high half
	 * the ICV fails, too; then nothing moves. */
	if (x->v->marks_before_icv)
		(void)fast_mark(x, a);
	if (!forged && a == number) {
		fast = x->v->marks_before_icv ? IPM_R_OK : fast_mark(x, a);
		slow = twin_mark(&x->t, b);
	}
	return fast == slow && x->r->top == x->t.top;
}

/* --- all short histories ---------------------------------------------------------- */

/*
 * Every sequence of `depth` packets out of `n` numbers, good and forged, on a
 * window of this size that begins behind `last`.
 */
static bool
all_histories(const struct variant *v, uint32_t size, bool esn, uint64_t last,
    const uint64_t *numbers, unsigned n, unsigned depth, bool old)
{
	unsigned long count = 1;
	bool good = true;

	for (unsigned i = 0; i < depth; i++)
		count *= n;
	for (unsigned long h = 0; h < count && good; h++) {
		unsigned long left = h;
		struct pair x;

		pair_init(&x, v, size, esn, last, old, false);
		for (unsigned i = 0; i < depth && good; i++) {
			uint64_t number = numbers[left % n];

			left /= n;
			/* Forged once, then good: the forgery leaves no
			 * trace. */
			good =
			    same(&x, number, true) && same(&x, number, false);
		}
		free(x.r);
	}
	return good;
}

/* [ESP-3.4.3-07] [ESP-3.4.3-11] [ESP-3.4.3-12] [ESP-3.4.3-13] [AH-3.4.3-05]
 * [AH-3.4.3-07] */
Test(replay_all, rfc4303_3_4_3_every_short_history_of_small_windows)
{
	static const uint64_t numbers[] = { 0, 1, 2, 3, 4, 5, 33, 65 };

	for (uint32_t size = 0; size <= 4; size++)
		for (int old = 0; old < 2; old++)
			cr_expect(all_histories(&sound, size, false, 0, numbers,
				      8, 5, old != 0),
			    "size %u, old %d", size, old);
}

/* [ESP-A2.2-01] [ESP-A2.2-02] [ESP-A2.2-04] [ESP-A2.1-02] [ESP-A2.1-03]
 * [AH-3.4.3-08] [AH-B2-01] */
Test(replay_all, rfc4303_a2_every_short_history_across_2_to_32)
{
	static const uint64_t numbers[] = { 0, 1, 0xfffffffd, 0xfffffffe,
		0xffffffff, 0x100000000, 0x100000001, 0x100000002,
		0x1ffffffff };

	for (uint32_t size = 0; size <= 4; size++)
		cr_expect(all_histories(&sound, size, true, 0xfffffffd, numbers,
			      9, 5, false),
		    "size %u", size);
}

/* --- random histories ---------------------------------------------------------------- */

/* Where the next number lies: around everything that matters. */
static uint64_t
pick(uint64_t *rng, const struct twin *t)
{
	const uint64_t r = db_random(rng), wide = db_random(rng);
	const uint64_t near = r >> 8 & 3, round = (uint64_t)1 << 32;
	uint64_t n = t->top;

	switch (r & 15) {
	case 0:
	case 1:
	case 2:
		n += 1;
		break;
	case 3:
		n += 1 + wide % 70;
		break;
	case 4:
	case 5:
		n -= wide % 8;
		break;
	case 6:
		n -= t->size - 1 + near - 2;
		break;
	case 7:
	case 8:
	case 9:
		n -= wide % (t->size + 2);
		break;
	case 10:
		n += wide % (2 * t->size + 40);
		break;
	case 11:
		n += t->size * 4 + 32 * near;
		break;
	case 12:
		/* Another number with a low half near the window's. */
		n += near % 2 != 0 ? round - near : -round + near;
		break;
	case 13:
		n = near == 0 ? 0 : n - wide % (4 * t->size + 9);
		break;
	case 14:
		/* Near the end of a subspace, seldom. */
		if ((r >> 16 & 63) == 0)
			n |= 0xffffffc0;
		else
			n -= n % 32 + near;
		break;
	default:
		if ((r >> 16 & 255) == 0)
			n += wide % (round - 1);
		else
			n ^= near << 3;
		break;
	}
	if (!t->esn)
		return (uint32_t)n;
	/* Past 2^62 the twin's signed sums would end. */
	return n >> 62 != 0 ? 0 : n;
}

struct shape {
	uint32_t size;
	bool esn, old, th0_zero;
	uint64_t last;
	uint64_t seed;
};

/* Step of the first difference, from 1; 0: none. */
static unsigned
random_history(const struct variant *v, const struct shape *s, unsigned steps,
    unsigned long *tally)
{
	uint64_t rng = s->seed;
	unsigned differs = 0;
	struct pair x;

	pair_init(&x, v, s->size, s->esn, s->last, s->old, s->th0_zero);
	x.tally = tally;
	for (unsigned i = 1; i <= steps && differs == 0; i++) {
		uint64_t number = pick(&rng, &x.t);
		bool forged = db_random(&rng) % 8 == 0;

		if (!same(&x, number, forged))
			differs = i;
	}
	free(x.r);
	return differs;
}

static const uint32_t sizes[] = { 0, 1, 2, 31, 32, 33, 63, 64, 65, 128, 255,
	1024, 2040, 65536 };
static const uint64_t starts[] = { 0, 1, 31, 62, 63, 64, 2038, 2039, 65534,
	65535, 65536, 1000000, 0xffff0000, 0xfffffffe, 0xffffffff, 0x100000000,
	0x10000003f, 0x10000ffff, 0x1ffffffff, 0x2000003e8 };
#define N_SIZES  (sizeof sizes / sizeof sizes[0])
#define N_STARTS (sizeof starts / sizeof starts[0])

/* Every size, start and form; the steps taken, or 0 at a difference. */
static unsigned long
every_shape(const struct variant *v, unsigned rounds, unsigned steps,
    unsigned long *tally)
{
	unsigned long done = 0;

	for (size_t i = 0; i < rounds * N_SIZES * N_STARTS * 4; i++) {
		struct shape s = { .esn = (i & 1) != 0,
			.old = (i & 3) == 2,
			.th0_zero = (i & 3) == 3,
			.size = sizes[i / 4 % N_SIZES],
			.last = starts[i / 4 / N_SIZES % N_STARTS],
			.seed = i };
		unsigned at;

		/* Above that a 32-bit SA has no numbers left for a history. */
		if (!s.esn && s.last > 0xffff0000)
			continue;
		at = random_history(v, &s, steps, tally);
		if (at != 0) {
			if (tally != NULL)
				cr_log_error("size %u esn %d old %d zero %d "
					     "last %llx seed %llu step %u",
				    s.size, s.esn, s.old, s.th0_zero,
				    (unsigned long long)s.last,
				    (unsigned long long)s.seed, at);
			return 0;
		}
		done += steps;
	}
	return done;
}

/* [ESP-A2.1-01] [ESP-3.4.3-14] [ESP-3.4.3-15] [ESP-3.4.3-24] [AH-3.4.3-15]
 * [ESP-A2.2-03] [ESP-A2.3-01] [AH-3.4.3-12] */
Test(replay_random, naive_twin_agrees_on_millions_of_steps)
{
	static const enum ipm_reason answers[] = { IPM_R_OK, IPM_R_SEQ_ZERO,
		IPM_R_REPLAYED, IPM_R_LEFT_OF_WINDOW };
	unsigned long tally[IPM_N_REASONS] = { 0 };

	cr_expect_gt(every_shape(&sound, 3, 4000, tally), 10000000UL);
	/* The histories come to every answer, and often. */
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
		cr_expect_gt(tally[answers[i]], 100000UL, "%s: %lu",
		    ipm_reasons[answers[i]].name, tally[answers[i]]);
}

Test(replay_random, naive_twin_sees_every_slip)
{
	for (size_t i = 0; i < N_SLIPS; i++)
		cr_expect_eq(every_shape(&slips[i], 1, 400, NULL), 0,
		    "not seen: %s", slips[i].slip);
}

/* [ESP-A2.1-01] After every jump the bits of the whole window are the twin's. */
Test(replay_random, rfc4303_a2_1_bits_after_jumps)
{
	for (size_t i = 0; i < N_SIZES; i++) {
		const uint64_t w = sizes[i];
		const uint64_t jumps[] = { 1, w - 1, w, w + 1, 31, 32, 33,
			2 * w, 0x80000000U, 0xffffffffU - w };

		if (w < 2)
			continue;
		for (size_t j = 0; j < sizeof jumps / sizeof jumps[0]; j++) {
			struct pair x;

			pair_init(
			    &x, &sound, (uint32_t)w, true, 5000, false, false);
			for (uint64_t s = 5001; s < 5001 + 2 * w; s += 3)
				cr_assert(same(&x, s, false));
			cr_assert(same(&x, x.t.top + jumps[j], false));
			for (uint64_t s = x.t.top - w - 1; s <= x.t.top; s++)
				cr_expect_eq(ipm_replay_check(x.r, &x.p, s),
				    twin_check(&x.t, s), "size %u jump %llu",
				    sizes[i], (unsigned long long)jumps[j]);
			free(x.r);
		}
	}
}

/* A jump costs no more than the window: 2^63 numbers at once are over now. */
Test(replay_random, a_jump_costs_no_more_than_the_window, .timeout = 10)
{
	struct ipm_profile p;
	struct ipm_replay *r = malloc(ipm_replay_octets(65536));

	cr_assert_not_null(r);
	ipm_profile_init(&p, IPM_PF_OBSERVER);
	ipm_replay_init(r, 65536, true, 0);
	cr_expect_eq(ipm_replay_mark(r, &p, 5), IPM_R_OK);
	cr_expect_eq(ipm_replay_mark(r, &p, UINT64_MAX - 1), IPM_R_OK);
	cr_expect_eq(ipm_replay_check(r, &p, UINT64_MAX - 1), IPM_R_REPLAYED);
	cr_expect_eq(ipm_replay_check(r, &p, UINT64_MAX - 65536), IPM_R_OK);
	cr_expect_eq(
	    ipm_replay_check(r, &p, UINT64_MAX - 65537), IPM_R_LEFT_OF_WINDOW);
	/* The last number there is; nothing lies behind it. */
	cr_expect_eq(ipm_replay_mark(r, &p, UINT64_MAX), IPM_R_OK);
	cr_expect_eq(ipm_replay_check(r, &p, UINT64_MAX), IPM_R_REPLAYED);
	free(r);
}

/* [ESP-A2-01] The largest window that ESN takes: the inference still holds at
 * both edges, in case A and in case B. */
Test(replay_random, rfc4303_a2_window_of_2_to_31)
{
	static const struct {
		uint64_t top;
		uint32_t lo;
		uint64_t seq;
	} rows[] = {
		{ 0x17fffffff, 0x00000000, 0x100000000 },
		{ 0x17fffffff, 0x7fffffff, 0x17fffffff },
		{ 0x17fffffff, 0x80000000, 0x180000000 },
		{ 0x17fffffff, 0xffffffff, 0x1ffffffff },
		{ 0x17ffffffe, 0xffffffff, 0xffffffff },
		{ 0x17ffffffe, 0x00000000, 0x100000000 },
		{ 0x1ffffffff, 0x80000000, 0x180000000 },
		{ 0x1ffffffff, 0x7fffffff, 0x27fffffff },
	};
	/* Only the header is looked at; the bits of such a window take
	 * 512 MiB. */
	struct ipm_replay r = { .size = IPM_REPLAY_MAX_ESN, .esn = 1 };
	struct ipm_profile p;

	ipm_profile_init(&p, IPM_PF_OBSERVER);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t seq = 0;

		r.top = rows[i].top;
		cr_expect_eq(
		    ipm_replay_infer(&r, &p, rows[i].lo, &seq), IPM_R_OK);
		cr_expect_eq(seq, rows[i].seq, "row %zu: %llx", i,
		    (unsigned long long)seq);
	}
}

/* The facts' block counts: at least size + 32 bits, a power of two of them. */
Test(replay_random, octets_hold_the_window_and_one_block_more)
{
	for (size_t i = 1; i < N_SIZES; i++) {
		size_t bits =
		    (ipm_replay_octets(sizes[i]) - sizeof(struct ipm_replay)) *
		    8;

		cr_expect_geq(bits, sizes[i] + 32U);
		cr_expect_eq(bits & (bits - 1), 0);
		cr_expect(bits == 64 || bits / 2 < sizes[i] + 63U);
	}
	cr_expect_eq(ipm_replay_octets(0), sizeof(struct ipm_replay));
}

/*
 * The row of the fact sheet that the random histories reach seldom: near the
 * end of the numbers the 32-bit sum wraps, the packet counts as old, and the
 * window stays where it is.
 */
Test(replay_random, freebsd_2017_sum_wraps_near_the_end_of_the_numbers)
{
	static const struct {
		uint32_t seq;
		bool accepted;
		uint32_t top;
	} rows[] = {
		{ 0xffffff00, true, 0xffffff00 },
		{ 0xffffffdf, true, 0xffffffdf }, /* + 32 is the last sum */
		{ 0xffffffdf, false, 0xffffffdf },
		{ 0xffffffe0, true, 0xffffffdf }, /* not marked */
		{ 0xffffffe0, true, 0xffffffdf }, /* any number of times */
		{ 0xffffffff, true, 0xffffffdf },
		{ 0xffffffff, true, 0xffffffdf },
		{ 0xffffffc0, true, 0xffffffdf }, /* still in the window */
		{ 0xffffffc0, false, 0xffffffdf },
	};
	struct pair x;

	pair_init(&x, &sound, 32, false, 0, true, false);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum ipm_reason got = ipm_replay_check(x.r, &x.p, rows[i].seq);

		cr_expect_eq(got, IPM_R_OK, "row %zu: the pre-check", i);
		got = ipm_replay_mark(x.r, &x.p, rows[i].seq);
		cr_expect_eq(got == IPM_R_OK, rows[i].accepted, "row %zu", i);
		cr_expect_eq(x.r->top, rows[i].top, "row %zu", i);
	}
	free(x.r);
}

/*
 * [ESP-A3.1-01] [ESP-A3.2-01] [ESP-A3.2-02] [AH-B3-01] [ESP-3.4.3-16]
 * [AH-3.4.3-09]  Steps of one SA under each reading: F an ICV fails, O a
 * packet ends before its ICV is looked at, V a packet holds, D a packet holds
 * that was marked before; the figures are what failed answers.
 */
Test(replay_random, rfc4303_a3_steps_of_both_readings)
{
	static const struct {
		const char *reading, *steps;
		uint32_t tries[12];
	} rows[] = {
		{ "off", "FFFFFF", { 0, 0, 0, 0, 0, 0 } },
		{ "consecutive", "FFFFF", { 0, 0, 4, 4, 4 } },
		{ "since-valid", "FFFFF", { 0, 0, 4, 4, 4 } },
		{ "consecutive", "FFOFFF", { 0, 0, 0, 0, 4 } },
		{ "since-valid", "FFOFFF", { 0, 0, 4, 4, 4 } },
		{ "consecutive", "FFVFFF", { 0, 0, 0, 0, 4 } },
		{ "since-valid", "FFVFFF", { 0, 0, 0, 0, 4 } },
		{ "consecutive", "FOFOFOF", { 0, 0, 0, 0 } },
		{ "since-valid", "FOFOFOF", { 0, 0, 4, 4 } },
		{ "consecutive", "VFFDFFF", { 0, 0, 0, 0, 4 } },
		{ "since-valid", "VFFDFFF", { 0, 0, 0, 0, 4 } },
		{ "since-valid", "FFFRFFF", { 0, 0, 4, 0, 0, 4 } },
		{ "consecutive", "FFFRFFF", { 0, 0, 4, 0, 0, 4 } },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t next = 101, last = 100;
		struct pair x;
		unsigned f = 0;

		pair_init(&x, &sound, 64, true, 100, false, false);
		cr_assert(ipm_profile_set(&x.p, "esn-resync", rows[i].reading));
		cr_assert(ipm_profile_set(&x.p, "esn-resync-after", "3"));
		cr_assert(ipm_profile_set(&x.p, "esn-resync-tries", "4"));
		for (const char *c = rows[i].steps; *c != '\0'; c++) {
			uint64_t top = x.r->top;

			switch (*c) {
			case 'F':
				cr_expect_eq(ipm_replay_failed(x.r, &x.p),
				    rows[i].tries[f], "row %zu failure %u", i,
				    f);
				f++;
				/* No failure moves the top. */
				cr_expect_eq(x.r->top, top);
				break;
			case 'O':
				ipm_replay_other(x.r, &x.p);
				break;
			case 'V':
				last = next++;
				cr_expect_eq(
				    ipm_replay_mark(x.r, &x.p, last), IPM_R_OK);
				break;
			case 'D':
				cr_expect_eq(ipm_replay_mark(x.r, &x.p, last),
				    IPM_R_REPLAYED);
				break;
			case 'R':
				last = next + 0x200000000;
				next = last + 1;
				ipm_replay_resync(x.r, last);
				cr_expect_eq(x.r->top, last);
				cr_expect_eq(ipm_replay_check(x.r, &x.p, last),
				    IPM_R_REPLAYED);
				break;
			}
		}
		free(x.r);
	}
}
