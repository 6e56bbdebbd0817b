/*
 * What a look-up costs.  SAD: by destination, protocol and SPI, through the
 * index (sessions are not what is measured: the provider here gives none).
 * SPD: through the classifier, on populations of policies that differ in how
 * many masks they have.  Each packet is made to fall under a policy drawn at
 * random, so all of the data is in use (in brackets: drawn as traffic draws
 * them), and what the index finds is compared
 * with the walk before the clock is read.  The best pass of several counts.
 */
#include "bench_lookup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/ipm_hash.h"
#include "hx_engine.h"

enum {
	LOOKS = 65536,
	PASSES = 9,
	WALKS = 256 /* of them are walked, too */
};

static double
now(void)
{
	struct timespec ts;

	/* Of the processor: a look-up waits for nothing else. */
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "ipsecsim-bench: %s\n", what);
	exit(3);
}

static void *
need(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		die("no memory");
	return p;
}

/* The same numbers in every run. */
static uint64_t
draw(uint64_t *rng)
{
	return ipm_hash_mix(*rng += 0x9e3779b97f4a7c15U);
}

static struct ipm_addr
addr4(uint32_t v)
{
	struct ipm_addr a = { .family = 4 };

	ipm_store32(a.octet, v);
	return a;
}

/*
 * One of n, in two ways: evenly, which no cache likes; or as traffic does it,
 * the k-th most popular in proportion to 1/k (Zipf), popularity having nothing
 * to do with place.
 */
static uint32_t
pick(uint64_t *rng, uint32_t n, bool zipf)
{
	uint64_t v = draw(rng);
	double u = (double)(v >> 11) / (double)(1ULL << 53);

	if (!zipf)
		return (uint32_t)(v % n);
	v = (uint64_t)(exp(u * log((double)n + 1)) - 1);
	return (uint32_t)(ipm_hash_mix(v + 1) % n);
}

/* Seconds of a look-up, evenly and as traffic does it. */
struct times {
	double even, zipf;
};

/* t grows as n to the power of this. */
static double
exponent(double t0, double t1, double n0, double n1)
{
	return log(t1 / t0) / log(n1 / n0);
}

/* --- the SAD --------------------------------------------------------------------- */

static enum ipm_err
open_nothing(const struct ipm_provider *p, const struct ipm_session_desc *d,
    struct ipm_session **s)
{
	(void)p;
	(void)d;
	*s = NULL;
	return IPM_OK;
}

static const struct ipm_provider no_sessions = { .name = "none",
	.open = open_nothing };

static struct ipm_sa_config
sa(uint32_t i)
{
	static const uint8_t key[36] = { 1, 2, 3 };

	return (struct ipm_sa_config){ .src = addr4(0x0a000001),
		.dst = addr4(0x0b000000 + i / 4),
		.proto = IPM_PROTO_ESP,
		.spi = 0x1000 + (uint32_t)(ipm_hash_mix(i) & 0xfffffff),
		.mode = IPM_MODE_TUNNEL,
		.enc = ipm_alg_by_name("aes-gcm-16"),
		.enc_key = ipm_span(key, 20),
		.window = 64 };
}

struct sa_box {
	struct hx_engine e;
	struct ipm_derived d;
	struct sa_name {
		struct ipm_addr dst;
		uint32_t spi;
	} look[LOOKS];
};

static double
sa_pass(struct sa_box *b)
{
	double t0 = now();

	for (uint32_t i = 0; i < LOOKS; i++)
		if (ipm_derived_find(&b->d, &b->e.state.arena, &b->look[i].dst,
			IPM_PROTO_ESP, b->look[i].spi) == NULL)
			die("an SA is not found");
	return (now() - t0) / LOOKS;
}

static double
sa_walks(struct sa_box *b, uint32_t n)
{
	uint32_t walks = n > 10000 ? 8 : WALKS;
	double t0 = now();

	for (uint32_t i = 0; i < walks; i++)
		if (ipm_sad_find(&b->e.state.sad, &b->e.state.arena,
			&b->look[i].dst, IPM_PROTO_ESP, b->look[i].spi) == 0)
			die("an SA is not found");
	return (now() - t0) / walks;
}

/* SAs deleted, the oldest first, with a look after each: seconds. */
static double
sa_deletions(struct sa_box *b, uint32_t n)
{
	double t0 = now();

	for (uint32_t i = 0; i < n; i++) {
		if (ipm_sad_del(&b->e.state.sad, &b->e.state.arena,
			b->e.state.sad.first) != IPM_OK ||
		    ipm_derived_sync(
			&b->d, &b->e.state.sad, &b->e.state.arena) != IPM_OK)
			die("an SA is not deleted");
		(void)ipm_derived_find(&b->d, &b->e.state.arena,
		    &b->look[i].dst, IPM_PROTO_ESP, b->look[i].spi);
	}
	return now() - t0;
}

static double
sa_best(struct sa_box *b, uint32_t n, bool zipf)
{
	double best = 1, t;
	uint64_t rng = 1;

	for (uint32_t i = 0; i < LOOKS; i++) {
		struct ipm_sa_config c = sa(pick(&rng, n, zipf));

		b->look[i] = (struct sa_name){ c.dst, c.spi };
	}
	for (int i = 0; i < PASSES; i++) {
		b->d.probes = 0;
		t = sa_pass(b);
		best = t < best ? t : best;
	}
	return best;
}

static struct times
sad(struct sa_box *b, uint32_t n)
{
	struct times best;
	double walked, built;

	if (!hx_engine_open(&b->e, IPM_PF_OBSERVER))
		die("no provider");
	ipm_derived_init(&b->d, &no_sessions, &b->e.alloc);
	for (uint32_t i = 0; i < n; i++) {
		struct ipm_sa_config c = sa(i);
		ipm_off off;

		if (ipm_sad_add(&b->e.state.sad, &b->e.state.arena, &b->e.alloc,
			1, &c, &off) != IPM_OK)
			die("no memory for SAs");
	}
	built = now();
	if (ipm_derived_sync(&b->d, &b->e.state.sad, &b->e.state.arena) !=
	    IPM_OK)
		die("no memory for the index");
	built = now() - built;
	best.zipf = sa_best(b, n, true);
	best.even = sa_best(b, n, false);
	walked = sa_walks(b, n);
	(void)printf("  %7u SAs       %7.1f ns (Zipf %5.1f)  %5.2f probes   "
		     "walk %10.0f ns, %8.1f times as long\n",
	    n, best.even * 1e9, best.zipf * 1e9, (double)b->d.probes / LOOKS,
	    walked * 1e9, walked / best.even);
	if (n > 1000)
		(void)printf("          index built in %.2f s; 1000 deletions "
			     "with a look after each: %.3f s\n",
		    built, sa_deletions(b, 1000));
	(void)fflush(stdout);
	ipm_derived_free(&b->d);
	hx_engine_close(&b->e);
	return best;
}

/* --- populations of policies ---------------------------------------------------------- */

typedef struct ipm_selector (*population)(uint32_t i, uint64_t *rng);

static void
random_octets(uint64_t *rng, struct ipm_addr *a)
{
	for (size_t i = 0; i < ipm_addr_len(a); i++)
		a->octet[i] = (uint8_t)(draw(rng) >> 32);
}

/* Octets from `bits` on. */
static void
random_host(uint64_t *rng, struct ipm_addr *a, unsigned bits)
{
	struct ipm_addr r = { .family = a->family };

	random_octets(rng, &r);
	for (unsigned i = bits; i < ipm_addr_len(a) * 8; i++) {
		uint8_t bit = (uint8_t)(128U >> i % 8);

		a->octet[i / 8] = (uint8_t)((a->octet[i / 8] & ~bit) |
		    (r.octet[i / 8] & bit));
	}
}

/* Tunnels between sites: IPv4, a /24 each, any protocol. */
static struct ipm_selector
one_mask(uint32_t i, uint64_t *rng)
{
	struct ipm_selector s = {
		.src_prefix = 24, .dst_prefix = 24, .proto = IPM_ULP_ANY
	};

	s.src.addr = addr4(0x0a000000 + (i << 8));
	s.dst.addr = addr4((uint32_t)draw(rng) & 0xffffff00U);
	return s;
}

/*
 * After the shape of ClassBench's rule sets (Taylor and Turner, "ClassBench: a
 * packet classification benchmark", 2007): a few dozen pairs of prefix lengths
 * with very different weights, hosts most of all, wildcards too; addresses that
 * lie below each other; TCP with one destination port above all.  Ranges of
 * ports, which the SPD cannot say, are absent; one in eight is IPv6.  The order
 * is put from narrow to wide (build()).
 */
static struct ipm_selector
mixture(uint32_t i, uint64_t *rng)
{
	static const struct {
		uint8_t weight, src, dst;
	} pairs[] = { { 60, 32, 32 }, { 30, 24, 32 }, { 24, 32, 24 },
		{ 24, 24, 24 }, { 18, 16, 32 }, { 14, 0, 32 }, { 10, 16, 24 },
		{ 10, 28, 32 }, { 8, 30, 30 }, { 8, 27, 27 }, { 6, 22, 24 },
		{ 6, 24, 16 }, { 6, 20, 20 }, { 5, 32, 16 }, { 5, 26, 32 },
		{ 4, 23, 32 }, { 4, 16, 16 }, { 3, 21, 26 }, { 3, 29, 24 },
		{ 2, 0, 24 }, { 2, 32, 0 }, { 2, 19, 25 }, { 1, 8, 32 },
		{ 1, 12, 24 } };
	static const uint8_t protos[] = { 6, 6, 6, 6, 6, 6, 6, 6, 17, 17, 17, 1,
		50, IPM_ULP_ANY, IPM_ULP_ANY, IPM_ULP_ANY };
	static const uint16_t ports[] = { 80, 443, 25, 53, 22, 1521, 135,
		8080 };
	uint64_t v = draw(rng);
	unsigned pick = (unsigned)(v % 256), k = 0;
	struct ipm_selector s = { .proto = protos[v >> 8 & 15] };
	bool v6 = i % 8 == 7;

	while (pick >= pairs[k].weight) {
		pick -= pairs[k].weight;
		k = k + 1 == sizeof pairs / sizeof pairs[0] ? 0 : k + 1;
	}
	s.src.addr.family = s.dst.addr.family = v6 ? 6 : 4;
	s.src_prefix = (uint8_t)(pairs[k].src * (v6 ? 4 : 1));
	s.dst_prefix = (uint8_t)(pairs[k].dst * (v6 ? 4 : 1));
	random_octets(rng, &s.src.addr);
	random_octets(rng, &s.dst.addr);
	/* 256 networks on either side hold them all. */
	s.src.addr.octet[0] = 10;
	s.dst.addr.octet[0] = 172;
	if (s.proto == 6 || s.proto == 17) {
		if ((v >> 16 & 15) == 0)
			s.src.port = ports[v >> 20 & 7];
		if ((v >> 24 & 3) != 0)
			s.dst.port = (v >> 26 & 1) != 0
			    ? ports[v >> 27 & 7]
			    : (uint16_t)(1024 + (v >> 32 & 0x3fff));
	}
	return s;
}

/* No two with the same lengths and the same of protocol and ports named. */
static struct ipm_selector
masks_from(unsigned shortest, uint32_t i, uint64_t *rng)
{
	uint64_t lengths = 129 - shortest;
	/* All of them, in another order: the factor is a prime. */
	uint32_t k = (uint32_t)(((uint64_t)i * 1000003 + 54321) %
	    (lengths * lengths * 8));
	struct ipm_selector s = { .src = { .addr = { .family = 6 } },
		.dst = { .addr = { .family = 6 } },
		.src_prefix = (uint8_t)(shortest + k / 8 % lengths),
		.dst_prefix = (uint8_t)(shortest + k / 8 / lengths),
		.proto = (k & 1) != 0 ? 6 : IPM_ULP_ANY };

	random_octets(rng, &s.src.addr);
	random_octets(rng, &s.dst.addr);
	s.src.port = (k & 2) != 0 ? 1024 : 0;
	s.dst.port = (k & 4) != 0 ? 80 : 0;
	return s;
}

static struct ipm_selector
all_masks(uint32_t i, uint64_t *rng)
{
	return masks_from(16, i, rng);
}

static struct ipm_selector
wide_masks(uint32_t i, uint64_t *rng)
{
	return masks_from(0, i, rng);
}

/* --- the SPD --------------------------------------------------------------------------- */

struct sp_box {
	struct hx_engine e;
	struct ipm_spdindex x;
	struct ipm_selector *policy, packet[LOOKS];
};

static int
narrow_first(const void *a, const void *b)
{
	const struct ipm_selector *s = a, *t = b;
	int x = s->src_prefix + s->dst_prefix,
	    y = t->src_prefix + t->dst_prefix;

	return x > y ? -1 : x < y;
}

static void
build(struct sp_box *b, population p, uint32_t n)
{
	uint64_t rng = 7;

	if (!hx_engine_open(&b->e, IPM_PF_OBSERVER))
		die("no provider");
	b->x = (struct ipm_spdindex){ 0 };
	b->policy = need(n, sizeof b->policy[0]);
	for (uint32_t i = 0; i < n; i++)
		b->policy[i] = p(i, &rng);
	if (p == mixture)
		qsort(b->policy, n, sizeof b->policy[0], narrow_first);
	for (uint32_t i = 0; i < n; i++) {
		struct ipm_sp_config c = { .sel = b->policy[i],
			.dir = IPM_DIR_OUT,
			.type = IPM_POLICY_NONE };
		ipm_off off;

		if (ipm_spd_add(&b->e.state.spd, &b->e.state.arena, &b->e.alloc,
			1, 1, &c, &off) != IPM_OK)
			die("no memory for policies");
	}
}

static void
make_packets(struct sp_box *b, uint32_t n, bool zipf)
{
	uint64_t rng = 9;

	for (uint32_t i = 0; i < LOOKS; i++) {
		struct ipm_selector *s = &b->packet[i];

		*s = b->policy[pick(&rng, n, zipf)];
		random_host(&rng, &s->src.addr, s->src_prefix);
		random_host(&rng, &s->dst.addr, s->dst_prefix);
		s->src_prefix = s->dst_prefix =
		    s->src.addr.family == 4 ? 32 : 128;
		s->proto = s->proto == IPM_ULP_ANY ? 17 : s->proto;
		s->src.port = s->src.port == 0 ? 40000 : s->src.port;
		s->dst.port = s->dst.port == 0 ? 50000 : s->dst.port;
	}
}

static ipm_off
look(struct sp_box *b, uint32_t i)
{
	return ipm_spdindex_lookup(&b->x, &b->e.alloc, &b->e.state.spd,
	    &b->e.state.arena, IPM_DIR_OUT, &b->packet[i], 2);
}

static double
sp_pass(struct sp_box *b)
{
	double t0 = now();

	for (uint32_t i = 0; i < LOOKS; i++)
		if (look(b, i) == 0)
			die("a policy is not found");
	return (now() - t0) / LOOKS;
}

static double
sp_walks(struct sp_box *b)
{
	double t0 = now(), t;

	for (uint32_t i = 0; i < WALKS; i++)
		(void)ipm_spd_lookup(&b->e.state.spd, &b->e.state.arena,
		    IPM_DIR_OUT, &b->packet[i], 2);
	t = (now() - t0) / WALKS;
	for (uint32_t i = 0; i < WALKS; i++)
		if (look(b, i) !=
		    ipm_spd_lookup(&b->e.state.spd, &b->e.state.arena,
			IPM_DIR_OUT, &b->packet[i], 2))
			die("index and walk differ");
	return t;
}

static double
sp_best(struct sp_box *b, uint32_t n, bool zipf)
{
	double best = 1, t;

	make_packets(b, n, zipf);
	for (int i = 0; i < PASSES; i++) {
		b->x.probes = 0;
		t = sp_pass(b);
		best = t < best ? t : best;
	}
	return best;
}

struct cost {
	struct times best;
	double probes;
};

static struct cost
spd(struct sp_box *b, population p, uint32_t n)
{
	struct cost c;
	double walked;

	build(b, p, n);
	c.best.zipf = sp_best(b, n, true);
	c.best.even = sp_best(b, n, false);
	c.probes = (double)b->x.probes / LOOKS;
	walked = sp_walks(b);
	(void)printf("  %7u policies  %7.1f ns (Zipf %5.1f)  %5.2f probes   "
		     "walk %10.0f ns, %8.1f times as long; index %.0f octets a "
		     "policy\n",
	    n, c.best.even * 1e9, c.best.zipf * 1e9, c.probes, walked * 1e9,
	    walked / c.best.even, (double)ipm_spdindex_octets(&b->x) / n);
	(void)fflush(stdout);
	return c;
}

static void
sp_close(struct sp_box *b)
{
	ipm_spdindex_free(&b->x, &b->e.alloc);
	hx_engine_close(&b->e);
	free(b->policy);
}

/* Insertions and deletions with a look after each. */
static void
changes(struct sp_box *b)
{
	struct ipm_spd *s = &b->e.state.spd;
	uint32_t n = s->count[IPM_DIR_OUT];
	struct ipm_sp_config c = { .dir = IPM_DIR_OUT,
		.type = IPM_POLICY_NONE };
	double t0 = now(), t1, t2;
	ipm_off off;

	for (uint32_t i = 0; i < n; i++) {
		ipm_spd_del(s, &b->e.state.arena, s->first[IPM_DIR_OUT]);
		(void)look(b, i % LOOKS);
	}
	t1 = now();
	for (uint32_t i = 0; i < n; i++) {
		c.sel = b->policy[i];
		if (ipm_spd_add(s, &b->e.state.arena, &b->e.alloc, 1, 1, &c,
			&off) != IPM_OK)
			die("no memory for policies");
		(void)look(b, i % LOOKS);
	}
	t2 = now();
	(void)printf("  %7u removals and %u additions, a look after each: %.2f "
		     "s and %.2f s\n",
	    n, n, t1 - t0, t2 - t1);
}

static void
grow(struct sp_box *b, const char *what, population p)
{
	struct cost small, large;

	(void)printf("SPD look-up, %s\n", what);
	(void)spd(b, p, 10);
	sp_close(b);
	small = spd(b, p, 1000);
	sp_close(b);
	large = spd(b, p, 100000);
	(void)printf("  from 1000 to 100000: time grows with exponent %.2f "
		     "(Zipf %.2f), probes with %.2f\n",
	    exponent(small.best.even, large.best.even, 1e3, 1e5),
	    exponent(small.best.zipf, large.best.zipf, 1e3, 1e5),
	    exponent(small.probes, large.probes, 1e3, 1e5));
	changes(b);
	sp_close(b);
}

void
bench_lookup(void)
{
	struct sa_box *a = need(1, sizeof *a);
	struct sp_box *p = need(1, sizeof *p);
	struct times small, large;

	(void)printf("SAD look-up, destination, protocol and SPI\n");
	(void)sad(a, 1);
	small = sad(a, 1000);
	large = sad(a, 1000000);
	(void)printf("  from 1000 to 1000000: time grows with exponent %.2f "
		     "(Zipf %.2f)\n",
	    exponent(small.even, large.even, 1e3, 1e6),
	    exponent(small.zipf, large.zipf, 1e3, 1e6));
	grow(p, "one mask", one_mask);
	grow(p, "ClassBench-like mixture", mixture);
	grow(p, "every mask different (IPv6, /16 to /128)", all_masks);
	grow(p, "every mask different (IPv6, /0 to /128)", wide_masks);
	free(a);
	free(p);
}
