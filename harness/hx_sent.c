#include "hx_sent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hx_fields.h"

struct ipm_span
hx_sent_clear(const struct ipm_observation *o)
{
	return ipm_reasons[o->reason].verdict == IPM_V_ACCEPT ? o->inner
							      : o->packet;
}

/* Fields of an outer header that a sender may choose. */
static bool
is_free(const char *name)
{
	static const char *const names[] = { "ip.id", "ip.sum", "ip.flow",
		"frag.id", "udp.sum" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

struct comparison {
	json_t *diff;
	struct ipm_span model, capture;
	bool outer;      /* stop at the first IPsec header */
	bool any_length; /* the paddings differ, so may the lengths */
};

void
hx_sent_differs(json_t *diff, const char *where, const char *field,
    const char *model, const char *capture)
{
	char name[48];

	(void)snprintf(name, sizeof name, "%s%s", where, field);
	(void)json_array_append_new(diff,
	    json_pack("{s:s, s:s, s:s}", "field", name, "model", model,
		"capture", capture));
}

/* Of the outer packet only the headers in front of IPsec's are told. */
static bool
is_outer(const char *name)
{
	if (strcmp(name, "udp.data") == 0)
		return false;
	return strncmp(name, "ip.", 3) == 0 || strncmp(name, "udp.", 4) == 0 ||
	    strncmp(name, "frag.", 5) == 0 ||
	    strncmp(name, "hopopts.", 8) == 0 ||
	    strncmp(name, "dstopts.", 8) == 0 ||
	    strncmp(name, "routing.", 8) == 0;
}

static void
on_difference(void *ctx, const struct hx_field *m, const struct hx_field *c)
{
	struct comparison *p = ctx;
	const struct hx_field *f = m != NULL ? m : c;
	char tm[HX_FIELD_TEXT_MAX] = "-", tc[HX_FIELD_TEXT_MAX] = "-";

	if (p->outer && (is_free(f->name) || !is_outer(f->name)))
		return;
	if (p->outer && p->any_length &&
	    (strcmp(f->name, "ip.len") == 0 || strcmp(f->name, "udp.len") == 0))
		return;
	if (m != NULL)
		(void)hx_field_text(p->model, m, tm);
	if (c != NULL)
		(void)hx_field_text(p->capture, c, tc);
	hx_sent_differs(p->diff, p->outer ? "" : "inner ", f->name, tm, tc);
}

static void
compare_layers(const struct ipm_observation *m, const struct ipm_observation *c,
    json_t *diff)
{
	char a[64], b[64];

	if (m->n_layers != c->n_layers) {
		(void)snprintf(a, sizeof a, "%zu", m->n_layers);
		(void)snprintf(b, sizeof b, "%zu", c->n_layers);
		hx_sent_differs(diff, "", "layers", a, b);
		return;
	}
	for (size_t i = 0; i < m->n_layers; i++) {
		const struct ipm_layer *lm = &m->layer[i], *lc = &c->layer[i];
		const struct {
			const char *name;
			uint64_t m, c;
		} members[] = { { "kind", lm->kind, lc->kind },
			{ "spi", lm->spi, lc->spi }, { "nh", lm->nh, lc->nh },
			{ "ahlen", lm->ahlen, lc->ahlen } };

		for (size_t k = 0; k < sizeof members / sizeof members[0]; k++)
			if (members[k].m != members[k].c) {
				char where[24];

				(void)snprintf(where, sizeof where, "%s.",
				    ipm_layer_name(lc->kind));
				(void)snprintf(
				    a, sizeof a, "%" PRIu64, members[k].m);
				(void)snprintf(
				    b, sizeof b, "%" PRIu64, members[k].c);
				hx_sent_differs(
				    diff, where, members[k].name, a, b);
			}
	}
}

/* The slot of an SA's last number. */
static struct hx_sent_number *
last_of(struct hx_sent *s, const struct ipm_layer *y)
{
	uint32_t h = (y->spi * 0x9e3779b1U) ^ (uint32_t)y->kind;

	return &s->last[h % HX_SENT_SLOTS];
}

/* [ESP-3.3.3-01] A sender chooses its numbers, but they only grow. */
static void
check_numbers(struct hx_sent *s, const struct ipm_observation *c, json_t *diff)
{
	for (size_t i = 0; i < c->n_layers; i++) {
		const struct ipm_layer *y = &c->layer[i];
		uint64_t seq = y->seq | (uint64_t)y->seq_hi << 32;
		struct hx_sent_number *last;
		char a[40], b[24];

		if (!y->has_seq)
			continue;
		last = last_of(s, y);
		if (last->spi == y->spi && last->kind == y->kind &&
		    seq <= last->seq) {
			(void)snprintf(
			    a, sizeof a, "more than %" PRIu64, last->seq);
			(void)snprintf(b, sizeof b, "%" PRIu64, seq);
			hx_sent_differs(diff, "", "seq", a, b);
		}
		*last = (struct hx_sent_number){ y->kind, y->spi, seq };
	}
}

/* Another pad length makes another packet length. */
static bool
pads_alike(const struct ipm_observation *m, const struct ipm_observation *c)
{
	for (size_t i = 0; i < m->n_layers && i < c->n_layers; i++)
		if (m->layer[i].padlen != c->layer[i].padlen)
			return false;
	return true;
}

void
hx_sent_compare(struct hx_sent *s, const struct hx_sent_packet *model,
    const struct hx_sent_packet *capture, bool whole, json_t *diff)
{
	const struct ipm_observation *m = model->o, *c = capture->o;
	struct comparison p = { .diff = diff,
		.model = model->sealed,
		.capture = capture->sealed,
		.outer = c->n_layers != 0 || m->n_layers != 0,
		.any_length = !pads_alike(m, c) };

	check_numbers(s, c, diff);
	if (whole)
		(void)hx_fields_diff(p.model, p.capture, on_difference, &p);
	if (!p.outer)
		return;
	compare_layers(m, c, diff);
	p.outer = false;
	p.model = hx_sent_clear(m);
	p.capture = hx_sent_clear(c);
	(void)hx_fields_diff(p.model, p.capture, on_difference, &p);
}
