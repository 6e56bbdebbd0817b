#ifndef PFK_DIALECT_H
#define PFK_DIALECT_H

/*
 * PF_KEY version 2 as four systems speak it, as rows of tables: message types,
 * extension types with their layouts, SA types, sockaddrs.  No dialect is a
 * code fork.
 *
 * Source: RFC 2367 2, 3; FreeBSD, NetBSD, OpenBSD net/pfkeyv2.h; Linux
 * include/uapi/linux/pfkeyv2.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the octets of a field read. */
enum pfk_kind {
	PFK_HOST,  /* integer in the message's byte order */
	PFK_NET,   /* integer in network order, whatever the message's */
	PFK_OCTETS /* reserved or opaque octets, in their order */
};

/* Offsets count from the extension's first octet; len and type at 0 to 3. */
struct pfk_field {
	const char *name;
	uint8_t off, size; /* size 1, 2, 4 or 8 */
	enum pfk_kind kind;
};

/* What follows the fixed part, up to the extension's length. */
enum pfk_tail {
	PFK_TAIL_NONE,
	PFK_TAIL_SOCKADDR, /* one, or two one after another (KMADDRESS) */
	PFK_TAIL_KEY,      /* bits / 8 octets and zeros */
	PFK_TAIL_STRING,   /* NUL-terminated and zeros */
	PFK_TAIL_COMBS,    /* 72 octets each */
	PFK_TAIL_ALGS,     /* 8 octets each */
	PFK_TAIL_REQUESTS, /* IPsec requests of a policy */
	PFK_TAIL_OCTETS    /* bitmaps, contexts, credentials */
};

#define PFK_FIELDS_MAX 10U

struct pfk_ext_row {
	uint16_t type;
	const char *name; /* without SADB_ and EXT_ */
	uint16_t size;    /* octets of the fixed part, header included */
	uint16_t max;     /* most octets; 0 no limit.  least is size */
	enum pfk_tail tail;
	struct pfk_field field[PFK_FIELDS_MAX]; /* ended by name NULL */
};

struct pfk_name {
	uint8_t number;
	const char *name;
};

struct pfk_dialect {
	const char *name;
	const struct pfk_name *msgs; /* ended by name NULL */
	const struct pfk_name *satypes;
	const struct pfk_ext_row *exts; /* own rows, ended by name NULL */
	const struct pfk_ext_row *more; /* rows shared with others, or NULL */
	uint8_t af_inet6;
	bool sa_len;          /* sockaddrs begin with their length */
	uint8_t request_size; /* fixed octets of an IPsec request */
};

/* The dialects, ended by name NULL: freebsd, netbsd, openbsd, linux. */
extern const struct pfk_dialect pfk_dialects[];

/* Dialect by name, or NULL. */
const struct pfk_dialect *pfk_dialect_find(const char *name);

/* Row of an extension type, or NULL. */
const struct pfk_ext_row *pfk_ext_row(
    const struct pfk_dialect *d, uint16_t type);
const struct pfk_ext_row *pfk_ext_row_by_name(
    const struct pfk_dialect *d, const char *name);

/* Name of a number in a list, or NULL; number of a name, or -1. */
const char *pfk_name(const struct pfk_name *list, uint8_t number);
int pfk_number(const struct pfk_name *list, const char *name);

/* Fields of an IPsec request (policy tail), a comb, an alg: same form. */
const struct pfk_field *pfk_request_fields(const struct pfk_dialect *d);
extern const struct pfk_field pfk_comb_fields[];
extern const struct pfk_field pfk_alg_fields[];

#endif
