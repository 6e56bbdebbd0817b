#ifndef IPM_ALG_H
#define IPM_ALG_H

/*
 * The algorithm table: one row per algorithm and ICV length.  Nothing else in
 * the tree switches on an algorithm; code asks the row.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipm_profile.h"

enum ipm_alg_kind {
	IPM_ALG_CIPHER, /* confidentiality alone */
	IPM_ALG_AEAD,   /* combined mode: ESP cipher with its own ICV */
	IPM_ALG_AUTH,   /* integrity alone, for AH or beside a cipher */
	IPM_ALG_PRF,    /* IKE's, carried for the vectors */
	IPM_ALG_COMP    /* compression */
};

/*
 * How the value handed to the provider is made of salt (from the key) and IV
 * (from the packet).
 */
enum ipm_nonce {
	IPM_NONCE_NONE,   /* no IV: null, MACs */
	IPM_NONCE_IV,     /* the IV itself: CBC */
	IPM_NONCE_CTR,    /* salt(4) IV(8) 00 00 00 01: RFC 3686 4 */
	IPM_NONCE_SALT_IV /* salt IV: RFC 4106 4, 4309 4, 4543 3.2, 7634 2 */
};

/* What the provider must know to make a session; the provider's own switch. */
enum ipm_prim {
	IPM_PRIM_NULL,
	IPM_PRIM_DES_CBC,
	IPM_PRIM_3DES_CBC,
	IPM_PRIM_BLOWFISH_CBC,
	IPM_PRIM_CAST128_CBC,
	IPM_PRIM_AES_CBC,
	IPM_PRIM_AES_CTR,
	IPM_PRIM_CAMELLIA_CBC,
	IPM_PRIM_CAMELLIA_CTR,
	IPM_PRIM_TWOFISH_CBC,
	IPM_PRIM_SERPENT_CBC,
	IPM_PRIM_SKIPJACK_CBC,
	IPM_PRIM_AES_GCM,
	IPM_PRIM_AES_CCM,
	IPM_PRIM_AES_GMAC,
	IPM_PRIM_CHACHA20_POLY1305,
	IPM_PRIM_NULL_MAC,
	IPM_PRIM_HMAC_MD5,
	IPM_PRIM_HMAC_SHA1,
	IPM_PRIM_HMAC_SHA224,
	IPM_PRIM_HMAC_SHA256,
	IPM_PRIM_HMAC_SHA384,
	IPM_PRIM_HMAC_SHA512,
	IPM_PRIM_HMAC_RIPEMD160,
	IPM_PRIM_AES_XCBC,
	IPM_PRIM_AES_CMAC,
	IPM_PRIM_KEYED_MD5,
	IPM_PRIM_KEYED_SHA1,
	IPM_PRIM_TCP_MD5,
	IPM_PRIM_XCBC_PRF,
	IPM_PRIM_CMAC_PRF,
	IPM_PRIM_DEFLATE,
	IPM_N_PRIMS
};

/* Where an algorithm stands in a set of documents or a kernel. */
enum ipm_alg_status {
	IPM_AS_ABSENT, /* refused at SA setup */
	IPM_AS_MUST,
	IPM_AS_SHOULD,
	IPM_AS_MAY,
	IPM_AS_SHOULD_NOT,
	IPM_AS_MUST_NOT,
	IPM_AS_PRESENT /* a kernel has it; no level is written */
};

struct ipm_alg {
	const char *name;    /* unique: "aes-gcm-16", "hmac-sha256" */
	const char *family;  /* the vectors' name: "aes-gcm" */
	const char *setkey;  /* word of the setkey language, or NULL */
	const char *setkey2; /* second word for the same, or NULL */
	enum ipm_alg_kind kind;
	enum ipm_prim prim;

	/* PF_KEY numbers, 0 where the dialect has none. */
	uint8_t sadb_freebsd, sadb_linux, sadb_netbsd, sadb_openbsd;

	/* Key octets without the salt.  step 0: only min and max. */
	uint16_t key_min, key_max, key_step;
	uint8_t salt_len; /* octets that follow the key in PF_KEY */
	uint8_t block;    /* octets; 1 for stream-like modes */
	uint8_t iv_len;   /* octets on the wire */
	uint8_t icv_len;  /* octets on the wire; 0: none */
	uint8_t mac_len;  /* octets before truncation */
	enum ipm_nonce nonce;
	bool esn_in_aad;     /* ESN high half stands inside the AAD */
	bool payload_in_aad; /* RFC 4543: IV and payload are AAD */

	const char *document; /* "RFC 4106" */
	/* By profile, in the order of enum ipm_profile_id. */
	enum ipm_alg_status status[IPM_N_PROFILES];
};

extern const struct ipm_alg ipm_algs[];
extern const size_t ipm_n_algs;

/* Row by unique name, or NULL. */
const struct ipm_alg *ipm_alg_by_name(const char *name);

/*
 * Row by the vectors' name and ICV length in bits (0: the family's default,
 * which is its first row).  NULL when no such row.
 */
const struct ipm_alg *ipm_alg_by_family(
    const char *family, unsigned icv_bits, enum ipm_alg_kind kind);

/* Row by the word of the setkey language after -E, -A or -C; or NULL. */
const struct ipm_alg *ipm_alg_by_setkey(
    const char *word, enum ipm_alg_kind kind_a, enum ipm_alg_kind kind_b);

/*
 * A hash over key, data, key (RFC 1828, RFC 1852): FreeBSD keeps the DF bit
 * under the AH ICV for these.
 */
bool ipm_alg_is_keyed_hash(const struct ipm_alg *alg);

/* May a key of len octets, salt not counted, be used? */
bool ipm_alg_key_ok(const struct ipm_alg *alg, size_t len);

/*
 * The provider's nonce or initial counter block.
 *   salt  alg->salt_len octets;  iv  alg->iv_len octets
 * Writes at most 16 octets to out; returns how many.
 */
size_t ipm_alg_nonce(const struct ipm_alg *alg, const uint8_t *salt,
    const uint8_t *iv, uint8_t out[16]);

const char *ipm_alg_status_name(enum ipm_alg_status s);
const char *ipm_alg_kind_name(enum ipm_alg_kind k);

#endif
