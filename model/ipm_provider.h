#ifndef IPM_PROVIDER_H
#define IPM_PROVIDER_H

/*
 * The door to cryptography and compression, shaped like crypto(4): a session
 * holds the keys of one SA, operations are asked of the session.  The model
 * calls through these tables and links no library; each provider is a library
 * of its own under model/provider/.
 *
 * Every provider gives the same octets as libcrypto for every algorithm it
 * offers.
 */

#include "ipm_alg.h"
#include "ipm_err.h"
#include "wire/ipm_bytes.h"

/* Opaque; a provider derives its own. */
struct ipm_session;

/*
 * One SA's algorithms and keys.  The provider copies what it needs and keeps
 * no pointer.  enc is a CIPHER or AEAD row or NULL; auth an AUTH or PRF row or
 * NULL; at least one is given.
 */
struct ipm_session_desc {
	const struct ipm_alg *enc;
	struct ipm_span enc_key; /* without the salt */
	const struct ipm_alg *auth;
	struct ipm_span auth_key; /* without the salt */
};

struct ipm_provider {
	const char *name;
	void *ctx; /* the provider's own */

	/* Can a session with this row be opened? */
	bool (*offers)(const struct ipm_provider *p, const struct ipm_alg *alg);

	/*
	 * Returns IPM_OK with *s set; IPM_ERR_UNSUPPORTED, IPM_ERR_BADARG
	 * (key length), IPM_ERR_NOMEM, IPM_ERR_PROVIDER with *s NULL.
	 */
	enum ipm_err (*open)(const struct ipm_provider *p,
	    const struct ipm_session_desc *d, struct ipm_session **s);

	/* Wipes the keys and frees.  NULL is fine. */
	void (*close)(const struct ipm_provider *p, struct ipm_session *s);

	/*
	 * Cipher of the session, src.len octets to dst (dst may equal src.p;
	 * any other overlap is not allowed).  iv is what ipm_alg_nonce gave.
	 * IPM_ERR_BADARG when src.len is not a multiple of the block or iv_len
	 * not what the algorithm has.
	 */
	enum ipm_err (*cipher)(struct ipm_session *s, bool encrypt,
	    const uint8_t *iv, size_t iv_len, struct ipm_span src,
	    uint8_t *dst);

	/*
	 * Combined mode of the session.  Encrypting, writes src.len octets to
	 * dst and tag_len to tag; decrypting, verifies tag and gives
	 * plaintext only for a right one: for a wrong one IPM_ERR_AUTH is
	 * returned and dst holds zeros (in place, the ciphertext is gone).
	 * Then, if computed is not NULL, the right tag is stored there (slow
	 * path, for explanations only); it is not looked at when encrypting,
	 * and what it holds after any other answer means nothing.
	 * dst may equal src.p; any other overlap is not allowed.
	 */
	enum ipm_err (*aead)(struct ipm_session *s, bool encrypt,
	    const uint8_t *nonce, size_t nonce_len, struct ipm_span aad,
	    struct ipm_span src, uint8_t *dst, uint8_t *tag, size_t tag_len,
	    uint8_t *computed);

	/*
	 * Integrity value of the session's auth row over the parts in turn:
	 * auth->mac_len octets to out.  nonce is for AES-GMAC alone, else
	 * NULL, 0.  IPM_ERR_BADARG when the session has no auth row or GMAC
	 * no nonce.
	 */
	enum ipm_err (*mac)(struct ipm_session *s, const uint8_t *nonce,
	    size_t nonce_len, const struct ipm_span *parts, size_t n_parts,
	    uint8_t *out);
};

/*
 * Raw deflate (RFC 1951).  compress: *len is dst's capacity going in and the
 * octets written coming out.  decompress stops at limit octets.
 */
struct ipm_compressor {
	const char *name;
	void *ctx;

	/* IPM_OK, IPM_ERR_NOBUF (would not fit *len), IPM_ERR_NOMEM. */
	enum ipm_err (*compress)(const struct ipm_compressor *c,
	    struct ipm_span src, uint8_t *dst, size_t *len);

	/*
	 * IPM_OK with all of src used by one complete stream; IPM_ERR_DATA
	 * (malformed, unfinished, octets left over); IPM_ERR_TOOBIG (more
	 * than *len octets of output); IPM_ERR_NOMEM.
	 */
	enum ipm_err (*decompress)(const struct ipm_compressor *c,
	    struct ipm_span src, uint8_t *dst, size_t *len);
};

#endif
