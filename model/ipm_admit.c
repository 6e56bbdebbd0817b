#include "ipm_admit.h"

#include "ipm_path.h"

/* The protocol of a layer that a request can name, or 0. */
static uint8_t
layer_proto(const struct ipm_layer *l)
{
	switch (l->kind) {
	case IPM_L_ESP:
		return IPM_PROTO_ESP;
	case IPM_L_AH:
		return IPM_PROTO_AH;
	case IPM_L_IPCOMP:
		return IPM_PROTO_IPCOMP;
	case IPM_L_IPIP:
	case IPM_L_UDP_ENCAP:
	case IPM_N_LAYER_KINDS:
		break;
	}
	return 0;
}

static bool
is_named(const struct ipm_request *r, const struct ipm_layer *l)
{
	if (r->proto != layer_proto(l) || r->mode != l->mode)
		return false;
	if (r->mode != IPM_MODE_TUNNEL)
		return true;
	return ipm_addr_equal(&r->src.addr, &l->src) &&
	    ipm_addr_equal(&r->dst.addr, &l->dst);
}

static bool
may_miss(const struct ipm_request *r)
{
	return r->proto == IPM_PROTO_IPCOMP || r->level == IPM_LEVEL_USE ||
	    r->level == IPM_LEVEL_DEFAULT;
}

/* [ARCH-5.2-12] [ARCH-5.2-13] Requests were applied first to last, so the last is the
 * outermost layer. */
static bool
bundle_holds(const struct ipm_sp *sp, const struct ipm_request *req,
    const struct ipm_observation *o)
{
	size_t next = sp->n_reqs;

	for (size_t i = 0; i < o->n_layers; i++) {
		const struct ipm_layer *l = &o->layer[i];

		if (layer_proto(l) == 0)
			continue;
		while (next > 0 && !is_named(&req[next - 1], l)) {
			if (!may_miss(&req[next - 1]))
				return false;
			next--;
		}
		if (next == 0)
			return false;
		next--;
	}
	while (next > 0)
		if (!may_miss(&req[--next]))
			return false;
	return true;
}

static bool
came_protected(const struct ipm_observation *o)
{
	for (size_t i = 0; i < o->n_layers; i++)
		if (layer_proto(&o->layer[i]) != 0)
			return true;
	return false;
}

enum ipm_reason
ipm_admit(const struct ipm_spd *spd, struct ipm_arena *a,
    const struct ipm_observation *o, uint64_t now)
{
	bool accepted = ipm_reasons[o->reason].verdict == IPM_V_ACCEPT;
	struct ipm_selector sel;
	const struct ipm_sp *sp;
	ipm_off off;
	bool ok;

	if (!accepted && o->reason != IPM_R_CLEAR)
		return o->reason;
	ipm_selector_of(accepted ? o->inner : o->packet, true, &sel);
	off = ipm_spd_lookup(spd, a, IPM_DIR_IN, &sel, now);
	if (off == 0)
		return came_protected(o) ? IPM_R_POLICY_MISMATCH : o->reason;
	sp = ipm_arena_at(a, off);
	if (sp->type == IPM_POLICY_IPSEC)
		ok = bundle_holds(sp, ipm_arena_at(a, sp->reqs), o);
	else
		ok = sp->type != IPM_POLICY_DISCARD && !came_protected(o);
	if (!ok)
		return IPM_R_POLICY_MISMATCH;
	return accepted ? o->reason : IPM_R_OK;
}
