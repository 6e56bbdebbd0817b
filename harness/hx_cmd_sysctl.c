/* ipsecsim sysctl: the variables, as sysctl(8) shows and sets them. */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_hex.h"
#include "hx_sysctl.h"

static const char usage[] =
    "usage: ipsecsim sysctl [-adnox] [--json] [--profile P]\n"
    "           [--switch NAME=VALUE]... [-f FILE]... [NAME[=VALUE]]...\n\n"
    "The sysctls of a fresh node: assigns what FILE (sysctl.conf) and the\n"
    "arguments say, in their order, and prints the variables named; a name\n"
    "above variables stands for all below it.\n\n"
    "  -a            every variable, when all is assigned\n"
    "  -d            what it does in place of its value\n"
    "  -n            the value alone\n"
    "  -o, -x        statistics too: the first 16 octets, or all\n"
    "  --profile P   default manual (ipsecsim profiles)\n";

/* Longest structure of statistics: ESP's, 276 numbers. */
#define STRUCT_MAX 4096U

struct command {
	struct ipm_profile pf;
	struct ipm_sysctls s;
	struct ipm_stats stats;
	bool all, describe, bare, dump, dump_whole, json;
	size_t printed;
};

static const char *
type_name(enum ipm_sysctl_type t)
{
	switch (t) {
	case IPM_SYSCTL_INT:
	case IPM_SYSCTL_POLICY:
		return "int";
	case IPM_SYSCTL_UINT:
		return "uint";
	case IPM_SYSCTL_STATS:
		break;
	}
	return "opaque";
}

static void
print(json_t *obj)
{
	(void)json_dumpf(obj, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(obj);
}

/* The structure in hexadecimal, `most` octets of it; hex takes them. */
static size_t
dump(const struct command *c, const struct ipm_sysctl_row *row, size_t most,
    char hex[2 * STRUCT_MAX + 1])
{
	uint8_t out[STRUCT_MAX];
	size_t len;

	(void)ipm_sysctl_read(
	    &c->s, &c->stats, &c->pf, row->name, out, sizeof out, &len);
	(void)hx_hex_write(ipm_span(out, len < most ? len : most), hex);
	return len;
}

static void
print_json(const struct command *c, const struct ipm_sysctl_row *row,
    const int64_t *old)
{
	json_t *obj = json_pack(
	    "{s:s, s:s}", "name", row->name, "type", type_name(row->type));
	char hex[2 * STRUCT_MAX + 1];
	int64_t v;

	if (row->type == IPM_SYSCTL_STATS) {
		size_t len = dump(c, row, c->dump_whole ? STRUCT_MAX : 16, hex);

		(void)json_object_set_new(
		    obj, "length", json_integer((json_int_t)len));
		if (c->dump || c->dump_whole)
			(void)json_object_set_new(
			    obj, "octets", json_string(hex));
	} else if (ipm_sysctl_get(&c->s, &c->pf, row->name, &v) == 0) {
		if (old != NULL)
			(void)json_object_set_new(
			    obj, "old", json_integer(*old));
		(void)json_object_set_new(obj, "value", json_integer(v));
	}
	(void)json_object_update_new(obj,
	    json_pack("{s:b, s:s, s:s, s:s, s:s}", "writable", row->writable,
		"oid", row->oid, "clause", row->clause, "effect", row->effect,
		"page", row->page));
	print(obj);
}

static void
print_text(const struct command *c, const struct ipm_sysctl_row *row,
    const int64_t *old)
{
	char hex[2 * STRUCT_MAX + 1];
	int64_t v;

	if (!c->bare)
		(void)printf("%s: ", row->name);
	if (c->describe)
		(void)puts(row->effect);
	else if (row->type == IPM_SYSCTL_STATS && old != NULL)
		(void)puts("zeroed");
	else if (row->type == IPM_SYSCTL_STATS) {
		size_t len = dump(c, row, c->dump_whole ? STRUCT_MAX : 16, hex);

		(void)printf("Format:I Length:%zu Dump:0x%s%s\n", len, hex,
		    c->dump_whole ? "" : "...");
	} else if (ipm_sysctl_get(&c->s, &c->pf, row->name, &v) == 0) {
		if (old != NULL && !c->bare)
			(void)printf("%lld -> ", (long long)*old);
		(void)printf("%lld\n", (long long)v);
	}
}

static void
print_row(
    struct command *c, const struct ipm_sysctl_row *row, const int64_t *old)
{
	c->printed++;
	if (c->json)
		print_json(c, row, old);
	else
		print_text(c, row, old);
}

static void
assigned(void *ctx, const struct ipm_sysctl_row *row, int64_t old)
{
	print_row(ctx, row, &old);
}

/* Everything below a name; all of it for "". */
static void
print_below(struct command *c, const char *node)
{
	size_t n = strlen(node);

	for (size_t i = 0; i < ipm_n_sysctl_rows; i++) {
		const struct ipm_sysctl_row *row = &ipm_sysctl_rows[i];
		bool shown = row->type != IPM_SYSCTL_STATS || c->json ||
		    c->describe || c->dump || c->dump_whole;

		if (shown && ipm_sysctl_exists(row, &c->pf) &&
		    strncmp(row->name, node, n) == 0 &&
		    (n == 0 || row->name[n] == '.'))
			print_row(c, row, NULL);
	}
}

static bool
show(struct command *c, const char *name, struct hx_err *err)
{
	const struct ipm_sysctl_row *row = ipm_sysctl_find(&c->pf, name);

	if (row != NULL)
		print_row(c, row, NULL);
	else if (ipm_sysctl_is_node(&c->pf, name))
		print_below(c, name);
	else {
		hx_sysctl_error(IPM_SYSCTL_ENOENT, name, "", NULL, 0, err);
		return false;
	}
	return true;
}

static bool
set_switch(struct ipm_profile *pf, const char *text)
{
	char name[64];
	size_t n = strcspn(text, "=");

	if (text[n] == '\0' || n >= sizeof name)
		return false;
	memcpy(name, text, n);
	name[n] = '\0';
	return ipm_profile_set(pf, name, text + n + 1);
}

static bool
takes_argument(const char *a)
{
	return strcmp(a, "-f") == 0 || strcmp(a, "--profile") == 0 ||
	    strcmp(a, "--switch") == 0;
}

/* Letters behind one hyphen. */
static bool
read_letters(struct command *c, const char *a)
{
	for (; *a != '\0'; a++)
		switch (*a) {
		case 'a':
			c->all = true;
			break;
		case 'd':
			c->describe = true;
			break;
		case 'n':
			c->bare = true;
			break;
		case 'o':
			c->dump = true;
			break;
		case 'x':
			c->dump_whole = true;
			break;
		default:
			return false;
		}
	return true;
}

static bool
read_option(struct command *c, const char *a, const char *value, bool profile,
    struct hx_err *err)
{
	enum ipm_profile_id id;

	if (takes_argument(a) && value == NULL)
		hx_err_set(
		    err, NULL, 0, 0, "an argument is missing after %s", a);
	else if (strcmp(a, "--profile") == 0) {
		id = ipm_profile_find(value);
		if (id == IPM_N_PROFILES) {
			hx_err_set(
			    err, NULL, 0, 0, "unknown profile %s", value);
			return false;
		}
		if (profile)
			ipm_profile_init(&c->pf, id);
		return true;
	} else if (strcmp(a, "--switch") == 0) {
		if (profile || set_switch(&c->pf, value))
			return true;
		hx_err_set(err, NULL, 0, 0,
		    "no such switch or value (ipsecsim profiles lists "
		    "them): %s",
		    value);
	} else if (strcmp(a, "-f") == 0)
		return true;
	else if (strcmp(a, "--json") == 0) {
		c->json = true;
		return true;
	} else if (a[1] != '-' && a[1] != '\0' && read_letters(c, a + 1))
		return true;
	else
		hx_err_set(err, NULL, 0, 0, "unknown option %s", a);
	return false;
}

/* The options; in the first of two rounds the profiles, which switches change. */
static bool
read_options(int argc, char **argv, struct command *c, bool profile,
    size_t *operands, struct hx_err *err)
{
	*operands = 0;
	for (int i = 1; i < argc; i++) {
		const char *v = i + 1 < argc ? argv[i + 1] : NULL;

		if (argv[i][0] != '-') {
			++*operands;
			continue;
		}
		if (!read_option(c, argv[i], v, profile, err))
			return false;
		*operands += strcmp(argv[i], "-f") == 0;
		i += takes_argument(argv[i]);
	}
	return true;
}

static bool
run(int argc, char **argv, struct command *c, struct hx_err *err)
{
	const struct hx_sysctl b = { &c->pf, &c->s, &c->stats, assigned, c };
	bool ok = true;

	for (int i = 1; ok && i < argc; i++) {
		const char *a = argv[i];

		if (strcmp(a, "-f") == 0)
			ok = hx_sysctl_read_conf(&b, argv[i + 1], err);
		else if (a[0] != '-' && strchr(a, '=') != NULL)
			ok = hx_sysctl_assign(&b, a, NULL, 0, err);
		else if (a[0] != '-' && a[0] != '\0')
			ok = show(c, a, err);
		else if (a[0] == '\0') {
			hx_sysctl_error(
			    IPM_SYSCTL_ENOENT, "", "", NULL, 0, err);
			ok = false;
		}
		i += takes_argument(a);
	}
	if (ok && c->all)
		print_below(c, "");
	return ok;
}

int
hx_cmd_sysctl(int argc, char **argv)
{
	static struct command c;
	struct hx_err err;
	size_t operands;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
	c = (struct command){ .all = false };
	ipm_profile_init(&c.pf, IPM_PF_MANUAL);
	ipm_sysctls_init(&c.s);
	if (!read_options(argc, argv, &c, true, &operands, &err) ||
	    !read_options(argc, argv, &c, false, &operands, &err)) {
		(void)fprintf(stderr, "ipsecsim sysctl: %s\n", err.text);
		return 2;
	}
	if (operands == 0 && !c.all) {
		(void)fputs("ipsecsim sysctl: -a, -f or a name is missing "
			    "(--help tells more)\n",
		    stderr);
		return 2;
	}
	if (c.json)
		print(json_pack("{s:s, s:i, s:s}", "schema", "ipsecsim-sysctl",
		    "version", 1, "profile", c.pf.name));
	if (!run(argc, argv, &c, &err)) {
		(void)fflush(stdout);
		(void)fprintf(stderr, "ipsecsim sysctl: %s\n", err.text);
		return 2;
	}
	if (c.json)
		print(json_pack("{s:{s:I}}", "summary", "variables",
		    (json_int_t)c.printed));
	return 0;
}
