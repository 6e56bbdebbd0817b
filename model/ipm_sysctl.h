#ifndef IPM_SYSCTL_H
#define IPM_SYSCTL_H

/*
 * Every variable of net.inet.ipsec, net.inet6.ipsec6, net.inet.{esp,ah,ipcomp},
 * net.key and net.enc: the values as they stand, and one table of names.  Two
 * names may be one variable (facts datapath 1.2, 1.3).
 *
 * Source: FreeBSD sys/netipsec/ipsec.c, key.c, xform_*.c, net/if_enc.c;
 * kern/kern_sysctl.c for sizes and errors.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipm_profile.h"
#include "ipm_stat.h"
#include "wire/ipm_bytes.h"

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

/*
 * The variable's value under the profile: with the switch sysctl-shared those
 * of IPv6 that FreeBSD does not have are IPv4's.
 */
int32_t ipm_sysvar(const struct ipm_sysctls *s, const struct ipm_profile *pf,
    enum ipm_sysvar var);

/* errno of FreeBSD that a sysctl can give. */
enum {
	IPM_SYSCTL_EPERM = 1,
	IPM_SYSCTL_ENOENT = 2,
	IPM_SYSCTL_ENOMEM = 12,
	IPM_SYSCTL_EISDIR = 21,
	IPM_SYSCTL_EINVAL = 22
};

enum ipm_sysctl_type {
	IPM_SYSCTL_INT,
	IPM_SYSCTL_UINT,
	IPM_SYSCTL_POLICY, /* an int of 0 or 1 */
	IPM_SYSCTL_STATS   /* a structure of 64-bit counters */
};

struct ipm_sysctl_row {
	const char *name;
	enum ipm_sysctl_type type;
	enum ipm_sysvar var;       /* unless STATS */
	enum ipm_stat_group stats; /* of STATS */
	bool writable;
	enum ipm_switch exists; /* IPM_N_SWITCHES: always */
	const char *oid;        /* "4.2.253.2"; "" numbered at boot */
	const char *clause;     /* ids of the catalogue; "-" none */
	const char *effect;     /* one sentence without a full stop */
	const char *page;       /* where ipsec(4) differs; "" nowhere */
};
/* In the order of FreeBSD's tree. */
extern const struct ipm_sysctl_row ipm_sysctl_rows[];
extern const size_t ipm_n_sysctl_rows;

bool ipm_sysctl_exists(
    const struct ipm_sysctl_row *row, const struct ipm_profile *pf);
/* The row of that name if the profile has it, or NULL. */
const struct ipm_sysctl_row *ipm_sysctl_find(
    const struct ipm_profile *pf, const char *name);
/* Is it an inner node ("net.key") with a name below it? */
bool ipm_sysctl_is_node(const struct ipm_profile *pf, const char *name);

/*
 * Reads a value as octets of a little-endian host: 4 of a number, the whole
 * structure of statistics.
 *
 *   len  the value's length, whatever cap is
 *
 * Returns 0, ENOENT (no such name), EISDIR (an inner node), ENOMEM (cap is too
 * small; what fits is written).
 */
int ipm_sysctl_read(const struct ipm_sysctls *s, const struct ipm_stats *stats,
    const struct ipm_profile *pf, const char *name, uint8_t *out, size_t cap,
    size_t *len);

/*
 * Writes a value given as octets of a little-endian host.  Of a number the
 * first 4 count and more are ignored; statistics become 0 whatever is written.
 *
 * Returns 0, ENOENT, EISDIR, EPERM (read-only, looked at before the value),
 * EINVAL (fewer than 4 octets, or a number that the variable does not take);
 * on an error nothing has changed.
 */
int ipm_sysctl_write(struct ipm_sysctls *s, struct ipm_stats *stats,
    const struct ipm_profile *pf, const char *name, struct ipm_span value);

/*
 * The same as a number.  Reading statistics gives EINVAL; so does writing a
 * number that does not fit the type (int32_t; uint32_t of a UINT).
 */
int ipm_sysctl_get(const struct ipm_sysctls *s, const struct ipm_profile *pf,
    const char *name, int64_t *value);
int ipm_sysctl_set(struct ipm_sysctls *s, struct ipm_stats *stats,
    const struct ipm_profile *pf, const char *name, int64_t value);

#endif
