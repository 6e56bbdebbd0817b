#ifndef PFK_POLICY_H
#define PFK_POLICY_H

/*
 * Policy strings: ipsec_set_policy(3), ipsec_dump_policy(3) and the error codes
 * of ipsec_strerror(3), both ways.
 *
 * Source: FreeBSD lib/libipsec/policy_parse.y, policy_token.l,
 * ipsec_dump_policy.c, ipsec_strerror.c.
 */

#include "pfk_wire.h"

/* EIPSEC_ codes. */
enum pfk_eipsec {
#define PFK_EIPSEC(id, text) PFK_E_##id,
#include "pfk_eipsec.def"
#undef PFK_EIPSEC
	PFK_N_EIPSEC
};

/* ipsec_strerror's text; out-of-range codes have MAX's. */
const char *pfk_eipsec_text(int code);

/*
 * The X_POLICY extension that ipsec_set_policy makes of a string.
 *
 *   text   NUL-terminated
 *   at     on an error the offset in text where it was found
 *
 * Returns PFK_E_NO_ERROR with *len octets in out; INVAL_ARGUMENT (syntax),
 * FEW_ARGUMENTS, INVAL_DIR, INVAL_MODE, INVAL_ADDRESS, FAMILY_MISMATCH,
 * SYSTEM_ERROR (an address that is not numeric), NO_BUFS (cap).
 */
enum pfk_eipsec pfk_policy_parse(const struct pfk_codec *c, const char *text,
    uint8_t *out, size_t cap, size_t *len, size_t *at);

/*
 * The text ipsec_dump_policy makes of an X_POLICY extension.
 *
 *   delim  stands before each request; NULL is one space
 *
 * Returns PFK_E_NO_ERROR, INVAL_EXTTYPE, INVAL_DIR, INVAL_POLICY,
 * INVAL_SADBMSG, INVAL_PROTO, INVAL_MODE, INVAL_ADDRESS, INVAL_LEVEL, NO_BUFS.
 */
enum pfk_eipsec pfk_policy_text(const struct pfk_codec *c,
    struct ipm_span policy, const char *delim, char *out, size_t cap);

#endif
