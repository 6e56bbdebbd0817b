/* Tunnels: ECN, DF, what an exit accepts, what an entrance writes. */
#include <criterion/criterion.h>
#include <string.h>

#include "model/transform/ipm_tunnel.h"

static struct ipm_profile
profile(const char *sw, const char *value)
{
	struct ipm_profile pf;

	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	if (sw != NULL)
		cr_assert(ipm_profile_set(&pf, sw, value), "%s", sw);
	return pf;
}

/* --- ECN at the exit ------------------------------------------------------- */

#define D (-1) /* the packet is dropped */

/*
 * Inner and outer field, then the inner field that is forwarded: unchanged;
 * RFC 4301 5.1.2.1; RFC 6040 figure 4; RFC 3168 9.1.1 full functionality;
 * RFC 3168 9.1.2 limited.  Fields as on the wire: 0 Not-ECT, 2 ECT(0),
 * 1 ECT(1), 3 CE.
 */
/* clang-format off */
static const struct {
	uint8_t inner, outer;
	int none, ce, rfc6040, full, limited;
} exits[] = {
	/* in out  none ce  6040 full limited */
	{ 0, 0,    0,   0,  0,   0,   0 },
	{ 0, 2,    0,   0,  0,   0,   0 },
	{ 0, 1,    0,   0,  0,   0,   0 },
	{ 0, 3,    0,   0,  D,   D,   D },
	{ 2, 0,    2,   2,  2,   2,   2 },
	{ 2, 2,    2,   2,  2,   2,   2 },
	{ 2, 1,    2,   2,  1,   2,   2 },
	{ 2, 3,    2,   3,  3,   3,   D },
	{ 1, 0,    1,   1,  1,   1,   1 },
	{ 1, 2,    1,   1,  1,   1,   1 },
	{ 1, 1,    1,   1,  1,   1,   1 },
	{ 1, 3,    1,   3,  3,   3,   D },
	{ 3, 0,    3,   3,  3,   3,   3 },
	{ 3, 2,    3,   3,  3,   3,   3 },
	{ 3, 1,    3,   3,  3,   3,   3 },
	{ 3, 3,    3,   3,  3,   3,   3 },
};
/* clang-format on */
#define N_EXITS (sizeof exits / sizeof exits[0])

static int
wanted(size_t row, size_t mode)
{
	const int by_mode[] = { exits[row].none, exits[row].ce,
		exits[row].rfc6040, exits[row].full, exits[row].limited };

	return by_mode[mode];
}

static const char *const modes[] = { "none", "ce", "rfc6040", "drop-ce",
	"limited" };
#define N_MODES (sizeof modes / sizeof modes[0])

/*
 * [ECN6040-4.2-01] [ECN6040-4.2-02] [ECN6040-4.2-03] [ECN6040-4.2-04]
 * [ECN-RFC3168-01] [ECN-RFC3168-02] [ECN-RFC3168-03] [ECN-RFC3168-05]
 * [ECN-RFC3168-08] [ECN-RFC3168-09] [ECN-RFC3168-11] [ECN-RFC3168-13]
 * [ECN-RFC3168-17] [ECN-RFC3168-18] [ECN-RFC3168-19] [ECN-RFC4301-02]
 * [ECN-RFC6040-04] [ECN-RFC6040-05] [ECN-RFC6040-06] [ECN-RFC6040-07]
 * [ECN-draft02-03] [ECN-draft02-05]
 */
Test(ecn_decap, every_combination_of_fields_modes_and_dscp)
{
	for (size_t m = 0; m < N_MODES; m++) {
		struct ipm_profile pf = profile("ecn-decap", modes[m]);
		uint32_t decap = ipm_sw(&pf, IPM_SW_ECN_DECAP);

		for (size_t i = 0; i < N_EXITS * 64 * 4; i++) {
			size_t row = i % N_EXITS;
			uint8_t in_ds = (uint8_t)(i / N_EXITS % 64 << 2);
			uint8_t out_ds = (uint8_t)(i / N_EXITS / 64 * 84);
			bool marked =
			    exits[row].outer == 3 && exits[row].inner == 0;
			int want = wanted(row, m);
			uint8_t in = (uint8_t)(in_ds | exits[row].inner);
			uint8_t out =
			    (uint8_t)((out_ds & 0xfc) | exits[row].outer);
			uint8_t tos = 0xee;
			enum ipm_reason r =
			    ipm_ecn_decap(decap, false, out, in, &tos);

			cr_expect_eq(r, want == D ? IPM_R_ECN_BAD : IPM_R_OK,
			    "%s, inner %02x, outer %02x", modes[m], in, out);
			cr_expect_eq(tos, want == D ? 0xee : in_ds | want,
			    "%s, inner %02x, outer %02x: %02x", modes[m], in,
			    out, tos);

			/* The receiver's SHOULD, whatever the mode. */
			r = ipm_ecn_decap(decap, true, out, in, &tos);
			cr_expect_eq(r,
			    want == D || marked ? IPM_R_ECN_BAD : IPM_R_OK,
			    "strict %s, inner %02x, outer %02x", modes[m], in,
			    out);
		}
	}
}

/* [ECN-RFC6040-12] Two cells differ from RFC 4301, no other. */
Test(ecn_decap, rfc6040_5_1_differs_from_rfc4301_in_two_cells)
{
	size_t n = 0;

	for (uint8_t i = 0; i < 16; i++) {
		uint8_t in = i & 3, out = i >> 2, a = 9, b = 9;
		enum ipm_reason ra =
		    ipm_ecn_decap(IPM_ECN_CE, false, out, in, &a);
		enum ipm_reason rb =
		    ipm_ecn_decap(IPM_ECN_RFC6040, false, out, in, &b);

		if (ra == rb && a == b)
			continue;
		n++;
		cr_expect((in == 2 && out == 1) || (in == 0 && out == 3));
	}
	cr_expect_eq(n, 2);
}

/* The profiles pick their document's table; FreeBSD does nothing. */
Test(ecn_decap, profiles_follow_their_documents)
{
	static const uint32_t want[IPM_N_PROFILES] = {
		[IPM_PF_OBSERVER] = IPM_ECN_CE,
		[IPM_PF_MANUAL] = IPM_ECN_NONE,
		[IPM_PF_FREEBSD_2017] = IPM_ECN_NONE,
		[IPM_PF_FREEBSD_13] = IPM_ECN_NONE,
		[IPM_PF_RFC2401] = IPM_ECN_RFC3168_DROP,
		[IPM_PF_RFC4301] = IPM_ECN_CE,
		[IPM_PF_LINUX] = IPM_ECN_CE,
	};

	for (int id = 0; id < IPM_N_PROFILES; id++) {
		struct ipm_profile pf;

		ipm_profile_init(&pf, (enum ipm_profile_id)id);
		cr_expect_eq(
		    ipm_sw(&pf, IPM_SW_ECN_DECAP), want[id], "%s", pf.name);
	}
}

/* --- ECN and DF at the entrance ------------------------------------------------- */

/*
 * [ECN6040-4.1-01] [ECN6040-4.1-03] [ECN-RFC3168-04] [ECN-RFC3168-06]
 * [ECN-RFC3168-07] [ECN-RFC3168-16] [ECN-RFC3168-18] [ECN-RFC4301-01]
 * [ECN-RFC6040-01] [ECN-RFC6040-02] [ECN-RFC6040-10] [ECN-RFC6040-13]
 * [ECN-draft02-04]
 */
Test(ecn_encap, outer_field_by_mode)
{
	/* inner field 0, 1, 2, 3 */
	static const uint8_t want[3][4] = {
		[IPM_ECN_ENCAP_COPY] = { 0, 1, 2, 3 },
		[IPM_ECN_ENCAP_CLEAR] = { 0, 0, 0, 0 },
		[IPM_ECN_ENCAP_CE_TO_ECT0] = { 0, 1, 2, 2 },
	};

	for (unsigned how = 0; how < 3; how++)
		for (unsigned tos = 0; tos < 256; tos++)
			cr_expect_eq(ipm_ecn_encap(
					 (enum ipm_ecn_encap)how, (uint8_t)tos),
			    (tos & 0xfc) | want[how][tos & 3], "%u, %02x", how,
			    tos);
}

/* [freebsd ipsec_output.c ipsec_encap] */
Test(df_outer, whole_table)
{
	static const struct {
		enum ipm_df dfbit;
		uint8_t version;
		bool inner, want;
	} row[] = {
		{ IPM_DF_CLEAR, 4, false, false },
		{ IPM_DF_CLEAR, 4, true, false },
		{ IPM_DF_CLEAR, 6, false, false },
		{ IPM_DF_SET, 4, false, true },
		{ IPM_DF_SET, 4, true, true },
		{ IPM_DF_SET, 6, false, true },
		{ IPM_DF_COPY, 4, false, false },
		{ IPM_DF_COPY, 4, true, true },
		{ IPM_DF_COPY, 6, false, true },
	};

	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
		cr_expect_eq(
		    ipm_df_outer(row[i].dfbit, row[i].version, row[i].inner),
		    row[i].want, "row %zu", i);
}

/* --- the exit -------------------------------------------------------------------- */

#define N_DATA 8U

/* An inner packet with N_DATA octets behind its header. */
static size_t
make_inner(uint8_t *p, uint8_t version, uint8_t tos)
{
	struct ipm_ip4_fields f4 = { .tos = tos,
		.ttl = 9,
		.proto = IPM_PROTO_UDP,
		.total = 20 + N_DATA,
		.id = 0x5667,
		.src = { 10, 1, 0, 10 },
		.dst = { 10, 2, 0, 10 } };
	struct ipm_ip6_fields f6 = { .tclass = tos,
		.hlim = 9,
		.nh = IPM_PROTO_UDP,
		.flow = 0x1bd15,
		.plen = N_DATA };
	size_t hlen = version == 4 ? 20 : 40;

	if (version == 4)
		ipm_ip4_build(p, &f4);
	else
		ipm_ip6_build(p, &f6);
	memset(p + hlen, 0x5a, N_DATA);
	return hlen + N_DATA;
}

static enum ipm_reason
leave(const struct ipm_profile *pf, const struct ipm_decap_rules *rules,
    uint8_t outer_tos, uint8_t nh, uint8_t *p, size_t len,
    struct ipm_span *inner, size_t *tfc)
{
	static const struct ipm_decap_rules none;
	struct ipm_ip outer = { .version = 4, .tos = outer_tos };

	return ipm_tunnel_exit(pf, rules == NULL ? &none : rules, &outer, nh, p,
	    len, NULL, inner, tfc);
}

/* Does the IPv4 header checksum hold?  Added up the long way. */
static bool
sum_holds(const uint8_t *p)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < 20; i += 2)
		sum += (unsigned long)p[i] << 8 | p[i + 1];
	while (sum > 0xffff)
		sum = sum % 0x10000 + sum / 0x10000;
	return sum == 0xffff;
}

/*
 * [ECN-RFC3168-21] [ECN-RFC4301-02] [ECN6040-4.2-01] [ESP-3.4.4.1-08] The
 * inner packet leaves with the new field and a right checksum, otherwise
 * octet for octet as it was.
 */
Test(tunnel_exit, ecn_changes_the_inner_header_and_nothing_else)
{
	static const uint8_t versions[] = { 4, 6 };

	for (size_t i = 0; i < N_MODES * N_EXITS * 2; i++) {
		size_t row = i % N_EXITS, m = i / N_EXITS % N_MODES;
		uint8_t version = versions[i / N_EXITS / N_MODES];
		uint8_t in = (uint8_t)(0xa8 | exits[row].inner);
		struct ipm_profile pf = profile("ecn-decap", modes[m]);
		uint8_t was[64], want[64], p[64];
		size_t len = make_inner(was, version, in), tfc = 9;
		struct ipm_span inner;
		enum ipm_reason r;

		memcpy(p, was, len);
		r = leave(&pf, NULL, exits[row].outer, version == 4 ? 4 : 41, p,
		    len, &inner, &tfc);
		if (wanted(row, m) == D) {
			cr_expect_eq(r, IPM_R_ECN_BAD);
			cr_expect_eq(inner.len, 0);
			cr_expect_arr_eq(p, was, len);
			continue;
		}
		cr_expect_eq(r, IPM_R_OK);
		(void)make_inner(
		    want, version, (uint8_t)(0xa8 | wanted(row, m)));
		cr_expect_eq(inner.p, p);
		cr_expect_eq(inner.len, len);
		cr_expect_eq(tfc, 0);
		cr_expect_arr_eq(
		    p, want, len, "%s v%u row %zu", modes[m], version, row);
		if (version == 4)
			cr_expect(sum_holds(p));
	}
}

/* The checksum by difference is the one from scratch, for every change. */
Test(ip_set_tos, rfc1624_3_checksum_by_difference_is_the_right_one)
{
	uint8_t p[64], want[64];

	for (unsigned from = 0; from < 256; from++)
		for (unsigned to = 0; to < 256; to++) {
			size_t len = make_inner(p, 4, (uint8_t)from);

			(void)make_inner(want, 4, (uint8_t)to);
			ipm_ip_set_tos(p, 4, (uint8_t)to);
			cr_assert_arr_eq(p, want, len);
			len = make_inner(p, 6, (uint8_t)from);
			(void)make_inner(want, 6, (uint8_t)to);
			ipm_ip_set_tos(p, 6, (uint8_t)to);
			cr_assert_arr_eq(p, want, len);
		}
}

/* The identifications that bring the sum to its edges. */
Test(ip_set_tos, rfc1624_4_no_checksum_becomes_the_other_zero)
{
	for (unsigned id = 0; id < 65536; id++) {
		struct ipm_ip4_fields f = { .ttl = 64,
			.proto = 17,
			.total = 20,
			.id = (uint16_t)id,
			.tos = 2 };
		uint8_t p[20], want[20];

		ipm_ip4_build(p, &f);
		f.tos = 3;
		ipm_ip4_build(want, &f);
		ipm_ip_set_tos(p, 4, 3);
		cr_assert_arr_eq(p, want, 20, "id %04x", id);
	}
}

/* A wrong checksum, where nobody looks, does not become right. */
Test(ip_set_tos, wrong_checksum_stays_wrong)
{
	struct ipm_profile pf = profile("ip-checksum", "ignore");
	struct ipm_span inner;
	uint8_t p[64];
	size_t len = make_inner(p, 4, 2), tfc;

	p[10] ^= 0x40;
	cr_assert_eq(leave(&pf, NULL, 3, 4, p, len, &inner, &tfc), IPM_R_OK);
	cr_expect_eq(p[1], 3);
	cr_expect_not(sum_holds(p));
}

/* Linux SA flags noecn and decap-dscp. */
Test(tunnel_exit, sa_flags_leave_ecn_alone_or_copy_the_dscp)
{
	static const struct {
		struct ipm_decap_rules rules;
		uint8_t outer, inner, want;
	} row[] = {
		{ { false, false }, 0xb8, 0x28, 0x28 },
		{ { false, true }, 0xb8, 0x28, 0xb8 },
		{ { false, true }, 0xbb, 0x2a, 0xbb },
		{ { false, true }, 0xbb, 0x28, 0xb8 },
		{ { true, false }, 0x03, 0x02, 0x02 },
		{ { true, false }, 0x03, 0x01, 0x01 },
		{ { true, false }, 0x03, 0x00, 0x00 },
		{ { true, true }, 0xbb, 0x2a, 0xba },
	};

	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct ipm_profile pf = profile("ecn-decap", "ce");
		struct ipm_span inner;
		uint8_t p[64];
		size_t len = make_inner(p, 4, row[i].inner), tfc;

		cr_assert_eq(leave(&pf, &row[i].rules, row[i].outer, 4, p, len,
				 &inner, &tfc),
		    IPM_R_OK);
		cr_expect_eq(p[1], row[i].want, "row %zu: %02x", i, p[1]);
		cr_expect(sum_holds(p));
	}
}

/* Refusals of an exit.  at/value: one octet changed; cut: octets left off. */
static const struct {
	const char *what;
	uint8_t version, nh;
	size_t cut;
	int at;
	uint8_t value;
	bool mend; /* make the IPv4 checksum right again */
	enum ipm_reason want;
} refusals[] = {
	{ "sound v4", 4, 4, 0, -1, 0, false, IPM_R_OK },
	{ "sound v6", 6, 41, 0, -1, 0, false, IPM_R_OK },
	/* [ESP-3.1.2-02] the next header names the version */
	{ "v6 named 4", 6, 4, 0, -1, 0, false, IPM_R_INNER_BAD },
	{ "v4 named 41", 4, 41, 0, -1, 0, false, IPM_R_INNER_BAD },
	{ "tcp", 4, 6, 0, -1, 0, false, IPM_R_NEXT_HEADER_BAD },
	{ "none", 4, 59, 0, -1, 0, false, IPM_R_NEXT_HEADER_BAD },
	{ "nothing", 4, 4, 28, -1, 0, false, IPM_R_EMPTY_PAYLOAD },
	{ "version 15", 4, 4, 0, 0, 0xf5, true, IPM_R_INNER_BAD },
	{ "version 15 named 41", 6, 41, 0, 0, 0xf0, false, IPM_R_INNER_BAD },
	{ "header of 16", 4, 4, 0, 0, 0x44, false, IPM_R_INNER_BAD },
	{ "header past the total", 4, 4, 0, 0, 0x4f, false, IPM_R_INNER_BAD },
	{ "total below the header", 4, 4, 0, 3, 19, true, IPM_R_INNER_BAD },
	{ "total past the end", 4, 4, 0, 3, 29, true, IPM_R_INNER_BAD },
	{ "one octet short v4", 4, 4, 1, -1, 0, false, IPM_R_INNER_BAD },
	{ "one octet short v6", 6, 41, 1, -1, 0, false, IPM_R_INNER_BAD },
	{ "length past the end v6", 6, 41, 0, 5, 9, false, IPM_R_INNER_BAD },
	{ "checksum", 4, 4, 0, 10, 0, false, IPM_R_INNER_BAD },
	/* chains and options are the inner input's to judge */
	{ "chain past the end", 6, 41, 0, 6, 0, false, IPM_R_OK },
};

Test(tunnel_exit, rfc4301_5_2_inner_packet_is_one_of_the_named_version)
{
	struct ipm_profile pf = profile(NULL, NULL);

	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		uint8_t p[64], was[64];
		size_t len = make_inner(p, refusals[i].version, 0), tfc = 9;
		struct ipm_span inner;
		enum ipm_reason r;

		if (refusals[i].at >= 0)
			p[refusals[i].at] = refusals[i].value;
		if (refusals[i].mend) {
			ipm_store16(p + 10, 0);
			ipm_store16(p + 10,
			    ipm_sum_fold(ipm_sum_add(0, ipm_span(p, 20))));
		}
		memcpy(was, p, len);
		r = leave(&pf, NULL, 0, refusals[i].nh, p,
		    len - refusals[i].cut, &inner, &tfc);
		cr_expect_eq(r, refusals[i].want, "%s: %s", refusals[i].what,
		    ipm_reasons[r].name);
		cr_expect_eq(inner.len, r == IPM_R_OK ? len : 0);
		cr_expect_arr_eq(p, was, len, "%s", refusals[i].what);
	}
}

/* Every shorter packet is refused. */
Test(tunnel_exit, every_truncation_is_refused)
{
	static const uint8_t nhs[] = { 4, 41 };
	struct ipm_profile pf = profile(NULL, NULL);

	for (size_t v = 0; v < 2; v++) {
		uint8_t p[64];
		size_t len = make_inner(p, v == 0 ? 4 : 6, 0), tfc;
		struct ipm_span inner;

		for (size_t n = 0; n < len; n++)
			cr_expect_eq(
			    leave(&pf, NULL, 0, nhs[v], p, n, &inner, &tfc),
			    n == 0 ? IPM_R_EMPTY_PAYLOAD : IPM_R_INNER_BAD);
		cr_expect_eq(leave(&pf, NULL, 0, nhs[v], p, len, &inner, &tfc),
		    IPM_R_OK);
	}
}

/* Every bit of an IPv4 header is under its checksum. */
Test(tunnel_exit, every_bit_of_an_ipv4_header_counts)
{
	struct ipm_profile pf = profile(NULL, NULL);

	for (size_t bit = 0; bit < 20 * 8; bit++) {
		struct ipm_span inner;
		uint8_t p[64];
		size_t len = make_inner(p, 4, 0), tfc;

		p[bit / 8] ^= (uint8_t)(1U << bit % 8);
		cr_expect_eq(leave(&pf, NULL, 0, 4, p, len, &inner, &tfc),
		    IPM_R_INNER_BAD, "bit %zu", bit);
	}
}

/* [ESP-2.7-03] [ESP-2.7-04] [ESP-2.7-05] [ESP-2.7-06] [ESP-3.4.4.1-10] */
Test(tunnel_exit, rfc4303_2_7_tfc_padding_of_any_value_is_taken_off)
{
	static const uint8_t fills[] = { 0x00, 0xff, 0x45, 0x60 };
	static const size_t lens[] = { 1, 2, 3, 48, 500, 1300 };
	struct ipm_profile pf = profile(NULL, NULL);

	for (size_t i = 0; i < 4 * 6 * 2; i++) {
		size_t n = lens[i / 4 % 6], tfc = 0;
		bool v4 = i / 24 == 0;
		static uint8_t p[2048], was[2048];
		size_t len = make_inner(p, v4 ? 4 : 6, 0);
		struct ipm_trace t = { 0 };
		struct ipm_ip outer = { .version = 4 };
		struct ipm_decap_rules rules = { 0 };
		struct ipm_span inner;

		memset(p + len, fills[i % 4], n);
		memcpy(was, p, len + n);
		cr_assert_eq(ipm_tunnel_exit(&pf, &rules, &outer, v4 ? 4 : 41,
				 p, len + n, &t, &inner, &tfc),
		    IPM_R_OK);
		cr_expect_eq(inner.len, len);
		cr_expect_eq(tfc, n);
		cr_expect_arr_eq(p, was, len + n);
		cr_assert_eq(t.n, 3);
		cr_expect_eq(t.step[0].id, IPM_STEP_DECAP);
		cr_expect_eq(t.step[0].a, v4 ? 4 : 6);
		cr_expect_eq(t.step[1].id, IPM_STEP_ECN);
		cr_expect_eq(t.step[2].id, IPM_STEP_TFC);
		cr_expect_eq(t.step[2].a, n);
		cr_expect_eq(t.step[2].b, len);
	}
}

/* --- the entrance ------------------------------------------------------------------ */

/* Octets typed from RFC 791 3.1 and RFC 8200 3. */
Test(tunnel_enter, writes_the_header_field_by_field)
{
	static const uint8_t want4[20] = { 0x45, 0xb8, 0x00, 0x78, 0xab, 0xcd,
		0x40, 0x00, 64, 50, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2 };
	static const uint8_t want6[40] = { 0x6b, 0x8f, 0xed, 0xcb, 0x00, 0x64,
		41, 63, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		1, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 };
	struct ipm_tunnel_entrance e4 = {
		.src = { .family = 4, .octet = { 192, 0, 2, 1 } },
		.dst = { .family = 4, .octet = { 192, 0, 2, 2 } },
		.proto = 50,
		.tos = 0xb8,
		.ttl = 64,
		.df = true,
		.id = 0xabcd,
	};
	struct ipm_tunnel_entrance e6 = {
		.src = { .family = 6, .octet = { 0x20, 1, 0xd, 0xb8 } },
		.dst = { .family = 6, .octet = { 0x20, 1, 0xd, 0xb8 } },
		.proto = 41,
		.tos = 0xb8,
		.ttl = 63,
		.flow = 0xfedcb,
	};
	uint8_t out[40];
	size_t len = 0;

	e6.src.octet[15] = 1;
	e6.dst.octet[15] = 2;
	cr_assert_eq(ipm_tunnel_enter(&e4, 100, out, &len), IPM_R_OK);
	cr_assert_eq(len, 20);
	cr_expect(sum_holds(out));
	out[10] = out[11] = 0;
	cr_expect_arr_eq(out, want4, 20);
	e4.df = false;
	cr_assert_eq(ipm_tunnel_enter(&e4, 100, out, &len), IPM_R_OK);
	cr_expect_eq(out[6], 0);
	cr_assert_eq(ipm_tunnel_enter(&e6, 100, out, &len), IPM_R_OK);
	cr_assert_eq(len, 40);
	cr_expect_arr_eq(out, want6, 40);

	/* The length field's edge. */
	cr_expect_eq(ipm_tunnel_enter(&e4, 65515, out, &len), IPM_R_OK);
	cr_expect_eq(ipm_load16(out + 2), 65535);
	cr_expect_eq(ipm_tunnel_enter(&e4, 65516, out, &len), IPM_R_TOO_BIG);
	cr_expect_eq(ipm_tunnel_enter(&e6, 65535, out, &len), IPM_R_OK);
	cr_expect_eq(ipm_load16(out + 4), 65535);
	cr_expect_eq(ipm_tunnel_enter(&e6, 65536, out, &len), IPM_R_TOO_BIG);
	cr_expect_eq(ipm_tunnel_enter(&e6, SIZE_MAX, out, &len), IPM_R_TOO_BIG);
	cr_expect_eq(ipm_tunnel_enter(&e4, SIZE_MAX, out, &len), IPM_R_TOO_BIG);
}

/*
 * [ESP-3.1.2-02] [ECN6040-4.1-02] [ECN-RFC6040-03] All four pairs of versions
 * go in and come out again as they were.
 */
Test(tunnel_enter, what_goes_in_comes_out_for_every_pair_of_versions)
{
	struct ipm_profile pf = profile(NULL, NULL);

	for (int i = 0; i < 4; i++) {
		uint8_t in = i & 1 ? 6 : 4, over = i & 2 ? 6 : 4;
		struct ipm_tunnel_entrance e = {
			.ttl = 64, .src.family = over, .dst.family = over
		};
		struct ipm_decap_rules rules = { 0 };
		uint8_t p[128], was[64], head[40];
		size_t len, hlen = 0, tfc;
		struct ipm_span inner;
		struct ipm_ip ip;

		len = make_inner(was, in, 0x2b);
		e.proto = in == 4 ? 4 : 41;
		e.tos = ipm_ecn_encap(IPM_ECN_ENCAP_COPY, 0x2b);
		cr_assert_eq(ipm_tunnel_enter(&e, len, head, &hlen), IPM_R_OK);
		memcpy(p, head, hlen);
		memcpy(p + hlen, was, len);
		cr_assert_eq(
		    ipm_ip_parse(ipm_span(p, hlen + len), true, &ip), IPM_R_OK);
		cr_expect_eq(ip.version, over);
		cr_expect_eq(ip.proto, e.proto);
		cr_expect_eq(ip.tos, 0x2b);
		cr_expect_eq(ip.packet.len, hlen + len);
		cr_assert_eq(ipm_tunnel_exit(&pf, &rules, &ip, ip.proto,
				 p + ip.hlen, len, NULL, &inner, &tfc),
		    IPM_R_OK);
		cr_expect_eq(inner.len, len);
		cr_expect_arr_eq(inner.p, was, len);
	}
}
