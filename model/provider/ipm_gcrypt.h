#ifndef IPM_GCRYPT_H
#define IPM_GCRYPT_H

/* Twofish-CBC and Serpent-CBC from libgcrypt, where the build found it. */

#include "../ipm_provider.h"

struct ipm_gcrypt;

bool ipm_gcrypt_offers(const struct ipm_alg *alg);

/*
 * A keyed cipher.  IPM_OK; IPM_ERR_UNSUPPORTED, also for a key length that
 * libgcrypt lacks (Twofish, 192 bits); IPM_ERR_BADARG, IPM_ERR_NOMEM.
 */
enum ipm_err ipm_gcrypt_open(
    const struct ipm_alg *alg, struct ipm_span key, struct ipm_gcrypt **g);
void ipm_gcrypt_close(struct ipm_gcrypt *g);
enum ipm_err ipm_gcrypt_cipher(struct ipm_gcrypt *g, bool encrypt,
    const uint8_t *iv, size_t iv_len, struct ipm_span src, uint8_t *dst);

#endif
