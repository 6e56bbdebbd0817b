/*
 * Packets that arrive at a gateway under whatever SAs, policies and sysctls
 * the input sets up: the topology of the recordings, PF_KEY messages through
 * the key engine.
 *
 * Input: one octet for the profile, then steps: one octet for what (modulo 5),
 * two for a length (little endian), so many octets:
 *
 *   0  a PF_KEY message
 *   1  a packet on the inner interface, 2 on the outer one
 *   3  a variable: its number and its value, one octet each
 *   4  seconds pass: the first octet
 *
 * Each packet has one fate, a drop is told of, and the whole, run a second
 * time, gives the same effects and the same state.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hx_engine.h"
#include "ipm_path.h"
#include "pfk_engine.h"

#define STEPS_MAX 64U

struct world {
	struct pfk_engine e;
	struct ipm_derived d;
	struct ipm_tape tape;
	struct ipm_env env;
	struct ipm_path path;
	uint32_t sock;
	uint64_t effects; /* digest of all that left */
	size_t dropped;   /* told since the packet came */
	enum ipm_reason last;
};

static struct hx_engine provider;
static struct ipm_profile profile;
static uint8_t random_octets[4096];
static bool ready;

static void
mix(struct world *w, const void *p, size_t len)
{
	const uint8_t *o = p;

	for (size_t i = 0; i < len; i++)
		w->effects = (w->effects ^ o[i]) * 0x100000001b3U;
}

static void
effect(void *ctx, const struct ipm_effect *fx)
{
	struct world *w = ctx;
	uint32_t head[4] = { (uint32_t)fx->kind, (uint32_t)fx->reason,
		(uint32_t)fx->iface, fx->pcb };

	must(fx->kind < IPM_N_FX && fx->reason < IPM_N_REASONS);
	mix(w, head, sizeof head);
	if (fx->packet.len != 0)
		mix(w, fx->packet.p, fx->packet.len);
	/* What the host made itself is told of without an interface. */
	if (fx->kind == IPM_FX_DROP && fx->frame == 0 && fx->iface >= 0) {
		w->dropped++;
		w->last = fx->reason;
	}
}

static int
need_sa(void *ctx, const struct ipm_wanted *wanted)
{
	struct world *w = ctx;

	return pfk_acquire(&w->e, &profile, &w->env, wanted);
}

static struct ipm_addr
addr(uint8_t family, uint32_t first, uint32_t second, uint32_t last)
{
	struct ipm_addr a = { .family = family };

	ipm_store32(a.octet, first);
	if (family == 6) {
		ipm_store32(a.octet + 4, second);
		ipm_store32(a.octet + 12, last);
	}
	return a;
}

#define DOC6 0x20010db8U

static void
set_host(struct ipm_host *h)
{
	struct ipm_addr red4 = addr(4, 0x0a010001, 0, 0);
	struct ipm_addr blk4 = addr(4, 0xc0000201, 0, 0);
	struct ipm_addr red6 = addr(6, DOC6, 0x00010000, 1);
	struct ipm_addr blk6 = addr(6, DOC6, 0x000b0000, 1);
	struct ipm_addr far4 = addr(4, 0x0a020000, 0, 0);
	struct ipm_addr gw4 = addr(4, 0xc0000202, 0, 0);
	struct ipm_addr far6 = addr(6, DOC6, 0x00020000, 0);
	struct ipm_addr gw6 = addr(6, DOC6, 0x000b0000, 2);
	uint8_t i;

	must(ipm_host_add_if(h, "red0", 1500, false, &i) == IPM_OK);
	must(ipm_host_add_if(h, "blk1", 1500, false, &i) == IPM_OK);
	must(ipm_host_add_addr(h, 0, &red4, 24) == IPM_OK);
	must(ipm_host_add_addr(h, 0, &red6, 64) == IPM_OK);
	must(ipm_host_add_addr(h, 1, &blk4, 24) == IPM_OK);
	must(ipm_host_add_addr(h, 1, &blk6, 64) == IPM_OK);
	must(ipm_host_add_route(h, &far4, 16, 1, &gw4) == IPM_OK);
	must(ipm_host_add_route(h, &far6, 48, 1, &gw6) == IPM_OK);
	h->forwarding4 = h->forwarding6 = 1;
	h->enc_up = 1;
	h->filter_installed = 1;
}

static void
add_socket(struct world *w, uint8_t family, uint8_t proto, uint16_t port)
{
	struct ipm_pcb as = { .id = w->e.ipm.pcbs.count + 1,
		.family = family,
		.proto = proto,
		.lport = port,
		.raw = port == 0,
		.listening = proto == IPM_PROTO_TCP,
		.encap = port == 4500 ? IPM_ENCAP_ESPINUDP : IPM_ENCAP_NONE };
	ipm_off off;

	as.laddr.family = as.faddr.family = family;
	must(ipm_pcb_open(&w->e.ipm.pcbs, &w->e.ipm.arena, &provider.alloc, &as,
		 &off) == IPM_OK);
}

static void
begin(struct world *w)
{
	*w = (struct world){
		.tape = { ipm_span(random_octets, sizeof random_octets), 0 }
	};
	w->env = (struct ipm_env){ .sec = 3,
		.random = &w->tape,
		.crypto = &provider.crypto,
		.comp = &provider.comp,
		.alloc = &provider.alloc };
	pfk_engine_init(&w->e, 3, 1U << 24);
	ipm_derived_init(&w->d, &provider.crypto, &provider.alloc);
	set_host(&w->e.ipm.host);
	add_socket(w, 4, IPM_PROTO_UDP, 9000);
	add_socket(w, 6, IPM_PROTO_UDP, 9000);
	add_socket(w, 4, IPM_PROTO_UDP, 4500);
	add_socket(w, 4, IPM_PROTO_TCP, 8000);
	add_socket(w, 6, IPM_PROTO_TCP, 8000);
	add_socket(w, 4, 253, 0);
	w->path = (struct ipm_path){ .s = &w->e.ipm,
		.d = &w->d,
		.pf = &profile,
		.env = &w->env,
		.work = provider.work,
		.ctx = w,
		.effect = effect,
		.need_sa = need_sa };
	w->sock = pfk_open(&w->e, &w->env);
	must(w->sock != 0);
}

static void
arrive(struct world *w, int iface, struct ipm_span octets, uint64_t frame)
{
	enum ipm_reason fate;

	w->dropped = 0;
	fate = ipm_input(&w->path, iface, octets, frame);
	must(fate < IPM_N_REASONS);
	must(w->dropped == (ipm_reasons[fate].verdict == IPM_V_DROP));
	must(w->dropped == 0 || w->last == fate);
	mix(w, &fate, sizeof fate);
}

static void
pfkey(struct world *w, struct ipm_span msg)
{
	int err = pfk_send(&w->e, &profile, &w->env, w->sock, msg);

	mix(w, &err, sizeof err);
	while (pfk_recv(&w->e, w->sock, NULL, 0) != 0)
		;
}

static void
step(struct world *w, uint8_t what, struct ipm_span o, uint64_t n)
{
	switch (what % 5) {
	case 0:
		pfkey(w, o);
		break;
	case 1:
	case 2:
		arrive(w, what % 5 - 1, o, n);
		break;
	case 3:
		if (o.len >= 2)
			w->e.ipm.sysctls.v[o.p[0] % IPM_N_SYSVARS] =
			    (int8_t)o.p[1];
		break;
	default:
		if (o.len != 0) {
			w->env.sec += o.p[0];
			pfk_clock(&w->e, &profile, &w->env);
		}
	}
}

/* Everything once; what came of it as one number. */
static uint64_t
run(struct ipm_span in)
{
	static struct world w;
	size_t at = 1;
	uint64_t all;

	begin(&w);
	for (uint64_t n = 1; at + 3 <= in.len && n <= STEPS_MAX; n++) {
		size_t len = in.p[at + 1] | (size_t)in.p[at + 2] << 8;
		struct ipm_span o = ipm_span_sub(in, at + 3, len);

		step(&w, in.p[at], o, n);
		at += 3 + len;
	}
	all = w.effects ^ pfk_engine_digest(&w.e);
	ipm_derived_free(&w.d);
	pfk_engine_free(&w.e, &provider.alloc);
	return all;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipm_span in = ipm_span(data, size);

	if (!ready) {
		must(hx_engine_open(&provider, IPM_PF_FREEBSD_13));
		for (size_t i = 0; i < sizeof random_octets; i++)
			random_octets[i] = (uint8_t)(i * 7 + 3);
		ready = true;
	}
	if (size == 0)
		return 0;
	ipm_profile_init(
	    &profile, (enum ipm_profile_id)(data[0] % IPM_N_PROFILES));
	must(run(in) == run(in));
	return 0;
}
