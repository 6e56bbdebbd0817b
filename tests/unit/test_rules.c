/*
 * The message rules against kernels: what FreeBSD 13 answered to each recorded
 * request, what it and Linux 6.1 sent; and against the tables of the headers,
 * broken in every way that a length, a type or an absence can be.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "hx_engine.h"
#include "hx_hex.h"
#include "pfk_engine.h"
#include "pfk_rules.h"
#include "support/vec_file.h"

enum {
	FREEBSD,
	NETBSD,
	OPENBSD,
	LINUX,
	N_DIALECTS
};

static struct ipm_profile
profile(enum ipm_profile_id id)
{
	struct ipm_profile pf;

	ipm_profile_init(&pf, id);
	return pf;
}

static size_t
lint(unsigned dialect, enum pfk_order order, const void *p, size_t len,
    struct pfk_finding *f)
{
	struct pfk_codec c = { &pfk_dialects[dialect], order };
	struct ipm_profile pf = profile(IPM_PF_FREEBSD_13);

	return pfk_lint(&c, &pf, ipm_span(p, len), f);
}

/* --- recordings -------------------------------------------------------------------- */

static const char *const recordings[] = { "pfkey-exchanges", "inbound",
	"manual-bugs", "natt", "options-fragments", "outbound-algorithms",
	"outbound-misc", "outbound-sizes", "policy-selection", "scenarios",
	"socket-policy", "sysctl-effects" };

typedef void each_step(const char *id, size_t n, const json_t *step, void *ctx);

static void
each_exchange(each_step *f, void *ctx)
{
	for (size_t i = 0; i < sizeof recordings / sizeof recordings[0]; i++) {
		char path[96];
		json_t *root, *one, *step;
		size_t k, n;

		(void)snprintf(path, sizeof path, "vectors/freebsd/%s.json",
		    recordings[i]);
		root = vec_load(path);
		json_array_foreach(json_object_get(root, "cases"), k, one)
		{
			json_array_foreach(
			    json_object_get(one, "steps"), n, step)
			{
				if (strcmp(vec_text(step, "op"), "pfkey") == 0)
					f(vec_text(one, "id"), n, step, ctx);
			}
		}
		json_decref(root);
	}
}

static int
recorded_errno(const json_t *step, const char *member)
{
	return (int)json_integer_value(json_object_get(step, member));
}

struct tally {
	size_t requests, refused, by_state;
};

/* A refusal that the message alone does not explain: what is there already, or
 * is not. */
static bool
of_the_state(uint8_t type, int err)
{
	switch (err) {
	case PFK_EEXIST:
		return type == 1 || type == 3 || type == 6 || type == 7 ||
		    type == 14 || type == 20;
	case PFK_ESRCH:
		return type == 2 || type == 4 || type == 5;
	case PFK_EPROTONOSUPPORT: /* nobody has registered */
		return type == 6;
	case PFK_ENOENT: /* dumps; with Linux's switches policies, GETSPI */
		return type == 10 || type == 16 || type == 18 || type == 1 ||
		    type == 15 || type == 22;
	case PFK_EINVAL: /* UPDATE, and DELETE of policies; GETSPI's draw */
		return type == 2 || type == 15 || type == 22 || type == 1;
	default:
		return false;
	}
}

static void
same_errno(const char *id, size_t n, const json_t *step, void *ctx)
{
	struct hx_octets o = vec_octets(step, "request");
	struct pfk_finding f[PFK_FINDINGS_MAX];
	size_t found = lint(FREEBSD, PFK_LE, o.p, o.len, f);
	int sent = recorded_errno(step, "send_errno");
	int answered = recorded_errno(step, "reply_errno");
	struct tally *t = ctx;

	t->requests++;
	if (found != 0) {
		t->refused++;
		cr_expect_eq(sent, f[0].how == PFK_BY_SEND ? f[0].err : 0,
		    "%s/%zu: %s: send %d", id, n, pfk_rules[f[0].rule].name,
		    sent);
		cr_expect_eq(answered, f[0].how == PFK_BY_SEND ? 0 : f[0].err,
		    "%s/%zu: %s: answer %d", id, n, pfk_rules[f[0].rule].name,
		    answered);
	} else if (sent != 0 || answered != 0) {
		t->by_state++;
		cr_expect(sent == 0 && of_the_state(o.p[1], answered),
		    "%s/%zu: nothing found, errno %d %d", id, n, sent,
		    answered);
	}
	hx_octets_free(&o);
}

/* [PFKEY-1.4-01] [PFKEY-1.4-03] [PFKEY-1.6-01] [PFKEY-2.1-02] [PFKEY-2.3-01]
 * [PFKEY-2.3.1-04] [PFKEY-2.3.3-02] [PFKEY-3.1-02] [PFKEY-3.1.3-02] */
Test(rules, every_recorded_request_earns_its_errno)
{
	struct tally t = { 0 };

	each_exchange(same_errno, &t);
	cr_expect_geq(t.requests, 3500, "%zu", t.requests);
	cr_expect_geq(t.refused, 150, "%zu", t.refused);
	cr_expect_leq(t.by_state, t.requests / 2, "%zu", t.by_state);
}

static void
as_the_kernel_sends(const char *id, size_t n, const json_t *step, void *ctx)
{
	const struct pfk_codec c = { &pfk_dialects[FREEBSD], PFK_LE };
	struct pfk_finding f[PFK_FINDINGS_MAX];
	size_t *messages = ctx, i;
	json_t *reply;

	json_array_foreach(json_object_get(step, "replies"), i, reply)
	{
		struct hx_octets o;
		size_t found;

		cr_assert(hx_hex_read(json_string_value(reply), &o));
		/* A refused request comes back as it was. */
		if (o.p[2] == 0) {
			found = pfk_lint_out(&c, hx_span(&o), f);
			cr_expect_eq(found, 0, "%s/%zu: %s of %s", id, n,
			    pfk_rules[f[0].rule].name, f[0].ext);
			++*messages;
		}
		hx_octets_free(&o);
	}
}

/* [PFKEY-3.1.1-06] [PFKEY-3.1.2-08] [PFKEY-3.1.3-05] */
Test(rules, what_freebsd_sends_has_its_extensions)
{
	size_t messages = 0;

	each_exchange(as_the_kernel_sends, &messages);
	cr_expect_geq(messages, 3000, "%zu", messages);
}

static struct hx_octets
file_octets(const char *dir, const char *name)
{
	struct hx_octets o = { malloc(65536), 0 };
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "rb");
	cr_assert_not_null(f, "%s", path);
	o.len = fread(o.p, 1, 65536, f);
	(void)fclose(f);
	return o;
}

/* What Linux took it took, and what it sent has the form of its row. */
Test(rules, linux_messages)
{
	static const char dir[] = SOURCE_DIR "/vectors/captures/pfkey";
	const struct pfk_codec c = { &pfk_dialects[LINUX], PFK_LE };
	struct pfk_finding f[PFK_FINDINGS_MAX];
	size_t messages = 0;
	struct dirent *e;
	DIR *d = opendir(dir);

	cr_assert_not_null(d);
	while ((e = readdir(d)) != NULL) {
		struct hx_octets o;
		size_t found;

		if (strstr(e->d_name, ".reply") == NULL)
			continue;
		o = file_octets(dir, e->d_name);
		found = pfk_lint_out(&c, hx_span(&o), f);
		cr_expect_eq(found, 0, "%s: %s of %s", e->d_name,
		    pfk_rules[f[0].rule].name, f[0].ext);
		messages++;
		hx_octets_free(&o);
	}
	(void)closedir(d);
	cr_expect_geq(messages, 60, "%zu", messages);
}

/* --- the key engine --------------------------------------------------------------------- */

struct answer {
	int err;
	enum pfk_how how; /* PFK_IGNORED: taken */
};

/* What an engine without SAs and policies says. */
static struct answer
ask(struct hx_engine *providers, const struct ipm_profile *pf, const uint8_t *p,
    size_t len)
{
	static uint8_t draws[8192], reply[8192];
	struct ipm_tape tape = { ipm_span(draws, sizeof draws), 0 };
	struct ipm_env env = { .sec = 3,
		.random = &tape,
		.crypto = &providers->crypto,
		.comp = &providers->comp,
		.alloc = &providers->alloc };
	struct answer a = { 0, PFK_IGNORED };
	struct pfk_engine e;
	uint32_t sock;

	memset(draws, 0x11, sizeof draws);
	pfk_engine_init(&e, 0, 0);
	sock = pfk_open(&e, &env);
	cr_assert_neq(sock, 0);
	a.err = pfk_send(&e, pf, &env, sock, ipm_span(p, len));
	if (a.err != 0) {
		a.how = PFK_BY_SEND;
	} else if (pfk_recv(&e, sock, reply, sizeof reply) >= 16 &&
	    reply[2] != 0) {
		a.err = reply[2];
		a.how = PFK_BY_REPLY;
	}
	pfk_engine_free(&e, &providers->alloc);
	return a;
}

struct agreement {
	struct hx_engine providers;
	struct ipm_profile pf;
	size_t requests, asked, refused;
};

/* What the rules find, the engine refuses so; what they find nothing in, it
 * takes, or refuses for what it holds. */
static void
agree(struct agreement *g, const char *id, const uint8_t *p, size_t len)
{
	struct pfk_finding f[PFK_FINDINGS_MAX];
	const struct pfk_codec c = { &pfk_dialects[FREEBSD], PFK_LE };
	size_t n = pfk_lint(&c, &g->pf, ipm_span(p, len), f);
	struct answer a = ask(&g->providers, &g->pf, p, len);

	g->asked++;
	if (n == 0) {
		cr_assert(a.how == PFK_IGNORED ||
			(a.how == PFK_BY_REPLY && of_the_state(p[1], a.err)),
		    "%s, %s: nothing found, errno %d", g->pf.name, id, a.err);
		return;
	}
	g->refused++;
	cr_assert(f[0].err == a.err && f[0].how == a.how,
	    "%s, %s: %s of %s: errno %d (%u), the engine says %d (%u)",
	    g->pf.name, id, pfk_rules[f[0].rule].name,
	    f[0].ext == NULL ? "header" : f[0].ext, f[0].err, f[0].how, a.err,
	    (unsigned)a.how);
}

/* Each octet of the request in its turn, with a few values. */
static void
agree_on_changes(const char *id, size_t n, const json_t *step, void *ctx)
{
	static const uint8_t values[] = { 0, 1, 3, 0x10, 0x7f, 0xff };
	struct hx_octets o = vec_octets(step, "request");
	struct agreement *g = ctx;
	bool changed = g->requests++ % 61 == 0;

	(void)n;
	agree(g, id, o.p, o.len);
	/* Changes in every 61st request, to spare time. */
	for (size_t i = 0; changed && i < o.len; i++) {
		uint8_t was = o.p[i];

		for (size_t v = 0; v < sizeof values; v++) {
			o.p[i] = values[v];
			agree(g, id, o.p, o.len);
		}
		o.p[i] = was;
	}
	hx_octets_free(&o);
}

/* [PFKEY-1.4-01] [PFKEY-3.1-02] */
Test(rules, the_engine_agrees)
{
	struct agreement g = { 0 };

	cr_assert(hx_engine_open(&g.providers, IPM_PF_FREEBSD_13));
	for (unsigned id = 0; id < IPM_N_PROFILES; id++) {
		g.pf = profile((enum ipm_profile_id)id);
		g.asked = g.refused = 0;
		g.requests = 4 * id; /* others are changed */
		each_exchange(agree_on_changes, &g);
		cr_expect_geq(g.asked, 20000, "%zu", g.asked);
		cr_expect_geq(g.refused, 2000, "%zu", g.refused);
	}
	hx_engine_close(&g.providers);
}

/* --- messages built from the rows ------------------------------------------------------ */

struct built {
	struct pfk_codec c;
	struct pfk_msg m;
	struct pfk_ext exts[PFK_EXTS_MAX];
	size_t n, len;
	uint8_t p[2048];
};

static const uint8_t sin[16] = { 16, 2, 0, 0, 192, 0, 2, 1 };
static const uint8_t sin_host_family[2][16] = {
	{ 2, 0, 0, 0, 192, 0, 2, 1 },
	{ 0, 2, 0, 0, 192, 0, 2, 1 },
};
static const uint8_t zeros[80] = { 0 };
/* A request for ESP in transport mode, level require. */
static const uint8_t request[2][2][16] = {
	{ { 8, 0, 50, 0, 1, 2 }, { 0, 8, 0, 50, 1, 2 } },
	{ { 16, 0, 50, 0, 1, 2 }, { 0, 16, 0, 50, 1, 2 } },
};

static void
set(struct pfk_ext *e, const char *field, uint64_t v)
{
	for (size_t i = 0; i < PFK_FIELDS_MAX && e->row->field[i].name != NULL;
	     i++)
		if (strcmp(e->row->field[i].name, field) == 0)
			e->value[i] = v;
}

static struct ipm_span
sound_tail(const struct built *b, const struct pfk_ext *e)
{
	const struct pfk_dialect *d = b->c.dialect;

	switch (e->row->tail) {
	case PFK_TAIL_NONE:
		return ipm_span(NULL, 0);
	case PFK_TAIL_SOCKADDR:
		return ipm_span(
		    d->sa_len ? sin : sin_host_family[b->c.order], 16);
	case PFK_TAIL_KEY:
		return ipm_span(zeros, 16);
	case PFK_TAIL_STRING:
		return ipm_span((const uint8_t *)"a.example", 10);
	case PFK_TAIL_COMBS:
		return ipm_span(zeros, 72);
	case PFK_TAIL_ALGS:
	case PFK_TAIL_OCTETS:
		return ipm_span(zeros, 8);
	case PFK_TAIL_REQUESTS:
		return ipm_span(request[d->request_size == 16][b->c.order],
		    d->request_size);
	}
	return ipm_span(NULL, 0);
}

static void
sound_ext(struct built *b, uint16_t type)
{
	static const struct {
		const char *ext, *field;
		uint64_t value;
	} values[] = { { "SA", "spi", 0x1000 }, { "SA", "state", 1 },
		{ "SA", "auth", 3 }, { "SA", "encrypt", 12 },
		{ "KEY_AUTH", "bits", 128 }, { "KEY_ENCRYPT", "bits", 128 },
		{ "ADDRESS_SRC", "prefixlen", 32 },
		{ "ADDRESS_DST", "prefixlen", 32 },
		{ "IDENTITY_SRC", "idtype", 2 },
		{ "IDENTITY_DST", "idtype", 2 }, { "SPIRANGE", "min", 0x1000 },
		{ "SPIRANGE", "max", 0x2000 }, { "X_SA2", "mode", 1 },
		{ "X_POLICY", "policy", 2 }, { "X_POLICY", "dir", 2 },
		{ "X_NAT_T_TYPE", "encap", 2 },
		{ "X_NAT_T_SPORT", "port", 4500 },
		{ "X_NAT_T_DPORT", "port", 4500 },
		{ "X_SEC_CTX", "ctx_len", 8 } };
	struct pfk_ext *e = &b->exts[b->n++];

	*e = (struct pfk_ext){ 0 };
	e->type = type;
	e->row = pfk_ext_row(b->c.dialect, type);
	cr_assert_not_null(e->row, "%s %u", b->c.dialect->name, type);
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		if (strcmp(e->row->name, values[i].ext) == 0)
			set(e, values[i].field, values[i].value);
	e->tail = sound_tail(b, e);
}

static void
encode(struct built *b)
{
	cr_assert_eq(
	    pfk_encode(&b->c, &b->m, b->exts, b->n, b->p, sizeof b->p, &b->len),
	    IPM_OK);
}

#define KERNEL ((uint64_t)1 << 63)

static void
build(struct built *b, const struct pfk_msg_row *r, uint64_t exts,
    enum pfk_order order)
{
	const struct pfk_dialect *d = &pfk_dialects[r->dialect];
	int type = pfk_number(d->msgs, r->name);

	memset(b, 0, sizeof *b);
	cr_assert_gt(type, 0, "%s", r->name);
	b->c = (struct pfk_codec){ d, order };
	b->m.version = 2;
	b->m.type = (uint8_t)type;
	if (type <= 8 && type != 7)
		b->m.satype = (uint8_t)pfk_number(d->satypes, "esp");
	for (uint16_t i = 1; i < 63; i++)
		if ((exts >> i & 1) != 0)
			sound_ext(b, i);
	encode(b);
}

/* The sound forms of a row: what ESP's ADD needs beside what all need. */
static uint64_t
needed(const struct pfk_msg_row *r)
{
	uint64_t keys = (uint64_t)3 << 8;
	bool add = (strcmp(r->name, "ADD") == 0 && r->dialect != OPENBSD) ||
	    (r->dialect == LINUX && strcmp(r->name, "UPDATE") == 0);

	return r->need_in | (add ? keys : 0);
}

static size_t
lint_built(const struct built *b, struct pfk_finding *f)
{
	struct ipm_profile pf = profile(IPM_PF_FREEBSD_13);

	return pfk_lint(&b->c, &pf, ipm_span(b->p, b->len), f);
}

#define EACH_ROW(r) \
	for (const struct pfk_msg_row *r = pfk_msg_rows; r->name != NULL; r++)
#define EACH_ORDER(o) for (unsigned o = PFK_LE; o <= PFK_BE; o++)

Test(rules, sound_messages_are_clean)
{
	struct pfk_finding f[PFK_FINDINGS_MAX];
	struct built b;
	size_t n;

	EACH_ROW(r) EACH_ORDER(o)
	{
		uint64_t forms[2] = { needed(r), needed(r) | r->may_in };

		if ((r->need_in & KERNEL) != 0)
			continue;
		for (size_t i = 0; i < 2; i++) {
			if (__builtin_popcountll(forms[i]) > 40)
				continue; /* X_PROMISC has any */
			build(&b, r, forms[i], (enum pfk_order)o);
			n = lint_built(&b, f);
			cr_expect_eq(n, 0, "%s %s form %zu: %s of %s",
			    b.c.dialect->name, r->name, i,
			    pfk_rules[f[0].rule].name, f[0].ext);
		}
	}
}

/* [PFKEY-2.3.1-05] [PFKEY-2.3.3-01] */
Test(rules, every_missing_extension)
{
	struct pfk_finding f[PFK_FINDINGS_MAX];
	struct built b;
	size_t missing = 0;

	EACH_ROW(r) EACH_ORDER(o) for (uint16_t t = 1; t < 63; t++)
	{
		size_t n;

		if ((r->need_in & KERNEL) != 0 || (r->need_in >> t & 1) == 0)
			continue;
		build(
		    &b, r, needed(r) & ~((uint64_t)1 << t), (enum pfk_order)o);
		n = lint_built(&b, f);
		cr_assert_geq(
		    n, 1, "%s %s without %u", b.c.dialect->name, r->name, t);
		cr_expect_eq(f[0].rule, PFK_RULE_EXT_MISSING);
		cr_expect_eq(f[0].err, PFK_EINVAL);
		cr_expect_eq(f[0].how,
		    r->dialect == OPENBSD ? PFK_BY_SEND : PFK_BY_REPLY);
		cr_expect_str_eq(f[0].ext, pfk_ext_row(b.c.dialect, t)->name);
		missing++;
	}
	cr_expect_geq(missing, 2 * 60, "%zu", missing);
}

/* [PFKEY-2.3-01] */
Test(rules, every_second_extension)
{
	struct pfk_finding f[PFK_FINDINGS_MAX];
	struct built b;

	EACH_ROW(r) EACH_ORDER(o)
	{
		size_t n, off = 16;

		if ((r->need_in & KERNEL) != 0)
			continue;
		build(&b, r, needed(r), (enum pfk_order)o);
		n = b.n;
		for (size_t i = 0; i < n; i++) {
			size_t found, last = b.len;

			b.exts[n] = b.exts[i];
			b.n = n + 1;
			b.m.len = 0;
			encode(&b);
			last = b.len -
			    (b.exts[i].row->size + b.exts[i].tail.len + 7) / 8 *
				8;
			found = lint_built(&b, f);
			cr_assert_geq(found, 1);
			cr_expect_eq(f[0].rule, PFK_RULE_EXT_DUP);
			cr_expect_eq(f[0].offset, last);
			cr_expect_eq(f[0].err, PFK_EINVAL);
			cr_expect_eq(f[0].how,
			    r->dialect == LINUX ? PFK_BY_REPLY : PFK_BY_SEND);
			off += 8;
		}
	}
}

/* [PFKEY-2.1-03] [PFKEY-2.1-04] Cut anywhere: send(2) tells, but NetBSD
 * answers; with the header mended, an extension is cut or missing, unless the
 * cut falls between two. */
Test(rules, every_truncation)
{
	static const struct {
		int err, how;
	} mismatch[] = { { PFK_EINVAL, PFK_BY_SEND },
		{ PFK_EINVAL, PFK_BY_REPLY }, { PFK_EINVAL, PFK_BY_SEND },
		{ PFK_EMSGSIZE, PFK_BY_SEND } };
	struct pfk_finding f[PFK_FINDINGS_MAX];
	struct built b, cut;

	EACH_ROW(r) EACH_ORDER(o)
	{
		if ((r->need_in & KERNEL) != 0)
			continue;
		build(&b, r, needed(r), (enum pfk_order)o);
		for (size_t len = 0; len < b.len; len++) {
			int err = mismatch[r->dialect].err;
			int how = mismatch[r->dialect].how;

			cut = b;
			cut.len = len;
			cr_assert_geq(lint_built(&cut, f), 1);
			cr_expect_eq(f[0].rule,
			    len < 16 ? PFK_RULE_HDR_SHORT : PFK_RULE_HDR_LEN);
			cr_expect_eq(f[0].err, len < 16 ? PFK_EINVAL : err);
			cr_expect_eq(f[0].how, len < 16 ? PFK_BY_SEND : how);
			if (len < 16 || len % 8 != 0)
				continue;
			cut.p[o == PFK_LE ? 4 : 5] = (uint8_t)(len / 8);
			cut.p[o == PFK_LE ? 5 : 4] = 0;
			cr_expect_geq(lint_built(&cut, f), 1,
			    "%s %s cut at %zu", b.c.dialect->name, r->name,
			    len);
		}
	}
}

/* [PFKEY-2.3-05] Every length field with every value: too short and past the
 * end are found by all, and both byte orders find the same. */
Test(rules, every_length_field)
{
	struct pfk_finding f[PFK_FINDINGS_MAX], g[PFK_FINDINGS_MAX];
	struct built le, be;

	EACH_ROW(r)
	{
		size_t off = 16;

		if ((r->need_in & KERNEL) != 0)
			continue;
		build(&le, r, needed(r), PFK_LE);
		build(&be, r, needed(r), PFK_BE);
		cr_assert_eq(le.len, be.len);
		while (off < le.len) {
			uint8_t was = le.p[off];
			uint16_t type = le.p[off + 2];
			size_t least = pfk_ext_row(le.c.dialect, type)->size;

			for (unsigned v = 0; v < 256; v++) {
				size_t n, k;

				le.p[off] = be.p[off + 1] = (uint8_t)v;
				n = lint_built(&le, f);
				k = lint_built(&be, g);
				if (v * 8 >= least && v * 8 <= le.len - off)
					continue;
				cr_assert(n >= 1 && k >= 1, "%s %s %u at %zu",
				    le.c.dialect->name, r->name, v, off);
				cr_expect_eq(f[0].rule, g[0].rule);
				cr_expect_eq(f[0].offset, g[0].offset);
			}
			le.p[off] = be.p[off + 1] = was;
			off += (size_t)was * 8;
		}
	}
}

/* --- one octet wrong ----------------------------------------------------------------------- */

struct wrong {
	unsigned dialect;
	const char *type;
	const char *ext; /* NULL: the header */
	const char *field;
	uint64_t value;
	enum pfk_rule rule;
	int err;
	enum pfk_how how;
};

/* Facts of the headers and kernels, dialect by dialect. */
static const struct wrong wrongs[] = {
	/* [PFKEY-2.1-02] */
	{ FREEBSD, "ADD", NULL, "version", 3, PFK_RULE_HDR_VERSION, PFK_EINVAL,
	    PFK_BY_REPLY },
	{ LINUX, "ADD", NULL, "version", 3, PFK_RULE_HDR_VERSION, PFK_EINVAL,
	    PFK_BY_SEND },
	/* [PFKEY-2.1-05] */
	{ OPENBSD, "ADD", NULL, "reserved", 1, PFK_RULE_HDR_RESERVED,
	    PFK_EINVAL, PFK_BY_SEND },
	{ LINUX, "ADD", NULL, "reserved", 1, PFK_RULE_HDR_RESERVED, PFK_EINVAL,
	    PFK_BY_SEND },
	/* [PFKEY-3.4-01] */
	{ FREEBSD, "ADD", NULL, "satype", 0, PFK_RULE_SATYPE_UNSPEC, PFK_EINVAL,
	    PFK_BY_REPLY },
	{ NETBSD, "ADD", NULL, "satype", 5, PFK_RULE_SATYPE_OTHER,
	    PFK_EOPNOTSUPP, PFK_BY_REPLY },
	{ NETBSD, "X_SPDADD", NULL, "satype", 3, PFK_RULE_SATYPE_GIVEN,
	    PFK_EINVAL, PFK_BY_REPLY },
	{ OPENBSD, "GETSPI", NULL, "satype", 3, PFK_RULE_SATYPE_OTHER,
	    PFK_EINVAL, PFK_BY_SEND },
	{ LINUX, "ADD", NULL, "satype", 5, PFK_RULE_SATYPE_OTHER, PFK_EINVAL,
	    PFK_BY_REPLY },
	{ LINUX, "FLUSH", NULL, "satype", 77, PFK_RULE_SATYPE_UNKNOWN,
	    PFK_EINVAL, PFK_BY_REPLY },
	/* [PFKEY-3.1.2-04] [PFKEY-3.1.3-03] */
	{ OPENBSD, "ADD", "SA", "state", 0, PFK_RULE_NOT_MATURE, PFK_EINVAL,
	    PFK_BY_SEND },
	{ OPENBSD, "UPDATE", "SA", "state", 2, PFK_RULE_NOT_MATURE, PFK_EINVAL,
	    PFK_BY_SEND },
	{ OPENBSD, "GET", "SA", "state", 3, PFK_RULE_SA_STATE, PFK_EINVAL,
	    PFK_BY_SEND },
	{ OPENBSD, "ADD", "SA", "replay", 33, PFK_RULE_SA_REPLAY, PFK_EINVAL,
	    PFK_BY_SEND },
	{ OPENBSD, "ADD", "SA", "auth", 251, PFK_RULE_SA_ALG_MAX, PFK_EINVAL,
	    PFK_BY_SEND },
	{ LINUX, "ADD", "SA", "encrypt", 254, PFK_RULE_SA_ALG_MAX, PFK_EINVAL,
	    PFK_BY_REPLY },
	/* [PFKEY-2.3.4-01] */
	{ OPENBSD, "ADD", "KEY_AUTH", "bits", 0, PFK_RULE_KEY_NO_BITS,
	    PFK_EINVAL, PFK_BY_SEND },
	{ LINUX, "ADD", "KEY_AUTH", "bits", 129, PFK_RULE_KEY_ROOM, PFK_EINVAL,
	    PFK_BY_REPLY },
	/* [PFKEY-2.3.9-01] */
	{ OPENBSD, "GETSPI", "SPIRANGE", "min", 0x2001, PFK_RULE_RANGE_TURNED,
	    PFK_EINVAL, PFK_BY_SEND },
	{ LINUX, "ADD", "ADDRESS_SRC", "prefixlen", 33,
	    PFK_RULE_EXT_ADDR_PREFIX, PFK_EINVAL, PFK_BY_REPLY },
	{ NETBSD, "ADD", "ADDRESS_DST", "prefixlen", 33, PFK_RULE_ADDR_PREFIX,
	    PFK_EINVAL, PFK_BY_REPLY },
	{ FREEBSD, "ADD", "SA", "spi", 255, PFK_RULE_SPI_LOW, PFK_EINVAL,
	    PFK_BY_REPLY },
	{ FREEBSD, "ADD", "SA", "flags", 0x1000, PFK_RULE_SA_FLAGS, PFK_EINVAL,
	    PFK_BY_REPLY },
	{ FREEBSD, "X_SPDADD", "X_POLICY", "dir", 3, PFK_RULE_POLICY_DIR,
	    PFK_EINVAL, PFK_BY_REPLY },
	{ LINUX, "X_SPDADD", "X_POLICY", "dir", 4, PFK_RULE_POLICY_DIR,
	    PFK_EINVAL, PFK_BY_REPLY },
	{ NETBSD, "X_SPDDELETE", "X_POLICY", "policy", 3, PFK_RULE_POLICY_TYPE,
	    PFK_EINVAL, PFK_BY_REPLY },
};

static void
set_header(struct built *b, const char *field, uint64_t v)
{
	if (strcmp(field, "version") == 0)
		b->m.version = (uint8_t)v;
	else if (strcmp(field, "reserved") == 0)
		b->m.reserved = (uint16_t)v;
	else
		b->m.satype = (uint8_t)v;
}

static const struct pfk_msg_row *
row_of(unsigned dialect, const char *type)
{
	EACH_ROW(r)
	if (r->dialect == dialect && strcmp(r->name, type) == 0)
		return r;
	cr_assert_fail("no row %s", type);
	return NULL;
}

static uint64_t
bit_of(const struct wrong *w)
{
	const struct pfk_dialect *d = &pfk_dialects[w->dialect];

	return w->ext == NULL
	    ? 0
	    : (uint64_t)1 << pfk_ext_row_by_name(d, w->ext)->type;
}

Test(rules, one_field_wrong)
{
	struct pfk_finding f[PFK_FINDINGS_MAX];
	struct built b;

	for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++)
		EACH_ORDER(o)
		{
			const struct wrong *w = &wrongs[i];
			const struct pfk_msg_row *r =
			    row_of(w->dialect, w->type);

			build(&b, r, needed(r) | bit_of(w), (enum pfk_order)o);
			if (w->ext == NULL)
				set_header(&b, w->field, w->value);
			for (size_t k = 0; k < b.n; k++)
				if (w->ext != NULL &&
				    strcmp(b.exts[k].row->name, w->ext) == 0)
					set(&b.exts[k], w->field, w->value);
			encode(&b);
			cr_assert_geq(lint_built(&b, f), 1, "row %zu", i);
			cr_expect_eq(f[0].rule, w->rule, "row %zu: %s", i,
			    pfk_rules[f[0].rule].name);
			cr_expect_eq(f[0].err, w->err, "row %zu", i);
			cr_expect_eq(f[0].how, w->how, "row %zu", i);
			cr_assert_not_null(f[0].field);
			cr_expect_str_eq(f[0].field, w->field);
			cr_expect_eq(f[0].ext == NULL, w->ext == NULL);
		}
}

/* [PFKEY-2.3.3-04] [PFKEY-2.3.3-05] What is no address in a sockaddr: OpenBSD
 * refuses it, the others do not look. */
Test(rules, sockaddrs_hold_an_address_alone)
{
	static const struct {
		size_t at; /* in the sockaddr_in */
		enum pfk_rule rule;
	} rows[] = { { 2, PFK_RULE_EXT_ADDR_PORT },
		{ 3, PFK_RULE_EXT_ADDR_PORT }, { 8, PFK_RULE_EXT_ADDR_FILL },
		{ 15, PFK_RULE_EXT_ADDR_FILL } };
	struct pfk_finding f[PFK_FINDINGS_MAX];
	struct built b;

	for (unsigned d = 0; d < N_DIALECTS; d++)
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			const struct pfk_msg_row *r = row_of(d, "GETSPI");
			size_t n, at = 16;

			build(&b, r, needed(r), PFK_LE);
			while (b.p[at + 2] != 6)
				at += 8U * b.p[at];
			b.p[at + 8 + rows[i].at] = 1;
			n = lint_built(&b, f);
			cr_expect_eq(n, d == OPENBSD, "%u row %zu", d, i);
			if (d != OPENBSD)
				continue;
			cr_expect_eq(f[0].rule, rows[i].rule, "row %zu", i);
			cr_expect_eq(f[0].err, PFK_EINVAL);
			cr_expect_eq(f[0].how, PFK_BY_SEND);
		}
}

/* [PFKEY-2.3.3-08] [PFKEY-2.3.3-09] An SA comes from one host, where the profile
 * looks; it may lead to many. */
Test(rules, groups_are_no_source)
{
	static const struct {
		uint8_t octet[4];
		bool group;
	} rows[] = {
		{ { 192, 0, 2, 1 }, false },
		{ { 0, 0, 0, 0 }, false },
		{ { 223, 255, 255, 255 }, false },
		{ { 224, 0, 0, 0 }, true },
		{ { 239, 255, 255, 255 }, true },
		{ { 240, 0, 0, 1 }, false },
		{ { 255, 255, 255, 255 }, true },
	};
	/* DELETE of ESP, all from 192.0.2.1 to 192.0.2.2 */
	uint8_t p[64] = { 2, 4, 0, 3, 8, [16] = 3, 0, 5, 0, 255, 32, 0, 0, 16,
		2, [28] = 192, 0, 2, 1, [40] = 3, 0, 6, 0, 255, 32, 0, 0, 16,
		2, [52] = 192, 0, 2, 2 };
	const struct pfk_codec c = { &pfk_dialects[FREEBSD], PFK_LE };
	struct ipm_profile rfc = profile(IPM_PF_RFC4301);
	const struct ipm_profile bsd = profile(IPM_PF_FREEBSD_2017);
	struct pfk_finding f[PFK_FINDINGS_MAX];

	rfc.value[IPM_SW_PFK_DELETE_ALL] = 0;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (size_t end = 0; end < 2; end++) {
			size_t want = rows[i].group && end == 0;

			memcpy(p + 28 + 24 * end, rows[i].octet, 4);
			cr_expect_eq(pfk_lint(&c, &bsd, ipm_span(p, 64), f), 0);
			cr_expect_eq(pfk_lint(&c, &rfc, ipm_span(p, 64), f),
			    want, "row %zu, end %zu", i, end);
			if (want != 0) {
				cr_expect_eq(f[0].rule, PFK_RULE_ADDR_GROUP);
				cr_expect_eq(f[0].err, PFK_EINVAL);
				cr_expect_eq(f[0].how, PFK_BY_REPLY);
			}
			memcpy(p + 28 + 24 * end, rows[0].octet, 4);
		}
}

/* [PFKEY-2.3-03] Types beyond the highest: refused, or skipped by Linux. */
Test(rules, unknown_extension_types)
{
	static const uint16_t beyond[] = { 29, 26, 35, 27 };
	struct pfk_finding f[PFK_FINDINGS_MAX];
	struct built b;

	for (unsigned d = 0; d < N_DIALECTS; d++) {
		const struct pfk_msg_row *r = row_of(d, "GETSPI");
		struct pfk_ext *e;

		build(&b, r, needed(r), PFK_LE);
		e = &b.exts[b.n++];
		*e = (struct pfk_ext){ 0 };
		e->type = beyond[d];
		e->tail = ipm_span(zeros, 4);
		encode(&b);
		if (d == LINUX) {
			cr_expect_eq(lint_built(&b, f), 0);
			continue;
		}
		cr_assert_geq(lint_built(&b, f), 1);
		cr_expect_eq(f[0].rule, PFK_RULE_EXT_TYPE);
		cr_expect_eq(f[0].err, PFK_EINVAL);
		cr_expect_eq(f[0].how, PFK_BY_SEND);
	}
}

/* What OpenBSD's table does not name in a message, it refuses there. */
Test(rules, openbsd_refuses_what_its_table_lacks)
{
	struct pfk_finding f[PFK_FINDINGS_MAX];
	size_t refused = 0;
	struct built b;

	EACH_ROW(r) for (uint16_t t = 1; t <= 34; t++)
	{
		if (r->dialect != OPENBSD || (r->need_in & KERNEL) != 0 ||
		    strcmp(r->name, "X_PROMISC") == 0 ||
		    ((r->need_in | r->may_in) >> t & 1) != 0)
			continue;
		build(&b, r, needed(r) | (uint64_t)1 << t, PFK_LE);
		cr_assert_geq(lint_built(&b, f), 1, "%s %u", r->name, t);
		cr_expect_eq(f[0].rule, PFK_RULE_EXT_NOT_ALLOWED, "%s %u: %s",
		    r->name, t, pfk_rules[f[0].rule].name);
		cr_expect_eq(f[0].how, PFK_BY_SEND);
		refused++;
	}
	cr_expect_geq(refused, 200, "%zu", refused);
}

/* Every row of a message names a message, and every message has a row but
 * those that nothing handles and nobody sends. */
Test(rules, rows_and_names_agree)
{
	for (unsigned d = 0; d < N_DIALECTS; d++)
		for (const struct pfk_name *m = pfk_dialects[d].msgs;
		     m->name != NULL; m++) {
			const struct pfk_msg_row *r =
			    pfk_msg_row(&pfk_dialects[d], m->number);

			if (r == NULL)
				cr_expect(strcmp(m->name, "X_PCHANGE") == 0 ||
					strcmp(m->name,
					    "X_NAT_T_NEW_MAPPING") == 0,
				    "%s %s", pfk_dialects[d].name, m->name);
			else
				cr_expect_str_eq(r->name, m->name);
		}
	EACH_ROW(r)
	cr_expect_gt(pfk_number(pfk_dialects[r->dialect].msgs, r->name), 0,
	    "%s", r->name);
}
