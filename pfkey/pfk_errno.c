#include "pfk_engine.h"

static const struct {
	int number;
	const char *name, *text;
} rows[] = {
#define PFK_ERRNO(name, number, text) { number, #name, text },
#include "pfk_errno.def"
#undef PFK_ERRNO
};

const char *
pfk_errno_text(int number)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].number == number)
			return rows[i].text;
	return NULL;
}

const char *
pfk_errno_name(int number)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].number == number)
			return rows[i].name;
	return NULL;
}
