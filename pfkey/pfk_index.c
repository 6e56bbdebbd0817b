/*
 * Implementation notes.  At most three quarters of the slots are taken, so that
 * a probe ends at a free one.  An entry lies between its home (hash modulo the
 * number of slots) and the next free slot; taking one out moves those behind it
 * back that would else be cut off from their homes, so there are no tombstones.
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

static enum ipm_err
grow(struct pfk_map *m, const struct ipm_alloc *alloc)
{
	struct pfk_map bigger = { .n_slots = m->n_slots == 0 ? SLOTS_MIN
							     : m->n_slots * 2 };

	if (bigger.n_slots > SLOTS_MAX)
		return IPM_ERR_NOMEM;
	bigger.slot =
	    alloc->resize(alloc->ctx, NULL, 0, octets(bigger.n_slots));
	if (bigger.slot == NULL)
		return IPM_ERR_NOMEM;
	for (uint32_t i = 0; i < bigger.n_slots; i++)
		bigger.slot[i] = (struct pfk_map_slot){ 0, 0 };
	for (uint32_t i = 0; i < m->n_slots; i++)
		if (m->slot[i].off != 0)
			put(&bigger, m->slot[i].hash, m->slot[i].off);
	pfk_map_free(m, alloc);
	*m = bigger;
	return IPM_OK;
}

enum ipm_err
pfk_map_add(struct pfk_map *m, const struct ipm_alloc *alloc, uint32_t hash,
    ipm_off off)
{
	if (m->count >= m->n_slots / 4 * 3 && grow(m, alloc) != IPM_OK)
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
