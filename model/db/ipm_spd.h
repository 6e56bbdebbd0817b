#ifndef IPM_SPD_H
#define IPM_SPD_H

/*
 * The security policy database: one ordered list per direction, which is the
 * truth; first match wins.  Policies of sockets (ipm_pcb.h) have the same form
 * and stand in no list.
 *
 * Source: RFC 4301 4.4.1; FreeBSD sys/netipsec/key.c (key_insertsp,
 * key_allocsp, key_cmpspidx_exactly, key_cmpspidx_withmask), ipsec.h.
 */

#include "../wire/ipm_ip.h"
#include "ipm_arena.h"
#include "ipm_digest.h"

enum ipm_dir {
	IPM_DIR_ANY,
	IPM_DIR_IN,
	IPM_DIR_OUT,
	IPM_N_DIRS
};

enum ipm_policy {
	IPM_POLICY_DISCARD,
	IPM_POLICY_NONE,
	IPM_POLICY_IPSEC,
	IPM_POLICY_ENTRUST,
	IPM_POLICY_BYPASS
};

enum ipm_level {
	IPM_LEVEL_DEFAULT,
	IPM_LEVEL_USE,
	IPM_LEVEL_REQUIRE,
	IPM_LEVEL_UNIQUE
};

/* A bit mask; what a policy belongs to. */
enum ipm_scope {
	IPM_SCOPE_ANY = 0,
	IPM_SCOPE_GLOBAL = 1,
	IPM_SCOPE_IFNET = 2,
	IPM_SCOPE_PCB = 4
};

#define IPM_REQS_MAX         4U   /* requests of one policy */
#define IPM_ULP_ANY          255U /* upper protocol */
#define IPM_REQID_MANUAL_MAX 0x3fffU
#define IPM_SOCKADDR_MAX     28U

/* An address with its port as its owner wrote them.  `raw` is the caller's
 * business: pfkey keeps the sockaddr in it, so that it can give it back to the
 * octet; the model compares addr and port alone. */
struct ipm_end {
	struct ipm_addr addr; /* family 0: of no family the model knows */
	uint16_t port;        /* host order, 0 any; ICMPv6 type and code */
	uint8_t raw_len;      /* 0: not given */
	uint8_t raw[IPM_SOCKADDR_MAX];
};

/* Of a policy, or of a packet (prefixes full).  Host bits are kept. */
struct ipm_selector {
	struct ipm_end src, dst;
	uint8_t src_prefix, dst_prefix; /* bits */
	uint8_t proto;                  /* upper protocol, 255 any */
};

/* One transform that a policy asks for. */
struct ipm_request {
	struct ipm_end src, dst; /* raw_len 0: not given */
	uint32_t reqid;
	uint8_t proto; /* 50, 51, 108 */
	uint8_t mode;  /* enum ipm_mode */
	uint8_t level; /* enum ipm_level */
};

/* What a policy is made of; req are the caller's. */
struct ipm_sp_config {
	struct ipm_selector sel;
	uint8_t dir;                  /* enum ipm_dir: IN or OUT */
	uint8_t type;                 /* enum ipm_policy */
	uint8_t scope;                /* enum ipm_scope */
	uint32_t priority;            /* smaller is searched first */
	uint64_t lifetime, validtime; /* seconds since creation, last use */
	uint8_t n_reqs;
	struct ipm_request req[IPM_REQS_MAX];
};

/* One policy as it stands in the arena. */
struct ipm_sp {
	struct ipm_selector sel;
	uint64_t created, lastused; /* seconds */
	uint64_t lifetime, validtime;
	uint64_t arrival;     /* the SPD's generation when it was inserted */
	ipm_off next, prev;   /* in search order */
	ipm_off older, newer; /* in order of arrival, of both directions */
	ipm_off reqs;         /* n_reqs of struct ipm_request */
	uint32_t id;          /* 0: of a socket */
	uint32_t priority;
	uint32_t refs; /* sockets that cache it */
	uint8_t dir, type, scope, n_reqs;
	uint8_t dead; /* unlinked, kept while refs is not 0 */
};

#define IPM_SPD_GONE 32U /* removals that an SPD remembers */

/* What came (newest, and older ones behind it) and what went lately is told so
 * that derived data can follow without looking at everything. */
struct ipm_spd {
	ipm_off first[IPM_N_DIRS], last[IPM_N_DIRS];
	uint32_t count[IPM_N_DIRS];
	uint32_t mortal; /* policies with a lifetime or a validtime */
	uint32_t last_id;
	uint8_t ids_reused;  /* last_id has come round: look before use */
	uint32_t last_reqid; /* automatic ones; starts at 0x4000 */
	uint64_t generation; /* changes with every insertion and removal */
	ipm_off newest;
	uint64_t n_gone;             /* removals so far */
	uint64_t gone[IPM_SPD_GONE]; /* arrival of removal i at i % GONE */
};

void ipm_spd_init(struct ipm_spd *spd);

/* Selectors equal without masking: prefixes, protocol, addresses, ports and
 * scope (facts pfkey 5.1 "exact"). */
bool ipm_selector_equal(
    const struct ipm_selector *a, const struct ipm_selector *b);

/* Does a packet's selector fall under a policy's (facts pfkey 5.1 "masked")? */
bool ipm_selector_match(
    const struct ipm_selector *policy, const struct ipm_selector *packet);

/*
 * Inserts a policy behind those of its priority, with the next free id.
 *
 *   tries  most ids probed (net.key.spi_trycnt)
 *
 * Returns IPM_OK with *off; IPM_ERR_NOMEM; IPM_ERR_BADARG (direction, number of
 * requests); IPM_ERR_NOTFOUND when no id was free in so many tries.  Nothing
 * but the counter of ids is changed unless IPM_OK, and that by NOTFOUND alone.
 */
enum ipm_err ipm_spd_add(struct ipm_spd *spd, struct ipm_arena *a,
    const struct ipm_alloc *alloc, uint64_t now, uint32_t tries,
    const struct ipm_sp_config *c, ipm_off *off);

/* Passes over the next id, as a try that comes to nothing does. */
void ipm_spd_skip_id(struct ipm_spd *spd);

/* The same of a policy that ipm_sp_make made, for which it needs no memory.
 * IPM_OK or IPM_ERR_NOTFOUND. */
enum ipm_err ipm_spd_insert(
    struct ipm_spd *spd, struct ipm_arena *a, uint32_t tries, ipm_off sp);

/* A policy in no list and without an id: a socket's.  IPM_OK, IPM_ERR_NOMEM, or
 * IPM_ERR_BADARG (too many requests). */
enum ipm_err ipm_sp_make(struct ipm_arena *a, const struct ipm_alloc *alloc,
    uint64_t now, const struct ipm_sp_config *c, ipm_off *off);
void ipm_sp_free(struct ipm_arena *a, ipm_off off);

/* A policy as ipm_sp_make gives it, equal to another one, requests included.
 * IPM_OK or IPM_ERR_NOMEM. */
enum ipm_err ipm_sp_copy(struct ipm_arena *a, const struct ipm_alloc *alloc,
    ipm_off from, ipm_off *off);

/* Takes a policy out of its list and frees it (or leaves it dead for the
 * sockets that cache it: ipm_sp_release). */
void ipm_spd_del(struct ipm_spd *spd, struct ipm_arena *a, ipm_off off);

/* A socket begins and ceases to cache a policy of the SPD (0: nothing to
 * release).  The last one that lets go frees a dead policy. */
void ipm_sp_hold(struct ipm_arena *a, ipm_off off);
void ipm_sp_release(struct ipm_arena *a, ipm_off off);

/* The policy of this id, or of exactly this selector, or 0. */
ipm_off ipm_spd_by_id(
    const struct ipm_spd *spd, const struct ipm_arena *a, uint32_t id);
ipm_off ipm_spd_exact(const struct ipm_spd *spd, const struct ipm_arena *a,
    enum ipm_dir dir, const struct ipm_selector *sel);

/* The first policy that matches, its lastused set to now; or 0. */
ipm_off ipm_spd_lookup(const struct ipm_spd *spd, struct ipm_arena *a,
    enum ipm_dir dir, const struct ipm_selector *packet, uint64_t now);

/* The next automatic reqid, past the most that a policy may name itself
 * (IPM_REQID_MANUAL_MAX: facts pfkey 5.4, first 0x4001). */
uint32_t ipm_spd_new_reqid(struct ipm_spd *spd, uint32_t manual_max);

void ipm_sp_digest(
    const struct ipm_arena *a, ipm_off off, struct ipm_digest *d);
void ipm_spd_digest(
    const struct ipm_spd *spd, const struct ipm_arena *a, struct ipm_digest *d);

#endif
