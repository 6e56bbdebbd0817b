/*
 * Implementation notes.  Frames are shown in the order of the capture.  What
 * becomes of a fragment is known only later (completed by a frame, timed out,
 * given up), so from the first undecided fragment on the frames' texts wait in
 * a queue.  The time limit of reassembly bounds it, and where a capture's time
 * stands still, WAITING_MAX.
 */
#include "hx_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hx_config.h"
#include "hx_engine.h"
#include "hx_local.h"
#include "hx_options.h"
#include "hx_pcap.h"
#include "hx_pcap_out.h"
#include "hx_show.h"

/* Which frame took a number; direct-mapped, so it forgets, never grows. */
#define SEEN_SLOTS 65536U

/* Frames that wait at the most; then the first fragment is shown as it is. */
#define WAITING_MAX 65536U

#define PROGRESS_STEP 65536U /* frames */

struct seen {
	uint64_t key, frame;
};

/* A frame whose text waits. */
struct waiting {
	uint64_t number, sec, since_ns;
	uint32_t nsec;
	bool decided;
	char *text; /* of a decided one; NULL: quiet */
	size_t len;
	bool has_addrs;
	struct ipm_addr src, dst;
	struct ipm_trace *trace; /* the steps so far, with --explain */
};

struct options {
	const char *config, *capture, *out;
	bool json, quiet, explain, show_keys;
	uint64_t only; /* explain: this frame; 0 all */
	struct ipm_profile profile;
};

struct replay {
	const struct options *opt;
	struct hx_engine engine;
	struct hx_config cfg;
	struct hx_pcap_out *clear;
	struct ipm_observation o;
	struct ipm_trace trace;
	/* Frames first_waiting to first_waiting + n_waiting - 1 wait; frame n
	 * at n % WAITING_MAX. */
	struct waiting **ring;
	FILE *report; /* standard output, unless -w writes there */
	uint64_t first_waiting;
	size_t n_waiting;
	struct seen *seen;
	uint64_t start_ns;
	uint64_t frames;
	uint64_t by_reason[IPM_N_REASONS];
	bool colour, shown_only;
	enum ipm_reason only_reason; /* explain: how that frame ended */
};

/* --- who took a number --------------------------------------------------- */

static uint64_t
seen_key(const struct ipm_layer *l)
{
	uint64_t h = 0xcbf29ce484222325U;
	const uint64_t parts[] = { l->kind, l->spi, l->seq,
		l->has_seq_hi ? l->seq_hi : 0, ipm_load64(l->dst.octet),
		ipm_load64(l->dst.octet + 8) };

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		h = (h ^ parts[i]) * 0x9e3779b97f4a7c15U;
		h ^= h >> 29;
	}
	return h;
}

/* Numbers count as taken when their ICV held, whatever came after. */
static void
note_numbers(struct replay *r, uint64_t frame)
{
	for (size_t i = 0; i < r->o.n_layers; i++) {
		const struct ipm_layer *l = &r->o.layer[i];

		if (l->has_seq && l->has_nh) {
			uint64_t k = seen_key(l);

			r->seen[k % SEEN_SLOTS] = (struct seen){ k, frame };
		}
	}
}

static uint64_t
who_took(const struct replay *r)
{
	const struct seen *s;
	uint64_t k;

	if (r->o.reason != IPM_R_REPLAYED || r->o.n_layers == 0)
		return 0;
	k = seen_key(&r->o.layer[r->o.n_layers - 1]);
	s = &r->seen[k % SEEN_SLOTS];
	return s->key == k ? s->frame : 0;
}

/* --- showing in order ------------------------------------------------------ */

static void
render(const struct replay *r, FILE *out, const struct hx_judged *j)
{
	if (r->opt->quiet || (r->opt->only != 0 && r->opt->only != j->number))
		return;
	if (r->opt->json)
		hx_show_json(out, j);
	else if (r->opt->only != 0)
		hx_show_full(out, j);
	else
		hx_show_line(out, j);
}

/* Not a packet's affair and not the caller's: the harness itself fails. */
static void
out_of_memory(void)
{
	(void)fflush(stdout);
	(void)fputs("ipsecsim: out of memory\n", stderr);
	_Exit(3);
}

static struct waiting **
slot(const struct replay *r, uint64_t frame)
{
	return &r->ring[frame % WAITING_MAX];
}

static void
flush_decided(struct replay *r)
{
	while (r->n_waiting != 0) {
		struct waiting *w = *slot(r, r->first_waiting);

		if (!w->decided)
			return;
		if (w->text != NULL)
			(void)fwrite(w->text, 1, w->len, r->report);
		*slot(r, r->first_waiting) = NULL;
		r->first_waiting++;
		r->n_waiting--;
		free(w->text);
		free(w->trace);
		free(w);
	}
}

static void
render_to(struct replay *r, struct waiting *w, const struct hx_judged *j)
{
	FILE *f;

	if (r->opt->quiet)
		return;
	f = open_memstream(&w->text, &w->len);
	if (f == NULL)
		out_of_memory();
	render(r, f, j);
	if (fclose(f) != 0)
		out_of_memory();
}

/* A frame's final word; with `explain` that one frame counts alone. */
static void
count(struct replay *r, enum ipm_reason reason, uint64_t number)
{
	if (r->opt->only != 0 && number != r->opt->only)
		return;
	r->by_reason[reason]++;
	if (r->opt->only != 0) {
		r->shown_only = true;
		r->only_reason = reason;
	}
}

/* What became of a fragment that waits. */
static void
decide(struct replay *r, struct waiting *w, enum ipm_reason reason, uint64_t by)
{
	struct ipm_observation o = { .reason = reason,
		.has_addrs = w->has_addrs,
		.src = w->src,
		.dst = w->dst };
	struct hx_judged j = { .number = w->number,
		.sec = w->sec,
		.nsec = w->nsec,
		.since_ns = w->since_ns,
		.o = &o,
		.trace = w->trace,
		.completed_by = by,
		.colour = r->colour };

	w->decided = true;
	count(r, reason, w->number);
	render_to(r, w, &j);
}

static void
push_waiting(struct replay *r, const struct hx_judged *j, bool decided)
{
	struct waiting *w = calloc(1, sizeof *w);

	if (w == NULL)
		out_of_memory();
	w->number = j->number;
	w->sec = j->sec;
	w->nsec = j->nsec;
	w->since_ns = j->since_ns;
	w->decided = decided;
	w->has_addrs = j->o->has_addrs;
	w->src = j->o->src;
	w->dst = j->o->dst;
	if (decided) {
		render_to(r, w, j);
	} else if (j->trace != NULL) {
		w->trace = malloc(sizeof *w->trace);
		if (w->trace == NULL)
			out_of_memory();
		*w->trace = *j->trace;
	}
	if (r->n_waiting == 0)
		r->first_waiting = j->number;
	*slot(r, j->number) = w;
	if (++r->n_waiting == WAITING_MAX) {
		decide(r, *slot(r, r->first_waiting), IPM_R_FRAG_PENDING, 0);
		flush_decided(r);
	}
}

static void
show(struct replay *r, const struct hx_judged *j, bool decided)
{
	if (decided)
		count(r, j->o->reason, j->number);
	if (r->n_waiting == 0 && decided)
		render(r, r->report, j);
	else
		push_waiting(r, j, decided);
}

static void
on_fragment(void *ctx, uint64_t frame, enum ipm_reason reason, uint64_t by)
{
	struct replay *r = ctx;
	struct waiting *w;

	if (frame - r->first_waiting >= r->n_waiting)
		return; /* shown as it was, when too many waited */
	w = *slot(r, frame);
	if (!w->decided)
		decide(
		    r, w, reason == IPM_R_OK ? IPM_R_FRAG_PENDING : reason, by);
}

/* The capture is over: what still waits stays a fragment. */
static void
finish_waiting(struct replay *r)
{
	for (size_t i = 0; i < r->n_waiting; i++) {
		struct waiting *w = *slot(r, r->first_waiting + i);

		if (!w->decided)
			decide(r, w, IPM_R_FRAG_PENDING, 0);
	}
	flush_decided(r);
}

/* --- the loop ---------------------------------------------------------------- */

static void
take_frame(struct replay *r, const struct hx_frame *f)
{
	uint64_t ns = f->sec * 1000000000 + f->nsec;
	struct hx_judged j = { .number = f->number,
		.sec = f->sec,
		.nsec = f->nsec,
		.o = &r->o,
		.trace = r->engine.opts.trace,
		.colour = r->colour };

	if (r->frames++ == 0)
		r->start_ns = ns;
	r->trace.n = r->trace.lost = 0;
	hx_engine_frame(&r->engine, f, &r->o);
	j.since_ns = ns > r->start_ns ? ns - r->start_ns : 0;
	if (!r->opt->quiet) {
		j.taken_by = who_took(r);
		note_numbers(r, f->number);
	}
	show(r, &j, r->o.reason != IPM_R_FRAG_PENDING);
	flush_decided(r);
	if (r->clear != NULL &&
	    (ipm_reasons[r->o.reason].verdict == IPM_V_ACCEPT ||
		r->o.reason == IPM_R_CLEAR))
		hx_pcap_write(r->clear, f->sec, f->nsec, r->o.inner);
}

/* Where the frames' lines go to the terminal they are progress enough. */
static bool
shows_progress(const struct replay *r)
{
	return isatty(STDERR_FILENO) &&
	    (r->opt->quiet || r->opt->only != 0 || !isatty(fileno(r->report)));
}

static void
progress(const struct replay *r)
{
	if (r->frames % PROGRESS_STEP == 0 && shows_progress(r))
		(void)fprintf(stderr, "\r%" PRIu64 " frames", r->frames);
}

static void
progress_end(const struct replay *r)
{
	if (r->frames >= PROGRESS_STEP && shows_progress(r))
		(void)fputs("\r\033[K", stderr);
}

/* --- heading and summary ------------------------------------------------------- */

static const char *
alg_name(const struct ipm_alg *a)
{
	return a == NULL ? "none" : a->name;
}

static void
print_keys(const struct replay *r)
{
	for (size_t i = 0; i < r->cfg.n; i++) {
		const struct ipm_sa_config *c = &r->cfg.sas[i].cfg;
		const struct ipm_span keys[] = { c->enc_key, c->auth_key };
		char a[46];

		(void)fprintf(r->report,
		    r->opt->json ? "%s{\"spi\":\"0x%08" PRIx32
				   "\",\"dst\":\"%s\","
				 : "%ssa 0x%08" PRIx32 " > %s",
		    r->opt->json && i != 0 ? "," : "", c->spi,
		    ipm_addr_text(&c->dst, a));
		if (r->opt->json)
			(void)fprintf(r->report,
			    "\"encryption\":\"%s\","
			    "\"authentication\":\"%s\",\"key\":\"",
			    alg_name(c->enc), alg_name(c->auth));
		else
			(void)fprintf(r->report, "  %s, %s  key ",
			    alg_name(c->enc), alg_name(c->auth));
		for (size_t k = 0; k < 2; k++)
			for (size_t n = 0; n < keys[k].len; n++)
				(void)fprintf(r->report, "%02x", keys[k].p[n]);
		(void)fputs(r->opt->json ? "\"}" : "\n", r->report);
	}
}

static void
print_heading(const struct replay *r)
{
	if (r->opt->json) {
		(void)fprintf(r->report,
		    "{\"schema\":\"ipsecsim-replay\",\"version\":1,"
		    "\"profile\":\"%s\",\"sas\":%zu",
		    r->opt->profile.name, r->cfg.n);
		if (r->opt->show_keys) {
			(void)fputs(",\"keys\":[", r->report);
			print_keys(r);
			(void)fputc(']', r->report);
		}
		(void)fputs("}\n", r->report);
		return;
	}
	if (r->opt->show_keys)
		print_keys(r);
	if (!r->opt->quiet)
		hx_show_heading(r->report);
}

static uint64_t
verdict_count(const struct replay *r, enum ipm_verdict v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < IPM_N_REASONS; i++)
		if (ipm_reasons[i].verdict == v)
			n += r->by_reason[i];
	return n;
}

static void
print_reasons_of(const struct replay *r, enum ipm_verdict v)
{
	const char *sep = " (";

	for (size_t i = 0; i < IPM_N_REASONS; i++) {
		if (ipm_reasons[i].verdict != v || r->by_reason[i] == 0)
			continue;
		(void)fprintf(r->report, "%s%" PRIu64 " %s", sep,
		    r->by_reason[i], ipm_reasons[i].name);
		sep = ", ";
	}
	if (sep[0] == ',')
		(void)fputc(')', r->report);
}

static void
print_summary(const struct replay *r)
{
	uint64_t frames = r->opt->only != 0 ? r->shown_only : r->frames;
	const char *sep = "";

	if (r->opt->json) {
		(void)fprintf(r->report,
		    "{\"summary\":{\"frames\":%" PRIu64 ",\"verdicts\":{",
		    frames);
		for (int v = 0; v < IPM_N_VERDICTS; v++)
			(void)fprintf(r->report, "%s\"%s\":%" PRIu64,
			    v == 0 ? "" : ",",
			    ipm_verdict_name((enum ipm_verdict)v),
			    verdict_count(r, (enum ipm_verdict)v));
		(void)fputs("},\"reasons\":{", r->report);
		for (size_t i = 0; i < IPM_N_REASONS; i++) {
			if (r->by_reason[i] == 0)
				continue;
			(void)fprintf(r->report, "%s\"%s\":%" PRIu64, sep,
			    ipm_reasons[i].name, r->by_reason[i]);
			sep = ",";
		}
		(void)fputs("}}}\n", r->report);
		return;
	}
	(void)fprintf(r->report, "%" PRIu64 " frames:", r->frames);
	for (int v = 0; v < IPM_N_VERDICTS; v++) {
		uint64_t n = verdict_count(r, (enum ipm_verdict)v);

		if (n == 0 && v != IPM_V_ACCEPT && v != IPM_V_DROP)
			continue;
		(void)fprintf(r->report, "%s %" PRIu64 " %s", sep, n,
		    ipm_verdict_name((enum ipm_verdict)v));
		if (v != IPM_V_ACCEPT)
			print_reasons_of(r, (enum ipm_verdict)v);
		sep = ",";
	}
	(void)fputc('\n', r->report);
}

/* --- options -------------------------------------------------------------------- */

static const char replay_usage[] =
    "usage: ipsecsim replay -c CONFIG -r CAPTURE [OPTION...]\n"
    "\n"
    "Opens every IPsec packet of a capture whose SA is configured, as its\n"
    "destination would, and says what becomes of it and why.\n"
    "\n"
    "  -c FILE             setkey(8) file or ipsec-capture sidecar; - stdin\n"
    "  -r FILE             capture; - standard input\n"
    "  -w FILE             write the clear packets as a capture; with -\n"
    "                      they go to standard output, the report to\n"
    "                      standard error\n"
    "  -q                  only the summary\n"
    "  --json              JSON Lines\n"
    "  --explain           the steps taken, each with its clause\n"
    "  --profile NAME      default observer (ipsecsim profiles)\n"
    "  --switch NAME=VALUE set one switch\n"
    "  --show-keys         print the keys that are configured\n"
    "\n"
    "Exit status 0: no frame dropped; 1: some were; 2: bad usage or input.\n";

static const char explain_usage[] =
    "usage: ipsecsim explain -c CONFIG -r CAPTURE -n FRAME [OPTION...]\n"
    "\n"
    "One frame of a capture in full; the frames before it are judged too.\n"
    "Takes --json, --profile and --switch as replay does.\n";

static int
bad_usage(const char *command, const char *what, const char *word)
{
	(void)fprintf(stderr, "ipsecsim %s: %s%s%s\n", command, what,
	    word == NULL ? "" : " ", word == NULL ? "" : word);
	return 2;
}

static bool
read_frame_number(const char *s, uint64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(s, &end, 10);
	return errno == 0 && *s >= '0' && *s <= '9' && *end == '\0' && *n != 0;
}

/* 0: go on; else the exit status plus 1. */
static int
read_options(int argc, char **argv, bool explain, struct options *o)
{
	enum ipm_profile_id id = IPM_PF_OBSERVER;
	const char *cmd = argv[0];

	/* The profile first: switches change it. */
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--profile") == 0) {
			id = ipm_profile_find(argv[i + 1]);
			if (id == IPM_N_PROFILES)
				return 1 +
				    bad_usage(
					cmd, "unknown profile", argv[i + 1]);
		}
	ipm_profile_init(&o->profile, id);
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
		const char **file = NULL;

		if (strcmp(a, "--help") == 0) {
			(void)fputs(
			    explain ? explain_usage : replay_usage, stdout);
			return 1;
		}
		if (strcmp(a, "--json") == 0) {
			o->json = true;
			continue;
		}
		if (strcmp(a, "--show-keys") == 0) {
			o->show_keys = true;
			continue;
		}
		if (!explain && strcmp(a, "-q") == 0) {
			o->quiet = true;
			continue;
		}
		if (!explain && strcmp(a, "--explain") == 0) {
			o->explain = true;
			continue;
		}
		if (strcmp(a, "-c") == 0)
			file = &o->config;
		else if (strcmp(a, "-r") == 0)
			file = &o->capture;
		else if (!explain && strcmp(a, "-w") == 0)
			file = &o->out;
		else if (strcmp(a, "--profile") != 0 &&
		    strcmp(a, "--switch") != 0 &&
		    !(explain && strcmp(a, "-n") == 0))
			return 1 + bad_usage(cmd, "unknown option", a);
		if (v == NULL)
			return 1 +
			    bad_usage(cmd,
				"an argument is missing "
				"after",
				a);
		i++;
		if (file != NULL) {
			if (*file != NULL)
				return 1 + bad_usage(cmd, "given twice:", a);
			*file = v;
		} else if (strcmp(a, "-n") == 0 && o->only != 0) {
			return 1 + bad_usage(cmd, "given twice:", a);
		} else if (strcmp(a, "-n") == 0 &&
		    !read_frame_number(v, &o->only)) {
			return 1 + bad_usage(cmd, "not a frame number:", v);
		} else if (strcmp(a, "--switch") == 0 &&
		    !hx_option_switch(&o->profile, v)) {
			return 1 +
			    bad_usage(cmd,
				"no such switch or value "
				"(ipsecsim profiles lists them):",
				v);
		}
	}
	if (o->config == NULL)
		return 1 + bad_usage(cmd, "-c CONFIG is missing", NULL);
	if (o->capture == NULL)
		return 1 + bad_usage(cmd, "-r CAPTURE is missing", NULL);
	if (explain && o->only == 0)
		return 1 + bad_usage(cmd, "-n FRAME is missing", NULL);
	if (strcmp(o->config, "-") == 0 && strcmp(o->capture, "-") == 0)
		return 1 +
		    bad_usage(cmd,
			"only one of -c and -r can be "
			"standard input",
			NULL);
	return 0;
}

static int
complain(const struct hx_err *err)
{
	(void)fprintf(stderr, "ipsecsim: %s\n", err->text);
	return 2;
}

static int
add_sas(struct replay *r)
{
	struct hx_err err;

	for (size_t i = 0; i < r->cfg.n; i++)
		if (hx_engine_add_sa(&r->engine, &r->cfg.sas[i].cfg) !=
		    IPM_OK) {
			hx_err_set(&err, r->opt->config, r->cfg.sas[i].line, 0,
			    "no memory for this SA");
			(void)complain(&err);
			return 3;
		}
	return 0;
}

/* Whether writing to out would destroy what is read; then err says it. */
static bool
is_input(const struct options *o, struct hx_err *err)
{
	if (hx_pcap_out_destroys(o->out, o->capture))
		hx_err_set(err, o->out, 0, 0, "is the capture that is read");
	else if (hx_pcap_out_destroys(o->out, o->config))
		hx_err_set(err, o->out, 0, 0, "is the configuration");
	else
		return false;
	return true;
}

static int
run_capture(struct replay *r)
{
	struct hx_frame f;
	struct hx_pcap *in;
	struct hx_err err;
	int got, status = 0;

	in = hx_pcap_open(r->opt->capture, &err);
	if (in == NULL)
		return complain(&err);
	if (r->opt->out != NULL) {
		if (is_input(r->opt, &err)) {
			hx_pcap_close(in);
			return complain(&err);
		}
		r->clear = hx_pcap_create(r->opt->out, HX_LINK_RAW, &err);
		if (r->clear == NULL) {
			hx_pcap_close(in);
			return complain(&err);
		}
		if (strcmp(r->opt->out, "-") == 0)
			r->report = stderr;
	}
	if (r->opt->only == 0 || r->opt->json)
		print_heading(r);
	while ((got = hx_pcap_next(in, &f, &err)) > 0) {
		take_frame(r, &f);
		progress(r);
		if (r->opt->only != 0 && r->shown_only)
			break;
	}
	progress_end(r);
	finish_waiting(r);
	hx_pcap_close(in);
	if (r->opt->only == 0 || r->opt->json)
		print_summary(r);
	if (got < 0)
		status = complain(&err);
	if (r->clear != NULL && !hx_pcap_finish(r->clear, &err))
		status = complain(&err);
	if (status == 0 && r->opt->only != 0 && !r->shown_only) {
		(void)fprintf(stderr,
		    "ipsecsim: %s: there is no frame %" PRIu64 ", only %" PRIu64
		    "\n",
		    r->opt->capture, r->opt->only, r->frames);
		status = 2;
	}
	if (status == 0 && verdict_count(r, IPM_V_DROP) != 0)
		status = 1;
	if (fflush(r->report) != 0 || ferror(r->report)) {
		(void)fprintf(
		    stderr, "ipsecsim: standard output: %s\n", strerror(errno));
		status = 3;
	}
	return status;
}

static int
run(int argc, char **argv, bool explain)
{
	struct options opt = { 0 };
	struct replay *r;
	struct hx_err err;
	int status = read_options(argc, argv, explain, &opt);

	if (status != 0)
		return status - 1;
	r = calloc(1, sizeof *r);
	if (r == NULL)
		out_of_memory();
	r->seen = calloc(SEEN_SLOTS, sizeof *r->seen);
	r->ring = calloc(WAITING_MAX, sizeof(struct waiting *));
	if (r->seen == NULL || r->ring == NULL)
		out_of_memory();
	r->opt = &opt;
	r->report = stdout;
	if (!hx_config_load(opt.config, &r->cfg, &err)) {
		status = complain(&err);
		goto out;
	}
	if (!hx_engine_open(&r->engine, IPM_PF_OBSERVER)) {
		(void)fputs("ipsecsim: no crypto provider\n", stderr);
		status = 3;
		goto out_config;
	}
	r->engine.profile = opt.profile;
	r->engine.opts.fragment = on_fragment;
	r->engine.opts.fragment_ctx = r;
	r->engine.opts.explain = !opt.quiet;
	if (opt.explain || explain)
		r->engine.opts.trace = &r->trace;
	r->colour = !opt.json && isatty(STDOUT_FILENO) &&
	    (opt.out == NULL || strcmp(opt.out, "-") != 0);
	status = add_sas(r);
	if (status == 0)
		status = run_capture(r);
	hx_engine_close(&r->engine);
out_config:
	hx_config_free(&r->cfg);
out:
	free(r->ring);
	free(r->seen);
	free(r);
	return status;
}

int
hx_cmd_replay(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--local") == 0)
			return hx_cmd_local(argc, argv);
	return run(argc, argv, false);
}

int
hx_cmd_explain(int argc, char **argv)
{
	return run(argc, argv, true);
}
