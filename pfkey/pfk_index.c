/*
 * Implementation notes.  At most three quarters of the slots are taken, so that
 * a probe ends at a free one.  An entry lies between its home (hash modulo the
 * number of slots) and the next free slot; taking one out moves those behind it
 * back that would else be cut off from their homes, so there are no tombstones.
 *
 * All entries of one hash have the same home and no free slot lies between it
 * and them: a new one comes to lie behind its equals, and closing gaps keeps
 * their order.  Growing begins behind a free slot to keep it too.
 */
#include "pfk_index.h"

#define SLOTS_MIN 16U
#define SLOTS_MAX (1U << 28) /* 2 GiB: their octets fit 32 bits */

/* Spreads the hash, whose low bits may be poor (an SPI, an id). */
static uint32_t
home(const struct pfk_map *m, uint32_t hash)
{
	hash ^= hash >> 16;
	hash *= 0x85ebca6bU;
	hash ^= hash >> 13;
	return hash & (m->n_slots - 1);
}

static void
put(struct pfk_map *m, uint32_t hash, ipm_off off)
{
	uint32_t i = home(m, hash);

	while (m->slot[i].off != 0)
		i = (i + 1) & (m->n_slots - 1);
	m->slot[i] = (struct pfk_map_slot){ hash, off };
	m->count++;
}

static size_t
octets(uint32_t n_slots)
{
	return n_slots * sizeof(struct pfk_map_slot);
}

/* Where a walk over the slots tears no run of them: behind a free one. */
static uint32_t
start(const struct pfk_map *m)
{
	uint32_t i = 0;

	while (i < m->n_slots && m->slot[i].off != 0)
		i++;
	return i;
}

static enum ipm_err
grow(struct pfk_map *m, const struct ipm_alloc *alloc, uint32_t n_slots)
{
	struct pfk_map bigger = { .n_slots = n_slots };
	uint32_t from = start(m);

	bigger.slot =
	    alloc->resize(alloc->ctx, NULL, 0, octets(bigger.n_slots));
	if (bigger.slot == NULL)
		return IPM_ERR_NOMEM;
	for (uint32_t i = 0; i < bigger.n_slots; i++)
		bigger.slot[i] = (struct pfk_map_slot){ 0, 0 };
	for (uint32_t i = 0; i < m->n_slots; i++) {
		const struct pfk_map_slot *s =
		    &m->slot[(from + i) & (m->n_slots - 1)];

		if (s->off != 0)
			put(&bigger, s->hash, s->off);
	}
	pfk_map_free(m, alloc);
	*m = bigger;
	return IPM_OK;
}

enum ipm_err
pfk_map_reserve(struct pfk_map *m, const struct ipm_alloc *alloc, uint32_t more)
{
	uint64_t need = (uint64_t)m->count + more, n = m->n_slots;

	if (n == 0)
		n = SLOTS_MIN;
	while (need > n / 4 * 3)
		n *= 2;
	if (n > SLOTS_MAX)
		return IPM_ERR_NOMEM;
	return n == m->n_slots ? IPM_OK : grow(m, alloc, (uint32_t)n);
}

enum ipm_err
pfk_map_add(struct pfk_map *m, const struct ipm_alloc *alloc, uint32_t hash,
    ipm_off off)
{
	if (pfk_map_reserve(m, alloc, 1) != IPM_OK)
		return IPM_ERR_NOMEM;
	put(m, hash, off);
	return IPM_OK;
}

/* Slot i is free now: entries behind it whose home lies at or before it move
 * back, each into the gap that the last one left. */
static void
close_gap(struct pfk_map *m, uint32_t i)
{
	uint32_t mask = m->n_slots - 1;

	for (uint32_t k = (i + 1) & mask; m->slot[k].off != 0;
	     k = (k + 1) & mask) {
		if (((k - home(m, m->slot[k].hash)) & mask) < ((k - i) & mask))
			continue;
		m->slot[i] = m->slot[k];
		m->slot[k].off = 0;
		i = k;
	}
}

bool
pfk_map_del(struct pfk_map *m, uint32_t hash, ipm_off off)
{
	uint32_t i;

	if (m->n_slots == 0)
		return false;
	for (i = home(m, hash); m->slot[i].off != 0;
	     i = (i + 1) & (m->n_slots - 1))
		if (m->slot[i].hash == hash && m->slot[i].off == off) {
			m->slot[i].off = 0;
			m->count--;
			close_gap(m, i);
			return true;
		}
	return false;
}

ipm_off
pfk_map_next(const struct pfk_map *m, uint32_t hash, uint32_t *at)
{
	if (m->n_slots == 0)
		return 0;
	for (;;) {
		const struct pfk_map_slot *s =
		    &m->slot[(home(m, hash) + *at) & (m->n_slots - 1)];

		if (s->off == 0)
			return 0;
		++*at;
		if (s->hash == hash)
			return s->off;
	}
}

void
pfk_map_free(struct pfk_map *m, const struct ipm_alloc *alloc)
{
	if (m->slot != NULL)
		(void)alloc->resize(alloc->ctx, m->slot, octets(m->n_slots), 0);
	*m = (struct pfk_map){ 0 };
}

void
pfk_index_free(struct pfk_index *x, const struct ipm_alloc *alloc)
{
	pfk_map_free(&x->spi, alloc);
	pfk_map_free(&x->heads, alloc);
	pfk_map_free(&x->ids, alloc);
	pfk_map_free(&x->sels, alloc);
	*x = (struct pfk_index){ 0 };
}

/* --- SAs and heads -------------------------------------------------------------- */

static uint32_t
fold(uint32_t h, uint32_t word)
{
	h = (h ^ word) * 0x9e3779b1U;
	return h ^ h >> 15;
}

static uint32_t
fold_addr(uint32_t h, const struct ipm_addr *a)
{
	for (size_t i = 0; i < ipm_addr_len(a); i += 4)
		h = fold(h, ipm_load32(a->octet + i));
	return h;
}

static uint32_t
hash_ends(uint8_t proto, const struct ipm_addr *src, const struct ipm_addr *dst)
{
	return fold_addr(fold_addr(fold(0, proto), src), dst);
}

static const struct ipm_sa *
sa_at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

static const struct ipm_sah *
sah_at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

static uint32_t
hash_sah(const struct ipm_arena *a, ipm_off off)
{
	const struct ipm_sah *h = sah_at(a, off);

	return hash_ends(h->proto, &h->src, &h->dst);
}

void
pfk_index_add_sa(struct pfk_index *x, const struct ipm_arena *a, ipm_off sa)
{
	put(&x->spi, sa_at(a, sa)->spi, sa);
}

void
pfk_index_del_sa(struct pfk_index *x, const struct ipm_arena *a, ipm_off sa)
{
	(void)pfk_map_del(&x->spi, sa_at(a, sa)->spi, sa);
}

void
pfk_index_add_sah(struct pfk_index *x, const struct ipm_arena *a, ipm_off sah)
{
	put(&x->heads, hash_sah(a, sah), sah);
}

void
pfk_index_del_sah(struct pfk_index *x, const struct ipm_arena *a, ipm_off sah)
{
	(void)pfk_map_del(&x->heads, hash_sah(a, sah), sah);
}

/* In the order of addition, which the lists have. */
static void
add_all(
    struct pfk_index *x, const struct ipm_sad *sad, const struct ipm_arena *a)
{
	for (ipm_off off = sad->first; off != 0; off = sa_at(a, off)->next)
		if (sa_at(a, off)->sah != 0)
			pfk_index_add_sa(x, a, off);
	for (ipm_off off = sad->sah_last; off != 0; off = sah_at(a, off)->prev)
		pfk_index_add_sah(x, a, off);
}

enum ipm_err
pfk_index_ready(struct pfk_index *x, const struct ipm_sad *sad,
    const struct ipm_arena *a, const struct ipm_alloc *alloc)
{
	uint32_t sas = x->built ? 1 : sad->count + 1;
	uint32_t sahs = x->built ? 1 : sad->sah_count + 1;

	if (pfk_map_reserve(&x->spi, alloc, sas) != IPM_OK ||
	    pfk_map_reserve(&x->heads, alloc, sahs) != IPM_OK)
		return IPM_ERR_NOMEM;
	if (!x->built)
		add_all(x, sad, a);
	x->built = true;
	return IPM_OK;
}

ipm_off
pfk_index_spi(const struct pfk_index *x, const struct ipm_arena *a,
    uint32_t spi, const struct ipm_saidx *within)
{
	ipm_off found = 0, off;
	uint32_t at = 0;

	/* The hash is the SPI itself. */
	while ((off = pfk_map_next(&x->spi, spi, &at)) != 0)
		if (within == NULL ||
		    (sa_at(a, off)->proto == within->proto &&
			ipm_addr_equal(&sa_at(a, off)->dst, &within->dst)))
			found = off;
	return found;
}

ipm_off
pfk_index_sah_next(const struct pfk_index *x, const struct ipm_arena *a,
    const struct ipm_saidx *wanted, enum ipm_saidx_cmp how, uint32_t *at)
{
	uint32_t hash = hash_ends(wanted->proto, &wanted->src, &wanted->dst);
	ipm_off off;

	while ((off = pfk_map_next(&x->heads, hash, at)) != 0) {
		struct ipm_saidx idx = ipm_sah_idx(sah_at(a, off));

		if (ipm_saidx_match(&idx, wanted, how))
			break;
	}
	return off;
}

ipm_off
pfk_index_sah(const struct pfk_index *x, const struct ipm_arena *a,
    const struct ipm_saidx *wanted, enum ipm_saidx_cmp how)
{
	ipm_off found = 0, off;
	uint32_t at = 0;

	while ((off = pfk_index_sah_next(x, a, wanted, how, &at)) != 0)
		found = off;
	return found;
}

/* --- policies ------------------------------------------------------------------- */

static const struct ipm_sp *
sp_at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

static void
add_end(struct ipm_digest *d, const struct ipm_end *e)
{
	ipm_digest_addr(d, &e->addr);
	ipm_digest_number(d, e->port);
}

static uint32_t
hash_selector(enum ipm_dir dir, const struct ipm_selector *sel)
{
	struct ipm_digest d = IPM_DIGEST_INIT;

	ipm_digest_number(&d, (uint64_t)dir);
	add_end(&d, &sel->src);
	add_end(&d, &sel->dst);
	ipm_digest_number(&d, sel->src_prefix);
	ipm_digest_number(&d, sel->dst_prefix);
	ipm_digest_number(&d, sel->proto);
	return (uint32_t)(d.h ^ d.h >> 32);
}

static void
put_sp(struct pfk_index *x, const struct ipm_arena *a, ipm_off sp)
{
	put(&x->ids, sp_at(a, sp)->id, sp);
	put(&x->sels,
	    hash_selector((enum ipm_dir)sp_at(a, sp)->dir, &sp_at(a, sp)->sel),
	    sp);
}

static bool
in_step(const struct pfk_index *x, const struct ipm_spd *spd)
{
	return x->spd_built && x->spd_generation == spd->generation;
}

enum ipm_err
pfk_index_spd_ready(struct pfk_index *x, const struct ipm_spd *spd,
    const struct ipm_arena *a, const struct ipm_alloc *alloc)
{
	uint32_t more = 1;

	if (!in_step(x, spd)) {
		pfk_map_free(&x->ids, alloc);
		pfk_map_free(&x->sels, alloc);
		x->spd_built = false;
		more += spd->count[IPM_DIR_IN] + spd->count[IPM_DIR_OUT];
	}
	if (pfk_map_reserve(&x->ids, alloc, more) != IPM_OK ||
	    pfk_map_reserve(&x->sels, alloc, more) != IPM_OK)
		return IPM_ERR_NOMEM;
	if (x->spd_built)
		return IPM_OK;
	for (unsigned dir = IPM_DIR_IN; dir < IPM_N_DIRS; dir++)
		for (ipm_off off = spd->first[dir]; off != 0;
		     off = sp_at(a, off)->next)
			put_sp(x, a, off);
	x->spd_built = true;
	x->spd_generation = spd->generation;
	return IPM_OK;
}

void
pfk_index_add_sp(struct pfk_index *x, const struct ipm_spd *spd,
    const struct ipm_arena *a, ipm_off sp)
{
	put_sp(x, a, sp);
	x->spd_generation = spd->generation;
}

void
pfk_index_remove_sp(
    struct pfk_index *x, struct ipm_spd *spd, struct ipm_arena *a, ipm_off sp)
{
	const struct ipm_sp *p = sp_at(a, sp);
	bool was = in_step(x, spd);

	if (was) {
		(void)pfk_map_del(&x->ids, p->id, sp);
		(void)pfk_map_del(
		    &x->sels, hash_selector((enum ipm_dir)p->dir, &p->sel), sp);
	}
	ipm_spd_del(spd, a, sp);
	if (was)
		x->spd_generation = spd->generation;
}

ipm_off
pfk_index_sp_id(
    const struct pfk_index *x, const struct ipm_arena *a, uint32_t id)
{
	uint32_t at = 0;
	ipm_off off;

	while ((off = pfk_map_next(&x->ids, id, &at)) != 0)
		if (sp_at(a, off)->id == id)
			break;
	return off;
}

ipm_off
pfk_index_sp_exact(const struct pfk_index *x, const struct ipm_arena *a,
    enum ipm_dir dir, const struct ipm_selector *sel)
{
	uint32_t hash = hash_selector(dir, sel), at = 0;
	ipm_off off;

	while ((off = pfk_map_next(&x->sels, hash, &at)) != 0)
		if (sp_at(a, off)->dir == dir &&
		    ipm_selector_equal(&sp_at(a, off)->sel, sel))
			break;
	return off;
}
