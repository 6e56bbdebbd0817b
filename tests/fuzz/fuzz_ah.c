/*
 * AH packets as they come from the wire, and any IP packet to be protected.
 *
 * Input: one octet for the SA, one for the profile and ah_cleartos, one for
 * ah-rules and the direction, two for ah_offsetmask, then an IP packet.
 *
 * Whatever opens must seal again to the same octets with the choices read off
 * it.  Any header is massaged once and for all, and whatever its TTL and
 * checksum.  A packet that is sealed must open to what was sealed.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hx_engine.h"
#include "ipm_profile.h"
#include "provider/ipm_libcrypto.h"
#include "transform/ipm_ah.h"

#define MOST 2048U /* longer inputs show nothing new */

static const struct {
	const char *auth;
	bool esn, old;
} rows[] = {
	{ "null-auth", false, false },
	{ "hmac-md5", false, false },
	{ "hmac-sha1", false, false },
	{ "hmac-sha256", false, false },
	{ "hmac-sha512", true, false },
	{ "aes-cmac", false, false },
	{ "aes-gmac-auth", true, false },
	{ "keyed-md5", false, true },
	{ "keyed-sha1", false, false },
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static struct ipm_provider provider;
static struct ipm_ah_sa sas[N_ROWS];

/* Keys 1, 2, 3, ... of the row's least length (16 if 1); salt a0 a1 a2 a3. */
static void
start(void)
{
	struct ipm_alloc alloc = hx_alloc();
	uint8_t key[128];

	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i + 1);
	must(ipm_libcrypto_open(&provider, &alloc) == IPM_OK);
	for (size_t i = 0; i < N_ROWS; i++) {
		struct ipm_ah_sa *sa = &sas[i];
		struct ipm_session_desc d = { 0 };

		sa->auth = d.auth = ipm_alg_by_name(rows[i].auth);
		must(d.auth != NULL);
		d.auth_key =
		    ipm_span(key, d.auth->key_min == 1 ? 16 : d.auth->key_min);
		sa->esn = rows[i].esn;
		sa->old = rows[i].old;
		sa->provider = &provider;
		for (size_t k = 0; k < IPM_SALT_MAX; k++)
			sa->salt[k] = (uint8_t)(0xa0 + k);
		must(provider.open(&provider, &d, &sa->session) == IPM_OK);
	}
}

/* One input, taken apart. */
struct input {
	struct ipm_ah_sa sa;
	struct ipm_profile pf;
	struct ipm_ah_knobs knobs;
	bool outbound;
	struct ipm_ip ip;
};

static bool
is_header_reason(enum ipm_reason r)
{
	return r == IPM_R_OPTION_BAD || r == IPM_R_EXT_BAD;
}

static enum ipm_reason
massage(const struct input *in, uint8_t *hdr, size_t *len)
{
	return ipm_ah_massage(hdr, len, in->ip.version, &in->pf, &in->knobs,
	    ipm_alg_is_keyed_hash(in->sa.auth), in->outbound);
}

static void
massage_header(const struct input *in)
{
	static uint8_t a[MOST], b[MOST];
	size_t hlen = in->ip.hlen, a_len = hlen, b_len = hlen;
	enum ipm_reason r;

	memcpy(a, in->ip.packet.p, hlen);
	memcpy(b, in->ip.packet.p, hlen);
	/* As it may come behind the next router. */
	if (in->ip.version == 4) {
		b[8] = (uint8_t)~b[8];
		b[10] = (uint8_t)~b[10];
		b[11] = (uint8_t)~b[11];
	} else {
		b[7] = (uint8_t)~b[7];
	}
	r = massage(in, a, &a_len);
	must(massage(in, b, &b_len) == r);
	must(r == IPM_R_OK || is_header_reason(r));
	if (r != IPM_R_OK)
		return;
	must(a_len == b_len && memcmp(a, b, a_len) == 0);
	must(a_len == hlen || a_len + 8 == hlen);
	/* And once more: nothing is left to do. */
	must(massage(in, b, &b_len) == IPM_R_OK && b_len == a_len &&
	    memcmp(a, b, a_len) == 0);
}

static void
open_wire(const struct input *in)
{
	static uint8_t scratch[MOST], again[MOST + 128];
	const struct ipm_ip *ip = &in->ip;
	struct ipm_span ah = ipm_span_from(ip->packet, ip->hlen);
	struct ipm_ah_sa sa = in->sa;
	struct ipm_trace trace = { 0 };
	struct ipm_ah_opened o;
	uint32_t seq_lo = 0;
	enum ipm_reason r;
	size_t len = 0;

	/* Look-up has found the SA by this SPI. */
	if (ah.len >= 8)
		sa.spi = ipm_load32(ah.p + 4);
	r = ipm_ah_peek(&sa, ah, &seq_lo);
	must(r == IPM_R_OK || r == IPM_R_BAD_LENGTH);
	r = ipm_ah_open(&sa, &in->pf, &in->knobs, ip,
	    (uint64_t)(sa.esn ? 7 : 0) << 32 | seq_lo, scratch, ip->hlen, true,
	    &trace, &o);
	must(r == IPM_R_OK || r == IPM_R_BAD_LENGTH || r == IPM_R_ICV_BAD ||
	    is_header_reason(r));
	must(o.icv_ok == (r == IPM_R_OK));
	if (r != IPM_R_OK) {
		must(o.payload.len == 0);
		return;
	}
	must(o.payload.len + o.ahlen == ah.len);
	(void)ipm_ah_judge(&sa, &o.choices, ip->version);
	must(ipm_ah_seal(&sa, &in->pf, &in->knobs, &o.choices,
		 ipm_span_sub(ip->packet, 0, ip->hlen), ip->version,
		 ip->proto_off, o.next_header, o.payload, false, again,
		 ip->packet.len, &len) == IPM_R_OK);
	must(len == ip->packet.len);
	/* The checksum was not looked at; the sealer writes the right one. */
	if (ip->version == 4)
		memcpy(again + 10, ip->packet.p + 10, 2);
	must(memcmp(again, ip->packet.p, len) == 0);
}

static size_t
fill_to(const struct ipm_profile *pf)
{
	uint32_t pad = ipm_sw(pf, IPM_SW_AH_ICV_PAD);

	return pad == IPM_AHPAD_4 ? 4 : pad == IPM_AHPAD_8 ? 8 : 0;
}

static void
seal_packet(const struct input *in)
{
	static uint8_t out[MOST + 128], scratch[MOST];
	const struct ipm_ip *ip = &in->ip;
	const struct ipm_ah_sa *sa = &in->sa;
	struct ipm_span payload = ipm_span_from(ip->packet, ip->hlen);
	struct ipm_ah_choices c = { .seq = 1,
		.fill = { 1, 2, 3, 4, 5, 6, 7, 8 } };
	size_t bare = (sa->old ? 8U : 12U) + sa->auth->iv_len +
	    (sa->old ? 16U : sa->auth->icv_len);
	struct ipm_ah_opened o;
	struct ipm_ip made;
	enum ipm_reason r;
	size_t len = 0;

	c.fill_len =
	    (uint8_t)(ipm_ah_len(sa, ip->version, fill_to(&in->pf)) - bare);
	if (sa->esn)
		c.seq |= (uint64_t)7 << 32;
	r = ipm_ah_seal(sa, &in->pf, &in->knobs, &c,
	    ipm_span_sub(ip->packet, 0, ip->hlen), ip->version, ip->proto_off,
	    ip->proto, payload, in->outbound, out, sizeof out, &len);
	must(r == IPM_R_OK || is_header_reason(r));
	must((r == IPM_R_OK) == (len != 0));
	if (r != IPM_R_OK || in->outbound)
		return;
	must(ipm_ip_parse(ipm_span(out, len), true, &made) == IPM_R_OK);
	must(made.hlen == ip->hlen && made.proto == IPM_PROTO_AH);
	must(ipm_ah_open(sa, &in->pf, &in->knobs, &made, c.seq, scratch,
		 sizeof scratch, false, NULL, &o) == IPM_R_OK);
	must(o.next_header == ip->proto && o.payload.len == payload.len);
	must(payload.len == 0 ||
	    memcmp(o.payload.p, payload.p, payload.len) == 0);
	must(o.choices.fill_len == c.fill_len &&
	    memcmp(o.choices.fill, c.fill, c.fill_len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;

	if (size < 5 || size - 5 > MOST)
		return 0;
	if (provider.ctx == NULL)
		start();
	in.sa = sas[data[0] % N_ROWS];
	ipm_profile_init(
	    &in.pf, (enum ipm_profile_id)((data[1] & 7) % IPM_N_PROFILES));
	if ((data[2] & 3) != 3)
		in.pf.value[IPM_SW_AH_RULES] = data[2] & 3;
	in.knobs.cleartos = (data[1] & 8) == 0;
	in.knobs.offsetmask = ipm_load16(data + 3);
	in.outbound = (data[2] & 4) != 0;
	if (ipm_ip_parse(ipm_span(data + 5, size - 5), false, &in.ip) !=
		IPM_R_OK ||
	    in.ip.fragment)
		return 0;
	massage_header(&in);
	if (in.ip.proto == IPM_PROTO_AH)
		open_wire(&in);
	seal_packet(&in);
	return 0;
}
