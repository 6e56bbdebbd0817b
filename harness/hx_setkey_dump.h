#ifndef HX_SETKEY_DUMP_H
#define HX_SETKEY_DUMP_H

/*
 * Messages as `setkey -D' and `setkey -DP' print them, character for character.
 *
 * Source: FreeBSD lib/libipsec/pfkey_dump.c, sbin/setkey/setkey.c, shortdump.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ipm_profile.h"
#include "wire/ipm_bytes.h"

struct hx_setkey_dump {
	FILE *out;
	const struct ipm_profile *profile; /* setkey-words: names that are
					      known; policy-scope */
	uint64_t now;   /* seconds since 1970: "current", ages */
	int32_t zone;   /* seconds east of UTC of the dates */
	bool scope;     /* policies have one: say which */
	bool show_keys; /* else "<hidden: 16 octets>" stands for a key */
	bool all;       /* SAs in state dead, too */
};

/*
 * One message of FreeBSD's dialect, little endian.  What is none, or lacks what
 * must be there, is said in the tool's words, on the same stream.
 */
void hx_setkey_dump_sa(const struct hx_setkey_dump *d, struct ipm_span msg);
void hx_setkey_dump_sp(const struct hx_setkey_dump *d, struct ipm_span msg);

/* The short form of -l: its head, then a line for each SA. */
void hx_setkey_dump_head(const struct hx_setkey_dump *d);
void hx_setkey_dump_short(const struct hx_setkey_dump *d, struct ipm_span msg);

/* "Feb  6 12:00:00 2017": 20 characters, blanks for time 0.  Returns buf. */
const char *hx_setkey_date(uint64_t t, int32_t zone, char buf[21]);

#endif
