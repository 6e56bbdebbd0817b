#ifndef HX_SYSCTL_H
#define HX_SYSCTL_H

/* Sysctls as text: assignments of the command line, sysctl.conf files. */

#include "hx_err.h"
#include "ipm_sysctl.h"

/* What is read and written; all the caller's. */
struct hx_sysctl {
	const struct ipm_profile *pf;
	struct ipm_sysctls *s;
	struct ipm_stats *stats;
	/* Told of every assignment, with the value it had; may be NULL. */
	void (*assigned)(
	    void *ctx, const struct ipm_sysctl_row *row, int64_t old);
	void *ctx;
};

/*
 * Carries out "name=value"; blanks around either are skipped.  The value is
 * decimal, 0x hexadecimal or 0 octal; of statistics it does not matter.
 *
 *   file, line  for the error; file NULL: no place is given
 *
 * False with *err set ("unknown oid 'x'"), and nothing has changed.
 */
bool hx_sysctl_assign(const struct hx_sysctl *b, const char *text,
    const char *file, unsigned line, struct hx_err *err);

/*
 * Carries out a sysctl.conf file (- standard input): an assignment a line, #
 * begins a comment.  False with *err set; the lines before stand.
 */
bool hx_sysctl_read_conf(
    const struct hx_sysctl *b, const char *path, struct hx_err *err);

/* Why a name cannot be used: ENOENT, EISDIR, EPERM, EINVAL. */
void hx_sysctl_error(int error, const char *name, const char *value,
    const char *file, unsigned line, struct hx_err *err);

int hx_cmd_sysctl(int argc, char **argv);

#endif
