#include "ipm_sad.h"

#include <string.h>

const char *
ipm_mode_name(enum ipm_mode m)
{
	switch (m) {
	case IPM_MODE_ANY:
		return "any";
	case IPM_MODE_TRANSPORT:
		return "transport";
	case IPM_MODE_TUNNEL:
		return "tunnel";
	case IPM_MODE_TCPMD5:
		return "tcpmd5";
	}
	return "?";
}

const struct ipm_alg *
ipm_sa_alg(uint16_t index_plus_1)
{
	return index_plus_1 == 0 ? NULL : &ipm_algs[index_plus_1 - 1];
}

static uint16_t
alg_index(const struct ipm_alg *a)
{
	return a == NULL ? 0 : (uint16_t)(a - ipm_algs + 1);
}

/* --- one phrase about what is wrong -------------------------------------- */

struct phrase {
	char *buf;
	size_t len, n;
};

static void
put(struct phrase *p, const char *s)
{
	size_t n = strlen(s);

	if (n > p->len - 1 - p->n)
		n = p->len - 1 - p->n;
	memcpy(p->buf + p->n, s, n);
	p->n += n;
	p->buf[p->n] = '\0';
}

static void
put_number(struct phrase *p, uint64_t v)
{
	char digits[21];
	size_t n = sizeof digits - 1;

	digits[n] = '\0';
	do
		digits[--n] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	put(p, digits + n);
}

/* "16, 24 or 32", "5 to 56", "64" */
static void
put_lengths(struct phrase *p, const struct ipm_alg *a, size_t extra)
{
	size_t step = a->key_step, n = 0, count;

	put_number(p, a->key_min + extra);
	if (a->key_max == a->key_min)
		return;
	count = step == 0 ? 0 : (size_t)(a->key_max - a->key_min) / step;
	if (count == 0 || count > 3) {
		put(p, " to ");
		put_number(p, a->key_max + extra);
		return;
	}
	for (n = 1; n <= count; n++) {
		put(p, n == count ? " or " : ", ");
		put_number(p, a->key_min + n * step + extra);
	}
}

static bool
key_fits(const struct ipm_alg *a, struct ipm_span key, struct phrase *p)
{
	if (key.len >= a->salt_len && ipm_alg_key_ok(a, key.len - a->salt_len))
		return true;
	put(p, a->name);
	put(p, " takes a key of ");
	put_lengths(p, a, a->salt_len);
	put(p, " octets");
	if (a->salt_len != 0) {
		put(p, " (the last ");
		put_number(p, a->salt_len);
		put(p, " are the salt)");
	}
	put(p, ", not ");
	put_number(p, key.len);
	return false;
}

/* Is a row of the kind that its place takes?  A key needs a row. */
static bool
place_fits(const struct ipm_alg *a, struct ipm_span key, bool kind_ok,
    const char *place, struct phrase *p)
{
	if (a == NULL && key.len != 0) {
		put(p, "a key without ");
		put(p, place);
		return false;
	}
	if (a == NULL || kind_ok)
		return true;
	put(p, a->name);
	put(p, " is not ");
	put(p, place);
	return false;
}

static bool
kinds_fit(const struct ipm_sa_config *c, struct phrase *p)
{
	const struct ipm_span none = { NULL, 0 };

	return place_fits(c->enc, c->enc_key,
		   c->enc != NULL &&
		       (c->enc->kind == IPM_ALG_CIPHER ||
			   c->enc->kind == IPM_ALG_AEAD),
		   "an encryption algorithm", p) &&
	    place_fits(c->auth, c->auth_key,
		c->auth != NULL && c->auth->kind == IPM_ALG_AUTH,
		"an authentication algorithm", p) &&
	    place_fits(c->comp, none,
		c->comp != NULL && c->comp->kind == IPM_ALG_COMP,
		"a compression algorithm", p);
}

/* What each protocol needs and cannot take. */
static bool
algorithms_fit(const struct ipm_sa_config *c, struct phrase *p)
{
	switch (c->proto) {
	case IPM_PROTO_ESP:
		if (c->enc == NULL) {
			put(p,
			    "ESP needs an encryption algorithm (null is "
			    "one)");
			return false;
		}
		if (c->enc->kind == IPM_ALG_AEAD && c->auth != NULL) {
			put(p, c->enc->name);
			put(p,
			    " has its own integrity: no second algorithm "
			    "beside it");
			return false;
		}
		break;
	case IPM_PROTO_AH:
		if (c->auth == NULL || c->enc != NULL) {
			put(p,
			    "AH needs an authentication algorithm and "
			    "nothing else");
			return false;
		}
		break;
	case IPM_PROTO_IPCOMP:
		if (c->comp == NULL || c->enc != NULL || c->auth != NULL) {
			put(p,
			    "IPcomp needs a compression algorithm and "
			    "nothing else");
			return false;
		}
		if (c->spi > 0xffff) {
			put(p, "a CPI has 16 bits");
			return false;
		}
		return true;
	case IPM_PROTO_TCP:
		if (c->auth == NULL || c->auth->prim != IPM_PRIM_TCP_MD5 ||
		    c->enc != NULL) {
			put(p, "TCP needs the algorithm tcp-md5");
			return false;
		}
		break;
	default:
		put(p, "protocol ");
		put_number(p, c->proto);
		put(p, " has no SAs");
		return false;
	}
	if (c->comp != NULL) {
		put(p, "a compression algorithm is for IPcomp alone");
		return false;
	}
	if (c->auth != NULL && c->auth->prim == IPM_PRIM_TCP_MD5 &&
	    c->proto != IPM_PROTO_TCP) {
		put(p, "tcp-md5 is for protocol tcp alone");
		return false;
	}
	return true;
}

const char *
ipm_sad_refusal(const struct ipm_sa_config *c, char *buf, size_t len)
{
	struct phrase p = { buf, len, 0 };

	buf[0] = '\0';
	if (c->src.family != c->dst.family ||
	    (c->src.family != 4 && c->src.family != 6)) {
		put(&p, "source and destination are of different families");
		return buf;
	}
	if (!algorithms_fit(c, &p) || !kinds_fit(c, &p))
		return buf;
	if ((c->enc != NULL && !key_fits(c->enc, c->enc_key, &p)) ||
	    (c->auth != NULL && !key_fits(c->auth, c->auth_key, &p)))
		return buf;
	/* [ESP-A2-01] */
	if ((c->flags & IPM_SAF_ESN) != 0 && c->window > IPM_REPLAY_MAX_ESN) {
		put(&p,
		    "with ESN the replay window is at most 2147483648 "
		    "packets");
		return buf;
	}
	if (c->window > IPM_REPLAY_MAX) {
		put(&p, "the replay window is at most 4294967263 packets");
		return buf;
	}
	if ((c->flags & IPM_SAF_ESN) == 0 && c->last_seq > UINT32_MAX) {
		put(&p, "a sequence number beyond 32 bits needs ESN");
		return buf;
	}
	if ((c->flags & IPM_SAF_OLD) != 0 && (c->flags & IPM_SAF_ESN) != 0) {
		put(&p, "the old headers have no sequence number to extend");
		return buf;
	}
	if ((c->flags & IPM_SAF_NATT) != 0 && c->proto != IPM_PROTO_ESP) {
		put(&p, "UDP encapsulation is for ESP alone");
		return buf;
	}
	return NULL;
}

/* --- the list -------------------------------------------------------------- */

ipm_off
ipm_sad_find(const struct ipm_sad *sad, const struct ipm_arena *a,
    const struct ipm_addr *dst, uint8_t proto, uint32_t spi)
{
	for (ipm_off off = sad->first; off != 0;) {
		const struct ipm_sa *sa = ipm_arena_at(a, off);

		if (sa->spi == spi && sa->proto == proto &&
		    ipm_addr_equal(&sa->dst, dst))
			return off;
		off = sa->next;
	}
	return 0;
}

static struct ipm_sa *
sa_at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

static struct ipm_sah *
sah_at(const struct ipm_arena *a, ipm_off off)
{
	return ipm_arena_at(a, off);
}

/* Behind all others. */
static void
link_sa(struct ipm_sad *sad, struct ipm_arena *arena, ipm_off off)
{
	struct ipm_sa *sa = sa_at(arena, off);

	sa->prev = sad->last;
	sa->next = 0;
	if (sad->last == 0)
		sad->first = off;
	else
		sa_at(arena, sad->last)->next = off;
	sad->last = off;
	sad->count++;
	sad->generation++;
}

static void
depart(struct ipm_sad *sad, const struct ipm_arena *arena, ipm_off off,
    uint64_t becomes)
{
	const struct ipm_sa *sa = sa_at(arena, off);

	sad->gone[sad->n_gone++ % IPM_SAD_GONE] = (struct ipm_sad_gone){
		.serial = sa->serial,
		.becomes = becomes,
		.dst = sa->dst,
		.spi = sa->spi,
		.off = off,
		.proto = sa->proto,
	};
}

static void
unlink_sa(struct ipm_sad *sad, struct ipm_arena *arena, ipm_off off)
{
	const struct ipm_sa *sa = sa_at(arena, off);

	depart(sad, arena, off, 0);
	if (sa->prev == 0)
		sad->first = sa->next;
	else
		sa_at(arena, sa->prev)->next = sa->next;
	if (sa->next == 0)
		sad->last = sa->prev;
	else
		sa_at(arena, sa->next)->prev = sa->prev;
	sad->count--;
	sad->generation++;
}

static ipm_off
take_key(
    struct ipm_arena *arena, const struct ipm_alloc *alloc, struct ipm_span key)
{
	ipm_off off = ipm_arena_take(arena, alloc, key.len);

	if (off != 0 && key.len != 0)
		memcpy(ipm_arena_at(arena, off), key.p, key.len);
	return off;
}

/* Pieces of one SA, while it is being made. */
struct pieces {
	ipm_off sa, enc, auth, replay;
};

static void
give_pieces(struct ipm_arena *arena, const struct pieces *p,
    const struct ipm_sa_config *c)
{
	ipm_arena_give(arena, p->sa, sizeof(struct ipm_sa));
	ipm_arena_give(arena, p->enc, c->enc_key.len);
	ipm_arena_give(arena, p->auth, c->auth_key.len);
	ipm_arena_give(arena, p->replay, ipm_replay_octets(c->window));
}

enum ipm_err
ipm_sad_add(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, uint64_t now, const struct ipm_sa_config *c,
    ipm_off *off)
{
	struct pieces p = { 0 };
	struct ipm_sa *sa;
	char why[8];

	*off = 0;
	if (ipm_sad_refusal(c, why, sizeof why) != NULL)
		return IPM_ERR_BADARG;
	p.sa = ipm_arena_take(arena, alloc, sizeof *sa);
	p.enc = take_key(arena, alloc, c->enc_key);
	p.auth = take_key(arena, alloc, c->auth_key);
	p.replay = ipm_arena_take(arena, alloc, ipm_replay_octets(c->window));
	if (p.sa == 0 || p.enc == 0 || p.auth == 0 || p.replay == 0) {
		give_pieces(arena, &p, c);
		return IPM_ERR_NOMEM;
	}
	sa = ipm_arena_at(arena, p.sa);
	sa->serial = ++sad->next_serial;
	sa->created = now;
	sa->hard_add = c->hard_add;
	sa->soft_add = c->soft_add;
	sa->src = c->src;
	sa->dst = c->dst;
	sa->spi = c->spi;
	sa->reqid = c->reqid;
	sa->flags = c->flags;
	sa->window_size = c->window;
	sa->replay = p.replay;
	sa->enc_key = p.enc;
	sa->auth_key = p.auth;
	sa->enc = alg_index(c->enc);
	sa->auth = alg_index(c->auth);
	sa->comp = alg_index(c->comp);
	sa->enc_key_len = (uint16_t)c->enc_key.len;
	sa->auth_key_len = (uint16_t)c->auth_key.len;
	sa->sport = c->sport;
	sa->dport = c->dport;
	sa->proto = c->proto;
	sa->mode = (uint8_t)c->mode;
	ipm_replay_init(ipm_arena_at(arena, p.replay), c->window,
	    (c->flags & IPM_SAF_ESN) != 0, c->last_seq);
	link_sa(sad, arena, p.sa);
	*off = p.sa;
	return IPM_OK;
}

/* Is there an SA of the list at off?  Its neighbour before it knows. */
static bool
listed(const struct ipm_sad *sad, const struct ipm_arena *arena, ipm_off off)
{
	ipm_off prev;

	if (off == 0 || off > arena->used / 8 - sizeof(struct ipm_sa) / 8)
		return false;
	prev = sa_at(arena, off)->prev;
	if (prev == 0)
		return sad->first == off;
	return prev <= arena->used / 8 - sizeof(struct ipm_sa) / 8 &&
	    sa_at(arena, prev)->next == off;
}

/* --- the lists of a head ----------------------------------------------------- */

/* The two ends of the list that an SA's state puts it in. */
static void
ends_of(struct ipm_sah *h, uint8_t state, ipm_off **first, ipm_off **last)
{
	bool larval = state == IPM_SA_LARVAL;

	*first = larval ? &h->larval_first : &h->alive_first;
	*last = larval ? &h->larval_last : &h->alive_last;
}

static void
leave_head(struct ipm_arena *arena, ipm_off off)
{
	struct ipm_sa *sa = sa_at(arena, off);
	ipm_off *first, *last;

	if (sa->sah == 0)
		return;
	ends_of(sah_at(arena, sa->sah), sa->state, &first, &last);
	if (sa->sah_prev == 0)
		*first = sa->sah_next;
	else
		sa_at(arena, sa->sah_prev)->sah_next = sa->sah_next;
	if (sa->sah_next == 0)
		*last = sa->sah_prev;
	else
		sa_at(arena, sa->sah_next)->sah_prev = sa->sah_prev;
	sa->sah = sa->sah_next = sa->sah_prev = 0;
}

/* Into its head's list, in front of `next` (0: at the end). */
static void
join_head(struct ipm_arena *arena, ipm_off off, ipm_off sah, ipm_off next)
{
	struct ipm_sa *sa = sa_at(arena, off);
	ipm_off *first, *last;

	ends_of(sah_at(arena, sah), sa->state, &first, &last);
	sa->sah = sah;
	sa->sah_next = next;
	sa->sah_prev = next == 0 ? *last : sa_at(arena, next)->sah_prev;
	if (sa->sah_prev == 0)
		*first = off;
	else
		sa_at(arena, sa->sah_prev)->sah_next = off;
	if (next == 0)
		*last = off;
	else
		sa_at(arena, next)->sah_prev = off;
}

static ipm_off
first_of(const struct ipm_arena *arena, ipm_off sah, uint8_t state)
{
	ipm_off *first, *last;

	ends_of(sah_at(arena, sah), state, &first, &last);
	return *first;
}

enum ipm_err
ipm_sad_del(struct ipm_sad *sad, struct ipm_arena *arena, ipm_off off)
{
	struct ipm_sa *sa;

	if (!listed(sad, arena, off))
		return IPM_ERR_NOTFOUND;
	sa = sa_at(arena, off);
	leave_head(arena, off);
	unlink_sa(sad, arena, off);
	ipm_arena_give(arena, sa->enc_key, sa->enc_key_len);
	ipm_arena_give(arena, sa->auth_key, sa->auth_key_len);
	ipm_arena_give(arena, sa->replay, ipm_replay_octets(sa->window_size));
	ipm_arena_give(arena, sa->life, sizeof(struct ipm_sa_life));
	ipm_arena_give(arena, sa->natt, sizeof(struct ipm_sa_natt));
	ipm_arena_give(arena, off, sizeof *sa);
	return IPM_OK;
}

/* --- heads --------------------------------------------------------------------- */

bool
ipm_saidx_match(const struct ipm_saidx *head, const struct ipm_saidx *wanted,
    enum ipm_saidx_cmp how)
{
	if (head->proto != wanted->proto ||
	    !ipm_addr_equal(&head->src, &wanted->src) ||
	    !ipm_addr_equal(&head->dst, &wanted->dst))
		return false;
	switch (how) {
	case IPM_CMP_HEAD:
		return true;
	case IPM_CMP_MODE_REQID:
		return (wanted->reqid == 0 || head->reqid == wanted->reqid) &&
		    (head->mode == IPM_MODE_ANY || head->mode == wanted->mode);
	case IPM_CMP_EXACTLY:
		return head->reqid == wanted->reqid &&
		    head->mode == wanted->mode;
	}
	return false;
}

struct ipm_saidx
ipm_sah_idx(const struct ipm_sah *h)
{
	return (
	    struct ipm_saidx){ h->src, h->dst, h->reqid, h->proto, h->mode };
}

enum ipm_err
ipm_sah_make(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, const struct ipm_saidx *idx, ipm_off *off)
{
	struct ipm_sah *h;

	*off = ipm_arena_take(arena, alloc, sizeof *h);
	if (*off == 0)
		return IPM_ERR_NOMEM;
	h = sah_at(arena, *off);
	h->src = idx->src;
	h->dst = idx->dst;
	h->reqid = idx->reqid;
	h->proto = idx->proto;
	h->mode = idx->mode;
	h->next = sad->sah_first;
	if (sad->sah_first == 0)
		sad->sah_last = *off;
	else
		sah_at(arena, sad->sah_first)->prev = *off;
	sad->sah_first = *off;
	sad->sah_count++;
	sad->sah_generation++;
	return IPM_OK;
}

void
ipm_sah_free(struct ipm_sad *sad, struct ipm_arena *arena, ipm_off off)
{
	const struct ipm_sah *h = sah_at(arena, off);

	if (h->prev == 0)
		sad->sah_first = h->next;
	else
		sah_at(arena, h->prev)->next = h->next;
	if (h->next == 0)
		sad->sah_last = h->prev;
	else
		sah_at(arena, h->next)->prev = h->prev;
	sad->sah_count--;
	sad->sah_generation++;
	ipm_arena_give(arena, off, sizeof *h);
}

/* --- SAs of heads --------------------------------------------------------------- */

/* What a fill takes of the arena. */
struct stuff {
	ipm_off enc, auth, replay, life, natt;
};

static ipm_off
take_copy(struct ipm_arena *arena, const struct ipm_alloc *alloc, const void *p,
    size_t len)
{
	ipm_off off = ipm_arena_take(arena, alloc, len);

	if (off != 0)
		memcpy(ipm_arena_at(arena, off), p, len);
	return off;
}

static void
give_stuff(
    struct ipm_arena *arena, const struct stuff *s, const struct ipm_sa_fill *f)
{
	ipm_arena_give(arena, s->enc, f->enc_key.len);
	ipm_arena_give(arena, s->auth, f->auth_key.len);
	ipm_arena_give(arena, s->replay, ipm_replay_octets(f->window));
	ipm_arena_give(arena, s->life, sizeof *f->life);
	ipm_arena_give(arena, s->natt, sizeof *f->natt);
}

static bool
take_stuff(struct ipm_arena *arena, const struct ipm_alloc *alloc,
    const struct ipm_sa_fill *f, struct stuff *s)
{
	*s = (struct stuff){ 0 };
	s->replay = ipm_arena_take(arena, alloc, ipm_replay_octets(f->window));
	if (f->enc_key.p != NULL)
		s->enc = take_key(arena, alloc, f->enc_key);
	if (f->auth_key.p != NULL)
		s->auth = take_key(arena, alloc, f->auth_key);
	if (f->life != NULL)
		s->life = take_copy(arena, alloc, f->life, sizeof *f->life);
	if (f->natt != NULL)
		s->natt = take_copy(arena, alloc, f->natt, sizeof *f->natt);
	if (s->replay != 0 && (s->enc != 0 || f->enc_key.p == NULL) &&
	    (s->auth != 0 || f->auth_key.p == NULL) &&
	    (s->life != 0 || f->life == NULL) &&
	    (s->natt != 0 || f->natt == NULL))
		return true;
	give_stuff(arena, s, f);
	return false;
}

static void
fill_sa(struct ipm_arena *arena, struct ipm_sa *sa, const struct stuff *s,
    const struct ipm_sa_fill *f)
{
	sa->flags = f->flags;
	sa->sadb_flags = f->sadb_flags;
	sa->window_size = f->window;
	sa->replay = s->replay;
	sa->enc_key = s->enc;
	sa->auth_key = s->auth;
	sa->life = s->life;
	sa->natt = s->natt;
	sa->enc = alg_index(f->enc);
	sa->auth = alg_index(f->auth);
	sa->comp = alg_index(f->comp);
	sa->enc_key_len = (uint16_t)f->enc_key.len;
	sa->auth_key_len = (uint16_t)f->auth_key.len;
	sa->enc_bits = f->enc_bits;
	sa->auth_bits = f->auth_bits;
	sa->sadb_enc = f->sadb_enc;
	sa->sadb_auth = f->sadb_auth;
	sa->sport = f->sport;
	sa->dport = f->dport;
	sa->out_seq = f->last_seq;
	ipm_replay_init(ipm_arena_at(arena, s->replay), f->window,
	    (f->flags & IPM_SAF_ESN) != 0, f->last_seq);
}

enum ipm_err
ipm_sa_make(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, uint64_t now, ipm_off sah, uint32_t spi,
    const struct ipm_sa_fill *fill, ipm_off *off)
{
	static const struct ipm_sa_fill larval = { 0 };
	const struct ipm_sa_fill *f = fill == NULL ? &larval : fill;
	const struct ipm_sah *h;
	struct stuff s;
	struct ipm_sa *sa;

	*off = 0;
	if (!take_stuff(arena, alloc, f, &s))
		return IPM_ERR_NOMEM;
	*off = ipm_arena_take(arena, alloc, sizeof *sa);
	if (*off == 0) {
		give_stuff(arena, &s, f);
		return IPM_ERR_NOMEM;
	}
	sa = sa_at(arena, *off);
	h = sah_at(arena, sah);
	sa->serial = ++sad->next_serial;
	sa->created = now;
	sa->src = h->src;
	sa->dst = h->dst;
	sa->proto = h->proto;
	sa->mode = h->mode;
	sa->reqid = h->reqid;
	sa->spi = spi;
	sa->state = fill == NULL ? IPM_SA_LARVAL : IPM_SA_MATURE;
	fill_sa(arena, sa, &s, f);
	link_sa(sad, arena, *off);
	join_head(arena, *off, sah, first_of(arena, sah, sa->state));
	return IPM_OK;
}

enum ipm_err
ipm_sa_mature(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, uint64_t now, ipm_off off,
    const struct ipm_sa_fill *fill)
{
	struct stuff s;
	struct ipm_sa *sa;
	ipm_off sah;

	if (!take_stuff(arena, alloc, fill, &s))
		return IPM_ERR_NOMEM;
	sa = sa_at(arena, off);
	sah = sa->sah;
	leave_head(arena, off);
	/* A larval SA has an empty window, and limits at most. */
	ipm_arena_give(arena, sa->replay, ipm_replay_octets(0));
	ipm_arena_give(arena, sa->life, sizeof(struct ipm_sa_life));
	depart(sad, arena, off, ++sad->next_serial);
	sa->serial = sad->next_serial;
	sa->created = now;
	sa->state = IPM_SA_MATURE;
	fill_sa(arena, sa, &s, fill);
	join_head(arena, off, sah, first_of(arena, sah, sa->state));
	sad->generation++;
	return IPM_OK;
}

enum ipm_err
ipm_sa_set_life(struct ipm_arena *arena, const struct ipm_alloc *alloc,
    ipm_off off, const struct ipm_sa_life *life)
{
	ipm_off piece = sa_at(arena, off)->life;

	if (life == NULL) {
		ipm_arena_give(arena, piece, sizeof *life);
		piece = 0;
	} else if (piece != 0)
		memcpy(ipm_arena_at(arena, piece), life, sizeof *life);
	else if ((piece = take_copy(arena, alloc, life, sizeof *life)) == 0)
		return IPM_ERR_NOMEM;
	sa_at(arena, off)->life = piece;
	return IPM_OK;
}

enum ipm_err
ipm_sa_move(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, ipm_off off, ipm_off sah,
    const struct ipm_sa_natt *natt, uint16_t sport, uint16_t dport)
{
	const struct ipm_sah *h;
	struct ipm_sa *sa;
	ipm_off piece = 0, next;

	if (natt != NULL &&
	    (piece = take_copy(arena, alloc, natt, sizeof *natt)) == 0)
		return IPM_ERR_NOMEM;
	leave_head(arena, off);
	unlink_sa(sad, arena, off);
	sa = sa_at(arena, off);
	h = sah_at(arena, sah);
	ipm_arena_give(arena, sa->natt, sizeof *natt);
	sa->natt = piece;
	sa->sport = sport;
	sa->dport = dport;
	sa->flags &= ~(uint32_t)IPM_SAF_NATT;
	if (natt != NULL)
		sa->flags |= IPM_SAF_NATT;
	sa->serial = ++sad->next_serial;
	sa->src = h->src;
	sa->dst = h->dst;
	sa->mode = h->mode;
	sa->reqid = h->reqid;
	sa->state = IPM_SA_MATURE;
	link_sa(sad, arena, off);
	next = h->alive_first;
	while (next != 0 && sa_at(arena, next)->created >= sa->created)
		next = sa_at(arena, next)->sah_next;
	join_head(arena, off, sah, next);
	return IPM_OK;
}
