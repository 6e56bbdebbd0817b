/*
 * The codec on random structures: what is encoded is decoded to the same
 * structure, in four dialects and two byte orders, and the two orders differ in
 * nothing but the order of the octets of host integers.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "pfk_wire.h"
#include "support/db_box.h"

#define MESSAGE_MAX 8192U
#define TAILS_MAX   4096U

struct random_msg {
	struct pfk_codec c;
	struct pfk_msg m;
	struct pfk_ext exts[PFK_EXTS_MAX];
	size_t n;
	uint8_t tails[TAILS_MAX];
	size_t used;
};

/* The types that a dialect has, in the order of its tables. */
static size_t
types_of(const struct pfk_dialect *d, uint16_t *types)
{
	size_t n = 0;

	for (uint16_t t = 1; t < 64; t++)
		if (pfk_ext_row(d, t) != NULL)
			types[n++] = t;
	return n;
}

/* As long as the type allows; to a multiple of 8 with the fixed part. */
static struct ipm_span
random_tail(struct random_msg *r, const struct pfk_ext *e, uint64_t *seed)
{
	size_t fixed = e->row == NULL ? 4 : e->row->size;
	size_t len = db_random(seed) % 6 * 8 + (8 - fixed % 8) % 8;
	uint8_t *p = r->tails + r->used;

	if (e->row != NULL && e->row->tail == PFK_TAIL_NONE)
		return ipm_span(NULL, 0);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)db_random(seed);
	r->used += len;
	return ipm_span(p, len);
}

static void
random_ext(struct random_msg *r, uint64_t *seed)
{
	uint16_t types[64];
	size_t n = types_of(r->c.dialect, types);
	struct pfk_ext *e = &r->exts[r->n++];

	*e = (struct pfk_ext){ 0 };
	e->type = types[db_random(seed) % n];
	if (db_random(seed) % 16 == 0)
		e->type = (uint16_t)(100 + db_random(seed) % 60000);
	e->row = pfk_ext_row(r->c.dialect, e->type);
	for (size_t i = 0; e->row != NULL && i < PFK_FIELDS_MAX &&
	     e->row->field[i].name != NULL;
	     i++) {
		unsigned bits = e->row->field[i].size * 8U;

		e->value[i] = db_random(seed);
		if (bits < 64)
			e->value[i] &= ((uint64_t)1 << bits) - 1;
	}
	e->tail = random_tail(r, e, seed);
}

static void
random_message(struct random_msg *r, unsigned dialect, enum pfk_order order,
    uint64_t *seed)
{
	size_t n = db_random(seed) % 12;

	memset(r, 0, sizeof *r);
	r->c = (struct pfk_codec){ &pfk_dialects[dialect], order };
	r->m.version = (uint8_t)db_random(seed);
	r->m.type = (uint8_t)db_random(seed);
	r->m.err = (uint8_t)db_random(seed);
	r->m.satype = (uint8_t)db_random(seed);
	r->m.reserved = (uint16_t)db_random(seed);
	r->m.seq = (uint32_t)db_random(seed);
	r->m.pid = (uint32_t)db_random(seed);
	while (r->n < n)
		random_ext(r, seed);
}

static void
same_ext(const struct pfk_ext *a, const struct pfk_ext *b)
{
	cr_assert_eq(a->type, b->type);
	cr_assert_eq(a->row, b->row);
	cr_assert_arr_eq(a->value, b->value, sizeof a->value);
	cr_assert_eq(a->tail.len, b->tail.len);
	if (a->tail.len != 0)
		cr_assert_arr_eq(a->tail.p, b->tail.p, a->tail.len);
}

/* [PFKEY-2-01] [PFKEY-2.1-01] [PFKEY-2.2-01] */
Test(pfk_property, decode_undoes_encode)
{
	static struct random_msg r;
	static struct pfk_ext exts[PFK_EXTS_MAX];
	uint8_t octets[MESSAGE_MAX], again[MESSAGE_MAX];
	uint64_t seed = 1;
	size_t n, where, len, len2;
	struct pfk_msg m;

	for (unsigned i = 0; i < 40000; i++) {
		random_message(&r, i & 3, (enum pfk_order)(i >> 2 & 1), &seed);
		cr_assert_eq(pfk_encode(&r.c, &r.m, r.exts, r.n, octets,
				 sizeof octets, &len),
		    IPM_OK);
		cr_assert_eq(len % 8, 0);
		cr_assert_eq(pfk_decode(&r.c, ipm_span(octets, len), &m, exts,
				 &n, &where),
		    PFK_FINE, "%u", i);
		r.m.len = (uint16_t)(len / 8);
		cr_assert(m.version == r.m.version && m.type == r.m.type &&
		    m.err == r.m.err && m.satype == r.m.satype &&
		    m.len == r.m.len && m.reserved == r.m.reserved &&
		    m.seq == r.m.seq && m.pid == r.m.pid);
		cr_assert_eq(n, r.n);
		for (size_t k = 0; k < n; k++)
			same_ext(&exts[k], &r.exts[k]);
		cr_assert_eq(
		    pfk_encode(&r.c, &m, exts, n, again, sizeof again, &len2),
		    IPM_OK);
		cr_assert_eq(len, len2);
		cr_assert_arr_eq(octets, again, len);
	}
}

/* No room of any size too small is overrun, and none succeeds. */
Test(pfk_property, every_short_buffer)
{
	static struct random_msg r;
	uint8_t octets[MESSAGE_MAX];
	uint64_t seed = 7;
	size_t len, short_len;

	for (unsigned i = 0; i < 200; i++) {
		random_message(&r, i & 3, PFK_LE, &seed);
		cr_assert_eq(pfk_encode(&r.c, &r.m, r.exts, r.n, octets,
				 sizeof octets, &len),
		    IPM_OK);
		for (size_t cap = 0; cap < len; cap++) {
			octets[cap] = 0xa5;
			cr_assert_eq(pfk_encode(&r.c, &r.m, r.exts, r.n, octets,
					 cap, &short_len),
			    IPM_ERR_NOBUF);
			cr_assert_eq(octets[cap], 0xa5);
		}
	}
}

/* [PFKEY-2-01] A host integer turns round, SPIs and ports do not; the header
 * says which octets are which, the rows of the dialect the others. */
Test(pfk_property, orders_differ_in_host_integers_alone)
{
	static struct random_msg r;
	uint8_t le[MESSAGE_MAX], be[MESSAGE_MAX];
	uint64_t seed = 3;
	size_t len, len2;

	for (unsigned i = 0; i < 4000; i++) {
		size_t off = 16;

		random_message(&r, i & 3, PFK_LE, &seed);
		cr_assert_eq(
		    pfk_encode(&r.c, &r.m, r.exts, r.n, le, sizeof le, &len),
		    IPM_OK);
		r.c.order = PFK_BE;
		cr_assert_eq(
		    pfk_encode(&r.c, &r.m, r.exts, r.n, be, sizeof be, &len2),
		    IPM_OK);
		cr_assert_eq(len, len2);
		cr_assert_arr_eq(le, be, 4);
		cr_assert(le[8] == be[11] && le[9] == be[10]);
		for (size_t k = 0; k < r.n; k++) {
			const struct pfk_ext_row *row = r.exts[k].row;
			size_t octets =
			    (size_t)(be[off] << 8 | be[off + 1]) * 8;

			for (size_t q = 0; row != NULL && q < PFK_FIELDS_MAX &&
			     row->field[q].name != NULL;
			     q++) {
				const struct pfk_field *f = &row->field[q];

				for (size_t o = 0; o < f->size; o++)
					cr_assert_eq(le[off + f->off + o],
					    be[off + f->off +
						(f->kind == PFK_HOST
							? f->size - 1 - o
							: o)]);
			}
			off += octets;
		}
		cr_assert_eq(off, len);
	}
}
