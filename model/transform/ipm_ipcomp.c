#include "ipm_ipcomp.h"

#include <string.h>

#include "../wire/ipm_ip.h"

bool
ipm_ipcomp_peek(struct ipm_span ipcomp, uint16_t *cpi)
{
	if (ipcomp.len < IPM_IPCOMP_HLEN)
		return false;
	*cpi = ipm_load16(ipcomp.p + 2);
	return true;
}

static enum ipm_reason
inflate_reason(enum ipm_err err)
{
	switch (err) {
	case IPM_OK:
		return IPM_R_OK;
	case IPM_ERR_TOOBIG:
		return IPM_R_INFLATE_TOO_BIG;
	case IPM_ERR_NOMEM:
		return IPM_R_NO_MEMORY;
	case IPM_ERR_BADARG:
	case IPM_ERR_NOBUF:
	case IPM_ERR_EXISTS:
	case IPM_ERR_NOTFOUND:
	case IPM_ERR_UNSUPPORTED:
	case IPM_ERR_AUTH:
	case IPM_ERR_DATA:
	case IPM_ERR_PROVIDER:
		break;
	}
	return IPM_R_INFLATE_FAILED;
}

enum ipm_reason
ipm_ipcomp_open(const struct ipm_compressor *comp, const struct ipm_profile *pf,
    struct ipm_span ipcomp, size_t limit, uint8_t *out, size_t cap,
    struct ipm_trace *trace, struct ipm_ipcomp_opened *o)
{
	size_t len = limit < cap ? limit : cap;
	enum ipm_reason r;

	*o = (struct ipm_ipcomp_opened){ 0 };
	if (ipcomp.len < IPM_IPCOMP_HLEN)
		return IPM_R_BAD_LENGTH;
	o->next_header = ipcomp.p[0];
	/* [IPCOMP-3.3-04] The flags are ignored by a receiver. */
	o->flags = ipcomp.p[1];
	o->cpi = ipm_load16(ipcomp.p + 2);
	o->compressed = ipm_span_from(ipcomp, IPM_IPCOMP_HLEN);
	if (o->next_header == IPM_PROTO_IPCOMP &&
	    ipm_sw(pf, IPM_SW_COMP_NESTED) == IPM_OFF)
		return IPM_R_COMP_NESTED;
	r = inflate_reason(comp->decompress(comp, o->compressed, out, &len));
	if (r == IPM_R_INFLATE_TOO_BIG && cap < limit)
		r = IPM_R_NO_MEMORY;
	if (r == IPM_R_OK && len == 0 &&
	    ipm_sw(pf, IPM_SW_COMP_EMPTY) != IPM_OFF)
		r = IPM_R_EMPTY_PAYLOAD;
	if (r == IPM_R_OK && len <= o->compressed.len + IPM_IPCOMP_HLEN &&
	    ipm_sw(pf, IPM_SW_COMP_NO_SHRINK) != IPM_OFF)
		r = IPM_R_COMP_EXPANDED;
	ipm_trace_add(trace, IPM_STEP_INFLATE, r, o->compressed.len,
	    r == IPM_R_OK ? len : 0);
	if (r == IPM_R_OK)
		o->payload = ipm_span(out, len);
	return r;
}

enum ipm_err
ipm_ipcomp_seal(const struct ipm_compressor *comp,
    const struct ipm_ipcomp_rules *rules, uint16_t cpi, uint8_t next_header,
    size_t packet_len, struct ipm_span payload, struct ipm_span given,
    uint8_t *out, size_t cap, size_t *len, enum ipm_ipcomp_made *made)
{
	size_t header = rules->count_header ? IPM_IPCOMP_HLEN : 0;
	size_t room, most, n;
	enum ipm_err err;

	*len = 0;
	/* [IPCOMP-2.2-03] [IPCOMP-RFC2394-05] */
	if (packet_len <= rules->threshold) {
		*made = IPM_IPCOMP_SMALL;
		return IPM_OK;
	}
	if (given.p == NULL && payload.len <= header) {
		*made = IPM_IPCOMP_NO_GAIN;
		return IPM_OK;
	}
	if (cap < IPM_IPCOMP_HLEN)
		return IPM_ERR_NOBUF;
	room = cap - IPM_IPCOMP_HLEN;
	if (given.p != NULL) {
		/* A foreign sender's stream stands, whatever it gained. */
		if (given.len > room)
			return IPM_ERR_NOBUF;
		memcpy(out + IPM_IPCOMP_HLEN, given.p, given.len);
		n = given.len;
	} else {
		/* [IPCOMP-2.2-01] The longest stream that gains an octet. */
		most = payload.len - header - 1;
		n = most < room ? most : room;
		err = comp->compress(comp, payload, out + IPM_IPCOMP_HLEN, &n);
		if (err == IPM_ERR_NOBUF && most <= room) {
			*made = IPM_IPCOMP_NO_GAIN;
			return IPM_OK;
		}
		if (err != IPM_OK)
			return err;
	}
	/* [IPCOMP-3.3-01] [IPCOMP-3.3-02] [IPCOMP-3.3-03] */
	out[0] = next_header;
	out[1] = 0;
	ipm_store16(out + 2, cpi);
	*len = IPM_IPCOMP_HLEN + n;
	*made = IPM_IPCOMP_SENT;
	return IPM_OK;
}
