/*
 * A recorded packet is opened as its receiver would, on a copy of the state, so
 * that nothing of it is left in the model.  A sender draws while it works from
 * the inside to the outside, and an opened packet shows its layers from the
 * outside to the inside: what was read is put on the tape in reverse.
 *
 * Behind what was read the tape goes on with zeros for packets that the
 * recording does not show.
 */
#include <stdlib.h>
#include <string.h>

#include "hx_recording_path.h"
#include "transform/ipm_esp.h"
#include "transform/ipm_knobs.h"

#define LAYERS 8U

/* One layer's draws. */
struct draw {
	uint8_t octets[16 + IPM_ESP_PAD_MAX];
	size_t len;
	struct ipm_span stream; /* IPcomp */
	uint8_t *copy;
};

struct reader {
	struct hx_choices *c;
	struct hx_node *n;
	struct ipm_state s; /* a copy */
	struct draw draw[LAYERS];
	size_t n_draws;
	uint16_t outer_id[LAYERS]; /* of IPv4 headers, outermost first */
	size_t n_ids;
};

static void
note_esp(struct reader *r, const struct ipm_opened_layer *l)
{
	const struct ipm_esp_opened *o = l->esp;
	const struct ipm_esp_sa *sa = &l->sa->esp;
	struct draw *d = &r->draw[r->n_draws++];

	d->len = 0;
	if (sa->pad_fill == IPM_PAD_RANDOM ||
	    sa->pad_fill == IPM_PAD_UNWRITTEN) {
		memcpy(d->octets, o->choices.pad, o->choices.pad_len);
		d->len = o->choices.pad_len;
	}
	if (sa->enc->nonce != IPM_NONCE_IV)
		return;
	memcpy(d->octets + d->len, o->choices.iv, sa->enc->iv_len);
	d->len += sa->enc->iv_len;
}

static void
note_stream(struct reader *r, const struct ipm_opened_layer *l)
{
	struct ipm_span s = l->ipcomp->compressed;
	struct draw *d = &r->draw[r->n_draws++];

	d->len = 0;
	d->copy = malloc(s.len + 1);
	if (d->copy == NULL)
		return;
	memcpy(d->copy, s.p, s.len);
	d->stream = ipm_span(d->copy, s.len);
}

static void
note_id(struct reader *r, struct ipm_span packet)
{
	if (packet.len >= IPM_IP4_HLEN && packet.p[0] >> 4 == 4 &&
	    r->n_ids < LAYERS)
		r->outer_id[r->n_ids++] = ipm_load16(packet.p + 4);
}

static void
opened(void *ctx, const struct ipm_opened_layer *l)
{
	struct reader *r = ctx;

	if (r->n_draws == LAYERS)
		return;
	note_id(r, l->ip->packet);
	if (l->esp != NULL)
		note_esp(r, l);
	else if (l->ipcomp != NULL)
		note_stream(r, l);
}

static void
put(struct hx_node *n, struct hx_choices *c, const uint8_t *p, size_t len)
{
	if (len > sizeof n->draws - c->drawn)
		len = sizeof n->draws - c->drawn;
	if (len != 0)
		memcpy(n->draws + c->drawn, p, len);
	c->drawn += len;
}

static void
put_layers(struct reader *r)
{
	struct hx_choices *c = r->c;

	for (size_t i = r->n_draws; i-- > 0;) {
		struct draw *d = &r->draw[i];

		put(r->n, c, d->octets, d->len);
		if (d->copy != NULL && c->n_streams < HX_STREAMS_MAX)
			c->stream[c->n_streams++] =
			    (struct hx_octets){ d->copy, d->stream.len };
		else
			free(d->copy);
		*d = (struct draw){ 0 };
	}
}

static void
keep_inner(struct hx_choices *c, struct ipm_span inner)
{
	uint8_t *p = malloc(inner.len + 1);

	hx_octets_free(&c->inner);
	if (p == NULL)
		return;
	if (inner.len != 0)
		memcpy(p, inner.p, inner.len);
	c->inner = (struct hx_octets){ p, inner.len };
}

/* The first identification that the stack gave to a packet of this step: of
 * its innermost header if that was made here, not forwarded, else of the
 * innermost one around it.  0 with DF was given by no counter. */
static void
take_id(struct reader *r, const struct ipm_ip *ip)
{
	size_t i = r->n_ids;

	if (r->c->has_id)
		return;
	if (ip->version == 4 && ip->frag_id != 0 &&
	    ipm_host_owns(&r->n->e.ipm.host, &ip->src)) {
		r->c->id = (uint16_t)ip->frag_id;
		r->c->has_id = true;
		return;
	}
	while (i-- > 0) {
		if (r->outer_id[i] == 0)
			continue;
		r->c->id = r->outer_id[i];
		r->c->has_id = true;
		return;
	}
}

/* The packet with all layers off; as it came, when one cannot be opened. */
static void
read_inner(struct reader *r, const struct ipm_observation *o)
{
	struct ipm_span in = o->reason == IPM_R_OK ? o->inner : o->packet;
	struct ipm_ip ip;

	if (o->reason == IPM_R_FRAG_PENDING ||
	    ipm_ip_parse(in, false, &ip) != IPM_R_OK)
		return;
	if (r->n_ids == 0)
		note_id(r, o->packet);
	keep_inner(r->c, in);
	take_id(r, &ip);
}

/* One packet on the wire, perhaps a fragment of one. */
static void
read_packet(struct reader *r, struct ipm_span packet)
{
	struct hx_engine *e = &r->n->check->engine;
	struct ipm_observe_opts opts = { .opened = opened,
		.opened_ctx = r,
		.ah_knobs = ipm_knob_ah(&r->s.sysctls) };
	struct ipm_env env = hx_node_env(r->n);
	struct ipm_observation *o = malloc(sizeof *o);
	struct ipm_derived d;
	struct ipm_profile pf;

	if (o == NULL)
		return;
	/* An observer, but with the AH that the stack has. */
	ipm_profile_init(&pf, IPM_PF_OBSERVER);
	pf.value[IPM_SW_AH_RULES] = ipm_sw(r->n->profile, IPM_SW_AH_RULES);
	pf.value[IPM_SW_AH_IP6_OPTION] =
	    ipm_sw(r->n->profile, IPM_SW_AH_IP6_OPTION);
	ipm_derived_init(&d, &e->crypto, &e->alloc);
	r->n_draws = r->n_ids = 0;
	if (ipm_derived_sync(&d, &r->s.sad, &r->s.arena) == IPM_OK) {
		ipm_observe(&r->s, &d, &pf, &env, packet, 0, &opts, e->work, o);
		put_layers(r);
		read_inner(r, o);
	}
	ipm_derived_free(&d);
	free(o);
}

/* IPv6: the identification that a packet's fragments share. */
static bool
frag_id(struct ipm_span p, uint8_t id[4], bool *last)
{
	if (p.len < 48 || p.p[0] >> 4 != 6 || p.p[6] != IPM_PROTO_FRAGMENT)
		return false;
	memcpy(id, p.p + 44, 4);
	*last = (p.p[43] & 1) == 0;
	return true;
}

static enum ipm_err
give_stream(const struct ipm_compressor *comp, struct ipm_span src,
    uint8_t *dst, size_t *len)
{
	struct hx_choices *c = comp->ctx;
	struct hx_octets *s = &c->stream[c->next_stream];
	uint8_t *plain;
	size_t n = src.len + 1;
	bool fits = false;

	if (c->next_stream < c->n_streams && s->len <= *len &&
	    (plain = malloc(n)) != NULL) {
		fits = c->real->decompress(c->real, hx_span(s), plain, &n) ==
			IPM_OK &&
		    n == src.len && memcmp(plain, src.p, n) == 0;
		free(plain);
	}
	if (!fits)
		return c->real->compress(c->real, src, dst, len);
	c->next_stream++;
	memcpy(dst, s->p, s->len);
	*len = s->len;
	return IPM_OK;
}

static enum ipm_err
inflate(const struct ipm_compressor *comp, struct ipm_span src, uint8_t *dst,
    size_t *len)
{
	const struct hx_choices *c = comp->ctx;

	return c->real->decompress(c->real, src, dst, len);
}

void
hx_choices_read(struct hx_choices *c, struct hx_node *n, const json_t *emitted)
{
	struct reader *r = calloc(1, sizeof *r);
	const json_t *one;
	size_t i;

	*c = (struct hx_choices){ .real = &n->check->engine.comp,
		.comp = { .name = "recorded",
		    .compress = give_stream,
		    .decompress = inflate } };
	c->comp.ctx = c;
	memset(n->draws, 0, sizeof n->draws);
	n->tape = (struct ipm_tape){ { n->draws, sizeof n->draws }, 0 };
	if (r == NULL)
		return;
	r->c = c;
	r->n = n;
	if (ipm_state_clone(&r->s, &n->e.ipm, &n->check->engine.alloc) !=
	    IPM_OK) {
		free(r);
		return;
	}
	json_array_foreach(emitted, i, one)
	{
		struct hx_octets o;
		uint8_t id[4];
		bool last;

		if (!hx_step_octets(one, "packet", &o))
			continue;
		read_packet(r, hx_span(&o));
		/* Drawn once, when the whole packet was made. */
		if (frag_id(hx_span(&o), id, &last) && last)
			put(n, c, id, sizeof id);
		hx_octets_free(&o);
	}
	if (c->has_id)
		n->e.ipm.host.ip_id = c->id;
	ipm_state_free(&r->s, &n->check->engine.alloc);
	free(r);
}

void
hx_choices_free(struct hx_choices *c)
{
	for (size_t i = 0; i < c->n_streams; i++)
		hx_octets_free(&c->stream[i]);
	hx_octets_free(&c->inner);
}
