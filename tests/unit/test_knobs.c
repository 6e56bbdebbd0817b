/*
 * Each sysctl's function over its whole domain, and against what a FreeBSD 13
 * kernel did (vectors/freebsd/sysctl-effects.json).
 */

#include <criterion/criterion.h>
#include <string.h>

#include "model/transform/ipm_knobs.h"
#include "support/vec_file.h"

static const int32_t values[] = { INT32_MIN, -1, 0, 1, 2, 3, 4, 7, 255, 65535,
	INT32_MAX };
#define N_VALUES (sizeof values / sizeof values[0])

static struct ipm_profile
profile(enum ipm_profile_id id)
{
	struct ipm_profile pf;

	ipm_profile_init(&pf, id);
	return pf;
}

/* --- the recordings ------------------------------------------------------------ */

struct run {
	struct ipm_sysctls s;
	struct ipm_profile pf;
	const char *id;
	size_t n; /* packets compared */
};

static struct ipm_ip
packet_of(const json_t *j, struct hx_octets *o)
{
	struct ipm_ip ip;

	*o = vec_octets(j, "packet");
	cr_assert_eq(ipm_ip_parse(hx_span(o), false, &ip), IPM_R_OK);
	return ip;
}

/* What the step emitted first. */
static const json_t *
emitted(const json_t *step)
{
	return json_array_get(json_object_get(step, "emitted"), 0);
}

static void
each_step(const char *prefix, void (*f)(struct run *r, const json_t *step),
    struct run *r)
{
	json_t *root = vec_load("vectors/freebsd/sysctl-effects.json"), *c, *s;
	size_t i, k;

	r->pf = profile(IPM_PF_FREEBSD_13);
	r->n = 0;
	json_array_foreach(json_object_get(root, "cases"), i, c)
	{
		struct ipm_stats stats;

		r->id = vec_text(c, "id");
		if (strncmp(r->id, prefix, strlen(prefix)) != 0)
			continue;
		ipm_sysctls_init(&r->s);
		json_array_foreach(json_object_get(c, "steps"), k, s)
		{
			if (strcmp(vec_text(s, "op"), "sysctl") == 0)
				(void)ipm_sysctl_set(&r->s, &stats, &r->pf,
				    vec_text(s, "name"),
				    json_integer_value(
					json_object_get(s, "value")));
			else
				f(r, s);
		}
	}
	json_decref(root);
}

static void
compare_df(struct run *r, const json_t *step)
{
	struct hx_octets in, out;
	struct ipm_ip inner, outer;

	/* The SPI's header may be absent: IPcomp that did not shrink. */
	if (strcmp(vec_text(step, "op"), "inject") != 0 ||
	    emitted(step) == NULL)
		return;
	inner = packet_of(step, &in);
	outer = packet_of(emitted(step), &out);
	cr_assert_eq(outer.df,
	    ipm_knob_df_outer(r->s.v[IPM_SV_DFBIT], inner.version, inner.df),
	    "%s", r->id);
	r->n++;
	hx_octets_free(&in);
	hx_octets_free(&out);
}

/* [MAN-dfbit-01] [MAN-dfbit-02] [MAN-dfbit-03] */
Test(knobs, dfbit_as_recorded)
{
	static const char *const prefixes[] = { "dfbit-esp", "dfbit-ah",
		"dfbit-ipcomp" };
	size_t n = 0;

	for (size_t i = 0; i < 3; i++) {
		struct run r;

		each_step(prefixes[i], compare_df, &r);
		n += r.n;
	}
	cr_assert_geq(n, 30);
}

static void
compare_ecn_out(struct run *r, const json_t *step)
{
	struct hx_octets in, out;
	struct ipm_ip inner, outer;

	if (strcmp(vec_text(step, "op"), "inject") != 0)
		return;
	inner = packet_of(step, &in);
	outer = packet_of(emitted(step), &out);
	cr_assert_eq(outer.tos,
	    ipm_knob_ecn_ingress(
		&r->pf, ipm_knob_ecn(&r->s, outer.version), inner.tos),
	    "%s: inner TOS %02x", r->id, inner.tos);
	r->n++;
	hx_octets_free(&in);
	hx_octets_free(&out);
}

/* [MAN-ecn-07] The variable is the outer family's. */
Test(knobs, ecn_out_as_recorded)
{
	struct run r;

	each_step("ecn-out", compare_ecn_out, &r);
	cr_assert_geq(r.n, 100);
}

static void
compare_ecn_in(struct run *r, const json_t *step)
{
	struct hx_octets in, out;
	struct ipm_ip outer, inner;
	const char *note = vec_text(step, "note");
	uint8_t was, now = 0xaa;

	if (strcmp(vec_text(step, "op"), "inject") != 0)
		return;
	cr_assert_eq(strncmp(note, "inner ECN ", 10), 0, "%s", note);
	was = (uint8_t)(note[10] - '0');
	outer = packet_of(step, &in);
	inner = packet_of(emitted(step), &out);
	cr_assert_eq(
	    ipm_knob_ecn_egress(&r->pf, ipm_knob_ecn(&r->s, outer.version),
		outer.tos, was, &now),
	    IPM_R_OK);
	cr_assert_eq(inner.tos, now, "%s: %s", r->id, note);
	r->n++;
	hx_octets_free(&in);
	hx_octets_free(&out);
}

Test(knobs, ecn_in_as_recorded)
{
	struct run r;

	each_step("ecn-in", compare_ecn_in, &r);
	cr_assert_geq(r.n, 160);
}

/* "esp", "ah" or "ipcomp", then mode and family, of "deflev-esp-tunnel-v4-". */
static struct ipm_request
request_of(const char *id, uint8_t *version)
{
	struct ipm_request q = { .level = IPM_LEVEL_DEFAULT };

	q.proto = strstr(id, "-esp-") != NULL ? IPM_PROTO_ESP
	    : strstr(id, "-ah-") != NULL      ? IPM_PROTO_AH
					      : IPM_PROTO_IPCOMP;
	q.mode = strstr(id, "-tunnel-") != NULL ? IPM_MODE_TUNNEL
						: IPM_MODE_TRANSPORT;
	*version = strstr(id, "-v6-") != NULL ? 6 : 4;
	return q;
}

/* Without SA a clear packet leaves unless the level requires one; and one
 * comes in (as a delivery or forwarded). */
static void
compare_level(struct run *r, const json_t *step)
{
	const char *op = vec_text(step, "op");
	bool out = strcmp(vec_text(step, "note"), "out") == 0;
	bool passes = json_array_size(json_object_get(step, "emitted")) != 0 ||
	    json_array_size(json_object_get(step, "delivered")) != 0;
	struct ipm_request q;
	uint8_t version;

	if (strcmp(op, "send") != 0 && strcmp(op, "inject") != 0)
		return;
	if (out && strstr(r->id, "-none") == NULL)
		return; /* protected */
	q = request_of(r->id, &version);
	cr_assert_eq(ipm_knob_level(&r->s, &r->pf, &q, version,
			 IPM_SCOPE_GLOBAL, NULL) != IPM_LEVEL_REQUIRE,
	    passes, "%s %s", r->id, vec_text(step, "note"));
	r->n++;
}

/*
 * [MAN-deflev-02] [MAN-deflev-03] [MAN-deflev-04] [MAN-deflev-05]
 * [MAN-deflev-06] [MAN-deflev-07] [MAN-deflev-08] [MAN-deflev-09]
 * [MAN-deflev-10] [MAN-deflev-11]
 */
Test(knobs, deflev_as_recorded)
{
	struct run r;

	each_step("deflev-", compare_level, &r);
	cr_assert_geq(r.n, 60);
}

static void
compare_enable(struct run *r, const json_t *step)
{
	unsigned proto = strstr(r->id, "-esp-") != NULL ? IPM_PROTO_ESP
	    : strstr(r->id, "-ah-") != NULL             ? IPM_PROTO_AH
							: IPM_PROTO_IPCOMP;
	const char *op = vec_text(step, "op");

	if (strcmp(op, "send") != 0 && strcmp(op, "inject") != 0)
		return;
	cr_assert_eq(ipm_knob_enabled(&r->s, proto),
	    json_array_size(json_object_get(step, "emitted")) != 0 ||
		json_array_size(json_object_get(step, "delivered")) != 0,
	    "%s", r->id);
	r->n++;
}

Test(knobs, enable_as_recorded)
{
	struct run r;

	each_step("enable-", compare_enable, &r);
	cr_assert_geq(r.n, 8);
}

/* How often the inner packet passed the input hook of its own family. */
static void
compare_filter(struct run *r, const json_t *step)
{
	json_t *hooks = json_object_get(step, "pfil"), *h;
	uint8_t version = strstr(r->id, "-v6-") != NULL ? 6 : 4;
	size_t i, in = 0;

	if (strcmp(vec_text(step, "note"), "in") != 0)
		return;
	/* IPv6 transport packets are not input a second time (2.7). */
	if (version == 6 && strstr(r->id, "-transport") != NULL)
		return;
	json_array_foreach(hooks, i, h) in +=
	    strcmp(vec_text(h, "dir"), "in") == 0;
	cr_assert_eq(in, ipm_knob_skips_filter(&r->s, version, true) ? 1 : 2,
	    "%s", r->id);
	r->n++;
}

/* [MAN-filtertunnel-03] [MAN-filtertunnel-04] */
Test(knobs, filtertunnel_as_recorded)
{
	struct run r;

	each_step("filtertunnel-", compare_filter, &r);
	cr_assert_geq(r.n, 6);
}

static void
compare_enc(struct run *r, const json_t *step)
{
	json_t *hooks = json_object_get(step, "pfil"), *h;
	bool out = strcmp(vec_text(step, "note"), "out") == 0;
	bool up = strncmp(r->id, "enc0-1", 6) == 0;
	size_t i, n = 0, want = 0;

	if (strcmp(vec_text(step, "op"), "inject") != 0)
		return;
	json_array_foreach(hooks, i, h) n +=
	    strcmp(vec_text(h, "if"), "enc0") == 0;
	for (int after = 0; after < 2; after++)
		want += ipm_knob_enc(&r->s, &r->pf, up, out, after != 0).filter;
	cr_assert_eq(n, want, "%s %s", r->id, vec_text(step, "note"));
	r->n++;
}

/* [MAN-enc-03] [MAN-enc-04] */
Test(knobs, enc_filter_as_recorded)
{
	struct run r;

	each_step("enc0-", compare_enc, &r);
	cr_assert_eq(r.n, 12);
}

/* --- the whole domains --------------------------------------------------------- */

/* [MAN-dfbit-01] [MAN-dfbit-02] [MAN-dfbit-03] [MAN-dfbit-04]
 * [MAN-dfbit-06] facts 3.5 */
Test(knobs, dfbit_over_its_domain)
{
	for (size_t i = 0; i < N_VALUES; i++)
		for (int df = 0; df < 2; df++) {
			int32_t v = values[i];

			cr_assert_eq(ipm_knob_df_outer(v, 4, df != 0),
			    v == 0       ? false
				: v == 1 ? true
					 : df != 0);
			cr_assert_eq(ipm_knob_df_outer(v, 6, df != 0), v != 0);
		}
}

/*
 * What the texts say of the outer TOS, naively: FreeBSD's table (facts 3.5),
 * gif(4), RFC 4301 5.1.2.1, RFC 3168 9.1.1.  fault plants 2 for "friendly".
 */
static unsigned
naive_ingress(enum ipm_profile_id id, int32_t ecn, unsigned tos, bool fault)
{
	unsigned ce_away = (tos & 3) == 3 ? (tos & 0xfc) | 2 : tos;

	switch (id) {
	case IPM_PF_MANUAL:
		return ecn == 0 ? 0 : tos & 0xfe;
	case IPM_PF_FREEBSD_2017:
	case IPM_PF_FREEBSD_13:
		if (ecn == 0)
			return tos & 0xfc;
		return ecn == (fault ? 2 : 1) ? ce_away : tos;
	case IPM_PF_OBSERVER:
	case IPM_PF_RFC4301:
		return tos;
	case IPM_PF_RFC2401:
	case IPM_PF_LINUX:
	case IPM_N_PROFILES:
		break;
	}
	return ce_away;
}

/* [MAN-ecn-01] [MAN-ecn-02] [MAN-ecn-03] [MAN-ecn-05] all 256 TOS octets */
Test(knobs, ecn_ingress_over_its_domain)
{
	size_t caught = 0;

	for (int p = 0; p < IPM_N_PROFILES; p++) {
		struct ipm_profile pf = profile((enum ipm_profile_id)p);

		for (size_t i = 0; i < N_VALUES; i++)
			for (unsigned t = 0; t < 256; t++) {
				uint8_t got = ipm_knob_ecn_ingress(
				    &pf, values[i], (uint8_t)t);

				cr_assert_eq(got,
				    naive_ingress((enum ipm_profile_id)p,
					values[i], t, false),
				    "%s ecn %d TOS %02x", pf.name, values[i],
				    t);
				caught += got !=
				    naive_ingress((enum ipm_profile_id)p,
					values[i], t, true);
			}
	}
	/* A twin with a fault is told apart. */
	cr_assert_gt(caught, 0);
}

#define D (-1) /* dropped */

/*
 * The inner field behind the exit; columns: outer 0 Not-ECT, 1 ECT(1),
 * 2 ECT(0), 3 CE.  Nothing; RFC 4301 5.1.2.1; RFC 3168 9.1.1; gif(4):
 * inner | (outer & 1).
 */
static const int egress_none[4][4] = { { 0, 0, 0, 0 }, { 1, 1, 1, 1 },
	{ 2, 2, 2, 2 }, { 3, 3, 3, 3 } };
static const int egress_4301[4][4] = { { 0, 0, 0, 0 }, { 1, 1, 1, 3 },
	{ 2, 2, 2, 3 }, { 3, 3, 3, 3 } };
static const int egress_3168[4][4] = { { 0, 0, 0, D }, { 1, 1, 1, 3 },
	{ 2, 2, 2, 3 }, { 3, 3, 3, 3 } };
static const int egress_gif[4][4] = { { 0, 1, 0, 1 }, { 1, 1, 1, 1 },
	{ 2, 3, 2, 3 }, { 3, 3, 3, 3 } };

static const int (*egress_table(enum ipm_profile_id id, int32_t ecn))[4]
{
	switch (id) {
	case IPM_PF_MANUAL:
		return ecn == 0 ? egress_none : egress_gif;
	case IPM_PF_FREEBSD_2017:
	case IPM_PF_FREEBSD_13:
		return egress_none;
	case IPM_PF_RFC2401:
		return egress_3168;
	case IPM_PF_OBSERVER:
	case IPM_PF_RFC4301:
	case IPM_PF_LINUX:
	case IPM_N_PROFILES:
		break;
	}
	return egress_4301;
}

/* [MAN-ecn-04] [MAN-ecn-06] */
Test(knobs, ecn_egress_all_combinations_of_every_profile)
{
	for (int p = 0; p < IPM_N_PROFILES; p++)
		for (size_t i = 0; i < N_VALUES * 16; i++) {
			struct ipm_profile pf = profile((enum ipm_profile_id)p);
			int32_t ecn = values[i / 16];
			uint8_t in = (uint8_t)(0xb8U | (i % 16 / 4));
			uint8_t out = (uint8_t)(0x28U | (i % 4)), now = 0x55;
			int want = egress_table(
			    (enum ipm_profile_id)p, ecn)[in & 3][out & 3];
			enum ipm_reason r =
			    ipm_knob_ecn_egress(&pf, ecn, out, in, &now);

			cr_assert_eq(r, want == D ? IPM_R_ECN_BAD : IPM_R_OK);
			cr_assert_eq(now, want == D ? 0x55 : (0xb8 | want),
			    "%s ecn %d: %02x in %02x", pf.name, ecn, in, out);
		}
}

/* A real exit by the rules does the same as the function. */
Test(knobs, ecn_rules_are_the_same_exit)
{
	static const enum ipm_profile_id ids[] = { IPM_PF_MANUAL,
		IPM_PF_FREEBSD_13, IPM_PF_RFC4301 };

	for (size_t p = 0; p < 3; p++)
		for (size_t i = 0; i < N_VALUES * 16; i++) {
			struct ipm_profile pf = profile(ids[p]);
			struct ipm_ip4_fields f = { .ttl = 64,
				.proto = 17,
				.total = 20,
				.tos = (uint8_t)(i % 16 / 4) };
			struct ipm_ip outer = { .version = 4,
				.tos = (uint8_t)(i % 4) };
			struct ipm_decap_rules rules =
			    ipm_knob_decap_rules(&pf, values[i / 16]);
			struct ipm_span inner;
			uint8_t p4[20], now = 0;
			size_t tfc;

			ipm_ip4_build(p4, &f);
			cr_assert_eq(ipm_knob_ecn_egress(&pf, values[i / 16],
					 outer.tos, f.tos, &now),
			    IPM_R_OK);
			cr_assert_eq(ipm_tunnel_exit(&pf, &rules, &outer, 4, p4,
					 sizeof p4, NULL, &inner, &tfc),
			    IPM_R_OK);
			cr_assert_eq(p4[1], now);
		}
}

/*
 * Recorded (outbound-misc ctr-0-aes-ctr-128, ctr-1-aes-ctr-128): 48 octets of
 * UDP leave as 100 and as 112 octets: 20 IP, 16 SPI to IV, 12 ICV.
 */
Test(knobs, ctr_compatibility_over_its_domain)
{
	struct ipm_esp_sa sa = { .enc = ipm_alg_by_name("aes-ctr") };

	cr_assert_not_null(sa.enc);
	for (int p = 0; p < IPM_N_PROFILES; p++)
		for (size_t i = 0; i < N_VALUES; i++) {
			struct ipm_profile pf = profile((enum ipm_profile_id)p);
			bool blocks = p == IPM_PF_FREEBSD_2017 ||
			    (p == IPM_PF_FREEBSD_13 && values[i] != 0);
			struct ipm_sysctls s;

			ipm_sysctls_init(&s);
			s.v[IPM_SV_CTR_COMPATIBILITY] = values[i];
			cr_assert_eq(ipm_knob_ctr_blocks(&s, &pf), blocks,
			    "%s %d", pf.name, values[i]);
			cr_assert_eq(20 + 16 + 48 + 2 + 12 +
				ipm_esp_pad_to(&sa, blocks, 48),
			    blocks ? 112 : 100);
		}
}

/* [MAN-cleartos-01] [MAN-cleartos-02] [MAN-offsetmask-01] */
Test(knobs, ah_over_its_domain)
{
	for (size_t i = 0; i < N_VALUES; i++) {
		struct ipm_sysctls s;
		struct ipm_ah_knobs k;

		ipm_sysctls_init(&s);
		k = ipm_knob_ah(&s);
		cr_assert(k.cleartos);
		cr_assert_eq(k.offsetmask, 0);
		s.v[IPM_SV_AH_CLEARTOS] = values[i];
		s.v[IPM_SV_AH_OFFSETMASK] = values[i];
		k = ipm_knob_ah(&s);
		cr_assert_eq(k.cleartos, values[i] != 0);
		cr_assert_eq(k.offsetmask, (uint32_t)values[i] % 65536);
	}
}

/* [MAN-defpolicy-02] [MAN-defpolicy-03] [MAN-defpolicy-04]
 * [MAN-defpolicy-05] */
Test(knobs, def_policy_by_family)
{
	for (int v4 = 0; v4 < 2; v4++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct ipm_profile manual = profile(IPM_PF_MANUAL);
			struct ipm_profile f13 = profile(IPM_PF_FREEBSD_13);
			struct ipm_sysctls s;

			ipm_sysctls_init(&s);
			s.v[IPM_SV_DEF_POLICY] = v4;
			s.v[IPM_SV_DEF_POLICY6] = v6;
			cr_assert_eq(ipm_knob_def_policy(&s, &manual, 4),
			    v4 ? IPM_POLICY_NONE : IPM_POLICY_DISCARD);
			cr_assert_eq(ipm_knob_def_policy(&s, &manual, 6),
			    v6 ? IPM_POLICY_NONE : IPM_POLICY_DISCARD);
			cr_assert_eq(ipm_knob_def_policy(&s, &f13, 4),
			    v4 ? IPM_POLICY_NONE : IPM_POLICY_DISCARD);
			cr_assert_eq(ipm_knob_def_policy(&s, &f13, 6),
			    v4 ? IPM_POLICY_NONE : IPM_POLICY_DISCARD);
		}
}

/* The names of the variables that rule, in the order of `which` below. */
static const char *const deflev_names[8] = { "net.inet.ipsec.esp_trans_deflev",
	"net.inet.ipsec.esp_net_deflev", "net.inet.ipsec.ah_trans_deflev",
	"net.inet.ipsec.ah_net_deflev", "net.inet6.ipsec6.esp_trans_deflev",
	"net.inet6.ipsec6.esp_net_deflev", "net.inet6.ipsec6.ah_trans_deflev",
	"net.inet6.ipsec6.ah_net_deflev" };

/* Straight from facts 1.7; fault: 3 requires in FreeBSD too. */
static int
naive_level(const struct ipm_request *q, uint8_t version, unsigned scope,
    bool freebsd, const int64_t deflev[8], bool fault)
{
	int which = (version == 6 ? 4 : 0) +
	    (q->proto == IPM_PROTO_AH ? 2 : 0) +
	    (q->mode == IPM_MODE_TUNNEL ? 1 : 0);

	if ((scope & IPM_SCOPE_IFNET) != 0)
		return 2;
	if (q->level == 1)
		return 1;
	if (q->level != 0)
		return 2;
	if (q->proto == IPM_PROTO_IPCOMP)
		return 1;
	if (deflev[which] == 1)
		return 1;
	return deflev[which] == 3 && freebsd && !fault ? 3 : 2;
}

struct level_row {
	bool freebsd;
	size_t var; /* of deflev_names, which holds value */
	int32_t value;
	struct ipm_request q;
	uint8_t version;
	unsigned scope;
};

/* The next digit of *at in this base. */
static size_t
digit(size_t *at, size_t base)
{
	size_t d = *at % base;

	*at /= base;
	return d;
}

#define N_LEVEL_ROWS (2 * 8 * N_VALUES * 3 * 4 * 4 * 2 * 3)

static struct level_row
level_row(size_t i)
{
	static const uint8_t protos[] = { IPM_PROTO_ESP, IPM_PROTO_AH,
		IPM_PROTO_IPCOMP };
	static const unsigned scopes[] = { IPM_SCOPE_GLOBAL, IPM_SCOPE_PCB,
		IPM_SCOPE_IFNET };
	struct level_row r = { .freebsd = digit(&i, 2) != 0 };

	r.var = digit(&i, 8);
	r.value = values[digit(&i, N_VALUES)];
	r.q.proto = protos[digit(&i, 3)];
	r.q.mode = (uint8_t)digit(&i, 4);
	r.q.level = (uint8_t)digit(&i, 4);
	r.version = digit(&i, 2) == 0 ? 4 : 6;
	r.scope = scopes[digit(&i, 3)];
	return r;
}

/* Holds one row to the naive twin; true when the one with a fault differs. */
static bool
check_level(const struct level_row *r, size_t i)
{
	struct ipm_profile pf =
	    profile(r->freebsd ? IPM_PF_FREEBSD_13 : IPM_PF_MANUAL);
	int64_t deflev[8] = { 1, 1, 1, 1, 1, 1, 1, 1 }, v;
	bool bad = (r->value < 1 || r->value > 3) &&
	    (r->var >= 4) == (r->version == 6) && r->scope != IPM_SCOPE_IFNET;
	unsigned rewritten = 99;
	struct ipm_sysctls s;
	struct ipm_stats stats;
	bool caught;
	int got;

	ipm_sysctls_init(&s);
	deflev[r->var] = r->value;
	cr_assert_eq(
	    ipm_sysctl_set(&s, &stats, &pf, deflev_names[r->var], r->value), 0);
	got = (int)ipm_knob_level(
	    &s, &pf, &r->q, r->version, r->scope, &rewritten);
	cr_assert_eq(got,
	    naive_level(&r->q, r->version, r->scope, r->freebsd, deflev, false),
	    "row %zu", i);
	caught = got !=
	    naive_level(&r->q, r->version, r->scope, r->freebsd, deflev, true);
	/* Read back as 2, whichever variable the request needed. */
	cr_assert_eq(rewritten, bad ? 1 : 0, "row %zu", i);
	deflev[r->var] = bad ? 2 : r->value;
	for (size_t k = 0; k < 8; k++) {
		cr_assert_eq(ipm_sysctl_get(&s, &pf, deflev_names[k], &v), 0);
		cr_assert_eq(v, deflev[k], "row %zu: %s", i, deflev_names[k]);
	}
	return caught;
}

/*
 * [MAN-level-01] [MAN-level-02] [MAN-level-03] [MAN-level-05] [MAN-deflev-12]
 * and of each variable that it rules its own requests alone [MAN-deflev-04]
 * [MAN-deflev-05] [MAN-deflev-06] [MAN-deflev-07] [MAN-deflev-08]
 * [MAN-deflev-09] [MAN-deflev-10] [MAN-deflev-11].
 */
Test(knobs, levels_over_their_domain)
{
	size_t caught = 0;

	for (size_t i = 0; i < N_LEVEL_ROWS; i++) {
		struct level_row r = level_row(i);

		caught += check_level(&r, i);
	}
	cr_assert_gt(caught, 0);
}

/* Recorded: scenarios deflev-readback. */
Test(knobs, all_four_levels_are_rewritten_at_once)
{
	struct ipm_profile pf = profile(IPM_PF_FREEBSD_13);
	struct ipm_request q = { .proto = IPM_PROTO_IPCOMP };
	struct ipm_sysctls s;
	unsigned rewritten;

	ipm_sysctls_init(&s);
	s.v[IPM_SV_ESP_TRANS_DEFLEV4] = 0;
	s.v[IPM_SV_ESP_NET_DEFLEV4] = 7;
	s.v[IPM_SV_AH_TRANS_DEFLEV4] = -1;
	s.v[IPM_SV_AH_NET_DEFLEV4] = INT32_MAX;
	s.v[IPM_SV_AH_NET_DEFLEV6] = 9;
	cr_assert_eq(
	    ipm_knob_level(&s, &pf, &q, 4, IPM_SCOPE_GLOBAL, &rewritten),
	    IPM_LEVEL_USE);
	cr_assert_eq(rewritten, 4);
	cr_assert_eq(s.v[IPM_SV_AH_NET_DEFLEV4], 2);
	cr_assert_eq(s.v[IPM_SV_AH_NET_DEFLEV6], 9);
	(void)ipm_knob_level(&s, &pf, &q, 4, IPM_SCOPE_GLOBAL, &rewritten);
	cr_assert_eq(rewritten, 0);
}

/* [MAN-enable-01] [MAN-enable-05] [MAN-enable-06] [MAN-enable-07] */
Test(knobs, enable_over_its_domain)
{
	static const struct {
		enum ipm_sysvar var;
		unsigned proto;
	} rows[] = { { IPM_SV_ESP_ENABLE, 50 }, { IPM_SV_AH_ENABLE, 51 },
		{ IPM_SV_IPCOMP_ENABLE, 108 } };

	for (size_t r = 0; r < 3; r++)
		for (size_t i = 0; i < N_VALUES; i++)
			for (unsigned proto = 0; proto < 256; proto++) {
				struct ipm_sysctls s;

				ipm_sysctls_init(&s);
				s.v[rows[r].var] = values[i];
				cr_assert_eq(ipm_knob_enabled(&s, proto),
				    proto != rows[r].proto || values[i] != 0);
			}
}

/* [MAN-policyhist-06] */
Test(knobs, history_over_its_domain)
{
	for (size_t i = 0; i < N_VALUES; i++) {
		struct ipm_sysctls s;

		ipm_sysctls_init(&s);
		cr_assert_not(ipm_knob_history(&s));
		s.v[IPM_SV_CHECK_POLICY_HISTORY] = values[i];
		cr_assert_eq(ipm_knob_history(&s), values[i] != 0);
	}
}

/* [MAN-filtertunnel-05] */
Test(knobs, filtertunnel_over_its_domain)
{
	for (size_t i = 0; i < N_VALUES * N_VALUES * 4; i++) {
		int32_t v4 = values[i / 4 % N_VALUES];
		int32_t v6 = values[i / 4 / N_VALUES];
		bool six = i % 2 != 0, tagged = i / 2 % 2 != 0;
		struct ipm_sysctls s;

		ipm_sysctls_init(&s);
		s.v[IPM_SV_FILTERTUNNEL4] = v4;
		s.v[IPM_SV_FILTERTUNNEL6] = v6;
		cr_assert_eq(ipm_knob_skips_filter(&s, six ? 6 : 4, tagged),
		    tagged && (six ? v6 : v4) == 0);
	}
}

/* [MAN-enc-03] [MAN-enc-04] [MAN-enc-05] masks 0 to 7, and all bits. */
Test(knobs, enc_masks_over_their_domain)
{
	for (size_t i = 0; i < 9 * 9 * 16; i++) {
		int32_t bpf = (int32_t)(i / 16 % 9),
			filter = (int32_t)(i / 144);
		bool up = i % 2 != 0, out = i / 2 % 2 != 0;
		bool after = i / 4 % 2 != 0, f13 = i / 8 % 2 != 0;
		struct ipm_profile pf =
		    profile(f13 ? IPM_PF_FREEBSD_13 : IPM_PF_MANUAL);
		unsigned bit = after ? 2 : 1;
		struct ipm_enc_taps t;
		struct ipm_sysctls s;

		bpf = bpf == 8 ? -1 : bpf;
		filter = filter == 8 ? -1 : filter;
		ipm_sysctls_init(&s);
		/* The other direction's masks say nothing. */
		s.v[out ? IPM_SV_ENC_IN_BPF_MASK : IPM_SV_ENC_OUT_BPF_MASK] =
		    ~bpf;
		s.v[out ? IPM_SV_ENC_IN_FILTER_MASK
			: IPM_SV_ENC_OUT_FILTER_MASK] = ~filter;
		s.v[out ? IPM_SV_ENC_OUT_BPF_MASK : IPM_SV_ENC_IN_BPF_MASK] =
		    bpf;
		s.v[out ? IPM_SV_ENC_OUT_FILTER_MASK
			: IPM_SV_ENC_IN_FILTER_MASK] = filter;
		t = ipm_knob_enc(&s, &pf, up, out, after);
		cr_assert_eq(t.capture, up && ((unsigned)bpf & bit) != 0);
		cr_assert_eq(t.filter, up && ((unsigned)filter & bit) != 0);
		cr_assert_eq(t.capture_late,
		    t.filter && f13 && ((unsigned)bpf & 4) != 0);
	}
}

/* --- checksums behind a NAT ------------------------------------------------------ */

/* A TCP or UDP segment of 31 octets with its checksum at `at`. */
#define SEGMENT 31

/* RFC 1071 over the pseudo header, octet by octet. */
static unsigned
naive_sum(const uint8_t *src, const uint8_t *dst, unsigned proto,
    const uint8_t *segment, size_t len)
{
	uint64_t sum = proto + len;

	for (size_t i = 0; i < 4; i++)
		sum += (uint64_t)(src[i] + dst[i]) << (i % 2 == 0 ? 8 : 0);
	for (size_t i = 0; i < len; i++)
		sum += (uint64_t)segment[i] << (i % 2 == 0 ? 8 : 0);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~(unsigned)sum & 0xffff;
}

static struct ipm_addr
addr4(uint32_t a)
{
	struct ipm_addr r = { .family = 4 };

	ipm_store32(r.octet, a);
	return r;
}

/* The segment as its sender made it for the original addresses. */
static void
sent(uint8_t *seg, unsigned proto, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint16_t spoil)
{
	size_t at = proto == IPM_PROTO_UDP ? 6 : 16;
	unsigned sum;

	for (size_t i = 0; i < SEGMENT; i++)
		seg[i] = (uint8_t)(37 * i + 11);
	ipm_store16(seg + at, 0);
	sum = naive_sum(src->octet, dst->octet, proto, seg, SEGMENT);
	ipm_store16(seg + at, (uint16_t)(sum ^ spoil));
}

static bool
valid(const uint8_t *seg, const struct ipm_ip *ip)
{
	return naive_sum(
		   ip->src.octet, ip->dst.octet, ip->proto, seg, SEGMENT) == 0;
}

/*
 * [MAN-nattcksum-02] [MAN-nattcksum-03] [MAN-nattcksum-04]
 * policy x original addresses x protocol x right, wrong or no checksum.
 */
Test(knobs, natt_checksum_over_its_domain)
{
	static const uint32_t real_src = 0x0a010203, real_dst = 0xc0000201;
	static const uint32_t nat[] = { 0xcb007105, 0x0a010203, 0xffffffff,
		0x00000001 };
	size_t adjusted = 0;

	for (size_t i = 0; i < N_VALUES * 4 * 4 * 2 * 3; i++) {
		int32_t policy = values[i % N_VALUES];
		size_t rest = i / N_VALUES;
		bool has_oai = rest % 2 != 0, has_oar = rest / 2 % 2 != 0;
		uint32_t seen = nat[rest / 4 % 4];
		uint8_t proto =
		    rest / 16 % 2 != 0 ? IPM_PROTO_UDP : IPM_PROTO_TCP;
		size_t kind = rest / 32; /* right, wrong, none */
		struct ipm_addr none = { 0 }, src = addr4(real_src),
				dst = addr4(real_dst);
		struct ipm_ip ip = { .version = 4,
			.proto = proto,
			.src = addr4(seen),
			.dst = addr4(real_dst ^ 0x100) };
		uint16_t delta = ipm_natt_delta(&ip.src, &ip.dst,
		    has_oai ? &src : &none, has_oar ? &dst : &none);
		/* What of the two differences the SA knows of. */
		bool known = (has_oai || seen == real_src) && has_oar;
		size_t at = proto == IPM_PROTO_UDP ? 6 : 16;
		uint8_t seg[SEGMENT], was[SEGMENT];
		enum ipm_natt_repair did;

		sent(seg, proto, &src, &dst, kind == 1 ? 0x1234 : 0);
		if (kind == 2)
			ipm_store16(seg + at, 0);
		memcpy(was, seg, sizeof was);
		cr_assert_eq(
		    delta == 0, !has_oar && (!has_oai || seen == real_src));
		did =
		    ipm_knob_natt_checksum(policy, delta, &ip, seg, sizeof seg);
		if (policy != 0) {
			cr_assert_eq(did, IPM_NATT_RECOMPUTED);
			cr_assert(valid(seg, &ip));
		} else if (delta == 0 && proto == IPM_PROTO_TCP) {
			cr_assert_eq(did, IPM_NATT_VERIFIED);
			cr_assert_arr_eq(seg, was, sizeof seg);
		} else if (delta == 0) {
			cr_assert_eq(did, IPM_NATT_ZEROED);
			cr_assert_eq(ipm_load16(seg + at), 0);
		} else if (kind == 2 && proto == IPM_PROTO_UDP) {
			cr_assert_eq(did, IPM_NATT_KEPT);
			cr_assert_arr_eq(seg, was, sizeof seg);
		} else {
			cr_assert_eq(did, IPM_NATT_ADJUSTED);
			cr_assert_eq(
			    valid(seg, &ip), known && kind == 0, "row %zu", i);
			adjusted++;
		}
		/* Nothing but the checksum changes. */
		memcpy(seg + at, was + at, 2);
		cr_assert_arr_eq(seg, was, sizeof seg);
	}
	cr_assert_gt(adjusted, 20);
}

/* [MAN-nattcksum-01] Neither TCP nor UDP, or cut in front of the checksum. */
Test(knobs, natt_checksum_of_others_and_of_short_ones)
{
	for (unsigned proto = 0; proto < 256; proto++)
		for (size_t len = 0; len <= 20; len++) {
			struct ipm_ip ip = { .version = 4,
				.proto = (uint8_t)proto,
				.src = addr4(1),
				.dst = addr4(2) };
			size_t least = proto == 17 ? 8 : 18;
			bool has = (proto == 17 || proto == 6) && len >= least;
			uint8_t seg[20], was[20];

			for (size_t i = 0; i < sizeof seg; i++)
				seg[i] = (uint8_t)(i + 1);
			memcpy(was, seg, sizeof was);
			cr_assert_eq(
			    ipm_knob_natt_checksum(1, 5, &ip, seg, len),
			    has ? IPM_NATT_RECOMPUTED : IPM_NATT_KEPT);
			if (!has)
				cr_assert_arr_eq(seg, was, sizeof seg);
		}
}

/* A computed UDP checksum of 0 is sent as 0xffff (RFC 768). */
Test(knobs, natt_checksum_of_udp_is_never_computed_as_none)
{
	struct ipm_ip ip = { .version = 4,
		.proto = IPM_PROTO_UDP,
		.src = addr4(0),
		.dst = addr4(0) };
	uint8_t seg[10] = { 0 };

	/* 17 + 10 + x = 0xffff */
	ipm_store16(seg + 8, 0xffff - 27);
	cr_assert_eq(ipm_knob_natt_checksum(1, 0, &ip, seg, sizeof seg),
	    IPM_NATT_RECOMPUTED);
	cr_assert_eq(ipm_load16(seg + 6), 0xffff);
}

Test(knobs, natt_delta_of_equal_or_missing_addresses)
{
	struct ipm_addr a = addr4(0x01020304), b = addr4(0x01020305);
	struct ipm_addr none = { 0 }, six = { .family = 6 };

	cr_assert_eq(ipm_natt_delta(&a, &b, &a, &b), 0);
	cr_assert_eq(ipm_natt_delta(&a, &b, &none, &none), 0);
	cr_assert_eq(ipm_natt_delta(&a, &b, &six, &six), 0);
	cr_assert_eq(ipm_natt_delta(&six, &six, &a, &b), 0);
	/* ~0x0102 + ~0x0304 + 0x0102 + 0x0305 */
	cr_assert_eq(ipm_natt_delta(&a, &b, &b, &b), 1);
	cr_assert_eq(ipm_natt_delta(&b, &a, &b, &b), 1);
}
