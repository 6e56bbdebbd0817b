#ifndef IPM_KNOBS_H
#define IPM_KNOBS_H

/*
 * What each sysctl that changes packets does, one function each: pure, for the
 * whole domain of its arguments.  Values are those of the variable (any
 * int32_t); what a value means may depend on the profile.
 *
 * Source: ipsec(4); FreeBSD sys/netipsec/ipsec.c, ipsec_output.c, udpencap.c,
 * net/if_enc.c (facts datapath 1.7, 2.5, 2.9 to 2.11, 3.5).
 */

#include "../db/ipm_sad.h"
#include "../db/ipm_spd.h"
#include "../ipm_sysctl.h"
#include "ipm_ah.h"
#include "ipm_tunnel.h"

/* --- tunnels ----------------------------------------------------------------- */

/* DF of the outer IPv4 header; inner_df counts for IPv4 packets only. */
bool ipm_knob_df_outer(int32_t dfbit, uint8_t inner_version, bool inner_df);

/* The ecn variable that rules a tunnel with an outer header of this version. */
int32_t ipm_knob_ecn(const struct ipm_sysctls *s, uint8_t outer_version);

/* The outer TOS octet at the entrance (switch ecn-encap). */
uint8_t ipm_knob_ecn_ingress(
    const struct ipm_profile *pf, int32_t ecn, uint8_t inner_tos);

/*
 * The inner TOS octet behind the exit (switches ecn-decap, ecn-decap-sysctl,
 * strict).  Returns IPM_R_OK, or IPM_R_ECN_BAD with *new_tos left.
 */
enum ipm_reason ipm_knob_ecn_egress(const struct ipm_profile *pf, int32_t ecn,
    uint8_t outer_tos, uint8_t inner_tos, uint8_t *new_tos);
/* The same as rules for ipm_tunnel_exit. */
struct ipm_decap_rules ipm_knob_decap_rules(
    const struct ipm_profile *pf, int32_t ecn);

/* --- ESP ----------------------------------------------------------------------- */

/* Does a sender fill AES-CTR payloads to 16-octet blocks (ipm_esp_pad_to)?
 * Switch esp-ctr-pad, and ctr_compatibility where it exists. */
bool ipm_knob_ctr_blocks(
    const struct ipm_sysctls *s, const struct ipm_profile *pf);

/* --- AH ------------------------------------------------------------------------ */

/* ah_cleartos (not 0: on), ah_offsetmask (its low 16 bits). */
struct ipm_ah_knobs ipm_knob_ah(const struct ipm_sysctls *s);

/* --- policy -------------------------------------------------------------------- */

/* The policy of packets under none: IPM_POLICY_DISCARD or IPM_POLICY_NONE. */
enum ipm_policy ipm_knob_def_policy(
    const struct ipm_sysctls *s, const struct ipm_profile *pf, uint8_t version);

/*
 * The level that counts for a request.
 *
 *   version    family of the policy's source selector, 4 or 6
 *   scope      the policy's; IPM_SCOPE_IFNET always requires
 *   rewritten  may be NULL; gets how many of the family's four variables held
 *              neither 1, 2 nor 3: the kernel writes 2 into them, whichever
 *              the request needs, and so does this
 *
 * Returns IPM_LEVEL_USE, IPM_LEVEL_REQUIRE, or for a deflev of 3
 * IPM_LEVEL_UNIQUE where that acts as use (switch deflev-3): only
 * IPM_LEVEL_REQUIRE requires.
 */
enum ipm_level ipm_knob_level(struct ipm_sysctls *s,
    const struct ipm_profile *pf, const struct ipm_request *req,
    uint8_t version, unsigned scope, unsigned *rewritten);

/* Is the protocol switched on?  True of those that have no switch. */
bool ipm_knob_enabled(const struct ipm_sysctls *s, unsigned proto);

/* check_policy_history */
bool ipm_knob_history(const struct ipm_sysctls *s);

/* --- filters ------------------------------------------------------------------- */

/*
 * Does a packet go round the input filter of IP (filtertunnel)?
 *
 *   version  of the packet as it is now
 *   tagged   it has come out of ESP or AH
 */
bool ipm_knob_skips_filter(
    const struct ipm_sysctls *s, uint8_t version, bool tagged);

/* What enc0 does with a packet at one of its two places. */
struct ipm_enc_taps {
	bool capture;
	bool filter;       /* behind the capture */
	bool capture_late; /* behind the filter, if that lets it pass */
};
/*
 *   out    on output; before: the inner packet, after: with its outer header;
 *          on input before and after the outer header goes
 *   up     enc0 is up; else nothing happens
 */
struct ipm_enc_taps ipm_knob_enc(const struct ipm_sysctls *s,
    const struct ipm_profile *pf, bool up, bool out, bool after);

/* --- crypto ---------------------------------------------------------------------- */

/*
 * Does net.inet.ipsec.crypto_support let software serve a new SA?  With neither
 * kind of driver named it is the number of one; software is driver 0 here.
 */
bool ipm_knob_software(const struct ipm_sysctls *s);

/* --- checksums behind a NAT ------------------------------------------------------ */

/*
 * What the original addresses add to a checksum: per address given (family 4,
 * else it is not) and differing, ~(address of the SA) + original address in
 * one's complement.
 */
uint16_t ipm_natt_delta(const struct ipm_addr *sa_src,
    const struct ipm_addr *sa_dst, const struct ipm_addr *oai,
    const struct ipm_addr *oar);

enum ipm_natt_repair {
	IPM_NATT_KEPT,      /* neither TCP nor UDP, too short, or UDP's 0 */
	IPM_NATT_ADJUSTED,  /* by the delta */
	IPM_NATT_VERIFIED,  /* TCP: octets unchanged, nobody checks them */
	IPM_NATT_ZEROED,    /* UDP: says that there is no checksum */
	IPM_NATT_RECOMPUTED /* for the addresses of the header */
};
/*
 * Repairs the checksum of a packet out of transport mode ESP in UDP.
 *
 *   policy   net.inet.ipsec.natt_cksum_policy
 *   ip       the packet's header: addresses and protocol
 *   segment  what stands behind it, len octets, changed in place
 */
enum ipm_natt_repair ipm_knob_natt_checksum(int32_t policy, uint16_t delta,
    const struct ipm_ip *ip, uint8_t *segment, size_t len);

#endif
