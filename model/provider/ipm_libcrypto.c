/*
 * Implementation notes.  A session keeps one keyed context per direction, made
 * at its first use, and one keyed MAC context; a packet only sets an IV or
 * restarts the MAC.  Nothing is allocated here per packet; libcrypto itself
 * copies digest contexts when HMAC restarts, and hashing the key's block again
 * instead takes longer.  What the fetched algorithms are called stands in two
 * tables, ciphers[] and digests[].
 */
#include "ipm_libcrypto.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>

#include "ipm_gcrypt.h"
#include "ipm_skipjack.h"
#include "ipm_xcbc.h"

#define KEY_MAX 256U /* of a keyed hash: key_max of its rows */

/* libcrypto's name by primitive and key octets (0: any). */
static const struct {
	enum ipm_prim prim;
	size_t key_len;
	const char *name;
} ciphers[] = {
	{ IPM_PRIM_DES_CBC, 8, "DES-CBC" },
	{ IPM_PRIM_3DES_CBC, 24, "DES-EDE3-CBC" },
	{ IPM_PRIM_BLOWFISH_CBC, 0, "BF-CBC" },
	{ IPM_PRIM_CAST128_CBC, 0, "CAST5-CBC" },
	{ IPM_PRIM_AES_CBC, 16, "AES-128-CBC" },
	{ IPM_PRIM_AES_CBC, 24, "AES-192-CBC" },
	{ IPM_PRIM_AES_CBC, 32, "AES-256-CBC" },
	{ IPM_PRIM_AES_CTR, 16, "AES-128-CTR" },
	{ IPM_PRIM_AES_CTR, 24, "AES-192-CTR" },
	{ IPM_PRIM_AES_CTR, 32, "AES-256-CTR" },
	{ IPM_PRIM_CAMELLIA_CBC, 16, "CAMELLIA-128-CBC" },
	{ IPM_PRIM_CAMELLIA_CBC, 24, "CAMELLIA-192-CBC" },
	{ IPM_PRIM_CAMELLIA_CBC, 32, "CAMELLIA-256-CBC" },
	{ IPM_PRIM_CAMELLIA_CTR, 16, "CAMELLIA-128-CTR" },
	{ IPM_PRIM_CAMELLIA_CTR, 24, "CAMELLIA-192-CTR" },
	{ IPM_PRIM_CAMELLIA_CTR, 32, "CAMELLIA-256-CTR" },
	{ IPM_PRIM_AES_GCM, 16, "AES-128-GCM" },
	{ IPM_PRIM_AES_GCM, 24, "AES-192-GCM" },
	{ IPM_PRIM_AES_GCM, 32, "AES-256-GCM" },
	{ IPM_PRIM_AES_GMAC, 16, "AES-128-GCM" },
	{ IPM_PRIM_AES_GMAC, 24, "AES-192-GCM" },
	{ IPM_PRIM_AES_GMAC, 32, "AES-256-GCM" },
	{ IPM_PRIM_AES_CCM, 16, "AES-128-CCM" },
	{ IPM_PRIM_AES_CCM, 24, "AES-192-CCM" },
	{ IPM_PRIM_AES_CCM, 32, "AES-256-CCM" },
	{ IPM_PRIM_CHACHA20_POLY1305, 32, "ChaCha20-Poly1305" },
};
#define N_CIPHERS (sizeof ciphers / sizeof ciphers[0])

/* Hashes behind the MACs; hmac tells HMAC from a bare hash. */
static const struct {
	enum ipm_prim prim;
	const char *name;
	bool hmac;
} digests[] = {
	{ IPM_PRIM_HMAC_MD5, "MD5", true },
	{ IPM_PRIM_HMAC_SHA1, "SHA1", true },
	{ IPM_PRIM_HMAC_SHA224, "SHA2-224", true },
	{ IPM_PRIM_HMAC_SHA256, "SHA2-256", true },
	{ IPM_PRIM_HMAC_SHA384, "SHA2-384", true },
	{ IPM_PRIM_HMAC_SHA512, "SHA2-512", true },
	{ IPM_PRIM_HMAC_RIPEMD160, "RIPEMD-160", true },
	{ IPM_PRIM_KEYED_MD5, "MD5", false },
	{ IPM_PRIM_KEYED_SHA1, "SHA1", false },
	{ IPM_PRIM_TCP_MD5, "MD5", false },
};
#define N_DIGESTS (sizeof digests / sizeof digests[0])

struct crypto {
	struct ipm_alloc alloc;
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *deflt, *legacy;
	EVP_CIPHER *cipher[N_CIPHERS]; /* NULL: not there */
	EVP_MD *digest[N_DIGESTS];
	EVP_MAC *hmac, *cmac;
	EVP_CIPHER *ecb; /* AES-128-ECB, for XCBC */
};

/* A context that is keyed at its first use. */
struct keyed {
	EVP_CIPHER_CTX *ctx;       /* NULL before */
	size_t nonce_len, tag_len; /* it was keyed for */
};

struct ipm_session {
	const struct crypto *c;
	const struct ipm_alg *enc, *auth;

	uint8_t enc_key[64];
	size_t enc_key_len;
	const EVP_CIPHER *cipher; /* of enc */
	size_t iv_len;            /* of a cipher */
	bool ccm;
	struct keyed dir[2]; /* [1] encrypts */
	struct ipm_gcrypt *gcrypt;

	uint8_t auth_key[KEY_MAX]; /* of keyed hashes and GMAC */
	size_t auth_key_len;
	EVP_MAC_CTX *mac; /* HMAC, CMAC; keyed */
	const EVP_MD *md; /* keyed hashes */
	EVP_MD_CTX *md_ctx;
	const EVP_CIPHER *gmac_cipher;
	struct keyed gmac;
	EVP_CIPHER_CTX *xcbc_ctx; /* AES under K1 */
	struct ipm_xcbc xcbc;
};

/* Zeroed, or NULL. */
static void *
take(const struct ipm_alloc *a, size_t size)
{
	void *p = a->resize(a->ctx, NULL, 0, size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

static void
give_back(const struct ipm_alloc *a, void *p, size_t size)
{
	OPENSSL_cleanse(p, size);
	(void)a->resize(a->ctx, p, size, 0);
}

/* --- what is offered ---------------------------------------------------- */

static const EVP_CIPHER *
find_cipher(const struct crypto *c, enum ipm_prim prim, size_t key_len)
{
	for (size_t i = 0; i < N_CIPHERS; i++)
		if (ciphers[i].prim == prim &&
		    (ciphers[i].key_len == 0 || key_len == 0 ||
			ciphers[i].key_len == key_len))
			return c->cipher[i];
	return NULL;
}

static size_t
find_digest(const struct crypto *c, enum ipm_prim prim)
{
	for (size_t i = 0; i < N_DIGESTS; i++)
		if (digests[i].prim == prim && c->digest[i] != NULL)
			return i;
	return N_DIGESTS;
}

static bool
is_cmac(enum ipm_prim p)
{
	return p == IPM_PRIM_AES_CMAC || p == IPM_PRIM_CMAC_PRF;
}

static bool
is_xcbc(enum ipm_prim p)
{
	return p == IPM_PRIM_AES_XCBC || p == IPM_PRIM_XCBC_PRF;
}

static bool
offers(const struct ipm_provider *p, const struct ipm_alg *alg)
{
	const struct crypto *c = p->ctx;

	if (alg->kind == IPM_ALG_COMP)
		return false;
	if (alg->prim == IPM_PRIM_NULL || alg->prim == IPM_PRIM_NULL_MAC ||
	    alg->prim == IPM_PRIM_SKIPJACK_CBC)
		return true;
	if (is_cmac(alg->prim))
		return c->cmac != NULL;
	if (is_xcbc(alg->prim))
		return c->ecb != NULL;
	return ipm_gcrypt_offers(alg) || find_cipher(c, alg->prim, 0) != NULL ||
	    find_digest(c, alg->prim) != N_DIGESTS;
}

/* --- ciphers and combined modes ----------------------------------------- */

/*
 * The context k under key, made or keyed again where it does not fit.  CCM is
 * keyed for one nonce and tag length (they go into its first block); the
 * others could take any, but an SA has one of each.  A cipher has tag_len 0.
 */
static EVP_CIPHER_CTX *
keyed(struct keyed *k, const EVP_CIPHER *cipher, bool encrypt,
    struct ipm_span key, size_t nonce_len, size_t tag_len)
{
	EVP_CIPHER_CTX *ctx = k->ctx;

	if (ctx != NULL && k->nonce_len == nonce_len && k->tag_len == tag_len)
		return ctx;
	if (ctx == NULL)
		ctx = k->ctx = EVP_CIPHER_CTX_new();
	else
		(void)EVP_CIPHER_CTX_reset(ctx);
	k->nonce_len = k->tag_len = SIZE_MAX;
	if (ctx == NULL ||
	    EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, encrypt, NULL) != 1)
		return NULL;
	if (tag_len != 0 &&
	    EVP_CIPHER_CTX_ctrl(
		ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)nonce_len, NULL) != 1)
		return NULL;
	if (EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CCM_MODE &&
	    EVP_CIPHER_CTX_ctrl(
		ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, NULL) != 1)
		return NULL;
	if ((size_t)EVP_CIPHER_CTX_get_key_length(ctx) != key.len &&
	    EVP_CIPHER_CTX_set_key_length(ctx, (int)key.len) != 1)
		return NULL;
	if (EVP_CipherInit_ex2(ctx, NULL, key.p, NULL, encrypt, NULL) != 1)
		return NULL;
	/* Once set, libcrypto sets it again with every IV: CBC alone needs it. */
	if (EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CBC_MODE)
		(void)EVP_CIPHER_CTX_set_padding(ctx, 0);
	k->nonce_len = nonce_len;
	k->tag_len = tag_len;
	return ctx;
}

static enum ipm_err
skipjack_cbc(const struct ipm_session *s, bool encrypt, const uint8_t *iv,
    struct ipm_span src, uint8_t *dst)
{
	uint8_t chain[8], in[8], out[8];

	memcpy(chain, iv, sizeof chain);
	for (size_t off = 0; off < src.len; off += 8) {
		memcpy(in, src.p + off, 8);
		if (encrypt) {
			for (size_t i = 0; i < 8; i++)
				in[i] ^= chain[i];
			ipm_skipjack_encrypt(s->enc_key, in, out);
			memcpy(chain, out, 8);
		} else {
			ipm_skipjack_decrypt(s->enc_key, in, out);
			for (size_t i = 0; i < 8; i++)
				out[i] ^= chain[i];
			memcpy(chain, in, 8);
		}
		memcpy(dst + off, out, 8);
	}
	return IPM_OK;
}

static enum ipm_err
cipher(struct ipm_session *s, bool encrypt, const uint8_t *iv, size_t iv_len,
    struct ipm_span src, uint8_t *dst)
{
	EVP_CIPHER_CTX *ctx;
	int n;

	if (s->enc == NULL || s->enc->kind != IPM_ALG_CIPHER ||
	    src.len > INT_MAX)
		return IPM_ERR_BADARG;
	if (s->enc->prim == IPM_PRIM_NULL) {
		if (src.len != 0 && dst != src.p)
			memcpy(dst, src.p, src.len);
		return IPM_OK;
	}
	if (src.len % s->enc->block != 0 || iv_len != s->iv_len)
		return IPM_ERR_BADARG;
	if (src.len == 0)
		return IPM_OK;
	if (s->gcrypt != NULL)
		return ipm_gcrypt_cipher(
		    s->gcrypt, encrypt, iv, iv_len, src, dst);
	if (s->enc->prim == IPM_PRIM_SKIPJACK_CBC)
		return skipjack_cbc(s, encrypt, iv, src, dst);
	ctx = keyed(&s->dir[encrypt], s->cipher, encrypt,
	    ipm_span(s->enc_key, s->enc_key_len), iv_len, 0);
	if (ctx == NULL ||
	    EVP_CipherInit_ex2(ctx, NULL, NULL, iv, -1, NULL) != 1 ||
	    EVP_CipherUpdate(ctx, dst, &n, src.p, (int)src.len) != 1 ||
	    (size_t)n != src.len)
		return IPM_ERR_PROVIDER;
	return IPM_OK;
}

/* One pass; decrypting, *ok tells whether the tag held. */
static bool
aead_pass(struct ipm_session *s, bool encrypt, const uint8_t *nonce,
    size_t nonce_len, struct ipm_span aad, struct ipm_span src, uint8_t *dst,
    uint8_t *tag, size_t tag_len, bool *ok)
{
	static const uint8_t nothing[1];
	uint8_t end[16];
	EVP_CIPHER_CTX *ctx = keyed(&s->dir[encrypt], s->cipher, encrypt,
	    ipm_span(s->enc_key, s->enc_key_len), nonce_len, tag_len);
	/* The tag goes in with the nonce: EVP_CIPHER_CTX_ctrl costs a call. */
	OSSL_PARAM params[2] = { OSSL_PARAM_construct_octet_string(
				     OSSL_CIPHER_PARAM_AEAD_TAG, tag, tag_len),
		OSSL_PARAM_construct_end() };
	int n;

	*ok = false;
	if (ctx == NULL)
		return false;
	if (EVP_CipherInit_ex2(
		ctx, NULL, NULL, nonce, -1, encrypt ? NULL : params) != 1)
		return false;
	if (s->ccm && EVP_CipherUpdate(ctx, NULL, &n, NULL, (int)src.len) != 1)
		return false;
	if (aad.len != 0 &&
	    EVP_CipherUpdate(ctx, NULL, &n, aad.p, (int)aad.len) != 1)
		return false;
	/* CCM judges its tag in this call and wants it for nothing, too. */
	if (src.len != 0) {
		if (EVP_CipherUpdate(ctx, dst, &n, src.p, (int)src.len) != 1)
			return s->ccm && !encrypt;
	} else if (s->ccm && EVP_CipherUpdate(ctx, end, &n, nothing, 0) != 1) {
		return !encrypt;
	}
	if (!s->ccm && EVP_CipherFinal_ex(ctx, end, &n) != 1)
		return !encrypt;
	*ok = true;
	return !encrypt ||
	    EVP_CIPHER_CTX_ctrl(
		ctx, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, tag) == 1;
}

/*
 * The right tag for a ciphertext.  All these modes mix in a key stream that
 * depends on neither direction nor data: encrypting the ciphertext gives the
 * plaintext, and encrypting that gives ciphertext and tag.  The ciphertext is
 * in dst afterwards, which may be where it was.
 */
static bool
right_tag(struct ipm_session *s, const uint8_t *nonce, size_t nonce_len,
    struct ipm_span aad, struct ipm_span src, uint8_t *dst, size_t tag_len,
    uint8_t *computed)
{
	bool ok;

	return aead_pass(s, true, nonce, nonce_len, aad, src, dst, computed,
		   tag_len, &ok) &&
	    aead_pass(s, true, nonce, nonce_len, aad, ipm_span(dst, src.len),
		dst, computed, tag_len, &ok);
}

static enum ipm_err
aead(struct ipm_session *s, bool encrypt, const uint8_t *nonce,
    size_t nonce_len, struct ipm_span aad, struct ipm_span src, uint8_t *dst,
    uint8_t *tag, size_t tag_len, uint8_t *computed)
{
	bool ok, in_place = dst == src.p;
	bool explain = !encrypt && computed != NULL;

	if (s->enc == NULL || s->enc->kind != IPM_ALG_AEAD || tag_len == 0 ||
	    tag_len > 16 || nonce_len == 0 || nonce_len > 16 ||
	    src.len > INT_MAX || aad.len > INT_MAX)
		return IPM_ERR_BADARG;
	/* In place, a wrong tag leaves nothing to compute the right one of. */
	if (explain && in_place &&
	    !right_tag(s, nonce, nonce_len, aad, src, dst, tag_len, computed))
		return IPM_ERR_PROVIDER;
	if (!aead_pass(
		s, encrypt, nonce, nonce_len, aad, src, dst, tag, tag_len, &ok))
		return IPM_ERR_PROVIDER;
	if (ok)
		return IPM_OK;
	if (explain && !in_place &&
	    !right_tag(s, nonce, nonce_len, aad, src, dst, tag_len, computed))
		memset(computed, 0, tag_len);
	if (src.len != 0)
		OPENSSL_cleanse(dst, src.len);
	return IPM_ERR_AUTH;
}

/* --- MACs ---------------------------------------------------------------- */

static void
ecb_encrypt(void *ctx, const uint8_t in[16], uint8_t out[16])
{
	int n;

	(void)EVP_EncryptUpdate(ctx, out, &n, in, 16);
}

/*
 * The padding that a hash would put behind the key alone, so that the data
 * starts on a block boundary (RFC 1828 2, RFC 1852 2).
 */
static size_t
key_fill(size_t key_len, bool big_endian, uint8_t fill[128])
{
	size_t n = 64 - (key_len + 8) % 64;
	uint64_t bit_count = (uint64_t)key_len * 8;

	memset(fill, 0, n);
	fill[0] = 0x80;
	for (size_t i = 0; i < 8; i++)
		fill[n + i] =
		    (uint8_t)(bit_count >> 8 * (big_endian ? 7 - i : i));
	return n + 8;
}

static bool
keyed_hash(struct ipm_session *s, const struct ipm_span *parts, size_t n_parts,
    uint8_t *out)
{
	bool leads = s->auth->prim != IPM_PRIM_TCP_MD5;
	uint8_t fill[128];
	unsigned n;

	if (EVP_DigestInit_ex2(s->md_ctx, s->md, NULL) != 1)
		return false;
	if (leads) {
		size_t len = key_fill(s->auth_key_len,
		    s->auth->prim == IPM_PRIM_KEYED_SHA1, fill);

		if (EVP_DigestUpdate(s->md_ctx, s->auth_key, s->auth_key_len) !=
			1 ||
		    EVP_DigestUpdate(s->md_ctx, fill, len) != 1)
			return false;
	}
	for (size_t i = 0; i < n_parts; i++)
		if (EVP_DigestUpdate(s->md_ctx, parts[i].p, parts[i].len) != 1)
			return false;
	return EVP_DigestUpdate(s->md_ctx, s->auth_key, s->auth_key_len) == 1 &&
	    EVP_DigestFinal_ex(s->md_ctx, out, &n) == 1;
}

static bool
gmac(struct ipm_session *s, const uint8_t *nonce, size_t nonce_len,
    const struct ipm_span *parts, size_t n_parts, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = keyed(&s->gmac, s->gmac_cipher, true,
	    ipm_span(s->auth_key, s->auth_key_len), nonce_len, 16);
	int n;

	if (ctx == NULL ||
	    EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) != 1)
		return false;
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].len == 0)
			continue;
		if (parts[i].len > INT_MAX ||
		    EVP_CipherUpdate(
			ctx, NULL, &n, parts[i].p, (int)parts[i].len) != 1)
			return false;
	}
	return EVP_CipherFinal_ex(ctx, out, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out) == 1;
}

static enum ipm_err
mac(struct ipm_session *s, const uint8_t *nonce, size_t nonce_len,
    const struct ipm_span *parts, size_t n_parts, uint8_t *out)
{
	size_t n;

	if (s->auth == NULL)
		return IPM_ERR_BADARG;
	if (s->auth->prim == IPM_PRIM_NULL_MAC) {
		memset(out, 0, s->auth->mac_len);
		return IPM_OK;
	}
	if (s->auth->prim == IPM_PRIM_AES_GMAC) {
		if (nonce == NULL || nonce_len == 0 || nonce_len > 16)
			return IPM_ERR_BADARG;
		return gmac(s, nonce, nonce_len, parts, n_parts, out)
		    ? IPM_OK
		    : IPM_ERR_PROVIDER;
	}
	if (s->xcbc_ctx != NULL) {
		ipm_xcbc_begin(&s->xcbc);
		for (size_t i = 0; i < n_parts; i++)
			ipm_xcbc_update(&s->xcbc, parts[i].p, parts[i].len);
		ipm_xcbc_final(&s->xcbc, out);
		return IPM_OK;
	}
	if (s->md != NULL)
		return keyed_hash(s, parts, n_parts, out) ? IPM_OK
							  : IPM_ERR_PROVIDER;
	if (EVP_MAC_init(s->mac, NULL, 0, NULL) != 1)
		return IPM_ERR_PROVIDER;
	for (size_t i = 0; i < n_parts; i++)
		if (EVP_MAC_update(s->mac, parts[i].p, parts[i].len) != 1)
			return IPM_ERR_PROVIDER;
	return EVP_MAC_final(s->mac, out, &n, s->auth->mac_len) == 1
	    ? IPM_OK
	    : IPM_ERR_PROVIDER;
}

/* --- sessions ------------------------------------------------------------ */

/* A MAC context keyed once; param names its hash or cipher. */
static EVP_MAC_CTX *
mac_ctx(EVP_MAC *m, const char *param, const char *value, struct ipm_span key)
{
	static const uint8_t nothing[1];
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(m);
	char name[24];
	OSSL_PARAM params[2];

	if (ctx == NULL)
		return NULL;
	(void)strncpy(name, value, sizeof name - 1);
	name[sizeof name - 1] = '\0';
	params[0] = OSSL_PARAM_construct_utf8_string(param, name, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (EVP_MAC_init(
		ctx, key.len == 0 ? nothing : key.p, key.len, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static enum ipm_err
open_cmac(struct ipm_session *s, struct ipm_span key)
{
	static const char *const by_len[] = { "AES-128-CBC", "AES-192-CBC",
		"AES-256-CBC" };

	if (key.len != 16 && key.len != 24 && key.len != 32)
		return IPM_ERR_BADARG;
	s->mac = mac_ctx(
	    s->c->cmac, OSSL_MAC_PARAM_CIPHER, by_len[key.len / 8 - 2], key);
	return s->mac == NULL ? IPM_ERR_PROVIDER : IPM_OK;
}

static enum ipm_err
open_xcbc(struct ipm_session *s, struct ipm_span key)
{
	uint8_t k1[16];
	EVP_CIPHER_CTX *ctx;
	bool ok;

	if (key.len != 16)
		return IPM_ERR_BADARG;
	ctx = s->xcbc_ctx = EVP_CIPHER_CTX_new();
	if (ctx == NULL ||
	    EVP_EncryptInit_ex2(ctx, s->c->ecb, key.p, NULL, NULL) != 1)
		return IPM_ERR_PROVIDER;
	(void)EVP_CIPHER_CTX_set_padding(ctx, 0);
	ipm_xcbc_keys(ecb_encrypt, ctx, k1, s->xcbc.k2, s->xcbc.k3);
	ok = EVP_EncryptInit_ex2(ctx, NULL, k1, NULL, NULL) == 1;
	OPENSSL_cleanse(k1, sizeof k1);
	s->xcbc.encrypt = ecb_encrypt;
	s->xcbc.ctx = ctx;
	return ok ? IPM_OK : IPM_ERR_PROVIDER;
}

static void
close_auth(struct ipm_session *s)
{
	EVP_MAC_CTX_free(s->mac);
	EVP_MD_CTX_free(s->md_ctx);
	EVP_CIPHER_CTX_free(s->xcbc_ctx);
	s->mac = NULL;
	s->md_ctx = NULL;
	s->xcbc_ctx = NULL;
	OPENSSL_cleanse(&s->xcbc, sizeof s->xcbc);
}

/*
 * RFC 4434 2 and RFC 4615 3: the PRFs take a key of any length.  Too long
 * (CMAC: any length but 16) is itself hashed under the zero key; XCBC's PRF
 * fills a short one with zeros.
 */
static enum ipm_err
open_prf(struct ipm_session *s, struct ipm_span key)
{
	static const uint8_t zero[16];
	enum ipm_err (*open_mac)(struct ipm_session *, struct ipm_span) =
	    is_cmac(s->auth->prim) ? open_cmac : open_xcbc;
	uint8_t k[16] = { 0 };
	enum ipm_err err;

	if (key.len <= 16 && (key.len == 16 || open_mac == open_xcbc)) {
		if (key.len != 0)
			memcpy(k, key.p, key.len);
	} else {
		err = open_mac(s, ipm_span(zero, sizeof zero));
		if (err == IPM_OK)
			err = mac(s, NULL, 0, &key, 1, k);
		close_auth(s);
		if (err != IPM_OK)
			return err;
	}
	err = open_mac(s, ipm_span(k, sizeof k));
	OPENSSL_cleanse(k, sizeof k);
	return err;
}

/* Keyed hashes and GMAC need their key again. */
static enum ipm_err
keep_auth_key(struct ipm_session *s, struct ipm_span key)
{
	if (key.len > sizeof s->auth_key || !ipm_alg_key_ok(s->auth, key.len))
		return IPM_ERR_BADARG;
	memcpy(s->auth_key, key.p, key.len);
	s->auth_key_len = key.len;
	return IPM_OK;
}

static enum ipm_err
open_gmac(struct ipm_session *s, struct ipm_span key)
{
	enum ipm_err err = keep_auth_key(s, key);

	if (err != IPM_OK)
		return err;
	s->gmac_cipher = find_cipher(s->c, s->auth->prim, key.len);
	return s->gmac_cipher == NULL ? IPM_ERR_UNSUPPORTED : IPM_OK;
}

static enum ipm_err
open_hash(struct ipm_session *s, struct ipm_span key)
{
	size_t i = find_digest(s->c, s->auth->prim);
	enum ipm_err err;

	if (i == N_DIGESTS)
		return IPM_ERR_UNSUPPORTED;
	if (digests[i].hmac) {
		s->mac = mac_ctx(
		    s->c->hmac, OSSL_MAC_PARAM_DIGEST, digests[i].name, key);
		return s->mac == NULL ? IPM_ERR_PROVIDER : IPM_OK;
	}
	err = keep_auth_key(s, key);
	if (err != IPM_OK)
		return err;
	s->md = s->c->digest[i];
	s->md_ctx = EVP_MD_CTX_new();
	return s->md_ctx == NULL ? IPM_ERR_NOMEM : IPM_OK;
}

/*
 * A MAC takes any key that it is defined for; which one an SA may have is the
 * caller's question (ipm_alg_key_ok): published HMAC figures use all lengths.
 */
static enum ipm_err
open_auth(struct ipm_session *s, struct ipm_span key)
{
	enum ipm_prim prim = s->auth->prim;

	if (prim == IPM_PRIM_NULL_MAC)
		return IPM_OK;
	if (s->auth->kind == IPM_ALG_PRF)
		return open_prf(s, key);
	if (is_cmac(prim))
		return open_cmac(s, key);
	if (is_xcbc(prim))
		return open_xcbc(s, key);
	if (prim == IPM_PRIM_AES_GMAC)
		return open_gmac(s, key);
	return open_hash(s, key);
}

static enum ipm_err
open_enc(struct ipm_session *s, struct ipm_span key)
{
	if (s->enc->prim == IPM_PRIM_NULL)
		return IPM_OK;
	if (key.len > sizeof s->enc_key || !ipm_alg_key_ok(s->enc, key.len))
		return IPM_ERR_BADARG;
	s->iv_len = s->enc->nonce == IPM_NONCE_CTR ? 16 : s->enc->iv_len;
	memcpy(s->enc_key, key.p, key.len);
	s->enc_key_len = key.len;
	if (s->enc->prim == IPM_PRIM_SKIPJACK_CBC)
		return IPM_OK;
	if (ipm_gcrypt_offers(s->enc))
		return ipm_gcrypt_open(s->enc, key, &s->gcrypt);
	s->cipher = find_cipher(s->c, s->enc->prim, key.len);
	if (s->cipher == NULL)
		return IPM_ERR_UNSUPPORTED;
	s->ccm = EVP_CIPHER_get_mode(s->cipher) == EVP_CIPH_CCM_MODE;
	return IPM_OK;
}

static void
close_session(const struct ipm_provider *p, struct ipm_session *s)
{
	(void)p;
	if (s == NULL)
		return;
	close_auth(s);
	EVP_CIPHER_CTX_free(s->dir[0].ctx);
	EVP_CIPHER_CTX_free(s->dir[1].ctx);
	EVP_CIPHER_CTX_free(s->gmac.ctx);
	ipm_gcrypt_close(s->gcrypt);
	give_back(&s->c->alloc, s, sizeof *s);
}

static enum ipm_err
open_session(const struct ipm_provider *p, const struct ipm_session_desc *d,
    struct ipm_session **out)
{
	const struct crypto *c = p->ctx;
	struct ipm_session *s;
	enum ipm_err err = IPM_OK;

	*out = NULL;
	if (d->enc == NULL && d->auth == NULL)
		return IPM_ERR_BADARG;
	if ((d->enc != NULL && !offers(p, d->enc)) ||
	    (d->auth != NULL && !offers(p, d->auth)))
		return IPM_ERR_UNSUPPORTED;
	s = take(&c->alloc, sizeof *s);
	if (s == NULL)
		return IPM_ERR_NOMEM;
	s->c = c;
	s->enc = d->enc;
	s->auth = d->auth;
	if (s->enc != NULL)
		err = open_enc(s, d->enc_key);
	if (err == IPM_OK && s->auth != NULL)
		err = open_auth(s, d->auth_key);
	if (err != IPM_OK) {
		close_session(p, s);
		return err;
	}
	*out = s;
	return IPM_OK;
}

/* --- the provider -------------------------------------------------------- */

static void
free_crypto(struct crypto *c)
{
	const struct ipm_alloc alloc = c->alloc;

	for (size_t i = 0; i < N_CIPHERS; i++)
		EVP_CIPHER_free(c->cipher[i]);
	for (size_t i = 0; i < N_DIGESTS; i++)
		EVP_MD_free(c->digest[i]);
	EVP_CIPHER_free(c->ecb);
	EVP_MAC_free(c->hmac);
	EVP_MAC_free(c->cmac);
	if (c->legacy != NULL)
		(void)OSSL_PROVIDER_unload(c->legacy);
	if (c->deflt != NULL)
		(void)OSSL_PROVIDER_unload(c->deflt);
	OSSL_LIB_CTX_free(c->lib);
	give_back(&alloc, c, sizeof *c);
}

enum ipm_err
ipm_libcrypto_open(struct ipm_provider *p, const struct ipm_alloc *alloc)
{
	struct crypto *c = take(alloc, sizeof *c);

	if (c == NULL)
		return IPM_ERR_NOMEM;
	c->alloc = *alloc;
	c->lib = OSSL_LIB_CTX_new();
	if (c->lib != NULL)
		c->deflt = OSSL_PROVIDER_load(c->lib, "default");
	if (c->deflt == NULL) {
		free_crypto(c);
		return IPM_ERR_PROVIDER;
	}
	c->legacy = OSSL_PROVIDER_load(c->lib, "legacy");
	for (size_t i = 0; i < N_CIPHERS; i++)
		c->cipher[i] = EVP_CIPHER_fetch(c->lib, ciphers[i].name, NULL);
	for (size_t i = 0; i < N_DIGESTS; i++)
		c->digest[i] = EVP_MD_fetch(c->lib, digests[i].name, NULL);
	c->ecb = EVP_CIPHER_fetch(c->lib, "AES-128-ECB", NULL);
	c->hmac = EVP_MAC_fetch(c->lib, "HMAC", NULL);
	c->cmac = EVP_MAC_fetch(c->lib, "CMAC", NULL);
	*p = (struct ipm_provider){ "libcrypto", c, offers, open_session,
		close_session, cipher, aead, mac };
	return IPM_OK;
}

void
ipm_libcrypto_close(struct ipm_provider *p)
{
	if (p->ctx != NULL)
		free_crypto(p->ctx);
	p->ctx = NULL;
}

enum ipm_err
ipm_libcrypto_block(const struct ipm_provider *p, const char *family,
    struct ipm_span key, const uint8_t *in, uint8_t *out, size_t len)
{
	static const struct {
		const char *family;
		size_t key_len, block;
		const char *name;
	} rows[] = {
		{ "des", 8, 8, "DES-ECB" },
		{ "3des", 24, 8, "DES-EDE3-ECB" },
		{ "cast128", 0, 8, "CAST5-ECB" },
		{ "blowfish", 0, 8, "BF-ECB" },
		{ "aes", 16, 16, "AES-128-ECB" },
		{ "aes", 24, 16, "AES-192-ECB" },
		{ "aes", 32, 16, "AES-256-ECB" },
		{ "camellia", 16, 16, "CAMELLIA-128-ECB" },
		{ "camellia", 24, 16, "CAMELLIA-192-ECB" },
		{ "camellia", 32, 16, "CAMELLIA-256-ECB" },
	};
	const struct crypto *c = p->ctx;
	enum ipm_err err = IPM_ERR_UNSUPPORTED;

	if (strcmp(family, "skipjack") == 0) {
		if (key.len != 10 || len != 8)
			return IPM_ERR_BADARG;
		ipm_skipjack_encrypt(key.p, in, out);
		return IPM_OK;
	}
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		EVP_CIPHER_CTX *ctx;
		EVP_CIPHER *e;
		int n = 0;

		if (strcmp(family, rows[i].family) != 0)
			continue;
		err = IPM_ERR_BADARG;
		if ((rows[i].key_len != 0 && rows[i].key_len != key.len) ||
		    rows[i].block != len)
			continue;
		e = EVP_CIPHER_fetch(c->lib, rows[i].name, NULL);
		if (e == NULL)
			return IPM_ERR_UNSUPPORTED;
		ctx = EVP_CIPHER_CTX_new();
		if (ctx != NULL &&
		    EVP_EncryptInit_ex2(ctx, e, NULL, NULL, NULL) == 1 &&
		    EVP_CIPHER_CTX_set_key_length(ctx, (int)key.len) == 1 &&
		    EVP_EncryptInit_ex2(ctx, NULL, key.p, NULL, NULL) == 1 &&
		    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
		    EVP_EncryptUpdate(ctx, out, &n, in, (int)len) == 1 &&
		    (size_t)n == len)
			err = IPM_OK;
		EVP_CIPHER_CTX_free(ctx);
		EVP_CIPHER_free(e);
		return err;
	}
	return err;
}
