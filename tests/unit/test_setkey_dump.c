/*
 * What setkey -D and -DP print.  The messages are written by hand; the texts
 * are composed from the format strings of lib/libipsec/pfkey_dump.c.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "hx_hex.h"
#include "hx_setkey_dump.h"

/* An ESP SA of 2017-02-06 12:00:00 UTC. */
#define HEAD                      \
	"020a0003170001000000000" \
	"0d2040000"
#define SA  "02000100000010010401030c40000000"
#define SA2 "02001300020000000000000000000000"
#define CURRENT                            \
	"04000200000000000000000000000000" \
	"40659858000000000000000000000000"
#define ADDRS                                              \
	"03000500ff20000010020000c00002010000000000000000" \
	"03000600ff20000010020000c00002020000000000000000"
#define AUTH               \
	"04000800a0000000" \
	"000102030405060708090a0b0c0d0e0f1011121300000000"
#define ENC "030009008000000000112233445566778899aabbccddeeff"

#define POLICY_HEAD \
	"02120000"  \
	"0f000100"  \
	"00000000"  \
	"d2040000"
#define SELECTOR                                           \
	"03000500ff180000100200000a0001000000000000000000" \
	"03000600ff180000100200000a0002000000000000000000"
#define REQUEST                                            \
	"280032000202000010020000c00002010000000000000000" \
	"10020000c00002020000000000000000"

enum form {
	LONG,
	POLICY,
	SHORT
};

static char *
print(enum form form, const struct hx_setkey_dump *like, const char *hex)
{
	struct hx_setkey_dump d = *like;
	struct hx_octets o = { 0 };
	char *text = NULL;
	size_t len;

	cr_assert(hx_hex_read(hex, &o), "%s", hex);
	d.out = open_memstream(&text, &len);
	cr_assert_not_null(d.out);
	if (form == LONG)
		hx_setkey_dump_sa(&d, hx_span(&o));
	else if (form == POLICY)
		hx_setkey_dump_sp(&d, hx_span(&o));
	else
		hx_setkey_dump_short(&d, hx_span(&o));
	(void)fclose(d.out);
	hx_octets_free(&o);
	return text;
}

static const struct hx_setkey_dump shown = { .now = 1486382410,
	.show_keys = true };

static void
expect(enum form form, const struct hx_setkey_dump *like, const char *hex,
    const char *want)
{
	char *text = print(form, like, hex);

	cr_assert_str_eq(text, want, "\n%s\n%s", text, want);
	free(text);
}

Test(setkey_dump, an_sa_in_the_long_form)
{
	expect(LONG, &shown, HEAD SA SA2 CURRENT ADDRS AUTH ENC,
	    "192.0.2.1 192.0.2.2\n"
	    "\tesp mode=tunnel spi=4097(0x00001001) "
	    "reqid=0(0x00000000)\n"
	    "\tE: rijndael-cbc  00112233 44556677 8899aabb ccddeeff\n"
	    "\tA: hmac-sha1  00010203 04050607 08090a0b 0c0d0e0f 10111213\n"
	    "\tseq=0x00000000 replay=4 flags=0x00000040 state=mature \n"
	    "\tcreated: Feb  6 12:00:00 2017\tcurrent: Feb  6 12:00:10 2017\n"
	    "\tdiff: 10(s)\thard: 0(s)\tsoft: 0(s)\n"
	    "\tlast:                     \thard: 0(s)\tsoft: 0(s)\n"
	    "\tcurrent: 0(bytes)\thard: 0(bytes)\tsoft: 0(bytes)\n"
	    "\tallocated: 0\thard: 0\tsoft: 0\n"
	    "\tsadb_seq=0 pid=1234 refcnt=1\n");
}

Test(setkey_dump, keys_are_hidden_unless_wanted)
{
	struct hx_setkey_dump d = shown;
	char *text;

	d.show_keys = false;
	text = print(LONG, &d, HEAD SA SA2 CURRENT ADDRS AUTH ENC);
	cr_assert_not_null(strstr(text,
	    "\tE: rijndael-cbc  <hidden: 16 octets>\n"
	    "\tA: hmac-sha1  <hidden: 20 octets>\n"));
	cr_assert_null(strstr(text, "00112233"));
	cr_assert_null(strstr(text, "00010203"));
	free(text);
}

Test(setkey_dump, a_policy)
{
	struct hx_setkey_dump d = shown;

	expect(POLICY, &d,
	    POLICY_HEAD SELECTOR "07001200020002000100000000000000" REQUEST,
	    "10.0.1.0/24[any] 10.0.2.0/24[any] any\n"
	    "\tout ipsec\n"
	    "\tesp/tunnel/192.0.2.1-192.0.2.2/require\n"
	    "\tspid=1 seq=0 pid=1234\n"
	    "\trefcnt=1\n");
	d.scope = true;
	expect(POLICY, &d,
	    POLICY_HEAD SELECTOR "07001200020002010100000000000000" REQUEST,
	    "10.0.1.0/24[any] 10.0.2.0/24[any] any\n"
	    "\tout ipsec\n"
	    "\tesp/tunnel/192.0.2.1-192.0.2.2/require\n"
	    "\tspid=1 seq=0 pid=1234 scope=global \n"
	    "\trefcnt=1\n");
}

/* The short form: minute and second of the hour, cut ages, prefixes of
 * addresses. */
Test(setkey_dump, an_sa_in_the_short_form)
{
	struct hx_setkey_dump d = shown;

	expect(SHORT, &d, HEAD SA SA2 CURRENT ADDRS AUTH ENC,
	    "0010 esp M 00001001 ?"
	    "?"
	    "?/?"
	    "?"
	    "? #255 192.0.2.1 -> "
	    "#255 192.0.2.2\n");
#define LIFE(type, add)                       \
	"0400" type "00000000"                \
	"0000000000000000" add "000000000000" \
	"0000000000000000"
	/* Hard 999, soft 10; the header's length grows by 8 words. */
	expect(SHORT, &d,
	    "020a00031f0001000000000"
	    "0d2040000" SA SA2 LIFE("0300", "e703") LIFE("0400", "0a00")
		CURRENT ADDRS AUTH ENC,
	    "0010 esp M 00001001  10/999 #255 192.0.2.1 -> #255 192.0.2.2\n");
	d.now += 990;
	expect(SHORT, &d,
	    "020a00091f0001000000000"
	    "0d2040000" SA SA2 LIFE("0300", "e803") LIFE("0400", "0a00")
		CURRENT ADDRS AUTH ENC,
	    "1640 #9  M 00001001 big/big #255 192.0.2.1 -> #255 192.0.2.2\n");
}

/* Dates against the C library's own calendar. */
Test(setkey_dump, dates_agree_with_gmtime)
{
	uint64_t t = 1;

	for (unsigned i = 0; i < 4000; i++) {
		const time_t tt = (time_t)t;
		struct tm tm;
		char buf[21], want[64];

		cr_assert_not_null(gmtime_r(&tt, &tm));
		(void)strftime(want, sizeof(want), "%b %e %H:%M:%S %Y", &tm);
		cr_assert_str_eq(hx_setkey_date(t, 0, buf), want, "%llu",
		    (unsigned long long)t);
		t += 62135590 + i * 977;
		if (t > UINT64_C(253402300799)) /* 9999-12-31 */
			break;
	}
}

Test(setkey_dump, dates_know_zones_and_nothing)
{
	char buf[21];

	cr_assert_str_eq(hx_setkey_date(0, 3600, buf), "                    ");
	cr_assert_str_eq(
	    hx_setkey_date(1486382400, 3600, buf), "Feb  6 13:00:00 2017");
	cr_assert_str_eq(hx_setkey_date(3, -7200, buf), "Dec 31 22:00:03 1969");
	/* A year of five digits is cut. */
	cr_assert_str_eq(hx_setkey_date(UINT64_C(253402300800), 0, buf),
	    "Jan  1 00:00:00 1000");
	cr_assert_eq(strlen(hx_setkey_date(UINT64_MAX, 0, buf)), 20);
}
