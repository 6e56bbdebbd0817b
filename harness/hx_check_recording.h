#ifndef HX_CHECK_RECORDING_H
#define HX_CHECK_RECORDING_H

/*
 * Recordings of a network stack (schema ipsec-recording): each case is played
 * to a fresh model, step by step, and everything that the stack did is
 * compared.  Which values are the stack's own choice, and so are taken from
 * the recording, is said in vectors/freebsd/README.md.
 *
 * A step whose kind is not played ends the case as unsupported; what differed
 * before it is a failure.
 */

#include "hx_check.h"

/* True when the file could be read as a recording. */
bool hx_check_recording(struct hx_check *c, const json_t *root);

#endif
