#include "step_toy.h"

#include <stdlib.h>
#include <string.h>

#include "db/ipm_digest.h"

struct ipm_session {
	const struct ipm_alg *enc, *auth;
	uint64_t key;
};

static bool
toy_offers(const struct ipm_provider *p, const struct ipm_alg *alg)
{
	(void)p;
	(void)alg;
	return true;
}

static enum ipm_err
toy_open(const struct ipm_provider *p, const struct ipm_session_desc *d,
    struct ipm_session **out)
{
	struct ipm_digest h = IPM_DIGEST_INIT;
	struct ipm_session *s = malloc(sizeof *s);

	(void)p;
	if (s == NULL)
		return IPM_ERR_NOMEM;
	ipm_digest_octets(&h, d->enc_key.p, d->enc_key.len);
	ipm_digest_octets(&h, d->auth_key.p, d->auth_key.len);
	*s = (struct ipm_session){ d->enc, d->auth, h.h };
	*out = s;
	return IPM_OK;
}

static void
toy_close(const struct ipm_provider *p, struct ipm_session *s)
{
	(void)p;
	free(s);
}

static void
stream(const struct ipm_session *s, const uint8_t *iv, size_t iv_len,
    struct ipm_span src, uint8_t *dst)
{
	struct ipm_digest h = { s->key };

	ipm_digest_octets(&h, iv, iv_len);
	for (size_t i = 0; i < src.len; i++) {
		ipm_digest_number(&h, i);
		dst[i] = src.p[i] ^ (uint8_t)(h.h >> 24);
	}
}

static void
tag_of(const struct ipm_session *s, const struct ipm_span *parts, size_t n,
    uint8_t *out, size_t len)
{
	struct ipm_digest h = { s->key };

	for (size_t i = 0; i < n; i++)
		ipm_digest_octets(&h, parts[i].p, parts[i].len);
	for (size_t i = 0; i < len; i++) {
		ipm_digest_number(&h, i);
		out[i] = (uint8_t)(h.h >> 16);
	}
}

static enum ipm_err
toy_cipher(struct ipm_session *s, bool encrypt, const uint8_t *iv,
    size_t iv_len, struct ipm_span src, uint8_t *dst)
{
	(void)encrypt;
	if (src.len % s->enc->block != 0)
		return IPM_ERR_BADARG;
	if (s->enc->prim == IPM_PRIM_NULL) {
		if (src.len != 0)
			memmove(dst, src.p, src.len);
		return IPM_OK;
	}
	stream(s, iv, iv_len, src, dst);
	return IPM_OK;
}

static enum ipm_err
toy_aead(struct ipm_session *s, bool encrypt, const uint8_t *nonce,
    size_t nonce_len, struct ipm_span aad, struct ipm_span src, uint8_t *dst,
    uint8_t *tag, size_t tag_len, uint8_t *computed)
{
	uint8_t want[16];
	struct ipm_span parts[3] = { { nonce, nonce_len }, aad, src };

	if (encrypt) {
		stream(s, nonce, nonce_len, src, dst);
		parts[2] = ipm_span(dst, src.len);
		tag_of(s, parts, 3, tag, tag_len);
		return IPM_OK;
	}
	tag_of(s, parts, 3, want, tag_len);
	if (memcmp(want, tag, tag_len) != 0) {
		if (computed != NULL)
			memcpy(computed, want, tag_len);
		return IPM_ERR_AUTH;
	}
	stream(s, nonce, nonce_len, src, dst);
	return IPM_OK;
}

static enum ipm_err
toy_mac(struct ipm_session *s, const uint8_t *nonce, size_t nonce_len,
    const struct ipm_span *parts, size_t n, uint8_t *out)
{
	(void)nonce;
	(void)nonce_len;
	tag_of(s, parts, n, out, s->auth->mac_len);
	return IPM_OK;
}

static void *
resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0) {
		free(old);
		return NULL;
	}
	return realloc(old, new_size);
}

const struct ipm_provider step_toy_crypto = { "toy", NULL, toy_offers, toy_open,
	toy_close, toy_cipher, toy_aead, toy_mac };
const struct ipm_alloc step_alloc = { NULL, resize };

/* --- compression: pairs of a count and an octet ---------------------------- */

#define TOY_MARK 0xc5U /* begins every stream */

static enum ipm_err
toy_compress(const struct ipm_compressor *c, struct ipm_span src, uint8_t *dst,
    size_t *len)
{
	size_t n = 0, run;

	(void)c;
	if (*len < 1)
		return IPM_ERR_NOBUF;
	dst[n++] = TOY_MARK;
	for (size_t i = 0; i < src.len; i += run) {
		for (run = 1; run < 255 && i + run < src.len &&
		     src.p[i + run] == src.p[i];
		     run++)
			;
		if (n + 2 > *len)
			return IPM_ERR_NOBUF;
		dst[n++] = (uint8_t)run;
		dst[n++] = src.p[i];
	}
	*len = n;
	return IPM_OK;
}

static enum ipm_err
toy_decompress(const struct ipm_compressor *c, struct ipm_span src,
    uint8_t *dst, size_t *len)
{
	size_t n = 0;

	(void)c;
	if (src.len % 2 != 1 || src.p[0] != TOY_MARK)
		return IPM_ERR_DATA;
	for (size_t i = 1; i < src.len; i += 2) {
		if (src.p[i] == 0)
			return IPM_ERR_DATA;
		if (src.p[i] > *len - n)
			return IPM_ERR_TOOBIG;
		memset(dst + n, src.p[i + 1], src.p[i]);
		n += src.p[i];
	}
	*len = n;
	return IPM_OK;
}

const struct ipm_compressor step_toy_comp = { "toy", NULL, toy_compress,
	toy_decompress };
