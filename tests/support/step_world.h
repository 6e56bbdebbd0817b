#ifndef STEP_WORLD_H
#define STEP_WORLD_H

/*
 * Two gateways with one wire between them, each behind the model's one door,
 * and a history of events for them as octets; needs no test framework.  After
 * each event the world sees to it that
 *
 *   - a packet event has one fate, and no other event has any,
 *   - every effect bears the event's number,
 *   - a packet that is dropped is told of once, with the reason that is its
 *     fate, and no other is,
 *   - every fragment that was kept is lost at most once, and was kept before,
 *   - what is transmitted fits its interface and has a right IPv4 header,
 *     what is delivered goes to an open socket, PF_KEY messages to an open one,
 *   - counters of refusals agree with the drops that were told
 *     (facts: ips_in_polvio, ips_out_polvio, replay),
 *   - a copy that was made at some event gives the same outcome, effects and
 *     digest for those that follow, and does not change the original.
 *
 * A history is one octet for the profile and steps: an octet that says what
 * (bits 0-4: enum step_what; STEP_BOTH: both hosts; STEP_THERE: the second
 * one), two of length (little endian), so many octets.  Numbers of more than
 * one octet are little endian.  Octets that are missing count as zero.
 */

#include "pfk_step.h"

enum step_what {
	STEP_PFKEY,     /* PF_KEY socket, message */
	STEP_PACKET,    /* interface, packet */
	STEP_CARRY,     /* which (0 the newest), cut (2), place (2), mask: what
			  the other host sent on the wire arrives, changed */
	STEP_OUTPUT,    /* socket, packet */
	STEP_SEND,      /* socket, address of the table, port (2), octets */
	STEP_CLOCK,     /* seconds (2) */
	STEP_SYSCTL,    /* row (2), value (4) */
	STEP_SOCKET,    /* id, family, protocol, flags, port (2), address */
	STEP_CLOSE,     /* id */
	STEP_SETOPT,    /* id, level, option, privileged, octets */
	STEP_GETOPT,    /* id, level, option, 0, octets */
	STEP_KEYSOCK,   /* */
	STEP_KEYCLOSE,  /* PF_KEY socket */
	STEP_KEYRCVBUF, /* PF_KEY socket, octets (4) */
	STEP_FAULT,     /* enum ipm_fault */
	STEP_HOST,      /* flags, MTU of the wire (2) */
	STEP_TWIN,      /* a copy is made and follows so many events */
	STEP_N
};

#define STEP_THERE 0x80U
#define STEP_BOTH  0x40U
#define STEP_HEAD  3U
#define STEP_MAX   (STEP_HEAD + 4096U) /* the longest that is generated */

/* Flags of STEP_HOST. */
enum {
	STEP_HOST_FORWARD4 = 1 << 0,
	STEP_HOST_FORWARD6 = 1 << 1,
	STEP_HOST_FILTERS = 1 << 2, /* hooks tell what they see */
	STEP_HOST_ENC = 1 << 3,     /* enc0 is up */
	STEP_HOST_BLOCK = 1 << 4,   /* one filter blocks ICMP on enc0 */
	STEP_HOST_RANDOM_ID = 1 << 5
};

/* Flags of STEP_SOCKET. */
enum {
	STEP_SOCK_RAW = 1 << 0,
	STEP_SOCK_LISTEN = 1 << 1,
	STEP_SOCK_BOUND = 1 << 2, /* to the address of the table */
	STEP_SOCK_DF = 1 << 3
};

/* The table of addresses: the hosts' on the wire, theirs inside, two hosts
 * behind each, of both families; then those that nobody has. */
#define STEP_ADDRS 16U
struct ipm_addr step_addr(unsigned i);

/* Interfaces of each host. */
enum {
	STEP_RED0,
	STEP_BLK1,
	STEP_LO0
};

#define STEP_POOL     16U
#define STEP_POOL_MAX 9216U
#define STEP_PENDING  8192U /* events whose fragments may wait, a ring */

struct step_sent {
	size_t len;
	uint8_t octets[STEP_POOL_MAX];
};

/* What one model did. */
struct step_log {
	uint64_t digest; /* of all outcomes and effects */
	uint64_t events, packets, verdicts[IPM_N_VERDICTS];
	uint64_t fates[IPM_N_REASONS], effects[IPM_N_FX], messages;
	uint8_t pending[STEP_PENDING]; /* fragments that wait, by event */
};

struct step_host {
	struct pfk_model m;
	struct ipm_work *work;
	uint64_t sec;
	struct step_log log;
	struct step_sent *sent; /* the newest at n_sent - 1; NULL: a copy's */
	size_t n_sent;
};

struct step_world {
	struct ipm_profile pf;
	const struct ipm_provider *crypto;
	const struct ipm_compressor *comp;
	const struct ipm_alloc *alloc;
	struct step_host host[2], twin[2];
	unsigned twin_left[2]; /* events; 0: there is no copy */
	uint64_t twins;        /* that were compared to their end */
	char why[200];         /* "" while all is as it should be */
};

/* Both hosts with their sockets; providers are the caller's and outlive the
 * world.  False: no memory. */
bool step_world_open(struct step_world *w, enum ipm_profile_id profile,
    const struct ipm_provider *crypto, const struct ipm_compressor *comp,
    const struct ipm_alloc *alloc);
void step_world_close(struct step_world *w);

/* The next step; moves *at behind it.  False: the text is at its end, or
 * something is wrong (w->why). */
bool step_world_take(
    struct step_world *w, const uint8_t *text, size_t len, size_t *at);

/* A whole history, the profile's octet included: a digest of everything that
 * came of it, 0 when something was wrong (said in why, of 200 octets). */
uint64_t step_world_run(const uint8_t *text, size_t len,
    const struct ipm_provider *crypto, const struct ipm_compressor *comp,
    const struct ipm_alloc *alloc, char *why);

/* Of states and effects so far. */
uint64_t step_world_digest(const struct step_world *w);

#endif
