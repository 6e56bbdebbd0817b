/* The tables of the rules: who enforces what, who carries what. */
#include "pfk_rules_int.h"

#include <string.h>

const struct pfk_rule_row pfk_rules[PFK_N_RULES] = {
#define NO            (PFK_IGNORED << 8)
#define OUT           (PFK_UNSENT << 8)
#define SEND(errno_)  (PFK_BY_SEND << 8 | PFK_##errno_)
#define REPLY(errno_) (PFK_BY_REPLY << 8 | PFK_##errno_)
#define PFK_RULE(id, freebsd, netbsd, openbsd, linux_, text, source) \
	{ #id, text, source, { freebsd, netbsd, openbsd, linux_ } },
#include "pfk_rules.def"
#undef PFK_RULE
};

/* [PFKEY-2.1-04] [PFKEY-2.3-03] [PFKEY-2.3.3-08] [PFKEY-2.3.9-01] [PFKEY-3.1.2-04]
 * [PFKEY-3.1.3-03] [PFKEY-3.1.7-01] */
static const struct pfk_rule_switch switches[] = {
	{ PFK_RULE_HDR_SHORT, IPM_SW_PFK_LEN_ERRNO, SEND(EMSGSIZE) },
	{ PFK_RULE_HDR_VERSION, IPM_SW_PFK_PARSE_ERRORS, SEND(EINVAL) },
	{ PFK_RULE_HDR_TYPE, IPM_SW_PFK_PARSE_ERRORS, SEND(EINVAL) },
	{ PFK_RULE_HDR_TYPE_ZERO, IPM_SW_PFK_PARSE_ERRORS, SEND(EINVAL) },
	{ PFK_RULE_EXT_TYPE_ZERO, IPM_SW_PFK_PARSE_ERRORS, REPLY(EINVAL) },
	{ PFK_RULE_EXT_DUP, IPM_SW_PFK_PARSE_ERRORS, REPLY(EINVAL) },
	{ PFK_RULE_EXT_ZERO, IPM_SW_PFK_PARSE_ERRORS, REPLY(EINVAL) },
	{ PFK_RULE_EXT_SHORT, IPM_SW_PFK_PARSE_ERRORS, REPLY(EINVAL) },
	{ PFK_RULE_EXT_LONG, IPM_SW_PFK_PARSE_ERRORS, REPLY(EINVAL) },
	{ PFK_RULE_ADDR_ROOM, IPM_SW_PFK_PARSE_ERRORS, REPLY(EINVAL) },
	{ PFK_RULE_EXT_PAST_END, IPM_SW_PFK_PARSE_ERRORS, REPLY(EINVAL) },
	{ PFK_RULE_HDR_LEN, IPM_SW_PFK_LEN_ERRNO, SEND(EMSGSIZE) },
	{ PFK_RULE_EXT_PAST_END, IPM_SW_PFK_PAST_END, SEND(EINVAL) },
	{ PFK_RULE_EXT_TYPE, IPM_SW_PFK_UNKNOWN_EXT, NO },
	{ PFK_RULE_EXT_REFUSED, IPM_SW_PFK_UNKNOWN_EXT, NO },
	{ PFK_RULE_ADDR_GROUP, IPM_SW_PFK_GROUP_SOURCE, REPLY(EINVAL) },
	{ PFK_RULE_NOT_MATURE, IPM_SW_PFK_STATE, REPLY(EINVAL) },
	{ PFK_RULE_RANGE_TURNED, IPM_SW_PFK_SPI_ORDER, REPLY(EINVAL) },
	{ PFK_RULE_NO_HANDLER, IPM_SW_PFK_NO_HANDLER, REPLY(EOPNOTSUPP) },
	{ PFK_RULE_SATYPE_OTHER, IPM_SW_PFK_SATYPES, REPLY(EINVAL) },
	{ PFK_RULE_SPI_LOW, IPM_SW_PFK_LOW_SPI, NO },
	{ PFK_RULE_ALG_UNKNOWN, IPM_SW_PFK_ALG_ERRNO, REPLY(ENOSYS) },
	{ PFK_RULE_SA_FLAGS, IPM_SW_PFK_FLAGS, NO },
	{ PFK_RULE_REGISTER_ANY, IPM_SW_PFK_REGISTER_ANY, REPLY(EINVAL) },
};
#undef REPLY
#undef SEND
#undef OUT
#undef NO

unsigned
pfk_rule_by(enum pfk_rule rule, size_t dialect, const struct ipm_profile *pf)
{
	if (dialect == PFK_D_FREEBSD && pf != NULL)
		for (size_t i = 0; i < sizeof switches / sizeof switches[0];
		     i++)
			if (switches[i].rule == rule &&
			    ipm_sw(pf, switches[i].sw) == IPM_ON)
				return switches[i].by;
	return pfk_rules[rule].by[dialect];
}

/* The words of pfk_msg_rows.def; O_ are OpenBSD's, L_ Linux's. */
#define KERNEL      PFK_KERNEL_ONLY
#define ANY         (PFK_BIT(63) - 1)
#define SA          PFK_BIT(1)
#define CURRENT     PFK_BIT(2)
#define HARD        PFK_BIT(3)
#define HS          (PFK_BIT(3) | PFK_BIT(4))
#define LIFE        (CURRENT | HS)
#define SRC         PFK_BIT(5)
#define DST         PFK_BIT(6)
#define SD          (SRC | DST)
#define PROXY       PFK_BIT(7)
#define KEYS        (PFK_BIT(8) | PFK_BIT(9))
#define IDENT       (PFK_BIT(10) | PFK_BIT(11))
#define PROPOSAL    PFK_BIT(13)
#define SUPPORTED   (PFK_BIT(14) | PFK_BIT(15))
#define SPIRANGE    PFK_BIT(16)
#define X_POLICY    PFK_BIT(18)
#define X_SA2       PFK_BIT(19)
#define SPORTS      (PFK_BIT(21) | PFK_BIT(22))
#define NATT3       (PFK_BIT(20) | SPORTS)
#define NATT        (NATT3 | PFK_BIT(25))
#define OAS         (PFK_BIT(23) | PFK_BIT(24))
#define X_REPLAY    PFK_BIT(26)
#define X_NEW       (PFK_BIT(27) | PFK_BIT(28))
#define O_MASKS     (PFK_BIT(17) | PFK_BIT(18))
#define O_PROTO     PFK_BIT(19)
#define O_TYPE      PFK_BIT(20)
#define O_FLOWS     (PFK_BIT(21) | PFK_BIT(22))
#define O_FLOW      (O_MASKS | O_PROTO | O_FLOWS)
#define O_SA2       PFK_BIT(23)
#define O_DST2      PFK_BIT(24)
#define O_POLICY    PFK_BIT(25)
#define O_CRED      (PFK_BIT(26) | PFK_BIT(27) | PFK_BIT(28) | PFK_BIT(29))
#define O_COMP      PFK_BIT(30)
#define O_LASTUSE   PFK_BIT(32)
#define O_NEW       (PFK_BIT(31) | PFK_BIT(33) | PFK_BIT(34))
#define L_OA        PFK_BIT(23)
#define L_CTX       PFK_BIT(24)
#define L_KM        PFK_BIT(25)
#define L_FILTER    PFK_BIT(26)
#define L_STATE     (SA | CURRENT | SD | X_SA2)
#define L_STATE_MAY (HS | PROXY | KEYS | NATT3 | L_CTX)

#define FREEBSD PFK_D_FREEBSD
#define NETBSD  PFK_D_NETBSD
#define OPENBSD PFK_D_OPENBSD
#define LINUX   PFK_D_LINUX

const struct pfk_msg_row pfk_msg_rows[] = {
#define PFK_MSG_ROW(dialect, type, need_in, may_in, need_out, may_out) \
	{ dialect, #type, need_in, may_in, need_out, may_out },
#include "pfk_msg_rows.def"
#undef PFK_MSG_ROW
	{ 0, NULL, 0, 0, 0, 0 }
};

const struct pfk_address_row pfk_address_rows[] = {
	[FREEBSD] = { SD | PROXY | OAS | X_NEW, 0 },
	[NETBSD] = { SD | PROXY, 0 },
	[OPENBSD] = { SD | PROXY | O_MASKS | O_FLOWS | O_DST2,
	    O_MASKS | O_FLOWS },
	[LINUX] = { SD | PROXY | L_OA, 0 },
};

size_t
pfk_dialect_index(const struct pfk_dialect *d)
{
	size_t i = 0;

	while (pfk_dialects[i].name != NULL &&
	    strcmp(pfk_dialects[i].name, d->name) != 0)
		i++;
	return i;
}

const struct pfk_msg_row *
pfk_msg_row(const struct pfk_dialect *d, uint8_t type)
{
	const char *name = pfk_name(d->msgs, type);
	size_t dialect = pfk_dialect_index(d);

	for (const struct pfk_msg_row *r = pfk_msg_rows;
	     name != NULL && r->name != NULL; r++)
		if (r->dialect == dialect && strcmp(r->name, name) == 0)
			return r;
	return NULL;
}
