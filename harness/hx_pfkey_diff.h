#ifndef HX_PFKEY_DIFF_H
#define HX_PFKEY_DIFF_H

/* Where two PF_KEY messages differ, in words. */

#include "pfk_wire.h"

/* The field in which an octet of a message lies. */
struct hx_pfkey_place {
	const char *ext;   /* "SA"; "sadb_msg" for the base header */
	const char *field; /* "spi"; "key", "addrs", ... behind the fields */
	size_t off, len;   /* of the field, in the message */
	size_t ext_off;    /* of the extension; 0 for the base header */
	bool secret;       /* octets of a key */
};
void hx_pfkey_place(const struct pfk_codec *c, struct ipm_span msg,
    size_t octet, struct hx_pfkey_place *where);

/*
 * False: they are equal.  Else one phrase in why: octet, field, the field's
 * octets on both sides, but for keys.
 */
bool hx_pfkey_differ(const struct pfk_codec *c, struct ipm_span recorded,
    struct ipm_span model, char *why, size_t len);

/* The same of octets that are no message. */
bool hx_octets_differ(
    struct ipm_span recorded, struct ipm_span model, char *why, size_t len);

#endif
