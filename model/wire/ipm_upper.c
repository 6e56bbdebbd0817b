#include "ipm_upper.h"

#include <string.h>

void
ipm_upper_parse(const struct ipm_ip *ip, struct ipm_upper *u)
{
	struct ipm_span s = ipm_span_from(ip->packet, ip->hlen);

	*u = (struct ipm_upper){ .proto = ip->proto, .off = ip->hlen };
	/* Ports stand in the first fragment alone. */
	if (ip->frag_off != 0)
		return;
	switch (ip->proto) {
	case IPM_PROTO_TCP:
	case IPM_PROTO_UDP:
	case 132: /* SCTP */
		if (s.len < 4)
			return;
		u->has_ports = true;
		u->sport = ipm_load16(s.p);
		u->dport = ipm_load16(s.p + 2);
		if (ip->proto == IPM_PROTO_UDP)
			u->hlen = 8;
		else if (ip->proto == IPM_PROTO_TCP && s.len >= 13)
			u->hlen = (size_t)(s.p[12] >> 4) * 4;
		return;
	case IPM_PROTO_ICMP:
	case IPM_PROTO_ICMPV6:
		if (s.len < 2)
			return;
		u->has_ports = true;
		u->sport = s.p[0];
		u->dport = s.p[1];
		u->hlen = 8;
		return;
	default:
		return;
	}
}

enum ipm_reason
ipm_udp_parse(const struct ipm_ip *ip, struct ipm_udp *udp)
{
	struct ipm_span s = ipm_span_from(ip->packet, ip->hlen);
	size_t len;

	*udp = (struct ipm_udp){ 0 };
	if (ip->proto != IPM_PROTO_UDP || ip->fragment || s.len < 8)
		return IPM_R_BAD_LENGTH;
	udp->sport = ipm_load16(s.p);
	udp->dport = ipm_load16(s.p + 2);
	udp->len = ipm_load16(s.p + 4);
	udp->sum = ipm_load16(s.p + 6);
	len = udp->len == 0 && ip->version == 6 ? s.len : udp->len;
	if (len < 8 || len > s.len)
		return IPM_R_BAD_LENGTH;
	udp->payload = ipm_span_sub(s, 8, len - 8);
	return IPM_R_OK;
}

uint16_t
ipm_upper_sum(const struct ipm_ip *ip, uint8_t proto, struct ipm_span segment)
{
	uint8_t pseudo[8] = { 0 };
	size_t n = ipm_addr_len(&ip->src);
	uint32_t sum;

	sum = ipm_sum_add(0, ipm_span(ip->src.octet, n));
	sum = ipm_sum_add(sum, ipm_span(ip->dst.octet, n));
	ipm_store32(pseudo, (uint32_t)segment.len);
	pseudo[7] = proto;
	sum = ipm_sum_add(sum, ipm_span(pseudo, sizeof pseudo));
	return ipm_sum_fold(ipm_sum_add(sum, segment));
}

enum ipm_reason
ipm_tcp_parse(const struct ipm_ip *ip, struct ipm_tcp *tcp)
{
	struct ipm_span s = ipm_span_from(ip->packet, ip->hlen);
	size_t hlen;

	*tcp = (struct ipm_tcp){ 0 };
	if (ip->proto != IPM_PROTO_TCP || ip->fragment || s.len < 20)
		return IPM_R_BAD_LENGTH;
	hlen = (size_t)(s.p[12] >> 4) * 4;
	if (hlen < 20 || hlen > s.len)
		return IPM_R_BAD_LENGTH;
	tcp->header = ipm_span_sub(s, 0, hlen);
	tcp->options = ipm_span_sub(s, 20, hlen - 20);
	tcp->data = ipm_span_from(s, hlen);
	return IPM_R_OK;
}

void
ipm_udp_fill_sum(uint8_t *packet, size_t len, size_t hlen)
{
	struct ipm_ip ip;
	uint16_t sum;

	if (ipm_ip_parse(ipm_span(packet, len), false, &ip) != IPM_R_OK)
		return;
	sum = ipm_upper_sum(
	    &ip, IPM_PROTO_UDP, ipm_span(packet + hlen, len - hlen));
	ipm_store16(packet + hlen + 6, sum == 0 ? 0xffff : sum);
}
