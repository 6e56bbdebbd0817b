/*
 * Implementation notes.  Four structures, each of which may say too much but
 * never too little; what is found in the end is asked ipm_selector_match, so
 * none of them needs to compare keys, and a collision of hashes costs time
 * alone:
 *
 *   filter  for an end of a direction and the first 8, 16, 24, ... bits of an
 *           address, an octet of which prefix lengths (that many bits, and up
 *           to seven more) there are below it: a blocked Bloom filter, two
 *           octets of one line of 64
 *   masks   which pairs of prefix lengths there are, and what comes first in
 *           the search order of all policies with one
 *   groups  by direction and masked addresses: which of the eight kinds of
 *           policy (protocol, source port, destination port named or not)
 *           there are, one bit each
 *   cells   by group, kind, protocol and ports: a chain of policies in search
 *           order.  The first cell of a group stands in the group's own slot,
 *           with the place of its first policy, since most groups have one.
 *
 * What a look-up costs with many policies is memory that is in no cache: in the
 * common case one line for the group, two or three for the policy, and those of
 * the filter, whose places do not depend on each other.
 *
 * Zones are not hashed, for a packet without one meets policies of every zone:
 * policies that differ by nothing else share a chain.
 *
 * The search order is that of priority, then of arrival (ipm_spd.c), which is
 * the order of the entries here.  A policy that is gone leaves its chain by
 * the arrival stamp and nothing else is cleaned; the next time the room for
 * entries is used up all is built anew, so a change costs O(1) in the mean.
 */
#include "ipm_spdindex.h"

#include <string.h>

#include "ipm_hash.h"

/* A prefix length with its family is a class: 0 to 32 are IPv4's, IPv6's
 * begin at 40 so that each octet of a row is one family's and the filter's. */
#define BASE6   40U
#define ROW     24U /* octets for 40 + 129 bits */
#define CLASSES (ROW * 8)
#define LINE    64U /* octets of a line of the filter */

enum end {
	SRC,
	DST,
	N_ENDS
};

enum kind {
	NAMES_PROTO = 1,
	NAMES_SPORT = 2,
	NAMES_DPORT = 4,
	N_KINDS = 8
};

/* Lists no longer than this are walked; so few masks are tried unfiltered. */
#define WALKED    8U
#define FEW_MASKS 4U

struct ipm_spdindex_entry {
	uint64_t arrival;
	ipm_off off;
	uint32_t next; /* in its chain, index plus 1 */
	uint32_t prev; /* likewise; of the first one: the last */
	uint32_t priority;
	uint32_t group, cell; /* hashes */
};

/* value 0: free. */
struct ipm_spdindex_slot {
	uint32_t hash;
	uint32_t value; /* first entry of the chain */
};

struct ipm_spdindex_group {
	uint32_t hash;
	uint32_t bits;  /* 0: free; else of OWN, USED, KINDS */
	uint32_t first; /* of the own chain, and where that policy is */
	ipm_off off;
};

#define OWN        0xfffffe00U /* most of the hash of the cell that is here */
#define USED       0x00000100U
#define KINDS      0x000000ffU /* of the cells that stand elsewhere */
#define KIND_SHIFT 29U         /* a cell's hash has its kind on top */

static bool
owns(const struct ipm_spdindex_group *g, uint32_t cell)
{
	return ((g->bits ^ cell) & OWN) == 0;
}

#define EMPTIED UINT32_MAX /* a cell whose chain has ended */

/* The first of all policies with some pair of prefix lengths, or of several
 * such pairs; it may be gone. */
struct ipm_spdindex_rank {
	uint32_t entry; /* plus 1; 0: none */
	uint32_t priority;
};

struct ipm_spdindex_masks {
	uint8_t present[IPM_N_DIRS][N_ENDS][ROW];
	uint8_t pair[IPM_N_DIRS][CLASSES]
		    [ROW]; /* by source, then destination */
	uint32_t count[IPM_N_DIRS];
};

/* --- keys -------------------------------------------------------------------- */

static unsigned
base_of(uint8_t family)
{
	return family == 4 ? 0 : BASE6;
}

/* Bits of an address that a prefix length leaves, and their hash. */
static uint64_t
hash_prefix(const struct ipm_addr *a, unsigned bits)
{
	bool v4 = a->family == 4;
	uint64_t high =
	    v4 ? (uint64_t)ipm_load32(a->octet) << 32 : ipm_load64(a->octet);
	uint64_t low = v4 ? 0 : ipm_load64(a->octet + 8);

	if (bits < 64) {
		high &= bits == 0 ? 0 : UINT64_MAX << (64 - bits);
		low = 0;
	} else if (bits < 128)
		low &= bits == 64 ? 0 : UINT64_MAX << (128 - bits);
	high = ipm_hash_mix(high + ((uint64_t)a->family << 8 | bits));
	return v4 ? high : ipm_hash_mix(high ^ low);
}

static uint64_t
hash_group(enum ipm_dir dir, uint64_t src, uint64_t dst)
{
	return ipm_hash_mix(src + dst * 0x9e3779b97f4a7c15U + dir);
}

static uint32_t
hash_cell(uint64_t group, unsigned kind, const struct ipm_selector *sel)
{
	uint64_t key = kind;

	if ((kind & NAMES_PROTO) != 0)
		key |= (uint64_t)sel->proto << 8;
	if ((kind & NAMES_SPORT) != 0)
		key |= (uint64_t)sel->src.port << 16;
	if ((kind & NAMES_DPORT) != 0)
		key |= (uint64_t)sel->dst.port << 32;
	return (uint32_t)(ipm_hash_mix(group ^ key << 8) >> 35) |
	    kind << KIND_SHIFT;
}

/* --- the filter -------------------------------------------------------------- */

/* Where the filter stands on the way down an address. */
struct descent {
	const struct ipm_addr *addr;
	uint64_t hash; /* of the octets passed */
};

static struct descent
descend(enum ipm_dir dir, enum end end, const struct ipm_addr *addr)
{
	return (struct descent){ .addr = addr,
		.hash =
		    (uint64_t)dir << 16 | (uint64_t)end << 8 | addr->family };
}

static void
pass_octet(struct descent *d, unsigned i)
{
	d->hash = (d->hash ^ d->addr->octet[i]) * 0x100000001b3U;
}

/* The two octets of the filter for the octets passed. */
static void
places(const struct ipm_spdindex *x, const struct descent *d, uint8_t *at[2])
{
	uint64_t h = ipm_hash_mix(d->hash);
	/* A line for every four entries, which have eight prefixes. */
	uint8_t *line = x->filter + (size_t)(h >> 32 & (x->cap / 4 - 1)) * LINE;

	at[0] = line + (h & (LINE - 1));
	at[1] = line + (h >> 8 & (LINE - 1));
}

static void
filter_add(struct ipm_spdindex *x, enum ipm_dir dir, enum end end,
    const struct ipm_addr *addr, unsigned bits)
{
	struct descent d = descend(dir, end, addr);
	uint8_t *at[2], bit = (uint8_t)(1U << bits % 8);

	for (unsigned i = 0; i < bits / 8; i++)
		pass_octet(&d, i);
	places(x, &d, at);
	*at[0] |= bit;
	*at[1] |= bit;
	x->masks->present[dir][end][(base_of(addr->family) + bits) / 8] |= bit;
}

/* --- hash tables ---------------------------------------------------------------- */

/* The slot of this hash, or the free one where it would stand. */
static struct ipm_spdindex_group *
group_of(const struct ipm_spdindex *x, uint32_t hash)
{
	uint32_t mask = x->cap * 2 - 1, at = hash & mask;

	while (x->groups[at].bits != 0 && x->groups[at].hash != hash)
		at = (at + 1) & mask;
	return &x->groups[at];
}

static struct ipm_spdindex_slot *
cell_of(const struct ipm_spdindex *x, uint32_t hash)
{
	uint32_t mask = x->cap * 2 - 1, at = hash & mask;

	while (x->cells[at].value != 0 && x->cells[at].hash != hash)
		at = (at + 1) & mask;
	return &x->cells[at];
}

/* --- chains ------------------------------------------------------------------ */

/* Entries are named by their index plus 1; 0 is none. */
static struct ipm_spdindex_entry *
entry_at(const struct ipm_spdindex *x, uint32_t e)
{
	return &x->entry[e - 1];
}

/* In search order? */
static bool
before(const struct ipm_spdindex *x, uint32_t e, uint32_t f)
{
	const struct ipm_spdindex_entry *p = entry_at(x, e),
					*q = entry_at(x, f);

	return p->priority != q->priority ? p->priority < q->priority : e < f;
}

/* The place is sought from the end, where most belong. */
static void
chain_add(struct ipm_spdindex *x, uint32_t *first, uint32_t e)
{
	struct ipm_spdindex_entry *p = entry_at(x, e), *head;
	uint32_t prev;

	if (*first == 0 || before(x, e, *first)) {
		p->next = *first;
		p->prev = *first == 0 ? e : entry_at(x, *first)->prev;
		if (*first != 0)
			entry_at(x, *first)->prev = e;
		*first = e;
		return;
	}
	head = entry_at(x, *first);
	prev = head->prev;
	while (before(x, e, prev))
		prev = entry_at(x, prev)->prev;
	p->prev = prev;
	p->next = entry_at(x, prev)->next;
	entry_at(x, prev)->next = e;
	*(p->next == 0 ? &head->prev : &entry_at(x, p->next)->prev) = e;
}

static void
chain_remove(struct ipm_spdindex *x, uint32_t *first, uint32_t e)
{
	const struct ipm_spdindex_entry *p = entry_at(x, e);
	struct ipm_spdindex_entry *head = entry_at(x, *first);

	if (p == head)
		*first = p->next;
	else
		entry_at(x, p->prev)->next = p->next;
	if (p->next != 0)
		entry_at(x, p->next)->prev = p->prev;
	else if (p != head)
		head->prev = p->prev;
}

/* --- building ---------------------------------------------------------------- */

static unsigned
clamp(const struct ipm_addr *a, unsigned prefix)
{
	unsigned full = (unsigned)ipm_addr_len(a) * 8;

	return prefix < full ? prefix : full;
}

static unsigned
kind_of(const struct ipm_selector *sel)
{
	return (sel->proto != IPM_ULP_ANY ? NAMES_PROTO : 0U) |
	    (sel->src.port != 0 ? NAMES_SPORT : 0U) |
	    (sel->dst.port != 0 ? NAMES_DPORT : 0U);
}

static struct ipm_spdindex_rank *
rank_of(
    const struct ipm_spdindex *x, enum ipm_dir dir, unsigned row, unsigned col)
{
	uint32_t h = ((row * CLASSES + col) * IPM_N_DIRS + dir) * 0x9e3779b1U;

	/* Half as many as entries; pairs that share one are told too early. */
	return &x->ranks[(uint64_t)h * (x->cap / 2) >> 32];
}

static bool
rank_before(const struct ipm_spdindex_rank *r, uint32_t priority, uint32_t e)
{
	return r->priority != priority ? r->priority < priority : r->entry < e;
}

/* Masks and filter know of it, the entry has its hashes. */
static void
announce(struct ipm_spdindex *x, const struct ipm_sp *sp, uint32_t e)
{
	struct ipm_spdindex_entry *p = entry_at(x, e);
	struct ipm_spdindex_rank *rank;
	const struct ipm_addr *src = &sp->sel.src.addr,
			      *dst = &sp->sel.dst.addr;
	unsigned s = clamp(src, sp->sel.src_prefix);
	unsigned d = clamp(dst, sp->sel.dst_prefix);
	unsigned row = base_of(src->family) + s, col = base_of(dst->family) + d;
	enum ipm_dir dir = (enum ipm_dir)sp->dir;
	uint8_t *pair = &x->masks->pair[dir][row][col / 8];
	uint64_t group =
	    hash_group(dir, hash_prefix(src, s), hash_prefix(dst, d));

	filter_add(x, dir, SRC, src, s);
	filter_add(x, dir, DST, dst, d);
	if ((*pair >> col % 8 & 1) == 0)
		x->masks->count[dir]++;
	*pair |= (uint8_t)(1U << col % 8);
	rank = rank_of(x, dir, row, col);
	if (rank->entry == 0 || !rank_before(rank, p->priority, e))
		*rank = (struct ipm_spdindex_rank){ e, p->priority };
	p->group = (uint32_t)group;
	p->cell = hash_cell(group, kind_of(&sp->sel), &sp->sel);
}

/* The newest policy; there is room. */
static void
add(struct ipm_spdindex *x, const struct ipm_arena *a, ipm_off off)
{
	const struct ipm_sp *sp = ipm_arena_at(a, off);
	uint32_t e = ++x->n_entries;
	struct ipm_spdindex_entry *p = entry_at(x, e);
	struct ipm_spdindex_group *group;
	struct ipm_spdindex_slot *cell;

	x->live++;
	*p = (struct ipm_spdindex_entry){
		.arrival = sp->arrival, .off = off, .priority = sp->priority
	};
	/* Such a one matches nothing. */
	if (sp->sel.src.addr.family == 0 || sp->sel.dst.addr.family == 0)
		return;
	announce(x, sp, e);
	group = group_of(x, p->group);
	if (group->bits == 0)
		*group = (struct ipm_spdindex_group){ .hash = p->group,
			.bits = (p->cell & OWN) | USED };
	if (owns(group, p->cell)) {
		chain_add(x, &group->first, e);
		group->off = entry_at(x, group->first)->off;
		return;
	}
	group->bits |= 1U << (p->cell >> KIND_SHIFT);
	cell = cell_of(x, p->cell);
	cell->hash = p->cell;
	if (cell->value == EMPTIED)
		cell->value = 0;
	chain_add(x, &cell->value, e);
}

/* The entry of this arrival, or 0. */
static uint32_t
entry_of(const struct ipm_spdindex *x, uint64_t arrival)
{
	uint32_t low = 0, high = x->n_entries;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (x->entry[mid].arrival < arrival)
			low = mid + 1;
		else
			high = mid;
	}
	return low < x->n_entries && x->entry[low].arrival == arrival ? low + 1
								      : 0;
}

/* One that came and went between two looks is not here. */
static void
remove_arrival(struct ipm_spdindex *x, uint64_t arrival)
{
	uint32_t e = entry_of(x, arrival);
	struct ipm_spdindex_group *group;
	struct ipm_spdindex_slot *cell;

	if (e == 0)
		return;
	x->live--;
	if (entry_at(x, e)->prev == 0)
		return; /* in no chain */
	group = group_of(x, entry_at(x, e)->group);
	if (owns(group, entry_at(x, e)->cell)) {
		chain_remove(x, &group->first, e);
		group->off =
		    group->first == 0 ? 0 : entry_at(x, group->first)->off;
		return;
	}
	cell = cell_of(x, entry_at(x, e)->cell);
	chain_remove(x, &cell->value, e);
	if (cell->value == 0)
		cell->value = EMPTIED;
}

static size_t
block_octets(size_t cap)
{
	return cap * sizeof(struct ipm_spdindex_entry) +
	    cap * 2 * sizeof(struct ipm_spdindex_group) +
	    cap * 2 * sizeof(struct ipm_spdindex_slot) +
	    cap / 2 * sizeof(struct ipm_spdindex_rank) +
	    sizeof(struct ipm_spdindex_masks) + cap / 4 * LINE;
}

size_t
ipm_spdindex_octets(const struct ipm_spdindex *x)
{
	return x->block == NULL ? 0 : block_octets(x->cap);
}

void
ipm_spdindex_free(struct ipm_spdindex *x, const struct ipm_alloc *alloc)
{
	uint64_t probes = x->probes, builds = x->builds;

	if (x->block != NULL)
		(void)alloc->resize(
		    alloc->ctx, x->block, block_octets(x->cap), 0);
	*x = (struct ipm_spdindex){ .probes = probes, .builds = builds };
}

/* An empty index with room for a quarter more policies than n. */
static enum ipm_err
make_room(struct ipm_spdindex *x, const struct ipm_alloc *alloc, uint32_t n)
{
	size_t cap = 16;

	ipm_spdindex_free(x, alloc);
	if (n > UINT32_MAX / 8)
		return IPM_ERR_NOMEM;
	while (cap < n + n / 4)
		cap *= 2;
	if (cap > SIZE_MAX / 128)
		return IPM_ERR_NOMEM;
	x->block = alloc->resize(alloc->ctx, NULL, 0, block_octets(cap));
	if (x->block == NULL)
		return IPM_ERR_NOMEM;
	memset(x->block, 0, block_octets(cap));
	x->cap = (uint32_t)cap;
	x->entry = x->block;
	x->groups = (void *)(x->entry + cap);
	x->cells = (void *)(x->groups + cap * 2);
	x->ranks = (void *)(x->cells + cap * 2);
	x->masks = (void *)(x->ranks + cap / 2);
	x->filter = (void *)(x->masks + 1);
	x->builds++;
	return IPM_OK;
}

/* The n policies that came last, the oldest of them first. */
static void
add_newest(struct ipm_spdindex *x, const struct ipm_spd *spd,
    const struct ipm_arena *a, uint32_t n)
{
	ipm_off off = spd->newest;

	for (uint32_t i = 1; i < n; i++)
		off = ((const struct ipm_sp *)ipm_arena_at(a, off))->older;
	for (uint32_t i = 0; i < n; i++) {
		add(x, a, off);
		off = ((const struct ipm_sp *)ipm_arena_at(a, off))->newer;
	}
}

/* The removals since the last look; false: too many to be remembered. */
static bool
follow_removals(struct ipm_spdindex *x, const struct ipm_spd *spd)
{
	if (x->cap == 0 || spd->n_gone - x->n_gone > IPM_SPD_GONE)
		return false;
	for (uint64_t i = x->n_gone; i != spd->n_gone; i++)
		remove_arrival(x, spd->gone[i % IPM_SPD_GONE]);
	/* Mostly of what is gone, it is in the way. */
	return x->live >= x->n_entries / 4;
}

enum ipm_err
ipm_spdindex_sync(struct ipm_spdindex *x, const struct ipm_alloc *alloc,
    const struct ipm_spd *spd, const struct ipm_arena *a)
{
	uint32_t n = spd->count[IPM_DIR_IN] + spd->count[IPM_DIR_OUT];

	if (x->cap != 0 && x->generation == spd->generation)
		return IPM_OK;
	if (!follow_removals(x, spd) || n - x->live > x->cap - x->n_entries)
		if (make_room(x, alloc, n) != IPM_OK)
			return IPM_ERR_NOMEM;
	add_newest(x, spd, a, n - x->live);
	x->generation = spd->generation;
	x->n_gone = spd->n_gone;
	return IPM_OK;
}

/* --- looking up -------------------------------------------------------------- */

/* A prefix of a packet's address that policies may have. */
struct candidate {
	uint64_t hash;
	uint32_t class;
};

static unsigned
candidates(struct ipm_spdindex *x, enum ipm_dir dir, enum end end,
    const struct ipm_addr *addr, struct candidate *c)
{
	const uint8_t *present =
	    x->masks->present[dir][end] + base_of(addr->family) / 8;
	unsigned len = (unsigned)ipm_addr_len(addr), n = 0;
	bool all = x->masks->count[dir] <= FEW_MASKS;
	struct descent d = descend(dir, end, addr);

	for (unsigned i = 0; i <= len; i++) {
		unsigned bits = present[i];

		if (bits != 0 && !all) {
			uint8_t *at[2];

			places(x, &d, at);
			x->probes++;
			bits &= *at[0] & *at[1];
		}
		for (unsigned b = i * 8; bits != 0; b++, bits >>= 1)
			if ((bits & 1) != 0)
				c[n++] =
				    (struct candidate){ hash_prefix(addr, b),
					    base_of(addr->family) + b };
		if (i < len)
			pass_octet(&d, i);
	}
	return n;
}

/* The search so far. */
struct search {
	struct ipm_spdindex *x;
	const struct ipm_arena *a;
	const struct ipm_selector *packet;
	uint32_t best; /* entry plus 1, 0 none */
	ipm_off off;   /* its policy */
	uint32_t priority;
};

/* The first of a chain that matches, unless something better is known.  off is
 * where its first policy is. */
static void
search_chain(struct search *s, uint32_t at, ipm_off off)
{
	const struct ipm_spdindex *x = s->x;

	for (;;) {
		const struct ipm_sp *sp = ipm_arena_at(s->a, off);

		if (s->best != 0 && !before(x, at, s->best))
			return;
		s->x->probes++;
		if (ipm_selector_match(&sp->sel, s->packet)) {
			s->best = at;
			s->off = off;
			s->priority = sp->priority;
			return;
		}
		at = entry_at(x, at)->next;
		if (at == 0)
			return;
		off = entry_at(x, at)->off;
	}
}

static void
search_group(struct search *s, uint64_t hash)
{
	const struct ipm_spdindex *x = s->x;
	const struct ipm_spdindex_group *group = group_of(x, (uint32_t)hash);
	uint32_t kinds = group->bits & KINDS;

	s->x->probes++;
	if (group->first != 0 &&
	    owns(group, hash_cell(hash, group->bits >> KIND_SHIFT, s->packet)))
		search_chain(s, group->first, group->off);
	for (unsigned kind = 0; kinds != 0; kind++, kinds >>= 1) {
		uint32_t chain;

		if ((kinds & 1) == 0)
			continue;
		s->x->probes++;
		chain = cell_of(x, hash_cell(hash, kind, s->packet))->value;
		if (chain != 0 && chain != EMPTIED)
			search_chain(s, chain, entry_at(x, chain)->off);
	}
}

/* What a packet's ends may fall under. */
struct choice {
	struct candidate src[CLASSES], dst[CLASSES];
	unsigned n_src, n_dst;
	enum ipm_dir dir;
};

/* Are there policies with this pair of prefix lengths?  What comes first of
 * them, or NULL. */
static const struct ipm_spdindex_rank *
pair_rank(const struct ipm_spdindex *x, const struct choice *c, unsigned i,
    unsigned j)
{
	unsigned row = c->src[i].class, col = c->dst[j].class;

	if ((x->masks->pair[c->dir][row][col / 8] >> col % 8 & 1) == 0)
		return NULL;
	return rank_of(x, c->dir, row, col);
}

static void
search_pair(struct search *s, const struct choice *c, unsigned i, unsigned j)
{
	search_group(s, hash_group(c->dir, c->src[i].hash, c->dst[j].hash));
}

/* The pair that may have the first policy of all; false: there is no pair. */
static bool
first_pair(const struct ipm_spdindex *x, const struct choice *c, unsigned *i,
    unsigned *j)
{
	const struct ipm_spdindex_rank *first = NULL;

	for (unsigned k = 0; k < c->n_src; k++)
		for (unsigned m = 0; m < c->n_dst; m++) {
			const struct ipm_spdindex_rank *r =
			    pair_rank(x, c, k, m);

			if (r == NULL ||
			    (first != NULL &&
				!rank_before(r, first->priority, first->entry)))
				continue;
			first = r;
			*i = k;
			*j = m;
		}
	return first != NULL;
}

/* [ARCH2401-4.4.1-02] The same one as on a walk from the front. */
ipm_off
ipm_spdindex_find(struct ipm_spdindex *x, const struct ipm_arena *a,
    enum ipm_dir dir, const struct ipm_selector *packet)
{
	struct search s = { .x = x, .a = a, .packet = packet };
	struct choice c;
	unsigned i, j;

	if (x->cap == 0 || x->masks->count[dir] == 0)
		return 0;
	c.dir = dir;
	c.n_src = candidates(x, dir, SRC, &packet->src.addr, c.src);
	c.n_dst = candidates(x, dir, DST, &packet->dst.addr, c.dst);
	if (!first_pair(x, &c, &i, &j))
		return 0;
	search_pair(&s, &c, i, j);
	/* The others, as far as they may have something before that; narrow
	 * ones first, for those mostly stand before the wide ones. */
	for (unsigned k = c.n_src; k-- != 0;)
		for (unsigned m = c.n_dst; m-- != 0;) {
			const struct ipm_spdindex_rank *r =
			    pair_rank(x, &c, k, m);

			if (r != NULL && (k != i || m != j) &&
			    (s.best == 0 || rank_before(r, s.priority, s.best)))
				search_pair(&s, &c, k, m);
		}
	return s.off;
}

ipm_off
ipm_spdindex_lookup(struct ipm_spdindex *x, const struct ipm_alloc *alloc,
    const struct ipm_spd *spd, struct ipm_arena *a, enum ipm_dir dir,
    const struct ipm_selector *packet, uint64_t now)
{
	ipm_off off;

	if (spd->count[dir] <= WALKED ||
	    ipm_spdindex_sync(x, alloc, spd, a) != IPM_OK)
		return ipm_spd_lookup(spd, a, dir, packet, now);
	off = ipm_spdindex_find(x, a, dir, packet);
	if (off != 0)
		((struct ipm_sp *)ipm_arena_at(a, off))->lastused = now;
	return off;
}
