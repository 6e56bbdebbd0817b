#include "ipm_out.h"

#include <string.h>

#include "ipm_open.h"
#include "transform/ipm_knobs.h"
#include "transform/ipm_udpencap.h"

/* FreeBSD compresses no packet of up to so many octets (IPComp's minlen). */
#define COMP_THRESHOLD 90U

/* One transform at work. */
struct seal {
	struct ipm_path *path;
	struct ipm_pkt *m;
	struct ipm_sa *sa;
	struct ipm_derived_sa *dsa;
	uint8_t version;
	size_t hlen;      /* of what stays in front */
	size_t proto_off; /* of the octet that names what follows */
	uint8_t *out;
};

static struct ipm_sealed
refuse(enum ipm_reason reason, int err)
{
	return (struct ipm_sealed){ .reason = reason, .err = err };
}

/* Ends the packet with its reason's counters. */
static struct ipm_sealed
refuse_counted(const struct seal *s, enum ipm_reason reason, int err)
{
	(void)ipm_stats_reason(&s->path->s->stats, reason, s->sa->proto);
	return refuse(reason, err);
}

/* What the header is put in front of. */
static struct ipm_span
payload(const struct seal *s)
{
	return ipm_span(s->m->p + s->hlen, s->m->len - s->hlen);
}

static uint8_t
next_header(const struct seal *s)
{
	return s->m->p[s->proto_off];
}

/*
 * Where the header goes.  FreeBSD puts it right behind the fixed IPv6 header,
 * whatever follows it there (Q17); RFC 4301 4.1 wants it behind the extension
 * headers [ARCH-4.1-15].
 */
static void
place(struct seal *s)
{
	struct ipm_ip ip;

	if (s->version == 4) {
		s->hlen = (size_t)(s->m->p[0] & 15) * 4;
		s->proto_off = 9;
		return;
	}
	s->hlen = IPM_IP6_HLEN;
	s->proto_off = 6;
	if (ipm_sw(s->path->pf, IPM_SW_IP6_PLACE) == IPM_IP6_FRONT)
		return;
	if (ipm_ip_parse(ipm_span(s->m->p, s->m->len), false, &ip) ==
		IPM_R_OK &&
	    !ip.fragment) {
		s->hlen = ip.hlen;
		s->proto_off = ip.proto_off;
	}
}

static void
set_length(uint8_t *p, uint8_t version, size_t len)
{
	if (version == 4)
		ipm_store16(p + 2, (uint16_t)len);
	else
		ipm_store16(p + 4, (uint16_t)(len - IPM_IP6_HLEN));
}

/* The result stands in s->out from hlen on: the old header in front of it. */
static struct ipm_sealed
take(const struct seal *s, size_t len)
{
	struct ipm_pkt *m = s->m;

	memcpy(s->out, m->p, s->hlen);
	s->out[s->proto_off] = s->sa->proto;
	m->p = s->out;
	m->len = s->hlen + len;
	set_length(m->p, s->version, m->len);
	return refuse(IPM_R_OK, 0);
}

/*
 * The next sequence number, the first is 1 [ESP-3.3.3-01] [AH-3.3.2-01]; false:
 * there is none [ESP-3.3.3-02] [AH-3.3.2-02], unless the SA may cycle
 * [ESP-3.3.3-09] [AH-3.3.2-06] [ARCH-4.4.2.1-03].
 */
static bool
next_seq(struct seal *s, uint64_t *seq)
{
	bool esn = (s->sa->flags & IPM_SAF_ESN) != 0;
	uint64_t last = esn ? UINT64_MAX : UINT32_MAX;
	bool cycles = (s->sa->flags & IPM_SAF_CYCSEQ) != 0 ||
	    (s->sa->proto == IPM_PROTO_ESP &&
		ipm_sw(s->path->pf, IPM_SW_ESP_SEQ_OVERFLOW) == IPM_SEQ_WRAP);

	if ((s->sa->out_seq & last) == last && !cycles)
		return false;
	/* FreeBSD's option REGRESSION: the peer is to see a replay. */
	if (s->path->s->sysctls.v[IPM_SV_TEST_REPLAY] == 0)
		s->sa->out_seq++;
	*seq = s->sa->out_seq & last;
	return true;
}

/* The IV counter of CTR and the combined modes, from 0 (Q27). */
static void
counter_iv(struct ipm_sa *sa, uint8_t *iv, size_t len)
{
	uint8_t be[8];
	size_t n = len < sizeof be ? len : sizeof be;

	ipm_store64(be, sa->out_iv++);
	memset(iv, 0, len);
	memcpy(iv + len - n, be + sizeof be - n, n);
}

static bool
make_iv(struct seal *s, const struct ipm_alg *alg, uint8_t *iv)
{
	const uint8_t *random;

	if (alg->nonce == IPM_NONCE_CTR || alg->nonce == IPM_NONCE_SALT_IV) {
		counter_iv(s->sa, iv, alg->iv_len);
		return true;
	}
	random = ipm_tape_take(s->path->env->random, alg->iv_len);
	if (random == NULL)
		return false;
	memcpy(iv, random, alg->iv_len);
	return true;
}

static bool
fault(const struct seal *s, enum ipm_fault which)
{
	return (s->path->faults & which) != 0;
}

/* FreeBSD's option REGRESSION: the peer is to see a forged packet, whose ICV
 * is at `at` of the new one. */
static void
spoil_icv(const struct seal *s, size_t at, size_t len)
{
	if (s->path->s->sysctls.v[IPM_SV_TEST_INTEGRITY] != 0)
		memset(s->out + at, 0, len);
}

/* --- ESP ------------------------------------------------------------------- */

static void
count_esp(const struct seal *s)
{
	struct ipm_stats *st = &s->path->s->stats;

	ipm_stats_use(st, s->path->pf, IPM_SG_ESP, ipm_sa_cipher_number(s->sa));
	if (ipm_sa_auth_number(s->sa) != 0)
		ipm_stats_use(
		    st, s->path->pf, IPM_SG_AH, ipm_sa_auth_number(s->sa));
}

static struct ipm_sealed
seal_esp(struct seal *s)
{
	const struct ipm_esp_sa *esp = &s->dsa->esp;
	struct ipm_stats *st = &s->path->s->stats;
	struct ipm_esp_choices c = { 0 };
	struct ipm_span in = payload(s);
	size_t total, len;

	st->v[IPM_ST_ESP_output]++;
	c.pad_len = ipm_esp_pad_to(esp,
	    ipm_knob_ctr_blocks(&s->path->s->sysctls, s->path->pf), in.len);
	total = s->hlen + (esp->old ? 4U : 8U) + esp->enc->iv_len + in.len +
	    c.pad_len + 2U + ipm_esp_icv_len(esp);
	if (total > 65535)
		return refuse_counted(s, IPM_R_TOO_BIG, IPM_EMSGSIZE);
	st->v[IPM_ST_ESP_obytes] += in.len;
	if (!next_seq(s, &c.seq))
		return refuse_counted(s, IPM_R_SEQ_OVERFLOW, IPM_EACCES);
	if (!ipm_esp_pad_make(esp, s->path->env->random, &c))
		return refuse(IPM_R_NO_RANDOM, IPM_EIO);
	/* The number is spent, whatever comes. */
	if (fault(s, IPM_FAULT_NOMEM))
		return refuse_counted(s, IPM_R_NO_MEMORY, IPM_ENOBUFS);
	if (!make_iv(s, esp->enc, c.iv))
		return refuse(IPM_R_NO_RANDOM, IPM_EIO);
	if (fault(s, IPM_FAULT_CIPHER) ||
	    ipm_esp_seal(esp, &c, next_header(s), in, s->out + s->hlen,
		IPM_OUT_CAP - s->hlen, &len) != IPM_OK)
		return refuse_counted(s, IPM_R_CRYPTO_FAILED, 0);
	count_esp(s);
	spoil_icv(
	    s, s->hlen + len - ipm_esp_icv_len(esp), ipm_esp_icv_len(esp));
	return take(s, len);
}

/* --- AH -------------------------------------------------------------------- */

/* Octets that the header is filled to: 0 for what RFC 4302 2.6 wants, as
 * Linux's align4 asks for. */
static size_t
fill_to(const struct ipm_profile *pf, const struct ipm_ah_sa *ah)
{
	static const uint8_t to[] = { [IPM_AHPAD_ANY] = 0,
		[IPM_AHPAD_RFC4302] = 0,
		[IPM_AHPAD_4] = 4,
		[IPM_AHPAD_8] = 8 };

	return ah->align4 ? 0 : to[ipm_sw(pf, IPM_SW_AH_ICV_PAD)];
}

static struct ipm_sealed
seal_ah(struct seal *s)
{
	const struct ipm_ah_sa *ah = &s->dsa->ah;
	struct ipm_ah_knobs knobs = ipm_knob_ah(&s->path->s->sysctls);
	struct ipm_stats *st = &s->path->s->stats;
	struct ipm_ah_choices c = { 0 };
	struct ipm_span in = payload(s);
	uint16_t sum = ipm_load16(s->m->p + 10);
	enum ipm_reason r = IPM_R_CRYPTO_FAILED;
	size_t ahlen, len = 0;

	st->v[IPM_ST_AH_output]++;
	ahlen = ipm_ah_len(ah, s->version, fill_to(s->path->pf, ah));
	c.fill_len = (uint8_t)(ahlen - ipm_ah_len(ah, s->version, 1));
	if (ahlen + s->m->len > 65535)
		return refuse_counted(s, IPM_R_TOO_BIG, IPM_EMSGSIZE);
	st->v[IPM_ST_AH_obytes] += in.len;
	if (!next_seq(s, &c.seq))
		return refuse_counted(s, IPM_R_SEQ_OVERFLOW, IPM_EACCES);
	if (fault(s, IPM_FAULT_NOMEM))
		return refuse_counted(s, IPM_R_NO_MEMORY, IPM_ENOBUFS);
	if (!make_iv(s, ah->auth, c.iv))
		return refuse(IPM_R_NO_RANDOM, IPM_EIO);
	if (!fault(s, IPM_FAULT_CIPHER))
		r = ipm_ah_seal(ah, s->path->pf, &knobs, &c,
		    ipm_span(s->m->p, s->hlen), s->version, s->proto_off,
		    next_header(s), in, true, s->out, IPM_OUT_CAP, &len);
	/* A header that cannot be walked is told to the sender, uncounted. */
	if (r == IPM_R_OPTION_BAD || r == IPM_R_EXT_BAD)
		return refuse(r, IPM_EINVAL);
	if (r != IPM_R_OK)
		return refuse_counted(s, IPM_R_CRYPTO_FAILED, 0);
	ipm_stats_use(st, s->path->pf, IPM_SG_AH, ipm_sa_auth_number(s->sa));
	if (s->version == 4)
		ipm_store16(s->out + 10, sum);
	spoil_icv(s,
	    s->hlen + ipm_ah_len(ah, s->version, 1) - ipm_ah_icv_len(ah),
	    ipm_ah_icv_len(ah));
	s->m->p = s->out;
	s->m->len = len;
	return refuse(IPM_R_OK, 0);
}

/* --- IPcomp ---------------------------------------------------------------- */

static enum ipm_err
deflate(struct seal *s, size_t *len, enum ipm_ipcomp_made *made)
{
	const struct ipm_compressor *comp = s->path->env->comp;
	struct ipm_ipcomp_rules rules = { .threshold = COMP_THRESHOLD,
		.count_header = ipm_sw(s->path->pf, IPM_SW_COMP_GAIN) ==
		    IPM_GAIN_WITH_HEADER };

	if (comp == NULL || fault(s, IPM_FAULT_DEFLATE))
		return IPM_ERR_PROVIDER;
	return ipm_ipcomp_seal(comp, &rules, (uint16_t)s->sa->spi,
	    next_header(s), s->m->len, payload(s), ipm_span(NULL, 0),
	    s->out + s->hlen, IPM_OUT_CAP - s->hlen, len, made);
}

/* [MAN-proto-04] [IPCOMP-2.2-01] [IPCOMP-2.2-02] [IPCOMP-2.2-03]
 * [IPCOMP-2.2-05] [MAN-bugs-06] */
static struct ipm_sealed
seal_ipcomp(struct seal *s)
{
	struct ipm_stats *st = &s->path->s->stats;
	const struct ipm_alg *alg = ipm_sa_alg(s->sa->comp);
	enum ipm_ipcomp_made made;
	size_t len;

	if (s->m->len <= COMP_THRESHOLD) {
		st->v[IPM_ST_IPCOMP_threshold]++;
		return (
		    struct ipm_sealed){ .reason = IPM_R_OK, .in_line = true };
	}
	st->v[IPM_ST_IPCOMP_output]++;
	if (s->m->len + IPM_IPCOMP_HLEN > 65535)
		return refuse_counted(s, IPM_R_TOO_BIG, IPM_EMSGSIZE);
	st->v[IPM_ST_IPCOMP_obytes] += s->m->len - s->hlen;
	if (fault(s, IPM_FAULT_NOMEM))
		return refuse_counted(s, IPM_R_NO_MEMORY, IPM_ENOBUFS);
	if (deflate(s, &len, &made) != IPM_OK)
		return refuse_counted(s, IPM_R_DEFLATE_FAILED, 0);
	ipm_stats_use(st, s->path->pf, IPM_SG_IPCOMP,
	    alg == NULL ? 0 : alg->sadb_freebsd);
	if (made == IPM_IPCOMP_SENT)
		return take(s, len);
	st->v[IPM_ST_IPCOMP_uncompr]++;
	return refuse(IPM_R_OK, 0);
}

/* --- all ------------------------------------------------------------------- */

struct ipm_sealed
ipm_seal(struct ipm_path *path, struct ipm_pkt *m, ipm_off sa)
{
	struct seal s = { .path = path,
		.m = m,
		.sa = ipm_arena_at(&path->s->arena, sa),
		.version = ipm_out_version(m),
		.out = ipm_out_buffer(path, m) };

	place(&s);
	if (s.sa->proto == IPM_PROTO_IPCOMP)
		return seal_ipcomp(&s);
	s.dsa = ipm_derived_of(path->d, &path->s->arena, sa);
	/* [MAN-crypto-01] Never in the clear for want of a provider. */
	if (s.dsa == NULL || s.dsa->err != IPM_OK)
		return refuse_counted(&s, IPM_R_NO_PROVIDER, IPM_ENXIO);
	return s.sa->proto == IPM_PROTO_ESP ? seal_esp(&s) : seal_ah(&s);
}

/* [NATT-2.1-01] [NATT-2.1-02] [NATT-3.2-01] [NATT-3.2-02] [NATT-3.4-01] */
enum ipm_reason
ipm_seal_udp(struct ipm_path *path, struct ipm_pkt *m, const struct ipm_sa *sa)
{
	uint8_t version = ipm_out_version(m), *out = ipm_out_buffer(path, m);
	struct seal s = { .path = path, .m = m, .version = version };
	size_t hlen;

	if (version != 4 && ipm_sw(path->pf, IPM_SW_NATT_IPV6) == IPM_OFF)
		return IPM_R_NATT_IPV6;
	place(&s);
	hlen = s.hlen;
	if (m->len + 8 > 65535 ||
	    !ipm_udpencap_build(
		sa->sport, sa->dport, m->len - hlen, out + hlen))
		return IPM_R_TOO_BIG;
	memcpy(out, m->p, hlen);
	memcpy(out + hlen + 8, m->p + hlen, m->len - hlen);
	m->p = out;
	m->len += 8;
	m->p[s.proto_off] = IPM_PROTO_UDP;
	set_length(m->p, version, m->len);
	if (version == 6)
		ipm_udp_fill_sum(m->p, m->len, hlen);
	return IPM_R_OK;
}
