/*
 * Reassembly: each reason, the rule of RFC 5722 and those of the profiles,
 * limits and time.  test_reass_twin.c compares with a naive twin.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hx_hex.h"
#include "support/reass_bench.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static enum ipm_reason
offer(struct reass_bench *b, unsigned v, uint32_t id, uint32_t off, bool more,
    const uint8_t *payload, size_t len)
{
	return reass_offer(b,
	    &(struct reass_frag){ .version = v,
		.id = id,
		.off = off,
		.more = more,
		.payload = payload,
		.len = len });
}

static uint8_t octets[65536];

static void
fill_octets(void)
{
	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (uint8_t)(i * 7 + i / 251);
}

/* The packet in out is whole, of one piece and has this payload. */
static void
expect_whole(const struct reass_bench *b, unsigned v, size_t len)
{
	struct ipm_ip ip;

	cr_assert_eq(ipm_ip_parse(b->packet, true, &ip), IPM_R_OK);
	cr_expect_eq(ip.version, v);
	cr_expect(!ip.fragment);
	cr_expect_eq(ip.proto, 17);
	cr_expect_eq(ip.packet.len - ip.hlen, len);
	cr_expect_eq(memcmp(ip.packet.p + ip.hlen, octets, len), 0);
}

TestSuite(reass, .init = fill_octets);

/* [ARCH-5.2-01] In any order of three pieces, both versions. */
Test(reass, rfc791_and_rfc8200_every_order)
{
	static const unsigned order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 },
		{ 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (unsigned v = 4; v <= 6; v += 2)
		for (size_t k = 0; k < 6; k++) {
			struct reass_bench *b = reass_bench_new();

			for (size_t i = 0; i < 3; i++) {
				unsigned n = order[k][i];
				uint32_t off = n * 16;

				cr_expect_eq(offer(b, v, 7, off, n != 2,
						 octets + off, n == 2 ? 5 : 16),
				    i == 2 ? IPM_R_OK : IPM_R_FRAG_PENDING);
			}
			expect_whole(b, v, 37);
			cr_expect_eq(b->told[1], IPM_R_OK);
			cr_expect_eq(b->by[1], 3);
			cr_expect_eq(b->by[2], 3);
			cr_expect_eq(b->times[3], 0);
			cr_expect_eq(b->t.count, 0);
			cr_expect_eq(b->arena.in_use, 0);
			reass_bench_free(b);
		}
}

Test(reass, pieces_of_different_packets_do_not_mix)
{
	struct reass_bench *b = reass_bench_new();

	cr_expect_eq(offer(b, 4, 1, 0, true, octets, 16), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 4, 2, 16, false, octets, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 6, 1, 16, false, octets, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(b->t.count, 3);
	reass_bench_free(b);
}

/* Lengths that cannot be: this fragment alone is dropped. */
Test(reass, rfc8200_4_5_bad_fragments)
{
	struct reass_bench *b = reass_bench_new();

	cr_expect_eq(offer(b, 6, 1, 0, true, octets, 13), IPM_R_FRAG_BAD,
	    "not a multiple of 8");
	cr_expect_eq(offer(b, 4, 1, 8, true, octets, 0), IPM_R_FRAG_BAD,
	    "nothing in it");
	cr_expect_eq(
	    offer(b, 4, 1, 65528, false, octets, 64), IPM_R_FRAG_TOO_BIG);
	cr_expect_eq(
	    offer(b, 6, 1, 65528, false, octets, 64), IPM_R_FRAG_TOO_BIG);
	cr_expect_eq(
	    offer(b, 4, 2, 16, false, octets + 16, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 4, 2, 24, true, octets, 8), IPM_R_FRAG_BAD,
	    "behind the end");
	cr_expect_eq(
	    offer(b, 4, 2, 8, false, octets, 4), IPM_R_FRAG_BAD, "another end");
	cr_expect_eq(offer(b, 4, 2, 0, true, octets, 16), IPM_R_OK,
	    "the packet has not suffered");
	expect_whole(b, 4, 24);
	reass_bench_free(b);
}

Test(reass, rfc8200_4_5_exact_copies_are_harmless)
{
	for (unsigned v = 4; v <= 6; v += 2) {
		struct reass_bench *b = reass_bench_new();

		cr_expect_eq(
		    offer(b, v, 1, 0, true, octets, 16), IPM_R_FRAG_PENDING);
		cr_expect_eq(
		    offer(b, v, 1, 0, true, octets, 16), IPM_R_FRAG_DUPLICATE);
		cr_expect_eq(
		    offer(b, v, 1, 16, false, octets + 16, 3), IPM_R_OK);
		expect_whole(b, v, 19);
		cr_expect_eq(b->times[2], 0);
		reass_bench_free(b);
	}
}

/* RFC 5722 4: the packet and what still comes of it are given up. */
Test(reass, rfc5722_4_ipv6_overlap_ends_the_packet)
{
	struct reass_bench *b = reass_bench_new();

	cr_expect_eq(offer(b, 6, 1, 0, true, octets, 16), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 6, 1, 8, true, octets, 16), IPM_R_FRAG_OVERLAP);
	cr_expect_eq(b->told[1], IPM_R_FRAG_OVERLAP);
	cr_expect_eq(offer(b, 6, 1, 24, false, octets, 8), IPM_R_FRAG_OVERLAP,
	    "a later one too");
	reass_wait(b, 60);
	cr_expect_eq(b->t.count, 0);
	cr_expect_eq(offer(b, 6, 1, 0, true, octets, 16), IPM_R_FRAG_PENDING,
	    "the identification is free again");
	for (unsigned i = 1; i <= 3; i++)
		cr_expect(b->times[i] <= 1);
	reass_bench_free(b);
}

/* The same three pieces under each rule of IPv4; the octets tell who won. */
Test(reass, overlap4_first_last_drop_bsd)
{
	static const struct {
		const char *rule;
		/* Owner of each 8-octet unit: A 0-23, then B 8-31, C 32-39. */
		const char *owners;
	} rows[] = {
		{ "first", "AAABC" },
		{ "last", "ABBBC" },
		{ "bsd", "AAABC" },
		{ "drop", NULL },
	};
	static const struct {
		const char *rule, *owners;
	} behind[] = {
		/* Now the one that starts later comes first. */
		{ "first", "ABBBC" },
		{ "last", "AAABC" },
		{ "bsd", "AAABC" },
	};
	uint8_t a[24], bb[24], c[8];

	memset(a, 'A', sizeof a);
	memset(bb, 'B', sizeof bb);
	memset(c, 'C', sizeof c);
	for (size_t i = 0; i < 4; i++) {
		struct reass_bench *b = reass_bench_new();

		cr_assert(
		    ipm_profile_set(&b->pf, "frag-overlap4", rows[i].rule));
		cr_expect_eq(
		    offer(b, 4, 1, 0, true, a, 24), IPM_R_FRAG_PENDING);
		cr_expect_eq(offer(b, 4, 1, 8, true, bb, 24),
		    rows[i].owners == NULL ? IPM_R_FRAG_OVERLAP
					   : IPM_R_FRAG_PENDING);
		cr_expect_eq(offer(b, 4, 1, 32, false, c, 8),
		    rows[i].owners == NULL ? IPM_R_FRAG_OVERLAP : IPM_R_OK);
		for (size_t k = 0; rows[i].owners != NULL && k < 5; k++)
			cr_expect_eq(b->packet.p[20 + 8 * k], rows[i].owners[k],
			    "%s %zu", rows[i].rule, k);
		reass_bench_free(b);
	}
	for (size_t i = 0; i < 3; i++) {
		struct reass_bench *b = reass_bench_new();

		cr_assert(
		    ipm_profile_set(&b->pf, "frag-overlap4", behind[i].rule));
		(void)offer(b, 4, 1, 8, true, bb, 24);
		(void)offer(b, 4, 1, 0, true, a, 24);
		cr_expect_eq(offer(b, 4, 1, 32, false, c, 8), IPM_R_OK);
		for (size_t k = 0; k < 5; k++)
			cr_expect_eq(b->packet.p[20 + 8 * k],
			    behind[i].owners[k], "%s %zu", behind[i].rule, k);
		reass_bench_free(b);
	}
}

/* RFC 8200 4.5: what is answered about; with the flags it came with, not those
 * of another fragment. */
Test(reass, the_first_fragment_of_what_is_lost)
{
	struct reass_bench *b = reass_bench_new();
	struct reass_frag f = {
		.version = 6, .id = 0xabcdef01, .more = true, .payload = octets
	};
	uint8_t p[70000];
	size_t n;

	f.len = 1400;
	f.off = 1400;
	b->flags = 5;
	cr_assert_eq(reass_offer(b, &f), IPM_R_FRAG_PENDING);
	reass_wait(b, 60);
	cr_expect_eq(b->lost.version, 6);
	cr_expect_eq(b->lost.len, 0);
	cr_expect_eq(b->lost.flags, 0);

	cr_assert_eq(reass_offer(b, &f), IPM_R_FRAG_PENDING);
	f.off = 0;
	b->flags = 9;
	for (f.len = 8; f.len <= 1400; f.len += 1392) {
		n = reass_frag_build(&f, p);
		cr_assert_eq(reass_offer(b, &f), IPM_R_FRAG_PENDING);
		reass_wait(b, 60);
		cr_assert_eq(b->lost.len, n < 1232 ? n : 1232);
		cr_expect_arr_eq(b->lost.first, p, b->lost.len);
		cr_expect_eq(b->lost.flags, 9);
	}

	f.version = 4;
	cr_assert_eq(reass_offer(b, &f), IPM_R_FRAG_PENDING);
	reass_wait(b, 60);
	cr_expect_eq(b->lost.version, 4);
	cr_expect_eq(b->lost.len, 0);
	reass_bench_free(b);
}

Test(reass, rfc1122_3_3_2_time_limit)
{
	struct reass_bench *b = reass_bench_new();

	(void)offer(b, 4, 1, 0, true, octets, 8);
	(void)offer(b, 6, 1, 0, true, octets, 8);
	reass_wait(b, 29);
	cr_expect_eq(b->t.count, 2);
	reass_wait(b, 1);
	cr_expect_eq(b->told[1], IPM_R_FRAG_TIMEOUT);
	cr_expect_eq(b->t.count, 1);
	reass_wait(b, 30);
	cr_expect_eq(b->told[2], IPM_R_FRAG_TIMEOUT);
	cr_expect_eq(b->arena.in_use, 0);
	reass_bench_free(b);
}

Test(reass, table_limits)
{
	struct reass_bench *b = reass_bench_new();

	cr_assert(ipm_profile_set(&b->pf, "frag-packets", "2"));
	cr_assert(ipm_profile_set(&b->pf, "frag-pieces", "3"));
	(void)offer(b, 4, 1, 0, true, octets, 8);
	(void)offer(b, 4, 2, 0, true, octets, 8);
	cr_expect_eq(offer(b, 4, 3, 0, true, octets, 8), IPM_R_FRAG_FULL);
	cr_expect_eq(offer(b, 4, 1, 16, true, octets, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 4, 1, 32, true, octets, 8), IPM_R_FRAG_PENDING);
	cr_expect_eq(offer(b, 4, 1, 48, true, octets, 8), IPM_R_FRAG_FULL,
	    "a piece too many ends the packet");
	cr_expect_eq(b->told[1], IPM_R_FRAG_FULL);
	cr_expect_eq(b->told[4], IPM_R_FRAG_FULL);
	cr_expect_eq(b->t.count, 1);
	reass_bench_free(b);
}

static void *
no_memory(void *ctx, void *old, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0)
		free(old);
	return NULL;
}

Test(reass, no_memory_is_a_reason)
{
	struct reass_bench *b = reass_bench_new();

	b->alloc = (struct ipm_alloc){ NULL, no_memory };
	cr_expect_eq(offer(b, 4, 1, 0, true, octets, 8), IPM_R_NO_MEMORY);
	cr_expect_eq(b->t.count, 0);
	reass_bench_free(b);
}

/* --- what the whole packet looks like -------------------------------------- */

/*
 * scapy: fragment(IP(src='192.0.2.1', dst='198.51.100.7', id=0x1234, tos=2,
 * ttl=9, options=[IPOption_Router_Alert()]) / UDP(sport=1, dport=2) /
 * bytes(range(40)), 24) and fragment6(IPv6(src='2001:db8::1',
 * dst='2001:db8:0:1::2', tc=2) / IPv6ExtHdrHopByHop(options=[RouterAlert()]) /
 * IPv6ExtHdrRouting(addresses=['2001:db8::9'], segleft=0) /
 * IPv6ExtHdrFragment(id=0xcafe) / UDP(sport=1, dport=2) / bytes(range(60)),
 * 140); whole is the packet without fragment header.
 */
static const struct {
	const char *whole, *first, *last;
} from_scapy[] = {
	{ "460200481234000009111e2fc0000201c6336407940400000001000200"
	  "3095bd000102030405060708090a0b0c0d0e0f10111213141516171819"
	  "1a1b1c1d1e1f2021222324252627",
	    "46020030123420000911fe46c0000201c6336407940400000001000200"
	    "3095bd000102030405060708090a0b0c0d0e0f",
	    "460200301234000309111e44c0000201c6336407940400001011121314"
	    "15161718191a1b1c1d1e1f2021222324252627" },
	{ "602000000064004020010db800000000000000000000000120010db800"
	  "00000100000000000000022b0005020000010011020000000000002001"
	  "0db80000000000000000000000090001000200443a6600010203040506"
	  "0708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
	  "2425262728292a2b2c2d2e2f303132333435363738393a3b",
	    "602000000060004020010db800000000000000000000000120010db800"
	    "00000100000000000000022b000502000001002c020000000000002001"
	    "0db8000000000000000000000009110000010000cafe00010002"
	    "00443a66000102030405060708090a0b0c0d0e0f101112131415161718"
	    "191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f",
	    "602000000034004020010db800000000000000000000000120010db800"
	    "00000100000000000000022b000502000001002c020000000000002001"
	    "0db8000000000000000000000009110000380000cafe30313233343536"
	    "3738393a3b" },
};

static struct hx_octets
octets_of(const char *hex)
{
	struct hx_octets o;

	cr_assert(hx_hex_read(hex, &o), "%s", hex);
	return o;
}

/* Options, extension headers, lengths, next header, checksum: all as before. */
Test(reass, rfc791_3_2_rfc8200_4_5_the_packet_is_the_one_that_was_cut)
{
	for (size_t i = 0; i < N(from_scapy); i++)
		for (unsigned order = 0; order < 2; order++) {
			struct reass_bench *b = reass_bench_new();
			struct hx_octets w = octets_of(from_scapy[i].whole);
			struct hx_octets f[2] = { octets_of(
						      from_scapy[i].first),
				octets_of(from_scapy[i].last) };

			cr_expect_eq(reass_offer_packet(b, hx_span(&f[order])),
			    IPM_R_FRAG_PENDING);
			cr_expect_eq(
			    reass_offer_packet(b, hx_span(&f[1 - order])),
			    IPM_R_OK);
			cr_expect_eq(b->pieces, 2);
			cr_assert_eq(b->packet.len, w.len);
			cr_expect_eq(memcmp(b->packet.p, w.p, w.len), 0);
			hx_octets_free(&w);
			hx_octets_free(&f[0]);
			hx_octets_free(&f[1]);
			reass_bench_free(b);
		}
}

/* RFC 7112 5 lets a receiver drop it; the chain is read when all is there. */
Test(reass, rfc7112_5_a_chain_cut_by_the_first_fragment_is_taken)
{
	struct reass_bench *b = reass_bench_new();
	uint8_t chain[24] = { IPM_PROTO_UDP, 1, 1, 12 };
	struct ipm_ip ip;

	for (unsigned i = 0; i < 2; i++)
		cr_expect_eq(reass_offer(b,
				 &(struct reass_frag){ .version = 6,
				     .proto = IPM_PROTO_DSTOPTS,
				     .off = i * 8,
				     .more = i == 0,
				     .payload = chain + i * 8,
				     .len = i == 0 ? 8 : 16 }),
		    i == 0 ? IPM_R_FRAG_PENDING : IPM_R_OK);
	cr_expect_eq(ipm_ip_parse(b->packet, true, &ip), IPM_R_OK);
	cr_expect_eq(ip.hlen, 56);
	cr_expect_eq(ip.proto, IPM_PROTO_UDP);
	reass_bench_free(b);
}

/* RFC 791 3.2: source, destination, protocol, identification; RFC 8200 4.5
 * leaves out the protocol, and the first fragment's counts. */
Test(reass, what_tells_packets_apart)
{
	static const struct {
		unsigned version;
		uint32_t id;
		uint8_t proto, src;
		enum ipm_reason want;
	} rows[] = {
		{ 4, 7, 17, 0, IPM_R_OK },
		{ 4, 8, 17, 0, IPM_R_FRAG_PENDING },
		{ 4, 7, 50, 0, IPM_R_FRAG_PENDING },
		{ 4, 7, 17, 1, IPM_R_FRAG_PENDING },
		{ 6, 7, 17, 0, IPM_R_OK },
		{ 6, 0x10007, 17, 0, IPM_R_FRAG_PENDING },
		{ 6, 7, 50, 0, IPM_R_OK },
		{ 6, 7, 17, 1, IPM_R_FRAG_PENDING },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct reass_bench *b = reass_bench_new();

		(void)offer(b, rows[i].version, 7, 0, true, octets, 8);
		cr_expect_eq(
		    reass_offer(b,
			&(struct reass_frag){ .version = rows[i].version,
			    .id = rows[i].id,
			    .proto = rows[i].proto,
			    .src = rows[i].src,
			    .off = 8,
			    .payload = octets + 8,
			    .len = 3 }),
		    rows[i].want, "row %zu", i);
		if (rows[i].want == IPM_R_OK)
			expect_whole(b, rows[i].version, 11);
		reass_bench_free(b);
	}
}

/* --- contradictions -------------------------------------------------------- */

struct step {
	uint32_t off;
	bool more;
	size_t len;
	enum ipm_reason want;
};

/* Two fragments that cannot both belong to one packet, in either version. */
Test(reass, ends_that_contradict)
{
	static const struct {
		const char *why;
		struct step a, b;
		enum ipm_reason want6;
	} rows[] = {
		{ "a piece behind the end", { 16, false, 8, 0 },
		    { 24, true, 8, IPM_R_FRAG_BAD }, IPM_R_FRAG_BAD },
		{ "another end behind it", { 16, false, 8, 0 },
		    { 24, false, 8, IPM_R_FRAG_BAD }, IPM_R_FRAG_BAD },
		{ "an end in front", { 16, false, 8, 0 },
		    { 8, false, 3, IPM_R_FRAG_BAD }, IPM_R_FRAG_BAD },
		{ "an end in front of a piece", { 16, true, 8, 0 },
		    { 8, false, 3, IPM_R_FRAG_BAD }, IPM_R_FRAG_BAD },
		/* These overlap: RFC 5722 4 goes first. */
		{ "more to come where it ended", { 16, false, 8, 0 },
		    { 16, true, 8, IPM_R_FRAG_BAD }, IPM_R_FRAG_OVERLAP },
		{ "an end where more was to come", { 16, true, 8, 0 },
		    { 16, false, 8, IPM_R_FRAG_BAD }, IPM_R_FRAG_OVERLAP },
		{ "an end inside a piece", { 16, true, 8, 0 },
		    { 16, false, 4, IPM_R_FRAG_BAD }, IPM_R_FRAG_OVERLAP },
		{ "past the end", { 16, false, 8, 0 },
		    { 16, true, 16, IPM_R_FRAG_BAD }, IPM_R_FRAG_OVERLAP },
	};

	for (size_t i = 0; i < N(rows); i++)
		for (unsigned v = 4; v <= 6; v += 2) {
			struct reass_bench *b = reass_bench_new();
			const struct step *x = &rows[i].a, *y = &rows[i].b;
			enum ipm_reason want = v == 4 ? y->want : rows[i].want6;

			cr_expect_eq(offer(b, v, 1, x->off, x->more,
					 octets + x->off, x->len),
			    IPM_R_FRAG_PENDING);
			cr_expect_eq(offer(b, v, 1, y->off, y->more,
					 octets + y->off, y->len),
			    want, "IPv%u: %s", v, rows[i].why);
			cr_expect_eq(b->times[1],
			    want == IPM_R_FRAG_OVERLAP ? 1 : 0, "IPv%u: %s", v,
			    rows[i].why);
			reass_bench_free(b);
		}
}

/* The first fragment's longer header makes the packet too long in the end. */
Test(reass, rfc791_3_2_too_big_by_its_header)
{
	struct reass_bench *b = reass_bench_new();
	struct reass_frag first = {
		.more = true, .payload = octets, .len = 32768, .options = 40
	};

	cr_expect_eq(offer(b, 4, 0, 32768, false, octets, 65535 - 20 - 32768),
	    IPM_R_FRAG_PENDING, "65535 octets with a header of 20");
	cr_expect_eq(reass_offer(b, &first), IPM_R_FRAG_TOO_BIG);
	cr_expect_eq(b->told[1], IPM_R_FRAG_TOO_BIG);
	cr_expect_eq(b->times[2], 0);
	cr_expect_eq(b->arena.in_use, 0);
	reass_bench_free(b);
}

/* The largest packets there are, of each version. */
Test(reass, the_largest_packet)
{
	for (unsigned v = 4; v <= 6; v += 2) {
		struct reass_bench *b = reass_bench_new();
		size_t total = v == 4 ? 65535 - 20 : 65535;

		(void)offer(b, v, 1, 0, true, octets, 32768);
		cr_expect_eq(
		    offer(b, v, 1, 32768, false, octets + 32768, total - 32768),
		    IPM_R_OK);
		expect_whole(b, v, total);
		(void)offer(b, v, 1, 0, true, octets, 32768);
		cr_expect_eq(offer(b, v, 1, 32768, false, octets + 32768,
				 total - 32768 + 1),
		    IPM_R_FRAG_TOO_BIG);
		reass_bench_free(b);
	}
}

Test(reass, too_small_a_buffer_ends_the_packet)
{
	struct reass_bench *b = reass_bench_new();

	b->cap = 20 + 15;
	(void)offer(b, 4, 1, 0, true, octets, 8);
	cr_expect_eq(offer(b, 4, 1, 8, false, octets, 8), IPM_R_NO_MEMORY);
	cr_expect_eq(b->told[1], IPM_R_NO_MEMORY);
	cr_expect_eq(b->t.count, 0);
	(void)offer(b, 4, 1, 0, true, octets, 8);
	cr_expect_eq(offer(b, 4, 1, 8, false, octets, 7), IPM_R_OK);
	reass_bench_free(b);
}

/* --- congestion marks ------------------------------------------------------ */

/*
 * RFC 3168 5.3: CE on any fragment goes to the packet; CE and Not-ECT do not
 * meet.  FreeBSD ip_reass and frag6_input drop the fragment that mixes them.
 */
Test(reass, rfc3168_5_3_congestion_marks)
{
	static const struct {
		uint8_t tos[3];
		unsigned refused; /* which; 3 none */
		uint8_t want;
	} rows[] = {
		{ { 0xb8, 0xb8, 0xb8 }, 3, 0xb8 },
		{ { 0xba, 0xba, 0xba }, 3, 0xba },
		{ { 0xba, 0xbb, 0xba }, 3, 0xbb },
		{ { 0xb9, 0xb9, 0xbb }, 3, 0xbb },
		{ { 0xbb, 0xba, 0xba }, 3, 0xbb },
		{ { 0xbb, 0xbb, 0xbb }, 3, 0xbb },
		{ { 0xba, 0xb9, 0xba }, 3, 0xba },
		{ { 0xba, 0xb8, 0xba }, 3, 0xba },
		{ { 0xb8, 0xbb, 0xb8 }, 1, 0 },
		{ { 0xbb, 0xba, 0xb8 }, 2, 0 },
		{ { 0xba, 0xb8, 0xbb }, 2, 0 },
	};

	for (size_t i = 0; i < N(rows); i++)
		for (unsigned v = 4; v <= 6; v += 2) {
			struct reass_bench *b = reass_bench_new();
			enum ipm_reason r = IPM_R_OK;
			struct ipm_ip ip;

			for (unsigned k = 0; k < 3; k++) {
				struct reass_frag f = { .version = v,
					.off = 8 * k,
					.more = k != 2,
					.payload = octets + 8 * k,
					.len = 8,
					.tos = rows[i].tos[k] };

				r = reass_offer(b, &f);
				cr_expect_eq(r,
				    k == rows[i].refused ? IPM_R_FRAG_BAD
					: k < 2 || rows[i].refused < 3
					? IPM_R_FRAG_PENDING
					: IPM_R_OK,
				    "IPv%u row %zu fragment %u", v, i, k);
			}
			if (r == IPM_R_OK) {
				expect_whole(b, v, 24);
				(void)ipm_ip_parse(b->packet, true, &ip);
				cr_expect_eq(ip.tos, rows[i].want,
				    "IPv%u row %zu", v, i);
			}
			reass_bench_free(b);
		}
}

/* A marked copy of a fragment that is there loses no mark either. */
Test(reass, rfc3168_5_3_mark_on_a_duplicate)
{
	struct reass_bench *b = reass_bench_new();
	struct reass_frag f = {
		.more = true, .payload = octets, .len = 8, .tos = 2
	};

	cr_expect_eq(reass_offer(b, &f), IPM_R_FRAG_PENDING);
	f.tos = 3;
	cr_expect_eq(reass_offer(b, &f), IPM_R_FRAG_DUPLICATE);
	f = (struct reass_frag){
		.off = 8, .payload = octets + 8, .len = 8, .tos = 2
	};
	cr_expect_eq(reass_offer(b, &f), IPM_R_OK);
	cr_expect_eq(b->packet.p[1], 3);
	expect_whole(b, 4, 16);
	reass_bench_free(b);
}

/* --- overlaps of IPv4 ------------------------------------------------------ */

/* A fragment of which every octet is there already adds nothing. */
Test(reass, overlap4_covered_fragment)
{
	static const struct {
		const char *rule;
		enum ipm_reason want;
	} rows[] = {
		{ "first", IPM_R_FRAG_DUPLICATE },
		{ "bsd", IPM_R_FRAG_DUPLICATE },
		{ "last", IPM_R_FRAG_PENDING },
		{ "drop", IPM_R_FRAG_OVERLAP },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct reass_bench *b = reass_bench_new();

		cr_assert(
		    ipm_profile_set(&b->pf, "frag-overlap4", rows[i].rule));
		(void)offer(b, 4, 1, 0, true, octets, 16);
		(void)offer(b, 4, 1, 16, true, octets + 16, 16);
		cr_expect_eq(offer(b, 4, 1, 8, true, octets + 99, 16),
		    rows[i].want, "%s", rows[i].rule);
		reass_bench_free(b);
	}
}

/* [freebsd ip_reass.c ip_reass] A longer one that starts earlier pushes out
 * the pieces behind its start. */
Test(reass, overlap4_bsd_pushes_pieces_out)
{
	struct reass_bench *b = reass_bench_new();
	uint8_t late[24];

	memset(late, 'L', sizeof late);
	cr_assert(ipm_profile_set(&b->pf, "frag-overlap4", "bsd"));
	(void)offer(b, 4, 1, 8, true, late, 8);
	(void)offer(b, 4, 1, 16, true, late, 16);
	cr_expect_eq(offer(b, 4, 1, 0, true, octets, 24), IPM_R_FRAG_PENDING);
	cr_expect_eq(b->told[1], IPM_R_FRAG_DUPLICATE);
	cr_expect_eq(b->by[1], 3);
	cr_expect_eq(b->times[2], 0);
	cr_expect_eq(offer(b, 4, 1, 32, false, octets + 32, 8), IPM_R_OK);
	cr_expect_eq(memcmp(b->packet.p + 20, octets, 24), 0);
	cr_expect_eq(memcmp(b->packet.p + 44, late, 8), 0);
	cr_expect_eq(b->pieces, 3);
	cr_expect_eq(b->told[2], IPM_R_OK);
	cr_expect_eq(b->told[3], IPM_R_OK);
	cr_expect_eq(b->times[1], 1);
	cr_expect_eq(b->arena.in_use, 0);
	reass_bench_free(b);
}

/* --- the table as a value -------------------------------------------------- */

static uint64_t
digest_of(const struct reass_bench *b)
{
	struct ipm_digest d = IPM_DIGEST_INIT;

	ipm_reass_digest(&b->t, &b->arena, &d);
	return d.h;
}

/* A copy goes its own way and ends the same. */
Test(reass, a_copy_is_a_snapshot)
{
	struct reass_bench *b = reass_bench_new(), *c = reass_bench_new();

	(void)offer(b, 4, 1, 0, true, octets, 16);
	(void)offer(b, 6, 1, 16, false, octets + 16, 3);
	cr_assert_eq(ipm_arena_clone(&c->arena, &b->arena, &c->alloc), IPM_OK);
	c->t = b->t;
	c->frame = b->frame;
	cr_expect_eq(digest_of(b), digest_of(c));
	cr_expect_eq(offer(b, 4, 1, 16, false, octets + 16, 8), IPM_R_OK);
	expect_whole(b, 4, 24);
	cr_expect_neq(digest_of(b), digest_of(c));
	cr_expect_eq(c->t.count, 2);
	cr_expect_eq(offer(c, 4, 1, 16, false, octets + 16, 8), IPM_R_OK);
	expect_whole(c, 4, 24);
	cr_expect_eq(digest_of(b), digest_of(c));
	reass_bench_free(b);
	reass_bench_free(c);
}

/* Whatever can change a later packet changes the digest. */
Test(reass, digest_tells_states_apart)
{
	static const uint8_t other[24] = { [23] = 1 }, zero[24];
	/* Pairs of fragments; the rule is bsd, so that the second is cut. */
	const struct reass_frag base[2] = {
		{ .more = true,
		    .off = 8,
		    .payload = octets,
		    .len = 8,
		    .tos = 2 },
		{ .more = true,
		    .off = 8,
		    .payload = zero,
		    .len = 24,
		    .tos = 2 },
	};
	uint64_t seen[16];
	size_t n = 0;

	for (unsigned k = 0; k < 9; k++) {
		struct reass_bench *b = reass_bench_new();
		struct reass_frag f[2] = { base[0], base[1] };

		cr_assert(ipm_profile_set(&b->pf, "frag-overlap4", "bsd"));
		switch (k) {
		case 1: /* the last of the octets that count */
			f[1].payload = other;
			break;
		case 2:
			f[1].more = false;
			break;
		case 3:
			f[1].tos = 3;
			break;
		case 4:
			f[0].id = f[1].id = 1;
			break;
		case 5:
			f[1].len = 16;
			break;
		case 6:
			b->now++;
			break;
		case 7:
			b->frame++;
			break;
		case 8:
			f[0].options = 4;
			break;
		default:
			break;
		}
		for (unsigned i = 0; i < 2; i++)
			cr_expect_eq(reass_offer(b, &f[i]), IPM_R_FRAG_PENDING);
		seen[n] = digest_of(b);
		for (size_t i = 0; i < n; i++)
			cr_expect_neq(seen[i], seen[n], "%zu and %u", i, k);
		n++;
		reass_bench_free(b);
	}
}
