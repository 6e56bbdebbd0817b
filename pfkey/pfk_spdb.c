/*
 * [MAN-pfkey-02] [ARCH-4.4.1-19] [ARCH2401-4.4.1-08] The messages about
 * policies (facts pfkey 3.11).  A policy that is refused
 * comes back in its own message; what is done is told to every PF_KEY socket.
 *
 * Source: FreeBSD sys/netipsec/key.c (key_spdadd, key_spddelete,
 * key_spddelete2, key_spdget, key_spddump, key_spdflush, key_flush_spd,
 * key_spdexpire, key_setdumpsp).
 */
#include <string.h>

#include "pfk_int.h"
#include "pfk_sp.h"

#define LIFETIME_LEN 32U
/* Two addresses, two lifetimes, four requests, all of IPv6. */
#define DESCRIPTION_MAX 512U

static struct ipm_sp *
sp_at(const struct pfk_call *c, ipm_off off)
{
	return ipm_arena_at(&c->e->ipm.arena, off);
}

/* --- what a request says --------------------------------------------------------- */

/* The X_POLICY extension, in which ids and reqids are written; the generic
 * checks made sure of its head. */
static uint8_t *
policy(const struct pfk_req *rq)
{
	return rq->p + rq->ext_off[PFK_EXT_X_POLICY];
}

static struct pfk_xpolicy
policy_head(const struct pfk_req *rq)
{
	return pfk_xpolicy_read(policy(rq));
}

static struct ipm_selector
selector(const struct pfk_req *rq)
{
	struct ipm_selector sel = { 0 };
	uint8_t proto;

	pfk_read_end(
	    rq, PFK_EXT_ADDRESS_SRC, &sel.src, &sel.src_prefix, &sel.proto);
	pfk_read_end(
	    rq, PFK_EXT_ADDRESS_DST, &sel.dst, &sel.dst_prefix, &proto);
	return sel;
}

/* What adding and deleting by selector have in common.  That both addresses are
 * of one protocol has been looked at for every message. */
static int
check_selector_request(const struct pfk_req *rq)
{
	struct pfk_xpolicy head;

	if (!pfk_rq_has(rq, PFK_EXT_ADDRESS_SRC) ||
	    !pfk_rq_has(rq, PFK_EXT_ADDRESS_DST) ||
	    !pfk_rq_has(rq, PFK_EXT_X_POLICY))
		return PFK_EINVAL;
	head = policy_head(rq);
	if (head.dir != IPM_DIR_IN && head.dir != IPM_DIR_OUT)
		return PFK_EINVAL;
	/* ENTRUST and BYPASS are for sockets. */
	if (head.type != IPM_POLICY_DISCARD && head.type != IPM_POLICY_NONE &&
	    head.type != IPM_POLICY_IPSEC)
		return PFK_EINVAL;
	if (rq->type != PFK_X_SPDDELETE && head.type == IPM_POLICY_IPSEC &&
	    rq->ext_len[PFK_EXT_X_POLICY] <= PFK_XPOLICY_LEN)
		return PFK_EINVAL;
	return pfk_check_pair(rq, PFK_EXT_ADDRESS_SRC, PFK_EXT_ADDRESS_DST);
}

/* --- the database and its index --------------------------------------------------- */

static enum ipm_err
ready(struct pfk_call *c)
{
	return pfk_index_spd_ready(
	    &c->e->index, &c->e->ipm.spd, &c->e->ipm.arena, c->env->alloc);
}

static void
remove_sp(struct pfk_call *c, ipm_off off)
{
	pfk_index_remove_sp(
	    &c->e->index, &c->e->ipm.spd, &c->e->ipm.arena, off);
}

/*
 * Ids are tried net.key.spi_trycnt times, without end when that is negative.
 * The loop of FreeBSD takes the last try for none, free or not; that try uses
 * up an id all the same.
 */
static int
insert(struct pfk_call *c, ipm_off sp)
{
	struct ipm_state *s = &c->e->ipm;
	int32_t limit = pfk_sysctl(c, IPM_SV_SPI_TRYCNT);
	uint32_t tries = limit < 0 ? UINT32_MAX : (uint32_t)limit;
	bool last_fails = limit > 0 &&
	    ipm_sw(c->pf, IPM_SW_POLICY_ID_TRY) == IPM_LASTTRY_REFUSE;

	if (ipm_spd_insert(&s->spd, &s->arena, tries - last_fails, sp) ==
	    IPM_OK) {
		pfk_index_add_sp(&c->e->index, &s->spd, &s->arena, sp);
		return 0;
	}
	if (last_fails)
		ipm_spd_skip_id(&s->spd);
	ipm_sp_free(&s->arena, sp);
	return PFK_ENOBUFS;
}

/* --- X_SPDADD, X_SPDSETIDX, X_SPDUPDATE --------------------------------------------- */

/*
 * A policy of the request, in no list yet.  Memory is the first thing that the
 * kernel asks for: without it neither reqids are used up nor octets changed.
 */
static int
make(struct pfk_call *c, const struct ipm_sp_config *base, ipm_off *off)
{
	struct ipm_state *s = &c->e->ipm;
	uint8_t *x = policy(c->rq);
	uint32_t last_reqid = s->spd.last_reqid;
	struct pfk_sp_in in;
	int err;

	err = pfk_sp_read(
	    c->pf, &s->spd, ipm_span(x, c->rq->ext_len[PFK_EXT_X_POLICY]), &in);
	if (err == 0) {
		in.c.sel = base->sel;
		in.c.scope = base->scope;
		in.c.lifetime = base->lifetime;
		in.c.validtime = base->validtime;
		if (ipm_sp_make(&s->arena, c->env->alloc, c->env->sec, &in.c,
			off) != IPM_OK) {
			s->spd.last_reqid = last_reqid;
			return PFK_ENOBUFS;
		}
		/* It has used up what the engine had put by for the reply. */
		if (!pfk_reserve(c, 1, c->rq->len)) {
			ipm_sp_free(&s->arena, *off);
			*off = 0;
			s->spd.last_reqid = last_reqid;
			return PFK_ENOBUFS;
		}
	}
	pfk_sp_write_chosen(&in, x);
	return err;
}

/*
 * The new policy, in the place of an old one of the same selector if there is
 * one.  FreeBSD unlinks that before it looks at the requests of the new one, so
 * that a mistake in them loses both.
 */
static int
add(struct pfk_call *c, ipm_off *off)
{
	const uint8_t *hard = pfk_rq_ext(c->rq, PFK_EXT_LIFETIME_HARD);
	struct ipm_sp_config base = { .scope = IPM_SCOPE_GLOBAL };
	bool nomem = false;
	ipm_off old;
	int err = check_selector_request(c->rq);

	if (err != 0)
		return err;
	base.sel = selector(c->rq);
	if (hard != NULL) {
		base.lifetime = pfk_le(hard + 16, 8);
		base.validtime = pfk_le(hard + 24, 8);
	}
	if (ready(c) != IPM_OK)
		return PFK_ENOBUFS;
	old = pfk_index_sp_exact(&c->e->index, &c->e->ipm.arena,
	    (enum ipm_dir)policy_head(c->rq).dir, &base.sel);
	if (old != 0 && c->rq->type != PFK_X_SPDUPDATE)
		return PFK_EEXIST;
	err = make(c, &base, off);
	nomem = err == PFK_ENOBUFS;
	if (err == 0)
		err = insert(c, *off);
	if (old != 0 && !nomem &&
	    (err == 0 || ipm_sw(c->pf, IPM_SW_SPDUPDATE_UNLINK) != IPM_OFF))
		remove_sp(c, old);
	return err;
}

int
pfk_do_spdadd(struct pfk_call *c)
{
	struct pfk_out o;
	ipm_off off;
	int err = add(c, &off);

	if (err != 0)
		return pfk_reply_error(c, err);
	pfk_le_put(policy(c->rq) + 8, 4, sp_at(c, off)->id);
	pfk_out_echo(&o, c->rq);
	pfk_out_copy(&o, c->rq, PFK_EXT_X_POLICY);
	pfk_out_copy(&o, c->rq, PFK_EXT_LIFETIME_HARD);
	pfk_out_copy(&o, c->rq, PFK_EXT_ADDRESS_SRC);
	pfk_out_copy(&o, c->rq, PFK_EXT_ADDRESS_DST);
	return pfk_out_send(c, &o, PFK_TO_ALL);
}

/* --- X_SPDDELETE, X_SPDDELETE2, X_SPDFLUSH ------------------------------------------- */

static int
no_policy(const struct pfk_call *c)
{
	return ipm_sw(c->pf, IPM_SW_PFK_NO_POLICY) == IPM_OFF ? PFK_EINVAL
							      : PFK_ENOENT;
}

int
pfk_do_spddelete(struct pfk_call *c)
{
	struct pfk_out o;
	struct ipm_selector sel;
	ipm_off off;
	int err = check_selector_request(c->rq);

	if (err != 0)
		return pfk_reply_error(c, err);
	if (ready(c) != IPM_OK)
		return pfk_reply_error(c, PFK_ENOBUFS);
	sel = selector(c->rq);
	off = pfk_index_sp_exact(&c->e->index, &c->e->ipm.arena,
	    (enum ipm_dir)policy_head(c->rq).dir, &sel);
	/* Not ENOENT.  Whatever type the request states, it is deleted. */
	if (off == 0)
		return pfk_reply_error(c, no_policy(c));
	pfk_le_put(policy(c->rq) + 8, 4, sp_at(c, off)->id);
	remove_sp(c, off);
	pfk_out_echo(&o, c->rq);
	pfk_out_copy(&o, c->rq, PFK_EXT_X_POLICY);
	pfk_out_copy(&o, c->rq, PFK_EXT_ADDRESS_SRC);
	pfk_out_copy(&o, c->rq, PFK_EXT_ADDRESS_DST);
	return pfk_out_send(c, &o, PFK_TO_ALL);
}

/* The policy whose id X_POLICY states, or 0; *err when the request is wrong. */
static ipm_off
find_by_id(struct pfk_call *c, int *err)
{
	*err = 0;
	if (!pfk_rq_has(c->rq, PFK_EXT_X_POLICY))
		*err = PFK_EINVAL;
	else if (ready(c) != IPM_OK)
		*err = PFK_ENOBUFS;
	if (*err != 0)
		return 0;
	return pfk_index_sp_id(
	    &c->e->index, &c->e->ipm.arena, policy_head(c->rq).id);
}

int
pfk_do_spddelete2(struct pfk_call *c)
{
	struct pfk_out o;
	int err;
	ipm_off off = find_by_id(c, &err);

	if (err == 0 && off == 0)
		err = no_policy(c);
	if (err != 0)
		return pfk_reply_error(c, err);
	remove_sp(c, off);
	pfk_out_echo(&o, c->rq);
	pfk_out_copy(&o, c->rq, PFK_EXT_X_POLICY);
	return pfk_out_send(c, &o, PFK_TO_ALL);
}

int
pfk_do_spdflush(struct pfk_call *c)
{
	const struct ipm_spd *spd = &c->e->ipm.spd;
	bool some = spd->first[IPM_DIR_IN] != 0 || spd->first[IPM_DIR_OUT] != 0;

	if (c->rq->len != PFK_HDR_LEN)
		return pfk_reply_error(c, PFK_EINVAL);
	for (unsigned dir = IPM_DIR_IN; dir < IPM_N_DIRS; dir++)
		while (spd->first[dir] != 0)
			remove_sp(c, spd->first[dir]);
	return pfk_flushed(c, some);
}

/* --- X_SPDGET, X_SPDDUMP -------------------------------------------------------------- */

/* An end as it was given, or as the model has it. */
static void
out_end(struct pfk_out *o, uint16_t type, const struct ipm_end *e,
    uint8_t prefix, uint8_t proto)
{
	size_t len = 8 + (e->raw_len + 7U) / 8 * 8;
	uint8_t *p;

	if (e->raw_len == 0) {
		pfk_out_addr(o, type, &e->addr, e->port, prefix, proto);
		return;
	}
	p = pfk_out_ext(o, type, len);
	if (p == NULL)
		return;
	p[4] = proto;
	p[5] = prefix;
	memcpy(p + 8, e->raw, e->raw_len);
}

static void
out_selector(struct pfk_out *o, const struct ipm_selector *sel)
{
	out_end(o, PFK_EXT_ADDRESS_SRC, &sel->src, sel->src_prefix, sel->proto);
	out_end(o, PFK_EXT_ADDRESS_DST, &sel->dst, sel->dst_prefix, sel->proto);
}

/* Allocations and octets are whatever the kernel's stack held; zeros here. */
static void
out_times(struct pfk_out *o, const struct ipm_sp *sp)
{
	const struct {
		uint16_t type;
		uint64_t add, use;
	} rows[] = {
		{ PFK_EXT_LIFETIME_CURRENT, sp->created, sp->lastused },
		{ PFK_EXT_LIFETIME_HARD, sp->lifetime, sp->validtime },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t *p = pfk_out_ext(o, rows[i].type, LIFETIME_LEN);

		if (p == NULL)
			return;
		pfk_le_put(p + 16, 8, rows[i].add);
		pfk_le_put(p + 24, 8, rows[i].use);
	}
}

void
pfk_out_policy(
    struct pfk_call *c, struct pfk_out *o, ipm_off off, bool requests)
{
	const struct ipm_arena *a = &c->e->ipm.arena;
	const struct ipm_sp *sp = sp_at(c, off);
	size_t len = requests ? pfk_sp_len(a, sp) : PFK_XPOLICY_LEN;
	bool scoped = requests && ipm_sw(c->pf, IPM_SW_POLICY_SCOPE) != IPM_OFF;
	uint8_t *p = pfk_out_ext(o, PFK_EXT_X_POLICY, len);

	if (p == NULL)
		return;
	pfk_sp_write(a, sp, scoped, p, len);
	pfk_le_put(p, 2, len / 8);
}

static bool
shows_times(const struct pfk_call *c, const struct ipm_sp *sp)
{
	return sp->lifetime != 0 ||
	    (sp->validtime != 0 &&
		ipm_sw(c->pf, IPM_SW_POLICY_LIFETIME) == IPM_SPLIFE_EITHER);
}

/* held: references beside those of the sockets. */
static int
describe(
    struct pfk_call *c, uint8_t type, uint32_t seq, uint32_t held, ipm_off off)
{
	const struct ipm_sp *sp = sp_at(c, off);
	struct pfk_out o;

	pfk_out_begin(
	    &o, type, 0, seq, c->rq->pid, (uint16_t)(sp->refs + held));
	out_selector(&o, &sp->sel);
	pfk_out_policy(c, &o, off, true);
	if (shows_times(c, sp))
		out_times(&o, sp);
	return pfk_out_send(c, &o, PFK_TO_ONE);
}

int
pfk_do_spdget(struct pfk_call *c)
{
	int err;
	ipm_off off = find_by_id(c, &err);

	if (err == 0 && off == 0)
		err = PFK_ENOENT;
	if (err != 0)
		return pfk_reply_error(c, err);
	return describe(c, PFK_X_SPDGET, c->rq->seq, 2, off);
}

/* [MAN-bugs-05] One message for each policy, numbered down to 0.  What does not
 * fit into the socket is missing without a word. */
int
pfk_do_spddump(struct pfk_call *c)
{
	const struct ipm_spd *spd = &c->e->ipm.spd;
	uint32_t left = spd->count[IPM_DIR_IN] + spd->count[IPM_DIR_OUT];
	bool other_scope = c->rq->satype != IPM_SCOPE_ANY &&
	    (c->rq->satype & IPM_SCOPE_GLOBAL) == 0;

	if (left == 0 || other_scope)
		return pfk_reply_error(c, PFK_ENOENT);
	if (!pfk_reserve(c, left, DESCRIPTION_MAX))
		return pfk_reply_error(c, PFK_ENOBUFS);
	for (unsigned dir = IPM_DIR_IN; dir < IPM_N_DIRS; dir++)
		for (ipm_off off = spd->first[dir]; off != 0;
		     off = sp_at(c, off)->next)
			(void)describe(c, PFK_X_SPDDUMP, --left, 1, off);
	return 0;
}

/* --- the timer --------------------------------------------------------------------------- */

static bool
has_expired(const struct ipm_sp *sp, uint64_t now)
{
	return (sp->lifetime != 0 && now - sp->created > sp->lifetime) ||
	    (sp->validtime != 0 && now - sp->lastused > sp->validtime);
}

static void
expire(struct pfk_call *c, ipm_off off)
{
	const struct ipm_sp *sp = sp_at(c, off);
	struct pfk_out o;

	pfk_out_begin(&o, PFK_X_SPDEXPIRE, 0, 0, 0, 0);
	out_times(&o, sp);
	out_selector(&o, &sp->sel);
	pfk_out_policy(c, &o, off, true);
	remove_sp(c, off);
	(void)pfk_out_send(c, &o, PFK_TO_REGISTERED);
}

/* The kernel collects the expired ones at the head of a list while it walks as
 * a dump does: their messages go out in the reverse of that order. */
void
pfk_spd_tick(struct pfk_call *c, uint64_t now)
{
	const struct ipm_spd *spd = &c->e->ipm.spd;

	for (unsigned dir = IPM_N_DIRS - 1;
	     dir >= IPM_DIR_IN && spd->mortal != 0; dir--)
		for (ipm_off off = spd->last[dir], prev; off != 0; off = prev) {
			prev = sp_at(c, off)->prev;
			if (has_expired(sp_at(c, off), now))
				expire(c, off);
		}
}
