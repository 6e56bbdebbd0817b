/*
 * The recorded conversations of a FreeBSD 13 kernel's PF_KEY, sent to the key
 * engine octet by octet: errno of each send, every reply on the requester and
 * on a second socket, what the timer sends.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pfk_engine.h"
#include "support/db_box.h"
#include "support/vec_file.h"

#define TRIES       1100 /* more than net.key.spi_trycnt */
#define WITHOUT_SPD true

struct node {
	struct db_memory mem;
	struct db_provider crypto;
	struct pfk_engine e;
	struct ipm_profile pf;
	struct ipm_env env;
	struct ipm_tape tape;
	uint8_t random[4 * TRIES];
	uint32_t sock, other;
	uint32_t last_spi; /* that GETSPI gave */
};

static void
start(struct node *n)
{
	db_memory_init(&n->mem);
	db_provider_init(&n->crypto);
	ipm_profile_init(&n->pf, IPM_PF_FREEBSD_13);
	n->env = (struct ipm_env){ .crypto = &n->crypto.provider,
		.alloc = &n->mem.alloc,
		.random = &n->tape };
	pfk_engine_init(&n->e, 0, 0);
	n->last_spi = 0;
	n->other = pfk_open(&n->e, &n->env);
	n->sock = pfk_open(&n->e, &n->env);
	/* A node starts 3 seconds before the first step. */
	n->env.sec = 3;
	pfk_clock(&n->e, &n->pf, &n->env);
}

static void
stop(struct node *n)
{
	pfk_engine_free(&n->e, &n->mem.alloc);
	cr_expect_eq(n->mem.live, 0);
}

/* Octets of a recorded reply that are the kernel's memory, not its doing: what
 * stands behind the SPI in a reply to GETSPI, reserved words of the lists of
 * algorithms, and a key past its extension. */
static void
blur(uint8_t *p, size_t len, const char *id)
{
	if (len >= 32 && p[1] == 1 && p[2] == 0)
		memset(p + 24, 0, 8);
	if (len == 136 && p[1] == 7)
		for (size_t i = 16; i < len; i += 8)
			memset(
			    p + i + (p[i + 2] == 14 || p[i + 2] == 15 ? 4 : 6),
			    0, 2);
	if (strcmp(id, "pfkey-add-keybits256") == 0 && len == 168 && p[1] == 10)
		memset(p + 160, 0, 8);
}

/* Everything that waits in the socket is what was recorded. */
static void
expect(struct node *n, uint32_t sock, const json_t *want, const char *id,
    size_t step, const char *where)
{
	static uint8_t got[65536];
	const json_t *j;
	size_t i;

	json_array_foreach((json_t *)want, i, j)
	{
		struct hx_octets w;
		size_t len = pfk_recv(&n->e, sock, got, sizeof got);

		cr_assert(hx_hex_read(json_string_value(j), &w));
		blur(w.p, w.len, id);
		blur(got, len, id);
		cr_expect(len == w.len && memcmp(got, w.p, len) == 0,
		    "%s step %zu: %s %zu of %zu differs (%zu for %zu octets)",
		    id, step, where, i, json_array_size(want), len, w.len);
		hx_octets_free(&w);
	}
	cr_expect_eq(pfk_recv(&n->e, sock, got, sizeof got), 0,
	    "%s step %zu: more at %s", id, step, where);
}

/* Where the draws of a GETSPI begin. */
static uint32_t
range_begins(const struct node *n, struct ipm_span request)
{
	for (size_t off = 16; off + 12 <= request.len && request.p[off] != 0;
	     off += request.p[off] * 8U)
		if (request.p[off + 2] == 16)
			return (uint32_t)request.p[off + 4] |
			    (uint32_t)request.p[off + 5] << 8 |
			    (uint32_t)request.p[off + 6] << 16 |
			    (uint32_t)request.p[off + 7] << 24;
	return (uint32_t)n->e.ipm.sysctls.v[IPM_SV_SPI_MINVAL];
}

/*
 * Draws that lead to the recorded answer: its SPI, over and over; for EINVAL
 * one that is reserved; for EEXIST one that is taken (that of the last answer)
 * and then others.
 */
static void
load_tape(struct node *n, const json_t *step, struct ipm_span request)
{
	const json_t *reply =
	    json_array_get(json_object_get(step, "replies"), 0);
	uint32_t min = range_begins(n, request), draw = min == 0 ? 1 : 0;
	struct hx_octets r = { NULL, 0 };

	if (reply != NULL)
		cr_assert(hx_hex_read(json_string_value(reply), &r));
	for (size_t i = 0; i < TRIES; i++)
		ipm_store32(n->random + 4 * i, draw);
	n->tape = (struct ipm_tape){ ipm_span(n->random, sizeof n->random), 0 };
	if (r.len >= 24 && r.p[1] == 1 && r.p[2] == 17)
		ipm_store32(n->random, n->last_spi - min);
	if (r.len >= 24 && r.p[1] == 1 && r.p[2] == 0) {
		n->last_spi = ipm_load32(r.p + 20);
		for (size_t i = 0; i < TRIES; i++)
			ipm_store32(n->random + 4 * i, n->last_spi - min);
	}
	hx_octets_free(&r);
}

static void
send_step(struct node *n, const json_t *step, const char *id, size_t at)
{
	struct hx_octets msg = vec_octets(step, "request");
	const json_t *other = json_object_get(step, "other_socket_received");
	const json_t *replies = json_object_get(step, "replies");
	int err;

	load_tape(n, step, ipm_span(msg.p, msg.len));
	err =
	    pfk_send(&n->e, &n->pf, &n->env, n->sock, ipm_span(msg.p, msg.len));
	cr_expect_eq(err,
	    json_integer_value(json_object_get(step, "send_errno")),
	    "%s step %zu: errno %d", id, at, err);
	expect(n, n->sock, replies, id, at, "reply");
	if (other != NULL)
		expect(n, n->other, json_is_string(other) ? replies : other, id,
		    at, "other");
	while (pfk_recv(&n->e, n->other, NULL, 0) != 0)
		;
	hx_octets_free(&msg);
}

static void
write_sysctl(struct node *n, const json_t *step, const char *id)
{
	int err = ipm_sysctl_set(&n->e.ipm.sysctls, &n->e.ipm.stats, &n->pf,
	    vec_text(step, "name"),
	    json_integer_value(json_object_get(step, "value")));

	cr_expect_eq(
	    err, json_integer_value(json_object_get(step, "errno")), "%s", id);
}

/* One step, unless it is about packets; false for those. */
static bool
take(struct node *n, const json_t *step, const char *id, size_t i)
{
	const char *op = vec_text(step, "op");

	if (strcmp(op, "pfkey") == 0) {
		send_step(n, step, id, i);
	} else if (strcmp(op, "sysctl") == 0) {
		write_sysctl(n, step, id);
	} else if (strcmp(op, "advance") == 0) {
		n->env.sec += (uint64_t)json_integer_value(
		    json_object_get(step, "seconds"));
		pfk_clock(&n->e, &n->pf, &n->env);
		expect(n, n->sock, json_object_get(step, "pfkey_received"), id,
		    i, "timer");
		expect(n, n->other, NULL, id, i, "timer, other");
	} else {
		return false;
	}
	return true;
}

/* The steps up to the first packet; how many. */
static size_t
run(const json_t *c)
{
	static struct node n;
	const json_t *step;
	size_t i;

	start(&n);
	json_array_foreach(json_object_get(c, "steps"), i, step)
	{
		if (!take(&n, step, vec_text(c, "id"), i))
			break;
	}
	stop(&n);
	return i;
}

/* Whole conversations, or how they begin: the steps that were run. */
static size_t
run_file(const char *name, size_t n_cases, bool whole)
{
	char path[64];
	size_t steps = 0, i;
	json_t *root, *cases, *c;

	(void)snprintf(path, sizeof path, "vectors/freebsd/%s.json", name);
	root = vec_load(path);
	cases = json_object_get(root, "cases");
	cr_expect_geq(json_array_size(cases), n_cases);
	json_array_foreach(cases, i, c)
	{
		size_t n = run(c);

		if (whole)
			cr_expect_eq(
			    n, json_array_size(json_object_get(c, "steps")));
		steps += n;
	}
	json_decref(root);
	return steps;
}

Test(pfk_exchanges, all_of_them)
{
	cr_expect_gt(run_file("pfkey-exchanges", 402, true), 1200);
}

/* How the other recordings begin, up to the first packet: SAs of every
 * algorithm, NAT-T, ranges and tries of GETSPI by sysctl, larval SAs. */
Test(pfk_exchanges, beginnings_of_the_others)
{
	static const char *const files[] = { "inbound", "manual-bugs", "natt",
		"options-fragments", "outbound-algorithms", "outbound-misc",
		"outbound-sizes", "policy-selection", "scenarios",
		"socket-policy", "sysctl-effects" };
	size_t steps = 0;

	for (size_t f = 0; f < sizeof files / sizeof files[0]; f++)
		steps += run_file(files[f], 20, false);
	cr_expect_gt(steps, 2000, "%zu", steps);
}
