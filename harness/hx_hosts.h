#ifndef HX_HOSTS_H
#define HX_HOSTS_H

/*
 * A table of hosts in the form of hosts(5): an address, then its names, one
 * line each, # to the end of the line a comment.  A name may stand on several
 * lines; then it has several addresses, in the order of the lines.
 */

#include <stdbool.h>
#include <stddef.h>

#include "hx_err.h"
#include "wire/ipm_ip.h"

struct hx_host {
	struct ipm_addr addr;
	char *name; /* owned */
};

struct hx_hosts {
	struct hx_host *host;
	size_t n, cap;
};

/*
 * Reads a table; `file` is what errors call it.  False with one line in *err
 * (an address that is none, a line without a name, memory); *h is empty then.
 */
bool hx_hosts_parse(const char *buf, size_t len, const char *file,
    struct hx_hosts *h, struct hx_err *err);
bool hx_hosts_load(const char *path, struct hx_hosts *h, struct hx_err *err);

/*
 * The i-th address (from 0) of a name of len octets, letters alike in either
 * case; family 4, 6 or 0 for both.  False when there are not so many.
 */
bool hx_hosts_find(const struct hx_hosts *h, const char *name, size_t len,
    uint8_t family, size_t i, struct ipm_addr *addr);

void hx_hosts_free(struct hx_hosts *h);

#endif
