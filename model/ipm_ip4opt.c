/*
 * IPv4 options of a received packet.  Source: FreeBSD sys/netinet/ip_options.c
 * ip_dooptions, with net.inet.ip.sourceroute and accept_sourceroute 0.
 */
#include <string.h>

#include "ipm_in.h"

enum {
	EOL = 0,
	NOP = 1,
	RR = 7,
	TS = 68,
	LSRR = 0x83,
	SSRR = 0x89
};

/* Flags of the timestamp option. */
enum {
	TS_ONLY = 0,
	TS_AND_ADDR = 1,
	TS_PRESPEC = 3
};

/* One option: its octets, and where it lies in the packet. */
struct option {
	uint8_t *p;
	size_t len, at;
};

/* The answer to the sender, counted as a bad option. */
static enum ipm_go
bad(struct ipm_in *in, uint8_t type, uint8_t code, size_t pointer,
    enum ipm_reason why)
{
	in->fate = why;
	ipm_icmp_error(in->path, ipm_in_span(in), in->m.flags, type, code,
	    (uint32_t)pointer << 24);
	return ipm_in_drop(in, IPM_ST_IP_badoptions, why);
}

static enum ipm_go
malformed(struct ipm_in *in, size_t pointer)
{
	return bad(in, IPM_ICMP_PARAMPROB, 0, pointer, IPM_R_OPTION_BAD);
}

/* Routers answer; hosts stay silent. */
static enum ipm_go
refuse_route(struct ipm_in *in)
{
	return bad(in, IPM_ICMP_UNREACH, IPM_ICMP_UNREACH_SRCFAIL, 0,
	    IPM_R_SOURCE_ROUTE);
}

static enum ipm_go
source_route(struct ipm_in *in, const struct option *o)
{
	struct ipm_addr dst = ipm_in_dst(in);

	if (o->len < 3)
		return malformed(in, o->at + 1);
	if (o->p[2] < 4)
		return malformed(in, o->at + 2);
	/* Not yet at the next hop, or at its end: neither is wanted. */
	if (!ipm_host_is_local(&in->path->s->host, &dst) ||
	    o->p[2] - 1U + 4U > o->len || in->path->s->host.forwarding4 != 0)
		return refuse_route(in);
	return ipm_in_drop(in, IPM_ST_IP_cantforward, IPM_R_SOURCE_ROUTE);
}

/* The address that this host writes into the option: its own that the packet
 * is for, or the one it will leave by. */
static bool
route_address(const struct ipm_in *in, struct ipm_addr *a)
{
	struct ipm_addr dst = ipm_in_dst(in);

	*a = dst;
	return ipm_host_is_local(&in->path->s->host, &dst) ||
	    ipm_host_source(&in->path->s->host, &dst, a);
}

static enum ipm_go
record_route(struct ipm_in *in, const struct option *o)
{
	struct ipm_addr a;
	size_t off;

	if (o->len < 3 || o->p[2] < 4)
		return malformed(in, o->at + 2);
	off = o->p[2] - 1U;
	if (off + 4 > o->len)
		return IPM_GO_ON;
	if (!route_address(in, &a))
		return bad(in, IPM_ICMP_UNREACH, IPM_ICMP_UNREACH_HOST, 0,
		    IPM_R_NOT_LOCAL);
	memcpy(o->p + off, a.octet, 4);
	o->p[2] = (uint8_t)(o->p[2] + 4);
	return IPM_GO_ON;
}

/* Milliseconds since midnight UT (RFC 791 3.1). */
static uint32_t
day_time(const struct ipm_env *env)
{
	return (uint32_t)(env->sec % 86400 * 1000 + env->nsec / 1000000);
}

/* The address of the receiving interface's first of the family. */
static bool
interface_address(const struct ipm_in *in, struct ipm_addr *a)
{
	const struct ipm_if *ifp;

	if (in->m.rcvif < 0)
		return false;
	ifp = &in->path->s->host.iface[in->m.rcvif];
	for (size_t i = 0; i < ifp->n_addrs; i++)
		if (ifp->addr[i].addr.family == 4) {
			*a = ifp->addr[i].addr;
			return true;
		}
	return false;
}

static enum ipm_go
timestamp(struct ipm_in *in, const struct option *o)
{
	struct ipm_addr a = { .family = 4 };
	size_t off, last = ipm_sw(in->path->pf, IPM_SW_TS_LAST) == IPM_TS_SKIP;
	uint8_t flag;

	if (o->len < 4 || o->len > 40 || o->p[2] < 5)
		return malformed(in, o->at + 1);
	off = o->p[2] - 1U;
	flag = o->p[3] & 15;
	/* FreeBSD takes the last place for one that is not there. */
	if (off + 4 + last > o->len) {
		o->p[3] = (uint8_t)(o->p[3] + 0x10);
		return (o->p[3] & 0xf0) == 0 ? malformed(in, o->at + 2)
					     : IPM_GO_ON;
	}
	if (flag != TS_ONLY && flag != TS_AND_ADDR && flag != TS_PRESPEC)
		return malformed(in, o->at + 3);
	if (flag != TS_ONLY) {
		if (off + 8 > o->len)
			return malformed(in, o->at + 2);
		if (flag == TS_AND_ADDR) {
			if (!interface_address(in, &a))
				return IPM_GO_ON;
			memcpy(o->p + off, a.octet, 4);
		} else {
			memcpy(a.octet, o->p + off, 4);
			if (!ipm_host_is_local(&in->path->s->host, &a))
				return IPM_GO_ON;
		}
		o->p[2] = (uint8_t)(o->p[2] + 4);
		off += 4;
	}
	ipm_store32(o->p + off, day_time(in->path->env));
	o->p[2] = (uint8_t)(o->p[2] + 4);
	return IPM_GO_ON;
}

static enum ipm_go
one_option(struct ipm_in *in, const struct option *o)
{
	switch (o->p[0]) {
	case LSRR:
	case SSRR:
		return source_route(in, o);
	case RR:
		return record_route(in, o);
	case TS:
		return timestamp(in, o);
	default:
		return IPM_GO_ON;
	}
}

enum ipm_go
ipm_ip4_options(struct ipm_in *in)
{
	size_t end = (size_t)(in->m.p[0] & 15) * 4, at = IPM_IP4_HLEN;

	while (at < end) {
		struct option o = { in->m.p + at, 1, at };
		enum ipm_go go;

		if (o.p[0] == EOL)
			break;
		if (o.p[0] != NOP) {
			if (end - at < 2 || o.p[1] < 2 || o.p[1] > end - at)
				return malformed(in, at + 1);
			o.len = o.p[1];
			go = one_option(in, &o);
			if (go != IPM_GO_ON)
				return go;
		}
		at += o.len;
	}
	return IPM_GO_ON;
}
