#ifndef HX_FIELDS_H
#define HX_FIELDS_H

/*
 * A packet as a list of named header fields with their places, so that two
 * packets can be told apart field by field and a scenario can ask for one.
 *
 * Names are LAYER.FIELD; the second header of a kind is LAYER2 and so on:
 * ip.tos, ip.df, esp.spi, esp.seq, ip2.src, udp.dport, data.
 */

#include "wire/ipm_ip.h"

#define HX_FIELDS_MAX     160U
#define HX_FIELD_TEXT_MAX 48U

struct hx_field {
	char name[24];
	size_t bit;  /* of the packet's first octet's highest bit on */
	size_t bits; /* 0: an empty `data` */
};

/*
 * The fields of one IP packet, outermost header first, in the order of their
 * places; together they cover every bit once.  What no header explains is one
 * field called LAYER.data or data.  Reading stops, with the rest as data,
 * where a header is cut or is a later fragment's.  Returns how many were
 * written (at most HX_FIELDS_MAX).
 */
size_t hx_fields(struct ipm_span packet, struct hx_field *out);

/* The field of this name, or NULL. */
const struct hx_field *hx_field_find(
    const struct hx_field *f, size_t n, const char *name);

/* Its value: an address, "0x" and digits for octet-wise fields of more than
 * 32 bits, else decimal digits.  Values too long end in "..". */
const char *hx_field_text(struct ipm_span packet, const struct hx_field *f,
    char buf[HX_FIELD_TEXT_MAX]);

/* Is its value what the text says (an address; decimal or 0x number; hex
 * digits of octets for data, which may end in ".." behind the first few)? */
bool hx_field_is(
    struct ipm_span packet, const struct hx_field *f, const char *text);

/*
 * Tells each field in which the two differ, through `told`.  A field that one
 * of them lacks is told with the other's NULL.  Returns how many.
 */
typedef void hx_field_diff_fn(
    void *ctx, const struct hx_field *a, const struct hx_field *b);
size_t hx_fields_diff(
    struct ipm_span a, struct ipm_span b, hx_field_diff_fn *told, void *ctx);

#endif
