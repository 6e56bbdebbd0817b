#ifndef IPM_ZLIB_H
#define IPM_ZLIB_H

/* The compressor over zlib: raw deflate, FreeBSD's parameters. */

#include "../ipm_alloc.h"
#include "../ipm_provider.h"

/* Fills c.  IPM_OK or IPM_ERR_NOMEM.  All memory, zlib's too, comes from alloc,
 * which is copied. */
enum ipm_err ipm_zlib_open(
    struct ipm_compressor *c, const struct ipm_alloc *alloc);
void ipm_zlib_close(struct ipm_compressor *c);

#endif
