/*
 * ipsec-capture sidecars.  Expected values are written by hand from the text;
 * that real ones agree with their setkey files is test_config.c's.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "hx_sidecar.h"

#define F    "t.json"
#define HEAD "{\"schema\":\"ipsec-capture\",\"version\":1,"

/* One SA of each protocol, with every member this reader knows. */
static const char whole[] = HEAD
    "\"name\":\"x\",\"esn\":true,\"replay_window\":64,\"udp_encap\":true,\n"
    "\"initial_seq\":{\"hi\":1,\"lo\":4294967290},\"dport\":4501,\n"
    "\"sa_flags\":[\"noecn\"],\n"
    "\"sas\":[\n"
    "{\"dir\":\"A>B\",\"order\":1,\"proto\":\"esp\",\"spi\":\"0x00001000\",\n"
    " \"mode\":\"tunnel\",\"src\":\"192.0.2.1\",\"dst\":\"192.0.2.2\",\n"
    " \"reqid\":7,\"encryption\":{\"algorithm\":\"aes-gcm\",\"key\":\n"
    " \"000102030405060708090a0b0c0d0e0f\",\"salt\":\"A0a1a2a3\",\n"
    " \"icv_bits\":96},\"authentication\":{\"algorithm\":\"none\"}},\n"
    "{\"proto\":\"esp\",\"spi\":\"0x1001\",\"mode\":\"transport\",\n"
    " \"src\":\"192.0.2.1\",\"dst\":\"192.0.2.2\",\"esn\":false,\n"
    " \"replay_window\":0,\"initial_seq\":{\"lo\":5},\"udp_encap\":false,\n"
    " \"encryption\":{\"algorithm\":\"null\",\"key\":\"\"},\n"
    " \"authentication\":{\"algorithm\":\"hmac-sha256\",\"icv_bits\":96,\n"
    " \"key\":\"000102030405060708090a0b0c0d0e0f"
    "101112131415161718191a1b1c1d1e1f\"}},\n"
    "{\"proto\":\"ah\",\"spi\":\"0xFFFFFFFF\",\"src\":\"2001:db8::1\",\n"
    " \"dst\":\"2001:db8::2\",\"sa_flags\":[\"align4\",\"decap-dscp\"],\n"
    " \"authentication\":{\"algorithm\":\"hmac-md5\",\n"
    " \"key\":\"000102030405060708090a0b0c0d0e0f\"}},\n"
    "{\"proto\":\"ipcomp\",\"spi\":\"0x2345\",\"mode\":\"any\",\n"
    " \"src\":\"192.0.2.1\",\"dst\":\"192.0.2.2\",\n"
    " \"compression\":\"deflate\"}],\n"
    "\"frames\":[{\"n\":1}],\"negative\":[]}\n";

Test(sidecar, every_member_reaches_its_field)
{
	const uint8_t key[36] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
		14, 15, 0xa0, 0xa1, 0xa2, 0xa3 };
	struct hx_config c;
	struct hx_err err;

	cr_assert(hx_sidecar_parse(whole, sizeof(whole) - 1, F, &c, &err), "%s",
	    err.text);
	cr_assert_eq(c.kind, HX_CONFIG_SIDECAR);
	cr_assert_eq(c.n, 4);
	cr_assert_eq(c.n_policies, 0);

	const struct ipm_sa_config *a = &c.sas[0].cfg;
	cr_assert_eq(a->proto, 50);
	cr_assert_eq(a->spi, 0x1000);
	cr_assert_eq(a->mode, IPM_MODE_TUNNEL);
	cr_assert_eq(a->reqid, 7);
	cr_assert_eq(a->src.family, 4);
	cr_assert_eq(a->src.octet[3], 1);
	cr_assert_eq(a->dst.octet[3], 2);
	cr_assert_eq(a->flags, IPM_SAF_ESN | IPM_SAF_NATT | IPM_SAF_NOECN);
	cr_assert_eq(a->sport, 4500);
	cr_assert_eq(a->dport, 4501);
	cr_assert_eq(a->window, 64);
	cr_assert_eq(a->last_seq, UINT64_C(0x1fffffffa));
	cr_assert_eq(a->enc, ipm_alg_by_name("aes-gcm-12"));
	cr_assert_null(a->auth);
	/* The salt stands behind the key. */
	cr_assert_eq(a->enc_key.len, 20);
	cr_assert_eq(memcmp(a->enc_key.p, key, 20), 0);
	cr_assert_eq(a->auth_key.len, 0);

	/* What an SA says itself. */
	a = &c.sas[1].cfg;
	cr_assert_eq(a->mode, IPM_MODE_TRANSPORT);
	cr_assert_eq(a->flags, IPM_SAF_NOECN);
	cr_assert_eq(a->window, 0);
	cr_assert_eq(a->last_seq, 5);
	cr_assert_eq(a->sport, 0);
	cr_assert_eq(a->enc, ipm_alg_by_name("null"));
	cr_assert_eq(a->auth, ipm_alg_by_name("hmac-sha256-96"));
	cr_assert_eq(a->auth_key.len, 32);

	/* AH has no UDP encapsulation, so the top level does not mean it. */
	a = &c.sas[2].cfg;
	cr_assert_eq(a->proto, 51);
	cr_assert_eq(a->spi, 0xffffffff);
	cr_assert_eq(a->src.family, 6);
	cr_assert_eq(a->mode, IPM_MODE_ANY);
	cr_assert_eq(a->flags,
	    IPM_SAF_ESN | IPM_SAF_NOECN | IPM_SAF_ALIGN4 | IPM_SAF_DECAP_DSCP);
	cr_assert_eq(a->auth, ipm_alg_by_name("hmac-md5"));

	/* IPcomp has no sequence numbers. */
	a = &c.sas[3].cfg;
	cr_assert_eq(a->proto, 108);
	cr_assert_eq(a->flags, IPM_SAF_NOECN | IPM_SAF_RAWCPI);
	cr_assert_eq(a->window, 0);
	cr_assert_eq(a->last_seq, 0);
	cr_assert_eq(a->comp, ipm_alg_by_name("deflate"));
	hx_config_free(&c);
}

#define ESP \
	"\"proto\":\"esp\",\"spi\":\"0x1000\",\"src\":\"::1\",\"dst\":\"::2\""
#define NULLE                                                         \
	"\"encryption\":{\"algorithm\":\"null\"},\"authentication\":" \
	"{\"algorithm\":\"hmac-md5\",\"key\":"                        \
	"\"000102030405060708090a0b0c0d0e0f\"}"

static const struct {
	const char *text, *error;
} bad[] = {
	/* 0..9: not JSON, or not this schema */
	{ "{", F ":1:1: string or '}' expected near end of file" },
	{ "{\n\"a\": 1\n\"b\": 2}", F ":3:3: '}' expected" },
	{ "[]", F ": an object is expected, not an array" },
	{ "{}", F ": schema: is missing" },
	{ "{\"schema\":3}",
	    F ": schema: a string is expected, not an integer" },
	{ "{\"schema\":\"ipsec-vectors\"}",
	    F ": schema: \"ipsec-vectors\" is no configuration; "
	      "\"ipsec-capture\" is" },
	{ "{\"schema\":\"ipsec-capture\"}", F ": version: is missing" },
	{ "{\"schema\":\"ipsec-capture\",\"version\":2}",
	    F ": version: 2 is not in the range 1 to 1" },
	{ HEAD "\"name\":0}", F ": sas: is missing" },
	{ HEAD "\"sas\":{}}", F ": sas: an array is expected, not an object" },
	/* 10..19 */
	{ HEAD "\"sas\":[null]}",
	    F ": sas[0]: an object is expected, not null" },
	{ HEAD "\"esn\":1,\"sas\":[]}",
	    F ": esn: a boolean is expected, not an integer" },
	{ HEAD "\"replay_window\":-1,\"sas\":[]}",
	    F ": replay_window: -1 is not in the range 0 to 4294967263" },
	{ HEAD "\"replay_window\":1.5,\"sas\":[]}",
	    F ": replay_window: an integer is expected, not a real number" },
	{ HEAD "\"initial_seq\":5,\"sas\":[]}",
	    F ": initial_seq: an object is expected, not an integer" },
	{ HEAD "\"initial_seq\":{\"hi\":0},\"sas\":[]}",
	    F ": initial_seq.lo: is missing" },
	{ HEAD "\"initial_seq\":{\"lo\":4294967296},\"sas\":[]}",
	    F ": initial_seq.lo: 4294967296 is not in the range 0 to "
	      "4294967295" },
	{ HEAD "\"sa_flags\":\"noecn\",\"sas\":[]}",
	    F ": sa_flags: an array is expected, not a string" },
	{ HEAD "\"sa_flags\":[\"noecn\",\"nope\"],\"sas\":[]}",
	    F ": sa_flags[1]: unknown flag \"nope\"" },
	{ HEAD "\"sa_flags\":[true],\"sas\":[]}",
	    F ": sa_flags[0]: a string is expected, not a boolean" },
	/* 20..29: an SA */
	{ HEAD "\"sas\":[{}]}", F ": sas[0].proto: is missing" },
	{ HEAD "\"sas\":[{\"proto\":\"tcp\"}]}",
	    F ": sas[0].proto: \"tcp\" is none of esp, ah, ipcomp" },
	{ HEAD "\"sas\":[{\"proto\":\"esp\"}]}", F ": sas[0].spi: is missing" },
	{ HEAD "\"sas\":[{\"proto\":\"esp\",\"spi\":4096}]}",
	    F ": sas[0].spi: a string is expected, not an integer" },
	{ HEAD "\"sas\":[{\"proto\":\"esp\",\"spi\":\"0x123456789\"}]}",
	    F ": sas[0].spi: 0x and one to eight hexadecimal digits are "
	      "expected" },
	{ HEAD "\"sas\":[{\"proto\":\"esp\",\"spi\":\"0x\"}]}",
	    F ": sas[0].spi: 0x and one to eight hexadecimal digits are "
	      "expected" },
	{ HEAD "\"sas\":[{\"proto\":\"esp\",\"spi\":\"4096\"}]}",
	    F ": sas[0].spi: 0x and hexadecimal digits are expected" },
	{ HEAD "\"sas\":[{\"proto\":\"esp\",\"spi\":\"0x1000\","
	       "\"mode\":\"beet\"}]}",
	    F ": sas[0].mode: \"beet\" is none of transport, tunnel, any" },
	{ HEAD "\"sas\":[{\"proto\":\"esp\",\"spi\":\"0x1000\","
	       "\"src\":\"a.example\"}]}",
	    F ": sas[0].src: \"a.example\" is not a numeric address" },
	{ HEAD "\"sas\":[{\"proto\":\"esp\",\"spi\":\"0x1000\","
	       "\"src\":\"::1\",\"dst\":\"192.0.2.1\"}]}",
	    F ": sas[0].dst: source is IPv6 and destination IPv4" },
	/* 30..39 */
	{ HEAD "\"sas\":[{" ESP "," NULLE "},{" ESP ",\"reqid\":-1}]}",
	    F ": sas[1].reqid: -1 is not in the range 0 to 4294967295" },
	{ HEAD "\"sas\":[{" ESP ",\"encryption\":\"null\"}]}",
	    F ": sas[0].encryption: an object is expected, not a string" },
	{ HEAD "\"sas\":[{" ESP ",\"encryption\":{}}]}",
	    F ": sas[0].encryption.algorithm: is missing" },
	{ HEAD "\"sas\":[{" ESP ",\"encryption\":{\"algorithm\":\"rot13\"}}]}",
	    F ": sas[0].encryption.algorithm: unknown algorithm "
	      "\"rot13\"" },
	{ HEAD "\"sas\":[{" ESP ",\"encryption\":{\"algorithm\":\"aes-gcm\","
	       "\"icv_bits\":80}}]}",
	    F ": sas[0].encryption.algorithm: no algorithm \"aes-gcm\" with "
	      "an ICV of 80 bits" },
	{ HEAD "\"sas\":[{" ESP ",\"encryption\":{\"algorithm\":\"aes-cbc\","
	       "\"key\":\"001\"}}]}",
	    F ": sas[0].encryption.key: an even number of hexadecimal digits "
	      "is expected" },
	{ HEAD "\"sas\":[{" ESP ",\"encryption\":{\"algorithm\":\"aes-cbc\","
	       "\"key\":\"00\",\"salt\":\"0g\"}}]}",
	    F ": sas[0].encryption.salt: an even number of hexadecimal "
	      "digits is expected" },
	{ HEAD "\"sas\":[{" ESP ",\"authentication\":{\"algorithm\":"
	       "\"none\",\"key\":\"00\"}}]}",
	    F ": sas[0].authentication.key: no algorithm takes it" },
	{ HEAD "\"sas\":[{" ESP ",\"compression\":\"lzs\"}]}",
	    F ": sas[0].compression: unknown algorithm \"lzs\"" },
	{ HEAD "\"sas\":[{" ESP "," NULLE ",\"sport\":0}]}",
	    F ": sas[0].sport: 0 is not in the range 1 to 65535" },
	/* 40..: SAs that cannot be */
	{ HEAD "\"sas\":[{\"proto\":\"esp\",\"spi\":\"0xff\",\"src\":\"::1\","
	       "\"dst\":\"::2\"," NULLE "}]}",
	    F ": sas[0].spi: SPI 255 is reserved (1 to 255)" },
	{ HEAD "\"sas\":[{\"proto\":\"ipcomp\",\"spi\":\"0x10000\","
	       "\"src\":\"::1\",\"dst\":\"::2\",\"compression\":\"deflate\"}"
	       "]}",
	    F ": sas[0].spi: CPI 0x10000 has more than 16 bits" },
	{ HEAD "\"initial_seq\":{\"hi\":1,\"lo\":0},\"sas\":[{" ESP "," NULLE
	       "}]}",
	    F ": sas[0]: a sequence number beyond 32 bits needs ESN" },
	{ HEAD "\"sas\":[{" ESP "," NULLE "},{" ESP "," NULLE "}]}",
	    F ": sas[1]: sas[0] has this destination, protocol and SPI "
	      "already" },
	{ HEAD "\"sas\":[],\"frames\":{}}",
	    F ": frames: an array is expected, not an object" },
	{ HEAD "\"sas\":[],\"negative\":[{},3]}",
	    F ": negative[1]: an object is expected, not an integer" },
	{ HEAD "\"sas\":[],\n\"sas\":[]}", F ":2:5: duplicate object key" },
};

Test(sidecar, bad_files_name_the_member_and_the_cause)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hx_config c;
		struct hx_err err;

		cr_assert_not(hx_sidecar_parse(bad[i].text, strlen(bad[i].text),
				  F, &c, &err),
		    "row %zu is accepted: %s", i, bad[i].text);
		cr_assert_str_eq(err.text, bad[i].error, "row %zu:\n%s\n%s", i,
		    err.text, bad[i].error);
		cr_assert_eq(c.n, 0);
		cr_assert_null(c.sas);
	}
}

/* The path is ours, the words are the SAD's. */
Test(sidecar, a_key_of_the_wrong_length_is_named_at_its_algorithm)
{
	static const struct {
		const char *text, *path;
	} rows[] = {
		{ HEAD "\"sas\":[{" ESP ",\"encryption\":{\"algorithm\":"
		       "\"aes-cbc\",\"key\":\"0011\"}}]}",
		    F ": sas[0].encryption: " },
		/* The salt is missing. */
		{ HEAD "\"sas\":[{" ESP ",\"encryption\":{\"algorithm\":"
		       "\"aes-gcm\",\"key\":"
		       "\"000102030405060708090a0b0c0d0e0f\"}}]}",
		    F ": sas[0].encryption: " },
		{ HEAD "\"sas\":[{" ESP ",\"encryption\":{\"algorithm\":"
		       "\"null\"},\"authentication\":{\"algorithm\":"
		       "\"hmac-md5\",\"key\":\"00\"}}]}",
		    F ": sas[0].authentication: " },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_config c;
		struct hx_err err;

		cr_assert_not(hx_sidecar_parse(rows[i].text,
				  strlen(rows[i].text), F, &c, &err),
		    "row %zu", i);
		cr_assert_eq(strstr(err.text, rows[i].path), err.text,
		    "row %zu: %s", i, err.text);
	}
}

Test(sidecar, every_truncation_is_refused_with_its_line)
{
	/* Without the blank line's end the object is whole. */
	const size_t len = sizeof(whole) - 2;

	for (size_t cut = 0; cut < len; cut++) {
		char *text = malloc(cut + 1);
		struct hx_config c;
		struct hx_err err;
		unsigned line;

		cr_assert_not_null(text);
		memcpy(text, whole, cut);
		cr_assert_not(hx_sidecar_parse(text, cut, F, &c, &err),
		    "cut at %zu", cut);
		cr_assert_eq(
		    sscanf(err.text, F ":%u:", &line), 1, "%s", err.text);
		free(text);
	}
}

static const char *const values[] = { "null", "true", "1", "-1", "1.5", "\"x\"",
	"\"\"", "[]", "{}", "[[{}]]", "9223372036854775807",
	"\"000102030405060708090a0b0c0d0e0f\"" };

/*
 * Puts each value in the place of each member in turn, at any depth, and
 * reads the result: an answer or an error, and nothing worse.
 */
static unsigned
mutate(json_t *root, json_t *at)
{
	unsigned n = 0;
	const char *key;
	json_t *child;
	void *next;
	size_t i;

	json_object_foreach_safe(at, next, key, child)
	{
		json_incref(child);
		n += mutate(root, child);
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]);
		     k++) {
			json_t *v =
			    json_loads(values[k], JSON_DECODE_ANY, NULL);
			struct hx_config c;
			struct hx_err err;

			cr_assert_not_null(v);
			cr_assert_eq(json_object_set_new(at, key, v), 0);
			if (hx_sidecar_read(root, F, &c, &err))
				hx_config_free(&c);
			else
				cr_assert_eq(strstr(err.text, F ": "), err.text,
				    "%s", err.text);
			n++;
		}
		cr_assert_eq(json_object_set_new(at, key, child), 0);
	}
	json_array_foreach(at, i, child) n += mutate(root, child);
	return n;
}

Test(sidecar, a_member_of_any_type_is_read_or_refused)
{
	json_t *root = json_loadb(whole, sizeof(whole) - 1, 0, NULL);
	struct hx_config c;
	struct hx_err err;

	cr_assert_not_null(root);
	cr_assert_gt(mutate(root, root), 500);
	/* All was put back. */
	cr_assert(hx_sidecar_read(root, F, &c, &err), "%s", err.text);
	hx_config_free(&c);
	json_decref(root);
}

Test(sidecar, wiping_overwrites_every_key_and_nothing_else)
{
	json_t *root = json_loadb(whole, sizeof(whole) - 1, 0, NULL);
	char *text;

	cr_assert_not_null(root);
	hx_sidecar_wipe(root);
	const json_t *sa = json_array_get(json_object_get(root, "sas"), 0);
	const json_t *enc = json_object_get(sa, "encryption");
	cr_assert_str_empty(json_string_value(json_object_get(enc, "key")));
	cr_assert_str_empty(json_string_value(json_object_get(enc, "salt")));
	cr_assert_str_eq(
	    json_string_value(json_object_get(enc, "algorithm")), "aes-gcm");
	text = json_dumps(root, 0);
	cr_assert_not_null(text);
	cr_assert_null(strstr(text, "0405060708090a0b"));
	free(text);
	json_decref(root);

	/* Anything may be handed over. */
	hx_sidecar_wipe(NULL);
	root = json_loads("{\"sas\":[3,{\"encryption\":[]}]}", 0, NULL);
	hx_sidecar_wipe(root);
	json_decref(root);
}
