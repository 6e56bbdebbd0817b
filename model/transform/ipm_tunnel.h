#ifndef IPM_TUNNEL_H
#define IPM_TUNNEL_H

/*
 * IP in IP, every pair of versions: what an exit checks and changes on the
 * inner packet, what an entrance writes into the outer header.
 */

#include "../ipm_profile.h"
#include "../ipm_trace.h"
#include "../wire/ipm_ip.h"

/*
 * ECN at the exit: pure, for its whole domain.  decap is the switch
 * ecn-decap (a value of it), strict the switch strict, which drops outer CE
 * over inner Not-ECT in every mode.  Gives the inner TOS octet from now on.
 * Returns IPM_R_OK or IPM_R_ECN_BAD; then *new_tos is left as it was.
 *
 * Source: RFC 4301 5.1.2.1; RFC 6040 4.2 figure 4; RFC 3168 9.1.
 */
enum ipm_reason ipm_ecn_decap(uint32_t decap, bool strict, uint8_t outer_tos,
    uint8_t inner_tos, uint8_t *new_tos);

/* ECN at the entrance: how the outer TOS comes of the inner one. */
enum ipm_ecn_encap {
	IPM_ECN_ENCAP_COPY,       /* RFC 6040, RFC 4301: all bits */
	IPM_ECN_ENCAP_CLEAR,      /* Not-ECT outside (ecn 0; Linux noecn) */
	IPM_ECN_ENCAP_CE_TO_ECT0, /* inner CE becomes ECT(0) (ecn 1; RFC 3168) */
	IPM_ECN_ENCAP_ZERO,       /* all of it 0 (gif(4), not friendly) */
	IPM_ECN_ENCAP_BUT_BIT0    /* all bits but 0x01 (gif(4), friendly) */
};
uint8_t ipm_ecn_encap(enum ipm_ecn_encap how, uint8_t inner_tos);

/* DF at the entrance; inner_df is looked at for IPv4 inner packets only. */
enum ipm_df {
	IPM_DF_CLEAR,
	IPM_DF_SET,
	IPM_DF_COPY
};
bool ipm_df_outer(enum ipm_df dfbit, uint8_t inner_version, bool inner_df);

/* What changes a tunnel's exit: SA flags of Linux, the ecn sysctl. */
struct ipm_decap_rules {
	bool no_ecn;    /* leave the inner ECN field alone */
	bool copy_dscp; /* inner DSCP becomes the outer one */
	/* The page's exit (ipm_knobs.h): as ecn-decap=gif, whatever the switch
	 * says. */
	bool ecn_gif;
};

/*
 * The inner TOS octet or traffic class behind the exit, by the switches
 * ecn-decap and strict.  IPM_R_OK with *tos, or ECN_BAD.
 */
enum ipm_reason ipm_tunnel_tos(const struct ipm_profile *pf,
    const struct ipm_decap_rules *rules, uint8_t outer_tos, uint8_t inner_tos,
    struct ipm_trace *trace, uint8_t *tos);

/*
 * The inner packet of a tunnel.
 *
 *   outer    the packet it came in
 *   nh       what the IPsec header named: 4 or 41, else NEXT_HEADER_BAD
 *   payload  writable: the TOS octet and IPv4 checksum may change in place
 *   tfc      octets behind the inner packet (RFC 4303 2.7)
 *
 * Returns IPM_R_OK with *inner (trimmed), NEXT_HEADER_BAD, INNER_BAD (version
 * against nh, lengths, IPv4 checksum by switch ip-checksum), ECN_BAD,
 * EMPTY_PAYLOAD.  IPv4 options and IPv6 extension headers are left to the
 * inner packet's own input.  On anything but OK payload is unchanged.
 *
 * Source: RFC 4301 5.1.2, 5.2; RFC 4303 3.4.4.
 */
enum ipm_reason ipm_tunnel_exit(const struct ipm_profile *pf,
    const struct ipm_decap_rules *rules, const struct ipm_ip *outer, uint8_t nh,
    uint8_t *payload, size_t len, struct ipm_trace *trace,
    struct ipm_span *inner, size_t *tfc);

/* An entrance's header; the choices are the sender's. */
struct ipm_tunnel_entrance {
	struct ipm_addr src, dst;
	uint8_t proto; /* what follows: 4, 41, 50, 51, 108, 17 */
	uint8_t tos, ttl;
	bool df;       /* IPv4 */
	uint16_t id;   /* IPv4 */
	uint32_t flow; /* IPv6 */
};

/*
 * Writes the outer header for `payload_len` octets behind it; 20 or 40 octets
 * to out.  Returns IPM_R_OK with *len, or TOO_BIG.
 */
enum ipm_reason ipm_tunnel_enter(const struct ipm_tunnel_entrance *e,
    size_t payload_len, uint8_t out[40], size_t *len);

#endif
