/*
 * AH, ESP and IPcomp as they arrive: FreeBSD 13's recordings first, then the
 * tables of facts datapath 2.3 to 2.9 by hand, and every switch on both sides.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/in_box.h"
#include "support/rec_box.h"

/* Of the cases of manual-bugs without a history: sysctl, two messages. */
#define FIRST_PACKET 3

#define PEER  "192.0.2.2"
#define HOST  "192.0.2.1"
#define PEER6 "2001:db8:b::2"
#define HOST6 "2001:db8:b::1"

/* --- recordings ---------------------------------------------------------------------- */

/* Cases and packets that the file has, those with a send left out. */
static const struct {
	const char *file, *prefix;
	size_t cases, packets;
} recordings[] = {
	{ "inbound", "alg-", 58, 1182 },
	{ "inbound", "replay-", 27, 585 },
	{ "inbound", "pad-", 28, 56 },
	{ "inbound", "nh-", 45, 225 },
	{ "inbound", "inner-malformed", 1, 16 },
	{ "inbound", "lookup-", 6, 54 },
	{ "inbound", "lifetime-", 2, 15 },
	{ "inbound", "policy-", 20, 220 },
	{ "inbound", "history-", 20, 280 },
	{ "inbound", "selective-", 2, 8 },
	{ "manual-bugs", "bugs-", 34, 94 },
	{ "natt", "encap-", 5, 5 },
	{ "natt", "malformed", 1, 19 },
	{ "natt", "cksum-", 20, 180 },
	{ "scenarios", "mutate-", 7, 308 },
	{ "policy-selection", "ipcomp-in-", 2, 40 },
	{ "policy-selection", "ipcomp-policy-", 2, 8 },
};

/* Every packet: what is emitted, delivered and counted. */
Test(recorded, inbound, .timeout = 120)
{
	for (size_t i = 0; i < sizeof recordings / sizeof recordings[0]; i++) {
		struct rec_count n = rec_run(
		    recordings[i].file, recordings[i].prefix, NULL, NULL);

		cr_expect_eq(n.cases, recordings[i].cases, "%s: %zu",
		    recordings[i].prefix, n.cases);
		cr_expect_geq(n.packets, recordings[i].packets, "%s: %zu",
		    recordings[i].prefix, n.packets);
	}
}

/* --- by hand --------------------------------------------------------------------------- */

static struct path_box b;
static struct in_packet k;

static void
setup(void)
{
	path_box_open(&b);
	(void)in_socket(&b, 4, IPM_PROTO_UDP, 9000, false);
	(void)in_socket(&b, 6, IPM_PROTO_UDP, 9000, false);
}

static void
teardown(void)
{
	path_box_close(&b);
}

TestSuite(ipsecin, .init = setup, .fini = teardown);

static void
set(const char *name, const char *value)
{
	cr_assert(ipm_profile_set(&b.pf, name, value), "%s", name);
}

static void
sysvar(const char *name, int64_t value)
{
	cr_assert_eq(
	    ipm_sysctl_set(&b.s.sysctls, &b.s.stats, &b.pf, name, value), 0,
	    "%s", name);
}

static void
expect(enum ipm_reason fate, const char *counted)
{
	enum ipm_reason r = in_run(&b, &k);

	cr_expect_eq(
	    r, fate, "%s, not %s", ipm_reasons[r].name, ipm_reasons[fate].name);
	cr_expect_str_eq(in_counted(&b), counted);
}

/* A datagram of the peer to port 9000, upper layer alone. */
static size_t
datagram(uint8_t *out, bool v6)
{
	return in_udp(
	    out, v6 ? PEER6 : PEER, v6 ? HOST6 : HOST, 5, 9000, "hello", 5);
}

/* The same as a whole packet from behind the peer to this host. */
static size_t
inner(uint8_t *out, bool v6)
{
	static struct in_packet in;
	uint8_t udp[64];
	const char *src = v6 ? "2001:db8:2::7" : "10.2.0.7";
	const char *dst = v6 ? HOST6 : HOST;
	size_t n = in_udp(udp, src, dst, 5, 9000, "hello", 5);

	in_ip(&in, src, dst, IPM_PROTO_UDP, udp, n);
	memcpy(out, in.p, in.len);
	return in.len;
}

/* ESP with this payload from the peer. */
static void
esp(bool v6, uint32_t spi, uint32_t seq, uint8_t nh, const uint8_t *payload,
    size_t len)
{
	uint8_t p[2048];
	size_t n = in_esp(p, spi, seq, nh, payload, len);

	in_ip(&k, v6 ? PEER6 : PEER, v6 ? HOST6 : HOST, IPM_PROTO_ESP, p, n);
}

/*
 * The mode table (facts 2.7).  Payload: a datagram (17), an IPv4 packet (4),
 * an IPv6 packet (41).
 */
static const struct {
	bool outer6;
	enum ipm_mode mode;
	uint8_t nh;
	enum ipm_reason fate;
	const char *counted; /* behind "esps_input 1 esps_ibytes N hist" */
} modes[] = {
	{ false, IPM_MODE_TRANSPORT, 17, IPM_R_OK, "" },
	{ false, IPM_MODE_ANY, 17, IPM_R_OK, "" },
	{ false, IPM_MODE_TUNNEL, 17, IPM_R_NEXT_HEADER_BAD, "nopf" },
	{ false, IPM_MODE_TUNNEL, 4, IPM_R_OK, "" },
	{ false, IPM_MODE_ANY, 4, IPM_R_OK, "" },
	{ false, IPM_MODE_TUNNEL, 41, IPM_R_OK, "" },
	{ false, IPM_MODE_ANY, 41, IPM_R_OK, "" },
	/* Nothing is stripped; nobody takes the protocol. */
	{ false, IPM_MODE_TRANSPORT, 4, IPM_R_NO_PROTOCOL, "" },
	{ false, IPM_MODE_TRANSPORT, 41, IPM_R_NO_PROTOCOL, "" },
	{ true, IPM_MODE_TRANSPORT, 17, IPM_R_OK, "" },
	{ true, IPM_MODE_ANY, 17, IPM_R_OK, "" },
	/* QUIRK: accepted where IPv4 refuses. */
	{ true, IPM_MODE_TUNNEL, 17, IPM_R_OK, "" },
	{ true, IPM_MODE_TUNNEL, 4, IPM_R_OK, "" },
	{ true, IPM_MODE_ANY, 4, IPM_R_OK, "" },
	{ true, IPM_MODE_TUNNEL, 41, IPM_R_OK, "" },
	{ true, IPM_MODE_ANY, 41, IPM_R_OK, "" },
	{ true, IPM_MODE_TRANSPORT, 4, IPM_R_NO_PROTOCOL, "" },
	{ true, IPM_MODE_TRANSPORT, 41, IPM_R_NO_PROTOCOL, "" },
};

/* [MAN-mode-01] [MAN-mode-02] [MAN-mode-03] */
Test(ipsecin, the_mode_table)
{
	uint8_t p[512];

	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		bool v6 = modes[i].outer6;
		uint32_t spi = 0x1000 + (uint32_t)i;
		size_t n = modes[i].nh == 17 ? datagram(p, v6)
					     : inner(p, modes[i].nh == 41);
		enum ipm_reason r;

		(void)in_sa(&b, v6 ? PEER6 : PEER, v6 ? HOST6 : HOST, spi,
		    modes[i].mode, 0);
		esp(v6, spi, 1, modes[i].nh, p, n);
		r = in_run(&b, &k);
		cr_expect_eq(
		    r, modes[i].fate, "row %zu: %s", i, ipm_reasons[r].name);
		cr_expect_eq(path_count(&b, IPM_FX_DELIVER),
		    modes[i].fate == IPM_R_OK, "row %zu", i);
		cr_expect_eq(strstr(in_counted(&b), "esps_nopf 1") != NULL,
		    modes[i].counted[0] != '\0', "row %zu", i);
	}
}

/* Both sides of tunnel-sa-transport-payload6. */
Test(ipsecin, a_transport_payload_of_a_tunnel_sa)
{
	uint8_t p[512];
	size_t n = datagram(p, true);

	(void)in_sa(&b, PEER6, HOST6, 0x1000, IPM_MODE_TUNNEL, 0);
	esp(true, 0x1000, 1, 17, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	set("tunnel-sa-transport-payload6", "refuse");
	cr_expect_eq(in_run(&b, &k), IPM_R_NEXT_HEADER_BAD);
	cr_expect_not_null(strstr(in_counted(&b), "esps_nopf 1"));
}

/* Too short for the header that the next header names: one octet less. */
Test(ipsecin, an_inner_packet_one_octet_short)
{
	uint8_t p[64] = { 0x45 };

	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TUNNEL, 0);
	(void)in_sa(&b, PEER6, HOST6, 0x1001, IPM_MODE_TUNNEL, 0);
	esp(false, 0x1000, 1, 4, p, 19);
	expect(IPM_R_INNER_BAD,
	    "esps_hdrops 1 esps_input 1 esps_ibytes 24 esps_hist[11] 1 "
	    "ips_total 1");
	esp(false, 0x1000, 1, 41, p, 39);
	cr_expect_eq(in_run(&b, &k), IPM_R_INNER_BAD);
	esp(true, 0x1001, 1, 4, p, 19);
	cr_expect_eq(in_run(&b, &k), IPM_R_INNER_BAD);
	esp(true, 0x1001, 1, 41, p, 39);
	cr_expect_eq(in_run(&b, &k), IPM_R_INNER_BAD);
	/* With its header whole it is its own input's to judge. */
	esp(false, 0x1000, 1, 4, p, 20);
	expect(IPM_R_IP_SUM_BAD,
	    "esps_input 1 esps_ibytes 24 esps_hist[11] 1 ips_total 2 "
	    "ips_badsum 1");
}

/* --- the common entry (facts 2.4) ---------------------------------------------------- */

static const struct {
	uint8_t proto;
	const char *input, *hdrops, *notdb, *pdrops;
	const char *enable;
} protocols[] = {
	{ IPM_PROTO_ESP, "esps_input 1", "esps_hdrops 1", "esps_notdb 1",
	    "esps_pdrops 1", "net.inet.esp.esp_enable" },
	{ IPM_PROTO_AH, "ahs_input 1", "ahs_hdrops 1", "ahs_notdb 1",
	    "ahs_pdrops 1", "net.inet.ah.ah_enable" },
	{ IPM_PROTO_IPCOMP, "ipcomps_input 1", "ipcomps_hdrops 1",
	    "ipcomps_notdb 1", "ipcomps_pdrops 1",
	    "net.inet.ipcomp.ipcomp_enable" },
};

static bool
counted(const char *text)
{
	return strstr(in_counted(&b), text) != NULL;
}

/* [ARCH-5.2-05] */
Test(ipsecin, what_has_no_sa_or_no_switch)
{
	static const uint8_t zero[16];

	for (size_t i = 0; i < 3; i++)
		for (size_t v6 = 0; v6 < 2; v6++) {
			const char *src = v6 ? PEER6 : PEER;
			const char *dst = v6 ? HOST6 : HOST;

			in_ip(&k, src, dst, protocols[i].proto, zero, 7);
			cr_expect_eq(in_run(&b, &k), IPM_R_BAD_LENGTH);
			cr_expect(counted(protocols[i].hdrops), "%zu", i);
			in_ip(&k, src, dst, protocols[i].proto, zero, 8);
			cr_expect_eq(in_run(&b, &k), IPM_R_NO_SA);
			cr_expect(counted(protocols[i].notdb), "%zu", i);
			sysvar(protocols[i].enable, 0);
			cr_expect_eq(in_run(&b, &k), IPM_R_PROTO_DISABLED);
			cr_expect(counted(protocols[i].pdrops), "%zu", i);
			cr_expect(counted(protocols[i].input), "%zu", i);
			sysvar(protocols[i].enable, 1);
		}
}

Test(ipsecin, larval_and_dead_sas_are_not_there)
{
	uint8_t p[64];
	size_t n = datagram(p, false);
	ipm_off off = in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TRANSPORT, 0);
	static const struct {
		enum ipm_sa_state state;
		enum ipm_reason fate;
	} states[] = { { IPM_SA_LARVAL, IPM_R_NO_SA },
		{ IPM_SA_MATURE, IPM_R_OK }, { IPM_SA_DYING, IPM_R_OK },
		{ IPM_SA_DEAD, IPM_R_NO_SA } };

	esp(false, 0x1000, 1, 17, p, n);
	for (size_t i = 0; i < 4; i++) {
		((struct ipm_sa *)ipm_arena_at(&b.s.arena, off))->state =
		    (uint8_t)states[i].state;
		cr_expect_eq(in_run(&b, &k), states[i].fate, "%zu", i);
	}
}

/* What was opened counts on its SA (facts 4.3): the inner packet of a tunnel,
 * header and payload in transport mode; nothing of what was refused. */
Test(ipsecin, accounting)
{
	uint8_t p[512];
	size_t n = datagram(p, false);
	ipm_off tra = in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TRANSPORT, 32);
	ipm_off tun = in_sa(&b, PEER, HOST, 0x1001, IPM_MODE_TUNNEL, 32);
	const struct ipm_sa *sa;

	esp(false, 0x1000, 1, 17, p, n);
	cr_assert_eq(in_run(&b, &k), IPM_R_OK);
	cr_assert_eq(in_run(&b, &k), IPM_R_REPLAYED);
	sa = ipm_arena_at(&b.s.arena, tra);
	cr_expect_eq(sa->packets, 1);
	cr_expect_eq(sa->octets, 20 + n);
	cr_expect_eq(sa->first_use, 1000);
	n = inner(p, false);
	esp(false, 0x1001, 1, 4, p, n);
	cr_assert_eq(in_run(&b, &k), IPM_R_OK);
	sa = ipm_arena_at(&b.s.arena, tun);
	cr_expect_eq(sa->octets, n);
}

/* --- the window (switches) -------------------------------------------------------------- */

static enum ipm_reason
numbered(uint32_t seq)
{
	uint8_t p[64];
	size_t n = datagram(p, false);

	esp(false, 0x1000, seq, 17, p, n);
	return in_run(&b, &k);
}

/* The SA that numbered() uses. */
static void
window_sa(void)
{
	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TRANSPORT, 32);
}

Test(ipsecin, a_number_left_of_the_window)
{
	window_sa();
	cr_expect_eq(numbered(100), IPM_R_OK);
	/* Without integrity FreeBSD looks behind the crypto alone. */
	cr_expect_eq(numbered(68), IPM_R_LEFT_OF_WINDOW);
	cr_expect(counted("esps_replay 1"));
	cr_expect(counted("esps_ibytes"));
	cr_expect_eq(numbered(69), IPM_R_OK);
	set("replay-without-integrity", "off");
	cr_expect_eq(numbered(68), IPM_R_OK);
}

Test(ipsecin, number_zero)
{
	window_sa();
	cr_expect_eq(numbered(0), IPM_R_SEQ_ZERO);
	cr_expect_eq(numbered(5), IPM_R_OK);
	cr_expect_eq(numbered(0), IPM_R_OK);
	cr_expect_eq(numbered(0), IPM_R_REPLAYED);
	set("replay-zero", "refuse");
	cr_expect_eq(numbered(0), IPM_R_SEQ_ZERO);
}

/* --- faults ------------------------------------------------------------------------------ */

Test(ipsecin, faults_of_provider_and_memory)
{
	static const struct {
		unsigned faults;
		enum ipm_reason fate;
		const char *counted;
	} rows[] = {
		{ IPM_FAULT_CIPHER, IPM_R_CRYPTO_FAILED, "esps_noxform 1" },
		{ IPM_FAULT_NOMEM, IPM_R_NO_MEMORY, "esps_crypto 1" },
		{ IPM_FAULT_INFLATE, IPM_R_OK, "esps_input 1" },
	};

	window_sa();
	for (size_t i = 0; i < 3; i++) {
		b.path.faults = rows[i].faults;
		cr_expect_eq(numbered(1 + (uint32_t)i), rows[i].fate);
		cr_expect(counted(rows[i].counted), "%s", in_counted(&b));
	}
}

/* --- AH's marks (switch auth-marks) -------------------------------------------------- */

/* An AH tunnel whose inner packet is for this host, under "ah/tunnel/require":
 * the packets are the recording's (manual-bugs). */
static void
marks(struct rec_box *r, void *ctx)
{
	unsigned *fates = ctx;

	fates[r->fate]++;
}

Test(recorded, ah_tunnels_by_family)
{
	unsigned v4[IPM_N_REASONS] = { 0 }, v6[IPM_N_REASONS] = { 0 };

	(void)rec_run("manual-bugs", "bugs-ah-tunnel-v4-hist0", marks, v4);
	(void)rec_run("manual-bugs", "bugs-ah-tunnel-v6-hist0", marks, v6);
	cr_expect_gt(v4[IPM_R_FORWARDED], 0);
	cr_expect_eq(v6[IPM_R_FORWARDED] + v6[IPM_R_OK], 0);
	cr_expect_gt(v6[IPM_R_POLICY_MISMATCH], 0);
}

/*
 * A recorded case under a switch up to one step, which must be a packet's: its
 * fate, and what `counter` counted by it.
 */
struct outcome {
	enum ipm_reason fate;
	uint64_t counted;
};

static struct outcome
outcome(const char *file, const char *id, size_t at, const char *sw,
    const char *value, enum ipm_stat counter)
{
	struct rec_box *r = malloc(sizeof *r);
	struct outcome o = { IPM_N_REASONS, 0 };
	json_t *root, *c = rec_case(file, id, &root), *step;
	size_t i;
	bool known;

	rec_box_open(r);
	rec_start(r, c);
	cr_assert(ipm_profile_set(&r->pf, sw, value), "%s", sw);
	json_array_foreach(json_object_get(c, "steps"), i, step)
	{
		uint64_t was = r->e.ipm.stats.v[counter];

		if (i > at)
			break;
		(void)rec_step(r, step, &known);
		o = (struct outcome){ r->fate,
			r->e.ipm.stats.v[counter] - was };
	}
	rec_box_close(r);
	free(r);
	json_decref(root);
	return o;
}

/* Step 13 of replay-esp-v4-w4: sequence 47 when 79 was the highest, left of a
 * window of 32. */
Test(recorded, the_switch_replay_left_late)
{
	static const char *const values[] = { "off", "on" };

	for (size_t i = 0; i < 2; i++) {
		struct outcome o = outcome("inbound", "replay-esp-v4-w4", 13,
		    "replay-left-late", values[i], IPM_ST_ESP_ibytes);

		cr_expect_eq(o.fate, IPM_R_LEFT_OF_WINDOW);
		cr_expect_eq(o.counted, i == 0 ? 0 : 16);
	}
}

/* ipsec(4) BUGS; FreeBSD loses the marks for IPv6 alone. */
Test(recorded, the_switch_auth_marks)
{
	static const struct {
		const char *id, *value;
		enum ipm_reason fate;
	} rows[] = {
		{ "bugs-ah-tunnel-v4-hist0-gw", "kept", IPM_R_FORWARDED },
		{ "bugs-ah-tunnel-v4-hist0-gw", "ip6-input", IPM_R_FORWARDED },
		{ "bugs-ah-tunnel-v4-hist0-gw", "decap",
		    IPM_R_POLICY_MISMATCH },
		{ "bugs-ah-tunnel-v6-hist0-host", "kept", IPM_R_OK },
		{ "bugs-ah-tunnel-v6-hist0-host", "ip6-input",
		    IPM_R_POLICY_MISMATCH },
		{ "bugs-ah-tunnel-v6-hist0-host", "decap",
		    IPM_R_POLICY_MISMATCH },
	};

	for (size_t i = 0; i < 6; i++) {
		enum ipm_reason r = outcome("manual-bugs", rows[i].id,
		    FIRST_PACKET, "auth-marks", rows[i].value, IPM_ST_AH_input)
					.fate;

		cr_expect_eq(
		    r, rows[i].fate, "%zu: %s", i, ipm_reasons[r].name);
	}
}

/* --- IPv6 chains ------------------------------------------------------------------------ */

/* ESP in ESP in transport mode: an unknown protocol to FreeBSD. */
Test(ipsecin, nested_headers_in_transport_mode)
{
	uint8_t p[512], q[512];
	size_t n = datagram(p, true), m = in_esp(q, 0x1001, 1, 17, p, n);

	(void)in_sa(&b, PEER6, HOST6, 0x1000, IPM_MODE_TRANSPORT, 0);
	(void)in_sa(&b, PEER6, HOST6, 0x1001, IPM_MODE_TRANSPORT, 0);
	esp(true, 0x1000, 1, 50, q, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_PROTOCOL);
	set("ip6-nested-ipsec", "open");
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect(counted("esps_input 2"));
	/* IPv4 passes its input twice and opens both in any case. */
	n = datagram(p, false);
	m = in_esp(q, 0x1003, 1, 17, p, n);
	(void)in_sa(&b, PEER, HOST, 0x1002, IPM_MODE_TRANSPORT, 0);
	(void)in_sa(&b, PEER, HOST, 0x1003, IPM_MODE_TRANSPORT, 0);
	esp(false, 0x1002, 1, 50, q, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
}

/*
 * Where the protocol is put behind destination options: the policy look-up
 * that walks the chain from its start sees another one (QUIRK, facts 2.4).  The
 * options read as UDP are a datagram still; as destination options they name
 * UDP.  A policy for UDP matches both ways, one for options neither, so the
 * octets of what a raw socket gets tell: here the chain itself is looked at.
 */
Test(ipsecin, the_octet_that_names_the_payload)
{
	static const char *const values[] = { "first", "last" };
	uint8_t p[512], q[512];

	(void)in_sa(&b, PEER6, HOST6, 0x1000, IPM_MODE_TRANSPORT, 0);
	b.s.host.enc_up = 1;
	sysvar("net.enc.in.ipsec_bpf_mask", 2);
	for (size_t i = 0; i < 2; i++) {
		size_t n = datagram(q, true), m;

		memset(p, 0, 8);
		p[0] = IPM_PROTO_ESP;
		m = 8 + in_esp(p + 8, 0x1000, 1, 17, q, n);
		in_ip6(&k, PEER6, HOST6, IPM_PROTO_DSTOPTS, p, m);
		set("ip6-protocol-octet", values[i]);
		cr_expect_eq(in_run(&b, &k), IPM_R_OK);
		cr_assert_eq(path_count(&b, IPM_FX_TAP), 1);
		cr_expect_eq(path_nth(&b, IPM_FX_TAP, 0)->packet[6],
		    i == 0 ? IPM_PROTO_UDP : IPM_PROTO_DSTOPTS);
		cr_expect_eq(path_nth(&b, IPM_FX_TAP, 0)->packet[40],
		    i == 0 ? IPM_PROTO_ESP : IPM_PROTO_UDP);
	}
}

/* --- enc(4) ------------------------------------------------------------------------------ */

/* [MAN-enc-02] [MAN-enc-03] [MAN-enc-05] [MAN-enc-06] */
Test(ipsecin, enc0_by_its_masks)
{
	uint8_t p[512];
	size_t n = inner(p, false);

	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TUNNEL, 0);
	esp(false, 0x1000, 1, 4, p, n);
	for (int64_t mask = 0; mask < 4; mask++) {
		const struct path_fx *fx;

		sysvar("net.enc.in.ipsec_bpf_mask", mask);
		b.s.host.enc_up = 0;
		cr_expect_eq(in_run(&b, &k), IPM_R_OK);
		cr_expect_eq(path_count(&b, IPM_FX_TAP), 0);
		b.s.host.enc_up = 1;
		cr_expect_eq(in_run(&b, &k), IPM_R_OK);
		cr_expect_eq(path_count(&b, IPM_FX_TAP),
		    (size_t)((mask & 1) + (mask >> 1)));
		if (mask == 0)
			continue;
		fx = path_nth(&b, IPM_FX_TAP, 0);
		cr_expect_eq(fx->spi, 0x1000);
		/* NULL is a cipher that is set. */
		cr_expect_eq(fx->enc_flags, 0x0400);
		cr_expect_eq(fx->before, (mask & 1) != 0);
		/* Opened, the outer header still there: 20 octets more. */
		cr_expect_eq(fx->len, (mask & 1) != 0 ? n + 20 : n);
	}
	cr_expect_eq(b.s.host.enc_packets[0], 4);
	cr_expect_eq(b.s.host.enc_octets[0], 4 * (n + 20));
}

Test(ipsecin, enc0_refuses)
{
	uint8_t p[512];
	size_t n = inner(p, false);

	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TUNNEL, 0);
	esp(false, 0x1000, 1, 4, p, n);
	b.s.host.enc_up = 1;
	b.s.host.n_filters = 1;
	b.s.host.filter[0] = (struct ipm_filter){ .at = IPM_FILTER_ENC_IN,
		.proto = 255,
		.src = path_addr("10.2.0.7"),
		.src_prefix = 32 };
	/* The mask 1 shows the outer header, 2 the inner one. */
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	sysvar("net.enc.in.ipsec_filter_mask", 2);
	expect(IPM_R_FILTERED,
	    "esps_input 1 esps_ibytes 36 esps_hist[11] 1 ips_total 1");
}

/* --- ECN at the exit ---------------------------------------------------------------------- */

static uint8_t
exit_tos(uint8_t outer, uint8_t in)
{
	uint8_t p[512];
	struct in_packet whole;
	const struct path_fx *fx;
	size_t n = inner(p, false);

	memcpy(whole.p, p, n);
	whole.p[1] = in;
	in_resum(&whole);
	esp(false, 0x1000, 1, 4, whole.p, n);
	k.p[1] = outer;
	in_resum(&k);
	b.s.host.enc_up = 1;
	sysvar("net.enc.in.ipsec_bpf_mask", 2);
	if (in_run(&b, &k) != IPM_R_OK)
		return 0xff;
	fx = path_nth(&b, IPM_FX_TAP, 0);
	return fx->packet[1];
}

/*
 * [MAN-ecn-04] [MAN-ecn-06] gif(4): the outer bit 0x01 is taken over when the
 * sysctl is not 0.  [ARCH-5.1.2.1-04] [ARCH-5.1.2.1-05] the checksum follows,
 * or the inner packet would not be delivered.
 */
Test(ipsecin, congestion_marks)
{
	static const char *const ecn = "net.inet.ipsec.ecn";

	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TUNNEL, 0);
	for (int64_t v = 0; v < 3; v++) {
		sysvar(ecn, v);
		cr_expect_eq(exit_tos(3, 2), 2, "FreeBSD does nothing");
		cr_expect_eq(exit_tos(3, 0), 0);
	}
	set("ecn-decap-sysctl", "on");
	sysvar(ecn, 0);
	cr_expect_eq(exit_tos(3, 2), 2);
	sysvar(ecn, 1);
	cr_expect_eq(exit_tos(3, 2), 3);
	cr_expect_eq(exit_tos(2, 2), 2);
	set("ecn-decap-sysctl", "off");
	set("ecn-decap", "ce");
	cr_expect_eq(exit_tos(3, 2), 3);
	cr_expect_eq(exit_tos(3, 0), 0);
	set("ecn-decap", "rfc6040");
	cr_expect_eq(exit_tos(3, 0), 0xff);
}

/* --- IPcomp's packets that did not get smaller ------------------------------------------- */

static void
comp_sa(const char *src, const char *dst, uint32_t cpi)
{
	struct ipm_sa_config c = { .src = path_addr(src),
		.dst = path_addr(dst),
		.proto = IPM_PROTO_IPCOMP,
		.spi = cpi,
		.mode = IPM_MODE_TUNNEL,
		.comp = ipm_alg_by_name("deflate") };
	ipm_off off;

	cr_assert_eq(
	    ipm_sad_add(&b.s.sad, &b.s.arena, &b.mem.alloc, 1, &c, &off),
	    IPM_OK);
	((struct ipm_sa *)ipm_arena_at(&b.s.arena, off))->state = IPM_SA_MATURE;
}

/* [IPCOMP-2.2-05] */
Test(ipsecin, a_tunnel_that_declined_to_compress)
{
	uint8_t p[512];
	size_t n = inner(p, false);

	in_ip(&k, PEER, HOST, 4, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_PROTOCOL);
	comp_sa(PEER, HOST, 0x1000);
	comp_sa(PEER6, HOST6, 0x1001);
	expect(IPM_R_OK,
	    "ipcomps_input 1 ipcomps_ibytes 33 ips_total 2 "
	    "ips_delivered 2 udps_ipackets 1");
	sysvar("net.inet.ipcomp.ipcomp_enable", 0);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_PROTOCOL);
	sysvar("net.inet.ipcomp.ipcomp_enable", 1);
	in_ip(&k, PEER6, HOST6, 4, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_PROTOCOL);
	set("ipcomp-plain-tunnel6", "open");
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
}

static size_t
filter_looks(void)
{
	size_t n = 0;

	for (size_t i = 0; i < b.n_fx; i++)
		n += b.fx[i].kind == IPM_FX_FILTER &&
		    b.fx[i].at == IPM_FILTER_IN;
	return n;
}

/* IPcomp leaves no tag: what came out of it alone is filtered again (facts
 * datapath 2.11).  [MAN-filtertunnel-04] */
Test(ipsecin, the_filter_sees_what_was_only_compressed)
{
	uint8_t p[512] = { 4, 0, 0x10, 0, 1 };
	size_t n = inner(p + 9, false);

	/* RFC 1951 3.2.4: a stored block. */
	p[5] = (uint8_t)n;
	p[6] = (uint8_t)(n >> 8);
	p[7] = (uint8_t)~p[5];
	p[8] = (uint8_t)~p[6];
	b.s.host.filter_installed = 1;
	comp_sa(PEER, HOST, 0x1000);
	(void)in_sa(&b, PEER, HOST, 0x2000, IPM_MODE_TUNNEL, 0);
	in_ip(&k, PEER, HOST, IPM_PROTO_IPCOMP, p, n + 9);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(filter_looks(), 2);
	esp(false, 0x2000, 1, 4, p + 9, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(filter_looks(), 1);
}

/* A fragment that came encrypted is not answered about when its time is over
 * (facts datapath 3.8, Q23). */
Test(ipsecin, the_clock_ends_a_decrypted_fragment)
{
	static const uint8_t fragment[24] = { 17, 0, 0, 1, 0, 0, 0, 7 };

	(void)in_sa(&b, PEER6, HOST6, 0x1000, IPM_MODE_TUNNEL, 0);
	for (unsigned protect = 0; protect < 2; protect++) {
		in_ip6(&k, PEER6, HOST6, 44, fragment, sizeof fragment);
		if (protect) {
			struct in_packet in = k;

			esp(true, 0x1000, 1, 41, in.p, in.len);
		}
		cr_assert_eq(in_run(&b, &k), IPM_R_FRAG_PENDING);
		b.env.sec += 60;
		b.n_fx = 0;
		ipm_clock(&b.path);
		cr_expect_eq(path_count(&b, IPM_FX_DROP), 1);
		cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), protect ? 0 : 1);
		cr_expect_eq(b.s.stats.v[IPM_ST_ICMP6_canterror], protect);
	}
}

/* Q12 (switch ipcomp-limit): 70000 octets, of which IP input keeps 4464. */
Test(recorded, the_switch_ipcomp_limit)
{
	struct outcome wrap = outcome("policy-selection", "ipcomp-in-v4", 15,
	    "ipcomp-limit", "wrap", IPM_ST_IPCOMP_noxform);
	struct outcome refuse = outcome("policy-selection", "ipcomp-in-v4", 15,
	    "ipcomp-limit", "refuse", IPM_ST_IPCOMP_noxform);

	cr_expect_eq(wrap.fate, IPM_R_SEGMENT_BAD);
	cr_expect_eq(wrap.counted, 0);
	cr_expect_eq(refuse.fate, IPM_R_INFLATE_TOO_BIG);
	cr_expect_eq(refuse.counted, 1);
}

/* --- ESP in UDP ------------------------------------------------------------------------------ */

static void
natt(const uint8_t *data, size_t len)
{
	uint8_t p[512];
	size_t n = in_udp(p, PEER, HOST, 31001, 4500, data, len);

	in_ip(&k, PEER, HOST, 17, p, n);
}

static void
natt_setup(void)
{
	ipm_off off = in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TRANSPORT, 0);
	struct ipm_sa *sa = ipm_arena_at(&b.s.arena, off);

	sa->flags |= IPM_SAF_NATT;
	sa->sport = 31001;
	sa->dport = 4500;
	off = in_socket(&b, 4, IPM_PROTO_UDP, 4500, false);
	((struct ipm_pcb *)ipm_arena_at(&b.s.arena, off))->encap =
	    IPM_ENCAP_ESPINUDP;
}

/* [NATT-2.3-03] [NATT-2.2-01] [NATT-2.3-04] */
Test(ipsecin, keepalives_and_ike)
{
	natt_setup();
	natt((const uint8_t *)"\xff", 1);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	cr_expect_eq(path_count(&b, IPM_FX_DELIVER), 1);
	set("natt-keepalive", "consume");
	cr_expect_eq(in_run(&b, &k), IPM_R_KEEPALIVE);
	cr_expect_eq(path_count(&b, IPM_FX_DELIVER), 0);
	natt((const uint8_t *)"\0\0\0\0ike", 7);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	natt((const uint8_t *)"abc", 3);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
}

/* [NATT-3.3-01] */
Test(ipsecin, esp_in_udp_with_esp_switched_off)
{
	uint8_t p[512], q[512];
	size_t n = datagram(p, false), m = in_esp(q, 0x1000, 1, 17, p, n);

	natt_setup();
	sysvar("net.inet.esp.esp_enable", 0);
	natt(q, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	set("natt-esp-enable", "obey");
	cr_expect_eq(in_run(&b, &k), IPM_R_PROTO_DISABLED);
	cr_expect(counted("esps_pdrops 1"));
}

/* [NATT-ports-01] [NATT-ports-02] [NATT-ports-03] */
Test(ipsecin, ports_of_the_encapsulation)
{
	uint8_t p[512], q[512];
	size_t n = datagram(p, false), m = in_esp(q, 0x1000, 1, 17, p, n);

	natt_setup();
	natt(q, m);
	ipm_store16(k.p + 20, 31002);
	ipm_store16(k.p + 26, 0);
	cr_expect_eq(in_run(&b, &k), IPM_R_ENCAP_MISMATCH);
	set("natt-ports", "any-source");
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	esp(false, 0x1000, 1, 17, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	set("natt-plain-esp", "refuse");
	cr_expect_eq(in_run(&b, &k), IPM_R_ENCAP_MISMATCH);
}

/* --- a bad tag (switch esp-bad-tag) ------------------------------------------------------- */

Test(ipsecin, a_wrong_tag_of_a_combined_mode)
{
	static const uint8_t key[20] = { 1, 2, 3 };
	struct ipm_sa_config c = { .src = path_addr(PEER),
		.dst = path_addr(HOST),
		.proto = IPM_PROTO_ESP,
		.spi = 0x1000,
		.mode = IPM_MODE_TRANSPORT,
		.enc = ipm_alg_by_name("aes-gcm-16"),
		.enc_key = { key, sizeof key } };
	uint8_t p[64] = { 0, 0, 0x10, 0, 0, 0, 0, 1 };
	ipm_off off;

	cr_assert_eq(
	    ipm_sad_add(&b.s.sad, &b.s.arena, &b.mem.alloc, 1, &c, &off),
	    IPM_OK);
	((struct ipm_sa *)ipm_arena_at(&b.s.arena, off))->state = IPM_SA_MATURE;
	in_ip(&k, PEER, HOST, IPM_PROTO_ESP, p, 48);
	expect(IPM_R_ICV_BAD,
	    "esps_badauth 1 esps_input 1 esps_ibytes 16 esps_hist[20] 1 "
	    "ahs_hist[11] 1 ips_total 1");
	set("esp-bad-tag", "noxform");
	expect(IPM_R_ICV_BAD,
	    "esps_noxform 1 esps_input 1 esps_ibytes 16 ips_total 1");
}

/* Nesting ends at the model's bound, wherever that is met. */
Test(ipsecin, nesting_ends)
{
	uint8_t p[4096];
	size_t n = datagram(p, false);
	uint8_t nh = 17;
	enum ipm_reason r;

	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TRANSPORT, 0);
	for (uint32_t depth = 1; depth <= 20; depth++) {
		n = in_esp(p, 0x1000, depth, nh, p, n);
		nh = IPM_PROTO_ESP;
		in_ip(&k, PEER, HOST, IPM_PROTO_ESP, p, n);
		r = in_run(&b, &k);
		cr_expect_eq(r,
		    depth < IPM_IN_DONE_MAX ? IPM_R_OK : IPM_R_NESTED_TOO_DEEP,
		    "%u: %s", depth, ipm_reasons[r].name);
	}
}

/* --- what the standards ask of a receiver ------------------------------------------------- */

/*
 * [ESP-3.4.2-01] [AH-3.4.2-01] [ESP-4-04] [AH-4-03] [ARCH-9-02] Nothing of what
 * is refused is delivered, and its sender is told nothing.
 */
Test(ipsecin, the_sender_is_told_nothing)
{
	static const uint32_t spis[] = { 0, 255, 0x1001, 0xffffffff };
	uint8_t p[64], e[128];
	size_t n = datagram(p, false), m;

	window_sa();
	m = in_esp(e, 0x1000, 1, 17, p, n);
	for (size_t i = 0; i < 4; i++) {
		ipm_store32(e, spis[i]);
		in_ip(&k, PEER, HOST, IPM_PROTO_ESP, e, m);
		cr_expect_eq(in_run(&b, &k), IPM_R_NO_SA);
		cr_expect_eq(b.n_fx, 1);
	}
	/* Another protocol with the SPI, another of the host's addresses. */
	ipm_store32(e, 0x1000);
	ipm_store32(e + 4, 0x1000);
	in_ip(&k, PEER, HOST, IPM_PROTO_AH, e, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_SA);
	cr_expect_eq(b.n_fx, 1);
	/* [ARCH2401-5.2.1-01] */
	ipm_store32(e + 4, 1);
	in_ip(&k, PEER, "10.1.0.1", IPM_PROTO_ESP, e, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_SA);
	cr_expect_eq(b.n_fx, 1);
	/* [ARCH2401-5.1.2.1-03] The source is nobody's business here. */
	n = in_udp(p, "10.2.0.9", HOST, 5, 9000, "hello", 5);
	m = in_esp(e, 0x1000, 1, 17, p, n);
	in_ip(&k, "10.2.0.9", HOST, IPM_PROTO_ESP, e, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
}

/* [ESP-3.4.4.1-06] A dummy: no delivery, no policy asked, the window moved. */
Test(ipsecin, dummies)
{
	uint8_t p[64];
	size_t n = datagram(p, false);

	window_sa();
	esp(false, 0x1000, 1, IPM_PROTO_NONE, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_DUMMY);
	cr_expect_eq(in_run(&b, &k), IPM_R_REPLAYED);
	/* Before, 59 was as any unknown protocol. */
	set("esp-dummy", "pass");
	esp(false, 0x1000, 2, IPM_PROTO_NONE, p, n);
	cr_expect_eq(in_run(&b, &k), IPM_R_NO_PROTOCOL);
}

/* [ARCH-4.1-10] [ESP-2.2-03] Parallel SAs in any order; without a window a
 * packet may come twice. */
Test(ipsecin, parallel_sas)
{
	uint8_t p[64];
	size_t n = datagram(p, false);

	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TRANSPORT, 32);
	(void)in_sa(&b, PEER, HOST, 0x1001, IPM_MODE_TRANSPORT, 32);
	(void)in_sa(&b, PEER, HOST, 0x1002, IPM_MODE_TRANSPORT, 0);
	for (uint32_t seq = 5; seq != 0; seq--)
		for (uint32_t spi = 0x1000; spi < 0x1003; spi++) {
			esp(false, spi, seq, 17, p, n);
			cr_expect_eq(in_run(&b, &k), IPM_R_OK);
			cr_expect_eq(in_run(&b, &k),
			    spi == 0x1002 ? IPM_R_OK : IPM_R_REPLAYED);
		}
}

/* [ARCH-4.1-11] [ARCH-5.1.2-07] [ARCH-5.1.2.2-07] Code points are not checked,
 * and not copied. */
Test(ipsecin, code_points)
{
	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TUNNEL, 0);
	for (unsigned outer = 0; outer < 256; outer += 4)
		cr_expect_eq(exit_tos((uint8_t)outer, 0x28), 0x28);
}

/* [ARCH-5.1.2-03] The inner header is the sender's, options included;
 * [ARCH-5.1.2.1-12] [ARCH-5.1.2.2-05] the outer one may have some as well. */
Test(ipsecin, options_inside_and_outside)
{
	static const uint8_t nop[4] = { 1, 1, 1, 0 };
	static struct in_packet in;
	uint8_t udp[64], e[256];
	size_t n = in_udp(udp, "10.2.0.7", "10.1.0.5", 5, 9, "hello", 5), m;

	(void)in_sa(&b, PEER, HOST, 0x1000, IPM_MODE_TUNNEL, 0);
	(void)in_sa(&b, PEER6, HOST6, 0x1001, IPM_MODE_TUNNEL, 0);
	in_ip4(&in, "10.2.0.7", "10.1.0.5", 17, nop, 4, udp, n);
	m = in_esp(e, 0x1000, 1, 4, in.p, in.len);
	in_ip4(&k, PEER, HOST, IPM_PROTO_ESP, nop, 4, e, m);
	in.p[8]--;
	in_resum(&in);
	cr_expect_eq(in_run(&b, &k), IPM_R_FORWARDED);
	cr_expect_eq(path_nth(&b, IPM_FX_TRANSMIT, 0)->len, in.len);
	cr_expect_arr_eq(
	    path_nth(&b, IPM_FX_TRANSMIT, 0)->packet, in.p, in.len);
	/* IPv6 outside: behind destination options. */
	in.p[8]++;
	in_resum(&in);
	memset(e, 0, 8);
	e[0] = IPM_PROTO_ESP;
	m = 8 + in_esp(e + 8, 0x1001, 1, 4, in.p, in.len);
	in_ip6(&k, PEER6, HOST6, IPM_PROTO_DSTOPTS, e, m);
	in.p[8]--;
	in_resum(&in);
	cr_expect_eq(in_run(&b, &k), IPM_R_FORWARDED);
	cr_expect_arr_eq(
	    path_nth(&b, IPM_FX_TRANSMIT, 0)->packet, in.p, in.len);
}

/* [AH-3.3.3.1-06] What does not pass IP never reaches IPsec; [ESP-3.4.1-01]
 * [AH-3.4.1-01] nor does a fragment. */
Test(ipsecin, what_does_not_reach_ipsec)
{
	uint8_t p[128] = { 0 };
	size_t n = path_hex(p, sizeof p, "33009e0401020304");

	in_ip6(&k, PEER6, HOST6, IPM_PROTO_DSTOPTS, p, n + 24);
	cr_expect_eq(in_run(&b, &k), IPM_R_OPTION_UNKNOWN);
	cr_expect_eq(path_count(&b, IPM_FX_TRANSMIT), 1);
	cr_expect(!counted("ahs_input"));
	for (size_t i = 0; i < 2; i++) {
		in_ip(&k, PEER, HOST, i == 0 ? IPM_PROTO_ESP : IPM_PROTO_AH, p,
		    64);
		k.p[6] = 0x20;
		in_resum(&k);
		cr_expect_eq(in_run(&b, &k), IPM_R_FRAG_PENDING);
		cr_expect(!counted("ahs_input") && !counted("esps_input"));
	}
}

/* [NATT-2.1-03] A checksum that is there is right; [NATT-2.3-02] a keepalive
 * may have one; [NATT-5.2-02] SPI and port tell SAs behind one NAT apart. */
Test(ipsecin, checksums_and_clients_behind_a_nat)
{
	uint8_t p[512], q[512];
	size_t n = datagram(p, false), m = in_esp(q, 0x1000, 1, 17, p, n);
	ipm_off off;
	struct ipm_sa *sa;

	natt_setup();
	natt(q, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
	k.p[27] ^= 1;
	cr_expect_eq(in_run(&b, &k), IPM_R_UDP_BAD);
	set("natt-keepalive", "consume");
	natt((const uint8_t *)"\xff", 1);
	cr_expect_eq(in_run(&b, &k), IPM_R_KEEPALIVE);
	ipm_store16(k.p + 26, 0);
	cr_expect_eq(in_run(&b, &k), IPM_R_KEEPALIVE);
	off = in_sa(&b, PEER, HOST, 0x1001, IPM_MODE_TRANSPORT, 0);
	sa = ipm_arena_at(&b.s.arena, off);
	sa->flags |= IPM_SAF_NATT;
	sa->sport = 31002;
	sa->dport = 4500;
	m = in_esp(q, 0x1001, 1, 17, p, n);
	natt(q, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_ENCAP_MISMATCH);
	ipm_store16(k.p + 20, 31002);
	ipm_store16(k.p + 26, 0);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
}

/* [NATT-3.1.2-05] A tunnel's TCP checksum is verified, whatever is known. */
Test(ipsecin, tcp_checksums_in_a_tunnel_behind_a_nat)
{
	static struct in_packet in;
	uint8_t t[20], e[128];
	size_t m;
	struct ipm_sa *sa;

	natt_setup();
	(void)in_socket(&b, 4, IPM_PROTO_TCP, 8000, false);
	sa = ipm_arena_at(
	    &b.s.arena, in_sa(&b, PEER, HOST, 0x1001, IPM_MODE_TUNNEL, 0));
	sa->flags |= IPM_SAF_NATT;
	sa->sport = 31001;
	sa->dport = 4500;
	(void)in_tcp(t, "10.2.0.7", HOST, 5, 8000, 1, 0, 0x02);
	t[16] ^= 1;
	in_ip(&in, "10.2.0.7", HOST, IPM_PROTO_TCP, t, 20);
	m = in_esp(e, 0x1001, 1, 4, in.p, in.len);
	natt(e, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_SEGMENT_BAD);
	/* In transport mode nobody looks. */
	(void)in_tcp(t, PEER, HOST, 5, 8000, 1, 0, 0x02);
	t[16] ^= 1;
	m = in_esp(e, 0x1000, 1, IPM_PROTO_TCP, t, 20);
	natt(e, m);
	cr_expect_eq(in_run(&b, &k), IPM_R_OK);
}

/* [AH-3.4.3-06] The sequence number is looked at before the ICV. */
Test(ipsecin, an_old_number_with_a_bad_icv)
{
	static const uint8_t key[20] = { 9 };
	struct ipm_sa_config c = { .src = path_addr(PEER),
		.dst = path_addr(HOST),
		.proto = IPM_PROTO_AH,
		.spi = 0x1000,
		.mode = IPM_MODE_TRANSPORT,
		.auth = ipm_alg_by_name("hmac-sha1"),
		.auth_key = { key, sizeof key },
		.window = 32,
		.last_seq = 100 };
	uint8_t p[64] = { 17, 4, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 1 };
	ipm_off off;

	cr_assert_eq(
	    ipm_sad_add(&b.s.sad, &b.s.arena, &b.mem.alloc, 1, &c, &off),
	    IPM_OK);
	((struct ipm_sa *)ipm_arena_at(&b.s.arena, off))->state = IPM_SA_MATURE;
	in_ip(&k, PEER, HOST, IPM_PROTO_AH, p, 40);
	set("replay-left-late", "off");
	expect(IPM_R_LEFT_OF_WINDOW, "ahs_replay 1 ahs_input 1 ips_total 1");
	set("replay-left-late", "on");
	expect(IPM_R_ICV_BAD,
	    "ahs_badauth 1 ahs_input 1 ahs_ibytes 16 ahs_hist[3] 1 "
	    "ips_total 1");
}

/* [MAN-debug-03] */
Test(ipsecin, debugging_changes_nothing)
{
	char text[256];

	window_sa();
	cr_expect_eq(numbered(1), IPM_R_OK);
	(void)snprintf(text, sizeof text, "%s", in_counted(&b));
	sysvar("net.inet.ipsec.debug", 1);
	cr_expect_eq(numbered(2), IPM_R_OK);
	cr_expect_str_eq(in_counted(&b), text);
}
