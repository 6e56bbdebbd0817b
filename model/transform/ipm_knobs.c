#include "ipm_knobs.h"

#include "../wire/ipm_upper.h"

/* --- tunnels ----------------------------------------------------------------- */

/* [MAN-dfbit-01] [MAN-dfbit-02] [MAN-dfbit-03] [MAN-dfbit-04]
 * [MAN-dfbit-06] */
bool
ipm_knob_df_outer(int32_t dfbit, uint8_t inner_version, bool inner_df)
{
	enum ipm_df how = dfbit == 0 ? IPM_DF_CLEAR
	    : dfbit == 1             ? IPM_DF_SET
				     : IPM_DF_COPY;

	return ipm_df_outer(how, inner_version, inner_df);
}

/* [MAN-ecn-07] The variable of the outer family. */
int32_t
ipm_knob_ecn(const struct ipm_sysctls *s, uint8_t outer_version)
{
	return s->v[outer_version == 6 ? IPM_SV_ECN6 : IPM_SV_ECN4];
}

/* One row a value of ecn-encap; the columns are ecn 0, 1, any other. */
static const enum ipm_ecn_encap ingress[][3] = {
	[IPM_ECNIN_FREEBSD] = { IPM_ECN_ENCAP_CLEAR, IPM_ECN_ENCAP_CE_TO_ECT0,
	    IPM_ECN_ENCAP_COPY },
	/* [MAN-ecn-03] [MAN-ecn-05] */
	[IPM_ECNIN_GIF] = { IPM_ECN_ENCAP_ZERO, IPM_ECN_ENCAP_BUT_BIT0,
	    IPM_ECN_ENCAP_BUT_BIT0 },
	[IPM_ECNIN_COPY] = { IPM_ECN_ENCAP_COPY, IPM_ECN_ENCAP_COPY,
	    IPM_ECN_ENCAP_COPY },
	[IPM_ECNIN_ECT0] = { IPM_ECN_ENCAP_CE_TO_ECT0, IPM_ECN_ENCAP_CE_TO_ECT0,
	    IPM_ECN_ENCAP_CE_TO_ECT0 },
};

/* [MAN-ecn-01] [MAN-ecn-02] */
uint8_t
ipm_knob_ecn_ingress(
    const struct ipm_profile *pf, int32_t ecn, uint8_t inner_tos)
{
	size_t column = ecn == 0 || ecn == 1 ? (size_t)ecn : 2;

	return ipm_ecn_encap(
	    ingress[ipm_sw(pf, IPM_SW_ECN_ENCAP)][column], inner_tos);
}

/* [MAN-ecn-04] [MAN-ecn-06] The page's exit looks at the sysctl. */
static uint32_t
egress(const struct ipm_profile *pf, int32_t ecn)
{
	if (ipm_sw(pf, IPM_SW_ECN_DECAP_SYSCTL) == IPM_OFF)
		return ipm_sw(pf, IPM_SW_ECN_DECAP);
	return ecn != 0 ? IPM_ECN_GIF : IPM_ECN_NONE;
}

enum ipm_reason
ipm_knob_ecn_egress(const struct ipm_profile *pf, int32_t ecn,
    uint8_t outer_tos, uint8_t inner_tos, uint8_t *new_tos)
{
	return ipm_ecn_decap(egress(pf, ecn),
	    ipm_sw(pf, IPM_SW_STRICT) == IPM_ON, outer_tos, inner_tos, new_tos);
}

struct ipm_decap_rules
ipm_knob_decap_rules(const struct ipm_profile *pf, int32_t ecn)
{
	bool by_sysctl = ipm_sw(pf, IPM_SW_ECN_DECAP_SYSCTL) == IPM_ON;

	return (struct ipm_decap_rules){
		.no_ecn = by_sysctl && ecn == 0,
		.ecn_gif = by_sysctl && ecn != 0,
	};
}

/* --- ESP ----------------------------------------------------------------------- */

bool
ipm_knob_ctr_blocks(const struct ipm_sysctls *s, const struct ipm_profile *pf)
{
	return ipm_sw(pf, IPM_SW_ESP_CTR_PAD) == IPM_ON &&
	    (ipm_sw(pf, IPM_SW_SYSCTL_LATER) == IPM_OFF ||
		s->v[IPM_SV_CTR_COMPATIBILITY] != 0);
}

/* --- AH ------------------------------------------------------------------------ */

/* [MAN-cleartos-01] [MAN-cleartos-02] [MAN-offsetmask-01] */
struct ipm_ah_knobs
ipm_knob_ah(const struct ipm_sysctls *s)
{
	return (struct ipm_ah_knobs){
		.cleartos = s->v[IPM_SV_AH_CLEARTOS] != 0,
		.offsetmask = (uint16_t)s->v[IPM_SV_AH_OFFSETMASK],
	};
}

/* --- policy -------------------------------------------------------------------- */

/* [MAN-defpolicy-02] [MAN-defpolicy-03] [MAN-defpolicy-04] [MAN-defpolicy-05] */
enum ipm_policy
ipm_knob_def_policy(
    const struct ipm_sysctls *s, const struct ipm_profile *pf, uint8_t version)
{
	int32_t v = ipm_sysvar(
	    s, pf, version == 6 ? IPM_SV_DEF_POLICY6 : IPM_SV_DEF_POLICY);

	return v == 0 ? IPM_POLICY_DISCARD : IPM_POLICY_NONE;
}

/*
 * The four variables of a family: by protocol (ESP, AH), then by mode
 * [MAN-deflev-04] [MAN-deflev-05] [MAN-deflev-06] [MAN-deflev-07]
 * [MAN-deflev-08] [MAN-deflev-09] [MAN-deflev-10] [MAN-deflev-11].
 */
static const enum ipm_sysvar deflevs[2][2][2] = {
	{ { IPM_SV_ESP_TRANS_DEFLEV4, IPM_SV_ESP_NET_DEFLEV4 },
	    { IPM_SV_AH_TRANS_DEFLEV4, IPM_SV_AH_NET_DEFLEV4 } },
	{ { IPM_SV_ESP_TRANS_DEFLEV6, IPM_SV_ESP_NET_DEFLEV6 },
	    { IPM_SV_AH_TRANS_DEFLEV6, IPM_SV_AH_NET_DEFLEV6 } },
};

/* [MAN-deflev-01] What is no level becomes require, for good. */
static unsigned
rewrite(struct ipm_sysctls *s, const enum ipm_sysvar vars[2][2])
{
	unsigned n = 0;

	for (size_t i = 0; i < 4; i++) {
		int32_t *v = &s->v[vars[i / 2][i % 2]];

		if (*v != IPM_LEVEL_USE && *v != IPM_LEVEL_REQUIRE &&
		    *v != IPM_LEVEL_UNIQUE) {
			*v = IPM_LEVEL_REQUIRE;
			n++;
		}
	}
	return n;
}

/* [MAN-level-05] The variable of the request's protocol and mode. */
static enum ipm_level
by_default(const struct ipm_sysctls *s, const struct ipm_profile *pf,
    const struct ipm_request *req, const enum ipm_sysvar vars[2][2])
{
	enum ipm_level level;

	if (req->proto != IPM_PROTO_ESP && req->proto != IPM_PROTO_AH)
		return IPM_LEVEL_USE; /* [MAN-deflev-12] */
	level = (enum ipm_level)s->v[vars[req->proto == IPM_PROTO_AH]
					 [req->mode == IPM_MODE_TUNNEL]];
	if (level == IPM_LEVEL_UNIQUE &&
	    ipm_sw(pf, IPM_SW_DEFLEV_THREE) == IPM_DEFLEV3_REQUIRE)
		return IPM_LEVEL_REQUIRE;
	return level;
}

enum ipm_level
ipm_knob_level(struct ipm_sysctls *s, const struct ipm_profile *pf,
    const struct ipm_request *req, uint8_t version, unsigned scope,
    unsigned *rewritten)
{
	const enum ipm_sysvar(*vars)[2] = deflevs[version == 6];
	unsigned n;

	if (rewritten != NULL)
		*rewritten = 0;
	if ((scope & IPM_SCOPE_IFNET) != 0)
		return IPM_LEVEL_REQUIRE;
	n = rewrite(s, vars);
	if (rewritten != NULL)
		*rewritten = n;
	/* [MAN-deflev-02] [MAN-deflev-03] [MAN-deflev-13] Read at each use. */
	if (req->level == IPM_LEVEL_DEFAULT)
		return by_default(s, pf, req, vars);
	/* [MAN-level-01] [MAN-level-02] [MAN-level-03] */
	return req->level == IPM_LEVEL_USE ? IPM_LEVEL_USE : IPM_LEVEL_REQUIRE;
}

/* [MAN-enable-01] [MAN-enable-05] [MAN-enable-06] [MAN-enable-07] */
bool
ipm_knob_enabled(const struct ipm_sysctls *s, unsigned proto)
{
	switch (proto) {
	case IPM_PROTO_ESP:
		return s->v[IPM_SV_ESP_ENABLE] != 0;
	case IPM_PROTO_AH:
		return s->v[IPM_SV_AH_ENABLE] != 0;
	case IPM_PROTO_IPCOMP:
		return s->v[IPM_SV_IPCOMP_ENABLE] != 0;
	default:
		return true;
	}
}

/* [MAN-policyhist-06] The check itself is the input path's. */
bool
ipm_knob_history(const struct ipm_sysctls *s)
{
	return s->v[IPM_SV_CHECK_POLICY_HISTORY] != 0;
}

/* --- filters ------------------------------------------------------------------- */

/* [MAN-filtertunnel-03] [MAN-filtertunnel-04] [MAN-filtertunnel-05] */
bool
ipm_knob_skips_filter(const struct ipm_sysctls *s, uint8_t version, bool tagged)
{
	return tagged &&
	    s->v[version == 6 ? IPM_SV_FILTERTUNNEL6 : IPM_SV_FILTERTUNNEL4] ==
	    0;
}

/* Bits of the masks of net.enc. */
#define ENC_BEFORE 1U
#define ENC_AFTER  2U
#define ENC_LATE   4U /* bpf alone */

/* [MAN-enc-03] [MAN-enc-04] [MAN-enc-05] */
struct ipm_enc_taps
ipm_knob_enc(const struct ipm_sysctls *s, const struct ipm_profile *pf, bool up,
    bool out, bool after)
{
	uint32_t bpf =
	    (uint32_t)
		s->v[out ? IPM_SV_ENC_OUT_BPF_MASK : IPM_SV_ENC_IN_BPF_MASK];
	uint32_t filter = (uint32_t)s->v[out ? IPM_SV_ENC_OUT_FILTER_MASK
					     : IPM_SV_ENC_IN_FILTER_MASK];
	uint32_t here = after ? ENC_AFTER : ENC_BEFORE;
	bool filtered = up && (filter & here) != 0;

	return (struct ipm_enc_taps){
		.capture = up && (bpf & here) != 0,
		.filter = filtered,
		.capture_late = filtered && (bpf & ENC_LATE) != 0 &&
		    ipm_sw(pf, IPM_SW_ENC_AFTER_FILTER) == IPM_ON,
	};
}

/* --- crypto ---------------------------------------------------------------------- */

#define CRYPTO_HARDWARE 0x01000000U
#define CRYPTO_SOFTWARE 0x02000000U

/* [MAN-crypto-01] Source: opencrypto/crypto.c crypto_newsession. */
bool
ipm_knob_software(const struct ipm_sysctls *s)
{
	uint32_t mask = (uint32_t)s->v[IPM_SV_CRYPTO_SUPPORT];

	if ((mask & (CRYPTO_HARDWARE | CRYPTO_SOFTWARE)) == 0)
		return mask == 0;
	return (mask & CRYPTO_SOFTWARE) != 0;
}

/* --- checksums behind a NAT ------------------------------------------------------ */

/* One's complement addition (RFC 1071); 0 of zeros alone. */
static uint16_t
plus(uint16_t a, uint16_t b)
{
	uint32_t sum = (uint32_t)a + b;

	return (uint16_t)(sum > 0xffff ? sum - 0xffff : sum);
}

static uint16_t
address_delta(const struct ipm_addr *sa, const struct ipm_addr *original)
{
	uint16_t d = 0;

	if (sa->family != 4 || original->family != 4 ||
	    ipm_load32(sa->octet) == ipm_load32(original->octet))
		return 0;
	for (size_t i = 0; i < 4; i += 2) {
		d = plus(d, (uint16_t)~ipm_load16(sa->octet + i));
		d = plus(d, ipm_load16(original->octet + i));
	}
	return d;
}

uint16_t
ipm_natt_delta(const struct ipm_addr *sa_src, const struct ipm_addr *sa_dst,
    const struct ipm_addr *oai, const struct ipm_addr *oar)
{
	return plus(address_delta(sa_src, oai), address_delta(sa_dst, oar));
}

/* [MAN-nattcksum-02] Whatever it was before, UDP's 0 too. */
static enum ipm_natt_repair
recompute(const struct ipm_ip *ip, uint8_t *segment, size_t len, size_t at)
{
	uint16_t sum;

	ipm_store16(segment + at, 0);
	sum = ipm_upper_sum(ip, ip->proto, ipm_span(segment, len));
	/* RFC 768: a computed 0 is sent as all ones. */
	if (sum == 0 && ip->proto == IPM_PROTO_UDP)
		sum = 0xffff;
	ipm_store16(segment + at, sum);
	return IPM_NATT_RECOMPUTED;
}

enum ipm_natt_repair
ipm_knob_natt_checksum(int32_t policy, uint16_t delta, const struct ipm_ip *ip,
    uint8_t *segment, size_t len)
{
	bool udp = ip->proto == IPM_PROTO_UDP;
	size_t at = udp ? 6 : 16;
	uint16_t sum;

	/* [MAN-nattcksum-01] */
	if ((!udp && ip->proto != IPM_PROTO_TCP) || len < at + 2)
		return IPM_NATT_KEPT;
	if (policy != 0)
		return recompute(ip, segment, len, at);
	if (delta == 0) {
		/* [MAN-nattcksum-04] */
		if (!udp)
			return IPM_NATT_VERIFIED;
		ipm_store16(segment + at, 0);
		return IPM_NATT_ZEROED;
	}
	/* [MAN-nattcksum-03] A wrong checksum stays wrong. */
	sum = ipm_load16(segment + at);
	if (udp && sum == 0)
		return IPM_NATT_KEPT;
	ipm_store16(segment + at, plus(sum, delta));
	return IPM_NATT_ADJUSTED;
}
