#include "step_world.h"

#include <stdio.h>
#include <string.h>

#include "db/ipm_digest.h"
#include "ipm_log.h"

#define FIRST_SECOND 1000U
#define TAPE_LEN     1024U
#define TAPE_SHORT   61U /* every so manieth event has next to no tape */
#define ARENA_MAX    ((size_t)1 << 26)

/* --- the hosts ------------------------------------------------------------------ */

#define DOC6 0x20010db8U

struct ipm_addr
step_addr(unsigned i)
{
	static const struct {
		uint32_t four, net6, last6;
	} rows[STEP_ADDRS / 2] = {
		{ 0xc0000201, 0x000b0000, 1 }, /* on the wire */
		{ 0xc0000202, 0x000b0000, 2 },
		{ 0x0a010001, 0x00010000, 1 }, /* inside */
		{ 0x0a020001, 0x00020000, 1 },
		{ 0x0a010005, 0x00010000, 5 }, /* behind them */
		{ 0x0a020007, 0x00020000, 7 },
		{ 0xc0000207, 0x000b0000, 7 }, /* on the wire, nobody's */
		{ 0xcb007105, 0x00090000, 5 }, /* no route */
	};
	unsigned row = i % STEP_ADDRS / 2;
	struct ipm_addr a = { .family = i % 2 == 0 ? 4 : 6 };

	if (i % 2 == 0) {
		ipm_store32(a.octet, rows[row].four);
		return a;
	}
	ipm_store32(a.octet, DOC6);
	ipm_store32(a.octet + 4, rows[row].net6);
	ipm_store32(a.octet + 12, rows[row].last6);
	return a;
}

static bool
add_ends(struct ipm_host *h, unsigned here, unsigned family)
{
	const uint8_t prefix = family == 4 ? 24 : 64;
	struct ipm_addr red = step_addr(4 + 2 * here + family / 6);
	struct ipm_addr blk = step_addr(2 * here + family / 6);
	struct ipm_addr far = step_addr(4 + 2 * (1 - here) + family / 6);
	struct ipm_addr gw = step_addr(2 * (1 - here) + family / 6);

	return ipm_host_add_addr(h, STEP_RED0, &red, prefix) == IPM_OK &&
	    ipm_host_add_addr(h, STEP_BLK1, &blk, prefix) == IPM_OK &&
	    ipm_host_add_route(h, &far, prefix, STEP_BLK1, &gw) == IPM_OK;
}

static bool
make_host(struct ipm_host *h, unsigned here, uint8_t flags, uint32_t mtu)
{
	struct ipm_addr lo4 = { .family = 4, .octet = { 127, 0, 0, 1 } };
	struct ipm_addr lo6 = { .family = 6, .octet = { [15] = 1 } };
	uint8_t i;

	ipm_host_init(h);
	h->forwarding4 = (flags & STEP_HOST_FORWARD4) != 0;
	h->forwarding6 = (flags & STEP_HOST_FORWARD6) != 0;
	h->filter_installed = (flags & STEP_HOST_FILTERS) != 0;
	h->enc_up = (flags & STEP_HOST_ENC) != 0;
	h->random_id = (flags & STEP_HOST_RANDOM_ID) != 0;
	if ((flags & STEP_HOST_BLOCK) != 0) {
		h->filter[0] =
		    (struct ipm_filter){ .at = IPM_FILTER_ENC_IN, .proto = 1 };
		h->n_filters = 1;
	}
	return ipm_host_add_if(h, "red0", 1500, false, &i) == IPM_OK &&
	    ipm_host_add_if(h, "blk1", mtu, false, &i) == IPM_OK &&
	    ipm_host_add_if(h, "lo0", 16384, true, &i) == IPM_OK &&
	    ipm_host_add_addr(h, STEP_LO0, &lo4, 8) == IPM_OK &&
	    ipm_host_add_addr(h, STEP_LO0, &lo6, 128) == IPM_OK &&
	    add_ends(h, here, 4) && add_ends(h, here, 6);
}

static bool
host_open(struct step_world *w, struct step_host *h)
{
	h->work = w->alloc->resize(w->alloc->ctx, NULL, 0, sizeof *h->work);
	h->sec = FIRST_SECOND;
	if (h->work != NULL)
		memset(h->work, 0, sizeof *h->work);
	return h->work != NULL;
}

static void
host_close(struct step_world *w, struct step_host *h)
{
	pfk_model_free(&h->m, w->alloc);
	if (h->work != NULL)
		(void)w->alloc->resize(
		    w->alloc->ctx, h->work, sizeof *h->work, 0);
	if (h->sent != NULL)
		(void)w->alloc->resize(
		    w->alloc->ctx, h->sent, STEP_POOL * sizeof *h->sent, 0);
	memset(h, 0, sizeof *h);
}

/* --- one event ------------------------------------------------------------------ */

static bool
wrong(struct step_world *w, const struct step_host *h, const char *what,
    unsigned long long a, unsigned long long b)
{
	if (w->why[0] == '\0')
		(void)snprintf(w->why, sizeof w->why,
		    "event %llu of host %d: %s (%llu, %llu)",
		    (unsigned long long)h->m.event,
		    h == &w->host[0] || h == &w->twin[0] ? 0 : 1, what, a, b);
	return false;
}

/* What came of one event, for the checks behind it. */
struct seen {
	struct step_world *w;
	struct step_host *h;
	const struct pfk_event *ev;
	uint64_t number;
	uint64_t drops; /* told before the event */
	size_t own;     /* drops told as of the event's packet */
	size_t looped;  /* packets given to the loopback interface */
	size_t sent;
	size_t polvio_in, polvio_out, replay;
	bool told[IPM_N_REASONS]; /* among them */
};

static void
mix(struct step_host *h, uint64_t v)
{
	struct ipm_digest d = { h->log.digest };

	ipm_digest_number(&d, v);
	h->log.digest = d.h;
}

static void
mix_span(struct step_host *h, struct ipm_span s)
{
	struct ipm_digest d = { h->log.digest };

	ipm_digest_number(&d, s.len);
	ipm_digest_octets(&d, s.p, s.len);
	h->log.digest = d.h;
}

static void
mix_effect(struct step_host *h, const struct pfk_effect *e)
{
	const struct ipm_effect *fx = &e->fx;
	struct ipm_digest d;

	mix(h, e->event);
	if (e->pfkey) {
		mix(h, e->sock);
		mix_span(h, e->msg);
		return;
	}
	mix(h, (uint64_t)fx->kind << 32 | (uint32_t)fx->reason);
	mix(h, (uint64_t)(uint32_t)fx->iface << 32 | fx->at);
	mix(h, (uint64_t)fx->family << 32 | fx->before);
	mix(h, (uint64_t)fx->spi << 32 | fx->enc_flags);
	mix(h, (uint64_t)fx->pcb << 32 | fx->from_port);
	mix(h, fx->frame);
	mix(h, (uint32_t)fx->log);
	d.h = h->log.digest;
	ipm_digest_addr(&d, &fx->from);
	h->log.digest = d.h;
	mix_span(h, fx->packet);
}

static void
keep_sent(struct step_host *h, const struct ipm_effect *fx)
{
	struct step_sent *s;

	if (h->sent == NULL || fx->iface != STEP_BLK1 ||
	    fx->packet.len > STEP_POOL_MAX)
		return;
	s = &h->sent[h->n_sent++ % STEP_POOL];
	s->len = fx->packet.len;
	memcpy(s->octets, fx->packet.p, s->len);
}

static void
check_transmit(struct seen *s, const struct ipm_effect *fx)
{
	const struct ipm_host *host = &s->h->m.e.ipm.host;
	const uint8_t *p = fx->packet.p;
	size_t len = fx->packet.len, hlen;

	s->sent++;
	if (fx->iface < 0 || fx->iface >= host->n_ifs) {
		(void)wrong(s->w, s->h, "no such interface",
		    (unsigned long long)fx->iface, 0);
		return;
	}
	s->looped += host->iface[fx->iface].loopback;
	if (len < 20 || p[0] >> 4 != fx->family ||
	    (fx->family != 4 && len < 40)) {
		(void)wrong(s->w, s->h, "no packet sent", len, fx->family);
		return;
	}
	if (len > host->iface[fx->iface].mtu)
		(void)wrong(s->w, s->h, "longer than the interface takes", len,
		    host->iface[fx->iface].mtu);
	hlen = (size_t)(p[0] & 15) * 4;
	if (fx->family == 4 &&
	    (hlen < 20 || hlen > len ||
		ipm_sum_fold(ipm_sum_add(0, ipm_span(p, hlen))) != 0))
		(void)wrong(s->w, s->h, "IPv4 checksum", hlen, len);
	keep_sent(s->h, fx);
}

/* The interface that the drop of the event's packet names. */
static int
home(const struct seen *s)
{
	return s->ev->kind == PFK_EV_PACKET &&
		s->ev->iface < s->h->m.e.ipm.host.n_ifs
	    ? s->ev->iface
	    : -1;
}

static void
check_drop(struct seen *s, const struct ipm_effect *fx)
{
	if (ipm_reasons[fx->reason].verdict != IPM_V_DROP)
		(void)wrong(s->w, s->h, "a drop without a drop's reason",
		    fx->reason, 0);
	s->polvio_in += fx->reason == IPM_R_POLICY_MISMATCH;
	s->polvio_out += fx->reason == IPM_R_POLICY_DISCARD;
	s->replay += fx->reason == IPM_R_REPLAYED ||
	    fx->reason == IPM_R_LEFT_OF_WINDOW || fx->reason == IPM_R_SEQ_ZERO;
	if (fx->frame != 0) {
		uint8_t *waits = &s->h->log.pending[fx->frame % STEP_PENDING];

		if (fx->frame > s->number)
			(void)wrong(
			    s->w, s->h, "a fragment yet to come", fx->frame, 0);
		else if (s->number - fx->frame < STEP_PENDING && *waits == 0 &&
		    fx->frame != s->number) /* it was looped just now */
			(void)wrong(s->w, s->h, "a fragment that did not wait",
			    fx->frame, fx->reason);
		if (*waits == 1)
			*waits = 0;
		return;
	}
	if (fx->iface == home(s)) {
		s->own++;
		s->told[fx->reason] = true;
	}
}

static void
on_effect(void *ctx, const struct pfk_effect *e)
{
	struct seen *s = ctx;
	struct step_host *h = s->h;
	const struct ipm_effect *fx = &e->fx;

	mix_effect(h, e);
	if (e->event != s->number)
		(void)wrong(s->w, h, "another event's effect", e->event, 0);
	if (e->pfkey) {
		h->log.messages++;
		if (e->sock == 0 || e->sock > h->m.e.last_sock ||
		    e->msg.len < 16)
			(void)wrong(s->w, h, "a message to nobody", e->sock,
			    e->msg.len);
		return;
	}
	if (fx->kind >= IPM_N_FX || fx->reason >= IPM_N_REASONS) {
		(void)wrong(s->w, h, "no such effect", fx->kind, fx->reason);
		return;
	}
	h->log.effects[fx->kind]++;
	if (fx->kind == IPM_FX_TRANSMIT)
		check_transmit(s, fx);
	else if (fx->kind == IPM_FX_DROP)
		check_drop(s, fx);
	else if (fx->kind == IPM_FX_DELIVER &&
	    ipm_pcb_by_id(&h->m.e.ipm.pcbs, &h->m.e.ipm.arena, fx->pcb) == 0)
		(void)wrong(s->w, h, "delivered to nobody", fx->pcb, 0);
	else if (fx->kind == IPM_FX_LOG &&
	    (fx->log < 0 || fx->log >= (int)IPM_N_LOGS))
		(void)wrong(
		    s->w, h, "no such line", (unsigned long long)fx->log, 0);
}

static uint64_t
count_of(const struct ipm_stats *s, const enum ipm_stat *which, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += s->v[which[i]];
	return sum;
}

/* A raw socket's policy refuses the socket its copy of a packet, not the packet
 * (FreeBSD rip_input): so often that may have been. */
static size_t
copies(const struct seen *s)
{
	const struct ipm_arena *a = &s->h->m.e.ipm.arena;
	size_t raw = 0;

	for (ipm_off off = s->h->m.e.ipm.pcbs.first; off != 0;) {
		const struct ipm_pcb *pcb = ipm_arena_at(a, off);

		raw += pcb->raw;
		off = pcb->next;
	}
	return raw * (1 + s->looped);
}

/* Counters and drops agree (FreeBSD netipsec/ipsec.h, esp_var.h, ah_var.h). */
static void
check_counters(const struct seen *s, const struct ipm_stats *before)
{
	static const enum ipm_stat in[] = { IPM_ST_IPS4_in_polvio,
		IPM_ST_IPS6_in_polvio };
	static const enum ipm_stat out[] = { IPM_ST_IPS4_out_polvio,
		IPM_ST_IPS6_out_polvio };
	static const enum ipm_stat replay[] = { IPM_ST_ESP_replay,
		IPM_ST_AH_replay };
	const struct ipm_stats *now = &s->h->m.e.ipm.stats;
	uint64_t n;

	n = count_of(now, in, 2) - count_of(before, in, 2);
	if (n < s->polvio_in || n > s->polvio_in + copies(s))
		(void)wrong(
		    s->w, s->h, "ips_in_polvio and drops", n, s->polvio_in);
	n = count_of(now, out, 2) - count_of(before, out, 2);
	if (n != s->polvio_out)
		(void)wrong(
		    s->w, s->h, "ips_out_polvio and drops", n, s->polvio_out);
	n = count_of(now, replay, 2) - count_of(before, replay, 2);
	if (n != s->replay)
		(void)wrong(
		    s->w, s->h, "replay counters and drops", n, s->replay);
}

static bool
is_packet(const struct pfk_event *ev)
{
	return ev->kind == PFK_EV_PACKET || ev->kind == PFK_EV_OUTPUT ||
	    ev->kind == PFK_EV_SEND;
}

/* Was it no packet, but a call on a socket that cannot? */
static bool
refused(const struct seen *s, int err)
{
	return s->ev->kind != PFK_EV_PACKET &&
	    (err == PFK_EBADF || err == PFK_EOPNOTSUPP ||
		err == PFK_EAFNOSUPPORT) &&
	    s->h->log.effects[IPM_FX_DROP] == s->drops;
}

/*
 * May drops that name the same interface be of other packets?  What is looped
 * arrives on the loopback interface, and what the host makes in answer to a
 * packet has none.
 */
static bool
shared(const struct seen *s)
{
	return (s->ev->kind == PFK_EV_PACKET ? home(s) < 0 : s->looped != 0) ||
	    (home(s) == STEP_LO0 && s->looped != 0);
}

static void
check_fate(struct seen *s, const struct pfk_outcome *out)
{
	struct step_log *log = &s->h->log;
	enum ipm_verdict v;

	if (out->judged != (is_packet(s->ev) && !refused(s, out->err))) {
		(void)wrong(s->w, s->h, "judged", out->judged, s->ev->kind);
		return;
	}
	if (!out->judged)
		return;
	if (out->fate >= IPM_N_REASONS) {
		(void)wrong(s->w, s->h, "no such fate", out->fate, 0);
		return;
	}
	v = ipm_reasons[out->fate].verdict;
	log->packets++;
	log->verdicts[v]++;
	log->fates[out->fate]++;
	if (s->looped != 0) /* any number of them */
		log->pending[s->number % STEP_PENDING] = UINT8_MAX;
	else if (out->fate == IPM_R_FRAG_PENDING)
		log->pending[s->number % STEP_PENDING] = 1;
	if (!shared(s) && s->own != (v == IPM_V_DROP))
		(void)wrong(
		    s->w, s->h, "drops told of one packet", s->own, out->fate);
	if (v == IPM_V_DROP && !s->told[out->fate])
		(void)wrong(
		    s->w, s->h, "another reason told", s->own, out->fate);
	if (v == IPM_V_TRANSMIT && s->sent == 0)
		(void)wrong(s->w, s->h, "nothing was sent", out->fate, 0);
}

/* The tape: of the event's number and the host. */
static void
fill_tape(uint8_t *octets, uint64_t seed)
{
	for (size_t i = 0; i < TAPE_LEN; i += 8) {
		uint64_t z = seed += 0x9e3779b97f4a7c15U;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
		z = (z ^ z >> 27) * 0x94d049bb133111ebU;
		ipm_store64(octets + i, z ^ z >> 31);
	}
}

static void
happen(struct step_world *w, struct step_host *h, const struct pfk_event *ev,
    struct pfk_outcome *out)
{
	uint8_t octets[TAPE_LEN];
	struct ipm_tape tape = { ipm_span(octets, sizeof octets), 0 };
	struct ipm_env env = { .sec = h->sec,
		.random = &tape,
		.crypto = w->crypto,
		.comp = w->comp,
		.alloc = w->alloc };
	struct seen s = { .w = w, .h = h, .ev = ev };
	struct ipm_stats before = h->m.e.ipm.stats;

	s.number = h->m.event + 1;
	s.drops = h->log.effects[IPM_FX_DROP];
	h->log.pending[s.number % STEP_PENDING] = 0;
	fill_tape(octets, s.number);
	if (s.number % TAPE_SHORT == 0)
		tape.octets.len = 8;
	pfk_step(&h->m, ev, &env, on_effect, &s, out);
	h->log.events++;
	mix(h, out->event);
	mix(h, (uint64_t)(uint32_t)out->err << 32 | out->value);
	mix(h, (uint64_t)out->judged << 32 | (uint32_t)out->fate);
	mix_span(h,
	    ipm_span(out->opt,
		out->len < sizeof out->opt ? out->len : sizeof out->opt));
	if (out->event != s.number)
		(void)wrong(w, h, "number", out->event, s.number);
	check_fate(&s, out);
	if (ev->kind != PFK_EV_SYSCTL) /* it may clear counters */
		check_counters(&s, &before);
}

/* --- the copy that follows -------------------------------------------------------- */

static bool
twin_make(struct step_world *w, unsigned i, unsigned events)
{
	struct step_host *t = &w->twin[i];
	uint64_t digest = pfk_model_digest(&w->host[i].m);

	if (w->twin_left[i] != 0 || events == 0)
		return true;
	*t = w->host[i];
	t->sent = NULL;
	if (!host_open(w, t)) {
		*t = (struct step_host){ 0 };
		return wrong(w, &w->host[i], "no memory", 0, 0);
	}
	t->sec = w->host[i].sec;
	if (pfk_model_clone(&t->m, &w->host[i].m, w->alloc, t->work) != IPM_OK)
		return wrong(w, t, "no memory for a copy", 0, 0);
	w->twin_left[i] = events;
	if (pfk_model_digest(&t->m) != digest)
		return wrong(w, t, "the copy is another", 0, 0);
	if (pfk_model_digest(&w->host[i].m) != digest)
		return wrong(w, t, "copying changed the original", 0, 0);
	return true;
}

static void
twin_end(struct step_world *w, unsigned i)
{
	if (pfk_model_digest(&w->twin[i].m) != pfk_model_digest(&w->host[i].m))
		(void)wrong(w, &w->host[i], "the copy went another way",
		    w->twin_left[i], 0);
	host_close(w, &w->twin[i]);
	w->twin_left[i] = 0;
	w->twins++;
}

/* The copy goes first, and the original must not notice. */
static void
event(struct step_world *w, unsigned i, const struct pfk_event *ev)
{
	struct pfk_outcome out, first;
	uint64_t before;

	if (w->twin_left[i] != 0) {
		before = pfk_model_digest(&w->host[i].m);
		w->twin[i].sec = w->host[i].sec;
		happen(w, &w->twin[i], ev, &first);
		if (pfk_model_digest(&w->host[i].m) != before)
			(void)wrong(w, &w->host[i],
			    "the copy's event changed the original", 0, 0);
	}
	happen(w, &w->host[i], ev, &out);
	if (w->twin_left[i] == 0)
		return;
	if (w->twin[i].log.digest != w->host[i].log.digest)
		(void)wrong(w, &w->host[i], "the copy does something else",
		    (unsigned long long)first.fate,
		    (unsigned long long)out.fate);
	if (--w->twin_left[i] == 0)
		twin_end(w, i);
}

/* --- steps ------------------------------------------------------------------------ */

struct reader {
	const uint8_t *p;
	size_t len;
};

static uint32_t
number(struct reader *r, size_t size)
{
	uint32_t v = 0;

	for (size_t i = 0; i < size && r->len != 0; i++, r->len--)
		v |= (uint32_t)*r->p++ << 8 * i;
	return v;
}

static struct ipm_span
rest(const struct reader *r)
{
	return ipm_span(r->p, r->len);
}

typedef void take_fn(struct step_world *w, unsigned i, struct reader *r);

static void
take_pfkey(struct step_world *w, unsigned i, struct reader *r)
{
	struct pfk_event ev = { .kind = PFK_EV_PFKEY, .sock = number(r, 1) };

	ev.octets = rest(r);
	event(w, i, &ev);
}

static void
take_packet(struct step_world *w, unsigned i, struct reader *r)
{
	struct pfk_event ev = { .kind = PFK_EV_PACKET,
		.iface = (int)number(r, 1) % 4 };

	ev.octets = rest(r);
	event(w, i, &ev);
}

static void
take_carry(struct step_world *w, unsigned i, struct reader *r)
{
	const struct step_host *from = &w->host[1 - i];
	struct pfk_event ev = { .kind = PFK_EV_PACKET, .iface = STEP_BLK1 };
	size_t have = from->n_sent < STEP_POOL ? from->n_sent : STEP_POOL;
	size_t which = number(r, 1), cut = number(r, 2), at = number(r, 2);
	uint8_t mask = (uint8_t)number(r, 1);
	static uint8_t octets[STEP_POOL_MAX];
	const struct step_sent *s;

	if (have == 0)
		return;
	s = &from->sent[(from->n_sent - 1 - which % have) % STEP_POOL];
	memcpy(octets, s->octets, s->len);
	octets[at % s->len] ^= mask;
	ev.octets = ipm_span(octets, cut < s->len ? s->len - cut : 0);
	event(w, i, &ev);
}

static void
take_output(struct step_world *w, unsigned i, struct reader *r)
{
	struct pfk_event ev = { .kind = PFK_EV_OUTPUT, .sock = number(r, 1) };

	ev.octets = rest(r);
	event(w, i, &ev);
}

static void
take_send(struct step_world *w, unsigned i, struct reader *r)
{
	struct pfk_event ev = { .kind = PFK_EV_SEND, .sock = number(r, 1) };

	ev.addr = step_addr(number(r, 1));
	ev.port = (uint16_t)number(r, 2);
	ev.octets = rest(r);
	event(w, i, &ev);
}

static void
take_clock(struct step_world *w, unsigned i, struct reader *r)
{
	const struct pfk_event ev = { .kind = PFK_EV_CLOCK };

	w->host[i].sec += number(r, 2);
	event(w, i, &ev);
}

static void
take_sysctl(struct step_world *w, unsigned i, struct reader *r)
{
	struct pfk_event ev = { .kind = PFK_EV_SYSCTL };

	ev.name = ipm_sysctl_rows[number(r, 2) % ipm_n_sysctl_rows].name;
	ev.value = (int32_t)number(r, 4);
	event(w, i, &ev);
}

static void
take_socket(struct step_world *w, unsigned i, struct reader *r)
{
	struct pfk_event ev = { .kind = PFK_EV_SOCKET };
	struct ipm_pcb *p = &ev.pcb;
	uint8_t flags;

	p->id = number(r, 1);
	p->family = number(r, 1) % 2 == 0 ? 4 : 6;
	p->proto = (uint8_t)number(r, 1);
	flags = (uint8_t)number(r, 1);
	p->raw = (flags & STEP_SOCK_RAW) != 0;
	p->listening = (flags & STEP_SOCK_LISTEN) != 0;
	p->dontfrag = (flags & STEP_SOCK_DF) != 0;
	p->lport = (uint16_t)number(r, 2);
	p->laddr.family = p->faddr.family = p->family;
	if ((flags & STEP_SOCK_BOUND) != 0)
		p->laddr = step_addr(number(r, 1) / 2 * 2 + p->family / 6);
	event(w, i, &ev);
}

static void
take_close(struct step_world *w, unsigned i, struct reader *r)
{
	const struct pfk_event ev = { .kind = PFK_EV_CLOSE,
		.sock = number(r, 1) };

	event(w, i, &ev);
}

static void
take_option(
    struct step_world *w, unsigned i, struct reader *r, enum pfk_event_kind k)
{
	struct pfk_event ev = { .kind = k, .sock = number(r, 1) };
	uint64_t before = pfk_model_digest(&w->host[i].m);

	ev.level = (int)number(r, 1);
	ev.option = (int)number(r, 1);
	ev.privileged = number(r, 1) != 0;
	ev.octets = rest(r);
	event(w, i, &ev);
	if (k == PFK_EV_GETOPT && pfk_model_digest(&w->host[i].m) != before)
		(void)wrong(w, &w->host[i], "getsockopt changed something",
		    (unsigned long long)ev.option, 0);
}

static void
take_setopt(struct step_world *w, unsigned i, struct reader *r)
{
	take_option(w, i, r, PFK_EV_SETOPT);
}

static void
take_getopt(struct step_world *w, unsigned i, struct reader *r)
{
	take_option(w, i, r, PFK_EV_GETOPT);
}

static void
take_keysock(struct step_world *w, unsigned i, struct reader *r)
{
	const struct pfk_event ev = { .kind = PFK_EV_KEYSOCK };

	(void)r;
	event(w, i, &ev);
}

static void
take_keyclose(struct step_world *w, unsigned i, struct reader *r)
{
	const struct pfk_event ev = { .kind = PFK_EV_KEYCLOSE,
		.sock = number(r, 1) };

	event(w, i, &ev);
}

static void
take_keyrcvbuf(struct step_world *w, unsigned i, struct reader *r)
{
	struct pfk_event ev = { .kind = PFK_EV_KEYRCVBUF,
		.sock = number(r, 1) };

	ev.value = (int32_t)number(r, 4);
	event(w, i, &ev);
}

static void
take_fault(struct step_world *w, unsigned i, struct reader *r)
{
	const struct pfk_event ev = { .kind = PFK_EV_FAULT,
		.value = number(r, 1) };

	event(w, i, &ev);
}

static void
take_host(struct step_world *w, unsigned i, struct reader *r)
{
	struct ipm_host host;
	struct pfk_event ev = { .kind = PFK_EV_HOST, .host = &host };
	uint8_t flags = (uint8_t)number(r, 1);

	if (!make_host(&host, i, flags, 576 + number(r, 2) % 8192))
		(void)wrong(w, &w->host[i], "no host", flags, 0);
	event(w, i, &ev);
}

static void
take_twin(struct step_world *w, unsigned i, struct reader *r)
{
	(void)twin_make(w, i, number(r, 1));
}

static take_fn *const takers[STEP_N] = { [STEP_PFKEY] = take_pfkey,
	[STEP_PACKET] = take_packet,
	[STEP_CARRY] = take_carry,
	[STEP_OUTPUT] = take_output,
	[STEP_SEND] = take_send,
	[STEP_CLOCK] = take_clock,
	[STEP_SYSCTL] = take_sysctl,
	[STEP_SOCKET] = take_socket,
	[STEP_CLOSE] = take_close,
	[STEP_SETOPT] = take_setopt,
	[STEP_GETOPT] = take_getopt,
	[STEP_KEYSOCK] = take_keysock,
	[STEP_KEYCLOSE] = take_keyclose,
	[STEP_KEYRCVBUF] = take_keyrcvbuf,
	[STEP_FAULT] = take_fault,
	[STEP_HOST] = take_host,
	[STEP_TWIN] = take_twin };

bool
step_world_take(
    struct step_world *w, const uint8_t *text, size_t len, size_t *at)
{
	uint8_t what;
	size_t n;

	if (w->why[0] != '\0' || len - *at < STEP_HEAD)
		return false;
	what = text[*at];
	n = text[*at + 1] | (size_t)text[*at + 2] << 8;
	*at += STEP_HEAD;
	if (n > len - *at)
		n = len - *at;
	for (unsigned i = 0; i < 2; i++) {
		struct reader r = { text + *at, n };

		if ((what & STEP_BOTH) != 0 || i == (what & STEP_THERE) / 128U)
			takers[(what & 31U) % STEP_N](w, i, &r);
	}
	*at += n;
	return w->why[0] == '\0';
}

/* --- the world -------------------------------------------------------------------- */

/* Sockets that every host has: UDP, ESP in UDP, TCP, raw. */
static void
sockets(struct step_world *w)
{
	static const uint8_t encap[] = { 3, 17, 1, 1, 2, 0, 0, 0 };
	static const uint8_t rows[][6] = {
		{ 1, 0, 17, 0, 0x28, 0x23 }, /* 9000 */
		{ 2, 1, 17, 0, 0x28, 0x23 },
		{ 3, 0, 17, 0, 0x94, 0x11 },               /* 4500 */
		{ 4, 0, 6, STEP_SOCK_LISTEN, 0x40, 0x1f }, /* 8000 */
		{ 5, 1, 6, STEP_SOCK_LISTEN, 0x40, 0x1f },
		{ 6, 0, 253, STEP_SOCK_RAW, 0, 0 },
	};
	struct reader r;

	for (unsigned i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
			r = (struct reader){ rows[k], sizeof rows[k] };
			take_socket(w, i, &r);
		}
		r = (struct reader){ encap, sizeof encap };
		take_setopt(w, i, &r);
		take_keysock(w, i, NULL);
		take_keysock(w, i, NULL);
	}
}

bool
step_world_open(struct step_world *w, enum ipm_profile_id profile,
    const struct ipm_provider *crypto, const struct ipm_compressor *comp,
    const struct ipm_alloc *alloc)
{
	const uint8_t host[] = { STEP_HOST_FORWARD4 | STEP_HOST_FORWARD6, 0x9c,
		0x03 }; /* 1500 */

	memset(w, 0, sizeof *w);
	w->crypto = crypto;
	w->comp = comp;
	w->alloc = alloc;
	ipm_profile_init(&w->pf, profile);
	for (unsigned i = 0; i < 2; i++) {
		struct step_host *h = &w->host[i];
		struct reader r = { host, sizeof host };

		h->sent = alloc->resize(
		    alloc->ctx, NULL, 0, STEP_POOL * sizeof *h->sent);
		pfk_model_init(&h->m, &w->pf, FIRST_SECOND, ARENA_MAX, crypto,
		    alloc, NULL);
		if (h->sent == NULL || !host_open(w, h)) {
			step_world_close(w);
			return false;
		}
		h->m.work = h->work;
		take_host(w, i, &r);
	}
	sockets(w);
	return true;
}

void
step_world_close(struct step_world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		if (w->twin[i].work != NULL)
			host_close(w, &w->twin[i]);
		if (w->host[i].sent != NULL)
			host_close(w, &w->host[i]);
	}
}

uint64_t
step_world_digest(const struct step_world *w)
{
	struct ipm_digest d = IPM_DIGEST_INIT;

	for (unsigned i = 0; i < 2; i++) {
		ipm_digest_number(&d, w->host[i].log.digest);
		ipm_digest_number(&d, pfk_model_digest(&w->host[i].m));
	}
	return d.h;
}

uint64_t
step_world_run(const uint8_t *text, size_t len,
    const struct ipm_provider *crypto, const struct ipm_compressor *comp,
    const struct ipm_alloc *alloc, char *why)
{
	static struct step_world w;
	size_t at = 1;
	uint64_t digest;

	why[0] = '\0';
	if (len == 0)
		return 1;
	if (!step_world_open(&w,
		(enum ipm_profile_id)(text[0] % IPM_N_PROFILES), crypto, comp,
		alloc)) {
		(void)strcpy(why, "no memory");
		return 0;
	}
	while (step_world_take(&w, text, len, &at))
		;
	digest = step_world_digest(&w);
	memcpy(why, w.why, sizeof w.why);
	step_world_close(&w);
	return why[0] == '\0' ? digest : 0;
}
