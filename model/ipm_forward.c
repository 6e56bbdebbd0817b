/*
 * A packet for somebody else.  Source: FreeBSD sys/netinet/ip_input.c
 * ip_forward, ip_fastfwd.c ip_tryforward, netinet6/ip6_forward.c,
 * netipsec/ipsec_output.c ipsec4_forward (facts datapath 2.1, 3.8).
 */
#include <string.h>

#include "ipm_filter.h"
#include "ipm_in.h"

/* What is kept for an ICMP error: in IPv4 as much as fits beside the header of
 * one buffer (MHLEN), in IPv6 what an error may quote. */
#define KEPT4 168U
#define KEPT6 1232U

struct kept {
	uint8_t octets[KEPT6];
	size_t len;
};

static void
keep(struct kept *k, const struct ipm_pkt *m, size_t most)
{
	k->len = m->len < most ? m->len : most;
	memcpy(k->octets, m->p, k->len);
}

static enum ipm_reason
cannot(struct ipm_path *path, bool v4, enum ipm_reason why)
{
	ipm_count(path, v4 ? IPM_ST_IP_cantforward : IPM_ST_IP6_cantforward);
	return why;
}

/* The error by which the router tells the sender (ICMP type 3). */
static void
unreachable(struct ipm_path *path, const struct kept *k, unsigned flags,
    int err, uint32_t mtu)
{
	struct ipm_span about = ipm_span(k->octets, k->len);
	bool v4 = k->octets[0] >> 4 == 4;

	/* A filter or a full queue: nobody is told. */
	if (err == IPM_EACCES || err == IPM_ENOBUFS)
		return;
	if (!v4) {
		if (err == IPM_EMSGSIZE)
			ipm_icmp_error(
			    path, about, flags, IPM_ICMP6_TOO_BIG, 0, mtu);
		else
			ipm_icmp_error(path, about, flags, IPM_ICMP6_UNREACH,
			    IPM_ICMP6_UNREACH_NOROUTE, 0);
		return;
	}
	if (err == IPM_EMSGSIZE) {
		ipm_count(path, IPM_ST_IP_cantfrag);
		ipm_icmp_error(path, about, flags, IPM_ICMP_UNREACH,
		    IPM_ICMP_UNREACH_NEEDFRAG, mtu);
		return;
	}
	ipm_icmp_error(
	    path, about, flags, IPM_ICMP_UNREACH, IPM_ICMP_UNREACH_HOST, 0);
}

static uint32_t
mtu_to(const struct ipm_path *path, const struct ipm_pkt *m)
{
	bool v4 = m->p[0] >> 4 == 4;
	struct ipm_addr dst = { .family = v4 ? 4 : 6 }, gateway;
	int i;

	memcpy(dst.octet, m->p + (v4 ? 16 : 24), v4 ? 4 : 16);
	i = ipm_host_route(&path->s->host, &dst, &gateway);
	return i < 0 ? 0 : path->s->host.iface[i].mtu;
}

/*
 * [ARCH-5.1.2.1-09] The TTL or hop limit, one less.  The IPv4 checksum is wrong
 * then until the packet leaves, as filters see.
 */
static bool
one_hop_less(struct ipm_pkt *m)
{
	size_t at = m->p[0] >> 4 == 4 ? 8 : 7;

	if (m->p[at] <= 1)
		return false;
	m->p[at]--;
	return true;
}

static enum ipm_reason
ttl_exceeded(struct ipm_path *path, const struct ipm_pkt *m)
{
	bool v4 = m->p[0] >> 4 == 4;

	ipm_icmp_error(path, ipm_span(m->p, m->len), m->flags,
	    v4 ? IPM_ICMP_TIMXCEED : IPM_ICMP6_TIMXCEED, 0, 0);
	return IPM_R_TTL_EXCEEDED;
}

/*
 * IPSEC_FORWARD: the inbound policy, then the outbound one without ports.
 * 0 go on; else *fate is set.  No ICMP error in any case.
 */
static int
ipsec_forward(struct ipm_path *path, struct ipm_pkt *m, enum ipm_reason *fate)
{
	if (ipm_policy_rejects(path, m, 0)) {
		*fate = IPM_R_POLICY_MISMATCH;
		return IPM_EACCES;
	}
	return ipm_ipsec_output(path, m, 0, true, fate);
}

/* ip_output with its own look at policies, now with ports; ip6_forward has
 * none.  The packet's fate, and the errno that ip_forward sees. */
static int
send_on(struct ipm_path *path, struct ipm_pkt *m, enum ipm_reason *fate)
{
	int err = 0;

	if (m->p[0] >> 4 == 4)
		err = ipm_ipsec_output(path, m, 0, false, fate);
	if (err == 0)
		return ipm_ip_output(path, m, 0, true, fate);
	return err == IPM_CONSUMED ? 0 : err;
}

/* in_canforward: not to groups, to class E, to a link alone, to net 0 or
 * loopback. */
static bool
can_forward4(const struct ipm_path *path, const struct ipm_addr *a)
{
	uint8_t net = a->octet[0];

	return net != 0 && net != 127 && net < 224 &&
	    (net != 169 || a->octet[1] != 254) &&
	    !ipm_is_broadcast(&path->s->host, a);
}

static bool
can_forward6(const struct ipm_pkt *m)
{
	static const uint8_t zero[16];

	return m->p[24] != 0xff && memcmp(m->p + 8, zero, 16) != 0;
}

static bool
may_forward(const struct ipm_path *path, const struct ipm_pkt *m)
{
	struct ipm_addr dst = { .family = 4 };

	if (m->p[0] >> 4 == 6)
		return can_forward6(m);
	memcpy(dst.octet, m->p + 16, 4);
	return can_forward4(path, &dst);
}

enum ipm_reason
ipm_forward(struct ipm_path *path, struct ipm_pkt *m)
{
	bool v4 = m->p[0] >> 4 == 4;
	enum ipm_reason fate = IPM_R_FORWARDED;
	unsigned flags = m->flags;
	struct kept kept;
	uint32_t mtu;
	int err;

	if (!may_forward(path, m))
		return cannot(path, v4, IPM_R_BAD_ADDRESS);
	keep(&kept, m, v4 ? KEPT4 : KEPT6);
	if (!one_hop_less(m))
		return ttl_exceeded(path, m);
	m->forwarded = true;
	err = ipsec_forward(path, m, &fate);
	if (err == IPM_CONSUMED)
		return fate;
	if (err != 0)
		return cannot(path, v4, fate);
	mtu = mtu_to(path, m);
	err = send_on(path, m, &fate);
	if (err == 0) {
		ipm_count(path, v4 ? IPM_ST_IP_forward : IPM_ST_IP6_forward);
		return fate;
	}
	if (v4)
		ipm_count(path, IPM_ST_IP_cantforward);
	unreachable(path, &kept, flags, err, mtu);
	return fate;
}

enum ipm_reason
ipm_forward_fast(struct ipm_path *path, struct ipm_pkt *m)
{
	enum ipm_reason fate = IPM_R_FORWARDED;
	struct kept kept;
	uint32_t mtu;
	int err;

	/* It counts the packet once more. */
	ipm_count(path, IPM_ST_IP_total);
	keep(&kept, m, KEPT6);
	if (!ipm_filter_pass(
		path, IPM_FILTER_IN, m->rcvif, 4, ipm_span(m->p, m->len)))
		return IPM_R_FILTERED;
	if (!one_hop_less(m))
		return ttl_exceeded(path, m);
	/* It does not wait for ip_output with the checksum. */
	(void)ipm_ip_rewrite(
	    m->p, 4, (size_t)(m->p[0] & 15) * 4, m->len, SIZE_MAX, 0);
	m->forwarded = true;
	mtu = mtu_to(path, m);
	err = ipm_ip_output(path, m, 0, true, &fate);
	if (err == 0) {
		ipm_count(path, IPM_ST_IP_forward);
		ipm_count(path, IPM_ST_IP_fastforward);
		return fate;
	}
	if (err == IPM_EHOSTUNREACH)
		ipm_count(path, IPM_ST_IP_cantforward);
	unreachable(path, &kept, m->flags, err, mtu);
	return fate;
}
