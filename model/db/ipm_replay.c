/*
 * Implementation notes.  The bitmap is a ring of 32-bit blocks, a power of two
 * of them, holding at least size + 32 bits: moving the top clears whole blocks
 * between the old and the new one, and the block the top lies in keeps its
 * older bits.  A bit left of the window is never asked for, so it need not be
 * cleared.
 */
#include "ipm_replay.h"

#include <string.h>

/* [ESP-3.4.3-22] [ESP-3.4.3-24] [AH-3.4.3-13] [AH-3.4.3-15] Any size. */
static uint32_t
blocks_for(uint32_t size)
{
	uint64_t need = ((uint64_t)size + 31) / 32 + 1;
	uint32_t n = 1;

	if (size == 0)
		return 0;
	while (n < need)
		n *= 2;
	return n;
}

size_t
ipm_replay_octets(uint32_t size)
{
	return sizeof(struct ipm_replay) +
	    (size_t)blocks_for(size) * sizeof(uint32_t);
}

void
ipm_replay_init(struct ipm_replay *r, uint32_t size, bool esn, uint64_t last)
{
	memset(r, 0, ipm_replay_octets(size));
	r->top = last; /* [ESP-3.4.3-06] [AH-3.4.3-04] */
	r->size = size;
	r->blocks = blocks_for(size);
	r->esn = esn;
}

static uint32_t *
block_of(struct ipm_replay *r, uint64_t seq)
{
	return &r->bits[(seq / 32) & (r->blocks - 1)];
}

static bool
seen(const struct ipm_replay *r, uint64_t seq)
{
	return (r->bits[(seq / 32) & (r->blocks - 1)] >> (seq % 32) & 1) != 0;
}

enum ipm_reason
ipm_replay_infer(const struct ipm_replay *r, const struct ipm_profile *pf,
    uint32_t seq_lo, uint64_t *seq)
{
	/* [ESP-3.4.3-14] [ESP-3.4.3-15] [AH-3.4.3-08] [AH-B2-01] */
	uint32_t tl = (uint32_t)r->top, bl = tl - r->size + 1;
	uint64_t th = r->top >> 32;

	if (!r->esn) {
		*seq = seq_lo;
		return IPM_R_OK;
	}
	if (r->size == 0) {
		/* Nearest to the top; the difference wraps by intent. */
		int64_t diff = (int32_t)(seq_lo - tl);

		if (diff < 0 && r->top < (uint64_t)-diff)
			diff += (int64_t)1 << 32;
		*seq = r->top + (uint64_t)diff;
		return IPM_R_OK;
	}
	if (tl >= r->size - 1) {
		/* [ESP-A2.2-01] Case A: the window lies in one subspace. */
		if (seq_lo < bl)
			th++;
	} else if (seq_lo >= bl) {
		/* [ESP-A2.2-02] Case B: it began in the one before. */
		if (th == 0 && ipm_sw(pf, IPM_SW_ESN_TH0) == IPM_TH0_REJECT) {
			/* [ESP-A2.2-03] There is none before the first. */
			*seq = seq_lo;
			return IPM_R_LEFT_OF_WINDOW;
		}
		if (th != 0)
			th--;
	}
	*seq = th << 32 | seq_lo;
	return IPM_R_OK;
}

/*
 * FreeBSD between November 2016 and January 2020 never counted what it
 * accepted, so its pre-check let all but 0 through.
 */
static enum ipm_reason
check_old_accept(uint64_t seq)
{
	return seq == 0 ? IPM_R_SEQ_ZERO : IPM_R_OK;
}

enum ipm_reason
ipm_replay_check(
    const struct ipm_replay *r, const struct ipm_profile *pf, uint64_t seq)
{
	/* [ESP-3.4.3-01] [ESP-3.4.3-04] [AH-3.4.3-01] [AH-3.4.3-02] */
	if (r->size == 0)
		return IPM_R_OK;
	if (ipm_sw(pf, IPM_SW_REPLAY_OLD) != IPM_OFF && !r->esn)
		return check_old_accept(seq);
	/* [ESP-A2.2-04] [ESP-2.2-05] [AH-2.5-04] Only the 64-bit number 0 is never sent. */
	if (seq == 0 &&
	    (r->top == 0 ||
		ipm_sw(pf, IPM_SW_REPLAY_ZERO) != IPM_ZERO_IN_WINDOW))
		return IPM_R_SEQ_ZERO;
	/* [ESP-3.4.3-13] [AH-3.4.3-07] */
	if (seq > r->top)
		return IPM_R_OK;
	/* [ESP-3.4.3-11] */
	if (r->top - seq >= r->size)
		return IPM_R_LEFT_OF_WINDOW;
	/* [ESP-3.4.3-12] [ESP-3.4.3-07] [AH-3.4.3-05] [ESP-A2.1-02]
	 * [ESP-A2.1-03] The ring of blocks knows no subspaces. */
	return seen(r, seq) ? IPM_R_REPLAYED : IPM_R_OK;
}

/* [ESP-A2.1-01] [ESP-A2.3-01] The window moves right up to seq; all 64 bits
 * of the top move at once. */
static void
advance(struct ipm_replay *r, uint64_t seq)
{
	uint64_t from = r->top / 32 + 1, to = seq / 32;

	if (to >= from) {
		uint64_t n = to - from + 1;

		if (n >= r->blocks)
			memset(r->bits, 0, r->blocks * sizeof r->bits[0]);
		else
			for (uint64_t b = from; b <= to; b++)
				r->bits[b & (r->blocks - 1)] = 0;
	}
	r->top = seq;
}

/* [freebsd ipsec.c ipsec_updatereplay] before its repair. */
static enum ipm_reason
mark_old_accept(struct ipm_replay *r, uint64_t seq)
{
	uint32_t s = (uint32_t)seq;

	if (s == 0)
		return IPM_R_SEQ_ZERO;
	/* The 32-bit sum wraps near the end of the numbers, as there. */
	if ((uint32_t)(r->size + s) < (uint32_t)r->top)
		return IPM_R_OK;
	if (s > r->top)
		advance(r, s);
	if (seen(r, s))
		return IPM_R_REPLAYED;
	*block_of(r, s) |= 1U << s % 32;
	return IPM_R_OK;
}

enum ipm_reason
ipm_replay_mark(
    struct ipm_replay *r, const struct ipm_profile *pf, uint64_t seq)
{
	enum ipm_reason reason;

	r->failures = 0; /* [ESP-A3.1-01] */
	if (r->size == 0) {
		if (seq > r->top)
			r->top = seq;
		r->accepted++;
		return IPM_R_OK;
	}
	if (ipm_sw(pf, IPM_SW_REPLAY_OLD) != IPM_OFF && !r->esn) {
		reason = mark_old_accept(r, seq);
		if (reason == IPM_R_OK)
			r->accepted++;
		return reason;
	}
	reason = ipm_replay_check(r, pf, seq);
	if (reason != IPM_R_OK)
		return reason;
	if (seq > r->top)
		advance(r, seq);
	*block_of(r, seq) |= 1U << seq % 32;
	r->accepted++;
	return IPM_R_OK;
}

/* [ESP-3.4.3-16] [ESP-A3-01] [AH-3.4.3-09] [AH-B3-01] */
uint32_t
ipm_replay_failed(struct ipm_replay *r, const struct ipm_profile *pf)
{
	if (!r->esn || ipm_sw(pf, IPM_SW_ESN_A3) == IPM_A3_OFF)
		return 0;
	if (r->failures != UINT32_MAX)
		r->failures++;
	if (r->failures < ipm_sw(pf, IPM_SW_ESN_A3_TRIGGER))
		return 0;
	return ipm_sw(pf, IPM_SW_ESN_A3_TRIES);
}

void
ipm_replay_other(struct ipm_replay *r, const struct ipm_profile *pf)
{
	if (ipm_sw(pf, IPM_SW_ESN_A3) == IPM_A3_CONSECUTIVE)
		r->failures = 0;
}

/* [ESP-A3.2-02] */
void
ipm_replay_resync(struct ipm_replay *r, uint64_t seq)
{
	r->failures = 0;
	r->accepted++;
	if (r->size == 0) {
		r->top = seq;
		return;
	}
	advance(r, seq);
	*block_of(r, seq) |= 1U << seq % 32;
}
