#include <stdarg.h>
#include <stdio.h>

#include "hx_err.h"

/* Appends `in` to text from `at`, escaped; returns where the text ends now. */
static size_t
append(struct hx_err *err, size_t at, const char *in)
{
	static const char hex[] = "0123456789abcdef";
	const size_t cap = sizeof(err->text) - 1;

	for (; *in != '\0'; in++) {
		const unsigned char c = (unsigned char)*in;

		if (c >= 0x20 && c < 0x7f) {
			if (at + 1 > cap)
				break;
			err->text[at++] = (char)c;
		} else {
			/* An escape is written whole or not at all. */
			if (at + 4 > cap)
				break;
			err->text[at++] = '\\';
			err->text[at++] = 'x';
			err->text[at++] = hex[c >> 4];
			err->text[at++] = hex[c & 15];
		}
	}
	err->text[at] = '\0';
	return at;
}

void
hx_err_set(struct hx_err *err, const char *file, unsigned line, unsigned col,
    const char *fmt, ...)
{
	char part[sizeof(err->text)];
	va_list ap;
	size_t at = 0;

	if (err == NULL)
		return;
	if (file != NULL) {
		/* Half of the line is kept for the message. */
		(void)snprintf(part, sizeof(part) / 2, "%s", file);
		at = append(err, at, part);
		if (line != 0 && col != 0)
			(void)snprintf(
			    part, sizeof(part), ":%u:%u: ", line, col);
		else if (line != 0)
			(void)snprintf(part, sizeof(part), ":%u: ", line);
		else
			(void)snprintf(part, sizeof(part), ": ");
		at = append(err, at, part);
	}
	va_start(ap, fmt);
	(void)vsnprintf(part, sizeof(part), fmt, ap);
	va_end(ap);
	if (part[0] == '\0')
		(void)snprintf(part, sizeof(part), "unknown error");
	(void)append(err, at, part);
}
