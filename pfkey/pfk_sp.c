#include "pfk_sp.h"

#include <string.h>

#include "pfk_engine.h"
#include "pfk_int.h"

struct pfk_xpolicy
pfk_xpolicy_read(const uint8_t *p)
{
	return (struct pfk_xpolicy){ .type = (uint16_t)pfk_le(p + 4, 2),
		.dir = p[6],
		.id = (uint32_t)pfk_le(p + 8, 4),
		.priority = (uint32_t)pfk_le(p + 12, 4) };
}

/* --- reading ------------------------------------------------------------------ */

/* One request under examination. */
struct reading {
	const struct ipm_profile *pf;
	struct ipm_spd *spd;
	struct pfk_sp_in *in;
	struct ipm_span x; /* the whole policy */
	size_t at;         /* of the request in it */
	size_t len;        /* the request's, as it states */
};

static bool
protocol_known(uint64_t proto)
{
	return proto == IPM_PROTO_ESP || proto == IPM_PROTO_AH ||
	    proto == IPM_PROTO_IPCOMP;
}

/*
 * [MAN-level-04] A reqid that the policy may not name itself, and none, are
 * replaced by one of the kernel's own choice, which is told to the sender.
 * Reqids of other levels than unique count for nothing.
 */
static uint32_t
resolve_reqid(struct reading *r, uint32_t wanted)
{
	uint32_t max = ipm_sw(r->pf, IPM_SW_REQID_MANUAL_MAX);
	uint32_t reqid;

	if (wanted != 0 && wanted <= max)
		return wanted;
	reqid = ipm_spd_new_reqid(r->spd, max);
	r->in->chosen[r->in->n_chosen].at = (uint16_t)(r->at + 6);
	r->in->chosen[r->in->n_chosen++].reqid = (uint16_t)reqid;
	return reqid;
}

/*
 * A sockaddr of sa_len octets at p, of which a sockaddr_in6 is the largest; the
 * rest of the place is zero.  Families and lengths that the model does not know
 * are kept as octets.
 */
static void
read_sockaddr(const uint8_t *p, struct ipm_end *e)
{
	const struct pfk_codec codec = { pfk_dialect_find("freebsd"), PFK_LE };
	struct pfk_sockaddr sa;

	*e = (struct ipm_end){ .raw_len = p[0] };
	memcpy(e->raw, p, p[0]);
	if (pfk_sockaddr_read(&codec, ipm_span(e->raw, e->raw_len), &sa) != 0 &&
	    sa.known) {
		e->addr = sa.addr;
		e->port = sa.port;
	}
}

/* [MAN-sockopt-10] Addresses may be left out in transport mode alone. */
static int
read_addresses(const struct reading *r, struct ipm_request *req)
{
	struct ipm_span rest = ipm_span_from(r->x, r->at + PFK_REQUEST_LEN);
	const uint8_t *p = rest.p;
	size_t sa_len;

	if (r->len == PFK_REQUEST_LEN)
		return req->mode == IPM_MODE_TUNNEL ? PFK_EINVAL : 0;
	/* A struct sockaddr must be there, in what is left of the policy; then
	 * two of its length in the request, and so in the policy, neither more
	 * than a sockaddr_in6. */
	if (rest.len < 16)
		return PFK_EINVAL;
	sa_len = p[0];
	if (sa_len > IPM_SOCKADDR_MAX || r->len < PFK_REQUEST_LEN + 2 * sa_len)
		return PFK_EINVAL;
	read_sockaddr(p, &req->src);
	/* The second one's length and family, against what was stored of the
	 * first: a length below 2 has stored no family. */
	if (p[sa_len] != sa_len || p[sa_len + 1] != req->src.raw[1])
		return PFK_EINVAL;
	read_sockaddr(p + sa_len, &req->dst);
	return 0;
}

static int
read_request(struct reading *r, struct ipm_request *req)
{
	const uint8_t *p = r->x.p + r->at;

	*req = (struct ipm_request){ .mode = p[4], .level = p[5] };
	if (!protocol_known(pfk_le(p + 2, 2)))
		return PFK_EPROTONOSUPPORT;
	req->proto = p[2];
	if (req->mode != IPM_MODE_TRANSPORT && req->mode != IPM_MODE_TUNNEL)
		return PFK_EINVAL;
	if (req->level > IPM_LEVEL_UNIQUE)
		return PFK_EINVAL;
	if (req->level == IPM_LEVEL_UNIQUE)
		req->reqid = resolve_reqid(r, (uint32_t)pfk_le(p + 6, 2));
	return read_addresses(r, req);
}

/* [MAN-sockopt-09] One request after another, in the order of the bundle. */
static int
read_requests(struct reading *r)
{
	struct ipm_sp_config *c = &r->in->c;

	for (r->at = PFK_XPOLICY_LEN; r->at < r->x.len; r->at += r->len) {
		size_t left = r->x.len - r->at;
		int err;

		/* The kernel reads the length before it looks whether so much
		 * is left; with fewer than 8 octets left it is refused
		 * whatever it says. */
		if (left < PFK_REQUEST_LEN)
			return PFK_EINVAL;
		r->len = (size_t)pfk_le(r->x.p + r->at, 2);
		if (r->len < PFK_REQUEST_LEN || r->len > left)
			return PFK_EINVAL;
		if (c->n_reqs == IPM_REQS_MAX)
			return PFK_EINVAL;
		err = read_request(r, &c->req[c->n_reqs]);
		if (err != 0)
			return err;
		c->n_reqs++;
	}
	return c->n_reqs == 0 ? PFK_EINVAL : 0;
}

int
pfk_sp_read(const struct ipm_profile *pf, struct ipm_spd *spd,
    struct ipm_span x, struct pfk_sp_in *in)
{
	struct pfk_xpolicy head = pfk_xpolicy_read(x.p);
	struct reading r = { .pf = pf, .spd = spd, .in = in, .x = x };

	*in = (struct pfk_sp_in){ 0 };
	in->c.dir = head.dir;
	in->c.priority = head.priority;
	/* [MAN-sockopt-03] The whole structure and no more. */
	if (pfk_le(x.p, 2) * 8 != x.len || head.type > IPM_POLICY_BYPASS)
		return PFK_EINVAL;
	in->c.type = (uint8_t)head.type;
	/* Requests of other types are passed over, whatever they hold. */
	return head.type == IPM_POLICY_IPSEC ? read_requests(&r) : 0;
}

void
pfk_sp_write_chosen(const struct pfk_sp_in *in, uint8_t *x)
{
	for (unsigned i = 0; i < in->n_chosen; i++)
		pfk_le_put(x + in->chosen[i].at, 2, in->chosen[i].reqid);
}

/* --- writing ------------------------------------------------------------------ */

static size_t
request_len(const struct ipm_request *req)
{
	size_t len = PFK_REQUEST_LEN + req->src.raw_len + req->dst.raw_len;

	return (len + 7) / 8 * 8;
}

size_t
pfk_sp_len(const struct ipm_arena *a, const struct ipm_sp *sp)
{
	const struct ipm_request *req = ipm_arena_at(a, sp->reqs);
	size_t len = PFK_XPOLICY_LEN;

	for (unsigned i = 0; i < sp->n_reqs; i++)
		len += request_len(&req[i]);
	return len;
}

/* The reqid's field has 16 bits: a larger one is cut. */
static void
write_request(const struct ipm_request *req, uint8_t *p)
{
	size_t len = request_len(req);

	memset(p, 0, len);
	pfk_le_put(p, 2, len);
	pfk_le_put(p + 2, 2, req->proto);
	p[4] = req->mode;
	p[5] = req->level;
	pfk_le_put(p + 6, 2, req->reqid);
	memcpy(p + PFK_REQUEST_LEN, req->src.raw, req->src.raw_len);
	memcpy(p + PFK_REQUEST_LEN + req->src.raw_len, req->dst.raw,
	    req->dst.raw_len);
}

void
pfk_sp_write(const struct ipm_arena *a, const struct ipm_sp *sp, bool scoped,
    uint8_t *out, size_t len)
{
	const struct ipm_request *req = ipm_arena_at(a, sp->reqs);
	size_t at = PFK_XPOLICY_LEN;

	memset(out, 0, PFK_XPOLICY_LEN);
	pfk_le_put(out, 2, pfk_sp_len(a, sp) / 8);
	pfk_le_put(out + 2, 2, PFK_EXT_X_POLICY);
	pfk_le_put(out + 4, 2, sp->type);
	out[6] = sp->dir;
	out[7] = scoped ? sp->scope : 0;
	pfk_le_put(out + 8, 4, sp->id);
	pfk_le_put(out + 12, 4, sp->priority);
	if (len == PFK_XPOLICY_LEN)
		return;
	for (unsigned i = 0; i < sp->n_reqs; i++) {
		write_request(&req[i], out + at);
		at += request_len(&req[i]);
	}
}
