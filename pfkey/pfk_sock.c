/*
 * PF_KEY sockets and what is delivered to them.
 *
 * Source: FreeBSD sys/netipsec/keysock.c (key_sendup0, key_sendup_mbuf),
 * key.c (key_promisc, key_register), sys/kern/uipc_sockbuf.c (sbappendaddr).
 */
#include <string.h>

#include "pfk_int.h"

/* Two octets of sockaddr stand before each message (facts pfkey 8.3). */
#define ADDRESS_LEN 2U

#define SOCKET_RAW 3 /* SOCK_RAW of FreeBSD */

static struct pfk_sock *
sock_at(const struct pfk_engine *e, ipm_off off)
{
	return ipm_arena_at(&e->ipm.arena, off);
}

static ipm_off
find(const struct pfk_engine *e, uint32_t id)
{
	ipm_off off = e->socks;

	while (off != 0 && sock_at(e, off)->id != id)
		off = sock_at(e, off)->next;
	return off;
}

struct pfk_sock *
pfk_requester(const struct pfk_call *c)
{
	ipm_off off = c->sock == 0 ? 0 : find(c->e, c->sock);

	return off == 0 ? NULL : sock_at(c->e, off);
}

uint32_t
pfk_open(struct pfk_engine *e, const struct ipm_env *env)
{
	ipm_off off =
	    ipm_arena_take(&e->ipm.arena, env->alloc, sizeof(struct pfk_sock));

	if (off == 0)
		return 0;
	*sock_at(e, off) = (struct pfk_sock){
		.id = ++e->last_sock,
		.rcvbuf = PFK_RCVBUF,
		.next = e->socks,
	};
	e->socks = off;
	return e->last_sock;
}

int
pfk_socket(struct pfk_engine *e, const struct ipm_env *env, int type,
    int protocol, bool privileged, uint32_t *sock)
{
	*sock = 0;
	if (type != SOCKET_RAW && protocol == 0)
		return PFK_EPROTOTYPE;
	if (type != SOCKET_RAW || (protocol != 0 && protocol != PFK_VERSION))
		return PFK_EPROTONOSUPPORT;
	if (!privileged)
		return PFK_EPERM;
	*sock = pfk_open(e, env);
	return *sock == 0 ? PFK_ENOBUFS : 0;
}

/* --- a socket's queue -------------------------------------------------------------- */

static size_t
piece_len(size_t len)
{
	return sizeof(struct pfk_dgram) + len;
}

static struct pfk_dgram *
dgram_at(const struct pfk_engine *e, ipm_off off)
{
	return ipm_arena_at(&e->ipm.arena, off);
}

static uint8_t *
octets_of(struct pfk_dgram *d)
{
	return (uint8_t *)d + sizeof *d;
}

/* Takes the oldest message out and returns its piece. */
static void
drop_first(struct pfk_engine *e, ipm_off sock)
{
	struct pfk_sock *s = sock_at(e, sock);
	ipm_off off = s->first;
	uint32_t len = dgram_at(e, off)->len;

	s->first = dgram_at(e, off)->next;
	if (s->first == 0)
		s->last = 0;
	s->used -= len + ADDRESS_LEN;
	ipm_arena_give(&e->ipm.arena, off, piece_len(len));
}

/* [PFKEY-1.4-04] Behind what waits; false when the buffer has no room for it. */
static bool
append(
    struct pfk_call *c, ipm_off sock, struct ipm_span head, struct ipm_span msg)
{
	struct pfk_engine *e = c->e;
	size_t len = head.len + msg.len;
	struct pfk_sock *s = sock_at(e, sock);
	struct pfk_dgram *d;
	ipm_off off;

	if (s->used > s->rcvbuf || len + ADDRESS_LEN > s->rcvbuf - s->used)
		return false;
	off = ipm_arena_take(&e->ipm.arena, c->env->alloc, piece_len(len));
	if (off == 0)
		return false;
	d = dgram_at(e, off);
	d->len = (uint32_t)len;
	if (head.len != 0)
		memcpy(octets_of(d), head.p, head.len);
	memcpy(octets_of(d) + head.len, msg.p, msg.len);
	s = sock_at(e, sock);
	if (s->last == 0)
		s->first = off;
	else
		dgram_at(e, s->last)->next = off;
	s->last = off;
	s->used += (uint32_t)len + ADDRESS_LEN;
	return true;
}

void
pfk_close(struct pfk_engine *e, uint32_t sock)
{
	ipm_off off = find(e, sock), before = e->socks;

	if (off == 0)
		return;
	while (sock_at(e, off)->first != 0)
		drop_first(e, off);
	if (before == off) {
		e->socks = sock_at(e, off)->next;
	} else {
		while (sock_at(e, before)->next != off)
			before = sock_at(e, before)->next;
		sock_at(e, before)->next = sock_at(e, off)->next;
	}
	ipm_arena_give(&e->ipm.arena, off, sizeof(struct pfk_sock));
}

int
pfk_set_rcvbuf(struct pfk_engine *e, uint32_t sock, uint32_t octets)
{
	ipm_off off = find(e, sock);

	if (off == 0)
		return PFK_EBADF;
	if (octets == 0)
		return PFK_EINVAL;
	if (octets > PFK_RCVBUF_MAX)
		return PFK_ENOBUFS;
	sock_at(e, off)->rcvbuf = octets;
	return 0;
}

size_t
pfk_recv(struct pfk_engine *e, uint32_t sock, uint8_t *out, size_t cap)
{
	ipm_off off = find(e, sock);
	struct pfk_dgram *d;
	size_t len;

	if (off == 0 || sock_at(e, off)->first == 0)
		return 0;
	d = dgram_at(e, sock_at(e, off)->first);
	len = d->len;
	if (cap != 0)
		memcpy(out, octets_of(d), len < cap ? len : cap);
	drop_first(e, off);
	return len;
}

/* --- delivery ----------------------------------------------------------------------- */

bool
pfk_reserve(const struct pfk_call *c, size_t n, size_t len)
{
	/* A piece is less than twice as long as what is put into it; the
	 * header before the octets is less than half of what 18 octets, the
	 * least that a message takes of a buffer, come to. */
	size_t most = 2 * (len + PFK_HDR_LEN + sizeof(struct pfk_dgram));
	size_t need = 0;

	for (ipm_off off = c->e->socks; off != 0;) {
		const struct pfk_sock *s = sock_at(c->e, off);
		size_t space = s->used > s->rcvbuf ? 0 : s->rcvbuf - s->used;
		size_t copies = s->promisc ? 2 * n : n;

		space = 3 * space;
		need += copies > space / most ? space : copies * most;
		off = s->next;
	}
	return ipm_arena_reserve(&c->e->ipm.arena, c->env->alloc, need);
}

/* One message to one socket, wrapped for a promiscuous one (key_sendup0). */
static bool
sendup(struct pfk_call *c, ipm_off sock, struct ipm_span msg, bool wrap)
{
	struct ipm_stats *st = &c->e->ipm.stats;
	uint8_t head[PFK_HDR_LEN] = { PFK_VERSION, PFK_X_PROMISC };
	size_t head_len = 0;

	if (wrap) {
		head_len = sizeof head;
		pfk_le_put(head + 4, 2, (head_len + msg.len) / 8);
		st->pfkey_in_msgtype[PFK_X_PROMISC]++;
	}
	if (append(c, sock, ipm_span(head, head_len), msg))
		return true;
	st->v[IPM_ST_PFKEY_in_nomem]++;
	return false;
}

bool
pfk_registered(
    const struct pfk_call *c, const struct pfk_sock *s, uint8_t satype)
{
	/* Registered for any satype gets what concerns any other; or not. */
	if (ipm_sw(c->pf, IPM_SW_PFK_REGISTERED) == IPM_OFF || satype == 0)
		return s->registered != 0;
	return satype < 16 && (s->registered >> satype & 1) != 0;
}

static bool
covers(const struct pfk_call *c, enum pfk_target target,
    const struct pfk_sock *s, uint8_t satype)
{
	switch (target) {
	case PFK_TO_ONE:
		return false;
	case PFK_TO_ALL:
		return true;
	case PFK_TO_REGISTERED:
		return pfk_registered(c, s, satype);
	}
	return false;
}

static bool
plain_copies(const struct pfk_call *c)
{
	return ipm_sw(c->pf, IPM_SW_PFK_PROMISC) == IPM_ON;
}

void
pfk_show_request(struct pfk_call *c)
{
	if (!plain_copies(c))
		return;
	for (ipm_off off = c->e->socks; off != 0;
	     off = sock_at(c->e, off)->next)
		if (sock_at(c->e, off)->promisc)
			(void)sendup(
			    c, off, ipm_span(c->rq->p, c->rq->len), false);
}

int
pfk_flushed(struct pfk_call *c, bool some)
{
	struct pfk_out o;

	if (some && ipm_sw(c->pf, IPM_SW_PFK_FLUSH_REPLIES) == IPM_ON) {
		pfk_out_echo(&o, c->rq);
		(void)pfk_out_send(c, &o, PFK_TO_ONE);
	}
	pfk_out_echo(&o, c->rq);
	return pfk_out_send(c, &o, PFK_TO_ALL);
}

/* In the order of key_sendup_mbuf [PFKEY-1.4-02] [PFKEY-1.4-05]. */
int
pfk_deliver(
    struct pfk_call *c, enum pfk_target target, const uint8_t *msg, size_t len)
{
	static const enum ipm_stat counter[] = {
		[PFK_TO_ONE] = IPM_ST_PFKEY_in_target_one,
		[PFK_TO_ALL] = IPM_ST_PFKEY_in_target_all,
		[PFK_TO_REGISTERED] = IPM_ST_PFKEY_in_target_registered,
	};
	struct pfk_engine *e = c->e;
	struct ipm_stats *st = &e->ipm.stats;
	struct ipm_span m = ipm_span(msg, len);
	ipm_off own = 0;

	st->v[IPM_ST_PFKEY_in_total]++;
	st->v[IPM_ST_PFKEY_in_bytes] += len;
	if (len < PFK_HDR_LEN) {
		st->v[IPM_ST_PFKEY_in_nomem]++;
		return PFK_ENOBUFS;
	}
	st->pfkey_in_msgtype[msg[1]]++;
	for (ipm_off off = e->socks; off != 0; off = sock_at(e, off)->next) {
		if (sock_at(e, off)->promisc &&
		    (!plain_copies(c) || target == PFK_TO_ALL))
			(void)sendup(c, off, m, !plain_copies(c));
		if (sock_at(e, off)->id == c->sock)
			own = off;
		else if (covers(c, target, sock_at(e, off), msg[3]) &&
		    sendup(c, off, m, false))
			st->v[counter[target]]++;
	}
	if (own == 0)
		return 0;
	if (!sendup(c, own, m, false))
		return PFK_ENOBUFS;
	st->v[IPM_ST_PFKEY_in_target_one]++;
	return 0;
}

/* [PFKEY-1.4-03] */
int
pfk_reply_error(struct pfk_call *c, int err)
{
	struct pfk_req *rq = c->rq;
	uint8_t head[PFK_HDR_LEN];

	rq->p[2] = (uint8_t)err;
	if (ipm_sw(c->pf, IPM_SW_PFK_ERROR_REPLY) == IPM_OFF)
		return pfk_deliver(c, PFK_TO_ONE, rq->p, rq->len);
	/* [PFKEY-3.1-01] */
	memcpy(head, rq->p, sizeof head);
	pfk_le_put(head + 4, 2, sizeof head / 8);
	return pfk_deliver(c, PFK_TO_ONE, head, sizeof head);
}

/*
 * Facts pfkey 3.5.11.  The long form hands on what follows the header; what
 * follows was read as extensions before, so no message within can pass.
 */
int
pfk_do_promisc(struct pfk_call *c)
{
	struct pfk_req *rq = c->rq;
	struct pfk_sock *s = pfk_requester(c);

	if (rq->len > PFK_HDR_LEN)
		return pfk_deliver(
		    c, PFK_TO_ALL, rq->p + PFK_HDR_LEN, rq->len - PFK_HDR_LEN);
	if (s == NULL || rq->satype > 1)
		return pfk_reply_error(c, PFK_EINVAL);
	s->promisc = rq->satype;
	rq->p[2] = 0;
	return pfk_deliver(c, PFK_TO_ALL, rq->p, rq->len);
}
