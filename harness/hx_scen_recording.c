#include "hx_scen_recording.h"

#include <string.h>

#include "hx_check.h"

/* Topology S of the recordings' README. */
static const char topology[] = "if red0 mtu %d 10.1.0.1/24 2001:db8:1::1/64\n"
			       "if blk1 mtu %d 192.0.2.1/24 2001:db8:b::1/64\n"
			       "if lo0 loopback mtu 16384 127.0.0.1/8 ::1/128\n"
			       "route 10.2.0.0/16 via 192.0.2.2\n"
			       "route 2001:db8:2::/48 via 2001:db8:b::2\n";

struct writer {
	FILE *out;
	const json_t *opened; /* object: the sockets so far */
};

static const char *
str(const json_t *step, const char *key)
{
	const char *s = hx_json_str(step, key);

	return s == NULL ? "" : s;
}

static json_int_t
num(const json_t *step, const char *key)
{
	return json_integer_value(json_object_get(step, key));
}

/* A socket is created just before its first use. */
static void
use_socket(const struct writer *w, const json_t *step)
{
	const char *name = str(step, "socket");
	json_t *opened = (json_t *)(uintptr_t)w->opened;

	if (json_object_get(opened, name) != NULL)
		return;
	(void)json_object_set_new(opened, name, json_true());
	(void)fprintf(w->out, "socket %s\n", name);
}

static void
put_pfkey(const struct writer *w, const json_t *step)
{
	const char *hex = str(step, "request");

	(void)fprintf(w->out, "pfkey k %s\n", hex[0] == '\0' ? "\"\"" : hex);
}

static void
put_inject(const struct writer *w, const json_t *step)
{
	(void)fprintf(
	    w->out, "in %s %s\n", str(step, "if"), str(step, "packet"));
}

static void
put_send(const struct writer *w, const json_t *step)
{
	use_socket(w, step);
	(void)fprintf(w->out, "send %s %s %d hex=%s\n", str(step, "socket"),
	    str(step, "to"), (int)num(step, "to_port"), str(step, "payload"));
}

static void
put_advance(const struct writer *w, const json_t *step)
{
	(void)fprintf(w->out, "after %lld\n", (long long)num(step, "seconds"));
}

static void
put_sysctl(const struct writer *w, const json_t *step)
{
	(void)fprintf(w->out, "sysctl %s=%lld\n", str(step, "name"),
	    (long long)num(step, "value"));
}

static void
put_sysctl_read(const struct writer *w, const json_t *step)
{
	(void)fprintf(w->out, "sysctl %s\n", str(step, "name"));
}

static void
put_setopt(const struct writer *w, const json_t *step)
{
	use_socket(w, step);
	(void)fprintf(w->out, "setsockopt %s %lld:%lld hex=%s\n",
	    str(step, "socket"), (long long)num(step, "level"),
	    (long long)num(step, "option"), str(step, "value"));
}

static void
put_getopt(const struct writer *w, const json_t *step)
{
	use_socket(w, step);
	(void)fprintf(w->out, "getsockopt %s %lld:%lld hex=%s\n",
	    str(step, "socket"), (long long)num(step, "level"),
	    (long long)num(step, "option"), str(step, "value_in"));
}

static void
put_enc0(const struct writer *w, const json_t *step)
{
	(void)fprintf(
	    w->out, "enc0 %s\n", num(step, "up") != 0 ? "up" : "down");
}

static const struct {
	const char *op;
	void (*put)(const struct writer *w, const json_t *step);
} ops[] = { { "pfkey", put_pfkey }, { "inject", put_inject },
	{ "send", put_send }, { "advance", put_advance },
	{ "sysctl", put_sysctl }, { "sysctl-read", put_sysctl_read },
	{ "setsockopt", put_setopt }, { "getsockopt", put_getopt },
	{ "enc0", put_enc0 } };

static bool
watches_filters(const json_t *steps)
{
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i,
	    step) if (json_object_get(step, "pfil") != NULL) return true;
	return false;
}

static void
put_heading(const json_t *c, const json_t *steps, FILE *out)
{
	const json_t *mtu = json_object_get(c, "mtu");
	int m = json_is_integer(mtu) ? (int)json_integer_value(mtu) : 1500;

	(void)fprintf(out, "scenario 1\n# %s: %s\nprofile freebsd-13\n",
	    str(c, "id"), str(c, "title"));
	(void)fprintf(out, topology, m, m);
	(void)fprintf(out, "forward %s\n",
	    json_integer_value(json_object_get(c, "forwarding")) != 0 ? "on"
								      : "off");
	if (watches_filters(steps))
		(void)fputs("filter watch\n", out);
	(void)fputs("at 3\nkeysock k\nkeysock other\n", out);
}

bool
hx_scen_is_recording(const json_t *root)
{
	const char *schema = hx_json_str(root, "schema");

	return schema != NULL && strcmp(schema, "ipsec-recording") == 0 &&
	    json_is_array(json_object_get(root, "cases"));
}

static const json_t *
find_case(const json_t *root, const char *id)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(root, "cases"), i,
	    c) if (strcmp(str(c, "id"), id) == 0) return c;
	return NULL;
}

bool
hx_scen_from_recording(const json_t *root, const char *file, const char *id,
    FILE *out, struct hx_err *err)
{
	const json_t *c = find_case(root, id), *steps, *step;
	json_t *opened =
	    json_pack("{s:b, s:b}", "udp4:9000", 1, "udp6:9000", 1);
	struct writer w = { out, opened };
	size_t i, k = 0, n = sizeof ops / sizeof ops[0];

	if (c == NULL || opened == NULL) {
		hx_err_set(err, file, 0, 0, "no case %s", id);
		json_decref(opened);
		return false;
	}
	steps = json_object_get(c, "steps");
	put_heading(c, steps, out);
	(void)fputs("socket udp4:9000\nsocket udp6:9000\nsocket tcp4:8000\n"
		    "socket tcp6:8000\n",
	    out);
	json_array_foreach(steps, i, step)
	{
		const char *op = str(step, "op");

		for (k = 0; k < n && strcmp(ops[k].op, op) != 0; k++)
			;
		if (k == n) {
			hx_err_set(err, file, 0, 0,
			    "case %s: step %zu: a scenario cannot say %s", id,
			    i, op);
			break;
		}
		ops[k].put(&w, step);
	}
	json_decref(opened);
	return k < n;
}
