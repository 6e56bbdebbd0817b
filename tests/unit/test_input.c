/* The data path's input: the rows of its reasons. */
#include <string.h>

#include <criterion/criterion.h>

#include "ipm_verdict.h"

/*
 * What FreeBSD's functions answer and count (facts: EACCES 13, EINVAL 22,
 * EOPNOTSUPP 45); a packet that is refused behind IPsec counts nothing there.
 */
static const struct {
	enum ipm_reason reason;
	const char *name;
	enum ipm_verdict verdict;
	const char *counters; /* of each of the three protocols */
	int err;
} rows[] = {
	{ IPM_R_FORWARDED, "forwarded", IPM_V_TRANSMIT, "-", 0 },
	{ IPM_R_POLICY_MISMATCH, "policy-mismatch", IPM_V_DROP, "-", 13 },
	{ IPM_R_PROTO_DISABLED, "proto-disabled", IPM_V_DROP, "pdrops", 45 },
	{ IPM_R_FILTERED, "filtered", IPM_V_DROP, "-", 13 },
	{ IPM_R_NOT_LOCAL, "not-local", IPM_V_DROP, "-", 0 },
	{ IPM_R_BAD_ADDRESS, "bad-address", IPM_V_DROP, "-", 0 },
	{ IPM_R_TTL_EXCEEDED, "ttl-exceeded", IPM_V_DROP, "-", 0 },
	{ IPM_R_SOURCE_ROUTE, "source-route", IPM_V_DROP, "-", 0 },
	{ IPM_R_OPTION_UNKNOWN, "option-unknown", IPM_V_DROP, "-", 0 },
	{ IPM_R_TOO_MANY_HEADERS, "too-many-headers", IPM_V_DROP, "-", 22 },
	{ IPM_R_SEGMENT_BAD, "segment-bad", IPM_V_DROP, "-", 0 },
	{ IPM_R_NO_SOCKET, "no-socket", IPM_V_DROP, "-", 0 },
	{ IPM_R_NO_PROTOCOL, "no-protocol", IPM_V_DROP, "-", 0 },
	{ IPM_R_TCP_SIGNATURE, "tcp-signature", IPM_V_DROP, "-", 13 },
};

Test(input, rows_of_the_reasons)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct ipm_reason_row *r = &ipm_reasons[rows[i].reason];

		cr_expect_str_eq(r->name, rows[i].name);
		cr_expect_eq(r->verdict, rows[i].verdict, "%s", r->name);
		cr_expect_str_eq(r->esp, rows[i].counters, "%s", r->name);
		cr_expect_str_eq(r->ah, rows[i].counters, "%s", r->name);
		cr_expect_str_eq(r->ipcomp, rows[i].counters, "%s", r->name);
		cr_expect_eq(r->err, rows[i].err, "%s", r->name);
	}
}
