#include "hx_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hx_check_recording.h"

static const struct {
	const char *schema;
	bool (*check)(struct hx_check *c, const json_t *root);
} kinds[] = {
	{ "ipsec-vectors", hx_check_vectors },
	{ "ipsec-capture", hx_check_capture },
	{ "ipsec-recording", hx_check_recording },
};

static const char *const result_names[HX_N_RESULTS] = {
	[HX_PASS] = "pass",
	[HX_FAIL] = "fail",
	[HX_UNSUPPORTED] = "unsupported",
	[HX_ERROR] = "error",
};

static const char usage[] =
    "usage: ipsecsim check [--json] [-q] [--allow-unsupported] FILE...\n"
    "\n"
    "Runs every case of vector files (ipsec-vectors), capture sidecars\n"
    "(ipsec-capture; NAME.json brings NAME.pcap and NAME.neg.pcap) and\n"
    "recordings of a network stack (ipsec-recording).  Prints one JSON object\n"
    "per case.  Exit status 0: all pass; 1: some do not; 2: a file or a case\n"
    "cannot be read.\n"
    "\n"
    "  --allow-unsupported  unsupported cases do not count as failed\n"
    "  --profile NAME       recordings: whose kernel (default freebsd-13)\n"
    "  -q, --quiet          print only cases that do not pass\n";

const char *
hx_json_str(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

/* JSON text is UTF-8 and a file name any octets: the others become "?". */
json_t *
hx_json_text(const char *s)
{
	json_t *j = json_string(s);
	char *copy;

	if (j != NULL)
		return j;
	copy = strdup(s);
	if (copy == NULL)
		return json_string("");
	for (char *p = copy; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	j = json_string(copy);
	free(copy);
	return j;
}

static void
print_object(FILE *out, json_t *obj)
{
	(void)json_dumpf(obj, out, JSON_COMPACT | JSON_ENSURE_ASCII);
	(void)fputc('\n', out);
	json_decref(obj);
}

void
hx_check_case(struct hx_check *c, const char *name, enum hx_result result,
    const char *why)
{
	c->count[result]++;
	if (result == HX_ERROR)
		(void)fprintf(
		    stderr, "ipsecsim: %s: case %s: %s\n", c->file, name, why);
	if (c->quiet && result == HX_PASS)
		return;
	print_object(c->out,
	    json_pack("{s:o, s:o, s:s, s:o}", "file", hx_json_text(c->file),
		"case", hx_json_text(name), "result", result_names[result],
		"why", hx_json_text(why)));
}

/* Reads and runs one file; false after one line on standard error. */
static bool
check_file(struct hx_check *c, const char *path)
{
	json_error_t je;
	json_t *root;
	const char *schema;
	bool ok = false;
	FILE *f;

	c->file = path;
	f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	if (f == NULL) {
		(void)fprintf(
		    stderr, "ipsecsim: %s: %s\n", path, strerror(errno));
		return false;
	}
	root = json_loadf(f, JSON_REJECT_DUPLICATES, &je);
	if (f != stdin)
		(void)fclose(f);
	if (root == NULL) {
		(void)fprintf(stderr, "ipsecsim: %s:%d:%d: %s\n", path, je.line,
		    je.column, je.text);
		return false;
	}
	schema = hx_json_str(root, "schema");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (schema == NULL || strcmp(schema, kinds[i].schema) != 0)
			continue;
		if (json_integer_value(json_object_get(root, "version")) != 1) {
			(void)fprintf(stderr,
			    "ipsecsim: %s: version of %s is not 1\n", path,
			    schema);
			goto out;
		}
		ok = kinds[i].check(c, root);
		c->files++;
		goto out;
	}
	(void)fprintf(stderr, "ipsecsim: %s: %s%s\n", path,
	    schema == NULL
		? "no schema member: not a vector, sidecar or recording file"
		: "cannot check files of schema ",
	    schema == NULL ? "" : schema);
out:
	json_decref(root);
	return ok;
}

static void
print_summary(const struct hx_check *c)
{
	uint64_t cases = 0;

	for (size_t i = 0; i < HX_N_RESULTS; i++)
		cases += c->count[i];
	print_object(c->out,
	    json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "summary",
		"files", (json_int_t)c->files, "cases", (json_int_t)cases,
		"pass", (json_int_t)c->count[HX_PASS], "fail",
		(json_int_t)c->count[HX_FAIL], "unsupported",
		(json_int_t)c->count[HX_UNSUPPORTED], "error",
		(json_int_t)c->count[HX_ERROR], "not_compared",
		(json_int_t)c->not_compared));
}

int
hx_cmd_check(int argc, char **argv)
{
	struct hx_check c = { .out = stdout };
	bool allow_unsupported = false, readable = true;
	int first = argc;

	ipm_profile_init(&c.recording, IPM_PF_FREEBSD_13);
	for (int i = 1; i < argc && first == argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--allow-unsupported") == 0)
			allow_unsupported = true;
		else if (strcmp(argv[i], "-q") == 0 ||
		    strcmp(argv[i], "--quiet") == 0)
			c.quiet = true;
		else if (strcmp(argv[i], "--json") == 0)
			; /* the only form there is */
		else if (strcmp(argv[i], "--profile") == 0) {
			if (++i == argc ||
			    ipm_profile_find(argv[i]) == IPM_N_PROFILES) {
				(void)fputs("ipsecsim check: a profile after "
					    "--profile\n",
				    stderr);
				return 2;
			}
			ipm_profile_init(
			    &c.recording, ipm_profile_find(argv[i]));
		} else if (strcmp(argv[i], "--") == 0)
			first = i + 1;
		else if (argv[i][0] == '-' && argv[i][1] != '\0') {
			(void)fprintf(stderr,
			    "ipsecsim check: unknown option %s\n", argv[i]);
			return 2;
		} else
			first = i;
	}
	if (first >= argc) {
		(void)fputs("ipsecsim check: no file given\n", stderr);
		return 2;
	}
	if (!hx_engine_open(&c.engine, IPM_PF_OBSERVER)) {
		(void)fputs("ipsecsim: no crypto provider\n", stderr);
		return 3;
	}
	print_object(c.out,
	    json_pack("{s:s, s:i}", "schema", "ipsecsim-check", "version", 1));
	for (int i = first; i < argc; i++)
		if (!check_file(&c, argv[i]))
			readable = false;
	print_summary(&c);
	hx_engine_close(&c.engine);
	if (fflush(stdout) != 0) {
		(void)fprintf(
		    stderr, "ipsecsim: standard output: %s\n", strerror(errno));
		return 3;
	}
	if (!readable || c.count[HX_ERROR] != 0)
		return 2;
	if (c.count[HX_FAIL] != 0 ||
	    (c.count[HX_UNSUPPORTED] != 0 && !allow_unsupported))
		return 1;
	return 0;
}
