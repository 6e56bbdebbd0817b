#ifndef IPM_XCBC_H
#define IPM_XCBC_H

/*
 * AES-XCBC-MAC (RFC 3566), which libcrypto lacks, over a block cipher that the
 * caller keys.
 */

#include <stddef.h>
#include <stdint.h>

/* Encrypts one 16-octet block; in may equal out. */
typedef void ipm_block_fn(void *ctx, const uint8_t in[16], uint8_t out[16]);

struct ipm_xcbc {
	ipm_block_fn *encrypt; /* keyed with K1 */
	void *ctx;
	uint8_t k2[16], k3[16];
	uint8_t e[16];   /* the chaining value */
	uint8_t buf[16]; /* octets not yet taken in */
	size_t n;
};

/* The three keys come of one: K1, K2, K3 = E(K, 01..), E(K, 02..), ... */
void ipm_xcbc_keys(ipm_block_fn *encrypt_k, void *ctx, uint8_t k1[16],
    uint8_t k2[16], uint8_t k3[16]);

void ipm_xcbc_begin(struct ipm_xcbc *x);
void ipm_xcbc_update(struct ipm_xcbc *x, const uint8_t *p, size_t len);
void ipm_xcbc_final(struct ipm_xcbc *x, uint8_t out[16]);

#endif
