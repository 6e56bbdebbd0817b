#ifndef PFK_WIRE_H
#define PFK_WIRE_H

/*
 * PF_KEY messages between octets and structure, exact to the octet, in either
 * byte order.  A structure's tails are spans of the message (or of the
 * caller's memory); pieces of a tail are read and written with the functions
 * at the end.
 */

#include "ipm_err.h"
#include "pfk_dialect.h"
#include "wire/ipm_ip.h"

#define PFK_VERSION  2U
#define PFK_HDR_LEN  16U
#define PFK_EXTS_MAX 64U

/* Which integers of a message that is not network order are stored. */
enum pfk_order {
	PFK_LE,
	PFK_BE
};

struct pfk_codec {
	const struct pfk_dialect *dialect;
	enum pfk_order order;
};

struct pfk_msg {
	uint8_t version, type, err, satype;
	uint16_t len; /* as stated, in units of 8 octets */
	uint16_t reserved;
	uint32_t seq, pid;
};

struct pfk_ext {
	uint16_t type, len;            /* as stated, len in units of 8 octets */
	const struct pfk_ext_row *row; /* NULL: unknown to the dialect */
	uint64_t value[PFK_FIELDS_MAX]; /* in the order of row->field */
	struct ipm_span tail; /* behind the fixed part; of an unknown one:
				   behind the header */
};

/* Why octets are no message. */
enum pfk_fault {
	PFK_FINE,
	PFK_SHORT_HEADER, /* fewer than 16 octets */
	PFK_LEN_MISMATCH, /* the header states another length */
	PFK_SHORT_EXT,    /* an extension header runs past the end */
	PFK_EXT_LEN_ZERO,
	PFK_EXT_PAST_END,
	PFK_EXT_SHORT, /* shorter than the type's fixed part */
	PFK_EXT_LONG,  /* longer than the type allows */
	PFK_TOO_MANY_EXTS
};
const char *pfk_fault_text(enum pfk_fault f);

/*
 * Reads one message.
 *
 *   exts   room for PFK_EXTS_MAX; *n of them are written, those before a
 *          fault too
 *   where  offset of the octet at which a fault was found
 *
 * Extensions whose type the dialect lacks are kept, row NULL.  Values (types,
 * SA types, versions) are not judged: that is the rules' work.
 */
enum pfk_fault pfk_decode(const struct pfk_codec *c, struct ipm_span octets,
    struct pfk_msg *m, struct pfk_ext *exts, size_t *n, size_t *where);

/*
 * Writes one message; lengths of header and extensions are computed, tails are
 * filled with zeros up to 8 octets.
 *
 * Returns IPM_OK with *len, IPM_ERR_NOBUF, or IPM_ERR_BADARG (a length that
 * does not fit its field).
 */
enum ipm_err pfk_encode(const struct pfk_codec *c, const struct pfk_msg *m,
    const struct pfk_ext *exts, size_t n, uint8_t *out, size_t cap,
    size_t *len);

/* One field of a structure at p; size and kind as the row says. */
uint64_t pfk_get(
    const struct pfk_codec *c, const struct pfk_field *f, const uint8_t *p);
void pfk_put(const struct pfk_codec *c, const struct pfk_field *f, uint8_t *p,
    uint64_t v);

/* A sockaddr as stored.  Families the dialect does not name keep `rest`. */
struct pfk_sockaddr {
	uint8_t len;     /* stated; without sa_len what was used */
	uint16_t family; /* number as stored */
	bool known;      /* addr and port are read */
	struct ipm_addr addr;
	uint16_t port;        /* host order */
	uint32_t flowinfo;    /* network order on the wire */
	struct ipm_span rest; /* octets behind the family when not known, or
				   the eight filling ones of IPv4 */
};

/* Is it an address of many: multicast, or 255.255.255.255? */
bool pfk_is_group(const struct ipm_addr *a);

/* Octets used, 0 when s holds no whole sockaddr. */
size_t pfk_sockaddr_read(
    const struct pfk_codec *c, struct ipm_span s, struct pfk_sockaddr *sa);
/* Octets written, 0 when cap is too small. */
size_t pfk_sockaddr_write(const struct pfk_codec *c,
    const struct pfk_sockaddr *sa, uint8_t *out, size_t cap);

#endif
