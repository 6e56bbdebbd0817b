#ifndef HX_SETKEY_INT_H
#define HX_SETKEY_INT_H

/*
 * What scanner, grammar and hx_setkey.c say to each other; nobody else
 * includes this.
 */

#include "hx_setkey.h"

/* A token: octets of the script's text and where they stand. */
struct hx_tok {
	char *p;
	size_t len;
	unsigned line, col;
};

struct hx_setkey_ctx {
	struct hx_setkey *script;
	const char *file;
	struct hx_err *err;
	bool failed;        /* err is set */
	unsigned line, col; /* scanner: the next octet */
	struct hx_tok last; /* scanner: the token last handed over */

	/* The statement under construction. */
	struct hx_setkey_stmt cur;
	uint8_t family; /* -4, -6; 0: either */
	struct hx_tok spi_at, enc_at, auth_at;
	struct hx_setkey_range range; /* the side being read */
	struct hx_tok range_at;
};

/*
 * Each answers false with the error set.  The token says what and where.
 * The names follow the grammar's.
 */
bool hx_sk_begin(
    struct hx_setkey_ctx *c, enum hx_setkey_kind kind, const struct hx_tok *t);
void hx_sk_aiflags(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_addr(
    struct hx_setkey_ctx *c, const struct hx_tok *t, struct ipm_addr *a);
bool hx_sk_pair(struct hx_setkey_ctx *c, const struct hx_tok *at,
    const struct ipm_addr *src, const struct ipm_addr *dst);
bool hx_sk_num(struct hx_setkey_ctx *c, const struct hx_tok *t, uint64_t max,
    const char *what, uint64_t *v);
bool hx_sk_spi(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_window(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_natt(struct hx_setkey_ctx *c, const struct hx_tok *t,
    const struct hx_tok *port, bool is_src);
bool hx_sk_flag(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_alg(struct hx_setkey_ctx *c, const struct hx_tok *t, char letter);
void hx_sk_key(struct hx_setkey_ctx *c, const struct hx_tok *t, char letter);
bool hx_sk_host(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_prefix(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_port(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_upper(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_misc(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_policy(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_end(struct hx_setkey_ctx *c);

/* Sets the error, once: the first one stands.  Always false. */
__attribute__((format(printf, 3, 4))) bool hx_sk_fail(
    struct hx_setkey_ctx *c, const struct hx_tok *at, const char *fmt, ...);

/*
 * The token as an error may show it, in quotes; or a description where it
 * might be a key.  buf takes 64 octets.
 */
const char *hx_sk_show(const struct hx_tok *t, char buf[64]);

/* The scanner's complaint about a word where a key must stand. */
bool hx_sk_bad_key(struct hx_setkey_ctx *c, const struct hx_tok *t);

#endif
