#include "hx_stats.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* --- netstat's form -------------------------------------------------------------- */

struct number_name {
	unsigned number;
	const char *name;
};

/* PF_KEY numbers with the words of netstat, which are setkey's of old. */
static const struct number_name auth_names[] = { { 0, "none" },
	{ 2, "hmac-md5" }, { 3, "hmac-sha1" }, { 5, "hmac-sha2-256" },
	{ 6, "hmac-sha2-384" }, { 7, "hmac-sha2-512" }, { 8, "hmac-ripemd160" },
	{ 9, "aes-xcbc-mac" }, { 11, "aes-gmac-128" }, { 12, "aes-gmac-192" },
	{ 13, "aes-gmac-256" }, { 0, NULL } };
static const struct number_name cipher_names[] = { { 0, "none" },
	{ 2, "des-cbc" }, { 3, "3des-cbc" }, { 6, "cast128-cbc" },
	{ 7, "blowfish-cbc" }, { 11, "null" }, { 12, "rijndael-cbc" },
	{ 13, "aes-ctr" }, { 20, "aes-gcm-16" }, { 22, "camellia-cbc" },
	{ 23, "aes-gmac" }, { 0, NULL } };
static const struct number_name comp_names[] = { { 0, "none" }, { 1, "oui" },
	{ 2, "deflate" }, { 3, "lzs" }, { 0, NULL } };
static const struct number_name message_names[] = { { 0, "reserved" },
	{ 1, "getspi" }, { 2, "update" }, { 3, "add" }, { 4, "delete" },
	{ 5, "get" }, { 6, "acquire" }, { 7, "register" }, { 8, "expire" },
	{ 9, "flush" }, { 10, "dump" }, { 11, "x_promisc" },
	{ 12, "x_pchange" }, { 13, "x_spdupdate" }, { 14, "x_spdadd" },
	{ 15, "x_spddelete" }, { 16, "x_spdget" }, { 17, "x_spdacquire" },
	{ 18, "x_spddump" }, { 19, "x_spdflush" }, { 20, "x_spdsetidx" },
	{ 21, "x_spdexpire" }, { 22, "x_spddelete2" }, { 0, NULL } };

static const struct {
	enum ipm_stat_group group;
	const char *title;
	const struct number_name *names;
} histograms[] = {
	{ IPM_SG_ESP, "ESP output histogram", cipher_names },
	{ IPM_SG_AH, "AH output histogram", auth_names },
	{ IPM_SG_IPCOMP, "COMP output histogram", comp_names },
	{ IPM_SG_PFKEY, "histogram by message type", message_names },
};

/* netstat's order where it is not the structure's. */
static const char *const ah_order[] = { "ahs_hdrops", "ahs_nopf", "ahs_notdb",
	"ahs_badkcr", "ahs_qfull", "ahs_noxform", "ahs_wrap", "ahs_badauth",
	"ahs_badauthl", "ahs_replay", "ahs_input", "ahs_output", "ahs_invalid",
	"ahs_ibytes", "ahs_obytes", "ahs_toobig", "ahs_pdrops", "ahs_crypto",
	"ahs_tunnel" };
#define N_AH (sizeof ah_order / sizeof ah_order[0])

/* %s: an s unless there is one of them; %e: es. */
static void
print_words(const char *words, uint64_t n, FILE *out)
{
	for (; *words != '\0'; words++) {
		if (words[0] != '%') {
			(void)fputc(*words, out);
			continue;
		}
		words++;
		if (n != 1)
			(void)fputs(*words == 'e' ? "es" : "s", out);
	}
}

static void
print_counter(
    const struct ipm_stats *s, const struct ipm_stat_row *row, FILE *out)
{
	const struct ipm_stat_cell c = { row, 0 };
	uint64_t n = ipm_stats_get(s, &c);

	if (row->netstat[0] == '\0' && row->group < IPM_SG_IP)
		return; /* netstat has no line */
	(void)fprintf(out, "\t%" PRIu64 " ", n);
	if (row->netstat[0] == '\0')
		(void)fputs(row->name, out);
	else
		print_words(row->netstat, n, out);
	(void)fputc('\n', out);
}

static void
print_histogram(
    const struct ipm_stats *s, const struct ipm_stat_row *row, FILE *out)
{
	size_t h = 0;
	bool titled = false;

	while (histograms[h].group != row->group)
		h++;
	for (size_t i = 0; i < row->places; i++) {
		const struct ipm_stat_cell c = { row, i };
		const struct number_name *name = histograms[h].names;
		uint64_t n = ipm_stats_get(s, &c);

		if (n == 0)
			continue;
		if (!titled)
			(void)fprintf(out, "\t%s:\n", histograms[h].title);
		titled = true;
		while (name->name != NULL && name->number != i)
			name++;
		if (name->name != NULL)
			(void)fprintf(
			    out, "\t\t%s: %" PRIu64 "\n", name->name, n);
		else
			(void)fprintf(out, "\t\t#%zu: %" PRIu64 "\n", i, n);
	}
}

static void
print_ah(const struct ipm_stats *s, FILE *out)
{
	struct ipm_stat_cell c;

	for (size_t i = 0; i < N_AH; i++)
		if (ipm_stat_find(IPM_SG_AH, ah_order[i], &c))
			print_counter(s, c.row, out);
	if (ipm_stat_find(IPM_SG_AH, "ahs_hist[0]", &c))
		print_histogram(s, c.row, out);
}

void
hx_stats_print(const struct ipm_stats *s, enum ipm_stat_group proto, FILE *out)
{
	(void)fprintf(out, "%s:\n", ipm_stat_groups[proto].netstat);
	if (proto == IPM_SG_AH) {
		print_ah(s, out);
		return;
	}
	for (size_t i = 0; i < ipm_n_stat_rows; i++) {
		const struct ipm_stat_row *row = &ipm_stat_rows[i];

		if (row->group != proto)
			continue;
		if (row->places != 0)
			print_histogram(s, row, out);
		else
			print_counter(s, row, out);
	}
}

enum ipm_stat_group
hx_stats_group(const char *netstat)
{
	for (size_t g = 0; g < IPM_N_STAT_GROUPS; g++)
		if (strcmp(ipm_stat_groups[g].netstat, netstat) == 0)
			return (enum ipm_stat_group)g;
	return IPM_N_STAT_GROUPS;
}

/* --- the command: what each counter means ----------------------------------------- */

static const char usage[] =
    "usage: ipsecsim stats [--json] [-p PROTOCOL]\n\n"
    "Every counter: the kernel's name, netstat's words, when it counts.\n"
    "PROTOCOL is netstat's: ipsec, ipsec6, esp, ah, ipcomp, pfkey, ip, ip6,\n"
    "udp, icmp, icmp6, tcp.\n";

static void
print_json(json_t *obj)
{
	(void)json_dumpf(obj, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(obj);
}

static void
row_json(const struct ipm_stat_row *row)
{
	const struct ipm_stat_group_row *g = &ipm_stat_groups[row->group];
	char words[128];
	FILE *f = fmemopen(words, sizeof words, "w");

	words[0] = '\0';
	if (f != NULL) {
		print_words(row->netstat, 0, f);
		(void)fclose(f);
	}
	print_json(json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "counter",
	    row->name, "protocol", g->netstat, "sysctl", g->node, "places",
	    row->places == 0 ? 1 : (int)row->places, "netstat", words, "counts",
	    row->counts));
}

static void
row_text(const struct ipm_stat_row *row)
{
	char name[IPM_STAT_NAME_MAX + 8];

	if (row->places == 0)
		(void)snprintf(name, sizeof name, "%s", row->name);
	else
		(void)snprintf(
		    name, sizeof name, "%s[%zu]", row->name, row->places);
	(void)printf("    %-22s ", name);
	print_words(row->netstat[0] == '\0' ? "-" : row->netstat, 0, stdout);
	(void)printf("\n        %s\n", row->counts);
}

static int
bad(const char *what, const char *arg)
{
	(void)fprintf(stderr, "ipsecsim stats: %s %s\n", what, arg);
	return 2;
}

int
hx_cmd_stats(int argc, char **argv)
{
	enum ipm_stat_group only = IPM_N_STAT_GROUPS, last = IPM_N_STAT_GROUPS;
	bool json = false;
	size_t n = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "-p") != 0)
			return bad("unknown argument", argv[i]);
		else if (++i == argc)
			return bad("an argument is missing after", "-p");
		else if ((only = hx_stats_group(argv[i])) == IPM_N_STAT_GROUPS)
			return bad("unknown protocol", argv[i]);
	}
	if (json)
		print_json(json_pack(
		    "{s:s, s:i}", "schema", "ipsecsim-stats", "version", 1));
	for (size_t i = 0; i < ipm_n_stat_rows; i++) {
		const struct ipm_stat_row *row = &ipm_stat_rows[i];

		if (only != IPM_N_STAT_GROUPS && row->group != only)
			continue;
		n++;
		if (json) {
			row_json(row);
			continue;
		}
		if (row->group != last)
			(void)printf("%s  %s\n",
			    ipm_stat_groups[row->group].netstat,
			    ipm_stat_groups[row->group].node);
		last = row->group;
		row_text(row);
	}
	if (json)
		print_json(json_pack(
		    "{s:{s:I}}", "summary", "counters", (json_int_t)n));
	return 0;
}
