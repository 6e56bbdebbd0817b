#ifndef IN_BOX_H
#define IN_BOX_H

/*
 * Packets made by hand for the inbound path, and what became of them as one
 * line of text: every counter that changed.
 */

#include "path_box.h"

struct in_packet {
	uint8_t p[70000];
	size_t len;
};

/* Header and payload; lengths and the IPv4 checksum are right.  options may be
 * NULL. */
void in_ip4(struct in_packet *k, const char *src, const char *dst,
    uint8_t proto, const uint8_t *options, size_t options_len,
    const uint8_t *payload, size_t len);
void in_ip6(struct in_packet *k, const char *src, const char *dst, uint8_t nh,
    const uint8_t *payload, size_t len);
/* The same by the family of src, without options. */
void in_ip(struct in_packet *k, const char *src, const char *dst, uint8_t proto,
    const uint8_t *payload, size_t len);
/* The IPv4 header's checksum anew. */
void in_resum(struct in_packet *k);

/* A UDP datagram (8 octets and data) with its checksum; returns its length. */
size_t in_udp(uint8_t *out, const char *src, const char *dst, uint16_t sport,
    uint16_t dport, const void *data, size_t len);
/* A TCP header without options and data. */
size_t in_tcp(uint8_t *out, const char *src, const char *dst, uint16_t sport,
    uint16_t dport, uint32_t seq, uint32_t ack, uint8_t flags);

/* ESP of an SA with NULL cipher and no integrity; returns its length. */
size_t in_esp(uint8_t *out, uint32_t spi, uint32_t seq, uint8_t nh,
    const uint8_t *payload, size_t len);

/* An SA for in_esp, from src to dst. */
ipm_off in_sa(struct path_box *b, const char *src, const char *dst,
    uint32_t spi, enum ipm_mode mode, uint32_t window);

/* A UDP, TCP (listening) or raw socket bound to the port (raw: protocol). */
ipm_off in_socket(
    struct path_box *b, uint8_t family, uint8_t proto, uint16_t port, bool raw);

/*
 * The packet arrives on blk1 (PATH_BLK1) after earlier effects are forgotten.
 * Asserts: a drop is told of exactly once, and nothing else is.
 */
enum ipm_reason in_run(struct path_box *b, const struct in_packet *k);

/* "ips_total 1 ips_badvers 1": what in_run's packet counted, in the kernel's
 * order. */
const char *in_counted(const struct path_box *b);

#endif
