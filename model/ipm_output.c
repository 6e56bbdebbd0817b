/*
 * IPSEC_OUTPUT.  The requests of a policy are applied in turn (run_bundle);
 * what the sender hears of a failure depends on whether the kernel had handed
 * the packet to a provider before it (struct bundle, `late`).
 *
 * Source: RFC 4301 5.1; FreeBSD sys/netipsec/ipsec_output.c (facts datapath
 * 3.1, 3.3, 3.5, 3.7).
 */
#include "ipm_out.h"

#include <string.h>

#include "ipm_filter.h"
#include "ipm_open.h"
#include "transform/ipm_knobs.h"

enum ipm_reason
ipm_out_end(
    struct ipm_path *path, const struct ipm_pkt *m, enum ipm_reason fate)
{
	if (ipm_reasons[fate].verdict == IPM_V_DROP)
		path->effect(path->ctx,
		    &(struct ipm_effect){ .kind = IPM_FX_DROP,
			.reason = fate,
			.packet = ipm_span(m->p, m->len),
			.iface = -1,
			.family = ipm_out_version(m) });
	return fate;
}

/* --- one packet and the bundle it is under --------------------------------- */

struct bundle {
	struct ipm_path *path;
	struct ipm_pkt *m;
	ipm_off sp;
	unsigned idx;    /* of the request in hand */
	uint8_t version; /* of the packet as the request found it */
	bool late;       /* a provider had the packet: nobody hears of errors */
	enum ipm_reason fate;
};

/* What a request says. */
enum req {
	REQ_DONE, /* the SA is applied */
	REQ_NONE, /* nothing more is asked for (EJUSTRETURN) */
	REQ_END   /* the packet ends; b->fate is set */
};

static const struct ipm_sp *
policy(const struct bundle *b)
{
	return ipm_arena_at(&b->path->s->arena, b->sp);
}

static const struct ipm_request *
request(const struct bundle *b)
{
	const struct ipm_request *req =
	    ipm_arena_at(&b->path->s->arena, policy(b)->reqs);

	return &req[b->idx];
}

static const struct ipm_sa *
sa_at(const struct bundle *b, ipm_off sa)
{
	return ipm_arena_at(&b->path->s->arena, sa);
}

/* The address at the packet's source (false) or destination. */
static struct ipm_addr
end_of(const struct ipm_pkt *m, bool dst)
{
	struct ipm_selector sel;

	ipm_selector_of(ipm_span(m->p, m->len), false, &sel);
	return dst ? sel.dst.addr : sel.src.addr;
}

/* --- the SA ---------------------------------------------------------------- */

/* [MAN-sockopt-10] Ends that a transport request leaves out are the packet's.
 */
static struct ipm_saidx
wanted_index(const struct bundle *b)
{
	const struct ipm_request *req = request(b);
	struct ipm_saidx idx = { .src = req->src.addr,
		.dst = req->dst.addr,
		.reqid = req->reqid,
		.proto = req->proto,
		.mode = req->mode };

	if (req->mode == IPM_MODE_TUNNEL)
		return idx;
	if (idx.src.family == 0)
		idx.src = end_of(b->m, false);
	if (idx.dst.family == 0)
		idx.dst = end_of(b->m, true);
	return idx;
}

/*
 * The SA of an index: of the alive ones of the newest head that fits, the
 * oldest or, with net.key.preferred_oldsa 0, the newest (facts datapath 4.1).
 * [MAN-level-03] by the reqid.
 */
static ipm_off
find_sa(const struct ipm_path *path, const struct ipm_saidx *wanted)
{
	const struct ipm_state *s = path->s;
	bool oldest = s->sysctls.v[IPM_SV_PREFERRED_OLDSA] != 0;
	bool all = ipm_sw(path->pf, IPM_SW_OUT_HEADS) == IPM_HEADS_ALL;
	ipm_off off = ipm_sahindex_find(
	    &path->d->sah, path->d->alloc, &s->sad, &s->arena, wanted, all);
	const struct ipm_sah *h;

	if (off == 0)
		return 0;
	h = ipm_arena_at(&s->arena, off);
	return oldest ? h->alive_last : h->alive_first;
}

/* [ARCH-5.1-04] The key engine is asked for the SA. */
static int
ask(struct bundle *b, const struct ipm_saidx *idx)
{
	struct ipm_wanted w = { .src = idx->src,
		.dst = idx->dst,
		.reqid = idx->reqid,
		.proto = idx->proto,
		.mode = idx->mode,
		.ulp = policy(b)->sel.proto,
		.sp = b->sp };

	ipm_out_count(
	    b->path, b->version, IPM_ST_IPS4_out_nosa, IPM_ST_IPS6_out_nosa);
	return b->path->need_sa(b->path->ctx, &w);
}

static enum ipm_level
level(const struct bundle *b)
{
	uint8_t family = policy(b)->sel.src.addr.family;

	return ipm_knob_level(&b->path->s->sysctls, b->path->pf, request(b),
	    family == 0 ? b->version : family, policy(b)->scope, NULL);
}

/*
 * The SA of the request in hand, or of the first one behind it that has one
 * when those before may be left out.  *err is the sender's on REQ_END.
 */
static enum req
choose_sa(struct bundle *b, ipm_off *sa, int *err)
{
	struct ipm_saidx idx;

	for (;; b->idx++) {
		/* [MAN-enable-05] [MAN-enable-06] [MAN-enable-07] Before the
		 * level is looked at (Q31). */
		if (!ipm_knob_enabled(
			&b->path->s->sysctls, request(b)->proto)) {
			(void)ipm_stats_reason(&b->path->s->stats,
			    IPM_R_PROTO_DISABLED, request(b)->proto);
			*err = IPM_EHOSTUNREACH;
			b->fate = IPM_R_PROTO_DISABLED;
			return REQ_END;
		}
		idx = wanted_index(b);
		*sa = find_sa(b->path, &idx);
		if (*sa != 0)
			return REQ_DONE;
		*err = ask(b, &idx);
		if (*err != 0) {
			b->fate = IPM_R_ACQUIRE_FAILED;
			return REQ_END;
		}
		/* [MAN-level-02] [MAN-deflev-03] The sender hears nothing
		 * (Q18). */
		if (level(b) == IPM_LEVEL_REQUIRE) {
			b->fate = IPM_R_NO_SA_OUT;
			return REQ_END;
		}
		/* [MAN-level-01] [MAN-deflev-02] */
		if (b->idx + 1 == policy(b)->n_reqs)
			return REQ_NONE;
	}
}

/* --- the outer header ------------------------------------------------------ */

/* A transport request whose SA ends elsewhere encapsulates as well. */
static bool
encapsulates(const struct bundle *b, const struct ipm_sa *sa)
{
	struct ipm_addr dst = end_of(b->m, true);

	return request(b)->mode == IPM_MODE_TUNNEL ||
	    sa->dst.family != b->version ||
	    (!ipm_addr_is_zero(&sa->dst) && !ipm_addr_equal(&sa->dst, &dst));
}

/* The stack's form of a link-local address: its zone in the second word. */
static struct ipm_addr
with_zone(const struct ipm_addr *a)
{
	struct ipm_addr z = *a;

	if (a->family == 6 && a->scope != 0)
		ipm_store16(z.octet + 2, (uint16_t)a->scope);
	return z;
}

static uint8_t
tos_of(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p[1] : (uint8_t)(ipm_load16(p) >> 4);
}

static void
fix_inner4(struct ipm_pkt *m)
{
	(void)ipm_ip_rewrite(
	    m->p, 4, (size_t)(m->p[0] & 15) * 4, m->len, SIZE_MAX, 0);
}

static bool
outer_df(const struct bundle *b, const struct ipm_sa *sa)
{
	const struct ipm_path *path = b->path;
	bool inner = b->version == 4 && (b->m->p[6] & 0x40) != 0;

	if (ipm_sw(path->pf, IPM_SW_TUNNEL_DF) == IPM_TUNNELDF_COPY)
		return (sa->flags & IPM_SAF_NOPMTUDISC) == 0 &&
		    ipm_df_outer(IPM_DF_COPY, b->version, inner);
	return ipm_knob_df_outer(
	    path->s->sysctls.v[IPM_SV_DFBIT], b->version, inner);
}

/* Of an IPv6 packet; IPv4 has none. */
static uint32_t
outer_flow(const struct bundle *b)
{
	if (b->version != 6 ||
	    ipm_sw(b->path->pf, IPM_SW_TUNNEL_FLOW) == IPM_OFF)
		return 0;
	return ipm_load32(b->m->p) & 0xfffff;
}

/* Linux's noecn keeps the ECN field out of the outer header. */
static uint8_t
outer_tos(const struct bundle *b, const struct ipm_sa *sa)
{
	uint8_t tos = tos_of(b->m->p);

	if ((sa->flags & IPM_SAF_NOECN) != 0)
		return ipm_ecn_encap(IPM_ECN_ENCAP_CLEAR, tos);
	return ipm_knob_ecn_ingress(b->path->pf,
	    ipm_knob_ecn(&b->path->s->sysctls, sa->dst.family), tos);
}

/*
 * Facts datapath 3.5.  [ARCH-5.1.2-01] [ARCH-5.1.2-02] [ARCH-5.1.2-03]
 * [MAN-mode-03] [ARCH-4.1-20]
 */
static enum ipm_reason
encapsulate(struct bundle *b, const struct ipm_sa *sa)
{
	struct ipm_state *s = b->path->s;
	struct ipm_pkt *m = b->m;
	uint8_t *out = ipm_out_buffer(b->path, m), head[40];
	bool v4 = sa->dst.family == 4;
	struct ipm_tunnel_entrance e = { .src = with_zone(&sa->src),
		.dst = with_zone(&sa->dst),
		.proto = b->version == 4 ? IPM_PROTO_IPV4 : IPM_PROTO_IPV6,
		.tos = outer_tos(b, sa),
		.flow = outer_flow(b),
		.ttl = v4 ? s->host.ttl : s->host.hlim };
	size_t len;

	if (sa->src.family != sa->dst.family || ipm_addr_is_zero(&sa->src) ||
	    ipm_addr_is_zero(&sa->dst))
		return IPM_R_TUNNEL_ENDS_BAD;
	if (v4) {
		e.df = outer_df(b, sa);
		if (!ipm_ip_id(b->path, e.df, &e.id))
			return IPM_R_NO_RANDOM;
	}
	if (b->version == 4)
		fix_inner4(m);
	if (ipm_tunnel_enter(&e, m->len, head, &len) != IPM_R_OK)
		return IPM_R_TOO_BIG;
	memcpy(out, head, len);
	memcpy(out + len, m->p, m->len);
	if (v4)
		ipm_store16(out + 10, 0);
	m->p = out;
	m->len += len;
	return IPM_R_OK;
}

/* --- requests -------------------------------------------------------------- */

/* The packet ends in front of the transform. */
static enum req
refused(struct bundle *b, enum ipm_reason fate)
{
	b->fate = fate;
	return REQ_END;
}

static int
errno_of_encap(enum ipm_reason r)
{
	return r == IPM_R_TOO_BIG ? IPM_ENXIO : ipm_reasons[r].err;
}

/* enc0 and the outer header, up to the transform. */
static enum req
prepare(struct bundle *b, ipm_off sa, int *err)
{
	struct ipm_pkt *m = b->m;
	enum ipm_reason r;

	*err = IPM_EACCES;
	/* [MAN-enc-01] [MAN-enc-04] */
	if (!ipm_enc(b->path, sa_at(b, sa), true, true, b->version,
		ipm_span(m->p, m->len)))
		return refused(b, IPM_R_FILTERED);
	if (encapsulates(b, sa_at(b, sa))) {
		r = encapsulate(b, sa_at(b, sa));
		if (r != IPM_R_OK) {
			*err = errno_of_encap(r);
			return refused(b, r);
		}
	}
	if (!ipm_enc(b->path, sa_at(b, sa), true, false, ipm_out_version(m),
		ipm_span(m->p, m->len)))
		return refused(b, IPM_R_FILTERED);
	*err = 0;
	return REQ_DONE;
}

/* ipsec4_perform_request, ipsec6_perform_request. */
static enum req
perform(struct bundle *b, int *err)
{
	struct ipm_sealed sealed;
	enum req req;
	ipm_off sa;

	b->version = ipm_out_version(b->m);
	req = choose_sa(b, &sa, err);
	if (req == REQ_DONE)
		req = prepare(b, sa, err);
	if (req == REQ_END)
		ipm_out_count(b->path, b->version, IPM_ST_IPS4_out_inval,
		    IPM_ST_IPS6_out_inval);
	if (req != REQ_DONE)
		return req;

	sealed = ipm_seal(b->path, b->m, sa);
	if (sealed.reason != IPM_R_OK) {
		*err = sealed.err;
		return refused(b, sealed.reason);
	}
	b->late = b->late || !sealed.in_line;
	/* ipsec_process_done */
	b->m->out_done = true;
	ipm_sa_account(
	    ipm_arena_at(&b->path->s->arena, sa), b->path->env, b->m->len);
	b->idx++;
	if (b->idx < policy(b)->n_reqs ||
	    (sa_at(b, sa)->flags & IPM_SAF_NATT) == 0)
		return REQ_DONE;
	/* Only the last SA is asked (Q21). */
	b->fate = ipm_seal_udp(b->path, b->m, sa_at(b, sa));
	*err = ipm_reasons[b->fate].err;
	return b->fate == IPM_R_OK ? REQ_DONE : REQ_END;
}

/* Every SA is applied: the packet goes through ip_output once more. */
static int
send_protected(struct bundle *b)
{
	struct ipm_path *path = b->path;

	if (ipm_out_version(b->m) == 4)
		path->s->stats.v[IPM_ST_IP_localout]++;
	else
		path->s->stats.v[IPM_ST_IP6_localout]++;
	return ipm_ip_output(path, b->m, 0, false, &b->fate);
}

/* 0: the caller goes on with the packet; else b->fate is set. */
static int
run_bundle(struct bundle *b)
{
	int err = 0;

	while (b->idx < policy(b)->n_reqs) {
		if (b->idx > 0)
			ipm_out_count(b->path, ipm_out_version(b->m),
			    IPM_ST_IPS4_out_bundlesa, IPM_ST_IPS6_out_bundlesa);
		switch (perform(b, &err)) {
		case REQ_DONE:
			continue;
		case REQ_NONE:
			/* In the clear, or as far as it was compressed. */
			if (!b->late)
				return 0;
			if (ipm_sw(b->path->pf, IPM_SW_BUNDLE_TAIL) ==
			    IPM_TAIL_SENT)
				break;
			/* Q21: nobody sends it. */
			b->fate = IPM_R_BUNDLE_TAIL_LOST;
			return IPM_CONSUMED;
		case REQ_END:
			return b->late || err == 0 ? IPM_CONSUMED : err;
		}
		break;
	}
	err = send_protected(b);
	/* Q22: what happens behind a provider is not reported. */
	return b->late || err == 0 ? IPM_CONSUMED : err;
}

static enum ipm_policy
type_of(const struct ipm_path *path, ipm_off sp, uint8_t version)
{
	const struct ipm_sp *p;

	if (sp == 0)
		return ipm_knob_def_policy(
		    &path->s->sysctls, path->pf, version);
	p = ipm_arena_at(&path->s->arena, sp);
	return (enum ipm_policy)p->type;
}

int
ipm_ipsec_output(struct ipm_path *path, struct ipm_pkt *m, ipm_off pcb,
    bool forwarding, enum ipm_reason *fate)
{
	struct bundle b = { .path = path, .m = m };
	uint8_t version = ipm_out_version(m);
	bool ports =
	    !forwarding || ipm_sw(path->pf, IPM_SW_FORWARD_PORTS) == IPM_ON;
	enum ipm_reason was = *fate;
	int err;

	if (m->out_done)
		return 0;
	/* [ARCH-4.4.1-01] [ARCH-5-01] [ARCH-5.1-01] */
	b.sp = ipm_policy_of(path, m, pcb, IPM_DIR_OUT, ports);
	switch (type_of(path, b.sp, version)) {
	case IPM_POLICY_NONE:
	case IPM_POLICY_BYPASS: /* [MAN-sockopt-07] [MAN-defpolicy-03] */
		return 0;
	case IPM_POLICY_IPSEC:
		break;
	case IPM_POLICY_DISCARD: /* [MAN-sockopt-05] [MAN-defpolicy-02] */
	case IPM_POLICY_ENTRUST:
		ipm_out_count(path, version, IPM_ST_IPS4_out_polvio,
		    IPM_ST_IPS6_out_polvio);
		*fate = IPM_R_POLICY_DISCARD;
		return IPM_EACCES;
	}
	err = ((const struct ipm_sp *)ipm_arena_at(&path->s->arena, b.sp))
		    ->n_reqs == 0
	    ? 0
	    : run_bundle(&b);
	*fate = err == 0 ? was : b.fate;
	return err;
}

/* --- the event ------------------------------------------------------------- */

/* ip_output, ip6_output of a packet in m that a socket hands down. */
static enum ipm_reason
output(struct ipm_path *path, struct ipm_pkt *m, ipm_off pcb, int *err)
{
	enum ipm_reason fate = IPM_R_SENT;

	if (ipm_out_version(m) == 4)
		path->s->stats.v[IPM_ST_IP_localout]++;
	*err = ipm_ipsec_output(path, m, pcb, false, &fate);
	if (*err == 0) {
		if (ipm_out_version(m) == 6)
			path->s->stats.v[IPM_ST_IP6_localout]++;
		*err = ipm_ip_output(path, m, pcb, false, &fate);
	} else if (*err == IPM_CONSUMED) {
		*err = 0;
	}
	return ipm_out_end(path, m, fate);
}

/* Do the header's lengths agree with the packet's?  EINVAL of rip_output
 * otherwise. */
static bool
whole(struct ipm_span packet)
{
	const uint8_t *p = packet.p;
	size_t hlen;

	if (packet.len < IPM_IP4_HLEN || packet.len > IPM_IP_MAX)
		return false;
	if (p[0] >> 4 == 6)
		return packet.len >= IPM_IP6_HLEN &&
		    ipm_load16(p + 4) == packet.len - IPM_IP6_HLEN;
	hlen = (size_t)(p[0] & 15) * 4;
	return p[0] >> 4 == 4 && hlen >= IPM_IP4_HLEN && hlen <= packet.len &&
	    ipm_load16(p + 2) == packet.len;
}

enum ipm_reason
ipm_output(struct ipm_path *path, ipm_off pcb, struct ipm_span packet, int *err)
{
	struct ipm_pkt m = { .p = path->work->out[0], .rcvif = -1 };
	enum ipm_reason fate;

	*err = IPM_EINVAL;
	if (!whole(packet)) {
		path->effect(path->ctx,
		    &(struct ipm_effect){ .kind = IPM_FX_DROP,
			.reason = IPM_R_IP_HEADER_BAD,
			.packet = packet,
			.iface = -1,
			.family = packet.len != 0 ? packet.p[0] >> 4 : 0 });
		return IPM_R_IP_HEADER_BAD;
	}
	ipm_loop_enter(path);
	m.len = packet.len;
	memmove(m.p, packet.p, packet.len);
	if (ipm_derived_sync(path->d, &path->s->sad, &path->s->arena) !=
	    IPM_OK) {
		*err = IPM_ENOBUFS;
		fate = ipm_out_end(path, &m, IPM_R_NO_MEMORY);
	} else {
		fate = output(path, &m, pcb, err);
	}
	ipm_loop_leave(path);
	return fate;
}
