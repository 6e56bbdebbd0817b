/* ESP in UDP (RFC 3948). */
#include <criterion/criterion.h>
#include <string.h>

#include "model/transform/ipm_udpencap.h"

static const struct {
	size_t len;
	uint8_t octet[12];
	/* natt-short 3 (RFC 3948, FreeBSD) and 8 (Linux) */
	enum ipm_udpencap_kind want, linux;
} datagrams[] = {
#define ESP  IPM_UDPENCAP_ESP
#define IKE  IPM_UDPENCAP_IKE
#define KEEP IPM_UDPENCAP_KEEPALIVE
	/* 0 */ { 0, { 0 }, IKE, IKE },
	/* 1 [NATT-2.3-01] [NATT-2.3-03] */ { 1, { 0xff }, KEEP, KEEP },
	/* 2 [NATT-2.3-04] */ { 1, { 0xfe }, IKE, IKE },
	/* 3 */ { 1, { 0x00 }, IKE, IKE },
	/* 4 */ { 2, { 0xff, 0xff }, IKE, IKE },
	/* 5 */ { 3, { 1, 2, 3 }, IKE, IKE },
	/* 6: an SPI and no more; ESP refuses it */
	{ 4, { 1, 2, 3, 4 }, ESP, IKE },
	/* 7 [NATT-2.1-04] [NATT-2.2-01] */ { 4, { 0, 0, 0, 0 }, IKE, IKE },
	/* 8 */ { 8, { 1, 2, 3, 4, 0, 0, 0, 1 }, ESP, IKE },
	/* 9 */ { 9, { 1, 2, 3, 4, 0, 0, 0, 1, 9 }, ESP, ESP },
	/* 10 */ { 12, { 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 }, IKE, IKE },
	/* 11 */ { 12, { 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8 }, ESP, ESP },
	/* 12 */ { 12, { 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 }, ESP, ESP },
	/* 13 */ { 12, { 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4 }, ESP, ESP },
#undef ESP
#undef IKE
#undef KEEP
};

/* [NATT-2.1-04] [NATT-2.2-01] [NATT-2.3-03] [NATT-2.3-04] */
Test(udpencap_classify, rfc3948_2_what_stands_in_a_datagram)
{
	struct ipm_profile pf, linux;

	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	ipm_profile_init(&linux, IPM_PF_LINUX);
	for (size_t i = 0; i < sizeof datagrams / sizeof datagrams[0]; i++) {
		struct ipm_span s =
		    ipm_span(datagrams[i].octet, datagrams[i].len);

		cr_expect_eq(ipm_udpencap_classify(&pf, s), datagrams[i].want,
		    "row %zu", i);
		cr_expect_eq(ipm_udpencap_classify(&linux, s),
		    datagrams[i].linux, "row %zu", i);
	}
}

/* Whatever the switch says, an SPI takes four octets. */
Test(udpencap_classify, switch_natt_short_of_0_reads_no_octet_too_many)
{
	static const uint8_t one[4] = { 1, 1, 1, 1 };
	struct ipm_profile pf;

	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	cr_assert(ipm_profile_set(&pf, "natt-short", "0"));
	for (size_t n = 0; n < 4; n++)
		cr_expect_eq(ipm_udpencap_classify(&pf, ipm_span(one, n)),
		    IPM_UDPENCAP_IKE);
	cr_expect_eq(
	    ipm_udpencap_classify(&pf, ipm_span(one, 4)), IPM_UDPENCAP_ESP);
	cr_expect_eq(
	    ipm_udpencap_classify(&pf, ipm_span(NULL, 0)), IPM_UDPENCAP_IKE);
}

/* [NATT-2.1-01] [NATT-2.1-02] [NATT-3.2-02] */
Test(udpencap_build, rfc3948_2_1_ports_length_and_no_checksum)
{
	static const uint8_t want[8] = { 0x11, 0x94, 0xd4, 0x31, 0x00, 0x6c, 0,
		0 };
	uint8_t out[8];

	memset(out, 0xee, sizeof out);
	cr_assert(ipm_udpencap_build(4500, 54321, 100, out));
	cr_expect_arr_eq(out, want, 8);
	cr_assert(ipm_udpencap_build(4500, 4500, 65527, out));
	cr_expect_eq(ipm_load16(out + 4), 65535);
	memset(out, 0xee, sizeof out);
	cr_expect_not(ipm_udpencap_build(4500, 4500, 65528, out));
	cr_expect_not(ipm_udpencap_build(4500, 4500, SIZE_MAX, out));
	cr_expect_eq(out[0], 0xee);
}
