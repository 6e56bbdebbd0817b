/*
 * Implementation notes.  The lists are doubly linked and hold the search order;
 * a policy is inserted from the tail, past those of a larger priority value.
 * Where all policies have one priority (setkey writes 0) or come in ascending
 * order an insertion costs nothing; in the worst order (descending) each costs
 * a walk over all policies of its direction.
 *
 * Ids ascend until they come round at 2^32: so long every id above the last
 * one is free, and only behind that it is looked for.
 *
 * Source: RFC 4301 4.4.1; FreeBSD sys/netipsec/key.c (key_insertsp, key_getnewspid,
 * key_newreqid, key_cmpspidx_exactly, key_cmpspidx_withmask).
 */
#include "ipm_spd.h"

#include <string.h>

void
ipm_spd_init(struct ipm_spd *spd)
{
	*spd = (struct ipm_spd){ .last_reqid = IPM_REQID_MANUAL_MAX + 1 };
}

static struct ipm_sp *
at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

/* --- selectors --------------------------------------------------------------- */

static bool
end_equal(const struct ipm_end *a, const struct ipm_end *b)
{
	return a->port == b->port && ipm_addr_equal(&a->addr, &b->addr);
}

bool
ipm_selector_equal(const struct ipm_selector *a, const struct ipm_selector *b)
{
	/* Host bits behind the prefix count: 10.0.0.1/24 and 10.0.0.0/24 are
	 * two policies. */
	return a->src_prefix == b->src_prefix &&
	    a->dst_prefix == b->dst_prefix && a->proto == b->proto &&
	    end_equal(&a->src, &b->src) && end_equal(&a->dst, &b->dst);
}

static bool
end_match(
    const struct ipm_end *policy, unsigned prefix, const struct ipm_end *packet)
{
	const struct ipm_addr *p = &policy->addr, *x = &packet->addr;
	unsigned full = (unsigned)ipm_addr_len(p) * 8;

	if (p->family == 0 || p->family != x->family)
		return false;
	if (policy->port != 0 && policy->port != packet->port)
		return false;
	if (p->scope != 0 && x->scope != 0 && p->scope != x->scope)
		return false;
	return ipm_prefix_equal(
	    p->octet, x->octet, prefix < full ? prefix : full);
}

/* [MAN-pfkey-03] */
bool
ipm_selector_match(
    const struct ipm_selector *policy, const struct ipm_selector *packet)
{
	return (policy->proto == IPM_ULP_ANY ||
		   policy->proto == packet->proto) &&
	    end_match(&policy->src, policy->src_prefix, &packet->src) &&
	    end_match(&policy->dst, policy->dst_prefix, &packet->dst);
}

/* --- one policy -------------------------------------------------------------- */

static size_t
reqs_len(unsigned n)
{
	return n * sizeof(struct ipm_request);
}

enum ipm_err
ipm_sp_make(struct ipm_arena *a, const struct ipm_alloc *alloc, uint64_t now,
    const struct ipm_sp_config *c, ipm_off *off)
{
	ipm_off sp, reqs = 0;

	*off = 0;
	if (c->n_reqs > IPM_REQS_MAX)
		return IPM_ERR_BADARG;
	sp = ipm_arena_take(a, alloc, sizeof(struct ipm_sp));
	if (sp == 0)
		return IPM_ERR_NOMEM;
	if (c->n_reqs != 0) {
		reqs = ipm_arena_take(a, alloc, reqs_len(c->n_reqs));
		if (reqs == 0) {
			ipm_arena_give(a, sp, sizeof(struct ipm_sp));
			return IPM_ERR_NOMEM;
		}
		memcpy(ipm_arena_at(a, reqs), c->req, reqs_len(c->n_reqs));
	}
	*at(a, sp) = (struct ipm_sp){
		.sel = c->sel,
		.created = now,
		.lastused = now,
		.lifetime = c->lifetime,
		.validtime = c->validtime,
		.reqs = reqs,
		.priority = c->priority,
		.dir = c->dir,
		.type = c->type,
		.scope = c->scope,
		.n_reqs = c->n_reqs,
	};
	*off = sp;
	return IPM_OK;
}

void
ipm_sp_free(struct ipm_arena *a, ipm_off off)
{
	const struct ipm_sp *sp;

	if (off == 0)
		return;
	sp = at(a, off);
	ipm_arena_give(a, sp->reqs, reqs_len(sp->n_reqs));
	ipm_arena_give(a, off, sizeof *sp);
}

void
ipm_sp_hold(struct ipm_arena *a, ipm_off off)
{
	at(a, off)->refs++;
}

void
ipm_sp_release(struct ipm_arena *a, ipm_off off)
{
	struct ipm_sp *sp;

	if (off == 0)
		return;
	sp = at(a, off);
	sp->refs--;
	if (sp->dead && sp->refs == 0)
		ipm_sp_free(a, off);
}

enum ipm_err
ipm_sp_copy(struct ipm_arena *a, const struct ipm_alloc *alloc, ipm_off from,
    ipm_off *off)
{
	const struct ipm_sp *sp = at(a, from);
	struct ipm_sp_config c = {
		.sel = sp->sel,
		.dir = sp->dir,
		.type = sp->type,
		.scope = sp->scope,
		.priority = sp->priority,
		.lifetime = sp->lifetime,
		.validtime = sp->validtime,
		.n_reqs = sp->n_reqs,
	};

	if (c.n_reqs != 0)
		memcpy(c.req, ipm_arena_at(a, sp->reqs), reqs_len(c.n_reqs));
	return ipm_sp_make(a, alloc, sp->created, &c, off);
}

/* --- the lists ---------------------------------------------------------------- */

void
ipm_spd_skip_id(struct ipm_spd *spd)
{
	if (spd->last_id == UINT32_MAX) {
		spd->last_id = 0;
		spd->ids_reused = 1;
	}
	spd->last_id++;
}

/* The next id that no policy has, or 0. */
static uint32_t
new_id(struct ipm_spd *spd, const struct ipm_arena *a, uint32_t tries)
{
	for (uint32_t i = 0; i < tries; i++) {
		ipm_spd_skip_id(spd);
		if (!spd->ids_reused ||
		    ipm_spd_by_id(spd, a, spd->last_id) == 0)
			return spd->last_id;
	}
	return 0;
}

static bool
is_mortal(const struct ipm_sp *sp)
{
	return sp->lifetime != 0 || sp->validtime != 0;
}

/* Behind the last policy whose priority is not larger. */
static void
link_sp(struct ipm_spd *spd, struct ipm_arena *a, ipm_off off)
{
	struct ipm_sp *sp = at(a, off);
	unsigned dir = sp->dir;
	ipm_off prev = spd->last[dir];

	while (prev != 0 && at(a, prev)->priority > sp->priority)
		prev = at(a, prev)->prev;
	sp->prev = prev;
	sp->next = prev == 0 ? spd->first[dir] : at(a, prev)->next;
	if (prev == 0)
		spd->first[dir] = off;
	else
		at(a, prev)->next = off;
	if (sp->next == 0)
		spd->last[dir] = off;
	else
		at(a, sp->next)->prev = off;
	spd->count[dir]++;
	spd->mortal += is_mortal(sp);
	sp->arrival = ++spd->generation;
	sp->newer = 0;
	sp->older = spd->newest;
	if (sp->older != 0)
		at(a, sp->older)->newer = off;
	spd->newest = off;
}

/* Out of the order of arrival, and remembered as gone. */
static void
depart(struct ipm_spd *spd, struct ipm_arena *a, struct ipm_sp *sp)
{
	if (sp->newer == 0)
		spd->newest = sp->older;
	else
		at(a, sp->newer)->older = sp->older;
	if (sp->older != 0)
		at(a, sp->older)->newer = sp->newer;
	spd->gone[spd->n_gone++ % IPM_SPD_GONE] = sp->arrival;
	sp->older = sp->newer = 0;
}

enum ipm_err
ipm_spd_insert(
    struct ipm_spd *spd, struct ipm_arena *a, uint32_t tries, ipm_off sp)
{
	uint32_t id = new_id(spd, a, tries);

	if (id == 0)
		return IPM_ERR_NOTFOUND;
	at(a, sp)->id = id;
	link_sp(spd, a, sp);
	return IPM_OK;
}

enum ipm_err
ipm_spd_add(struct ipm_spd *spd, struct ipm_arena *a,
    const struct ipm_alloc *alloc, uint64_t now, uint32_t tries,
    const struct ipm_sp_config *c, ipm_off *off)
{
	enum ipm_err err;

	*off = 0;
	if (c->dir != IPM_DIR_IN && c->dir != IPM_DIR_OUT)
		return IPM_ERR_BADARG;
	err = ipm_sp_make(a, alloc, now, c, off);
	if (err == IPM_OK) {
		err = ipm_spd_insert(spd, a, tries, *off);
		if (err != IPM_OK) {
			ipm_sp_free(a, *off);
			*off = 0;
		}
	}
	return err;
}

void
ipm_spd_del(struct ipm_spd *spd, struct ipm_arena *a, ipm_off off)
{
	struct ipm_sp *sp = at(a, off);

	if (sp->prev == 0)
		spd->first[sp->dir] = sp->next;
	else
		at(a, sp->prev)->next = sp->next;
	if (sp->next == 0)
		spd->last[sp->dir] = sp->prev;
	else
		at(a, sp->next)->prev = sp->prev;
	spd->count[sp->dir]--;
	spd->mortal -= is_mortal(sp);
	spd->generation++;
	depart(spd, a, sp);
	sp->next = sp->prev = 0;
	sp->dead = 1;
	if (sp->refs == 0)
		ipm_sp_free(a, off);
}

ipm_off
ipm_spd_by_id(const struct ipm_spd *spd, const struct ipm_arena *a, uint32_t id)
{
	for (unsigned dir = IPM_DIR_IN; dir < IPM_N_DIRS; dir++)
		for (ipm_off off = spd->first[dir]; off != 0;
		     off = at(a, off)->next)
			if (at(a, off)->id == id)
				return off;
	return 0;
}

ipm_off
ipm_spd_exact(const struct ipm_spd *spd, const struct ipm_arena *a,
    enum ipm_dir dir, const struct ipm_selector *sel)
{
	ipm_off off = spd->first[dir];

	while (off != 0 && !ipm_selector_equal(&at(a, off)->sel, sel))
		off = at(a, off)->next;
	return off;
}

/* [ARCH2401-4.4.1-02] Always searched in one order, and the first match it is. */
ipm_off
ipm_spd_lookup(const struct ipm_spd *spd, struct ipm_arena *a, enum ipm_dir dir,
    const struct ipm_selector *packet, uint64_t now)
{
	ipm_off off = spd->first[dir];

	while (off != 0 && !ipm_selector_match(&at(a, off)->sel, packet))
		off = at(a, off)->next;
	if (off != 0)
		at(a, off)->lastused = now;
	return off;
}

uint32_t
ipm_spd_new_reqid(struct ipm_spd *spd, uint32_t manual_max)
{
	/* The counter starts one above the manual ones and moves before it is
	 * read: the first is 0x4001, and 0x4000 comes only when 2^32 have
	 * gone. */
	if (spd->last_reqid == UINT32_MAX)
		spd->last_reqid = manual_max;
	else if (spd->last_reqid <= manual_max)
		spd->last_reqid = manual_max + 1;
	return ++spd->last_reqid;
}

/* --- digest ------------------------------------------------------------------- */

static void
add_end(struct ipm_digest *d, const struct ipm_end *e)
{
	ipm_digest_addr(d, &e->addr);
	ipm_digest_number(d, e->port);
	ipm_digest_number(d, e->raw_len);
	ipm_digest_octets(d, e->raw, e->raw_len);
}

void
ipm_sp_digest(const struct ipm_arena *a, ipm_off off, struct ipm_digest *d)
{
	const struct ipm_sp *sp = at(a, off);
	const struct ipm_request *req = ipm_arena_at(a, sp->reqs);
	const uint64_t numbers[] = { sp->sel.src_prefix, sp->sel.dst_prefix,
		sp->sel.proto, sp->created, sp->lastused, sp->lifetime,
		sp->validtime, sp->id, sp->priority, sp->refs, sp->dir,
		sp->type, sp->scope, sp->n_reqs, sp->dead };

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		ipm_digest_number(d, numbers[i]);
	add_end(d, &sp->sel.src);
	add_end(d, &sp->sel.dst);
	for (unsigned i = 0; i < sp->n_reqs; i++) {
		add_end(d, &req[i].src);
		add_end(d, &req[i].dst);
		ipm_digest_number(d, req[i].reqid);
		ipm_digest_number(d, req[i].proto);
		ipm_digest_number(d, req[i].mode);
		ipm_digest_number(d, req[i].level);
	}
}

void
ipm_spd_digest(
    const struct ipm_spd *spd, const struct ipm_arena *a, struct ipm_digest *d)
{
	ipm_digest_number(d, spd->last_id);
	ipm_digest_number(d, spd->ids_reused);
	ipm_digest_number(d, spd->last_reqid);
	ipm_digest_number(d, spd->generation);
	for (unsigned dir = IPM_DIR_IN; dir < IPM_N_DIRS; dir++) {
		ipm_digest_number(d, spd->count[dir]);
		for (ipm_off off = spd->first[dir]; off != 0;
		     off = at(a, off)->next)
			ipm_sp_digest(a, off, d);
	}
}
