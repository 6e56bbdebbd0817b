#include "ipm_gcrypt.h"

#if IPM_HAVE_GCRYPT

#include <gcrypt.h>
#include <string.h>

static int
cipher_id(const struct ipm_alg *alg, size_t key_len)
{
	if (alg->prim == IPM_PRIM_TWOFISH_CBC)
		return key_len == 16 ? GCRY_CIPHER_TWOFISH128
		    : key_len == 32  ? GCRY_CIPHER_TWOFISH
				     : 0; /* libgcrypt has no 192 bits */
	if (alg->prim == IPM_PRIM_SERPENT_CBC)
		return key_len == 16 ? GCRY_CIPHER_SERPENT128
		    : key_len == 24  ? GCRY_CIPHER_SERPENT192
		    : key_len == 32  ? GCRY_CIPHER_SERPENT256
				     : 0;
	return 0;
}

bool
ipm_gcrypt_offers(const struct ipm_alg *alg)
{
	return cipher_id(alg, 16) != 0;
}

/* libgcrypt wants its version asked for before anything else. */
static bool
start(void)
{
	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return true;
	if (gcry_check_version(NULL) == NULL)
		return false;
	(void)gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	(void)gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	return true;
}

enum ipm_err
ipm_gcrypt_open(
    const struct ipm_alg *alg, struct ipm_span key, struct ipm_gcrypt **g)
{
	gcry_cipher_hd_t h;
	int id = cipher_id(alg, key.len);

	*g = NULL;
	if (id == 0)
		return IPM_ERR_UNSUPPORTED;
	if (!start() || gcry_cipher_open(&h, id, GCRY_CIPHER_MODE_CBC, 0) != 0)
		return IPM_ERR_NOMEM;
	if (gcry_cipher_setkey(h, key.p, key.len) != 0) {
		gcry_cipher_close(h);
		return IPM_ERR_BADARG;
	}
	*g = (struct ipm_gcrypt *)h;
	return IPM_OK;
}

void
ipm_gcrypt_close(struct ipm_gcrypt *g)
{
	if (g != NULL)
		gcry_cipher_close((gcry_cipher_hd_t)g);
}

enum ipm_err
ipm_gcrypt_cipher(struct ipm_gcrypt *g, bool encrypt, const uint8_t *iv,
    size_t iv_len, struct ipm_span src, uint8_t *dst)
{
	gcry_cipher_hd_t h = (gcry_cipher_hd_t)g;

	if (src.len % 16 != 0)
		return IPM_ERR_BADARG;
	if (src.len == 0)
		return IPM_OK;
	if (dst != src.p)
		memcpy(dst, src.p, src.len);
	if (gcry_cipher_setiv(h, iv, iv_len) != 0 ||
	    (encrypt ? gcry_cipher_encrypt(h, dst, src.len, NULL, 0)
		     : gcry_cipher_decrypt(h, dst, src.len, NULL, 0)) != 0)
		return IPM_ERR_PROVIDER;
	return IPM_OK;
}

#else /* !IPM_HAVE_GCRYPT */

bool
ipm_gcrypt_offers(const struct ipm_alg *alg)
{
	(void)alg;
	return false;
}

enum ipm_err
ipm_gcrypt_open(
    const struct ipm_alg *alg, struct ipm_span key, struct ipm_gcrypt **g)
{
	(void)alg;
	(void)key;
	*g = NULL;
	return IPM_ERR_UNSUPPORTED;
}

void
ipm_gcrypt_close(struct ipm_gcrypt *g)
{
	(void)g;
}

enum ipm_err
ipm_gcrypt_cipher(struct ipm_gcrypt *g, bool encrypt, const uint8_t *iv,
    size_t iv_len, struct ipm_span src, uint8_t *dst)
{
	(void)g;
	(void)encrypt;
	(void)iv;
	(void)iv_len;
	(void)src;
	(void)dst;
	return IPM_ERR_UNSUPPORTED;
}

#endif
