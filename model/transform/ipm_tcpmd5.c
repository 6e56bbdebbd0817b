#include "ipm_tcpmd5.h"

#include <string.h>

#define OPTION_MD5     19U
#define OPTION_MD5_LEN 18U

enum ipm_err
ipm_tcpmd5_digest(const struct ipm_provider *p, struct ipm_session *s,
    const struct ipm_ip *ip, uint8_t out[16])
{
	size_t n = ipm_addr_len(&ip->src);
	uint8_t pseudo[40], head[20];
	struct ipm_span parts[3];
	struct ipm_tcp tcp;
	uint32_t seg_len;
	size_t len;

	if (ipm_tcp_parse(ip, &tcp) != IPM_R_OK)
		return IPM_ERR_BADARG;
	/* [ALG-TCPMD5-01] 1. the pseudo header, in its version's form. */
	seg_len = (uint32_t)(tcp.header.len + tcp.data.len);
	memcpy(pseudo, ip->src.octet, n);
	memcpy(pseudo + n, ip->dst.octet, n);
	len = 2 * n;
	if (ip->version == 4) {
		pseudo[len] = 0;
		pseudo[len + 1] = IPM_PROTO_TCP;
		ipm_store16(pseudo + len + 2, (uint16_t)seg_len);
		len += 4;
	} else {
		ipm_store32(pseudo + len, seg_len);
		ipm_store32(pseudo + len + 4, IPM_PROTO_TCP);
		len += 8;
	}
	/* 2. the header without options and with checksum zero
	 * [ALG-TCPMD5-02]. */
	memcpy(head, tcp.header.p, sizeof head);
	ipm_store16(head + 16, 0);
	parts[0] = ipm_span(pseudo, len);
	parts[1] = ipm_span(head, sizeof head);
	/* 3. the data; 4. the key, which the session adds. */
	parts[2] = tcp.data;
	return p->mac(s, NULL, 0, parts, 3, out);
}

const uint8_t *
ipm_tcpmd5_find(const struct ipm_ip *ip)
{
	struct ipm_tcp tcp;
	size_t off = 0;

	if (ipm_tcp_parse(ip, &tcp) != IPM_R_OK)
		return NULL;
	while (off < tcp.options.len) {
		const uint8_t *o = tcp.options.p + off;

		if (o[0] == 0)
			return NULL;
		if (o[0] == 1) {
			off++;
			continue;
		}
		if (tcp.options.len - off < 2 || o[1] < 2 ||
		    o[1] > tcp.options.len - off)
			return NULL;
		if (o[0] == OPTION_MD5)
			return o[1] == OPTION_MD5_LEN ? o + 2 : NULL;
		off += o[1];
	}
	return NULL;
}

enum ipm_reason
ipm_tcpmd5_check(const struct ipm_provider *p, struct ipm_session *s,
    const struct ipm_ip *ip)
{
	const uint8_t *received = ipm_tcpmd5_find(ip);
	uint8_t made[IPM_TCPMD5_LEN];

	if (received == NULL) /* [ALG-TCPMD5-06] */
		return IPM_R_BAD_LENGTH;
	if (ipm_tcpmd5_digest(p, s, ip, made) != IPM_OK)
		return IPM_R_CRYPTO_FAILED;
	return ipm_ct_equal(made, received, sizeof made) ? IPM_R_OK
							 : IPM_R_ICV_BAD;
}
