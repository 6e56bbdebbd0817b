/*
 * ESP packets as they come from the wire, under SAs with and without
 * integrity, and the tunnel's exit behind them.
 *
 * Input: one octet for the SA, one for profile, strict and pad fill, one for
 * the outer TOS octet, then SPI to ICV.
 *
 * Whatever opens must seal again to the same octets with the choices read off
 * it, and without them the payload stays hidden.  The same octets are then
 * sealed as a payload, which must open.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hx_engine.h"
#include "ipm_profile.h"
#include "provider/ipm_libcrypto.h"
#include "transform/ipm_esp.h"
#include "transform/ipm_tunnel.h"

#define MOST 4096U /* longer inputs show nothing new */

static const struct {
	const char *enc, *auth;
	bool esn, old;
} rows[] = {
	{ "null", NULL, false, false },
	{ "aes-cbc", NULL, false, false },
	{ "aes-ctr", NULL, false, false },
	{ "des-cbc", NULL, false, true },
	{ "null", "hmac-sha256", false, false },
	{ "aes-cbc", "hmac-sha1", false, false },
	{ "aes-cbc", "hmac-sha1", true, false },
	{ "aes-gcm-16", NULL, false, false },
	{ "aes-gcm-16", NULL, true, false },
	{ "aes-gmac", NULL, false, false },
	{ "aes-gmac", NULL, true, false },
	{ "aes-ccm-8", NULL, false, false },
	{ "chacha20-poly1305", NULL, true, false },
	{ "aes-cbc", "null-auth", false, false },
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static struct ipm_provider provider;
static struct ipm_esp_sa sas[N_ROWS];

/* Keys 1, 2, 3, ... and, for integrity, 33, 34, ...; salt a0 a1 a2 a3. */
static void
start(void)
{
	struct ipm_alloc alloc = hx_alloc();
	uint8_t key[128];

	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i + 1);
	must(ipm_libcrypto_open(&provider, &alloc) == IPM_OK);
	for (size_t i = 0; i < N_ROWS; i++) {
		struct ipm_esp_sa *sa = &sas[i];
		struct ipm_session_desc d = { 0 };

		sa->enc = d.enc = ipm_alg_by_name(rows[i].enc);
		d.enc_key = ipm_span(key, d.enc->key_min);
		if (rows[i].auth != NULL) {
			sa->auth = d.auth = ipm_alg_by_name(rows[i].auth);
			d.auth_key = ipm_span(key + 32, d.auth->key_min);
		}
		sa->esn = rows[i].esn;
		sa->old = rows[i].old;
		sa->provider = &provider;
		for (size_t k = 0; k < IPM_SALT_MAX; k++)
			sa->salt[k] = (uint8_t)(0xa0 + k);
		must(provider.open(&provider, &d, &sa->session) == IPM_OK);
	}
}

/* The exit keeps inside the payload, and changes the TOS octet at most. */
static void
leave_tunnel(const struct ipm_profile *pf, uint8_t tos, uint8_t nh,
    struct ipm_span payload)
{
	static uint8_t copy[MOST + 64];
	struct ipm_ip outer = { .version = 4, .tos = tos };
	struct ipm_decap_rules rules = { (nh & 1) != 0, (tos & 64) != 0,
		(tos & 128) != 0 };
	struct ipm_span inner;
	size_t tfc;
	enum ipm_reason r;

	if (payload.len != 0)
		memcpy(copy, payload.p, payload.len);
	r = ipm_tunnel_exit(
	    pf, &rules, &outer, nh, copy, payload.len, NULL, &inner, &tfc);
	if (r != IPM_R_OK) {
		must(inner.len == 0 &&
		    (payload.len == 0 ||
			memcmp(copy, payload.p, payload.len) == 0));
		return;
	}
	must(inner.p == copy && inner.len + tfc == payload.len &&
	    inner.len >= IPM_IP4_HLEN);
	must(memcmp(copy + 12, payload.p + 12, payload.len - 12) == 0);
}

static void
open_wire(const struct ipm_esp_sa *shared, const struct ipm_profile *pf,
    struct ipm_span esp, uint8_t tos)
{
	static uint8_t out[MOST + 64], again[MOST + 64];
	struct ipm_esp_sa sa = *shared;
	struct ipm_trace trace = { 0 };
	struct ipm_esp_opened o;
	uint32_t seq_lo = 0;
	enum ipm_reason r;
	size_t len = 0;

	/* Look-up has found the SA by this SPI. */
	if (esp.len >= 4)
		sa.spi = ipm_load32(esp.p);
	r = ipm_esp_peek(&sa, esp, &seq_lo);
	must(r == IPM_R_OK || r == IPM_R_BAD_LENGTH);
	r = ipm_esp_open(&sa, pf, esp, (uint64_t)7 << 32 | seq_lo, out, esp.len,
	    true, &trace, &o);
	must(r == IPM_R_OK || r == IPM_R_BAD_LENGTH || r == IPM_R_ICV_BAD ||
	    r == IPM_R_PAD_LENGTH_BAD || r == IPM_R_PAD_BAD);
	must(o.icv_ok || r == IPM_R_BAD_LENGTH || r == IPM_R_ICV_BAD);
	if (r != IPM_R_OK) {
		must(o.payload.len == 0);
		return;
	}
	must(o.icv_ok && o.payload.p == out);
	must(ipm_esp_seal(&sa, &o.choices, o.next_header, o.payload, again,
		 esp.len, &len) == IPM_OK);
	/* A null MAC's octets are zeros when sealed, and must have been. */
	must(len == esp.len && memcmp(again, esp.p, len) == 0);
	(void)ipm_esp_judge(&sa, &o.choices, o.payload.len);
	leave_tunnel(pf, tos, o.next_header, o.payload);
	leave_tunnel(pf, tos, o.payload.len != 0 && out[0] >> 4 == 6 ? 41 : 4,
	    o.payload);
}

static void
seal_payload(const struct ipm_esp_sa *sa, struct ipm_span payload)
{
	static uint8_t esp[MOST + 512], out[MOST + 512];
	struct ipm_profile pf;
	struct ipm_esp_choices c = { .seq = (uint64_t)7 << 32 | 1 };
	struct ipm_esp_opened o;
	size_t len = 0;

	ipm_profile_init(&pf, IPM_PF_RFC4301);
	if (!sa->esn)
		c.seq = 1;
	c.pad_len = ipm_esp_pad_min(sa, &pf, payload.len);
	must(sa->pad_fill == IPM_PAD_RANDOM || ipm_esp_pad_make(sa, NULL, &c));
	must(ipm_esp_judge(sa, &c, payload.len) == NULL);
	must(
	    ipm_esp_seal(sa, &c, 17, payload, esp, sizeof esp, &len) == IPM_OK);
	must(ipm_esp_open(sa, &pf, ipm_span(esp, len), c.seq, out, len, false,
		 NULL, &o) == IPM_R_OK);
	must(o.next_header == 17 && o.payload.len == payload.len &&
	    (payload.len == 0 ||
		memcmp(o.payload.p, payload.p, payload.len) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipm_profile pf;
	struct ipm_esp_sa sa;
	struct ipm_span esp;

	if (size < 3 || size - 3 > MOST)
		return 0;
	if (provider.ctx == NULL)
		start();
	sa = sas[data[0] % N_ROWS];
	ipm_profile_init(
	    &pf, (enum ipm_profile_id)((data[1] & 7) % IPM_N_PROFILES));
	if ((data[1] & 8) != 0)
		pf.value[IPM_SW_STRICT] = IPM_ON;
	sa.pad_fill = (enum ipm_pad_fill)((data[1] >> 4 & 3) % 3);
	esp = ipm_span(data + 3, size - 3);
	open_wire(&sa, &pf, esp, data[2]);
	seal_payload(&sa, esp);
	return 0;
}
