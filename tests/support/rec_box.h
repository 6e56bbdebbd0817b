#ifndef REC_BOX_H
#define REC_BOX_H

/*
 * The recordings of a FreeBSD 13 stack (vectors/freebsd, schema
 * ipsec-recording) against the inbound path: the steps of a case go through
 * the key engine, the sysctls and ipm_input, and what an injected packet
 * caused is compared with what was recorded: packets emitted, datagrams
 * delivered, counters, filter hooks.
 *
 * What depends on a sender's free choices (identification, flow label, TCP
 * sequence numbers, ciphertext) is not compared, nor what depends on mbufs.
 */

#include <jansson.h>

#include "ipm_path.h"
#include "pfk_engine.h"

#define REC_FX 32U

struct rec_fx {
	struct ipm_effect fx;
	uint8_t *octets;
};

struct rec_box {
	struct pfk_engine e;
	struct ipm_provider provider;
	struct ipm_compressor comp;
	struct ipm_derived d;
	struct ipm_profile pf;
	struct ipm_env env;
	struct ipm_tape tape;
	struct ipm_work *work;
	struct ipm_path path;
	uint32_t key_sock;
	struct rec_fx fx[REC_FX];
	size_t n_fx;
	char sock[32][48]; /* names; the id is the place plus 1 */
	size_t n_socks;
	enum ipm_reason fate; /* of the last packet injected */
};

void rec_box_open(struct rec_box *b);
void rec_box_close(struct rec_box *b);

/* A freshly started node with the case's forwarding and MTU. */
void rec_start(struct rec_box *b, const json_t *c);

/*
 * One step.  NULL: as recorded; else the first difference, in a static buffer.
 * *known is false for a step that this box does not know (a send, ...).
 */
const char *rec_step(struct rec_box *b, const json_t *step, bool *known);

/* The case of that name in vectors/freebsd/FILE.json; json_decref *root. */
json_t *rec_case(const char *file, const char *id, json_t **root);

struct rec_count {
	size_t cases, packets; /* compared */
	size_t skipped;        /* cases with a step that is not known */
};

/*
 * Every case of a file whose id begins with `prefix`, steps up to the first
 * unknown one; asserts on a difference.  each: called after every injected
 * packet, or NULL.
 */
struct rec_count rec_run(const char *file, const char *prefix,
    void (*each)(struct rec_box *b, void *ctx), void *ctx);

#endif
