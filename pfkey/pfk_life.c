/*
 * What time does to SAs and acquires, and what the key daemons are told.
 *
 * Source: FreeBSD sys/netipsec/key.c (key_timehandler, key_flush_sad,
 * key_flush_acq, key_expire, key_acquire, key_getacq, key_newacq,
 * key_acqdone); facts pfkey 3.5.6, 3.5.8, 4.2, 4.3, 4.7.
 */
#include "pfk_int.h"

static struct pfk_acq *
acq_at(const struct pfk_engine *e, ipm_off off)
{
	return ipm_arena_at(&e->ipm.arena, off);
}

/* --- limits ------------------------------------------------------------------------------ */

/* [PFKEY-2.3.2-01] [PFKEY-2.3.2-02] [PFKEY-2.3.2-03] [PFKEY-2.3.2-04]
 * [PFKEY-2.3.2-05] [ARCH-4.4.2.1-09] [ARCH2401-4.4.3-04] Does an SA pass a limit at second `now`?  Strictly; 0 is no limit, and
 * allocations are never looked at. */
static bool
passed(const struct ipm_sa *sa, const struct ipm_lifetime *l, uint64_t now)
{
	return (l->addtime != 0 && now > sa->created &&
		   now - sa->created > l->addtime) ||
	    (l->usetime != 0 && sa->first_use != 0 && now > sa->first_use &&
		now - sa->first_use > l->usetime) ||
	    (l->octets != 0 && sa->octets > l->octets);
}

/* Sequence numbers that are nearly used up: more than 80 of 100 of 2^32 are
 * (FreeBSD 13). */
static bool
worn(const struct pfk_call *c, const struct ipm_sa *sa)
{
	const struct ipm_replay *r = ipm_arena_at(&c->e->ipm.arena, sa->replay);
	const uint64_t most = (UINT64_C(1) << 32) / 5 * 4;

	return ipm_sw(c->pf, IPM_SW_PFK_SEQ_SOFT) == IPM_ON &&
	    (sa->flags & IPM_SAF_ESN) == 0 &&
	    (sa->out_seq > most || r->top > most);
}

static const struct ipm_sa_life *
life_of(const struct pfk_engine *e, const struct ipm_sa *sa)
{
	return sa->life == 0 ? NULL : ipm_arena_at(&e->ipm.arena, sa->life);
}

static bool
hard_passed(const struct pfk_call *c, const struct ipm_sa *sa, uint64_t now)
{
	const struct ipm_sa_life *l = life_of(c->e, sa);

	return l != NULL && passed(sa, &l->hard, now);
}

static bool
soft_passed(const struct pfk_call *c, const struct ipm_sa *sa, uint64_t now)
{
	const struct ipm_sa_life *l = life_of(c->e, sa);

	return l != NULL && sa->state == IPM_SA_MATURE &&
	    (passed(sa, &l->soft, now) || worn(c, sa));
}

/* The kernel's variable is unsigned (u_int key_larval_lifetime). */
static uint32_t
larval_lifetime(const struct pfk_call *c)
{
	return (uint32_t)pfk_sysctl(c, IPM_SV_LARVAL_LIFETIME);
}

static bool
larval_passed(const struct pfk_call *c, const struct ipm_sa *sa, uint64_t now)
{
	return now - sa->created >= larval_lifetime(c);
}

/* --- EXPIRE ------------------------------------------------------------------------------- */

/* [PFKEY-3.1.8-02] [PFKEY-1.6-03] */
static void
expire(struct pfk_call *c, const struct ipm_sa *sa, bool hard)
{
	const struct ipm_sa_life *l = life_of(c->e, sa);
	struct pfk_out o;

	/* The SAD's reference and the timer's. */
	pfk_out_begin(&o, PFK_EXPIRE, pfk_satype_of(sa->proto), sa->seq, 0, 2);
	pfk_out_sa(&o, c, sa, hard ? IPM_SA_DEAD : IPM_SA_DYING);
	pfk_out_current(&o, sa);
	if (hard)
		pfk_out_life(&o, PFK_EXT_LIFETIME_HARD, &l->hard);
	else
		pfk_out_life(&o, PFK_EXT_LIFETIME_SOFT, &l->soft);
	pfk_out_ends(&o, sa);
	/* [PFKEY-3.1.8-01] */
	(void)pfk_out_send(c, &o,
	    ipm_sw(c->pf, IPM_SW_PFK_EXPIRE_TO) == IPM_OFF ? PFK_TO_REGISTERED
							   : PFK_TO_ALL);
}

/* --- one run of the timer over the SAD --------------------------------------------------- */

/* [PFKEY-3.1.1-05] Larval SAs go without a word; empty heads go. */
static void
sweep_larval(struct pfk_call *c, uint64_t now)
{
	struct pfk_engine *e = c->e;

	for (ipm_off off = e->ipm.sad.sah_first; off != 0;) {
		const struct ipm_sah *h = pfk_sah_at(e, off);
		ipm_off next = h->next, sa = h->larval_first;

		if (sa == 0 && h->alive_first == 0)
			pfk_drop_sah(e, off);
		while (sa != 0) {
			ipm_off behind = pfk_sa_at(e, sa)->sah_next;

			if (larval_passed(c, pfk_sa_at(e, sa), now))
				pfk_drop_sa(e, sa);
			sa = behind;
		}
		off = next;
	}
}

/* [PFKEY-3.1.8-03] [PFKEY-3.1.8-04] [PFKEY-3.1.8-05] [PFKEY-3.3-01]
 * [PFKEY-3.3-02] [ARCH-4.4.2.1-12] Alive SAs, the oldest heads first and in each the oldest SA: the kernel walks
 * the other way, and puts each that expires before those it found earlier. */
static void
sweep_alive(struct pfk_call *c, uint64_t now, bool hard)
{
	struct pfk_engine *e = c->e;

	for (ipm_off off = e->ipm.sad.sah_last; off != 0;
	     off = pfk_sah_at(e, off)->prev)
		for (ipm_off sa = pfk_sah_at(e, off)->alive_last; sa != 0;) {
			ipm_off before = pfk_sa_at(e, sa)->sah_prev;

			if (hard && hard_passed(c, pfk_sa_at(e, sa), now)) {
				expire(c, pfk_sa_at(e, sa), true);
				pfk_drop_sa(e, sa);
			} else if (!hard &&
			    soft_passed(c, pfk_sa_at(e, sa), now)) {
				pfk_sa_at(e, sa)->state = IPM_SA_DYING;
				expire(c, pfk_sa_at(e, sa), false);
			}
			sa = before;
		}
}

static bool
acq_over(const struct pfk_call *c, const struct pfk_acq *q, uint64_t now)
{
	return (int64_t)(now - q->created) >
	    pfk_sysctl(c, IPM_SV_BLOCKACQ_LIFETIME);
}

static void
sweep_acqs(struct pfk_call *c, uint64_t now)
{
	struct pfk_engine *e = c->e;
	ipm_off before = 0;

	for (ipm_off off = e->acqs; off != 0;) {
		ipm_off next = acq_at(e, off)->next;

		if (!acq_over(c, acq_at(e, off), now)) {
			before = off;
		} else {
			if (before == 0)
				e->acqs = next;
			else
				acq_at(e, before)->next = next;
			ipm_arena_give(
			    &e->ipm.arena, off, sizeof(struct pfk_acq));
		}
		off = next;
	}
}

/* --- the clock ------------------------------------------------------------------------------ */

/* Earlier of two seconds; `at` is when something passes a limit of `limit`
 * seconds counted from `from`. */
static void
sooner(uint64_t *due, uint64_t from, uint64_t limit)
{
	uint64_t at;

	if (limit == 0)
		return;
	at = limit >= UINT64_MAX - from ? UINT64_MAX : from + limit + 1;
	if (at < *due)
		*due = at;
}

static void
due_life(const struct ipm_sa *sa, const struct ipm_lifetime *l, uint64_t *due)
{
	sooner(due, sa->created, l->addtime);
	if (sa->first_use != 0)
		sooner(due, sa->first_use, l->usetime);
	if (l->octets != 0 && sa->octets > l->octets)
		*due = 0;
}

static void
due_sas(const struct pfk_call *c, uint64_t *due)
{
	const struct pfk_engine *e = c->e;
	uint32_t larval = larval_lifetime(c);

	for (ipm_off h = e->ipm.sad.sah_first; h != 0;
	     h = pfk_sah_at(e, h)->next)
		if (pfk_sah_at(e, h)->alive_first == 0 &&
		    pfk_sah_at(e, h)->larval_first == 0)
			*due = 0;
	for (ipm_off off = e->ipm.sad.first; off != 0;) {
		const struct ipm_sa *sa = pfk_sa_at(e, off);
		const struct ipm_sa_life *l = life_of(e, sa);

		if (sa->sah != 0 && sa->state == IPM_SA_LARVAL) {
			if (larval <= 1)
				*due = 0;
			else
				sooner(due, sa->created, larval - 1);
		} else if (l != NULL) {
			due_life(sa, &l->hard, due);
			if (sa->state == IPM_SA_MATURE) {
				due_life(sa, &l->soft, due);
				if (worn(c, sa))
					*due = 0;
			}
		}
		off = sa->next;
	}
}

static void
due_policies(const struct pfk_engine *e, uint64_t *due)
{
	if (e->ipm.spd.mortal == 0)
		return;
	for (int dir = 0; dir < IPM_N_DIRS; dir++)
		for (ipm_off off = e->ipm.spd.first[dir]; off != 0;) {
			const struct ipm_sp *sp =
			    ipm_arena_at(&e->ipm.arena, off);

			sooner(due, sp->created, sp->lifetime);
			sooner(due, sp->lastused, sp->validtime);
			off = sp->next;
		}
}

static void
due_acqs(const struct pfk_call *c, uint64_t *due)
{
	int32_t life = pfk_sysctl(c, IPM_SV_BLOCKACQ_LIFETIME);

	for (ipm_off off = c->e->acqs; off != 0; off = acq_at(c->e, off)->next)
		if (life <= 0)
			*due = 0;
		else
			sooner(due, acq_at(c->e, off)->created, (uint64_t)life);
}

/* The second of the next run that does anything; never the last one again. */
static uint64_t
next_run(const struct pfk_call *c)
{
	uint64_t due = UINT64_MAX;

	due_sas(c, &due);
	due_policies(c->e, &due);
	due_acqs(c, &due);
	return due <= c->e->last_tick ? c->e->last_tick + 1 : due;
}

static void
run(struct pfk_call *c, uint64_t now)
{
	pfk_spd_tick(c, now);
	sweep_larval(c, now);
	sweep_alive(c, now, true);
	sweep_alive(c, now, false);
	sweep_acqs(c, now);
	c->e->last_tick = now;
}

void
pfk_clock(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env)
{
	struct pfk_call c = { e, pf, env, 0, NULL };
	struct ipm_state *s = &e->ipm;

	if (env->sec <= e->last_tick ||
	    pfk_index_ready(&e->index, &s->sad, &s->arena, env->alloc) !=
		IPM_OK)
		return;
	/* No run comes after the last second there is. */
	for (uint64_t due;
	     e->last_tick != UINT64_MAX && (due = next_run(&c)) <= env->sec;)
		run(&c, due);
	e->last_tick = env->sec;
}

/* --- acquires ------------------------------------------------------------------------------- */

static ipm_off
find_acq(const struct pfk_engine *e, const struct ipm_saidx *idx)
{
	ipm_off off = e->acqs;

	while (off != 0 &&
	    !ipm_saidx_match(&acq_at(e, off)->idx, idx, IPM_CMP_EXACTLY))
		off = acq_at(e, off)->next;
	return off;
}

static ipm_off
find_seq(const struct pfk_engine *e, uint32_t seq)
{
	ipm_off off = e->acqs;

	while (off != 0 && acq_at(e, off)->seq != seq)
		off = acq_at(e, off)->next;
	return off;
}

/* [PFKEY-1.5-01] The next run of the timer takes it out, when the clock has come so far. */
void
pfk_acq_done(struct pfk_engine *e, const struct ipm_saidx *idx, uint32_t seq)
{
	ipm_off off = seq == 0 ? 0 : find_seq(e, seq);

	if (off != 0 &&
	    ipm_saidx_match(&acq_at(e, off)->idx, idx, IPM_CMP_EXACTLY))
		acq_at(e, off)->created = 0;
}

void
pfk_acq_reset(struct pfk_call *c, uint32_t seq)
{
	ipm_off off = find_seq(c->e, seq);

	if (off == 0)
		return;
	acq_at(c->e, off)->count = 0;
	acq_at(c->e, off)->created = c->env->sec;
}

/*
 * [PFKEY-3.1.6-05] key_getacq: the number under which to ask, 0 when it is not time to ask
 * again.  False: no memory.
 */
static bool
acq_number(struct pfk_call *c, const struct ipm_saidx *idx, uint32_t *seq)
{
	struct pfk_engine *e = c->e;
	ipm_off off = find_acq(e, idx);
	struct pfk_acq *q;

	*seq = 0;
	if (off != 0) {
		q = acq_at(e, off);
		if ((int64_t)q->count <= pfk_sysctl(c, IPM_SV_BLOCKACQ_COUNT)) {
			q->count++;
			return true;
		}
		q->count = 0;
		q->created = c->env->sec;
		*seq = q->seq;
		return true;
	}
	off = ipm_arena_take(&e->ipm.arena, c->env->alloc, sizeof *q);
	if (off == 0)
		return false;
	q = acq_at(e, off);
	q->idx = *idx;
	q->created = c->env->sec;
	/* The counter stops at its end, and everything is number 1 then. */
	q->seq = e->acq_seq == UINT32_MAX ? 1 : ++e->acq_seq;
	q->next = e->acqs;
	e->acqs = off;
	*seq = q->seq;
	return true;
}

/* [PFKEY-2.3.3-07] One end: with the policy's port and prefix where it has a
 * port. */
static void
acq_end(struct pfk_out *o, uint16_t type, const struct ipm_addr *a,
    const struct ipm_end *sel, uint8_t sel_prefix, uint8_t proto)
{
	uint8_t prefix = (uint8_t)(ipm_addr_len(a) * 8);
	uint16_t port = sel == NULL ? 0 : sel->port;

	pfk_out_addr(o, type, a, port, port == 0 ? prefix : sel_prefix, proto);
}

static void
acq_ends(
    struct pfk_out *o, const struct ipm_saidx *idx, const struct ipm_sp *sp)
{
	const struct ipm_selector *s = NULL;

	if (sp != NULL &&
	    (sp->sel.proto == IPM_PROTO_TCP || sp->sel.proto == IPM_PROTO_UDP))
		s = &sp->sel;
	acq_end(o, PFK_EXT_ADDRESS_SRC, &idx->src, s == NULL ? NULL : &s->src,
	    s == NULL ? 0 : s->src_prefix, s == NULL ? 255 : s->proto);
	acq_end(o, PFK_EXT_ADDRESS_DST, &idx->dst, s == NULL ? NULL : &s->dst,
	    s == NULL ? 0 : s->dst_prefix, s == NULL ? 255 : s->proto);
}

/* [PFKEY-3.1.6-01] */
int
pfk_acq_send(struct pfk_call *c, const struct ipm_saidx *idx, ipm_off sp)
{
	const struct ipm_sp *policy;
	struct pfk_out o;
	uint32_t seq;
	uint8_t *p;

	if (!acq_number(c, idx, &seq))
		return PFK_ENOBUFS;
	if (seq == 0)
		return 0;
	policy = sp == 0 ? NULL : ipm_arena_at(&c->e->ipm.arena, sp);
	pfk_out_begin(&o, PFK_ACQUIRE, pfk_satype_of(idx->proto), seq, 0, 0);
	acq_ends(&o, idx, policy);
	if (sp != 0)
		pfk_out_policy(c, &o, sp, false);
	if (idx->reqid != 0) {
		p = pfk_out_ext(&o, PFK_EXT_X_SA2, 16);
		if (p != NULL) {
			p[4] = idx->mode;
			pfk_le_put(p + 12, 4, idx->reqid);
		}
	}
	if (ipm_sw(c->pf, IPM_SW_PFK_ACQ_PROPOSAL) == IPM_OFF)
		pfk_out_proposal(c, &o, idx->proto);
	else if ((p = pfk_out_ext(&o, PFK_EXT_PROPOSAL, 8)) != NULL)
		p[4] = 32; /* the window that Linux states */
	/* Whether anybody heard it is nothing to the caller. */
	c->sock = 0;
	(void)pfk_out_send(c, &o, PFK_TO_REGISTERED);
	return 0;
}

int
pfk_acquire(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, const struct ipm_wanted *w)
{
	struct pfk_call c = { e, pf, env, 0, NULL };
	struct ipm_saidx idx = { w->src, w->dst, w->reqid, w->proto, w->mode };

	if (!pfk_reserve(&c, 1, PFK_OUT_MAX))
		return PFK_ENOBUFS;
	return pfk_acq_send(&c, &idx, w->sp);
}

void
pfk_acq_digest(const struct pfk_engine *e, struct ipm_digest *d)
{
	for (ipm_off off = e->acqs; off != 0; off = acq_at(e, off)->next) {
		const struct pfk_acq *q = acq_at(e, off);

		ipm_digest_addr(d, &q->idx.src);
		ipm_digest_addr(d, &q->idx.dst);
		ipm_digest_number(d, q->idx.reqid);
		ipm_digest_number(d, q->idx.proto);
		ipm_digest_number(d, q->idx.mode);
		ipm_digest_number(d, q->created);
		ipm_digest_number(d, q->seq);
		ipm_digest_number(d, q->count);
	}
	ipm_digest_number(d, 0);
}
