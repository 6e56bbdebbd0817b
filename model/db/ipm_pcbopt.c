#include <string.h>

#include "../ipm_errno.h"
#include "ipm_pcb.h"

enum {
	EOL = 0,
	NOP = 1,
	LSRR = 131,
	SSRR = 137
};

/*
 * IP_OPTIONS (ip_pcbopts): the options as they will be sent.  Of a source route
 * the first hop is taken out: packets go there, and the rest is the route.
 */
static int
set_options(struct ipm_pcb *pcb, struct ipm_span v)
{
	uint8_t p[IPM_PCB_OPTS4] = { 0 };
	struct ipm_addr via = { 0 };
	size_t n = v.len, len;

	if (n > sizeof p || n % 4 != 0)
		return IPM_EINVAL;
	if (n != 0)
		memcpy(p, v.p, n);
	for (size_t off = 0; off < n && p[off] != EOL; off += len) {
		len = 1;
		if (p[off] == NOP)
			continue;
		if (n - off < 2 || p[off + 1] < 2 || p[off + 1] > n - off)
			return IPM_EINVAL;
		len = p[off + 1];
		if (p[off] != LSRR && p[off] != SSRR)
			continue;
		if (len < 7)
			return IPM_EINVAL;
		via.family = 4;
		memcpy(via.octet, p + off + 3, 4);
		memmove(p + off + 3, p + off + 7, n - off - 7);
		n -= 4;
		len -= 4;
		p[off + 1] = (uint8_t)len;
	}
	memcpy(pcb->opts, p, n);
	pcb->opts_len = (uint8_t)n;
	pcb->via = via;
	return 0;
}

/* IPV6_HOPOPTS, IPV6_DSTOPTS (ip6_setpktopt): one whole header, or none. */
static int
set_header(uint8_t *to, uint8_t *len, struct ipm_span v)
{
	if (v.len != 0 &&
	    (v.len < 8 || v.len > IPM_PCB_OPTS6 ||
		v.len != ((size_t)v.p[1] + 1) * 8))
		return IPM_EINVAL;
	if (v.len != 0)
		memcpy(to, v.p, v.len);
	*len = (uint8_t)v.len;
	return 0;
}

static int
set_octet(uint8_t *to, struct ipm_span v, bool flag)
{
	if (v.len < 4)
		return IPM_EINVAL;
	*to = flag ? (v.p[0] | v.p[1] | v.p[2] | v.p[3]) != 0 : v.p[0];
	return 0;
}

int
ipm_pcb_setopt(
    struct ipm_pcb *pcb, int level, int option, struct ipm_span value)
{
	static const struct {
		int level, option;
	} rows[] = { { 0, 1 }, { 0, 3 }, { 0, 67 }, { 41, 49 }, { 41, 50 } };
	size_t i = 0;

	while (i < sizeof rows / sizeof rows[0] &&
	    (level != rows[i].level || option != rows[i].option))
		i++;
	if (i == sizeof rows / sizeof rows[0])
		return -1;
	if ((level == 41) != (pcb->family == 6))
		return IPM_EINVAL;
	switch (i) {
	case 0:
		return set_options(pcb, value);
	case 1:
		return set_octet(&pcb->tos, value, false);
	case 2:
		return set_octet(&pcb->dontfrag, value, true);
	case 3:
		return set_header(pcb->hop, &pcb->hop_len, value);
	default:
		return set_header(pcb->dst, &pcb->dst_len, value);
	}
}
