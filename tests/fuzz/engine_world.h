#ifndef ENGINE_WORLD_H
#define ENGINE_WORLD_H

/*
 * Conversations with the key engine as octets, for the fuzz target and for
 * other machines.  The first octet chooses the profile; then come steps: an
 * octet that says what, two of length (little endian), as many octets.
 *
 *   0, 1  a message of the first, of the second socket
 *   2     the clock goes on by the length in seconds
 *   3     both sockets are read empty
 *   4     the first socket's receive buffer has the length in octets
 *   5     the first socket is closed and opened again
 *   6     an octet count is set in the first SA; a sysctl is written
 */
#include "pfk_engine.h"

#define STEPS_MAX 200U

struct world {
	struct pfk_engine e;
	uint32_t sock[2];
	uint64_t now;
};

struct step {
	uint8_t what;
	uint16_t len;
	const uint8_t *octets;
};

static bool
offers(const struct ipm_provider *p, const struct ipm_alg *alg)
{
	(void)p;
	return alg->kind != IPM_ALG_PRF;
}

static void
poke(struct pfk_engine *e, const struct step *s)
{
	if (e->ipm.sad.first != 0)
		((struct ipm_sa *)ipm_arena_at(&e->ipm.arena, e->ipm.sad.first))
		    ->octets = s->len;
	if (s->len >= 2)
		e->ipm.sysctls.v[s->octets[0] % IPM_N_SYSVARS] =
		    (int8_t)s->octets[1];
}

/* The draws of every send: numbers that repeat soon. */
static struct ipm_tape
tape(uint8_t octets[256])
{
	for (int i = 0; i < 256; i++)
		octets[i] = (uint8_t)(i % 4 == 3 ? i / 16 : 0);
	return (struct ipm_tape){ ipm_span(octets, 256), 0 };
}

static int
take(struct world *w, const struct ipm_profile *pf, const struct ipm_alloc *al,
    const struct step *s)
{
	static const struct ipm_provider crypto = { .offers = offers };
	uint8_t octets[256];
	struct ipm_tape t = tape(octets);
	struct ipm_env env = {
		.sec = w->now, .random = &t, .crypto = &crypto, .alloc = al
	};

	switch (s->what % 7) {
	case 0:
	case 1:
		return pfk_send(&w->e, pf, &env, w->sock[s->what % 7],
		    ipm_span(s->octets, s->len));
	case 2:
		w->now += s->len;
		env.sec = w->now;
		pfk_clock(&w->e, pf, &env);
		return 0;
	case 3:
		for (int i = 0; i < 2; i++)
			while (pfk_recv(&w->e, w->sock[i], NULL, 0) != 0)
				;
		return 0;
	case 4:
		(void)pfk_set_rcvbuf(&w->e, w->sock[0], s->len);
		return 0;
	case 5:
		pfk_close(&w->e, w->sock[0]);
		w->sock[0] = pfk_open(&w->e, &env);
		return 0;
	default:
		poke(&w->e, s);
		return 0;
	}
}

/* The next step of the text, false at its end.  The clock and the buffer have
 * a length and no octets. */
static bool
next_step(const uint8_t *data, size_t size, size_t *at, struct step *s)
{
	if (size - *at < 3)
		return false;
	*s = (struct step){ data[*at],
		(uint16_t)(data[*at + 1] | data[*at + 2] << 8),
		data + *at + 3 };
	*at += 3;
	if (s->what % 7 != 2 && s->what % 7 != 4) {
		if (s->len > size - *at)
			s->len = (uint16_t)(size - *at);
		*at += s->len;
	}
	return true;
}

/* Two sockets, second 100; a window of 2^32 packets is refused for want of
 * memory, not allocated. */
static void
open_world(struct world *w, const struct ipm_alloc *al)
{
	struct ipm_env env = { .sec = 100, .alloc = al };

	w->now = env.sec;
	pfk_engine_init(&w->e, w->now, 4U << 20);
	w->sock[1] = pfk_open(&w->e, &env);
	w->sock[0] = pfk_open(&w->e, &env);
}

#endif
