#include "ipm_ip.h"

#include <string.h>

/* A chain longer than this is an attack, not a packet. */
#define CHAIN_MAX 32U

bool
ipm_addr_equal(const struct ipm_addr *a, const struct ipm_addr *b)
{
	return a->family == b->family && a->scope == b->scope &&
	    memcmp(a->octet, b->octet, ipm_addr_len(a)) == 0;
}

bool
ipm_addr_is_zero(const struct ipm_addr *a)
{
	static const uint8_t zero[sizeof a->octet];

	return memcmp(a->octet, zero, sizeof zero) == 0;
}

bool
ipm_addr_is_link_local(const struct ipm_addr *a)
{
	uint8_t first = a->octet[0], second = a->octet[1];

	return a->family == 6 &&
	    ((first == 0xfe && (second & 0xc0) == 0x80) ||
		(first == 0xff && (second & 0x0f) == 2));
}

/* In place: ipm_ip_parse has zeroed the rest. */
static void
set_addr(struct ipm_addr *a, uint8_t family, const uint8_t *p, size_t len)
{
	a->family = family;
	memcpy(a->octet, p, len);
}

/* Each option has a length that stays inside the header. */
static bool
options_ok(struct ipm_span opts)
{
	size_t off = 0;

	while (off < opts.len) {
		uint8_t type = opts.p[off];

		if (type == 0) /* end of list */
			return true;
		if (type == 1) { /* no operation */
			off++;
			continue;
		}
		if (opts.len - off < 2 || opts.p[off + 1] < 2 ||
		    opts.p[off + 1] > opts.len - off)
			return false;
		off += opts.p[off + 1];
	}
	return true;
}

static enum ipm_reason
parse4(struct ipm_span s, bool check_sum, struct ipm_ip *ip)
{
	uint16_t total, frag;
	size_t hlen;

	if (s.len < IPM_IP4_HLEN)
		return IPM_R_TRUNCATED;
	ip->version = 4;
	set_addr(&ip->src, 4, s.p + 12, 4);
	set_addr(&ip->dst, 4, s.p + 16, 4);
	ip->tos = s.p[1];
	ip->ttl = s.p[8];
	ip->proto = s.p[9];
	ip->proto_off = 9;
	hlen = (size_t)(s.p[0] & 15) * 4;
	total = ipm_load16(s.p + 2);
	if (hlen < IPM_IP4_HLEN || total < hlen)
		return IPM_R_IP_HEADER_BAD;
	if (total > s.len)
		return IPM_R_TRUNCATED;
	ip->packet = ipm_span_sub(s, 0, total);
	ip->trailer = s.len - total;
	ip->hlen = hlen;
	if (check_sum &&
	    ipm_sum_fold(ipm_sum_add(0, ipm_span_sub(s, 0, hlen))) != 0)
		return IPM_R_IP_SUM_BAD;
	if (!options_ok(ipm_span_sub(s, 20, hlen - 20)))
		return IPM_R_OPTION_BAD;
	frag = ipm_load16(s.p + 6);
	ip->df = (frag & 0x4000) != 0;
	ip->more = (frag & 0x2000) != 0;
	ip->frag_off = (uint32_t)(frag & 0x1fff) * 8;
	ip->fragment = ip->more || ip->frag_off != 0;
	ip->frag_id = ipm_load16(s.p + 4);
	ip->frag_nh = ip->proto;
	return IPM_R_OK;
}

/*
 * Walks the extension headers.  The walk ends at the first header that is not
 * one, at a fragment header of a real fragment, and at AH, ESP and IPcomp.
 */
static enum ipm_reason
walk6(struct ipm_ip *ip)
{
	struct ipm_span s = ip->packet;
	size_t off = IPM_IP6_HLEN, proto_off = 6;
	uint8_t nh = s.p[6];

	for (unsigned n = 0;; n++) {
		size_t len = 8;

		ip->hlen = off;
		ip->proto = nh;
		ip->proto_off = proto_off;
		if (nh != IPM_PROTO_HOPOPTS && nh != IPM_PROTO_DSTOPTS &&
		    nh != IPM_PROTO_ROUTING && nh != IPM_PROTO_FRAGMENT)
			return IPM_R_OK;
		/* RFC 8200 4.1: hop-by-hop stands first or nowhere. */
		if ((nh == IPM_PROTO_HOPOPTS && n != 0) || n == CHAIN_MAX ||
		    s.len - off < 8)
			return IPM_R_EXT_BAD;
		if (nh == IPM_PROTO_FRAGMENT) {
			uint16_t w = ipm_load16(s.p + off + 2);

			ip->frag_hdr = off;
			ip->frag_prev_off = proto_off;
			ip->frag_off = w & 0xfff8U;
			ip->more = (w & 1) != 0;
			ip->frag_id = ipm_load32(s.p + off + 4);
			ip->frag_nh = s.p[off];
			ip->fragment = ip->more || ip->frag_off != 0;
			/* RFC 6946: an atomic fragment is a whole packet. */
			if (ip->fragment) {
				ip->hlen = off + 8;
				ip->proto = ip->frag_nh;
				ip->proto_off = off;
				return IPM_R_OK;
			}
		} else {
			len = ((size_t)s.p[off + 1] + 1) * 8;
			if (len > s.len - off)
				return IPM_R_EXT_BAD;
		}
		nh = s.p[off];
		proto_off = off;
		off += len;
	}
}

static enum ipm_reason
parse6(struct ipm_span s, struct ipm_ip *ip)
{
	uint32_t word;
	size_t plen;

	if (s.len < IPM_IP6_HLEN)
		return IPM_R_TRUNCATED;
	word = ipm_load32(s.p);
	ip->version = 6;
	set_addr(&ip->src, 6, s.p + 8, 16);
	set_addr(&ip->dst, 6, s.p + 24, 16);
	ip->tos = (uint8_t)(word >> 20);
	ip->flow = word & 0xfffff;
	ip->ttl = s.p[7];
	ip->proto = s.p[6];
	ip->proto_off = 6;
	ip->hlen = IPM_IP6_HLEN;
	plen = ipm_load16(s.p + 4);
	/* A jumbogram (RFC 2675) states 0 here and is more than is modelled. */
	if (plen == 0 && s.p[6] == IPM_PROTO_HOPOPTS)
		return IPM_R_IP_HEADER_BAD;
	if (plen > s.len - IPM_IP6_HLEN)
		return IPM_R_TRUNCATED;
	ip->packet = ipm_span_sub(s, 0, IPM_IP6_HLEN + plen);
	ip->trailer = s.len - ip->packet.len;
	return walk6(ip);
}

enum ipm_reason
ipm_ip_parse(struct ipm_span s, bool check_sum, struct ipm_ip *ip)
{
	*ip = (struct ipm_ip){ .packet = s };
	if (s.len == 0)
		return IPM_R_TRUNCATED;
	switch (s.p[0] >> 4) {
	case 4:
		return parse4(s, check_sum, ip);
	case 6:
		return parse6(s, ip);
	default:
		return IPM_R_NOT_IP;
	}
}

bool
ipm_ip_rewrite(uint8_t *hdr, uint8_t version, size_t hlen, size_t total,
    size_t proto_off, uint8_t proto)
{
	size_t stated = version == 4 ? total : total - IPM_IP6_HLEN;

	if (stated > 65535)
		return false;
	if (proto_off != SIZE_MAX)
		hdr[proto_off] = proto;
	if (version == 6) {
		ipm_store16(hdr + 4, (uint16_t)stated);
		return true;
	}
	ipm_store16(hdr + 2, (uint16_t)stated);
	ipm_store16(hdr + 10, 0);
	ipm_store16(
	    hdr + 10, ipm_sum_fold(ipm_sum_add(0, ipm_span(hdr, hlen))));
	return true;
}

void
ipm_ip_set_tos(uint8_t *hdr, uint8_t version, uint8_t tos)
{
	uint16_t was = ipm_load16(hdr);
	uint32_t sum;

	if (version == 6) {
		ipm_store16(
		    hdr, (uint16_t)((was & 0xf00fU) | (unsigned)tos << 4));
		return;
	}
	hdr[1] = tos;
	/* RFC 1624 3: HC' = ~(~HC + ~m + m'). */
	sum = (uint16_t)~ipm_load16(hdr + 10);
	sum += (uint16_t)~was;
	sum += ipm_load16(hdr);
	ipm_store16(hdr + 10, ipm_sum_fold(sum));
}

uint32_t
ipm_sum_add(uint32_t sum, struct ipm_span s)
{
	uint64_t wide = sum;
	size_t i;

	for (i = 0; i + 1 < s.len; i += 2)
		wide += ipm_load16(s.p + i);
	if (i < s.len)
		wide += (uint64_t)s.p[i] << 8;
	while (wide >> 16 != 0)
		wide = (wide & 0xffff) + (wide >> 16);
	return (uint32_t)wide;
}

uint16_t
ipm_sum_fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void
ipm_ip4_build(uint8_t out[20], const struct ipm_ip4_fields *f)
{
	memset(out, 0, 20);
	out[0] = 0x45;
	out[1] = f->tos;
	ipm_store16(out + 2, f->total);
	ipm_store16(out + 4, f->id);
	ipm_store16(out + 6, f->df ? 0x4000 : 0);
	out[8] = f->ttl;
	out[9] = f->proto;
	memcpy(out + 12, f->src, 4);
	memcpy(out + 16, f->dst, 4);
	ipm_store16(out + 10, ipm_sum_fold(ipm_sum_add(0, ipm_span(out, 20))));
}

void
ipm_ip6_build(uint8_t out[40], const struct ipm_ip6_fields *f)
{
	ipm_store32(
	    out, 6U << 28 | (uint32_t)f->tclass << 20 | (f->flow & 0xfffff));
	ipm_store16(out + 4, f->plen);
	out[6] = f->nh;
	out[7] = f->hlim;
	memcpy(out + 8, f->src, 16);
	memcpy(out + 24, f->dst, 16);
}

/* --- text -------------------------------------------------------------- */

static char *
put_number(char *p, unsigned n, unsigned base)
{
	static const char digits[] = "0123456789abcdef";
	char rev[8];
	size_t k = 0;

	do
		rev[k++] = digits[n % base];
	while ((n /= base) != 0);
	while (k > 0)
		*p++ = rev[--k];
	return p;
}

/* RFC 5952 4.2: the longest run of at least two zero groups becomes "::". */
static void
longest_zeros(const uint8_t *o, size_t *start, size_t *len)
{
	*start = 8;
	*len = 1;
	for (size_t i = 0; i < 8; i++) {
		size_t n = 0;

		while (i + n < 8 && ipm_load16(o + 2 * (i + n)) == 0)
			n++;
		if (n > *len) {
			*start = i;
			*len = n;
		}
		i += n;
	}
}

static char *
put_dotted(char *p, const uint8_t octet[4])
{
	for (unsigned i = 0; i < 4; i++) {
		if (i != 0)
			*p++ = '.';
		p = put_number(p, octet[i], 10);
	}
	return p;
}

static char *
put_groups(char *p, const uint8_t octet[16])
{
	size_t start, len;

	longest_zeros(octet, &start, &len);
	for (size_t i = 0; i < 8;) {
		if (i == start) {
			*p++ = ':';
			*p++ = ':';
			i += len;
			continue;
		}
		if (i != 0 && p[-1] != ':')
			*p++ = ':';
		p = put_number(p, ipm_load16(octet + 2 * i), 16);
		i++;
	}
	return p;
}

const char *
ipm_addr_text(const struct ipm_addr *a, char buf[46])
{
	/* RFC 5952 5: the IPv4 part of a mapped address is dotted. */
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char *p = buf;

	if (a->family == 4) {
		p = put_dotted(p, a->octet);
	} else if (memcmp(a->octet, mapped, sizeof mapped) == 0) {
		memcpy(p, "::ffff:", 7);
		p = put_dotted(p + 7, a->octet + 12);
	} else {
		p = put_groups(p, a->octet);
	}
	*p = '\0';
	return buf;
}
