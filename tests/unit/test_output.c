/*
 * IPSEC_OUTPUT and what sockets send.  Expected values: the recordings
 * outbound-algorithms, outbound-misc, policy-selection, natt (packets opened by
 * their receiver's key), facts of ipsec_output.c, RFC 4301 5.1.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "support/path_box.h"

/* Every way out of the outbound path, with the errno of its row. */
static const struct {
	enum ipm_reason reason;
	const char *name;
	enum ipm_verdict verdict;
	int err;
} fates[] = {
	{ IPM_R_SENT, "sent", IPM_V_TRANSMIT, 0 },
	{ IPM_R_POLICY_DISCARD, "policy-discard", IPM_V_DROP, 13 },
	{ IPM_R_NO_SA_OUT, "no-sa-out", IPM_V_DROP, 0 },
	{ IPM_R_ACQUIRE_FAILED, "acquire-failed", IPM_V_DROP, 55 },
	{ IPM_R_BUNDLE_TAIL_LOST, "bundle-tail-lost", IPM_V_DROP, 0 },
	{ IPM_R_SEQ_OVERFLOW, "seq-overflow", IPM_V_DROP, 13 },
	{ IPM_R_TUNNEL_ENDS_BAD, "tunnel-ends-bad", IPM_V_DROP, 22 },
	{ IPM_R_NATT_IPV6, "natt-ipv6", IPM_V_DROP, 47 },
	{ IPM_R_DEFLATE_FAILED, "deflate-failed", IPM_V_DROP, 22 },
	{ IPM_R_NO_RANDOM, "no-random", IPM_V_DROP, 5 },
	{ IPM_R_NO_ROUTE, "no-route", IPM_V_DROP, 65 },
	{ IPM_R_NO_SOURCE, "no-source", IPM_V_DROP, 51 },
	{ IPM_R_TOO_BIG_DF, "too-big-df", IPM_V_DROP, 40 },
};

Test(output, rows_of_the_table)
{
	for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
		const struct ipm_reason_row *r = &ipm_reasons[fates[i].reason];

		cr_expect_str_eq(r->name, fates[i].name);
		cr_expect_eq(r->verdict, fates[i].verdict, "%s", r->name);
		cr_expect_eq(r->err, fates[i].err, "%s", r->name);
	}
}
