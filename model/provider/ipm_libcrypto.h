#ifndef IPM_LIBCRYPTO_H
#define IPM_LIBCRYPTO_H

/*
 * The provider over OpenSSL's libcrypto: the default one, and the oracle that
 * others are compared with.  It runs in a library context of its own with the
 * default and legacy providers; where legacy is absent its algorithms are not
 * offered.  AES-XCBC-MAC and Skipjack are own code, Twofish and Serpent come
 * from libgcrypt where the build found it.
 *
 * A provider and its sessions belong to one thread at a time.
 */

#include "../ipm_alloc.h"
#include "../ipm_provider.h"

/*
 * Fills p.  IPM_OK, IPM_ERR_NOMEM, or IPM_ERR_PROVIDER (libcrypto's default
 * provider does not load).  The provider's own memory, the sessions with
 * their keys, comes from alloc, which is copied; libcrypto and libgcrypt take
 * theirs from where the process has told them to.
 */
enum ipm_err ipm_libcrypto_open(
    struct ipm_provider *p, const struct ipm_alloc *alloc);

/* All sessions must have been closed. */
void ipm_libcrypto_close(struct ipm_provider *p);

/*
 * One block of `len` octets through a bare block cipher, for published
 * figures: family des, 3des, aes, camellia, cast128, blowfish, skipjack.
 * IPM_OK, IPM_ERR_UNSUPPORTED, IPM_ERR_BADARG (key or block length).
 */
enum ipm_err ipm_libcrypto_block(const struct ipm_provider *p,
    const char *family, struct ipm_span key, const uint8_t *in, uint8_t *out,
    size_t len);

#endif
