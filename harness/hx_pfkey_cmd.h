#ifndef HX_PFKEY_CMD_H
#define HX_PFKEY_CMD_H

/* What the verbs of `ipsecsim pfkey` share. */

#include "hx_pfkey.h"
#include "hx_pfkey_read.h"
#include "ipm_profile.h"

struct hx_pfkey_cmd {
	struct pfk_codec codec;
	struct ipm_profile profile;
	bool json, show_keys;
	bool setkey;      /* decode: as setkey -D prints */
	bool all;         /* lint: every dialect */
	bool from_kernel; /* lint: messages of the kernel */
	bool state;       /* play: what is there in the end */
	uint64_t now;     /* decode, play: seconds since 1970 */
	const char *one;  /* play: a case of a recording, or NULL */
	uint64_t messages, faults;
};

/* The verbs: every argument from argv[0] on; the exit status. */
int hx_pfkey_lint(struct hx_pfkey_cmd *k, int argc, char **argv);
int hx_pfkey_play(struct hx_pfkey_cmd *k, int argc, char **argv);

#endif
