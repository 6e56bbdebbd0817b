#ifndef IPM_ADMIT_H
#define IPM_ADMIT_H

/*
 * The policy's word on a packet that the observer has opened: was it protected
 * as the inbound policy for its clear form demands, layer by layer?  This is
 * the check of RFC 4301 5.2 step 4, which binds each layer to the request; the
 * looser one of FreeBSD's kernel is ipm_policy_rejects (ipm_path.h).
 */

#include "db/ipm_spd.h"
#include "ipm_observe.h"

/*
 * Judges an observation whose packet was opened (accept) or is clear
 * (bypass); any other reason is returned as it is.
 *
 *   now  second of the packet: the policy's last use
 *
 * The first inbound policy that matches the clear packet decides; what it lets
 * through is OK, clear packets too:
 *   no policy     a clear packet is what it was, one that came protected is
 *                 POLICY_MISMATCH: no policy names its selectors
 *   discard       POLICY_MISMATCH
 *   none, bypass  a clear packet passes, a protected one is a mismatch
 *   ipsec         each layer, outermost first, must be what the requests,
 *                 last first, name: protocol, mode, a tunnel's ends; requests
 *                 of level use or default, and IPcomp, may be missing; a layer
 *                 that no request names is a mismatch
 *
 * Source: RFC 4301 5.2; vectors/captures (XfrmInTmplMismatch, XfrmInNoPols).
 */
enum ipm_reason ipm_admit(const struct ipm_spd *spd, struct ipm_arena *a,
    const struct ipm_observation *o, uint64_t now);

#endif
