#ifndef HX_CONFIG_H
#define HX_CONFIG_H

/*
 * A configuration file, whatever its language: setkey(8) text or an
 * `ipsec-capture` sidecar, told apart by content.  Reading is strict: one
 * error, and nothing is configured.
 */

#include "hx_err.h"
#include "hx_salist.h"
#include "hx_setkey_msg.h"

#define HX_CONFIG_MAX ((size_t)64 << 20) /* octets of a configuration */

enum hx_config_kind {
	HX_CONFIG_SETKEY,
	HX_CONFIG_SIDECAR
};

struct hx_config {
	enum hx_config_kind kind;
	struct hx_sa *sas; /* n of them, in order of addition */
	size_t n;
	size_t n_policies;       /* spdadd read and in force, not acted on */
	size_t n_policy_deletes; /* spddelete read, not acted on */

	/*
	 * spdadd, spddelete and spdflush as PF_KEY messages (hx_setkey_codec,
	 * pid HX_CONFIG_PID), in the order of the file: what the engine takes.
	 * hx_setkey_of_sa and hx_setkey_compile make those of the SAs.
	 */
	struct hx_setkey_msgs policies;
};

#define HX_CONFIG_PID 1U

/*
 * Reads the configuration at path; "-" is standard input.
 *
 * Returns true with *cfg filled (hx_config_free it), or false with one line
 * in *err that names the file and, wherever one can be told, the line; *cfg
 * then holds nothing.
 */
bool hx_config_load(
    const char *path, struct hx_config *cfg, struct hx_err *err);

/* The same from memory; `file` is what errors call it. */
bool hx_config_parse(const char *buf, size_t len, const char *file,
    struct hx_config *cfg, struct hx_err *err);

/* Makes *cfg of what a reader has listed; the list is empty afterwards. */
void hx_config_take(
    struct hx_config *cfg, enum hx_config_kind kind, struct hx_salist *list);

/* Wipes the keys, frees everything, leaves an empty configuration. */
void hx_config_free(struct hx_config *cfg);

#endif
