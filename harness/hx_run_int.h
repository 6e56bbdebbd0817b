#ifndef HX_RUN_INT_H
#define HX_RUN_INT_H

/*
 * What the events of a scenario (hx_run_event.c) and what is expected of them
 * (hx_run.c) share; nobody else includes this.
 */

#include "hx_make.h"
#include "hx_run.h"

/* One verb: the words behind it, checked first, carried out later. */
struct hx_verb {
	const char *name;
	size_t min, max; /* words behind it */
	/*
	 * Reads the words; carries them out when `go`.  Names are looked up
	 * when `go` alone.  False with one phrase in why.
	 */
	bool (*run)(struct hx_run *r, const struct hx_scen_line *l, bool go,
	    char *why, size_t len);
	bool packet; /* the event carries one */
};

/* The event of this word, or NULL. */
const struct hx_verb *hx_verb_find(const char *name);

/* Always false, the phrase written. */
__attribute__((format(printf, 3, 4))) bool hx_run_no(
    char *why, size_t len, const char *fmt, ...);

uint32_t hx_name_id(const struct hx_names *n, const char *name); /* 0 none */
const char *hx_name_of(const struct hx_names *n, uint32_t id);   /* "?" */

/* Steps with this event and keeps its effects. */
void hx_run_step(struct hx_run *r, const struct pfk_event *ev);

#endif
