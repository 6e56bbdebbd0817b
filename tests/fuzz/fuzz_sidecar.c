/* Any octets as an ipsec-capture sidecar. */

#include "fuzz_config.h"
#include "hx_sidecar.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hx_config c;
	struct hx_err err;

	if (hx_sidecar_parse((const char *)data, size, "x:", &c, &err)) {
		check_sas(c.sas, c.n);
		hx_config_free(&c);
	} else {
		check_error(&err, "x:");
	}
	return 0;
}
