#ifndef HX_PFKEY_H
#define HX_PFKEY_H

/* `ipsecsim pfkey decode|encode`: PF_KEY messages as octets, text and JSON. */

#include <jansson.h>
#include <stdio.h>

#include "hx_hex.h"
#include "pfk_wire.h"

/* The member that shows what follows an extension's fields, by enum pfk_tail. */
extern const char *const hx_pfkey_tails[];

/*
 * One message as JSON.  Key octets stand in it with show_keys alone; without
 * them it cannot be encoded again.  NULL: the octets are no message, *fault
 * and *where say why (or memory is short: PFK_FINE).
 */
json_t *hx_pfkey_to_json(const struct pfk_codec *c, struct ipm_span octets,
    bool show_keys, enum pfk_fault *fault, size_t *where);

/*
 * The octets of a message that hx_pfkey_to_json made or a person wrote; to be
 * freed with hx_octets_free.  False with one phrase in why.
 */
bool hx_pfkey_from_json(const struct pfk_codec *c, const json_t *j,
    struct hx_octets *out, char *why, size_t len);

/* What hx_pfkey_to_json made, as lines for a person: the header, then an
 * extension each. */
void hx_pfkey_print(FILE *out, json_t *msg);

int hx_cmd_pfkey(int argc, char **argv);

#endif
