/*
 * Behind a transform: the decision by protocol and mode, the tag, the
 * accounting, enc(4), and where the packet goes on.
 *
 * Source: FreeBSD sys/netipsec/ipsec_input.c ipsec4_common_input_cb,
 * ipsec6_common_input_cb, ipip_input; udpencap.c (facts datapath 2.7 to 2.9).
 */
#include <string.h>

#include "ipm_filter.h"
#include "ipm_in.h"
#include "ipm_open.h"
#include "transform/ipm_knobs.h"

static struct ipm_sa *
sa_at(const struct ipm_in *in, ipm_off off)
{
	return ipm_arena_at(&in->path->s->arena, off);
}

static enum ipm_go
drop_at(struct ipm_in *in, const struct ipm_sa *sa, enum ipm_reason why)
{
	(void)ipm_stats_reason(&in->path->s->stats, why, sa->proto);
	return ipm_in_end(in, why);
}

static bool
is_ip(uint8_t proto)
{
	return proto == IPM_PROTO_IPV4 || proto == IPM_PROTO_IPV6;
}

static uint8_t
outer_tos(const struct ipm_in *in)
{
	return in->family == 4 ? in->m.p[1]
			       : (uint8_t)(ipm_load32(in->m.p) >> 20);
}

/* [MAN-ecn-01] [MAN-ecn-04] [MAN-ecn-06] [MAN-ecn-07] The sysctl of the outer
 * family where it counts on input, and the SA's own flags. */
static struct ipm_decap_rules
decap_rules(const struct ipm_in *in, const struct ipm_sa *sa)
{
	struct ipm_decap_rules rules = ipm_knob_decap_rules(
	    in->path->pf, ipm_knob_ecn(&in->path->s->sysctls, in->family));

	if ((sa->flags & IPM_SAF_NOECN) != 0)
		rules.no_ecn = true;
	rules.copy_dscp = (sa->flags & IPM_SAF_DECAP_DSCP) != 0;
	return rules;
}

/*
 * The inner packet's ECN field.  What else is in the header is for its own
 * input to judge; so is a version that is not the one announced.
 */
static enum ipm_reason
exit_tos(struct ipm_in *in, const struct ipm_sa *sa, uint8_t version)
{
	struct ipm_decap_rules rules = decap_rules(in, sa);
	uint8_t *inner = in->m.p + in->off, old, tos;
	enum ipm_reason r;

	if (inner[0] >> 4 != version)
		return IPM_R_OK;
	old = version == 4 ? inner[1] : (uint8_t)(ipm_load32(inner) >> 20);
	r = ipm_tunnel_tos(
	    in->path->pf, &rules, outer_tos(in), old, in->path->trace, &tos);
	if (r == IPM_R_OK && tos != old)
		ipm_ip_set_tos(inner, version, tos);
	return r;
}

/* The outer header goes, with all its options and extension headers
 * [ARCH-5.1.2.1-12] [ARCH-5.1.2.2-05]; the inner one stays as it is but for ECN
 * [ARCH-5.1.2-03] [ARCH-5.1.2-07]. */
static enum ipm_reason
strip(struct ipm_in *in, const struct ipm_sa *sa, uint8_t proto)
{
	uint8_t version = proto == IPM_PROTO_IPV4 ? 4 : 6;
	size_t rest = in->m.len - in->off;
	enum ipm_reason r;

	if (rest < (version == 4 ? IPM_IP4_HLEN : IPM_IP6_HLEN))
		return IPM_R_INNER_BAD;
	r = exit_tos(in, sa, version);
	ipm_trace_add(in->path->trace, IPM_STEP_DECAP, r, version, rest);
	if (r != IPM_R_OK)
		return r;
	memmove(in->m.p, in->m.p + in->off, rest);
	in->m.len = rest;
	/* ipsec(4) BUGS: AH says nothing of the packet inside. */
	if (ipm_sw(in->path->pf, IPM_SW_AUTH_MARKS) == IPM_MARKS_DECAP)
		in->m.flags &= ~(unsigned)(IPM_M_AUTHIPHDR | IPM_M_AUTHIPDGM);
	return IPM_R_OK;
}

/* PACKET_TAG_IPSEC_IN_DONE; the caller has seen that there is room. */
static void
tag(struct ipm_in *in, const struct ipm_sa *sa)
{
	if (sa->proto == IPM_PROTO_IPCOMP)
		return;
	in->m.in_done[in->m.n_in_done++] = (struct ipm_in_done){ .src = sa->src,
		.dst = sa->dst,
		.spi = sa->spi,
		.proto = sa->proto,
		.mode = sa->mode };
}

static enum ipm_go
refused(struct ipm_in *in)
{
	return ipm_in_end(in, IPM_R_FILTERED);
}

/* Back into the queue of a family. */
static enum ipm_go
queue(struct ipm_in *in, const struct ipm_sa *sa, uint8_t family)
{
	in->family = family;
	if (!ipm_enc(in->path, sa, false, false, family, ipm_in_span(in)))
		return refused(in);
	return IPM_GO_AGAIN;
}

/* The length field, low 16 bits of a packet that grew too long, and the IPv4
 * checksum. */
static void
set_length(struct ipm_in *in)
{
	size_t total = in->m.len + in->beyond;

	total = in->family == 4
	    ? total & 0xffff
	    : IPM_IP6_HLEN + ((total - IPM_IP6_HLEN) & 0xffff);
	(void)ipm_ip_rewrite(in->m.p, in->family, in->off, total, SIZE_MAX, 0);
}

/* The tunnel's header goes, the tag comes, the SA counts. */
static enum ipm_reason
leave_sa(struct ipm_in *in, struct ipm_sa *sa, bool tunnel, uint8_t proto)
{
	enum ipm_reason r = tunnel ? strip(in, sa, proto) : IPM_R_OK;

	if (r != IPM_R_OK)
		return r;
	tag(in, sa);
	ipm_sa_account(sa, in->path->env, in->m.len + in->beyond);
	return IPM_R_OK;
}

static enum ipm_go
decap4(struct ipm_in *in, struct ipm_sa *sa)
{
	uint8_t proto = in->m.p[9];
	bool tunnel = is_ip(proto) && sa->mode != IPM_MODE_TRANSPORT;
	enum ipm_reason r;

	set_length(in);
	ipm_natt_repair(in, sa, proto);
	if (!ipm_enc(in->path, sa, false, true, 4, ipm_in_span(in)))
		return refused(in);
	r = leave_sa(in, sa, tunnel, proto);
	if (r != IPM_R_OK)
		return drop_at(in, sa, r);
	if (!tunnel && sa->mode == IPM_MODE_TUNNEL)
		return drop_at(in, sa, IPM_R_NEXT_HEADER_BAD);
	return queue(in, sa, tunnel && proto == IPM_PROTO_IPV6 ? 6 : 4);
}

static bool
transport_payload_refused(const struct ipm_in *in, const struct ipm_sa *sa)
{
	return sa->mode == IPM_MODE_TUNNEL &&
	    ipm_sw(in->path->pf, IPM_SW_TUNNEL_TRANSPORT6) == IPM_OFF;
}

static uint8_t
protocol6(const struct ipm_in *in)
{
	bool first =
	    ipm_sw(in->path->pf, IPM_SW_IP6_PROTO_OCTET) == IPM_OCTET_FIRST;

	return in->m.p[first ? 6 : in->nxt_off];
}

static enum ipm_go
decap6(struct ipm_in *in, struct ipm_sa *sa)
{
	uint8_t proto = protocol6(in);
	bool tunnel = is_ip(proto) && sa->mode != IPM_MODE_TRANSPORT;
	enum ipm_reason r;

	if (!ipm_enc(in->path, sa, false, true, 6, ipm_in_span(in)))
		return refused(in);
	set_length(in);
	if (!tunnel && transport_payload_refused(in, sa))
		return drop_at(in, sa, IPM_R_NEXT_HEADER_BAD);
	r = leave_sa(in, sa, tunnel, proto);
	if (r != IPM_R_OK)
		return drop_at(in, sa, r);
	if (tunnel)
		return queue(in, sa, proto == IPM_PROTO_IPV4 ? 4 : 6);
	if (!ipm_enc(in->path, sa, false, false, 6, ipm_in_span(in)))
		return refused(in);
	/* No queue: the chain goes on where the IPsec header stood. */
	in->nxt = proto;
	return IPM_GO_WALK;
}

enum ipm_go
ipm_decap(struct ipm_in *in, ipm_off off)
{
	struct ipm_sa *sa = sa_at(in, off);

	if (in->m.n_in_done == IPM_IN_DONE_MAX)
		return drop_at(in, sa, IPM_R_NESTED_TOO_DEEP);
	return in->family == 4 ? decap4(in, sa) : decap6(in, sa);
}

/* --- an IPcomp tunnel's packet that did not get smaller ------------------------- */

/*
 * [IPCOMP-2.2-05] Source: ipip_input.  FreeBSD's look-up for IPv6 is made with
 * IPv4's family and finds nothing.
 */
enum ipm_go
ipm_ipcomp_plain(struct ipm_in *in)
{
	struct ipm_addr src = ipm_in_src(in), dst = ipm_in_dst(in);
	struct ipm_path *path = in->path;
	uint8_t proto = in->family == 4 ? in->m.p[9] : in->nxt;
	const struct ipm_sa *sa;
	enum ipm_reason r;
	ipm_off off;

	if (!ipm_knob_enabled(&path->s->sysctls, IPM_PROTO_IPCOMP) ||
	    !is_ip(proto) ||
	    (in->family == 6 &&
		ipm_sw(path->pf, IPM_SW_COMP_PLAIN6) != IPM_PLAIN_OPEN))
		return IPM_GO_ON;
	off = ipm_derived_comp_between(
	    path->d, &path->s->arena, &src, &dst, IPM_MODE_TUNNEL);
	if (off == 0)
		return IPM_GO_ON;
	sa = sa_at(in, off);
	if (sa->state == IPM_SA_LARVAL || sa->state == IPM_SA_DEAD)
		return IPM_GO_ON;
	r = strip(in, sa, proto);
	if (r != IPM_R_OK)
		return drop_at(in, sa, r);
	ipm_count(path, IPM_ST_IPCOMP_input);
	path->s->stats.v[IPM_ST_IPCOMP_ibytes] += in->m.len;
	in->family = proto == IPM_PROTO_IPV4 ? 4 : 6;
	return IPM_GO_AGAIN;
}

/* --- checksums behind a NAT ------------------------------------------------------ */

/* udp_ipsec_adjust_cksum [NATT-3.1.2-01] [NATT-3.1.2-02] [NATT-3.1.2-03]
 * [NATT-3.1.2-06]. */
void
ipm_natt_repair(struct ipm_in *in, const struct ipm_sa *sa, uint8_t proto)
{
	const struct ipm_arena *a = &in->path->s->arena;
	const struct ipm_sa_natt *natt =
	    sa->natt == 0 ? NULL : ipm_arena_at(a, sa->natt);
	struct ipm_ip ip;

	if ((sa->flags & IPM_SAF_NATT) == 0)
		return;
	ipm_in_view(in, in->off, proto, 9, &ip);
	if (ipm_knob_natt_checksum(
		in->path->s->sysctls.v[IPM_SV_NATT_CKSUM_POLICY],
		natt == NULL ? 0 : natt->delta, &ip, in->m.p + in->off,
		in->m.len - in->off) == IPM_NATT_VERIFIED)
		in->m.flags |= IPM_M_SUM_VALID;
}
