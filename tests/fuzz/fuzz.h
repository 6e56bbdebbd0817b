#ifndef FUZZ_H
#define FUZZ_H

/* What every fuzz target has. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: it must hold in release builds too. */
static inline void
must(bool holds)
{
	if (!holds)
		abort();
}

#endif
