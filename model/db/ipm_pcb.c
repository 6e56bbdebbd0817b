#include "ipm_pcb.h"

static struct ipm_pcb *
at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

enum ipm_err
ipm_pcb_open(struct ipm_pcbs *t, struct ipm_arena *a,
    const struct ipm_alloc *alloc, const struct ipm_pcb *as, ipm_off *off)
{
	struct ipm_pcb *pcb;

	*off = 0;
	if (ipm_pcb_by_id(t, a, as->id) != 0)
		return IPM_ERR_EXISTS;
	*off = ipm_arena_take(a, alloc, sizeof *pcb);
	if (*off == 0)
		return IPM_ERR_NOMEM;
	pcb = at(a, *off);
	*pcb = *as;
	for (unsigned dir = 0; dir < IPM_N_DIRS; dir++)
		pcb->policy[dir] = pcb->cached[dir] = pcb->cached_default[dir] =
		    0;
	pcb->cached_generation = 0;
	pcb->next = 0;
	if (t->last == 0)
		t->first = *off;
	else
		at(a, t->last)->next = *off;
	t->last = *off;
	t->count++;
	return IPM_OK;
}

static void
uncache(struct ipm_arena *a, ipm_off pcb, unsigned dir)
{
	ipm_sp_release(a, at(a, pcb)->cached[dir]);
	at(a, pcb)->cached[dir] = 0;
	at(a, pcb)->cached_default[dir] = 0;
}

void
ipm_pcb_set_policy(
    struct ipm_arena *a, ipm_off pcb, enum ipm_dir dir, ipm_off sp)
{
	ipm_sp_free(a, at(a, pcb)->policy[dir]);
	uncache(a, pcb, dir);
	at(a, pcb)->policy[dir] = sp;
}

void
ipm_pcb_uncache(struct ipm_arena *a, ipm_off pcb)
{
	for (unsigned dir = 0; dir < IPM_N_DIRS; dir++)
		uncache(a, pcb, dir);
}

void
ipm_pcb_close(struct ipm_pcbs *t, struct ipm_arena *a, ipm_off off)
{
	ipm_off prev = 0;

	for (ipm_off i = t->first; i != off; i = at(a, i)->next)
		prev = i;
	if (prev == 0)
		t->first = at(a, off)->next;
	else
		at(a, prev)->next = at(a, off)->next;
	if (t->last == off)
		t->last = prev;
	t->count--;
	for (unsigned dir = 0; dir < IPM_N_DIRS; dir++)
		ipm_pcb_set_policy(a, off, dir, 0);
	ipm_arena_give(a, off, sizeof(struct ipm_pcb));
}

ipm_off
ipm_pcb_by_id(const struct ipm_pcbs *t, const struct ipm_arena *a, uint32_t id)
{
	ipm_off off = t->first;

	while (off != 0 && at(a, off)->id != id)
		off = at(a, off)->next;
	return off;
}

enum ipm_err
ipm_pcb_inherit(struct ipm_arena *a, const struct ipm_alloc *alloc,
    ipm_off listener, ipm_off child)
{
	ipm_off copy[IPM_N_DIRS] = { 0 };
	enum ipm_err err = IPM_OK;

	for (unsigned dir = 0; dir < IPM_N_DIRS && err == IPM_OK; dir++)
		if (at(a, listener)->policy[dir] != 0)
			err = ipm_sp_copy(
			    a, alloc, at(a, listener)->policy[dir], &copy[dir]);
	for (unsigned dir = 0; dir < IPM_N_DIRS; dir++)
		if (err != IPM_OK)
			ipm_sp_free(a, copy[dir]);
		else
			ipm_pcb_set_policy(a, child, dir, copy[dir]);
	return err;
}

/* A policy of the socket's own is its fields; a cached one is known by its id,
 * and by being dead. */
static void
add_policies(
    struct ipm_digest *d, const struct ipm_arena *a, const struct ipm_pcb *pcb)
{
	for (unsigned dir = 0; dir < IPM_N_DIRS; dir++) {
		const struct ipm_sp *sp = ipm_arena_at(a, pcb->cached[dir]);

		ipm_digest_number(d, pcb->policy[dir] != 0);
		if (pcb->policy[dir] != 0)
			ipm_sp_digest(a, pcb->policy[dir], d);
		ipm_digest_number(d, pcb->cached[dir] != 0);
		ipm_digest_number(d, pcb->cached_default[dir]);
		if (pcb->cached[dir] != 0) {
			ipm_digest_number(d, sp->id);
			ipm_digest_number(d, sp->dead);
		}
	}
}

void
ipm_pcbs_digest(
    const struct ipm_pcbs *t, const struct ipm_arena *a, struct ipm_digest *d)
{
	ipm_digest_number(d, t->count);
	for (ipm_off off = t->first; off != 0; off = at(a, off)->next) {
		const struct ipm_pcb *pcb = at(a, off);
		const uint64_t numbers[] = { pcb->id, pcb->lport, pcb->fport,
			pcb->family, pcb->proto, pcb->raw, pcb->listening,
			pcb->encap, pcb->tcp_md5, pcb->cached_generation,
			pcb->tos, pcb->dontfrag, pcb->opts_len, pcb->hop_len,
			pcb->dst_len };

		ipm_digest_addr(d, &pcb->laddr);
		ipm_digest_addr(d, &pcb->faddr);
		for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
			ipm_digest_number(d, numbers[i]);
		ipm_digest_octets(d, pcb->opts, pcb->opts_len);
		ipm_digest_addr(d, &pcb->via);
		ipm_digest_octets(d, pcb->hop, pcb->hop_len);
		ipm_digest_octets(d, pcb->dst, pcb->dst_len);
		add_policies(d, a, pcb);
	}
}
