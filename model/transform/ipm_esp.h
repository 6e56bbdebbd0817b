#ifndef IPM_ESP_H
#define IPM_ESP_H

/*
 * ESP, both directions, from SPI to ICV.  What stands in front (IP header,
 * UDP header) and what to do with the payload (mode) is the caller's.
 *
 * A sender has free choices: IV, sequence number, padding.  They are an
 * argument of sealing and a result of opening, so that a foreign packet is
 * checked by opening it, judging its choices and sealing again with them.
 *
 * Wire: SPI(4) seq(4) IV payload padding pad-length(1) next-header(1) ICV;
 * with `old` (RFC 1827, FreeBSD's SA flag OLD) there is no seq.
 */

#include "../ipm_provider.h"
#include "../ipm_trace.h"

#define IPM_ESP_PAD_MAX 255U
#define IPM_ICV_MAX     64U
#define IPM_SALT_MAX    4U

/* How a sender fills the padding (FreeBSD SA flags PSEQ, PRAND, PZERO). */
enum ipm_pad_fill {
	IPM_PAD_SEQ,
	IPM_PAD_RANDOM,
	IPM_PAD_ZERO,
	IPM_PAD_UNWRITTEN /* both flags: what the memory held before */
};

/* What ESP needs of an SA.  Nothing is owned. */
struct ipm_esp_sa {
	uint32_t spi;
	const struct ipm_alg *enc;  /* CIPHER or AEAD row; never NULL */
	const struct ipm_alg *auth; /* AUTH row, or NULL */
	uint8_t salt[IPM_SALT_MAX];
	bool esn;
	bool old;
	enum ipm_pad_fill pad_fill;
	const struct ipm_provider *provider;
	struct ipm_session *session;
};

/* Octets of the ICV on the wire: the AEAD's, the auth row's, or 0. */
size_t ipm_esp_icv_len(const struct ipm_esp_sa *sa);
/* Does this SA have integrity at all? */
bool ipm_esp_has_integrity(const struct ipm_esp_sa *sa);

/* A sender's free choices. */
struct ipm_esp_choices {
	uint64_t seq;    /* all 64 bits; without ESN the upper are 0 */
	uint8_t iv[16];  /* enc->iv_len octets */
	uint8_t pad_len; /* octets of padding, trailer not counted */
	uint8_t pad[IPM_ESP_PAD_MAX];
};

struct ipm_esp_opened {
	struct ipm_esp_choices choices;
	uint8_t next_header;
	struct ipm_span payload; /* in `out`; TFC padding still behind it */
	bool icv_ok;             /* the ICV held (or there is none): the caller
				   may move the window, even if a later check
				   of the trailer refused the packet */
	size_t icv_len;
	uint8_t computed[IPM_ICV_MAX]; /* on IPM_R_ICV_BAD when asked for */
	uint8_t received[IPM_ICV_MAX]; /* on IPM_R_ICV_BAD */
};

/*
 * The sequence number's low half as on the wire, for the look at the window
 * that comes before any cryptography.
 * Returns IPM_R_OK, or IPM_R_BAD_LENGTH when esp is shorter than the header,
 * IV, smallest trailer and ICV of the SA.
 */
enum ipm_reason ipm_esp_peek(
    const struct ipm_esp_sa *sa, struct ipm_span esp, uint32_t *seq_lo);

/* Is len (SPI up to the ICV) long enough, and its encrypted part a multiple of
 * the cipher's block (switch esp-ctr-block)? */
bool ipm_esp_fills(
    const struct ipm_esp_sa *sa, const struct ipm_profile *pf, size_t len);

/*
 * Opens one ESP packet.
 *
 *   esp      SPI up to and including the ICV
 *   seq      the full sequence number as the window infers it (host order)
 *   out      room for the decrypted octets, cap >= esp.len; may not overlap
 *            esp
 *   explain  fill computed on a bad ICV (slow path)
 *   trace    or NULL
 *
 * Returns IPM_R_OK, BAD_LENGTH (too short, or not a multiple of the block; a
 * block of up to 4 asks nothing of a receiver), ICV_BAD, PAD_LENGTH_BAD,
 * PAD_BAD, CRYPTO_FAILED, NO_MEMORY (cap).  Next header 59 and the payload are
 * the caller's to judge.  On anything but OK payload is empty.  With a wrong
 * ICV nothing of out is shown to anyone.
 *
 * PAD_BAD goes by the switch esp-pad-check, `full` with the switch strict:
 * `full` compares all octets with what sa->pad_fill makes (RANDOM: any),
 * `last` is FreeBSD's (the last octet is the pad length; RANDOM: any).
 *
 * o->choices is whole on OK and PAD_BAD; on PAD_LENGTH_BAD all but pad.
 *
 * Source: RFC 4303 2, 3.4; FreeBSD sys/netipsec/xform_esp.c esp_input.
 */
enum ipm_reason ipm_esp_open(const struct ipm_esp_sa *sa,
    const struct ipm_profile *pf, struct ipm_span esp, uint64_t seq,
    uint8_t *out, size_t cap, bool explain, struct ipm_trace *trace,
    struct ipm_esp_opened *o);

/*
 * Pad octets that RFC 4303 2.4 asks of a sender for a payload of len octets
 * (cipher block and 4-octet alignment), at least.  FreeBSD's max(4, block)
 * gives the same, but that its AES-CTR fills 16 (switch esp-ctr-pad).
 *
 * Source: RFC 4303 2.4; FreeBSD sys/netipsec/xform_esp.c esp_output.
 */
uint8_t ipm_esp_pad_min(
    const struct ipm_esp_sa *sa, const struct ipm_profile *pf, size_t len);
/* The same with AES-CTR in blocks of 16 octets or not, whatever the switch. */
uint8_t ipm_esp_pad_to(
    const struct ipm_esp_sa *sa, bool ctr_blocks, size_t len);

/* Fills choices->pad by sa->pad_fill; random and unwritten octets come from
 * the tape.
 * False when the tape is too short. */
struct ipm_tape;
bool ipm_esp_pad_make(const struct ipm_esp_sa *sa, struct ipm_tape *tape,
    struct ipm_esp_choices *c);

/*
 * Seals one ESP packet with the choices given.
 *
 *   payload  TFC padding included; may not overlap out
 *   len      octets written
 *
 * Returns IPM_OK; IPM_ERR_BADARG when payload, padding and trailer do not fill
 * the cipher's blocks (a packet off the 4-octet boundary is written: judging
 * is ipm_esp_judge's); IPM_ERR_NOBUF; the provider's error.
 */
enum ipm_err ipm_esp_seal(const struct ipm_esp_sa *sa,
    const struct ipm_esp_choices *c, uint8_t next_header,
    struct ipm_span payload, uint8_t *out, size_t cap, size_t *len);

/*
 * Is each choice one that RFC 4303 allows a sender?  Names the first that is
 * not ("seq-zero", "pad-align", "pad-octets"), or returns NULL.
 *
 *   payload_len  TFC padding included
 */
const char *ipm_esp_judge(const struct ipm_esp_sa *sa,
    const struct ipm_esp_choices *c, size_t payload_len);

#endif
