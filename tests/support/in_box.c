#include "in_box.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "wire/ipm_upper.h"

static struct ipm_stats before;

void
in_resum(struct in_packet *k)
{
	size_t hlen = (size_t)(k->p[0] & 15) * 4;

	ipm_store16(k->p + 10, 0);
	ipm_store16(
	    k->p + 10, ipm_sum_fold(ipm_sum_add(0, ipm_span(k->p, hlen))));
}

void
in_ip4(struct in_packet *k, const char *src, const char *dst, uint8_t proto,
    const uint8_t *options, size_t options_len, const uint8_t *payload,
    size_t len)
{
	struct ipm_addr s = path_addr(src), d = path_addr(dst);
	size_t hlen = 20 + options_len;

	memset(k->p, 0, 20);
	k->len = hlen + len;
	k->p[0] = (uint8_t)(0x40 | hlen / 4);
	ipm_store16(k->p + 2, (uint16_t)k->len);
	k->p[4] = 0x12;
	k->p[8] = 64;
	k->p[9] = proto;
	memcpy(k->p + 12, s.octet, 4);
	memcpy(k->p + 16, d.octet, 4);
	if (options_len != 0)
		memcpy(k->p + 20, options, options_len);
	if (len != 0)
		memmove(k->p + hlen, payload, len);
	in_resum(k);
}

void
in_ip6(struct in_packet *k, const char *src, const char *dst, uint8_t nh,
    const uint8_t *payload, size_t len)
{
	struct ipm_addr s = path_addr(src), d = path_addr(dst);

	memset(k->p, 0, 40);
	k->len = 40 + len;
	k->p[0] = 0x60;
	ipm_store16(k->p + 4, (uint16_t)len);
	k->p[6] = nh;
	k->p[7] = 64;
	memcpy(k->p + 8, s.octet, 16);
	memcpy(k->p + 24, d.octet, 16);
	if (len != 0)
		memmove(k->p + 40, payload, len);
}

void
in_ip(struct in_packet *k, const char *src, const char *dst, uint8_t proto,
    const uint8_t *payload, size_t len)
{
	if (strchr(src, ':') == NULL)
		in_ip4(k, src, dst, proto, NULL, 0, payload, len);
	else
		in_ip6(k, src, dst, proto, payload, len);
}

static uint16_t
upper_sum(const char *src, const char *dst, uint8_t proto, const uint8_t *p,
    size_t len)
{
	struct ipm_ip ip = { .src = path_addr(src), .dst = path_addr(dst) };

	return ipm_upper_sum(&ip, proto, ipm_span(p, len));
}

size_t
in_udp(uint8_t *out, const char *src, const char *dst, uint16_t sport,
    uint16_t dport, const void *data, size_t len)
{
	ipm_store16(out, sport);
	ipm_store16(out + 2, dport);
	ipm_store16(out + 4, (uint16_t)(8 + len));
	ipm_store16(out + 6, 0);
	if (len != 0)
		memcpy(out + 8, data, len);
	ipm_store16(out + 6, upper_sum(src, dst, IPM_PROTO_UDP, out, 8 + len));
	return 8 + len;
}

size_t
in_tcp(uint8_t *out, const char *src, const char *dst, uint16_t sport,
    uint16_t dport, uint32_t seq, uint32_t ack, uint8_t flags)
{
	memset(out, 0, 20);
	ipm_store16(out, sport);
	ipm_store16(out + 2, dport);
	ipm_store32(out + 4, seq);
	ipm_store32(out + 8, ack);
	out[12] = 0x50;
	out[13] = flags;
	ipm_store16(out + 14, 65535);
	ipm_store16(out + 16, upper_sum(src, dst, IPM_PROTO_TCP, out, 20));
	return 20;
}

size_t
in_esp(uint8_t *out, uint32_t spi, uint32_t seq, uint8_t nh,
    const uint8_t *payload, size_t len)
{
	size_t pad = (4 - (len + 2) % 4) % 4, n = 8 + len;

	/* The payload may stand at out. */
	if (len != 0)
		memmove(out + 8, payload, len);
	ipm_store32(out, spi);
	ipm_store32(out + 4, seq);
	for (size_t i = 1; i <= pad; i++)
		out[n++] = (uint8_t)i;
	out[n++] = (uint8_t)pad;
	out[n++] = nh;
	return n;
}

ipm_off
in_sa(struct path_box *b, const char *src, const char *dst, uint32_t spi,
    enum ipm_mode mode, uint32_t window)
{
	struct ipm_sa_config c = { .src = path_addr(src),
		.dst = path_addr(dst),
		.proto = IPM_PROTO_ESP,
		.spi = spi,
		.mode = mode,
		.enc = ipm_alg_by_name("null"),
		.window = window };
	ipm_off off;

	cr_assert_eq(
	    ipm_sad_add(&b->s.sad, &b->s.arena, &b->mem.alloc, 1, &c, &off),
	    IPM_OK);
	((struct ipm_sa *)ipm_arena_at(&b->s.arena, off))->state =
	    IPM_SA_MATURE;
	return off;
}

ipm_off
in_socket(
    struct path_box *b, uint8_t family, uint8_t proto, uint16_t port, bool raw)
{
	static uint32_t id = 1000;
	struct ipm_pcb as = { .family = family,
		.proto = raw ? (uint8_t)port : proto,
		.raw = raw,
		.lport = raw ? 0 : port,
		.listening = proto == IPM_PROTO_TCP,
		.id = ++id };
	ipm_off off;

	as.laddr.family = as.faddr.family = family;
	cr_assert_eq(
	    ipm_pcb_open(&b->s.pcbs, &b->s.arena, &b->mem.alloc, &as, &off),
	    IPM_OK);
	return off;
}

enum ipm_reason
in_run(struct path_box *b, const struct in_packet *k)
{
	enum ipm_reason fate;
	size_t told = 0;

	b->n_fx = 0;
	before = b->s.stats;
	fate = ipm_input(&b->path, PATH_BLK1, ipm_span(k->p, k->len), 1);
	for (size_t i = 0; i < b->n_fx; i++)
		if (b->fx[i].kind == IPM_FX_DROP) {
			told++;
			cr_assert_eq(b->fx[i].reason, fate);
		}
	cr_assert_eq(told, ipm_reasons[fate].verdict == IPM_V_DROP, "%s",
	    ipm_reasons[fate].name);
	return fate;
}

const char *
in_counted(const struct path_box *b)
{
	static char text[1024];
	struct ipm_stat_cell c = { NULL, 0 };
	char name[IPM_STAT_NAME_MAX];
	size_t at = 0;

	text[0] = '\0';
	while (ipm_stat_next(&c)) {
		long n = (long)(ipm_stats_get(&b->s.stats, &c) -
		    ipm_stats_get(&before, &c));

		if (n == 0)
			continue;
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %ld",
		    at == 0 ? "" : " ", ipm_stat_name(&c, name), n);
		cr_assert_lt(at, sizeof text);
	}
	return text;
}
