#include "pfk_dialect.h"

#include <string.h>

/* --- message types --------------------------------------------------------- */

#define MSGS_COMMON                                                      \
	{ 1, "GETSPI" }, { 2, "UPDATE" }, { 3, "ADD" }, { 4, "DELETE" }, \
	    { 5, "GET" }, { 6, "ACQUIRE" }, { 7, "REGISTER" },           \
	    { 8, "EXPIRE" }, { 9, "FLUSH" }, { 10, "DUMP" },             \
	{                                                                \
		11, "X_PROMISC"                                          \
	}
#define MSGS_KAME                                                              \
	{ 12, "X_PCHANGE" }, { 13, "X_SPDUPDATE" }, { 14, "X_SPDADD" },        \
	    { 15, "X_SPDDELETE" }, { 16, "X_SPDGET" }, { 17, "X_SPDACQUIRE" }, \
	    { 18, "X_SPDDUMP" }, { 19, "X_SPDFLUSH" }, { 20, "X_SPDSETIDX" },  \
	    { 21, "X_SPDEXPIRE" },                                             \
	{                                                                      \
		22, "X_SPDDELETE2"                                             \
	}

static const struct pfk_name msgs_freebsd[] = { MSGS_COMMON, MSGS_KAME,
	{ 0, NULL } };
static const struct pfk_name msgs_netbsd[] = { MSGS_COMMON, MSGS_KAME,
	{ 23, "X_NAT_T_NEW_MAPPING" }, { 0, NULL } };
static const struct pfk_name msgs_linux[] = { MSGS_COMMON, MSGS_KAME,
	{ 23, "X_NAT_T_NEW_MAPPING" }, { 24, "X_MIGRATE" }, { 0, NULL } };
static const struct pfk_name msgs_openbsd[] = { MSGS_COMMON,
	{ 12, "X_ADDFLOW" }, { 13, "X_DELFLOW" }, { 14, "X_GRPSPIS" },
	{ 15, "X_ASKPOLICY" }, { 16, "X_SPDDUMP" }, { 0, NULL } };

/* --- SA types ---------------------------------------------------------------- */

static const struct pfk_name satypes_kame[] = { { 0, "unspec" }, { 2, "ah" },
	{ 3, "esp" }, { 5, "rsvp" }, { 6, "ospfv2" }, { 7, "ripv2" },
	{ 8, "mip" }, { 9, "ipcomp" }, { 11, "tcpsignature" }, { 0, NULL } };
static const struct pfk_name satypes_linux[] = { { 0, "unspec" }, { 2, "ah" },
	{ 3, "esp" }, { 5, "rsvp" }, { 6, "ospfv2" }, { 7, "ripv2" },
	{ 8, "mip" }, { 9, "ipcomp" }, { 0, NULL } };
static const struct pfk_name satypes_openbsd[] = { { 0, "unspec" }, { 1, "ah" },
	{ 2, "esp" }, { 3, "rsvp" }, { 4, "ospfv2" }, { 5, "ripv2" },
	{ 6, "mip" }, { 7, "ipip" }, { 8, "tcpsignature" }, { 9, "ipcomp" },
	{ 0, NULL } };

/* --- extensions ---------------------------------------------------------------- */

#define ADDRESS(n, name)                                     \
	{                                                    \
		n, name, 8, 0, PFK_TAIL_SOCKADDR,            \
		{                                            \
			{ "proto", 4, 1, PFK_HOST },         \
			    { "prefixlen", 5, 1, PFK_HOST }, \
			{                                    \
				"reserved", 6, 2, PFK_HOST   \
			}                                    \
		}                                            \
	}
#define ADDRESS_OPENBSD(n, name)                           \
	{                                                  \
		n, name, 8, 0, PFK_TAIL_SOCKADDR,          \
		{                                          \
			{                                  \
				"reserved", 4, 4, PFK_HOST \
			}                                  \
		}                                          \
	}
#define LIFETIME(n, name)                                   \
	{                                                   \
		n, name, 32, 32, PFK_TAIL_NONE,             \
		{                                           \
			{ "allocations", 4, 4, PFK_HOST },  \
			    { "bytes", 8, 8, PFK_HOST },    \
			    { "addtime", 16, 8, PFK_HOST }, \
			{                                   \
				"usetime", 24, 8, PFK_HOST  \
			}                                   \
		}                                           \
	}
#define KEY(n, name)                                       \
	{                                                  \
		n, name, 8, 0, PFK_TAIL_KEY,               \
		{                                          \
			{ "bits", 4, 2, PFK_HOST },        \
			{                                  \
				"reserved", 6, 2, PFK_HOST \
			}                                  \
		}                                          \
	}
#define IDENTITY(n, name)                                   \
	{                                                   \
		n, name, 16, 0, PFK_TAIL_STRING,            \
		{                                           \
			{ "idtype", 4, 2, PFK_HOST },       \
			    { "reserved", 6, 2, PFK_HOST }, \
			{                                   \
				"id", 8, 8, PFK_HOST        \
			}                                   \
		}                                           \
	}
#define SUPPORTED(n, name)                                 \
	{                                                  \
		n, name, 8, 0, PFK_TAIL_ALGS,              \
		{                                          \
			{                                  \
				"reserved", 4, 4, PFK_HOST \
			}                                  \
		}                                          \
	}
#define OPAQUE(n, name)                                 \
	{                                               \
		n, name, 8, 0, PFK_TAIL_OCTETS,         \
		{                                       \
			{                               \
				"value", 4, 4, PFK_HOST \
			}                               \
		}                                       \
	}
#define PORT(n, name)                                      \
	{                                                  \
		n, name, 8, 8, PFK_TAIL_NONE,              \
		{                                          \
			{ "port", 4, 2, PFK_NET },         \
			{                                  \
				"reserved", 6, 2, PFK_HOST \
			}                                  \
		}                                          \
	}
#define END                                          \
	{                                            \
		0, NULL, 0, 0, PFK_TAIL_NONE,        \
		{                                    \
			{                            \
				NULL, 0, 0, PFK_HOST \
			}                            \
		}                                    \
	}

/* Types on which all agree (but for OpenBSD's addresses and proposal). */
static const struct pfk_ext_row exts_common[] = {
	{ 1, "SA", 16, 16, PFK_TAIL_NONE,
	    { { "spi", 4, 4, PFK_NET }, { "replay", 8, 1, PFK_HOST },
		{ "state", 9, 1, PFK_HOST }, { "auth", 10, 1, PFK_HOST },
		{ "encrypt", 11, 1, PFK_HOST },
		{ "flags", 12, 4, PFK_HOST } } },
	LIFETIME(2, "LIFETIME_CURRENT"),
	LIFETIME(3, "LIFETIME_HARD"),
	LIFETIME(4, "LIFETIME_SOFT"),
	ADDRESS(5, "ADDRESS_SRC"),
	ADDRESS(6, "ADDRESS_DST"),
	ADDRESS(7, "ADDRESS_PROXY"),
	KEY(8, "KEY_AUTH"),
	KEY(9, "KEY_ENCRYPT"),
	IDENTITY(10, "IDENTITY_SRC"),
	IDENTITY(11, "IDENTITY_DST"),
	{ 12, "SENSITIVITY", 16, 0, PFK_TAIL_OCTETS,
	    { { "dpd", 4, 4, PFK_HOST }, { "sens_level", 8, 1, PFK_HOST },
		{ "sens_len", 9, 1, PFK_HOST },
		{ "integ_level", 10, 1, PFK_HOST },
		{ "integ_len", 11, 1, PFK_HOST },
		{ "reserved", 12, 4, PFK_HOST } } },
	{ 13, "PROPOSAL", 8, 0, PFK_TAIL_COMBS,
	    { { "replay", 4, 1, PFK_HOST }, { "reserved1", 5, 1, PFK_HOST },
		{ "reserved2", 6, 1, PFK_HOST },
		{ "reserved3", 7, 1, PFK_HOST } } },
	SUPPORTED(14, "SUPPORTED_AUTH"),
	SUPPORTED(15, "SUPPORTED_ENCRYPT"),
	{ 16, "SPIRANGE", 16, 16, PFK_TAIL_NONE,
	    { { "min", 4, 4, PFK_HOST }, { "max", 8, 4, PFK_HOST },
		{ "reserved", 12, 4, PFK_HOST } } },
	END,
};

#define SA2                                                  \
	{                                                    \
		19, "X_SA2", 16, 16, PFK_TAIL_NONE,          \
		{                                            \
			{ "mode", 4, 1, PFK_HOST },          \
			    { "reserved1", 5, 1, PFK_HOST }, \
			    { "reserved2", 6, 2, PFK_HOST }, \
			    { "sequence", 8, 4, PFK_HOST },  \
			{                                    \
				"reqid", 12, 4, PFK_HOST     \
			}                                    \
		}                                            \
	}
#define POLICY                                              \
	{                                                   \
		18, "X_POLICY", 16, 0, PFK_TAIL_REQUESTS,   \
		{                                           \
			{ "policy", 4, 2, PFK_HOST },       \
			    { "dir", 6, 1, PFK_HOST },      \
			    { "scope", 7, 1, PFK_HOST },    \
			    { "id", 8, 4, PFK_HOST },       \
			{                                   \
				"priority", 12, 4, PFK_HOST \
			}                                   \
		}                                           \
	}
#define KMPRIVATE                                          \
	{                                                  \
		17, "X_KMPRIVATE", 8, 0, PFK_TAIL_OCTETS,  \
		{                                          \
			{                                  \
				"reserved", 4, 4, PFK_HOST \
			}                                  \
		}                                          \
	}
#define NATT_TYPE                                            \
	{                                                    \
		20, "X_NAT_T_TYPE", 8, 8, PFK_TAIL_NONE,     \
		{                                            \
			{ "encap", 4, 1, PFK_HOST },         \
			    { "reserved1", 5, 1, PFK_HOST }, \
			    { "reserved2", 6, 1, PFK_HOST }, \
			{                                    \
				"reserved3", 7, 1, PFK_HOST  \
			}                                    \
		}                                            \
	}
#define NATT_FRAG                                          \
	{                                                  \
		25, "X_NAT_T_FRAG", 8, 8, PFK_TAIL_NONE,   \
		{                                          \
			{ "fraglen", 4, 2, PFK_HOST },     \
			{                                  \
				"reserved", 6, 2, PFK_HOST \
			}                                  \
		}                                          \
	}

static const struct pfk_ext_row exts_freebsd[] = {
	KMPRIVATE,
	POLICY,
	SA2,
	NATT_TYPE,
	PORT(21, "X_NAT_T_SPORT"),
	PORT(22, "X_NAT_T_DPORT"),
	ADDRESS(23, "X_NAT_T_OAI"),
	ADDRESS(24, "X_NAT_T_OAR"),
	NATT_FRAG,
	{ 26, "X_SA_REPLAY", 8, 8, PFK_TAIL_NONE,
	    { { "replay", 4, 4, PFK_HOST } } },
	ADDRESS(27, "X_NEW_ADDRESS_SRC"),
	ADDRESS(28, "X_NEW_ADDRESS_DST"),
	END,
};

static const struct pfk_ext_row exts_netbsd[] = {
	KMPRIVATE,
	POLICY,
	SA2,
	NATT_TYPE,
	PORT(21, "X_NAT_T_SPORT"),
	PORT(22, "X_NAT_T_DPORT"),
	ADDRESS(23, "X_NAT_T_OAI"),
	ADDRESS(24, "X_NAT_T_OAR"),
	NATT_FRAG,
	END,
};

static const struct pfk_ext_row exts_linux[] = {
	KMPRIVATE,
	POLICY,
	SA2,
	NATT_TYPE,
	PORT(21, "X_NAT_T_SPORT"),
	PORT(22, "X_NAT_T_DPORT"),
	ADDRESS(23, "X_NAT_T_OA"),
	{ 24, "X_SEC_CTX", 8, 0, PFK_TAIL_OCTETS,
	    { { "alg", 4, 1, PFK_HOST }, { "doi", 5, 1, PFK_HOST },
		{ "ctx_len", 6, 2, PFK_HOST } } },
	{ 25, "X_KMADDRESS", 8, 0, PFK_TAIL_SOCKADDR,
	    { { "reserved", 4, 4, PFK_HOST } } },
	{ 26, "X_FILTER", 40, 40, PFK_TAIL_NONE,
	    { { "saddr_hi", 4, 8, PFK_OCTETS },
		{ "saddr_lo", 12, 8, PFK_OCTETS },
		{ "daddr_hi", 20, 8, PFK_OCTETS },
		{ "daddr_lo", 28, 8, PFK_OCTETS },
		{ "family", 36, 2, PFK_HOST }, { "splen", 38, 1, PFK_HOST },
		{ "dplen", 39, 1, PFK_HOST } } },
	END,
};

static const struct pfk_ext_row exts_openbsd[] = {
	ADDRESS_OPENBSD(5, "ADDRESS_SRC"),
	ADDRESS_OPENBSD(6, "ADDRESS_DST"),
	ADDRESS_OPENBSD(7, "ADDRESS_PROXY"),
	{ 13, "PROPOSAL", 8, 0, PFK_TAIL_COMBS,
	    { { "num", 4, 1, PFK_HOST }, { "replay", 5, 1, PFK_HOST },
		{ "reserved", 6, 2, PFK_HOST } } },
	ADDRESS_OPENBSD(17, "X_SRC_MASK"),
	ADDRESS_OPENBSD(18, "X_DST_MASK"),
	OPAQUE(19, "X_PROTOCOL"),
	OPAQUE(20, "X_FLOW_TYPE"),
	ADDRESS_OPENBSD(21, "X_SRC_FLOW"),
	ADDRESS_OPENBSD(22, "X_DST_FLOW"),
	OPAQUE(23, "X_SA2"),
	ADDRESS_OPENBSD(24, "X_DST2"),
	{ 25, "X_POLICY", 8, 8, PFK_TAIL_NONE, { { "seq", 4, 4, PFK_HOST } } },
	OPAQUE(26, "X_LOCAL_CREDENTIALS"),
	OPAQUE(27, "X_REMOTE_CREDENTIALS"),
	OPAQUE(28, "X_LOCAL_AUTH"),
	OPAQUE(29, "X_REMOTE_AUTH"),
	SUPPORTED(30, "X_SUPPORTED_COMP"),
	PORT(31, "X_UDPENCAP"),
	LIFETIME(32, "X_LIFETIME_LASTUSE"),
	OPAQUE(33, "X_TAG"),
	OPAQUE(34, "X_TAP"),
	END,
};

const struct pfk_dialect pfk_dialects[] = {
	{ "freebsd", msgs_freebsd, satypes_kame, exts_freebsd, exts_common, 28,
	    true, 8 },
	{ "netbsd", msgs_netbsd, satypes_kame, exts_netbsd, exts_common, 24,
	    true, 8 },
	{ "openbsd", msgs_openbsd, satypes_openbsd, exts_openbsd, exts_common,
	    24, true, 0 },
	{ "linux", msgs_linux, satypes_linux, exts_linux, exts_common, 10,
	    false, 16 },
	{ NULL, NULL, NULL, NULL, NULL, 0, false, 0 },
};

static const struct pfk_field request8[] = { { "proto", 2, 2, PFK_HOST },
	{ "mode", 4, 1, PFK_HOST }, { "level", 5, 1, PFK_HOST },
	{ "reqid", 6, 2, PFK_HOST }, { NULL, 0, 0, PFK_HOST } };
static const struct pfk_field request16[] = { { "proto", 2, 2, PFK_HOST },
	{ "mode", 4, 1, PFK_HOST }, { "level", 5, 1, PFK_HOST },
	{ "reserved1", 6, 2, PFK_HOST }, { "reqid", 8, 4, PFK_HOST },
	{ "reserved2", 12, 4, PFK_HOST }, { NULL, 0, 0, PFK_HOST } };

const struct pfk_field *
pfk_request_fields(const struct pfk_dialect *d)
{
	return d->request_size == 16 ? request16 : request8;
}

const struct pfk_field pfk_comb_fields[] = { { "auth", 0, 1, PFK_HOST },
	{ "encrypt", 1, 1, PFK_HOST }, { "flags", 2, 2, PFK_HOST },
	{ "auth_minbits", 4, 2, PFK_HOST }, { "auth_maxbits", 6, 2, PFK_HOST },
	{ "encrypt_minbits", 8, 2, PFK_HOST },
	{ "encrypt_maxbits", 10, 2, PFK_HOST }, { "reserved", 12, 4, PFK_HOST },
	{ "soft_allocations", 16, 4, PFK_HOST },
	{ "hard_allocations", 20, 4, PFK_HOST },
	{ "soft_bytes", 24, 8, PFK_HOST }, { "hard_bytes", 32, 8, PFK_HOST },
	{ "soft_addtime", 40, 8, PFK_HOST },
	{ "hard_addtime", 48, 8, PFK_HOST },
	{ "soft_usetime", 56, 8, PFK_HOST },
	{ "hard_usetime", 64, 8, PFK_HOST }, { NULL, 0, 0, PFK_HOST } };

const struct pfk_field pfk_alg_fields[] = { { "id", 0, 1, PFK_HOST },
	{ "ivlen", 1, 1, PFK_HOST }, { "minbits", 2, 2, PFK_HOST },
	{ "maxbits", 4, 2, PFK_HOST }, { "reserved", 6, 2, PFK_HOST },
	{ NULL, 0, 0, PFK_HOST } };

const struct pfk_dialect *
pfk_dialect_find(const char *name)
{
	for (const struct pfk_dialect *d = pfk_dialects; d->name != NULL; d++)
		if (strcmp(d->name, name) == 0)
			return d;
	return NULL;
}

/* A dialect's own rows come before the shared ones of the same number. */
const struct pfk_ext_row *
pfk_ext_row(const struct pfk_dialect *d, uint16_t type)
{
	const struct pfk_ext_row *const lists[] = { d->exts, d->more };

	for (size_t i = 0; i < 2; i++)
		for (const struct pfk_ext_row *r = lists[i]; r->name != NULL;
		     r++)
			if (r->type == type)
				return r;
	return NULL;
}

const struct pfk_ext_row *
pfk_ext_row_by_name(const struct pfk_dialect *d, const char *name)
{
	const struct pfk_ext_row *const lists[] = { d->exts, d->more };

	for (size_t i = 0; i < 2; i++)
		for (const struct pfk_ext_row *r = lists[i]; r->name != NULL;
		     r++)
			if (strcmp(r->name, name) == 0)
				return r;
	return NULL;
}

const char *
pfk_name(const struct pfk_name *list, uint8_t number)
{
	for (; list->name != NULL; list++)
		if (list->number == number)
			return list->name;
	return NULL;
}

int
pfk_number(const struct pfk_name *list, const char *name)
{
	for (; list->name != NULL; list++)
		if (strcmp(list->name, name) == 0)
			return list->number;
	return -1;
}
