#ifndef HX_RECORDING_INT_H
#define HX_RECORDING_INT_H

/*
 * What the kinds of steps of a recording share; nobody but they and
 * hx_check_recording.c includes this.  A new kind is a row of hx_step_rows and
 * a function like the others: it reads the step, plays it, compares.
 *
 *   hx_check_recording.c  cases, the rows
 *   hx_recording_pfkey.c  pfkey; what is the stack's own choice
 *   hx_recording_bulk.c   bulk, bulk-dump
 *   hx_recording_host.c   sysctl, sysctl-read, setsockopt, getsockopt
 *   hx_recording_path.c   send, tcp-connect, inject, advance, enc0
 *   hx_check_sysctl.c     sysctl.json, which has variables instead of cases
 */

#include "hx_check.h"
#include "hx_hex.h"
#include "pfk_engine.h"
#include "pfk_wire.h"

#define HX_MESSAGE_MAX 8192U

/* No check should take for ever. */
#define HX_BULK_MAX 1000000

extern const struct pfk_codec hx_recording_codec;

/* How a step ended. */
enum hx_step_end {
	HX_STEP_SAME,
	HX_STEP_DIFFERS,     /* why says what and where */
	HX_STEP_UNSUPPORTED, /* why says what */
	HX_STEP_MALFORMED    /* why says which member */
};

/*
 * A key that sadb_key_bits makes longer than what was sent: the kernel copied
 * what lay behind the message (facts pfkey 3.2).
 */
struct hx_past_end {
	uint32_t spi;
	const char *ext; /* KEY_AUTH, KEY_ENCRYPT */
	size_t known;    /* octets of the key that were sent */
};
#define HX_PAST_MAX 16U

/* The model in the place of the recorded node. */
struct hx_node {
	struct hx_check *check; /* the providers and the profile are its */
	const struct ipm_profile *profile;
	struct pfk_engine e;
	uint64_t sec;   /* the recorder's clock */
	uint32_t sock;  /* the PF_KEY socket */
	uint32_t other; /* a second one, 0 where the recording has none */
	struct ipm_tape tape;
	uint8_t draws[16384]; /* what the tape holds */
	struct hx_past_end past[HX_PAST_MAX];
	size_t n_past;
	char why[400];
};

/* One kind of step.  Reads the step, plays it, compares. */
typedef enum hx_step_end hx_step_fn(struct hx_node *n, const json_t *step);

struct hx_step_row {
	const char *op;
	hx_step_fn *play;
};
/* Ended by op NULL. */
extern const struct hx_step_row hx_step_rows[];

/* --- for the rows ------------------------------------------------------------- */

/* What a call of the model needs, at the node's time. */
struct ipm_env hx_node_env(struct hx_node *n);

/* Says what differs or is missing. */
__attribute__((format(printf, 3, 4))) enum hx_step_end hx_step_says(
    struct hx_node *n, enum hx_step_end end, const char *fmt, ...);

/* Compares a number that the step has under this name. */
enum hx_step_end hx_step_number(
    struct hx_node *n, const json_t *step, const char *member, int64_t model);

/* The octets of a member; false when it is no hexadecimal text.  To be freed
 * with hx_octets_free. */
bool hx_step_octets(
    const json_t *step, const char *member, struct hx_octets *o);

/*
 * Compares what waits in a PF_KEY socket with a list of messages (NULL: none),
 * octet by octet but for those that the kernel does not write; the socket is
 * empty then.
 */
enum hx_step_end hx_step_messages(
    struct hx_node *n, uint32_t sock, const json_t *list, const char *what);

/* The tape: `draw` again and again, but `last` in the place of the draw
 * numbered `tries` (0: nowhere). */
void hx_node_draws(
    struct hx_node *n, uint32_t draw, size_t tries, uint32_t last);

/* The numbers of kernel generated ACQUIREs are the recording's. */
void hx_node_acquires(struct hx_node *n, const json_t *list);

/* send(2) on the PF_KEY socket. */
int hx_node_send(struct hx_node *n, struct ipm_span request);

hx_step_fn hx_play_pfkey, hx_play_bulk, hx_play_bulk_dump, hx_play_sysctl,
    hx_play_sysctl_read, hx_play_setsockopt, hx_play_getsockopt;

/* sysctl.json, which has variables and writes instead of cases. */
bool hx_check_sysctls(struct hx_check *c, const json_t *root);

#endif
