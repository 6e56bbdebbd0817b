#include "hx_options.h"

#include <string.h>

bool
hx_option_switch(struct ipm_profile *p, const char *text)
{
	const char *eq = strchr(text, '=');
	char name[64];
	size_t n = eq == NULL ? 0 : (size_t)(eq - text);

	if (n == 0 || n >= sizeof name)
		return false;
	memcpy(name, text, n);
	name[n] = '\0';
	return ipm_profile_set(p, name, eq + 1);
}

bool
hx_option_number(const char *text, uint64_t *v)
{
	const char *p = text;

	*v = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		const uint64_t digit = (uint64_t)(*p - '0');

		if (*v > (UINT64_MAX - digit) / 10)
			return false;
		*v = 10 * *v + digit;
	}
	return p != text && *p == '\0';
}
