#ifndef IPM_TCPMD5_H
#define IPM_TCPMD5_H

/* The TCP MD5 signature option (RFC 2385). */

#include "../ipm_provider.h"
#include "../wire/ipm_upper.h"

#define IPM_TCPMD5_LEN 16U

/*
 * Digest over pseudo header, the 20 octets of the TCP header without options
 * and with checksum 0, data and key (the session's).
 * Returns IPM_OK, IPM_ERR_BADARG when ip carries no whole TCP segment, or the
 * provider's error.
 */
enum ipm_err ipm_tcpmd5_digest(const struct ipm_provider *p,
    struct ipm_session *s, const struct ipm_ip *ip, uint8_t out[16]);

/* The 16 octets of option 19 in ip's segment, or NULL. */
const uint8_t *ipm_tcpmd5_find(const struct ipm_ip *ip);

/* IPM_R_OK when the option is there and holds, else ICV_BAD / BAD_LENGTH. */
enum ipm_reason ipm_tcpmd5_check(const struct ipm_provider *p,
    struct ipm_session *s, const struct ipm_ip *ip);

#endif
