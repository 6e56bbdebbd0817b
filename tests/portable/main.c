/*
 * The same events give the same effects on every machine: this program needs
 * the model and the setkey reader alone (its provider is a toy), runs frames
 * of the fuzzing corpus through the observer and conversations through the key
 * engine under every profile, seals and opens packets with every algorithm row,
 * runs scripted and random histories of two gateways, and prints digests.  portable.sh
 * compares what a big-endian and a 32-bit build print.
 *
 *   portable SETKEY-FILE FILE...     (a conversation's path has "/engine/", a
 *                                    history's "/step/")
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/engine_world.h"
#include "db/ipm_digest.h"
#include "hx_setkey_dump.h"
#include "hx_setkey_msg.h"
#include "ipm_observe.h"
#include "support/step_gen.h"
#include "support/step_toy.h"
#include "wire/ipm_link.h"

static uint8_t *
read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = malloc(1U << 20);

	if (f == NULL || p == NULL) {
		perror(path);
		exit(1);
	}
	*len = fread(p, 1, 1U << 20, f);
	(void)fclose(f);
	return p;
}

static void
add_sas(struct ipm_state *s, const struct hx_salist *l)
{
	ipm_off off;

	for (size_t i = 0; i < l->n; i++)
		if (ipm_sad_add(&s->sad, &s->arena, &step_alloc, 1,
			&l->sas[i].cfg, &off) != IPM_OK)
			exit(1);
}

static void
frames(const struct hx_salist *l, const char *path, enum ipm_profile_id id)
{
	static struct ipm_work work;
	static struct ipm_observation o;
	struct ipm_digest h = IPM_DIGEST_INIT;
	struct ipm_observe_opts opts = { .explain = true,
		.ah_knobs = ipm_ah_knobs_default() };
	struct ipm_env env = { .crypto = &step_toy_crypto,
		.alloc = &step_alloc };
	struct ipm_profile pf;
	struct ipm_state s;
	struct ipm_derived d;
	size_t len, off = 2;
	uint8_t *p = read_file(path, &len);
	int linktype;

	ipm_profile_init(&pf, id);
	ipm_state_init(&s, 0);
	ipm_derived_init(&d, &step_toy_crypto, &step_alloc);
	add_sas(&s, l);
	if (len < 2 || ipm_derived_sync(&d, &s.sad, &s.arena) != IPM_OK)
		exit(1);
	linktype = ipm_linktypes[p[0] % ipm_n_linktypes].number;
	while (off + 2 <= len) {
		size_t n = ipm_load16(p + off);
		struct ipm_span ip,
		    f = ipm_span_sub(ipm_span(p, len), off + 2, n);
		enum ipm_reason r = ipm_link_parse(linktype, f, &ip);

		off += 2 + n;
		o.n_layers = 0;
		o.inner.len = 0;
		if (r == IPM_R_OK) {
			env.sec++;
			ipm_observe(
			    &s, &d, &pf, &env, ip, env.sec, &opts, &work, &o);
			r = o.reason;
		}
		ipm_digest_octets(&h, (const uint8_t *)ipm_reasons[r].name,
		    strlen(ipm_reasons[r].name));
		ipm_digest_octets(&h, o.inner.p, o.inner.len);
		for (size_t i = 0; i < o.n_layers; i++) {
			ipm_digest_number(&h, o.layer[i].spi);
			ipm_digest_number(&h, o.layer[i].seq);
			ipm_digest_number(&h, o.layer[i].top);
		}
	}
	ipm_digest_number(&h, ipm_state_digest(&s));
	(void)printf("%s %s %08lx%08lx\n", path, pf.name,
	    (unsigned long)(h.h >> 32), (unsigned long)(h.h & 0xffffffff));
	ipm_derived_free(&d);
	ipm_state_free(&s, &step_alloc);
	free(p);
}

/* ESP sealed with one row, opened again; the octets go into the digest. */
static void
seal(const struct ipm_alg *a)
{
	static uint8_t out[512], back[512];
	static const uint8_t payload[64] = { 1, 2, 3 };
	struct ipm_session_desc desc = { .enc = a };
	struct ipm_digest h = IPM_DIGEST_INIT;
	struct ipm_esp_choices c = { .seq = 0x100000005 };
	struct ipm_esp_opened o;
	struct ipm_esp_sa sa = { .spi = 0x01020304,
		.enc = a,
		.esn = true,
		.provider = &step_toy_crypto };
	struct ipm_profile pf;
	size_t len = 0;

	ipm_profile_init(&pf, IPM_PF_MANUAL);
	if (step_toy_crypto.open(&step_toy_crypto, &desc, &sa.session) !=
	    IPM_OK)
		exit(1);
	c.pad_len = ipm_esp_pad_min(&sa, &pf, sizeof payload);
	(void)ipm_esp_pad_make(&sa, NULL, &c);
	if (ipm_esp_seal(&sa, &c, 4, ipm_span(payload, sizeof payload), out,
		sizeof out, &len) != IPM_OK ||
	    ipm_esp_open(&sa, &pf, ipm_span(out, len), c.seq, back, sizeof back,
		false, NULL, &o) != IPM_R_OK)
		exit(1);
	ipm_digest_octets(&h, out, len);
	ipm_digest_octets(&h, o.payload.p, o.payload.len);
	(void)printf("%s %zu %08lx%08lx\n", a->name, len,
	    (unsigned long)(h.h >> 32), (unsigned long)(h.h & 0xffffffff));
	step_toy_crypto.close(&step_toy_crypto, sa.session);
}

/* The script's statements as PF_KEY messages: little endian everywhere. */
static void
messages(const struct hx_setkey *file)
{
	const struct hx_setkey_dump d = { .out = stdout, .now = 9 };
	struct hx_setkey_msgs m = { 0 };

	for (size_t i = 0; i < file->n; i++)
		(void)hx_setkey_compile(&file->stmt[i], 1, &m);
	for (size_t i = 0; i < m.n; i++) {
		const struct hx_octets *o = &m.msg[i].octets;
		struct ipm_digest h = IPM_DIGEST_INIT;

		ipm_digest_octets(&h, o->p, o->len);
		(void)printf("message %zu %zu %08lx%08lx\n", i, o->len,
		    (unsigned long)(h.h >> 32),
		    (unsigned long)(h.h & 0xffffffff));
		hx_setkey_dump_sa(&d, ipm_span(o->p, o->len));
	}
	hx_setkey_msgs_free(&m);
}

static void
conversation(const char *path, enum ipm_profile_id id)
{
	struct ipm_profile pf;
	struct world w;
	struct step s;
	size_t len, at = 1;
	uint8_t *p = read_file(path, &len);

	ipm_profile_init(&pf, id);
	open_world(&w, &step_alloc);
	while (next_step(p, len, &at, &s)) {
		int err = take(&w, &pf, &step_alloc, &s);

		(void)printf("%s %s %d %016llx\n", path, ipm_profile_name(id),
		    err, (unsigned long long)pfk_engine_digest(&w.e));
	}
	pfk_engine_free(&w.e, &step_alloc);
	free(p);
}

#define RANDOM_EVENTS 2000U /* under each profile */

static void
print_world(const char *name, const struct step_world *w)
{
	uint64_t h = step_world_digest(w), effects = 0;

	if (w->why[0] != '\0') {
		(void)fprintf(stderr, "%s: %s\n", name, w->why);
		exit(1);
	}
	for (size_t i = 0; i < 2 * IPM_N_FX; i++)
		effects += w->host[i / IPM_N_FX].log.effects[i % IPM_N_FX];
	(void)printf("%s %s %llu %016llx\n", name, w->pf.name,
	    (unsigned long long)effects, (unsigned long long)h);
}

/* A history of the corpus. */
static void
scripted(const char *path, enum ipm_profile_id id)
{
	static struct step_world w;
	size_t len, at = 1;
	uint8_t *p = read_file(path, &len);

	if (!step_world_open(
		&w, id, &step_toy_crypto, &step_toy_comp, &step_alloc))
		exit(1);
	while (step_world_take(&w, p, len, &at))
		;
	print_world(path, &w);
	step_world_close(&w);
	free(p);
}

/* A digest now and then, so that a difference is found near its cause. */
static void
at_random(enum ipm_profile_id id)
{
	static struct step_world w;
	static struct step_gen g;
	static uint8_t step[STEP_MAX];

	if (!step_world_open(
		&w, id, &step_toy_crypto, &step_toy_comp, &step_alloc))
		exit(1);
	step_gen_init(&g, 100 + (uint64_t)id);
	for (size_t n = 1; w.host[0].log.events < RANDOM_EVENTS; n++) {
		size_t at = 0, len = step_gen_next(&g, step);

		if (!step_world_take(&w, step, len, &at) || n % 100 == 0)
			print_world("random", &w);
	}
	print_world("random", &w);
	step_world_close(&w);
}

int
main(int argc, char **argv)
{
	struct hx_setkey file;
	struct hx_setkey_result list;
	struct hx_err err;
	size_t len;
	uint8_t *text;

	if (argc < 3)
		return 2;
	text = read_file(argv[1], &len);
	memset(&list, 0, sizeof list);
	if (!hx_setkey_parse((const char *)text, len, argv[1], &file, &err) ||
	    !hx_setkey_run(&file, argv[1], &list, &err)) {
		(void)fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	messages(&file);
	for (size_t i = 0; i < ipm_n_algs; i++)
		if (ipm_algs[i].kind == IPM_ALG_CIPHER ||
		    ipm_algs[i].kind == IPM_ALG_AEAD)
			seal(&ipm_algs[i]);
	for (int i = 2; i < argc; i++)
		for (int p = 0; p < IPM_N_PROFILES; p++)
			if (strstr(argv[i], "/engine/") != NULL)
				conversation(argv[i], (enum ipm_profile_id)p);
			else if (strstr(argv[i], "/step/") != NULL)
				scripted(argv[i], (enum ipm_profile_id)p);
			else
				frames(
				    &list.sas, argv[i], (enum ipm_profile_id)p);
	for (int p = 0; p < IPM_N_PROFILES; p++)
		at_random((enum ipm_profile_id)p);
	hx_salist_free(&list.sas);
	hx_setkey_free(&file);
	free(text);
	return 0;
}
