#ifndef IPM_VERDICT_H
#define IPM_VERDICT_H

/*
 * What becomes of a packet.  A bad packet is an answer, not an error: every
 * function that judges one returns enum ipm_reason, and the reason's row says
 * the verdict, the clause, FreeBSD's counters and errno, and one sentence.
 */

#include <stdbool.h>
#include <stddef.h>

enum ipm_verdict {
	IPM_V_ACCEPT, /* opened and delivered */
	IPM_V_DROP,
	IPM_V_CONSUMED, /* ends here by design */
	IPM_V_FRAGMENT, /* kept for reassembly */
	IPM_V_BYPASS,   /* not IPsec, and no SA or policy wants it */
	IPM_V_TRANSMIT,
	IPM_V_UNJUDGED, /* the capture cut the frame short */
	IPM_N_VERDICTS
};

enum ipm_reason {
#define IPM_REASON(id, name, verdict, clause, esp, ah, ipcomp, err, text) \
	IPM_R_##id,
#include "ipm_verdict.def"
#undef IPM_REASON
	IPM_N_REASONS
};

struct ipm_reason_row {
	const char *name; /* lower case with hyphens; a contract */
	enum ipm_verdict verdict;
	const char *clause;            /* ESP's; "-" where no document rules */
	const char *esp, *ah, *ipcomp; /* counters, space-separated; "-" none */
	int err;                       /* FreeBSD's errno, 0 none */
	const char *text;              /* one sentence without a full stop */
};

extern const struct ipm_reason_row ipm_reasons[IPM_N_REASONS];

/*
 * The clause of a reason for a layer of this IP protocol: where AH or IPcomp
 * state ESP's rule in their own documents, that; else the row's.
 */
const char *ipm_reason_clause(enum ipm_reason r, unsigned proto);

/* "accept", "drop", ... */
const char *ipm_verdict_name(enum ipm_verdict v);

/* The reason of this name, or IPM_N_REASONS. */
enum ipm_reason ipm_reason_find(const char *name);

#endif
