#include "hx_engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hx_pcap.h"
#include "provider/ipm_libcrypto.h"
#include "provider/ipm_zlib.h"
#include "wire/ipm_link.h"

/* An arena that reached this would hold some ten million SAs. */
#define ARENA_MAX ((size_t)1 << (sizeof(size_t) > 4 ? 32 : 30))

/* Blocks from twice this on are worth large pages: look-ups in an SAD of a
 * million go to memory at random. */
#define LARGE_PAGE ((size_t)2 << 20)

static void *
take(size_t len)
{
	size_t whole = (len + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	void *p;

	if (len < 2 * LARGE_PAGE || whole < len)
		return malloc(len);
	p = aligned_alloc(LARGE_PAGE, whole);
#ifdef MADV_HUGEPAGE
	if (p != NULL)
		(void)madvise(p, whole, MADV_HUGEPAGE); /* only a wish */
#endif
	return p;
}

static void *
resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
	void *p = NULL;

	(void)ctx;
	if (new_size != 0) {
		p = take(new_size);
		if (p == NULL)
			return NULL;
	}
	/* Not realloc: it would leave keys in the block it moved from. */
	if (old != NULL) {
		if (p != NULL)
			memcpy(
			    p, old, old_size < new_size ? old_size : new_size);
		ipm_wipe(old, old_size);
		free(old);
	}
	return p;
}

struct ipm_alloc
hx_alloc(void)
{
	return (struct ipm_alloc){ NULL, resize };
}

bool
hx_engine_open(struct hx_engine *e, enum ipm_profile_id profile)
{
	memset(e, 0, sizeof *e);
	e->alloc = hx_alloc();
	e->work = calloc(1, sizeof *e->work);
	if (e->work == NULL)
		return false;
	if (ipm_libcrypto_open(&e->crypto, &e->alloc) != IPM_OK) {
		free(e->work);
		return false;
	}
	if (ipm_zlib_open(&e->comp, &e->alloc) != IPM_OK) {
		ipm_libcrypto_close(&e->crypto);
		free(e->work);
		return false;
	}
	ipm_profile_init(&e->profile, profile);
	ipm_state_init(&e->state, ARENA_MAX);
	ipm_derived_init(&e->derived, &e->crypto, &e->alloc);
	e->opts.ah_knobs = ipm_ah_knobs_default();
	return true;
}

void
hx_engine_reset(struct hx_engine *e)
{
	ipm_derived_free(&e->derived);
	ipm_state_free(&e->state, &e->alloc);
	ipm_state_init(&e->state, ARENA_MAX);
	ipm_derived_init(&e->derived, &e->crypto, &e->alloc);
}

void
hx_engine_close(struct hx_engine *e)
{
	ipm_derived_free(&e->derived);
	ipm_state_free(&e->state, &e->alloc);
	ipm_zlib_close(&e->comp);
	ipm_libcrypto_close(&e->crypto);
	ipm_wipe(e->work, sizeof *e->work);
	free(e->work);
}

enum ipm_err
hx_engine_add_sa(struct hx_engine *e, const struct ipm_sa_config *c)
{
	enum ipm_err err;
	ipm_off off;

	err =
	    ipm_sad_add(&e->state.sad, &e->state.arena, &e->alloc, 0, c, &off);
	if (err != IPM_OK)
		return err;
	return ipm_derived_sync(&e->derived, &e->state.sad, &e->state.arena);
}

void
hx_engine_observe(struct hx_engine *e, uint64_t sec, uint32_t nsec,
    struct ipm_span octets, uint64_t frame, struct ipm_observation *o)
{
	struct ipm_env env = { .sec = sec,
		.nsec = nsec,
		.crypto = &e->crypto,
		.comp = &e->comp,
		.alloc = &e->alloc };

	ipm_observe(&e->state, &e->derived, &e->profile, &env, octets, frame,
	    &e->opts, e->work, o);
}

void
hx_engine_frame(
    struct hx_engine *e, const struct hx_frame *f, struct ipm_observation *o)
{
	struct ipm_span ip;
	enum ipm_reason reason = ipm_link_parse(f->linktype, f->octets, &ip);

	if (reason == IPM_R_OK) {
		hx_engine_observe(e, f->sec, f->nsec, ip, f->number, o);
	} else {
		o->n_layers = 0;
		o->has_addrs = false;
		o->reason = reason;
		o->inner = o->packet = f->octets;
	}
	if (f->octets.len < f->wire_len &&
	    (o->reason == IPM_R_TRUNCATED || o->reason == IPM_R_LINK_BAD))
		o->reason = IPM_R_SNAPLEN;
}
