#ifndef HX_HEX_H
#define HX_HEX_H

/* Octets as hexadecimal text, both ways. */

#include "wire/ipm_bytes.h"

/* An owned run of octets. */
struct hx_octets {
	uint8_t *p;
	size_t len;
};

/*
 * Reads an even number of hexadecimal digits, either case, nothing else.
 * False when the text is anything else or memory is short; then o is empty.
 */
bool hx_hex_read(const char *text, struct hx_octets *o);
void hx_octets_free(struct hx_octets *o); /* wipes */

static inline struct ipm_span
hx_span(const struct hx_octets *o)
{
	return ipm_span(o->p, o->len);
}

/* Writes 2 * s.len digits and a NUL; returns out. */
char *hx_hex_write(struct ipm_span s, char *out);

#endif
