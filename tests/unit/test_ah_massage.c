/*
 * What the AH ICV sees of an IP header.  Each row is a header and the same
 * header with its mutable fields zero, both typed from RFC 4302 3.3.3.1 and
 * appendix A, RFC 1826, the manual page, or the fact sheet on FreeBSD's
 * ah_massage_headers; IPv4 headers carry protocol 51, checksums are arbitrary.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "hx_hex.h"
#include "transform/ipm_ah.h"

struct row {
	const char *what;
	const char *in, *out;    /* out NULL: refused */
	const char *switches[3]; /* "name=value" */
	bool keep_tos;           /* ah_cleartos 0 */
	uint16_t mask;           /* ah_offsetmask */
	bool keyed, outbound;
};

#define H4   "c0000201c0000202"
#define SRC6 "20010db8000000000000000000000001"
#define DST6 "20010db8000000000000000000000002"
#define HOP6 "20010db8000000000000000000000009"
#define RULES_OLD                  \
	{                          \
		"ah-rules=rfc1826" \
	}
#define RULES_BSD                                         \
	{                                                 \
		"ah-rules=freebsd", "ah-ip6-option=whole" \
	}

static const struct row rows[] = {
	/* [AH-3.3.3.1.1.1-08] to -12, [MAN-cleartos-01] [MAN-offsetmask-02] */
	{ "IPv4, no options", "45b8005412346000ff33abcd" H4,
	    "450000541234000000330000" H4 },
	{ "[MAN-cleartos-02] TOS covered", "45b8005412344000ff33abcd" H4,
	    "45b800541234000000330000" H4, .keep_tos = true },
	{ "[MAN-offsetmask-03] DF covered", "45b8005412346000ff33abcd" H4,
	    "450000541234400000330000" H4, .mask = 0x4000 },
	{ "[MAN-offsetmask-01] all of it covered",
	    "45b8005412347fffff33abcd" H4, "4500005412347fff00330000" H4,
	    .mask = 0xffff },
	{ "[AHOLD-RFC1826-06] TOS and flags as they are",
	    "45b8005412344000ff33abcd" H4, "45b800541234400000330000" H4,
	    RULES_OLD },
	{ "FreeBSD ignores the mask", "45b8005412347fffff33abcd" H4,
	    "450000541234000000330000" H4, RULES_BSD, .mask = 0xffff },
	{ "FreeBSD keeps DF for keyed hashes", "45b8005412346000ff33abcd" H4,
	    "450000541234400000330000" H4, RULES_BSD, .keyed = true },
	{ "FreeBSD, cleartos 0", "45b8005412340000ff33abcd" H4,
	    "45b800541234000000330000" H4, RULES_BSD, .keep_tos = true },

/* Options, one by one [AH-A1-01] [AH-A1-02] [AH-A1-03]. */
#define OPT(bytes) "460000581234000040330000" H4 bytes
#define OUT(bytes) "460000581234000000330000" H4 bytes
	{ "NOP and end are covered", OPT("01010000"), OUT("01010000") },
	{ "what stands behind the end is covered", OPT("00aabbcc"),
	    OUT("00aabbcc") },
	{ "security", OPT("8204abcd"), OUT("8204abcd") },
	{ "extended security", OPT("8504abcd"), OUT("8504abcd") },
	{ "commercial security", OPT("8604abcd"), OUT("8604abcd") },
	{ "router alert", OPT("94040000"), OUT("94040000") },
	{ "multi-destination delivery", OPT("9504abcd"), OUT("9504abcd") },
	{ "record route", OPT("07030401"), OUT("00000001") },
	{ "time stamp", OPT("44040500"), OUT("00000000") },
	{ "stream identifier", OPT("8804abcd"), OUT("00000000") },
	{ "traceroute", OPT("5204abcd"), OUT("00000000") },
	{ "an option nobody knows", OPT("4f04abcd"), OUT("00000000") },
	{ "[AH-3.3.3.1-05] one of 8 octets",
	    "47000060123400004033abcd" H4 "5e08aabbccddeeff",
	    "470000601234000000330000" H4 "0000000000000000" },
	{ "[AHOLD-RFC1826-09] it was covered then", OPT("4f04abcd"),
	    OUT("4f04abcd"), RULES_OLD },
	{ "record route was not", OPT("07030401"), OUT("00000001"), RULES_OLD },
	{ "length 0", OPT("94000000"), NULL },
	{ "length 1", OPT("94010000"), NULL },
	{ "length past the header", OPT("94050000"), NULL },
	{ "no room for a length", OPT("01010194"), NULL },

	/* [AH-3.3.3.1-02] Source routes: the end counts as destination. */
	{ "loose route, received",
	    "47000060123400004033abcd" H4 "83070c0a00000900",
	    "470000601234000000330000" H4 "0000000000000000" },
	{ "loose route, sent", "47000060123400004033abcd" H4 "8307040a00000900",
	    "470000601234000000330000"
	    "c00002010a000009"
	    "0000000000000000",
	    .outbound = true },
	{ "strict route, sent",
	    "47000060123400004033abcd" H4 "8907040a00000901",
	    "470000601234000000330000"
	    "c00002010a000009"
	    "0000000000000001",
	    .outbound = true },

	/* IPv6 [AH-3.3.3.1.2.1-01] [AH-3.3.3.1.2.1-03]. */
	{ "IPv6, no extension", "6b8abcde002033ff" SRC6 DST6,
	    "6000000000203300" SRC6 DST6 },
	{ "[AHOLD-RFC1826-10] class and label as they are",
	    "6b8abcde002033ff" SRC6 DST6, "6b8abcde00203300" SRC6 DST6,
	    RULES_OLD },
	/* [AH-3.3.3.1.2.2-01] [AH-3.3.3.1.2.2-02] [AH-A2-02] */
	{ "hop-by-hop: mutable option, padding",
	    "60000000003000ff" SRC6 DST6 "33003e02abcd0100",
	    "6000000000300000" SRC6 DST6 "33003e0200000100" },
	{ "hop-by-hop: router alert is covered",
	    "60000000003000ff" SRC6 DST6 "3300050200000100",
	    "6000000000300000" SRC6 DST6 "3300050200000100" },
	{ "FreeBSD zeroes type and length too",
	    "60000000003000ff" SRC6 DST6 "33003e02abcd0100",
	    "6000000000300000" SRC6 DST6 "3300000000000100", RULES_BSD },
	/* Pad1, option 0x3e (mutable) of 2, option 0x1e (not) of 4, PadN. */
	{ "destination options one after another",
	    "60000000003c3cff" SRC6 DST6 "3301003e02aabb1e0411223344010100",
	    "60000000003c3c00" SRC6 DST6 "3301003e0200001e0411223344010100" },
	{ "an option past its header",
	    "60000000003000ff" SRC6 DST6 "33003e05abcd0100", NULL },
	{ "a header past the packet",
	    "60000000003000ff" SRC6 DST6 "33013e02abcd0100", NULL },
	/* [AH-A2-01] [AH-3.3.3.1.2.1-02] A routing header of type 0. */
	{ "routing header, received",
	    "6000000000382bff" SRC6 DST6 "3302000000000000" HOP6,
	    "6000000000382b00" SRC6 DST6 "3302000000000000" HOP6 },
	{ "routing header, sent",
	    "6000000000382bff" SRC6 HOP6 "3302000100000000" DST6,
	    "6000000000382b00" SRC6 DST6 "3302000000000000" HOP6,
	    .outbound = true },
	{ "FreeBSD covers it as it stands",
	    "6000000000382bff" SRC6 HOP6 "3302000100000000" DST6,
	    "6000000000382b00" SRC6 HOP6 "3302000100000000" DST6, RULES_BSD,
	    .outbound = true },
	/* [AH-A2-03] [AH-A2-04] A fragment header left in place. */
	{ "fragment header closes",
	    "6000000000282cff" SRC6 DST6 "3300000000000007",
	    "6000000000203300" SRC6 DST6 },
	{ "fragment header behind options closes",
	    "60000000003000ff" SRC6 DST6 "2c00050200000100"
	    "3300000000000007",
	    "6000000000280000" SRC6 DST6 "3300050200000100" },
	{ "FreeBSD refuses it", "6000000000282cff" SRC6 DST6 "3300000000000007",
	    NULL, RULES_BSD },
	{ "a header that cannot stand there",
	    "60000000002811ff" SRC6 DST6 "3300000000000007", NULL },
};

Test(ah_massage, rfc4302_3_3_3_1_and_its_relatives)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		struct ipm_ah_knobs knobs = { !r->keep_tos, r->mask };
		struct hx_octets in, out = { 0 };
		struct ipm_profile pf;
		enum ipm_reason got;
		size_t len;

		ipm_profile_init(&pf, IPM_PF_OBSERVER);
		for (size_t k = 0; k < 3 && r->switches[k] != NULL; k++) {
			char name[32];
			const char *eq = strchr(r->switches[k], '=');

			memcpy(name, r->switches[k],
			    (size_t)(eq - r->switches[k]));
			name[eq - r->switches[k]] = '\0';
			cr_assert(ipm_profile_set(&pf, name, eq + 1));
		}
		cr_assert(hx_hex_read(r->in, &in), "row %zu: in", i);
		len = in.len;
		got = ipm_ah_massage(in.p, &len, in.p[0] >> 4, &pf, &knobs,
		    r->keyed, r->outbound);
		if (r->out == NULL) {
			cr_expect_neq(got, IPM_R_OK, "%s", r->what);
			hx_octets_free(&in);
			continue;
		}
		cr_assert(hx_hex_read(r->out, &out), "row %zu: out", i);
		cr_expect_eq(
		    got, IPM_R_OK, "%s: %s", r->what, ipm_reasons[got].name);
		cr_expect_eq(len, out.len, "%s", r->what);
		for (size_t k = 0; k < out.len && k < len; k++)
			cr_expect_eq(in.p[k], out.p[k],
			    "%s: octet %zu is %02x, not %02x", r->what, k,
			    in.p[k], out.p[k]);
		hx_octets_free(&in);
		hx_octets_free(&out);
	}
}
