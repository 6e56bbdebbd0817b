#ifndef HX_LOCAL_INT_H
#define HX_LOCAL_INT_H

/*
 * What the two parts of `replay --local` share: the host that the model plays
 * (hx_local_host.c) and the frames it is held against (hx_local.c).  Nobody
 * else includes this.
 */

#include <jansson.h>

#include "hx_config.h"
#include "hx_engine.h"
#include "hx_model.h"
#include "hx_sent.h"

#define HX_LOCAL_LOCALS_MAX  8U
#define HX_LOCAL_SYSCTLS_MAX 32U
#define HX_LOCAL_PENDING_MAX 4096U

struct hx_local_opts {
	const char *config, *capture, *expect;
	struct ipm_profile profile;
	struct ipm_addr local[HX_LOCAL_LOCALS_MAX];
	size_t n_locals;
	const char *sysctl[HX_LOCAL_SYSCTLS_MAX];
	size_t n_sysctls;
	uint32_t mtu;
	bool forward, json, quiet;
};

/* A packet that the model sent and the capture has not shown yet. */
struct hx_local_sent {
	struct hx_octets packet;
	uint64_t frame; /* whose event it came of */
	int iface;
};

/* One side's opener: an observer whose SAs have no windows. */
struct hx_local_opener {
	struct hx_engine engine;
	struct ipm_observation o;
};

struct hx_local {
	const struct hx_local_opts *opt;
	struct hx_sent sent; /* what the capture has shown of it */
	struct hx_model x;
	struct hx_config cfg;
	struct hx_local_opener capture, model;
	struct hx_local_sent *pending; /* HX_LOCAL_PENDING_MAX */
	size_t n_pending;
	int clear, wire; /* interfaces; the same of a host */
	uint64_t frame;  /* being judged */
	int reply_errno; /* of the last PF_KEY message */
	json_t *sending; /* what the event in hand sent */
	bool no_memory, too_many;
	bool compared; /* what the event sends is held against the capture */
	uint32_t last_socket;
	uint64_t frames, inputs, outputs, drops, differing, missing, unseen;
};

/* An observer with the configuration's SAs, windows off.  False: no provider or
 * memory, or an SA that cannot be. */
bool hx_local_open_opener(
    struct hx_local_opener *p, const struct hx_config *cfg);

/* SAs and policies through a PF_KEY socket, then interfaces, routes and
 * sockets, then the sysctls of the command line.  False with one line. */
bool hx_local_configure(struct hx_local *l, struct hx_err *err);
void hx_local_set_host(struct hx_local *l);
bool hx_local_set_sysctls(struct hx_local *l, struct hx_err *err);

/* One event; what it sends is kept as l->sending and l->compared say. */
void hx_local_step(
    struct hx_local *l, const struct pfk_event *ev, struct pfk_outcome *out);

/* Is it the host's own address? */
bool hx_local_is(const struct hx_local_opts *o, const struct ipm_addr *a);
/* Somebody listens where the clear packet goes. */
void hx_local_expect_socket(struct hx_local *l, struct ipm_span clear);

#endif
