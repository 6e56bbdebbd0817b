#include "ipm_sysctl.h"

#include <string.h>

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

#define ROW_INT(name, id, type, access, sw, oid, clause, effect, page)         \
	{ name, IPM_SYSCTL_##type, IPM_SV_##id, IPM_N_STAT_GROUPS, access, sw, \
		oid, clause, effect, page },
#define ROW_UINT   ROW_INT
#define ROW_POLICY ROW_INT
#define ROW_STATS(name, id, type, access, sw, oid, clause, effect, page)       \
	{ name, IPM_SYSCTL_STATS, IPM_N_SYSVARS, IPM_SG_##id, access, sw, oid, \
		clause, effect, page },
#define RW            true
#define RD            false
#define IPM_SW_ALWAYS IPM_N_SWITCHES

const struct ipm_sysctl_row ipm_sysctl_rows[] = {
#define IPM_SYSCTL(name, id, type, access, sw, oid, clause, effect, page) \
	ROW_##type(                                                       \
	    name, id, type, access, IPM_SW_##sw, oid, clause, effect, page)
#include "ipm_sysctl.def"
#undef IPM_SYSCTL
};
const size_t ipm_n_sysctl_rows =
    sizeof ipm_sysctl_rows / sizeof ipm_sysctl_rows[0];

/* [MAN-defpolicy-06] [MAN-debug-02] One variable or one per family. */
static enum ipm_sysvar
variable(const struct ipm_profile *pf, enum ipm_sysvar var)
{
	if (ipm_sw(pf, IPM_SW_SYSCTL_SHARED) == IPM_OFF)
		return var;
	if (var == IPM_SV_DEF_POLICY6)
		return IPM_SV_DEF_POLICY;
	if (var == IPM_SV_DEBUG6)
		return IPM_SV_DEBUG;
	return var;
}

int32_t
ipm_sysvar(const struct ipm_sysctls *s, const struct ipm_profile *pf,
    enum ipm_sysvar var)
{
	return s->v[variable(pf, var)];
}

bool
ipm_sysctl_exists(
    const struct ipm_sysctl_row *row, const struct ipm_profile *pf)
{
	return row->exists == IPM_N_SWITCHES ||
	    ipm_sw(pf, row->exists) == IPM_ON;
}

const struct ipm_sysctl_row *
ipm_sysctl_find(const struct ipm_profile *pf, const char *name)
{
	for (size_t i = 0; i < ipm_n_sysctl_rows; i++)
		if (strcmp(ipm_sysctl_rows[i].name, name) == 0)
			return ipm_sysctl_exists(&ipm_sysctl_rows[i], pf)
			    ? &ipm_sysctl_rows[i]
			    : NULL;
	return NULL;
}

bool
ipm_sysctl_is_node(const struct ipm_profile *pf, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; n != 0 && i < ipm_n_sysctl_rows; i++)
		if (strncmp(ipm_sysctl_rows[i].name, name, n) == 0 &&
		    ipm_sysctl_rows[i].name[n] == '.' &&
		    ipm_sysctl_exists(&ipm_sysctl_rows[i], pf))
			return true;
	return false;
}

/* [MAN-sysctl-01] An unknown name is ENOENT. */
static int
find(const struct ipm_profile *pf, const char *name,
    const struct ipm_sysctl_row **row)
{
	*row = ipm_sysctl_find(pf, name);
	if (*row != NULL)
		return 0;
	return ipm_sysctl_is_node(pf, name) ? IPM_SYSCTL_EISDIR
					    : IPM_SYSCTL_ENOENT;
}

int
ipm_sysctl_read(const struct ipm_sysctls *s, const struct ipm_stats *stats,
    const struct ipm_profile *pf, const char *name, uint8_t *out, size_t cap,
    size_t *len)
{
	const struct ipm_sysctl_row *row;
	int error = find(pf, name, &row);
	uint32_t v;

	if (error != 0) {
		*len = 0;
		return error;
	}
	if (row->type == IPM_SYSCTL_STATS)
		*len = ipm_stats_octets(stats, row->stats, out, cap);
	else {
		v = (uint32_t)ipm_sysvar(s, pf, row->var);
		*len = sizeof v;
		for (size_t i = 0; i < sizeof v && i < cap; i++)
			out[i] = (uint8_t)(v >> 8 * i);
	}
	return cap < *len ? IPM_SYSCTL_ENOMEM : 0;
}

int
ipm_sysctl_write(struct ipm_sysctls *s, struct ipm_stats *stats,
    const struct ipm_profile *pf, const char *name, struct ipm_span value)
{
	const struct ipm_sysctl_row *row;
	int error = find(pf, name, &row);
	uint32_t v = 0;

	if (error != 0)
		return error;
	if (!row->writable)
		return IPM_SYSCTL_EPERM;
	if (row->type == IPM_SYSCTL_STATS) {
		ipm_stats_zero(stats, row->stats);
		return 0;
	}
	if (value.len < sizeof v)
		return IPM_SYSCTL_EINVAL;
	for (size_t i = 0; i < sizeof v; i++)
		v |= (uint32_t)value.p[i] << 8 * i;
	/* [MAN-defpolicy-06] */
	if (row->type == IPM_SYSCTL_POLICY && v > 1)
		return IPM_SYSCTL_EINVAL;
	s->v[variable(pf, row->var)] = (int32_t)v;
	return 0;
}

int
ipm_sysctl_get(const struct ipm_sysctls *s, const struct ipm_profile *pf,
    const char *name, int64_t *value)
{
	const struct ipm_sysctl_row *row;
	int error = find(pf, name, &row);
	int32_t v;

	if (error != 0)
		return error;
	if (row->type == IPM_SYSCTL_STATS)
		return IPM_SYSCTL_EINVAL;
	v = ipm_sysvar(s, pf, row->var);
	*value = row->type == IPM_SYSCTL_UINT ? (int64_t)(uint32_t)v : v;
	return 0;
}

int
ipm_sysctl_set(struct ipm_sysctls *s, struct ipm_stats *stats,
    const struct ipm_profile *pf, const char *name, int64_t value)
{
	const struct ipm_sysctl_row *row = ipm_sysctl_find(pf, name);
	bool is_uint = row != NULL && row->type == IPM_SYSCTL_UINT;
	int64_t min = is_uint ? 0 : INT32_MIN;
	int64_t max = is_uint ? (int64_t)UINT32_MAX : INT32_MAX;
	uint8_t le[4];

	if (row != NULL && row->writable && row->type != IPM_SYSCTL_STATS &&
	    (value < min || value > max))
		return IPM_SYSCTL_EINVAL;
	for (size_t i = 0; i < sizeof le; i++)
		le[i] = (uint8_t)((uint64_t)value >> 8 * i);
	return ipm_sysctl_write(s, stats, pf, name, ipm_span(le, sizeof le));
}
