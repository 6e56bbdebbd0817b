/*
 * Configuration files as a whole.  The setkey file and the sidecar of each
 * capture were written independently of each other's language, so that both
 * give the same SAs is evidence for both readers.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "hx_config.h"

#define CAPTURES SOURCE_DIR "/vectors/captures"

static bool
spans_equal(struct ipm_span a, struct ipm_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* The first field in which they differ, or NULL. */
static const char *
difference(const struct ipm_sa_config *k, const struct ipm_sa_config *j)
{
	/* setkey(8) lets the counter cycle by default; Linux never does. */
	const uint32_t cyc = IPM_SAF_CYCSEQ;

	if (!ipm_addr_equal(&k->src, &j->src))
		return "src";
	if (!ipm_addr_equal(&k->dst, &j->dst))
		return "dst";
	if (k->proto != j->proto)
		return "proto";
	if (k->spi != j->spi)
		return "spi";
	if (k->mode != j->mode)
		return "mode";
	if (k->reqid != j->reqid)
		return "reqid";
	if ((k->flags & ~cyc) != j->flags)
		return "flags";
	if (k->enc != j->enc)
		return "enc";
	if (k->auth != j->auth)
		return "auth";
	if (k->comp != j->comp)
		return "comp";
	if (!spans_equal(k->enc_key, j->enc_key))
		return "enc_key";
	if (!spans_equal(k->auth_key, j->auth_key))
		return "auth_key";
	if (k->window != j->window)
		return "window";
	if (k->last_seq != j->last_seq)
		return "last_seq";
	if (k->sport != j->sport || k->dport != j->dport)
		return "ports";
	if (k->hard_add != j->hard_add || k->soft_add != j->soft_add)
		return "lifetimes";
	return NULL;
}

static void
load(const char *stem, const char *ext, struct hx_config *c)
{
	char path[600];
	struct hx_err err;

	(void)snprintf(path, sizeof(path), "%s/%s%s", CAPTURES, stem, ext);
	cr_assert(hx_config_load(path, c, &err), "%s", err.text);
}

/* Both files of one capture. */
static void
compare(const char *stem)
{
	struct hx_config k, j;

	load(stem, ".setkey", &k);
	load(stem, ".json", &j);
	cr_assert_eq(k.kind, HX_CONFIG_SETKEY);
	cr_assert_eq(j.kind, HX_CONFIG_SIDECAR);
	cr_assert_geq(k.n, 2, "%s", stem);
	cr_assert_geq(k.n_policies, 2, "%s", stem);
	cr_assert_eq(k.n_policy_deletes, 0, "%s", stem);
	cr_assert_eq(k.n, j.n, "%s: %zu and %zu SAs", stem, k.n, j.n);
	for (size_t i = 0; i < k.n; i++) {
		const char *field = difference(&k.sas[i].cfg, &j.sas[i].cfg);

		cr_assert_null(field, "%s, SA %zu: %s differs", stem, i, field);
		cr_assert_neq(k.sas[i].line, 0);
	}
	/* The comparison can fail. */
	j.sas[0].cfg.window ^= 1;
	cr_assert_not_null(difference(&k.sas[0].cfg, &j.sas[0].cfg));
	hx_config_free(&k);
	hx_config_free(&j);
}

Test(config, the_two_files_of_each_capture_give_the_same_sas)
{
	DIR *d = opendir(CAPTURES);
	const struct dirent *e;
	unsigned n = 0;

	cr_assert_not_null(d, CAPTURES);
	while ((e = readdir(d)) != NULL) {
		const char *dot = strrchr(e->d_name, '.');
		char stem[300];

		if (dot == NULL || strcmp(dot, ".setkey") != 0)
			continue;
		(void)snprintf(stem, sizeof(stem), "%.*s",
		    (int)(dot - e->d_name), e->d_name);
		compare(stem);
		n++;
	}
	(void)closedir(d);
	cr_assert_eq(n, 82);
}

#define ADD                                                \
	"add 192.0.2.1 192.0.2.2 esp 0x1000 -E null \"\" " \
	"-A hmac-md5 \"0123456789abcdef\";"

Test(config, content_tells_the_languages_apart)
{
	static const char json[] =
	    " \t\r\n{\"schema\":\"ipsec-capture\",\"version\":1,\"sas\":[]}";
	static const char setkey[] = " \n# {\n" ADD;
	struct hx_config c;
	struct hx_err err;

	cr_assert(hx_config_parse(json, sizeof(json) - 1, "x", &c, &err), "%s",
	    err.text);
	cr_assert_eq(c.kind, HX_CONFIG_SIDECAR);
	cr_assert_eq(c.n, 0);
	hx_config_free(&c);
	cr_assert(hx_config_parse(setkey, sizeof(setkey) - 1, "x", &c, &err),
	    "%s", err.text);
	cr_assert_eq(c.kind, HX_CONFIG_SETKEY);
	cr_assert_eq(c.n, 1);
	cr_assert_eq(c.sas[0].line, 3);
	hx_config_free(&c);
	cr_assert_eq(c.n, 0);
	cr_assert_null(c.sas);
}

/* What the engine is to be told of policies, in the order of the file. */
Test(config, policies_are_kept_as_messages)
{
	static const char text[] =
	    "spdadd 10.0.0.1 10.0.0.2 any -P in none;\n" ADD
	    "spddelete 10.0.0.1 10.0.0.2 any -P in;\nspdflush;\n"
	    "spdadd ::1 ::2\n tcp -P out discard;";
	static const struct {
		uint8_t type;
		unsigned line;
	} want[] = { { 14, 1 }, { 15, 2 }, { 19, 3 }, { 14, 5 } };
	struct hx_config c;
	struct hx_err err;

	cr_assert(hx_config_parse(text, sizeof(text) - 1, "x", &c, &err), "%s",
	    err.text);
	cr_assert_eq(c.n, 1);
	cr_assert_eq(c.policies.n, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct hx_setkey_msg *m = &c.policies.msg[i];

		cr_assert_eq(m->octets.p[1], want[i].type, "message %zu", i);
		cr_assert_eq(m->octets.p[4] * 8U, m->octets.len);
		cr_assert_eq(m->octets.p[12], HX_CONFIG_PID);
		cr_assert_eq(m->line, want[i].line, "message %zu", i);
	}
	hx_config_free(&c);
	cr_assert_eq(c.policies.n, 0);
}

Test(config, what_is_neither_is_refused_with_its_line)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "", "x:1: the file holds no statement" },
		{ "\n\n# c\n", "x:4: the file holds no statement" },
		{ "[]",
		    "x:1:1: found '[', expected the end of the file, "
		    "'add', 'delete', 'deleteall', 'get', 'flush', "
		    "'dump', 'spdadd', 'spddelete', 'spddump' or "
		    "'spdflush'" },
		{ "{}", "x: schema: is missing" },
		{ "\xef\xbb\xbf" ADD, "x:1:1: '\\xef' has no meaning here" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hx_config c;
		struct hx_err err;

		cr_assert_not(hx_config_parse(rows[i].text,
				  strlen(rows[i].text), "x", &c, &err),
		    "row %zu", i);
		cr_assert_str_eq(err.text, rows[i].error, "row %zu", i);
	}
}

/* One error, and nothing is configured. */
Test(config, an_error_leaves_nothing_behind)
{
	static const char text[] = ADD "\n" ADD;
	struct hx_config c;
	struct hx_err err;

	cr_assert_not(hx_config_parse(text, sizeof(text) - 1, "x", &c, &err));
	cr_assert_str_eq(err.text,
	    "x:2:1: the SA esp 192.0.2.2 0x00001000 is already added in "
	    "line 1");
	cr_assert_eq(c.n, 0);
	cr_assert_null(c.sas);
}

Test(config, a_file_that_cannot_be_read_is_named)
{
	struct hx_config c;
	struct hx_err err;
	char want[200];

	cr_assert_not(hx_config_load("/nonexistent/x\n", &c, &err));
	(void)snprintf(want, sizeof(want),
	    "/nonexistent/x\\x0a: cannot be opened: %s", strerror(ENOENT));
	cr_assert_str_eq(err.text, want);
	cr_assert_not(hx_config_load("/", &c, &err));
	(void)snprintf(
	    want, sizeof(want), "/: cannot be read: %s", strerror(EISDIR));
	cr_assert_str_eq(err.text, want);
}

/* A temporary file; -1 is never returned. */
static int
scratch(char *path, size_t len)
{
	int fd;

	(void)snprintf(path, len, "%s/config-XXXXXX", BINARY_DIR);
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	return fd;
}

Test(config, a_file_beyond_the_limit_is_refused_and_one_at_it_is_read)
{
	char path[300], want[500];
	const int fd = scratch(path, sizeof(path));
	struct hx_config c;
	struct hx_err err;

	cr_assert_eq(ftruncate(fd, (off_t)HX_CONFIG_MAX + 1), 0);
	cr_assert_not(hx_config_load(path, &c, &err));
	(void)snprintf(want, sizeof(want),
	    "%s: longer than 67108864 octets, the most a configuration has",
	    path);
	cr_assert_str_eq(err.text, want);
	/* At the limit it is the first NUL that is wrong. */
	cr_assert_eq(ftruncate(fd, (off_t)HX_CONFIG_MAX), 0);
	cr_assert_not(hx_config_load(path, &c, &err));
	(void)snprintf(
	    want, sizeof(want), "%s:1:1: '\\x00' has no meaning here", path);
	cr_assert_str_eq(err.text, want);
	(void)close(fd);
	(void)unlink(path);
}

Test(config, a_dash_is_standard_input)
{
	char path[300];
	const int fd = scratch(path, sizeof(path));
	struct hx_config c;
	struct hx_err err;

	cr_assert_eq(write(fd, ADD, strlen(ADD)), (ssize_t)strlen(ADD));
	cr_assert_not_null(freopen(path, "rb", stdin));
	cr_assert(hx_config_load("-", &c, &err), "%s", err.text);
	cr_assert_eq(c.n, 1);
	hx_config_free(&c);
	cr_assert_eq(ftruncate(fd, 3), 0);
	cr_assert_not_null(freopen(path, "rb", stdin));
	cr_assert_not(hx_config_load("-", &c, &err));
	cr_assert_eq(
	    strstr(err.text, "standard input:1:4: "), err.text, "%s", err.text);
	(void)close(fd);
	(void)unlink(path);
}
