/*
 * The SAD and its sessions: refusals, order on random histories, deletion,
 * memory per SA.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_derived.h"
#include "db/ipm_state.h"
#include "support/db_box.h"

/* [ESP-A2-01] [ESP-2.8-02] What an SA cannot be, and the phrase for it. */
Test(sad, refusals_say_what_is_wrong)
{
	static const struct {
		const char *enc, *auth;
		uint8_t proto;
		size_t enc_len, auth_len;
		const char *phrase; /* NULL: accepted */
	} rows[] = {
		{ "aes-cbc", "hmac-sha1", 50, 16, 20, NULL },
		{ "aes-cbc", "hmac-sha1", 50, 17, 20,
		    "aes-cbc takes a key of 16, 24 or 32 octets, not 17" },
		{ "aes-cbc", "hmac-sha1", 50, 16, 19,
		    "hmac-sha1 takes a key of 20 octets, not 19" },
		{ "aes-gcm-16", NULL, 50, 20, 0, NULL },
		{ "aes-gcm-16", NULL, 50, 16, 0,
		    "aes-gcm-16 takes a key of 20, 28 or 36 octets (the last "
		    "4 are the salt), not 16" },
		{ "aes-gcm-16", "hmac-sha1", 50, 20, 20,
		    "aes-gcm-16 has its own integrity: no second algorithm "
		    "beside it" },
		{ "aes-ccm-8", NULL, 50, 19, 0, NULL },
		{ "blowfish-cbc", NULL, 50, 4, 0,
		    "blowfish-cbc takes a key of 5 to 56 octets, not 4" },
		{ NULL, "hmac-sha1", 50, 0, 20,
		    "ESP needs an encryption algorithm (null is one)" },
		{ NULL, "hmac-sha1", 51, 0, 20, NULL },
		{ "aes-cbc", "hmac-sha1", 51, 16, 20,
		    "AH needs an authentication algorithm and nothing else" },
		{ NULL, "tcp-md5", 51, 0, 8,
		    "tcp-md5 is for protocol tcp alone" },
		{ NULL, "tcp-md5", 6, 0, 8, NULL },
		{ NULL, "hmac-sha1", 6, 0, 20,
		    "TCP needs the algorithm tcp-md5" },
		{ NULL, NULL, 108, 0, 0,
		    "IPcomp needs a compression algorithm and nothing else" },
		{ NULL, NULL, 17, 0, 0, "protocol 17 has no SAs" },
		{ "hmac-sha1", NULL, 50, 20, 0,
		    "hmac-sha1 is not an encryption algorithm" },
		{ "deflate", NULL, 50, 0, 0,
		    "deflate is not an encryption algorithm" },
		{ "aes-cbc", "aes-xcbc-prf-128", 50, 16, 16,
		    "aes-xcbc-prf-128 is not an authentication algorithm" },
		{ NULL, "aes-cbc", 51, 0, 16,
		    "aes-cbc is not an authentication algorithm" },
		{ NULL, "aes-gmac", 51, 0, 20,
		    "aes-gmac is not an authentication algorithm" },
		{ NULL, "aes-gmac-auth", 51, 0, 20, NULL },
		{ "aes-cbc", NULL, 50, 16, 20,
		    "a key without an authentication algorithm" },
		{ NULL, "hmac-sha1", 51, 16, 20,
		    "a key without an encryption algorithm" },
		{ "aes-cbc", "tcp-md5", 6, 16, 8,
		    "TCP needs the algorithm tcp-md5" },
	};
	char why[160];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_sa_config c = db_config(4, 1, 0x100);
		const char *got;

		c.proto = rows[i].proto;
		c.enc =
		    rows[i].enc == NULL ? NULL : ipm_alg_by_name(rows[i].enc);
		c.auth =
		    rows[i].auth == NULL ? NULL : ipm_alg_by_name(rows[i].auth);
		c.enc_key.len = rows[i].enc_len;
		c.auth_key.len = rows[i].auth_len;
		got = ipm_sad_refusal(&c, why, sizeof why);
		if (rows[i].phrase == NULL)
			cr_expect_null(got, "row %zu: %s", i, got);
		else
			cr_expect_str_eq(got, rows[i].phrase, "row %zu", i);
	}
}

Test(sad, refusals_of_windows_and_flags)
{
	struct ipm_sa_config c = db_config(4, 1, 0x100);
	char why[160];

	c.window = 0x80000001;
	c.flags = IPM_SAF_ESN;
	cr_expect_not_null(ipm_sad_refusal(&c, why, sizeof why));
	c = db_config(4, 1, 0x100);
	c.window = 4294967264U;
	cr_expect_not_null(ipm_sad_refusal(&c, why, sizeof why));
	c = db_config(4, 1, 0x100);
	c.last_seq = 0x100000000;
	cr_expect_not_null(ipm_sad_refusal(&c, why, sizeof why));
	c.flags = IPM_SAF_ESN;
	cr_expect_null(ipm_sad_refusal(&c, why, sizeof why));
	c = db_config(4, 1, 0x100);
	c.src.family = 6;
	cr_expect_not_null(ipm_sad_refusal(&c, why, sizeof why));
	/* A short buffer cuts the phrase and stays inside. */
	char small[9];
	memset(small, 'x', sizeof small);
	cr_expect_not_null(ipm_sad_refusal(&c, small, 8));
	cr_expect_eq(strlen(small), 7);
	cr_expect_eq(small[8], 'x');
}

/* A database with its index; test_derived.c compares the two. */
struct dbs {
	struct ipm_state s;
	struct ipm_derived d;
	struct db_provider p;
	struct db_memory m;
};

static struct dbs *
dbs_new(void)
{
	struct dbs *x = calloc(1, sizeof *x);

	cr_assert_not_null(x);
	db_memory_init(&x->m);
	db_provider_init(&x->p);
	ipm_state_init(&x->s, 0);
	ipm_derived_init(&x->d, &x->p.provider, &x->m.alloc);
	return x;
}

static void
dbs_free(struct dbs *x)
{
	ipm_derived_free(&x->d);
	ipm_state_free(&x->s, &x->m.alloc);
	cr_expect_eq(x->p.opened, x->p.closed, "sessions leak");
	cr_expect_eq(x->m.live, 0, "memory leaks");
	free(x);
}

static ipm_off
add(struct dbs *x, const struct ipm_sa_config *c)
{
	ipm_off off;

	cr_assert_eq(
	    ipm_sad_add(&x->s.sad, &x->s.arena, &x->m.alloc, 5, c, &off),
	    IPM_OK);
	return off;
}

/* Sessions are opened once, at first use, and outlive other SAs' deletion. */
Test(derived, sessions_are_opened_once_and_survive)
{
	struct dbs *x = dbs_new();
	struct ipm_sa_config a = db_config(4, 1, 0x100),
			     b = db_config(4, 1, 0x101);
	ipm_off first = add(x, &a);
	struct ipm_derived_sa *hit;
	struct ipm_session *s;

	(void)add(x, &b);
	cr_assert_eq(ipm_derived_sync(&x->d, &x->s.sad, &x->s.arena), IPM_OK);
	cr_expect_eq(x->p.opened, 0);
	hit = ipm_derived_find(&x->d, &x->s.arena, &b.dst, b.proto, b.spi);
	cr_assert_not_null(hit);
	s = hit->esp.session;
	(void)ipm_derived_find(&x->d, &x->s.arena, &b.dst, b.proto, b.spi);
	cr_expect_eq(x->p.opened, 1);
	cr_assert_eq(ipm_sad_del(&x->s.sad, &x->s.arena, first), IPM_OK);
	cr_assert_eq(ipm_derived_sync(&x->d, &x->s.sad, &x->s.arena), IPM_OK);
	hit = ipm_derived_find(&x->d, &x->s.arena, &b.dst, b.proto, b.spi);
	cr_assert_not_null(hit);
	cr_expect_eq(hit->esp.session, s);
	cr_expect_eq(x->p.opened, 1);
	dbs_free(x);
}

/* What an IPcomp SA cannot be: CPIs have 16 bits (RFC 3173 2.1), no keys. */
Test(sad, rfc3173_refusals_of_ipcomp)
{
	static const uint8_t big[70000];
	struct ipm_sa_config good = db_config(4, 1, 0xffff), c;
	char why[160];

	good.proto = IPM_PROTO_IPCOMP;
	good.enc = good.auth = NULL;
	good.enc_key.len = good.auth_key.len = 0;
	good.comp = ipm_alg_by_name("deflate");
	cr_expect_null(ipm_sad_refusal(&good, why, sizeof why));
	c = good;
	c.spi = 0x10000;
	cr_expect_str_eq(
	    ipm_sad_refusal(&c, why, sizeof why), "a CPI has 16 bits");
	/* A key that the 16-bit length of the SA could not hold. */
	c = good;
	c.enc_key = ipm_span(big, sizeof big);
	cr_expect_str_eq(ipm_sad_refusal(&c, why, sizeof why),
	    "a key without an encryption algorithm");
	c = good;
	c.comp = ipm_alg_by_name("null");
	cr_expect_str_eq(ipm_sad_refusal(&c, why, sizeof why),
	    "null is not a compression algorithm");
}

/*
 * The list holds the order of addition; serial numbers ascend, and none comes
 * twice, whatever is deleted; the generation changes with every step.  The
 * naive twin is an array.
 */
Test(sad, order_serials_and_generation_on_a_random_history)
{
	static struct {
		ipm_off off;
		uint64_t serial;
		uint32_t spi;
	} rows[1000];
	struct dbs *x = dbs_new();
	uint64_t rng = 7, last = 0, generation = x->s.sad.generation;
	size_t n = 0;

	for (unsigned step = 0; step < 1000; step++) {
		uint64_t r = db_random(&rng);
		ipm_off off;
		size_t i = 0;

		if (n == 0 || r % 8 < 5) {
			struct ipm_sa_config c = db_config(6, 1, 0x100 + step);
			const struct ipm_sa *sa;

			rows[n].off = add(x, &c);
			sa = ipm_arena_at(&x->s.arena, rows[n].off);
			cr_assert_gt(sa->serial, last);
			last = rows[n].serial = sa->serial;
			rows[n++].spi = c.spi;
		} else {
			/* First, last, any. */
			size_t k = r % 8 == 5 ? 0
			    : r % 8 == 6      ? n - 1
					      : (r >> 8) % n;

			cr_assert_eq(
			    ipm_sad_del(&x->s.sad, &x->s.arena, rows[k].off),
			    IPM_OK);
			memmove(&rows[k], &rows[k + 1],
			    (n - k - 1) * sizeof rows[0]);
			n--;
		}
		cr_assert_neq(x->s.sad.generation, generation);
		generation = x->s.sad.generation;
		cr_assert_eq(x->s.sad.count, n);
		for (off = x->s.sad.first; off != 0; i++) {
			const struct ipm_sa *sa =
			    ipm_arena_at(&x->s.arena, off);

			cr_assert_lt(i, n);
			cr_assert_eq(sa->serial, rows[i].serial);
			cr_assert_eq(sa->spi, rows[i].spi);
			cr_assert_eq(sa->created, 5);
			off = sa->next;
		}
		cr_assert_eq(i, n);
		cr_assert_eq(x->s.sad.last, n == 0 ? 0 : rows[n - 1].off);
	}
	dbs_free(x);
}

/* A deleted SA leaves no key behind, and its memory is used again. */
Test(sad, deletion_wipes_and_returns)
{
	struct dbs *x = dbs_new();
	struct ipm_sa_config c = db_config(6, 1, 0x100);
	ipm_off off = add(x, &c);
	size_t used = x->s.arena.used;
	bool found = false;

	cr_assert_eq(ipm_sad_del(&x->s.sad, &x->s.arena, off), IPM_OK);
	for (size_t i = 0; i + 5 <= x->s.arena.used; i++)
		found =
		    found || memcmp(x->s.arena.base + i, c.enc_key.p, 5) == 0;
	cr_expect_not(found);
	cr_expect_eq(x->s.arena.in_use, 0);
	(void)add(x, &c);
	cr_expect_eq(x->s.arena.used, used);
	cr_expect_eq(
	    ipm_sad_del(&x->s.sad, &x->s.arena, 12345), IPM_ERR_NOTFOUND);
	dbs_free(x);
}

/* At most 512 octets per idle SA: window 64, IPv6, AES-256, HMAC-SHA-512. */
Test(sad, memory_per_idle_sa)
{
	enum {
		N = 10000
	};
	struct dbs *x = dbs_new();
	size_t total;

	for (uint32_t i = 0; i < N; i++) {
		struct ipm_sa_config c = db_config(6, i, 0x1000 + i);

		(void)add(x, &c);
	}
	cr_assert_eq(ipm_derived_sync(&x->d, &x->s.sad, &x->s.arena), IPM_OK);
	total = x->s.arena.in_use + N * sizeof x->d.sas[0] +
	    x->d.n_slots * sizeof x->d.slots[0];
	cr_log_info("%zu octets per SA", total / N);
	cr_expect(total / N <= 512, "%zu", total / N);
	dbs_free(x);
}

/* No room: an error, nothing half-done, the digest as it was. */
Test(sad, no_memory_leaves_everything_as_it_was)
{
	struct db_memory m;
	struct ipm_state s;
	ipm_off off;
	unsigned added = 0;
	uint64_t digest = 0;
	size_t in_use = 0;
	enum ipm_err err = IPM_OK;

	db_memory_init(&m);
	m.fail_at = 2;
	ipm_state_init(&s, 0);
	while (err == IPM_OK && added < 1000) {
		struct ipm_sa_config c = db_config(4, added, 0x100);

		digest = ipm_state_digest(&s);
		in_use = s.arena.in_use;
		err = ipm_sad_add(&s.sad, &s.arena, &m.alloc, 0, &c, &off);
		added += err == IPM_OK;
	}
	cr_expect_eq(err, IPM_ERR_NOMEM);
	cr_expect(added > 3 && added < 100);
	cr_expect_eq(ipm_state_digest(&s), digest);
	cr_expect_eq(s.arena.in_use, in_use);
	cr_expect_eq(s.sad.count, added);
	ipm_state_free(&s, &m.alloc);
}

/* A copy is equal, and goes its own way. */
Test(state, clone_is_equal_and_apart)
{
	struct dbs *x = dbs_new();
	struct ipm_sa_config c = db_config(4, 1, 0x100);
	struct ipm_state copy;
	struct ipm_profile p;
	ipm_off off = add(x, &c);
	struct ipm_sa *sa;

	ipm_profile_init(&p, IPM_PF_OBSERVER);
	cr_assert_eq(ipm_state_clone(&copy, &x->s, &x->m.alloc), IPM_OK);
	cr_expect_eq(ipm_state_digest(&copy), ipm_state_digest(&x->s));
	sa = ipm_arena_at(&copy.arena, off);
	cr_assert_eq(
	    ipm_replay_mark(ipm_arena_at(&copy.arena, sa->replay), &p, 9),
	    IPM_OK);
	cr_expect_neq(ipm_state_digest(&copy), ipm_state_digest(&x->s));
	ipm_state_free(&copy, &x->m.alloc);
	dbs_free(x);
}
