#include "ipm_stat.h"

#include <assert.h>
#include <string.h>

#include "wire/ipm_ip.h"

const struct ipm_stat_group_row ipm_stat_groups[IPM_N_STAT_GROUPS] = {
#define IPM_STAT_GROUP(group, netstat, node) \
	[IPM_SG_##group] = { netstat, node },
#define IPM_STAT(...)
#define IPM_STAT_HIST(...)
#include "ipm_stat.def"
#undef IPM_STAT_GROUP
#undef IPM_STAT
#undef IPM_STAT_HIST
};

const struct ipm_stat_row ipm_stat_rows[] = {
#define IPM_STAT_GROUP(...)
#define IPM_STAT(group, field, name, netstat, counts)            \
	{ IPM_SG_##group, name, netstat, counts,                 \
		offsetof(struct ipm_stats, v) +                  \
		    sizeof(uint64_t) * IPM_ST_##group##_##field, \
		0, true },
#define IPM_STAT_HIST(group, member, name, n, in_struct, counts)       \
	{ IPM_SG_##group, name, "", counts,                            \
		offsetof(struct ipm_stats, member), (n) > 1 ? (n) : 0, \
		(in_struct) != 0 },
#include "ipm_stat.def"
#undef IPM_STAT_GROUP
#undef IPM_STAT
#undef IPM_STAT_HIST
};
const size_t ipm_n_stat_rows = sizeof ipm_stat_rows / sizeof ipm_stat_rows[0];

bool
ipm_stat_next(struct ipm_stat_cell *c)
{
	if (c->row == NULL) {
		*c = (struct ipm_stat_cell){ ipm_stat_rows, 0 };
		return true;
	}
	if (c->place + 1 < c->row->places) {
		c->place++;
		return true;
	}
	c->row++;
	c->place = 0;
	return c->row < ipm_stat_rows + ipm_n_stat_rows;
}

const char *
ipm_stat_name(const struct ipm_stat_cell *c, char buf[IPM_STAT_NAME_MAX])
{
	size_t n = strlen(c->row->name), unit = 1;

	assert(n + sizeof "[999]" <= IPM_STAT_NAME_MAX);
	memcpy(buf, c->row->name, n);
	if (c->row->places != 0) {
		buf[n++] = '[';
		while (c->place / unit >= 10)
			unit *= 10;
		for (; unit != 0; unit /= 10)
			buf[n++] = (char)('0' + c->place / unit % 10);
		buf[n++] = ']';
	}
	buf[n] = '\0';
	return buf;
}

bool
ipm_stat_find(
    enum ipm_stat_group group, const char *name, struct ipm_stat_cell *c)
{
	char buf[IPM_STAT_NAME_MAX];

	*c = (struct ipm_stat_cell){ NULL, 0 };
	while (ipm_stat_next(c))
		if (c->row->group == group &&
		    strcmp(ipm_stat_name(c, buf), name) == 0)
			return true;
	return false;
}

enum ipm_stat_group
ipm_stat_group_of_node(const char *node)
{
	for (size_t g = 0; g < IPM_N_STAT_GROUPS; g++)
		if (ipm_stat_groups[g].node[0] != '\0' &&
		    strcmp(ipm_stat_groups[g].node, node) == 0)
			return (enum ipm_stat_group)g;
	return IPM_N_STAT_GROUPS;
}

static size_t
offset_of(const struct ipm_stat_cell *c)
{
	return c->row->offset + c->place * sizeof(uint64_t);
}

uint64_t
ipm_stats_get(const struct ipm_stats *s, const struct ipm_stat_cell *c)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)s + offset_of(c), sizeof v);
	return v;
}

static void
set(struct ipm_stats *s, const struct ipm_stat_cell *c, uint64_t v)
{
	memcpy((uint8_t *)s + offset_of(c), &v, sizeof v);
}

void
ipm_stats_add(struct ipm_stats *s, const struct ipm_stat_cell *c, uint64_t n)
{
	set(s, c, ipm_stats_get(s, c) + n);
}

void
ipm_stats_sum(struct ipm_stats *dst, const struct ipm_stats *src)
{
	struct ipm_stat_cell c = { NULL, 0 };

	while (ipm_stat_next(&c))
		ipm_stats_add(dst, &c, ipm_stats_get(src, &c));
}

void
ipm_stats_zero(struct ipm_stats *s, enum ipm_stat_group group)
{
	struct ipm_stat_cell c = { NULL, 0 };

	while (ipm_stat_next(&c))
		if (c.row->group == group)
			set(s, &c, 0);
}

uint64_t
ipm_stats_digest(const struct ipm_stats *s, uint64_t h)
{
	struct ipm_stat_cell c = { NULL, 0 };
	uint8_t be[8];

	while (ipm_stat_next(&c)) {
		ipm_store64(be, ipm_stats_get(s, &c));
		for (size_t i = 0; i < sizeof be; i++)
			h = (h ^ be[i]) * 0x100000001b3U;
	}
	return h;
}

size_t
ipm_stats_octets(const struct ipm_stats *s, enum ipm_stat_group group,
    uint8_t *out, size_t cap)
{
	struct ipm_stat_cell c = { NULL, 0 };
	size_t len = 0;

	while (ipm_stat_next(&c)) {
		uint64_t v;

		if (c.row->group != group || !c.row->in_struct)
			continue;
		v = ipm_stats_get(s, &c);
		for (size_t i = 0; i < sizeof v; i++, len++)
			if (len < cap)
				out[len] = (uint8_t)(v >> 8 * i);
	}
	return len;
}

/* Is the row's name the prefix of its protocol, an underscore and the word? */
static bool
is_field(const struct ipm_stat_row *row, const char *word, size_t len)
{
	const char *field = strchr(row->name, '_');

	return field != NULL && strlen(field + 1) == len &&
	    memcmp(field + 1, word, len) == 0;
}

static size_t
count_field(struct ipm_stats *s, enum ipm_stat_group group, const char *word,
    size_t len)
{
	for (size_t i = 0; i < ipm_n_stat_rows; i++) {
		const struct ipm_stat_cell c = { &ipm_stat_rows[i], 0 };

		if (c.row->group == group && c.row->places == 0 &&
		    is_field(c.row, word, len)) {
			ipm_stats_add(s, &c, 1);
			return 1;
		}
	}
	return 0;
}

size_t
ipm_stats_reason(struct ipm_stats *s, enum ipm_reason r, unsigned proto)
{
	const struct ipm_reason_row *row = &ipm_reasons[r];
	enum ipm_stat_group group;
	const char *words;
	size_t n = 0;

	if (proto == IPM_PROTO_ESP) {
		group = IPM_SG_ESP;
		words = row->esp;
	} else if (proto == IPM_PROTO_AH) {
		group = IPM_SG_AH;
		words = row->ah;
	} else if (proto == IPM_PROTO_IPCOMP) {
		group = IPM_SG_IPCOMP;
		words = row->ipcomp;
	} else
		return 0;
	while (*words != '\0') {
		size_t len = strcspn(words, " ");

		n += count_field(s, group, words, len); /* "-" is none */
		words += len;
		words += *words == ' ';
	}
	return n;
}

/*
 * AH's histogram has 16 places, and the kernel counts the numbers 249 to 251
 * beyond its end all the same.  What lies there in the recorded kernel are the
 * places of ESP's histogram 69 below the number (vectors/freebsd: every use of
 * NULL authentication, 251, counts esps_hist[182]).
 */
#define BEYOND_AH 69U

static void
use_auth(struct ipm_stats *s, const struct ipm_profile *pf, unsigned number)
{
	if (number < 16)
		s->ah_hist[number]++;
	else if (ipm_sw(pf, IPM_SW_AH_HISTOGRAM) == IPM_AHHIST_BEYOND &&
	    number >= BEYOND_AH && number < BEYOND_AH + 256)
		s->esp_hist[number - BEYOND_AH]++;
	else
		s->ah_hist_other++;
}

void
ipm_stats_use(struct ipm_stats *s, const struct ipm_profile *pf,
    enum ipm_stat_group group, unsigned number)
{
	if (group == IPM_SG_AH)
		use_auth(s, pf, number);
	else if (group == IPM_SG_ESP && number < 256)
		s->esp_hist[number]++;
	else if (group == IPM_SG_IPCOMP && number < 8)
		s->ipcomp_hist[number]++;
}
