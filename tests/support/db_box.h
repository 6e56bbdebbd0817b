#ifndef DB_BOX_H
#define DB_BOX_H

/*
 * What the tests of the databases share: a random generator of its own (a
 * failure is repeated by its seed), an allocator that counts and can fail, a
 * provider that only counts its sessions.
 */

#include "db/ipm_sad.h"
#include "ipm_env.h"

uint64_t db_random(uint64_t *state);

/*
 * Every block is filled with 0xa5 before it is handed out and moves at every
 * resize, so that who counts on zeroes or keeps pointers is found out.
 */
struct db_memory {
	struct ipm_alloc alloc; /* its ctx is the struct itself */
	size_t live;            /* blocks out */
	size_t octets;          /* in them */
	size_t calls;           /* that asked for memory */
	size_t fail_at;         /* this call and all behind it fail; 0: none */
};

void db_memory_init(struct db_memory *m);

/* A session of the fake provider: what it was opened with. */
struct db_session {
	const struct ipm_alg *enc, *auth;
	size_t enc_len, auth_len;
	uint8_t enc_key[80], auth_key[80];
};

struct db_provider {
	struct ipm_provider provider; /* its ctx is the struct itself */
	size_t opened, closed;
	enum ipm_err refuse; /* what open answers unless IPM_OK */
};

void db_provider_init(struct db_provider *p);

/* ESP tunnel, AES-256-CBC, HMAC-SHA-512, window 64; keys 1, 2, 3, ... and
 * 101, 102, ... of static storage; host is the end of both addresses. */
struct ipm_sa_config db_config(uint8_t family, uint32_t host, uint32_t spi);

#endif
