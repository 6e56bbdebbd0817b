/*
 * Scripts read as setkey(8) reads them: what it says, where it stops, what it
 * leaves to the kernel.  Texts are those of sbin/setkey/token.l, parse.y and of
 * ipsec_strerror(3).
 */

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "hx_setkey_msg.h"

#define ADD      "add 192.0.2.1 192.0.2.2 "
#define AES      "-E rijndael-cbc 0x000102030405060708090a0b0c0d0e0f"
#define FAILED_1 "\nparse failed, line 1."

/* What REGISTER tells of a kernel with a few algorithms. */
static const struct hx_setkey_algs few = {
	.auth = { { 2, 128, 128 }, { 3, 160, 160 }, { 5, 256, 256 } },
	.enc = { { 2, 64, 64 }, { 11, 0, 2048 }, { 12, 128, 256 },
	    { 13, 128, 256 }, { 20, 128, 256 } },
	.n_auth = 3,
	.n_enc = 5
};

static const char hosts_text[] = "192.0.2.1 one\n"
				 "192.0.2.2 two both # a comment\n"
				 "2001:db8::2 both Six\n"
				 "\n"
				 "2001:db8::1 six\n";

struct reading {
	struct hx_setkey s;
	char said[1000]; /* lines, an end of line between two */
};

static void
read_as(const char *text, const struct hx_setkey_opts *o, struct reading *r)
{
	struct hx_err err;

	cr_assert(hx_setkey_parse_tool(text, strlen(text), o, &r->s, &err),
	    "%s", text);
	r->said[0] = '\0';
	for (size_t i = 0; i < r->s.n_notes; i++) {
		if (i != 0)
			strcat(r->said, "\n");
		cr_assert_lt(strlen(r->said) + 210, sizeof(r->said));
		strcat(r->said, r->s.note[i].text);
	}
}

struct row {
	const char *text;
	const char *said;
	size_t n;    /* statements that stand */
	bool failed; /* not read to the end */
};

static void
check_rows(const struct row *rows, size_t n, const struct hx_setkey_opts *o)
{
	for (size_t i = 0; i < n; i++) {
		struct reading r;

		read_as(rows[i].text, o, &r);
		cr_assert_str_eq(r.said, rows[i].said, "row %zu: %s\n%s\n%s", i,
		    rows[i].text, r.said, rows[i].said);
		cr_assert_eq(r.s.n, rows[i].n, "row %zu", i);
		cr_assert_eq(r.s.failed, rows[i].failed, "row %zu", i);
		hx_setkey_free(&r.s);
	}
}
#define CHECK(rows, o) check_rows(rows, sizeof(rows) / sizeof((rows)[0]), o)

Test(setkey_tool, what_the_grammar_refuses)
{
	static const struct row rows[] = {
		{ "flush;\nspdflush\nfoo;",
		    "line 3: syntax error at [foo]\nparse failed, line 3.", 1,
		    true },
		{ "flush", "line 1: syntax error at []" FAILED_1, 0, true },
		{ "flush;\n@", "line 2: Syntax error at [@]", 1, true },
		/* The scanner knows no such option: at its first octet. */
		{ "flush -x;", "line 1: Syntax error at [-]", 0, true },
		{ ADD "esp 256 -E null \"abc;", "line 1: Syntax error at [\"]",
		    0, true },
		{ ADD "esp 256 -E foo 0x00;",
		    "line 1: syntax error at [foo]" FAILED_1, 0, true },
		{ ADD "esp 256 -A rijndael-cbc 0x00;",
		    "line 1: syntax error at [rijndael-cbc]" FAILED_1, 0,
		    true },
		{ ADD "ipcomp 256 -C zip;",
		    "line 1: syntax error at [zip]" FAILED_1, 0, true },
		{ ADD "esp 256;", "line 1: syntax error at [;]" FAILED_1, 0,
		    true },
		{ ADD "esp 256 -m tunel " AES ";",
		    "line 1: syntax error at [tunel]" FAILED_1, 0, true },
		{ ADD "esp 256 " AES " -r 4;",
		    "line 1: syntax error at [-r]" FAILED_1, 0, true },
		{ "add 10 192.0.2.2 esp 256 " AES ";",
		    "line 1: syntax error at [10]" FAILED_1, 0, true },
		{ "add tunnel 192.0.2.2 esp 256 " AES ";",
		    "line 1: syntax error at [tunnel]" FAILED_1, 0, true },
		{ "spdadd ::1 ::2 icmp6 135 -P in none;",
		    "line 1: syntax error at [135]" FAILED_1, 0, true },
		{ "spdadd ::1 ::2 ah -P in none;",
		    "line 1: syntax error at [ah]" FAILED_1, 0, true },
		/* Words are reserved wherever they stand. */
		{ "add deflate ::2 esp 256 " AES ";",
		    "line 1: syntax error at [deflate]" FAILED_1, 0, true },
		{ "add esp ::2 esp 256 " AES ";",
		    "line 1: syntax error at [esp]" FAILED_1, 0, true },
		/* The text of a policy has its own characters. */
		{ "spdadd ::1 ::2 any -P%in none;",
		    "line 1: Syntax error at [%]", 0, true },
		{ "spdadd ::1 ::2 any -P in none,;",
		    "line 1: syntax error at [,]" FAILED_1, 0, true },
		{ "spdadd ::1 ::2 any -P in\n none # c\n;", "", 1, false },
		{ "spdadd ::1 ::2 any;", "line 1: syntax error at [;]" FAILED_1,
		    0, true },
		/* Refused without a word. */
		{ "flush;\nspdadd tagged \"x\" -P in none;",
		    "parse failed, line 2.", 1, true },
		{ "spdadd ::1 ::2 udp 1,2 -P in none;", "parse failed, line 1.",
		    0, true },
		{ "spdadd ::1 10.0.0.1 any -P in none;",
		    "parse failed, line 1.", 0, true },
		{ "add ::1 10.0.0.1 esp 256 " AES ";", "parse failed, line 1.",
		    0, true },
	};

	CHECK(rows, &(struct hx_setkey_opts){ 0 });
}

Test(setkey_tool, what_the_actions_refuse)
{
	static const struct row rows[] = {
		{ "get 192.0.2.1 192.0.2.2 esp 0x100000000;",
		    "line 1: SPI too big. at [0x100000000]" FAILED_1, 0, true },
		{ ADD "esp-old 256 -r 4 " AES ";",
		    "line 1: replay prevention cannot be used with "
		    "ah/esp-old at [4]" FAILED_1,
		    0, true },
		{ "add gw 192.0.2.2 esp 256 " AES ";",
		    "line 1: hostname nor servname provided, or not known "
		    "at [gw]" FAILED_1,
		    0, true },
		{ "add -6 192.0.2.1 ::1 esp 256 " AES ";",
		    "line 1: hostname nor servname provided, or not known "
		    "at [192.0.2.1]" FAILED_1,
		    0, true },
		/* A selector is looked at when the statement is complete. */
		{ "spdadd gw wg any -P in none;",
		    "line 1: hostname nor servname provided, or not known "
		    "at [;]\n"
		    "line 1: hostname nor servname provided, or not known "
		    "at [;]" FAILED_1,
		    0, true },
		{ "spdadd 10.0.0.1[http] 10.0.0.2 tcp -P in none;",
		    "line 1: servname not supported for ai_socktype at "
		    "[;]" FAILED_1,
		    0, true },
		{ "spdadd 10.0.0.1[65536] 10.0.0.2 tcp -P in none;",
		    "line 1: servname not supported for ai_socktype at "
		    "[;]" FAILED_1,
		    0, true },
		{ "spdadd ::1 ::2 icmp6 135, -P in none;",
		    "line 1: invalid an upper layer protocol spec at "
		    "[;]" FAILED_1,
		    0, true },
		{ "spdadd ::1 ::2 foo -P in none;",
		    "line 1: invalid upper layer protocol at [foo]" FAILED_1, 0,
		    true },
		{ "spdadd ::1 ::2 any -P in ipsec esp;",
		    "line 1: Too few arguments at [ in ipsec esp]" FAILED_1, 0,
		    true },
		{ "spdadd ::1 ::2 any -P in ipsec esp/tunnel//use;",
		    "line 1: Invalid address specification at "
		    "[ in ipsec esp/tunnel//use]" FAILED_1,
		    0, true },
		{ ADD "esp 256 -E des-32iv 0x0001020304050607;",
		    "line 1: algorithm mismatched at [<hidden>]" FAILED_1, 0,
		    true },
		{ ADD "esp-old 256 -E des-deriv 0x0001020304050607;",
		    "line 1: algorithm mismatched at [<hidden>]" FAILED_1, 0,
		    true },
		/* A key where none may stand, none where one must. */
		{ ADD "esp 256 " AES " -A null \"x\";",
		    "line 1: syntax error at [<hidden>]" FAILED_1, 0, true },
		{ ADD "esp 256 -E rijndael-cbc;",
		    "line 1: syntax error at [;]" FAILED_1, 0, true },
		{ ADD "esp 256 -E rijndael-cbc abc;",
		    "line 1: syntax error at [abc]" FAILED_1, 0, true },
		/* PF_KEY has no number for it. */
		{ ADD "esp 256 -E camellia-ctr 0x00;",
		    "line 1: unsupported algorithm at "
		    "[camellia-ctr]" FAILED_1,
		    0, true },
		/* [ALG-TCPMD5-10] Without a word. */
		{ ADD "tcp 256 -A tcp-md5 \"\";", "parse failed, line 1.", 0,
		    true },
		{ ADD "tcp 256 -A tcp-md5 "
		      "\"0123456789012345678901234567890123456789"
		      "01234567890123456789012345678901234567890\";",
		    "parse failed, line 1.", 0, true },
	};

	CHECK(rows, &(struct hx_setkey_opts){ 0 });
}

Test(setkey_tool, what_it_warns_of)
{
	static const struct row rows[] = {
		{ "flush;\ndelete ::1 ::2 esp 256 -m tunnel\n;",
		    "line 3: WARNING: mode is obsolete at [;]", 2, false },
		{ "get ::1 ::2 esp 256 -m transport;",
		    "line 1: WARNING: mode is obsolete at [;]", 1, false },
		{ ADD "esp 256 -E simple -A null;",
		    "line 1: WARNING: obsolete algorithm at [simple]", 1,
		    false },
		{ ADD "esp 256 -r 536870908 " AES ";",
		    "line 1: replay window is too large at [536870908]", 1,
		    false },
		{ ADD "esp 256 -r 536870907 " AES ";", "", 1, false },
	};

	CHECK(rows, &(struct hx_setkey_opts){ 0 });
}

/* A warning stands in front of the statement it is about. */
Test(setkey_tool, warnings_know_their_statement)
{
	struct reading r;

	read_as("flush; flush; get ::1 ::2 esp 1 -m tunnel; flush; @",
	    &(struct hx_setkey_opts){ 0 }, &r);
	cr_assert_eq(r.s.n, 4);
	cr_assert_eq(r.s.n_notes, 2);
	cr_assert_eq(r.s.note[0].before, 2);
	cr_assert_eq(r.s.note[1].before, 4);
	hx_setkey_free(&r.s);
}

/* What it does not look at: the kernel will. */
Test(setkey_tool, what_is_left_to_the_kernel)
{
	static const char *const texts[] = {
		ADD "esp 0 " AES ";",
		ADD "esp 1 " AES ";",
		ADD "256 " AES ";",
		ADD "esp 4294967552 " AES ";",
		ADD "esp 256 -E rijndael-cbc 0x00;",
		ADD "ah 256 " AES ";",
		ADD "ipcomp 64 -C oui;",
		ADD "ipcomp 0x20000 -C lzs -R;",
		ADD "esp 256 -lh 5 " AES ";",
		ADD "esp-old 256 -E des-32iv 0x00;",
		ADD "esp 256 -E des-deriv 0x00;",
		"delete ::1 ::2 256;",
		"deleteall ::1 ::2;",
		"spdadd 10.0.0.1/77 10.0.0.2 any -P in none;",
		"spdadd 10.0.0.1 10.0.0.2 300 -P in none;",
		"spdadd ::1 ::2 58 300,65535 -P in none;",
		"spdadd ::1 ::2 any -P in bypass;",
		"spdadd ::1 ::2 any -P in ipsec tcp/transport//use;",
		"spdadd ::1 ::2 any -P in ipsec;",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct reading r;

		read_as(texts[i], &(struct hx_setkey_opts){ 0 }, &r);
		cr_assert_not(r.s.failed, "row %zu: %s", i, r.said);
		cr_assert_str_empty(r.said, "row %zu: %s", i, r.said);
		cr_assert_eq(r.s.n, 1);
		hx_setkey_free(&r.s);
	}
}

Test(setkey_tool, numbers_are_cut_to_their_place)
{
	static const char text[] = ADD
	    "esp 4294967552 -u 4294967297 " AES ";"
	    "spdadd 10.0.0.1/257 10.0.0.2/4294967295 300 -P in none;"
	    "spdadd ::1 ::2 58 300,65535 -P in none;" ADD "ipcomp 5 -C lzs;" ADD
	    "esp 5 -E des-deriv 0x00;" ADD "esp-old 5 -E des-32iv 0x00;";
	struct reading r;

	read_as(text, &(struct hx_setkey_opts){ 0 }, &r);
	cr_assert_eq(r.s.n, 6, "%s", r.said);
	cr_assert_eq(r.s.stmt[0].sa.spi, 256);
	cr_assert_eq(r.s.stmt[0].sa.reqid, 1);
	cr_assert_eq(r.s.stmt[1].src.prefix, 1);
	cr_assert_eq(r.s.stmt[1].dst.prefix, 32);
	cr_assert_eq(r.s.stmt[1].upper, 44);
	cr_assert_eq(r.s.stmt[2].src.port, 300);
	cr_assert_eq(r.s.stmt[2].dst.port, 65535);
	cr_assert_eq(r.s.stmt[3].sadb_enc, 3);
	cr_assert_eq(r.s.stmt[4].sadb_flags, 0x20);
	cr_assert_eq(r.s.stmt[5].sadb_flags, 0x10);
	hx_setkey_free(&r.s);
}

/* The length of a key, without its salt, against the answer to REGISTER. */
Test(setkey_tool, keys_are_measured_against_what_is_registered)
{
	static const struct row rows[] = {
		{ ADD "esp 256 " AES ";", "", 1, false },
		{ ADD "esp 256 -E rijndael-cbc 0x00;",
		    "line 1: Invalid key length at [<hidden>]" FAILED_1, 0,
		    true },
		{ ADD "esp 256 -E rijndael-cbc "
		      "\"012345678901234567890123456789012\";",
		    "line 1: Invalid key length at [<hidden>]" FAILED_1, 0,
		    true },
		/* Between the two, only the kernel knows. */
		{ ADD "esp 256 -E rijndael-cbc \"01234567890123456\";", "", 1,
		    false },
		{ ADD "esp 256 -E 3des-cbc \"012345678901234567890123\";",
		    "line 1: Not supported at [<hidden>]" FAILED_1, 0, true },
		{ ADD "esp 256 -E aes-gcm-16 \"0123456789abcdefsalt\";", "", 1,
		    false },
		{ ADD "esp 256 -E aes-gcm-16 \"0123456789abcdefsal\";",
		    "line 1: Invalid key length at [<hidden>]" FAILED_1, 0,
		    true },
		{ ADD "esp 256 -E aes-gcm-16 \"sal\";",
		    "line 1: Invalid key length at [<hidden>]" FAILED_1, 0,
		    true },
		{ ADD "esp 256 -E aes-ctr \"0123456789abcdefnonc\";", "", 1,
		    false },
		{ ADD "esp 256 -E aes-ctr \"0123456789abcdef\";",
		    "line 1: Invalid key length at [<hidden>]" FAILED_1, 0,
		    true },
		{ ADD "ah 256 -A hmac-md5 \"0123456789abcdef\";", "", 1,
		    false },
		{ ADD "ah 256 -A hmac-md5 \"0123456789abcde\";",
		    "line 1: Invalid key length at [<hidden>]" FAILED_1, 0,
		    true },
		{ ADD "ah 256 -A aes-xcbc-mac \"0123456789abcdef\";",
		    "line 1: Not supported at [<hidden>]" FAILED_1, 0, true },
		/* Not measured. */
		{ ADD "ah 256 -A null;", "", 1, false },
		{ ADD "tcp 256 -A tcp-md5 \"x\";", "", 1, false },
		{ ADD "esp 256 -E null \"\";", "", 1, false },
		/* Our words, where the kernel has not registered them. */
		{ ADD "esp 256 -E aes-gcm-8 \"0123456789abcdefsalt\";",
		    "line 1: Not supported at [<hidden>]" FAILED_1, 0, true },
	};

	CHECK(rows, (&(struct hx_setkey_opts){ .algs = &few }));
}

Test(setkey_tool, complaints_quote_keys_when_told_to)
{
	static const struct row rows[] = {
		{ ADD "esp 256 -E rijndael-cbc 0xaabb;",
		    "line 1: Invalid key length at [0xaabb]" FAILED_1, 0,
		    true },
		{ ADD "esp 256 -E rijndael-cbc \"a\nb\";",
		    "line 2: Invalid key length at [a\\x0ab]\n"
		    "parse failed, line 2.",
		    0, true },
	};

	CHECK(rows,
	    (&(struct hx_setkey_opts){ .algs = &few, .show_keys = true }));
}

/* The words of algorithms that each tool has. */
Test(setkey_tool, words_go_with_the_switch)
{
	static const struct {
		char letter;
		const char *word;
		bool in_2017, in_13, here;
	} rows[] = {
		{ 'A', "hmac-md5", true, false, true },
		{ 'A', "hmac-sha1", true, true, true },
		{ 'A', "keyed-md5", true, false, true },
		{ 'A', "keyed-sha1", true, false, true },
		{ 'A', "hmac-sha2-256", true, true, true },
		{ 'A', "hmac-sha2-384", true, true, true },
		{ 'A', "hmac-sha2-512", true, true, true },
		{ 'A', "hmac-ripemd160", true, false, true },
		{ 'A', "aes-xcbc-mac", true, true, true },
		{ 'A', "tcp-md5", true, true, true },
		{ 'A', "hmac-sha256", false, false, true },
		{ 'A', "rijndael-cbc", false, false, false },
		{ 'E', "des-cbc", true, false, true },
		{ 'E', "3des-cbc", true, false, true },
		{ 'E', "null", true, true, true },
		{ 'E', "blowfish-cbc", true, false, true },
		{ 'E', "cast128-cbc", true, false, true },
		{ 'E', "des-deriv", true, false, true },
		{ 'E', "rijndael-cbc", true, true, true },
		{ 'E', "aes-cbc", false, true, true },
		{ 'E', "aes-ctr", true, true, true },
		{ 'E', "camellia-cbc", true, false, true },
		{ 'E', "aes-gcm-16", true, true, true },
		{ 'E', "aes-gcm-8", false, false, true },
		{ 'E', "hmac-md5", false, false, false },
	};
	static const char *const values[] = { "2017", "13", "all" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const bool want[] = { rows[i].in_2017, rows[i].in_13,
			rows[i].here };

		for (size_t k = 0; k < 3; k++) {
			struct ipm_profile pf;
			struct reading r;
			char text[200];

			ipm_profile_init(&pf, IPM_PF_MANUAL);
			cr_assert(
			    ipm_profile_set(&pf, "setkey-words", values[k]));
			(void)snprintf(text, sizeof(text),
			    ADD "esp 256 -%c %s \"k\";", rows[i].letter,
			    rows[i].word);
			read_as(text,
			    &(struct hx_setkey_opts){ .profile = &pf }, &r);
			cr_assert_eq(!r.s.failed, want[k], "%s, %s: %s",
			    rows[i].word, values[k], r.said);
			hx_setkey_free(&r.s);
		}
	}
}

Test(setkey_tool, the_null_cipher_has_a_key_as_the_switch_says)
{
	static const struct {
		const char *value;
		bool with, without;
	} rows[] = { { "optional", true, true }, { "required", true, false },
		{ "none", false, true } };

	for (size_t i = 0; i < 3; i++) {
		struct ipm_profile pf;
		struct reading r;

		ipm_profile_init(&pf, IPM_PF_MANUAL);
		cr_assert(
		    ipm_profile_set(&pf, "setkey-null-key", rows[i].value));
		read_as(ADD "esp 256 -E null \"\";",
		    &(struct hx_setkey_opts){ .profile = &pf }, &r);
		cr_assert_eq(!r.s.failed, rows[i].with, "%s", rows[i].value);
		if (rows[i].with)
			cr_assert(r.s.stmt[0].has_enc_key);
		hx_setkey_free(&r.s);
		read_as(ADD "esp 256 -E null;",
		    &(struct hx_setkey_opts){ .profile = &pf }, &r);
		cr_assert_eq(!r.s.failed, rows[i].without, "%s", rows[i].value);
		if (rows[i].without)
			cr_assert_not(r.s.stmt[0].has_enc_key);
		hx_setkey_free(&r.s);
	}
}

/* [PFKEY-2.3.3-02] Names: every pair of one family for add, get, deleteall; one address alone
 * for delete, spdadd, spddelete. */
Test(setkey_tool, names_stand_for_all_their_addresses)
{
	static const struct {
		const char *text;
		int messages; /* -1: refused */
		const char *said;
	} rows[] = {
		{ "add one two esp 256 " AES ";", 1, "" },
		{ "add ONE both esp 256 " AES ";", 1, "" },
		{ "add both both esp 256 " AES ";", 2, "" },
		{ "add six both esp 256 " AES ";", 2, "" },
		{ "add six six esp 256 " AES ";", 4, "" },
		{ "add -4 both both esp 256 " AES ";", 1, "" },
		{ "add -46 both both esp 256 " AES ";", 1, "" },
		{ "add one six esp 256 " AES ";", -1, "parse failed, line 1." },
		{ "add -n one two esp 256 " AES ";", -1,
		    "line 1: hostname nor servname provided, or not known at "
		    "[one]" FAILED_1 },
		{ "add -6 one six esp 256 " AES ";", -1,
		    "line 1: hostname nor servname provided, or not known at "
		    "[one]" FAILED_1 },
		{ "get both both ah 256;", 2, "" },
		{ "deleteall both both ah;", 2, "" },
		{ "delete one both ah 256;", -1,
		    "line 1: multiple address specified at [;]" FAILED_1 },
		{ "delete one two ah 256;", 1, "" },
		{ "spdadd one/24 both any -P in none;", -1,
		    "line 1: multiple address specified at [;]" FAILED_1 },
		{ "spddelete -4 one both any -P in none;", 1, "" },
	};
	struct hx_hosts h;
	struct hx_err err;

	cr_assert(
	    hx_hosts_parse(hosts_text, sizeof(hosts_text) - 1, "h", &h, &err),
	    "%s", err.text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_setkey_msgs m = { 0 };
		struct reading r;

		read_as(
		    rows[i].text, &(struct hx_setkey_opts){ .hosts = &h }, &r);
		cr_assert_eq(
		    r.s.failed, rows[i].messages < 0, "row %zu: %s", i, r.said);
		cr_assert_str_eq(
		    r.said, rows[i].said, "row %zu: %s", i, r.said);
		if (!r.s.failed) {
			cr_assert_eq(
			    hx_setkey_compile(&r.s.stmt[0], 1, &m), IPM_OK);
			cr_assert_eq(
			    m.n, (size_t)rows[i].messages, "row %zu", i);
		}
		hx_setkey_msgs_free(&m);
		hx_setkey_free(&r.s);
	}
	hx_hosts_free(&h);
}

Test(setkey_tool, tables_of_hosts_are_read_or_refused)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "" },
		{ "# nothing\n\n \t\r\n", "" },
		{ "::1 a\n127.0.0.1", "h:2: an address without a name" },
		{ "::1 # a\n", "h:1: an address without a name" },
		{ "::1 a\nlocalhost b\n", "h:2: a numeric address expected" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_hosts h;
		struct hx_err err = { "" };
		const bool ok = hx_hosts_parse(
		    rows[i].text, strlen(rows[i].text), "h", &h, &err);

		cr_assert_eq(ok, rows[i].error[0] == '\0', "row %zu", i);
		cr_assert_str_eq(err.text, rows[i].error, "row %zu", i);
		hx_hosts_free(&h);
	}
}

Test(setkey_tool, every_truncation_is_read_or_stops_somewhere)
{
	static const char text[] =
	    "flush ; spdflush;\n" ADD "esp 256 -m tunnel -r 4 " AES
	    " -A hmac-sha1 \"01234567890123456789\";\n"
	    "spdadd one/24[any] 10.0.0.2[80] tcp -P out ipsec\n"
	    " esp/transport//require;\nget six six esp 1;\n"
	    "spdadd ::1 ::2 icmp6 1,2 -P in none;";
	struct hx_hosts h;
	struct hx_err err;

	cr_assert(
	    hx_hosts_parse(hosts_text, sizeof(hosts_text) - 1, "h", &h, &err));
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct hx_setkey s;
		const struct hx_setkey_opts o = { .hosts = &h };

		cr_assert(hx_setkey_parse_tool(text, cut, &o, &s, &err));
		cr_assert_eq(s.failed, s.n_notes != 0, "cut at %zu", cut);
		hx_setkey_free(&s);
	}
	hx_hosts_free(&h);
}

Test(setkey_tool, the_answer_to_register_is_read)
{
	/* One authentication algorithm, two ciphers. */
	static const uint8_t msg[] = { 2, 7, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0,
		0, 0, /**/ 2, 0, 14, 0, 0, 0, 0, 0, /**/ 3, 0, 160, 0, 160, 0,
		0, 0, /**/ 3, 0, 15, 0, 0, 0, 0, 0, /**/ 11, 0, 0, 0, 0, 8, 0,
		0, /**/ 12, 16, 128, 0, 0, 1, 0, 0 };
	uint8_t refused[sizeof(msg)];
	struct hx_setkey_algs a;

	cr_assert(hx_setkey_read_algs(ipm_span(msg, sizeof(msg)), &a));
	cr_assert_eq(a.n_auth, 1);
	cr_assert_eq(a.auth[0].id, 3);
	cr_assert_eq(a.auth[0].min, 160);
	cr_assert_eq(a.n_enc, 2);
	cr_assert_eq(a.enc[0].max, 2048);
	cr_assert_eq(a.enc[1].min, 128);
	cr_assert_eq(a.enc[1].max, 256);
	for (size_t cut = 0; cut < sizeof(msg); cut++)
		cr_assert_not(hx_setkey_read_algs(ipm_span(msg, cut), &a));
	memcpy(refused, msg, sizeof(msg));
	refused[2] = 22;
	cr_assert_not(
	    hx_setkey_read_algs(ipm_span(refused, sizeof(refused)), &a));
}

/* Names of upper-layer protocols: those of protocols(5), their second names,
 * and the two that the tool adds. */
Test(setkey_tool, upper_layer_protocols_have_names)
{
	static const struct {
		const char *word;
		int number; /* -1: refused */
	} rows[] = {
		{ "any", 255 },
		{ "tcp", 6 },
		{ "TCP", 6 },
		{ "Tcp", -1 },
		{ "udp", 17 },
		{ "icmp", 1 },
		{ "icmp6", 58 },
		{ "ipv6-icmp", 58 },
		{ "IPV6-ICMP", 58 },
		{ "ip4", 4 },
		{ "ipencap", 4 },
		{ "ip", 0 },
		{ "esp", 50 },
		{ "carp", 112 },
		{ "vrrp", 112 },
		{ "sctp", 132 },
		{ "3pc", 34 },
		{ "pfsync", 240 },
		{ "0", 0 },
		{ "255", 255 },
		{ "nosuch", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reading r;
		char text[100];

		(void)snprintf(text, sizeof(text),
		    "spdadd ::1 ::2 %s -P in none;", rows[i].word);
		read_as(text, &(struct hx_setkey_opts){ 0 }, &r);
		cr_assert_eq(r.s.failed, rows[i].number < 0, "%s: %s",
		    rows[i].word, r.said);
		if (!r.s.failed)
			cr_assert_eq(r.s.stmt[0].upper, rows[i].number, "%s",
			    rows[i].word);
		hx_setkey_free(&r.s);
	}
}
