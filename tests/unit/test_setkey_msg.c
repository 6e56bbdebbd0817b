/*
 * Statements of setkey(8) as PF_KEY messages.  Octets are written by hand from
 * struct layouts of net/pfkeyv2.h and the order in which sbin/setkey/parse.y
 * appends extensions; the naive twin at the end does the same from a list.
 */

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "hx_setkey_msg.h"

#define PID 1234

static void
compile_all(const char *text, struct hx_setkey_msgs *m)
{
	struct hx_setkey s;
	struct hx_err err;

	memset(m, 0, sizeof(*m));
	cr_assert(
	    hx_setkey_parse(text, strlen(text), "t", &s, &err), "%s", err.text);
	for (size_t i = 0; i < s.n; i++)
		cr_assert_eq(hx_setkey_compile(&s.stmt[i], PID, m), IPM_OK);
	hx_setkey_free(&s);
}

/* The same with the tool's way of reading. */
static void
compile_tool(const char *text, struct hx_setkey_msgs *m)
{
	const struct hx_setkey_opts o = { 0 };
	struct hx_setkey s;
	struct hx_err err;

	memset(m, 0, sizeof(*m));
	cr_assert(hx_setkey_parse_tool(text, strlen(text), &o, &s, &err));
	cr_assert_not(s.failed, "%s", s.n_notes > 0 ? s.note[0].text : "");
	for (size_t i = 0; i < s.n; i++)
		cr_assert_eq(hx_setkey_compile(&s.stmt[i], PID, m), IPM_OK);
	hx_setkey_free(&s);
}

/* Hexadecimal with blanks against octets; shows both when they differ. */
static void
expect(const struct hx_octets *o, const char *hex, const char *what)
{
	char want[2000], got[2000];
	size_t n = 0;

	for (; *hex != '\0'; hex++)
		if (*hex != ' ' && *hex != '\n')
			want[n++] = *hex;
	want[n] = '\0';
	cr_assert_lt(2 * o->len, sizeof(got));
	(void)hx_hex_write(hx_span(o), got);
	cr_assert_str_eq(got, want, "%s:\n%s\n%s", what, got, want);
}

#define HDR(type, satype, words) \
	"02" type "00" satype words "000000000000d2040000"
#define SRC4 "03000500ff20000010020000c00002010000000000000000"
#define DST4 "03000600ff20000010020000c00002020000000000000000"
#define SRC6                               \
	"05000500ff8000001c1c000000000000" \
	"20010db80000000000000000000000010000000000000000"
#define DST6                               \
	"05000600ff8000001c1c000000000000" \
	"20010db80000000000000000000000020000000000000000"
#define SA2_TUNNEL "02001300020000000000000000000000"
#define SA2_ANY    "02001300000000000000000000000000"

static const struct {
	const char *text, *hex;
} rows[] = {
	/* 0: a whole SA, keys first, in the order of the tool */
	{ "add 192.0.2.1 192.0.2.2 esp 0x1001 -m tunnel -r 4 -E rijndael-cbc "
	  "0x00112233445566778899aabbccddeeff -A hmac-sha1 "
	  "0x000102030405060708090a0b0c0d0e0f10111213;",
	    HDR("03", "03",
		"1300") "03000900800000000011223344556677"
			"8899aabbccddeeff04000800a0000000"
			"000102030405060708090a0b0c0d0e0f"
			"1011121300000000020001000000"
			"10010400030c40000000" SA2_TUNNEL SRC4 DST4 },
	/* 1 */
	{ "spdadd 10.0.1.0/24 10.0.2.0/24 any -P out ipsec "
	  "esp/tunnel/192.0.2.1-192.0.2.2/require;",
	    HDR("0e", "00",
		"0f00") "0700120002000200000000000000000028003200020200001002"
			"0000c0000201000000000000000010020000c000020200000000"
			"0000000003000500ff180000100200000a000100000000000000"
			"000003000600ff180000100200000a0002000000000000000000" },
	/* 2: nothing but a header */
	{ "flush;", HDR("09", "00", "0200") },
	{ "flush esp;", HDR("09", "03", "0200") },
	{ "flush ah-old;", HDR("09", "02", "0200") },
	{ "dump ipcomp;", HDR("0a", "09", "0200") },
	{ "dump tcp;", HDR("0a", "0b", "0200") },
	{ "spddump;", HDR("12", "00", "0200") },
	{ "spdflush;", HDR("13", "00", "0200") },
	/* 9 */
	{ "deleteall 192.0.2.1 192.0.2.2 ah;",
	    HDR("04", "02", "0800") SRC4 DST4 },
	{ "delete 192.0.2.1 192.0.2.2 esp 0x1001;",
	    HDR("04", "03", "0c00") "0200010000001001"
				    "0000000040000000" SA2_ANY SRC4 DST4 },
	/* 11: a window beyond 255 octets, in packets; request id */
	{ "get 2001:db8::1 2001:db8::2 ah 4096 -r 256 -u 70000;",
	    HDR("05", "02", "1100") "0200010000001000"
				    "ff00000040000000"
				    "02001300000000000000000070110100"
				    "01001a0000080000" SRC6 DST6 },
	/* 12: lifetimes, hard first; 255 octets need no extension */
	{ "add 2001:db8::1 2001:db8::2 ah 4096 -r 255 -lh 300 -ls 200 "
	  "-f zero-pad -f nocyclic-seq -A hmac-md5 \"0123456789abcdef\";",
	    HDR("03", "02",
		"1b00") "03000800800000003031323334353637"
			"3839616263646566"
			"04000300000000000000000000000000"
			"2c010000000000000000000000000000"
			"04000400000000000000000000000000"
			"c8000000000000000000000000000000"
			"0200010000001000ff00020000020000" SA2_ANY SRC6 DST6 },
	/* 13: no key for IPcomp; raw CPI */
	{ "add 192.0.2.1 192.0.2.2 ipcomp 0x2345 -m transport -C deflate -R;",
	    HDR("03", "09",
		"0c00") "0200010000002345"
			"00000002c0000000"
			"02001300010000000000000000000000" SRC4 DST4 },
	/* 14 */
	{ "add 192.0.2.1 192.0.2.2 tcp 0x1000 -A tcp-md5 0x123;",
	    HDR("03", "0b", "0e00") "02000800100000000123000000000000"
				    "020001000000100000"
				    "00fc0040000000" SA2_ANY SRC4 DST4 },
	/* 15: ICMPv6's type and code in the places of the ports */
	{ "spdadd 2001:db8::/32 fe80::1%3 icmp6 135,7 -P out none;",
	    HDR("0e", "00", "0e00") "02001200010002000000000000000000"
				    "050005003a2000001c1c008700000000"
				    "20010db8000000000000000000000000"
				    "0000000000000000"
				    "050006003a8000001c1c000700000000"
				    "fe800000000000000000000000000001"
				    "0300000000000000" },
	/* 16: ports; deletion looks at the direction alone */
	{ "spddelete 10.0.0.1[any] 10.0.0.2[80] tcp -P in;",
	    HDR("0f", "00", "0a00") "02001200000001000000000000000000"
				    "030005000620000010020000"
				    "0a0000010000000000000000"
				    "030006000620000010020050"
				    "0a0000020000000000000000" },
	/* The old protocols; every bit of padding. */
	{ "get 192.0.2.1 192.0.2.2 esp-old 5 -f random-pad -f zero-pad "
	  "-f seq-pad;",
	    HDR("05", "03", "0c00") "0200010000000005"
				    "0000000041030000" SA2_ANY SRC4 DST4 },
	{ "delete 192.0.2.1 192.0.2.2 ah-old 5 -m transport;",
	    HDR("04", "02",
		"0c00") "0200010000000005"
			"0000000041000000"
			"02001300010000000000000000000000" SRC4 DST4 },
	/* ESP in UDP, ESN */
	{ "add 192.0.2.1 192.0.2.2 esp 0x1001 -esn -natt 10.0.0.1[4501] "
	  "192.0.2.2[4500] -E null \"\" -A hmac-md5 "
	  "0x00000000000000000000000000000000;",
	    HDR("03", "03", "1900") "0100090000000000"
				    "0300080080000000"
				    "00000000000000000000000000000000"
				    "02000100000010010000020b40040000" SA2_ANY
				    "0100140002000000"
				    "030017000020000010020000"
				    "0a0000010000000000000000"
				    "0100150011950000"
				    "030018000020000010020000"
				    "c00002020000000000000000"
				    "0100160011940000" SRC4 DST4 },
};

/*
 * [PFKEY-2.1-05] [PFKEY-1.6-02] the header; [PFKEY-2.3.1-01] the SPI's octets;
 * [PFKEY-2.3.1-02] the window; [PFKEY-2.3.3-01] both addresses.
 */
Test(setkey_msg, statements_become_the_octets_of_the_tool)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_setkey_msgs m;
		char what[20];

		(void)snprintf(what, sizeof(what), "row %zu", i);
		compile_all(rows[i].text, &m);
		cr_assert_eq(m.n, 1, "%s", what);
		expect(&m.msg[0].octets, rows[i].hex, what);
		hx_setkey_msgs_free(&m);
		/* The tool's way makes the same of it. */
		compile_tool(rows[i].text, &m);
		cr_assert_eq(m.n, 1, "%s", what);
		expect(&m.msg[0].octets, rows[i].hex, what);
		hx_setkey_msgs_free(&m);
	}
}

/* What a configuration's SA becomes is what its statement becomes. */
Test(setkey_msg, an_sa_makes_the_message_of_its_statement)
{
	static const char *const texts[] = {
		"add 192.0.2.1 192.0.2.2 esp 0x1001 -m tunnel -r 4 -u 9 -lh 7 "
		"-ls 6 -E aes-cbc \"0123456789abcdef\" -A hmac-sha1 "
		"\"01234567890123456789\";",
		"add ::1 ::2 ah 0x1001 -r 300 -f random-pad -A hmac-md5 "
		"\"0123456789abcdef\";",
		"add ::1 ::2 ipcomp 0x1001 -m transport -C deflate;",
		"add ::1 ::2 esp 0x1001 -esn -E aes-gcm-16 "
		"\"0123456789abcdefsalt\";",
		"add ::1 ::2 esp 0x1001 -E null;",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct hx_setkey_msgs m = { 0 }, want = { 0 };
		struct hx_setkey_stmt st;
		struct hx_setkey s;
		struct hx_err err;

		cr_assert(
		    hx_setkey_parse(texts[i], strlen(texts[i]), "t", &s, &err));
		cr_assert_eq(hx_setkey_compile(&s.stmt[0], PID, &want), IPM_OK);
		hx_setkey_of_sa(&s.stmt[0].sa, &st);
		cr_assert_null(hx_setkey_unsaid(&st));
		cr_assert_eq(hx_setkey_compile(&st, PID, &m), IPM_OK);
		cr_assert_eq(m.msg[0].octets.len, want.msg[0].octets.len);
		cr_assert_eq(memcmp(m.msg[0].octets.p, want.msg[0].octets.p,
				 m.msg[0].octets.len),
		    0, "row %zu", i);
		hx_setkey_msgs_free(&m);
		hx_setkey_msgs_free(&want);
		hx_setkey_free(&s);
	}
}

Test(setkey_msg, what_cannot_be_said_is_told)
{
	static const struct {
		const char *text, *unsaid;
		enum ipm_err result;
	} rows[] = {
		{ "add ::1 ::2 esp 256 -seq 5 -E null;", "-seq", IPM_OK },
		{ "add ::1 ::2 ah 256 -flag align4 -A hmac-md5 "
		  "\"0123456789abcdef\";",
		    "-flag align4", IPM_OK },
		{ "add ::1 ::2 esp 256 -flag noecn -E null;", NULL, IPM_OK },
		{ "get ::1 ::2 esp 256;", NULL, IPM_OK },
		/* Linux has a number that FreeBSD uses for nothing else. */
		{ "add ::1 ::2 esp 256 -E aes-ccm-8 \"0123456789abcdefsal\";",
		    NULL, IPM_OK },
		{ "add ::1 ::2 esp 256 -E camellia-ctr "
		  "\"0123456789abcdefsalt\";",
		    NULL, IPM_ERR_UNSUPPORTED },
		{ "add ::1 ::2 ah 256 -A aes-cmac \"0123456789abcdef\";", NULL,
		    IPM_ERR_UNSUPPORTED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_setkey_msgs m = { 0 };
		struct hx_setkey s;
		struct hx_err err;
		const char *unsaid;

		cr_assert(hx_setkey_parse(rows[i].text, strlen(rows[i].text),
			      "t", &s, &err),
		    "%s", err.text);
		unsaid = hx_setkey_unsaid(&s.stmt[0]);
		cr_assert_eq(unsaid == NULL, rows[i].unsaid == NULL);
		if (unsaid != NULL)
			cr_assert_str_eq(unsaid, rows[i].unsaid);
		cr_assert_eq(hx_setkey_compile(&s.stmt[0], PID, &m),
		    rows[i].result, "row %zu", i);
		cr_assert_eq(m.n, rows[i].result == IPM_OK ? 1 : 0);
		hx_setkey_msgs_free(&m);
		hx_setkey_free(&s);
	}
}

/* Lengths that no field can state: nothing is appended. */
Test(setkey_msg, what_is_too_long_is_refused)
{
	static char text[9000];
	const struct hx_setkey_opts o = { 0 };
	struct hx_setkey_msgs m = { 0 };
	struct hx_setkey s;
	struct hx_err err;
	size_t at;

	/* sadb_key_bits has 16 bits: 8191 octets and no more. */
	for (size_t octets = 8191; octets <= 8192; octets++) {
		at = (size_t)snprintf(
		    text, sizeof(text), "add ::1 ::2 ah 5 -A hmac-md5 \"");
		memset(text + at, 'k', octets);
		memcpy(text + at + octets, "\";", 3);
		cr_assert(
		    hx_setkey_parse_tool(text, strlen(text), &o, &s, &err));
		cr_assert_eq(hx_setkey_compile(&s.stmt[0], PID, &m),
		    octets == 8191 ? IPM_OK : IPM_ERR_BADARG);
		cr_assert_eq(m.n, 1);
		hx_setkey_free(&s);
	}
	hx_setkey_msgs_free(&m);
}
