/*
 * Implementation notes.  The grammar is small enough to be read by hand:
 *
 *   policy = DIR [ ACTION { rule } ]
 *   rule   = PROTOCOL "/" MODE [ "/" [ addrs [ "/" [ level ] ] | "/" level ] ]
 *
 * Words are told apart as the lexer of libipsec does: the longest run of
 * [A-Za-z0-9:._] and what may follow a "%", then looked up.
 */
#include "pfk_policy.h"

#include <string.h>

const char *
pfk_eipsec_text(int code)
{
	static const char *const texts[PFK_N_EIPSEC] = {
#define PFK_EIPSEC(id, text) text,
#include "pfk_eipsec.def"
#undef PFK_EIPSEC
	};

	return code < 0 || code >= PFK_N_EIPSEC ? texts[PFK_E_MAX]
						: texts[code];
}

static const struct pfk_name dirs[] = { { 1, "in" }, { 2, "out" },
	{ 0, NULL } };
static const struct pfk_name actions[] = { { 0, "discard" }, { 1, "none" },
	{ 2, "ipsec" }, { 3, "entrust" }, { 4, "bypass" }, { 0, NULL } };
static const struct pfk_name protocols[] = { { 50, "esp" }, { 51, "ah" },
	{ 108, "ipcomp" }, { 6, "tcp" }, { 0, NULL } };
static const struct pfk_name modes[] = { { 1, "transport" }, { 2, "tunnel" },
	{ 0, NULL } };
static const struct pfk_name levels[] = { { 0, "default" }, { 1, "use" },
	{ 2, "require" }, { 3, "unique" }, { 0, NULL } };

#define IPSEC_POLICY_IPSEC 2
#define MANUAL_REQID_MAX   0x3fff

struct parser {
	const struct pfk_codec *c;
	const char *text;
	size_t pos;
	uint8_t *out;
	size_t cap, len;
	int dir, action;
};

struct word {
	const char *p;
	size_t len;
};

static bool
word_char(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
	    (ch >= 'a' && ch <= 'z') || ch == ':' || ch == '.' || ch == '_';
}

static bool
alnum(char ch)
{
	return word_char(ch) && ch != ':' && ch != '.' && ch != '_';
}

static void
skip_blanks(struct parser *p)
{
	while (p->text[p->pos] == ' ' || p->text[p->pos] == '\t' ||
	    p->text[p->pos] == '\n')
		p->pos++;
}

/* The next word, of no octets when something else comes. */
static struct word
peek_word(struct parser *p)
{
	struct word w;

	skip_blanks(p);
	w.p = p->text + p->pos;
	w.len = 0;
	while (word_char(w.p[w.len]))
		w.len++;
	if (w.len != 0 && w.p[w.len] == '%' && alnum(w.p[w.len + 1])) {
		w.len++;
		while (alnum(w.p[w.len]))
			w.len++;
	}
	return w;
}

static void
take(struct parser *p, struct word w)
{
	p->pos += w.len;
}

static bool
is(struct word w, const char *s)
{
	return strlen(s) == w.len && memcmp(w.p, s, w.len) == 0;
}

static int
lookup(const struct pfk_name *list, struct word w)
{
	for (; list->name != NULL; list++)
		if (is(w, list->name))
			return list->number;
	return -1;
}

static bool
next_is(struct parser *p, char ch)
{
	skip_blanks(p);
	return p->text[p->pos] == ch;
}

static bool
accept_char(struct parser *p, char ch)
{
	if (!next_is(p, ch))
		return false;
	p->pos++;
	return true;
}

/* --- addresses -------------------------------------------------------------- */

static bool
parse4(struct word w, uint8_t out[4])
{
	size_t i = 0;

	for (unsigned n = 0; n < 4; n++) {
		unsigned v = 0, digits = 0;

		if (n > 0 && (i >= w.len || w.p[i++] != '.'))
			return false;
		for (; i < w.len && w.p[i] >= '0' && w.p[i] <= '9'; digits++)
			v = v * 10 + (unsigned)(w.p[i++] - '0');
		if (digits == 0 || digits > 3 || v > 255)
			return false;
		out[n] = (uint8_t)v;
	}
	return i == w.len;
}

static int
hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

/* RFC 4291 2.2: groups, one "::", an IPv4 address at the end. */
static bool
parse6(struct word w, uint8_t out[16])
{
	size_t i = 0, n = 0, gap = SIZE_MAX;

	memset(out, 0, 16);
	if (w.len >= 2 && w.p[0] == ':' && w.p[1] == ':') {
		gap = 0;
		i = 2;
	}
	while (i < w.len) {
		struct word rest = { w.p + i, w.len - i };
		unsigned v = 0, digits = 0;

		if (memchr(rest.p, '.', rest.len) != NULL &&
		    memchr(rest.p, ':', rest.len) == NULL) {
			if (n > 12 || !parse4(rest, out + n))
				return false;
			n += 4;
			break;
		}
		for (; i < w.len && hex_digit(w.p[i]) >= 0; i++, digits++)
			v = v << 4 | (unsigned)hex_digit(w.p[i]);
		if (digits == 0 || digits > 4 || n > 14)
			return false;
		ipm_store16(out + n, (uint16_t)v);
		n += 2;
		if (i == w.len)
			break;
		if (w.p[i++] != ':' || i == w.len)
			return false;
		if (w.p[i] == ':') {
			if (gap != SIZE_MAX)
				return false;
			gap = n;
			i++;
		}
	}
	if (gap == SIZE_MAX)
		return n == 16;
	if (n > 14)
		return false;
	memmove(out + 16 - (n - gap), out + gap, n - gap);
	memset(out + gap, 0, 16 - n);
	return true;
}

static bool
parse_addr(struct word w, struct ipm_addr *a)
{
	const char *zone = memchr(w.p, '%', w.len);
	uint64_t scope = 0;

	*a = (struct ipm_addr){ 0 };
	if (memchr(w.p, ':', w.len) == NULL) {
		a->family = 4;
		return parse4(w, a->octet);
	}
	if (zone != NULL) {
		for (const char *z = zone + 1; z < w.p + w.len; z++) {
			if (*z < '0' || *z > '9')
				return false;
			scope = scope * 10 + (uint64_t)(*z - '0');
			if (scope > UINT32_MAX)
				return false;
		}
		w.len = (size_t)(zone - w.p);
	}
	a->family = 6;
	a->scope = (uint32_t)scope;
	return parse6(w, a->octet);
}

/* --- rules ---------------------------------------------------------------------- */

struct rule {
	int proto, mode, level;
	uint64_t reqid;
	bool has_addrs;
	struct ipm_addr src, dst;
};

/* "require", "unique:7". */
static enum pfk_eipsec
read_level(struct parser *p, struct rule *r)
{
	struct word w = peek_word(p);

	r->level = lookup(levels, w);
	if (r->level >= 0) {
		take(p, w);
		return PFK_E_NO_ERROR;
	}
	if (w.len <= 7 || memcmp(w.p, "unique:", 7) != 0)
		return PFK_E_INVAL_ARGUMENT;
	r->level = 3;
	for (size_t i = 7; i < w.len; i++) {
		if (w.p[i] < '0' || w.p[i] > '9')
			return PFK_E_INVAL_ARGUMENT;
		r->reqid = r->reqid * 10 + (uint64_t)(w.p[i] - '0');
	}
	take(p, w);
	return PFK_E_NO_ERROR;
}

/* "A-B", "me-any", "any-me". */
static enum pfk_eipsec
read_addrs(struct parser *p, struct rule *r)
{
	struct word a = peek_word(p), b;

	take(p, a);
	if (!accept_char(p, '-'))
		return PFK_E_INVAL_ARGUMENT;
	b = peek_word(p);
	if (is(a, "me") || is(a, "any")) {
		if (!is(b, is(a, "me") ? "any" : "me"))
			return PFK_E_INVAL_ARGUMENT;
		take(p, b);
		return p->dir == (is(a, "me") ? 2 : 1) ? PFK_E_NO_ERROR
						       : PFK_E_INVAL_DIR;
	}
	if (b.len == 0)
		return PFK_E_INVAL_ARGUMENT;
	r->has_addrs = true;
	if (!parse_addr(a, &r->src) || !parse_addr(b, &r->dst))
		return PFK_E_SYSTEM_ERROR;
	take(p, b);
	return PFK_E_NO_ERROR;
}

static enum pfk_eipsec
read_rule(struct parser *p, struct rule *r)
{
	struct word w = peek_word(p);
	enum pfk_eipsec e;

	*r = (struct rule){ 0 };
	r->proto = lookup(protocols, w);
	if (r->proto < 0)
		return PFK_E_INVAL_ARGUMENT;
	take(p, w);
	if (!accept_char(p, '/'))
		return PFK_E_FEW_ARGUMENTS;
	w = peek_word(p);
	r->mode = lookup(modes, w);
	if (r->mode < 0)
		return w.len == 0 ? PFK_E_FEW_ARGUMENTS : PFK_E_INVAL_ARGUMENT;
	take(p, w);
	if (!accept_char(p, '/'))
		return PFK_E_NO_ERROR;
	if (accept_char(p, '/'))
		return read_level(p, r);
	w = peek_word(p);
	/* "p/m/" alone is allowed; what follows is then the next rule. */
	if (w.len == 0 || lookup(protocols, w) >= 0)
		return PFK_E_NO_ERROR;
	e = read_addrs(p, r);
	if (e != PFK_E_NO_ERROR || !accept_char(p, '/'))
		return e;
	w = peek_word(p);
	return w.len == 0 || lookup(protocols, w) >= 0 ? PFK_E_NO_ERROR
						       : read_level(p, r);
}

static enum pfk_eipsec
check_rule(const struct parser *p, const struct rule *r)
{
	if (p->action != IPSEC_POLICY_IPSEC)
		return PFK_E_NO_ERROR;
	if (!r->has_addrs && r->mode == 2)
		return PFK_E_INVAL_ADDRESS;
	if (r->has_addrs && r->src.family != r->dst.family)
		return PFK_E_FAMILY_MISMATCH;
	return PFK_E_NO_ERROR;
}

static bool
put(struct parser *p, const uint8_t *s, size_t n)
{
	if (n > p->cap - p->len)
		return false;
	memcpy(p->out + p->len, s, n);
	p->len += n;
	return true;
}

static void
put_field(const struct parser *p, const struct pfk_field *f, const char *name,
    uint8_t *at, uint64_t v)
{
	for (; f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			pfk_put(p->c, f, at, v);
}

static const struct pfk_field len_field = { "len", 0, 2, PFK_HOST };

static enum pfk_eipsec
put_rule(struct parser *p, const struct rule *r)
{
	const struct pfk_field *f = pfk_request_fields(p->c->dialect);
	size_t fixed = p->c->dialect->request_size, n = fixed, len;
	uint8_t req[16 + 64] = { 0 };
	const struct ipm_addr *const ends[] = { &r->src, &r->dst };

	put_field(p, f, "proto", req, (uint64_t)r->proto);
	put_field(p, f, "mode", req, (uint64_t)r->mode);
	put_field(p, f, "level", req, (uint64_t)r->level);
	put_field(p, f, "reqid", req, r->reqid);
	for (size_t i = 0; r->has_addrs && i < 2; i++) {
		struct pfk_sockaddr sa = { .known = true, .addr = *ends[i] };

		sa.family = sa.addr.family == 4 ? 2 : p->c->dialect->af_inet6;
		n += pfk_sockaddr_write(p->c, &sa, req + n, sizeof req - n);
	}
	len = (n + 7) / 8 * 8;
	pfk_put(p->c, &len_field, req, len);
	return put(p, req, len) ? PFK_E_NO_ERROR : PFK_E_NO_BUFS;
}

static enum pfk_eipsec
read_policy(struct parser *p)
{
	const struct pfk_ext_row *row =
	    pfk_ext_row_by_name(p->c->dialect, "X_POLICY");
	static const struct pfk_field type_field = { "type", 2, 2, PFK_HOST };
	uint8_t head[16] = { 0 };
	struct word w = peek_word(p);

	p->dir = lookup(dirs, w);
	if (p->dir < 0 || row == NULL || p->c->dialect->request_size == 0)
		return PFK_E_INVAL_ARGUMENT;
	take(p, w);
	w = peek_word(p);
	if (w.len == 0 && next_is(p, '\0')) {
		p->action = 0; /* a direction alone, for spddelete */
	} else {
		p->action = lookup(actions, w);
		if (p->action < 0)
			return PFK_E_INVAL_ARGUMENT;
		take(p, w);
	}
	pfk_put(p->c, &type_field, head, row->type);
	put_field(p, row->field, "policy", head, (uint64_t)p->action);
	put_field(p, row->field, "dir", head, (uint64_t)p->dir);
	if (!put(p, head, sizeof head))
		return PFK_E_NO_BUFS;
	while (!next_is(p, '\0')) {
		struct rule r;
		enum pfk_eipsec e = read_rule(p, &r);

		if (e == PFK_E_NO_ERROR)
			e = check_rule(p, &r);
		if (e == PFK_E_NO_ERROR)
			e = put_rule(p, &r);
		if (e != PFK_E_NO_ERROR)
			return e;
	}
	pfk_put(p->c, &len_field, p->out, p->len / 8);
	return PFK_E_NO_ERROR;
}

enum pfk_eipsec
pfk_policy_parse(const struct pfk_codec *c, const char *text, uint8_t *out,
    size_t cap, size_t *len, size_t *at)
{
	struct parser p = { .c = c, .text = text, .out = out, .cap = cap };
	enum pfk_eipsec e = read_policy(&p);

	*at = p.pos;
	*len = e == PFK_E_NO_ERROR ? p.len : 0;
	return e;
}

/* --- back to text ------------------------------------------------------------------ */

struct writer {
	char *out;
	size_t cap, len;
	bool full;
};

static void
say(struct writer *w, const char *s)
{
	size_t n = strlen(s);

	if (n >= w->cap - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->out + w->len, s, n + 1);
	w->len += n;
}

static void
say_number(struct writer *w, uint64_t v)
{
	char digits[21];
	size_t n = sizeof digits - 1;

	digits[n] = '\0';
	do
		digits[--n] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	say(w, digits + n);
}

static uint64_t
get_field(const struct pfk_codec *c, const struct pfk_field *f,
    const char *name, const uint8_t *at)
{
	for (; f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			return pfk_get(c, f, at);
	return 0;
}

static enum pfk_eipsec
say_addrs(struct writer *w, const struct pfk_codec *c, struct ipm_span s)
{
	char text[46];

	if (s.len == 0)
		return PFK_E_NO_ERROR;
	for (int i = 0; i < 2; i++) {
		struct pfk_sockaddr sa;
		size_t n = pfk_sockaddr_read(c, s, &sa);

		if (n == 0 || !sa.known)
			return PFK_E_INVAL_ADDRESS;
		if (i == 1)
			say(w, "-");
		say(w, ipm_addr_text(&sa.addr, text));
		if (sa.addr.scope != 0) {
			say(w, "%");
			say_number(w, sa.addr.scope);
		}
		s = ipm_span_from(s, n);
	}
	/* IPv6 pairs of a 16-octet request are filled to 8. */
	return s.len < 8 ? PFK_E_NO_ERROR : PFK_E_INVAL_ADDRESS;
}

static enum pfk_eipsec
say_request(struct writer *w, const struct pfk_codec *c, struct ipm_span s)
{
	const struct pfk_field *f = pfk_request_fields(c->dialect);
	size_t fixed = c->dialect->request_size;
	uint64_t proto = get_field(c, f, "proto", s.p);
	uint64_t mode = get_field(c, f, "mode", s.p);
	uint64_t level = get_field(c, f, "level", s.p);
	uint64_t reqid = get_field(c, f, "reqid", s.p);
	const char *name =
	    proto > 255 ? NULL : pfk_name(protocols, (uint8_t)proto);
	enum pfk_eipsec e;

	if (name == NULL || proto == 6)
		return PFK_E_INVAL_PROTO;
	say(w, name);
	name = mode == 0 ? "any"
	    : mode > 2   ? NULL
			 : pfk_name(modes, (uint8_t)mode);
	if (name == NULL)
		return PFK_E_INVAL_MODE;
	say(w, "/");
	say(w, name);
	say(w, "/");
	e = say_addrs(w, c, ipm_span_from(s, fixed));
	if (e != PFK_E_NO_ERROR)
		return e;
	name = level > 3 ? NULL : pfk_name(levels, (uint8_t)level);
	if (name == NULL)
		return PFK_E_INVAL_LEVEL;
	say(w, "/");
	say(w, name);
	if (reqid != 0) {
		say(w, reqid > MANUAL_REQID_MAX ? "#" : ":");
		say_number(w, reqid);
	}
	return PFK_E_NO_ERROR;
}

enum pfk_eipsec
pfk_policy_text(const struct pfk_codec *c, struct ipm_span policy,
    const char *delim, char *out, size_t cap)
{
	const struct pfk_ext_row *row =
	    pfk_ext_row_by_name(c->dialect, "X_POLICY");
	static const char *const dir_names[] = { "any", "in", "out" };
	struct writer w = { .out = out, .cap = cap };
	uint64_t dir, type;

	if (cap == 0)
		return PFK_E_NO_BUFS;
	out[0] = '\0';
	if (row == NULL || policy.len < 16 ||
	    pfk_get(c, &(struct pfk_field){ "", 2, 2, PFK_HOST }, policy.p) !=
		row->type)
		return PFK_E_INVAL_EXTTYPE;
	if (pfk_get(c, &len_field, policy.p) * 8 != policy.len)
		return PFK_E_INVAL_SADBMSG;
	dir = get_field(c, row->field, "dir", policy.p);
	type = get_field(c, row->field, "policy", policy.p);
	if (dir > 2)
		return PFK_E_INVAL_DIR;
	if (type > 4)
		return PFK_E_INVAL_POLICY;
	say(&w, dir_names[dir]);
	say(&w, " ");
	say(&w, pfk_name(actions, (uint8_t)type));
	policy = ipm_span_from(policy, 16);
	while (type == IPSEC_POLICY_IPSEC && policy.len != 0) {
		size_t n = policy.len < c->dialect->request_size
		    ? 0
		    : (size_t)pfk_get(c, &len_field, policy.p);
		enum pfk_eipsec e;

		if (n < c->dialect->request_size)
			return PFK_E_INVAL_SADBMSG;
		if (n > policy.len)
			return PFK_E_INVAL_PROTO;
		say(&w, delim == NULL ? " " : delim);
		e = say_request(&w, c, ipm_span_sub(policy, 0, n));
		if (e != PFK_E_NO_ERROR)
			return e;
		policy = ipm_span_from(policy, n);
	}
	return w.full ? PFK_E_NO_BUFS : PFK_E_NO_ERROR;
}
