/*
 * IPcomp: the packets and streams of vectors/rfc both ways, what a receiver
 * refuses, how much it lets grow, and when a sender sends a packet as it is.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_engine.h"
#include "model/ipm_profile.h"
#include "model/provider/ipm_zlib.h"
#include "model/transform/ipm_ipcomp.h"
#include "model/wire/ipm_ip.h"
#include "support/vec_file.h"

#define MAX 70000

static struct ipm_compressor zlib;

static void
setup(void)
{
	struct ipm_alloc alloc = hx_alloc();

	cr_assert_eq(ipm_zlib_open(&zlib, &alloc), IPM_OK);
}

static void
teardown(void)
{
	ipm_zlib_close(&zlib);
}

TestSuite(ipcomp, .init = setup, .fini = teardown);

static struct ipm_profile
observer(const char *sw, const char *value)
{
	struct ipm_profile pf;

	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	if (sw != NULL)
		cr_assert(ipm_profile_set(&pf, sw, value), "%s", sw);
	return pf;
}

static struct hx_octets
unhex(const char *s)
{
	struct hx_octets o;

	cr_assert(hx_hex_read(s, &o), "%s", s);
	return o;
}

/* --- vectors -------------------------------------------------------------- */

/* The datagram before compression, made of header and payload. */
static void
check_original(
    const json_t *j, const struct ipm_ip *ip, const struct ipm_ipcomp_opened *o)
{
	static uint8_t made[MAX];
	struct hx_octets original = vec_octets(j, "original");
	size_t len = o->payload.len;

	if (o->next_header == 4) {
		/* [IPCOMP-2.1-02] The whole inner packet is the payload. */
		memcpy(made, o->payload.p, len);
	} else {
		/* [IPCOMP-2.1-04] */
		memcpy(made, ip->packet.p, ip->hlen);
		memcpy(made + ip->hlen, o->payload.p, len);
		len += ip->hlen;
		cr_assert(ipm_ip_rewrite(made, ip->version, ip->hlen, len,
		    ip->proto_off, o->next_header));
	}
	cr_expect_eq(len, original.len, "%s", vec_text(j, "id"));
	cr_expect_arr_eq(
	    made, original.p, original.len, "%s", vec_text(j, "id"));
	if (o->next_header != 4) {
		/* And back [IPCOMP-3.1-01] [IPCOMP-3.1-02] [IPCOMP-3.1-03]
		 * [IPCOMP-3.2-01]. */
		cr_assert(ipm_ip_rewrite(original.p, ip->version, ip->hlen,
		    ip->packet.len, ip->proto_off, IPM_PROTO_IPCOMP));
		cr_expect_arr_eq(original.p, ip->packet.p, ip->hlen, "%s",
		    vec_text(j, "id"));
	}
	hx_octets_free(&original);
}

static void
check_packet(const json_t *j)
{
	static const struct ipm_ipcomp_rules any = { 0, true };
	static uint8_t out[MAX], again[MAX];
	struct hx_octets packet = vec_octets(j, "packet");
	struct hx_octets payload = vec_octets(j, "payload");
	struct ipm_profile pf = observer(NULL, NULL);
	bool valid = strcmp(vec_text(j, "result"), "valid") == 0;
	const char *id = vec_text(j, "id");
	enum ipm_ipcomp_made made;
	struct ipm_ipcomp_opened o;
	struct ipm_span c;
	struct ipm_ip ip;
	uint16_t cpi = 0;
	enum ipm_reason r;
	size_t len;

	cr_assert_eq(ipm_ip_parse(hx_span(&packet), true, &ip), IPM_R_OK);
	cr_assert_eq(ip.proto, IPM_PROTO_IPCOMP);
	c = ipm_span_from(ip.packet, ip.hlen);
	cr_assert(ipm_ipcomp_peek(c, &cpi));
	cr_expect_eq(cpi, json_integer_value(json_object_get(j, "cpi")));
	r = ipm_ipcomp_open(
	    &zlib, &pf, c, 65535 - ip.hlen, out, sizeof out, NULL, &o);
	if (!valid) {
		cr_expect_eq(r, IPM_R_INFLATE_FAILED, "%s", id);
		cr_expect_eq(o.payload.len, 0, "%s", id);
	} else {
		cr_assert_eq(r, IPM_R_OK, "%s: %s", id, ipm_reasons[r].name);
		cr_expect_eq(o.next_header,
		    json_integer_value(json_object_get(j, "next_header")));
		cr_expect_eq(o.cpi, cpi);
		cr_expect_eq(o.flags, 0);
		cr_expect_eq(o.payload.len, payload.len, "%s", id);
		cr_expect_arr_eq(out, payload.p, payload.len, "%s", id);
		check_original(j, &ip, &o);
		/* Sealed with its own stream: every octet the same. */
		cr_assert_eq(ipm_ipcomp_seal(&zlib, &any, o.cpi, o.next_header,
				 packet.len, o.payload, o.compressed, again,
				 c.len, &len, &made),
		    IPM_OK);
		cr_expect_eq(made, IPM_IPCOMP_SENT);
		cr_expect_eq(len, c.len, "%s", id);
		cr_expect_arr_eq(again, c.p, c.len, "%s", id);
	}
	hx_octets_free(&packet);
	hx_octets_free(&payload);
}

/*
 * [IPCOMP-3.3-01] [IPCOMP-3.3-02] [IPCOMP-3.3-03] [IPCOMP-RFC2394-02]
 */
Test(ipcomp, rfc3173_packets_open_and_seal_to_the_same_octets)
{
	json_t *root = vec_load("vectors/rfc/rfc2394-ipcomp-deflate.json"), *j;
	size_t k;

	json_array_foreach(json_object_get(root, "cases"), k, j)
	    check_packet(j);
	cr_expect_eq(k, 10);
	json_decref(root);
}

static enum ipm_reason
open_stream(const struct ipm_profile *pf, uint8_t next_header,
    struct ipm_span stream, size_t limit, uint8_t *out, size_t cap,
    struct ipm_ipcomp_opened *o)
{
	/* A run of exactly its length: nothing behind may be read. */
	uint8_t *exact = malloc(IPM_IPCOMP_HLEN + stream.len);
	enum ipm_reason r;

	cr_assert_not_null(exact);
	memcpy(exact, (uint8_t[]){ next_header, 0, 0, 2 }, IPM_IPCOMP_HLEN);
	if (stream.len != 0)
		memcpy(exact + IPM_IPCOMP_HLEN, stream.p, stream.len);
	r = ipm_ipcomp_open(&zlib, pf,
	    ipm_span(exact, IPM_IPCOMP_HLEN + stream.len), limit, out, cap,
	    NULL, o);
	free(exact);
	return r;
}

/*
 * [IPCOMP-RFC2394-03] [IPCOMP-RFC2394-07] [IPCOMP-RFC2394-08]
 * [IPCOMP-RFC2394-09] [IPCOMP-RFC2394-10] Every kind of block; streams that
 * are none; octets behind the end.
 */
Test(ipcomp, rfc1951_streams)
{
	json_t *root = vec_load("vectors/rfc/rfc1951-deflate.json"), *j;
	struct ipm_profile pf = observer(NULL, NULL);
	static uint8_t out[MAX];
	size_t k, bad = 0;

	json_array_foreach(json_object_get(root, "cases"), k, j)
	{
		struct hx_octets c = vec_octets(j, "compressed");
		struct hx_octets p = vec_octets(j, "plaintext");
		bool valid = strcmp(vec_text(j, "result"), "valid") == 0;
		struct ipm_ipcomp_opened o;
		enum ipm_reason r;

		r = open_stream(
		    &pf, 17, hx_span(&c), 65515, out, sizeof out, &o);
		cr_expect_eq(r, valid ? IPM_R_OK : IPM_R_INFLATE_FAILED,
		    "%s: %s", vec_text(j, "id"), ipm_reasons[r].name);
		cr_expect_eq(o.payload.len, p.len, "%s", vec_text(j, "id"));
		if (p.len != 0)
			cr_expect_arr_eq(
			    out, p.p, p.len, "%s", vec_text(j, "id"));
		bad += !valid;
		hx_octets_free(&c);
		hx_octets_free(&p);
	}
	cr_expect_eq(bad, 6);
	json_decref(root);
}

/* --- what is refused ------------------------------------------------------ */

/* Python 3.11: zlib's raw deflate of 70000 zeros, level 9. */
static const char bomb[] =
    "edc13101000000c2a0f54f6d094fa0000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000080b701";
/* The same of the pangram, four times, in a zlib wrapper. */
static const char wrapped[] =
    "789c0bc94855282ccd4cce56482aca2fcf5348cbaf50c82acd2d2856c82f4b2d5228014a"
    "e72456552aa4e4a7eb29840c0ec500fa60409d";

/* [IPCOMP-RFC2394-04] Bare deflate: the same stream without its wrapper. */
Test(ipcomp, rfc2394_2_no_zlib_wrapper)
{
	struct hx_octets w = unhex(wrapped);
	struct ipm_profile pf = observer(NULL, NULL);
	struct ipm_ipcomp_opened o;
	uint8_t out[400];

	cr_expect_eq(open_stream(&pf, 17, hx_span(&w), 400, out, 400, &o),
	    IPM_R_INFLATE_FAILED);
	cr_expect_eq(open_stream(&pf, 17, ipm_span(w.p + 2, w.len - 6), 400,
			 out, 400, &o),
	    IPM_R_OK);
	cr_expect_eq(o.payload.len, 180);
	cr_expect_arr_eq(out, "The quick brown fox", 19);
	hx_octets_free(&w);
}

/* [IPCOMP-limits-01] */
Test(ipcomp, rfc3173_2_1_inflation_is_bounded)
{
	static uint8_t out[MAX + 1];
	struct hx_octets b = unhex(bomb);
	static const struct {
		size_t limit, cap;
		enum ipm_reason reason;
	} rows[] = {
		{ 65535 - 20, MAX, IPM_R_INFLATE_TOO_BIG },
		{ 65535, MAX, IPM_R_INFLATE_TOO_BIG },
		{ 69999, MAX, IPM_R_INFLATE_TOO_BIG },
		{ 70000, MAX, IPM_R_OK },
		{ MAX, 69999, IPM_R_NO_MEMORY },
		{ MAX, 1, IPM_R_NO_MEMORY },
		{ 1, 1, IPM_R_INFLATE_TOO_BIG },
		{ 0, 0, IPM_R_INFLATE_TOO_BIG },
		{ 0, MAX, IPM_R_INFLATE_TOO_BIG },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_profile pf = observer(NULL, NULL);
		size_t end =
		    rows[i].limit < rows[i].cap ? rows[i].limit : rows[i].cap;
		struct ipm_ipcomp_opened o;

		memset(out, 0xa5, sizeof out);
		cr_expect_eq(open_stream(&pf, 17, hx_span(&b), rows[i].limit,
				 out, rows[i].cap, &o),
		    rows[i].reason, "row %zu", i);
		cr_expect_eq(o.payload.len,
		    rows[i].reason == IPM_R_OK ? 70000 : 0, "row %zu", i);
		for (size_t k = end; k < sizeof out; k++)
			cr_assert_eq(out[k], 0xa5, "row %zu wrote %zu", i, k);
	}
	hx_octets_free(&b);
}

/* Every truncation, one octet more, every flipped bit. */
Test(ipcomp, every_cut_is_refused_and_every_flip_stays_in_bounds)
{
	struct hx_octets w = unhex(wrapped);
	struct ipm_span stream = ipm_span(w.p + 2, w.len - 6);
	struct ipm_profile pf = observer(NULL, NULL);
	struct ipm_ipcomp_opened o;
	uint8_t head[4] = { 17, 0, 0, 2 }, out[1001], longer[128];
	uint16_t cpi;

	for (size_t n = 0; n < 4; n++) {
		cr_expect_not(ipm_ipcomp_peek(ipm_span(head, n), &cpi));
		cr_expect_eq(ipm_ipcomp_open(&zlib, &pf, ipm_span(head, n), 999,
				 out, 999, NULL, &o),
		    IPM_R_BAD_LENGTH);
		cr_expect_eq(o.payload.len, 0);
	}
	cr_assert(ipm_ipcomp_peek(ipm_span(head, 4), &cpi));
	cr_expect_eq(cpi, 2);
	for (size_t n = 0; n < stream.len; n++) {
		cr_expect_eq(open_stream(&pf, 17, ipm_span(stream.p, n), 999,
				 out, 999, &o),
		    IPM_R_INFLATE_FAILED, "cut to %zu", n);
		cr_expect_eq(o.payload.len, 0);
	}
	memcpy(longer, stream.p, stream.len);
	longer[stream.len] = 0;
	cr_expect_eq(open_stream(&pf, 17, ipm_span(longer, stream.len + 1), 999,
			 out, 999, &o),
	    IPM_R_INFLATE_FAILED);
	for (size_t bit = 0; bit < 8 * stream.len; bit++) {
		enum ipm_reason r;

		memcpy(longer, stream.p, stream.len);
		longer[bit / 8] ^= (uint8_t)(1 << bit % 8);
		out[1000] = 0xa5;
		r = open_stream(
		    &pf, 17, ipm_span(longer, stream.len), 1000, out, 1000, &o);
		cr_expect(r == IPM_R_OK || r == IPM_R_INFLATE_FAILED ||
		    r == IPM_R_INFLATE_TOO_BIG);
		cr_expect(r == IPM_R_OK || o.payload.len == 0);
		cr_expect_eq(out[1000], 0xa5);
	}
	hx_octets_free(&w);
}

/* [IPCOMP-3.3-04] */
Test(ipcomp, rfc3173_3_3_flags_are_ignored)
{
	uint8_t packet[] = { 17, 0, 0, 2, 0x4b, 0x04, 0x00 }; /* "a" */
	struct ipm_profile pf = observer(NULL, NULL);
	struct ipm_ipcomp_opened o;
	uint8_t out[8];

	for (unsigned flags = 0; flags < 256; flags++) {
		packet[1] = (uint8_t)flags;
		cr_expect_eq(
		    ipm_ipcomp_open(&zlib, &pf, ipm_span(packet, sizeof packet),
			8, out, 8, NULL, &o),
		    IPM_R_OK);
		cr_expect_eq(o.flags, flags);
		cr_expect_eq(o.payload.len, 1);
		cr_expect_eq(out[0], 'a');
	}
}

/* [IPCOMP-limits-02] and the other switches of a receiver. */
Test(ipcomp, switches_of_a_receiver)
{
	static const struct {
		const char *sw, *value;
		uint8_t next_header;
		const char *stream;
		enum ipm_reason reason;
	} rows[] = {
		{ "ipcomp-nested", "refuse", 108, "4b0400", IPM_R_COMP_NESTED },
		{ "ipcomp-nested", "accept", 108, "4b0400", IPM_R_OK },
		{ "ipcomp-nested", "refuse", 17, "4b0400", IPM_R_OK },
		{ "ipcomp-empty", "accept", 17, "0300", IPM_R_OK },
		{ "ipcomp-empty", "refuse", 17, "0300", IPM_R_EMPTY_PAYLOAD },
		{ "ipcomp-empty", "refuse", 17, "4b0400", IPM_R_OK },
		/* Sixty-four zeros in 6 octets; "a" in 3. */
		{ "ipcomp-expanded", "refuse", 17, "6360a00c0000", IPM_R_OK },
		{ "ipcomp-expanded", "refuse", 17, "4b0400",
		    IPM_R_COMP_EXPANDED },
		{ "ipcomp-expanded", "accept", 17, "4b0400", IPM_R_OK },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_profile pf = observer(rows[i].sw, rows[i].value);
		struct hx_octets c = unhex(rows[i].stream);
		struct ipm_ipcomp_opened o;
		uint8_t out[100];

		cr_expect_eq(open_stream(&pf, rows[i].next_header, hx_span(&c),
				 100, out, 100, &o),
		    rows[i].reason, "row %zu", i);
		cr_expect(rows[i].reason == IPM_R_OK || o.payload.len == 0);
		hx_octets_free(&c);
	}
}

/* --- a compressor that makes what the test says --------------------------- */

struct stub {
	size_t makes;        /* octets of the stream, or of the result */
	enum ipm_err answer; /* instead */
};

static enum ipm_err
stub_run(const struct ipm_compressor *c, struct ipm_span src, uint8_t *dst,
    size_t *len)
{
	const struct stub *s = c->ctx;

	(void)src;
	if (s->answer != IPM_OK)
		return s->answer;
	if (s->makes > *len) {
		memset(dst, 0xcc, *len);
		return IPM_ERR_NOBUF;
	}
	memset(dst, 0xcc, s->makes);
	*len = s->makes;
	return IPM_OK;
}

/*
 * [IPCOMP-2.2-01] [IPCOMP-2.2-02] A payload of 100 octets whose
 * stream has so many: the RFC counts the header, FreeBSD does not.
 */
Test(ipcomp, rfc3173_2_2_non_expansion)
{
	static const uint8_t payload[100];
	static const struct {
		size_t makes;
		bool rfc, freebsd; /* is it sent compressed? */
	} rows[] = {
		{ 0, true, true },
		{ 90, true, true },
		{ 94, true, true },
		{ 95, true, true },
		{ 96, false, true },
		{ 97, false, true },
		{ 98, false, true },
		{ 99, false, true },
		{ 100, false, false },
		{ 101, false, false },
		{ 105, false, false },
	};

	for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
		struct stub stub = { rows[i / 2].makes, IPM_OK };
		struct ipm_compressor c = { "stub", &stub, stub_run, stub_run };
		struct ipm_ipcomp_rules rules = { 0, i % 2 == 0 };
		bool sent = i % 2 == 0 ? rows[i / 2].rfc : rows[i / 2].freebsd;
		enum ipm_ipcomp_made made;
		uint8_t out[200];
		size_t len = 1;

		cr_assert_eq(ipm_ipcomp_seal(&c, &rules, 2, 6, 120,
				 ipm_span(payload, 100), ipm_span(NULL, 0), out,
				 sizeof out, &len, &made),
		    IPM_OK);
		cr_expect_eq(made, sent ? IPM_IPCOMP_SENT : IPM_IPCOMP_NO_GAIN,
		    "%zu octets, header %d", stub.makes, rules.count_header);
		cr_expect_eq(len, sent ? 4 + stub.makes : 0);
		if (sent)
			cr_expect_arr_eq(out, "\x06\0\0\x02", 4);
	}
}

/* The receiver's side of the same edge: Linux refuses what did not shrink. */
Test(ipcomp, linux_refuses_what_did_not_shrink)
{
	static const struct {
		size_t result; /* octets, of a stream of 10 */
		bool taken;
	} rows[] = { { 13, false }, { 14, false }, { 15, true }, { 9, false } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct stub stub = { rows[i].result, IPM_OK };
		struct ipm_compressor c = { "stub", &stub, stub_run, stub_run };
		static const uint8_t packet[14] = { 17, 0, 0, 2 };
		struct ipm_ipcomp_opened o;
		struct ipm_profile pf;
		uint8_t out[100];

		ipm_profile_init(&pf, IPM_PF_LINUX);
		cr_expect_eq(
		    ipm_ipcomp_open(&c, &pf, ipm_span(packet, sizeof packet),
			100, out, 100, NULL, &o),
		    rows[i].taken ? IPM_R_OK : IPM_R_COMP_EXPANDED, "row %zu",
		    i);
	}
}

/* Room: never an octet beyond cap, and too little is said, not hidden. */
Test(ipcomp, sealing_stays_in_its_buffer)
{
	static const uint8_t payload[100];

	for (size_t cap = 0; cap <= 110; cap++)
		for (size_t makes = 90; makes <= 102; makes += 3) {
			struct stub stub = { makes, IPM_OK };
			struct ipm_compressor c = { "stub", &stub, stub_run,
				stub_run };
			struct ipm_ipcomp_rules rules = { 0, true };
			enum ipm_ipcomp_made made = IPM_IPCOMP_SMALL;
			enum ipm_err err;
			uint8_t out[120];
			size_t len;

			memset(out, 0xa5, sizeof out);
			err = ipm_ipcomp_seal(&c, &rules, 2, 6, 120,
			    ipm_span(payload, 100), ipm_span(NULL, 0), out, cap,
			    &len, &made);
			for (size_t k = cap; k < sizeof out; k++)
				cr_assert_eq(out[k], 0xa5, "cap %zu", cap);
			if (makes + 4 < 100 && makes + 4 <= cap)
				cr_expect(err == IPM_OK &&
					made == IPM_IPCOMP_SENT &&
					len == makes + 4,
				    "cap %zu, %zu", cap, makes);
			else if (cap >= 99)
				cr_expect(err == IPM_OK &&
					made == IPM_IPCOMP_NO_GAIN && len == 0,
				    "cap %zu, %zu", cap, makes);
			else
				cr_expect(err == IPM_ERR_NOBUF && len == 0,
				    "cap %zu, %zu", cap, makes);
		}
}

/* A payload too small to gain needs no room to be left alone. */
Test(ipcomp, the_smallest_payloads_are_sent_as_they_are)
{
	static const uint8_t payload[4];

	for (size_t n = 0; n <= 4; n++) {
		struct ipm_ipcomp_rules rules = { 0, true };
		enum ipm_ipcomp_made made = IPM_IPCOMP_SENT;
		size_t len = 1;

		cr_expect_eq(ipm_ipcomp_seal(&zlib, &rules, 2, 6, 24,
				 ipm_span(payload, n), ipm_span(NULL, 0), NULL,
				 0, &len, &made),
		    IPM_OK);
		cr_expect_eq(made, IPM_IPCOMP_NO_GAIN);
		cr_expect_eq(len, 0);
	}
}

/*
 * [IPCOMP-2.2-03] [IPCOMP-RFC2394-05] FreeBSD leaves packets of 90 octets
 * alone; RFC 2394 3 those smaller than 90; 0 compresses all.
 */
Test(ipcomp, rfc2394_3_threshold)
{
	static const struct {
		size_t threshold, packet_len;
		bool tried;
	} rows[] = {
		{ 90, 89, false },
		{ 90, 90, false },
		{ 90, 91, true },
		{ 89, 89, false },
		{ 89, 90, true },
		{ 0, 1, true },
	};
	static const uint8_t payload[70];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_ipcomp_rules rules = { rows[i].threshold, true };
		enum ipm_ipcomp_made made;
		uint8_t out[100];
		size_t len = 1;

		cr_assert_eq(
		    ipm_ipcomp_seal(&zlib, &rules, 2, 6, rows[i].packet_len,
			ipm_span(payload, 70), ipm_span(NULL, 0), out,
			sizeof out, &len, &made),
		    IPM_OK);
		cr_expect_eq(made,
		    rows[i].tried ? IPM_IPCOMP_SENT : IPM_IPCOMP_SMALL,
		    "row %zu", i);
		cr_expect_eq(len != 0, rows[i].tried, "row %zu", i);
	}
}

/* What the compressor answers, both ways. */
Test(ipcomp, answers_of_the_compressor)
{
	static const struct {
		enum ipm_err answer;
		enum ipm_reason reason;
	} rows[] = {
		{ IPM_ERR_DATA, IPM_R_INFLATE_FAILED },
		{ IPM_ERR_TOOBIG, IPM_R_INFLATE_TOO_BIG },
		{ IPM_ERR_NOMEM, IPM_R_NO_MEMORY },
		{ IPM_ERR_PROVIDER, IPM_R_INFLATE_FAILED },
	};
	static const uint8_t packet[100] = { 17, 0, 0, 2 };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct stub stub = { 0, rows[i].answer };
		struct ipm_compressor c = { "stub", &stub, stub_run, stub_run };
		struct ipm_profile pf = observer(NULL, NULL);
		struct ipm_ipcomp_rules rules = { 0, true };
		enum ipm_ipcomp_made made = IPM_IPCOMP_SENT;
		struct ipm_ipcomp_opened o;
		uint8_t out[100];
		size_t len = 1;

		cr_expect_eq(ipm_ipcomp_open(&c, &pf, ipm_span(packet, 100),
				 100, out, 100, NULL, &o),
		    rows[i].reason);
		cr_expect_eq(o.payload.len, 0);
		cr_expect_eq(ipm_ipcomp_seal(&c, &rules, 2, 6, 120,
				 ipm_span(packet, 100), ipm_span(NULL, 0), out,
				 100, &len, &made),
		    rows[i].answer);
		cr_expect_eq(len, 0);
	}
}

/* A stream that is given is taken as it is, but not beyond the buffer. */
Test(ipcomp, a_given_stream_stands)
{
	static const uint8_t payload[8], stream[20] = { 1, 2, 3 };
	struct ipm_ipcomp_rules rules = { 0, true };
	enum ipm_ipcomp_made made;
	uint8_t out[24];
	size_t len;

	cr_expect_eq(
	    ipm_ipcomp_seal(&zlib, &rules, 0x1234, 50, 28, ipm_span(payload, 8),
		ipm_span(stream, 20), out, 24, &len, &made),
	    IPM_OK);
	cr_expect_eq(made, IPM_IPCOMP_SENT);
	cr_expect_eq(len, 24);
	cr_expect_arr_eq(out, "\x32\0\x12\x34\1\2\3", 7);
	cr_expect_eq(
	    ipm_ipcomp_seal(&zlib, &rules, 0x1234, 50, 28, ipm_span(payload, 8),
		ipm_span(stream, 20), out, 23, &len, &made),
	    IPM_ERR_NOBUF);
	cr_expect_eq(len, 0);
}

/* --- round trips ---------------------------------------------------------- */

/* Octets of some regularity: kind 0 zeros, 1 text, 2 noise. */
static void
fill(uint8_t *p, size_t len, int kind)
{
	static const char word[] = "The quick brown fox. ";
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525U + 1013904223U;
		p[i] = kind == 0 ? 0
		    : kind == 1  ? (uint8_t)word[i % (sizeof word - 1)]
				 : (uint8_t)(x >> 24);
	}
}

/*
 * [IPCOMP-2-01] [IPCOMP-2-02] [IPCOMP-RFC2394-01] [IPCOMP-RFC2394-04] Payloads
 * of every length, opened in the reverse order of sealing.
 */
Test(ipcomp, rfc3173_2_round_trip_in_any_order)
{
	enum {
		N = 400,
		ROOM = 512
	};
	static uint8_t sealed[N][ROOM];
	static size_t lens[N];
	struct ipm_ipcomp_rules rules = { 0, true };
	struct ipm_profile pf = observer(NULL, NULL);
	uint8_t payload[N], out[N];
	size_t sent = 0;

	for (int kind = 0; kind < 3; kind++) {
		for (size_t n = 0; n < N; n++) {
			enum ipm_ipcomp_made made;

			fill(payload, n, kind);
			cr_assert_eq(
			    ipm_ipcomp_seal(&zlib, &rules, 2, 17, n + 20,
				ipm_span(payload, n), ipm_span(NULL, 0),
				sealed[n], ROOM, &lens[n], &made),
			    IPM_OK);
			cr_expect_eq(made == IPM_IPCOMP_SENT, lens[n] != 0);
			/* Noise does not shrink, zeros soon do. */
			cr_expect(kind != 2 || made == IPM_IPCOMP_NO_GAIN);
			cr_expect(
			    kind != 0 || n < 16 || made == IPM_IPCOMP_SENT);
			sent += made == IPM_IPCOMP_SENT;
		}
		for (size_t n = N; n-- > 0;) {
			struct ipm_ipcomp_opened o;

			if (lens[n] == 0)
				continue;
			cr_expect_lt(lens[n], n);
			cr_assert_eq(ipm_ipcomp_open(&zlib, &pf,
					 ipm_span(sealed[n], lens[n]), N, out,
					 N, NULL, &o),
			    IPM_R_OK);
			fill(payload, n, kind);
			cr_expect_eq(o.payload.len, n);
			cr_expect_arr_eq(out, payload, n);
		}
	}
	cr_expect_gt(sent, 600);
}
