#ifndef STEP_GEN_H
#define STEP_GEN_H

/*
 * Random histories for step_world: SAs and policies of every protocol, mode,
 * level and family, bundles, UDP encapsulation, sysctls, sockets and their
 * policies, packets that the hosts make for each other (as they are, changed,
 * cut, twice, late), fragments, garbage, the clock, faults.  A seed is a
 * history.
 */

#include "step_world.h"

struct step_gen {
	uint64_t seed;
	/* Steps that are to come next: the set-up of a plan. */
	uint8_t queue[16384];
	size_t len, at;
	uint32_t spi, reqid;
	uint64_t steps;
	uint8_t family; /* of the plan */
	uint8_t ports;  /* it has UDP encapsulation */
};

void step_gen_init(struct step_gen *g, uint64_t seed);

/* The next step; out has STEP_MAX octets.  Returns its length. */
size_t step_gen_next(struct step_gen *g, uint8_t *out);

#endif
