#include "ipm_trace.h"

#include "wire/ipm_ip.h"

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

static const struct {
	enum ipm_step_id step;
	unsigned proto;
	const char *clause;
} own_clauses[] = {
	{ IPM_STEP_ESN_INFER, IPM_PROTO_AH, "RFC 4302 B2.2" },
	{ IPM_STEP_WINDOW, IPM_PROTO_AH, "RFC 4302 3.4.3" },
	{ IPM_STEP_ICV, IPM_PROTO_AH, "RFC 4302 3.4.4" },
	{ IPM_STEP_RESYNC, IPM_PROTO_AH, "RFC 4302 B3" },
	{ IPM_STEP_WINDOW_MOVE, IPM_PROTO_AH, "RFC 4302 3.4.3" },
};

/* The protocol of the last lookup at or before step i; 0: none yet. */
static uint64_t
proto_at(const struct ipm_trace *t, size_t i)
{
	for (size_t k = i + 1; k != 0; k--)
		if (t->step[k - 1].id == IPM_STEP_LOOKUP)
			return t->step[k - 1].b;
	return 0;
}

const char *
ipm_trace_clause(const struct ipm_trace *t, size_t i)
{
	enum ipm_step_id id = t->step[i].id;
	uint64_t proto = proto_at(t, i);

	for (size_t k = 0; k < sizeof own_clauses / sizeof own_clauses[0]; k++)
		if (own_clauses[k].step == id && own_clauses[k].proto == proto)
			return own_clauses[k].clause;
	return ipm_steps[id].clause;
}
