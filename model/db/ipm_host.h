#ifndef IPM_HOST_H
#define IPM_HOST_H

/*
 * The host that the model plays: its interfaces with their addresses, its
 * routes, what it forwards, the rules of a packet filter.  Plain values of a
 * bounded number, so that they copy with the state.
 */

#include "../ipm_err.h"
#include "../wire/ipm_ip.h"
#include "ipm_digest.h"

#define IPM_IFS_MAX      8U
#define IPM_IF_NAME_MAX  16U
#define IPM_IF_ADDRS_MAX 8U
#define IPM_ROUTES_MAX   64U
#define IPM_FILTERS_MAX  16U

struct ipm_ifaddr {
	struct ipm_addr addr;
	uint8_t prefix;
};

struct ipm_if {
	char name[IPM_IF_NAME_MAX];
	uint32_t mtu;
	uint8_t up;
	uint8_t loopback;
	uint8_t n_addrs;
	struct ipm_ifaddr addr[IPM_IF_ADDRS_MAX];
};

struct ipm_route {
	struct ipm_addr net; /* host bits zero */
	uint8_t prefix;
	uint8_t iface;           /* index */
	struct ipm_addr gateway; /* family 0: on the link */
};

/* Where a packet filter looks (pfil heads; enc0 is both families'). */
enum ipm_filter_at {
	IPM_FILTER_IN,
	IPM_FILTER_OUT,
	IPM_FILTER_ENC_IN,
	IPM_FILTER_ENC_OUT
};

/* Blocks what falls under it; everything else passes. */
struct ipm_filter {
	uint8_t at;     /* enum ipm_filter_at */
	uint8_t family; /* 4, 6; 0 either */
	uint8_t proto;  /* 255 any */
	uint8_t src_prefix, dst_prefix;
	struct ipm_addr src, dst; /* family 0: any */
};

struct ipm_host {
	struct ipm_if iface[IPM_IFS_MAX];
	struct ipm_route route[IPM_ROUTES_MAX];
	struct ipm_filter filter[IPM_FILTERS_MAX];
	uint8_t n_ifs, n_routes, n_filters;
	uint8_t forwarding4, forwarding6;
	uint8_t filter_installed; /* hooks report what they see */
	uint8_t enc_up;           /* enc0 is up */
	uint8_t ttl, hlim;        /* net.inet.ip.ttl, net.inet6.ip6.hlim */
	uint8_t rfc6864, random_id;
	uint16_t ip_id;                         /* next of the counter */
	uint64_t enc_packets[2], enc_octets[2]; /* enc0: in, out */
};

/* No interfaces; ttl and hlim 64, rfc6864 1. */
void ipm_host_init(struct ipm_host *h);

/* Adds an interface (up; its index in *index), an address of one, a route (its
 * host bits are cleared; gateway NULL: on the link).  IPM_ERR_BADARG for a name
 * empty or too long, a prefix too long, families that differ or an index out of
 * range; IPM_ERR_NOMEM when the table is full; IPM_ERR_EXISTS. */
enum ipm_err ipm_host_add_if(struct ipm_host *h, const char *name, uint32_t mtu,
    bool loopback, uint8_t *index);
enum ipm_err ipm_host_add_addr(struct ipm_host *h, uint8_t iface,
    const struct ipm_addr *a, uint8_t prefix);
enum ipm_err ipm_host_add_route(struct ipm_host *h, const struct ipm_addr *net,
    uint8_t prefix, uint8_t iface, const struct ipm_addr *gateway);

/*
 * A member by its sysctl's name: net.inet.ip.ttl, forwarding, rfc6864,
 * random_id, net.inet6.ip6.hlim, forwarding; or NULL.
 */
uint8_t *ipm_host_variable(struct ipm_host *h, const char *name);

/* Interface by name, or -1. */
int ipm_host_if(const struct ipm_host *h, const char *name);
/* Is it an address of one of the host's interfaces? */
bool ipm_host_owns(const struct ipm_host *h, const struct ipm_addr *a);
/* Is it an IPv4 broadcast address: of all hosts, or of a subnet of an interface
 * (prefixes of 31 and 32 bits have none)? */
bool ipm_host_is_broadcast(const struct ipm_host *h, const struct ipm_addr *a);
/* Is it one of the two above? */
bool ipm_host_is_local(const struct ipm_host *h, const struct ipm_addr *a);
/*
 * Where a packet to dst leaves: the longest prefix among routes and the nets
 * of addresses on interfaces that are up.  An own address leaves by the
 * loopback interface, when there is one.  Returns the interface's index, or -1
 * when there is no route; *gateway family 0 on the link.
 */
int ipm_host_route(const struct ipm_host *h, const struct ipm_addr *dst,
    struct ipm_addr *gateway);
/*
 * The source address for dst: dst itself when it is the host's; else of the
 * leaving interface the first on the gateway's (or dst's) net, else its first
 * of the family.  For IPv6 a link-local address serves link-local destinations
 * and no others, as far as there is a choice (RFC 6724 5 rule 2).  False: none.
 *
 * Source: FreeBSD sys/netinet/in_pcb.c in_pcbladdr, netinet6/in6_src.c.
 */
bool ipm_host_source(
    const struct ipm_host *h, const struct ipm_addr *dst, struct ipm_addr *src);

void ipm_host_digest(const struct ipm_host *h, struct ipm_digest *d);

#endif
