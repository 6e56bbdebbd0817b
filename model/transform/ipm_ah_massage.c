/*
 * The IP header as the AH ICV sees it: mutable fields zero, predictable ones
 * as they will be at the receiver.  What counts as mutable is a table for
 * IPv4 options and one bit for IPv6 ones.
 */
#include "ipm_ah.h"

#include <string.h>

enum option_class {
	COVERED,
	SOURCE_ROUTE,
	ZEROED
};

/*
 * [AH-A1-01] [AH-A1-02] RFC 4302 appendix A1, and FreeBSD's list, which
 * agrees.  Any other option counts as mutable.
 */
static const struct {
	uint8_t type;
	enum option_class class;
} options4[] = {
	{ 0x82, COVERED },      /* security */
	{ 0x85, COVERED },      /* extended security */
	{ 0x86, COVERED },      /* commercial security */
	{ 0x94, COVERED },      /* router alert */
	{ 0x95, COVERED },      /* sender-directed multi-destination */
	{ 0x83, SOURCE_ROUTE }, /* loose */
	{ 0x89, SOURCE_ROUTE }, /* strict */
	{ 0x07, ZEROED },       /* record route */
	{ 0x44, ZEROED },       /* time stamp */
};

/* What an option that is in no row counts as. */
static enum option_class
class_of(uint8_t type, uint32_t rules)
{
	for (size_t i = 0; i < sizeof options4 / sizeof options4[0]; i++)
		if (options4[i].type == type)
			return options4[i].class;
	/* [AH-A1-03] [AH-3.3.3.1-05] [AHOLD-RFC1826-09] The old rules
	 * covered what they did not know. */
	return rules == IPM_AHRULES_RFC1826 ? COVERED : ZEROED;
}

static enum ipm_reason
massage_options(uint8_t *hdr, size_t hlen, uint32_t rules, bool outbound)
{
	size_t off = IPM_IP4_HLEN;

	while (off < hlen) {
		uint8_t type = hdr[off];
		size_t len;

		/* What stands behind the end is covered. */
		if (type == 0)
			return IPM_R_OK;
		if (type == 1) {
			off++;
			continue;
		}
		if (hlen - off < 2 || hdr[off + 1] < 2 ||
		    hdr[off + 1] > hlen - off)
			return IPM_R_OPTION_BAD;
		len = hdr[off + 1];
		switch (class_of(type, rules)) {
		case COVERED:
			break;
		case SOURCE_ROUTE:
			/* [AH-3.3.3.1-02] The end of the route. */
			if (outbound && len >= 7)
				memcpy(hdr + 16, hdr + off + len - 4, 4);
			memset(hdr + off, 0, len);
			break;
		case ZEROED:
			memset(hdr + off, 0, len);
			break;
		}
		off += len;
	}
	return IPM_R_OK;
}

static enum ipm_reason
massage4(uint8_t *hdr, size_t hlen, uint32_t rules,
    const struct ipm_ah_knobs *knobs, bool keyed_hash, bool outbound)
{
	uint16_t frag = ipm_load16(hdr + 6);

	switch (rules) {
	case IPM_AHRULES_RFC1826:
		/* [AHOLD-RFC1826-06] TOS and flags as they are. */
		break;
	case IPM_AHRULES_FREEBSD:
		if (knobs->cleartos)
			hdr[1] = 0;
		frag = keyed_hash ? frag & 0x4000 : 0;
		break;
	default:
		/* [MAN-cleartos-01] [MAN-offsetmask-01] */
		if (knobs->cleartos)
			hdr[1] = 0;
		frag &= knobs->offsetmask;
		break;
	}
	ipm_store16(hdr + 6, frag);
	hdr[8] = 0;               /* [AH-3.3.3.1.1.1-11] TTL */
	ipm_store16(hdr + 10, 0); /* [AH-3.3.3.1.1.1-12] checksum */
	return massage_options(hdr, hlen, rules, outbound);
}

/* Options of a hop-by-hop or destination options header. */
static enum ipm_reason
massage_tlvs(uint8_t *p, size_t len, bool whole)
{
	size_t off = 2;

	while (off < len) {
		size_t n;

		if (p[off] == 0) { /* Pad1 */
			off++;
			continue;
		}
		if (len - off < 2 || (size_t)p[off + 1] + 2 > len - off)
			return IPM_R_EXT_BAD;
		n = (size_t)p[off + 1] + 2;
		/* [AH-3.3.3.1.2.2-01] The third bit: may change en route. */
		if ((p[off] & 0x20) != 0) {
			if (whole)
				memset(p + off, 0, n);
			else
				memset(p + off + 2, 0, n - 2);
		}
		off += n;
	}
	return IPM_R_OK;
}

/*
 * [AH-A2-01] [AH-3.3.3.1.2.1-02] A routing header of type 0 as it arrives:
 * every remaining hop swaps the destination with its segment.
 */
static void
finish_route(uint8_t *hdr, uint8_t *rt, size_t len)
{
	size_t n = (len - 8) / 16, left = rt[3];

	if (rt[2] != 0 || left > n)
		return;
	for (; left > 0; left--) {
		uint8_t *seg = rt + 8 + 16 * (n - left), tmp[16];

		memcpy(tmp, seg, sizeof tmp);
		memcpy(seg, hdr + 24, sizeof tmp);
		memcpy(hdr + 24, tmp, sizeof tmp);
	}
	rt[3] = 0;
}

/*
 * [AH-A2-03] [AH-A2-04] A fragment header that is left in place (offset 0, no
 * more fragments) counts as not there: the chain closes over it and the
 * length is what it was without.
 */
static size_t
close_over_fragment_header(uint8_t *hdr, size_t hlen)
{
	size_t off = IPM_IP6_HLEN, named_at = 6;

	while (hlen - off >= 8 && hdr[named_at] != IPM_PROTO_FRAGMENT) {
		size_t len = ((size_t)hdr[off + 1] + 1) * 8;

		if (len > hlen - off)
			return hlen;
		named_at = off;
		off += len;
	}
	if (hlen - off < 8)
		return hlen;
	hdr[named_at] = hdr[off];
	memmove(hdr + off, hdr + off + 8, hlen - off - 8);
	ipm_store16(hdr + 4, (uint16_t)(ipm_load16(hdr + 4) - 8));
	return hlen - 8;
}

static enum ipm_reason
massage6(uint8_t *hdr, size_t hlen, uint32_t rules,
    const struct ipm_profile *pf, bool outbound)
{
	bool whole = ipm_sw(pf, IPM_SW_AH_IP6_OPTION) == IPM_AHOPT_WHOLE;
	uint8_t nh = hdr[6];
	size_t off = IPM_IP6_HLEN;

	if (rules != IPM_AHRULES_RFC1826)
		ipm_store32(hdr, 6U << 28); /* [AH-3.3.3.1.2.1-03] */
	hdr[7] = 0;
	while (off < hlen) {
		size_t len;

		if (hlen - off < 8)
			return IPM_R_EXT_BAD;
		len = ((size_t)hdr[off + 1] + 1) * 8;
		if (len > hlen - off)
			return IPM_R_EXT_BAD;
		switch (nh) {
		case IPM_PROTO_HOPOPTS:
		case IPM_PROTO_DSTOPTS: {
			enum ipm_reason r = massage_tlvs(hdr + off, len, whole);

			if (r != IPM_R_OK)
				return r;
			break;
		}
		case IPM_PROTO_ROUTING:
			/* FreeBSD covers it as it stands. */
			if (outbound && rules != IPM_AHRULES_FREEBSD)
				finish_route(hdr, hdr + off, len);
			break;
		default:
			/* A fragment header, or one that cannot stand here. */
			return IPM_R_EXT_BAD;
		}
		nh = hdr[off];
		off += len;
	}
	return IPM_R_OK;
}

enum ipm_reason
ipm_ah_massage(uint8_t *hdr, size_t *hlen, uint8_t version,
    const struct ipm_profile *pf, const struct ipm_ah_knobs *knobs,
    bool keyed_hash, bool outbound)
{
	uint32_t rules = ipm_sw(pf, IPM_SW_AH_RULES);

	if (version == 4)
		return massage4(hdr, *hlen, rules, knobs, keyed_hash, outbound);
	if (rules != IPM_AHRULES_FREEBSD)
		*hlen = close_over_fragment_header(hdr, *hlen);
	return massage6(hdr, *hlen, rules, pf, outbound);
}
