/*
 * Conversations with the key engine (engine_world.h).  After each step a copy
 * that was made before it, and got the same step, is in the same state; what
 * send(2) itself refuses changes no SA and no policy; the index has what the
 * lists have.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_world.h"
#include "fuzz.h"
#include "hx_engine.h"

/* Counters, sockets and acquires apart. */
static uint64_t
databases(const struct pfk_engine *e)
{
	struct ipm_state s = e->ipm; /* only looked at */

	s.stats = (struct ipm_stats){ 0 };
	return ipm_state_digest(&s);
}

static void
check(const struct world *w)
{
	const struct pfk_engine *e = &w->e;
	uint32_t n = 0;

	for (ipm_off off = e->ipm.sad.first; off != 0; n++)
		off = ((const struct ipm_sa *)ipm_arena_at(&e->ipm.arena, off))
			  ->next;
	must(n == e->ipm.sad.count);
	if (e->index.built) {
		must(e->index.spi.count == n);
		must(e->index.heads.count == e->ipm.sad.sah_count);
	}
}

static void
one(struct world *w, const struct ipm_profile *pf, const struct ipm_alloc *al,
    const struct step *s)
{
	struct world copy = *w;
	uint64_t before = databases(&w->e);
	int err;

	must(pfk_engine_clone(&copy.e, &w->e, al) == IPM_OK);
	err = take(w, pf, al, s);
	must(take(&copy, pf, al, s) == err);
	must(pfk_engine_digest(&w->e) == pfk_engine_digest(&copy.e));
	/* ENOBUFS may also mean that the answer found no room. */
	if (err != 0 && err != PFK_ENOBUFS)
		must(databases(&w->e) == before);
	check(w);
	check(&copy);
	pfk_engine_free(&copy.e, al);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipm_alloc al = hx_alloc();
	struct ipm_profile pf;
	struct world w;
	struct step s;
	size_t at = 1;

	if (size < 1 || size > 65536)
		return 0;
	ipm_profile_init(&pf, (enum ipm_profile_id)(data[0] % IPM_N_PROFILES));
	open_world(&w, &al);
	for (unsigned n = 0; n < STEPS_MAX && next_step(data, size, &at, &s);
	     n++)
		one(&w, &pf, &al, &s);
	pfk_engine_free(&w.e, &al);
	return 0;
}
