/* The algorithm table against the documents, the headers and the captures. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "hx_hex.h"
#include "model/ipm_alg.h"

static const struct ipm_alg *
need(const char *name)
{
	const struct ipm_alg *a = ipm_alg_by_name(name);

	cr_assert_not_null(a, "%s", name);
	return a;
}

/* --- look-up ------------------------------------------------------------- */

Test(alg, every_row_is_found_by_its_own_name)
{
	cr_assert_geq(ipm_n_algs, 38U);
	for (size_t i = 0; i < ipm_n_algs; i++)
		cr_assert_eq(ipm_alg_by_name(ipm_algs[i].name), &ipm_algs[i],
		    "%s stands twice", ipm_algs[i].name);
	cr_assert_null(ipm_alg_by_name("des"));
	cr_assert_null(ipm_alg_by_name("none"));
	cr_assert_null(ipm_alg_by_name(""));
}

/*
 * ICV lengths of the documents; 0 asks for the default.
 * [ALG-AESGCM-05] [ALG-AESGCM-06] [ALG-AESGCM-07] [ALG-AESCCM-01]
 * [ALG-GMAC-05] [ALG-CHACHA-06] [ALG-HMACMD5-01] [ALG-HMACSHA1-01]
 * [ALG-RIPEMD-01] [ALG-XCBC-03] [ALG-CMAC-01] [ALG-SHA2-03] [ALG-SHA2-04]
 */
static const struct {
	const char *family;
	unsigned bits;
	enum ipm_alg_kind kind;
	const char *name; /* NULL: no such thing */
} families[] = {
	{ "aes-gcm", 0, IPM_ALG_AEAD, "aes-gcm-16" },
	{ "aes-gcm", 128, IPM_ALG_AEAD, "aes-gcm-16" },
	{ "aes-gcm", 96, IPM_ALG_AEAD, "aes-gcm-12" },
	{ "aes-gcm", 64, IPM_ALG_AEAD, "aes-gcm-8" },
	{ "aes-gcm", 32, IPM_ALG_AEAD, NULL },
	{ "aes-gcm", 120, IPM_ALG_AEAD, NULL },
	{ "aes-gcm", 0, IPM_ALG_CIPHER, NULL },
	{ "aes-ccm", 0, IPM_ALG_AEAD, "aes-ccm-16" },
	{ "aes-ccm", 64, IPM_ALG_AEAD, "aes-ccm-8" },
	{ "aes-ccm", 96, IPM_ALG_AEAD, "aes-ccm-12" },
	{ "aes-ccm", 128, IPM_ALG_AEAD, "aes-ccm-16" },
	{ "aes-ccm", 48, IPM_ALG_AEAD, NULL },
	{ "aes-gmac", 0, IPM_ALG_AEAD, "aes-gmac" },
	{ "aes-gmac", 128, IPM_ALG_AEAD, "aes-gmac" },
	{ "aes-gmac", 96, IPM_ALG_AEAD, NULL },
	{ "aes-gmac", 0, IPM_ALG_AUTH, "aes-gmac-auth" },
	{ "aes-gmac", 96, IPM_ALG_AUTH, NULL },
	{ "chacha20-poly1305", 128, IPM_ALG_AEAD, "chacha20-poly1305" },
	{ "chacha20-poly1305", 96, IPM_ALG_AEAD, NULL },
	{ "hmac-md5", 0, IPM_ALG_AUTH, "hmac-md5" },
	{ "hmac-md5", 96, IPM_ALG_AUTH, "hmac-md5" },
	{ "hmac-md5", 128, IPM_ALG_AUTH, NULL },
	{ "hmac-sha1", 96, IPM_ALG_AUTH, "hmac-sha1" },
	{ "hmac-sha1", 160, IPM_ALG_AUTH, NULL },
	{ "hmac-sha256", 0, IPM_ALG_AUTH, "hmac-sha256" },
	{ "hmac-sha256", 128, IPM_ALG_AUTH, "hmac-sha256" },
	{ "hmac-sha256", 96, IPM_ALG_AUTH, "hmac-sha256-96" },
	{ "hmac-sha256", 256, IPM_ALG_AUTH, NULL },
	{ "hmac-sha384", 192, IPM_ALG_AUTH, "hmac-sha384" },
	{ "hmac-sha384", 96, IPM_ALG_AUTH, NULL },
	{ "hmac-sha512", 256, IPM_ALG_AUTH, "hmac-sha512" },
	{ "hmac-ripemd160", 96, IPM_ALG_AUTH, "hmac-ripemd160" },
	{ "aes-xcbc-mac", 96, IPM_ALG_AUTH, "aes-xcbc-mac" },
	{ "aes-xcbc-mac", 128, IPM_ALG_AUTH, NULL },
	{ "aes-cmac", 96, IPM_ALG_AUTH, "aes-cmac" },
	{ "aes-xcbc-prf-128", 0, IPM_ALG_PRF, "aes-xcbc-prf-128" },
	{ "aes-cmac-prf-128", 0, IPM_ALG_PRF, "aes-cmac-prf-128" },
	{ "null", 0, IPM_ALG_CIPHER, "null" },
	{ "null", 0, IPM_ALG_AUTH, "null-auth" },
	{ "none", 0, IPM_ALG_AUTH, NULL },
	{ "deflate", 0, IPM_ALG_COMP, "deflate" },
	{ "lzs", 0, IPM_ALG_COMP, NULL },
	{ "oui", 0, IPM_ALG_COMP, NULL },
	{ "tcp-md5", 128, IPM_ALG_AUTH, "tcp-md5" },
};

Test(alg, family_and_icv_length_choose_the_row)
{
	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
		const struct ipm_alg *a = ipm_alg_by_family(
		    families[i].family, families[i].bits, families[i].kind);

		if (families[i].name == NULL)
			cr_expect_null(a, "row %zu: %s of %u bits", i,
			    families[i].family, families[i].bits);
		else
			cr_expect_eq(a, need(families[i].name), "row %zu", i);
	}
}

/* Words of setkey(8) and of the captures' extension to it. */
static const struct {
	char option;
	const char *word, *name;
} words[] = {
	{ 'E', "des-cbc", "des-cbc" },
	{ 'E', "3des-cbc", "3des-cbc" },
	{ 'E', "null", "null" },
	{ 'E', "simple", "null" },
	{ 'E', "blowfish-cbc", "blowfish-cbc" },
	{ 'E', "cast128-cbc", "cast128-cbc" },
	{ 'E', "rijndael-cbc", "aes-cbc" },
	{ 'E', "aes-cbc", "aes-cbc" },
	{ 'E', "aes-ctr", "aes-ctr" },
	{ 'E', "camellia-cbc", "camellia-cbc" },
	{ 'E', "twofish-cbc", "twofish-cbc" },
	{ 'E', "aes-gcm-8", "aes-gcm-8" },
	{ 'E', "aes-gcm-12", "aes-gcm-12" },
	{ 'E', "aes-gcm-16", "aes-gcm-16" },
	{ 'E', "aes-ccm-8", "aes-ccm-8" },
	{ 'E', "aes-ccm-12", "aes-ccm-12" },
	{ 'E', "aes-ccm-16", "aes-ccm-16" },
	{ 'E', "aes-gmac", "aes-gmac" },
	{ 'E', "chacha20-poly1305", "chacha20-poly1305" },
	{ 'E', "hmac-md5", NULL },
	{ 'E', "deflate", NULL },
	{ 'A', "hmac-md5", "hmac-md5" },
	{ 'A', "hmac-sha1", "hmac-sha1" },
	{ 'A', "keyed-md5", "keyed-md5" },
	{ 'A', "keyed-sha1", "keyed-sha1" },
	{ 'A', "null", "null-auth" },
	{ 'A', "hmac-sha2-256", "hmac-sha256" },
	{ 'A', "hmac-sha2-256-96", "hmac-sha256-96" },
	{ 'A', "hmac-sha2-384", "hmac-sha384" },
	{ 'A', "hmac-sha2-512", "hmac-sha512" },
	{ 'A', "hmac-ripemd160", "hmac-ripemd160" },
	{ 'A', "aes-xcbc-mac", "aes-xcbc-mac" },
	{ 'A', "aes-cmac", "aes-cmac" },
	{ 'A', "tcp-md5", "tcp-md5" },
	{ 'A', "aes-cbc", NULL },
	{ 'A', "none", NULL },
	{ 'C', "deflate", "deflate" },
	{ 'C', "lzs", NULL },
	{ 'C', "oui", NULL },
};

static const struct ipm_alg *
by_word(char option, const char *word)
{
	if (option == 'E')
		return ipm_alg_by_setkey(word, IPM_ALG_CIPHER, IPM_ALG_AEAD);
	if (option == 'A')
		return ipm_alg_by_setkey(word, IPM_ALG_AUTH, IPM_ALG_AUTH);
	return ipm_alg_by_setkey(word, IPM_ALG_COMP, IPM_ALG_COMP);
}

Test(alg, setkey_words_name_their_rows)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		const struct ipm_alg *a =
		    by_word(words[i].option, words[i].word);

		cr_expect_str_eq(a == NULL ? "-" : a->name,
		    words[i].name == NULL ? "-" : words[i].name,
		    "row %zu: -%c %s", i, words[i].option, words[i].word);
	}
}

/* The words behind -E, -A and -C in one file; how many there were. */
static unsigned
look_up_words(const char *path)
{
	FILE *f = fopen(path, "r");
	char tok[256], option = 0;
	unsigned n = 0;

	cr_assert_not_null(f, "%s", path);
	while (fscanf(f, "%255s", tok) == 1) {
		tok[strcspn(tok, ";")] = '\0';
		if (option != 0) {
			cr_expect_not_null(by_word(option, tok), "%s: -%c %s",
			    path, option, tok);
			n++;
		}
		option = 0;
		if (tok[0] == '-' && tok[1] != '\0' && tok[2] == '\0' &&
		    strchr("EAC", tok[1]) != NULL)
			option = tok[1];
	}
	fclose(f);
	return n;
}

Test(alg, every_word_of_the_captures_is_known)
{
	glob_t g;
	unsigned n = 0;

	cr_assert_eq(
	    glob(SOURCE_DIR "/vectors/captures/*.setkey", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		n += look_up_words(g.gl_pathv[i]);
	/* Each of the 82 files has at least one SA either way. */
	cr_assert_geq(g.gl_pathc, 82U);
	cr_assert_geq(n, 2 * 82U);
	globfree(&g);
}

/* --- PF_KEY numbers ------------------------------------------------------ */

/*
 * Headers net/pfkeyv2.h of FreeBSD and NetBSD (2017), linux/pfkeyv2.h, and
 * OpenBSD's; 0: the header has no number for it.  [IPCOMP-RFC2394-06]
 */
static const struct {
	const char *name;
	uint8_t freebsd, linux_, netbsd, openbsd;
} numbers[] = {
	{ "hmac-md5", 2, 2, 2, 2 },
	{ "hmac-sha1", 3, 3, 3, 3 },
	{ "hmac-sha256", 5, 5, 5, 5 },
	{ "hmac-sha384", 6, 6, 6, 6 },
	{ "hmac-sha512", 7, 7, 7, 7 },
	{ "hmac-ripemd160", 8, 8, 8, 8 },
	{ "aes-xcbc-mac", 9, 9, 9, 0 },
	{ "aes-gmac-auth", 11, 0, 11, 9 },
	{ "keyed-md5", 249, 0, 249, 249 },
	{ "keyed-sha1", 250, 0, 250, 250 },
	{ "null-auth", 251, 251, 251, 0 },
	{ "tcp-md5", 252, 0, 252, 0 },
	{ "hmac-sha256-96", 0, 0, 0, 0 },
	{ "aes-cmac", 0, 0, 0, 0 },
	{ "des-cbc", 2, 2, 2, 2 },
	{ "3des-cbc", 3, 3, 3, 3 },
	{ "cast128-cbc", 6, 6, 6, 6 },
	{ "blowfish-cbc", 7, 7, 7, 7 },
	{ "null", 11, 11, 11, 11 },
	{ "aes-cbc", 12, 12, 12, 12 },
	{ "aes-ctr", 13, 13, 13, 13 },
	{ "aes-ccm-8", 0, 14, 0, 0 },
	{ "aes-ccm-12", 0, 15, 0, 0 },
	{ "aes-ccm-16", 0, 16, 0, 0 },
	{ "aes-gcm-8", 18, 18, 18, 18 },
	{ "aes-gcm-12", 19, 19, 19, 19 },
	{ "aes-gcm-16", 20, 20, 20, 20 },
	{ "camellia-cbc", 22, 22, 22, 0 },
	{ "aes-gmac", 23, 23, 23, 21 },
	{ "chacha20-poly1305", 0, 0, 0, 22 },
	{ "serpent-cbc", 0, 252, 0, 0 },
	{ "twofish-cbc", 0, 253, 0, 0 },
	{ "skipjack-cbc", 249, 0, 250, 249 },
	{ "deflate", 2, 2, 2, 2 },
};

Test(alg, pfkey_numbers_are_those_of_the_headers)
{
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		const struct ipm_alg *a = need(numbers[i].name);

		cr_expect_eq(
		    a->sadb_freebsd, numbers[i].freebsd, "%s", a->name);
		cr_expect_eq(a->sadb_linux, numbers[i].linux_, "%s", a->name);
		cr_expect_eq(a->sadb_netbsd, numbers[i].netbsd, "%s", a->name);
		cr_expect_eq(
		    a->sadb_openbsd, numbers[i].openbsd, "%s", a->name);
	}
}

/* Ciphers and combined modes share one number space of PF_KEY. */
static int
space(const struct ipm_alg *a)
{
	return a->kind == IPM_ALG_AEAD ? IPM_ALG_CIPHER : (int)a->kind;
}

static bool
collide(uint8_t a, uint8_t b)
{
	return a != 0 && a == b;
}

Test(alg, pfkey_numbers_name_one_row_each)
{
	for (size_t i = 0; i < ipm_n_algs; i++)
		for (size_t j = 0; j < i; j++) {
			const struct ipm_alg *a = &ipm_algs[i],
					     *b = &ipm_algs[j];

			if (space(a) != space(b))
				continue;
			cr_expect_not(
			    collide(a->sadb_freebsd, b->sadb_freebsd) ||
				collide(a->sadb_linux, b->sadb_linux) ||
				collide(a->sadb_netbsd, b->sadb_netbsd) ||
				collide(a->sadb_openbsd, b->sadb_openbsd),
			    "%s and %s", a->name, b->name);
		}
}

/* --- lengths ------------------------------------------------------------- */

Test(alg, lengths_of_every_row_fit_each_other)
{
	for (size_t i = 0; i < ipm_n_algs; i++) {
		const struct ipm_alg *a = &ipm_algs[i];
		const char *n = a->name;

		cr_expect_leq(a->icv_len, a->mac_len, "%s", n);
		cr_expect_leq(a->key_min, a->key_max, "%s", n);
		cr_expect(ipm_alg_key_ok(a, a->key_min), "%s", n);
		cr_expect(ipm_alg_key_ok(a, a->key_max), "%s", n);
		cr_expect_leq(a->salt_len + a->iv_len, 16, "%s", n);
		cr_expect_eq(
		    a->nonce == IPM_NONCE_NONE, a->iv_len == 0, "%s", n);
		cr_expect_eq(
		    a->nonce == IPM_NONCE_CTR || a->nonce == IPM_NONCE_SALT_IV,
		    a->salt_len != 0, "%s", n);
		if (a->nonce == IPM_NONCE_IV)
			cr_expect_eq(a->iv_len, a->block, "%s", n);
		cr_expect_eq(
		    a->kind == IPM_ALG_CIPHER || a->kind == IPM_ALG_AEAD,
		    a->block != 0, "%s", n);
		cr_expect_eq(a->kind == IPM_ALG_AEAD ||
			a->kind == IPM_ALG_AUTH || a->kind == IPM_ALG_PRF,
		    a->icv_len != 0, "%s", n);
		cr_expect_eq(a->esn_in_aad, a->kind == IPM_ALG_AEAD, "%s", n);
		cr_expect_not_null(a->document, "%s", n);
		for (size_t p = 0; p < IPM_N_PROFILES; p++)
			cr_expect_not_null(
			    ipm_alg_status_name(a->status[p]), "%s", n);
		cr_expect_not_null(ipm_alg_kind_name(a->kind), "%s", n);
	}
}

/* Octets without salt: up to seven that are right, 0 ends, and the wrong. */
static const struct {
	const char *name;
	size_t good[6], bad[6];
	uint8_t salt, block, iv;
} keys[] = {
	/* [ALG-NULL-02] [ALG-NULL-03] */
	{ "null", { 1, 256 }, { 257 }, 0, 4, 0 },
	/* [ALG-DESCBC-02] [ALG-DESCBC-03] [ALG-CBC-04] */
	{ "des-cbc", { 8 }, { 7, 9, 16, 24 }, 0, 8, 8 },
	/* [ALG-3DES-01] */
	{ "3des-cbc", { 24 }, { 8, 16, 23, 25 }, 0, 8, 8 },
	/* [ALG-CBC-02] */
	{ "blowfish-cbc", { 5, 16, 17, 56 }, { 4, 57, 58 }, 0, 8, 8 },
	{ "cast128-cbc", { 5, 10, 11, 16 }, { 4, 17 }, 0, 8, 8 },
	/* [ALG-AESCBC-01] [ALG-AESCBC-02] */
	{ "aes-cbc", { 16, 24, 32 }, { 8, 15, 17, 20, 40 }, 0, 16, 16 },
	/* [ALG-AESCTR-04] */
	{ "aes-ctr", { 16, 24, 32 }, { 12, 20, 28, 36 }, 4, 1, 8 },
	/* [ALG-CAMELLIA-01] [ALG-CAMELLIA-03] */
	{ "camellia-cbc", { 16, 24, 32 }, { 8, 20, 33 }, 0, 16, 16 },
	{ "camellia-ctr", { 16, 24, 32 }, { 20, 36 }, 4, 1, 8 },
	{ "twofish-cbc", { 16, 24, 32 }, { 8, 15 }, 0, 16, 16 },
	{ "serpent-cbc", { 16, 24, 32 }, { 8, 15 }, 0, 16, 16 },
	{ "skipjack-cbc", { 10 }, { 9, 11, 16 }, 0, 8, 8 },
	/* [ALG-AESGCM-08] */
	{ "aes-gcm-16", { 16, 24, 32 }, { 20, 28, 36 }, 4, 1, 8 },
	{ "aes-gcm-8", { 16, 24, 32 }, { 20, 28, 36 }, 4, 1, 8 },
	/* [ALG-AESCCM-06] [ALG-AESCCM-07] */
	{ "aes-ccm-8", { 16, 24, 32 }, { 19, 27, 35 }, 3, 1, 8 },
	/* [ALG-GMAC-08] */
	{ "aes-gmac", { 16, 24, 32 }, { 20, 28, 36 }, 4, 1, 8 },
	{ "aes-gmac-auth", { 16, 24, 32 }, { 20, 28, 36 }, 4, 0, 8 },
	/* [ALG-CHACHA-03] */
	{ "chacha20-poly1305", { 32 }, { 16, 24, 31, 36 }, 4, 1, 8 },
	/* [ALG-HMACMD5-02] [ALG-HMACMD5-03] */
	{ "hmac-md5", { 16 }, { 15, 17, 20 }, 0, 0, 0 },
	/* [ALG-HMACSHA1-02] [ALG-HMACSHA1-03] */
	{ "hmac-sha1", { 20 }, { 16, 19, 21, 32 }, 0, 0, 0 },
	/* [ALG-SHA2-01] [ALG-SHA2-02] */
	{ "hmac-sha256", { 32 }, { 16, 31, 33, 64 }, 0, 0, 0 },
	{ "hmac-sha256-96", { 32 }, { 16, 31, 33 }, 0, 0, 0 },
	{ "hmac-sha384", { 48 }, { 32, 47, 49 }, 0, 0, 0 },
	{ "hmac-sha512", { 64 }, { 32, 63, 65, 128 }, 0, 0, 0 },
	/* [ALG-RIPEMD-02] */
	{ "hmac-ripemd160", { 20 }, { 16, 19, 21 }, 0, 0, 0 },
	/* [ALG-XCBC-04] [ALG-XCBC-05] [ALG-CMAC-02] */
	{ "aes-xcbc-mac", { 16 }, { 15, 17, 24, 32 }, 0, 0, 0 },
	{ "aes-cmac", { 16 }, { 15, 17, 24, 32 }, 0, 0, 0 },
	/* [ALG-TCPMD5-10] */
	{ "tcp-md5", { 1, 16, 79, 80 }, { 81, 128 }, 0, 0, 0 },
	{ "keyed-md5", { 1, 8, 16, 80, 128 }, { 257 }, 0, 0, 0 },
	{ "keyed-sha1", { 1, 8, 20, 80, 128 }, { 257 }, 0, 0, 0 },
	{ "null-auth", { 1, 16 }, { 257 }, 0, 0, 0 },
};

Test(alg, key_block_iv_and_salt_are_those_of_the_documents)
{
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const struct ipm_alg *a = need(keys[i].name);

		for (size_t j = 0; j < 6 && keys[i].good[j] != 0; j++)
			cr_expect(ipm_alg_key_ok(a, keys[i].good[j]),
			    "%s refuses %zu octets", a->name, keys[i].good[j]);
		for (size_t j = 0; j < 6 && keys[i].bad[j] != 0; j++)
			cr_expect_not(ipm_alg_key_ok(a, keys[i].bad[j]),
			    "%s takes %zu octets", a->name, keys[i].bad[j]);
		cr_expect_not(ipm_alg_key_ok(a, SIZE_MAX), "%s", a->name);
		cr_expect_eq(a->salt_len, keys[i].salt, "%s", a->name);
		cr_expect_eq(a->block, keys[i].block, "%s", a->name);
		cr_expect_eq(a->iv_len, keys[i].iv, "%s", a->name);
	}
}

/* An empty key is none, but for the null algorithms. */
Test(alg, an_empty_key_is_refused_unless_the_algorithm_has_none)
{
	for (size_t i = 0; i < ipm_n_algs; i++) {
		const struct ipm_alg *a = &ipm_algs[i];
		bool none = a->prim == IPM_PRIM_NULL ||
		    a->prim == IPM_PRIM_NULL_MAC || a->kind == IPM_ALG_COMP;

		cr_expect_eq(ipm_alg_key_ok(a, 0), none, "%s", a->name);
	}
}

/* --- nonces -------------------------------------------------------------- */

/*
 * RFC 3686 6 test vectors 1 and 3 print their counter blocks; RFC 4106 4, RFC
 * 4309 4, RFC 4543 3.2 and RFC 7634 2 put salt and IV together; CBC has its IV.
 * [ALG-AESCTR-03] [ALG-AESGCM-03] [ALG-AESCCM-02] [ALG-AESCCM-03]
 * [ALG-GMAC-03] [ALG-CHACHA-02]
 */
static const struct {
	const char *name, *salt, *iv, *nonce;
} nonces[] = {
	{ "aes-ctr", "00000030", "0000000000000000",
	    "00000030000000000000000000000001" },
	{ "aes-ctr", "00e0017b", "27777f3f4a1786f0",
	    "00e0017b27777f3f4a1786f000000001" },
	{ "camellia-ctr", "00000030", "0000000000000000",
	    "00000030000000000000000000000001" },
	{ "aes-gcm-16", "2e443b68", "4956ed7e3b244cfe",
	    "2e443b684956ed7e3b244cfe" },
	{ "aes-gcm-8", "cafebabe", "facedbaddecaf888",
	    "cafebabefacedbaddecaf888" },
	{ "aes-ccm-16", "96ac59", "3007a1e2a2c75524",
	    "96ac593007a1e2a2c75524" },
	{ "aes-gmac", "22433c64", "4855ec7d3a234bfd",
	    "22433c644855ec7d3a234bfd" },
	{ "aes-gmac-auth", "22433c64", "4855ec7d3a234bfd",
	    "22433c644855ec7d3a234bfd" },
	{ "chacha20-poly1305", "a0a1a2a3", "1011121314151617",
	    "a0a1a2a31011121314151617" },
	{ "aes-cbc", "", "3dafba429d9eb430b422da802c9fac41",
	    "3dafba429d9eb430b422da802c9fac41" },
	{ "des-cbc", "", "1234567890abcdef", "1234567890abcdef" },
	{ "null", "", "", "" },
	{ "hmac-sha1", "", "", "" },
};

Test(alg, nonce_is_laid_out_as_the_document_says)
{
	for (size_t i = 0; i < sizeof nonces / sizeof nonces[0]; i++) {
		const struct ipm_alg *a = need(nonces[i].name);
		struct hx_octets salt, iv;
		uint8_t out[16];
		char text[33];
		size_t n;

		cr_assert(hx_hex_read(nonces[i].salt, &salt));
		cr_assert(hx_hex_read(nonces[i].iv, &iv));
		cr_assert_eq(salt.len, a->salt_len, "row %zu", i);
		cr_assert_eq(iv.len, a->iv_len, "row %zu", i);
		n = ipm_alg_nonce(a, salt.p, iv.p, out);
		cr_assert_leq(n, sizeof out);
		cr_expect_str_eq(hx_hex_write(ipm_span(out, n), text),
		    nonces[i].nonce, "row %zu: %s", i, a->name);
		hx_octets_free(&salt);
		hx_octets_free(&iv);
	}
}

/* --- status -------------------------------------------------------------- */

/* RFC 2407 4.4 beside RFC 8221 5 and 6. */
static const struct {
	const char *name;
	enum ipm_alg_status rfc2401, rfc4301;
} levels[] = {
	/* [ALG-REQ-03] [ALG-REQ-04] [ALG-REQ-05] */
	{ "null", IPM_AS_MUST, IPM_AS_MUST },
	{ "des-cbc", IPM_AS_MUST, IPM_AS_MUST_NOT },
	{ "3des-cbc", IPM_AS_MAY, IPM_AS_SHOULD_NOT },
	{ "blowfish-cbc", IPM_AS_MAY, IPM_AS_MUST_NOT },
	{ "aes-cbc", IPM_AS_MAY, IPM_AS_MUST },
	{ "aes-ctr", IPM_AS_MAY, IPM_AS_MAY },
	{ "aes-gcm-16", IPM_AS_MAY, IPM_AS_MUST },
	{ "aes-ccm-8", IPM_AS_ABSENT, IPM_AS_SHOULD },
	{ "chacha20-poly1305", IPM_AS_ABSENT, IPM_AS_SHOULD },
	/* [ALG-REQ-06] [ALG-REQ-07] [ALG-REQ-08] [ALG-SHA2-04] */
	{ "hmac-md5", IPM_AS_MUST, IPM_AS_MUST_NOT },
	{ "hmac-sha1", IPM_AS_MUST, IPM_AS_MUST },
	{ "keyed-md5", IPM_AS_MAY, IPM_AS_MUST_NOT },
	{ "hmac-sha256", IPM_AS_ABSENT, IPM_AS_MUST },
	{ "hmac-sha256-96", IPM_AS_ABSENT, IPM_AS_ABSENT },
	{ "hmac-sha512", IPM_AS_ABSENT, IPM_AS_SHOULD },
	{ "deflate", IPM_AS_MAY, IPM_AS_MAY },
};

Test(alg, standards_give_their_levels)
{
	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		const struct ipm_alg *a = need(levels[i].name);

		cr_expect_eq(a->status[IPM_PF_RFC2401], levels[i].rfc2401,
		    "%s is %s in rfc2401", a->name,
		    ipm_alg_status_name(a->status[IPM_PF_RFC2401]));
		cr_expect_eq(a->status[IPM_PF_RFC4301], levels[i].rfc4301,
		    "%s is %s in rfc4301", a->name,
		    ipm_alg_status_name(a->status[IPM_PF_RFC4301]));
	}
}

/* REGISTER's answer at r313330, deflate and TCP-MD5 beside it. */
static const char *const freebsd_2017[] = { "null", "des-cbc", "3des-cbc",
	"blowfish-cbc", "cast128-cbc", "aes-cbc", "aes-ctr", "camellia-cbc",
	"aes-gcm-16", "hmac-md5", "hmac-sha1", "hmac-sha256", "hmac-sha384",
	"hmac-sha512", "hmac-ripemd160", "keyed-md5", "keyed-sha1", "null-auth",
	"tcp-md5", "deflate" };

/* What FreeBSD 13 dropped: each answers EINVAL in its recordings. */
static const char *const dropped[] = { "des-cbc", "3des-cbc", "blowfish-cbc",
	"cast128-cbc", "camellia-cbc", "hmac-md5", "hmac-ripemd160",
	"keyed-md5", "keyed-sha1" };

static bool
in(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

Test(alg, kernels_have_what_they_register)
{
	for (size_t i = 0; i < ipm_n_algs; i++) {
		const struct ipm_alg *a = &ipm_algs[i];
		bool had = in(freebsd_2017,
		    sizeof freebsd_2017 / sizeof freebsd_2017[0], a->name);
		bool has = had &&
		    !in(dropped, sizeof dropped / sizeof dropped[0], a->name);

		cr_expect_eq(
		    a->status[IPM_PF_OBSERVER], IPM_AS_PRESENT, "%s", a->name);
		cr_expect_eq(a->status[IPM_PF_MANUAL],
		    a->status[IPM_PF_FREEBSD_2017], "%s", a->name);
		cr_expect_eq(a->status[IPM_PF_FREEBSD_2017],
		    had ? IPM_AS_PRESENT : IPM_AS_ABSENT, "%s", a->name);
		cr_expect_eq(a->status[IPM_PF_FREEBSD_13],
		    has ? IPM_AS_PRESENT : IPM_AS_ABSENT, "%s", a->name);
	}
}

/* Linux 6.1 ran everything that the captures were made with. */
Test(alg, linux_has_every_algorithm_of_the_captures)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		const struct ipm_alg *a =
		    by_word(words[i].option, words[i].word);
		static const char *const not_there[] = { "keyed-md5",
			"keyed-sha1", "null-auth", "tcp-md5" };

		if (a != NULL)
			cr_expect_eq(a->status[IPM_PF_LINUX],
			    in(not_there, 4, a->name) ? IPM_AS_ABSENT
						      : IPM_AS_PRESENT,
			    "%s", a->name);
	}
}

Test(alg, keyed_hashes_are_those_of_rfc1828_and_rfc1852)
{
	for (size_t i = 0; i < ipm_n_algs; i++)
		cr_expect_eq(ipm_alg_is_keyed_hash(&ipm_algs[i]),
		    strncmp(ipm_algs[i].name, "keyed-", 6) == 0, "%s",
		    ipm_algs[i].name);
}
