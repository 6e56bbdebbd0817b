/* `ipsecsim pfkey`: its verbs and options; decode and encode. */
#include "hx_options.h"
#include "hx_pfkey_cmd.h"
#include "hx_setkey_dump.h"
#include "pfk_numbers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: ipsecsim pfkey decode [OPTION...] FILE|HEX...\n"
    "       ipsecsim pfkey encode [OPTION...] FILE...\n"
    "       ipsecsim pfkey lint [OPTION...] FILE|HEX...\n"
    "       ipsecsim pfkey play [OPTION...] FILE...\n"
    "\n"
    "decode reads PF_KEY v2 messages: files of raw octets or of hexadecimal\n"
    "text, - for standard input, or the hexadecimal digits themselves.\n"
    "encode reads what decode --json prints and prints hexadecimal, one\n"
    "message a line.\n"
    "lint says which field a kernel refuses and with which errno; digits and\n"
    "each line of hexadecimal text are one datagram.\n"
    "play hands messages to the key engine and shows what comes back; it\n"
    "reads the same files, JSON Lines of decode --json, and recordings\n"
    "(ipsec-recording).  In hexadecimal text `@ N' lets N seconds pass and\n"
    "`N:' before a message names the socket.\n"
    "\n"
    "  --dialect NAME   freebsd (default), netbsd, openbsd, linux\n"
    "  --order le|be    byte order of host integers (default le)\n"
    "  --json           JSON Lines\n"
    "  --show-keys      decode, play: print keys; without them nothing can\n"
    "                   be encoded again\n"
    "  --all            lint: all four dialects\n"
    "  --from-kernel    lint: messages that a kernel sent\n"
    "  --setkey         decode: SAs and policies as setkey -D, -DP print them\n"
    "  --profile NAME   lint, play: whose kernel; decode --setkey: whose tool\n"
    "                   (default manual; `ipsecsim profiles' has them)\n"
    "  --state          play: the SAs and policies in the end\n"
    "  --now SECONDS    decode --setkey: the time of printing, since 1970;\n"
    "                   play: the time in the beginning\n"
    "  --case ID        play: this case of a recording\n"
    "\n"
    "Exit status 0: all messages read, nothing found; 1: some octets are no\n"
    "message, lint found something; 2: bad usage or input.\n";

static int
bad(const char *what, const char *word)
{
	(void)fprintf(stderr, "ipsecsim pfkey: %s %s\n", what, word);
	return 2;
}

/* In setkey(8)'s form; false: it is no such message. */
static bool
print_as_setkey(const struct hx_pfkey_cmd *k, struct ipm_span octets)
{
	const uint8_t type = octets.len < PFK_HDR_LEN ? 0 : octets.p[1];
	const struct hx_setkey_dump d = { .out = stdout,
		.profile = &k->profile,
		.now = k->now,
		.scope = ipm_sw(&k->profile, IPM_SW_POLICY_SCOPE) == IPM_ON,
		.all = true,
		.show_keys = k->show_keys };

	/* An error, or a request: nothing but a header. */
	if (!k->setkey || octets.len == PFK_HDR_LEN)
		return false;
	if (type == PFK_GET || type == PFK_DUMP)
		hx_setkey_dump_sa(&d, octets);
	else if (type == PFK_X_SPDGET || type == PFK_X_SPDDUMP)
		hx_setkey_dump_sp(&d, octets);
	else
		return false;
	return true;
}

static void
decode_one(void *ctx, const char *source, size_t at, unsigned line,
    struct ipm_span octets)
{
	struct hx_pfkey_cmd *k = ctx;
	enum pfk_fault fault;
	size_t where;
	json_t *j =
	    hx_pfkey_to_json(&k->codec, octets, k->show_keys, &fault, &where);

	if (j == NULL) {
		k->faults++;
		(void)fputs("ipsecsim: ", stderr);
		hx_pfkey_where(stderr, source, at, line, where);
		(void)fprintf(stderr, ": %s\n", pfk_fault_text(fault));
		return;
	}
	k->messages++;
	if (k->json) {
		(void)json_dumpf(j, stdout, JSON_COMPACT);
		(void)putchar('\n');
	} else if (!print_as_setkey(k, octets)) {
		hx_pfkey_print(stdout, j);
	}
	json_decref(j);
}

static int
encode(struct hx_pfkey_cmd *k, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *line = NULL, why[160];
	size_t cap = 0, n = 0;
	int status = 0;

	if (f == NULL) {
		(void)fprintf(
		    stderr, "ipsecsim: %s: %s\n", path, strerror(errno));
		return 2;
	}
	while (status == 0 && getline(&line, &cap, f) >= 0) {
		struct hx_octets o = { 0 };
		json_error_t je;
		json_t *j = json_loads(line, JSON_REJECT_DUPLICATES, &je);

		n++;
		if (j == NULL) {
			(void)fprintf(stderr, "ipsecsim: %s:%zu:%d: %s\n", path,
			    n, je.column, je.text);
			status = 2;
		} else if (json_object_get(j, "schema") != NULL ||
		    json_object_get(j, "summary") != NULL) {
			; /* decode's first and last line */
		} else if (!hx_pfkey_from_json(
			       &k->codec, j, &o, why, sizeof why)) {
			(void)fprintf(
			    stderr, "ipsecsim: %s:%zu: %s\n", path, n, why);
			status = 2;
		} else {
			for (size_t i = 0; i < o.len; i++)
				(void)printf("%02x", o.p[i]);
			(void)putchar('\n');
		}
		hx_octets_free(&o);
		json_decref(j);
	}
	if (status == 0 && (n == 0 || ferror(f) != 0)) {
		(void)fprintf(stderr, "ipsecsim: %s: %s\n", path,
		    ferror(f) != 0 ? strerror(errno) : "empty");
		status = 2;
	}
	if (line != NULL)
		ipm_wipe(line, cap);
	free(line);
	if (f != stdin)
		(void)fclose(f);
	return status;
}

static void
print_header(const struct hx_pfkey_cmd *k)
{
	if (k->json)
		(void)printf("{\"schema\":\"ipsecsim-pfkey\",\"version\":1,"
			     "\"dialect\":\"%s\",\"order\":\"%s\"}\n",
		    k->codec.dialect->name,
		    k->codec.order == PFK_BE ? "be" : "le");
}

static int
decode_all(struct hx_pfkey_cmd *k, int argc, char **argv)
{
	int status = 0;

	if (k->setkey &&
	    (k->json || k->codec.dialect != pfk_dialect_find("freebsd") ||
		k->codec.order != PFK_LE))
		return bad(
		    "--setkey prints text of freebsd's messages, le", "alone");
	print_header(k);
	for (int i = 0; i < argc && status == 0; i++)
		status =
		    hx_pfkey_each(&k->codec, argv[i], false, decode_one, k);
	if (k->json)
		(void)printf("{\"summary\":{\"messages\":%llu,\"faults\":"
			     "%llu}}\n",
		    (unsigned long long)k->messages,
		    (unsigned long long)k->faults);
	return status != 0 ? status : k->faults != 0 ? 1 : 0;
}

static int
encode_all(struct hx_pfkey_cmd *k, int argc, char **argv)
{
	int status = 0;

	for (int i = 0; i < argc && status == 0; i++)
		status = encode(k, argv[i]);
	return status;
}

/* --- verbs and options -------------------------------------------------------- */

enum {
	DECODE = 1,
	ENCODE = 2,
	LINT = 4,
	PLAY = 8
};

static const struct {
	const char *name;
	unsigned bit;
	int (*run)(struct hx_pfkey_cmd *k, int argc, char **argv);
} verbs[] = { { "decode", DECODE, decode_all },
	{ "encode", ENCODE, encode_all }, { "lint", LINT, hx_pfkey_lint },
	{ "play", PLAY, hx_pfkey_play } };

static bool
set_dialect(struct hx_pfkey_cmd *k, const char *v)
{
	k->codec.dialect = pfk_dialect_find(v);
	return k->codec.dialect != NULL;
}

static bool
set_order(struct hx_pfkey_cmd *k, const char *v)
{
	k->codec.order = v[0] == 'b' ? PFK_BE : PFK_LE;
	return strcmp(v, "le") == 0 || strcmp(v, "be") == 0;
}

static bool
set_profile(struct hx_pfkey_cmd *k, const char *v)
{
	enum ipm_profile_id id = ipm_profile_find(v);

	if (id != IPM_N_PROFILES)
		ipm_profile_init(&k->profile, id);
	return id != IPM_N_PROFILES;
}

static bool
set_now(struct hx_pfkey_cmd *k, const char *v)
{
	return hx_option_number(v, &k->now);
}

static bool
set_case(struct hx_pfkey_cmd *k, const char *v)
{
	k->one = v;
	return true;
}

static bool
set_json(struct hx_pfkey_cmd *k, const char *v)
{
	(void)v;
	return k->json = true;
}

static bool
set_show_keys(struct hx_pfkey_cmd *k, const char *v)
{
	(void)v;
	return k->show_keys = true;
}

static bool
set_setkey(struct hx_pfkey_cmd *k, const char *v)
{
	(void)v;
	return k->setkey = true;
}

static bool
set_all(struct hx_pfkey_cmd *k, const char *v)
{
	(void)v;
	return k->all = true;
}

static bool
set_from_kernel(struct hx_pfkey_cmd *k, const char *v)
{
	(void)v;
	return k->from_kernel = true;
}

static bool
set_state(struct hx_pfkey_cmd *k, const char *v)
{
	(void)v;
	return k->state = true;
}

/* `value` says what must follow; NULL: nothing does. */
static const struct {
	const char *word;
	unsigned verbs;
	const char *value;
	bool (*set)(struct hx_pfkey_cmd *k, const char *v);
} options[] = {
	{ "--dialect", DECODE | ENCODE | LINT, "a dialect", set_dialect },
	{ "--order", DECODE | ENCODE | LINT, "le or be", set_order },
	{ "--json", DECODE | LINT | PLAY, NULL, set_json },
	{ "--show-keys", DECODE | PLAY, NULL, set_show_keys },
	{ "--all", LINT, NULL, set_all },
	{ "--from-kernel", LINT, NULL, set_from_kernel },
	{ "--setkey", DECODE, NULL, set_setkey },
	{ "--profile", DECODE | LINT | PLAY, "a profile", set_profile },
	{ "--state", PLAY, NULL, set_state },
	{ "--now", DECODE | PLAY, "a number of seconds", set_now },
	{ "--case", PLAY, "a case", set_case },
};
#define N_OPTIONS (sizeof options / sizeof options[0])

/* Returns how many words were used, 0 after one line on standard error. */
static int
option(struct hx_pfkey_cmd *k, unsigned verb, int argc, char **argv)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (strcmp(argv[0], options[i].word) != 0 ||
		    (options[i].verbs & verb) == 0)
			continue;
		if (options[i].value != NULL && argc < 2) {
			(void)bad("no value after", argv[0]);
			return 0;
		}
		if (options[i].set(
			k, options[i].value == NULL ? NULL : argv[1]))
			return options[i].value == NULL ? 1 : 2;
		(void)fprintf(stderr, "ipsecsim pfkey: %s: %s is not %s\n",
		    argv[0], argv[1], options[i].value);
		return 0;
	}
	(void)bad("unknown option", argv[0]);
	return 0;
}

int
hx_cmd_pfkey(int argc, char **argv)
{
	struct hx_pfkey_cmd k = { .codec = {
				      pfk_dialect_find("freebsd"), PFK_LE } };
	size_t v = 0;
	int i = 2;

	ipm_profile_init(&k.profile, IPM_PF_MANUAL);
	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		return 0;
	}
	while (argc >= 2 && v < sizeof verbs / sizeof verbs[0] &&
	    strcmp(argv[1], verbs[v].name) != 0)
		v++;
	if (argc < 2 || v == sizeof verbs / sizeof verbs[0])
		return bad("say", "decode, encode, lint or play");
	while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
		int used;

		if (strcmp(argv[i], "--help") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		used = option(&k, verbs[v].bit, argc - i, argv + i);
		if (used == 0)
			return 2;
		i += used;
	}
	if (i >= argc)
		return bad("no", "file given");
	return verbs[v].run(&k, argc - i, argv + i);
}
