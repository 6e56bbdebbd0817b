/*
 * IPSEC_OUTPUT and what sockets send.  Expected values: the recordings
 * outbound-algorithms, outbound-misc, policy-selection, natt (packets opened by
 * their receiver's key), facts of ipsec_output.c, RFC 4301 5.1.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
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

Test(output_rows, rows_of_the_table)
{
	for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
		const struct ipm_reason_row *r = &ipm_reasons[fates[i].reason];

		cr_expect_str_eq(r->name, fates[i].name);
		cr_expect_eq(r->verdict, fates[i].verdict, "%s", r->name);
		cr_expect_eq(r->err, fates[i].err, "%s", r->name);
	}
}

/* --- a host with SAs --------------------------------------------------------- */

struct fixture {
	struct path_box b;
	uint8_t octets[70000];
	struct ipm_pkt m;
};

static struct fixture *f;

static void
open_box(void)
{
	f = calloc(1, sizeof *f);
	cr_assert_not_null(f);
	path_box_open(&f->b);
}

static void
close_box(void)
{
	path_box_close(&f->b);
	free(f);
}

struct sa_text {
	const char *src, *dst;
	uint8_t proto, mode;
	uint32_t spi, reqid;
	const char *enc, *enc_key, *auth, *auth_key;
	uint32_t flags;
	uint16_t sport, dport; /* NAT-T */
};

static struct ipm_sa *
sa_at(ipm_off off)
{
	return ipm_arena_at(&f->b.s.arena, off);
}

/* A head and a mature SA of it; the head is shared with an equal one. */
static ipm_off
add_sa(const struct sa_text *t)
{
	static const uint8_t zero[64];
	struct ipm_saidx idx = { .src = path_addr(t->src),
		.dst = path_addr(t->dst),
		.reqid = t->reqid,
		.proto = t->proto,
		.mode = t->mode };
	struct ipm_sa_fill fill = {
		.flags = t->flags, .sport = t->sport, .dport = t->dport
	};
	struct ipm_sa_natt natt = { 0 };
	uint8_t ek[64], ak[64];
	ipm_off sah = 0, off;

	for (ipm_off h = f->b.s.sad.sah_first; h != 0;) {
		const struct ipm_sah *head = ipm_arena_at(&f->b.s.arena, h);
		struct ipm_saidx have = ipm_sah_idx(head);

		if (ipm_saidx_match(&have, &idx, IPM_CMP_EXACTLY))
			sah = h;
		h = head->next;
	}
	if (t->enc != NULL) {
		fill.enc = ipm_alg_by_name(t->enc);
		cr_assert_not_null(fill.enc, "%s", t->enc);
		fill.enc_key = t->enc_key == NULL
		    ? ipm_span(zero, fill.enc->key_min + fill.enc->salt_len)
		    : ipm_span(ek, path_hex(ek, sizeof ek, t->enc_key));
		fill.sadb_enc = fill.enc->sadb_freebsd;
	}
	if (t->auth != NULL) {
		fill.auth = ipm_alg_by_name(t->auth);
		cr_assert_not_null(fill.auth, "%s", t->auth);
		fill.auth_key = t->auth_key == NULL
		    ? ipm_span(zero, fill.auth->key_min)
		    : ipm_span(ak, path_hex(ak, sizeof ak, t->auth_key));
		fill.sadb_auth = fill.auth->sadb_freebsd;
	}
	if (t->proto == IPM_PROTO_IPCOMP)
		fill.comp = ipm_alg_by_name("deflate");
	if (t->dport != 0) {
		fill.natt = &natt;
		fill.flags |= IPM_SAF_NATT;
	}
	if (sah == 0)
		cr_assert_eq(ipm_sah_make(&f->b.s.sad, &f->b.s.arena,
				 &f->b.mem.alloc, &idx, &sah),
		    IPM_OK);
	cr_assert_eq(ipm_sa_make(&f->b.s.sad, &f->b.s.arena, &f->b.mem.alloc,
			 900, sah, t->spi, &fill, &off),
	    IPM_OK);
	return off;
}

/* ESP with NULL and HMAC-SHA1 between blk1 and its peer. */
static const struct sa_text esp_plain = { .src = "192.0.2.1",
	.dst = "192.0.2.2",
	.proto = 50,
	.mode = IPM_MODE_TRANSPORT,
	.spi = 0x1000,
	.enc = "null",
	.auth = "hmac-sha1" };
static const struct sa_text ah_plain = { .src = "192.0.2.1",
	.dst = "192.0.2.2",
	.proto = 51,
	.mode = IPM_MODE_TRANSPORT,
	.spi = 0x1001,
	.auth = "hmac-sha1" };

static ipm_off
udp_socket(uint8_t family, const char *laddr)
{
	struct ipm_pcb as = { .id = f->b.s.pcbs.count + 1,
		.family = family,
		.proto = 17,
		.lport = 9000 };
	ipm_off off;

	as.laddr.family = as.faddr.family = family;
	if (laddr != NULL)
		as.laddr = path_addr(laddr);
	cr_assert_eq(ipm_pcb_open(&f->b.s.pcbs, &f->b.s.arena, &f->b.mem.alloc,
			 &as, &off),
	    IPM_OK);
	return off;
}

static ipm_off
policy_of(
    const char *src, const char *dst, const struct ipm_request *req, uint8_t n)
{
	return path_policy(&f->b, IPM_DIR_OUT, src, dst, IPM_ULP_ANY,
	    n == 0 ? IPM_POLICY_DISCARD : IPM_POLICY_IPSEC, req, n);
}

static struct ipm_request
transport(uint8_t proto, enum ipm_level level)
{
	return path_request(proto, IPM_MODE_TRANSPORT, NULL, NULL, level, 0);
}

/* A datagram of n octets from the socket to the peer. */
static enum ipm_reason
send_udp(ipm_off pcb, const char *to, size_t n, int *err)
{
	static uint8_t data[70000];
	struct ipm_addr a = path_addr(to);

	memset(data, 'a', sizeof data);
	f->b.n_fx = f->b.n_wanted = 0;
	return ipm_udp_send(&f->b.path, pcb, &a, 7000, ipm_span(data, n), err);
}

static uint64_t
stat(enum ipm_stat s)
{
	return f->b.s.stats.v[s];
}

/* A packet as ip_forward hands it over. */
static int
forward_hex(const char *hex, enum ipm_reason *fate)
{
	f->b.n_fx = f->b.n_wanted = 0;
	f->m = (struct ipm_pkt){ .p = f->octets, .forwarded = true };
	f->m.len = path_hex(f->octets, sizeof f->octets, hex);
	*fate = IPM_R_FORWARDED;
	cr_assert_eq(
	    ipm_derived_sync(&f->b.d, &f->b.s.sad, &f->b.s.arena), IPM_OK);
	return ipm_ipsec_output(&f->b.path, &f->m, 0, true, fate);
}

static void
expect_sent(size_t i, int iface, const char *hex)
{
	uint8_t want[4096];
	size_t n = path_hex(want, sizeof want, hex);
	const struct path_fx *fx = path_nth(&f->b, IPM_FX_TRANSMIT, i);

	cr_assert_eq(fx->iface, iface);
	cr_assert_eq(fx->len, n, "%zu octets, not %zu", fx->len, n);
	for (size_t k = 0; k < n; k++)
		cr_assert_eq(fx->packet[k], want[k], "octet %zu", k);
}

TestSuite(output, .init = open_box, .fini = close_box);

/* --- packets of the recordings, to the octet ----------------------------------- */

/* natt out-transport-null-4500-31001, step 2, payload 5 octets being the second
 * packet.  [NATT-2.1-01] [NATT-2.1-02] [NATT-3.2-01] [NATT-3.2-02] */
Test(output, esp_in_udp_as_recorded)
{
	struct ipm_request req = transport(50, IPM_LEVEL_REQUIRE);
	struct sa_text t = esp_plain;
	struct ipm_addr to = path_addr("192.0.2.2");
	static const uint8_t five[] = { 0x20, 0x27, 0x2e, 0x35, 0x3c };
	ipm_off pcb = udp_socket(4, NULL);
	int err;

	t.auth_key = "a42507670a497b6b2028baca9387cacfd31c421a";
	t.sport = 4500;
	t.dport = 31001;
	add_sa(&t);
	policy_of("192.0.2.1", "192.0.2.2", &req, 1);
	f->b.s.host.ip_id = 0x1406;
	cr_expect_eq(
	    ipm_udp_send(&f->b.path, pcb, &to, 7000, ipm_span(NULL, 0), &err),
	    IPM_R_SENT);
	cr_expect_eq(err, 0);
	expect_sent(0, PATH_BLK1,
	    "4500003c140600004011e2a7c0000201c0000202"
	    "1194791900280000000010000000000123281b5800083d5a01020211"
	    "163e2ff7f5f88b35cb38f870");
	ipm_udp_send(&f->b.path, pcb, &to, 7000, ipm_span(five, 5), &err);
	expect_sent(1, PATH_BLK1,
	    "45000040140700004011e2a2c0000201c0000202"
	    "11947919002c0000000010000000000223281b58000db2f320272e353c"
	    "010111f9417428acef55417630eb6f");
	cr_expect_eq(stat(IPM_ST_ESP_output), 2);
	cr_expect_eq(stat(IPM_ST_ESP_obytes), 8 + 13);
	cr_expect_eq(f->b.s.stats.esp_hist[11], 2);
	cr_expect_eq(f->b.s.stats.ah_hist[3], 2);
	cr_expect_eq(stat(IPM_ST_IP_localout), 4);
	cr_expect_eq(stat(IPM_ST_UDP_opackets), 2);
}

/* outbound-algorithms esp-tunnel-4in6-aes-gcm-16-256-noauth: the counter IV
 * begins at 0; [MAN-mode-03] [ARCH-4.1-20] [ARCH-5.1.2-01]. */
Test(output, gcm_tunnel_4in6_as_recorded)
{
	static const char *const out[] = {
		"60000000004c324020010db8000b00000000000000000001"
		"20010db8000b00000000000000000002"
		"00001000000000010000000000000000"
		"1958a29deced76b29c810787b914720f2c0d9c8b4b6a1e9d8e194754735f1b35"
		"8d9b113a813fa4a551852d15effe68f966fb4acd09031c8fcc554af4",
	};
	struct sa_text t = { .src = "2001:db8:b::1",
		.dst = "2001:db8:b::2",
		.proto = 50,
		.mode = IPM_MODE_TUNNEL,
		.spi = 0x1000,
		.enc = "aes-gcm-16",
		.enc_key = "3d312cbb094326ca875e622b721bf990afc8a61ed8612951fa7"
			   "a9948fe14878fbf0f6171" };
	struct ipm_request req = path_request(50, IPM_MODE_TUNNEL,
	    "2001:db8:b::1", "2001:db8:b::2", IPM_LEVEL_REQUIRE, 0);
	ipm_off sa = add_sa(&t);
	enum ipm_reason fate;

	policy_of("10.1.0.0/24", "10.2.0.0/16", &req, 1);
	/* As injected, its TTL one less, the checksum not yet. */
	cr_expect_eq(forward_hex("4500002a123400003f1154810a0100050a020007"
				 "045708ae0016db7ad6dde4ebf2f900070e151c232a31",
			 &fate),
	    IPM_CONSUMED);
	cr_expect_eq(fate, IPM_R_FORWARDED);
	expect_sent(0, PATH_BLK1, out[0]);
	cr_expect_eq(sa_at(sa)->out_seq, 1);
	cr_expect_eq(sa_at(sa)->out_iv, 1);
	/* Facts 4.3: the whole packet with its outer header. */
	cr_expect_eq(sa_at(sa)->octets, 40 + 76);
	cr_expect_eq(sa_at(sa)->packets, 1);
	cr_expect_eq(sa_at(sa)->first_use, 1000);
	cr_expect_eq(f->b.s.stats.esp_hist[20], 1);
}

Test(output, estimate_of_headers)
{
	/* Facts datapath 3.9. */
	static const struct {
		uint8_t proto;
		enum ipm_mode mode;
		const char *end;
		size_t octets;
	} rows[] = {
		{ 50, IPM_MODE_TRANSPORT, NULL, 49 },
		{ 51, IPM_MODE_TRANSPORT, NULL, 28 },
		{ 108, IPM_MODE_TRANSPORT, NULL, 4 },
		{ 50, IPM_MODE_TUNNEL, "192.0.2.2", 69 },
		{ 51, IPM_MODE_TUNNEL, "2001:db8:b::2", 68 },
	};
	struct ipm_request all[4];
	ipm_off sp;

	f->m = (struct ipm_pkt){ .p = f->octets };
	f->m.len = path_udp(f->octets, "192.0.2.1", "192.0.2.2", 1, 2, 8);
	cr_expect_eq(ipm_header_estimate(&f->b.path, &f->m, 0), 0);
	for (size_t i = 0; i < 5; i++) {
		struct ipm_request req = path_request(rows[i].proto,
		    rows[i].mode, rows[i].end, rows[i].end, IPM_LEVEL_USE, 0);

		if (i < 4)
			all[i] = req;
		sp = policy_of("192.0.2.1", "192.0.2.2", &req, 1);
		cr_expect_eq(ipm_header_estimate(&f->b.path, &f->m, 0),
		    rows[i].octets, "row %zu", i);
		ipm_spd_del(&f->b.s.spd, &f->b.s.arena, sp);
	}
	sp = policy_of("192.0.2.1", "192.0.2.2", all, 4);
	cr_expect_eq(
	    ipm_header_estimate(&f->b.path, &f->m, 0), 49 + 28 + 4 + 69);
	ipm_spd_del(&f->b.s.spd, &f->b.s.arena, sp);
	policy_of("192.0.2.1", "192.0.2.2", NULL, 0);
	cr_expect_eq(ipm_header_estimate(&f->b.path, &f->m, 0), 0);
}

/* policy-selection mss-v4-None-None-None. */
Test(output, syn_as_recorded)
{
	struct ipm_pcb as = { .id = 7, .family = 4, .proto = 6 };
	struct ipm_syn syn = { .seq = 0xeead7fe2,
		.timestamp = 0x6e7236a8,
		.window = 65535,
		.scale = 6 };
	struct ipm_addr to = path_addr("192.0.2.2");
	ipm_off pcb;
	int err;

	as.laddr.family = 4;
	as.faddr = to;
	as.lport = 0x4c03;
	cr_assert_eq(ipm_pcb_open(&f->b.s.pcbs, &f->b.s.arena, &f->b.mem.alloc,
			 &as, &pcb),
	    IPM_OK);
	cr_expect_eq(
	    ipm_tcp_connect(&f->b.path, pcb, &to, 80, &syn, &err), IPM_R_SENT);
	cr_expect_eq(err, 36);
	expect_sent(0, PATH_BLK1,
	    "4500003c000040004006b6b8c0000201c0000202"
	    "4c030050eead7fe200000000a002ffff63ff0000"
	    "020405b4010303060402080a6e7236a800000000");
	policy_of("0.0.0.0/0", "0.0.0.0/0", NULL, 0);
	f->b.n_fx = 0;
	((struct ipm_pcb *)ipm_arena_at(&f->b.s.arena, pcb))->faddr.octet[0] =
	    0; /* nothing cached */
	cr_expect_eq(ipm_tcp_connect(&f->b.path, pcb, &to, 80, &syn, &err),
	    IPM_R_POLICY_DISCARD);
	cr_expect_eq(err, 13);
}

/* --- policies ------------------------------------------------------------------ */

/* [MAN-sockopt-05] [MAN-sockopt-07] [MAN-defpolicy-02] [MAN-defpolicy-03]
 * [MAN-defpolicy-04] [ARCH-4.4.1-06] */
Test(output, by_the_type_of_the_policy)
{
	ipm_off p4 = udp_socket(4, NULL), p6 = udp_socket(6, NULL), sp;
	int err;

	cr_expect_eq(send_udp(p4, "192.0.2.2", 8, &err), IPM_R_SENT);
	f->b.s.sysctls.v[IPM_SV_DEF_POLICY] = 0;
	cr_expect_eq(send_udp(p4, "192.0.2.2", 8, &err), IPM_R_POLICY_DISCARD);
	cr_expect_eq(err, 13);
	cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT), 0);
	cr_expect_eq(path_count(&f->b, IPM_FX_DROP), 1);
	cr_expect_eq(stat(IPM_ST_IPS4_out_polvio), 1);
	cr_expect_eq(
	    send_udp(p6, "2001:db8:b::2", 8, &err), IPM_R_POLICY_DISCARD);
	cr_expect_eq(stat(IPM_ST_IPS6_out_polvio), 1);
	sp = policy_of("0.0.0.0/0", "0.0.0.0/0", NULL, 0);
	((struct ipm_sp *)ipm_arena_at(&f->b.s.arena, sp))->type =
	    IPM_POLICY_NONE;
	cr_expect_eq(send_udp(p4, "192.0.2.2", 8, &err), IPM_R_SENT);
	((struct ipm_sp *)ipm_arena_at(&f->b.s.arena, sp))->type =
	    IPM_POLICY_BYPASS;
	cr_expect_eq(send_udp(p4, "192.0.2.2", 8, &err), IPM_R_SENT);
	((struct ipm_sp *)ipm_arena_at(&f->b.s.arena, sp))->type =
	    IPM_POLICY_ENTRUST;
	cr_expect_eq(send_udp(p4, "192.0.2.2", 8, &err), IPM_R_POLICY_DISCARD);
}

/*
 * Facts datapath 3.3, "Outcome table for a single request without SA".
 * [MAN-level-01] [MAN-level-02] [MAN-level-05] [MAN-deflev-02]
 * [MAN-deflev-03] [MAN-deflev-13] [ARCH-5.1-04] [MAN-pfkey-04]
 */
Test(output, without_an_sa)
{
	static const struct {
		enum ipm_level level;
		int deflev, want_errno;
		bool enabled;
		enum ipm_reason fate;
		int err;
		uint64_t nosa, inval, pdrops;
	} rows[] = {
		{ IPM_LEVEL_USE, 1, 0, true, IPM_R_SENT, 0, 1, 0, 0 },
		{ IPM_LEVEL_REQUIRE, 1, 0, true, IPM_R_NO_SA_OUT, 0, 1, 1, 0 },
		{ IPM_LEVEL_UNIQUE, 1, 0, true, IPM_R_NO_SA_OUT, 0, 1, 1, 0 },
		{ IPM_LEVEL_DEFAULT, 1, 0, true, IPM_R_SENT, 0, 1, 0, 0 },
		{ IPM_LEVEL_DEFAULT, 2, 0, true, IPM_R_NO_SA_OUT, 0, 1, 1, 0 },
		{ IPM_LEVEL_DEFAULT, 3, 0, true, IPM_R_SENT, 0, 1, 0, 0 },
		{ IPM_LEVEL_USE, 1, 0, false, IPM_R_PROTO_DISABLED, 65, 0, 1,
		    1 },
		{ IPM_LEVEL_REQUIRE, 1, 0, false, IPM_R_PROTO_DISABLED, 65, 0,
		    1, 1 },
		{ IPM_LEVEL_USE, 1, 55, true, IPM_R_ACQUIRE_FAILED, 55, 1, 1,
		    0 },
	};
	ipm_off pcb = udp_socket(4, NULL);
	int err;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_request req = transport(50, rows[i].level);
		ipm_off sp = policy_of("192.0.2.1", "192.0.2.2", &req, 1);

		memset(&f->b.s.stats, 0, sizeof f->b.s.stats);
		f->b.s.sysctls.v[IPM_SV_ESP_TRANS_DEFLEV4] = rows[i].deflev;
		f->b.s.sysctls.v[IPM_SV_ESP_ENABLE] = rows[i].enabled;
		f->b.want_errno = rows[i].want_errno;
		cr_expect_eq(send_udp(pcb, "192.0.2.2", 8, &err), rows[i].fate,
		    "row %zu", i);
		cr_expect_eq(err, rows[i].err, "row %zu", i);
		cr_expect_eq(stat(IPM_ST_IPS4_out_nosa), rows[i].nosa);
		cr_expect_eq(stat(IPM_ST_IPS4_out_inval), rows[i].inval);
		cr_expect_eq(stat(IPM_ST_ESP_pdrops), rows[i].pdrops);
		cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT),
		    rows[i].fate == IPM_R_SENT, "row %zu", i);
		cr_expect_eq(path_count(&f->b, IPM_FX_DROP),
		    rows[i].fate != IPM_R_SENT, "row %zu", i);
		cr_expect_eq(f->b.n_wanted, rows[i].nosa, "row %zu", i);
		ipm_spd_del(&f->b.s.spd, &f->b.s.arena, sp);
	}
}

/* What is asked for: the ends left out are the packet's [MAN-sockopt-10]. */
Test(output, the_sa_that_is_wanted)
{
	struct ipm_request req = path_request(
	    51, IPM_MODE_TRANSPORT, NULL, NULL, IPM_LEVEL_UNIQUE, 77);
	ipm_off sp = policy_of("192.0.2.0/24", "192.0.2.0/24", &req, 1);
	struct ipm_addr src = path_addr("192.0.2.1");
	struct ipm_addr dst = path_addr("192.0.2.2");
	int err;

	((struct ipm_sp *)ipm_arena_at(&f->b.s.arena, sp))->sel.proto = 17;
	send_udp(udp_socket(4, NULL), "192.0.2.2", 8, &err);
	cr_assert_eq(f->b.n_wanted, 1);
	cr_expect(ipm_addr_equal(&f->b.wanted[0].src, &src));
	cr_expect(ipm_addr_equal(&f->b.wanted[0].dst, &dst));
	cr_expect_eq(f->b.wanted[0].reqid, 77);
	cr_expect_eq(f->b.wanted[0].proto, 51);
	cr_expect_eq(f->b.wanted[0].mode, IPM_MODE_TRANSPORT);
	cr_expect_eq(f->b.wanted[0].ulp, 17);
	cr_expect_eq(f->b.wanted[0].sp, sp);
}

/* --- the choice of an SA ------------------------------------------------------- */

static uint32_t
spi_sent(void)
{
	const struct path_fx *fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);

	return fx->packet[9] == 50 ? ipm_load32(fx->packet + 20) : 0;
}

/* Facts datapath 4.1.  [MAN-level-03] [ARCH-4.1-09] */
Test(output, which_sa)
{
	struct ipm_request req = transport(50, IPM_LEVEL_USE);
	struct sa_text t = esp_plain;
	ipm_off pcb = udp_socket(4, NULL), old, young;
	int err;

	policy_of("192.0.2.1", "192.0.2.2", &req, 1);
	old = add_sa(&t);
	t.spi = 0x2000;
	young = add_sa(&t);
	send_udp(pcb, "192.0.2.2", 8, &err);
	cr_expect_eq(spi_sent(), 0x1000, "the oldest");
	f->b.s.sysctls.v[IPM_SV_PREFERRED_OLDSA] = 0;
	send_udp(pcb, "192.0.2.2", 8, &err);
	cr_expect_eq(spi_sent(), 0x2000, "the newest");
	/* A dying one is as good. */
	sa_at(young)->state = IPM_SA_DYING;
	send_udp(pcb, "192.0.2.2", 8, &err);
	cr_expect_eq(spi_sent(), 0x2000);
	cr_expect_eq(ipm_sad_del(&f->b.s.sad, &f->b.s.arena, young), IPM_OK);
	send_udp(pcb, "192.0.2.2", 8, &err);
	cr_expect_eq(spi_sent(), 0x1000);
	/* The newest head that fits counts; mode ANY fits, a reqid does. */
	t.mode = IPM_MODE_ANY;
	t.spi = 0x3000;
	t.reqid = 5;
	add_sa(&t);
	send_udp(pcb, "192.0.2.2", 8, &err);
	cr_expect_eq(spi_sent(), 0x3000);
	t.mode = IPM_MODE_TUNNEL;
	t.spi = 0x4000;
	add_sa(&t);
	send_udp(pcb, "192.0.2.2", 8, &err);
	cr_expect_eq(spi_sent(), 0x3000, "a tunnel does not fit");
	cr_expect_eq(sa_at(old)->out_seq, 2);
}

/* Q24: a head without SA hides the others, by switch out-sa-heads. */
Test(output, empty_head)
{
	struct ipm_request req = transport(50, IPM_LEVEL_USE);
	struct sa_text t = esp_plain;
	ipm_off pcb = udp_socket(4, NULL), off;
	int err;

	policy_of("192.0.2.1", "192.0.2.2", &req, 1);
	add_sa(&t);
	t.reqid = 9;
	t.spi = 0x2000;
	off = add_sa(&t);
	cr_expect_eq(ipm_sad_del(&f->b.s.sad, &f->b.s.arena, off), IPM_OK);
	f->b.pf.value[IPM_SW_OUT_HEADS] = IPM_HEADS_FIRST;
	send_udp(pcb, "192.0.2.2", 8, &err);
	cr_expect_eq(spi_sent(), 0);
	cr_expect_eq(stat(IPM_ST_IPS4_out_nosa), 1);
	f->b.pf.value[IPM_SW_OUT_HEADS] = IPM_HEADS_ALL;
	send_udp(pcb, "192.0.2.2", 8, &err);
	cr_expect_eq(spi_sent(), 0x1000);
}

/* --- bundles ------------------------------------------------------------------- */

/* W8, policy-selection bundle-esp_transport+ah_transport-v4-use-1; by switch
 * bundle-tail.  [MAN-sockopt-09] */
Test(output, tail_of_a_bundle)
{
	struct ipm_request req[2] = { transport(50, IPM_LEVEL_REQUIRE),
		transport(51, IPM_LEVEL_USE) };
	ipm_off pcb = udp_socket(4, NULL);
	int err;

	policy_of("192.0.2.1", "192.0.2.2", req, 2);
	add_sa(&esp_plain);
	cr_expect_eq(
	    send_udp(pcb, "192.0.2.2", 144, &err), IPM_R_BUNDLE_TAIL_LOST);
	cr_expect_eq(err, 0);
	cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT), 0);
	cr_expect_eq(stat(IPM_ST_ESP_output), 1);
	cr_expect_eq(stat(IPM_ST_IPS4_out_bundlesa), 1);
	cr_expect_eq(stat(IPM_ST_IPS4_out_nosa), 1);
	cr_expect_eq(stat(IPM_ST_IPS4_out_inval), 0);
	f->b.pf.value[IPM_SW_BUNDLE_TAIL] = IPM_TAIL_SENT;
	cr_expect_eq(send_udp(pcb, "192.0.2.2", 144, &err), IPM_R_SENT);
	cr_expect_eq(spi_sent(), 0x1000);
	/* With the SA both are there, AH around ESP. */
	add_sa(&ah_plain);
	cr_expect_eq(send_udp(pcb, "192.0.2.2", 144, &err), IPM_R_SENT);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet[9], 51);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet[20], 50);
	/* A required one that is missing ends it, unheard (Q22). */
	f->b.n_fx = 0;
	req[1].level = IPM_LEVEL_REQUIRE;
	req[1].reqid = 99;
	ipm_spd_del(&f->b.s.spd, &f->b.s.arena, f->b.s.spd.first[IPM_DIR_OUT]);
	policy_of("192.0.2.1", "192.0.2.2", req, 2);
	cr_expect_eq(send_udp(pcb, "192.0.2.2", 144, &err), IPM_R_NO_SA_OUT);
	cr_expect_eq(err, 0);
}

/* Facts 3.7: only what was not handed to a provider reaches the caller again.
 */
Test(output, tail_behind_a_small_packet)
{
	struct ipm_request req[2] = { transport(108, IPM_LEVEL_REQUIRE),
		transport(51, IPM_LEVEL_USE) };
	struct sa_text t = { .src = "192.0.2.1",
		.dst = "192.0.2.2",
		.proto = 108,
		.mode = IPM_MODE_TRANSPORT,
		.spi = 2 };
	int err;

	policy_of("192.0.2.1", "192.0.2.2", req, 2);
	add_sa(&t);
	cr_expect_eq(
	    send_udp(udp_socket(4, NULL), "192.0.2.2", 8, &err), IPM_R_SENT);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet[9], 17);
	cr_expect_eq(stat(IPM_ST_IPCOMP_threshold), 1);
}

/* W9: a transport request whose SA ends elsewhere gets an outer header. */
Test(output, proxy_encapsulation)
{
	struct ipm_request req = path_request(51, IPM_MODE_TRANSPORT,
	    "192.0.2.1", "192.0.2.2", IPM_LEVEL_REQUIRE, 0);
	const struct path_fx *fx;
	enum ipm_reason fate;

	policy_of("10.1.0.0/24", "10.2.0.0/16", &req, 1);
	add_sa(&ah_plain);
	cr_expect_eq(forward_hex("4500001f123400003f11558c0a0100050a020007"
				 "045708ae000b1656656e63",
			 &fate),
	    IPM_CONSUMED);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
	cr_expect_eq(fx->len, 20 + 24 + 31);
	cr_expect_eq(fx->packet[9], 51);
	cr_expect_eq(fx->packet[20], 4);
	cr_expect_eq(ipm_load32(fx->packet + 12), 0xc0000201);
	cr_expect_eq(ipm_load32(fx->packet + 16), 0xc0000202);
	cr_expect_eq(ipm_load32(fx->packet + 44 + 12), 0x0a010005);
}

/* --- numbers and IVs ------------------------------------------------------------ */

/* [ESP-3.3.3-01] [ESP-3.3.3-02] [ESP-3.3.3-09] [AH-3.3.2-01] [AH-3.3.2-02]
 * [AH-3.3.2-06] [ARCH-4.4.2.1-03]: by switch esp-seq-overflow and the flag. */
Test(output, sequence_numbers_run_out)
{
	static const struct {
		uint8_t proto;
		uint32_t flags, sw;
		uint64_t last;
		enum ipm_reason fate;
		uint32_t seq;
	} rows[] = {
		{ 50, 0, IPM_SEQ_STOP, 0, IPM_R_SENT, 1 },
		{ 50, 0, IPM_SEQ_STOP, 0xfffffffe, IPM_R_SENT, 0xffffffff },
		{ 50, 0, IPM_SEQ_STOP, 0xffffffff, IPM_R_SEQ_OVERFLOW, 0 },
		{ 50, 0, IPM_SEQ_WRAP, 0xffffffff, IPM_R_SENT, 0 },
		{ 50, IPM_SAF_CYCSEQ, IPM_SEQ_STOP, 0xffffffff, IPM_R_SENT, 0 },
		{ 50, IPM_SAF_ESN, IPM_SEQ_STOP, 0xffffffff, IPM_R_SENT, 0 },
		{ 50, IPM_SAF_ESN, IPM_SEQ_STOP, UINT64_MAX, IPM_R_SEQ_OVERFLOW,
		    0 },
		{ 51, 0, IPM_SEQ_WRAP, 0, IPM_R_SENT, 1 },
		{ 51, 0, IPM_SEQ_WRAP, 0xffffffff, IPM_R_SEQ_OVERFLOW, 0 },
		{ 51, IPM_SAF_CYCSEQ, IPM_SEQ_WRAP, 0xffffffff, IPM_R_SENT, 0 },
	};
	ipm_off pcb = udp_socket(4, NULL);
	int err;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_request req =
		    transport(rows[i].proto, IPM_LEVEL_REQUIRE);
		struct sa_text t = rows[i].proto == 50 ? esp_plain : ah_plain;
		ipm_off sp = policy_of("192.0.2.1", "192.0.2.2", &req, 1), sa;
		const struct path_fx *fx;

		t.flags = rows[i].flags;
		sa = add_sa(&t);
		sa_at(sa)->out_seq = rows[i].last;
		memset(&f->b.s.stats, 0, sizeof f->b.s.stats);
		f->b.pf.value[IPM_SW_ESP_SEQ_OVERFLOW] = rows[i].sw;
		cr_expect_eq(send_udp(pcb, "192.0.2.2", 8, &err), rows[i].fate,
		    "row %zu", i);
		if (rows[i].fate == IPM_R_SENT) {
			fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
			cr_expect_eq(ipm_load32(fx->packet +
					 (rows[i].proto == 50 ? 24 : 28)),
			    rows[i].seq, "row %zu", i);
		} else {
			cr_expect_eq(err, 13, "row %zu", i);
			cr_expect_eq(stat(rows[i].proto == 50 ? IPM_ST_ESP_wrap
							      : IPM_ST_AH_wrap),
			    1, "row %zu", i);
			cr_expect_eq(sa_at(sa)->out_seq, rows[i].last);
		}
		ipm_spd_del(&f->b.s.spd, &f->b.s.arena, sp);
		ipm_sad_del(&f->b.s.sad, &f->b.s.arena, sa);
	}
}

/* CBC's IV is the tape's next octets; without them nothing is sent. */
Test(output, random_iv)
{
	struct ipm_request req = transport(50, IPM_LEVEL_REQUIRE);
	struct sa_text t = esp_plain;
	ipm_off pcb = udp_socket(4, NULL);
	int err;

	t.enc = "aes-cbc";
	policy_of("192.0.2.1", "192.0.2.2", &req, 1);
	add_sa(&t);
	cr_expect_eq(send_udp(pcb, "192.0.2.2", 8, &err), IPM_R_SENT);
	for (size_t i = 0; i < 16; i++)
		cr_expect_eq(
		    path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet[28 + i], i + 1);
	cr_expect_eq(f->b.tape.pos, 16);
	f->b.tape.octets.len = 31;
	cr_expect_eq(send_udp(pcb, "192.0.2.2", 8, &err), IPM_R_NO_RANDOM);
	cr_expect_eq(err, 5);
	cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT), 0);
}

/* --- faults -------------------------------------------------------------------- */

/* Facts 3.6, 3.7: what the provider fails at the sender is not told (Q22).
 * [MAN-bugs-06] */
Test(output, faults_of_the_outside)
{
	static const struct {
		uint8_t proto;
		unsigned faults;
		enum ipm_reason fate;
		int err;
		enum ipm_stat counter;
	} rows[] = {
		{ 50, IPM_FAULT_CIPHER, IPM_R_CRYPTO_FAILED, 0,
		    IPM_ST_ESP_noxform },
		{ 50, IPM_FAULT_NOMEM, IPM_R_NO_MEMORY, 55, IPM_ST_ESP_crypto },
		{ 51, IPM_FAULT_CIPHER, IPM_R_CRYPTO_FAILED, 0,
		    IPM_ST_AH_noxform },
		{ 51, IPM_FAULT_NOMEM, IPM_R_NO_MEMORY, 55, IPM_ST_AH_crypto },
		{ 108, IPM_FAULT_DEFLATE, IPM_R_DEFLATE_FAILED, 0,
		    IPM_ST_IPCOMP_noxform },
		{ 108, IPM_FAULT_NOMEM, IPM_R_NO_MEMORY, 55,
		    IPM_ST_IPCOMP_crypto },
	};
	struct sa_text comp = { .src = "192.0.2.1",
		.dst = "192.0.2.2",
		.proto = 108,
		.mode = IPM_MODE_TRANSPORT,
		.spi = 2 };
	ipm_off pcb = udp_socket(4, NULL), esp, ah;
	int err;

	esp = add_sa(&esp_plain);
	ah = add_sa(&ah_plain);
	add_sa(&comp);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_request req =
		    transport(rows[i].proto, IPM_LEVEL_REQUIRE);
		ipm_off sp = policy_of("192.0.2.1", "192.0.2.2", &req, 1);

		memset(&f->b.s.stats, 0, sizeof f->b.s.stats);
		f->b.path.faults = rows[i].faults;
		cr_expect_eq(send_udp(pcb, "192.0.2.2", 100, &err),
		    rows[i].fate, "row %zu", i);
		cr_expect_eq(err, rows[i].err, "row %zu", i);
		cr_expect_eq(stat(rows[i].counter), 1, "row %zu", i);
		cr_expect_eq(stat(IPM_ST_IPS4_out_inval), 0, "row %zu", i);
		cr_expect_eq(path_count(&f->b, IPM_FX_DROP), 1, "row %zu", i);
		f->b.path.faults = 0;
		cr_expect_eq(send_udp(pcb, "192.0.2.2", 100, &err), IPM_R_SENT);
		ipm_spd_del(&f->b.s.spd, &f->b.s.arena, sp);
	}
	/* Numbers of packets that failed are spent. */
	cr_expect_eq(sa_at(esp)->out_seq, 4);
	cr_expect_eq(sa_at(ah)->out_seq, 4);
}

/* [MAN-crypto-01] An algorithm that no provider has. */
Test(output, no_provider)
{
	struct ipm_request req = transport(50, IPM_LEVEL_USE);
	struct db_provider none;
	ipm_off pcb = udp_socket(4, NULL);
	int err;

	db_provider_init(&none);
	none.refuse = IPM_ERR_UNSUPPORTED;
	f->b.d.provider = &none.provider;
	policy_of("192.0.2.1", "192.0.2.2", &req, 1);
	add_sa(&esp_plain);
	cr_expect_eq(send_udp(pcb, "192.0.2.2", 8, &err), IPM_R_NO_PROVIDER);
	cr_expect_eq(err, 6);
	cr_expect_eq(stat(IPM_ST_ESP_noxform), 1);
	cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT), 0);
	f->b.d.provider = &f->b.provider;
}

/* Every allocation failing in turn: the packet has a fate, nothing leaks. */
Test(output, no_memory_at_any_point)
{
	struct ipm_request req = transport(50, IPM_LEVEL_REQUIRE);
	ipm_off pcb = udp_socket(4, NULL);
	enum ipm_reason fate = IPM_R_NO_MEMORY;
	size_t tries = 0;
	int err;

	policy_of("192.0.2.1", "192.0.2.2", &req, 1);
	add_sa(&esp_plain);
	while (fate != IPM_R_SENT) {
		cr_assert_lt(tries, 50);
		ipm_derived_free(&f->b.d);
		f->b.mem.calls = 0;
		f->b.mem.fail_at = ++tries;
		fate = send_udp(pcb, "192.0.2.2", 8, &err);
		f->b.mem.fail_at = 0;
		cr_expect(fate == IPM_R_SENT || fate == IPM_R_NO_MEMORY ||
			fate == IPM_R_NO_PROVIDER ||
			fate == IPM_R_CRYPTO_FAILED,
		    "%s", ipm_reasons[fate].name);
		cr_expect_eq(
		    path_count(&f->b, IPM_FX_DROP), fate != IPM_R_SENT);
	}
	cr_expect_gt(tries, 2);
}

/* --- tunnels --------------------------------------------------------------------- */

/* Facts 3.5: outer addresses that none may have. */
Test(output, ends_of_a_tunnel)
{
	struct ipm_request req = path_request(
	    50, IPM_MODE_TUNNEL, "0.0.0.0", "192.0.2.2", IPM_LEVEL_REQUIRE, 0);
	struct sa_text t = esp_plain;
	enum ipm_reason fate;

	t.src = "0.0.0.0";
	t.mode = IPM_MODE_TUNNEL;
	policy_of("10.1.0.0/24", "10.2.0.0/16", &req, 1);
	add_sa(&t);
	cr_expect_eq(forward_hex("4500001f123400003f11558c0a0100050a020007"
				 "045708ae000b1656656e63",
			 &fate),
	    22);
	cr_expect_eq(fate, IPM_R_TUNNEL_ENDS_BAD);
	cr_expect_eq(stat(IPM_ST_IPS4_out_inval), 1);
}

/* natt out-v6: dropped behind the cipher, unheard and uncounted. */
Test(output, udp_encapsulation_over_ipv6)
{
	struct ipm_request req = transport(50, IPM_LEVEL_REQUIRE);
	struct sa_text t = esp_plain;
	int err;

	t.src = "2001:db8:b::1";
	t.dst = "2001:db8:b::2";
	t.sport = t.dport = 4500;
	policy_of("2001:db8:b::1", "2001:db8:b::2", &req, 1);
	add_sa(&t);
	cr_expect_eq(send_udp(udp_socket(6, NULL), "2001:db8:b::2", 7, &err),
	    IPM_R_NATT_IPV6);
	cr_expect_eq(err, 0);
	cr_expect_eq(stat(IPM_ST_ESP_output), 1);
	cr_expect_eq(stat(IPM_ST_IPS6_out_inval), 0);
}

/* Only the last SA of a bundle is asked (Q21). */
Test(output, udp_encapsulation_by_the_last_sa)
{
	struct ipm_request req[2] = { transport(50, IPM_LEVEL_REQUIRE),
		transport(51, IPM_LEVEL_REQUIRE) };
	struct sa_text t = esp_plain;
	int err;

	t.sport = t.dport = 4500;
	policy_of("192.0.2.1", "192.0.2.2", req, 2);
	add_sa(&t);
	add_sa(&ah_plain);
	cr_expect_eq(
	    send_udp(udp_socket(4, NULL), "192.0.2.2", 7, &err), IPM_R_SENT);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet[9], 51);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet[20], 50);
}

/* [ARCH-4.1-15]: in front of or behind a hop-by-hop header, by switch
 * ip6-ipsec-place; recorded as in front (Q17). */
Test(output, place_in_ipv6)
{
	static const char packet[] = "600000000018003f"
				     "20010db8000b00000000000000000001"
				     "20010db8000b00000000000000000002"
				     "1100010400000000"
				     "045708ae0010b3c56162636465666768";
	struct ipm_request req = transport(50, IPM_LEVEL_REQUIRE);
	struct sa_text t = esp_plain;
	const struct path_fx *fx;
	enum ipm_reason fate;

	t.src = "2001:db8:b::1";
	t.dst = "2001:db8:b::2";
	policy_of("2001:db8:b::1", "2001:db8:b::2", &req, 1);
	add_sa(&t);
	f->b.pf.value[IPM_SW_IP6_PLACE] = IPM_IP6_FRONT;
	cr_expect_eq(forward_hex(packet, &fate), IPM_CONSUMED);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
	cr_expect_eq(fx->packet[6], 50);
	cr_expect_eq(ipm_load32(fx->packet + 40), 0x1000);
	cr_expect_eq(fx->packet[48], 17, "the option header is payload");
	f->b.pf.value[IPM_SW_IP6_PLACE] = IPM_IP6_BEHIND;
	cr_expect_eq(forward_hex(packet, &fate), IPM_CONSUMED);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
	cr_expect_eq(fx->packet[6], 0);
	cr_expect_eq(fx->packet[40], 50);
	cr_expect_eq(ipm_load32(fx->packet + 48), 0x1000);
	cr_expect_eq(ipm_load16(fx->packet + 56), 1111);
}

/* Ports of forwarded packets, by switch policy-forward-ports. */
Test(output, ports_of_forwarded_packets)
{
	static const char packet[] = "4500001f123400003f11558c0a0100050a020007"
				     "045708ae000b1656656e63";
	ipm_off sp = policy_of("10.1.0.0/24", "10.2.0.0/16", NULL, 0);
	enum ipm_reason fate;

	((struct ipm_sp *)ipm_arena_at(&f->b.s.arena, sp))->sel.proto = 17;
	((struct ipm_sp *)ipm_arena_at(&f->b.s.arena, sp))->sel.dst.port = 2222;
	f->b.pf.value[IPM_SW_FORWARD_PORTS] = IPM_OFF;
	cr_expect_eq(forward_hex(packet, &fate), 0);
	cr_expect_eq(fate, IPM_R_FORWARDED);
	f->b.pf.value[IPM_SW_FORWARD_PORTS] = IPM_ON;
	cr_expect_eq(forward_hex(packet, &fate), 13);
	cr_expect_eq(fate, IPM_R_POLICY_DISCARD);
}

/* --- IPcomp ---------------------------------------------------------------------- */

/* A compressor that saves as many octets as it is told to. */
static enum ipm_err
saves(const struct ipm_compressor *c, struct ipm_span src, uint8_t *dst,
    size_t *len)
{
	size_t n = src.len - *(const size_t *)c->ctx;

	if (n > *len)
		return IPM_ERR_NOBUF;
	memset(dst, 0x55, n);
	*len = n;
	return IPM_OK;
}

/* [IPCOMP-2.2-01] [IPCOMP-2.2-02] [IPCOMP-2.2-03] [MAN-proto-04]: threshold
 * 90, and the 4 octets by switch ipcomp-gain (Q20). */
Test(output, when_compression_pays)
{
	static const struct {
		size_t packet, saved;
		bool sent[2]; /* with-header, without */
		uint64_t threshold;
	} rows[] = {
		{ 90, 50, { false, false }, 1 },
		{ 91, 50, { true, true }, 0 },
		{ 200, 0, { false, false }, 0 },
		{ 200, 1, { false, true }, 0 },
		{ 200, 4, { false, true }, 0 },
		{ 200, 5, { true, true }, 0 },
	};
	struct ipm_request req = transport(108, IPM_LEVEL_REQUIRE);
	struct sa_text t = { .src = "192.0.2.1",
		.dst = "192.0.2.2",
		.proto = 108,
		.mode = IPM_MODE_TRANSPORT,
		.spi = 0x1234 };
	ipm_off pcb = udp_socket(4, NULL);
	size_t saved = 0;
	struct ipm_compressor comp = { .ctx = &saved, .compress = saves };
	const struct path_fx *fx;
	int err;

	policy_of("192.0.2.1", "192.0.2.2", &req, 1);
	add_sa(&t);
	f->b.env.comp = &comp;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (uint32_t sw = 0; sw < 2; sw++) {
			f->b.pf.value[IPM_SW_COMP_GAIN] = sw;
			memset(&f->b.s.stats, 0, sizeof f->b.s.stats);
			saved = rows[i].saved;
			cr_expect_eq(send_udp(pcb, "192.0.2.2",
					 rows[i].packet - 28, &err),
			    IPM_R_SENT);
			fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
			cr_expect_eq(fx->packet[9], rows[i].sent[sw] ? 108 : 17,
			    "%zu %u", i, sw);
			cr_expect_eq(
			    stat(IPM_ST_IPCOMP_threshold), rows[i].threshold);
			cr_expect_eq(stat(IPM_ST_IPCOMP_uncompr),
			    !rows[i].sent[sw] && rows[i].threshold == 0);
			if (!rows[i].sent[sw])
				continue;
			/* [IPCOMP-3.1-01] [IPCOMP-3.1-02] [IPCOMP-3.3-01]
			 * [IPCOMP-3.3-02] [IPCOMP-3.3-03] */
			cr_expect_eq(fx->len, rows[i].packet - saved + 4);
			cr_expect_eq(ipm_load32(fx->packet + 20), 0x11001234);
		}
	f->b.env.comp = NULL;
	cr_expect_eq(
	    send_udp(pcb, "192.0.2.2", 100, &err), IPM_R_DEFLATE_FAILED);
}

/* --- enc(4) and filters ------------------------------------------------------------ */

/* sysctl-effects enc0-1-3-3: what hooks and captures see, in their order.
 * [MAN-enc-01] [MAN-enc-04] [MAN-enc-05] [MAN-enc-06] */
Test(output, hooks)
{
	static const char inner[] = "4500001f123400003f11548c0a0100050a020007"
				    "045708ae000b1656656e63";
	struct ipm_request req = path_request(50, IPM_MODE_TUNNEL, "192.0.2.1",
	    "192.0.2.2", IPM_LEVEL_REQUIRE, 0);
	struct sa_text t = esp_plain;
	const struct path_fx *fx;
	enum ipm_reason fate;
	uint8_t want[64];
	size_t n = path_hex(want, sizeof want, inner);

	t.mode = IPM_MODE_TUNNEL;
	policy_of("10.1.0.0/24", "10.2.0.0/16", &req, 1);
	add_sa(&t);
	f->b.s.host.filter_installed = f->b.s.host.enc_up = 1;
	f->b.s.sysctls.v[IPM_SV_ENC_OUT_FILTER_MASK] = 3;
	f->b.s.host.ip_id = 0xae00;
	cr_expect_eq(forward_hex(inner, &fate), IPM_CONSUMED);
	cr_assert_eq(path_count(&f->b, IPM_FX_FILTER), 3);
	fx = path_nth(&f->b, IPM_FX_FILTER, 0);
	cr_expect_eq(fx->at, IPM_FILTER_ENC_OUT);
	cr_expect_eq(fx->len, n);
	cr_expect_arr_eq(fx->packet, want, n, "the checksum is stale");
	fx = path_nth(&f->b, IPM_FX_FILTER, 1);
	cr_expect_eq(fx->at, IPM_FILTER_ENC_OUT);
	path_hex(want, sizeof want,
	    "45000033ae00000040040000c0000201c0000202"
	    "4500001f123400003f11558c0a0100050a020007");
	cr_expect_arr_eq(fx->packet, want, 40);
	fx = path_nth(&f->b, IPM_FX_FILTER, 2);
	cr_expect_eq(fx->at, IPM_FILTER_OUT);
	cr_expect_eq(fx->iface, PATH_BLK1);
	path_hex(want, sizeof want, "4500004cae00000040320000c0000201c0000202");
	cr_expect_arr_eq(fx->packet, want, 20);
	cr_expect_eq(f->b.s.host.enc_packets[1], 1);
	cr_expect_eq(f->b.s.host.enc_octets[1], 31);
	/* Both captures, with the SA's SPI and what it has. */
	cr_assert_eq(path_count(&f->b, IPM_FX_TAP), 2);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TAP, 0)->before, 1);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TAP, 1)->spi, 0x1000);

	/* Each place refuses. */
	for (unsigned place = 0; place < 3; place++) {
		f->b.s.host.n_filters = 1;
		f->b.s.host.filter[0] = (struct ipm_filter){
			.at = place == 2 ? IPM_FILTER_OUT : IPM_FILTER_ENC_OUT,
			.family = 4,
			.proto = place == 0 ? 17
			    : place == 1    ? 4
					    : 50,
		};
		memset(&f->b.s.stats, 0, sizeof f->b.s.stats);
		cr_expect_eq(forward_hex(inner, &fate),
		    place == 2 ? IPM_CONSUMED : 13, "%u", place);
		cr_expect_eq(fate, IPM_R_FILTERED, "%u", place);
		cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT), 0);
		cr_expect_eq(
		    stat(IPM_ST_IPS4_out_inval), place != 2, "%u", place);
	}
}

/* --- sockets ------------------------------------------------------------------------ */

Test(output, datagrams_that_cannot_be)
{
	ipm_off p4 = udp_socket(4, NULL), p6 = udp_socket(6, NULL);
	int err;

	cr_expect_eq(send_udp(p4, "203.0.113.1", 8, &err), IPM_R_NO_SOURCE);
	cr_expect_eq(err, 51);
	cr_expect_eq(send_udp(p6, "2001:db8:9::1", 8, &err), IPM_R_NO_SOURCE);
	cr_expect_eq(err, 65);
	cr_expect_eq(send_udp(p4, "192.0.2.255", 8, &err), IPM_R_BAD_ADDRESS);
	cr_expect_eq(err, 13);
	cr_expect_eq(send_udp(p4, "192.0.2.2", 65508, &err), IPM_R_TOO_BIG);
	cr_expect_eq(err, 40);
	cr_expect_eq(stat(IPM_ST_UDP_opackets), 0);
	cr_expect_eq(
	    send_udp(udp_socket(4, "192.0.2.1"), "203.0.113.1", 8, &err),
	    IPM_R_NO_ROUTE);
	cr_expect_eq(err, 65);
	cr_expect_eq(stat(IPM_ST_IP_noroute), 1);
	cr_expect_eq(stat(IPM_ST_UDP_opackets), 1);
}

/* An IP packet that is none: EINVAL, and the drop is told of (rip_output asks
 * the same of a header that comes with the packet). */
Test(output, packets_that_are_none)
{
	static const uint8_t five[40] = { 0x55 }, short6[39] = { 0x60 };
	static const uint8_t short4[19] = { 0x45 };
	static const uint8_t head4[24] = { 0x44, 0, 0, 24 };
	static const uint8_t long4[23] = { 0x46, 0, 0, 23 };
	static const uint8_t less4[24] = { 0x45, 0, 0, 23 };
	static const uint8_t more4[24] = { 0x45, 0, 0, 25 };
	static const uint8_t less6[44] = { 0x60, 0, 0, 0, 0, 3 };
	static const uint8_t more6[44] = { 0x60, 0, 0, 0, 0, 5 };
	static const struct ipm_span none[] = { { NULL, 0 },
		{ five, sizeof five }, { short6, sizeof short6 },
		{ short4, sizeof short4 }, { head4, sizeof head4 },
		{ long4, sizeof long4 }, { less4, sizeof less4 },
		{ more4, sizeof more4 }, { less6, sizeof less6 },
		{ more6, sizeof more6 } };

	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		int err = 0;

		f->b.n_fx = 0;
		cr_expect_eq(ipm_output(&f->b.path, 0, none[i], &err),
		    IPM_R_IP_HEADER_BAD, "%zu", i);
		cr_expect_eq(err, 22, "%zu", i);
		cr_assert_eq(f->b.n_fx, 1, "%zu", i);
		cr_expect_eq(f->b.fx[0].kind, IPM_FX_DROP, "%zu", i);
		cr_expect_eq(f->b.fx[0].reason, IPM_R_IP_HEADER_BAD, "%zu", i);
		cr_expect_eq(f->b.fx[0].len, none[i].len, "%zu", i);
	}
}

/* ip6_output adds sticky headers behind IPsec: a protected packet has none
 * (recorded: options-fragments out-sock6-hopopts-esp). */
Test(output, sticky_headers)
{
	static const uint8_t hop[] = { 0, 0, 1, 4, 0, 0, 0, 0 };
	struct ipm_request req = transport(50, IPM_LEVEL_USE);
	struct sa_text t = esp_plain;
	ipm_off pcb = udp_socket(6, NULL);
	const struct path_fx *fx;
	int err;

	cr_expect_eq(ipm_pcb_setopt(ipm_arena_at(&f->b.s.arena, pcb), 41, 49,
			 ipm_span(hop, 8)),
	    0);
	cr_expect_eq(ipm_pcb_setopt(ipm_arena_at(&f->b.s.arena, pcb), 41, 50,
			 ipm_span(hop, 8)),
	    0);
	policy_of("2001:db8:b::1", "2001:db8:b::2", &req, 1);
	cr_expect_eq(send_udp(pcb, "2001:db8:b::2", 8, &err), IPM_R_SENT);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
	cr_expect_eq(fx->len, 40 + 16 + 16);
	cr_expect_eq(ipm_load16(fx->packet + 4), 32);
	cr_expect_eq(fx->packet[6], 0);
	cr_expect_eq(fx->packet[40], 60);
	cr_expect_eq(fx->packet[48], 17);
	cr_expect_eq(ipm_load16(fx->packet + 56), 9000);
	t.src = "2001:db8:b::1";
	t.dst = "2001:db8:b::2";
	add_sa(&t);
	cr_expect_eq(send_udp(pcb, "2001:db8:b::2", 8, &err), IPM_R_SENT);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
	cr_expect_eq(fx->packet[6], 50);
	cr_expect_eq(fx->packet[48 + 16 + 3], 17);
}

static ipm_off
sticky_socket(const uint8_t *hop, const uint8_t *dst, size_t len)
{
	ipm_off pcb = udp_socket(6, NULL);
	struct ipm_pcb *p = ipm_arena_at(&f->b.s.arena, pcb);

	cr_assert_eq(ipm_pcb_setopt(p, 41, 49, ipm_span(hop, len)), 0);
	cr_assert_eq(ipm_pcb_setopt(p, 41, 50, ipm_span(dst, len)), 0);
	return pcb;
}

/* RFC 8200 4.5: hop-by-hop options are in every fragment, in front of the
 * fragment header; destination options are among what is fragmented. */
Test(output, sticky_headers_of_fragments)
{
	static const uint8_t hop[] = { 0, 0, 5, 2, 0, 0, 1, 0 };
	static const uint8_t dst[] = { 0, 0, 1, 4, 0, 0, 0, 0 };
	ipm_off pcb = sticky_socket(hop, dst, 8);
	size_t payload = 0;
	int err;

	cr_expect_eq(send_udp(pcb, "2001:db8:b::2", 3000, &err), IPM_R_SENT);
	cr_assert_eq(path_count(&f->b, IPM_FX_TRANSMIT), 3);
	for (size_t i = 0; i < 3; i++) {
		const struct path_fx *fx = path_nth(&f->b, IPM_FX_TRANSMIT, i);

		cr_expect_eq(fx->packet[6], 0);
		cr_expect_eq(fx->packet[40], 44);
		cr_expect_arr_eq(fx->packet + 41, hop + 1, 7);
		cr_expect_eq(fx->packet[48], 60);
		cr_expect_eq(ipm_load16(fx->packet + 50),
		    payload | (i == 2 ? 0 : 1), "%zu", i);
		cr_expect_eq(ipm_load16(fx->packet + 4), fx->len - 40);
		cr_expect_leq(fx->len, 1500);
		payload += fx->len - 56;
	}
	cr_expect_eq(payload, 8 + 8 + 3000);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->len, 1496);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet[56], 17);
}

/* A payload length has 16 bits (RFC 8200 3), the headers' octets among them. */
Test(output, sticky_headers_that_do_not_fit)
{
	uint8_t ext[64] = { 0, 7, 1, 60 };
	ipm_off pcb = sticky_socket(ext, ext, sizeof ext);
	int err;

	cr_expect_eq(send_udp(pcb, "2001:db8:b::2", 65535 - 8 - 127, &err),
	    IPM_R_TOO_BIG);
	cr_expect_eq(err, 40);
	cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT), 0);
	cr_expect_eq(
	    send_udp(pcb, "2001:db8:b::2", 65535 - 8, &err), IPM_R_TOO_BIG);
	cr_expect_eq(
	    send_udp(pcb, "2001:db8:b::2", 65535 - 8 - 128, &err), IPM_R_SENT);
	cr_expect_eq(err, 0);
}

/* The longest packets that a UDP header around ESP, and an IPcomp header, leave
 * within 16 bits; the sender hears of what is refused before the provider has
 * it (Q22). */
Test(output, the_longest_packets)
{
	static const struct {
		uint8_t proto;
		size_t fits, not ;
		int err;
	} rows[] = { { 50, 65474, 65482, 0 }, { 108, 65503, 65504, 40 } };

	for (size_t i = 0; i < 2; i++) {
		struct ipm_request req =
		    transport(rows[i].proto, IPM_LEVEL_REQUIRE);
		struct sa_text t = esp_plain;
		ipm_off pcb = udp_socket(4, NULL);
		int err;

		if (rows[i].proto == 108)
			t = (struct sa_text){ .src = "192.0.2.1",
				.dst = "192.0.2.3",
				.proto = 108,
				.mode = IPM_MODE_TRANSPORT,
				.spi = 0x1234 };
		else
			t.sport = t.dport = 4500;
		add_sa(&t);
		policy_of("192.0.2.1", t.dst, &req, 1);
		cr_expect_eq(
		    send_udp(pcb, t.dst, rows[i].fits, &err), IPM_R_SENT);
		cr_expect_eq(err, 0);
		cr_expect_eq(
		    send_udp(pcb, t.dst, rows[i].not, &err), IPM_R_TOO_BIG);
		cr_expect_eq(err, rows[i].err);
	}
	cr_expect_eq(stat(IPM_ST_IPCOMP_toobig), 1);
}

/* Options of sockets: accepted, refused, and what they do. */
Test(output, options_of_sockets)
{
	static const struct {
		uint8_t family;
		int level, option;
		const char *value;
		int answer;
	} rows[] = {
		{ 4, 0, 1, "94040000", 0 },
		{ 4, 0, 1, "", 0 },
		{ 4, 0, 1, "940400", 22 },
		{ 4, 0, 1, "94050000", 22 },
		{ 4, 0, 1, "94010000", 22 },
		{ 4, 0, 1, "01010194", 22 },
		{ 4, 0, 1, "83060400c0000200", 22 },
		{ 4, 0, 1, "8307040a00000100", 0 },
		{ 4, 0, 3, "b8000000", 0 },
		{ 4, 0, 3, "b80000", 22 },
		{ 4, 0, 67, "01000000", 0 },
		{ 4, 0, 99, "01000000", -1 },
		{ 4, 41, 49, "0000010400000000", 22 },
		{ 6, 41, 49, "0000010400000000", 0 },
		{ 6, 41, 50, "", 0 },
		{ 6, 41, 50, "0001010400000000", 22 },
		{ 6, 41, 50, "00000104", 22 },
		{ 6, 0, 3, "b8000000", 22 },
	};
	const struct path_fx *fx;
	struct ipm_pcb *pcb;
	uint8_t v[64];
	ipm_off off;
	int err;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_pcb p = { .family = rows[i].family };
		size_t n = path_hex(v, sizeof v, rows[i].value);

		cr_expect_eq(ipm_pcb_setopt(&p, rows[i].level, rows[i].option,
				 ipm_span(v, n)),
		    rows[i].answer, "row %zu", i);
	}
	/* dfbit-transport-*, sysctl-effects: TOS, DF; id 0 with it. */
	off = udp_socket(4, NULL);
	pcb = ipm_arena_at(&f->b.s.arena, off);
	pcb->tos = 0xb8;
	pcb->dontfrag = 1;
	f->b.s.host.ip_id = 7;
	send_udp(off, "192.0.2.2", 8, &err);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
	cr_expect_eq(ipm_load32(fx->packet), 0x45b80024);
	cr_expect_eq(ipm_load32(fx->packet + 4), 0x00004000);
	/* A source route: to its first hop, the checksum for the last one. */
	pcb = ipm_arena_at(&f->b.s.arena, off);
	pcb->tos = pcb->dontfrag = 0;
	path_hex(v, sizeof v,
	    "830b04c00002020a020007"
	    "00");
	cr_expect_eq(ipm_pcb_setopt(pcb, 0, 1, ipm_span(v, 12)), 0);
	send_udp(off, "10.2.0.7", 8, &err);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
	cr_expect_eq(fx->packet[0], 0x47);
	cr_expect_eq(ipm_load32(fx->packet + 16), 0xc0000202);
	cr_expect_eq(ipm_load32(fx->packet + 20), 0x8307040a);
	cr_expect_eq(ipm_load32(fx->packet + 24), 0x02000700);
}

/* any-policy, "own address" and "loopback" without a policy: what goes out on
 * the loopback interface arrives. */
Test(output, to_itself)
{
	ipm_off pcb = udp_socket(4, NULL);
	struct ipm_addr own = path_addr("192.0.2.1");
	static const uint8_t x[] = { 'x' };
	int err;

	cr_expect_eq(
	    ipm_udp_send(&f->b.path, pcb, &own, 9000, ipm_span(x, 1), &err),
	    IPM_R_SENT);
	cr_expect_eq(err, 0);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->iface, PATH_LO0);
	cr_assert_eq(path_count(&f->b, IPM_FX_DELIVER), 1);
	cr_expect_eq(path_nth(&f->b, IPM_FX_DELIVER, 0)->packet[0], 'x');
	cr_expect_eq(stat(IPM_ST_IP_total), 1);
	cr_expect_eq(stat(IPM_ST_UDP_ipackets), 1);
	cr_expect_null(f->b.path.loop_first);
	cr_expect_eq(f->b.path.depth, 0);
	/* No memory for it on its way. */
	f->b.n_fx = 0;
	f->b.mem.calls = 0;
	f->b.mem.fail_at = 1;
	cr_expect_eq(
	    ipm_udp_send(&f->b.path, pcb, &own, 9000, ipm_span(x, 1), &err),
	    IPM_R_NO_MEMORY);
	f->b.mem.fail_at = 0;
	cr_expect_eq(err, 55);
}

/* noroute, second part: 63 rounds through a tunnel that ends here, each an
 * arrival of its own; then the TTL is used up. */
Test(output, a_tunnel_to_itself_ends)
{
	struct ipm_request req = path_request(50, IPM_MODE_TUNNEL, "192.0.2.1",
	    "192.0.2.1", IPM_LEVEL_REQUIRE, 0);
	struct sa_text t = esp_plain;
	uint8_t p[64];
	size_t n = path_hex(p, sizeof p,
	    "450000210003000004110000"
	    "0a0100050a020007045708ae000d91dc726f757465");
	struct ipm_ip ip;

	t.dst = "192.0.2.1";
	t.mode = IPM_MODE_TUNNEL;
	policy_of("10.1.0.0/24", "10.2.0.0/16", &req, 1);
	add_sa(&t);
	(void)ipm_ip_rewrite(p, 4, 20, n, SIZE_MAX, 0);
	cr_assert_eq(ipm_ip_parse(ipm_span(p, n), true, &ip), IPM_R_OK);
	ipm_input(&f->b.path, PATH_RED0, ipm_span(p, n), 1);
	cr_expect_eq(stat(IPM_ST_ESP_output), 3);
	cr_expect_eq(stat(IPM_ST_ESP_input), 3);
	cr_expect_eq(stat(IPM_ST_IP_total), 7);
	cr_expect_eq(f->b.path.depth, 0);
}

/* --- the same again ----------------------------------------------------------------- */

Test(output, a_clone_gives_the_same_effects)
{
	struct ipm_request req[2] = { transport(50, IPM_LEVEL_REQUIRE),
		transport(51, IPM_LEVEL_REQUIRE) };
	struct sa_text t = esp_plain;
	static struct path_box first;
	ipm_off pcb = udp_socket(4, NULL);
	struct ipm_state copy, was;
	int err;

	t.enc = "aes-cbc";
	policy_of("192.0.2.1", "192.0.2.2", req, 2);
	add_sa(&t);
	add_sa(&ah_plain);
	send_udp(pcb, "192.0.2.2", 3000, &err);
	cr_assert_eq(ipm_state_clone(&copy, &f->b.s, &f->b.mem.alloc), IPM_OK);
	f->b.tape.pos = 100;
	send_udp(pcb, "192.0.2.2", 3000, &err);
	memcpy(first.fx, f->b.fx, sizeof first.fx);
	first.n_fx = f->b.n_fx;
	was = f->b.s;
	f->b.s = copy;
	copy = was;
	ipm_derived_free(&f->b.d);
	f->b.tape.pos = 100;
	send_udp(pcb, "192.0.2.2", 3000, &err);
	cr_assert_eq(f->b.n_fx, first.n_fx);
	cr_expect_gt(first.n_fx, 2);
	cr_expect_eq(memcmp(first.fx, f->b.fx, sizeof first.fx), 0);
	cr_expect_eq(ipm_state_digest(&copy), ipm_state_digest(&f->b.s));
	ipm_state_free(&copy, &f->b.mem.alloc);
}
