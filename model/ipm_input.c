/*
 * Implementation notes.
 *
 * FreeBSD puts a decapsulated packet into a queue and ip_input or ip6_input
 * take it from there; here a stage answers GO_AGAIN and the loop in ipm_input
 * begins anew, so that nesting costs no stack.  Whoever ends a packet sets
 * in->fate, and the loop alone tells of it.
 */
#include <string.h>

#include "ipm_filter.h"
#include "ipm_in.h"
#include "transform/ipm_knobs.h"

/* A packet cannot be opened more often: each turn takes a header off it, but
 * for compressed data, which may make a longer packet. */
#define TURNS_MAX IPM_IN_DONE_MAX

/* --- what the parts share --------------------------------------------------- */

/* Link-local unicast, and multicast to a link. */
static bool
needs_zone(const struct ipm_addr *a)
{
	return a->family == 6 &&
	    ((a->octet[0] == 0xfe && (a->octet[1] & 0xc0) == 0x80) ||
		(a->octet[0] == 0xff && (a->octet[1] & 15) == 2));
}

static struct ipm_addr
address(const struct ipm_in *in, size_t at4, size_t at6)
{
	bool v4 = in->family == 4;
	struct ipm_addr a = { .family = in->family };

	memcpy(a.octet, in->m.p + (v4 ? at4 : at6), v4 ? 4 : 16);
	/* Zones are numbered from 1, as interfaces are. */
	if (needs_zone(&a) && in->m.rcvif >= 0)
		a.scope = (uint32_t)in->m.rcvif + 1;
	return a;
}

struct ipm_addr
ipm_in_src(const struct ipm_in *in)
{
	return address(in, 12, 8);
}

struct ipm_addr
ipm_in_dst(const struct ipm_in *in)
{
	return address(in, 16, 24);
}

void
ipm_in_view(const struct ipm_in *in, size_t off, uint8_t proto,
    size_t proto_off, struct ipm_ip *ip)
{
	const uint8_t *p = in->m.p;
	uint32_t word = ipm_load32(p);

	*ip = (struct ipm_ip){ .packet = ipm_in_span(in),
		.version = in->family,
		.src = ipm_in_src(in),
		.dst = ipm_in_dst(in),
		.hlen = off,
		.proto = proto,
		.proto_off = proto_off };
	if (in->family == 4) {
		ip->tos = p[1];
		ip->ttl = p[8];
		return;
	}
	ip->tos = (uint8_t)(word >> 20);
	ip->flow = word & 0xfffff;
	ip->ttl = p[7];
}

bool
ipm_is_multicast(const struct ipm_addr *a)
{
	return a->family == 4 ? (a->octet[0] & 0xf0) == 0xe0
			      : a->octet[0] == 0xff;
}

/* ff02::1:ffXX:XXXX with the last octets of an address of the host. */
static bool
solicits(const struct ipm_host *h, const struct ipm_addr *group)
{
	static const uint8_t prefix[13] = { 0xff, 2, [11] = 1, [12] = 0xff };

	if (memcmp(group->octet, prefix, sizeof prefix) != 0)
		return false;
	for (size_t i = 0; i < h->n_ifs; i++)
		for (size_t k = 0; k < h->iface[i].n_addrs; k++) {
			const struct ipm_addr *a = &h->iface[i].addr[k].addr;

			if (a->family == 6 &&
			    memcmp(a->octet + 13, group->octet + 13, 3) == 0)
				return true;
		}
	return false;
}

bool
ipm_is_member(const struct ipm_host *h, const struct ipm_addr *group)
{
	static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };

	if (group->family == 4)
		return ipm_load32(group->octet) == 0xe0000001U;
	return memcmp(group->octet, all_nodes, 16) == 0 || solicits(h, group);
}

/* Is a the address of the net with all host bits set? */
static bool
all_hosts(const struct ipm_ifaddr *net, uint32_t a)
{
	uint32_t host_bits;

	if (net->addr.family != 4 || net->prefix > 30)
		return false;
	host_bits = net->prefix == 0 ? UINT32_MAX : UINT32_MAX >> net->prefix;
	return (ipm_load32(net->addr.octet) | host_bits) == a;
}

bool
ipm_is_broadcast(const struct ipm_host *h, const struct ipm_addr *a)
{
	uint32_t dst = ipm_load32(a->octet);

	if (a->family != 4)
		return false;
	if (dst == UINT32_MAX)
		return true;
	for (size_t i = 0; i < h->n_ifs; i++)
		for (size_t k = 0; k < h->iface[i].n_addrs; k++)
			if (all_hosts(&h->iface[i].addr[k], dst))
				return true;
	return false;
}

/* --- IPv4 ----------------------------------------------------------------------- */

/* One way in which a header is no IPv4 header; the order is ip_input's. */
static enum ipm_go
sane4(struct ipm_in *in)
{
	const uint8_t *p = in->m.p;
	size_t len = in->m.len, hlen, total;
	const struct ipm_if *ifp =
	    in->m.rcvif < 0 ? NULL : &in->path->s->host.iface[in->m.rcvif];

	if (len < IPM_IP4_HLEN)
		return ipm_in_drop(in, IPM_ST_IP_tooshort, IPM_R_TRUNCATED);
	if (p[0] >> 4 != 4)
		return ipm_in_drop(in, IPM_ST_IP_badvers, IPM_R_IP_HEADER_BAD);
	hlen = (size_t)(p[0] & 15) * 4;
	if (hlen < IPM_IP4_HLEN || hlen > len)
		return ipm_in_drop(in, IPM_ST_IP_badhlen, IPM_R_IP_HEADER_BAD);
	/* RFC 1122 3.2.1.3 (g): never on a wire. */
	if ((p[12] == 127 || p[16] == 127) && (ifp == NULL || !ifp->loopback))
		return ipm_in_drop(in, IPM_ST_IP_badaddr, IPM_R_BAD_ADDRESS);
	if (ipm_sw(in->path->pf, IPM_SW_IP_CHECKSUM) != IPM_OFF &&
	    ipm_sum_fold(ipm_sum_add(0, ipm_span(p, hlen))) != 0)
		return ipm_in_drop(in, IPM_ST_IP_badsum, IPM_R_IP_SUM_BAD);
	total = ipm_load16(p + 2);
	if (total < hlen)
		return ipm_in_drop(in, IPM_ST_IP_badlen, IPM_R_IP_HEADER_BAD);
	if (total > len)
		return ipm_in_drop(in, IPM_ST_IP_tooshort, IPM_R_TRUNCATED);
	in->m.len = total;
	return IPM_GO_ON;
}

/* What a firewall saw before IPsec opened it passes (facts 2.11)
 * [MAN-filtertunnel-03] [MAN-filtertunnel-04] [MAN-filtertunnel-05]. */
static enum ipm_go
filter_in(struct ipm_in *in)
{
	if (ipm_knob_skips_filter(
		&in->path->s->sysctls, in->family, in->m.n_in_done != 0))
		return IPM_GO_ON;
	return ipm_filter_pass(in->path, IPM_FILTER_IN, in->m.rcvif, in->family,
		   ipm_in_span(in))
	    ? IPM_GO_ON
	    : ipm_in_end(in, IPM_R_FILTERED);
}

static bool
for_this_host4(const struct ipm_in *in)
{
	struct ipm_addr dst = ipm_in_dst(in);

	if (ipm_is_multicast(&dst))
		return ipm_is_member(&in->path->s->host, &dst);
	return ipm_load32(dst.octet) == 0 ||
	    ipm_is_broadcast(&in->path->s->host, &dst) ||
	    ipm_host_is_local(&in->path->s->host, &dst);
}

/* 169.254/16 (RFC 3927 7). */
static bool
linklocal4(const struct ipm_addr *a)
{
	return a->octet[0] == 169 && a->octet[1] == 254;
}

/* May ip_tryforward look at the packet (facts datapath 2.1)?  With policies in
 * the SPD it may not. */
static bool
fast_path(const struct ipm_in *in)
{
	const struct ipm_state *s = in->path->s;
	struct ipm_addr src = ipm_in_src(in), dst = ipm_in_dst(in);

	return s->host.forwarding4 != 0 &&
	    s->spd.count[IPM_DIR_IN] + s->spd.count[IPM_DIR_OUT] == 0 &&
	    ipm_sw(in->path->pf, IPM_SW_FAST_FORWARD) != IPM_OFF &&
	    in->m.p[0] == 0x45 && !ipm_is_multicast(&src) &&
	    !ipm_is_multicast(&dst) && !linklocal4(&src) && !linklocal4(&dst) &&
	    ipm_load32(src.octet) != 0 && ipm_load32(src.octet) != UINT32_MAX &&
	    !for_this_host4(in);
}

static enum ipm_go
not_ours4(struct ipm_in *in)
{
	struct ipm_addr dst = ipm_in_dst(in);

	/* Multicast routing is not modelled. */
	if (ipm_is_multicast(&dst))
		return ipm_in_end(in, IPM_R_NOT_LOCAL);
	if (in->path->s->host.forwarding4 == 0 || linklocal4(&dst))
		return ipm_in_drop(in, IPM_ST_IP_cantforward, IPM_R_NOT_LOCAL);
	return ipm_in_end(in, ipm_forward(in->path, &in->m));
}

/* What ip_reass refuses before it looks for the packet's other fragments. */
static enum ipm_go
fragment4(struct ipm_in *in)
{
	uint16_t word = ipm_load16(in->m.p + 6);
	size_t hlen = (size_t)(in->m.p[0] & 15) * 4, len = in->m.len - hlen;
	struct ipm_ip ip;

	if (len == 0 || ((word & 0x2000) != 0 && len % 8 != 0)) {
		ipm_count(in->path, IPM_ST_IP_toosmall);
		return ipm_in_drop(in, IPM_ST_IP_fragdropped, IPM_R_FRAG_BAD);
	}
	if ((size_t)(word & 0x1fff) * 8 + len > 65535) {
		ipm_count(in->path, IPM_ST_IP_toolong);
		return ipm_in_drop(
		    in, IPM_ST_IP_fragdropped, IPM_R_FRAG_TOO_BIG);
	}
	ipm_in_view(in, hlen, in->m.p[9], 9, &ip);
	ip.fragment = true;
	ip.more = (word & 0x2000) != 0;
	ip.frag_off = (uint32_t)(word & 0x1fff) * 8;
	ip.frag_id = ipm_load16(in->m.p + 4);
	ip.frag_nh = ip.proto;
	return ipm_in_reassemble(in, &ip);
}

/* [ARCH-5.2-01] [ARCH-5.2-03] For this host: whole, opened, delivered. */
static enum ipm_go
ours4(struct ipm_in *in)
{
	enum ipm_go go;

	if ((ipm_load16(in->m.p + 6) & 0x3fff) != 0) {
		go = fragment4(in);
		if (go != IPM_GO_ON)
			return go;
	}
	in->off = (size_t)(in->m.p[0] & 15) * 4;
	in->nxt_off = 9;
	go = ipm_ipsec_input(in, in->m.p[9], true);
	if (go != IPM_GO_ON)
		return go;
	ipm_count(in->path, IPM_ST_IP_delivered);
	return ipm_deliver4(in, in->m.p[9]);
}

enum ipm_go
ipm_input4(struct ipm_in *in)
{
	enum ipm_go go;

	ipm_count(in->path, IPM_ST_IP_total);
	in->beyond = 0;
	go = sane4(in);
	if (go != IPM_GO_ON)
		return go;
	if (fast_path(in))
		return ipm_in_end(in, ipm_forward_fast(in->path, &in->m));
	go = filter_in(in);
	if (go == IPM_GO_ON && (in->m.p[0] & 15) > 5)
		go = ipm_ip4_options(in);
	if (go != IPM_GO_ON)
		return go;
	return for_this_host4(in) ? ours4(in) : not_ours4(in);
}

/* --- IPv6 ----------------------------------------------------------------------- */

static bool
mapped4(const struct ipm_addr *a)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->octet, prefix, sizeof prefix) == 0;
}

static bool
unspecified6(const struct ipm_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->octet, zero, sizeof zero) == 0;
}

static bool
loopback6(const struct ipm_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return memcmp(a->octet, one, sizeof one) == 0;
}

/* Addresses that ip6_input takes from no wire. */
static bool
addresses_ok6(const struct ipm_in *in)
{
	struct ipm_addr src = ipm_in_src(in), dst = ipm_in_dst(in);
	bool loop =
	    in->m.rcvif >= 0 && in->path->s->host.iface[in->m.rcvif].loopback;

	if (ipm_is_multicast(&src) || unspecified6(&dst) || mapped4(&src) ||
	    mapped4(&dst))
		return false;
	if (!loop && (loopback6(&src) || loopback6(&dst)))
		return false;
	/* Scope 0 is reserved, 1 stays in the host. */
	return !ipm_is_multicast(&dst) ||
	    ((dst.octet[1] & 15) != 0 && (loop || (dst.octet[1] & 15) != 1));
}

static enum ipm_go
sane6(struct ipm_in *in)
{
	if (in->m.len < IPM_IP6_HLEN)
		return ipm_in_drop(in, IPM_ST_IP6_toosmall, IPM_R_TRUNCATED);
	if (in->m.p[0] >> 4 != 6)
		return ipm_in_drop(in, IPM_ST_IP6_badvers, IPM_R_IP_HEADER_BAD);
	if (!addresses_ok6(in))
		return ipm_in_end(in, IPM_R_BAD_ADDRESS);
	return IPM_GO_ON;
}

/* To the length that the header states. */
static enum ipm_go
trim6(struct ipm_in *in)
{
	size_t total = IPM_IP6_HLEN + ipm_load16(in->m.p + 4);

	if (total > in->m.len)
		return ipm_in_drop(in, IPM_ST_IP6_tooshort, IPM_R_TRUNCATED);
	in->m.len = total;
	return IPM_GO_ON;
}

enum ipm_go
ipm_input6(struct ipm_in *in)
{
	const struct ipm_host *h = &in->path->s->host;
	struct ipm_addr dst;
	enum ipm_go go;
	bool ours;

	ipm_count(in->path, IPM_ST_IP6_total);
	in->beyond = 0;
	/* AH vouched for the packet around this one (facts datapath 2.2). */
	if (ipm_sw(in->path->pf, IPM_SW_AUTH_MARKS) == IPM_MARKS_IP6_INPUT)
		in->m.flags &= ~(unsigned)(IPM_M_AUTHIPHDR | IPM_M_AUTHIPDGM);
	go = sane6(in);
	if (go == IPM_GO_ON)
		go = filter_in(in);
	if (go != IPM_GO_ON)
		return go;
	dst = ipm_in_dst(in);
	if (ipm_is_multicast(&dst) && !ipm_is_member(h, &dst))
		return ipm_in_end(in, IPM_R_NOT_LOCAL);
	ours = ipm_is_multicast(&dst) || ipm_host_is_local(h, &dst);
	if (!ours && h->forwarding6 == 0)
		return ipm_in_drop(in, IPM_ST_IP6_cantforward, IPM_R_NOT_LOCAL);
	in->off = IPM_IP6_HLEN;
	in->nxt_off = 6;
	in->nxt = in->m.p[6];
	in->alert = false;
	if (in->nxt == IPM_PROTO_HOPOPTS) {
		go = ipm_hopopts(in);
		if (go != IPM_GO_ON)
			return go;
	}
	go = trim6(in);
	if (go != IPM_GO_ON)
		return go;
	/* RFC 2711: a router looks at it, and FreeBSD then keeps it. */
	if (!ours && !in->alert)
		return ipm_in_end(in, ipm_forward(in->path, &in->m));
	ipm_count(in->path, IPM_ST_IP6_delivered);
	return ipm_walk6(in);
}

/* --- the event -------------------------------------------------------------------- */

static void
tell_drop(const struct ipm_in *in)
{
	if (ipm_reasons[in->fate].verdict != IPM_V_DROP)
		return;
	in->path->effect(in->path->ctx,
	    &(struct ipm_effect){ .kind = IPM_FX_DROP,
		.reason = in->fate,
		.packet = ipm_in_span(in),
		.iface = in->m.rcvif,
		.family = in->family,
		.spi = in->spi });
}

static void
run(struct ipm_in *in)
{
	enum ipm_go go = IPM_GO_AGAIN;

	for (unsigned turn = 0; go == IPM_GO_AGAIN; turn++) {
		if (turn > TURNS_MAX || in->m.n_in_done == IPM_IN_DONE_MAX)
			go = ipm_in_end(in, IPM_R_NESTED_TOO_DEEP);
		else
			go = in->family == 4 ? ipm_input4(in) : ipm_input6(in);
	}
}

enum ipm_reason
ipm_input(
    struct ipm_path *path, int iface, struct ipm_span octets, uint64_t frame)
{
	struct ipm_in in = { .path = path,
		.m = { .p = path->work->buf[0], .rcvif = iface },
		.frame = frame,
		.family = octets.len != 0 && octets.p[0] >> 4 == 6 ? 6 : 4 };

	ipm_loop_enter(path);
	if (iface < 0 || (size_t)iface >= path->s->host.n_ifs)
		in.m.rcvif = -1;
	ipm_fragments_expire(path);
	in.m.len = octets.len < sizeof path->work->buf[0]
	    ? octets.len
	    : sizeof path->work->buf[0];
	if (in.m.len != 0)
		memcpy(in.m.p, octets.p, in.m.len);
	if (ipm_derived_sync(path->d, &path->s->sad, &path->s->arena) != IPM_OK)
		in.fate = IPM_R_NO_MEMORY;
	else
		run(&in);
	tell_drop(&in);
	ipm_loop_leave(path);
	return in.fate;
}
