#ifndef HX_SERVICES_H
#define HX_SERVICES_H

/*
 * Names of UDP ports from a table in the form of services(5): a name, its
 * port and protocol, other names.  setkey(8) asks for UDP's whatever protocol
 * a policy is for, so no others are kept.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hx_err.h"

struct hx_services {
	struct hx_service {
		char *name; /* owned */
		uint16_t port;
	} * service;
	size_t n, cap;
};

/* False with one line in *err; *s is empty then. */
bool hx_services_load(
    const char *path, struct hx_services *s, struct hx_err *err);

/* The port of a name of len octets, in its case; false: it is none. */
bool hx_services_find(
    const struct hx_services *s, const char *name, size_t len, uint16_t *port);

void hx_services_free(struct hx_services *s);

#endif
