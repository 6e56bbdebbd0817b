#ifndef IPM_DIGEST_H
#define IPM_DIGEST_H

/* FNV-1a over octets in a fixed order, so that it is the same everywhere. */

#include "../wire/ipm_ip.h"

struct ipm_digest {
	uint64_t h;
};

#define IPM_DIGEST_INIT             \
	{                           \
		0xcbf29ce484222325U \
	}

static inline void
ipm_digest_octets(struct ipm_digest *d, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		d->h = (d->h ^ p[i]) * 0x100000001b3U;
}

static inline void
ipm_digest_number(struct ipm_digest *d, uint64_t v)
{
	uint8_t be[8];

	ipm_store64(be, v);
	ipm_digest_octets(d, be, sizeof be);
}

static inline void
ipm_digest_addr(struct ipm_digest *d, const struct ipm_addr *a)
{
	ipm_digest_number(d, a->family);
	ipm_digest_octets(d, a->octet, sizeof a->octet);
	ipm_digest_number(d, a->scope);
}

#endif
