#include "reass_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "hx_engine.h"

static void
tell(void *ctx, uint64_t frame, enum ipm_reason reason, uint64_t by)
{
	struct reass_bench *b = ctx;

	cr_assert(frame < REASS_FRAMES);
	b->told[frame] = reason;
	b->by[frame] = by;
	b->times[frame]++;
}

struct reass_bench *
reass_bench_new(void)
{
	struct reass_bench *b = calloc(1, sizeof *b);

	cr_assert_not_null(b);
	ipm_arena_init(&b->arena, 0);
	b->alloc = hx_alloc();
	ipm_profile_init(&b->pf, IPM_PF_OBSERVER);
	ipm_reass_init(&b->t);
	b->now = 1000;
	b->cap = sizeof b->out;
	return b;
}

void
reass_bench_free(struct reass_bench *b)
{
	ipm_arena_free(&b->arena, &b->alloc);
	free(b);
}

struct ipm_reass_env
reass_bench_env(struct reass_bench *b)
{
	return (struct ipm_reass_env){ &b->arena, &b->alloc, &b->pf, b->now,
		tell, b, &b->lost, b->flags };
}

static size_t
build4(const struct reass_frag *f, uint8_t *p)
{
	size_t hlen = 20 + f->options;
	struct ipm_ip4_fields h = { .tos = f->tos,
		.ttl = 64,
		.proto = f->proto == 0 ? IPM_PROTO_UDP : f->proto,
		.src = { 192, 0, 2, (uint8_t)(1 + f->src) },
		.dst = { 198, 51, 100, 2 } };

	ipm_ip4_build(p, &h);
	memset(p + 20, 1, f->options);
	p[0] = (uint8_t)(0x40 | hlen / 4);
	ipm_store16(p + 4, (uint16_t)f->id);
	ipm_store16(p + 6, (uint16_t)((f->more ? 0x2000U : 0) | f->off / 8));
	cr_assert(ipm_ip_rewrite(p, 4, hlen, hlen + f->len, SIZE_MAX, 0));
	return hlen;
}

static size_t
build6(const struct reass_frag *f, uint8_t *p)
{
	struct ipm_ip6_fields h = { .tclass = f->tos,
		.hlim = 64,
		.nh = IPM_PROTO_FRAGMENT,
		.plen = (uint16_t)(8 + f->len),
		.src = { 0x20, 1, [15] = (uint8_t)(1 + f->src) },
		.dst = { 0x20, 2 } };

	ipm_ip6_build(p, &h);
	p[40] = f->proto == 0 ? IPM_PROTO_UDP : f->proto;
	p[41] = 0;
	ipm_store16(p + 42, (uint16_t)(f->off | (f->more ? 1U : 0)));
	ipm_store32(p + 44, f->id);
	return 48;
}

size_t
reass_frag_build(const struct reass_frag *f, uint8_t *p)
{
	size_t hlen = f->version == 6 ? build6(f, p) : build4(f, p);

	if (f->len != 0)
		memcpy(p + hlen, f->payload, f->len);
	return hlen + f->len;
}

enum ipm_reason
reass_offer_packet(struct reass_bench *b, struct ipm_span p)
{
	struct ipm_reass_env e = reass_bench_env(b);
	struct ipm_ip ip;

	cr_assert_eq(ipm_ip_parse(p, true, &ip), IPM_R_OK);
	cr_assert(ip.fragment);
	return ipm_reass_add(
	    &b->t, &e, &ip, ++b->frame, b->out, b->cap, &b->packet, &b->pieces);
}

enum ipm_reason
reass_offer(struct reass_bench *b, const struct reass_frag *f)
{
	static uint8_t p[70000];

	return reass_offer_packet(b, ipm_span(p, reass_frag_build(f, p)));
}

void
reass_wait(struct reass_bench *b, uint64_t seconds)
{
	struct ipm_reass_env e;

	b->now += seconds;
	e = reass_bench_env(b);
	while (ipm_reass_expire(&b->t, &e))
		;
}
