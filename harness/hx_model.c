#include "hx_model.h"

#include <stdlib.h>
#include <string.h>

#include "hx_engine.h"
#include "provider/ipm_libcrypto.h"
#include "provider/ipm_zlib.h"

#define ARENA_MAX ((size_t)1 << (sizeof(size_t) > 4 ? 32 : 30))

bool
hx_model_open(struct hx_model *x, const struct ipm_profile *pf, uint64_t now)
{
	memset(x, 0, sizeof *x);
	x->alloc = hx_alloc();
	x->sec = now;
	x->work = calloc(1, sizeof *x->work);
	if (x->work == NULL)
		return false;
	if (ipm_libcrypto_open(&x->crypto, &x->alloc) != IPM_OK) {
		free(x->work);
		return false;
	}
	if (ipm_zlib_open(&x->comp, &x->alloc) != IPM_OK) {
		ipm_libcrypto_close(&x->crypto);
		free(x->work);
		return false;
	}
	pfk_model_init(
	    &x->m, pf, now, ARENA_MAX, &x->crypto, &x->alloc, x->work);
	return true;
}

void
hx_model_close(struct hx_model *x)
{
	pfk_model_free(&x->m, &x->alloc);
	ipm_zlib_close(&x->comp);
	ipm_libcrypto_close(&x->crypto);
	ipm_wipe(x->work, sizeof *x->work);
	free(x->work);
	hx_octets_free(&x->random);
}

/* splitmix64: every state gives another number, none is special. */
static uint64_t
next_random(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

void
hx_model_step(struct hx_model *x, const struct pfk_event *ev,
    pfk_effect_fn *effect, void *ctx, struct pfk_outcome *out)
{
	uint8_t octets[HX_TAPE_MAX];
	struct ipm_tape tape = { hx_span(&x->random), 0 };
	struct ipm_env env = { .sec = x->sec,
		.nsec = x->nsec,
		.random = &tape,
		.crypto = &x->crypto,
		.comp = &x->comp,
		.alloc = &x->alloc };

	if (tape.octets.len == 0) {
		uint64_t s = x->seed ^ (x->m.event + 1) << 32;

		for (size_t i = 0; i < sizeof octets; i += 8)
			ipm_store64(octets + i, next_random(&s));
		tape.octets = ipm_span(octets, sizeof octets);
	}
	pfk_step(&x->m, ev, &env, effect, ctx, out);
	hx_octets_free(&x->random);
}
