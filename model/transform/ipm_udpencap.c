#include "ipm_udpencap.h"

#define MARKER_LEN 4U /* where an SPI would stand */

enum ipm_udpencap_kind
ipm_udpencap_classify(const struct ipm_profile *pf, struct ipm_span payload)
{
	/* [NATT-2.3-01] [NATT-2.3-03] */
	if (payload.len == 1 && payload.p[0] == 0xff)
		return IPM_UDPENCAP_KEEPALIVE;
	/* [NATT-2.3-04] No SPI fits in fewer than four octets. */
	if (payload.len < MARKER_LEN ||
	    payload.len <= ipm_sw(pf, IPM_SW_NATT_SHORT))
		return IPM_UDPENCAP_IKE;
	/* [NATT-2.1-04] [NATT-2.2-01] */
	return ipm_load32(payload.p) == 0 ? IPM_UDPENCAP_IKE : IPM_UDPENCAP_ESP;
}

bool
ipm_udpencap_build(
    uint16_t sport, uint16_t dport, size_t esp_len, uint8_t out[8])
{
	if (esp_len > 65535 - 8)
		return false;
	/* [NATT-3.2-02] */
	ipm_store16(out, sport);
	ipm_store16(out + 2, dport);
	ipm_store16(out + 4, (uint16_t)(8 + esp_len));
	/* [NATT-2.1-02] */
	ipm_store16(out + 6, 0);
	return true;
}
