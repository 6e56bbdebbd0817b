#ifndef HX_OPTIONS_H
#define HX_OPTIONS_H

/* What several commands read from their command line alike. */

#include "ipm_profile.h"

/* Sets what "name=value" says; false when it says nothing known. */
bool hx_option_switch(struct ipm_profile *p, const char *text);

/* A decimal number of 64 bits and nothing else. */
bool hx_option_number(const char *text, uint64_t *v);

#endif
