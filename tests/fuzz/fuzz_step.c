/*
 * Histories of two gateways through the model's one door: the input is one of
 * support/step_world.h, which says what must hold after each event.  A copy of
 * each host follows from the beginning.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "support/step_toy.h"
#include "support/step_world.h"

#define STEPS_MAX 300U

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t twin[] = { STEP_TWIN | STEP_BOTH, 1, 0, 100 };
	static struct step_world w;
	size_t at = 0;

	if (size == 0)
		return 0;
	must(
	    step_world_open(&w, (enum ipm_profile_id)(data[0] % IPM_N_PROFILES),
		&step_toy_crypto, &step_toy_comp, &step_alloc));
	(void)step_world_take(&w, twin, sizeof twin, &at);
	at = 1;
	for (size_t n = 0; n < STEPS_MAX; n++)
		if (!step_world_take(&w, data, size, &at))
			break;
	if (w.why[0] != '\0') {
		(void)fprintf(stderr, "%s\n", w.why);
		must(false);
	}
	step_world_close(&w);
	return 0;
}
