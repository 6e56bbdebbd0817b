#ifndef IPM_PATH_H
#define IPM_PATH_H

/*
 * The data path of a host or gateway: what becomes of a packet that arrives,
 * that a socket hands down, or that is forwarded, under policies and sysctls.
 * Straight-line code after RFC 4301 5.1 and 5.2 and FreeBSD's netipsec; each
 * packet has one fate, and everything that leaves is told as an effect.
 *
 *   ipm_input.c    a packet arrives: IP input (ipm_input6.c, ipm_ip4opt.c)
 *   ipm_fragin.c   fragments are joined, or given up
 *   ipm_ipsecin.c  IPSEC_INPUT: AH, ESP, IPcomp; ipm_decap.c what follows
 *   ipm_deliver.c  policy check, UDP encapsulation, sockets (ipm_tcpin.c)
 *   ipm_icmp.c     what the host answers
 *   ipm_forward.c  it is not ours
 *   ipm_output.c   IPSEC_OUTPUT: SA choice, bundles, encapsulation
 *   ipm_ipout.c    IP output: route, filter, fragments, transmission
 *   ipm_policy.c   which policy a packet is under; the socket's cache
 *   ipm_loop.c     the loopback interface
 *
 * Source: FreeBSD sys/netipsec/ipsec_input.c, ipsec_output.c, ipsec.c;
 * netinet/ip_input.c, ip_output.c, netinet6 (facts datapath 2, 3).
 */

#include "db/ipm_derived.h"
#include "db/ipm_state.h"
#include "ipm_env.h"
#include "ipm_observe.h"
#include "ipm_profile.h"

/* What leaves the model; each names the event that caused it by its place
 * between the event's beginning and end. */
enum ipm_effect_kind {
	IPM_FX_TRANSMIT, /* a packet on an interface */
	IPM_FX_DELIVER,  /* a datagram or segment to a socket */
	IPM_FX_DROP,     /* a packet ends, with its reason */
	IPM_FX_FILTER,   /* a packet filter's hook saw a packet */
	IPM_FX_TAP,      /* enc0 captured a packet (DLT_ENC) */
	IPM_FX_LOG,      /* a line of ipm_log.def */
	IPM_N_FX
};

struct ipm_effect {
	enum ipm_effect_kind kind;
	enum ipm_reason reason;
	struct ipm_span packet; /* valid during the call; DELIVER: payload
				   behind the UDP or TCP header */
	int iface;              /* TRANSMIT, FILTER, DROP; -1 none */
	uint8_t at;             /* FILTER, TAP: enum ipm_filter_at */
	uint8_t family;         /* 4 or 6 */
	uint8_t before;         /* TAP: the "before" of two */
	uint32_t spi;           /* TAP, DROP with an SA */
	uint32_t enc_flags;     /* TAP: 0x0400 cipher, 0x0800 authentication */
	uint32_t pcb;           /* DELIVER: the socket's id */
	struct ipm_addr from;   /* DELIVER */
	uint16_t from_port;
	uint64_t frame; /* DROP: of an earlier fragment, 0 the packet in hand */
	int log;        /* LOG: row */
};

/* The SA that an outbound packet would need. */
struct ipm_wanted {
	struct ipm_addr src, dst; /* of the SA */
	uint32_t reqid;
	uint8_t proto, mode;
	uint8_t ulp; /* upper protocol of the policy */
	ipm_off sp;  /* the policy, 0 none */
};

/* Faults that an event may plant into the provider (facts: BUGS; DESIGN). */
enum ipm_fault {
	IPM_FAULT_NONE,
	IPM_FAULT_CIPHER = 1 << 0,
	IPM_FAULT_DEFLATE = 1 << 1,
	IPM_FAULT_INFLATE = 1 << 2,
	IPM_FAULT_NOMEM = 1 << 3
};

struct ipm_looped;

struct ipm_path {
	struct ipm_state *s;
	struct ipm_derived *d; /* brought in step by the entry points */
	const struct ipm_profile *pf;
	const struct ipm_env *env;
	struct ipm_work *work;
	struct ipm_trace *trace; /* or NULL */
	unsigned faults;         /* enum ipm_fault */
	uint64_t event; /* its number: the frame of what is looped in it */
	void *ctx;
	void (*effect)(void *ctx, const struct ipm_effect *fx);
	/* No SA: asks the key engine; 0 or the errno that ends the packet. */
	int (*need_sa)(void *ctx, const struct ipm_wanted *w);
	/* What the loopback interface holds; ipm_loop.c's. */
	struct ipm_looped *loop_first, *loop_last;
	unsigned depth; /* entry points that have not returned */
};

/* Per-packet bits (facts datapath 0.1). */
enum {
	IPM_M_AUTHIPHDR = 1 << 0,
	IPM_M_AUTHIPDGM = 1 << 1,
	IPM_M_DECRYPTED = 1 << 2,
	IPM_M_SKIP_FIREWALL = 1 << 3,
	IPM_M_SUM_VALID = 1
	    << 4 /* the upper layer's checksum counts as right */
};

/* PACKET_TAG_IPSEC_IN_DONE: one transform undone (facts datapath 0.2). */
struct ipm_in_done {
	struct ipm_addr src, dst; /* of the SA */
	uint32_t spi;
	uint8_t proto, mode;
};

#define IPM_IN_DONE_MAX 16U

/* A packet on its way.  The octets are in one of work's buffers or the
 * caller's; every stage leaves its result in another place than its input. */
struct ipm_pkt {
	uint8_t *p; /* room for IPM_IP_MAX octets */
	size_t len;
	unsigned flags; /* IPM_M_ */
	int rcvif;      /* index; -1 made here */
	uint8_t n_in_done;
	bool out_done; /* PACKET_TAG_IPSEC_OUT_DONE */
	bool forwarded;
	size_t hop_len; /* IPv6: of a socket's hop-by-hop header, behind the
			   fixed one */
	struct ipm_in_done in_done[IPM_IN_DONE_MAX]; /* oldest first */
};

/* --- the events ---------------------------------------------------------------- */

/*
 * A packet arrives on an interface: one IP packet and perhaps a trailer.
 * Returns its fate: the row has the verdict (accept: delivered here, transmit:
 * forwarded, drop, consumed, fragment).  Errors answered to its sender are
 * effects.
 */
enum ipm_reason ipm_input(
    struct ipm_path *path, int iface, struct ipm_span octets, uint64_t frame);

/* The clock has moved to env->sec: fragments whose packet did not come in time
 * are dropped (an effect and a count each), and the sender of the first one of
 * an IPv6 packet is told.  ipm_input does so by itself. */
void ipm_clock(struct ipm_path *path);

/*
 * A socket (pcb, 0 none) hands down a whole IP packet, checksums of the upper
 * layer computed.  *err is what send(2) returns.
 *
 *   choices  IPv4 id and whatever else the header leaves open is in the packet
 */
enum ipm_reason ipm_output(
    struct ipm_path *path, ipm_off pcb, struct ipm_span packet, int *err);

/* A UDP socket sends a datagram: headers are built (facts datapath 3.1). */
enum ipm_reason ipm_udp_send(struct ipm_path *path, ipm_off pcb,
    const struct ipm_addr *to, uint16_t to_port, struct ipm_span payload,
    int *err);

/* What a TCP stack chooses for its SYN; port and address of pcb are bound. */
struct ipm_syn {
	uint32_t seq, timestamp;
	uint32_t flow; /* IPv6 flow label */
	uint16_t window;
	uint8_t scale;
};
/*
 * A TCP socket's active open: the SYN with the options MSS, window scale, SACK
 * and timestamps.  *err is what connect(2) returns: 36 (in progress), or why
 * the SYN could not leave.
 */
enum ipm_reason ipm_tcp_connect(struct ipm_path *path, ipm_off pcb,
    const struct ipm_addr *to, uint16_t to_port, const struct ipm_syn *syn,
    int *err);

/* Octets that the socket's outbound policy may add to a segment, as tcp_output
 * reckons (facts datapath 3.9). */
size_t ipm_header_estimate(
    struct ipm_path *path, const struct ipm_pkt *m, ipm_off pcb);

/* --- between the parts --------------------------------------------------------- */

/* What IPSEC_OUTPUT, IPSEC_FORWARD and IPSEC_INPUT answer (facts 3.1): 0 go
 * on with the packet, PFK-style errno, or consumed. */
#define IPM_CONSUMED 36 /* EINPROGRESS */

/* A fresh packet in a buffer that stays its own until path's entry returns.
 * Events nest (a decapsulated packet is input again, a protected one is output
 * again): the depth is bounded by IPM_IN_DONE_MAX. */

/*
 * IPSEC_OUTPUT, and with `forwarding` the outbound half of IPSEC_FORWARD.
 * *fate is set when the answer is not 0: IPM_CONSUMED, or the errno that the
 * sender sees.  With 0 m may have been changed in place or moved to another
 * buffer.
 */
int ipm_ipsec_output(struct ipm_path *path, struct ipm_pkt *m, ipm_off pcb,
    bool forwarding, enum ipm_reason *fate);
/*
 * ip_output, ip6_output behind IPSEC_OUTPUT: from the route look-up on.  The
 * IPv4 checksum is written here, whatever stood there.  0 or errno; *fate is
 * set to forwarded or sent, or why not.  A forwarded IPv6 packet is never
 * fragmented (EMSGSIZE).
 */
int ipm_ip_output(struct ipm_path *path, struct ipm_pkt *m, ipm_off pcb,
    bool forwarding, enum ipm_reason *fate);
/* ip_forward, ip6_forward. */
enum ipm_reason ipm_forward(struct ipm_path *path, struct ipm_pkt *m);

/* Does the inbound policy refuse the packet (facts 2.10)?  Counts
 * ips_in_polvio. */
bool ipm_policy_rejects(
    struct ipm_path *path, const struct ipm_pkt *m, ipm_off pcb);

/*
 * The loopback interface: what is sent on it arrives when the event that sent
 * it is done.  ipm_loop_put copies the packet (false: no memory).  Every entry
 * point stands between enter and leave; the leave of the outermost one lets
 * everything that waits arrive, and what comes of that.
 */
bool ipm_loop_put(struct ipm_path *path, int iface, struct ipm_span packet);
void ipm_loop_enter(struct ipm_path *path);
void ipm_loop_leave(struct ipm_path *path);

/* The identification of an IPv4 packet made here (ip_fillid): 0 with DF and
 * net.inet.ip.rfc6864, else random with net.inet.ip.random_id, else the next
 * number.  False: the tape of random octets is at its end. */
bool ipm_ip_id(struct ipm_path *path, bool df, uint16_t *id);

/* The policy of a packet: 0 is the default policy (def_policy). */
ipm_off ipm_policy_of(struct ipm_path *path, const struct ipm_pkt *m,
    ipm_off pcb, enum ipm_dir dir, bool want_ports);

/* The packet's selector (facts 3.2); one that is no whole IP header gives
 * addresses of family 0, which no policy matches.  A zone in a link-local
 * address's second word becomes its scope. */
void ipm_selector_of(
    struct ipm_span packet, bool want_ports, struct ipm_selector *sel);

#endif
