/*
 * Frames of every link type through the observer, with SAs of all transforms
 * (packet.setkey): link and IP headers, fragments, ESP, AH, IPcomp, tunnels,
 * UDP encapsulation.
 *
 * Input: one octet for the link type, one for the profile, then frames, each
 * behind its length in two octets.  Whatever comes, each frame gets a verdict
 * that can be shown, and every layer that is opened can be sealed again to the
 * same octets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hx_config.h"
#include "hx_engine.h"
#include "hx_reseal.h"
#include "hx_show.h"
#include "wire/ipm_link.h"

static struct hx_engine engine;
static struct hx_config config;
static struct hx_reseal reseal;
static struct ipm_trace trace;
static FILE *nowhere;
static bool ready;

static void
on_opened(void *ctx, const struct ipm_opened_layer *l)
{
	hx_reseal_layer(ctx, l);
}

/* Every form of output. */
static void
show(const struct ipm_observation *o, uint64_t n)
{
	struct hx_judged j = { .number = n, .o = o, .trace = &trace };

	hx_show_json(nowhere, &j);
	hx_show_line(nowhere, &j);
	hx_show_full(nowhere, &j);
}

static void
start(void)
{
	struct hx_err err;

	if (!hx_config_load(
		SOURCE_DIR "/tests/fuzz/packet.setkey", &config, &err)) {
		(void)fprintf(stderr, "%s\n", err.text);
		abort();
	}
	nowhere = fopen("/dev/null", "w");
	if (nowhere == NULL || !hx_engine_open(&engine, IPM_PF_OBSERVER))
		abort();
	hx_reseal_init(&reseal, &engine, true);
	engine.opts.opened = on_opened;
	engine.opts.opened_ctx = &reseal;
	engine.opts.trace = &trace;
	ready = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ipm_observation o;
	struct ipm_span in = ipm_span(data, size);
	size_t off = 2;
	uint64_t n = 0;
	int linktype;

	if (!ready)
		start();
	if (size < 2)
		return 0;
	linktype = ipm_linktypes[data[0] % ipm_n_linktypes].number;
	hx_engine_reset(&engine);
	ipm_profile_init(
	    &engine.profile, (enum ipm_profile_id)(data[1] % IPM_N_PROFILES));
	engine.opts.explain = true;
	for (size_t i = 0; i < config.n; i++)
		if (hx_engine_add_sa(&engine, &config.sas[i].cfg) != IPM_OK)
			abort();
	while (off + 2 <= size && n < 64) {
		size_t len = ipm_load16(data + off);
		struct ipm_span frame = ipm_span_sub(in, off + 2, len), ip;

		off += 2 + len;
		if (ipm_link_parse(linktype, frame, &ip) != IPM_R_OK)
			continue;
		o.reason = IPM_N_REASONS;
		trace.n = trace.lost = 0;
		hx_reseal_begin(&reseal);
		hx_engine_observe(&engine, n, 0, ip, n + 1, &o);
		if (o.reason >= IPM_N_REASONS || o.n_layers > IPM_LAYERS_MAX)
			abort();
		if (ipm_reasons[o.reason].verdict == IPM_V_ACCEPT &&
		    o.inner.len == 0)
			abort();
		/* Odd choices are told; other octets would be a fault. */
		if (strstr(reseal.why, "differs at octet") != NULL &&
		    strstr(reseal.why, "outer header") == NULL) {
			(void)fprintf(stderr, "%s\n", reseal.why);
			abort();
		}
		show(&o, ++n);
	}
	if (ipm_state_digest(&engine.state) == 0)
		abort();
	return 0;
}
