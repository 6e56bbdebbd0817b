/* `ipsecsim setkey`: scripts of setkey(8) on a key engine of our own. */
#include "hx_cmd_setkey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hx_config.h"
#include "hx_options.h"
#include "hx_setkey_session.h"
#include "pfk_numbers.h"

static const char usage[] =
    "usage: ipsecsim setkey [OPTION...] [-f FILE | -c [FILE]] [-D | -DP]\n"
    "\n"
    "Runs a script of setkey(8) on a key engine that begins empty, prints what\n"
    "the tool prints, and then the databases.\n"
    "\n"
    "  -f FILE          a script, read as the tool does; - is standard input\n"
    "  -c               the same from standard input\n"
    "  -c FILE          a configuration, read strictly: one error, and nothing\n"
    "                   is configured (setkey text or a sidecar)\n"
    "  --state FILE     a configuration for what follows; may be repeated\n"
    "  -D, -DP          then print the SAs, the policies\n"
    "  -F, -FP          before that remove the SAs, the policies\n"
    "  -a               print dead SAs, too\n"
    "  -g, -t           with -DP: policies of global scope, of interfaces only\n"
    "  -l               print SAs in the short form, once\n"
    "  -v               print each message, both ways\n"
    "  --encode         print the messages of the script in hexadecimal and\n"
    "                   send none (they may hold keys: needs --show-keys)\n"
    "  --hosts FILE     names of hosts, in the form of hosts(5)\n"
    "  --services FILE  names of ports, in the form of services(5)\n"
    "  --profile NAME   manual (default), freebsd-2017, freebsd-13, ...\n"
    "  --switch N=V     one switch of it (ipsecsim profiles lists them)\n"
    "  --now SECONDS    the time of the script, since 1970 (1486382400)\n"
    "  --after SECONDS  let so many pass before -F and -D\n"
    "  --show-keys      print keys\n"
    "\n"
    "Exit status 0: fine (an empty database is); 1: the engine answered with\n"
    "an error, or the script could not be read further; 2: bad usage or\n"
    "unreadable input.\n";

#define NOW_DEFAULT UINT64_C(1486382400) /* the manual page's: 6 Feb 2017 */
#define STATES_MOST 64U

struct opts {
	struct ipm_profile profile;
	const char *script;             /* -f, "-" for standard input */
	const char *state[STATES_MOST]; /* --state and -c FILE */
	size_t n_states;
	const char *hosts_file, *services_file;
	struct hx_hosts hosts;
	struct hx_services services;
	uint64_t now, after;
	bool dump, flush, policies;
	bool global, interfaces; /* scopes wanted; neither: all */
	bool all, short_form, verbose, encode, show_keys;
};

static int
bad(const char *what, const char *word)
{
	(void)fprintf(stderr, "ipsecsim setkey: %s%s%s\n", what,
	    word == NULL ? "" : " ", word == NULL ? "" : word);
	return 2;
}

static int
no_memory(void)
{
	(void)bad("out of memory", NULL);
	return 3;
}

/* A script as a whole; NULL with the complaint made. */
static char *
read_script(const char *path, size_t *len)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "rb");
	char *buf = malloc(HX_CONFIG_MAX + 1);

	*len = 0;
	if (f != NULL && buf != NULL) {
		(void)setvbuf(f, NULL, _IONBF, 0);
		*len = fread(buf, 1, HX_CONFIG_MAX + 1, f);
	}
	if (f == NULL || buf == NULL || ferror(f) || *len > HX_CONFIG_MAX) {
		(void)fprintf(stderr, "ipsecsim: %s: %s\n", path,
		    buf == NULL                  ? "out of memory"
			: *len > HX_CONFIG_MAX   ? "too long for a script"
			: f == NULL || ferror(f) ? strerror(errno)
						 : "cannot be read");
		if (buf != NULL)
			ipm_wipe(buf, *len);
		free(buf);
		buf = NULL;
	}
	if (f != NULL && !is_stdin)
		(void)fclose(f);
	return buf;
}

/* --- configurations ----------------------------------------------------------- */

/* Sends messages of a configuration; 0, or 1 with the complaint made. */
static int
put_all(struct hx_setkey_session *s, const struct hx_setkey_msgs *m,
    const char *file, unsigned line)
{
	for (size_t i = 0; i < m->n; i++) {
		hx_setkey_session_send(s, hx_span(&m->msg[i].octets), 0);
		if (s->last_errno == 0)
			continue;
		(void)fprintf(stderr,
		    "ipsecsim: %s:%u: the engine refuses this: %s\n", file,
		    line != 0 ? line : m->msg[i].line,
		    pfk_errno_text(s->last_errno) == NULL
			? "an unknown error"
			: pfk_errno_text(s->last_errno));
		return 1;
	}
	return 0;
}

static int
put_sa(struct hx_setkey_session *s, const struct hx_sa *sa, const char *file)
{
	struct hx_setkey_stmt st;
	struct hx_setkey_msgs m = { 0 };
	enum ipm_err e;
	int status;

	hx_setkey_of_sa(&sa->cfg, &st);
	if (hx_setkey_unsaid(&st) != NULL)
		(void)fprintf(stderr,
		    "ipsecsim: %s:%u: warning: PF_KEY cannot say %s\n", file,
		    sa->line, hx_setkey_unsaid(&st));
	e = hx_setkey_compile(&st, s->pid, &m);
	if (e != IPM_OK) {
		(void)fprintf(stderr, "ipsecsim: %s:%u: %s\n", file, sa->line,
		    e == IPM_ERR_NOMEM
			? "out of memory"
			: "PF_KEY has no number for its algorithm");
		return e == IPM_ERR_NOMEM ? 3 : 1;
	}
	status = put_all(s, &m, file, sa->line);
	hx_setkey_msgs_free(&m);
	return status;
}

static int
load_state(struct hx_setkey_session *s, const char *path)
{
	const char *file = strcmp(path, "-") == 0 ? "standard input" : path;
	struct hx_config cfg;
	struct hx_err err;
	int status = 0;

	if (!hx_config_load(path, &cfg, &err)) {
		(void)fprintf(stderr, "ipsecsim: %s\n", err.text);
		return 2;
	}
	for (size_t i = 0; i < cfg.n && status == 0; i++)
		status = put_sa(s, &cfg.sas[i], file);
	if (status == 0)
		status = put_all(s, &cfg.policies, file, 0);
	hx_config_free(&cfg);
	return status;
}

/* --- scripts --------------------------------------------------------------------- */

static void
put_notes(const struct hx_setkey *s, size_t *next, size_t before)
{
	while (*next < s->n_notes && s->note[*next].before <= before)
		(void)printf("%s\n", s->note[(*next)++].text);
}

static void
put_hex(const struct hx_octets *o)
{
	for (size_t i = 0; i < o->len; i++)
		(void)printf("%02x", o->p[i]);
	(void)putchar('\n');
}

/* One statement; 0, or 3 when memory is short. */
static int
run_one(struct hx_setkey_session *s, const struct opts *o,
    const struct hx_setkey_stmt *st, bool *failed)
{
	struct hx_setkey_msgs m = { 0 };
	const enum ipm_err e = hx_setkey_compile(st, 1, &m);

	if (hx_setkey_unsaid(st) != NULL)
		(void)printf("line %u: WARNING: PF_KEY cannot say %s\n",
		    st->end_line, hx_setkey_unsaid(st));
	if (e == IPM_ERR_NOMEM)
		return no_memory();
	if (e != IPM_OK) {
		(void)printf(
		    "line %u: too long for a PF_KEY message\n", st->end_line);
		*failed = true;
	}
	for (size_t i = 0; i < m.n; i++) {
		if (o->encode)
			put_hex(&m.msg[i].octets);
		else
			hx_setkey_session_send(
			    s, hx_span(&m.msg[i].octets), m.msg[i].line);
	}
	hx_setkey_msgs_free(&m);
	return 0;
}

/* The script; 0, 1 when it could not be read to its end, 2, 3. */
static int
run_script(struct hx_setkey_session *s, const struct opts *o)
{
	const struct hx_setkey_opts how = { .profile = &o->profile,
		.algs = o->encode ? NULL : &s->algs,
		.hosts = o->hosts_file == NULL ? NULL : &o->hosts,
		.services = o->services_file == NULL ? NULL : &o->services,
		.show_keys = o->show_keys };
	struct hx_setkey script;
	struct hx_err err;
	size_t len, note = 0;
	char *buf = read_script(o->script, &len);
	bool failed = false;
	int status = 0;

	if (buf == NULL)
		return 2;
	if (!hx_setkey_parse_tool(buf, len, &how, &script, &err)) {
		(void)fprintf(
		    stderr, "ipsecsim: %s: %s\n", o->script, err.text);
		status = 3;
	} else {
		for (size_t i = 0; i < script.n && status == 0; i++) {
			put_notes(&script, &note, i);
			status = run_one(s, o, &script.stmt[i], &failed);
		}
		put_notes(&script, &note, script.n);
		if (status == 0 && (script.failed || failed))
			status = 1;
		hx_setkey_free(&script);
	}
	ipm_wipe(buf, len);
	free(buf);
	return status;
}

/* A message of a header alone, as -D and -F send it. */
static void
send_bare(struct hx_setkey_session *s, uint8_t type, uint8_t satype)
{
	uint8_t msg[PFK_HDR_LEN];

	if (s->short_form)
		hx_setkey_dump_head(&s->print);
	hx_setkey_bare(type, satype, s->pid, msg);
	hx_setkey_session_send(s, ipm_span(msg, sizeof(msg)), 0);
}

static int
run(const struct opts *o)
{
	struct hx_setkey_session *s = calloc(1, sizeof(*s));
	int status = 0;

	if (s == NULL || !hx_setkey_session_open(s, &o->profile, o->now)) {
		free(s);
		(void)bad("the key engine cannot be started", NULL);
		return 3;
	}
	s->print.show_keys = o->show_keys;
	s->print.all = o->all;
	s->quiet = true;
	for (size_t i = 0; i < o->n_states && status == 0; i++)
		status = load_state(s, o->state[i]);
	s->quiet = false;
	s->verbose = o->verbose;
	if (status == 0 && o->script != NULL)
		status = run_script(s, o);
	if (status == 0 && o->after != 0)
		hx_setkey_session_wait(s, o->after);
	if (status == 0 && o->flush)
		send_bare(s, o->policies ? PFK_X_SPDFLUSH : PFK_FLUSH, 0);
	s->short_form = o->short_form && !o->policies;
	if (status == 0 && o->dump && o->policies)
		send_bare(s, PFK_X_SPDDUMP,
		    (uint8_t)((o->global ? IPM_SCOPE_GLOBAL : 0) |
			(o->interfaces ? IPM_SCOPE_IFNET : 0)));
	else if (status == 0 && o->dump)
		send_bare(s, PFK_DUMP, 0);
	if (status == 0 && s->failed)
		status = 1;
	hx_setkey_session_close(s);
	free(s);
	return status;
}

/* --- the command line ---------------------------------------------------------------- */

/* An option that is a word; *used arguments are its.  0, or 2. */
static int
long_option(struct opts *o, int argc, char **argv, int i, int *used)
{
	const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;

	*used = 1;
	if (strcmp(a, "--show-keys") == 0) {
		o->show_keys = true;
		return 0;
	}
	if (strcmp(a, "--encode") == 0) {
		o->encode = true;
		return 0;
	}
	*used = 2;
	if (strcmp(a, "--state") != 0 && strcmp(a, "--hosts") != 0 &&
	    strcmp(a, "--services") != 0 && strcmp(a, "--profile") != 0 &&
	    strcmp(a, "--switch") != 0 && strcmp(a, "--now") != 0 &&
	    strcmp(a, "--after") != 0)
		return bad("unknown option", a);
	if (v == NULL)
		return bad("an argument is missing after", a);
	if (strcmp(a, "--state") == 0) {
		if (o->n_states == STATES_MOST)
			return bad("too many of", a);
		o->state[o->n_states++] = v;
	} else if (strcmp(a, "--hosts") == 0) {
		o->hosts_file = v;
	} else if (strcmp(a, "--services") == 0) {
		o->services_file = v;
	} else if (strcmp(a, "--switch") == 0) {
		if (!hx_option_switch(&o->profile, v))
			return bad("no such switch or value (ipsecsim "
				   "profiles lists them):",
			    v);
	} else if (strcmp(a, "--profile") != 0 &&
	    !hx_option_number(
		v, strcmp(a, "--now") == 0 ? &o->now : &o->after)) {
		return bad("not a number of seconds:", v);
	}
	return 0;
}

/* One letter of "-DP"; false when it is none of the tool's. */
static bool
letter(struct opts *o, char ch)
{
	bool *const flag = ch == 'D' ? &o->dump
	    : ch == 'F'              ? &o->flush
	    : ch == 'P'              ? &o->policies
	    : ch == 'a'              ? &o->all
	    : ch == 'l'              ? &o->short_form
	    : ch == 'v'              ? &o->verbose
	    : ch == 'g'              ? &o->global
	    : ch == 't'              ? &o->interfaces
				     : NULL;

	if (flag != NULL)
		*flag = true;
	return flag != NULL;
}

/* "-f", "-c" and letters in a row; *used arguments are theirs.  0, or 2. */
static int
short_options(struct opts *o, int argc, char **argv, int i, int *used)
{
	const char *v = i + 1 < argc ? argv[i + 1] : NULL;

	*used = 1;
	for (const char *p = argv[i] + 1; *p != '\0'; p++) {
		if (*p == 'x')
			return bad("-x watches the kernel of a running system; "
				   "there is none here",
			    NULL);
		if (letter(o, *p))
			continue;
		if ((*p != 'f' && *p != 'c') || p[1] != '\0')
			return bad("unknown option", argv[i]);
		if (*p == 'f' && v == NULL)
			return bad("an argument is missing after", argv[i]);
		/* A lone -c is the tool's own: from standard input. */
		if (*p == 'c' && (v == NULL || (v[0] == '-' && v[1] != '\0'))) {
			v = "-";
		} else if (*p == 'c') {
			*used = 2;
			if (o->n_states == STATES_MOST)
				return bad("too many of", argv[i]);
			o->state[o->n_states++] = v;
			return 0;
		} else {
			*used = 2;
		}
		if (o->script != NULL)
			return bad("more than one script", NULL);
		o->script = v;
	}
	return 0;
}

/* 0; 2 with the complaint made. */
static int
read_options(struct opts *o, int argc, char **argv)
{
	enum ipm_profile_id id = IPM_PF_MANUAL;
	int used;

	memset(o, 0, sizeof(*o));
	o->now = NOW_DEFAULT;
	/* The profile first: switches change it. */
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--profile") != 0)
			continue;
		id = ipm_profile_find(argv[i + 1]);
		if (id == IPM_N_PROFILES)
			return bad("unknown profile", argv[i + 1]);
	}
	ipm_profile_init(&o->profile, id);
	for (int i = 1; i < argc; i += used) {
		int status;

		if (argv[i][0] != '-' || argv[i][1] == '\0')
			return bad("not an option:", argv[i]);
		status = argv[i][1] == '-'
		    ? long_option(o, argc, argv, i, &used)
		    : short_options(o, argc, argv, i, &used);
		if (status != 0)
			return status;
	}
	if (o->script == NULL && o->n_states == 0 && !o->dump && !o->flush)
		return bad("nothing to do: -f, -c, -D or -F is missing", NULL);
	if (o->encode && !o->show_keys)
		return bad(
		    "--encode needs --show-keys: the messages hold keys", NULL);
	if (o->encode && o->script == NULL)
		return bad("--encode needs -f FILE", NULL);
	return 0;
}

int
hx_cmd_setkey(int argc, char **argv)
{
	struct opts o;
	struct hx_err err;
	int status;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
	}
	status = read_options(&o, argc, argv);
	if (status != 0)
		return status;
	if ((o.hosts_file != NULL &&
		!hx_hosts_load(o.hosts_file, &o.hosts, &err)) ||
	    (o.services_file != NULL &&
		!hx_services_load(o.services_file, &o.services, &err))) {
		(void)fprintf(stderr, "ipsecsim: %s\n", err.text);
		hx_hosts_free(&o.hosts);
		return 2;
	}
	status = o.encode ? run_script(NULL, &o) : run(&o);
	hx_hosts_free(&o.hosts);
	hx_services_free(&o.services);
	return status;
}
