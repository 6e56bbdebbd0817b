/*
 * Heads and their SAs against plain arrays on random histories: order in each
 * list, both directions, what is freed; and want of memory.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "support/db_box.h"

#define HEADS 4
#define SAS   64

struct twin_sa {
	ipm_off off;
	uint32_t spi;
	uint64_t created;
	int head;
	bool larval;
};

/* Newest first, as the lists are; all heads together. */
struct twin {
	struct twin_sa sa[SAS];
	size_t n;
};

struct world {
	struct db_memory m;
	struct ipm_arena a;
	struct ipm_sad sad;
	ipm_off head[HEADS];
	struct twin t;
};

static void
insert(struct twin *t, size_t at, struct twin_sa sa)
{
	memmove(&t->sa[at + 1], &t->sa[at], (t->n - at) * sizeof sa);
	t->sa[at] = sa;
	t->n++;
}

static struct twin_sa
take_out(struct twin *t, size_t at)
{
	struct twin_sa sa = t->sa[at];

	t->n--;
	memmove(&t->sa[at], &t->sa[at + 1], (t->n - at) * sizeof sa);
	return sa;
}

static const struct ipm_sa *
sa_at(const struct world *w, ipm_off off)
{
	return ipm_arena_at(&w->a, off);
}

/* One list of a head is the twin's, read from both ends. */
static void
expect_list(
    const struct world *w, int head, bool larval, ipm_off first, ipm_off last)
{
	ipm_off off = first, prev = 0;

	for (size_t i = 0; i < w->t.n; i++) {
		const struct twin_sa *s = &w->t.sa[i];

		if (s->head != head || s->larval != larval)
			continue;
		cr_assert_eq(off, s->off);
		cr_assert_eq(sa_at(w, off)->spi, s->spi);
		cr_assert_eq(sa_at(w, off)->created, s->created);
		cr_assert_eq(sa_at(w, off)->sah, w->head[head]);
		cr_assert_eq(sa_at(w, off)->sah_prev, prev);
		prev = off;
		off = sa_at(w, off)->sah_next;
	}
	cr_assert_eq(off, 0);
	cr_assert_eq(last, prev);
}

static void
expect_twin(const struct world *w)
{
	uint32_t n = 0;
	ipm_off prev = 0;

	for (int i = 0; i < HEADS; i++) {
		const struct ipm_sah *h = ipm_arena_at(&w->a, w->head[i]);

		expect_list(w, i, false, h->alive_first, h->alive_last);
		expect_list(w, i, true, h->larval_first, h->larval_last);
	}
	for (ipm_off off = w->sad.first; off != 0; n++) {
		cr_assert_eq(sa_at(w, off)->prev, prev);
		prev = off;
		off = sa_at(w, off)->next;
	}
	cr_assert_eq(n, w->t.n);
	cr_assert_eq(w->sad.count, w->t.n);
	cr_assert_eq(w->sad.last, prev);
}

static struct ipm_saidx
index_of(int head)
{
	struct ipm_sa_config c = db_config(6, (uint32_t)head, 1);

	return (struct ipm_saidx){ c.src, c.dst, (uint32_t)head, 50, 1 };
}

static struct ipm_sa_fill
fill_of(uint64_t v, const struct ipm_sa_life *l, const struct ipm_sa_natt *n)
{
	struct ipm_sa_config c = db_config(6, 1, 1);

	return (struct ipm_sa_fill){ .enc = c.enc,
		.auth = c.auth,
		.enc_key = c.enc_key,
		.auth_key = c.auth_key,
		.window = (uint32_t)(v % 3) * 64,
		.life = (v & 8) != 0 ? l : NULL,
		.natt = (v & 16) != 0 ? n : NULL };
}

static void
begin(struct world *w)
{
	memset(w, 0, sizeof *w);
	db_memory_init(&w->m);
	ipm_arena_init(&w->a, 0);
	for (int i = 0; i < HEADS; i++) {
		struct ipm_saidx idx = index_of(i);

		cr_assert_eq(ipm_sah_make(&w->sad, &w->a, &w->m.alloc, &idx,
				 &w->head[i]),
		    IPM_OK);
	}
}

static void
step(struct world *w, uint64_t v, uint64_t now)
{
	static const struct ipm_sa_life life = { { 1, 2, 3, 4 },
		{ 5, 6, 7, 8 } };
	static const struct ipm_sa_natt natt = { .delta = 9 };
	struct ipm_sa_fill f = fill_of(v, &life, &natt);
	struct twin_sa s = { .spi = (uint32_t)(v >> 32),
		.created = now,
		.head = (int)((v >> 8) % HEADS),
		.larval = (v & 4) != 0 };
	size_t at = w->t.n == 0 ? 0 : (size_t)(v >> 16) % w->t.n;

	if (w->t.n < SAS - 1 && (w->t.n == 0 || v % 16 < 7)) {
		cr_assert_eq(
		    ipm_sa_make(&w->sad, &w->a, &w->m.alloc, now,
			w->head[s.head], s.spi, s.larval ? NULL : &f, &s.off),
		    IPM_OK);
		insert(&w->t, 0, s);
	} else if (v % 16 < 11 && w->t.sa[at].larval) {
		s = take_out(&w->t, at);
		s.larval = false;
		s.created = now;
		cr_assert_eq(
		    ipm_sa_mature(&w->sad, &w->a, &w->m.alloc, now, s.off, &f),
		    IPM_OK);
		insert(&w->t, 0, s);
	} else if (v % 16 < 11) {
		int head = s.head;

		s = take_out(&w->t, at);
		s.head = head;
		cr_assert_eq(ipm_sa_move(&w->sad, &w->a, &w->m.alloc, s.off,
				 w->head[head], f.natt, 1, 2),
		    IPM_OK);
		/* before the first that is older */
		for (at = 0; at < w->t.n; at++)
			if (w->t.sa[at].head == head && !w->t.sa[at].larval &&
			    w->t.sa[at].created < s.created)
				break;
		insert(&w->t, at, s);
	} else if (v % 16 < 13) {
		cr_assert_eq(ipm_sa_set_life(
				 &w->a, &w->m.alloc, w->t.sa[at].off, f.life),
		    IPM_OK);
		cr_assert_eq(
		    sa_at(w, w->t.sa[at].off)->life != 0, f.life != NULL);
	} else {
		s = take_out(&w->t, at);
		cr_assert_eq(ipm_sad_del(&w->sad, &w->a, s.off), IPM_OK);
		cr_assert_eq(
		    ipm_sad_del(&w->sad, &w->a, s.off), IPM_ERR_NOTFOUND);
	}
}

Test(sah, agrees_with_arrays_on_random_histories)
{
	static struct world w;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t rng = seed;

		begin(&w);
		for (uint64_t i = 0; i < 600; i++) {
			step(&w, db_random(&rng), 1000 + i / 4);
			expect_twin(&w);
		}
		while (w.t.n > 0)
			cr_assert_eq(
			    ipm_sad_del(&w.sad, &w.a, take_out(&w.t, 0).off),
			    IPM_OK);
		for (int i = HEADS - 1; i >= 0; i -= 2)
			ipm_sah_free(&w.sad, &w.a, w.head[i]);
		for (int i = 0; i < HEADS; i += 2)
			ipm_sah_free(&w.sad, &w.a, w.head[i]);
		cr_expect_eq(w.sad.sah_first, 0);
		cr_expect_eq(w.sad.sah_last, 0);
		cr_expect_eq(w.sad.sah_count, 0);
		cr_expect_eq(w.a.in_use, 0, "nothing is left in the arena");
		ipm_arena_free(&w.a, &w.m.alloc);
		cr_expect_eq(w.m.live, 0);
	}
}

/* Each level of the comparison (facts: key_cmpsaidx). */
Test(sah, how_closely_an_index_matches)
{
	struct ipm_saidx head = index_of(3), wanted = head;

	for (int how = 0; how < 3; how++)
		cr_expect(
		    ipm_saidx_match(&head, &wanted, (enum ipm_saidx_cmp)how));
	wanted.reqid = 0;
	cr_expect(ipm_saidx_match(&head, &wanted, IPM_CMP_MODE_REQID));
	cr_expect(!ipm_saidx_match(&head, &wanted, IPM_CMP_EXACTLY));
	wanted.reqid = 4;
	cr_expect(!ipm_saidx_match(&head, &wanted, IPM_CMP_MODE_REQID));
	cr_expect(ipm_saidx_match(&head, &wanted, IPM_CMP_HEAD));
	/* reqid 0 is a wish, not a property */
	head.reqid = 0;
	cr_expect(!ipm_saidx_match(&head, &wanted, IPM_CMP_MODE_REQID));
	wanted = head;
	wanted.mode = 2;
	cr_expect(!ipm_saidx_match(&head, &wanted, IPM_CMP_MODE_REQID));
	head.mode = 0;
	cr_expect(ipm_saidx_match(&head, &wanted, IPM_CMP_MODE_REQID));
	cr_expect(!ipm_saidx_match(&head, &wanted, IPM_CMP_EXACTLY));
	wanted.proto = 51;
	cr_expect(!ipm_saidx_match(&head, &wanted, IPM_CMP_HEAD));
	wanted = head;
	wanted.src.scope = 1;
	cr_expect(!ipm_saidx_match(&head, &wanted, IPM_CMP_HEAD));
}

/* With each octet less than it takes, nothing is changed. */
Test(sah, no_memory)
{
	static const struct ipm_sa_life life = { { 1, 2, 3, 4 },
		{ 5, 6, 7, 8 } };
	static const struct ipm_sa_natt natt = { .delta = 9 };
	static struct world w;
	ipm_off off = 0, larval;
	unsigned refused = 0;
	bool matured = false;

	begin(&w);
	cr_assert_eq(ipm_sa_make(&w.sad, &w.a, &w.m.alloc, 1, w.head[0], 9,
			 NULL, &larval),
	    IPM_OK);
	w.m.fail_at = w.m.calls + 1;
	/* fill the arena up, then let the limit rise */
	while (ipm_arena_take(&w.a, &w.m.alloc, 8) != 0)
		;
	w.m.fail_at = 0;
	for (size_t more = 0;; more += 8) {
		struct ipm_sa_fill f = fill_of(1 + 8 + 16, &life, &natt);
		struct ipm_sad before = w.sad;
		size_t in_use = w.a.in_use;

		w.a.limit = w.a.cap + more;
		if (ipm_sa_make(&w.sad, &w.a, &w.m.alloc, 2, w.head[1], 5, &f,
			&off) == IPM_OK)
			break;
		refused++;
		cr_expect_eq(off, 0);
		cr_expect_eq(w.a.in_use, in_use);
		cr_expect_eq(memcmp(&w.sad, &before, sizeof before), 0);
		/* which needs a piece less */
		if (matured ||
		    ipm_sa_mature(&w.sad, &w.a, &w.m.alloc, 2, larval, &f) ==
			IPM_OK) {
			matured = true;
			continue;
		}
		cr_expect_eq(sa_at(&w, larval)->state, IPM_SA_LARVAL);
		cr_expect_eq(w.a.in_use, in_use);
		cr_expect_eq(memcmp(&w.sad, &before, sizeof before), 0);
		cr_assert_lt(more, 2000);
	}
	cr_expect_gt(refused, 5);
	ipm_arena_free(&w.a, &w.m.alloc);
}
