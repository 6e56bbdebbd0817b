#include "ipm_alg.h"

#include <string.h>

const struct ipm_alg ipm_algs[] = {
#define ALG(n, fam, sk, sk2, k, p, fb, lx, nb, ob, kmin, kmax, kstep, salt, \
    blk, iv, icv, mac, nce, ea, pa, doc, s0, s1, s2, s3, s4, s5, s6)        \
	{ .name = n,                                                        \
		.family = fam,                                              \
		.setkey = sk,                                               \
		.setkey2 = sk2,                                             \
		.kind = IPM_ALG_##k,                                        \
		.prim = IPM_PRIM_##p,                                       \
		.sadb_freebsd = fb,                                         \
		.sadb_linux = lx,                                           \
		.sadb_netbsd = nb,                                          \
		.sadb_openbsd = ob,                                         \
		.key_min = kmin,                                            \
		.key_max = kmax,                                            \
		.key_step = kstep,                                          \
		.salt_len = salt,                                           \
		.block = blk,                                               \
		.iv_len = iv,                                               \
		.icv_len = icv,                                             \
		.mac_len = mac,                                             \
		.nonce = IPM_NONCE_##nce,                                   \
		.esn_in_aad = ea,                                           \
		.payload_in_aad = pa,                                       \
		.document = doc,                                            \
		.status = { IPM_AS_##s0, IPM_AS_##s1, IPM_AS_##s2,          \
		    IPM_AS_##s3, IPM_AS_##s4, IPM_AS_##s5, IPM_AS_##s6 } },
#include "ipm_alg.def"
#undef ALG
};
const size_t ipm_n_algs = sizeof ipm_algs / sizeof ipm_algs[0];

const struct ipm_alg *
ipm_alg_by_name(const char *name)
{
	for (size_t i = 0; i < ipm_n_algs; i++)
		if (strcmp(ipm_algs[i].name, name) == 0)
			return &ipm_algs[i];
	return NULL;
}

const struct ipm_alg *
ipm_alg_by_family(const char *family, unsigned icv_bits, enum ipm_alg_kind kind)
{
	for (size_t i = 0; i < ipm_n_algs; i++)
		if (ipm_algs[i].kind == kind &&
		    strcmp(ipm_algs[i].family, family) == 0 &&
		    (icv_bits == 0 || ipm_algs[i].icv_len * 8U == icv_bits))
			return &ipm_algs[i];
	return NULL;
}

static bool
is_word(const char *have, const char *word)
{
	return have != NULL && strcmp(have, word) == 0;
}

const struct ipm_alg *
ipm_alg_by_setkey(
    const char *word, enum ipm_alg_kind kind_a, enum ipm_alg_kind kind_b)
{
	for (size_t i = 0; i < ipm_n_algs; i++) {
		const struct ipm_alg *a = &ipm_algs[i];

		if ((a->kind == kind_a || a->kind == kind_b) &&
		    (is_word(a->setkey, word) || is_word(a->setkey2, word)))
			return a;
	}
	return NULL;
}

bool
ipm_alg_is_keyed_hash(const struct ipm_alg *alg)
{
	return alg->prim == IPM_PRIM_KEYED_MD5 ||
	    alg->prim == IPM_PRIM_KEYED_SHA1;
}

bool
ipm_alg_key_ok(const struct ipm_alg *alg, size_t len)
{
	if (len < alg->key_min || len > alg->key_max)
		return false;
	return alg->key_step == 0 || (len - alg->key_min) % alg->key_step == 0;
}

/*
 * [ALG-AESCTR-03] [ALG-AESGCM-03] [ALG-AESCCM-03] [ALG-GMAC-03]
 * [ALG-CHACHA-02]
 */
size_t
ipm_alg_nonce(const struct ipm_alg *alg, const uint8_t *salt, const uint8_t *iv,
    uint8_t out[16])
{
	static const uint8_t one[4] = { 0, 0, 0, 1 };
	size_t n = 0;

	switch (alg->nonce) {
	case IPM_NONCE_NONE:
		return 0;
	case IPM_NONCE_IV:
		memcpy(out, iv, alg->iv_len);
		return alg->iv_len;
	case IPM_NONCE_CTR:
	case IPM_NONCE_SALT_IV:
		break;
	}
	memcpy(out, salt, alg->salt_len);
	n = alg->salt_len;
	memcpy(out + n, iv, alg->iv_len);
	n += alg->iv_len;
	if (alg->nonce == IPM_NONCE_CTR) {
		memcpy(out + n, one, sizeof one);
		n += sizeof one;
	}
	return n;
}

const char *
ipm_alg_status_name(enum ipm_alg_status s)
{
	static const char *const names[] = {
		[IPM_AS_ABSENT] = "-",
		[IPM_AS_MUST] = "MUST",
		[IPM_AS_SHOULD] = "SHOULD",
		[IPM_AS_MAY] = "MAY",
		[IPM_AS_SHOULD_NOT] = "SHOULD NOT",
		[IPM_AS_MUST_NOT] = "MUST NOT",
		[IPM_AS_PRESENT] = "yes",
	};

	return names[s];
}

const char *
ipm_alg_kind_name(enum ipm_alg_kind k)
{
	static const char *const names[] = {
		[IPM_ALG_CIPHER] = "cipher",
		[IPM_ALG_AEAD] = "aead",
		[IPM_ALG_AUTH] = "auth",
		[IPM_ALG_PRF] = "prf",
		[IPM_ALG_COMP] = "comp",
	};

	return names[k];
}
