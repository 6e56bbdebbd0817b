/*
 * What the host answers by ICMP.  Source: FreeBSD sys/netinet/ip_icmp.c
 * icmp_error, icmp_reflect, icmp_input; netinet6/icmp6.c (facts datapath 3.8).
 */
#include <string.h>

#include "ipm_in.h"
#include "wire/ipm_upper.h"

/* Octets quoted behind the IPv4 header (net.inet.icmp.quotelen), and of a
 * whole IPv6 packet (1280 less both headers). */
#define QUOTE4 548U
#define QUOTE6 1232U

enum {
	ECHO_REPLY = 0,
	ECHO = 8,
	ECHO6 = 128,
	ECHO_REPLY6 = 129,
	REDIRECT6 = 137
};

/* IPv4 ICMP types that ask or answer; the others are errors. */
static bool
icmp4_informs(uint8_t type)
{
	return type == ECHO_REPLY || type == ECHO || type == 9 || type == 10 ||
	    (type >= 13 && type <= 18);
}

static bool
icmp6_informs(uint8_t type)
{
	return type >= ECHO6 && type != REDIRECT6;
}

static struct ipm_addr
addr_at(const uint8_t *p, uint8_t family)
{
	struct ipm_addr a = { .family = family };

	memcpy(a.octet, p, family == 4 ? 4 : 16);
	return a;
}

static size_t
header(struct ipm_path *path, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint8_t proto, uint8_t tos, bool df, size_t len,
    uint8_t *out)
{
	const struct ipm_host *h = &path->s->host;
	uint16_t id = 0;

	if (src->family == 4) {
		/* Without random octets any number will do. */
		(void)ipm_ip_id(path, df, &id);
		struct ipm_ip4_fields f = { .tos = tos,
			.ttl = h->ttl,
			.proto = proto,
			.total = (uint16_t)(IPM_IP4_HLEN + len),
			.id = id,
			.df = df };

		memcpy(f.src, src->octet, 4);
		memcpy(f.dst, dst->octet, 4);
		ipm_ip4_build(out, &f);
		return IPM_IP4_HLEN;
	}
	struct ipm_ip6_fields f = { .tclass = tos,
		.hlim = h->hlim,
		.nh = proto,
		.plen = (uint16_t)len };

	memcpy(f.src, src->octet, 16);
	memcpy(f.dst, dst->octet, 16);
	ipm_ip6_build(out, &f);
	return IPM_IP6_HLEN;
}

void
ipm_reply(struct ipm_path *path, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint8_t proto, uint8_t tos, bool df,
    const uint8_t *data, size_t len)
{
	/* Nothing waits in it any more: a reply ends its packet. */
	uint8_t *p = path->work->reass;
	size_t most = 65535U - (src->family == 4 ? IPM_IP4_HLEN : 0U), hlen;
	int err;

	if (len > most)
		return;
	hlen = src->family == 4 ? IPM_IP4_HLEN : IPM_IP6_HLEN;
	memmove(p + hlen, data, len);
	(void)header(path, src, dst, proto, tos, df, len, p);
	(void)ipm_output(path, 0, ipm_span(p, hlen + len), &err);
}

/* Fills in the checksum of an ICMP message and sends it. */
static void
send_icmp(struct ipm_path *path, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint8_t tos, bool df, uint8_t *msg, size_t len)
{
	bool v4 = src->family == 4;
	struct ipm_ip ip = { .src = *src, .dst = *dst };
	struct ipm_span s = ipm_span(msg, len);

	ipm_store16(msg + 2, 0);
	ipm_store16(msg + 2,
	    v4 ? ipm_sum_fold(ipm_sum_add(0, s))
	       : ipm_upper_sum(&ip, IPM_PROTO_ICMPV6, s));
	ipm_reply(path, src, dst, v4 ? IPM_PROTO_ICMP : IPM_PROTO_ICMPV6, tos,
	    df, msg, len);
}

/* From whom: the address that was asked, if it is this host's, else the one
 * that packets to the sender leave by. */
static bool
answering_address(const struct ipm_path *path, const struct ipm_addr *asked,
    const struct ipm_addr *sender, struct ipm_addr *src)
{
	*src = *asked;
	if (!ipm_is_multicast(asked) &&
	    !ipm_is_broadcast(&path->s->host, asked) &&
	    ipm_host_is_local(&path->s->host, asked))
		return true;
	return ipm_host_source(&path->s->host, sender, src);
}

/* RFC 1122 3.2.2: never about an error, a later fragment, a packet to many or
 * from nobody; and FreeBSD never about what came encrypted. */
static bool
may_answer4(const struct ipm_path *path, struct ipm_span p)
{
	size_t hlen = (size_t)(p.p[0] & 15) * 4;
	struct ipm_addr src = addr_at(p.p + 12, 4), dst = addr_at(p.p + 16, 4);
	uint32_t from = ipm_load32(src.octet);

	if ((ipm_load16(p.p + 6) & 0x9fff) != 0)
		return false;
	if (ipm_is_multicast(&dst) || ipm_is_broadcast(&path->s->host, &dst))
		return false;
	if (from == 0 || (from >> 24 == 127) || from >> 28 >= 14)
		return false;
	return p.p[9] != IPM_PROTO_ICMP || p.len <= hlen ||
	    icmp4_informs(p.p[hlen]);
}

/* How much of the packet is quoted behind its header. */
static size_t
quote4(struct ipm_span p)
{
	size_t hlen = (size_t)(p.p[0] & 15) * 4;
	size_t data = p.len - hlen, most = QUOTE4;

	/* All of a TCP header. */
	if (p.p[9] == IPM_PROTO_TCP && data >= 20 &&
	    (size_t)(p.p[hlen + 12] >> 4) * 4 > most)
		most = (size_t)(p.p[hlen + 12] >> 4) * 4;
	return hlen + (data < most ? data : most);
}

static void
error4(struct ipm_path *path, struct ipm_span about, uint8_t type, uint8_t code,
    uint32_t param)
{
	struct ipm_addr to, asked, src;
	uint8_t msg[8 + 60 + QUOTE4];
	size_t n;

	if (about.len < IPM_IP4_HLEN ||
	    about.len < (size_t)(about.p[0] & 15) * 4 ||
	    !may_answer4(path, about))
		return;
	to = addr_at(about.p + 12, 4);
	asked = addr_at(about.p + 16, 4);
	if (!answering_address(path, &asked, &to, &src))
		return;
	n = quote4(about);
	memset(msg, 0, 8);
	msg[0] = type;
	msg[1] = code;
	ipm_store32(msg + 4, param);
	memcpy(msg + 8, about.p, n);
	ipm_count(path, IPM_ST_ICMP_outhist_sent);
	send_icmp(path, &src, &to, 0, false, msg, 8 + n);
}

/* RFC 4443 2.4 (e). */
static bool
may_answer6(struct ipm_span p, uint8_t type, uint8_t code)
{
	struct ipm_addr src = addr_at(p.p + 8, 6), dst = addr_at(p.p + 24, 6);
	static const uint8_t zero[16];
	struct ipm_ip ip;

	if (ipm_is_multicast(&dst) && type != IPM_ICMP6_TOO_BIG &&
	    (type != IPM_ICMP6_PARAMPROB || code != IPM_ICMP6_PARAM_OPTION))
		return false;
	if (ipm_is_multicast(&src) || memcmp(src.octet, zero, 16) == 0)
		return false;
	if (ipm_ip_parse(p, false, &ip) != IPM_R_OK ||
	    ip.proto != IPM_PROTO_ICMPV6 || ip.packet.len <= ip.hlen)
		return true;
	return icmp6_informs(p.p[ip.hlen]);
}

static void
error6(struct ipm_path *path, struct ipm_span about, uint8_t type, uint8_t code,
    uint32_t param)
{
	struct ipm_addr to, asked, src;
	uint8_t msg[8 + QUOTE6];
	size_t n = about.len < QUOTE6 ? about.len : QUOTE6;

	if (about.len < IPM_IP6_HLEN || !may_answer6(about, type, code)) {
		ipm_count(path, IPM_ST_ICMP6_canterror);
		return;
	}
	to = addr_at(about.p + 8, 6);
	asked = addr_at(about.p + 24, 6);
	if (!answering_address(path, &asked, &to, &src))
		return;
	memset(msg, 0, 8);
	msg[0] = type;
	msg[1] = code;
	ipm_store32(msg + 4, param);
	memcpy(msg + 8, about.p, n);
	send_icmp(path, &src, &to, 0, false, msg, 8 + n);
}

void
ipm_icmp_error(struct ipm_path *path, struct ipm_span about, unsigned flags,
    uint8_t type, uint8_t code, uint32_t param)
{
	bool v4 = about.len != 0 && about.p[0] >> 4 == 4;
	/* [MAN-icmp-01] What came encrypted is not told of in the clear. */
	bool silent = (flags & IPM_M_DECRYPTED) != 0 &&
	    ipm_sw(path->pf, IPM_SW_ICMP_DECRYPTED) == IPM_ICMP_SUPPRESS;

	ipm_count(path, v4 ? IPM_ST_ICMP_error : IPM_ST_ICMP6_error);
	if (silent && !v4)
		ipm_count(path, IPM_ST_ICMP6_canterror);
	if (silent)
		return;
	if (v4)
		error4(path, about, type, code, param);
	else
		error6(path, about, type, code, param);
}

/* --- what the host is told, and asked ------------------------------------------- */

static bool
sum_ok(const struct ipm_in *in, struct ipm_span msg)
{
	struct ipm_ip ip;

	if (in->family == 4)
		return ipm_sum_fold(ipm_sum_add(0, msg)) == 0;
	ipm_in_view(in, in->off, IPM_PROTO_ICMPV6, 6, &ip);
	return ipm_upper_sum(&ip, IPM_PROTO_ICMPV6, msg) == 0;
}

static void
echo_reply(struct ipm_in *in, size_t len)
{
	struct ipm_addr asked = ipm_in_dst(in), to = ipm_in_src(in), src;
	bool v4 = in->family == 4;
	uint8_t *msg = in->m.p + in->off;
	bool df = v4 && (in->m.p[6] & 0x40) != 0;

	if (!answering_address(in->path, &asked, &to, &src))
		return;
	if (v4 && !may_answer4(in->path, ipm_in_span(in)))
		return;
	msg[0] = v4 ? ECHO_REPLY : ECHO_REPLY6;
	send_icmp(in->path, &src, &to, v4 ? in->m.p[1] : 0, df, msg, len);
}

enum ipm_go
ipm_icmp_input(struct ipm_in *in)
{
	struct ipm_span msg = ipm_span_from(ipm_in_span(in), in->off);

	if (msg.len < 8 || !sum_ok(in, msg))
		return ipm_in_end(in, IPM_R_SEGMENT_BAD);
	if (msg.p[0] == (in->family == 4 ? ECHO : ECHO6) && msg.p[1] == 0)
		echo_reply(in, msg.len);
	return ipm_in_end(in, IPM_R_OK);
}
