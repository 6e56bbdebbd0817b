#include "ipm_profile.h"

#include <assert.h>
#include <string.h>

const struct ipm_switch_row ipm_switches[IPM_N_SWITCHES] = {
#define IPM_SWITCH(id, name, values, text, ...) \
	{ name, values, text, { __VA_ARGS__ } },
#include "ipm_profile.def"
#undef IPM_SWITCH
};

static const char *const profile_names[] = {
	[IPM_PF_OBSERVER] = "observer",
	[IPM_PF_MANUAL] = "manual",
	[IPM_PF_FREEBSD_2017] = "freebsd-2017",
	[IPM_PF_FREEBSD_13] = "freebsd-13",
	[IPM_PF_RFC2401] = "rfc2401",
	[IPM_PF_RFC4301] = "rfc4301",
	[IPM_PF_LINUX] = "linux",
};

static_assert(sizeof profile_names / sizeof profile_names[0] == IPM_N_PROFILES,
    "a name per profile");

const char *
ipm_profile_name(enum ipm_profile_id id)
{
	return id < IPM_N_PROFILES ? profile_names[id] : "?";
}

void
ipm_profile_init(struct ipm_profile *p, enum ipm_profile_id id)
{
	p->name = ipm_profile_name(id);
	for (size_t i = 0; i < IPM_N_SWITCHES; i++)
		p->value[i] = ipm_switches[i].by_profile[id];
}

enum ipm_profile_id
ipm_profile_find(const char *name)
{
	for (size_t i = 0; i < IPM_N_PROFILES; i++)
		if (strcmp(profile_names[i], name) == 0)
			return (enum ipm_profile_id)i;
	return IPM_N_PROFILES;
}

/* The n-th word of "a|b|c" and its length, or NULL. */
static const char *
nth_word(const char *words, uint32_t n, size_t *len)
{
	while (n-- > 0) {
		words = strchr(words, '|');
		if (words == NULL)
			return NULL;
		words++;
	}
	*len = strcspn(words, "|");
	return words;
}

static bool
is_number(const struct ipm_switch_row *row)
{
	return strcmp(row->values, "number") == 0;
}

static bool
parse_number(const char *s, uint32_t *v)
{
	uint64_t n = 0;

	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
		if (n > UINT32_MAX)
			return false;
	}
	*v = (uint32_t)n;
	return true;
}

bool
ipm_profile_set(struct ipm_profile *p, const char *name, const char *value)
{
	for (size_t i = 0; i < IPM_N_SWITCHES; i++) {
		const struct ipm_switch_row *row = &ipm_switches[i];
		const char *w;
		size_t len;

		if (strcmp(row->name, name) != 0)
			continue;
		if (is_number(row))
			return parse_number(value, &p->value[i]);
		for (uint32_t v = 0;
		     (w = nth_word(row->values, v, &len)) != NULL; v++)
			if (strlen(value) == len &&
			    memcmp(w, value, len) == 0) {
				p->value[i] = v;
				return true;
			}
		return false;
	}
	return false;
}

const char *
ipm_switch_value_text(enum ipm_switch sw, uint32_t v, char buf[16])
{
	const struct ipm_switch_row *row = &ipm_switches[sw];
	const char *w;
	size_t len = 0;

	if (!is_number(row)) {
		w = nth_word(row->values, v, &len);
		if (w == NULL || len >= 16)
			return "?";
		memcpy(buf, w, len);
		buf[len] = '\0';
		return buf;
	}
	size_t n = 10;
	buf[n] = '\0';
	do
		buf[--n] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return buf + n;
}
