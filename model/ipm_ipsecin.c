/*
 * IPSEC_INPUT and the three transforms as they meet the packet path.
 *
 * Implementation notes.  A transform writes the packet with its payload into
 * the other one of path->work's two buffers (AH, which decrypts nothing,
 * closes the gap where the packet lies); ipm_decap goes on from there.
 *
 * Source: FreeBSD sys/netipsec/ipsec_input.c, xform_ah.c, xform_esp.c,
 * xform_ipcomp.c, udpencap.c (facts datapath 2.3 to 2.6, 2.8, 2.9).
 */
#include <string.h>

#include "ipm_in.h"
#include "ipm_open.h"
#include "transform/ipm_knobs.h"
#include "transform/ipm_udpencap.h"

/* The counters of one protocol. */
struct proto_row {
	uint8_t proto;
	enum ipm_stat input, hdrops, notdb, noxform, pdrops, crypto;
};

static const struct proto_row rows[] = {
	{ IPM_PROTO_ESP, IPM_ST_ESP_input, IPM_ST_ESP_hdrops, IPM_ST_ESP_notdb,
	    IPM_ST_ESP_noxform, IPM_ST_ESP_pdrops, IPM_ST_ESP_crypto },
	{ IPM_PROTO_AH, IPM_ST_AH_input, IPM_ST_AH_hdrops, IPM_ST_AH_notdb,
	    IPM_ST_AH_noxform, IPM_ST_AH_pdrops, IPM_ST_AH_crypto },
	{ IPM_PROTO_IPCOMP, IPM_ST_IPCOMP_input, IPM_ST_IPCOMP_hdrops,
	    IPM_ST_IPCOMP_notdb, IPM_ST_IPCOMP_noxform, IPM_ST_IPCOMP_pdrops,
	    IPM_ST_IPCOMP_crypto },
};

static const struct proto_row *
row_of(uint8_t proto)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].proto == proto)
			return &rows[i];
	return NULL;
}

/* Protocols whose input asks nobody else (PR_LASTHDR, facts 2.3). */
static bool
last_header(uint8_t family, uint8_t proto)
{
	/* ICMP IGMP IPIP RSVP IPV6 GRE MOBILE ETHERIP PIM SCTP */
	static const uint8_t v4[] = { 1, 2, 4, 41, 46, 47, 55, 97, 103, 132 };
	/* IPV4 IPV6 GRE ICMPV6 PIM SCTP */
	static const uint8_t v6[] = { 4, 41, 47, 58, 103, 132 };
	const uint8_t *list = family == 4 ? v4 : v6;

	return memchr(list, proto, family == 4 ? sizeof v4 : sizeof v6) != NULL;
}

static struct ipm_sa *
sa_at(const struct ipm_in *in, ipm_off off)
{
	return ipm_arena_at(&in->path->s->arena, off);
}

/* [ESP-4-04] [AH-4-03] [ARCH-9-02] Counted, and not a word to the sender. */
static enum ipm_go
drop_at(struct ipm_in *in, uint8_t proto, enum ipm_reason why)
{
	(void)ipm_stats_reason(&in->path->s->stats, why, proto);
	return ipm_in_end(in, why);
}

static void
use(struct ipm_in *in, enum ipm_stat_group group, unsigned number)
{
	ipm_stats_use(&in->path->s->stats, in->path->pf, group, number);
}

/* --- look-up ----------------------------------------------------------------------- */

/* [ESP-3.4.2-01] [AH-3.4.2-01] [ARCH2401-5.2.1-01] [ARCH-4.1-11] The SA of this
 * header by SPI, protocol and destination alone, or NULL: LARVAL and DEAD ones
 * are not there. */
static struct ipm_derived_sa *
find(struct ipm_in *in, uint8_t proto, uint32_t spi)
{
	struct ipm_addr dst = ipm_in_dst(in);
	struct ipm_path *path = in->path;
	struct ipm_derived_sa *dsa =
	    ipm_derived_find(path->d, &path->s->arena, &dst, proto, spi);

	in->spi = spi;
	if (dsa != NULL) {
		uint8_t state = sa_at(in, dsa->off)->state;

		if (state == IPM_SA_LARVAL || state == IPM_SA_DEAD)
			dsa = NULL;
	}
	ipm_trace_add(path->trace, IPM_STEP_LOOKUP,
	    dsa == NULL ? IPM_R_NO_SA : IPM_R_OK, spi, proto);
	return dsa;
}

static struct ipm_opening
opening(const struct ipm_in *in, struct ipm_layer *l)
{
	memset(l, 0, offsetof(struct ipm_layer, computed));
	return (struct ipm_opening){
		.pf = in->path->pf, .trace = in->path->trace, .layer = l
	};
}

/* Octet that names the IPsec header and will name what it held. */
static size_t
protocol_octet(const struct ipm_in *in)
{
	if (in->family == 6 &&
	    ipm_sw(in->path->pf, IPM_SW_IP6_PROTO_OCTET) == IPM_OCTET_FIRST)
		return 6;
	return in->nxt_off;
}

static uint8_t *
other_buffer(const struct ipm_in *in)
{
	struct ipm_work *w = in->path->work;

	return in->m.p == w->buf[0] ? w->buf[1] : w->buf[0];
}

/* The payload stands at in->off of `buf`: the header goes in front of it. */
static void
take(struct ipm_in *in, uint8_t *buf, size_t len, uint8_t nh)
{
	memcpy(buf, in->m.p, in->off);
	buf[protocol_octet(in)] = nh;
	in->m.p = buf;
	in->m.len = in->off + len;
}

/*
 * The window's refusal before the ICV: the end, unless the profile waits for
 * the ICV with numbers left of the window.  The last number of all leaves no
 * next 2^32: that is counted (FreeBSD 13's ipsec_chkreplay).
 */
static enum ipm_go
refused_early(struct ipm_in *in, const struct ipm_sa *sa, struct ipm_replay *r,
    enum ipm_reason why)
{
	bool last = r->top == UINT32_MAX && (sa->flags & IPM_SAF_CYCSEQ) == 0;

	if (!r->esn && why == IPM_R_LEFT_OF_WINDOW &&
	    ipm_sw(in->path->pf, IPM_SW_REPLAY_LATE) != IPM_OFF) {
		if (!last)
			return IPM_GO_ON;
		ipm_count(in->path,
		    sa->proto == IPM_PROTO_ESP ? IPM_ST_ESP_wrap
					       : IPM_ST_AH_wrap);
	}
	ipm_replay_other(r, in->path->pf);
	return drop_at(in, sa->proto, why);
}

static bool
fault(const struct ipm_in *in, enum ipm_fault f)
{
	return (in->path->faults & (unsigned)f) != 0;
}

/* --- ESP --------------------------------------------------------------------------- */

static bool
has_auth(const struct ipm_esp_sa *sa)
{
	return sa->auth != NULL || sa->enc->kind == IPM_ALG_AEAD;
}

/* The window is looked at before the ICV, moved after it.  FreeBSD moves that
 * of an SA without integrity as well. */
struct window_use {
	bool check, move;
};

static struct window_use
window_use(const struct ipm_in *in, const struct ipm_esp_sa *sa)
{
	bool integrity = ipm_esp_has_integrity(sa);
	struct window_use u = { integrity, integrity };

	if (ipm_sw(in->path->pf, IPM_SW_ESP_NULL_AUTH_REPLAY) != IPM_OFF) {
		u.check = has_auth(sa);
		u.move = true;
	}
	if (sa->old)
		u.check = u.move = false;
	return u;
}

/* What is counted of the crypto that ended so. */
static enum ipm_go
count_crypto(struct ipm_in *in, const struct ipm_derived_sa *dsa,
    const struct ipm_sa *sa, enum ipm_reason r)
{
	bool tag_is_error = dsa->esp.enc->kind == IPM_ALG_AEAD &&
	    ipm_sw(in->path->pf, IPM_SW_ESP_BAD_TAG) == IPM_TAG_NOXFORM;

	if (r == IPM_R_CRYPTO_FAILED || r == IPM_R_NO_MEMORY)
		return drop_at(in, IPM_PROTO_ESP, r);
	if (r == IPM_R_ICV_BAD && tag_is_error)
		return ipm_in_drop(in, IPM_ST_ESP_noxform, r);
	use(in, IPM_SG_ESP, ipm_sa_cipher_number(sa));
	if (has_auth(&dsa->esp))
		use(in, IPM_SG_AH, ipm_sa_auth_number(sa));
	return r == IPM_R_ICV_BAD ? drop_at(in, IPM_PROTO_ESP, r) : IPM_GO_ON;
}

/* esp_input up to the crypto: the lengths, and the window's first look. */
static enum ipm_go
esp_before(struct ipm_in *in, const struct ipm_derived_sa *dsa,
    const struct ipm_opening *op, struct ipm_span esp, uint64_t *seq)
{
	const struct ipm_sa *sa = sa_at(in, dsa->off);
	struct ipm_replay *win = ipm_arena_at(&in->path->s->arena, sa->replay);
	uint32_t seq_lo;
	enum ipm_reason r;

	if (ipm_sw(in->path->pf, IPM_SW_ESP_ALIGN4) != IPM_OFF &&
	    (in->off % 4 != 0 || in->m.len % 4 != 0))
		return drop_at(in, IPM_PROTO_ESP, IPM_R_BAD_LENGTH);
	if (esp.len < 8)
		return ipm_in_drop(in, IPM_ST_ESP_hdrops, IPM_R_BAD_LENGTH);
	if (ipm_esp_peek(&dsa->esp, esp, &seq_lo) != IPM_R_OK ||
	    !ipm_esp_fills(&dsa->esp, in->path->pf, esp.len))
		return drop_at(in, IPM_PROTO_ESP, IPM_R_BAD_LENGTH);
	r = ipm_window_check(
	    op, win, window_use(in, &dsa->esp).check, seq_lo, seq);
	if (r != IPM_R_OK) {
		enum ipm_go go = refused_early(in, sa, win, r);

		if (go != IPM_GO_ON)
			return go;
	}
	in->path->s->stats.v[IPM_ST_ESP_ibytes] += esp.len -
	    (dsa->esp.old ? 4U : 8U) - dsa->esp.enc->iv_len -
	    ipm_esp_icv_len(&dsa->esp);
	return IPM_GO_ON;
}

/* esp_input_cb from the trailer on. */
static enum ipm_go
esp_after(struct ipm_in *in, ipm_off sa, const struct ipm_esp_opened *eo,
    enum ipm_reason r, uint8_t *buf)
{
	if (r != IPM_R_OK)
		return drop_at(in, IPM_PROTO_ESP, r);
	/* [ESP-3.4.4.1-06] */
	if (eo->next_header == IPM_PROTO_NONE &&
	    ipm_sw(in->path->pf, IPM_SW_ESP_DUMMY) == IPM_DUMMY_DROP)
		return ipm_in_end(in, IPM_R_DUMMY);
	if (eo->payload.len == 0 && sa_at(in, sa)->mode != IPM_MODE_TUNNEL &&
	    ipm_sw(in->path->pf, IPM_SW_ESP_EMPTY) != IPM_OFF)
		return drop_at(in, IPM_PROTO_ESP, IPM_R_EMPTY_PAYLOAD);
	take(in, buf, eo->payload.len, eo->next_header);
	return ipm_decap(in, sa);
}

/* Opens the packet, trying larger high halves when that is due. */
static enum ipm_reason
esp_open(struct ipm_in *in, struct ipm_opening *op, struct ipm_replay *win,
    const struct ipm_esp_try *t, uint64_t *seq, bool *resynced)
{
	enum ipm_reason r;

	*resynced = false;
	t->o->icv_ok = false;
	if (fault(in, IPM_FAULT_NOMEM))
		return IPM_R_NO_MEMORY;
	if (fault(in, IPM_FAULT_CIPHER))
		return IPM_R_CRYPTO_FAILED;
	r = ipm_esp_open(t->sa, op->pf, t->esp, *seq, t->out, t->cap, false,
	    op->trace, t->o);
	if (r == IPM_R_ICV_BAD) {
		r = ipm_esp_resync(op, win, t, *seq);
		*resynced = t->o->icv_ok;
	}
	return r;
}

static enum ipm_go
esp_input(struct ipm_in *in, struct ipm_derived_sa *dsa)
{
	struct ipm_span esp = ipm_span_from(ipm_in_span(in), in->off);
	struct ipm_sa *sa = sa_at(in, dsa->off);
	struct ipm_replay *win = ipm_arena_at(&in->path->s->arena, sa->replay);
	uint8_t *buf = other_buffer(in);
	struct ipm_layer layer;
	struct ipm_opening op = opening(in, &layer);
	struct ipm_esp_opened eo;
	struct ipm_esp_try t = { &dsa->esp, esp, buf + in->off,
		sizeof in->path->work->buf[0] - in->off, &eo };
	enum ipm_reason r, moved;
	bool resynced;
	uint64_t seq;
	enum ipm_go go = esp_before(in, dsa, &op, esp, &seq);

	if (go != IPM_GO_ON)
		return go;
	r = esp_open(in, &op, win, &t, &seq, &resynced);
	go = count_crypto(in, dsa, sa, r);
	if (go != IPM_GO_ON)
		return go;
	/* facts datapath 0.1: NULL encryption counts as well. */
	if (has_auth(&dsa->esp))
		in->m.flags |= IPM_M_AUTHIPDGM;
	in->m.flags |= IPM_M_DECRYPTED;
	if (window_use(in, &dsa->esp).move && !resynced) {
		moved = ipm_window_move(&op, win, seq);
		if (moved != IPM_R_OK)
			return drop_at(in, IPM_PROTO_ESP, moved);
	}
	return esp_after(in, dsa->off, &eo, r, buf);
}

/* --- AH ---------------------------------------------------------------------------- */

/* What ah_input counts on its way to the verdict r. */
static enum ipm_go
ah_counted(struct ipm_in *in, const struct ipm_sa *sa,
    const struct ipm_ah_opened *ao, enum ipm_reason r)
{
	if (r == IPM_R_BAD_LENGTH)
		return drop_at(in, IPM_PROTO_AH, r);
	in->path->s->stats.v[IPM_ST_AH_ibytes] +=
	    in->m.len - in->off - ao->ahlen;
	if (r == IPM_R_EXT_BAD || r == IPM_R_OPTION_BAD)
		return ipm_in_drop(in, IPM_ST_AH_hdrops, r);
	if (r == IPM_R_CRYPTO_FAILED || r == IPM_R_NO_MEMORY)
		return drop_at(in, IPM_PROTO_AH, r);
	use(in, IPM_SG_AH, ipm_sa_auth_number(sa));
	return r == IPM_R_OK ? IPM_GO_ON : drop_at(in, IPM_PROTO_AH, r);
}

/* AH goes, what follows it moves up. */
static void
ah_close(struct ipm_in *in, const struct ipm_ah_opened *ao)
{
	uint8_t *at = in->m.p + in->off;

	in->m.p[protocol_octet(in)] = ao->next_header;
	memmove(at, at + ao->ahlen, in->m.len - in->off - ao->ahlen);
	in->m.len -= ao->ahlen;
}

static enum ipm_reason
ah_open(struct ipm_in *in, struct ipm_opening *op, struct ipm_replay *win,
    const struct ipm_ah_try *t, uint64_t seq)
{
	enum ipm_reason r = ipm_ah_open(t->sa, op->pf, t->knobs, t->ip, seq,
	    t->scratch, t->cap, false, op->trace, t->o);

	if (r == IPM_R_BAD_LENGTH || r == IPM_R_EXT_BAD ||
	    r == IPM_R_OPTION_BAD)
		return r;
	if (fault(in, IPM_FAULT_NOMEM))
		return IPM_R_NO_MEMORY;
	if (fault(in, IPM_FAULT_CIPHER))
		return IPM_R_CRYPTO_FAILED;
	if (r == IPM_R_ICV_BAD)
		return ipm_ah_resync(op, win, t, seq);
	if (r == IPM_R_OK && !t->sa->old)
		return ipm_window_move(op, win, seq);
	return r;
}

static enum ipm_go
ah_input(struct ipm_in *in, struct ipm_derived_sa *dsa)
{
	struct ipm_span ah = ipm_span_from(ipm_in_span(in), in->off);
	struct ipm_sa *sa = sa_at(in, dsa->off);
	struct ipm_replay *win = ipm_arena_at(&in->path->s->arena, sa->replay);
	struct ipm_ah_knobs knobs = ipm_knob_ah(&in->path->s->sysctls);
	struct ipm_ah_opened ao;
	struct ipm_layer layer;
	struct ipm_opening op = opening(in, &layer);
	struct ipm_ip ip;
	uint32_t seq_lo;
	uint64_t seq;
	enum ipm_reason r;
	enum ipm_go go;

	if (ipm_ah_peek(&dsa->ah, ah, &seq_lo) != IPM_R_OK)
		return ipm_in_drop(in, IPM_ST_AH_hdrops, IPM_R_BAD_LENGTH);
	/* [AH-3.4.3-06] */
	r = ipm_window_check(&op, win, !dsa->ah.old, seq_lo, &seq);
	if (r != IPM_R_OK) {
		go = refused_early(in, sa, win, r);
		if (go != IPM_GO_ON)
			return go;
	}
	ipm_in_view(in, in->off, IPM_PROTO_AH, in->nxt_off, &ip);
	r = ah_open(in, &op, win,
	    &(struct ipm_ah_try){ &dsa->ah, &knobs, &ip, in->path->work->head,
		sizeof in->path->work->head, &ao },
	    seq);
	go = ah_counted(in, sa, &ao, r);
	if (go != IPM_GO_ON)
		return go;
	in->m.flags |= IPM_M_AUTHIPHDR | IPM_M_AUTHIPDGM;
	ah_close(in, &ao);
	return ipm_decap(in, dsa->off);
}

/* --- IPcomp ------------------------------------------------------------------------- */

/*
 * FreeBSD sets no limit: what is longer than any IP packet has a length field
 * of 16 bits in the end, and IP input cuts it there.  Deflate makes of an octet
 * 1032 at most.
 */
static enum ipm_reason
inflate_all(struct ipm_in *in, struct ipm_span packet, uint8_t *out, size_t cap,
    struct ipm_ipcomp_opened *co)
{
	const struct ipm_alloc *alloc = in->path->env->alloc;
	size_t most = packet.len * 1032 + 64;
	uint8_t *all = alloc->resize(alloc->ctx, NULL, 0, most);
	enum ipm_reason r;

	if (all == NULL)
		return IPM_R_NO_MEMORY;
	r = ipm_ipcomp_open(in->path->env->comp, in->path->pf, packet, most,
	    all, most, in->path->trace, co);
	if (r == IPM_R_OK) {
		in->beyond = co->payload.len > cap ? co->payload.len - cap : 0;
		memcpy(out, all, co->payload.len - in->beyond);
		co->payload = ipm_span(out, co->payload.len - in->beyond);
	}
	(void)alloc->resize(alloc->ctx, all, most, 0);
	return r;
}

static enum ipm_reason
inflate(struct ipm_in *in, struct ipm_span packet, uint8_t *out, size_t cap,
    struct ipm_ipcomp_opened *co)
{
	size_t head = in->family == 4 ? in->off : in->off - IPM_IP6_HLEN;
	bool nested = packet.p[0] == IPM_PROTO_IPCOMP;
	enum ipm_reason r;

	if (in->path->env->comp == NULL)
		return IPM_R_NO_PROVIDER;
	if (!nested && fault(in, IPM_FAULT_NOMEM))
		return IPM_R_NO_MEMORY;
	if (!nested && fault(in, IPM_FAULT_INFLATE))
		return IPM_R_INFLATE_FAILED;
	r = ipm_ipcomp_open(in->path->env->comp, in->path->pf, packet,
	    65535 - head, out, cap, in->path->trace, co);
	if (r == IPM_R_INFLATE_TOO_BIG &&
	    ipm_sw(in->path->pf, IPM_SW_COMP_LIMIT) == IPM_COMPLIMIT_WRAP)
		r = inflate_all(in, packet, out, cap, co);
	return r;
}

static enum ipm_go
ipcomp_input(struct ipm_in *in, struct ipm_derived_sa *dsa)
{
	struct ipm_span packet = ipm_span_from(ipm_in_span(in), in->off);
	uint8_t *buf = other_buffer(in);
	struct ipm_ipcomp_opened co;
	const struct ipm_sa *sa = sa_at(in, dsa->off);
	enum ipm_reason r = inflate(in, packet, buf + in->off,
	    sizeof in->path->work->buf[0] - in->off, &co);
	const struct ipm_alg *row = ipm_sa_alg(sa->comp);

	if (r != IPM_R_OK)
		return drop_at(in, IPM_PROTO_IPCOMP, r);
	use(in, IPM_SG_IPCOMP,
	    sa->sadb_enc != 0 || row == NULL ? sa->sadb_enc
					     : row->sadb_freebsd);
	take(in, buf, co.payload.len, co.next_header);
	return ipm_decap(in, dsa->off);
}

/* --- the common entry ----------------------------------------------------------------- */

static uint32_t
spi_of(uint8_t proto, struct ipm_span h)
{
	switch (proto) {
	case IPM_PROTO_ESP:
		return ipm_load32(h.p);
	case IPM_PROTO_AH:
		return ipm_load32(h.p + 4);
	default:
		return ipm_load16(h.p + 2);
	}
}

static enum ipm_go
transform(struct ipm_in *in, struct ipm_derived_sa *dsa)
{
	switch (dsa->proto) {
	case IPM_PROTO_ESP:
		return esp_input(in, dsa);
	case IPM_PROTO_AH:
		return ah_input(in, dsa);
	default:
		return ipcomp_input(in, dsa);
	}
}

/* [ARCH-5.2-05] ipsec_common_input (facts datapath 2.4). */
static enum ipm_go
common_input(struct ipm_in *in, const struct proto_row *row)
{
	struct ipm_span h = ipm_span_from(ipm_in_span(in), in->off);
	struct ipm_derived_sa *dsa;

	ipm_count(in->path, row->input);
	if (!ipm_knob_enabled(&in->path->s->sysctls, row->proto))
		return ipm_in_drop(in, row->pdrops, IPM_R_PROTO_DISABLED);
	if (h.len < 8)
		return ipm_in_drop(in, row->hdrops, IPM_R_BAD_LENGTH);
	dsa = find(in, row->proto, spi_of(row->proto, h));
	if (dsa == NULL)
		return ipm_in_drop(in, row->notdb, IPM_R_NO_SA);
	if ((sa_at(in, dsa->off)->flags & IPM_SAF_NATT) != 0 &&
	    ipm_sw(in->path->pf, IPM_SW_NATT_PLAIN) == IPM_OFF)
		return ipm_in_drop(in, row->notdb, IPM_R_ENCAP_MISMATCH);
	if (dsa->err != IPM_OK)
		return ipm_in_drop(in, row->noxform, IPM_R_NO_PROVIDER);
	return transform(in, dsa);
}

enum ipm_go
ipm_ipsec_input(struct ipm_in *in, uint8_t proto, bool open)
{
	const struct proto_row *row = row_of(proto);

	if (row != NULL)
		return open ? common_input(in, row) : IPM_GO_ON;
	if (last_header(in->family, proto) &&
	    ipm_policy_rejects(in->path, &in->m, 0))
		return ipm_in_end(in, IPM_R_POLICY_MISMATCH);
	return IPM_GO_ON;
}

/* --- ESP in UDP ------------------------------------------------------------------------ */

/* The UDP header goes, and with it IPv4 options went before. */
static void
drop_udp(struct ipm_in *in)
{
	uint8_t *at = in->m.p + in->off;

	memmove(at, at + 8, in->m.len - in->off - 8);
	in->m.len -= 8;
	in->m.p[in->family == 4 ? 9 : in->nxt_off] = IPM_PROTO_ESP;
}

/* [NATT-ports-01] [NATT-ports-02] [NATT-5.2-02] */
static bool
ports_fit(const struct ipm_in *in, const struct ipm_sa *sa, uint16_t sport,
    uint16_t dport)
{
	if ((sa->flags & IPM_SAF_NATT) == 0 || sa->dport != dport)
		return false;
	return ipm_sw(in->path->pf, IPM_SW_NATT_PORTS) == IPM_NATT_ANY_SOURCE ||
	    sa->sport == sport;
}

/* [NATT-3.3-01] [NATT-3.5-01] [NATT-2.2-01] [NATT-2.3-04] udp_ipsec_input (facts datapath 2.9). */
enum ipm_go
ipm_udp_ipsec_input(struct ipm_in *in, uint16_t sport, uint16_t dport)
{
	struct ipm_span data = ipm_span_from(ipm_in_span(in), in->off + 8);
	struct ipm_derived_sa *dsa;

	if (ipm_udpencap_classify(in->path->pf, data) != IPM_UDPENCAP_ESP)
		return IPM_GO_ON;
	if (!ipm_knob_enabled(&in->path->s->sysctls, IPM_PROTO_ESP) &&
	    ipm_sw(in->path->pf, IPM_SW_NATT_ESP_ENABLE) == IPM_NATT_OBEY)
		return ipm_in_drop(in, IPM_ST_ESP_pdrops, IPM_R_PROTO_DISABLED);
	ipm_trace_add(
	    in->path->trace, IPM_STEP_UDP_ENCAP, IPM_R_OK, sport, dport);
	dsa = find(in, IPM_PROTO_ESP, ipm_load32(data.p));
	if (dsa == NULL)
		return ipm_in_drop(in, IPM_ST_ESP_notdb, IPM_R_NO_SA);
	if (!ports_fit(in, sa_at(in, dsa->off), sport, dport))
		return ipm_in_drop(in, IPM_ST_ESP_notdb, IPM_R_ENCAP_MISMATCH);
	ipm_count(in->path, IPM_ST_ESP_input);
	if (dsa->err != IPM_OK)
		return ipm_in_drop(in, IPM_ST_ESP_noxform, IPM_R_NO_PROVIDER);
	drop_udp(in);
	return esp_input(in, dsa);
}
