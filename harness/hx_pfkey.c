/*
 * Implementation notes.  A tail is shown piece by piece (addresses, combs,
 * requests) when those pieces, put together again, give the same octets; else
 * it is shown as it stands ("tail").  So decoding and encoding is the identity
 * on every message, odd paddings included.
 */
#include "hx_pfkey.h"

#include <stdlib.h>
#include <string.h>

#include "hx_salist.h"

#define MESSAGE_MAX ((size_t)65535 * 8)

/* A growing run of octets. */
struct buf {
	uint8_t *p;
	size_t len, cap;
	bool bad;
};

static void
put(struct buf *b, const uint8_t *p, size_t len)
{
	if (b->len + len > b->cap) {
		size_t cap = (b->len + len) * 2 + 64;
		uint8_t *q = realloc(b->p, cap);

		if (q == NULL) {
			b->bad = true;
			return;
		}
		b->p = q;
		b->cap = cap;
	}
	if (len != 0)
		memcpy(b->p + b->len, p, len);
	b->len += len;
}

static json_t *
hex_json(struct ipm_span s)
{
	char *text = malloc(s.len * 2 + 1);
	json_t *j = text == NULL ? NULL : json_string(hx_hex_write(s, text));

	free(text);
	return j;
}

static bool
put_hex(struct buf *b, const json_t *j)
{
	struct hx_octets o;

	if (!json_is_string(j) || !hx_hex_read(json_string_value(j), &o))
		return false;
	put(b, o.p, o.len);
	hx_octets_free(&o);
	return true;
}

/* --- fields -------------------------------------------------------------------- */

static void
fields_to_json(const struct pfk_codec *c, const struct pfk_field *f,
    const uint8_t *p, json_t *out)
{
	for (; f->name != NULL; f++) {
		uint64_t v = pfk_get(c, f, p);
		char text[24];

		if (strcmp(f->name, "spi") == 0) {
			(void)snprintf(text, sizeof text, "0x%08llx",
			    (unsigned long long)v);
			(void)json_object_set_new(
			    out, f->name, json_string(text));
		} else if (v > INT64_MAX) {
			(void)snprintf(
			    text, sizeof text, "%llu", (unsigned long long)v);
			(void)json_object_set_new(
			    out, f->name, json_string(text));
		} else {
			(void)json_object_set_new(
			    out, f->name, json_integer((json_int_t)v));
		}
	}
}

/* A number, or its text; absent is 0. */
static bool
number(const json_t *obj, const char *name, unsigned octets, uint64_t *v)
{
	const json_t *j = json_object_get(obj, name);
	char *end;

	*v = 0;
	if (j == NULL)
		return true;
	if (json_is_integer(j) && json_integer_value(j) >= 0) {
		*v = (uint64_t)json_integer_value(j);
	} else if (json_is_string(j) && *json_string_value(j) != '\0') {
		*v = strtoull(json_string_value(j), &end, 0);
		if (*end != '\0' || json_string_value(j)[0] == '-')
			return false;
	} else {
		return false;
	}
	return octets == 8 || *v >> 8 * octets == 0;
}

static bool
fields_from_json(const struct pfk_codec *c, const struct pfk_field *f,
    const json_t *j, uint8_t *p)
{
	for (; f->name != NULL; f++) {
		uint64_t v;

		if (!number(j, f->name, f->size, &v))
			return false;
		pfk_put(c, f, p, v);
	}
	return true;
}

/* --- sockaddrs ------------------------------------------------------------------- */

static bool
all_zero(struct ipm_span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] != 0)
			return false;
	return true;
}

static json_t *
sockaddr_to_json(const struct pfk_sockaddr *sa)
{
	json_t *j = json_object();
	char text[46];

	(void)json_object_set_new(j, "family", json_integer(sa->family));
	if (!sa->known) {
		(void)json_object_set_new(j, "len", json_integer(sa->len));
		(void)json_object_set_new(j, "octets", hex_json(sa->rest));
		return j;
	}
	(void)json_object_set_new(
	    j, "addr", json_string(ipm_addr_text(&sa->addr, text)));
	(void)json_object_set_new(j, "port", json_integer(sa->port));
	if (sa->flowinfo != 0)
		(void)json_object_set_new(
		    j, "flowinfo", json_integer(sa->flowinfo));
	if (sa->addr.scope != 0)
		(void)json_object_set_new(
		    j, "scope", json_integer(sa->addr.scope));
	if (sa->addr.family == 4 && !all_zero(sa->rest))
		(void)json_object_set_new(j, "zero", hex_json(sa->rest));
	return j;
}

static bool
put_sockaddr(const struct pfk_codec *c, const json_t *j, struct buf *b)
{
	const char *text = json_string_value(json_object_get(j, "addr"));
	struct pfk_sockaddr sa = { 0 };
	struct hx_octets rest = { 0 };
	const json_t *raw =
	    json_object_get(j, text == NULL ? "octets" : "zero");
	uint64_t family, port, flow, scope, len;
	uint8_t out[256];
	size_t n;

	if (!number(j, "family", 2, &family) || !number(j, "port", 2, &port) ||
	    !number(j, "flowinfo", 4, &flow) ||
	    !number(j, "scope", 4, &scope) || !number(j, "len", 1, &len))
		return false;
	if (raw != NULL &&
	    (!json_is_string(raw) ||
		!hx_hex_read(json_string_value(raw), &rest)))
		return false;
	sa.known = text != NULL;
	if (text != NULL && !hx_addr_parse(text, strlen(text), &sa.addr)) {
		hx_octets_free(&rest);
		return false;
	}
	sa.family = (uint16_t)family;
	if (json_object_get(j, "family") == NULL)
		sa.family = sa.addr.family == 4 ? 2 : c->dialect->af_inet6;
	sa.len = (uint8_t)len;
	sa.port = (uint16_t)port;
	sa.flowinfo = (uint32_t)flow;
	sa.addr.scope = (uint32_t)scope;
	sa.rest = hx_span(&rest);
	n = pfk_sockaddr_write(c, &sa, out, sizeof out);
	put(b, out, n);
	hx_octets_free(&rest);
	return n != 0;
}

/* Sockaddrs one after another, up to the end or n of them. */
static json_t *
sockaddrs_to_json(
    const struct pfk_codec *c, struct ipm_span s, size_t n, size_t *used)
{
	json_t *list = json_array();
	struct pfk_sockaddr sa;
	size_t one;

	*used = 0;
	while (n-- > 0 &&
	    (one = pfk_sockaddr_read(c, ipm_span_from(s, *used), &sa)) != 0) {
		(void)json_array_append_new(list, sockaddr_to_json(&sa));
		*used += one;
	}
	return list;
}

static bool
put_sockaddrs(const struct pfk_codec *c, const json_t *list, struct buf *b)
{
	size_t i;
	json_t *j;

	json_array_foreach(list, i, j) if (!put_sockaddr(c, j, b)) return false;
	return true;
}

/* --- tails ------------------------------------------------------------------------ */

static json_t *
table_to_json(const struct pfk_codec *c, const struct pfk_field *f, size_t size,
    struct ipm_span s)
{
	json_t *list = json_array();

	for (; s.len >= size; s = ipm_span_from(s, size)) {
		json_t *row = json_object();

		fields_to_json(c, f, s.p, row);
		(void)json_array_append_new(list, row);
	}
	return list;
}

static bool
put_table(const struct pfk_codec *c, const struct pfk_field *f, size_t size,
    const json_t *list, struct buf *b)
{
	size_t i;
	json_t *j;

	json_array_foreach(list, i, j)
	{
		uint8_t row[80] = { 0 };

		if (!fields_from_json(c, f, j, row))
			return false;
		put(b, row, size);
	}
	return true;
}

/* One IPsec request: its own length in octets, fields, two sockaddrs. */
static json_t *
requests_to_json(const struct pfk_codec *c, struct ipm_span s)
{
	static const struct pfk_field len_field = { "len", 0, 2, PFK_HOST };
	json_t *list = json_array();
	size_t fixed = c->dialect->request_size, used;

	while (fixed != 0 && s.len >= fixed) {
		size_t len = (size_t)pfk_get(c, &len_field, s.p);
		json_t *j = json_object();

		if (len < fixed || len > s.len) {
			json_decref(j);
			break;
		}
		(void)json_object_set_new(
		    j, "len", json_integer((json_int_t)len));
		fields_to_json(c, pfk_request_fields(c->dialect), s.p, j);
		(void)json_object_set_new(j, "addrs",
		    sockaddrs_to_json(
			c, ipm_span_sub(s, fixed, len - fixed), 2, &used));
		(void)json_array_append_new(list, j);
		s = ipm_span_from(s, len);
	}
	return list;
}

static bool
put_requests(const struct pfk_codec *c, const json_t *list, struct buf *b)
{
	static const struct pfk_field len_field = { "len", 0, 2, PFK_HOST };
	static const uint8_t zeros[8];
	size_t fixed = c->dialect->request_size, i;
	json_t *j;

	json_array_foreach(list, i, j)
	{
		size_t start = b->len, made;
		uint8_t head[16] = { 0 };
		uint64_t len;

		if (!fields_from_json(
			c, pfk_request_fields(c->dialect), j, head) ||
		    !number(j, "len", 2, &len))
			return false;
		put(b, head, fixed);
		if (!put_sockaddrs(c, json_object_get(j, "addrs"), b))
			return false;
		made = b->len - start;
		if (made % 8 != 0)
			put(b, zeros, 8 - made % 8);
		made = b->len - start;
		if (b->bad ||
		    (json_object_get(j, "len") != NULL && len != made))
			return false;
		pfk_put(c, &len_field, b->p + start, made);
	}
	return true;
}

/* The member that shows a tail, by its kind. */
const char *const hx_pfkey_tails[] = {
	[PFK_TAIL_NONE] = "padding",
	[PFK_TAIL_SOCKADDR] = "addrs",
	[PFK_TAIL_KEY] = "key",
	[PFK_TAIL_STRING] = "string",
	[PFK_TAIL_COMBS] = "combs",
	[PFK_TAIL_ALGS] = "algs",
	[PFK_TAIL_REQUESTS] = "requests",
	[PFK_TAIL_OCTETS] = "octets",
};

static json_t *
tail_to_json(const struct pfk_codec *c, const struct pfk_ext *e)
{
	size_t used;

	switch (e->row->tail) {
	case PFK_TAIL_NONE:
		return NULL;
	case PFK_TAIL_SOCKADDR:
		return sockaddrs_to_json(c, e->tail,
		    e->type == 25 && e->row->size == 8 ? 2 : 1, &used);
	case PFK_TAIL_KEY:
		return hex_json(
		    ipm_span_sub(e->tail, 0, (size_t)e->value[0] / 8));
	case PFK_TAIL_STRING:
		if (e->tail.len == 0 ||
		    memchr(e->tail.p, 0, e->tail.len) == NULL)
			return NULL;
		return json_string((const char *)e->tail.p);
	case PFK_TAIL_COMBS:
		return table_to_json(c, pfk_comb_fields, 72, e->tail);
	case PFK_TAIL_ALGS:
		return table_to_json(c, pfk_alg_fields, 8, e->tail);
	case PFK_TAIL_REQUESTS:
		return requests_to_json(c, e->tail);
	case PFK_TAIL_OCTETS:
		return hex_json(e->tail);
	}
	return NULL;
}

static bool
put_tail(const struct pfk_codec *c, enum pfk_tail tail, const json_t *j,
    struct buf *b)
{
	switch (tail) {
	case PFK_TAIL_NONE:
		return j == NULL;
	case PFK_TAIL_SOCKADDR:
		return put_sockaddrs(c, j, b);
	case PFK_TAIL_KEY:
	case PFK_TAIL_OCTETS:
		return put_hex(b, j);
	case PFK_TAIL_STRING:
		if (!json_is_string(j))
			return false;
		put(b, (const uint8_t *)json_string_value(j),
		    json_string_length(j) + 1);
		return true;
	case PFK_TAIL_COMBS:
		return put_table(c, pfk_comb_fields, 72, j, b);
	case PFK_TAIL_ALGS:
		return put_table(c, pfk_alg_fields, 8, j, b);
	case PFK_TAIL_REQUESTS:
		return put_requests(c, j, b);
	}
	return false;
}

/* Do the pieces give the tail again, filled with zeros up to 8 octets? */
static bool
gives_tail_again(
    const struct pfk_codec *c, const struct pfk_ext *e, const json_t *j)
{
	struct buf b = { 0 };
	bool same = put_tail(c, e->row->tail, j, &b) && !b.bad &&
	    b.len <= e->tail.len &&
	    (e->row->size + b.len + 7) / 8 ==
		(e->row->size + e->tail.len) / 8 &&
	    (b.len == 0 || memcmp(b.p, e->tail.p, b.len) == 0) &&
	    all_zero(ipm_span_from(e->tail, b.len));

	if (b.p != NULL)
		ipm_wipe(b.p, b.len);
	free(b.p);
	return same;
}

static json_t *
ext_to_json(const struct pfk_codec *c, const struct pfk_ext *e, bool show_keys)
{
	json_t *j = json_object(), *tail;
	bool key;

	if (e->row == NULL) {
		(void)json_object_set_new(j, "ext", json_integer(e->type));
		(void)json_object_set_new(j, "tail", hex_json(e->tail));
		return j;
	}
	(void)json_object_set_new(j, "ext", json_string(e->row->name));
	/* Values were read from the octets; show them by way of a copy. */
	uint8_t fixed[64] = { 0 };
	for (size_t i = 0; i < PFK_FIELDS_MAX && e->row->field[i].name != NULL;
	     i++)
		pfk_put(c, &e->row->field[i], fixed, e->value[i]);
	fields_to_json(c, e->row->field, fixed, j);
	key = e->row->tail == PFK_TAIL_KEY;
	if (key && !show_keys) {
		(void)json_object_set_new(
		    j, "key_octets", json_integer((json_int_t)e->tail.len));
		return j;
	}
	tail = tail_to_json(c, e);
	if (e->tail.len == 0 && e->row->tail != PFK_TAIL_KEY) {
		json_decref(tail);
	} else if (tail != NULL && gives_tail_again(c, e, tail)) {
		(void)json_object_set_new(
		    j, hx_pfkey_tails[e->row->tail], tail);
	} else {
		json_decref(tail);
		(void)json_object_set_new(j, "tail", hex_json(e->tail));
	}
	return j;
}

static void
set_name(
    json_t *j, const char *member, const struct pfk_name *list, uint8_t number)
{
	const char *name = pfk_name(list, number);

	(void)json_object_set_new(
	    j, member, name == NULL ? json_integer(number) : json_string(name));
}

json_t *
hx_pfkey_to_json(const struct pfk_codec *c, struct ipm_span octets,
    bool show_keys, enum pfk_fault *fault, size_t *where)
{
	struct pfk_ext exts[PFK_EXTS_MAX];
	struct pfk_msg m;
	json_t *j, *list;
	size_t n;

	*fault = pfk_decode(c, octets, &m, exts, &n, where);
	if (*fault != PFK_FINE)
		return NULL;
	j = json_object();
	list = json_array();
	set_name(j, "type", c->dialect->msgs, m.type);
	(void)json_object_set_new(j, "version", json_integer(m.version));
	(void)json_object_set_new(j, "errno", json_integer(m.err));
	set_name(j, "satype", c->dialect->satypes, m.satype);
	(void)json_object_set_new(j, "reserved", json_integer(m.reserved));
	(void)json_object_set_new(j, "seq", json_integer(m.seq));
	(void)json_object_set_new(j, "pid", json_integer(m.pid));
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(
		    list, ext_to_json(c, &exts[i], show_keys));
	(void)json_object_set_new(j, "exts", list);
	return j;
}

/* --- back --------------------------------------------------------------------------- */

static bool
named(const json_t *j, const char *member, const struct pfk_name *list,
    uint8_t *v)
{
	const char *name = json_string_value(json_object_get(j, member));
	uint64_t n;
	int known = name == NULL ? -1 : pfk_number(list, name);

	if (known >= 0) {
		*v = (uint8_t)known;
		return true;
	}
	if (!number(j, member, 1, &n))
		return false;
	*v = (uint8_t)n;
	return true;
}

static bool
put_ext(const struct pfk_codec *c, const json_t *j, struct pfk_ext *e,
    struct buf *b, char *why, size_t len)
{
	const json_t *ext = json_object_get(j, "ext"), *raw, *tail;
	const char *name = json_string_value(ext);

	*e = (struct pfk_ext){ 0 };
	if (name != NULL)
		e->row = pfk_ext_row_by_name(c->dialect, name);
	else if (json_is_integer(ext))
		e->type = (uint16_t)json_integer_value(ext);
	if (name != NULL && e->row == NULL) {
		(void)snprintf(why, len, "no extension %.40s in dialect %s",
		    name, c->dialect->name);
		return false;
	}
	if (e->row != NULL)
		e->type = e->row->type;
	for (size_t i = 0; e->row != NULL && i < PFK_FIELDS_MAX &&
	     e->row->field[i].name != NULL;
	     i++)
		if (!number(j, e->row->field[i].name, e->row->field[i].size,
			&e->value[i])) {
			(void)snprintf(why, len, "%s.%s does not fit", name,
			    e->row->field[i].name);
			return false;
		}
	raw = json_object_get(j, "tail");
	tail = e->row == NULL
	    ? NULL
	    : json_object_get(j, hx_pfkey_tails[e->row->tail]);
	if (raw != NULL        ? !put_hex(b, raw)
		: tail != NULL ? !put_tail(c, e->row->tail, tail, b)
			       : false) {
		(void)snprintf(why, len, "what follows %s is malformed",
		    name == NULL ? "an extension" : name);
		return false;
	}
	if (tail == NULL && raw == NULL &&
	    json_object_get(j, "key_octets") != NULL) {
		(void)snprintf(
		    why, len, "%s has no key (decode with --show-keys)", name);
		return false;
	}
	return true;
}

bool
hx_pfkey_from_json(const struct pfk_codec *c, const json_t *j,
    struct hx_octets *out, char *why, size_t len)
{
	const json_t *list = json_object_get(j, "exts");
	struct buf tails[PFK_EXTS_MAX] = { { 0 } };
	struct pfk_ext exts[PFK_EXTS_MAX];
	struct pfk_msg m = { 0 };
	uint64_t v[5] = { 0 };
	size_t n = json_array_size(list), i;
	bool ok = false;

	out->p = NULL;
	out->len = 0;
	(void)snprintf(why, len, "the header is malformed");
	if (!named(j, "type", c->dialect->msgs, &m.type) ||
	    !named(j, "satype", c->dialect->satypes, &m.satype) ||
	    !number(j, "version", 1, &v[0]) || !number(j, "errno", 1, &v[1]) ||
	    !number(j, "reserved", 2, &v[2]) || !number(j, "seq", 4, &v[3]) ||
	    !number(j, "pid", 4, &v[4]) || n > PFK_EXTS_MAX)
		return false;
	m.version =
	    json_object_get(j, "version") == NULL ? PFK_VERSION : (uint8_t)v[0];
	m.err = (uint8_t)v[1];
	m.reserved = (uint16_t)v[2];
	m.seq = (uint32_t)v[3];
	m.pid = (uint32_t)v[4];
	for (i = 0; i < n; i++) {
		if (!put_ext(c, json_array_get(list, i), &exts[i], &tails[i],
			why, len) ||
		    tails[i].bad)
			goto done;
		exts[i].tail = ipm_span(tails[i].p, tails[i].len);
	}
	out->p = malloc(MESSAGE_MAX);
	ok = out->p != NULL &&
	    pfk_encode(c, &m, exts, n, out->p, MESSAGE_MAX, &out->len) ==
		IPM_OK;
	if (!ok) {
		(void)snprintf(why, len, "longer than a message can be");
		hx_octets_free(out);
	}
done:
	for (size_t k = 0; k < PFK_EXTS_MAX; k++) {
		if (tails[k].p != NULL)
			ipm_wipe(tails[k].p, tails[k].len);
		free(tails[k].p);
	}
	return ok;
}

/* --- as text ---------------------------------------------------------------- */

static void
print_value(FILE *out, const char *name, const json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	if (json_is_string(v))
		(void)fprintf(out, " %s=%s", name, json_string_value(v));
	else
		(void)fprintf(out, " %s=%s", name, text == NULL ? "?" : text);
	free(text);
}

void
hx_pfkey_print(FILE *out, json_t *msg)
{
	const char *key;
	json_t *v, *e;
	size_t i;

	json_object_foreach(msg, key, v)
	{
		if (strcmp(key, "type") == 0)
			(void)fprintf(out, json_is_string(v) ? "%s" : "type %s",
			    json_is_string(v) ? json_string_value(v) : "?");
		else if (strcmp(key, "exts") != 0)
			print_value(out, key, v);
	}
	(void)fputc('\n', out);
	json_array_foreach(json_object_get(msg, "exts"), i, e)
	{
		(void)fputs("   ", out);
		json_object_foreach(e, key, v)
		{
			if (strcmp(key, "ext") == 0 && json_is_string(v))
				(void)fprintf(out, " %s", json_string_value(v));
			else
				print_value(out, key, v);
		}
		(void)fputc('\n', out);
	}
}
