/*
 * The providers against published figures: every primitive case of the vector
 * files, in both directions, by one loop over a table of operations.
 */
#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_engine.h"
#include "hx_hex.h"
#include "model/provider/ipm_libcrypto.h"
#include "model/provider/ipm_zlib.h"
#include "support/db_box.h"

#define ROOM (1U << 20)

static struct ipm_provider crypto;
static struct ipm_compressor comp;

static void
set_up(void)
{
	struct ipm_alloc alloc = hx_alloc();

	cr_assert_eq(ipm_libcrypto_open(&crypto, &alloc), IPM_OK);
	cr_assert_eq(ipm_zlib_open(&comp, &alloc), IPM_OK);
}

static void
tear_down(void)
{
	ipm_zlib_close(&comp);
	ipm_libcrypto_close(&crypto);
}

TestSuite(provider, .init = set_up, .fini = tear_down);

static const struct ipm_alg *
need(const char *name)
{
	const struct ipm_alg *a = ipm_alg_by_name(name);

	cr_assert_not_null(a, "%s", name);
	return a;
}

static struct ipm_session *
session(const struct ipm_alg *enc, struct ipm_span enc_key,
    const struct ipm_alg *auth, struct ipm_span auth_key)
{
	struct ipm_session_desc d = { enc, enc_key, auth, auth_key };
	struct ipm_session *s;

	cr_assert_eq(crypto.open(&crypto, &d, &s), IPM_OK, "%s",
	    enc != NULL ? enc->name : auth->name);
	return s;
}

static enum ipm_err
try_open(const struct ipm_alg *enc, size_t enc_len, const struct ipm_alg *auth,
    size_t auth_len)
{
	static const uint8_t key[1024] = { 1 };
	struct ipm_session_desc d = { enc, ipm_span(key, enc_len), auth,
		ipm_span(key, auth_len) };
	struct ipm_session *s;
	enum ipm_err err = crypto.open(&crypto, &d, &s);

	cr_expect_eq(err == IPM_OK, s != NULL);
	crypto.close(&crypto, s);
	return err;
}

static bool
all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Compares octets; len may be 0 and either pointer then NULL. */
static bool
same(const uint8_t *a, const uint8_t *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

/* --- one case of a file -------------------------------------------------- */

struct vec {
	const char *id; /* "file: case" */
	const char *family;
	bool valid;
	unsigned icv_bits; /* 0: not said */
	struct hx_octets key, message, icv, salt, iv, nonce, aad, plaintext,
	    ciphertext, compressed;
};

static const struct {
	const char *name;
	size_t at;
} members[] = {
	{ "key", offsetof(struct vec, key) },
	{ "message", offsetof(struct vec, message) },
	{ "icv", offsetof(struct vec, icv) },
	{ "salt", offsetof(struct vec, salt) },
	{ "iv", offsetof(struct vec, iv) },
	{ "nonce", offsetof(struct vec, nonce) },
	{ "aad", offsetof(struct vec, aad) },
	{ "plaintext", offsetof(struct vec, plaintext) },
	{ "ciphertext", offsetof(struct vec, ciphertext) },
	{ "compressed", offsetof(struct vec, compressed) },
};

static struct hx_octets *
member(struct vec *v, size_t i)
{
	return (struct hx_octets *)(void *)((char *)v + members[i].at);
}

static void
load(struct vec *v, const json_t *j, const char *id)
{
	const char *result = json_string_value(json_object_get(j, "result"));

	memset(v, 0, sizeof *v);
	v->id = id;
	v->family = json_string_value(json_object_get(j, "algorithm"));
	cr_assert_not_null(v->family, "%s", id);
	cr_assert_not_null(result, "%s", id);
	v->valid = strcmp(result, "valid") == 0;
	cr_assert(v->valid || strcmp(result, "invalid") == 0, "%s", id);
	v->icv_bits =
	    (unsigned)json_integer_value(json_object_get(j, "icv_bits"));
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		const char *hex =
		    json_string_value(json_object_get(j, members[i].name));

		if (hex != NULL)
			cr_assert(hx_hex_read(hex, member(v, i)), "%s: %s", id,
			    members[i].name);
	}
}

static void
unload(struct vec *v)
{
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		hx_octets_free(member(v, i));
}

/* Only what needs OpenSSL's legacy provider or libgcrypt may be missing. */
static bool
offered(const struct vec *v, const struct ipm_alg *a)
{
	static const char *const optional[] = { "des-cbc", "blowfish-cbc",
		"cast128-cbc", "hmac-ripemd160", "twofish-cbc", "serpent-cbc" };

	if (crypto.offers(&crypto, a))
		return true;
	for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
		if (strcmp(optional[i], a->name) == 0) {
			cr_log_warn("%s: %s is not offered", v->id, a->name);
			return false;
		}
	cr_assert_fail("%s: %s is not offered", v->id, a->name);
	return false;
}

/* --- operations ---------------------------------------------------------- */

/* The message whole, in two parts cut everywhere, and octet by octet. */
static void
mac_of_kind(struct vec *v, enum ipm_alg_kind kind)
{
	const struct ipm_alg *a = ipm_alg_by_family(v->family, 0, kind);
	struct ipm_span part = hx_span(&v->message), *single;
	struct ipm_session *s;
	uint8_t out[64], again[64];
	size_t n = v->message.len;

	cr_assert_not_null(a, "%s: %s", v->id, v->family);
	if (!offered(v, a))
		return;
	cr_assert_eq(v->icv_bits, v->icv.len * 8, "%s", v->id);
	cr_assert_leq(v->icv.len, a->mac_len, "%s", v->id);
	s = session(NULL, ipm_span(NULL, 0), a, hx_span(&v->key));
	cr_assert_eq(crypto.mac(s, NULL, 0, &part, 1, out), IPM_OK);
	cr_expect_eq(
	    memcmp(out, v->icv.p, v->icv.len) == 0, v->valid, "%s: icv", v->id);
	for (size_t cut = 0; cut <= n; cut++) {
		struct ipm_span two[2] = { ipm_span_sub(part, 0, cut),
			ipm_span_from(part, cut) };

		cr_assert_eq(crypto.mac(s, NULL, 0, two, 2, again), IPM_OK);
		cr_assert_arr_eq(
		    again, out, a->mac_len, "%s: cut at %zu", v->id, cut);
	}
	single = calloc(n + 1, sizeof *single);
	cr_assert_not_null(single);
	for (size_t i = 0; i < n; i++)
		single[i] = ipm_span_sub(part, i, 1);
	cr_assert_eq(crypto.mac(s, NULL, 0, single, n, again), IPM_OK);
	cr_assert_arr_eq(again, out, a->mac_len, "%s: by octets", v->id);
	free(single);
	crypto.close(&crypto, s);
}

static void
run_mac(struct vec *v)
{
	mac_of_kind(v, IPM_ALG_AUTH);
}

static void
run_prf(struct vec *v)
{
	mac_of_kind(v, IPM_ALG_PRF);
}

static void
run_block(struct vec *v)
{
	uint8_t out[16];

	cr_assert(v->valid, "%s", v->id);
	cr_assert_leq(v->plaintext.len, sizeof out, "%s", v->id);
	cr_assert_eq(ipm_libcrypto_block(&crypto, v->family, hx_span(&v->key),
			 v->plaintext.p, out, v->plaintext.len),
	    IPM_OK, "%s", v->id);
	cr_expect_arr_eq(out, v->ciphertext.p, v->ciphertext.len, "%s", v->id);
}

/* Thrice with one session, the second time where the octets stand. */
static void
run_cipher(struct vec *v)
{
	const struct ipm_alg *a =
	    ipm_alg_by_family(v->family, 0, IPM_ALG_CIPHER);
	size_t n, len = v->plaintext.len;
	struct ipm_session *s;
	uint8_t nonce[16], *buf;

	cr_assert_not_null(a, "%s: %s", v->id, v->family);
	if (!offered(v, a))
		return;
	cr_assert(v->valid, "%s", v->id);
	cr_assert_eq(v->salt.len, a->salt_len, "%s", v->id);
	cr_assert_eq(v->iv.len, a->iv_len, "%s", v->id);
	cr_assert_eq(v->ciphertext.len, len, "%s", v->id);
	n = ipm_alg_nonce(a, v->salt.p, v->iv.p, nonce);
	buf = malloc(len + 1);
	cr_assert_not_null(buf);
	s = session(a, hx_span(&v->key), NULL, ipm_span(NULL, 0));
	for (int round = 0; round < 3; round++) {
		struct ipm_span src = hx_span(&v->plaintext);

		if (round == 1 && len != 0) {
			memcpy(buf, src.p, len);
			src.p = buf;
		}
		cr_assert_eq(crypto.cipher(s, true, nonce, n, src, buf), IPM_OK,
		    "%s", v->id);
		cr_expect(same(buf, v->ciphertext.p, len),
		    "%s: ciphertext, round %d", v->id, round);
		src = hx_span(&v->ciphertext);
		if (round == 1 && len != 0) {
			memcpy(buf, src.p, len);
			src.p = buf;
		}
		cr_assert_eq(crypto.cipher(s, false, nonce, n, src, buf),
		    IPM_OK, "%s", v->id);
		cr_expect(same(buf, v->plaintext.p, len),
		    "%s: plaintext, round %d", v->id, round);
	}
	crypto.close(&crypto, s);
	free(buf);
}

/* Opens the case's ciphertext with tag; in place or not. */
static enum ipm_err
open_aead(const struct vec *v, struct ipm_session *s, const uint8_t *tag,
    bool in_place, uint8_t *buf, uint8_t *computed)
{
	struct ipm_span src = hx_span(&v->ciphertext);
	uint8_t t[16];

	memcpy(t, tag, v->icv.len);
	if (src.len != 0)
		memset(buf, 0xee, src.len);
	if (in_place) {
		if (src.len != 0)
			memcpy(buf, src.p, src.len);
		src.p = buf;
	}
	return crypto.aead(s, false, v->nonce.p, v->nonce.len, hx_span(&v->aad),
	    src, buf, t, v->icv.len, computed);
}

/* Every octet of the tag spoilt in turn: refused, zeros, the right tag. */
static void
spoil_tag(const struct vec *v, struct ipm_session *s, uint8_t *buf)
{
	uint8_t tag[16], computed[16];

	for (size_t i = 0; i < 2 * v->icv.len; i++) {
		bool in_place = i % 2 != 0;

		memcpy(tag, v->icv.p, v->icv.len);
		tag[i / 2] ^= (uint8_t)(1U << i / 2 % 8);
		memset(computed, 0xee, sizeof computed);
		cr_assert_eq(open_aead(v, s, tag, in_place, buf, computed),
		    IPM_ERR_AUTH, "%s: tag octet %zu", v->id, i / 2);
		cr_assert(all_zero(buf, v->ciphertext.len),
		    "%s: something is left", v->id);
		cr_assert_arr_eq(computed, v->icv.p, v->icv.len,
		    "%s: not the right tag", v->id);
		cr_assert_eq(open_aead(v, s, tag, in_place, buf, NULL),
		    IPM_ERR_AUTH, "%s", v->id);
	}
}

static void
seal_aead(
    const struct vec *v, struct ipm_session *s, bool in_place, uint8_t *buf)
{
	struct ipm_span src = hx_span(&v->plaintext);
	uint8_t tag[16];

	if (in_place) {
		if (src.len != 0)
			memcpy(buf, src.p, src.len);
		src.p = buf;
	}
	cr_assert_eq(crypto.aead(s, true, v->nonce.p, v->nonce.len,
			 hx_span(&v->aad), src, buf, tag, v->icv.len, NULL),
	    IPM_OK, "%s", v->id);
	cr_expect(same(buf, v->ciphertext.p, src.len), "%s: ciphertext", v->id);
	cr_expect_arr_eq(tag, v->icv.p, v->icv.len, "%s: icv", v->id);
}

/* GMAC's other door: integrity of AH, the nonce beside the message. */
static void
gmac_as_auth(const struct vec *v)
{
	const struct ipm_alg *a =
	    ipm_alg_by_family("aes-gmac", 0, IPM_ALG_AUTH);
	struct ipm_session *s =
	    session(NULL, ipm_span(NULL, 0), a, hx_span(&v->key));
	struct ipm_span part = hx_span(&v->aad);
	uint8_t out[16];

	for (int round = 0; round < 3; round++) {
		cr_assert_eq(
		    crypto.mac(s, v->nonce.p, v->nonce.len, &part, 1, out),
		    IPM_OK, "%s", v->id);
		cr_expect_eq(memcmp(out, v->icv.p, v->icv.len) == 0, v->valid,
		    "%s: as an integrity algorithm", v->id);
	}
	crypto.close(&crypto, s);
}

static void
run_aead(struct vec *v)
{
	const struct ipm_alg *a =
	    ipm_alg_by_family(v->family, v->icv_bits, IPM_ALG_AEAD);
	struct ipm_session *s;
	uint8_t *buf;

	/* RFC 3610 has tags that no SA has. */
	if (a == NULL)
		a = ipm_alg_by_family(v->family, 0, IPM_ALG_AEAD);
	cr_assert_not_null(a, "%s: %s", v->id, v->family);
	if (!offered(v, a))
		return;
	if (v->nonce.len == 0) {
		v->nonce.len = v->salt.len + v->iv.len;
		v->nonce.p = malloc(v->nonce.len + 1);
		cr_assert_not_null(v->nonce.p);
		memcpy(v->nonce.p, v->salt.p, v->salt.len);
		memcpy(v->nonce.p + v->salt.len, v->iv.p, v->iv.len);
	}
	cr_assert_eq(v->icv.len * 8, v->icv_bits, "%s", v->id);
	if (a->prim == IPM_PRIM_AES_GMAC)
		gmac_as_auth(v);
	buf = malloc(v->ciphertext.len + 1);
	cr_assert_not_null(buf);
	s = session(a, hx_span(&v->key), NULL, ipm_span(NULL, 0));
	if (!v->valid) {
		uint8_t computed[16];

		cr_expect_eq(open_aead(v, s, v->icv.p, false, buf, computed),
		    IPM_ERR_AUTH, "%s", v->id);
		cr_expect_neq(
		    memcmp(computed, v->icv.p, v->icv.len), 0, "%s", v->id);
		cr_expect(all_zero(buf, v->ciphertext.len), "%s", v->id);
		cr_expect_eq(open_aead(v, s, v->icv.p, true, buf, NULL),
		    IPM_ERR_AUTH, "%s", v->id);
	} else {
		cr_assert_eq(v->plaintext.len, v->ciphertext.len, "%s", v->id);
		seal_aead(v, s, false, buf);
		cr_expect_eq(open_aead(v, s, v->icv.p, false, buf, NULL),
		    IPM_OK, "%s", v->id);
		cr_expect(same(buf, v->plaintext.p, v->plaintext.len),
		    "%s: plaintext", v->id);
		spoil_tag(v, s, buf);
		seal_aead(v, s, true, buf);
		cr_expect_eq(open_aead(v, s, v->icv.p, true, buf, NULL), IPM_OK,
		    "%s", v->id);
		cr_expect(same(buf, v->plaintext.p, v->plaintext.len),
		    "%s: plaintext in place", v->id);
	}
	crypto.close(&crypto, s);
	free(buf);
}

static enum ipm_err
inflate_to(struct ipm_span src, uint8_t *dst, size_t limit, size_t *len)
{
	*len = limit;
	return comp.decompress(&comp, src, dst, len);
}

/*
 * [IPCOMP-RFC2394-03] [IPCOMP-RFC2394-04] [IPCOMP-RFC2394-07..10] A stream must
 * be whole, end with the input and fit the limit.
 */
static void
run_deflate(struct vec *v)
{
	struct ipm_span src = hx_span(&v->compressed);
	size_t want = v->plaintext.len, len, packed = ROOM;
	uint8_t *out = malloc(ROOM), *longer = malloc(src.len + 1),
		*mine = malloc(ROOM);
	enum ipm_err err;

	cr_assert_not_null(out);
	cr_assert_not_null(longer);
	cr_assert_not_null(mine);
	err = inflate_to(src, out, ROOM, &len);
	cr_expect_eq(err, v->valid ? IPM_OK : IPM_ERR_DATA, "%s", v->id);
	if (!v->valid)
		goto done;
	cr_expect_eq(len, want, "%s", v->id);
	cr_expect(same(out, v->plaintext.p, want), "%s", v->id);

	cr_expect_eq(inflate_to(src, out, want, &len), IPM_OK,
	    "%s: just enough room", v->id);
	cr_expect_eq(len, want, "%s", v->id);
	if (want != 0)
		cr_expect_eq(inflate_to(src, out, want - 1, &len),
		    IPM_ERR_TOOBIG, "%s: one octet short", v->id);
	memcpy(longer, src.p, src.len);
	longer[src.len] = 0;
	cr_expect_eq(inflate_to(ipm_span(longer, src.len + 1), out, ROOM, &len),
	    IPM_ERR_DATA, "%s: an octet behind the end", v->id);
	for (size_t n = 0; n < src.len && n < 2048; n++)
		cr_assert_eq(
		    inflate_to(ipm_span_sub(src, 0, n), out, ROOM, &len),
		    IPM_ERR_DATA, "%s: %zu octets of it", v->id, n);

	/* Another compressor chooses other codes for the same octets. */
	cr_assert_eq(
	    comp.compress(&comp, hx_span(&v->plaintext), mine, &packed), IPM_OK,
	    "%s", v->id);
	cr_expect_eq(inflate_to(ipm_span(mine, packed), out, ROOM, &len),
	    IPM_OK, "%s", v->id);
	cr_expect_eq(len, want, "%s", v->id);
	cr_expect(same(out, v->plaintext.p, want), "%s: round trip", v->id);
done:
	free(out);
	free(longer);
	free(mine);
}

/*
 * `least' is how many cases of the operation the files have: [ALG-AESCBC-05]
 * [ALG-CBC-06] [ALG-CAMELLIA-02] [ALG-RIPEMD-01] [ALG-XCBC-01] [ALG-XCBC-02]
 * [ALG-CMAC-01] [ALG-SHA2-05] [ALG-CHACHA-04] [ALG-CHACHA-05] [ALG-3DES-03]
 */
static struct operation {
	const char *name;
	void (*run)(struct vec *v); /* NULL: whole packets, tested elsewhere */
	size_t least, n;
} operations[] = {
	{ "hmac", run_mac, 709, 0 },
	{ "mac", run_mac, 124, 0 },
	{ "prf", run_prf, 6, 0 },
	{ "block", run_block, 22, 0 },
	{ "cipher", run_cipher, 78, 0 },
	{ "aead", run_aead, 1169, 0 },
	{ "deflate", run_deflate, 49, 0 },
	{ "esp-packet", NULL, 220, 0 },
	{ "ah-packet", NULL, 147, 0 },
	{ "ipcomp-packet", NULL, 10, 0 },
	{ "tcp-md5", NULL, 12, 0 },
};
#define N_OPERATIONS (sizeof operations / sizeof operations[0])

static struct operation *
operation(const char *name)
{
	for (size_t i = 0; i < N_OPERATIONS; i++)
		if (name != NULL && strcmp(operations[i].name, name) == 0)
			return &operations[i];
	return NULL;
}

/* What vectors/rfc/README.md says of a file; -1: nothing. */
static int
readme_cases(const char *base)
{
	FILE *f = fopen(SOURCE_DIR "/vectors/rfc/README.md", "r");
	char line[512], name[64];
	int n = -1;

	cr_assert_not_null(f);
	while (n < 0 && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "| `%63[^`]`", name) == 1 &&
		    strcmp(name, base) == 0) {
			const char *third =
			    strchr(strchr(line + 1, '|') + 1, '|');

			cr_assert_not_null(third, "%s", line);
			cr_assert_eq(sscanf(third, "| %d", &n), 1, "%s", line);
		}
	fclose(f);
	return n;
}

static void
walk_file(const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	json_error_t err;
	json_t *root = json_load_file(path, 0, &err), *cases, *j;
	char id[256];
	size_t i;

	cr_assert_not_null(root, "%s: %s", path, err.text);
	cases = json_object_get(root, "cases");
	cr_assert_gt(json_array_size(cases), 0U, "%s", path);
	if (strstr(path, "/rfc/") != NULL)
		cr_assert_eq((int)json_array_size(cases), readme_cases(base),
		    "%s", base);
	json_array_foreach(cases, i, j)
	{
		struct operation *op = operation(
		    json_string_value(json_object_get(j, "operation")));
		struct vec v;

		(void)snprintf(id, sizeof id, "%s: %s", base,
		    json_string_value(json_object_get(j, "id")));
		cr_assert_not_null(op, "%s: unknown operation", id);
		op->n++;
		if (op->run == NULL)
			continue;
		load(&v, j, id);
		op->run(&v);
		unload(&v);
	}
	json_decref(root);
}

static size_t
walk(const char *pattern)
{
	glob_t g;
	size_t n;

	cr_assert_eq(glob(pattern, 0, NULL, &g), 0, "%s", pattern);
	n = g.gl_pathc;
	for (size_t i = 0; i < n; i++)
		walk_file(g.gl_pathv[i]);
	globfree(&g);
	return n;
}

Test(provider, every_published_case_holds_both_ways)
{
	cr_assert_geq(walk(SOURCE_DIR "/vectors/rfc/*.json"), 32U);
	cr_assert_geq(walk(SOURCE_DIR "/vectors/public/*.json"), 20U);
	for (size_t i = 0; i < N_OPERATIONS; i++)
		cr_expect_geq(operations[i].n, operations[i].least,
		    "%zu cases of %s", operations[i].n, operations[i].name);
}

/* --- figures that no vector file holds ----------------------------------- */

/* NIST, Skipjack and KEA Algorithm Specifications, 1998. */
Test(provider, skipjack_gives_the_nist_figure)
{
	static const uint8_t key[10] = { 0x00, 0x99, 0x88, 0x77, 0x66, 0x55,
		0x44, 0x33, 0x22, 0x11 };
	static const uint8_t pt[8] = { 0x33, 0x22, 0x11, 0x00, 0xdd, 0xcc, 0xbb,
		0xaa };
	static const uint8_t ct[8] = { 0x25, 0x87, 0xca, 0xe2, 0x7a, 0x12, 0xd3,
		0x00 };
	static const uint8_t zero[8];
	struct ipm_session *s;
	uint8_t out[24], back[24], three[24];

	cr_assert_eq(ipm_libcrypto_block(&crypto, "skipjack",
			 ipm_span(key, sizeof key), pt, out, 8),
	    IPM_OK);
	cr_expect_arr_eq(out, ct, 8);
	s = session(need("skipjack-cbc"), ipm_span(key, sizeof key), NULL,
	    ipm_span(NULL, 0));
	cr_assert_eq(
	    crypto.cipher(s, true, zero, 8, ipm_span(pt, 8), out), IPM_OK);
	cr_expect_arr_eq(out, ct, 8, "CBC under a zero IV is the block");
	/* P2 = C1 xor P makes the second block P under the chain again. */
	for (size_t i = 0; i < 8; i++) {
		three[i] = pt[i];
		three[8 + i] = pt[i] ^ ct[i];
		three[16 + i] = pt[i] ^ ct[i];
	}
	cr_assert_eq(
	    crypto.cipher(s, true, zero, 8, ipm_span(three, sizeof three), out),
	    IPM_OK);
	for (size_t i = 0; i < 3; i++)
		cr_expect_arr_eq(out + 8 * i, ct, 8, "block %zu", i);
	cr_assert_eq(
	    crypto.cipher(s, false, zero, 8, ipm_span(out, sizeof out), back),
	    IPM_OK);
	cr_expect_arr_eq(back, three, sizeof three);
	crypto.close(&crypto, s);
}

/*
 * H(key, fill, data, key) and MD5(data, key) by an unrelated implementation
 * (Python's hashlib): key octet i is 7 i + 3, the data 0, 1, ... 49.
 */
static const struct {
	size_t key_len;
	const char *md5, *sha1, *tcp;
} keyed_figures[] = {
	{ 1, "2b351554f15dd2e535d73011d16b6a8c",
	    "a6a6c628d3a90d778bc5d3fc96025160b1f4ae8c",
	    "74b8b40d860db84a3b16818ba07ac861" },
	{ 16, "6a002d7461abc45edfe10c48d4ed2e0d",
	    "d6296cefbfad69f96bcfe4be97e9c8957b273c14",
	    "142368f29cab7387ae7a2bb170640148" },
	{ 20, "d30c699c550f27c97767b7dafa2c33a0",
	    "81749a3b28d3d1e6b53d4059af2ae256d7280fcb",
	    "4f8cbb61d5b6a4a857aab03a46133000" },
	{ 55, "8904d5acd19d033990ab6245d6404d54",
	    "5bb45885f81f4be4f0e0a64b9c18fcf24be0f2c1",
	    "fe333f6e9d270e2262e34164f3c05199" },
	{ 56, "d9bdeb0cfc1c6a767404162ca6777b73",
	    "1c5f321cb060b7ab222d33e3c341ef3dfc5239b7",
	    "fc12bab2361017ad29ba0d8e8565929e" },
	{ 63, "02105588bd01b5c3899952cc6e8d4a16",
	    "20d791a4a64bc7e2e711c0f6e9f365c03f7e0070",
	    "d0bf0fbae3a49a30a82396f73a293b7d" },
	{ 64, "400afa2fabd7ae7a4dd71a10bacba912",
	    "4fd963c22df9883fb6d9d636c8f2fd2e5ed8986a",
	    "f80706f2e96cb5ccf0f17cd96adb6a50" },
	{ 80, "5e0b200991cde1317f0f3d42b01aa4fe",
	    "d077e4e52646ef3a25a5d08a4db27f5c7e4b9efb",
	    "8c076eac4f7cfc67cfae2a0273001211" },
	{ 128, "35b106aea150b19576f0f5be8a2c99cb",
	    "fcc5562084880dd3452a6f50f987f999bfcdb4de", NULL },
};

static void
check_mac(const char *name, struct ipm_span key, struct ipm_span data,
    const char *want)
{
	const struct ipm_alg *a = need(name);
	struct ipm_session *s;
	uint8_t out[64];
	char text[129];

	s = session(NULL, ipm_span(NULL, 0), a, key);
	for (int round = 0; round < 3; round++) {
		cr_assert_eq(crypto.mac(s, NULL, 0, &data, 1, out), IPM_OK);
		cr_expect_str_eq(hx_hex_write(ipm_span(out, a->mac_len), text),
		    want, "%s, key of %zu octets", name, key.len);
	}
	crypto.close(&crypto, s);
}

Test(provider, rfc1828_rfc1852_rfc2385_hash_key_and_data)
{
	uint8_t key[128], data[50];

	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(7 * i + 3);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof keyed_figures / sizeof keyed_figures[0];
	     i++) {
		struct ipm_span k = ipm_span(key, keyed_figures[i].key_len);
		struct ipm_span d = ipm_span(data, sizeof data);

		check_mac("keyed-md5", k, d, keyed_figures[i].md5);
		check_mac("keyed-sha1", k, d, keyed_figures[i].sha1);
		if (keyed_figures[i].tcp != NULL)
			check_mac("tcp-md5", k, d, keyed_figures[i].tcp);
	}
}

Test(provider, null_algorithms_change_nothing)
{
	static const uint8_t data[7] = { 1, 2, 3, 4, 5, 6, 7 };
	struct ipm_span part = ipm_span(data, sizeof data);
	struct ipm_session *s = session(need("null"), ipm_span(NULL, 0),
	    need("null-auth"), ipm_span(NULL, 0));
	uint8_t out[12];

	/* [ALG-NULL-01] RFC 2410 2: the identity, for any length. */
	cr_assert_eq(crypto.cipher(s, true, NULL, 0, part, out), IPM_OK);
	cr_expect_arr_eq(out, data, sizeof data);
	cr_assert_eq(crypto.cipher(s, false, NULL, 0, part, out), IPM_OK);
	cr_expect_arr_eq(out, data, sizeof data);
	memset(out, 0xee, sizeof out);
	cr_assert_eq(crypto.mac(s, NULL, 0, &part, 1, out), IPM_OK);
	cr_expect(all_zero(out, sizeof out));
	crypto.close(&crypto, s);
}

/* --- relations between algorithms that their documents state ------------- */

/* 16 octets of data in CBC under an IV of zeros. */
static void
cbc(const char *name, struct ipm_span key, uint8_t out[16])
{
	static const uint8_t data[16] = "relations stated", iv[16];
	const struct ipm_alg *a = need(name);
	struct ipm_session *s = session(a, key, NULL, ipm_span(NULL, 0));

	cr_assert_eq(crypto.cipher(s, true, iv, a->iv_len,
			 ipm_span(data, sizeof data), out),
	    IPM_OK);
	crypto.close(&crypto, s);
}

/* [ALG-3DES-03] RFC 2451 2.6 */
Test(provider, rfc2451_3des_with_one_key_thrice_is_des)
{
	uint8_t key[24], one[16], three[16];

	if (!crypto.offers(&crypto, need("des-cbc")))
		cr_skip_test("libcrypto has no DES here");
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(0x13 + 29 * (i % 8));
	cbc("des-cbc", ipm_span(key, 8), one);
	cbc("3des-cbc", ipm_span(key, 24), three);
	cr_expect_arr_eq(one, three, 16);
}

/* [ALG-DESCBC-03] RFC 2405 4: one bit of each octet is parity. */
Test(provider, rfc2405_parity_bits_do_not_matter)
{
	uint8_t key[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, a[16], b[16];

	if (!crypto.offers(&crypto, need("des-cbc")))
		cr_skip_test("libcrypto has no DES here");
	cbc("des-cbc", ipm_span(key, 8), a);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] ^= 1;
	cbc("des-cbc", ipm_span(key, 8), b);
	cr_expect_arr_eq(a, b, 16);
	key[3] ^= 2;
	cbc("des-cbc", ipm_span(key, 8), b);
	cr_expect_arr_neq(a, b, 16);
}

/*
 * [ALG-CBC-03] RFC 2451 2.2: a short CAST key is filled with zeros; RFC 2144
 * 2.5: keys of up to 80 bits have 12 rounds and not 16.
 */
Test(provider, rfc2451_cast_fills_short_keys_with_zeros)
{
	uint8_t key[16], whole[16], part[16];

	if (!crypto.offers(&crypto, need("cast128-cbc")))
		cr_skip_test("libcrypto has no CAST here");
	for (size_t len = 5; len < 16; len++) {
		memset(key, 0, sizeof key);
		memset(key, 0x5a, len);
		cbc("cast128-cbc", ipm_span(key, len), part);
		cbc("cast128-cbc", ipm_span(key, len <= 10 ? 10 : 16), whole);
		cr_expect_arr_eq(part, whole, 16, "%zu octets", len);
	}
	memset(key, 0, sizeof key);
	memset(key, 0x5a, 10);
	cbc("cast128-cbc", ipm_span(key, 10), part);
	cbc("cast128-cbc", ipm_span(key, 16), whole);
	cr_expect_arr_neq(part, whole, 16, "12 rounds and 16 differ");
}

/*
 * [ALG-GMAC-06] RFC 4543 3.5: GMAC over data is not GCM's tag over the same
 * data as plaintext, and is GCM's over the same data as AAD.
 */
Test(provider, rfc4543_gmac_is_gcm_over_aad_alone)
{
	static const uint8_t key[16] = "a key of sixteen", nonce[12];
	static const uint8_t data[24] = "twenty-four octets here";
	struct ipm_span k = ipm_span(key, 16), d = ipm_span(data, 24);
	struct ipm_span none = ipm_span(NULL, 0), head = ipm_span(data, 8),
			body = ipm_span(data + 8, 16);
	struct ipm_session *gcm = session(need("aes-gcm-16"), k, NULL, none);
	struct ipm_session *gmac = session(need("aes-gmac"), k, NULL, none);
	uint8_t a[16], b[16], c[16], out[16];

	cr_assert_eq(
	    crypto.aead(gmac, true, nonce, 12, d, none, out, a, 16, NULL),
	    IPM_OK);
	cr_assert_eq(
	    crypto.aead(gcm, true, nonce, 12, d, none, out, b, 16, NULL),
	    IPM_OK);
	cr_assert_eq(
	    crypto.aead(gcm, true, nonce, 12, head, body, out, c, 16, NULL),
	    IPM_OK);
	cr_expect_arr_eq(a, b, 16);
	cr_expect_arr_neq(a, c, 16);
	crypto.close(&crypto, gcm);
	crypto.close(&crypto, gmac);
}

/* --- sessions ------------------------------------------------------------ */

#define PKT 64

/* What one packet gives: ciphertext, tag or MAC. */
struct result {
	uint8_t out[PKT], tag[16], mac[64];
};

static void
packet(struct ipm_session *s, const struct ipm_alg *enc,
    const struct ipm_alg *auth, unsigned no, struct result *r)
{
	uint8_t src[PKT], nonce[16], salt[4] = { 9, 9, 9, 9 };
	uint8_t iv[16] = { (uint8_t)no };
	struct ipm_span part = ipm_span(src, sizeof src);
	size_t n;

	memset(r, 0, sizeof *r);
	for (size_t i = 0; i < sizeof src; i++)
		src[i] = (uint8_t)(i * (no + 1));
	if (enc != NULL) {
		n = ipm_alg_nonce(enc, salt, iv, nonce);
		if (enc->kind == IPM_ALG_AEAD)
			cr_assert_eq(
			    crypto.aead(s, true, nonce, n, ipm_span(src, 8),
				part, r->out, r->tag, enc->icv_len, NULL),
			    IPM_OK, "%s", enc->name);
		else
			cr_assert_eq(
			    crypto.cipher(s, true, nonce, n, part, r->out),
			    IPM_OK, "%s", enc->name);
	}
	if (auth != NULL) {
		n = ipm_alg_nonce(auth, salt, iv, nonce);
		cr_assert_eq(
		    crypto.mac(s, n == 0 ? NULL : nonce, n, &part, 1, r->mac),
		    IPM_OK, "%s", auth->name);
	}
}

/*
 * Packets 0, 1, 2 of one session, each beside sessions of its own that have
 * one of the two rows alone.
 */
static void
reuse(const struct ipm_alg *enc, const struct ipm_alg *auth)
{
	struct ipm_span none = ipm_span(NULL, 0), ek, ak;
	uint8_t key[128];
	struct ipm_session *s;
	struct result a, b, c;

	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i + 1);
	ek = ipm_span(key, enc == NULL ? 0 : enc->key_min);
	ak = ipm_span(key + 64, auth == NULL ? 0 : auth->key_min);
	s = session(enc, ek, auth, ak);
	for (unsigned no = 0; no < 3; no++) {
		struct ipm_session *one = NULL, *two = NULL;

		packet(s, enc, auth, no, &a);
		memset(&b, 0, sizeof b);
		memset(&c, 0, sizeof c);
		if (enc != NULL) {
			one = session(enc, ek, NULL, none);
			packet(one, enc, NULL, no, &b);
		}
		if (auth != NULL) {
			two = session(NULL, none, auth, ak);
			packet(two, NULL, auth, no, &c);
		}
		memcpy(b.mac, c.mac, sizeof b.mac);
		cr_expect_arr_eq(&a, &b, sizeof a, "%s %s, packet %u",
		    enc == NULL ? "-" : enc->name,
		    auth == NULL ? "-" : auth->name, no);
		crypto.close(&crypto, one);
		crypto.close(&crypto, two);
	}
	crypto.close(&crypto, s);
}

static bool
is_enc(const struct ipm_alg *a)
{
	return a->kind == IPM_ALG_CIPHER || a->kind == IPM_ALG_AEAD;
}

/* Every algorithm alone, then every cipher with every integrity algorithm. */
Test(provider, session_used_again_equals_a_fresh_one)
{
	for (size_t i = 0; i < ipm_n_algs; i++) {
		const struct ipm_alg *a = &ipm_algs[i];

		if (a->kind == IPM_ALG_COMP || !crypto.offers(&crypto, a))
			continue;
		reuse(is_enc(a) ? a : NULL, is_enc(a) ? NULL : a);
		for (size_t j = 0; is_enc(a) && j < ipm_n_algs; j++)
			if (ipm_algs[j].kind == IPM_ALG_AUTH &&
			    crypto.offers(&crypto, &ipm_algs[j]))
				reuse(a, &ipm_algs[j]);
	}
}

/*
 * A session follows the caller's nonce and tag lengths, CCM too, where both go
 * into the first block (RFC 3610 2.2): back and forth, each as a fresh one.
 */
Test(provider, session_follows_nonce_and_tag_lengths)
{
	static const struct {
		size_t nonce, tag;
	} steps[] = { { 11, 16 }, { 11, 8 }, { 11, 16 }, { 12, 16 }, { 12, 8 },
		{ 13, 12 }, { 11, 12 }, { 11, 16 } };
	static const uint8_t key[16] = { 7 }, nonce[16] = { 8 },
			     data[20] = { 9 };
	struct ipm_span none = ipm_span(NULL, 0), k = ipm_span(key, 16);
	struct ipm_span d = ipm_span(data, sizeof data);
	static const char *const names[] = { "aes-ccm-16", "aes-gcm-16" };

	for (size_t n = 0; n < 2; n++) {
		struct ipm_session *s = session(need(names[n]), k, NULL, none);

		for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
			struct ipm_session *fresh =
			    session(need(names[n]), k, NULL, none);
			uint8_t out[20], tag[16], out2[20], tag2[16];

			cr_assert_eq(crypto.aead(s, true, nonce, steps[i].nonce,
					 d, d, out, tag, steps[i].tag, NULL),
			    IPM_OK, "%s, step %zu", names[n], i);
			cr_assert_eq(
			    crypto.aead(fresh, true, nonce, steps[i].nonce, d,
				d, out2, tag2, steps[i].tag, NULL),
			    IPM_OK, "%s, step %zu", names[n], i);
			cr_expect_arr_eq(
			    out, out2, sizeof out, "%s, step %zu", names[n], i);
			cr_expect_arr_eq(tag, tag2, steps[i].tag,
			    "%s, step %zu", names[n], i);
			cr_expect_eq(
			    crypto.aead(s, false, nonce, steps[i].nonce, d,
				ipm_span(out, sizeof out), out2, tag,
				steps[i].tag, NULL),
			    IPM_OK, "%s, step %zu", names[n], i);
			crypto.close(&crypto, fresh);
		}
		crypto.close(&crypto, s);
	}
}

/* Two sessions in turn keep their keys apart. */
Test(provider, sessions_do_not_share_anything)
{
	const struct ipm_alg *enc = need("aes-gcm-16"),
			     *auth = need("hmac-sha1");
	uint8_t k1[32] = { 1 }, k2[32] = { 2 };
	struct ipm_session *one =
	    session(enc, ipm_span(k1, 16), auth, ipm_span(k1, 20));
	struct ipm_session *two =
	    session(enc, ipm_span(k2, 16), auth, ipm_span(k2, 20));
	struct result a, b, c;

	packet(one, enc, auth, 0, &a);
	packet(two, enc, auth, 0, &b);
	packet(one, enc, auth, 0, &c);
	cr_expect_arr_eq(&a, &c, sizeof a);
	cr_expect_arr_neq(a.out, b.out, PKT);
	cr_expect_arr_neq(a.mac, b.mac, 20);
	crypto.close(&crypto, two);
	packet(one, enc, auth, 0, &c);
	cr_expect_arr_eq(&a, &c, sizeof a);
	crypto.close(&crypto, one);
}

/* Every single bit of ciphertext and associated data is under the tag. */
Test(provider, aead_refuses_every_flipped_bit)
{
	for (size_t i = 0; i < ipm_n_algs; i++) {
		const struct ipm_alg *a = &ipm_algs[i];
		uint8_t key[32] = { 3 }, nonce[16] = { 4 }, aad[12] = { 5 };
		uint8_t ct[33] = { 6 }, tag[16], out[33];
		size_t n = a->salt_len + (size_t)a->iv_len;
		struct ipm_span c = ipm_span(ct, sizeof ct),
				d = ipm_span(aad, sizeof aad);
		struct ipm_session *s;

		if (a->kind != IPM_ALG_AEAD)
			continue;
		s = session(
		    a, ipm_span(key, a->key_min), NULL, ipm_span(NULL, 0));
		cr_assert_eq(crypto.aead(s, true, nonce, n, d, c, ct, tag,
				 a->icv_len, NULL),
		    IPM_OK);
		for (size_t bit = 0; bit < 8 * (sizeof ct + sizeof aad);
		     bit++) {
			size_t at = bit / 8;
			uint8_t *p =
			    at < sizeof ct ? &ct[at] : &aad[at - sizeof ct];

			*p ^= (uint8_t)(1U << bit % 8);
			cr_assert_eq(crypto.aead(s, false, nonce, n, d, c, out,
					 tag, a->icv_len, NULL),
			    IPM_ERR_AUTH, "%s: bit %zu", a->name, bit);
			*p ^= (uint8_t)(1U << bit % 8);
		}
		cr_expect_eq(crypto.aead(s, false, nonce, n, d, c, out, tag,
				 a->icv_len, NULL),
		    IPM_OK, "%s", a->name);
		crypto.close(&crypto, s);
	}
}

/* --- refusals ------------------------------------------------------------ */

/* The answers to opening a session. */
static const struct {
	const char *enc;
	size_t enc_len;
	const char *auth;
	size_t auth_len;
	enum ipm_err want;
} opens[] = {
	{ "aes-cbc", 16, "hmac-sha1", 20, IPM_OK },
	{ "aes-cbc", 17, "hmac-sha1", 20, IPM_ERR_BADARG },
	{ "aes-cbc", 0, NULL, 0, IPM_ERR_BADARG },
	{ "aes-cbc", 1024, NULL, 0, IPM_ERR_BADARG },
	{ "des-cbc", 16, NULL, 0, IPM_ERR_BADARG },
	{ "3des-cbc", 16, NULL, 0, IPM_ERR_BADARG },
	{ "blowfish-cbc", 4, NULL, 0, IPM_ERR_BADARG },
	{ "blowfish-cbc", 57, NULL, 0, IPM_ERR_BADARG },
	{ "skipjack-cbc", 16, NULL, 0, IPM_ERR_BADARG },
	{ "aes-gcm-16", 20, NULL, 0, IPM_ERR_BADARG },
	{ "chacha20-poly1305", 16, NULL, 0, IPM_ERR_BADARG },
	{ "null", 0, NULL, 0, IPM_OK },
	{ "null", 16, NULL, 0, IPM_OK },
	{ "deflate", 0, NULL, 0, IPM_ERR_UNSUPPORTED },
	{ NULL, 0, "deflate", 0, IPM_ERR_UNSUPPORTED },
	{ NULL, 0, NULL, 0, IPM_ERR_BADARG },
	/* Published figures key HMAC with anything; an SA does not. */
	{ NULL, 0, "hmac-sha1", 0, IPM_OK },
	{ NULL, 0, "hmac-sha1", 1, IPM_OK },
	{ NULL, 0, "hmac-sha512", 1024, IPM_OK },
	{ NULL, 0, "aes-cmac", 16, IPM_OK },
	{ NULL, 0, "aes-cmac", 17, IPM_ERR_BADARG },
	{ NULL, 0, "aes-xcbc-mac", 24, IPM_ERR_BADARG },
	{ NULL, 0, "aes-gmac-auth", 0, IPM_ERR_BADARG },
	{ NULL, 0, "aes-gmac-auth", 20, IPM_ERR_BADARG },
	{ NULL, 0, "keyed-md5", 0, IPM_ERR_BADARG },
	{ NULL, 0, "keyed-sha1", 257, IPM_ERR_BADARG },
	{ NULL, 0, "tcp-md5", 81, IPM_ERR_BADARG },
	{ NULL, 0, "aes-xcbc-prf-128", 0, IPM_OK },
	{ NULL, 0, "aes-cmac-prf-128", 40, IPM_OK },
};

Test(provider, open_answers_for_rows_and_key_lengths)
{
	for (size_t i = 0; i < sizeof opens / sizeof opens[0]; i++) {
		const struct ipm_alg *e =
		    opens[i].enc == NULL ? NULL : need(opens[i].enc);
		const struct ipm_alg *a =
		    opens[i].auth == NULL ? NULL : need(opens[i].auth);

		if (opens[i].want != IPM_ERR_UNSUPPORTED && e != NULL &&
		    !crypto.offers(&crypto, e))
			continue;
		cr_expect_eq(
		    try_open(e, opens[i].enc_len, a, opens[i].auth_len),
		    opens[i].want, "row %zu", i);
	}
	crypto.close(&crypto, NULL);
}

Test(provider, a_row_that_is_not_offered_does_not_open)
{
	const struct ipm_alg *t = need("twofish-cbc");

	for (size_t i = 0; i < ipm_n_algs; i++) {
		const struct ipm_alg *a = &ipm_algs[i];
		bool ok =
		    try_open(is_enc(a) ? a : NULL, a->key_max,
			is_enc(a) ? NULL : a,
			a->kind == IPM_ALG_PRF ? 16 : a->key_max) == IPM_OK;

		cr_expect_eq(ok, crypto.offers(&crypto, a), "%s", a->name);
	}
	/* libgcrypt has no Twofish of 192 bits: lacking, not wrong. */
	cr_expect_eq(try_open(t, 24, NULL, 0), IPM_ERR_UNSUPPORTED);
}

Test(provider, operations_refuse_wrong_arguments)
{
	static const uint8_t key[32], iv[16], data[32];
	struct ipm_span none = ipm_span(NULL, 0), d = ipm_span(data, 32);
	const struct ipm_alg *names[] = { need("aes-cbc"), need("des-cbc"),
		need("camellia-cbc"), need("twofish-cbc"), need("serpent-cbc"),
		need("skipjack-cbc") };
	struct ipm_session *s;
	uint8_t out[32], tag[16] = { 0 };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct ipm_alg *a = names[i];

		if (!crypto.offers(&crypto, a))
			continue;
		s = session(a, ipm_span(key, a->key_min), NULL, none);
		for (size_t len = 0; len <= sizeof data; len++)
			cr_expect_eq(crypto.cipher(s, false, iv, a->iv_len,
					 ipm_span(data, len), out),
			    len % a->block == 0 ? IPM_OK : IPM_ERR_BADARG,
			    "%s, %zu octets", a->name, len);
		cr_expect_eq(crypto.cipher(s, true, iv, a->iv_len - 1U, d, out),
		    IPM_ERR_BADARG, "%s: short IV", a->name);
		cr_expect_eq(crypto.cipher(s, true, iv, 0, d, out),
		    IPM_ERR_BADARG, "%s: no IV", a->name);
		cr_expect_eq(
		    crypto.aead(s, true, iv, 12, none, d, out, tag, 16, NULL),
		    IPM_ERR_BADARG, "%s is no combined mode", a->name);
		cr_expect_eq(
		    crypto.mac(s, NULL, 0, &d, 1, out), IPM_ERR_BADARG);
		crypto.close(&crypto, s);
	}
	s = session(need("aes-gcm-16"), ipm_span(key, 16), NULL, none);
	cr_expect_eq(crypto.cipher(s, true, iv, 12, d, out), IPM_ERR_BADARG);
	cr_expect_eq(crypto.aead(s, true, iv, 0, none, d, out, tag, 16, NULL),
	    IPM_ERR_BADARG);
	cr_expect_eq(crypto.aead(s, true, iv, 12, none, d, out, tag, 0, NULL),
	    IPM_ERR_BADARG);
	cr_expect_eq(crypto.aead(s, true, iv, 12, none, d, out, tag, 17, NULL),
	    IPM_ERR_BADARG);
	crypto.close(&crypto, s);
	s = session(NULL, none, need("aes-gmac-auth"), ipm_span(key, 16));
	cr_expect_eq(crypto.mac(s, NULL, 0, &d, 1, out), IPM_ERR_BADARG);
	cr_expect_eq(crypto.cipher(s, true, iv, 16, d, out), IPM_ERR_BADARG);
	crypto.close(&crypto, s);
}

Test(provider, block_refuses_what_it_does_not_know)
{
	static const uint8_t key[32], in[16];
	uint8_t out[16];

	cr_expect_eq(
	    ipm_libcrypto_block(&crypto, "idea", ipm_span(key, 16), in, out, 8),
	    IPM_ERR_UNSUPPORTED);
	cr_expect_eq(
	    ipm_libcrypto_block(&crypto, "aes", ipm_span(key, 17), in, out, 16),
	    IPM_ERR_BADARG);
	cr_expect_eq(
	    ipm_libcrypto_block(&crypto, "aes", ipm_span(key, 16), in, out, 8),
	    IPM_ERR_BADARG);
	cr_expect_eq(ipm_libcrypto_block(
			 &crypto, "skipjack", ipm_span(key, 8), in, out, 8),
	    IPM_ERR_BADARG);
}

/* --- compression --------------------------------------------------------- */

static void
noise(uint8_t *p, size_t len)
{
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525U + 1013904223U;
		p[i] = (uint8_t)(x >> 24);
	}
}

/*
 * [IPCOMP-2-01] [IPCOMP-2-02] [IPCOMP-RFC2394-01] Every length, each packet by
 * itself: a stream opens after any other and in any order.
 */
Test(provider, deflate_round_trips_every_length_without_history)
{
	static uint8_t src[512], first[1024], packed[1024], out[512];
	size_t n_first = sizeof first, len;

	noise(src, 100);
	memcpy(src + 100, src, 100);
	memset(src + 200, 'a', sizeof src - 200);
	cr_assert_eq(
	    comp.compress(&comp, ipm_span(src, sizeof src), first, &n_first),
	    IPM_OK);
	for (size_t n = 0; n <= sizeof src; n++) {
		size_t got = sizeof packed;

		cr_assert_eq(
		    comp.compress(&comp, ipm_span(src, n), packed, &got),
		    IPM_OK);
		cr_assert_eq(
		    inflate_to(ipm_span(packed, got), out, sizeof out, &len),
		    IPM_OK, "%zu octets", n);
		cr_assert_eq(len, n);
		cr_assert(same(out, src, n), "%zu octets", n);
	}
	len = sizeof packed;
	cr_assert_eq(
	    comp.compress(&comp, ipm_span(src, sizeof src), packed, &len),
	    IPM_OK);
	cr_expect_eq(len, n_first, "the same packet, another stream");
	cr_expect_arr_eq(packed, first, n_first);
}

Test(provider, deflate_wants_room_for_all_of_it)
{
	uint8_t src[200], packed[400];
	size_t whole = sizeof packed, n;

	noise(src, sizeof src);
	cr_assert_eq(
	    comp.compress(&comp, ipm_span(src, sizeof src), packed, &whole),
	    IPM_OK);
	cr_expect_gt(whole, sizeof src, "noise does not shrink");
	for (n = 0; n < whole; n++) {
		size_t room = n;

		cr_assert_eq(comp.compress(&comp, ipm_span(src, sizeof src),
				 packed, &room),
		    IPM_ERR_NOBUF, "%zu of %zu octets", n, whole);
	}
	n = whole;
	cr_expect_eq(
	    comp.compress(&comp, ipm_span(src, sizeof src), packed, &n),
	    IPM_OK);
}

/*
 * [freebsd opencrypto/deflate.c] The compressor looks 4096 octets back and no
 * further; the other way any distance of RFC 1951 is taken (run_deflate).
 */
Test(provider, deflate_window_is_twelve_bits)
{
	static uint8_t src[2 * 6000], packed[2 * sizeof src];
	size_t far = sizeof packed, near = sizeof packed;

	noise(src, 6000);
	memcpy(src + 6000, src, 6000);
	cr_assert_eq(
	    comp.compress(&comp, ipm_span(src, sizeof src), packed, &far),
	    IPM_OK);
	cr_expect_gt(far, sizeof src - 100, "a match 6000 octets back");
	memcpy(src + 3000, src, 3000);
	cr_assert_eq(
	    comp.compress(&comp, ipm_span(src, 6000), packed, &near), IPM_OK);
	cr_expect_lt(near, 3300U, "no match 3000 octets back");
}

/* [IPCOMP-RFC2394-04] zlib's and gzip's wrappings are not raw streams. */
Test(provider, inflate_refuses_wrapped_streams)
{
	/* "a" by zlib and by gzip (Python's zlib). */
	static const char *const wrapped[] = { "789c4b040000620062",
		"1f8b08000000000000034b040043beb7e801000000" };
	uint8_t out[64];
	size_t len;

	for (size_t i = 0; i < 2; i++) {
		struct hx_octets o;

		cr_assert(hx_hex_read(wrapped[i], &o));
		cr_expect_eq(inflate_to(hx_span(&o), out, sizeof out, &len),
		    IPM_ERR_DATA, "row %zu", i);
		hx_octets_free(&o);
	}
}

/* --- memory ---------------------------------------------------------------- */

/* One session of libcrypto, one packet of zlib; how far it came. */
static enum ipm_err
use_all(struct db_memory *m)
{
	static const uint8_t key[20] = { 1, 2, 3 };
	const struct ipm_session_desc d = { .enc = ipm_alg_by_name("aes-cbc"),
		.enc_key = { key, 16 },
		.auth = ipm_alg_by_name("hmac-sha1"),
		.auth_key = { key, 20 } };
	struct ipm_provider p;
	struct ipm_compressor z;
	struct ipm_session *s = NULL;
	uint8_t out[64];
	size_t len = sizeof out;
	enum ipm_err err = ipm_libcrypto_open(&p, &m->alloc);

	if (err != IPM_OK)
		return err;
	err = p.open(&p, &d, &s);
	if (err == IPM_OK)
		err = ipm_zlib_open(&z, &m->alloc);
	if (err == IPM_OK) {
		cr_expect_geq(m->live, 4U, "%zu blocks", m->live);
		err = z.compress(&z, ipm_span(key, sizeof key), out, &len);
		ipm_zlib_close(&z);
	}
	p.close(&p, s);
	ipm_libcrypto_close(&p);
	return err;
}

/* What the caller's allocator gave comes back, whichever call it fails. */
Test(provider, memory_comes_from_the_caller_and_goes_back)
{
	struct db_memory m;
	size_t calls;

	db_memory_init(&m);
	cr_expect_eq(use_all(&m), IPM_OK);
	cr_expect_eq(m.live, 0);
	calls = m.calls;
	cr_assert_gt(calls, 3U);
	for (size_t i = 1; i <= calls; i++) {
		db_memory_init(&m);
		m.fail_at = i;
		cr_expect_eq(use_all(&m), IPM_ERR_NOMEM, "call %zu", i);
		cr_expect_eq(m.live, 0, "call %zu", i);
	}
}
