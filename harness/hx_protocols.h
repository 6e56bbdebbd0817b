#ifndef HX_PROTOCOLS_H
#define HX_PROTOCOLS_H

/*
 * Names of upper-layer protocols, as protocols(5) of FreeBSD has them: a table
 * of our own, since a host's may say otherwise.
 */

#include <stddef.h>
#include <stdint.h>

/* Number of a name of len octets (a second name and, as setkey(8) adds,
 * "icmp6" and "ip4" too, either in small letters or in capitals); -1 when
 * there is none. */
int hx_protocol_number(const char *name, size_t len);

/* First name of a number, or NULL. */
const char *hx_protocol_name(uint8_t number);

#endif
