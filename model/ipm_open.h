#ifndef IPM_OPEN_H
#define IPM_OPEN_H

/*
 * What every receiver does around the opening of one AH or ESP header: the
 * look at the window, the search for a larger high half, the move of the
 * window, what is remembered of it.  The observer and the data path share it.
 */

#include "ipm_observe.h"

struct ipm_opening {
	const struct ipm_profile *pf;
	struct ipm_trace *trace; /* or NULL */
	bool explain;
	struct ipm_layer *layer; /* what is learnt of the header */
	uint64_t resync_tried;   /* high halves tried so far */
};

/*
 * Infers the number of seq_lo and looks at the window before any cryptography
 * [ESP-3.4.3-08]; `on`: the window counts.  OK, or the window's refusal.
 */
enum ipm_reason ipm_window_check(const struct ipm_opening *op,
    const struct ipm_replay *r, bool on, uint32_t seq_lo, uint64_t *seq);

/* The ICV has held: the window moves only now [ESP-3.4.3-20]. */
enum ipm_reason ipm_window_move(
    const struct ipm_opening *op, struct ipm_replay *r, uint64_t seq);

/* An ESP packet and where its payload goes. */
struct ipm_esp_try {
	const struct ipm_esp_sa *sa;
	struct ipm_span esp;
	uint8_t *out;
	size_t cap;
	struct ipm_esp_opened *o;
};

/*
 * The ICV failed: RFC 4303 A3 may try larger high halves [ESP-A3.2-01].  What
 * ipm_esp_open says of the one that holds, else ICV_BAD.
 */
enum ipm_reason ipm_esp_resync(struct ipm_opening *op, struct ipm_replay *r,
    const struct ipm_esp_try *t, uint64_t seq);

struct ipm_ah_try {
	const struct ipm_ah_sa *sa;
	const struct ipm_ah_knobs *knobs;
	const struct ipm_ip *ip;
	uint8_t *scratch;
	size_t cap;
	struct ipm_ah_opened *o;
};
enum ipm_reason ipm_ah_resync(struct ipm_opening *op, struct ipm_replay *r,
    const struct ipm_ah_try *t, uint64_t seq);

/* A bad ICV: the received one, and the right one when explained. */
void ipm_note_icv(const struct ipm_opening *op, size_t icv_len,
    const uint8_t *computed, const uint8_t *received);

/* An accepted packet counts on its SA (facts datapath 4.3). */
void ipm_sa_account(
    struct ipm_sa *sa, const struct ipm_env *env, size_t octets);

/* PF_KEY's numbers of an SA's algorithms, as the histograms count them; 0
 * none. */
unsigned ipm_sa_cipher_number(const struct ipm_sa *sa);
unsigned ipm_sa_auth_number(const struct ipm_sa *sa);

#endif
