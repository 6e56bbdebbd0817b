/*
 * Implementation notes.  The entries stand in an array in order of addition;
 * slot tables of open addressing hold indices into it, that by name the hash and
 * the SA's place too, so that a look-up meets one entry and one SA.  SAs that
 * were added since the last look are at the end of the SAD's list and are
 * appended; of those that went the SAD remembers the last, whose entries stay
 * behind empty.  When it remembers too few, or much is empty, all is built anew,
 * and sessions move over.
 */
#include "ipm_derived.h"

#include "ipm_hash.h"

#include <string.h>

void
ipm_derived_init(struct ipm_derived *d, const struct ipm_provider *provider,
    const struct ipm_alloc *alloc)
{
	*d = (struct ipm_derived){ .provider = provider, .alloc = alloc };
}

static uint32_t
hash(const struct ipm_addr *dst, uint8_t proto, uint32_t spi)
{
	uint64_t h = ipm_hash_mix(
	    (uint64_t)spi << 16 | (uint64_t)proto << 8 | dst->family);

	/* No octet that ipm_addr_equal does not compare. */
	if (dst->family == 4)
		return (uint32_t)ipm_hash_mix(h ^ ipm_load32(dst->octet));
	h = ipm_hash_mix(h ^ ipm_load64(dst->octet));
	h = ipm_hash_mix(h ^ ipm_load64(dst->octet + 8) ^ dst->scope);
	return (uint32_t)h;
}

static void *
resize(const struct ipm_derived *d, void *old, size_t old_size, size_t new_size)
{
	return d->alloc->resize(d->alloc->ctx, old, old_size, new_size);
}

/* Puts entry i into the table; of equal keys the earlier one is found. */
static void
insert(struct ipm_derived *d, const struct ipm_arena *a, uint32_t i)
{
	ipm_off off = d->sas[i].off;
	const struct ipm_sa *sa = ipm_arena_at(a, off);
	uint32_t h = hash(&sa->dst, sa->proto, sa->spi);
	uint32_t at = h & (d->n_slots - 1);

	while (d->slots[at].index != 0)
		at = (at + 1) & (d->n_slots - 1);
	d->slots[at] =
	    (struct ipm_derived_slot){ .hash = h, .index = i + 1, .off = off };
}

/* The next slot of this hash whose SA is not gone, from *at on; NULL: none. */
static struct ipm_derived_slot *
next_slot(const struct ipm_derived *d, uint32_t h, uint32_t *at)
{
	for (;;) {
		struct ipm_derived_slot *s = &d->slots[*at & (d->n_slots - 1)];

		if (s->index == 0)
			return NULL;
		++*at;
		if (s->hash == h && s->off != 0)
			return s;
	}
}

/* The slot of the SA at a place, with this hash, or NULL. */
static struct ipm_derived_slot *
slot_at(const struct ipm_derived *d, uint32_t h, ipm_off off)
{
	struct ipm_derived_slot *s = NULL;
	uint32_t at = h;

	if (d->n_slots != 0)
		while ((s = next_slot(d, h, &at)) != NULL && s->off != off)
			;
	return s;
}

/* Room for n entries at a load of at most one half. */
static enum ipm_err
reserve(struct ipm_derived *d, const struct ipm_arena *a, uint32_t n)
{
	uint32_t want = d->n_slots == 0 ? 16 : d->n_slots;
	void *p;

	if (n > d->cap) {
		uint32_t cap = d->cap + d->cap / 4 + 8;

		if (cap < n)
			cap = n;
		p = resize(d, d->sas, d->cap * sizeof d->sas[0],
		    cap * sizeof d->sas[0]);
		if (p == NULL)
			return IPM_ERR_NOMEM;
		d->sas = p;
		d->cap = cap;
	}
	while (want / 2 < n)
		want *= 2;
	if (want == d->n_slots)
		return IPM_OK;
	p = resize(d, d->slots, d->n_slots * sizeof d->slots[0],
	    want * sizeof d->slots[0]);
	if (p == NULL)
		return IPM_ERR_NOMEM;
	d->slots = p;
	d->n_slots = want;
	memset(d->slots, 0, want * sizeof d->slots[0]);
	for (uint32_t i = 0; i < d->count; i++)
		if (d->sas[i].off != 0)
			insert(d, a, i);
	return IPM_OK;
}

static uint32_t
hash_pair(const struct ipm_addr *src, const struct ipm_addr *dst)
{
	return hash(dst, IPM_PROTO_IPCOMP, hash(src, 0, 0));
}

static void
insert_pair(struct ipm_derived *d, const struct ipm_arena *a, uint32_t i)
{
	const struct ipm_sa *sa = ipm_arena_at(a, d->sas[i].off);
	uint32_t at = hash_pair(&sa->src, &sa->dst) & (d->n_pairs - 1);

	while (d->pairs[at] != 0)
		at = (at + 1) & (d->n_pairs - 1);
	d->pairs[at] = i + 1;
}

/* The entry just appended is IPcomp's. */
static enum ipm_err
append_pair(struct ipm_derived *d, const struct ipm_arena *a)
{
	uint32_t want = d->n_pairs == 0 ? 16 : d->n_pairs;
	uint32_t *p;

	d->n_comp++;
	while (want / 2 < d->n_comp)
		want *= 2;
	if (want == d->n_pairs) {
		insert_pair(d, a, d->count - 1);
		return IPM_OK;
	}
	p = resize(d, d->pairs, d->n_pairs * sizeof d->pairs[0],
	    want * sizeof d->pairs[0]);
	if (p == NULL)
		return IPM_ERR_NOMEM;
	d->pairs = p;
	d->n_pairs = want;
	memset(p, 0, want * sizeof p[0]);
	for (uint32_t i = 0; i < d->count; i++)
		if (d->sas[i].off != 0 && d->sas[i].proto == IPM_PROTO_IPCOMP)
			insert_pair(d, a, i);
	return IPM_OK;
}

ipm_off
ipm_derived_comp_between(const struct ipm_derived *d, const struct ipm_arena *a,
    const struct ipm_addr *src, const struct ipm_addr *dst, enum ipm_mode mode)
{
	uint32_t at;

	if (d->n_pairs == 0)
		return 0;
	at = hash_pair(src, dst) & (d->n_pairs - 1);
	for (; d->pairs[at] != 0; at = (at + 1) & (d->n_pairs - 1)) {
		ipm_off off = d->sas[d->pairs[at] - 1].off;
		const struct ipm_sa *sa = ipm_arena_at(a, off);

		if (off != 0 && sa->mode == mode &&
		    ipm_addr_equal(&sa->src, src) &&
		    ipm_addr_equal(&sa->dst, dst))
			return off;
	}
	return 0;
}

static void
note_natt(
    struct ipm_derived *d, const struct ipm_arena *a, struct ipm_derived_sa *s)
{
	const struct ipm_sa *sa = ipm_arena_at(a, s->off);

	s->natt = (sa->flags & IPM_SAF_NATT) != 0;
	if (!s->natt)
		return;
	d->natt_any = true;
	d->natt_ports[sa->dport / 8] |= (uint8_t)(1U << sa->dport % 8);
}

static enum ipm_err
append(struct ipm_derived *d, const struct ipm_arena *a, ipm_off off)
{
	const struct ipm_sa *sa = ipm_arena_at(a, off);

	if (reserve(d, a, d->count + 1) != IPM_OK)
		return IPM_ERR_NOMEM;
	d->sas[d->count] = (struct ipm_derived_sa){
		.serial = sa->serial, .off = off, .proto = sa->proto
	};
	insert(d, a, d->count++);
	d->live++;
	note_natt(d, a, &d->sas[d->count - 1]);
	return sa->proto == IPM_PROTO_IPCOMP ? append_pair(d, a) : IPM_OK;
}

static struct ipm_session *
session_of(const struct ipm_derived_sa *s)
{
	return s->proto == IPM_PROTO_ESP ? s->esp.session : s->ah.session;
}

static void
drop_entry(const struct ipm_derived *d, struct ipm_derived_sa *s)
{
	if (session_of(s) != NULL)
		d->provider->close(d->provider, session_of(s));
	ipm_wipe(s, sizeof *s);
}

/* The n SAs at the end of the list, the first of them first. */
static enum ipm_err
append_last(struct ipm_derived *d, const struct ipm_sad *sad,
    const struct ipm_arena *a, uint32_t n)
{
	ipm_off off = sad->last;

	for (uint32_t i = 1; i < n; i++)
		off = ((const struct ipm_sa *)ipm_arena_at(a, off))->prev;
	for (uint32_t i = 0; i < n; i++) {
		if (append(d, a, off) != IPM_OK)
			return IPM_ERR_NOMEM;
		off = ((const struct ipm_sa *)ipm_arena_at(a, off))->next;
	}
	return IPM_OK;
}

static void
free_tables(struct ipm_derived *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		drop_entry(d, &d->sas[i]);
	if (d->sas != NULL)
		(void)resize(d, d->sas, d->cap * sizeof d->sas[0], 0);
	if (d->slots != NULL)
		(void)resize(d, d->slots, d->n_slots * sizeof d->slots[0], 0);
	if (d->pairs != NULL)
		(void)resize(d, d->pairs, d->n_pairs * sizeof d->pairs[0], 0);
}

/* Builds anew, carrying over the sessions of SAs that are still what they
 * were. */
static enum ipm_err
rebuild(
    struct ipm_derived *d, const struct ipm_sad *sad, const struct ipm_arena *a)
{
	struct ipm_derived old = *d;
	enum ipm_err err;

	ipm_derived_init(d, old.provider, old.alloc);
	d->spd = old.spd;
	d->sah = old.sah;
	d->probes = old.probes;
	err = append_last(d, sad, a, sad->count);
	for (uint32_t i = 0; err == IPM_OK && i < d->count; i++) {
		struct ipm_derived_sa *to = &d->sas[i], *from;
		const struct ipm_sa *sa = ipm_arena_at(a, to->off);
		const struct ipm_derived_slot *slot =
		    slot_at(&old, hash(&sa->dst, sa->proto, sa->spi), to->off);

		if (slot == NULL)
			continue;
		from = &old.sas[slot->index - 1];
		if (from->serial == to->serial) {
			*to = *from;
			ipm_wipe(from, sizeof *from);
		}
	}
	free_tables(&old);
	return err;
}

/* What happened to one SA; one that came since the last look is not here.
 * False: only building anew will do. */
static bool
follow(struct ipm_derived *d, const struct ipm_arena *a,
    const struct ipm_sad_gone *gone)
{
	struct ipm_derived_slot *slot =
	    slot_at(d, hash(&gone->dst, gone->proto, gone->spi), gone->off);
	struct ipm_derived_sa *s;

	if (slot == NULL || d->sas[slot->index - 1].serial != gone->serial)
		return true;
	s = &d->sas[slot->index - 1];
	/* Another SA may expect the same port. */
	if (s->natt)
		return false;
	drop_entry(d, s);
	if (gone->becomes == 0) {
		slot->off = 0;
		d->live--;
		return true;
	}
	*s = (struct ipm_derived_sa){
		.serial = gone->becomes, .off = gone->off, .proto = gone->proto
	};
	/* Unless it went, too, later. */
	if (((const struct ipm_sa *)ipm_arena_at(a, s->off))->serial ==
	    s->serial)
		note_natt(d, a, s);
	return true;
}

/* False: all is to be built anew. */
static bool
follow_all(
    struct ipm_derived *d, const struct ipm_sad *sad, const struct ipm_arena *a)
{
	if (d->generation == 0 || sad->n_gone - d->n_gone > IPM_SAD_GONE)
		return false;
	for (uint64_t i = d->n_gone; i != sad->n_gone; i++)
		if (!follow(d, a, &sad->gone[i % IPM_SAD_GONE]))
			return false;
	return d->live >= d->count / 2;
}

enum ipm_err
ipm_derived_sync(
    struct ipm_derived *d, const struct ipm_sad *sad, const struct ipm_arena *a)
{
	enum ipm_err err;

	if (d->generation == sad->generation)
		return IPM_OK;
	if (follow_all(d, sad, a))
		err = append_last(d, sad, a, sad->count - d->live);
	else
		err = rebuild(d, sad, a);
	/* What is half-done is not to be followed. */
	d->generation = err == IPM_OK ? sad->generation : 0;
	d->n_gone = sad->n_gone;
	return err;
}

static const uint8_t *
key_at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

static enum ipm_pad_fill
pad_fill(const struct ipm_sa *sa)
{
	uint32_t both = IPM_SAF_PAD_RANDOM | IPM_SAF_PAD_ZERO;

	if ((sa->flags & both) == both)
		return IPM_PAD_UNWRITTEN;
	if ((sa->flags & IPM_SAF_PAD_ZERO) != 0)
		return IPM_PAD_ZERO;
	return (sa->flags & IPM_SAF_PAD_RANDOM) != 0 ? IPM_PAD_RANDOM
						     : IPM_PAD_SEQ;
}

/* Opens the session, and copies what the transforms ask of the SA even when
 * there is none: callers ask the rows before they look at ->err. */
static void
open_sa(
    struct ipm_derived *d, const struct ipm_arena *a, struct ipm_derived_sa *s)
{
	const struct ipm_sa *sa = ipm_arena_at(a, s->off);
	const struct ipm_alg *enc = ipm_sa_alg(sa->enc);
	const struct ipm_alg *auth = ipm_sa_alg(sa->auth);
	size_t enc_salt = enc == NULL ? 0 : enc->salt_len;
	size_t auth_salt = auth == NULL ? 0 : auth->salt_len;
	const uint8_t *ek = key_at(a, sa->enc_key);
	const uint8_t *ak = key_at(a, sa->auth_key);
	struct ipm_session_desc desc = { .enc = enc,
		.enc_key = ipm_span(ek, sa->enc_key_len - enc_salt),
		.auth = auth,
		.auth_key = ipm_span(ak, sa->auth_key_len - auth_salt) };
	struct ipm_session *session = NULL;

	s->opened = 1;
	s->err = IPM_OK;
	if (enc != NULL || auth != NULL)
		s->err = d->provider->open(d->provider, &desc, &session);
	if (sa->proto == IPM_PROTO_ESP) {
		s->esp = (struct ipm_esp_sa){ .spi = sa->spi,
			.enc = enc,
			.auth = auth,
			.esn = (sa->flags & IPM_SAF_ESN) != 0,
			.old = (sa->flags & IPM_SAF_OLD) != 0,
			.pad_fill = pad_fill(sa),
			.provider = d->provider,
			.session = session };
		memcpy(s->esp.salt, ek + desc.enc_key.len, enc_salt);
		return;
	}
	s->ah = (struct ipm_ah_sa){ .spi = sa->spi,
		.auth = auth,
		.esn = (sa->flags & IPM_SAF_ESN) != 0,
		.old = (sa->flags & IPM_SAF_OLD) != 0,
		.align4 = (sa->flags & IPM_SAF_ALIGN4) != 0,
		.provider = d->provider,
		.session = session };
	memcpy(s->ah.salt, ak + desc.auth_key.len, auth_salt);
}

struct ipm_derived_sa *
ipm_derived_find(struct ipm_derived *d, const struct ipm_arena *a,
    const struct ipm_addr *dst, uint8_t proto, uint32_t spi)
{
	const struct ipm_derived_slot *slot;
	uint32_t h, at;

	if (d->n_slots == 0)
		return NULL;
	at = h = hash(dst, proto, spi);
	while ((slot = next_slot(d, h, &at)) != NULL) {
		struct ipm_derived_sa *s = &d->sas[slot->index - 1];
		const struct ipm_sa *sa = ipm_arena_at(a, slot->off);

		if (sa->spi != spi || sa->proto != proto ||
		    !ipm_addr_equal(&sa->dst, dst))
			continue;
		d->probes += at - h;
		if (!s->opened)
			open_sa(d, a, s);
		return s;
	}
	d->probes += at - h;
	return NULL;
}

struct ipm_derived_sa *
ipm_derived_of(struct ipm_derived *d, const struct ipm_arena *a, ipm_off off)
{
	const struct ipm_sa *sa = ipm_arena_at(a, off);
	const struct ipm_derived_slot *slot =
	    slot_at(d, hash(&sa->dst, sa->proto, sa->spi), off);
	struct ipm_derived_sa *s;

	if (slot == NULL)
		return NULL;
	s = &d->sas[slot->index - 1];
	if (!s->opened)
		open_sa(d, a, s);
	return s;
}

void
ipm_derived_free(struct ipm_derived *d)
{
	free_tables(d);
	ipm_spdindex_free(&d->spd, d->alloc);
	ipm_sahindex_free(&d->sah, d->alloc);
	ipm_derived_init(d, d->provider, d->alloc);
}
