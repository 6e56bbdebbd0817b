#include "hx_setkey_session.h"

#include <stdlib.h>
#include <string.h>

#include "hx_engine.h"
#include "hx_pfkey.h"
#include "pfk_numbers.h"
#include "provider/ipm_libcrypto.h"

#define ARENA_MAX     ((size_t)1 << 30)
#define RCVBUF_WANTED (128U * 1024) /* as pfkey_open asks */

/* A fixed run of octets, so that SPIs drawn are the same each time. */
static void
fill_tape(uint8_t *p, size_t len)
{
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525U + 1013904223U;
		p[i] = (uint8_t)(x >> 24);
	}
}

static bool
register_all(struct hx_setkey_session *s)
{
	uint8_t msg[PFK_HDR_LEN];
	uint8_t answer[4096];
	size_t len;

	hx_setkey_bare(PFK_REGISTER, 0, s->pid, msg);
	if (pfk_send(&s->engine, &s->profile, &s->env, s->sock,
		ipm_span(msg, sizeof(msg))) != 0)
		return false;
	len = pfk_recv(&s->engine, s->sock, answer, sizeof(answer));
	return len != 0 && len <= sizeof(answer) &&
	    hx_setkey_read_algs(ipm_span(answer, len), &s->algs);
}

bool
hx_setkey_session_open(struct hx_setkey_session *s,
    const struct ipm_profile *profile, uint64_t now)
{
	memset(s, 0, sizeof(*s));
	s->profile = *profile;
	s->alloc = hx_alloc();
	if (ipm_libcrypto_open(&s->crypto, &s->alloc) != IPM_OK)
		return false;
	fill_tape(s->random, sizeof(s->random));
	s->tape.octets = ipm_span(s->random, sizeof(s->random));
	s->env.sec = now;
	s->env.random = &s->tape;
	s->env.crypto = &s->crypto;
	s->env.alloc = &s->alloc;
	s->pid = 1;
	s->print.out = stdout;
	s->print.profile = &s->profile;
	s->print.now = now;
	s->print.scope = ipm_sw(profile, IPM_SW_POLICY_SCOPE) == IPM_ON;
	s->complaints = stderr;
	pfk_engine_init(&s->engine, now, ARENA_MAX);
	s->sock = pfk_open(&s->engine, &s->env);
	if (s->sock != 0)
		(void)pfk_set_rcvbuf(&s->engine, s->sock, RCVBUF_WANTED);
	if (s->sock == 0 || !register_all(s)) {
		hx_setkey_session_close(s);
		return false;
	}
	return true;
}

void
hx_setkey_session_close(struct hx_setkey_session *s)
{
	pfk_engine_free(&s->engine, &s->alloc);
	ipm_libcrypto_close(&s->crypto);
}

void
hx_setkey_session_wait(struct hx_setkey_session *s, uint64_t seconds)
{
	s->env.sec += seconds;
	s->print.now = s->env.sec;
	pfk_clock(&s->engine, &s->profile, &s->env);
}

static const char *
strerror_text(uint8_t err, char buf[32])
{
	if (pfk_errno_text(err) != NULL)
		return pfk_errno_text(err);
	(void)snprintf(buf, 32, "Unknown error: %u", (unsigned)err);
	return buf;
}

/* What the tool calls an errno that came with this type of message. */
static const char *
error_text(uint8_t err, uint8_t type, char buf[32])
{
	static const struct {
		uint8_t type;
		const char *text;
	} missing[] = {
		{ PFK_DELETE, "No entry" },
		{ PFK_GET, "No entry" },
		{ PFK_X_SPDDELETE, "No entry" },
		{ PFK_DUMP, "No SAD entries" },
		{ PFK_X_SPDDUMP, "No SPD entries" },
	};

	if (err == PFK_ENOENT) {
		for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]);
		     i++)
			if (missing[i].type == type)
				return missing[i].text;
		return "(null)";
	}
	return strerror_text(err, buf);
}

static void
show(const struct hx_setkey_session *s, struct ipm_span msg)
{
	enum pfk_fault fault;
	size_t where;
	json_t *j;

	if (!s->verbose || s->quiet)
		return;
	j = hx_pfkey_to_json(
	    &hx_setkey_codec, msg, s->print.show_keys, &fault, &where);
	if (j != NULL) {
		hx_pfkey_print(s->print.out, j);
		(void)fputc('\n', s->print.out);
	}
	json_decref(j);
}

static void
print_error(
    const struct hx_setkey_session *s, uint8_t err, uint8_t type, unsigned line)
{
	char buf[32];

	if (s->quiet)
		return;
	if (line != 0)
		(void)fprintf(s->print.out, "The result of line %u: ", line);
	(void)fprintf(s->print.out, "%s.\n", error_text(err, type, buf));
}

static void
print_entry(const struct hx_setkey_session *s, struct ipm_span msg)
{
	const uint8_t type = msg.p[1];

	if (s->quiet)
		return;
	if (type == PFK_GET || (type == PFK_DUMP && !s->short_form))
		hx_setkey_dump_sa(&s->print, msg);
	else if (type == PFK_DUMP)
		hx_setkey_dump_short(&s->print, msg);
	else if (type == PFK_X_SPDDUMP)
		hx_setkey_dump_sp(&s->print, msg);
}

/* One answer; false: it was an error, and nothing more is read. */
static bool
answer(struct hx_setkey_session *s, struct ipm_span msg, unsigned line)
{
	const uint8_t type = msg.p[1], err = msg.p[2];

	show(s, msg);
	s->last_errno = err;
	if (err == 0) {
		print_entry(s, msg);
		return true;
	}
	/* An empty database is an answer, too. */
	if (err != PFK_ENOENT || (type != PFK_DUMP && type != PFK_X_SPDDUMP))
		s->failed = true;
	print_error(s, err, type, line);
	return false;
}

/* What perror(3) prints there. */
static void
complain(struct hx_setkey_session *s, const char *call, int err)
{
	char buf[32];

	s->failed = true;
	s->last_errno = (uint8_t)err;
	if (!s->quiet)
		(void)fprintf(s->complaints, "%s: %s\n", call,
		    strerror_text((uint8_t)err, buf));
}

static uint32_t
seq_of(const uint8_t *msg)
{
	return (uint32_t)msg[11] << 24 | (uint32_t)msg[10] << 16 |
	    (uint32_t)msg[9] << 8 | msg[8];
}

void
hx_setkey_session_send(
    struct hx_setkey_session *s, struct ipm_span msg, unsigned line)
{
	static uint8_t in[32 * 1024]; /* the tool's own size */
	int err;
	size_t len;

	s->last_errno = 0;
	show(s, msg);
	err = pfk_send(&s->engine, &s->profile, &s->env, s->sock, msg);
	if (err != 0) {
		complain(s, "send", err);
		return;
	}
	do {
		len = pfk_recv(&s->engine, s->sock, in, sizeof(in));
		if (len == 0) {
			/* The end of a dump that did not fit the socket. */
			complain(s, "recv", PFK_EAGAIN);
			break;
		}
		if (len < PFK_HDR_LEN || len > sizeof(in)) {
			s->failed = true;
			(void)fprintf(s->complaints, "invalid keymsg length\n");
			break;
		}
		if (!answer(s, ipm_span(in, len), line))
			break;
	} while (seq_of(in) != 0);
	ipm_wipe(in, sizeof(in));
}
