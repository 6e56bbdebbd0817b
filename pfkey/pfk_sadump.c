/*
 * SAs as messages tell them.
 *
 * Source: FreeBSD sys/netipsec/key.c (key_setdumpsa, key_setsadbsa,
 * key_setsadbxsa2, key_setlifetime, key_setkey); facts pfkey 3.10.
 */
#include <string.h>

#include "pfk_int.h"

static uint8_t
full_prefix(const struct ipm_addr *a)
{
	return (uint8_t)(ipm_addr_len(a) * 8);
}

static void
out_address(struct pfk_out *o, uint16_t type, const struct ipm_addr *a)
{
	pfk_out_addr(o, type, a, 0, full_prefix(a), IPM_ULP_ANY);
}

void
pfk_out_ends(struct pfk_out *o, const struct ipm_sa *sa)
{
	out_address(o, PFK_EXT_ADDRESS_SRC, &sa->src);
	out_address(o, PFK_EXT_ADDRESS_DST, &sa->dst);
}

/* One number of the kernel counts what an SA sends and what its window accepts;
 * with the old defect, only what it sends (facts datapath 4.4). */
static uint64_t
counted(const struct pfk_call *c, const struct ipm_sa *sa)
{
	const struct ipm_replay *r = ipm_arena_at(&c->e->ipm.arena, sa->replay);

	if (sa->window_size == 0 || ipm_sw(c->pf, IPM_SW_REPLAY_OLD) != IPM_OFF)
		return sa->out_seq;
	return sa->out_seq + r->accepted;
}

void
pfk_out_sa(struct pfk_out *o, const struct pfk_call *c, const struct ipm_sa *sa,
    uint8_t state)
{

	uint32_t octets = sa->window_size / 8, flags = sa->sadb_flags;
	uint8_t *p = pfk_out_ext(o, PFK_EXT_SA, 16);

	/* SADB_KEY_FLAGS_MAX. */
	if (ipm_sw(c->pf, IPM_SW_PFK_FLAGS) == IPM_FLAGS_FREEBSD)
		flags &= 0x0fff;
	if (p != NULL) {
		ipm_store32(p + 4, sa->spi);
		p[8] = (uint8_t)(octets > 255 ? 255 : octets);
		p[9] = state;
		p[10] = sa->sadb_auth;
		p[11] = sa->sadb_enc;
		pfk_le_put(p + 12, 4, flags);
	}
	p = pfk_out_ext(o, PFK_EXT_X_SA2, 16);
	if (p != NULL) {
		p[4] = sa->mode;
		pfk_le_put(p + 8, 4, counted(c, sa));
		pfk_le_put(p + 12, 4, sa->reqid);
	}
	if (octets <= 255)
		return;
	p = pfk_out_ext(o, PFK_EXT_X_SA_REPLAY, 8);
	if (p != NULL)
		pfk_le_put(p + 4, 4, (uint64_t)octets * 8);
}

void
pfk_out_life(struct pfk_out *o, uint16_t type, const struct ipm_lifetime *l)
{
	uint8_t *p = pfk_out_ext(o, type, 32);

	if (p == NULL)
		return;
	pfk_le_put(p + 4, 4, l->allocations);
	pfk_le_put(p + 8, 8, l->octets);
	pfk_le_put(p + 16, 8, l->addtime);
	pfk_le_put(p + 24, 8, l->usetime);
}

void
pfk_out_current(struct pfk_out *o, const struct ipm_sa *sa)
{
	struct ipm_lifetime l = {
		.allocations = (uint32_t)sa->packets,
		.octets = sa->octets,
		.addtime = sa->created,
		.usetime = sa->first_use,
	};

	pfk_out_life(o, PFK_EXT_LIFETIME_CURRENT, &l);
}

static void
out_key(struct pfk_out *o, uint16_t type, uint16_t bits, const uint8_t *key,
    size_t len)
{
	uint8_t *p = pfk_out_ext(o, type, 8 + (len + 7) / 8 * 8);

	if (p == NULL)
		return;
	pfk_le_put(p + 4, 2, bits);
	if (len != 0)
		memcpy(p + 8, key, len);
}

/* A key that was given: of the null algorithms it may be empty. */
static void
out_keys(struct pfk_out *o, const struct ipm_arena *a, const struct ipm_sa *sa)
{
	if (sa->auth_key != 0)
		out_key(o, PFK_EXT_KEY_AUTH, sa->auth_bits,
		    ipm_arena_at(a, sa->auth_key), sa->auth_key_len);
	if (sa->enc_key != 0)
		out_key(o, PFK_EXT_KEY_ENCRYPT, sa->enc_bits,
		    ipm_arena_at(a, sa->enc_key), sa->enc_key_len);
}

static void
out_port(struct pfk_out *o, uint16_t type, uint16_t port)
{
	uint8_t *p = pfk_out_ext(o, type, 8);

	if (p != NULL)
		ipm_store16(p + 4, port);
}

static void
out_natt(struct pfk_out *o, const struct ipm_arena *a, const struct ipm_sa *sa)
{
	const struct ipm_sa_natt *n;
	uint8_t *p;

	if (sa->natt == 0)
		return;
	n = ipm_arena_at(a, sa->natt);
	p = pfk_out_ext(o, PFK_EXT_X_NAT_T_TYPE, 8);
	if (p != NULL)
		p[4] = 2; /* UDP_ENCAP_ESPINUDP */
	out_port(o, PFK_EXT_X_NAT_T_SPORT, sa->sport);
	out_port(o, PFK_EXT_X_NAT_T_DPORT, sa->dport);
	if (n->oai.family != 0)
		out_address(o, PFK_EXT_X_NAT_T_OAI, &n->oai);
	if (n->oar.family != 0)
		out_address(o, PFK_EXT_X_NAT_T_OAR, &n->oar);
}

void
pfk_out_described(struct pfk_out *o, const struct pfk_call *c, uint8_t type,
    uint32_t seq, uint16_t refs, ipm_off off)
{
	const struct ipm_arena *a = &c->e->ipm.arena;
	const struct ipm_sa *sa = ipm_arena_at(a, off);

	pfk_out_begin(o, type, pfk_satype_of(sa->proto), seq, c->rq->pid, refs);
	pfk_out_sa(o, c, sa, sa->state);
	if (sa->life != 0) {
		const struct ipm_sa_life *l = ipm_arena_at(a, sa->life);

		pfk_out_life(o, PFK_EXT_LIFETIME_HARD, &l->hard);
		pfk_out_life(o, PFK_EXT_LIFETIME_SOFT, &l->soft);
	}
	pfk_out_current(o, sa);
	pfk_out_ends(o, sa);
	out_keys(o, a, sa);
	out_natt(o, a, sa);
}
