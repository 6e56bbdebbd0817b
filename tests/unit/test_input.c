/*
 * IP input of both families: what is no packet, options, fragments, the chain
 * of IPv6 headers, the filter's hook.  Counters and answers are FreeBSD's
 * ip_input, ip_dooptions, ip6_input, dest6_input, route6_input, frag6_input;
 * every packet has one fate (in_box asserts it).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/in_box.h"
#include "support/rec_box.h"

#define PEER   "192.0.2.2"
#define HOST   "192.0.2.1"
#define PEER6  "2001:db8:b::2"
#define HOST6  "2001:db8:b::1"
#define REMOTE "10.2.0.7"
#define INSIDE "10.1.0.5"

static struct path_box b;
static struct in_packet k;

static void
setup(void)
{
	path_box_open(&b);
	(void)in_socket(&b, 4, IPM_PROTO_UDP, 9000, false);
	(void)in_socket(&b, 6, IPM_PROTO_UDP, 9000, false);
}

static void
teardown(void)
{
	path_box_close(&b);
}

TestSuite(input, .init = setup, .fini = teardown);

/* A datagram to the socket, with IPv4 options. */
static void
datagram4(const uint8_t *options, size_t len)
{
	uint8_t udp[64];
	size_t n = in_udp(udp, PEER, HOST, 5, 9000, "hello", 5);

	in_ip4(&k, PEER, HOST, IPM_PROTO_UDP, options, len, udp, n);
}

static void
datagram6(void)
{
	uint8_t udp[64];
	size_t n = in_udp(udp, PEER6, HOST6, 5, 9000, "hello", 5);

	in_ip6(&k, PEER6, HOST6, IPM_PROTO_UDP, udp, n);
}

static void
expect(enum ipm_reason fate, const char *counted)
{
	enum ipm_reason r = in_run(&b, &k);

	cr_expect_eq(
	    r, fate, "%s, not %s", ipm_reasons[r].name, ipm_reasons[fate].name);
	cr_expect_str_eq(in_counted(&b), counted);
}

/* Type and code of the ICMP message that was sent, "-" none. */
static const char *
answered(void)
{
	static char text[32];
	const struct path_fx *fx;
	size_t hlen;

	if (path_count(&b, IPM_FX_TRANSMIT) == 0)
		return "-";
	cr_assert_eq(path_count(&b, IPM_FX_TRANSMIT), 1);
	fx = path_nth(&b, IPM_FX_TRANSMIT, 0);
	hlen = fx->packet[0] >> 4 == 4 ? 20 : 40;
	(void)snprintf(text, sizeof text, "%u/%u %u", fx->packet[hlen],
	    fx->packet[hlen + 1], ipm_load32(fx->packet + hlen + 4));
	return text;
}

/*
 * What FreeBSD's functions answer and count (facts: EACCES 13, EINVAL 22,
 * EOPNOTSUPP 45); a packet that is refused behind IPsec counts nothing there.
 */
static const struct {
	enum ipm_reason reason;
	const char *name;
	enum ipm_verdict verdict;
	const char *counters; /* of each of the three protocols */
	int err;
} rows[] = {
	{ IPM_R_FORWARDED, "forwarded", IPM_V_TRANSMIT, "-", 0 },
	{ IPM_R_POLICY_MISMATCH, "policy-mismatch", IPM_V_DROP, "-", 13 },
	{ IPM_R_PROTO_DISABLED, "proto-disabled", IPM_V_DROP, "pdrops", 45 },
	{ IPM_R_FILTERED, "filtered", IPM_V_DROP, "-", 13 },
	{ IPM_R_NOT_LOCAL, "not-local", IPM_V_DROP, "-", 0 },
	{ IPM_R_BAD_ADDRESS, "bad-address", IPM_V_DROP, "-", 0 },
	{ IPM_R_TTL_EXCEEDED, "ttl-exceeded", IPM_V_DROP, "-", 0 },
	{ IPM_R_SOURCE_ROUTE, "source-route", IPM_V_DROP, "-", 0 },
	{ IPM_R_OPTION_UNKNOWN, "option-unknown", IPM_V_DROP, "-", 0 },
	{ IPM_R_TOO_MANY_HEADERS, "too-many-headers", IPM_V_DROP, "-", 22 },
	{ IPM_R_SEGMENT_BAD, "segment-bad", IPM_V_DROP, "-", 0 },
	{ IPM_R_NO_SOCKET, "no-socket", IPM_V_DROP, "-", 0 },
	{ IPM_R_NO_PROTOCOL, "no-protocol", IPM_V_DROP, "-", 0 },
	{ IPM_R_TCP_SIGNATURE, "tcp-signature", IPM_V_DROP, "-", 13 },
};

Test(input, rows_of_the_reasons)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct ipm_reason_row *r = &ipm_reasons[rows[i].reason];

		cr_expect_str_eq(r->name, rows[i].name);
		cr_expect_eq(r->verdict, rows[i].verdict, "%s", r->name);
		cr_expect_str_eq(r->esp, rows[i].counters, "%s", r->name);
		cr_expect_str_eq(r->ah, rows[i].counters, "%s", r->name);
		cr_expect_str_eq(r->ipcomp, rows[i].counters, "%s", r->name);
		cr_expect_eq(r->err, rows[i].err, "%s", r->name);
	}
}

/* --- IPv4: what is no packet ---------------------------------------------------- */

Test(input, a_datagram_is_delivered)
{
	datagram4(NULL, 0);
	expect(IPM_R_OK, "ips_total 1 ips_delivered 1 udps_ipackets 1");
	cr_expect_eq(path_count(&b, IPM_FX_DELIVER), 1);
	cr_expect_eq(path_nth(&b, IPM_FX_DELIVER, 0)->len, 5);
	cr_expect_arr_eq(path_nth(&b, IPM_FX_DELIVER, 0)->packet, "hello", 5);
}

/* One octet of the header changed; the checksum is made right again or not. */
static const struct {
	size_t at;
	uint8_t value;
	bool resum;
	enum ipm_reason fate;
	const char *counted;
} spoilt4[] = {
	{ 0, 0x44, true, IPM_R_IP_HEADER_BAD, "ips_total 1 ips_badhlen 1" },
	{ 0, 0x4f, false, IPM_R_IP_HEADER_BAD, "ips_total 1 ips_badhlen 1" },
	{ 8, 63, false, IPM_R_IP_SUM_BAD, "ips_total 1 ips_badsum 1" },
	{ 12, 127, true, IPM_R_BAD_ADDRESS, "ips_total 1 ips_badaddr 1" },
	{ 16, 127, true, IPM_R_BAD_ADDRESS, "ips_total 1 ips_badaddr 1" },
	{ 12, 127, false, IPM_R_BAD_ADDRESS, "ips_total 1 ips_badaddr 1" },
	{ 3, 19, true, IPM_R_IP_HEADER_BAD, "ips_total 1 ips_badlen 1" },
	{ 3, 200, true, IPM_R_TRUNCATED, "ips_total 1 ips_tooshort 1" },
};

Test(input, a_spoilt_header_counts_once)
{
	for (size_t i = 0; i < sizeof spoilt4 / sizeof spoilt4[0]; i++) {
		datagram4(NULL, 0);
		k.p[spoilt4[i].at] = spoilt4[i].value;
		if (spoilt4[i].resum)
			in_resum(&k);
		expect(spoilt4[i].fate, spoilt4[i].counted);
		cr_expect_str_eq(answered(), "-");
	}
}

/* Behind 20 octets, but within the options. */
Test(input, a_length_that_ends_in_the_options)
{
	static const uint8_t nops[4] = { 1, 1, 1, 1 };

	datagram4(nops, sizeof nops);
	ipm_store16(k.p + 2, 22);
	in_resum(&k);
	expect(IPM_R_IP_HEADER_BAD, "ips_total 1 ips_badlen 1");
}

/* ip_icmp.c icmp_error looks at the reserved bit as at an offset. */
Test(input, no_answer_about_a_reserved_bit)
{
	uint8_t udp[16];
	size_t n = in_udp(udp, PEER, HOST, 5, 1, "x", 1);

	for (unsigned reserved = 0; reserved < 2; reserved++) {
		in_ip4(&k, PEER, HOST, IPM_PROTO_UDP, NULL, 0, udp, n);
		k.p[6] = reserved ? 0x80 : 0x40;
		in_resum(&k);
		cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
		cr_expect_str_eq(answered(), reserved ? "-" : "3/3 0");
	}
}

Test(input, every_truncation_of_an_ipv4_packet)
{
	datagram4(NULL, 0);
	for (size_t n = k.len; n-- > 0;) {
		k.len = n;
		expect(IPM_R_TRUNCATED, "ips_total 1 ips_tooshort 1");
	}
}

Test(input, the_checksum_switch)
{
	datagram4(NULL, 0);
	k.p[10] ^= 1;
	cr_assert(ipm_profile_set(&b.pf, "ip-checksum", "ignore"));
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
}

Test(input, a_trailer_is_cut)
{
	datagram4(NULL, 0);
	memset(k.p + k.len, 0xee, 40);
	k.len += 40;
	expect(IPM_R_OK, "ips_total 1 ips_delivered 1 udps_ipackets 1");
	cr_expect_eq(path_nth(&b, IPM_FX_DELIVER, 0)->len, 5);
}

Test(input, neither_version)
{
	datagram4(NULL, 0);
	k.p[0] = 0x55;
	expect(IPM_R_IP_HEADER_BAD, "ips_total 1 ips_badvers 1");
	k.len = 0;
	expect(IPM_R_TRUNCATED, "ips_total 1 ips_tooshort 1");
}

Test(input, broadcast_and_no_address_are_this_hosts)
{
	static const char *const to[] = { "255.255.255.255", "192.0.2.255",
		"0.0.0.0", "224.0.0.1" };
	uint8_t udp[64];

	for (size_t i = 0; i < 4; i++) {
		size_t n = in_udp(udp, PEER, to[i], 5, 9000, "hello", 5);

		in_ip4(&k, PEER, to[i], IPM_PROTO_UDP, NULL, 0, udp, n);
		cr_expect_eq(in_run(&b, &k), IPM_R_OK, "%s", to[i]);
	}
}

Test(input, not_for_this_host)
{
	b.s.host.forwarding4 = 0;
	in_ip4(&k, REMOTE, INSIDE, IPM_PROTO_UDP, NULL, 0, k.p, 8);
	expect(IPM_R_NOT_LOCAL, "ips_total 1 ips_cantforward 1");
	b.s.host.forwarding6 = 0;
	in_ip6(&k, "2001:db8:2::7", "2001:db8:1::5", 17, k.p, 8);
	expect(IPM_R_NOT_LOCAL, "ip6s_total 1 ip6s_cantforward 1");
}

/* Groups: all hosts, and the solicited nodes of the host's addresses. */
Test(input, groups)
{
	static const struct {
		const char *group;
		enum ipm_reason fate;
	} rows4[] = {
		{ "224.0.0.1", IPM_R_OK },
		{ "224.0.0.2", IPM_R_NOT_LOCAL },
		{ "239.1.2.3", IPM_R_NOT_LOCAL },
		{ "ff02::1", IPM_R_OK },
		{ "ff02::2", IPM_R_NOT_LOCAL },
		{ "ff02::1:ff00:1", IPM_R_OK },
		{ "ff02::1:ff00:2", IPM_R_NOT_LOCAL },
		{ "ff0e::1", IPM_R_NOT_LOCAL },
	};
	uint8_t udp[64];

	for (size_t i = 0; i < sizeof rows4 / sizeof rows4[0]; i++) {
		bool v6 = rows4[i].group[0] == 'f';
		size_t n = in_udp(udp, v6 ? PEER6 : PEER, rows4[i].group, 5,
		    9000, "hello", 5);

		in_ip(&k, v6 ? PEER6 : PEER, rows4[i].group, IPM_PROTO_UDP, udp,
		    n);
		cr_expect_eq(
		    in_run(&b, &k), rows4[i].fate, "%s", rows4[i].group);
	}
}

/* --- IPv4 options (FreeBSD ip_dooptions) -------------------------------------------- */

#define BAD                                                         \
	"ips_total 1 ips_badoptions 1 ips_localout 1 icps_error 1 " \
	"icps_outhist_sent 1"

/* pointer: what the parameter problem (12/0) points at, in the high octet. */
static const struct {
	const char *name, *octets; /* hexadecimal, a multiple of 4 */
	enum ipm_reason fate;
	const char *answer;
} options4[] = {
	{ "no operation", "01010100", IPM_R_OK, "-" },
	{ "end, garbage", "00ffffff", IPM_R_OK, "-" },
	{ "no length", "01010107", IPM_R_OPTION_BAD, "12/0 402653184" },
	{ "length 1", "07010000", IPM_R_OPTION_BAD, "12/0 352321536" },
	{ "length past", "07050400", IPM_R_OPTION_BAD, "12/0 352321536" },
	{ "unknown", "fa040102", IPM_R_OK, "-" },
	{ "security", "82040000", IPM_R_OK, "-" },
	{ "router alert", "94040000", IPM_R_OK, "-" },
	{ "route, no pointer", "01010702", IPM_R_OPTION_BAD, "12/0 402653184" },
	{ "route, pointer 3", "07030300", IPM_R_OPTION_BAD, "12/0 369098752" },
	{ "route, full", "07030400", IPM_R_OK, "-" },
	{ "route, room", "0707040000000000", IPM_R_OK, "-" },
	{ "time, length 3", "44030500", IPM_R_OPTION_BAD, "12/0 352321536" },
	{ "time, pointer 4", "44080400000000", IPM_R_OPTION_BAD,
	    "12/0 352321536" },
	{ "time, full", "44040500", IPM_R_OK, "-" },
	{ "time, overflow", "440405f0", IPM_R_OPTION_BAD, "12/0 369098752" },
	{ "time, flag 2", "440c0502000000000000000000000000", IPM_R_OPTION_BAD,
	    "12/0 385875968" },
	{ "time alone", "4408050000000000", IPM_R_OK, "-" },
	{ "time and address", "440c0501000000000000000000", IPM_R_OK, "-" },
	{ "time, no room for both", "440c060100000000000000000000",
	    IPM_R_OPTION_BAD, "12/0 369098752" },
	{ "loose, used up", "8307080a000001", IPM_R_SOURCE_ROUTE, "3/5 0" },
	{ "loose, a hop left", "8307040a000001", IPM_R_SOURCE_ROUTE, "3/5 0" },
	{ "strict, used up", "8907080a000001", IPM_R_SOURCE_ROUTE, "3/5 0" },
	{ "loose, no pointer", "83020000", IPM_R_OPTION_BAD, "12/0 352321536" },
	{ "loose, pointer 3", "830303", IPM_R_OPTION_BAD, "12/0 369098752" },
};

/*
 * options-fragments tun-opt-ts-ah: the only place, which FreeBSD counts as an
 * overflow; RFC 791 3.1 has it filled.  Second 1000 is a day's 1000000th
 * millisecond.
 */
Test(input, last_place_of_a_timestamp)
{
	static const struct {
		uint32_t sw;
		const char *after;
	} rows[] = {
		{ IPM_TS_SKIP, "4408051000000000" },
		{ IPM_TS_USE, "44080900000f4240" },
	};
	uint8_t o[8], want[8], udp[64];
	size_t n = in_udp(udp, REMOTE, INSIDE, 5, 6, "opt", 3);

	for (size_t i = 0; i < 2; i++) {
		b.pf.value[IPM_SW_TS_LAST] = rows[i].sw;
		path_hex(o, sizeof o, "4408050000000000");
		in_ip4(&k, REMOTE, INSIDE, IPM_PROTO_UDP, o, 8, udp, n);
		cr_expect_eq(in_run(&b, &k), IPM_R_FORWARDED);
		path_hex(want, sizeof want, rows[i].after);
		cr_expect_arr_eq(path_nth(&b, IPM_FX_TRANSMIT, 0)->packet + 20,
		    want, 8, "%zu", i);
	}
}

Test(input, options_one_by_one)
{
	for (size_t i = 0; i < sizeof options4 / sizeof options4[0]; i++) {
		uint8_t o[40] = { 0 };
		size_t n = path_hex(o, sizeof o, options4[i].octets);
		enum ipm_reason r;

		datagram4(o, (n + 3) / 4 * 4);
		r = in_run(&b, &k);
		cr_expect_eq(r, options4[i].fate, "%s: %s", options4[i].name,
		    ipm_reasons[r].name);
		cr_expect_str_eq(
		    answered(), options4[i].answer, "%s", options4[i].name);
		if (r != IPM_R_OK)
			cr_expect_str_eq(in_counted(&b), BAD, "%s: %s",
			    options4[i].name, in_counted(&b));
	}
}

/* A host that is no router says nothing about a route with hops left. */
Test(input, a_host_drops_a_source_route_silently)
{
	uint8_t o[8] = { 0 };

	path_hex(o, sizeof o, "8307040a000001");
	datagram4(o, 8);
	b.s.host.forwarding4 = 0;
	expect(IPM_R_SOURCE_ROUTE, "ips_total 1 ips_cantforward 1");
	cr_expect_str_eq(answered(), "-");
}

/* --- fragments ------------------------------------------------------------------------- */

static void
fragment4(uint16_t word, size_t len)
{
	in_ip4(&k, PEER, HOST, IPM_PROTO_UDP, NULL, 0, k.p + 1000, len);
	ipm_store16(k.p + 6, word);
	in_resum(&k);
}

/* [ARCH-5.2-01] */
Test(input, fragments_are_joined_first)
{
	uint8_t udp[64];

	cr_assert_eq(
	    in_udp(udp, PEER, HOST, 5, 9000, "0123456789abcdef", 16), 24);
	memcpy(k.p + 1000, udp + 16, 8);
	fragment4(2, 8);
	expect(IPM_R_FRAG_PENDING, "ips_total 1 ips_fragments 1");
	memcpy(k.p + 1000, udp, 16);
	fragment4(0x2000, 16);
	expect(IPM_R_OK,
	    "ips_total 1 ips_fragments 1 ips_reassembled 1 ips_delivered 1 "
	    "udps_ipackets 1");
	cr_expect_arr_eq(
	    path_nth(&b, IPM_FX_DELIVER, 0)->packet, "0123456789abcdef", 16);
}

Test(input, fragments_that_cannot_be)
{
	fragment4(0x2000, 13);
	expect(IPM_R_FRAG_BAD, "ips_total 1 ips_toosmall 1 ips_fragdropped 1");
	fragment4(0x0003, 0);
	expect(IPM_R_FRAG_BAD, "ips_total 1 ips_toosmall 1 ips_fragdropped 1");
	fragment4(0x1fff, 64);
	expect(
	    IPM_R_FRAG_TOO_BIG, "ips_total 1 ips_fragdropped 1 ips_toolong 1");
}

/* The earlier fragment is told of when its time is over. */
Test(input, a_lost_fragment_is_told_of)
{
	fragment4(0x2000, 16);
	cr_assert_eq(in_run(&b, &k), IPM_R_FRAG_PENDING);
	b.env.sec += 31;
	b.n_fx = 0;
	datagram4(NULL, 0);
	cr_expect_eq(
	    ipm_input(&b.path, PATH_BLK1, ipm_span(k.p, k.len), 2), IPM_R_OK);
	cr_expect_eq(b.s.stats.v[IPM_ST_IP_fragtimeout], 1);
	cr_expect_eq(b.s.stats.v[IPM_ST_IP6_fragtimeout], 0);
	cr_assert_eq(path_count(&b, IPM_FX_DROP), 1);
	cr_expect_eq(path_nth(&b, IPM_FX_DROP, 0)->reason, IPM_R_FRAG_TIMEOUT);
}

static void
clock_to(uint64_t sec)
{
	b.env.sec = sec;
	b.n_fx = 0;
	ipm_clock(&b.path);
}

/* FreeBSD keeps it for 30 seconds and tells nobody (ip_reass.c). */
Test(input, the_clock_ends_a_fragment)
{
	uint64_t born = b.env.sec;

	fragment4(0x2000, 16);
	cr_assert_eq(in_run(&b, &k), IPM_R_FRAG_PENDING);
	clock_to(born + 29);
	cr_expect_eq(b.n_fx, 0);
	clock_to(born + 30);
	cr_expect_eq(b.n_fx, 1);
	cr_assert_eq(path_count(&b, IPM_FX_DROP), 1);
	cr_expect_eq(path_nth(&b, IPM_FX_DROP, 0)->reason, IPM_R_FRAG_TIMEOUT);
	cr_expect_eq(path_nth(&b, IPM_FX_DROP, 0)->family, 4);
	cr_expect_eq(b.s.stats.v[IPM_ST_IP_fragtimeout], 1);
	clock_to(born + 1000);
	cr_expect_eq(b.n_fx, 0);
}

/* --- IPv6 ------------------------------------------------------------------------------- */

Test(input, a_datagram_is_delivered6)
{
	datagram6();
	expect(IPM_R_OK, "ip6s_total 1 ip6s_delivered 1 udps_ipackets 1");
}

Test(input, every_truncation_of_an_ipv6_packet)
{
	datagram6();
	for (size_t n = k.len; n-- > 1;) {
		k.len = n;
		expect(IPM_R_TRUNCATED,
		    n < 40 ? "ip6s_total 1 ip6s_toosmall 1"
			   : "ip6s_total 1 ip6s_tooshort 1");
	}
}

static const struct {
	const char *src, *dst;
	enum ipm_reason fate;
} addresses6[] = {
	{ "ff02::1", HOST6, IPM_R_BAD_ADDRESS },
	{ PEER6, "::", IPM_R_BAD_ADDRESS },
	{ "::ffff:127.0.0.1", HOST6, IPM_R_BAD_ADDRESS },
	{ PEER6, "::ffff:192.0.2.1", IPM_R_BAD_ADDRESS },
	{ "::1", HOST6, IPM_R_BAD_ADDRESS },
	{ PEER6, "::1", IPM_R_BAD_ADDRESS },
	{ PEER6, "ff01::1", IPM_R_BAD_ADDRESS },
	{ PEER6, "ff00::1", IPM_R_BAD_ADDRESS },
	{ PEER6, "ff02::1", IPM_R_OK },
};

Test(input, addresses_no_wire_has)
{
	uint8_t udp[64];

	for (size_t i = 0; i < sizeof addresses6 / sizeof addresses6[0]; i++) {
		size_t n = in_udp(udp, addresses6[i].src, addresses6[i].dst, 5,
		    9000, "hello", 5);

		in_ip6(&k, addresses6[i].src, addresses6[i].dst, 17, udp, n);
		cr_expect_eq(in_run(&b, &k), addresses6[i].fate, "%s %s",
		    addresses6[i].src, addresses6[i].dst);
	}
}

/* Headers in front of a datagram: hexadecimal, the last one names UDP. */
static const struct {
	const char *name;
	uint8_t first;
	const char *octets;
	enum ipm_reason fate;
	const char *answer;
} chains6[] = {
	{ "hop-by-hop", 0, "1100010400000000", IPM_R_OK, "-" },
	{ "Pad1", 60, "1100000000000000", IPM_R_OK, "-" },
	{ "option past its header", 60, "1100010600000000", IPM_R_OPTION_BAD,
	    "-" },
	{ "skip unknown", 60, "11001e0401020304", IPM_R_OK, "-" },
	{ "discard unknown", 60, "11005e0401020304", IPM_R_OPTION_UNKNOWN,
	    "-" },
	{ "tell unknown", 60, "11009e0401020304", IPM_R_OPTION_UNKNOWN,
	    "4/2 42" },
	{ "tell unless multicast", 60, "1100de0401020304", IPM_R_OPTION_UNKNOWN,
	    "4/2 42" },
	{ "router alert", 0, "1100050200000100", IPM_R_OK, "-" },
	{ "router alert, length 3", 0, "1100050300000000", IPM_R_OPTION_BAD,
	    "4/0 43" },
	{ "jumbo beside a length", 0, "1100c20400010000", IPM_R_OPTION_BAD,
	    "4/0 42" },
	{ "jumbo, length 3", 0, "1100c20300010000", IPM_R_OPTION_BAD,
	    "4/0 43" },
	{ "router alert is hop-by-hop's", 60, "1100050200000100", IPM_R_OK,
	    "-" },
	{ "routing, none left", 43, "1100000000000000", IPM_R_OK, "-" },
	{ "routing, one left", 43, "1100000100000000", IPM_R_OPTION_UNKNOWN,
	    "4/0 42" },
	{ "atomic fragment", 44, "1100000000000007", IPM_R_OK, "-" },
	{ "no next header", 59, "", IPM_R_NO_PROTOCOL, "-" },
	{ "unknown protocol", 253, "", IPM_R_NO_PROTOCOL, "4/1 6" },
	{ "hop-by-hop not first", 60, "00000104000000001100010400000000",
	    IPM_R_NO_PROTOCOL, "4/1 40" },
};

Test(input, chains_one_by_one)
{
	uint8_t p[128];

	for (size_t i = 0; i < sizeof chains6 / sizeof chains6[0]; i++) {
		size_t n = path_hex(p, sizeof p, chains6[i].octets);
		enum ipm_reason r;

		n += in_udp(p + n, PEER6, HOST6, 5, 9000, "hello", 5);
		in_ip6(&k, PEER6, HOST6, chains6[i].first, p, n);
		r = in_run(&b, &k);
		cr_expect_eq(r, chains6[i].fate, "%s: %s", chains6[i].name,
		    ipm_reasons[r].name);
		cr_expect_str_eq(
		    answered(), chains6[i].answer, "%s", chains6[i].name);
	}
}

/* RFC 2675 3; a payload length of 0 with hop-by-hop options and no other. */
Test(input, jumbograms)
{
	static const struct {
		const char *octets;
		enum ipm_reason fate;
		const char *answer;
	} jumbos[] = {
		{ "1100c20400010000", IPM_R_TRUNCATED, "-" },
		{ "1100c2040000ffff", IPM_R_OPTION_BAD, "4/0 44" },
		{ "1100010400000000", IPM_R_OPTION_BAD, "4/0 4" },
	};
	uint8_t p[64];

	for (size_t i = 0; i < sizeof jumbos / sizeof jumbos[0]; i++) {
		size_t n = path_hex(p, sizeof p, jumbos[i].octets);

		n += in_udp(p + n, PEER6, HOST6, 5, 9000, "hello", 5);
		in_ip6(&k, PEER6, HOST6, 0, p, n);
		ipm_store16(k.p + 4, 0);
		cr_expect_eq(in_run(&b, &k), jumbos[i].fate, "%zu", i);
		cr_expect_str_eq(answered(), jumbos[i].answer, "%zu", i);
	}
}

/* net.inet6.ip6.hdrnestlimit is 15: the datagram may be the fifteenth. */
Test(input, headers_without_end)
{
	uint8_t p[512];

	for (size_t headers = 13; headers < 17; headers++) {
		size_t n = 0;

		for (size_t i = 0; i < headers; i++) {
			memset(p + n, 0, 8);
			p[n] = i + 1 == headers ? 17 : 60;
			n += 8;
		}
		n += in_udp(p + n, PEER6, HOST6, 5, 9000, "hello", 5);
		in_ip6(&k, PEER6, HOST6, 60, p, n);
		cr_expect_eq(in_run(&b, &k),
		    headers < 15 ? IPM_R_OK : IPM_R_TOO_MANY_HEADERS, "%zu",
		    headers);
	}
}

Test(input, ipv6_fragments_that_cannot_be)
{
	static const struct {
		const char *octets;
		size_t len;
		enum ipm_reason fate;
		const char *answer;
	} rows6[] = {
		{ "1100000100000007", 13, IPM_R_FRAG_BAD, "4/0 4" },
		{ "1100000800000007", 0, IPM_R_FRAG_BAD, "4/0 4" },
		{ "1100fff800000007", 64, IPM_R_FRAG_TOO_BIG, "4/0 42" },
		{ "1100000100000007", 16, IPM_R_FRAG_PENDING, "-" },
		{ "11000000000000", 0, IPM_R_EXT_BAD, "-" },
	};
	uint8_t p[128] = { 0 };

	for (size_t i = 0; i < sizeof rows6 / sizeof rows6[0]; i++) {
		size_t n = path_hex(p, sizeof p, rows6[i].octets);

		in_ip6(&k, PEER6, HOST6, 44, p, n + rows6[i].len);
		cr_expect_eq(in_run(&b, &k), rows6[i].fate, "%zu", i);
		cr_expect_str_eq(answered(), rows6[i].answer, "%zu", i);
	}
}

static void
fragment6(const char *header)
{
	uint8_t p[64] = { 0 };
	size_t n = path_hex(p, sizeof p, header);

	p[n] = 0xab;
	in_ip6(&k, PEER6, HOST6, 44, p, n + 16);
	cr_assert_eq(in_run(&b, &k), IPM_R_FRAG_PENDING);
}

/* RFC 8200 4.5: after 60 seconds, with the first fragment in the answer. */
Test(input, the_clock_ends_an_ipv6_fragment)
{
	uint64_t born = b.env.sec;
	const struct path_fx *fx;

	fragment6("1100000100000007");
	clock_to(born + 59);
	cr_expect_eq(b.n_fx, 0);
	clock_to(born + 60);
	cr_expect_str_eq(answered(), "3/1 0");
	fx = path_nth(&b, IPM_FX_TRANSMIT, 0);
	cr_assert_eq(fx->len, 48 + k.len);
	cr_expect_arr_eq(fx->packet + 48, k.p, k.len);
	cr_expect_eq(path_count(&b, IPM_FX_DROP), 1);
	cr_expect_eq(b.s.stats.v[IPM_ST_IP6_fragtimeout], 1);
}

/* No answer about a packet whose first fragment did not come. */
Test(input, the_clock_ends_ipv6_fragments_in_silence)
{
	uint64_t born = b.env.sec;

	fragment6("1100001100000007");
	clock_to(born + 60);
	cr_expect_str_eq(answered(), "-");
	cr_expect_eq(path_count(&b, IPM_FX_DROP), 1);
	cr_expect_eq(b.s.stats.v[IPM_ST_ICMP6_error], 0);
}

/* Each packet is answered for itself, in the order in which they began. */
Test(input, the_clock_ends_many)
{
	uint64_t born = b.env.sec;

	fragment6("1100000100000007");
	fragment6("1100000100000008");
	fragment4(0x2000, 16);
	cr_assert_eq(in_run(&b, &k), IPM_R_FRAG_PENDING);
	fragment6("1100001100000008");
	clock_to(born + 60);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 2);
	cr_expect_eq(path_count(&b, IPM_FX_DROP), 4);
	cr_assert_eq(path_nth(&b, IPM_FX_TRANSMIT, 0)->packet[48 + 47], 7);
	cr_expect_eq(path_nth(&b, IPM_FX_TRANSMIT, 1)->packet[48 + 47], 8);
}

/* RFC 2711, and FreeBSD: a router keeps a packet with a router alert. */
Test(input, a_router_alert_is_kept)
{
	uint8_t p[64];
	size_t n = path_hex(p, sizeof p, "1100050200000100");

	n += in_udp(p + n, PEER6, "2001:db8:1::5", 5, 9000, "hello", 5);
	in_ip6(&k, PEER6, "2001:db8:1::5", 0, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	p[2] = 1;
	in_ip6(&k, PEER6, "2001:db8:1::5", 0, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_FORWARDED);
}

/* --- the filter ------------------------------------------------------------------------- */

Test(input, a_filter_refuses)
{
	struct ipm_filter *f = &b.s.host.filter[0];

	b.s.host.n_filters = 1;
	*f = (struct ipm_filter){ .at = IPM_FILTER_IN,
		.family = 4,
		.proto = IPM_PROTO_UDP,
		.src = path_addr(PEER),
		.src_prefix = 31 };
	datagram4(NULL, 0);
	expect(IPM_R_FILTERED, "ips_total 1");
	f->src = path_addr("192.0.2.4");
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	f->src.family = 0;
	f->proto = IPM_PROTO_TCP;
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	f->proto = 255;
	cr_expect_eq(in_run(&b, &k), IPM_R_FILTERED);
	datagram6();
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	f->family = 0;
	expect(IPM_R_FILTERED, "ip6s_total 1");
}

/* --- recordings ------------------------------------------------------------------------- */

/* Each difference asserts; the numbers are the file's. */
Test(recorded, options_and_extension_headers)
{
	static const char *const kinds[] = { "in-opt-", "in-ext-", "in-frag-",
		"frag-inside-" };
	struct rec_count all = { 0, 0, 0 };

	for (size_t i = 0; i < 4; i++) {
		struct rec_count n =
		    rec_run("options-fragments", kinds[i], NULL, NULL);

		all.cases += n.cases;
		all.packets += n.packets;
	}
	cr_expect_eq(all.cases, 29);
	cr_expect_eq(all.packets, 158);
}

/* --- whatever comes ---------------------------------------------------------------------- */

/* Policies over small nets, of every type and bundle. */
static void
random_policies(uint64_t *seed)
{
	static const char *const ends[] = { PEER, HOST, "0.0.0.0/0",
		"192.0.2.0/24", "10.0.0.0/8", PEER6, HOST6, "::/0",
		"2001:db8::/32" };
	static const uint8_t protos[] = { 50, 51, 108 };

	for (size_t i = 0; i < 24; i++) {
		uint64_t x = db_random(seed);
		size_t v6 = x & 1, at = v6 != 0 ? 5 : 0, n = v6 != 0 ? 4 : 5;
		struct ipm_request req[2];

		for (size_t j = 0; j < 2; j++)
			req[j] = path_request(protos[(x >> (4 + j)) % 3],
			    (x >> (8 + j) & 1) != 0 ? IPM_MODE_TUNNEL
						    : IPM_MODE_TRANSPORT,
			    v6 != 0 ? PEER6 : PEER, v6 != 0 ? HOST6 : HOST,
			    (enum ipm_level)(x >> (12 + j) & 3), 7);
		(void)path_policy(&b,
		    (x >> 1 & 1) != 0 ? IPM_DIR_IN : IPM_DIR_OUT,
		    ends[at + (x >> 20) % n], ends[at + (x >> 28) % n],
		    (x >> 36 & 1) != 0 ? IPM_ULP_ANY : (uint8_t)(x >> 40 & 63),
		    (x >> 48) % 3, req,
		    (x >> 48) % 3 == IPM_POLICY_IPSEC ? 2 : 0);
	}
}

/* Nobody keys anything. */
static int
no_keys(void *ctx, const struct ipm_wanted *w)
{
	(void)ctx;
	(void)w;
	return 0;
}

/* Drops told of the packet that came; what the host made itself is told of
 * without an interface. */
static size_t
told(void)
{
	size_t n = 0;

	for (size_t i = 0; i < b.n_fx; i++)
		n += b.fx[i].kind == IPM_FX_DROP && b.fx[i].iface == PATH_BLK1;
	return n;
}

/* IPM_PACKETS in the environment, 10000 without: ./do nightly asks for more. */
static size_t
how_many(void)
{
	const char *n = getenv("IPM_PACKETS");

	return n == NULL ? 10000 : (size_t)strtoul(n, NULL, 10);
}

/*
 * Random packets and half-right ones under random policies and sysctls: one
 * fate each, a drop told of, and the state behind them the same on a second
 * run from a copy.
 */
Test(input, thousands_of_packets_have_one_fate_each)
{
	size_t packets = how_many();
	struct ipm_state copy;
	struct ipm_derived d;
	uint64_t seed = 4, fates[2] = { 0, 0 };
	size_t seen[IPM_N_REASONS] = { 0 }, kinds = 0;

	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_ANY, 32);
	(void)in_sa(&b, PEER6, HOST6, 0x1001, IPM_MODE_ANY, 32);
	random_policies(&seed);
	b.path.need_sa = no_keys;
	cr_assert_eq(ipm_state_clone(&copy, &b.s, &b.mem.alloc), IPM_OK);
	ipm_derived_init(&d, &b.provider, &b.mem.alloc);
	for (size_t run = 0; run < 2; run++) {
		seed = 4;
		if (run == 1) {
			b.path.s = &copy;
			b.path.d = &d;
		}
		for (size_t i = 0; i < packets; i++) {
			uint64_t x = db_random(&seed);
			uint8_t p[96];
			size_t n = x % 90;
			enum ipm_reason r;

			for (size_t j = 0; j < sizeof p; j++)
				p[j] = (uint8_t)(db_random(&seed) >> 5);
			if ((x >> 8 & 1) != 0)
				n = in_esp(p,
				    (x >> 9 & 1) != 0 ? 0x1000 : 0x1001,
				    (uint32_t)(x >> 20 & 255),
				    (uint8_t)(x >> 32 & 63), p + 8, n % 64);
			if ((x >> 10 & 1) != 0)
				in_ip4(&k, PEER, HOST,
				    (x >> 8 & 1) != 0 ? 50 : p[0], NULL, 0, p,
				    n);
			else
				in_ip6(&k, PEER6, HOST6,
				    (x >> 8 & 1) != 0 ? 50 : p[0], p, n);
			if ((x >> 11 & 3) == 0)
				k.p[x >> 40 & 31] ^= (uint8_t)(x >> 48);
			b.n_fx = 0;
			r = ipm_input(
			    &b.path, PATH_BLK1, ipm_span(k.p, k.len), i + 1);
			cr_assert_lt(r, IPM_N_REASONS);
			fates[run] = fates[run] * 31 + (uint64_t)r;
			seen[r]++;
		}
	}
	cr_expect_eq(fates[0], fates[1]);
	for (size_t i = 0; i < IPM_N_REASONS; i++)
		kinds += seen[i] != 0;
	cr_expect_geq(kinds, 15, "%zu", kinds);
	cr_expect_eq(ipm_state_digest(&b.s), ipm_state_digest(&copy));
	ipm_derived_free(&d);
	ipm_state_free(&copy, &b.mem.alloc);
}

/* No memory for the index of the SAs. */
Test(input, no_memory_for_the_index)
{
	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_ANY, 32);
	datagram4(NULL, 0);
	b.mem.fail_at = b.mem.calls + 1;
	expect(IPM_R_NO_MEMORY, "");
	b.mem.fail_at = 0;
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
}

/* No memory for a fragment: it alone is lost, and is told of. */
Test(input, no_memory)
{
	fragment4(0x2000, 60000);
	b.mem.fail_at = b.mem.calls + 1;
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_MEMORY);
	cr_expect_str_eq(
	    in_counted(&b), "ips_total 1 ips_fragments 1 ips_fragdropped 1");
	b.mem.fail_at = 0;
}
