/* `ipsecsim pfkey lint`: which field of a message earns which errno where. */
#include <stdio.h>

#include "hx_check.h"
#include "hx_pfkey_cmd.h"
#include "pfk_engine.h"
#include "pfk_rules.h"

static const char *const how_text[] = {
	[PFK_IGNORED] = "is ignored",
	[PFK_BY_SEND] = "from send(2)",
	[PFK_BY_REPLY] = "in the answer",
	[PFK_UNSENT] = "is not sent by this kernel",
};
static const char *const how_word[] = {
	[PFK_IGNORED] = "ignored",
	[PFK_BY_SEND] = "send",
	[PFK_BY_REPLY] = "answer",
	[PFK_UNSENT] = "unsent",
};

static void
print_findings(const struct pfk_dialect *d, const char *source, size_t at,
    unsigned line, const struct pfk_finding *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct pfk_rule_row *r = &pfk_rules[f[i].rule];

		hx_pfkey_where(stdout, source, at, line, f[i].offset);
		(void)printf(": %s: %s%s%s: ", d->name,
		    f[i].ext == NULL ? "sadb_msg" : f[i].ext,
		    f[i].field == NULL ? "" : ".",
		    f[i].field == NULL ? "" : f[i].field);
		if (f[i].err != 0)
			(void)printf("%s%s %s: ", i == 0 ? "" : "then ",
			    pfk_errno_name(f[i].err), how_text[f[i].how]);
		(void)printf("%s (%s)\n", r->text, r->source);
	}
}

static void
print_json(const struct pfk_dialect *d, const char *source, size_t at,
    unsigned line, struct ipm_span octets, const struct pfk_finding *f,
    size_t n)
{
	json_t *j = json_object(), *list = json_array();
	const char *type =
	    octets.len < 2 ? NULL : pfk_name(d->msgs, octets.p[1]);

	(void)json_object_set_new(j, "source", hx_json_text(source));
	if (line != 0)
		(void)json_object_set_new(j, "line", json_integer(line));
	(void)json_object_set_new(j, "at", json_integer((json_int_t)at));
	(void)json_object_set_new(j, "dialect", json_string(d->name));
	(void)json_object_set_new(
	    j, "type", type == NULL ? json_null() : json_string(type));
	for (size_t i = 0; i < n; i++) {
		const struct pfk_rule_row *r = &pfk_rules[f[i].rule];

		(void)json_array_append_new(list,
		    json_pack("{s:s, s:I, s:s?, s:s?, s:s?, s:s, s:s, s:s}",
			"rule", r->name, "offset", (json_int_t)f[i].offset,
			"ext", f[i].ext, "field", f[i].field, "errno",
			f[i].err == 0 ? NULL : pfk_errno_name(f[i].err), "how",
			how_word[f[i].how], "text", r->text, "source",
			r->source));
	}
	(void)json_object_set_new(j, "findings", list);
	(void)json_dumpf(j, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	json_decref(j);
}

static void
lint_one(void *ctx, const char *source, size_t at, unsigned line,
    struct ipm_span octets)
{
	struct pfk_finding f[PFK_FINDINGS_MAX];
	struct hx_pfkey_cmd *k = ctx;
	struct pfk_codec c = k->codec;

	k->messages++;
	for (const struct pfk_dialect *d = pfk_dialects; d->name != NULL; d++) {
		size_t n;

		if (!k->all && d != k->codec.dialect)
			continue;
		c.dialect = d;
		n = k->from_kernel ? pfk_lint_out(&c, octets, f)
				   : pfk_lint(&c, &k->profile, octets, f);
		k->faults += n;
		if (k->json)
			print_json(d, source, at, line, octets, f, n);
		else
			print_findings(d, source, at, line, f, n);
	}
}

int
hx_pfkey_lint(struct hx_pfkey_cmd *k, int argc, char **argv)
{
	int status = 0;

	if (k->json)
		(void)printf("{\"schema\":\"ipsecsim-pfkey-lint\","
			     "\"version\":1,\"profile\":\"%s\"}\n",
		    k->profile.name);
	for (int i = 0; i < argc && status == 0; i++)
		status = hx_pfkey_each(&k->codec, argv[i], true, lint_one, k);
	if (k->json)
		(void)printf("{\"summary\":{\"messages\":%llu,\"findings\":"
			     "%llu}}\n",
		    (unsigned long long)k->messages,
		    (unsigned long long)k->faults);
	else if (status == 0 && k->faults == 0)
		(void)printf("%llu message%s: nothing that would be refused\n",
		    (unsigned long long)k->messages,
		    k->messages == 1 ? "" : "s");
	return status != 0 ? status : k->faults != 0 ? 1 : 0;
}
