/*
 * Implementation notes.  The packet is never copied for its ICV: the MAC runs
 * over parts, the massaged header, AH with zeros where the ICV stands, the
 * payload as it lies, and with ESN the high half [AH-3.3.3.2.2-01].
 */
#include "ipm_ah.h"

#include <string.h>

struct ipm_ah_knobs
ipm_ah_knobs_default(void)
{
	return (struct ipm_ah_knobs){ .cleartos = true, .offsetmask = 0 };
}

static size_t
fixed_len(const struct ipm_ah_sa *sa)
{
	return sa->old ? 8 : 12;
}

/* [AHOLD-RFC1828-03] Old AH carries 16 octets of whatever digest. */
size_t
ipm_ah_icv_len(const struct ipm_ah_sa *sa)
{
	return sa->old ? 16 : sa->auth->icv_len;
}

static size_t
round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Fixed part, IV and ICV, before any filling. */
static size_t
bare_len(const struct ipm_ah_sa *sa)
{
	return fixed_len(sa) + sa->auth->iv_len + ipm_ah_icv_len(sa);
}

size_t
ipm_ah_len(const struct ipm_ah_sa *sa, uint8_t ip_version, size_t fill_to)
{
	if (fill_to == 0)
		fill_to = ip_version == 4 ? 4 : 8;
	return round_up(bare_len(sa), fill_to);
}

/* Is this a header length the profile takes? */
static bool
length_ok(const struct ipm_ah_sa *sa, const struct ipm_profile *pf,
    uint8_t version, size_t ahlen)
{
	size_t four = ipm_ah_len(sa, version, 4);
	size_t eight = ipm_ah_len(sa, version, 8);

	switch (ipm_sw(pf, IPM_SW_AH_ICV_PAD)) {
	case IPM_AHPAD_RFC4302:
		/* [AH-2.6-02] [AH-2.6-03] */
		return ahlen == (version == 4 ? four : eight);
	case IPM_AHPAD_4:
		return ahlen == four;
	case IPM_AHPAD_8:
		return ahlen == (version == 4 && sa->align4 ? four : eight);
	default:
		return ahlen == four || ahlen == eight;
	}
}

/*
 * The length octet: words less two [AH-2.2-01], which in the old header, where
 * two stand in front of the data, are those of the data [AHOLD-RFC1826-02].
 */
static size_t
stated_len(uint8_t len)
{
	return ((size_t)len + 2) * 4;
}

enum ipm_reason
ipm_ah_peek(const struct ipm_ah_sa *sa, struct ipm_span ah, uint32_t *seq_lo)
{
	*seq_lo = 0;
	if (ah.len < fixed_len(sa))
		return IPM_R_BAD_LENGTH;
	if (!sa->old)
		*seq_lo = ipm_load32(ah.p + 8);
	return IPM_R_OK;
}

/* The value over header, AH and payload; ah is the AH header's octets. */
static enum ipm_err
compute(const struct ipm_ah_sa *sa, struct ipm_span hdr, const uint8_t *ah,
    size_t ahlen, struct ipm_span payload, uint64_t seq, uint8_t *out)
{
	static const uint8_t zero[IPM_ICV_MAX];
	size_t lead = fixed_len(sa) + sa->auth->iv_len;
	struct ipm_span parts[6];
	uint8_t hi[4], nonce[16];
	size_t n = 0, nonce_len;

	nonce_len =
	    ipm_alg_nonce(sa->auth, sa->salt, ah + fixed_len(sa), nonce);
	parts[n++] = hdr;
	parts[n++] = ipm_span(ah, lead);
	/* [AH-3.3.3.1-03] [AHOLD-RFC1826-08] The ICV counts as zero; the
	 * fill behind it as it stands [AH-3.3.3.2.1-01] [AH-3.4.4-04]. */
	parts[n++] = ipm_span(zero, ipm_ah_icv_len(sa));
	parts[n++] = ipm_span(
	    ah + lead + ipm_ah_icv_len(sa), ahlen - lead - ipm_ah_icv_len(sa));
	parts[n++] = payload; /* [AH-3.3.3-02] */
	if (sa->esn) {
		ipm_store32(hi, (uint32_t)(seq >> 32));
		parts[n++] = ipm_span(hi, sizeof hi);
	}
	return sa->provider->mac(sa->session, nonce_len == 0 ? NULL : nonce,
	    nonce_len, parts, n, out);
}

static void
read_choices(const struct ipm_ah_sa *sa, const uint8_t *ah, size_t ahlen,
    uint64_t seq, struct ipm_ah_choices *c)
{
	size_t bare = bare_len(sa);

	c->seq = seq;
	/* [AH-2.3-02] [AHOLD-RFC1826-03] */
	c->reserved = ipm_load16(ah + 2);
	memcpy(c->iv, ah + fixed_len(sa), sa->auth->iv_len);
	c->fill_len = (uint8_t)(ahlen - bare);
	memcpy(c->fill, ah + bare, c->fill_len);
}

enum ipm_reason
ipm_ah_open(const struct ipm_ah_sa *sa, const struct ipm_profile *pf,
    const struct ipm_ah_knobs *knobs, const struct ipm_ip *ip, uint64_t seq,
    uint8_t *scratch, size_t cap, bool explain, struct ipm_trace *trace,
    struct ipm_ah_opened *o)
{
	struct ipm_span ah = ipm_span_from(ip->packet, ip->hlen);
	uint8_t mac[IPM_ICV_MAX] = { 0 };
	const uint8_t *received;
	enum ipm_reason r;
	size_t seen; /* octets of the header that count */

	o->next_header = 0;
	o->ahlen = 0;
	o->icv_ok = false;
	o->icv_len = ipm_ah_icv_len(sa);
	o->payload = ipm_span(NULL, 0);
	if (ah.len < bare_len(sa))
		return IPM_R_BAD_LENGTH;
	o->next_header = ah.p[0];
	o->ahlen = stated_len(ah.p[1]);
	/* [AH-2.2-03] */
	if (o->ahlen > ah.len || !length_ok(sa, pf, ip->version, o->ahlen))
		return IPM_R_BAD_LENGTH;
	if (cap < ip->hlen)
		return IPM_R_NO_MEMORY;
	memcpy(scratch, ip->packet.p, ip->hlen);
	seen = ip->hlen;
	r = ipm_ah_massage(scratch, &seen, ip->version, pf, knobs,
	    ipm_alg_is_keyed_hash(sa->auth), false);
	if (r != IPM_R_OK)
		return r;
	if (compute(sa, ipm_span(scratch, seen), ah.p, o->ahlen,
		ipm_span_from(ah, o->ahlen), seq, mac) != IPM_OK)
		return IPM_R_CRYPTO_FAILED;
	received = ah.p + fixed_len(sa) + sa->auth->iv_len;
	/* [AH-3.4.4-01] [AH-3.4.3-10] [AHOLD-RFC1826-12] */
	o->icv_ok = ipm_ct_equal(mac, received, o->icv_len);
	r = o->icv_ok ? IPM_R_OK : IPM_R_ICV_BAD;
	ipm_trace_add(trace, IPM_STEP_ICV, r, ip->packet.len, o->icv_len);
	if (!o->icv_ok) {
		memcpy(o->received, received, o->icv_len);
		if (explain)
			memcpy(o->computed, mac, o->icv_len);
		return r;
	}
	read_choices(sa, ah.p, o->ahlen, seq, &o->choices);
	o->payload = ipm_span_from(ah, o->ahlen);
	return IPM_R_OK;
}

/* All of the AH header but the ICV. */
static void
write_ah(const struct ipm_ah_sa *sa, const struct ipm_ah_choices *c,
    uint8_t next_header, uint8_t *ah, size_t ahlen)
{
	ah[0] = next_header;              /* [AH-2.1-01] */
	ah[1] = (uint8_t)(ahlen / 4 - 2); /* as in stated_len() */
	ipm_store16(ah + 2, c->reserved);
	ipm_store32(ah + 4, sa->spi);
	/* [AH-2.5-02] [AH-2.5.1-03] [AHOLD-RFC1826-01] */
	if (!sa->old)
		ipm_store32(ah + 8, (uint32_t)c->seq);
	memcpy(ah + fixed_len(sa), c->iv, sa->auth->iv_len);
	memcpy(ah + bare_len(sa), c->fill, c->fill_len);
}

enum ipm_reason
ipm_ah_seal(const struct ipm_ah_sa *sa, const struct ipm_profile *pf,
    const struct ipm_ah_knobs *knobs, const struct ipm_ah_choices *c,
    struct ipm_span hdr, uint8_t version, size_t proto_off, uint8_t next_header,
    struct ipm_span payload, bool outbound, uint8_t *out, size_t cap,
    size_t *len)
{
	size_t ahlen = bare_len(sa) + c->fill_len;
	size_t total = hdr.len + ahlen + payload.len, seen = hdr.len;
	uint8_t mac[IPM_ICV_MAX] = { 0 }, *ah = out + hdr.len;
	enum ipm_err err = IPM_OK;
	enum ipm_reason r;

	*len = 0;
	if (ahlen % 4 != 0 || c->fill_len > sizeof c->fill)
		return IPM_R_BAD_LENGTH;
	if (total > cap)
		return IPM_R_NO_MEMORY;
	memcpy(out, hdr.p, hdr.len);
	/* [AH-2-01] [AH-3.3.3.1.1.1-04] Length and protocol as sent. */
	if (!ipm_ip_rewrite(
		out, version, hdr.len, total, proto_off, IPM_PROTO_AH))
		return IPM_R_TOO_BIG;
	if (payload.len != 0)
		memcpy(ah + ahlen, payload.p, payload.len);
	write_ah(sa, c, next_header, ah, ahlen);

	/* The header is massaged where it stands and then written again. */
	r = ipm_ah_massage(out, &seen, version, pf, knobs,
	    ipm_alg_is_keyed_hash(sa->auth), outbound);
	if (r == IPM_R_OK)
		err = compute(sa, ipm_span(out, seen), ah, ahlen,
		    ipm_span(ah + ahlen, payload.len), c->seq, mac);
	/* [MAN-cleartos-04] What counts as zero is sent as it is. */
	memcpy(out, hdr.p, hdr.len);
	(void)ipm_ip_rewrite(
	    out, version, hdr.len, total, proto_off, IPM_PROTO_AH);
	if (r != IPM_R_OK)
		return r;
	if (err != IPM_OK)
		return IPM_R_CRYPTO_FAILED;
	memcpy(ah + fixed_len(sa) + sa->auth->iv_len, mac, ipm_ah_icv_len(sa));
	*len = total;
	return IPM_R_OK;
}

const char *
ipm_ah_judge(const struct ipm_ah_sa *sa, const struct ipm_ah_choices *c,
    uint8_t ip_version)
{
	size_t ahlen = bare_len(sa) + c->fill_len;
	size_t least;

	if (c->reserved != 0)
		return "reserved"; /* [AH-2.3-01] */
	if (c->seq == 0 && !sa->old)
		return "seq-zero";
	/*
	 * [AH-2.6-03] [AH-3.3.3.2.1-02] No more than the alignment needs; in
	 * IPv4 that of 8 passes, which Linux keeps unless told ALIGN4 (the
	 * profile's ah-icv-pad refuses it on opening).
	 */
	least = ipm_ah_len(sa, ip_version, 0);
	if (ahlen == least)
		return NULL;
	if (ip_version == 4 && !sa->align4 &&
	    ahlen == ipm_ah_len(sa, ip_version, 8))
		return NULL;
	return "icv-fill";
}
