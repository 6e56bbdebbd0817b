#include "pfk_box.h"

#include <criterion/criterion.h>
#include <string.h>

void
pfk_box_init(struct pfk_box *b, enum ipm_profile_id profile)
{
	memset(b, 0, sizeof *b);
	db_memory_init(&b->mem);
	db_provider_init(&b->crypto);
	ipm_profile_init(&b->pf, profile);
	for (uint32_t i = 0; i < sizeof b->random / 4; i++)
		ipm_store32(b->random + (size_t)4 * i, i);
	b->tape.octets = ipm_span(b->random, sizeof b->random);
	b->env = (struct ipm_env){ .sec = 1000,
		.crypto = &b->crypto.provider,
		.alloc = &b->mem.alloc,
		.random = &b->tape };
	pfk_engine_init(&b->e, b->env.sec, 0);
	b->other = pfk_open(&b->e, &b->env);
	b->sock = pfk_open(&b->e, &b->env);
	cr_assert_neq(b->sock, 0);
}

void
pfk_box_free(struct pfk_box *b)
{
	pfk_engine_free(&b->e, &b->mem.alloc);
	cr_expect_eq(b->mem.live, 0);
	cr_expect_eq(b->mem.octets, 0);
}

void
pfk_box_draws(struct pfk_box *b, const uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ipm_store32(b->random + 4 * i, v[i]);
	b->tape = (struct ipm_tape){ ipm_span(b->random, 4 * n), 0 };
}

void
pfk_box_wait(struct pfk_box *b, uint64_t seconds)
{
	b->env.sec += seconds;
	pfk_clock(&b->e, &b->pf, &b->env);
}

uint64_t
pfk_box_sad(const struct pfk_box *b)
{
	struct ipm_state s = b->e.ipm; /* only looked at */

	s.stats = (struct ipm_stats){ 0 };
	return ipm_state_digest(&s);
}

/* --- messages ----------------------------------------------------------------------- */

void
pfk_set(uint8_t *p, size_t size, uint64_t v)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

uint64_t
pfk_get_le(const uint8_t *p, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

void
pfk_head(struct pfk_text *m, unsigned type, unsigned satype, uint32_t seq,
    uint32_t pid)
{
	memset(m->p, 0, 16);
	m->len = 16;
	m->p[0] = 2;
	m->p[1] = (uint8_t)type;
	m->p[3] = (uint8_t)satype;
	pfk_set(m->p + 4, 2, 2);
	pfk_set(m->p + 8, 4, seq);
	pfk_set(m->p + 12, 4, pid);
}

uint8_t *
pfk_add_ext(struct pfk_text *m, unsigned type, size_t len)
{
	uint8_t *p = m->p + m->len;

	cr_assert_leq(m->len + len, sizeof m->p);
	memset(p, 0, len);
	pfk_set(p, 2, len / 8);
	pfk_set(p + 2, 2, type);
	m->len += len;
	pfk_set(m->p + 4, 2, m->len / 8);
	return p;
}

uint8_t *
pfk_find_ext(struct pfk_text *m, unsigned type)
{
	for (size_t off = 16; off < m->len;
	     off += (size_t)pfk_get_le(m->p + off, 2) * 8)
		if (pfk_get_le(m->p + off + 2, 2) == type)
			return m->p + off;
	return NULL;
}

void
pfk_cut_ext(struct pfk_text *m, unsigned type)
{
	uint8_t *p = pfk_find_ext(m, type);
	size_t len;

	cr_assert_not_null(p);
	len = (size_t)pfk_get_le(p, 2) * 8;
	memmove(p, p + len, (size_t)(m->p + m->len - p) - len);
	m->len -= len;
	pfk_set(m->p + 4, 2, m->len / 8);
}

void
pfk_add_sa(struct pfk_text *m, uint32_t spi, unsigned replay, unsigned auth,
    unsigned enc, uint32_t flags)
{
	uint8_t *p = pfk_add_ext(m, 1, 16);

	ipm_store32(p + 4, spi);
	p[8] = (uint8_t)replay;
	p[9] = 1;
	p[10] = (uint8_t)auth;
	p[11] = (uint8_t)enc;
	pfk_set(p + 12, 4, flags);
}

void
pfk_add_sa2(struct pfk_text *m, unsigned mode, uint32_t reqid)
{
	uint8_t *p = pfk_add_ext(m, 19, 16);

	p[4] = (uint8_t)mode;
	pfk_set(p + 12, 4, reqid);
}

void
pfk_add_addr(struct pfk_text *m, unsigned type, unsigned family, uint8_t x)
{
	static const uint8_t v4[] = { 192, 0, 2 };
	static const uint8_t v6[] = { 0x20, 0x01, 0x0d, 0xb8 };
	uint8_t *p = pfk_add_ext(m, type, family == 4 ? 24 : 40);

	p[4] = 255;
	p[5] = family == 4 ? 32 : 128;
	p[8] = family == 4 ? 16 : 28;
	p[9] = family == 4 ? 2 : 28;
	if (family == 4) {
		memcpy(p + 12, v4, sizeof v4);
		p[15] = x;
	} else {
		memcpy(p + 16, v6, sizeof v6);
		p[31] = x;
	}
}

void
pfk_add_ends(struct pfk_text *m, uint8_t src, uint8_t dst)
{
	pfk_add_addr(m, 5, 4, src);
	pfk_add_addr(m, 6, 4, dst);
}

void
pfk_add_key(struct pfk_text *m, unsigned type, size_t octets)
{
	uint8_t *p = pfk_add_ext(m, type, 8 + (octets + 7) / 8 * 8);

	pfk_set(p + 4, 2, octets * 8);
	for (size_t i = 0; i < octets; i++)
		p[8 + i] = (uint8_t)(i + 1);
}

void
pfk_add_life(struct pfk_text *m, unsigned type, uint64_t octets,
    uint64_t addtime, uint64_t usetime)
{
	uint8_t *p = pfk_add_ext(m, type, 32);

	pfk_set(p + 8, 8, octets);
	pfk_set(p + 16, 8, addtime);
	pfk_set(p + 24, 8, usetime);
}

void
pfk_add_range(struct pfk_text *m, uint32_t min, uint32_t max)
{
	uint8_t *p = pfk_add_ext(m, 16, 16);

	pfk_set(p + 4, 4, min);
	pfk_set(p + 8, 4, max);
}

void
pfk_add_natt(struct pfk_text *m, unsigned type, uint16_t s, uint16_t d)
{
	pfk_add_ext(m, 20, 8)[4] = (uint8_t)type;
	ipm_store16(pfk_add_ext(m, 21, 8) + 4, s);
	ipm_store16(pfk_add_ext(m, 22, 8) + 4, d);
}

static void
esp(struct pfk_text *m, unsigned type, uint32_t spi)
{
	pfk_head(m, type, 3, 0, 7);
	pfk_add_sa(m, spi, 4, 3, 12, 0);
	pfk_add_sa2(m, 1, 0);
	pfk_add_ends(m, 1, 2);
	pfk_add_key(m, 8, 20);
	pfk_add_key(m, 9, 16);
}

void
pfk_esp(struct pfk_text *m, uint32_t spi)
{
	esp(m, 3, spi);
}

void
pfk_update(struct pfk_text *m, uint32_t spi)
{
	esp(m, 2, spi);
}

void
pfk_getspi(struct pfk_text *m, uint32_t min, uint32_t max)
{
	pfk_head(m, 1, 3, 0, 7);
	pfk_add_sa2(m, 1, 0);
	pfk_add_ends(m, 1, 2);
	pfk_add_range(m, min, max);
}

void
pfk_name_sa(struct pfk_text *m, unsigned type, uint32_t spi)
{
	pfk_head(m, type, 3, 0, 7);
	pfk_add_sa(m, spi, 0, 0, 0, 0);
	pfk_add_ends(m, 1, 2);
}

/* --- conversations ------------------------------------------------------------------- */

bool
pfk_next(struct pfk_box *b, uint32_t sock, struct pfk_text *m)
{
	m->len = pfk_recv(&b->e, sock, m->p, sizeof m->p);
	return m->len != 0;
}

size_t
pfk_drain(struct pfk_box *b, uint32_t sock)
{
	size_t n = 0;

	while (pfk_recv(&b->e, sock, NULL, 0) != 0)
		n++;
	return n;
}

int
pfk_ask(struct pfk_box *b, const struct pfk_text *m, struct pfk_text *reply)
{
	static struct pfk_text first;
	struct pfk_text *r = reply == NULL ? &first : reply;
	int err;

	(void)pfk_drain(b, b->sock);
	(void)pfk_drain(b, b->other);
	err = pfk_send(&b->e, &b->pf, &b->env, b->sock, ipm_span(m->p, m->len));
	if (err != 0)
		return PFK_CALL + err;
	if (!pfk_next(b, b->sock, r))
		return PFK_SILENCE;
	(void)pfk_drain(b, b->sock);
	return r->p[2];
}

int
pfk_state_of(struct pfk_box *b, uint32_t spi)
{
	static struct pfk_text m, r;

	pfk_name_sa(&m, 5, spi);
	if (pfk_ask(b, &m, &r) != 0)
		return -1;
	return r.p[16 + 9];
}
