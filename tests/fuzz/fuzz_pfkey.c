/*
 * PF_KEY messages: the first octet chooses dialect and byte order.  What can be
 * decoded is encoded to the same octets, by way of JSON too.  The rules find
 * something in whatever cannot be decoded, and point into the message.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hx_pfkey.h"
#include "pfk_rules.h"

/*
 * A length beyond the type's most and more extensions than the codec has room
 * for are the codec's own limits where a kernel looks at neither.
 */
static bool
every_kernel_refuses(enum pfk_fault fault)
{
	return fault != PFK_FINE && fault != PFK_EXT_LONG &&
	    fault != PFK_TOO_MANY_EXTS;
}

/* X_PROMISC carries what it likes, and OpenBSD does not look into it. */
static void
judge(const struct pfk_codec *c, struct ipm_span octets, enum pfk_fault fault)
{
	static struct pfk_finding f[PFK_FINDINGS_MAX];
	struct ipm_profile pf;
	size_t n;

	ipm_profile_init(&pf, IPM_PF_FREEBSD_13);
	n = pfk_lint(c, &pf, octets, f);
	must(n <= PFK_FINDINGS_MAX);
	must(n != 0 || !every_kernel_refuses(fault) ||
	    (octets.len >= PFK_HDR_LEN && octets.p[1] == 11));
	for (size_t i = 0; i < n; i++)
		must(f[i].rule < PFK_N_RULES && f[i].offset <= octets.len &&
		    f[i].how != PFK_IGNORED && f[i].err != 0);
	n = pfk_lint_out(c, octets, f);
	for (size_t i = 0; i < n; i++)
		must(f[i].offset <= octets.len && f[i].how == PFK_UNSENT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pfk_ext exts[PFK_EXTS_MAX];
	struct ipm_span octets;
	struct pfk_codec c;
	struct pfk_msg m;
	struct hx_octets back;
	enum pfk_fault fault;
	size_t n, where, len;
	uint8_t *out;
	char why[160];
	json_t *j;

	if (size < 1 || size > 65536)
		return 0;
	c.dialect = &pfk_dialects[data[0] & 3];
	c.order = (data[0] & 4) != 0 ? PFK_BE : PFK_LE;
	octets = ipm_span(data + 1, size - 1);
	fault = pfk_decode(&c, octets, &m, exts, &n, &where);
	judge(&c, octets, fault);
	if (fault != PFK_FINE) {
		if (where > octets.len)
			abort();
		return 0;
	}
	out = malloc(octets.len);
	if (out == NULL)
		return 0;
	if (pfk_encode(&c, &m, exts, n, out, octets.len, &len) != IPM_OK ||
	    len != octets.len || memcmp(out, octets.p, len) != 0)
		abort();
	free(out);
	j = hx_pfkey_to_json(&c, octets, true, &fault, &where);
	if (j == NULL)
		return 0;
	if (!hx_pfkey_from_json(&c, j, &back, why, sizeof why) ||
	    back.len != octets.len || memcmp(back.p, octets.p, octets.len) != 0)
		abort();
	hx_octets_free(&back);
	json_decref(j);
	return 0;
}
