#include "hx_fields.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One header's fixed part: widths in bits, in order. */
struct layout {
	const char *layer;
	struct {
		const char *name;
		uint16_t bits;
	} field[20]; /* ended by name NULL */
};

static const struct layout ip4 = { "ip",
	{ { "version", 4 }, { "hl", 4 }, { "tos", 8 }, { "len", 16 },
	    { "id", 16 }, { "rf", 1 }, { "df", 1 }, { "mf", 1 }, { "off", 13 },
	    { "ttl", 8 }, { "proto", 8 }, { "sum", 16 }, { "src", 32 },
	    { "dst", 32 }, { NULL, 0 } } };
static const struct layout ip6 = { "ip",
	{ { "version", 4 }, { "tos", 8 }, { "flow", 20 }, { "len", 16 },
	    { "proto", 8 }, { "ttl", 8 }, { "src", 128 }, { "dst", 128 },
	    { NULL, 0 } } };
static const struct layout frag = { "frag",
	{ { "nh", 8 }, { "reserved", 8 }, { "off", 13 }, { "res", 2 },
	    { "mf", 1 }, { "id", 32 }, { NULL, 0 } } };
static const struct layout esp = { "esp",
	{ { "spi", 32 }, { "seq", 32 }, { NULL, 0 } } };
static const struct layout ah = { "ah",
	{ { "nh", 8 }, { "ahlen", 8 }, { "reserved", 16 }, { "spi", 32 },
	    { "seq", 32 }, { NULL, 0 } } };
static const struct layout ipcomp = { "ipcomp",
	{ { "nh", 8 }, { "flags", 8 }, { "cpi", 16 }, { NULL, 0 } } };
static const struct layout udp = { "udp",
	{ { "sport", 16 }, { "dport", 16 }, { "len", 16 }, { "sum", 16 },
	    { NULL, 0 } } };
static const struct layout tcp = { "tcp",
	{ { "sport", 16 }, { "dport", 16 }, { "seq", 32 }, { "ack", 32 },
	    { "hl", 4 }, { "reserved", 4 }, { "flags", 8 }, { "window", 16 },
	    { "sum", 16 }, { "urgent", 16 }, { NULL, 0 } } };
static const struct layout icmp = { "icmp",
	{ { "type", 8 }, { "code", 8 }, { "sum", 16 }, { NULL, 0 } } };

struct list {
	struct ipm_span packet;
	struct hx_field *f;
	size_t n;
	size_t bit; /* next */
	char layer[16];
	struct {
		const char *layer;
		unsigned n;
	} seen[10];
};

static void
put(struct list *l, const char *name, size_t bits)
{
	struct hx_field *f;

	if (l->n == HX_FIELDS_MAX)
		return;
	f = &l->f[l->n++];
	(void)snprintf(f->name, sizeof f->name, "%s%s%s", l->layer,
	    l->layer[0] == '\0' ? "" : ".", name);
	f->bit = l->bit;
	f->bits = bits;
	l->bit += bits;
}

/* "esp", the second time "esp2". */
static void
begin_layer(struct list *l, const char *layer)
{
	for (size_t i = 0; i < sizeof l->seen / sizeof l->seen[0]; i++) {
		if (l->seen[i].layer == NULL)
			l->seen[i].layer = layer;
		if (strcmp(l->seen[i].layer, layer) != 0)
			continue;
		if (++l->seen[i].n == 1)
			(void)snprintf(l->layer, sizeof l->layer, "%s", layer);
		else
			(void)snprintf(l->layer, sizeof l->layer, "%s%u", layer,
			    l->seen[i].n % 1000);
		return;
	}
}

static size_t
layout_octets(const struct layout *y)
{
	size_t bits = 0;

	for (size_t i = 0; y->field[i].name != NULL; i++)
		bits += y->field[i].bits;
	return bits / 8;
}

static size_t
left(const struct list *l)
{
	return l->packet.len - l->bit / 8;
}

static bool
put_layout(struct list *l, const struct layout *y)
{
	if (left(l) < layout_octets(y))
		return false;
	begin_layer(l, y->layer);
	for (size_t i = 0; y->field[i].name != NULL; i++)
		put(l, y->field[i].name, y->field[i].bits);
	return true;
}

static void
put_rest(struct list *l)
{
	if (left(l) != 0)
		put(l, "data", left(l) * 8);
}

static const uint8_t *
here(const struct list *l)
{
	return l->packet.p + l->bit / 8;
}

/* An IPv6 extension header of the common form; false when it is cut. */
static bool
put_ext(struct list *l, const char *layer, uint8_t *nh)
{
	size_t len;

	if (left(l) < 2)
		return false;
	len = ((size_t)here(l)[1] + 1) * 8;
	if (left(l) < len)
		return false;
	*nh = here(l)[0];
	begin_layer(l, layer);
	put(l, "nh", 8);
	put(l, "len", 8);
	put(l, "options", len * 8 - 16);
	return true;
}

/* True when another header, *nh, follows. */
static bool
put_ah(struct list *l, uint8_t *nh)
{
	size_t icv;

	if (left(l) < 12)
		return false;
	icv = ((size_t)here(l)[1] + 2) * 4;
	if (icv < 12 || left(l) < icv)
		return false;
	*nh = here(l)[0];
	(void)put_layout(l, &ah);
	if (icv > 12)
		put(l, "icv", (icv - 12) * 8);
	return true;
}

static bool
put_frag(struct list *l, uint8_t *nh)
{
	bool first;

	if (left(l) < 8)
		return false;
	*nh = here(l)[0];
	first = (ipm_load16(here(l) + 2) & 0xfff8U) == 0;
	(void)put_layout(l, &frag);
	return first;
}

static bool put_ip(struct list *l, unsigned depth);

/* What `nh` names; the rest of the packet is used up. */
static void
put_upper(struct list *l, uint8_t nh, unsigned depth)
{
	bool more = true;

	while (more) {
		switch (nh) {
		case IPM_PROTO_HOPOPTS:
			more = put_ext(l, "hopopts", &nh);
			break;
		case IPM_PROTO_DSTOPTS:
			more = put_ext(l, "dstopts", &nh);
			break;
		case IPM_PROTO_ROUTING:
			more = put_ext(l, "routing", &nh);
			break;
		case IPM_PROTO_FRAGMENT:
			more = put_frag(l, &nh);
			break;
		case IPM_PROTO_AH:
			more = put_ah(l, &nh);
			break;
		case IPM_PROTO_IPV4:
		case IPM_PROTO_IPV6:
			(void)put_ip(l, depth + 1);
			more = false;
			break;
		case IPM_PROTO_ESP:
			(void)put_layout(l, &esp);
			more = false;
			break;
		case IPM_PROTO_IPCOMP:
			(void)put_layout(l, &ipcomp);
			more = false;
			break;
		case IPM_PROTO_UDP:
			(void)put_layout(l, &udp);
			more = false;
			break;
		case IPM_PROTO_TCP:
			(void)put_layout(l, &tcp);
			more = false;
			break;
		case IPM_PROTO_ICMP:
		case IPM_PROTO_ICMPV6:
			(void)put_layout(l, &icmp);
			more = false;
			break;
		default:
			more = false;
			break;
		}
	}
}

#define DEPTH_MAX 8U

static bool
put_ip(struct list *l, unsigned depth)
{
	const uint8_t *p = here(l);
	uint8_t nh;

	if (left(l) == 0 || depth > DEPTH_MAX)
		return false;
	if (p[0] >> 4 == 4) {
		size_t hl = (size_t)(p[0] & 15) * 4;
		bool later;

		if (hl < IPM_IP4_HLEN || left(l) < hl)
			return false;
		nh = p[9];
		later = (ipm_load16(p + 6) & 0x1fffU) != 0;
		(void)put_layout(l, &ip4);
		if (hl > IPM_IP4_HLEN)
			put(l, "options", (hl - IPM_IP4_HLEN) * 8);
		if (!later)
			put_upper(l, nh, depth);
		return true;
	}
	if (p[0] >> 4 != 6 || left(l) < IPM_IP6_HLEN)
		return false;
	nh = p[6];
	(void)put_layout(l, &ip6);
	put_upper(l, nh, depth);
	return true;
}

size_t
hx_fields(struct ipm_span packet, struct hx_field *out)
{
	struct list l = { .packet = packet, .f = out };

	(void)put_ip(&l, 0);
	if (left(&l) != 0 && l.n == HX_FIELDS_MAX) {
		/* No place left: the last one takes the rest. */
		out[l.n - 1].bits = packet.len * 8 - out[l.n - 1].bit;
		return l.n;
	}
	put_rest(&l);
	return l.n;
}

const struct hx_field *
hx_field_find(const struct hx_field *f, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return &f[i];
	return NULL;
}

static uint64_t
number(struct ipm_span packet, const struct hx_field *f)
{
	uint64_t v = 0;

	for (size_t b = f->bit; b < f->bit + f->bits; b++)
		v = v << 1 | ((unsigned)packet.p[b / 8] >> (7 - b % 8) & 1U);
	return v;
}

static bool
is_addr(const struct hx_field *f)
{
	const char *dot = strrchr(f->name, '.');

	return dot != NULL && (f->bits == 32 || f->bits == 128) &&
	    (strcmp(dot, ".src") == 0 || strcmp(dot, ".dst") == 0);
}

const char *
hx_field_text(struct ipm_span packet, const struct hx_field *f,
    char buf[HX_FIELD_TEXT_MAX])
{
	const uint8_t *p = packet.p + f->bit / 8;
	size_t n = f->bits / 8, shown;

	if (is_addr(f)) {
		if (inet_ntop(f->bits == 32 ? AF_INET : AF_INET6, p, buf,
			HX_FIELD_TEXT_MAX) == NULL)
			buf[0] = '\0';
		return buf;
	}
	if (f->bits <= 32) {
		(void)snprintf(buf, HX_FIELD_TEXT_MAX, "%llu",
		    (unsigned long long)number(packet, f));
		return buf;
	}
	shown = n > 20 ? 20 : n;
	buf[0] = '0';
	buf[1] = 'x';
	for (size_t i = 0; i < shown; i++)
		(void)snprintf(buf + 2 + 2 * i, 3, "%02x", p[i]);
	(void)snprintf(buf + 2 + 2 * shown, 3, "%s", shown < n ? ".." : "");
	return buf;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "..", as hx_field_text writes it, stands for what follows. */
static bool
octets_are(const uint8_t *p, size_t n, const char *text)
{
	size_t len;

	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	len = strlen(text);
	if (len > 2 && strcmp(text + len - 2, "..") == 0) {
		len -= 2;
		if (len % 2 != 0 || len / 2 > n)
			return false;
		n = len / 2;
	}
	if (len != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = digit(text[2 * i]), lo = digit(text[2 * i + 1]);

		if (hi < 0 || lo < 0 || p[i] != (hi << 4 | lo))
			return false;
	}
	return true;
}

bool
hx_field_is(struct ipm_span packet, const struct hx_field *f, const char *text)
{
	const uint8_t *p = packet.p + f->bit / 8;
	char *end;
	uint64_t v;

	if (is_addr(f)) {
		uint8_t a[16];

		return inet_pton(f->bits == 32 ? AF_INET : AF_INET6, text, a) ==
		    1 &&
		    memcmp(a, p, f->bits / 8) == 0;
	}
	if (f->bits > 32)
		return octets_are(p, f->bits / 8, text);
	if (text[0] < '0' || text[0] > '9')
		return false;
	v = strtoull(text, &end, 0);
	return *end == '\0' && v == number(packet, f);
}

static bool
same_value(struct ipm_span a, const struct hx_field *fa, struct ipm_span b,
    const struct hx_field *fb)
{
	if (fa->bits != fb->bits)
		return false;
	if (fa->bits <= 64)
		return number(a, fa) == number(b, fb);
	return memcmp(a.p + fa->bit / 8, b.p + fb->bit / 8, fa->bits / 8) == 0;
}

size_t
hx_fields_diff(
    struct ipm_span a, struct ipm_span b, hx_field_diff_fn *told, void *ctx)
{
	struct hx_field fa[HX_FIELDS_MAX], fb[HX_FIELDS_MAX];
	size_t na = hx_fields(a, fa), nb = hx_fields(b, fb), n = 0;

	for (size_t i = 0; i < na; i++) {
		const struct hx_field *o = hx_field_find(fb, nb, fa[i].name);

		if (o != NULL && same_value(a, &fa[i], b, o))
			continue;
		n++;
		told(ctx, &fa[i], o);
	}
	for (size_t i = 0; i < nb; i++)
		if (hx_field_find(fa, na, fb[i].name) == NULL) {
			n++;
			told(ctx, NULL, &fb[i]);
		}
	return n;
}
