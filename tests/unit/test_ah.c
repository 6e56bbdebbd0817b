/*
 * AH packets that others made (vectors/rfc, vectors/public): opened, sealed
 * again, cut at every octet and spoilt at every bit.  What may be spoilt
 * without harm is decided by the naive twin in support/ah_box.c, whose tables
 * are typed from RFC 4302 3.3.3.1 and appendix A.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/ah_box.h"
#include "support/vec_file.h"

#define MAX 4096

static const char *const files[] = {
	"vectors/rfc/constructed-ah.json",
	"vectors/rfc/constructed-ah-broken.json",
	"vectors/public/dpdk-ipsec-packets.json",
};
#define N_FILES (sizeof files / sizeof files[0])

struct ah_case {
	const char *id, *comment, *mode;
	bool valid;
	struct ah_box box;
	uint64_t seq;
	struct hx_octets packet;
	struct ipm_ip ip;
};

static void
load_case(struct ah_case *c, const json_t *j)
{
	const json_t *a = json_object_get(j, "authentication");
	const json_t *sa = json_object_get(j, "sa");
	struct hx_octets key = vec_octets(a, "key"),
			 salt = vec_octets(a, "salt");

	c->id = vec_text(j, "id");
	c->comment = vec_text(j, "comment");
	c->mode = vec_text(sa, "mode");
	c->valid = strcmp(vec_text(j, "result"), "valid") == 0;
	/* [AH-2.6-04] The row says how long the ICV is. */
	ah_box_open_key(&c->box,
	    ipm_alg_by_family(vec_text(a, "algorithm"),
		(unsigned)json_integer_value(json_object_get(a, "icv_bits")),
		IPM_ALG_AUTH),
	    hx_span(&key));
	cr_assert_leq(salt.len, sizeof c->box.sa.salt);
	if (salt.len != 0)
		memcpy(c->box.sa.salt, salt.p, salt.len);
	cr_assert_eq(sscanf(vec_text(sa, "spi"), "0x%8x", &c->box.sa.spi), 1);
	c->box.sa.esn = json_is_true(json_object_get(sa, "esn"));
	c->seq = (uint64_t)json_integer_value(json_object_get(sa, "seq_hi"))
		<< 32 |
	    (uint64_t)json_integer_value(json_object_get(sa, "seq_lo"));
	c->packet = vec_octets(j, "packet");
	cr_assert_leq(c->packet.len, MAX);
	cr_assert_eq(ipm_ip_parse(hx_span(&c->packet), true, &c->ip), IPM_R_OK);
	/* [AH-2-01] */
	cr_assert_eq(c->ip.proto, IPM_PROTO_AH, "%s", c->id);
	hx_octets_free(&key);
	hx_octets_free(&salt);
}

struct walk {
	void (*f)(struct ah_case *c, const json_t *j, void *ctx);
	void *ctx;
};

static void
run_case(const json_t *j, void *walk)
{
	const struct walk *w = walk;
	struct ah_case c;

	load_case(&c, j);
	w->f(&c, j, w->ctx);
	hx_octets_free(&c.packet);
	ah_box_close(&c.box);
}

/* Runs f over every ah-packet case; returns how many there were. */
static size_t
each_case(void (*f)(struct ah_case *c, const json_t *j, void *ctx), void *ctx)
{
	return vec_each(
	    files, N_FILES, "ah-packet", run_case, &(struct walk){ f, ctx });
}

static enum ipm_reason
open_ip(const struct ipm_ah_sa *sa, const struct ipm_profile *pf,
    const struct ipm_ip *ip, uint64_t seq, struct ipm_ah_opened *o)
{
	struct ipm_ah_knobs knobs = ipm_ah_knobs_default();
	uint8_t *scratch = malloc(ip->hlen);
	enum ipm_reason r;

	cr_assert_not_null(scratch);
	r = ipm_ah_open(
	    sa, pf, &knobs, ip, seq, scratch, ip->hlen, true, NULL, o);
	free(scratch);
	return r;
}

/* --- valid packets -------------------------------------------------------- */

/* [AH-2-02] [AH-2-04] Where each field stands, in which order. */
static void
check_layout(const struct ah_case *c, const struct ipm_ah_opened *o)
{
	const uint8_t *ah = c->packet.p + c->ip.hlen;
	uint32_t seq_lo = 0;

	cr_expect_eq(o->next_header, ah[0], "%s", c->id);
	cr_expect_eq(o->ahlen, (ah[1] + 2U) * 4U, "%s", c->id);
	cr_expect_eq(o->choices.reserved, 0, "%s", c->id); /* [AH-2.3-01] */
	cr_expect_eq((uint32_t)ah[4] << 24 | ah[5] << 16 | ah[6] << 8 | ah[7],
	    c->box.sa.spi, "%s", c->id);
	cr_assert_eq(ipm_ah_peek(&c->box.sa,
			 ipm_span_from(c->ip.packet, c->ip.hlen), &seq_lo),
	    IPM_R_OK);
	cr_expect_eq(seq_lo, (uint32_t)c->seq, "%s", c->id);
	cr_expect_eq(o->choices.seq, c->seq, "%s", c->id);
	/* [AH-2.6-01] [AH-2.2-02] */
	cr_expect_eq(o->ahlen % (c->ip.version == 4 ? 4 : 8), 0, "%s", c->id);
}

/* The datagram before protection, made of header and payload. */
static void
check_original(const struct ah_case *c, const json_t *j, uint8_t next_header,
    struct ipm_span payload)
{
	struct hx_octets original;
	uint8_t made[MAX];
	size_t len = payload.len;

	if (json_object_get(j, "original") == NULL)
		return;
	original = vec_octets(j, "original");
	if (strcmp(c->mode, "transport") == 0) {
		/* [AH-3.1.1-01] [AH-3.1.1-02] [AH-3.1.1-03] [AH-2.1-01] */
		memcpy(made, c->packet.p, c->ip.hlen);
		memcpy(made + c->ip.hlen, payload.p, len);
		len += c->ip.hlen;
		cr_assert(ipm_ip_rewrite(made, c->ip.version, c->ip.hlen, len,
		    c->ip.proto_off, next_header));
	} else {
		/* [AH-3.1.2-01] [AH-3.1.2-02] */
		memcpy(made, payload.p, len);
		cr_assert_eq(next_header, made[0] >> 4 == 4 ? 4 : 41);
	}
	cr_expect_eq(len, original.len, "%s: original", c->id);
	cr_expect_arr_eq(made, original.p, original.len, "%s: original", c->id);
	hx_octets_free(&original);
}

/* Sealed with the choices read off: every octet the same. */
static void
check_again(const struct ah_case *c, const struct ipm_profile *pf,
    const struct ipm_ah_opened *o)
{
	struct ipm_ah_knobs knobs = ipm_ah_knobs_default();
	uint8_t again[MAX], hdr[MAX];
	size_t len = 0;

	/* Protocol, length and checksum of the header are the sealer's. */
	memcpy(hdr, c->packet.p, c->ip.hlen);
	cr_assert(ipm_ip_rewrite(hdr, c->ip.version, c->ip.hlen,
	    c->ip.hlen + o->payload.len, c->ip.proto_off, o->next_header));
	cr_expect_eq(ipm_ah_judge(&c->box.sa, &o->choices, c->ip.version), NULL,
	    "%s: %s", c->id,
	    ipm_ah_judge(&c->box.sa, &o->choices, c->ip.version));
	cr_assert_eq(
	    ipm_ah_seal(&c->box.sa, pf, &knobs, &o->choices,
		ipm_span(hdr, c->ip.hlen), c->ip.version, c->ip.proto_off,
		o->next_header, o->payload, false, again, c->packet.len, &len),
	    IPM_R_OK, "%s", c->id);
	cr_expect_eq(len, c->packet.len, "%s", c->id);
	cr_expect_arr_eq(again, c->packet.p, len, "%s", c->id);
}

/* [AH-3.3.3-01] [AH2402-3.3.3-01] The twin, and twins with a fault. */
static void
check_twin(const struct ah_case *c, const struct ipm_ah_opened *o,
    size_t caught[AH_ESN_IN_FRONT + 1])
{
	const struct ipm_ah_sa *sa = &c->box.sa;
	const uint8_t *icv = c->packet.p + c->ip.hlen + 12 + sa->auth->iv_len;
	uint8_t mac[IPM_ICV_MAX];

	for (int f = AH_SOUND; f <= AH_ESN_IN_FRONT; f++) {
		ah_naive_mac(sa, c->packet.p, c->packet.len, c->ip.hlen, c->seq,
		    (enum ah_fault)f, mac);
		if (memcmp(mac, icv, o->icv_len) != 0)
			caught[f]++;
	}
}

static void
check_valid(struct ah_case *c, const json_t *j, void *ctx)
{
	static const enum ipm_profile_id profiles[] = { IPM_PF_OBSERVER,
		IPM_PF_MANUAL, IPM_PF_RFC2401, IPM_PF_RFC4301 };
	struct hx_octets payload;

	if (!c->valid)
		return;
	payload = vec_octets(j, "payload");
	for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
		struct ipm_ah_opened o;
		struct ipm_profile pf;

		ipm_profile_init(&pf, profiles[i]);
		cr_assert_eq(open_ip(&c->box.sa, &pf, &c->ip, c->seq, &o),
		    IPM_R_OK, "%s", c->id);
		cr_expect(o.icv_ok);
		cr_expect_eq(o.next_header,
		    json_integer_value(json_object_get(j, "next_header")));
		cr_expect_eq(o.payload.len, payload.len, "%s", c->id);
		cr_expect_arr_eq(
		    o.payload.p, payload.p, payload.len, "%s", c->id);
		check_layout(c, &o);
		check_original(c, j, o.next_header, o.payload);
		check_again(c, &pf, &o);
		if (i == 0)
			check_twin(c, &o, ctx);
	}
	hx_octets_free(&payload);
}

/*
 * [AH-3.3.3.1-01] [AH-3.3.3.1-03] [AH-3.3.3.2.2-01] [AH-3.4.4-01]
 * [ALG-GMAC-07] [MAN-cleartos-03] [AH2402-3.3.3.1.1.1-01]
 * [AH2402-3.3.3.1.1.1-02] [AH2402-3.3.3.1.2.1-01]
 */
Test(ah_vectors, valid_packets_open_and_seal_to_the_same_octets)
{
	size_t caught[AH_ESN_IN_FRONT + 1] = { 0 };

	cr_assert_eq(each_case(check_valid, caught), 147);
	cr_expect_eq(caught[AH_SOUND], 0);
	/* Faults are seen: the comparison can fail.  (The vectors' fill is
	 * zero throughout; test_ah_rules.c has the rest.) */
	cr_expect_gt(caught[AH_TTL_COVERED], 0);
	cr_expect_gt(caught[AH_OPTION_TYPE_COVERED], 0);
	cr_expect_eq(caught[AH_FILL_ZEROED], 0);
	cr_expect_gt(caught[AH_ESN_IN_FRONT], 0);
}

/* --- broken packets ------------------------------------------------------- */

static void
check_broken(struct ah_case *c, const json_t *j, void *ctx)
{
	struct ipm_ah_opened o;
	struct ipm_profile pf;
	uint8_t mac[IPM_ICV_MAX];
	size_t *n = ctx;

	(void)j;
	if (c->valid)
		return;
	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	cr_expect_eq(open_ip(&c->box.sa, &pf, &c->ip, c->seq, &o),
	    IPM_R_ICV_BAD, "%s: %s", c->id, c->comment);
	cr_expect_not(o.icv_ok, "%s", c->id);
	cr_expect_eq(o.payload.len, 0, "%s", c->id);
	/* The two values that an explanation shows. */
	ah_naive_mac(&c->box.sa, c->packet.p, c->packet.len, c->ip.hlen, c->seq,
	    AH_SOUND, mac);
	cr_expect_eq(o.icv_len, c->box.sa.auth->icv_len);
	cr_expect_arr_eq(o.computed, mac, o.icv_len, "%s", c->id);
	cr_expect_arr_eq(o.received,
	    c->packet.p + c->ip.hlen + 12 + c->box.sa.auth->iv_len, o.icv_len,
	    "%s", c->id);
	++*n;
}

/* [AH-3.4.3-10] [AH-3.4.4-01] [AHOLD-RFC1826-12] */
Test(ah_vectors, broken_packets_are_refused_by_their_icv)
{
	size_t n = 0;

	(void)each_case(check_broken, &n);
	cr_expect_eq(n, 27);
}

/* --- every cut, every bit ------------------------------------------------- */

static bool
is_refusal(enum ipm_reason r)
{
	return r == IPM_R_ICV_BAD || r == IPM_R_BAD_LENGTH ||
	    r == IPM_R_OPTION_BAD || r == IPM_R_EXT_BAD;
}

/*
 * Every truncation: by the packet's own length field (a shorter packet), and
 * with octets missing behind a length field that states them.
 */
static void
check_cuts(struct ah_case *c, const json_t *j, void *ctx)
{
	struct ipm_profile pf;

	(void)j;
	(void)ctx;
	if (!c->valid || c->packet.len > 400)
		return;
	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	for (size_t len = c->ip.hlen; len < c->packet.len; len++) {
		uint8_t *cut = malloc(len);
		struct ipm_ah_opened o;
		struct ipm_ip ip = c->ip;
		enum ipm_reason r;
		uint32_t seq_lo;

		cr_assert_not_null(cut);
		memcpy(cut, c->packet.p, len);
		ip.packet = ipm_span(cut, len);
		r = open_ip(&c->box.sa, &pf, &ip, c->seq, &o);
		cr_expect(is_refusal(r), "%s cut to %zu: %s", c->id, len,
		    ipm_reasons[r].name);
		cr_expect_eq(o.payload.len, 0);
		cr_expect_eq(ipm_ah_peek(&c->box.sa,
				 ipm_span_from(ip.packet, ip.hlen), &seq_lo),
		    len - ip.hlen < 12 ? IPM_R_BAD_LENGTH : IPM_R_OK);
		/* [AH-3.3.3.1.1.1-02] The length is covered, too. */
		cr_assert(
		    ipm_ip_rewrite(cut, ip.version, ip.hlen, len, SIZE_MAX, 0));
		cr_assert_eq(
		    ipm_ip_parse(ipm_span(cut, len), true, &ip), IPM_R_OK);
		r = open_ip(&c->box.sa, &pf, &ip, c->seq, &o);
		cr_expect_eq(r,
		    len < c->ip.hlen + (c->packet.p[c->ip.hlen + 1] + 2U) * 4U
			? IPM_R_BAD_LENGTH
			: IPM_R_ICV_BAD,
		    "%s short of %zu: %s", c->id, len, ipm_reasons[r].name);
		free(cut);
	}
}

Test(ah_vectors, every_truncation_is_refused)
{
	(void)each_case(check_cuts, NULL);
}

/* Would the spoilt packet be taken?  Says the twin. */
static bool
harmless(
    const struct ah_case *c, const uint8_t *spoilt, const struct ipm_ip *ip)
{
	static uint8_t was[MAX + 4], is[MAX + 4];
	size_t at = c->ip.hlen, n, icv = at + 12 + c->box.sa.auth->iv_len;
	const struct ipm_ah_sa *sa = &c->box.sa;

	if (ip->hlen != at || spoilt[at + 1] != c->packet.p[at + 1] ||
	    memcmp(spoilt + icv, c->packet.p + icv, sa->auth->icv_len) != 0)
		return false;
	n = ah_naive_input(
	    sa, c->packet.p, c->packet.len, at, c->seq, AH_SOUND, was);
	cr_assert_neq(n, 0);
	return ah_naive_input(
		   sa, spoilt, c->packet.len, at, c->seq, AH_SOUND, is) == n &&
	    memcmp(was, is, n) == 0;
}

struct flips {
	size_t taken, refused, unread;
};

static struct flips
flip_all(const struct ah_case *c)
{
	struct flips n = { 0 };
	struct ipm_profile pf;

	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	for (size_t bit = 0; bit < 8 * c->packet.len; bit++) {
		uint8_t spoilt[MAX];
		struct ipm_ah_opened o;
		struct ipm_ip ip;
		enum ipm_reason r;

		memcpy(spoilt, c->packet.p, c->packet.len);
		spoilt[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		if (ipm_ip_parse(ipm_span(spoilt, c->packet.len), false, &ip) !=
			IPM_R_OK ||
		    ip.packet.len != c->packet.len) {
			n.unread++;
			continue;
		}
		r = open_ip(&c->box.sa, &pf, &ip, c->seq, &o);
		if (harmless(c, spoilt, &ip)) {
			cr_expect_eq(r, IPM_R_OK, "%s bit %zu: %s", c->id, bit,
			    ipm_reasons[r].name);
			n.taken++;
		} else {
			cr_expect(is_refusal(r), "%s bit %zu: %s", c->id, bit,
			    ipm_reasons[r].name);
			cr_expect_not(o.icv_ok);
			cr_expect_eq(o.payload.len, 0);
			n.refused++;
		}
	}
	return n;
}

static void
check_flips(struct ah_case *c, const json_t *j, void *ctx)
{
	bool plain = c->ip.hlen == (c->ip.version == 4 ? 20 : 40);
	struct flips n;

	(void)j;
	(void)ctx;
	if (!c->valid || c->packet.len > 200)
		return;
	n = flip_all(c);
	cr_expect_eq(
	    n.taken + n.refused + n.unread, 8 * c->packet.len, "%s", c->id);
	/*
	 * Counted by hand: TOS 8, flags and offset 16, TTL 8, checksum 16;
	 * class 8, label 20, hop limit 8.
	 */
	if (plain)
		cr_expect_eq(n.taken, c->ip.version == 4 ? 48 : 36, "%s: %zu",
		    c->id, n.taken);
	/* An immutable option adds nothing; a mutable one its octets. */
	else if (strstr(c->comment, "router alert") != NULL)
		cr_expect_eq(n.taken, c->ip.version == 4 ? 48 : 36, "%s: %zu",
		    c->id, n.taken);
	else if (c->ip.version == 6)
		cr_expect_eq(n.taken,
		    36 + (c->packet.p[42] == 0x3e ? 8U * c->packet.p[43] : 0),
		    "%s: %zu", c->id, n.taken);
	else
		cr_expect_gt(n.taken, 48, "%s: %zu", c->id, n.taken);
}

/*
 * [AH-2-03] [AH-2.3-03] [AH-3.3.3-02] [AH-3.3.3.1-04]
 * [AH-3.3.3.1.1.1-01] [AH-3.3.3.1.1.1-02] [AH-3.3.3.1.1.1-03]
 * [AH-3.3.3.1.1.1-04] [AH-3.3.3.1.1.1-05] [AH-3.3.3.1.1.1-06]
 * [AH-3.3.3.1.1.1-08] [AH-3.3.3.1.1.1-09] [AH-3.3.3.1.1.1-10]
 * [AH-3.3.3.1.1.1-11] [AH-3.3.3.1.1.1-12] [AH-3.3.3.1.1.2-01]
 * [AH-3.3.3.1.2.1-01] [AH-3.3.3.1.2.1-02] [AH-3.3.3.1.2.1-03]
 * [AH-3.3.3.1.2.2-01] [AH-3.3.3.1.2.2-02] [AH-3.1.2-01] [AH2402-2.3-01]
 * [MAN-cleartos-01] [MAN-offsetmask-02]
 */
Test(ah_vectors, every_flipped_bit_is_refused_unless_it_may_change_en_route)
{
	(void)each_case(check_flips, NULL);
}
