#include "esp_box.h"

#include <criterion/criterion.h>
#include <string.h>

#include "hx_engine.h"
#include "model/provider/ipm_libcrypto.h"

const struct esp_pair esp_pairs[] = {
	{ "null", "hmac-sha256" },
	{ "des-cbc", "hmac-md5" },
	{ "3des-cbc", "hmac-sha1" },
	{ "blowfish-cbc", "hmac-sha1" },
	{ "cast128-cbc", "hmac-sha1" },
	{ "aes-cbc", "hmac-sha1" },
	{ "aes-cbc", "hmac-md5" },
	{ "aes-cbc", "hmac-sha256" },
	{ "aes-cbc", "hmac-sha256-96" },
	{ "aes-cbc", "hmac-sha384" },
	{ "aes-cbc", "hmac-sha512" },
	{ "aes-cbc", "hmac-ripemd160" },
	{ "aes-cbc", "aes-xcbc-mac" },
	{ "aes-cbc", "aes-cmac" },
	{ "aes-cbc", "keyed-md5" },
	{ "aes-cbc", "keyed-sha1" },
	{ "aes-ctr", "hmac-sha1" },
	{ "camellia-cbc", "hmac-sha1" },
	{ "camellia-ctr", "hmac-sha1" },
	{ "twofish-cbc", "hmac-sha1" },
	{ "serpent-cbc", "hmac-sha1" },
	{ "skipjack-cbc", "hmac-sha1" },
	{ "aes-gcm-16", NULL },
	{ "aes-gcm-12", NULL },
	{ "aes-gcm-8", NULL },
	{ "aes-ccm-16", NULL },
	{ "aes-ccm-12", NULL },
	{ "aes-ccm-8", NULL },
	{ "aes-gmac", NULL },
	{ "chacha20-poly1305", NULL },
};
const size_t esp_n_pairs = sizeof esp_pairs / sizeof esp_pairs[0];

void
esp_box_open_keys(struct esp_box *b, const struct ipm_alg *enc,
    struct ipm_span enc_key, const struct ipm_alg *auth,
    struct ipm_span auth_key)
{
	struct ipm_alloc alloc = hx_alloc();
	struct ipm_session_desc d = { enc, enc_key, auth, auth_key };

	memset(b, 0, sizeof *b);
	cr_assert_not_null(enc);
	cr_assert_eq(ipm_libcrypto_open(&b->provider, &alloc), IPM_OK);
	b->sa.spi = 0x01020304;
	b->sa.enc = enc;
	b->sa.auth = auth;
	b->sa.provider = &b->provider;
	cr_assert_eq(b->provider.open(&b->provider, &d, &b->sa.session), IPM_OK,
	    "no session for %s with %s", enc->name,
	    auth == NULL ? "none" : auth->name);
}

void
esp_box_open(struct esp_box *b, const char *enc, const char *auth)
{
	const struct ipm_alg *e = ipm_alg_by_name(enc);
	const struct ipm_alg *a = auth == NULL ? NULL : ipm_alg_by_name(auth);
	uint8_t key[128];

	cr_assert_not_null(e, "%s", enc);
	cr_assert(auth == NULL || a != NULL, "%s", auth);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i + 1);
	esp_box_open_keys(b, e, ipm_span(key, e->key_min), a,
	    a == NULL ? ipm_span(NULL, 0) : ipm_span(key + 32, a->key_min));
	for (size_t i = 0; i < IPM_SALT_MAX; i++)
		b->sa.salt[i] = (uint8_t)(0xa0 + i);
}

void
esp_box_close(struct esp_box *b)
{
	b->provider.close(&b->provider, b->sa.session);
	ipm_libcrypto_close(&b->provider);
}

static size_t
put(uint8_t *out, size_t n, const void *p, size_t len)
{
	if (len != 0)
		memcpy(out + n, p, len);
	return n + len;
}

static size_t
put32(uint8_t *out, size_t n, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		out[n++] = (uint8_t)(v >> shift);
	return n;
}

/* The associated data of RFC 4106 5, RFC 4309 5, RFC 7634 2.1, RFC 4543 3.3. */
static size_t
naive_aad(const struct ipm_esp_sa *sa, uint64_t seq, const uint8_t *iv,
    const uint8_t *body, size_t body_len, bool in_front, uint8_t *aad)
{
	size_t n = 0;

	if (sa->esn && in_front)
		n = put32(aad, n, (uint32_t)(seq >> 32));
	n = put32(aad, n, sa->spi);
	if (sa->esn && !in_front)
		n = put32(aad, n, (uint32_t)(seq >> 32));
	n = put32(aad, n, (uint32_t)seq);
	if (strcmp(sa->enc->family, "aes-gmac") == 0) {
		n = put(aad, n, iv, 8);
		n = put(aad, n, body, body_len);
	}
	return n;
}

size_t
esp_naive_seal(const struct ipm_esp_sa *sa, uint64_t seq, const uint8_t *iv,
    const uint8_t *body, size_t body_len, enum esp_fault fault, uint8_t *out)
{
	static uint8_t aad[70000], covered[70000];
	const struct ipm_provider *p = sa->provider;
	size_t n = 0, at, c = 0, nonce_len, aad_len;
	uint8_t nonce[16], icv[64];
	struct ipm_span part;

	nonce_len = ipm_alg_nonce(sa->enc, sa->salt, iv, nonce);
	n = put32(out, n, sa->spi);
	n = put32(out, n, (uint32_t)seq);
	n = put(out, n, iv, sa->enc->iv_len);
	at = n;
	n = put(out, n, body, body_len);
	if (sa->enc->kind == IPM_ALG_AEAD) {
		aad_len = naive_aad(sa, seq, iv, body, body_len,
		    fault == ESP_ESN_IN_FRONT, aad);
		part = ipm_span(body, body_len);
		if (strcmp(sa->enc->family, "aes-gmac") == 0)
			part.len = 0;
		cr_assert_eq(p->aead(sa->session, true, nonce, nonce_len,
				 ipm_span(aad, aad_len), part, out + at, icv,
				 sa->enc->icv_len, NULL),
		    IPM_OK);
		return put(out, n, icv, sa->enc->icv_len);
	}

	if (fault != ESP_MAC_BEFORE_CIPHER)
		cr_assert_eq(p->cipher(sa->session, true, nonce, nonce_len,
				 ipm_span(body, body_len), out + at),
		    IPM_OK);
	if (sa->auth == NULL)
		return n;
	if (sa->esn && fault == ESP_ESN_IN_FRONT)
		c = put32(covered, c, (uint32_t)(seq >> 32));
	c = put(covered, c, out, n);
	if (sa->esn && fault != ESP_ESN_IN_FRONT)
		c = put32(covered, c, (uint32_t)(seq >> 32));
	part = ipm_span(covered, c);
	cr_assert_eq(p->mac(sa->session, NULL, 0, &part, 1, icv), IPM_OK);
	if (fault == ESP_MAC_BEFORE_CIPHER)
		cr_assert_eq(p->cipher(sa->session, true, nonce, nonce_len,
				 ipm_span(body, body_len), out + at),
		    IPM_OK);
	return put(out, n, icv, sa->auth->icv_len);
}
