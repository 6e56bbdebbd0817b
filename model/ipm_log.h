#ifndef IPM_LOG_H
#define IPM_LOG_H

/*
 * What the kernel would write to its log, and which sysctl lets it.  Nothing
 * but the log hangs on these variables.
 *
 * Source: ipsec(4); FreeBSD sys/netipsec/ipsec.h (ipseclog), key_debug.h.
 */

#include "ipm_sysctl.h"

enum ipm_log {
#define IPM_LOG(id, name, var, bits, reason, text) IPM_LOG_##id,
#include "ipm_log.def"
#undef IPM_LOG
	IPM_N_LOGS
};

struct ipm_log_row {
	const char *name;
	enum ipm_sysvar var;
	uint32_t bits;          /* all of them; 0: not 0 */
	enum ipm_reason reason; /* IPM_N_REASONS: none */
	const char *text;       /* one sentence without a full stop */
};
extern const struct ipm_log_row ipm_logs[IPM_N_LOGS];

/*
 * Is the line written?
 *
 *   version  of the packet it tells of, 4 or 6; any for the key engine's
 */
bool ipm_log_on(const struct ipm_sysctls *s, const struct ipm_profile *pf,
    enum ipm_log log, uint8_t version);

/* The line that tells of packets ending so; IPM_N_LOGS: none. */
enum ipm_log ipm_log_of_reason(enum ipm_reason r);

#endif
