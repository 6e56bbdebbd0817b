#ifndef IPM_LINK_H
#define IPM_LINK_H

/*
 * From a captured frame to the IP packet in it.  Link types are libpcap's
 * numbers (LINKTYPE_*), as a capture file carries them.
 */

#include "../ipm_verdict.h"
#include "ipm_bytes.h"

/* One row per link type this model reads. */
struct ipm_linktype {
	int number; /* LINKTYPE_ */
	const char *name;
};
extern const struct ipm_linktype ipm_linktypes[];
extern const size_t ipm_n_linktypes;

/* True when frames of this link type can be read. */
bool ipm_link_known(int linktype);

/*
 * Finds the IP packet of a frame.
 *
 * Ethernet (1) with any number of 802.1Q/802.1ad tags, PPP (9, HDLC-framed
 * or not, and 50), PPPoE inside Ethernet, null (0, either byte order), loop
 * (108), raw (12, 14, 101), IPv4 (228), IPv6 (229), Linux cooked v1 (113)
 * and v2 (276), ENC (109, either byte order).
 *
 * Returns IPM_R_OK with *ip set; IPM_R_NOT_IP for a frame that carries
 * something else (ARP); IPM_R_LINK_BAD for one that is too short for its own
 * header.
 */
enum ipm_reason ipm_link_parse(
    int linktype, struct ipm_span frame, struct ipm_span *ip);

#endif
