#ifndef IPM_BYTES_H
#define IPM_BYTES_H

/*
 * Bounded views of octets, big-endian load and store.  Wire octets are read
 * through these and never through a cast to a struct, so a short packet is a
 * reason and never an access out of bounds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Octets somebody else owns.  p may be NULL when len is 0. */
struct ipm_span {
	const uint8_t *p;
	size_t len;
};

static inline struct ipm_span
ipm_span(const uint8_t *p, size_t len)
{
	return (struct ipm_span){ p, len };
}

/* The part of s from off, len octets; both are clipped to what s has. */
static inline struct ipm_span
ipm_span_sub(struct ipm_span s, size_t off, size_t len)
{
	if (off > s.len)
		off = s.len;
	if (len > s.len - off)
		len = s.len - off;
	return (struct ipm_span){ s.p == NULL ? NULL : s.p + off, len };
}

/* The part of s from off to its end. */
static inline struct ipm_span
ipm_span_from(struct ipm_span s, size_t off)
{
	return ipm_span_sub(s, off, SIZE_MAX);
}

static inline uint16_t
ipm_load16(const uint8_t *p)
{
	return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t
ipm_load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t
ipm_load64(const uint8_t *p)
{
	return (uint64_t)ipm_load32(p) << 32 | ipm_load32(p + 4);
}

static inline void
ipm_store16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
ipm_store32(uint8_t *p, uint32_t v)
{
	ipm_store16(p, (uint16_t)(v >> 16));
	ipm_store16(p + 2, (uint16_t)v);
}

static inline void
ipm_store64(uint8_t *p, uint64_t v)
{
	ipm_store32(p, (uint32_t)(v >> 32));
	ipm_store32(p + 4, (uint32_t)v);
}

/*
 * Are the two runs of len octets equal?  Takes time that depends on len alone
 * (ICVs, keys).
 */
bool ipm_ct_equal(const uint8_t *a, const uint8_t *b, size_t len);

/* Are the first `bits` bits of a and b equal? */
bool ipm_prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits);

/* Overwrites len octets with zeros; the store is not optimised away (keys). */
void ipm_wipe(void *p, size_t len);

#endif
