#include "pfk_step.h"

#include <string.h>

#include "ipm_log.h"
#include "pfk_int.h"

static const char *const event_names[PFK_N_EVENTS] = {
	[PFK_EV_CLOCK] = "clock",
	[PFK_EV_PACKET] = "packet",
	[PFK_EV_OUTPUT] = "output",
	[PFK_EV_SEND] = "send",
	[PFK_EV_PFKEY] = "pfkey",
	[PFK_EV_KEYSOCK] = "keysock",
	[PFK_EV_KEYCLOSE] = "keyclose",
	[PFK_EV_KEYRCVBUF] = "keyrcvbuf",
	[PFK_EV_SYSCTL] = "sysctl",
	[PFK_EV_SOCKET] = "socket",
	[PFK_EV_CLOSE] = "close",
	[PFK_EV_SETOPT] = "setsockopt",
	[PFK_EV_GETOPT] = "getsockopt",
	[PFK_EV_FAULT] = "fault",
	[PFK_EV_HOST] = "host",
};

const char *
pfk_event_name(enum pfk_event_kind k)
{
	return k < PFK_N_EVENTS ? event_names[k] : "?";
}

void
pfk_model_init(struct pfk_model *m, const struct ipm_profile *pf, uint64_t now,
    size_t limit, const struct ipm_provider *provider,
    const struct ipm_alloc *alloc, struct ipm_work *work)
{
	memset(m, 0, sizeof *m);
	pfk_engine_init(&m->e, now, limit);
	m->pf = *pf;
	ipm_derived_init(&m->derived, provider, alloc);
	m->work = work;
}

enum ipm_err
pfk_model_clone(struct pfk_model *dst, const struct pfk_model *src,
    const struct ipm_alloc *alloc, struct ipm_work *work)
{
	enum ipm_err err;

	memset(dst, 0, sizeof *dst);
	err = pfk_engine_clone(&dst->e, &src->e, alloc);
	dst->pf = src->pf;
	ipm_derived_init(&dst->derived, src->derived.provider, alloc);
	dst->work = work;
	dst->event = src->event;
	dst->faults = src->faults;
	return err;
}

void
pfk_model_free(struct pfk_model *m, const struct ipm_alloc *alloc)
{
	ipm_derived_free(&m->derived);
	pfk_engine_free(&m->e, alloc);
}

uint64_t
pfk_model_digest(const struct pfk_model *m)
{
	struct ipm_digest d = { pfk_engine_digest(&m->e) };

	ipm_digest_number(&d, m->faults);
	return d.h;
}

/* --- one event ---------------------------------------------------------------- */

/* What the callbacks of one event share. */
struct turn {
	struct pfk_model *m;
	const struct ipm_env *env;
	pfk_effect_fn *effect;
	void *ctx;
};

static void
tell(struct turn *t, const struct ipm_effect *fx)
{
	const struct pfk_effect e = { .event = t->m->event, .fx = *fx };

	t->effect(t->ctx, &e);
}

/* [MAN-debug-01] [MAN-debug-03] The line goes out when its sysctl lets it. */
static void
log_line(struct turn *t, enum ipm_log log, uint8_t family)
{
	if (log < IPM_N_LOGS &&
	    ipm_log_on(&t->m->e.ipm.sysctls, &t->m->pf, log, family))
		tell(t,
		    &(struct ipm_effect){ .kind = IPM_FX_LOG,
			.iface = -1,
			.family = family,
			.log = (int)log });
}

static void
on_effect(void *ctx, const struct ipm_effect *fx)
{
	struct turn *t = ctx;

	tell(t, fx);
	if (fx->kind == IPM_FX_DROP)
		log_line(t, ipm_log_of_reason(fx->reason), fx->family);
}

static int
on_need_sa(void *ctx, const struct ipm_wanted *w)
{
	struct turn *t = ctx;

	log_line(t, IPM_LOG_OUT_NO_SA, w->dst.family);
	if ((t->m->faults & IPM_FAULT_NOMEM) != 0)
		return PFK_ENOBUFS;
	return pfk_acquire(&t->m->e, &t->m->pf, t->env, w);
}

/* net.key.debug's lines about a PF_KEY message or a packet. */
static void
log_stages(struct turn *t, const enum ipm_log stages[3])
{
	for (size_t i = 0; i < 3; i++)
		log_line(t, stages[i], 4);
}

/* Using a level that is none rewrites its variable (facts datapath 1.7). */
static const struct {
	enum ipm_sysvar var;
	uint8_t family;
} levels[] = { { IPM_SV_ESP_TRANS_DEFLEV4, 4 }, { IPM_SV_ESP_NET_DEFLEV4, 4 },
	{ IPM_SV_AH_TRANS_DEFLEV4, 4 }, { IPM_SV_AH_NET_DEFLEV4, 4 },
	{ IPM_SV_ESP_TRANS_DEFLEV6, 6 }, { IPM_SV_ESP_NET_DEFLEV6, 6 },
	{ IPM_SV_AH_TRANS_DEFLEV6, 6 }, { IPM_SV_AH_NET_DEFLEV6, 6 } };

static void
log_levels(struct turn *t, const struct ipm_sysctls *before)
{
	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
		if (before->v[levels[i].var] !=
		    t->m->e.ipm.sysctls.v[levels[i].var])
			log_line(t, IPM_LOG_LEVEL_REWRITTEN, levels[i].family);
}

/* What waits in the PF_KEY sockets is read: oldest socket first. */
static void
drain(struct turn *t)
{
	uint8_t msg[PFK_MSG_MAX * 2];

	for (uint32_t sock = 1; sock <= t->m->e.last_sock; sock++) {
		size_t len;

		while ((len = pfk_recv(&t->m->e, sock, msg, sizeof msg)) != 0) {
			const struct pfk_effect e = { .event = t->m->event,
				.pfkey = true,
				.sock = sock,
				.msg = ipm_span(
				    msg, len < sizeof msg ? len : sizeof msg) };

			t->effect(t->ctx, &e);
		}
	}
}

static struct ipm_path
path_of(struct turn *t)
{
	return (struct ipm_path){ .s = &t->m->e.ipm,
		.d = &t->m->derived,
		.pf = &t->m->pf,
		.env = t->env,
		.work = t->m->work,
		.faults = t->m->faults,
		.event = t->m->event,
		.ctx = t,
		.effect = on_effect,
		.need_sa = on_need_sa };
}

static ipm_off
socket_of(const struct turn *t, uint32_t id)
{
	return id == 0
	    ? 0
	    : ipm_pcb_by_id(&t->m->e.ipm.pcbs, &t->m->e.ipm.arena, id);
}

/* A packet may be handed down by nobody, a datagram may not: EBADF; EOPNOTSUPP
 * of a socket that is not UDP's, EAFNOSUPPORT of the other family's. */
static int
sender_wrong(const struct turn *t, const struct pfk_event *ev, ipm_off off)
{
	const struct ipm_pcb *pcb;

	if (ev->kind == PFK_EV_PACKET ||
	    (ev->kind == PFK_EV_OUTPUT && ev->sock == 0))
		return 0;
	if (off == 0)
		return PFK_EBADF;
	if (ev->kind == PFK_EV_OUTPUT)
		return 0;
	pcb = ipm_arena_at(&t->m->e.ipm.arena, off);
	if (pcb->raw || pcb->proto != IPM_PROTO_UDP)
		return PFK_EOPNOTSUPP;
	return pcb->family == ev->addr.family ? 0 : PFK_EAFNOSUPPORT;
}

static void
packet_event(
    struct turn *t, const struct pfk_event *ev, struct pfk_outcome *out)
{
	static const enum ipm_log stages[3] = { IPM_LOG_IPSEC_STAMP,
		IPM_LOG_IPSEC_DATA, IPM_LOG_IPSEC_DUMP };
	struct ipm_path path = path_of(t);
	const struct ipm_sysctls before = t->m->e.ipm.sysctls;
	ipm_off pcb = ev->kind == PFK_EV_PACKET ? 0 : socket_of(t, ev->sock);

	if ((out->err = sender_wrong(t, ev, pcb)) != 0)
		return;
	out->judged = true;
	log_stages(t, stages);
	if (ev->kind == PFK_EV_PACKET)
		out->fate =
		    ipm_input(&path, ev->iface, ev->octets, t->m->event);
	else if (ev->kind == PFK_EV_OUTPUT)
		out->fate = ipm_output(&path, pcb, ev->octets, &out->err);
	else
		out->fate = ipm_udp_send(
		    &path, pcb, &ev->addr, ev->port, ev->octets, &out->err);
	log_levels(t, &before);
}

static int
option_event(
    struct turn *t, const struct pfk_event *ev, struct pfk_outcome *out)
{
	struct pfk_engine *e = &t->m->e;
	ipm_off pcb = socket_of(t, ev->sock);

	if (pcb == 0)
		return PFK_EBADF;
	if (ev->kind == PFK_EV_SETOPT)
		return pfk_setsockopt(e, &t->m->pf, t->env, pcb, ev->privileged,
		    ev->level, ev->option, ev->octets);
	return pfk_getsockopt(e, &t->m->pf, pcb, ev->level, ev->option,
	    ev->octets, out->opt, sizeof out->opt, &out->len);
}

static int
socket_event(struct turn *t, const struct pfk_event *ev)
{
	struct ipm_state *s = &t->m->e.ipm;
	ipm_off off;

	if (socket_of(t, ev->pcb.id) != 0)
		return PFK_EEXIST;
	return ipm_pcb_open(
		   &s->pcbs, &s->arena, t->env->alloc, &ev->pcb, &off) == IPM_OK
	    ? 0
	    : PFK_ENOBUFS;
}

static int
pfkey_event(struct turn *t, const struct pfk_event *ev)
{
	static const enum ipm_log stages[3] = { IPM_LOG_KEY_STAMP,
		IPM_LOG_KEY_DATA, IPM_LOG_KEY_DUMP };

	log_stages(t, stages);
	return pfk_send(&t->m->e, &t->m->pf, t->env, ev->sock, ev->octets);
}

static void
dispatch(struct turn *t, const struct pfk_event *ev, struct pfk_outcome *out)
{
	struct pfk_model *m = t->m;
	struct ipm_state *s = &m->e.ipm;
	ipm_off pcb;

	switch (ev->kind) {
	case PFK_EV_CLOCK:
	case PFK_N_EVENTS:
		break;
	case PFK_EV_PACKET:
	case PFK_EV_OUTPUT:
	case PFK_EV_SEND:
		packet_event(t, ev, out);
		break;
	case PFK_EV_PFKEY:
		out->err = pfkey_event(t, ev);
		break;
	case PFK_EV_KEYSOCK:
		out->value = pfk_open(&m->e, t->env);
		out->err = out->value == 0 ? PFK_ENOBUFS : 0;
		break;
	case PFK_EV_KEYCLOSE:
		pfk_close(&m->e, ev->sock);
		break;
	case PFK_EV_KEYRCVBUF:
		out->err = ev->value < 0 || ev->value > UINT32_MAX
		    ? PFK_EINVAL
		    : pfk_set_rcvbuf(&m->e, ev->sock, (uint32_t)ev->value);
		break;
	case PFK_EV_SYSCTL:
		out->err = ipm_sysctl_set(
		    &s->sysctls, &s->stats, &m->pf, ev->name, ev->value);
		break;
	case PFK_EV_SOCKET:
		out->err = socket_event(t, ev);
		break;
	case PFK_EV_CLOSE:
		pcb = socket_of(t, ev->sock);
		out->err = pcb == 0 ? PFK_EBADF : 0;
		if (pcb != 0)
			ipm_pcb_close(&s->pcbs, &s->arena, pcb);
		break;
	case PFK_EV_SETOPT:
	case PFK_EV_GETOPT:
		out->err = option_event(t, ev, out);
		break;
	case PFK_EV_FAULT:
		m->faults = (unsigned)ev->value;
		break;
	case PFK_EV_HOST:
		s->host = *ev->host;
		break;
	}
}

void
pfk_step(struct pfk_model *m, const struct pfk_event *ev,
    const struct ipm_env *env, pfk_effect_fn *effect, void *ctx,
    struct pfk_outcome *out)
{
	struct turn t = { m, env, effect, ctx };
	struct ipm_path path;

	out->event = ++m->event;
	out->err = 0;
	out->judged = false;
	out->fate = IPM_R_OK;
	out->value = 0;
	out->len = 0;
	pfk_clock(&m->e, &m->pf, env);
	path = path_of(&t);
	ipm_clock(&path);
	dispatch(&t, ev, out);
	drain(&t);
}
