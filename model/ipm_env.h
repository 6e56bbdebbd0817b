#ifndef IPM_ENV_H
#define IPM_ENV_H

/*
 * What the outside supplies for one call.  The model reads no clock, no random
 * device and no file; the same state, event and env give the same effects on
 * every machine.
 */

#include <stddef.h>
#include <stdint.h>

#include "ipm_alloc.h"
#include "ipm_provider.h"

/* A tape of random octets; reading past its end fails (no octet is reused). */
struct ipm_tape {
	struct ipm_span octets;
	size_t pos;
};

/* The next len octets of the tape, or NULL when it has fewer left. */
const uint8_t *ipm_tape_take(struct ipm_tape *t, size_t len);

struct ipm_env {
	uint64_t sec; /* since 1970, never going back */
	uint32_t nsec;
	struct ipm_tape *random; /* NULL: none */
	const struct ipm_provider *crypto;
	const struct ipm_compressor *comp; /* NULL: none */
	const struct ipm_alloc *alloc;
};

#endif
