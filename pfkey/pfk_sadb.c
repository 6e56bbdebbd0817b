/*
 * Messages about SAs.
 *
 * Source: FreeBSD sys/netipsec/key.c (key_getspi, key_do_getnewspi,
 * key_update, key_updateaddresses, key_add, key_delete, key_delete_all,
 * key_get, key_acquire2, key_register, key_flush, key_dump,
 * key_getmsgbuf_x1); facts pfkey 3.5 to 3.10, 4.4.
 */
#include <string.h>

#include "pfk_int.h"

static struct ipm_arena *
arena(const struct pfk_call *c)
{
	return &c->e->ipm.arena;
}

void
pfk_drop_sa(struct pfk_engine *e, ipm_off off)
{
	pfk_index_del_sa(&e->index, &e->ipm.arena, off);
	(void)ipm_sad_del(&e->ipm.sad, &e->ipm.arena, off);
}

void
pfk_drop_sah(struct pfk_engine *e, ipm_off off)
{
	while (pfk_sah_at(e, off)->larval_first != 0)
		pfk_drop_sa(e, pfk_sah_at(e, off)->larval_first);
	while (pfk_sah_at(e, off)->alive_first != 0)
		pfk_drop_sa(e, pfk_sah_at(e, off)->alive_first);
	pfk_index_del_sah(&e->index, &e->ipm.arena, off);
	ipm_sah_free(&e->ipm.sad, &e->ipm.arena, off);
}

/* --- what a request names ------------------------------------------------------------ */

/* SA and both addresses are there, as needed. */
static bool
has_all(const struct pfk_req *rq, bool sa)
{
	return (!sa || pfk_rq_has(rq, PFK_EXT_SA)) &&
	    pfk_rq_has(rq, PFK_EXT_ADDRESS_SRC) &&
	    pfk_rq_has(rq, PFK_EXT_ADDRESS_DST);
}

/* Exactly one lifetime of two is refused (QUIRK). */
static bool
lifetimes_pair(const struct pfk_req *rq)
{
	return pfk_rq_has(rq, PFK_EXT_LIFETIME_HARD) ==
	    pfk_rq_has(rq, PFK_EXT_LIFETIME_SOFT);
}

/* [PFKEY-3.1.2-04] [PFKEY-3.1.3-03] */
static bool
state_ok(const struct pfk_call *c)
{
	return ipm_sw(c->pf, IPM_SW_PFK_STATE) == IPM_OFF ||
	    pfk_rq_at(c->rq, PFK_EXT_SA)[9] == IPM_SA_MATURE;
}

static struct ipm_addr
address(const struct pfk_req *rq, enum pfk_exttype type)
{
	struct ipm_end end;
	uint8_t prefix, proto;

	pfk_read_end(rq, (uint16_t)type, &end, &prefix, &proto);
	return end.addr;
}

/* Ports do not count.  Without X_SA2: any mode, reqid 0. */
static struct ipm_saidx
index_of(const struct pfk_req *rq)
{
	const uint8_t *sa2 = pfk_rq_ext(rq, PFK_EXT_X_SA2);
	struct ipm_saidx idx = { .proto = rq->proto };

	idx.src = address(rq, PFK_EXT_ADDRESS_SRC);
	idx.dst = address(rq, PFK_EXT_ADDRESS_DST);
	if (sa2 != NULL) {
		idx.mode = sa2[4];
		idx.reqid = (uint32_t)pfk_le(sa2 + 12, 4);
	}
	return idx;
}

static uint32_t
spi_of(const struct pfk_req *rq)
{
	return ipm_load32(pfk_rq_at(rq, PFK_EXT_SA) + 4);
}

/* Whose SPI it is: of the whole host, or of a protocol and destination. */
static ipm_off
find_spi(const struct pfk_call *c, uint32_t spi, const struct ipm_saidx *idx)
{
	bool all = ipm_sw(c->pf, IPM_SW_PFK_SPI_UNIQUE) == 0;

	return pfk_index_spi(&c->e->index, arena(c), spi, all ? NULL : idx);
}

static bool
of_head(const struct pfk_engine *e, ipm_off sa, const struct ipm_saidx *idx,
    enum ipm_saidx_cmp how)
{
	struct ipm_saidx own =
	    ipm_sah_idx(pfk_sah_at(e, pfk_sa_at(e, sa)->sah));

	return ipm_saidx_match(&own, idx, how);
}

/* An alive SA of TCP-MD5 between two addresses: of their newest head the oldest
 * or the newest; when that head has none, there is none. */
static ipm_off
find_tcp(const struct pfk_call *c, const struct ipm_saidx *idx)
{
	bool oldest = pfk_sysctl(c, IPM_SV_PREFERRED_OLDSA) != 0;
	ipm_off sah = pfk_index_sah(&c->e->index, arena(c), idx, IPM_CMP_HEAD);

	if (sah == 0)
		return 0;
	return oldest ? pfk_sah_at(c->e, sah)->alive_last
		      : pfk_sah_at(c->e, sah)->alive_first;
}

/* What DELETE and GET mean; 0: no such SA. */
static ipm_off
find_named(const struct pfk_call *c, const struct ipm_saidx *idx)
{
	ipm_off off = idx->proto == IPM_PROTO_TCP
	    ? find_tcp(c, idx)
	    : find_spi(c, spi_of(c->rq), idx);

	return off != 0 && of_head(c->e, off, idx, IPM_CMP_HEAD) ? off : 0;
}

/* --- replies ---------------------------------------------------------------------------- */

/* Echoes the header and those of the extensions that the request has. */
static int
echo(struct pfk_call *c, enum pfk_target target, const uint8_t *types, size_t n)
{
	struct pfk_out o;

	pfk_out_echo(&o, c->rq);
	for (size_t i = 0; i < n; i++)
		pfk_out_copy(&o, c->rq, types[i]);
	return pfk_out_send(c, &o, target);
}

/* ADD and UPDATE: never a key [PFKEY-3.1.2-08] [PFKEY-3.1.3-05]. */
static int
echo_sa(struct pfk_call *c)
{
	static const uint8_t types[] = { PFK_EXT_SA, PFK_EXT_X_SA2,
		PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST, PFK_EXT_LIFETIME_HARD,
		PFK_EXT_LIFETIME_SOFT, PFK_EXT_IDENTITY_SRC,
		PFK_EXT_IDENTITY_DST, PFK_EXT_X_NAT_T_TYPE,
		PFK_EXT_X_NAT_T_SPORT, PFK_EXT_X_NAT_T_DPORT,
		PFK_EXT_X_NAT_T_OAI, PFK_EXT_X_NAT_T_OAR,
		PFK_EXT_X_NEW_ADDRESS_SRC, PFK_EXT_X_NEW_ADDRESS_DST };

	return echo(c, PFK_TO_ALL, types, sizeof types);
}

/* --- making SAs ------------------------------------------------------------------------- */

/*
 * A new SA of the head that the index matches, or of a new head; larval
 * without a fill.  False with nothing changed: no memory.
 */
static bool
new_sa(struct pfk_call *c, const struct ipm_saidx *idx, uint32_t spi,
    const struct ipm_sa_fill *fill, ipm_off *off)
{
	struct pfk_engine *e = c->e;
	struct ipm_sad *sad = &e->ipm.sad;
	ipm_off sah =
	    pfk_index_sah(&e->index, arena(c), idx, IPM_CMP_MODE_REQID);
	bool fresh = sah == 0;
	struct ipm_sa *sa;

	if (fresh &&
	    ipm_sah_make(sad, arena(c), c->env->alloc, idx, &sah) != IPM_OK)
		return false;
	if (ipm_sa_make(sad, arena(c), c->env->alloc, c->env->sec, sah, spi,
		fill, off) != IPM_OK) {
		if (fresh)
			ipm_sah_free(sad, arena(c), sah);
		return false;
	}
	if (fresh)
		pfk_index_add_sah(&e->index, arena(c), sah);
	pfk_index_add_sa(&e->index, arena(c), *off);
	sa = pfk_sa_at(e, *off);
	sa->seq = c->rq->seq;
	sa->pid = c->rq->pid;
	return true;
}

/* The index of the head that an SA of this index would join. */
static struct ipm_saidx
joined(const struct pfk_call *c, const struct ipm_saidx *idx)
{
	ipm_off sah =
	    pfk_index_sah(&c->e->index, arena(c), idx, IPM_CMP_MODE_REQID);

	return sah == 0 ? *idx : ipm_sah_idx(pfk_sah_at(c->e, sah));
}

static bool
reserved_spi(const struct ipm_saidx *idx, uint32_t spi)
{
	return (idx->proto == IPM_PROTO_ESP || idx->proto == IPM_PROTO_AH) &&
	    spi <= 255;
}

/* --- GETSPI ------------------------------------------------------------------------------ */

struct spi_range {
	uint32_t min, max;
};

static struct spi_range
range_of(const struct pfk_call *c, bool asked, uint8_t proto)
{
	const uint8_t *p = asked ? pfk_rq_ext(c->rq, PFK_EXT_SPIRANGE) : NULL;
	struct spi_range r;

	if (p != NULL) {
		r.min = (uint32_t)pfk_le(p + 4, 4);
		r.max = (uint32_t)pfk_le(p + 8, 4);
	} else {
		r.min = (uint32_t)pfk_sysctl(c, IPM_SV_SPI_MINVAL);
		r.max = (uint32_t)pfk_sysctl(c, IPM_SV_SPI_MAXVAL);
	}
	if (proto == IPM_PROTO_IPCOMP) {
		uint32_t t;

		if (r.min >= 0x10000)
			r.min = 0xffff;
		if (r.max >= 0x10000)
			r.max = 0xffff;
		if (r.min > r.max) {
			t = r.min;
			r.min = r.max;
			r.max = t;
		}
	}
	return r;
}

/* One draw of the tape in the range.  A range of all 2^32 numbers, by which
 * the kernel divides as by zero, is taken as meant. */
static bool
draw(struct pfk_call *c, struct spi_range r, uint32_t *spi)
{
	const uint8_t *p = ipm_tape_take(c->env->random, 4);
	uint32_t n = r.max - r.min + 1;

	if (p == NULL)
		return false;
	*spi = n == 0 ? ipm_load32(p) : r.min + ipm_load32(p) % n;
	return true;
}

/*
 * [PFKEY-3.1.1-02] [PFKEY-3.1.1-03] key_do_getnewspi.  0 with *spi, or PFK_EEXIST; PFK_ENOBUFS when the tape has
 * no draw left.
 *
 * FreeBSD counts down behind each test: a free SPI found by the last draw
 * leaves 0, which is taken for failure; running out leaves -1, which is not.
 */
static int
choose_spi(struct pfk_call *c, const struct ipm_saidx *idx, struct spi_range r,
    uint32_t *spi)
{
	bool quirk = ipm_sw(c->pf, IPM_SW_PFK_SPI_TRIES) == IPM_ON;
	int64_t count = pfk_sysctl(c, IPM_SV_SPI_TRYCNT);

	if (r.min == r.max) {
		bool taken = find_spi(c, r.min, idx) != 0;
		bool want = ipm_sw(c->pf, IPM_SW_PFK_SPI_FIXED) == IPM_ON;

		*spi = r.min;
		return taken == want && r.min != 0 ? 0 : PFK_EEXIST;
	}
	*spi = 0;
	/* A negative limit is 2^32 tries of the kernel's, all the tape here. */
	while (count-- != 0) {
		if (!draw(c, r, spi))
			return PFK_ENOBUFS;
		if (find_spi(c, *spi, idx) == 0)
			break;
	}
	if (*spi == 0 || (quirk ? count == 0 : count == -1))
		return PFK_EEXIST;
	return 0;
}

/* [PFKEY-3.1.1-01] [PFKEY-3.1.1-04] [PFKEY-3.1.1-06] */
int
pfk_do_getspi(struct pfk_call *c)
{
	struct pfk_out o;
	struct ipm_saidx idx;
	struct spi_range range;
	ipm_off off;
	uint32_t spi;
	uint8_t *p;
	int err;

	if (!has_all(c->rq, false) ||
	    pfk_check_pair(c->rq, PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST) !=
		0)
		return pfk_reply_error(c, PFK_EINVAL);
	idx = index_of(c->rq);
	range = range_of(c, true, idx.proto);
	/* [PFKEY-2.3.9-01] */
	if (range.min > range.max &&
	    ipm_sw(c->pf, IPM_SW_PFK_SPI_ORDER) == IPM_ON)
		return pfk_reply_error(c, PFK_EINVAL);
	err = choose_spi(c, &idx, range, &spi);
	if (err == PFK_EEXIST &&
	    ipm_sw(c->pf, IPM_SW_PFK_GETSPI_ERRNO) == IPM_ON)
		err = PFK_ENOENT;
	if (err == 0 && reserved_spi(&idx, spi))
		err = PFK_EINVAL;
	if (err == 0 && !new_sa(c, &idx, spi, NULL, &off))
		err = PFK_ENOBUFS;
	if (err != 0)
		return pfk_reply_error(c, err);
	pfk_acq_done(c->e, &idx, c->rq->seq);
	pfk_out_echo(&o, c->rq);
	/* Behind the SPI the kernel leaves what its memory held. */
	p = pfk_out_ext(&o, PFK_EXT_SA, 16);
	if (p != NULL)
		ipm_store32(p + 4, spi);
	pfk_out_copy(&o, c->rq, PFK_EXT_ADDRESS_SRC);
	pfk_out_copy(&o, c->rq, PFK_EXT_ADDRESS_DST);
	return pfk_out_send(c, &o,
	    ipm_sw(c->pf, IPM_SW_PFK_GETSPI_TO) == IPM_OFF ? PFK_TO_ONE
							   : PFK_TO_ALL);
}

/* --- ADD ------------------------------------------------------------------------------------ */

/* The key that the protocol cannot do without. */
static bool
lacks_key(const struct pfk_req *rq)
{
	return (rq->proto == IPM_PROTO_ESP &&
		   !pfk_rq_has(rq, PFK_EXT_KEY_ENCRYPT)) ||
	    (rq->proto == IPM_PROTO_AH && !pfk_rq_has(rq, PFK_EXT_KEY_AUTH));
}

/* [PFKEY-3.1.3-04] Is the SPI free?  0 with *spi, which is another one for TCP-MD5, where it is
 * a handle only. */
static int
claim_spi(struct pfk_call *c, const struct ipm_saidx *idx, uint32_t *spi)
{
	*spi = spi_of(c->rq);
	/* An SPI of 0 looks to the kernel like one that it could not draw. */
	if (idx->proto == IPM_PROTO_TCP && (find_tcp(c, idx) != 0 || *spi == 0))
		return PFK_EEXIST;
	if (find_spi(c, *spi, idx) == 0)
		return 0;
	if (idx->proto != IPM_PROTO_TCP)
		return PFK_EEXIST;
	return choose_spi(c, idx, range_of(c, false, idx->proto), spi);
}

/* [PFKEY-3.1.3-01] [PFKEY-2.3.3-01] [PFKEY-2.3.1-05] */
int
pfk_do_add(struct pfk_call *c)
{
	struct pfk_fill f;
	struct ipm_saidx idx, head;
	ipm_off off;
	uint32_t spi;
	int err;

	if (!has_all(c->rq, true) || lacks_key(c->rq) ||
	    !lifetimes_pair(c->rq) || !state_ok(c))
		return pfk_reply_error(c, PFK_EINVAL);
	err = pfk_check_pair(c->rq, PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST);
	if (err != 0)
		return pfk_reply_error(c, err);
	idx = index_of(c->rq);
	err = claim_spi(c, &idx, &spi);
	if (err == 0 && reserved_spi(&idx, spi) &&
	    ipm_sw(c->pf, IPM_SW_PFK_LOW_SPI) == IPM_OFF)
		err = PFK_EINVAL;
	head = joined(c, &idx);
	if (err == 0)
		err = pfk_setval(c, &head, spi, &f);
	if (err == 0 && !new_sa(c, &idx, spi, &f.fill, &off))
		err = PFK_ENOBUFS;
	if (err != 0)
		return pfk_reply_error(c, err);
	pfk_acq_done(c->e, &idx, c->rq->seq);
	return echo_sa(c);
}

/* --- UPDATE --------------------------------------------------------------------------------- */

/* What the kernel has set by the time it refuses, and does not take back. */
static void
leave_traces(
    const struct pfk_call *c, struct ipm_sa *sa, const struct pfk_fill *f)
{
	if (!f->begun || ipm_sw(c->pf, IPM_SW_PFK_FAILED_UPDATE) == IPM_OFF)
		return;
	sa->sadb_enc = f->fill.sadb_enc;
	sa->sadb_auth = f->fill.sadb_auth;
	sa->sadb_flags = f->fill.sadb_flags;
}

/* [PFKEY-3.1.2-03] [PFKEY-3.1.2-05] */
static int
update_larval(struct pfk_call *c, ipm_off off)
{
	struct ipm_saidx head =
	    ipm_sah_idx(pfk_sah_at(c->e, pfk_sa_at(c->e, off)->sah));
	struct pfk_fill f;
	int err;

	if (lacks_key(c->rq))
		return PFK_EINVAL;
	err = pfk_setval(c, &head, pfk_sa_at(c->e, off)->spi, &f);
	if (err != 0) {
		leave_traces(c, pfk_sa_at(c->e, off), &f);
		return err;
	}
	return ipm_sa_mature(&c->e->ipm.sad, arena(c), c->env->alloc,
		   c->env->sec, off, &f.fill) == IPM_OK
	    ? 0
	    : PFK_ENOBUFS;
}

/*
 * Where an SA goes whose UPDATE names new addresses; its own head without any,
 * which is for ESP with all of NAT-T alone.  0 with the head (0: a new one) and
 * its index, or an errno.
 */
static int
new_place(
    const struct pfk_call *c, ipm_off off, struct ipm_saidx *idx, ipm_off *sah)
{
	const struct pfk_req *rq = c->rq;
	bool new_src = pfk_rq_has(rq, PFK_EXT_X_NEW_ADDRESS_SRC);
	bool new_dst = pfk_rq_has(rq, PFK_EXT_X_NEW_ADDRESS_DST);
	enum pfk_exttype src =
	    new_src ? PFK_EXT_X_NEW_ADDRESS_SRC : PFK_EXT_ADDRESS_SRC;
	enum pfk_exttype dst =
	    new_dst ? PFK_EXT_X_NEW_ADDRESS_DST : PFK_EXT_ADDRESS_DST;
	int err = pfk_check_pair(rq, (uint16_t)src, (uint16_t)dst);

	if (err != 0)
		return err;
	*sah = pfk_sa_at(c->e, off)->sah;
	if (new_src || new_dst) {
		idx->src = address(rq, src);
		idx->dst = address(rq, dst);
		*sah = pfk_index_sah(
		    &c->e->index, arena(c), idx, IPM_CMP_MODE_REQID);
	} else if (idx->proto != IPM_PROTO_ESP ||
	    !pfk_rq_has(rq, PFK_EXT_X_NAT_T_TYPE) ||
	    !pfk_rq_has(rq, PFK_EXT_X_NAT_T_SPORT) ||
	    !pfk_rq_has(rq, PFK_EXT_X_NAT_T_DPORT)) {
		return PFK_EINVAL;
	}
	if (*sah != 0)
		*idx = ipm_sah_idx(pfk_sah_at(c->e, *sah));
	return 0;
}

/* Takes it there, to a new head when `sah` is 0.  False with nothing changed:
 * no memory. */
static bool
move(struct pfk_call *c, ipm_off off, const struct ipm_saidx *idx, ipm_off sah,
    const struct ipm_sa_fill *f)
{
	struct pfk_engine *e = c->e;
	bool fresh = sah == 0;

	if (fresh &&
	    ipm_sah_make(&e->ipm.sad, arena(c), c->env->alloc, idx, &sah) !=
		IPM_OK)
		return false;
	if (ipm_sa_move(&e->ipm.sad, arena(c), c->env->alloc, off, sah, f->natt,
		f->sport, f->dport) != IPM_OK) {
		if (fresh)
			ipm_sah_free(&e->ipm.sad, arena(c), sah);
		return false;
	}
	/* Its SPI is the same, but it is the last of that SPI now. */
	pfk_index_del_sa(&e->index, arena(c), off);
	pfk_index_add_sa(&e->index, arena(c), off);
	if (fresh)
		pfk_index_add_sah(&e->index, arena(c), sah);
	return true;
}

/* key_updateaddresses. */
static int
update_addresses(struct pfk_call *c, ipm_off off, struct ipm_saidx idx)
{
	struct pfk_fill f;
	ipm_off sah;
	int err = new_place(c, off, &idx, &sah);

	if (err != 0)
		return err;
	f.fill = (struct ipm_sa_fill){ 0 };
	err = pfk_setnatt(c->rq, &idx, &f);
	if (err != 0)
		return err;
	return move(c, off, &idx, sah, &f.fill) ? 0 : PFK_ENOBUFS;
}

/* [PFKEY-3.1.2-07] Lifetimes first, which stay changed when the addresses are refused then:
 * so does the kernel.
 *
 *   readdressed  set when addresses or NAT-T data were to be changed
 */
static int
update_alive(struct pfk_call *c, ipm_off off, const struct ipm_saidx *idx,
    bool *readdressed)
{
	const struct pfk_req *rq = c->rq;
	struct ipm_sa_life life;
	bool given = pfk_get_life(rq, &life);

	/* For limits, NAT-T data and a head, so that none comes to lack when
	 * another is in place. */
	if (!ipm_arena_reserve(arena(c), c->env->alloc,
		sizeof(struct ipm_sa_life) + sizeof(struct ipm_sa_natt) +
		    sizeof(struct ipm_sah) + (size_t)3 * 8))
		return PFK_ENOBUFS;
	if ((pfk_rq_has(rq, PFK_EXT_KEY_ENCRYPT) ||
		pfk_rq_has(rq, PFK_EXT_KEY_AUTH)) &&
	    ipm_sw(c->pf, IPM_SW_PFK_UPDATE_KEYS) == IPM_OFF)
		return PFK_EINVAL;
	if ((given || pfk_sa_at(c->e, off)->state != IPM_SA_DYING) &&
	    ipm_sa_set_life(
		arena(c), c->env->alloc, off, given ? &life : NULL) != IPM_OK)
		return PFK_ENOBUFS;
	*readdressed = pfk_rq_has(rq, PFK_EXT_X_NEW_ADDRESS_SRC) ||
	    pfk_rq_has(rq, PFK_EXT_X_NEW_ADDRESS_DST) ||
	    pfk_rq_has(rq, PFK_EXT_X_NAT_T_TYPE) ||
	    pfk_sa_at(c->e, off)->natt != 0;
	if (*readdressed)
		return update_addresses(c, off, *idx);
	pfk_sa_at(c->e, off)->state = IPM_SA_MATURE;
	return 0;
}

/* [PFKEY-3.1.2-01] [PFKEY-3.1.2-06] */
int
pfk_do_update(struct pfk_call *c)
{
	struct ipm_saidx idx;
	bool readdressed = false;
	ipm_off off;
	int err;

	if (!has_all(c->rq, true) || !lifetimes_pair(c->rq) || !state_ok(c))
		return pfk_reply_error(c, PFK_EINVAL);
	err = pfk_check_pair(c->rq, PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST);
	if (err != 0)
		return pfk_reply_error(c, err);
	idx = index_of(c->rq);
	off = find_spi(c, spi_of(c->rq), &idx);
	if (off == 0 && ipm_sw(c->pf, IPM_SW_PFK_UPDATE_ERRNO) == IPM_ON)
		return pfk_reply_error(c, PFK_ESRCH);
	if (off == 0 || pfk_sa_at(c->e, off)->pid != c->rq->pid)
		return pfk_reply_error(c, PFK_EINVAL);
	if (!of_head(c->e, off, &idx, IPM_CMP_MODE_REQID))
		return pfk_reply_error(c, PFK_ESRCH);
	if (pfk_sa_at(c->e, off)->state == IPM_SA_LARVAL)
		err = update_larval(c, off);
	else
		err = update_alive(c, off, &idx, &readdressed);
	if (err != 0)
		return pfk_reply_error(c, err);
	err = echo_sa(c);
	/* key_updateaddresses does not ask whether its reply found room. */
	return readdressed ? 0 : err;
}

/* --- DELETE, GET ---------------------------------------------------------------------------- */

/* All alive SAs between two addresses; larval ones stay. */
static void
delete_all(struct pfk_call *c, const struct ipm_saidx *idx)
{
	uint32_t at = 0;
	ipm_off off;

	while ((off = pfk_index_sah_next(
		    &c->e->index, arena(c), idx, IPM_CMP_HEAD, &at)) != 0)
		while (pfk_sah_at(c->e, off)->alive_first != 0)
			pfk_drop_sa(c->e, pfk_sah_at(c->e, off)->alive_first);
}

/* [PFKEY-3.1.4-01] [PFKEY-3.1.4-02] */
int
pfk_do_delete(struct pfk_call *c)
{
	static const uint8_t types[] = { PFK_EXT_SA, PFK_EXT_ADDRESS_SRC,
		PFK_EXT_ADDRESS_DST };
	struct ipm_saidx idx;
	ipm_off off;

	if (!has_all(c->rq, false) ||
	    pfk_check_pair(c->rq, PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST) !=
		0)
		return pfk_reply_error(c, PFK_EINVAL);
	idx = index_of(c->rq);
	if (!pfk_rq_has(c->rq, PFK_EXT_SA)) {
		if (ipm_sw(c->pf, IPM_SW_PFK_DELETE_ALL) == IPM_ON)
			return pfk_reply_error(c, PFK_EINVAL);
		delete_all(c, &idx);
	} else {
		off = find_named(c, &idx);
		if (off == 0)
			return pfk_reply_error(c, PFK_ESRCH);
		pfk_drop_sa(c->e, off);
	}
	return echo(c, PFK_TO_ALL, types, sizeof types);
}

/* [PFKEY-3.1.5-01] [PFKEY-3.1.5-02] */
int
pfk_do_get(struct pfk_call *c)
{
	struct ipm_saidx idx;
	struct pfk_out o;
	ipm_off off;

	if (!has_all(c->rq, true) ||
	    pfk_check_pair(c->rq, PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST) !=
		0)
		return pfk_reply_error(c, PFK_EINVAL);
	idx = index_of(c->rq);
	off = find_named(c, &idx);
	if (off == 0)
		return pfk_reply_error(c, PFK_ESRCH);
	/* The SAD's reference and that of the lookup. */
	pfk_out_described(&o, c, PFK_GET, c->rq->seq, 2, off);
	if (o.full)
		return pfk_reply_error(c, PFK_ENOBUFS);
	return pfk_out_send(c, &o, PFK_TO_ONE);
}

/* --- ACQUIRE, REGISTER ------------------------------------------------------------------------ */

/* Has a socket registered for this satype? */
static bool
anybody(const struct pfk_call *c, uint8_t satype)
{
	for (ipm_off off = c->e->socks; off != 0;) {
		const struct pfk_sock *s = ipm_arena_at(arena(c), off);

		if (pfk_registered(c, s, satype))
			return true;
		off = s->next;
	}
	return false;
}

/* [PFKEY-3.1.6-02] [PFKEY-3.1.6-03] An error of a key daemon, which gets no reply; or the wish
 * for an SA, which goes to all that have registered. */
int
pfk_do_acquire(struct pfk_call *c)
{
	struct ipm_saidx idx;
	int err;

	if (c->rq->len == PFK_HDR_LEN) {
		if (c->rq->seq != 0 && c->rq->p[2] != 0)
			pfk_acq_reset(c, c->rq->seq);
		return 0;
	}
	if (!has_all(c->rq, false) || !pfk_rq_has(c->rq, PFK_EXT_PROPOSAL) ||
	    pfk_check_pair(c->rq, PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST) !=
		0)
		return pfk_reply_error(c, PFK_EINVAL);
	idx = index_of(c->rq);
	if (pfk_index_sah(&c->e->index, arena(c), &idx, IPM_CMP_MODE_REQID) !=
	    0)
		return pfk_reply_error(c, PFK_EEXIST);
	/* [PFKEY-3.1.6-04] */
	if (ipm_sw(c->pf, IPM_SW_PFK_ACQUIRE_NOBODY) == IPM_ON &&
	    !anybody(c, c->rq->satype))
		return pfk_reply_error(c, PFK_EPROTONOSUPPORT);
	err = pfk_acq_send(c, &idx, 0);
	return err != 0 ? pfk_reply_error(c, err) : 0;
}

/* [PFKEY-3.1.7-01] [PFKEY-3.1.7-02] */
int
pfk_do_register(struct pfk_call *c)
{
	struct pfk_sock *s = pfk_requester(c);
	uint16_t bit = (uint16_t)(1U << c->rq->satype);
	struct pfk_out o;

	if (c->rq->satype == 0 &&
	    ipm_sw(c->pf, IPM_SW_PFK_REGISTER_ANY) == IPM_ON)
		return pfk_reply_error(c, PFK_EINVAL);
	if (s != NULL && c->rq->satype != 0) {
		if ((s->registered & bit) != 0)
			return pfk_reply_error(c, PFK_EEXIST);
		s->registered |= bit;
	}
	pfk_out_echo(&o, c->rq);
	pfk_out_supported(&o, c->pf);
	return pfk_out_send(c, &o, PFK_TO_REGISTERED);
}

/* --- FLUSH, DUMP ------------------------------------------------------------------------------- */

static bool
asked(const struct pfk_call *c, uint8_t proto)
{
	return c->rq->satype == 0 || c->rq->proto == proto;
}

/* [PFKEY-3.1.9-01] [PFKEY-3.1.9-02] */
int
pfk_do_flush(struct pfk_call *c)
{
	bool some = false;

	for (ipm_off off = c->e->ipm.sad.sah_first; off != 0;) {
		ipm_off next = pfk_sah_at(c->e, off)->next;

		if (asked(c, pfk_sah_at(c->e, off)->proto)) {
			pfk_drop_sah(c->e, off);
			some = true;
		}
		off = next;
	}
	return pfk_flushed(c, some);
}

/* One SA of a list each, with what is left of the count. */
static bool
dump_list(struct pfk_call *c, ipm_off first, uint32_t *left)
{
	struct pfk_out o;

	for (ipm_off off = first; off != 0;
	     off = pfk_sa_at(c->e, off)->sah_next) {
		pfk_out_described(&o, c, PFK_DUMP, --*left, 1, off);
		if (o.full)
			return false;
		/* What finds no room is missing, and nobody is told. */
		(void)pfk_out_send(c, &o, PFK_TO_ONE);
	}
	return true;
}

static uint32_t
count_list(const struct pfk_engine *e, ipm_off first)
{
	uint32_t n = 0;

	for (ipm_off off = first; off != 0; off = pfk_sa_at(e, off)->sah_next)
		n++;
	return n;
}

static uint32_t
count_asked(const struct pfk_call *c)
{
	uint32_t n = 0;

	for (ipm_off off = c->e->ipm.sad.sah_first; off != 0;
	     off = pfk_sah_at(c->e, off)->next) {
		const struct ipm_sah *h = pfk_sah_at(c->e, off);

		if (asked(c, h->proto))
			n += count_list(c->e, h->larval_first) +
			    count_list(c->e, h->alive_first);
	}
	return n;
}

/* [PFKEY-3.1.10-01] [PFKEY-3.1.10-02] [PFKEY-3.1.10-03] Newest heads first, in each the larval SAs, newest first,
 * and then the alive ones. */
int
pfk_do_dump(struct pfk_call *c)
{
	uint32_t left = count_asked(c);

	if (left == 0)
		return pfk_reply_error(c, PFK_ENOENT);
	if (!pfk_reserve(c, left, PFK_OUT_MAX))
		return pfk_reply_error(c, PFK_ENOBUFS);
	for (ipm_off off = c->e->ipm.sad.sah_first; off != 0;
	     off = pfk_sah_at(c->e, off)->next) {
		if (!asked(c, pfk_sah_at(c->e, off)->proto))
			continue;
		if (!dump_list(c, pfk_sah_at(c->e, off)->larval_first, &left) ||
		    !dump_list(c, pfk_sah_at(c->e, off)->alive_first, &left))
			return pfk_reply_error(c, PFK_ENOBUFS);
	}
	return 0;
}
