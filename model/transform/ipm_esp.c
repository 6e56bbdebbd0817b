/*
 * Implementation notes.
 *
 * A packet is cut by the SA alone [ESP-2-07]:
 *
 *     SPI seq | IV | payload pad pad-length next-header | ICV
 *     `-head-' `iv' `------------- body ---------------' `icv'
 *
 * Opening decrypts the body straight from the packet into `out`; nothing else
 * is copied but the IV and the padding, whose lengths the packet states.
 * struct ipm_esp_opened is never cleared as a whole: each path sets the few
 * members that its reason leaves to be read.
 *
 * AES-GMAC (payload_in_aad) encrypts nothing: its associated data runs from
 * the SPI to the next header.  Without ESN that is the packet as it stands;
 * with ESN four octets stand in the middle, so it is put together in `out`
 * (which holds that much, since an ICV is at least four octets) before the
 * payload goes there.
 */
#include "ipm_esp.h"

#include <string.h>

#include "../ipm_env.h"

#define SPI_LEN     4U
#define SEQ_LEN     4U
#define TRAILER_LEN 2U  /* pad length, next header */
#define CTR_BLOCK   16U /* what FreeBSD before 13 holds CTR payloads to */

static size_t
head_len(const struct ipm_esp_sa *sa)
{
	return sa->old ? SPI_LEN : SPI_LEN + SEQ_LEN;
}

static bool
combined(const struct ipm_esp_sa *sa)
{
	return sa->enc->kind == IPM_ALG_AEAD;
}

/* [ESP-2.8-01] [ESP-2.8-02] The ICV is there, and as long, as the SA says. */
size_t
ipm_esp_icv_len(const struct ipm_esp_sa *sa)
{
	if (combined(sa))
		return sa->enc->icv_len;
	return sa->auth == NULL ? 0 : sa->auth->icv_len;
}

bool
ipm_esp_has_integrity(const struct ipm_esp_sa *sa)
{
	return combined(sa) ||
	    (sa->auth != NULL && sa->auth->prim != IPM_PRIM_NULL_MAC);
}

static size_t
shortest(const struct ipm_esp_sa *sa)
{
	return head_len(sa) + sa->enc->iv_len + TRAILER_LEN +
	    ipm_esp_icv_len(sa);
}

enum ipm_reason
ipm_esp_peek(const struct ipm_esp_sa *sa, struct ipm_span esp, uint32_t *seq_lo)
{
	if (esp.len < shortest(sa))
		return IPM_R_BAD_LENGTH;
	*seq_lo = sa->old ? 0 : ipm_load32(esp.p + SPI_LEN);
	return IPM_R_OK;
}

/*
 * Octets the body must be a multiple of.  The alignment to 4 (RFC 4303 2.4)
 * binds a sender; a receiver of a stream-like mode needs none.
 */
static size_t
cipher_block(const struct ipm_alg *enc)
{
	return enc->block > 4 ? enc->block : 1;
}

static size_t
open_block(const struct ipm_alg *enc, const struct ipm_profile *pf)
{
	if (enc->nonce == IPM_NONCE_CTR &&
	    ipm_sw(pf, IPM_SW_ESP_CTR_BLOCK) != IPM_OFF)
		return CTR_BLOCK;
	return cipher_block(enc);
}

bool
ipm_esp_fills(
    const struct ipm_esp_sa *sa, const struct ipm_profile *pf, size_t len)
{
	size_t around = head_len(sa) + sa->enc->iv_len + ipm_esp_icv_len(sa);

	return len >= shortest(sa) &&
	    (len - around) % open_block(sa->enc, pf) == 0;
}

/* --- integrity ----------------------------------------------------------- */

static enum ipm_err
separate_mac(const struct ipm_esp_sa *sa, struct ipm_span covered, uint64_t seq,
    uint8_t mac[IPM_ICV_MAX])
{
	struct ipm_span parts[2] = { covered };
	uint8_t hi[4];

	/*
	 * [ESP-2.2.1-05] [ESP-2.8-03] [ESP-3.3.2.1-05] The high half follows
	 * the next header under the ICV and is not sent.
	 */
	ipm_store32(hi, (uint32_t)(seq >> 32));
	parts[1] = ipm_span(hi, sizeof hi);
	return sa->provider->mac(
	    sa->session, NULL, 0, parts, sa->esn ? 2 : 1, mac);
}

/* The separate ICV of a received packet [ESP-3.4.4.1-01]. */
static enum ipm_reason
check_icv(const struct ipm_esp_sa *sa, struct ipm_span covered, uint64_t seq,
    const uint8_t *icv, bool explain, struct ipm_esp_opened *o)
{
	uint8_t mac[IPM_ICV_MAX];

	if (separate_mac(sa, covered, seq, mac) != IPM_OK)
		return IPM_R_CRYPTO_FAILED;
	if (ipm_ct_equal(mac, icv, o->icv_len))
		return IPM_R_OK;
	memcpy(o->received, icv, o->icv_len);
	if (explain)
		memcpy(o->computed, mac, o->icv_len);
	return IPM_R_ICV_BAD;
}

/* SPI, high half, low half of the packet at esp. */
static size_t
put_esn_head(uint8_t *p, const uint8_t *esp, uint64_t seq)
{
	memcpy(p, esp, SPI_LEN);
	ipm_store32(p + SPI_LEN, (uint32_t)(seq >> 32));
	memcpy(p + SPI_LEN + 4, esp + SPI_LEN, SEQ_LEN);
	return SPI_LEN + 4 + SEQ_LEN;
}

static bool
esn_splits_aad(const struct ipm_esp_sa *sa)
{
	return sa->esn && sa->enc->esn_in_aad && !sa->old;
}

/*
 * Associated data of a combined mode [ESP-3.3.2.2-01] [ESP-2.2.1-06]: SPI and
 * sequence number, the high half between them with ESN (RFC 4106 5, RFC 4309
 * 5, RFC 7634 2.1); for AES-GMAC everything up to the ICV (RFC 4543 3.3).
 * No document has the old header with a combined mode; FreeBSD covers 8 octets
 * there too, the IV's first ones in the place of the number.
 *
 *   covered  the packet up to the ICV
 *   head     room for SPI and extended sequence number
 *   room     covered.len + 4 octets; used with AES-GMAC and ESN alone
 */
static struct ipm_span
associated(const struct ipm_esp_sa *sa, struct ipm_span covered, uint64_t seq,
    uint8_t head[12], uint8_t *room)
{
	size_t n;

	if (!sa->enc->payload_in_aad) {
		if (!esn_splits_aad(sa))
			return ipm_span_sub(covered, 0, SPI_LEN + SEQ_LEN);
		return ipm_span(head, put_esn_head(head, covered.p, seq));
	}
	if (!esn_splits_aad(sa))
		return covered;
	n = put_esn_head(room, covered.p, seq);
	memcpy(room + n, covered.p + SPI_LEN + SEQ_LEN,
	    covered.len - SPI_LEN - SEQ_LEN);
	return ipm_span(room, covered.len + 4);
}

/* --- opening ------------------------------------------------------------- */

/* One packet being opened, cut into its parts. */
struct cut {
	struct ipm_span covered; /* SPI up to the next header */
	struct ipm_span body;    /* what is encrypted */
	const uint8_t *icv;
};

static enum ipm_reason
open_combined(const struct ipm_esp_sa *sa, const struct cut *c, uint64_t seq,
    uint8_t *out, bool explain, struct ipm_trace *trace,
    struct ipm_esp_opened *o)
{
	struct ipm_span src = c->body;
	uint8_t nonce[16], head[12], tag[IPM_ICV_MAX];
	size_t nonce_len =
	    ipm_alg_nonce(sa->enc, sa->salt, o->choices.iv, nonce);
	struct ipm_span aad = associated(sa, c->covered, seq, head, out);
	enum ipm_reason r = IPM_R_OK;
	enum ipm_err err;

	if (sa->enc->payload_in_aad)
		src.len = 0;
	memcpy(tag, c->icv, o->icv_len);
	err = sa->provider->aead(sa->session, false, nonce, nonce_len, aad, src,
	    out, tag, o->icv_len, explain ? o->computed : NULL);
	/* [ESP-3.4.4.2-02] */
	if (err == IPM_ERR_AUTH)
		r = IPM_R_ICV_BAD;
	else if (err != IPM_OK)
		r = IPM_R_CRYPTO_FAILED;
	ipm_trace_add(trace, IPM_STEP_ICV, r, aad.len + src.len, o->icv_len);
	if (r == IPM_R_ICV_BAD)
		memcpy(o->received, c->icv, o->icv_len);
	if (r == IPM_R_OK && sa->enc->payload_in_aad)
		memcpy(out, c->body.p, c->body.len);
	return r;
}

/*
 * [ESP-3.3.2.1-03] [ESP-3.4.4.1-11] The ICV covers the ciphertext, so it is
 * judged first: a packet with a wrong one is never decrypted.
 */
static enum ipm_reason
open_separate(const struct ipm_esp_sa *sa, const struct cut *c, uint64_t seq,
    uint8_t *out, bool explain, struct ipm_trace *trace,
    struct ipm_esp_opened *o)
{
	uint8_t nonce[16];
	size_t nonce_len;

	if (sa->auth != NULL) {
		enum ipm_reason r =
		    check_icv(sa, c->covered, seq, c->icv, explain, o);

		ipm_trace_add(trace, IPM_STEP_ICV, r,
		    c->covered.len + (sa->esn ? 4 : 0), o->icv_len);
		if (r != IPM_R_OK)
			return r;
	}
	o->icv_ok = true;
	/* [ALG-NULL-01] The identity, whatever the length. */
	if (sa->enc->prim == IPM_PRIM_NULL) {
		memcpy(out, c->body.p, c->body.len);
		return IPM_R_OK;
	}
	nonce_len = ipm_alg_nonce(sa->enc, sa->salt, o->choices.iv, nonce);
	return sa->provider->cipher(
		   sa->session, false, nonce, nonce_len, c->body, out) == IPM_OK
	    ? IPM_R_OK
	    : IPM_R_CRYPTO_FAILED;
}

/* Pad octet i (from 0) that a sender with this fill writes. */
static uint8_t
pad_octet(enum ipm_pad_fill fill, size_t i)
{
	return fill == IPM_PAD_ZERO ? 0 : (uint8_t)(i + 1);
}

static bool
pad_as_filled(enum ipm_pad_fill fill, const uint8_t *pad, size_t n)
{
	/* [ESP-2.4-11] Octets that mean nothing cannot be wrong. */
	if (fill == IPM_PAD_RANDOM || fill == IPM_PAD_UNWRITTEN)
		return true;
	for (size_t i = 0; i < n; i++)
		if (pad[i] != pad_octet(fill, i))
			return false;
	return true;
}

/*
 * [ESP-2.4-10] [ESP-3.4.4.1-05] Which padding octets are looked at is the
 * profile's choice.  `last` is FreeBSD's rule and keeps its quirk: an SA that
 * fills with zeros still wants the pad length in the last octet.
 */
static bool
pad_ok(const struct ipm_esp_sa *sa, const struct ipm_profile *pf,
    const uint8_t *pad, size_t n)
{
	uint32_t how = ipm_sw(pf, IPM_SW_ESP_PAD_CHECK);

	if (how == IPM_PAD_FULL || ipm_sw(pf, IPM_SW_STRICT) != IPM_OFF)
		return pad_as_filled(sa->pad_fill, pad, n);
	if (how == IPM_PAD_LAST)
		return sa->pad_fill == IPM_PAD_RANDOM || n == 0 ||
		    pad[n - 1] == n;
	return true;
}

/* Reads the trailer back from the end of the n decrypted octets. */
static enum ipm_reason
read_trailer(const struct ipm_esp_sa *sa, const struct ipm_profile *pf,
    const uint8_t *out, size_t n, struct ipm_esp_opened *o)
{
	uint8_t pad_len = out[n - 2];
	const uint8_t *pad;

	o->next_header = out[n - 1];
	o->choices.pad_len = pad_len;
	n -= TRAILER_LEN;
	/* [ESP-2.5-03] */
	if (pad_len > n)
		return IPM_R_PAD_LENGTH_BAD;
	/* [ESP-2.4-05] 0 to 255 octets, whatever the alignment needs. */
	n -= pad_len;
	pad = out + n;
	memcpy(o->choices.pad, pad, pad_len);
	if (!pad_ok(sa, pf, pad, pad_len))
		return IPM_R_PAD_BAD;
	o->payload = ipm_span(out, n);
	return IPM_R_OK;
}

enum ipm_reason
ipm_esp_open(const struct ipm_esp_sa *sa, const struct ipm_profile *pf,
    struct ipm_span esp, uint64_t seq, uint8_t *out, size_t cap, bool explain,
    struct ipm_trace *trace, struct ipm_esp_opened *o)
{
	size_t head = head_len(sa), iv_len = sa->enc->iv_len;
	struct cut c;
	enum ipm_reason r;

	o->icv_ok = false;
	o->icv_len = ipm_esp_icv_len(sa);
	o->next_header = 0;
	o->choices.pad_len = 0;
	o->payload = ipm_span(NULL, 0);
	if (!ipm_esp_fills(sa, pf, esp.len))
		return IPM_R_BAD_LENGTH;
	c.covered = ipm_span_sub(esp, 0, esp.len - o->icv_len);
	c.body = ipm_span_from(c.covered, head + iv_len);
	c.icv = esp.p + c.covered.len;
	if (cap < esp.len)
		return IPM_R_NO_MEMORY;

	o->choices.seq = sa->old ? 0 : ipm_load32(esp.p + SPI_LEN);
	if (sa->esn)
		o->choices.seq |= seq >> 32 << 32;
	memcpy(o->choices.iv, esp.p + head, iv_len);
	if (combined(sa)) {
		r = open_combined(sa, &c, seq, out, explain, trace, o);
		o->icv_ok = r == IPM_R_OK;
	} else
		r = open_separate(sa, &c, seq, out, explain, trace, o);
	if (o->icv_ok)
		ipm_trace_add(trace, IPM_STEP_DECRYPT, r, c.body.len, iv_len);
	if (r != IPM_R_OK)
		return r;
	r = read_trailer(sa, pf, out, c.body.len, o);
	ipm_trace_add(
	    trace, IPM_STEP_PADDING, r, o->choices.pad_len, c.body.len);
	return r;
}

/* --- sealing ------------------------------------------------------------- */

/*
 * [ESP-2.4-01] [ESP-2.4-06] Payload, padding and trailer fill the cipher's
 * blocks; [ESP-2.4-02] [ESP-2.4-07] counted from the SPI they end on a 4-octet
 * boundary.
 */
static bool
fills(const struct ipm_esp_sa *sa, size_t block, size_t len, size_t pad_len)
{
	size_t body = len + pad_len + TRAILER_LEN;

	return body % block == 0 &&
	    (head_len(sa) + sa->enc->iv_len + body) % 4 == 0;
}

uint8_t
ipm_esp_pad_to(const struct ipm_esp_sa *sa, bool ctr_blocks, size_t len)
{
	size_t block = ctr_blocks && sa->enc->nonce == IPM_NONCE_CTR
	    ? CTR_BLOCK
	    : cipher_block(sa->enc);
	uint8_t pad_len = 0;

	/* [ESP-2.4-03] The least that fits; at most 15 octets. */
	while (!fills(sa, block, len, pad_len) && pad_len < IPM_ESP_PAD_MAX)
		pad_len++;
	return pad_len;
}

uint8_t
ipm_esp_pad_min(
    const struct ipm_esp_sa *sa, const struct ipm_profile *pf, size_t len)
{
	return ipm_esp_pad_to(
	    sa, ipm_sw(pf, IPM_SW_ESP_CTR_PAD) != IPM_OFF, len);
}

bool
ipm_esp_pad_make(const struct ipm_esp_sa *sa, struct ipm_tape *tape,
    struct ipm_esp_choices *c)
{
	const uint8_t *random;

	if (sa->pad_fill == IPM_PAD_SEQ || sa->pad_fill == IPM_PAD_ZERO) {
		/* [ESP-2.4-09] */
		for (size_t i = 0; i < c->pad_len; i++)
			c->pad[i] = pad_octet(sa->pad_fill, i);
		return true;
	}
	random = tape == NULL ? NULL : ipm_tape_take(tape, c->pad_len);
	if (random == NULL)
		return c->pad_len == 0;
	memcpy(c->pad, random, c->pad_len);
	return true;
}

/* Encrypts the body in place and appends the tag. */
static enum ipm_err
seal_combined(const struct ipm_esp_sa *sa, const struct ipm_esp_choices *c,
    uint8_t *out, size_t body_off, size_t n)
{
	uint8_t nonce[16], head[12], tag[IPM_ICV_MAX];
	size_t nonce_len = ipm_alg_nonce(sa->enc, sa->salt, c->iv, nonce);
	struct ipm_span covered = ipm_span(out, n), aad, src;
	bool gap = sa->enc->payload_in_aad && esn_splits_aad(sa);
	size_t rest = n - SPI_LEN;
	enum ipm_err err;

	if (gap) {
		/* The high half goes in for the computation, and out again. */
		memmove(out + SPI_LEN + 4, out + SPI_LEN, rest);
		ipm_store32(out + SPI_LEN, (uint32_t)(c->seq >> 32));
		aad = ipm_span(out, n + 4);
	} else
		aad = associated(sa, covered, c->seq, head, NULL);
	src = sa->enc->payload_in_aad ? ipm_span(out, 0)
				      : ipm_span_from(covered, body_off);
	err = sa->provider->aead(sa->session, true, nonce, nonce_len, aad, src,
	    out + body_off, tag, sa->enc->icv_len, NULL);
	if (gap)
		memmove(out + SPI_LEN, out + SPI_LEN + 4, rest);
	if (err == IPM_OK)
		memcpy(out + n, tag, sa->enc->icv_len);
	return err;
}

/* [ESP-3.3.2.1-03] Encrypts the body in place, then computes the ICV. */
static enum ipm_err
seal_separate(const struct ipm_esp_sa *sa, const struct ipm_esp_choices *c,
    uint8_t *out, size_t body_off, size_t n)
{
	uint8_t nonce[16], mac[IPM_ICV_MAX];
	enum ipm_err err = IPM_OK;

	if (sa->enc->prim != IPM_PRIM_NULL) {
		size_t nonce_len =
		    ipm_alg_nonce(sa->enc, sa->salt, c->iv, nonce);

		err = sa->provider->cipher(sa->session, true, nonce, nonce_len,
		    ipm_span(out + body_off, n - body_off), out + body_off);
	}
	if (err != IPM_OK || sa->auth == NULL)
		return err;
	/* [ESP-3.3.2.1-04] */
	err = separate_mac(sa, ipm_span(out, n), c->seq, mac);
	if (err == IPM_OK)
		memcpy(out + n, mac, sa->auth->icv_len);
	return err;
}

enum ipm_err
ipm_esp_seal(const struct ipm_esp_sa *sa, const struct ipm_esp_choices *c,
    uint8_t next_header, struct ipm_span payload, uint8_t *out, size_t cap,
    size_t *len)
{
	size_t body_off = head_len(sa) + sa->enc->iv_len;
	size_t icv_len = ipm_esp_icv_len(sa), n = body_off;
	enum ipm_err err;

	if (cap < payload.len || cap - payload.len < shortest(sa) + c->pad_len)
		return IPM_ERR_NOBUF;
	if ((payload.len + c->pad_len + TRAILER_LEN) % cipher_block(sa->enc) !=
	    0)
		return IPM_ERR_BADARG;

	/* [ESP-2-02] [ESP-2-08] The order on the wire, in network order. */
	ipm_store32(out, sa->spi);
	/* [ESP-2.2-02] [ESP-2.2.1-03] Always there; the low half is sent. */
	if (!sa->old)
		ipm_store32(out + SPI_LEN, (uint32_t)c->seq);
	memcpy(out + head_len(sa), c->iv, sa->enc->iv_len);
	if (payload.len != 0)
		memcpy(out + n, payload.p, payload.len);
	n += payload.len;
	memcpy(out + n, c->pad, c->pad_len);
	n += c->pad_len;
	/* [ESP-2.5-01] [ESP-2.6-01] */
	out[n++] = c->pad_len;
	out[n++] = next_header;

	err = combined(sa) ? seal_combined(sa, c, out, body_off, n)
			   : seal_separate(sa, c, out, body_off, n);
	if (err == IPM_OK)
		*len = n + icv_len;
	return err;
}

const char *
ipm_esp_judge(const struct ipm_esp_sa *sa, const struct ipm_esp_choices *c,
    size_t payload_len)
{
	/* [ESP-2.2-05] The first packet carries 1. */
	if (!sa->old && c->seq == 0)
		return "seq-zero";
	if (!fills(sa, cipher_block(sa->enc), payload_len, c->pad_len))
		return "pad-align";
	if (!pad_as_filled(sa->pad_fill, c->pad, c->pad_len))
		return "pad-octets";
	return NULL;
}
