/* Steps of recordings that add many entries, and dump them. */
#include <stdlib.h>
#include <string.h>

#include "hx_pfkey_diff.h"
#include "hx_recording_int.h"

/* Many entries that differ in one number. */
struct series {
	const char *what; /* how `what` of the step begins */
	const char *ext, *field;
	size_t off;    /* of the number in the extension, 4 octets */
	uint32_t step; /* network order */
};

static const struct series series[] = {
	{ "SADB_ADD of SPIs", "SA", "spi", 0, 1 },
	{ "SADB_X_SPDADD of /30 destinations", "ADDRESS_DST", "addrs", 4, 4 },
};

/* Where the number that counts lies; 0: not in this message. */
static size_t
place_of(const struct series *s, struct ipm_span msg)
{
	struct hx_pfkey_place w;

	for (size_t i = PFK_HDR_LEN; i < msg.len; i++) {
		hx_pfkey_place(&hx_recording_codec, msg, i, &w);
		if (strcmp(w.ext, s->ext) == 0 &&
		    strcmp(w.field, s->field) == 0)
			return w.off + s->off + 4 <= msg.len ? w.off + s->off
							     : 0;
	}
	return 0;
}

/* Empties a socket; the errno of its first message. */
static int
drain(struct hx_node *n, uint32_t sock)
{
	uint8_t msg[HX_MESSAGE_MAX];
	int first = 0;
	size_t len;

	for (bool begun = false;
	     sock != 0 && (len = pfk_recv(&n->e, sock, msg, sizeof msg)) != 0;
	     begun = true)
		if (!begun && len >= PFK_HDR_LEN)
			first = msg[2];
	ipm_wipe(msg, sizeof msg);
	return first;
}

enum hx_step_end
hx_play_bulk(struct hx_node *n, const json_t *step)
{
	const char *what = hx_json_str(step, "what");
	int64_t count = json_integer_value(json_object_get(step, "count"));
	const struct series *s = NULL;
	int64_t failed = 0;
	struct hx_octets o;
	size_t at;

	for (size_t i = 0; i < sizeof series / sizeof series[0]; i++)
		if (what != NULL &&
		    strncmp(what, series[i].what, strlen(series[i].what)) == 0)
			s = &series[i];
	if (s == NULL)
		return hx_step_says(n, HX_STEP_UNSUPPORTED, "bulk of %s",
		    what == NULL ? "nothing" : what);
	if (count < 0 || count > HX_BULK_MAX)
		return hx_step_says(n, HX_STEP_MALFORMED,
		    "count is no number from 0 to %d", HX_BULK_MAX);
	if (!hx_step_octets(step, "first_request", &o) ||
	    (at = place_of(s, hx_span(&o))) == 0) {
		hx_octets_free(&o);
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "first_request has no %s", s->ext);
	}
	hx_node_draws(n, 0, 0, 0);
	for (int64_t i = 0; i < count; i++) {
		int err = hx_node_send(n, hx_span(&o));
		int answered = drain(n, n->sock);

		(void)drain(n, n->other);
		if (err != 0 || answered != 0)
			failed++;
		ipm_store32(o.p + at, ipm_load32(o.p + at) + s->step);
	}
	hx_octets_free(&o);
	return hx_step_number(n, step, "failed", failed);
}

/* First and last message of a dump, with its size [MAN-bugs-04]
 * [MAN-bugs-05]. */
struct ends {
	uint8_t first[HX_MESSAGE_MAX], last[HX_MESSAGE_MAX];
	size_t first_len, last_len;
	int64_t messages, octets;
};

static enum hx_step_end
compare_end(struct hx_node *n, const json_t *step, const char *member,
    const uint8_t *p, size_t len)
{
	enum hx_step_end end = HX_STEP_SAME;
	struct hx_octets o;
	char why[200];

	if (!hx_step_octets(step, member, &o))
		end = hx_step_says(
		    n, HX_STEP_MALFORMED, "%s is no hexadecimal text", member);
	else if (hx_pfkey_differ(&hx_recording_codec, hx_span(&o),
		     ipm_span(p, len), why, sizeof why))
		end = hx_step_says(n, HX_STEP_DIFFERS, "%s: %s", member, why);
	hx_octets_free(&o);
	return end;
}

enum hx_step_end
hx_play_bulk_dump(struct hx_node *n, const json_t *step)
{
	enum hx_step_end end;
	struct hx_octets o;
	struct ends *d;
	size_t len;
	int err;

	if (!hx_step_octets(step, "request", &o))
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "request is no hexadecimal text");
	err = hx_node_send(n, hx_span(&o));
	hx_octets_free(&o);
	end = hx_step_number(n, step, "send_errno", err);
	if (end != HX_STEP_SAME)
		return end;
	d = calloc(1, sizeof *d);
	if (d == NULL)
		return hx_step_says(n, HX_STEP_MALFORMED, "out of memory");
	while ((len = pfk_recv(&n->e, n->sock, d->last, sizeof d->last)) != 0) {
		if (d->messages++ == 0) {
			memcpy(d->first, d->last, sizeof d->first);
			d->first_len = len;
		}
		d->last_len = len;
		d->octets += (int64_t)len;
	}
	(void)drain(n, n->other);
	end = hx_step_number(n, step, "messages_received", d->messages);
	if (end == HX_STEP_SAME)
		end = hx_step_number(n, step, "bytes_received", d->octets);
	if (end == HX_STEP_SAME)
		end =
		    compare_end(n, step, "first_reply", d->first, d->first_len);
	if (end == HX_STEP_SAME)
		end = compare_end(n, step, "last_reply", d->last, d->last_len);
	ipm_wipe(d, sizeof *d);
	free(d);
	return end;
}
