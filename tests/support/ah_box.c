#include "ah_box.h"

#include <criterion/criterion.h>
#include <string.h>

#include "hx_engine.h"
#include "model/provider/ipm_libcrypto.h"

void
ah_box_open_key(
    struct ah_box *b, const struct ipm_alg *auth, struct ipm_span key)
{
	struct ipm_alloc alloc = hx_alloc();
	struct ipm_session_desc d = { .auth = auth, .auth_key = key };

	memset(b, 0, sizeof *b);
	cr_assert_not_null(auth);
	cr_assert_eq(ipm_libcrypto_open(&b->provider, &alloc), IPM_OK);
	b->sa.spi = 0x01020304;
	b->sa.auth = auth;
	b->sa.provider = &b->provider;
	cr_assert_eq(b->provider.open(&b->provider, &d, &b->sa.session), IPM_OK,
	    "no session for %s", auth->name);
}

void
ah_box_open(struct ah_box *b, const char *auth)
{
	const struct ipm_alg *a = ipm_alg_by_name(auth);
	uint8_t key[128];

	cr_assert_not_null(a, "%s", auth);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i + 1);
	ah_box_open_key(b, a, ipm_span(key, a->key_min == 1 ? 16 : a->key_min));
	for (size_t i = 0; i < IPM_SALT_MAX; i++)
		b->sa.salt[i] = (uint8_t)(0xa0 + i);
}

void
ah_box_close(struct ah_box *b)
{
	b->provider.close(&b->provider, b->sa.session);
	ipm_libcrypto_close(&b->provider);
}

/*
 * RFC 4302 A1, the first block: copied flag, class, number.  All others are
 * zeroed, those of the second and third block and those of none (3.3.3.1).
 */
static const struct {
	unsigned copied, class, number;
} immutable[] = {
	{ 0, 0, 0 },  /* end of options list */
	{ 0, 0, 1 },  /* no operation */
	{ 1, 0, 2 },  /* security */
	{ 1, 0, 5 },  /* extended security */
	{ 1, 0, 6 },  /* commercial security */
	{ 1, 0, 20 }, /* router alert */
	{ 1, 0, 21 }, /* sender directed multi-destination delivery */
};

static bool
is_immutable(uint8_t type)
{
	for (size_t i = 0; i < sizeof immutable / sizeof immutable[0]; i++)
		if (type ==
		    (immutable[i].copied << 7 | immutable[i].class << 5 |
			immutable[i].number))
			return true;
	return false;
}

static bool
naive4(uint8_t *h, size_t at, enum ah_fault fault)
{
	/* 3.3.3.1.1.1: TOS, flags and offset, TTL, checksum. */
	static const size_t mutable[] = { 1, 6, 7, 8, 10, 11 };
	size_t off = 20;

	if ((h[0] & 15U) * 4U != at)
		return false;
	for (size_t i = 0; i < sizeof mutable / sizeof mutable[0]; i++)
		if (mutable[i] != 8 || fault != AH_TTL_COVERED)
			h[mutable[i]] = 0;
	while (off < at && h[off] != 0) {
		size_t n = 1;

		if (h[off] != 1) {
			if (off + 1 == at || h[off + 1] < 2 ||
			    off + h[off + 1] > at)
				return false;
			n = h[off + 1];
		}
		if (!is_immutable(h[off])) {
			size_t keep = fault == AH_OPTION_TYPE_COVERED;

			memset(h + off + keep, 0, n - keep);
		}
		off += n;
	}
	return true;
}

static bool
naive6_options(uint8_t *p, size_t n)
{
	size_t off = 2;

	while (off < n) {
		size_t end;

		if (p[off] == 0) {
			off++;
			continue;
		}
		if (off + 1 == n)
			return false;
		end = off + 2 + p[off + 1];
		if (end > n)
			return false;
		/* 3.3.3.1.2.2: the third-highest bit of the type. */
		if (p[off] >> 5 & 1)
			memset(p + off + 2, 0, end - off - 2);
		off = end;
	}
	return true;
}

/* Returns false, or true with *cut octets of a fragment header left out. */
static bool
naive6(uint8_t *h, size_t at, size_t *cut)
{
	size_t off = 40, name = 6, gone = 0, gone_at = 0, gone_name = 0;

	*cut = 0;
	/* 3.3.3.1.2.1: class, label, hop limit. */
	h[0] = 0x60;
	h[1] = h[2] = h[3] = h[7] = 0;
	while (off < at) {
		uint8_t nh = h[name];
		size_t n = nh == 44 ? 8 : 8U * (h[off + 1] + 1U);

		if (nh != 0 && nh != 43 && nh != 44 && nh != 60)
			return false;
		if (off + n > at)
			return false;
		if (nh == 44) {
			gone = 8;
			gone_at = off;
			gone_name = name;
		} else if (nh != 43 && !naive6_options(h + off, n)) {
			return false;
		}
		name = off;
		off += n;
	}
	if (off != at || h[name] != 51)
		return false;
	if (gone != 0) {
		/* A2: as if it were not there; the length as well. */
		size_t plen = (size_t)h[4] << 8 | h[5];

		h[gone_name] = h[gone_at];
		h[4] = (uint8_t)((plen - 8) >> 8);
		h[5] = (uint8_t)(plen - 8);
		memmove(h + gone_at, h + gone_at + 8, at - gone_at - 8);
	}
	*cut = gone;
	return true;
}

size_t
ah_naive_input(const struct ipm_ah_sa *sa, const uint8_t *packet, size_t len,
    size_t at, uint64_t seq, enum ah_fault fault, uint8_t *out)
{
	size_t icv_at = at + (sa->old ? 8 : 12) + sa->auth->iv_len;
	size_t icv_len = sa->old ? 16 : sa->auth->icv_len;
	size_t words = packet[at + 1] + 2U, cut = 0, n = 0;
	uint8_t *p = out;

	if (sa->esn && fault == AH_ESN_IN_FRONT)
		p += 4;
	memcpy(p, packet, len);
	/* 3.3.3.1: the ICV counts as zero; 3.4.4: its padding does not. */
	memset(p + icv_at, 0, icv_len);
	if (fault == AH_FILL_ZEROED)
		memset(p + icv_at, 0, at + words * 4 - icv_at);
	if (packet[0] >> 4 == 4 ? !naive4(p, at, fault) : !naive6(p, at, &cut))
		return 0;
	memmove(p + at - cut, p + at, len - at);
	n = len - cut;
	/* 3.3.3.2.2: the high half behind the packet. */
	if (sa->esn) {
		uint8_t *hi = fault == AH_ESN_IN_FRONT ? out : p + n;

		for (int i = 0; i < 4; i++)
			hi[i] = (uint8_t)(seq >> (56 - 8 * i));
		n += 4;
	}
	return n;
}

void
ah_naive_mac(const struct ipm_ah_sa *sa, const uint8_t *packet, size_t len,
    size_t at, uint64_t seq, enum ah_fault fault, uint8_t *mac)
{
	static uint8_t input[70000];
	uint8_t nonce[16];
	struct ipm_span all;
	size_t n;

	n = ah_naive_input(sa, packet, len, at, seq, fault, input);
	cr_assert_neq(n, 0);
	all = ipm_span(input, n);
	/* RFC 4543 3.2: salt, then the IV that leads the ICV field. */
	memcpy(nonce, sa->salt, 4);
	memcpy(nonce + 4, packet + at + 12, 8);
	cr_assert_eq(
	    sa->provider->mac(sa->session, sa->auth->iv_len == 0 ? NULL : nonce,
		sa->auth->iv_len == 0 ? 0 : 12, &all, 1, mac),
	    IPM_OK);
}
