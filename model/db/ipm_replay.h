#ifndef IPM_REPLAY_H
#define IPM_REPLAY_H

/*
 * The anti-replay window of one SA, with and without extended sequence
 * numbers, for any size the kernel accepts.  Looking (check) and moving (mark)
 * are apart: the window moves only after the ICV has held [ESP-3.4.3-20].
 *
 *        left of it           window of `size` numbers        right of it
 *   ...... refused ......|  bit: seen or not, top is the  |.... moves it ....
 *                        top-size+1                    top
 *
 * Source: RFC 4303 3.4.3, appendix A; FreeBSD sys/netipsec/ipsec.c
 * ipsec_chkreplay, ipsec_updatereplay.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../ipm_profile.h"
#include "../ipm_verdict.h"

/* Largest window: what FreeBSD's SA_REPLAY extension takes, 2^32 - 1 - 32. */
#define IPM_REPLAY_MAX 4294967263U
/* With ESN the inference needs at most 2^31 [ESP-A2-01]. */
#define IPM_REPLAY_MAX_ESN 2147483648U

struct ipm_replay {
	uint64_t top;      /* highest number whose ICV held */
	uint64_t accepted; /* packets marked so far */
	uint32_t size;     /* packets; 0: no anti-replay */
	uint32_t blocks;   /* of 32 bits, a power of two; 0 with size 0 */
	uint32_t failures; /* ICV failures counted for A3 */
	uint8_t esn;
	uint8_t reserved[3];
	uint32_t bits[]; /* number s is bit s%32 of block (s/32)%blocks */
};

/* Octets a window of this size takes, header included. */
size_t ipm_replay_octets(uint32_t size);

/*
 * An empty window.  last is the last number used before the model begins
 * (0 for a new SA); nothing at or below it counts as seen.
 */
void ipm_replay_init(
    struct ipm_replay *r, uint32_t size, bool esn, uint64_t last);

/*
 * The full number of a packet from its low half.  Without ESN that is the low
 * half.  With ESN by RFC 4303 A2.2 [ESP-A2.2-01..04]; with size 0, where the
 * appendix gives no width, the number nearest to top.
 * Returns IPM_R_OK, or IPM_R_LEFT_OF_WINDOW when the number would precede the
 * SA's first (case B with Th 0, by switch esn-before-start).
 */
enum ipm_reason ipm_replay_infer(const struct ipm_replay *r,
    const struct ipm_profile *pf, uint32_t seq_lo, uint64_t *seq);

/*
 * Would this number be accepted now?  r does not change.
 * Returns IPM_R_OK, SEQ_ZERO, REPLAYED or LEFT_OF_WINDOW.
 */
enum ipm_reason ipm_replay_check(
    const struct ipm_replay *r, const struct ipm_profile *pf, uint64_t seq);

/*
 * The ICV of this number has held: judges it again (two copies may have been
 * looked at before either was marked) and moves the window.  Also ends a run
 * of failures, whatever it answers.  Returns as check does; top, bits and
 * accepted change on IPM_R_OK only (and by FreeBSD's rules under
 * replay-old-accept).
 */
enum ipm_reason ipm_replay_mark(
    struct ipm_replay *r, const struct ipm_profile *pf, uint64_t seq);

/*
 * RFC 4303 A3.  An ICV has failed; returns how many larger high halves should
 * be tried for this packet (0: none, resynchronisation is off, not due or
 * meaningless without ESN).  The candidates are the inferred number plus
 * i * 2^32, i from 1.  When one holds, ipm_replay_resync takes it as new top.
 *
 * What "consecutive" means is the switch esn-resync: `consecutive` counts
 * failures unbroken by any other packet of the SA, one that was refused as
 * replayed included; `since-valid` counts all failures since a packet held.
 * For the first reading, packets that end before their ICV is looked at are
 * told by ipm_replay_other.
 */
uint32_t ipm_replay_failed(struct ipm_replay *r, const struct ipm_profile *pf);
void ipm_replay_other(struct ipm_replay *r, const struct ipm_profile *pf);
void ipm_replay_resync(struct ipm_replay *r, uint64_t seq);

#endif
