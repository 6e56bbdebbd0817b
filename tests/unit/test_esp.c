/* ESP beside the vectors: lengths, padding, ESN, order of work, refusals. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/ipm_env.h"
#include "support/esp_box.h"

#define MAX 2048

static struct ipm_profile
profile(void)
{
	struct ipm_profile pf;

	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	return pf;
}

static const uint8_t iv[16] = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f };

/* Choices with the sequence number, the IV above and pad octets 1, 2, 3, ... */
static struct ipm_esp_choices
choices(uint64_t seq, uint8_t pad_len)
{
	struct ipm_esp_choices c = { .seq = seq, .pad_len = pad_len };

	memcpy(c.iv, iv, sizeof c.iv);
	for (size_t i = 0; i < pad_len; i++)
		c.pad[i] = (uint8_t)(i + 1);
	return c;
}

static void
fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(0x40 + i * 7);
}

/* Seals payload_len octets of fill() with the least padding. */
static size_t
seal(const struct ipm_esp_sa *sa, uint64_t seq, uint8_t nh, size_t payload_len,
    uint8_t *out)
{
	struct ipm_profile pf = profile();
	struct ipm_esp_choices c =
	    choices(seq, ipm_esp_pad_min(sa, &pf, payload_len));
	uint8_t payload[MAX];
	size_t len = 0;

	fill(payload, payload_len);
	cr_assert_eq(ipm_esp_seal(sa, &c, nh, ipm_span(payload, payload_len),
			 out, MAX, &len),
	    IPM_OK);
	return len;
}

static enum ipm_reason
open_as(const struct ipm_esp_sa *sa, const uint8_t *esp, size_t len,
    uint64_t seq, struct ipm_esp_opened *o)
{
	static uint8_t out[MAX];
	struct ipm_profile pf = profile();

	return ipm_esp_open(
	    sa, &pf, ipm_span(esp, len), seq, out, sizeof out, false, NULL, o);
}

/* --- lengths of the documents --------------------------------------------- */

static const struct {
	const char *name;
	size_t iv_len, icv_len;
} lengths[] = {
	/* RFC 2410, 2405, 2451, 3602, 3686, 4312, 5529 */
	{ "null", 0, 0 },
	{ "des-cbc", 8, 0 },
	{ "3des-cbc", 8, 0 },
	{ "blowfish-cbc", 8, 0 },
	{ "cast128-cbc", 8, 0 },
	{ "aes-cbc", 16, 0 },
	{ "aes-ctr", 8, 0 },
	{ "camellia-cbc", 16, 0 },
	{ "camellia-ctr", 8, 0 },
	/* RFC 4106, 4309, 4543, 7634 */
	{ "aes-gcm-16", 8, 16 },
	{ "aes-gcm-12", 8, 12 },
	{ "aes-gcm-8", 8, 8 },
	{ "aes-ccm-16", 8, 16 },
	{ "aes-ccm-12", 8, 12 },
	{ "aes-ccm-8", 8, 8 },
	{ "aes-gmac", 8, 16 },
	{ "chacha20-poly1305", 8, 16 },
	/* RFC 2403, 2404, 2857, 3566, 4494, 4868 */
	{ "hmac-md5", 0, 12 },
	{ "hmac-sha1", 0, 12 },
	{ "hmac-ripemd160", 0, 12 },
	{ "aes-xcbc-mac", 0, 12 },
	{ "aes-cmac", 0, 12 },
	{ "hmac-sha256", 0, 16 },
	{ "hmac-sha384", 0, 24 },
	{ "hmac-sha512", 0, 32 },
};

/*
 * [ESP-2.3-02] [ESP-2.8-02] [ESP-3.3.2.2-03] [ALG-NULL-03] [ALG-HMACMD5-01]
 * [ALG-HMACSHA1-01] [ALG-RIPEMD-01] [ALG-XCBC-03] [ALG-CMAC-01] [ALG-SHA2-03]
 * [ALG-AESGCM-05] [ALG-AESGCM-06] [ALG-GMAC-05] [ALG-CHACHA-06]
 * [ALG-AESCCM-01]
 */
Test(esp_lengths, iv_and_icv_are_as_long_as_the_documents_say)
{
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		const struct ipm_alg *a = ipm_alg_by_name(lengths[i].name);
		const struct ipm_alg *null = ipm_alg_by_name("null");
		struct ipm_esp_sa sa = { .enc = a };

		cr_assert_not_null(a, "%s", lengths[i].name);
		if (a->kind == IPM_ALG_AUTH)
			sa = (struct ipm_esp_sa){ .enc = null, .auth = a };
		cr_expect_eq(sa.enc->iv_len, lengths[i].iv_len, "%s", a->name);
		cr_expect_eq(
		    ipm_esp_icv_len(&sa), lengths[i].icv_len, "%s", a->name);
		cr_expect_eq(ipm_esp_has_integrity(&sa),
		    lengths[i].icv_len != 0, "%s", a->name);
	}
}

/* A value of zeros protects nothing, though it takes its room. */
Test(esp_lengths, null_authentication_is_no_integrity)
{
	struct ipm_esp_sa sa = { .enc = ipm_alg_by_name("aes-cbc"),
		.auth = ipm_alg_by_name("null-auth") };

	cr_expect_not(ipm_esp_has_integrity(&sa));
	cr_expect_eq(ipm_esp_icv_len(&sa), 12);
}

/* [ESP-2.3-04] The next header starts on 4 octets (IPv4) and 8 (IPv6). */
Test(esp_lengths, rfc4303_2_3_payload_starts_on_a_boundary)
{
	for (size_t i = 0; i < ipm_n_algs; i++) {
		const struct ipm_alg *a = &ipm_algs[i];

		if (a->kind == IPM_ALG_CIPHER || a->kind == IPM_ALG_AEAD)
			cr_expect_eq((8 + a->iv_len) % 8, 0, "%s", a->name);
	}
}

/* --- padding of a sender --------------------------------------------------- */

/* RFC 4303 2.4, read aloud: the fewest octets that satisfy both sentences. */
static unsigned
naive_pad(size_t block, size_t iv_len, size_t len)
{
	for (unsigned pad = 0;; pad++) {
		size_t data = len + pad + 1 + 1;

		if (block > 1 && data % block != 0)
			continue;
		if ((4 + 4 + iv_len + data) % 4 == 0)
			return pad;
	}
}

/* FreeBSD sys/netipsec/xform_esp.c esp_output, trailer taken off. */
static size_t
freebsd_pad(size_t block, size_t len)
{
	size_t blks = block > 4 ? block : 4;

	return (blks - ((len + 2) % blks)) % blks;
}

/*
 * [ESP-2.4-01] [ESP-2.4-02] [ESP-2.4-03] [ESP-2.4-06] [ESP-2.4-07]
 * [ESP-3.2.1-02] [ALG-NULL-04] [ALG-AESGCM-02] [ALG-AESCCM-08]
 * [ALG-DESCBC-02] [ALG-AESCBC-02] [ALG-CAMELLIA-03] [ALG-CBC-04]
 */
Test(esp_pad, rfc4303_2_4_least_padding_for_every_cipher_and_length)
{
	struct ipm_profile pf = profile();

	for (size_t i = 0; i < ipm_n_algs; i++) {
		struct ipm_esp_sa sa = { .enc = &ipm_algs[i] };

		if (sa.enc->kind != IPM_ALG_CIPHER &&
		    sa.enc->kind != IPM_ALG_AEAD)
			continue;
		for (size_t len = 0; len <= 64; len++) {
			uint8_t pad = ipm_esp_pad_min(&sa, &pf, len);

			cr_expect_eq(pad,
			    naive_pad(sa.enc->block, sa.enc->iv_len, len),
			    "%s, %zu octets", sa.enc->name, len);
			cr_expect_eq(pad, freebsd_pad(sa.enc->block, len),
			    "%s, %zu octets", sa.enc->name, len);
			cr_expect_lt(
			    pad, sa.enc->block > 4 ? sa.enc->block : 4);
		}
	}
}

Test(esp_pad, rfc4303_2_4_examples)
{
	struct ipm_profile pf = profile();
	struct ipm_esp_sa cbc = { .enc = ipm_alg_by_name("aes-cbc") };
	struct ipm_esp_sa gcm = { .enc = ipm_alg_by_name("aes-gcm-16") };

	cr_expect_eq(ipm_esp_pad_min(&cbc, &pf, 30), 0);
	cr_expect_eq(ipm_esp_pad_min(&cbc, &pf, 31), 15);
	cr_expect_eq(ipm_esp_pad_min(&gcm, &pf, 30), 0);
	cr_expect_eq(ipm_esp_pad_min(&gcm, &pf, 31), 3);
}

/* A combination that no real algorithm has: the IV moves the boundary. */
Test(esp_pad, rfc4303_2_4_iv_counts_for_the_boundary)
{
	struct ipm_profile pf = profile();
	struct ipm_alg odd = *ipm_alg_by_name("aes-gcm-16");
	struct ipm_esp_sa sa = { .enc = &odd };

	for (odd.iv_len = 0; odd.iv_len < 12; odd.iv_len++)
		for (size_t len = 0; len <= 16; len++)
			cr_expect_eq(ipm_esp_pad_min(&sa, &pf, len),
			    naive_pad(1, odd.iv_len, len));
}

/*
 * Octets from SPI to ICV that a FreeBSD 13 kernel sent for payloads of
 * first, first + 1, ... octets (with HMAC-SHA-1-96 but for GCM), as runs of
 * equal lengths: { run, length }.
 */
static const struct {
	const char *enc, *auth;
	size_t first;
	struct {
		size_t run, esp;
	} runs[16];
} recorded[] = {
	{ "null", "hmac-sha1", 22,
	    { { 1, 44 }, { 4, 48 }, { 4, 52 }, { 4, 56 }, { 4, 60 }, { 4, 64 },
		{ 4, 68 }, { 4, 72 }, { 4, 76 }, { 1, 80 } } },
	{ "null", "hmac-sha1", 62,
	    { { 1, 84 }, { 4, 88 }, { 4, 92 }, { 4, 96 }, { 4, 100 },
		{ 4, 104 }, { 4, 108 }, { 3, 112 } } },
	{ "aes-cbc", "hmac-sha1", 8, { { 7, 52 }, { 7, 68 } } },
	{ "aes-cbc", "hmac-sha1", 28,
	    { { 3, 68 }, { 16, 84 }, { 16, 100 }, { 13, 116 } } },
	{ "aes-ctr", "hmac-sha1", 8,
	    { { 7, 44 }, { 16, 60 }, { 16, 76 }, { 9, 92 } } },
	{ "aes-gcm-16", NULL, 8,
	    { { 3, 44 }, { 4, 48 }, { 4, 52 }, { 4, 56 }, { 4, 60 }, { 4, 64 },
		{ 4, 68 }, { 4, 72 }, { 4, 76 }, { 4, 80 }, { 4, 84 },
		{ 4, 88 }, { 1, 92 } } },
};

/* [ALG-AESGCM-10] */
Test(esp_pad, freebsd_13_sizes_as_recorded)
{
	struct ipm_profile pf;

	ipm_profile_init(&pf, IPM_PF_FREEBSD_13);
	for (size_t i = 0; i < sizeof recorded / sizeof recorded[0]; i++) {
		size_t len = recorded[i].first;
		struct esp_box b;

		esp_box_open(&b, recorded[i].enc, recorded[i].auth);
		for (size_t r = 0; r < 16; r++)
			for (size_t k = 0; k < recorded[i].runs[r].run; k++) {
				struct ipm_esp_choices c = choices(
				    1, ipm_esp_pad_min(&b.sa, &pf, len));
				uint8_t payload[128], out[256];
				size_t n = 0;

				fill(payload, len);
				cr_assert_eq(ipm_esp_seal(&b.sa, &c, 17,
						 ipm_span(payload, len), out,
						 sizeof out, &n),
				    IPM_OK);
				cr_expect_eq(n, recorded[i].runs[r].esp,
				    "%s, %zu octets: %zu", recorded[i].enc, len,
				    n);
				len++;
			}
		esp_box_close(&b);
	}
}

/* [ESP-2.4-09] [ESP-2.4-11] */
Test(esp_pad, fill_is_made_as_the_sa_says)
{
	static const uint8_t tape[] = { 9, 8, 7, 6, 5, 4, 3 };
	static const uint8_t seq[] = { 1, 2, 3, 4, 5 };
	static const uint8_t zero[5] = { 0 };
	struct ipm_tape t = { ipm_span(tape, sizeof tape), 0 };
	struct ipm_esp_sa sa = { .enc = ipm_alg_by_name("aes-cbc") };
	struct ipm_esp_choices c = { .pad_len = 5 };

	cr_assert(ipm_esp_pad_make(&sa, NULL, &c));
	cr_expect_arr_eq(c.pad, seq, 5);
	sa.pad_fill = IPM_PAD_ZERO;
	cr_assert(ipm_esp_pad_make(&sa, NULL, &c));
	cr_expect_arr_eq(c.pad, zero, 5);
	sa.pad_fill = IPM_PAD_RANDOM;
	cr_expect_not(ipm_esp_pad_make(&sa, NULL, &c));
	cr_assert(ipm_esp_pad_make(&sa, &t, &c));
	cr_expect_arr_eq(c.pad, tape, 5);
	/* Two octets are left of the tape: none is used twice. */
	cr_expect_not(ipm_esp_pad_make(&sa, &t, &c));
	c.pad_len = 0;
	cr_expect(ipm_esp_pad_make(&sa, NULL, &c));
	c.pad_len = 255;
	sa.pad_fill = IPM_PAD_SEQ;
	cr_assert(ipm_esp_pad_make(&sa, NULL, &c));
	cr_expect_eq(c.pad[254], 255);
}

/* --- padding of a receiver -------------------------------------------------- */

static const struct {
	enum ipm_pad_fill fill;
	uint8_t n;
	uint8_t pad[8];
	/* by switch: ignore, last, full; then strict over ignore */
	enum ipm_reason want[4];
} pads[] = {
#define OK  IPM_R_OK
#define BAD IPM_R_PAD_BAD
	/* 0 */ { IPM_PAD_SEQ, 0, { 0 }, { OK, OK, OK, OK } },
	/* 1 */ { IPM_PAD_SEQ, 4, { 1, 2, 3, 4 }, { OK, OK, OK, OK } },
	/* 2 */ { IPM_PAD_SEQ, 4, { 9, 2, 3, 4 }, { OK, OK, BAD, BAD } },
	/* 3 */ { IPM_PAD_SEQ, 4, { 1, 2, 9, 4 }, { OK, OK, BAD, BAD } },
	/* 4 */ { IPM_PAD_SEQ, 4, { 1, 2, 3, 9 }, { OK, BAD, BAD, BAD } },
	/* 5 */ { IPM_PAD_SEQ, 4, { 0, 0, 0, 0 }, { OK, BAD, BAD, BAD } },
	/* 6 */ { IPM_PAD_SEQ, 4, { 0, 1, 2, 3 }, { OK, BAD, BAD, BAD } },
	/* 7 */ { IPM_PAD_SEQ, 4, { 4, 4, 4, 4 }, { OK, OK, BAD, BAD } },
	/* 8: FreeBSD looks at nothing where it fills at random */
	{ IPM_PAD_RANDOM, 4, { 9, 9, 9, 9 }, { OK, OK, OK, OK } },
	/* 9: and refuses its own zeros */
	{ IPM_PAD_ZERO, 4, { 0, 0, 0, 0 }, { OK, BAD, OK, OK } },
	/* 10 */ { IPM_PAD_ZERO, 0, { 0 }, { OK, OK, OK, OK } },
	/* 11 */ { IPM_PAD_ZERO, 4, { 1, 2, 3, 4 }, { OK, OK, BAD, BAD } },
#undef OK
#undef BAD
};

/* [ESP-2.4-10] [ESP-2.4-11] [ESP-3.4.4.1-05] */
Test(esp_pad, rfc4303_2_4_what_a_receiver_looks_at)
{
	static const char *const how[] = { "ignore", "last", "full" };
	static const char *const with[] = { "hmac-sha1", NULL };

	for (size_t a = 0; a < 2; a++) {
		struct esp_box b;

		esp_box_open(&b, a == 0 ? "null" : "aes-gcm-16", with[a]);
		for (size_t i = 0; i < sizeof pads / sizeof pads[0]; i++) {
			struct ipm_esp_choices c = choices(1, pads[i].n);
			uint8_t esp[128], out[128], payload[10];
			size_t len = 0;

			fill(payload, sizeof payload);
			memcpy(c.pad, pads[i].pad, pads[i].n);
			b.sa.pad_fill = pads[i].fill;
			cr_assert_eq(ipm_esp_seal(&b.sa, &c, 6,
					 ipm_span(payload, sizeof payload), esp,
					 sizeof esp, &len),
			    IPM_OK);
			for (size_t k = 0; k < 4; k++) {
				struct ipm_profile pf = profile();
				struct ipm_esp_opened o;
				enum ipm_reason r;

				cr_assert(ipm_profile_set(&pf, "esp-pad-check",
				    k < 3 ? how[k] : "ignore"));
				cr_assert(ipm_profile_set(
				    &pf, "strict", k == 3 ? "on" : "off"));
				r = ipm_esp_open(&b.sa, &pf, ipm_span(esp, len),
				    1, out, sizeof out, false, NULL, &o);
				cr_expect_eq(r, pads[i].want[k],
				    "row %zu, column %zu: %s", i, k,
				    ipm_reasons[r].name);
				/* The ICV held whatever the padding is. */
				cr_expect(o.icv_ok);
				cr_expect_eq(
				    o.payload.len, r == IPM_R_OK ? 10 : 0);
				cr_expect_eq(o.choices.pad_len, pads[i].n);
				cr_expect_arr_eq(
				    o.choices.pad, pads[i].pad, pads[i].n);
			}
		}
		esp_box_close(&b);
	}
}

/* [ESP-2.5-01] [ESP-2.5-03] */
Test(esp_open, rfc4303_2_5_pad_length_is_held_to_the_octets_there_are)
{
	struct esp_box b;
	uint8_t esp[512], body[256];

	esp_box_open(&b, "aes-cbc", "hmac-sha1");
	for (size_t n = 16; n <= 256; n += 16)
		for (unsigned pad = 0; pad < 256; pad++) {
			struct ipm_esp_opened o;
			size_t len;
			bool fits = pad <= n - 2;

			fill(body, n);
			body[n - 2] = (uint8_t)pad;
			body[n - 1] = 6;
			len = esp_naive_seal(
			    &b.sa, 1, iv, body, n, ESP_SOUND, esp);
			cr_expect_eq(open_as(&b.sa, esp, len, 1, &o),
			    fits ? IPM_R_OK : IPM_R_PAD_LENGTH_BAD, "%u of %zu",
			    pad, n);
			cr_expect(o.icv_ok);
			cr_expect_eq(o.choices.pad_len, pad);
			cr_expect_eq(o.next_header, 6);
			cr_expect_eq(o.payload.len, fits ? n - 2 - pad : 0);
		}
	esp_box_close(&b);
}

/* [ESP-2.4-04] [ESP-2.4-05] [ESP-2.5-02] */
Test(esp_open, rfc4303_2_4_takes_0_to_255_octets_of_padding)
{
	struct esp_box b;
	uint8_t esp[MAX], tfc[400];

	esp_box_open(&b, "aes-gcm-16", NULL);
	fill(tfc, sizeof tfc);
	for (unsigned pad = 0; pad < 256; pad++) {
		struct ipm_esp_choices c = choices(7, (uint8_t)pad);
		struct ipm_profile pf = profile();
		struct ipm_esp_opened o;
		static uint8_t out[MAX];
		size_t len = 0;

		cr_assert(ipm_profile_set(&pf, "strict", "on"));
		cr_assert_eq(
		    ipm_esp_seal(&b.sa, &c, 4, ipm_span(tfc, sizeof tfc), esp,
			sizeof esp, &len),
		    IPM_OK);
		cr_assert_eq(ipm_esp_open(&b.sa, &pf, ipm_span(esp, len), 7,
				 out, sizeof out, false, NULL, &o),
		    IPM_R_OK);
		cr_expect_eq(o.choices.pad_len, pad);
		cr_expect_eq(o.payload.len, sizeof tfc);
		cr_expect_arr_eq(o.payload.p, tfc, sizeof tfc);
	}
	esp_box_close(&b);
}

/* --- the twin ---------------------------------------------------------------- */

/* Does sealing agree with the twin for these payload lengths? */
static bool
agrees(const struct ipm_esp_sa *sa, enum esp_fault fault)
{
	struct ipm_profile pf = profile();
	bool same = true;

	for (size_t n = 0; n <= 40; n++) {
		uint64_t seq = sa->esn ? 0x0a0b0c0d05060708 + n : 5 + n;
		uint8_t payload[64], body[128], esp[256], twin[256];
		struct ipm_esp_choices c =
		    choices(seq, ipm_esp_pad_min(sa, &pf, n));
		struct ipm_esp_opened o;
		size_t body_len = n, len = 0, twin_len;

		fill(payload, n);
		memcpy(body, payload, n);
		for (size_t i = 1; i <= c.pad_len; i++)
			body[body_len++] = (uint8_t)i;
		body[body_len++] = c.pad_len;
		body[body_len++] = 17;
		twin_len =
		    esp_naive_seal(sa, seq, iv, body, body_len, fault, twin);
		cr_assert_eq(ipm_esp_seal(sa, &c, 17, ipm_span(payload, n), esp,
				 sizeof esp, &len),
		    IPM_OK);
		if (len != twin_len || memcmp(esp, twin, len) != 0)
			same = false;
		/* And what the twin seals, opens, unless it is at fault. */
		if ((open_as(sa, twin, twin_len, seq, &o) == IPM_R_OK) !=
		    (memcmp(esp, twin, len) == 0))
			same = false;
	}
	return same;
}

/*
 * [ESP-2-02] [ESP-2-04] [ESP-2-08] [ESP-2.2-02] [ESP-2.2.1-05] [ESP-2.2.1-06]
 * [ESP-2.8-03] [ESP-3.3.2.1-03] [ESP-3.3.2.1-04] [ESP-3.3.2.1-05]
 * [ESP-3.3.2.2-01] [ALG-AESGCM-03] [ALG-AESGCM-04] [ALG-AESCCM-03]
 * [ALG-AESCCM-04] [ALG-GMAC-03] [ALG-GMAC-04] [ALG-CHACHA-02] [ALG-CHACHA-07]
 * [ALG-AESCTR-03]
 */
Test(esp_seal, agrees_with_the_naive_twin_for_every_algorithm)
{
	for (size_t i = 0; i < esp_n_pairs; i++)
		for (int esn = 0; esn < 2; esn++) {
			struct esp_box b;

			esp_box_open(&b, esp_pairs[i].enc, esp_pairs[i].auth);
			b.sa.esn = esn != 0;
			cr_expect(agrees(&b.sa, ESP_SOUND), "%s, ESN %d",
			    esp_pairs[i].enc, esn);
			esp_box_close(&b);
		}
}

/* The comparison can fail: the high half in front, MAC before encryption. */
Test(esp_seal, differs_from_a_twin_at_fault)
{
	static const struct esp_pair pair[] = { { "aes-cbc", "hmac-sha1" },
		{ "aes-gcm-16", NULL }, { "aes-gmac", NULL } };
	struct esp_box b;

	for (size_t i = 0; i < 3; i++) {
		esp_box_open(&b, pair[i].enc, pair[i].auth);
		b.sa.esn = true;
		cr_expect_not(
		    agrees(&b.sa, ESP_ESN_IN_FRONT), "%s", pair[i].enc);
		esp_box_close(&b);
	}
	esp_box_open(&b, "aes-cbc", "hmac-sha1");
	cr_expect_not(agrees(&b.sa, ESP_MAC_BEFORE_CIPHER));
	esp_box_close(&b);
}

/* --- single rules -------------------------------------------------------------- */

/* [ESP-2-08] [ESP-2.2-02] [ESP-2.2.1-03] */
Test(esp_seal, rfc4303_2_2_1_only_the_low_half_is_sent)
{
	struct esp_box b;
	uint8_t narrow[MAX], wide[MAX];
	size_t n, w;
	static const uint8_t head[8] = { 1, 2, 3, 4, 0, 0, 0, 5 };

	esp_box_open(&b, "aes-cbc", "hmac-sha1");
	n = seal(&b.sa, 5, 6, 20, narrow);
	b.sa.esn = true;
	w = seal(&b.sa, 0x100000005, 6, 20, wide);
	cr_expect_eq(n, w);
	cr_expect_arr_eq(narrow, head, 8);
	cr_expect_arr_eq(wide, head, 8);
	esp_box_close(&b);
}

/*
 * [ESP-2.2.1-02] [ESP-2.2.1-04] [ESP-3.4.3-21] [ESP-3.4.4.2-01]
 * The high half is under the ICV: another one, or none, makes it wrong.
 */
Test(esp_open, rfc4303_2_2_1_high_half_is_authenticated)
{
	for (size_t i = 0; i < esp_n_pairs; i++) {
		struct esp_box b;
		struct ipm_esp_opened o;
		uint8_t one[MAX], zero[MAX];
		size_t len, icv;

		esp_box_open(&b, esp_pairs[i].enc, esp_pairs[i].auth);
		b.sa.esn = true;
		icv = ipm_esp_icv_len(&b.sa);
		(void)seal(&b.sa, 5, 6, 20, zero);
		len = seal(&b.sa, 0x100000005, 6, 20, one);
		cr_expect_arr_neq(one + len - icv, zero + len - icv, icv);
		cr_expect_eq(open_as(&b.sa, one, len, 0x100000005, &o),
		    IPM_R_OK, "%s", esp_pairs[i].enc);
		cr_expect_eq(o.choices.seq, 0x100000005);
		cr_expect_eq(open_as(&b.sa, one, len, 5, &o), IPM_R_ICV_BAD);
		cr_expect_eq(
		    open_as(&b.sa, one, len, 0x200000005, &o), IPM_R_ICV_BAD);
		cr_expect_eq(open_as(&b.sa, zero, len, 5, &o), IPM_R_OK);
		/* Even a high half of zero is there with ESN. */
		b.sa.esn = false;
		cr_expect_eq(open_as(&b.sa, zero, len, 5, &o), IPM_R_ICV_BAD,
		    "%s", esp_pairs[i].enc);
		esp_box_close(&b);
	}
}

/* [ESP-1-01] [ALG-NULL-01] [ALG-GMAC-04] Integrity without confidentiality. */
Test(esp_seal, rfc4303_1_integrity_alone_leaves_the_payload_readable)
{
	static const struct {
		const char *enc, *auth;
		size_t at;
	} row[] = { { "null", "hmac-sha256", 8 }, { "aes-gmac", NULL, 16 } };
	uint8_t esp[MAX], clear[20];

	fill(clear, sizeof clear);
	for (size_t i = 0; i < 2; i++) {
		struct ipm_esp_opened o;
		struct esp_box b;
		size_t len;

		esp_box_open(&b, row[i].enc, row[i].auth);
		len = seal(&b.sa, 1, 6, sizeof clear, esp);
		cr_expect_arr_eq(esp + row[i].at, clear, sizeof clear);
		cr_expect_eq(open_as(&b.sa, esp, len, 1, &o), IPM_R_OK);
		cr_expect_arr_eq(o.payload.p, clear, sizeof clear);
		esp_box_close(&b);
	}
}

/* [ALG-GMAC-06] GMAC is not GCM with the encryption left out. */
Test(esp_seal, rfc4543_3_5_gmac_and_gcm_have_different_icvs)
{
	struct esp_box mac, gcm;
	uint8_t a[MAX], c[MAX];
	size_t n;

	esp_box_open(&mac, "aes-gmac", NULL);
	esp_box_open(&gcm, "aes-gcm-16", NULL);
	n = seal(&mac.sa, 1, 6, 20, a);
	cr_assert_eq(seal(&gcm.sa, 1, 6, 20, c), n);
	cr_expect_arr_neq(a + n - 16, c + n - 16, 16);
	esp_box_close(&mac);
	esp_box_close(&gcm);
}

/* [ESP-2.8-01] Confidentiality alone: no ICV, and nothing to hold. */
Test(esp_seal, rfc4303_2_8_no_integrity_no_icv)
{
	struct esp_box b;
	struct ipm_esp_opened o;
	uint8_t esp[MAX];
	size_t len;

	esp_box_open(&b, "aes-cbc", NULL);
	len = seal(&b.sa, 1, 6, 30, esp);
	cr_expect_eq(len, 8 + 16 + 32);
	cr_expect_eq(open_as(&b.sa, esp, len, 1, &o), IPM_R_OK);
	cr_expect(o.icv_ok);
	cr_expect_eq(o.icv_len, 0);
	cr_expect_eq(o.payload.len, 30);
	esp_box_close(&b);
}

/*
 * [ESP-2.6-02] [ESP-2.6-05] [ESP-2.6-06] [ESP-2.3-01] A dummy is a packet
 * like any other; so is one without a single payload octet.
 */
Test(esp_open, rfc4303_2_6_dummies_and_empty_payloads_open)
{
	for (size_t i = 0; i < esp_n_pairs; i++) {
		struct ipm_esp_opened o;
		struct esp_box b;
		uint8_t esp[MAX];

		esp_box_open(&b, esp_pairs[i].enc, esp_pairs[i].auth);
		for (size_t n = 0; n < 20; n++) {
			size_t len = seal(&b.sa, 3, 59, n, esp);

			cr_expect_eq(open_as(&b.sa, esp, len, 3, &o), IPM_R_OK,
			    "%s, %zu", esp_pairs[i].enc, n);
			cr_expect(o.icv_ok);
			cr_expect_eq(o.next_header, 59);
			cr_expect_eq(o.payload.len, n);
		}
		esp_box_close(&b);
	}
}

/* [ESP-3.2.1-01] [ESP-3.2.2-01] Any order, any loss. */
Test(esp_open, rfc4303_3_2_1_each_packet_opens_by_itself)
{
	static const size_t order[] = { 4, 0, 7, 2, 7, 1 };

	for (size_t i = 0; i < esp_n_pairs; i++) {
		uint8_t esp[8][256];
		struct ipm_esp_opened o;
		struct esp_box b;
		size_t len[8];

		esp_box_open(&b, esp_pairs[i].enc, esp_pairs[i].auth);
		for (size_t k = 0; k < 8; k++)
			len[k] = seal(&b.sa, k + 1, 6, 10 * k, esp[k]);
		for (size_t k = 0; k < 6; k++) {
			size_t at = order[k];

			cr_expect_eq(
			    open_as(&b.sa, esp[at], len[at], at + 1, &o),
			    IPM_R_OK, "%s", esp_pairs[i].enc);
			cr_expect_eq(o.payload.len, 10 * at);
		}
		esp_box_close(&b);
	}
}

/* [ESP-2-07] Another ICV length on the same SA fails. */
Test(esp_open, rfc4303_2_format_is_fixed_by_the_sa)
{
	struct esp_box full, cut;
	struct ipm_esp_opened o;
	uint8_t esp[MAX];
	size_t len;

	esp_box_open(&full, "aes-cbc", "hmac-sha256");
	esp_box_open(&cut, "aes-cbc", "hmac-sha256-96");
	len = seal(&full.sa, 1, 6, 30, esp);
	/* [ALG-SHA2-04] Four octets less of the same value. */
	cr_expect_eq(open_as(&cut.sa, esp, len - 4, 1, &o), IPM_R_OK);
	cr_expect_eq(open_as(&full.sa, esp, len, 1, &o), IPM_R_OK);
	cr_expect_eq(open_as(&full.sa, esp, len - 4, 1, &o), IPM_R_BAD_LENGTH);
	cr_expect_eq(open_as(&cut.sa, esp, len, 1, &o), IPM_R_BAD_LENGTH);
	esp_box_close(&full);
	esp_box_close(&cut);
}

/*
 * Off the 4-octet boundary under a right ICV: a sender may not, a receiver of
 * a mode without blocks need not mind.  A block cipher cannot be meant.
 */
Test(esp_open, body_off_the_boundary_opens_where_there_are_no_blocks)
{
	uint8_t body[64], esp[256];

	for (size_t i = 0; i < esp_n_pairs; i++)
		for (size_t n = 2; n <= 40; n++) {
			struct ipm_esp_opened o;
			struct esp_box b;
			size_t block, len;

			esp_box_open(&b, esp_pairs[i].enc, esp_pairs[i].auth);
			block = b.sa.enc->block > 4 ? b.sa.enc->block : 1;
			fill(body, n);
			body[n - 2] = 0;
			if (n % block != 0) {
				/* The length is looked at before the ICV. */
				memset(esp, 0, sizeof esp);
				len = 8 + b.sa.enc->iv_len + n +
				    ipm_esp_icv_len(&b.sa);
				cr_expect_eq(open_as(&b.sa, esp, len, 1, &o),
				    IPM_R_BAD_LENGTH, "%s, %zu",
				    esp_pairs[i].enc, n);
			} else {
				struct ipm_esp_choices again;
				uint8_t twin[256];
				size_t twin_len = 0;

				len = esp_naive_seal(
				    &b.sa, 1, iv, body, n, ESP_SOUND, esp);
				cr_expect_eq(open_as(&b.sa, esp, len, 1, &o),
				    IPM_R_OK, "%s, %zu", esp_pairs[i].enc, n);
				cr_expect_eq(o.payload.len, n - 2);
				/* It can be sealed again, and is judged. */
				again = o.choices;
				cr_assert_eq(
				    ipm_esp_seal(&b.sa, &again, o.next_header,
					ipm_span(body, n - 2), twin,
					sizeof twin, &twin_len),
				    IPM_OK);
				cr_expect_eq(twin_len, len);
				cr_expect_arr_eq(twin, esp, len);
				if (n % 4 != 0)
					cr_expect_str_eq(
					    ipm_esp_judge(&b.sa, &again, n - 2),
					    "pad-align");
			}
			esp_box_close(&b);
		}
}

/* [freebsd xform_esp.c esp_input] Before 13, CTR fills 16-octet blocks. */
Test(esp_open, switch_esp_ctr_block_asks_for_blocks_of_16)
{
	struct ipm_profile pf;
	struct ipm_esp_opened o;
	struct esp_box b;
	uint8_t esp[MAX], out[MAX];

	esp_box_open(&b, "aes-ctr", "hmac-sha1");
	ipm_profile_init(&pf, IPM_PF_FREEBSD_2017);
	for (size_t n = 0; n < 40; n++) {
		size_t len = seal(&b.sa, 1, 6, n, esp);
		size_t body = len - 8 - 8 - 12;

		cr_expect_eq(ipm_esp_open(&b.sa, &pf, ipm_span(esp, len), 1,
				 out, sizeof out, false, NULL, &o),
		    body % 16 == 0 ? IPM_R_OK : IPM_R_BAD_LENGTH);
		cr_expect_eq(open_as(&b.sa, esp, len, 1, &o), IPM_R_OK);
	}
	/* It fills them itself: both ends of that kernel agree. */
	for (size_t n = 0; n < 40; n++)
		cr_expect_eq((n + ipm_esp_pad_min(&b.sa, &pf, n) + 2) % 16, 0);
	esp_box_close(&b);
}

/* RFC 1827: no sequence number (FreeBSD's SA flag OLD). */
Test(esp_old, rfc1827_header_has_no_sequence_number)
{
	struct ipm_esp_opened o;
	struct esp_box b;
	uint8_t esp[MAX];
	uint32_t seq = 9;
	size_t len;

	esp_box_open(&b, "des-cbc", NULL);
	b.sa.old = true;
	len = seal(&b.sa, 1, 6, 22, esp);
	cr_expect_eq(len, 4 + 8 + 24);
	cr_expect_arr_eq(esp + 4, iv, 8);
	cr_expect_eq(ipm_esp_peek(&b.sa, ipm_span(esp, len), &seq), IPM_R_OK);
	cr_expect_eq(seq, 0);
	cr_expect_eq(open_as(&b.sa, esp, len, 0, &o), IPM_R_OK);
	cr_expect_eq(o.choices.seq, 0);
	cr_expect_eq(o.payload.len, 22);
	cr_expect_null(ipm_esp_judge(&b.sa, &o.choices, 22));
	esp_box_close(&b);
}

Test(esp_peek, shows_the_number_and_refuses_what_is_too_short)
{
	static const uint8_t esp[64] = { 0, 0, 0, 1, 0x80, 1, 2, 3 };

	for (size_t i = 0; i < esp_n_pairs; i++) {
		const char *auth = esp_pairs[i].auth;
		struct ipm_esp_sa sa = { .enc =
					     ipm_alg_by_name(esp_pairs[i].enc),
			.auth = auth == NULL ? NULL : ipm_alg_by_name(auth) };
		size_t least = 4 + 4 + sa.enc->iv_len + 2 +
		    (auth == NULL ? sa.enc->icv_len : sa.auth->icv_len);

		for (size_t len = 0; len <= sizeof esp; len++) {
			uint32_t seq = 0;
			enum ipm_reason r =
			    ipm_esp_peek(&sa, ipm_span(esp, len), &seq);

			cr_expect_eq(
			    r, len < least ? IPM_R_BAD_LENGTH : IPM_R_OK);
			cr_expect_eq(seq, len < least ? 0 : 0x80010203);
		}
	}
}

/* --- order of work, explanations ------------------------------------------------ */

static int decryptions;

static enum ipm_err
counting_cipher(struct ipm_session *s, bool encrypt, const uint8_t *civ,
    size_t iv_len, struct ipm_span src, uint8_t *dst)
{
	(void)s, (void)encrypt, (void)civ, (void)iv_len, (void)src, (void)dst;
	decryptions++;
	return IPM_ERR_PROVIDER;
}

static enum ipm_err
failing_mac(struct ipm_session *s, const uint8_t *nonce, size_t nonce_len,
    const struct ipm_span *parts, size_t n_parts, uint8_t *out)
{
	(void)s, (void)nonce, (void)nonce_len, (void)parts, (void)n_parts;
	(void)out;
	return IPM_ERR_PROVIDER;
}

static enum ipm_err
failing_aead(struct ipm_session *s, bool encrypt, const uint8_t *nonce,
    size_t nonce_len, struct ipm_span aad, struct ipm_span src, uint8_t *dst,
    uint8_t *tag, size_t tag_len, uint8_t *computed)
{
	(void)s, (void)encrypt, (void)nonce, (void)nonce_len, (void)aad;
	(void)src, (void)dst, (void)tag, (void)tag_len, (void)computed;
	return IPM_ERR_PROVIDER;
}

/* [ESP-3.4.4.1-11] A wrong ICV never decrypts. */
Test(esp_open, rfc4303_3_4_4_1_icv_is_judged_before_decryption)
{
	struct ipm_esp_opened o;
	struct esp_box b;
	uint8_t esp[MAX];
	size_t len;

	esp_box_open(&b, "aes-cbc", "hmac-sha1");
	len = seal(&b.sa, 1, 6, 30, esp);
	b.provider.cipher = counting_cipher;
	cr_expect_eq(open_as(&b.sa, esp, len, 1, &o), IPM_R_CRYPTO_FAILED);
	cr_expect(o.icv_ok);
	cr_expect_eq(decryptions, 1);
	esp[len - 1] ^= 1;
	cr_expect_eq(open_as(&b.sa, esp, len, 1, &o), IPM_R_ICV_BAD);
	cr_expect_eq(decryptions, 1);
	esp_box_close(&b);
}

Test(esp_open, provider_failures_are_not_taken_for_bad_icvs)
{
	struct ipm_esp_opened o;
	struct ipm_esp_choices c = choices(1, 0);
	struct esp_box b;
	uint8_t esp[MAX], again[MAX], payload[30] = { 0 };
	size_t len, n = 77;

	esp_box_open(&b, "aes-cbc", "hmac-sha1");
	len = seal(&b.sa, 1, 6, 30, esp);
	b.provider.mac = failing_mac;
	cr_expect_eq(open_as(&b.sa, esp, len, 1, &o), IPM_R_CRYPTO_FAILED);
	cr_expect_not(o.icv_ok);
	cr_expect_eq(ipm_esp_seal(&b.sa, &c, 6, ipm_span(payload, 30), again,
			 sizeof again, &n),
	    IPM_ERR_PROVIDER);
	b.provider.cipher = counting_cipher;
	cr_expect_eq(ipm_esp_seal(&b.sa, &c, 6, ipm_span(payload, 30), again,
			 sizeof again, &n),
	    IPM_ERR_PROVIDER);
	esp_box_close(&b);

	esp_box_open(&b, "aes-gcm-16", NULL);
	len = seal(&b.sa, 1, 6, 30, esp);
	b.provider.aead = failing_aead;
	cr_expect_eq(open_as(&b.sa, esp, len, 1, &o), IPM_R_CRYPTO_FAILED);
	cr_expect_not(o.icv_ok);
	cr_expect_eq(ipm_esp_seal(&b.sa, &c, 6, ipm_span(payload, 30), again,
			 sizeof again, &n),
	    IPM_ERR_PROVIDER);
	cr_expect_eq(n, 77);
	esp_box_close(&b);
}

Test(esp_open, explains_a_wrong_icv_by_the_right_one)
{
	for (size_t i = 0; i < esp_n_pairs; i++) {
		struct ipm_profile pf = profile();
		struct ipm_esp_opened o;
		struct esp_box b;
		uint8_t esp[MAX], out[MAX], right[IPM_ICV_MAX];
		size_t len, icv;

		esp_box_open(&b, esp_pairs[i].enc, esp_pairs[i].auth);
		icv = ipm_esp_icv_len(&b.sa);
		len = seal(&b.sa, 1, 6, 33, esp);
		memcpy(right, esp + len - icv, icv);
		esp[len - icv] ^= 0x80;
		cr_expect_eq(ipm_esp_open(&b.sa, &pf, ipm_span(esp, len), 1,
				 out, sizeof out, true, NULL, &o),
		    IPM_R_ICV_BAD);
		cr_expect_eq(o.icv_len, icv);
		cr_expect_arr_eq(
		    o.computed, right, icv, "%s", esp_pairs[i].enc);
		cr_expect_arr_eq(o.received, esp + len - icv, icv);
		esp_box_close(&b);
	}
}

Test(esp_open, trace_tells_each_step_with_its_numbers)
{
	static const struct {
		struct esp_pair pair;
		uint64_t covered, icv, body, iv_len;
	} row[] = {
		/* 8 + 16 + 32 octets and the high half under 12 octets */
		{ { "aes-cbc", "hmac-sha1" }, 60, 12, 32, 16 },
		/* 12 octets of AAD and 32 of ciphertext */
		{ { "aes-gcm-16", NULL }, 44, 16, 32, 8 },
		{ { "aes-gmac", NULL }, 52, 16, 32, 8 },
	};

	for (size_t i = 0; i < 3; i++) {
		struct ipm_profile pf = profile();
		struct ipm_trace t = { 0 };
		struct ipm_esp_opened o;
		struct esp_box b;
		uint8_t esp[MAX], out[MAX];
		size_t len;

		esp_box_open(&b, row[i].pair.enc, row[i].pair.auth);
		b.sa.esn = true;
		len = seal(&b.sa, 1, 6, 30, esp);
		cr_assert_eq(ipm_esp_open(&b.sa, &pf, ipm_span(esp, len), 1,
				 out, sizeof out, false, &t, &o),
		    IPM_R_OK);
		cr_assert_eq(t.n, 3);
		cr_expect_eq(t.step[0].id, IPM_STEP_ICV);
		cr_expect_eq(t.step[0].a, row[i].covered);
		cr_expect_eq(t.step[0].b, row[i].icv);
		cr_expect_eq(t.step[1].id, IPM_STEP_DECRYPT);
		cr_expect_eq(t.step[1].a, row[i].body);
		cr_expect_eq(t.step[1].b, row[i].iv_len);
		cr_expect_eq(t.step[2].id, IPM_STEP_PADDING);
		cr_expect_eq(t.step[2].a, 0);
		cr_expect_eq(t.step[2].b, row[i].body);
		t.n = 0;
		esp[10] ^= 1;
		cr_assert_eq(ipm_esp_open(&b.sa, &pf, ipm_span(esp, len), 1,
				 out, sizeof out, false, &t, &o),
		    IPM_R_ICV_BAD);
		cr_assert_eq(t.n, 1);
		cr_expect_eq(t.step[0].reason, IPM_R_ICV_BAD);
		esp_box_close(&b);
	}
}

/* --- buffers, judging -------------------------------------------------------------- */

Test(esp_buffers, too_small_ones_are_refused_and_left_alone)
{
	for (size_t i = 0; i < esp_n_pairs; i++) {
		struct ipm_profile pf = profile();
		struct ipm_esp_opened o;
		struct esp_box b;
		uint8_t esp[MAX], out[MAX], payload[30];
		struct ipm_esp_choices c;
		size_t len, n = 0;

		esp_box_open(&b, esp_pairs[i].enc, esp_pairs[i].auth);
		b.sa.esn = true;
		len = seal(&b.sa, 1, 6, 30, esp);
		memset(out, 0xee, sizeof out);
		cr_expect_eq(ipm_esp_open(&b.sa, &pf, ipm_span(esp, len), 1,
				 out, len - 1, false, NULL, &o),
		    IPM_R_NO_MEMORY);
		cr_expect_not(o.icv_ok);
		cr_expect_eq(out[0], 0xee);
		cr_expect_eq(ipm_esp_open(&b.sa, &pf, ipm_span(esp, len), 1,
				 out, len, false, NULL, &o),
		    IPM_R_OK);
		cr_expect_eq(out[len], 0xee);

		fill(payload, sizeof payload);
		c = choices(1, ipm_esp_pad_min(&b.sa, &pf, 30));
		memset(out, 0xee, sizeof out);
		for (size_t cap = 0; cap < len; cap++)
			cr_expect_eq(ipm_esp_seal(&b.sa, &c, 6,
					 ipm_span(payload, sizeof payload), out,
					 cap, &n),
			    IPM_ERR_NOBUF);
		cr_expect_eq(out[0], 0xee);
		cr_expect_eq(
		    ipm_esp_seal(&b.sa, &c, 6,
			ipm_span(payload, sizeof payload), out, len, &n),
		    IPM_OK);
		cr_expect_eq(n, len);
		cr_expect_arr_eq(out, esp, len, "%s", esp_pairs[i].enc);
		cr_expect_eq(out[len], 0xee);
		esp_box_close(&b);
	}
}

/* [ESP-2.4-01] */
Test(esp_seal, body_that_does_not_fill_the_blocks_is_the_callers_mistake)
{
	struct ipm_esp_choices c = choices(1, 1);
	struct esp_box b;
	uint8_t out[MAX], payload[30] = { 0 };
	size_t n = 0;

	esp_box_open(&b, "aes-cbc", "hmac-sha1");
	cr_expect_eq(ipm_esp_seal(&b.sa, &c, 6, ipm_span(payload, 30), out,
			 sizeof out, &n),
	    IPM_ERR_BADARG);
	c.pad_len = 16;
	cr_expect_eq(ipm_esp_seal(&b.sa, &c, 6, ipm_span(payload, 30), out,
			 sizeof out, &n),
	    IPM_OK);
	esp_box_close(&b);
}

static const struct {
	const char *enc;
	enum ipm_pad_fill fill;
	uint64_t seq;
	size_t payload;
	uint8_t pad_len, pad[4];
	const char *want;
} judged[] = {
	/* 0 */ { "aes-cbc", IPM_PAD_SEQ, 1, 28, 2, { 1, 2 }, NULL },
	/* 1 [ESP-2.2-05] */
	{ "aes-cbc", IPM_PAD_SEQ, 0, 28, 2, { 1, 2 }, "seq-zero" },
	/* 2 [ESP-3.3.3-11] a low half of zero is fine with ESN */
	{ "aes-cbc", IPM_PAD_SEQ, 1ULL << 32, 28, 2, { 1, 2 }, NULL },
	/* 3 [ESP-2.4-02] */
	{ "aes-gcm-16", IPM_PAD_SEQ, 1, 28, 0, { 0 }, "pad-align" },
	/* 4 [ESP-2.4-01] */
	{ "aes-cbc", IPM_PAD_SEQ, 1, 24, 2, { 1, 2 }, "pad-align" },
	/* 5 [ESP-2.4-04] more than the least */
	{ "aes-gcm-16", IPM_PAD_SEQ, 1, 30, 4, { 1, 2, 3, 4 }, NULL },
	/* 6 [ESP-2.4-09] */
	{ "aes-gcm-16", IPM_PAD_SEQ, 1, 28, 2, { 0, 0 }, "pad-octets" },
	/* 7 */ { "aes-gcm-16", IPM_PAD_SEQ, 1, 28, 2, { 1, 3 }, "pad-octets" },
	/* 8 */ { "aes-gcm-16", IPM_PAD_RANDOM, 1, 28, 2, { 7, 7 }, NULL },
	/* 9 */ { "aes-gcm-16", IPM_PAD_ZERO, 1, 28, 2, { 0, 0 }, NULL },
	/* 10 */
	{ "aes-gcm-16", IPM_PAD_ZERO, 1, 28, 2, { 1, 2 }, "pad-octets" },
};

Test(esp_judge, names_the_first_choice_no_sender_has)
{
	for (size_t i = 0; i < sizeof judged / sizeof judged[0]; i++) {
		struct ipm_esp_sa sa = { .enc = ipm_alg_by_name(judged[i].enc),
			.pad_fill = judged[i].fill };
		struct ipm_esp_choices c = { .seq = judged[i].seq,
			.pad_len = judged[i].pad_len };
		const char *got;

		memcpy(c.pad, judged[i].pad, judged[i].pad_len);
		got = ipm_esp_judge(&sa, &c, judged[i].payload);
		if (judged[i].want == NULL)
			cr_expect_null(got, "row %zu: %s", i, got);
		else
			cr_expect_str_eq(got, judged[i].want, "row %zu", i);
	}
}
