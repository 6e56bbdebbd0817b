#ifndef IPM_IN_H
#define IPM_IN_H

/*
 * Between the parts of the inbound path (ipm_input.c, ipm_input6.c,
 * ipm_ip4opt.c, ipm_fragin.c, ipm_ipsecin.c, ipm_decap.c, ipm_deliver.c,
 * ipm_tcpin.c, ipm_icmp.c, ipm_forward.c): nobody else's.
 */

#include "ipm_errno.h"
#include "ipm_path.h"
#include "ipm_stat.h"

/* What a stage says of the packet. */
enum ipm_go {
	IPM_GO_ON,    /* the next stage */
	IPM_GO_WALK,  /* IPv6: on along the chain of headers */
	IPM_GO_AGAIN, /* into the queue of in->family once more */
	IPM_GO_DONE   /* in->fate is set */
};

/* One packet on its way in. */
struct ipm_in {
	struct ipm_path *path;
	struct ipm_pkt m;
	uint64_t frame;
	enum ipm_reason fate;
	uint8_t family; /* whose input it is in: 4 or 6 */
	uint8_t nxt;    /* IPv6: the header at off */
	size_t off;     /* of the header in hand */
	size_t nxt_off; /* of the octet that names it */
	bool alert;     /* a router alert asks every router to listen */
	size_t beyond; /* octets behind m.len that nobody will see, but count */
	uint32_t spi;  /* of the last IPsec header, 0 none */
};

static inline void
ipm_count(struct ipm_path *path, enum ipm_stat which)
{
	path->s->stats.v[which]++;
}

static inline enum ipm_go
ipm_in_end(struct ipm_in *in, enum ipm_reason why)
{
	in->fate = why;
	return IPM_GO_DONE;
}

/* The end, counted once. */
static inline enum ipm_go
ipm_in_drop(struct ipm_in *in, enum ipm_stat counter, enum ipm_reason why)
{
	ipm_count(in->path, counter);
	return ipm_in_end(in, why);
}

/* The packet's octets, and those from off on. */
static inline struct ipm_span
ipm_in_span(const struct ipm_in *in)
{
	return ipm_span(in->m.p, in->m.len);
}

/* --- the headers (ipm_input.c) --------------------------------------------- */

/*
 * The packet as the transforms and checksums want it, with the header that
 * protocol `proto` names at off; nothing is judged.
 */
void ipm_in_view(const struct ipm_in *in, size_t off, uint8_t proto,
    size_t proto_off, struct ipm_ip *ip);

/* Source or destination of the packet in hand; a link-local address is in the
 * zone of the interface it came in on (facts datapath 3.10). */
struct ipm_addr ipm_in_src(const struct ipm_in *in);
struct ipm_addr ipm_in_dst(const struct ipm_in *in);

/* Is it an IPv4 address that all on some link or everywhere hear? */
bool ipm_is_broadcast(const struct ipm_host *h, const struct ipm_addr *a);
bool ipm_is_multicast(const struct ipm_addr *a);

/* Has the host joined this group?  All hosts, and in IPv6 the solicited nodes of
 * its addresses (RFC 1112 4, RFC 4291 2.8). */
bool ipm_is_member(const struct ipm_host *h, const struct ipm_addr *group);

/* ip_input and ip6_input. */
enum ipm_go ipm_input4(struct ipm_in *in);
enum ipm_go ipm_input6(struct ipm_in *in);

/* The IPv6 chain of headers from in->nxt at in->off on (facts 2.2, 2.7). */
enum ipm_go ipm_walk6(struct ipm_in *in);
/* Hop-by-hop options, in->off behind them afterwards. */
enum ipm_go ipm_hopopts(struct ipm_in *in);

/* ip_tryforward: a forwarded IPv4 packet that no policy can concern. */
enum ipm_reason ipm_forward_fast(struct ipm_path *path, struct ipm_pkt *m);

/* ip_dooptions: GO_ON, or the packet has ended. */
enum ipm_go ipm_ip4_options(struct ipm_in *in);

/* --- fragments (ipm_fragin.c) ------------------------------------------------ */

/* ip_reass, frag6_input: GO_ON with the whole packet in hand. */
enum ipm_go ipm_in_reassemble(struct ipm_in *in, const struct ipm_ip *ip);

/* Gives up the packets whose time is over, and answers about them. */
void ipm_fragments_expire(struct ipm_path *path);

/* --- IPsec (ipm_ipsecin.c, ipm_decap.c) -------------------------------------- */

/*
 * IPSEC_INPUT (facts datapath 2.3) for the header `proto` at in->off: an IPsec
 * header is opened when `open` is set, a last header's policy is checked.
 */
enum ipm_go ipm_ipsec_input(struct ipm_in *in, uint8_t proto, bool open);

/* ESP in UDP (facts datapath 2.9) with the UDP header at in->off; GO_ON: it
 * belongs to the socket. */
enum ipm_go ipm_udp_ipsec_input(
    struct ipm_in *in, uint16_t sport, uint16_t dport);

/* An IP-in-IP packet that an IPcomp tunnel declined to compress (facts 2.8). */
enum ipm_go ipm_ipcomp_plain(struct ipm_in *in);

/* The transform of the SA at off is undone (facts datapath 2.7): m has its payload behind the
 * header [0, in->off), whose protocol octet is right. */
enum ipm_go ipm_decap(struct ipm_in *in, ipm_off off);

/* The checksum behind a NAT (facts datapath 2.9). */
void ipm_natt_repair(struct ipm_in *in, const struct ipm_sa *sa, uint8_t proto);

/* --- delivery ------------------------------------------------------------------ */

/* The upper layer named `proto` takes the packet; for IPv6, GO_WALK with the
 * next header when it was an extension header. */
enum ipm_go ipm_deliver4(struct ipm_in *in, uint8_t proto);
enum ipm_go ipm_deliver6(struct ipm_in *in, uint8_t proto);
enum ipm_go ipm_tcp_input(struct ipm_in *in);

/* The socket of a segment: both ends, then its local address, then the port
 * alone; 0 none. */
ipm_off ipm_in_pcb(
    const struct ipm_in *in, uint8_t proto, uint16_t sport, uint16_t dport);

/* A datagram for a socket. */
void ipm_in_give(
    const struct ipm_in *in, ipm_off pcb, uint16_t port, struct ipm_span data);

/* --- ICMP (ipm_icmp.c) ----------------------------------------------------------- */

/*
 * An error about a packet (icmp_error, icmp6_error), unless none may be sent.
 * The buffers of path->work are not the caller's any more.
 *
 *   about  as it is to be quoted
 *   flags  of the packet: M_DECRYPTED suppresses the error
 *   param  pointer, MTU, or 0
 */
void ipm_icmp_error(struct ipm_path *path, struct ipm_span about,
    unsigned flags, uint8_t type, uint8_t code, uint32_t param);

/* icmp_input, icmp6_input: echo is answered, the rest listened to. */
enum ipm_go ipm_icmp_input(struct ipm_in *in);

/* Sends a packet of the host's own making: upper-layer octets to dst. */
void ipm_reply(struct ipm_path *path, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint8_t proto, uint8_t tos, bool df,
    const uint8_t *data, size_t len);

enum {
	IPM_ICMP_UNREACH = 3,
	IPM_ICMP_UNREACH_HOST = 1,
	IPM_ICMP_UNREACH_PROTO = 2,
	IPM_ICMP_UNREACH_PORT = 3,
	IPM_ICMP_UNREACH_NEEDFRAG = 4,
	IPM_ICMP_UNREACH_SRCFAIL = 5,
	IPM_ICMP_TIMXCEED = 11,
	IPM_ICMP_PARAMPROB = 12,
	IPM_ICMP6_UNREACH = 1,
	IPM_ICMP6_UNREACH_NOROUTE = 0,
	IPM_ICMP6_UNREACH_PORT = 4,
	IPM_ICMP6_TOO_BIG = 2,
	IPM_ICMP6_TIMXCEED = 3,
	IPM_ICMP6_TIMXCEED_REASSEMBLY = 1,
	IPM_ICMP6_PARAMPROB = 4,
	IPM_ICMP6_PARAM_HEADER = 0,
	IPM_ICMP6_PARAM_NEXT = 1,
	IPM_ICMP6_PARAM_OPTION = 2
};

#endif
