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
	if (sad->last == 0)
		sad->first = p.sa;
	else
		((struct ipm_sa *)ipm_arena_at(arena, sad->last))->next = p.sa;
	sad->last = p.sa;
	sad->count++;
	sad->generation++;
	*off = p.sa;
	return IPM_OK;
}

enum ipm_err
ipm_sad_del(struct ipm_sad *sad, struct ipm_arena *arena, ipm_off off)
{
	ipm_off prev = 0, at = sad->first;
	struct ipm_sa *sa;

	while (at != 0 && at != off) {
		prev = at;
		at = ((struct ipm_sa *)ipm_arena_at(arena, at))->next;
	}
	if (at == 0)
		return IPM_ERR_NOTFOUND;
	sa = ipm_arena_at(arena, at);
	if (prev == 0)
		sad->first = sa->next;
	else
		((struct ipm_sa *)ipm_arena_at(arena, prev))->next = sa->next;
	if (sad->last == at)
		sad->last = prev;
	sad->count--;
	sad->generation++;
	ipm_arena_give(arena, sa->enc_key, sa->enc_key_len);
	ipm_arena_give(arena, sa->auth_key, sa->auth_key_len);
	ipm_arena_give(arena, sa->replay, ipm_replay_octets(sa->window_size));
	ipm_arena_give(arena, at, sizeof *sa);
	return IPM_OK;
}
