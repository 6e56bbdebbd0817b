#ifndef PFK_INDEX_H
#define PFK_INDEX_H

/*
 * Where to find an SA by SPI, a head by its ends, a policy by id and by
 * selector: derived data, rebuilt from the state whenever it is out of step,
 * checked against walks over the lists by the tests.
 */

#include <stdbool.h>

#include "db/ipm_state.h"

/* A multimap from a 32-bit hash to offsets: open addressing, linear probing,
 * deletion by shifting back.  Equal hashes are the caller's to tell apart; they
 * are met in the order in which they were added. */
struct pfk_map {
	struct pfk_map_slot {
		uint32_t hash;
		ipm_off off; /* 0: free */
	} * slot;
	uint32_t n_slots, count; /* n_slots is 0 or a power of two */
};

struct pfk_index {
	struct pfk_map spi;   /* SAs of heads */
	struct pfk_map heads; /* by protocol, source, destination */
	struct pfk_map ids;   /* policies by id */
	struct pfk_map sels;  /* policies by exact selector */
	bool built;           /* spi and heads */
	bool spd_built;       /* ids and sels, as of this generation */
	uint64_t spd_generation;
};

/* Puts (hash, off) in; off is not 0.  IPM_OK, or IPM_ERR_NOMEM with the map as
 * it was. */
enum ipm_err pfk_map_add(struct pfk_map *m, const struct ipm_alloc *alloc,
    uint32_t hash, ipm_off off);

/* Makes room for `more` entries, so that so many additions cannot fail.  IPM_OK,
 * or IPM_ERR_NOMEM with the map as it was. */
enum ipm_err pfk_map_reserve(
    struct pfk_map *m, const struct ipm_alloc *alloc, uint32_t more);

/* Takes (hash, off) out; false when it is not in. */
bool pfk_map_del(struct pfk_map *m, uint32_t hash, ipm_off off);

/*
 * The offsets of a hash one after another, in the order of their addition.
 *
 *   at  where the walk stands: 0 begins it; not to be used over a change
 *
 * 0: no more.
 */
ipm_off pfk_map_next(const struct pfk_map *m, uint32_t hash, uint32_t *at);

/* Empty, its memory returned. */
void pfk_map_free(struct pfk_map *m, const struct ipm_alloc *alloc);

/* All four maps. */
void pfk_index_free(struct pfk_index *x, const struct ipm_alloc *alloc);

/* --- SAs and heads ------------------------------------------------------------ */

/* Brings spi and heads in step with the SAD, unless they are, and makes room
 * for one more entry in each.  IPM_OK or IPM_ERR_NOMEM. */
enum ipm_err pfk_index_ready(struct pfk_index *x, const struct ipm_sad *sad,
    const struct ipm_arena *a, const struct ipm_alloc *alloc);

/* Additions need the room that pfk_index_ready makes; what is taken out must
 * still have the fields with which it was added. */
void pfk_index_add_sa(
    struct pfk_index *x, const struct ipm_arena *a, ipm_off sa);
void pfk_index_del_sa(
    struct pfk_index *x, const struct ipm_arena *a, ipm_off sa);
void pfk_index_add_sah(
    struct pfk_index *x, const struct ipm_arena *a, ipm_off sah);
void pfk_index_del_sah(
    struct pfk_index *x, const struct ipm_arena *a, ipm_off sah);

/* The SA of this SPI that was added last, or 0.  within: only those of its
 * protocol and destination; NULL: of any. */
ipm_off pfk_index_spi(const struct pfk_index *x, const struct ipm_arena *a,
    uint32_t spi, const struct ipm_saidx *within);

/* The heads that match one after another, the oldest first (pfk_map_next). */
ipm_off pfk_index_sah_next(const struct pfk_index *x, const struct ipm_arena *a,
    const struct ipm_saidx *wanted, enum ipm_saidx_cmp how, uint32_t *at);

/* The newest head that the wanted index matches, or 0. */
ipm_off pfk_index_sah(const struct pfk_index *x, const struct ipm_arena *a,
    const struct ipm_saidx *wanted, enum ipm_saidx_cmp how);

/* --- policies ------------------------------------------------------------------- */

/* Brings ids and sels in step with the SPD, unless they are, and makes room for
 * one more entry in each.  IPM_OK or IPM_ERR_NOMEM. */
enum ipm_err pfk_index_spd_ready(struct pfk_index *x, const struct ipm_spd *spd,
    const struct ipm_arena *a, const struct ipm_alloc *alloc);

/* A policy was inserted into the SPD, into which pfk_index_spd_ready looked
 * just before. */
void pfk_index_add_sp(struct pfk_index *x, const struct ipm_spd *spd,
    const struct ipm_arena *a, ipm_off sp);
/* Removes a policy (ipm_spd_del) and keeps the index in step, if it was. */
void pfk_index_remove_sp(
    struct pfk_index *x, struct ipm_spd *spd, struct ipm_arena *a, ipm_off sp);

/* The policy of this id, or of exactly this selector, or 0; in step. */
ipm_off pfk_index_sp_id(
    const struct pfk_index *x, const struct ipm_arena *a, uint32_t id);
ipm_off pfk_index_sp_exact(const struct pfk_index *x, const struct ipm_arena *a,
    enum ipm_dir dir, const struct ipm_selector *sel);

#endif
