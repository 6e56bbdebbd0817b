#ifndef HX_SENT_H
#define HX_SENT_H

/*
 * What a host sent beside what the model sends in its place.  A sender's free
 * choices (IV, sequence number, padding, IP identification, flow label) may
 * differ; all else is told field by field.
 */

#include <jansson.h>

#include "ipm_observe.h"

#define HX_SENT_SLOTS 1024U

/* The last sequence number that the host used on an SA. */
struct hx_sent_number {
	enum ipm_layer_kind kind;
	uint32_t spi;
	uint64_t seq;
};

/* Zero it to begin with.  Direct-mapped: it forgets, never grows. */
struct hx_sent {
	struct hx_sent_number last[HX_SENT_SLOTS];
};

/* A packet as it was sent, and opened. */
struct hx_sent_packet {
	struct ipm_span sealed;
	const struct ipm_observation *o;
};

/* What the opened packet holds: the inner one, or itself when it was clear. */
struct ipm_span hx_sent_clear(const struct ipm_observation *o);

/* Appends {"field":where+field,"model":..,"capture":..} to the list. */
void hx_sent_differs(json_t *diff, const char *where, const char *field,
    const char *model, const char *capture);

/*
 * Appends every difference between the model's packet and the capture's.
 *
 *   whole  the outer headers of both are there, not those of fragments
 *
 * Sequence numbers of the capture must grow, SA by SA [ESP-3.3.3-01].
 */
void hx_sent_compare(struct hx_sent *s, const struct hx_sent_packet *model,
    const struct hx_sent_packet *capture, bool whole, json_t *diff);

#endif
