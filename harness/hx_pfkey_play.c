/*
 * `ipsecsim pfkey play`: messages go to the key engine, what comes back is
 * shown socket by socket.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hx_check.h"
#include "hx_engine.h"
#include "hx_pfkey_cmd.h"
#include "hx_setkey_dump.h"
#include "hx_setkey_msg.h"
#include "pfk_engine.h"
#include "pfk_numbers.h"

#define SOCKETS_MAX 64U
#define MESSAGE_MAX 8192U
#define ARENA_MAX   ((size_t)1 << 30)

struct play {
	struct hx_pfkey_cmd *k;
	struct hx_engine providers;
	struct pfk_engine e;
	uint64_t sec;
	uint32_t sock[SOCKETS_MAX + 1]; /* by label, 0 not open */
	uint64_t seed;
	struct ipm_tape tape;
	uint8_t draws[8192];
	uint64_t events;
	const char *source;
	unsigned line;
};

/* The same octets on every machine and in every run (xorshift64*). */
static void
fill_tape(struct play *p)
{
	for (size_t i = 0; i < sizeof p->draws; i++) {
		p->seed ^= p->seed >> 12;
		p->seed ^= p->seed << 25;
		p->seed ^= p->seed >> 27;
		p->draws[i] = (uint8_t)(p->seed * 2685821657736338717U >> 56);
	}
	p->tape = (struct ipm_tape){ ipm_span(p->draws, sizeof p->draws), 0 };
}

static struct ipm_env
env_of(struct play *p)
{
	return (struct ipm_env){ .sec = p->sec,
		.random = &p->tape,
		.crypto = &p->providers.crypto,
		.comp = &p->providers.comp,
		.alloc = &p->providers.alloc };
}

/* --- what is shown ------------------------------------------------------------- */

/* What the kernel wraps for a promiscuous socket: behind the header of
 * X_PROMISC a message with its own (key_sendup0).  An answer with an
 * errno is a request. */
static bool
is_wrapped(struct ipm_span m)
{
	return m.len >= 2 * (size_t)PFK_HDR_LEN && m.p[1] == PFK_X_PROMISC &&
	    m.p[2] == 0 && m.p[PFK_HDR_LEN] == PFK_VERSION;
}

/* A message that is none is shown by its length: its octets may be keys. */
static json_t *
message_json(const struct play *p, struct ipm_span octets)
{
	enum pfk_fault fault;
	size_t where;
	json_t *j = hx_pfkey_to_json(
	    &hx_setkey_codec, octets, p->k->show_keys, &fault, &where);

	return j != NULL
	    ? j
	    : json_pack("{s:s, s:I, s:I}", "fault", pfk_fault_text(fault),
		  "where", (json_int_t)where, "octets", (json_int_t)octets.len);
}

/* Everything that waits, socket by socket; text is printed, JSON returned. */
static json_t *
receive(struct play *p)
{
	json_t *list = json_array();
	uint8_t *msg = malloc(MESSAGE_MAX);
	size_t len;

	for (unsigned s = 1; msg != NULL && s <= SOCKETS_MAX; s++)
		while (p->sock[s] != 0 &&
		    (len = pfk_recv(&p->e, p->sock[s], msg, MESSAGE_MAX)) !=
			0) {
			bool wrapped = is_wrapped(ipm_span(msg, len));
			json_t *j = message_json(p,
			    ipm_span_from(
				ipm_span(msg, len), wrapped ? PFK_HDR_LEN : 0));

			if (p->k->json) {
				(void)json_array_append_new(list,
				    json_pack("{s:i, s:o, s:o*}", "socket",
					(int)s, "message", j, "wrapped",
					wrapped ? json_true() : NULL));
				continue;
			}
			(void)printf(
			    "  %u < %s", s, wrapped ? "X_PROMISC of " : "");
			hx_pfkey_print(stdout, j);
			json_decref(j);
		}
	if (msg != NULL)
		ipm_wipe(msg, MESSAGE_MAX);
	free(msg);
	return list;
}

static void
print_event(struct play *p, json_t *event)
{
	json_t *received = receive(p);

	if (p->k->json) {
		(void)json_object_set_new(event, "received", received);
		(void)json_dumpf(
		    event, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		(void)putchar('\n');
	} else {
		json_decref(received);
	}
	json_decref(event);
}

/* --- events ----------------------------------------------------------------------- */

static bool
open_socket(struct play *p, unsigned label)
{
	struct ipm_env env = env_of(p);

	if (p->sock[label] == 0)
		p->sock[label] = pfk_open(&p->e, &env);
	return p->sock[label] != 0;
}

static void
send_message(struct play *p, unsigned label, struct ipm_span octets)
{
	const char *type = octets.len < 2
	    ? NULL
	    : pfk_name(hx_setkey_codec.dialect->msgs, octets.p[1]);
	struct ipm_env env = env_of(p);
	int err;

	if (!open_socket(p, label))
		return;
	fill_tape(p);
	err = pfk_send(&p->e, &p->k->profile, &env, p->sock[label], octets);
	p->events++;
	if (!p->k->json)
		(void)printf("%u > %s, %zu octets: %s%s\n", label,
		    type == NULL ? "a message of no type" : type, octets.len,
		    err == 0 ? "sent" : "send(2) fails: ",
		    err == 0 ? "" : pfk_errno_text(err));
	print_event(p,
	    json_pack("{s:I, s:i, s:s?, s:i, s:s?}", "event",
		(json_int_t)p->events, "socket", (int)label, "type", type,
		"errno", err, "errno_name",
		err == 0 ? NULL : pfk_errno_name(err)));
}

static void
pass_time(struct play *p, uint64_t seconds)
{
	struct ipm_env env;

	fill_tape(p);
	p->sec = seconds > UINT64_MAX - p->sec ? UINT64_MAX : p->sec + seconds;
	env = env_of(p);
	pfk_clock(&p->e, &p->k->profile, &env);
	p->events++;
	if (!p->k->json)
		(void)printf(
		    "@ %llu seconds pass\n", (unsigned long long)seconds);
	print_event(p,
	    json_pack("{s:I, s:I}", "event", (json_int_t)p->events, "seconds",
		(json_int_t)seconds));
}

static void
start(struct play *p)
{
	pfk_engine_init(&p->e, p->k->now, ARENA_MAX);
	memset(p->sock, 0, sizeof p->sock);
	p->sec = p->k->now;
	p->seed = 1;
	fill_tape(p);
}

static void
show_part(struct play *p, uint32_t sock, uint8_t type, const char *name)
{
	const struct hx_setkey_dump d = { .out = stdout,
		.profile = &p->k->profile,
		.now = p->sec,
		.scope = ipm_sw(&p->k->profile, IPM_SW_POLICY_SCOPE) == IPM_ON,
		.show_keys = p->k->show_keys };
	uint8_t request[PFK_HDR_LEN], *msg = malloc(MESSAGE_MAX);
	struct ipm_env env = env_of(p);
	json_t *list = json_array();
	size_t len;

	hx_setkey_bare(type, 0, 0, request);
	(void)pfk_send(&p->e, &p->k->profile, &env, sock,
	    ipm_span(request, sizeof request));
	while (msg != NULL &&
	    (len = pfk_recv(&p->e, sock, msg, MESSAGE_MAX)) != 0) {
		struct ipm_span s = ipm_span(msg, len);

		if (len < PFK_HDR_LEN || msg[2] != 0)
			continue; /* ENOENT: there is none */
		if (p->k->json)
			(void)json_array_append_new(list, message_json(p, s));
		else if (type == PFK_DUMP)
			hx_setkey_dump_sa(&d, s);
		else
			hx_setkey_dump_sp(&d, s);
	}
	if (p->k->json) {
		json_t *j =
		    json_pack("{s:s, s:O}", "state", name, "messages", list);

		(void)json_dumpf(j, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		(void)putchar('\n');
		json_decref(j);
	}
	json_decref(list);
	if (msg != NULL)
		ipm_wipe(msg, MESSAGE_MAX);
	free(msg);
}

static void
finish(struct play *p)
{
	struct ipm_env env = env_of(p);
	uint32_t sock;

	if (p->k->state && (sock = pfk_open(&p->e, &env)) != 0) {
		(void)pfk_set_rcvbuf(&p->e, sock, PFK_RCVBUF_MAX);
		show_part(p, sock, PFK_DUMP, "sad");
		show_part(p, sock, PFK_X_SPDDUMP, "spd");
	}
	pfk_engine_free(&p->e, &p->providers.alloc);
}

/* --- hexadecimal text ------------------------------------------------------------------ */

static int
refuse(const struct play *p, const char *why)
{
	(void)fprintf(stderr, "ipsecsim: %s:%u: %s\n", p->source, p->line, why);
	return 2;
}

/* Digits with blanks between; 0 or 2. */
static int
play_digits(struct play *p, unsigned label, char *text)
{
	struct hx_octets o;
	size_t n = 0;

	for (const char *c = text; *c != '\0'; c++)
		if (!isspace((unsigned char)*c))
			text[n++] = *c;
	text[n] = '\0';
	if (n == 0)
		return open_socket(p, label) ? 0 : refuse(p, "out of memory");
	if (!hx_hex_read(text, &o))
		return refuse(p, "neither hexadecimal digits nor `@ SECONDS'");
	send_message(p, label, hx_span(&o));
	hx_octets_free(&o);
	return 0;
}

/* "@ N", "N: digits", "N:" (opens the socket), digits, "# text". */
static int
play_line(struct play *p, char *text)
{
	unsigned long label = 1;
	uint64_t seconds;
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	for (size_t n = strlen(text);
	     n > 0 && isspace((unsigned char)text[n - 1]); n--)
		text[n - 1] = '\0';
	if (*text == '\0' || *text == '#')
		return 0;
	if (*text == '@') {
		do
			text++;
		while (isspace((unsigned char)*text));
		errno = 0;
		seconds = strtoull(text, &end, 10);
		if (!isdigit((unsigned char)*text) || *end != '\0' ||
		    errno != 0 || seconds > UINT32_MAX)
			return refuse(
			    p, "after @ a number of seconds, of 32 bits");
		pass_time(p, seconds);
		return 0;
	}
	if (strchr(text, ':') != NULL) {
		label = strtoul(text, &end, 10);
		if (!isdigit((unsigned char)*text) || *end != ':' ||
		    label < 1 || label > SOCKETS_MAX)
			return refuse(p, "a socket is a number from 1 to 64");
		text = end + 1;
	}
	return play_digits(p, (unsigned)label, text);
}

static int
play_json_line(struct play *p, const char *text)
{
	char why[160], whole[200];
	struct hx_octets o = { 0 };
	json_error_t je;
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &je);
	int status = 0;

	if (j == NULL)
		return refuse(p, je.text);
	if (json_object_get(j, "schema") == NULL &&
	    json_object_get(j, "summary") == NULL) {
		if (hx_pfkey_from_json(
			&hx_setkey_codec, j, &o, why, sizeof why)) {
			send_message(p, 1, hx_span(&o));
		} else {
			(void)snprintf(whole, sizeof whole, "%s", why);
			status = refuse(p, whole);
		}
	}
	hx_octets_free(&o);
	json_decref(j);
	return status;
}

/* Every line of text, one of the two forms. */
static int
play_lines(struct play *p, const struct hx_octets *o)
{
	size_t at = 0;
	int status = 0;

	start(p);
	while (at < o->len && status == 0) {
		const uint8_t *from = o->p + at;
		const uint8_t *nl = memchr(from, '\n', o->len - at);
		size_t len = nl == NULL ? o->len - at : (size_t)(nl - from);
		char *text = strndup((const char *)from, len);

		p->line++;
		at += len + 1;
		if (text == NULL)
			return refuse(p, "out of memory");
		if (strlen(text) != len)
			status = refuse(p, "an octet 0 in text");
		else if (text[strspn(text, " \t\r")] == '{')
			status = play_json_line(p, text);
		else
			status = play_line(p, text);
		ipm_wipe(text, len);
		free(text);
	}
	finish(p);
	return status;
}

/* --- recordings -------------------------------------------------------------------------- */

static void
not_played(const struct play *p, const char *op)
{
	json_t *j;

	if (!p->k->json) {
		(void)printf("(%s is not played)\n", op);
		return;
	}
	j = json_pack("{s:s?}", "not_played", op);
	(void)json_dumpf(j, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	json_decref(j);
}

static void
play_step(struct play *p, const json_t *step)
{
	const char *op = hx_json_str(step, "op");
	const char *request = hx_json_str(step, "request");
	const char *name = hx_json_str(step, "name");
	int64_t number = json_integer_value(
	    json_object_get(step, name == NULL ? "seconds" : "value"));
	struct hx_octets o = { 0 };

	if (op != NULL && strcmp(op, "pfkey") == 0 && request != NULL &&
	    (*request == '\0' || hx_hex_read(request, &o)))
		send_message(p, 1, hx_span(&o));
	else if (op != NULL && strcmp(op, "advance") == 0 && number >= 0 &&
	    number <= UINT32_MAX)
		pass_time(p, (uint64_t)number);
	else if (op == NULL || strcmp(op, "sysctl") != 0 || name == NULL ||
	    ipm_sysctl_set(&p->e.ipm.sysctls, &p->e.ipm.stats, &p->k->profile,
		name, number) != 0)
		not_played(p, op == NULL ? "a step without op" : op);
	hx_octets_free(&o);
}

static void
play_case(struct play *p, const json_t *one, const char *id)
{
	const json_t *steps = json_object_get(one, "steps"), *step;
	size_t i;

	if (p->k->json) {
		json_t *j = json_pack("{s:o}", "case", hx_json_text(id));

		(void)json_dumpf(j, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		(void)putchar('\n');
		json_decref(j);
	} else {
		(void)printf("case %s\n", id);
	}
	start(p);
	json_array_foreach(steps, i, step)
	{
		play_step(p, step);
	}
	finish(p);
}

static int
play_recording(struct play *p, const json_t *root)
{
	const json_t *cases = json_object_get(root, "cases"), *one;
	size_t i, played = 0;

	json_array_foreach(cases, i, one)
	{
		const char *id = hx_json_str(one, "id");

		if (id == NULL ||
		    (p->k->one != NULL && strcmp(id, p->k->one) != 0))
			continue;
		play_case(p, one, id);
		played++;
	}
	if (played != 0)
		return 0;
	(void)fprintf(stderr, "ipsecsim: %s: no case%s%s\n", p->source,
	    p->k->one == NULL ? "" : " ", p->k->one == NULL ? "" : p->k->one);
	return 2;
}

/* --- files ---------------------------------------------------------------------------------- */

static void
play_datagram(void *ctx, const char *source, size_t at, unsigned line,
    struct ipm_span octets)
{
	(void)source;
	(void)at;
	(void)line;
	send_message(ctx, 1, octets);
}

static bool
is_text(const struct hx_octets *o)
{
	for (size_t i = 0; i < o->len; i++)
		if (o->p[i] != '\n' && o->p[i] != '\r' && o->p[i] != '\t' &&
		    (o->p[i] < ' ' || o->p[i] > '~'))
			return false;
	return true;
}

static int
play_file(struct play *p, const char *path)
{
	struct hx_octets o;
	const char *schema = NULL;
	json_t *root = NULL;
	json_error_t je;
	int status = 0;

	p->source = path;
	p->line = 0;
	if (!hx_read_all(path, &o)) {
		(void)fprintf(
		    stderr, "ipsecsim: %s: %s\n", path, strerror(errno));
		return 2;
	}
	if (o.len != 0 && o.p[0] == '{')
		root = json_loadb(
		    (const char *)o.p, o.len, JSON_REJECT_DUPLICATES, &je);
	schema = hx_json_str(root, "schema");
	if (o.len == 0) {
		(void)fprintf(stderr, "ipsecsim: %s: empty\n", path);
		status = 2;
	} else if (schema != NULL && strcmp(schema, "ipsec-recording") == 0) {
		status = play_recording(p, root);
	} else if (is_text(&o)) {
		status = play_lines(p, &o);
	} else {
		start(p);
		hx_pfkey_split(
		    &hx_setkey_codec, path, hx_span(&o), play_datagram, p);
		finish(p);
	}
	json_decref(root);
	hx_octets_free(&o);
	return status;
}

int
hx_pfkey_play(struct hx_pfkey_cmd *k, int argc, char **argv)
{
	struct play *p = calloc(1, sizeof *p);
	int status = 0;

	if (p == NULL || !hx_engine_open(&p->providers, IPM_PF_MANUAL)) {
		(void)fputs("ipsecsim: no crypto provider\n", stderr);
		free(p);
		return 3;
	}
	p->k = k;
	if (k->json)
		(void)printf("{\"schema\":\"ipsecsim-pfkey-play\","
			     "\"version\":1,\"profile\":\"%s\"}\n",
		    k->profile.name);
	for (int i = 0; i < argc && status == 0; i++)
		status = play_file(p, argv[i]);
	if (k->json)
		(void)printf("{\"summary\":{\"events\":%llu}}\n",
		    (unsigned long long)p->events);
	hx_engine_close(&p->providers);
	ipm_wipe(p, sizeof *p);
	free(p);
	return status;
}
