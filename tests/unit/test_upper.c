/*
 * Upper layers, as far as selectors, checksums and TCP-MD5 look.  The packets
 * were built with scapy 2.5, checksums included:
 *   IP(src='192.0.2.1', dst='198.51.100.7', id=1) / UDP(sport=500,
 *     dport=4500) / b'odd'
 * and so on.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hx_hex.h"
#include "wire/ipm_upper.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

#define IP6_ADDRS                          \
	"20010db8000000000000000000000001" \
	"20010db8000000010000000000000002"
#define UDP4                                       \
	"4500001f0001000040118e91c0000201c6336407" \
	"01f41194000b2caf6f6464"
#define UDP6 "60000000000b1140" IP6_ADDRS "01f41194000bbd756f6464"
#define TCP4                                       \
	"450000410001000040068e7ac0000201c6336407" \
	"00b39c400000000100000002a0182000706a0000" \
	"1312000102030405060708090a0b0c0d0e0f0101" \
	"6461746121"
#define TCP6                         \
	"60000000001d0640" IP6_ADDRS \
	"00b39c4000000001000000026018200085f00000020405a06461746121"
#define ICMP4                                                      \
	"450000380001000040018e88c0000201c63364070304fcfb"         \
	"00000000000000000000000000000000000000000000000000000000" \
	"00000000"
#define ICMP6 "60000000000b3a40" IP6_ADDRS "800031c70001000278797a"
#define SCTP4                                              \
	"450000200001000040848e1dc0000201c633640700070009" \
	"00000000d6cd4c8d"
#define FRAG6 "60000000000f2c40" IP6_ADDRS "11000010cafe0001ffffffffffffff"
#define FIRST4                                     \
	"450000240007200040116e86c0000201c6336407" \
	"000102030405060708090a0b0c0d0e0f"
#define LAST4 "45000019000700b940118dd8c0000201c63364070001020304"
#define ESP6  "6000000000083240" IP6_ADDRS "0000100000000001"

static struct hx_octets
octets_of(const char *hex)
{
	struct hx_octets o;

	cr_assert(hx_hex_read(hex, &o), "%s", hex);
	return o;
}

static void
parse(const struct hx_octets *o, struct ipm_ip *ip)
{
	cr_assert_eq(ipm_ip_parse(hx_span(o), true, ip), IPM_R_OK);
}

/* The packet shortened to len octets, its length field too, in its own block. */
static uint8_t *
shorten(const struct hx_octets *o, size_t len, struct ipm_ip *ip)
{
	uint8_t *p = malloc(len);

	cr_assert_not_null(p);
	memcpy(p, o->p, len);
	if (p[0] >> 4 == 4)
		ipm_store16(p + 2, (uint16_t)len);
	else
		ipm_store16(p + 4, (uint16_t)(len - 40));
	cr_assert_eq(ipm_ip_parse(ipm_span(p, len), false, ip), IPM_R_OK);
	return p;
}

/* RFC 4301 4.4.1.1: what a selector sees. */
Test(upper, rfc4301_4_4_1_1_ports_type_and_code)
{
	static const struct {
		const char *name, *hex;
		struct ipm_upper want;
	} rows[] = {
		{ "UDP", UDP4, { 17, true, 500, 4500, 20, 8 } },
		{ "UDP, IPv6", UDP6, { 17, true, 500, 4500, 40, 8 } },
		{ "TCP", TCP4, { 6, true, 179, 40000, 20, 40 } },
		{ "TCP, IPv6", TCP6, { 6, true, 179, 40000, 40, 24 } },
		{ "ICMP", ICMP4, { 1, true, 3, 4, 20, 8 } },
		{ "ICMPv6", ICMP6, { 58, true, 128, 0, 40, 8 } },
		{ "SCTP", SCTP4, { 132, true, 7, 9, 20, 0 } },
		{ "first fragment", FIRST4, { 17, true, 1, 0x203, 20, 8 } },
		{ "later fragment", LAST4, { 17, false, 0, 0, 20, 0 } },
		{ "later fragment, IPv6", FRAG6, { 17, false, 0, 0, 48, 0 } },
		{ "ESP", ESP6, { 50, false, 0, 0, 40, 0 } },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct hx_octets o = octets_of(rows[i].hex);
		const struct ipm_upper *w = &rows[i].want;
		struct ipm_upper u;
		struct ipm_ip ip;

		parse(&o, &ip);
		ipm_upper_parse(&ip, &u);
		cr_expect_eq(u.proto, w->proto, "%s", rows[i].name);
		cr_expect_eq(u.has_ports, w->has_ports, "%s", rows[i].name);
		cr_expect_eq(u.sport, w->sport, "%s", rows[i].name);
		cr_expect_eq(u.dport, w->dport, "%s", rows[i].name);
		cr_expect_eq(u.off, w->off, "%s", rows[i].name);
		cr_expect_eq(u.hlen, w->hlen, "%s", rows[i].name);
		hx_octets_free(&o);
	}
}

/* Four octets of ports, two of type and code: what is cut off is not seen. */
Test(upper, short_payloads_have_no_ports)
{
	static const struct {
		const char *hex;
		size_t least;
	} rows[] = {
		{ UDP4, 24 },
		{ UDP6, 44 },
		{ TCP4, 24 },
		{ TCP6, 44 },
		{ ICMP4, 22 },
		{ ICMP6, 42 },
		{ SCTP4, 24 },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct hx_octets o = octets_of(rows[i].hex);
		size_t fixed = o.p[0] >> 4 == 4 ? 20 : 40;

		for (size_t len = fixed; len < o.len; len++) {
			struct ipm_upper u;
			struct ipm_ip ip;
			uint8_t *p = shorten(&o, len, &ip);

			ipm_upper_parse(&ip, &u);
			cr_expect_eq(u.has_ports, len >= rows[i].least,
			    "row %zu cut to %zu", i, len);
			free(p);
		}
		hx_octets_free(&o);
	}
}

Test(upper, rfc768_datagram)
{
	for (unsigned v = 4; v <= 6; v += 2) {
		struct hx_octets o = octets_of(v == 4 ? UDP4 : UDP6);
		struct ipm_udp u;
		struct ipm_ip ip;
		uint8_t *p;

		parse(&o, &ip);
		cr_expect_eq(ipm_udp_parse(&ip, &u), IPM_R_OK);
		cr_expect_eq(u.sport, 500);
		cr_expect_eq(u.dport, 4500);
		cr_expect_eq(u.len, 11);
		cr_expect_eq(u.sum, v == 4 ? 0x2caf : 0xbd75);
		cr_expect_eq(u.payload.len, 3);
		cr_expect_eq(memcmp(u.payload.p, "odd", 3), 0);
		for (size_t len = ip.hlen; len < o.len; len++) {
			struct ipm_ip cut;

			p = shorten(&o, len, &cut);
			cr_expect_eq(ipm_udp_parse(&cut, &u), IPM_R_BAD_LENGTH,
			    "cut to %zu", len);
			free(p);
		}
		hx_octets_free(&o);
	}
}

Test(upper, rfc768_length_field)
{
	static const struct {
		unsigned version;
		uint16_t len;
		enum ipm_reason want;
		size_t payload;
	} rows[] = {
		{ 4, 8, IPM_R_OK, 0 }, { 4, 10, IPM_R_OK, 2 },
		{ 4, 7, IPM_R_BAD_LENGTH, 0 }, { 4, 12, IPM_R_BAD_LENGTH, 0 },
		{ 4, 65535, IPM_R_BAD_LENGTH, 0 },
		{ 4, 0, IPM_R_BAD_LENGTH, 0 }, { 6, 8, IPM_R_OK, 0 },
		{ 6, 7, IPM_R_BAD_LENGTH, 0 }, { 6, 12, IPM_R_BAD_LENGTH, 0 },
		{ 6, 0, IPM_R_OK, 3 }, /* RFC 2675 4: the rest */
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct hx_octets o =
		    octets_of(rows[i].version == 4 ? UDP4 : UDP6);
		struct ipm_udp u;
		struct ipm_ip ip;

		parse(&o, &ip);
		ipm_store16(o.p + ip.hlen + 4, rows[i].len);
		cr_expect_eq(
		    ipm_udp_parse(&ip, &u), rows[i].want, "row %zu", i);
		cr_expect_eq(u.payload.len, rows[i].payload, "row %zu", i);
		hx_octets_free(&o);
	}
}

/* A fragment holds no whole datagram or segment, wherever it is from. */
Test(upper, fragments_and_other_protocols_are_refused)
{
	static const char *const rows[] = { FIRST4, LAST4, FRAG6, ICMP4, ESP6,
		SCTP4 };

	for (size_t i = 0; i < N(rows); i++) {
		struct hx_octets o = octets_of(rows[i]);
		struct ipm_udp u;
		struct ipm_tcp t;
		struct ipm_ip ip;

		parse(&o, &ip);
		cr_expect_eq(ipm_udp_parse(&ip, &u), IPM_R_BAD_LENGTH);
		cr_expect_eq(ipm_tcp_parse(&ip, &t), IPM_R_BAD_LENGTH);
		if (ip.fragment) {
			/* The same in a fragment that says TCP. */
			ip.proto = IPM_PROTO_TCP;
			cr_expect_eq(ipm_tcp_parse(&ip, &t), IPM_R_BAD_LENGTH);
		}
		hx_octets_free(&o);
	}
}

Test(upper, rfc793_3_1_segment)
{
	for (unsigned v = 4; v <= 6; v += 2) {
		struct hx_octets o = octets_of(v == 4 ? TCP4 : TCP6);
		size_t opts = v == 4 ? 20 : 4;
		struct ipm_tcp t;
		struct ipm_ip ip;

		parse(&o, &ip);
		cr_expect_eq(ipm_tcp_parse(&ip, &t), IPM_R_OK);
		cr_expect_eq(t.header.p, o.p + ip.hlen);
		cr_expect_eq(t.header.len, 20 + opts);
		cr_expect_eq(t.options.p, o.p + ip.hlen + 20);
		cr_expect_eq(t.options.len, opts);
		cr_expect_eq(t.data.len, 5);
		cr_expect_eq(memcmp(t.data.p, "data!", 5), 0);
		for (size_t len = ip.hlen; len < o.len; len++) {
			struct ipm_ip cut;
			uint8_t *p = shorten(&o, len, &cut);

			cr_expect_eq(ipm_tcp_parse(&cut, &t),
			    len < ip.hlen + 20 + opts ? IPM_R_BAD_LENGTH
						      : IPM_R_OK,
			    "cut to %zu", len);
			free(p);
		}
		/* Every data offset: 5 words at least, the packet at most. */
		for (unsigned words = 0; words < 16; words++) {
			bool ok = words >= 5 && ip.hlen + 4 * words <= o.len;

			o.p[ip.hlen + 12] = (uint8_t)(words << 4);
			cr_expect_eq(ipm_tcp_parse(&ip, &t),
			    ok ? IPM_R_OK : IPM_R_BAD_LENGTH, "%u", words);
		}
		hx_octets_free(&o);
	}
}

/* scapy's checksums hold, and no flipped bit goes unseen. */
Test(upper, rfc768_rfc793_rfc8200_8_1_checksum)
{
	static const char *const rows[] = { UDP4, UDP6, TCP4, TCP6, ICMP6 };

	for (size_t i = 0; i < N(rows); i++) {
		struct hx_octets o = octets_of(rows[i]);
		struct ipm_ip ip;

		parse(&o, &ip);
		for (size_t bit = ip.hlen * 8; bit <= o.len * 8; bit++) {
			uint8_t flip = (uint8_t)(0x80U >> bit % 8);
			bool last = bit == o.len * 8;
			uint16_t sum;

			if (!last)
				o.p[bit / 8] ^= flip;
			sum = ipm_upper_sum(
			    &ip, ip.proto, ipm_span_from(ip.packet, ip.hlen));
			cr_expect_eq(sum == 0, last, "row %zu bit %zu", i, bit);
			if (!last)
				o.p[bit / 8] ^= flip;
		}
		/* The pseudo header counts: protocol, length, addresses. */
		struct ipm_span s = ipm_span_from(ip.packet, ip.hlen);
		cr_expect_neq(ipm_upper_sum(&ip, ip.proto + 1, s), 0);
		ip.dst.octet[0] ^= 1;
		cr_expect_neq(ipm_upper_sum(&ip, ip.proto, s), 0);
		ip.dst.octet[0] ^= 1;
		ip.src.octet[3] ^= 1;
		cr_expect_neq(ipm_upper_sum(&ip, ip.proto, s), 0);
		hx_octets_free(&o);
	}
}

/* A datagram that FreeBSD 13 sent (recording sock-v4-discard-3-nopolicy);
 * RFC 768: a checksum of 0 goes out as all ones. */
Test(upper, udp_checksum_is_written)
{
	uint8_t p[] = { 0x45, 0x00, 0x00, 0x1f, 0x49, 0xb1, 0x00, 0x00, 0x40,
		0x11, 0xad, 0x19, 0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02,
		0x02, 0x23, 0x28, 0x1b, 0x58, 0x00, 0x0b, 0x00, 0x00, 0x6f,
		0x75, 0x74 };

	ipm_udp_fill_sum(p, sizeof p, 20);
	cr_assert_eq(ipm_load16(p + 26), 0x59de);
	/* With its own checksum as payload the sum comes to 0. */
	ipm_store16(p + 28, 0);
	ipm_store16(p + 26, 0);
	ipm_udp_fill_sum(p, sizeof p, 20);
	ipm_store16(p + 28, ipm_load16(p + 26));
	ipm_store16(p + 26, 0);
	ipm_udp_fill_sum(p, sizeof p, 20);
	cr_assert_eq(ipm_load16(p + 26), 0xffff);
}
