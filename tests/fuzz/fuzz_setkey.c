/* Any octets as a setkey(8) script. */

#include "fuzz_config.h"
#include "hx_setkey.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hx_setkey s;
	struct hx_setkey_result r;
	struct hx_err err;

	if (!hx_setkey_parse((const char *)data, size, "x:", &s, &err)) {
		check_error(&err, "x:");
		return 0;
	}
	if (hx_setkey_run(&s, "x:", &r, &err)) {
		check_sas(r.sas.sas, r.sas.n);
		hx_salist_free(&r.sas);
	} else {
		check_error(&err, "x:");
	}
	hx_setkey_free(&s);
	return 0;
}
