/*
 * ipsec-capture sidecars: NAME.json with NAME.pcap, and NAME.neg.pcap where
 * the sidecar has `negative`.
 *
 * The frames of the negative part go through three models side by side, each
 * from a fresh state: the observer, the observer with the SHOULDs applied, and
 * Linux.  A case looks at the one that its verdict speaks of; one that needs
 * policies asks those of NAME.setkey about what the observer found.
 */
#include "hx_check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hx_config.h"
#include "hx_hex.h"
#include "hx_model.h"
#include "hx_pcap.h"
#include "hx_reseal.h"
#include "hx_sidecar.h"
#include "ipm_admit.h"

/* One model and what it said of the frame in hand. */
struct run {
	struct hx_engine engine;
	struct ipm_observation o;
	struct hx_reseal reseal;
};

struct capture {
	struct hx_check *c;
	const json_t *root;
	struct hx_config cfg;
	struct hx_model *host; /* whose policies are asked; NULL: none */
	char *path;            /* of the capture being read */
};

/* The sidecar's name with its ".json" replaced. */
static char *
sibling(const char *json_path, const char *suffix)
{
	size_t n = strlen(json_path);
	char *p;

	if (n > 5 && strcmp(json_path + n - 5, ".json") == 0)
		n -= 5;
	p = malloc(n + strlen(suffix) + 1);
	if (p != NULL) {
		memcpy(p, json_path, n);
		memcpy(p + n, suffix, strlen(suffix) + 1);
	}
	return p;
}

static bool
run_open(struct run *r, const struct capture *cap, enum ipm_profile_id id,
    bool strict)
{
	if (!hx_engine_open(&r->engine, id))
		return false;
	r->engine.profile.value[IPM_SW_STRICT] = strict ? IPM_ON : IPM_OFF;
	for (size_t i = 0; i < cap->cfg.n; i++)
		if (hx_engine_add_sa(&r->engine, &cap->cfg.sas[i].cfg) !=
		    IPM_OK) {
			hx_engine_close(&r->engine);
			return false;
		}
	return true;
}

static void
on_opened(void *ctx, const struct ipm_opened_layer *l)
{
	hx_reseal_layer(ctx, l);
}

static void
run_frame(struct run *r, const struct hx_frame *f)
{
	hx_reseal_begin(&r->reseal);
	hx_engine_frame(&r->engine, f, &r->o);
}

/* --- policies ---------------------------------------------------------- */

static void
ignore_effect(void *ctx, const struct pfk_effect *fx)
{
	(void)ctx, (void)fx;
}

/* The policies go the way that all of them go: through a PF_KEY socket. */
static bool
send_policies(struct hx_model *x, const struct hx_setkey_msgs *msgs)
{
	struct pfk_event ev = { .kind = PFK_EV_KEYSOCK };
	struct pfk_outcome out;

	hx_model_step(x, &ev, ignore_effect, NULL, &out);
	ev.sock = out.value;
	for (size_t i = 0; i < msgs->n && out.err == 0; i++) {
		ev.kind = PFK_EV_PFKEY;
		ev.octets = hx_span(&msgs->msg[i].octets);
		hx_model_step(x, &ev, ignore_effect, NULL, &out);
	}
	return out.err == 0 && x->m.e.ipm.spd.count[IPM_DIR_IN] != 0;
}

/* The host whose policies NAME.setkey holds, or NULL with one line told. */
static struct hx_model *
open_host(const struct capture *cap)
{
	char *path = sibling(cap->c->file, ".setkey");
	struct hx_model *x = calloc(1, sizeof *x);
	struct ipm_profile pf;
	struct hx_config cfg;
	struct hx_err err;
	bool ok = false;

	hx_err_set(&err, cap->c->file, 0, 0, "out of memory");
	ipm_profile_init(&pf, IPM_PF_MANUAL);
	if (path != NULL && x != NULL && hx_config_load(path, &cfg, &err)) {
		if (hx_model_open(x, &pf, 0)) {
			ok = send_policies(x, &cfg.policies);
			if (!ok) {
				hx_err_set(&err, path, 0, 0,
				    "an inbound policy is missing or cannot "
				    "be set up");
				hx_model_close(x);
			}
		}
		hx_config_free(&cfg);
	}
	free(path);
	if (ok)
		return x;
	(void)fprintf(stderr, "ipsecsim: %s\n", err.text);
	free(x);
	return NULL;
}

/* Is there a NAME.setkey at all? */
static bool
has_policies(const struct capture *cap)
{
	char *path = sibling(cap->c->file, ".setkey");
	bool there = path != NULL && access(path, F_OK) == 0;

	free(path);
	return there;
}

static bool
wants_policies(const json_t *truth)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(truth, i, entry)
	{
		const char *needs = hx_json_str(entry, "needs");

		if (needs != NULL && strcmp(needs, "policy") == 0)
			return true;
	}
	return false;
}

/* What the host makes of the packet that the model has opened. */
static enum ipm_reason
ask_host(const struct capture *cap, const struct run *r)
{
	struct pfk_engine *e = &cap->host->m.e;

	return ipm_admit(&e->ipm.spd, &e->ipm.arena, &r->o, 0);
}

/* --- comparing --------------------------------------------------------- */

static bool
verdict_is(enum ipm_reason reason, const char *want, char *why, size_t len)
{
	const struct ipm_reason_row *row = &ipm_reasons[reason];

	if (strcmp(want, ipm_verdict_name(row->verdict)) == 0)
		return true;
	(void)snprintf(why, len, "%s (%s), expected %s",
	    ipm_verdict_name(row->verdict), row->name, want);
	return false;
}

static bool
inner_is(struct ipm_span inner, const char *want, char *why, size_t len)
{
	struct hx_octets o;
	bool same;

	if (want == NULL)
		return true;
	if (!hx_hex_read(want, &o)) {
		(void)snprintf(why, len, "inner is not hexadecimal");
		return false;
	}
	same = o.len == inner.len &&
	    (o.len == 0 || memcmp(o.p, inner.p, o.len) == 0);
	if (!same) {
		size_t i = 0;

		while (i < o.len && i < inner.len && o.p[i] == inner.p[i])
			i++;
		(void)snprintf(why, len,
		    "inner of %zu octets, expected %zu; first difference at "
		    "octet %zu",
		    inner.len, o.len, i);
	}
	hx_octets_free(&o);
	return same;
}

static bool
number_is(const json_t *layer, const char *name, bool has, uint64_t value,
    char *why, size_t len)
{
	const json_t *j = json_object_get(layer, name);

	if (j == NULL)
		return true;
	if (has && json_is_integer(j) &&
	    json_integer_value(j) == (json_int_t)value)
		return true;
	(void)snprintf(why, len, "%s is %llu, expected %lld", name,
	    (unsigned long long)value, (long long)json_integer_value(j));
	return false;
}

static bool
text_is(const json_t *layer, const char *name, const char *value, char *why,
    size_t len)
{
	const json_t *j = json_object_get(layer, name);
	const char *want = json_string_value(j);

	if (j == NULL || (want != NULL && strcmp(want, value) == 0))
		return true;
	(void)snprintf(why, len, "%s is %s, expected %s", name, value,
	    want == NULL ? "something else" : want);
	return false;
}

/* A CPI stands as a number, or as "0x%04x" like an SPI. */
static bool
cpi_is(const json_t *layer, const struct ipm_layer *l, char *why, size_t len)
{
	bool has = l->kind == IPM_L_IPCOMP;
	char text[16];

	(void)snprintf(text, sizeof text, "0x%04x", l->spi);
	return json_is_string(json_object_get(layer, "cpi"))
	    ? text_is(layer, "cpi", text, why, len)
	    : number_is(layer, "cpi", has, l->spi, why, len);
}

static bool
layer_is(const struct ipm_layer *l, const json_t *want, char *why, size_t len)
{
	char spi[16], iv[33];

	(void)snprintf(spi, sizeof spi, "0x%08x", l->spi);
	(void)hx_hex_write(ipm_span(l->iv, l->has_iv ? l->ivlen : 0), iv);
	return text_is(want, "proto", ipm_layer_name(l->kind), why, len) &&
	    text_is(want, "spi", spi, why, len) && cpi_is(want, l, why, len) &&
	    text_is(want, "iv", iv, why, len) &&
	    number_is(want, "seq", l->has_seq, l->seq, why, len) &&
	    number_is(want, "seq_hi", l->has_seq_hi, l->seq_hi, why, len) &&
	    number_is(want, "nh", l->has_nh, l->nh, why, len) &&
	    number_is(want, "padlen", l->has_pad, l->padlen, why, len) &&
	    number_is(want, "ahlen", l->has_ahlen, l->ahlen, why, len);
}

static bool
layers_are(const struct run *r, const json_t *want, char *why, size_t len)
{
	if (want == NULL)
		return true;
	if (json_array_size(want) != r->o.n_layers) {
		(void)snprintf(why, len, "%zu layers, expected %zu",
		    r->o.n_layers, json_array_size(want));
		return false;
	}
	for (size_t i = 0; i < r->o.n_layers; i++)
		if (!layer_is(
			&r->o.layer[i], json_array_get(want, i), why, len))
			return false;
	return true;
}

static bool
reseal_held(const struct run *r, char *why, size_t len)
{
	if (r->reseal.why[0] == '\0')
		return true;
	(void)snprintf(why, len, "%s", r->reseal.why);
	return false;
}

static bool
no_provider(const struct run *r)
{
	return r->o.reason == IPM_R_NO_PROVIDER;
}

static void
tell(struct capture *cap, const char *part, size_t n, const char *suffix,
    enum hx_result result, const char *why)
{
	char name[64];

	(void)snprintf(name, sizeof name, "%s/%zu%s", part, n, suffix);
	hx_check_case(cap->c, name, result, why);
}

/* --- the two parts ----------------------------------------------------- */

/*
 * Whether an entry can be compared; when not, why holds an error of the file.
 * An accepted frame of the traffic must state its octets, or nothing is
 * compared; a negative case may leave them out.
 */
static bool
entry_is_sound(const json_t *want, bool needs_inner, char *why, size_t len)
{
	static const char *const verdicts[] = { "accept", "drop", "bypass",
		"consumed", "fragment", "unjudged", "should-drop",
		"unspecified" };
	static const char *const strings[] = { "verdict", "linux", "inner",
		"needs" };
	const char *verdict = hx_json_str(want, "verdict");
	const json_t *layers = json_object_get(want, "layers");
	bool known = false;

	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
		const json_t *m = json_object_get(want, strings[i]);

		if (m != NULL && !json_is_string(m) && !json_is_null(m)) {
			(void)snprintf(
			    why, len, "%s is not a string", strings[i]);
			return false;
		}
	}
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
		known |= verdict != NULL && strcmp(verdict, verdicts[i]) == 0;
	if (!known)
		(void)snprintf(why, len, "verdict %s%.32s",
		    verdict == NULL ? "is missing" : "is not known: ",
		    verdict == NULL ? "" : verdict);
	else if (layers != NULL && !json_is_array(layers))
		(void)snprintf(why, len, "layers is not a list");
	else if (needs_inner && strcmp(verdict, "accept") == 0 &&
	    hx_json_str(want, "inner") == NULL)
		(void)snprintf(why, len, "inner is missing");
	else
		return true;
	return false;
}

/* A frame of the real traffic: verdict, layers, inner octets, resealing. */
static void
judge_frame(
    struct capture *cap, const struct run *r, const json_t *want, size_t n)
{
	const char *verdict = hx_json_str(want, "verdict");
	char why[320] = "";
	bool ok;

	if (!entry_is_sound(want, true, why, sizeof why)) {
		tell(cap, "frame", n, "", HX_ERROR, why);
		return;
	}
	if (no_provider(r)) {
		tell(cap, "frame", n, "", HX_UNSUPPORTED,
		    "no provider offers an algorithm of the SA");
		return;
	}
	ok = verdict_is(r->o.reason, verdict, why, sizeof why) &&
	    layers_are(r, json_object_get(want, "layers"), why, sizeof why) &&
	    (strcmp(verdict, "accept") != 0 ||
		inner_is(
		    r->o.inner, hx_json_str(want, "inner"), why, sizeof why)) &&
	    reseal_held(r, why, sizeof why);
	tell(cap, "frame", n, "", ok ? HX_PASS : HX_FAIL,
	    ok ? ipm_reasons[r->o.reason].name : why);
}

/* One answer of a negative case against one model's, or against what the
 * host whose policies are asked makes of it. */
static void
judge_answer(struct capture *cap, const struct run *r, bool host,
    const json_t *want, const char *verdict, size_t n, const char *suffix)
{
	enum ipm_reason reason = host ? ask_host(cap, r) : r->o.reason;
	struct ipm_span inner = ipm_reasons[r->o.reason].verdict == IPM_V_ACCEPT
	    ? r->o.inner
	    : r->o.packet;
	char why[320] = "";
	bool ok;

	if (no_provider(r)) {
		tell(cap, "neg", n, suffix, HX_UNSUPPORTED,
		    "no provider offers an algorithm of the SA");
		return;
	}
	ok = verdict_is(reason, verdict, why, sizeof why) &&
	    (strcmp(verdict, "accept") != 0 ||
		inner_is(inner, hx_json_str(want, "inner"), why, sizeof why));
	tell(cap, "neg", n, suffix, ok ? HX_PASS : HX_FAIL,
	    ok ? ipm_reasons[reason].name : why);
}

enum {
	LENIENT,
	STRICT,
	LINUX,
	N_RUNS
};

static void
judge_negative(struct capture *cap, const struct run runs[N_RUNS],
    const json_t *want, size_t n)
{
	const char *verdict = hx_json_str(want, "verdict");
	const char *linux_verdict = hx_json_str(want, "linux");
	const char *needs = hx_json_str(want, "needs");
	bool host =
	    needs != NULL && strcmp(needs, "policy") == 0 && cap->host != NULL;
	char unsound[96];

	if (!entry_is_sound(want, false, unsound, sizeof unsound)) {
		tell(cap, "neg", n, "", HX_ERROR, unsound);
		return;
	}
	if (needs != NULL && !host) {
		char why[96];

		(void)snprintf(why, sizeof why, "needs %.32s%s", needs,
		    strcmp(needs, "policy") == 0
			? ", but no .setkey file is beside the sidecar"
			: ", which this version does not model");
		if (strcmp(verdict, "unspecified") != 0)
			tell(cap, "neg", n, "", HX_UNSUPPORTED, why);
		else
			cap->c->not_compared++;
		if (linux_verdict != NULL)
			tell(cap, "neg", n, ":linux", HX_UNSUPPORTED, why);
		return;
	}
	if (strcmp(verdict, "unspecified") == 0)
		cap->c->not_compared++;
	else if (strcmp(verdict, "should-drop") == 0)
		judge_answer(cap, &runs[STRICT], host, want, "drop", n, "");
	else
		judge_answer(cap, &runs[LENIENT], host, want, verdict, n, "");
	if (linux_verdict != NULL)
		judge_answer(
		    cap, &runs[LINUX], host, want, linux_verdict, n, ":linux");
}

/*
 * Reads a capture beside the list of its truth, calling judge for each pair;
 * a count that does not agree is a failed case.
 */
static bool
walk(struct capture *cap, const json_t *truth, const char *part,
    struct run *runs, size_t n_runs,
    void (*judge)(struct capture *cap, const struct run *runs,
	const json_t *want, size_t n))
{
	struct hx_pcap *in;
	struct hx_frame f;
	struct hx_err err;
	size_t n = 0;
	int got;

	in = hx_pcap_open(cap->path, &err);
	if (in == NULL) {
		(void)fprintf(stderr, "ipsecsim: %s\n", err.text);
		return false;
	}
	while ((got = hx_pcap_next(in, &f, &err)) > 0) {
		const json_t *want = json_array_get(truth, n++);

		for (size_t i = 0; i < n_runs; i++)
			run_frame(&runs[i], &f);
		if (want == NULL)
			tell(cap, part, n, "", HX_FAIL,
			    "the sidecar has no entry for this frame");
		else
			judge(cap, runs, want, n);
	}
	hx_pcap_close(in);
	if (got < 0) {
		(void)fprintf(stderr, "ipsecsim: %s\n", err.text);
		return false;
	}
	for (; n < json_array_size(truth); n++)
		tell(cap, part, n + 1, "", HX_FAIL,
		    "the capture ends before this frame");
	return true;
}

static void
judge_one(
    struct capture *cap, const struct run *runs, const json_t *want, size_t n)
{
	judge_frame(cap, &runs[0], want, n);
}

static bool
check_part(struct capture *cap, const json_t *truth, const char *suffix,
    const char *part, bool negative)
{
	static const struct {
		enum ipm_profile_id profile;
		bool strict;
	} models[N_RUNS] = {
		[LENIENT] = { IPM_PF_OBSERVER, false },
		[STRICT] = { IPM_PF_OBSERVER, true },
		[LINUX] = { IPM_PF_LINUX, false },
	};
	size_t n = negative ? N_RUNS : 1, open = 0;
	struct run *runs = calloc(N_RUNS, sizeof *runs);
	bool ok = false;

	cap->path = sibling(cap->c->file, suffix);
	if (runs == NULL || cap->path == NULL)
		goto out;
	if (negative && wants_policies(truth) && has_policies(cap)) {
		cap->host = open_host(cap);
		if (cap->host == NULL)
			goto out;
	}
	for (; open < n; open++) {
		struct run *r = &runs[open];

		if (!run_open(
			r, cap, models[open].profile, models[open].strict)) {
			(void)fprintf(stderr,
			    "ipsecsim: %s: an SA cannot be set up\n",
			    cap->c->file);
			goto out;
		}
		hx_reseal_init(&r->reseal, &r->engine, true);
		if (!negative) {
			r->engine.opts.opened = on_opened;
			r->engine.opts.opened_ctx = &r->reseal;
		}
	}
	ok = walk(
	    cap, truth, part, runs, n, negative ? judge_negative : judge_one);
out:
	while (open > 0)
		hx_engine_close(&runs[--open].engine);
	if (cap->host != NULL)
		hx_model_close(cap->host);
	free(cap->host);
	cap->host = NULL;
	free(runs);
	free(cap->path);
	return ok;
}

bool
hx_check_capture(struct hx_check *c, const json_t *root)
{
	const json_t *frames = json_object_get(root, "frames");
	const json_t *negative = json_object_get(root, "negative");
	struct capture cap = { .c = c, .root = root };
	struct hx_err err;
	bool ok = true;

	if (!hx_sidecar_read(root, c->file, &cap.cfg, &err)) {
		(void)fprintf(stderr, "ipsecsim: %s\n", err.text);
		return false;
	}
	if (!json_is_array(frames)) {
		(void)fprintf(stderr,
		    "ipsecsim: %s: frames is no list: nothing to check\n",
		    c->file);
		ok = false;
	} else {
		ok = check_part(&cap, frames, ".pcap", "frame", false);
		if (ok && negative != NULL && !json_is_array(negative)) {
			(void)fprintf(stderr,
			    "ipsecsim: %s: negative is no list\n", c->file);
			ok = false;
		} else if (ok && negative != NULL)
			ok = check_part(
			    &cap, negative, ".neg.pcap", "neg", true);
	}
	hx_config_free(&cap.cfg);
	return ok;
}
