#include "ipm_spd.h"

void
ipm_spd_init(struct ipm_spd *spd)
{
	*spd = (struct ipm_spd){ .last_reqid = IPM_REQID_MANUAL_MAX + 1 };
}
