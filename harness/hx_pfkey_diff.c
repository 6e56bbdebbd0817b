#include "hx_pfkey_diff.h"

#include <stdio.h>
#include <string.h>

#include "hx_hex.h"
#include "hx_pfkey.h"

static const struct pfk_field header[] = { { "version", 0, 1, PFK_HOST },
	{ "type", 1, 1, PFK_HOST }, { "errno", 2, 1, PFK_HOST },
	{ "satype", 3, 1, PFK_HOST }, { "len", 4, 2, PFK_HOST },
	{ "reserved", 6, 2, PFK_HOST }, { "seq", 8, 4, PFK_HOST },
	{ "pid", 12, 4, PFK_HOST }, { NULL, 0, 0, PFK_HOST } };
static const struct pfk_field ext_header[] = { { "len", 0, 2, PFK_HOST },
	{ "exttype", 2, 2, PFK_HOST }, { NULL, 0, 0, PFK_HOST } };

/* The field of a list, n at most, that has the octet `off` of the structure. */
static bool
among(const struct pfk_field *f, size_t n, size_t base, size_t octet,
    struct hx_pfkey_place *where)
{
	for (size_t i = 0; i < n && f[i].name != NULL; i++) {
		size_t off = base + f[i].off;

		if (octet < off || octet >= off + f[i].size)
			continue;
		where->field = f[i].name;
		where->off = off;
		where->len = f[i].size;
		return true;
	}
	return false;
}

static void
in_ext(const struct pfk_codec *c, struct ipm_span msg, size_t off, size_t octet,
    struct hx_pfkey_place *where)
{
	uint16_t type = (uint16_t)pfk_get(c, &ext_header[1], msg.p + off);
	const struct pfk_ext_row *row = pfk_ext_row(c->dialect, type);

	where->ext = row == NULL ? "extension" : row->name;
	where->ext_off = off;
	if (among(ext_header, 2, off, octet, where) || row == NULL ||
	    among(row->field, PFK_FIELDS_MAX, off, octet, where))
		return;
	where->field = hx_pfkey_tails[row->tail];
	where->secret = row->tail == PFK_TAIL_KEY;
	where->off = octet;
	where->len = 1;
}

void
hx_pfkey_place(const struct pfk_codec *c, struct ipm_span msg, size_t octet,
    struct hx_pfkey_place *where)
{
	size_t off = PFK_HDR_LEN;

	*where = (struct hx_pfkey_place){
		.ext = "sadb_msg", .field = "octets", .off = octet, .len = 1
	};
	if (octet < PFK_HDR_LEN) {
		(void)among(header, 8, 0, octet, where);
		return;
	}
	while (off + 4 <= msg.len) {
		size_t len =
		    (size_t)pfk_get(c, &ext_header[0], msg.p + off) * 8;

		if (octet < off + len) {
			in_ext(c, msg, off, octet, where);
			return;
		}
		if (len == 0)
			break;
		off += len;
	}
	/* Behind what can be read there may be keys. */
	where->ext = "extension";
	where->secret = true;
}

static void
hex(struct ipm_span s, size_t off, size_t len, char out[17])
{
	(void)hx_hex_write(ipm_span_sub(s, off, len > 8 ? 8 : len), out);
}

/* The first octet that differs, or the shorter one's length. */
static size_t
first_difference(struct ipm_span a, struct ipm_span b)
{
	size_t i = 0;

	while (i < a.len && i < b.len && a.p[i] == b.p[i])
		i++;
	return i;
}

bool
hx_pfkey_differ(const struct pfk_codec *c, struct ipm_span recorded,
    struct ipm_span model, char *why, size_t len)
{
	size_t i = first_difference(recorded, model);
	struct hx_pfkey_place w;
	char a[17], b[17];

	if (i == recorded.len && i == model.len)
		return false;
	if (i == recorded.len || i == model.len) {
		(void)snprintf(why, len,
		    "recorded %zu octets, the model sends %zu", recorded.len,
		    model.len);
		return true;
	}
	hx_pfkey_place(c, recorded, i, &w);
	hex(recorded, w.off, w.len, a);
	hex(model, w.off, w.len, b);
	(void)snprintf(why, len, "octet %zu, %s.%s: recorded %s, model %s", i,
	    w.ext, w.field, w.secret ? "(hidden)" : a,
	    w.secret ? "(hidden)" : b);
	return true;
}

bool
hx_octets_differ(
    struct ipm_span recorded, struct ipm_span model, char *why, size_t len)
{
	size_t i = first_difference(recorded, model);

	if (i == recorded.len && i == model.len)
		return false;
	if (i == recorded.len || i == model.len)
		(void)snprintf(why, len, "recorded %zu octets, model %zu",
		    recorded.len, model.len);
	else
		(void)snprintf(why, len, "octet %zu: recorded %02x, model %02x",
		    i, recorded.p[i], model.p[i]);
	return true;
}
