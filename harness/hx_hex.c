#include "hx_hex.h"

#include <stdlib.h>
#include <string.h>

static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	p = c == '\0' ? NULL : strchr(digits, c);
	return p == NULL ? -1 : (int)(p - digits);
}

bool
hx_hex_read(const char *text, struct hx_octets *o)
{
	size_t n = strlen(text);

	o->p = NULL;
	o->len = 0;
	if (n % 2 != 0)
		return false;
	o->p = malloc(n / 2 + 1);
	if (o->p == NULL)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		int hi = digit(text[i]), lo = digit(text[i + 1]);

		if (hi < 0 || lo < 0) {
			hx_octets_free(o);
			return false;
		}
		o->p[o->len++] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

void
hx_octets_free(struct hx_octets *o)
{
	if (o->p != NULL)
		ipm_wipe(o->p, o->len);
	free(o->p);
	o->p = NULL;
	o->len = 0;
}

char *
hx_hex_write(struct ipm_span s, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < s.len; i++) {
		out[2 * i] = digits[s.p[i] >> 4];
		out[2 * i + 1] = digits[s.p[i] & 15];
	}
	out[2 * s.len] = '\0';
	return out;
}
