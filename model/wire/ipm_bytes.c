#include "ipm_bytes.h"

void
ipm_rd_init(struct ipm_reader *r, struct ipm_span s)
{
	r->s = s;
	r->pos = 0;
	r->fault = false;
}

struct ipm_span
ipm_rd_span(struct ipm_reader *r, size_t len)
{
	struct ipm_span s;

	if (r->fault || len > r->s.len - r->pos) {
		r->fault = true;
		return ipm_span(NULL, 0);
	}
	s = ipm_span_sub(r->s, r->pos, len);
	r->pos += len;
	return s;
}

uint8_t
ipm_rd8(struct ipm_reader *r)
{
	struct ipm_span s = ipm_rd_span(r, 1);

	return s.len == 1 ? s.p[0] : 0;
}

uint16_t
ipm_rd16(struct ipm_reader *r)
{
	struct ipm_span s = ipm_rd_span(r, 2);

	return s.len == 2 ? ipm_load16(s.p) : 0;
}

uint32_t
ipm_rd32(struct ipm_reader *r)
{
	struct ipm_span s = ipm_rd_span(r, 4);

	return s.len == 4 ? ipm_load32(s.p) : 0;
}

size_t
ipm_rd_left(const struct ipm_reader *r)
{
	return r->fault ? 0 : r->s.len - r->pos;
}

bool
ipm_ct_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= (uint8_t)(a[i] ^ b[i]);
	return diff == 0;
}

void
ipm_wipe(void *p, size_t len)
{
	volatile uint8_t *v = p;

	for (size_t i = 0; i < len; i++)
		v[i] = 0;
}
