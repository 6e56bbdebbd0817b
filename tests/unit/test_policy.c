/*
 * Policy strings against the tables of the fact sheet on libipsec (grammar,
 * semantics, error codes) and against the policies of the captures.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "hx_hex.h"
#include "pfk_policy.h"

static const struct pfk_codec freebsd = { &pfk_dialects[0], PFK_LE };

static enum pfk_eipsec
parse(const char *text, uint8_t *out, size_t *len)
{
	size_t at;

	return pfk_policy_parse(&freebsd, text, out, 1024, len, &at);
}

/* The octets of the worked example: header, request, addresses. */
Test(policy, octets_of_a_tunnel_policy)
{
	static const char want[] = "07001200" /* 56 octets, X_POLICY */
				   "0200"
				   "02"
				   "00"
				   "00000000"
				   "00000000"
				   "2800"
				   "3200"
				   "02"
				   "02"
				   "0000"
				   "10020000c00002010000000000000000"
				   "10020000c00002020000000000000000";
	uint8_t out[1024];
	char text[256];
	size_t len;

	cr_assert_eq(parse("out ipsec esp/tunnel/192.0.2.1-192.0.2.2/require",
			 out, &len),
	    PFK_E_NO_ERROR);
	cr_expect_str_eq(hx_hex_write(ipm_span(out, len), text), want);
	cr_assert_eq(
	    parse("in ipsec esp/tunnel/2001:db8::1-2001:db8::2/use", out, &len),
	    PFK_E_NO_ERROR);
	cr_expect_eq(len, 16 + 64, "8 + 28 + 28 octets");
	cr_assert_eq(
	    parse("in ipsec ah/transport//require", out, &len), PFK_E_NO_ERROR);
	cr_expect_eq(len, 16 + 8);
	cr_assert_eq(parse("in", out, &len), PFK_E_NO_ERROR);
	cr_expect_eq(len, 16);
	cr_expect_eq(out[4], 0, "a direction alone is discard");
}

/* Every accepted shape, and the text that comes back. */
/* [MAN-sockopt-11] */
Test(policy, shapes_and_their_text)
{
	static const struct {
		const char *in, *out; /* out NULL: the same */
	} rows[] = {
		{ "in none", NULL },
		{ "out discard", NULL },
		{ "in bypass", NULL },
		{ "out entrust", NULL },
		{ "in ipsec esp/transport", "in ipsec esp/transport//default" },
		{ "in ipsec esp/transport/",
		    "in ipsec esp/transport//default" },
		{ "in ipsec esp/transport//use", NULL },
		{ "in ipsec ah/transport//unique", NULL },
		{ "in ipsec ah/transport//unique:7", NULL },
		{ "in ipsec ah/transport//unique:20000",
		    "in ipsec ah/transport//unique#20000" },
		{ "in ipsec esp/tunnel/10.0.0.1-10.0.0.2",
		    "in ipsec esp/tunnel/10.0.0.1-10.0.0.2/default" },
		{ "in ipsec esp/tunnel/10.0.0.1-10.0.0.2/",
		    "in ipsec esp/tunnel/10.0.0.1-10.0.0.2/default" },
		{ " in\tipsec\nesp/tunnel/::1-::2/require  ",
		    "in ipsec esp/tunnel/::1-::2/require" },
		{ "in ipsec esp/tunnel/fe80::1%2-fe80::2%2/use", NULL },
		{ "out ipsec ipcomp/transport//use esp/transport//require "
		  "ah/transport//require",
		    NULL },
		{ "out ipsec esp/transport/me-any/use",
		    "out ipsec esp/transport//use" },
		{ "in ipsec esp/transport/any-me/use",
		    "in ipsec esp/transport//use" },
		{ "out ipsec", NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t out[1024];
		char text[512];
		size_t len;

		cr_assert_eq(parse(rows[i].in, out, &len), PFK_E_NO_ERROR, "%s",
		    rows[i].in);
		cr_assert_eq(pfk_policy_text(&freebsd, ipm_span(out, len), NULL,
				 text, sizeof text),
		    PFK_E_NO_ERROR, "%s", rows[i].in);
		cr_expect_str_eq(
		    text, rows[i].out == NULL ? rows[i].in : rows[i].out);
	}
}

Test(policy, errors_have_libipsecs_codes)
{
	static const struct {
		const char *in;
		enum pfk_eipsec code;
	} rows[] = {
		{ "", PFK_E_INVAL_ARGUMENT },
		{ "sideways none", PFK_E_INVAL_ARGUMENT },
		{ "in nothing", PFK_E_INVAL_ARGUMENT },
		{ "IN none", PFK_E_INVAL_ARGUMENT },
		{ "in ipsec esp", PFK_E_FEW_ARGUMENTS },
		{ "in ipsec esp/", PFK_E_FEW_ARGUMENTS },
		{ "in ipsec esp/beet", PFK_E_INVAL_ARGUMENT },
		{ "in ipsec esp/tunnel//use", PFK_E_INVAL_ADDRESS },
		{ "in ipsec esp/tunnel/me-any/use", PFK_E_INVAL_DIR },
		{ "out ipsec esp/tunnel/any-me/use", PFK_E_INVAL_DIR },
		{ "in ipsec esp/tunnel/10.0.0.1-::1/use",
		    PFK_E_FAMILY_MISMATCH },
		{ "in ipsec esp/tunnel/host-10.0.0.1/use", PFK_E_SYSTEM_ERROR },
		{ "in ipsec esp/tunnel/10.0.0.256-10.0.0.1/use",
		    PFK_E_SYSTEM_ERROR },
		{ "in ipsec esp/transport//sometimes", PFK_E_INVAL_ARGUMENT },
		{ "in ipsec esp/transport//unique:x", PFK_E_INVAL_ARGUMENT },
		{ "in ipsec esp/transport//use,", PFK_E_INVAL_ARGUMENT },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t out[1024];
		size_t len;

		cr_expect_eq(parse(rows[i].in, out, &len), rows[i].code,
		    "%s: %s", rows[i].in,
		    pfk_eipsec_text(parse(rows[i].in, out, &len)));
	}
	cr_expect_str_eq(pfk_eipsec_text(PFK_E_INVAL_DIR), "Invalid direciton",
	    "as libipsec spells it");
	cr_expect_str_eq(pfk_eipsec_text(99), "Unknown error");
	cr_expect_str_eq(pfk_eipsec_text(-1), "Unknown error");
	cr_expect_eq(PFK_E_MAX, 27);
}

/* Each octet of a policy changed: an error or a text, never a crash. */
Test(policy, text_of_anything)
{
	uint8_t out[1024];
	char text[512];
	size_t len;

	cr_assert_eq(parse("out ipsec esp/tunnel/::1-::2/unique:5", out, &len),
	    PFK_E_NO_ERROR);
	for (size_t i = 0; i < len; i++)
		for (unsigned v = 0; v < 256; v++) {
			uint8_t was = out[i];

			out[i] = (uint8_t)v;
			(void)pfk_policy_text(&freebsd, ipm_span(out, len), ",",
			    text, sizeof text);
			(void)pfk_policy_text(
			    &freebsd, ipm_span(out, len), NULL, text, 9);
			out[i] = was;
		}
	out[6] = 3;
	cr_expect_eq(pfk_policy_text(
			 &freebsd, ipm_span(out, len), NULL, text, sizeof text),
	    PFK_E_INVAL_DIR);
	out[6] = 2;
	out[2] = 17;
	cr_expect_eq(pfk_policy_text(
			 &freebsd, ipm_span(out, len), NULL, text, sizeof text),
	    PFK_E_INVAL_EXTTYPE);
}

/* The policy texts of every capture's setkey file. */
Test(policy, captures_round_trip)
{
	DIR *d = opendir(SOURCE_DIR "/vectors/captures");
	const struct dirent *e;
	unsigned n = 0;

	cr_assert_not_null(d);
	while ((e = readdir(d)) != NULL) {
		char path[600], line[1024], text[512];
		FILE *f;

		if (strstr(e->d_name, ".setkey") == NULL)
			continue;
		(void)snprintf(path, sizeof path,
		    SOURCE_DIR "/vectors/captures/%s", e->d_name);
		f = fopen(path, "r");
		cr_assert_not_null(f);
		while (fgets(line, sizeof line, f) != NULL) {
			char *policy = strstr(line, "-P ");
			uint8_t out[1024];
			size_t len;

			if (policy == NULL)
				continue;
			policy += 3;
			policy[strcspn(policy, ";")] = '\0';
			cr_assert_eq(parse(policy, out, &len), PFK_E_NO_ERROR,
			    "%s: %s", e->d_name, policy);
			cr_assert_eq(
			    pfk_policy_text(&freebsd, ipm_span(out, len), NULL,
				text, sizeof text),
			    PFK_E_NO_ERROR);
			cr_expect_str_eq(text, policy);
			n++;
		}
		(void)fclose(f);
	}
	(void)closedir(d);
	cr_expect(n > 160, "%u policies", n);
}
