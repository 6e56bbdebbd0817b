#ifndef IPM_SAD_H
#define IPM_SAD_H

/*
 * The security association database: a plain list in the arena, in order of
 * addition, which is the truth.  Look-up by (destination, protocol, SPI) goes
 * through an index that is derived data (ipm_derived.h).
 *
 * The observer's SAs (ipm_sad_add) stand in that list alone.  A key engine's
 * belong to a head as well (ipm_sah, ipm_sa_make), begin perhaps without
 * algorithms, and follow the kernel's rules, which allow more than
 * ipm_sad_refusal does.
 */

#include "../wire/ipm_ip.h"
#include "ipm_arena.h"
#include "ipm_replay.h"

enum ipm_mode {
	IPM_MODE_ANY,
	IPM_MODE_TRANSPORT,
	IPM_MODE_TUNNEL,
	IPM_MODE_TCPMD5
};

const char *ipm_mode_name(enum ipm_mode m);

/* Bits of ipm_sa.flags. */
enum {
	IPM_SAF_ESN = 1U << 0,
	IPM_SAF_OLD = 1U << 1,  /* RFC 1826, 1827 headers */
	IPM_SAF_NATT = 1U << 2, /* ESP in UDP between sport, dport */
	IPM_SAF_RAWCPI = 1U << 3,
	IPM_SAF_CYCSEQ = 1U << 4,     /* the counter may cycle */
	IPM_SAF_PAD_RANDOM = 1U << 5, /* pad fill of a sender; none: 1,2,3 */
	IPM_SAF_PAD_ZERO = 1U << 6,
	IPM_SAF_NOECN = 1U << 8, /* the Linux flags */
	IPM_SAF_DECAP_DSCP = 1U << 9,
	IPM_SAF_NOPMTUDISC = 1U << 10,
	IPM_SAF_ALIGN4 = 1U << 11
};

#define IPM_KEY_MAX 80U /* TCP-MD5 */

/* What an SA is made of.  Key spans are copied; rows are kept by pointer. */
struct ipm_sa_config {
	struct ipm_addr src, dst;
	uint8_t proto; /* 50, 51, 108, or 6 for TCP-MD5 */
	uint32_t spi;  /* host order; a CPI zero-extended */
	enum ipm_mode mode;
	uint32_t reqid;
	uint32_t flags;                          /* IPM_SAF_ */
	const struct ipm_alg *enc, *auth, *comp; /* NULL: none */
	struct ipm_span enc_key;     /* the salt behind it, as PF_KEY has it */
	struct ipm_span auth_key;    /* likewise */
	uint32_t window;             /* packets; 0: no anti-replay */
	uint64_t last_seq;           /* used before the model begins */
	uint16_t sport, dport;       /* with IPM_SAF_NATT, host order */
	uint64_t hard_add, soft_add; /* seconds since creation, 0 none */
};

enum ipm_sa_state {
	IPM_SA_LARVAL,
	IPM_SA_MATURE,
	IPM_SA_DYING,
	IPM_SA_DEAD
};

/* What limits an SA or a policy; 0 is no limit.  Times are seconds. */
struct ipm_lifetime {
	uint64_t octets, addtime, usetime;
	uint32_t allocations;
};

/* Limits of one SA as its owner gave them (hard and soft come together). */
struct ipm_sa_life {
	struct ipm_lifetime hard, soft;
};

/* What an SA behind a NAT knows of the original addresses; family 0: not
 * given.  The ports are the SA's sport and dport. */
struct ipm_sa_natt {
	struct ipm_addr oai, oar;
	/* What the addresses' change adds to a checksum, in ones' complement
	 * over words in network order. */
	uint16_t delta;
};

/*
 * All SAs with one protocol, mode, reqid, source and destination: the unit in
 * which an outbound SA is chosen.  The observer's SAs have none.
 * Source: FreeBSD sys/netipsec/keydb.h struct secashead.
 */
struct ipm_sah {
	struct ipm_addr src, dst;
	uint32_t reqid;
	ipm_off next, prev;              /* of all heads, newest first */
	ipm_off alive_first, alive_last; /* MATURE and DYING, newest first */
	ipm_off larval_first, larval_last;
	uint8_t proto;
	uint8_t mode; /* enum ipm_mode, or any octet that PF_KEY brought */
};

/* One SA as it stands in the arena.  No pointers: a copy is a snapshot. */
struct ipm_sa {
	uint64_t serial;          /* never used twice; key of derived data */
	uint64_t created;         /* seconds */
	uint64_t first_use;       /* seconds, 0 never */
	uint64_t octets, packets; /* accepted so far */
	uint64_t hard_add, soft_add;
	uint64_t out_seq; /* last sequence number sent */
	uint64_t out_iv;  /* next counter of CTR, GCM */
	struct ipm_addr src, dst;
	uint32_t spi;
	uint32_t reqid;
	uint32_t flags;
	uint32_t window_size;
	uint32_t seq, pid;          /* of the PF_KEY message that made it */
	uint32_t sadb_flags;        /* as PF_KEY gave them */
	ipm_off next, prev;         /* in order of addition */
	ipm_off sah;                /* struct ipm_sah, 0 for the observer's */
	ipm_off sah_next, sah_prev; /* in the head's list */
	ipm_off life;               /* struct ipm_sa_life, 0 none */
	ipm_off natt;               /* struct ipm_sa_natt, 0 none */
	ipm_off replay;             /* struct ipm_replay */
	ipm_off enc_key, auth_key;
	uint16_t enc, auth, comp; /* index into ipm_algs plus 1; 0 none */
	uint16_t enc_key_len, auth_key_len; /* salt included */
	uint16_t sport, dport;
	uint16_t enc_bits, auth_bits; /* sadb_key_bits as given */
	uint8_t proto;
	uint8_t mode;  /* enum ipm_mode */
	uint8_t state; /* enum ipm_sa_state */
	uint8_t sadb_enc,
	    sadb_auth; /* algorithm numbers as PF_KEY shows them */
};

/* An SA that left the list, or that a new serial number made another one. */
struct ipm_sad_gone {
	uint64_t serial, becomes; /* 0: removed */
	struct ipm_addr dst;
	uint32_t spi;
	ipm_off off;
	uint8_t proto;
};

#define IPM_SAD_GONE 32U /* those that an SAD remembers */

struct ipm_sad {
	ipm_off first, last;
	ipm_off sah_first, sah_last;
	uint32_t count;
	uint32_t sah_count;
	uint64_t next_serial;
	uint64_t generation;     /* changes with every add and delete */
	uint64_t sah_generation; /* of heads: one more with each */
	/* So that derived data can follow without looking at everything. */
	uint64_t n_gone;                        /* so far */
	struct ipm_sad_gone gone[IPM_SAD_GONE]; /* the i-th at i % GONE */
};

/*
 * Adds an SA.
 *
 * Whether destination, protocol and SPI are taken already is the caller's to
 * ask (through the index, ipm_derived_find): the profiles differ in what they
 * make of it.
 *
 * Returns IPM_OK with *off; IPM_ERR_BADARG (key length, window too large for
 * ESN, an algorithm that does not fit the protocol, families that differ,
 * IPcomp without comp, ESP without enc, AH without auth); IPM_ERR_NOMEM.
 * Nothing is changed unless IPM_OK.
 */
enum ipm_err ipm_sad_add(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, uint64_t now, const struct ipm_sa_config *c,
    ipm_off *off);

/*
 * Why ipm_sad_add would answer IPM_ERR_BADARG, as one phrase for a person
 * ("aes-cbc takes a key of 16, 24 or 32 octets, not 17"), in buf; or NULL when
 * it would not.
 */
const char *ipm_sad_refusal(
    const struct ipm_sa_config *c, char *buf, size_t len);

/* The first SA with this destination, protocol and SPI, walking the list. */
ipm_off ipm_sad_find(const struct ipm_sad *sad, const struct ipm_arena *a,
    const struct ipm_addr *dst, uint8_t proto, uint32_t spi);

/* Removes one SA and wipes its keys.  IPM_OK or IPM_ERR_NOTFOUND.  Its head
 * stays, even when it is empty then. */
enum ipm_err ipm_sad_del(
    struct ipm_sad *sad, struct ipm_arena *arena, ipm_off off);

/* --- heads and their SAs --------------------------------------------------- */

/* What tells heads apart (facts pfkey 3.4). */
struct ipm_saidx {
	struct ipm_addr src, dst;
	uint32_t reqid;
	uint8_t proto, mode;
};

/* How closely a wanted index must be a head's: addresses; mode and reqid too,
 * where a mode ANY of the head and a reqid 0 of the wanted one fit everything;
 * all.  Protocols are always equal.  Source: key.c key_cmpsaidx. */
enum ipm_saidx_cmp {
	IPM_CMP_HEAD,
	IPM_CMP_MODE_REQID,
	IPM_CMP_EXACTLY
};
bool ipm_saidx_match(const struct ipm_saidx *head,
    const struct ipm_saidx *wanted, enum ipm_saidx_cmp how);
/* The index of a head. */
struct ipm_saidx ipm_sah_idx(const struct ipm_sah *h);

/* A new head, the newest.  IPM_OK with *off, or IPM_ERR_NOMEM. */
enum ipm_err ipm_sah_make(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, const struct ipm_saidx *idx, ipm_off *off);
/* Removes a head that has no SA. */
void ipm_sah_free(struct ipm_sad *sad, struct ipm_arena *arena, ipm_off off);

/* What a larval SA lacks.  Nothing of it is judged here.  Keys are copied. */
struct ipm_sa_fill {
	const struct ipm_alg *enc, *auth, *comp; /* NULL: none */
	struct ipm_span enc_key,
	    auth_key;                 /* salt included; p NULL: not given */
	uint16_t enc_bits, auth_bits; /* sadb_key_bits */
	uint8_t sadb_enc, sadb_auth;
	uint32_t flags, sadb_flags;
	uint32_t window;                /* packets */
	const struct ipm_sa_life *life; /* NULL: no limits */
	const struct ipm_sa_natt *natt; /* NULL: no UDP encapsulation */
	uint16_t sport, dport;          /* with natt, host order */
	uint64_t last_seq; /* used before the SA was made, either way */
};

/*
 * A new SA of a head: larval without a fill, else mature; the newest of its
 * list.  IPM_OK with *off, or IPM_ERR_NOMEM with nothing changed.
 */
enum ipm_err ipm_sa_make(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, uint64_t now, ipm_off sah, uint32_t spi,
    const struct ipm_sa_fill *fill, ipm_off *off);

/* A larval SA becomes mature: created now, the newest of its head's alive
 * ones, with a new serial number.  IPM_OK or IPM_ERR_NOMEM, as above. */
enum ipm_err ipm_sa_mature(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, uint64_t now, ipm_off off,
    const struct ipm_sa_fill *fill);

/* Other limits (NULL: none).  IPM_OK or IPM_ERR_NOMEM, as above. */
enum ipm_err ipm_sa_set_life(struct ipm_arena *arena,
    const struct ipm_alloc *alloc, ipm_off off, const struct ipm_sa_life *life);

/*
 * Other ends of an alive SA: it goes to another head (or its own) and stands
 * there, and in the list of all, as a new one would, but before the first SA
 * that was created earlier; NAT-T data are replaced (NULL: dropped).  Gives it
 * a new serial number.  IPM_OK or IPM_ERR_NOMEM, as above.
 */
enum ipm_err ipm_sa_move(struct ipm_sad *sad, struct ipm_arena *arena,
    const struct ipm_alloc *alloc, ipm_off off, ipm_off sah,
    const struct ipm_sa_natt *natt, uint16_t sport, uint16_t dport);

/* Row of an index stored in an SA, or NULL for 0. */
const struct ipm_alg *ipm_sa_alg(uint16_t index_plus_1);

#endif
