#include "hx_sysctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
hx_sysctl_error(int error, const char *name, const char *value,
    const char *file, unsigned line, struct hx_err *err)
{
	switch (error) {
	case IPM_SYSCTL_ENOENT:
		hx_err_set(err, file, line, 0, "unknown oid '%s'", name);
		return;
	case IPM_SYSCTL_EISDIR:
		hx_err_set(
		    err, file, line, 0, "oid '%s' isn't a leaf node", name);
		return;
	case IPM_SYSCTL_EPERM:
		hx_err_set(err, file, line, 0, "oid '%s' is read only", name);
		return;
	default:
		hx_err_set(
		    err, file, line, 0, "%s=%s: Invalid argument", name, value);
		return;
	}
}

/* Cuts the blanks off both ends, in place. */
static char *
trim(char *p)
{
	static const char blanks[] = " \t\r\n";
	size_t n;

	p += strspn(p, blanks);
	for (n = strlen(p); n != 0 && strchr(blanks, p[n - 1]) != NULL;)
		p[--n] = '\0';
	return p;
}

static bool
read_number(const char *text, int64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoll(text, &end, 0);
	return *text != '\0' && *end == '\0' && errno == 0;
}

static bool
assign(const struct hx_sysctl *b, const char *name, const char *value,
    const char *file, unsigned line, struct hx_err *err)
{
	const struct ipm_sysctl_row *row = ipm_sysctl_find(b->pf, name);
	int64_t old = 0, v = 0;
	int error;

	if (row != NULL && row->writable && row->type != IPM_SYSCTL_STATS &&
	    !read_number(value, &v)) {
		hx_err_set(err, file, line, 0, "%s: invalid integer '%s'", name,
		    value);
		return false;
	}
	(void)ipm_sysctl_get(b->s, b->pf, name, &old);
	error = ipm_sysctl_set(b->s, b->stats, b->pf, name, v);
	if (error != 0) {
		hx_sysctl_error(error, name, value, file, line, err);
		return false;
	}
	if (b->assigned != NULL)
		b->assigned(b->ctx, row, old);
	return true;
}

bool
hx_sysctl_assign(const struct hx_sysctl *b, const char *text, const char *file,
    unsigned line, struct hx_err *err)
{
	char *copy = strdup(text), *eq;
	bool ok;

	if (copy == NULL) {
		hx_err_set(err, file, line, 0, "out of memory");
		return false;
	}
	eq = strchr(copy, '=');
	if (eq == NULL) {
		hx_err_set(
		    err, file, line, 0, "name=value expected: %s", trim(copy));
		free(copy);
		return false;
	}
	*eq = '\0';
	ok = assign(b, trim(copy), trim(eq + 1), file, line, err);
	free(copy);
	return ok;
}

static bool
read_lines(
    const struct hx_sysctl *b, FILE *f, const char *name, struct hx_err *err)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	bool ok = true;

	for (unsigned line = 1; ok && (n = getline(&text, &cap, f)) >= 0;
	     line++) {
		if (strlen(text) != (size_t)n) {
			hx_err_set(err, name, line, 0, "a NUL octet");
			ok = false;
			break;
		}
		text[strcspn(text, "#")] = '\0';
		if (*trim(text) != '\0')
			ok = hx_sysctl_assign(b, text, name, line, err);
	}
	if (ok && ferror(f)) {
		hx_err_set(err, name, 0, 0, "%s", strerror(errno));
		ok = false;
	}
	free(text);
	return ok;
}

bool
hx_sysctl_read_conf(
    const struct hx_sysctl *b, const char *path, struct hx_err *err)
{
	FILE *f;
	bool ok;

	if (strcmp(path, "-") == 0)
		return read_lines(b, stdin, "standard input", err);
	f = fopen(path, "r");
	if (f == NULL) {
		hx_err_set(err, path, 0, 0, "%s", strerror(errno));
		return false;
	}
	ok = read_lines(b, f, path, err);
	(void)fclose(f);
	return ok;
}
