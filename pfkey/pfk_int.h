#ifndef PFK_INT_H
#define PFK_INT_H

/*
 * What the parts of the key engine say to each other; nobody else includes
 * this.
 *
 *   pfk_engine.c  the generic checks of a request, which handler gets it
 *   pfk_sock.c    sockets, delivery, the messages about sockets
 *   pfk_out.c     messages under construction
 *   pfk_alg.c     algorithms: what is listed, taken and proposed
 *   pfk_setval.c  what ADD and UPDATE put into an SA
 *   pfk_sadb.c    messages about SAs
 *   pfk_sadump.c  SAs as messages tell them
 *   pfk_sp.c      a policy as octets, for PF_KEY and setsockopt(2)
 *   pfk_spdb.c    messages about policies
 *   pfk_sockopt.c socket options
 *   pfk_life.c    the timer, EXPIRE, acquires
 */

#include "pfk_engine.h"
#include "pfk_numbers.h"
#include "pfk_wire.h"

#define PFK_MSG_MAX 2048U /* MCLBYTES: no longer request is taken */
#define PFK_OUT_MAX 8192U /* nor is one of its own so long */

/* A request that passed the generic checks: where its extensions lie. */
struct pfk_req {
	uint8_t *p; /* the whole message, a copy that may be changed in place */
	size_t len;
	uint8_t type, satype;
	uint8_t proto; /* IP protocol of the satype; 255 any */
	uint32_t seq, pid;
	uint16_t ext_off[PFK_N_EXTTYPES]; /* 0: absent */
	uint16_t ext_len[PFK_N_EXTTYPES]; /* octets */
	uint16_t private_off;             /* pfk_private.h; 0: absent */
};

/* One call of the engine: what every handler needs. */
struct pfk_call {
	struct pfk_engine *e;
	const struct ipm_profile *pf;
	const struct ipm_env *env;
	uint32_t sock; /* the requester; 0: the kernel itself */
	struct pfk_req *rq;
};

static inline int32_t
pfk_sysctl(const struct pfk_call *c, enum ipm_sysvar v)
{
	return c->e->ipm.sysctls.v[v];
}

/* --- sockets ------------------------------------------------------------------- */

/* One PF_KEY socket as it stands in the arena. */
struct pfk_sock {
	uint32_t id;
	uint32_t rcvbuf;     /* octets that its queue may hold */
	uint32_t used;       /* and holds: each message and 2 for its address */
	ipm_off next;        /* the one opened before it */
	ipm_off first, last; /* struct pfk_dgram, oldest first */
	uint16_t registered; /* a bit for each satype */
	uint8_t promisc;
};

/* A message that waits; its octets follow. */
struct pfk_dgram {
	ipm_off next;
	uint32_t len;
};

/* Does it hear of this satype (0: of any)? */
bool pfk_registered(
    const struct pfk_call *c, const struct pfk_sock *s, uint8_t satype);

/* The requester's socket; valid until the next take. */
struct pfk_sock *pfk_requester(const struct pfk_call *c);

/*
 * Room in the arena for n messages of at most len octets to any number of
 * sockets, as far as their buffers take them: so that nothing can be lost for
 * want of memory once the state has changed.  The engine has called it for the
 * one reply of any request; a dump calls it for its own.  False: no memory.
 */
bool pfk_reserve(const struct pfk_call *c, size_t n, size_t len);

/* An SA, a head, where they lie; valid until the arena grows. */
static inline struct ipm_sa *
pfk_sa_at(const struct pfk_engine *e, ipm_off off)
{
	return ipm_arena_at(&e->ipm.arena, off);
}

static inline struct ipm_sah *
pfk_sah_at(const struct pfk_engine *e, ipm_off off)
{
	return ipm_arena_at(&e->ipm.arena, off);
}

/* Who gets a message (facts pfkey 3.3). */
enum pfk_target {
	PFK_TO_ONE,
	PFK_TO_ALL,
	PFK_TO_REGISTERED
};

/* Sends a message that the kernel built.  0, or PFK_ENOBUFS when the
 * requester's own copy found no room. */
int pfk_deliver(
    struct pfk_call *c, enum pfk_target target, const uint8_t *msg, size_t len);

/* The request itself with this errno, to its sender alone (key_senderror).
 * Returns what send(2) does then: 0, or PFK_ENOBUFS. */
int pfk_reply_error(struct pfk_call *c, int err);

/* A message under construction, in octets on the caller's stack. */
struct pfk_out {
	uint8_t p[PFK_OUT_MAX];
	size_t len;
	bool full; /* something did not fit */
};

/* Begins with a header of the kernel's own, or with the request's (errno 0). */
void pfk_out_begin(struct pfk_out *o, uint8_t type, uint8_t satype,
    uint32_t seq, uint32_t pid, uint16_t reserved);
void pfk_out_echo(struct pfk_out *o, const struct pfk_req *rq);
/* Room for an extension of len octets (a multiple of 8), zeroed, with its
 * header written; NULL when full. */
uint8_t *pfk_out_ext(struct pfk_out *o, uint16_t type, size_t len);
/* A copy of the request's extension, when it is there. */
void pfk_out_copy(struct pfk_out *o, const struct pfk_req *rq, uint16_t type);
/* An address extension of an address the model holds. */
void pfk_out_addr(struct pfk_out *o, uint16_t type, const struct ipm_addr *a,
    uint16_t port, uint8_t prefix, uint8_t proto);
/* Writes the length into the header and delivers. */
int pfk_out_send(struct pfk_call *c, struct pfk_out *o, enum pfk_target target);

/* The answer to FLUSH and X_SPDFLUSH; `some`: there was something. */
int pfk_flushed(struct pfk_call *c, bool some);
/* Promiscuous sockets see requests where the switch pfkey-promisc says so. */
void pfk_show_request(struct pfk_call *c);

/* Is the extension there? */
static inline bool
pfk_rq_has(const struct pfk_req *rq, enum pfk_exttype type)
{
	return rq->ext_off[type] != 0;
}

/* The octets of one that is there. */
static inline const uint8_t *
pfk_rq_at(const struct pfk_req *rq, enum pfk_exttype type)
{
	return rq->p + rq->ext_off[type];
}

/* Its octets; NULL when it is not there. */
static inline const uint8_t *
pfk_rq_ext(const struct pfk_req *rq, enum pfk_exttype type)
{
	return pfk_rq_has(rq, type) ? rq->p + rq->ext_off[type] : NULL;
}

/* Host integers of a message: little endian. */
uint64_t pfk_le(const uint8_t *p, size_t size);
void pfk_le_put(uint8_t *p, size_t size, uint64_t v);

/* The sockaddr of an address extension.  family 0 when it is of another. */
void pfk_read_end(const struct pfk_req *rq, uint16_t type, struct ipm_end *end,
    uint8_t *prefix, uint8_t *proto);
/* key_checksockaddrs of two address extensions: 0 or an errno. */
int pfk_check_pair(const struct pfk_req *rq, uint16_t src, uint16_t dst);

/* --- algorithms ------------------------------------------------------------------ */

enum pfk_alg_kind {
	PFK_ALG_AUTH,
	PFK_ALG_ENC,
	PFK_ALG_COMP
};

/* One row of pfk_algs.def. */
struct pfk_alg {
	enum pfk_alg_kind kind;
	uint8_t number;
	const char *name;            /* of the row of ipm_algs */
	uint8_t ivlen;               /* octets, as listed */
	uint16_t min_2017, max_2017; /* key bits as listed */
	uint16_t min_13, max_13;
	uint8_t most, exact; /* octets of a hash's key, 0 any */
	uint8_t sets;
	uint8_t listed;
};

/* The row of a number that the profile's kernel has, or NULL. */
const struct pfk_alg *pfk_alg_find(
    const struct ipm_profile *pf, enum pfk_alg_kind kind, uint8_t number);

/* SUPPORTED_AUTH and SUPPORTED_ENCRYPT. */
void pfk_out_supported(struct pfk_out *o, const struct ipm_profile *pf);

/* PROPOSAL for an SA of this protocol; nothing when there is none. */
void pfk_out_proposal(
    const struct pfk_call *c, struct pfk_out *o, uint8_t proto);

/* --- SAs --------------------------------------------------------------------------- */

/* What a fill points to, beside the request's own octets. */
struct pfk_fill {
	struct ipm_sa_fill fill;
	struct ipm_sa_life life;
	struct ipm_sa_natt natt;
	bool begun; /* identities have passed */
	/* keys whose sadb_key_bits go past what the message has */
	uint8_t enc_key[UINT16_MAX / 8], auth_key[UINT16_MAX / 8];
};

/*
 * key_setsaval: what the request puts into an SA of this index.  f holds
 * pointers into itself and the request.  0 or an errno.
 */
int pfk_setval(struct pfk_call *c, const struct ipm_saidx *idx, uint32_t spi,
    struct pfk_fill *f);

/* key_setnatt alone: sets the fill's natt and ports, when the request has all
 * that is needed.  0 or an errno. */
int pfk_setnatt(
    const struct pfk_req *rq, const struct ipm_saidx *idx, struct pfk_fill *f);

/* Both lifetimes of the request into the fill; false when it has none. */
bool pfk_get_life(const struct pfk_req *rq, struct ipm_sa_life *life);

/* The SA extension and X_SA2 [, X_SA_REPLAY] of an SA; LIFETIME_CURRENT; a limit;
 * both addresses. */
void pfk_out_sa(struct pfk_out *o, const struct pfk_call *c,
    const struct ipm_sa *sa, uint8_t state);
void pfk_out_current(struct pfk_out *o, const struct ipm_sa *sa);
void pfk_out_life(
    struct pfk_out *o, uint16_t type, const struct ipm_lifetime *l);
void pfk_out_ends(struct pfk_out *o, const struct ipm_sa *sa);

/* The whole of an SA, its keys in clear (GET, DUMP).
 *
 *   refs  the references that the kernel would hold
 */
void pfk_out_described(struct pfk_out *o, const struct pfk_call *c,
    uint8_t type, uint32_t seq, uint16_t refs, ipm_off off);

/* Takes an SA out of the index and the SAD; its head stays. */
void pfk_drop_sa(struct pfk_engine *e, ipm_off off);
/* The same of a head, with whatever it holds. */
void pfk_drop_sah(struct pfk_engine *e, ipm_off off);

/* --- acquires ----------------------------------------------------------------------- */

/* A flow for which SAs were asked (facts pfkey 4.7). */
struct pfk_acq {
	struct ipm_saidx idx;
	uint64_t created; /* seconds */
	uint32_t seq, count;
	ipm_off next;
};

/* key_acqdone: a GETSPI or ADD answers the acquire of this number. */
void pfk_acq_done(
    struct pfk_engine *e, const struct ipm_saidx *idx, uint32_t seq);
/* An error report of a key daemon: the acquire may be sent again. */
void pfk_acq_reset(struct pfk_call *c, uint32_t seq);
/* key_acquire.  0 or an errno. */
int pfk_acq_send(struct pfk_call *c, const struct ipm_saidx *idx, ipm_off sp);
void pfk_acq_digest(const struct pfk_engine *e, struct ipm_digest *d);

/* --- the handlers: each sends its replies or an error reply, and returns the
 * result of send(2) ---------------------------------------------------------- */

typedef int pfk_handler(struct pfk_call *c);
pfk_handler pfk_do_getspi, pfk_do_update, pfk_do_add, pfk_do_delete, pfk_do_get,
    pfk_do_acquire, pfk_do_register, pfk_do_flush, pfk_do_dump, pfk_do_promisc;
pfk_handler pfk_do_spdadd, pfk_do_spddelete, pfk_do_spdget, pfk_do_spddump,
    pfk_do_spdflush, pfk_do_spddelete2;

/* --- policies, for the timer and acquires -------------------------------------- */

/* The timer's turn at the SPD: expired policies go, X_SPDEXPIRE is sent. */
void pfk_spd_tick(struct pfk_call *c, uint64_t now);
/* The X_POLICY extension of a policy, requests included or the 16 octets, which
 * do not tell the scope then (ACQUIRE). */
void pfk_out_policy(
    struct pfk_call *c, struct pfk_out *o, ipm_off off, bool requests);

#endif
