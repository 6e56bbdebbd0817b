#include "hx_tables.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "hx_engine.h"
#include "provider/ipm_libcrypto.h"

/* -1: print text; 0: print JSON; else the exit status plus 1. */
static int
read_form(int argc, char **argv, const char *usage)
{
	int form = -1;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			(void)fputs(usage, stdout);
			return 1;
		}
		if (strcmp(argv[i], "--json") != 0) {
			(void)fprintf(stderr,
			    "ipsecsim %s: unknown argument %s\n", argv[0],
			    argv[i]);
			return 3;
		}
		form = 0;
	}
	return form;
}

static void
print(json_t *obj)
{
	(void)json_dumpf(obj, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(obj);
}

static void
print_schema(const char *name)
{
	print(json_pack("{s:s, s:i}", "schema", name, "version", 1));
}

static void
print_count(const char *what, size_t n)
{
	print(json_pack("{s:{s:I}}", "summary", what, (json_int_t)n));
}

int
hx_cmd_reasons(int argc, char **argv)
{
	int form = read_form(argc, argv,
	    "usage: ipsecsim reasons [--json]\n\n"
	    "Every way a packet can end: name, verdict, clause, FreeBSD's\n"
	    "counters (esp/ah/ipcomp, - none) and errno, one sentence.\n");

	if (form > 0)
		return form - 1;
	if (form == 0)
		print_schema("ipsecsim-reasons");
	for (size_t i = 0; i < IPM_N_REASONS; i++) {
		const struct ipm_reason_row *r = &ipm_reasons[i];

		if (form == 0)
			print(json_pack(
			    "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s}",
			    "reason", r->name, "verdict",
			    ipm_verdict_name(r->verdict), "clause", r->clause,
			    "esp", r->esp, "ah", r->ah, "ipcomp", r->ipcomp,
			    "errno", r->err, "text", r->text));
		else
			(void)printf("%-16s %-8s  %-16s %s/%s/%s  %d\n"
				     "    %s\n",
			    r->name, ipm_verdict_name(r->verdict), r->clause,
			    r->esp, r->ah, r->ipcomp, r->err, r->text);
	}
	if (form == 0)
		print_count("reasons", IPM_N_REASONS);
	return 0;
}

int
hx_cmd_profiles(int argc, char **argv)
{
	int form = read_form(argc, argv,
	    "usage: ipsecsim profiles [--json]\n\n"
	    "The named switches and their value in each profile.\n");
	char buf[16];

	if (form > 0)
		return form - 1;
	if (form == 0)
		print_schema("ipsecsim-profiles");
	for (int s = 0; s < IPM_N_SWITCHES; s++) {
		const struct ipm_switch_row *r = &ipm_switches[s];
		json_t *by = json_object();

		if (form != 0)
			(void)printf("%s (%s)\n    %s\n   ", r->name, r->values,
			    r->text);
		for (int p = 0; p < IPM_N_PROFILES; p++) {
			const char *name =
			    ipm_profile_name((enum ipm_profile_id)p);
			const char *v = ipm_switch_value_text(
			    (enum ipm_switch)s, r->by_profile[p], buf);

			if (form == 0)
				(void)json_object_set_new(
				    by, name, json_string(v));
			else
				(void)printf(" %s=%s", name, v);
		}
		if (form == 0)
			print(json_pack("{s:s, s:s, s:s, s:o}", "switch",
			    r->name, "values", r->values, "text", r->text,
			    "profiles", by));
		else {
			(void)putchar('\n');
			json_decref(by);
		}
	}
	if (form == 0)
		print_count("switches", IPM_N_SWITCHES);
	return 0;
}

static const char *
offered(const struct ipm_provider *p, const struct ipm_alg *a)
{
	if (a->kind == IPM_ALG_COMP)
		return "zlib";
	return p->offers(p, a) ? p->name : "-";
}

static json_t *
alg_json(const struct ipm_provider *p, const struct ipm_alg *a)
{
	json_t *status = json_object();

	for (int i = 0; i < IPM_N_PROFILES; i++)
		(void)json_object_set_new(status,
		    ipm_profile_name((enum ipm_profile_id)i),
		    json_string(ipm_alg_status_name(a->status[i])));
	return json_pack("{s:s, s:s, s:s, s:s?, s:{s:i, s:i, s:i, s:i}, s:i, "
			 "s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:o, s:s}",
	    "algorithm", a->name, "family", a->family, "kind",
	    ipm_alg_kind_name(a->kind), "setkey", a->setkey, "pfkey", "freebsd",
	    a->sadb_freebsd, "linux", a->sadb_linux, "netbsd", a->sadb_netbsd,
	    "openbsd", a->sadb_openbsd, "key_min", a->key_min, "key_max",
	    a->key_max, "key_step", a->key_step, "salt", a->salt_len, "block",
	    a->block, "iv", a->iv_len, "icv", a->icv_len, "document",
	    a->document, "status", status, "provider", offered(p, a));
}

static void
alg_text(const struct ipm_provider *p, const struct ipm_alg *a)
{
	char key[24];

	(void)snprintf(key, sizeof key,
	    a->key_min == a->key_max ? "%u" : "%u-%u", a->key_min, a->key_max);
	(void)printf("%-18s %-6s %3u/%3u/%3u/%3u  %-6s %4u %5u %3u %4u  "
		     "%-10s %s\n   ",
	    a->name, ipm_alg_kind_name(a->kind), a->sadb_freebsd, a->sadb_linux,
	    a->sadb_netbsd, a->sadb_openbsd, key, a->salt_len, a->block,
	    a->iv_len, a->icv_len, offered(p, a), a->document);
	for (int i = 0; i < IPM_N_PROFILES; i++)
		(void)printf(" %s=%s", ipm_profile_name((enum ipm_profile_id)i),
		    ipm_alg_status_name(a->status[i]));
	(void)putchar('\n');
}

int
hx_cmd_crypto(int argc, char **argv)
{
	static const char usage[] =
	    "usage: ipsecsim crypto list [--json]\n\n"
	    "The algorithm table: PF_KEY numbers (freebsd/linux/netbsd/\n"
	    "openbsd), lengths in octets, document, status by profile, and\n"
	    "the provider that offers it here.\n";
	struct ipm_alloc alloc = hx_alloc();
	struct ipm_provider p;
	int form;

	if (argc < 2 ||
	    (strcmp(argv[1], "list") != 0 && strcmp(argv[1], "--help") != 0)) {
		(void)fputs("ipsecsim crypto: say crypto list\n", stderr);
		return 2;
	}
	argv[1] = strcmp(argv[1], "list") == 0 ? argv[0] : argv[1];
	form = argv[1] == argv[0] ? read_form(argc - 1, argv + 1, usage)
				  : read_form(argc, argv, usage);
	if (form > 0)
		return form - 1;
	if (ipm_libcrypto_open(&p, &alloc) != IPM_OK) {
		(void)fputs("ipsecsim: no crypto provider\n", stderr);
		return 3;
	}
	if (form == 0)
		print_schema("ipsecsim-crypto");
	else
		(void)printf("%-18s %-6s %-15s  %-6s %4s %5s %3s %4s  %-10s "
			     "%s\n",
		    "algorithm", "kind", "pfkey", "key", "salt", "block", "iv",
		    "icv", "provider", "document");
	for (size_t i = 0; i < ipm_n_algs; i++) {
		if (form == 0)
			print(alg_json(&p, &ipm_algs[i]));
		else
			alg_text(&p, &ipm_algs[i]);
	}
	if (form == 0)
		print_count("algorithms", ipm_n_algs);
	ipm_libcrypto_close(&p);
	return 0;
}
