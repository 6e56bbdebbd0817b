#include "ipm_sysctl.h"

void
ipm_sysctls_init(struct ipm_sysctls *s)
{
	static const struct ipm_sysctls initial = { {
#define IPM_SYSVAR(id, initial) [IPM_SV_##id] = (initial),
#include "ipm_sysvar.def"
#undef IPM_SYSVAR
	} };

	*s = initial;
}
