#ifndef IPM_FILTER_H
#define IPM_FILTER_H

/*
 * The packet filter's hooks, and enc(4), which shows IPsec's packets to it and
 * to a capture.
 *
 * Source: FreeBSD sys/net/if_enc.c, pfil(9) (facts datapath 2.11).
 */

#include "ipm_path.h"

/*
 * A packet passes a hook: it is reported, and judged by the rules.  False: it
 * is refused.
 *
 *   iface   index as the filter sees it; -1: enc0
 *   family  of the hook: 4 or 6
 */
bool ipm_filter_pass(const struct ipm_path *path, enum ipm_filter_at at,
    int iface, uint8_t family, struct ipm_span packet);

/*
 * enc0 at one of its two places: counts, captures, filters by its masks.
 * Nothing while it is down.  False: the filter refused.
 *
 *   out     the packet is being protected, not opened
 *   before  the first place (facts 2.11), not the second
 */
bool ipm_enc(struct ipm_path *path, const struct ipm_sa *sa, bool out,
    bool before, uint8_t family, struct ipm_span packet);

#endif
