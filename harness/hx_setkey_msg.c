/*
 * Implementation notes.  A message is put together as a list of extensions in
 * the tool's order and encoded in one go; the order is that of the calls in
 * build_*() below, so it can be held against parse.y.
 */
#include "hx_setkey_msg.h"

#include <stdlib.h>
#include <string.h>

#include "pfk_numbers.h"
#include "pfk_policy.h"
#include "pfk_private.h"

const struct pfk_codec hx_setkey_codec = { &pfk_dialects[0], PFK_LE };

#define UPPER_ANY        255 /* IPSEC_ULPROTO_ANY */
#define ENCAP_ESPINUDP   2   /* UDP_ENCAP_ESPINUDP */
#define REPLAY_BYTE_MAX  255
#define SOCKADDR_MAX     28
#define EXTS_MOST        16
#define LIFETIME_ADDTIME 2 /* index into the fields */

struct builder {
	struct pfk_msg msg;
	struct pfk_ext ext[EXTS_MOST];
	size_t n;
	uint8_t addr[4][SOCKADDR_MAX]; /* what address tails point at */
	size_t n_addrs;
	size_t octets; /* no less than the message takes */
	bool too_long; /* something does not fit its field */
};

/* A new extension of this type, all of its fields 0. */
static struct pfk_ext *
push(struct builder *b, uint16_t type)
{
	struct pfk_ext *e = &b->ext[b->n++];

	memset(e, 0, sizeof(*e));
	e->type = type;
	e->row = pfk_ext_row(hx_setkey_codec.dialect, type);
	b->octets += e->row->size;
	return e;
}

static void
push_tail(struct builder *b, struct pfk_ext *e, struct ipm_span tail)
{
	e->tail = tail;
	b->octets += tail.len + 8;
}

static void
push_key(struct builder *b, uint16_t type, struct ipm_span key)
{
	struct pfk_ext *e = push(b, type);

	e->value[0] = 8 * (uint64_t)key.len;
	b->too_long = b->too_long || e->value[0] > UINT16_MAX;
	push_tail(b, e, key);
}

/* setkey(8) sends a limit that is not 0, so that one may stand alone. */
static void
push_lifetime(struct builder *b, uint16_t type, uint64_t addtime)
{
	if (addtime != 0)
		push(b, type)->value[LIFETIME_ADDTIME] = addtime;
}

static void
push_address(struct builder *b, uint16_t type, const struct ipm_addr *a,
    uint8_t proto, uint8_t prefix, uint16_t port)
{
	struct pfk_ext *e = push(b, type);
	uint8_t *at = b->addr[b->n_addrs++];
	const struct pfk_sockaddr sa = {
		.family =
		    a->family == 4 ? 2 : hx_setkey_codec.dialect->af_inet6,
		.known = true,
		.addr = *a,
		.port = port,
	};

	e->value[0] = proto;
	e->value[1] = prefix;
	push_tail(b, e,
	    ipm_span(at,
		pfk_sockaddr_write(&hx_setkey_codec, &sa, at, SOCKADDR_MAX)));
}

static uint8_t
full_prefix(const struct ipm_addr *a)
{
	return (uint8_t)(8 * ipm_addr_len(a));
}

static void
push_host(
    struct builder *b, uint16_t type, const struct ipm_addr *a, uint8_t proto)
{
	push_address(b, type, a, proto, full_prefix(a), 0);
}

/* The bits of sadb_sa_flags. */
static const struct {
	uint32_t saf, sadb;
} flags[] = {
	{ IPM_SAF_OLD, 0x0001 },
	{ IPM_SAF_CYCSEQ, 0x0040 },
	{ IPM_SAF_RAWCPI, 0x0080 },
	{ IPM_SAF_PAD_RANDOM, 0x0100 },
	{ IPM_SAF_PAD_ZERO, 0x0200 },
	{ IPM_SAF_ESN, 0x0400 },
	/* Linux's. */
	{ IPM_SAF_NOPMTUDISC, 0x20000000 },
	{ IPM_SAF_DECAP_DSCP, 0x40000000 },
	{ IPM_SAF_NOECN, 0x80000000 },
};

static uint32_t
sadb_flags(const struct hx_setkey_stmt *st)
{
	uint32_t bits = st->sadb_flags;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if ((st->sa.flags & flags[i].saf) != 0)
			bits |= flags[i].sadb;
	return bits;
}

/* [PFKEY-2.3.1-01] [PFKEY-2.3.1-02] SA, X_SA2 and, for windows that the octet
 * in SA cannot state, X_SA_REPLAY, which counts packets. */
static void
push_sa(struct builder *b, const struct hx_setkey_stmt *st)
{
	struct pfk_ext *e = push(b, PFK_EXT_SA);

	e->value[0] = st->sa.spi;
	e->value[1] =
	    st->replay > REPLAY_BYTE_MAX ? REPLAY_BYTE_MAX : st->replay;
	e->value[3] = st->sadb_auth;
	e->value[4] = st->sadb_enc;
	e->value[5] = sadb_flags(st);
	e = push(b, PFK_EXT_X_SA2);
	e->value[0] = (uint64_t)st->sa.mode;
	e->value[4] = st->sa.reqid;
	if (st->replay > REPLAY_BYTE_MAX)
		push(b, PFK_EXT_X_SA_REPLAY)->value[0] = st->replay << 3;
}

static void
push_natt(struct builder *b, const struct hx_setkey_stmt *st)
{
	if ((st->sa.flags & IPM_SAF_NATT) == 0)
		return;
	push(b, PFK_EXT_X_NAT_T_TYPE)->value[0] = ENCAP_ESPINUDP;
	if (st->natt_src.family != 0)
		push_host(b, PFK_EXT_X_NAT_T_OAI, &st->natt_src, 0);
	push(b, PFK_EXT_X_NAT_T_SPORT)->value[0] = st->sa.sport;
	if (st->natt_dst.family != 0)
		push_host(b, PFK_EXT_X_NAT_T_OAR, &st->natt_dst, 0);
	push(b, PFK_EXT_X_NAT_T_DPORT)->value[0] = st->sa.dport;
}

static void
build_add(struct builder *b, const struct hx_setkey_stmt *st)
{
	if (st->has_enc_key && st->sa.proto != IPM_PROTO_IPCOMP)
		push_key(b, PFK_EXT_KEY_ENCRYPT, st->sa.enc_key);
	if (st->has_auth_key)
		push_key(b, PFK_EXT_KEY_AUTH, st->sa.auth_key);
	push_lifetime(b, PFK_EXT_LIFETIME_HARD, st->sa.hard_add);
	push_lifetime(b, PFK_EXT_LIFETIME_SOFT, st->sa.soft_add);
	push_sa(b, st);
	push_natt(b, st);
}

/* Appends what the builder holds.  *m is as it was unless IPM_OK. */
static enum ipm_err
finish(const struct builder *b, const struct hx_setkey_stmt *st,
    struct hx_setkey_msgs *m)
{
	const size_t cap = PFK_HDR_LEN + b->octets + PFK_PRIVATE_LEN;
	struct hx_octets o = { malloc(cap), 0 };
	enum ipm_err e = IPM_ERR_BADARG;

	if (o.p == NULL)
		return IPM_ERR_NOMEM;
	if (!b->too_long)
		e = pfk_encode(
		    &hx_setkey_codec, &b->msg, b->ext, b->n, o.p, cap, &o.len);
	if (e == IPM_OK && st->named && st->sa.proto != IPM_PROTO_IPCOMP) {
		pfk_private_put(o.p + o.len, &st->sa);
		o.len += PFK_PRIVATE_LEN;
		o.p[4] = (uint8_t)(o.len / 8);
		o.p[5] = (uint8_t)(o.len / 8 >> 8);
	}
	if (e == IPM_OK && m->n == m->cap) {
		const size_t n = m->cap == 0 ? 16 : 2 * m->cap;
		struct hx_setkey_msg *p = realloc(m->msg, n * sizeof(*p));

		if (p == NULL) {
			e = IPM_ERR_NOMEM;
		} else {
			m->msg = p;
			m->cap = n;
		}
	}
	if (e != IPM_OK) {
		o.len = cap;
		hx_octets_free(&o);
		return e;
	}
	m->msg[m->n++] = (struct hx_setkey_msg){ o, st->kind, st->end_line };
	return IPM_OK;
}

static struct builder
start(const struct hx_setkey_stmt *st, uint8_t type, uint32_t pid)
{
	/* [PFKEY-2.1-05] [PFKEY-1.6-02] Reserved is 0, pid the sender's. */
	struct builder b = { .msg = { .version = PFK_VERSION,
				 .type = type,
				 .satype = pfk_satype_of(st->sa.proto),
				 .pid = pid } };

	return b;
}

static void
drop_from(struct hx_setkey_msgs *m, size_t n)
{
	while (m->n > n)
		hx_octets_free(&m->msg[--m->n].octets);
}

/* Addresses of one side: those of a name, or the one. */
static const struct ipm_addr *
side(const struct hx_setkey_addrs *many, const struct ipm_addr *one, size_t *n)
{
	*n = many->n == 0 ? 1 : many->n;
	return many->n == 0 ? one : many->p;
}

/* [PFKEY-2.3.3-01] [PFKEY-2.3.3-02] One message for each pair of addresses of
 * one family. */
static enum ipm_err
each_pair(const struct builder *b, const struct hx_setkey_stmt *st,
    struct hx_setkey_msgs *m)
{
	const size_t before = m->n;
	size_t n_src, n_dst;
	const struct ipm_addr *src = side(&st->srcs, &st->sa.src, &n_src);
	const struct ipm_addr *dst = side(&st->dsts, &st->sa.dst, &n_dst);

	for (size_t i = 0; i < n_src; i++) {
		for (size_t k = 0; k < n_dst; k++) {
			struct builder one = *b;
			enum ipm_err e;

			if (src[i].family != dst[k].family)
				continue;
			/* Tails point into the builder they were made in. */
			push_host(
			    &one, PFK_EXT_ADDRESS_SRC, &src[i], UPPER_ANY);
			push_host(
			    &one, PFK_EXT_ADDRESS_DST, &dst[k], UPPER_ANY);
			e = finish(&one, st, m);
			if (e != IPM_OK) {
				drop_from(m, before);
				return e;
			}
		}
	}
	return m->n == before ? IPM_ERR_NOTFOUND : IPM_OK;
}

static enum ipm_err
compile_sa(const struct hx_setkey_stmt *st, uint8_t type, uint32_t pid,
    struct hx_setkey_msgs *m)
{
	struct builder b = start(st, type, pid);

	if (type == PFK_ADD)
		build_add(&b, st);
	else if (st->kind != HX_SETKEY_DELETEALL)
		push_sa(&b, st);
	return each_pair(&b, st, m);
}

/* The X_POLICY extension of the statement's text, in *octets. */
static enum ipm_err
policy_octets(const struct hx_setkey_stmt *st, struct hx_octets *octets)
{
	/* A rule of "p/m", the shortest, makes 8 octets of at least 4; two
	 * addresses of 2 octets each make 56. */
	const size_t cap = 16 + st->policy.len * 16;
	char *text = malloc(st->policy.len + 1);
	enum pfk_eipsec e = PFK_E_NO_BUFS;
	size_t at;

	octets->p = malloc(cap);
	octets->len = 0;
	if (text != NULL && octets->p != NULL) {
		memcpy(text, st->policy.p, st->policy.len);
		text[st->policy.len] = '\0';
		e = pfk_policy_parse(
		    &hx_setkey_codec, text, octets->p, cap, &octets->len, &at);
	}
	free(text);
	if (e == PFK_E_NO_ERROR)
		return IPM_OK;
	hx_octets_free(octets);
	return e == PFK_E_NO_BUFS ? IPM_ERR_NOMEM : IPM_ERR_BADARG;
}

static void
push_range(struct builder *b, uint16_t type, const struct hx_setkey_stmt *st,
    const struct hx_setkey_range *r, uint16_t icmp)
{
	const bool misc = st->icmp_type != 0 || st->icmp_code != 0;

	push_address(
	    b, type, &r->addr, st->upper, r->prefix, misc ? icmp : r->port);
}

/* [MAN-pfkey-02] Policies are told in messages of their own. */
static enum ipm_err
compile_spd(const struct hx_setkey_stmt *st, uint8_t type, uint32_t pid,
    struct hx_setkey_msgs *m)
{
	struct builder b = start(st, type, pid);
	struct hx_octets policy = { 0 };
	enum ipm_err e = policy_octets(st, &policy);
	struct pfk_ext *x;

	if (e != IPM_OK)
		return e;
	x = push(&b, PFK_EXT_X_POLICY);
	for (size_t i = 0; x->row->field[i].name != NULL; i++)
		x->value[i] =
		    pfk_get(&hx_setkey_codec, &x->row->field[i], policy.p);
	push_tail(&b, x, ipm_span_from(hx_span(&policy), x->row->size));
	push_range(&b, PFK_EXT_ADDRESS_SRC, st, &st->src, st->icmp_type);
	push_range(&b, PFK_EXT_ADDRESS_DST, st, &st->dst, st->icmp_code);
	e = st->src.addr.family == st->dst.addr.family ? finish(&b, st, m)
						       : IPM_ERR_NOTFOUND;
	hx_octets_free(&policy);
	return e;
}

static enum ipm_err
compile_bare(const struct hx_setkey_stmt *st, uint8_t type, uint32_t pid,
    struct hx_setkey_msgs *m)
{
	struct builder b = start(st, type, pid);

	return finish(&b, st, m);
}

/* Has every algorithm of the statement a number? */
static bool
numbered(const struct hx_setkey_stmt *st)
{
	if (st->named)
		return true;
	return ((st->sa.enc == NULL && st->sa.comp == NULL) ||
		   st->sadb_enc != 0) &&
	    (st->sa.auth == NULL || st->sadb_auth != 0);
}

enum ipm_err
hx_setkey_compile(
    const struct hx_setkey_stmt *st, uint32_t pid, struct hx_setkey_msgs *m)
{
	static const struct {
		uint8_t type;
		enum ipm_err (*compile)(const struct hx_setkey_stmt *, uint8_t,
		    uint32_t, struct hx_setkey_msgs *);
	} rows[] = {
		[HX_SETKEY_ADD] = { PFK_ADD, compile_sa },
		[HX_SETKEY_GET] = { PFK_GET, compile_sa },
		[HX_SETKEY_DELETE] = { PFK_DELETE, compile_sa },
		[HX_SETKEY_DELETEALL] = { PFK_DELETE, compile_sa },
		[HX_SETKEY_FLUSH] = { PFK_FLUSH, compile_bare },
		[HX_SETKEY_DUMP] = { PFK_DUMP, compile_bare },
		[HX_SETKEY_SPDADD] = { PFK_X_SPDADD, compile_spd },
		[HX_SETKEY_SPDDELETE] = { PFK_X_SPDDELETE, compile_spd },
		[HX_SETKEY_SPDDUMP] = { PFK_X_SPDDUMP, compile_bare },
		[HX_SETKEY_SPDFLUSH] = { PFK_X_SPDFLUSH, compile_bare },
	};

	if (!numbered(st))
		return IPM_ERR_UNSUPPORTED;
	return rows[st->kind].compile(st, rows[st->kind].type, pid, m);
}

const char *
hx_setkey_unsaid(const struct hx_setkey_stmt *st)
{
	if (st->kind != HX_SETKEY_ADD || st->named)
		return NULL;
	if (st->sa.last_seq != 0)
		return "-seq";
	if ((st->sa.flags & IPM_SAF_ALIGN4) != 0)
		return "-flag align4";
	return NULL;
}

uint8_t
hx_setkey_alg_number(const struct ipm_alg *alg)
{
	if (alg->sadb_freebsd != 0 || alg->sadb_linux == 0)
		return alg->sadb_freebsd;
	for (size_t i = 0; i < ipm_n_algs; i++)
		/* Ciphers and combined modes are numbered together. */
		if ((ipm_algs[i].kind == IPM_ALG_AUTH) ==
			(alg->kind == IPM_ALG_AUTH) &&
		    ipm_algs[i].sadb_freebsd == alg->sadb_linux)
			return 0;
	return alg->sadb_linux;
}

void
hx_setkey_of_sa(const struct ipm_sa_config *c, struct hx_setkey_stmt *st)
{
	const struct ipm_alg *enc = c->enc != NULL ? c->enc : c->comp;

	memset(st, 0, sizeof(*st));
	st->kind = HX_SETKEY_ADD;
	st->sa = *c;
	st->replay = c->window / 8 + (c->window % 8 != 0);
	if (enc != NULL)
		st->sadb_enc = hx_setkey_alg_number(enc);
	if (c->auth != NULL)
		st->sadb_auth = hx_setkey_alg_number(c->auth);
	st->has_enc_key = c->enc != NULL;
	st->has_auth_key = c->auth != NULL;
}

void
hx_setkey_bare(
    uint8_t type, uint8_t satype, uint32_t pid, uint8_t out[PFK_HDR_LEN])
{
	const struct pfk_msg m = { .version = PFK_VERSION,
		.type = type,
		.satype = satype,
		.pid = pid };
	size_t len;

	(void)pfk_encode(&hx_setkey_codec, &m, NULL, 0, out, PFK_HDR_LEN, &len);
}

static size_t
read_list(struct ipm_span s, struct hx_setkey_alg *out)
{
	size_t n = 0;

	/* struct sadb_alg: 8 octets each. */
	for (size_t at = 0; at + 8 <= s.len && n < 256; at += 8) {
		uint64_t v[4]; /* id, ivlen, minbits, maxbits */

		for (size_t i = 0; i < 4; i++)
			v[i] = pfk_get(
			    &hx_setkey_codec, &pfk_alg_fields[i], s.p + at);
		out[n++] = (struct hx_setkey_alg){ (uint8_t)v[0],
			(uint16_t)v[2], (uint16_t)v[3] };
	}
	return n;
}

bool
hx_setkey_read_algs(struct ipm_span msg, struct hx_setkey_algs *algs)
{
	struct pfk_msg m;
	struct pfk_ext ext[PFK_EXTS_MAX];
	size_t n, where;

	memset(algs, 0, sizeof(*algs));
	if (pfk_decode(&hx_setkey_codec, msg, &m, ext, &n, &where) !=
		PFK_FINE ||
	    m.err != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (ext[i].type == PFK_EXT_SUPPORTED_AUTH)
			algs->n_auth = read_list(ext[i].tail, algs->auth);
		else if (ext[i].type == PFK_EXT_SUPPORTED_ENCRYPT)
			algs->n_enc = read_list(ext[i].tail, algs->enc);
	}
	return true;
}

void
hx_setkey_msgs_free(struct hx_setkey_msgs *m)
{
	drop_from(m, 0);
	free(m->msg);
	memset(m, 0, sizeof(*m));
}
