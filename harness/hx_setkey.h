#ifndef HX_SETKEY_H
#define HX_SETKEY_H

/*
 * The language of setkey(8), read into statements, and the carrying out of
 * those that make a list of SAs.
 *
 * Beyond setkey(8): -esn (extended sequence numbers), -natt SRC[PORT]
 * DST[PORT] (ESP in UDP between these ports), -seq LAST (last sequence number
 * used before the model begins, 64 bits with -esn), -flag NAME (noecn,
 * decap-dscp, nopmtudisc, align4), algorithm words that state the ICV.
 * Short of it: names of hosts, services and interfaces are refused, since
 * what they mean is another machine's business; the tool's way of reading
 * takes hosts and services from tables.
 *
 * Two ways of reading.  Strict, for configurations: what makes no sense is an
 * error with its place, and nothing is kept.  As the tool: what setkey(8)
 * leaves to the kernel is left to the kernel, its complaints have its words,
 * and the statements in front of the one that fails stand.
 *
 * Source: FreeBSD sbin/setkey/token.l, parse.y, setkey.8.
 */

#include "hx_err.h"
#include "hx_hosts.h"
#include "hx_salist.h"
#include "hx_services.h"

enum hx_setkey_kind {
	HX_SETKEY_ADD,
	HX_SETKEY_GET,
	HX_SETKEY_DELETE,
	HX_SETKEY_DELETEALL,
	HX_SETKEY_FLUSH,
	HX_SETKEY_DUMP,
	HX_SETKEY_SPDADD,
	HX_SETKEY_SPDDELETE,
	HX_SETKEY_SPDDUMP,
	HX_SETKEY_SPDFLUSH
};

#define HX_SETKEY_STMT_MAX ((size_t)1 << 20) /* statements of one file */

/* One side of a policy's selector. */
struct hx_setkey_range {
	struct ipm_addr addr; /* host bits kept, as the kernel does */
	uint8_t prefix;       /* bits */
	uint16_t port;        /* host order; 0 any */
};

/* Addresses that one name stands for. */
struct hx_setkey_addrs {
	struct ipm_addr *p;
	size_t n;
};

struct hx_setkey_stmt {
	enum hx_setkey_kind kind;
	unsigned line, col; /* of the command word, from 1 */
	unsigned end_line;  /* of the semicolon */

	/*
	 * add, get, delete, deleteall; flush and dump have sa.proto alone,
	 * where 0 is every protocol.  Key spans point into the script.
	 */
	struct ipm_sa_config sa;
	struct ipm_addr natt_src, natt_dst; /* as -natt names them */

	/* What a host's name stands for, when it is more than sa.src, sa.dst
	 * alone: all of it.  hx_setkey's own. */
	struct hx_setkey_addrs srcs, dsts;

	/* The same as PF_KEY has it, where ipm_sa_config says less. */
	uint8_t sadb_enc, sadb_auth;    /* FreeBSD's numbers; 0: none */
	uint32_t sadb_flags;            /* bits without an IPM_SAF_ one */
	uint32_t replay;                /* octets of bitmap, as -r says */
	bool has_enc_key, has_auth_key; /* a key is sent, perhaps empty */
	bool named; /* with the extension of pfk_private.h behind */

	/* spdadd, spddelete */
	struct hx_setkey_range src, dst;
	uint8_t upper;                 /* protocol; 255 any */
	uint16_t icmp_type, icmp_code; /* upper 58 with type,code; else 0 */
	struct ipm_span policy;        /* text behind -P without outer blanks */
};

/* A line that the tool prints before it carries out statement `before`. */
struct hx_setkey_note {
	size_t before;
	char text[200]; /* no newline */
};

struct hx_setkey {
	struct hx_setkey_stmt *stmt;
	size_t n, cap;
	unsigned end_line; /* line of the end of the file */
	char *text;        /* hx_setkey's own: what the spans point at */
	size_t text_len;
	struct hx_setkey_note *note; /* of the tool's way of reading */
	size_t n_notes, cap_notes;
	bool failed; /* likewise: the script was not read to its end */
};

/* The algorithms a kernel has registered, with their key sizes in bits. */
struct hx_setkey_algs {
	struct hx_setkey_alg {
		uint8_t id;
		uint16_t min, max;
	} auth[256], enc[256];
	size_t n_auth, n_enc;
};

/* How the tool reads. */
struct hx_setkey_opts {
	const struct ipm_profile *profile;  /* NULL: every word is known */
	const struct hx_setkey_algs *algs;  /* NULL: key lengths unchecked */
	const struct hx_hosts *hosts;       /* NULL: no names */
	const struct hx_services *services; /* NULL: no names of ports */
	bool show_keys;                     /* complaints may quote a key */
};

/*
 * Reads a script.
 *
 *   buf   len octets, any octets; not changed, not kept
 *   file  what errors call it
 *   s     written; hx_setkey_free it after true
 *
 * Returns false with one line in *err naming file, line and column; nothing
 * is kept then.  No key is ever quoted in an error.
 */
bool hx_setkey_parse(const char *buf, size_t len, const char *file,
    struct hx_setkey *s, struct hx_err *err);

/*
 * Reads a script as setkey(8) does: statements up to the first that cannot be
 * read, what it has to say about them as s->note.  s->failed tells whether the
 * script was read to its end.
 *
 * Returns false when memory is short or the script has more statements than
 * HX_SETKEY_STMT_MAX, with *err set; nothing is kept then.
 */
bool hx_setkey_parse_tool(const char *buf, size_t len,
    const struct hx_setkey_opts *o, struct hx_setkey *s, struct hx_err *err);

/* What carrying out a script left behind. */
struct hx_setkey_result {
	struct hx_salist sas;
	size_t n_policies;       /* spdadd since the last spdflush */
	size_t n_policy_deletes; /* spddelete since the last spdflush */
};

/*
 * Carries out a script on an empty database: add, delete, deleteall, flush,
 * spdflush.  Policies are counted.  get, dump and spddump ask a kernel and
 * are errors here.  Deleting what is not there is not an error: setkey(8)
 * goes on, too.
 *
 * Returns false with one line in *err (an SA added twice names both lines);
 * *r then holds nothing.  After true, free r->sas with hx_salist_free.
 */
bool hx_setkey_run(const struct hx_setkey *s, const char *file,
    struct hx_setkey_result *r, struct hx_err *err);

/* Wipes the text with the keys in it and frees everything. */
void hx_setkey_free(struct hx_setkey *s);

#endif
