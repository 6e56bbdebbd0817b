#ifndef IPM_SKIPJACK_H
#define IPM_SKIPJACK_H

/* The Skipjack block cipher (NIST, 1998): 8-octet blocks, 10-octet keys. */

#include <stdint.h>

void ipm_skipjack_encrypt(
    const uint8_t key[10], const uint8_t in[8], uint8_t out[8]);
void ipm_skipjack_decrypt(
    const uint8_t key[10], const uint8_t in[8], uint8_t out[8]);

#endif
