/*
 * The anti-replay window: tables from the texts, the captures' runs, and a
 * naive twin on random histories.  Planted faults show that the comparison can
 * fail.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_replay.h"
#include "support/db_box.h"

static struct ipm_replay *
new_window(uint32_t size, bool esn, uint64_t last)
{
	struct ipm_replay *r = malloc(ipm_replay_octets(size));

	cr_assert_not_null(r);
	ipm_replay_init(r, size, esn, last);
	return r;
}

static struct ipm_profile
profile(enum ipm_profile_id id)
{
	struct ipm_profile p;

	ipm_profile_init(&p, id);
	return p;
}

/* Look, and mark at once, as for an authentic packet. */
static enum ipm_reason
offer(struct ipm_replay *r, const struct ipm_profile *p, uint64_t seq)
{
	enum ipm_reason reason = ipm_replay_check(r, p, seq);

	return reason != IPM_R_OK ? reason : ipm_replay_mark(r, p, seq);
}

/* --- tables ---------------------------------------------------------------- */

/*
 * [ESP-3.4.3-11] [ESP-3.4.3-12] [ESP-3.4.3-13] [ESP-3.4.3-22] [AH-3.4.3-07]
 * The fact sheet's expected verdicts, window 32, both forms of FreeBSD.
 */
Test(replay, rfc4303_3_4_3_freebsd_table_window_32)
{
	static const struct {
		uint32_t seq;
		bool fixed, defect;
	} rows[] = {
		{ 1, true, true },
		{ 2, true, true },
		{ 2, false, false },
		{ 50, true, true },
		{ 19, true, true },
		{ 18, false, true },
		{ 17, false, true },
		{ 17, false, true },
		{ 17, false, true },
		{ 50, false, false },
		{ 0, false, false },
	};
	struct ipm_profile fixed = profile(IPM_PF_OBSERVER);
	struct ipm_profile defect = profile(IPM_PF_FREEBSD_2017);
	struct ipm_replay *a = new_window(32, false, 0);
	struct ipm_replay *b = new_window(32, false, 0);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_expect_eq(offer(a, &fixed, rows[i].seq) == IPM_R_OK,
		    rows[i].fixed, "row %zu, fixed form", i);
		cr_expect_eq(offer(b, &defect, rows[i].seq) == IPM_R_OK,
		    rows[i].defect, "row %zu, defect form", i);
	}
	free(a);
	free(b);
}

/* The walk W7 of the fact sheet: an old packet comes again for ever. */
Test(replay, freebsd_sa_20_02_old_packets_come_again)
{
	struct ipm_profile defect = profile(IPM_PF_FREEBSD_2017);
	struct ipm_profile fixed = profile(IPM_PF_FREEBSD_13);
	struct ipm_replay *a = new_window(32, false, 0);
	struct ipm_replay *b = new_window(32, false, 0);

	for (uint32_t s = 1; s <= 100; s++) {
		cr_assert_eq(offer(a, &defect, s), IPM_R_OK);
		cr_assert_eq(offer(b, &fixed, s), IPM_R_OK);
	}
	for (int i = 0; i < 3; i++)
		cr_expect_eq(offer(a, &defect, 10), IPM_R_OK);
	cr_expect_eq(offer(b, &fixed, 10), IPM_R_LEFT_OF_WINDOW);
	free(a);
	free(b);
}

/* [ESP-3.4.3-23] [AH-3.4.3-13] [AH-3.4.3-14] [AH-3.4.3-15] The recommended 64: N-63 passes, N-64 does not. */
Test(replay, rfc4303_3_4_3_window_edges)
{
	static const uint32_t sizes[] = { 1, 2, 31, 32, 33, 63, 64, 65, 128,
		1024, 4096 };
	struct ipm_profile p = profile(IPM_PF_OBSERVER);

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct ipm_replay *r = new_window(sizes[i], false, 0);
		const uint64_t n = 100000;

		cr_assert_eq(offer(r, &p, n), IPM_R_OK);
		cr_expect_eq(ipm_replay_check(r, &p, n - sizes[i]),
		    IPM_R_LEFT_OF_WINDOW, "size %u", sizes[i]);
		if (sizes[i] > 1)
			cr_expect_eq(ipm_replay_check(r, &p, n - sizes[i] + 1),
			    IPM_R_OK, "size %u", sizes[i]);
		cr_expect_eq(ipm_replay_check(r, &p, n), IPM_R_REPLAYED);
		free(r);
	}
}

/* [ESP-3.4.3-10] [ESP-3.4.3-20] [AH-3.4.3-12] Looking moves nothing. */
Test(replay, rfc4303_3_4_3_looking_changes_nothing)
{
	struct ipm_profile p = profile(IPM_PF_OBSERVER);
	struct ipm_replay *r = new_window(64, true, 5);
	size_t len = ipm_replay_octets(64);
	uint8_t *before = malloc(len);
	uint64_t seq;

	cr_assert_eq(offer(r, &p, 9), IPM_R_OK);
	memcpy(before, r, len);
	for (uint32_t lo = 0; lo < 2000; lo++) {
		(void)ipm_replay_infer(r, &p, lo, &seq);
		(void)ipm_replay_check(r, &p, seq);
	}
	cr_expect_eq(memcmp(before, r, len), 0);
	cr_expect_eq(ipm_replay_mark(r, &p, 9), IPM_R_REPLAYED);
	cr_expect_eq(memcmp(before, r, len), 0, "a refused mark moves it");
	free(before);
	free(r);
}

/* [ESP-3.4.3-04] [ESP-3.4.3-01] [AH-3.4.3-01] [AH-3.4.3-02] Off: any number, any number of times. */
Test(replay, rfc4303_3_4_3_off_accepts_everything)
{
	struct ipm_profile p = profile(IPM_PF_OBSERVER);
	struct ipm_replay *r = new_window(0, false, 0);

	for (int i = 0; i < 3; i++) {
		cr_expect_eq(offer(r, &p, 0), IPM_R_OK);
		cr_expect_eq(offer(r, &p, 7), IPM_R_OK);
		cr_expect_eq(offer(r, &p, 3), IPM_R_OK);
	}
	free(r);
}

/*
 * [ESP-A2.2-01] [ESP-A2.2-02] [ESP-A2.2-03] [ESP-3.4.3-14] [ESP-3.4.3-15]
 * [ESP-A2.1-02] [ESP-A2.1-03] Inference at the edges of the subspaces, from
 * appendix A2.2 with W = 64 (case B where Tl < 63).
 */
Test(replay, rfc4303_a2_2_infers_the_high_half)
{
	static const struct {
		uint64_t top;
		uint32_t lo;
		uint64_t seq; /* 0: refused */
	} rows[] = {
		{ 0xfffffff0, 5, 0x100000005 },
		{ 0x100, 0xf0, 0xf0 },
		{ 0x100, 0xc1, 0xc1 },
		{ 0x100, 0xc0, 0x1000000c0 }, /* left of it: the next 2^32 */
		{ 63, 0, 0 + 0x0 },           /* Tl = W-1: case A, Bl = 0 */
		{ 62, 0xffffffff, 0 },        /* case B with Th = 0 */
		{ 62, 61, 61 },
		{ 62, 1000, 1000 },
		{ 0, 0xffffffff, 0 },
		{ 0x100000005, 0xffffffff, 0xffffffff },
		{ 0x100000005, 0xffffffc6, 0xffffffc6 },
		{ 0x100000005, 0xffffffc5, 0x1ffffffc5 },
		{ 0x10000003f, 0, 0x100000000 },
		{ 0x1ffffffff, 0, 0x200000000 },
	};
	struct ipm_profile p = profile(IPM_PF_OBSERVER);
	struct ipm_replay *r = new_window(64, true, 0);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum ipm_reason got;
		uint64_t seq;

		r->top = rows[i].top;
		got = ipm_replay_infer(r, &p, rows[i].lo, &seq);
		if (rows[i].seq == 0 && rows[i].lo != 0) {
			cr_expect_eq(got, IPM_R_LEFT_OF_WINDOW, "row %zu", i);
			continue;
		}
		cr_expect_eq(got, IPM_R_OK, "row %zu", i);
		cr_expect_eq(seq, rows[i].seq, "row %zu: %llx", i,
		    (unsigned long long)seq);
	}
	/* The other reading of case B with Th 0: the high half stays 0. */
	cr_assert(ipm_profile_set(&p, "esn-before-start", "zero"));
	uint64_t seq;
	r->top = 62;
	cr_expect_eq(ipm_replay_infer(r, &p, 0xffffffff, &seq), IPM_R_OK);
	cr_expect_eq(seq, 0xffffffff);
	free(r);
}

/* [ESP-A2.2-04] 2^32 is a number like any other, 0 is none. */
Test(replay, rfc4303_a2_2_only_the_64_bit_zero_is_none)
{
	struct ipm_profile p = profile(IPM_PF_OBSERVER);
	struct ipm_replay *r = new_window(64, true, 0xfffffffe);

	cr_expect_eq(offer(r, &p, 0xffffffff), IPM_R_OK);
	cr_expect_eq(offer(r, &p, 0x100000000), IPM_R_OK);
	cr_expect_eq(r->top, 0x100000000);
	free(r);
	r = new_window(64, false, 0);
	cr_expect_eq(offer(r, &p, 0), IPM_R_SEQ_ZERO);
	free(r);
}

/*
 * [ESP-A3-01] [ESP-A3.1-01] [ESP-A3.2-01] [ESP-A3.2-02] [AH-B3-01] Resynchronisation, and
 * what "consecutive" means in its two readings.
 */
Test(replay, rfc4303_a3_two_readings_of_consecutive)
{
	static const struct {
		const char *reading;
		bool survives; /* the count, over a replayed packet between */
	} rows[] = { { "consecutive", false }, { "since-valid", true } };

	for (size_t i = 0; i < 2; i++) {
		struct ipm_profile p = profile(IPM_PF_OBSERVER);
		struct ipm_replay *r = new_window(64, true, 100);

		cr_assert_eq(ipm_replay_failed(r, &p), 0, "off by default");
		cr_assert(ipm_profile_set(&p, "esn-resync", rows[i].reading));
		cr_assert(ipm_profile_set(&p, "esn-resync-after", "3"));
		cr_assert(ipm_profile_set(&p, "esn-resync-tries", "5"));
		r->failures = 0;
		cr_expect_eq(ipm_replay_failed(r, &p), 0);
		cr_expect_eq(ipm_replay_failed(r, &p), 0);
		ipm_replay_other(r, &p);
		cr_expect_eq(ipm_replay_failed(r, &p), rows[i].survives ? 5 : 0,
		    "%s", rows[i].reading);
		/* A valid packet ends the run in both readings. */
		cr_expect_eq(offer(r, &p, 101), IPM_R_OK);
		cr_expect_eq(r->failures, 0);
		/* The number that held becomes the top, and is taken. */
		ipm_replay_resync(r, 0x300000007);
		cr_expect_eq(r->top, 0x300000007);
		cr_expect_eq(
		    ipm_replay_check(r, &p, 0x300000007), IPM_R_REPLAYED);
		cr_expect_eq(ipm_replay_check(r, &p, 0x300000006), IPM_R_OK);
		free(r);
	}
}

Test(replay, a3_means_nothing_without_esn)
{
	struct ipm_profile p = profile(IPM_PF_OBSERVER);
	struct ipm_replay *r = new_window(64, false, 0);

	cr_assert(ipm_profile_set(&p, "esn-resync", "consecutive"));
	cr_assert(ipm_profile_set(&p, "esn-resync-after", "1"));
	cr_expect_eq(ipm_replay_failed(r, &p), 0);
	free(r);
}

/* --- what a real kernel did --------------------------------------------------- */

/*
 * The captures named replay-*: each negative entry tells number and right edge,
 * whether its ICV was wrong, and the verdict.
 */
static unsigned
walk_capture(const char *path)
{
	struct ipm_profile p = profile(IPM_PF_OBSERVER);
	json_t *root = json_load_file(path, 0, NULL), *n;
	const json_t *init;
	struct ipm_replay *r;
	unsigned rows = 0;
	uint64_t last;
	bool esn;
	size_t i;

	cr_assert_not_null(root, "%s", path);
	init = json_object_get(root, "initial_seq");
	last = (uint64_t)json_integer_value(json_object_get(init, "hi")) << 32 |
	    (uint64_t)json_integer_value(json_object_get(init, "lo"));
	esn = json_is_true(json_object_get(root, "esn"));
	r = new_window((uint32_t)json_integer_value(
			   json_object_get(root, "replay_window")),
	    esn, last);
	json_array_foreach(json_object_get(root, "negative"), i, n)
	{
		const char *what =
		    json_string_value(json_object_get(n, "what"));
		const char *edge = strstr(what, "right edge ");
		bool bad_icv = strstr(what, "wrong ICV") != NULL;
		uint64_t seq = strtoull(what + 4, NULL, 16), inferred;
		enum ipm_reason got;

		cr_assert_not_null(edge, "%s", what);
		cr_expect_eq(r->top, strtoull(edge + 11, NULL, 16),
		    "%s %zu: %s", path, i + 1, what);
		got = ipm_replay_infer(r, &p, (uint32_t)seq, &inferred);
		if (got == IPM_R_OK)
			got = ipm_replay_check(r, &p, inferred);
		/* A wrongly inferred half makes the ICV fail. */
		if (got == IPM_R_OK && (bad_icv || inferred != seq))
			got = IPM_R_ICV_BAD;
		if (got == IPM_R_OK)
			got = ipm_replay_mark(r, &p, inferred);
		cr_expect_eq(got == IPM_R_OK,
		    strcmp(json_string_value(json_object_get(n, "verdict")),
			"accept") == 0,
		    "%s %zu: %s", path, i + 1, what);
		rows++;
	}
	free(r);
	json_decref(root);
	return rows;
}

/* [ESP-3.4.3-06] [ESP-3.4.3-07] [AH-3.4.3-04] [AH-3.4.3-05] [AH-3.4.3-08] */
Test(replay, captures_of_linux_agree)
{
	static const char *const names[] = { "replay-w0-null-sha1",
		"replay-w32-null-sha1", "replay-w64-null-md5",
		"replay-esn-w32-ah-sha256", "replay-esn-w64-wrap-null-sha1" };
	unsigned rows = 0;
	char path[512];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path,
		    SOURCE_DIR "/vectors/captures/%s.json", names[i]);
		rows += walk_capture(path);
	}
	cr_expect_eq(rows, 5 * 260);
}

/* --- the naive twin ------------------------------------------------------------ */

/*
 * Written from RFC 4303 3.4.3 and A2 alone: the set of numbers that were
 * accepted, as a list, and the highest of them.  A number is acceptable when
 * it is none of them and not left of the window.
 */
struct twin {
	uint64_t top;
	uint32_t size;
	bool esn;
	uint64_t *taken;
	size_t n, cap;
};

/* What a planted fault does to the twin's rules. */
enum fault {
	SOUND,
	EDGE_ONE_TOO_WIDE,
	EDGE_ONE_TOO_NARROW,
	ZERO_IS_A_NUMBER,
	MARKS_BEFORE_THE_ICV,
	FORGETS_WHEN_IT_MOVES,
	NEXT_SUBSPACE_BY_THE_BODY_RULE,
	N_FAULTS
};

static bool
twin_taken(const struct twin *t, uint64_t seq)
{
	for (size_t i = t->n; i-- > 0;)
		if (t->taken[i] == seq)
			return true;
	return false;
}

static void
twin_take(struct twin *t, uint64_t seq, enum fault fault)
{
	size_t kept = 0;

	if (seq > t->top) {
		t->top = seq;
		if (fault == FORGETS_WHEN_IT_MOVES)
			t->n = 0;
	}
	/* Numbers left of the window are refused anyhow. */
	for (size_t i = 0; i < t->n; i++)
		if (t->top - t->taken[i] <= (uint64_t)t->size)
			t->taken[kept++] = t->taken[i];
	t->n = kept;
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->taken = realloc(t->taken, t->cap * sizeof *t->taken);
		cr_assert_not_null(t->taken);
	}
	t->taken[t->n++] = seq;
}

static bool
twin_acceptable(const struct twin *t, uint64_t seq, enum fault fault)
{
	uint64_t size = t->size;

	if (seq == 0 && fault != ZERO_IS_A_NUMBER)
		return false;
	if (seq > t->top)
		return true;
	if (fault == EDGE_ONE_TOO_WIDE)
		size++;
	if (fault == EDGE_ONE_TOO_NARROW)
		size--;
	return seq + size > t->top && !twin_taken(t, seq);
}

/*
 * The number a packet must have: of the numbers with this low half, the one
 * in [top - size + 1, top - size + 2^32], a run of 2^32 numbers that begins
 * with the window; there is none when it would be negative.
 */
static bool
twin_infer(const struct twin *t, uint32_t lo, uint64_t *seq, enum fault fault)
{
	__int128 left = (__int128)t->top - t->size + 1;
	__int128 s;

	if (!t->esn) {
		*seq = lo;
		return true;
	}
	if (fault == NEXT_SUBSPACE_BY_THE_BODY_RULE) {
		*seq = (t->top & 0xffffffff00000000U) | lo;
		if (lo < (uint32_t)t->top)
			*seq += 0x100000000U;
		return true;
	}
	s = (__int128)(t->top & 0xffffffff00000000U) + lo;
	while (s < left)
		s += 0x100000000;
	while (s - 0x100000000 >= left)
		s -= 0x100000000;
	if (s < 0)
		return false;
	*seq = (uint64_t)s;
	return true;
}

/* Where the next packet of a history lies: around the edges that matter. */
static uint64_t
pick(uint64_t *rng, const struct twin *t)
{
	uint64_t r = db_random(rng), near = r >> 8 & 7, far = r >> 16;

	switch (r % 8) {
	case 0:
	case 1:
		return t->top + 1;
	case 2:
		return t->top + 1 + near;
	case 3:
		return t->top - near;
	case 4:
		return t->top - t->size + near - 3;
	case 5:
		return t->top - far % (2 * (uint64_t)t->size + 2);
	case 6:
		return t->top + far % (3 * (uint64_t)t->size + 3);
	default:
		/* Now and then near the end of the low half, or anywhere. */
		return (r >> 40) % 4 != 0 ? t->top + far % 97
		    : t->esn              ? t->top + (far & 0x1ffffffff)
					  : (uint32_t)far;
	}
}

/* Number of the first step at which the two differ, or 0. */
static size_t
history(uint32_t size, bool esn, uint64_t start, uint64_t seed, size_t steps,
    enum fault fault)
{
	struct ipm_profile p = profile(IPM_PF_OBSERVER);
	struct twin t = { .top = start, .size = size, .esn = esn };
	struct ipm_replay *r = new_window(size, esn, start);
	uint64_t rng = seed;
	size_t differs = 0;

	for (size_t i = 1; i <= steps && differs == 0; i++) {
		uint64_t real = pick(&rng, &t), ours = 0, theirs = 0;
		bool authentic = db_random(&rng) % 8 != 0, a, b;
		uint32_t lo;

		if (!esn)
			real = (uint32_t)real;
		lo = (uint32_t)real;
		a = ipm_replay_infer(r, &p, lo, &ours) == IPM_R_OK &&
		    ipm_replay_check(r, &p, ours) == IPM_R_OK;
		b = twin_infer(&t, lo, &theirs, fault) &&
		    twin_acceptable(&t, theirs, fault);
		if (a != b || (a && ours != theirs))
			differs = i;
		/* The ICV holds when the number is the one it was made with. */
		if (a && authentic && ours == real)
			(void)ipm_replay_mark(r, &p, ours);
		if (b &&
		    ((authentic && theirs == real) ||
			fault == MARKS_BEFORE_THE_ICV))
			twin_take(&t, theirs, fault);
		if (differs == 0 && r->top != t.top)
			differs = i;
	}
	free(t.taken);
	free(r);
	return differs;
}

static const uint32_t twin_sizes[] = { 1, 2, 31, 32, 33, 63, 64, 65, 128, 255,
	1024, 2040 };
static const uint64_t twin_starts[] = { 0, 1, 30, 62, 63, 64, 5000, 0xffffff00,
	0xfffffffe, 0xffffffff, 0x100000000, 0x100000020, 0x1fffffff0,
	0x2ffffffff };

static size_t
first_difference(enum fault fault, size_t steps)
{
	for (size_t i = 0; i < sizeof twin_sizes / sizeof twin_sizes[0]; i++)
		for (size_t k = 0;
		     k < sizeof twin_starts / sizeof twin_starts[0]; k++)
			for (int esn = 0; esn < 2; esn++) {
				size_t at;

				if (!esn && twin_starts[k] > 0xffffff00)
					continue;
				at = history(twin_sizes[i], esn, twin_starts[k],
				    i * 1000 + k * 10, steps, fault);
				if (at != 0) {
					if (fault == SOUND)
						cr_log_error(
						    "size %u, start %llx, "
						    "esn %d, step %zu",
						    twin_sizes[i],
						    (unsigned long long)
							twin_starts[k],
						    esn, at);
					return at;
				}
			}
	return 0;
}

/* [ESP-A2.1-01] [ESP-3.4.3-24] [AH-B2-01] */
Test(replay, naive_twin_agrees)
{
	cr_expect_eq(first_difference(SOUND, 4000), 0);
}

Test(replay, naive_twin_finds_every_planted_fault)
{
	for (int f = SOUND + 1; f < N_FAULTS; f++)
		cr_expect_neq(first_difference((enum fault)f, 4000), 0,
		    "fault %d is not seen", f);
}

/* A window too long for a history has edges all the same. */
Test(replay, long_window_edges)
{
	struct ipm_profile p = profile(IPM_PF_OBSERVER);
	struct ipm_replay *r = new_window(1U << 22, false, 0);

	cr_expect_eq(offer(r, &p, 0xf0000000), IPM_R_OK);
	cr_expect_eq(offer(r, &p, 0xf0000000 - (1U << 22) + 1), IPM_R_OK);
	cr_expect_eq(
	    offer(r, &p, 0xf0000000 - (1U << 22)), IPM_R_LEFT_OF_WINDOW);
	free(r);
}
