/* The TCP MD5 signature option: vectors/rfc, every cut and every bit. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_engine.h"
#include "model/provider/ipm_libcrypto.h"
#include "model/transform/ipm_tcpmd5.h"
#include "support/vec_file.h"

static struct ipm_provider provider;

static void
setup(void)
{
	struct ipm_alloc alloc = hx_alloc();

	cr_assert_eq(ipm_libcrypto_open(&provider, &alloc), IPM_OK);
}

static void
teardown(void)
{
	ipm_libcrypto_close(&provider);
}

TestSuite(tcpmd5, .init = setup, .fini = teardown);

static struct ipm_session *
session(struct ipm_span key)
{
	struct ipm_session_desc d = { .auth = ipm_alg_by_name("tcp-md5"),
		.auth_key = key };
	struct ipm_session *s = NULL;

	cr_assert_eq(provider.open(&provider, &d, &s), IPM_OK);
	return s;
}

struct md5_case {
	const char *id;
	bool valid;
	struct hx_octets packet, icv;
	struct ipm_session *s;
};

static void
run_case(const json_t *j, void *f)
{
	struct md5_case c = { .id = vec_text(j, "id"),
		.packet = vec_octets(j, "packet"),
		.icv = vec_octets(j, "icv") };
	struct hx_octets key = vec_octets(j, "key");

	cr_assert_eq(c.icv.len, IPM_TCPMD5_LEN);
	c.valid = strcmp(vec_text(j, "result"), "valid") == 0;
	c.s = session(hx_span(&key));
	(*(void (**)(const struct md5_case *c))f)(&c);
	provider.close(&provider, c.s);
	hx_octets_free(&c.packet);
	hx_octets_free(&c.icv);
	hx_octets_free(&key);
}

/* Runs f over every case; returns how many there were. */
static size_t
each_case(void (*f)(const struct md5_case *c))
{
	static const char *const file = "vectors/rfc/rfc2385-tcp-md5.json";

	return vec_each(&file, 1, "tcp-md5", run_case, &f);
}

static void
check_case(const struct md5_case *c)
{
	uint8_t made[IPM_TCPMD5_LEN];
	const uint8_t *there;
	struct ipm_ip ip;

	cr_assert_eq(ipm_ip_parse(hx_span(&c->packet), true, &ip), IPM_R_OK);
	cr_assert_eq(
	    ipm_tcpmd5_digest(&provider, c->s, &ip, made), IPM_OK, "%s", c->id);
	cr_expect_arr_eq(made, c->icv.p, sizeof made, "%s", c->id);
	there = ipm_tcpmd5_find(&ip);
	cr_assert_not_null(there, "%s", c->id);
	/* [ALG-TCPMD5-03] */
	cr_expect_eq(there[-2], 19);
	cr_expect_eq(there[-1], 18);
	cr_expect_eq(
	    memcmp(there, c->icv.p, sizeof made) == 0, c->valid, "%s", c->id);
	cr_expect_eq(ipm_tcpmd5_check(&provider, c->s, &ip),
	    c->valid ? IPM_R_OK : IPM_R_ICV_BAD, "%s", c->id);
}

/* [ALG-TCPMD5-01] [ALG-TCPMD5-02] [ALG-TCPMD5-04] */
Test(tcpmd5, rfc2385_2_0_digests)
{
	cr_assert_eq(each_case(check_case), 12);
}

/* --- every cut, every bit ------------------------------------------------- */

/*
 * RFC 2385 2.0 in one run of octets: what the digest sees of a packet whose
 * header has len_h octets, TCP behind it.  Returns octets written.
 */
static size_t
naive_input(const uint8_t *p, size_t len, size_t len_h, uint8_t *out)
{
	size_t seg = len - len_h, hlen = (size_t)(p[len_h + 12] >> 4) * 4;
	uint8_t *o = out;

	if (len_h == 20) {
		memcpy(o, p + 12, 8);
		o += 8;
		*o++ = 0;
		*o++ = 6;
	} else {
		memcpy(o, p + 8, 32);
		o += 32;
		*o++ = 0;
		*o++ = 0;
	}
	*o++ = (uint8_t)(seg >> 8);
	*o++ = (uint8_t)seg;
	if (len_h != 20) {
		memcpy(o, "\0\0\0\6", 4);
		o += 4;
	}
	memcpy(o, p + len_h, 20);
	o[16] = o[17] = 0;
	o += 20;
	memcpy(o, p + len_h + hlen, seg - hlen);
	return (size_t)(o - out) + seg - hlen;
}

/* Where the option's digest stands, by a walk of its own; 0 nowhere. */
static size_t
naive_find(const uint8_t *p, size_t len_h)
{
	size_t end = len_h + (size_t)(p[len_h + 12] >> 4) * 4;
	size_t at = len_h + 20;

	while (at < end && p[at] != 0) {
		if (p[at] == 1) {
			at++;
			continue;
		}
		if (at + 1 >= end || p[at + 1] < 2 || at + p[at + 1] > end)
			return 0;
		if (p[at] == 19)
			return p[at + 1] == 18 ? at + 2 : 0;
		at += p[at + 1];
	}
	return 0;
}

static void
check_flips(const struct md5_case *c)
{
	static uint8_t was[2048], is[2048], spoilt[2048];
	size_t len = c->packet.len, len_h = c->packet.p[0] >> 4 == 4 ? 20 : 40;
	size_t n, taken = 0;
	const uint8_t *p = c->packet.p;

	if (!c->valid || len > 200)
		return;
	n = naive_input(p, len, len_h, was);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		bool want = false;
		enum ipm_reason r;
		struct ipm_ip ip;
		size_t at;

		memcpy(spoilt, p, len);
		spoilt[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		if (ipm_ip_parse(ipm_span(spoilt, len), false, &ip) !=
			IPM_R_OK ||
		    ip.packet.len != len || ip.fragment || ip.hlen != len_h ||
		    ip.proto != IPM_PROTO_TCP)
			continue;
		r = ipm_tcpmd5_check(&provider, c->s, &ip);
		at = spoilt[len_h + 12] >> 4 < 5 ||
			len_h + (size_t)(spoilt[len_h + 12] >> 4) * 4 > len
		    ? 0
		    : naive_find(spoilt, len_h);
		if (at != 0)
			want = memcmp(spoilt + at, c->icv.p, 16) == 0 &&
			    naive_input(spoilt, len, len_h, is) == n &&
			    memcmp(was, is, n) == 0;
		cr_expect_eq(r,
		    want          ? IPM_R_OK
			: at == 0 ? IPM_R_BAD_LENGTH
				  : IPM_R_ICV_BAD,
		    "%s bit %zu: %s", c->id, bit, ipm_reasons[r].name);
		taken += want;
	}
	/* The TCP checksum at least, and of IP what may change on the way. */
	cr_expect_geq(taken, 16 + 8, "%s", c->id);
}

/* [ALG-TCPMD5-01] [ALG-TCPMD5-02] [ALG-TCPMD5-04] */
Test(tcpmd5, rfc2385_2_0_every_flipped_bit)
{
	(void)each_case(check_flips);
}

static void
check_cuts(const struct md5_case *c)
{
	size_t len_h = c->packet.p[0] >> 4 == 4 ? 20 : 40;

	if (!c->valid || c->packet.len > 200)
		return;
	for (size_t len = len_h; len < c->packet.len; len++) {
		uint8_t made[IPM_TCPMD5_LEN], *cut = malloc(len);
		size_t hlen = (size_t)(c->packet.p[len_h + 12] >> 4) * 4;
		bool whole = len >= len_h + hlen;
		struct ipm_ip ip;

		cr_assert_not_null(cut);
		memcpy(cut, c->packet.p, len);
		cr_assert(
		    ipm_ip_rewrite(cut, cut[0] >> 4, len_h, len, SIZE_MAX, 0));
		cr_assert_eq(
		    ipm_ip_parse(ipm_span(cut, len), true, &ip), IPM_R_OK);
		cr_expect_eq(ipm_tcpmd5_check(&provider, c->s, &ip),
		    whole ? IPM_R_ICV_BAD : IPM_R_BAD_LENGTH, "%s cut to %zu",
		    c->id, len);
		cr_expect_eq(ipm_tcpmd5_digest(&provider, c->s, &ip, made),
		    whole ? IPM_OK : IPM_ERR_BADARG);
		free(cut);
	}
}

Test(tcpmd5, every_truncation_is_refused)
{
	(void)each_case(check_cuts);
}

/*
 * [ALG-TCPMD5-06] [ALG-TCPMD5-09] What counts as signed: a segment, a reset
 * among them, without the option fails.
 */
Test(tcpmd5, rfc2385_3_0_the_option_must_be_there)
{
	static const struct {
		const char *what, *options;
		bool there;
	} rows[] = {
		{ "none", "", false },
		{ "alone", "131200112233445566778899aabbccddeeff0101", true },
		{ "behind others",
		    "0101080a00000001000000021312"
		    "00112233445566778899aabbccddeeff0101",
		    true },
		{ "behind the end",
		    "00010101131200112233445566778899aabbccddeeff0101", false },
		{ "length 17", "131100112233445566778899aabbccddeeff0101",
		    false },
		{ "length 19", "131300112233445566778899aabbccddeeff0101",
		    false },
		{ "past the header", "010101011312", false },
		{ "another one", "1d1200112233445566778899aabbccddeeff0101",
		    false },
		{ "an option of length 0 before",
		    "08000101131200112233445566778899aabbccddeeff0101", false },
		{ "an option of length 1 before",
		    "08010101131200112233445566778899aabbccddeeff0101", false },
		{ "kind alone in the last octet", "01010113", false },
	};
	struct ipm_session *s = session(ipm_span((const uint8_t *)"k", 1));

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		/* A reset: flags 04. */
		uint8_t p[100] = { 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 192,
			0, 2, 1, 192, 0, 2, 2, 0, 179, 1, 0, 0, 0, 0, 1, 0, 0,
			0, 0, 0, 4, 0, 0, 0, 0, 0, 0 };
		const uint8_t *there;
		struct hx_octets o;
		struct ipm_ip ip;
		size_t len;

		cr_assert(hx_hex_read(rows[i].options, &o), "row %zu", i);
		len = 40 + (o.len + 3) / 4 * 4;
		if (o.len != 0)
			memcpy(p + 40, o.p, o.len);
		p[32] = (uint8_t)((len - 20) / 4 << 4);
		cr_assert(ipm_ip_rewrite(p, 4, 20, len, SIZE_MAX, 0));
		cr_assert_eq(
		    ipm_ip_parse(ipm_span(p, len), true, &ip), IPM_R_OK);
		there = ipm_tcpmd5_find(&ip);
		cr_expect_eq(there != NULL, rows[i].there, "%s", rows[i].what);
		if (there != NULL)
			cr_expect_eq(there[1], 0x11);
		cr_expect_eq(ipm_tcpmd5_check(&provider, s, &ip),
		    rows[i].there ? IPM_R_ICV_BAD : IPM_R_BAD_LENGTH, "%s",
		    rows[i].what);
		hx_octets_free(&o);
	}
	provider.close(&provider, s);
}

/* [ALG-TCPMD5-10] Keys of 1 and of 80 octets, and nothing outside. */
Test(tcpmd5, rfc2385_4_5_keys)
{
	const struct ipm_alg *a = ipm_alg_by_name("tcp-md5");

	cr_assert_not_null(a);
	cr_expect(ipm_alg_key_ok(a, 1));
	cr_expect(ipm_alg_key_ok(a, 80));
	cr_expect_not(ipm_alg_key_ok(a, 0));
	cr_expect_not(ipm_alg_key_ok(a, 81));
}

/* Not TCP, or not all of it. */
Test(tcpmd5, what_is_no_whole_segment)
{
	uint8_t p[40] = { 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2,
		1, 192, 0, 2, 2, [32] = 0x50 };
	struct ipm_session *s = session(ipm_span((const uint8_t *)"k", 1));
	uint8_t made[IPM_TCPMD5_LEN];
	struct ipm_ip ip;

	cr_assert_eq(ipm_ip_parse(ipm_span(p, sizeof p), false, &ip), IPM_R_OK);
	cr_expect_eq(
	    ipm_tcpmd5_digest(&provider, s, &ip, made), IPM_ERR_BADARG);
	p[9] = 6;
	p[6] = 0x20; /* more fragments */
	cr_assert_eq(ipm_ip_parse(ipm_span(p, sizeof p), false, &ip), IPM_R_OK);
	cr_expect_eq(
	    ipm_tcpmd5_digest(&provider, s, &ip, made), IPM_ERR_BADARG);
	cr_expect_null(ipm_tcpmd5_find(&ip));
	p[6] = 0;
	cr_assert_eq(ipm_ip_parse(ipm_span(p, sizeof p), false, &ip), IPM_R_OK);
	cr_expect_eq(ipm_tcpmd5_digest(&provider, s, &ip, made), IPM_OK);
	provider.close(&provider, s);
}
