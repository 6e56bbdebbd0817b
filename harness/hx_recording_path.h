#ifndef HX_RECORDING_PATH_H
#define HX_RECORDING_PATH_H

/*
 * Steps of recordings in which packets move: send, tcp-connect, inject, advance,
 * enc0, enc0-counters.
 *
 *   hx_recording_node.c    the node's topology and sockets
 *   hx_recording_path.c    the steps, what is compared
 *   hx_recording_choice.c  what of a recorded packet is the stack's own choice
 */

#include "hx_recording_int.h"

/* --- hx_recording_node.c --------------------------------------------------- */

/*
 * The recorded node as a case begins: interfaces, addresses, routes, standing
 * sockets (topology S of vectors/freebsd/README.md).  False: no memory.
 */
bool hx_node_begin(struct hx_node *n, const json_t *one);

/* A socket by its name, opened and bound at its first use; 0: no such kind. */
ipm_off hx_node_socket(struct hx_node *n, const char *name);
/* The id that a socket of this name has. */
uint32_t hx_node_socket_id(const char *name);

/* A socket that has no name yet; 0: no memory. */
ipm_off hx_node_open(struct hx_node *n, const struct ipm_pcb *as);
/* Text to address, the family by the colon. */
bool hx_node_address(const char *text, struct ipm_addr *a);

/* --- hx_recording_path.c --------------------------------------------------- */

hx_step_fn hx_play_send, hx_play_tcp_connect, hx_play_inject, hx_play_advance,
    hx_play_enc0, hx_play_enc0_counters;

/* --- hx_recording_choice.c ------------------------------------------------- */

#define HX_STREAMS_MAX 16U

/* What one step's packets were made with. */
struct hx_choices {
	size_t drawn; /* octets of the node's tape */
	bool has_id;  /* an IPv4 identification was seen: the first one */
	uint16_t id;
	struct hx_octets stream[HX_STREAMS_MAX]; /* compressed payloads */
	size_t n_streams, next_stream;
	struct hx_octets inner; /* the last packet, all layers off */
	const struct ipm_compressor *real;
	struct ipm_compressor comp; /* gives the streams where they fit */
};

/*
 * Reads the choices off the recorded packets of a step (its `emitted`) with the
 * model's own SAs: fills the node's tape, sets its counter of identifications.
 * What cannot be opened gives none: the comparison will tell.
 */
void hx_choices_read(
    struct hx_choices *c, struct hx_node *n, const json_t *emitted);
void hx_choices_free(struct hx_choices *c);

#endif
