#ifndef HX_SCEN_RECORDING_H
#define HX_SCEN_RECORDING_H

/* A case of an ipsec-recording as the events of a scenario. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "hx_err.h"

/* Is it a recording with cases? */
bool hx_scen_is_recording(const json_t *root);

/*
 * Writes the events of the case `id` to out, without what was recorded of
 * their effects; its requests hold keys.  False with one phrase in *err: no
 * such case, a step that a scenario cannot say.
 */
bool hx_scen_from_recording(const json_t *root, const char *file,
    const char *id, FILE *out, struct hx_err *err);

#endif
