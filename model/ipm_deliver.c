/*
 * The upper layers as far as IPsec meets them: which socket, may it have the
 * packet, and what the host answers when nobody takes it.
 *
 * Source: FreeBSD sys/netinet/udp_usrreq.c, raw_ip.c, netinet6/udp6_usrreq.c,
 * raw_ip6.c (facts datapath 2.3, 2.9, 2.10).
 */
#include <string.h>

#include "ipm_in.h"
#include "wire/ipm_upper.h"

static const struct ipm_pcb *
pcb_at(const struct ipm_in *in, ipm_off off)
{
	return ipm_arena_at(&in->path->s->arena, off);
}

static bool
any_address(const struct ipm_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->octet, zero, sizeof zero) == 0;
}

static bool
same_octets(const struct ipm_addr *a, const struct ipm_addr *b)
{
	return memcmp(a->octet, b->octet, sizeof a->octet) == 0;
}

/* How well a socket fits a segment: 0 not at all, 3 both ends. */
static unsigned
fit(const struct ipm_pcb *pcb, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint16_t sport, uint16_t dport)
{
	bool local = !any_address(&pcb->laddr);

	if (pcb->lport != dport || (local && !same_octets(&pcb->laddr, dst)))
		return 0;
	if (any_address(&pcb->faddr))
		return local ? 2 : 1;
	return pcb->fport == sport && same_octets(&pcb->faddr, src) ? 3 : 0;
}

ipm_off
ipm_in_pcb(
    const struct ipm_in *in, uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct ipm_addr src = ipm_in_src(in), dst = ipm_in_dst(in);
	ipm_off best = 0;
	unsigned best_fit = 0;

	for (ipm_off at = in->path->s->pcbs.first; at != 0;) {
		const struct ipm_pcb *pcb = pcb_at(in, at);
		unsigned f = 0;

		if (pcb->raw == 0 && pcb->proto == proto &&
		    pcb->family == in->family)
			f = fit(pcb, &src, &dst, sport, dport);
		if (f > best_fit) {
			best_fit = f;
			best = at;
		}
		at = pcb->next;
	}
	return best;
}

void
ipm_in_give(
    const struct ipm_in *in, ipm_off pcb, uint16_t port, struct ipm_span data)
{
	in->path->effect(in->path->ctx,
	    &(struct ipm_effect){ .kind = IPM_FX_DELIVER,
		.reason = IPM_R_OK,
		.packet = data,
		.iface = in->m.rcvif,
		.family = in->family,
		.pcb = pcb_at(in, pcb)->id,
		.from = ipm_in_src(in),
		.from_port = port });
}

/* Nobody's: FreeBSD looks at policies only with a socket in hand. */
static bool
policy_without_socket(struct ipm_in *in)
{
	return ipm_sw(in->path->pf, IPM_SW_NO_SOCKET_POLICY) ==
	    IPM_NOSOCK_CHECK &&
	    ipm_policy_rejects(in->path, &in->m, 0);
}

/* --- raw sockets -------------------------------------------------------------------- */

static bool
raw_fits(const struct ipm_in *in, const struct ipm_pcb *pcb, uint8_t proto)
{
	struct ipm_addr src = ipm_in_src(in), dst = ipm_in_dst(in);

	if (pcb->raw == 0 || pcb->family != in->family ||
	    (pcb->proto != 0 && pcb->proto != proto))
		return false;
	return (any_address(&pcb->laddr) || same_octets(&pcb->laddr, &dst)) &&
	    (any_address(&pcb->faddr) || same_octets(&pcb->faddr, &src));
}

/* Copies for the raw sockets of the protocol; how many asked for one. */
static unsigned
raw_copies(struct ipm_in *in, uint8_t proto)
{
	struct ipm_span whole = ipm_in_span(in);
	unsigned n = 0;

	for (ipm_off at = in->path->s->pcbs.first; at != 0;) {
		ipm_off next = pcb_at(in, at)->next;

		if (raw_fits(in, pcb_at(in, at), proto)) {
			n++;
			if (!ipm_policy_rejects(in->path, &in->m, at))
				ipm_in_give(in, at, 0,
				    in->family == 4
					? whole
					: ipm_span_from(whole, in->off));
		}
		at = next;
	}
	return n;
}

/* Protocols with an input of their own that ends in nothing. */
static bool
silent4(uint8_t proto)
{
	/* IGMP IPIP RSVP IPV6 GRE MOBILE ETHERIP PIM */
	static const uint8_t list[] = { 2, 4, 41, 46, 47, 55, 97, 103 };

	return memchr(list, proto, sizeof list) != NULL;
}

/* rip_input */
static enum ipm_go
raw4(struct ipm_in *in, uint8_t proto)
{
	if (raw_copies(in, proto) != 0)
		return ipm_in_end(in, IPM_R_OK);
	if (silent4(proto))
		return ipm_in_end(in, IPM_R_NO_PROTOCOL);
	ipm_count(in->path, IPM_ST_IP_noproto);
	in->path->s->stats.v[IPM_ST_IP_delivered]--;
	if (policy_without_socket(in))
		return ipm_in_end(in, IPM_R_POLICY_MISMATCH);
	ipm_icmp_error(in->path, ipm_in_span(in), in->m.flags, IPM_ICMP_UNREACH,
	    IPM_ICMP_UNREACH_PROTO, 0);
	return ipm_in_end(in, IPM_R_NO_PROTOCOL);
}

/* rip6_input */
static enum ipm_go
raw6(struct ipm_in *in, uint8_t proto)
{
	if (raw_copies(in, proto) != 0)
		return ipm_in_end(in, IPM_R_OK);
	in->path->s->stats.v[IPM_ST_IP6_delivered]--;
	if (proto == IPM_PROTO_NONE)
		return ipm_in_end(in, IPM_R_NO_PROTOCOL);
	if (policy_without_socket(in))
		return ipm_in_end(in, IPM_R_POLICY_MISMATCH);
	ipm_icmp_error(in->path, ipm_in_span(in), in->m.flags,
	    IPM_ICMP6_PARAMPROB, IPM_ICMP6_PARAM_NEXT, (uint32_t)in->nxt_off);
	return ipm_in_end(in, IPM_R_NO_PROTOCOL);
}

/* --- UDP ---------------------------------------------------------------------------- */

struct datagram {
	uint16_t sport, dport, len, sum;
	struct ipm_span data;
};

static enum ipm_go
bad_length(struct ipm_in *in)
{
	return ipm_in_drop(in, IPM_ST_UDP_badlen, IPM_R_UDP_BAD);
}

/* The length octets against the packet's; IPv4 may carry more. */
static enum ipm_go
udp_length(struct ipm_in *in, const struct datagram *d)
{
	/* In IPv6 what the header states (udp6_input). */
	size_t have = in->family == 4
	    ? in->m.len - in->off
	    : IPM_IP6_HLEN + ipm_load16(in->m.p + 4) - in->off;

	if (d->len == have)
		return IPM_GO_ON;
	if (in->family == 6 || d->len > have || d->len < 8)
		return bad_length(in);
	in->m.len = in->off + d->len;
	return IPM_GO_ON;
}

/* [NATT-2.1-03] [NATT-ipv6-01] */
static enum ipm_go
udp_sum(struct ipm_in *in, const struct datagram *d)
{
	struct ipm_ip ip;

	if (d->sum == 0) {
		ipm_count(in->path, IPM_ST_UDP_nosum);
		/* RFC 8200 8.1: not optional there. */
		return in->family == 4 ? IPM_GO_ON
				       : ipm_in_end(in, IPM_R_UDP_BAD);
	}
	ipm_in_view(in, in->off, IPM_PROTO_UDP, 9, &ip);
	if (ipm_upper_sum(&ip, IPM_PROTO_UDP,
		ipm_span_from(ipm_in_span(in), in->off)) != 0)
		return ipm_in_drop(in, IPM_ST_UDP_badsum, IPM_R_UDP_BAD);
	return IPM_GO_ON;
}

static enum ipm_go
udp_parse(struct ipm_in *in, struct datagram *d)
{
	const uint8_t *p = in->m.p + in->off;
	bool fits = in->m.len >= in->off + 8;
	enum ipm_go go;

	if (in->family == 4 || fits)
		ipm_count(in->path, IPM_ST_UDP_ipackets);
	if (!fits)
		return in->family == 4
		    ? ipm_in_drop(in, IPM_ST_UDP_hdrops, IPM_R_UDP_BAD)
		    : ipm_in_end(in, IPM_R_UDP_BAD);
	*d = (struct datagram){ ipm_load16(p), ipm_load16(p + 2),
		ipm_load16(p + 4), ipm_load16(p + 6), { NULL, 0 } };
	if (d->dport == 0)
		return ipm_in_end(in, IPM_R_SEGMENT_BAD);
	go = udp_length(in, d);
	if (go == IPM_GO_ON)
		go = udp_sum(in, d);
	return go;
}

/* Nobody listens (RFC 1122 4.1.3.1). */
static enum ipm_go
udp_no_socket(struct ipm_in *in)
{
	bool v4 = in->family == 4;

	ipm_count(in->path, IPM_ST_UDP_noport);
	if (policy_without_socket(in))
		return ipm_in_end(in, IPM_R_POLICY_MISMATCH);
	ipm_icmp_error(in->path, ipm_in_span(in), in->m.flags,
	    v4 ? IPM_ICMP_UNREACH : IPM_ICMP6_UNREACH,
	    v4 ? IPM_ICMP_UNREACH_PORT : IPM_ICMP6_UNREACH_PORT, 0);
	return ipm_in_end(in, IPM_R_NO_SOCKET);
}

/* ip_stripoptions: sockets do not see them. */
static void
strip_options(struct ipm_in *in)
{
	size_t more = in->off - IPM_IP4_HLEN;

	if (in->family != 4 || more == 0)
		return;
	memmove(in->m.p + IPM_IP4_HLEN, in->m.p + in->off, in->m.len - in->off);
	in->m.len -= more;
	in->off = IPM_IP4_HLEN;
	in->m.p[0] = 0x45;
	(void)ipm_ip_rewrite(in->m.p, 4, IPM_IP4_HLEN, in->m.len, SIZE_MAX, 0);
}

/* A socket that opens ESP in UDP: GO_ON leaves the datagram to it. */
static enum ipm_go
udp_encap(struct ipm_in *in, const struct datagram *d)
{
	struct ipm_span data = ipm_span_from(ipm_in_span(in), in->off + 8);

	/* [NATT-2.3-03] */
	if (data.len == 1 && data.p[0] == 0xff &&
	    ipm_sw(in->path->pf, IPM_SW_NATT_KEEPALIVE) ==
		IPM_KEEPALIVE_CONSUME)
		return ipm_in_end(in, IPM_R_KEEPALIVE);
	return ipm_udp_ipsec_input(in, d->sport, d->dport);
}

/* udp_append, udp6_append */
static enum ipm_go
udp_append(struct ipm_in *in, ipm_off pcb, const struct datagram *d)
{
	enum ipm_go go;

	/* [ARCH-5.2-03] The datagram around ESP is checked as any other. */
	if (ipm_policy_rejects(in->path, &in->m, pcb))
		return ipm_in_end(in, IPM_R_POLICY_MISMATCH);
	if (pcb_at(in, pcb)->encap == IPM_ENCAP_ESPINUDP &&
	    (in->family == 4 ||
		ipm_sw(in->path->pf, IPM_SW_NATT_IPV6) != IPM_OFF)) {
		strip_options(in);
		go = udp_encap(in, d);
		if (go != IPM_GO_ON)
			return go;
	}
	ipm_in_give(
	    in, pcb, d->sport, ipm_span_from(ipm_in_span(in), in->off + 8));
	return ipm_in_end(in, IPM_R_OK);
}

/* To a group or to all: every socket of the port has it, and none is missed. */
static enum ipm_go
udp_many(struct ipm_in *in, const struct datagram *d)
{
	enum ipm_reason fate = IPM_R_NO_SOCKET;

	for (ipm_off at = in->path->s->pcbs.first; at != 0;) {
		const struct ipm_pcb *pcb = pcb_at(in, at);
		ipm_off next = pcb->next;

		if (pcb->raw == 0 && pcb->proto == IPM_PROTO_UDP &&
		    pcb->family == in->family && pcb->lport == d->dport &&
		    any_address(&pcb->laddr) && any_address(&pcb->faddr)) {
			if (!ipm_policy_rejects(in->path, &in->m, at)) {
				ipm_in_give(in, at, d->sport,
				    ipm_span_from(
					ipm_in_span(in), in->off + 8));
				fate = IPM_R_OK;
			} else if (fate == IPM_R_NO_SOCKET) {
				fate = IPM_R_POLICY_MISMATCH;
			}
		}
		at = next;
	}
	return ipm_in_end(in, fate);
}

/* udp_input, udp6_input */
static enum ipm_go
udp_input(struct ipm_in *in)
{
	struct ipm_addr dst = ipm_in_dst(in);
	struct datagram d;
	enum ipm_go go = udp_parse(in, &d);
	ipm_off pcb;

	if (go != IPM_GO_ON)
		return go;
	if (ipm_is_multicast(&dst) ||
	    ipm_is_broadcast(&in->path->s->host, &dst))
		return udp_many(in, &d);
	pcb = ipm_in_pcb(in, IPM_PROTO_UDP, d.sport, d.dport);
	return pcb == 0 ? udp_no_socket(in) : udp_append(in, pcb, &d);
}

/* --- the switches of protocols --------------------------------------------------- */

/* The protocols whose input both families have; raw sockets take the rest. */
static enum ipm_go
deliver(struct ipm_in *in, uint8_t proto, uint8_t icmp,
    enum ipm_go (*raw)(struct ipm_in *in, uint8_t proto))
{
	enum ipm_go go;

	if (proto == icmp) {
		(void)raw_copies(in, proto);
		return ipm_icmp_input(in);
	}
	switch (proto) {
	case IPM_PROTO_UDP:
		return udp_input(in);
	case IPM_PROTO_TCP:
		return ipm_tcp_input(in);
	case IPM_PROTO_IPV4:
	case IPM_PROTO_IPV6:
		go = ipm_ipcomp_plain(in);
		return go == IPM_GO_ON ? raw(in, proto) : go;
	default:
		return raw(in, proto);
	}
}

enum ipm_go
ipm_deliver4(struct ipm_in *in, uint8_t proto)
{
	return deliver(in, proto, IPM_PROTO_ICMP, raw4);
}

enum ipm_go
ipm_deliver6(struct ipm_in *in, uint8_t proto)
{
	return deliver(in, proto, IPM_PROTO_ICMPV6, raw6);
}
