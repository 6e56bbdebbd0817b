/* The counters: names, order, what a reason counts. */

#include <criterion/criterion.h>
#include <string.h>

#include "model/ipm_stat.h"
#include "support/vec_file.h"

/* Every counter that a recording shows has a cell of that name. */
Test(stat, every_recorded_counter_has_a_cell)
{
	static const char *const files[] = { "inbound", "outbound-algorithms",
		"outbound-misc", "outbound-sizes", "sysctl-effects", "natt",
		"policy-selection", "scenarios", "socket-policy", "manual-bugs",
		"options-fragments" };
	size_t n = 0;

	for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
		char path[64];
		json_t *root, *c, *s, *fields, *v;
		const char *node, *name;
		size_t i, k;

		(void)snprintf(
		    path, sizeof path, "vectors/freebsd/%s.json", files[f]);
		root = vec_load(path);
		json_array_foreach(json_object_get(root, "cases"), i, c)
		    json_array_foreach(json_object_get(c, "steps"), k, s)
			json_object_foreach(
			    json_object_get(s, "counters_delta"), node, fields)
			    json_object_foreach(fields, name, v)
		{
			enum ipm_stat_group g = ipm_stat_group_of_node(node);
			struct ipm_stat_cell cell;

			cr_assert_neq(g, IPM_N_STAT_GROUPS, "%s", node);
			cr_assert(ipm_stat_find(g, name, &cell), "%s", name);
			n++;
		}
		json_decref(root);
	}
	cr_assert_gt(n, 10000);
}

Test(stat, cells_are_the_whole_struct_once)
{
	static struct ipm_stats s;
	struct ipm_stat_cell c = { NULL, 0 };
	const uint64_t *v = (const uint64_t *)&s;
	size_t n = 0;

	while (ipm_stat_next(&c)) {
		cr_assert_eq(ipm_stats_get(&s, &c), 0);
		ipm_stats_add(&s, &c, ++n);
		cr_assert_eq(ipm_stats_get(&s, &c), n);
	}
	cr_assert_eq(n, sizeof s / sizeof *v);
	for (size_t i = 0; i < n; i++)
		cr_assert_neq(v[i], 0, "place %zu", i);
}

Test(stat, names_find_their_cells)
{
	struct ipm_stat_cell c = { NULL, 0 }, found;
	char buf[IPM_STAT_NAME_MAX];
	enum ipm_stat_group last = IPM_SG_IPS4;

	while (ipm_stat_next(&c)) {
		cr_assert(ipm_stat_find(
		    c.row->group, ipm_stat_name(&c, buf), &found));
		cr_assert_eq(found.row, c.row);
		cr_assert_eq(found.place, c.place);
		cr_assert_geq(c.row->group, last); /* group by group */
		last = c.row->group;
	}
	cr_assert_not(ipm_stat_find(IPM_SG_ESP, "esps_hist[256]", &found));
	cr_assert_not(ipm_stat_find(IPM_SG_ESP, "esps_hist", &found));
	cr_assert_not(ipm_stat_find(IPM_SG_ESP, "ahs_notdb", &found));
	cr_assert_eq(ipm_stat_group_of_node(""), IPM_N_STAT_GROUPS);
	cr_assert_eq(ipm_stat_group_of_node("x"), IPM_N_STAT_GROUPS);
}

Test(stat, cells_have_the_enums_names)
{
	static const struct {
		enum ipm_stat stat;
		enum ipm_stat_group group;
		const char *name;
	} rows[] = {
		{ IPM_ST_IPS4_out_nosa, IPM_SG_IPS4, "ips_out_nosa" },
		{ IPM_ST_IPS6_out_nosa, IPM_SG_IPS6, "ips_out_nosa" },
		{ IPM_ST_ESP_badauth, IPM_SG_ESP, "esps_badauth" },
		{ IPM_ST_AH_badauthl, IPM_SG_AH, "ahs_badauthl" },
		{ IPM_ST_IPCOMP_uncompr, IPM_SG_IPCOMP, "ipcomps_uncompr" },
		{ IPM_ST_PFKEY_in_target_all, IPM_SG_PFKEY, "in_msgtarget[1]" },
		{ IPM_ST_IP_total, IPM_SG_IP, "ips_total" },
		{ IPM_ST_IP6_toomanyhdr, IPM_SG_IP6, "ip6s_toomanyhdr" },
		{ IPM_ST_UDP_badsum, IPM_SG_UDP, "udps_badsum" },
		{ IPM_ST_TCP_sig_err_sigopt, IPM_SG_TCP,
		    "tcps_sig_err_sigopt" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_stats s = { { 0 }, { 0 }, { 0 }, { 0 }, 0, { 0 },
			{ 0 } };
		struct ipm_stat_cell c;

		s.v[rows[i].stat] = 7;
		cr_assert(ipm_stat_find(rows[i].group, rows[i].name, &c));
		cr_assert_eq(ipm_stats_get(&s, &c), 7, "%s", rows[i].name);
	}
}

static size_t
words(const char *text)
{
	size_t n = strcmp(text, "-") != 0;

	for (; *text != '\0'; text++)
		n += *text == ' ';
	return n;
}

static uint64_t
total(const struct ipm_stats *s)
{
	struct ipm_stat_cell c = { NULL, 0 };
	uint64_t n = 0;

	while (ipm_stat_next(&c))
		n += ipm_stats_get(s, &c);
	return n;
}

/* Every word of the reasons' counter columns is a counter. */
Test(stat, reasons_count_what_their_rows_say)
{
	for (size_t r = 0; r < IPM_N_REASONS; r++) {
		static const unsigned protos[] = { 50, 51, 108, 17 };
		const char *columns[] = { ipm_reasons[r].esp, ipm_reasons[r].ah,
			ipm_reasons[r].ipcomp, "-" };

		for (size_t p = 0; p < 4; p++) {
			struct ipm_stats s;
			size_t n = words(columns[p]);

			memset(&s, 0, sizeof s);
			cr_assert_eq(
			    ipm_stats_reason(&s, (enum ipm_reason)r, protos[p]),
			    n, "%s %u", ipm_reasons[r].name, protos[p]);
			cr_assert_eq(total(&s), n);
		}
	}
}

Test(stat, reasons_count_in_their_own_protocol)
{
	struct ipm_stats s;

	memset(&s, 0, sizeof s);
	cr_assert_eq(ipm_stats_reason(&s, IPM_R_NO_SA, 50), 1);
	cr_assert_eq(ipm_stats_reason(&s, IPM_R_NO_SA, 51), 1);
	cr_assert_eq(ipm_stats_reason(&s, IPM_R_NO_SA, 51), 1);
	cr_assert_eq(ipm_stats_reason(&s, IPM_R_ICV_BAD, 108), 0);
	cr_assert_eq(s.v[IPM_ST_ESP_notdb], 1);
	cr_assert_eq(s.v[IPM_ST_AH_notdb], 2);
	cr_assert_eq(total(&s), 3);
}

Test(stat, sum_zero_and_digest)
{
	static struct ipm_stats a, b, zero;
	struct ipm_stat_cell c = { NULL, 0 };
	uint64_t h0 = ipm_stats_digest(&zero, 1), n = 0;

	cr_assert_neq(h0, ipm_stats_digest(&zero, 2));
	while (ipm_stat_next(&c)) {
		struct ipm_stats one = zero;

		ipm_stats_add(&one, &c, 1);
		cr_assert_neq(ipm_stats_digest(&one, 1), h0);
		ipm_stats_add(&a, &c, ++n);
		ipm_stats_add(&b, &c, 2 * n);
	}
	ipm_stats_sum(&a, &b);
	n = 0;
	c = (struct ipm_stat_cell){ NULL, 0 };
	while (ipm_stat_next(&c))
		cr_assert_eq(ipm_stats_get(&a, &c), 3 * ++n);
	for (int g = 0; g < IPM_N_STAT_GROUPS; g++) {
		b = a;
		ipm_stats_zero(&b, (enum ipm_stat_group)g);
		c = (struct ipm_stat_cell){ NULL, 0 };
		while (ipm_stat_next(&c))
			cr_assert_eq(
			    ipm_stats_get(&b, &c) == 0, (int)c.row->group == g);
	}
}

/* FNV-1a of 8 zero octets from the usual basis, by hand in the test. */
Test(stat, digest_is_fnv_1a_over_big_endian_octets)
{
	static struct ipm_stats s;
	uint64_t h = 0xcbf29ce484222325U;
	size_t n = sizeof s / sizeof(uint64_t);

	s.v[0] = 0x0102030405060708U;
	for (size_t i = 0; i < 8 * n; i++)
		h = (h ^ (i < 8 ? i + 1 : 0)) * 0x100000001b3U;
	cr_assert_eq(ipm_stats_digest(&s, 0xcbf29ce484222325U), h);
}

/*
 * Recorded: NULL authentication (251) counts esps_hist[182] in FreeBSD 13
 * (esp-tunnel-4in4-null-null, ah-tunnel-4in4-null and others).
 */
Test(stat, uses_of_algorithms)
{
	static const struct {
		enum ipm_profile_id id;
		enum ipm_stat_group group;
		unsigned number;
		enum ipm_stat_group where;
		const char *name; /* NULL: nowhere */
	} rows[] = {
		{ IPM_PF_FREEBSD_13, IPM_SG_ESP, 12, IPM_SG_ESP,
		    "esps_hist[12]" },
		{ IPM_PF_FREEBSD_13, IPM_SG_ESP, 255, IPM_SG_ESP,
		    "esps_hist[255]" },
		{ IPM_PF_FREEBSD_13, IPM_SG_ESP, 256, IPM_SG_ESP, NULL },
		{ IPM_PF_FREEBSD_13, IPM_SG_AH, 3, IPM_SG_AH, "ahs_hist[3]" },
		{ IPM_PF_FREEBSD_13, IPM_SG_AH, 15, IPM_SG_AH, "ahs_hist[15]" },
		{ IPM_PF_FREEBSD_13, IPM_SG_AH, 251, IPM_SG_ESP,
		    "esps_hist[182]" },
		{ IPM_PF_FREEBSD_13, IPM_SG_AH, 16, IPM_SG_AH,
		    "ahs_hist_other" },
		{ IPM_PF_FREEBSD_2017, IPM_SG_AH, 251, IPM_SG_AH,
		    "ahs_hist_other" },
		{ IPM_PF_MANUAL, IPM_SG_AH, 249, IPM_SG_AH, "ahs_hist_other" },
		{ IPM_PF_MANUAL, IPM_SG_IPCOMP, 2, IPM_SG_IPCOMP,
		    "ipcomps_hist[2]" },
		{ IPM_PF_MANUAL, IPM_SG_IPCOMP, 8, IPM_SG_IPCOMP, NULL },
		{ IPM_PF_MANUAL, IPM_SG_UDP, 1, IPM_SG_UDP, NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_stats s;
		struct ipm_profile pf;
		struct ipm_stat_cell c;

		memset(&s, 0, sizeof s);
		ipm_profile_init(&pf, rows[i].id);
		ipm_stats_use(&s, &pf, rows[i].group, rows[i].number);
		cr_assert_eq(total(&s), rows[i].name != NULL, "row %zu", i);
		if (rows[i].name == NULL)
			continue;
		cr_assert(ipm_stat_find(rows[i].where, rows[i].name, &c));
		cr_assert_eq(ipm_stats_get(&s, &c), 1, "row %zu", i);
	}
}
