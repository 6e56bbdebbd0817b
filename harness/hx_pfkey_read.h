#ifndef HX_PFKEY_READ_H
#define HX_PFKEY_READ_H

/*
 * Where PF_KEY messages of the command line come from: files of raw octets or
 * of hexadecimal text, standard input, the digits themselves.
 */

#include <stdio.h>

#include "hx_hex.h"
#include "pfk_wire.h"

/* A whole file ("-": standard input); false with errno set.  Owned. */
bool hx_read_all(const char *path, struct hx_octets *o);

/* Are all octets hexadecimal digits and white space, and some digits? */
bool hx_is_hex_text(struct ipm_span s);

/*
 * One message (or what should be one).
 *
 *   source  the argument, "argument" for digits
 *   at      offset of its first octet in the source; 0 with a line
 *   line    of hexadecimal text, where it begins; 0: no text
 */
typedef void hx_message_fn(void *ctx, const char *source, size_t at,
    unsigned line, struct ipm_span octets);

/* Where a person looks for an octet of such a message: "m.hex:3: octet 4" of
 * lines, "m.bin: octet 100" of octets. */
void hx_pfkey_where(
    FILE *out, const char *source, size_t at, unsigned line, size_t offset);

/* Messages one after another; the header's length tells where each ends. */
void hx_pfkey_split(const struct pfk_codec *c, const char *source,
    struct ipm_span s, hx_message_fn *f, void *ctx);

/*
 * Calls f for every message of an argument.
 *
 *   datagrams  digits and each line of hexadecimal text are one datagram,
 *              whatever length its header states; else they are split
 *
 * Returns 0, or 2 after one line on standard error.
 */
int hx_pfkey_each(const struct pfk_codec *c, const char *arg, bool datagrams,
    hx_message_fn *f, void *ctx);

#endif
