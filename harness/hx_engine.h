#ifndef HX_ENGINE_H
#define HX_ENGINE_H

/*
 * One running model: state, derived data, providers, the memory for one
 * packet's work.  What every command that judges packets shares.
 */

#include "ipm_observe.h"

struct hx_engine {
	struct ipm_provider crypto;
	struct ipm_compressor comp;
	struct ipm_alloc alloc; /* malloc's */
	struct ipm_profile profile;
	struct ipm_state state;
	struct ipm_derived derived;
	struct ipm_work *work;
	struct ipm_observe_opts opts; /* the caller may change them */
};

/*
 * An empty model under this profile.  Returns false when a provider cannot be
 * started or memory is short (nothing to close then).
 */
bool hx_engine_open(struct hx_engine *e, enum ipm_profile_id profile);

/* Forgets all SAs, windows and fragments; providers stay. */
void hx_engine_reset(struct hx_engine *e);

void hx_engine_close(struct hx_engine *e);

/* Adds an SA; the errors are ipm_sad_add's. */
enum ipm_err hx_engine_add_sa(
    struct hx_engine *e, const struct ipm_sa_config *c);

/* Judges one IP packet at this time.  See ipm_observe. */
void hx_engine_observe(struct hx_engine *e, uint64_t sec, uint32_t nsec,
    struct ipm_span octets, uint64_t frame, struct ipm_observation *o);

/*
 * Judges one captured frame: its link header, then as above.  A packet that
 * the capture cut short cannot be judged (IPM_R_SNAPLEN).
 */
struct hx_frame;
void hx_engine_frame(
    struct hx_engine *e, const struct hx_frame *f, struct ipm_observation *o);

/* The allocator over malloc. */
struct ipm_alloc hx_alloc(void);

#endif
