#ifndef IPM_IP_H
#define IPM_IP_H

/*
 * One IP packet as read: version 4 with its options, or version 6 with its
 * whole chain of extension headers.  The view is the only place that knows
 * where a header field lies.
 */

#include "../ipm_verdict.h"
#include "ipm_bytes.h"

enum ipm_proto {
	IPM_PROTO_HOPOPTS = 0,
	IPM_PROTO_ICMP = 1,
	IPM_PROTO_IPV4 = 4,
	IPM_PROTO_TCP = 6,
	IPM_PROTO_UDP = 17,
	IPM_PROTO_IPV6 = 41,
	IPM_PROTO_ROUTING = 43,
	IPM_PROTO_FRAGMENT = 44,
	IPM_PROTO_ESP = 50,
	IPM_PROTO_AH = 51,
	IPM_PROTO_ICMPV6 = 58,
	IPM_PROTO_NONE = 59,
	IPM_PROTO_DSTOPTS = 60,
	IPM_PROTO_IPCOMP = 108,
	IPM_PROTO_MH = 135
};

#define IPM_IP4_HLEN 20U    /* without options */
#define IPM_IP6_HLEN 40U    /* without extension headers */
#define IPM_IP_MAX   65575U /* longest packet without a jumbogram */

/* family is 4 or 6; an IPv4 address uses the first four octets, rest zero. */
struct ipm_addr {
	uint8_t family;
	uint8_t octet[16]; /* network order */
	uint32_t scope;    /* zone of a link-local address, else 0 */
};

bool ipm_addr_equal(const struct ipm_addr *a, const struct ipm_addr *b);
/* All octets zero: the unspecified address, or one not bound. */
bool ipm_addr_is_zero(const struct ipm_addr *a);
/* fe80::/10, or IPv6 multicast of the link's scope: it has a zone. */
bool ipm_addr_is_link_local(const struct ipm_addr *a);

/* Octets of an address of this family: 4 or 16. */
static inline size_t
ipm_addr_len(const struct ipm_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

struct ipm_ip {
	struct ipm_span packet;   /* trimmed to the length the header states */
	size_t trailer;           /* link-layer octets that were behind it */
	uint8_t version;          /* 4 or 6 */
	uint8_t tos;              /* IPv4 TOS, IPv6 traffic class */
	uint8_t ttl;              /* IPv4 TTL, IPv6 hop limit */
	uint32_t flow;            /* IPv6 flow label, else 0 */
	struct ipm_addr src, dst; /* as in the fixed header */

	/*
	 * The upper-layer (or IPsec) header: everything before hlen is IPv4
	 * header and options, or IPv6 header and the hop-by-hop, destination
	 * options, routing and mobility-free extension headers.  A fragment
	 * header ends the walk unless it is an atomic fragment (offset 0, no
	 * more fragments).  AH is not walked over: it is IPsec's.
	 */
	size_t hlen;      /* offset of the first octet behind them */
	uint8_t proto;    /* what stands at hlen */
	size_t proto_off; /* offset of the octet that names it */

	bool df;              /* IPv4 only */
	bool fragment;        /* offset not 0, or more fragments follow */
	bool more;            /* more fragments follow */
	uint32_t frag_id;     /* IPv4: 16 bits */
	uint32_t frag_off;    /* octets */
	uint8_t frag_nh;      /* protocol of the fragmented payload */
	size_t frag_hdr;      /* IPv6: offset of the fragment header, 0 none */
	size_t frag_prev_off; /* IPv6: offset of the octet naming it */
};

/*
 * Reads one IP packet from the front of `octets`.
 *
 *   check_sum  verify the IPv4 header checksum
 *
 * Returns IPM_R_OK, or why the packet cannot be an IP packet:
 *   IPM_R_NOT_IP         the version nibble is neither 4 nor 6
 *   IPM_R_TRUNCATED      no octets, or fewer than the length field states
 *   IPM_R_IP_HEADER_BAD  a length field that contradicts itself
 *   IPM_R_IP_SUM_BAD     IPv4 header checksum
 *   IPM_R_EXT_BAD        extension header chain runs past the packet, too
 *                        long (more than 32 headers) or out of order
 *                        (hop-by-hop not first)
 *   IPM_R_OPTION_BAD     an IPv4 option's length runs past the header
 * On anything but IPM_R_OK `ip` is filled as far as reading got and version
 * is 0 unless both addresses were read.
 *
 * Source: RFC 791 3.1, RFC 8200 3, 4; RFC 1122 3.2.1.2.
 */
enum ipm_reason ipm_ip_parse(
    struct ipm_span octets, bool check_sum, struct ipm_ip *ip);

/*
 * Rewrites a copied header for another payload: total or payload length, the
 * octet that names the protocol, the IPv4 checksum.
 *
 *   hdr        the octets [0, hlen) of a packet that ipm_ip_parse accepted
 *   total      octets of the whole packet from now on
 *   proto_off  where proto is written; SIZE_MAX leaves it
 *
 * Returns false, with nothing changed, when total does not fit the field.
 */
bool ipm_ip_rewrite(uint8_t *hdr, uint8_t version, size_t hlen, size_t total,
    size_t proto_off, uint8_t proto);

/*
 * Writes the TOS octet or traffic class of the IP header at hdr.  The IPv4
 * checksum follows by the difference (RFC 1624 3): a right one stays right.
 */
void ipm_ip_set_tos(uint8_t *hdr, uint8_t version, uint8_t tos);

/* Text of an address, RFC 5952 form; buf takes 46 octets. */
const char *ipm_addr_text(const struct ipm_addr *a, char buf[46]);

/*
 * The internet checksum (RFC 1071) of s, continuing from `sum`; start with 0.
 * ipm_sum_fold gives the 16 bits that go into the header field (complemented).
 */
uint32_t ipm_sum_add(uint32_t sum, struct ipm_span s);
uint16_t ipm_sum_fold(uint32_t sum);

/* Writes the 20 octets of an option-less IPv4 header, checksum included. */
struct ipm_ip4_fields {
	uint8_t tos, ttl, proto;
	uint16_t total, id;
	bool df;
	uint8_t src[4], dst[4];
};
void ipm_ip4_build(uint8_t out[20], const struct ipm_ip4_fields *f);

/* Writes the 40 octets of an IPv6 header. */
struct ipm_ip6_fields {
	uint8_t tclass, hlim, nh;
	uint32_t flow; /* 20 bits */
	uint16_t plen;
	uint8_t src[16], dst[16];
};
void ipm_ip6_build(uint8_t out[40], const struct ipm_ip6_fields *f);

#endif
