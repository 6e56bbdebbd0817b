#include "ipm_filter.h"

#include <string.h>

#include "transform/ipm_knobs.h"

/* DLT_ENC's flags: what the SA has, not what was verified. */
#define ENC_CONF 0x0400U
#define ENC_AUTH 0x0800U

static bool
bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* Address of the packet at `at` against a rule's (family 0: any). */
static bool
address_fits(const struct ipm_addr *rule, uint8_t prefix,
    struct ipm_span packet, size_t at)
{
	size_t len = ipm_addr_len(rule);

	if (rule->family == 0)
		return true;
	return packet.len >= at + len && prefix <= len * 8 &&
	    bits_equal(rule->octet, packet.p + at, prefix);
}

static bool
rule_fits(const struct ipm_filter *f, enum ipm_filter_at at, uint8_t family,
    struct ipm_span packet)
{
	bool v4 = family == 4;

	if (f->at != at || (f->family != 0 && f->family != family))
		return false;
	if ((f->src.family != 0 && f->src.family != family) ||
	    (f->dst.family != 0 && f->dst.family != family))
		return false;
	if (f->proto != 255 &&
	    (packet.len < 10 || packet.p[v4 ? 9 : 6] != f->proto))
		return false;
	return address_fits(&f->src, f->src_prefix, packet, v4 ? 12 : 8) &&
	    address_fits(&f->dst, f->dst_prefix, packet, v4 ? 16 : 24);
}

bool
ipm_filter_pass(const struct ipm_path *path, enum ipm_filter_at at, int iface,
    uint8_t family, struct ipm_span packet)
{
	const struct ipm_host *h = &path->s->host;
	struct ipm_effect fx = { .kind = IPM_FX_FILTER,
		.reason = IPM_R_OK,
		.packet = packet,
		.iface = iface,
		.at = (uint8_t)at,
		.family = family };

	for (size_t i = 0; i < h->n_filters; i++)
		if (rule_fits(&h->filter[i], at, family, packet))
			fx.reason = IPM_R_FILTERED;
	if (h->filter_installed)
		path->effect(path->ctx, &fx);
	return fx.reason == IPM_R_OK;
}

/* A cipher or a compression is set; an SA that no PF_KEY message made has no
 * numbers of its own. */
static uint32_t
enc_flags(const struct ipm_sa *sa)
{
	bool conf = sa->sadb_enc != 0 || sa->enc != 0 || sa->comp != 0;
	bool auth = sa->sadb_auth != 0 || sa->auth != 0;

	return (conf ? ENC_CONF : 0) | (auth ? ENC_AUTH : 0);
}

static void
tap(struct ipm_path *path, const struct ipm_sa *sa, bool out, bool before,
    uint8_t family, struct ipm_span packet)
{
	path->effect(path->ctx,
	    &(struct ipm_effect){ .kind = IPM_FX_TAP,
		.packet = packet,
		.iface = -1,
		.at = out ? IPM_FILTER_ENC_OUT : IPM_FILTER_ENC_IN,
		.family = family,
		.before = before,
		.spi = sa->spi,
		.enc_flags = enc_flags(sa) });
}

/* [MAN-enc-02] [MAN-enc-03] [MAN-enc-05] [MAN-enc-06] */
bool
ipm_enc(struct ipm_path *path, const struct ipm_sa *sa, bool out, bool before,
    uint8_t family, struct ipm_span packet)
{
	struct ipm_host *h = &path->s->host;
	struct ipm_enc_taps taps = ipm_knob_enc(
	    &path->s->sysctls, path->pf, h->enc_up != 0, out, !before);

	if (h->enc_up == 0)
		return true;
	if (before) {
		h->enc_packets[out]++;
		h->enc_octets[out] += packet.len;
	}
	if (taps.capture)
		tap(path, sa, out, before, family, packet);
	if (taps.filter &&
	    !ipm_filter_pass(path, out ? IPM_FILTER_ENC_OUT : IPM_FILTER_ENC_IN,
		-1, family, packet))
		return false;
	if (taps.capture_late)
		tap(path, sa, out, before, family, packet);
	return true;
}
