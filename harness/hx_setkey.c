#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_protocols.h"
#include "hx_setkey_int.h"
#include "hx_setkey_parse.h"
#include "pfk_policy.h"

/* The scanner's header wants the types of the parser's. */
#define YYSTYPE HX_SETKEY_YYSTYPE
#define YYLTYPE HX_SETKEY_YYLTYPE
#include "hx_setkey_lex.h"

static const char *
command_word(enum hx_setkey_kind kind)
{
	switch (kind) {
	case HX_SETKEY_ADD:
		return "add";
	case HX_SETKEY_GET:
		return "get";
	case HX_SETKEY_DELETE:
		return "delete";
	case HX_SETKEY_DELETEALL:
		return "deleteall";
	case HX_SETKEY_FLUSH:
		return "flush";
	case HX_SETKEY_DUMP:
		return "dump";
	case HX_SETKEY_SPDADD:
		return "spdadd";
	case HX_SETKEY_SPDDELETE:
		return "spddelete";
	case HX_SETKEY_SPDDUMP:
		return "spddump";
	case HX_SETKEY_SPDFLUSH:
		return "spdflush";
	}
	return "?";
}

bool
hx_sk_fail(
    struct hx_setkey_ctx *c, const struct hx_tok *at, const char *fmt, ...)
{
	char text[sizeof(c->err->text)];
	va_list ap;

	if (c->failed)
		return false;
	c->failed = true;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	hx_err_set(c->err, c->file, at->line, at->col, "%s", text);
	return false;
}

static bool
is_hex(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f') ||
	    (ch >= 'A' && ch <= 'F');
}

/*
 * Could these octets be (part of) a key?  Hexadecimal digits in a row could;
 * addresses and the words of the language could not.
 */
bool
hx_sk_may_be_key(const struct hx_tok *t)
{
	if (t->len >= 2 && t->p[0] == '0' && (t->p[1] | 0x20) == 'x')
		return true;
	if (t->len < 8)
		return false;
	for (size_t i = 0; i < t->len; i++)
		if (!is_hex(t->p[i]))
			return false;
	return true;
}

const char *
hx_sk_show(const struct hx_tok *t, char buf[64])
{
	enum {
		MOST = 40
	};
	size_t at = 0;

	if (t->p == NULL || hx_sk_may_be_key(t)) {
		(void)snprintf(buf, 64, "a word");
		return buf;
	}
	buf[at++] = '\'';
	for (size_t i = 0; i < t->len; i++) {
		if (at > MOST) {
			at += (size_t)snprintf(buf + at, 64 - at, "...");
			break;
		}
		/* A NUL would end the text here; hx_err_set escapes the rest. */
		if (t->p[i] == '\0')
			at += (size_t)snprintf(buf + at, 64 - at, "\\x00");
		else
			buf[at++] = t->p[i];
	}
	buf[at++] = '\'';
	buf[at] = '\0';
	return buf;
}

bool
hx_sk_begin(
    struct hx_setkey_ctx *c, enum hx_setkey_kind kind, const struct hx_tok *t)
{
	if (c->script->n == HX_SETKEY_STMT_MAX)
		return hx_sk_fail(
		    c, t, "more than %zu statements", HX_SETKEY_STMT_MAX);
	memset(&c->cur, 0, sizeof(c->cur));
	c->cur.kind = kind;
	c->cur.line = t->line;
	c->cur.col = t->col;
	/* setkey(8) lets the counter cycle unless told nocyclic-seq. */
	c->cur.sa.flags = IPM_SAF_CYCSEQ;
	c->family = 0;
	c->numeric = false;
	c->enc_word = c->auth_word = NULL;
	c->misc = (struct hx_tok){ NULL, 0, 0, 0 };
	c->spi_at = c->enc_at = c->auth_at = *t;
	return true;
}

void
hx_sk_aiflags(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	/* The last family wins. */
	for (size_t i = 1; i < t->len; i++) {
		if (t->p[i] == 'n')
			c->numeric = true;
		else
			c->family = (uint8_t)(t->p[i] - '0');
	}
}

bool
hx_sk_addr(struct hx_setkey_ctx *c, const struct hx_tok *t, struct ipm_addr *a,
    struct hx_setkey_addrs *all)
{
	char shown[64];

	if (c->tool != NULL)
		return hx_sk_tool_addr(c, t, a, all);
	if (!hx_addr_parse(t->p, t->len, a))
		return hx_sk_fail(
		    c, t, "%s is not a numeric address", hx_sk_show(t, shown));
	if (c->family != 0 && c->family != a->family)
		return hx_sk_fail(c, t, "%s is not an IPv%u address",
		    hx_sk_show(t, shown), c->family);
	return true;
}

bool
hx_sk_pair(struct hx_setkey_ctx *c, const struct hx_tok *at,
    const struct ipm_addr *src, const struct ipm_addr *dst)
{
	/* The tool looks at pairs when all is read. */
	if (src->family == dst->family || c->tool != NULL)
		return true;
	return hx_sk_fail(c, at, "source is IPv%u and destination IPv%u",
	    src->family, dst->family);
}

/* Adds the digits up; false: more than max, *v holds max then. */
static bool
digits(const struct hx_tok *t, uint64_t max, uint64_t *v)
{
	const bool hex = t->len > 2 && (t->p[1] | 0x20) == 'x';
	const uint64_t base = hex ? 16 : 10;
	uint64_t sum = 0;

	*v = max;
	for (size_t i = hex ? 2 : 0; i < t->len; i++) {
		const char ch = t->p[i];
		const uint64_t digit = ch <= '9'
		    ? (uint64_t)(ch - '0')
		    : (uint64_t)((ch | 0x20) - 'a' + 10);

		if (sum > max / base || sum * base > max - digit)
			return false;
		sum = sum * base + digit;
	}
	*v = sum;
	return true;
}

uint64_t
hx_sk_number(const struct hx_tok *t)
{
	uint64_t v;

	(void)digits(t, UINT64_MAX, &v);
	return v;
}

bool
hx_sk_num(struct hx_setkey_ctx *c, const struct hx_tok *t, uint64_t max,
    const char *what, uint64_t *v)
{
	/* The tool's numbers are cut to the size of what takes them. */
	if (c->tool != NULL) {
		*v = hx_sk_number(t);
		return true;
	}
	return digits(t, max, v) ||
	    hx_sk_fail(
		c, t, "%s is more than %llu", what, (unsigned long long)max);
}

bool
hx_sk_spi(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	uint64_t v;

	if (c->tool != NULL)
		return hx_sk_tool_spi(c, t);
	if (!hx_sk_num(c, t, UINT32_MAX, "SPI too big: it", &v))
		return false;
	c->cur.sa.spi = (uint32_t)v;
	c->spi_at = *t;
	return true;
}

bool
hx_sk_window(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	uint64_t v;

	if (c->tool != NULL)
		return hx_sk_tool_window(c, t);
	/* Octets of bitmap, as many as a 32-bit count of packets allows. */
	if (!hx_sk_num(c, t, (UINT32_MAX - 32) / 8, "the replay window", &v))
		return false;
	c->cur.replay = (uint32_t)v;
	c->cur.sa.window = (uint32_t)v * 8;
	return true;
}

bool
hx_sk_natt(struct hx_setkey_ctx *c, const struct hx_tok *t,
    const struct hx_tok *port, bool is_src)
{
	struct ipm_addr *a = is_src ? &c->cur.natt_src : &c->cur.natt_dst;
	uint64_t v;

	if (!hx_sk_addr(c, t, a, NULL) ||
	    !hx_sk_pair(c, t, a, &c->cur.sa.dst) ||
	    !hx_sk_num(c, port, UINT16_MAX, "the port", &v))
		return false;
	if (v == 0 && c->tool == NULL)
		return hx_sk_fail(c, port, "port 0 carries no packets");
	if (is_src)
		c->cur.sa.sport = (uint16_t)v;
	else
		c->cur.sa.dport = (uint16_t)v;
	c->cur.sa.flags |= IPM_SAF_NATT;
	return true;
}

bool
hx_sk_flag(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	const uint32_t flag = hx_sa_flag_by_name(t->p, t->len);
	char shown[64];

	if (flag == 0 && c->tool != NULL)
		return hx_sk_refuse(c, "syntax error");
	if (flag == 0)
		return hx_sk_fail(
		    c, t, "unknown flag %s", hx_sk_show(t, shown));
	c->cur.sa.flags |= flag;
	return true;
}

const struct ipm_alg *
hx_sk_alg_row(const struct hx_tok *t, char letter)
{
	char word[32];

	if (t->len >= sizeof(word))
		return NULL;
	memcpy(word, t->p, t->len);
	word[t->len] = '\0';
	if (letter == 'E')
		return ipm_alg_by_setkey(word, IPM_ALG_CIPHER, IPM_ALG_AEAD);
	if (letter == 'A')
		return ipm_alg_by_setkey(word, IPM_ALG_AUTH, IPM_ALG_AUTH);
	return ipm_alg_by_setkey(word, IPM_ALG_COMP, IPM_ALG_COMP);
}

bool
hx_sk_alg(struct hx_setkey_ctx *c, const struct hx_tok *t, char letter)
{
	const struct ipm_alg *alg = hx_sk_alg_row(t, letter);
	char shown[64];

	if (c->tool != NULL)
		return hx_sk_tool_alg(c, t, letter);
	if (alg == NULL)
		return hx_sk_fail(c, t, "unknown %s algorithm %s",
		    letter == 'E'       ? "encryption"
			: letter == 'A' ? "authentication"
					: "compression",
		    hx_sk_show(t, shown));
	if (letter == 'A') {
		c->cur.sa.auth = alg;
		c->cur.sadb_auth = hx_setkey_alg_number(alg);
		c->auth_at = *t;
		return true;
	}
	c->cur.sadb_enc = hx_setkey_alg_number(alg);
	if (letter == 'E') {
		c->cur.sa.enc = alg;
		c->enc_at = *t;
	} else {
		c->cur.sa.comp = alg;
	}
	return true;
}

static uint8_t
hex_digit(uint8_t ch)
{
	return (uint8_t)(ch <= '9' ? ch - '0' : (ch | 0x20) - 'a' + 10);
}

/*
 * Decodes "0x" and digits in place: the octets need less room than their
 * digits, and so no second copy of a key is made.  With an odd number of
 * digits the first one alone makes the first octet.
 */
static struct ipm_span
hex_in_place(const struct hx_tok *t)
{
	uint8_t *const p = (uint8_t *)t->p;
	size_t in = 2, n = 0;

	if (t->len % 2 != 0)
		p[n++] = hex_digit(p[in++]);
	while (in < t->len) {
		const uint8_t hi = hex_digit(p[in]);
		const uint8_t lo = hex_digit(p[in + 1]);

		p[n++] = (uint8_t)(hi << 4 | lo);
		in += 2;
	}
	return ipm_span(p, n);
}

bool
hx_sk_key(struct hx_setkey_ctx *c, const struct hx_tok *t, char letter)
{
	struct ipm_span key = { NULL, 0 };

	/* An algorithm without a key has an empty one. */
	if (letter == 'E')
		c->cur.has_enc_key = true;
	else
		c->cur.has_auth_key = true;
	/* Before the digits are gone. */
	if (c->tool != NULL && !hx_sk_tool_key(c, t, letter))
		return false;
	if (t->p != NULL)
		key = t->p[0] == '"'
		    ? ipm_span((const uint8_t *)t->p + 1, t->len - 2)
		    : hex_in_place(t);
	if (letter == 'E') {
		c->cur.sa.enc_key = key;
		if (t->p != NULL)
			c->enc_at = *t;
	} else {
		c->cur.sa.auth_key = key;
		if (t->p != NULL)
			c->auth_at = *t;
	}
	return true;
}

bool
hx_sk_bad_key(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	struct hx_tok at = *t;

	if (c->tool != NULL)
		return hx_sk_refuse(c, "syntax error");
	if (t->len < 2 || t->p[0] != '0' || (t->p[1] | 0x20) != 'x')
		return hx_sk_fail(c, t,
		    "a key is 0x and hexadecimal digits, or a quoted string");
	if (t->len == 2)
		return hx_sk_fail(c, t, "a hexadecimal key without a digit");
	for (size_t i = 2; i < t->len; i++) {
		if (is_hex(t->p[i]))
			continue;
		at.col += (unsigned)i;
		return hx_sk_fail(
		    c, &at, "'%c' is not a hexadecimal digit", t->p[i]);
	}
	return hx_sk_fail(c, t, "a malformed key");
}

bool
hx_sk_host(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	memset(&c->range, 0, sizeof(c->range));
	memset(&c->side, 0, sizeof(c->side));
	c->range_at = *t;
	c->side.host = *t;
	if (c->tool != NULL)
		return true;
	if (!hx_sk_addr(c, t, &c->range.addr, NULL))
		return false;
	c->range.prefix = (uint8_t)(8 * ipm_addr_len(&c->range.addr));
	return true;
}

bool
hx_sk_prefix(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	uint64_t v;

	if (c->tool != NULL) {
		/* An int there, of which a negative one is the default; then
		 * an octet. */
		v = hx_sk_number(t) & UINT32_MAX;
		c->side.has_prefix = v <= INT32_MAX;
		c->side.prefix = (uint8_t)v;
		return true;
	}
	/* The whole length is the default, and so the most. */
	if (!hx_sk_num(c, t, c->range.prefix, "the prefix length", &v))
		return false;
	c->range.prefix = (uint8_t)v;
	return true;
}

static bool
is_decimal(const struct hx_tok *t)
{
	for (size_t i = 0; i < t->len; i++)
		if (t->p[i] < '0' || t->p[i] > '9')
			return false;
	return t->len != 0;
}

bool
hx_sk_port(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	uint64_t v;
	char shown[64];

	c->side.port = *t;
	if (c->tool != NULL)
		return true;
	if (!is_decimal(t))
		return hx_sk_fail(
		    c, t, "%s is not a numeric port", hx_sk_show(t, shown));
	if (!hx_sk_num(c, t, UINT16_MAX, "the port", &v))
		return false;
	c->range.port = (uint16_t)v;
	return true;
}

bool
hx_sk_upper(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	int number;
	char shown[64];
	uint64_t v;

	if (is_decimal(t)) {
		if (!hx_sk_num(c, t, 255, "the upper layer protocol", &v))
			return false;
		c->cur.upper = (uint8_t)v;
		return true;
	}
	number = hx_protocol_number(t->p, t->len);
	if (number >= 0) {
		c->cur.upper = (uint8_t)number;
		return true;
	}
	if (c->tool != NULL)
		return hx_sk_refuse(c, "invalid upper layer protocol");
	return hx_sk_fail(
	    c, t, "invalid upper layer protocol %s", hx_sk_show(t, shown));
}

/* "TYPE,CODE" of ICMPv6; nothing else may stand there. */
bool
hx_sk_misc(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	const char *comma = memchr(t->p, ',', t->len);
	uint64_t type, code;

	c->misc = *t;
	if (c->tool != NULL)
		return true;
	if (c->cur.upper != IPM_PROTO_ICMPV6)
		return hx_sk_fail(c, t, "only ICMPv6 takes a type and a code");
	if (comma == NULL)
		return hx_sk_fail(c, t, "TYPE,CODE expected");

	struct hx_tok a = *t, b = *t;
	a.len = (size_t)(comma - t->p);
	b.p += a.len + 1;
	b.len -= a.len + 1;
	b.col += (unsigned)a.len + 1;
	if (!is_decimal(&a) || !is_decimal(&b))
		return hx_sk_fail(c, t, "TYPE,CODE expected");
	if (!hx_sk_num(c, &a, 255, "the ICMPv6 type", &type) ||
	    !hx_sk_num(c, &b, 255, "the ICMPv6 code", &code))
		return false;
	c->cur.icmp_type = (uint16_t)type;
	c->cur.icmp_code = (uint16_t)code;
	return true;
}

static bool
is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

enum pfk_eipsec
hx_sk_policy_check(const struct hx_setkey_ctx *c, size_t *at)
{
	static const struct pfk_codec freebsd = { &pfk_dialects[0], PFK_LE };
	struct ipm_span text = c->cur.policy;
	/* A rule of "p/m", the shortest, makes 8 octets of at least 4. */
	size_t cap = 16 + text.len * 16, len;
	char *copy = malloc(text.len + 1);
	uint8_t *out = malloc(cap);
	enum pfk_eipsec e = PFK_E_NO_BUFS;

	*at = 0;
	if (copy != NULL && out != NULL) {
		if (text.len != 0)
			memcpy(copy, text.p, text.len);
		copy[text.len] = '\0';
		e = strlen(copy) != text.len
		    ? PFK_E_INVAL_ARGUMENT
		    : pfk_policy_parse(&freebsd, copy, out, cap, &len, at);
	}
	free(copy);
	free(out);
	return e;
}

/* Is the text one that ipsec_set_policy(3) takes? */
static bool
check_policy(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	size_t at;
	const enum pfk_eipsec e = hx_sk_policy_check(c, &at);
	struct hx_tok where = *t;

	if (e == PFK_E_NO_ERROR)
		return true;
	if (c->tool != NULL)
		return hx_sk_refuse(c,
		    e == PFK_E_SYSTEM_ERROR ? HX_SK_NO_NAME
					    : pfk_eipsec_text((int)e));
	/* On the policy's first line the column can be told. */
	at += (size_t)((const char *)c->cur.policy.p - t->p);
	if (memchr(t->p, '\n', at) == NULL)
		where.col += (unsigned)at;
	return hx_sk_fail(c, &where, "policy: %s", pfk_eipsec_text((int)e));
}

bool
hx_sk_policy(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	size_t from = 0, to = t->len;

	while (from < to && is_blank(t->p[from]))
		from++;
	while (to > from && is_blank(t->p[to - 1]))
		to--;
	if (from == to && c->tool == NULL)
		return hx_sk_fail(c, t, "-P without the text of a policy");
	c->cur.policy = ipm_span((const uint8_t *)t->p + from, to - from);
	return check_policy(c, t);
}

bool
hx_sk_tagged(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	/* The tool refuses without a word of its own. */
	return c->tool != NULL
	    ? false
	    : hx_sk_fail(c, t, "tagged policies are not supported");
}

/* add: everything that can be said without looking at other statements. */
static bool
check_add(struct hx_setkey_ctx *c, const struct hx_tok *at)
{
	char buf[200];
	enum hx_sa_part part;
	const char *why = hx_sa_refusal(&c->cur.sa, buf, sizeof(buf), &part);

	if (why == NULL)
		return true;
	switch (part) {
	case HX_SA_SPI:
		return hx_sk_fail(c, &c->spi_at, "%s", why);
	case HX_SA_ENC_KEY:
		return hx_sk_fail(c, &c->enc_at, "%s", why);
	case HX_SA_AUTH_KEY:
		return hx_sk_fail(c, &c->auth_at, "%s", why);
	case HX_SA_WHOLE:
		break;
	}
	return hx_sk_fail(c, at, "%s", why);
}

static bool
append(struct hx_setkey_ctx *c, const struct hx_tok *at)
{
	struct hx_setkey *s = c->script;

	if (s->n == s->cap) {
		const size_t cap = s->cap == 0 ? 16 : 2 * s->cap;
		struct hx_setkey_stmt *stmt =
		    realloc(s->stmt, cap * sizeof(*stmt));

		if (stmt == NULL)
			return hx_sk_fail(c, at, "out of memory");
		s->stmt = stmt;
		s->cap = cap;
	}
	s->stmt[s->n++] = c->cur;
	/* They are the script's from here on. */
	c->cur.srcs = c->cur.dsts = (struct hx_setkey_addrs){ NULL, 0 };
	return true;
}

bool
hx_sk_end(struct hx_setkey_ctx *c)
{
	const struct hx_tok at = { NULL, 0, c->cur.line, c->cur.col };
	const enum hx_setkey_kind kind = c->cur.kind;

	c->cur.end_line = c->line;
	if (c->tool != NULL)
		return hx_sk_tool_end(c) && append(c, &at);
	/* The grammar lets it out; the kernel takes that for flush and dump
	 * alone. [freebsd key.c key_satype2proto] */
	if (c->cur.sa.proto == 0 &&
	    (kind == HX_SETKEY_ADD || kind == HX_SETKEY_GET ||
		kind == HX_SETKEY_DELETE || kind == HX_SETKEY_DELETEALL))
		return hx_sk_fail(c, &at,
		    "'%s' needs a protocol: esp, ah, esp-old, ah-old, ipcomp "
		    "or tcp",
		    command_word(kind));
	if (kind == HX_SETKEY_ADD && !check_add(c, &at))
		return false;
	return append(c, &at);
}

/* Reads into c->script.  False with nothing kept when memory is short, which
 * *err says; *read tells whether the grammar took it all. */
static bool
parse(struct hx_setkey_ctx *c, const char *buf, size_t len, bool *read)
{
	struct hx_setkey *s = c->script;
	yyscan_t scanner;
	YY_BUFFER_STATE b;

	memset(s, 0, sizeof(*s));
	c->line = c->col = 1;
	*read = false;
	if (len > INT32_MAX - 2) {
		hx_err_set(c->err, c->file, 0, 0, "too long for a script");
		return false;
	}
	/* The scanner wants two NULs behind the text. */
	s->text = calloc(1, len + 2);
	if (s->text == NULL) {
		hx_err_set(c->err, c->file, 0, 0, "out of memory");
		return false;
	}
	if (len != 0)
		memcpy(s->text, buf, len);
	s->text_len = len;

	if (hx_setkey_yylex_init_extra(c, &scanner) != 0) {
		hx_err_set(c->err, c->file, 0, 0, "out of memory");
		hx_setkey_free(s);
		return false;
	}
	b = hx_setkey_yy_scan_buffer(s->text, len + 2, scanner);
	if (b != NULL)
		*read = hx_setkey_yyparse(scanner, c) == 0;
	hx_setkey_yy_delete_buffer(b, scanner);
	(void)hx_setkey_yylex_destroy(scanner);
	s->end_line = c->line;
	return true;
}

/* What the statement under construction holds when reading ends in it. */
static void
drop_current(struct hx_setkey_ctx *c)
{
	free(c->cur.srcs.p);
	free(c->cur.dsts.p);
	memset(&c->cur, 0, sizeof(c->cur));
}

bool
hx_setkey_parse(const char *buf, size_t len, const char *file,
    struct hx_setkey *s, struct hx_err *err)
{
	struct hx_setkey_ctx c = { .script = s, .file = file, .err = err };
	bool read;

	if (!parse(&c, buf, len, &read))
		return false;
	if (!read) {
		if (!c.failed)
			hx_err_set(
			    err, file, c.line, c.col, "cannot be read further");
		hx_setkey_free(s);
	}
	return read;
}

bool
hx_setkey_parse_tool(const char *buf, size_t len,
    const struct hx_setkey_opts *o, struct hx_setkey *s, struct hx_err *err)
{
	struct hx_setkey_ctx c = { .script = s, .err = err, .tool = o };
	char line[64];
	bool read;

	if (!parse(&c, buf, len, &read))
		return false;
	if (!read) {
		s->failed = true;
		drop_current(&c);
		(void)snprintf(
		    line, sizeof(line), "parse failed, line %u.", c.line);
		if (!c.fatal)
			hx_sk_note(&c, line);
	}
	/* What the tool would not say: no memory, or more than is taken. */
	if (c.no_memory || c.failed) {
		if (!c.failed)
			hx_err_set(err, NULL, 0, 0, "out of memory");
		hx_setkey_free(s);
		return false;
	}
	return true;
}

void
hx_setkey_free(struct hx_setkey *s)
{
	if (s->text != NULL)
		ipm_wipe(s->text, s->text_len);
	for (size_t i = 0; i < s->n; i++) {
		free(s->stmt[i].srcs.p);
		free(s->stmt[i].dsts.p);
	}
	free(s->text);
	free(s->stmt);
	free(s->note);
	memset(s, 0, sizeof(*s));
}

static bool
run_add(const struct hx_setkey_stmt *st, const char *file,
    struct hx_salist *sas, struct hx_err *err)
{
	const struct ipm_sa_config *sa = &st->sa;
	size_t other = 0;
	const enum ipm_err e = hx_salist_add(sas, sa, st->line, &other);

	if (e == IPM_OK)
		return true;
	if (e == IPM_ERR_EXISTS)
		hx_sa_exists(
		    err, file, st->line, st->col, sa, &sas->sas[other]);
	else
		hx_err_set(err, file, st->line, st->col, "out of memory");
	return false;
}

/* One statement; false with the error set. */
static bool
run_one(const struct hx_setkey_stmt *st, const char *file,
    struct hx_setkey_result *r, struct hx_err *err)
{
	const struct ipm_sa_config *sa = &st->sa;

	switch (st->kind) {
	case HX_SETKEY_ADD:
		return run_add(st, file, &r->sas, err);
	case HX_SETKEY_DELETE:
		(void)hx_salist_delete(
		    &r->sas, &sa->src, &sa->dst, sa->proto, sa->spi);
		return true;
	case HX_SETKEY_DELETEALL:
		hx_salist_delete_all(&r->sas, &sa->src, &sa->dst, sa->proto);
		return true;
	case HX_SETKEY_FLUSH:
		hx_salist_delete_all(&r->sas, NULL, NULL, sa->proto);
		return true;
	case HX_SETKEY_SPDADD:
		r->n_policies++;
		return true;
	case HX_SETKEY_SPDDELETE:
		r->n_policy_deletes++;
		return true;
	case HX_SETKEY_SPDFLUSH:
		r->n_policies = 0;
		r->n_policy_deletes = 0;
		return true;
	case HX_SETKEY_GET:
	case HX_SETKEY_DUMP:
	case HX_SETKEY_SPDDUMP:
		break;
	}
	hx_err_set(err, file, st->line, st->col,
	    "'%s' asks a kernel: not in a configuration file",
	    command_word(st->kind));
	return false;
}

bool
hx_setkey_run(const struct hx_setkey *s, const char *file,
    struct hx_setkey_result *r, struct hx_err *err)
{
	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < s->n; i++) {
		if (!run_one(&s->stmt[i], file, r, err)) {
			hx_salist_free(&r->sas);
			memset(r, 0, sizeof(*r));
			return false;
		}
	}
	hx_salist_sweep(&r->sas);
	return true;
}
