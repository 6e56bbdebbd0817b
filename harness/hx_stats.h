#ifndef HX_STATS_H
#define HX_STATS_H

/* The counters as netstat(1) shows them. */

#include <stdio.h>

#include "ipm_stat.h"

/*
 * Prints what `netstat -s -p PROTOCOL` prints of these counters, histograms
 * included, lines of 0 as well.  Of protocols beside IPsec and PF_KEY, where
 * the model keeps a part of the counters, the kernel's names stand in the
 * place of netstat's words.
 *
 * Source: FreeBSD usr.bin/netstat/ipsec.c, pfkey.c (of 13).
 */
void hx_stats_print(
    const struct ipm_stats *s, enum ipm_stat_group proto, FILE *out);

/* The group netstat calls so ("esp"), or IPM_N_STAT_GROUPS. */
enum ipm_stat_group hx_stats_group(const char *netstat);

int hx_cmd_stats(int argc, char **argv);

#endif
