#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_salist.h"

/* What the SAD would take without a word although it means nothing; or NULL. */
static const char *
protocol_refusal(const struct ipm_sa_config *c)
{
	const bool sequenced =
	    c->proto == IPM_PROTO_ESP || c->proto == IPM_PROTO_AH;

	if ((c->flags & IPM_SAF_ESN) != 0 && !sequenced)
		return "extended sequence numbers belong to ESP and AH";
	if (c->last_seq != 0 && !sequenced)
		return "only ESP and AH have sequence numbers";
	/* [freebsd parse.y] setkey(8) refuses -r with the -old protocols. */
	if (c->window != 0 && (c->flags & IPM_SAF_OLD) != 0)
		return "the old protocols have no sequence number to check";
	if ((c->flags & IPM_SAF_NATT) != 0 && (c->sport == 0 || c->dport == 0))
		return "UDP encapsulation needs two ports";
	return NULL;
}

/* Why this SPI is not given to an SA, as a phrase in buf; or NULL. */
static const char *
spi_refusal(const struct ipm_sa_config *c, char *buf, size_t len)
{
	/* [ESP-2.1-12] [AH-2.4-09] Zero never stands on the wire. */
	if (c->spi == 0) {
		(void)snprintf(buf, len, "SPI 0 is never used for an SA");
		return buf;
	}
	/* [ESP-2.1-11] [AH-2.4-08] [freebsd key.c key_add] */
	if (c->spi <= 255 &&
	    (c->proto == IPM_PROTO_ESP || c->proto == IPM_PROTO_AH)) {
		(void)snprintf(buf, len, "SPI %u is reserved (1 to 255)",
		    (unsigned)c->spi);
		return buf;
	}
	if (c->proto != IPM_PROTO_IPCOMP)
		return NULL;
	/* [freebsd key.c key_add] A raw CPI may have more bits there, but only
	 * 16 go on the wire and no packet would find that SA. */
	if (c->spi > 0xffff) {
		(void)snprintf(buf, len, "CPI 0x%x has more than 16 bits",
		    (unsigned)c->spi);
		return buf;
	}
	/* [IPCOMP-3.3-05] 1 to 63 are the well-known algorithms;
	 * [IPCOMP-3.3-06] 64 to 255 are reserved. */
	if (c->spi >= 64 && c->spi <= 255) {
		(void)snprintf(buf, len, "CPI %u is reserved (64 to 255)",
		    (unsigned)c->spi);
		return buf;
	}
	return NULL;
}

static bool
key_fits(const struct ipm_alg *alg, struct ipm_span key)
{
	return alg == NULL ? key.len == 0
			   : key.len >= alg->salt_len &&
		ipm_alg_key_ok(alg, key.len - alg->salt_len);
}

const char *
hx_sa_refusal(
    const struct ipm_sa_config *c, char *buf, size_t len, enum hx_sa_part *part)
{
	const char *why = spi_refusal(c, buf, len);

	*part = HX_SA_SPI;
	if (why != NULL)
		return why;
	*part = HX_SA_WHOLE;
	why = protocol_refusal(c);
	if (why != NULL)
		return why;
	why = ipm_sad_refusal(c, buf, len);
	if (why == NULL)
		return NULL;
	if (!key_fits(c->enc, c->enc_key))
		*part = HX_SA_ENC_KEY;
	else if (!key_fits(c->auth, c->auth_key))
		*part = HX_SA_AUTH_KEY;
	return why;
}

/* FNV-1a over destination, protocol and SPI. */
static uint64_t
hash(const struct ipm_addr *dst, uint8_t proto, uint32_t spi)
{
	const uint8_t tail[] = { dst->family, proto, (uint8_t)(spi >> 24),
		(uint8_t)(spi >> 16), (uint8_t)(spi >> 8), (uint8_t)spi };
	uint64_t h = 0xcbf29ce484222325U;

	for (size_t i = 0; i < sizeof(dst->octet); i++)
		h = (h ^ dst->octet[i]) * 0x100000001b3U;
	for (size_t i = 0; i < sizeof(tail); i++)
		h = (h ^ tail[i]) * 0x100000001b3U;
	return h ^ h >> 32;
}

static size_t *
bucket_of(const struct hx_salist *l, const struct ipm_sa_config *c)
{
	return &l->bucket[hash(&c->dst, c->proto, c->spi) & (l->n_buckets - 1)];
}

static void
link_in(struct hx_salist *l, size_t i)
{
	size_t *b = bucket_of(l, &l->sas[i].cfg);

	l->sas[i].next = *b;
	*b = i + 1;
}

/* Makes room for one more; false when memory is short. */
static bool
grow(struct hx_salist *l)
{
	if (l->n < l->cap)
		return true;

	const size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
	struct hx_sa *sas = realloc(l->sas, cap * sizeof(*sas));
	if (sas == NULL)
		return false;
	l->sas = sas;
	/* cap moves last: a list without its buckets stays as it was. */
	size_t *bucket = calloc(cap, sizeof(*bucket));
	if (bucket == NULL)
		return false;
	free(l->bucket);
	l->bucket = bucket;
	l->n_buckets = cap;
	l->cap = cap;
	for (size_t i = 0; i < l->n; i++)
		if (!l->sas[i].gone)
			link_in(l, i);
	return true;
}

static bool
find(const struct hx_salist *l, const struct ipm_sa_config *c, size_t *other)
{
	if (l->n_buckets == 0)
		return false;
	for (size_t i = *bucket_of(l, c); i != 0; i = l->sas[i - 1].next) {
		const struct hx_sa *sa = &l->sas[i - 1];
		if (!sa->gone && sa->cfg.proto == c->proto &&
		    sa->cfg.spi == c->spi &&
		    ipm_addr_equal(&sa->cfg.dst, &c->dst)) {
			*other = i - 1;
			return true;
		}
	}
	return false;
}

enum ipm_err
hx_salist_add(struct hx_salist *l, const struct ipm_sa_config *c, unsigned line,
    size_t *other)
{
	if (find(l, c, other))
		return IPM_ERR_EXISTS;
	if (!grow(l))
		return IPM_ERR_NOMEM;

	/* One octet at least, so that malloc's NULL means one thing. */
	uint8_t *keys = malloc(c->enc_key.len + c->auth_key.len + 1);
	if (keys == NULL)
		return IPM_ERR_NOMEM;
	if (c->enc_key.len != 0)
		memcpy(keys, c->enc_key.p, c->enc_key.len);
	if (c->auth_key.len != 0)
		memcpy(keys + c->enc_key.len, c->auth_key.p, c->auth_key.len);

	struct hx_sa *sa = &l->sas[l->n];
	memset(sa, 0, sizeof(*sa));
	sa->cfg = *c;
	sa->cfg.enc_key = ipm_span(keys, c->enc_key.len);
	sa->cfg.auth_key = ipm_span(keys + c->enc_key.len, c->auth_key.len);
	sa->line = line;
	sa->keys = keys;

	link_in(l, l->n++);
	return IPM_OK;
}

void
hx_sa_exists(struct hx_err *err, const char *file, unsigned line, unsigned col,
    const struct ipm_sa_config *c, const struct hx_sa *other)
{
	const char *proto = c->proto == IPM_PROTO_ESP ? "esp"
	    : c->proto == IPM_PROTO_AH                ? "ah"
	    : c->proto == IPM_PROTO_IPCOMP            ? "ipcomp"
						      : "tcp";
	char dst[46];

	hx_err_set(err, file, line, col,
	    "the SA %s %s 0x%08x is already added in line %u", proto,
	    ipm_addr_text(&c->dst, dst), (unsigned)c->spi, other->line);
}

static void
drop_keys(struct hx_sa *sa)
{
	if (sa->keys != NULL)
		ipm_wipe(sa->keys, sa->cfg.enc_key.len + sa->cfg.auth_key.len);
	free(sa->keys);
	sa->keys = NULL;
	sa->cfg.enc_key = ipm_span(NULL, 0);
	sa->cfg.auth_key = ipm_span(NULL, 0);
}

bool
hx_salist_delete(struct hx_salist *l, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint8_t proto, uint32_t spi)
{
	struct ipm_sa_config c;
	size_t i;

	memset(&c, 0, sizeof(c));
	c.dst = *dst;
	c.proto = proto;
	c.spi = spi;
	if (!find(l, &c, &i) || !ipm_addr_equal(&l->sas[i].cfg.src, src))
		return false;
	/* Out of its chain, so that chains hold the living alone. */
	size_t *link = bucket_of(l, &c);
	while (*link != i + 1)
		link = &l->sas[*link - 1].next;
	*link = l->sas[i].next;
	drop_keys(&l->sas[i]);
	l->sas[i].gone = true;
	return true;
}

void
hx_salist_sweep(struct hx_salist *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!l->sas[i].gone)
			l->sas[n++] = l->sas[i];
	l->n = n;
	if (l->n_buckets == 0)
		return;
	memset(l->bucket, 0, l->n_buckets * sizeof(*l->bucket));
	for (size_t i = 0; i < n; i++)
		link_in(l, i);
}

void
hx_salist_delete_all(struct hx_salist *l, const struct ipm_addr *src,
    const struct ipm_addr *dst, uint8_t proto)
{
	for (size_t i = 0; i < l->n; i++) {
		struct hx_sa *sa = &l->sas[i];

		if (sa->gone || (proto != 0 && sa->cfg.proto != proto) ||
		    (src != NULL && !ipm_addr_equal(&sa->cfg.src, src)) ||
		    (dst != NULL && !ipm_addr_equal(&sa->cfg.dst, dst)))
			continue;
		drop_keys(sa);
		sa->gone = true;
	}
	hx_salist_sweep(l);
}

void
hx_salist_free(struct hx_salist *l)
{
	for (size_t i = 0; i < l->n; i++)
		drop_keys(&l->sas[i]);
	free(l->sas);
	free(l->bucket);
	memset(l, 0, sizeof(*l));
}

/* The zone behind '%': a decimal number of at most 32 bits. */
static bool
zone_parse(const char *text, uint32_t *zone)
{
	uint64_t v = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = 10 * v + (uint64_t)(*text - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*zone = (uint32_t)v;
	return true;
}

bool
hx_addr_parse(const char *text, size_t len, struct ipm_addr *a)
{
	char buf[INET6_ADDRSTRLEN + 16];

	memset(a, 0, sizeof(*a));
	if (len == 0 || len >= sizeof(buf) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';

	if (inet_pton(AF_INET, buf, a->octet) == 1) {
		a->family = 4;
		return true;
	}
	char *percent = strchr(buf, '%');
	if (percent != NULL) {
		*percent = '\0';
		if (!zone_parse(percent + 1, &a->scope))
			return false;
	}
	if (inet_pton(AF_INET6, buf, a->octet) == 1) {
		a->family = 6;
		return true;
	}
	memset(a, 0, sizeof(*a));
	return false;
}

uint32_t
hx_sa_flag_by_name(const char *word, size_t len)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} flags[] = {
		{ "noecn", IPM_SAF_NOECN },
		{ "decap-dscp", IPM_SAF_DECAP_DSCP },
		{ "nopmtudisc", IPM_SAF_NOPMTUDISC },
		{ "align4", IPM_SAF_ALIGN4 },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strlen(flags[i].word) == len &&
		    memcmp(flags[i].word, word, len) == 0)
			return flags[i].flag;
	return 0;
}
