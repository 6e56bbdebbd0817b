#ifndef HX_SIDECAR_H
#define HX_SIDECAR_H

/*
 * An `ipsec-capture` sidecar: the SAs of a capture and, where present, the
 * truth about each of its packets.
 *
 * An SA takes esn, replay_window, initial_seq, udp_encap, sport, dport and
 * sa_flags from the top level unless it has a member of that name itself;
 * sa_flags add up.  Without sport and dport UDP encapsulation is between
 * ports 4500.  IPcomp has no sequence numbers and AH no UDP encapsulation, so
 * those members of the top level do not reach them.
 */

#include <jansson.h>

#include "hx_err.h"
#include "hx_salist.h"

struct hx_sidecar {
	struct hx_salist sas;   /* in the order of `sas`; lines are 0 */
	json_t *root;           /* owned; an object */
	const json_t *frames;   /* array of objects, or NULL: in root */
	const json_t *negative; /* likewise */
};

/*
 * Reads a sidecar.
 *
 *   file  what errors call it
 *
 * Returns true with *sc filled (hx_sidecar_free it), or false with one line
 * in *err: file and line for text that is not JSON, file and the path of the
 * member ("sas[1].encryption.key") for the rest.  *sc then holds nothing.
 */
bool hx_sidecar_parse(const char *buf, size_t len, const char *file,
    struct hx_sidecar *sc, struct hx_err *err);

/* Wipes the keys, those in root too, and frees everything. */
void hx_sidecar_free(struct hx_sidecar *sc);

/*
 * Decodes lower- or upper-case hexadecimal digits, two to an octet.
 *
 *   out, cap  the caller's room
 *   len       set to the octets written
 *
 * Returns false when a character is no digit, their count is odd, or the
 * octets do not fit; out then holds what could be read.
 */
bool hx_hex_decode(const char *text, uint8_t *out, size_t cap, size_t *len);

#endif
