#include "ipm_tunnel.h"

#define ECN_MASK  3U
#define DSCP_MASK 0xfcU

/* The ECN field (RFC 3168 5). */
enum {
	NOT_ECT,
	ECT_1,
	ECT_0,
	CE
};

#define DROP 0xffU

/*
 * The inner ECN field after the exit, by mode, inner and outer field.  One row
 * an inner field; the columns are the outer field in the order of the figures
 * (Not-ECT, ECT(0), ECT(1), CE).
 */
static const uint8_t ecn_exit[][4][4] = {
	/* Nothing: the inner field as it came [ECN-RFC3168-05]. */
	[IPM_ECN_NONE] = {
		[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, NOT_ECT },
		[ECT_0] = { ECT_0, ECT_0, ECT_0, ECT_0 },
		[ECT_1] = { ECT_1, ECT_1, ECT_1, ECT_1 },
		[CE] = { CE, CE, CE, CE },
	},
	/* RFC 4301 5.1.2.1 [ECN-RFC4301-02]. */
	[IPM_ECN_CE] = {
		[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, NOT_ECT },
		[ECT_0] = { ECT_0, ECT_0, ECT_0, CE },
		[ECT_1] = { ECT_1, ECT_1, ECT_1, CE },
		[CE] = { CE, CE, CE, CE },
	},
	/*
	 * RFC 6040 figure 4 [ECN6040-4.2-01] [ECN-RFC6040-04] [ECN-RFC6040-05]
	 * [ECN-RFC6040-06] [ECN-RFC6040-07].
	 */
	[IPM_ECN_RFC6040] = {
		[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, DROP },
		[ECT_0] = { ECT_0, ECT_0, ECT_1, CE },
		[ECT_1] = { ECT_1, ECT_1, ECT_1, CE },
		[CE] = { CE, CE, CE, CE },
	},
	/*
	 * RFC 3168 9.1.1, full functionality [ECN-RFC3168-08]
	 * [ECN-RFC3168-09] [ECN-RFC3168-11].
	 */
	[IPM_ECN_RFC3168_DROP] = {
		[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, DROP },
		[ECT_0] = { ECT_0, ECT_0, ECT_0, CE },
		[ECT_1] = { ECT_1, ECT_1, ECT_1, CE },
		[CE] = { CE, CE, CE, CE },
	},
	/*
	 * RFC 3168 9.1.2, a tunnel not configured for full functionality
	 * [ECN-RFC3168-13] [ECN-RFC3168-19].
	 */
	[IPM_ECN_RFC3168_LIMITED] = {
		[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, DROP },
		[ECT_0] = { ECT_0, ECT_0, ECT_0, DROP },
		[ECT_1] = { ECT_1, ECT_1, ECT_1, DROP },
		[CE] = { CE, CE, CE, CE },
	},
	/*
	 * gif(4), where the ECN field is still RFC 2481's two bits: the outer
	 * 0x01, congestion experienced, is taken over [MAN-ecn-04].
	 */
	[IPM_ECN_GIF] = {
		[NOT_ECT] = { NOT_ECT, NOT_ECT, ECT_1, ECT_1 },
		[ECT_0] = { ECT_0, ECT_0, CE, CE },
		[ECT_1] = { ECT_1, ECT_1, ECT_1, ECT_1 },
		[CE] = { CE, CE, CE, CE },
	},
};

enum ipm_reason
ipm_ecn_decap(uint32_t decap, bool strict, uint8_t outer_tos, uint8_t inner_tos,
    uint8_t *new_tos)
{
	static const uint8_t column[4] = {
		[NOT_ECT] = 0, [ECT_0] = 1, [ECT_1] = 2, [CE] = 3
	};
	uint8_t outer = outer_tos & ECN_MASK, inner = inner_tos & ECN_MASK;
	uint8_t ecn = ecn_exit[decap][inner][column[outer]];

	/* [ECN6040-4.2-02] Congestion that the inner packet cannot report. */
	if (ecn == DROP || (strict && inner == NOT_ECT && outer == CE))
		return IPM_R_ECN_BAD;
	/* [ECN-RFC3168-18] The DS field stays. */
	*new_tos = (uint8_t)((inner_tos & DSCP_MASK) | ecn);
	return IPM_R_OK;
}

uint8_t
ipm_ecn_encap(enum ipm_ecn_encap how, uint8_t inner_tos)
{
	switch (how) {
	case IPM_ECN_ENCAP_COPY:
		break;
	case IPM_ECN_ENCAP_CLEAR:
		return inner_tos & DSCP_MASK;
	case IPM_ECN_ENCAP_ZERO:
		/* [MAN-ecn-05] */
		return 0;
	case IPM_ECN_ENCAP_BUT_BIT0:
		/* [MAN-ecn-03] */
		return inner_tos & (uint8_t)~1U;
	case IPM_ECN_ENCAP_CE_TO_ECT0:
		/* [ECN-RFC3168-07] [ECN-RFC3168-16] */
		if ((inner_tos & ECN_MASK) == CE)
			return (uint8_t)((inner_tos & DSCP_MASK) | ECT_0);
		break;
	}
	/* [ECN6040-4.1-01] [ECN-RFC4301-01] */
	return inner_tos;
}

/* An IPv6 packet is never fragmented on its way: copying means DF. */
bool
ipm_df_outer(enum ipm_df dfbit, uint8_t inner_version, bool inner_df)
{
	if (dfbit == IPM_DF_COPY)
		return inner_version == 6 || inner_df;
	return dfbit == IPM_DF_SET;
}

/*
 * Is this an IP packet of that version?  The chain of extension headers and
 * the IPv4 options are for the packet's own input to judge, where a fault in
 * them has a reason of its own.
 */
static bool
inner_ok(const struct ipm_profile *pf, uint8_t version, struct ipm_span payload,
    struct ipm_ip *in)
{
	enum ipm_reason r;

	if (payload.p[0] >> 4 != version)
		return false;
	r = ipm_ip_parse(
	    payload, ipm_sw(pf, IPM_SW_IP_CHECKSUM) != IPM_OFF, in);
	return r == IPM_R_OK || r == IPM_R_EXT_BAD || r == IPM_R_OPTION_BAD;
}

enum ipm_reason
ipm_tunnel_tos(const struct ipm_profile *pf,
    const struct ipm_decap_rules *rules, uint8_t outer_tos, uint8_t inner_tos,
    struct ipm_trace *trace, uint8_t *tos)
{
	enum ipm_reason r = ipm_ecn_decap(rules->no_ecn ? IPM_ECN_NONE
		: rules->ecn_gif                        ? IPM_ECN_GIF
				 : ipm_sw(pf, IPM_SW_ECN_DECAP),
	    ipm_sw(pf, IPM_SW_STRICT) != IPM_OFF, outer_tos, inner_tos, tos);

	ipm_trace_add(trace, IPM_STEP_ECN, r, outer_tos, inner_tos);
	if (r != IPM_R_OK)
		return r;
	if (rules->copy_dscp)
		*tos = (uint8_t)((outer_tos & DSCP_MASK) | (*tos & ECN_MASK));
	return IPM_R_OK;
}

enum ipm_reason
ipm_tunnel_exit(const struct ipm_profile *pf,
    const struct ipm_decap_rules *rules, const struct ipm_ip *outer, uint8_t nh,
    uint8_t *payload, size_t len, struct ipm_trace *trace,
    struct ipm_span *inner, size_t *tfc)
{
	uint8_t version = nh == IPM_PROTO_IPV4 ? 4 : 6, tos;
	struct ipm_ip in;
	enum ipm_reason r;

	*inner = ipm_span(NULL, 0);
	*tfc = 0;
	if (nh != IPM_PROTO_IPV4 && nh != IPM_PROTO_IPV6)
		return IPM_R_NEXT_HEADER_BAD;
	if (len == 0)
		return IPM_R_EMPTY_PAYLOAD;
	r = inner_ok(pf, version, ipm_span(payload, len), &in)
	    ? IPM_R_OK
	    : IPM_R_INNER_BAD;
	ipm_trace_add(trace, IPM_STEP_DECAP, r, payload[0] >> 4, len);
	if (r != IPM_R_OK)
		return r;

	r = ipm_tunnel_tos(pf, rules, outer->tos, in.tos, trace, &tos);
	if (r != IPM_R_OK)
		return r;
	/* [ECN-RFC3168-21] */
	if (tos != in.tos)
		ipm_ip_set_tos(payload, version, tos);

	/* [ESP-2.7-04] [ESP-3.4.4.1-10] Its own length ends the packet. */
	*inner = in.packet;
	*tfc = len - in.packet.len;
	if (*tfc != 0)
		ipm_trace_add(
		    trace, IPM_STEP_TFC, IPM_R_OK, *tfc, in.packet.len);
	return IPM_R_OK;
}

static enum ipm_reason
enter4(const struct ipm_tunnel_entrance *e, size_t payload_len, uint8_t out[40],
    size_t *len)
{
	struct ipm_ip4_fields f = { .tos = e->tos,
		.ttl = e->ttl,
		.proto = e->proto,
		.id = e->id,
		.df = e->df };

	if (payload_len > 65535 - IPM_IP4_HLEN)
		return IPM_R_TOO_BIG;
	f.total = (uint16_t)(IPM_IP4_HLEN + payload_len);
	for (size_t i = 0; i < 4; i++) {
		f.src[i] = e->src.octet[i];
		f.dst[i] = e->dst.octet[i];
	}
	ipm_ip4_build(out, &f);
	*len = IPM_IP4_HLEN;
	return IPM_R_OK;
}

static enum ipm_reason
enter6(const struct ipm_tunnel_entrance *e, size_t payload_len, uint8_t out[40],
    size_t *len)
{
	struct ipm_ip6_fields f = { .tclass = e->tos,
		.hlim = e->ttl,
		.nh = e->proto,
		.flow = e->flow };

	if (payload_len > 65535)
		return IPM_R_TOO_BIG;
	f.plen = (uint16_t)payload_len;
	for (size_t i = 0; i < 16; i++) {
		f.src[i] = e->src.octet[i];
		f.dst[i] = e->dst.octet[i];
	}
	ipm_ip6_build(out, &f);
	*len = IPM_IP6_HLEN;
	return IPM_R_OK;
}

enum ipm_reason
ipm_tunnel_enter(const struct ipm_tunnel_entrance *e, size_t payload_len,
    uint8_t out[40], size_t *len)
{
	return e->dst.family == 4 ? enter4(e, payload_len, out, len)
				  : enter6(e, payload_len, out, len);
}
