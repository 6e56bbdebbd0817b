/*
 * The recorded conversations of a FreeBSD 13 kernel's PF_KEY, sent to the key
 * engine octet by octet: errno of each send, every reply on the requester and
 * on a second socket, what the timer sends.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "pfk_engine.h"
#include "support/db_box.h"
#include "support/vec_file.h"

#define FILE_EXCHANGES "vectors/freebsd/pfkey-exchanges.json"
#define TRIES          1100 /* more than net.key.spi_trycnt */
#define WITHOUT_SPD    true

struct node {
	struct db_memory mem;
	struct db_provider crypto;
	struct pfk_engine e;
	struct ipm_profile pf;
	struct ipm_env env;
	struct ipm_tape tape;
	uint8_t random[4 * TRIES];
	uint32_t sock, other;
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

/* The draw that gives the recorded SPI, over and over. */
static void
load_tape(struct node *n, const json_t *step, struct ipm_span request)
{
	const json_t *reply =
	    json_array_get(json_object_get(step, "replies"), 0);
	struct hx_octets r;
	uint32_t spi = 0, min = 0x100;

	if (reply != NULL) {
		cr_assert(hx_hex_read(json_string_value(reply), &r));
		if (r.len >= 24 && r.p[1] == 1 && r.p[2] == 0)
			spi = ipm_load32(r.p + 20);
		hx_octets_free(&r);
	}
	for (size_t off = 16; off + 12 <= request.len && request.p[off] != 0;
	     off += request.p[off] * 8U)
		if (request.p[off + 2] == 16)
			min = (uint32_t)request.p[off + 4] |
			    (uint32_t)request.p[off + 5] << 8 |
			    (uint32_t)request.p[off + 6] << 16 |
			    (uint32_t)request.p[off + 7] << 24;
	for (size_t i = 0; i < TRIES; i++)
		ipm_store32(n->random + 4 * i, spi == 0 ? 0 : spi - min);
	n->tape = (struct ipm_tape){ ipm_span(n->random, sizeof n->random), 0 };
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
	expect(n, n->other, json_is_string(other) ? replies : other, id, at,
	    "other");
	hx_octets_free(&msg);
}

static void
run(const json_t *c)
{
	static struct node n;
	const char *id = vec_text(c, "id");
	const json_t *step;
	size_t i;

	start(&n);
	json_array_foreach(json_object_get(c, "steps"), i, step)
	{
		if (strcmp(vec_text(step, "op"), "pfkey") == 0) {
			send_step(&n, step, id, i);
			continue;
		}
		cr_assert_str_eq(vec_text(step, "op"), "advance");
		n.env.sec += (uint64_t)json_integer_value(
		    json_object_get(step, "seconds"));
		pfk_clock(&n.e, &n.pf, &n.env);
		expect(&n, n.sock, json_object_get(step, "pfkey_received"), id,
		    i, "timer");
		expect(&n, n.other, NULL, id, i, "timer, other");
	}
	stop(&n);
}

Test(pfk_exchanges, all_of_them)
{
	json_t *root = vec_load(FILE_EXCHANGES), *c;
	size_t i;

	cr_assert_eq(json_array_size(json_object_get(root, "cases")), 402);
	json_array_foreach(json_object_get(root, "cases"), i, c) run(c);
	json_decref(root);
}
