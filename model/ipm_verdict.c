#include "ipm_verdict.h"

#include <assert.h>
#include <string.h>

const struct ipm_reason_row ipm_reasons[IPM_N_REASONS] = {
#define IPM_REASON(id, name, verdict, clause, esp, ah, ipcomp, err, text) \
	{ name, IPM_V_##verdict, clause, esp, ah, ipcomp, err, text },
#include "ipm_verdict.def"
#undef IPM_REASON
};

static_assert(sizeof ipm_reasons / sizeof ipm_reasons[0] == IPM_N_REASONS,
    "a row per reason");

const char *
ipm_verdict_name(enum ipm_verdict v)
{
	switch (v) {
	case IPM_V_ACCEPT:
		return "accept";
	case IPM_V_DROP:
		return "drop";
	case IPM_V_CONSUMED:
		return "consumed";
	case IPM_V_FRAGMENT:
		return "fragment";
	case IPM_V_BYPASS:
		return "bypass";
	case IPM_V_TRANSMIT:
		return "transmit";
	case IPM_V_UNJUDGED:
		return "unjudged";
	case IPM_N_VERDICTS:
		break;
	}
	return "?";
}

enum ipm_reason
ipm_reason_find(const char *name)
{
	for (size_t i = 0; i < IPM_N_REASONS; i++)
		if (strcmp(ipm_reasons[i].name, name) == 0)
			return (enum ipm_reason)i;
	return IPM_N_REASONS;
}
