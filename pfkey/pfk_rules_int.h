#ifndef PFK_RULES_INT_H
#define PFK_RULES_INT_H

/*
 * What the parts of the rules say to each other; nobody else includes this.
 *
 *   pfk_rules_table.c  the tables
 *   pfk_rules.c        base header, the walk, presence, satype, addresses
 *   pfk_rules_value.c  what the handlers look at
 */

#include "pfk_int.h"
#include "pfk_rules.h"

/* The dialects, in the order of pfk_dialects. */
enum {
	PFK_D_FREEBSD,
	PFK_D_NETBSD,
	PFK_D_OPENBSD,
	PFK_D_LINUX
};

#define PFK_BIT(n) ((uint64_t)1 << (n))
/* Among the needed extensions of a message that nothing handles. */
#define PFK_KERNEL_ONLY PFK_BIT(63)

size_t pfk_dialect_index(const struct pfk_dialect *d);

/* Address extensions, as sets of types: whose sockaddr the walk looks at, and
 * which may have a port where ports are refused. */
struct pfk_address_row {
	uint64_t walked, ported;
};
extern const struct pfk_address_row pfk_address_rows[];

/* Where a switch of the profile has FreeBSD's key engine do otherwise. */
struct pfk_rule_switch {
	enum pfk_rule rule;
	enum ipm_switch sw; /* on */
	uint16_t by;        /* as in struct pfk_rule_row */
};
/* The verdict of a rule under the profile (NULL: none). */
unsigned pfk_rule_by(
    enum pfk_rule rule, size_t dialect, const struct ipm_profile *pf);

/* A message being judged: what the walk found. */
struct pfk_judge {
	const struct pfk_codec *c;
	const struct ipm_profile *pf;
	size_t dialect; /* index */
	struct ipm_span msg;
	struct pfk_msg m;
	uint64_t seen;  /* bit n: type n is there, whole */
	size_t off[64]; /* where it begins */
	size_t len[64]; /* its octets, header included */
	bool cut;       /* the walk did not reach the end */
	struct pfk_finding *out;
	size_t n;
};

/* A finding at an octet; nothing when the dialect does not look. */
void pfk_find_at(struct pfk_judge *j, enum pfk_rule rule, size_t off,
    const char *ext, const char *field);
/* At a field of an extension that is there, or at all of it (NULL). */
void pfk_find(
    struct pfk_judge *j, enum pfk_rule rule, unsigned type, const char *field);

bool pfk_has(const struct pfk_judge *j, unsigned type);
/* The value of a field; 0 where the extension is not there. */
uint64_t pfk_value(const struct pfk_judge *j, unsigned type, const char *field);
/* What follows the fixed part of an extension. */
struct ipm_span pfk_tail_of(const struct pfk_judge *j, unsigned type);

/* An sockaddr's family and stated length; false when it has no room. */
bool pfk_sa_head(const struct pfk_judge *j, struct ipm_span s, uint16_t *family,
    size_t *len);
/* Octets of the sockaddr and bits of the address; 0: no family of IP. */
size_t pfk_family_len(const struct pfk_judge *j, uint16_t family);
unsigned pfk_family_bits(const struct pfk_judge *j, uint16_t family);

/* What the handler of the message's type looks at. */
void pfk_judge_values(struct pfk_judge *j);

#endif
