#ifndef STEP_TOY_H
#define STEP_TOY_H

/*
 * A provider and a compressor that need no library: the octets matter, not
 * their secrecy.  Every algorithm is offered, and gives the same octets on
 * every machine.  They and the allocator have no state.
 */

#include "ipm_env.h"

extern const struct ipm_provider step_toy_crypto;
/* Runs of equal octets become pairs; IPM_ERR_DATA for anything else. */
extern const struct ipm_compressor step_toy_comp;
extern const struct ipm_alloc step_alloc;

#endif
