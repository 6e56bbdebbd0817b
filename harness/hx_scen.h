#ifndef HX_SCEN_H
#define HX_SCEN_H

/*
 * Scenarios: text files of events and of the effects expected of them, in the
 * manner of packetdrill.  A line is an event; lines that begin with ">" say
 * what must come of the event before them, each with a requirement's id in
 * square brackets at its end, if it has one.  docs/formats.md has the grammar.
 *
 *     scenario 1
 *     if red0 mtu 1500 10.1.0.1/24
 *     setkey add 192.0.2.1 192.0.2.2 esp 0x1000 -m tunnel -E null "" ;
 *     in red0 udp src=10.1.0.5:5 dst=10.2.0.7:7000 text="hello"
 *     > transmit blk1 ip.proto=50 esp.spi=0x1000 esp.seq=1   [ESP-3.3.3-01]
 */

#include <stdbool.h>
#include <stddef.h>

#include "hx_err.h"

#define HX_SCEN_WORDS 64U

/* One line that says something. */
struct hx_scen_line {
	unsigned line;    /* from 1 */
	bool expect;      /* began with ">" */
	const char *text; /* as written, without blanks at its ends */
	size_t n;
	char *word[HX_SCEN_WORDS]; /* quotes taken away */
	const char *id;            /* of a requirement, or NULL */
};

struct hx_scen {
	const char *file;
	struct hx_scen_line *line;
	size_t n;
	char *texts, *words; /* what the lines point at */
	size_t len;          /* octets of each */
};

/*
 * Reads a scenario ("-" standard input).  False with one line in *err:
 * unreadable, no `scenario 1` at the top, a quote that does not end, an
 * expectation before any event, too many words.
 */
bool hx_scen_read(const char *file, struct hx_scen *s, struct hx_err *err);
/* The same from a text of len octets, which is copied; `file` is what errors
 * call it. */
bool hx_scen_parse(const char *text, size_t len, const char *file,
    struct hx_scen *s, struct hx_err *err);
void hx_scen_free(struct hx_scen *s); /* wipes: keys may stand in it */

#endif
