#ifndef PFK_INT_H
#define PFK_INT_H

/*
 * What the parts of the key engine say to each other; nobody else includes
 * this.
 *
 *   pfk_engine.c  sockets, delivery, the generic checks of a request
 *   pfk_sadb.c    messages about SAs
 *   pfk_spdb.c    messages about policies, policies of sockets
 *   pfk_life.c    the timer, EXPIRE, acquires
 */

#include "pfk_engine.h"
#include "pfk_wire.h"

#define PFK_MSG_MAX 2048U /* MCLBYTES: no longer request is taken */

/* The base header as it lies in a message. */
enum pfk_msgtype {
	PFK_GETSPI = 1,
	PFK_UPDATE,
	PFK_ADD,
	PFK_DELETE,
	PFK_GET,
	PFK_ACQUIRE,
	PFK_REGISTER,
	PFK_EXPIRE,
	PFK_FLUSH,
	PFK_DUMP,
	PFK_X_PROMISC,
	PFK_X_PCHANGE,
	PFK_X_SPDUPDATE,
	PFK_X_SPDADD,
	PFK_X_SPDDELETE,
	PFK_X_SPDGET,
	PFK_X_SPDACQUIRE,
	PFK_X_SPDDUMP,
	PFK_X_SPDFLUSH,
	PFK_X_SPDSETIDX,
	PFK_X_SPDEXPIRE,
	PFK_X_SPDDELETE2,
	PFK_N_MSGTYPES
};

enum pfk_exttype {
	PFK_EXT_SA = 1,
	PFK_EXT_LIFETIME_CURRENT,
	PFK_EXT_LIFETIME_HARD,
	PFK_EXT_LIFETIME_SOFT,
	PFK_EXT_ADDRESS_SRC,
	PFK_EXT_ADDRESS_DST,
	PFK_EXT_ADDRESS_PROXY,
	PFK_EXT_KEY_AUTH,
	PFK_EXT_KEY_ENCRYPT,
	PFK_EXT_IDENTITY_SRC,
	PFK_EXT_IDENTITY_DST,
	PFK_EXT_SENSITIVITY,
	PFK_EXT_PROPOSAL,
	PFK_EXT_SUPPORTED_AUTH,
	PFK_EXT_SUPPORTED_ENCRYPT,
	PFK_EXT_SPIRANGE,
	PFK_EXT_X_KMPRIVATE,
	PFK_EXT_X_POLICY,
	PFK_EXT_X_SA2,
	PFK_EXT_X_NAT_T_TYPE,
	PFK_EXT_X_NAT_T_SPORT,
	PFK_EXT_X_NAT_T_DPORT,
	PFK_EXT_X_NAT_T_OAI,
	PFK_EXT_X_NAT_T_OAR,
	PFK_EXT_X_NAT_T_FRAG,
	PFK_EXT_X_SA_REPLAY,
	PFK_EXT_X_NEW_ADDRESS_SRC,
	PFK_EXT_X_NEW_ADDRESS_DST,
	PFK_N_EXTTYPES
};

/* A request that passed the generic checks: where its extensions lie. */
struct pfk_req {
	uint8_t *p; /* the whole message, a copy that may be changed in place */
	size_t len;
	uint8_t type, satype;
	uint8_t proto; /* IP protocol of the satype; 255 any */
	uint32_t seq, pid;
	uint16_t ext_off[PFK_N_EXTTYPES]; /* 0: absent */
	uint16_t ext_len[PFK_N_EXTTYPES]; /* octets */
};

/* One call of the engine: what every handler needs. */
struct pfk_call {
	struct pfk_engine *e;
	const struct ipm_profile *pf;
	const struct ipm_env *env;
	uint32_t sock; /* the requester; 0: the kernel itself */
	struct pfk_req *rq;
};

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

/* The request itself with this errno, to its sender alone (key_senderror). */
int pfk_reply_error(struct pfk_call *c, int err);

/* A message under construction, in octets on the caller's stack. */
struct pfk_out {
	uint8_t p[PFK_MSG_MAX * 2];
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

/* Host integers of a message: little endian. */
uint64_t pfk_le(const uint8_t *p, size_t size);
void pfk_le_put(uint8_t *p, size_t size, uint64_t v);

/* The sockaddr of an address extension.  family 0 when it is of another. */
void pfk_read_end(const struct pfk_req *rq, uint16_t type, struct ipm_end *end,
    uint8_t *prefix, uint8_t *proto);
/* key_checksockaddrs of two address extensions: 0 or an errno. */
int pfk_check_pair(const struct pfk_req *rq, uint16_t src, uint16_t dst);

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
/* The X_POLICY extension of a policy, requests included or the 16 octets. */
void pfk_out_policy(
    struct pfk_call *c, struct pfk_out *o, ipm_off sp, bool requests);

#endif
