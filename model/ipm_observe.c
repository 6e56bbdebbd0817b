/*
 * Implementation notes.
 *
 * The packet in hand (struct view) lies in the frame, or in one of the two
 * buffers of struct ipm_work; each layer opened writes into the other one.  A
 * decrypted payload is written at hlen, so that transport mode only has to
 * copy the header in front of it and tunnel mode nothing at all.
 *
 * Every way out of a layer is finish() with a reason; what is left to open is
 * told by CONTINUE.  No path returns without one or the other.
 */
#include "ipm_observe.h"

#include <string.h>

#include "ipm_open.h"
#include "transform/ipm_tunnel.h"
#include "transform/ipm_udpencap.h"
#include "wire/ipm_upper.h"

const char *
ipm_observation_clause(const struct ipm_observation *o)
{
	static const uint8_t proto[IPM_N_LAYER_KINDS] = {
		[IPM_L_ESP] = IPM_PROTO_ESP,
		[IPM_L_AH] = IPM_PROTO_AH,
		[IPM_L_IPCOMP] = IPM_PROTO_IPCOMP,
		[IPM_L_IPIP] = IPM_PROTO_IPV4,
		[IPM_L_UDP_ENCAP] = IPM_PROTO_ESP,
	};

	return ipm_reason_clause(o->reason,
	    o->n_layers == 0 ? IPM_PROTO_ESP
			     : proto[o->layer[o->n_layers - 1].kind]);
}

const char *
ipm_layer_name(enum ipm_layer_kind k)
{
	static const char *const names[IPM_N_LAYER_KINDS] = {
		[IPM_L_ESP] = "esp",
		[IPM_L_AH] = "ah",
		[IPM_L_IPCOMP] = "ipcomp",
		[IPM_L_IPIP] = "ipip",
		[IPM_L_UDP_ENCAP] = "udp-encap",
	};

	return k < IPM_N_LAYER_KINDS ? names[k] : "?";
}

/* [IPCOMP-3.3-05] The one well-known CPI that the compressor can open. */
#define WELL_KNOWN_DEFLATE 2U

/* What a layer's handler answers. */
enum next {
	DONE,     /* o->reason is set */
	CONTINUE, /* v->ip is the next packet to look at */
	LEAVE     /* nothing here is IPsec's: the packet is clear */
};

struct view {
	struct ipm_state *s;
	struct ipm_derived *d;
	const struct ipm_profile *pf;
	const struct ipm_env *env;
	const struct ipm_observe_opts *opts;
	struct ipm_work *w;
	struct ipm_observation *o;
	struct ipm_ip ip;     /* the packet in hand */
	unsigned side;        /* buffer the next layer writes to */
	bool nested;          /* it came out of a tunnel */
	struct ipm_addr host; /* the end of the outermost tunnel */
};

static enum next
finish(struct view *v, enum ipm_reason reason)
{
	v->o->reason = reason;
	return DONE;
}

static void
step(const struct view *v, enum ipm_step_id id, enum ipm_reason r, uint64_t a,
    uint64_t b)
{
	ipm_trace_add(v->opts->trace, id, r, a, b);
}

/* A layer's record, its addresses those of the packet in hand; NULL: full. */
static struct ipm_layer *
push(struct view *v, enum ipm_layer_kind kind)
{
	struct ipm_layer *l;

	if (v->o->n_layers == IPM_LAYERS_MAX)
		return NULL;
	l = &v->o->layer[v->o->n_layers++];
	/* Not the two values of a bad ICV: icv_len 0 says they are not set. */
	memset(l, 0, offsetof(struct ipm_layer, computed));
	l->kind = kind;
	l->src = v->ip.src;
	l->dst = v->ip.dst;
	return l;
}

static struct ipm_sa *
sa_of(const struct view *v, const struct ipm_derived_sa *dsa)
{
	return ipm_arena_at(&v->s->arena, dsa->off);
}

static struct ipm_replay *
window_of(const struct view *v, const struct ipm_sa *sa)
{
	return ipm_arena_at(&v->s->arena, sa->replay);
}

/*
 * The SA of this header.  Without one the packet is refused, unless it only
 * passed through the tunnel that ended here: then it is somebody else's.
 */
static struct ipm_derived_sa *
lookup(struct view *v, struct ipm_layer *l, uint8_t proto, uint32_t spi)
{
	struct ipm_derived_sa *dsa;

	dsa = ipm_derived_find(v->d, &v->s->arena, &v->ip.dst, proto, spi);
	l->spi = spi;
	if (dsa != NULL) {
		l->has_sa = true;
		l->mode = sa_of(v, dsa)->mode;
	}
	step(v, IPM_STEP_LOOKUP, dsa == NULL ? IPM_R_NO_SA : IPM_R_OK, spi,
	    proto);
	return dsa;
}

static bool
passes_through(const struct view *v)
{
	return v->nested && !ipm_addr_equal(&v->ip.dst, &v->host);
}

/* No SA: the end, or a packet for another host that is left alone. */
static enum next
no_sa(struct view *v)
{
	if (passes_through(v)) {
		v->o->n_layers--;
		return LEAVE;
	}
	return finish(v, IPM_R_NO_SA);
}

static struct ipm_opening
opening(const struct view *v, struct ipm_layer *l)
{
	return (struct ipm_opening){ .pf = v->pf,
		.trace = v->opts->trace,
		.explain = v->opts->explain,
		.layer = l };
}

static void
tell_opened(const struct view *v, const struct ipm_opened_layer *l)
{
	if (v->opts->opened != NULL)
		v->opts->opened(v->opts->opened_ctx, l);
}

/* The inner packet is the one in hand from now on. */
static enum next
take_inner(struct view *v, struct ipm_span inner)
{
	enum ipm_reason r;

	if (!v->nested) {
		v->nested = true;
		v->host = v->ip.dst;
	}
	/* ipm_tunnel_exit has judged the header; the chain is still unread. */
	r = ipm_ip_parse(inner, false, &v->ip);
	v->side ^= 1;
	return r == IPM_R_OK ? CONTINUE : finish(v, r);
}

/*
 * The payload stands at hlen of the current buffer (or, for AH, still in the
 * packet): undo the layer by the mode of its SA.
 */
static enum next
unwrap(struct view *v, struct ipm_layer *l, const struct ipm_sa *sa, uint8_t nh,
    uint8_t *payload, size_t len)
{
	bool ip_inside = nh == IPM_PROTO_IPV4 || nh == IPM_PROTO_IPV6;
	struct ipm_decap_rules rules = {
		.no_ecn = (sa->flags & IPM_SAF_NOECN) != 0,
		.copy_dscp = (sa->flags & IPM_SAF_DECAP_DSCP) != 0,
	};
	bool exit_tunnel = sa->mode == IPM_MODE_TUNNEL ||
	    (sa->mode == IPM_MODE_ANY && ip_inside);
	size_t hlen = v->ip.hlen, tfc = 0;
	struct ipm_span inner;
	enum ipm_reason r;
	uint8_t *hdr;

	/* FreeBSD leaves a transport payload of a tunnel SA in place (IPv6). */
	if (exit_tunnel && !ip_inside && v->ip.version == 6 &&
	    ipm_sw(v->pf, IPM_SW_TUNNEL_TRANSPORT6) != IPM_OFF)
		exit_tunnel = false;
	if (exit_tunnel) {
		r = ipm_tunnel_exit(v->pf, &rules, &v->ip, nh, payload, len,
		    v->opts->trace, &inner, &tfc);
		l->tfc = (uint32_t)tfc;
		return r == IPM_R_OK ? take_inner(v, inner) : finish(v, r);
	}

	hdr = payload - hlen;
	memcpy(hdr, v->ip.packet.p, hlen);
	if (!ipm_ip_rewrite(
		hdr, v->ip.version, hlen, hlen + len, v->ip.proto_off, nh))
		return finish(v, IPM_R_TOO_BIG);
	r = ipm_ip_parse(ipm_span(hdr, hlen + len), false, &v->ip);
	v->side ^= 1;
	return r == IPM_R_OK ? CONTINUE : finish(v, r);
}

/* esp is the ESP packet in hand; udp tells that it came in a datagram. */
static enum next
open_esp(struct view *v, struct ipm_layer *l, struct ipm_derived_sa *dsa,
    struct ipm_span esp)
{
	struct ipm_sa *sa = sa_of(v, dsa);
	struct ipm_replay *win = window_of(v, sa);
	struct ipm_opening op = opening(v, l);
	struct ipm_esp_opened eo;
	bool use_window;
	bool resynced = false;
	enum ipm_reason r;
	enum next n;
	uint32_t seq_lo;
	uint64_t seq;

	if (dsa->err != IPM_OK)
		return finish(v, IPM_R_NO_PROVIDER);
	/* [ESP-3.4.3-02] */
	use_window = ipm_esp_has_integrity(&dsa->esp) ||
	    ipm_sw(v->pf, IPM_SW_ESP_NULL_AUTH_REPLAY) != IPM_OFF;
	r = ipm_esp_peek(&dsa->esp, esp, &seq_lo);
	if (r != IPM_R_OK)
		return finish(v, r);
	if (ipm_sw(v->pf, IPM_SW_ESP_ALIGN4) != IPM_OFF &&
	    (v->ip.hlen % 4 != 0 || v->ip.packet.len % 4 != 0))
		return finish(v, IPM_R_BAD_LENGTH);
	r = ipm_window_check(
	    &op, win, use_window && !dsa->esp.old, seq_lo, &seq);
	if (r != IPM_R_OK) {
		ipm_replay_other(win, v->pf);
		return finish(v, r);
	}

	struct ipm_esp_try t = { &dsa->esp, esp,
		v->w->buf[v->side] + v->ip.hlen,
		sizeof v->w->buf[0] - v->ip.hlen, &eo };
	r = ipm_esp_open(t.sa, v->pf, esp, seq, t.out, t.cap, v->opts->explain,
	    v->opts->trace, &eo);
	if (r == IPM_R_ICV_BAD) {
		ipm_note_icv(&op, eo.icv_len, eo.computed, eo.received);
		r = ipm_esp_resync(&op, win, &t, seq);
		v->o->resync_tried += op.resync_tried;
		resynced = eo.icv_ok;
		seq = (uint64_t)l->seq_hi << 32 | seq_lo;
	}
	if (eo.icv_ok && use_window && !resynced) {
		enum ipm_reason moved = ipm_window_move(&op, win, seq);
		if (moved != IPM_R_OK)
			return finish(v, moved);
	}
	if (!eo.icv_ok)
		return finish(v, r);

	l->has_iv = l->has_pad = l->has_nh = true;
	l->ivlen = dsa->esp.enc->iv_len;
	memcpy(l->iv, eo.choices.iv, l->ivlen);
	l->padlen = eo.choices.pad_len;
	l->nh = eo.next_header;
	if (r != IPM_R_OK)
		return finish(v, r);

	tell_opened(v,
	    &(struct ipm_opened_layer){ .ip = &v->ip,
		.layer = l,
		.sa = dsa,
		.esp = &eo,
		.sealed = esp });
	if (l->nh == IPM_PROTO_NONE) {
		/* [ESP-2.6-04] A dummy: discarded without an error. */
		r = ipm_sw(v->pf, IPM_SW_ESP_DUMMY) == IPM_DUMMY_DROP
		    ? IPM_R_DUMMY
		    : IPM_R_OK;
		step(v, IPM_STEP_NEXT, r, l->nh, 0);
		if (r != IPM_R_OK)
			return finish(v, r);
	}
	if (eo.payload.len == 0 && sa->mode != IPM_MODE_TUNNEL &&
	    ipm_sw(v->pf, IPM_SW_ESP_EMPTY) != IPM_OFF)
		return finish(v, IPM_R_EMPTY_PAYLOAD);
	n = unwrap(v, l, sa, l->nh, t.out, eo.payload.len);
	if (n == CONTINUE)
		ipm_sa_account(sa, v->env, v->ip.packet.len);
	return n;
}

static enum next
plain_esp(struct view *v)
{
	struct ipm_span esp = ipm_span_from(v->ip.packet, v->ip.hlen);
	struct ipm_layer *l = push(v, IPM_L_ESP);
	struct ipm_derived_sa *dsa;

	if (l == NULL)
		return finish(v, IPM_R_NESTED_TOO_DEEP);
	if (esp.len < 8)
		return finish(v, IPM_R_BAD_LENGTH);
	dsa = lookup(v, l, IPM_PROTO_ESP, ipm_load32(esp.p));
	if (dsa == NULL)
		return no_sa(v);
	if ((sa_of(v, dsa)->flags & IPM_SAF_NATT) != 0 &&
	    ipm_sw(v->pf, IPM_SW_NATT_PLAIN) == IPM_OFF)
		return finish(v, IPM_R_ENCAP_MISMATCH);
	return open_esp(v, l, dsa, esp);
}

static bool
ports_fit(
    const struct view *v, const struct ipm_sa *sa, const struct ipm_udp *udp)
{
	if ((sa->flags & IPM_SAF_NATT) == 0 || sa->dport != udp->dport)
		return false;
	return ipm_sw(v->pf, IPM_SW_NATT_PORTS) == IPM_NATT_ANY_SOURCE ||
	    sa->sport == udp->sport;
}

/* RFC 768; a zero checksum is none (RFC 3948 2.1, RFC 6935). */
static bool
udp_sum_ok(const struct view *v, const struct ipm_udp *udp)
{
	return udp->sum == 0 ||
	    ipm_upper_sum(&v->ip, IPM_PROTO_UDP,
		ipm_span_sub(v->ip.packet, v->ip.hlen, udp->payload.len + 8)) ==
	    0;
}

/*
 * A datagram where some SA wants UDP encapsulation.  On a port of such an SA
 * it is ESP, IKE or a keepalive; elsewhere it is clear, unless it carries the
 * SPI of such an SA: then it is the right packet on the wrong port.
 */
static enum next
open_udp(struct view *v)
{
	enum ipm_udpencap_kind kind;
	struct ipm_derived_sa *dsa = NULL;
	struct ipm_udp udp;
	struct ipm_layer *lu, *le;
	enum ipm_reason r;
	bool on_port;

	if (!v->d->natt_any)
		return LEAVE;
	r = ipm_udp_parse(&v->ip, &udp);
	on_port = ipm_derived_natt_port(v->d, udp.dport);
	if (r != IPM_R_OK)
		return on_port && !passes_through(v) ? finish(v, IPM_R_UDP_BAD)
						     : LEAVE;
	kind = ipm_udpencap_classify(v->pf, udp.payload);
	if (kind == IPM_UDPENCAP_ESP)
		dsa = ipm_derived_find(v->d, &v->s->arena, &v->ip.dst,
		    IPM_PROTO_ESP, ipm_load32(udp.payload.p));
	if (passes_through(v) && dsa == NULL)
		return LEAVE;
	if (!on_port &&
	    (dsa == NULL || (sa_of(v, dsa)->flags & IPM_SAF_NATT) == 0))
		return LEAVE;

	step(v, IPM_STEP_UDP_ENCAP, IPM_R_OK, udp.sport, udp.dport);
	if (!udp_sum_ok(v, &udp))
		return finish(v, IPM_R_UDP_BAD);
	if (kind == IPM_UDPENCAP_KEEPALIVE)
		return finish(v, IPM_R_KEEPALIVE);
	if (kind == IPM_UDPENCAP_IKE)
		return finish(v, IPM_R_IKE);
	lu = push(v, IPM_L_UDP_ENCAP);
	le = push(v, IPM_L_ESP);
	if (lu == NULL || le == NULL)
		return finish(v, IPM_R_NESTED_TOO_DEEP);
	lu->sport = udp.sport;
	lu->dport = udp.dport;
	dsa = lookup(v, le, IPM_PROTO_ESP, ipm_load32(udp.payload.p));
	if (dsa == NULL)
		return finish(v, IPM_R_NO_SA);
	if (!ports_fit(v, sa_of(v, dsa), &udp))
		return finish(v, IPM_R_ENCAP_MISMATCH);
	return open_esp(v, le, dsa, udp.payload);
}

static enum next
open_ah(struct view *v)
{
	struct ipm_span ah = ipm_span_from(v->ip.packet, v->ip.hlen);
	struct ipm_layer *l = push(v, IPM_L_AH);
	struct ipm_derived_sa *dsa;
	struct ipm_ah_opened ao;
	struct ipm_opening op = opening(v, l);
	struct ipm_replay *win;
	struct ipm_sa *sa;
	enum ipm_reason r;
	enum next n;
	uint32_t seq_lo;
	uint64_t seq;
	uint8_t *out;

	if (l == NULL)
		return finish(v, IPM_R_NESTED_TOO_DEEP);
	if (ah.len < 8)
		return finish(v, IPM_R_BAD_LENGTH);
	dsa = lookup(v, l, IPM_PROTO_AH, ipm_load32(ah.p + 4));
	if (dsa == NULL)
		return no_sa(v);
	if (dsa->err != IPM_OK)
		return finish(v, IPM_R_NO_PROVIDER);
	sa = sa_of(v, dsa);
	win = window_of(v, sa);
	r = ipm_ah_peek(&dsa->ah, ah, &seq_lo);
	if (r != IPM_R_OK)
		return finish(v, r);
	l->has_ahlen = true;
	l->ahlen = (uint16_t)((ah.p[1] + (dsa->ah.old ? 0U : 2U)) * 4U +
	    (dsa->ah.old ? 8U : 0U));
	r = ipm_window_check(&op, win, !dsa->ah.old, seq_lo, &seq);
	if (r != IPM_R_OK) {
		ipm_replay_other(win, v->pf);
		return finish(v, r);
	}

	r = ipm_ah_open(&dsa->ah, v->pf, &v->opts->ah_knobs, &v->ip, seq,
	    v->w->head, sizeof v->w->head, v->opts->explain, v->opts->trace,
	    &ao);
	if (r == IPM_R_ICV_BAD) {
		ipm_note_icv(&op, ao.icv_len, ao.computed, ao.received);
		r = ipm_ah_resync(&op, win,
		    &(struct ipm_ah_try){ &dsa->ah, &v->opts->ah_knobs, &v->ip,
			v->w->head, sizeof v->w->head, &ao },
		    seq);
		v->o->resync_tried += op.resync_tried;
	} else if (r == IPM_R_OK && !dsa->ah.old) {
		r = ipm_window_move(&op, win, seq);
	}
	if (r != IPM_R_OK)
		return finish(v, r);
	l->has_nh = true;
	l->nh = ao.next_header;
	tell_opened(v,
	    &(struct ipm_opened_layer){
		.ip = &v->ip, .layer = l, .sa = dsa, .ah = &ao, .sealed = ah });

	out = v->w->buf[v->side] + v->ip.hlen;
	memcpy(out, ao.payload.p, ao.payload.len);
	n = unwrap(v, l, sa, l->nh, out, ao.payload.len);
	if (n == CONTINUE)
		ipm_sa_account(sa, v->env, v->ip.packet.len);
	return n;
}

static enum next
open_ipcomp(struct view *v)
{
	static const struct ipm_sa well_known = { .proto = IPM_PROTO_IPCOMP,
		.mode = IPM_MODE_ANY };
	struct ipm_span packet = ipm_span_from(v->ip.packet, v->ip.hlen);
	struct ipm_layer *l = push(v, IPM_L_IPCOMP);
	const struct ipm_sa *sa = &well_known;
	struct ipm_derived_sa *dsa;
	struct ipm_ipcomp_opened co;
	enum ipm_reason r;
	enum next n;
	uint16_t cpi;
	uint8_t *out;

	if (l == NULL)
		return finish(v, IPM_R_NESTED_TOO_DEEP);
	if (!ipm_ipcomp_peek(packet, &cpi))
		return finish(v, IPM_R_BAD_LENGTH);
	dsa = lookup(v, l, IPM_PROTO_IPCOMP, cpi);
	if (dsa != NULL)
		sa = sa_of(v, dsa);
	else if (cpi != WELL_KNOWN_DEFLATE ||
	    ipm_sw(v->pf, IPM_SW_COMP_WELL_KNOWN) == IPM_OFF)
		return no_sa(v);
	if (v->env->comp == NULL)
		return finish(v, IPM_R_NO_PROVIDER);

	l->has_nh = true;
	l->nh = packet.p[0];
	out = v->w->buf[v->side] + v->ip.hlen;
	r = ipm_ipcomp_open(v->env->comp, v->pf, packet,
	    65535 -
		(v->ip.version == 4 ? v->ip.hlen : v->ip.hlen - IPM_IP6_HLEN),
	    out, sizeof v->w->buf[0] - v->ip.hlen, v->opts->trace, &co);
	if (r != IPM_R_OK)
		return finish(v, r);
	tell_opened(v,
	    &(struct ipm_opened_layer){ .ip = &v->ip,
		.layer = l,
		.sa = dsa,
		.ipcomp = &co,
		.sealed = packet });
	n = unwrap(v, l, sa, co.next_header, out, co.payload.len);
	if (n == CONTINUE && dsa != NULL)
		ipm_sa_account(sa_of(v, dsa), v->env, v->ip.packet.len);
	return n;
}

/* An IPcomp SA between the ends of the packet in hand, of this mode. */
static struct ipm_sa *
comp_sa_between(const struct view *v, enum ipm_mode mode)
{
	ipm_off off = ipm_derived_comp_between(
	    v->d, &v->s->arena, &v->ip.src, &v->ip.dst, mode);

	return off == 0 ? NULL : ipm_arena_at(&v->s->arena, off);
}

/*
 * IP in IP between the ends of an IPcomp tunnel: a packet that did not get
 * smaller [IPCOMP-2.2-05] [IPCOMP-2-03].
 */
static enum next
open_ipip(struct view *v)
{
	struct ipm_span payload = ipm_span_from(v->ip.packet, v->ip.hlen);
	struct ipm_sa *sa = comp_sa_between(v, IPM_MODE_TUNNEL);
	struct ipm_layer *l;
	enum next n;
	uint8_t *out;

	if (sa == NULL)
		return LEAVE;
	l = push(v, IPM_L_IPIP);
	if (l == NULL)
		return finish(v, IPM_R_NESTED_TOO_DEEP);
	l->has_sa = true;
	l->mode = sa->mode;
	l->has_nh = true;
	l->nh = v->ip.proto;
	out = v->w->buf[v->side] + v->ip.hlen;
	memcpy(out, payload.p, payload.len);
	n = unwrap(v, l, sa, l->nh, out, payload.len);
	if (n == CONTINUE)
		ipm_sa_account(sa, v->env, v->ip.packet.len);
	return n;
}

static enum next
open_one(struct view *v)
{
	/* A fragment that came out of a tunnel is its receiver's to join. */
	if (v->ip.fragment)
		return LEAVE;
	switch (v->ip.proto) {
	case IPM_PROTO_ESP:
		return plain_esp(v);
	case IPM_PROTO_AH:
		return open_ah(v);
	case IPM_PROTO_IPCOMP:
		return open_ipcomp(v);
	case IPM_PROTO_UDP:
		return open_udp(v);
	case IPM_PROTO_IPV4:
	case IPM_PROTO_IPV6:
		return open_ipip(v);
	default:
		return LEAVE;
	}
}

/* Nothing (more) to open. */
static void
leave(struct view *v)
{
	struct ipm_observation *o = v->o;

	o->inner = v->ip.packet;
	if (o->n_layers != 0)
		o->reason = IPM_R_OK;
	else if (comp_sa_between(v, IPM_MODE_TRANSPORT) != NULL)
		o->reason = IPM_R_NOT_COMPRESSED;
	else
		o->reason = IPM_R_CLEAR;
}

void
ipm_observe(struct ipm_state *s, struct ipm_derived *d,
    const struct ipm_profile *pf, const struct ipm_env *env,
    struct ipm_span octets, uint64_t frame, const struct ipm_observe_opts *opts,
    struct ipm_work *w, struct ipm_observation *o)
{
	struct view v = { .s = s,
		.d = d,
		.pf = pf,
		.env = env,
		.opts = opts,
		.w = w,
		.o = o };
	struct ipm_reass_env re = { .arena = &s->arena,
		.alloc = env->alloc,
		.pf = pf,
		.now = env->sec,
		.tell = opts->fragment,
		.tell_ctx = opts->fragment_ctx };
	struct ipm_span whole;
	size_t pieces;
	enum ipm_reason r;
	enum next n;

	o->n_layers = 0;
	/* One after the other: a 16-octet load of two stores just made waits. */
	o->inner = ipm_span(NULL, 0);
	o->packet = ipm_span(NULL, 0);
	o->has_addrs = false;
	o->resync_tried = 0;
	while (ipm_reass_expire(&s->reass, &re))
		;

	r = ipm_ip_parse(
	    octets, ipm_sw(pf, IPM_SW_IP_CHECKSUM) != IPM_OFF, &v.ip);
	if (v.ip.version != 0) {
		o->has_addrs = true;
		o->src = v.ip.src;
		o->dst = v.ip.dst;
	}
	step(&v, IPM_STEP_PARSE, r, v.ip.version, v.ip.proto);
	/*
	 * Fragments are joined before IPsec [ARCH-5.2-01] [ESP-3.3.4-04]
	 * [AH-3.3.4-03] [IPCOMP-2-07] [ARCH2401-5.2-01] [ARCH2401-B.2-01].
	 */
	if (r == IPM_R_OK && v.ip.fragment) {
		step(&v, IPM_STEP_REASSEMBLE, IPM_R_OK, v.ip.frag_off,
		    v.ip.packet.len - v.ip.hlen);
		r = ipm_reass_add(&s->reass, &re, &v.ip, frame, w->reass,
		    sizeof w->reass, &whole, &pieces);
		if (r == IPM_R_OK) {
			step(&v, IPM_STEP_COMPLETE, r, pieces, whole.len);
			r = ipm_ip_parse(whole, false, &v.ip);
		}
	}
	if (r != IPM_R_OK) {
		o->reason = r;
		return;
	}
	o->packet = v.ip.packet;
	do
		n = open_one(&v);
	while (n == CONTINUE);
	if (n == LEAVE)
		leave(&v);
}
