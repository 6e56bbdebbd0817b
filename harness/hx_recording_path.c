/* Steps of recordings in which packets move. */
#include <stdlib.h>
#include <string.h>

#include "hx_pfkey_diff.h"
#include "hx_recording_path.h"
#include "wire/ipm_upper.h"

#define SYN_WINDOW 65535U
#define SYN_SCALE  6U

/* --- what leaves the model ------------------------------------------------------------------ */

struct kept {
	enum ipm_effect_kind kind;
	struct hx_octets octets;
	int iface;
	uint8_t at, family;
	uint32_t pcb;
	struct ipm_addr from;
	uint16_t from_port;
};

#define KEPT_MAX 512U

struct run {
	struct hx_node *n;
	struct ipm_derived d;
	struct ipm_path path;
	struct ipm_env env;
	struct hx_choices choices;
	struct ipm_stats before;
	struct kept kept[KEPT_MAX];
	size_t n_kept;
	bool lost; /* more than there was room for */
};

static void
effect(void *ctx, const struct ipm_effect *fx)
{
	struct run *r = ctx;
	struct kept *k = &r->kept[r->n_kept];

	if (fx->kind != IPM_FX_TRANSMIT && fx->kind != IPM_FX_DELIVER &&
	    fx->kind != IPM_FX_FILTER)
		return;
	if (fx->kind == IPM_FX_TRANSMIT &&
	    r->n->e.ipm.host.iface[fx->iface].loopback)
		return;
	if (r->n_kept == KEPT_MAX) {
		r->lost = true;
		return;
	}
	*k = (struct kept){ .kind = fx->kind,
		.iface = fx->iface,
		.at = fx->at,
		.family = fx->family,
		.pcb = fx->pcb,
		.from = fx->from,
		.from_port = fx->from_port };
	k->octets.p = malloc(fx->packet.len + 1);
	if (k->octets.p == NULL) {
		r->lost = true;
		return;
	}
	if (fx->packet.len != 0)
		memcpy(k->octets.p, fx->packet.p, fx->packet.len);
	k->octets.len = fx->packet.len;
	r->n_kept++;
}

static int
need_sa(void *ctx, const struct ipm_wanted *w)
{
	struct run *r = ctx;

	return pfk_acquire(&r->n->e, r->n->profile, &r->env, w);
}

static const struct kept *
nth(const struct run *r, enum ipm_effect_kind kind, size_t i)
{
	for (size_t k = 0; k < r->n_kept; k++)
		if (r->kept[k].kind == kind && i-- == 0)
			return &r->kept[k];
	return NULL;
}

static struct run *
begin(struct hx_node *n, const json_t *step)
{
	struct run *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->n = n;
	hx_choices_read(&r->choices, n, json_object_get(step, "emitted"));
	r->env = hx_node_env(n);
	r->env.comp = &r->choices.comp;
	ipm_derived_init(
	    &r->d, &n->check->engine.crypto, &n->check->engine.alloc);
	r->path = (struct ipm_path){ .s = &n->e.ipm,
		.d = &r->d,
		.pf = n->profile,
		.env = &r->env,
		.work = n->check->engine.work,
		.ctx = r,
		.effect = effect,
		.need_sa = need_sa };
	r->before = n->e.ipm.stats;
	return r;
}

static void
end(struct run *r)
{
	for (size_t i = 0; i < r->n_kept; i++)
		hx_octets_free(&r->kept[i].octets);
	hx_choices_free(&r->choices);
	ipm_derived_free(&r->d);
	free(r);
}

/* --- comparing ------------------------------------------------------------------------------ */

static enum hx_step_end
compare_octets(struct run *r, const json_t *one, const char *member,
    const struct kept *k, const char *what, size_t i)
{
	enum hx_step_end e = HX_STEP_SAME;
	struct hx_octets o;
	char why[200];

	if (!hx_step_octets(one, member, &o))
		return hx_step_says(r->n, HX_STEP_MALFORMED,
		    "%s/%zu/%s is no hexadecimal text", what, i, member);
	if (hx_octets_differ(hx_span(&o), hx_span(&k->octets), why, sizeof why))
		e = hx_step_says(r->n, HX_STEP_DIFFERS, "%s/%zu/%s: %s", what,
		    i, member, why);
	hx_octets_free(&o);
	return e;
}

static enum hx_step_end
compare_text(struct run *r, const json_t *one, const char *member,
    const char *model, const char *what, size_t i)
{
	const char *text = hx_json_str(one, member);

	if (text == NULL)
		return hx_step_says(r->n, HX_STEP_MALFORMED,
		    "%s/%zu/%s is missing", what, i, member);
	if (strcmp(text, model) != 0)
		return hx_step_says(r->n, HX_STEP_DIFFERS,
		    "%s/%zu/%s: recorded %s, model %s", what, i, member, text,
		    model);
	return HX_STEP_SAME;
}

static const char *
iface_name(const struct run *r, int iface)
{
	return iface < 0 ? "enc0" : r->n->e.ipm.host.iface[iface].name;
}

/* TCP's first sequence number, and the checksum over it. */
static void
take_iss(struct ipm_ip *ip, struct hx_octets *model, struct ipm_span recorded)
{
	uint8_t *tcp = model->p + ip->hlen;
	struct ipm_span seg = ipm_span_from(ip->packet, ip->hlen);

	if (ip->proto != IPM_PROTO_TCP || seg.len < 20 ||
	    (tcp[13] & 0x02) == 0 || recorded.len < ip->hlen + 8)
		return;
	memcpy(tcp + 4, recorded.p + ip->hlen + 4, 4);
	ipm_store16(tcp + 16, 0);
	ipm_store16(tcp + 16, ipm_upper_sum(ip, IPM_PROTO_TCP, seg));
}

static bool
is_clear6(const struct ipm_ip *ip)
{
	return ip->version == 6 &&
	    (ip->proto == IPM_PROTO_TCP || ip->proto == IPM_PROTO_UDP ||
		ip->proto == IPM_PROTO_ICMPV6);
}

/* The stack's own choice in a clear packet that is made here: flow label and
 * TCP's first sequence number. */
static void
take_choices(struct run *r, const json_t *one, const struct kept *k)
{
	struct hx_octets o, model = k->octets;
	struct ipm_ip ip;

	if (!hx_step_octets(one, "packet", &o))
		return;
	if (ipm_ip_parse(hx_span(&model), false, &ip) == IPM_R_OK &&
	    ipm_host_owns(&r->n->e.ipm.host, &ip.src)) {
		if (is_clear6(&ip) && o.len >= IPM_IP6_HLEN) {
			model.p[1] =
			    (uint8_t)((model.p[1] & 0xf0) | (o.p[1] & 0x0f));
			memcpy(model.p + 2, o.p + 2, 2);
		}
		take_iss(&ip, &model, hx_span(&o));
	}
	hx_octets_free(&o);
}

static enum hx_step_end
compare_emitted(
    struct run *r, const json_t *one, const struct kept *k, size_t i)
{
	enum hx_step_end e =
	    compare_text(r, one, "if", iface_name(r, k->iface), "emitted", i);

	take_choices(r, one, k);
	return e == HX_STEP_SAME
	    ? compare_octets(r, one, "packet", k, "emitted", i)
	    : e;
}

static enum hx_step_end
compare_delivered(
    struct run *r, const json_t *one, const struct kept *k, size_t i)
{
	const char *socket = hx_json_str(one, "socket");
	const json_t *port = json_object_get(one, "from_port");
	char from[46];
	enum hx_step_end e;

	if (socket == NULL || hx_node_socket_id(socket) != k->pcb)
		return hx_step_says(r->n, HX_STEP_DIFFERS,
		    "delivered/%zu: recorded socket %s, the model another", i,
		    socket == NULL ? "(none)" : socket);
	e = compare_text(
	    r, one, "from", ipm_addr_text(&k->from, from), "delivered", i);
	if (e != HX_STEP_SAME)
		return e;
	if (json_integer_value(port) != k->from_port)
		return hx_step_says(r->n, HX_STEP_DIFFERS,
		    "delivered/%zu/from_port: recorded %lld, model %u", i,
		    (long long)json_integer_value(port), k->from_port);
	return compare_octets(r, one, "payload", k, "delivered", i);
}

static enum hx_step_end
compare_pfil(struct run *r, const json_t *one, const struct kept *k, size_t i)
{
	bool out = k->at == IPM_FILTER_OUT || k->at == IPM_FILTER_ENC_OUT;
	enum hx_step_end e;

	e = compare_text(
	    r, one, "pfil", k->family == 6 ? "inet6" : "inet", "pfil", i);
	if (e == HX_STEP_SAME)
		e = compare_text(r, one, "dir", out ? "out" : "in", "pfil", i);
	if (e == HX_STEP_SAME)
		e = compare_text(
		    r, one, "if", iface_name(r, k->iface), "pfil", i);
	return e == HX_STEP_SAME
	    ? compare_octets(r, one, "packet", k, "pfil", i)
	    : e;
}

typedef enum hx_step_end compare_fn(
    struct run *r, const json_t *one, const struct kept *k, size_t i);

static enum hx_step_end
compare_list(struct run *r, const json_t *step, const char *what,
    enum ipm_effect_kind kind, compare_fn *compare)
{
	const json_t *list = json_object_get(step, what);
	size_t want = json_array_size(list), got = 0;
	enum hx_step_end e = HX_STEP_SAME;

	for (const struct kept *k; (k = nth(r, kind, got)) != NULL; got++)
		if (got < want && e == HX_STEP_SAME)
			e = compare(r, json_array_get(list, got), k, got);
	if (e == HX_STEP_SAME && want != got)
		return hx_step_says(r->n, HX_STEP_DIFFERS,
		    "%s: recorded %zu, the model %zu", what, want, got);
	return e;
}

/* Where a header came to lie in the kernel's buffers. */
static const char *const of_buffers[] = { "ips_input_front", "ips_input_middle",
	"ips_input_end", "ips_clcopied", "ips_mbinserted" };

static bool
is_of_buffers(const char *name)
{
	for (size_t i = 0; i < sizeof of_buffers / sizeof of_buffers[0]; i++)
		if (strcmp(of_buffers[i], name) == 0)
			return true;
	return false;
}

/* The structures that the recordings read. */
static const char *const nodes[] = { "net.inet.ipsec.ipsecstats",
	"net.inet6.ipsec6.ipsecstats", "net.inet.esp.stats",
	"net.inet.ah.stats", "net.inet.ipcomp.stats", "net.inet.ip.stats",
	"net.inet.udp.stats" };

static bool
is_recorded(const char *node)
{
	for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
		if (strcmp(nodes[i], node) == 0)
			return true;
	return false;
}

/* Every counter that the model has moved is in the recording, by so much. */
static enum hx_step_end
compare_counters(struct run *r, const json_t *step)
{
	const json_t *delta = json_object_get(step, "counters_delta");
	struct ipm_stat_cell c = { NULL, 0 };
	char name[IPM_STAT_NAME_MAX];
	const char *node;
	long long want, got;

	while (ipm_stat_next(&c)) {
		node = ipm_stat_groups[c.row->group].node;
		(void)ipm_stat_name(&c, name);
		if (!is_recorded(node) || is_of_buffers(name))
			continue;
		want = (long long)json_integer_value(
		    json_object_get(json_object_get(delta, node), name));
		got = (long long)(ipm_stats_get(&r->n->e.ipm.stats, &c) -
		    ipm_stats_get(&r->before, &c));
		if (want != got)
			return hx_step_says(r->n, HX_STEP_DIFFERS,
			    "%s: %s: recorded %+lld, model %+lld", node, name,
			    want, got);
	}
	return HX_STEP_SAME;
}

/* Every counter of the recording is one of the model's. */
static enum hx_step_end
known_counters(struct run *r, const json_t *step)
{
	json_t *delta = json_object_get(step, "counters_delta"), *group, *value;
	struct ipm_stat_cell c;
	const char *node, *name;

	json_object_foreach(delta, node, group)
	{
		enum ipm_stat_group g = ipm_stat_group_of_node(node);

		json_object_foreach(group, name, value)
		{
			if (g == IPM_N_STAT_GROUPS ||
			    !ipm_stat_find(g, name, &c))
				return hx_step_says(r->n, HX_STEP_UNSUPPORTED,
				    "counter %s of %s", name, node);
		}
	}
	return HX_STEP_SAME;
}

/* Everything that a step can show, in the order in which a reader would look
 * for the cause. */
static enum hx_step_end
compare(struct run *r, const json_t *step)
{
	enum hx_step_end e = HX_STEP_SAME;

	if (r->lost)
		return hx_step_says(r->n, HX_STEP_DIFFERS,
		    "more effects than a step is thought to have");
	e = compare_list(r, step, "emitted", IPM_FX_TRANSMIT, compare_emitted);
	if (e == HX_STEP_SAME)
		e = compare_list(
		    r, step, "delivered", IPM_FX_DELIVER, compare_delivered);
	if (e == HX_STEP_SAME && r->n->e.ipm.host.filter_installed)
		e = compare_list(r, step, "pfil", IPM_FX_FILTER, compare_pfil);
	if (e == HX_STEP_SAME)
		e = known_counters(r, step);
	if (e == HX_STEP_SAME)
		e = compare_counters(r, step);
	if (e == HX_STEP_SAME)
		e = hx_step_messages(r->n, r->n->sock,
		    json_object_get(step, "pfkey_received"), "pfkey_received");
	return e;
}

/* --- the steps ------------------------------------------------------------------------------ */

static enum hx_step_end
no_memory(struct hx_node *n)
{
	return hx_step_says(n, HX_STEP_MALFORMED, "out of memory");
}

static bool
read_to(const json_t *step, struct ipm_addr *to, uint16_t *port)
{
	const char *text = hx_json_str(step, "to");
	const json_t *p = json_object_get(step, "to_port");

	if (text == NULL || !hx_node_address(text, to) || !json_is_integer(p))
		return false;
	*port = (uint16_t)json_integer_value(p);
	return true;
}

enum hx_step_end
hx_play_send(struct hx_node *n, const json_t *step)
{
	const char *name = hx_json_str(step, "socket");
	struct hx_octets payload;
	struct ipm_addr to;
	enum hx_step_end e;
	uint16_t port;
	struct run *r;
	ipm_off pcb;
	int err = 0;

	if (name == NULL || !read_to(step, &to, &port) ||
	    !hx_step_octets(step, "payload", &payload))
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "no socket, to, to_port or payload");
	pcb = hx_node_socket(n, name);
	hx_node_acquires(n, json_object_get(step, "pfkey_received"));
	r = begin(n, step);
	if (r == NULL || pcb == 0) {
		hx_octets_free(&payload);
		if (r != NULL)
			end(r);
		return hx_step_says(n, HX_STEP_UNSUPPORTED, "socket %s", name);
	}
	(void)ipm_udp_send(&r->path, pcb, &to, port, hx_span(&payload), &err);
	hx_octets_free(&payload);
	e = hx_step_number(n, step, "errno", err);
	if (e == HX_STEP_SAME)
		e = compare(r, step);
	end(r);
	return e;
}

/* What TCP chose for its SYN, read off the recorded one. */
static bool
read_syn(const struct hx_choices *c, struct ipm_syn *syn, uint16_t *lport)
{
	struct ipm_ip ip;
	const uint8_t *tcp;

	*syn = (struct ipm_syn){ .window = SYN_WINDOW, .scale = SYN_SCALE };
	if (c->inner.len == 0 ||
	    ipm_ip_parse(hx_span(&c->inner), false, &ip) != IPM_R_OK ||
	    ip.proto != IPM_PROTO_TCP || ip.packet.len < ip.hlen + 40)
		return false;
	tcp = ip.packet.p + ip.hlen;
	*lport = ipm_load16(tcp);
	syn->seq = ipm_load32(tcp + 4);
	syn->timestamp = ipm_load32(tcp + 32);
	syn->flow = ip.flow;
	return true;
}

enum hx_step_end
hx_play_tcp_connect(struct hx_node *n, const json_t *step)
{
	struct ipm_pcb as = { .proto = IPM_PROTO_TCP };
	struct ipm_syn syn;
	struct ipm_addr to;
	enum hx_step_end e;
	uint16_t port;
	struct run *r;
	ipm_off pcb;
	int err = 0;

	if (!read_to(step, &to, &port))
		return hx_step_says(n, HX_STEP_MALFORMED, "no to or to_port");
	hx_node_acquires(n, json_object_get(step, "pfkey_received"));
	r = begin(n, step);
	if (r == NULL)
		return no_memory(n);
	as.family = to.family;
	as.laddr.family = as.family;
	as.faddr = to;
	as.fport = port;
	as.id = n->e.ipm.pcbs.count + 1;
	as.lport = 49152;
	(void)read_syn(&r->choices, &syn, &as.lport);
	pcb = hx_node_open(n, &as);
	if (pcb == 0) {
		end(r);
		return no_memory(n);
	}
	(void)ipm_tcp_connect(&r->path, pcb, &to, port, &syn, &err);
	e = hx_step_number(n, step, "errno", err);
	if (e == HX_STEP_SAME)
		e = compare(r, step);
	end(r);
	return e;
}

/* A socket that is heard of first because something came for it. */
static void
open_named(struct hx_node *n, const json_t *delivered)
{
	const json_t *one;
	size_t i;

	json_array_foreach(delivered, i, one)
	{
		const char *name = hx_json_str(one, "socket");

		if (name != NULL)
			(void)hx_node_socket(n, name);
	}
}

enum hx_step_end
hx_play_inject(struct hx_node *n, const json_t *step)
{
	const char *name = hx_json_str(step, "if");
	struct hx_octets packet;
	enum hx_step_end e;
	struct run *r;
	int iface;

	if (name == NULL || !hx_step_octets(step, "packet", &packet))
		return hx_step_says(n, HX_STEP_MALFORMED, "no if or packet");
	iface = ipm_host_if(&n->e.ipm.host, name);
	open_named(n, json_object_get(step, "delivered"));
	hx_node_acquires(n, json_object_get(step, "pfkey_received"));
	r = begin(n, step);
	if (r == NULL || iface < 0) {
		hx_octets_free(&packet);
		if (r != NULL)
			end(r);
		return hx_step_says(
		    n, HX_STEP_UNSUPPORTED, "interface %s", name);
	}
	(void)ipm_input(&r->path, iface, hx_span(&packet), 1);
	hx_octets_free(&packet);
	e = compare(r, step);
	end(r);
	return e;
}

/* What the clock brings: PF_KEY messages, and the end of fragments. */
enum hx_step_end
hx_play_advance(struct hx_node *n, const json_t *step)
{
	const json_t *seconds = json_object_get(step, "seconds");
	enum hx_step_end e;
	struct run *r;

	if (!json_is_integer(seconds) || json_integer_value(seconds) < 0 ||
	    json_integer_value(seconds) > UINT32_MAX)
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "seconds is no number of 32 bits");
	hx_node_acquires(n, json_object_get(step, "pfkey_received"));
	n->sec += (uint64_t)json_integer_value(seconds);
	r = begin(n, step);
	if (r == NULL)
		return no_memory(n);
	pfk_clock(&n->e, n->profile, &r->env);
	ipm_clock(&r->path);
	e = compare(r, step);
	end(r);
	return e;
}

enum hx_step_end
hx_play_enc0(struct hx_node *n, const json_t *step)
{
	const json_t *up = json_object_get(step, "up");

	if (!json_is_integer(up))
		return hx_step_says(n, HX_STEP_MALFORMED, "up is no number");
	n->e.ipm.host.enc_up = json_integer_value(up) != 0;
	return HX_STEP_SAME;
}

enum hx_step_end
hx_play_enc0_counters(struct hx_node *n, const json_t *step)
{
	const struct ipm_host *h = &n->e.ipm.host;
	const struct {
		const char *name;
		uint64_t model;
	} rows[] = {
		{ "ipackets", h->enc_packets[0] },
		{ "ibytes", h->enc_octets[0] },
		{ "opackets", h->enc_packets[1] },
		{ "obytes", h->enc_octets[1] },
	};
	enum hx_step_end e = HX_STEP_SAME;

	for (size_t i = 0; i < 4 && e == HX_STEP_SAME; i++)
		e = hx_step_number(
		    n, step, rows[i].name, (int64_t)rows[i].model);
	return e;
}
