/*
 * Which policy a packet is under, and whether it may come in.  Expected values:
 * facts of FreeBSD's ipsec.c as quoted, RFC 4301 4.4.1, ipsec(4); the packets
 * of selectors and history follow the recordings policy-selection and inbound.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/path_box.h"

/* --- selectors ------------------------------------------------------------- */

/* One packet and what its selector is with and without ports. */
struct sel_row {
	const char *what, *hex;
	unsigned proto, sport, dport; /* ports wanted */
	unsigned proto2, sport2, dport2;
};

#define V4(frag, proto)               \
	"45000000"                    \
	"1234" frag "40" proto "0000" \
	"0a010005"                    \
	"0a020007"
#define V6(nh)                             \
	"60000000"                         \
	"0000" nh "40"                     \
	"20010db8000100000000000000000005" \
	"20010db8000200000000000000000007"
#define UDP "045708ae00080000"

static const struct sel_row sel_rows[] = {
	{ "udp", V4("0000", "11") UDP, 17, 1111, 2222, 17, 0, 0 },
	{ "udp cut", V4("0000", "11") "045708ae000800", 255, 0, 0, 17, 0, 0 },
	{ "tcp",
	    V4("0000", "06") "04570050"
			     "00000000"
			     "00000000"
			     "50020000"
			     "00000000",
	    6, 1111, 80, 6, 0, 0 },
	{ "tcp cut",
	    V4("0000", "06") "04570050"
			     "00000000"
			     "00000000"
			     "50020000"
			     "000000",
	    255, 0, 0, 6, 0, 0 },
	{ "first fragment", V4("2000", "11") UDP, 255, 0, 0, 255, 0, 0 },
	{ "last fragment", V4("0001", "11") UDP, 255, 0, 0, 255, 0, 0 },
	{ "df is no fragment", V4("4000", "11") UDP, 17, 1111, 2222, 17, 0, 0 },
	{ "no payload", V4("0000", "11"), 255, 0, 0, 255, 0, 0 },
	{ "icmp", V4("0000", "01") "0800000000000000", 1, 0, 0, 1, 0, 0 },
	{ "esp", V4("0000", "32") "0000100000000001", 50, 0, 0, 50, 0, 0 },
	{ "sctp", V4("0000", "84") UDP, 132, 0, 0, 132, 0, 0 },
	{ "ah udp",
	    V4("0000", "33") "11010000"
			     "00001000"
			     "00000001" UDP,
	    17, 1111, 2222, 17, 0, 0 },
	{ "ah ah udp",
	    V4("0000", "33") "33010000"
			     "00001000"
			     "00000001"
			     "11010000"
			     "00001000"
			     "00000001" UDP,
	    17, 1111, 2222, 17, 0, 0 },
	{ "ah past the end",
	    V4("0000", "33") "11090000"
			     "00001000",
	    255, 0, 0, 255, 0, 0 },
	{ "ah cut", V4("0000", "33") "11", 255, 0, 0, 255, 0, 0 },
	{ "udp6", V6("11") UDP, 17, 1111, 2222, 17, 0, 0 },
	{ "udp6 cut", V6("11") "045708ae000800", 17, 0, 0, 17, 0, 0 },
	{ "no payload 6", V6("11"), 17, 0, 0, 17, 0, 0 },
	{ "icmp6", V6("3a") "8007000000000000", 58, 128, 7, 58, 128, 7 },
	{ "icmp6 cut", V6("3a") "80070000000000", 58, 0, 0, 58, 0, 0 },
	{ "hopopts, dstopts, udp",
	    V6("00") "3c00010400000000"
		     "1100010400000000" UDP,
	    17, 1111, 2222, 17, 0, 0 },
	{ "routing header", V6("2b") "1100040000000000" UDP, 17, 1111, 2222, 17,
	    0, 0 },
	{ "first fragment 6", V6("2c") "1100000100000001" UDP, 17, 1111, 2222,
	    17, 0, 0 },
	{ "later fragment 6", V6("2c") "1100000900000001" UDP, 44, 0, 0, 44, 0,
	    0 },
	{ "fragment header cut", V6("2c") "11000009000000", 44, 0, 0, 44, 0,
	    0 },
	{ "ah 6",
	    V6("33") "11010000"
		     "00001000"
		     "00000001" UDP,
	    17, 1111, 2222, 17, 0, 0 },
	{ "options past the end", V6("3c") "1102010400000000" UDP, 255, 0, 0,
	    255, 0, 0 },
	{ "options cut", V6("3c") "11", 60, 0, 0, 60, 0, 0 },
	{ "none", V6("3b"), 59, 0, 0, 59, 0, 0 },
	{ "esp 6", V6("32") "0000100000000001", 50, 0, 0, 50, 0, 0 },
};

/* Facts datapath 3.2; ipsec.c get_ulp, ip6_input.c ip6_lasthdr.
 * [ARCH-4.4.1.1-04] [ARCH-4.4.1.1-06] [ARCH-4.4.1.1-09] */
Test(policy_choice, selector_of_a_packet)
{
	uint8_t buf[256];
	struct ipm_selector sel;

	for (size_t i = 0; i < sizeof sel_rows / sizeof sel_rows[0]; i++) {
		const struct sel_row *r = &sel_rows[i];
		size_t n = path_hex(buf, sizeof buf, r->hex);
		bool six = buf[0] == 0x60;
		struct ipm_addr src =
		    path_addr(six ? "2001:db8:1::5" : "10.1.0.5");
		struct ipm_addr dst =
		    path_addr(six ? "2001:db8:2::7" : "10.2.0.7");

		ipm_selector_of(ipm_span(buf, n), true, &sel);
		cr_expect_eq(sel.proto, r->proto, "%s: %u", r->what, sel.proto);
		cr_expect_eq(sel.src.port, r->sport, "%s", r->what);
		cr_expect_eq(sel.dst.port, r->dport, "%s", r->what);
		cr_expect(ipm_addr_equal(&sel.src.addr, &src), "%s", r->what);
		cr_expect(ipm_addr_equal(&sel.dst.addr, &dst), "%s", r->what);
		cr_expect_eq(sel.src_prefix, six ? 128 : 32, "%s", r->what);
		cr_expect_eq(sel.dst_prefix, six ? 128 : 32, "%s", r->what);
		ipm_selector_of(ipm_span(buf, n), false, &sel);
		cr_expect_eq(sel.proto, r->proto2, "%s", r->what);
		cr_expect_eq(sel.src.port, r->sport2, "%s", r->what);
		cr_expect_eq(sel.dst.port, r->dport2, "%s", r->what);
	}
}

/* Every cut of every packet, in memory of just that length. */
Test(policy_choice, selector_of_every_truncation)
{
	uint8_t buf[256];
	struct ipm_selector sel;

	for (size_t i = 0; i < sizeof sel_rows / sizeof sel_rows[0]; i++) {
		size_t n = path_hex(buf, sizeof buf, sel_rows[i].hex);
		size_t least = buf[0] == 0x60 ? 40 : 20;

		for (size_t len = 0; len < n; len++) {
			uint8_t *p = malloc(len + 1);

			memcpy(p, buf, len);
			ipm_selector_of(ipm_span(p, len), true, &sel);
			cr_expect_eq(sel.src.addr.family != 0, len >= least);
			free(p);
		}
	}
}

/* Facts datapath 3.10: the zone of the stack's form moves to the scope. */
Test(policy_choice, zone_of_link_local_addresses)
{
	uint8_t p[40] = { 0x60, [6] = 59 };
	struct ipm_selector sel;

	p[8] = 0xfe;
	p[9] = 0x80;
	p[11] = 3;
	p[23] = 1;
	p[24] = 0xff;
	p[25] = 0x02;
	p[27] = 3;
	p[39] = 1;
	ipm_selector_of(ipm_span(p, sizeof p), false, &sel);
	cr_expect_eq(sel.src.addr.scope, 3);
	cr_expect_eq(sel.src.addr.octet[3], 0);
	cr_expect_eq(sel.dst.addr.scope, 3);
	cr_expect_eq(sel.dst.addr.octet[3], 0);
	p[25] = 0x05; /* site-local multicast has no zone here */
	ipm_selector_of(ipm_span(p, sizeof p), false, &sel);
	cr_expect_eq(sel.dst.addr.scope, 0);
	cr_expect_eq(sel.dst.addr.octet[3], 3);
}

/* --- the choice ------------------------------------------------------------ */

struct fixture {
	struct path_box b;
	uint8_t octets[2048];
	struct ipm_pkt m;
};

static struct fixture *f;

static void
open_box(void)
{
	f = calloc(1, sizeof *f);
	cr_assert_not_null(f);
	path_box_open(&f->b);
	f->m.p = f->octets;
	f->m.rcvif = -1;
}

static void
close_box(void)
{
	path_box_close(&f->b);
	free(f);
}

static void
packet(const char *src, const char *dst, uint16_t dport)
{
	f->m.len = path_udp(f->octets, src, dst, 1111, dport, 8);
}

static ipm_off
choose(ipm_off pcb, enum ipm_dir dir, bool ports)
{
	return ipm_policy_of(&f->b.path, &f->m, pcb, dir, ports);
}

static struct ipm_sp *
sp_at(ipm_off off)
{
	return ipm_arena_at(&f->b.s.arena, off);
}

static ipm_off
socket_at(const char *faddr)
{
	struct ipm_pcb as = { .id = f->b.s.pcbs.count + 1,
		.family = 4,
		.proto = 17,
		.lport = 9000 };
	ipm_off off;

	as.laddr.family = 4;
	if (faddr != NULL)
		as.faddr = path_addr(faddr);
	cr_assert_eq(ipm_pcb_open(&f->b.s.pcbs, &f->b.s.arena, &f->b.mem.alloc,
			 &as, &off),
	    IPM_OK);
	return off;
}

static void
own_policy(ipm_off pcb, enum ipm_dir dir, enum ipm_policy type,
    const struct ipm_request *req)
{
	struct ipm_sp_config c = { .dir = (uint8_t)dir,
		.type = (uint8_t)type,
		.scope = IPM_SCOPE_PCB,
		.n_reqs = req != NULL };
	ipm_off sp;

	c.sel.src.addr.family = c.sel.dst.addr.family = 4;
	c.sel.proto = IPM_ULP_ANY;
	if (req != NULL)
		c.req[0] = *req;
	cr_assert_eq(
	    ipm_sp_make(&f->b.s.arena, &f->b.mem.alloc, 1, &c, &sp), IPM_OK);
	ipm_pcb_set_policy(&f->b.s.arena, pcb, dir, sp);
}

TestSuite(policy_of, .init = open_box, .fini = close_box);

/* [ARCH-4.4.1-05] [MAN-pfkey-03] [MAN-defpolicy-01] */
Test(policy_of, first_match_or_the_default)
{
	ipm_off net, host;

	packet("10.1.0.5", "10.2.0.7", 2222);
	cr_expect_eq(choose(0, IPM_DIR_OUT, true), 0);
	host = path_policy(&f->b, IPM_DIR_OUT, "10.1.0.5", "10.2.0.8", 17,
	    IPM_POLICY_NONE, NULL, 0);
	net = path_policy(&f->b, IPM_DIR_OUT, "10.1.0.0/24", "10.2.0.0/16", 255,
	    IPM_POLICY_DISCARD, NULL, 0);
	cr_expect_eq(choose(0, IPM_DIR_OUT, true), net);
	cr_expect_eq(sp_at(net)->lastused, 1000);
	cr_expect_eq(sp_at(host)->lastused, 1);
	cr_expect_eq(choose(0, IPM_DIR_IN, true), 0);
	packet("10.1.0.5", "10.2.0.8", 2222);
	cr_expect_eq(choose(0, IPM_DIR_OUT, true), host);
	packet("10.1.1.5", "10.2.0.8", 2222);
	cr_expect_eq(choose(0, IPM_DIR_OUT, true), 0);
}

/* policy-selection selectors-v4: a policy with ports is passed over by a
 * look-up without them. */
Test(policy_of, ports_count_when_wanted)
{
	ipm_off sp = path_policy(&f->b, IPM_DIR_OUT, "10.1.0.0/24",
	    "10.2.0.0/16", 17, IPM_POLICY_DISCARD, NULL, 0);

	sp_at(sp)->sel.dst.port = 2222;
	packet("10.1.0.5", "10.2.0.7", 2222);
	cr_expect_eq(choose(0, IPM_DIR_OUT, true), sp);
	cr_expect_eq(choose(0, IPM_DIR_OUT, false), 0);
	packet("10.1.0.5", "10.2.0.7", 2223);
	cr_expect_eq(choose(0, IPM_DIR_OUT, true), 0);
}

/* [MAN-sockopt-12] [MAN-sockopt-04] [MAN-sockopt-06] */
Test(policy_of, the_sockets_own_goes_first)
{
	ipm_off pcb = socket_at(NULL), net;

	net = path_policy(&f->b, IPM_DIR_OUT, "0.0.0.0/0", "0.0.0.0/0", 255,
	    IPM_POLICY_DISCARD, NULL, 0);
	packet("10.1.0.1", "10.2.0.7", 2222);
	cr_expect_eq(choose(pcb, IPM_DIR_OUT, true), net);
	own_policy(pcb, IPM_DIR_OUT, IPM_POLICY_BYPASS, NULL);
	cr_expect_eq(
	    sp_at(choose(pcb, IPM_DIR_OUT, true))->type, IPM_POLICY_BYPASS);
	cr_expect_eq(choose(pcb, IPM_DIR_IN, true), 0);
	cr_expect_eq(choose(0, IPM_DIR_OUT, true), net);
	ipm_pcb_set_policy(&f->b.s.arena, pcb, IPM_DIR_OUT, 0);
	cr_expect_eq(choose(pcb, IPM_DIR_OUT, true), net);
}

/* Facts datapath 3.2: connected sockets cache, until the SPD changes.
 * [ARCH-4.4.1-25] [ARCH-5.1-02] */
Test(policy_of, a_connected_socket_caches)
{
	ipm_off pcb = socket_at("10.2.0.7"), loose = socket_at(NULL), a, b;
	uint32_t refs;

	a = path_policy(&f->b, IPM_DIR_OUT, "10.1.0.0/24", "10.2.0.7", 255,
	    IPM_POLICY_NONE, NULL, 0);
	packet("10.1.0.1", "10.2.0.7", 2222);
	cr_expect_eq(choose(pcb, IPM_DIR_OUT, true), a);
	refs = sp_at(a)->refs;
	cr_expect_eq(refs, 1);
	f->b.env.sec = 2000; /* a hit in the cache is no use of the policy */
	cr_expect_eq(choose(pcb, IPM_DIR_OUT, true), a);
	cr_expect_eq(sp_at(a)->lastused, 1000);
	cr_expect_eq(sp_at(a)->refs, 1);
	/* No selector is applied to what is cached. */
	packet("10.1.0.1", "10.2.0.99", 2222);
	cr_expect_eq(choose(pcb, IPM_DIR_OUT, true), a);
	cr_expect_eq(choose(loose, IPM_DIR_OUT, true), 0);
	/* The default is cached as well. */
	cr_expect_eq(choose(pcb, IPM_DIR_IN, true), 0);
	b = path_policy(&f->b, IPM_DIR_IN, "0.0.0.0/0", "0.0.0.0/0", 255,
	    IPM_POLICY_NONE, NULL, 0);
	/* Any change ends both. */
	cr_expect_eq(choose(pcb, IPM_DIR_IN, true), b);
	cr_expect_eq(sp_at(a)->refs, 0);
	cr_expect_eq(choose(pcb, IPM_DIR_OUT, true), 0);
	/* A dead policy is freed when the last socket lets it go. */
	ipm_spd_del(&f->b.s.spd, &f->b.s.arena, b);
	cr_expect_eq(sp_at(b)->dead, 1);
	cr_expect_eq(choose(pcb, IPM_DIR_IN, true), 0);
	cr_expect_eq(((struct ipm_pcb *)ipm_arena_at(&f->b.s.arena, pcb))
			 ->cached[IPM_DIR_IN],
	    0);
}

Test(policy_of, a_cached_default_holds_for_any_packet)
{
	ipm_off pcb = socket_at("10.2.0.7");

	path_policy(&f->b, IPM_DIR_OUT, "10.1.0.0/24", "10.2.0.8", 255,
	    IPM_POLICY_DISCARD, NULL, 0);
	packet("10.1.0.1", "10.2.0.7", 2222);
	cr_expect_eq(choose(pcb, IPM_DIR_OUT, true), 0);
	packet("10.1.0.1", "10.2.0.8", 2222);
	cr_expect_eq(choose(pcb, IPM_DIR_OUT, true), 0);
	cr_expect_neq(choose(0, IPM_DIR_OUT, true), 0);
}

/* --- the inbound check ----------------------------------------------------- */

TestSuite(policy_rejects, .init = open_box, .fini = close_box);

static bool
rejects(ipm_off pcb)
{
	uint64_t was4 = f->b.s.stats.v[IPM_ST_IPS4_in_polvio];
	uint64_t was6 = f->b.s.stats.v[IPM_ST_IPS6_in_polvio];
	bool no = ipm_policy_rejects(&f->b.path, &f->m, pcb);
	bool six = f->octets[0] == 0x60;

	cr_expect_eq(
	    f->b.s.stats.v[IPM_ST_IPS4_in_polvio], was4 + (no && !six));
	cr_expect_eq(f->b.s.stats.v[IPM_ST_IPS6_in_polvio], was6 + (no && six));
	return no;
}

/* [MAN-defpolicy-02] [MAN-defpolicy-03] [MAN-defpolicy-04]
 * [MAN-defpolicy-05] */
Test(policy_rejects, by_the_default_policy)
{
	packet("10.2.0.7", "10.1.0.5", 2222);
	cr_expect_not(rejects(0));
	f->b.s.sysctls.v[IPM_SV_DEF_POLICY] = 0;
	cr_expect(rejects(0));
	packet("2001:db8:2::7", "2001:db8:1::5", 2222);
	cr_expect(rejects(0)); /* one variable for both (Q01) */
}

/* [MAN-sockopt-05] [MAN-sockopt-07] */
Test(policy_rejects, by_the_type_of_the_policy)
{
	static const struct {
		enum ipm_policy type;
		bool no;
	} rows[] = {
		{ IPM_POLICY_DISCARD, true },
		{ IPM_POLICY_NONE, false },
		{ IPM_POLICY_BYPASS, false },
		{ IPM_POLICY_ENTRUST, true },
	};
	ipm_off sp = path_policy(&f->b, IPM_DIR_IN, "10.2.0.0/16",
	    "10.1.0.0/24", 255, IPM_POLICY_DISCARD, NULL, 0);

	packet("10.2.0.7", "10.1.0.5", 2222);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sp_at(sp)->type = (uint8_t)rows[i].type;
		cr_expect_eq(rejects(0), rows[i].no, "%zu", i);
	}
}

/*
 * Facts datapath 2.10, 8: the flags a request wants.
 * [MAN-policyhist-01] [MAN-level-02] [MAN-bugs-02] [MAN-bugs-03]
 */
Test(policy_rejects, by_the_flags_of_the_packet)
{
	static const struct {
		uint8_t proto, level;
		unsigned flags;
		bool no;
	} rows[] = {
		{ 50, IPM_LEVEL_REQUIRE, 0, true },
		{ 50, IPM_LEVEL_REQUIRE, IPM_M_DECRYPTED, false },
		{ 50, IPM_LEVEL_REQUIRE, IPM_M_AUTHIPHDR | IPM_M_AUTHIPDGM,
		    true },
		{ 50, IPM_LEVEL_UNIQUE, 0, true },
		{ 50, IPM_LEVEL_USE, 0, false },
		{ 50, IPM_LEVEL_DEFAULT, 0, false }, /* deflev is 1 */
		{ 51, IPM_LEVEL_REQUIRE, 0, true },
		{ 51, IPM_LEVEL_REQUIRE, IPM_M_AUTHIPHDR, false },
		{ 51, IPM_LEVEL_REQUIRE, IPM_M_DECRYPTED | IPM_M_AUTHIPDGM,
		    true },
		{ 108, IPM_LEVEL_REQUIRE, 0, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_request req =
		    path_request(rows[i].proto, IPM_MODE_TRANSPORT, NULL, NULL,
			(enum ipm_level)rows[i].level, 0);
		ipm_off sp = path_policy(&f->b, IPM_DIR_IN, "10.2.0.0/16",
		    "10.1.0.0/24", 255, IPM_POLICY_IPSEC, &req, 1);

		packet("10.2.0.7", "10.1.0.5", 2222);
		f->m.flags = rows[i].flags;
		cr_expect_eq(rejects(0), rows[i].no, "row %zu", i);
		ipm_spd_del(&f->b.s.spd, &f->b.s.arena, sp);
	}
}

/* [MAN-deflev-04] [MAN-level-05]: a level of default follows the sysctl. */
Test(policy_rejects, default_level_follows_the_sysctl)
{
	struct ipm_request req = path_request(
	    50, IPM_MODE_TRANSPORT, NULL, NULL, IPM_LEVEL_DEFAULT, 0);

	path_policy(&f->b, IPM_DIR_IN, "10.2.0.0/16", "10.1.0.0/24", 255,
	    IPM_POLICY_IPSEC, &req, 1);
	packet("10.2.0.7", "10.1.0.5", 2222);
	cr_expect_not(rejects(0));
	f->b.s.sysctls.v[IPM_SV_ESP_TRANS_DEFLEV6] = 2;
	f->b.s.sysctls.v[IPM_SV_ESP_NET_DEFLEV4] = 2;
	cr_expect_not(rejects(0));
	f->b.s.sysctls.v[IPM_SV_ESP_TRANS_DEFLEV4] = 2;
	cr_expect(rejects(0));
	f->b.s.sysctls.v[IPM_SV_ESP_TRANS_DEFLEV4] = 7; /* Q02 */
	cr_expect(rejects(0));
	cr_expect_eq(f->b.s.sysctls.v[IPM_SV_ESP_TRANS_DEFLEV4], 2);
}

/* Every request must hold: W4 of the facts. */
Test(policy_rejects, all_requests_must_hold)
{
	struct ipm_request req[2] = {
		path_request(50, IPM_MODE_TUNNEL, "192.0.2.2", "192.0.2.1",
		    IPM_LEVEL_REQUIRE, 0),
		path_request(51, IPM_MODE_TRANSPORT, "192.0.2.2", "192.0.2.1",
		    IPM_LEVEL_REQUIRE, 0),
	};

	path_policy(&f->b, IPM_DIR_IN, "10.2.0.0/16", "10.1.0.0/24", 255,
	    IPM_POLICY_IPSEC, req, 2);
	packet("10.2.0.7", "10.1.0.5", 2222);
	f->m.flags = IPM_M_DECRYPTED;
	cr_expect(rejects(0));
	f->m.flags = IPM_M_AUTHIPHDR;
	cr_expect(rejects(0));
	f->m.flags = IPM_M_DECRYPTED | IPM_M_AUTHIPHDR;
	cr_expect_not(rejects(0));
}

/*
 * Facts datapath 2.10: the history of transforms.
 * [MAN-policyhist-02] [MAN-policyhist-03] [MAN-policyhist-04]
 * [MAN-policyhist-05] [MAN-policyhist-06]
 */
Test(policy_rejects, by_the_history)
{
	static const struct {
		const char *what;
		uint8_t req_mode, tag_proto, tag_mode;
		const char *tag_src, *tag_dst;
		bool no, no_both; /* history-ends: destination, both */
	} rows[] = {
		{ "same tunnel", 2, 50, 2, "192.0.2.2", "192.0.2.1", false,
		    false },
		{ "mode any", 2, 50, 0, "192.0.2.2", "192.0.2.1", false,
		    false },
		{ "transport for tunnel", 2, 50, 1, "192.0.2.2", "192.0.2.1",
		    true, true },
		{ "AH for ESP", 2, 51, 2, "192.0.2.2", "192.0.2.1", true,
		    true },
		{ "other end", 2, 50, 2, "192.0.2.2", "10.1.0.1", true, true },
		{ "W5: foreign source", 2, 50, 2, "192.0.2.3", "192.0.2.1",
		    false, true },
		{ "transport, in the selector", 1, 50, 1, "10.2.0.9",
		    "10.1.0.9", false, false },
		{ "transport, W3: not in the selector", 1, 50, 1, "192.0.2.2",
		    "192.0.2.1", true, true },
		{ "transport, source not in the selector", 1, 50, 1,
		    "192.0.2.2", "10.1.0.9", false, true },
		{ "tunnel for transport", 1, 50, 2, "10.2.0.9", "10.1.0.9",
		    true, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_request req =
		    path_request(50, (enum ipm_mode)rows[i].req_mode,
			"192.0.2.2", "192.0.2.1", IPM_LEVEL_REQUIRE, 0);
		ipm_off sp = path_policy(&f->b, IPM_DIR_IN, "10.2.0.0/16",
		    "10.1.0.0/24", 255, IPM_POLICY_IPSEC, &req, 1);

		packet("10.2.0.7", "10.1.0.5", 2222);
		f->m.flags = IPM_M_DECRYPTED;
		f->m.n_in_done = 2; /* any place in the history will do */
		memset(f->m.in_done, 0, sizeof f->m.in_done);
		f->m.in_done[1] = (struct ipm_in_done){
			.src = path_addr(rows[i].tag_src),
			.dst = path_addr(rows[i].tag_dst),
			.proto = rows[i].tag_proto,
			.mode = rows[i].tag_mode,
		};
		f->b.s.sysctls.v[IPM_SV_CHECK_POLICY_HISTORY] = 0;
		cr_expect_not(rejects(0), "%s", rows[i].what);
		f->b.s.sysctls.v[IPM_SV_CHECK_POLICY_HISTORY] = 1;
		cr_expect_eq(rejects(0), rows[i].no, "%s", rows[i].what);
		f->b.pf.value[IPM_SW_HISTORY_ENDS] = IPM_HISTORY_BOTH;
		cr_expect_eq(rejects(0), rows[i].no_both, "%s", rows[i].what);
		f->b.pf.value[IPM_SW_HISTORY_ENDS] = IPM_HISTORY_DESTINATION;
		/* The flag is wanted as well. */
		f->m.flags = 0;
		cr_expect(rejects(0), "%s", rows[i].what);
		f->m.n_in_done = 0;
		f->m.flags = IPM_M_DECRYPTED;
		cr_expect(rejects(0), "%s", rows[i].what);
		ipm_spd_del(&f->b.s.spd, &f->b.s.arena, sp);
	}
}

/* Facts datapath 3.10: zones are equal in the history, where 0 is no wildcard;
 * the packet's is one for the look-up. */
Test(policy_rejects, by_the_zone_of_the_history)
{
	struct ipm_request req = path_request(
	    50, IPM_MODE_TRANSPORT, NULL, NULL, IPM_LEVEL_REQUIRE, 0);
	ipm_off sp = path_policy(&f->b, IPM_DIR_IN, "fe80::/64", "fe80::/64",
	    255, IPM_POLICY_IPSEC, &req, 1);

	sp_at(sp)->sel.dst.addr.scope = 2;
	packet("fe80::5", "fe80::1", 2222);
	f->m.flags = IPM_M_DECRYPTED;
	f->m.n_in_done = 1;
	f->b.s.sysctls.v[IPM_SV_CHECK_POLICY_HISTORY] = 1;
	for (uint32_t zone = 0; zone < 4; zone++) {
		f->m.in_done[0] =
		    (struct ipm_in_done){ .src = path_addr("fe80::5"),
			    .dst = path_addr("fe80::1"),
			    .proto = 50,
			    .mode = IPM_MODE_TRANSPORT };
		f->m.in_done[0].dst.scope = zone;
		cr_expect_eq(rejects(0), zone != 2, "%u", zone);
	}
}

/* W10: an inbound policy with a port, by switch policy-in-ports. */
Test(policy_rejects, inbound_ports)
{
	static const bool no[3][2] = {
		[IPM_INPORTS_NEVER] = { false, false },
		[IPM_INPORTS_SOCKET] = { false, true },
		[IPM_INPORTS_ALWAYS] = { true, true },
	};
	ipm_off sp = path_policy(&f->b, IPM_DIR_IN, "10.2.0.0/16",
	    "10.1.0.0/24", 17, IPM_POLICY_DISCARD, NULL, 0);
	ipm_off pcb = socket_at(NULL);

	sp_at(sp)->sel.dst.port = 2222;
	packet("10.2.0.7", "10.1.0.5", 2222);
	for (uint32_t v = 0; v < 3; v++) {
		f->b.pf.value[IPM_SW_POLICY_IN_PORTS] = v;
		cr_expect_eq(rejects(0), no[v][0], "%u", v);
		cr_expect_eq(rejects(pcb), no[v][1], "%u", v);
	}
}

/* socket-policy sock-v4-ipsec-in: the socket's own policy decides. */
Test(policy_rejects, by_the_sockets_own_policy)
{
	struct ipm_request req = path_request(
	    50, IPM_MODE_TRANSPORT, NULL, NULL, IPM_LEVEL_REQUIRE, 0);
	ipm_off pcb = socket_at(NULL);

	packet("10.2.0.7", "10.1.0.1", 9000);
	cr_expect_not(rejects(pcb));
	own_policy(pcb, IPM_DIR_IN, IPM_POLICY_IPSEC, &req);
	cr_expect(rejects(pcb));
	cr_expect_not(rejects(0));
	f->m.flags = IPM_M_DECRYPTED;
	cr_expect_not(rejects(pcb));
	/* Its selector has no addresses: any end satisfies the history. */
	f->b.s.sysctls.v[IPM_SV_CHECK_POLICY_HISTORY] = 1;
	f->m.n_in_done = 1;
	f->m.in_done[0] = (struct ipm_in_done){ .src = path_addr("10.2.0.7"),
		.dst = path_addr("10.1.0.1"),
		.proto = 50,
		.mode = IPM_MODE_TRANSPORT };
	cr_expect_not(rejects(pcb));
}
