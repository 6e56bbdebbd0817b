/* The host that the model plays in a capture. */
#include "hx_local_int.h"

#include <stdlib.h>
#include <string.h>

#include "hx_make.h"
#include "hx_setkey_msg.h"
#include "wire/ipm_upper.h"

static void
show_sent(struct hx_local *l, const struct ipm_effect *fx)
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
keep_sent(struct hx_local *l, const struct ipm_effect *fx)
{
	struct hx_local_sent *s;

	if (l->n_pending == HX_LOCAL_PENDING_MAX) {
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
	struct hx_local *l = ctx;

	if (e->pfkey && e->msg.len > 2)
		l->reply_errno = e->msg.p[2];
	if (e->pfkey || e->fx.kind != IPM_FX_TRANSMIT)
		return;
	show_sent(l, &e->fx);
	if (l->compared)
		keep_sent(l, &e->fx);
}

void
hx_local_step(
    struct hx_local *l, const struct pfk_event *ev, struct pfk_outcome *out)
{
	hx_model_step(&l->x, ev, on_effect, l, out);
}

bool
hx_local_is(const struct hx_local_opts *o, const struct ipm_addr *a)
{
	for (size_t i = 0; i < o->n_locals; i++)
		if (ipm_addr_equal(&o->local[i], a))
			return true;
	return false;
}

/* A socket on this port, and what an IKE daemon makes of its own (facts
 * datapath 2.9): encapsulation on, past the policies. */
static void
open_socket(struct hx_local *l, uint8_t family, uint8_t proto, uint16_t port,
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
	hx_local_step(l, &ev, &out);
	if (!encap)
		return;
	ev.kind = PFK_EV_SETOPT;
	ev.sock = l->last_socket;
	ev.privileged = true;
	ev.level = 17;
	ev.option = 1;
	ev.octets = ipm_span(on, sizeof on);
	hx_local_step(l, &ev, &out);
	ev.level = family == 4 ? 0 : 41;
	ev.option = family == 4 ? 21 : 28;
	ev.octets = ipm_span(bypass, sizeof bypass);
	for (unsigned dir = IPM_DIR_IN; dir <= IPM_DIR_OUT; dir++) {
		bypass[6] = (uint8_t)dir;
		hx_local_step(l, &ev, &out);
	}
}

static bool
has_socket(const struct hx_local *l, uint8_t family, uint8_t proto,
    uint16_t port, uint16_t fport)
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
void
hx_local_expect_socket(struct hx_local *l, struct ipm_span clear)
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
open_encap_sockets(struct hx_local *l)
{
	for (size_t i = 0; i < l->cfg.n; i++) {
		const struct ipm_sa_config *c = &l->cfg.sas[i].cfg;

		if ((c->flags & IPM_SAF_NATT) != 0 &&
		    hx_local_is(l->opt, &c->dst) &&
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
add_clear_routes(struct hx_local *l, struct ipm_host *h)
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

void
hx_local_set_host(struct hx_local *l)
{
	const struct hx_local_opts *o = l->opt;
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
	hx_local_step(l, &ev, &out);
	open_encap_sockets(l);
}

static bool
send_all(struct hx_local *l, const struct hx_setkey_msgs *msgs, uint32_t sock,
    struct hx_err *err)
{
	for (size_t i = 0; i < msgs->n; i++) {
		struct pfk_event ev = { .kind = PFK_EV_PFKEY,
			.sock = sock,
			.octets = hx_span(&msgs->msg[i].octets) };
		struct pfk_outcome out;
		const char *name;

		l->reply_errno = 0;
		hx_local_step(l, &ev, &out);
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

bool
hx_local_configure(struct hx_local *l, struct hx_err *err)
{
	struct pfk_event ev = { .kind = PFK_EV_KEYSOCK };
	struct hx_setkey_msgs msgs = { 0 };
	struct pfk_outcome out;
	bool ok = true;

	hx_local_step(l, &ev, &out);
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

bool
hx_local_set_sysctls(struct hx_local *l, struct hx_err *err)
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
		hx_local_step(l, &ev, &out);
		if (out.err != 0) {
			hx_err_set(
			    err, "-s", 0, 0, "%s: errno %d", word, out.err);
			return false;
		}
	}
	return true;
}

bool
hx_local_open_opener(struct hx_local_opener *p, const struct hx_config *cfg)
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
