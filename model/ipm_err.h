#ifndef IPM_ERR_H
#define IPM_ERR_H

/*
 * The caller asked wrongly, or the outside failed.  What becomes of a packet
 * is never told here: that is enum ipm_reason (ipm_verdict.h).
 */
enum ipm_err {
	IPM_OK = 0,
	IPM_ERR_BADARG = -1,   /* an argument outside its documented range */
	IPM_ERR_NOBUF = -2,    /* the caller's buffer is too small */
	IPM_ERR_NOMEM = -3,    /* env's allocator, or the arena's limit */
	IPM_ERR_EXISTS = -4,   /* the key is taken (an SA configured twice) */
	IPM_ERR_NOTFOUND = -5, /* no such entry */
	IPM_ERR_UNSUPPORTED = -6, /* the provider lacks this algorithm */
	IPM_ERR_AUTH = -7,        /* a combined mode refused the tag */
	IPM_ERR_DATA = -8,        /* malformed data (a bad deflate stream) */
	IPM_ERR_TOOBIG = -9,      /* more output than the stated limit */
	IPM_ERR_PROVIDER = -10    /* the provider failed for its own reasons */
};

#endif
