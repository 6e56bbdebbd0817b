#ifndef IPM_AH_H
#define IPM_AH_H

/*
 * AH, both directions.  The ICV covers the whole packet with the mutable
 * fields counting as zero, so AH needs the IP header as it travels.
 *
 * Wire: next(1) len(1) reserved(2) SPI(4) seq(4) ICV pad; with `old`
 * (RFC 1826) no seq and len counts the authentication data alone.
 * For AES-GMAC (RFC 4543 5) the IV leads the ICV field.
 */

#include "../wire/ipm_ip.h"
#include "ipm_esp.h"

struct ipm_ah_sa {
	uint32_t spi;
	const struct ipm_alg *auth;
	uint8_t salt[IPM_SALT_MAX];
	bool esn;
	bool old;
	bool align4; /* Linux SA flag: IPv4 AH filled to 4, not 8 */
	const struct ipm_provider *provider;
	struct ipm_session *session;
};

/* The two sysctls that change the ICV; see ipm_ah_knobs_default. */
struct ipm_ah_knobs {
	bool cleartos;       /* net.inet.ipsec.ah_cleartos */
	uint16_t offsetmask; /* net.inet.ipsec.ah_offsetmask, host order:
				   flags and offset are ANDed with it */
};

struct ipm_ah_choices {
	uint64_t seq;
	uint16_t reserved; /* 0 from a correct sender */
	uint8_t iv[16];    /* auth->iv_len octets (GMAC) */
	uint8_t fill_len;  /* octets behind the ICV */
	uint8_t fill[8];
};

struct ipm_ah_opened {
	struct ipm_ah_choices choices;
	uint8_t next_header;
	size_t ahlen;            /* octets of the AH header */
	struct ipm_span payload; /* in the packet, behind AH */
	bool icv_ok;
	size_t icv_len;
	uint8_t computed[IPM_ICV_MAX];
	uint8_t received[IPM_ICV_MAX];
};

/* Octets of the ICV, without what fills the header. */
size_t ipm_ah_icv_len(const struct ipm_ah_sa *sa);

/*
 * Octets of the AH header in a packet of this IP version, filled to a multiple
 * of fill_to; 0 stands for what RFC 4302 2.6 wants: 4 in IPv4, 8 in IPv6.
 */
size_t ipm_ah_len(
    const struct ipm_ah_sa *sa, uint8_t ip_version, size_t fill_to);

/*
 * The sequence number as it stands in the AH header at the front of ah; 0 with
 * `old`, which has none.
 * Returns IPM_R_OK, or BAD_LENGTH when ah is too short to have one.
 */
enum ipm_reason ipm_ah_peek(
    const struct ipm_ah_sa *sa, struct ipm_span ah, uint32_t *seq_lo);

/*
 * Opens the AH at ip->hlen.
 *
 *   scratch  room for ip->hlen octets: the header as the ICV sees it
 *
 * Returns IPM_R_OK, BAD_LENGTH (header length against ICV, profile's
 * ah-icv-pad and packet), OPTION_BAD or EXT_BAD (the walk over options
 * failed), ICV_BAD, CRYPTO_FAILED.
 *
 * Source: RFC 4302 2, 3.3.3, 3.4, appendix A; RFC 1826 3; FreeBSD
 * sys/netipsec/xform_ah.c ah_input, ah_massage_headers.
 */
enum ipm_reason ipm_ah_open(const struct ipm_ah_sa *sa,
    const struct ipm_profile *pf, const struct ipm_ah_knobs *knobs,
    const struct ipm_ip *ip, uint64_t seq, uint8_t *scratch, size_t cap,
    bool explain, struct ipm_trace *trace, struct ipm_ah_opened *o);

/*
 * The header octets [0, hlen) as the ICV sees them.
 *
 *   outbound  the destination is still ahead of the source route: the last
 *             address of an IPv4 LSRR/SSRR or IPv6 routing header counts as
 *             destination (RFC 4302 A1, A2; 3.3.3.1.2)
 *
 * In place; the header's protocol octet and length must be as on the wire.
 * *hlen shrinks by a fragment header that was left in place.
 * Returns IPM_R_OK, OPTION_BAD or EXT_BAD.
 */
enum ipm_reason ipm_ah_massage(uint8_t *hdr, size_t *hlen, uint8_t version,
    const struct ipm_profile *pf, const struct ipm_ah_knobs *knobs,
    bool keyed_hash, bool outbound);

/*
 * Seals: writes header, AH and payload.
 *
 *   hdr      IP header octets [0, hlen) of the packet to protect, extension
 *            headers included, with any protocol, length and checksum: the
 *            packet written has them right (protocol 51 at proto_off)
 *   payload  what stands behind hdr now
 *   outbound see ipm_ah_massage
 *   out      room for the packet; does not overlap hdr, c or payload
 *
 * Returns IPM_R_OK with *len set; with *len 0 and anything in out: BAD_LENGTH
 * (c->fill_len is more than 8, or leaves no multiple of 4), TOO_BIG (the
 * length field), NO_MEMORY (cap), OPTION_BAD, EXT_BAD, CRYPTO_FAILED.
 */
enum ipm_reason ipm_ah_seal(const struct ipm_ah_sa *sa,
    const struct ipm_profile *pf, const struct ipm_ah_knobs *knobs,
    const struct ipm_ah_choices *c, struct ipm_span hdr, uint8_t version,
    size_t proto_off, uint8_t next_header, struct ipm_span payload,
    bool outbound, uint8_t *out, size_t cap, size_t *len);

/* First choice RFC 4302 does not allow a sender, or NULL. */
const char *ipm_ah_judge(const struct ipm_ah_sa *sa,
    const struct ipm_ah_choices *c, uint8_t ip_version);

/* cleartos 1, offsetmask 0: the setting that is RFC 2402's and RFC 4302's. */
struct ipm_ah_knobs ipm_ah_knobs_default(void);

#endif
