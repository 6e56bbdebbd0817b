#include "step_gen.h"

#include <string.h>

#include "pfk_numbers.h"
#include "wire/ipm_upper.h"

/* No expression draws twice where C leaves the order open: a seed is the same
 * history with every compiler. */

#define PLAN_STEPS 250U /* about so many steps under one plan */

static uint64_t
draw(struct step_gen *g)
{
	uint64_t z = g->seed += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

static unsigned
below(struct step_gen *g, unsigned n)
{
	return (unsigned)(draw(g) >> 33) % n;
}

static bool
one_in(struct step_gen *g, unsigned n)
{
	return below(g, n) == 0;
}

void
step_gen_init(struct step_gen *g, uint64_t seed)
{
	memset(g, 0, sizeof *g);
	g->seed = seed;
	g->spi = 0x1000;
}

/* --- text being written ----------------------------------------------------------- */

struct text {
	uint8_t *p;
	size_t len;
};

static void
put(struct text *t, uint64_t v, size_t size)
{
	for (size_t i = 0; i < size; i++)
		t->p[t->len++] = (uint8_t)(v >> 8 * i);
}

static void
put_zeros(struct text *t, size_t n)
{
	memset(t->p + t->len, 0, n);
	t->len += n;
}

static void
put_random(struct step_gen *g, struct text *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(t, draw(g), 1);
}

static void
begin(struct text *t, unsigned what)
{
	put(t, what, 1);
	put_zeros(t, 2);
}

/* The step that began at `from` is over. */
static void
finish(struct text *t, size_t from)
{
	size_t n = t->len - from - STEP_HEAD;

	t->p[from + 1] = (uint8_t)n;
	t->p[from + 2] = (uint8_t)(n >> 8);
}

/* --- PF_KEY messages (RFC 2367 2; FreeBSD net/pfkeyv2.h) ------------------------- */

static void
head(struct text *t, unsigned type, unsigned satype)
{
	put(t, 2, 1);
	put(t, type, 1);
	put(t, 0, 1);
	put(t, satype, 1);
	put(t, 2, 4); /* length: see message_end */
	put(t, 1, 4);
	put(t, 7, 4);
}

static void
message_end(struct text *t, size_t from)
{
	size_t n = (t->len - from) / 8;

	t->p[from + 4] = (uint8_t)n;
	t->p[from + 5] = (uint8_t)(n >> 8);
}

static void
put_sockaddr(struct text *t, const struct ipm_addr *a, uint16_t port)
{
	bool six = a->family == 6;

	put(t, six ? 28 : 16, 1);
	put(t, six ? 28 : 2, 1);
	put(t, (uint64_t)(port >> 8 | (port & 255) << 8), 2);
	if (six)
		put_zeros(t, 4);
	memcpy(t->p + t->len, a->octet, six ? 16 : 4);
	t->len += six ? 16 : 4;
	put_zeros(t, six ? 4 : 8);
}

static void
put_addr(struct text *t, unsigned type, unsigned proto, unsigned prefix,
    const struct ipm_addr *a, uint16_t port)
{
	bool six = a->family == 6;

	put(t, six ? 5 : 3, 2);
	put(t, type, 2);
	put(t, proto, 1);
	put(t, prefix, 1);
	put_zeros(t, 2);
	put_sockaddr(t, a, port);
	put_zeros(t, six ? 4 : 0);
}

static void
put_key(struct text *t, unsigned type, unsigned octets)
{
	unsigned units = (octets + 7) / 8;

	put(t, 1 + units, 2);
	put(t, type, 2);
	put(t, octets * 8U, 2);
	put_zeros(t, 2);
	for (unsigned i = 0; i < units * 8; i++)
		put(t, i < octets ? i * 5 + octets : 0, 1);
}

static void
put_life(struct step_gen *g, struct text *t, unsigned type)
{
	put(t, 4, 2);
	put(t, type, 2);
	put(t, 0, 4);
	put(t, one_in(g, 3) ? 200 + below(g, 20000) : 0, 8);
	put(t, one_in(g, 2) ? 20 + below(g, 200) : 0, 8);
	put(t, one_in(g, 3) ? 10 + below(g, 100) : 0, 8);
}

/* --- SAs -------------------------------------------------------------------------- */

struct choice {
	uint8_t number, key;
};

static const struct choice macs[] = { { 2, 16 }, { 3, 20 }, { 5, 32 },
	{ 6, 48 }, { 7, 64 }, { 8, 20 }, { 9, 16 }, { 249, 16 }, { 250, 20 },
	{ 251, 0 } };
static const struct choice ciphers[] = { { 11, 0 }, { 12, 16 }, { 12, 32 },
	{ 3, 24 }, { 13, 20 }, { 20, 20 }, { 22, 16 }, { 2, 8 }, { 7, 16 },
	{ 6, 16 } };

static const uint8_t windows[] = { 0, 1, 1, 4, 8, 255 };

/* One SA of a plan. */
struct sa {
	uint8_t proto, mode; /* 0 any, 1 transport, 2 tunnel */
	uint32_t spi, reqid;
	struct ipm_addr src, dst;
	struct choice mac, cipher;
	uint32_t window; /* octets of the replay field */
	uint32_t flags;
	uint16_t sport, dport; /* UDP encapsulation, 0 none */
};

static void
choose_algs(struct step_gen *g, struct sa *s)
{
	s->mac = macs[below(g, sizeof macs / sizeof macs[0])];
	s->cipher = (struct choice){ 0, 0 };
	if (s->proto == 50) {
		s->cipher =
		    ciphers[below(g, sizeof ciphers / sizeof ciphers[0])];
		if (one_in(g, 4) || s->cipher.number == 20)
			s->mac = (struct choice){ 0, 0 };
	} else if (s->proto == 108) {
		s->mac = (struct choice){ 0, 0 };
		s->cipher = (struct choice){ 2, 0 };
	}
	s->window = windows[below(g, sizeof windows)];
}

static void
add_sa(struct step_gen *g, struct text *t, const struct sa *s, unsigned type,
    bool life)
{
	size_t from = t->len;

	head(t, type, pfk_satype_of(s->proto));
	put(t, 2, 2);
	put(t, PFK_EXT_SA, 2);
	ipm_store32(t->p + t->len, s->spi);
	t->len += 4;
	put(t, s->window, 1);
	put(t, 1, 1); /* mature */
	put(t, s->mac.number, 1);
	put(t, s->cipher.number, 1);
	put(t, s->flags, 4);
	put(t, 2, 2);
	put(t, PFK_EXT_X_SA2, 2);
	put(t, s->mode, 1);
	put_zeros(t, 7);
	put(t, s->reqid, 4);
	if (life) {
		put_life(g, t, PFK_EXT_LIFETIME_HARD);
		if (!one_in(g, 8)) /* the kernel wants both */
			put_life(g, t, PFK_EXT_LIFETIME_SOFT);
	}
	put_addr(t, PFK_EXT_ADDRESS_SRC, 255, s->src.family == 6 ? 128 : 32,
	    &s->src, 0);
	put_addr(t, PFK_EXT_ADDRESS_DST, 255, s->src.family == 6 ? 128 : 32,
	    &s->dst, 0);
	if (s->mac.number != 0)
		put_key(t, PFK_EXT_KEY_AUTH, s->mac.key);
	if (s->cipher.number != 0 && s->proto == 50)
		put_key(t, PFK_EXT_KEY_ENCRYPT, s->cipher.key);
	if (s->dport != 0) {
		put(t, 1, 2);
		put(t, PFK_EXT_X_NAT_T_TYPE, 2);
		put(t, 2, 4);
		put(t, 1, 2);
		put(t, PFK_EXT_X_NAT_T_SPORT, 2);
		put(t, (uint64_t)(s->sport >> 8 | (s->sport & 255) << 8), 4);
		put(t, 1, 2);
		put(t, PFK_EXT_X_NAT_T_DPORT, 2);
		put(t, (uint64_t)(s->dport >> 8 | (s->dport & 255) << 8), 4);
	}
	message_end(t, from);
}

/* --- policies --------------------------------------------------------------------- */

struct policy {
	struct ipm_addr src, dst;
	uint8_t src_prefix, dst_prefix, proto;
	uint16_t type; /* 0 discard, 1 none, 2 ipsec */
	uint8_t n;
	struct sa req[3]; /* proto, mode, reqid and, of tunnels, ends */
	uint8_t level[3];
};

/* sadb_x_policy with its requests; a socket's option is the same. */
static void
put_policy(struct text *t, const struct policy *p, unsigned dir)
{
	size_t from = t->len, n;

	put_zeros(t, 2);
	put(t, PFK_EXT_X_POLICY, 2);
	put(t, p->type, 2);
	put(t, dir, 1);
	put_zeros(t, 9);
	for (unsigned i = 0; i < p->n; i++) {
		const struct sa *r = &p->req[i];
		bool ends = r->mode == 2, six = r->src.family == 6;

		put(t, !ends ? 8 : six ? 64 : 40, 2);
		put(t, r->proto, 2);
		put(t, r->mode, 1);
		put(t, p->level[i], 1);
		put(t, r->reqid, 2);
		if (!ends)
			continue;
		put_sockaddr(t, dir == 1 ? &r->dst : &r->src, 0);
		put_sockaddr(t, dir == 1 ? &r->src : &r->dst, 0);
	}
	n = (t->len - from) / 8;
	t->p[from] = (uint8_t)n;
	t->p[from + 1] = (uint8_t)(n >> 8);
}

static void
add_policy(
    struct step_gen *g, struct text *t, const struct policy *p, unsigned dir)
{
	size_t from = t->len;

	head(t, one_in(g, 8) ? PFK_X_SPDUPDATE : PFK_X_SPDADD, 0);
	put_addr(t, PFK_EXT_ADDRESS_SRC, p->proto,
	    dir == 1 ? p->dst_prefix : p->src_prefix,
	    dir == 1 ? &p->dst : &p->src, 0);
	put_addr(t, PFK_EXT_ADDRESS_DST, p->proto,
	    dir == 1 ? p->src_prefix : p->dst_prefix,
	    dir == 1 ? &p->src : &p->dst, 0);
	if (one_in(g, 6))
		put_life(g, t, PFK_EXT_LIFETIME_HARD);
	put_policy(t, p, dir);
	message_end(t, from);
}

static void
step_policy(struct step_gen *g, struct text *t, const struct policy *p,
    unsigned there, unsigned dir)
{
	size_t from = t->len;

	begin(t, STEP_PFKEY | (there != 0 ? STEP_THERE : 0));
	put(t, 2, 1);
	add_policy(g, t, p, dir);
	finish(t, from);
}

static void
step_simple(struct text *t, unsigned type, unsigned satype)
{
	size_t from = t->len, m;

	begin(t, STEP_PFKEY | STEP_BOTH);
	put(t, 1, 1);
	m = t->len;
	head(t, type, satype);
	message_end(t, m);
	finish(t, from);
}

static const uint8_t protos[] = { 50, 50, 50, 51, 51, 108 };

/* A bundle between the two gateways, for their networks or themselves. */
static void
choose_plan(struct step_gen *g, struct policy *p)
{
	unsigned f = one_in(g, 3) ? 1 : 0, outer = one_in(g, 5) ? 1 - f : f;
	bool tunnel = !one_in(g, 3);

	memset(p, 0, sizeof *p);
	g->family = f == 0 ? 4 : 6;
	p->src = step_addr(tunnel ? 4 + f : f);
	p->dst = step_addr(tunnel ? 6 + f : 2 + f);
	p->src_prefix = p->dst_prefix =
	    (uint8_t)(tunnel ? (f == 0 ? 24 : 64) : (f == 0 ? 32 : 128));
	if (tunnel) { /* the network, host part zero */
		p->src.octet[f == 0 ? 3 : 15] = 0;
		p->dst.octet[f == 0 ? 3 : 15] = 0;
	}
	p->proto = one_in(g, 4) ? 17 : 255;
	p->type = one_in(g, 8) ? (uint16_t)below(g, 2) : 2;
	p->n = (uint8_t)(p->type == 2 ? 1 + below(g, 2) + below(g, 2) : 0);
	for (unsigned i = 0; i < p->n; i++) {
		struct sa *s = &p->req[i];

		s->proto = protos[below(g, sizeof protos)];
		s->mode = (uint8_t)(tunnel && i == 0 ? 2
			: one_in(g, 8)               ? 2
						     : 1);
		p->level[i] = (uint8_t)(one_in(g, 2) ? 2 : below(g, 4));
		s->reqid = one_in(g, 3) ? 0 : ++g->reqid % 1000 + 1;
		if (p->level[i] == 3 && s->reqid == 0)
			s->reqid = ++g->reqid % 1000 + 1;
		s->src = step_addr(tunnel ? outer : f);
		s->dst = step_addr(2 + (tunnel ? outer : f));
	}
}

static void
plan_sa(struct step_gen *g, struct text *t, const struct sa *req, bool back)
{
	struct sa s = *req;
	size_t from = t->len;

	if (back) {
		s.src = req->dst;
		s.dst = req->src;
	}
	s.spi = s.proto == 108 ? 0x100 + ++g->spi % 0x7000 : ++g->spi;
	if (one_in(g, 4))
		s.mode = 0;
	choose_algs(g, &s);
	if (s.proto == 50 && g->ports != 0 &&
	    (s.src.family == 4 || one_in(g, 4)))
		s.sport = s.dport = 4500;
	begin(t, STEP_PFKEY | STEP_BOTH);
	put(t, 1, 1);
	add_sa(g, t, &s, PFK_ADD, one_in(g, 3));
	finish(t, from);
}

static void
plan(struct step_gen *g)
{
	struct text t = { g->queue, 0 };
	struct policy p;
	unsigned n = 1 + below(g, 2);

	g->ports = one_in(g, 3);
	if (!one_in(g, 4)) {
		step_simple(&t, PFK_FLUSH, 0);
		step_simple(&t, PFK_X_SPDFLUSH, 0);
	}
	for (unsigned k = 0; k < n; k++) {
		choose_plan(g, &p);
		step_policy(g, &t, &p, 0, 2);
		step_policy(g, &t, &p, 1, 1);
		if (!one_in(g, 4)) { /* and back */
			struct policy q = p;

			q.src = p.dst;
			q.dst = p.src;
			for (unsigned i = 0; i < q.n; i++) {
				q.req[i].src = p.req[i].dst;
				q.req[i].dst = p.req[i].src;
			}
			step_policy(g, &t, &q, 1, 2);
			step_policy(g, &t, &q, 0, 1);
		}
		for (unsigned i = 0; i < p.n; i++) {
			if (one_in(g, 12))
				continue; /* somebody forgot it */
			plan_sa(g, &t, &p.req[i], false);
			plan_sa(g, &t, &p.req[i], true);
		}
	}
	g->len = t.len;
	g->at = 0;
}

/* --- packets ---------------------------------------------------------------------- */

static uint16_t
fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint64_t
add_up(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (uint64_t)p[i] << (i % 2 == 0 ? 8 : 0);
	return sum;
}

/* UDP, TCP, ICMP echo or something else; the checksum is right but once in a
 * while. */
static size_t
upper(struct step_gen *g, uint8_t *p, uint8_t proto, size_t len,
    const struct ipm_addr *src, const struct ipm_addr *dst)
{
	static const uint8_t sum_at[256] = {
		[17] = 6, [6] = 16, [1] = 2, [58] = 2
	};
	size_t hlen = proto == 6 ? 20 : 8, n = len < hlen ? hlen : len;
	bool repeats = one_in(g, 2);
	uint64_t sum;
	size_t at = sum_at[proto];

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(repeats ? 'a' + i / 40 % 20 : draw(g));
	ipm_store16(p, 5000);
	ipm_store16(p + 2, proto == 6 ? 8000 : 9000);
	if (proto == 17)
		ipm_store16(p + 4, (uint16_t)n);
	else if (proto == 6)
		p[12] = 0x50;
	else if (proto == 1 || proto == 58)
		ipm_store16(p, proto == 1 ? 0x0800 : 0x8000);
	if (at == 0 || one_in(g, 30))
		return n;
	ipm_store16(p + at, 0);
	sum = add_up(p, n);
	if (proto != 1)
		sum +=
		    add_up(src->octet, 16) + add_up(dst->octet, 16) + n + proto;
	ipm_store16(p + at, fold(sum));
	return n;
}

static size_t
payload_len(struct step_gen *g)
{
	unsigned k = below(g, 8);

	return k < 4 ? below(g, 120) : k < 7 ? below(g, 1600) : below(g, 3800);
}

/* A whole packet; fragments of nothing in particular, too. */
static size_t
packet(struct step_gen *g, uint8_t *p, const struct ipm_addr *src,
    const struct ipm_addr *dst)
{
	static const uint8_t kinds[] = { 17, 17, 17, 6, 1, 253, 50, 51, 108,
		59 };
	uint8_t proto = kinds[below(g, sizeof kinds)];
	bool six = src->family == 6;
	size_t hlen = six ? 40 : 20, n;

	if (proto == 1 && six)
		proto = 58;
	memset(p, 0, hlen);
	if (!six && one_in(g, 8)) { /* options */
		static const uint8_t options[][8] = {
			{ 1, 1, 1, 1 },
			{ 0x94, 4, 0, 0 },
			{ 7, 7, 4, 0, 0, 0, 0, 0 },
			{ 0x83, 7, 4, 10, 2, 0, 7, 0 },
		};
		unsigned k = below(g, 4);

		memcpy(p + 20, options[k], 8);
		hlen += k < 2 ? 4 : 8;
	}
	n = upper(g, p + hlen, proto, payload_len(g), src, dst);
	if (six) {
		p[0] = 0x60;
		p[1] = (uint8_t)(draw(g) & 0x30);
		ipm_store16(p + 4, (uint16_t)n);
		p[6] = proto;
		p[7] = (uint8_t)(one_in(g, 10) ? below(g, 3) : 64);
		memcpy(p + 8, src->octet, 16);
		memcpy(p + 24, dst->octet, 16);
		return hlen + n;
	}
	p[0] = (uint8_t)(0x40 | hlen / 4);
	p[1] = (uint8_t)draw(g);
	ipm_store16(p + 2, (uint16_t)(hlen + n));
	ipm_store16(p + 4, (uint16_t)below(g, 50));
	ipm_store16(p + 6,
	    (uint16_t)(one_in(g, 3) ? 0x4000
		    : one_in(g, 8)  ? 0x2000 | below(g, 40)
		    : one_in(g, 8)  ? below(g, 200)
				    : 0));
	p[8] = (uint8_t)(one_in(g, 10) ? below(g, 3) : 64);
	p[9] = proto;
	memcpy(p + 12, src->octet, 4);
	memcpy(p + 16, dst->octet, 4);
	ipm_store16(p + 10, fold(add_up(p, hlen)));
	return hlen + n;
}

static unsigned
side(struct step_gen *g, unsigned *there)
{
	*there = below(g, 2);
	return *there != 0 ? STEP_THERE : 0;
}

/* One bit among the first n octets. */
static void
flip(struct step_gen *g, uint8_t *p, size_t n)
{
	size_t at = below(g, (unsigned)n);

	p[at] ^= (uint8_t)(1U << below(g, 8));
}

/* One in so many packets is cut short or changed. */
static void
spoil(struct step_gen *g, struct text *t, size_t from)
{
	size_t n = t->len - from;

	if (one_in(g, 12))
		t->len = from + below(g, (unsigned)n + 1);
	else if (one_in(g, 12))
		flip(g, t->p + from, n < 60 ? n : 60);
}

/* From a host behind this gateway to one behind the other. */
static void
clear_in(struct step_gen *g, struct text *t)
{
	unsigned there, f = g->family == 6;
	unsigned what = side(g, &there);
	struct ipm_addr src, dst;
	size_t from;

	if (one_in(g, 4))
		f = 1 - f;
	src = step_addr(8 + 2 * there + f);
	dst = step_addr(
	    one_in(g, 8) ? 2 * below(g, 8) + f : 8 + 2 * (1 - there) + f);
	begin(t, STEP_PACKET | what);
	put(t, one_in(g, 10) ? below(g, 4) : STEP_RED0, 1);
	from = t->len;
	t->len += packet(g, t->p + t->len, &src, &dst);
	spoil(g, t, from);
}

static void
garbage_in(struct step_gen *g, struct text *t)
{
	unsigned there;
	size_t n = below(g, 200);

	begin(t, STEP_PACKET | side(g, &there));
	put(t, below(g, 4), 1);
	put_random(g, t, n);
	if (n != 0 && !one_in(g, 3))
		t->p[t->len - n] = one_in(g, 2) ? 0x45 : 0x60;
}

static void
carry(struct step_gen *g, struct text *t)
{
	unsigned there;

	begin(t, STEP_CARRY | side(g, &there));
	put(t, one_in(g, 3) ? below(g, STEP_POOL) : 0, 1);
	put(t, one_in(g, 12) ? 1 + below(g, 60) : 0, 2);
	put(t, below(g, one_in(g, 2) ? 60 : 1500), 2);
	put(t, one_in(g, 8) ? 1U << below(g, 8) : 0, 1);
}

static void
hand_down(struct step_gen *g, struct text *t)
{
	unsigned there, f = g->family == 6;
	unsigned what = side(g, &there);
	struct ipm_addr src = step_addr(2 * there + f);
	struct ipm_addr dst =
	    step_addr(one_in(g, 4) ? 2 * below(g, 8) + f : 2 * (1 - there) + f);
	size_t from;

	begin(t, STEP_OUTPUT | what);
	put(t, one_in(g, 2) ? 0 : below(g, 9), 1);
	from = t->len;
	t->len += packet(g, t->p + t->len, &src, &dst);
	spoil(g, t, from);
}

static void
send_to(struct step_gen *g, struct text *t)
{
	unsigned there, f = g->family == 6;
	unsigned what = side(g, &there);
	size_t n = payload_len(g);

	begin(t, STEP_SEND | what);
	put(t, one_in(g, 10) ? below(g, 10) : f == 0 ? 1 : 2, 1);
	put(t,
	    one_in(g, 6)       ? below(g, 16)
		: one_in(g, 2) ? 2 * (1 - there) + f
			       : 6 - 2 * there + f,
	    1);
	put(t, one_in(g, 4) ? draw(g) : 9000, 2);
	if (one_in(g, 2))
		put_random(g, t, n);
	else
		put_zeros(t, n);
}

/* --- the rest ---------------------------------------------------------------------- */

static void
clock_on(struct step_gen *g, struct text *t)
{
	begin(t, STEP_CLOCK | STEP_BOTH);
	put(t, one_in(g, 6) ? below(g, 90) : below(g, 3), 2);
}

static void
sysctl(struct step_gen *g, struct text *t)
{
	static const uint32_t values[] = { 0, 1, 1, 1, 2, 3, 4, 0xffffffff,
		0x7fffffff, 30 };
	unsigned there;

	begin(t, STEP_SYSCTL | side(g, &there));
	put(t, below(g, 64), 2);
	put(t,
	    one_in(g, 8) ? draw(g)
			 : values[below(g, sizeof values / sizeof values[0])],
	    4);
}

static void
new_socket(struct step_gen *g, struct text *t)
{
	unsigned there;

	begin(t, STEP_SOCKET | side(g, &there));
	put(t, 7 + below(g, 3), 1);
	put(t, below(g, 2), 1);
	put(t, one_in(g, 3) ? 6 : one_in(g, 4) ? 253 : 17, 1);
	put(t, below(g, 16), 1);
	put(t, 9000 + below(g, 3), 2);
	put(t, below(g, 8), 1);
}

static void
close_socket(struct step_gen *g, struct text *t)
{
	unsigned there;

	begin(t, STEP_CLOSE | side(g, &there));
	put(t, 7 + below(g, 3), 1);
}

static void
option(struct step_gen *g, struct text *t)
{
	static const uint8_t options[][2] = { { 0, 21 }, { 41, 28 }, { 17, 1 },
		{ 6, 16 }, { 0, 1 }, { 0, 3 }, { 0, 67 }, { 41, 49 },
		{ 41, 50 } };
	const uint8_t *o = options[one_in(g, 2)
		? below(g, 2)
		: below(g, sizeof options / sizeof options[0])];
	unsigned there, what;
	struct policy p;

	what = side(g, &there);
	begin(t, what | (one_in(g, 3) ? STEP_GETOPT : STEP_SETOPT));
	put(t, 1 + below(g, 9), 1);
	put(t, o[0], 1);
	put(t, o[1], 1);
	put(t, !one_in(g, 5), 1);
	if (o == options[0] || o == options[1]) {
		choose_plan(g, &p);
		if (one_in(g, 2)) /* from now on as the SPD says */
			p.type = 3, p.n = 0;
		put_policy(t, &p, 1 + below(g, 2));
	} else if (one_in(g, 2))
		put(t, below(g, 3), 4);
	else
		put_random(g, t, below(g, 24));
}

/* A message with something changed, or of a type that comes up seldom. */
static void
odd_message(struct step_gen *g, struct text *t)
{
	struct sa s = { 0 };
	unsigned there, a = below(g, 4), type;
	size_t m;

	s.proto = protos[below(g, sizeof protos)];
	s.mode = (uint8_t)below(g, 3);
	s.spi = g->spi - below(g, 8);
	s.flags = one_in(g, 2) ? (uint32_t)draw(g) & 0x3ff : 0;
	s.src = step_addr(a);
	s.dst = step_addr(a ^ 2);
	choose_algs(g, &s);
	begin(t, STEP_PFKEY | side(g, &there));
	put(t, 1 + below(g, 3), 1);
	m = t->len;
	if (one_in(g, 3)) {
		type = below(g, PFK_N_MSGTYPES);
		head(t, type, below(g, 12));
		message_end(t, m);
	} else {
		static const uint8_t types[] = { PFK_ADD, PFK_UPDATE,
			PFK_DELETE, PFK_GET, PFK_GETSPI };

		type = types[below(g, sizeof types)];
		add_sa(g, t, &s, type, one_in(g, 2));
	}
	if (one_in(g, 3))
		flip(g, t->p + m, t->len - m);
}

static void
key_socket(struct step_gen *g, struct text *t)
{
	unsigned there, what = side(g, &there);

	if (one_in(g, 2)) {
		begin(t, STEP_KEYRCVBUF | what);
		put(t, 1 + below(g, 3), 1);
		put(t, one_in(g, 3) ? below(g, 400) : 8192, 4);
	} else if (one_in(g, 2)) {
		begin(t, STEP_KEYCLOSE | what);
		put(t, 3 + below(g, 3), 1);
	} else
		begin(t, STEP_KEYSOCK | what);
}

static void
fault(struct step_gen *g, struct text *t)
{
	unsigned there;

	begin(t, STEP_FAULT | side(g, &there));
	put(t, one_in(g, 3) ? 1U << below(g, 4) : 0, 1);
}

static void
host(struct step_gen *g, struct text *t)
{
	static const uint16_t mtus[] = { 1500, 1500, 9000, 1280, 600 };
	unsigned there;

	begin(t, STEP_HOST | side(g, &there));
	put(t,
	    one_in(g, 6) ? draw(g)
			 : STEP_HOST_FORWARD4 | STEP_HOST_FORWARD6 |
		    below(g, 4) * STEP_HOST_FILTERS,
	    1);
	put(t, mtus[below(g, 5)] - 576U, 2);
}

static void
twin(struct step_gen *g, struct text *t)
{
	begin(t, STEP_TWIN | STEP_BOTH);
	put(t, 1 + below(g, 30), 1);
}

/* How often each comes, of their sum. */
static const struct {
	unsigned weight;
	void (*make)(struct step_gen *g, struct text *t);
} kinds[] = { { 300, clear_in }, { 600, carry }, { 60, garbage_in },
	{ 100, hand_down }, { 150, send_to }, { 80, clock_on }, { 25, sysctl },
	{ 10, new_socket }, { 6, close_socket }, { 25, option },
	{ 50, odd_message }, { 8, key_socket }, { 12, fault }, { 8, host },
	{ 10, twin } };

size_t
step_gen_next(struct step_gen *g, uint8_t *out)
{
	struct text t = { out, 0 };
	unsigned sum = 0, x;
	size_t i;

	if (g->at == g->len && g->steps++ % PLAN_STEPS == 0)
		plan(g);
	if (g->at < g->len) {
		size_t n = STEP_HEAD +
		    (g->queue[g->at + 1] | (size_t)g->queue[g->at + 2] << 8);

		memcpy(out, g->queue + g->at, n);
		g->at += n;
		return n;
	}
	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		sum += kinds[i].weight;
	x = below(g, sum);
	for (i = 0; x >= kinds[i].weight; i++)
		x -= kinds[i].weight;
	kinds[i].make(g, &t);
	finish(&t, 0);
	return t.len;
}
