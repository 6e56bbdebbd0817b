#ifndef PFK_ENGINE_H
#define PFK_ENGINE_H

/*
 * The key engine behind PF_KEY sockets: what a kernel does with each message,
 * errno by errno, and what it sends of its own accord.  The whole of the
 * model's state is here: the databases (ipm_state) and, in the same arena, the
 * PF_KEY sockets with what waits in them and the list of acquires.
 *
 * A request travels in FreeBSD's dialect, little endian; other dialects are
 * translated by their callers.
 *
 * Source: FreeBSD sys/netipsec/keysock.c, key.c; RFC 2367.
 */

#include "db/ipm_state.h"
#include "ipm_env.h"
#include "ipm_path.h"
#include "ipm_profile.h"
#include "pfk_index.h"

/* FreeBSD's numbers. */
enum pfk_errno {
#define PFK_ERRNO(name, number, text) PFK_##name = number,
#include "pfk_errno.def"
#undef PFK_ERRNO
	PFK_NO_ERROR = 0
};
/* strerror(3)'s text of FreeBSD, or NULL for a number that is not listed;
 * "EINVAL" likewise. */
const char *pfk_errno_text(int number);
const char *pfk_errno_name(int number);

/* A socket's receive buffer in the beginning, in octets
 * (net.raw.recvspace), and the most that SO_RCVBUF takes. */
#define PFK_RCVBUF     8192U
#define PFK_RCVBUF_MAX 2097152U

struct pfk_engine {
	struct ipm_state ipm;
	ipm_off socks; /* struct pfk_sock, newest first */
	uint32_t last_sock;
	ipm_off acqs; /* struct pfk_acq, newest first */
	uint32_t acq_seq;
	uint64_t last_tick;     /* second of the last run of the timer */
	struct pfk_index index; /* derived; never copied, never digested */
};

/*
 * An engine without sockets at second `now`.
 *
 *   limit  most octets of the arena, 0 none
 */
void pfk_engine_init(struct pfk_engine *e, uint64_t now, size_t limit);

/* dst becomes a copy of src.  IPM_OK, or IPM_ERR_NOMEM with dst empty. */
enum ipm_err pfk_engine_clone(struct pfk_engine *dst,
    const struct pfk_engine *src, const struct ipm_alloc *alloc);
void pfk_engine_free(struct pfk_engine *e, const struct ipm_alloc *alloc);

/* Equal for equal histories, on every machine. */
uint64_t pfk_engine_digest(const struct pfk_engine *e);

/* --- sockets ----------------------------------------------------------------- */

/* A new PF_KEY socket; its number, from 1, never given twice; 0: no memory. */
uint32_t pfk_open(struct pfk_engine *e, const struct ipm_env *env);

/*
 * socket(PF_KEY, type, protocol) [PFKEY-1.3-01] [PFKEY-1.3-02].
 *
 *   type        FreeBSD's number: SOCK_RAW is 3
 *   privileged  has the process PRIV_NET_RAW?
 *   sock        the socket; 0 when there is none
 *
 * Returns 0, PFK_EPROTOTYPE (another type, no protocol named),
 * PFK_EPROTONOSUPPORT (another type or protocol), PFK_EPERM, PFK_ENOBUFS.
 * Source: FreeBSD sys/kern/uipc_socket.c (socreate), uipc_domain.c
 * (pffindproto), sys/netipsec/keysock.c (keysw, key_attach).
 */
int pfk_socket(struct pfk_engine *e, const struct ipm_env *env, int type,
    int protocol, bool privileged, uint32_t *sock);
void pfk_close(struct pfk_engine *e, uint32_t sock);

/* SO_RCVBUF.  0, PFK_ENOBUFS above PFK_RCVBUF_MAX, PFK_EINVAL for 0,
 * PFK_EBADF. */
int pfk_set_rcvbuf(struct pfk_engine *e, uint32_t sock, uint32_t octets);

/*
 * send(2) of one datagram.
 *
 *   env  the time, the tape of random octets (SPIs, 4 octets a draw, big
 *        endian; none left: GETSPI answers ENOBUFS), the provider (NULL: no
 *        crypto(4), SAs are refused)
 *
 * Returns 0 or the errno of the call.  What the kernel answers waits in the
 * sockets then.  PFK_ENOBUFS: the answer found no room in the sender's buffer,
 * though all else was done; or there was no memory, and nothing was.
 */
int pfk_send(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, uint32_t sock, struct ipm_span msg);

/*
 * recv(2): the oldest waiting datagram, taken out of the socket.  Returns its
 * length (0: none waits), of which at most cap octets were written.
 */
size_t pfk_recv(struct pfk_engine *e, uint32_t sock, uint8_t *out, size_t cap);

/* --- time -------------------------------------------------------------------- */

/*
 * The clock has moved to env->sec: runs the one-second timer once for each
 * second since the last run, so that expiries come in their order.  Seconds in
 * which nothing can happen cost nothing.  Without memory for its index nothing
 * is done, and the next call makes up for it.
 */
void pfk_clock(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env);

/* --- asked by the data path ---------------------------------------------------- */

/* No SA was there: asks the key daemons, at the rate of net.key.blockacq_*.
 * 0 or the errno that ends the packet (PFK_ENOBUFS). */
int pfk_acquire(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, const struct ipm_wanted *w);

/* --- socket options ------------------------------------------------------------ */

/*
 * setsockopt and getsockopt of the options that IPsec brings, on the socket
 * `pcb`: IP_IPSEC_POLICY (level 0, option 21), IPV6_IPSEC_POLICY (41, 28),
 * UDP_ENCAP (17, 1), TCP_MD5SIG (6, 16); setsockopt also those of
 * ipm_pcb_setopt.
 *
 *   privileged  has the caller PRIV_NETINET_IPSEC?
 *   given       what getsockopt's buffer holds at first
 *   cap         its size; *len is what the kernel states as length
 *
 * 0, PFK_EINVAL (a level that is not the socket's), PFK_ENOPROTOOPT (another
 * option), or what the functions below return.  Nothing is changed unless 0.
 */
int pfk_setsockopt(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, ipm_off pcb, bool privileged, int level,
    int option, struct ipm_span value);
int pfk_getsockopt(struct pfk_engine *e, const struct ipm_profile *pf,
    ipm_off pcb, int level, int option, struct ipm_span given, uint8_t *out,
    size_t cap, size_t *len);

/*
 * The two options of policies (facts pfkey 5.6), whatever the socket's family.
 *
 *   value  a sadb_x_policy with its requests, no sadb header
 *   given  the same of which the direction counts
 *
 * Set: 0, PFK_EINVAL, PFK_EACCES, PFK_EPROTONOSUPPORT, PFK_ENOBUFS (memory).
 * Get: 0 (*len 16 and a larger length within when there was no room for the
 * requests), PFK_EINVAL.
 */
int pfk_set_policy(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, ipm_off pcb, bool privileged,
    struct ipm_span value);
int pfk_get_policy(struct pfk_engine *e, const struct ipm_profile *pf,
    ipm_off pcb, struct ipm_span given, uint8_t *out, size_t cap, size_t *len);

/*
 * UDP_ENCAP of a UDP socket and TCP_MD5SIG of a TCP socket: an int each, little
 * endian (facts datapath 2.9, 3.11).
 *
 * 0, PFK_EINVAL (fewer than 4 octets; an encapsulation but 0 and 2), or
 * PFK_ENOPROTOOPT (no TCP-MD5 in the kernel).
 */
int pfk_set_encap(struct pfk_engine *e, ipm_off pcb, struct ipm_span value);
int pfk_get_encap(
    struct pfk_engine *e, ipm_off pcb, uint8_t *out, size_t cap, size_t *len);
int pfk_set_md5sig(struct pfk_engine *e, const struct ipm_profile *pf,
    ipm_off pcb, struct ipm_span value);
int pfk_get_md5sig(struct pfk_engine *e, const struct ipm_profile *pf,
    ipm_off pcb, uint8_t *out, size_t cap, size_t *len);

#endif
