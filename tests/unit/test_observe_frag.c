/*
 * Real packets cut up on their way: in whatever order the fragments come, the
 * last one gives what the whole packet gave, and no crypto is tried before.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "hx_config.h"
#include "hx_engine.h"
#include "hx_pcap.h"
#include "wire/ipm_link.h"

enum {
	MAX_PIECES = 3
};

struct cut {
	struct hx_engine engine;
	struct hx_config cfg;
	struct ipm_observation o;
	uint8_t packet[65600], inner[65600];
	size_t len, inner_len;
	struct ipm_ip ip;
	enum ipm_layer_kind kind;
	uint8_t piece[MAX_PIECES][65700];
	size_t piece_len[MAX_PIECES];
	unsigned told; /* fragments said to be part of the last frame's */
};

static void
tell(void *ctx, uint64_t frame, enum ipm_reason reason, uint64_t by)
{
	struct cut *c = ctx;

	cr_expect_eq(reason, IPM_R_OK);
	cr_expect_eq(by, MAX_PIECES);
	cr_expect(frame < MAX_PIECES);
	c->told++;
}

static void
fresh(struct cut *c)
{
	hx_engine_reset(&c->engine);
	for (size_t i = 0; i < c->cfg.n; i++)
		cr_assert_eq(
		    hx_engine_add_sa(&c->engine, &c->cfg.sas[i].cfg), IPM_OK);
	c->engine.opts.fragment = tell;
	c->engine.opts.fragment_ctx = c;
	c->told = 0;
}

/* The first accepted packet of a capture that came whole and is long enough
 * to cut; it and what was in it. */
static bool
find_packet(struct cut *c, const char *path)
{
	struct hx_frame f;
	struct hx_err err;
	struct hx_pcap *in = hx_pcap_open(path, &err);
	bool found = false;

	cr_assert_not_null(in, "%s", err.text);
	while (!found && hx_pcap_next(in, &f, &err) > 0) {
		struct ipm_span ip;

		cr_assert_eq(
		    ipm_link_parse(f.linktype, f.octets, &ip), IPM_R_OK);
		/* Each packet as if it were the first. */
		fresh(c);
		hx_engine_observe(&c->engine, f.sec, 0, ip, f.number, &c->o);
		if (c->o.reason != IPM_R_OK || c->o.n_layers == 0 ||
		    c->o.packet.p != ip.p || c->o.layer[0].kind == IPM_L_IPIP)
			continue;
		c->len = c->o.packet.len;
		memcpy(c->packet, ip.p, c->len);
		c->kind = c->o.layer[0].kind;
		c->inner_len = c->o.inner.len;
		memcpy(c->inner, c->o.inner.p, c->inner_len);
		cr_assert_eq(
		    ipm_ip_parse(ipm_span(c->packet, c->len), true, &c->ip),
		    IPM_R_OK);
		found = c->len - c->ip.hlen >= 8 * MAX_PIECES;
	}
	hx_pcap_close(in);
	return found;
}

/* Octets [from, to) of the payload as fragment n. */
static void
cut_piece(struct cut *c, unsigned n, size_t from, size_t to)
{
	size_t hlen = c->ip.hlen, room = c->ip.version == 6 ? 8 : 0;
	bool more = n + 1 < MAX_PIECES;
	uint8_t *p = c->piece[n];

	memcpy(p, c->packet, hlen);
	memset(p + hlen, 0, room);
	memcpy(p + hlen + room, c->packet + hlen + from, to - from);
	c->piece_len[n] = hlen + room + to - from;
	if (c->ip.version == 4) {
		ipm_store16(p + 6, (uint16_t)((more ? 0x2000U : 0) | from / 8));
		cr_assert(
		    ipm_ip_rewrite(p, 4, hlen, c->piece_len[n], SIZE_MAX, 0));
		return;
	}
	cr_assert(ipm_ip_rewrite(
	    p, 6, hlen, c->piece_len[n], c->ip.proto_off, IPM_PROTO_FRAGMENT));
	p[hlen] = c->ip.proto;
	ipm_store16(p + hlen + 2, (uint16_t)(from | (more ? 1U : 0)));
	ipm_store32(p + hlen + 4, 0xcafe);
}

/*
 * [ESP-3.3.4-04] [ESP-3.4.1-04] [AH-3.3.4-03] [IPCOMP-2-07] [ARCH2401-5.2-01]
 * [ARCH2401-B.2-01]
 */
static void
try_order(struct cut *c, const unsigned order[MAX_PIECES], const char *name)
{
	fresh(c);
	for (unsigned i = 0; i < MAX_PIECES; i++) {
		unsigned n = order[i];

		hx_engine_observe(&c->engine, 1, 0,
		    ipm_span(c->piece[n], c->piece_len[n]), i + 1, &c->o);
		if (i + 1 < MAX_PIECES) {
			cr_expect_eq(
			    c->o.reason, IPM_R_FRAG_PENDING, "%s", name);
			cr_expect_eq(c->o.n_layers, 0, "%s", name);
		}
	}
	cr_expect_eq(c->o.reason, IPM_R_OK, "%s: %s", name,
	    ipm_reasons[c->o.reason].name);
	cr_expect_eq(c->told, MAX_PIECES - 1, "%s", name);
	cr_assert_eq(c->o.inner.len, c->inner_len, "%s", name);
	cr_expect_eq(
	    memcmp(c->o.inner.p, c->inner, c->inner_len), 0, "%s", name);
}

static const unsigned orders[][MAX_PIECES] = { { 0, 1, 2 }, { 0, 2, 1 },
	{ 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

/* True when the capture had a packet to cut; its outermost layer in *kind. */
static bool
try_capture(const char *stem, enum ipm_layer_kind *kind)
{
	struct cut *c = calloc(1, sizeof *c);
	struct hx_err err;
	char path[600];
	bool found;

	cr_assert_not_null(c);
	(void)snprintf(path, sizeof path, "%s.setkey", stem);
	cr_assert(hx_config_load(path, &c->cfg, &err), "%s", err.text);
	cr_assert(hx_engine_open(&c->engine, IPM_PF_OBSERVER));
	(void)snprintf(path, sizeof path, "%s.pcap", stem);
	found = find_packet(c, path);
	if (found) {
		size_t end = c->len - c->ip.hlen;

		*kind = c->kind;
		cut_piece(c, 0, 0, 8);
		cut_piece(c, 1, 8, 16);
		cut_piece(c, 2, 16, end);
		for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
			try_order(c, orders[i], stem);
	}
	hx_engine_close(&c->engine);
	hx_config_free(&c->cfg);
	free(c);
	return found;
}

Test(observe_frag, rfc4301_5_2_packets_are_joined_before_ipsec)
{
	DIR *d = opendir(SOURCE_DIR "/vectors/captures");
	unsigned seen[IPM_N_LAYER_KINDS] = { 0 };
	const struct dirent *e;

	cr_assert_not_null(d);
	while ((e = readdir(d)) != NULL) {
		const char *dot = strstr(e->d_name, ".setkey");
		enum ipm_layer_kind kind;
		char stem[512];

		if (dot == NULL)
			continue;
		(void)snprintf(stem, sizeof stem,
		    SOURCE_DIR "/vectors/captures/%.*s", (int)(dot - e->d_name),
		    e->d_name);
		if (try_capture(stem, &kind))
			seen[kind]++;
	}
	(void)closedir(d);
	cr_expect(seen[IPM_L_ESP] > 40, "%u", seen[IPM_L_ESP]);
	cr_expect(seen[IPM_L_AH] > 10, "%u", seen[IPM_L_AH]);
	cr_expect(seen[IPM_L_IPCOMP] > 2, "%u", seen[IPM_L_IPCOMP]);
	cr_expect(seen[IPM_L_UDP_ENCAP] > 2, "%u", seen[IPM_L_UDP_ENCAP]);
}
