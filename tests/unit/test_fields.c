/*
 * A packet as named fields.  The octets are written by hand after RFC 791,
 * 8200, 4303, 4302, 3173, 768.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "hx_fields.h"
#include "hx_hex.h"
#include "support/db_box.h"

static const struct {
	const char *hex;
	const char *name, *text;
} rows[] = {
	/* IPv4 in ESP: id 0x1234, DF, TTL 64, SPI 0x1000, number 7. */
	{ "450b0024123440004032a1b2c0000201c0000202000010000000000700112233"
	  "44556677",
	    "ip.tos", "11" },
	{ NULL, "ip.len", "36" },
	{ NULL, "ip.id", "4660" },
	{ NULL, "ip.rf", "0" },
	{ NULL, "ip.df", "1" },
	{ NULL, "ip.mf", "0" },
	{ NULL, "ip.off", "0" },
	{ NULL, "ip.ttl", "64" },
	{ NULL, "ip.proto", "50" },
	{ NULL, "ip.src", "192.0.2.1" },
	{ NULL, "ip.dst", "192.0.2.2" },
	{ NULL, "esp.spi", "4096" },
	{ NULL, "esp.seq", "7" },
	{ NULL, "esp.data", "0x0011223344556677" },
	/* IPv6 in IPv6: class 0x2e, label 0xabcde; UDP inside. */
	{ "62eabcde00302940"
	  "20010db8000b00000000000000000001"
	  "20010db8000b00000000000000000002"
	  "6000000000081140"
	  "20010db8000100000000000000000005"
	  "20010db8000200000000000000000007"
	  "0005045700080000",
	    "ip.tos", "46" },
	{ NULL, "ip.flow", "703710" },
	{ NULL, "ip.proto", "41" },
	{ NULL, "ip2.src", "2001:db8:1::5" },
	{ NULL, "ip2.ttl", "64" },
	{ NULL, "udp.sport", "5" },
	{ NULL, "udp.dport", "1111" },
	{ NULL, "udp.len", "8" },
	/* AH with 12 octets of ICV in front of IPcomp, CPI 0x1234. */
	{ "450000340000000040330000c0000201c0000202"
	  "6c04000000002000000000010102030405060708090a0b0c"
	  "1100123463000000",
	    "ah.nh", "108" },
	{ NULL, "ah.ahlen", "4" },
	{ NULL, "ah.spi", "8192" },
	{ NULL, "ah.icv", "0x0102030405060708090a0b0c" },
	{ NULL, "ipcomp.cpi", "4660" },
	{ NULL, "ipcomp.nh", "17" },
	/* A later fragment: no header is read behind it. */
	{ "4500001c0007200240110000c0000201c00002020102030405060708", "ip.mf",
	    "1" },
	{ NULL, "ip.off", "2" },
	{ NULL, "ip.data", "0x0102030405060708" },
};

Test(fields, names_and_values)
{
	struct hx_octets o = { 0 };
	struct hx_field f[HX_FIELDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct hx_field *found;
		char text[HX_FIELD_TEXT_MAX];

		if (rows[i].hex != NULL) {
			hx_octets_free(&o);
			cr_assert(hx_hex_read(rows[i].hex, &o));
			n = hx_fields(hx_span(&o), f);
		}
		found = hx_field_find(f, n, rows[i].name);
		cr_assert_not_null(found, "row %zu: no %s", i, rows[i].name);
		cr_expect_str_eq(hx_field_text(hx_span(&o), found, text),
		    rows[i].text, "row %zu: %s is %s", i, rows[i].name, text);
		cr_expect(hx_field_is(hx_span(&o), found, rows[i].text),
		    "row %zu", i);
		cr_expect_not(
		    hx_field_is(hx_span(&o), found, "1.2.3.4"), "row %zu", i);
	}
	hx_octets_free(&o);
}

/* Whatever the octets, the fields cover every bit once. */
Test(fields, cover_every_bit_once)
{
	uint64_t seed = 7;

	for (unsigned round = 0; round < 20000; round++) {
		static const uint8_t protos[] = { 0, 1, 4, 6, 17, 41, 43, 44,
			50, 51, 58, 60, 108 };
		uint8_t p[256];
		struct hx_field f[HX_FIELDS_MAX];
		size_t len = db_random(&seed) % sizeof p, n, at = 0;

		for (size_t i = 0; i < sizeof p; i++)
			p[i] = (uint8_t)db_random(&seed);
		p[0] = (uint8_t)((round & 1) != 0 ? 0x45 : 0x60 | (p[0] & 15));
		p[(round & 1) != 0 ? 9 : 6] =
		    protos[db_random(&seed) % sizeof protos];
		if ((round & 2) != 0)
			p[6] &= 0xe0, p[7] = 0;
		n = hx_fields(ipm_span(p, len), f);
		for (size_t i = 0; i < n; i++) {
			cr_assert_eq(
			    f[i].bit, at, "round %u: %s", round, f[i].name);
			at += f[i].bits;
		}
		cr_assert_eq(at, len * 8, "round %u", round);
	}
}

static void
count(void *ctx, const struct hx_field *a, const struct hx_field *b)
{
	char *names = ctx;

	(void)strcat(names, (a != NULL ? a : b)->name);
	(void)strcat(names, " ");
}

Test(fields, tell_what_differs)
{
	struct hx_octets a, b;
	char names[256] = "";

	cr_assert(hx_hex_read("4500001c123400004011e496c0000202c00002010005232"
			      "800080000",
	    &a));
	cr_assert(hx_hex_read("450a001c123440004011e496c0000202c00002010005232"
			      "900080000",
	    &b));
	cr_expect_eq(hx_fields_diff(hx_span(&a), hx_span(&a), count, names), 0);
	cr_expect_eq(hx_fields_diff(hx_span(&a), hx_span(&b), count, names), 3);
	cr_expect_str_eq(names, "ip.tos ip.df udp.dport ");
	hx_octets_free(&a);
	hx_octets_free(&b);
}
