#ifndef ESP_BOX_H
#define ESP_BOX_H

/*
 * One ESP SA with a session behind it, and the naive twin of ipm_esp_seal.
 * Everything here asserts (Criterion) rather than reporting errors.
 */

#include "model/ipm_profile.h"
#include "model/transform/ipm_esp.h"

struct esp_box {
	struct ipm_provider provider;
	struct ipm_esp_sa sa;
};

/* The keys given; auth NULL or "" for none.  Salt by sa.salt. */
void esp_box_open_keys(struct esp_box *b, const struct ipm_alg *enc,
    struct ipm_span enc_key, const struct ipm_alg *auth,
    struct ipm_span auth_key);

/* Rows by name, keys 1, 2, 3, ... of the row's least length, SPI 0x01020304. */
void esp_box_open(struct esp_box *b, const char *enc, const char *auth);

void esp_box_close(struct esp_box *b);

/* A pair of algorithms under test. */
struct esp_pair {
	const char *enc, *auth;
};
/* Every cipher with one integrity algorithm, every combined mode, every
 * integrity algorithm with one cipher. */
extern const struct esp_pair esp_pairs[];
extern const size_t esp_n_pairs;

/* Faults to plant in the twin. */
enum esp_fault {
	ESP_SOUND,
	ESP_ESN_IN_FRONT,
	ESP_MAC_BEFORE_CIPHER
};

/*
 * Straight from RFC 4303 3.3.2: body is payload, padding, pad length and next
 * header, taken as it is.  Returns octets written.
 */
size_t esp_naive_seal(const struct ipm_esp_sa *sa, uint64_t seq,
    const uint8_t *iv, const uint8_t *body, size_t body_len,
    enum esp_fault fault, uint8_t *out);

#endif
