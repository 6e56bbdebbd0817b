#ifndef IPM_STATE_H
#define IPM_STATE_H

/*
 * Everything that outlives a packet, as one value: the arena, the databases in
 * it, fragments waiting for their packet.  ipm_state_clone copies it; two
 * states are equal when their digests are.
 */

#include "../ipm_stat.h"
#include "../ipm_sysctl.h"
#include "ipm_host.h"
#include "ipm_pcb.h"
#include "ipm_reass.h"
#include "ipm_sad.h"
#include "ipm_spd.h"

struct ipm_state {
	struct ipm_arena arena;
	struct ipm_sad sad;
	struct ipm_spd spd;
	struct ipm_pcbs pcbs;
	struct ipm_host host;
	struct ipm_reass reass;
	struct ipm_sysctls sysctls;
	struct ipm_stats stats;
};

void ipm_state_init(struct ipm_state *s, size_t limit);
enum ipm_err ipm_state_clone(struct ipm_state *dst, const struct ipm_state *src,
    const struct ipm_alloc *alloc);
void ipm_state_free(struct ipm_state *s, const struct ipm_alloc *alloc);

/* 64-bit digest over the fields in a fixed order and byte order: equal on
 * every machine for equal histories. */
uint64_t ipm_state_digest(const struct ipm_state *s);

#endif
