/*
 * sysctl.json: which variables exist, with which default; what each write of
 * a value gives, each from the defaults.
 */
#include <string.h>

#include "hx_recording_int.h"
#include "ipm_sysctl.h"

struct sysctls {
	struct hx_check *c;
	struct ipm_sysctls values;
	struct ipm_stats stats;
	char why[200];
	bool malformed;
};

static bool
differs(struct sysctls *s, const char *what, int64_t recorded, int64_t model)
{
	if (recorded == model)
		return false;
	(void)snprintf(s->why, sizeof s->why, "%s: recorded %lld, model %lld",
	    what, (long long)recorded, (long long)model);
	return true;
}

static bool
number(struct sysctls *s, const json_t *j, const char *member, int64_t *v)
{
	const json_t *m = json_object_get(j, member);

	*v = json_integer_value(m);
	if (json_is_integer(m))
		return true;
	(void)snprintf(s->why, sizeof s->why, "%s is no number", member);
	s->malformed = true;
	return false;
}

static void
start(struct sysctls *s)
{
	ipm_sysctls_init(&s->values);
	memset(&s->stats, 0, sizeof s->stats);
	s->why[0] = '\0';
	s->malformed = false;
}

/* Name, type, size, default. */
static void
variable(struct sysctls *s, const json_t *j, const char *name)
{
	const struct ipm_profile *pf = &s->c->recording;
	const struct ipm_sysctl_row *row = ipm_sysctl_find(pf, name);
	const char *type = hx_json_str(j, "type");
	static const char *const types[] = {
		[IPM_SYSCTL_INT] = "int",
		[IPM_SYSCTL_UINT] = "uint",
		[IPM_SYSCTL_POLICY] = "int",
		[IPM_SYSCTL_STATS] = "opaque",
	};
	uint8_t value[4096];
	int64_t want, got = 0;
	size_t len = 0;
	int err;

	if (row == NULL) {
		(void)snprintf(
		    s->why, sizeof s->why, "the model has no such variable");
		return;
	}
	if (type == NULL || strcmp(type, types[row->type]) != 0) {
		(void)snprintf(s->why, sizeof s->why,
		    "type: recorded %s, model %s", type == NULL ? "none" : type,
		    types[row->type]);
		return;
	}
	if (json_is_true(json_object_get(j, "writable")) != row->writable) {
		(void)snprintf(s->why, sizeof s->why, "writable: model %s",
		    row->writable ? "yes" : "no");
		return;
	}
	err = ipm_sysctl_read(
	    &s->values, &s->stats, pf, name, value, sizeof value, &len);
	if (!number(s, j, "read_errno", &want) ||
	    differs(s, "read_errno", want, err) ||
	    !number(s, j, "size", &want) ||
	    differs(s, "size", want, (int64_t)len))
		return;
	if (json_object_get(j, "default") == NULL ||
	    !number(s, j, "default", &want))
		return;
	err = ipm_sysctl_get(&s->values, pf, name, &got);
	if (err != 0)
		(void)differs(s, "default", want, -err);
	else
		(void)differs(s, "default", want, got);
}

static void
write_value(struct sysctls *s, const json_t *j, const char *name)
{
	const struct ipm_profile *pf = &s->c->recording;
	int64_t value, want, got = 0;
	struct hx_octets raw;
	int err;

	if (json_object_get(j, "write_raw") != NULL) {
		if (!hx_step_octets(j, "write_raw", &raw)) {
			(void)snprintf(s->why, sizeof s->why,
			    "write_raw is no hexadecimal text");
			s->malformed = true;
			return;
		}
		err = ipm_sysctl_write(
		    &s->values, &s->stats, pf, name, hx_span(&raw));
		hx_octets_free(&raw);
	} else {
		if (!number(s, j, "write", &value))
			return;
		err = ipm_sysctl_set(&s->values, &s->stats, pf, name, value);
	}
	if (!number(s, j, "errno", &want) || differs(s, "errno", want, err))
		return;
	if (!number(s, j, "reads_back", &want))
		return;
	err = ipm_sysctl_get(&s->values, pf, name, &got);
	(void)differs(s, "reads_back", want, err != 0 ? -err : got);
}

static void
of_manual(struct sysctls *s, const json_t *j, const char *name)
{
	(void)differs(s, "exists", json_is_true(json_object_get(j, "exists")),
	    ipm_sysctl_find(&s->c->recording, name) != NULL);
}

static void
each(struct sysctls *s, const json_t *root, const char *member,
    void (*f)(struct sysctls *s, const json_t *j, const char *name))
{
	size_t i;
	json_t *j;

	json_array_foreach(json_object_get(root, member), i, j)
	{
		const char *name = hx_json_str(j, "name");
		char id[160];

		start(s);
		(void)snprintf(id, sizeof id, "%s/%zu %s", member, i,
		    name == NULL ? "?" : name);
		if (name == NULL) {
			hx_check_case(s->c, id, HX_ERROR, "no name");
			continue;
		}
		f(s, j, name);
		hx_check_case(s->c, id,
		    s->malformed            ? HX_ERROR
			: s->why[0] != '\0' ? HX_FAIL
					    : HX_PASS,
		    s->why);
	}
}

bool
hx_check_sysctls(struct hx_check *c, const json_t *root)
{
	struct sysctls s = { .c = c };

	each(&s, root, "variables", variable);
	each(&s, root, "manual_page_variables", of_manual);
	each(&s, root, "writes", write_value);
	return true;
}
