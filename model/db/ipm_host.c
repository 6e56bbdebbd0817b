#include "ipm_host.h"

void
ipm_host_init(struct ipm_host *h)
{
	*h = (struct ipm_host){ .ttl = 64, .hlim = 64, .rfc6864 = 1 };
}
