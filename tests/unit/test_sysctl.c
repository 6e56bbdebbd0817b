/* The sysctls, held to the recording of a FreeBSD 13 kernel. */

#include <criterion/criterion.h>
#include <string.h>

#include "model/ipm_sysctl.h"
#include "pfkey/pfk_engine.h"
#include "support/vec_file.h"

struct box {
	struct ipm_profile pf;
	struct ipm_sysctls s;
	struct ipm_stats stats;
};

static void
box_init(struct box *b, enum ipm_profile_id id)
{
	ipm_profile_init(&b->pf, id);
	ipm_sysctls_init(&b->s);
	memset(&b->stats, 0, sizeof b->stats);
}

static json_t *
recording(const char *member, json_t **root)
{
	json_t *a;

	*root = vec_load("vectors/freebsd/sysctl.json");
	a = json_object_get(*root, member);
	cr_assert(json_is_array(a), "%s", member);
	return a;
}

static int64_t
get(const struct box *b, const char *name)
{
	int64_t v = INT64_MIN;

	cr_assert_eq(ipm_sysctl_get(&b->s, &b->pf, name, &v), 0, "%s", name);
	return v;
}

static int
set(struct box *b, const char *name, int64_t v)
{
	return ipm_sysctl_set(&b->s, &b->stats, &b->pf, name, v);
}

Test(sysctl, errno_numbers_are_the_key_engines)
{
	cr_assert_eq(IPM_SYSCTL_EPERM, (int)PFK_EPERM);
	cr_assert_eq(IPM_SYSCTL_ENOENT, (int)PFK_ENOENT);
	cr_assert_eq(IPM_SYSCTL_ENOMEM, (int)PFK_ENOMEM);
	cr_assert_eq(IPM_SYSCTL_EINVAL, (int)PFK_EINVAL);
}

/* [MAN-sysctl-01] The page's names; FreeBSD 13 lacks one of them. */
Test(sysctl, every_variable_of_the_page_exists_as_recorded)
{
	struct box b, manual;
	json_t *root, *rows, *v;
	size_t i, n = 0;

	box_init(&b, IPM_PF_FREEBSD_13);
	box_init(&manual, IPM_PF_MANUAL);
	rows = recording("manual_page_variables", &root);
	json_array_foreach(rows, i, v)
	{
		const char *name = vec_text(v, "name");
		bool exists = json_is_true(json_object_get(v, "exists"));

		cr_assert_eq(
		    ipm_sysctl_find(&b.pf, name) != NULL, exists, "%s", name);
		cr_assert_not_null(
		    ipm_sysctl_find(&manual.pf, name), "%s", name);
		n++;
	}
	cr_assert_eq(n, 24);
	json_decref(root);
}

static const char *
type_name(const struct ipm_sysctl_row *row)
{
	switch (row->type) {
	case IPM_SYSCTL_INT:
	case IPM_SYSCTL_POLICY:
		return "int";
	case IPM_SYSCTL_UINT:
		return "uint";
	case IPM_SYSCTL_STATS:
		break;
	}
	return "opaque";
}

/* The recorded OID as text; "" when a number of it was made up at boot. */
static void
oid_text(const json_t *oid, char *buf, size_t cap)
{
	size_t i, at = 0;
	json_t *v;

	buf[0] = '\0';
	json_array_foreach(oid, i, v)
	{
		json_int_t n = json_integer_value(v);

		if (n >= 0x7fff0000) { /* counted down from 2^31 - 1 */
			buf[0] = '\0';
			return;
		}
		at += (size_t)snprintf(buf + at, cap - at, "%s%lld",
		    i == 0 ? "" : ".", (long long)n);
	}
}

/*
 * [MAN-filtertunnel-01] [MAN-filtertunnel-02] [MAN-enable-02] [MAN-enable-03]
 * [MAN-enable-04] Defaults; names, order, types, sizes and OIDs as well.
 */
Test(sysctl, every_recorded_variable_and_no_other)
{
	struct box b;
	json_t *root, *rows, *v;
	size_t i, at = 0;

	box_init(&b, IPM_PF_FREEBSD_13);
	rows = recording("variables", &root);
	json_array_foreach(rows, i, v)
	{
		const char *name = vec_text(v, "name");
		const struct ipm_sysctl_row *row;
		uint8_t out[4096];
		char oid[64];
		size_t len;

		while (at < ipm_n_sysctl_rows &&
		    !ipm_sysctl_exists(&ipm_sysctl_rows[at], &b.pf))
			at++;
		cr_assert_lt(at, ipm_n_sysctl_rows, "%s", name);
		row = &ipm_sysctl_rows[at++];
		cr_assert_str_eq(row->name, name);
		cr_assert_eq(row, ipm_sysctl_find(&b.pf, name));
		cr_assert_str_eq(
		    type_name(row), vec_text(v, "type"), "%s", name);
		cr_assert_eq(row->writable,
		    json_is_true(json_object_get(v, "writable")), "%s", name);
		oid_text(json_object_get(v, "oid"), oid, sizeof oid);
		cr_assert_str_eq(row->oid, oid, "%s", name);
		cr_assert_eq(ipm_sysctl_read(&b.s, &b.stats, &b.pf, name, out,
				 sizeof out, &len),
		    0);
		cr_assert_eq(len,
		    (size_t)json_integer_value(json_object_get(v, "size")),
		    "%s", name);
		if (row->type != IPM_SYSCTL_STATS)
			cr_assert_eq(get(&b, name),
			    json_integer_value(json_object_get(v, "default")),
			    "%s", name);
	}
	cr_assert_eq(i, 50);
	while (at < ipm_n_sysctl_rows)
		cr_assert_not(ipm_sysctl_exists(&ipm_sysctl_rows[at++], &b.pf));
	json_decref(root);
}

/*
 * [MAN-deflev-01] [MAN-deflev-13] [MAN-defpolicy-06] [MAN-sysctl-01]
 * [MAN-policyhist-06] Every write to a fresh node: errno and what it reads.
 */
Test(sysctl, every_recorded_write)
{
	json_t *root, *rows, *w;
	size_t i, raw = 0;

	rows = recording("writes", &root);
	json_array_foreach(rows, i, w)
	{
		const char *name = vec_text(w, "name");
		json_t *number = json_object_get(w, "write");
		struct box b;
		int error;

		box_init(&b, IPM_PF_FREEBSD_13);
		if (number != NULL)
			error = set(&b, name, json_integer_value(number));
		else {
			struct hx_octets o = vec_octets(w, "write_raw");

			error = ipm_sysctl_write(
			    &b.s, &b.stats, &b.pf, name, hx_span(&o));
			hx_octets_free(&o);
			raw++;
		}
		cr_assert_eq(error,
		    json_integer_value(json_object_get(w, "errno")),
		    "write %zu of %s", i, name);
		cr_assert_eq(get(&b, name),
		    json_integer_value(json_object_get(w, "reads_back")),
		    "write %zu of %s", i, name);
	}
	cr_assert_eq(i, 299);
	cr_assert_eq(raw, 55);
	json_decref(root);
}

static void
step(struct box *b, const json_t *s, const char *id, size_t *n)
{
	const char *op = vec_text(s, "op"), *name = vec_text(s, "name");
	json_int_t value = json_integer_value(json_object_get(s, "value"));

	/* IP's own variables are the host's (ipm_host.h). */
	if (strcmp(op, "sysctl") == 0 &&
	    strncmp(name, "net.inet.ip.", 12) != 0 &&
	    strncmp(name, "net.inet6.ip6.", 14) != 0) {
		cr_assert_eq(set(b, name, value),
		    json_integer_value(json_object_get(s, "errno")), "%s: %s",
		    id, name);
		++*n;
	}
}

/* The writes of all other recordings. */
Test(sysctl, writes_within_recorded_cases)
{
	static const char *const files[] = { "sysctl-effects", "inbound",
		"outbound-misc", "outbound-sizes", "natt", "policy-selection",
		"scenarios", "socket-policy", "manual-bugs",
		"options-fragments" };
	size_t n = 0;

	for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
		char path[64];
		json_t *root, *c, *s;
		size_t i, k;

		(void)snprintf(
		    path, sizeof path, "vectors/freebsd/%s.json", files[f]);
		root = vec_load(path);
		json_array_foreach(json_object_get(root, "cases"), i, c)
		{
			struct box b;

			box_init(&b, IPM_PF_FREEBSD_13);
			json_array_foreach(json_object_get(c, "steps"), k, s)
			    step(&b, s, vec_text(c, "id"), &n);
		}
		json_decref(root);
	}
	cr_assert_gt(n, 100);
}

Test(sysctl, unknown_names_and_inner_nodes)
{
	static const struct {
		const char *name;
		int error;
	} rows[] = {
		{ "net.inet.ipsec.ah_offsetmask", 2 }, /* FreeBSD 13 */
		{ "net.inet.ipsec.test_replay", 2 },
		{ "net.inet.ipsec.nothing", 2 },
		{ "net.inet.ipsec.ec", 2 },
		{ "net.inet.ipsec.ecnn", 2 },
		{ "", 2 },
		{ ".", 2 },
		{ "net.", 2 },
		{ "net", 21 },
		{ "net.key", 21 },
		{ "net.inet.ipsec", 21 },
		{ "net.enc.in", 21 },
	};
	struct box b;
	int64_t v;
	uint8_t out[4];
	size_t len = 7;

	box_init(&b, IPM_PF_FREEBSD_13);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_eq(set(&b, rows[i].name, 1), rows[i].error, "%s",
		    rows[i].name);
		cr_assert_eq(ipm_sysctl_get(&b.s, &b.pf, rows[i].name, &v),
		    rows[i].error, "%s", rows[i].name);
		cr_assert_eq(ipm_sysctl_read(&b.s, &b.stats, &b.pf,
				 rows[i].name, out, sizeof out, &len),
		    rows[i].error, "%s", rows[i].name);
		cr_assert_eq(len, 0);
	}
}

Test(sysctl, numbers_beyond_their_type)
{
	struct box b;

	box_init(&b, IPM_PF_FREEBSD_13);
	cr_assert_eq(set(&b, "net.key.debug", INT32_MAX), 0);
	cr_assert_eq(set(&b, "net.key.debug", INT32_MIN), 0);
	cr_assert_eq(get(&b, "net.key.debug"), INT32_MIN);
	cr_assert_eq(set(&b, "net.key.debug", (int64_t)INT32_MAX + 1), 22);
	cr_assert_eq(set(&b, "net.key.debug", (int64_t)INT32_MIN - 1), 22);
	cr_assert_eq(set(&b, "net.key.debug", INT64_MAX), 22);
	cr_assert_eq(get(&b, "net.key.debug"), INT32_MIN);
	/* Read-only comes before the value. */
	cr_assert_eq(set(&b, "net.key.spdcache.threshold", INT64_MAX), 1);
	b.s.v[IPM_SV_SPDCACHE_THRESHOLD] = -1;
	cr_assert_eq(get(&b, "net.key.spdcache.threshold"), UINT32_MAX);
}

Test(sysctl, read_is_little_endian_and_bounded)
{
	struct box b;
	uint8_t out[5];
	size_t len;

	box_init(&b, IPM_PF_FREEBSD_13);
	cr_assert_eq(set(&b, "net.inet.ipsec.dfbit", -2), 0);
	for (size_t cap = 0; cap <= sizeof out; cap++) {
		static const uint8_t le[4] = { 0xfe, 0xff, 0xff, 0xff };
		size_t n = cap < 4 ? cap : 4;

		memset(out, 0x11, sizeof out);
		cr_assert_eq(ipm_sysctl_read(&b.s, &b.stats, &b.pf,
				 "net.inet.ipsec.dfbit", out, cap, &len),
		    cap < 4 ? 12 : 0, "cap %zu", cap);
		cr_assert_eq(len, 4);
		cr_assert_arr_eq(out, le, n);
		for (size_t i = n; i < sizeof out; i++)
			cr_assert_eq(out[i], 0x11);
	}
}

/* Lengths 0 to 8 of a value; the first four octets count. */
Test(sysctl, write_of_every_length)
{
	static const uint8_t le[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	for (size_t n = 0; n <= sizeof le; n++) {
		struct box b;

		box_init(&b, IPM_PF_FREEBSD_13);
		cr_assert_eq(ipm_sysctl_write(&b.s, &b.stats, &b.pf,
				 "net.key.debug", ipm_span(le, n)),
		    n < 4 ? 22 : 0, "%zu", n);
		cr_assert_eq(get(&b, "net.key.debug"), n < 4 ? 0 : 0x04030201);
	}
}

/*
 * [MAN-defpolicy-02] [MAN-defpolicy-04] [MAN-debug-02] Recorded: one variable
 * under two names.  The page: one per family.
 */
Test(sysctl, names_of_two_families)
{
	static const char *const v4[] = { "net.inet.ipsec.def_policy",
		"net.inet.ipsec.debug" };
	static const char *const v6[] = { "net.inet6.ipsec6.def_policy",
		"net.inet6.ipsec6.debug" };
	static const struct {
		enum ipm_profile_id id;
		bool shared;
	} rows[] = { { IPM_PF_FREEBSD_13, true }, { IPM_PF_FREEBSD_2017, true },
		{ IPM_PF_MANUAL, false } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t k = 0; k < 2; k++) {
			struct box b;
			int64_t was, other;

			box_init(&b, rows[i].id);
			was = get(&b, v4[k]);
			other = 1 - was;
			cr_assert_eq(set(&b, v6[k], other), 0);
			cr_assert_eq(get(&b, v6[k]), other);
			cr_assert_eq(
			    get(&b, v4[k]), rows[i].shared ? other : was);
			cr_assert_eq(set(&b, v6[k], was), 0);
			cr_assert_eq(set(&b, v4[k], other), 0);
			cr_assert_eq(
			    get(&b, v6[k]), rows[i].shared ? other : was);
		}
}

Test(sysctl, cleartos_has_two_names_everywhere)
{
	for (int p = 0; p < IPM_N_PROFILES; p++) {
		struct box b;

		box_init(&b, (enum ipm_profile_id)p);
		cr_assert_eq(set(&b, "net.inet.ah.ah_cleartos", 0), 0);
		cr_assert_eq(get(&b, "net.inet.ipsec.ah_cleartos"), 0);
		cr_assert_eq(set(&b, "net.inet.ipsec.ah_cleartos", 5), 0);
		cr_assert_eq(get(&b, "net.inet.ah.ah_cleartos"), 5);
	}
}

/* [MAN-tree6-01] Every other pair of names is two variables. */
Test(sysctl, a_write_changes_its_own_variable_alone)
{
	struct box b, fresh;

	box_init(&fresh, IPM_PF_MANUAL);
	cr_assert(ipm_profile_set(&fresh.pf, "sysctl-later", "on"));
	cr_assert(ipm_profile_set(&fresh.pf, "sysctl-regression", "on"));
	for (size_t i = 0; i < ipm_n_sysctl_rows; i++) {
		const struct ipm_sysctl_row *row = &ipm_sysctl_rows[i];
		size_t changed = 0;

		if (row->type == IPM_SYSCTL_STATS || !row->writable)
			continue;
		b = fresh;
		cr_assert_eq(set(&b, row->name, !fresh.s.v[row->var]), 0, "%s",
		    row->name);
		for (size_t k = 0; k < IPM_N_SYSVARS; k++)
			changed += b.s.v[k] != fresh.s.v[k];
		cr_assert_eq(changed, 1, "%s", row->name);
	}
}

/* Each sysctl variable has a name; rows say what the catalogue wants. */
Test(sysctl, the_table_is_whole)
{
	bool named[IPM_N_SYSVARS] = { false };

	for (size_t i = 0; i < ipm_n_sysctl_rows; i++) {
		const struct ipm_sysctl_row *row = &ipm_sysctl_rows[i];

		if (row->type != IPM_SYSCTL_STATS)
			named[row->var] = true;
		cr_assert_neq(row->effect[0], '\0', "%s", row->name);
		cr_assert_neq(row->effect[strlen(row->effect) - 1], '.');
		cr_assert(strncmp(row->clause, "MAN-", 4) == 0 ||
			strcmp(row->clause, "-") == 0,
		    "%s", row->name);
		for (size_t k = 0; k < i; k++)
			cr_assert_str_neq(row->name, ipm_sysctl_rows[k].name);
	}
	for (size_t v = 0; v < IPM_N_SYSVARS; v++)
		cr_assert(named[v], "variable %zu has no name", v);
}

Test(sysctl, names_by_profile)
{
	static const struct {
		const char *name;
		bool manual, f2017, f13;
	} rows[] = {
		{ "net.inet.ipsec.ah_offsetmask", true, true, false },
		{ "net.inet.ipsec.async_crypto", false, false, true },
		{ "net.inet.esp.ctr_compatibility", false, false, true },
		{ "net.key.spdcache.maxentries", false, false, true },
		{ "net.inet.ipsec.test_replay", false, false, false },
		{ "net.inet.ipsec.test_integrity", false, false, false },
		{ "net.inet.ipsec.ecn", true, true, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box m, a, c;

		box_init(&m, IPM_PF_MANUAL);
		box_init(&a, IPM_PF_FREEBSD_2017);
		box_init(&c, IPM_PF_FREEBSD_13);
		cr_assert_eq(ipm_sysctl_find(&m.pf, rows[i].name) != NULL,
		    rows[i].manual, "%s", rows[i].name);
		cr_assert_eq(ipm_sysctl_find(&a.pf, rows[i].name) != NULL,
		    rows[i].f2017, "%s", rows[i].name);
		cr_assert_eq(ipm_sysctl_find(&c.pf, rows[i].name) != NULL,
		    rows[i].f13, "%s", rows[i].name);
	}
}

/* Sizes are recorded; the order of fields is ipsec.h's, esp_var.h's, ... */
Test(sysctl, statistics_are_read_and_zeroed)
{
	static const struct {
		const char *node, *field;
		size_t place; /* of the field in the structure */
	} rows[] = {
		{ "net.inet.ipsec.ipsecstats", "ips_in_polvio", 0 },
		{ "net.inet.ipsec.ipsecstats", "ips_input_end", 15 },
		{ "net.inet6.ipsec6.ipsecstats", "ips_out_bundlesa", 8 },
		{ "net.inet.esp.stats", "esps_notdb", 2 },
		{ "net.inet.esp.stats", "esps_hist[0]", 20 },
		{ "net.inet.esp.stats", "esps_hist[255]", 275 },
		{ "net.inet.ah.stats", "ahs_badauthl", 9 },
		{ "net.inet.ah.stats", "ahs_hist[15]", 34 },
		{ "net.inet.ipcomp.stats", "ipcomps_hist[2]", 17 },
		{ "net.inet.ipcomp.stats", "ipcomps_threshold", 23 },
		{ "net.inet.ipcomp.stats", "ipcomps_uncompr", 24 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum ipm_stat_group g = ipm_stat_group_of_node(rows[i].node);
		struct ipm_stat_cell c;
		uint8_t out[2208], want[2208] = { 0 };
		size_t len;
		struct box b;

		box_init(&b, IPM_PF_FREEBSD_13);
		cr_assert(
		    ipm_stat_find(g, rows[i].field, &c), "%s", rows[i].field);
		ipm_stats_add(&b.stats, &c, 0x0807060504030201U);
		cr_assert_eq(ipm_sysctl_read(&b.s, &b.stats, &b.pf,
				 rows[i].node, out, sizeof out, &len),
		    0);
		for (size_t k = 0; k < 8; k++)
			want[8 * rows[i].place + k] = (uint8_t)(k + 1);
		cr_assert_arr_eq(out, want, len, "%s", rows[i].field);
		/* A short buffer takes what fits. */
		memset(out, 0x11, sizeof out);
		cr_assert_eq(ipm_sysctl_read(&b.s, &b.stats, &b.pf,
				 rows[i].node, out, len - 1, &len),
		    12);
		cr_assert_arr_eq(out, want, len - 1);
		cr_assert_eq(out[len - 1], 0x11);
		/* Any write zeroes its own structure, even of no octets. */
		b.stats.v[IPM_ST_PFKEY_out_total] = 3;
		cr_assert_eq(ipm_sysctl_write(&b.s, &b.stats, &b.pf,
				 rows[i].node, ipm_span(NULL, 0)),
		    0);
		cr_assert_eq(ipm_stats_get(&b.stats, &c), 0);
		cr_assert_eq(b.stats.v[IPM_ST_PFKEY_out_total], 3);
		ipm_stats_add(&b.stats, &c, 1);
		cr_assert_eq(set(&b, rows[i].node, INT64_MAX), 0);
		cr_assert_eq(ipm_stats_get(&b.stats, &c), 0);
	}
}

Test(sysctl, statistics_are_no_number)
{
	struct box b;
	int64_t v = 9;

	box_init(&b, IPM_PF_FREEBSD_13);
	cr_assert_eq(ipm_sysctl_get(&b.s, &b.pf, "net.inet.esp.stats", &v), 22);
	cr_assert_eq(v, 9);
}
