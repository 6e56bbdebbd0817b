#include "db_box.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

uint64_t
db_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

static void *
resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
	struct db_memory *m = ctx;
	uint8_t *p = NULL;

	if (new_size != 0) {
		m->calls++;
		if (m->fail_at != 0 && m->calls >= m->fail_at)
			return NULL;
		p = malloc(new_size);
		cr_assert_not_null(p);
		memset(p, 0xa5, new_size);
		m->live++;
		m->octets += new_size;
	}
	if (old != NULL) {
		if (p != NULL)
			memcpy(
			    p, old, old_size < new_size ? old_size : new_size);
		cr_assert_leq(old_size, m->octets);
		m->live--;
		m->octets -= old_size;
		free(old);
	}
	return p;
}

void
db_memory_init(struct db_memory *m)
{
	*m = (struct db_memory){ .alloc = { m, resize } };
}

static bool
offers(const struct ipm_provider *p, const struct ipm_alg *alg)
{
	(void)p;
	(void)alg;
	return true;
}

static enum ipm_err
open_session(const struct ipm_provider *p, const struct ipm_session_desc *d,
    struct ipm_session **s)
{
	struct db_provider *box = p->ctx;
	struct db_session *session;

	*s = NULL;
	if (box->refuse != IPM_OK)
		return box->refuse;
	session = calloc(1, sizeof *session);
	cr_assert_not_null(session);
	session->enc = d->enc;
	session->auth = d->auth;
	session->enc_len = d->enc_key.len;
	session->auth_len = d->auth_key.len;
	if (d->enc_key.len != 0)
		memcpy(session->enc_key, d->enc_key.p, d->enc_key.len);
	if (d->auth_key.len != 0)
		memcpy(session->auth_key, d->auth_key.p, d->auth_key.len);
	box->opened++;
	*s = (void *)session;
	return IPM_OK;
}

static void
close_session(const struct ipm_provider *p, struct ipm_session *s)
{
	struct db_provider *box = p->ctx;

	if (s == NULL)
		return;
	box->closed++;
	free(s);
}

void
db_provider_init(struct db_provider *p)
{
	*p = (struct db_provider){ .provider = { .name = "counts",
				       .ctx = p,
				       .offers = offers,
				       .open = open_session,
				       .close = close_session } };
}

struct ipm_sa_config
db_config(uint8_t family, uint32_t host, uint32_t spi)
{
	static const uint8_t enc_key[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
		12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
		28, 29, 30, 31, 32 };
	static const uint8_t auth_key[64] = { 101, 102, 103, 104, 105, 106, 107,
		108, 109, 110, 111, 112, 113, 114, 115, 116 };
	struct ipm_sa_config c = { .proto = IPM_PROTO_ESP,
		.spi = spi,
		.mode = IPM_MODE_TUNNEL,
		.enc = ipm_alg_by_name("aes-cbc"),
		.auth = ipm_alg_by_name("hmac-sha512"),
		.enc_key = { enc_key, sizeof enc_key },
		.auth_key = { auth_key, sizeof auth_key },
		.window = 64 };

	c.src.family = c.dst.family = family;
	ipm_store32(c.src.octet + (family == 6 ? 12 : 0), ~host);
	ipm_store32(c.dst.octet + (family == 6 ? 12 : 0), host);
	return c;
}
