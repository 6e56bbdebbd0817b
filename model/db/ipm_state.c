#include "ipm_state.h"

#include "ipm_digest.h"

void
ipm_state_init(struct ipm_state *s, size_t limit)
{
	ipm_arena_init(&s->arena, limit);
	s->sad = (struct ipm_sad){ 0 };
	ipm_spd_init(&s->spd);
	s->pcbs = (struct ipm_pcbs){ 0 };
	ipm_host_init(&s->host);
	ipm_reass_init(&s->reass);
	ipm_sysctls_init(&s->sysctls);
	s->stats = (struct ipm_stats){ 0 };
}

enum ipm_err
ipm_state_clone(struct ipm_state *dst, const struct ipm_state *src,
    const struct ipm_alloc *alloc)
{
	enum ipm_err err = ipm_arena_clone(&dst->arena, &src->arena, alloc);

	if (err != IPM_OK) {
		ipm_state_init(dst, src->arena.limit);
		return err;
	}
	dst->sad = src->sad;
	dst->spd = src->spd;
	dst->pcbs = src->pcbs;
	dst->host = src->host;
	dst->reass = src->reass;
	dst->sysctls = src->sysctls;
	dst->stats = src->stats;
	return IPM_OK;
}

void
ipm_state_free(struct ipm_state *s, const struct ipm_alloc *alloc)
{
	ipm_arena_free(&s->arena, alloc);
	ipm_state_init(s, s->arena.limit);
}

static void
add_numbers(struct ipm_digest *d, const uint64_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ipm_digest_number(d, v[i]);
}

static void
add_window(struct ipm_digest *d, const struct ipm_replay *r)
{
	ipm_digest_number(d, r->top);
	ipm_digest_number(d, r->accepted);
	ipm_digest_number(d, r->size);
	ipm_digest_number(d, r->failures);
	ipm_digest_number(d, r->esn);
	for (uint32_t i = 0; i < r->blocks; i++)
		ipm_digest_number(d, r->bits[i]);
}

static void
add_limits(struct ipm_digest *d, const struct ipm_lifetime *l)
{
	const uint64_t numbers[] = { l->octets, l->addtime, l->usetime,
		l->allocations };

	add_numbers(d, numbers, sizeof numbers / sizeof numbers[0]);
}

static void
add_life(struct ipm_digest *d, const struct ipm_sa_life *l)
{
	add_limits(d, &l->hard);
	add_limits(d, &l->soft);
}

static void
add_natt(struct ipm_digest *d, const struct ipm_sa_natt *n)
{
	ipm_digest_addr(d, &n->oai);
	ipm_digest_addr(d, &n->oar);
	ipm_digest_number(d, n->delta);
}

static void
add_sa(struct ipm_digest *d, const struct ipm_arena *a, const struct ipm_sa *sa)
{
	const uint64_t numbers[] = { sa->serial, sa->created, sa->first_use,
		sa->octets, sa->packets, sa->hard_add, sa->soft_add,
		sa->out_seq, sa->out_iv, sa->spi, sa->reqid, sa->flags,
		sa->window_size, sa->seq, sa->pid, sa->sadb_flags, sa->enc,
		sa->auth, sa->comp, sa->sport, sa->dport, sa->enc_bits,
		sa->auth_bits, sa->proto, sa->mode, sa->state, sa->sadb_enc,
		sa->sadb_auth, sa->sah != 0, sa->life != 0, sa->natt != 0 };

	add_numbers(d, numbers, sizeof numbers / sizeof numbers[0]);
	ipm_digest_addr(d, &sa->src);
	ipm_digest_addr(d, &sa->dst);
	ipm_digest_number(d, sa->enc_key_len);
	ipm_digest_octets(d, ipm_arena_at(a, sa->enc_key), sa->enc_key_len);
	ipm_digest_number(d, sa->auth_key_len);
	ipm_digest_octets(d, ipm_arena_at(a, sa->auth_key), sa->auth_key_len);
	add_window(d, ipm_arena_at(a, sa->replay));
	if (sa->life != 0)
		add_life(d, ipm_arena_at(a, sa->life));
	if (sa->natt != 0)
		add_natt(d, ipm_arena_at(a, sa->natt));
}

/* SAs are told by their serial numbers: an offset is not the history's. */
static void
add_list(struct ipm_digest *d, const struct ipm_arena *a, ipm_off first)
{
	for (ipm_off off = first; off != 0;) {
		const struct ipm_sa *sa = ipm_arena_at(a, off);

		ipm_digest_number(d, sa->serial);
		off = sa->sah_next;
	}
	ipm_digest_number(d, 0);
}

static void
add_head(
    struct ipm_digest *d, const struct ipm_arena *a, const struct ipm_sah *h)
{
	const uint64_t numbers[] = { h->reqid, h->proto, h->mode };

	add_numbers(d, numbers, sizeof numbers / sizeof numbers[0]);
	ipm_digest_addr(d, &h->src);
	ipm_digest_addr(d, &h->dst);
	add_list(d, a, h->alive_first);
	add_list(d, a, h->larval_first);
}

static void
add_sad(
    struct ipm_digest *d, const struct ipm_sad *sad, const struct ipm_arena *a)
{
	ipm_digest_number(d, sad->next_serial);
	ipm_digest_number(d, sad->count);
	for (ipm_off off = sad->first; off != 0;) {
		const struct ipm_sa *sa = ipm_arena_at(a, off);

		add_sa(d, a, sa);
		off = sa->next;
	}
	ipm_digest_number(d, sad->sah_count);
	for (ipm_off off = sad->sah_first; off != 0;) {
		const struct ipm_sah *h = ipm_arena_at(a, off);

		add_head(d, a, h);
		off = h->next;
	}
}

uint64_t
ipm_state_digest(const struct ipm_state *s)
{
	struct ipm_digest d = IPM_DIGEST_INIT;

	add_sad(&d, &s->sad, &s->arena);
	ipm_spd_digest(&s->spd, &s->arena, &d);
	ipm_pcbs_digest(&s->pcbs, &s->arena, &d);
	ipm_host_digest(&s->host, &d);
	ipm_reass_digest(&s->reass, &s->arena, &d);
	for (size_t i = 0; i < IPM_N_SYSVARS; i++)
		ipm_digest_number(&d, (uint32_t)s->sysctls.v[i]);
	return ipm_stats_digest(&s->stats, d.h);
}
