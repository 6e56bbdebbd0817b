#ifndef HX_MAKE_H
#define HX_MAKE_H

/* Packets from words, for people who write scenarios; and numbers. */

#include <stdint.h>

#include "hx_hex.h"
#include "wire/ipm_ip.h"

/* A number, decimal or 0x, optionally negative, nothing behind it. */
bool hx_number(const char *text, int64_t *v);
bool hx_number_to(const char *text, int64_t max, int64_t *v); /* 0 to max */
/* "ADDR/PREFIX" or "ADDR" (full prefix). */
bool hx_net(const char *text, struct ipm_addr *a, uint8_t *prefix);

/*
 * The packet that n words say: hexadecimal digits, or `udp` or `ip` and
 * src=ADDR[:PORT] dst=ADDR[:PORT] (an IPv6 address with a port in [ ]), ttl=,
 * tos=, df=, id=, flow=, proto= (of ip), and text=, hex= or len= (octets 0, 1,
 * 2, ...).  Lengths and checksums are right.  False with one phrase in why;
 * else hx_octets_free it.
 */
bool hx_make_packet(
    char *const *word, size_t n, struct hx_octets *o, char *why, size_t len);
/* text=.. or hex=.. */
bool hx_make_payload(const char *word, struct hx_octets *o);

#endif
