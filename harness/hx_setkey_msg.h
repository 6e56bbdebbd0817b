#ifndef HX_SETKEY_MSG_H
#define HX_SETKEY_MSG_H

/*
 * Statements of setkey(8) as the PF_KEY messages that the tool writes for them,
 * octet for octet: FreeBSD's dialect, little endian.
 *
 * Of the extensions, -esn travels in the flag, -natt in the extensions that
 * later tools use (and with their order), noecn, decap-dscp and nopmtudisc of
 * -flag in Linux's flags.  PF_KEY has no place for -seq and align4, nor for
 * algorithms without a number.
 *
 * Source: FreeBSD sbin/setkey/parse.y; RFC 2367.
 */

#include "hx_hex.h"
#include "hx_setkey.h"
#include "pfk_wire.h"

struct hx_setkey_msg {
	struct hx_octets octets;  /* owned; may hold keys */
	enum hx_setkey_kind kind; /* of the statement */
	unsigned line;            /* of its semicolon */
};

/* Zero it to begin with. */
struct hx_setkey_msgs {
	struct hx_setkey_msg *msg;
	size_t n, cap;
};

/* The dialect and order of all these messages. */
extern const struct pfk_codec hx_setkey_codec;

/*
 * Appends the messages of one statement: one for each pair of source and
 * destination of one family.
 *
 *   pid  stands in the headers
 *
 * Returns IPM_OK; IPM_ERR_NOTFOUND (no such pair); IPM_ERR_BADARG (a message
 * that long cannot be stated, a policy's text that is none);
 * IPM_ERR_UNSUPPORTED (an algorithm without a number); IPM_ERR_NOMEM.  *m is
 * as it was unless IPM_OK.
 */
enum ipm_err hx_setkey_compile(
    const struct hx_setkey_stmt *st, uint32_t pid, struct hx_setkey_msgs *m);

/* What of a statement its messages do not say ("-seq"), or NULL. */
const char *hx_setkey_unsaid(const struct hx_setkey_stmt *st);

/*
 * The `add` that makes this SA.  Its spans and rows are c's own.  What a
 * message cannot say of it, hx_setkey_unsaid names.
 */
void hx_setkey_of_sa(const struct ipm_sa_config *c, struct hx_setkey_stmt *st);

/* The message of a header alone (REGISTER, DUMP, ...): 16 octets. */
void hx_setkey_bare(
    uint8_t type, uint8_t satype, uint32_t pid, uint8_t out[PFK_HDR_LEN]);

/* PF_KEY's number of an algorithm: FreeBSD's, else Linux's where FreeBSD has
 * another use for none; 0 when it has none. */
uint8_t hx_setkey_alg_number(const struct ipm_alg *alg);

/* Reads the answer to REGISTER.  False when it is none. */
bool hx_setkey_read_algs(struct ipm_span msg, struct hx_setkey_algs *algs);

/* Wipes and frees. */
void hx_setkey_msgs_free(struct hx_setkey_msgs *m);

#endif
