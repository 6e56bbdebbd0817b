#ifndef HX_MODEL_H
#define HX_MODEL_H

/*
 * One running host: the model behind its one door, with providers, memory, a
 * clock and random octets that are the same in every run.
 */

#include "hx_hex.h"
#include "pfk_step.h"

#define HX_TAPE_MAX 8192U

struct hx_model {
	struct ipm_provider crypto;
	struct ipm_compressor comp;
	struct ipm_alloc alloc;
	struct pfk_model m;
	struct ipm_work *work;
	uint64_t sec; /* the clock; the caller moves it on */
	uint32_t nsec;
	uint64_t seed;           /* of the random octets */
	struct hx_octets random; /* the next event's, instead of those */
};

/* A host without interfaces at second `now`.  False: no provider or memory
 * (nothing to close then). */
bool hx_model_open(
    struct hx_model *x, const struct ipm_profile *pf, uint64_t now);
void hx_model_close(struct hx_model *x);

/* One event at the clock's time.  A tape of 8,192 octets made of the seed and
 * the event's number is at hand, or x->random, which is used up. */
void hx_model_step(struct hx_model *x, const struct pfk_event *ev,
    pfk_effect_fn *effect, void *ctx, struct pfk_outcome *out);

#endif
