#include "ipm_open.h"

#include <string.h>

static void
step(const struct ipm_opening *op, enum ipm_step_id id, enum ipm_reason r,
    uint64_t a, uint64_t b)
{
	ipm_trace_add(op->trace, id, r, a, b);
}

enum ipm_reason
ipm_window_check(const struct ipm_opening *op, const struct ipm_replay *r,
    bool on, uint32_t seq_lo, uint64_t *seq)
{
	enum ipm_reason reason = ipm_replay_infer(r, op->pf, seq_lo, seq);
	struct ipm_layer *l = op->layer;

	l->has_seq = true;
	l->seq = seq_lo;
	if (r->esn) {
		l->has_seq_hi = reason == IPM_R_OK;
		l->seq_hi = (uint32_t)(*seq >> 32);
		step(op, IPM_STEP_ESN_INFER, reason, r->top, *seq);
	}
	if (!on)
		return IPM_R_OK;
	l->has_window = r->size != 0;
	l->window = r->size;
	l->top = r->top;
	if (reason == IPM_R_OK)
		reason = ipm_replay_check(r, op->pf, *seq);
	step(op, IPM_STEP_WINDOW, reason, *seq, r->top);
	return reason;
}

enum ipm_reason
ipm_window_move(
    const struct ipm_opening *op, struct ipm_replay *r, uint64_t seq)
{
	uint64_t top = r->top;
	enum ipm_reason reason = ipm_replay_mark(r, op->pf, seq);

	step(op, IPM_STEP_WINDOW_MOVE, reason, top, r->top);
	return reason;
}

/* A candidate was tried; takes it when its ICV held. */
static void
tried(struct ipm_opening *op, struct ipm_replay *r, bool held, uint64_t larger,
    uint64_t i)
{
	op->resync_tried++;
	step(op, IPM_STEP_RESYNC, held ? IPM_R_OK : IPM_R_ICV_BAD, larger >> 32,
	    i);
	if (held) {
		op->layer->seq_hi = (uint32_t)(larger >> 32);
		ipm_replay_resync(r, larger);
	}
}

enum ipm_reason
ipm_esp_resync(struct ipm_opening *op, struct ipm_replay *r,
    const struct ipm_esp_try *t, uint64_t seq)
{
	uint32_t tries = ipm_replay_failed(r, op->pf);
	enum ipm_reason reason = IPM_R_ICV_BAD;

	for (uint32_t i = 1; i <= tries && reason == IPM_R_ICV_BAD; i++) {
		uint64_t larger = seq + ((uint64_t)i << 32);

		reason = ipm_esp_open(t->sa, op->pf, t->esp, larger, t->out,
		    t->cap, false, NULL, t->o);
		tried(op, r, t->o->icv_ok, larger, i);
	}
	return reason;
}

enum ipm_reason
ipm_ah_resync(struct ipm_opening *op, struct ipm_replay *r,
    const struct ipm_ah_try *t, uint64_t seq)
{
	uint32_t tries = ipm_replay_failed(r, op->pf);
	enum ipm_reason reason = IPM_R_ICV_BAD;

	for (uint32_t i = 1; i <= tries && reason == IPM_R_ICV_BAD; i++) {
		uint64_t larger = seq + ((uint64_t)i << 32);

		reason = ipm_ah_open(t->sa, op->pf, t->knobs, t->ip, larger,
		    t->scratch, t->cap, false, NULL, t->o);
		tried(op, r, t->o->icv_ok, larger, i);
	}
	return reason;
}

void
ipm_note_icv(const struct ipm_opening *op, size_t icv_len,
    const uint8_t *computed, const uint8_t *received)
{
	struct ipm_layer *l = op->layer;

	l->icv_len = (uint8_t)icv_len;
	l->has_computed = op->explain;
	memcpy(l->received, received, icv_len);
	if (op->explain)
		memcpy(l->computed, computed, icv_len);
}

void
ipm_sa_account(struct ipm_sa *sa, const struct ipm_env *env, size_t octets)
{
	sa->packets++;
	sa->octets += octets;
	if (sa->first_use == 0)
		sa->first_use = env->sec;
}

unsigned
ipm_sa_cipher_number(const struct ipm_sa *sa)
{
	const struct ipm_alg *row = ipm_sa_alg(sa->enc);

	return sa->sadb_enc != 0 || row == NULL ? sa->sadb_enc
						: row->sadb_freebsd;
}

/* AES-GCM counts as the GMAC of its key length: so the kernel sets it up. */
unsigned
ipm_sa_auth_number(const struct ipm_sa *sa)
{
	const struct ipm_alg *enc = ipm_sa_alg(sa->enc);
	const struct ipm_alg *auth = ipm_sa_alg(sa->auth);
	unsigned gmac128 = 11, key;

	if (enc != NULL && enc->prim == IPM_PRIM_AES_GCM) {
		key = (unsigned)sa->enc_key_len - enc->salt_len;
		return gmac128 + (key - 16U) / 8U;
	}
	if (sa->sadb_auth != 0 || auth == NULL)
		return sa->sadb_auth;
	return auth->sadb_freebsd;
}
