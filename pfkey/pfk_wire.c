#include "pfk_wire.h"

#include <string.h>

#include "ipm_in.h"

const char *
pfk_fault_text(enum pfk_fault f)
{
	switch (f) {
	case PFK_FINE:
		return "no fault";
	case PFK_SHORT_HEADER:
		return "shorter than the base header of 16 octets";
	case PFK_LEN_MISMATCH:
		return "sadb_msg_len is not the length of the message";
	case PFK_SHORT_EXT:
		return "an extension header runs past the end";
	case PFK_EXT_LEN_ZERO:
		return "sadb_ext_len is 0";
	case PFK_EXT_PAST_END:
		return "sadb_ext_len runs past the end";
	case PFK_EXT_SHORT:
		return "shorter than its type's fixed part";
	case PFK_EXT_LONG:
		return "longer than its type allows";
	case PFK_TOO_MANY_EXTS:
		return "more extensions than a message can have";
	}
	return "?";
}

static uint64_t
load(const uint8_t *p, size_t size, bool big)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v = v << 8 | p[big ? i : size - 1 - i];
	return v;
}

static void
store(uint8_t *p, size_t size, bool big, uint64_t v)
{
	for (size_t i = 0; i < size; i++)
		p[big ? size - 1 - i : i] = (uint8_t)(v >> 8 * i);
}

static bool
big(const struct pfk_codec *c, enum pfk_kind kind)
{
	return kind != PFK_HOST || c->order == PFK_BE;
}

uint64_t
pfk_get(const struct pfk_codec *c, const struct pfk_field *f, const uint8_t *p)
{
	return load(p + f->off, f->size, big(c, f->kind));
}

void
pfk_put(const struct pfk_codec *c, const struct pfk_field *f, uint8_t *p,
    uint64_t v)
{
	store(p + f->off, f->size, big(c, f->kind), v);
}

static uint64_t
host(const struct pfk_codec *c, const uint8_t *p, size_t size)
{
	return load(p, size, c->order == PFK_BE);
}

static enum pfk_fault
decode_ext(const struct pfk_codec *c, struct ipm_span s, struct pfk_ext *e)
{
	size_t octets, fixed = 4;

	if (s.len < 4)
		return PFK_SHORT_EXT;
	e->len = (uint16_t)host(c, s.p, 2);
	e->type = (uint16_t)host(c, s.p + 2, 2);
	e->row = pfk_ext_row(c->dialect, e->type);
	octets = (size_t)e->len * 8;
	if (octets == 0)
		return PFK_EXT_LEN_ZERO;
	if (octets > s.len)
		return PFK_EXT_PAST_END;
	memset(e->value, 0, sizeof e->value);
	if (e->row != NULL) {
		fixed = e->row->size;
		if (octets < fixed)
			return PFK_EXT_SHORT;
		if (e->row->max != 0 && octets > e->row->max)
			return PFK_EXT_LONG;
		for (size_t i = 0;
		     i < PFK_FIELDS_MAX && e->row->field[i].name != NULL; i++)
			e->value[i] = pfk_get(c, &e->row->field[i], s.p);
	}
	e->tail = ipm_span_sub(s, fixed, octets - fixed);
	return PFK_FINE;
}

enum pfk_fault
pfk_decode(const struct pfk_codec *c, struct ipm_span octets, struct pfk_msg *m,
    struct pfk_ext *exts, size_t *n, size_t *where)
{
	size_t off = PFK_HDR_LEN;

	*m = (struct pfk_msg){ 0 };
	*n = *where = 0;
	if (octets.len < PFK_HDR_LEN)
		return PFK_SHORT_HEADER;
	m->version = octets.p[0];
	m->type = octets.p[1];
	m->err = octets.p[2];
	m->satype = octets.p[3];
	m->len = (uint16_t)host(c, octets.p + 4, 2);
	m->reserved = (uint16_t)host(c, octets.p + 6, 2);
	m->seq = (uint32_t)host(c, octets.p + 8, 4);
	m->pid = (uint32_t)host(c, octets.p + 12, 4);
	*where = 4;
	if ((size_t)m->len * 8 != octets.len)
		return PFK_LEN_MISMATCH;
	while (off < octets.len) {
		enum pfk_fault f;

		*where = off;
		if (*n == PFK_EXTS_MAX)
			return PFK_TOO_MANY_EXTS;
		f = decode_ext(c, ipm_span_from(octets, off), &exts[*n]);
		if (f != PFK_FINE)
			return f;
		off += (size_t)exts[(*n)++].len * 8;
	}
	*where = off;
	return PFK_FINE;
}

static enum ipm_err
encode_ext(const struct pfk_codec *c, const struct pfk_ext *e, uint8_t *out,
    size_t cap, size_t *used)
{
	size_t fixed = e->row == NULL ? 4 : e->row->size;
	size_t octets = (fixed + e->tail.len + 7) / 8 * 8;
	bool be = c->order == PFK_BE;

	if (octets / 8 > UINT16_MAX)
		return IPM_ERR_BADARG;
	if (octets > cap)
		return IPM_ERR_NOBUF;
	memset(out, 0, octets);
	store(out, 2, be, octets / 8);
	store(out + 2, 2, be, e->type);
	for (size_t i = 0; e->row != NULL && i < PFK_FIELDS_MAX &&
	     e->row->field[i].name != NULL;
	     i++)
		pfk_put(c, &e->row->field[i], out, e->value[i]);
	if (e->tail.len != 0)
		memcpy(out + fixed, e->tail.p, e->tail.len);
	*used = octets;
	return IPM_OK;
}

enum ipm_err
pfk_encode(const struct pfk_codec *c, const struct pfk_msg *m,
    const struct pfk_ext *exts, size_t n, uint8_t *out, size_t cap, size_t *len)
{
	bool be = c->order == PFK_BE;
	size_t off = PFK_HDR_LEN;

	*len = 0;
	if (cap < PFK_HDR_LEN)
		return IPM_ERR_NOBUF;
	for (size_t i = 0; i < n; i++) {
		size_t used;
		enum ipm_err err =
		    encode_ext(c, &exts[i], out + off, cap - off, &used);

		if (err != IPM_OK)
			return err;
		off += used;
	}
	if (off / 8 > UINT16_MAX)
		return IPM_ERR_BADARG;
	out[0] = m->version;
	out[1] = m->type;
	out[2] = m->err;
	out[3] = m->satype;
	store(out + 4, 2, be, off / 8);
	store(out + 6, 2, be, m->reserved);
	store(out + 8, 4, be, m->seq);
	store(out + 12, 4, be, m->pid);
	*len = off;
	return IPM_OK;
}

/* --- sockaddrs --------------------------------------------------------------- */

#define SIN_LEN  16U
#define SIN6_LEN 28U

bool
pfk_is_group(const struct ipm_addr *a)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };

	return ipm_is_multicast(a) ||
	    (a->family == 4 && memcmp(a->octet, all, sizeof all) == 0);
}

size_t
pfk_sockaddr_read(
    const struct pfk_codec *c, struct ipm_span s, struct pfk_sockaddr *sa)
{
	const struct pfk_dialect *d = c->dialect;
	size_t len;

	*sa = (struct pfk_sockaddr){ 0 };
	if (s.len < 2)
		return 0;
	sa->family = d->sa_len ? s.p[1] : (uint16_t)host(c, s.p, 2);
	if (d->sa_len)
		len = s.p[0];
	else
		len = sa->family == 2           ? SIN_LEN
		    : sa->family == d->af_inet6 ? SIN6_LEN
						: s.len;
	if (len < 2 || len > s.len || len > UINT8_MAX)
		return 0;
	sa->len = (uint8_t)len;
	if (sa->family == 2 && len == SIN_LEN) {
		sa->known = true;
		sa->addr.family = 4;
		sa->port = ipm_load16(s.p + 2);
		memcpy(sa->addr.octet, s.p + 4, 4);
		sa->rest = ipm_span_sub(s, 8, 8);
	} else if (sa->family == d->af_inet6 && len == SIN6_LEN) {
		sa->known = true;
		sa->addr.family = 6;
		sa->port = ipm_load16(s.p + 2);
		sa->flowinfo = ipm_load32(s.p + 4);
		memcpy(sa->addr.octet, s.p + 8, 16);
		sa->addr.scope = (uint32_t)host(c, s.p + 24, 4);
	} else {
		sa->rest = ipm_span_sub(s, 2, len - 2);
	}
	return len;
}

size_t
pfk_sockaddr_write(const struct pfk_codec *c, const struct pfk_sockaddr *sa,
    uint8_t *out, size_t cap)
{
	size_t len = !sa->known    ? 2 + sa->rest.len
	    : sa->addr.family == 4 ? SIN_LEN
				   : SIN6_LEN;

	if (len > cap || len > UINT8_MAX)
		return 0;
	memset(out, 0, len);
	if (c->dialect->sa_len) {
		out[0] = sa->known ? (uint8_t)len : sa->len;
		out[1] = (uint8_t)sa->family;
	} else {
		store(out, 2, c->order == PFK_BE, sa->family);
	}
	if (!sa->known) {
		if (sa->rest.len != 0)
			memcpy(out + 2, sa->rest.p, sa->rest.len);
		return len;
	}
	ipm_store16(out + 2, sa->port);
	if (sa->addr.family == 4) {
		memcpy(out + 4, sa->addr.octet, 4);
		if (sa->rest.len == 8)
			memcpy(out + 8, sa->rest.p, 8);
		return len;
	}
	ipm_store32(out + 4, sa->flowinfo);
	memcpy(out + 8, sa->addr.octet, 16);
	store(out + 24, 4, c->order == PFK_BE, sa->addr.scope);
	return len;
}
