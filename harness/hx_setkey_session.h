#ifndef HX_SETKEY_SESSION_H
#define HX_SETKEY_SESSION_H

/*
 * setkey(8) in front of a key engine of our own: one PF_KEY socket, the
 * messages of a script one after another, the answers printed as the tool
 * prints them.
 *
 * Source: FreeBSD sbin/setkey/setkey.c; lib/libipsec/pfkey.c, pfkey_open.
 */

#include <stdio.h>

#include "hx_setkey_dump.h"
#include "hx_setkey_msg.h"
#include "pfk_engine.h"

#define HX_SETKEY_TAPE 4096U /* random octets of a session */

struct hx_setkey_session {
	struct pfk_engine engine;
	struct ipm_profile profile;
	struct ipm_provider crypto;
	struct ipm_alloc alloc;
	struct ipm_env env;
	struct ipm_tape tape;
	uint8_t random[HX_SETKEY_TAPE];
	uint32_t sock, pid;
	struct hx_setkey_algs algs;  /* what REGISTER told */
	struct hx_setkey_dump print; /* out, show_keys, all: the caller's */
	FILE *complaints;            /* "send: ...", "recv: ..." */
	bool verbose;                /* print each message both ways */
	bool short_form;             /* -l */
	bool quiet;                  /* print nothing: last_errno tells */
	bool failed; /* an error came back, other than that of an empty dump */
	uint8_t last_errno; /* of the last answer, or of send(2) */
};

/*
 * A fresh engine under a profile at second now.  The random tape is a fixed
 * one: the same script gives the same answers.  False when a provider cannot
 * be started, memory is short, or REGISTER is refused; nothing to close then.
 */
bool hx_setkey_session_open(struct hx_setkey_session *s,
    const struct ipm_profile *profile, uint64_t now);
void hx_setkey_session_close(struct hx_setkey_session *s);

/*
 * Sends one message and prints what comes back, up to the last answer.
 *
 *   line  stands in "The result of line N: "; 0: that is left out
 */
void hx_setkey_session_send(
    struct hx_setkey_session *s, struct ipm_span msg, unsigned line);

/* The clock moves on; what expires, expires. */
void hx_setkey_session_wait(struct hx_setkey_session *s, uint64_t seconds);

#endif
