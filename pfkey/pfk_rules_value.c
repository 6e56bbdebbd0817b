/*
 * What the handlers look at in a message.  Each check finds by a rule; which
 * kernels look is the rule's affair (pfk_rules.def).
 */
#include "pfk_rules_int.h"

#include <string.h>

#include "ipm_alg.h"
#include "wire/ipm_ip.h"

/* FreeBSD's numbers (facts pfkey 1.7 to 1.9). */
enum {
	FLAG_OLD = 0x0001,
	FLAG_IV4B = 0x0010,
	FLAG_DERIV = 0x0020,
	FLAG_RAWCPI = 0x0080,
	FLAGS_MAX = 0x0fff,
	STATE_MATURE = 1,
	STATE_DEAD = 3,
	AALG_GMAC_FIRST = 11,
	AALG_GMAC_LAST = 13,
	AALG_NULL = 251,
	AALG_TCP_MD5 = 252,
	EALG_NULL = 11,
	EALG_GMAC = 23,
	CALG_DEFLATE = 2,
	ENCAP_ESPINUDP = 2,
	MODE_TRANSPORT = 1,
	MODE_TUNNEL = 2,
	POLICY_IPSEC = 2,
	LEVEL_UNIQUE = 3,
	REQUESTS_MAX = 4,
	SPI_RESERVED_MAX = 255
};

static bool
satype_is(const struct pfk_judge *j, const char *name)
{
	const char *is = pfk_name(j->c->dialect->satypes, j->m.satype);

	return is != NULL && strcmp(is, name) == 0;
}

/* --- extensions, whatever the message ------------------------------------------ */

static void
judge_reserved(struct pfk_judge *j, unsigned type, const char *field)
{
	if (pfk_value(j, type, field) != 0)
		pfk_find(j, PFK_RULE_EXT_RESERVED, type, field);
}

static void
judge_key(struct pfk_judge *j, unsigned type)
{
	size_t bits = (size_t)pfk_value(j, type, "bits");
	size_t has = pfk_tail_of(j, type).len, want = (bits + 63) / 64 * 8;

	if (!pfk_has(j, type))
		return;
	if (bits == 0)
		pfk_find(j, PFK_RULE_KEY_NO_BITS, type, "bits");
	if (want > has || (j->dialect == PFK_D_OPENBSD && want != has))
		pfk_find(j, PFK_RULE_KEY_ROOM, type, "bits");
	judge_reserved(j, type, "reserved");
}

static void
judge_ident(struct pfk_judge *j, unsigned type)
{
	struct ipm_span s = pfk_tail_of(j, type);
	const uint8_t *nul = s.len == 0 ? NULL : memchr(s.p, 0, s.len);

	if (s.len != 0 && (nul == NULL || (size_t)(nul - s.p) + 8 < s.len))
		pfk_find(j, PFK_RULE_IDENT_NUL, type, NULL);
	judge_reserved(j, type, "reserved");
}

static void
judge_algorithm_numbers(struct pfk_judge *j)
{
	/* SADB_AALG_MAX, SADB_EALG_MAX; 0: nobody looks. */
	static const uint8_t most[4][2] = {
		[PFK_D_OPENBSD] = { 250, 249 },
		[PFK_D_LINUX] = { 251, 253 },
	};
	const uint8_t *max = most[j->dialect];

	if (max[0] == 0 ||
	    (j->dialect == PFK_D_LINUX && j->m.type != PFK_ADD &&
		j->m.type != PFK_UPDATE))
		return;
	if (pfk_value(j, PFK_EXT_SA, "auth") > max[0])
		pfk_find(j, PFK_RULE_SA_ALG_MAX, PFK_EXT_SA, "auth");
	if (pfk_value(j, PFK_EXT_SA, "encrypt") > max[1])
		pfk_find(j, PFK_RULE_SA_ALG_MAX, PFK_EXT_SA, "encrypt");
}

static void
judge_range(struct pfk_judge *j)
{
	if (pfk_value(j, PFK_EXT_SPIRANGE, "min") >
	    pfk_value(j, PFK_EXT_SPIRANGE, "max"))
		pfk_find(j, PFK_RULE_RANGE_TURNED, PFK_EXT_SPIRANGE, "min");
}

static void
judge_exts(struct pfk_judge *j)
{
	if (pfk_value(j, PFK_EXT_SA, "state") >= STATE_DEAD)
		pfk_find(j, PFK_RULE_SA_STATE, PFK_EXT_SA, "state");
	if (pfk_value(j, PFK_EXT_SA, "replay") > 32)
		pfk_find(j, PFK_RULE_SA_REPLAY, PFK_EXT_SA, "replay");
	judge_algorithm_numbers(j);
	judge_key(j, PFK_EXT_KEY_AUTH);
	judge_key(j, PFK_EXT_KEY_ENCRYPT);
	judge_ident(j, PFK_EXT_IDENTITY_SRC);
	judge_ident(j, PFK_EXT_IDENTITY_DST);
	judge_reserved(j, PFK_EXT_PROPOSAL, "reserved");
	judge_reserved(j, PFK_EXT_ADDRESS_SRC, "reserved");
	judge_reserved(j, PFK_EXT_ADDRESS_DST, "reserved");
	if (pfk_tail_of(j, PFK_EXT_PROPOSAL).len % 72 != 0)
		pfk_find(j, PFK_RULE_PROP_ROOM, PFK_EXT_PROPOSAL, NULL);
	if (j->dialect == PFK_D_OPENBSD)
		judge_range(j);
}

/* --- SAs --------------------------------------------------------------------------- */

static void
judge_getspi(struct pfk_judge *j)
{
	uint64_t min = pfk_value(j, PFK_EXT_SPIRANGE, "min");
	uint64_t max = pfk_value(j, PFK_EXT_SPIRANGE, "max");

	/* IPComp's is turned round. */
	if (j->dialect == PFK_D_FREEBSD && !satype_is(j, "ipcomp"))
		judge_range(j);
	/* A range of one SPI asks for that one, and is refused or granted
	 * before the number is looked at (facts pfkey 4.4). */
	if (pfk_has(j, PFK_EXT_SPIRANGE) && min < max &&
	    max <= SPI_RESERVED_MAX &&
	    (satype_is(j, "ah") || satype_is(j, "esp")))
		pfk_find(j, PFK_RULE_RANGE_LOW, PFK_EXT_SPIRANGE, "max");
}

static void
judge_register(struct pfk_judge *j)
{
	if (j->m.satype == 0)
		pfk_find_at(j, PFK_RULE_REGISTER_ANY, 3, NULL, "satype");
}

static void
judge_lifetimes(struct pfk_judge *j)
{
	bool hard = pfk_has(j, PFK_EXT_LIFETIME_HARD);

	if (hard != pfk_has(j, PFK_EXT_LIFETIME_SOFT))
		pfk_find(j, PFK_RULE_LIFE_PAIR,
		    hard ? PFK_EXT_LIFETIME_HARD : PFK_EXT_LIFETIME_SOFT, NULL);
}

static void
judge_keys_given(struct pfk_judge *j)
{
	if (satype_is(j, "esp") && !pfk_has(j, PFK_EXT_KEY_ENCRYPT))
		pfk_find_at(
		    j, PFK_RULE_ESP_NO_KEY, j->msg.len, "KEY_ENCRYPT", NULL);
	if (satype_is(j, "ah") && !pfk_has(j, PFK_EXT_KEY_AUTH))
		pfk_find_at(
		    j, PFK_RULE_AH_NO_KEY, j->msg.len, "KEY_AUTH", NULL);
}

static size_t
key_octets(const struct pfk_judge *j, unsigned type)
{
	return (size_t)pfk_value(j, type, "bits") / 8;
}

static bool
is_gmac(const struct pfk_alg *a)
{
	return a->number >= AALG_GMAC_FIRST && a->number <= AALG_GMAC_LAST;
}

/* The three ways of a hash's key length: a salted GMAC key, the algorithm's
 * own length, anything up to the hash's block. */
static bool
hash_key_fits(const struct pfk_judge *j, const struct pfk_alg *a, size_t octets)
{
	if (is_gmac(a) && ipm_sw(j->pf, IPM_SW_PFK_GMAC) == IPM_GMAC_SALTED)
		return octets == a->exact + 4U;
	if (a->exact == 0)
		return true;
	if (ipm_sw(j->pf, IPM_SW_PFK_AUTH_KEY) == 0)
		return octets == a->exact;
	return octets != 0 && octets <= a->most;
}

/* A number that this kernel has, in AH and beside an ESP cipher. */
static void
judge_auth(struct pfk_judge *j)
{
	const struct pfk_alg *a = pfk_alg_find(
	    j->pf, PFK_ALG_AUTH, (uint8_t)pfk_value(j, PFK_EXT_SA, "auth"));

	if (a == NULL || a->number == AALG_TCP_MD5) {
		pfk_find(j, PFK_RULE_ALG_UNKNOWN, PFK_EXT_SA, "auth");
		return;
	}
	if ((pfk_value(j, PFK_EXT_SA, "flags") & FLAG_OLD) != 0 &&
	    ipm_sw(j->pf, IPM_SW_PFK_OLD) == IPM_ON)
		pfk_find(j, PFK_RULE_SA_FLAGS_CLASH, PFK_EXT_SA, "flags");
	if (!pfk_has(j, PFK_EXT_KEY_AUTH))
		pfk_find_at(
		    j, PFK_RULE_AUTH_NO_KEY, j->msg.len, "KEY_AUTH", NULL);
	else if (!hash_key_fits(j, a, key_octets(j, PFK_EXT_KEY_AUTH)))
		pfk_find(j, PFK_RULE_KEY_LEN, PFK_EXT_KEY_AUTH, "bits");
	else if (is_gmac(a) && satype_is(j, "ah") &&
	    ipm_sw(j->pf, IPM_SW_PFK_GMAC) == IPM_GMAC_REFUSE)
		pfk_find(j, PFK_RULE_AH_GMAC, PFK_EXT_SA, "auth");
}

static void
judge_cipher(struct pfk_judge *j, const struct pfk_alg *a)
{
	const struct ipm_alg *row = a == NULL ? NULL : ipm_alg_by_name(a->name);
	size_t octets = key_octets(j, PFK_EXT_KEY_ENCRYPT), salt = 0;

	if (row != NULL &&
	    (a->number != EALG_GMAC ||
		ipm_sw(j->pf, IPM_SW_PFK_GMAC) != IPM_GMAC_BARE))
		salt = row->salt_len;
	if (row == NULL ||
	    (a->number == EALG_GMAC &&
		ipm_sw(j->pf, IPM_SW_PFK_GMAC) == IPM_GMAC_REFUSE))
		pfk_find(j, PFK_RULE_ALG_UNKNOWN, PFK_EXT_SA, "encrypt");
	else if (pfk_has(j, PFK_EXT_KEY_ENCRYPT) &&
	    (octets < salt || !ipm_alg_key_ok(row, octets - salt)))
		pfk_find(j, PFK_RULE_KEY_LEN, PFK_EXT_KEY_ENCRYPT, "bits");
}

static bool
is_combined(const struct pfk_alg *a)
{
	const struct ipm_alg *row = a == NULL ? NULL : ipm_alg_by_name(a->name);

	return row != NULL && row->kind == IPM_ALG_AEAD;
}

static void
judge_esp(struct pfk_judge *j)
{
	const struct pfk_alg *a;
	uint64_t flags = pfk_value(j, PFK_EXT_SA, "flags");

	if (((flags & FLAG_OLD) != 0 && (flags & FLAG_DERIV) != 0) ||
	    ((flags & FLAG_IV4B) != 0 && (flags & FLAG_OLD) == 0))
		pfk_find(j, PFK_RULE_SA_FLAGS_CLASH, PFK_EXT_SA, "flags");
	a = pfk_alg_find(
	    j->pf, PFK_ALG_ENC, (uint8_t)pfk_value(j, PFK_EXT_SA, "encrypt"));
	judge_cipher(j, a);
	if (pfk_value(j, PFK_EXT_SA, "auth") == 0)
		return;
	judge_auth(j);
	if (is_combined(a) && ipm_sw(j->pf, IPM_SW_PFK_AEAD_AUTH) != IPM_OFF)
		pfk_find(j, PFK_RULE_AEAD_AUTH, PFK_EXT_SA, "auth");
}

static void
judge_ah(struct pfk_judge *j)
{
	if ((pfk_value(j, PFK_EXT_SA, "flags") & FLAG_DERIV) != 0)
		pfk_find(j, PFK_RULE_SA_FLAGS_CLASH, PFK_EXT_SA, "flags");
	if (pfk_value(j, PFK_EXT_SA, "encrypt") != 0)
		pfk_find(j, PFK_RULE_ALG_UNWANTED, PFK_EXT_SA, "encrypt");
	judge_auth(j);
}

static void
judge_ipcomp(struct pfk_judge *j)
{
	if (pfk_value(j, PFK_EXT_SA, "auth") != 0)
		pfk_find(j, PFK_RULE_ALG_UNWANTED, PFK_EXT_SA, "auth");
	if ((pfk_value(j, PFK_EXT_SA, "flags") & FLAG_RAWCPI) == 0 &&
	    pfk_value(j, PFK_EXT_SA, "spi") > UINT16_MAX)
		pfk_find(j, PFK_RULE_CPI_WIDE, PFK_EXT_SA, "spi");
	if (pfk_value(j, PFK_EXT_SA, "encrypt") != CALG_DEFLATE)
		pfk_find(j, PFK_RULE_ALG_UNKNOWN, PFK_EXT_SA, "encrypt");
}

static void
judge_tcp(struct pfk_judge *j)
{
	size_t octets = key_octets(j, PFK_EXT_KEY_AUTH);

	if (pfk_value(j, PFK_EXT_SA, "encrypt") != 0)
		pfk_find(j, PFK_RULE_ALG_UNWANTED, PFK_EXT_SA, "encrypt");
	if (pfk_value(j, PFK_EXT_SA, "auth") != AALG_TCP_MD5 ||
	    ipm_sw(j->pf, IPM_SW_TCP_MD5) == IPM_OFF)
		pfk_find(j, PFK_RULE_ALG_UNKNOWN, PFK_EXT_SA, "auth");
	if (!pfk_has(j, PFK_EXT_KEY_AUTH))
		pfk_find_at(
		    j, PFK_RULE_AUTH_NO_KEY, j->msg.len, "KEY_AUTH", NULL);
	else if (octets < 1 || octets > 80)
		pfk_find(j, PFK_RULE_KEY_LEN, PFK_EXT_KEY_AUTH, "bits");
}

static void
judge_key_exts(struct pfk_judge *j)
{
	bool esp = satype_is(j, "esp"), comp = satype_is(j, "ipcomp");

	if (pfk_has(j, PFK_EXT_KEY_AUTH)) {
		if (comp)
			pfk_find(j, PFK_RULE_KEY_AUTH_UNWANTED,
			    PFK_EXT_KEY_AUTH, NULL);
		else if (pfk_tail_of(j, PFK_EXT_KEY_AUTH).len == 0 &&
		    pfk_value(j, PFK_EXT_SA, "auth") != AALG_NULL)
			pfk_find(j, PFK_RULE_KEY_EMPTY, PFK_EXT_KEY_AUTH, NULL);
	}
	if (pfk_has(j, PFK_EXT_KEY_ENCRYPT)) {
		size_t octets = pfk_tail_of(j, PFK_EXT_KEY_ENCRYPT).len;

		if ((comp && octets != 0) || (!comp && !esp))
			pfk_find(j, PFK_RULE_KEY_ENCRYPT_UNWANTED,
			    PFK_EXT_KEY_ENCRYPT, NULL);
		else if (esp && octets == 0 &&
		    pfk_value(j, PFK_EXT_SA, "encrypt") != EALG_NULL)
			pfk_find(
			    j, PFK_RULE_KEY_EMPTY, PFK_EXT_KEY_ENCRYPT, NULL);
	}
}

/* Both looked at for ESP alone, and only when type and both ports are there
 * (facts pfkey 3.6 7). */
static void
judge_natt(struct pfk_judge *j)
{
	static const unsigned ports[] = { PFK_EXT_X_NAT_T_SPORT,
		PFK_EXT_X_NAT_T_DPORT };
	static const unsigned oas[] = { PFK_EXT_X_NAT_T_OAI,
		PFK_EXT_X_NAT_T_OAR };

	if (!satype_is(j, "esp") || !pfk_has(j, PFK_EXT_X_NAT_T_TYPE) ||
	    !pfk_has(j, ports[0]) || !pfk_has(j, ports[1]))
		return;
	if (pfk_value(j, PFK_EXT_X_NAT_T_TYPE, "encap") != ENCAP_ESPINUDP)
		pfk_find(j, PFK_RULE_NATT_TYPE, PFK_EXT_X_NAT_T_TYPE, "encap");
	for (size_t i = 0; i < 2; i++)
		if (pfk_value(j, ports[i], "port") == 0)
			pfk_find(j, PFK_RULE_NATT_PORT, ports[i], "port");
	if (pfk_value(j, PFK_EXT_X_SA2, "mode") == MODE_TUNNEL)
		return;
	for (size_t i = 0; i < 2; i++) {
		uint16_t family;
		size_t len;

		if (pfk_has(j, oas[i]) &&
		    (!pfk_sa_head(j, pfk_tail_of(j, oas[i]), &family, &len) ||
			family != 2 || len != 16))
			pfk_find(j, PFK_RULE_NATT_OA, oas[i], NULL);
	}
}

/* key_setsaval (facts pfkey 3.6, 9.3). */
static void
judge_setsaval(struct pfk_judge *j)
{
	static const struct {
		const char *satype;
		void (*judge)(struct pfk_judge *j);
	} kinds[] = { { "ah", judge_ah }, { "esp", judge_esp },
		{ "ipcomp", judge_ipcomp }, { "tcpsignature", judge_tcp } };
	bool src = pfk_has(j, PFK_EXT_IDENTITY_SRC);

	if (src != pfk_has(j, PFK_EXT_IDENTITY_DST))
		pfk_find(j, PFK_RULE_IDENT_PAIR,
		    src ? PFK_EXT_IDENTITY_SRC : PFK_EXT_IDENTITY_DST, NULL);
	else if (pfk_value(j, PFK_EXT_IDENTITY_SRC, "idtype") !=
	    pfk_value(j, PFK_EXT_IDENTITY_DST, "idtype"))
		pfk_find(
		    j, PFK_RULE_IDENT_TYPES, PFK_EXT_IDENTITY_DST, "idtype");
	if (pfk_value(j, PFK_EXT_SA, "flags") > FLAGS_MAX)
		pfk_find(j, PFK_RULE_SA_FLAGS, PFK_EXT_SA, "flags");
	if (pfk_value(j, PFK_EXT_X_SA_REPLAY, "replay") > UINT32_MAX - 32)
		pfk_find(
		    j, PFK_RULE_REPLAY_WIDE, PFK_EXT_X_SA_REPLAY, "replay");
	judge_key_exts(j);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (satype_is(j, kinds[i].satype))
			kinds[i].judge(j);
	judge_natt(j);
}

static void
judge_add(struct pfk_judge *j)
{
	judge_keys_given(j);
	judge_lifetimes(j);
	if (!pfk_has(j, PFK_EXT_SA))
		return;
	/* [PFKEY-3.1.3-03] FreeBSD and Linux take any state as MATURE. */
	if (pfk_value(j, PFK_EXT_SA, "state") != STATE_MATURE)
		pfk_find(j, PFK_RULE_NOT_MATURE, PFK_EXT_SA, "state");
	if (satype_is(j, "tcpsignature") &&
	    pfk_value(j, PFK_EXT_SA, "spi") == 0)
		pfk_find(j, PFK_RULE_SPI_TCP, PFK_EXT_SA, "spi");
	if ((satype_is(j, "ah") || satype_is(j, "esp")) &&
	    pfk_value(j, PFK_EXT_SA, "spi") <= SPI_RESERVED_MAX)
		pfk_find(j, PFK_RULE_SPI_LOW, PFK_EXT_SA, "spi");
	if (j->dialect == PFK_D_FREEBSD)
		judge_setsaval(j);
}

/* What an UPDATE may say depends on the SA: only Linux treats it like an ADD
 * in every case. */
static void
judge_update(struct pfk_judge *j)
{
	if (j->dialect == PFK_D_LINUX)
		judge_keys_given(j);
	judge_lifetimes(j);
	if (pfk_has(j, PFK_EXT_SA) &&
	    pfk_value(j, PFK_EXT_SA, "state") != STATE_MATURE)
		pfk_find(j, PFK_RULE_NOT_MATURE, PFK_EXT_SA, "state");
}

static void
judge_acquire(struct pfk_judge *j)
{
	if (j->msg.len == PFK_HDR_LEN)
		return;
	pfk_find_at(j, PFK_RULE_ACQUIRE_LONG, PFK_HDR_LEN, NULL, NULL);
	if (!j->cut &&
	    (!pfk_has(j, PFK_EXT_ADDRESS_SRC) ||
		!pfk_has(j, PFK_EXT_ADDRESS_DST) ||
		!pfk_has(j, PFK_EXT_PROPOSAL)))
		pfk_find_at(j, PFK_RULE_ACQUIRE_SHORT, j->msg.len, NULL, NULL);
}

static void
judge_promisc(struct pfk_judge *j)
{
	if (j->msg.len == PFK_HDR_LEN && j->m.satype > 1)
		pfk_find_at(j, PFK_RULE_PROMISC_VALUE, 3, NULL, "satype");
}

/* --- policies ------------------------------------------------------------------------ */

/* The two sockaddrs behind a request of len octets; s is what is left of the
 * extension (facts pfkey 5.4 h to j). */
static void
judge_ends(struct pfk_judge *j, struct ipm_span s, size_t len, size_t at)
{
	size_t fixed = j->c->dialect->request_size, one, other;
	uint16_t family, family2;

	if (!pfk_sa_head(j, ipm_span_from(s, fixed), &family, &one) ||
	    s.len - fixed < 16 || one == 0 || one > 28 ||
	    len < fixed + 2 * one) {
		pfk_find_at(
		    j, PFK_RULE_REQ_ADDR, at + fixed, "X_POLICY", "addrs");
		return;
	}
	if (!pfk_sa_head(j, ipm_span_from(s, fixed + one), &family2, &other) ||
	    family != family2 || one != other)
		pfk_find_at(j, PFK_RULE_REQ_PAIR, at + fixed + one, "X_POLICY",
		    "addrs");
}

static void
judge_request(struct pfk_judge *j, struct ipm_span s, size_t len, size_t at)
{
	const struct pfk_field *f = pfk_request_fields(j->c->dialect);
	uint64_t proto = pfk_get(j->c, &f[0], s.p);
	uint64_t mode = pfk_get(j->c, &f[1], s.p);
	bool linux_ = j->dialect == PFK_D_LINUX;

	if (proto != IPM_PROTO_ESP && proto != IPM_PROTO_AH &&
	    proto != IPM_PROTO_IPCOMP)
		pfk_find_at(j, PFK_RULE_REQ_PROTO, at + f[0].off, "X_POLICY",
		    "requests.proto");
	/* Linux has a third mode, BEET. */
	if (mode < MODE_TRANSPORT || mode > MODE_TUNNEL + (linux_ ? 1U : 0U))
		pfk_find_at(j, PFK_RULE_REQ_MODE, at + f[1].off, "X_POLICY",
		    "requests.mode");
	if (pfk_get(j->c, &f[2], s.p) > LEVEL_UNIQUE)
		pfk_find_at(j, PFK_RULE_REQ_LEVEL, at + f[2].off, "X_POLICY",
		    "requests.level");
	if (len == j->c->dialect->request_size) {
		if (mode == MODE_TUNNEL)
			pfk_find_at(j, PFK_RULE_REQ_TUNNEL, at + f[1].off,
			    "X_POLICY", "requests.mode");
	} else if (!linux_ || mode == MODE_TUNNEL) {
		judge_ends(j, s, len, at);
	}
}

static void
judge_requests(struct pfk_judge *j)
{
	static const struct pfk_field len_field = { "len", 0, 2, PFK_HOST };
	struct ipm_span s = pfk_tail_of(j, PFK_EXT_X_POLICY);
	size_t at = (size_t)(s.len == 0 ? 0 : s.p - j->msg.p);
	size_t fixed = j->c->dialect->request_size, len;

	if (pfk_value(j, PFK_EXT_X_POLICY, "policy") != POLICY_IPSEC)
		return;
	if (s.len == 0)
		pfk_find(j, PFK_RULE_POLICY_EMPTY, PFK_EXT_X_POLICY, NULL);
	for (size_t n = 0; s.len != 0; n++) {
		len =
		    s.len < fixed ? 0 : (size_t)pfk_get(j->c, &len_field, s.p);
		if (len < fixed || len > s.len) {
			pfk_find_at(j, PFK_RULE_REQ_LEN, at, "X_POLICY",
			    "requests.len");
			return;
		}
		if (n == REQUESTS_MAX)
			pfk_find_at(
			    j, PFK_RULE_REQ_MANY, at, "X_POLICY", "requests");
		judge_request(j, s, len, at);
		s = ipm_span_from(s, len);
		at += len;
	}
}

static void
judge_direction(struct pfk_judge *j)
{
	uint64_t dir = pfk_value(j, PFK_EXT_X_POLICY, "dir");

	/* Linux has a third direction, for what is forwarded. */
	if (pfk_has(j, PFK_EXT_X_POLICY) &&
	    (dir < 1 || dir > (j->dialect == PFK_D_LINUX ? 3U : 2U)))
		pfk_find(j, PFK_RULE_POLICY_DIR, PFK_EXT_X_POLICY, "dir");
}

static void
judge_policy_type(struct pfk_judge *j)
{
	if (pfk_value(j, PFK_EXT_X_POLICY, "policy") > POLICY_IPSEC)
		pfk_find(j, PFK_RULE_POLICY_TYPE, PFK_EXT_X_POLICY, "policy");
}

static void
judge_spdadd(struct pfk_judge *j)
{
	judge_direction(j);
	judge_policy_type(j);
	judge_requests(j);
}

static void
judge_spddelete(struct pfk_judge *j)
{
	judge_direction(j);
	if (j->dialect != PFK_D_LINUX)
		judge_policy_type(j);
}

static void
judge_spdflush(struct pfk_judge *j)
{
	if (j->msg.len > PFK_HDR_LEN)
		pfk_find_at(j, PFK_RULE_FLUSH_EXT, PFK_HDR_LEN, NULL, NULL);
}

void
pfk_judge_values(struct pfk_judge *j)
{
	static const struct {
		const char *type;
		void (*judge)(struct pfk_judge *j);
	} handlers[] = { { "GETSPI", judge_getspi }, { "UPDATE", judge_update },
		{ "ADD", judge_add }, { "ACQUIRE", judge_acquire },
		{ "REGISTER", judge_register }, { "X_PROMISC", judge_promisc },
		{ "X_SPDUPDATE", judge_spdadd }, { "X_SPDADD", judge_spdadd },
		{ "X_SPDSETIDX", judge_spdadd },
		{ "X_SPDDELETE", judge_spddelete },
		{ "X_SPDFLUSH", judge_spdflush } };
	const char *type = pfk_name(j->c->dialect->msgs, j->m.type);

	judge_exts(j);
	for (size_t i = 0;
	     type != NULL && i < sizeof handlers / sizeof handlers[0]; i++)
		if (strcmp(type, handlers[i].type) == 0)
			handlers[i].judge(j);
}
