#include "ipm_log.h"

#define IPM_R_NONE IPM_N_REASONS

const struct ipm_log_row ipm_logs[IPM_N_LOGS] = {
#define IPM_LOG(id, name, var, bits, reason, text) \
	{ name, IPM_SV_##var, bits, IPM_R_##reason, text },
#include "ipm_log.def"
#undef IPM_LOG
};

/* [MAN-debug-01] [MAN-debug-02] */
bool
ipm_log_on(const struct ipm_sysctls *s, const struct ipm_profile *pf,
    enum ipm_log log, uint8_t version)
{
	const struct ipm_log_row *row = &ipm_logs[log];
	enum ipm_sysvar var =
	    row->var == IPM_SV_DEBUG && version == 6 ? IPM_SV_DEBUG6 : row->var;
	uint32_t v = (uint32_t)ipm_sysvar(s, pf, var);

	return row->bits == 0 ? v != 0 : (v & row->bits) == row->bits;
}

enum ipm_log
ipm_log_of_reason(enum ipm_reason r)
{
	for (size_t i = 0; i < IPM_N_LOGS; i++)
		if (ipm_logs[i].reason == r)
			return (enum ipm_log)i;
	return IPM_N_LOGS;
}
