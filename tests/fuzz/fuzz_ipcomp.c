/*
 * IPcomp packets as they come from the wire, and any payload to be compressed.
 *
 * Input: one octet for the profile and the switches, one for the limit and the
 * room, one for the sender's rules, then next header, flags, CPI, stream.
 *
 * Nothing is written beyond what the caller gave; whatever opens is what its
 * stream says again; what is sealed is smaller and opens to what it was.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hx_engine.h"
#include "ipm_profile.h"
#include "provider/ipm_zlib.h"
#include "transform/ipm_ipcomp.h"

#define MOST   4096U /* longer inputs show nothing new */
#define ROOM   65536U
#define CANARY 0xa5

static struct ipm_compressor comp;

/* Four octets behind cap tell whether somebody wrote there. */
static void
arm(uint8_t *buf, size_t cap)
{
	memset(buf + cap, CANARY, 4);
}

static void
disarm(const uint8_t *buf, size_t cap)
{
	for (size_t i = 0; i < 4; i++)
		must(buf[cap + i] == CANARY);
}

static void
open_wire(const struct ipm_profile *pf, size_t limit, size_t cap,
    struct ipm_span packet)
{
	static const struct ipm_ipcomp_rules all = { 0, true };
	static uint8_t out[ROOM + 4], again[MOST + 4];
	struct ipm_trace trace = { 0 };
	enum ipm_ipcomp_made made;
	struct ipm_ipcomp_opened o;
	enum ipm_reason r;
	uint16_t cpi = 0;
	size_t len = 0;

	must(ipm_ipcomp_peek(packet, &cpi) == (packet.len >= 4));
	arm(out, cap);
	r = ipm_ipcomp_open(&comp, pf, packet, limit, out, cap, &trace, &o);
	disarm(out, cap);
	must(r == IPM_R_OK || r == IPM_R_BAD_LENGTH || r == IPM_R_COMP_NESTED ||
	    r == IPM_R_INFLATE_FAILED || r == IPM_R_INFLATE_TOO_BIG ||
	    r == IPM_R_EMPTY_PAYLOAD || r == IPM_R_COMP_EXPANDED ||
	    (r == IPM_R_NO_MEMORY && cap < limit));
	must((r == IPM_R_BAD_LENGTH) == (packet.len < 4));
	if (r != IPM_R_OK) {
		must(o.payload.len == 0);
		return;
	}
	must(o.payload.p == out && o.payload.len <= limit &&
	    o.payload.len <= cap && o.cpi == cpi);
	must(ipm_ipcomp_seal(&comp, &all, o.cpi, o.next_header, SIZE_MAX,
		 o.payload, o.compressed, again, packet.len, &len,
		 &made) == IPM_OK);
	must(made == IPM_IPCOMP_SENT && len == packet.len);
	must(again[1] == 0);
	again[1] = o.flags;
	must(memcmp(again, packet.p, len) == 0);
}

static void
seal_payload(
    const struct ipm_ipcomp_rules *rules, size_t cap, struct ipm_span payload)
{
	static uint8_t sealed[MOST + 8], out[MOST];
	const struct ipm_span none = { NULL, 0 };
	enum ipm_ipcomp_made made = IPM_IPCOMP_SMALL;
	struct ipm_ipcomp_opened o;
	struct ipm_profile pf;
	size_t len = 1, least;
	enum ipm_err err;

	arm(sealed, cap);
	err = ipm_ipcomp_seal(&comp, rules, 0x1234, 17, payload.len + 20,
	    payload, none, sealed, cap, &len, &made);
	disarm(sealed, cap);
	must(err == IPM_OK || (err == IPM_ERR_NOBUF && cap < payload.len + 3));
	must((err == IPM_OK && made == IPM_IPCOMP_SENT) == (len != 0));
	must(err != IPM_OK ||
	    (made == IPM_IPCOMP_SMALL) ==
		(payload.len + 20 <= rules->threshold));
	if (len == 0)
		return;
	least = rules->count_header ? len : len - IPM_IPCOMP_HLEN;
	must(least < payload.len);
	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	must(ipm_ipcomp_open(&comp, &pf, ipm_span(sealed, len), payload.len,
		 out, payload.len, NULL, &o) == IPM_R_OK);
	must(o.payload.len == payload.len &&
	    memcmp(out, payload.p, payload.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t limits[] = { 65515, 65535, 1500, 64, 1, 0, 9000,
		256 };
	struct ipm_alloc alloc = hx_alloc();
	struct ipm_ipcomp_rules rules;
	struct ipm_profile pf;
	struct ipm_span packet;
	size_t limit, cap;

	if (size < 3 || size - 3 > MOST)
		return 0;
	if (comp.ctx == NULL)
		must(ipm_zlib_open(&comp, &alloc) == IPM_OK);
	ipm_profile_init(
	    &pf, (enum ipm_profile_id)((data[0] & 7) % IPM_N_PROFILES));
	pf.value[IPM_SW_COMP_EMPTY] = data[0] >> 3 & 1;
	pf.value[IPM_SW_COMP_NO_SHRINK] = data[0] >> 4 & 1;
	pf.value[IPM_SW_COMP_NESTED] = data[0] >> 5 & 1;
	limit = limits[data[1] & 7];
	cap = (data[1] & 8) != 0 ? limit / 2 : limit;
	packet = ipm_span(data + 3, size - 3);
	open_wire(&pf, limit, cap, packet);

	rules.threshold = (data[2] & 1) != 0 ? 90 : 0;
	rules.count_header = (data[2] & 2) != 0;
	seal_payload(&rules,
	    (data[2] & 4) != 0 ? (data[2] >> 3) * packet.len / 16
			       : packet.len + 4,
	    packet);
	return 0;
}
