/*
 * The model's one door: every kind of event, what comes of it, in which order
 * and under which number; what is logged; what is left when memory is short.
 */
#include "pfk_step.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ipm_log.h"
#include "pfk_numbers.h"
#include "support/in_box.h"
#include "support/pfk_box.h"
#include "support/step_toy.h"

#define HOST "192.0.2.1"
#define PEER "192.0.2.2"
#define SEEN 32

/* One effect as a line: what, and who or why. */
struct line {
	uint64_t event;
	bool pfkey;
	enum ipm_effect_kind kind;
	uint32_t who; /* PF_KEY socket, socket, interface, reason, log row */
	uint8_t head[64];
	size_t len;
	uint16_t port;
	uint64_t frame;
};

struct fixture {
	struct db_memory mem;
	struct pfk_model m;
	struct ipm_profile pf;
	struct ipm_work *work;
	uint64_t sec;
	struct line seen[SEEN];
	size_t n;
	struct pfk_outcome out;
	struct in_packet k;
	struct pfk_text t;
};

static struct fixture *f;

static void
note(void *ctx, const struct pfk_effect *e)
{
	const struct ipm_effect *fx = &e->fx;
	struct ipm_span s = e->pfkey ? e->msg : fx->packet;
	struct line *l = &f->seen[f->n++];

	(void)ctx;
	cr_assert_leq(f->n, SEEN);
	*l = (struct line){ .event = e->event,
		.pfkey = e->pfkey,
		.kind = fx->kind,
		.len = s.len,
		.port = fx->from_port,
		.frame = fx->frame };
	if (e->pfkey)
		l->who = e->sock;
	else if (fx->kind == IPM_FX_DELIVER)
		l->who = fx->pcb;
	else if (fx->kind == IPM_FX_DROP)
		l->who = fx->reason;
	else if (fx->kind == IPM_FX_LOG)
		l->who = (uint32_t)fx->log;
	else
		l->who = (uint32_t)fx->iface;
	if (s.len != 0)
		memcpy(l->head, s.p,
		    s.len < sizeof l->head ? s.len : sizeof l->head);
}

static void
happen_to(struct pfk_model *m, const struct pfk_event *ev)
{
	static uint8_t octets[1024];
	struct ipm_tape tape = { ipm_span(octets, sizeof octets), 0 };
	struct ipm_env env = { .sec = f->sec,
		.random = &tape,
		.crypto = &step_toy_crypto,
		.comp = &step_toy_comp,
		.alloc = &f->mem.alloc };

	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (uint8_t)(i + 1);
	f->n = 0;
	pfk_step(m, ev, &env, note, NULL, &f->out);
	for (size_t i = 0; i < f->n; i++)
		cr_assert_eq(f->seen[i].event, f->out.event);
}

static int
happen(const struct pfk_event *ev)
{
	happen_to(&f->m, ev);
	return f->out.err;
}

static size_t
count(enum ipm_effect_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += !f->seen[i].pfkey && f->seen[i].kind == kind;
	return n;
}

static bool
logged(enum ipm_log row)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->seen[i].pfkey && f->seen[i].kind == IPM_FX_LOG &&
		    f->seen[i].who == row)
			return true;
	return false;
}

static size_t
messages(void)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->seen[i].pfkey;
	return n;
}

/* --- the events, shortly --------------------------------------------------------- */

static struct pfk_event
ev_packet(void)
{
	return (struct pfk_event){ .kind = PFK_EV_PACKET,
		.iface = PATH_BLK1,
		.octets = ipm_span(f->k.p, f->k.len) };
}

static struct pfk_event
ev_send(uint32_t sock, const char *to)
{
	return (struct pfk_event){ .kind = PFK_EV_SEND,
		.sock = sock,
		.addr = path_addr(to),
		.port = 9000,
		.octets = ipm_span((const uint8_t *)"payload", 7) };
}

static struct pfk_event
ev_message(uint32_t sock)
{
	return (struct pfk_event){ .kind = PFK_EV_PFKEY,
		.sock = sock,
		.octets = ipm_span(f->t.p, f->t.len) };
}

static struct pfk_event
ev_option(enum pfk_event_kind kind, uint32_t sock, int level, int option,
    const uint8_t *p, size_t len)
{
	return (struct pfk_event){ .kind = kind,
		.sock = sock,
		.level = level,
		.option = option,
		.privileged = true,
		.octets = ipm_span(p, len) };
}

static int
set(const char *name, int64_t value)
{
	return happen(&(struct pfk_event){
	    .kind = PFK_EV_SYSCTL, .name = name, .value = value });
}

static int
simple(enum pfk_event_kind kind, uint32_t sock, int64_t value)
{
	return happen(
	    &(struct pfk_event){ .kind = kind, .sock = sock, .value = value });
}

static int
socket_of(uint32_t id, uint8_t family, uint8_t proto, uint16_t port)
{
	struct pfk_event ev = { .kind = PFK_EV_SOCKET };

	ev.pcb.id = id;
	ev.pcb.family = ev.pcb.laddr.family = ev.pcb.faddr.family = family;
	ev.pcb.proto = proto;
	ev.pcb.lport = port;
	return happen(&ev);
}

static int
topology(bool forward)
{
	struct ipm_host h;
	struct pfk_event ev = { .kind = PFK_EV_HOST, .host = &h };

	ipm_host_init(&h);
	path_topology(&h);
	h.forwarding4 = h.forwarding6 = forward;
	return happen(&ev);
}

/* --- what the tests begin with ---------------------------------------------------- */

enum {
	UDP4 = 1,
	TCP4,
	UDP6
};

static void
setup(void)
{
	f = calloc(1, sizeof *f);
	cr_assert_not_null(f);
	f->work = calloc(1, sizeof *f->work);
	cr_assert_not_null(f->work);
	db_memory_init(&f->mem);
	ipm_profile_init(&f->pf, IPM_PF_FREEBSD_13);
	f->sec = 1000;
	pfk_model_init(
	    &f->m, &f->pf, f->sec, 0, &step_toy_crypto, &f->mem.alloc, f->work);
	cr_assert_eq(topology(true), 0);
	cr_assert_eq(socket_of(UDP4, 4, 17, 9000), 0);
	cr_assert_eq(socket_of(TCP4, 4, 6, 8000), 0);
	cr_assert_eq(socket_of(UDP6, 6, 17, 9000), 0);
	cr_assert_eq(simple(PFK_EV_KEYSOCK, 0, 0), 0);
	cr_assert_eq(f->out.value, 1);
}

static void
teardown(void)
{
	pfk_model_free(&f->m, &f->mem.alloc);
	cr_expect_eq(f->mem.live, 0);
	free(f->work);
	free(f);
}

TestSuite(step, .init = setup, .fini = teardown);

/* ESP without cipher and integrity, from one end to the other. */
static int
add_sa(uint32_t spi, uint8_t src, uint8_t dst, uint64_t lives)
{
	struct pfk_event ev;

	pfk_head(&f->t, PFK_ADD, 3, 1, 7);
	pfk_add_sa(&f->t, spi, 4, 0, 11, 0);
	pfk_add_sa2(&f->t, 1, 0);
	if (lives != 0) {
		pfk_add_life(&f->t, PFK_EXT_LIFETIME_HARD, 0, lives, 0);
		pfk_add_life(&f->t, PFK_EXT_LIFETIME_SOFT, 0, 0, 0);
	}
	pfk_add_ends(&f->t, src, dst);
	pfk_add_key(&f->t, PFK_EXT_KEY_ENCRYPT, 0);
	ev = ev_message(1);
	return happen(&ev) != 0 ? f->out.err : f->seen[f->n - 1].head[2];
}

/* esp/transport//LEVEL for what goes from HOST to PEER. */
static int
add_policy(uint8_t level)
{
	struct pfk_event ev;
	uint8_t *p;

	pfk_head(&f->t, PFK_X_SPDADD, 0, 1, 7);
	pfk_add_ends(&f->t, 1, 2);
	p = pfk_add_ext(&f->t, PFK_EXT_X_POLICY, 24);
	pfk_set(p + 4, 2, 2);
	p[6] = 2;
	pfk_set(p + 16, 2, 8);
	pfk_set(p + 18, 2, 50);
	p[20] = 1;
	p[21] = level;
	ev = ev_message(1);
	return happen(&ev);
}

static void
datagram(const char *src, const char *dst)
{
	uint8_t udp[64];
	size_t n = in_udp(udp, src, dst, 5000, 9000, "hello", 5);

	in_ip(&f->k, src, dst, 17, udp, n);
}

/* The same in ESP from PEER. */
static void
protected_datagram(uint32_t spi, uint32_t seq)
{
	uint8_t udp[64], esp[128];
	size_t n = in_udp(udp, PEER, HOST, 5000, 9000, "hello", 5);

	n = in_esp(esp, spi, seq, 17, udp, n);
	in_ip(&f->k, PEER, HOST, 50, esp, n);
}

/* --- events ------------------------------------------------------------------------ */

Test(step, every_kind_has_a_name_of_its_own)
{
	for (int i = 0; i < PFK_N_EVENTS; i++)
		for (int j = 0; j < i; j++)
			cr_expect_str_neq(
			    pfk_event_name((enum pfk_event_kind)i),
			    pfk_event_name((enum pfk_event_kind)j));
	cr_expect_str_eq(pfk_event_name(PFK_EV_PACKET), "packet");
	cr_expect_str_eq(pfk_event_name(PFK_N_EVENTS), "?");
}

/* Numbers go on, whatever comes of the events; a copy goes on from there. */
Test(step, numbers)
{
	uint64_t first = f->out.event;
	struct ipm_work *work = calloc(1, sizeof *work);
	struct pfk_model copy;
	const struct pfk_event ev = { .kind = PFK_EV_CLOCK };

	cr_assert_not_null(work);
	cr_expect_eq(first, 5);
	(void)set("net.no.such", 1);
	cr_expect_eq(f->out.event, first + 1);
	cr_assert_eq(
	    pfk_model_clone(&copy, &f->m, &f->mem.alloc, work), IPM_OK);
	cr_expect_eq(pfk_model_digest(&copy), pfk_model_digest(&f->m));
	happen_to(&copy, &ev);
	cr_expect_eq(f->out.event, first + 2);
	(void)happen(&ev);
	cr_expect_eq(f->out.event, first + 2);
	pfk_model_free(&copy, &f->mem.alloc);
	free(work);
}

/* A datagram to a socket, by every part of the effect. */
Test(step, deliver)
{
	struct pfk_event ev;

	datagram(PEER, HOST);
	ev = ev_packet();
	cr_expect_eq(happen(&ev), 0);
	cr_expect(f->out.judged);
	cr_expect_eq(f->out.fate, IPM_R_OK);
	cr_assert_eq(f->n, 1);
	cr_expect_eq(f->seen[0].kind, IPM_FX_DELIVER);
	cr_expect_eq(f->seen[0].who, UDP4);
	cr_expect_eq(f->seen[0].port, 5000);
	cr_expect_eq(f->seen[0].len, 5);
	cr_expect_arr_eq(f->seen[0].head, "hello", 5);
}

Test(step, transmit_and_drop)
{
	struct pfk_event ev;

	datagram("10.1.0.5", "10.2.0.7");
	ev = ev_packet();
	ev.iface = PATH_RED0;
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_FORWARDED);
	cr_assert_eq(f->n, 1);
	cr_expect_eq(f->seen[0].kind, IPM_FX_TRANSMIT);
	cr_expect_eq(f->seen[0].who, PATH_BLK1);
	cr_expect_eq(f->seen[0].len, f->k.len);
	cr_expect_eq(f->seen[0].head[8], 63);
	ev.octets.len--;
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_TRUNCATED);
	cr_assert_eq(f->n, 1);
	cr_expect_eq(f->seen[0].kind, IPM_FX_DROP);
	cr_expect_eq(f->seen[0].who, IPM_R_TRUNCATED);
}

/* Whoever hands down, it leaves; and nobody else may. */
Test(step, output_and_send)
{
	struct pfk_event ev = { .kind = PFK_EV_OUTPUT };

	datagram(HOST, PEER);
	ev.octets = ipm_span(f->k.p, f->k.len);
	for (ev.sock = 0; ev.sock <= UDP6; ev.sock++) {
		cr_expect_eq(happen(&ev), 0, "%u", ev.sock);
		cr_expect_eq(f->out.fate, IPM_R_SENT);
		cr_expect_eq(count(IPM_FX_TRANSMIT), 1);
	}
	ev.sock = 99;
	cr_expect_eq(happen(&ev), PFK_EBADF);
	cr_expect_not(f->out.judged);
	cr_expect_eq(f->n, 0);
	ev = ev_send(UDP4, PEER);
	cr_expect_eq(happen(&ev), 0);
	cr_expect_eq(f->out.fate, IPM_R_SENT);
	cr_assert_eq(f->n, 1);
	cr_expect_eq(f->seen[0].len, 20 + 8 + 7);
	cr_expect_arr_eq(f->seen[0].head + 28, "payload", 7);
}

/* A datagram needs a UDP socket of its family. */
Test(step, send_from_a_socket_that_cannot)
{
	static const struct {
		uint32_t sock;
		const char *to;
		int err;
	} rows[] = { { 0, PEER, PFK_EBADF }, { 99, PEER, PFK_EBADF },
		{ TCP4, PEER, PFK_EOPNOTSUPP },
		{ UDP4, "2001:db8:b::2", PFK_EAFNOSUPPORT },
		{ UDP6, PEER, PFK_EAFNOSUPPORT } };
	uint64_t before = pfk_model_digest(&f->m);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pfk_event ev = ev_send(rows[i].sock, rows[i].to);

		cr_expect_eq(happen(&ev), rows[i].err, "%zu", i);
		cr_expect_not(f->out.judged);
		cr_expect_eq(f->n, 0);
		cr_expect_eq(pfk_model_digest(&f->m), before);
	}
}

/* Sockets that are none: errno, and nothing has changed. */
Test(step, unknown_sockets)
{
	static const uint8_t two[4] = { 2 };
	uint64_t before = pfk_model_digest(&f->m);
	struct pfk_event ev;

	cr_expect_eq(socket_of(UDP4, 4, 17, 9001), PFK_EEXIST);
	cr_expect_eq(simple(PFK_EV_CLOSE, 99, 0), PFK_EBADF);
	cr_expect_eq(simple(PFK_EV_CLOSE, 0, 0), PFK_EBADF);
	ev = ev_option(PFK_EV_SETOPT, 99, 17, 1, two, 4);
	cr_expect_eq(happen(&ev), PFK_EBADF);
	ev = ev_option(PFK_EV_GETOPT, 99, 17, 1, two, 4);
	cr_expect_eq(happen(&ev), PFK_EBADF);
	pfk_head(&f->t, PFK_FLUSH, 0, 1, 7);
	ev = ev_message(99);
	cr_expect_eq(happen(&ev), PFK_EBADF);
	cr_expect_eq(simple(PFK_EV_KEYRCVBUF, 99, 100), PFK_EBADF);
	cr_expect_eq(simple(PFK_EV_KEYCLOSE, 99, 0), 0);
	cr_expect_eq(pfk_model_digest(&f->m), before);
}

Test(step, close)
{
	struct pfk_event ev;

	cr_expect_eq(simple(PFK_EV_CLOSE, UDP4, 0), 0);
	cr_expect_eq(simple(PFK_EV_CLOSE, UDP4, 0), PFK_EBADF);
	datagram(PEER, HOST);
	ev = ev_packet();
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_NO_SOCKET);
	cr_expect_eq(count(IPM_FX_DELIVER), 0);
	/* The port-unreachable that answers. */
	cr_expect_eq(count(IPM_FX_TRANSMIT), 1);
	cr_expect_eq(count(IPM_FX_DROP), 1);
}

Test(step, options)
{
	static const uint8_t two[4] = { 2 };
	struct pfk_event ev = ev_option(PFK_EV_SETOPT, UDP4, 17, 1, two, 4);
	uint64_t before;

	cr_expect_eq(happen(&ev), 0);
	before = pfk_model_digest(&f->m);
	ev.kind = PFK_EV_GETOPT;
	cr_expect_eq(happen(&ev), 0);
	cr_assert_eq(f->out.len, 4);
	cr_expect_arr_eq(f->out.opt, two, 4);
	ev.option = 77;
	cr_expect_eq(happen(&ev), PFK_ENOPROTOOPT);
	cr_expect_eq(f->out.len, 0);
	ev = ev_option(PFK_EV_SETOPT, UDP4, 17, 1, two, 3);
	cr_expect_eq(happen(&ev), PFK_EINVAL);
	cr_expect_eq(pfk_model_digest(&f->m), before);
}

/* sysctl(3)'s errors: ENOENT, EISDIR, EPERM, EINVAL. */
Test(step, sysctls)
{
	uint64_t before = pfk_model_digest(&f->m);

	cr_expect_eq(set("net.inet.ipsec.no_such", 1), 2);
	cr_expect_eq(set("net.inet.ipsec", 1), 21);
	cr_expect_eq(set("net.inet.ipsec.dfbit", INT64_C(1) << 40), 22);
	cr_expect_eq(pfk_model_digest(&f->m), before);
	cr_expect_eq(set("net.inet.ipsec.dfbit", 2), 0);
	cr_expect_eq(f->m.e.ipm.sysctls.v[IPM_SV_DFBIT], 2);
	cr_expect_neq(pfk_model_digest(&f->m), before);
	cr_expect_eq(f->n, 0);
	cr_expect_not(f->out.judged);
}

Test(step, receive_buffers)
{
	cr_expect_eq(simple(PFK_EV_KEYRCVBUF, 1, -1), PFK_EINVAL);
	cr_expect_eq(simple(PFK_EV_KEYRCVBUF, 1, 0), PFK_EINVAL);
	cr_expect_eq(simple(PFK_EV_KEYRCVBUF, 1, INT64_C(1) << 32), PFK_EINVAL);
	cr_expect_eq(
	    simple(PFK_EV_KEYRCVBUF, 1, PFK_RCVBUF_MAX + 1), PFK_ENOBUFS);
	cr_expect_eq(simple(PFK_EV_KEYRCVBUF, 1, 16), 0);
}

Test(step, host)
{
	uint64_t before = pfk_model_digest(&f->m);
	struct pfk_event ev;

	cr_expect_eq(topology(false), 0);
	cr_expect_neq(pfk_model_digest(&f->m), before);
	datagram("10.1.0.5", "10.2.0.7");
	ev = ev_packet();
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_NOT_LOCAL);
	cr_expect_eq(topology(true), 0);
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_FORWARDED);
}

/* enc0 and the packet filter's hooks show what they see. */
Test(step, tap_and_filter)
{
	struct ipm_host h = f->m.e.ipm.host;
	struct pfk_event ev = { .kind = PFK_EV_HOST, .host = &h };

	h.enc_up = h.filter_installed = 1;
	cr_assert_eq(happen(&ev), 0);
	cr_assert_eq(add_sa(0x1000, 2, 1, 0), 0);
	protected_datagram(0x1000, 1);
	ev = ev_packet();
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_OK);
	cr_expect_eq(count(IPM_FX_DELIVER), 1);
	cr_expect_gt(count(IPM_FX_TAP), 0);
	cr_expect_gt(count(IPM_FX_FILTER), 0);
}

/* The provider's fault lasts until the next such event. */
Test(step, faults)
{
	struct pfk_event ev;
	uint64_t before;

	cr_assert_eq(add_sa(0x1000, 2, 1, 0), 0);
	before = pfk_model_digest(&f->m);
	cr_assert_eq(simple(PFK_EV_FAULT, 0, IPM_FAULT_CIPHER), 0);
	cr_expect_neq(pfk_model_digest(&f->m), before);
	protected_datagram(0x1000, 1);
	ev = ev_packet();
	for (int i = 0; i < 2; i++) {
		(void)happen(&ev);
		cr_expect_eq(f->out.fate, IPM_R_CRYPTO_FAILED);
		cr_expect_eq(count(IPM_FX_DROP), 1);
	}
	cr_assert_eq(simple(PFK_EV_FAULT, 0, IPM_FAULT_NONE), 0);
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_OK);
}

/* The fragment that waited too long is told of by its own number, by the event
 * that moved the clock. */
Test(step, a_fragment_is_lost_by_its_number)
{
	struct pfk_event ev;
	uint64_t frame;

	datagram(PEER, HOST);
	ipm_store16(f->k.p + 6, 0x2000);
	f->k.len -= 5;
	ipm_store16(f->k.p + 2, (uint16_t)f->k.len);
	in_resum(&f->k);
	ev = ev_packet();
	(void)happen(&ev);
	frame = f->out.event;
	cr_expect_eq(f->out.fate, IPM_R_FRAG_PENDING);
	cr_expect_eq(f->n, 0);
	f->sec += 200;
	(void)simple(PFK_EV_CLOCK, 0, 0);
	cr_assert_eq(f->n, 1);
	cr_expect_eq(f->seen[0].kind, IPM_FX_DROP);
	cr_expect_eq(f->seen[0].who, IPM_R_FRAG_TIMEOUT);
	cr_expect_eq(f->seen[0].frame, frame);
}

/* Likewise one that the host sent itself, over its loopback interface. */
Test(step, a_looped_fragment_is_lost_by_its_event)
{
	struct pfk_event ev;
	uint64_t frame;

	datagram(HOST, HOST);
	ipm_store16(f->k.p + 6, 0x2000);
	f->k.len -= 5;
	ipm_store16(f->k.p + 2, (uint16_t)f->k.len);
	in_resum(&f->k);
	ev = ev_packet();
	ev.kind = PFK_EV_OUTPUT;
	(void)happen(&ev);
	frame = f->out.event;
	cr_expect_eq(f->out.fate, IPM_R_SENT);
	f->sec += 200;
	(void)simple(PFK_EV_CLOCK, 0, 0);
	cr_assert_eq(f->n, 1);
	cr_expect_eq(f->seen[0].who, IPM_R_FRAG_TIMEOUT);
	cr_expect_eq(f->seen[0].frame, frame);
}

/* --- PF_KEY ------------------------------------------------------------------------ */

/* Sockets are read in the order of their opening, when all else is told. */
Test(step, datagrams_come_socket_by_socket)
{
	cr_assert_eq(simple(PFK_EV_KEYSOCK, 0, 0), 0);
	cr_expect_eq(f->out.value, 2);
	cr_assert_eq(simple(PFK_EV_KEYSOCK, 0, 0), 0);
	cr_expect_eq(f->out.value, 3);
	cr_assert_eq(set("net.key.debug", 0x11), 0);
	/* Everybody is told of an SA (RFC 2367 3.1.3). */
	cr_assert_eq(add_sa(0x1000, 2, 1, 0), 0);
	cr_assert_eq(f->n, 4);
	cr_expect_eq(f->seen[0].who, IPM_LOG_KEY_STAMP);
	cr_expect_not(f->seen[0].pfkey);
	for (uint32_t i = 1; i <= 3; i++) {
		cr_expect(f->seen[i].pfkey);
		cr_expect_eq(f->seen[i].who, i);
		cr_expect_eq(f->seen[i].head[1], PFK_ADD);
		cr_expect_eq(f->seen[i].head[2], 0);
	}
	cr_expect_eq(simple(PFK_EV_KEYCLOSE, 2, 0), 0);
	cr_assert_eq(add_sa(0x1001, 2, 1, 0), 0);
	cr_expect_eq(messages(), 2);
	cr_expect_eq(f->seen[2].who, 3);
}

/* [PFKEY-3.1.8-01] A hard lifetime's end, whatever event finds the clock there;
 * once. */
Test(step, the_clock_runs_before_the_event)
{
	struct pfk_event ev;

	pfk_head(&f->t, PFK_REGISTER, 3, 1, 7);
	ev = ev_message(1);
	cr_assert_eq(happen(&ev), 0);
	cr_assert_eq(add_sa(0x1000, 2, 1, 10), 0);
	f->sec += 9;
	cr_assert_eq(simple(PFK_EV_CLOCK, 0, 0), 0);
	cr_expect_eq(messages(), 0);
	f->sec += 2;
	protected_datagram(0x1000, 1);
	ev = ev_packet();
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_NO_SA);
	cr_assert_eq(messages(), 1);
	cr_expect_eq(f->seen[f->n - 1].head[1], PFK_EXPIRE);
	(void)simple(PFK_EV_CLOCK, 0, 0);
	cr_expect_eq(messages(), 0);
}

/* No SA: the daemons are asked behind the drop. */
Test(step, acquire)
{
	struct pfk_event ev;

	pfk_head(&f->t, PFK_REGISTER, 3, 1, 7);
	ev = ev_message(1);
	cr_assert_eq(happen(&ev), 0);
	cr_assert_eq(add_policy(2), 0);
	ev = ev_send(UDP4, PEER);
	cr_expect_eq(happen(&ev), 0);
	cr_expect_eq(f->out.fate, IPM_R_NO_SA_OUT);
	cr_assert_eq(f->n, 2);
	cr_expect_eq(f->seen[0].who, IPM_R_NO_SA_OUT);
	cr_expect(f->seen[1].pfkey);
	cr_expect_eq(f->seen[1].head[1], PFK_ACQUIRE);
}

/* --- the log ----------------------------------------------------------------------- */

/* [MAN-debug-01] net.inet.ipsec.debug lets lines out and changes nothing. */
Test(step, ipsec_debug)
{
	struct pfk_event ev;

	protected_datagram(0x1234, 1);
	ev = ev_packet();
	for (int on = 0; on < 2; on++) {
		cr_assert_eq(set("net.inet.ipsec.debug", on), 0);
		(void)happen(&ev);
		cr_expect_eq(f->out.fate, IPM_R_NO_SA);
		cr_expect_eq(count(IPM_FX_DROP), 1);
		cr_assert_eq(f->n, on == 0 ? 1 : 2);
		cr_expect_eq(logged(IPM_LOG_NO_SA), on != 0);
		/* The line stands behind the drop that it tells of. */
		cr_expect_eq(f->seen[0].kind, IPM_FX_DROP);
	}
	/* A drop that no line tells of. */
	ev.octets.len--;
	(void)happen(&ev);
	cr_expect_eq(f->out.fate, IPM_R_TRUNCATED);
	cr_expect_eq(f->n, 1);
}

/* [MAN-debug-01] */
Test(step, out_no_sa_is_logged)
{
	struct pfk_event ev = ev_send(UDP4, PEER);

	cr_assert_eq(add_policy(2), 0);
	for (int on = 0; on < 2; on++) {
		cr_assert_eq(set("net.inet.ipsec.debug", on), 0);
		(void)happen(&ev);
		cr_expect_eq(f->out.fate, IPM_R_NO_SA_OUT);
		cr_expect_eq(logged(IPM_LOG_OUT_NO_SA), on != 0);
	}
}

/* A level that is none becomes 2 when it is used (FreeBSD ipsec.c
 * ipsec_get_reqlevel), and that is logged. */
Test(step, level_rewritten)
{
	struct pfk_event ev = ev_send(UDP4, PEER);

	cr_assert_eq(add_policy(0), 0);
	for (int on = 0; on < 2; on++) {
		cr_assert_eq(set("net.inet.ipsec.debug", on), 0);
		cr_assert_eq(set("net.inet.ipsec.esp_trans_deflev", 7), 0);
		(void)happen(&ev);
		cr_expect_eq(f->m.e.ipm.sysctls.v[IPM_SV_ESP_TRANS_DEFLEV4], 2);
		cr_expect_eq(logged(IPM_LOG_LEVEL_REWRITTEN), on != 0);
		(void)happen(&ev);
		cr_expect_not(logged(IPM_LOG_LEVEL_REWRITTEN));
	}
}

/* [MAN-debug-03] net.key.debug: a kind of thing and a depth, both bits. */
Test(step, key_debug)
{
	static const struct {
		int64_t value;
		enum ipm_log key, ipsec; /* IPM_N_LOGS none */
	} rows[] = {
		{ 0x01, IPM_N_LOGS, IPM_N_LOGS },
		{ 0x10, IPM_N_LOGS, IPM_N_LOGS },
		{ 0x11, IPM_LOG_KEY_STAMP, IPM_N_LOGS },
		{ 0x12, IPM_LOG_KEY_DATA, IPM_N_LOGS },
		{ 0x14, IPM_LOG_KEY_DUMP, IPM_N_LOGS },
		{ 0x41, IPM_N_LOGS, IPM_LOG_IPSEC_STAMP },
		{ 0x42, IPM_N_LOGS, IPM_LOG_IPSEC_DATA },
		{ 0x44, IPM_N_LOGS, IPM_LOG_IPSEC_DUMP },
	};
	struct pfk_event ev;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_eq(set("net.key.debug", rows[i].value), 0);
		cr_assert_eq(add_sa(0x1000 + (uint32_t)i, 2, 1, 0), 0);
		cr_expect_eq(
		    count(IPM_FX_LOG), rows[i].key != IPM_N_LOGS, "%zu", i);
		cr_expect(rows[i].key == IPM_N_LOGS || logged(rows[i].key));
		datagram(PEER, HOST);
		ev = ev_packet();
		(void)happen(&ev);
		cr_expect_eq(
		    count(IPM_FX_LOG), rows[i].ipsec != IPM_N_LOGS, "%zu", i);
		cr_expect(rows[i].ipsec == IPM_N_LOGS || logged(rows[i].ipsec));
	}
}

/* --- no memory ---------------------------------------------------------------------- */

/* Everything but the counters. */
static uint64_t
quiet(void)
{
	struct pfk_model m = f->m; /* only looked at */

	m.e.ipm.stats = (struct ipm_stats){ 0 };
	return pfk_model_digest(&m);
}

/* What an event answers when memory is short. */
enum answer {
	ERR,  /* ENOBUFS */
	DROP, /* the packet is dropped for it, and that is told once */
};

/*
 * The first, second, ... request for memory and all behind it fail, until the
 * event needs no more than that: it answers so, and all is as it was; then, at
 * last, it does what it should.
 */
static void
short_of_memory(const struct pfk_event *ev, enum answer a)
{
	size_t failed = 0;

	for (size_t k = 1; k < 100; k++) {
		uint64_t before = quiet();
		bool bad;

		f->mem.fail_at = f->mem.calls + k;
		(void)happen(ev);
		bad = f->mem.calls >= f->mem.fail_at;
		f->mem.fail_at = 0;
		if (!bad)
			break;
		failed++;
		cr_expect_eq(quiet(), before, "%s, request %zu",
		    pfk_event_name(ev->kind), k);
		cr_expect_eq(messages(), 0);
		if (a == ERR) {
			cr_expect_eq(f->out.err, PFK_ENOBUFS, "%s: %d",
			    pfk_event_name(ev->kind), f->out.err);
			continue;
		}
		cr_expect_eq(ipm_reasons[f->out.fate].verdict, IPM_V_DROP);
		cr_expect_eq(count(IPM_FX_DROP), 1);
		cr_expect_eq(count(IPM_FX_TRANSMIT), 0);
	}
	cr_expect_gt(failed, 0, "%s", pfk_event_name(ev->kind));
	cr_expect_eq(f->out.err, 0);
	cr_expect_eq(count(IPM_FX_DROP), 0);
}

/* Blocks that are full, so that the next thing of any kind needs memory. */
static struct pfk_event
full(struct pfk_event ev)
{
	struct ipm_arena *a = &f->m.e.ipm.arena;

	f->mem.fail_at = f->mem.calls + 1;
	while (ipm_arena_take(a, &f->mem.alloc, 8) != 0)
		;
	f->mem.fail_at = 0;
	return ev;
}

Test(step, no_memory_for_sockets)
{
	struct pfk_event ev = { .kind = PFK_EV_SOCKET };

	ev.pcb.id = 50;
	ev.pcb.family = 4;
	ev.pcb.proto = 17;
	full(ev);
	short_of_memory(&ev, ERR);
	full(ev);
	ev.kind = PFK_EV_KEYSOCK;
	short_of_memory(&ev, ERR);
	cr_expect_eq(f->out.value, 2);
}

Test(step, no_memory_for_a_message)
{
	struct pfk_event ev;

	cr_assert_eq(add_sa(0x1000, 2, 1, 0), 0);
	pfk_head(&f->t, PFK_ADD, 3, 1, 7);
	pfk_add_sa(&f->t, 0x1001, 4, 0, 11, 0);
	pfk_add_sa2(&f->t, 1, 0);
	pfk_add_ends(&f->t, 2, 1);
	pfk_add_key(&f->t, PFK_EXT_KEY_ENCRYPT, 0);
	ev = full(ev_message(1));
	short_of_memory(&ev, ERR);
	cr_expect_eq(messages(), 1);
}

Test(step, no_memory_for_a_policy_of_a_socket)
{
	static const uint8_t policy[16] = { 2, 0, 18, 0, 4, 0, 2 };
	struct pfk_event ev =
	    full(ev_option(PFK_EV_SETOPT, UDP4, 0, 21, policy, 16));

	short_of_memory(&ev, ERR);
}

Test(step, no_memory_for_a_packet)
{
	struct pfk_event ev;

	cr_assert_eq(add_sa(0x1000, 2, 1, 0), 0);
	protected_datagram(0x1000, 1);
	ev = full(ev_packet());
	short_of_memory(&ev, DROP);
	cr_expect_eq(count(IPM_FX_DELIVER), 1);
}

Test(step, no_memory_for_a_datagram)
{
	struct pfk_event ev;

	cr_assert_eq(add_policy(2), 0);
	cr_assert_eq(add_sa(0x1000, 1, 2, 0), 0);
	ev = full(ev_send(UDP4, PEER));
	short_of_memory(&ev, DROP);
	cr_expect_eq(count(IPM_FX_TRANSMIT), 1);
}

/* The copy is empty then, and the original as it was. */
Test(step, no_memory_for_a_copy)
{
	struct ipm_work *work = calloc(1, sizeof *work);
	uint64_t before;
	size_t failed = 0;

	cr_assert_not_null(work);
	cr_assert_eq(add_sa(0x1000, 2, 1, 0), 0);
	before = pfk_model_digest(&f->m);
	for (size_t k = 1; k < 100; k++) {
		size_t live = f->mem.live;
		struct pfk_model copy;
		enum ipm_err err;

		f->mem.fail_at = f->mem.calls + k;
		err = pfk_model_clone(&copy, &f->m, &f->mem.alloc, work);
		f->mem.fail_at = 0;
		cr_expect_eq(pfk_model_digest(&f->m), before);
		if (err == IPM_OK)
			cr_expect_eq(pfk_model_digest(&copy), before);
		else
			cr_expect_eq(f->mem.live, live);
		pfk_model_free(&copy, &f->mem.alloc);
		cr_expect_eq(f->mem.live, live);
		if (err == IPM_OK)
			break;
		cr_expect_eq(err, IPM_ERR_NOMEM);
		failed++;
	}
	cr_expect_gt(failed, 0);
	free(work);
}
