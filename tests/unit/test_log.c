/* Which log lines the sysctls let through. */

#include <criterion/criterion.h>
#include <string.h>

#include "model/ipm_log.h"

/*
 * [MAN-debug-01] [MAN-debug-02] Every line, every family, every one of the
 * variables' bits and their sums of two; the manual has a variable a family.
 */
Test(log, gates_over_their_domain)
{
	static const int32_t more[] = { -1, INT32_MAX, INT32_MIN, 0x51, 0x77,
		0x66 };

	for (size_t i = 0; i < 33 * 33 + sizeof more / sizeof more[0]; i++) {
		int32_t v = i >= (size_t)33 * 33
		    ? more[i - (size_t)33 * 33]
		    : (int32_t)((i % 33 < 32 ? 1U << i % 33 : 0) |
			  (i / 33 < 32 ? 1U << i / 33 : 0));

		for (size_t l = 0; l < IPM_N_LOGS; l++) {
			const struct ipm_log_row *row = &ipm_logs[l];
			struct ipm_profile manual, f13;
			struct ipm_sysctls s;
			bool key = row->var == IPM_SV_KEY_DEBUG;
			bool on = row->bits == 0
			    ? v != 0
			    : (~(uint32_t)v & row->bits) == 0;

			ipm_profile_init(&manual, IPM_PF_MANUAL);
			ipm_profile_init(&f13, IPM_PF_FREEBSD_13);
			ipm_sysctls_init(&s);
			cr_assert_not(ipm_log_on(&s, &f13, (enum ipm_log)l, 4));
			cr_assert_not(
			    ipm_log_on(&s, &manual, (enum ipm_log)l, 6));
			s.v[row->var] = v;
			cr_assert_eq(
			    ipm_log_on(&s, &f13, (enum ipm_log)l, 4), on);
			cr_assert_eq(
			    ipm_log_on(&s, &f13, (enum ipm_log)l, 6), on);
			cr_assert_eq(
			    ipm_log_on(&s, &manual, (enum ipm_log)l, 4), on);
			cr_assert_eq(
			    ipm_log_on(&s, &manual, (enum ipm_log)l, 6),
			    key && on);
			if (key)
				continue;
			s.v[IPM_SV_DEBUG] = 0;
			s.v[IPM_SV_DEBUG6] = v;
			cr_assert_eq(
			    ipm_log_on(&s, &manual, (enum ipm_log)l, 6), on);
			cr_assert_not(
			    ipm_log_on(&s, &manual, (enum ipm_log)l, 4));
			cr_assert_not(ipm_log_on(&s, &f13, (enum ipm_log)l, 6));
		}
	}
}

/* [MAN-debug-01] An unknown SPI has its line. */
Test(log, lines_of_reasons)
{
	size_t with = 0;

	cr_assert_eq(ipm_log_of_reason(IPM_R_NO_SA), IPM_LOG_NO_SA);
	cr_assert_eq(ipm_log_of_reason(IPM_R_OK), IPM_N_LOGS);
	cr_assert_eq(ipm_log_of_reason(IPM_R_DUMMY), IPM_N_LOGS);
	for (size_t r = 0; r < IPM_N_REASONS; r++) {
		enum ipm_log l = ipm_log_of_reason((enum ipm_reason)r);

		if (l == IPM_N_LOGS)
			continue;
		with++;
		cr_assert_eq(ipm_logs[l].reason, r);
		/* The line has the reason's name. */
		cr_assert_str_eq(ipm_logs[l].name, ipm_reasons[r].name);
		cr_assert_eq(ipm_reasons[r].verdict, IPM_V_DROP);
	}
	for (size_t l = 0; l < IPM_N_LOGS; l++) {
		with -= ipm_logs[l].reason != IPM_N_REASONS;
		cr_assert_neq(ipm_logs[l].text[0], '\0');
		for (size_t k = 0; k < l; k++)
			cr_assert_str_neq(ipm_logs[l].name, ipm_logs[k].name);
	}
	cr_assert_eq(with, 0, "two lines for one reason");
}
