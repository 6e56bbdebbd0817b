#include "ipm_env.h"

const uint8_t *
ipm_tape_take(struct ipm_tape *t, size_t len)
{
	if (t == NULL || len > t->octets.len - t->pos)
		return NULL;
	const uint8_t *p = t->octets.p + t->pos;
	t->pos += len;
	return p;
}
