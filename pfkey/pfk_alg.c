/*
 * The algorithms of the key engine: what REGISTER lists and ACQUIRE proposes.
 *
 * Source: FreeBSD sys/netipsec/key.c (key_register, key_getprop,
 * key_getcomb_ah, key_getcomb_esp, key_getcomb_ipcomp,
 * key_getcomb_setlifetime).
 */
#include "pfk_int.h"

/* Sets; the order of the switch pfkey-algs. */
#define A (1U << IPM_PFKALGS_ALL)
#define O (1U << IPM_PFKALGS_2017)
#define N (1U << IPM_PFKALGS_13)

static const struct pfk_alg algs[] = {
#define PFK_ALG(kind, number, name, ivlen, min_2017, max_2017, min_13, max_13, \
    most, exact, sets, listed)                                                 \
	{ PFK_ALG_##kind, number, name, ivlen, min_2017, max_2017, min_13,     \
		max_13, most, exact, sets, listed },
#include "pfk_algs.def"
#undef PFK_ALG
};

#define N_ALGS (sizeof algs / sizeof algs[0])

static bool
has(const struct ipm_profile *pf, const struct pfk_alg *a)
{
	return (a->sets >> ipm_sw(pf, IPM_SW_PFK_ALGS) & 1) != 0;
}

const struct pfk_alg *
pfk_alg_find(
    const struct ipm_profile *pf, enum pfk_alg_kind kind, uint8_t number)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (algs[i].kind == kind && algs[i].number == number &&
		    has(pf, &algs[i]))
			return &algs[i];
	return NULL;
}

/* The key bits that the profile's kernel states. */
static void
bits(const struct ipm_profile *pf, const struct pfk_alg *a, uint16_t *min,
    uint16_t *max)
{
	bool newer = ipm_sw(pf, IPM_SW_PFK_ALGS) == IPM_PFKALGS_13;

	*min = newer ? a->min_13 : a->min_2017;
	*max = newer ? a->max_13 : a->max_2017;
}

/* --- REGISTER ------------------------------------------------------------------------ */

static void
supported(struct pfk_out *o, const struct ipm_profile *pf, uint16_t type,
    enum pfk_alg_kind kind)
{
	size_t n = 0;
	uint8_t *p;

	for (size_t i = 0; i < N_ALGS; i++)
		n +=
		    algs[i].kind == kind && algs[i].listed && has(pf, &algs[i]);
	p = pfk_out_ext(o, type, 8 + 8 * n);
	for (size_t i = 0; p != NULL && i < N_ALGS; i++) {
		uint16_t min, max;

		if (algs[i].kind != kind || !algs[i].listed ||
		    !has(pf, &algs[i]))
			continue;
		p += 8;
		bits(pf, &algs[i], &min, &max);
		p[0] = algs[i].number;
		p[1] = algs[i].ivlen;
		pfk_le_put(p + 2, 2, min);
		pfk_le_put(p + 4, 2, max);
	}
}

/* [PFKEY-3.1.7-03] [PFKEY-2.3.8-01] [PFKEY-2.3.8-02] Both lists, complete, whatever was registered for. */
void
pfk_out_supported(struct pfk_out *o, const struct ipm_profile *pf)
{
	supported(o, pf, PFK_EXT_SUPPORTED_AUTH, PFK_ALG_AUTH);
	supported(o, pf, PFK_EXT_SUPPORTED_ENCRYPT, PFK_ALG_ENC);
}

/* --- ACQUIRE ------------------------------------------------------------------------- */

#define COMB_LEN  72U
#define COMBS_MAX (PFK_OUT_MAX / COMB_LEN)

/* Offsets in a sadb_comb. */
enum {
	COMB_AUTH = 0,
	COMB_ENCRYPT = 1,
	COMB_AUTH_BITS = 4,
	COMB_ENCRYPT_BITS = 8,
	COMB_SOFT_ALLOCATIONS = 16,
	COMB_HARD_ALLOCATIONS = 20,
	COMB_SOFT_ADDTIME = 40,
	COMB_HARD_ADDTIME = 48,
	COMB_SOFT_USETIME = 56,
	COMB_HARD_USETIME = 64
};

static uint8_t *
comb(const struct ipm_profile *pf, struct pfk_out *o)
{
	/* soft and hard addtime, soft and hard usetime */
	static const uint32_t times[][4] = {
		[IPM_COMBLIFE_MEANT] = { 69120, 86400, 23040, 28800 },
		[IPM_COMBLIFE_FREEBSD] = { 0, 86400, 28800, 0 },
		[IPM_COMBLIFE_LINUX] = { 72000, 86400, 25200, 28800 },
	};
	const uint32_t *t = times[ipm_sw(pf, IPM_SW_PFK_COMB_LIFE)];
	uint8_t *p = pfk_out_ext(o, 0, COMB_LEN);

	if (p == NULL)
		return NULL;
	pfk_le_put(p, 4, 0); /* a comb has no header */
	pfk_le_put(p + COMB_SOFT_ALLOCATIONS, 4, 1);
	pfk_le_put(p + COMB_HARD_ALLOCATIONS, 4, 1);
	pfk_le_put(p + COMB_SOFT_ADDTIME, 8, t[0]);
	pfk_le_put(p + COMB_HARD_ADDTIME, 8, t[1]);
	pfk_le_put(p + COMB_SOFT_USETIME, 8, t[2]);
	pfk_le_put(p + COMB_HARD_USETIME, 8, t[3]);
	return p;
}

/* The keyed hashes that are proposed, strongest first, as far as they are
 * there and net.key.ah_keymin lets them. */
static size_t
hashes(const struct pfk_call *c, const struct pfk_alg *list[5])
{
	static const uint8_t numbers[] = { 7, 6, 5, 3, 2 };
	size_t n = 0;

	for (size_t i = 0; i < sizeof numbers; i++) {
		const struct pfk_alg *a =
		    pfk_alg_find(c->pf, PFK_ALG_AUTH, numbers[i]);
		uint16_t min, max;

		if (a == NULL)
			continue;
		bits(c->pf, a, &min, &max);
		if (min >= pfk_sysctl(c, IPM_SV_AH_KEYMIN))
			list[n++] = a;
	}
	return n;
}

/* [PFKEY-2.3.7-02] [PFKEY-2.3.7-03] */
static void
put_hash(const struct pfk_call *c, uint8_t *p, const struct pfk_alg *a)
{
	uint16_t min, max;

	bits(c->pf, a, &min, &max);
	p[COMB_AUTH] = a->number;
	pfk_le_put(p + COMB_AUTH_BITS, 2, min);
	pfk_le_put(p + COMB_AUTH_BITS + 2, 2, max);
}

static void
combs_ah(const struct pfk_call *c, struct pfk_out *o)
{
	const struct pfk_alg *list[5];
	size_t n = hashes(c, list);

	for (size_t i = 0; i < n; i++) {
		uint8_t *p = comb(c->pf, o);

		if (p != NULL)
			put_hash(c, p, list[i]);
	}
}

/* One cipher: once, or with net.key.esp_auth once for each hash, which FreeBSD
 * then forgets to name. */
static void
combs_cipher(const struct pfk_call *c, struct pfk_out *o, uint8_t number,
    const uint16_t b[2])
{
	const struct pfk_alg *list[5];
	bool with_hash = pfk_sysctl(c, IPM_SV_ESP_AUTH) != 0;
	size_t n = with_hash ? hashes(c, list) : 1;

	for (size_t i = 0; i < n; i++) {
		uint8_t *p = comb(c->pf, o);

		if (p == NULL)
			return;
		p[COMB_ENCRYPT] = number;
		pfk_le_put(p + COMB_ENCRYPT_BITS, 2, b[0]);
		pfk_le_put(p + COMB_ENCRYPT_BITS + 2, 2, b[1]);
		if (with_hash && ipm_sw(c->pf, IPM_SW_PFK_COMB_AUTH) == IPM_OFF)
			put_hash(c, p, list[i]);
	}
}

static void
combs_esp(const struct pfk_call *c, struct pfk_out *o)
{
	int32_t least = pfk_sysctl(c, IPM_SV_ESP_KEYMIN);

	for (size_t i = 0; i < N_ALGS; i++) {
		uint16_t b[2];

		if (algs[i].kind != PFK_ALG_ENC || !has(c->pf, &algs[i]))
			continue;
		bits(c->pf, &algs[i], &b[0], &b[1]);
		if (b[1] < least)
			continue;
		if (b[0] < least)
			b[0] = (uint16_t)least;
		combs_cipher(c, o, algs[i].number, b);
	}
}

static void
combs_ipcomp(const struct pfk_call *c, struct pfk_out *o)
{
	uint8_t *p = comb(c->pf, o);

	if (p != NULL)
		p[COMB_ENCRYPT] = 2; /* DEFLATE */
}

void
pfk_out_proposal(const struct pfk_call *c, struct pfk_out *o, uint8_t proto)
{
	size_t at = o->len;
	uint8_t *p = pfk_out_ext(o, PFK_EXT_PROPOSAL, 8);

	if (p == NULL)
		return;
	p[4] = 32; /* the replay window that is proposed, in packets */
	if (proto == IPM_PROTO_AH)
		combs_ah(c, o);
	else if (proto == IPM_PROTO_ESP)
		combs_esp(c, o);
	else if (proto == IPM_PROTO_IPCOMP)
		combs_ipcomp(c, o);
	if (o->len == at + 8)
		o->len = at; /* no combination, no proposal */
	else
		pfk_le_put(o->p + at, 2, (o->len - at) / 8);
}
