#ifndef PFK_RULES_H
#define PFK_RULES_H

/*
 * The message rules of four kernels: which extensions each message needs and
 * may have, what a kernel refuses in one, and with which errno, as far as that
 * is decided by the message alone.  What depends on what the kernel already
 * holds (an SPI that is taken, a policy that is not there) is the engine's.
 *
 * Source: RFC 2367 3; FreeBSD and NetBSD sys/netipsec/key.c (key_parse,
 * key_align, the handlers); OpenBSD sys/net/pfkeyv2_parsemessage.c; Linux
 * net/key/af_key.c.
 */

#include "ipm_profile.h"
#include "pfk_wire.h"

/* How the sender learns of it. */
enum pfk_how {
	PFK_IGNORED,  /* this kernel does not look */
	PFK_BY_SEND,  /* send(2) fails, nothing is answered */
	PFK_BY_REPLY, /* send(2) succeeds, the answer carries the errno */
	PFK_UNSENT    /* a message of the kernel that no kernel would send */
};

enum pfk_rule {
#define PFK_RULE(id, ...) PFK_RULE_##id,
#include "pfk_rules.def"
#undef PFK_RULE
	PFK_N_RULES
};

/* A rule: who enforces it and in which words. */
struct pfk_rule_row {
	const char *name; /* "EXT_DUP" */
	const char *text; /* one phrase */
	const char *source;
	/* enum pfk_how << 8 | errno (FreeBSD's number, whatever the dialect),
	 * in the order of pfk_dialects. */
	uint16_t by[4];
};
extern const struct pfk_rule_row pfk_rules[PFK_N_RULES];

/* What one message type carries; bit n is extension type n. */
struct pfk_msg_row {
	uint8_t dialect;            /* index into pfk_dialects */
	const char *name;           /* of the message type */
	uint64_t need_in, may_in;   /* to the kernel; may: what it reads */
	uint64_t need_out, may_out; /* from it, errors aside */
};
extern const struct pfk_msg_row pfk_msg_rows[]; /* ended by name NULL */

/* The row of a message type, or NULL. */
const struct pfk_msg_row *pfk_msg_row(
    const struct pfk_dialect *d, uint8_t type);

/* One thing that is wrong. */
struct pfk_finding {
	enum pfk_rule rule;
	size_t offset;     /* in the message */
	const char *ext;   /* name of the extension; NULL: the base header */
	const char *field; /* of the structure; NULL: all of it */
	uint8_t err, how;  /* as the rule says for the dialect */
};

#define PFK_FINDINGS_MAX 64U

/*
 * Judges a message on its way to the kernel.  The finding that comes first is
 * the one whose errno the sender sees; the others would follow once it is
 * mended.  At most PFK_FINDINGS_MAX are written to out; returns how many.
 *
 *   pf  algorithms and key sizes are those of its column
 */
size_t pfk_lint(const struct pfk_codec *c, const struct ipm_profile *pf,
    struct ipm_span msg, struct pfk_finding out[PFK_FINDINGS_MAX]);

/*
 * Judges a message that is said to come from the kernel: its form, and which
 * extensions it carries.  An answer with an errno is the request again, or
 * its header alone, and only its form is judged.
 */
size_t pfk_lint_out(const struct pfk_codec *c, struct ipm_span msg,
    struct pfk_finding out[PFK_FINDINGS_MAX]);

#endif
