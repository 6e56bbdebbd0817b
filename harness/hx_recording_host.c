/* Steps of recordings about the host: sysctls, socket options. */
#include <stdlib.h>
#include <string.h>

#include "hx_pfkey_diff.h"
#include "hx_recording_path.h"

/* --- sysctls ---------------------------------------------------------------------------- */

enum hx_step_end
hx_play_sysctl(struct hx_node *n, const json_t *step)
{
	const char *name = hx_json_str(step, "name");
	const json_t *value = json_object_get(step, "value");
	uint8_t *host;
	int err = 0;

	if (name == NULL || !json_is_integer(value))
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "name or value is missing");
	host = ipm_host_variable(&n->e.ipm.host, name);
	if (host != NULL && json_integer_value(value) >= 0 &&
	    json_integer_value(value) <= UINT8_MAX)
		*host = (uint8_t)json_integer_value(value);
	else
		err = ipm_sysctl_set(&n->e.ipm.sysctls, &n->e.ipm.stats,
		    n->profile, name, json_integer_value(value));
	return hx_step_number(n, step, "errno", err);
}

enum hx_step_end
hx_play_sysctl_read(struct hx_node *n, const json_t *step)
{
	const char *name = hx_json_str(step, "name");
	const uint8_t *host;
	int64_t value = 0;
	int err;

	if (name == NULL)
		return hx_step_says(n, HX_STEP_MALFORMED, "name is missing");
	host = ipm_host_variable(&n->e.ipm.host, name);
	if (host != NULL)
		return hx_step_number(n, step, "value", *host);
	err = ipm_sysctl_get(&n->e.ipm.sysctls, n->profile, name, &value);
	if (err != 0)
		return hx_step_says(n, HX_STEP_DIFFERS,
		    "%s: recorded a value, model errno %d", name, err);
	return hx_step_number(n, step, "value", value);
}

/* --- socket options ------------------------------------------------------------------------ */

/* FreeBSD's numbers. */
enum {
	SOL_SOCKET_ = 0xffff,
	SO_RCVBUF_ = 0x1002,
	OPT_MAX = 4096
};

static const struct {
	int level, option;
} policy_options[] = { { 0, 21 }, { 41, 28 } };

struct option {
	int level, option;
	const char *socket;
};

static bool
read_option(const json_t *step, struct option *o)
{
	const json_t *level = json_object_get(step, "level");
	const json_t *option = json_object_get(step, "option");

	o->socket = hx_json_str(step, "socket");
	if (o->socket == NULL || !json_is_integer(level) ||
	    !json_is_integer(option))
		return false;
	o->level = (int)json_integer_value(level);
	o->option = (int)json_integer_value(option);
	return true;
}

static bool
is_policy_option(const struct option *o)
{
	for (size_t i = 0; i < sizeof policy_options / sizeof policy_options[0];
	     i++)
		if (o->level == policy_options[i].level &&
		    o->option == policy_options[i].option)
			return true;
	return false;
}

/* ip_ctloutput and ip6_ctloutput refuse the other family's level: EINVAL
 * (recorded in socket-policy). */
static bool
of_other_family(const struct hx_node *n, ipm_off pcb, const struct option *o)
{
	const struct ipm_pcb *p = ipm_arena_at(&n->e.ipm.arena, pcb);

	return (o->level == 41) != (p->family == 6);
}

static enum hx_step_end
unsupported_option(struct hx_node *n, const char *op, const struct option *o)
{
	return hx_step_says(n, HX_STEP_UNSUPPORTED,
	    "%s level %d option %d on %s", op, o->level, o->option, o->socket);
}

enum hx_step_end
hx_play_setsockopt(struct hx_node *n, const json_t *step)
{
	struct ipm_env env = hx_node_env(n);
	struct hx_octets value;
	struct option o;
	ipm_off pcb;
	int err;

	if (!read_option(step, &o) || !hx_step_octets(step, "value", &value))
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "no socket, level, option or value");
	if (strcmp(o.socket, "pfkey") == 0 && o.level == SOL_SOCKET_ &&
	    o.option == SO_RCVBUF_ && value.len == 4) {
		err = pfk_set_rcvbuf(&n->e, n->sock,
		    (uint32_t)value.p[0] | (uint32_t)value.p[1] << 8 |
			(uint32_t)value.p[2] << 16 |
			(uint32_t)value.p[3] << 24);
	} else if (is_policy_option(&o) &&
	    (pcb = hx_node_socket(n, o.socket)) != 0) {
		err = of_other_family(n, pcb, &o)
		    ? PFK_EINVAL
		    : pfk_set_policy(
			  &n->e, n->profile, &env, pcb, true, hx_span(&value));
	} else if (o.level == 17 && o.option == 1 &&
	    (pcb = hx_node_socket(n, o.socket)) != 0) {
		err = pfk_set_encap(&n->e, pcb, hx_span(&value));
	} else if ((pcb = hx_node_socket(n, o.socket)) != 0 &&
	    (err = ipm_pcb_setopt(ipm_arena_at(&n->e.ipm.arena, pcb), o.level,
		 o.option, hx_span(&value))) >= 0) {
		; /* answered */
	} else {
		hx_octets_free(&value);
		return unsupported_option(n, "setsockopt", &o);
	}
	hx_octets_free(&value);
	return hx_step_number(n, step, "errno", err);
}

enum hx_step_end
hx_play_getsockopt(struct hx_node *n, const json_t *step)
{
	uint8_t out[OPT_MAX];
	enum hx_step_end end;
	struct hx_octets given, want;
	struct option o;
	size_t len = 0;
	ipm_off pcb;
	char why[200];
	int err;

	if (!read_option(step, &o) || !hx_step_octets(step, "value_in", &given))
		return hx_step_says(n, HX_STEP_MALFORMED,
		    "no socket, level, option or value_in");
	if (!is_policy_option(&o) || (pcb = hx_node_socket(n, o.socket)) == 0) {
		hx_octets_free(&given);
		return unsupported_option(n, "getsockopt", &o);
	}
	err = of_other_family(n, pcb, &o)
	    ? PFK_EINVAL
	    : pfk_get_policy(&n->e, n->profile, pcb, hx_span(&given), out,
		  sizeof out, &len);
	hx_octets_free(&given);
	end = hx_step_number(n, step, "errno", err);
	if (end != HX_STEP_SAME || err != 0)
		return end;
	if (!hx_step_octets(step, "value_out", &want))
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "value_out is no hexadecimal text");
	if (hx_octets_differ(
		hx_span(&want), ipm_span(out, len), why, sizeof why))
		end = hx_step_says(n, HX_STEP_DIFFERS, "value_out: %s", why);
	hx_octets_free(&want);
	return end;
}
