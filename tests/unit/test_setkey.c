/*
 * The setkey(8) language.  Expected values are written by hand from the text
 * of each script and sbin/setkey's grammar; hexadecimal keys are compared
 * with a naive twin.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "hx_setkey.h"

#define F "t.conf"

/* Parses and runs; the error is "" when both went well. */
static bool
configure(const char *text, size_t len, struct hx_setkey_result *r,
    struct hx_err *err)
{
	struct hx_setkey s;
	bool ok;

	memset(r, 0, sizeof(*r));
	err->text[0] = '\0';
	if (!hx_setkey_parse(text, len, F, &s, err))
		return false;
	ok = hx_setkey_run(&s, F, r, err);
	hx_setkey_free(&s);
	return ok;
}

#define ADD   "add 192.0.2.1 192.0.2.2 esp 0x1000 "
#define NULLE "-E null \"\" -A hmac-md5 \"0123456789abcdef\""
#define AES   "-E aes-cbc 0x000102030405060708090a0b0c0d0e0f"

/* Text and the whole of the error it must give. */
static const struct {
	const char *text, *error;
} bad[] = {
	/* 0..9: the words of the language */
	{ "flush;\nspdflush;\n# c\n\n\n\nadd 192.0.2.1 192.0.2.2 esq 0x1000;\n",
	    F ":7:25: found 'esq', expected 'esp', 'ah', 'esp-old', "
	      "'ah-old', 'ipcomp', 'tcp', a number or a hexadecimal number" },
	{ "ad 192.0.2.1;",
	    F ":1:1: found 'ad', expected the end of the file, 'add', "
	      "'delete', 'deleteall', 'get', 'flush', 'dump', 'spdadd', "
	      "'spddelete', 'spddump' or 'spdflush'" },
	{ "flush\nspdflush;",
	    F ":2:1: found 'spdflush', expected 'esp', 'ah', 'esp-old', "
	      "'ah-old', 'ipcomp', 'tcp' or ';'" },
	{ "flush",
	    F ":1:6: found the end of the file, expected 'esp', "
	      "'ah', 'esp-old', 'ah-old', 'ipcomp', 'tcp' or ';'" },
	{ ADD "-m transprot " AES ";",
	    F ":1:39: found 'transprot', expected 'transport', "
	      "'tunnel' or 'any'" },
	{ ADD "\n  -x 3 " AES ";", F ":2:3: unknown option '-x'" },
	{ ADD "-Rfoo " AES ";", F ":1:36: unknown option '-Rfoo'" },
	{ ADD "-r 4\n" AES "\n@;", F ":3:1: '@' has no meaning here" },
	{ "add tunnel 192.0.2.2 esp 0x1000 " AES ";",
	    F ":1:5: found 'tunnel', expected '-4', '-6', '-n' or an "
	      "address or word" },
	{ "add 10 192.0.2.2 esp 0x1000 " AES ";",
	    F ":1:5: found a number, expected '-4', '-6', '-n' or an "
	      "address or word" },
	/* 10..19: addresses, SPIs, numbers */
	{ "add 192.0.2.1 192.0.2.256 esp 0x1000 " AES ";",
	    F ":1:15: '192.0.2.256' is not a numeric address" },
	{ "add 192.0.2.1 gw.example.org esp 0x1000 " AES ";",
	    F ":1:15: 'gw.example.org' is not a numeric address" },
	{ "add 192.0.2.1 2001:db8::1 esp 0x1000 " AES ";",
	    F ":1:15: source is IPv4 and destination IPv6" },
	{ "add -6 192.0.2.1 192.0.2.2 esp 0x1000 " AES ";",
	    F ":1:8: '192.0.2.1' is not an IPv6 address" },
	{ "add fe80::1%em0 fe80::2%em0 esp 0x1000 " AES ";",
	    F ":1:5: 'fe80::1%em0' is not a numeric address" },
	{ "add 192.0.2.1 192.0.2.2 esp 0x100000000 " AES ";",
	    F ":1:29: SPI too big: it is more than 4294967295" },
	{ "add 192.0.2.1 192.0.2.2 esp 4294967296 " AES ";",
	    F ":1:29: SPI too big: it is more than 4294967295" },
	{ "add 192.0.2.1 192.0.2.2 esp 0 " AES ";",
	    F ":1:29: SPI 0 is never used for an SA" },
	{ "add 192.0.2.1 192.0.2.2 esp 0xff " AES ";",
	    F ":1:29: SPI 255 is reserved (1 to 255)" },
	{ "add 192.0.2.1 192.0.2.2 ah 1 -A hmac-md5 \"0123456789abcdef\";",
	    F ":1:28: SPI 1 is reserved (1 to 255)" },
	/* 20..29 */
	{ "add 192.0.2.1 192.0.2.2 ipcomp 0x10000 -C deflate;",
	    F ":1:32: CPI 0x10000 has more than 16 bits" },
	{ "add 192.0.2.1 192.0.2.2 ipcomp 64 -C deflate;",
	    F ":1:32: CPI 64 is reserved (64 to 255)" },
	{ "add 192.0.2.1 192.0.2.2 ipcomp 255 -C deflate -R;",
	    F ":1:32: CPI 255 is reserved (64 to 255)" },
	{ "add 192.0.2.1 192.0.2.2 0x1000 " AES ";",
	    F ":1:1: 'add' needs a protocol: esp, ah, esp-old, ah-old, "
	      "ipcomp or tcp" },
	{ ADD "-u 4294967296 " AES ";",
	    F ":1:39: the request id is more than 4294967295" },
	{ ADD "-u 0x10 " AES ";",
	    F ":1:39: found a hexadecimal number, expected a number" },
	{ ADD "-r 536870908 " AES ";",
	    F ":1:39: the replay window is more than 536870907" },
	{ ADD "-seq 18446744073709551616 " AES ";",
	    F ":1:41: the sequence number is more than "
	      "18446744073709551615" },
	{ ADD "-seq 4294967296 " AES ";",
	    F ":1:1: a sequence number beyond 32 bits needs ESN" },
	{ ADD "-flag noenc " AES ";", F ":1:42: unknown flag 'noenc'" },
	/* 30..39: extensions */
	{ ADD "-natt 192.0.2.1 192.0.2.2[4500] " AES ";",
	    F ":1:52: found '192.0.2.2', expected '['" },
	{ ADD "-natt 192.0.2.1[65536] 192.0.2.2[4500] " AES ";",
	    F ":1:52: the port is more than 65535" },
	{ ADD "-natt 192.0.2.1[0] 192.0.2.2[4500] " AES ";",
	    F ":1:52: port 0 carries no packets" },
	{ ADD "-natt 192.0.2.1[4500] 2001:db8::2[4500] " AES ";",
	    F ":1:58: source is IPv6 and destination IPv4" },
	{ "add 192.0.2.1 192.0.2.2 ah 0x1000 -natt 192.0.2.1[1] "
	  "192.0.2.2[2] -A hmac-md5 \"0123456789abcdef\";",
	    F ":1:1: UDP encapsulation is for ESP alone" },
	{ "add 192.0.2.1 192.0.2.2 ipcomp 0x1000 -esn -C deflate;",
	    F ":1:1: extended sequence numbers belong to ESP and AH" },
	{ "add 192.0.2.1 192.0.2.2 esp-old 0x1000 -r 4 -E null;",
	    F ":1:1: the old protocols have no sequence number to check" },
	{ ADD ";",
	    F ":1:36: found ';', expected '-E', '-A', '-C', "
	      "'-m', '-u', '-f', '-r', '-lh', '-ls', '-esn', '-natt', "
	      "'-seq' or '-flag'" },
	{ ADD AES " -r 4;", F ":1:82: found '-r', expected '-A' or ';'" },
	{ ADD AES " -E null;", F ":1:82: found '-E', expected '-A' or ';'" },
	/* 40..49: algorithms and keys */
	{ ADD "\n\n\n\n\n\n-E aes-cbd 0x00;",
	    F ":7:4: unknown encryption algorithm 'aes-cbd'" },
	{ ADD "-E hmac-md5 0x00;",
	    F ":1:39: unknown encryption algorithm 'hmac-md5'" },
	{ ADD AES " -A aes-cbc 0x00;",
	    F ":1:85: unknown authentication algorithm 'aes-cbc'" },
	{ "add 192.0.2.1 192.0.2.2 ipcomp 0x1000 -C lzs;",
	    F ":1:42: unknown compression algorithm 'lzs'" },
	{ ADD "-E ;",
	    F ":1:39: found ';', expected the name of an "
	      "algorithm" },
	{ ADD "-E aes-cbc 0x00112233445566778899aabbccddeefg;",
	    F ":1:80: 'g' is not a hexadecimal digit" },
	{ ADD "-E aes-cbc 00112233445566778899aabbccddeeff;",
	    F ":1:47: a key is 0x and hexadecimal digits, or a quoted "
	      "string" },
	{ ADD "-E aes-cbc 0x;", F ":1:47: a hexadecimal key without a digit" },
	{ ADD "-E aes-cbc \"0123456789abcdef;\nflush;\n",
	    F ":1:47: a quoted string without its end" },
	{ ADD "-E aes-cbc 0x00112233 445566778899aabb;",
	    F ":1:58: found a word, expected '-A' or ';'" },
	/* 50..59: policies */
	{ "spdadd 10.0.0.0/33 10.0.0.0/8 any -P in none;",
	    F ":1:17: the prefix length is more than 32" },
	{ "spdadd ::/0 ::/129 any -P in none;",
	    F ":1:16: the prefix length is more than 128" },
	{ "spdadd 10.0.0.0/8[http] 10.0.0.0/8 any -P in none;",
	    F ":1:19: 'http' is not a numeric port" },
	{ "spdadd 10.0.0.0/8 10.0.0.0/8[65536] any -P in none;",
	    F ":1:30: the port is more than 65535" },
	{ "spdadd 10.0.0.0/8 ::/0 any -P in none;",
	    F ":1:19: source is IPv4 and destination IPv6" },
	{ "spdadd ::/0 ::/0 256 -P in none;",
	    F ":1:18: the upper layer protocol is more than 255" },
	{ "spdadd ::/0 ::/0 udq -P in none;",
	    F ":1:18: invalid upper layer protocol 'udq'" },
	{ "spdadd ::/0 ::/0 udp 135,0 -P in none;",
	    F ":1:22: only ICMPv6 takes a type and a code" },
	{ "spdadd ::/0 ::/0 icmp6 135,256 -P in none;",
	    F ":1:28: the ICMPv6 code is more than 255" },
	{ "spdadd ::/0 ::/0 icmp6 135, -P in none;",
	    F ":1:24: TYPE,CODE expected" },
	/* 60..69 */
	/* A lone number is no word: the tool's own grammar says so, too. */
	{ "spdadd ::/0 ::/0 icmp6 135 -P in none;",
	    F ":1:24: found a number, expected '-P' or an address or "
	      "word" },
	{ "spdadd ::/0 ::/0 any -P ;",
	    F ":1:24: -P without the text of a policy" },
	{ "spdadd ::/0 ::/0 any -P;",
	    F ":1:24: found ';', expected the text of a policy" },
	{ "spdadd ::/0 ::/0 any -P in none",
	    F ":1:32: found the end of the file, expected ';'" },
	{ "spdadd tagged \"x\" -P in none;",
	    F ":1:8: tagged policies are not supported" },
	/* A comment ends the text of a policy. */
	{ "spdadd ::/0 ::/0 any -P in # c\n none;",
	    F ":2:2: found 'none', expected ';'" },
	{ "flush;\n  spddump ;",
	    F ":2:3: 'spddump' asks a kernel: not in a configuration file" },
	{ "dump esp;",
	    F ":1:1: 'dump' asks a kernel: not in a configuration file" },
	{ "get 192.0.2.1 192.0.2.2 esp 1;",
	    F ":1:1: 'get' asks a kernel: not in a configuration file" },
	{ "delete 192.0.2.1 192.0.2.2 0x1000;",
	    F ":1:1: 'delete' needs a protocol: esp, ah, esp-old, ah-old, "
	      "ipcomp or tcp" },
	/* 70..: what one statement does to another */
	{ "flush;\n" ADD NULLE ";\n\n  " ADD AES ";\n",
	    F ":4:3: the SA esp 192.0.2.2 0x00001000 is already added in "
	      "line 2" },
	{ ADD NULLE ";\nadd 192.0.2.9 192.0.2.2 esp 4096 " NULLE ";",
	    F ":2:1: the SA esp 192.0.2.2 0x00001000 is already added in "
	      "line 1" },
	{ ADD NULLE ";\nflush ah;\ndelete 192.0.2.9 192.0.2.2 esp 0x1000;\n"
		    "deleteall 192.0.2.1 192.0.2.2 ah;\n" ADD NULLE ";",
	    F ":5:1: the SA esp 192.0.2.2 0x00001000 is already added in "
	      "line 1" },
};

Test(setkey, bad_scripts_name_line_column_and_cause)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hx_setkey_result r;
		struct hx_err err;

		cr_assert_not(
		    configure(bad[i].text, strlen(bad[i].text), &r, &err),
		    "row %zu is accepted: %s", i, bad[i].text);
		cr_assert_str_eq(err.text, bad[i].error, "row %zu:\n%s\n%s", i,
		    err.text, bad[i].error);
		cr_assert_eq(r.sas.n, 0, "row %zu", i);
		cr_assert_null(r.sas.sas, "row %zu", i);
	}
}

/* The place is ours, the words are the SAD's. */
Test(setkey, a_key_of_the_wrong_length_is_named_at_the_key)
{
	static const struct {
		const char *text, *place;
	} rows[] = {
		{ "flush;\n\n\n\n\n\n" ADD "-E aes-cbc\n 0x0011;", F ":8:2: " },
		{ ADD "-E aes-cbc;", F ":1:39: " },
		{ ADD AES " -A hmac-md5 0x0011;", F ":1:94: " },
		{ ADD "-E aes-gcm-16 0x00112233;", F ":1:50: " },
		/* A cipher key without the salt. */
		{ ADD "-E aes-gcm-16 \"0123456789abcdef\";", F ":1:50: " },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_setkey_result r;
		struct hx_err err;

		cr_assert_not(
		    configure(rows[i].text, strlen(rows[i].text), &r, &err),
		    "row %zu", i);
		cr_assert_eq(
		    strncmp(err.text, rows[i].place, strlen(rows[i].place)), 0,
		    "row %zu: %s", i, err.text);
	}
}

Test(setkey, a_nul_in_the_text_is_an_error_where_it_stands)
{
	static const char text[] = "flush;\nflush \0;\n";
	static const char word[] = "flush;\nflu\0sh;\n";
	struct hx_setkey_result r;
	struct hx_err err;

	cr_assert_not(configure(text, sizeof(text) - 1, &r, &err));
	cr_assert_str_eq(err.text, F ":2:7: '\\x00' has no meaning here");
	cr_assert_not(configure(word, sizeof(word) - 1, &r, &err));
	cr_assert_eq(
	    strstr(err.text, F ":2:1: found 'flu'"), err.text, "%s", err.text);
}

/* Every command once, with every option of the language somewhere. */
static const char whole[] =
    "# comment; with a semicolon and a \"quote\n"
    "flush ; spdflush;\r\n"
    "add -4 -n 192.0.2.1 192.0.2.2 esp 0x00001000 -m tunnel -u 7 -r4\n"
    "\t-f zero-pad -f nocyclic-seq -lh 20 -ls 10 -esn -seq 0x1fffffffe\n"
    "\t-flag noecn -flag decap-dscp -flag nopmtudisc # why not\n"
    "\t-natt 192.0.2.1[4501] 192.0.2.2[4500]\n"
    "\t-E rijndael-cbc \"0123456789abcdef\" -A hmac-sha1\n"
    "\t0x000102030405060708090a0b0c0d0e0f10111213;\n"
    "add 2001:db8::1 2001:db8::2 ah 4097 -m transport -f random-pad "
    "-flag align4 -A hmac-md5 \"# ; no \ncomment!\";\n"
    "add 192.0.2.1 192.0.2.2 ipcomp 0x2345 -m any -C deflate -R;\n"
    "add fe80::1%2 fe80::2%2 tcp 0x1000 -A tcp-md5 0x123;\n"
    "get -46 2001:db8::1 2001:db8::2 esp 5 -m tunnel;\n"
    "delete 192.0.2.1 192.0.2.2 ah-old 0x1000 -u 1;\n"
    "deleteall 192.0.2.1 192.0.2.2 esp-old;\n"
    "flush esp; dump; dump ipcomp; spddump;\n"
    "spdadd 10.1.0.0/24[any] 10.2.0.3[80] tcp -P\n in ipsec\n"
    " esp/tunnel/192.0.2.1-192.0.2.2/require ;\n"
    "spdadd 2001:db8::/32 fe80::1%3/128 icmp6 135,7 -P out none;\n"
    "spddelete 0.0.0.0/0 0.0.0.0/0 17 -P in none;\n"
    "spdadd 10.0.0.1 10.0.0.2 esp -P out discard;"
    "spdadd 10.0.0.1 10.0.0.2 any -P out discard;"
    "spdadd 10.0.0.1 10.0.0.2 ipv6-icmp -P out discard;";

static bool
span_is(struct ipm_span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

Test(setkey, the_whole_grammar_is_read_into_statements)
{
	static const struct {
		enum hx_setkey_kind kind;
		unsigned line, col;
	} want[] = {
		{ HX_SETKEY_FLUSH, 2, 1 },
		{ HX_SETKEY_SPDFLUSH, 2, 9 },
		{ HX_SETKEY_ADD, 3, 1 },
		{ HX_SETKEY_ADD, 9, 1 },
		{ HX_SETKEY_ADD, 11, 1 },
		{ HX_SETKEY_ADD, 12, 1 },
		{ HX_SETKEY_GET, 13, 1 },
		{ HX_SETKEY_DELETE, 14, 1 },
		{ HX_SETKEY_DELETEALL, 15, 1 },
		{ HX_SETKEY_FLUSH, 16, 1 },
		{ HX_SETKEY_DUMP, 16, 12 },
		{ HX_SETKEY_DUMP, 16, 18 },
		{ HX_SETKEY_SPDDUMP, 16, 31 },
		{ HX_SETKEY_SPDADD, 17, 1 },
		{ HX_SETKEY_SPDADD, 20, 1 },
		{ HX_SETKEY_SPDDELETE, 21, 1 },
		{ HX_SETKEY_SPDADD, 22, 1 },
		{ HX_SETKEY_SPDADD, 22, 45 },
		{ HX_SETKEY_SPDADD, 22, 89 },
	};
	struct hx_setkey s;
	struct hx_err err;

	cr_assert(hx_setkey_parse(whole, sizeof(whole) - 1, F, &s, &err), "%s",
	    err.text);
	cr_assert_eq(s.n, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < s.n; i++) {
		cr_assert_eq(s.stmt[i].kind, want[i].kind, "%zu", i);
		cr_assert_eq(s.stmt[i].line, want[i].line, "%zu", i);
		cr_assert_eq(s.stmt[i].col, want[i].col, "%zu", i);
	}

	const struct ipm_sa_config *a = &s.stmt[2].sa;
	const uint8_t src[4] = { 192, 0, 2, 1 }, dst[4] = { 192, 0, 2, 2 };
	const uint8_t akey[20] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
		14, 15, 16, 17, 18, 19 };
	cr_assert_eq(a->src.family, 4);
	cr_assert_eq(memcmp(a->src.octet, src, 4), 0);
	cr_assert_eq(memcmp(a->dst.octet, dst, 4), 0);
	cr_assert_eq(a->proto, 50);
	cr_assert_eq(a->spi, 0x1000);
	cr_assert_eq(a->mode, IPM_MODE_TUNNEL);
	cr_assert_eq(a->reqid, 7);
	cr_assert_eq(a->window, 32);
	cr_assert_eq(a->flags,
	    IPM_SAF_PAD_ZERO | IPM_SAF_ESN | IPM_SAF_NOECN |
		IPM_SAF_DECAP_DSCP | IPM_SAF_NOPMTUDISC | IPM_SAF_NATT);
	cr_assert_eq(a->hard_add, 20);
	cr_assert_eq(a->soft_add, 10);
	cr_assert_eq(a->last_seq, UINT64_C(0x1fffffffe));
	cr_assert_eq(a->sport, 4501);
	cr_assert_eq(a->dport, 4500);
	cr_assert_eq(a->enc, ipm_alg_by_name("aes-cbc"));
	cr_assert_eq(a->auth, ipm_alg_by_name("hmac-sha1"));
	cr_assert_null(a->comp);
	cr_assert(span_is(a->enc_key, "0123456789abcdef"));
	cr_assert_eq(a->auth_key.len, 20);
	cr_assert_eq(memcmp(a->auth_key.p, akey, 20), 0);

	a = &s.stmt[3].sa;
	cr_assert_eq(a->src.family, 6);
	cr_assert_eq(a->proto, 51);
	cr_assert_eq(a->spi, 4097);
	cr_assert_eq(a->mode, IPM_MODE_TRANSPORT);
	cr_assert_eq(
	    a->flags, IPM_SAF_CYCSEQ | IPM_SAF_PAD_RANDOM | IPM_SAF_ALIGN4);
	cr_assert_eq(a->window, 0);
	cr_assert(span_is(a->auth_key, "# ; no \ncomment!"));

	a = &s.stmt[4].sa;
	cr_assert_eq(a->proto, 108);
	cr_assert_eq(a->spi, 0x2345);
	cr_assert_eq(a->mode, IPM_MODE_ANY);
	cr_assert_eq(a->flags, IPM_SAF_CYCSEQ | IPM_SAF_RAWCPI);
	cr_assert_eq(a->comp, ipm_alg_by_name("deflate"));

	a = &s.stmt[5].sa;
	cr_assert_eq(a->proto, 6);
	cr_assert_eq(a->src.scope, 2);
	/* The odd digit alone makes the first octet. */
	cr_assert_eq(a->auth_key.len, 2);
	cr_assert_eq(a->auth_key.p[0], 0x01);
	cr_assert_eq(a->auth_key.p[1], 0x23);

	/* The last family wins. */
	cr_assert_eq(s.stmt[6].sa.src.family, 6);
	cr_assert_eq(s.stmt[7].sa.proto, 51);
	cr_assert_eq(s.stmt[7].sa.flags & IPM_SAF_OLD, IPM_SAF_OLD);
	cr_assert_eq(s.stmt[8].sa.proto, 50);
	cr_assert_eq(s.stmt[9].sa.proto, 50);
	cr_assert_eq(s.stmt[10].sa.proto, 0);
	cr_assert_eq(s.stmt[11].sa.proto, 108);

	const struct hx_setkey_stmt *p = &s.stmt[13];
	cr_assert_eq(p->src.prefix, 24);
	cr_assert_eq(p->src.port, 0);
	cr_assert_eq(p->dst.prefix, 32);
	cr_assert_eq(p->dst.port, 80);
	cr_assert_eq(p->upper, 6);
	cr_assert(span_is(
	    p->policy, "in ipsec\n esp/tunnel/192.0.2.1-192.0.2.2/require"));
	p = &s.stmt[14];
	cr_assert_eq(p->src.prefix, 32);
	cr_assert_eq(p->src.addr.family, 6);
	cr_assert_eq(p->dst.prefix, 128);
	cr_assert_eq(p->dst.addr.scope, 3);
	cr_assert_eq(p->upper, 58);
	cr_assert_eq(p->icmp_type, 135);
	cr_assert_eq(p->icmp_code, 7);
	cr_assert(span_is(p->policy, "out none"));
	cr_assert_eq(s.stmt[15].upper, 17);
	cr_assert_eq(s.stmt[16].upper, 50);
	cr_assert_eq(s.stmt[17].upper, 255);
	cr_assert_eq(s.stmt[18].upper, 58);
	hx_setkey_free(&s);
}

/* SPIs and CPIs at the edges of what is reserved. */
Test(setkey, rfc4303_2_1_and_rfc3173_3_3_edges_of_the_reserved_ranges)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		/* [ESP-2.1-11] [ESP-2.1-12] [AH-2.4-08] [AH-2.4-09] */
		{ "add 1::1 1::2 esp 0 " NULLE ";", false },
		{ "add 1::1 1::2 esp 1 " NULLE ";", false },
		{ "add 1::1 1::2 esp 255 " NULLE ";", false },
		{ "add 1::1 1::2 esp 256 " NULLE ";", true },
		{ "add 1::1 1::2 esp 0xffffffff " NULLE ";", true },
		{ "add 1::1 1::2 ah 0 -A hmac-md5 \"0123456789abcdef\";",
		    false },
		{ "add 1::1 1::2 ah 255 -A hmac-md5 \"0123456789abcdef\";",
		    false },
		{ "add 1::1 1::2 ah 256 -A hmac-md5 \"0123456789abcdef\";",
		    true },
		/* [IPCOMP-3.3-05] [IPCOMP-3.3-06] [IPCOMP-3.3-08] */
		{ "add 1::1 1::2 ipcomp 0 -C deflate;", false },
		{ "add 1::1 1::2 ipcomp 1 -C deflate;", true },
		{ "add 1::1 1::2 ipcomp 63 -C deflate;", true },
		{ "add 1::1 1::2 ipcomp 64 -C deflate;", false },
		{ "add 1::1 1::2 ipcomp 255 -C deflate -R;", false },
		{ "add 1::1 1::2 ipcomp 256 -C deflate;", true },
		{ "add 1::1 1::2 ipcomp 0xffff -C deflate;", true },
		{ "add 1::1 1::2 ipcomp 0x10000 -C deflate;", false },
		{ "add 1::1 1::2 ipcomp 0x10000 -C deflate -R;", false },
		{ "add 1::1 1::2 ipcomp 0x10100 -C deflate -R;", false },
		/* A handle and nothing else. */
		{ "add 1::1 1::2 tcp 1 -A tcp-md5 \"x\";", true },
		{ "add 1::1 1::2 tcp 0 -A tcp-md5 \"x\";", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_setkey_result r;
		struct hx_err err;

		cr_assert_eq(
		    configure(rows[i].text, strlen(rows[i].text), &r, &err),
		    rows[i].ok, "row %zu: %s", i, err.text);
		hx_salist_free(&r.sas);
	}
}

/* Numbered steps: what a list holds after each script. */
Test(setkey, statements_act_on_the_list_in_order)
{
#define A1 "add 192.0.2.1 192.0.2.2 esp 0x1001 " NULLE ";\n"
#define A2 "add 192.0.2.2 192.0.2.1 esp 0x1002 " NULLE ";\n"
#define A3                                   \
	"add 192.0.2.1 192.0.2.2 ah 0x1003 " \
	"-A hmac-md5 \"0123456789abcdef\";\n"
#define P1 "spdadd 10.0.0.1 10.0.0.2 any -P in none;\n"
	static const struct {
		const char *text;
		unsigned spi[4]; /* in order, ended by 0 */
		size_t policies, deletes;
	} rows[] = {
		{ A1 A2 A3, { 0x1001, 0x1002, 0x1003 }, 0, 0 },
		{ A3 A2 A1, { 0x1003, 0x1002, 0x1001 }, 0, 0 },
		{ A1 "flush;" A2, { 0x1002 }, 0, 0 },
		{ A1 A3 "flush esp;" A2, { 0x1003, 0x1002 }, 0, 0 },
		{ A1 A3 "flush ipcomp;", { 0x1001, 0x1003 }, 0, 0 },
		/* Not there: setkey(8) says so and goes on. */
		{ "delete 192.0.2.1 192.0.2.2 esp 0x1001;" A1, { 0x1001 }, 0,
		    0 },
		{ A1 A2 "delete 192.0.2.1 192.0.2.2 esp 0x1001;", { 0x1002 }, 0,
		    0 },
		{ A1 A2 "delete 192.0.2.1 192.0.2.2 esp 0x1001;" A1,
		    { 0x1002, 0x1001 }, 0, 0 },
		/* Source, destination, protocol and SPI must all be its. */
		{ A1 "delete 192.0.2.3 192.0.2.2 esp 0x1001;", { 0x1001 }, 0,
		    0 },
		{ A1 "delete 192.0.2.1 192.0.2.3 esp 0x1001;", { 0x1001 }, 0,
		    0 },
		{ A1 "delete 192.0.2.1 192.0.2.2 ah 0x1001;", { 0x1001 }, 0,
		    0 },
		{ A1 "delete 192.0.2.1 192.0.2.2 esp 0x1003;", { 0x1001 }, 0,
		    0 },
		{ A1 A2 A3 "deleteall 192.0.2.1 192.0.2.2 esp;",
		    { 0x1002, 0x1003 }, 0, 0 },
		{ P1 P1 "spddelete 10.0.0.1 10.0.0.2 any -P in none;", { 0 }, 2,
		    1 },
		{ P1 "spdflush;" P1 A1 "flush;", { 0 }, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_setkey_result r;
		struct hx_err err;
		size_t n = 0;

		cr_assert(
		    configure(rows[i].text, strlen(rows[i].text), &r, &err),
		    "row %zu: %s", i, err.text);
		while (rows[i].spi[n] != 0)
			n++;
		cr_assert_eq(r.sas.n, n, "row %zu: %zu", i, r.sas.n);
		for (size_t k = 0; k < n; k++)
			cr_assert_eq(r.sas.sas[k].cfg.spi, rows[i].spi[k],
			    "row %zu, SA %zu", i, k);
		cr_assert_eq(r.n_policies, rows[i].policies, "row %zu", i);
		cr_assert_eq(r.n_policy_deletes, rows[i].deletes, "row %zu", i);
		hx_salist_free(&r.sas);
	}
}

static uint32_t
lcg(uint32_t *x)
{
	*x = *x * 1664525U + 1013904223U;
	return *x >> 8;
}

/*
 * The naive twin: written out as text with a 0 in front when the count is
 * odd, then two digits at a time by strtoul.  `at_end` is the planted fault:
 * the lone digit is the last one.
 */
static size_t
naive_hex(const char *digits, bool at_end, uint8_t *out)
{
	char even[200], two[3] = { 0 };
	size_t n = 0;

	if (strlen(digits) % 2 == 0)
		(void)snprintf(even, sizeof(even), "%s", digits);
	else if (at_end)
		(void)snprintf(even, sizeof(even), "%.*s0%s",
		    (int)strlen(digits) - 1, digits,
		    digits + strlen(digits) - 1);
	else
		(void)snprintf(even, sizeof(even), "0%s", digits);
	for (size_t i = 0; even[i] != '\0'; i += 2) {
		two[0] = even[i];
		two[1] = even[i + 1];
		out[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

/* How many of the random keys differ from the twin's. */
static unsigned
differences(bool at_end)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	uint32_t seed = 7;
	unsigned differ = 0;

	for (size_t len = 1; len <= 160; len++) {
		char hex[200], text[400];
		uint8_t want[100];
		struct hx_setkey_result r;
		struct hx_err err;

		for (size_t i = 0; i < len; i++)
			hex[i] = digits[lcg(&seed) % 22];
		hex[len] = '\0';
		(void)snprintf(text, sizeof(text),
		    "add ::1 ::2 tcp 1 -A tcp-md5 %s%s;",
		    len % 3 == 0 ? "0X" : "0x", hex);
		cr_assert(
		    configure(text, strlen(text), &r, &err), "%s", err.text);
		const size_t n = naive_hex(hex, at_end, want);
		const struct ipm_span got = r.sas.sas[0].cfg.auth_key;
		if (got.len != n || memcmp(got.p, want, n) != 0)
			differ++;
		hx_salist_free(&r.sas);
	}
	return differ;
}

Test(setkey, hexadecimal_keys_agree_with_the_naive_reading)
{
	cr_assert_eq(differences(false), 0);
	cr_assert_gt(differences(true), 0, "the comparison cannot fail");
}

/* Does the text show eight or more characters of this key in a row? */
static bool
shows(const char *text, const char *key)
{
	char part[9] = { 0 };

	for (size_t i = 0; i + 8 <= strlen(key); i++) {
		memcpy(part, key + i, 8);
		if (strstr(text, part) != NULL)
			return true;
	}
	return false;
}

Test(setkey, every_truncation_is_read_or_refused_with_a_place)
{
	const size_t len = sizeof(whole) - 1;
	size_t read = 0;

	for (size_t cut = 0; cut <= len; cut++) {
		/* Its own block, so that a sanitizer sees one octet too far. */
		char *text = malloc(cut + 1);
		struct hx_setkey s;
		struct hx_err err;
		unsigned line, col;

		cr_assert_not_null(text);
		memcpy(text, whole, cut);
		if (hx_setkey_parse(text, cut, F, &s, &err)) {
			read++;
			hx_setkey_free(&s);
		} else {
			cr_assert_eq(
			    sscanf(err.text, F ":%u:%u: ", &line, &col), 2,
			    "cut at %zu: %s", cut, err.text);
			cr_assert_leq(line, 22);
		}
		free(text);
	}
	/* Behind each of 19 semicolons at least, and in front of the first. */
	cr_assert_gt(read, 19);
}

Test(setkey, every_single_octet_changed_is_read_or_refused)
{
	const size_t len = sizeof(whole) - 1;
	static const char values[] = { '\0', '\n', '"', ';', '#', '0', '-',
		(char)0xff };
	char *text = malloc(len);

	cr_assert_not_null(text);
	for (size_t i = 0; i < len; i++) {
		for (size_t k = 0; k < sizeof(values); k++) {
			struct hx_setkey_result r;
			struct hx_err err;

			memcpy(text, whole, len);
			text[i] = values[k];
			if (configure(text, len, &r, &err))
				hx_salist_free(&r.sas);
			else
				cr_assert_eq(strncmp(err.text, F ":", 7), 0,
				    "%s", err.text);
		}
	}
	free(text);
}

/* Keys appear in no output, whatever is wrong around them. */
Test(setkey, no_error_shows_a_key)
{
	static const char key[] = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
	static const char *const forms[] = {
		ADD "-E aes-cbc %s;",
		ADD "-E aes-cbc 0x%s",
		ADD "-E aes-cbc 0x%s00;",
		ADD "-E aes-cbc 0x%sx;",
		ADD "-E aes-cbc 0x00 %s;",
		ADD "-E aes-cbc \"%s;",
		ADD "-E aes-cbc \"%s\" \"%s\";",
		ADD "-E 0x%s;",
		ADD "-E %s;",
		ADD "-u 0x%s " AES ";",
		ADD "-m %s;",
		ADD "-flag %s;",
		ADD "%s;",
		ADD "0x%s;",
		"add 0x%s ::1 esp 0x1000;",
		"add %s ::1 esp 0x1000;",
		"0x%s",
		"spdadd ::1 ::2 %s -P in none;",
		"spdadd ::1[%s] ::2 any -P in none;",
		"spdadd ::1 ::2 58 %s -P in none;",
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char text[300];
		const char *at = strstr(forms[i], "%s");
		struct hx_setkey_result r;
		struct hx_err err;

		(void)snprintf(text, sizeof(text), "%.*s%s%s",
		    (int)(at - forms[i]), forms[i], key, at + 2);
		cr_assert_not(
		    configure(text, strlen(text), &r, &err), "row %zu", i);
		cr_assert_not(shows(err.text, key), "row %zu: %s", i, err.text);
	}
}

Test(setkey, a_long_word_is_cut_and_the_error_is_one_printable_line)
{
	char text[3000];
	struct hx_setkey_result r;
	struct hx_err err;

	memset(text, 'z', sizeof(text));
	cr_assert_not(configure(text, sizeof(text), &r, &err));
	cr_assert_leq(strlen(err.text), sizeof(err.text) - 1);
	cr_assert_not_null(strstr(err.text, "zzz...'"));

	cr_assert_not(hx_setkey_parse(
	    "\xc3\x84\x01", 3, "a\nb\x7f", &(struct hx_setkey){ 0 }, &err));
	cr_assert_str_eq(
	    err.text, "a\\x0ab\\x7f:1:1: '\\xc3' has no meaning here");
}

Test(setkey, an_empty_script_has_no_statements)
{
	static const char *const texts[] = { "", "\n\n", "# only this",
		"\t\r" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct hx_setkey s;
		struct hx_err err;

		cr_assert(
		    hx_setkey_parse(texts[i], strlen(texts[i]), F, &s, &err),
		    "row %zu: %s", i, err.text);
		cr_assert_eq(s.n, 0);
		hx_setkey_free(&s);
	}
}

/* Two scripts read at once do not disturb each other's spans. */
Test(setkey, scripts_are_independent_of_each_other)
{
	static const char one[] = ADD "-E aes-cbc \"aaaaaaaaaaaaaaaa\";";
	static const char two[] = ADD "-E aes-cbc \"bbbbbbbbbbbbbbbb\";";
	struct hx_setkey a, b;
	struct hx_err err;

	cr_assert(hx_setkey_parse(one, sizeof(one) - 1, F, &a, &err));
	cr_assert(hx_setkey_parse(two, sizeof(two) - 1, F, &b, &err));
	cr_assert(span_is(a.stmt[0].sa.enc_key, "aaaaaaaaaaaaaaaa"));
	hx_setkey_free(&a);
	cr_assert(span_is(b.stmt[0].sa.enc_key, "bbbbbbbbbbbbbbbb"));
	hx_setkey_free(&b);
}
