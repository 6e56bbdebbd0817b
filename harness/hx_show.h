#ifndef HX_SHOW_H
#define HX_SHOW_H

/* One judged frame as a JSON object and as a line for a person. */

#include <stdio.h>

#include "hx_engine.h"

/* A frame's number and time beside what the model said of it. */
struct hx_judged {
	uint64_t number;
	uint64_t sec;
	uint32_t nsec;
	uint64_t since_ns; /* since the capture's first frame */
	const struct ipm_observation *o;
	const struct ipm_trace *trace; /* or NULL: no steps */
	uint64_t completed_by;         /* frame, 0 none */
	uint64_t taken_by;             /* of a replayed number, 0 not known */
	bool colour;
};

/* The layers as a JSON list; `values` adds what --explain shows of them. */
void hx_show_layers(FILE *out, const struct ipm_observation *o, bool values);

/* {"frame":1,...} and a newline. */
void hx_show_json(FILE *out, const struct hx_judged *j);

/* The heading of the lines below it. */
void hx_show_heading(FILE *out);
/* One line, and one more for each step. */
void hx_show_line(FILE *out, const struct hx_judged *j);

/* Everything that is known of one frame. */
void hx_show_full(FILE *out, const struct hx_judged *j);

/* What an IP packet is, in a few words ("10.1.0.5 > 10.2.0.7  icmp echo
 * request, 84 octets"). */
void hx_show_packet(FILE *out, struct ipm_span packet);

#endif
