#ifndef HX_RUN_H
#define HX_RUN_H

/*
 * A scenario being run: each line's event goes through the model's one door,
 * its effects are kept until the next event and held against what the lines
 * behind it expect.
 */

#include <stdio.h>

#include "hx_model.h"
#include "hx_pcap_out.h"
#include "hx_scen.h"

#define HX_NAMES_MAX 64U

/* One thing that came of an event, ready to be compared and printed. */
struct hx_fx {
	char verb[12];    /* transmit deliver drop pfkey filter tap log */
	char subject[48]; /* interface, socket, reason, hook */
	char from[64];    /* deliver: ADDR PORT */
	struct hx_octets octets;
	bool taken; /* an expectation matched it */
};

struct hx_names {
	char name[HX_NAMES_MAX][40];
	uint32_t id[HX_NAMES_MAX];
	size_t n;
};

struct hx_run {
	struct hx_model x;
	const struct hx_scen *s;
	struct hx_pcap_out *enc;     /* what enc0 captures, or NULL */
	struct hx_names socks, keys; /* sockets; PF_KEY sockets */
	struct ipm_host host;        /* as the lines so far describe it */
	/* The last event: */
	const struct hx_scen_line *event;
	struct pfk_outcome out;
	struct ipm_stats before; /* counters before it */
	struct hx_fx *fx;
	size_t n_fx, cap_fx;
	bool has_value;
	int64_t value;      /* sysctl read */
	bool strict;        /* an expectation was seen */
	bool kind_asked[3]; /* filter, tap, log */
	bool no_memory;
};

/*
 * A run that has carried out nothing.  The scenario's own `profile` lines
 * change *pf unless `fixed`.  False with one line: no provider, no memory, or
 * a line that is no event or expectation: everything is checked before
 * anything is run.
 */
bool hx_run_open(struct hx_run *r, const struct hx_scen *s,
    const struct ipm_profile *pf, bool fixed, struct hx_err *err);
void hx_run_close(struct hx_run *r);

/* Carries out line i, an event.  False with one line in *err (a name nobody
 * introduced, a value out of range). */
bool hx_run_event(struct hx_run *r, size_t i, struct hx_err *err);

/* Holds line i, an expectation, against the last event.  "" when it holds,
 * else one phrase in why. */
bool hx_run_expect(struct hx_run *r, size_t i, char *why, size_t len);

/* When all expectations of an event were held: did something else come of it
 * as well?  One phrase in why then. */
bool hx_run_settle(struct hx_run *r, char *why, size_t len);

/* One effect as the expectation that would match it ("transmit blk1 45.."). */
void hx_fx_print(
    const struct hx_run *r, const struct hx_fx *fx, FILE *out, bool show_keys);

/* Is the line, an event, one that carries a packet (in, out, send)? */
bool hx_run_line_is_packet(const struct hx_scen_line *l);

/* An event beside the scenario's: its effects are forgotten, r->out is set. */
void hx_run_sysctl(struct hx_run *r, const struct pfk_event *ev);

#endif
