/*
 * The list of configured SAs against an array that is searched from end to
 * end, on random histories.
 */

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "hx_salist.h"

struct row {
	unsigned src, dst, proto, spi, line;
};

/* The naive twin: an array; removal moves what is behind. */
struct naive {
	struct row row[4000];
	size_t n;
};

static bool
naive_find(const struct naive *t, const struct row *r, size_t *at)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->row[i].dst == r->dst && t->row[i].proto == r->proto &&
		    t->row[i].spi == r->spi) {
			*at = i;
			return true;
		}
	}
	return false;
}

static void
naive_drop(struct naive *t, size_t at)
{
	memmove(
	    &t->row[at], &t->row[at + 1], (t->n - at - 1) * sizeof(t->row[0]));
	t->n--;
}

static struct ipm_addr
address(unsigned n)
{
	struct ipm_addr a;

	memset(&a, 0, sizeof(a));
	a.family = 4;
	a.octet[3] = (uint8_t)n;
	return a;
}

static uint32_t
lcg(uint32_t *x)
{
	*x = *x * 1664525U + 1013904223U;
	return *x >> 8;
}

/*
 * One random step on both; did they answer alike?  The planted fault: the
 * twin does not look at the source when it deletes.
 */
static bool
step(struct hx_salist *l, struct naive *t, uint32_t *seed, unsigned line,
    bool fault)
{
	static const uint8_t key[4] = { 1, 2, 3, 4 };
	const struct row r = { lcg(seed) % 3, lcg(seed) % 3,
		lcg(seed) % 2 == 0 ? 50 : 51, 256 + lcg(seed) % 40, line };
	const struct ipm_addr src = address(r.src), dst = address(r.dst);
	const unsigned what = lcg(seed) % 100;
	size_t at = 0, other = 0;

	if (what < 60) {
		struct ipm_sa_config c;

		memset(&c, 0, sizeof(c));
		c.src = src;
		c.dst = dst;
		c.proto = (uint8_t)r.proto;
		c.spi = r.spi;
		c.enc_key = ipm_span(key, line % 4);
		const enum ipm_err e = hx_salist_add(l, &c, line, &other);
		const bool taken = naive_find(t, &r, &at);

		if (!taken)
			t->row[t->n++] = r;
		if (!taken)
			return e == IPM_OK;
		return e == IPM_ERR_EXISTS &&
		    l->sas[other].line == t->row[at].line;
	}
	if (what < 97) {
		const bool there = naive_find(t, &r, &at) &&
		    (fault || t->row[at].src == r.src);

		if (there)
			naive_drop(t, at);
		return hx_salist_delete(
			   l, &src, &dst, (uint8_t)r.proto, r.spi) == there;
	}

	const bool pair = what == 97;
	hx_salist_delete_all(
	    l, pair ? &src : NULL, pair ? &dst : NULL, (uint8_t)r.proto);
	for (size_t i = t->n; i-- > 0;)
		if (t->row[i].proto == r.proto &&
		    (!pair ||
			(t->row[i].src == r.src && t->row[i].dst == r.dst)))
			naive_drop(t, i);
	return true;
}

/* Do both answer alike and end with the same SAs in the same order? */
static bool
same_history(uint32_t seed, bool fault)
{
	struct hx_salist l;
	struct naive *t = calloc(1, sizeof(*t));
	bool same = true;

	cr_assert_not_null(t);
	memset(&l, 0, sizeof(l));
	for (unsigned line = 1; same && line < 600; line++)
		same = step(&l, t, &seed, line, fault);
	hx_salist_sweep(&l);
	same = same && l.n == t->n;
	for (size_t i = 0; same && i < l.n; i++)
		same = l.sas[i].line == t->row[i].line &&
		    l.sas[i].cfg.spi == t->row[i].spi &&
		    l.sas[i].cfg.enc_key.len == t->row[i].line % 4;
	hx_salist_free(&l);
	free(t);
	return same;
}

Test(salist, agrees_with_a_plain_array_on_random_histories)
{
	for (uint32_t seed = 1; seed <= 200; seed++)
		cr_assert(same_history(seed, false), "seed %u", seed);
	cr_assert_not(same_history(1, true), "the comparison cannot fail");
}

Test(salist, addresses_are_numbers_alone)
{
	static const struct {
		const char *text;
		uint8_t family; /* 0: refused */
		uint32_t scope;
	} rows[] = {
		{ "192.0.2.1", 4, 0 },
		{ "0.0.0.0", 4, 0 },
		{ "192.0.2.256", 0, 0 },
		{ "192.0.2", 0, 0 },
		{ "192.0.2.1.1", 0, 0 },
		{ "192.0.2.1%1", 0, 0 },
		{ "::", 6, 0 },
		{ "::1", 6, 0 },
		{ "2001:DB8::1", 6, 0 },
		{ "::ffff:192.0.2.1", 6, 0 },
		{ "1:2:3:4:5:6:7:8", 6, 0 },
		{ "1:2:3:4:5:6:7", 0, 0 },
		{ "1::2::3", 0, 0 },
		{ "12345::", 0, 0 },
		{ "fe80::1%0", 6, 0 },
		{ "fe80::1%4294967295", 6, 4294967295U },
		{ "fe80::1%4294967296", 0, 0 },
		{ "fe80::1%", 0, 0 },
		{ "fe80::1%em0", 0, 0 },
		{ "fe80::1%1%1", 0, 0 },
		{ "localhost", 0, 0 },
		{ "", 0, 0 },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:"
		  "1111:2222:3333:4444:5555:6666:7777:8888",
		    0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipm_addr a;
		const bool ok =
		    hx_addr_parse(rows[i].text, strlen(rows[i].text), &a);

		cr_assert_eq(
		    ok, rows[i].family != 0, "row %zu: %s", i, rows[i].text);
		cr_assert_eq(a.family, rows[i].family, "row %zu", i);
		cr_assert_eq(a.scope, rows[i].scope, "row %zu", i);
	}
	/* A NUL inside is no end. */
	struct ipm_addr a;
	cr_assert_not(hx_addr_parse("::1\0", 4, &a));
}
