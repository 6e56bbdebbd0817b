#ifndef IPM_SYSCTL_H
#define IPM_SYSCTL_H

/*
 * Every variable of net.inet.ipsec, net.inet6.ipsec6, net.inet.{esp,ah,ipcomp},
 * net.key and net.enc: the values as they stand, and one table of names.  Two
 * names may be one variable (facts datapath 1.2, 1.3).
 */

#include <stdint.h>

enum ipm_sysvar {
#define IPM_SYSVAR(id, initial) IPM_SV_##id,
#include "ipm_sysvar.def"
#undef IPM_SYSVAR
	IPM_N_SYSVARS
};

struct ipm_sysctls {
	int32_t v[IPM_N_SYSVARS];
};

/* Every variable at its default. */
void ipm_sysctls_init(struct ipm_sysctls *s);

#endif
