/*
 * The messages about policies, sent through PF_KEY sockets.
 *
 * Source of the expected values: the recordings, octet for octet, and the rules
 * of key.c with their errno where no recording tells.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pfk_int.h"
#include "support/db_box.h"
#include "support/vec_file.h"

#define BUF 4096U

struct box {
	struct db_memory m;
	struct pfk_engine e;
	struct ipm_profile pf;
	struct ipm_env env;
	uint32_t sock, other; /* the other one sends nothing */
};

static void
box_limit(struct box *b, enum ipm_profile_id id, size_t limit)
{
	db_memory_init(&b->m);
	ipm_profile_init(&b->pf, id);
	b->env = (struct ipm_env){ .sec = 3, .alloc = &b->m.alloc };
	pfk_engine_init(&b->e, 3, limit);
	b->sock = pfk_open(&b->e, &b->env);
	b->other = pfk_open(&b->e, &b->env);
}

static void
box_init(struct box *b, enum ipm_profile_id id)
{
	box_limit(b, id, 0);
	cr_assert_neq(b->sock, 0);
	cr_assert_neq(b->other, 0);
}

static void
box_free(struct box *b)
{
	pfk_engine_free(&b->e, &b->m.alloc);
	cr_expect_eq(b->m.live, 0);
}

/* The databases without sockets, counters and clock. */
static uint64_t
digest(const struct box *b)
{
	struct ipm_digest d = IPM_DIGEST_INIT;

	ipm_spd_digest(&b->e.ipm.spd, &b->e.ipm.arena, &d);
	return d.h;
}

/* --- messages ----------------------------------------------------------------------- */

struct msg {
	uint8_t p[BUF];
	size_t len;
};

static void
begin(struct msg *m, uint8_t type)
{
	memset(m, 0, sizeof *m);
	m->p[0] = 2;
	m->p[1] = type;
	m->p[8] = 1;     /* seq */
	m->p[12] = 0x92; /* pid 0x1092 */
	m->p[13] = 0x10;
	m->len = 16;
}

static uint8_t *
ext(struct msg *m, uint8_t type, size_t len)
{
	uint8_t *p = m->p + m->len;

	p[0] = (uint8_t)(len / 8);
	p[2] = type;
	m->len += len;
	m->p[4] = (uint8_t)(m->len / 8);
	m->p[5] = (uint8_t)(m->len / 8 >> 8);
	return p;
}

static uint8_t *
addr4(struct msg *m, uint8_t type, uint32_t a, uint8_t prefix)
{
	uint8_t *p = ext(m, type, 24);

	p[4] = 255;
	p[5] = prefix;
	p[8] = 16;
	p[9] = 2;
	ipm_store32(p + 12, a);
	return p;
}

#define SRC   5
#define DST   6
#define POL   18
#define HARD  3
#define NET_A 0x0a010000U
#define NET_B 0x0a020000U

static uint8_t *
policy(struct msg *m, uint8_t type, uint8_t dir, uint32_t id, size_t reqs)
{
	uint8_t *p = ext(m, POL, 16 + reqs);

	p[4] = type;
	p[6] = dir;
	p[8] = (uint8_t)id;
	p[9] = (uint8_t)(id >> 8);
	return p;
}

/* esp/tunnel/192.0.2.1-192.0.2.2/require */
static void
tunnel(uint8_t *p)
{
	static const uint8_t octets[40] = { 40, 0, 50, 0, 2, 2, 0, 0, 16, 2, 0,
		0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 16, 2, 0, 0, 192, 0, 2,
		2 };

	memcpy(p, octets, sizeof octets);
}

/* The policy of the recordings: 10.1.0.0/24 > 10.2.0.0/16 any, out. */
static void
spdadd(struct msg *m, uint8_t type)
{
	begin(m, type);
	tunnel(policy(m, 2, 2, 0, 40) + 16);
	(void)addr4(m, SRC, NET_A, 24);
	(void)addr4(m, DST, NET_B, 16);
}

static void
spddelete(struct msg *m)
{
	begin(m, PFK_X_SPDDELETE);
	(void)policy(m, 2, 2, 0, 0);
	(void)addr4(m, SRC, NET_A, 24);
	(void)addr4(m, DST, NET_B, 16);
}

static void
by_id(struct msg *m, uint8_t type, uint32_t id)
{
	begin(m, type);
	(void)policy(m, 0, 0, id, 0);
}

static int
send_msg(struct box *b, const struct msg *m)
{
	return pfk_send(
	    &b->e, &b->pf, &b->env, b->sock, ipm_span(m->p, m->len));
}

static size_t
recv_msg(struct box *b, uint32_t sock, struct msg *m)
{
	memset(m, 0, sizeof *m);
	m->len = pfk_recv(&b->e, sock, m->p, sizeof m->p);
	return m->len;
}

static void
drain(struct box *b)
{
	struct msg m;

	while (recv_msg(b, b->sock, &m) != 0)
		;
	while (recv_msg(b, b->other, &m) != 0)
		;
}

/* Sends, and expects one reply with this errno; gives it back. */
static struct msg
exchange(struct box *b, const struct msg *m, int err, const char *what)
{
	struct msg reply, second;

	cr_expect_eq(send_msg(b, m), 0, "%s", what);
	cr_assert_neq(recv_msg(b, b->sock, &reply), 0, "%s: no reply", what);
	cr_expect_eq(
	    reply.p[2], err, "%s: errno %u, not %d", what, reply.p[2], err);
	cr_expect_eq(recv_msg(b, b->sock, &second), 0, "%s: two", what);
	return reply;
}

/* A refusal: the request itself comes back, to its sender alone, and the
 * database is as it was. */
static void
refused(struct box *b, const struct msg *m, int err, const char *what)
{
	uint64_t before = digest(b);
	struct msg reply = exchange(b, m, err, what), none;

	cr_expect_eq(reply.len, m->len, "%s", what);
	reply.p[2] = m->p[2];
	cr_expect_arr_eq(reply.p, m->p, m->len, "%s", what);
	cr_expect_eq(recv_msg(b, b->other, &none), 0, "%s: told", what);
	cr_expect_eq(digest(b), before, "%s: changed something", what);
}

/* A success, told to both sockets alike. */
static struct msg
done(struct box *b, const struct msg *m, const char *what)
{
	struct msg reply = exchange(b, m, 0, what), copy;

	(void)recv_msg(b, b->other, &copy);
	cr_expect_eq(copy.len, reply.len, "%s", what);
	cr_expect_arr_eq(copy.p, reply.p, reply.len, "%s", what);
	return reply;
}

static uint32_t
count(const struct box *b)
{
	return b->e.ipm.spd.count[1] + b->e.ipm.spd.count[2];
}

/* --- recordings --------------------------------------------------------------------- */

static const char *const files[] = { "inbound", "manual-bugs", "natt",
	"options-fragments", "outbound-algorithms", "outbound-misc",
	"outbound-sizes", "pfkey-exchanges", "policy-selection", "scenarios",
	"socket-policy", "sysctl-effects" };

static bool
is_spd(const json_t *step)
{
	return strcmp(vec_text(step, "op"), "pfkey") == 0 &&
	    strncmp(vec_text(step, "type"), "X_SPD", 5) == 0;
}

static void
expect_messages(struct box *b, uint32_t sock, const json_t *list,
    const char *id, size_t step)
{
	struct msg m;
	json_t *text;
	size_t i;

	json_array_foreach(list, i, text)
	{
		struct hx_octets want;

		cr_assert(hx_hex_read(json_string_value(text), &want));
		(void)recv_msg(b, sock, &m);
		cr_expect_eq(
		    m.len, want.len, "%s step %zu reply %zu", id, step, i);
		if (m.len == want.len && m.len != 0)
			cr_expect_arr_eq(m.p, want.p, m.len,
			    "%s step %zu reply %zu", id, step, i);
		hx_octets_free(&want);
	}
	cr_expect_eq(recv_msg(b, sock, &m), 0, "%s step %zu", id, step);
}

static void
play_step(struct box *b, const json_t *step, const char *id, size_t i)
{
	const json_t *other = json_object_get(step, "other_socket_received");
	const json_t *replies = json_object_get(step, "replies");
	struct hx_octets rq = vec_octets(step, "request");

	cr_expect_eq(pfk_send(&b->e, &b->pf, &b->env, b->sock, hx_span(&rq)),
	    (int)json_integer_value(json_object_get(step, "send_errno")),
	    "%s step %zu", id, i);
	hx_octets_free(&rq);
	expect_messages(b, b->sock, replies, id, i);
	if (other != NULL)
		expect_messages(b, b->other,
		    json_is_string(other) ? replies : other, id, i);
	else
		drain(b);
}

static size_t
play_case(const json_t *c)
{
	struct box b;
	json_t *step;
	size_t i, n = 0;

	box_init(&b, IPM_PF_FREEBSD_13);
	json_array_foreach(json_object_get(c, "steps"), i, step)
	{
		if (strcmp(vec_text(step, "op"), "advance") == 0) {
			b.env.sec += (uint64_t)json_integer_value(
			    json_object_get(step, "seconds"));
			pfk_clock(&b.e, &b.pf, &b.env);
		}
		if (!is_spd(step))
			continue;
		play_step(&b, step, vec_text(c, "id"), i);
		n++;
	}
	box_free(&b);
	return n;
}

/* [MAN-pfkey-02] [ARCH-4.4.1-19] [ARCH2401-4.4.1-08] Every message about
 * policies in all recordings: added, got, dumped in order, deleted. */
Test(pfk_spdb, recorded_exchanges)
{
	size_t n = 0;

	for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
		char path[128];
		json_t *root, *c;
		size_t i;

		(void)snprintf(
		    path, sizeof path, "vectors/freebsd/%s.json", files[f]);
		root = vec_load(path);
		json_array_foreach(json_object_get(root, "cases"), i, c) n +=
		    play_case(c);
		json_decref(root);
	}
	cr_expect_geq(n, 1600, "%zu", n);
}

/* [MAN-bugs-05] Dumps of many policies over receive buffers of several sizes:
 * as many messages as were recorded, the first and the last of them. */
static size_t
play_bulk(const json_t *c)
{
	struct box b;
	json_t *step;
	size_t i, dumps = 0;

	box_init(&b, IPM_PF_FREEBSD_13);
	json_array_foreach(json_object_get(c, "steps"), i, step)
	{
		const char *op = vec_text(step, "op");
		struct hx_octets o;

		if (strcmp(op, "setsockopt") == 0) {
			o = vec_octets(step, "value");
			cr_expect_eq(pfk_set_rcvbuf(&b.e, b.sock,
					 (uint32_t)pfk_le(o.p, 4)),
			    0);
			hx_octets_free(&o);
		} else if (strcmp(op, "bulk") == 0) {
			json_int_t n =
			    json_integer_value(json_object_get(step, "count"));

			o = vec_octets(step, "first_request");
			for (uint32_t k = 0; k < (uint32_t)n; k++) {
				/* the last address, of /30 networks */
				ipm_store32(
				    o.p + o.len - 12, 0xc6120000U + 4 * k);
				cr_expect_eq(pfk_send(&b.e, &b.pf, &b.env,
						 b.sock, hx_span(&o)),
				    0);
				drain(&b);
			}
			hx_octets_free(&o);
		} else if (strcmp(op, "bulk-dump") == 0) {
			size_t messages = 0, octets = 0;
			struct msg m, first, last = { .len = 0 };
			struct hx_octets want;

			o = vec_octets(step, "request");
			cr_expect_eq(
			    pfk_send(&b.e, &b.pf, &b.env, b.sock, hx_span(&o)),
			    0);
			hx_octets_free(&o);
			while (recv_msg(&b, b.sock, &m) != 0) {
				if (messages++ == 0)
					first = m;
				last = m;
				octets += m.len;
			}
			cr_expect_eq(messages,
			    (size_t)json_integer_value(
				json_object_get(step, "messages_received")));
			cr_expect_eq(octets,
			    (size_t)json_integer_value(
				json_object_get(step, "bytes_received")));
			cr_assert_neq(last.len, 0);
			want = vec_octets(step, "first_reply");
			cr_expect_arr_eq(first.p, want.p, want.len);
			hx_octets_free(&want);
			want = vec_octets(step, "last_reply");
			cr_expect_arr_eq(last.p, want.p, want.len);
			hx_octets_free(&want);
			dumps++;
		}
	}
	box_free(&b);
	return dumps;
}

Test(pfk_spdb, recorded_large_dumps)
{
	json_t *root = vec_load("vectors/freebsd/manual-bugs.json"), *c;
	size_t i, n = 0;

	json_array_foreach(json_object_get(root, "cases"), i,
	    c) if (strncmp(vec_text(c, "id"), "dump-SPDDUMP", 12) == 0) n +=
	    play_bulk(c);
	json_decref(root);
	cr_expect_geq(n, 7);
}

/* --- X_SPDADD ------------------------------------------------------------------------- */

/* The checks in front of the requests; each row damages a good message. */
Test(pfk_spdb, add_refuses_by_the_rules)
{
	/* Octets of the message of spdadd: X_POLICY at 16, source at 72,
	 * destination at 96. */
	static const struct {
		const char *rule;
		size_t at;
		uint8_t to;
		int want;
	} rows[] = {
		{ "direction any", 22, 0, PFK_EINVAL },
		{ "direction 3", 22, 3, PFK_EINVAL },
		{ "direction 255", 22, 255, PFK_EINVAL },
		{ "type entrust", 20, 3, PFK_EINVAL },
		{ "type bypass", 20, 4, PFK_EINVAL },
		{ "type 5", 20, 5, PFK_EINVAL },
		{ "type 258", 21, 1, PFK_EINVAL },
		{ "protocols differ", 76, 17, PFK_EINVAL },
		{ "families differ", 81, 28, PFK_EINVAL },
		{ "prefix 33", 77, 33, PFK_EINVAL },
		{ "prefix 33 of the destination", 101, 33, PFK_EINVAL },
		{ "request: length 7", 32, 7, PFK_EINVAL },
		{ "request: length past the end", 32, 48, PFK_EINVAL },
		{ "request: protocol", 34, 6, PFK_EPROTONOSUPPORT },
		{ "request: mode any", 36, 0, PFK_EINVAL },
		{ "request: mode tcpmd5", 36, 3, PFK_EINVAL },
		{ "request: level 4", 37, 4, PFK_EINVAL },
		{ "request: sa_len above 28", 40, 29, PFK_EINVAL },
		{ "request: sa_len does not fit", 40, 17, PFK_EINVAL },
		{ "request: second sa_len", 56, 15, PFK_EINVAL },
		{ "request: second family", 57, 28, PFK_EINVAL },
	};
	struct box b;
	struct msg m;

	box_init(&b, IPM_PF_FREEBSD_13);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		spdadd(&m, PFK_X_SPDADD);
		m.p[rows[i].at] = rows[i].to;
		refused(&b, &m, rows[i].want, rows[i].rule);
	}
	/* What is none of these is looked at by nobody. */
	spdadd(&m, PFK_X_SPDADD);
	m.p[6] = 9;   /* reserved of the header */
	m.p[23] = 77; /* octet 7 of the policy */
	(void)done(&b, &m, "reserved octets");
	box_free(&b);
}

/* That ipsec needs requests is seen before there is a look for the policy: it is
 * neither EEXIST, nor is the old one taken out. */
Test(pfk_spdb, no_requests_is_seen_first)
{
	static const uint8_t types[] = { PFK_X_SPDADD, PFK_X_SPDUPDATE };

	for (size_t i = 0; i < 2; i++) {
		struct box b;
		struct msg m;

		box_init(&b, IPM_PF_FREEBSD_13);
		spdadd(&m, PFK_X_SPDADD);
		(void)done(&b, &m, "the first");
		begin(&m, types[i]);
		(void)policy(&m, 2, 2, 0, 0);
		(void)addr4(&m, SRC, NET_A, 24);
		(void)addr4(&m, DST, NET_B, 16);
		refused(&b, &m, PFK_EINVAL, "no requests");
		cr_expect_eq(b.e.ipm.spd.count[IPM_DIR_OUT], 1);
		box_free(&b);
	}
}

Test(pfk_spdb, add_wants_its_extensions)
{
	for (int without = 0; without < 3; without++) {
		struct box b;
		struct msg m;

		box_init(&b, IPM_PF_FREEBSD_13);
		begin(&m, PFK_X_SPDADD);
		if (without != 0)
			tunnel(policy(&m, 2, 2, 0, 40) + 16);
		if (without != 1)
			(void)addr4(&m, SRC, NET_A, 24);
		if (without != 2)
			(void)addr4(&m, DST, NET_B, 16);
		refused(&b, &m, PFK_EINVAL, "missing");
		m.p[1] = PFK_X_SPDUPDATE;
		refused(&b, &m, PFK_EINVAL, "missing");
		m.p[1] = PFK_X_SPDSETIDX;
		refused(&b, &m, PFK_EINVAL, "missing");
		m.p[1] = PFK_X_SPDDELETE;
		refused(&b, &m, PFK_EINVAL, "missing");
		box_free(&b);
	}
}

/* IPSEC wants requests, the others pass over them; five are too many. */
Test(pfk_spdb, add_and_the_number_of_requests)
{
	for (uint8_t type = 0; type <= 2; type++)
		for (uint8_t n = 0; n <= 5; n++) {
			struct box b;
			struct msg m;
			uint8_t *p;
			bool good = type != 2 || (n >= 1 && n <= 4);

			box_init(&b, IPM_PF_FREEBSD_2017);
			begin(&m, PFK_X_SPDADD);
			p = policy(&m, type, 1, 0, 8U * n);
			for (uint8_t i = 0; i < n; i++) {
				p[16 + 8 * i] = 8;
				p[18 + 8 * i] = 51;
				p[20 + 8 * i] = 1;
			}
			(void)addr4(&m, SRC, NET_A, 24);
			(void)addr4(&m, DST, NET_B, 16);
			if (good)
				(void)done(&b, &m, "n");
			else
				refused(&b, &m, PFK_EINVAL, "n");
			cr_expect_eq(count(&b), good ? 1U : 0U);
			box_free(&b);
		}
}

/* Whoever adds what is there is refused, whatever its priority, type and
 * scope; other host bits or another direction are another policy. */
Test(pfk_spdb, add_of_what_exists)
{
	static const uint8_t types[] = { PFK_X_SPDADD, PFK_X_SPDSETIDX };
	static const struct {
		size_t at;
		uint8_t to;
		bool exists;
	} rows[] = {
		{ 28, 9, true },    /* priority */
		{ 23, 4, true },    /* octet 7 */
		{ 24, 9, true },    /* id */
		{ 37, 1, true },    /* level */
		{ 22, 1, false },   /* direction */
		{ 87, 1, false },   /* host bits of the source */
		{ 111, 1, false },  /* of the destination */
		{ 77, 25, false },  /* prefix */
		{ 83, 53, false },  /* source port */
		{ 107, 53, false }, /* destination port */
	};

	for (size_t t = 0; t < 2; t++)
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			struct box b;
			struct msg m;

			box_init(&b, IPM_PF_FREEBSD_13);
			spdadd(&m, PFK_X_SPDADD);
			(void)done(&b, &m, "first");
			m.p[1] = types[t];
			m.p[rows[i].at] = rows[i].to;
			if (rows[i].exists)
				refused(&b, &m, PFK_EEXIST, "exists");
			else
				(void)done(&b, &m, "another");
			cr_expect_eq(
			    count(&b), rows[i].exists ? 1U : 2U, "row %zu", i);
			box_free(&b);
		}
}

/* The reply: the request with id and chosen reqids, lifetimes where given, in
 * an order of its own; octet 7 as sent. */
Test(pfk_spdb, add_replies_in_its_own_order)
{
	struct box b;
	struct msg m, want, got;
	uint8_t *p;

	box_init(&b, IPM_PF_FREEBSD_2017);
	begin(&m, PFK_X_SPDADD);
	m.p[2] = 5; /* errno of the request */
	m.p[6] = 3; /* reserved */
	(void)addr4(&m, DST, NET_B, 16);
	p = ext(&m, HARD, 32);
	p[16] = 50;
	(void)ext(&m, 2, 32); /* LIFETIME_CURRENT is not answered */
	(void)addr4(&m, SRC, NET_A, 24);
	p = policy(&m, 2, 1, 0x77, 40);
	tunnel(p + 16);
	p[7] = 4;
	p[16 + 5] = 3; /* unique, reqid 0 */

	begin(&want, PFK_X_SPDADD);
	want.p[6] = 3;
	p = policy(&want, 2, 1, 1, 40);
	tunnel(p + 16);
	p[7] = 4;
	p[16 + 5] = 3;
	p[16 + 6] = 0x01;
	p[16 + 7] = 0x40;
	p = ext(&want, HARD, 32);
	p[16] = 50;
	(void)addr4(&want, SRC, NET_A, 24);
	(void)addr4(&want, DST, NET_B, 16);

	got = done(&b, &m, "add");
	cr_expect_eq(got.len, want.len);
	cr_expect_arr_eq(got.p, want.p, want.len);
	box_free(&b);
}

/* A refusal shows the reqids that were chosen before it, and they are gone. */
Test(pfk_spdb, refusal_shows_chosen_reqids)
{
	struct box b;
	struct msg m, reply;
	uint8_t *p;

	box_init(&b, IPM_PF_FREEBSD_13);
	begin(&m, PFK_X_SPDADD);
	p = policy(&m, 2, 2, 0, 24);
	for (uint8_t i = 0; i < 3; i++) {
		p[16 + 8 * i] = 8;
		p[18 + 8 * i] = 50;
		p[20 + 8 * i] = 1;
		p[21 + 8 * i] = i == 2 ? 4 : 3;
	}
	(void)addr4(&m, SRC, NET_A, 24);
	(void)addr4(&m, DST, NET_B, 16);
	reply = exchange(&b, &m, PFK_EINVAL, "level 4 at last");
	cr_expect_eq(pfk_le(reply.p + 16 + 22, 2), 0x4001);
	cr_expect_eq(pfk_le(reply.p + 16 + 30, 2), 0x4002);
	cr_expect_eq(pfk_le(reply.p + 16 + 38, 2), 0);
	cr_expect_eq(b.e.ipm.spd.last_reqid, 0x4002);
	cr_expect_eq(count(&b), 0);
	box_free(&b);
}

/* --- X_SPDUPDATE ----------------------------------------------------------------------- */

/* An update has a new id; of what is not there it is an addition. */
Test(pfk_spdb, update_gives_a_new_id)
{
	struct box b;
	struct msg m, reply;

	box_init(&b, IPM_PF_MANUAL);
	spdadd(&m, PFK_X_SPDUPDATE);
	reply = done(&b, &m, "of nothing");
	cr_expect_eq(reply.p[24], 1);
	cr_expect_eq(count(&b), 1);
	m.p[37] = 1; /* level use */
	m.p[28] = 9; /* priority */
	reply = done(&b, &m, "of something");
	cr_expect_eq(reply.p[24], 2);
	cr_expect_eq(count(&b), 1);
	by_id(&m, PFK_X_SPDGET, 1);
	refused(&b, &m, PFK_ENOENT, "the old id");
	by_id(&m, PFK_X_SPDGET, 2);
	reply = exchange(&b, &m, 0, "the new id");
	cr_expect_eq(reply.p[80 - 16 + 12], 9, "priority");
	box_free(&b);
}

/* The updated policy stands where a new one would: behind its equals. */
Test(pfk_spdb, update_moves_to_the_end)
{
	struct box b;
	struct msg m;
	const struct ipm_sp *sp;

	box_init(&b, IPM_PF_FREEBSD_13);
	spdadd(&m, PFK_X_SPDADD);
	(void)done(&b, &m, "first");
	m.p[77] = 23;
	(void)done(&b, &m, "second");
	spdadd(&m, PFK_X_SPDUPDATE);
	(void)done(&b, &m, "update");
	sp = ipm_arena_at(&b.e.ipm.arena, b.e.ipm.spd.first[2]);
	cr_expect_eq(sp->id, 2);
	sp = ipm_arena_at(&b.e.ipm.arena, b.e.ipm.spd.last[2]);
	cr_expect_eq(sp->id, 3);
	box_free(&b);
}

/* FreeBSD has unlinked the old policy before it reads the requests of the new
 * one; mended, a refused update changes nothing. */
Test(pfk_spdb, refused_update)
{
	static const struct {
		enum ipm_profile_id pf;
		uint32_t left;
	} rows[] = { { IPM_PF_FREEBSD_2017, 0 }, { IPM_PF_FREEBSD_13, 0 },
		{ IPM_PF_MANUAL, 1 } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box b;
		struct msg m;
		uint64_t before;

		box_init(&b, rows[i].pf);
		spdadd(&m, PFK_X_SPDADD);
		(void)done(&b, &m, "add");
		before = digest(&b);
		m.p[1] = PFK_X_SPDUPDATE;
		m.p[36] = 3; /* mode */
		(void)exchange(&b, &m, PFK_EINVAL, "mode");
		cr_expect_eq(count(&b), rows[i].left, "row %zu", i);
		cr_expect_eq(digest(&b) == before, rows[i].left == 1);
		/* What is refused before never unlinks. */
		drain(&b);
		spdadd(&m, PFK_X_SPDUPDATE);
		(void)done(&b, &m, "again");
		m.p[22] = 3;
		refused(&b, &m, PFK_EINVAL, "direction");
		cr_expect_eq(count(&b), 1);
		box_free(&b);
	}
}

/* --- ids ------------------------------------------------------------------------------ */

/* net.key.spi_trycnt 1: FreeBSD's loop takes the only try for a failure, and
 * the id is gone; mended it is enough.  0 is never enough, negative endless. */
Test(pfk_spdb, tries_for_an_id)
{
	static const struct {
		enum ipm_profile_id pf;
		int32_t tries;
		bool good;
		uint32_t last_id;
	} rows[] = {
		{ IPM_PF_FREEBSD_2017, 0, false, 0 },
		{ IPM_PF_FREEBSD_2017, 1, false, 1 },
		{ IPM_PF_FREEBSD_2017, 2, true, 1 },
		{ IPM_PF_FREEBSD_2017, -1, true, 1 },
		{ IPM_PF_FREEBSD_13, 1, false, 1 },
		{ IPM_PF_MANUAL, 0, false, 0 },
		{ IPM_PF_MANUAL, 1, true, 1 },
		{ IPM_PF_MANUAL, -1, true, 1 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box b;
		struct msg m;

		box_init(&b, rows[i].pf);
		b.e.ipm.sysctls.v[IPM_SV_SPI_TRYCNT] = rows[i].tries;
		spdadd(&m, PFK_X_SPDADD);
		if (rows[i].good)
			(void)done(&b, &m, "id");
		else
			(void)exchange(&b, &m, PFK_ENOBUFS, "id");
		cr_expect_eq(count(&b), rows[i].good ? 1U : 0U, "row %zu", i);
		cr_expect_eq(
		    b.e.ipm.spd.last_id, rows[i].last_id, "row %zu", i);
		box_free(&b);
	}
}

/* --- X_SPDDELETE, X_SPDDELETE2, X_SPDFLUSH ------------------------------------------------ */

/* Deletion by selector compares everything that makes a policy another one,
 * and not its type; what is not there is EINVAL. */
Test(pfk_spdb, delete_by_selector)
{
	/* X_POLICY at 16, source at 32, destination at 56. */
	static const struct {
		const char *rule;
		size_t at;
		uint8_t to;
		bool good;
	} rows[] = {
		{ "as it is", 20, 2, true },
		{ "type none", 20, 1, true },
		{ "type discard", 20, 0, true },
		{ "type entrust", 20, 3, false },
		{ "type 258", 21, 1, false },
		{ "direction in", 22, 1, false },
		{ "direction any", 22, 0, false },
		{ "direction 3", 22, 3, false },
		{ "priority", 28, 1, true },
		{ "id", 24, 9, true },
		{ "host bits", 47, 1, false },
		{ "source prefix", 37, 25, false },
		{ "destination prefix", 61, 15, false },
		{ "port", 43, 1, false },
		{ "protocol of one", 36, 6, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box b;
		struct msg m, reply;

		box_init(&b, IPM_PF_FREEBSD_13);
		spdadd(&m, PFK_X_SPDADD);
		(void)done(&b, &m, "add");
		spddelete(&m);
		m.p[rows[i].at] = rows[i].to;
		if (rows[i].good) {
			reply = done(&b, &m, rows[i].rule);
			m.p[24] = 1; /* the id is filled in */
			cr_expect_arr_eq(
			    reply.p, m.p, m.len, "%s", rows[i].rule);
		} else
			refused(&b, &m, PFK_EINVAL, rows[i].rule);
		cr_expect_eq(
		    count(&b), rows[i].good ? 0U : 1U, "%s", rows[i].rule);
		box_free(&b);
	}
}

/* Deletion by id and looking up by id: what is not there is EINVAL there and
 * ENOENT here. */
Test(pfk_spdb, by_id)
{
	struct box b;
	struct msg m, reply;

	box_init(&b, IPM_PF_FREEBSD_13);
	spdadd(&m, PFK_X_SPDADD);
	(void)done(&b, &m, "add");
	by_id(&m, PFK_X_SPDGET, 0);
	refused(&b, &m, PFK_ENOENT, "get 0");
	by_id(&m, PFK_X_SPDGET, 2);
	refused(&b, &m, PFK_ENOENT, "get 2");
	by_id(&m, PFK_X_SPDDELETE2, 0);
	refused(&b, &m, PFK_EINVAL, "delete 0");
	by_id(&m, PFK_X_SPDDELETE2, 257);
	refused(&b, &m, PFK_EINVAL, "delete 257");
	begin(&m, PFK_X_SPDGET);
	m.p[4] = 2;
	refused(&b, &m, PFK_EINVAL, "get without policy");
	m.p[1] = PFK_X_SPDDELETE2;
	refused(&b, &m, PFK_EINVAL, "delete without policy");
	begin(&m, PFK_X_SPDDELETE2);
	tunnel(policy(&m, 9, 9, 1, 40) + 16);
	reply = done(&b, &m, "delete 1, the rest as sent");
	cr_expect_arr_eq(reply.p, m.p, m.len);
	cr_expect_eq(count(&b), 0);
	box_free(&b);
}

/* A flush takes both directions; with anything behind its header it is
 * refused. */
Test(pfk_spdb, flush)
{
	struct box b;
	struct msg m, reply;

	box_init(&b, IPM_PF_FREEBSD_13);
	for (uint8_t i = 0; i < 10; i++) {
		spdadd(&m, PFK_X_SPDADD);
		m.p[22] = i % 2 + 1;
		m.p[77] = i + 8;
		(void)done(&b, &m, "add");
	}
	begin(&m, PFK_X_SPDFLUSH);
	(void)ext(&m, 1, 16);
	refused(&b, &m, PFK_EINVAL, "an extension");
	begin(&m, PFK_X_SPDFLUSH);
	m.p[4] = 2;
	m.p[6] = 5;
	reply = done(&b, &m, "flush");
	cr_expect_eq(reply.len, 16);
	cr_expect_arr_eq(reply.p, m.p, 16);
	cr_expect_eq(count(&b), 0);
	(void)done(&b, &m, "flush of nothing");
	spdadd(&m, PFK_X_SPDADD);
	reply = done(&b, &m, "add");
	cr_expect_eq(reply.p[24], 11, "ids go on");
	box_free(&b);
}

/* --- X_SPDGET, X_SPDDUMP ------------------------------------------------------------------ */

/* The references that sockets hold are told beside the kernel's own. */
Test(pfk_spdb, references)
{
	struct box b;
	struct msg m, reply;

	box_init(&b, IPM_PF_FREEBSD_2017);
	spdadd(&m, PFK_X_SPDADD);
	(void)done(&b, &m, "add");
	ipm_sp_hold(&b.e.ipm.arena, b.e.ipm.spd.first[2]);
	ipm_sp_hold(&b.e.ipm.arena, b.e.ipm.spd.first[2]);
	ipm_sp_hold(&b.e.ipm.arena, b.e.ipm.spd.first[2]);
	by_id(&m, PFK_X_SPDGET, 1);
	reply = exchange(&b, &m, 0, "get");
	cr_expect_eq(pfk_le(reply.p + 6, 2), 5);
	begin(&m, PFK_X_SPDDUMP);
	m.p[4] = 2;
	reply = exchange(&b, &m, 0, "dump");
	cr_expect_eq(pfk_le(reply.p + 6, 2), 4);
	box_free(&b);
}

/* Lifetimes are shown when the age is limited; when the use alone is, FreeBSD
 * keeps silent about it. */
Test(pfk_spdb, lifetimes_shown)
{
	static const struct {
		enum ipm_profile_id pf;
		uint8_t add, use;
		bool shown;
	} rows[] = {
		{ IPM_PF_FREEBSD_13, 0, 0, false },
		{ IPM_PF_FREEBSD_13, 5, 0, true },
		{ IPM_PF_FREEBSD_13, 5, 9, true },
		{ IPM_PF_FREEBSD_13, 0, 9, false },
		{ IPM_PF_FREEBSD_2017, 0, 9, false },
		{ IPM_PF_MANUAL, 0, 0, false },
		{ IPM_PF_MANUAL, 5, 0, true },
		{ IPM_PF_MANUAL, 0, 9, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box b;
		struct msg m, reply;
		uint8_t *p;

		box_init(&b, rows[i].pf);
		spdadd(&m, PFK_X_SPDADD);
		p = ext(&m, HARD, 32);
		p[16] = rows[i].add;
		p[24] = rows[i].use;
		(void)done(&b, &m, "add");
		b.env.sec = 4;
		by_id(&m, PFK_X_SPDGET, 1);
		reply = exchange(&b, &m, 0, "get");
		cr_expect_eq(reply.len, rows[i].shown ? 184U : 120U);
		if (rows[i].shown) {
			p = reply.p + 120;
			cr_expect_eq(pfk_le(p, 4), 0x20004);
			cr_expect_eq(pfk_le(p + 16, 8), 3);
			cr_expect_eq(pfk_le(p + 24, 8), 3);
			p += 32;
			cr_expect_eq(pfk_le(p, 4), 0x30004);
			cr_expect_eq(pfk_le(p + 16, 8), rows[i].add);
			cr_expect_eq(pfk_le(p + 24, 8), rows[i].use);
		}
		box_free(&b);
	}
}

/* Scopes: octet 7 tells, and a dump selects, where they exist. */
Test(pfk_spdb, scopes)
{
	static const struct {
		enum ipm_profile_id pf;
		uint8_t satype;
		int want; /* -1: the policy */
		uint8_t octet7;
	} rows[] = {
		{ IPM_PF_FREEBSD_13, 0, -1, 1 },
		{ IPM_PF_FREEBSD_13, 1, -1, 1 },
		{ IPM_PF_FREEBSD_13, 2, PFK_ENOENT, 0 },
		{ IPM_PF_FREEBSD_13, 4, PFK_ENOENT, 0 },
		{ IPM_PF_FREEBSD_13, 3, PFK_EINVAL, 0 },
		{ IPM_PF_FREEBSD_2017, 0, -1, 0 },
		{ IPM_PF_FREEBSD_2017, 1, PFK_EINVAL, 0 },
		{ IPM_PF_FREEBSD_2017, 2, PFK_EINVAL, 0 },
		{ IPM_PF_MANUAL, 0, -1, 0 },
		{ IPM_PF_MANUAL, 1, PFK_EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct box b;
		struct msg m, reply;

		box_init(&b, rows[i].pf);
		spdadd(&m, PFK_X_SPDADD);
		(void)done(&b, &m, "add");
		begin(&m, PFK_X_SPDDUMP);
		m.p[3] = rows[i].satype;
		m.p[4] = 2;
		if (rows[i].want < 0) {
			reply = exchange(&b, &m, 0, "dump");
			cr_expect_eq(reply.p[3], 0);
			cr_expect_eq(reply.len, 120);
			cr_expect_eq(
			    reply.p[64 + 7], rows[i].octet7, "row %zu", i);
		} else
			refused(&b, &m, rows[i].want, "dump");
		box_free(&b);
	}
}

/* A socket's policies are in no dump, and cannot be had by id. */
Test(pfk_spdb, policies_of_sockets_stay_out)
{
	static const uint8_t bypass[16] = { 2, 0, 18, 0, 4, 0, 2 };
	struct ipm_pcb as = { .id = 1, .family = 4, .proto = 17 };
	struct box b;
	struct msg m;
	ipm_off pcb;

	box_init(&b, IPM_PF_FREEBSD_13);
	cr_assert_eq(
	    ipm_pcb_open(&b.e.ipm.pcbs, &b.e.ipm.arena, &b.m.alloc, &as, &pcb),
	    IPM_OK);
	cr_assert_eq(pfk_set_policy(&b.e, &b.pf, &b.env, pcb, true,
			 ipm_span(bypass, sizeof bypass)),
	    0);
	begin(&m, PFK_X_SPDDUMP);
	m.p[4] = 2;
	refused(&b, &m, PFK_ENOENT, "dump");
	by_id(&m, PFK_X_SPDGET, 0);
	refused(&b, &m, PFK_ENOENT, "get");
	box_free(&b);
}

/* An acquire names the policy that caused it in 16 octets, without its scope
 * (recording lifetime-add of inbound: 02001200020002000100000000000000). */
Test(pfk_spdb, acquire_names_the_policy)
{
	static const uint8_t want[16] = { 2, 0, 18, 0, 2, 0, 2, 0, 1 };
	struct ipm_wanted w = { .src = { .family = 4,
				    .octet = { 192, 0, 2, 1 } },
		.dst = { .family = 4, .octet = { 192, 0, 2, 2 } },
		.proto = 50,
		.mode = IPM_MODE_TUNNEL };
	struct box b;
	struct msg m;

	box_init(&b, IPM_PF_FREEBSD_13);
	spdadd(&m, PFK_X_SPDADD);
	(void)done(&b, &m, "add");
	begin(&m, PFK_REGISTER);
	m.p[3] = 3;
	m.p[4] = 2;
	cr_assert_eq(send_msg(&b, &m), 0);
	drain(&b);
	w.sp = b.e.ipm.spd.first[2];
	cr_assert_eq(pfk_acquire(&b.e, &b.pf, &b.env, &w), 0);
	cr_assert_neq(recv_msg(&b, b.sock, &m), 0);
	cr_expect_eq(m.p[1], PFK_ACQUIRE);
	cr_expect_arr_eq(m.p + 64, want, sizeof want);
	/* another flow, without a policy */
	w.dst.octet[3] = 3;
	w.sp = 0;
	cr_assert_eq(pfk_acquire(&b.e, &b.pf, &b.env, &w), 0);
	cr_assert_neq(recv_msg(&b, b.sock, &m), 0);
	cr_expect_neq(m.p[64 + 2], POL);
	box_free(&b);
}

/* --- the timer ------------------------------------------------------------------------------ */

static void
add_mortal(
    struct box *b, uint8_t dir, uint8_t prefix, uint8_t life, uint8_t use)
{
	struct msg m;
	uint8_t *p;

	spdadd(&m, PFK_X_SPDADD);
	m.p[22] = dir;
	m.p[77] = prefix;
	p = ext(&m, HARD, 32);
	p[16] = life;
	p[24] = use;
	(void)done(b, &m, "mortal");
}

static void
tick(struct box *b, uint64_t now)
{
	struct pfk_call c = { &b->e, &b->pf, &b->env, 0, NULL };

	b->env.sec = now;
	pfk_spd_tick(&c, now);
}

/* Registered sockets are told, in the reverse order of a dump; limits must be
 * passed, not reached. */
Test(pfk_spdb, expiry)
{
	static const uint8_t order[][2] = { { 2, 26 }, { 2, 24 }, { 1, 25 },
		{ 1, 23 } };
	struct box b;
	struct msg m, want;
	uint8_t *p;
	size_t n = 0;
	ipm_off sock;

	box_init(&b, IPM_PF_FREEBSD_13);
	add_mortal(&b, 1, 23, 10, 0);
	add_mortal(&b, 2, 24, 0, 10);
	add_mortal(&b, 1, 25, 10, 50);
	add_mortal(&b, 2, 26, 50, 10);
	add_mortal(&b, 2, 27, 11, 0);
	add_mortal(&b, 2, 28, 0, 0);
	for (sock = b.e.socks; sock != 0;) {
		struct pfk_sock *s = ipm_arena_at(&b.e.ipm.arena, sock);

		s->registered = s->id == b.other;
		sock = s->next;
	}
	tick(&b, 13);
	cr_expect_eq(count(&b), 6);
	tick(&b, 14);
	cr_expect_eq(count(&b), 2);
	while (recv_msg(&b, b.other, &m) != 0) {
		cr_assert_lt(n, 4);
		cr_expect_eq(m.p[1], PFK_X_SPDEXPIRE);
		cr_expect_eq(m.p[16 + 64 + 5], order[n][1], "message %zu", n);
		cr_expect_eq(m.p[16 + 64 + 48 + 6], order[n][0]);
		n++;
	}
	cr_expect_eq(n, 4);
	cr_expect_eq(recv_msg(&b, b.sock, &m), 0, "not registered");

	/* One in full. */
	tick(&b, 15);
	begin(&want, PFK_X_SPDEXPIRE);
	memset(want.p + 8, 0, 8);
	p = ext(&want, 2, 32);
	p[16] = 3;
	p[24] = 3;
	p = ext(&want, HARD, 32);
	p[16] = 11;
	(void)addr4(&want, SRC, NET_A, 27);
	(void)addr4(&want, DST, NET_B, 16);
	p = policy(&want, 2, 2, 5, 40);
	p[7] = 1;
	tunnel(p + 16);
	cr_assert_eq(recv_msg(&b, b.other, &m), want.len);
	cr_expect_arr_eq(m.p, want.p, want.len);
	tick(&b, 1000);
	cr_expect_eq(count(&b), 1, "no limits");
	box_free(&b);
}

/* A policy that is used lives on; one that aged does not. */
Test(pfk_spdb, use_puts_off_validtime_alone)
{
	struct box b;
	struct ipm_selector x = {
		.src = { .addr = { .family = 4, .octet = { 10, 1, 0, 1 } } },
		.dst = { .addr = { .family = 4, .octet = { 10, 2, 0, 1 } } },
		.src_prefix = 32,
		.dst_prefix = 32,
		.proto = 17
	};

	box_init(&b, IPM_PF_FREEBSD_13);
	add_mortal(&b, 2, 24, 100, 10);
	for (uint64_t now = 4; now <= 103; now++) {
		cr_expect_neq(ipm_spd_lookup(&b.e.ipm.spd, &b.e.ipm.arena,
				  IPM_DIR_OUT, &x, now),
		    0);
		tick(&b, now);
		cr_expect_eq(count(&b), 1, "second %u", (unsigned)now);
	}
	tick(&b, 104);
	cr_expect_eq(count(&b), 0);
	box_free(&b);
}

/* --- index, memory, copies ------------------------------------------------------------------- */

/* Changes that did not come through PF_KEY, and copies, are seen. */
Test(pfk_spdb, index_follows_the_database)
{
	struct box b;
	struct pfk_engine copy;
	struct msg m;
	ipm_off off;
	struct ipm_sp_config c = {
		.sel = { .src = { .addr = { .family = 4, .octet = { 10, 1 } } },
		    .dst = { .addr = { .family = 4, .octet = { 10, 2 } } },
		    .src_prefix = 24,
		    .dst_prefix = 16,
		    .proto = 255 },
		.dir = IPM_DIR_OUT,
		.type = IPM_POLICY_NONE
	};

	box_init(&b, IPM_PF_FREEBSD_13);
	by_id(&m, PFK_X_SPDGET, 1);
	refused(&b, &m, PFK_ENOENT, "empty");
	cr_assert_eq(ipm_spd_add(&b.e.ipm.spd, &b.e.ipm.arena, &b.m.alloc, 3,
			 10, &c, &off),
	    IPM_OK);
	spdadd(&m, PFK_X_SPDADD);
	refused(&b, &m, PFK_EEXIST, "added elsewhere");
	by_id(&m, PFK_X_SPDGET, 1);
	(void)exchange(&b, &m, 0, "by id");
	cr_assert_eq(pfk_engine_clone(&copy, &b.e, &b.m.alloc), IPM_OK);
	ipm_spd_del(&b.e.ipm.spd, &b.e.ipm.arena, off);
	refused(&b, &m, PFK_ENOENT, "removed elsewhere");
	spdadd(&m, PFK_X_SPDADD);
	(void)done(&b, &m, "free again");
	pfk_engine_free(&b.e, &b.m.alloc);
	b.e = copy;
	refused(&b, &m, PFK_EEXIST, "in the copy");
	spddelete(&m);
	(void)done(&b, &m, "in the copy");
	box_free(&b);
}

/* Random messages against a plain list of selectors: the index of the engine
 * and walks over the lists agree at every step. */
Test(pfk_spdb, index_agrees_with_walks_on_random_histories)
{
	struct box b;
	uint64_t rng = 11;

	box_init(&b, IPM_PF_FREEBSD_13);
	for (unsigned step = 0; step < 6000; step++) {
		struct ipm_selector sel = {
			.src_prefix = 24, .dst_prefix = 16, .proto = 255
		};
		struct msg m, reply;
		uint64_t v = db_random(&rng);
		uint8_t dir = (uint8_t)(1 + (v & 1));
		uint32_t host = (uint32_t)(v >> 8 & 63);
		uint32_t id = (uint32_t)(v >> 16) % (b.e.ipm.spd.last_id + 2);
		ipm_off off;

		sel.src.addr.family = sel.dst.addr.family = 4;
		ipm_store32(sel.src.addr.octet, NET_A + host);
		ipm_store32(sel.dst.addr.octet, NET_B);
		if ((v >> 4 & 3) < 2) {
			spdadd(&m, PFK_X_SPDADD);
			m.p[22] = dir;
			ipm_store32(m.p + 84, NET_A + host);
			m.p[28] = (uint8_t)(v >> 48 & 3);
			off = ipm_spd_exact(
			    &b.e.ipm.spd, &b.e.ipm.arena, dir, &sel);
			(void)exchange(
			    &b, &m, off != 0 ? PFK_EEXIST : 0, "add");
		} else if ((v >> 4 & 3) == 2) {
			spddelete(&m);
			m.p[22] = dir;
			ipm_store32(m.p + 44, NET_A + host);
			off = ipm_spd_exact(
			    &b.e.ipm.spd, &b.e.ipm.arena, dir, &sel);
			(void)exchange(
			    &b, &m, off == 0 ? PFK_EINVAL : 0, "delete");
		} else {
			by_id(&m,
			    v >> 60 == 0 ? PFK_X_SPDDELETE2 : PFK_X_SPDGET, id);
			off = ipm_spd_by_id(&b.e.ipm.spd, &b.e.ipm.arena, id);
			reply = exchange(&b, &m,
			    off != 0 && id != 0 ? 0
				: v >> 60 == 0  ? PFK_EINVAL
						: PFK_ENOENT,
			    "id");
			if (off != 0 && v >> 60 != 0)
				cr_expect_eq(
				    pfk_le(reply.p + 16 + 48 + 8, 4), id);
		}
		/* Neither insertion nor removal has thrown it away. */
		cr_expect_eq(b.e.index.spd_generation, b.e.ipm.spd.generation);
		drain(&b);
	}
	box_free(&b);
}

/* Leaves `room` octets in the arena, which grows no more. */
static void
squeeze(struct box *b, size_t room)
{
	struct ipm_arena *a = &b->e.ipm.arena;

	cr_assert(ipm_arena_reserve(a, &b->m.alloc, room));
	b->m.fail_at = b->m.calls + 1;
	while (a->cap - a->used > room) {
		size_t more = a->cap - a->used - room;

		cr_assert_neq(
		    ipm_arena_take(a, &b->m.alloc, more < 256 ? more : 256), 0);
	}
}

/* Four requests without addresses: more in the database than on the wire. */
static void
spdadd_four(struct msg *m, uint8_t type)
{
	uint8_t *p;

	begin(m, type);
	p = policy(m, 2, 2, 0, 32);
	for (uint8_t i = 0; i < 4; i++) {
		p[16 + 8 * i] = 8;
		p[18 + 8 * i] = 50;
		p[20 + 8 * i] = 1;
		p[21 + 8 * i] = 2;
	}
	(void)addr4(m, SRC, NET_A, 24);
	(void)addr4(m, DST, NET_B, 16);
}

/*
 * One message with `room` octets to be had: either the policy is there in full
 * and its sender told, or the database is as it was.
 *
 *   rcvbuf  of both sockets; below 114 no message fits, and the call fails for
 *           that alone
 */
static void
send_in_room(uint8_t type, size_t room, uint32_t rcvbuf, unsigned *failed,
    unsigned *added)
{
	bool deaf = rcvbuf < 114;
	struct box b;
	struct msg m, reply = { .len = 0 };
	uint64_t before;
	int err;

	box_init(&b, IPM_PF_FREEBSD_13);
	spdadd_four(&m, PFK_X_SPDADD);
	if (type == PFK_X_SPDUPDATE)
		(void)done(&b, &m, "old");
	by_id(&reply, PFK_X_SPDGET, 9); /* the index is there */
	(void)exchange(&b, &reply, PFK_ENOENT, "get");
	memset(&reply, 0, sizeof reply);
	cr_assert_eq(pfk_set_rcvbuf(&b.e, b.sock, rcvbuf), 0);
	cr_assert_eq(pfk_set_rcvbuf(&b.e, b.other, rcvbuf), 0);
	squeeze(&b, room);
	m.p[1] = type;
	m.p[37] = 3; /* unique */
	before = digest(&b);
	err = send_msg(&b, &m);
	if (err != 0 || deaf)
		cr_expect_eq(err, PFK_ENOBUFS);
	if (err == 0)
		cr_expect_neq(recv_msg(&b, b.sock, &reply), 0);
	if (digest(&b) == before) {
		++*failed;
		if (err == 0) {
			cr_expect_eq(reply.p[2], PFK_ENOBUFS);
			cr_expect_eq(reply.p[38], 0, "a reqid in it");
		}
	} else {
		++*added;
		cr_expect_eq(count(&b), 1, "room %zu", room);
		cr_expect_eq(b.e.ipm.spd.last_reqid, 0x4001);
		cr_expect_eq(err != 0, deaf, "room %zu", room);
		cr_expect_eq(reply.p[2], 0);
	}
	box_free(&b);
}

Test(pfk_spdb, no_room_changes_nothing)
{
	static const uint8_t types[] = { PFK_X_SPDADD, PFK_X_SPDUPDATE };
	static const struct {
		uint32_t rcvbuf;
		size_t step;
	} rows[] = { { 1, 8 }, { 114, 8 }, { PFK_RCVBUF, 256 } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t t = 0; t < 2; t++) {
			unsigned failed = 0, added = 0;

			for (size_t k = 0; k < 250; k++)
				send_in_room(types[t], k * rows[i].step,
				    rows[i].rcvbuf, &failed, &added);
			cr_expect_gt(failed, 10);
			cr_expect_gt(added, 10);
		}
}

/* A dump into sockets that take all of it: in too little room it is refused,
 * and else complete. */
Test(pfk_spdb, no_room_for_a_dump)
{
	unsigned failed = 0, complete = 0;

	for (size_t room = 0; room < 300000; room += 4096) {
		struct box b;
		struct msg m;
		int err;

		box_init(&b, IPM_PF_FREEBSD_13);
		for (uint32_t i = 0; i < 400; i++) {
			spdadd(&m, PFK_X_SPDADD);
			ipm_store32(m.p + 84, NET_A + i);
			(void)done(&b, &m, "add");
		}
		cr_assert_eq(pfk_set_rcvbuf(&b.e, b.sock, 65536), 0);
		squeeze(&b, room);
		begin(&m, PFK_X_SPDDUMP);
		m.p[4] = 2;
		err = send_msg(&b, &m);
		if (err == 0 && recv_msg(&b, b.sock, &m) != 0 && m.p[2] == 0) {
			uint32_t left = 399;

			complete++;
			do
				cr_expect_eq(pfk_le(m.p + 8, 4), left--);
			while (recv_msg(&b, b.sock, &m) != 0);
			cr_expect_eq(left, UINT32_MAX, "room %zu", room);
		} else {
			failed++;
			cr_expect_eq(err == 0 ? m.p[2] : err, PFK_ENOBUFS);
			cr_expect_eq(recv_msg(&b, b.sock, &m), 0);
		}
		box_free(&b);
	}
	cr_expect_gt(failed, 10);
	cr_expect_gt(complete, 10);
}

/* The same when the allocator fails at its n-th call. */
Test(pfk_spdb, failing_allocator_changes_nothing)
{
	unsigned failed = 0;

	for (size_t at = 1; at < 40; at++) {
		struct box b;
		struct msg m;
		uint64_t before;

		box_init(&b, IPM_PF_FREEBSD_2017);
		b.m.fail_at = b.m.calls + at;
		for (uint8_t i = 0; i < 60; i++) {
			int err;

			spdadd(&m, PFK_X_SPDADD);
			m.p[77] = i / 2;
			m.p[22] = i % 2 + 1;
			before = digest(&b);
			err = send_msg(&b, &m);
			if (err != 0) {
				failed++;
				cr_expect_eq(err, PFK_ENOBUFS);
				cr_expect_eq(digest(&b), before);
			}
			drain(&b);
		}
		box_free(&b);
	}
	cr_expect_gt(failed, 100);
}

/* Every truncation of a message with a policy (its length mended) and every
 * value of its policy's length: refused, or a policy; never a trace of both. */
Test(pfk_spdb, truncations_change_nothing)
{
	struct box b;
	struct msg good, m;
	uint64_t before;

	box_init(&b, IPM_PF_FREEBSD_13);
	spdadd(&good, PFK_X_SPDADD);
	before = digest(&b);
	for (size_t n = 0; n < good.len; n++) {
		m = good;
		m.len = n;
		cr_expect_neq(send_msg(&b, &m), 0, "%zu octets", n);
		cr_expect_eq(digest(&b), before);
		m.p[4] = (uint8_t)(n / 8);
		if (n >= 16)
			(void)send_msg(&b, &m);
		cr_expect_eq(digest(&b), before, "%zu octets, stated", n);
		drain(&b);
	}
	for (unsigned v = 0; v < 256; v++) {
		m = good;
		m.p[16] = (uint8_t)v;
		if (m.p[16] == good.p[16])
			continue;
		(void)send_msg(&b, &m);
		cr_expect_eq(digest(&b), before, "policy of %u", v);
		drain(&b);
	}
	for (unsigned v = 0; v < 256; v++) {
		m = good;
		m.p[32] = (uint8_t)v;
		if (v == good.p[32])
			continue;
		refused(&b, &m, PFK_EINVAL, "request of another length");
	}
	box_free(&b);
}

/* A copy of the engine goes its own way. */
Test(pfk_spdb, clone)
{
	struct box b;
	struct pfk_engine copy;
	struct msg m;
	uint64_t want;

	box_init(&b, IPM_PF_FREEBSD_13);
	spdadd(&m, PFK_X_SPDADD);
	(void)done(&b, &m, "add");
	cr_assert_eq(pfk_engine_clone(&copy, &b.e, &b.m.alloc), IPM_OK);
	want = pfk_engine_digest(&copy);
	cr_expect_eq(pfk_engine_digest(&b.e), want);
	begin(&m, PFK_X_SPDFLUSH);
	m.p[4] = 2;
	(void)done(&b, &m, "flush");
	cr_expect_neq(pfk_engine_digest(&b.e), want);
	cr_expect_eq(pfk_engine_digest(&copy), want);
	pfk_engine_free(&copy, &b.m.alloc);
	box_free(&b);
}

/* A hundred thousand policies: an addition does not walk over them (ten billion
 * steps would outlast any patience). */
Test(pfk_spdb, many_policies)
{
	struct box b;
	struct msg m;

	box_init(&b, IPM_PF_FREEBSD_13);
	spdadd(&m, PFK_X_SPDADD);
	m.p[77] = 32;
	for (uint32_t i = 0; i < 100000; i++) {
		struct msg reply;

		ipm_store32(m.p + 84, i);
		cr_assert_eq(send_msg(&b, &m), 0);
		cr_assert_neq(recv_msg(&b, b.sock, &reply), 0);
		cr_assert_eq(reply.p[2], 0);
		(void)recv_msg(&b, b.other, &reply);
	}
	cr_expect_eq(count(&b), 100000);
	spdadd(&m, PFK_X_SPDADD);
	m.p[77] = 32;
	ipm_store32(m.p + 84, 77777);
	refused(&b, &m, PFK_EEXIST, "one of them");
	box_free(&b);
}
