/*
 * Forwarding: TTL, IPSEC_FORWARD, what the sender is told and what not.
 * Expected values: facts datapath 2.1, 3.8 (FreeBSD ip_forward, ip_tryforward,
 * ip6_forward) and the recordings (sysctl-effects).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "support/in_box.h"
#include "support/rec_box.h"

#define FAR   "10.2.0.7"
#define NEAR  "10.1.0.5"
#define FAR6  "2001:db8:2::7"
#define NEAR6 "2001:db8:1::5"

static struct path_box b;
static struct in_packet k;

static void
setup(void)
{
	path_box_open(&b);
}

static void
teardown(void)
{
	path_box_close(&b);
}

TestSuite(forward, .init = setup, .fini = teardown);

static void
set(const char *name, const char *value)
{
	cr_assert(ipm_profile_set(&b.pf, name, value), "%s", name);
}

static void
expect(enum ipm_reason fate, const char *counted)
{
	enum ipm_reason r = in_run(&b, &k);

	cr_expect_eq(
	    r, fate, "%s, not %s", ipm_reasons[r].name, ipm_reasons[fate].name);
	cr_expect_str_eq(in_counted(&b), counted);
}

static void
transit(const char *src, const char *dst, size_t len)
{
	static uint8_t data[2000], udp[2100];
	size_t n = in_udp(udp, src, dst, 5, 2222, data, len);

	in_ip(&k, src, dst, IPM_PROTO_UDP, udp, n);
}

/* A policy elsewhere: the fast path is closed. */
static void
close_fast_path(void)
{
	(void)path_policy(&b, IPM_DIR_IN, "198.51.100.1", "198.51.100.2",
	    IPM_ULP_ANY, IPM_POLICY_NONE, NULL, 0);
}

static const struct path_fx *
sent(void)
{
	cr_assert_eq(path_count(&b, IPM_FX_TRANSMIT), 1, "%s", in_counted(&b));
	return path_nth(&b, IPM_FX_TRANSMIT, 0);
}

/* --- through ----------------------------------------------------------------------------- */

/* [ARCH-5.1.2.1-09] One hop less, the checksum right, the rest as it was. */
Test(forward, one_hop_less)
{
	transit(FAR, NEAR, 5);
	close_fast_path();
	expect(IPM_R_FORWARDED, "ips_total 1 ips_forward 1");
	cr_expect_eq(sent()->iface, PATH_RED0);
	k.p[8]--;
	in_resum(&k);
	cr_expect_eq(sent()->len, k.len);
	cr_expect_arr_eq(sent()->packet, k.p, k.len);
	transit(FAR6, NEAR6, 5);
	expect(IPM_R_FORWARDED, "ip6s_total 1 ip6s_forward 1");
	k.p[7]--;
	cr_expect_arr_eq(sent()->packet, k.p, k.len);
}

/* Q03: with an empty SPD nobody asks def_policy (switch fast-forward). */
Test(forward, the_fast_path)
{
	cr_assert_eq(ipm_sysctl_set(&b.s.sysctls, &b.s.stats, &b.pf,
			 "net.inet.ipsec.def_policy", 0),
	    0);
	transit(FAR, NEAR, 5);
	expect(IPM_R_FORWARDED, "ips_total 2 ips_forward 1 ips_fastforward 1");
	set("fast-forward", "off");
	expect(IPM_R_POLICY_MISMATCH,
	    "ips_in_polvio 1 ips_total 1 ips_cantforward 1");
	set("fast-forward", "on");
	/* IPv6 has none. */
	transit(FAR6, NEAR6, 5);
	expect(IPM_R_POLICY_MISMATCH,
	    "ips_in_polvio 1 ip6s_total 1 ip6s_cantforward 1");
	/* Nor has a packet with options, nor one under any policy. */
	transit(FAR, NEAR, 5);
	close_fast_path();
	cr_expect_eq(in_run(&b, &k), IPM_R_POLICY_MISMATCH);
}

Test(forward, the_fast_path_has_a_filter)
{
	transit(FAR, NEAR, 5);
	b.s.host.n_filters = 1;
	b.s.host.filter[0] =
	    (struct ipm_filter){ .at = IPM_FILTER_IN, .proto = 255 };
	expect(IPM_R_FILTERED, "ips_total 2");
}

/* --- the TTL ------------------------------------------------------------------------------- */

Test(forward, ttl)
{
	for (uint8_t ttl = 0; ttl < 3; ttl++)
		for (size_t fast = 0; fast < 2; fast++) {
			transit(FAR, NEAR, 5);
			k.p[8] = ttl;
			in_resum(&k);
			set("fast-forward", fast != 0 ? "on" : "off");
			cr_expect_eq(in_run(&b, &k),
			    ttl < 2 ? IPM_R_TTL_EXCEEDED : IPM_R_FORWARDED);
			if (ttl == 2)
				continue;
			/* RFC 792: time exceeded in transit, to the sender. */
			cr_expect_eq(sent()->packet[20], 11);
			cr_expect_eq(sent()->packet[21], 0);
			cr_expect_arr_eq(sent()->packet + 16, k.p + 12, 4);
			cr_expect_arr_eq(sent()->packet + 28, k.p, k.len);
		}
	transit(FAR6, NEAR6, 5);
	k.p[7] = 1;
	cr_expect_eq(in_run(&b, &k), IPM_R_TTL_EXCEEDED);
	cr_expect_eq(sent()->packet[40], 3);
	cr_expect_arr_eq(sent()->packet + 48, k.p, k.len);
}

/* Behind a tunnel nobody hears of it (M_DECRYPTED; facts 3.8). */
Test(forward, ttl_of_a_decrypted_packet)
{
	uint8_t p[512], q[512];
	size_t n;

	(void)in_sa(&b, "192.0.2.2", "192.0.2.1", 0x1000, IPM_MODE_TUNNEL, 0);
	transit(FAR, NEAR, 5);
	k.p[8] = 1;
	in_resum(&k);
	memcpy(q, k.p, k.len);
	n = in_esp(p, 0x1000, 1, 4, q, k.len);
	in_ip(&k, "192.0.2.2", "192.0.2.1", IPM_PROTO_ESP, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_TTL_EXCEEDED);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
	set("icmp-about-decrypted", "send");
	cr_expect_eq(in_run(&b, &k), IPM_R_TTL_EXCEEDED);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 1);
}

/* --- policies ------------------------------------------------------------------------------ */

/* [ARCH-5.2-08] Refused, counted, and not a word to the sender. */
Test(forward, the_inbound_policy_refuses)
{
	struct ipm_request req = path_request(IPM_PROTO_ESP, IPM_MODE_TUNNEL,
	    "192.0.2.2", "192.0.2.1", IPM_LEVEL_REQUIRE, 0);

	(void)path_policy(&b, IPM_DIR_IN, "10.2.0.0/16", "10.1.0.0/16",
	    IPM_ULP_ANY, IPM_POLICY_IPSEC, &req, 1);
	transit(FAR, NEAR, 5);
	expect(IPM_R_POLICY_MISMATCH,
	    "ips_in_polvio 1 ips_total 1 ips_cantforward 1");
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 0);
	/* TTL comes first. */
	k.p[8] = 1;
	in_resum(&k);
	cr_expect_eq(in_run(&b, &k), IPM_R_TTL_EXCEEDED);
}

/* --- what cannot be sent on ------------------------------------------------------------------ */

Test(forward, no_route)
{
	transit(FAR, "198.51.100.9", 5);
	expect(in_run(&b, &k),
	    "ips_total 2 ips_cantforward 1 ips_localout 1 ips_noroute 1 "
	    "icps_error 1 icps_outhist_sent 1");
	cr_expect_eq(sent()->packet[20], 3);
	cr_expect_eq(sent()->packet[21], 1);
	close_fast_path();
	expect(in_run(&b, &k),
	    "ips_total 1 ips_cantforward 1 ips_localout 1 ips_noroute 1 "
	    "icps_error 1 icps_outhist_sent 1");
	transit(FAR6, "2001:db8:99::1", 5);
	cr_expect_eq(ipm_reasons[in_run(&b, &k)].verdict, IPM_V_DROP);
	cr_expect_eq(sent()->packet[40], 1);
	cr_expect_eq(sent()->packet[41], 0);
}

/* RFC 1191: the next hop's MTU in the low half; RFC 4443 3.2. */
Test(forward, too_big)
{
	b.s.host.iface[PATH_RED0].mtu = 1300;
	close_fast_path();
	transit(FAR, NEAR, 1400);
	k.p[6] = 0x40;
	in_resum(&k);
	cr_expect_eq(ipm_reasons[in_run(&b, &k)].verdict, IPM_V_DROP);
	cr_expect_eq(sent()->packet[20], 3);
	cr_expect_eq(sent()->packet[21], 4);
	cr_expect_eq(ipm_load32(sent()->packet + 24), 1300);
	transit(FAR6, NEAR6, 1400);
	cr_expect_eq(ipm_reasons[in_run(&b, &k)].verdict, IPM_V_DROP);
	cr_expect_eq(sent()->packet[40], 2);
	cr_expect_eq(ipm_load32(sent()->packet + 44), 1300);
	cr_expect_eq(sent()->len, 1280);
}

/* in_canforward, ip6_forward: no groups, no link-local, nothing from nobody. */
Test(forward, addresses_that_are_not_forwarded)
{
	static const struct {
		const char *src, *dst;
		enum ipm_reason fate;
	} rows[] = {
		{ FAR, "240.0.0.1", IPM_R_BAD_ADDRESS },
		{ FAR, "0.1.2.3", IPM_R_BAD_ADDRESS },
		{ FAR, "169.254.1.1", IPM_R_NOT_LOCAL },
		{ "::", NEAR6, IPM_R_BAD_ADDRESS },
	};

	close_fast_path();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		transit(rows[i].src, rows[i].dst, 5);
		cr_expect_eq(in_run(&b, &k), rows[i].fate, "%s", rows[i].dst);
		cr_expect_not_null(
		    strstr(in_counted(&b), "s_cantforward 1"), "%zu", i);
	}
}

/* --- recordings -------------------------------------------------------------------------------- */

/* Filters at both ends of a gateway, def_policy, discard policies. */
Test(recorded, forwarding, .timeout = 60)
{
	static const struct {
		const char *prefix;
		size_t cases; /* without a send */
	} kinds[] = { { "def_policy-", 0 }, { "policy-type", 0 },
		{ "filtertunnel-", 4 }, { "enc0-", 6 }, { "ecn-in-", 13 },
		{ "ah_cleartos-in-", 5 } };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct rec_count n =
		    rec_run("sysctl-effects", kinds[i].prefix, NULL, NULL);

		cr_expect_eq(n.cases, kinds[i].cases, "%s: %zu",
		    kinds[i].prefix, n.cases);
		cr_expect_gt(n.packets, 0, "%s", kinds[i].prefix);
	}
}
