#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_config.h"
#include "hx_setkey.h"
#include "hx_sidecar.h"

/* The policies of a script as messages.  False with *err set. */
static bool
compile_policies(const struct hx_setkey *script, const char *file,
    struct hx_setkey_msgs *m, struct hx_err *err)
{
	for (size_t i = 0; i < script->n; i++) {
		const struct hx_setkey_stmt *st = &script->stmt[i];
		enum ipm_err e;

		if (st->kind != HX_SETKEY_SPDADD &&
		    st->kind != HX_SETKEY_SPDDELETE &&
		    st->kind != HX_SETKEY_SPDFLUSH)
			continue;
		e = hx_setkey_compile(st, HX_CONFIG_PID, m);
		if (e == IPM_OK)
			continue;
		hx_err_set(err, file, st->line, st->col, "%s",
		    e == IPM_ERR_NOMEM ? "out of memory"
				       : "longer than a PF_KEY message can be");
		hx_setkey_msgs_free(m);
		return false;
	}
	return true;
}

static bool
parse_setkey(const char *buf, size_t len, const char *file,
    struct hx_config *cfg, struct hx_err *err)
{
	struct hx_setkey script;
	struct hx_setkey_result r;
	struct hx_setkey_msgs policies = { 0 };
	bool ok;

	if (!hx_setkey_parse(buf, len, file, &script, err))
		return false;
	if (script.n == 0) {
		hx_err_set(err, file, script.end_line, 0,
		    "the file holds no statement");
		ok = false;
	} else {
		ok = compile_policies(&script, file, &policies, err) &&
		    hx_setkey_run(&script, file, &r, err);
	}
	if (!ok)
		hx_setkey_msgs_free(&policies);
	if (ok) {
		hx_config_take(cfg, HX_CONFIG_SETKEY, &r.sas);
		cfg->n_policies = r.n_policies;
		cfg->n_policy_deletes = r.n_policy_deletes;
		cfg->policies = policies;
	}
	hx_setkey_free(&script);
	return ok;
}

bool
hx_config_parse(const char *buf, size_t len, const char *file,
    struct hx_config *cfg, struct hx_err *err)
{
	size_t i = 0;

	memset(cfg, 0, sizeof(*cfg));
	if (len > HX_CONFIG_MAX) {
		hx_err_set(err, file, 0, 0,
		    "longer than %zu octets, the most a configuration has",
		    HX_CONFIG_MAX);
		return false;
	}
	while (i < len && strchr(" \t\r\n", buf[i]) != NULL && buf[i] != '\0')
		i++;
	/* No statement of setkey(8) begins with a brace. */
	if (i < len && buf[i] == '{')
		return hx_sidecar_parse(buf, len, file, cfg, err);
	return parse_setkey(buf, len, file, cfg, err);
}

/* Moves to a buffer of twice the size; the old one held keys. */
static char *
enlarge(char *old, size_t *cap)
{
	const size_t more = *cap == 0 ? 65536 : 2 * *cap;
	char *p = malloc(more);

	if (p != NULL && old != NULL)
		memcpy(p, old, *cap);
	if (old != NULL)
		ipm_wipe(old, *cap);
	free(old);
	if (p != NULL)
		*cap = more;
	return p;
}

/*
 * All of f, at most HX_CONFIG_MAX octets and one more, in *buf (malloc's,
 * *cap octets of room).  False when it cannot be read, with the error set.
 */
static bool
read_all(FILE *f, const char *file, char **buf, size_t *cap, size_t *len,
    struct hx_err *err)
{
	*buf = NULL;
	*cap = *len = 0;
	for (;;) {
		if (*len == *cap) {
			*buf = enlarge(*buf, cap);
			if (*buf == NULL) {
				hx_err_set(err, file, 0, 0, "out of memory");
				return false;
			}
		}
		const size_t n = fread(*buf + *len, 1, *cap - *len, f);
		*len += n;
		if (*len > HX_CONFIG_MAX)
			return true;
		if (n == 0)
			break;
	}
	if (ferror(f)) {
		hx_err_set(
		    err, file, 0, 0, "cannot be read: %s", strerror(errno));
		return false;
	}
	return true;
}

bool
hx_config_load(const char *path, struct hx_config *cfg, struct hx_err *err)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	const char *file = is_stdin ? "standard input" : path;
	FILE *f = is_stdin ? stdin : fopen(path, "rb");
	char *buf = NULL;
	size_t cap = 0, len = 0;
	bool ok;

	memset(cfg, 0, sizeof(*cfg));
	if (f == NULL) {
		hx_err_set(
		    err, file, 0, 0, "cannot be opened: %s", strerror(errno));
		return false;
	}
	/* No second copy of the keys in stdio's own buffer. */
	(void)setvbuf(f, NULL, _IONBF, 0);
	errno = 0;
	ok = read_all(f, file, &buf, &cap, &len, err) &&
	    hx_config_parse(buf, len, file, cfg, err);
	if (buf != NULL)
		ipm_wipe(buf, cap);
	free(buf);
	if (!is_stdin)
		(void)fclose(f);
	return ok;
}

void
hx_config_take(
    struct hx_config *cfg, enum hx_config_kind kind, struct hx_salist *list)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->kind = kind;
	cfg->sas = list->sas;
	cfg->n = list->n;
	/* No look-up from here on. */
	list->sas = NULL;
	list->n = 0;
	hx_salist_free(list);
}

void
hx_config_free(struct hx_config *cfg)
{
	struct hx_salist list = { .sas = cfg->sas, .n = cfg->n };

	hx_salist_free(&list);
	hx_setkey_msgs_free(&cfg->policies);
	memset(cfg, 0, sizeof(*cfg));
}
