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

#include "hx_config.h"

/*
 * Reads the SAs of a sidecar.
 *
 *   root  any JSON value, the caller's; not kept
 *   file  what errors call it
 *
 * Returns true with *cfg filled (hx_config_free it), or false with one line
 * in *err: file and path of the member ("sas[1].encryption.key"); *cfg then
 * holds nothing.  After true, `frames` and `negative` of root are absent or
 * arrays of objects; what is in those objects is not looked at.
 */
bool hx_sidecar_read(const json_t *root, const char *file,
    struct hx_config *cfg, struct hx_err *err);

/* The same from text; text that is not JSON is an error with its line. */
bool hx_sidecar_parse(const char *buf, size_t len, const char *file,
    struct hx_config *cfg, struct hx_err *err);

/* Overwrites the keys in a sidecar before json_decref; any value will do. */
void hx_sidecar_wipe(json_t *root);

#endif
