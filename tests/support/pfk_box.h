#ifndef PFK_BOX_H
#define PFK_BOX_H

/*
 * A key engine with two sockets for tests, and messages put together octet by
 * octet after RFC 2367 2 and FreeBSD's net/pfkeyv2.h (not with the code under
 * test).
 */

#include "pfk_engine.h"
#include "support/db_box.h"

struct pfk_box {
	struct db_memory mem;
	struct db_provider crypto;
	struct pfk_engine e;
	struct ipm_profile pf;
	struct ipm_env env;
	struct ipm_tape tape;
	uint8_t random[8192];
	uint32_t sock, other; /* other was opened first */
};

/* At second 1000, random octets 00000000 00000001 ... */
void pfk_box_init(struct pfk_box *b, enum ipm_profile_id profile);
/* Also sees to it that no memory is left. */
void pfk_box_free(struct pfk_box *b);
/* The next draws, 4 octets each. */
void pfk_box_draws(struct pfk_box *b, const uint32_t *v, size_t n);
/* The clock goes on. */
void pfk_box_wait(struct pfk_box *b, uint64_t seconds);
/* What is in the SAD (no counters, no sockets, no acquires). */
uint64_t pfk_box_sad(const struct pfk_box *b);

struct pfk_text {
	uint8_t p[9000];
	size_t len;
};

void pfk_head(struct pfk_text *m, unsigned type, unsigned satype, uint32_t seq,
    uint32_t pid);
/* An extension of len octets (its header included), the rest zero; its
 * address.  Also writes the message's length. */
uint8_t *pfk_add_ext(struct pfk_text *m, unsigned type, size_t len);
/* Takes an extension out again. */
void pfk_cut_ext(struct pfk_text *m, unsigned type);
/* Where it lies, or NULL. */
uint8_t *pfk_find_ext(struct pfk_text *m, unsigned type);
void pfk_set(uint8_t *p, size_t size, uint64_t v); /* little endian */
uint64_t pfk_get_le(const uint8_t *p, size_t size);

void pfk_add_sa(struct pfk_text *m, uint32_t spi, unsigned replay,
    unsigned auth, unsigned enc, uint32_t flags);
void pfk_add_sa2(struct pfk_text *m, unsigned mode, uint32_t reqid);
/* 192.0.2.x or 2001:db8::x, without port */
void pfk_add_addr(
    struct pfk_text *m, unsigned type, unsigned family, uint8_t x);
/* Source and destination, IPv4. */
void pfk_add_ends(struct pfk_text *m, uint8_t src, uint8_t dst);
/* Octets 1, 2, 3, ... */
void pfk_add_key(struct pfk_text *m, unsigned type, size_t octets);
void pfk_add_life(struct pfk_text *m, unsigned type, uint64_t octets,
    uint64_t addtime, uint64_t usetime);
void pfk_add_range(struct pfk_text *m, uint32_t min, uint32_t max);
void pfk_add_natt(struct pfk_text *m, unsigned type, uint16_t s, uint16_t d);

/* ADD of ESP, AES-CBC and HMAC-SHA1, transport, from .1 to .2, pid 7, seq 0. */
void pfk_esp(struct pfk_text *m, uint32_t spi);
/* GETSPI of ESP for those ends and mode; the range min to max. */
void pfk_getspi(struct pfk_text *m, uint32_t min, uint32_t max);
/* UPDATE that fits pfk_getspi's larval SA. */
void pfk_update(struct pfk_text *m, uint32_t spi);
/* DELETE or GET of that SA. */
void pfk_name_sa(struct pfk_text *m, unsigned type, uint32_t spi);

/* Results of pfk_ask above any errno. */
enum {
	PFK_SILENCE = 1000, /* send(2) succeeds and nothing comes */
	PFK_CALL = 2000     /* plus the errno of send(2) itself */
};

/*
 * Sends from the first socket and reads all that it gets: the errno of the
 * first reply, or as above.  *reply (may be NULL) is the first reply.
 */
int pfk_ask(
    struct pfk_box *b, const struct pfk_text *m, struct pfk_text *reply);
/* The next message that waits; false when none does. */
bool pfk_next(struct pfk_box *b, uint32_t sock, struct pfk_text *m);
/* Reads all that waits; how many. */
size_t pfk_drain(struct pfk_box *b, uint32_t sock);

/* The state octet of an SA as GET shows it, or -1. */
int pfk_state_of(struct pfk_box *b, uint32_t spi);

#endif
