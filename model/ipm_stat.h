#ifndef IPM_STAT_H
#define IPM_STAT_H

/*
 * Every counter that the kernel keeps of IPsec and of the layers around it.
 * Histograms count uses per algorithm number; AH's has 16 places, and a number
 * beyond them goes where the switch ah-histogram says.
 *
 * Source: FreeBSD sys/netipsec/ipsec.h, esp_var.h, ah_var.h, ipcomp_var.h,
 * keysock.h; netinet/ip_var.h, netinet6/ip6_var.h, netinet/udp_var.h.
 */

#include <stdint.h>

enum ipm_stat {
#define IPM_STAT(group, field) IPM_ST_##group##_##field,
#include "ipm_stat.def"
#undef IPM_STAT
	IPM_N_STATS
};

struct ipm_stats {
	uint64_t v[IPM_N_STATS];
	uint64_t esp_hist[256], ah_hist[16], ipcomp_hist[8];
	uint64_t ah_hist_other; /* numbers from 16 on */
	uint64_t pfkey_out_msgtype[256], pfkey_in_msgtype[256];
};

#endif
