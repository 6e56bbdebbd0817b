#include "hx_reseal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "transform/ipm_tunnel.h"

static void complain(struct hx_reseal *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
complain(struct hx_reseal *r, const char *fmt, ...)
{
	va_list ap;

	if (r->why[0] != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(r->why, sizeof r->why, fmt, ap);
	va_end(ap);
}

/* Names the first octet in which the two differ. */
static void
compare(struct hx_reseal *r, const char *what, struct ipm_span made,
    struct ipm_span seen)
{
	size_t n = made.len < seen.len ? made.len : seen.len;

	for (size_t i = 0; i < n; i++)
		if (made.p[i] != seen.p[i]) {
			complain(r,
			    "%s sealed again differs at octet %zu: made %02x, "
			    "seen %02x",
			    what, i, made.p[i], seen.p[i]);
			return;
		}
	if (made.len != seen.len)
		complain(r, "%s sealed again has %zu octets, not %zu", what,
		    made.len, seen.len);
}

static void
reseal_esp(struct hx_reseal *r, const struct ipm_opened_layer *l)
{
	const struct ipm_esp_choices *c = &l->esp->choices;
	const char *bad;
	enum ipm_err err;
	size_t len;

	bad = r->judge ? ipm_esp_judge(&l->sa->esp, c, l->esp->payload.len)
		       : NULL;
	if (bad != NULL)
		complain(r, "esp: the sender may not choose this: %s", bad);
	err = ipm_esp_seal(&l->sa->esp, c, l->esp->next_header, l->esp->payload,
	    r->buf, sizeof r->buf, &len);
	if (err != IPM_OK)
		complain(r, "esp cannot be sealed again (error %d)", err);
	else
		compare(r, "esp", ipm_span(r->buf, len), l->sealed);
}

static void
reseal_ah(struct hx_reseal *r, const struct ipm_opened_layer *l)
{
	const struct ipm_ip *ip = l->ip;
	const char *bad;
	enum ipm_reason reason;
	size_t len;

	bad = r->judge ? ipm_ah_judge(&l->sa->ah, &l->ah->choices, ip->version)
		       : NULL;
	if (bad != NULL)
		complain(r, "ah: the sender may not choose this: %s", bad);
	reason = ipm_ah_seal(&l->sa->ah, &r->engine->profile,
	    &r->engine->opts.ah_knobs, &l->ah->choices,
	    ipm_span_sub(ip->packet, 0, ip->hlen), ip->version, ip->proto_off,
	    l->ah->next_header, l->ah->payload, false, r->buf, sizeof r->buf,
	    &len);
	if (reason != IPM_R_OK)
		complain(r, "ah cannot be sealed again (%s)",
		    ipm_reasons[reason].name);
	else
		compare(r, "ah", ipm_span(r->buf, len), ip->packet);
}

static void
reseal_ipcomp(struct hx_reseal *r, const struct ipm_opened_layer *l)
{
	/* Which stream a compressor makes is its own affair. */
	static const struct ipm_ipcomp_rules any = { 0, false };
	enum ipm_ipcomp_made made;
	enum ipm_err err;
	size_t len;

	err = ipm_ipcomp_seal(&r->engine->comp, &any, l->ipcomp->cpi,
	    l->ipcomp->next_header, SIZE_MAX, l->ipcomp->payload,
	    l->ipcomp->compressed, r->buf, sizeof r->buf, &len, &made);
	if (err != IPM_OK || made != IPM_IPCOMP_SENT) {
		complain(r, "ipcomp cannot be sealed again (error %d)", err);
		return;
	}
	if (l->ipcomp->flags == 0)
		compare(r, "ipcomp", ipm_span(r->buf, len), l->sealed);
}

/* The outer header of a tunnel, where it is a plain one. */
static void
reenter(struct hx_reseal *r, const struct ipm_opened_layer *l)
{
	const struct ipm_ip *ip = l->ip;
	struct ipm_tunnel_entrance e = { .src = ip->src,
		.dst = ip->dst,
		.proto = ip->proto,
		.tos = ip->tos,
		.ttl = ip->ttl,
		.df = ip->df,
		.id = (uint16_t)ip->frag_id,
		.flow = ip->flow };
	uint8_t hdr[40];
	size_t len;

	if (l->layer->mode != IPM_MODE_TUNNEL ||
	    ip->hlen != (ip->version == 4 ? IPM_IP4_HLEN : IPM_IP6_HLEN))
		return;
	if (ip->version == 4)
		e.id = ipm_load16(ip->packet.p + 4);
	if (ipm_tunnel_enter(&e, ip->packet.len - ip->hlen, hdr, &len) !=
	    IPM_R_OK)
		complain(r, "the outer header cannot be built again");
	else
		compare(r, "outer header", ipm_span(hdr, len),
		    ipm_span_sub(ip->packet, 0, ip->hlen));
}

void
hx_reseal_layer(struct hx_reseal *r, const struct ipm_opened_layer *l)
{
	r->layers++;
	if (l->esp != NULL)
		reseal_esp(r, l);
	if (l->ah != NULL)
		reseal_ah(r, l);
	if (l->ipcomp != NULL)
		reseal_ipcomp(r, l);
	reenter(r, l);
}

void
hx_reseal_init(struct hx_reseal *r, struct hx_engine *e, bool judge)
{
	r->engine = e;
	r->judge = judge;
	hx_reseal_begin(r);
}

void
hx_reseal_begin(struct hx_reseal *r)
{
	r->layers = 0;
	r->why[0] = '\0';
}
