#ifndef IPM_UDPENCAP_H
#define IPM_UDPENCAP_H

/* ESP in UDP (RFC 3948): what a datagram on the port is, and its header. */

#include "../ipm_profile.h"
#include "../wire/ipm_upper.h"

enum ipm_udpencap_kind {
	IPM_UDPENCAP_ESP,
	IPM_UDPENCAP_IKE,      /* non-ESP marker, or too short for ESP */
	IPM_UDPENCAP_KEEPALIVE /* one octet 0xff */
};

/*
 * What stands in a datagram on an encapsulation port.
 * Source: RFC 3948 2.1 to 2.3; FreeBSD sys/netipsec/udpencap.c; short
 * payloads by switch natt-short.
 */
enum ipm_udpencap_kind ipm_udpencap_classify(
    const struct ipm_profile *pf, struct ipm_span payload);

/*
 * The 8 octets in front of ESP: checksum 0 (RFC 3948 2.1).  False when
 * esp_len does not fit.
 */
bool ipm_udpencap_build(
    uint16_t sport, uint16_t dport, size_t esp_len, uint8_t out[8]);

#endif
