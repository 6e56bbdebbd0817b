#include "path_box.h"

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "provider/ipm_libcrypto.h"
#include "provider/ipm_zlib.h"
#include "wire/ipm_upper.h"

struct ipm_addr
path_addr(const char *text)
{
	struct ipm_addr a = { .family = strchr(text, ':') == NULL ? 4 : 6 };

	cr_assert_eq(
	    inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.octet), 1,
	    "%s", text);
	return a;
}

void
path_net(const char *text, struct ipm_end *end, uint8_t *prefix)
{
	char buf[64];
	const char *slash = strchr(text, '/');
	size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);

	memcpy(buf, text, n);
	buf[n] = '\0';
	*end = (struct ipm_end){ .addr = path_addr(buf) };
	*prefix = slash == NULL ? (uint8_t)(ipm_addr_len(&end->addr) * 8)
				: (uint8_t)atoi(slash + 1);
}

static void
effect(void *ctx, const struct ipm_effect *fx)
{
	struct path_box *b = ctx;
	struct path_fx *to = &b->fx[b->n_fx++];

	cr_assert_leq(b->n_fx, PATH_BOX_FX);
	*to = (struct path_fx){ .kind = fx->kind,
		.reason = fx->reason,
		.iface = fx->iface,
		.at = fx->at,
		.family = fx->family,
		.before = fx->before,
		.spi = fx->spi,
		.enc_flags = fx->enc_flags,
		.pcb = fx->pcb,
		.len = fx->packet.len };
	if (fx->packet.len != 0)
		memcpy(to->packet, fx->packet.p,
		    fx->packet.len < sizeof to->packet ? fx->packet.len
						       : sizeof to->packet);
}

static int
need_sa(void *ctx, const struct ipm_wanted *w)
{
	struct path_box *b = ctx;

	cr_assert_lt(b->n_wanted, 16);
	b->wanted[b->n_wanted++] = *w;
	return b->want_errno;
}

void
path_topology(struct ipm_host *h)
{
	static const struct {
		uint8_t iface;
		const char *addr;
		uint8_t prefix;
	} addrs[] = {
		{ PATH_RED0, "10.1.0.1", 24 },
		{ PATH_RED0, "2001:db8:1::1", 64 },
		{ PATH_BLK1, "192.0.2.1", 24 },
		{ PATH_BLK1, "2001:db8:b::1", 64 },
		{ PATH_LO0, "127.0.0.1", 8 },
		{ PATH_LO0, "::1", 128 },
	};
	struct ipm_addr a, gw;
	uint8_t i;

	cr_assert_eq(ipm_host_add_if(h, "red0", 1500, false, &i), IPM_OK);
	cr_assert_eq(ipm_host_add_if(h, "blk1", 1500, false, &i), IPM_OK);
	cr_assert_eq(ipm_host_add_if(h, "lo0", 16384, true, &i), IPM_OK);
	for (size_t k = 0; k < sizeof addrs / sizeof addrs[0]; k++) {
		a = path_addr(addrs[k].addr);
		cr_assert_eq(
		    ipm_host_add_addr(h, addrs[k].iface, &a, addrs[k].prefix),
		    IPM_OK);
	}
	a = path_addr("10.2.0.0");
	gw = path_addr("192.0.2.2");
	cr_assert_eq(ipm_host_add_route(h, &a, 16, PATH_BLK1, &gw), IPM_OK);
	a = path_addr("2001:db8:2::");
	gw = path_addr("2001:db8:b::2");
	cr_assert_eq(ipm_host_add_route(h, &a, 48, PATH_BLK1, &gw), IPM_OK);
	h->forwarding4 = h->forwarding6 = 1;
}

void
path_box_open(struct path_box *b)
{
	static uint8_t octets[4096];

	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (uint8_t)(i + 1);
	memset(b, 0, sizeof *b);
	db_memory_init(&b->mem);
	cr_assert_eq(ipm_libcrypto_open(&b->provider, &b->mem.alloc), IPM_OK);
	cr_assert_eq(ipm_zlib_open(&b->comp, &b->mem.alloc), IPM_OK);
	ipm_state_init(&b->s, 0);
	path_topology(&b->s.host);
	ipm_derived_init(&b->d, &b->provider, &b->mem.alloc);
	ipm_profile_init(&b->pf, IPM_PF_FREEBSD_13);
	b->tape.octets = ipm_span(octets, sizeof octets);
	b->env = (struct ipm_env){ .sec = 1000,
		.random = &b->tape,
		.crypto = &b->provider,
		.comp = &b->comp,
		.alloc = &b->mem.alloc };
	b->work = malloc(sizeof *b->work);
	cr_assert_not_null(b->work);
	b->path = (struct ipm_path){ .s = &b->s,
		.d = &b->d,
		.pf = &b->pf,
		.env = &b->env,
		.work = b->work,
		.ctx = b,
		.effect = effect,
		.need_sa = need_sa };
}

void
path_box_close(struct path_box *b)
{
	ipm_derived_free(&b->d);
	ipm_state_free(&b->s, &b->mem.alloc);
	ipm_libcrypto_close(&b->provider);
	ipm_zlib_close(&b->comp);
	free(b->work);
	cr_assert_eq(b->mem.live, 0);
}

ipm_off
path_policy(struct path_box *b, enum ipm_dir dir, const char *src,
    const char *dst, uint8_t proto, enum ipm_policy type,
    const struct ipm_request *req, uint8_t n_reqs)
{
	struct ipm_sp_config c = { .dir = (uint8_t)dir,
		.type = (uint8_t)type,
		.scope = IPM_SCOPE_GLOBAL,
		.n_reqs = n_reqs };
	ipm_off off;

	path_net(src, &c.sel.src, &c.sel.src_prefix);
	path_net(dst, &c.sel.dst, &c.sel.dst_prefix);
	c.sel.proto = proto;
	if (n_reqs != 0)
		memcpy(c.req, req, n_reqs * sizeof *req);
	cr_assert_eq(ipm_spd_add(&b->s.spd, &b->s.arena, &b->mem.alloc, 1, 100,
			 &c, &off),
	    IPM_OK);
	return off;
}

struct ipm_request
path_request(uint8_t proto, enum ipm_mode mode, const char *src,
    const char *dst, enum ipm_level level, uint32_t reqid)
{
	struct ipm_request r = { .proto = proto,
		.mode = (uint8_t)mode,
		.level = (uint8_t)level,
		.reqid = reqid };

	if (src == NULL)
		return r;
	r.src.addr = path_addr(src);
	r.dst.addr = path_addr(dst);
	r.src.raw_len = r.dst.raw_len = r.src.addr.family == 4 ? 16 : 28;
	return r;
}

size_t
path_udp(uint8_t *out, const char *src, const char *dst, uint16_t sport,
    uint16_t dport, size_t len)
{
	struct ipm_addr s = path_addr(src), d = path_addr(dst);
	size_t hlen = s.family == 4 ? 20 : 40, total = hlen + 8 + len;
	uint8_t *udp = out + hlen;
	struct ipm_ip ip;

	if (s.family == 4) {
		struct ipm_ip4_fields f = { .ttl = 64,
			.proto = 17,
			.id = 0x1234,
			.total = (uint16_t)total };

		memcpy(f.src, s.octet, 4);
		memcpy(f.dst, d.octet, 4);
		ipm_ip4_build(out, &f);
	} else {
		struct ipm_ip6_fields f = {
			.hlim = 64, .nh = 17, .plen = (uint16_t)(8 + len)
		};

		memcpy(f.src, s.octet, 16);
		memcpy(f.dst, d.octet, 16);
		ipm_ip6_build(out, &f);
	}
	ipm_store16(udp, sport);
	ipm_store16(udp + 2, dport);
	ipm_store16(udp + 4, (uint16_t)(8 + len));
	ipm_store16(udp + 6, 0);
	for (size_t i = 0; i < len; i++)
		udp[8 + i] = (uint8_t)('a' + i % 26);
	cr_assert_eq(ipm_ip_parse(ipm_span(out, total), true, &ip), IPM_R_OK);
	ipm_store16(udp + 6, ipm_upper_sum(&ip, 17, ipm_span(udp, 8 + len)));
	return total;
}

size_t
path_hex(uint8_t *out, size_t cap, const char *hex)
{
	size_t n = 0;
	char pair[3] = { 0 };

	for (; *hex != '\0'; hex += 2) {
		if (*hex == ' ') {
			hex--;
			continue;
		}
		cr_assert_lt(n, cap);
		memcpy(pair, hex, 2);
		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

size_t
path_count(const struct path_box *b, enum ipm_effect_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n_fx; i++)
		n += b->fx[i].kind == kind;
	return n;
}

const struct path_fx *
path_nth(const struct path_box *b, enum ipm_effect_kind kind, size_t i)
{
	for (size_t k = 0; k < b->n_fx; k++)
		if (b->fx[k].kind == kind && i-- == 0)
			return &b->fx[k];
	cr_assert_fail("no such effect");
	return NULL;
}
