/*
 * The index over the SAD and the sessions behind it: what it fills in, when
 * sessions are opened and closed, what it costs, and a naive twin (an array,
 * searched from the front) on random histories.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "db/ipm_derived.h"
#include "db/ipm_state.h"
#include "hx_engine.h"
#include "support/db_box.h"

struct box {
	struct db_memory m;
	struct db_provider p;
	struct ipm_state s;
	struct ipm_derived d;
};

static struct box *
box_new(void)
{
	struct box *b = calloc(1, sizeof *b);

	cr_assert_not_null(b);
	db_memory_init(&b->m);
	db_provider_init(&b->p);
	ipm_state_init(&b->s, 0);
	ipm_derived_init(&b->d, &b->p.provider, &b->m.alloc);
	return b;
}

static void
box_free(struct box *b)
{
	ipm_derived_free(&b->d);
	ipm_state_free(&b->s, &b->m.alloc);
	cr_expect_eq(b->p.opened, b->p.closed, "sessions");
	cr_expect_eq(b->m.live, 0, "blocks");
	cr_expect_eq(b->m.octets, 0, "octets");
	free(b);
}

static ipm_off
add(struct box *b, const struct ipm_sa_config *c)
{
	ipm_off off;

	cr_assert_eq(
	    ipm_sad_add(&b->s.sad, &b->s.arena, &b->m.alloc, 5, c, &off),
	    IPM_OK);
	return off;
}

static void
del(struct box *b, ipm_off off)
{
	cr_assert_eq(ipm_sad_del(&b->s.sad, &b->s.arena, off), IPM_OK);
}

static void
sync(struct box *b)
{
	cr_assert_eq(ipm_derived_sync(&b->d, &b->s.sad, &b->s.arena), IPM_OK);
}

static struct ipm_derived_sa *
find(struct box *b, const struct ipm_sa_config *c)
{
	return ipm_derived_find(&b->d, &b->s.arena, &c->dst, c->proto, c->spi);
}

static const struct db_session *
session(const struct ipm_session *s)
{
	return (const void *)s;
}

/* --- what an entry says --------------------------------------------------------- */

/* The salt is what PF_KEY has behind the key (RFC 3686 5.1, RFC 4106 8.1, RFC
 * 4309 7.1, RFC 4543 5.1, RFC 7634 2). */
Test(derived, the_salt_is_the_end_of_the_key)
{
	static const struct {
		const char *enc, *auth;
		size_t enc_len, auth_len, salt;
	} rows[] = {
		{ "aes-cbc", "hmac-sha1", 16, 20, 0 },
		{ "aes-ctr", "hmac-sha1", 20, 20, 4 },
		{ "aes-gcm-16", NULL, 20, 0, 4 },
		{ "aes-gcm-8", NULL, 36, 0, 4 },
		{ "aes-ccm-16", NULL, 19, 0, 3 },
		{ "aes-ccm-12", NULL, 27, 0, 3 },
		{ "aes-gmac", NULL, 20, 0, 4 },
		{ "chacha20-poly1305", NULL, 36, 0, 4 },
		{ "null", "hmac-sha256", 0, 32, 0 },
		{ NULL, "hmac-sha256", 0, 32, 0 },
		{ NULL, "aes-gmac-auth", 0, 20, 4 },
		{ NULL, "aes-gmac-auth", 0, 36, 4 },
	};
	static const uint8_t key[64] = { 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
		21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36,
		37, 38, 39, 40, 41, 42, 43, 44, 45, 46 };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box *b = box_new();
		struct ipm_sa_config c = db_config(4, 1, 0x100);
		const size_t salted =
		    rows[i].enc != NULL ? rows[i].enc_len : rows[i].auth_len;
		const struct db_session *got;
		struct ipm_derived_sa *d;
		const uint8_t *salt;

		c.proto = rows[i].enc != NULL ? IPM_PROTO_ESP : IPM_PROTO_AH;
		c.enc =
		    rows[i].enc == NULL ? NULL : ipm_alg_by_name(rows[i].enc);
		c.auth =
		    rows[i].auth == NULL ? NULL : ipm_alg_by_name(rows[i].auth);
		c.enc_key = ipm_span(key, rows[i].enc_len);
		c.auth_key = ipm_span(key, rows[i].auth_len);
		(void)add(b, &c);
		sync(b);
		d = find(b, &c);
		cr_assert_not_null(d, "row %zu", i);
		cr_assert_eq(d->err, IPM_OK);
		got = session(
		    c.proto == IPM_PROTO_ESP ? d->esp.session : d->ah.session);
		salt = c.proto == IPM_PROTO_ESP ? d->esp.salt : d->ah.salt;
		cr_expect_eq(
		    memcmp(salt, key + salted - rows[i].salt, rows[i].salt), 0,
		    "row %zu: salt", i);
		cr_expect_eq(got->enc, c.enc);
		cr_expect_eq(got->auth, c.auth);
		cr_expect_eq(got->enc_len + got->auth_len,
		    rows[i].enc_len + rows[i].auth_len - rows[i].salt,
		    "row %zu: key lengths", i);
		cr_expect_eq(memcmp(got->enc_key, key, got->enc_len), 0);
		cr_expect_eq(memcmp(got->auth_key, key, got->auth_len), 0);
		box_free(b);
	}
}

Test(derived, flags_of_an_sa_reach_the_transforms)
{
	static const struct {
		uint32_t flags;
		bool esn, old, align4;
		enum ipm_pad_fill fill;
	} rows[] = {
		{ 0, false, false, false, IPM_PAD_SEQ },
		{ IPM_SAF_ESN, true, false, false, IPM_PAD_SEQ },
		{ IPM_SAF_OLD, false, true, false, IPM_PAD_SEQ },
		{ IPM_SAF_PAD_ZERO, false, false, false, IPM_PAD_ZERO },
		{ IPM_SAF_PAD_RANDOM, false, false, false, IPM_PAD_RANDOM },
		{ IPM_SAF_ALIGN4, false, false, true, IPM_PAD_SEQ },
		{ IPM_SAF_NOECN | IPM_SAF_DECAP_DSCP, false, false, false,
		    IPM_PAD_SEQ },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box *b = box_new();
		struct ipm_sa_config esp = db_config(6, 1, 0x100);
		struct ipm_sa_config ah = db_config(6, 1, 0x101);
		struct ipm_derived_sa *d;

		esp.flags = ah.flags = rows[i].flags;
		ah.proto = IPM_PROTO_AH;
		ah.enc = NULL;
		ah.enc_key.len = 0;
		(void)add(b, &esp);
		(void)add(b, &ah);
		sync(b);
		d = find(b, &esp);
		cr_assert_not_null(d);
		cr_expect_eq(d->esp.spi, 0x100);
		cr_expect_eq(d->esp.enc, esp.enc);
		cr_expect_eq(d->esp.auth, esp.auth);
		cr_expect_eq(d->esp.provider, &b->p.provider);
		cr_expect_eq(d->esp.esn, rows[i].esn, "row %zu", i);
		cr_expect_eq(d->esp.old, rows[i].old, "row %zu", i);
		cr_expect_eq(d->esp.pad_fill, rows[i].fill, "row %zu", i);
		d = find(b, &ah);
		cr_assert_not_null(d);
		cr_expect_eq(d->ah.spi, 0x101);
		cr_expect_eq(d->ah.auth, ah.auth);
		cr_expect_eq(d->ah.provider, &b->p.provider);
		cr_expect_eq(d->ah.esn, rows[i].esn, "row %zu", i);
		cr_expect_eq(d->ah.old, rows[i].old, "row %zu", i);
		cr_expect_eq(d->ah.align4, rows[i].align4, "row %zu", i);
		box_free(b);
	}
}

/* Of two SAs with one name the first added is meant, and then the second. */
Test(derived, the_first_of_two_equal_ones)
{
	struct box *b = box_new();
	struct ipm_sa_config c = db_config(4, 1, 0x100);
	ipm_off first = add(b, &c), second;
	struct ipm_derived_sa *d;

	c.window = 32;
	second = add(b, &c);
	for (uint32_t i = 0; i < 100; i++) {
		struct ipm_sa_config other = db_config(4, 2 + i, 0x100);

		(void)add(b, &other);
		sync(b);
		d = find(b, &c);
		cr_assert_not_null(d);
		cr_expect_eq(d->off, first);
	}
	del(b, first);
	sync(b);
	d = find(b, &c);
	cr_assert_not_null(d);
	cr_expect_eq(d->off, second);
	box_free(b);
}

/* Only the four octets of an IPv4 address name an SA. */
Test(derived, ipv4_looks_at_four_octets)
{
	struct box *b = box_new();
	struct ipm_sa_config c = db_config(4, 1, 0x100);

	(void)add(b, &c);
	sync(b);
	memset(c.dst.octet + 4, 0xee, 12);
	cr_expect_not_null(find(b, &c));
	box_free(b);
}

/* --- sessions ---------------------------------------------------------------------- */

/* IPcomp has no keys: no session is asked for. */
Test(derived, ipcomp_has_no_session)
{
	struct box *b = box_new();
	struct ipm_sa_config c = db_config(4, 1, 0x100);
	struct ipm_derived_sa *d;

	c.proto = IPM_PROTO_IPCOMP;
	c.enc = c.auth = NULL;
	c.enc_key.len = c.auth_key.len = 0;
	c.comp = ipm_alg_by_name("deflate");
	cr_expect_eq(ipm_derived_comp_between(
			 &b->d, &b->s.arena, &c.src, &c.dst, c.mode),
	    0);
	ipm_off off = add(b, &c);
	sync(b);
	d = find(b, &c);
	cr_assert_not_null(d);
	cr_expect_eq(d->err, IPM_OK);
	cr_expect_eq(b->p.opened, 0);
	cr_expect_eq(ipm_derived_comp_between(
			 &b->d, &b->s.arena, &c.src, &c.dst, c.mode),
	    off);
	cr_expect_eq(ipm_derived_comp_between(
			 &b->d, &b->s.arena, &c.dst, &c.src, c.mode),
	    0);
	del(b, off);
	sync(b);
	cr_expect_eq(ipm_derived_comp_between(
			 &b->d, &b->s.arena, &c.src, &c.dst, c.mode),
	    0);
	box_free(b);
}

/* A provider that cannot: asked once, and its answer is kept. */
Test(derived, refused_session_is_an_answer)
{
	struct box *b = box_new();
	struct ipm_sa_config c = db_config(4, 1, 0x100);
	struct ipm_derived_sa *d;

	b->p.refuse = IPM_ERR_UNSUPPORTED;
	(void)add(b, &c);
	sync(b);
	d = find(b, &c);
	cr_assert_not_null(d);
	cr_expect_eq(d->err, IPM_ERR_UNSUPPORTED);
	cr_expect_null(d->esp.session);
	cr_expect_eq(d->esp.enc, c.enc);
	cr_expect_eq(d->esp.auth, c.auth);
	b->p.refuse = IPM_OK;
	cr_expect_eq(find(b, &c)->err, IPM_ERR_UNSUPPORTED);
	cr_expect_eq(b->p.opened, 0);
	box_free(b);
}

/* A packet for such an SA ends as no-provider, ESP and AH. */
Test(derived, packet_without_a_provider_is_dropped_by_name)
{
	static uint8_t packet[64] = { 0x45, 0, 0, 64, 0, 0, 0, 0, 64, 0, 0, 0,
		192, 0, 2, 1, 192, 0, 2, 2 };
	static struct hx_engine e;
	static struct ipm_observation o;
	const uint8_t protos[] = { IPM_PROTO_ESP, IPM_PROTO_AH };
	struct db_provider p;

	db_provider_init(&p);
	p.refuse = IPM_ERR_UNSUPPORTED;
	cr_assert(hx_engine_open(&e, IPM_PF_OBSERVER));
	cr_assert(ipm_profile_set(&e.profile, "ip-checksum", "ignore"));
	ipm_derived_init(&e.derived, &p.provider, &e.alloc);
	for (size_t i = 0; i < 2; i++) {
		struct ipm_sa_config c = db_config(4, 0xc0000202, 0x100);

		c.proto = protos[i];
		if (c.proto == IPM_PROTO_AH) {
			c.enc = NULL;
			c.enc_key.len = 0;
		}
		cr_assert_eq(hx_engine_add_sa(&e, &c), IPM_OK);
		packet[9] = c.proto;
		memset(packet + 20, 0, 44);
		ipm_store32(
		    packet + 20 + (c.proto == IPM_PROTO_AH ? 4 : 0), 0x100);
		hx_engine_observe(
		    &e, 1, 0, ipm_span(packet, sizeof packet), i, &o);
		cr_expect_eq(o.reason, IPM_R_NO_PROVIDER, "%s",
		    ipm_reasons[o.reason].name);
	}
	hx_engine_close(&e);
}

/* --- ports of encapsulated SAs ------------------------------------------------------- */

static void
expect_ports(const struct box *b, uint32_t n, uint16_t first)
{
	unsigned set = 0;

	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		set += ipm_derived_natt_port(&b->d, (uint16_t)port);
	cr_expect_eq(set, n);
	cr_expect_eq(b->d.natt_any, n != 0);
	for (uint16_t i = 0; i < n; i++)
		cr_expect(ipm_derived_natt_port(&b->d, (uint16_t)(first + i)));
}

Test(derived, ports_are_told_once_each_and_forgotten_with_their_sas)
{
	struct box *b = box_new();
	ipm_off off[40];

	for (uint16_t i = 0; i < 40; i++) {
		struct ipm_sa_config c = db_config(4, 1, 0x100U + i);

		c.flags = IPM_SAF_NATT;
		c.sport = 1024;
		c.dport = (uint16_t)(4500 + i / 2);
		off[i] = add(b, &c);
		sync(b);
		expect_ports(b, i / 2 + 1U, 4500);
	}
	for (uint16_t i = 0; i < 39; i++)
		del(b, off[i]);
	sync(b);
	expect_ports(b, 1, 4519);
	del(b, off[39]);
	sync(b);
	expect_ports(b, 0, 0);
	box_free(b);
}

/* --- cost ---------------------------------------------------------------------------- */

/* Bringing the index up to date after each of many additions: were each a
 * rebuilding, it would take 10^10 steps. */
Test(derived, additions_are_incremental, .timeout = 60)
{
	enum {
		N = 150000
	};
	struct box *b = box_new();

	for (uint32_t i = 0; i < N; i++) {
		struct ipm_sa_config c = db_config(4, i % 100, 0x100 + i);

		c.enc = ipm_alg_by_name("null");
		c.enc_key.len = 0;
		c.window = 0;
		(void)add(b, &c);
		sync(b);
	}
	cr_expect_eq(b->d.count, N);
	cr_expect_eq(b->p.opened, 0);
	for (uint32_t i = 0; i < N; i += 97) {
		struct ipm_sa_config c = db_config(4, i % 100, 0x100 + i);

		cr_assert_not_null(find(b, &c));
	}
	box_free(b);
}

/* Chains stay short for SPIs that are next to each other, for SPIs that share
 * their low bits, and for many destinations with one SPI. */
Test(derived, chains_stay_short)
{
	static const char *const kinds[] = { "consecutive SPIs",
		"SPIs in steps of 2^16", "one SPI, many destinations",
		"one SPI, many IPv6 destinations" };
	enum {
		N = 20000
	};

	for (unsigned k = 0; k < 4; k++) {
		struct box *b = box_new();
		uint32_t run = 0, longest = 0;

		for (uint32_t i = 0; i < N; i++) {
			struct ipm_sa_config c = k == 0
			    ? db_config(4, 1, 0x100 + i)
			    : k == 1 ? db_config(4, 1, i << 16 | i >> 16)
			    : k == 2 ? db_config(4, i << 8, 0x100)
				     : db_config(6, i, 0x100);

			(void)add(b, &c);
		}
		sync(b);
		cr_expect_leq(b->d.count, b->d.n_slots / 2);
		for (uint32_t i = 0; i < b->d.n_slots; i++) {
			run = b->d.slots[i].index == 0 ? 0 : run + 1;
			longest = run > longest ? run : longest;
		}
		/* At a load of one half and random places, runs beyond 100
		 * in 65536 places have a chance below 10^-9. */
		cr_expect_leq(longest, 100, "%s: %u", kinds[k], longest);
		box_free(b);
	}
}

/* At most 512 octets for an idle SA, with what the growing blocks hold free. */
Test(derived, memory_of_an_idle_sa_with_all_slack)
{
	struct box *b = box_new();
	size_t worst = 0;

	for (uint32_t i = 1; i <= 20000; i++) {
		struct ipm_sa_config c = db_config(6, i, 0x100 + i);
		size_t index;

		(void)add(b, &c);
		sync(b);
		index = b->d.cap * sizeof b->d.sas[0] +
		    b->d.n_slots * sizeof b->d.slots[0];
		if (i >= 1000 && (index + b->s.arena.used) / i > worst)
			worst = (index + b->s.arena.used) / i;
	}
	cr_log_info("%zu octets", worst);
	cr_expect_leq(worst, 512, "%zu", worst);
	box_free(b);
}

/* --- no memory -------------------------------------------------------------------------- */

/* Whichever request fails, the next sync makes it good and no session or
 * block is lost. */
Test(derived, sync_recovers_from_every_failure)
{
	for (int rebuild = 0; rebuild < 2; rebuild++) {
		bool failed = true;

		for (size_t k = 1; failed; k++) {
			struct box *b = box_new();
			struct ipm_sa_config c;
			ipm_off off[60];
			enum ipm_err err;

			for (uint32_t i = 0; i < 30; i++) {
				c = db_config(4, 1, 0x100 + i);
				off[i] = add(b, &c);
			}
			sync(b);
			for (uint32_t i = 0; i < 30; i += 2) {
				c = db_config(4, 1, 0x100 + i);
				cr_assert_not_null(find(b, &c));
			}
			for (uint32_t i = 30; i < 60; i++) {
				c = db_config(4, 1, 0x100 + i);
				off[i] = add(b, &c);
			}
			if (rebuild)
				for (uint32_t i = 0; i < 60; i += 3)
					del(b, off[i]);
			b->m.fail_at = b->m.calls + k;
			err = ipm_derived_sync(&b->d, &b->s.sad, &b->s.arena);
			failed = err != IPM_OK;
			if (failed)
				cr_expect_eq(err, IPM_ERR_NOMEM);
			b->m.fail_at = 0;
			sync(b);
			for (uint32_t i = 0; i < 60; i++) {
				c = db_config(4, 1, 0x100 + i);
				cr_expect_eq(find(b, &c) != NULL,
				    !rebuild || i % 3 != 0, "call %zu SA %u", k,
				    i);
			}
			cr_expect_lt(k, 30);
			box_free(b);
		}
	}
}

/* --- the naive twin ------------------------------------------------------------------------ */

struct row {
	struct ipm_addr dst;
	uint8_t proto;
	uint32_t spi;
	ipm_off off;
	const struct ipm_session *session; /* once it was found */
};

/* Which rule the twin forgets. */
enum fault {
	SOUND,
	LAST_INSTEAD_OF_FIRST,
	ANY_PROTOCOL,
	ANY_SCOPE,
	ANY_FAMILY,
	FORGETS_SESSIONS,
	N_FAULTS
};

static size_t
twin_find(const struct row *rows, size_t n, const struct ipm_sa_config *c,
    enum fault fault)
{
	size_t hit = n;

	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];

		if (r->spi != c->spi ||
		    (r->proto != c->proto && fault != ANY_PROTOCOL) ||
		    (r->dst.family != c->dst.family && fault != ANY_FAMILY) ||
		    (r->dst.scope != c->dst.scope && fault != ANY_SCOPE) ||
		    memcmp(r->dst.octet, c->dst.octet, 16) != 0)
			continue;
		if (hit == n || fault == LAST_INSTEAD_OF_FIRST)
			hit = i;
	}
	return hit;
}

/* A configuration out of few, so that names meet again and again. */
static struct ipm_sa_config
some_config(uint64_t r)
{
	struct ipm_sa_config c =
	    db_config((r & 1) != 0 ? 4 : 6, 0, 0x100 + (uint32_t)(r >> 8 & 15));

	/* The same octets in both families. */
	memset(c.dst.octet, 0, 16);
	c.dst.octet[0] = (uint8_t)(r >> 16 & 3);
	if (c.dst.family == 6)
		c.dst.scope = (uint32_t)(r >> 20 & 1);
	if ((r >> 24 & 1) != 0) {
		c.proto = IPM_PROTO_AH;
		c.enc = NULL;
		c.enc_key.len = 0;
	}
	return c;
}

/* Step of the first difference, from 1; 0: none. */
static unsigned
history(uint64_t seed, enum fault fault, unsigned steps)
{
	static struct row rows[2000];
	struct box *b = box_new();
	unsigned differs = 0;
	size_t n = 0;

	for (unsigned step = 1; step <= steps && differs == 0; step++) {
		uint64_t r = db_random(&seed);
		struct ipm_sa_config c = some_config(db_random(&seed));
		const struct ipm_session *s;
		struct ipm_derived_sa *d;
		size_t hit;

		/* Times of growth, times of shrinking. */
		if (n < 2000 && r % 16 < (step / 512 % 2 == 0 ? 6U : 2U)) {
			rows[n] = (struct row){ .dst = c.dst,
				.proto = c.proto,
				.spi = c.spi,
				.off = add(b, &c) };
			n++;
		} else if (n > 0 && r % 16 < 8) {
			size_t k = (r >> 8) % n;

			del(b, rows[k].off);
			memmove(&rows[k], &rows[k + 1],
			    (n - k - 1) * sizeof rows[0]);
			n--;
		}
		/* Several changes may come between two looks. */
		if ((r >> 32) % 3 == 0)
			continue;
		sync(b);
		c = some_config(db_random(&seed));
		hit = twin_find(rows, n, &c, fault);
		d = find(b, &c);
		if (d == NULL || hit == n) {
			if (d != NULL || hit != n)
				differs = step;
			continue;
		}
		s = c.proto == IPM_PROTO_ESP ? d->esp.session : d->ah.session;
		/* A session lives as long as its SA. */
		if (d->off != rows[hit].off ||
		    (rows[hit].session != NULL && rows[hit].session != s) ||
		    (rows[hit].session == NULL && session(s)->auth != c.auth))
			differs = step;
		if (fault != FORGETS_SESSIONS)
			rows[hit].session = s;
		/* And no longer. */
		size_t open = 0;
		for (size_t i = 0; i < n; i++)
			open += rows[i].session != NULL;
		if (b->p.opened - b->p.closed != open)
			differs = step;
		/* The list itself is the third opinion. */
		if (fault == SOUND)
			cr_assert_eq(d->off,
			    ipm_sad_find(&b->s.sad, &b->s.arena, &c.dst,
				c.proto, c.spi));
	}
	cr_expect_eq(b->s.sad.count, n);
	box_free(b);
	return differs;
}

/* [ARCH-4.4.2-01] The index answers what walking the list answers. */
Test(derived, naive_twin_agrees_on_random_histories)
{
	for (uint64_t seed = 1; seed <= 12; seed++)
		cr_expect_eq(history(seed, SOUND, 5000), 0, "seed %llu",
		    (unsigned long long)seed);
}

Test(derived, naive_twin_sees_every_planted_fault)
{
	for (int f = SOUND + 1; f < N_FAULTS; f++)
		cr_expect_neq(history(1, (enum fault)f, 5000), 0,
		    "fault %d is not seen", f);
}

/* --- a key engine's SAs --------------------------------------------------------------- */

/* What no index is asked for: walks. */
static bool
natt_port(const struct box *b, uint16_t port)
{
	const struct ipm_sa *sa;

	for (ipm_off off = b->s.sad.first; off != 0; off = sa->next) {
		sa = ipm_arena_at(&b->s.arena, off);
		if ((sa->flags & IPM_SAF_NATT) != 0 && sa->dport == port)
			return true;
	}
	return false;
}

static ipm_off
comp_between(const struct box *b, const struct ipm_sah *h)
{
	const struct ipm_sa *sa;

	for (ipm_off off = b->s.sad.first; off != 0; off = sa->next) {
		sa = ipm_arena_at(&b->s.arena, off);
		if (sa->proto == IPM_PROTO_IPCOMP && sa->mode == h->mode &&
		    ipm_addr_equal(&sa->src, &h->src) &&
		    ipm_addr_equal(&sa->dst, &h->dst))
			return off;
	}
	return 0;
}

enum {
	N_HEADS = 8
};

/* One SA of the list, or 0. */
static ipm_off
some_sa(const struct box *b, uint64_t r)
{
	ipm_off off = b->s.sad.first;

	if (off != 0)
		for (uint64_t i = r % b->s.sad.count; i != 0; i--)
			off = ((const struct ipm_sa *)ipm_arena_at(
				   &b->s.arena, off))
				  ->next;
	return off;
}

static void
some_change(struct box *b, const ipm_off heads[N_HEADS], uint64_t r)
{
	static const struct ipm_sa_natt natt;
	struct ipm_sa_fill fill = { .auth = ipm_alg_by_name("hmac-sha1"),
		.auth_key = { (const uint8_t *)"12345678901234567890", 20 },
		.natt = (r >> 16 & 7) == 0 ? &natt : NULL,
		.dport = (uint16_t)(4500 + (r >> 20 & 3)) };
	ipm_off off = some_sa(b, r >> 24), sah = heads[r >> 8 & 7];
	const struct ipm_sa *sa = ipm_arena_at(&b->s.arena, off);
	enum ipm_err err = IPM_OK;

	if (fill.natt != NULL)
		fill.flags = IPM_SAF_NATT;
	if (off == 0 || r % 16 < 5)
		err = ipm_sa_make(&b->s.sad, &b->s.arena, &b->m.alloc, 7, sah,
		    (uint32_t)(r >> 32 & 15), (r >> 40 & 1) != 0 ? &fill : NULL,
		    &off);
	else if (r % 16 < 10 && sa->state == IPM_SA_LARVAL)
		err = ipm_sa_mature(
		    &b->s.sad, &b->s.arena, &b->m.alloc, 7, off, &fill);
	else if (r % 16 < 12 && sa->state == IPM_SA_MATURE &&
	    sa->proto ==
		((const struct ipm_sah *)ipm_arena_at(&b->s.arena, sah))->proto)
		err = ipm_sa_move(&b->s.sad, &b->s.arena, &b->m.alloc, off, sah,
		    fill.natt, 0, fill.dport);
	else if (r % 16 >= 11)
		err = ipm_sad_del(&b->s.sad, &b->s.arena, off);
	cr_assert_eq(err, IPM_OK);
}

/* Every SA of a head, larval, grown up, moved and deleted: the index says what
 * walks say, and a session is open for those alone that were asked for and are
 * still there. */
Test(derived, follows_a_key_engine)
{
	static const uint8_t protos[N_HEADS] = { 51, 51, 51, 51, 108, 108, 108,
		51 };

	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct box *b = box_new();
		uint64_t rng = seed;
		ipm_off heads[N_HEADS];

		for (uint32_t i = 0; i < N_HEADS; i++) {
			struct ipm_saidx idx = { .proto = protos[i],
				.mode = IPM_MODE_TRANSPORT,
				.reqid = i };

			idx.src.family = idx.dst.family = 4;
			idx.src.octet[0] = (uint8_t)(i / 4);
			idx.dst.octet[0] = (uint8_t)(i & 1);
			cr_assert_eq(ipm_sah_make(&b->s.sad, &b->s.arena,
					 &b->m.alloc, &idx, &heads[i]),
			    IPM_OK);
		}
		for (unsigned step = 0; step < 4000; step++) {
			uint64_t r = db_random(&rng);
			struct ipm_sah *h =
			    ipm_arena_at(&b->s.arena, heads[r >> 8 & 7]);
			uint32_t spi = (uint32_t)(r >> 16 & 15);
			struct ipm_derived_sa *d;
			ipm_off want;
			size_t open = 0;

			/* More at once than an SAD remembers, at times. */
			for (unsigned n = (r & 255) == 0 ? 100 : 1; n != 0; n--)
				some_change(b, heads, db_random(&rng));
			if ((r >> 24 & 3) == 0)
				continue;
			sync(b);
			h = ipm_arena_at(&b->s.arena, heads[r >> 8 & 7]);
			want = ipm_sad_find(
			    &b->s.sad, &b->s.arena, &h->dst, h->proto, spi);
			d = ipm_derived_find(
			    &b->d, &b->s.arena, &h->dst, h->proto, spi);
			cr_assert_eq(d == NULL ? 0 : d->off, want);
			if (d != NULL) {
				const struct ipm_sa *sa =
				    ipm_arena_at(&b->s.arena, want);

				cr_assert_eq(d->serial, sa->serial);
				cr_assert_eq(d->ah.auth, ipm_sa_alg(sa->auth));
				cr_assert_eq(
				    ipm_derived_of(&b->d, &b->s.arena, want),
				    d);
			}
			cr_assert_eq(
			    ipm_derived_comp_between(&b->d, &b->s.arena,
				&h->src, &h->dst, (enum ipm_mode)h->mode),
			    comp_between(b, h));
			for (uint16_t port = 4499; port < 4505; port++)
				cr_assert_eq(ipm_derived_natt_port(&b->d, port),
				    natt_port(b, port));
			for (uint32_t i = 0; i < b->d.count; i++)
				open += b->d.sas[i].off != 0 &&
				    b->d.sas[i].ah.session != NULL;
			cr_assert_eq(b->p.opened - b->p.closed, open);
			cr_assert_leq(open, b->s.sad.count);
		}
		box_free(b);
	}
}

/* A look after every deletion takes no memory but when half are gone: nothing
 * else is built anew. */
Test(derived, deletions_are_followed)
{
	enum {
		N = 20000
	};
	struct box *b = box_new();
	struct ipm_sa_config c;
	size_t calls;

	for (uint32_t i = 0; i < N; i++) {
		c = db_config(4, i, 0x100 + i);
		(void)add(b, &c);
	}
	sync(b);
	calls = b->m.calls;
	for (uint32_t i = 0; i < N; i++) {
		c = db_config(4, i, 0x100 + i);
		cr_assert_not_null(find(b, &c));
		del(b, b->s.sad.first);
		sync(b);
		cr_assert_null(find(b, &c));
		cr_assert_eq(b->p.opened - b->p.closed, 0);
	}
	/* Some twenty for each time that half are gone. */
	cr_expect_leq(b->m.calls - calls, 500, "%zu", b->m.calls - calls);
	box_free(b);
}
