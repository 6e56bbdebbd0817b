#include "hx_services.h"

#include <stdlib.h>
#include <string.h>

#include "hx_words.h"

static bool
add(struct hx_services *s, const char *name, size_t len, uint16_t port)
{
	char *copy;

	if (s->n == s->cap) {
		const size_t cap = s->cap == 0 ? 16 : 2 * s->cap;
		struct hx_service *p = realloc(s->service, cap * sizeof(*p));

		if (p == NULL)
			return false;
		s->service = p;
		s->cap = cap;
	}
	copy = malloc(len + 1);
	if (copy == NULL)
		return false;
	memcpy(copy, name, len);
	copy[len] = '\0';
	s->service[s->n++] = (struct hx_service){ copy, port };
	return true;
}

/* "500/udp" */
static bool
read_port(const char *p, size_t len, uint16_t *port, bool *udp)
{
	uint32_t v = 0;
	size_t n = 0;

	for (; n < len && p[n] >= '0' && p[n] <= '9' && v <= UINT16_MAX; n++)
		v = 10 * v + (uint32_t)(p[n] - '0');
	if (n == 0 || v > UINT16_MAX || n + 1 >= len || p[n] != '/')
		return false;
	*port = (uint16_t)v;
	*udp = len - n == 4 && memcmp(p + n, "/udp", 4) == 0;
	return true;
}

static bool
read_line(void *ctx, const char *p, const char *end, const char *file,
    unsigned line, struct hx_err *err)
{
	struct hx_services *s = ctx;
	size_t len = hx_word(&p, end), name_len = len;
	const char *name = p;
	uint16_t port;
	bool udp, ok;

	if (len == 0)
		return true;
	p += len;
	len = hx_word(&p, end);
	if (!read_port(p, len, &port, &udp)) {
		hx_err_set(err, file, line, 0,
		    "a name, then its port and protocol as in 500/udp, "
		    "expected");
		return false;
	}
	if (!udp)
		return true;
	ok = add(s, name, name_len, port);
	for (p += len; ok && (len = hx_word(&p, end)) != 0; p += len)
		ok = add(s, p, len, port);
	if (!ok)
		hx_err_set(err, file, line, 0, "out of memory");
	return ok;
}

bool
hx_services_load(const char *path, struct hx_services *s, struct hx_err *err)
{
	memset(s, 0, sizeof(*s));
	if (hx_words_load(path, read_line, s, err))
		return true;
	hx_services_free(s);
	return false;
}

bool
hx_services_find(
    const struct hx_services *s, const char *name, size_t len, uint16_t *port)
{
	for (size_t i = 0; i < s->n; i++)
		if (strlen(s->service[i].name) == len &&
		    memcmp(s->service[i].name, name, len) == 0) {
			*port = s->service[i].port;
			return true;
		}
	return false;
}

void
hx_services_free(struct hx_services *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->service[i].name);
	free(s->service);
	memset(s, 0, sizeof(*s));
}
