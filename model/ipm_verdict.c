#include "ipm_verdict.h"

#include <assert.h>
#include <string.h>

#include "wire/ipm_ip.h"

const struct ipm_reason_row ipm_reasons[IPM_N_REASONS] = {
#define IPM_REASON(id, name, verdict, clause, esp, ah, ipcomp, err, text) \
	{ name, IPM_V_##verdict, clause, esp, ah, ipcomp, err, text },
#include "ipm_verdict.def"
#undef IPM_REASON
};

static_assert(sizeof ipm_reasons / sizeof ipm_reasons[0] == IPM_N_REASONS,
    "a row per reason");

/* Sections as in the documents' requirement tables. */
static const struct {
	enum ipm_reason reason;
	unsigned proto;
	const char *clause;
} own_clauses[] = {
	{ IPM_R_BAD_LENGTH, IPM_PROTO_AH, "RFC 4302 2.2" },
	{ IPM_R_REPLAYED, IPM_PROTO_AH, "RFC 4302 3.4.3" },
	{ IPM_R_LEFT_OF_WINDOW, IPM_PROTO_AH, "RFC 4302 3.4.3" },
	{ IPM_R_SEQ_ZERO, IPM_PROTO_AH, "RFC 4302 3.3.2" },
	{ IPM_R_ICV_BAD, IPM_PROTO_AH, "RFC 4302 3.4.4" },
	{ IPM_R_EMPTY_PAYLOAD, IPM_PROTO_AH, "RFC 4302 2.1" },
	{ IPM_R_INNER_BAD, IPM_PROTO_AH, "RFC 4301 5.2" },
	{ IPM_R_CRYPTO_FAILED, IPM_PROTO_AH, "RFC 4302 3.4.4" },
	{ IPM_R_BAD_LENGTH, IPM_PROTO_IPCOMP, "RFC 3173 3.3" },
	{ IPM_R_EMPTY_PAYLOAD, IPM_PROTO_IPCOMP, "RFC 3173 3.3" },
	{ IPM_R_INNER_BAD, IPM_PROTO_IPCOMP, "RFC 4301 5.2" },
	{ IPM_R_CRYPTO_FAILED, IPM_PROTO_IPCOMP, "RFC 3173 2.1" },
	{ IPM_R_INNER_BAD, IPM_PROTO_IPV4, "RFC 4301 5.2" },
};

const char *
ipm_reason_clause(enum ipm_reason r, unsigned proto)
{
	for (size_t i = 0; i < sizeof own_clauses / sizeof own_clauses[0]; i++)
		if (own_clauses[i].reason == r && own_clauses[i].proto == proto)
			return own_clauses[i].clause;
	return ipm_reasons[r].clause;
}

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
