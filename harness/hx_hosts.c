#include "hx_hosts.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_salist.h"

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line that ends at `end`; length 0: there is none. */
static size_t
next_word(const char **at, const char *end)
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

static bool
add(struct hx_hosts *h, const struct ipm_addr *addr, const char *name,
    size_t len)
{
	char *copy;

	if (h->n == h->cap) {
		const size_t cap = h->cap == 0 ? 16 : 2 * h->cap;
		struct hx_host *p = realloc(h->host, cap * sizeof(*p));

		if (p == NULL)
			return false;
		h->host = p;
		h->cap = cap;
	}
	copy = malloc(len + 1);
	if (copy == NULL)
		return false;
	memcpy(copy, name, len);
	copy[len] = '\0';
	h->host[h->n++] = (struct hx_host){ *addr, copy };
	return true;
}

/* One line; false with *err set. */
static bool
read_line(const char *p, const char *end, const char *file, unsigned line,
    struct hx_hosts *h, struct hx_err *err)
{
	struct ipm_addr addr;
	size_t len = next_word(&p, end), names = 0;

	if (len == 0)
		return true;
	if (!hx_addr_parse(p, len, &addr)) {
		hx_err_set(err, file, line, 0, "a numeric address expected");
		return false;
	}
	for (p += len; (len = next_word(&p, end)) != 0; p += len, names++) {
		if (!add(h, &addr, p, len)) {
			hx_err_set(err, file, line, 0, "out of memory");
			return false;
		}
	}
	if (names == 0)
		hx_err_set(err, file, line, 0, "an address without a name");
	return names != 0;
}

bool
hx_hosts_parse(const char *buf, size_t len, const char *file,
    struct hx_hosts *h, struct hx_err *err)
{
	const char *const end = buf + len;
	unsigned line = 0;

	memset(h, 0, sizeof(*h));
	while (len != 0 && buf < end) {
		const char *nl = memchr(buf, '\n', (size_t)(end - buf));
		const char *stop = nl == NULL ? end : nl;

		if (!read_line(buf, stop, file, ++line, h, err)) {
			hx_hosts_free(h);
			return false;
		}
		buf = nl == NULL ? end : nl + 1;
	}
	return true;
}

bool
hx_hosts_load(const char *path, struct hx_hosts *h, struct hx_err *err)
{
	FILE *f = fopen(path, "rb");
	char *buf = malloc(HX_HOSTS_MAX + 1);
	size_t len;
	bool ok = false;

	memset(h, 0, sizeof(*h));
	if (f == NULL || buf == NULL) {
		hx_err_set(
		    err, path, 0, 0, "cannot be opened: %s", strerror(errno));
	} else {
		len = fread(buf, 1, HX_HOSTS_MAX + 1, f);
		if (ferror(f))
			hx_err_set(err, path, 0, 0, "cannot be read: %s",
			    strerror(errno));
		else if (len > HX_HOSTS_MAX)
			hx_err_set(err, path, 0, 0, "longer than %zu octets",
			    HX_HOSTS_MAX);
		else
			ok = hx_hosts_parse(buf, len, path, h, err);
	}
	free(buf);
	if (f != NULL)
		(void)fclose(f);
	return ok;
}

static bool
same_name(const char *a, const char *b, size_t len)
{
	if (strlen(a) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (tolower((unsigned char)a[i]) !=
		    tolower((unsigned char)b[i]))
			return false;
	return true;
}

bool
hx_hosts_find(const struct hx_hosts *h, const char *name, size_t len,
    uint8_t family, size_t i, struct ipm_addr *addr)
{
	for (size_t k = 0; k < h->n; k++) {
		const struct hx_host *x = &h->host[k];

		if (family != 0 && x->addr.family != family)
			continue;
		if (!same_name(x->name, name, len))
			continue;
		if (i-- == 0) {
			*addr = x->addr;
			return true;
		}
	}
	return false;
}

void
hx_hosts_free(struct hx_hosts *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->host[i].name);
	free(h->host);
	memset(h, 0, sizeof(*h));
}
