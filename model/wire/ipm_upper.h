#ifndef IPM_UPPER_H
#define IPM_UPPER_H

/* UDP, TCP and ICMP as far as selectors, checksums and TCP-MD5 need them. */

#include "ipm_ip.h"

/*
 * What a selector can see of the upper layer.  Ports in host order; for ICMP
 * sport is the type and dport the code.  has_ports is false when the packet
 * is a later fragment or too short for them.
 */
struct ipm_upper {
	uint8_t proto;
	bool has_ports;
	uint16_t sport, dport;
	size_t off;  /* of the upper header in the packet */
	size_t hlen; /* of the upper header itself, 0 unknown */
};

void ipm_upper_parse(const struct ipm_ip *ip, struct ipm_upper *u);

/*
 * A UDP datagram at ip->hlen.  payload is trimmed to the UDP length; in IPv6
 * a UDP length of 0 stands for the rest of the packet (RFC 2675 4).
 * Returns IPM_R_OK or IPM_R_BAD_LENGTH (a fragment, not UDP, shorter than 8,
 * or shorter than its length says).
 */
struct ipm_udp {
	uint16_t sport, dport, len, sum;
	struct ipm_span payload;
};
enum ipm_reason ipm_udp_parse(const struct ipm_ip *ip, struct ipm_udp *udp);

/*
 * Checksum of an upper-layer segment with the pseudo header of `ip`:
 * 0 when the segment's own checksum field holds the right value.
 */
uint16_t ipm_upper_sum(
    const struct ipm_ip *ip, uint8_t proto, struct ipm_span segment);

/* Writes the checksum of the UDP datagram at hlen of a packet of len octets;
 * one of 0 is sent as all ones (RFC 768).  Nothing when it is no IP packet. */
void ipm_udp_fill_sum(uint8_t *packet, size_t len, size_t hlen);

/*
 * A TCP segment at ip->hlen; options is the octets behind the fixed 20.
 * Returns IPM_R_OK or IPM_R_BAD_LENGTH (a fragment, not TCP, or a data offset
 * below 20 octets or past the packet).
 */
struct ipm_tcp {
	struct ipm_span header; /* data offset * 4 octets */
	struct ipm_span options;
	struct ipm_span data;
};
enum ipm_reason ipm_tcp_parse(const struct ipm_ip *ip, struct ipm_tcp *tcp);

#endif
