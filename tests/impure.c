/* What purity.sh must refuse: a writable global and a call of the outside. */
#include <stdio.h>

int impure_counter = 1;
void impure(void);

void
impure(void)
{
	(void)printf("%d\n", impure_counter++);
}
