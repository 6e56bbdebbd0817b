/*
 * Delivery: which socket, its policy, and what the host answers.  Expected
 * values: FreeBSD's udp_input, rip_input, tcp_input, icmp_error and the
 * recordings (selective-v4, selective-v6); RFC 768, 792, 793, 1122, 4443.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "support/in_box.h"
#include "wire/ipm_upper.h"

#define PEER  "192.0.2.2"
#define HOST  "192.0.2.1"
#define PEER6 "2001:db8:b::2"
#define HOST6 "2001:db8:b::1"

static struct path_box b;
static struct in_packet k;
static ipm_off sock4, sock6;

static void
setup(void)
{
	path_box_open(&b);
	sock4 = in_socket(&b, 4, IPM_PROTO_UDP, 9000, false);
	sock6 = in_socket(&b, 6, IPM_PROTO_UDP, 9000, false);
}

static void
teardown(void)
{
	path_box_close(&b);
}

TestSuite(deliver, .init = setup, .fini = teardown);

static void
set(const char *name, const char *value)
{
	cr_assert(ipm_profile_set(&b.pf, name, value), "%s", name);
}

static void
expect(enum ipm_reason fate, const char *counted)
{
	enum ipm_reason r = in_run(&b, &k);

	cr_expect_eq(
	    r, fate, "%s, not %s", ipm_reasons[r].name, ipm_reasons[fate].name);
	cr_expect_str_eq(in_counted(&b), counted);
}

static void
datagram(bool v6, uint16_t port)
{
	uint8_t p[64];
	size_t n = in_udp(
	    p, v6 ? PEER6 : PEER, v6 ? HOST6 : HOST, 5, port, "hello", 5);

	in_ip(&k, v6 ? PEER6 : PEER, v6 ? HOST6 : HOST, IPM_PROTO_UDP, p, n);
}

static void
require_esp(const char *src, const char *dst, uint8_t proto)
{
	struct ipm_request req = path_request(IPM_PROTO_ESP, IPM_MODE_TRANSPORT,
	    NULL, NULL, IPM_LEVEL_REQUIRE, 0);

	(void)path_policy(
	    &b, IPM_DIR_IN, src, dst, proto, IPM_POLICY_IPSEC, &req, 1);
}

static const struct path_fx *
sent(void)
{
	cr_assert_eq(path_count(&b, IPM_FX_TRANSMIT), 1, "%s", in_counted(&b));
	return path_nth(&b, IPM_FX_TRANSMIT, 0);
}

/* --- UDP -------------------------------------------------------------------------------- */

/* One field of the UDP header changed: at, value. */
static const struct {
	size_t at;
	uint16_t value;
	enum ipm_reason fate4, fate6;
	const char *counted4, *counted6;
} udps[] = {
	{ 2, 0, IPM_R_SEGMENT_BAD, IPM_R_SEGMENT_BAD, "udps_ipackets 1",
	    "udps_ipackets 1" },
	{ 4, 7, IPM_R_UDP_BAD, IPM_R_UDP_BAD, "udps_ipackets 1 udps_badlen 1",
	    "udps_ipackets 1 udps_badlen 1" },
	{ 4, 14, IPM_R_UDP_BAD, IPM_R_UDP_BAD, "udps_ipackets 1 udps_badlen 1",
	    "udps_ipackets 1 udps_badlen 1" },
	/* IPv4 may carry more than the datagram; its checksum does not fit. */
	{ 4, 12, IPM_R_UDP_BAD, IPM_R_UDP_BAD, "udps_ipackets 1 udps_badsum 1",
	    "udps_ipackets 1 udps_badlen 1" },
	{ 6, 0x1234, IPM_R_UDP_BAD, IPM_R_UDP_BAD,
	    "udps_ipackets 1 udps_badsum 1", "udps_ipackets 1 udps_badsum 1" },
	/* [NATT-ipv6-01] No checksum: fine in IPv4, refused in IPv6. */
	{ 6, 0, IPM_R_OK, IPM_R_UDP_BAD, "udps_ipackets 1 udps_nosum 1",
	    "udps_ipackets 1 udps_nosum 1" },
};

Test(deliver, spoilt_udp_headers)
{
	for (size_t i = 0; i < sizeof udps / sizeof udps[0]; i++)
		for (size_t v6 = 0; v6 < 2; v6++) {
			enum ipm_reason r;

			datagram(v6 != 0, 9000);
			ipm_store16(k.p + (v6 != 0 ? 40 : 20) + udps[i].at,
			    udps[i].value);
			r = in_run(&b, &k);
			cr_expect_eq(r, v6 != 0 ? udps[i].fate6 : udps[i].fate4,
			    "%zu: %s", i, ipm_reasons[r].name);
			cr_expect_not_null(
			    strstr(in_counted(&b),
				v6 != 0 ? udps[i].counted6 : udps[i].counted4),
			    "%zu: %s", i, in_counted(&b));
			cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
		}
}

Test(deliver, a_datagram_shorter_than_its_header)
{
	uint8_t p[8] = { 0 };

	in_ip(&k, PEER, HOST, IPM_PROTO_UDP, p, 7);
	expect(IPM_R_UDP_BAD,
	    "ips_total 1 ips_delivered 1 udps_ipackets 1 udps_hdrops 1");
	in_ip(&k, PEER6, HOST6, IPM_PROTO_UDP, p, 7);
	expect(IPM_R_UDP_BAD, "ip6s_total 1 ip6s_delivered 1");
}

/* Both ends, then the local address, then the port alone. */
Test(deliver, the_best_socket)
{
	ipm_off bound = in_socket(&b, 4, IPM_PROTO_UDP, 9000, false);
	ipm_off conn = in_socket(&b, 4, IPM_PROTO_UDP, 9000, false);
	struct ipm_pcb *p = ipm_arena_at(&b.s.arena, bound);

	p->laddr = path_addr(HOST);
	p = ipm_arena_at(&b.s.arena, conn);
	p->laddr = path_addr(HOST);
	p->faddr = path_addr(PEER);
	p->fport = 5;
	datagram(false, 9000);
	cr_assert_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(path_nth(&b, IPM_FX_DELIVER, 0)->pcb, p->id);
	p->fport = 6;
	cr_assert_eq(in_run(&b, &k), IPM_R_OK);
	p = ipm_arena_at(&b.s.arena, bound);
	cr_expect_eq(path_nth(&b, IPM_FX_DELIVER, 0)->pcb, p->id);
	p->laddr = path_addr("10.1.0.1");
	cr_assert_eq(in_run(&b, &k), IPM_R_OK);
	p = ipm_arena_at(&b.s.arena, sock4);
	cr_expect_eq(path_nth(&b, IPM_FX_DELIVER, 0)->pcb, p->id);
}

/* [ARCH-5.2-08] Clear where IPsec is required: silence. */
Test(deliver, a_policy_refuses)
{
	require_esp("192.0.2.2/32", "192.0.2.1/32", IPM_PROTO_UDP);
	require_esp(PEER6, HOST6, IPM_ULP_ANY);
	datagram(false, 9000);
	expect(IPM_R_POLICY_MISMATCH,
	    "ips_in_polvio 1 ips_total 1 ips_delivered 1 udps_ipackets 1");
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
	datagram(true, 9000);
	expect(IPM_R_POLICY_MISMATCH,
	    "ips_in_polvio 1 ip6s_total 1 ip6s_delivered 1 udps_ipackets 1");
}

/* A closed port: RFC 1122 4.1.3.1, RFC 4443 3.1; figures of the recording. */
Test(deliver, port_unreachable)
{
	const struct path_fx *fx;

	datagram(false, 9001);
	expect(IPM_R_NO_SOCKET,
	    "ips_total 1 ips_delivered 1 ips_localout 1 udps_ipackets 1 "
	    "udps_noport 1 icps_error 1 icps_outhist_sent 1");
	fx = sent();
	cr_expect_eq(fx->len, 28 + k.len);
	cr_expect_eq(fx->packet[20], 3);
	cr_expect_eq(fx->packet[21], 3);
	cr_expect_arr_eq(fx->packet + 28, k.p, k.len);
	cr_expect_eq(ipm_sum_fold(ipm_sum_add(
			 0, ipm_span(fx->packet + 20, fx->len - 20))),
	    0);
	datagram(true, 9001);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
	fx = sent();
	cr_expect_eq(fx->packet[40], 1);
	cr_expect_eq(fx->packet[41], 4);
	cr_expect_arr_eq(fx->packet + 48, k.p, k.len);
}

/* QUIRK: no socket, no policy (switch policy-without-socket). */
Test(deliver, no_policy_without_a_socket)
{
	require_esp("0.0.0.0/0", "0.0.0.0/0", IPM_ULP_ANY);
	datagram(false, 9001);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 1);
	set("policy-without-socket", "check");
	cr_expect_eq(in_run(&b, &k), IPM_R_POLICY_MISMATCH);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
}

/* --- no ICMP about what came encrypted (facts 3.8; icmp-about-decrypted) ------------- */

/* [MAN-icmp-01] */
Test(deliver, errors_about_decrypted_packets)
{
	for (size_t v6 = 0; v6 < 2; v6++) {
		const char *src = v6 != 0 ? PEER6 : PEER;
		const char *dst = v6 != 0 ? HOST6 : HOST;
		uint32_t spi = 0x1000 + (uint32_t)v6;
		uint8_t p[64], e[128];
		size_t n = in_udp(p, src, dst, 5, 9001, "hello", 5);

		(void)in_sa(&b, src, dst, spi, IPM_MODE_TRANSPORT, 0);
		n = in_esp(e, spi, 1, 17, p, n);
		in_ip(&k, src, dst, IPM_PROTO_ESP, e, n);
		set("icmp-about-decrypted", "suppress");
		cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
		cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
		cr_expect_not_null(strstr(in_counted(&b),
		    v6 != 0 ? "icp6s_error 1 icp6s_canterror 1"
			    : "icps_error 1"));
		set("icmp-about-decrypted", "send");
		cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
		cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 1);
	}
}

/* --- RFC 1122 3.2.2, RFC 4443 2.4: when no error may be sent --------------------------- */

Test(deliver, errors_that_nobody_may_send)
{
	static const char *const from[] = { "127.0.0.2", "224.0.0.1", "0.0.0.0",
		"255.255.255.255" };
	uint8_t p[64] = { 3, 3 };
	size_t n;

	b.s.host.iface[PATH_BLK1].loopback = 1;
	for (size_t i = 0; i < 4; i++) {
		n = in_udp(p, from[i], HOST, 5, 9001, "hello", 5);
		in_ip(&k, from[i], HOST, IPM_PROTO_UDP, p, n);
		cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET, "%s", from[i]);
		cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0, "%s", from[i]);
	}
	/* To a group. */
	n = in_udp(p, PEER, "224.0.0.1", 5, 9001, "hello", 5);
	in_ip(&k, PEER, "224.0.0.1", IPM_PROTO_UDP, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
	/* From nobody, in IPv6. */
	n = in_udp(p, "::", HOST6, 5, 9001, "hello", 5);
	in_ip(&k, "::", HOST6, IPM_PROTO_UDP, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
}

/* RFC 4443 2.4 (c): the answer fits 1280 octets; FreeBSD quotes 548 of IPv4. */
Test(deliver, long_packets_are_quoted_in_part)
{
	uint8_t p[1400] = { 0 };

	in_ip(&k, PEER, HOST, 253, p, sizeof p);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_PROTOCOL);
	cr_expect_eq(sent()->len, 20 + 8 + 20 + 548);
	in_ip(&k, PEER6, HOST6, 253, p, sizeof p);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_PROTOCOL);
	cr_expect_eq(sent()->len, 1280);
}

/* --- raw sockets ---------------------------------------------------------------------------- */

Test(deliver, protocols_without_a_socket)
{
	uint8_t p[16] = { 0 };

	in_ip(&k, PEER, HOST, 253, p, 16);
	expect(IPM_R_NO_PROTOCOL,
	    "ips_total 1 ips_localout 1 ips_noproto 1 icps_error 1 "
	    "icps_outhist_sent 1");
	cr_expect_eq(sent()->packet[20], 3);
	cr_expect_eq(sent()->packet[21], 2);
	/* GRE has an input of its own that says nothing. */
	in_ip(&k, PEER, HOST, 47, p, 16);
	expect(IPM_R_NO_PROTOCOL, "ips_total 1 ips_delivered 1");
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
}

Test(deliver, raw_sockets_have_copies)
{
	uint8_t p[16] = { 7, 8, 9 };
	ipm_off a = in_socket(&b, 4, 0, 253, true);

	(void)in_socket(&b, 4, 0, 253, true);
	(void)in_socket(&b, 6, 0, 253, true);
	in_ip(&k, PEER, HOST, 253, p, 16);
	expect(IPM_R_OK, "ips_total 1 ips_delivered 1");
	cr_expect_eq(path_count(&b, IPM_FX_DELIVER), 2);
	/* IPv4: with its header; IPv6: without. */
	cr_expect_eq(path_nth(&b, IPM_FX_DELIVER, 0)->len, 36);
	in_ip(&k, PEER6, HOST6, 253, p, 16);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(path_nth(&b, IPM_FX_DELIVER, 0)->len, 16);
	((struct ipm_pcb *)ipm_arena_at(&b.s.arena, a))->laddr =
	    path_addr("10.1.0.1");
	in_ip(&k, PEER, HOST, 253, p, 16);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(path_count(&b, IPM_FX_DELIVER), 1);
}

/* PR_LASTHDR (facts 2.3): these are checked before their input sees them. */
Test(deliver, last_headers_are_checked_at_once)
{
	static const uint8_t v4[] = { 1, 2, 4, 41, 46, 47, 55, 97, 103, 132 };
	static const uint8_t v6[] = { 4, 41, 47, 58, 103, 132 };
	uint8_t p[64] = { 0 };

	require_esp("0.0.0.0/0", "0.0.0.0/0", IPM_ULP_ANY);
	require_esp("::/0", "::/0", IPM_ULP_ANY);
	for (size_t i = 0; i < sizeof v4; i++) {
		in_ip(&k, PEER, HOST, v4[i], p, 64);
		expect(IPM_R_POLICY_MISMATCH, "ips_in_polvio 1 ips_total 1");
	}
	for (size_t i = 0; i < sizeof v6; i++) {
		in_ip(&k, PEER6, HOST6, v6[i], p, 64);
		expect(IPM_R_POLICY_MISMATCH,
		    "ips_in_polvio 1 ip6s_total 1 ip6s_delivered 1");
	}
}

/* --- ICMP ----------------------------------------------------------------------------------- */

static void
echo(bool v6, uint8_t type, size_t len)
{
	struct ipm_ip ip = { .src = path_addr(PEER6), .dst = path_addr(HOST6) };
	uint8_t p[256] = { 0 };

	p[0] = type;
	p[5] = 1;
	ipm_store16(p + 2,
	    v6 ? ipm_upper_sum(&ip, IPM_PROTO_ICMPV6, ipm_span(p, len))
	       : ipm_sum_fold(ipm_sum_add(0, ipm_span(p, len))));
	in_ip(&k, v6 ? PEER6 : PEER, v6 ? HOST6 : HOST,
	    v6 ? IPM_PROTO_ICMPV6 : IPM_PROTO_ICMP, p, len);
}

Test(deliver, echo_is_answered)
{
	const struct path_fx *fx;

	echo(false, 8, 40);
	expect(IPM_R_OK, "ips_total 1 ips_delivered 1 ips_localout 1");
	fx = sent();
	cr_expect_eq(fx->len, k.len);
	cr_expect_eq(fx->packet[20], 0);
	cr_expect_arr_eq(fx->packet + 12, k.p + 16, 4);
	cr_expect_arr_eq(fx->packet + 24, k.p + 24, 36);
	echo(true, 128, 40);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(sent()->packet[40], 129);
	/* A reply, an error, a wrong checksum: nothing is said. */
	echo(false, 0, 40);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
	echo(false, 8, 40);
	k.p[25] ^= 1;
	cr_expect_eq(in_run(&b, &k), IPM_R_SEGMENT_BAD);
	echo(true, 128, 40);
	k.p[45] ^= 1;
	cr_expect_eq(in_run(&b, &k), IPM_R_SEGMENT_BAD);
	echo(false, 8, 7);
	cr_expect_eq(in_run(&b, &k), IPM_R_SEGMENT_BAD);
}

/* --- TCP ------------------------------------------------------------------------------------ */

static void
segment(bool v6, uint16_t port, uint32_t seq, uint32_t ack, uint8_t flags)
{
	uint8_t p[20];
	size_t n = in_tcp(
	    p, v6 ? PEER6 : PEER, v6 ? HOST6 : HOST, 5, port, seq, ack, flags);

	in_ip(&k, v6 ? PEER6 : PEER, v6 ? HOST6 : HOST, IPM_PROTO_TCP, p, n);
}

/* RFC 793 3.4: the reset of a closed port. */
static const struct {
	uint8_t flags;     /* of the segment */
	uint32_t seq, ack; /* of the reset */
	uint8_t reset;     /* its flags, 0: none is sent */
} resets[] = {
	{ 0x02, 0, 1001, 0x14 },
	{ 0x03, 0, 1002, 0x14 },
	{ 0x00, 0, 1000, 0x14 },
	{ 0x10, 77, 0, 0x04 },
	{ 0x12, 77, 0, 0x04 },
	{ 0x04, 0, 0, 0 },
	{ 0x14, 0, 0, 0 },
};

Test(deliver, a_closed_port_resets)
{
	for (size_t i = 0; i < sizeof resets / sizeof resets[0]; i++)
		for (size_t v6 = 0; v6 < 2; v6++) {
			size_t at = v6 != 0 ? 40 : 20;
			const uint8_t *p;

			segment(v6 != 0, 81, 1000, 77, resets[i].flags);
			cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
			cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT),
			    resets[i].reset != 0, "%zu", i);
			if (resets[i].reset == 0)
				continue;
			p = sent()->packet + at;
			cr_expect_eq(ipm_load16(p), 81);
			cr_expect_eq(ipm_load32(p + 4), resets[i].seq);
			cr_expect_eq(ipm_load32(p + 8), resets[i].ack);
			cr_expect_eq(p[13], resets[i].reset);
		}
}

/* The recording's answer: no options but MSS, 1460 or 1440. */
Test(deliver, a_listener_answers_a_syn)
{
	const uint8_t *p;

	(void)in_socket(&b, 4, IPM_PROTO_TCP, 8000, false);
	(void)in_socket(&b, 6, IPM_PROTO_TCP, 8000, false);
	segment(false, 8000, 1000, 0, 0x02);
	expect(IPM_R_OK, "ips_total 1 ips_delivered 1 ips_localout 1");
	p = sent()->packet + 20;
	cr_expect_eq(ipm_load32(p + 8), 1001);
	cr_expect_eq(ipm_load32(p + 12), 0x6012ffff);
	cr_expect_eq(ipm_load32(p + 20), 0x020405b4);
	cr_expect_eq(sent()->packet[6], 0x40, "DF");
	segment(true, 8000, 1000, 0, 0x02);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(ipm_load32(sent()->packet + 60), 0x020405a0);
	segment(false, 8000, 1000, 77, 0x10);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
	cr_expect_eq(sent()->packet[33], 0x04);
	segment(false, 8000, 1000, 0, 0x04);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_SOCKET);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
	/* Policy: no reset either. */
	require_esp("0.0.0.0/0", "0.0.0.0/0", IPM_PROTO_TCP);
	segment(false, 8000, 1000, 0, 0x02);
	cr_expect_eq(in_run(&b, &k), IPM_R_POLICY_MISMATCH);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
}

Test(deliver, spoilt_segments)
{
	(void)in_socket(&b, 4, IPM_PROTO_TCP, 8000, false);
	segment(false, 8000, 1000, 0, 0x02);
	k.p[36] ^= 1;
	cr_expect_eq(in_run(&b, &k), IPM_R_SEGMENT_BAD);
	segment(false, 8000, 1000, 0, 0x02);
	k.p[32] = 0x40;
	cr_expect_eq(in_run(&b, &k), IPM_R_SEGMENT_BAD);
	k.p[32] = 0x60;
	cr_expect_eq(in_run(&b, &k), IPM_R_SEGMENT_BAD);
	segment(false, 8000, 1000, 0, 0x02);
	k.len -= 1;
	k.p[3]--;
	in_resum(&k);
	cr_expect_eq(in_run(&b, &k), IPM_R_SEGMENT_BAD);
}

/* --- TCP-MD5 (facts 3.11, RFC 2385) ---------------------------------------------------------- */

/* The frame of an exchange between 192.0.2.2 and 192.0.2.1 with the key
 * "secret": MD5 over pseudo header, header without options and checksum, key
 * (computed with Python's hashlib). */
static void
signed_syn(const char *digest)
{
	uint8_t p[40] = { 0 };
	struct ipm_ip ip = { .src = path_addr(PEER), .dst = path_addr(HOST) };

	(void)in_tcp(p, PEER, HOST, 5, 8000, 1000, 0, 0x02);
	p[12] = 0xa0;
	p[20] = 19;
	p[21] = 18;
	path_hex(p + 22, 16, digest);
	ipm_store16(p + 16, 0);
	ipm_store16(p + 16, ipm_upper_sum(&ip, IPM_PROTO_TCP, ipm_span(p, 40)));
	in_ip(&k, PEER, HOST, IPM_PROTO_TCP, p, 40);
}

Test(deliver, tcp_md5)
{
	static const char good[] = "dd177d109709605c9eab86004dd1ec7a";
	struct ipm_sa_config c = { .src = path_addr(PEER),
		.dst = path_addr(HOST),
		.proto = IPM_PROTO_TCP,
		.spi = 0x1000,
		.mode = IPM_MODE_TCPMD5,
		.auth = ipm_alg_by_name("tcp-md5"),
		.auth_key = { (const uint8_t *)"secret", 6 } };
	ipm_off sock = in_socket(&b, 4, IPM_PROTO_TCP, 8000, false), off;

	((struct ipm_pcb *)ipm_arena_at(&b.s.arena, sock))->tcp_md5 = 1;
	segment(false, 8000, 1000, 0, 0x02);
	expect(IPM_R_TCP_SIGNATURE,
	    "ips_total 1 ips_delivered 1 tcps_sig_err_nosigopt 1");
	signed_syn(good);
	expect(IPM_R_TCP_SIGNATURE,
	    "ips_total 1 ips_delivered 1 tcps_sig_err_buildsig 1");
	cr_assert_eq(
	    ipm_sad_add(&b.s.sad, &b.s.arena, &b.mem.alloc, 1, &c, &off),
	    IPM_OK);
	((struct ipm_sa *)ipm_arena_at(&b.s.arena, off))->state = IPM_SA_MATURE;
	expect(IPM_R_OK, "ips_total 1 ips_delivered 1 tcps_sig_rcvgoodsig 1");
	signed_syn("00000000000000000000000000000000");
	expect(IPM_R_TCP_SIGNATURE,
	    "ips_total 1 ips_delivered 1 tcps_sig_rcvbadsig 1");
	/* The failing one is accounted, too. */
	cr_expect_eq(
	    ((const struct ipm_sa *)ipm_arena_at(&b.s.arena, off))->packets, 2);
}
