#ifndef IPM_DERIVED_H
#define IPM_DERIVED_H

/*
 * Data that can be thrown away and rebuilt from the state at any time: the
 * indexes over the SAD and the SPD and the keyed crypto sessions.  Never copied with a
 * state, never digested; keyed by the SA's serial number.  It follows one
 * state: a copy that has gone its own way gives its next SA the serial number
 * that the original gives to another one, so it needs derived data of its own.
 */

#include "../transform/ipm_ah.h"
#include "../transform/ipm_esp.h"
#include "ipm_sad.h"
#include "ipm_sahindex.h"
#include "ipm_spdindex.h"

/* What the data path needs of one SA, ready to use. */
struct ipm_derived_sa {
	uint64_t serial;
	ipm_off off;      /* of the SA in the arena; 0: gone */
	uint8_t proto;    /* the SA's, and which member is meant */
	uint8_t opened;   /* the session was asked for */
	uint8_t natt;     /* a port of natt_ports is its */
	enum ipm_err err; /* why there is no session */
	union {
		struct ipm_esp_sa esp; /* proto 50 */
		struct ipm_ah_sa ah;   /* proto 51; 6 has its session here */
	};
};

/* index 0: free. */
struct ipm_derived_slot {
	uint32_t hash, index; /* into sas, plus 1 */
	ipm_off off;          /* 0: gone */
};

struct ipm_derived {
	const struct ipm_provider *provider;
	const struct ipm_alloc *alloc;
	struct ipm_spdindex spd;    /* keeps itself in step */
	struct ipm_sahindex sah;    /* likewise */
	uint64_t generation;        /* of the SAD it was built from; 0: none */
	uint64_t n_gone;            /* likewise */
	struct ipm_derived_sa *sas; /* count entries, live of them not gone */
	struct ipm_derived_slot *slots; /* open addressing */
	uint32_t n_slots, count, live, cap;
	uint32_t
	    *pairs; /* IPcomp SAs by source and destination: index plus 1 */
	uint32_t n_pairs, n_comp;
	uint64_t probes; /* slots that ipm_derived_find looked at so far */
	bool natt_any;   /* some SA wants UDP encapsulation */
	uint8_t natt_ports[8192]; /* a bit for each destination port of those */
};

void ipm_derived_init(struct ipm_derived *d,
    const struct ipm_provider *provider, const struct ipm_alloc *alloc);

/* Brings the index up to date with the SAD.  IPM_OK or IPM_ERR_NOMEM. */
enum ipm_err ipm_derived_sync(struct ipm_derived *d, const struct ipm_sad *sad,
    const struct ipm_arena *a);

/*
 * The SA of destination, protocol and SPI (the first added, where profiles
 * allow several), or NULL.  The session is opened at the first call that finds
 * it; ->err says what came of that.  The index must be in step.
 */
struct ipm_derived_sa *ipm_derived_find(struct ipm_derived *d,
    const struct ipm_arena *a, const struct ipm_addr *dst, uint8_t proto,
    uint32_t spi);

/* The same of one SA, or NULL when it is none of the index. */
struct ipm_derived_sa *ipm_derived_of(
    struct ipm_derived *d, const struct ipm_arena *a, ipm_off off);

/*
 * The first IPcomp SA of this mode from src to dst, or 0: a packet between its
 * ends may be one that it declined to compress.
 */
ipm_off ipm_derived_comp_between(const struct ipm_derived *d,
    const struct ipm_arena *a, const struct ipm_addr *src,
    const struct ipm_addr *dst, enum ipm_mode mode);

/* Does some SA expect ESP in UDP on this destination port? */
static inline bool
ipm_derived_natt_port(const struct ipm_derived *d, uint16_t port)
{
	return (d->natt_ports[port / 8] >> port % 8 & 1) != 0;
}

/* Closes every session, frees everything. */
void ipm_derived_free(struct ipm_derived *d);

#endif
