/*
 * Random histories of two gateways through the model's one door.  What must
 * hold after each event is in support/step_world.h; IPM_EVENTS is how many.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/ipm_libcrypto.h"
#include "provider/ipm_zlib.h"
#include "support/db_box.h"
#include "support/step_gen.h"
#include "support/step_toy.h"

#define EVENTS      20000U
#define PER_HISTORY 4000U /* then another profile begins */

static uint64_t
how_many(void)
{
	const char *n = getenv("IPM_EVENTS");

	return n == NULL ? EVENTS : strtoull(n, NULL, 10);
}

/* What all histories did together. */
struct tally {
	uint64_t events, packets, twins;
	uint64_t verdicts[IPM_N_VERDICTS], fates[IPM_N_REASONS];
	uint64_t effects[IPM_N_FX], messages;
};

static void
add(struct tally *t, const struct step_world *w)
{
	t->twins += w->twins;
	for (size_t i = 0; i < 2; i++) {
		const struct step_log *l = &w->host[i].log;

		t->events += l->events;
		t->packets += l->packets;
		t->messages += l->messages;
		for (size_t k = 0; k < IPM_N_VERDICTS; k++)
			t->verdicts[k] += l->verdicts[k];
		for (size_t k = 0; k < IPM_N_REASONS; k++)
			t->fates[k] += l->fates[k];
		for (size_t k = 0; k < IPM_N_FX; k++)
			t->effects[k] += l->effects[k];
	}
}

static void
history(enum ipm_profile_id profile, uint64_t seed, uint64_t events,
    const struct ipm_provider *crypto, const struct ipm_compressor *comp,
    struct tally *t)
{
	static struct step_world w;
	static struct step_gen g;
	static uint8_t step[STEP_MAX];
	struct db_memory mem;

	db_memory_init(&mem);
	cr_assert(step_world_open(&w, profile, crypto, comp, &mem.alloc));
	step_gen_init(&g, seed);
	while (w.host[0].log.events + w.host[1].log.events < events) {
		size_t at = 0, len = step_gen_next(&g, step);

		cr_assert_leq(len, sizeof step);
		cr_assert(step_world_take(&w, step, len, &at),
		    "%s, seed %llu: %s", ipm_profile_name(profile),
		    (unsigned long long)seed, w.why);
	}
	add(t, &w);
	step_world_close(&w);
	cr_assert_eq(mem.live, 0);
}

static void
print(const struct tally *t)
{
	if (getenv("IPM_EVENTS") == NULL)
		return;
	(void)printf("%llu events, %llu packets, %llu copies\n",
	    (unsigned long long)t->events, (unsigned long long)t->packets,
	    (unsigned long long)t->twins);
	for (size_t i = 0; i < IPM_N_REASONS; i++)
		if (t->fates[i] != 0)
			(void)printf("%10llu %s\n",
			    (unsigned long long)t->fates[i],
			    ipm_reasons[i].name);
}

/* Were the histories worth it? */
static void
expect_variety(const struct tally *t)
{
	uint64_t sum = 0;
	size_t kinds = 0;

	for (size_t i = 0; i < IPM_N_VERDICTS; i++)
		sum += t->verdicts[i];
	cr_expect_eq(sum, t->packets, "a packet without a fate");
	for (size_t i = 0; i < IPM_N_REASONS; i++)
		kinds += t->fates[i] != 0;
	cr_expect_geq(kinds, 25, "%zu", kinds);
	cr_expect_gt(t->verdicts[IPM_V_ACCEPT], t->packets / 50);
	cr_expect_gt(t->verdicts[IPM_V_TRANSMIT], t->packets / 10);
	cr_expect_gt(t->fates[IPM_R_REPLAYED], 0);
	cr_expect_gt(t->fates[IPM_R_ICV_BAD], 0);
	cr_expect_gt(t->fates[IPM_R_POLICY_MISMATCH], 0);
	cr_expect_gt(t->messages, 0);
	cr_expect_gt(t->twins, t->events / 500);
	for (size_t i = 0; i < IPM_N_FX; i++)
		cr_expect_gt(t->effects[i], 0, "%zu", i);
}

/* The same state, event and env give the same effects; every packet
 * has exactly one fate. */
Test(step_random, histories, .timeout = 3600)
{
	uint64_t left = how_many(), seed = 1;
	struct ipm_provider crypto;
	struct ipm_compressor comp;
	struct tally t = { 0 };

	cr_assert_eq(ipm_libcrypto_open(&crypto, &step_alloc), IPM_OK);
	cr_assert_eq(ipm_zlib_open(&comp, &step_alloc), IPM_OK);
	for (; left != 0; seed++) {
		uint64_t n = left < PER_HISTORY ? left : PER_HISTORY;

		history((enum ipm_profile_id)(seed % IPM_N_PROFILES), seed, n,
		    &crypto, &comp, &t);
		left -= n;
	}
	print(&t);
	expect_variety(&t);
	ipm_zlib_close(&comp);
	ipm_libcrypto_close(&crypto);
}
