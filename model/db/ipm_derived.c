/*
 * Implementation notes.  The entries stand in an array in order of addition;
 * a slot table of open addressing holds indices into it.  When SAs were only
 * added since the last look, the new ones (they are at the end of the SAD's
 * list) are appended; after a deletion all is built anew, and sessions move
 * over by serial number.
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
	const struct ipm_sa *sa = ipm_arena_at(a, d->sas[i].off);
	uint32_t at = hash(&sa->dst, sa->proto, sa->spi) & (d->n_slots - 1);

	while (d->slots[at] != 0)
		at = (at + 1) & (d->n_slots - 1);
	d->slots[at] = i + 1;
}

/* Room for n entries at a load of at most one half. */
static enum ipm_err
reserve(struct ipm_derived *d, const struct ipm_arena *a, uint32_t n)
{
	uint32_t want = d->n_slots == 0 ? 16 : d->n_slots;
	void *p;

	if (n > d->cap) {
		uint32_t cap = d->cap + d->cap / 2 + 8;

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
		if (d->sas[i].proto == IPM_PROTO_IPCOMP)
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

		if (sa->mode == mode && ipm_addr_equal(&sa->src, src) &&
		    ipm_addr_equal(&sa->dst, dst))
			return off;
	}
	return 0;
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
	if ((sa->flags & IPM_SAF_NATT) != 0) {
		d->natt_any = true;
		d->natt_ports[sa->dport / 8] |= (uint8_t)(1U << sa->dport % 8);
	}
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

/* Entries before `from` stay; the SAs of the list from `off` on are added. */
static enum ipm_err
append_from(struct ipm_derived *d, const struct ipm_arena *a, ipm_off off)
{
	while (off != 0) {
		const struct ipm_sa *sa = ipm_arena_at(a, off);
		ipm_off next = sa->next;

		if (append(d, a, off) != IPM_OK)
			return IPM_ERR_NOMEM;
		off = next;
	}
	return IPM_OK;
}

/* Builds anew, carrying sessions over: both lists ascend by serial. */
static enum ipm_err
rebuild(
    struct ipm_derived *d, const struct ipm_sad *sad, const struct ipm_arena *a)
{
	struct ipm_derived old = *d;
	enum ipm_err err;
	uint32_t j = 0;

	ipm_derived_init(d, old.provider, old.alloc);
	d->spd = old.spd;
	err = append_from(d, a, sad->first);
	for (uint32_t i = 0; err == IPM_OK && i < d->count; i++) {
		while (j < old.count && old.sas[j].serial < d->sas[i].serial)
			drop_entry(&old, &old.sas[j++]);
		if (j < old.count && old.sas[j].serial == d->sas[i].serial) {
			ipm_off off = d->sas[i].off;

			d->sas[i] = old.sas[j++];
			d->sas[i].off = off;
		}
	}
	while (j < old.count)
		drop_entry(&old, &old.sas[j++]);
	if (old.sas != NULL)
		(void)resize(&old, old.sas, old.cap * sizeof old.sas[0], 0);
	if (old.slots != NULL)
		(void)resize(
		    &old, old.slots, old.n_slots * sizeof old.slots[0], 0);
	if (old.pairs != NULL)
		(void)resize(
		    &old, old.pairs, old.n_pairs * sizeof old.pairs[0], 0);
	return err;
}

enum ipm_err
ipm_derived_sync(
    struct ipm_derived *d, const struct ipm_sad *sad, const struct ipm_arena *a)
{
	enum ipm_err err;
	bool only_added;

	if (d->generation == sad->generation)
		return IPM_OK;
	/* Each addition and deletion counts one, so equal growth of both
	 * numbers means additions alone. */
	only_added = sad->count >= d->count &&
	    sad->generation - d->generation == sad->count - d->count;
	if (!only_added)
		err = rebuild(d, sad, a);
	else if (d->count == 0)
		err = append_from(d, a, sad->first);
	else
		err = append_from(d, a,
		    ((const struct ipm_sa *)ipm_arena_at(
			 a, d->sas[d->count - 1].off))
			->next);
	if (err == IPM_OK)
		d->generation = sad->generation;
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
	uint32_t at;

	if (d->n_slots == 0)
		return NULL;
	at = hash(dst, proto, spi) & (d->n_slots - 1);
	for (; d->slots[at] != 0; at = (at + 1) & (d->n_slots - 1)) {
		struct ipm_derived_sa *s = &d->sas[d->slots[at] - 1];
		const struct ipm_sa *sa = ipm_arena_at(a, s->off);

		if (sa->spi != spi || sa->proto != proto ||
		    !ipm_addr_equal(&sa->dst, dst))
			continue;
		if (!s->opened)
			open_sa(d, a, s);
		return s;
	}
	return NULL;
}

struct ipm_derived_sa *
ipm_derived_of(struct ipm_derived *d, const struct ipm_arena *a, ipm_off off)
{
	const struct ipm_sa *sa = ipm_arena_at(a, off);
	uint32_t at;

	if (d->n_slots == 0)
		return NULL;
	at = hash(&sa->dst, sa->proto, sa->spi) & (d->n_slots - 1);
	for (; d->slots[at] != 0; at = (at + 1) & (d->n_slots - 1)) {
		struct ipm_derived_sa *s = &d->sas[d->slots[at] - 1];

		if (s->off != off)
			continue;
		if (!s->opened)
			open_sa(d, a, s);
		return s;
	}
	return NULL;
}

void
ipm_derived_free(struct ipm_derived *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		drop_entry(d, &d->sas[i]);
	if (d->sas != NULL)
		(void)resize(d, d->sas, d->cap * sizeof d->sas[0], 0);
	if (d->slots != NULL)
		(void)resize(d, d->slots, d->n_slots * sizeof d->slots[0], 0);
	if (d->pairs != NULL)
		(void)resize(d, d->pairs, d->n_pairs * sizeof d->pairs[0], 0);
	ipm_spdindex_free(&d->spd, d->alloc);
	ipm_derived_init(d, d->provider, d->alloc);
}
