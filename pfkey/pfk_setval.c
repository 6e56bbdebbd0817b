/*
 * What ADD and UPDATE put into an SA, and what they may not.
 *
 * Source: FreeBSD sys/netipsec/key.c (key_setsaval, key_setident,
 * key_setnatt, key_updatelifetimes), xform_ah.c (ah_init0), xform_esp.c
 * (esp_init), xform_ipcomp.c (ipcomp_init), xform_tcp.c
 * (tcpsignature_init); facts pfkey 3.6 to 3.8, 9.3.
 */
#include <string.h>

#include "pfk_int.h"
#include "pfk_private.h"
#include "transform/ipm_knobs.h"

/* sadb_sa_flags (net/pfkeyv2.h). */
enum {
	F_OLD = 0x0001,
	F_IV4B = 0x0010,
	F_DERIV = 0x0020,
	F_CYCSEQ = 0x0040,
	F_RAWCPI = 0x0080,
	F_PRAND = 0x0100,
	F_PZERO = 0x0200,
	F_ESN = 0x0400,
	F_MAX = 0x0fff,
	F_NOPMTUDISC = 0x20000000, /* Linux: linux/pfkeyv2.h */
	F_DECAP_DSCP = 0x40000000
};
#define F_NOECN 0x80000000U

#define AALG_SHA2_256  5U
#define AALG_NULL      251U
#define AALG_TCP_MD5   252U
#define AALG_GMAC_128  11U
#define EALG_NULL      11U
#define EALG_GMAC      23U
#define CALG_DEFLATE   2U
#define ENCAP_ESPINUDP 2U

/* One SA being filled. */
struct job {
	struct pfk_call *c;
	const struct pfk_req *rq;
	const struct ipm_saidx *idx;
	uint32_t spi;
	uint32_t flags;         /* sadb_sa_flags */
	uint32_t private_flags; /* IPM_SAF_ */
	struct pfk_fill *f;
};

/* --- lifetimes -------------------------------------------------------------------- */

static struct ipm_lifetime
read_life(const uint8_t *p)
{
	return (struct ipm_lifetime){
		.allocations = (uint32_t)pfk_le(p + 4, 4),
		.octets = pfk_le(p + 8, 8),
		.addtime = pfk_le(p + 16, 8),
		.usetime = pfk_le(p + 24, 8),
	};
}

bool
pfk_get_life(const struct pfk_req *rq, struct ipm_sa_life *life)
{
	if (!pfk_rq_has(rq, PFK_EXT_LIFETIME_HARD) ||
	    !pfk_rq_has(rq, PFK_EXT_LIFETIME_SOFT))
		return false;
	life->hard = read_life(pfk_rq_at(rq, PFK_EXT_LIFETIME_HARD));
	life->soft = read_life(pfk_rq_at(rq, PFK_EXT_LIFETIME_SOFT));
	return true;
}

/* --- identities -------------------------------------------------------------------- */

/* They come in pairs of one type; what they say is not kept. */
static int
check_identities(const struct pfk_req *rq)
{
	const uint8_t *src = pfk_rq_ext(rq, PFK_EXT_IDENTITY_SRC);
	const uint8_t *dst = pfk_rq_ext(rq, PFK_EXT_IDENTITY_DST);

	if (src == NULL && dst == NULL)
		return 0;
	if (src == NULL || dst == NULL ||
	    pfk_le(src + 4, 2) != pfk_le(dst + 4, 2))
		return PFK_EINVAL;
	return 0;
}

/* --- keys ---------------------------------------------------------------------------- */

/*
 * sadb_key_bits is taken at its word: as far as the kernel copied, which is
 * the extension's length from the key's first octet on, a key goes on in what
 * follows it; behind that it holds zeros here, and anything there.
 */
static struct ipm_span
key_octets(const struct pfk_req *rq, enum pfk_exttype type, uint8_t *room)
{
	const uint8_t *ext = pfk_rq_at(rq, type);
	size_t len = (size_t)pfk_le(ext + 4, 2) / 8;
	size_t from = rq->ext_off[type] + 8U, have = rq->ext_len[type];

	if (have > rq->len - from)
		have = rq->len - from;
	if (len <= have)
		return ipm_span(ext + 8, len);
	memset(room, 0, len);
	memcpy(room, ext + 8, have);
	return ipm_span(room, len);
}

/* An empty one (8 octets of extension) is for the null algorithm alone. */
static int
take_auth_key(struct job *j)
{
	const uint8_t *ext = pfk_rq_ext(j->rq, PFK_EXT_KEY_AUTH);

	if (ext == NULL)
		return 0;
	if (j->idx->proto == IPM_PROTO_IPCOMP)
		return PFK_EINVAL;
	if (j->rq->ext_len[PFK_EXT_KEY_AUTH] == 8 &&
	    j->f->fill.sadb_auth != AALG_NULL)
		return PFK_EINVAL;
	j->f->fill.auth_bits = (uint16_t)pfk_le(ext + 4, 2);
	j->f->fill.auth_key =
	    key_octets(j->rq, PFK_EXT_KEY_AUTH, j->f->auth_key);
	return 0;
}

static int
take_enc_key(struct job *j)
{
	const uint8_t *ext = pfk_rq_ext(j->rq, PFK_EXT_KEY_ENCRYPT);
	bool empty = j->rq->ext_len[PFK_EXT_KEY_ENCRYPT] == 8;

	if (ext == NULL)
		return 0;
	if (j->idx->proto == IPM_PROTO_IPCOMP)
		return empty ? 0 : PFK_EINVAL;
	if (j->idx->proto != IPM_PROTO_ESP ||
	    (empty && j->f->fill.sadb_enc != EALG_NULL))
		return PFK_EINVAL;
	j->f->fill.enc_bits = (uint16_t)pfk_le(ext + 4, 2);
	j->f->fill.enc_key =
	    key_octets(j->rq, PFK_EXT_KEY_ENCRYPT, j->f->enc_key);
	return 0;
}

/* --- algorithms ---------------------------------------------------------------------- */

static int
no_driver(const struct job *j)
{
	return ipm_sw(j->c->pf, IPM_SW_PFK_NO_DRIVER) == 0 ? PFK_EINVAL
							   : PFK_EOPNOTSUPP;
}

static int
unknown_alg(const struct job *j)
{
	return ipm_sw(j->c->pf, IPM_SW_PFK_ALG_ERRNO) == IPM_OFF ? PFK_EINVAL
								 : PFK_ENOSYS;
}

/* Does crypto(4) take it?  The session itself is opened by who uses it. */
static int
check_driver(const struct job *j, const struct ipm_alg *alg)
{
	const struct ipm_provider *p = j->c->env->crypto;

	if (p == NULL || (alg != NULL && !p->offers(p, alg)) ||
	    !ipm_knob_software(&j->c->e->ipm.sysctls))
		return no_driver(j);
	return 0;
}

static bool
is_gmac(const struct pfk_alg *a)
{
	return a->kind == PFK_ALG_AUTH && a->number >= AALG_GMAC_128 &&
	    a->number < AALG_GMAC_128 + 3;
}

static bool
hash_key_fits(const struct job *j, const struct pfk_alg *a, size_t len)
{
	if (is_gmac(a) && ipm_sw(j->c->pf, IPM_SW_PFK_GMAC) == IPM_GMAC_SALTED)
		return len == a->exact + 4U;
	if (a->exact == 0)
		return true;
	if (ipm_sw(j->c->pf, IPM_SW_PFK_AUTH_KEY) == 0)
		return len == a->exact;
	return len != 0 && len <= a->most;
}

/* ah_init0: for AH, and for ESP that names an algorithm. */
static int
init_auth(struct job *j)
{
	struct ipm_sa_fill *f = &j->f->fill;
	const struct pfk_alg *a =
	    pfk_alg_find(j->c->pf, PFK_ALG_AUTH, f->sadb_auth);

	if (a == NULL || f->sadb_auth == AALG_TCP_MD5)
		return unknown_alg(j);
	/* Old headers have no window, and every SA is given one. */
	if ((j->flags & F_OLD) != 0 &&
	    ipm_sw(j->c->pf, IPM_SW_PFK_OLD) == IPM_ON)
		return PFK_EINVAL;
	if (!pfk_rq_has(j->rq, PFK_EXT_KEY_AUTH) ||
	    !hash_key_fits(j, a, f->auth_key.len))
		return PFK_EINVAL;
	f->auth = ipm_alg_by_name(a->number == AALG_SHA2_256 &&
		    ipm_sw(j->c->pf, IPM_SW_PFK_SHA256_BITS) == IPM_ON
		? "hmac-sha256-96"
		: a->name);
	if (is_gmac(a) && ipm_sw(j->c->pf, IPM_SW_PFK_GMAC) == IPM_GMAC_REFUSE)
		return no_driver(j);
	return check_driver(j, f->auth);
}

/* [PFKEY-2.3.1-03] [PFKEY-2.3.1-04] */
static int
init_ah(struct job *j)
{
	if ((j->flags & F_DERIV) != 0 || j->f->fill.sadb_enc != 0)
		return PFK_EINVAL;
	return init_auth(j);
}

/* AES-GCM and the like show the integrity of their key's size. */
static int
combined(struct job *j)
{
	struct ipm_sa_fill *f = &j->f->fill;

	if (f->sadb_auth != 0 &&
	    ipm_sw(j->c->pf, IPM_SW_PFK_AEAD_AUTH) == IPM_ON)
		return PFK_EINVAL;
	f->auth = NULL;
	f->sadb_auth = 0;
	if (f->enc->prim == IPM_PRIM_AES_GCM)
		f->sadb_auth = (uint8_t)(AALG_GMAC_128 +
		    (f->enc_key.len - f->enc->salt_len) / 8 - 2);
	return 0;
}

/* [PFKEY-2.3.4-01] [PFKEY-2.3.4-02] [PFKEY-2.3.4-04] */
static bool
cipher_key_fits(const struct job *j)
{
	const struct ipm_sa_fill *f = &j->f->fill;
	size_t salt = f->enc->salt_len;

	if (f->sadb_enc == EALG_GMAC &&
	    ipm_sw(j->c->pf, IPM_SW_PFK_GMAC) == IPM_GMAC_BARE)
		salt = 0;
	return f->enc_key.len >= salt &&
	    ipm_alg_key_ok(f->enc, f->enc_key.len - salt);
}

/* [PFKEY-3.5-01] */
static int
init_esp(struct job *j)
{
	struct ipm_sa_fill *f = &j->f->fill;
	const struct pfk_alg *a =
	    pfk_alg_find(j->c->pf, PFK_ALG_ENC, f->sadb_enc);
	int err;

	if ((j->flags & (F_OLD | F_DERIV)) == (F_OLD | F_DERIV) ||
	    !pfk_rq_has(j->rq, PFK_EXT_KEY_ENCRYPT) ||
	    (j->flags & (F_IV4B | F_OLD)) == F_IV4B)
		return PFK_EINVAL;
	if (a == NULL)
		return unknown_alg(j);
	f->enc = ipm_alg_by_name(a->name);
	if (!cipher_key_fits(j))
		return PFK_EINVAL;
	if (f->sadb_auth != 0 && (err = init_auth(j)) != 0)
		return err;
	if (f->enc->kind == IPM_ALG_AEAD) {
		if (f->sadb_enc == EALG_GMAC &&
		    ipm_sw(j->c->pf, IPM_SW_PFK_GMAC) == IPM_GMAC_REFUSE)
			return PFK_EINVAL;
		if ((err = combined(j)) != 0)
			return err;
	}
	return check_driver(j, f->enc);
}

static int
init_ipcomp(struct job *j)
{
	if (j->f->fill.sadb_auth != 0 ||
	    ((j->flags & F_RAWCPI) == 0 && j->spi > 0xffff))
		return PFK_EINVAL;
	if (j->f->fill.sadb_enc != CALG_DEFLATE)
		return unknown_alg(j);
	j->f->fill.comp = ipm_alg_by_name("deflate");
	return check_driver(j, NULL);
}

static int
init_tcp(struct job *j)
{
	struct ipm_sa_fill *f = &j->f->fill;
	const struct pfk_alg *a =
	    pfk_alg_find(j->c->pf, PFK_ALG_AUTH, AALG_TCP_MD5);

	if (f->sadb_enc != 0)
		return PFK_EINVAL;
	if (ipm_sw(j->c->pf, IPM_SW_TCP_MD5) == IPM_OFF || a == NULL ||
	    f->sadb_auth != AALG_TCP_MD5)
		return unknown_alg(j);
	if (f->auth_key.len == 0 || f->auth_key.len > a->most)
		return PFK_EINVAL;
	f->auth = ipm_alg_by_name(a->name);
	return 0;
}

static bool
named_key_fits(const struct ipm_alg *alg, struct ipm_span key)
{
	if (alg == NULL)
		return key.len == 0;
	return key.len >= alg->salt_len &&
	    ipm_alg_key_ok(alg, key.len - alg->salt_len);
}

/* The SA's algorithms are told by name. */
static int
init_named(struct job *j, const struct pfk_private *v)
{
	struct ipm_sa_fill *f = &j->f->fill;
	int err;

	if (j->idx->proto == IPM_PROTO_ESP ? v->enc == NULL
					   : v->auth == NULL || v->enc != NULL)
		return PFK_EINVAL;
	if (!named_key_fits(v->enc, f->enc_key) ||
	    !named_key_fits(v->auth, f->auth_key))
		return PFK_EINVAL;
	f->enc = v->enc;
	f->auth = v->auth;
	if (f->enc != NULL && (err = check_driver(j, f->enc)) != 0)
		return err;
	return f->auth == NULL ? 0 : check_driver(j, f->auth);
}

static int
init_private(struct job *j)
{
	struct pfk_private v;

	if ((j->idx->proto != IPM_PROTO_ESP && j->idx->proto != IPM_PROTO_AH) ||
	    !pfk_private_get(j->rq->p + j->rq->private_off, &v))
		return PFK_EINVAL;
	j->private_flags = v.flags;
	j->f->fill.last_seq = v.last_seq;
	return init_named(j, &v);
}

static int
init(struct job *j)
{
	if (j->rq->private_off != 0)
		return init_private(j);
	switch (j->idx->proto) {
	case IPM_PROTO_AH:
		return init_ah(j);
	case IPM_PROTO_ESP:
		return init_esp(j);
	case IPM_PROTO_IPCOMP:
		return init_ipcomp(j);
	case IPM_PROTO_TCP:
		return init_tcp(j);
	default:
		return PFK_EPROTONOSUPPORT;
	}
}

/* --- NAT traversal -------------------------------------------------------------------- */

/* One original address: IPv4 alone; the SA's own is not kept. */
static int
original(const struct pfk_req *rq, enum pfk_exttype type,
    const struct ipm_addr *own, struct ipm_addr *to)
{
	struct ipm_end end;
	uint8_t prefix, proto;

	if (!pfk_rq_has(rq, type))
		return 0;
	pfk_read_end(rq, (uint16_t)type, &end, &prefix, &proto);
	if (end.addr.family != 4)
		return PFK_EINVAL;
	if (ipm_addr_equal(&end.addr, own))
		return 0;
	*to = end.addr;
	return 0;
}

int
pfk_setnatt(
    const struct pfk_req *rq, const struct ipm_saidx *idx, struct pfk_fill *f)
{
	uint16_t sport, dport;
	int err = 0;

	f->fill.natt = NULL;
	f->natt = (struct ipm_sa_natt){ 0 };
	if (idx->proto != IPM_PROTO_ESP ||
	    !pfk_rq_has(rq, PFK_EXT_X_NAT_T_TYPE) ||
	    !pfk_rq_has(rq, PFK_EXT_X_NAT_T_SPORT) ||
	    !pfk_rq_has(rq, PFK_EXT_X_NAT_T_DPORT))
		return 0;
	sport = ipm_load16(pfk_rq_at(rq, PFK_EXT_X_NAT_T_SPORT) + 4);
	dport = ipm_load16(pfk_rq_at(rq, PFK_EXT_X_NAT_T_DPORT) + 4);
	if (pfk_rq_at(rq, PFK_EXT_X_NAT_T_TYPE)[4] != ENCAP_ESPINUDP ||
	    sport == 0 || dport == 0)
		return PFK_EINVAL;
	if (idx->mode != IPM_MODE_TUNNEL) {
		err =
		    original(rq, PFK_EXT_X_NAT_T_OAI, &idx->src, &f->natt.oai);
		if (err == 0)
			err = original(
			    rq, PFK_EXT_X_NAT_T_OAR, &idx->dst, &f->natt.oar);
	}
	if (err != 0)
		return err;
	f->natt.delta =
	    ipm_natt_delta(&idx->src, &idx->dst, &f->natt.oai, &f->natt.oar);
	f->fill.natt = &f->natt;
	f->fill.sport = sport;
	f->fill.dport = dport;
	return 0;
}

/* --- all of it ------------------------------------------------------------------------ */

/* In octets of bitmap, as SA and X_SA_REPLAY state it. */
static int
window(struct job *j)
{
	uint32_t octets = pfk_rq_at(j->rq, PFK_EXT_SA)[8];

	if ((j->flags & F_OLD) != 0)
		octets = 0;
	if (pfk_rq_has(j->rq, PFK_EXT_X_SA_REPLAY)) {
		uint32_t packets = (uint32_t)pfk_le(
		    pfk_rq_at(j->rq, PFK_EXT_X_SA_REPLAY) + 4, 4);

		if (packets > UINT32_MAX - 32)
			return PFK_EINVAL;
		octets = (packets + 7) >> 3;
	}
	j->f->fill.window = octets * 8;
	return 0;
}

static uint32_t
model_flags(const struct job *j)
{
	static const struct {
		uint32_t sadb, model;
	} bits[] = {
		{ F_OLD, IPM_SAF_OLD },
		{ F_CYCSEQ, IPM_SAF_CYCSEQ },
		{ F_RAWCPI, IPM_SAF_RAWCPI },
		{ F_PRAND, IPM_SAF_PAD_RANDOM },
		{ F_PZERO, IPM_SAF_PAD_ZERO },
		/* None of these gets here but from Linux (pfkey-flags). */
		{ F_NOPMTUDISC, IPM_SAF_NOPMTUDISC },
		{ F_DECAP_DSCP, IPM_SAF_DECAP_DSCP },
		{ F_NOECN, IPM_SAF_NOECN },
	};
	uint32_t flags = j->private_flags;

	for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
		if ((j->flags & bits[i].sadb) != 0)
			flags |= bits[i].model;
	if ((j->flags & F_ESN) != 0 &&
	    ipm_sw(j->c->pf, IPM_SW_PFK_ESN) == IPM_ON)
		flags |= IPM_SAF_ESN;
	if (j->f->fill.natt != NULL)
		flags |= IPM_SAF_NATT;
	return flags;
}

static int
fill(struct job *j)
{
	int err;

	if ((err = check_identities(j->rq)) != 0)
		return err;
	j->f->begun = true;
	if ((j->flags & ~(uint32_t)F_MAX) != 0 &&
	    ipm_sw(j->c->pf, IPM_SW_PFK_FLAGS) == IPM_FLAGS_FREEBSD)
		return PFK_EINVAL;
	if ((err = window(j)) != 0 || (err = take_auth_key(j)) != 0 ||
	    (err = take_enc_key(j)) != 0 || (err = init(j)) != 0)
		return err;
	return pfk_setnatt(j->rq, j->idx, j->f);
}

/* [PFKEY-3.1.3-02] */
int
pfk_setval(struct pfk_call *c, const struct ipm_saidx *idx, uint32_t spi,
    struct pfk_fill *f)
{
	const uint8_t *sa = pfk_rq_at(c->rq, PFK_EXT_SA);
	struct job j = { c, c->rq, idx, spi, (uint32_t)pfk_le(sa + 12, 4), 0,
		f };
	int err;

	f->fill = (struct ipm_sa_fill){
		.sadb_auth = sa[10], .sadb_enc = sa[11], .sadb_flags = j.flags
	};
	f->begun = false;
	err = fill(&j);
	if (err != 0)
		return err;
	f->fill.flags = model_flags(&j);
	if (pfk_get_life(c->rq, &f->life))
		f->fill.life = &f->life;
	return 0;
}
