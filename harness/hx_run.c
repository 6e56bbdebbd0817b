#include "hx_run_int.h"

#include <stdlib.h>
#include <string.h>

#include "hx_fields.h"
#include "hx_pfkey.h"
#include "hx_setkey_msg.h"
#include "ipm_log.h"

enum {
	ASKED_FILTER,
	ASKED_TAP,
	ASKED_LOG
};

/* --- keeping what comes of an event ------------------------------------------ */

static void
forget(struct hx_run *r)
{
	for (size_t i = 0; i < r->n_fx; i++)
		hx_octets_free(&r->fx[i].octets);
	r->n_fx = 0;
}

static bool
copy_octets(struct hx_octets *o, struct ipm_span s)
{
	o->p = malloc(s.len + 1);
	o->len = s.len;
	if (o->p != NULL && s.len != 0)
		memcpy(o->p, s.p, s.len);
	return o->p != NULL;
}

static const char *
iface_name(const struct hx_run *r, int iface)
{
	return iface < 0 || iface >= r->host.n_ifs ? "-"
						   : r->host.iface[iface].name;
}

static const char *const places[] = { [IPM_FILTER_IN] = "in",
	[IPM_FILTER_OUT] = "out",
	[IPM_FILTER_ENC_IN] = "enc-in",
	[IPM_FILTER_ENC_OUT] = "enc-out" };

static void
describe(struct hx_run *r, const struct ipm_effect *fx, struct hx_fx *to)
{
	static const char *const verbs[IPM_N_FX] = {
		[IPM_FX_TRANSMIT] = "transmit",
		[IPM_FX_DELIVER] = "deliver",
		[IPM_FX_DROP] = "drop",
		[IPM_FX_FILTER] = "filter",
		[IPM_FX_TAP] = "tap",
		[IPM_FX_LOG] = "log",
	};
	char addr[46];

	(void)snprintf(to->verb, sizeof to->verb, "%s", verbs[fx->kind]);
	switch (fx->kind) {
	case IPM_FX_TRANSMIT:
		(void)snprintf(to->subject, sizeof to->subject, "%s",
		    iface_name(r, fx->iface));
		break;
	case IPM_FX_DELIVER:
		(void)snprintf(to->subject, sizeof to->subject, "%s",
		    hx_name_of(&r->socks, fx->pcb));
		(void)snprintf(to->from, sizeof to->from, "%s %u",
		    ipm_addr_text(&fx->from, addr), fx->from_port);
		break;
	case IPM_FX_DROP:
		(void)snprintf(to->subject, sizeof to->subject, "%s",
		    ipm_reasons[fx->reason].name);
		break;
	case IPM_FX_FILTER:
		(void)snprintf(to->subject, sizeof to->subject, "%s:%s",
		    places[fx->at & 3],
		    fx->at == IPM_FILTER_IN || fx->at == IPM_FILTER_OUT
			? iface_name(r, fx->iface)
			: "enc0");
		break;
	case IPM_FX_TAP:
		(void)snprintf(to->subject, sizeof to->subject,
		    "%s:%s:0x%08x:0x%04x",
		    fx->at == IPM_FILTER_ENC_IN ? "in" : "out",
		    fx->before ? "before" : "after", fx->spi, fx->enc_flags);
		break;
	case IPM_FX_LOG:
		(void)snprintf(to->subject, sizeof to->subject, "%s",
		    ipm_logs[fx->log].name);
		break;
	case IPM_N_FX:
		break;
	}
}

/* The header of DLT_ENC, as a little-endian host captures it. */
static void
write_tap(struct hx_run *r, const struct ipm_effect *fx)
{
	uint8_t p[12 + IPM_IP_MAX] = { fx->family == 4 ? 2 : 28 };

	if (fx->packet.len > IPM_IP_MAX)
		return;
	ipm_store32(p + 4, fx->spi);
	for (size_t i = 0; i < 4; i++)
		p[8 + i] = (uint8_t)(fx->enc_flags >> 8 * i);
	memcpy(p + 12, fx->packet.p, fx->packet.len);
	hx_pcap_write(
	    r->enc, r->x.sec, r->x.nsec, ipm_span(p, 12 + fx->packet.len));
}

static void
keep(void *ctx, const struct pfk_effect *e)
{
	struct hx_run *r = ctx;
	struct hx_fx *fx;

	if (r->enc != NULL && !e->pfkey && e->fx.kind == IPM_FX_TAP)
		write_tap(r, &e->fx);
	if (r->n_fx == r->cap_fx) {
		size_t n = r->cap_fx == 0 ? 16 : r->cap_fx * 2;

		fx = realloc(r->fx, n * sizeof *fx);
		if (fx == NULL) {
			r->no_memory = true;
			return;
		}
		r->fx = fx;
		r->cap_fx = n;
	}
	fx = &r->fx[r->n_fx];
	memset(fx, 0, sizeof *fx);
	if (e->pfkey) {
		(void)snprintf(fx->verb, sizeof fx->verb, "pfkey");
		(void)snprintf(fx->subject, sizeof fx->subject, "%s",
		    hx_name_of(&r->keys, e->sock));
	} else
		describe(r, &e->fx, fx);
	if (!copy_octets(&fx->octets, e->pfkey ? e->msg : e->fx.packet)) {
		r->no_memory = true;
		return;
	}
	r->n_fx++;
}

void
hx_run_step(struct hx_run *r, const struct pfk_event *ev)
{
	hx_model_step(&r->x, ev, keep, r, &r->out);
}

/* --- running lines ------------------------------------------------------------- */

static bool
check_event(struct hx_run *r, const struct hx_scen_line *l, struct hx_err *err)
{
	const struct hx_verb *v = hx_verb_find(l->word[0]);
	char why[400];

	if (v == NULL) {
		hx_err_set(err, r->s->file, l->line, 0,
		    "%s is no event of a scenario", l->word[0]);
		return false;
	}
	if (l->n - 1 < v->min || l->n - 1 > v->max) {
		hx_err_set(err, r->s->file, l->line, 0,
		    "%s takes %zu to %zu words, not %zu", v->name, v->min,
		    v->max, l->n - 1);
		return false;
	}
	if (v->run(r, l, false, why, sizeof why))
		return true;
	hx_err_set(err, r->s->file, l->line, 0, "%s", why);
	return false;
}

static const struct {
	const char *name;
	size_t min, max; /* words behind it */
} expectations[] = { { "transmit", 1, HX_SCEN_WORDS },
	{ "deliver", 1, HX_SCEN_WORDS }, { "drop", 1, HX_SCEN_WORDS },
	{ "pfkey", 1, HX_SCEN_WORDS }, { "filter", 1, HX_SCEN_WORDS },
	{ "tap", 1, HX_SCEN_WORDS }, { "log", 1, 1 }, { "fate", 1, 1 },
	{ "errno", 1, 1 }, { "value", 1, 1 }, { "count", 1, 1 },
	{ "nothing", 0, 0 } };

static bool
check_expectation(
    struct hx_run *r, const struct hx_scen_line *l, struct hx_err *err)
{
	for (size_t i = 0; i < sizeof expectations / sizeof expectations[0];
	     i++)
		if (strcmp(expectations[i].name, l->word[0]) == 0) {
			if (l->n - 1 >= expectations[i].min &&
			    l->n - 1 <= expectations[i].max)
				return true;
			hx_err_set(err, r->s->file, l->line, 0,
			    "%s takes %zu to %zu words", expectations[i].name,
			    expectations[i].min, expectations[i].max);
			return false;
		}
	hx_err_set(
	    err, r->s->file, l->line, 0, "%s cannot be expected", l->word[0]);
	return false;
}

/* `profile NAME` and `switch NAME=VALUE`. */
static bool
set_profile(const struct hx_scen *s, const struct hx_scen_line *l,
    struct ipm_profile *pf, struct hx_err *err)
{
	char *eq;
	bool ok;

	if (l->expect || l->n != 2)
		return true;
	if (strcmp(l->word[0], "profile") == 0) {
		enum ipm_profile_id id = ipm_profile_find(l->word[1]);

		if (id == IPM_N_PROFILES) {
			hx_err_set(err, s->file, l->line, 0, "no profile %s",
			    l->word[1]);
			return false;
		}
		ipm_profile_init(pf, id);
		return true;
	}
	if (strcmp(l->word[0], "switch") != 0)
		return true;
	eq = strchr(l->word[1], '=');
	ok = eq != NULL;
	if (ok) {
		*eq = '\0';
		ok = ipm_profile_set(pf, l->word[1], eq + 1);
		*eq = '=';
	}
	if (!ok)
		hx_err_set(
		    err, s->file, l->line, 0, "no switch %s", l->word[1]);
	return ok;
}

bool
hx_run_open(struct hx_run *r, const struct hx_scen *s,
    const struct ipm_profile *pf, bool fixed, struct hx_err *err)
{
	struct ipm_profile own = *pf, tried = *pf;

	memset(r, 0, sizeof *r);
	r->s = s;
	for (size_t i = 0; i < s->n; i++)
		if (!set_profile(s, &s->line[i], fixed ? &tried : &own, err))
			return false;
	ipm_host_init(&r->host);
	for (size_t i = 0; i < s->n; i++)
		if (!(s->line[i].expect ? check_expectation(r, &s->line[i], err)
					: check_event(r, &s->line[i], err)))
			return false;
	ipm_host_init(&r->host);
	if (!hx_model_open(&r->x, &own, 0)) {
		hx_err_set(err, s->file, 0, 0, "no crypto provider or memory");
		return false;
	}
	return true;
}

void
hx_run_close(struct hx_run *r)
{
	forget(r);
	free(r->fx);
	hx_model_close(&r->x);
}

bool
hx_run_event(struct hx_run *r, size_t i, struct hx_err *err)
{
	const struct hx_scen_line *l = &r->s->line[i];
	const struct hx_verb *v = hx_verb_find(l->word[0]);
	char why[400];

	forget(r);
	r->event = l;
	r->before = r->x.m.e.ipm.stats;
	r->has_value = r->strict = false;
	memset(r->kind_asked, 0, sizeof r->kind_asked);
	memset(&r->out, 0, sizeof r->out);
	if (!v->run(r, l, true, why, sizeof why)) {
		hx_err_set(err, r->s->file, l->line, 0, "%s", why);
		return false;
	}
	if (r->no_memory)
		hx_err_set(err, r->s->file, l->line, 0, "out of memory");
	return !r->no_memory;
}

bool
hx_run_line_is_packet(const struct hx_scen_line *l)
{
	const struct hx_verb *v = hx_verb_find(l->word[0]);

	return v != NULL && v->packet;
}

void
hx_run_sysctl(struct hx_run *r, const struct pfk_event *ev)
{
	hx_run_step(r, ev);
	forget(r);
}

/* --- holding expectations ------------------------------------------------------ */

static bool
same_hex(struct ipm_span s, const char *text)
{
	struct hx_octets o;
	bool same;

	if (!hx_hex_read(text, &o))
		return false;
	same = o.len == s.len && (s.len == 0 || memcmp(o.p, s.p, s.len) == 0);
	hx_octets_free(&o);
	return same;
}

/* NAME=VALUE against a packet's fields. */
static bool
field_holds(struct ipm_span packet, const char *word, char *why, size_t len)
{
	struct hx_field f[HX_FIELDS_MAX];
	const struct hx_field *found;
	const char *eq = strchr(word, '=');
	char name[32], text[HX_FIELD_TEXT_MAX];

	if (eq == NULL || (size_t)(eq - word) >= sizeof name)
		return hx_run_no(why, len,
		    "%s is neither the packet's octets nor FIELD=VALUE", word);
	memcpy(name, word, (size_t)(eq - word));
	name[eq - word] = '\0';
	if (strcmp(name, "octets") == 0) {
		int64_t v;

		return (hx_number(eq + 1, &v) && (uint64_t)v == packet.len) ||
		    hx_run_no(why, len, "octets is %zu", packet.len);
	}
	found = hx_field_find(f, hx_fields(packet, f), name);
	if (found == NULL)
		return hx_run_no(why, len, "the packet has no %s", name);
	if (hx_field_is(packet, found, eq + 1))
		return true;
	return hx_run_no(why, len, "%s is %s, not %s", name,
	    hx_field_text(packet, found, text), eq + 1);
}

/* A member of the message itself, or an extension by its type. */
static const json_t *
top_member(const json_t *msg, const char *name)
{
	const json_t *found = json_object_get(msg, name);
	const json_t *list = json_object_get(msg, "exts");

	for (size_t i = 0; found == NULL && i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		const char *type = json_string_value(json_object_get(e, "ext"));

		if (type != NULL && strcmp(type, name) == 0)
			found = e;
	}
	return found;
}

/* PATH=VALUE against a PF_KEY message as JSON: type=ADD, errno=17,
 * SA.spi=4096. */
static bool
member_holds(struct ipm_span msg, const char *word, char *why, size_t len)
{
	enum pfk_fault fault;
	size_t where;
	json_t *j =
	    hx_pfkey_to_json(&hx_setkey_codec, msg, false, &fault, &where);
	const json_t *at = j;
	const char *eq = strchr(word, '='), *p = word;
	char name[48], have[80];
	int64_t v;
	bool ok = eq != NULL;

	while (ok && at != NULL && p < eq) {
		size_t n = strcspn(p, ".=");

		ok = n < sizeof name;
		if (!ok)
			break;
		memcpy(name, p, n);
		name[n] = '\0';
		at = at == j ? top_member(j, name)
		    : json_is_array(at) && hx_number_to(name, 4095, &v)
		    ? json_array_get(at, (size_t)v)
		    : json_object_get(at, name);
		p += n + (p + n < eq ? 1 : 0);
	}
	have[0] = '\0';
	if (json_is_string(at))
		(void)snprintf(have, sizeof have, "%s", json_string_value(at));
	else if (json_is_integer(at))
		(void)snprintf(have, sizeof have, "%lld",
		    (long long)json_integer_value(at));
	else if (json_is_array(at))
		(void)snprintf(have, sizeof have, "%zu", json_array_size(at));
	ok = ok && at != NULL &&
	    (strcmp(have, eq + 1) == 0 ||
		(json_is_integer(at) && hx_number(eq + 1, &v) &&
		    v == json_integer_value(at)));
	if (!ok)
		(void)hx_run_no(why, len, "%.*s is %s, not %s",
		    (int)(eq == NULL ? 0 : eq - word), word,
		    at == NULL ? "not there" : have, eq == NULL ? "" : eq + 1);
	json_decref(j);
	return ok;
}

/* The words behind verb and subject, against one effect. */
static bool
words_hold(
    const struct hx_fx *fx, const struct hx_scen_line *l, char *why, size_t len)
{
	struct ipm_span s = hx_span(&fx->octets);

	for (size_t i = 2; i < l->n; i++) {
		const char *w = l->word[i];

		if (strncmp(w, "from=", 5) == 0) {
			size_t n = strcspn(fx->from, " ");

			if (strlen(w + 5) != n ||
			    strncmp(w + 5, fx->from, n) != 0)
				return hx_run_no(
				    why, len, "it is from %s", fx->from);
		} else if (strncmp(w, "port=", 5) == 0) {
			if (strcmp(w + 5,
				fx->from + strcspn(fx->from, " ") + 1) != 0)
				return hx_run_no(
				    why, len, "it is from %s", fx->from);
		} else if (strncmp(w, "text=", 5) == 0) {
			if (strlen(w + 5) != s.len ||
			    memcmp(w + 5, s.p, s.len) != 0)
				return hx_run_no(why, len, "the text differs");
		} else if (strchr(w, '=') == NULL) {
			if (!same_hex(s, w))
				return hx_run_no(why, len, "the octets differ");
		} else if (strcmp(fx->verb, "pfkey") == 0) {
			if (!member_holds(s, w, why, len))
				return false;
		} else if (!field_holds(s, w, why, len))
			return false;
	}
	return true;
}

/* The next effect of the line's kind that no expectation has taken. */
static bool
effect_holds(
    struct hx_run *r, const struct hx_scen_line *l, char *why, size_t len)
{
	struct hx_fx *fx = NULL;

	for (size_t i = 0; i < r->n_fx && fx == NULL; i++)
		if (!r->fx[i].taken && strcmp(r->fx[i].verb, l->word[0]) == 0)
			fx = &r->fx[i];
	if (fx == NULL)
		return hx_run_no(why, len, "nothing of the kind came of it");
	fx->taken = true;
	if (strcmp(fx->subject, l->word[1]) != 0)
		return hx_run_no(
		    why, len, "it is %s %s", fx->verb, fx->subject);
	return words_hold(fx, l, why, len);
}

static bool
errno_holds(const struct hx_run *r, const char *word, char *why, size_t len)
{
	const char *name = pfk_errno_name(r->out.err);
	int64_t v;

	if (name != NULL && strcmp(name, word) == 0)
		return true;
	if (hx_number(word, &v) && v == r->out.err)
		return true;
	return hx_run_no(why, len, "errno is %d%s%s", r->out.err,
	    name == NULL ? "" : " ", name == NULL ? "" : name);
}

static bool
value_holds(const struct hx_run *r, const char *word, char *why, size_t len)
{
	int64_t v;

	if (r->has_value)
		return (hx_number(word, &v) && v == r->value) ||
		    hx_run_no(
			why, len, "the value is %lld", (long long)r->value);
	if (r->out.len > sizeof r->out.opt)
		return hx_run_no(why, len, "the value is too long");
	if (r->out.len == 4 && hx_number(word, &v)) {
		uint32_t have = 0;

		for (size_t i = 4; i-- > 0;)
			have = have << 8 | r->out.opt[i];
		return have == (uint32_t)v ||
		    hx_run_no(why, len, "the value is %u", have);
	}
	return same_hex(ipm_span(r->out.opt, r->out.len), word) ||
	    hx_run_no(why, len, "the value has other octets (%zu)", r->out.len);
}

/* "esps_notdb", "esps_hist[12]"; where two groups have the name, the first,
 * or the one in front of a colon: "ipsec6:ips_in_polvio". */
static bool
find_counter(const char *name, struct ipm_stat_cell *c)
{
	const char *colon = strchr(name, ':');

	for (size_t g = 0; g < IPM_N_STAT_GROUPS; g++) {
		const char *group = ipm_stat_groups[g].netstat;

		if (colon != NULL &&
		    (strlen(group) != (size_t)(colon - name) ||
			strncmp(group, name, (size_t)(colon - name)) != 0))
			continue;
		if (ipm_stat_find((enum ipm_stat_group)g,
			colon == NULL ? name : colon + 1, c))
			return true;
	}
	return false;
}

/* COUNTER=DELTA since before the event. */
static bool
count_holds(const struct hx_run *r, const char *word, char *why, size_t len)
{
	const char *eq = strchr(word, '=');
	struct ipm_stat_cell c;
	char name[64];
	uint64_t n;
	int64_t v;

	if (eq == NULL || (size_t)(eq - word) >= sizeof name ||
	    !hx_number(eq + 1, &v))
		return hx_run_no(why, len, "expected COUNTER=NUMBER");
	memcpy(name, word, (size_t)(eq - word));
	name[eq - word] = '\0';
	if (!find_counter(name, &c))
		return hx_run_no(why, len, "no counter %s", name);
	n = ipm_stats_get(&r->x.m.e.ipm.stats, &c) -
	    ipm_stats_get(&r->before, &c);
	return n == (uint64_t)v ||
	    hx_run_no(why, len, "%s counted %llu", name, (unsigned long long)n);
}

bool
hx_run_expect(struct hx_run *r, size_t i, char *why, size_t len)
{
	static const char *const asked[] = { "filter", "tap", "log" };
	const struct hx_scen_line *l = &r->s->line[i];
	const char *verb = l->word[0];

	why[0] = '\0';
	r->strict = true;
	for (size_t k = 0; k < 3; k++)
		if (strcmp(asked[k], verb) == 0)
			r->kind_asked[k] = true;
	if (strcmp(verb, "nothing") == 0) {
		/* hx_run_settle asks. */
		r->kind_asked[0] = r->kind_asked[1] = r->kind_asked[2] = true;
		return true;
	}
	if (strcmp(verb, "fate") == 0)
		return (r->out.judged &&
			   strcmp(ipm_reasons[r->out.fate].name, l->word[1]) ==
			       0) ||
		    hx_run_no(why, len, "its fate is %s",
			r->out.judged ? ipm_reasons[r->out.fate].name
				      : "none: it is no packet");
	if (strcmp(verb, "errno") == 0)
		return errno_holds(r, l->word[1], why, len);
	if (strcmp(verb, "value") == 0)
		return value_holds(r, l->word[1], why, len);
	if (strcmp(verb, "count") == 0)
		return count_holds(r, l->word[1], why, len);
	return effect_holds(r, l, why, len);
}

bool
hx_run_settle(struct hx_run *r, char *why, size_t len)
{
	static const char *const asked[] = { "filter", "tap", "log" };

	why[0] = '\0';
	if (!r->strict)
		return true;
	for (size_t i = 0; i < r->n_fx; i++) {
		bool counts = !r->fx[i].taken;

		for (size_t k = 0; k < 3; k++)
			if (strcmp(r->fx[i].verb, asked[k]) == 0 &&
			    !r->kind_asked[k])
				counts = false;
		if (counts)
			return hx_run_no(why, len, "%s %s came of it as well",
			    r->fx[i].verb, r->fx[i].subject);
	}
	return true;
}

/* Is it a message that may hold keys? */
static bool
holds_key(const struct hx_fx *fx)
{
	struct pfk_msg m;
	struct pfk_ext e[PFK_EXTS_MAX];
	size_t n, where;

	if (strcmp(fx->verb, "pfkey") != 0)
		return false;
	if (pfk_decode(&hx_setkey_codec, hx_span(&fx->octets), &m, e, &n,
		&where) != PFK_FINE)
		return true;
	for (size_t i = 0; i < n; i++)
		if (e[i].row == NULL || e[i].row->tail == PFK_TAIL_KEY)
			return true;
	return false;
}

void
hx_fx_print(
    const struct hx_run *r, const struct hx_fx *fx, FILE *out, bool show_keys)
{
	(void)r;
	(void)fprintf(out, "%s %s", fx->verb, fx->subject);
	if (fx->from[0] != '\0') {
		size_t n = strcspn(fx->from, " ");

		(void)fprintf(out, " from=%.*s port=%s", (int)n, fx->from,
		    fx->from + n + 1);
	}
	if (!show_keys && holds_key(fx))
		(void)fprintf(out, " errno=%u seq=%u", fx->octets.p[2],
		    (unsigned)fx->octets.p[8] | (unsigned)fx->octets.p[9] << 8 |
			(unsigned)fx->octets.p[10] << 16 |
			(unsigned)fx->octets.p[11] << 24);
	else if (fx->octets.len != 0) {
		(void)fputc(' ', out);
		for (size_t i = 0; i < fx->octets.len; i++)
			(void)fprintf(out, "%02x", fx->octets.p[i]);
	}
}
