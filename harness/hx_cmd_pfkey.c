/* `ipsecsim pfkey decode|encode`: the command line around hx_pfkey. */
#include "hx_pfkey.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_options.h"
#include "hx_setkey_dump.h"
#include "pfk_numbers.h"

static const char usage[] =
    "usage: ipsecsim pfkey decode [OPTION...] FILE|HEX...\n"
    "       ipsecsim pfkey encode [OPTION...] FILE\n"
    "\n"
    "decode reads PF_KEY v2 messages: files of raw octets or of hexadecimal\n"
    "text, - for standard input, or the hexadecimal digits themselves.\n"
    "encode reads what decode --json prints and prints hexadecimal, one\n"
    "message a line.\n"
    "\n"
    "  --dialect NAME   freebsd (default), netbsd, openbsd, linux\n"
    "  --order le|be    byte order of host integers (default le)\n"
    "  --json           decode: JSON Lines\n"
    "  --setkey         decode: SAs and policies as setkey -D, -DP print them\n"
    "  --now SECONDS    with --setkey: the time of printing, since 1970\n"
    "  --profile NAME   with --setkey: whose tool\n"
    "  --show-keys      decode: print keys; without them nothing can be\n"
    "                   encoded again\n"
    "\n"
    "Exit status 0: all messages read; 1: some octets are no message; 2: bad\n"
    "usage or input.\n";

struct pfkey {
	struct pfk_codec codec;
	bool json, show_keys, setkey;
	struct ipm_profile profile;
	uint64_t now;
	uint64_t messages, faults;
};

static int
bad(const char *what, const char *word)
{
	(void)fprintf(stderr, "ipsecsim pfkey: %s %s\n", what, word);
	return 2;
}

static bool
read_all(const char *path, struct hx_octets *o)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	size_t cap = 0, n;

	o->p = NULL;
	o->len = 0;
	if (f == NULL)
		return false;
	do {
		uint8_t *p;

		if (o->len == cap) {
			cap = cap == 0 ? 65536 : cap * 2;
			p = realloc(o->p, cap);
			if (p == NULL)
				break;
			o->p = p;
		}
		n = fread(o->p + o->len, 1, cap - o->len, f);
		o->len += n;
	} while (n > 0);
	if (f != stdin)
		(void)fclose(f);
	return o->p != NULL;
}

/* Text of hexadecimal digits and white space becomes octets, in place. */
static bool
from_hex_text(struct hx_octets *o)
{
	size_t n = 0;
	char *text = malloc(o->len + 1);
	struct hx_octets out = { 0 };
	bool ok;

	if (text == NULL)
		return false;
	for (size_t i = 0; i < o->len; i++) {
		if (isspace(o->p[i]))
			continue;
		if (!isxdigit(o->p[i])) {
			free(text);
			return false;
		}
		text[n++] = (char)o->p[i];
	}
	text[n] = '\0';
	ok = n != 0 && hx_hex_read(text, &out);
	free(text);
	if (!ok)
		return false;
	hx_octets_free(o);
	*o = out;
	return true;
}

/* In setkey(8)'s form; false: it is no such message. */
static bool
print_as_setkey(const struct pfkey *k, struct ipm_span octets)
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
decode_one(
    struct pfkey *k, const char *source, size_t at, struct ipm_span octets)
{
	enum pfk_fault fault;
	size_t where;
	json_t *j =
	    hx_pfkey_to_json(&k->codec, octets, k->show_keys, &fault, &where);

	if (j == NULL) {
		k->faults++;
		(void)fprintf(stderr, "ipsecsim: %s: octet %zu: %s\n", source,
		    at + where, pfk_fault_text(fault));
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

/* Messages one after another; the header's length tells where each ends. */
static void
decode_all(struct pfkey *k, const char *source, struct ipm_span s)
{
	size_t at = 0;

	while (at < s.len) {
		struct ipm_span rest = ipm_span_from(s, at);
		size_t len = rest.len;

		if (rest.len >= 6) {
			size_t words = k->codec.order == PFK_BE
			    ? ipm_load16(rest.p + 4)
			    : (size_t)rest.p[5] << 8 | rest.p[4];

			if (words != 0 && words * 8 < len)
				len = words * 8;
		}
		decode_one(k, source, at, ipm_span_sub(rest, 0, len));
		at += len;
	}
}

static int
decode(struct pfkey *k, const char *arg)
{
	struct hx_octets o;

	if (hx_hex_read(arg, &o) && o.len != 0) {
		decode_all(k, "argument", hx_span(&o));
		hx_octets_free(&o);
		return 0;
	}
	hx_octets_free(&o);
	if (!read_all(arg, &o)) {
		(void)fprintf(
		    stderr, "ipsecsim: %s: %s\n", arg, strerror(errno));
		return 2;
	}
	(void)from_hex_text(&o);
	if (o.len == 0) {
		(void)fprintf(stderr, "ipsecsim: %s: empty\n", arg);
		hx_octets_free(&o);
		return 2;
	}
	decode_all(k, arg, hx_span(&o));
	hx_octets_free(&o);
	return 0;
}

static int
encode(struct pfkey *k, const char *path)
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
	if (line != NULL)
		ipm_wipe(line, cap);
	free(line);
	if (f != stdin)
		(void)fclose(f);
	return status;
}

int
hx_cmd_pfkey(int argc, char **argv)
{
	struct pfkey k = { .codec = { pfk_dialect_find("freebsd"), PFK_LE } };
	bool encoding;
	int first = argc, status = 0;

	ipm_profile_init(&k.profile, IPM_PF_MANUAL);

	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (argc < 2 ||
	    (strcmp(argv[1], "decode") != 0 && strcmp(argv[1], "encode") != 0))
		return bad("say", "decode or encode");
	encoding = strcmp(argv[1], "encode") == 0;
	for (int i = 2; i < argc && first == argc; i++) {
		if (strcmp(argv[i], "--json") == 0 && !encoding) {
			k.json = true;
		} else if (strcmp(argv[i], "--show-keys") == 0 && !encoding) {
			k.show_keys = true;
		} else if (strcmp(argv[i], "--setkey") == 0 && !encoding) {
			k.setkey = true;
		} else if (strcmp(argv[i], "--now") == 0 && !encoding) {
			if (++i == argc || !hx_option_number(argv[i], &k.now))
				return bad(
				    "a number of seconds after", "--now");
		} else if (strcmp(argv[i], "--profile") == 0 && !encoding) {
			if (++i == argc ||
			    ipm_profile_find(argv[i]) == IPM_N_PROFILES)
				return bad("a profile after", "--profile");
			ipm_profile_init(&k.profile, ipm_profile_find(argv[i]));
		} else if (strcmp(argv[i], "--dialect") == 0) {
			if (++i == argc)
				return bad("no name after", "--dialect");
			k.codec.dialect = pfk_dialect_find(argv[i]);
			if (k.codec.dialect == NULL)
				return bad("unknown dialect", argv[i]);
		} else if (strcmp(argv[i], "--order") == 0) {
			if (++i == argc ||
			    (strcmp(argv[i], "le") != 0 &&
				strcmp(argv[i], "be") != 0))
				return bad("le or be after", "--order");
			k.codec.order = argv[i][0] == 'b' ? PFK_BE : PFK_LE;
		} else if (argv[i][0] == '-' && argv[i][1] != '\0') {
			return bad("unknown option", argv[i]);
		} else {
			first = i;
		}
	}
	if (first == argc)
		return bad("no", "file given");
	if (k.setkey &&
	    (k.json || k.codec.dialect != pfk_dialect_find("freebsd") ||
		k.codec.order != PFK_LE))
		return bad(
		    "--setkey prints text of freebsd's messages, le", "alone");
	if (k.json)
		(void)printf("{\"schema\":\"ipsecsim-pfkey\",\"version\":1,"
			     "\"dialect\":\"%s\",\"order\":\"%s\"}\n",
		    k.codec.dialect->name,
		    k.codec.order == PFK_BE ? "be" : "le");
	for (int i = first; i < argc && status == 0; i++)
		status = encoding ? encode(&k, argv[i]) : decode(&k, argv[i]);
	if (k.json)
		(void)printf("{\"summary\":{\"messages\":%llu,\"faults\":"
			     "%llu}}\n",
		    (unsigned long long)k.messages,
		    (unsigned long long)k.faults);
	return status != 0 ? status : k.faults != 0 ? 1 : 0;
}
