/*
 * Link headers.  Those of scapy's layers were built with scapy 2.5, for
 * example Ether(...) / Dot1AD(vlan=5) / Dot1Q(vlan=6) / IPv6(...); the others
 * are written from the libpcap project's list of link types (null, loop, enc,
 * raw) and from RFC 1661 and RFC 2516.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hx_hex.h"
#include "wire/ipm_ip.h"
#include "wire/ipm_link.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* scapy: IP(src='192.0.2.1', dst='198.51.100.7', id=2) / ICMP() */
#define IP4 "4500001c0002000040018ea3c0000201c63364070800f7ff00000000"
/* scapy: IPv6(src='2001:db8::1', dst='2001:db8:0:1::2') / ICMPv6EchoRequest() */
#define IP6                                                \
	"6000000000083a4020010db8000000000000000000000001" \
	"20010db80000000100000000000000028000244700000000"
#define MACS "02000000000b02000000000a"

enum {
	T_NULL = 0,
	T_ETHER = 1,
	T_PPP = 9,
	T_RAW12 = 12,
	T_RAW14 = 14,
	T_PPP_HDLC = 50,
	T_RAW = 101,
	T_LOOP = 108,
	T_ENC = 109,
	T_SLL = 113,
	T_IPV4 = 228,
	T_IPV6 = 229,
	T_SLL2 = 276
};

/* clang-format off */
static const struct {
	const char *name;
	int type;
	const char *header, *ip;
} good[] = {
	{ "ethernet, IPv4", T_ETHER, MACS "0800", IP4 },
	{ "ethernet, IPv6", T_ETHER, MACS "86dd", IP6 },
	{ "802.1Q", T_ETHER, MACS "810000050800", IP4 },
	{ "802.1ad, 802.1Q", T_ETHER, MACS "88a800058100000686dd", IP6 },
	{ "0x9100, 802.1Q", T_ETHER, MACS "91000005" "810000050800", IP4 },
	{ "four tags", T_ETHER, MACS "8100000181000002" "88a80003810000040800", IP4 },
	{ "PPPoE, IPv4", T_ETHER, MACS "886411000001001d" "0021", IP4 },
	{ "PPPoE, IPv4, short protocol", T_ETHER, MACS "886411000001001d" "21", IP4 },
	{ "802.1Q, PPPoE, IPv6", T_ETHER, MACS "81000009" "8864110000010031" "57", IP6 },
	{ "SNAP", T_ETHER, MACS "0024" "aaaa03000000" "0800", IP4 },
	{ "SNAP, IPv6", T_ETHER, MACS "0038" "aaaa03000000" "86dd", IP6 },
	{ "SNAP, 802.1Q", T_ETHER, MACS "0028" "aaaa03000000" "810000030800", IP4 },
	{ "802.1Q, SNAP", T_ETHER, MACS "81000003" "0024" "aaaa03000000" "0800", IP4 },
	{ "cooked", T_SLL, "00000001000602000000000a00000800", IP4 },
	{ "cooked, IPv6", T_SLL, "000403040000000000000000000086dd", IP6 },
	{ "cooked, 802.1Q", T_SLL, "00000001000602000000000a00008100" "00050800", IP4 },
	{ "cooked, 802.2 SNAP", T_SLL, "00000001000602000000000a00000004" "aaaa03000000" "0800", IP4 },
	{ "cooked 2", T_SLL2, "0800000000000003020000000000000000000000", IP4 },
	{ "cooked 2, IPv6", T_SLL2, "86dd000000000003020000000000000000000000", IP6 },
	{ "cooked 2, 802.1Q", T_SLL2, "8100000000000003020000000000000000000000" "00050800", IP4 },
	{ "PPP", T_PPP, "0021", IP4 },
	{ "PPP, short protocol", T_PPP, "21", IP4 },
	{ "PPP, address and control", T_PPP, "ff030057", IP6 },
	{ "PPP, address, control, short", T_PPP, "ff0321", IP4 },
	{ "PPP in HDLC", T_PPP_HDLC, "ff030021", IP4 },
	{ "PPP in HDLC, short", T_PPP_HDLC, "ff0357", IP6 },
	{ "null, little-endian", T_NULL, "02000000", IP4 },
	{ "null, big-endian", T_NULL, "00000002", IP4 },
	{ "null, IPv6 of Linux", T_NULL, "0a000000", IP6 },
	{ "null, IPv6 of NetBSD and OpenBSD", T_NULL, "18000000", IP6 },
	{ "null, IPv6 of FreeBSD", T_NULL, "1c000000", IP6 },
	{ "null, IPv6 of Darwin", T_NULL, "1e000000", IP6 },
	{ "null, IPv6, big-endian", T_NULL, "0000001c", IP6 },
	{ "loop", T_LOOP, "00000002", IP4 },
	{ "loop, IPv6", T_LOOP, "00000018", IP6 },
	{ "enc, little-endian", T_ENC, "02000000" "00001000" "00000001", IP4 },
	{ "enc, big-endian", T_ENC, "0000001c" "00001000" "00000001", IP6 },
	{ "raw 12", T_RAW12, "", IP4 },
	{ "raw 14", T_RAW14, "", IP6 },
	{ "raw", T_RAW, "", IP4 },
	{ "raw, IPv6", T_RAW, "", IP6 },
	{ "IPv4", T_IPV4, "", IP4 },
	{ "IPv6", T_IPV6, "", IP6 },
};

static const struct {
	const char *name;
	int type;
	const char *frame;
	enum ipm_reason want;
} other[] = {
	{ "ARP", T_ETHER, MACS "0806" IP4, IPM_R_NOT_IP },
	{ "MPLS", T_ETHER, MACS "8847" "00001140" IP4, IPM_R_NOT_IP },
	{ "PPPoE discovery", T_ETHER, MACS "8863" "110000010000" IP4, IPM_R_NOT_IP },
	{ "PPPoE, LCP", T_ETHER, MACS "8864" "110000010010" "c021" IP4, IPM_R_NOT_IP },
	{ "tag, ARP", T_ETHER, MACS "81000005" "0806" IP4, IPM_R_NOT_IP },
	{ "spanning tree", T_ETHER, MACS "001f" "424203" IP4, IPM_R_NOT_IP },
	{ "SNAP of another organisation", T_ETHER, MACS "0024" "aaaa0300000c0800" IP4, IPM_R_NOT_IP },
	{ "SNAP with another control octet", T_ETHER, MACS "0024" "aaaa04000000" "0800" IP4, IPM_R_NOT_IP },
	{ "SNAP inside SNAP", T_ETHER, MACS "0024" "aaaa03000000" "0024" "aaaa03000000" "0800" IP4, IPM_R_NOT_IP },
	{ "neither type nor length", T_ETHER, MACS "05dd" "aaaa03000000" "0800" IP4, IPM_R_NOT_IP },
	{ "SNAP cut short", T_ETHER, MACS "0006" "aaaa03000000" "08", IPM_R_NOT_IP },
	{ "PPP, LCP", T_PPP, "ff03c021" IP4, IPM_R_NOT_IP },
	{ "PPP, IPCP", T_PPP, "8021" IP4, IPM_R_NOT_IP },
	{ "Cisco HDLC", T_PPP_HDLC, "0f000800" IP4, IPM_R_NOT_IP },
	{ "null, IPX", T_NULL, "17000000" IP4, IPM_R_NOT_IP },
	{ "enc, family 0", T_ENC, "000000000000100000000001" IP4, IPM_R_NOT_IP },
	{ "cooked, ARP", T_SLL, "00000001000602000000000a00000806" IP4, IPM_R_NOT_IP },
	{ "cooked 2, ARP", T_SLL2, "0806000000000003020000000000000000000000" IP4, IPM_R_NOT_IP },
	{ "link type unknown", 147, IP4, IPM_R_NOT_IP },
	{ "link type negative", -1, IP4, IPM_R_NOT_IP },
	{ "tag without its type", T_ETHER, MACS "8100" "0005", IPM_R_LINK_BAD },
	{ "tag, half of the second", T_ETHER, MACS "88a80005" "810000", IPM_R_LINK_BAD },
	{ "PPPoE without PPP", T_ETHER, MACS "8864" "110000010000", IPM_R_LINK_BAD },
	{ "PPPoE cut short", T_ETHER, MACS "8864" "11000001", IPM_R_LINK_BAD },
	{ "PPP, half a protocol", T_PPP, "ff0300", IPM_R_LINK_BAD },
	{ "PPP, no protocol", T_PPP, "ff03", IPM_R_LINK_BAD },
	{ "enc cut short", T_ENC, "0200000000001000000000", IPM_R_LINK_BAD },
};
/* clang-format on */

static struct hx_octets
octets_of(const char *hex)
{
	struct hx_octets o;

	cr_assert(hx_hex_read(hex, &o), "%s", hex);
	return o;
}

Test(link, header_of_each_type)
{
	for (size_t i = 0; i < N(good); i++) {
		struct hx_octets h = octets_of(good[i].header),
				 p = octets_of(good[i].ip);
		uint8_t frame[128];
		struct ipm_span ip;
		struct ipm_ip read;

		if (h.len != 0)
			memcpy(frame, h.p, h.len);
		memcpy(frame + h.len, p.p, p.len);
		cr_expect(ipm_link_known(good[i].type), "%s", good[i].name);
		cr_expect_eq(ipm_link_parse(good[i].type,
				 ipm_span(frame, h.len + p.len), &ip),
		    IPM_R_OK, "%s", good[i].name);
		cr_expect_eq(ip.p, frame + h.len, "%s", good[i].name);
		cr_expect_eq(ip.len, p.len, "%s", good[i].name);
		cr_expect_eq(ipm_ip_parse(ip, true, &read), IPM_R_OK, "%s",
		    good[i].name);
		hx_octets_free(&h);
		hx_octets_free(&p);
	}
}

Test(link, frames_of_something_else_and_short_ones)
{
	for (size_t i = 0; i < N(other); i++) {
		struct hx_octets f = octets_of(other[i].frame);
		struct ipm_span ip = hx_span(&f);

		cr_expect_eq(ipm_link_parse(other[i].type, hx_span(&f), &ip),
		    other[i].want, "%s", other[i].name);
		cr_expect_eq(ip.len, 0, "%s", other[i].name);
		hx_octets_free(&f);
	}
}

/* LLC that is not SNAP's (yet), or a protocol field of one octet, 0xff. */
static bool
may_be_other(const struct hx_octets *header, size_t cut)
{
	static const uint8_t snap[3] = { 0xaa, 0xaa, 3 };

	for (size_t i = 0; i + 3 <= header->len; i++)
		if (memcmp(header->p + i, snap, 3) == 0)
			return cut >= i;
	return cut == 1 && header->p[0] == 0xff;
}

/*
 * A frame that ends in its link header is short, or another type of LLC
 * frame; one that ends in its IP packet is for ipm_ip_parse to refuse.
 */
Test(link, every_truncation_is_refused)
{
	for (size_t i = 0; i < N(good); i++) {
		struct hx_octets h = octets_of(good[i].header),
				 p = octets_of(good[i].ip);
		size_t len = h.len + p.len;

		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *frame = malloc(cut == 0 ? 1 : cut);
			enum ipm_reason r;
			struct ipm_span ip;
			struct ipm_ip read;

			cr_assert_not_null(frame);
			for (size_t k = 0; k < cut; k++)
				frame[k] = k < h.len ? h.p[k] : p.p[k - h.len];
			/* Nothing to read: a pointer past the block. */
			r = ipm_link_parse(good[i].type,
			    ipm_span(cut == 0 ? frame + 1 : frame, cut), &ip);
			if (cut < h.len)
				cr_expect(r == IPM_R_LINK_BAD ||
					(r == IPM_R_NOT_IP &&
					    may_be_other(&h, cut)),
				    "%s cut to %zu", good[i].name, cut);
			else
				cr_expect_eq(r, IPM_R_OK, "%s cut to %zu",
				    good[i].name, cut);
			if (r == IPM_R_OK)
				cr_expect_eq(ipm_ip_parse(ip, true, &read),
				    IPM_R_TRUNCATED, "%s cut to %zu",
				    good[i].name, cut);
			free(frame);
		}
		hx_octets_free(&h);
		hx_octets_free(&p);
	}
}

/* Headers repeated through the whole of a large frame take no stack. */
Test(link, long_stacks_of_headers_end)
{
	static const struct {
		const char *unit;
		enum ipm_reason want;
	} rows[] = {
		{ "81000001", IPM_R_LINK_BAD },
		{ "88a80001", IPM_R_LINK_BAD },
		{ "0008aaaa03000000", IPM_R_NOT_IP },
	};
	size_t len = 262144;
	uint8_t *frame = calloc(1, len);
	struct ipm_span ip;

	cr_assert_not_null(frame);
	for (size_t i = 0; i < N(rows); i++) {
		struct hx_octets u = octets_of(rows[i].unit);

		for (size_t k = 12; k < len; k++)
			frame[k] = u.p[(k - 12) % u.len];
		cr_expect_eq(ipm_link_parse(T_ETHER, ipm_span(frame, len), &ip),
		    rows[i].want, "%s", rows[i].unit);
		hx_octets_free(&u);
	}
	free(frame);
}

Test(link, the_list_names_each_type_once_and_has_no_other)
{
	size_t known = 0;

	for (int type = -2; type < 1000; type++) {
		size_t n = 0;

		for (size_t i = 0; i < ipm_n_linktypes; i++)
			n += ipm_linktypes[i].number == type;
		cr_expect(n <= 1, "%d", type);
		cr_expect_eq(ipm_link_known(type), n == 1, "%d", type);
		known += n;
	}
	cr_expect_eq(known, ipm_n_linktypes);
	for (size_t i = 0; i < ipm_n_linktypes; i++) {
		bool tested = false;

		for (size_t k = 0; k < N(good); k++)
			tested =
			    tested || good[k].type == ipm_linktypes[i].number;
		cr_expect(tested, "%d", ipm_linktypes[i].number);
		cr_expect_not_null(ipm_linktypes[i].name);
	}
}
