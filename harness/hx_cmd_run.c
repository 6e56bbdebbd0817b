/* `ipsecsim run`, `record`, `bisect` and `sweep`: scenarios at work. */
#include "hx_cmd_run.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "hx_fields.h"
#include "hx_pcap_out.h"
#include "hx_run.h"
#include "hx_scen_recording.h"
#include "hx_stats.h"

static const char run_usage[] =
    "usage: ipsecsim run [OPTION...] SCENARIO...\n"
    "       ipsecsim record [OPTION...] SCENARIO\n"
    "       ipsecsim bisect [OPTION...] SCENARIO\n"
    "       ipsecsim sweep [OPTION...] NAME=VALUE,VALUE... SCENARIO\n"
    "\n"
    "run holds each event's effects against what the scenario expects of it.\n"
    "record prints the scenario with the effects as expectations; with --case,\n"
    "the case of a recording as a scenario with the model's effects.\n"
    "bisect prints the first event after which the run and its expectations\n"
    "part, or, with --against, the runs under two profiles.\n"
    "sweep repeats the last packet of the scenario under every combination\n"
    "of values of the named sysctls and prints what changes.\n"
    "\n"
    "  --profile NAME        instead of the scenario's own (default manual)\n"
    "  --switch NAME=VALUE   change one switch of it\n"
    "  --against NAME        bisect: the other profile\n"
    "  --json                JSON Lines\n"
    "  -q, --quiet           run: only what does not hold, and the summary\n"
    "  --enc FILE            run: what enc0 captures, as a pcap of DLT_ENC\n"
    "  --stats PROTOCOL      run: the counters afterwards, as netstat -sp does\n"
    "  --case ID             record: of this recording; wants --show-keys\n"
    "  --show-keys           record: print PF_KEY messages that hold keys\n"
    "\n"
    "Exit status 0: all holds; 1: something does not; 2: bad usage or input.\n";

struct opts {
	const char *command;
	struct ipm_profile pf;
	bool fixed; /* --profile was given */
	bool json, quiet, show_keys, has_against;
	struct ipm_profile against;
	const char *enc, *one_case;
	enum ipm_stat_group stats; /* IPM_N_STAT_GROUPS: none */
	char **words;
	int n_words;
};

static int
bad(const struct opts *o, const char *what, const char *word)
{
	(void)fprintf(stderr, "ipsecsim %s: %s %s\n", o->command, what, word);
	return 2;
}

static bool
set_switch(struct opts *o, char *word)
{
	char *eq = strchr(word, '=');
	bool ok;

	if (eq == NULL)
		return false;
	*eq = '\0';
	ok = ipm_profile_set(&o->pf, word, eq + 1) &&
	    (!o->has_against || ipm_profile_set(&o->against, word, eq + 1));
	*eq = '=';
	return ok;
}

/* -1: go on; else the exit status. */
static int
read_opts(struct opts *o, int argc, char **argv)
{
	int i;

	o->command = argv[0];
	o->stats = IPM_N_STAT_GROUPS;
	ipm_profile_init(&o->pf, IPM_PF_MANUAL);
	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		const char *a = argv[i];
		bool takes = strcmp(a, "--profile") == 0 ||
		    strcmp(a, "--switch") == 0 || strcmp(a, "--against") == 0 ||
		    strcmp(a, "--enc") == 0 || strcmp(a, "--stats") == 0;

		if (strcmp(a, "--") == 0) {
			i++;
			break;
		}
		if (strcmp(a, "--help") == 0) {
			(void)fputs(run_usage, stdout);
			return 0;
		}
		if (takes && i + 1 >= argc)
			return bad(o, "a word is missing behind", a);
		if (strcmp(a, "--profile") == 0 ||
		    strcmp(a, "--against") == 0) {
			enum ipm_profile_id id = ipm_profile_find(argv[++i]);

			if (id == IPM_N_PROFILES)
				return bad(o, "no profile", argv[i]);
			if (a[2] == 'p')
				ipm_profile_init(&o->pf, id);
			else
				ipm_profile_init(&o->against, id);
			o->has_against |= a[2] == 'a';
			o->fixed |= a[2] == 'p';
		} else if (strcmp(a, "--switch") == 0) {
			if (!set_switch(o, argv[++i]))
				return bad(o, "no switch", argv[i]);
			o->fixed = true;
		} else if (strcmp(a, "--enc") == 0)
			o->enc = argv[++i];
		else if (strcmp(a, "--case") == 0)
			o->one_case = argv[++i];
		else if (strcmp(a, "--stats") == 0) {
			o->stats = hx_stats_group(argv[++i]);
			if (o->stats == IPM_N_STAT_GROUPS)
				return bad(o, "no counters of", argv[i]);
		} else if (strcmp(a, "--json") == 0)
			o->json = true;
		else if (strcmp(a, "-q") == 0 || strcmp(a, "--quiet") == 0)
			o->quiet = true;
		else if (strcmp(a, "--show-keys") == 0)
			o->show_keys = true;
		else
			return bad(o, "unknown option", a);
	}
	o->words = argv + i;
	o->n_words = argc - i;
	if (o->has_against && strcmp(o->command, "bisect") != 0)
		return bad(o, "unknown option", "--against");
	if (o->one_case != NULL && strcmp(o->command, "record") != 0)
		return bad(o, "unknown option", "--case");
	if (strcmp(o->command, "run") != 0 &&
	    (o->enc != NULL || o->stats != IPM_N_STAT_GROUPS))
		return bad(
		    o, "unknown option", o->enc != NULL ? "--enc" : "--stats");
	if ((o->enc != NULL || o->stats != IPM_N_STAT_GROUPS) &&
	    o->n_words != 1)
		return bad(o, "takes one scenario with",
		    o->enc != NULL ? "--enc" : "--stats");
	return -1;
}

/* The same of a command that takes one scenario. */
static int
read_one(struct opts *o, int argc, char **argv)
{
	int status = read_opts(o, argc, argv);

	if (status < 0 && o->n_words != 1)
		return bad(o, "takes one scenario, not",
		    o->n_words == 0 ? "none" : o->words[1]);
	return status;
}

static void
say(const struct hx_err *err)
{
	(void)fprintf(stderr, "ipsecsim: %s\n", err->text);
}

static void
print_json(json_t *j)
{
	(void)json_dumpf(j, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	(void)fputc('\n', stdout);
	json_decref(j);
}

/* --- run ----------------------------------------------------------------------- */

struct tally {
	json_int_t events, held, failed;
};

static void
tell(const struct opts *o, const char *file, const struct hx_scen_line *l,
    const char *why, struct tally *t)
{
	bool ok = why[0] == '\0';

	if (ok)
		t->held++;
	else
		t->failed++;
	if (o->json) {
		if (ok && o->quiet)
			return;
		print_json(json_pack("{s:s, s:i, s:s, s:s*, s:s, s:s}", "file",
		    file, "line", (int)l->line, "text", l->text, "id", l->id,
		    "result", ok ? "pass" : "fail", "why", why));
		return;
	}
	if (!ok)
		(void)printf(
		    "%s:%u: %s\n    %s\n", file, l->line, why, l->text);
	else if (!o->quiet)
		(void)printf("%s:%u: holds: %s\n", file, l->line, l->text);
}

/* Carries out one scenario; the exit status so far. */
static int
run_one(const struct opts *o, const char *file, struct tally *t)
{
	struct hx_scen s;
	struct hx_run r;
	struct hx_err err;
	int status = 0;
	char why[400];

	if (!hx_scen_read(file, &s, &err)) {
		say(&err);
		return 2;
	}
	if (!hx_run_open(&r, &s, &o->pf, o->fixed, &err)) {
		say(&err);
		hx_scen_free(&s);
		return 2;
	}
	if (o->enc != NULL) {
		if (!hx_pcap_out_destroys(o->enc, file))
			r.enc = hx_pcap_create(o->enc, HX_LINK_ENC, &err);
		else
			hx_err_set(
			    &err, o->enc, 0, 0, "would destroy the scenario");
		if (r.enc == NULL) {
			say(&err);
			status = 2;
		}
	}
	for (size_t i = 0; i < s.n && status != 2;) {
		const struct hx_scen_line *l = &s.line[i];
		struct tally before = *t;

		if (!hx_run_event(&r, i++, &err)) {
			say(&err);
			status = 2;
			break;
		}
		t->events++;
		for (; i < s.n && s.line[i].expect; i++) {
			(void)hx_run_expect(&r, i, why, sizeof why);
			tell(o, file, &s.line[i], why, t);
		}
		if (t->failed == before.failed &&
		    !hx_run_settle(&r, why, sizeof why))
			tell(o, file, l, why, t);
	}
	if (r.enc != NULL && !hx_pcap_finish(r.enc, &err)) {
		say(&err);
		status = 3;
	}
	if (o->stats != IPM_N_STAT_GROUPS && status != 2)
		hx_stats_print(&r.x.m.e.ipm.stats, o->stats, stdout);
	hx_run_close(&r);
	hx_scen_free(&s);
	return status;
}

int
hx_cmd_run(int argc, char **argv)
{
	struct opts o = { 0 };
	struct tally t = { 0 };
	int status = read_opts(&o, argc, argv);

	if (status >= 0)
		return status;
	if (o.n_words == 0)
		return bad(&o, "no scenario", "given");
	if (o.json)
		print_json(json_pack(
		    "{s:s, s:i}", "schema", "ipsecsim-run", "version", 1));
	status = 0;
	for (int i = 0; i < o.n_words; i++) {
		int one = run_one(&o, o.words[i], &t);

		status = one > status ? one : status;
	}
	if (o.json)
		print_json(json_pack("{s:{s:i, s:I, s:I, s:I}}", "summary",
		    "files", o.n_words, "events", t.events, "pass", t.held,
		    "fail", t.failed));
	else
		(void)printf("%d scenarios, %lld events: %lld expectations "
			     "hold, %lld do not\n",
		    o.n_words, (long long)t.events, (long long)t.held,
		    (long long)t.failed);
	return status != 0 ? status : t.failed != 0;
}

/* --- record -------------------------------------------------------------------- */

static void
print_effects(const struct hx_run *r, bool show_keys)
{
	if (r->out.judged)
		(void)printf("> fate %s\n", ipm_reasons[r->out.fate].name);
	if (r->out.err != 0 && pfk_errno_name(r->out.err) == NULL)
		(void)printf("> errno %d\n", r->out.err);
	else if (r->out.err != 0)
		(void)printf("> errno %s\n", pfk_errno_name(r->out.err));
	if (r->has_value)
		(void)printf("> value %lld\n", (long long)r->value);
	if (r->out.len != 0 && r->out.len <= sizeof r->out.opt) {
		(void)printf("> value ");
		for (size_t i = 0; i < r->out.len; i++)
			(void)printf("%02x", r->out.opt[i]);
		(void)printf("\n");
	}
	for (size_t i = 0; i < r->n_fx; i++) {
		(void)printf("> ");
		hx_fx_print(r, &r->fx[i], stdout, show_keys);
		(void)printf("\n");
	}
	if (r->out.judged && r->n_fx == 0)
		(void)printf("> nothing\n");
}

/* The case of a recording as a scenario. */
static bool
read_case(const struct opts *o, struct hx_scen *s, struct hx_err *err)
{
	const char *file = o->words[0];
	json_error_t je;
	json_t *root = json_load_file(file, JSON_REJECT_DUPLICATES, &je);
	char *text = NULL;
	size_t len = 0;
	FILE *f = NULL;
	bool ok = false;

	if (root == NULL)
		hx_err_set(err, file, je.line > 0 ? (unsigned)je.line : 0, 0,
		    "%s", je.text);
	else if (!hx_scen_is_recording(root))
		hx_err_set(err, file, 0, 0, "no recording with cases");
	else if ((f = open_memstream(&text, &len)) == NULL)
		hx_err_set(err, file, 0, 0, "out of memory");
	else
		ok = hx_scen_from_recording(root, file, o->one_case, f, err);
	if (f != NULL)
		(void)fclose(f);
	ok = ok && hx_scen_parse(text, len, file, s, err);
	if (text != NULL)
		ipm_wipe(text, len);
	free(text);
	json_decref(root);
	return ok;
}

int
hx_cmd_record(int argc, char **argv)
{
	struct opts o = { 0 };
	struct hx_scen s;
	struct hx_run r;
	struct hx_err err;
	int status = read_one(&o, argc, argv);

	if (status >= 0)
		return status;
	if (o.one_case != NULL && !o.show_keys)
		return bad(&o, "a case's requests hold keys: --case wants",
		    "--show-keys");
	if (!(o.one_case != NULL ? read_case(&o, &s, &err)
				 : hx_scen_read(o.words[0], &s, &err))) {
		say(&err);
		return 2;
	}
	if (!hx_run_open(&r, &s, &o.pf, o.fixed, &err)) {
		say(&err);
		hx_scen_free(&s);
		return 2;
	}
	status = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.line[i].expect)
			continue;
		if (!hx_run_event(&r, i, &err)) {
			say(&err);
			status = 2;
			break;
		}
		(void)printf("%s\n", s.line[i].text);
		print_effects(&r, o.show_keys);
	}
	hx_run_close(&r);
	hx_scen_free(&s);
	return status;
}

/* --- bisect -------------------------------------------------------------------- */

/* What an event did, as one text. */
static char *
as_text(const struct hx_run *r)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	(void)fprintf(f, "%s errno %d\n",
	    r->out.judged ? ipm_reasons[r->out.fate].name : "-", r->out.err);
	for (size_t i = 0; i < r->n_fx; i++) {
		hx_fx_print(r, &r->fx[i], f, true);
		(void)fputc('\n', f);
	}
	(void)fclose(f);
	return text;
}

static void
print_part(const char *name, const struct hx_run *r, bool show_keys)
{
	(void)printf("%s:\n", name);
	if (r->out.judged)
		(void)printf("    fate %s\n", ipm_reasons[r->out.fate].name);
	(void)printf("    errno %d\n", r->out.err);
	for (size_t i = 0; i < r->n_fx; i++) {
		(void)printf("    ");
		hx_fx_print(r, &r->fx[i], stdout, show_keys);
		(void)printf("\n");
	}
}

static int
bisect_profiles(const struct opts *o, struct hx_scen *s)
{
	struct hx_run a, b;
	struct hx_err err;
	int status = 0;

	if (!hx_run_open(&a, s, &o->pf, true, &err)) {
		say(&err);
		return 2;
	}
	if (!hx_run_open(&b, s, &o->against, true, &err)) {
		say(&err);
		hx_run_close(&a);
		return 2;
	}
	for (size_t i = 0; i < s->n && status == 0; i++) {
		char *ta, *tb;

		if (s->line[i].expect)
			continue;
		if (!hx_run_event(&a, i, &err) || !hx_run_event(&b, i, &err)) {
			say(&err);
			status = 2;
			break;
		}
		ta = as_text(&a);
		tb = as_text(&b);
		if (ta == NULL || tb == NULL) {
			(void)fputs("ipsecsim: out of memory\n", stderr);
			status = 3;
		} else if (strcmp(ta, tb) != 0) {
			(void)printf("%s:%u: %s\n", s->file, s->line[i].line,
			    s->line[i].text);
			print_part(o->pf.name, &a, o->show_keys);
			print_part(o->against.name, &b, o->show_keys);
			status = 1;
		}
		free(ta);
		free(tb);
	}
	if (status == 0)
		(void)printf(
		    "%s and %s do not part\n", o->pf.name, o->against.name);
	hx_run_close(&a);
	hx_run_close(&b);
	return status;
}

static int
bisect_expectations(const struct opts *o, struct hx_scen *s)
{
	struct hx_run r;
	struct hx_err err;
	char why[400];
	int status = 0;
	size_t event = 0;

	if (!hx_run_open(&r, s, &o->pf, o->fixed, &err)) {
		say(&err);
		return 2;
	}
	for (size_t i = 0; i < s->n && status == 0;) {
		event = i;
		if (!hx_run_event(&r, i++, &err)) {
			say(&err);
			status = 2;
			break;
		}
		for (; i < s->n && s->line[i].expect && status == 0; i++)
			if (!hx_run_expect(&r, i, why, sizeof why))
				status = 1;
		if (status == 0 && !hx_run_settle(&r, why, sizeof why))
			status = 1;
	}
	if (status == 1) {
		(void)printf("%s:%u: %s\n    %s\n", s->file,
		    s->line[event].line, s->line[event].text, why);
		print_part("the run", &r, o->show_keys);
	} else if (status == 0)
		(void)printf("the run does as expected\n");
	hx_run_close(&r);
	return status;
}

int
hx_cmd_bisect(int argc, char **argv)
{
	struct opts o = { 0 };
	struct hx_scen s;
	struct hx_err err;
	int status = read_one(&o, argc, argv);

	if (status >= 0)
		return status;
	if (!hx_scen_read(o.words[0], &s, &err)) {
		say(&err);
		return 2;
	}
	status = o.has_against ? bisect_profiles(&o, &s)
			       : bisect_expectations(&o, &s);
	hx_scen_free(&s);
	return status;
}

/* --- sweep --------------------------------------------------------------------- */

#define SWEEP_MAX 8U /* sysctls of one sweep */

struct knob {
	char *name;
	char *value[64];
	size_t n, at;
};

/* "NAME=1,2,3" */
static bool
read_knob(struct knob *k, char *word)
{
	char *eq = strchr(word, '='), *p;
	long long v;
	char *end;

	if (eq == NULL || eq[1] == '\0')
		return false;
	*eq = '\0';
	k->name = word;
	k->n = k->at = 0;
	for (p = eq + 1;; p++) {
		char *comma = strchr(p, ',');

		if (comma != NULL)
			*comma = '\0';
		if (k->n == sizeof k->value / sizeof k->value[0])
			return false;
		errno = 0;
		v = strtoll(p, &end, 0);
		if (*p == '\0' || *end != '\0' || errno != 0 || v > INT32_MAX ||
		    v < INT32_MIN)
			return false;
		k->value[k->n++] = p;
		if (comma == NULL)
			return true;
		p = comma;
	}
}

/* The word as it was before read_knob cut it. */
static void
put_back(char *word, size_t len)
{
	char sep = '=';

	for (size_t i = 0; i < len; i++)
		if (word[i] == '\0') {
			word[i] = sep;
			sep = ',';
		}
}

/* Runs the scenario to its last packet, the knobs set before that. */
static bool
run_with(const struct opts *o, const struct hx_scen *s, size_t last,
    const struct knob *k, size_t n, struct hx_run *r, struct hx_err *err)
{
	if (!hx_run_open(r, s, &o->pf, o->fixed, err))
		return false;
	for (size_t i = 0; i <= last; i++) {
		for (size_t j = 0; i == last && j < n; j++) {
			struct pfk_event ev = { .kind = PFK_EV_SYSCTL,
				.name = k[j].name,
				.value =
				    strtoll(k[j].value[k[j].at], NULL, 0) };

			hx_run_sysctl(r, &ev);
			if (r->out.err != 0) {
				hx_err_set(err, NULL, 0, 0,
				    "sysctl %s: errno %d for %s", k[j].name,
				    r->out.err, k[j].value[k[j].at]);
				hx_run_close(r);
				return false;
			}
		}
		if (!s->line[i].expect && !hx_run_event(r, i, err)) {
			hx_run_close(r);
			return false;
		}
	}
	return true;
}

struct differing {
	json_t *list;
	struct ipm_span a, b;
};

static void
add_field(void *ctx, const struct hx_field *fa, const struct hx_field *fb)
{
	struct differing *d = ctx;
	char ta[HX_FIELD_TEXT_MAX] = "-", tb[HX_FIELD_TEXT_MAX] = "-";
	const struct hx_field *f = fa != NULL ? fa : fb;

	if (fa != NULL)
		(void)hx_field_text(d->a, fa, ta);
	if (fb != NULL)
		(void)hx_field_text(d->b, fb, tb);
	(void)json_array_append_new(d->list,
	    json_pack("{s:s, s:I, s:I, s:s, s:s}", "field", f->name, "bit",
		(json_int_t)f->bit, "bits", (json_int_t)f->bits, "was", ta,
		"is", tb));
}

/* What differs between the effects of two runs' last events. */
static json_t *
differences(const struct hx_run *a, const struct hx_run *b)
{
	json_t *list = json_array();
	size_t n = a->n_fx > b->n_fx ? a->n_fx : b->n_fx;

	for (size_t i = 0; i < n; i++) {
		const struct hx_fx *fa = i < a->n_fx ? &a->fx[i] : NULL;
		const struct hx_fx *fb = i < b->n_fx ? &b->fx[i] : NULL;
		struct differing d = { .list = list };

		if (fa == NULL || fb == NULL ||
		    strcmp(fa->verb, fb->verb) != 0 ||
		    strcmp(fa->subject, fb->subject) != 0) {
			const char *was = fa == NULL ? "-" : fa->verb;
			const char *is = fb == NULL ? "-" : fb->verb;

			(void)json_array_append_new(list,
			    json_pack("{s:s, s:s+, s:s+}", "field", "effect",
				"was", was, fa == NULL ? "" : fa->subject, "is",
				is, fb == NULL ? "" : fb->subject));
			continue;
		}
		d.a = hx_span(&fa->octets);
		d.b = hx_span(&fb->octets);
		if (strcmp(fa->verb, "transmit") == 0 ||
		    strcmp(fa->verb, "filter") == 0)
			(void)hx_fields_diff(d.a, d.b, add_field, &d);
		else if (d.a.len != d.b.len ||
		    (d.a.len != 0 && memcmp(d.a.p, d.b.p, d.a.len) != 0))
			(void)json_array_append_new(
			    list, json_pack("{s:s}", "field", fa->verb));
	}
	return list;
}

static void
print_combination(const struct opts *o, const struct knob *k, size_t n,
    const struct hx_run *base, const struct hx_run *r)
{
	json_t *diff = differences(base, r), *set = json_object(), *d;
	const char *fate = r->out.judged ? ipm_reasons[r->out.fate].name : "-";
	size_t i;

	for (i = 0; i < n; i++)
		(void)json_object_set_new(set, k[i].name,
		    json_integer(strtoll(k[i].value[k[i].at], NULL, 0)));
	if (o->json) {
		print_json(json_pack("{s:o, s:s, s:i, s:o}", "sysctls", set,
		    "fate", fate, "errno", r->out.err, "changes", diff));
		return;
	}
	for (i = 0; i < n; i++)
		(void)printf("%s%s=%s", i == 0 ? "" : " ", k[i].name,
		    k[i].value[k[i].at]);
	(void)printf(": %s", fate);
	json_array_foreach(diff, i, d)
	{
		const char *was = json_string_value(json_object_get(d, "was"));
		const char *is = json_string_value(json_object_get(d, "is"));

		(void)printf("%s %s", i == 0 ? "" : ",",
		    json_string_value(json_object_get(d, "field")));
		if (was != NULL && is != NULL)
			(void)printf(" %s > %s", was, is);
	}
	(void)printf(
	    "%s\n", json_array_size(diff) == 0 ? " (as the first)" : "");
	json_decref(diff);
	json_decref(set);
}

/* The next combination; false after the last. */
static bool
turn(struct knob *k, size_t n)
{
	for (size_t i = n; i-- > 0;) {
		if (++k[i].at < k[i].n)
			return true;
		k[i].at = 0;
	}
	return false;
}

static int
sweep(const struct opts *o, const struct hx_scen *s, struct knob *k, size_t n)
{
	struct hx_run base, r;
	struct hx_err err;
	size_t last = s->n;
	json_int_t combinations = 0, changed = 0;
	bool more = true;

	for (size_t i = 0; i < s->n; i++)
		if (!s->line[i].expect && hx_run_line_is_packet(&s->line[i]))
			last = i;
	if (last == s->n) {
		(void)fprintf(
		    stderr, "ipsecsim: %s: no packet to sweep\n", s->file);
		return 2;
	}
	if (!run_with(o, s, last, k, n, &base, &err)) {
		say(&err);
		return 2;
	}
	if (o->json)
		print_json(json_pack(
		    "{s:s, s:i}", "schema", "ipsecsim-sweep", "version", 1));
	while (more) {
		json_t *diff;

		if (!run_with(o, s, last, k, n, &r, &err)) {
			say(&err);
			hx_run_close(&base);
			return 2;
		}
		diff = differences(&base, &r);
		changed +=
		    json_array_size(diff) != 0 || base.out.fate != r.out.fate;
		json_decref(diff);
		combinations++;
		print_combination(o, k, n, &base, &r);
		hx_run_close(&r);
		more = turn(k, n);
	}
	if (o->json)
		print_json(json_pack("{s:{s:I, s:I}}", "summary",
		    "combinations", combinations, "changed", changed));
	else
		(void)printf("%lld combinations, %lld differ from the first\n",
		    (long long)combinations, (long long)changed);
	hx_run_close(&base);
	return 0;
}

int
hx_cmd_sweep(int argc, char **argv)
{
	struct opts o = { 0 };
	struct knob k[SWEEP_MAX];
	struct hx_scen s;
	struct hx_err err;
	int status = read_opts(&o, argc, argv);

	if (status >= 0)
		return status;
	if (o.n_words < 2 || o.n_words - 1 > (int)SWEEP_MAX)
		return bad(&o, "takes 1 to 8 NAME=VALUE,... and a", "scenario");
	for (int i = 0; i < o.n_words - 1; i++) {
		size_t len = strlen(o.words[i]);

		if (!read_knob(&k[i], o.words[i])) {
			put_back(o.words[i], len);
			return bad(
			    &o, "expected NAME=VALUE,VALUE... at", o.words[i]);
		}
	}
	if (!hx_scen_read(o.words[o.n_words - 1], &s, &err)) {
		say(&err);
		return 2;
	}
	status = sweep(&o, &s, k, (size_t)o.n_words - 1);
	hx_scen_free(&s);
	return status;
}
