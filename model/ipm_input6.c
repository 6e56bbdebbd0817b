/*
 * The chain of IPv6 headers of a packet for this host.  Source: FreeBSD
 * sys/netinet6/ip6_input.c, dest6.c, route6.c, frag6.c; facts datapath 2.2
 * step 4, 2.7 step 7.
 */
#include <string.h>

#include "ipm_in.h"

/* net.inet6.ip6.hdrnestlimit */
#define NEST_MAX 15U

enum {
	OPT_PAD1 = 0,
	OPT_PADN = 1,
	OPT_ROUTER_ALERT = 5,
	OPT_JUMBO = 0xc2
};

static enum ipm_go
parameter_problem(
    struct ipm_in *in, uint8_t code, size_t pointer, enum ipm_reason why)
{
	in->fate = why;
	ipm_icmp_error(in->path, ipm_in_span(in), in->m.flags,
	    IPM_ICMP6_PARAMPROB, code, (uint32_t)pointer);
	return ipm_in_end(in, why);
}

/* [AH-3.3.3.1-06] RFC 8200 4.2: the two high bits of an unknown option say what to do. */
static enum ipm_go
unknown_option(struct ipm_in *in, size_t at)
{
	struct ipm_addr dst = ipm_in_dst(in);
	unsigned action = in->m.p[at] >> 6;

	if (action == 0)
		return IPM_GO_ON;
	if (action == 1)
		return ipm_in_end(in, IPM_R_OPTION_UNKNOWN);
	ipm_count(in->path, IPM_ST_IP6_badoptions);
	if (action == 3 && ipm_is_multicast(&dst))
		return ipm_in_end(in, IPM_R_OPTION_UNKNOWN);
	return parameter_problem(
	    in, IPM_ICMP6_PARAM_OPTION, at, IPM_R_OPTION_UNKNOWN);
}

static enum ipm_go
bad_field(struct ipm_in *in, size_t at)
{
	return parameter_problem(
	    in, IPM_ICMP6_PARAM_HEADER, at, IPM_R_OPTION_BAD);
}

/*
 * RFC 2675 3: a packet that states a length has no jumbo payload option.  One
 * that states none and has it is longer than anything that arrives here.
 */
static enum ipm_go
jumbo(struct ipm_in *in, size_t at)
{
	if (in->m.p[at + 1] != 4)
		return bad_field(in, at + 1);
	if (ipm_load16(in->m.p + 4) != 0)
		return bad_field(in, at);
	if (ipm_load32(in->m.p + at + 2) <= 65535)
		return bad_field(in, at + 2);
	return ipm_in_drop(in, IPM_ST_IP6_tooshort, IPM_R_TRUNCATED);
}

/* RFC 2711 2.1 */
static enum ipm_go
router_alert(struct ipm_in *in, size_t at)
{
	if (in->m.p[at + 1] != 2)
		return bad_field(in, at + 1);
	in->alert = true;
	return IPM_GO_ON;
}

/* The option at `at`, whose octets are there.  Some are hop-by-hop's alone. */
static enum ipm_go
one_option(struct ipm_in *in, size_t at)
{
	uint8_t type = in->m.p[at];
	bool hop_by_hop = in->nxt == IPM_PROTO_HOPOPTS;

	if (type == OPT_PADN)
		return IPM_GO_ON;
	if (type == OPT_ROUTER_ALERT && hop_by_hop)
		return router_alert(in, at);
	if (type == OPT_JUMBO && hop_by_hop)
		return jumbo(in, at);
	return unknown_option(in, at);
}

/* The options of the header [at, end). */
static enum ipm_go
walk_options(struct ipm_in *in, size_t at, size_t end)
{
	while (at < end) {
		enum ipm_go go;

		if (in->m.p[at] == OPT_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || in->m.p[at + 1] + 2U > end - at)
			return ipm_in_drop(
			    in, IPM_ST_IP6_toosmall, IPM_R_OPTION_BAD);
		go = one_option(in, at);
		if (go != IPM_GO_ON)
			return go;
		at += in->m.p[at + 1] + 2U;
	}
	return IPM_GO_ON;
}

/* Steps over a header whose length octet counts eights; its octets are there,
 * or the packet ends. */
static enum ipm_go
header_end(struct ipm_in *in, size_t *end)
{
	if (in->m.len < in->off + 8)
		return ipm_in_drop(in, IPM_ST_IP6_tooshort, IPM_R_EXT_BAD);
	*end = in->off + ((size_t)in->m.p[in->off + 1] + 1) * 8;
	if (*end > in->m.len)
		return ipm_in_drop(in, IPM_ST_IP6_tooshort, IPM_R_EXT_BAD);
	return IPM_GO_ON;
}

static enum ipm_go
step_over(struct ipm_in *in, size_t end)
{
	in->nxt = in->m.p[in->off];
	in->nxt_off = in->off;
	in->off = end;
	return IPM_GO_WALK;
}

static enum ipm_go
options_header(struct ipm_in *in)
{
	size_t end;
	enum ipm_go go = header_end(in, &end);

	if (go == IPM_GO_ON)
		go = walk_options(in, in->off + 2, end);
	return go == IPM_GO_ON ? step_over(in, end) : go;
}

enum ipm_go
ipm_hopopts(struct ipm_in *in)
{
	enum ipm_go go = options_header(in);

	if (go != IPM_GO_WALK)
		return go;
	/* No length, and no option that states it. */
	if (ipm_load16(in->m.p + 4) == 0) {
		ipm_count(in->path, IPM_ST_IP6_badoptions);
		return bad_field(in, 4);
	}
	return IPM_GO_ON;
}

/* No routing type is known: with segments left, the sender is told (RFC 5095;
 * route6_input). */
static enum ipm_go
routing_header(struct ipm_in *in)
{
	size_t end;
	enum ipm_go go = header_end(in, &end);

	if (go != IPM_GO_ON)
		return go;
	if (in->m.p[in->off + 3] == 0)
		return step_over(in, end);
	ipm_count(in->path, IPM_ST_IP6_badoptions);
	return parameter_problem(
	    in, IPM_ICMP6_PARAM_HEADER, in->off + 2, IPM_R_OPTION_UNKNOWN);
}

/* RFC 6946: nothing to wait for; the header goes. */
static enum ipm_go
atomic_fragment(struct ipm_in *in)
{
	in->m.p[in->nxt_off] = in->nxt = in->m.p[in->off];
	memmove(
	    in->m.p + in->off, in->m.p + in->off + 8, in->m.len - in->off - 8);
	in->m.len -= 8;
	ipm_store16(in->m.p + 4, (uint16_t)(in->m.len - IPM_IP6_HLEN));
	return IPM_GO_WALK;
}

static enum ipm_go
fragment_header(struct ipm_in *in)
{
	size_t off = in->off, payload;
	struct ipm_ip ip;
	enum ipm_go go;
	uint16_t word;

	if (in->m.len < off + 8)
		return ipm_in_drop(in, IPM_ST_IP6_tooshort, IPM_R_EXT_BAD);
	word = ipm_load16(in->m.p + off + 2);
	payload = in->m.len - off - 8;
	/* The pointers are frag6_input's: to the payload length. */
	if ((word & 1) != 0 && payload % 8 != 0)
		return parameter_problem(
		    in, IPM_ICMP6_PARAM_HEADER, 4, IPM_R_FRAG_BAD);
	if ((word & 0xfff9) == 0)
		return atomic_fragment(in);
	if (payload == 0)
		return parameter_problem(
		    in, IPM_ICMP6_PARAM_HEADER, 4, IPM_R_FRAG_BAD);
	if ((word & 0xfff8U) + payload > 65535)
		return parameter_problem(
		    in, IPM_ICMP6_PARAM_HEADER, off + 2, IPM_R_FRAG_TOO_BIG);
	ipm_in_view(in, off + 8, in->m.p[off], off, &ip);
	ip.fragment = true;
	ip.more = (word & 1) != 0;
	ip.frag_off = word & 0xfff8U;
	ip.frag_id = ipm_load32(in->m.p + off + 4);
	ip.frag_nh = in->m.p[off];
	ip.frag_hdr = off;
	ip.frag_prev_off = in->nxt_off;
	go = ipm_in_reassemble(in, &ip);
	if (go != IPM_GO_ON)
		return go;
	/* The first fragment's header is the packet's: it names the next. */
	in->nxt = in->m.p[in->nxt_off];
	return IPM_GO_WALK;
}

static enum ipm_go
one_header(struct ipm_in *in)
{
	switch (in->nxt) {
	case IPM_PROTO_DSTOPTS:
		return options_header(in);
	case IPM_PROTO_ROUTING:
		return routing_header(in);
	case IPM_PROTO_FRAGMENT:
		return fragment_header(in);
	default:
		return ipm_deliver6(in, in->nxt);
	}
}

/*
 * FreeBSD walks on behind an IPsec header in transport mode without
 * IPSEC_INPUT, so that a second one is an unknown protocol (facts 2.7).
 */
static bool
opens_nested(const struct ipm_in *in)
{
	return ipm_sw(in->path->pf, IPM_SW_IP6_NESTED) == IPM_NESTED_OPEN;
}

enum ipm_go
ipm_walk6(struct ipm_in *in)
{
	bool open = true;
	enum ipm_go go;

	for (unsigned nest = 1;; nest++) {
		if (nest > NEST_MAX)
			return ipm_in_drop(
			    in, IPM_ST_IP6_toomanyhdr, IPM_R_TOO_MANY_HEADERS);
		if (in->m.len < in->off)
			return ipm_in_drop(
			    in, IPM_ST_IP6_tooshort, IPM_R_EXT_BAD);
		go = ipm_ipsec_input(in, in->nxt, open);
		if (go == IPM_GO_ON)
			go = one_header(in);
		else if (go == IPM_GO_WALK)
			open = opens_nested(in);
		if (go != IPM_GO_WALK)
			return go;
	}
}
