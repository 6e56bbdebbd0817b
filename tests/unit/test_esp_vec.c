/* Published and constructed ESP packets, and what is made of them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/transform/ipm_tunnel.h"
#include "support/esp_box.h"
#include "support/vec_file.h"

#define MAX 4096

static const char *const files[] = {
	"vectors/rfc/constructed-esp.json",
	"vectors/rfc/constructed-esp-broken.json",
	"vectors/rfc/draft-mcgrew-gcm-test-01.json",
	"vectors/rfc/rfc3602-aes-cbc.json",
	"vectors/rfc/rfc7634-chacha20-poly1305.json",
	"vectors/public/dpdk-ipsec-packets.json",
};
#define N_FILES (sizeof files / sizeof files[0])

struct octets {
	uint8_t p[MAX];
	size_t len;
	bool there;
};

static struct octets
unhex(const json_t *obj, const char *name)
{
	const char *s = json_string_value(json_object_get(obj, name));
	struct octets o = { .there = s != NULL };
	unsigned v;

	for (; s != NULL && *s != '\0'; s += 2) {
		cr_assert_eq(sscanf(s, "%2x", &v), 1);
		cr_assert_lt(o.len, sizeof o.p);
		o.p[o.len++] = (uint8_t)v;
	}
	return o;
}

struct esp_case {
	const char *id, *comment;
	bool valid, late; /* late: a right ICV over a wrong trailer */
	struct esp_box box;
	uint64_t seq;
	struct octets packet; /* the datagram, where there is one */
	struct ipm_ip ip;
	struct octets esp;
};

static unsigned
bits(const json_t *obj)
{
	return (unsigned)json_integer_value(json_object_get(obj, "icv_bits"));
}

static void
open_sa(struct esp_case *c, const json_t *j)
{
	const json_t *e = json_object_get(j, "encryption");
	const json_t *a = json_object_get(j, "authentication");
	const json_t *sa = json_object_get(j, "sa");
	struct octets ek = unhex(e, "key"), ak = unhex(a, "key");
	struct octets salt = unhex(e, "salt");
	const char *ename = vec_text(e, "algorithm"),
		   *aname = vec_text(a, "algorithm");
	const struct ipm_alg *enc, *auth = NULL;

	enc = ipm_alg_by_family(ename, 0, IPM_ALG_CIPHER);
	if (enc == NULL)
		enc = ipm_alg_by_family(ename, bits(e), IPM_ALG_AEAD);
	if (strcmp(aname, "none") != 0) {
		auth = ipm_alg_by_family(aname, bits(a), IPM_ALG_AUTH);
		cr_assert_not_null(auth, "%s: %s", c->id, aname);
	}
	cr_assert_not_null(enc, "%s: %s", c->id, ename);
	esp_box_open_keys(
	    &c->box, enc, ipm_span(ek.p, ek.len), auth, ipm_span(ak.p, ak.len));
	cr_assert_leq(salt.len, sizeof c->box.sa.salt);
	memcpy(c->box.sa.salt, salt.p, salt.len);
	cr_assert_eq(sscanf(vec_text(sa, "spi"), "0x%8x", &c->box.sa.spi), 1);
	c->box.sa.esn = json_is_true(json_object_get(sa, "esn"));
	c->seq = (uint64_t)json_integer_value(json_object_get(sa, "seq_hi"))
		<< 32 |
	    (uint64_t)json_integer_value(json_object_get(sa, "seq_lo"));
}

static void
load_case(struct esp_case *c, const json_t *j)
{
	struct octets packet = unhex(j, "packet");

	c->id = vec_text(j, "id");
	c->comment = vec_text(j, "comment");
	c->valid = strcmp(vec_text(j, "result"), "valid") == 0;
	c->late =
	    json_is_true(json_object_get(j, "fails_after_authentication"));
	open_sa(c, j);
	c->packet = packet;
	c->esp = unhex(j, "esp");
	if (packet.there) {
		size_t off;

		cr_assert_eq(ipm_ip_parse(ipm_span(c->packet.p, c->packet.len),
				 false, &c->ip),
		    IPM_R_OK, "%s", c->id);
		off = c->ip.hlen;
		/* [NATT-3.3-01] [NATT-3.5-01] Without UDP, ESP as ever. */
		if (c->ip.proto == IPM_PROTO_UDP)
			off += 8;
		if (!c->esp.there) {
			c->esp.len = c->ip.packet.len - off;
			memcpy(c->esp.p, c->packet.p + off, c->esp.len);
		}
		cr_assert_eq(c->esp.len, c->ip.packet.len - off);
		cr_assert_arr_eq(c->esp.p, c->packet.p + off, c->esp.len);
	}
}

struct walk {
	void (*f)(struct esp_case *c, const json_t *j, void *ctx);
	void *ctx;
};

static void
run_case(const json_t *j, void *walk)
{
	static struct esp_case c;
	const struct walk *w = walk;

	load_case(&c, j);
	w->f(&c, j, w->ctx);
	esp_box_close(&c.box);
}

/* Runs f over every esp-packet case; returns how many there were. */
static size_t
each_case(void (*f)(struct esp_case *c, const json_t *j, void *ctx), void *ctx)
{
	return vec_each(
	    files, N_FILES, "esp-packet", run_case, &(struct walk){ f, ctx });
}

static struct ipm_profile
profile(const char *sw, const char *value)
{
	struct ipm_profile pf;

	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	if (sw != NULL)
		cr_assert(ipm_profile_set(&pf, sw, value));
	return pf;
}

/* --- valid packets -------------------------------------------------------- */

/* The datagram before protection, made of the wire's header and the payload. */
static void
check_original(
    const struct esp_case *c, const json_t *j, const struct ipm_esp_opened *o)
{
	const char *mode = vec_text(json_object_get(j, "sa"), "mode");
	struct octets original = unhex(j, "original");
	uint8_t made[MAX];
	size_t len = o->payload.len;

	if (!original.there)
		return;
	if (strcmp(mode, "transport") == 0) {
		/* [ESP-3.3.2.1-01] [ESP-3.4.4.1-07] */
		memcpy(made, c->packet.p, c->ip.hlen);
		memcpy(made + c->ip.hlen, o->payload.p, len);
		len += c->ip.hlen;
		cr_assert(ipm_ip_rewrite(made, c->ip.version, c->ip.hlen, len,
		    c->ip.proto_off, o->next_header));
	} else {
		/* [ESP-3.1.2-01] [ESP-3.3.2.1-02] [ESP-3.4.4.1-08] */
		memcpy(made, o->payload.p, len);
		cr_assert_eq(o->next_header, made[0] >> 4 == 4 ? 4 : 41);
	}
	cr_expect_eq(len, original.len, "%s: original", c->id);
	cr_expect_arr_eq(made, original.p, original.len, "%s: original", c->id);
}

static void
check_valid(struct esp_case *c, const json_t *j, void *ctx)
{
	static uint8_t out[MAX], again[MAX];
	struct ipm_profile pf = profile(NULL, NULL);
	struct octets payload = unhex(j, "payload");
	struct octets plaintext = unhex(j, "plaintext");
	struct ipm_esp_opened o;
	uint32_t seq_lo = 0;
	size_t len = 0, *n = ctx;

	if (!c->valid)
		return;
	cr_assert_eq(
	    ipm_esp_peek(&c->box.sa, ipm_span(c->esp.p, c->esp.len), &seq_lo),
	    IPM_R_OK);
	cr_assert_eq(seq_lo, (uint32_t)c->seq);
	cr_assert_eq(
	    ipm_esp_open(&c->box.sa, &pf, ipm_span(c->esp.p, c->esp.len),
		c->seq, out, c->esp.len, false, NULL, &o),
	    IPM_R_OK, "%s", c->id);
	cr_expect(o.icv_ok);
	cr_expect_eq(o.payload.len, payload.len, "%s", c->id);
	cr_expect_arr_eq(o.payload.p, payload.p, payload.len, "%s", c->id);
	cr_expect_eq(o.payload.p, out, "%s", c->id);
	cr_expect_arr_eq(out, plaintext.p, plaintext.len, "%s", c->id);
	cr_expect_eq(o.choices.pad_len,
	    json_integer_value(json_object_get(j, "pad_length")), "%s", c->id);
	cr_expect_eq(o.next_header,
	    json_integer_value(json_object_get(j, "next_header")), "%s", c->id);
	cr_expect_eq(o.choices.seq, c->seq, "%s", c->id);
	check_original(c, j, &o);

	/* Sealed again with the choices read off it: every octet the same. */
	cr_expect_eq(ipm_esp_judge(&c->box.sa, &o.choices, o.payload.len), NULL,
	    "%s: %s", c->id,
	    ipm_esp_judge(&c->box.sa, &o.choices, o.payload.len));
	cr_assert_eq(
	    ipm_esp_seal(&c->box.sa, &o.choices, o.next_header,
		ipm_span(payload.p, payload.len), again, c->esp.len, &len),
	    IPM_OK, "%s", c->id);
	cr_expect_eq(len, c->esp.len, "%s", c->id);
	cr_expect_arr_eq(again, c->esp.p, len, "%s", c->id);
	++*n;
}

/*
 * [ESP-1-01] [ESP-1-02] [ESP-2-02] [ESP-2.6-01] [ESP-3.1.2-02] [ESP-3.3.2.1-04]
 * [ESP-3.3.2.1-05] [ESP-3.3.2.2-01] [ESP-3.3.2.2-02] [ESP-3.4.4.1-01]
 * [ESP-3.4.4.1-04] [ESP-3.4.4.2-01] [ALG-AESCBC-05] [ALG-AESGCM-04]
 * [ALG-AESGCM-06] [ALG-AESCCM-04] [ALG-CHACHA-07]
 */
Test(esp_vectors, valid_packets_open_and_seal_to_the_same_octets)
{
	size_t valid = 0;

	cr_assert_eq(each_case(check_valid, &valid), 220);
	cr_assert_eq(valid, 154);
}

/* --- broken packets ------------------------------------------------------- */

/* What each kind of damage may be called. */
static const struct {
	const char *comment;
	enum ipm_reason reason, other;
} damage[] = {
	{ "icv first bit", IPM_R_ICV_BAD, IPM_R_ICV_BAD },
	{ "icv last bit", IPM_R_ICV_BAD, IPM_R_ICV_BAD },
	{ "icv zero", IPM_R_ICV_BAD, IPM_R_ICV_BAD },
	{ "wrong seq hi", IPM_R_ICV_BAD, IPM_R_ICV_BAD },
	{ "seq bit", IPM_R_ICV_BAD, IPM_R_ICV_BAD },
	{ "spi bit", IPM_R_ICV_BAD, IPM_R_ICV_BAD },
	{ "iv bit", IPM_R_ICV_BAD, IPM_R_ICV_BAD },
	{ "ciphertext bit", IPM_R_ICV_BAD, IPM_R_ICV_BAD },
	{ "cut 1", IPM_R_ICV_BAD, IPM_R_BAD_LENGTH },
	{ "cut 4", IPM_R_ICV_BAD, IPM_R_BAD_LENGTH },
	{ "cut icv", IPM_R_ICV_BAD, IPM_R_BAD_LENGTH },
	{ "extra octet", IPM_R_ICV_BAD, IPM_R_BAD_LENGTH },
	{ "header only", IPM_R_BAD_LENGTH, IPM_R_BAD_LENGTH },
	{ "no room for trailer", IPM_R_BAD_LENGTH, IPM_R_BAD_LENGTH },
};
#define N_DAMAGE (sizeof damage / sizeof damage[0])

static enum ipm_reason
open_under(const struct esp_case *c, const char *sw, const char *value,
    struct ipm_esp_opened *o)
{
	static uint8_t out[MAX];
	struct ipm_profile pf = profile(sw, value);

	return ipm_esp_open(&c->box.sa, &pf, ipm_span(c->esp.p, c->esp.len),
	    c->seq, out, sizeof out, true, NULL, o);
}

static void
check_early(const struct esp_case *c)
{
	struct ipm_esp_opened o;
	enum ipm_reason r = open_under(c, NULL, NULL, &o);
	size_t i;

	for (i = 0; i < N_DAMAGE; i++)
		if (strcmp(c->comment, damage[i].comment) == 0)
			break;
	cr_assert_lt(i, N_DAMAGE, "%s: %s", c->id, c->comment);
	cr_expect(r == damage[i].reason || r == damage[i].other, "%s: %s",
	    c->id, ipm_reasons[r].name);
	cr_expect_not(o.icv_ok, "%s", c->id);
	cr_expect_eq(o.payload.len, 0, "%s", c->id);
}

/* [ESP-2.4-10] [ESP-2.5-03] [ESP-3.4.4.1-05] */
static void
check_late(const struct esp_case *c)
{
	struct ipm_esp_opened o;

	if (strcmp(c->comment, "pad length too long") == 0) {
		cr_expect_eq(open_under(c, NULL, NULL, &o),
		    IPM_R_PAD_LENGTH_BAD, "%s", c->id);
		cr_expect(o.icv_ok);
		return;
	}
	cr_expect_eq(open_under(c, "esp-pad-check", "ignore", &o), IPM_R_OK,
	    "%s", c->id);
	cr_expect_eq(
	    open_under(c, "strict", "on", &o), IPM_R_PAD_BAD, "%s", c->id);
	cr_expect(o.icv_ok, "%s", c->id);
	cr_expect_eq(o.payload.len, 0, "%s", c->id);
	cr_expect_eq(open_under(c, "esp-pad-check", "full", &o), IPM_R_PAD_BAD,
	    "%s", c->id);
	cr_expect_eq(open_under(c, "esp-pad-check", "last", &o),
	    strcmp(c->comment, "pad first") == 0 ? IPM_R_OK : IPM_R_PAD_BAD,
	    "%s", c->id);
}

static void
check_broken(struct esp_case *c, const json_t *j, void *ctx)
{
	size_t *n = ctx;

	(void)j;
	if (c->valid)
		return;
	if (c->late)
		check_late(c);
	else
		check_early(c);
	++*n;
}

Test(esp_vectors, broken_packets_are_refused_with_the_reason_of_their_damage)
{
	size_t broken = 0;

	(void)each_case(check_broken, &broken);
	cr_assert_eq(broken, 66);
}

/* --- every truncation, every bit ------------------------------------------ */

/* One packet per pair of algorithms: the first with a payload that shows it. */
struct seen {
	char pair[64][64];
	size_t n;
};

static bool
first_of_pair(struct seen *s, const struct esp_case *c)
{
	char name[64];

	if (!c->valid || !ipm_esp_has_integrity(&c->box.sa))
		return false;
	(void)snprintf(name, sizeof name, "%s+%s%s", c->box.sa.enc->name,
	    c->box.sa.auth == NULL ? "" : c->box.sa.auth->name,
	    c->box.sa.esn ? "+esn" : "");
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->pair[i], name) == 0)
			return false;
	if (s->n == 64)
		return false;
	memcpy(s->pair[s->n++], name, sizeof name);
	return true;
}

static void
damage_one(struct esp_case *c, const json_t *j, void *ctx)
{
	static uint8_t out[MAX];
	struct ipm_profile pf = profile(NULL, NULL);
	struct ipm_esp_opened o;
	enum ipm_reason r;

	(void)j;
	if (!first_of_pair(ctx, c))
		return;
	for (size_t len = 0; len < c->esp.len; len++) {
		r = ipm_esp_open(&c->box.sa, &pf, ipm_span(c->esp.p, len),
		    c->seq, out, sizeof out, false, NULL, &o);
		cr_expect(r == IPM_R_BAD_LENGTH || r == IPM_R_ICV_BAD,
		    "%s cut to %zu: %s", c->id, len, ipm_reasons[r].name);
		cr_expect(!o.icv_ok && o.payload.len == 0);
	}
	for (size_t bit = 0; bit < c->esp.len * 8; bit++) {
		c->esp.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
		r = ipm_esp_open(&c->box.sa, &pf,
		    ipm_span(c->esp.p, c->esp.len), c->seq, out, sizeof out,
		    false, NULL, &o);
		c->esp.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
		cr_expect_eq(r, IPM_R_ICV_BAD, "%s bit %zu: %s", c->id, bit,
		    ipm_reasons[r].name);
		cr_expect(!o.icv_ok && o.payload.len == 0);
	}
}

/*
 * [ESP-2-03] [ESP-2-05] [ESP-3.4.3-17] [ESP-3.4.4.1-01] [ESP-3.4.4.2-02]
 * [ALG-GMAC-04]
 */
Test(esp_vectors, every_truncation_and_every_flipped_bit_is_refused)
{
	static struct seen seen;

	(void)each_case(damage_one, &seen);
	cr_assert_gt(seen.n, 40, "only %zu pairs", seen.n);
}
