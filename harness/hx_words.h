#ifndef HX_WORDS_H
#define HX_WORDS_H

/*
 * Tables in the form of hosts(5) and services(5): lines of words with blanks
 * between, # to the end of the line a comment.
 */

#include <stdbool.h>
#include <stddef.h>

#include "hx_err.h"

#define HX_WORDS_MAX ((size_t)1 << 20) /* octets of a table */

/* The next word of a line from *at to `end`, *at at its first letter; length 0:
 * there is none. */
size_t hx_word(const char **at, const char *end);

/* One line, from p to `end`; false with *err set. */
typedef bool hx_words_line(void *ctx, const char *p, const char *end,
    const char *file, unsigned line, struct hx_err *err);

/* Calls f for each line; `file` is what errors call the table.  False with one
 * line in *err as soon as f is, or when the file cannot be read. */
bool hx_words_parse(const char *buf, size_t len, const char *file,
    hx_words_line *f, void *ctx, struct hx_err *err);
bool hx_words_load(
    const char *path, hx_words_line *f, void *ctx, struct hx_err *err);

#endif
