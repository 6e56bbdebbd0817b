/*
 * TCP as far as IPsec meets it: the policy check of the socket, TCP-MD5, what
 * a listener and a closed port answer to a first segment.  Connections are not
 * modelled: segments for a connected socket are handed over.
 *
 * Source: FreeBSD sys/netinet/tcp_input.c, tcp_subr.c tcp_respond,
 * tcp_syncache.c; netipsec/xform_tcp.c (facts datapath 2.3, 3.11).
 */
#include <string.h>

#include "ipm_in.h"
#include "ipm_open.h"
#include "transform/ipm_tcpmd5.h"
#include "wire/ipm_upper.h"

enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	ACK = 0x10
};

struct segment {
	struct ipm_ip ip;
	struct ipm_tcp tcp;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
};

static bool
parse(struct ipm_in *in, struct segment *s)
{
	const uint8_t *p = in->m.p + in->off;

	ipm_in_view(in, in->off, IPM_PROTO_TCP, 9, &s->ip);
	if (ipm_tcp_parse(&s->ip, &s->tcp) != IPM_R_OK)
		return false;
	if ((in->m.flags & IPM_M_SUM_VALID) == 0 &&
	    ipm_upper_sum(&s->ip, IPM_PROTO_TCP,
		ipm_span_from(ipm_in_span(in), in->off)) != 0)
		return false;
	s->sport = ipm_load16(p);
	s->dport = ipm_load16(p + 2);
	s->seq = ipm_load32(p + 4);
	s->ack = ipm_load32(p + 8);
	s->flags = p[13];
	return true;
}

/* A segment of the host's own back to the sender of s. */
static void
answer(struct ipm_in *in, const struct segment *s, uint32_t seq, uint32_t ack,
    uint8_t flags, uint16_t window, struct ipm_span options, bool df)
{
	struct ipm_ip back = { .src = s->ip.dst, .dst = s->ip.src };
	size_t len = 20 + options.len;
	uint8_t p[20 + 40] = { 0 };

	ipm_store16(p, s->dport);
	ipm_store16(p + 2, s->sport);
	ipm_store32(p + 4, seq);
	ipm_store32(p + 8, ack);
	p[12] = (uint8_t)(len / 4 << 4);
	p[13] = flags;
	ipm_store16(p + 14, window);
	if (options.len != 0)
		memcpy(p + 20, options.p, options.len);
	ipm_store16(
	    p + 16, ipm_upper_sum(&back, IPM_PROTO_TCP, ipm_span(p, len)));
	ipm_reply(in->path, &back.src, &back.dst, IPM_PROTO_TCP, 0, df, p, len);
}

/* RFC 793 3.4: a reset for what belongs to no connection. */
static void
reset(struct ipm_in *in, const struct segment *s)
{
	uint32_t len = (uint32_t)s->tcp.data.len + ((s->flags & SYN) != 0) +
	    ((s->flags & FIN) != 0);
	struct ipm_span none = ipm_span(NULL, 0);

	if ((s->flags & RST) != 0 || ipm_is_multicast(&s->ip.dst) ||
	    ipm_is_broadcast(&in->path->s->host, &s->ip.dst))
		return;
	if ((s->flags & ACK) != 0)
		answer(in, s, s->ack, 0, RST, 0, none, true);
	else
		answer(in, s, 0, s->seq + len, RST | ACK, 0, none, true);
}

/* RFC 793 3.3: a clock of 4 microseconds. */
static uint32_t
initial_sequence(const struct ipm_env *env)
{
	return (uint32_t)(env->sec * 250000 + env->nsec / 4000);
}

/* Largest segment that fits the interface to the peer. */
static uint16_t
largest(const struct ipm_in *in, const struct ipm_addr *peer)
{
	const struct ipm_host *h = &in->path->s->host;
	uint32_t headers = in->family == 4 ? 40 : 60, mtu = 1500;
	struct ipm_addr gateway;
	int i = ipm_host_route(h, peer, &gateway);

	if (i >= 0)
		mtu = h->iface[i].mtu;
	return (uint16_t)(mtu > headers + 65535 ? 65535 : mtu - headers);
}

static void
syn_ack(struct ipm_in *in, const struct segment *s)
{
	uint8_t mss[4] = { 2, 4 };

	ipm_store16(mss + 2, largest(in, &s->ip.src));
	answer(in, s, initial_sequence(in->path->env), s->seq + 1, SYN | ACK,
	    65535, ipm_span(mss, sizeof mss), true);
}

/* --- TCP-MD5 --------------------------------------------------------------------------- */

/* The SA between the ends (ports, SPI and reqid do not count), newest or
 * oldest by preferred_oldsa; 0 none. */
static ipm_off
md5_sa(const struct ipm_in *in, const struct segment *s)
{
	const struct ipm_state *st = in->path->s;
	ipm_off found = 0;

	for (ipm_off at = st->sad.first; at != 0;) {
		const struct ipm_sa *sa = ipm_arena_at(&st->arena, at);

		if (sa->proto == IPM_PROTO_TCP &&
		    (sa->state == IPM_SA_MATURE || sa->state == IPM_SA_DYING) &&
		    ipm_addr_equal(&sa->src, &s->ip.src) &&
		    ipm_addr_equal(&sa->dst, &s->ip.dst)) {
			found = at;
			if (st->sysctls.v[IPM_SV_PREFERRED_OLDSA] != 0)
				break;
		}
		at = sa->next;
	}
	return found;
}

/* Does the signature that the socket wants hold? */
static bool
md5_holds(struct ipm_in *in, const struct segment *s)
{
	struct ipm_path *path = in->path;
	struct ipm_derived_sa *dsa = NULL;
	ipm_off off;
	struct ipm_sa *sa = NULL;
	bool good;

	if (ipm_tcpmd5_find(&s->ip) == NULL) {
		ipm_count(path, IPM_ST_TCP_sig_err_nosigopt);
		return false;
	}
	off = md5_sa(in, s);
	if (off != 0) {
		sa = ipm_arena_at(&path->s->arena, off);
		dsa = ipm_derived_find(
		    path->d, &path->s->arena, &sa->dst, IPM_PROTO_TCP, sa->spi);
	}
	if (dsa == NULL || dsa->err != IPM_OK) {
		ipm_count(path, IPM_ST_TCP_sig_err_buildsig);
		return false;
	}
	good = ipm_tcpmd5_check(path->d->provider, dsa->ah.session, &s->ip) ==
	    IPM_R_OK;
	/* A failing one is accounted as well (facts 3.11). */
	ipm_sa_account(sa, path->env, in->m.len);
	ipm_count(
	    path, good ? IPM_ST_TCP_sig_rcvgoodsig : IPM_ST_TCP_sig_rcvbadsig);
	return good;
}

/* --- input -------------------------------------------------------------------------------- */

static enum ipm_go
no_socket(struct ipm_in *in, const struct segment *s)
{
	/* FreeBSD asks no policy without a socket. */
	if (ipm_sw(in->path->pf, IPM_SW_NO_SOCKET_POLICY) == IPM_NOSOCK_CHECK &&
	    ipm_policy_rejects(in->path, &in->m, 0))
		return ipm_in_end(in, IPM_R_POLICY_MISMATCH);
	reset(in, s);
	return ipm_in_end(in, IPM_R_NO_SOCKET);
}

static enum ipm_go
listener(struct ipm_in *in, const struct segment *s, bool signs)
{
	if ((s->flags & RST) != 0)
		return ipm_in_end(in, IPM_R_NO_SOCKET);
	if ((s->flags & ACK) != 0) {
		reset(in, s);
		return ipm_in_end(in, IPM_R_NO_SOCKET);
	}
	if ((s->flags & SYN) == 0)
		return ipm_in_end(in, IPM_R_NO_SOCKET);
	/* Signing what is sent is the connection's, which is not modelled. */
	if (!signs)
		syn_ack(in, s);
	return ipm_in_end(in, IPM_R_OK);
}

enum ipm_go
ipm_tcp_input(struct ipm_in *in)
{
	const struct ipm_pcb *pcb;
	struct segment s;
	bool listening, signs;
	ipm_off off;

	if (!parse(in, &s))
		return ipm_in_end(in, IPM_R_SEGMENT_BAD);
	off = ipm_in_pcb(in, IPM_PROTO_TCP, s.sport, s.dport);
	if (off == 0)
		return no_socket(in, &s);
	if (ipm_policy_rejects(in->path, &in->m, off))
		return ipm_in_end(in, IPM_R_POLICY_MISMATCH);
	pcb = ipm_arena_at(&in->path->s->arena, off);
	listening = pcb->listening != 0;
	signs = pcb->tcp_md5 != 0;
	if (signs && !md5_holds(in, &s))
		return ipm_in_end(in, IPM_R_TCP_SIGNATURE);
	if (listening)
		return listener(in, &s, signs);
	ipm_in_give(in, off, s.sport, s.tcp.data);
	return ipm_in_end(in, IPM_R_OK);
}
