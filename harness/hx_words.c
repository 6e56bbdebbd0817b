#include "hx_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

size_t
hx_word(const char **at, const char *end)
{
	const char *p = *at;
	size_t n = 0;

	while (p < end && blank(*p))
		p++;
	while (p + n < end && !blank(p[n]) && p[n] != '#')
		n++;
	*at = p;
	return n;
}

bool
hx_words_parse(const char *buf, size_t len, const char *file, hx_words_line *f,
    void *ctx, struct hx_err *err)
{
	const char *const end = buf + len;
	unsigned line = 0;

	while (len != 0 && buf < end) {
		const char *nl = memchr(buf, '\n', (size_t)(end - buf));
		const char *stop = nl == NULL ? end : nl;

		if (!f(ctx, buf, stop, file, ++line, err))
			return false;
		buf = nl == NULL ? end : nl + 1;
	}
	return true;
}

bool
hx_words_load(const char *path, hx_words_line *f, void *ctx, struct hx_err *err)
{
	FILE *file = fopen(path, "rb");
	char *buf = malloc(HX_WORDS_MAX + 1);
	size_t len;
	bool ok = false;

	if (file == NULL || buf == NULL) {
		hx_err_set(
		    err, path, 0, 0, "cannot be opened: %s", strerror(errno));
	} else {
		len = fread(buf, 1, HX_WORDS_MAX + 1, file);
		if (ferror(file))
			hx_err_set(err, path, 0, 0, "cannot be read: %s",
			    strerror(errno));
		else if (len > HX_WORDS_MAX)
			hx_err_set(err, path, 0, 0, "longer than %zu octets",
			    HX_WORDS_MAX);
		else
			ok = hx_words_parse(buf, len, path, f, ctx, err);
	}
	free(buf);
	if (file != NULL)
		(void)fclose(file);
	return ok;
}
