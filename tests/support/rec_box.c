#include "rec_box.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "path_box.h"
#include "provider/ipm_libcrypto.h"
#include "provider/ipm_zlib.h"
#include "vec_file.h"

static const char *
differs(const char *fmt, ...)
{
	static char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return text;
}

static void *
resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0) {
		free(old);
		return NULL;
	}
	return realloc(old, new_size);
}

static const struct ipm_alloc heap = { NULL, resize };

static void
effect(void *ctx, const struct ipm_effect *fx)
{
	struct rec_box *b = ctx;
	struct rec_fx *to = &b->fx[b->n_fx++];

	cr_assert_leq(b->n_fx, REC_FX);
	to->fx = *fx;
	to->octets = malloc(fx->packet.len + 1);
	if (fx->packet.len != 0)
		memcpy(to->octets, fx->packet.p, fx->packet.len);
}

static void
forget(struct rec_box *b)
{
	for (size_t i = 0; i < b->n_fx; i++)
		free(b->fx[i].octets);
	b->n_fx = 0;
}

static int
need_sa(void *ctx, const struct ipm_wanted *w)
{
	struct rec_box *b = ctx;

	return pfk_acquire(&b->e, &b->pf, &b->env, w);
}

void
rec_box_open(struct rec_box *b)
{
	static uint8_t octets[65536];

	memset(b, 0, sizeof *b);
	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (uint8_t)(i * 7 + 3);
	cr_assert_eq(ipm_libcrypto_open(&b->provider, &heap), IPM_OK);
	cr_assert_eq(ipm_zlib_open(&b->comp, &heap), IPM_OK);
	b->work = malloc(sizeof *b->work);
	b->tape.octets = ipm_span(octets, sizeof octets);
	ipm_profile_init(&b->pf, IPM_PF_FREEBSD_13);
	b->env = (struct ipm_env){ .random = &b->tape,
		.crypto = &b->provider,
		.comp = &b->comp,
		.alloc = &heap };
	b->path = (struct ipm_path){ .s = &b->e.ipm,
		.d = &b->d,
		.pf = &b->pf,
		.env = &b->env,
		.work = b->work,
		.ctx = b,
		.effect = effect,
		.need_sa = need_sa };
	pfk_engine_init(&b->e, 0, 0);
	ipm_derived_init(&b->d, &b->provider, &heap);
}

static void
stop(struct rec_box *b)
{
	forget(b);
	ipm_derived_free(&b->d);
	pfk_engine_free(&b->e, &heap);
}

void
rec_box_close(struct rec_box *b)
{
	stop(b);
	ipm_libcrypto_close(&b->provider);
	ipm_zlib_close(&b->comp);
	free(b->work);
}

/* "udp4:9000", "udp4:192.0.2.1:9000", "raw4:1", "tcp4"; made at first use. */
static ipm_off
socket_of(struct rec_box *b, const char *name)
{
	struct ipm_pcb as = { .family = name[3] == '6' ? 6 : 4,
		.proto = strncmp(name, "tcp", 3) == 0 ? 6 : 17 };
	const char *first = strchr(name, ':'), *last = strrchr(name, ':');
	char addr[48] = "";
	ipm_off off;

	for (size_t i = 0; i < b->n_socks; i++)
		if (strcmp(b->sock[i], name) == 0)
			return ipm_pcb_by_id(
			    &b->e.ipm.pcbs, &b->e.ipm.arena, (uint32_t)i + 1);
	cr_assert_lt(b->n_socks, 32);
	(void)snprintf(b->sock[b->n_socks], sizeof b->sock[0], "%s", name);
	as.id = (uint32_t)++b->n_socks;
	as.laddr.family = as.faddr.family = as.family;
	if (strncmp(name, "raw", 3) == 0) {
		as.raw = 1;
		as.proto = (uint8_t)atoi(last + 1);
	} else if (last != NULL) {
		as.lport = (uint16_t)atoi(last + 1);
	}
	if (first != last) {
		(void)snprintf(addr, sizeof addr, "%.*s",
		    (int)(last - first - 1), first + 1);
		as.laddr = path_addr(addr);
	}
	if (strcmp(name, "tcp4:8000") == 0 || strcmp(name, "tcp6:8000") == 0)
		as.listening = 1;
	cr_assert_eq(
	    ipm_pcb_open(&b->e.ipm.pcbs, &b->e.ipm.arena, &heap, &as, &off),
	    IPM_OK);
	return off;
}

static json_int_t
number(const json_t *j, const char *name)
{
	return json_integer_value(json_object_get(j, name));
}

void
rec_start(struct rec_box *b, const json_t *c)
{
	struct ipm_host *h = &b->e.ipm.host;
	uint32_t mtu = (uint32_t)number(c, "mtu");

	stop(b);
	b->n_socks = 0;
	b->tape.pos = 0;
	b->env.sec = 0;
	pfk_engine_init(&b->e, 0, 0);
	ipm_derived_init(&b->d, &b->provider, &heap);
	path_topology(h);
	h->forwarding4 = h->forwarding6 = (uint8_t)number(c, "forwarding");
	if (mtu != 0)
		h->iface[PATH_RED0].mtu = h->iface[PATH_BLK1].mtu = mtu;
	b->key_sock = pfk_open(&b->e, &b->env);
	(void)socket_of(b, "udp4:9000");
	(void)socket_of(b, "udp6:9000");
	(void)socket_of(b, "tcp4:8000");
	(void)socket_of(b, "tcp6:8000");
	/* A node starts three seconds before its first step. */
	b->env.sec = 3;
	pfk_clock(&b->e, &b->pf, &b->env);
}

/* --- comparing ------------------------------------------------------------------ */

/* Zeros where a sender is free. */
static void
even_out(uint8_t *p, size_t len)
{
	bool v4 = p[0] >> 4 == 4;
	size_t off = v4 ? (size_t)(p[0] & 15) * 4 : 40;
	uint8_t proto = p[v4 ? 9 : 6];

	if (v4) {
		memset(p + 4, 0, 2);
		memset(p + 10, 0, 2);
	} else {
		p[1] &= 0xf0;
		p[2] = p[3] = 0;
	}
	if (proto == IPM_PROTO_TCP && len >= off + 20) {
		memset(p + off + 4, 0, 4);
		memset(p + off + 16, 0, 2);
	}
	if (proto == IPM_PROTO_FRAGMENT)
		memset(p + 44, 0, 4);
	/* Ciphertext is the output's to test. */
	if (proto == IPM_PROTO_ESP || proto == IPM_PROTO_AH ||
	    proto == IPM_PROTO_IPCOMP)
		memset(p + off, 0, len - off);
}

static bool
same_packet(const json_t *want, const struct rec_fx *have, bool udp_counts)
{
	struct hx_octets o = vec_octets(want, "packet");
	bool same = o.len == have->fx.packet.len;

	if (same) {
		even_out(o.p, o.len);
		even_out(have->octets, o.len);
		/* ESP in UDP. */
		if (!udp_counts && o.p[0] >> 4 == 4 && o.p[9] == IPM_PROTO_UDP)
			memset(o.p + 28, 0, o.len - 28);
		if (!udp_counts && o.p[0] >> 4 == 4 && o.p[9] == IPM_PROTO_UDP)
			memset(have->octets + 28, 0, o.len - 28);
		same = memcmp(o.p, have->octets, o.len) == 0;
	}
	hx_octets_free(&o);
	return same;
}

/* The i-th effect of a kind, or NULL. */
static struct rec_fx *
nth(struct rec_box *b, enum ipm_effect_kind kind, size_t i)
{
	for (size_t k = 0; k < b->n_fx; k++)
		if (b->fx[k].fx.kind == kind && i-- == 0)
			return &b->fx[k];
	return NULL;
}

static const char *
check_emitted(struct rec_box *b, const json_t *list)
{
	size_t n = json_array_size(list);
	bool out = false;

	for (size_t i = 0; i < n; i++) {
		const json_t *want = json_array_get(list, i);
		struct rec_fx *have = nth(b, IPM_FX_TRANSMIT, i);
		int at = ipm_host_if(&b->e.ipm.host, vec_text(want, "if"));

		if (have == NULL)
			return differs(
			    "packet %zu of %zu not emitted", i + 1, n);
		if (have->fx.iface != at)
			return differs("emitted on another interface");
		out = out || b->e.ipm.stats.v[IPM_ST_ESP_output] != 0;
		if (!same_packet(want, have, !out))
			return differs("packet %zu differs", i + 1);
	}
	return nth(b, IPM_FX_TRANSMIT, n) == NULL
	    ? NULL
	    : differs("more than %zu packets emitted", n);
}

static const char *
check_datagram(struct rec_box *b, const json_t *want, const struct rec_fx *have)
{
	struct hx_octets o = vec_octets(want, "payload");
	struct ipm_addr from = path_addr(vec_text(want, "from"));
	const char *why = NULL;

	if (o.len != have->fx.packet.len ||
	    (o.len != 0 && memcmp(o.p, have->octets, o.len) != 0))
		why = "payload differs";
	else if (!ipm_addr_equal(&from, &have->fx.from))
		why = "sender's address differs";
	else if (have->fx.from_port != number(want, "from_port"))
		why = "sender's port differs";
	else if (strcmp(b->sock[have->fx.pcb - 1], vec_text(want, "socket")) !=
	    0)
		why = "given to another socket";
	hx_octets_free(&o);
	return why;
}

/* Datagrams only: what raw and TCP sockets get is not recorded. */
static const char *
check_delivered(struct rec_box *b, const json_t *list)
{
	size_t n = json_array_size(list), i = 0;
	const char *why;

	for (size_t k = 0; k < b->n_fx; k++) {
		const struct rec_fx *have = &b->fx[k];

		if (have->fx.kind != IPM_FX_DELIVER ||
		    strncmp(b->sock[have->fx.pcb - 1], "udp", 3) != 0)
			continue;
		if (i == n)
			return differs("more than %zu datagrams delivered", n);
		why = check_datagram(b, json_array_get(list, i++), have);
		if (why != NULL)
			return why;
	}
	return i == n ? NULL : differs("%zu of %zu datagrams delivered", i, n);
}

static const char *
check_hooks(struct rec_box *b, const json_t *list)
{
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n; i++) {
		const json_t *want = json_array_get(list, i);
		struct rec_fx *have = nth(b, IPM_FX_FILTER, i);
		const char *name;

		if (have == NULL)
			return differs("hook %zu of %zu not called", i + 1, n);
		name = have->fx.at >= IPM_FILTER_ENC_IN
		    ? "enc0"
		    : b->e.ipm.host.iface[have->fx.iface].name;
		if (strcmp(name, vec_text(want, "if")) != 0 ||
		    strcmp((have->fx.at & 1) != 0 ? "out" : "in",
			vec_text(want, "dir")) != 0)
			return differs("hook %zu is another one", i + 1);
		if (!same_packet(want, have, true))
			return differs("hook %zu saw another packet", i + 1);
	}
	return nth(b, IPM_FX_FILTER, n) == NULL
	    ? NULL
	    : differs("more than %zu hooks called", n);
}

/* Of mbufs, not of packets. */
static bool
of_mbufs(const char *name)
{
	return strncmp(name, "ips_input_", 10) == 0 ||
	    strcmp(name, "ips_clcopied") == 0 ||
	    strcmp(name, "ips_mbinserted") == 0;
}

static const char *
check_group(struct rec_box *b, const struct ipm_stats *was,
    enum ipm_stat_group group, const json_t *want)
{
	struct ipm_stat_cell c = { NULL, 0 };
	char name[IPM_STAT_NAME_MAX];

	while (ipm_stat_next(&c)) {
		long have, wanted;

		if (c.row->group != group || of_mbufs(ipm_stat_name(&c, name)))
			continue;
		have = (long)(ipm_stats_get(&b->e.ipm.stats, &c) -
		    ipm_stats_get(was, &c));
		wanted = (long)number(want, name);
		if (have != wanted)
			return differs(
			    "%s counted %ld, not %ld", name, have, wanted);
	}
	return NULL;
}

static const char *
check_counters(
    struct rec_box *b, const struct ipm_stats *was, const json_t *deltas)
{
	static const struct {
		const char *node;
		enum ipm_stat_group group;
	} nodes[] = {
		{ "net.inet.ipsec.ipsecstats", IPM_SG_IPS4 },
		{ "net.inet6.ipsec6.ipsecstats", IPM_SG_IPS6 },
		{ "net.inet.esp.stats", IPM_SG_ESP },
		{ "net.inet.ah.stats", IPM_SG_AH },
		{ "net.inet.ipcomp.stats", IPM_SG_IPCOMP },
		{ "net.inet.ip.stats", IPM_SG_IP },
		{ "net.inet.udp.stats", IPM_SG_UDP },
	};
	const char *why = NULL;

	for (size_t i = 0; why == NULL && i < sizeof nodes / sizeof nodes[0];
	     i++)
		why = check_group(b, was, nodes[i].group,
		    json_object_get(deltas, nodes[i].node));
	return why;
}

/* One fate, and one drop told of when that is what it is. */
static const char *
check_fate(struct rec_box *b)
{
	bool drop = ipm_reasons[b->fate].verdict == IPM_V_DROP;
	size_t told = 0;

	for (size_t i = 0; i < b->n_fx; i++)
		if (b->fx[i].fx.kind == IPM_FX_DROP && b->fx[i].fx.frame == 0 &&
		    b->fx[i].fx.reason == b->fate)
			told++;
	return told == drop ? NULL : differs("%zu drops told", told);
}

/* --- the steps ------------------------------------------------------------------- */

static const char *
inject(struct rec_box *b, const json_t *step)
{
	struct hx_octets o = vec_octets(step, "packet");
	struct ipm_stats was = b->e.ipm.stats;
	const json_t *hooks = json_object_get(step, "pfil");
	const json_t *given = json_object_get(step, "delivered");
	static uint64_t frame;
	const char *why;

	/* Those that are named were bound before. */
	for (size_t i = 0; i < json_array_size(given); i++)
		(void)socket_of(
		    b, vec_text(json_array_get(given, i), "socket"));
	forget(b);
	b->e.ipm.host.filter_installed = hooks != NULL;
	b->fate = ipm_input(&b->path,
	    ipm_host_if(&b->e.ipm.host, vec_text(step, "if")),
	    ipm_span(o.p, o.len), ++frame);
	hx_octets_free(&o);
	why = check_emitted(b, json_object_get(step, "emitted"));
	if (why == NULL)
		why = check_delivered(b, given);
	if (why == NULL)
		why = check_counters(
		    b, &was, json_object_get(step, "counters_delta"));
	if (why == NULL && hooks != NULL)
		why = check_hooks(b, hooks);
	return why == NULL ? check_fate(b) : why;
}

static void
drain(struct rec_box *b)
{
	while (pfk_recv(&b->e, b->key_sock, NULL, 0) != 0)
		;
}

static const char *
pfkey(struct rec_box *b, const json_t *step)
{
	struct hx_octets o = vec_octets(step, "request");
	int err =
	    pfk_send(&b->e, &b->pf, &b->env, b->key_sock, ipm_span(o.p, o.len));
	uint8_t reply[16] = { 0 };

	hx_octets_free(&o);
	if (err != number(step, "send_errno"))
		return differs("errno %d", err);
	if (pfk_recv(&b->e, b->key_sock, reply, sizeof reply) != 0 &&
	    reply[2] != number(step, "reply_errno"))
		return differs("answered with errno %u", reply[2]);
	drain(b);
	return NULL;
}

static const char *
sockopt(struct rec_box *b, const json_t *step, bool *known)
{
	ipm_off pcb = socket_of(b, vec_text(step, "socket"));
	json_int_t option = number(step, "option");
	struct hx_octets o = vec_octets(step, "value");
	int err = 0;

	if (number(step, "level") == 17 && option == 1) {
		if (number(step, "errno") == 0)
			((struct ipm_pcb *)ipm_arena_at(&b->e.ipm.arena, pcb))
			    ->encap = o.p[0];
		err = (int)number(step, "errno");
	} else if (option == 21 || option == 28) {
		err = pfk_set_policy(
		    &b->e, &b->pf, &b->env, pcb, true, ipm_span(o.p, o.len));
	} else {
		*known = false;
	}
	hx_octets_free(&o);
	return !*known || err == number(step, "errno")
	    ? NULL
	    : differs("errno %d", err);
}

static const char *
enc_counters(const struct rec_box *b, const json_t *step)
{
	const struct ipm_host *h = &b->e.ipm.host;

	if ((json_int_t)h->enc_packets[0] != number(step, "ipackets") ||
	    (json_int_t)h->enc_octets[0] != number(step, "ibytes") ||
	    (json_int_t)h->enc_packets[1] != number(step, "opackets") ||
	    (json_int_t)h->enc_octets[1] != number(step, "obytes"))
		return "enc0 counted otherwise";
	return NULL;
}

const char *
rec_step(struct rec_box *b, const json_t *step, bool *known)
{
	const char *op = vec_text(step, "op");

	*known = true;
	if (strcmp(op, "inject") == 0)
		return inject(b, step);
	if (strcmp(op, "pfkey") == 0)
		return pfkey(b, step);
	if (strcmp(op, "setsockopt") == 0)
		return sockopt(b, step, known);
	if (strcmp(op, "enc0-counters") == 0)
		return enc_counters(b, step);
	if (strcmp(op, "sysctl") == 0) {
		(void)ipm_sysctl_set(&b->e.ipm.sysctls, &b->e.ipm.stats, &b->pf,
		    vec_text(step, "name"), number(step, "value"));
	} else if (strcmp(op, "enc0") == 0) {
		b->e.ipm.host.enc_up = (uint8_t)number(step, "up");
	} else if (strcmp(op, "advance") == 0) {
		b->env.sec += (uint64_t)number(step, "seconds");
		pfk_clock(&b->e, &b->pf, &b->env);
		drain(b);
	} else {
		*known = false;
	}
	return NULL;
}

static bool
is_inject(const json_t *step)
{
	return strcmp(vec_text(step, "op"), "inject") == 0;
}

static void
run_case(struct rec_box *b, const json_t *c, struct rec_count *n,
    void (*each)(struct rec_box *b, void *ctx), void *ctx)
{
	const json_t *steps = json_object_get(c, "steps"), *step;
	size_t i;

	rec_start(b, c);
	json_array_foreach(steps, i, step)
	{
		bool known;
		const char *why = rec_step(b, step, &known);

		if (!known) {
			n->skipped++;
			return;
		}
		cr_assert_null(why, "%s, step %zu (%s): %s", vec_text(c, "id"),
		    i, vec_text(step, "note"), why);
		if (!is_inject(step))
			continue;
		n->packets++;
		if (each != NULL)
			each(b, ctx);
	}
	n->cases++;
}

static json_t *
load(const char *file)
{
	char path[128];

	(void)snprintf(path, sizeof path, "vectors/freebsd/%s.json", file);
	return vec_load(path);
}

json_t *
rec_case(const char *file, const char *id, json_t **root)
{
	json_t *c;
	size_t i;

	*root = load(file);
	json_array_foreach(json_object_get(*root, "cases"), i,
	    c) if (strcmp(vec_text(c, "id"), id) == 0) return c;
	cr_assert_fail("%s: no case %s", file, id);
	return NULL;
}

struct rec_count
rec_run(const char *file, const char *prefix,
    void (*each)(struct rec_box *b, void *ctx), void *ctx)
{
	struct rec_count n = { 0, 0, 0 };
	struct rec_box *b = malloc(sizeof *b);
	json_t *root, *c;
	size_t i;

	root = load(file);
	rec_box_open(b);
	json_array_foreach(json_object_get(root, "cases"), i,
	    c) if (strncmp(vec_text(c, "id"), prefix, strlen(prefix)) == 0)
	    run_case(b, c, &n, each, ctx);
	rec_box_close(b);
	free(b);
	json_decref(root);
	return n;
}
