#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_sidecar.h"

/* More than any key: a null cipher takes up to 256 octets. */
#define KEY_ROOM 512U

/* Where reading has got to, for errors. */
struct reader {
	const char *file;
	struct hx_err *err;
	char path[96]; /* of the object being read; "" the top */
};

/* What the top level says for every SA that does not say otherwise. */
struct defaults {
	bool esn, natt;
	uint32_t window;
	uint64_t last_seq;
	uint16_t sport, dport;
	uint32_t flags;
};

__attribute__((format(printf, 3, 4))) static bool
fail(const struct reader *r, const char *member, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->path[0] == '\0' && member[0] == '\0')
		hx_err_set(r->err, r->file, 0, 0, "%s", text);
	else
		hx_err_set(r->err, r->file, 0, 0, "%s%s%s: %s", r->path,
		    r->path[0] != '\0' && member[0] != '\0' ? "." : "", member,
		    text);
	return false;
}

static const char *
type_name(const json_t *v)
{
	if (v == NULL)
		return "nothing";
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a real number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

/*
 * The readers of one member.  An absent member leaves *v as it is; one of the
 * wrong type is an error.
 */
static bool
get_bool(const struct reader *r, const json_t *o, const char *name, bool *v)
{
	const json_t *m = json_object_get(o, name);

	if (m == NULL)
		return true;
	if (!json_is_boolean(m))
		return fail(
		    r, name, "a boolean is expected, not %s", type_name(m));
	*v = json_is_true(m);
	return true;
}

static bool
get_uint(const struct reader *r, const json_t *o, const char *name,
    uint64_t min, uint64_t max, uint64_t *v)
{
	const json_t *m = json_object_get(o, name);

	if (m == NULL)
		return true;
	if (!json_is_integer(m))
		return fail(
		    r, name, "an integer is expected, not %s", type_name(m));
	const json_int_t n = json_integer_value(m);
	if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
		return fail(r, name, "%lld is not in the range %llu to %llu",
		    (long long)n, (unsigned long long)min,
		    (unsigned long long)max);
	*v = (uint64_t)n;
	return true;
}

/* *v NULL when absent. */
static bool
get_string(
    const struct reader *r, const json_t *o, const char *name, const char **v)
{
	const json_t *m = json_object_get(o, name);

	*v = NULL;
	if (m == NULL)
		return true;
	if (!json_is_string(m))
		return fail(
		    r, name, "a string is expected, not %s", type_name(m));
	*v = json_string_value(m);
	return true;
}

static bool
need_string(
    const struct reader *r, const json_t *o, const char *name, const char **v)
{
	if (!get_string(r, o, name, v))
		return false;
	return *v != NULL || fail(r, name, "is missing");
}

static int
hex_value(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return -1;
}

/* Two digits to an octet; false for anything else and when out is full. */
static bool
hex_decode(const char *text, uint8_t *out, size_t cap, size_t *len)
{
	*len = 0;
	for (; text[0] != '\0'; text += 2) {
		const int hi = hex_value(text[0]);
		const int lo = hi < 0 ? -1 : hex_value(text[1]);

		if (lo < 0 || *len == cap)
			return false;
		out[(*len)++] = (uint8_t)(hi * 16 + lo);
	}
	return true;
}

/* initial_seq: {"hi": .., "lo": ..}, the last number used. */
static bool
get_seq(struct reader *r, const json_t *o, uint64_t *seq)
{
	const json_t *m = json_object_get(o, "initial_seq");
	uint64_t hi = 0, lo = 0;

	if (m == NULL)
		return true;
	if (!json_is_object(m))
		return fail(r, "initial_seq", "an object is expected, not %s",
		    type_name(m));
	if (json_object_get(m, "lo") == NULL)
		return fail(r, "initial_seq.lo", "is missing");

	const size_t at = strlen(r->path);
	(void)snprintf(r->path + at, sizeof(r->path) - at, "%sinitial_seq",
	    at == 0 ? "" : ".");
	if (!get_uint(r, m, "hi", 0, UINT32_MAX, &hi) ||
	    !get_uint(r, m, "lo", 0, UINT32_MAX, &lo))
		return false;
	r->path[at] = '\0';
	*seq = hi << 32 | lo;
	return true;
}

static bool
get_flags(const struct reader *r, const json_t *o, uint32_t *flags)
{
	const json_t *m = json_object_get(o, "sa_flags");
	char name[40];

	if (m == NULL)
		return true;
	if (!json_is_array(m))
		return fail(r, "sa_flags", "an array is expected, not %s",
		    type_name(m));
	for (size_t i = 0; i < json_array_size(m); i++) {
		const json_t *w = json_array_get(m, i);

		(void)snprintf(name, sizeof(name), "sa_flags[%zu]", i);
		if (!json_is_string(w))
			return fail(r, name, "a string is expected, not %s",
			    type_name(w));
		const uint32_t f = hx_sa_flag_by_name(
		    json_string_value(w), json_string_length(w));
		if (f == 0)
			return fail(r, name, "unknown flag \"%.40s\"",
			    json_string_value(w));
		*flags |= f;
	}
	return true;
}

/* The members that stand at the top level or in an SA. */
static bool
get_defaults(struct reader *r, const json_t *o, struct defaults *d)
{
	uint64_t window = d->window, sport = d->sport, dport = d->dport;

	if (!get_bool(r, o, "esn", &d->esn) ||
	    !get_bool(r, o, "udp_encap", &d->natt) ||
	    !get_uint(r, o, "replay_window", 0, UINT32_MAX - 32, &window) ||
	    !get_uint(r, o, "sport", 1, UINT16_MAX, &sport) ||
	    !get_uint(r, o, "dport", 1, UINT16_MAX, &dport) ||
	    !get_seq(r, o, &d->last_seq) || !get_flags(r, o, &d->flags))
		return false;
	d->window = (uint32_t)window;
	d->sport = (uint16_t)sport;
	d->dport = (uint16_t)dport;
	return true;
}

/* An SA under construction, with room for its keys. */
struct draft {
	struct ipm_sa_config cfg;
	uint8_t enc_key[KEY_ROOM], auth_key[KEY_ROOM];
};

/* Appends the octets of a member in hexadecimal digits to key. */
static bool
get_hex(const struct reader *r, const json_t *o, const char *name,
    uint8_t key[KEY_ROOM], size_t *len)
{
	const char *text;
	size_t n;

	if (!get_string(r, o, name, &text))
		return false;
	if (text == NULL)
		return true;
	if (strlen(text) > 2 * (KEY_ROOM - *len))
		return fail(r, name, "too long: %zu digits", strlen(text));
	if (!hex_decode(text, key + *len, KEY_ROOM - *len, &n))
		return fail(r, name,
		    "an even number of hexadecimal digits is expected");
	*len += n;
	return true;
}

/*
 * encryption or authentication: {algorithm, key, salt, icv_bits}.  *alg stays
 * NULL for "none" and for an absent member.
 */
static bool
get_alg(struct reader *r, const json_t *sa, const char *member, bool is_auth,
    const struct ipm_alg **alg, uint8_t key[KEY_ROOM], struct ipm_span *span)
{
	const json_t *o = json_object_get(sa, member);
	const char *name;
	uint64_t icv = 0;
	size_t len = 0;

	if (o == NULL)
		return true;
	if (!json_is_object(o))
		return fail(
		    r, member, "an object is expected, not %s", type_name(o));

	const size_t at = strlen(r->path);
	(void)snprintf(r->path + at, sizeof(r->path) - at, ".%s", member);
	if (!need_string(r, o, "algorithm", &name) ||
	    !get_uint(r, o, "icv_bits", 0, 512, &icv) ||
	    !get_hex(r, o, "key", key, &len) ||
	    !get_hex(r, o, "salt", key, &len))
		return false;
	*span = ipm_span(key, len);
	if (strcmp(name, "none") != 0) {
		const unsigned bits = (unsigned)icv;

		if (is_auth)
			*alg = ipm_alg_by_family(name, bits, IPM_ALG_AUTH);
		else
			*alg = ipm_alg_by_family(name, bits, IPM_ALG_AEAD);
		if (*alg == NULL && !is_auth)
			*alg = ipm_alg_by_family(name, bits, IPM_ALG_CIPHER);
		if (*alg == NULL && icv != 0)
			return fail(r, "algorithm",
			    "no algorithm \"%.40s\" with an ICV of %u bits",
			    name, bits);
		if (*alg == NULL)
			return fail(r, "algorithm",
			    "unknown algorithm \"%.40s\"", name);
	} else if (len != 0) {
		return fail(r, "key", "no algorithm takes it");
	}
	r->path[at] = '\0';
	return true;
}

static bool
get_comp(const struct reader *r, const json_t *sa, const struct ipm_alg **alg)
{
	const char *name;

	if (!get_string(r, sa, "compression", &name))
		return false;
	if (name == NULL || strcmp(name, "none") == 0)
		return true;
	*alg = ipm_alg_by_family(name, 0, IPM_ALG_COMP);
	return *alg != NULL ||
	    fail(r, "compression", "unknown algorithm \"%.40s\"", name);
}

static bool
get_addr(const struct reader *r, const json_t *sa, const char *member,
    struct ipm_addr *a)
{
	const char *text;

	if (!need_string(r, sa, member, &text))
		return false;
	return hx_addr_parse(text, strlen(text), a) ||
	    fail(r, member, "\"%.50s\" is not a numeric address", text);
}

static bool
get_proto(const struct reader *r, const json_t *sa, uint8_t *proto)
{
	const char *word;

	if (!need_string(r, sa, "proto", &word))
		return false;
	if (strcmp(word, "esp") == 0)
		*proto = IPM_PROTO_ESP;
	else if (strcmp(word, "ah") == 0)
		*proto = IPM_PROTO_AH;
	else if (strcmp(word, "ipcomp") == 0)
		*proto = IPM_PROTO_IPCOMP;
	else
		return fail(
		    r, "proto", "\"%.40s\" is none of esp, ah, ipcomp", word);
	return true;
}

static bool
get_mode(const struct reader *r, const json_t *sa, enum ipm_mode *mode)
{
	const char *word;

	if (!get_string(r, sa, "mode", &word))
		return false;
	if (word == NULL || strcmp(word, "any") == 0)
		*mode = IPM_MODE_ANY;
	else if (strcmp(word, "transport") == 0)
		*mode = IPM_MODE_TRANSPORT;
	else if (strcmp(word, "tunnel") == 0)
		*mode = IPM_MODE_TUNNEL;
	else
		return fail(r, "mode",
		    "\"%.40s\" is none of transport, tunnel, any", word);
	return true;
}

/* "0x" and one to eight hexadecimal digits. */
static bool
get_spi(const struct reader *r, const json_t *sa, uint32_t *spi)
{
	const char *text;
	uint32_t v = 0;
	size_t i;

	if (!need_string(r, sa, "spi", &text))
		return false;
	if (strncmp(text, "0x", 2) != 0)
		return fail(r, "spi", "0x and hexadecimal digits are expected");
	for (i = 2; i < 10 && hex_value(text[i]) >= 0; i++)
		v = v << 4 | (uint32_t)hex_value(text[i]);
	if (i == 2 || text[i] != '\0')
		return fail(r, "spi",
		    "0x and one to eight hexadecimal digits are expected");
	*spi = v;
	return true;
}

/* What the top level and the SA itself say beyond keys and addresses. */
static bool
get_extras(struct reader *r, const json_t *sa, const struct defaults *top,
    struct ipm_sa_config *c)
{
	struct defaults d = *top;

	/* The top level speaks of the capture; these do not have it. */
	if (c->proto == IPM_PROTO_IPCOMP) {
		d.esn = false;
		d.window = 0;
		d.last_seq = 0;
	}
	if (c->proto != IPM_PROTO_ESP)
		d.natt = false;
	if (!get_defaults(r, sa, &d))
		return false;
	c->flags |= d.flags;
	if (d.esn)
		c->flags |= IPM_SAF_ESN;
	if (d.natt) {
		c->flags |= IPM_SAF_NATT;
		c->sport = d.sport;
		c->dport = d.dport;
	}
	/* The sidecar's SPI is what stands on the wire. */
	if (c->proto == IPM_PROTO_IPCOMP)
		c->flags |= IPM_SAF_RAWCPI;
	c->window = d.window;
	c->last_seq = d.last_seq;
	return true;
}

static bool
get_sa(struct reader *r, const json_t *sa, const struct defaults *top,
    struct draft *d)
{
	struct ipm_sa_config *c = &d->cfg;
	uint64_t reqid = 0, order = 0;
	const char *dir;

	if (!get_proto(r, sa, &c->proto) || !get_spi(r, sa, &c->spi) ||
	    !get_mode(r, sa, &c->mode) || !get_addr(r, sa, "src", &c->src) ||
	    !get_addr(r, sa, "dst", &c->dst) ||
	    !get_uint(r, sa, "reqid", 0, UINT32_MAX, &reqid) ||
	    !get_uint(r, sa, "order", 0, 255, &order) ||
	    !get_string(r, sa, "dir", &dir) ||
	    !get_alg(
		r, sa, "encryption", false, &c->enc, d->enc_key, &c->enc_key) ||
	    !get_alg(r, sa, "authentication", true, &c->auth, d->auth_key,
		&c->auth_key) ||
	    !get_comp(r, sa, &c->comp) || !get_extras(r, sa, top, c))
		return false;
	c->reqid = (uint32_t)reqid;
	if (c->src.family != c->dst.family)
		return fail(r, "dst", "source is IPv%u and destination IPv%u",
		    c->src.family, c->dst.family);
	return true;
}

static bool
refused(const struct reader *r, const struct ipm_sa_config *c)
{
	static const char *const member[] = {
		[HX_SA_WHOLE] = "",
		[HX_SA_SPI] = "spi",
		[HX_SA_ENC_KEY] = "encryption",
		[HX_SA_AUTH_KEY] = "authentication",
	};
	char buf[200];
	enum hx_sa_part part;
	const char *why = hx_sa_refusal(c, buf, sizeof(buf), &part);

	return why != NULL && !fail(r, member[part], "%s", why);
}

/* Reads sas[i] and adds it to the list. */
static bool
add_sa(struct reader *r, const json_t *sa, size_t i, const struct defaults *top,
    struct draft *d, struct hx_salist *list)
{
	size_t other = 0;

	(void)snprintf(r->path, sizeof(r->path), "sas[%zu]", i);
	if (!json_is_object(sa))
		return fail(
		    r, "", "an object is expected, not %s", type_name(sa));
	memset(d, 0, sizeof(*d));
	if (!get_sa(r, sa, top, d) || refused(r, &d->cfg))
		return false;
	const enum ipm_err e = hx_salist_add(list, &d->cfg, 0, &other);
	if (e == IPM_ERR_EXISTS)
		return fail(r, "",
		    "sas[%zu] has this destination, protocol and SPI already",
		    other);
	return e == IPM_OK || fail(r, "", "out of memory");
}

static bool
get_sas(struct reader *r, const json_t *root, struct hx_salist *list)
{
	struct defaults top = { .sport = 4500, .dport = 4500 };
	const json_t *sas = json_object_get(root, "sas");
	struct draft d;
	bool ok = true;

	if (!get_defaults(r, root, &top))
		return false;
	if (sas == NULL)
		return fail(r, "sas", "is missing");
	if (!json_is_array(sas))
		return fail(
		    r, "sas", "an array is expected, not %s", type_name(sas));
	for (size_t i = 0; ok && i < json_array_size(sas); i++)
		ok = add_sa(r, json_array_get(sas, i), i, &top, &d, list);
	ipm_wipe(&d, sizeof(d));
	r->path[0] = '\0';
	return ok;
}

/* frames or negative: an array of objects, or absent. */
static bool
check_truth(const struct reader *r, const json_t *root, const char *name)
{
	const json_t *m = json_object_get(root, name);
	char path[40];

	if (m == NULL)
		return true;
	if (!json_is_array(m))
		return fail(
		    r, name, "an array is expected, not %s", type_name(m));
	for (size_t i = 0; i < json_array_size(m); i++) {
		if (json_is_object(json_array_get(m, i)))
			continue;
		(void)snprintf(path, sizeof(path), "%s[%zu]", name, i);
		return fail(r, path, "an object is expected, not %s",
		    type_name(json_array_get(m, i)));
	}
	return true;
}

static bool
check_schema(const struct reader *r, const json_t *root)
{
	const char *schema;
	uint64_t version = 0;

	if (!json_is_object(root))
		return fail(
		    r, "", "an object is expected, not %s", type_name(root));
	if (!need_string(r, root, "schema", &schema))
		return false;
	if (strcmp(schema, "ipsec-capture") != 0)
		return fail(r, "schema",
		    "\"%.60s\" is no configuration; \"ipsec-capture\" is",
		    schema);
	if (json_object_get(root, "version") == NULL)
		return fail(r, "version", "is missing");
	return get_uint(r, root, "version", 1, 1, &version);
}

/* Jansson's complaint, without the piece of text it quotes: maybe a key. */
static void
syntax_error(const char *file, const json_error_t *e, struct hx_err *err)
{
	const char *near = strstr(e->text, " near '");
	const int len =
	    near == NULL ? (int)strlen(e->text) : (int)(near - e->text);

	hx_err_set(err, file, e->line > 0 ? (unsigned)e->line : 1,
	    e->column > 0 ? (unsigned)e->column : 0, "%.*s", len, e->text);
}

bool
hx_sidecar_read(const json_t *root, const char *file, struct hx_config *cfg,
    struct hx_err *err)
{
	struct reader r = { .file = file, .err = err };
	struct hx_salist list;
	bool ok;

	memset(cfg, 0, sizeof(*cfg));
	memset(&list, 0, sizeof(list));
	ok = check_schema(&r, root) && get_sas(&r, root, &list) &&
	    check_truth(&r, root, "frames") &&
	    check_truth(&r, root, "negative");
	if (ok)
		hx_config_take(cfg, HX_CONFIG_SIDECAR, &list);
	else
		hx_salist_free(&list);
	return ok;
}

bool
hx_sidecar_parse(const char *buf, size_t len, const char *file,
    struct hx_config *cfg, struct hx_err *err)
{
	json_error_t e;
	json_t *root = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &e);

	memset(cfg, 0, sizeof(*cfg));
	if (root == NULL) {
		syntax_error(file, &e, err);
		return false;
	}
	const bool ok = hx_sidecar_read(root, file, cfg, err);
	hx_sidecar_wipe(root);
	json_decref(root);
	return ok;
}

/* Overwrites a string in place; Jansson gives no way to wipe one. */
static void
wipe_member(const json_t *o, const char *name)
{
	const json_t *m = json_object_get(o, name);
	const char *text = json_string_value(m);
	void *p;

	if (text == NULL)
		return;
	memcpy(&p, &text, sizeof(p));
	ipm_wipe(p, json_string_length(m));
}

void
hx_sidecar_wipe(json_t *root)
{
	static const char *const members[] = { "encryption", "authentication" };
	const json_t *sas = json_object_get(root, "sas");

	for (size_t i = 0; i < json_array_size(sas); i++) {
		for (size_t k = 0; k < 2; k++) {
			const json_t *o =
			    json_object_get(json_array_get(sas, i), members[k]);

			wipe_member(o, "key");
			wipe_member(o, "salt");
		}
	}
}
