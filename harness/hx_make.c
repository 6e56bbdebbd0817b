#include "hx_make.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_salist.h"
#include "wire/ipm_upper.h"

bool
hx_number(const char *text, int64_t *v)
{
	char *end;

	if (!((text[0] >= '0' && text[0] <= '9') ||
		(text[0] == '-' && text[1] >= '0' && text[1] <= '9')))
		return false;
	errno = 0;
	*v = strtoll(text, &end, 0);
	return *end == '\0' && errno == 0;
}

bool
hx_number_to(const char *text, int64_t max, int64_t *v)
{
	return hx_number(text, v) && *v >= 0 && *v <= max;
}

bool
hx_net(const char *text, struct ipm_addr *a, uint8_t *prefix)
{
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
	int64_t v;

	if (!hx_addr_parse(text, len, a))
		return false;
	v = a->family == 4 ? 32 : 128;
	if (slash != NULL && !hx_number_to(slash + 1, v, &v))
		return false;
	*prefix = (uint8_t)v;
	return true;
}

/* What a packet's words give: hexadecimal digits, or a header in words. */
struct made {
	struct ipm_addr src, dst;
	int64_t sport, dport, proto, ttl, tos, df, id, flow, len;
	bool udp;
	struct hx_octets payload;
};

/* "ADDR:PORT", "[ADDR]:PORT" or "ADDR". */
static bool
end_of(const char *text, struct ipm_addr *a, int64_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t n;

	if (hx_addr_parse(text, strlen(text), a))
		return true;
	if (colon == NULL)
		return false;
	n = (size_t)(colon - text);
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	return hx_addr_parse(text, n, a) &&
	    hx_number_to(colon + 1, 65535, port);
}

static bool
payload_of(const char *text, struct hx_octets *o)
{
	size_t n = strlen(text);

	hx_octets_free(o);
	o->p = malloc(n + 1);
	if (o->p == NULL)
		return false;
	memcpy(o->p, text, n);
	o->len = n;
	return true;
}

static bool
made_word(struct made *m, const char *w)
{
	const struct {
		const char *name;
		int64_t *at;
		int64_t max;
	} numbers[] = { { "proto=", &m->proto, 255 }, { "ttl=", &m->ttl, 255 },
		{ "tos=", &m->tos, 255 }, { "df=", &m->df, 1 },
		{ "id=", &m->id, 65535 }, { "flow=", &m->flow, 0xfffff },
		{ "len=", &m->len, 65527 } };

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		size_t n = strlen(numbers[i].name);

		if (strncmp(w, numbers[i].name, n) == 0)
			return hx_number_to(
			    w + n, numbers[i].max, numbers[i].at);
	}
	if (strncmp(w, "src=", 4) == 0)
		return end_of(w + 4, &m->src, &m->sport);
	if (strncmp(w, "dst=", 4) == 0)
		return end_of(w + 4, &m->dst, &m->dport);
	if (strncmp(w, "text=", 5) == 0)
		return payload_of(w + 5, &m->payload);
	if (strncmp(w, "hex=", 4) == 0) {
		hx_octets_free(&m->payload);
		return hx_hex_read(w + 4, &m->payload);
	}
	return false;
}

static bool
build_header(const struct made *m, size_t payload, uint8_t *out, size_t *hlen)
{
	if (m->src.family == 4) {
		struct ipm_ip4_fields f = { .tos = (uint8_t)m->tos,
			.ttl = (uint8_t)m->ttl,
			.proto = (uint8_t)m->proto,
			.total = (uint16_t)(payload + IPM_IP4_HLEN),
			.id = (uint16_t)m->id,
			.df = m->df != 0 };

		memcpy(f.src, m->src.octet, 4);
		memcpy(f.dst, m->dst.octet, 4);
		ipm_ip4_build(out, &f);
		*hlen = IPM_IP4_HLEN;
		return payload + IPM_IP4_HLEN <= 65535;
	}
	struct ipm_ip6_fields f = { .tclass = (uint8_t)m->tos,
		.hlim = (uint8_t)m->ttl,
		.nh = (uint8_t)m->proto,
		.flow = (uint32_t)m->flow,
		.plen = (uint16_t)payload };

	memcpy(f.src, m->src.octet, 16);
	memcpy(f.dst, m->dst.octet, 16);
	ipm_ip6_build(out, &f);
	*hlen = IPM_IP6_HLEN;
	return payload <= 65535;
}

static bool
build(struct made *m, struct hx_octets *o)
{
	size_t upper = m->udp ? 8 : 0, hlen, len;
	size_t body = m->len >= 0 ? (size_t)m->len : m->payload.len;

	if (m->src.family == 0 || m->src.family != m->dst.family)
		return false;
	o->p = calloc(1, IPM_IP6_HLEN + upper + body + 1);
	if (o->p == NULL || !build_header(m, upper + body, o->p, &hlen))
		return false;
	len = hlen + upper + body;
	o->len = len;
	for (size_t i = 0; i < body; i++)
		o->p[hlen + upper + i] =
		    i < m->payload.len ? m->payload.p[i] : (uint8_t)i;
	if (m->udp) {
		ipm_store16(o->p + hlen, (uint16_t)m->sport);
		ipm_store16(o->p + hlen + 2, (uint16_t)m->dport);
		ipm_store16(o->p + hlen + 4, (uint16_t)(8 + body));
		ipm_udp_fill_sum(o->p, len, hlen);
	}
	return true;
}

bool
hx_make_payload(const char *word, struct hx_octets *o)
{
	memset(o, 0, sizeof *o);
	if (strncmp(word, "text=", 5) == 0)
		return payload_of(word + 5, o);
	return strncmp(word, "hex=", 4) == 0 && hx_hex_read(word + 4, o);
}

__attribute__((format(printf, 3, 4))) static bool
no(char *why, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, len, fmt, ap);
	va_end(ap);
	return false;
}

bool
hx_make_packet(
    char *const *word, size_t n, struct hx_octets *o, char *why, size_t len)
{
	struct made m = { .ttl = 64, .len = -1, .proto = IPM_PROTO_UDP };
	bool ok = true;

	memset(o, 0, sizeof *o);
	m.udp = strcmp(word[0], "udp") == 0;
	if (!m.udp && strcmp(word[0], "ip") != 0) {
		if (n == 1 && hx_hex_read(word[0], o))
			return true;
		return no(why, len,
		    "expected hexadecimal digits, or udp or ip and "
		    "FIELD=VALUE");
	}
	for (size_t i = 1; ok && i < n; i++)
		if (!made_word(&m, word[i]))
			ok = no(why, len,
			    "%s: expected src=, dst=, ttl=, tos=, df=, id=, "
			    "flow=, proto=, len=, text= or hex= and a value",
			    word[i]);
	if (ok && m.udp && m.proto != IPM_PROTO_UDP)
		ok = no(why, len, "udp has protocol 17");
	if (ok && !build(&m, o)) {
		hx_octets_free(o);
		ok = no(why, len,
		    "src and dst must be of one family and the packet not "
		    "above 65535 octets");
	}
	hx_octets_free(&m.payload);
	return ok;
}
