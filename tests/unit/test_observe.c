/*
 * The observer over real packets: whatever is cut off or flipped where a
 * packet is protected is refused with a named reason and leaves the state as
 * it was, so that the genuine packet is still accepted afterwards.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "hx_config.h"
#include "hx_engine.h"
#include "hx_pcap.h"
#include "wire/ipm_link.h"

/* One capture: its SAs in an engine, and one packet that it accepts. */
struct subject {
	struct hx_engine engine;
	struct ipm_observation o;
	uint8_t packet[65600];
	size_t len;
	struct ipm_ip ip;
	enum ipm_layer_kind outer;
};

static bool
is_ipsec(const struct ipm_observation *o)
{
	return o->n_layers != 0 && o->layer[0].kind != IPM_L_IPIP &&
	    o->layer[0].kind != IPM_L_IPCOMP;
}

/* The first packet of a capture that is whole and protected. */
static bool
find_packet(struct subject *s, const char *path)
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
		hx_engine_observe(&s->engine, f.sec, 0, ip, f.number, &s->o);
		if (ipm_reasons[s->o.reason].verdict != IPM_V_ACCEPT ||
		    !is_ipsec(&s->o) || s->o.packet.p != ip.p)
			continue;
		s->len = s->o.packet.len;
		memcpy(s->packet, ip.p, s->len);
		s->outer = s->o.layer[0].kind;
		cr_assert_eq(
		    ipm_ip_parse(ipm_span(s->packet, s->len), true, &s->ip),
		    IPM_R_OK);
		found = true;
	}
	hx_pcap_close(in);
	return found;
}

static void
add_sas(struct subject *s, const struct hx_config *cfg)
{
	hx_engine_reset(&s->engine);
	for (size_t i = 0; i < cfg->n; i++)
		cr_assert_eq(
		    hx_engine_add_sa(&s->engine, &cfg->sas[i].cfg), IPM_OK);
}

static enum ipm_verdict
offer(struct subject *s, const uint8_t *p, size_t len)
{
	hx_engine_observe(&s->engine, 1, 0, ipm_span(p, len), 1, &s->o);
	cr_assert(s->o.reason < IPM_N_REASONS);
	return ipm_reasons[s->o.reason].verdict;
}

/*
 * Does the outer packet's integrity check cover this bit?  ESP covers what
 * follows the IP (and UDP) header; AH the header too, less the mutable fields
 * of RFC 4302 3.3.3.1, typed here from its text: IPv4 TOS, flags, offset, TTL
 * and checksum; IPv6 class, flow label, hop limit.  Options and extension
 * headers are left to the tests of AH.
 */
static bool
covered(const struct subject *s, size_t off)
{
	size_t esp = s->ip.hlen + (s->outer == IPM_L_UDP_ENCAP ? 8 : 0);

	if (s->outer != IPM_L_AH)
		return off >= esp;
	if (s->ip.version == 4)
		return off >= s->ip.hlen || off == 4 || off == 5 ||
		    (off >= 12 && off < 20);
	return off >= s->ip.hlen || (off >= 8 && off < 40);
}

/* [ESP-3.4.3-17] [AH-3.4.4-01] [ESP-3.4.4.1-01] [MAN-proto-02] */
static size_t
flip_every_bit(struct subject *s, const char *name)
{
	size_t tried = 0;

	for (size_t off = 0; off < s->len; off++) {
		if (!covered(s, off))
			continue;
		for (unsigned bit = 0; bit < 8; bit++) {
			s->packet[off] ^= (uint8_t)(1U << bit);
			cr_expect_eq(offer(s, s->packet, s->len), IPM_V_DROP,
			    "%s: octet %zu bit %u: %s", name, off, bit,
			    ipm_reasons[s->o.reason].name);
			s->packet[off] ^= (uint8_t)(1U << bit);
			tried++;
		}
	}
	return tried;
}

/* Every shorter packet, with the IP length as it was and as it then is. */
static void
truncate_everywhere(struct subject *s, const char *name)
{
	uint8_t *copy = malloc(s->len);

	cr_assert_not_null(copy);
	for (size_t len = 0; len < s->len; len++) {
		enum ipm_verdict v;

		memcpy(copy, s->packet, len);
		v = offer(s, copy, len);
		cr_expect(v == IPM_V_DROP || (len == 0 && v == IPM_V_BYPASS),
		    "%s: cut to %zu: %s", name, len,
		    ipm_reasons[s->o.reason].name);
		if (len < s->ip.hlen ||
		    !ipm_ip_rewrite(
			copy, s->ip.version, s->ip.hlen, len, SIZE_MAX, 0))
			continue;
		v = offer(s, copy, len);
		/* A short UDP payload is IKE's, a bare header nobody's. */
		cr_expect(v == IPM_V_DROP ||
			(s->outer == IPM_L_UDP_ENCAP && len < s->ip.hlen + 12),
		    "%s: cut to %zu, length mended: %s", name, len,
		    ipm_reasons[s->o.reason].name);
	}
	free(copy);
}

static size_t
try_capture(const char *stem)
{
	struct subject *s = calloc(1, sizeof *s);
	struct hx_config cfg;
	struct hx_err err;
	char path[600];
	size_t tried = 0;
	uint64_t before;

	cr_assert_not_null(s);
	(void)snprintf(path, sizeof path, "%s.setkey", stem);
	cr_assert(hx_config_load(path, &cfg, &err), "%s", err.text);
	cr_assert(hx_engine_open(&s->engine, IPM_PF_OBSERVER));
	add_sas(s, &cfg);
	(void)snprintf(path, sizeof path, "%s.pcap", stem);
	if (find_packet(s, path)) {
		add_sas(s, &cfg);
		before = ipm_state_digest(&s->engine.state);
		tried = flip_every_bit(s, stem);
		truncate_everywhere(s, stem);
		cr_expect_eq(ipm_state_digest(&s->engine.state), before,
		    "%s: refused packets changed the state", stem);
		cr_expect_eq(offer(s, s->packet, s->len), IPM_V_ACCEPT,
		    "%s: the genuine packet", stem);
	}
	hx_engine_close(&s->engine);
	hx_config_free(&cfg);
	free(s);
	return tried;
}

Test(observe, every_flip_and_every_cut_of_a_real_packet_is_refused)
{
	DIR *d = opendir(SOURCE_DIR "/vectors/captures");
	const struct dirent *e;
	size_t captures = 0;

	cr_assert_not_null(d);
	while ((e = readdir(d)) != NULL) {
		const char *dot = strstr(e->d_name, ".setkey");
		char stem[512];

		/* Confidentiality alone protects nothing. */
		if (dot == NULL || strstr(e->d_name, "noauth") != NULL)
			continue;
		(void)snprintf(stem, sizeof stem,
		    SOURCE_DIR "/vectors/captures/%.*s", (int)(dot - e->d_name),
		    e->d_name);
		captures += try_capture(stem) > 0;
	}
	(void)closedir(d);
	/* All but the three of IPcomp alone and the unauthenticated one. */
	cr_expect_eq(captures, 82 - 3 - 1);
}

/* A copy of the state sees the same and ends the same. */
Test(observe, a_copy_of_the_state_gives_the_same_verdicts)
{
	static const char stem[] =
	    SOURCE_DIR "/vectors/captures/esn-wrap-tp4-aes128cbc-sha256";
	struct subject *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
	struct hx_config cfg;
	struct hx_frame f;
	struct hx_err err;
	struct hx_pcap *in;
	char path[600];

	(void)snprintf(path, sizeof path, "%s.setkey", stem);
	cr_assert(hx_config_load(path, &cfg, &err), "%s", err.text);
	cr_assert(hx_engine_open(&a->engine, IPM_PF_OBSERVER));
	cr_assert(hx_engine_open(&b->engine, IPM_PF_OBSERVER));
	add_sas(a, &cfg);
	(void)snprintf(path, sizeof path, "%s.neg.pcap", stem);
	in = hx_pcap_open(path, &err);
	cr_assert_not_null(in);
	while (hx_pcap_next(in, &f, &err) > 0) {
		struct ipm_span ip;

		cr_assert_eq(
		    ipm_link_parse(f.linktype, f.octets, &ip), IPM_R_OK);
		/* Before each frame the copy is made anew. */
		ipm_derived_free(&b->engine.derived);
		ipm_state_free(&b->engine.state, &b->engine.alloc);
		cr_assert_eq(ipm_state_clone(&b->engine.state, &a->engine.state,
				 &b->engine.alloc),
		    IPM_OK);
		cr_assert_eq(ipm_derived_sync(&b->engine.derived,
				 &b->engine.state.sad, &b->engine.state.arena),
		    IPM_OK);
		hx_engine_observe(&a->engine, f.sec, 0, ip, f.number, &a->o);
		hx_engine_observe(&b->engine, f.sec, 0, ip, f.number, &b->o);
		cr_expect_eq(a->o.reason, b->o.reason);
		cr_expect_eq(a->o.inner.len, b->o.inner.len);
		cr_expect(a->o.inner.len == 0 ||
		    memcmp(a->o.inner.p, b->o.inner.p, a->o.inner.len) == 0);
		cr_expect_eq(ipm_state_digest(&a->engine.state),
		    ipm_state_digest(&b->engine.state));
	}
	hx_pcap_close(in);
	hx_engine_close(&a->engine);
	hx_engine_close(&b->engine);
	hx_config_free(&cfg);
	free(a);
	free(b);
}
