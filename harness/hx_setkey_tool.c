/*
 * A script as setkey(8) reads it: what the tool leaves to the kernel is left,
 * and its complaints are in its words.
 *
 * Source: FreeBSD sbin/setkey/token.l, parse.y; lib/libipsec/pfkey.c,
 * ipsec_check_keylen.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_setkey_int.h"

/* --- complaints ------------------------------------------------------------ */

void
hx_sk_note(struct hx_setkey_ctx *c, const char *line)
{
	struct hx_setkey *s = c->script;

	if (s->n_notes == s->cap_notes) {
		const size_t cap = s->cap_notes == 0 ? 4 : 2 * s->cap_notes;
		struct hx_setkey_note *p = realloc(s->note, cap * sizeof(*p));

		if (p == NULL) {
			c->no_memory = true;
			return;
		}
		s->note = p;
		s->cap_notes = cap;
	}
	s->note[s->n_notes].before = s->n;
	(void)snprintf(s->note[s->n_notes].text,
	    sizeof(s->note[s->n_notes].text), "%s", line);
	s->n_notes++;
}

/*
 * The token as the tool shows it: a quoted string without its quotes.  What
 * is a key, or could be one, is shown with --show-keys alone.
 */
static void
bracket(const struct hx_setkey_ctx *c, bool is_number, char *out, size_t cap)
{
	const struct hx_tok *t = &c->last;
	const char *p = t->p;
	size_t len = t->len, at = 0;
	const bool quoted = len >= 2 && p[0] == '"';

	if (!c->tool->show_keys && !is_number &&
	    (quoted || hx_sk_may_be_key(t))) {
		(void)snprintf(out, cap, "<hidden>");
		return;
	}
	if (quoted) {
		p++;
		len -= 2;
	}
	/* One printable line, whatever the script holds. */
	for (size_t i = 0; i < len && at + 5 < cap; i++) {
		const unsigned char ch = (unsigned char)p[i];

		if (ch >= 0x20 && ch < 0x7f)
			out[at++] = (char)ch;
		else
			at +=
			    (size_t)snprintf(out + at, cap - at, "\\x%02x", ch);
	}
	out[at] = '\0';
}

static void
say(struct hx_setkey_ctx *c, const char *text, bool is_number)
{
	char line[200], token[100];

	bracket(c, is_number, token, sizeof(token));
	(void)snprintf(
	    line, sizeof(line), "line %u: %s at [%s]", c->line, text, token);
	hx_sk_note(c, line);
}

void
hx_sk_say(struct hx_setkey_ctx *c, const char *text)
{
	say(c, text, false);
}

bool
hx_sk_refuse(struct hx_setkey_ctx *c, const char *text)
{
	hx_sk_say(c, text);
	return false;
}

void
hx_sk_fatal(struct hx_setkey_ctx *c)
{
	/* The tool's scanner stops at the first octet. */
	if (c->last.len > 1 && c->last.p[0] == '"')
		c->last.len = 1;
	hx_sk_say(c, "Syntax error");
	c->fatal = true;
}

/* --- addresses --------------------------------------------------------------- */

/* All addresses of a name; false when memory is short. */
static bool
look_up(struct hx_setkey_ctx *c, const struct hx_tok *t,
    struct hx_setkey_addrs *all)
{
	struct ipm_addr a;

	all->p = NULL;
	all->n = 0;
	while (c->tool->hosts != NULL && !c->numeric &&
	    hx_hosts_find(
		c->tool->hosts, t->p, t->len, c->family, all->n, &a)) {
		struct ipm_addr *p = realloc(all->p, (all->n + 1) * sizeof(*p));

		if (p == NULL) {
			c->no_memory = true;
			return false;
		}
		all->p = p;
		all->p[all->n++] = a;
	}
	return true;
}

bool
hx_sk_tool_addr(struct hx_setkey_ctx *c, const struct hx_tok *t,
    struct ipm_addr *a, struct hx_setkey_addrs *all)
{
	struct hx_setkey_addrs found;

	if (hx_addr_parse(t->p, t->len, a) &&
	    (c->family == 0 || c->family == a->family))
		return true;
	if (!look_up(c, t, &found)) {
		free(found.p);
		return false;
	}
	if (found.n == 0)
		return hx_sk_refuse(c, HX_SK_NO_NAME);
	*a = found.p[0];
	if (all != NULL && found.n > 1)
		*all = found;
	else
		free(found.p);
	return true;
}

/* A port as getaddrinfo(3) takes it for UDP: a number, or the name of a service.
 * An empty token is none. */
static bool
port_of(const struct hx_setkey_ctx *c, const struct hx_tok *t, uint16_t *port)
{
	uint64_t v = 0;

	*port = 0;
	if (t->p == NULL)
		return true;
	for (size_t i = 0; i < t->len; i++) {
		if (t->p[i] < '0' || t->p[i] > '9')
			return c->tool->services != NULL &&
			    hx_services_find(
				c->tool->services, t->p, t->len, port);
		v = v > UINT16_MAX ? v : 10 * v + (uint64_t)(t->p[i] - '0');
	}
	*port = (uint16_t)v;
	return t->len != 0 && v <= UINT16_MAX;
}

/* One side of a selector.  False with the complaint made. */
static bool
resolve_side(struct hx_setkey_ctx *c, const struct hx_sk_side *side,
    struct hx_setkey_range *r, struct hx_setkey_addrs *all)
{
	if (!port_of(c, &side->port, &r->port))
		return hx_sk_refuse(c, HX_SK_NO_SERVICE);
	if (!hx_sk_tool_addr(c, &side->host, &r->addr, all))
		return false;
	r->prefix = side->has_prefix ? side->prefix
				     : (uint8_t)(8 * ipm_addr_len(&r->addr));
	return true;
}

/* TYPE,CODE takes the place of the ports. */
static bool
split_misc(struct hx_setkey_ctx *c)
{
	const struct hx_tok *t = &c->misc;
	const char *comma;

	if (t->p == NULL)
		return true;
	if (c->cur.upper != IPM_PROTO_ICMPV6)
		return false; /* without a word */
	c->src_side.port = *t;
	c->dst_side.port = (struct hx_tok){ NULL, 0, 0, 0 };
	comma = memchr(t->p, ',', t->len);
	if (comma == NULL)
		return true;
	c->src_side.port.len = (size_t)(comma - t->p);
	c->dst_side.port = *t;
	c->dst_side.port.p += c->src_side.port.len + 1;
	c->dst_side.port.len -= c->src_side.port.len + 1;
	if (c->dst_side.port.len == 0)
		return hx_sk_refuse(c, "invalid an upper layer protocol spec");
	return true;
}

static bool
end_spd(struct hx_setkey_ctx *c)
{
	bool src, dst;

	if (!split_misc(c))
		return false;
	src = resolve_side(c, &c->src_side, &c->cur.src, &c->cur.srcs);
	dst = resolve_side(c, &c->dst_side, &c->cur.dst, &c->cur.dsts);
	if (!src || !dst)
		return false;
	if (c->cur.srcs.n > 1 || c->cur.dsts.n > 1)
		return hx_sk_refuse(c, "multiple address specified");
	return c->cur.src.addr.family == c->cur.dst.addr.family;
}

/* Has any source a destination of its family? */
static bool
has_pair(const struct hx_setkey_stmt *st)
{
	const size_t n = st->srcs.n == 0 ? 1 : st->srcs.n;
	const size_t m = st->dsts.n == 0 ? 1 : st->dsts.n;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < m; k++)
			if ((st->srcs.n == 0 ? &st->sa.src : &st->srcs.p[i])
				->family ==
			    (st->dsts.n == 0 ? &st->sa.dst : &st->dsts.p[k])
				->family)
				return true;
	return false;
}

bool
hx_sk_tool_end(struct hx_setkey_ctx *c)
{
	switch (c->cur.kind) {
	case HX_SETKEY_DELETE:
		if (c->cur.srcs.n > 1 || c->cur.dsts.n > 1)
			return hx_sk_refuse(c, "multiple address specified");
		if (c->cur.sa.mode != IPM_MODE_ANY)
			hx_sk_say(c, "WARNING: mode is obsolete");
		return has_pair(&c->cur);
	case HX_SETKEY_GET:
		if (c->cur.sa.mode != IPM_MODE_ANY)
			hx_sk_say(c, "WARNING: mode is obsolete");
		return has_pair(&c->cur);
	case HX_SETKEY_ADD:
	case HX_SETKEY_DELETEALL:
		return has_pair(&c->cur);
	case HX_SETKEY_SPDADD:
	case HX_SETKEY_SPDDELETE:
		return end_spd(c);
	case HX_SETKEY_FLUSH:
	case HX_SETKEY_DUMP:
	case HX_SETKEY_SPDDUMP:
	case HX_SETKEY_SPDFLUSH:
		break;
	}
	return true;
}

/* --- numbers ------------------------------------------------------------------- */

bool
hx_sk_tool_spi(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	const uint64_t v = hx_sk_number(t);
	const bool hex = t->len > 2 && (t->p[1] | 0x20) == 'x';

	/* Decimal digits are cut to 32 bits without a word. */
	if (hex && v > UINT32_MAX) {
		say(c, "SPI too big.", true);
		return false;
	}
	c->cur.sa.spi = (uint32_t)v;
	return true;
}

bool
hx_sk_tool_window(struct hx_setkey_ctx *c, const struct hx_tok *t)
{
	if ((c->cur.sa.flags & IPM_SAF_OLD) != 0)
		return hx_sk_refuse(
		    c, "replay prevention cannot be used with ah/esp-old");
	c->cur.replay = (uint32_t)hx_sk_number(t);
	c->cur.sa.window = c->cur.replay << 3;
	if (c->cur.replay > (UINT32_MAX - 32) / 8)
		say(c, "replay window is too large", true);
	return true;
}

/* --- algorithms and keys --------------------------------------------------------- */

/* clang-format off */
static const struct hx_sk_word words[] = {
	{ 'A', "hmac-md5",       "hmac-md5",       2,   HX_SK_KEY,   HX_SK_2017 },
	{ 'A', "hmac-sha1",      "hmac-sha1",      3,   HX_SK_KEY,   HX_SK_BOTH },
	{ 'A', "keyed-md5",      "keyed-md5",      249, HX_SK_KEY,   HX_SK_2017 },
	{ 'A', "keyed-sha1",     "keyed-sha1",     250, HX_SK_KEY,   HX_SK_2017 },
	{ 'A', "null",           "null-auth",      251, HX_SK_NOKEY, HX_SK_BOTH },
	{ 'A', "hmac-sha2-256",  "hmac-sha256",    5,   HX_SK_KEY,   HX_SK_BOTH },
	{ 'A', "hmac-sha2-384",  "hmac-sha384",    6,   HX_SK_KEY,   HX_SK_BOTH },
	{ 'A', "hmac-sha2-512",  "hmac-sha512",    7,   HX_SK_KEY,   HX_SK_BOTH },
	{ 'A', "hmac-ripemd160", "hmac-ripemd160", 8,   HX_SK_KEY,   HX_SK_2017 },
	{ 'A', "aes-xcbc-mac",   "aes-xcbc-mac",   9,   HX_SK_KEY,   HX_SK_BOTH },
	{ 'A', "tcp-md5",        "tcp-md5",        252, HX_SK_KEY,   HX_SK_BOTH },
	{ 'E', "des-cbc",        "des-cbc",        2,   HX_SK_KEY,   HX_SK_2017 },
	{ 'E', "3des-cbc",       "3des-cbc",       3,   HX_SK_KEY,   HX_SK_2017 },
	{ 'E', "null",           "null",           11,  HX_SK_MAYBE, HX_SK_BOTH },
	{ 'E', "simple",         "null",           11,  HX_SK_OLD,   HX_SK_BOTH },
	{ 'E', "blowfish-cbc",   "blowfish-cbc",   7,   HX_SK_KEY,   HX_SK_2017 },
	{ 'E', "cast128-cbc",    "cast128-cbc",    6,   HX_SK_KEY,   HX_SK_2017 },
	{ 'E', "des-deriv",      "des-cbc",        2,   HX_SK_DERIV, HX_SK_2017 },
	{ 'E', "des-32iv",       "des-cbc",        2,   HX_SK_IV32,  HX_SK_2017 },
	{ 'E', "rijndael-cbc",   "aes-cbc",        12,  HX_SK_KEY,   HX_SK_BOTH },
	{ 'E', "aes-cbc",        "aes-cbc",        12,  HX_SK_KEY,   HX_SK_13 },
	{ 'E', "aes-ctr",        "aes-ctr",        13,  HX_SK_KEY,   HX_SK_BOTH },
	{ 'E', "camellia-cbc",   "camellia-cbc",   22,  HX_SK_KEY,   HX_SK_2017 },
	{ 'E', "aes-gcm-16",     "aes-gcm-16",     20,  HX_SK_KEY,   HX_SK_BOTH },
	{ 'C', "oui",            NULL,             1,   HX_SK_NOKEY, HX_SK_BOTH },
	{ 'C', "deflate",        "deflate",        2,   HX_SK_NOKEY, HX_SK_BOTH },
	{ 'C', "lzs",            NULL,             3,   HX_SK_NOKEY, HX_SK_BOTH },
};
/* clang-format on */

#define FLAG_IV4B  0x0010U
#define FLAG_DERIV 0x0020U

/* Which words are known: bits of enum hx_sk_era, or 0 for all. */
static uint8_t
era(const struct hx_setkey_ctx *c)
{
	static const uint8_t eras[] = { [IPM_WORDS_ALL] = 0,
		[IPM_WORDS_2017] = HX_SK_2017,
		[IPM_WORDS_13] = HX_SK_13 };

	return c->tool->profile == NULL
	    ? 0
	    : eras[ipm_sw(c->tool->profile, IPM_SW_SETKEY_WORDS)];
}

static const struct hx_sk_word *
find_word(const struct hx_tok *t, char letter)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].letter == letter &&
		    strlen(words[i].word) == t->len &&
		    memcmp(words[i].word, t->p, t->len) == 0)
			return &words[i];
	return NULL;
}

/* What the word means.  False with the complaint made. */
static bool
choose(struct hx_setkey_ctx *c, const struct hx_tok *t, char letter,
    const struct hx_sk_word **word, const struct ipm_alg **alg, uint8_t *number)
{
	const uint8_t eras = era(c);

	*word = find_word(t, letter);
	if (*word != NULL && (eras == 0 || ((*word)->eras & eras) != 0)) {
		*alg =
		    (*word)->alg == NULL ? NULL : ipm_alg_by_name((*word)->alg);
		*number = (*word)->number;
		return true;
	}
	*word = NULL;
	*alg = eras == 0 ? hx_sk_alg_row(t, letter) : NULL;
	if (*alg == NULL)
		return hx_sk_refuse(c, "syntax error");
	*number = hx_setkey_alg_number(*alg);
	return *number != 0 || hx_sk_refuse(c, "unsupported algorithm");
}

bool
hx_sk_tool_alg(struct hx_setkey_ctx *c, const struct hx_tok *t, char letter)
{
	const struct hx_sk_word *word;
	const struct ipm_alg *alg;
	uint8_t number;

	if (!choose(c, t, letter, &word, &alg, &number))
		return false;
	if (letter == 'A') {
		c->cur.sa.auth = alg;
		c->cur.sadb_auth = number;
		c->auth_word = word;
		return true;
	}
	c->cur.sadb_enc = number;
	c->enc_word = word;
	if (letter == 'E')
		c->cur.sa.enc = alg;
	else
		c->cur.sa.comp = alg;
	if (word != NULL && word->keying == HX_SK_OLD)
		hx_sk_say(c, "WARNING: obsolete algorithm");
	return true;
}

static enum hx_sk_keying
keying(const struct hx_setkey_ctx *c, const struct hx_sk_word *word)
{
	static const enum hx_sk_keying nulls[] = { [IPM_NULLKEY_OPTIONAL] =
						       HX_SK_MAYBE,
		[IPM_NULLKEY_REQUIRED] = HX_SK_KEY,
		[IPM_NULLKEY_NONE] = HX_SK_NOKEY };

	if (word == NULL)
		return HX_SK_KEY;
	if (word->keying != HX_SK_MAYBE || c->tool->profile == NULL)
		return word->keying;
	return nulls[ipm_sw(c->tool->profile, IPM_SW_SETKEY_NULL_KEY)];
}

/* libipsec's look at the answer to REGISTER; octets without the salt. */
static bool
check_length(struct hx_setkey_ctx *c, char letter, const struct ipm_alg *alg,
    uint8_t number, size_t len)
{
	const struct hx_setkey_algs *algs = c->tool->algs;
	const struct hx_setkey_alg *list;
	const size_t salt = alg == NULL ? 0 : alg->salt_len;
	size_t n;

	if (algs == NULL)
		return true;
	list = letter == 'E' ? algs->enc : algs->auth;
	n = letter == 'E' ? algs->n_enc : algs->n_auth;
	for (size_t i = 0; i < n; i++) {
		if (list[i].id != number)
			continue;
		if (len < salt || 8 * (len - salt) < list[i].min ||
		    8 * (len - salt) > list[i].max)
			return hx_sk_refuse(
			    c, pfk_eipsec_text(PFK_E_INVAL_KEYLEN));
		return true;
	}
	return hx_sk_refuse(c, pfk_eipsec_text(PFK_E_NOT_SUPPORTED));
}

static bool
old_mismatch(struct hx_setkey_ctx *c, enum hx_sk_keying k)
{
	const bool old = (c->cur.sa.flags & IPM_SAF_OLD) != 0;

	if (k == HX_SK_DERIV)
		c->cur.sadb_flags |= FLAG_DERIV;
	if (k == HX_SK_IV32)
		c->cur.sadb_flags |= FLAG_IV4B;
	return (k == HX_SK_DERIV && old) || (k == HX_SK_IV32 && !old);
}

/* Octets that a key's token stands for. */
static size_t
key_octets(const struct hx_tok *t)
{
	if (t->p == NULL)
		return 0;
	return t->p[0] == '"' ? t->len - 2 : (t->len - 2 + 1) / 2;
}

/* A key comes, not yet decoded, or there is none (t->p NULL). */
bool
hx_sk_tool_key(struct hx_setkey_ctx *c, const struct hx_tok *t, char letter)
{
	const bool is_enc = letter == 'E';
	const enum hx_sk_keying k =
	    keying(c, is_enc ? c->enc_word : c->auth_word);
	const bool may = k != HX_SK_NOKEY && k != HX_SK_OLD;
	const bool must = may && k != HX_SK_MAYBE;
	const size_t len = key_octets(t);

	if ((t->p != NULL && !may) || (t->p == NULL && must))
		return hx_sk_refuse(c, "syntax error");
	if (is_enc)
		c->cur.has_enc_key = t->p != NULL;
	else
		c->cur.has_auth_key = t->p != NULL;
	if (old_mismatch(c, k))
		return hx_sk_refuse(c, "algorithm mismatched");
	if (is_enc)
		return check_length(
		    c, letter, c->cur.sa.enc, c->cur.sadb_enc, len);
	if (k == HX_SK_NOKEY)
		return true;
	/* [ALG-TCPMD5-10] Refused without a word. */
	if (c->cur.sadb_auth == 252)
		return len >= 1 && len <= IPM_KEY_MAX;
	return check_length(c, letter, c->cur.sa.auth, c->cur.sadb_auth, len);
}
