#ifndef IPM_PCB_H
#define IPM_PCB_H

/*
 * The sockets of the host, as far as IPsec asks about them: their ends, their
 * own policies, the cached one, UDP encapsulation, TCP-MD5.
 *
 * Source: FreeBSD sys/netipsec/ipsec_pcb.c, sys/netinet/udp_usrreq.c.
 */

#include "ipm_spd.h"

enum ipm_pcb_encap {
	IPM_ENCAP_NONE = 0,
	IPM_ENCAP_ESPINUDP = 2
};

#define IPM_PCB_OPTS4 40U
#define IPM_PCB_OPTS6 64U

struct ipm_pcb {
	struct ipm_addr laddr, faddr; /* octets zero: not bound, connected */
	uint32_t id;                  /* the caller's name for it */
	uint16_t lport, fport;        /* host order */
	uint8_t family;               /* 4 or 6 */
	uint8_t proto;                /* 17, 6, or a raw socket's */
	uint8_t raw;                  /* a raw socket */
	uint8_t listening;
	uint8_t encap;    /* enum ipm_pcb_encap */
	uint8_t tcp_md5;  /* TCP_MD5SIG */
	uint8_t tos;      /* IP_TOS */
	uint8_t dontfrag; /* IP_DONTFRAG */
	uint8_t opts_len, hop_len, dst_len;
	uint8_t opts[IPM_PCB_OPTS4]; /* IP_OPTIONS as they are sent */
	struct ipm_addr via; /* first hop of their source route; family 0 */
	/* IPv6 hop-by-hop and destination options header: whole ones. */
	uint8_t hop[IPM_PCB_OPTS6], dst[IPM_PCB_OPTS6];
	ipm_off policy[IPM_N_DIRS]; /* own, 0 none */
	ipm_off cached[IPM_N_DIRS]; /* of the SPD, valid while: */
	uint64_t cached_generation;
	uint8_t cached_default[IPM_N_DIRS]; /* the SPD had none: likewise */
	ipm_off next;                       /* in order of creation */
};

struct ipm_pcbs {
	ipm_off first, last;
	uint32_t count;
};

/*
 * A new socket, the last one.
 *
 *   as  its ends, family, protocol, flags and id; without policies
 *
 * IPM_OK, IPM_ERR_NOMEM, or IPM_ERR_EXISTS when the id is taken.
 */
enum ipm_err ipm_pcb_open(struct ipm_pcbs *t, struct ipm_arena *a,
    const struct ipm_alloc *alloc, const struct ipm_pcb *as, ipm_off *off);

/* Its own policies are freed, the cached ones released. */
void ipm_pcb_close(struct ipm_pcbs *t, struct ipm_arena *a, ipm_off off);

ipm_off ipm_pcb_by_id(
    const struct ipm_pcbs *t, const struct ipm_arena *a, uint32_t id);

/*
 * setsockopt of what shows in the headers that the socket sends: IP_OPTIONS
 * (level 0, option 1), IP_TOS (0, 3), IP_DONTFRAG (0, 67), IPV6_HOPOPTS (41,
 * 49), IPV6_DSTOPTS (41, 50); an int is little endian.
 *
 * 0, 22 (EINVAL: malformed, or the other family's level) with nothing changed,
 * or -1: another option.
 */
int ipm_pcb_setopt(
    struct ipm_pcb *pcb, int level, int option, struct ipm_span value);

/* Gives the socket its own policy of a direction (0: none any more); the one it
 * had is freed, or let go where it was a cached one. */
void ipm_pcb_set_policy(
    struct ipm_arena *a, ipm_off pcb, enum ipm_dir dir, ipm_off sp);

/* What is cached is let go, for both directions. */
void ipm_pcb_uncache(struct ipm_arena *a, ipm_off pcb);

/* An accepted connection has copies of the listener's policies
 * (ipsec_copy_pcbpolicy).  IPM_OK, or IPM_ERR_NOMEM with nothing changed. */
enum ipm_err ipm_pcb_inherit(struct ipm_arena *a, const struct ipm_alloc *alloc,
    ipm_off listener, ipm_off child);

void ipm_pcbs_digest(
    const struct ipm_pcbs *t, const struct ipm_arena *a, struct ipm_digest *d);

#endif
