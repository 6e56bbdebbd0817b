#ifndef PFK_STEP_H
#define PFK_STEP_H

/*
 * The one door: step(state, event, env) -> effects.  Everything that happens
 * to a host is an event; everything that leaves the model is an effect and
 * names the event that caused it.  The same state, event and env give the same
 * effects on every machine.
 */

#include "ipm_path.h"
#include "pfk_engine.h"

enum pfk_event_kind {
	PFK_EV_CLOCK,   /* the time has moved to env->sec */
	PFK_EV_PACKET,  /* octets arrive on interface */
	PFK_EV_OUTPUT,  /* socket (0 none) hands down an IP packet */
	PFK_EV_SEND,    /* UDP socket sends octets to addr, port; EBADF,
			   EOPNOTSUPP (not UDP), EAFNOSUPPORT */
	PFK_EV_PFKEY,   /* octets are written to PF_KEY socket */
	PFK_EV_KEYSOCK, /* a PF_KEY socket opens: outcome.value is its number */
	PFK_EV_KEYCLOSE,  /* PF_KEY socket closes */
	PFK_EV_KEYRCVBUF, /* its receive buffer becomes value octets */
	PFK_EV_SYSCTL,    /* the variable `name` becomes value */
	PFK_EV_SOCKET,    /* pcb is a new socket; its id is pcb.id */
	PFK_EV_CLOSE,     /* socket closes */
	PFK_EV_SETOPT,    /* level, option, octets; privileged */
	PFK_EV_GETOPT,    /* likewise; the value is in outcome */
	PFK_EV_FAULT,     /* value: enum ipm_fault, until the next such event */
	PFK_EV_HOST,      /* the host becomes *host */
	PFK_N_EVENTS
};

/* "packet", "send", ...: how a log of events names them. */
const char *pfk_event_name(enum pfk_event_kind k);

/* Members not named by the kind are not looked at.  Nothing is kept. */
struct pfk_event {
	enum pfk_event_kind kind;
	int iface;     /* PACKET */
	uint32_t sock; /* PF_KEY socket, or id of a socket */
	struct ipm_span octets;
	struct ipm_addr addr; /* SEND */
	uint16_t port;        /* SEND */
	const char *name;     /* SYSCTL */
	int64_t value;
	int level, option;  /* SETOPT, GETOPT: FreeBSD's numbers */
	bool privileged;    /* SETOPT */
	struct ipm_pcb pcb; /* SOCKET */
	const struct ipm_host *host;
};

struct pfk_effect {
	uint64_t event; /* number of the event, from 1 */
	bool pfkey;     /* a datagram to PF_KEY socket sock; else fx */
	uint32_t sock;
	struct ipm_span msg; /* valid during the call */
	struct ipm_effect fx;
};

#define PFK_OPT_MAX 4096U /* PAGE_SIZE: longest value of a socket option */

/* What the caller of the event gets. */
struct pfk_outcome {
	uint64_t event;
	int err;     /* errno of the call, 0 none */
	bool judged; /* the event was a packet; fate is set */
	enum ipm_reason fate;
	uint32_t value; /* KEYSOCK */
	size_t len;     /* GETOPT: as the kernel states it */
	uint8_t opt[PFK_OPT_MAX];
};

struct pfk_model {
	struct pfk_engine e;
	struct ipm_profile pf;
	struct ipm_derived derived; /* never copied */
	struct ipm_work *work;      /* the caller's */
	uint64_t event;             /* events so far */
	unsigned faults;
};

typedef void pfk_effect_fn(void *ctx, const struct pfk_effect *fx);

/*
 * A host without interfaces, sockets and keys at second `now`.
 *
 *   provider, alloc  of the derived data; must outlive the model
 *   work             memory for one packet's work, the caller's
 */
void pfk_model_init(struct pfk_model *m, const struct ipm_profile *pf,
    uint64_t now, size_t limit, const struct ipm_provider *provider,
    const struct ipm_alloc *alloc, struct ipm_work *work);

/* dst becomes a copy of src that goes its own way, with its own derived data
 * and the work given.  IPM_OK or IPM_ERR_NOMEM (dst is empty then). */
enum ipm_err pfk_model_clone(struct pfk_model *dst, const struct pfk_model *src,
    const struct ipm_alloc *alloc, struct ipm_work *work);
void pfk_model_free(struct pfk_model *m, const struct ipm_alloc *alloc);

/* Equal for equal histories, on every machine. */
uint64_t pfk_model_digest(const struct pfk_model *m);

/*
 * One event.  The clock runs to env->sec first; the effects of that bear the
 * event's number.
 *
 *   effect  called for each effect, in order; PF_KEY datagrams of the event
 *           come when it is over, socket by socket in the order of opening
 *           (a reader that drains between events, facts pfkey 8.2)
 */
void pfk_step(struct pfk_model *m, const struct pfk_event *ev,
    const struct ipm_env *env, pfk_effect_fn *effect, void *ctx,
    struct pfk_outcome *out);

#endif
