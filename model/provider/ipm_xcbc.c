/*
 * Implementation notes.  A full block is taken in only when another octet
 * follows it: the last block is the one that K2 or K3 is mixed into
 * (RFC 3566 4), and it is not known to be the last before final.
 */
#include "ipm_xcbc.h"

#include <string.h>

static void
mix(uint8_t e[16], const uint8_t p[16])
{
	for (size_t i = 0; i < 16; i++)
		e[i] ^= p[i];
}

/* [ALG-XCBC-01] */
void
ipm_xcbc_keys(ipm_block_fn *encrypt_k, void *ctx, uint8_t k1[16],
    uint8_t k2[16], uint8_t k3[16])
{
	uint8_t *const k[3] = { k1, k2, k3 };
	uint8_t in[16];

	for (int i = 0; i < 3; i++) {
		memset(in, i + 1, sizeof in);
		encrypt_k(ctx, in, k[i]);
	}
}

void
ipm_xcbc_begin(struct ipm_xcbc *x)
{
	memset(x->e, 0, sizeof x->e);
	x->n = 0;
}

void
ipm_xcbc_update(struct ipm_xcbc *x, const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t take = sizeof x->buf - x->n;

		if (take == 0) {
			mix(x->e, x->buf);
			x->encrypt(x->ctx, x->e, x->e);
			x->n = 0;
			continue;
		}
		if (take > len)
			take = len;
		memcpy(x->buf + x->n, p, take);
		x->n += take;
		p += take;
		len -= take;
	}
}

/* [ALG-XCBC-02] A whole last block takes K2, a filled one K3. */
void
ipm_xcbc_final(struct ipm_xcbc *x, uint8_t out[16])
{
	const uint8_t *k = x->k2;

	if (x->n < sizeof x->buf) {
		memset(x->buf + x->n, 0, sizeof x->buf - x->n);
		x->buf[x->n] = 0x80;
		k = x->k3;
	}
	mix(x->e, x->buf);
	mix(x->e, k);
	x->encrypt(x->ctx, x->e, out);
}
