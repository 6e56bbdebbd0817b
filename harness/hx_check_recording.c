#include "hx_check_recording.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hx_recording_path.h"

const struct pfk_codec hx_recording_codec = { &pfk_dialects[0], PFK_LE };

/* A node starts so long before its first step (vectors/freebsd/README.md). */
#define START_SECONDS 3U

#define ARENA_MAX ((size_t)1 << 28)

/* --- for the rows -------------------------------------------------------------- */

struct ipm_env
hx_node_env(struct hx_node *n)
{
	return (struct ipm_env){ .sec = n->sec,
		.random = &n->tape,
		.crypto = &n->check->engine.crypto,
		.comp = &n->check->engine.comp,
		.alloc = &n->check->engine.alloc };
}

enum hx_step_end
hx_step_says(struct hx_node *n, enum hx_step_end end, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(n->why, sizeof n->why, fmt, ap);
	va_end(ap);
	return end;
}

enum hx_step_end
hx_step_number(
    struct hx_node *n, const json_t *step, const char *member, int64_t model)
{
	const json_t *j = json_object_get(step, member);

	if (!json_is_integer(j))
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "%s is no number", member);
	if (json_integer_value(j) != model)
		return hx_step_says(n, HX_STEP_DIFFERS,
		    "%s: recorded %lld, model %lld", member,
		    (long long)json_integer_value(j), (long long)model);
	return HX_STEP_SAME;
}

bool
hx_step_octets(const json_t *step, const char *member, struct hx_octets *o)
{
	const char *text = hx_json_str(step, member);

	*o = (struct hx_octets){ 0 };
	return text != NULL && (*text == '\0' || hx_hex_read(text, o));
}

/* --- cases ------------------------------------------------------------------------------------- */

const struct hx_step_row hx_step_rows[] = {
	{ "pfkey", hx_play_pfkey },
	{ "advance", hx_play_advance },
	{ "bulk", hx_play_bulk },
	{ "bulk-dump", hx_play_bulk_dump },
	{ "sysctl", hx_play_sysctl },
	{ "sysctl-read", hx_play_sysctl_read },
	{ "setsockopt", hx_play_setsockopt },
	{ "getsockopt", hx_play_getsockopt },
	{ "send", hx_play_send },
	{ "tcp-connect", hx_play_tcp_connect },
	{ "inject", hx_play_inject },
	{ "enc0", hx_play_enc0 },
	{ "enc0-counters", hx_play_enc0_counters },
	{ NULL, NULL },
};

static enum hx_step_end
play_step(struct hx_node *n, const json_t *step)
{
	const char *op = hx_json_str(step, "op");

	if (op == NULL)
		return hx_step_says(n, HX_STEP_MALFORMED, "no op");
	for (const struct hx_step_row *r = hx_step_rows; r->op != NULL; r++)
		if (strcmp(op, r->op) == 0)
			return r->play(n, step);
	return hx_step_says(n, HX_STEP_UNSUPPORTED, "op %s", op);
}

static bool
open_sockets(struct hx_node *n, const json_t *steps)
{
	struct ipm_env env = hx_node_env(n);
	const json_t *step;
	bool other = false;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		if (json_object_get(step, "other_socket_received") != NULL)
			other = true;
	}
	n->sock = pfk_open(&n->e, &env);
	n->other = other ? pfk_open(&n->e, &env) : 0;
	return n->sock != 0 && (!other || n->other != 0);
}

static const enum hx_result results[] = {
	[HX_STEP_SAME] = HX_PASS,
	[HX_STEP_DIFFERS] = HX_FAIL,
	[HX_STEP_UNSUPPORTED] = HX_UNSUPPORTED,
	[HX_STEP_MALFORMED] = HX_ERROR,
};

static void
check_case(struct hx_node *n, const json_t *one)
{
	const char *id = hx_json_str(one, "id");
	const json_t *steps = json_object_get(one, "steps"), *step;
	enum hx_step_end end = HX_STEP_SAME;
	char why[sizeof n->why + 32] = "";
	size_t i;

	if (id == NULL || !json_is_array(steps)) {
		hx_check_case(n->check, id == NULL ? "?" : id, HX_ERROR,
		    "a case without id or steps");
		return;
	}
	pfk_engine_init(&n->e, 0, ARENA_MAX);
	n->sec = START_SECONDS;
	n->n_past = 0;
	hx_node_draws(n, 0, 0, 0);
	if (!hx_node_begin(n, one) || !open_sockets(n, steps)) {
		hx_check_case(n->check, id, HX_ERROR, "out of memory");
		pfk_engine_free(&n->e, &n->check->engine.alloc);
		return;
	}
	json_array_foreach(steps, i, step)
	{
		n->why[0] = '\0';
		end = play_step(n, step);
		if (end != HX_STEP_SAME)
			break;
	}
	if (end != HX_STEP_SAME)
		(void)snprintf(why, sizeof why, "step %zu: %s", i, n->why);
	hx_check_case(n->check, id, results[end], why);
	pfk_engine_free(&n->e, &n->check->engine.alloc);
}

bool
hx_check_recording(struct hx_check *c, const json_t *root)
{
	const char *dataset = hx_json_str(root, "dataset");
	const json_t *cases = json_object_get(root, "cases"), *one;
	struct hx_node *n;
	size_t i;

	if (dataset != NULL && strcmp(dataset, "sysctl") == 0)
		return hx_check_sysctls(c, root);
	if (!json_is_array(cases) || json_array_size(cases) == 0) {
		(void)fprintf(stderr,
		    "ipsecsim: %s: a recording without cases\n", c->file);
		return false;
	}
	n = calloc(1, sizeof *n);
	if (n == NULL) {
		(void)fprintf(stderr, "ipsecsim: %s: out of memory\n", c->file);
		return false;
	}
	n->check = c;
	n->profile = &c->recording;
	json_array_foreach(cases, i, one)
	{
		check_case(n, one);
	}
	ipm_wipe(n, sizeof *n);
	free(n);
	return true;
}
