#include "ipm_path.h"

#include "transform/ipm_knobs.h"

/* --- the packet's selector ------------------------------------------------- */

/* Octets of a header that must be there for its fields to be read. */
#define TCP_HLEN   20U
#define UDP_HLEN   8U
#define ICMP6_HLEN 8U

/*
 * A link-local address of the stack has its zone in the second word; policies
 * and SAs have it beside the address (facts datapath 3.10).
 */
static void
take_zone(struct ipm_addr *a)
{
	if (!ipm_addr_is_link_local(a))
		return;
	a->scope = ipm_load16(a->octet + 2);
	ipm_store16(a->octet + 2, 0);
}

static void
set_end(struct ipm_end *e, uint8_t family, const uint8_t *octets)
{
	e->addr.family = family;
	for (size_t i = 0; i < ipm_addr_len(&e->addr); i++)
		e->addr.octet[i] = octets[i];
	take_zone(&e->addr);
}

/* Are the ports of this protocol wanted, and are they all there? */
static bool
take_ports(struct ipm_span p, size_t off, uint8_t proto, bool want_ports,
    struct ipm_selector *sel)
{
	size_t need = proto == IPM_PROTO_TCP ? TCP_HLEN : UDP_HLEN;

	if (proto != IPM_PROTO_TCP && proto != IPM_PROTO_UDP)
		return true;
	if (!want_ports)
		return true;
	if (off > p.len || p.len - off < need)
		return false;
	sel->src.port = ipm_load16(p.p + off);
	sel->dst.port = ipm_load16(p.p + off + 2);
	return true;
}

/*
 * IPv4: the header's protocol, AH headers skipped.  A fragment, a packet
 * without payload or with TCP or UDP ports cut off has none that a policy could
 * name.  ICMP's type and code are not looked at.
 * Source: ipsec.c ipsec4_get_ulp.
 */
static void
upper4(struct ipm_span p, bool want_ports, struct ipm_selector *sel)
{
	size_t off = (size_t)(p.p[0] & 15) * 4;
	uint8_t proto = p.p[9];

	sel->proto = IPM_ULP_ANY;
	/* [ARCH-4.4.1.1-09] */
	if ((ipm_load16(p.p + 6) & 0x3fff) != 0)
		return;
	for (; off < p.len && proto == IPM_PROTO_AH;) {
		if (p.len - off < 2)
			return;
		proto = p.p[off];
		off += ((size_t)p.p[off + 1] + 2) * 4;
	}
	if (off < p.len && take_ports(p, off, proto, want_ports, sel))
		sel->proto = proto;
}

/*
 * Where the next header of an IPv6 chain lies; false: this one is the last, or
 * not enough of it is there.
 * Source: ip6_input.c ip6_nexthdr.
 */
static bool
step6(struct ipm_span p, size_t *off, uint8_t *proto)
{
	size_t len;

	if (*off > p.len)
		return false;
	switch (*proto) {
	case IPM_PROTO_FRAGMENT:
		/* Behind a later fragment's header there is none. */
		if (p.len - *off < 8 ||
		    (ipm_load16(p.p + *off + 2) & 0xfff8U) != 0)
			return false;
		len = 8;
		break;
	case IPM_PROTO_AH:
		if (p.len - *off < 2)
			return false;
		len = ((size_t)p.p[*off + 1] + 2) * 4;
		break;
	case IPM_PROTO_HOPOPTS:
	case IPM_PROTO_ROUTING:
	case IPM_PROTO_DSTOPTS:
		if (p.len - *off < 2)
			return false;
		len = ((size_t)p.p[*off + 1] + 1) * 8;
		break;
	default:
		return false;
	}
	*proto = p.p[*off];
	*off += len;
	return true;
}

/*
 * IPv6: the last header of the chain.  Cut-off ports are ports 0; type and code
 * of ICMPv6 stand where the ports would, wanted or not.
 * Source: ipsec.c ipsec6_get_ulp.
 */
static void
upper6(struct ipm_span p, bool want_ports, struct ipm_selector *sel)
{
	size_t off = IPM_IP6_HLEN;
	uint8_t proto = p.p[6];

	while (step6(p, &off, &proto))
		;
	sel->proto = IPM_ULP_ANY;
	if (off > p.len)
		return;
	/* [ARCH-4.4.1.1-04] [ARCH-4.4.1.1-06] */
	sel->proto = proto;
	if (proto == IPM_PROTO_ICMPV6 && p.len - off >= ICMP6_HLEN) {
		sel->src.port = p.p[off];
		sel->dst.port = p.p[off + 1];
	}
	take_ports(p, off, proto, want_ports, sel);
}

void
ipm_selector_of(
    struct ipm_span packet, bool want_ports, struct ipm_selector *sel)
{
	uint8_t version = packet.len == 0 ? 0 : packet.p[0] >> 4;

	*sel = (struct ipm_selector){ .proto = IPM_ULP_ANY };
	if (version == 4 && packet.len >= IPM_IP4_HLEN) {
		set_end(&sel->src, 4, packet.p + 12);
		set_end(&sel->dst, 4, packet.p + 16);
		sel->src_prefix = sel->dst_prefix = 32;
		upper4(packet, want_ports, sel);
	} else if (version == 6 && packet.len >= IPM_IP6_HLEN) {
		set_end(&sel->src, 6, packet.p + 8);
		set_end(&sel->dst, 6, packet.p + 24);
		sel->src_prefix = sel->dst_prefix = 128;
		upper6(packet, want_ports, sel);
	}
}

/* --- the policy ------------------------------------------------------------ */

static struct ipm_pcb *
pcb_at(const struct ipm_path *path, ipm_off pcb)
{
	return ipm_arena_at(&path->s->arena, pcb);
}

/*
 * What the socket holds for a direction: its own policy, or what it cached
 * while the SPD has not changed since.
 * Source: ipsec.c ipsec_getpcbpolicy.
 */
static bool
of_socket(struct ipm_path *path, ipm_off off, enum ipm_dir dir, ipm_off *sp)
{
	struct ipm_pcb *pcb = pcb_at(path, off);

	*sp = pcb->policy[dir];
	if (*sp != 0)
		return true;
	/* [ARCH-4.4.1-25] One that has changed is looked up again. */
	if (pcb->cached_generation != path->s->spd.generation)
		ipm_pcb_uncache(&path->s->arena, off);
	*sp = pcb->cached[dir];
	return *sp != 0 || pcb->cached_default[dir];
}

/* A connected socket remembers what it was given (ipsec_cachepolicy). */
static void
remember(struct ipm_path *path, ipm_off off, enum ipm_dir dir, ipm_off sp)
{
	struct ipm_pcb *pcb = pcb_at(path, off);

	if (ipm_addr_is_zero(&pcb->faddr))
		return;
	if (sp == 0)
		pcb->cached_default[dir] = 1;
	else
		ipm_sp_hold(&path->s->arena, sp);
	pcb->cached[dir] = sp;
	pcb->cached_generation = path->s->spd.generation;
}

ipm_off
ipm_policy_of(struct ipm_path *path, const struct ipm_pkt *m, ipm_off pcb,
    enum ipm_dir dir, bool want_ports)
{
	struct ipm_state *s = path->s;
	struct ipm_selector sel;
	ipm_off sp = 0;

	/* [MAN-sockopt-12] [MAN-sockopt-04] */
	if (pcb != 0 && of_socket(path, pcb, dir, &sp))
		return sp;
	if (s->spd.count[dir] != 0) {
		ipm_selector_of(ipm_span(m->p, m->len), want_ports, &sel);
		/* [ARCH-4.4.1-05] [MAN-pfkey-03] The first that matches. */
		sp = ipm_spdindex_lookup(&path->d->spd, path->d->alloc, &s->spd,
		    &s->arena, dir, &sel, path->env->sec);
	}
	if (pcb != 0)
		remember(path, pcb, dir, sp);
	return sp; /* [MAN-defpolicy-01] */
}

/* --- the check of what came in --------------------------------------------- */

/* Addresses equal under a prefix, zones equal. */
static bool
addr_within(
    const struct ipm_addr *a, const struct ipm_addr *net, unsigned prefix)
{
	return a->family == net->family && a->scope == net->scope &&
	    ipm_prefix_equal(a->octet, net->octet, prefix);
}

static bool
ends_fit(const struct ipm_profile *pf, const struct ipm_selector *sel,
    const struct ipm_request *req, const struct ipm_in_done *done)
{
	bool both = ipm_sw(pf, IPM_SW_HISTORY_ENDS) == IPM_HISTORY_BOTH;

	/* [MAN-policyhist-05] */
	if (req->mode == IPM_MODE_TRANSPORT)
		return addr_within(
			   &done->dst, &sel->dst.addr, sel->dst_prefix) &&
		    (!both ||
			addr_within(
			    &done->src, &sel->src.addr, sel->src_prefix));
	return ipm_addr_equal(&done->dst, &req->dst.addr) &&
	    (!both || ipm_addr_equal(&done->src, &req->src.addr));
}

/* Is there a transform of the packet's history that the request asks for?  Order
 * and number do not count.  Source: ipsec.c ipsec_check_history. */
static bool
in_history(const struct ipm_path *path, const struct ipm_sp *sp,
    const struct ipm_request *req, const struct ipm_pkt *m)
{
	for (size_t i = 0; i < m->n_in_done; i++) {
		const struct ipm_in_done *done = &m->in_done[i];

		/* [MAN-policyhist-03] [MAN-policyhist-04] */
		if (done->proto == req->proto &&
		    (done->mode == req->mode || done->mode == IPM_MODE_ANY) &&
		    ends_fit(path->pf, &sp->sel, req, done))
			return true;
	}
	return false;
}

/* One request against what the packet went through. */
static bool
satisfied(struct ipm_path *path, const struct ipm_sp *sp,
    const struct ipm_request *req, const struct ipm_pkt *m)
{
	uint8_t version = sp->sel.src.addr.family;

	/* Small packets are never compressed: nothing can be asked here. */
	if (req->proto == IPM_PROTO_IPCOMP)
		return true;
	if (ipm_knob_level(&path->s->sysctls, path->pf, req,
		version == 0 ? m->p[0] >> 4 : version, sp->scope,
		NULL) != IPM_LEVEL_REQUIRE)
		return true;
	/* [MAN-policyhist-02] [MAN-policyhist-06] */
	if (ipm_knob_history(&path->s->sysctls) &&
	    !in_history(path, sp, req, m))
		return false;
	/* [MAN-policyhist-01] [MAN-bugs-02] [MAN-bugs-03] */
	return (m->flags &
		   (req->proto == IPM_PROTO_ESP ? IPM_M_DECRYPTED
						: IPM_M_AUTHIPHDR)) != 0;
}

/* Source: ipsec.c ipsec_in_reject. */
static bool
refuses(struct ipm_path *path, const struct ipm_sp *sp, const struct ipm_pkt *m)
{
	const struct ipm_request *req;

	switch ((enum ipm_policy)sp->type) {
	case IPM_POLICY_NONE:
	case IPM_POLICY_BYPASS: /* [MAN-sockopt-07] */
		return false;
	case IPM_POLICY_IPSEC:
		break;
	case IPM_POLICY_DISCARD: /* [MAN-sockopt-05] */
	case IPM_POLICY_ENTRUST:
		return true;
	}
	req = ipm_arena_at(&path->s->arena, sp->reqs);
	for (size_t i = 0; i < sp->n_reqs; i++)
		if (!satisfied(path, sp, &req[i], m))
			return true;
	return false;
}

/* FreeBSD looks up inbound packets without ports: a policy that names one is
 * passed over (facts datapath 2.10). */
static bool
inbound_ports(const struct ipm_profile *pf, ipm_off pcb)
{
	uint32_t when = ipm_sw(pf, IPM_SW_POLICY_IN_PORTS);

	return when == IPM_INPORTS_ALWAYS ||
	    (when == IPM_INPORTS_SOCKET && pcb != 0);
}

bool
ipm_policy_rejects(struct ipm_path *path, const struct ipm_pkt *m, ipm_off pcb)
{
	uint8_t version = m->p[0] >> 4;
	ipm_off off = ipm_policy_of(
	    path, m, pcb, IPM_DIR_IN, inbound_ports(path->pf, pcb));
	bool no;

	if (off == 0)
		no = ipm_knob_def_policy(&path->s->sysctls, path->pf,
			 version) == IPM_POLICY_DISCARD;
	else
		no = refuses(path, ipm_arena_at(&path->s->arena, off), m);
	if (no)
		path->s->stats.v[version == 6 ? IPM_ST_IPS6_in_polvio
					      : IPM_ST_IPS4_in_polvio]++;
	return no;
}
