#include "hx_hosts.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hx_salist.h"
#include "hx_words.h"

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

static bool
read_line(void *ctx, const char *p, const char *end, const char *file,
    unsigned line, struct hx_err *err)
{
	struct hx_hosts *h = ctx;
	struct ipm_addr addr;
	size_t len = hx_word(&p, end), names = 0;

	if (len == 0)
		return true;
	if (!hx_addr_parse(p, len, &addr)) {
		hx_err_set(err, file, line, 0, "a numeric address expected");
		return false;
	}
	for (p += len; (len = hx_word(&p, end)) != 0; p += len, names++) {
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
	memset(h, 0, sizeof(*h));
	if (hx_words_parse(buf, len, file, read_line, h, err))
		return true;
	hx_hosts_free(h);
	return false;
}

bool
hx_hosts_load(const char *path, struct hx_hosts *h, struct hx_err *err)
{
	memset(h, 0, sizeof(*h));
	if (hx_words_load(path, read_line, h, err))
		return true;
	hx_hosts_free(h);
	return false;
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
