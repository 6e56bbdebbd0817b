/*
 * ipsec-vectors: primitives and single packets.  One row per operation; each
 * answers in a struct outcome.  Primitives are asked of the provider, packets
 * go through the observer with the SA the case describes, and are sealed
 * again with the choices read off.
 */
#include "hx_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hx_hex.h"
#include "hx_reseal.h"
#include "provider/ipm_libcrypto.h"
#include "transform/ipm_tcpmd5.h"
#include "wire/ipm_upper.h"

struct outcome {
	enum hx_result result;
	char why[320];
};

struct vec {
	struct hx_check *c;
	const json_t *j; /* the case */
	bool valid;
	struct outcome *o;
};

static void say(struct outcome *o, enum hx_result r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(struct outcome *o, enum hx_result r, const char *fmt, ...)
{
	va_list ap;

	o->result = r;
	va_start(ap, fmt);
	(void)vsnprintf(o->why, sizeof o->why, fmt, ap);
	va_end(ap);
}

/*
 * Reads members of obj as octets, in the order of the names; a missing one is
 * empty.  False, with the outcome an error, when one is not hexadecimal.
 */
static bool
octets(struct vec *v, const json_t *obj, const char *name, struct hx_octets *o)
{
	const json_t *m = json_object_get(obj, name);

	o->p = NULL;
	o->len = 0;
	if (m == NULL)
		return true;
	if (!json_is_string(m) || !hx_hex_read(json_string_value(m), o)) {
		say(v->o, HX_ERROR, "%s is not a string of hexadecimal octets",
		    name);
		return false;
	}
	return true;
}

static bool
required(
    struct vec *v, const json_t *obj, const char *name, struct hx_octets *o)
{
	if (json_object_get(obj, name) == NULL) {
		o->p = NULL;
		o->len = 0;
		say(v->o, HX_ERROR, "%s is missing", name);
		return false;
	}
	return octets(v, obj, name, o);
}

/*
 * Lengths that do not fit together: how an invalid case is refused, and an
 * error of the file where the case is said to hold.
 */
static void
misfit(struct vec *v, const char *what)
{
	say(v->o, v->valid ? HX_ERROR : HX_PASS, "%s", what);
}

/* The first len octets of both agree; of nothing they do. */
static bool
same(const uint8_t *a, const uint8_t *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

/* A length in bits, or 0 where there is none. */
static bool
bits(struct vec *v, const json_t *obj, const char *name, unsigned *n)
{
	const json_t *m = json_object_get(obj, name);

	*n = 0;
	if (m == NULL)
		return true;
	if (!json_is_integer(m) || json_integer_value(m) < 0 ||
	    json_integer_value(m) > 512 || json_integer_value(m) % 8 != 0) {
		say(v->o, HX_ERROR, "%s is not a length in whole octets", name);
		return false;
	}
	*n = (unsigned)json_integer_value(m);
	return true;
}

/* The row for a primitive; the ICV length may be one no SA uses. */
static const struct ipm_alg *
find_alg(const char *family, unsigned icv_bits, enum ipm_alg_kind kind)
{
	const struct ipm_alg *a = ipm_alg_by_family(family, icv_bits, kind);

	return a != NULL ? a : ipm_alg_by_family(family, 0, kind);
}

/* valid must hold, invalid must not. */
static void
decide(struct vec *v, bool held, const char *what)
{
	if (held == v->valid)
		say(v->o, HX_PASS, "%s", v->valid ? "holds" : "refused");
	else
		say(v->o, HX_FAIL, "%s %s", what,
		    v->valid ? "differs" : "holds, but the case is invalid");
}

static struct ipm_session *
session(struct vec *v, const struct ipm_alg *enc, const struct ipm_alg *auth,
    const struct hx_octets *key)
{
	const struct ipm_provider *p = &v->c->engine.crypto;
	struct ipm_session_desc d = { .enc = enc, .auth = auth };
	struct ipm_session *s = NULL;
	enum ipm_err err;

	if (enc != NULL)
		d.enc_key = hx_span(key);
	else
		d.auth_key = hx_span(key);
	err = p->open(p, &d, &s);
	if (err == IPM_ERR_UNSUPPORTED)
		say(v->o, HX_UNSUPPORTED, "no provider offers %s",
		    enc != NULL ? enc->family : auth->family);
	else if (err != IPM_OK)
		say(v->o, v->valid ? HX_FAIL : HX_PASS,
		    "the key of %zu octets is refused", key->len);
	return s;
}

static const struct ipm_alg *
alg_of(struct vec *v, enum ipm_alg_kind kind, unsigned icv_bits)
{
	const char *name = hx_json_str(v->j, "algorithm");
	const struct ipm_alg *a =
	    name == NULL ? NULL : find_alg(name, icv_bits, kind);

	if (a == NULL)
		say(v->o, name == NULL ? HX_ERROR : HX_UNSUPPORTED,
		    name == NULL ? "algorithm is missing"
				 : "unknown algorithm %s",
		    name == NULL ? "" : name);
	return a;
}

static void
run_mac_kind(struct vec *v, enum ipm_alg_kind kind)
{
	const struct ipm_provider *p = &v->c->engine.crypto;
	struct hx_octets key = { 0 }, msg = { 0 }, icv = { 0 };
	const struct ipm_alg *a;
	struct ipm_session *s;
	struct ipm_span part;
	uint8_t out[64];
	unsigned n;

	if (!bits(v, v->j, "icv_bits", &n) ||
	    (a = alg_of(v, kind, 0)) == NULL ||
	    !required(v, v->j, "key", &key) ||
	    !required(v, v->j, "message", &msg) ||
	    !required(v, v->j, "icv", &icv))
		goto out;
	if (n == 0)
		n = (unsigned)icv.len * 8;
	if (icv.len == 0 || n / 8 != icv.len || icv.len > a->mac_len) {
		say(v->o, v->valid ? HX_ERROR : HX_PASS,
		    "icv has %zu octets, icv_bits says %u, the algorithm "
		    "gives %u",
		    icv.len, n / 8, a->mac_len);
		goto out;
	}
	s = session(v, NULL, a, &key);
	if (s == NULL)
		goto out;
	part = hx_span(&msg);
	if (p->mac(s, NULL, 0, &part, 1, out) != IPM_OK)
		say(v->o, HX_FAIL, "the provider failed");
	else
		decide(v, ipm_ct_equal(out, icv.p, icv.len), "icv");
	p->close(p, s);
out:
	hx_octets_free(&key);
	hx_octets_free(&msg);
	hx_octets_free(&icv);
}

static void
run_mac(struct vec *v)
{
	run_mac_kind(v, IPM_ALG_AUTH);
}

static void
run_prf(struct vec *v)
{
	run_mac_kind(v, IPM_ALG_PRF);
}

static void
run_block(struct vec *v)
{
	struct hx_octets key = { 0 }, pt = { 0 }, ct = { 0 };
	const char *name = hx_json_str(v->j, "algorithm");
	uint8_t out[16];
	enum ipm_err err;

	if (name == NULL) {
		say(v->o, HX_ERROR, "algorithm is missing");
		return;
	}
	if (!required(v, v->j, "key", &key) ||
	    !required(v, v->j, "plaintext", &pt) ||
	    !required(v, v->j, "ciphertext", &ct))
		goto out;
	if (pt.len != ct.len || pt.len > sizeof out || pt.len == 0) {
		misfit(v, "plaintext and ciphertext are not one block");
		goto out;
	}
	err = ipm_libcrypto_block(
	    &v->c->engine.crypto, name, hx_span(&key), pt.p, out, pt.len);
	if (err == IPM_ERR_UNSUPPORTED)
		say(v->o, HX_UNSUPPORTED, "no provider offers %s", name);
	else if (err != IPM_OK)
		say(v->o, v->valid ? HX_FAIL : HX_PASS,
		    "the provider refused key or block");
	else
		decide(v, same(out, ct.p, ct.len), "ciphertext");
out:
	hx_octets_free(&key);
	hx_octets_free(&pt);
	hx_octets_free(&ct);
}

static void
run_cipher(struct vec *v)
{
	const struct ipm_provider *p = &v->c->engine.crypto;
	struct hx_octets key = { 0 }, salt = { 0 }, iv = { 0 }, pt = { 0 },
			 ct = { 0 };
	const struct ipm_alg *a;
	struct ipm_session *s = NULL;
	uint8_t nonce[16], *out = NULL;
	size_t n;

	if ((a = alg_of(v, IPM_ALG_CIPHER, 0)) == NULL ||
	    !required(v, v->j, "key", &key) ||
	    !octets(v, v->j, "salt", &salt) || !octets(v, v->j, "iv", &iv) ||
	    !required(v, v->j, "plaintext", &pt) ||
	    !required(v, v->j, "ciphertext", &ct))
		goto out;
	if (salt.len != a->salt_len || iv.len != a->iv_len ||
	    pt.len != ct.len) {
		misfit(v, "salt, iv or ciphertext has a wrong length");
		goto out;
	}
	s = session(v, a, NULL, &key);
	out = malloc(pt.len + 1);
	if (s == NULL || out == NULL)
		goto out;
	n = ipm_alg_nonce(a, salt.p, iv.p, nonce);
	if (p->cipher(s, true, nonce, n, hx_span(&pt), out) != IPM_OK ||
	    !same(out, ct.p, ct.len))
		decide(v, false, "ciphertext");
	else if (p->cipher(s, false, nonce, n, hx_span(&ct), out) != IPM_OK ||
	    !same(out, pt.p, pt.len))
		decide(v, false, "plaintext");
	else
		decide(v, true, "ciphertext");
out:
	p->close(p, s);
	free(out);
	hx_octets_free(&key);
	hx_octets_free(&salt);
	hx_octets_free(&iv);
	hx_octets_free(&pt);
	hx_octets_free(&ct);
}

static void
run_aead(struct vec *v)
{
	const struct ipm_provider *p = &v->c->engine.crypto;
	struct hx_octets key = { 0 }, salt = { 0 }, iv = { 0 }, nonce = { 0 },
			 aad = { 0 }, pt = { 0 }, ct = { 0 }, icv = { 0 };
	const struct ipm_alg *a;
	struct ipm_session *s = NULL;
	uint8_t tag[16], made[16], n16[16], *out = NULL;
	enum ipm_err err;
	unsigned n;

	if (!bits(v, v->j, "icv_bits", &n) ||
	    (a = alg_of(v, IPM_ALG_AEAD, n)) == NULL ||
	    !required(v, v->j, "key", &key) ||
	    !octets(v, v->j, "salt", &salt) || !octets(v, v->j, "iv", &iv) ||
	    !octets(v, v->j, "nonce", &nonce) ||
	    !octets(v, v->j, "aad", &aad) ||
	    !octets(v, v->j, "plaintext", &pt) ||
	    !octets(v, v->j, "ciphertext", &ct) ||
	    !required(v, v->j, "icv", &icv))
		goto out;
	if (nonce.len == 0 && salt.len + iv.len <= 16) {
		if (salt.len != 0)
			memcpy(n16, salt.p, salt.len);
		if (iv.len != 0)
			memcpy(n16 + salt.len, iv.p, iv.len);
		nonce.p = malloc(17);
		if (nonce.p == NULL)
			goto out;
		nonce.len = salt.len + iv.len;
		memcpy(nonce.p, n16, nonce.len);
	}
	if (icv.len == 0 || icv.len > 16 || nonce.len == 0 || nonce.len > 16 ||
	    pt.len > ct.len || (n != 0 && n / 8 != icv.len)) {
		misfit(v, "nonce, icv or ciphertext has a wrong length");
		goto out;
	}
	s = session(v, a, NULL, &key);
	out = malloc(ct.len + 1);
	if (s == NULL || out == NULL)
		goto out;
	memcpy(tag, icv.p, icv.len);
	err = p->aead(s, false, nonce.p, nonce.len, hx_span(&aad), hx_span(&ct),
	    out, tag, icv.len, NULL);
	if (err != IPM_OK && err != IPM_ERR_AUTH) {
		say(v->o, v->valid ? HX_FAIL : HX_PASS,
		    "the provider refused "
		    "the parameters");
		goto out;
	}
	if (err == IPM_ERR_AUTH || !v->valid) {
		decide(v, err == IPM_OK, "icv");
		goto out;
	}
	if (pt.len != ct.len || !same(out, pt.p, pt.len)) {
		decide(v, false, "plaintext");
		goto out;
	}
	err = p->aead(s, true, nonce.p, nonce.len, hx_span(&aad), hx_span(&pt),
	    out, made, icv.len, NULL);
	decide(v,
	    err == IPM_OK && same(out, ct.p, ct.len) &&
		memcmp(made, icv.p, icv.len) == 0,
	    "ciphertext");
out:
	p->close(p, s);
	free(out);
	hx_octets_free(&key);
	hx_octets_free(&salt);
	hx_octets_free(&iv);
	hx_octets_free(&nonce);
	hx_octets_free(&aad);
	hx_octets_free(&pt);
	hx_octets_free(&ct);
	hx_octets_free(&icv);
}

static void
run_deflate(struct vec *v)
{
	const struct ipm_compressor *z = &v->c->engine.comp;
	struct hx_octets comp = { 0 }, pt = { 0 };
	size_t cap = 1U << 20, len = cap;
	uint8_t *out = malloc(cap), *again = malloc(cap);
	enum ipm_err err;

	if (out == NULL || again == NULL ||
	    !required(v, v->j, "compressed", &comp) ||
	    !octets(v, v->j, "plaintext", &pt))
		goto out;
	err = z->decompress(z, hx_span(&comp), out, &len);
	if (err != IPM_OK || !v->valid) {
		decide(v, err == IPM_OK, "the stream");
		goto out;
	}
	if (len != pt.len || !same(out, pt.p, len)) {
		decide(v, false, "plaintext");
		goto out;
	}
	/* Our own stream need not be theirs, but must mean the same. */
	size_t mid = cap, back = cap;
	uint8_t *third = malloc(cap);
	bool same = third != NULL &&
	    z->compress(z, hx_span(&pt), again, &mid) == IPM_OK &&
	    z->decompress(z, ipm_span(again, mid), third, &back) == IPM_OK &&
	    back == pt.len && (back == 0 || memcmp(third, pt.p, back) == 0);
	free(third);
	decide(v, same, "our own stream, inflated,");
out:
	free(out);
	free(again);
	hx_octets_free(&comp);
	hx_octets_free(&pt);
}

/* --- packets ----------------------------------------------------------- */

/* Which reasons fit the comment of a case that must be refused. */
static const struct {
	const char *comment; /* its beginning */
	const char *reasons; /* space-separated */
} fits[] = {
	{ "icv", "icv-bad" },
	{ "wrong seq hi", "icv-bad" },
	{ "seq bit", "icv-bad" },
	{ "spi", "icv-bad no-sa" },
	{ "iv bit", "icv-bad" },
	{ "ciphertext bit", "icv-bad" },
	{ "payload last octet", "icv-bad" },
	{ "reserved bit", "icv-bad" },
	{ "next header", "icv-bad" },
	{ "destination", "icv-bad no-sa" },
	{ "source address", "icv-bad" },
	{ "cut", "icv-bad bad-length truncated" },
	{ "extra octet", "icv-bad bad-length" },
	{ "header only", "bad-length" },
	{ "no room for trailer", "bad-length icv-bad pad-length-bad" },
	{ "pad first", "pad-bad" },
	{ "pad last", "pad-bad" },
	{ "pad zero", "pad-bad" },
	{ "pad length too long", "pad-length-bad" },
	{ "deflate stream ends early", "inflate-failed" },
};

/*
 * What else a comment may stand for: the layer under test refuses.  Not that
 * the packet never got there (no SA, a broken outer header).
 */
static const char of_the_layer[] =
    "icv-bad bad-length truncated pad-bad pad-length-bad empty-payload "
    "next-header-bad inner-bad inflate-failed inflate-too-big comp-expanded "
    "comp-nested";

static bool
word_in(const char *words, const char *w)
{
	size_t n = strlen(w);

	for (const char *p = words; (p = strstr(p, w)) != NULL; p += n)
		if ((p == words || p[-1] == ' ') &&
		    (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

static bool
reason_fits(const char *comment, const char *reason)
{
	for (size_t i = 0; comment != NULL && i < sizeof fits / sizeof fits[0];
	     i++)
		if (strncmp(
			comment, fits[i].comment, strlen(fits[i].comment)) == 0)
			return word_in(fits[i].reasons, reason);
	return word_in(of_the_layer, reason);
}

/* What a packet case states about its result. */
struct expected {
	struct hx_octets payload, original, plaintext;
	const json_t *pad_length, *next_header;
};

/* Read off while the packet is opened. */
struct seen {
	struct hx_reseal reseal;
	const struct expected *e;
	char why[160];
};

/* The members that describe the innards of one layer. */
static void
compare_layer(void *ctx, const struct ipm_opened_layer *l)
{
	struct seen *s = ctx;
	const struct expected *e = s->e;
	struct ipm_span payload = { 0 };
	unsigned nh = l->layer->nh;

	if (l->esp != NULL)
		payload = l->esp->payload;
	else if (l->ah != NULL)
		payload = l->ah->payload;
	else if (l->ipcomp != NULL)
		payload = l->ipcomp->payload;
	if (e->payload.p != NULL &&
	    (payload.len != e->payload.len ||
		memcmp(payload.p, e->payload.p, payload.len) != 0))
		(void)snprintf(s->why, sizeof s->why, "payload differs");
	else if (e->next_header != NULL &&
	    json_integer_value(e->next_header) != (json_int_t)nh)
		(void)snprintf(s->why, sizeof s->why, "next header is %u", nh);
	else if (l->esp != NULL && e->pad_length != NULL &&
	    json_integer_value(e->pad_length) !=
		(json_int_t)l->esp->choices.pad_len)
		(void)snprintf(s->why, sizeof s->why, "pad length is %u",
		    l->esp->choices.pad_len);
	else if (l->esp != NULL && e->plaintext.p != NULL) {
		/* payload, padding, pad length, next header */
		size_t n = payload.len, pad = l->esp->choices.pad_len;
		const uint8_t *p = e->plaintext.p;

		if (e->plaintext.len != n + pad + 2 ||
		    memcmp(p, payload.p, n) != 0 ||
		    memcmp(p + n, l->esp->choices.pad, pad) != 0 ||
		    p[n + pad] != pad || p[n + pad + 1] != nh)
			(void)snprintf(
			    s->why, sizeof s->why, "plaintext differs");
	}
}

static void
on_opened(void *ctx, const struct ipm_opened_layer *l)
{
	struct seen *s = ctx;

	hx_reseal_layer(&s->reseal, l);
	compare_layer(s, l);
}

/* "0x%08x" or a number. */
static bool
read_u32(const json_t *j, uint32_t *out)
{
	const char *s = json_string_value(j);
	char *end;
	unsigned long long n;

	if (json_is_integer(j)) {
		if (json_integer_value(j) < 0 ||
		    json_integer_value(j) > UINT32_MAX)
			return false;
		*out = (uint32_t)json_integer_value(j);
		return true;
	}
	if (s == NULL || *s == '\0')
		return false;
	errno = 0;
	n = strtoull(s, &end, 0);
	if (errno != 0 || *end != '\0' || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* Absent: *out stays. */
static bool
optional_u32(struct vec *v, const json_t *obj, const char *name, uint32_t *out)
{
	const json_t *m = json_object_get(obj, name);

	if (m == NULL || read_u32(m, out))
		return true;
	say(v->o, HX_ERROR, "%s is not a number of 32 bits", name);
	return false;
}

static bool
join(struct hx_octets *a, const struct hx_octets *b)
{
	uint8_t *p = realloc(a->p, a->len + b->len + 1);

	if (p == NULL)
		return false;
	a->p = p;
	if (b->len != 0)
		memcpy(p + a->len, b->p, b->len);
	a->len += b->len;
	return true;
}

/* encryption or authentication: row, and key with the salt behind it. */
static bool
read_alg(struct vec *v, const char *member, bool esp, struct hx_octets *key,
    const struct ipm_alg **alg)
{
	const json_t *j = json_object_get(v->j, member);
	const char *name = hx_json_str(j, "algorithm");
	struct hx_octets salt = { 0 };
	enum ipm_alg_kind kind = IPM_ALG_AUTH;
	unsigned n;
	bool ok;

	*alg = NULL;
	if (j == NULL)
		return true;
	if (name == NULL) {
		say(v->o, HX_ERROR, "%s.algorithm is missing", member);
		return false;
	}
	if (strcmp(name, "none") == 0)
		return true;
	if (!bits(v, j, "icv_bits", &n))
		return false;
	if (esp)
		kind = n != 0 ? IPM_ALG_AEAD : IPM_ALG_CIPHER;
	*alg = ipm_alg_by_family(name, n, kind);
	if (*alg == NULL && esp && n == 0)
		*alg = ipm_alg_by_family(name, 0, IPM_ALG_AEAD);
	if (*alg == NULL) {
		say(v->o, HX_UNSUPPORTED,
		    "no algorithm %s with %u bits of "
		    "ICV",
		    name, n);
		return false;
	}
	ok = octets(v, j, "key", key) && octets(v, j, "salt", &salt) &&
	    join(key, &salt);
	hx_octets_free(&salt);
	return ok;
}

/* An IPv4 header in front of ESP octets that came without one. */
static bool
wrap_raw(struct hx_octets *packet, const struct hx_octets *esp)
{
	struct ipm_ip4_fields f = { .ttl = 64,
		.proto = IPM_PROTO_ESP,
		.total = (uint16_t)(20 + esp->len),
		.src = { 192, 0, 2, 1 },
		.dst = { 192, 0, 2, 2 } };

	packet->p = malloc(20 + esp->len);
	if (packet->p == NULL || esp->len > 65515)
		return false;
	packet->len = 20 + esp->len;
	ipm_ip4_build(packet->p, &f);
	if (esp->len != 0)
		memcpy(packet->p + 20, esp->p, esp->len);
	return true;
}

/*
 * Addresses and ports of the SA come from the packet.  A packet that is too
 * broken for that still has an SA: the observer refuses it first.
 */
static void
addresses(struct ipm_sa_config *c, struct ipm_span packet, bool encap)
{
	struct ipm_ip ip;
	struct ipm_udp udp;
	enum ipm_reason r = ipm_ip_parse(packet, false, &ip);

	c->src = ip.src;
	c->dst = ip.dst;
	if (ip.version == 0)
		c->src.family = c->dst.family = 4;
	if (!encap)
		return;
	c->flags |= IPM_SAF_NATT;
	c->sport = c->dport = 4500;
	if (r == IPM_R_OK && ip.proto == IPM_PROTO_UDP &&
	    ipm_udp_parse(&ip, &udp) == IPM_R_OK) {
		c->sport = udp.sport;
		c->dport = udp.dport;
	}
}

/*
 * A case that must be refused: with the padding inspected where only that is
 * wrong.
 */
static void
decide_refusal(struct vec *v, const struct ipm_observation *o)
{
	const struct ipm_reason_row *row = &ipm_reasons[o->reason];
	const char *comment = hx_json_str(v->j, "comment");

	if (row->verdict != IPM_V_DROP)
		say(v->o, HX_FAIL, "%s: %s, but the case is invalid",
		    ipm_verdict_name(row->verdict), row->name);
	else if (!reason_fits(comment, row->name))
		say(v->o, HX_FAIL, "refused as %s, which does not fit \"%s\"",
		    row->name, comment == NULL ? "" : comment);
	else
		say(v->o, HX_PASS, "refused: %s", row->name);
}

static void
decide_acceptance(
    struct vec *v, const struct ipm_observation *o, const struct seen *s)
{
	const struct ipm_reason_row *row = &ipm_reasons[o->reason];
	const struct hx_octets *orig = &s->e->original;
	bool opened = row->verdict == IPM_V_ACCEPT && o->n_layers != 0;

	/* A dummy or an inner packet a figure made up is opened all the same. */
	if (!opened && s->reseal.layers == 0)
		say(v->o, HX_FAIL, "refused: %s", row->name);
	else if (s->why[0] != '\0')
		say(v->o, HX_FAIL, "%s", s->why);
	else if (s->reseal.why[0] != '\0')
		say(v->o, HX_FAIL, "%s", s->reseal.why);
	else if (orig->p != NULL && !opened)
		say(v->o, HX_FAIL, "refused: %s", row->name);
	else if (orig->p != NULL &&
	    (orig->len != o->inner.len ||
		memcmp(orig->p, o->inner.p, orig->len) != 0))
		say(v->o, HX_FAIL, "original differs");
	else
		say(v->o, HX_PASS, "opened, and sealed again to the octet");
}

/* Gives the packet to an observer that knows the one SA of the case. */
static void
judge_packet(struct vec *v, const struct ipm_sa_config *cfg,
    struct ipm_span packet, const struct expected *e)
{
	struct hx_engine *eng = &v->c->engine;
	struct ipm_observation *o = malloc(sizeof *o);
	struct seen *s = calloc(1, sizeof *s);
	char why[160];
	enum ipm_err err;

	if (o == NULL || s == NULL)
		goto out;
	hx_engine_reset(eng);
	ipm_profile_init(&eng->profile, IPM_PF_OBSERVER);
	if (json_is_true(json_object_get(v->j, "fails_after_authentication")))
		eng->profile.value[IPM_SW_STRICT] = IPM_ON;
	err = hx_engine_add_sa(eng, cfg);
	if (err != IPM_OK) {
		say(v->o, v->valid ? HX_FAIL : HX_PASS, "the SA is refused: %s",
		    ipm_sad_refusal(cfg, why, sizeof why) != NULL ? why : "?");
		goto out;
	}
	s->e = e;
	hx_reseal_init(&s->reseal, eng, true);
	eng->opts.opened = v->valid ? on_opened : NULL;
	eng->opts.opened_ctx = s;
	hx_engine_observe(eng, 1, 0, packet, 1, o);
	eng->opts.opened = NULL;
	if (o->reason == IPM_R_NO_PROVIDER)
		say(v->o, HX_UNSUPPORTED,
		    "no provider offers an algorithm "
		    "of the SA");
	else if (v->valid)
		decide_acceptance(v, o, s);
	else
		decide_refusal(v, o);
out:
	free(o);
	free(s);
}

static bool
read_expected(struct vec *v, struct expected *e)
{
	e->pad_length = json_object_get(v->j, "pad_length");
	e->next_header = json_object_get(v->j, "next_header");
	return octets(v, v->j, "payload", &e->payload) &&
	    octets(v, v->j, "original", &e->original) &&
	    octets(v, v->j, "plaintext", &e->plaintext);
}

static void
free_expected(struct expected *e)
{
	hx_octets_free(&e->payload);
	hx_octets_free(&e->original);
	hx_octets_free(&e->plaintext);
}

/* The members of sa; the window is off, ESN learns its high half from it. */
static bool
read_sa(struct vec *v, struct ipm_sa_config *c)
{
	const json_t *sa = json_object_get(v->j, "sa");
	const char *mode = hx_json_str(sa, "mode");
	uint32_t lo = 0, hi = 0;

	if (!read_u32(json_object_get(sa, "spi"), &c->spi) || mode == NULL) {
		say(v->o, HX_ERROR, "sa.spi or sa.mode is missing or no SPI");
		return false;
	}
	/* `raw` came without an outer header; wrap_raw gives it one. */
	if (strcmp(mode, "tunnel") != 0 && strcmp(mode, "transport") != 0 &&
	    strcmp(mode, "raw") != 0) {
		say(v->o, HX_ERROR, "sa.mode %.32s is not known", mode);
		return false;
	}
	c->mode =
	    strcmp(mode, "tunnel") == 0 ? IPM_MODE_TUNNEL : IPM_MODE_TRANSPORT;
	if (!optional_u32(v, sa, "seq_lo", &lo) ||
	    !optional_u32(v, sa, "seq_hi", &hi))
		return false;
	if (json_is_true(json_object_get(sa, "esn"))) {
		c->flags |= IPM_SAF_ESN;
		c->last_seq = (uint64_t)hi << 32 | lo;
	}
	return true;
}

static void
run_esp(struct vec *v)
{
	struct ipm_sa_config c = { .proto = IPM_PROTO_ESP };
	struct hx_octets packet = { 0 }, esp = { 0 }, ek = { 0 }, ak = { 0 };
	struct expected e = { 0 };

	if (!read_sa(v, &c) || !read_alg(v, "encryption", true, &ek, &c.enc) ||
	    !read_alg(v, "authentication", false, &ak, &c.auth) ||
	    !octets(v, v->j, "packet", &packet) ||
	    !octets(v, v->j, "esp", &esp) || !read_expected(v, &e))
		goto out;
	if (packet.p == NULL && (esp.p == NULL || !wrap_raw(&packet, &esp))) {
		say(v->o, HX_ERROR, "neither packet nor esp");
		goto out;
	}
	if (esp.len > packet.len ||
	    (esp.p != NULL &&
		memcmp(packet.p + packet.len - esp.len, esp.p, esp.len) != 0)) {
		say(v->o, HX_ERROR, "esp is not the end of packet");
		goto out;
	}
	c.enc_key = hx_span(&ek);
	c.auth_key = hx_span(&ak);
	addresses(&c, hx_span(&packet),
	    json_is_true(json_object_get(v->j, "udp_encap")));
	judge_packet(v, &c, hx_span(&packet), &e);
out:
	hx_octets_free(&packet);
	hx_octets_free(&esp);
	hx_octets_free(&ek);
	hx_octets_free(&ak);
	free_expected(&e);
}

static void
run_ah(struct vec *v)
{
	struct ipm_sa_config c = { .proto = IPM_PROTO_AH };
	struct hx_octets packet = { 0 }, ak = { 0 };
	struct expected e = { 0 };

	if (!read_sa(v, &c) ||
	    !read_alg(v, "authentication", false, &ak, &c.auth) ||
	    !required(v, v->j, "packet", &packet) || !read_expected(v, &e))
		goto out;
	c.auth_key = hx_span(&ak);
	addresses(&c, hx_span(&packet), false);
	judge_packet(v, &c, hx_span(&packet), &e);
out:
	hx_octets_free(&packet);
	hx_octets_free(&ak);
	free_expected(&e);
}

static void
run_ipcomp(struct vec *v)
{
	struct ipm_sa_config c = { .proto = IPM_PROTO_IPCOMP };
	struct hx_octets packet = { 0 };
	struct expected e = { 0 };
	uint32_t nh = 0;

	c.comp = alg_of(v, IPM_ALG_COMP, 0);
	if (c.comp == NULL || !required(v, v->j, "packet", &packet) ||
	    !read_expected(v, &e))
		goto out;
	if (!read_u32(json_object_get(v->j, "cpi"), &c.spi) || c.spi > 0xffff ||
	    !read_u32(e.next_header, &nh)) {
		say(v->o, HX_ERROR, "cpi or next_header is missing");
		goto out;
	}
	c.mode = nh == IPM_PROTO_IPV4 || nh == IPM_PROTO_IPV6
	    ? IPM_MODE_TUNNEL
	    : IPM_MODE_TRANSPORT;
	addresses(&c, hx_span(&packet), false);
	judge_packet(v, &c, hx_span(&packet), &e);
out:
	hx_octets_free(&packet);
	free_expected(&e);
}

static void
run_tcp_md5(struct vec *v)
{
	const struct ipm_provider *p = &v->c->engine.crypto;
	struct hx_octets key = { 0 }, packet = { 0 }, icv = { 0 };
	const struct ipm_alg *a = alg_of(v, IPM_ALG_AUTH, 0);
	struct ipm_session *s = NULL;
	uint8_t out[IPM_TCPMD5_LEN];
	struct ipm_ip ip;

	if (a == NULL || !required(v, v->j, "key", &key) ||
	    !required(v, v->j, "packet", &packet) ||
	    !required(v, v->j, "icv", &icv))
		goto out;
	s = session(v, NULL, a, &key);
	if (s == NULL)
		goto out;
	if (ipm_ip_parse(hx_span(&packet), true, &ip) != IPM_R_OK ||
	    ipm_tcpmd5_digest(p, s, &ip, out) != IPM_OK) {
		decide(v, false, "the segment");
		goto out;
	}
	/* icv is the right digest also where the packet carries another. */
	if (icv.len != sizeof out || memcmp(out, icv.p, sizeof out) != 0)
		say(v->o, HX_FAIL, "icv differs");
	else
		decide(v, ipm_tcpmd5_check(p, s, &ip) == IPM_R_OK,
		    "the digest in the packet");
out:
	p->close(p, s);
	hx_octets_free(&key);
	hx_octets_free(&packet);
	hx_octets_free(&icv);
}

static const struct {
	const char *name;
	void (*run)(struct vec *v);
} operations[] = {
	{ "hmac", run_mac },
	{ "mac", run_mac },
	{ "prf", run_prf },
	{ "block", run_block },
	{ "cipher", run_cipher },
	{ "aead", run_aead },
	{ "deflate", run_deflate },
	{ "esp-packet", run_esp },
	{ "ah-packet", run_ah },
	{ "ipcomp-packet", run_ipcomp },
	{ "tcp-md5", run_tcp_md5 },
};

static void
run_case(struct vec *v)
{
	const char *op = hx_json_str(v->j, "operation");
	const char *result = hx_json_str(v->j, "result");

	if (op == NULL || result == NULL) {
		say(v->o, HX_ERROR, "operation or result is missing");
		return;
	}
	v->valid = strcmp(result, "valid") == 0;
	if (!v->valid && strcmp(result, "invalid") != 0) {
		say(v->o, HX_ERROR, "result is neither valid nor invalid");
		return;
	}
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
		if (strcmp(op, operations[i].name) == 0) {
			operations[i].run(v);
			return;
		}
	say(v->o, HX_UNSUPPORTED, "unknown operation %.64s", op);
}

bool
hx_check_vectors(struct hx_check *c, const json_t *root)
{
	const json_t *cases = json_object_get(root, "cases"), *j;
	size_t i;

	if (json_array_size(cases) == 0) {
		(void)fprintf(stderr, "ipsecsim: %s: cases is no list%s\n",
		    c->file,
		    json_is_array(cases) ? " of at least one case" : "");
		return false;
	}
	json_array_foreach(cases, i, j)
	{
		struct outcome o = { HX_ERROR, "out of memory" };
		struct vec v = { .c = c, .j = j, .o = &o };
		const char *id = hx_json_str(j, "id");
		char number[24];

		if (id == NULL) {
			(void)snprintf(number, sizeof number, "#%zu", i + 1);
			id = number;
			say(&o, HX_ERROR, "id is missing");
		} else {
			run_case(&v);
		}
		hx_check_case(c, id, o.result, o.why);
	}
	return true;
}
