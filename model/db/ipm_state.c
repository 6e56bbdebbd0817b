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
add_sa(struct ipm_digest *d, const struct ipm_arena *a, const struct ipm_sa *sa)
{
	const uint64_t numbers[] = { sa->serial, sa->created, sa->first_use,
		sa->octets, sa->packets, sa->hard_add, sa->soft_add, sa->spi,
		sa->reqid, sa->flags, sa->window_size, sa->enc, sa->auth,
		sa->comp, sa->sport, sa->dport, sa->proto, sa->mode };

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		ipm_digest_number(d, numbers[i]);
	ipm_digest_addr(d, &sa->src);
	ipm_digest_addr(d, &sa->dst);
	ipm_digest_number(d, sa->enc_key_len);
	ipm_digest_octets(d, ipm_arena_at(a, sa->enc_key), sa->enc_key_len);
	ipm_digest_number(d, sa->auth_key_len);
	ipm_digest_octets(d, ipm_arena_at(a, sa->auth_key), sa->auth_key_len);
	add_window(d, ipm_arena_at(a, sa->replay));
}

uint64_t
ipm_state_digest(const struct ipm_state *s)
{
	struct ipm_digest d = IPM_DIGEST_INIT;

	ipm_digest_number(&d, s->sad.next_serial);
	ipm_digest_number(&d, s->sad.count);
	for (ipm_off off = s->sad.first; off != 0;) {
		const struct ipm_sa *sa = ipm_arena_at(&s->arena, off);

		add_sa(&d, &s->arena, sa);
		off = sa->next;
	}
	ipm_spd_digest(&s->spd, &s->arena, &d);
	ipm_pcbs_digest(&s->pcbs, &s->arena, &d);
	ipm_reass_digest(&s->reass, &s->arena, &d);
	return d.h;
}
