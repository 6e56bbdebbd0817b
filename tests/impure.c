/* What purity.sh must refuse: writable globals and a call of the outside. */
#include <stdio.h>

int impure_counter = 1;
void impure(void);

void
impure(void)
{
	static int calls;

	(void)printf("%d %d\n", impure_counter++, calls++);
}
