/*
 * The model inside another program: one SA, one packet, its verdict.  Build:
 *   cc main.c $(pkg-config --cflags --libs ipsecmodel)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipm_observe.h"
#include "provider/ipm_libcrypto.h"

/* Blocks hold keys: what is freed or moved from is wiped, so not realloc. */
static void *
resize(void *ctx, void *old, size_t old_size, size_t new_size)
{
	void *p = NULL;

	(void)ctx;
	if (new_size != 0 && (p = malloc(new_size)) == NULL)
		return NULL;
	if (old != NULL) {
		if (p != NULL)
			memcpy(
			    p, old, old_size < new_size ? old_size : new_size);
		ipm_wipe(old, old_size);
		free(old);
	}
	return p;
}

int
main(void)
{
	static struct ipm_work work;
	static struct ipm_observation o;
	/* ESP for SPI 0x1234 that somebody cut short. */
	static const uint8_t packet[] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 50, 0,
		0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 0x12, 0x34, 0, 0, 0, 1 };
	struct ipm_alloc alloc = { NULL, resize };
	struct ipm_provider crypto;
	struct ipm_profile profile;
	struct ipm_state state;
	struct ipm_derived derived;
	struct ipm_observe_opts opts = { .ah_knobs = ipm_ah_knobs_default() };
	struct ipm_env env = { .sec = 1, .alloc = &alloc, .crypto = &crypto };

	if (ipm_libcrypto_open(&crypto, &alloc) != IPM_OK)
		return 1;
	ipm_profile_init(&profile, IPM_PF_OBSERVER);
	(void)ipm_profile_set(&profile, "ip-checksum", "ignore");
	ipm_state_init(&state, 0);
	ipm_derived_init(&derived, &crypto, &alloc);
	ipm_observe(&state, &derived, &profile, &env,
	    ipm_span(packet, sizeof packet), 1, &opts, &work, &o);
	(void)printf("%s: %s (%s)\n",
	    ipm_verdict_name(ipm_reasons[o.reason].verdict),
	    ipm_reasons[o.reason].text, ipm_observation_clause(&o));
	ipm_derived_free(&derived);
	ipm_state_free(&state, &alloc);
	ipm_libcrypto_close(&crypto);
	return 0;
}
