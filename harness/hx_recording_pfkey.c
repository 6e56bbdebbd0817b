/*
 * Steps of recordings that speak PF_KEY.
 *
 * What a stack may choose is taken from the recording and given to the model
 * as what it draws: SPIs, ids of policies, numbers of ACQUIREs.  Octets that
 * the kernel leaves unwritten are the recording's.
 */
#include <string.h>

#include "hx_pfkey_diff.h"
#include "hx_recording_int.h"
#include "pfk_numbers.h"

/* --- messages --------------------------------------------------------------------- */

/*
 * Octets of an answer that the kernel leaves as its memory had them, and so
 * differ from recording to recording (facts pfkey 3.5.1, 3.5.7, 3.11.8).  In
 * an extension, from `start` on `len` octets, again every `period`.
 */
static const struct {
	uint8_t type;
	const char *ext;
	size_t start, len, period;
} unwritten[] = {
	{ PFK_GETSPI, "SA", 8, 8, 0 },
	{ PFK_REGISTER, "SUPPORTED_AUTH", 4, 4, 0 },
	{ PFK_REGISTER, "SUPPORTED_AUTH", 14, 2, 8 },
	{ PFK_REGISTER, "SUPPORTED_ENCRYPT", 4, 4, 0 },
	{ PFK_REGISTER, "SUPPORTED_ENCRYPT", 14, 2, 8 },
	{ PFK_X_SPDGET, "LIFETIME_CURRENT", 4, 12, 0 },
	{ PFK_X_SPDGET, "LIFETIME_HARD", 4, 12, 0 },
	{ PFK_X_SPDDUMP, "LIFETIME_CURRENT", 4, 12, 0 },
	{ PFK_X_SPDDUMP, "LIFETIME_HARD", 4, 12, 0 },
};

static bool
is_unwritten(uint8_t type, const struct hx_pfkey_place *w, size_t octet)
{
	for (size_t i = 0; i < sizeof unwritten / sizeof unwritten[0]; i++) {
		size_t start = w->ext_off + unwritten[i].start;
		size_t period = unwritten[i].period;

		if (type != unwritten[i].type || octet < start ||
		    strcmp(w->ext, unwritten[i].ext) != 0)
			continue;
		if ((period == 0 ? octet - start : (octet - start) % period) <
		    unwritten[i].len)
			return true;
	}
	return false;
}

static bool
is_past_end(const struct hx_node *n, uint32_t spi,
    const struct hx_pfkey_place *w, size_t octet)
{
	for (size_t i = 0; i < n->n_past; i++)
		if (n->past[i].spi == spi &&
		    strcmp(n->past[i].ext, w->ext) == 0 &&
		    octet >= w->ext_off + 8 + n->past[i].known)
			return true;
	return false;
}

static uint64_t
field_of(struct ipm_span msg, const char *ext, const char *field, bool *there)
{
	struct hx_pfkey_place w;

	*there = false;
	for (size_t i = PFK_HDR_LEN; i < msg.len; i++) {
		hx_pfkey_place(&hx_recording_codec, msg, i, &w);
		if (strcmp(w.ext, ext) == 0 && strcmp(w.field, field) == 0 &&
		    w.off + w.len <= msg.len && w.len <= 8) {
			uint64_t v = 0;
			bool net = strcmp(field, "spi") == 0;

			for (size_t k = 0; k < w.len; k++)
				v = v << 8 |
				    msg.p[w.off + (net ? k : w.len - 1 - k)];
			*there = true;
			return v;
		}
	}
	return 0;
}

/* Where the recording differs in octets that nobody wrote, they are its: the
 * model has zeros there. */
static void
take_unwritten(const struct hx_node *n, struct ipm_span recorded,
    uint8_t *model, size_t len)
{
	uint32_t spi;
	bool there;

	if (recorded.len < PFK_HDR_LEN || recorded.p[2] != 0)
		return;
	spi = (uint32_t)field_of(recorded, "SA", "spi", &there);
	for (size_t i = PFK_HDR_LEN; i < len && i < recorded.len; i++) {
		struct hx_pfkey_place w;

		if (model[i] == recorded.p[i] || model[i] != 0)
			continue;
		hx_pfkey_place(&hx_recording_codec, recorded, i, &w);
		if (is_unwritten(recorded.p[1], &w, i) ||
		    (there && is_past_end(n, spi, &w, i)))
			model[i] = recorded.p[i];
	}
}

static size_t
ext_octets(struct ipm_span msg, size_t off)
{
	return ((size_t)msg.p[off] | (size_t)msg.p[off + 1] << 8) * 8;
}

/* Remembers the keys of a request that go on behind it. */
static void
note_past_end(struct hx_node *n, struct ipm_span request)
{
	static const char *const keys[] = { "KEY_AUTH", "KEY_ENCRYPT" };
	struct hx_pfkey_place w;
	uint32_t spi;
	bool there;

	spi = (uint32_t)field_of(request, "SA", "spi", &there);
	for (size_t k = 0; there && k < 2; k++) {
		bool has;
		size_t octets =
		    (size_t)field_of(request, keys[k], "bits", &has) / 8;

		for (size_t i = PFK_HDR_LEN; has && i < request.len; i++) {
			size_t known;

			hx_pfkey_place(&hx_recording_codec, request, i, &w);
			if (strcmp(w.ext, keys[k]) != 0)
				continue;
			known = request.len - w.ext_off - 8;
			/* It copies the extension's length, from the key on. */
			if (known > ext_octets(request, w.ext_off))
				known = ext_octets(request, w.ext_off);
			if (octets > known && n->n_past < HX_PAST_MAX)
				n->past[n->n_past++] =
				    (struct hx_past_end){ spi, keys[k], known };
			break;
		}
	}
}

enum hx_step_end
hx_step_messages(
    struct hx_node *n, uint32_t sock, const json_t *list, const char *what)
{
	size_t want = json_array_size(list), got = 0;
	enum hx_step_end end = HX_STEP_SAME;
	uint8_t model[HX_MESSAGE_MAX];
	size_t len;

	if (list != NULL && !json_is_array(list))
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "%s is no list", what);
	while ((len = pfk_recv(&n->e, sock, model, sizeof model)) != 0) {
		const char *text =
		    json_string_value(json_array_get(list, got++));
		struct hx_octets o;
		char why[200];

		if (end != HX_STEP_SAME || got > want)
			continue;
		if (text == NULL || !hx_hex_read(text, &o)) {
			end = hx_step_says(n, HX_STEP_MALFORMED,
			    "%s/%zu is no hexadecimal text", what, got - 1);
			continue;
		}
		take_unwritten(n, hx_span(&o), model, len);
		if (hx_pfkey_differ(&hx_recording_codec, hx_span(&o),
			ipm_span(model, len), why, sizeof why))
			end = hx_step_says(n, HX_STEP_DIFFERS, "%s/%zu: %s",
			    what, got - 1, why);
		hx_octets_free(&o);
	}
	ipm_wipe(model, sizeof model);
	if (end == HX_STEP_SAME && got != want)
		end = hx_step_says(n, HX_STEP_DIFFERS,
		    "%s: recorded %zu, the model sends %zu", what, want, got);
	return end;
}

/* --- what is the stack's own choice -------------------------------------------------- */

/* The least SPI that GETSPI draws from (facts pfkey 4.4). */
static uint32_t
least_spi(const struct hx_node *n, struct ipm_span request)
{
	uint64_t min, max;
	bool there;

	min = field_of(request, "SPIRANGE", "min", &there);
	max = field_of(request, "SPIRANGE", "max", &there);
	if (!there) {
		min = (uint32_t)n->e.ipm.sysctls.v[IPM_SV_SPI_MINVAL];
		max = (uint32_t)n->e.ipm.sysctls.v[IPM_SV_SPI_MAXVAL];
	}
	if (pfk_proto_of(request.p[3]) == IPM_PROTO_IPCOMP) {
		min = min > UINT16_MAX ? UINT16_MAX : min;
		max = max > UINT16_MAX ? UINT16_MAX : max;
		return (uint32_t)(min < max ? min : max);
	}
	return (uint32_t)min;
}

/* A tape of `draw`s, the last of `tries` of them being `last`. */
void
hx_node_draws(struct hx_node *n, uint32_t draw, size_t tries, uint32_t last)
{
	for (size_t i = 0; i + 4 <= sizeof n->draws; i += 4)
		ipm_store32(n->draws + i, draw);
	if (tries != 0 && tries * 4 <= sizeof n->draws)
		ipm_store32(n->draws + (tries - 1) * 4, last);
	n->tape = (struct ipm_tape){ ipm_span(n->draws, sizeof n->draws), 0 };
}

/* The errno that GETSPI would be answered with on this tape. */
static int
trial(struct hx_node *n, struct ipm_span request)
{
	struct ipm_env env = hx_node_env(n);
	struct pfk_engine copy;
	uint8_t msg[HX_MESSAGE_MAX];
	size_t len;
	int err;

	if (pfk_engine_clone(&copy, &n->e, env.alloc) != IPM_OK)
		return -1;
	err = pfk_send(&copy, n->profile, &env, n->sock, request);
	len = pfk_recv(&copy, n->sock, msg, sizeof msg);
	pfk_engine_free(&copy, env.alloc);
	n->tape.pos = 0;
	return err != 0 || len < PFK_HDR_LEN ? -1 : msg[2];
}

/*
 * A refusal does not show what was drawn: the first draws, of a few, that are
 * refused alike.  The last try alone counts in FreeBSD (facts pfkey 4.4).
 */
static void
find_draws(struct hx_node *n, struct ipm_span request, int err)
{
	int32_t tries = n->e.ipm.sysctls.v[IPM_SV_SPI_TRYCNT];
	enum {
		FEW = 12
	};

	for (uint32_t draw = 0; draw < FEW; draw++)
		for (uint32_t last = 0; last < FEW; last++) {
			hx_node_draws(
			    n, draw, tries < 1 ? 0 : (size_t)tries, last);
			if (trial(n, request) == err)
				return;
		}
	hx_node_draws(n, 0, 0, 0);
}

/* SPIs that were drawn, ids of policies. */
static void
take_choices(struct hx_node *n, struct ipm_span request, const json_t *replies)
{
	const char *text = json_string_value(json_array_get(replies, 0));
	struct hx_octets o = { 0 };
	uint8_t type = request.len < PFK_HDR_LEN ? 0 : request.p[1];
	uint64_t v;
	bool there;

	hx_node_draws(n, 0, 0, 0);
	if (text == NULL || !hx_hex_read(text, &o))
		return;
	if (o.len < PFK_HDR_LEN) {
		; /* compared, and found wanting, later */
	} else if (type == PFK_GETSPI && o.p[2] != 0) {
		find_draws(n, request, o.p[2]);
	} else if (type == PFK_GETSPI) {
		v = field_of(hx_span(&o), "SA", "spi", &there);
		if (there)
			hx_node_draws(
			    n, (uint32_t)v - least_spi(n, request), 0, 0);
	} else if (type == PFK_X_SPDUPDATE || type == PFK_X_SPDADD ||
	    type == PFK_X_SPDSETIDX) {
		v = field_of(hx_span(&o), "X_POLICY", "id", &there);
		if (there && o.p[2] == 0)
			n->e.ipm.spd.last_id = (uint32_t)v - 1;
	}
	hx_octets_free(&o);
}

/* The numbers of ACQUIREs that the recording has among these. */
void
hx_node_acquires(struct hx_node *n, const json_t *list)
{
	size_t i;
	json_t *j;

	json_array_foreach(list, i, j)
	{
		struct hx_octets o = { 0 };
		uint32_t seq;

		if (!json_is_string(j) ||
		    !hx_hex_read(json_string_value(j), &o))
			return;
		if (o.len >= PFK_HDR_LEN && o.p[1] == PFK_ACQUIRE) {
			seq = (uint32_t)o.p[8] | (uint32_t)o.p[9] << 8 |
			    (uint32_t)o.p[10] << 16 | (uint32_t)o.p[11] << 24;
			/* One that is repeated has its number already. */
			if (seq > n->e.acq_seq)
				n->e.acq_seq = seq - 1;
			hx_octets_free(&o);
			return;
		}
		hx_octets_free(&o);
	}
}

/* --- PF_KEY -------------------------------------------------------------------------- */

int
hx_node_send(struct hx_node *n, struct ipm_span request)
{
	struct ipm_env env = hx_node_env(n);

	return pfk_send(&n->e, n->profile, &env, n->sock, request);
}

static enum hx_step_end
compare_other(struct hx_node *n, const json_t *step)
{
	const json_t *other = json_object_get(step, "other_socket_received");
	const char *word = json_string_value(other);

	if (n->other == 0)
		return HX_STEP_SAME;
	if (word != NULL && strcmp(word, "same") == 0)
		other = json_object_get(step, "replies");
	else if (word != NULL)
		return hx_step_says(n, HX_STEP_MALFORMED,
		    "other_socket_received is neither a list nor same");
	return hx_step_messages(n, n->other, other, "other_socket_received");
}

enum hx_step_end
hx_play_pfkey(struct hx_node *n, const json_t *step)
{
	const json_t *replies = json_object_get(step, "replies");
	enum hx_step_end end;
	struct hx_octets o;
	int err;

	if (!hx_step_octets(step, "request", &o))
		return hx_step_says(
		    n, HX_STEP_MALFORMED, "request is no hexadecimal text");
	note_past_end(n, hx_span(&o));
	take_choices(n, hx_span(&o), replies);
	hx_node_acquires(n, replies);
	err = hx_node_send(n, hx_span(&o));
	hx_octets_free(&o);
	end = hx_step_number(n, step, "send_errno", err);
	if (end == HX_STEP_SAME)
		end = hx_step_messages(n, n->sock, replies, "replies");
	return end == HX_STEP_SAME ? compare_other(n, step) : end;
}
