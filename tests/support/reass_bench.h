#ifndef REASS_BENCH_H
#define REASS_BENCH_H

/*
 * A reassembly table with its memory, a source of fragments, and a record of
 * what the table told of each frame.  Everything here asserts (Criterion).
 */

#include "model/db/ipm_reass.h"

#define REASS_FRAMES 4096

struct reass_bench {
	struct ipm_arena arena;
	struct ipm_alloc alloc;
	struct ipm_profile pf; /* at first the observer's */
	struct ipm_reass t;
	struct ipm_reass_lost lost;
	unsigned flags;      /* of what is offered */
	uint64_t now, frame; /* frame: number of the last one offered */
	/* Of each frame: what was told, by which frame, how often. */
	enum ipm_reason told[REASS_FRAMES];
	uint64_t by[REASS_FRAMES];
	unsigned times[REASS_FRAMES];
	uint8_t out[66000];
	size_t cap; /* of out */
	struct ipm_span packet;
	size_t pieces;
};

struct reass_bench *reass_bench_new(void);
void reass_bench_free(struct reass_bench *b);

struct ipm_reass_env reass_bench_env(struct reass_bench *b);

/* One fragment; fields left 0 mean version 4, Not-ECT, no options. */
struct reass_frag {
	unsigned version;
	uint32_t id, off;
	bool more;
	const uint8_t *payload;
	size_t len;
	uint8_t tos;
	uint8_t proto;  /* 0: UDP */
	uint8_t src;    /* added to the last octet of the source address */
	size_t options; /* IPv4: octets of no operation, a multiple of 4 */
};

/* The fragment as a packet in p (70000 octets); returns its length. */
size_t reass_frag_build(const struct reass_frag *f, uint8_t *p);

enum ipm_reason reass_offer(struct reass_bench *b, const struct reass_frag *f);

/* The same for the octets of a packet. */
enum ipm_reason reass_offer_packet(struct reass_bench *b, struct ipm_span p);

/* Lets `seconds` pass. */
void reass_wait(struct reass_bench *b, uint64_t seconds);

#endif
