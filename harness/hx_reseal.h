#ifndef HX_RESEAL_H
#define HX_RESEAL_H

/*
 * Checking a foreign sender: each layer that was opened is judged (is every
 * choice one the standard allows?) and sealed again with the same choices;
 * every octet must agree.
 */

#include "hx_engine.h"

struct hx_reseal {
	struct hx_engine *engine;
	bool judge;      /* refuse choices the RFC forbids a sender */
	unsigned layers; /* sealed again so far */
	char why[256];   /* first disagreement, empty: none */
	uint8_t buf[IPM_IP_MAX + 64];
};

void hx_reseal_init(struct hx_reseal *r, struct hx_engine *e, bool judge);
/* Before each packet. */
void hx_reseal_begin(struct hx_reseal *r);
/* For each layer, from ipm_observe_opts.opened. */
void hx_reseal_layer(struct hx_reseal *r, const struct ipm_opened_layer *l);

#endif
