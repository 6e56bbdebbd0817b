/*
 * Implementation notes.  Every word that comes from a table has one blank
 * behind it, which is why some lines end in one.  Lines are put together in
 * the tool's order; what is odd about it (no end of line behind an IPcomp SA's
 * algorithm) is kept.
 */
#include "hx_setkey_dump.h"

#include <stdlib.h>
#include <string.h>

#include "hx_protocols.h"
#include "hx_setkey_msg.h"
#include "pfk_numbers.h"
#include "pfk_policy.h"

enum { /* fields, in the order of the dialect's rows */
	SA_SPI = 0,
	SA_REPLAY = 1,
	SA_STATE = 2,
	SA_AUTH = 3,
	SA_ENCRYPT = 4,
	SA_FLAGS = 5,
	SA2_MODE = 0,
	SA2_SEQUENCE = 3,
	SA2_REQID = 4,
	LT_ALLOCATIONS = 0,
	LT_BYTES = 1,
	LT_ADDTIME = 2,
	LT_USETIME = 3,
	ADDR_PROTO = 0,
	ADDR_PREFIX = 1,
	POL_SCOPE = 2,
	POL_ID = 3,
	POL_PRIORITY = 4
};
enum {
	SATYPE_ESP = 3,
	SATYPE_IPCOMP = 9,
	STATE_DEAD = 3
};

struct view {
	const struct hx_setkey_dump *d;
	struct pfk_msg m;
	struct pfk_ext list[PFK_EXTS_MAX];
	const struct pfk_ext *ext[PFK_N_EXTTYPES]; /* by type; NULL: absent */
	struct ipm_span octets[PFK_N_EXTTYPES];    /* of the whole extension */
};

/*
 * libipsec's pfkey_align and pfkey_check, as far as a kernel's message can
 * fail them.  False with the reason printed.
 */
static bool
open_msg(struct view *v, const struct hx_setkey_dump *d, struct ipm_span msg)
{
	enum pfk_eipsec e = PFK_E_NO_ERROR;
	size_t n, where, at = PFK_HDR_LEN;

	memset(v, 0, sizeof(*v));
	v->d = d;
	if (pfk_decode(&hx_setkey_codec, msg, &v->m, v->list, &n, &where) !=
	    PFK_FINE)
		e = PFK_E_INVAL_SADBMSG;
	for (size_t i = 0; i < n && e == PFK_E_NO_ERROR; i++) {
		const uint16_t type = v->list[i].type;

		const size_t len = (size_t)8 * v->list[i].len;

		if (type >= PFK_N_EXTTYPES || v->list[i].row == NULL ||
		    v->ext[type] != NULL) {
			e = PFK_E_INVAL_EXTTYPE;
			break;
		}
		v->ext[type] = &v->list[i];
		v->octets[type] = ipm_span_sub(msg, at, len);
		at += len;
	}
	if (e == PFK_E_NO_ERROR && v->m.version != PFK_VERSION)
		e = PFK_E_INVAL_VERSION;
	if (e != PFK_E_NO_ERROR)
		(void)fprintf(d->out, "%s\n", pfk_eipsec_text((int)e));
	return e == PFK_E_NO_ERROR;
}

static uint64_t
value(const struct pfk_ext *e, int field)
{
	return e == NULL ? 0 : e->value[field];
}

/* --- words --------------------------------------------------------------------- */

struct word {
	uint8_t number;
	const char *word;
	bool in_13; /* printed by FreeBSD 13's tool */
};

/* clang-format off */
static const struct word auth_words[] = {
	{ 0, "none", true }, { 2, "hmac-md5", false }, { 3, "hmac-sha1", true },
	{ 249, "md5", false }, { 250, "sha", false }, { 251, "null", true },
	{ 252, "tcp-md5", true }, { 5, "hmac-sha2-256", true },
	{ 6, "hmac-sha2-384", true }, { 7, "hmac-sha2-512", true },
	{ 8, "hmac-ripemd160", false }, { 9, "aes-xcbc-mac", true },
	{ 0, NULL, false },
};
static const struct word enc_words[] = {
	{ 0, "none", true }, { 2, "des-cbc", false }, { 3, "3des-cbc", false },
	{ 11, "null", true }, { 6, "cast128-cbc", false },
	{ 7, "blowfish-cbc", false }, { 12, "rijndael-cbc", true },
	{ 13, "aes-ctr", true }, { 20, "aes-gcm-16", true },
	{ 22, "camellia-cbc", false }, { 0, NULL, false },
};
static const struct word comp_words[] = {
	{ 0, "none", true }, { 1, "oui", true }, { 2, "deflate", true },
	{ 3, "lzs", true }, { 0, NULL, false },
};
static const struct word satype_words[] = {
	{ 0, "unspec", true }, { 1, "unknown", true }, { 2, "ah", true },
	{ 3, "esp", true }, { 4, "unknown", true }, { 5, "rsvp", true },
	{ 6, "ospfv2", true }, { 7, "ripv2", true }, { 8, "mip", true },
	{ 9, "ipcomp", true }, { 10, "policy", true }, { 11, "tcp", true },
	{ 0, NULL, false },
};
static const struct word mode_words[] = {
	{ 0, "any", true }, { 1, "transport", true }, { 2, "tunnel", true },
	{ 0, NULL, false },
};
static const struct word state_words[] = {
	{ 0, "larval", true }, { 1, "mature", true }, { 2, "dying", true },
	{ 3, "dead", true }, { 0, NULL, false },
};
static const struct word scope_words[] = {
	{ 1, "global", true }, { 2, "ifnet", true }, { 4, "pcb", true },
	{ 0, NULL, false },
};
/* The short form's names of upper-layer protocols. */
static const struct word short_words[] = {
	{ 0, "ip", true }, { 1, "icmp", true }, { 2, "igmp", true },
	{ 3, "ggp", true }, { 4, "ip4", true }, { 6, "tcp", true },
	{ 8, "egp", true }, { 17, "udp", true }, { 22, "idp", true },
	{ 29, "tp", true }, { 41, "ip6", true }, { 43, "rt6", true },
	{ 44, "frag6", true }, { 46, "rsvp", true }, { 47, "gre", true },
	{ 50, "esp", true }, { 51, "ah", true }, { 58, "icmp6", true },
	{ 59, "none", true }, { 60, "dst6", true }, { 0, NULL, false },
};
static const struct word short_satypes[] = {
	{ 2, "ah", true }, { 3, "esp", true }, { 0, NULL, false },
};
static const struct word short_states[] = {
	{ 0, "L", true }, { 1, "M", true }, { 2, "D", true },
	{ 3, "d", true }, { 0, NULL, false },
};
/* clang-format on */

static const char *
find(const struct word *w, uint64_t number, bool is_13)
{
	for (; w->word != NULL; w++)
		if (w->number == number && (w->in_13 || !is_13))
			return w->word;
	return NULL;
}

static bool
is_13(const struct view *v)
{
	return v->d->profile != NULL &&
	    ipm_sw(v->d->profile, IPM_SW_SETKEY_WORDS) == IPM_WORDS_13;
}

/* The word or, where there is none, the number; and a blank. */
static void
put_word(const struct view *v, const struct word *w, uint64_t number)
{
	const char *word = find(w, number, is_13(v));

	/* The later tool has the later name. */
	if (w == enc_words && number == 12 && is_13(v))
		word = "aes-cbc";
	if (word != NULL)
		(void)fprintf(v->d->out, "%s ", word);
	else
		(void)fprintf(v->d->out, "%llu ", (unsigned long long)number);
}

/* --- parts ---------------------------------------------------------------------- */

static bool
sockaddr_of(const struct pfk_ext *e, struct pfk_sockaddr *sa)
{
	memset(sa, 0, sizeof(*sa));
	return pfk_sockaddr_read(&hx_setkey_codec, e->tail, sa) != 0 &&
	    sa->known;
}

static void
put_addr(const struct view *v, const struct pfk_ext *e)
{
	struct pfk_sockaddr sa;
	char text[46];

	if (!sockaddr_of(e, &sa)) {
		(void)fputs("(null)", v->d->out);
		return;
	}
	(void)fputs(ipm_addr_text(&sa.addr, text), v->d->out);
	if (sa.addr.family == 6 && sa.addr.scope != 0)
		(void)fprintf(v->d->out, "%%%u", (unsigned)sa.addr.scope);
}

/* Days since 1970 as a date of the Gregorian calendar. */
static void
civil(int64_t days, long long *year, unsigned *month, unsigned *day)
{
	/* Counted from 1 March of year 0, in eras of 400 years. */
	const int64_t z = days + 719468;
	const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	const unsigned doe = (unsigned)(z - era * 146097);
	const unsigned yoe =
	    (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	const unsigned mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (long long)yoe + era * 400 + (*month <= 2);
}

const char *
hx_setkey_date(uint64_t t, int32_t zone, char buf[21])
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	const uint64_t most = UINT64_C(1) << 62;
	const int64_t at = (int64_t)(t > most ? most : t) + zone;
	const int64_t days = (at >= 0 ? at : at - 86399) / 86400;
	const unsigned sec = (unsigned)(at - days * 86400);
	char text[64];
	long long year;
	unsigned month, day;

	if (t == 0) {
		memset(buf, ' ', 20);
		buf[20] = '\0';
		return buf;
	}
	civil(days, &year, &month, &day);
	(void)snprintf(text, sizeof(text), "%s %2u %02u:%02u:%02u %4lld",
	    months[month - 1], day, sec / 3600, sec / 60 % 60, sec % 60, year);
	/* A year of five digits loses one, as it does there. */
	(void)snprintf(buf, 21, "%.20s", text);
	return buf;
}

/* A blank in front of every four octets, an end of line in front of every
 * 32 but the first. */
static void
put_key(const struct view *v, const struct pfk_ext *e)
{
	const size_t len = (size_t)(e->value[0] / 8);
	const size_t have = len < e->tail.len ? len : e->tail.len;

	if (!v->d->show_keys) {
		(void)fprintf(v->d->out, " <hidden: %zu octets>\n", len);
		return;
	}
	for (size_t i = 0; i < have; i++)
		(void)fprintf(v->d->out, "%s%s%02x",
		    i != 0 && i % 32 == 0 ? "\n" : "", i % 4 == 0 ? " " : "",
		    e->tail.p[i]);
	(void)fputc('\n', v->d->out);
}

static void
put_bytes(const struct view *v, const struct pfk_ext *e, const char *name)
{
	/* Printed through a double there. */
	(void)fprintf(
	    v->d->out, "\t%s: %.0f(bytes)", name, (double)value(e, LT_BYTES));
}

/* "\thard: N(s)\tsoft: N(s)\n" */
static void
put_limits(const struct view *v, int field, const char *unit)
{
	(void)fprintf(v->d->out, "\thard: %llu%s\tsoft: %llu%s\n",
	    (unsigned long long)value(v->ext[PFK_EXT_LIFETIME_HARD], field),
	    unit,
	    (unsigned long long)value(v->ext[PFK_EXT_LIFETIME_SOFT], field),
	    unit);
}

static void
put_lifetimes(const struct view *v)
{
	const struct pfk_ext *cur = v->ext[PFK_EXT_LIFETIME_CURRENT];
	const uint64_t created = value(cur, LT_ADDTIME);
	char date[21];

	if (cur == NULL)
		return;
	(void)fprintf(v->d->out, "\tcreated: %s",
	    hx_setkey_date(created, v->d->zone, date));
	(void)fprintf(v->d->out, "\tcurrent: %s\n",
	    hx_setkey_date(v->d->now, v->d->zone, date));
	(void)fprintf(v->d->out, "\tdiff: %llu(s)",
	    (unsigned long long)(created == 0 ? 0 : v->d->now - created));
	put_limits(v, LT_ADDTIME, "(s)");
	(void)fprintf(v->d->out, "\tlast: %s",
	    hx_setkey_date(value(cur, LT_USETIME), v->d->zone, date));
	put_limits(v, LT_USETIME, "(s)");
	put_bytes(v, cur, "current");
	put_bytes(v, v->ext[PFK_EXT_LIFETIME_HARD], "hard");
	put_bytes(v, v->ext[PFK_EXT_LIFETIME_SOFT], "soft");
	(void)fprintf(v->d->out, "\n\tallocated: %llu",
	    (unsigned long long)value(cur, LT_ALLOCATIONS));
	put_limits(v, LT_ALLOCATIONS, "");
}

/* --- SAs --------------------------------------------------------------------- */

/* False: something that must be there is not, and that was said. */
static bool
put_heading(const struct view *v)
{
	const bool natt = v->ext[PFK_EXT_X_NAT_T_TYPE] != NULL;
	FILE *out = v->d->out;

	if (v->ext[PFK_EXT_ADDRESS_SRC] == NULL) {
		(void)fputs("no ADDRESS_SRC extension.\n", out);
		return false;
	}
	put_addr(v, v->ext[PFK_EXT_ADDRESS_SRC]);
	if (natt && v->ext[PFK_EXT_X_NAT_T_SPORT] != NULL)
		(void)fprintf(out, "[%u]",
		    (unsigned)value(v->ext[PFK_EXT_X_NAT_T_SPORT], 0));
	if (v->ext[PFK_EXT_ADDRESS_DST] == NULL) {
		(void)fputs("\nno ADDRESS_DST extension.\n", out);
		return false;
	}
	(void)fputc(' ', out);
	put_addr(v, v->ext[PFK_EXT_ADDRESS_DST]);
	if (natt && v->ext[PFK_EXT_X_NAT_T_DPORT] != NULL)
		(void)fprintf(out, "[%u]",
		    (unsigned)value(v->ext[PFK_EXT_X_NAT_T_DPORT], 0));
	if (v->ext[PFK_EXT_SA] == NULL || v->ext[PFK_EXT_X_SA2] == NULL) {
		(void)fprintf(out, "\nno %s extension.\n",
		    v->ext[PFK_EXT_SA] == NULL ? "SA" : "SA2");
		return false;
	}
	return true;
}

static void
put_algorithms(const struct view *v)
{
	const struct pfk_ext *sa = v->ext[PFK_EXT_SA];
	const struct pfk_ext *enc = v->ext[PFK_EXT_KEY_ENCRYPT];
	const struct pfk_ext *auth = v->ext[PFK_EXT_KEY_AUTH];

	if (v->m.satype == SATYPE_IPCOMP) {
		(void)fputs("\tC: ", v->d->out);
		put_word(v, comp_words, value(sa, SA_ENCRYPT));
	} else if (v->m.satype == SATYPE_ESP && enc != NULL) {
		(void)fputs("\tE: ", v->d->out);
		put_word(v, enc_words, value(sa, SA_ENCRYPT));
		put_key(v, enc);
	}
	if (auth != NULL) {
		(void)fputs("\tA: ", v->d->out);
		put_word(v, auth_words, value(sa, SA_AUTH));
		put_key(v, auth);
	}
}

static void
put_original_addresses(const struct view *v)
{
	if (v->ext[PFK_EXT_X_NAT_T_TYPE] == NULL ||
	    (v->ext[PFK_EXT_X_NAT_T_OAI] == NULL &&
		v->ext[PFK_EXT_X_NAT_T_OAR] == NULL))
		return;
	(void)fputs("\tNAT:", v->d->out);
	if (v->ext[PFK_EXT_X_NAT_T_OAI] != NULL) {
		(void)fputs(" OAI=", v->d->out);
		put_addr(v, v->ext[PFK_EXT_X_NAT_T_OAI]);
	}
	if (v->ext[PFK_EXT_X_NAT_T_OAR] != NULL) {
		(void)fputs(" OAR=", v->d->out);
		put_addr(v, v->ext[PFK_EXT_X_NAT_T_OAR]);
	}
	(void)fputc('\n', v->d->out);
}

static void
put_sa_line(const struct view *v)
{
	const struct pfk_ext *sa = v->ext[PFK_EXT_SA],
			     *sa2 = v->ext[PFK_EXT_X_SA2];
	const unsigned spi = (unsigned)value(sa, SA_SPI);
	const unsigned reqid = (unsigned)value(sa2, SA2_REQID);

	(void)fputs("\n\t", v->d->out);
	if (v->m.satype == SATYPE_ESP && v->ext[PFK_EXT_X_NAT_T_TYPE] != NULL)
		(void)fputs("esp-udp ", v->d->out);
	else
		put_word(v, satype_words, v->m.satype);
	(void)fputs("mode=", v->d->out);
	put_word(v, mode_words, value(sa2, SA2_MODE));
	(void)fprintf(v->d->out, "spi=%u(0x%08x) reqid=%u(0x%08x)\n", spi, spi,
	    reqid, reqid);
}

static bool
is_dead(const struct view *v)
{
	return v->ext[PFK_EXT_SA] != NULL &&
	    value(v->ext[PFK_EXT_SA], SA_STATE) == STATE_DEAD;
}

void
hx_setkey_dump_sa(const struct hx_setkey_dump *d, struct ipm_span msg)
{
	struct view v;
	const struct pfk_ext *replay;

	if (!open_msg(&v, d, msg) || (is_dead(&v) && !d->all) ||
	    !put_heading(&v))
		return;
	put_sa_line(&v);
	put_original_addresses(&v);
	put_algorithms(&v);
	replay = v.ext[PFK_EXT_X_SA_REPLAY];
	(void)fprintf(d->out, "\tseq=0x%08x replay=%u flags=0x%08x state=",
	    (unsigned)value(v.ext[PFK_EXT_X_SA2], SA2_SEQUENCE),
	    (unsigned)(replay != NULL ? value(replay, 0) >> 3
				      : value(v.ext[PFK_EXT_SA], SA_REPLAY)),
	    (unsigned)value(v.ext[PFK_EXT_SA], SA_FLAGS));
	put_word(&v, state_words, value(v.ext[PFK_EXT_SA], SA_STATE));
	(void)fputc('\n', d->out);
	put_lifetimes(&v);
	(void)fprintf(d->out, "\tsadb_seq=%lu pid=%lu refcnt=%u\n",
	    (unsigned long)v.m.seq, (unsigned long)v.m.pid,
	    (unsigned)v.m.reserved);
}

/* --- policies ------------------------------------------------------------------ */

/* One side of the selector; its port. */
static uint16_t
put_side(const struct view *v, const struct pfk_ext *e)
{
	struct pfk_sockaddr sa;
	const uint64_t prefix = value(e, ADDR_PREFIX);

	if (!sockaddr_of(e, &sa)) {
		(void)fputs("unknown-af ", v->d->out);
		return 0;
	}
	put_addr(v, e);
	if (prefix != 8 * ipm_addr_len(&sa.addr))
		(void)fprintf(v->d->out, "/%u", (unsigned)prefix);
	/* The source's protocol decides for both. */
	if (value(v->ext[PFK_EXT_ADDRESS_SRC], ADDR_PROTO) !=
	    IPM_PROTO_ICMPV6) {
		if (sa.port == 0)
			(void)fputs("[any]", v->d->out);
		else
			(void)fprintf(v->d->out, "[%u]", (unsigned)sa.port);
	}
	(void)fputc(' ', v->d->out);
	return sa.port;
}

static void
put_upper(const struct view *v, unsigned upper, unsigned p1, unsigned p2)
{
	const char *name =
	    upper == 4 ? "ip4" : hx_protocol_name((uint8_t)upper);

	if (upper == 255)
		(void)fputs("any", v->d->out);
	else if (upper == IPM_PROTO_ICMPV6 && (p1 != 0 || p2 != 0))
		(void)fprintf(v->d->out, "icmp6 %u,%u", p1, p2);
	else if (upper == IPM_PROTO_ICMPV6)
		(void)fputs("icmp6", v->d->out);
	else if (name != NULL)
		(void)fputs(name, v->d->out);
	else
		(void)fprintf(v->d->out, "%u", upper);
}

/* False when nothing more is to be said. */
static bool
put_selector(const struct view *v)
{
	const struct pfk_ext *src = v->ext[PFK_EXT_ADDRESS_SRC],
			     *dst = v->ext[PFK_EXT_ADDRESS_DST];
	uint16_t sport, dport;

	if (src == NULL || dst == NULL) {
		(void)fputs(
		    "(no selector, probably per-socket policy) ", v->d->out);
		return true;
	}
	sport = put_side(v, src);
	dport = put_side(v, dst);
	if (value(src, ADDR_PROTO) != value(dst, ADDR_PROTO)) {
		(void)fputs("upper layer protocol mismatched.\n", v->d->out);
		return false;
	}
	put_upper(v, (unsigned)value(src, ADDR_PROTO), sport, dport);
	return true;
}

static void
put_policy(const struct view *v)
{
	const struct ipm_span octets = v->octets[PFK_EXT_X_POLICY];
	/* A request of 8 octets makes no more than 40 characters, one of 40 or
	 * 64 no more than 160. */
	const size_t cap = 64 + 5 * octets.len;
	char *text = malloc(cap);

	if (text == NULL ||
	    pfk_policy_text(&hx_setkey_codec, octets, "\n\t", text, cap) !=
		PFK_E_NO_ERROR)
		(void)fputs("\n\t(null)\n", v->d->out);
	else
		(void)fprintf(v->d->out, "\n\t%s\n", text);
	free(text);
}

static void
put_times(const struct view *v)
{
	const struct pfk_ext *cur = v->ext[PFK_EXT_LIFETIME_CURRENT];
	const struct pfk_ext *hard = v->ext[PFK_EXT_LIFETIME_HARD];
	char date[21];

	if (cur != NULL) {
		(void)fprintf(v->d->out, "\tcreated: %s  ",
		    hx_setkey_date(value(cur, LT_ADDTIME), v->d->zone, date));
		(void)fprintf(v->d->out, "lastused: %s\n",
		    hx_setkey_date(value(cur, LT_USETIME), v->d->zone, date));
	}
	if (hard != NULL)
		(void)fprintf(v->d->out,
		    "\tlifetime: %llu(s) validtime: %llu(s)\n",
		    (unsigned long long)value(hard, LT_ADDTIME),
		    (unsigned long long)value(hard, LT_USETIME));
}

void
hx_setkey_dump_sp(const struct hx_setkey_dump *d, struct ipm_span msg)
{
	struct view v;

	if (!open_msg(&v, d, msg) || !put_selector(&v))
		return;
	if (v.ext[PFK_EXT_X_POLICY] == NULL) {
		(void)fputs("no X_POLICY extension.\n", d->out);
		return;
	}
	put_policy(&v);
	put_times(&v);
	(void)fprintf(d->out, "\tspid=%lu seq=%lu pid=%lu",
	    (unsigned long)value(v.ext[PFK_EXT_X_POLICY], POL_ID),
	    (unsigned long)v.m.seq, (unsigned long)v.m.pid);
	if (d->scope) {
		(void)fputs(" scope=", d->out);
		put_word(
		    &v, scope_words, value(v.ext[PFK_EXT_X_POLICY], POL_SCOPE));
		/* Interfaces have no names here. */
		if (value(v.ext[PFK_EXT_X_POLICY], POL_SCOPE) == 2)
			(void)fprintf(d->out, "ifname=#%u",
			    (unsigned)value(
				v.ext[PFK_EXT_X_POLICY], POL_PRIORITY));
	}
	(void)fprintf(d->out, "\n\trefcnt=%u\n", (unsigned)v.m.reserved);
}

/* --- the short form ----------------------------------------------------------------- */

void
hx_setkey_dump_head(const struct hx_setkey_dump *d)
{
	(void)fprintf(d->out, "%-4s %-3s %-1s %-8s %-7s %s -> %s\n", "time",
	    "p", "s", "spi", "ltime", "src", "dst");
}

/* The word or "#N", in buf where it is a number. */
static const char *
or_number(const struct word *w, uint64_t number, char buf[24])
{
	const char *word = find(w, number, false);

	if (word != NULL)
		return word;
	(void)snprintf(buf, 24, "#%llu", (unsigned long long)number);
	return buf;
}

static void
put_short_addr(const struct view *v, const struct pfk_ext *e)
{
	struct pfk_sockaddr sa;
	char buf[24];

	if (e == NULL) {
		(void)fputc('?', v->d->out);
		return;
	}
	if (value(e, ADDR_PROTO) != 0)
		(void)fprintf(v->d->out, "%s ",
		    or_number(short_words, value(e, ADDR_PROTO), buf));
	put_addr(v, e);
	if (sockaddr_of(e, &sa) && sa.port != 0)
		(void)fprintf(v->d->out, "[%u]", (unsigned)sa.port);
}

static void
put_age(const struct view *v)
{
	const uint64_t created =
	    value(v->ext[PFK_EXT_LIFETIME_CURRENT], LT_ADDTIME);
	const uint64_t age = created == 0 ? 0 : v->d->now - created;
	const uint64_t limit = value(v->ext[PFK_EXT_LIFETIME_HARD], LT_ADDTIME);

	if (v->ext[PFK_EXT_LIFETIME_SOFT] == NULL ||
	    v->ext[PFK_EXT_LIFETIME_HARD] == NULL ||
	    v->ext[PFK_EXT_LIFETIME_CURRENT] == NULL) {
		(void)fputs(" ??\?/???", v->d->out);
		return;
	}
	if ((uint32_t)age >= 1000)
		(void)fputs(" big/", v->d->out);
	else
		(void)fprintf(v->d->out, " %3u/", (unsigned)age);
	if ((uint32_t)limit >= 1000)
		(void)fputs("big", v->d->out);
	else
		(void)fprintf(v->d->out, "%-3u", (unsigned)limit);
}

void
hx_setkey_dump_short(const struct hx_setkey_dump *d, struct ipm_span msg)
{
	struct view v;
	char buf[24];

	if (!open_msg(&v, d, msg) || (is_dead(&v) && !d->all))
		return;
	(void)fprintf(d->out, "%02u%02u %-3s", (unsigned)(d->now % 3600 / 60),
	    (unsigned)(d->now % 60), or_number(short_satypes, v.m.satype, buf));
	if (v.ext[PFK_EXT_SA] != NULL)
		(void)fprintf(d->out, " %-1s %08x",
		    or_number(
			short_states, value(v.ext[PFK_EXT_SA], SA_STATE), buf),
		    (unsigned)value(v.ext[PFK_EXT_SA], SA_SPI));
	else
		(void)fprintf(d->out, "%-1s %-8s", "?", "?");
	put_age(&v);
	(void)fputc(' ', d->out);
	put_short_addr(&v, v.ext[PFK_EXT_ADDRESS_SRC]);
	(void)fputs(" -> ", d->out);
	put_short_addr(&v, v.ext[PFK_EXT_ADDRESS_DST]);
	(void)fputc('\n', d->out);
}
