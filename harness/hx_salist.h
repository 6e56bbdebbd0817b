#ifndef HX_SALIST_H
#define HX_SALIST_H

/*
 * A list of security associations as configured, in order of addition, with
 * the keys owned.  Every reader of configuration files fills one of these, so
 * that the rules about what may be configured stand in one place.
 */

#include <stdbool.h>
#include <stddef.h>

#include "db/ipm_sad.h"

#include "hx_err.h"

struct hx_sa {
	struct ipm_sa_config cfg; /* its key spans point at `keys` */
	unsigned line;            /* of the file; 0 where lines say nothing */
	uint8_t *keys; /* owned: cipher key, then authentication key */
	size_t next;   /* hx_salist's own: chain of the bucket */
	bool gone;     /* hx_salist's own: removed, not yet swept */
};

/* Zero it to begin with.  Only `sas` and `n` are for readers. */
struct hx_salist {
	struct hx_sa *sas;
	size_t n; /* entries, after hx_salist_sweep */
	size_t cap;
	size_t *bucket;   /* index plus 1 by destination, proto, SPI */
	size_t n_buckets; /* a power of two, or 0 */
};

/* What a refusal is about, so that an error can point at it. */
enum hx_sa_part {
	HX_SA_WHOLE,
	HX_SA_SPI,
	HX_SA_ENC_KEY,
	HX_SA_AUTH_KEY
};

/*
 * Why this SA cannot be configured, as one phrase in buf or constant; or NULL.
 * *part says what it is about.  Beyond
 * what ipm_sad_refusal says: SPIs and CPIs that are reserved, a starting
 * sequence number wider than the SA's, extensions that the protocol lacks.
 *
 * Source: RFC 4302 2.4, RFC 4303 2.1 (SPI 0 and 1..255), RFC 3173 3.3 (CPI
 * ranges); FreeBSD sys/netipsec/key.c, key_add and key_setsaval.
 */
const char *hx_sa_refusal(const struct ipm_sa_config *c, char *buf, size_t len,
    enum hx_sa_part *part);

/*
 * Adds a copy of c with copies of its keys.
 *
 * Returns IPM_OK; IPM_ERR_EXISTS with *other the index of the SA that has its
 * destination, protocol and SPI; IPM_ERR_NOMEM.  c has passed hx_sa_refusal.
 */
enum ipm_err hx_salist_add(struct hx_salist *l, const struct ipm_sa_config *c,
    unsigned line, size_t *other);

/* Says that c is there already; line 0: no line is known for c. */
void hx_sa_exists(struct hx_err *err, const char *file, unsigned line,
    unsigned col, const struct ipm_sa_config *c, const struct hx_sa *other);

/*
 * Removes the SA with these addresses, protocol and SPI and wipes its keys.
 * Returns whether there was one.  Source: FreeBSD key.c, key_delete.
 */
bool hx_salist_delete(struct hx_salist *l, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint8_t proto, uint32_t spi);

/*
 * Removes every SA that matches: proto 0 is any protocol, NULL any address.
 * Source: FreeBSD key.c, key_delete_all and key_flush.
 */
void hx_salist_delete_all(struct hx_salist *l, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint8_t proto);

/* Closes the gaps that hx_salist_delete left; call it once, at the end. */
void hx_salist_sweep(struct hx_salist *l);

/* Wipes the keys, frees everything, leaves an empty list. */
void hx_salist_free(struct hx_salist *l);

/*
 * Reads a numeric address, len octets of text that need not end in NUL: four
 * decimal numbers, or IPv6 with an optional zone number ("fe80::1%2").  Names
 * of hosts and of interfaces are refused: what they mean is another machine's.
 */
bool hx_addr_parse(const char *text, size_t len, struct ipm_addr *a);

/* The IPM_SAF_ bit of a Linux flag's word ("noecn"), or 0. */
uint32_t hx_sa_flag_by_name(const char *word, size_t len);

#endif
