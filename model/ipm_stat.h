#ifndef IPM_STAT_H
#define IPM_STAT_H

/*
 * Every counter that the kernel keeps of IPsec and of the layers around it.
 * Histograms count uses per algorithm number; AH's has 16 places, and a number
 * beyond them goes where the switch ah-histogram says.
 *
 * Code that counts names a counter by its enum; code that shows, compares or
 * copies them walks the cells, which have the kernel's order and names.
 *
 * Source: FreeBSD sys/netipsec/ipsec.h, esp_var.h, ah_var.h, ipcomp_var.h,
 * keysock.h; netinet/ip_var.h, netinet6/ip6_var.h, netinet/udp_var.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipm_profile.h"
#include "ipm_verdict.h"

enum ipm_stat {
#define IPM_STAT_GROUP(...)
#define IPM_STAT(group, field, name, netstat, counts) IPM_ST_##group##_##field,
#define IPM_STAT_HIST(...)
#include "ipm_stat.def"
#undef IPM_STAT_GROUP
#undef IPM_STAT
#undef IPM_STAT_HIST
	IPM_N_STATS
};

/* The kernel's structures. */
enum ipm_stat_group {
#define IPM_STAT_GROUP(group, netstat, node) IPM_SG_##group,
#define IPM_STAT(...)
#define IPM_STAT_HIST(...)
#include "ipm_stat.def"
#undef IPM_STAT_GROUP
#undef IPM_STAT
#undef IPM_STAT_HIST
	IPM_N_STAT_GROUPS
};

struct ipm_stats {
	uint64_t v[IPM_N_STATS];
	uint64_t esp_hist[256], ah_hist[16], ipcomp_hist[8];
	uint64_t ah_hist_other; /* numbers from 16 on */
	uint64_t pfkey_out_msgtype[256], pfkey_in_msgtype[256];
};

struct ipm_stat_group_row {
	const char *netstat; /* "esp", as `netstat -s -p` has it */
	const char *node;    /* "net.inet.esp.stats"; "" none (pfkey) */
};
extern const struct ipm_stat_group_row ipm_stat_groups[IPM_N_STAT_GROUPS];

/* A counter, or a run of them under one name. */
struct ipm_stat_row {
	enum ipm_stat_group group;
	const char *name;    /* the kernel's: "esps_notdb", "esps_hist" */
	const char *netstat; /* its words with %s, %e; "" no line */
	const char *counts;  /* when it counts */
	size_t offset;       /* octets into struct ipm_stats */
	size_t places;       /* of a histogram; 0: a counter */
	bool in_struct;      /* false: the kernel's structure lacks it */
};
/* In the kernel's order, group by group. */
extern const struct ipm_stat_row ipm_stat_rows[];
extern const size_t ipm_n_stat_rows;

/* One counter: a row, and the place of a histogram. */
struct ipm_stat_cell {
	const struct ipm_stat_row *row;
	size_t place;
};
#define IPM_STAT_NAME_MAX 40U

/* Steps to the next cell; {NULL} first.  False behind the last. */
bool ipm_stat_next(struct ipm_stat_cell *c);
/* "esps_notdb", "esps_hist[12]"; returns buf. */
const char *ipm_stat_name(
    const struct ipm_stat_cell *c, char buf[IPM_STAT_NAME_MAX]);
/* The cell of that name in a group; false when there is none. */
bool ipm_stat_find(
    enum ipm_stat_group group, const char *name, struct ipm_stat_cell *c);
/* The group whose structure the sysctl `node` reads; IPM_N_STAT_GROUPS. */
enum ipm_stat_group ipm_stat_group_of_node(const char *node);

uint64_t ipm_stats_get(
    const struct ipm_stats *s, const struct ipm_stat_cell *c);
void ipm_stats_add(
    struct ipm_stats *s, const struct ipm_stat_cell *c, uint64_t n);

/* dst gets the sum of both, cell by cell (modulo 2^64). */
void ipm_stats_sum(struct ipm_stats *dst, const struct ipm_stats *src);
void ipm_stats_zero(struct ipm_stats *s, enum ipm_stat_group group);
/* Folds all cells into h (FNV-1a over big-endian octets): equal on every
 * machine for equal counters. */
uint64_t ipm_stats_digest(const struct ipm_stats *s, uint64_t h);

/*
 * Writes the group's structure as the kernel of a little-endian host has it;
 * at most cap octets.  Returns the structure's length.
 */
size_t ipm_stats_octets(const struct ipm_stats *s, enum ipm_stat_group group,
    uint8_t *out, size_t cap);

/*
 * Counts the end of a packet at a layer of this IP protocol (50, 51, 108): the
 * counters of the reason's row.  Returns how many were counted.
 */
size_t ipm_stats_reason(struct ipm_stats *s, enum ipm_reason r, unsigned proto);

/*
 * Counts the use of an algorithm by its PF_KEY number: group IPM_SG_ESP a
 * cipher, IPM_SG_AH an integrity algorithm, IPM_SG_IPCOMP a compression.
 */
void ipm_stats_use(struct ipm_stats *s, const struct ipm_profile *pf,
    enum ipm_stat_group group, unsigned number);

#endif
