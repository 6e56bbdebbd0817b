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
 * what they mean is another machine's business.
 *
 * Source: FreeBSD sbin/setkey/token.l, parse.y, setkey.8.
 */

#include "hx_err.h"
#include "hx_salist.h"

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

struct hx_setkey_stmt {
	enum hx_setkey_kind kind;
	unsigned line, col; /* of the command word, from 1 */

	/*
	 * add, get, delete, deleteall; flush and dump have sa.proto alone,
	 * where 0 is every protocol.  Key spans point into the script.
	 */
	struct ipm_sa_config sa;
	struct ipm_addr natt_src, natt_dst; /* as -natt names them */

	/* spdadd, spddelete */
	struct hx_setkey_range src, dst;
	uint8_t upper;                /* protocol; 255 any */
	uint8_t icmp_type, icmp_code; /* upper 58 with type,code; else 0 */
	struct ipm_span policy;       /* text behind -P without outer blanks */
};

struct hx_setkey {
	struct hx_setkey_stmt *stmt;
	size_t n, cap;
	unsigned end_line; /* line of the end of the file */
	char *text;        /* hx_setkey's own: what the spans point at */
	size_t text_len;
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
