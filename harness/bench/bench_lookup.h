#ifndef BENCH_LOOKUP_H
#define BENCH_LOOKUP_H

/* What a look-up in the SAD and in the SPD costs as they grow, beside walks
 * over their lists, and what changes cost. */
void bench_lookup(void);

#endif
