#ifndef IPM_TRACE_H
#define IPM_TRACE_H

/*
 * The record of decisions taken over one packet: what was looked at, with
 * which numbers, and what came of it.  The caller supplies the memory; a NULL
 * trace costs one comparison per step.
 */

#include <stdint.h>

#include "ipm_verdict.h"

enum ipm_step_id {
#define IPM_STEP(id, name, clause, text) IPM_STEP_##id,
#include "ipm_trace.def"
#undef IPM_STEP
	IPM_N_STEPS
};

struct ipm_step_row {
	const char *name, *clause, *text;
};
extern const struct ipm_step_row ipm_steps[IPM_N_STEPS];

struct ipm_step {
	enum ipm_step_id id;
	enum ipm_reason reason; /* IPM_R_OK, or why the packet ends here */
	uint64_t a, b;
};

#define IPM_TRACE_MAX 64U

struct ipm_trace {
	size_t n;    /* steps kept */
	size_t lost; /* steps that found no room */
	struct ipm_step step[IPM_TRACE_MAX];
};

/*
 * The clause of step i (below t->n) for the protocol that was looked up last
 * before it: AH's own document where that states ESP's rule.
 */
const char *ipm_trace_clause(const struct ipm_trace *t, size_t i);

void ipm_trace_add(struct ipm_trace *t, enum ipm_step_id id,
    enum ipm_reason reason, uint64_t a, uint64_t b);

#endif
