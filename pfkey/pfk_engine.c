/*
 * A request from the socket to its handler, and the engine as one value.
 *
 * Source: FreeBSD sys/netipsec/keysock.c (key_output), key.c (key_parse,
 * key_align, key_validate_ext); facts pfkey 3.2.
 */
#include "pfk_engine.h"

#include <string.h>

#include "pfk_int.h"
#include "pfk_private.h"

#define SNDBUF \
	PFK_OUT_MAX /* net.raw.sendspace: a longer datagram is EMSGSIZE */

/* --- the engine as one value ------------------------------------------------------- */

void
pfk_engine_init(struct pfk_engine *e, uint64_t now, size_t limit)
{
	*e = (struct pfk_engine){ .last_tick = now };
	ipm_state_init(&e->ipm, limit);
}

enum ipm_err
pfk_engine_clone(struct pfk_engine *dst, const struct pfk_engine *src,
    const struct ipm_alloc *alloc)
{
	*dst = *src;
	dst->index = (struct pfk_index){ 0 };
	if (ipm_state_clone(&dst->ipm, &src->ipm, alloc) == IPM_OK)
		return IPM_OK;
	pfk_engine_init(dst, src->last_tick, src->ipm.arena.limit);
	return IPM_ERR_NOMEM;
}

void
pfk_engine_free(struct pfk_engine *e, const struct ipm_alloc *alloc)
{
	pfk_index_free(&e->index, alloc);
	ipm_state_free(&e->ipm, alloc);
	pfk_engine_init(e, 0, e->ipm.arena.limit);
}

static void
digest_sock(
    struct ipm_digest *d, const struct pfk_engine *e, const struct pfk_sock *s)
{
	ipm_digest_number(d, s->id);
	ipm_digest_number(d, s->rcvbuf);
	ipm_digest_number(d, s->registered);
	ipm_digest_number(d, s->promisc);
	for (ipm_off off = s->first; off != 0;) {
		const struct pfk_dgram *m = ipm_arena_at(&e->ipm.arena, off);

		ipm_digest_number(d, m->len);
		ipm_digest_octets(d, (const uint8_t *)m + sizeof *m, m->len);
		off = m->next;
	}
}

uint64_t
pfk_engine_digest(const struct pfk_engine *e)
{
	struct ipm_digest d = IPM_DIGEST_INIT;

	ipm_digest_number(&d, ipm_state_digest(&e->ipm));
	ipm_digest_number(&d, e->last_sock);
	for (ipm_off off = e->socks; off != 0;) {
		const struct pfk_sock *s = ipm_arena_at(&e->ipm.arena, off);

		digest_sock(&d, e, s);
		off = s->next;
	}
	ipm_digest_number(&d, e->acq_seq);
	ipm_digest_number(&d, e->last_tick);
	pfk_acq_digest(e, &d);
	return d.h;
}

/* --- message types ----------------------------------------------------------------- */

/* [PFKEY-3.4-01] Which satypes a message may have (facts pfkey 3.2.1); the shape of a row. */
enum satypes {
	SATYPES_ANY, /* 0 too */
	SATYPES_SA,
	SATYPES_SPD,
	SATYPES_PROMISC,
	SATYPES_SPDDUMP
};

static const struct {
	enum satypes satypes;
	pfk_handler *run; /* NULL: EINVAL */
} types[PFK_N_MSGTYPES] = {
	[PFK_GETSPI] = { SATYPES_SA, pfk_do_getspi },
	[PFK_UPDATE] = { SATYPES_SA, pfk_do_update },
	[PFK_ADD] = { SATYPES_SA, pfk_do_add },
	[PFK_DELETE] = { SATYPES_SA, pfk_do_delete },
	[PFK_GET] = { SATYPES_SA, pfk_do_get },
	[PFK_ACQUIRE] = { SATYPES_SA, pfk_do_acquire },
	[PFK_REGISTER] = { SATYPES_ANY, pfk_do_register },
	[PFK_EXPIRE] = { SATYPES_SA, NULL },
	[PFK_FLUSH] = { SATYPES_ANY, pfk_do_flush },
	[PFK_DUMP] = { SATYPES_ANY, pfk_do_dump },
	[PFK_X_PROMISC] = { SATYPES_PROMISC, pfk_do_promisc },
	[PFK_X_PCHANGE] = { SATYPES_ANY, NULL },
	[PFK_X_SPDUPDATE] = { SATYPES_SPD, pfk_do_spdadd },
	[PFK_X_SPDADD] = { SATYPES_SPD, pfk_do_spdadd },
	[PFK_X_SPDDELETE] = { SATYPES_SPD, pfk_do_spddelete },
	[PFK_X_SPDGET] = { SATYPES_SPD, pfk_do_spdget },
	[PFK_X_SPDACQUIRE] = { SATYPES_ANY, NULL },
	[PFK_X_SPDDUMP] = { SATYPES_SPDDUMP, pfk_do_spddump },
	[PFK_X_SPDFLUSH] = { SATYPES_SPD, pfk_do_spdflush },
	[PFK_X_SPDSETIDX] = { SATYPES_SPD, pfk_do_spdadd },
	[PFK_X_SPDEXPIRE] = { SATYPES_ANY, NULL },
	[PFK_X_SPDDELETE2] = { SATYPES_SPD, pfk_do_spddelete2 },
};

static int
check_satype(const struct pfk_call *c)
{
	uint8_t st = c->rq->satype;
	enum satypes rule = types[c->rq->type].satypes;

	if (rule == SATYPES_SPDDUMP) {
		/* A mask of scopes, of which one bit is set, or none. */
		if (ipm_sw(c->pf, IPM_SW_POLICY_SCOPE) == IPM_ON)
			return st == 0 || st == 1 || st == 2 || st == 4
			    ? 0
			    : PFK_EINVAL;
		rule = SATYPES_SPD;
	}
	switch (st) {
	case 0:
		return rule == SATYPES_SA ? PFK_EINVAL : 0;
	case 1:
		return rule == SATYPES_PROMISC ? 0 : PFK_EINVAL;
	case 2:
	case 3:
	case 9:
	case 11:
		return rule == SATYPES_SPD ? PFK_EINVAL : 0;
	case 5:
	case 6:
	case 7:
	case 8:
		if (ipm_sw(c->pf, IPM_SW_PFK_SATYPES) == IPM_OFF)
			return PFK_EOPNOTSUPP;
		return c->rq->type == PFK_REGISTER ? 0 : PFK_EINVAL;
	default:
		return PFK_EINVAL;
	}
}

/* --- extensions --------------------------------------------------------------------- */

/* Octets, least and most (0: no limit); where a sockaddr stands, 0 none. */
static const struct {
	uint8_t min, max, base;
} exts[PFK_N_EXTTYPES] = {
	[PFK_EXT_SA] = { 16, 16, 0 },
	[PFK_EXT_LIFETIME_CURRENT] = { 32, 32, 0 },
	[PFK_EXT_LIFETIME_HARD] = { 32, 32, 0 },
	[PFK_EXT_LIFETIME_SOFT] = { 32, 32, 0 },
	[PFK_EXT_ADDRESS_SRC] = { 8, 0, 8 },
	[PFK_EXT_ADDRESS_DST] = { 8, 0, 8 },
	[PFK_EXT_ADDRESS_PROXY] = { 8, 0, 8 },
	[PFK_EXT_KEY_AUTH] = { 8, 0, 0 },
	[PFK_EXT_KEY_ENCRYPT] = { 8, 0, 0 },
	[PFK_EXT_IDENTITY_SRC] = { 16, 0, 0 },
	[PFK_EXT_IDENTITY_DST] = { 16, 0, 0 },
	[PFK_EXT_SENSITIVITY] = { 16, 0, 0 },
	[PFK_EXT_PROPOSAL] = { 8, 0, 0 },
	[PFK_EXT_SUPPORTED_AUTH] = { 8, 0, 0 },
	[PFK_EXT_SUPPORTED_ENCRYPT] = { 8, 0, 0 },
	[PFK_EXT_SPIRANGE] = { 16, 16, 0 },
	/* X_KMPRIVATE is defined and refused as unknown. */
	[PFK_EXT_X_POLICY] = { 16, 0, 0 },
	[PFK_EXT_X_SA2] = { 16, 16, 0 },
	[PFK_EXT_X_NAT_T_TYPE] = { 8, 8, 0 },
	[PFK_EXT_X_NAT_T_SPORT] = { 8, 8, 0 },
	[PFK_EXT_X_NAT_T_DPORT] = { 8, 8, 0 },
	[PFK_EXT_X_NAT_T_OAI] = { 8, 0, 8 },
	[PFK_EXT_X_NAT_T_OAR] = { 8, 0, 8 },
	[PFK_EXT_X_NAT_T_FRAG] = { 8, 8, 0 },
	[PFK_EXT_X_SA_REPLAY] = { 8, 8, 0 },
	[PFK_EXT_X_NEW_ADDRESS_SRC] = { 8, 0, 8 },
	[PFK_EXT_X_NEW_ADDRESS_DST] = { 8, 0, 8 },
};

#define IDENT_X_ADDR 4U

/* Where the extension's sockaddr stands, 0 none. */
static size_t
sockaddr_base(uint16_t type, struct ipm_span ext)
{
	if ((type == PFK_EXT_IDENTITY_SRC || type == PFK_EXT_IDENTITY_DST) &&
	    ext.len >= 6 && pfk_le(ext.p + 4, 2) == IDENT_X_ADDR)
		return 16;
	return exts[type].base;
}

/* key_validate_ext.  `rest` is what the message has from the extension on; it
 * may state more. */
static bool
ext_valid(uint16_t type, size_t len, struct ipm_span rest)
{
	size_t base, sa_len;

	if (len < exts[type].min ||
	    (exts[type].max != 0 && len > exts[type].max))
		return false;
	base = sockaddr_base(type, rest);
	if (base == 0)
		return true;
	if (len < base + 1)
		return false;
	sa_len = rest.len > base ? rest.p[base] : 0;
	return base + (sa_len + 7) / 8 * 8 == len;
}

static bool
known(uint16_t type)
{
	return type < PFK_N_EXTTYPES && exts[type].min != 0;
}

/* [PFKEY-2.3-03] [PFKEY-2.3-04] An extension that is not known: it must be one
 * all the same. */
static bool
may_ignore(const struct ipm_profile *pf, uint16_t type, size_t len,
    struct ipm_span rest)
{
	return ipm_sw(pf, IPM_SW_PFK_UNKNOWN_EXT) == IPM_ON && type != 0 &&
	    len != 0 && len <= rest.len;
}

/* [PFKEY-1.4-01] [PFKEY-2.3-01] [PFKEY-2.3-02] [PFKEY-2.3-05] key_align, in whatever order they come.  0 or an errno of the call, its counter in *counter. */
static int
find_exts(const struct pfk_call *c, enum ipm_stat *counter)
{
	struct pfk_req *rq = c->rq;

	for (size_t off = PFK_HDR_LEN; off < rq->len;) {
		struct ipm_span rest =
		    ipm_span_from(ipm_span(rq->p, rq->len), off);
		uint16_t type;
		size_t len;

		if (rest.len < 4)
			return PFK_ENOBUFS;
		len = (size_t)pfk_le(rest.p, 2) * 8;
		type = (uint16_t)pfk_le(rest.p + 2, 2);
		*counter = IPM_ST_PFKEY_out_invexttype;
		if (type == PFK_PRIVATE_TYPE && len == PFK_PRIVATE_LEN &&
		    len <= rest.len && rq->private_off == 0 &&
		    ipm_sw(c->pf, IPM_SW_PFK_PRIVATE) == IPM_ON) {
			rq->private_off = (uint16_t)off;
			off += len;
			continue;
		}
		if (!known(type)) {
			if (!may_ignore(c->pf, type, len, rest))
				return PFK_EINVAL;
			off += len;
			continue;
		}
		*counter = IPM_ST_PFKEY_out_dupext;
		if (rq->ext_off[type] != 0)
			return PFK_EINVAL;
		*counter = IPM_ST_PFKEY_out_invlen;
		if (!ext_valid(type, len, rest))
			return PFK_EINVAL;
		*counter = IPM_N_STATS;
		if (len > rest.len)
			return ipm_sw(c->pf, IPM_SW_PFK_PAST_END) == IPM_OFF
			    ? PFK_ENOBUFS
			    : PFK_EINVAL;
		rq->ext_off[type] = (uint16_t)off;
		rq->ext_len[type] = (uint16_t)len;
		off += len;
	}
	return 0;
}

/* [PFKEY-2.3.3-08] May an SA come from there? */
static bool
source_may_be(const struct pfk_call *c)
{
	struct ipm_end end;
	uint8_t prefix, proto;

	if (types[c->rq->type].satypes != SATYPES_SA ||
	    ipm_sw(c->pf, IPM_SW_PFK_GROUP_SOURCE) == IPM_OFF)
		return true;
	pfk_read_end(c->rq, PFK_EXT_ADDRESS_SRC, &end, &prefix, &proto);
	return !pfk_is_group(&end.addr);
}

/* [PFKEY-2.3.3-02] Both addresses of a request: of one kind, and prefixes that they can have. */
static int
check_addresses(const struct pfk_call *c)
{
	const struct pfk_req *rq = c->rq;
	const uint8_t *src = pfk_rq_ext(rq, PFK_EXT_ADDRESS_SRC);
	const uint8_t *dst = pfk_rq_ext(rq, PFK_EXT_ADDRESS_DST);
	uint8_t most;
	int err;

	if (src == NULL || dst == NULL)
		return 0;
	if (src[4] != dst[4])
		return PFK_EINVAL;
	err = pfk_check_pair(rq, PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST);
	if (err != 0)
		return err;
	most = src[8] == 16 ? 32 : 128;
	if (src[5] > most || dst[5] > most || !source_may_be(c))
		return PFK_EINVAL;
	return 0;
}

/* --- one request ---------------------------------------------------------------------- */

static int
refuse(struct pfk_call *c, enum ipm_stat counter, int err)
{
	c->e->ipm.stats.v[counter]++;
	return pfk_reply_error(c, err);
}

/* Linux answers what FreeBSD gives back to send(2), and the reverse. */
static bool
errors_turned(const struct pfk_call *c)
{
	return ipm_sw(c->pf, IPM_SW_PFK_PARSE_ERRORS) == IPM_ON;
}

/* A wrong base header. */
static int
refuse_head(struct pfk_call *c, enum ipm_stat counter)
{
	if (!errors_turned(c))
		return refuse(c, counter, PFK_EINVAL);
	c->e->ipm.stats.v[counter]++;
	return PFK_EINVAL;
}

/* key_parse: the request's octets and header fields are in place. */
static int
parse(struct pfk_call *c)
{
	struct pfk_req *rq = c->rq;
	enum ipm_stat counter = IPM_N_STATS;
	int err;

	/* [PFKEY-2.1-02] */
	if (rq->p[0] != PFK_VERSION)
		return refuse_head(c, IPM_ST_PFKEY_out_invver);
	if (rq->type >= PFK_N_MSGTYPES || (rq->type == 0 && errors_turned(c)))
		return refuse_head(c, IPM_ST_PFKEY_out_invmsgtype);
	if (rq->len > PFK_MSG_MAX)
		return PFK_ENOBUFS;
	err = find_exts(c, &counter);
	if (err != 0) {
		if (counter != IPM_N_STATS)
			c->e->ipm.stats.v[counter]++;
		return errors_turned(c) ? pfk_reply_error(c, err) : err;
	}
	err = check_satype(c);
	if (err != 0)
		return refuse(c, IPM_ST_PFKEY_out_invsatype, err);
	err = check_addresses(c);
	if (err != 0)
		return refuse(c, IPM_ST_PFKEY_out_invaddr, err);
	if (types[rq->type].run == NULL)
		return refuse(c, IPM_ST_PFKEY_out_invmsgtype,
		    ipm_sw(c->pf, IPM_SW_PFK_NO_HANDLER) == IPM_OFF
			? PFK_EINVAL
			: PFK_EOPNOTSUPP);
	rq->proto = pfk_proto_of(rq->satype);
	return types[rq->type].run(c);
}

/* Memory for whatever the request may need besides what it makes itself, so
 * that want of it leaves everything as it was. */
static bool
ready(struct pfk_call *c)
{
	struct ipm_state *s = &c->e->ipm;

	return pfk_index_ready(
		   &c->e->index, &s->sad, &s->arena, c->env->alloc) == IPM_OK &&
	    pfk_reserve(c, 1, PFK_OUT_MAX);
}

int
pfk_send(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, uint32_t sock, struct ipm_span msg)
{
	uint8_t octets[SNDBUF];
	struct pfk_req rq = { .p = octets, .len = msg.len };
	struct pfk_call c = { e, pf, env, sock, &rq };
	struct ipm_stats *st = &e->ipm.stats;

	if (sock == 0 || pfk_requester(&c) == NULL)
		return PFK_EBADF;
	if (msg.len > SNDBUF)
		return PFK_EMSGSIZE;
	if (!ready(&c))
		return PFK_ENOBUFS;
	st->v[IPM_ST_PFKEY_out_total]++;
	st->v[IPM_ST_PFKEY_out_bytes] += msg.len;
	if (msg.len < PFK_HDR_LEN) {
		st->v[IPM_ST_PFKEY_out_tooshort]++;
		return ipm_sw(pf, IPM_SW_PFK_LEN_ERRNO) == IPM_OFF
		    ? PFK_EINVAL
		    : PFK_EMSGSIZE;
	}
	memcpy(octets, msg.p, msg.len);
	st->pfkey_out_msgtype[octets[1]]++;
	/* [PFKEY-2.1-03] [PFKEY-2.1-04] */
	if (pfk_le(octets + 4, 2) * 8 != msg.len) {
		st->v[IPM_ST_PFKEY_out_invlen]++;
		return ipm_sw(pf, IPM_SW_PFK_LEN_ERRNO) == IPM_OFF
		    ? PFK_EINVAL
		    : PFK_EMSGSIZE;
	}
	rq.type = octets[1];
	rq.satype = octets[3];
	rq.seq = (uint32_t)pfk_le(octets + 8, 4);
	rq.pid = (uint32_t)pfk_le(octets + 12, 4);
	pfk_show_request(&c);
	return parse(&c);
}
