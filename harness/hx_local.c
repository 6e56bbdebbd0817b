/*
 * Implementation notes.  A sender has free choices (IV, sequence number,
 * padding, IP identification), so a packet of the capture and the model's are
 * both opened, and what must agree is compared: the outer header but for
 * identification, checksum and flow label, the layers, the inner packet.  The
 * openers keep no windows: it is not their business to refuse.
 *
 * A host (without --forward) is handed the clear packet that a frame of its own
 * holds, as one of its sockets would.  A gateway gets its input from the other
 * side: -r is its clear side, --expect the wire, read together in the order of
 * time.  Where only the wire was captured (--forward alone), the inner packet of
 * an outgoing frame is its input, one hop earlier.
 *
 * A capture does not say which sockets a host has: those exist that packets are
 * addressed to, and what the model's own TCP or ICMP would answer is not held
 * against the capture.
 */
#include "hx_local.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hx_local_int.h"
#include "hx_make.h"
#include "hx_options.h"
#include "hx_pcap.h"
#include "hx_salist.h"
#include "hx_show.h"
#include "wire/ipm_link.h"

static const char usage[] =
    "usage: ipsecsim replay --local ADDR [--local ADDR]... [--forward]\n"
    "           -c CONFIG -r CAPTURE [--expect OTHER] [OPTION...]\n"
    "\n"
    "The model takes the place of the host ADDR: frames that it sent are its\n"
    "expected output, all others its input.  With --forward it is a gateway:\n"
    "CAPTURE is its clear side and OTHER the wire; without --expect CAPTURE is\n"
    "the wire and what it forwards to the clear side is not compared.\n"
    "\n"
    "  --profile NAME       default manual\n"
    "  --switch NAME=VALUE  change one switch of it\n"
    "  -s NAME=VALUE        write a sysctl first\n"
    "  --mtu N              of its interfaces (default 1500)\n"
    "  --json               JSON Lines\n"
    "  -q, --quiet          the summary only\n"
    "\n"
    "Exit status 0: nothing dropped, nothing differs; 1: something was;\n"
    "2: bad usage or input.\n";

/* --- options ------------------------------------------------------------------- */

static int
bad(const char *what, const char *word)
{
	(void)fprintf(stderr, "ipsecsim replay: %s %s\n", what, word);
	return 2;
}

/* 1: taken with its word; 0: not one of these; -1: told. */
static int
with_word(struct hx_local_opts *o, const char *a, const char *word)
{
	int64_t v;
	enum ipm_profile_id id;

	if (strcmp(a, "-c") == 0)
		o->config = word;
	else if (strcmp(a, "-r") == 0)
		o->capture = word;
	else if (strcmp(a, "--expect") == 0)
		o->expect = word;
	else if (strcmp(a, "--local") == 0) {
		if (o->n_locals == HX_LOCAL_LOCALS_MAX ||
		    !hx_addr_parse(
			word, strlen(word), &o->local[o->n_locals])) {
			(void)bad("--local takes up to 8 addresses, not", word);
			return -1;
		}
		o->n_locals++;
	} else if (strcmp(a, "--profile") == 0) {
		id = ipm_profile_find(word);
		if (id == IPM_N_PROFILES) {
			(void)bad("no profile", word);
			return -1;
		}
		ipm_profile_init(&o->profile, id);
	} else if (strcmp(a, "--switch") == 0) {
		if (!hx_option_switch(&o->profile, word)) {
			(void)bad("no switch", word);
			return -1;
		}
	} else if (strcmp(a, "-s") == 0) {
		if (o->n_sysctls == HX_LOCAL_SYSCTLS_MAX) {
			(void)bad("too many sysctls at", word);
			return -1;
		}
		o->sysctl[o->n_sysctls++] = word;
	} else if (strcmp(a, "--mtu") == 0) {
		if (!hx_number_to(word, 65535, &v) || v < 68) {
			(void)bad("--mtu takes 68 to 65535, not", word);
			return -1;
		}
		o->mtu = (uint32_t)v;
	} else
		return 0;
	return 1;
}

/* -1: go on; else the exit status. */
static int
read_options(struct hx_local_opts *o, int argc, char **argv)
{
	ipm_profile_init(&o->profile, IPM_PF_MANUAL);
	o->mtu = 1500;
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		int taken = i + 1 < argc ? with_word(o, a, argv[i + 1]) : 0;

		if (taken < 0)
			return 2;
		if (taken > 0) {
			i++;
			continue;
		}
		if (strcmp(a, "--help") == 0) {
			(void)fputs(usage, stdout);
			return 0;
		}
		if (strcmp(a, "--forward") == 0)
			o->forward = true;
		else if (strcmp(a, "--json") == 0)
			o->json = true;
		else if (strcmp(a, "-q") == 0 || strcmp(a, "--quiet") == 0)
			o->quiet = true;
		else
			return bad("with --local: unknown or incomplete", a);
	}
	if (o->n_locals == 0 || o->config == NULL || o->capture == NULL)
		return bad("with --local: -c and -r are", "needed");
	if (o->expect != NULL && !o->forward)
		return bad("--expect needs", "--forward");
	/* The configuration may say more than PF_KEY's numbers do. */
	o->profile.value[IPM_SW_PFK_PRIVATE] = IPM_ON;
	return -1;
}

/* --- frames -------------------------------------------------------------------- */

static void
forget(struct hx_local *l, size_t i)
{
	hx_octets_free(&l->pending[i].packet);
	l->n_pending--;
	memmove(&l->pending[i], &l->pending[i + 1],
	    (l->n_pending - i) * sizeof l->pending[0]);
}

/* A member of the object being printed. */
static void
put_member(const char *name, const json_t *v)
{
	(void)printf(",\"%s\":", name);
	(void)json_dumpf(
	    v, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
}

static void
show(const struct hx_local *l, const struct hx_frame *f, const char *file,
    enum ipm_verdict v, const char *reason, const json_t *transmit,
    const json_t *diff)
{
	size_t i;
	json_t *d;

	if (l->opt->quiet)
		return;
	if (l->opt->json) {
		json_t *name = json_string(file);

		(void)printf("{\"frame\":%" PRIu64 ",\"time\":\"%" PRIu64
			     ".%09" PRIu32
			     "\",\"verdict\":\"%s\",\"reason\":\"%s\","
			     "\"layers\":",
		    f->number, f->sec, f->nsec, ipm_verdict_name(v), reason);
		hx_show_layers(stdout, &l->capture.o, false);
		put_member("capture", name);
		if (json_array_size(transmit) != 0)
			put_member("transmit", transmit);
		if (diff != NULL)
			put_member("diff", diff);
		(void)puts("}");
		json_decref(name);
		return;
	}
	(void)printf("%s %" PRIu64 "  %s %s", file, f->number,
	    v == IPM_V_DROP ? "DROP" : ipm_verdict_name(v), reason);
	if (transmit != NULL && json_array_size(transmit) != 0)
		(void)printf(", sends %zu", json_array_size(transmit));
	json_array_foreach(diff, i, d)(void)
	    printf("%s %s: model %s, capture %s", i == 0 ? "  DIFFERS" : ";",
		json_string_value(json_object_get(d, "field")),
		json_string_value(json_object_get(d, "model")),
		json_string_value(json_object_get(d, "capture")));
	(void)fputc('\n', stdout);
}

static bool
is_drop(enum ipm_reason r)
{
	return ipm_reasons[r].verdict == IPM_V_DROP;
}

/* The packet goes into the model. */
static void
judge_input(struct hx_local *l, const struct hx_frame *f, const char *file,
    int iface, struct ipm_span ip)
{
	struct pfk_event ev = {
		.kind = PFK_EV_PACKET, .iface = iface, .octets = ip
	};
	struct pfk_outcome out;

	l->inputs++;
	hx_engine_observe(
	    &l->capture.engine, f->sec, f->nsec, ip, f->number, &l->capture.o);
	hx_local_expect_socket(l, hx_sent_clear(&l->capture.o));
	l->sending = json_array();
	l->compared = l->opt->expect != NULL;
	hx_local_step(l, &ev, &out);
	l->compared = false;
	l->drops += is_drop(out.fate);
	show(l, f, file, ipm_reasons[out.fate].verdict,
	    ipm_reasons[out.fate].name, l->sending, NULL);
	json_decref(l->sending);
	l->sending = NULL;
}

/* The oldest packet that the model sent there. */
static size_t
first_pending(const struct hx_local *l, int iface)
{
	size_t i = 0;

	while (i < l->n_pending && l->pending[i].iface != iface)
		i++;
	return i;
}

/* A full timestamp option (RFC 791 3.1) counts the hops that found no room, and
 * this one was the last of them. */
static void
undo_overflow(uint8_t *p, size_t hlen)
{
	size_t len;

	for (size_t off = IPM_IP4_HLEN; off + 1 < hlen && p[off] != 0;
	     off += len) {
		len = p[off] == 1 ? 1 : p[off + 1];
		if (len == 0 || len > hlen - off)
			return;
		if (p[off] == 68 && len >= 4 && p[off + 2] > len &&
		    p[off + 3] >> 4 != 0)
			p[off + 3] = (uint8_t)(p[off + 3] - 0x10);
	}
}

/* One hop earlier: the packet as it came to the gateway. */
static void
undo_hop(struct hx_octets *o)
{
	struct ipm_ip ip;

	if (ipm_ip_parse(hx_span(o), false, &ip) != IPM_R_OK || ip.ttl == 255)
		return;
	o->p[ip.version == 4 ? 8 : 7]++;
	if (ip.version == 4) {
		undo_overflow(o->p, ip.hlen);
		ipm_store16(o->p + 10, 0);
		ipm_store16(o->p + 10,
		    ipm_sum_fold(ipm_sum_add(0, ipm_span(o->p, ip.hlen))));
	}
}

/* What the frame was made of goes into the model: a host's own packet as by a
 * socket, a gateway's from its clear side. */
static void
hand_down(struct hx_local *l)
{
	struct ipm_span clear = hx_sent_clear(&l->capture.o);
	bool own = !l->opt->forward;
	struct pfk_event ev = { .kind = PFK_EV_OUTPUT };
	struct hx_octets o = { malloc(clear.len + 1), clear.len };
	struct pfk_outcome out;
	struct ipm_ip ip;

	if (o.p == NULL) {
		l->no_memory = true;
		return;
	}
	memcpy(o.p, clear.p, clear.len);
	if (ipm_ip_parse(clear, false, &ip) == IPM_R_OK)
		own = own || hx_local_is(l->opt, &ip.src);
	if (!own) {
		undo_hop(&o);
		ev.kind = PFK_EV_PACKET;
		ev.iface = l->clear;
	}
	ev.octets = hx_span(&o);
	l->compared = true;
	if (ipm_reasons[l->capture.o.reason].verdict == IPM_V_ACCEPT ||
	    l->capture.o.reason == IPM_R_CLEAR)
		hx_local_step(l, &ev, &out);
	l->compared = false;
	hx_octets_free(&o);
}

/*
 * The oldest packet that the model sent there, its fragments put together by
 * the model's opener.  How many it took; 0: there is none.  *last is the last
 * of them, to be freed.
 */
static size_t
take_sent(struct hx_local *l, const struct hx_frame *f, int iface,
    struct hx_octets *last)
{
	size_t n = 0, i;

	memset(last, 0, sizeof *last);
	while ((i = first_pending(l, iface)) < l->n_pending) {
		hx_octets_free(last);
		*last = l->pending[i].packet;
		memset(&l->pending[i].packet, 0, sizeof *last);
		forget(l, i);
		n++;
		hx_engine_observe(&l->model.engine, f->sec, f->nsec,
		    hx_span(last), f->number, &l->model.o);
		if (l->model.o.reason != IPM_R_FRAG_PENDING)
			break;
	}
	return n;
}

static void
judge_output(struct hx_local *l, const struct hx_frame *f, const char *file,
    int iface, struct ipm_span ip)
{
	struct hx_octets sent;
	json_t *diff;
	size_t n;

	l->outputs++;
	hx_engine_observe(
	    &l->capture.engine, f->sec, f->nsec, ip, f->number, &l->capture.o);
	if (l->capture.o.reason == IPM_R_FRAG_PENDING) {
		show(l, f, file, IPM_V_FRAGMENT, "fragment", NULL, NULL);
		return;
	}
	diff = json_array();
	if (is_drop(l->capture.o.reason)) {
		/* Nobody could open what the host sent. */
		hx_sent_differs(diff, "", "packet", "opens",
		    ipm_reasons[l->capture.o.reason].name);
		l->differing++;
		show(l, f, file, IPM_V_TRANSMIT, "sent", NULL, diff);
		json_decref(diff);
		return;
	}
	if (l->opt->expect == NULL)
		hand_down(l);
	n = take_sent(l, f, iface, &sent);
	if (n == 0) {
		l->missing++;
		hx_sent_differs(diff, "", "packet", "sends none", "has one");
		show(l, f, file, IPM_V_TRANSMIT, "missing", NULL, diff);
	} else {
		const struct hx_sent_packet model = { hx_span(&sent),
			&l->model.o };
		const struct hx_sent_packet capture = { ip, &l->capture.o };

		hx_sent_compare(&l->sent, &model, &capture,
		    n == 1 && l->capture.o.packet.p == ip.p, diff);
		l->differing += json_array_size(diff) != 0;
		show(l, f, file, IPM_V_TRANSMIT, "sent", NULL, diff);
	}
	hx_octets_free(&sent);
	json_decref(diff);
	/* Of a packet handed down for this frame nothing may be left. */
	while (l->opt->expect == NULL && l->n_pending > 0) {
		l->unseen++;
		forget(l, 0);
	}
}

static void
judge(struct hx_local *l, const struct hx_frame *f, const char *file, bool wire)
{
	struct ipm_span octets;
	struct ipm_ip ip;
	enum ipm_reason r = ipm_link_parse(f->linktype, f->octets, &octets);
	int iface = wire ? l->wire : l->clear;
	struct ipm_addr gateway;
	bool ours;

	l->frames++;
	l->frame = f->number;
	if (f->sec > l->x.sec) {
		l->x.sec = f->sec;
		l->x.nsec = f->nsec;
	}
	if (r == IPM_R_OK)
		r = ipm_ip_parse(octets, false, &ip);
	if (r != IPM_R_OK) {
		l->drops += is_drop(r);
		show(l, f, file, ipm_reasons[r].verdict, ipm_reasons[r].name,
		    NULL, NULL);
		return;
	}
	if (wire)
		ours = hx_local_is(l->opt, &ip.src);
	else
		ours = hx_local_is(l->opt, &ip.src) ||
		    ipm_host_route(&l->x.m.e.ipm.host, &ip.dst, &gateway) ==
			l->clear;
	if (ours)
		judge_output(l, f, file, iface, octets);
	else
		judge_input(l, f, file, iface, octets);
}

/* --- two captures in the order of time ------------------------------------------ */

struct side {
	struct hx_pcap *in;
	const char *file;
	bool wire;
	int got; /* as of hx_pcap_next */
	struct hx_frame f;
};

static bool
earlier(const struct side *a, const struct side *b)
{
	if (a->got <= 0 || b->got <= 0)
		return a->got > 0;
	if (a->f.sec != b->f.sec)
		return a->f.sec < b->f.sec;
	return a->f.nsec <= b->f.nsec;
}

static bool
walk(struct hx_local *l, struct side *s, size_t n, struct hx_err *err)
{
	for (size_t i = 0; i < n; i++)
		s[i].got = hx_pcap_next(s[i].in, &s[i].f, err);
	for (;;) {
		struct side *next = &s[0];

		for (size_t i = 1; i < n; i++)
			if (!earlier(next, &s[i]))
				next = &s[i];
		for (size_t i = 0; i < n; i++)
			if (s[i].got < 0)
				return false;
		if (next->got == 0)
			return true;
		judge(l, &next->f, next->file, next->wire);
		if (l->no_memory || l->too_many) {
			hx_err_set(err, next->file, 0, 0,
			    l->no_memory ? "out of memory"
					 : "the model sends what the capture "
					   "never shows: more than 4096");
			return false;
		}
		next->got = hx_pcap_next(next->in, &next->f, err);
	}
}

static void
summarise(struct hx_local *l)
{
	l->unseen += l->n_pending;
	if (l->opt->json) {
		json_t *j = json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}}",
		    "summary", "frames", (json_int_t)l->frames, "inputs",
		    (json_int_t)l->inputs, "outputs", (json_int_t)l->outputs,
		    "dropped", (json_int_t)l->drops, "differing",
		    (json_int_t)l->differing, "missing", (json_int_t)l->missing,
		    "unseen", (json_int_t)l->unseen);

		(void)json_dumpf(j, stdout, JSON_COMPACT);
		(void)fputc('\n', stdout);
		json_decref(j);
		return;
	}
	(void)printf("%" PRIu64 " frames: %" PRIu64 " in, %" PRIu64
		     " out; %" PRIu64 " dropped, %" PRIu64 " differ, %" PRIu64
		     " missing, %" PRIu64 " that the capture does not show\n",
	    l->frames, l->inputs, l->outputs, l->drops, l->differing,
	    l->missing, l->unseen);
}

static bool
run(struct hx_local *l, struct hx_err *err)
{
	const struct hx_local_opts *o = l->opt;
	struct side s[2] = { { .file = o->capture, .wire = o->expect == NULL },
		{ .file = o->expect, .wire = true } };
	size_t n = o->expect == NULL ? 1 : 2, open = 0;
	bool ok = true;

	for (; ok && open < n; open++) {
		s[open].in = hx_pcap_open(s[open].file, err);
		ok = s[open].in != NULL;
		if (!ok)
			break;
	}
	ok = ok && hx_local_configure(l, err);
	if (ok)
		hx_local_set_host(l);
	ok = ok && hx_local_set_sysctls(l, err);
	if (ok && o->json)
		(void)printf("{\"schema\":\"ipsecsim-replay\",\"version\":1,"
			     "\"profile\":\"%s\",\"sas\":%zu}\n",
		    o->profile.name, l->cfg.n);
	ok = ok && walk(l, s, n, err);
	while (open > 0)
		hx_pcap_close(s[--open].in);
	if (ok)
		summarise(l);
	return ok;
}

int
hx_cmd_local(int argc, char **argv)
{
	struct hx_local_opts o = { 0 };
	struct hx_local *l = calloc(1, sizeof *l);
	struct hx_err err;
	int status = read_options(&o, argc, argv);
	bool ok;

	if (status >= 0 || l == NULL) {
		free(l);
		return status >= 0 ? status : 3;
	}
	l->opt = &o;
	l->pending = calloc(HX_LOCAL_PENDING_MAX, sizeof l->pending[0]);
	if (l->pending == NULL || !hx_config_load(o.config, &l->cfg, &err)) {
		(void)fprintf(stderr, "ipsecsim: %s\n",
		    l->pending == NULL ? "out of memory" : err.text);
		status = l->pending == NULL ? 3 : 2;
		free(l->pending);
		free(l);
		return status;
	}
	if (!hx_model_open(&l->x, &o.profile, 0)) {
		(void)fputs("ipsecsim: no crypto provider\n", stderr);
		hx_config_free(&l->cfg);
		free(l->pending);
		free(l);
		return 3;
	}
	ok = hx_local_open_opener(&l->capture, &l->cfg);
	if (ok && !hx_local_open_opener(&l->model, &l->cfg)) {
		hx_engine_close(&l->capture.engine);
		ok = false;
	}
	hx_err_set(&err, o.config, 0, 0, "an SA cannot be set up");
	if (ok) {
		ok = run(l, &err);
		hx_engine_close(&l->capture.engine);
		hx_engine_close(&l->model.engine);
	}
	if (ok)
		status = l->drops != 0 || l->differing != 0 ||
		    l->missing != 0 || l->unseen != 0;
	else {
		(void)fprintf(stderr, "ipsecsim: %s\n", err.text);
		status = 2;
	}
	while (l->n_pending > 0)
		forget(l, 0);
	hx_model_close(&l->x);
	hx_config_free(&l->cfg);
	free(l->pending);
	free(l);
	return status;
}
