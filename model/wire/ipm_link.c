#include "ipm_link.h"

#include <string.h>

/* One reader per shape of link header: answers with *ip or a reason. */
typedef enum ipm_reason link_reader(struct ipm_span frame, struct ipm_span *ip);

static enum ipm_reason
rest(struct ipm_span frame, size_t off, struct ipm_span *ip)
{
	if (off > frame.len)
		return IPM_R_LINK_BAD;
	*ip = ipm_span_from(frame, off);
	return IPM_R_OK;
}

static enum ipm_reason
read_raw(struct ipm_span frame, struct ipm_span *ip)
{
	return rest(frame, 0, ip);
}

/* The PPP protocol field, one or two octets, at off. */
static enum ipm_reason
ppp_at(struct ipm_span frame, size_t off, struct ipm_span *ip)
{
	uint16_t proto;

	if (off >= frame.len)
		return IPM_R_LINK_BAD;
	/* RFC 1661 6.5: an odd first octet is the whole field. */
	proto = frame.p[off++];
	if ((proto & 1) == 0) {
		if (off >= frame.len)
			return IPM_R_LINK_BAD;
		proto = (uint16_t)(proto << 8 | frame.p[off++]);
	}
	if (proto != 0x0021 && proto != 0x0057)
		return IPM_R_NOT_IP;
	return rest(frame, off, ip);
}

static enum ipm_reason
read_ppp(struct ipm_span frame, struct ipm_span *ip)
{
	bool hdlc = frame.len >= 2 && frame.p[0] == 0xff && frame.p[1] == 3;

	return ppp_at(frame, hdlc ? 2 : 0, ip);
}

/* RFC 1042: LLC for SNAP, and the organisation whose types EtherTypes are. */
static bool
is_snap(struct ipm_span frame, size_t off)
{
	static const uint8_t snap[6] = { 0xaa, 0xaa, 3, 0, 0, 0 };

	return frame.len - off >= 8 &&
	    memcmp(frame.p + off, snap, sizeof snap) == 0;
}

/* What an EtherType at type_off says, its payload at off. */
static enum ipm_reason
ethertype(
    struct ipm_span frame, size_t type_off, size_t off, struct ipm_span *ip)
{
	bool in_snap = false;
	uint16_t type;

	for (;;) {
		if (off > frame.len)
			return IPM_R_LINK_BAD;
		type = ipm_load16(frame.p + type_off);
		/* 802.1Q, 802.1ad and the older stacked tag. */
		if (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
			type_off = off + 2;
			off += 4;
			continue;
		}
		/* A length, then LLC: SNAP has an EtherType of its own. */
		if (type > 1500 || in_snap || !is_snap(frame, off))
			break;
		in_snap = true;
		type_off = off + 6;
		off += 8;
	}
	switch (type) {
	case 0x0800:
	case 0x86dd:
		return rest(frame, off, ip);
	case 0x8864: /* PPPoE session: 6 octets, then PPP */
		return ppp_at(frame, off + 6, ip);
	default:
		return IPM_R_NOT_IP;
	}
}

static enum ipm_reason
read_ethernet(struct ipm_span frame, struct ipm_span *ip)
{
	return ethertype(frame, 12, 14, ip);
}

static enum ipm_reason
read_sll(struct ipm_span frame, struct ipm_span *ip)
{
	return ethertype(frame, 14, 16, ip);
}

static enum ipm_reason
read_sll2(struct ipm_span frame, struct ipm_span *ip)
{
	return ethertype(frame, 0, 20, ip);
}

/* AF_INET everywhere; AF_INET6 of Linux, NetBSD/OpenBSD, FreeBSD, Darwin. */
static bool
is_ip_family(uint32_t af)
{
	return af == 2 || af == 10 || af == 24 || af == 28 || af == 30;
}

/* The family stands in the byte order of whoever captured. */
static enum ipm_reason
family_at_0(struct ipm_span frame, size_t off, struct ipm_span *ip)
{
	uint32_t be, le;

	if (frame.len < 4)
		return IPM_R_LINK_BAD;
	be = ipm_load32(frame.p);
	le = (uint32_t)frame.p[3] << 24 | (uint32_t)frame.p[2] << 16 |
	    (uint32_t)frame.p[1] << 8 | frame.p[0];
	if (!is_ip_family(be) && !is_ip_family(le))
		return IPM_R_NOT_IP;
	return rest(frame, off, ip);
}

static enum ipm_reason
read_null(struct ipm_span frame, struct ipm_span *ip)
{
	return family_at_0(frame, 4, ip);
}

/* enc(4): family, SPI, flags. */
static enum ipm_reason
read_enc(struct ipm_span frame, struct ipm_span *ip)
{
	return family_at_0(frame, 12, ip);
}

const struct ipm_linktype ipm_linktypes[] = {
	{ 0, "null" },
	{ 1, "ethernet" },
	{ 9, "ppp" },
	{ 12, "raw" },
	{ 14, "raw" },
	{ 50, "ppp-hdlc" },
	{ 101, "raw" },
	{ 108, "loop" },
	{ 109, "enc" },
	{ 113, "linux-cooked" },
	{ 228, "ipv4" },
	{ 229, "ipv6" },
	{ 276, "linux-cooked-2" },
};
const size_t ipm_n_linktypes = sizeof ipm_linktypes / sizeof ipm_linktypes[0];

/* In step with ipm_linktypes. */
static link_reader
    *const readers[sizeof ipm_linktypes / sizeof ipm_linktypes[0]] = {
	    read_null,
	    read_ethernet,
	    read_ppp,
	    read_raw,
	    read_raw,
	    read_ppp,
	    read_raw,
	    read_null,
	    read_enc,
	    read_sll,
	    read_raw,
	    read_raw,
	    read_sll2,
    };

static link_reader *
reader_of(int linktype)
{
	for (size_t i = 0; i < ipm_n_linktypes; i++)
		if (ipm_linktypes[i].number == linktype)
			return readers[i];
	return NULL;
}

bool
ipm_link_known(int linktype)
{
	return reader_of(linktype) != NULL;
}

enum ipm_reason
ipm_link_parse(int linktype, struct ipm_span frame, struct ipm_span *ip)
{
	link_reader *read = reader_of(linktype);

	*ip = ipm_span(NULL, 0);
	return read == NULL ? IPM_R_NOT_IP : read(frame, ip);
}
