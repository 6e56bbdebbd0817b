/*
 * PF_KEY sockets: who gets what, in which order, and what does not fit.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "support/pfk_box.h"

static struct pfk_box b;
static struct pfk_text m, r;

#define STAT(name) (b.e.ipm.stats.v[IPM_ST_PFKEY_##name])

/* Sends from a socket and reads nothing. */
static int
say(uint32_t sock)
{
	return pfk_send(&b.e, &b.pf, &b.env, sock, ipm_span(m.p, m.len));
}

static void
say_promisc(uint32_t sock, unsigned on)
{
	pfk_head(&m, 11, on, 1, 1);
	cr_assert_eq(say(sock), 0);
	(void)pfk_drain(&b, b.sock);
	(void)pfk_drain(&b, b.other);
}

/* The types of what waits, a wrapped one as 100 plus the type within. */
static size_t
waiting(uint32_t sock, unsigned *types, size_t cap)
{
	size_t n = 0;

	while (pfk_next(&b, sock, &r)) {
		cr_assert_lt(n, cap);
		types[n++] =
		    r.p[1] == 11 && r.len > 16 ? 100U + r.p[17] : r.p[1];
	}
	return n;
}

/* Expects exactly these. */
#define EXPECT_TYPES(sock, ...)                                       \
	do {                                                          \
		unsigned got[16], want[] = { __VA_ARGS__ };           \
		size_t n = waiting(sock, got, 16);                    \
		cr_expect_eq(n, sizeof want / sizeof want[0]);        \
		cr_expect(memcmp(got, want, n * sizeof got[0]) == 0); \
	} while (0)

/* [PFKEY-1.4-02] [PFKEY-1.6-04] [PFKEY-2.1-06] */
Test(pfk_sock, to_all)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	pfk_esp(&m, 0x1000);
	cr_assert_eq(say(b.sock), 0);
	cr_assert(pfk_next(&b, b.other, &r));
	cr_expect_eq(r.p[1], 3);
	cr_expect_eq(pfk_get_le(r.p + 12, 4), 7);
	cr_expect_eq(pfk_drain(&b, b.other), 0);
	EXPECT_TYPES(b.sock, 3);
	cr_expect_eq(STAT(in_total), 1);
	cr_expect_eq(STAT(in_target_all), 1);
	cr_expect_eq(STAT(in_target_one), 1);
	cr_expect_eq(STAT(out_total), 1);
	cr_expect_eq(STAT(out_bytes), m.len);
	cr_expect_eq(b.e.ipm.stats.pfkey_out_msgtype[3], 1);
	cr_expect_eq(b.e.ipm.stats.pfkey_in_msgtype[3], 1);
	pfk_box_free(&b);
}

/* [PFKEY-3.1.5-01] [PFKEY-1.4-03] Errors, GET and DUMP: the requester alone. */
Test(pfk_sock, to_one)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	pfk_name_sa(&m, 5, 0x1000);
	cr_assert_eq(say(b.sock), 0);
	cr_assert(pfk_next(&b, b.sock, &r));
	cr_expect_eq(r.p[2], 3);
	cr_expect_eq(pfk_drain(&b, b.other), 0);
	pfk_esp(&m, 0x1000);
	cr_assert_eq(say(b.sock), 0);
	(void)pfk_drain(&b, b.other);
	pfk_name_sa(&m, 5, 0x1000);
	cr_assert_eq(say(b.sock), 0);
	EXPECT_TYPES(b.sock, 3, 5);
	cr_expect_eq(pfk_drain(&b, b.other), 0);
	pfk_box_free(&b);
}

/* [PFKEY-3.1.7-02] [PFKEY-1.4-05] Registered for anything: what concerns
 * anything. */
Test(pfk_sock, to_registered)
{
	uint32_t third;

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	third = pfk_open(&b.e, &b.env);
	pfk_head(&m, 7, 2, 1, 1);
	cr_assert_eq(say(b.other), 0);
	EXPECT_TYPES(b.other, 7);
	cr_expect_eq(pfk_drain(&b, b.sock), 0);
	pfk_head(&m, 7, 3, 1, 1);
	cr_assert_eq(say(b.sock), 0);
	EXPECT_TYPES(b.other, 7);
	EXPECT_TYPES(b.sock, 7);
	/* an ACQUIRE of IPcomp */
	pfk_head(&m, 6, 9, 0, 7);
	pfk_add_ends(&m, 1, 2);
	pfk_add_ext(&m, 13, 8);
	cr_assert_eq(say(third), 0);
	EXPECT_TYPES(b.other, 6);
	EXPECT_TYPES(b.sock, 6);
	cr_expect_eq(pfk_drain(&b, third), 0);
	/* closing ends the registration */
	pfk_close(&b.e, b.other);
	cr_expect_eq(pfk_set_rcvbuf(&b.e, b.other, 100), 9);
	cr_expect_eq(say(b.other), 9);
	pfk_box_free(&b);
}

/* A promiscuous socket gets what the kernel sends to anybody, wrapped; a
 * promiscuous requester wrapped and then plain. */
Test(pfk_sock, promiscuous)
{
	static const uint8_t wrapper[16] = { 2, 11, 0, 0, 0x0e };

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	say_promisc(b.other, 1);
	pfk_esp(&m, 0x1000);
	cr_assert_eq(say(b.sock), 0);
	cr_assert(pfk_next(&b, b.other, &r));
	cr_expect_eq(r.len, 112);
	cr_expect_eq(memcmp(r.p, wrapper, 16), 0);
	EXPECT_TYPES(b.other, 3);
	EXPECT_TYPES(b.sock, 3);
	/* of an answer to somebody else: the wrapped one alone */
	pfk_name_sa(&m, 5, 0x1000);
	cr_assert_eq(say(b.sock), 0);
	EXPECT_TYPES(b.other, 105);
	EXPECT_TYPES(b.sock, 5);
	cr_assert_eq(say(b.other), 0);
	EXPECT_TYPES(b.other, 105, 5);
	say_promisc(b.other, 0);
	pfk_name_sa(&m, 5, 0x1000);
	cr_assert_eq(say(b.sock), 0);
	cr_expect_eq(pfk_drain(&b, b.other), 0);
	cr_expect_eq(b.e.ipm.stats.pfkey_in_msgtype[11], 2 + 1 + 3);
	pfk_box_free(&b);
}

/* The errno of the request is none of the answer's, which is the request. */
Test(pfk_sock, promiscuous_answer_is_without_errno)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	pfk_head(&m, 11, 0, 1, 1);
	m.p[2] = 9;
	cr_assert_eq(say(b.sock), 0);
	cr_assert(pfk_next(&b, b.sock, &r));
	cr_expect_eq(r.p[2], 0);
	pfk_box_free(&b);
}

/* net.raw.sendspace lets 8192 octets pass, of which key_parse takes 2048. */
Test(pfk_sock, long_messages)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	for (size_t len = 2040; len <= 8200; len += 8) {
		pfk_head(&m, 10, 0, 1, 1);
		pfk_add_ext(&m, 12, len - 16);
		cr_expect_eq(say(b.sock),
		    len <= 2048       ? 0
			: len <= 8192 ? 55
				      : 40,
		    "%zu", len);
		(void)pfk_drain(&b, b.sock);
	}
	pfk_box_free(&b);
}

/* The long form hands on what follows the header, if it looks like
 * extensions; a message in it does not. */
Test(pfk_sock, promiscuous_message_in_a_message)
{
	static struct pfk_text inner;
	uint8_t *p;

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	pfk_head(&inner, 10, 0, 1, 1);
	pfk_head(&m, 11, 0, 1, 1);
	p = pfk_add_ext(&m, 0, 16);
	memcpy(p, inner.p, 16);
	cr_expect_eq(say(b.sock), 22);
	pfk_head(&m, 11, 0, 1, 1);
	pfk_add_ext(&m, 12, 16);
	cr_expect_eq(say(b.sock), 0);
	cr_assert(pfk_next(&b, b.other, &r));
	cr_expect_eq(r.len, 16);
	cr_expect_eq(memcmp(r.p, m.p + 16, 16), 0);
	/* fewer than 16 octets are no message */
	pfk_head(&m, 11, 0, 1, 1);
	pfk_add_ext(&m, 25, 8);
	cr_expect_eq(say(b.sock), 55);
	pfk_box_free(&b);
}

/* [PFKEY-1.4-04] Each message takes its length and two octets of address. */
Test(pfk_sock, buffer_full)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	/* a FLUSH's reply is 16 octets: 455 of them and 18 are 8208 */
	pfk_head(&m, 9, 0, 1, 1);
	for (int i = 0; i < 455; i++)
		cr_assert_eq(say(b.sock), 0, "%d", i);
	cr_expect_eq(STAT(in_nomem), 0);
	/* the sender is told, and the change is made all the same */
	pfk_esp(&m, 0x1000);
	cr_expect_eq(say(b.sock), 55);
	cr_expect_eq(STAT(in_nomem), 2);
	cr_expect_eq(b.e.ipm.sad.count, 1);
	cr_expect_eq(pfk_drain(&b, b.sock), 455);
	/* others are not */
	pfk_head(&m, 9, 0, 1, 1);
	cr_expect_eq(say(b.sock), 0);
	cr_expect_eq(pfk_drain(&b, b.other), 455);
	EXPECT_TYPES(b.sock, 9);
	pfk_box_free(&b);
}

/* Of an UPDATE that changes addresses nobody asks whether its reply was heard
 * (key_updateaddresses); of any other send(2) fails. */
Test(pfk_sock, buffer_full_at_update)
{
	for (int moves = 0; moves < 2; moves++) {
		pfk_box_init(&b, IPM_PF_FREEBSD_2017);
		pfk_esp(&m, 0x1000);
		cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
		pfk_head(&m, 9, 11, 1, 1);
		while (say(b.sock) == 0)
			;
		pfk_update(&m, 0x1000);
		pfk_cut_ext(&m, 8);
		pfk_cut_ext(&m, 9);
		if (moves)
			pfk_add_addr(&m, 28, 4, 9);
		cr_expect_eq(say(b.sock), moves ? 0 : 55, "%d", moves);
		pfk_box_free(&b);
	}
}

/* [MAN-bugs-04] A dump that does not fit ends without a word: as many as were
 * recorded of a FreeBSD kernel, of SAs of 184 octets. */
Test(pfk_sock, dumps_over_the_buffer)
{
	static const struct {
		uint32_t rcvbuf;
		unsigned sas, seen;
	} rows[] = {
		{ 0, 10, 10 },
		{ 0, 44, 44 },
		{ 0, 45, 44 },
		{ 0, 100, 44 },
		{ 0, 300, 44 },
		{ 65536, 300, 300 },
		{ 0, 1000, 44 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned n = 0;

		pfk_box_init(&b, IPM_PF_FREEBSD_13);
		if (rows[i].rcvbuf != 0)
			cr_assert_eq(
			    pfk_set_rcvbuf(&b.e, b.sock, rows[i].rcvbuf), 0);
		for (unsigned k = 0; k < rows[i].sas; k++) {
			pfk_esp(&m, 0x10000 + k);
			cr_assert_eq(pfk_ask(&b, &m, NULL), 0);
		}
		pfk_head(&m, 10, 0, 1, 1);
		cr_expect_eq(say(b.sock), 0);
		for (; pfk_next(&b, b.sock, &r); n++) {
			cr_expect_eq(r.len, 184);
			cr_expect_eq(
			    pfk_get_le(r.p + 8, 4), rows[i].sas - 1 - n);
		}
		cr_expect_eq(n, rows[i].seen, "row %zu: %u", i, n);
		pfk_box_free(&b);
	}
}

Test(pfk_sock, receive_buffer_sizes)
{
	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	cr_expect_eq(pfk_set_rcvbuf(&b.e, b.sock, 2097152), 0);
	cr_expect_eq(pfk_set_rcvbuf(&b.e, b.sock, 2097153), 55);
	cr_expect_eq(pfk_set_rcvbuf(&b.e, b.sock, 0), 22);
	cr_expect_eq(pfk_set_rcvbuf(&b.e, 99, 1), 9);
	/* smaller than what it holds: nothing more fits, nothing is lost */
	pfk_head(&m, 9, 0, 1, 1);
	cr_assert_eq(say(b.sock), 0);
	cr_expect_eq(pfk_set_rcvbuf(&b.e, b.sock, 1), 0);
	cr_expect_eq(say(b.sock), 55);
	cr_expect_eq(pfk_drain(&b, b.sock), 1);
	pfk_box_free(&b);
}

/* A short buffer cuts the datagram; the rest is lost. */
Test(pfk_sock, short_reads)
{
	uint8_t few[4] = { 0 };

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	cr_expect_eq(pfk_recv(&b.e, b.sock, few, sizeof few), 0);
	cr_expect_eq(pfk_recv(&b.e, 99, few, sizeof few), 0);
	pfk_head(&m, 9, 0, 1, 1);
	cr_assert_eq(say(b.sock), 0);
	cr_expect_eq(pfk_recv(&b.e, b.sock, few, sizeof few), 16);
	cr_expect_eq(few[1], 9);
	cr_expect_eq(pfk_recv(&b.e, b.sock, few, sizeof few), 0);
	pfk_box_free(&b);
}

/* Numbers are not given twice; nobody is needed to listen. */
Test(pfk_sock, numbers)
{
	uint32_t next;

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	pfk_close(&b.e, b.sock);
	pfk_close(&b.e, b.sock);
	next = pfk_open(&b.e, &b.env);
	cr_expect_neq(next, b.sock);
	cr_expect_neq(next, b.other);
	pfk_head(&m, 9, 0, 1, 1);
	cr_assert_eq(say(next), 0);
	cr_expect_eq(pfk_drain(&b, next), 1);
	cr_expect_eq(pfk_drain(&b, b.other), 1);
	cr_expect_eq(say(0), 9);
	b.mem.fail_at = b.mem.calls + 1;
	for (next = 1; next != 0;)
		next = pfk_open(&b.e, &b.env);
	b.mem.fail_at = 0;
	pfk_box_free(&b);
}

/* [PFKEY-1.3-01] [PFKEY-1.3-02] What socket(PF_KEY, type, protocol) makes:
 * SOCK_RAW (3) of protocol PF_KEY_V2 or none, for who may. */
Test(pfk_sock, socket_call)
{
	static const struct {
		int type, protocol;
		bool privileged;
		int err;
	} rows[] = {
		{ 3, 2, true, 0 },
		{ 3, 0, true, 0 },
		{ 3, 2, false, 1 },
		{ 3, 0, false, 1 },
		{ 3, 1, true, 43 },
		{ 3, 1, false, 43 },
		{ 3, 3, true, 43 },
		{ 3, -1, true, 43 },
		{ 1, 2, true, 43 },
		{ 2, 2, true, 43 },
		{ 1, 0, true, 41 },
		{ 2, 0, false, 41 },
	};

	pfk_box_init(&b, IPM_PF_FREEBSD_2017);
	pfk_head(&m, 9, 0, 1, 1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t before = pfk_engine_digest(&b.e);
		uint32_t sock = 77;

		cr_expect_eq(pfk_socket(&b.e, &b.env, rows[i].type,
				 rows[i].protocol, rows[i].privileged, &sock),
		    rows[i].err, "row %zu", i);
		if (rows[i].err != 0) {
			cr_expect_eq(sock, 0, "row %zu", i);
			cr_expect_eq(pfk_engine_digest(&b.e), before);
			continue;
		}
		cr_expect_eq(say(sock), 0, "row %zu", i);
		cr_expect_eq(pfk_drain(&b, sock), 1, "row %zu", i);
	}
	b.mem.fail_at = b.mem.calls + 1;
	for (int err = 0; err == 0;) {
		uint32_t sock;

		err = pfk_socket(&b.e, &b.env, 3, 2, true, &sock);
		cr_expect(err == 0 || err == 55);
	}
	b.mem.fail_at = 0;
	pfk_box_free(&b);
}

Test(pfk_sock, errno_texts)
{
	cr_expect_str_eq(pfk_errno_text(3), "No such process");
	cr_expect_str_eq(pfk_errno_name(55), "ENOBUFS");
	cr_expect_null(pfk_errno_text(0));
	cr_expect_null(pfk_errno_name(1000));
}
