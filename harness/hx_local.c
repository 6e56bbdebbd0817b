/*
 * Implementation notes.  A sender has free choices (IV, sequence number,
 * padding, IP identification), so a packet of the capture and the model's are
 * both opened, and what must agree is compared: the outer header but for
 * identification, checksum and flow label, the layers, the inner packet.  The
 * openers keep no windows: it is not their business to refuse.
 *
 * A host (without --forward) is handed the clear packet that a frame of its own
 * holds, as one of its sockets would.  A gateway gets its input from the other
 * side: -r is its clear side, --expect the wire, read together in the order of
 * time.  Where only the wire was captured (--forward alone), the inner packet of
 * an outgoing frame is its input, one hop earlier.
 *
 * A capture does not say which sockets a host has: those exist that packets are
 * addressed to, and what the model's own TCP or ICMP would answer is not held
 * against the capture.
 */
#include "hx_local.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_config.h"
#include "hx_engine.h"
#include "hx_fields.h"
#include "hx_make.h"
#include "hx_model.h"
#include "hx_options.h"
#include "hx_pcap.h"
#include "hx_salist.h"
#include "hx_setkey_msg.h"
#include "hx_show.h"
#include "ipm_sysctl.h"
#include "wire/ipm_link.h"
#include "wire/ipm_upper.h"

#define LOCALS_MAX  8U
#define SYSCTLS_MAX 32U
#define PENDING_MAX 4096U

static const char usage[] =
    "usage: ipsecsim replay --local ADDR [--local ADDR]... [--forward]\n"
    "           -c CONFIG -r CAPTURE [--expect OTHER] [OPTION...]\n"
    "\n"
    "The model takes the place of the host ADDR: frames that it sent are its\n"
    "expected output, all others its input.  With --forward it is a gateway:\n"
    "CAPTURE is its clear side and OTHER the wire; without --expect CAPTURE is\n"
    "the wire and what it forwards to the clear side is not compared.\n"
    "\n"
    "  --profile NAME       default manual\n"
    "  --switch NAME=VALUE  change one switch of it\n"
    "  -s NAME=VALUE        write a sysctl first\n"
    "  --mtu N              of its interfaces (default 1500)\n"
    "  --json               JSON Lines\n"
    "  -q, --quiet          the summary only\n"
    "\n"
    "Exit status 0: nothing dropped, nothing differs; 1: something was;\n"
    "2: bad usage or input.\n";

struct options {
	const char *config, *capture, *expect;
	struct ipm_profile profile;
	struct ipm_addr local[LOCALS_MAX];
	size_t n_locals;
	const char *sysctl[SYSCTLS_MAX];
	size_t n_sysctls;
	uint32_t mtu;
	bool forward, json, quiet;
};

/* A packet that the model sent and the capture has not shown yet. */
struct sent {
	struct hx_octets packet;
	uint64_t frame; /* whose event it came of */
	int iface;
};

/* One side's opener: an observer whose SAs have no windows. */
struct opener {
	struct hx_engine engine;
	struct ipm_observation o;
};

#define SEQ_SLOTS 1024U

struct last_seq {
	enum ipm_layer_kind kind;
	uint32_t spi;
	uint64_t seq;
};

struct local {
	const struct options *opt;
	struct last_seq
	    last[SEQ_SLOTS]; /* direct-mapped: forgets, never grows */
	struct hx_model x;
	struct hx_config cfg;
	struct opener capture, model;
	struct sent *pending; /* PENDING_MAX */
	size_t n_pending;
	int clear, wire; /* interfaces; the same of a host */
	uint64_t frame;  /* being judged */
	int reply_errno; /* of the last PF_KEY message */
	json_t *sending; /* what the event in hand sent */
	bool no_memory, too_many;
	bool compared; /* what the event sends is held against the capture */
	uint32_t last_socket;
	uint64_t frames, inputs, outputs, drops, differing, missing, unseen;
};

/* --- options ------------------------------------------------------------------- */

static int
bad(const char *what, const char *word)
{
	(void)fprintf(stderr, "ipsecsim replay: %s %s\n", what, word);
	return 2;
}

/* 1: taken with its word; 0: not one of these; -1: told. */
static int
with_word(struct options *o, const char *a, const char *word)
{
	int64_t v;
	enum ipm_profile_id id;

	if (strcmp(a, "-c") == 0)
		o->config = word;
	else if (strcmp(a, "-r") == 0)
		o->capture = word;
	else if (strcmp(a, "--expect") == 0)
		o->expect = word;
	else if (strcmp(a, "--local") == 0) {
		if (o->n_locals == LOCALS_MAX ||
		    !hx_addr_parse(
			word, strlen(word), &o->local[o->n_locals])) {
			(void)bad("--local takes up to 8 addresses, not", word);
			return -1;
		}
		o->n_locals++;
	} else if (strcmp(a, "--profile") == 0) {
		id = ipm_profile_find(word);
		if (id == IPM_N_PROFILES) {
			(void)bad("no profile", word);
			return -1;
		}
		ipm_profile_init(&o->profile, id);
	} else if (strcmp(a, "--switch") == 0) {
		if (!hx_option_switch(&o->profile, word)) {
			(void)bad("no switch", word);
			return -1;
		}
	} else if (strcmp(a, "-s") == 0) {
		if (o->n_sysctls == SYSCTLS_MAX) {
			(void)bad("too many sysctls at", word);
			return -1;
		}
		o->sysctl[o->n_sysctls++] = word;
	} else if (strcmp(a, "--mtu") == 0) {
		if (!hx_number_to(word, 65535, &v) || v < 68) {
			(void)bad("--mtu takes 68 to 65535, not", word);
			return -1;
		}
		o->mtu = (uint32_t)v;
	} else
		return 0;
	return 1;
}

/* -1: go on; else the exit status. */
static int
read_options(struct options *o, int argc, char **argv)
{
	ipm_profile_init(&o->profile, IPM_PF_MANUAL);
	o->mtu = 1500;
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		int taken = i + 1 < argc ? with_word(o, a, argv[i + 1]) : 0;

		if (taken < 0)
			return 2;
		if (taken > 0) {
			i++;
			continue;
		}
		if (strcmp(a, "--help") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
		if (strcmp(a, "--forward") == 0)
			o->forward = true;
		else if (strcmp(a, "--json") == 0)
			o->json = true;
		else if (strcmp(a, "-q") == 0 || strcmp(a, "--quiet") == 0)
			o->quiet = true;
		else
			return bad("with --local: unknown or incomplete", a);
	}
	if (o->n_locals == 0 || o->config == NULL || o->capture == NULL)
		return bad("with --local: -c and -r are", "needed");
	if (o->expect != NULL && !o->forward)
		return bad("--expect needs", "--forward");
	/* The configuration may say more than PF_KEY's numbers do. */
	o->profile.value[IPM_SW_PFK_PRIVATE] = IPM_ON;
	return -1;
}

/* --- the host ------------------------------------------------------------------ */

static void
show_sent(struct local *l, const struct ipm_effect *fx)
{
	char *text;

	if (l->sending == NULL)
		return;
	text = malloc(fx->packet.len * 2 + 1);
	if (text == NULL) {
		l->no_memory = true;
		return;
	}
	(void)json_array_append_new(l->sending,
	    json_pack("{s:s, s:s}", "if",
		l->x.m.e.ipm.host.iface[fx->iface].name, "packet",
		hx_hex_write(fx->packet, text)));
	free(text);
}

static void
keep_sent(struct local *l, const struct ipm_effect *fx)
{
	struct sent *s;

	if (l->n_pending == PENDING_MAX) {
		l->too_many = true;
		return;
	}
	s = &l->pending[l->n_pending];
	s->packet.p = malloc(fx->packet.len + 1);
	if (s->packet.p == NULL) {
		l->no_memory = true;
		return;
	}
	memcpy(s->packet.p, fx->packet.p, fx->packet.len);
	s->packet.len = fx->packet.len;
	s->frame = l->frame;
	s->iface = fx->iface;
	l->n_pending++;
}

static void
on_effect(void *ctx, const struct pfk_effect *e)
{
	struct local *l = ctx;

	if (e->pfkey && e->msg.len > 2)
		l->reply_errno = e->msg.p[2];
	if (e->pfkey || e->fx.kind != IPM_FX_TRANSMIT)
		return;
	show_sent(l, &e->fx);
	if (l->compared)
		keep_sent(l, &e->fx);
}

static void
step(struct local *l, const struct pfk_event *ev, struct pfk_outcome *out)
{
	hx_model_step(&l->x, ev, on_effect, l, out);
}

static bool
is_local(const struct options *o, const struct ipm_addr *a)
{
	for (size_t i = 0; i < o->n_locals; i++)
		if (ipm_addr_equal(&o->local[i], a))
			return true;
	return false;
}

/* A socket on this port, and what an IKE daemon makes of its own (facts
 * datapath 2.9): encapsulation on, past the policies. */
static void
open_socket(struct local *l, uint8_t family, uint8_t proto, uint16_t port,
    uint16_t fport, const struct ipm_addr *peer, bool encap)
{
	static const uint8_t on[4] = { 2, 0, 0, 0 };
	uint8_t bypass[16] = { 2, 0, 18, 0, IPM_POLICY_BYPASS, 0 };
	struct pfk_event ev = { .kind = PFK_EV_SOCKET,
		.pcb = { .id = ++l->last_socket,
		    .family = family,
		    .proto = proto,
		    .lport = port,
		    .laddr = { .family = family },
		    .fport = fport,
		    .faddr = { .family = family } } };
	struct pfk_outcome out;

	if (fport != 0)
		ev.pcb.faddr = *peer;
	step(l, &ev, &out);
	if (!encap)
		return;
	ev.kind = PFK_EV_SETOPT;
	ev.sock = l->last_socket;
	ev.privileged = true;
	ev.level = 17;
	ev.option = 1;
	ev.octets = ipm_span(on, sizeof on);
	step(l, &ev, &out);
	ev.level = family == 4 ? 0 : 41;
	ev.option = family == 4 ? 21 : 28;
	ev.octets = ipm_span(bypass, sizeof bypass);
	for (uint8_t dir = IPM_DIR_IN; dir <= IPM_DIR_OUT; dir++) {
		bypass[6] = dir;
		step(l, &ev, &out);
	}
}

static bool
has_socket(const struct local *l, uint8_t family, uint8_t proto, uint16_t port,
    uint16_t fport)
{
	const struct ipm_state *s = &l->x.m.e.ipm;

	for (ipm_off off = s->pcbs.first; off != 0;) {
		const struct ipm_pcb *p = ipm_arena_at(&s->arena, off);

		if (p->family == family && p->proto == proto &&
		    p->lport == port && p->fport == fport)
			return true;
		off = p->next;
	}
	return false;
}

/* Somebody listens where the clear packet goes. */
static void
expect_socket(struct local *l, struct ipm_span clear)
{
	struct ipm_ip ip;
	struct ipm_upper u;
	uint16_t fport;

	if (ipm_ip_parse(clear, false, &ip) != IPM_R_OK)
		return;
	ipm_upper_parse(&ip, &u);
	if (!u.has_ports ||
	    (u.proto != IPM_PROTO_UDP && u.proto != IPM_PROTO_TCP))
		return;
	/* A connection of TCP is one socket; UDP's takes from anyone. */
	fport = u.proto == IPM_PROTO_TCP ? u.sport : 0;
	if (!has_socket(l, ip.version, u.proto, u.dport, fport))
		open_socket(
		    l, ip.version, u.proto, u.dport, fport, &ip.src, false);
}

static void
open_encap_sockets(struct local *l)
{
	for (size_t i = 0; i < l->cfg.n; i++) {
		const struct ipm_sa_config *c = &l->cfg.sas[i].cfg;

		if ((c->flags & IPM_SAF_NATT) != 0 &&
		    is_local(l->opt, &c->dst) &&
		    !has_socket(l, c->dst.family, IPM_PROTO_UDP, c->dport, 0))
			open_socket(l, c->dst.family, IPM_PROTO_UDP, c->dport,
			    0, NULL, true);
	}
}

static void
add_default_route(struct ipm_host *h, uint8_t family, uint8_t iface)
{
	const struct ipm_addr any = { .family = family };
	const struct ipm_addr none = { 0 };

	(void)ipm_host_add_route(h, &any, 0, iface, &none);
}

/* Nets that inbound policies lead to lie behind the clear side. */
static void
add_clear_routes(struct local *l, struct ipm_host *h)
{
	const struct ipm_state *s = &l->x.m.e.ipm;
	const struct ipm_addr none = { 0 };

	for (ipm_off off = s->spd.first[IPM_DIR_IN]; off != 0;) {
		const struct ipm_sp *sp = ipm_arena_at(&s->arena, off);

		if (sp->sel.dst_prefix != 0)
			(void)ipm_host_add_route(h, &sp->sel.dst.addr,
			    sp->sel.dst_prefix, (uint8_t)l->clear, &none);
		off = sp->next;
	}
}

static void
set_host(struct local *l)
{
	const struct options *o = l->opt;
	struct ipm_host h;
	struct pfk_event ev = { .kind = PFK_EV_HOST, .host = &h };
	struct pfk_outcome out;
	uint8_t index = 0;

	ipm_host_init(&h);
	(void)ipm_host_add_if(&h, "wire0", o->mtu, false, &index);
	l->wire = l->clear = index;
	for (size_t i = 0; i < o->n_locals; i++)
		(void)ipm_host_add_addr(&h, index, &o->local[i],
		    o->local[i].family == 4 ? 32 : 128);
	add_default_route(&h, 4, index);
	add_default_route(&h, 6, index);
	if (o->forward) {
		(void)ipm_host_add_if(&h, "clear0", o->mtu, false, &index);
		l->clear = index;
		/* A hop that writes itself into an option has an address
		 * wherever it sends: the dummy of RFC 7600 4.8. */
		(void)ipm_host_add_addr(&h, index,
		    &(struct ipm_addr){
			.family = 4, .octet = { 192, 0, 0, 8 } },
		    32);
		add_clear_routes(l, &h);
		h.forwarding4 = h.forwarding6 = 1;
	}
	step(l, &ev, &out);
	open_encap_sockets(l);
}

static bool
send_all(struct local *l, const struct hx_setkey_msgs *msgs, uint32_t sock,
    struct hx_err *err)
{
	for (size_t i = 0; i < msgs->n; i++) {
		struct pfk_event ev = { .kind = PFK_EV_PFKEY,
			.sock = sock,
			.octets = hx_span(&msgs->msg[i].octets) };
		struct pfk_outcome out;
		const char *name;

		l->reply_errno = 0;
		step(l, &ev, &out);
		if (out.err == 0)
			out.err = l->reply_errno;
		if (out.err == 0)
			continue;
		name = pfk_errno_name(out.err);
		hx_err_set(err, l->opt->config, msgs->msg[i].line, 0,
		    "the kernel that profile %s models refuses this: %s",
		    l->opt->profile.name, name == NULL ? "?" : name);
		return false;
	}
	return true;
}

/* What the numbers of the profile's kernel do not say of the SA goes by name;
 * else the kernel judges the numbers. */
static bool
wants_names(const struct hx_setkey_stmt *st, const struct ipm_profile *pf)
{
	const struct ipm_sa_config *c = &st->sa;

	return hx_setkey_unsaid(st) != NULL ||
	    (c->enc != NULL && st->sadb_enc == 0) ||
	    (c->auth != NULL &&
		(st->sadb_auth == 0 ||
		    (c->auth == ipm_alg_by_name("hmac-sha256") &&
			ipm_sw(pf, IPM_SW_PFK_SHA256_BITS) == IPM_ON)));
}

static bool
configure(struct local *l, struct hx_err *err)
{
	struct pfk_event ev = { .kind = PFK_EV_KEYSOCK };
	struct hx_setkey_msgs msgs = { 0 };
	struct pfk_outcome out;
	bool ok = true;

	step(l, &ev, &out);
	for (size_t i = 0; ok && i < l->cfg.n; i++) {
		struct hx_setkey_stmt st;

		hx_setkey_of_sa(&l->cfg.sas[i].cfg, &st);
		st.named = wants_names(&st, &l->opt->profile);
		if (hx_setkey_compile(&st, 0, &msgs) != IPM_OK) {
			hx_err_set(err, l->opt->config, l->cfg.sas[i].line, 0,
			    "PF_KEY cannot say this SA");
			ok = false;
		} else
			msgs.msg[msgs.n - 1].line = l->cfg.sas[i].line;
	}
	ok = ok && send_all(l, &msgs, out.value, err) &&
	    send_all(l, &l->cfg.policies, out.value, err);
	hx_setkey_msgs_free(&msgs);
	return ok;
}

static bool
set_sysctls(struct local *l, struct hx_err *err)
{
	for (size_t i = 0; i < l->opt->n_sysctls; i++) {
		const char *word = l->opt->sysctl[i], *eq = strchr(word, '=');
		struct pfk_event ev = { .kind = PFK_EV_SYSCTL };
		struct pfk_outcome out = { 0 };
		char name[96];

		if (eq == NULL || (size_t)(eq - word) >= sizeof name ||
		    !hx_number(eq + 1, &ev.value)) {
			hx_err_set(
			    err, "-s", 0, 0, "%s is not NAME=NUMBER", word);
			return false;
		}
		memcpy(name, word, (size_t)(eq - word));
		name[eq - word] = '\0';
		ev.name = name;
		step(l, &ev, &out);
		if (out.err != 0) {
			hx_err_set(
			    err, "-s", 0, 0, "%s: errno %d", word, out.err);
			return false;
		}
	}
	return true;
}

static bool
open_opener(struct opener *p, const struct hx_config *cfg)
{
	if (!hx_engine_open(&p->engine, IPM_PF_OBSERVER))
		return false;
	for (size_t i = 0; i < cfg->n; i++) {
		struct ipm_sa_config c = cfg->sas[i].cfg;

		c.window = 0;
		if (hx_engine_add_sa(&p->engine, &c) != IPM_OK) {
			hx_engine_close(&p->engine);
			return false;
		}
	}
	return true;
}

static struct ipm_span
clear_of(const struct ipm_observation *o)
{
	return ipm_reasons[o->reason].verdict == IPM_V_ACCEPT ? o->inner
							      : o->packet;
}

/* --- comparing ----------------------------------------------------------------- */

/* Fields of an outer header that a sender may choose. */
static bool
is_free(const char *name)
{
	static const char *const names[] = { "ip.id", "ip.sum", "ip.flow",
		"frag.id", "udp.sum" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

struct comparison {
	json_t *diff;
	struct ipm_span model, capture;
	bool outer;      /* stop at the first IPsec header */
	bool any_length; /* the paddings differ, so may the lengths */
};

static void
add_diff(json_t *diff, const char *where, const char *field, const char *model,
    const char *capture)
{
	char name[48];

	(void)snprintf(name, sizeof name, "%s%s", where, field);
	(void)json_array_append_new(diff,
	    json_pack("{s:s, s:s, s:s}", "field", name, "model", model,
		"capture", capture));
}

/* Of the outer packet only the headers in front of IPsec's are told. */
static bool
is_outer(const char *name)
{
	if (strcmp(name, "udp.data") == 0)
		return false;
	return strncmp(name, "ip.", 3) == 0 || strncmp(name, "udp.", 4) == 0 ||
	    strncmp(name, "frag.", 5) == 0 ||
	    strncmp(name, "hopopts.", 8) == 0 ||
	    strncmp(name, "dstopts.", 8) == 0 ||
	    strncmp(name, "routing.", 8) == 0;
}

static void
on_difference(void *ctx, const struct hx_field *m, const struct hx_field *c)
{
	struct comparison *p = ctx;
	const struct hx_field *f = m != NULL ? m : c;
	char tm[HX_FIELD_TEXT_MAX] = "-", tc[HX_FIELD_TEXT_MAX] = "-";

	if (p->outer && (is_free(f->name) || !is_outer(f->name)))
		return;
	if (p->outer && p->any_length &&
	    (strcmp(f->name, "ip.len") == 0 || strcmp(f->name, "udp.len") == 0))
		return;
	if (m != NULL)
		(void)hx_field_text(p->model, m, tm);
	if (c != NULL)
		(void)hx_field_text(p->capture, c, tc);
	add_diff(p->diff, p->outer ? "" : "inner ", f->name, tm, tc);
}

static void
compare_layers(const struct ipm_observation *m, const struct ipm_observation *c,
    json_t *diff)
{
	char a[64], b[64];

	if (m->n_layers != c->n_layers) {
		(void)snprintf(a, sizeof a, "%zu", m->n_layers);
		(void)snprintf(b, sizeof b, "%zu", c->n_layers);
		add_diff(diff, "", "layers", a, b);
		return;
	}
	for (size_t i = 0; i < m->n_layers; i++) {
		const struct ipm_layer *lm = &m->layer[i], *lc = &c->layer[i];
		const struct {
			const char *name;
			uint64_t m, c;
		} members[] = { { "kind", lm->kind, lc->kind },
			{ "spi", lm->spi, lc->spi }, { "nh", lm->nh, lc->nh },
			{ "ahlen", lm->ahlen, lc->ahlen } };

		for (size_t k = 0; k < sizeof members / sizeof members[0]; k++)
			if (members[k].m != members[k].c) {
				char where[24];

				(void)snprintf(where, sizeof where, "%s.",
				    ipm_layer_name(lc->kind));
				(void)snprintf(
				    a, sizeof a, "%" PRIu64, members[k].m);
				(void)snprintf(
				    b, sizeof b, "%" PRIu64, members[k].c);
				add_diff(diff, where, members[k].name, a, b);
			}
	}
}

/* The slot of an SA's last number. */
static struct last_seq *
last_of(struct local *l, const struct ipm_layer *y)
{
	uint32_t h = (y->spi * 0x9e3779b1U) ^ (uint32_t)y->kind;

	return &l->last[h % SEQ_SLOTS];
}

/* [ESP-3.3.3-01] A sender chooses its numbers, but they only grow. */
static void
check_numbers(struct local *l, json_t *diff)
{
	const struct ipm_observation *c = &l->capture.o;

	for (size_t i = 0; i < c->n_layers; i++) {
		const struct ipm_layer *y = &c->layer[i];
		uint64_t seq = y->seq | (uint64_t)y->seq_hi << 32;
		struct last_seq *last;
		char a[40], b[24];

		if (!y->has_seq)
			continue;
		last = last_of(l, y);
		if (last->spi == y->spi && last->kind == y->kind &&
		    seq <= last->seq) {
			(void)snprintf(
			    a, sizeof a, "more than %" PRIu64, last->seq);
			(void)snprintf(b, sizeof b, "%" PRIu64, seq);
			add_diff(diff, "", "seq", a, b);
		}
		*last = (struct last_seq){ y->kind, y->spi, seq };
	}
}

/* Another pad length makes another packet length. */
static bool
pads_alike(const struct ipm_observation *m, const struct ipm_observation *c)
{
	for (size_t i = 0; i < m->n_layers && i < c->n_layers; i++)
		if (m->layer[i].padlen != c->layer[i].padlen)
			return false;
	return true;
}

/* The model's packet against the capture's; both were opened.  `whole`: the
 * outer headers of both are there, not those of fragments. */
static void
compare(struct local *l, struct ipm_span model, struct ipm_span capture,
    bool whole, json_t *diff)
{
	const struct ipm_observation *m = &l->model.o, *c = &l->capture.o;
	struct comparison p = { .diff = diff,
		.model = model,
		.capture = capture,
		.outer = c->n_layers != 0 || m->n_layers != 0,
		.any_length = !pads_alike(m, c) };

	check_numbers(l, diff);
	if (whole)
		(void)hx_fields_diff(model, capture, on_difference, &p);
	if (!p.outer)
		return;
	compare_layers(m, c, diff);
	p.outer = false;
	p.model = clear_of(m);
	p.capture = clear_of(c);
	(void)hx_fields_diff(p.model, p.capture, on_difference, &p);
}

/* --- frames -------------------------------------------------------------------- */

static void
forget(struct local *l, size_t i)
{
	hx_octets_free(&l->pending[i].packet);
	l->n_pending--;
	memmove(&l->pending[i], &l->pending[i + 1],
	    (l->n_pending - i) * sizeof l->pending[0]);
}

/* A member of the object being printed. */
static void
put_member(const char *name, const json_t *v)
{
	(void)printf(",\"%s\":", name);
	(void)json_dumpf(
	    v, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
}

static void
show(const struct local *l, const struct hx_frame *f, const char *file,
    enum ipm_verdict v, const char *reason, const json_t *transmit,
    const json_t *diff)
{
	size_t i;
	json_t *d;

	if (l->opt->quiet)
		return;
	if (l->opt->json) {
		json_t *name = json_string(file);

		(void)printf("{\"frame\":%" PRIu64 ",\"time\":\"%" PRIu64
			     ".%09" PRIu32
			     "\",\"verdict\":\"%s\",\"reason\":\"%s\","
			     "\"layers\":",
		    f->number, f->sec, f->nsec, ipm_verdict_name(v), reason);
		hx_show_layers(stdout, &l->capture.o, false);
		put_member("capture", name);
		if (json_array_size(transmit) != 0)
			put_member("transmit", transmit);
		if (diff != NULL)
			put_member("diff", diff);
		(void)puts("}");
		json_decref(name);
		return;
	}
	(void)printf("%s %" PRIu64 "  %s %s", file, f->number,
	    v == IPM_V_DROP ? "DROP" : ipm_verdict_name(v), reason);
	if (transmit != NULL && json_array_size(transmit) != 0)
		(void)printf(", sends %zu", json_array_size(transmit));
	json_array_foreach(diff, i, d)(void)
	    printf("%s %s: model %s, capture %s", i == 0 ? "  DIFFERS" : ";",
		json_string_value(json_object_get(d, "field")),
		json_string_value(json_object_get(d, "model")),
		json_string_value(json_object_get(d, "capture")));
	(void)fputc('\n', stdout);
}

static bool
is_drop(enum ipm_reason r)
{
	return ipm_reasons[r].verdict == IPM_V_DROP;
}

/* The packet goes into the model. */
static void
judge_input(struct local *l, const struct hx_frame *f, const char *file,
    int iface, struct ipm_span ip)
{
	struct pfk_event ev = {
		.kind = PFK_EV_PACKET, .iface = iface, .octets = ip
	};
	struct pfk_outcome out;

	l->inputs++;
	hx_engine_observe(
	    &l->capture.engine, f->sec, f->nsec, ip, f->number, &l->capture.o);
	expect_socket(l, clear_of(&l->capture.o));
	l->sending = json_array();
	l->compared = l->opt->expect != NULL;
	step(l, &ev, &out);
	l->compared = false;
	l->drops += is_drop(out.fate);
	show(l, f, file, ipm_reasons[out.fate].verdict,
	    ipm_reasons[out.fate].name, l->sending, NULL);
	json_decref(l->sending);
	l->sending = NULL;
}

/* The oldest packet that the model sent there. */
static size_t
first_pending(const struct local *l, int iface)
{
	size_t i = 0;

	while (i < l->n_pending && l->pending[i].iface != iface)
		i++;
	return i;
}

/* A full timestamp option (RFC 791 3.1) counts the hops that found no room, and
 * this one was the last of them. */
static void
undo_overflow(uint8_t *p, size_t hlen)
{
	size_t len;

	for (size_t off = IPM_IP4_HLEN; off + 1 < hlen && p[off] != 0;
	     off += len) {
		len = p[off] == 1 ? 1 : p[off + 1];
		if (len == 0 || len > hlen - off)
			return;
		if (p[off] == 68 && len >= 4 && p[off + 2] > len &&
		    p[off + 3] >> 4 != 0)
			p[off + 3] = (uint8_t)(p[off + 3] - 0x10);
	}
}

/* One hop earlier: the packet as it came to the gateway. */
static void
undo_hop(struct hx_octets *o)
{
	struct ipm_ip ip;

	if (ipm_ip_parse(hx_span(o), false, &ip) != IPM_R_OK || ip.ttl == 255)
		return;
	o->p[ip.version == 4 ? 8 : 7]++;
	if (ip.version == 4) {
		undo_overflow(o->p, ip.hlen);
		ipm_store16(o->p + 10, 0);
		ipm_store16(o->p + 10,
		    ipm_sum_fold(ipm_sum_add(0, ipm_span(o->p, ip.hlen))));
	}
}

/* What the frame was made of goes into the model: a host's own packet as by a
 * socket, a gateway's from its clear side. */
static void
hand_down(struct local *l)
{
	struct ipm_span clear = clear_of(&l->capture.o);
	bool own = !l->opt->forward;
	struct pfk_event ev = { .kind = PFK_EV_OUTPUT };
	struct hx_octets o = { malloc(clear.len + 1), clear.len };
	struct pfk_outcome out;
	struct ipm_ip ip;

	if (o.p == NULL) {
		l->no_memory = true;
		return;
	}
	memcpy(o.p, clear.p, clear.len);
	if (ipm_ip_parse(clear, false, &ip) == IPM_R_OK)
		own = own || is_local(l->opt, &ip.src);
	if (!own) {
		undo_hop(&o);
		ev.kind = PFK_EV_PACKET;
		ev.iface = l->clear;
	}
	ev.octets = hx_span(&o);
	l->compared = true;
	if (ipm_reasons[l->capture.o.reason].verdict == IPM_V_ACCEPT ||
	    l->capture.o.reason == IPM_R_CLEAR)
		step(l, &ev, &out);
	l->compared = false;
	hx_octets_free(&o);
}

/*
 * The oldest packet that the model sent there, its fragments put together by
 * the model's opener.  How many it took; 0: there is none.  *last is the last
 * of them, to be freed.
 */
static size_t
take_sent(struct local *l, const struct hx_frame *f, int iface,
    struct hx_octets *last)
{
	size_t n = 0, i;

	memset(last, 0, sizeof *last);
	while ((i = first_pending(l, iface)) < l->n_pending) {
		hx_octets_free(last);
		*last = l->pending[i].packet;
		memset(&l->pending[i].packet, 0, sizeof *last);
		forget(l, i);
		n++;
		hx_engine_observe(&l->model.engine, f->sec, f->nsec,
		    hx_span(last), f->number, &l->model.o);
		if (l->model.o.reason != IPM_R_FRAG_PENDING)
			break;
	}
	return n;
}

static void
judge_output(struct local *l, const struct hx_frame *f, const char *file,
    int iface, struct ipm_span ip)
{
	struct hx_octets sent;
	json_t *diff;
	size_t n;

	l->outputs++;
	hx_engine_observe(
	    &l->capture.engine, f->sec, f->nsec, ip, f->number, &l->capture.o);
	if (l->capture.o.reason == IPM_R_FRAG_PENDING) {
		show(l, f, file, IPM_V_FRAGMENT, "fragment", NULL, NULL);
		return;
	}
	diff = json_array();
	if (is_drop(l->capture.o.reason)) {
		/* Nobody could open what the host sent. */
		add_diff(diff, "", "packet", "opens",
		    ipm_reasons[l->capture.o.reason].name);
		l->differing++;
		show(l, f, file, IPM_V_TRANSMIT, "sent", NULL, diff);
		json_decref(diff);
		return;
	}
	if (l->opt->expect == NULL)
		hand_down(l);
	n = take_sent(l, f, iface, &sent);
	if (n == 0) {
		l->missing++;
		add_diff(diff, "", "packet", "sends none", "has one");
		show(l, f, file, IPM_V_TRANSMIT, "missing", NULL, diff);
	} else {
		compare(l, hx_span(&sent), ip,
		    n == 1 && l->capture.o.packet.p == ip.p, diff);
		l->differing += json_array_size(diff) != 0;
		show(l, f, file, IPM_V_TRANSMIT, "sent", NULL, diff);
	}
	hx_octets_free(&sent);
	json_decref(diff);
	/* Of a packet handed down for this frame nothing may be left. */
	while (l->opt->expect == NULL && l->n_pending > 0) {
		l->unseen++;
		forget(l, 0);
	}
}

static void
judge(struct local *l, const struct hx_frame *f, const char *file, bool wire)
{
	struct ipm_span octets;
	struct ipm_ip ip;
	enum ipm_reason r = ipm_link_parse(f->linktype, f->octets, &octets);
	int iface = wire ? l->wire : l->clear;
	struct ipm_addr gateway;
	bool ours;

	l->frames++;
	l->frame = f->number;
	if (f->sec > l->x.sec) {
		l->x.sec = f->sec;
		l->x.nsec = f->nsec;
	}
	if (r == IPM_R_OK)
		r = ipm_ip_parse(octets, false, &ip);
	if (r != IPM_R_OK) {
		l->drops += is_drop(r);
		show(l, f, file, ipm_reasons[r].verdict, ipm_reasons[r].name,
		    NULL, NULL);
		return;
	}
	if (wire)
		ours = is_local(l->opt, &ip.src);
	else
		ours = is_local(l->opt, &ip.src) ||
		    ipm_host_route(&l->x.m.e.ipm.host, &ip.dst, &gateway) ==
			l->clear;
	if (ours)
		judge_output(l, f, file, iface, octets);
	else
		judge_input(l, f, file, iface, octets);
}

/* --- two captures in the order of time ------------------------------------------ */

struct side {
	struct hx_pcap *in;
	const char *file;
	bool wire;
	int got; /* as of hx_pcap_next */
	struct hx_frame f;
};

static bool
earlier(const struct side *a, const struct side *b)
{
	if (a->got <= 0 || b->got <= 0)
		return a->got > 0;
	if (a->f.sec != b->f.sec)
		return a->f.sec < b->f.sec;
	return a->f.nsec <= b->f.nsec;
}

static bool
walk(struct local *l, struct side *s, size_t n, struct hx_err *err)
{
	for (size_t i = 0; i < n; i++)
		s[i].got = hx_pcap_next(s[i].in, &s[i].f, err);
	for (;;) {
		struct side *next = &s[0];

		for (size_t i = 1; i < n; i++)
			if (!earlier(next, &s[i]))
				next = &s[i];
		for (size_t i = 0; i < n; i++)
			if (s[i].got < 0)
				return false;
		if (next->got == 0)
			return true;
		judge(l, &next->f, next->file, next->wire);
		if (l->no_memory || l->too_many) {
			hx_err_set(err, next->file, 0, 0,
			    l->no_memory ? "out of memory"
					 : "the model sends what the capture "
					   "never shows: more than 4096");
			return false;
		}
		next->got = hx_pcap_next(next->in, &next->f, err);
	}
}

static void
summarise(struct local *l)
{
	l->unseen += l->n_pending;
	if (l->opt->json) {
		json_t *j = json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}}",
		    "summary", "frames", (json_int_t)l->frames, "inputs",
		    (json_int_t)l->inputs, "outputs", (json_int_t)l->outputs,
		    "dropped", (json_int_t)l->drops, "differing",
		    (json_int_t)l->differing, "missing", (json_int_t)l->missing,
		    "unseen", (json_int_t)l->unseen);

		(void)json_dumpf(j, stdout, JSON_COMPACT);
		(void)fputc('\n', stdout);
		json_decref(j);
		return;
	}
	(void)printf("%" PRIu64 " frames: %" PRIu64 " in, %" PRIu64
		     " out; %" PRIu64 " dropped, %" PRIu64 " differ, %" PRIu64
		     " missing, %" PRIu64 " that the capture does not show\n",
	    l->frames, l->inputs, l->outputs, l->drops, l->differing,
	    l->missing, l->unseen);
}

static bool
run(struct local *l, struct hx_err *err)
{
	const struct options *o = l->opt;
	struct side s[2] = { { .file = o->capture, .wire = o->expect == NULL },
		{ .file = o->expect, .wire = true } };
	size_t n = o->expect == NULL ? 1 : 2, open = 0;
	bool ok = true;

	for (; ok && open < n; open++) {
		s[open].in = hx_pcap_open(s[open].file, err);
		ok = s[open].in != NULL;
		if (!ok)
			break;
	}
	ok = ok && configure(l, err);
	if (ok)
		set_host(l);
	ok = ok && set_sysctls(l, err);
	if (ok && o->json)
		(void)printf("{\"schema\":\"ipsecsim-replay\",\"version\":1,"
			     "\"profile\":\"%s\",\"sas\":%zu}\n",
		    o->profile.name, l->cfg.n);
	ok = ok && walk(l, s, n, err);
	while (open > 0)
		hx_pcap_close(s[--open].in);
	if (ok)
		summarise(l);
	return ok;
}

int
hx_cmd_local(int argc, char **argv)
{
	struct options o = { 0 };
	struct local *l = calloc(1, sizeof *l);
	struct hx_err err;
	int status = read_options(&o, argc, argv);
	bool ok;

	if (status >= 0 || l == NULL) {
		free(l);
		return status >= 0 ? status : 3;
	}
	l->opt = &o;
	l->pending = calloc(PENDING_MAX, sizeof l->pending[0]);
	if (l->pending == NULL || !hx_config_load(o.config, &l->cfg, &err)) {
		(void)fprintf(stderr, "ipsecsim: %s\n",
		    l->pending == NULL ? "out of memory" : err.text);
		status = l->pending == NULL ? 3 : 2;
		free(l->pending);
		free(l);
		return status;
	}
	if (!hx_model_open(&l->x, &o.profile, 0)) {
		(void)fputs("ipsecsim: no crypto provider\n", stderr);
		hx_config_free(&l->cfg);
		free(l->pending);
		free(l);
		return 3;
	}
	ok = open_opener(&l->capture, &l->cfg);
	if (ok && !open_opener(&l->model, &l->cfg)) {
		hx_engine_close(&l->capture.engine);
		ok = false;
	}
	hx_err_set(&err, o.config, 0, 0, "an SA cannot be set up");
	if (ok) {
		ok = run(l, &err);
		hx_engine_close(&l->capture.engine);
		hx_engine_close(&l->model.engine);
	}
	if (ok)
		status = l->drops != 0 || l->differing != 0 ||
		    l->missing != 0 || l->unseen != 0;
	else {
		(void)fprintf(stderr, "ipsecsim: %s\n", err.text);
		status = 2;
	}
	while (l->n_pending > 0)
		forget(l, 0);
	hx_model_close(&l->x);
	hx_config_free(&l->cfg);
	free(l->pending);
	free(l);
	return status;
}
