#ifndef HX_SETKEY_INT_H
#define HX_SETKEY_INT_H

/*
 * What scanner, grammar and hx_setkey.c say to each other; nobody else
 * includes this.
 */

#include "hx_setkey_msg.h"
#include "pfk_policy.h"

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

	/* The tool's way of reading; NULL: strict. */
	const struct hx_setkey_opts *tool;
	bool fatal;     /* an octet without meaning: the tool says no more */
	bool no_memory; /* in the tool's way */

	/* The statement under construction. */
	struct hx_setkey_stmt cur;
	uint8_t family;                                /* -4, -6; 0: either */
	bool numeric;                                  /* -n */
	const struct hx_sk_word *enc_word, *auth_word; /* the tool's own */
	struct hx_tok spi_at, enc_at, auth_at;
	struct hx_setkey_range range; /* the side being read */
	struct hx_tok range_at;
	/* The tool looks at these when the statement is complete. */
	struct hx_sk_side {
		struct hx_tok host, port;
		bool has_prefix;
		uint8_t prefix;
	} side, src_side, dst_side;
	struct hx_tok misc;
};

/* A word of the tool's behind -E, -A or -C, with what is special about it. */
enum hx_sk_keying {
	HX_SK_KEY,   /* a key must follow */
	HX_SK_NOKEY, /* none may */
	HX_SK_MAYBE, /* the switch setkey-null-key says */
	HX_SK_OLD,   /* none may, and a warning is said */
	HX_SK_DERIV, /* a key; not with the -old protocols */
	HX_SK_IV32   /* a key; only with them */
};
enum hx_sk_era {
	HX_SK_2017 = 1, /* FreeBSD of 2017 has the word */
	HX_SK_13 = 2,
	HX_SK_BOTH = 3
};
struct hx_sk_word {
	char letter;
	const char *word;
	const char *alg; /* name in ipm_algs; NULL: only a number */
	uint8_t number;
	enum hx_sk_keying keying;
	uint8_t eras; /* enum hx_sk_era */
};

/*
 * Each answers false with the error set.  The token says what and where.
 * The names follow the grammar's.
 */
bool hx_sk_begin(
    struct hx_setkey_ctx *c, enum hx_setkey_kind kind, const struct hx_tok *t);
void hx_sk_aiflags(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_addr(struct hx_setkey_ctx *c, const struct hx_tok *t,
    struct ipm_addr *a, struct hx_setkey_addrs *all);
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
bool hx_sk_key(struct hx_setkey_ctx *c, const struct hx_tok *t, char letter);
bool hx_sk_host(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_prefix(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_port(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_upper(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_misc(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_policy(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_tagged(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_end(struct hx_setkey_ctx *c);

/* The same in the tool's way; hx_setkey.c calls these. */
bool hx_sk_tool_addr(struct hx_setkey_ctx *c, const struct hx_tok *t,
    struct ipm_addr *a, struct hx_setkey_addrs *all);
bool hx_sk_tool_spi(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_tool_window(struct hx_setkey_ctx *c, const struct hx_tok *t);
bool hx_sk_tool_alg(
    struct hx_setkey_ctx *c, const struct hx_tok *t, char letter);
bool hx_sk_tool_key(
    struct hx_setkey_ctx *c, const struct hx_tok *t, char letter);
bool hx_sk_tool_end(struct hx_setkey_ctx *c);

/* What a number is without a limit: 64 bits, more than that all ones. */
uint64_t hx_sk_number(const struct hx_tok *t);
/* The row for a word of the language itself, or NULL. */
const struct ipm_alg *hx_sk_alg_row(const struct hx_tok *t, char letter);
/* ipsec_set_policy(3) of the statement's text; *at: where it is wrong. */
enum pfk_eipsec hx_sk_policy_check(const struct hx_setkey_ctx *c, size_t *at);

/*
 * The tool's complaint "line N: TEXT at [TOKEN]" about the token handed over
 * last; refuse ends the reading and answers false, fatal at once.
 */
void hx_sk_say(struct hx_setkey_ctx *c, const char *text);
bool hx_sk_refuse(struct hx_setkey_ctx *c, const char *text);
void hx_sk_fatal(struct hx_setkey_ctx *c);
/* Adds a line as it is. */
void hx_sk_note(struct hx_setkey_ctx *c, const char *line);

/* Sets the error, once: the first one stands.  Always false. */
__attribute__((format(printf, 3, 4))) bool hx_sk_fail(
    struct hx_setkey_ctx *c, const struct hx_tok *at, const char *fmt, ...);

/* What getaddrinfo(3) of FreeBSD says of a name and of a port. */
#define HX_SK_NO_NAME    "hostname nor servname provided, or not known"
#define HX_SK_NO_SERVICE "servname not supported for ai_socktype"

/* Could these octets be (part of) a key? */
bool hx_sk_may_be_key(const struct hx_tok *t);

/*
 * The token as an error may show it, in quotes; or a description where it
 * might be a key.  buf takes 64 octets.
 */
const char *hx_sk_show(const struct hx_tok *t, char buf[64]);

/* The scanner's complaint about a word where a key must stand. */
bool hx_sk_bad_key(struct hx_setkey_ctx *c, const struct hx_tok *t);

#endif
