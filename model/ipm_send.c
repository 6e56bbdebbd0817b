/*
 * What sockets send: UDP datagrams and TCP's first segment.
 *
 * Source: FreeBSD sys/netinet/udp_usrreq.c udp_output, in_pcb.c in_pcbladdr,
 * netinet6/udp6_usrreq.c, tcp_output.c, tcp_input.c tcp_mssopt; ipsec.c
 * ipsec_hdrsiz_inpcb (facts datapath 3.1, 3.9).
 */
#include "ipm_out.h"

#include <string.h>

#include "transform/ipm_knobs.h"
#include "wire/ipm_upper.h"

#define UDP_HLEN 8U
#define SYN_LEN  40U /* header and options */

/* A packet being made. */
struct made {
	struct ipm_path *path;
	const struct ipm_pcb *pcb;
	ipm_off off; /* of the socket */
	struct ipm_addr src, dst;
	struct ipm_pkt m;
	size_t hlen;
	uint32_t flow;
	uint8_t proto;
	bool df;
};

/* Where the segment goes in the packet: behind the IP header and IPv4 options.
 */
static uint8_t *
segment(struct made *w)
{
	w->hlen =
	    w->dst.family == 4 ? IPM_IP4_HLEN + w->pcb->opts_len : IPM_IP6_HLEN;
	w->m.p = w->path->work->out[0];
	w->m.rcvif = -1;
	return w->m.p + w->hlen;
}

static bool
header4(struct made *w)
{
	const struct ipm_pcb *pcb = w->pcb;
	struct ipm_ip4_fields f = { .tos = pcb->tos,
		.ttl = w->path->s->host.ttl,
		.proto = w->proto,
		.total = (uint16_t)w->m.len,
		.df = w->df };

	if (!ipm_ip_id(w->path, w->df, &f.id))
		return false;
	memcpy(f.src, w->src.octet, 4);
	memcpy(f.dst, pcb->via.family != 0 ? pcb->via.octet : w->dst.octet, 4);
	ipm_ip4_build(w->m.p, &f);
	memcpy(w->m.p + IPM_IP4_HLEN, pcb->opts, pcb->opts_len);
	w->m.p[0] = (uint8_t)(0x40 | w->hlen / 4);
	ipm_store16(w->m.p + 10, 0); /* written when it leaves */
	return true;
}

static void
header6(struct made *w)
{
	struct ipm_ip6_fields f = { .tclass = w->pcb->tos,
		.hlim = w->path->s->host.hlim,
		.nh = w->proto,
		.flow = w->flow,
		.plen = (uint16_t)(w->m.len - IPM_IP6_HLEN) };

	memcpy(f.src, w->src.octet, 16);
	memcpy(f.dst, w->dst.octet, 16);
	ipm_ip6_build(w->m.p, &f);
}

/* The checksum at `at` of the segment, over pseudo header and segment. */
static void
checksum(struct made *w, size_t at)
{
	struct ipm_ip ip = { .src = w->src, .dst = w->dst };
	uint8_t *seg = w->m.p + w->hlen;
	uint16_t sum;

	ipm_store16(seg + at, 0);
	sum = ipm_upper_sum(&ip, w->proto, ipm_span(seg, w->m.len - w->hlen));
	/* RFC 768: 0 would say that there is none. */
	if (sum == 0 && w->proto == IPM_PROTO_UDP)
		sum = 0xffff;
	ipm_store16(seg + at, sum);
}

/* One extension header behind the fixed one. */
static void
insert(struct made *w, const uint8_t *ext, size_t len, uint8_t proto)
{
	uint8_t *p = w->m.p;

	if (len == 0)
		return;
	memmove(
	    p + IPM_IP6_HLEN + len, p + IPM_IP6_HLEN, w->m.len - IPM_IP6_HLEN);
	memcpy(p + IPM_IP6_HLEN, ext, len);
	p[IPM_IP6_HLEN] = p[6];
	p[6] = proto;
	w->m.len += len;
	ipm_store16(p + 4, (uint16_t)(w->m.len - IPM_IP6_HLEN));
}

/*
 * ip6_output adds the socket's own extension headers behind IPSEC_OUTPUT: a
 * protected packet never gets them (Q17).  False: they make it too long.
 */
static bool
sticky(struct made *w)
{
	const struct ipm_pcb *pcb = ipm_arena_at(&w->path->s->arena, w->off);

	if (ipm_out_version(&w->m) != 6)
		return true;
	if (w->m.len + pcb->dst_len + pcb->hop_len > IPM_IP_MAX)
		return false;
	insert(w, pcb->dst, pcb->dst_len, IPM_PROTO_DSTOPTS);
	insert(w, pcb->hop, pcb->hop_len, IPM_PROTO_HOPOPTS);
	w->m.hop_len = pcb->hop_len;
	return true;
}

/* ip_output, ip6_output. */
static enum ipm_reason
output(struct made *w, int *err)
{
	struct ipm_path *path = w->path;
	enum ipm_reason fate = IPM_R_SENT;

	if (w->dst.family == 4)
		path->s->stats.v[IPM_ST_IP_localout]++;
	*err = ipm_ipsec_output(path, &w->m, w->off, false, &fate);
	if (*err == 0) {
		if (!w->m.out_done && !sticky(w)) {
			*err = IPM_EMSGSIZE;
			return IPM_R_TOO_BIG;
		}
		if (ipm_out_version(&w->m) == 6)
			path->s->stats.v[IPM_ST_IP6_localout]++;
		*err = ipm_ip_output(path, &w->m, w->off, false, &fate);
	} else if (*err == IPM_CONSUMED) {
		*err = 0;
	}
	return fate;
}

/* Headers around the segment of len octets, and out. */
static enum ipm_reason
send_segment(struct made *w, size_t len, size_t sum_at, int *err)
{
	w->m.len = w->hlen + len;
	if (w->dst.family == 6)
		header6(w);
	else if (!header4(w)) {
		*err = IPM_EIO;
		return IPM_R_NO_RANDOM;
	}
	checksum(w, sum_at);
	return output(w, err);
}

/* The ends of what the socket sends; NO_SOURCE, NO_ROUTE, BAD_ADDRESS. */
static enum ipm_reason
choose_ends(struct made *w, const struct ipm_addr *to, int *err)
{
	const struct ipm_host *h = &w->path->s->host;

	w->dst = *to;
	w->src = w->pcb->laddr;
	if (ipm_host_is_broadcast(h, to)) {
		/* SO_BROADCAST is not modelled. */
		*err = IPM_EACCES;
		return IPM_R_BAD_ADDRESS;
	}
	if (!ipm_addr_is_zero(&w->src) || ipm_host_source(h, to, &w->src))
		return IPM_R_OK;
	*err = to->family == 4 ? IPM_ENETUNREACH : IPM_EHOSTUNREACH;
	return IPM_R_NO_SOURCE;
}

static enum ipm_reason
begin(struct made *w, struct ipm_path *path, ipm_off pcb,
    const struct ipm_addr *to, int *err)
{
	*w = (struct made){ .path = path,
		.pcb = ipm_arena_at(&path->s->arena, pcb),
		.off = pcb };
	ipm_loop_enter(path);
	if (ipm_derived_sync(path->d, &path->s->sad, &path->s->arena) !=
	    IPM_OK) {
		*err = IPM_ENOBUFS;
		return IPM_R_NO_MEMORY;
	}
	return choose_ends(w, to, err);
}

/* A packet that never came to be has no octets to show. */
static enum ipm_reason
finish(struct made *w, enum ipm_reason fate)
{
	static const uint8_t none[1];

	if (w->m.p == NULL) {
		w->path->effect(w->path->ctx,
		    &(struct ipm_effect){ .kind = IPM_FX_DROP,
			.reason = fate,
			.packet = ipm_span(none, 0),
			.iface = -1,
			.family = w->dst.family });
	} else {
		(void)ipm_out_end(w->path, &w->m, fate);
	}
	ipm_loop_leave(w->path);
	return fate;
}

/* --- UDP ------------------------------------------------------------------- */

enum ipm_reason
ipm_udp_send(struct ipm_path *path, ipm_off pcb, const struct ipm_addr *to,
    uint16_t to_port, struct ipm_span payload, int *err)
{
	struct made w;
	enum ipm_reason r = begin(&w, path, pcb, to, err);
	size_t len = UDP_HLEN + payload.len;
	uint8_t *udp;

	if (r != IPM_R_OK)
		return finish(&w, r);
	udp = segment(&w);
	if (len > 65535 || (to->family == 4 && w.hlen + len > 65535)) {
		*err = IPM_EMSGSIZE;
		w.m.p = NULL;
		return finish(&w, IPM_R_TOO_BIG);
	}
	w.proto = IPM_PROTO_UDP;
	w.df = w.pcb->dontfrag != 0;
	ipm_store16(udp, w.pcb->lport);
	ipm_store16(udp + 2, to_port);
	ipm_store16(udp + 4, (uint16_t)len);
	if (payload.len != 0)
		memcpy(udp + UDP_HLEN, payload.p, payload.len);
	path->s->stats.v[IPM_ST_UDP_opackets]++;
	return finish(&w, send_segment(&w, len, 6, err));
}

/* --- TCP ------------------------------------------------------------------- */

/* What tcp_output reckons a request may add: the largest header, IV, padding
 * and ICV that ESP has, AH's with its ICV, IPcomp's; and an outer header. */
static size_t
estimate(const struct ipm_request *req)
{
	static const struct {
		uint8_t proto, octets;
	} rows[] = {
		{ IPM_PROTO_ESP, 49 },
		{ IPM_PROTO_AH, 28 },
		{ IPM_PROTO_IPCOMP, 4 },
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].proto == req->proto)
			n = rows[i].octets;
	if (req->mode == IPM_MODE_TUNNEL)
		n += req->dst.addr.family == 6 ? IPM_IP6_HLEN : IPM_IP4_HLEN;
	return n;
}

size_t
ipm_header_estimate(struct ipm_path *path, const struct ipm_pkt *m, ipm_off pcb)
{
	ipm_off off = ipm_policy_of(path, m, pcb, IPM_DIR_OUT, true);
	const struct ipm_request *req;
	const struct ipm_sp *sp;
	size_t n = 0;

	if (off == 0)
		return 0;
	sp = ipm_arena_at(&path->s->arena, off);
	if (sp->type != IPM_POLICY_IPSEC)
		return 0;
	req = ipm_arena_at(&path->s->arena, sp->reqs);
	for (size_t i = 0; i < sp->n_reqs; i++)
		n += estimate(&req[i]);
	return n;
}

/* The MSS that a SYN offers is the interface's: what IPsec adds is taken off
 * each segment that is sent, not off this option (tcp_mssopt). */
static uint16_t
offered_mss(const struct made *w)
{
	const struct ipm_host *h = &w->path->s->host;
	struct ipm_addr gateway;
	int i = ipm_host_route(h, &w->dst, &gateway);
	uint32_t mtu = i < 0 ? 0 : h->iface[i].mtu;
	uint32_t head = (w->dst.family == 4 ? IPM_IP4_HLEN : IPM_IP6_HLEN) + 20;

	if (mtu > 65535)
		mtu = 65535;
	return (uint16_t)(mtu > head ? mtu - head : 0);
}

static void
write_syn(const struct made *w, const struct ipm_syn *syn, uint16_t to_port,
    uint8_t *tcp)
{
	memset(tcp, 0, SYN_LEN);
	ipm_store16(tcp, w->pcb->lport);
	ipm_store16(tcp + 2, to_port);
	ipm_store32(tcp + 4, syn->seq);
	tcp[12] = SYN_LEN / 4 << 4;
	tcp[13] = 0x02;
	ipm_store16(tcp + 14, syn->window);
	/* MSS, window scale, SACK permitted, timestamps. */
	tcp[20] = 2;
	tcp[21] = 4;
	ipm_store16(tcp + 22, offered_mss(w));
	tcp[24] = 1;
	tcp[25] = 3;
	tcp[26] = 3;
	tcp[27] = syn->scale;
	tcp[28] = 4;
	tcp[29] = 2;
	tcp[30] = 8;
	tcp[31] = 10;
	ipm_store32(tcp + 32, syn->timestamp);
}

enum ipm_reason
ipm_tcp_connect(struct ipm_path *path, ipm_off pcb, const struct ipm_addr *to,
    uint16_t to_port, const struct ipm_syn *syn, int *err)
{
	struct made w;
	enum ipm_reason r = begin(&w, path, pcb, to, err);
	uint8_t *tcp;

	if (r != IPM_R_OK)
		return finish(&w, r);
	tcp = segment(&w);
	w.proto = IPM_PROTO_TCP;
	w.flow = syn->flow;
	w.df = to->family == 4; /* path MTU discovery */
	write_syn(&w, syn, to_port, tcp);
	r = send_segment(&w, SYN_LEN, 16, err);
	/* The connection is in progress, whatever became of its first SYN but
	 * that it was refused at once. */
	if (*err == 0)
		*err = IPM_CONSUMED;
	return finish(&w, r);
}
