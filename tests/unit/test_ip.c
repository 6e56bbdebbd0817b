/*
 * IP headers as read and written.  The packets were built with scapy 2.5, for
 * example
 *   IPv6(src='2001:db8::1', dst='2001:db8:0:1::2') / IPv6ExtHdrHopByHop(
 *     options=[RouterAlert()]) / IPv6ExtHdrFragment(id=0x11223344) / ...
 * and what is expected of each is what scapy was told to put in.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hx_hex.h"
#include "wire/ipm_ip.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* All are from and to these; what the rows leave out is 0. */
static const struct ipm_addr from4 = { 4, { 192, 0, 2, 1 }, 0 };
static const struct ipm_addr to4 = { 4, { 198, 51, 100, 7 }, 0 };
static const struct ipm_addr from6 = { 6, { 0x20, 1, 0x0d, 0xb8, [15] = 1 },
	0 };
static const struct ipm_addr to6 = { 6,
	{ 0x20, 1, 0x0d, 0xb8, [7] = 1, [15] = 2 }, 0 };

/* clang-format off */
static const struct good {
	const char *name, *hex;
	struct ipm_ip want;
} good[] = {
	{ "a datagram",
	    "45b90021fedc400011117dfac0000201c633640703e807d0000dc40d68"
	    "656c6c6f",
	    { .version = 4, .tos = 0xb9, .ttl = 17, .hlen = 20, .proto = 17, .proto_off = 9, .df = true, .frag_id = 0xfedc, .frag_nh = 17 } },
	{ "router alert, no operation, record route",
	    "48000028000100004001ef88c0000201c6336407940400000107070400"
	    "0000000800f7f400050006",
	    { .version = 4, .ttl = 64, .hlen = 32, .proto = 1, .proto_off = 9, .frag_id = 1, .frag_nh = 1 } },
	{ "options end early",
	    "460000320001000040068c89c0000201c6336407010000000050005100"
	    "000000000000006002200029e50000020405b46162",
	    { .version = 4, .ttl = 64, .hlen = 24, .proto = 6, .proto_off = 9, .frag_id = 1, .frag_nh = 6 } },
	{ "a first fragment",
	    "450000240007200040116e86c0000201c6336407000102030405060708"
	    "090a0b0c0d0e0f",
	    { .version = 4, .ttl = 64, .hlen = 20, .proto = 17, .proto_off = 9, .fragment = true, .more = true, .frag_id = 7, .frag_nh = 17 } },
	{ "a last fragment",
	    "45000019000700b940118dd8c0000201c63364070001020304",
	    { .version = 4, .ttl = 64, .hlen = 20, .proto = 17, .proto_off = 9, .fragment = true, .frag_id = 7, .frag_off = 1480, .frag_nh = 17 } },
	{ "a header and nothing else",
	    "450000140009000040328e73c0000201c6336407",
	    { .version = 4, .ttl = 64, .hlen = 20, .proto = 50, .proto_off = 9, .frag_id = 9, .frag_nh = 50 } },
	{ "the longest header",
	    "4f00003d0009000040327036c0000201c6336407010101010101010101"
	    "0101010101010101010101010101010101010101010101010101010101"
	    "010178",
	    { .version = 4, .ttl = 64, .hlen = 60, .proto = 50, .proto_off = 9, .frag_id = 9, .frag_nh = 50 } },
	{ "a datagram, version 6",
	    "6a5bcdef000d110320010db800000000000000000000000120010db800"
	    "000001000000000000000203e807d0000d54d468656c6c6f",
	    { .version = 6, .tos = 0xa5, .flow = 0xbcdef, .ttl = 3, .hlen = 40, .proto = 17, .proto_off = 6 } },
	{ "no next header",
	    "6000000000003b4020010db800000000000000000000000120010db800"
	    "0000010000000000000002",
	    { .version = 6, .ttl = 64, .hlen = 40, .proto = 59, .proto_off = 6 } },
	{ "hop-by-hop, destination, routing, destination, TCP",
	    "60000000004e004020010db800000000000000000000000120010db800"
	    "00000100000000000000023c000502000001002b01010c000000000000"
	    "0000000000003c0200000000000020010db80000000000000000000000"
	    "09060001040000000000500051000000000000000050022000d2670000"
	    "6162",
	    { .version = 6, .ttl = 64, .hlen = 96, .proto = 6, .proto_off = 88 } },
	{ "an atomic fragment is walked over",
	    "600000000023004020010db800000000000000000000000120010db800"
	    "00000100000000000000022c000502000001003c000000112233441100"
	    "01040000000000010002000bdffc616263",
	    { .version = 6, .ttl = 64, .hlen = 64, .proto = 17, .proto_off = 56, .frag_id = 0x11223344, .frag_nh = 60, .frag_hdr = 48, .frag_prev_off = 40 } },
	{ "a first fragment ends the walk",
	    "600000000020004020010db800000000000000000000000120010db800"
	    "00000100000000000000022c000502000001003c000001cafe00011100"
	    "0104000000000000000000000000",
	    { .version = 6, .ttl = 64, .hlen = 56, .proto = 60, .proto_off = 48, .fragment = true, .more = true, .frag_id = 0xcafe0001, .frag_nh = 60, .frag_hdr = 48, .frag_prev_off = 40 } },
	{ "so does a later one",
	    "60000000000f2c4020010db800000000000000000000000120010db800"
	    "00000100000000000000023c000010cafe0001ffffffffffffff",
	    { .version = 6, .ttl = 64, .hlen = 48, .proto = 60, .proto_off = 40, .fragment = true, .frag_id = 0xcafe0001, .frag_off = 16, .frag_nh = 60, .frag_hdr = 40, .frag_prev_off = 6 } },
	{ "ESP behind destination options",
	    "6000000000183c4020010db800000000000000000000000120010db800"
	    "0000010000000000000002320001040000000000000000000000000000"
	    "000000000000",
	    { .version = 6, .ttl = 64, .hlen = 48, .proto = 50, .proto_off = 40 } },
	{ "AH is not walked over",
	    "600000000018334020010db800000000000000000000000120010db800"
	    "00000100000000000000023c0400000000000000000000000000000000"
	    "000000000000",
	    { .version = 6, .ttl = 64, .hlen = 40, .proto = 51, .proto_off = 6 } },
	{ "nor is a mobility header",
	    "600000000008874020010db800000000000000000000000120010db800"
	    "00000100000000000000020000000000000000",
	    { .version = 6, .ttl = 64, .hlen = 40, .proto = 135, .proto_off = 6 } },
};
/* clang-format on */

static struct hx_octets
octets_of(const char *hex)
{
	struct hx_octets o;

	cr_assert(hx_hex_read(hex, &o), "%s", hex);
	return o;
}

/* Reads a copy that ends where its block ends, so that a sanitizer sees. */
static enum ipm_reason
read_copy(struct ipm_span s, bool check_sum, struct ipm_ip *ip)
{
	uint8_t *p = malloc(s.len == 0 ? 1 : s.len);
	enum ipm_reason r;

	cr_assert_not_null(p);
	memcpy(p, s.p, s.len);
	/* A pointer past the block when there is nothing to read. */
	r = ipm_ip_parse(
	    ipm_span(s.len == 0 ? p + 1 : p, s.len), check_sum, ip);
	free(p);
	return r;
}

static const char *
name_of(enum ipm_reason r)
{
	return ipm_reasons[r].name;
}

Test(ip, rfc791_3_1_and_rfc8200_4_fields)
{
	for (size_t i = 0; i < N(good); i++) {
		struct hx_octets o = octets_of(good[i].hex);
		const struct ipm_ip *w = &good[i].want;
		const char *n = good[i].name;
		struct ipm_ip ip;

		cr_assert_eq(
		    ipm_ip_parse(hx_span(&o), true, &ip), IPM_R_OK, "%s", n);
		cr_expect_eq(ip.packet.p, o.p, "%s", n);
		cr_expect_eq(ip.packet.len, o.len, "%s", n);
		cr_expect_eq(ip.trailer, 0, "%s", n);
		cr_expect_eq(ip.version, w->version, "%s", n);
		cr_expect_eq(ip.tos, w->tos, "%s", n);
		cr_expect_eq(ip.ttl, w->ttl, "%s", n);
		cr_expect_eq(ip.flow, w->flow, "%s", n);
		cr_expect(
		    ipm_addr_equal(&ip.src, w->version == 4 ? &from4 : &from6),
		    "%s", n);
		cr_expect(
		    ipm_addr_equal(&ip.dst, w->version == 4 ? &to4 : &to6),
		    "%s", n);
		cr_expect_eq(ip.hlen, w->hlen, "%s: %zu", n, ip.hlen);
		cr_expect_eq(ip.proto, w->proto, "%s: %d", n, ip.proto);
		cr_expect_eq(
		    ip.proto_off, w->proto_off, "%s: %zu", n, ip.proto_off);
		cr_expect_eq(ip.packet.p[ip.proto_off], ip.proto, "%s", n);
		cr_expect_eq(ip.df, w->df, "%s", n);
		cr_expect_eq(ip.fragment, w->fragment, "%s", n);
		cr_expect_eq(ip.more, w->more, "%s", n);
		cr_expect_eq(ip.frag_id, w->frag_id, "%s", n);
		cr_expect_eq(ip.frag_off, w->frag_off, "%s", n);
		cr_expect_eq(ip.frag_nh, w->frag_nh, "%s", n);
		cr_expect_eq(ip.frag_hdr, w->frag_hdr, "%s", n);
		cr_expect_eq(ip.frag_prev_off, w->frag_prev_off, "%s", n);
		hx_octets_free(&o);
	}
}

/* What the link layer put behind the packet is counted and left out. */
Test(ip, rfc1122_3_2_1_trailer_is_cut_off)
{
	uint8_t buf[256];

	for (size_t i = 0; i < N(good); i++) {
		struct hx_octets o = octets_of(good[i].hex);
		struct ipm_ip ip;

		memcpy(buf, o.p, o.len);
		memset(buf + o.len, 0xee, 6);
		cr_expect_eq(ipm_ip_parse(ipm_span(buf, o.len + 6), true, &ip),
		    IPM_R_OK, "%s", good[i].name);
		cr_expect_eq(ip.packet.len, o.len, "%s", good[i].name);
		cr_expect_eq(ip.trailer, 6, "%s", good[i].name);
		hx_octets_free(&o);
	}
}

Test(ip, rfc1122_3_2_1_every_truncation_is_refused)
{
	for (size_t i = 0; i < N(good); i++) {
		struct hx_octets o = octets_of(good[i].hex);

		for (size_t len = 0; len < o.len; len++) {
			struct ipm_ip ip;

			cr_expect_eq(read_copy(ipm_span(o.p, len), true, &ip),
			    IPM_R_TRUNCATED, "%s cut to %zu", good[i].name,
			    len);
			/* Told only when both addresses were there. */
			cr_expect_eq(ip.version,
			    len >= (good[i].want.version == 4 ? 20U : 40U)
				? good[i].want.version
				: 0,
			    "%s cut to %zu", good[i].name, len);
		}
		hx_octets_free(&o);
	}
}

/* Cut, and the length field says so: what is left of the headers decides. */
Test(ip, rfc8200_4_every_cut_chain_is_refused)
{
	for (size_t i = 0; i < N(good); i++) {
		struct hx_octets o = octets_of(good[i].hex);
		size_t fixed = good[i].want.version == 4 ? 20 : 40;

		for (size_t len = fixed; len < o.len; len++) {
			enum ipm_reason want = IPM_R_EXT_BAD;
			struct ipm_ip ip;

			if (good[i].want.version == 4) {
				ipm_store16(o.p + 2, (uint16_t)len);
				want = IPM_R_IP_HEADER_BAD;
			} else {
				ipm_store16(o.p + 4, (uint16_t)(len - 40));
				/* That is how a jumbogram begins. */
				if (len == 40 && o.p[6] == 0)
					want = IPM_R_IP_HEADER_BAD;
			}
			if (len >= good[i].want.hlen)
				want = IPM_R_OK;
			cr_expect_eq(read_copy(ipm_span(o.p, len), false, &ip),
			    want, "%s cut to %zu", good[i].name, len);
		}
		hx_octets_free(&o);
	}
}

/* RFC 1071: a single wrong bit never goes unseen. */
Test(ip, rfc1122_3_2_1_2_every_flip_in_an_ipv4_header_is_refused)
{
	for (size_t i = 0; i < N(good); i++) {
		struct hx_octets o = octets_of(good[i].hex);

		for (size_t bit = 0; bit < good[i].want.hlen * 8; bit++) {
			enum ipm_reason r;
			struct ipm_ip ip;

			if (good[i].want.version != 4)
				break;
			o.p[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
			r = read_copy(hx_span(&o), true, &ip);
			/* Version (this bit makes it 6); lengths; the rest. */
			if (bit == 2)
				cr_expect_neq(ip.version, 4);
			else if (bit < 4)
				cr_expect_eq(r, IPM_R_NOT_IP, "%s bit %zu",
				    good[i].name, bit);
			else if (bit < 8 || (bit >= 16 && bit < 32))
				cr_expect(r == IPM_R_IP_HEADER_BAD ||
					r == IPM_R_TRUNCATED ||
					r == IPM_R_IP_SUM_BAD,
				    "%s bit %zu", good[i].name, bit);
			else
				cr_expect_eq(r, IPM_R_IP_SUM_BAD, "%s bit %zu",
				    good[i].name, bit);
			o.p[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
		}
		hx_octets_free(&o);
	}
}

/* One octet of a good packet set to something else. */
Test(ip, each_reason)
{
	static const struct {
		const char *packet;
		size_t off;
		uint8_t value;
		bool check_sum;
		enum ipm_reason want;
		const char *why;
	} rows[] = {
		{ "a datagram", 0, 0x05, true, IPM_R_NOT_IP, "version 0" },
		{ "a datagram", 0, 0x55, true, IPM_R_NOT_IP, "version 5" },
		{ "a datagram", 0, 0xf5, true, IPM_R_NOT_IP, "version 15" },
		{ "a datagram", 0, 0x44, true, IPM_R_IP_HEADER_BAD,
		    "a header of 16 octets" },
		{ "a datagram", 0, 0x40, true, IPM_R_IP_HEADER_BAD,
		    "no header at all" },
		{ "a datagram", 0, 0x49, true, IPM_R_IP_HEADER_BAD,
		    "a header of 36 octets in a packet of 33" },
		{ "a datagram", 3, 19, true, IPM_R_IP_HEADER_BAD,
		    "total length below the header" },
		{ "a datagram", 3, 0, false, IPM_R_IP_HEADER_BAD,
		    "total length 0, as a segment for the card to cut has" },
		{ "a datagram", 3, 34, true, IPM_R_TRUNCATED,
		    "total length past the frame" },
		{ "a datagram", 10, 0, true, IPM_R_IP_SUM_BAD, "checksum" },
		{ "a datagram", 10, 0, false, IPM_R_OK, "not asked for" },
		{ "router alert, no operation, record route", 21, 1, false,
		    IPM_R_OPTION_BAD, "length 1" },
		{ "router alert, no operation, record route", 21, 0, false,
		    IPM_R_OPTION_BAD, "length 0" },
		{ "router alert, no operation, record route", 26, 8, false,
		    IPM_R_OPTION_BAD, "past the header" },
		{ "router alert, no operation, record route", 21, 12, false,
		    IPM_R_OK, "exactly to its end" },
		{ "router alert, no operation, record route", 21, 11, false,
		    IPM_R_OK, "the rest is an end of list" },
		{ "router alert, no operation, record route", 20, 0, false,
		    IPM_R_OK, "behind an end of list anything may stand" },
		{ "the longest header", 59, 7, false, IPM_R_OPTION_BAD,
		    "no octet left for the length" },
		{ "a datagram, version 6", 5, 14, true, IPM_R_TRUNCATED,
		    "payload length past the frame" },
		{ "no next header", 6, 0, true, IPM_R_IP_HEADER_BAD,
		    "payload length 0 before hop-by-hop: a jumbogram" },
		{ "no next header", 6, 60, true, IPM_R_EXT_BAD,
		    "an extension header in no payload" },
		{ "no next header", 6, 17, true, IPM_R_OK,
		    "an upper header is not looked for" },
		{ "hop-by-hop, destination, routing, destination, TCP", 48, 0,
		    true, IPM_R_EXT_BAD, "hop-by-hop behind another" },
		{ "hop-by-hop, destination, routing, destination, TCP", 88, 0,
		    true, IPM_R_EXT_BAD, "hop-by-hop far behind" },
		{ "hop-by-hop, destination, routing, destination, TCP", 89, 3,
		    true, IPM_R_EXT_BAD, "a header past the packet" },
		{ "hop-by-hop, destination, routing, destination, TCP", 41, 255,
		    true, IPM_R_EXT_BAD, "the longest header past it" },
		{ "hop-by-hop, destination, routing, destination, TCP", 88, 44,
		    true, IPM_R_OK, "a fragment header where TCP was" },
		{ "an atomic fragment is walked over", 48, 0, true,
		    IPM_R_EXT_BAD, "hop-by-hop behind it" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct hx_octets o = { NULL, 0 };
		enum ipm_reason r;
		struct ipm_ip ip;

		for (size_t k = 0; k < N(good); k++)
			if (strcmp(good[k].name, rows[i].packet) == 0)
				o = octets_of(good[k].hex);
		cr_assert_not_null(o.p, "row %zu", i);
		o.p[rows[i].off] = rows[i].value;
		r = read_copy(hx_span(&o), rows[i].check_sum, &ip);
		cr_expect_eq(r, rows[i].want, "row %zu (%s): %s", i,
		    rows[i].why, name_of(r));
		hx_octets_free(&o);
	}
}

/* n destination options headers, then UDP. */
static size_t
long_chain(uint8_t *p, size_t n)
{
	struct ipm_ip6_fields f = { .nh = n == 0 ? 17 : IPM_PROTO_DSTOPTS,
		.plen = (uint16_t)(8 * n + 8) };

	ipm_ip6_build(p, &f);
	memset(p + 40, 0, 8 * n + 8);
	for (size_t i = 0; i < n; i++)
		p[40 + 8 * i] = i + 1 == n ? 17 : IPM_PROTO_DSTOPTS;
	return 48 + 8 * n;
}

Test(ip, a_chain_of_32_headers_is_read_and_one_of_33_refused)
{
	uint8_t p[512];
	struct ipm_ip ip;

	for (size_t n = 0; n <= 40; n++) {
		size_t len = long_chain(p, n);

		cr_expect_eq(read_copy(ipm_span(p, len), false, &ip),
		    n <= 32 ? IPM_R_OK : IPM_R_EXT_BAD, "%zu", n);
		if (n <= 32)
			cr_expect_eq(ip.hlen, 40 + 8 * n, "%zu", n);
	}
}

/* RFC 6946: any offset or the more flag makes it a real fragment. */
Test(ip, rfc6946_2_atomic_fragments)
{
	struct hx_octets o = octets_of(good[10].hex);
	struct ipm_ip ip;

	cr_assert_eq(good[10].want.frag_id, 0x11223344);
	for (uint32_t w = 0; w < 65536; w++) {
		ipm_store16(o.p + 50, (uint16_t)w);
		cr_assert_eq(ipm_ip_parse(hx_span(&o), false, &ip), IPM_R_OK);
		cr_assert_eq(ip.frag_off, w / 8 * 8);
		cr_assert_eq(ip.more, w % 2 == 1);
		cr_assert_eq(ip.fragment, ip.more || ip.frag_off != 0);
		/* The two reserved bits are ignored (RFC 8200 4.5). */
		cr_assert_eq(ip.hlen, ip.fragment ? 56 : 64);
		cr_assert_eq(ip.proto, ip.fragment ? 60 : 17);
	}
	hx_octets_free(&o);
}

Test(ip, rfc791_3_1_fragment_word)
{
	struct hx_octets o = octets_of(good[0].hex);
	struct ipm_ip ip;

	for (uint32_t w = 0; w < 65536; w++) {
		ipm_store16(o.p + 6, (uint16_t)w);
		cr_assert_eq(ipm_ip_parse(hx_span(&o), false, &ip), IPM_R_OK);
		cr_assert_eq(ip.df, (w & 0x4000) != 0);
		cr_assert_eq(ip.more, (w & 0x2000) != 0);
		cr_assert_eq(ip.frag_off, w % 0x2000 * 8);
		cr_assert_eq(ip.fragment, w % 0x4000 != 0);
	}
	hx_octets_free(&o);
}

Test(ip, rfc4291_2_scopes_and_families_are_part_of_an_address)
{
	struct ipm_addr a = from6, b = from6;

	cr_expect(ipm_addr_equal(&a, &b));
	b.scope = 1;
	cr_expect(!ipm_addr_equal(&a, &b));
	b = from4;
	cr_expect(!ipm_addr_equal(&a, &b));
	a = from4;
	/* Only the first four octets are an IPv4 address. */
	a.octet[4] = 1;
	cr_expect(ipm_addr_equal(&a, &b));
	a.octet[3] ^= 1;
	cr_expect(!ipm_addr_equal(&a, &b));
	cr_expect_eq(ipm_addr_len(&from4), 4);
	cr_expect_eq(ipm_addr_len(&from6), 16);
}

/* RFC 1071 3 gives the octets and the sum; RFC 791's is its complement. */
Test(ip, rfc1071_3_example)
{
	static const uint8_t o[] = { 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7 };
	uint32_t sum = ipm_sum_add(0, ipm_span(o, sizeof o));

	cr_expect_eq(ipm_sum_fold(sum), (uint16_t)~0xddf2U);
	/* In two runs; and an odd octet is the upper half of a word. */
	sum = ipm_sum_add(ipm_sum_add(0, ipm_span(o, 4)), ipm_span(o + 4, 4));
	cr_expect_eq(ipm_sum_fold(sum), (uint16_t)~0xddf2U);
	sum = ipm_sum_add(0, ipm_span(o, 3));
	cr_expect_eq(ipm_sum_fold(sum), (uint16_t)~0xf201U);
	cr_expect_eq(ipm_sum_fold(ipm_sum_add(0, ipm_span(NULL, 0))), 0xffff);
}

/* Many octets: the sum is the one of a naive loop that never carries. */
Test(ip, rfc1071_long_runs_do_not_lose_carries)
{
	static uint8_t o[65535];
	uint64_t naive = 0;

	memset(o, 0xff, sizeof o);
	for (size_t i = 0; i < sizeof o; i++)
		naive += i % 2 == 0 ? 0xff00 : 0xff;
	cr_expect_eq(
	    ipm_sum_fold(ipm_sum_add(0xffffffff, ipm_span(o, sizeof o))),
	    (uint16_t) ~(naive % 0xffff));
}

Test(ip, headers_are_written_as_they_are_read)
{
	uint8_t h4[20], h6[40];
	struct ipm_ip4_fields f4 = { .tos = 0xb9,
		.ttl = 17,
		.proto = 17,
		.total = 33,
		.id = 0xfedc,
		.df = true,
		.src = { 192, 0, 2, 1 },
		.dst = { 198, 51, 100, 7 } };
	struct ipm_ip6_fields f6 = { .tclass = 0xa5,
		.hlim = 3,
		.nh = 17,
		.flow = 0xfffbcdef,
		.plen = 13 };
	struct hx_octets o4 = octets_of(good[0].hex),
			 o6 = octets_of(good[7].hex);

	memcpy(f6.src, from6.octet, 16);
	memcpy(f6.dst, to6.octet, 16);
	ipm_ip4_build(h4, &f4);
	cr_expect_eq(memcmp(h4, o4.p, 20), 0);
	ipm_ip6_build(h6, &f6);
	cr_expect_eq(memcmp(h6, o6.p, 40), 0);
	hx_octets_free(&o4);
	hx_octets_free(&o6);
}

Test(ip, rewrite_changes_lengths_protocol_and_checksum)
{
	uint8_t buf[64];
	struct ipm_ip ip;

	for (size_t i = 0; i < N(good); i++) {
		struct hx_octets o = octets_of(good[i].hex);
		const struct ipm_ip *w = &good[i].want;
		size_t total = w->hlen + 3;
		uint8_t big[160] = { 0 };

		memcpy(big, o.p, w->hlen);
		cr_assert(ipm_ip_rewrite(
		    big, w->version, w->hlen, total, w->proto_off, 99));
		/* Nothing but these fields has changed. */
		for (size_t k = 0; k < w->hlen; k++) {
			bool field = k == w->proto_off ||
			    (w->version == 4
				    ? k == 2 || k == 3 || k == 10 || k == 11
				    : k == 4 || k == 5);

			cr_expect(field || big[k] == o.p[k], "%s %zu",
			    good[i].name, k);
		}
		if (!w->fragment) {
			cr_expect_eq(
			    ipm_ip_parse(ipm_span(big, total), true, &ip),
			    IPM_R_OK, "%s", good[i].name);
			cr_expect_eq(ip.proto, 99);
			cr_expect_eq(ip.packet.len, total);
		}
		hx_octets_free(&o);
	}

	/* The largest that fits, and one more. */
	memset(buf, 0xaa, sizeof buf);
	buf[0] = 0x45;
	cr_expect(!ipm_ip_rewrite(buf, 4, 20, 65536, 9, 99));
	cr_expect(!ipm_ip_rewrite(buf, 6, 40, 65576, 6, 99));
	cr_expect(!ipm_ip_rewrite(buf, 6, 40, 39, 6, 99));
	for (size_t k = 1; k < sizeof buf; k++)
		cr_expect_eq(buf[k], 0xaa);
	cr_expect(ipm_ip_rewrite(buf, 4, 20, 65535, SIZE_MAX, 99));
	cr_expect_eq(ipm_load16(buf + 2), 65535);
	cr_expect_eq(buf[9], 0xaa, "SIZE_MAX leaves the protocol");
	cr_expect(ipm_ip_rewrite(buf, 6, 40, 65575, 6, 99));
	cr_expect_eq(ipm_load16(buf + 4), 65535);
	cr_expect_eq(buf[6], 99);
}

/* RFC 1624 3: the difference gives what a new sum gives, and a wrong one
 * stays wrong by as much. */
Test(ip, rfc1624_3_tos_of_all_pairs)
{
	for (unsigned was = 0; was < 256; was++)
		for (unsigned tos = 0; tos < 256; tos++) {
			struct ipm_ip4_fields f = { .tos = (uint8_t)was,
				.total = (uint16_t)(20 + was * 251),
				.id = (uint16_t)(tos * 257),
				.src = { 10, 0, 0, (uint8_t)tos } };
			uint8_t got[20], want[20];

			ipm_ip4_build(got, &f);
			ipm_ip_set_tos(got, 4, (uint8_t)tos);
			f.tos = (uint8_t)tos;
			ipm_ip4_build(want, &f);
			cr_assert_eq(
			    memcmp(got, want, 20), 0, "%u to %u", was, tos);
			want[10] ^= 0x55;
			ipm_ip_set_tos(want, 4, (uint8_t)was);
			cr_assert_neq(
			    ipm_sum_fold(ipm_sum_add(0, ipm_span(want, 20))), 0,
			    "%u to %u", was, tos);
		}
}

Test(ip, traffic_class_leaves_version_and_flow)
{
	for (unsigned tos = 0; tos < 256; tos++) {
		struct ipm_ip6_fields f = { .tclass = (uint8_t)~tos,
			.flow = 0xabcde };
		uint8_t got[40], want[40];

		ipm_ip6_build(got, &f);
		ipm_ip_set_tos(got, 6, (uint8_t)tos);
		f.tclass = (uint8_t)tos;
		ipm_ip6_build(want, &f);
		cr_expect_eq(memcmp(got, want, 40), 0, "%u", tos);
	}
}

/* The forms RFC 5952 demands, from its sections 1, 4 and 5. */
Test(ip, rfc5952_4_text)
{
	static const char *const rows[] = {
		"2001:db8::1",
		"2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa",
		"2001:db8:0:1:1:1:1:1", /* 4.2.2: one group is not shortened */
		"2001:0:0:1::1",        /* 4.2.3: the longest run */
		"2001:db8::1:0:0:1",    /* 4.2.3: of equal ones the first */
		"2001:db8:1:1:1:1::",
		"::",
		"::1",
		"1::",
		"fe80::a0b:c0d",
		"::ffff:192.0.2.1", /* 5: a mapped address */
		"0:1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:0",
		"0:0:1::",
		"192.0.2.255",
		"0.0.0.0",
		"255.255.255.255",
		"1.20.100.9",
	};
	char buf[46];

	for (size_t i = 0; i < N(rows); i++) {
		bool v6 = strchr(rows[i], ':') != NULL;
		struct ipm_addr a = { .family = v6 ? 6 : 4 };

		cr_assert_eq(
		    inet_pton(v6 ? AF_INET6 : AF_INET, rows[i], a.octet), 1);
		cr_expect_str_eq(ipm_addr_text(&a, buf), rows[i]);
		cr_expect_eq(ipm_addr_text(&a, buf), buf);
	}
}

/* Against the C library on every pattern of zero and other groups. */
Test(ip, rfc5952_text_is_that_of_inet_ntop)
{
	static const uint16_t values[3] = { 0, 0xa, 0xfedc };
	char got[46], want[46];

	for (unsigned n = 0; n < 6561; n++) { /* 3^8 */
		struct ipm_addr a = { .family = 6 };

		for (unsigned k = n, g = 0; g < 8; g++, k /= 3)
			ipm_store16(a.octet + 2 * g, values[k % 3]);
		/* The library dots "compatible" addresses, too. */
		if (n != 0 && memcmp(a.octet, (uint8_t[12]){ 0 }, 12) == 0)
			continue;
		cr_assert_not_null(
		    inet_ntop(AF_INET6, a.octet, want, sizeof want));
		cr_assert_str_eq(ipm_addr_text(&a, got), want);
	}
}

/* RFC 4291 2.4, 2.5.6, 2.7: what has a zone. */
Test(ip, kinds_of_addresses)
{
	static const struct {
		uint8_t family, first, second, last;
		bool zero, link;
	} rows[] = {
		{ 4, 0, 0, 0, true, false },
		{ 4, 0xfe, 0x80, 0, false, false },
		{ 6, 0, 0, 0, true, false },
		{ 6, 0, 0, 1, false, false },
		{ 6, 0xfe, 0x80, 1, false, true },
		{ 6, 0xfe, 0xbf, 1, false, true },
		{ 6, 0xfe, 0xc0, 1, false, false },
		{ 6, 0xff, 0x02, 1, false, true },
		{ 6, 0xff, 0x12, 1, false, true },
		{ 6, 0xff, 0x05, 1, false, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_addr a = { .family = rows[i].family };

		a.octet[0] = rows[i].first;
		a.octet[1] = rows[i].second;
		a.octet[a.family == 4 ? 3 : 15] = rows[i].last;
		cr_expect_eq(ipm_addr_is_zero(&a), rows[i].zero, "%zu", i);
		cr_expect_eq(
		    ipm_addr_is_link_local(&a), rows[i].link, "%zu", i);
	}
}
