/* Views, big-endian words, comparison and wiping. */
#include <criterion/criterion.h>
#include <string.h>

#include "wire/ipm_bytes.h"

static const uint8_t octets[8] = { 0x80, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff };

Test(bytes, words_are_big_endian)
{
	uint8_t out[8];

	cr_expect_eq(ipm_load16(octets), 0x8001);
	cr_expect_eq(ipm_load32(octets), 0x80010203);
	cr_expect_eq(ipm_load64(octets), 0x80010203fcfdfeffU);
	ipm_store16(out, 0x8001);
	cr_expect_eq(memcmp(out, octets, 2), 0);
	ipm_store32(out, 0x80010203);
	cr_expect_eq(memcmp(out, octets, 4), 0);
	ipm_store64(out, 0x80010203fcfdfeffU);
	cr_expect_eq(memcmp(out, octets, 8), 0);
}

Test(bytes, a_part_never_leaves_its_span)
{
	static const struct {
		size_t off, len, want_off, want_len;
	} rows[] = {
		{ 0, 8, 0, 8 },
		{ 0, 9, 0, 8 },
		{ 3, 2, 3, 2 },
		{ 3, 6, 3, 5 },
		{ 8, 0, 8, 0 },
		{ 8, 1, 8, 0 },
		{ 9, 1, 8, 0 },
		{ 1, SIZE_MAX, 1, 7 },
		{ SIZE_MAX, SIZE_MAX, 8, 0 },
	};
	struct ipm_span s = ipm_span(octets, sizeof octets);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_span part =
		    ipm_span_sub(s, rows[i].off, rows[i].len);

		cr_expect_eq(part.p, octets + rows[i].want_off, "row %zu", i);
		cr_expect_eq(part.len, rows[i].want_len, "row %zu", i);
	}
	cr_expect_eq(ipm_span_from(s, 5).len, 3);
	cr_expect_eq(ipm_span_sub(ipm_span(NULL, 0), 1, 1).len, 0);
	cr_expect_null(ipm_span_sub(ipm_span(NULL, 0), 1, 1).p);
}

Test(bytes, ct_equal_sees_every_bit)
{
	uint8_t other[8];

	cr_expect(ipm_ct_equal(octets, octets, 0));
	for (size_t bit = 0; bit < 64; bit++) {
		memcpy(other, octets, sizeof other);
		cr_expect(ipm_ct_equal(octets, other, 8));
		other[bit / 8] ^= (uint8_t)(1U << bit % 8);
		cr_expect(!ipm_ct_equal(octets, other, 8), "bit %zu", bit);
		cr_expect(ipm_ct_equal(octets, other, bit / 8), "bit %zu", bit);
	}
}

Test(bytes, wipe_clears_that_run_alone)
{
	static const uint8_t want[8] = { 0x80, 1, 0, 0, 0, 0xfd, 0xfe, 0xff };
	uint8_t out[8];

	memcpy(out, octets, sizeof out);
	ipm_wipe(out + 2, 3);
	cr_expect_eq(memcmp(out, want, sizeof out), 0);
	ipm_wipe(NULL, 0);
}
