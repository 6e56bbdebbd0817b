/*
 * The lower half of ip_output and ip6_output: route, filter, fragments.
 *
 * Source: RFC 1122 3.3; FreeBSD sys/netinet/ip_output.c, netinet6/ip6_output.c,
 * ip6_forward.c (facts datapath 3.7, "MTU and fragments").
 */
#include "ipm_out.h"

#include <string.h>

#include "ipm_filter.h"

/* One packet on its way to an interface. */
struct ipout {
	struct ipm_path *path;
	struct ipm_pkt *m;
	uint8_t version;
	bool forwarding;
	int iface;
	uint32_t mtu;
	size_t hlen;          /* IPv4 header; the unfragmentable part of IPv6 */
	enum ipm_reason sent; /* the fate of one that gets through */
};

bool
ipm_ip_id(struct ipm_path *path, bool df, uint16_t *id)
{
	struct ipm_host *h = &path->s->host;
	const uint8_t *random;

	*id = 0;
	if (df && h->rfc6864 != 0)
		return true;
	if (h->random_id == 0) {
		*id = h->ip_id++;
		return true;
	}
	random = ipm_tape_take(path->env->random, 2);
	if (random == NULL)
		return false;
	*id = ipm_load16(random);
	return true;
}

static struct ipm_addr
address(const uint8_t *p, uint8_t version, bool dst)
{
	struct ipm_addr a = { .family = version };
	size_t len = version == 4 ? 4 : 16;

	memcpy(a.octet, p + (version == 4 ? 12 : 8) + (dst ? len : 0), len);
	return a;
}

static bool
is_loopback_addr(const struct ipm_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == 4 ? a->octet[0] == 127
			      : memcmp(a->octet, one, sizeof one) == 0;
}

static int
end(enum ipm_reason *fate, enum ipm_reason why, int err)
{
	*fate = why;
	return err;
}

/* --- one packet on the wire ------------------------------------------------ */

/* The IPv4 checksum is written when a packet leaves, not before. */
static void
finish4(uint8_t *p, size_t len)
{
	(void)ipm_ip_rewrite(p, 4, (size_t)(p[0] & 15) * 4, len, SIZE_MAX, 0);
}

static bool
transmit(const struct ipout *o, uint8_t *p, size_t len)
{
	struct ipm_path *path = o->path;

	if (o->version == 4)
		finish4(p, len);
	path->effect(path->ctx,
	    &(struct ipm_effect){ .kind = IPM_FX_TRANSMIT,
		.reason = o->sent,
		.packet = ipm_span(p, len),
		.iface = o->iface,
		.family = o->version });
	return !path->s->host.iface[o->iface].loopback ||
	    ipm_loop_put(path, o->iface, ipm_span(p, len));
}

/* --- IPv4 fragments (ip_fragment) ------------------------------------------ */

/* Options of all fragments but the first: those with the copied bit, filled
 * with zeros to 4 octets (ip_optcopy). */
static size_t
copied_options(const uint8_t *p, size_t hlen, uint8_t *out)
{
	size_t n = 0, len;

	for (size_t off = IPM_IP4_HLEN; off < hlen; off += len) {
		uint8_t type = p[off];

		if (type == 0)
			break;
		len = type == 1 ? 1 : off + 1 < hlen ? p[off + 1] : 0;
		if (len == 0 || len > hlen - off)
			break;
		/* A no-operation keeps the others where they stood. */
		if (type != 1 && (type & 0x80) == 0)
			continue;
		memcpy(out + n, p + off, len);
		n += len;
	}
	while (n % 4 != 0)
		out[n++] = 0;
	return n;
}

/* One fragment of the payload octets [off, off + len). */
static bool
fragment4(const struct ipout *o, size_t off, size_t len, bool last)
{
	const uint8_t *p = o->m->p;
	uint8_t *out = ipm_out_buffer(o->path, o->m);
	uint16_t word = ipm_load16(p + 6);
	size_t hlen = o->hlen;

	memcpy(out, p, o->hlen);
	if (off != 0) {
		hlen = IPM_IP4_HLEN +
		    copied_options(p, o->hlen, out + IPM_IP4_HLEN);
		out[0] = (uint8_t)(0x40 | hlen / 4);
	}
	/* It may be a fragment itself: its place, and what follows it, stay. */
	word = (uint16_t)(word + off / 8);
	if (!last)
		word |= 0x2000;
	ipm_store16(out + 6, word);
	memcpy(out + hlen, p + o->hlen + off, len);
	return transmit(o, out, hlen + len);
}

static int
fragments4(const struct ipout *o, enum ipm_reason *fate)
{
	struct ipm_stats *st = &o->path->s->stats;
	size_t all = o->m->len - o->hlen;
	size_t each = o->mtu > o->hlen ? (o->mtu - o->hlen) & ~(size_t)7 : 0;

	/* [ARCH-5.1-09] none but here: behind IPsec. */
	if ((o->m->p[6] & 0x40) != 0 || each < 8) {
		st->v[IPM_ST_IP_cantfrag]++;
		return end(fate, IPM_R_TOO_BIG_DF, IPM_EMSGSIZE);
	}
	for (size_t off = 0; off < all; off += each) {
		bool last = all - off <= each;

		st->v[IPM_ST_IP_ofragments]++;
		if (!fragment4(o, off, last ? all - off : each, last))
			return end(fate, IPM_R_NO_MEMORY, IPM_ENOBUFS);
	}
	st->v[IPM_ST_IP_fragmented]++;
	return end(fate, o->sent, 0);
}

/* --- IPv6 fragments (ip6_fragment) ----------------------------------------- */

/*
 * RFC 8200 4.5: a socket's hop-by-hop header goes with every fragment.  Of a
 * packet that was protected or came whole, ip6_output knows no headers, and all
 * behind the fixed one is fragmented.
 */
static bool
fragment6(const struct ipout *o, const uint8_t id[4], size_t off, size_t len,
    bool last)
{
	const uint8_t *p = o->m->p;
	uint8_t *out = ipm_out_buffer(o->path, o->m);
	uint8_t *frag = out + o->hlen;
	size_t next = o->hlen == IPM_IP6_HLEN ? 6 : IPM_IP6_HLEN;

	memcpy(out, p, o->hlen);
	ipm_store16(out + 4, (uint16_t)(o->hlen - IPM_IP6_HLEN + 8 + len));
	out[next] = IPM_PROTO_FRAGMENT;
	frag[0] = p[next];
	frag[1] = 0;
	ipm_store16(frag + 2, (uint16_t)(off | (last ? 0 : 1)));
	memcpy(frag + 4, id, 4);
	memcpy(frag + 8, p + o->hlen + off, len);
	return transmit(o, out, o->hlen + 8 + len);
}

static int
fragments6(const struct ipout *o, enum ipm_reason *fate)
{
	struct ipm_stats *st = &o->path->s->stats;
	size_t all = o->m->len - o->hlen, head = o->hlen + 8;
	size_t each = o->mtu > head ? (o->mtu - head) & ~(size_t)7 : 0;
	const uint8_t *id;

	if (each < 8) {
		st->v[IPM_ST_IP6_cantfrag]++;
		return end(fate, IPM_R_TOO_BIG_DF, IPM_EMSGSIZE);
	}
	id = ipm_tape_take(o->path->env->random, 4);
	if (id == NULL)
		return end(fate, IPM_R_NO_RANDOM, IPM_EIO);
	for (size_t off = 0; off < all; off += each) {
		bool last = all - off <= each;

		st->v[IPM_ST_IP6_ofragments]++;
		if (!fragment6(o, id, off, last ? all - off : each, last))
			return end(fate, IPM_R_NO_MEMORY, IPM_ENOBUFS);
	}
	st->v[IPM_ST_IP6_fragmented]++;
	return end(fate, o->sent, 0);
}

/* --- the whole way --------------------------------------------------------- */

static int
send_out(const struct ipout *o, enum ipm_reason *fate)
{
	if (o->m->len <= o->mtu)
		return transmit(o, o->m->p, o->m->len)
		    ? end(fate, o->sent, 0)
		    : end(fate, IPM_R_NO_MEMORY, IPM_ENOBUFS);
	if (o->version == 4)
		return fragments4(o, fate);
	/* RFC 8200 5: a router does not fragment. */
	if (o->forwarding)
		return end(fate, IPM_R_TOO_BIG_DF, IPM_EMSGSIZE);
	return fragments6(o, fate);
}

int
ipm_ip_output(struct ipm_path *path, struct ipm_pkt *m, ipm_off pcb,
    bool forwarding, enum ipm_reason *fate)
{
	struct ipout o = { .path = path,
		.m = m,
		.version = ipm_out_version(m),
		.forwarding = forwarding,
		.sent = m->forwarded ? IPM_R_FORWARDED : IPM_R_SENT };
	struct ipm_addr src = address(m->p, o.version, false);
	struct ipm_addr dst = address(m->p, o.version, true), gateway;
	const struct ipm_if *ifp;

	(void)pcb; /* no filter rule asks whose packet it is */
	o.hlen = o.version == 4 ? (size_t)(m->p[0] & 15) * 4
				: IPM_IP6_HLEN + m->hop_len;
	o.iface = ipm_host_route(&path->s->host, &dst, &gateway);
	if (o.iface < 0) {
		ipm_out_count(
		    path, o.version, IPM_ST_IP_noroute, IPM_ST_IP6_noroute);
		return end(fate, IPM_R_NO_ROUTE, IPM_EHOSTUNREACH);
	}
	ifp = &path->s->host.iface[o.iface];
	o.mtu = ifp->mtu;
	/* [MAN-enc-01] It sees what leaves, protected. */
	if (!ipm_filter_pass(path, IPM_FILTER_OUT, o.iface, o.version,
		ipm_span(m->p, m->len)))
		return end(fate, IPM_R_FILTERED, IPM_EACCES);
	/* RFC 1122 3.2.1.3 (g): no loopback address on a wire. */
	if (!ifp->loopback &&
	    (is_loopback_addr(&src) || is_loopback_addr(&dst))) {
		if (o.version == 4)
			path->s->stats.v[IPM_ST_IP_badaddr]++;
		return end(fate, IPM_R_BAD_ADDRESS, IPM_EADDRNOTAVAIL);
	}
	return send_out(&o, fate);
}
