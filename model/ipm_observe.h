#ifndef IPM_OBSERVE_H
#define IPM_OBSERVE_H

/*
 * The observer's view of one packet: every IPsec layer whose SA is configured
 * is opened as its destination would open it, without policy, until a layer
 * refuses or nothing is left to open.
 */

#include "db/ipm_derived.h"
#include "db/ipm_state.h"
#include "ipm_env.h"
#include "ipm_trace.h"
#include "transform/ipm_ah.h"
#include "transform/ipm_esp.h"
#include "transform/ipm_ipcomp.h"

#define IPM_LAYERS_MAX 16U

enum ipm_layer_kind {
	IPM_L_ESP,
	IPM_L_AH,
	IPM_L_IPCOMP,
	IPM_L_IPIP,
	IPM_L_UDP_ENCAP,
	IPM_N_LAYER_KINDS
};
const char *ipm_layer_name(enum ipm_layer_kind k);

/* One header undone, outermost first; the last one refused on a drop. */
struct ipm_layer {
	enum ipm_layer_kind kind;
	struct ipm_addr src, dst;
	uint32_t spi;          /* or CPI */
	uint16_t sport, dport; /* udp-encap */
	uint8_t mode;          /* enum ipm_mode of the SA */
	bool has_sa;           /* an SA was found */
	bool has_seq, has_seq_hi, has_nh, has_pad, has_iv, has_ahlen;
	uint32_t seq, seq_hi;
	uint8_t nh, padlen, ivlen;
	uint8_t iv[16];
	uint16_t ahlen;
	uint32_t tfc;    /* octets behind the inner packet */
	bool has_window; /* the numbers below are set */
	uint32_t window; /* packets */
	uint64_t top;    /* before this packet */
	uint8_t icv_len; /* on icv-bad: computed and received */
	bool has_computed;
	uint8_t computed[IPM_ICV_MAX], received[IPM_ICV_MAX];
};

/* Memory for one packet's work; the caller keeps it between packets. */
struct ipm_work {
	uint8_t buf[2][IPM_IP_MAX + 64];
	uint8_t reass[IPM_IP_MAX + 64];
	uint8_t head[IPM_IP_MAX + 64];   /* AH's view of the header */
	uint8_t out[2][IPM_IP_MAX + 64]; /* the outbound path's own */
};

/*
 * Called for each layer that was opened, before the next one is looked at,
 * with the packet as it stood before and what was read off it: a checker
 * seals again and compares.  Whatever is NULL does not apply.
 */
struct ipm_opened_layer {
	const struct ipm_ip *ip; /* the packet this layer stood in */
	const struct ipm_layer *layer;
	const struct ipm_derived_sa *sa;
	const struct ipm_esp_opened *esp;
	const struct ipm_ah_opened *ah;
	const struct ipm_ipcomp_opened *ipcomp;
	struct ipm_span sealed; /* the octets of this layer's header
					   and everything behind it */
};

struct ipm_observe_opts {
	bool explain;            /* compute the right ICV for a bad one */
	struct ipm_trace *trace; /* or NULL */
	void (*opened)(void *ctx, const struct ipm_opened_layer *l);
	void *opened_ctx;
	ipm_fragment_fn *fragment; /* told of earlier frames, or NULL */
	void *fragment_ctx;
	struct ipm_ah_knobs ah_knobs;
};

struct ipm_observation {
	enum ipm_reason reason; /* its row has the verdict */
	size_t n_layers;
	struct ipm_layer layer[IPM_LAYERS_MAX];
	struct ipm_span inner;  /* accept: the clear IP packet, in work or in
				   the frame */
	struct ipm_span packet; /* the (reassembled) packet as received */
	bool has_addrs;
	struct ipm_addr src, dst; /* of the outermost packet */
	uint64_t resync_tried;
};

/*
 * Judges one IP packet.
 *
 *   octets    from the link layer: one IP packet and perhaps a trailer
 *   frame     its number, for the fragments' reports
 *   d         in step with s->sad
 *
 * Every path sets o->reason.  s changes only as the receiver's state would:
 * windows, counters, fragments.
 */
void ipm_observe(struct ipm_state *s, struct ipm_derived *d,
    const struct ipm_profile *pf, const struct ipm_env *env,
    struct ipm_span octets, uint64_t frame, const struct ipm_observe_opts *opts,
    struct ipm_work *w, struct ipm_observation *o);

/* The clause of the observation's reason, for the protocol of the layer that
 * ended the packet (ipm_reason_clause). */
const char *ipm_observation_clause(const struct ipm_observation *o);

#endif
