#ifndef AH_BOX_H
#define AH_BOX_H

/*
 * One AH SA with a session behind it, and the naive twin of the octets under
 * the ICV.  Everything here asserts (Criterion) rather than reporting errors.
 */

#include "model/ipm_profile.h"
#include "model/transform/ipm_ah.h"

struct ah_box {
	struct ipm_provider provider;
	struct ipm_ah_sa sa;
};

/* The row and key given, SPI 0x01020304; flags and salt by box->sa. */
void ah_box_open_key(
    struct ah_box *b, const struct ipm_alg *auth, struct ipm_span key);

/* Row by name; key 1, 2, 3, ... of the row's least length (16 if 1). */
void ah_box_open(struct ah_box *b, const char *auth);

void ah_box_close(struct ah_box *b);

/* Faults to plant in the twin. */
enum ah_fault {
	AH_SOUND,
	AH_TTL_COVERED,
	AH_OPTION_TYPE_COVERED,
	AH_FILL_ZEROED,
	AH_ESN_IN_FRONT
};

/*
 * The octets under the ICV of a whole packet in one run, straight from
 * RFC 4302 3.3.3.1 and appendix A, as the receiver computes them.
 *
 *   at       offset of the AH header, as the walk over packet must find it
 *   out      room for len + 4 octets
 *
 * Returns octets written; 0 when the walk over options or extension headers
 * fails or ends elsewhere.
 */
size_t ah_naive_input(const struct ipm_ah_sa *sa, const uint8_t *packet,
    size_t len, size_t at, uint64_t seq, enum ah_fault fault, uint8_t *out);

/* The MAC over that, by the SA's session; mac_len octets. */
void ah_naive_mac(const struct ipm_ah_sa *sa, const uint8_t *packet, size_t len,
    size_t at, uint64_t seq, enum ah_fault fault, uint8_t *mac);

#endif
