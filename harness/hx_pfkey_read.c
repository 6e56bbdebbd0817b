#include "hx_pfkey_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
hx_read_all(const char *path, struct hx_octets *o)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	size_t cap = 0, n;

	o->p = NULL;
	o->len = 0;
	if (f == NULL)
		return false;
	do {
		uint8_t *p;

		if (o->len == cap) {
			cap = cap == 0 ? 65536 : cap * 2;
			p = realloc(o->p, cap);
			if (p == NULL)
				break;
			o->p = p;
		}
		n = fread(o->p + o->len, 1, cap - o->len, f);
		o->len += n;
	} while (n > 0);
	if (ferror(f)) {
		int why = errno;

		hx_octets_free(o);
		errno = why;
	}
	if (f != stdin)
		(void)fclose(f);
	return o->p != NULL;
}

bool
hx_is_hex_text(struct ipm_span s)
{
	bool digits = false;

	for (size_t i = 0; i < s.len; i++) {
		if (isxdigit(s.p[i]))
			digits = true;
		else if (!isspace(s.p[i]))
			return false;
	}
	return digits;
}

/* The digits of hexadecimal text as octets; false: an odd number of them. */
static bool
from_hex_text(struct ipm_span s, struct hx_octets *o)
{
	char *text = s.len == SIZE_MAX ? NULL : malloc(s.len + 1);
	size_t n = 0;
	bool ok;

	if (text == NULL)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!isspace(s.p[i]))
			text[n++] = (char)s.p[i];
	text[n] = '\0';
	ok = hx_hex_read(text, o);
	ipm_wipe(text, s.len);
	free(text);
	return ok;
}

void
hx_pfkey_where(
    FILE *out, const char *source, size_t at, unsigned line, size_t offset)
{
	if (line != 0)
		(void)fprintf(out, "%s:%u: octet %zu", source, line, offset);
	else
		(void)fprintf(out, "%s: octet %zu", source, at + offset);
}

void
hx_pfkey_split(const struct pfk_codec *c, const char *source, struct ipm_span s,
    hx_message_fn *f, void *ctx)
{
	size_t at = 0;

	while (at < s.len) {
		struct ipm_span rest = ipm_span_from(s, at);
		size_t len = rest.len;

		if (rest.len >= 6) {
			size_t words = c->order == PFK_BE
			    ? ipm_load16(rest.p + 4)
			    : (size_t)rest.p[5] << 8 | rest.p[4];

			if (words != 0 && words * 8 < len)
				len = words * 8;
		}
		f(ctx, source, at, 0, ipm_span_sub(rest, 0, len));
		at += len;
	}
}

static int
odd_digits(const char *source, unsigned line)
{
	(void)fprintf(stderr,
	    "ipsecsim: %s:%u: an odd number of hexadecimal digits\n", source,
	    line);
	return 2;
}

static int
each_line(const char *source, struct ipm_span s, hx_message_fn *f, void *ctx)
{
	unsigned line = 0;

	while (s.len != 0) {
		const uint8_t *end = memchr(s.p, '\n', s.len);
		size_t len = end == NULL ? s.len : (size_t)(end - s.p) + 1;
		struct ipm_span text = ipm_span_sub(s, 0, len);
		struct hx_octets o = { 0 };

		line++;
		if (hx_is_hex_text(text)) {
			if (!from_hex_text(text, &o))
				return odd_digits(source, line);
			f(ctx, source, 0, line, hx_span(&o));
		}
		hx_octets_free(&o);
		s = ipm_span_from(s, len);
	}
	return 0;
}

/* Hexadecimal text, read as far as a message's first digit. */
struct reading {
	hx_message_fn *f;
	void *ctx;
	struct ipm_span text;
	size_t pos;    /* in the text */
	size_t digits; /* before it */
	unsigned line; /* that it is in */
};

static void
read_on(struct reading *r, size_t digits)
{
	while (r->pos < r->text.len &&
	    (r->digits < digits || isspace(r->text.p[r->pos]))) {
		if (r->text.p[r->pos] == '\n')
			r->line++;
		else if (isxdigit(r->text.p[r->pos]))
			r->digits++;
		r->pos++;
	}
}

static void
one_of_text(void *ctx, const char *source, size_t at, unsigned line,
    struct ipm_span octets)
{
	struct reading *r = ctx;

	(void)line;
	read_on(r, 2 * at);
	r->f(r->ctx, source, 0, r->line, octets);
}

static int
each_of_text(const struct pfk_codec *c, const char *source, struct ipm_span s,
    hx_message_fn *f, void *ctx)
{
	struct reading r = { .f = f, .ctx = ctx, .text = s, .line = 1 };
	struct hx_octets o = { 0 };

	if (!from_hex_text(s, &o)) {
		while (s.len != 0 && isspace(s.p[s.len - 1]))
			s.len--;
		r.text = s;
		read_on(&r, s.len);
		return odd_digits(source, r.line);
	}
	hx_pfkey_split(c, source, hx_span(&o), one_of_text, &r);
	hx_octets_free(&o);
	return 0;
}

static int
each_of_file(const struct pfk_codec *c, const char *source, struct ipm_span s,
    bool datagrams, hx_message_fn *f, void *ctx)
{
	/* No message is text: each begins with the version, octet 2. */
	if (hx_is_hex_text(s))
		return datagrams ? each_line(source, s, f, ctx)
				 : each_of_text(c, source, s, f, ctx);
	hx_pfkey_split(c, source, s, f, ctx);
	return 0;
}

int
hx_pfkey_each(const struct pfk_codec *c, const char *arg, bool datagrams,
    hx_message_fn *f, void *ctx)
{
	struct hx_octets o;
	int status;

	if (hx_hex_read(arg, &o) && o.len != 0) {
		if (datagrams)
			f(ctx, "argument", 0, 0, hx_span(&o));
		else
			hx_pfkey_split(c, "argument", hx_span(&o), f, ctx);
		hx_octets_free(&o);
		return 0;
	}
	hx_octets_free(&o);
	if (!hx_read_all(arg, &o)) {
		(void)fprintf(
		    stderr, "ipsecsim: %s: %s\n", arg, strerror(errno));
		return 2;
	}
	if (o.len == 0) {
		(void)fprintf(stderr, "ipsecsim: %s: empty\n", arg);
		status = 2;
	} else {
		status = each_of_file(c, arg, hx_span(&o), datagrams, f, ctx);
	}
	hx_octets_free(&o);
	return status;
}
