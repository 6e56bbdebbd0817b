#ifndef VEC_FILE_H
#define VEC_FILE_H

/*
 * Files of vectors/ (schema ipsec-vectors) as unit tests read them.  Paths are
 * below the source tree; everything asserts (Criterion) rather than reporting.
 */

#include <jansson.h>

#include "hx_hex.h"

/* The file's root; json_decref it. */
json_t *vec_load(const char *path);

/* A member that is a string; "" where there is none. */
const char *vec_text(const json_t *obj, const char *name);

/* The octets of such a member; hx_octets_free them. */
struct hx_octets vec_octets(const json_t *obj, const char *name);

/* Runs f over every case of one operation in n files; returns how many. */
size_t vec_each(const char *const *paths, size_t n, const char *operation,
    void (*f)(const json_t *j, void *ctx), void *ctx);

#endif
