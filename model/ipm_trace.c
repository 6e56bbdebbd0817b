#include "ipm_trace.h"

const struct ipm_step_row ipm_steps[IPM_N_STEPS] = {
#define IPM_STEP(id, name, clause, text) { name, clause, text },
#include "ipm_trace.def"
#undef IPM_STEP
};

void
ipm_trace_add(struct ipm_trace *t, enum ipm_step_id id, enum ipm_reason reason,
    uint64_t a, uint64_t b)
{
	if (t == NULL)
		return;
	if (t->n == IPM_TRACE_MAX) {
		t->lost++;
		return;
	}
	t->step[t->n++] = (struct ipm_step){ id, reason, a, b };
}
