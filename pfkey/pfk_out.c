/*
 * Messages under construction, and the few things that every handler reads of
 * a request.
 *
 * Source: FreeBSD sys/netipsec/key.c (key_setsadbmsg, key_setsadbaddr,
 * key_getmsgbuf_x1, key_checksockaddrs, key_satype2proto).
 */
#include <string.h>

#include "pfk_int.h"

#define AF_INET4_LEN 16U
#define AF_INET6_LEN 28U
#define AF_INET4     2U
#define AF_INET6     28U

uint64_t
pfk_le(const uint8_t *p, size_t size)
{
	uint64_t v = 0;

	while (size-- > 0)
		v = v << 8 | p[size];
	return v;
}

void
pfk_le_put(uint8_t *p, size_t size, uint64_t v)
{
	for (size_t i = 0; i < size; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static const struct {
	uint8_t satype, proto;
} protos[] = {
	{ 0, 255 },
	{ 2, IPM_PROTO_AH },
	{ 3, IPM_PROTO_ESP },
	{ 9, IPM_PROTO_IPCOMP },
	{ 11, IPM_PROTO_TCP },
};

uint8_t
pfk_proto_of(uint8_t satype)
{
	for (size_t i = 0; i < sizeof protos / sizeof protos[0]; i++)
		if (protos[i].satype == satype)
			return protos[i].proto;
	return 0;
}

uint8_t
pfk_satype_of(uint8_t proto)
{
	for (size_t i = 0; i < sizeof protos / sizeof protos[0]; i++)
		if (protos[i].proto == proto)
			return protos[i].satype;
	return 0;
}

/* --- writing --------------------------------------------------------------------------- */

void
pfk_out_begin(struct pfk_out *o, uint8_t type, uint8_t satype, uint32_t seq,
    uint32_t pid, uint16_t reserved)
{
	uint8_t *p = o->p;

	o->len = PFK_HDR_LEN;
	o->full = false;
	memset(p, 0, PFK_HDR_LEN);
	p[0] = PFK_VERSION;
	p[1] = type;
	p[3] = satype;
	pfk_le_put(p + 6, 2, reserved);
	pfk_le_put(p + 8, 4, seq);
	pfk_le_put(p + 12, 4, pid);
}

/* [PFKEY-1.6-04] [PFKEY-2.1-06] */
void
pfk_out_echo(struct pfk_out *o, const struct pfk_req *rq)
{
	memcpy(o->p, rq->p, PFK_HDR_LEN);
	o->p[2] = 0;
	o->len = PFK_HDR_LEN;
	o->full = false;
}

uint8_t *
pfk_out_ext(struct pfk_out *o, uint16_t type, size_t len)
{
	uint8_t *p = o->p + o->len;

	if (len > sizeof o->p - o->len) {
		o->full = true;
		return NULL;
	}
	memset(p, 0, len);
	pfk_le_put(p, 2, len / 8);
	pfk_le_put(p + 2, 2, type);
	o->len += len;
	return p;
}

void
pfk_out_copy(struct pfk_out *o, const struct pfk_req *rq, uint16_t type)
{
	uint8_t *p;

	if (rq->ext_off[type] == 0)
		return;
	p = pfk_out_ext(o, type, rq->ext_len[type]);
	if (p != NULL)
		memcpy(p, rq->p + rq->ext_off[type], rq->ext_len[type]);
}

void
pfk_out_addr(struct pfk_out *o, uint16_t type, const struct ipm_addr *a,
    uint16_t port, uint8_t prefix, uint8_t proto)
{
	bool v4 = a->family == 4;
	uint8_t *p = pfk_out_ext(o, type, 8 + (v4 ? AF_INET4_LEN : 32U));

	if (p == NULL)
		return;
	p[4] = proto;
	p[5] = prefix;
	p += 8;
	p[0] = v4 ? AF_INET4_LEN : AF_INET6_LEN;
	p[1] = v4 ? AF_INET4 : AF_INET6;
	ipm_store16(p + 2, port);
	memcpy(p + (v4 ? 4 : 8), a->octet, ipm_addr_len(a));
	if (!v4)
		pfk_le_put(p + 24, 4, a->scope);
}

int
pfk_out_send(struct pfk_call *c, struct pfk_out *o, enum pfk_target target)
{
	if (o->full)
		return PFK_ENOBUFS;
	pfk_le_put(o->p + 4, 2, o->len / 8);
	return pfk_deliver(c, target, o->p, o->len);
}

/* --- reading --------------------------------------------------------------------------- */

void
pfk_read_end(const struct pfk_req *rq, uint16_t type, struct ipm_end *end,
    uint8_t *prefix, uint8_t *proto)
{
	const uint8_t *p = rq->p + rq->ext_off[type];
	const uint8_t *sa = p + 8;

	*proto = p[4];
	*prefix = p[5];
	*end = (struct ipm_end){ .raw_len = sa[0] };
	if (end->raw_len > sizeof end->raw)
		end->raw_len = sizeof end->raw;
	memcpy(end->raw, sa, end->raw_len);
	if (sa[0] == AF_INET4_LEN && sa[1] == AF_INET4) {
		end->addr.family = 4;
		memcpy(end->addr.octet, sa + 4, 4);
	} else if (sa[0] == AF_INET6_LEN && sa[1] == AF_INET6) {
		end->addr.family = 6;
		memcpy(end->addr.octet, sa + 8, 16);
		end->addr.scope = (uint32_t)pfk_le(sa + 24, 4);
	} else
		return;
	end->port = ipm_load16(sa + 2);
}

/* A length of at least 1 was seen to by the generic checks; the family is the
 * octet behind it, which the padding to 8 holds. */
int
pfk_check_pair(const struct pfk_req *rq, uint16_t src, uint16_t dst)
{
	const uint8_t *a = rq->p + rq->ext_off[src] + 8;
	const uint8_t *b = rq->p + rq->ext_off[dst] + 8;

	if (a[1] != b[1] || a[0] != b[0])
		return PFK_EINVAL;
	switch (a[1]) {
	case AF_INET4:
		return a[0] == AF_INET4_LEN ? 0 : PFK_EINVAL;
	case AF_INET6:
		return a[0] == AF_INET6_LEN ? 0 : PFK_EINVAL;
	default:
		return PFK_EAFNOSUPPORT;
	}
}
