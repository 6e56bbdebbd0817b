/*
 * The socket options of IPsec.  [ARCH-4.4.1-21] With them applications have
 * policies of their own.
 *
 * Source: FreeBSD sys/netipsec/ipsec_pcb.c (ipsec_control_pcbpolicy),
 * udpencap.c (udp_ipsec_pcbctl), xform_tcp.c (tcp_ipsec_pcbctl), and the
 * ctloutput functions that lead there.
 */
#include <string.h>

#include "pfk_int.h"
#include "pfk_sp.h"

#define VALUE_MAX 4096U /* PAGE_SIZE */
#define INT_LEN   4U

static struct ipm_pcb *
pcb_at(const struct pfk_engine *e, ipm_off pcb)
{
	return ipm_arena_at(&e->ipm.arena, pcb);
}

/* --- IP_IPSEC_POLICY, IPV6_IPSEC_POLICY ------------------------------------------------ */

static bool
is_direction(uint8_t dir)
{
	return dir == IPM_DIR_IN || dir == IPM_DIR_OUT;
}

/* A policy of a socket: of no addresses, and without an id. */
static int
make(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, ipm_off pcb, struct ipm_span value, ipm_off *sp)
{
	uint32_t last_reqid = e->ipm.spd.last_reqid;
	struct pfk_sp_in in;
	int err = pfk_sp_read(pf, &e->ipm.spd, value, &in);

	if (err != 0)
		return err;
	in.c.scope = IPM_SCOPE_PCB;
	in.c.sel.proto = IPM_ULP_ANY;
	in.c.sel.src.addr.family = in.c.sel.dst.addr.family =
	    pcb_at(e, pcb)->family;
	if (ipm_sp_make(&e->ipm.arena, env->alloc, env->sec, &in.c, sp) ==
	    IPM_OK)
		return 0;
	e->ipm.spd.last_reqid = last_reqid;
	return PFK_ENOBUFS;
}

int
pfk_set_policy(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, ipm_off pcb, bool privileged,
    struct ipm_span value)
{
	struct pfk_xpolicy head;
	ipm_off sp = 0;
	int err;

	/* [MAN-sockopt-03] */
	if (value.len < PFK_XPOLICY_LEN || value.len > VALUE_MAX)
		return PFK_EINVAL;
	head = pfk_xpolicy_read(value.p);
	/* [MAN-sockopt-04] */
	if (!is_direction(head.dir))
		return PFK_EINVAL;
	/* DISCARD and NONE are for the SPD.  [MAN-sockopt-06] ENTRUST takes the
	 * socket's policy away, whatever follows the head. */
	if (head.type == IPM_POLICY_IPSEC || head.type == IPM_POLICY_BYPASS) {
		/* [MAN-sockopt-08] */
		if (!privileged)
			return PFK_EACCES;
		err = make(e, pf, env, pcb, value, &sp);
		if (err != 0)
			return err;
	} else if (head.type != IPM_POLICY_ENTRUST) {
		return PFK_EINVAL;
	}
	ipm_pcb_set_policy(&e->ipm.arena, pcb, (enum ipm_dir)head.dir, sp);
	return 0;
}

/* The answer for a direction without a policy is written over the caller's own
 * buffer, of which direction and octet 7 stay. */
static void
write_entrust(uint8_t *out)
{
	pfk_le_put(out, 2, PFK_XPOLICY_LEN / 8);
	pfk_le_put(out + 2, 2, PFK_EXT_X_POLICY);
	pfk_le_put(out + 4, 2, IPM_POLICY_ENTRUST);
	memset(out + 8, 0, 8);
}

int
pfk_get_policy(struct pfk_engine *e, const struct ipm_profile *pf, ipm_off pcb,
    struct ipm_span given, uint8_t *out, size_t cap, size_t *len)
{
	const struct ipm_arena *a = &e->ipm.arena;
	uint8_t head[PFK_XPOLICY_LEN] = { 0 };
	ipm_off off;

	*len = 0;
	if (cap < PFK_XPOLICY_LEN || cap > VALUE_MAX)
		return PFK_EINVAL;
	if (given.len != 0)
		memcpy(head, given.p,
		    given.len < sizeof head ? given.len : sizeof head);
	if (!is_direction(head[6]))
		return PFK_EINVAL;
	off = pcb_at(e, pcb)->policy[head[6]];
	*len = PFK_XPOLICY_LEN;
	if (off == 0) {
		write_entrust(head);
		memcpy(out, head, sizeof head);
		return 0;
	}
	if (pfk_sp_len(a, ipm_arena_at(a, off)) <= cap)
		*len = pfk_sp_len(a, ipm_arena_at(a, off));
	pfk_sp_write(a, ipm_arena_at(a, off),
	    ipm_sw(pf, IPM_SW_POLICY_SCOPE) != IPM_OFF, out, *len);
	return 0;
}

/* --- UDP_ENCAP, TCP_MD5SIG ----------------------------------------------------------------- */

/* An int as sooptcopyin takes it: of a longer value the first octets. */
static int
get_int(struct ipm_span value, int32_t *v)
{
	uint32_t u;

	if (value.len < INT_LEN)
		return PFK_EINVAL;
	u = (uint32_t)pfk_le(value.p, INT_LEN);
	*v = u <= INT32_MAX ? (int32_t)u : -1 - (int32_t)(UINT32_MAX - u);
	return 0;
}

/* As sooptcopyout gives it: as much as there is room for. */
static int
put_int(uint32_t v, uint8_t *out, size_t cap, size_t *len)
{
	uint8_t octets[INT_LEN];

	pfk_le_put(octets, sizeof octets, v);
	*len = cap < sizeof octets ? cap : sizeof octets;
	if (*len != 0)
		memcpy(out, octets, *len);
	return 0;
}

int
pfk_set_encap(struct pfk_engine *e, ipm_off pcb, struct ipm_span value)
{
	int32_t v;
	int err = get_int(value, &v);

	if (err != 0)
		return err;
	/* 1, the encapsulation without a non-ESP marker, is no more. */
	if (v != IPM_ENCAP_NONE && v != IPM_ENCAP_ESPINUDP)
		return PFK_EINVAL;
	pcb_at(e, pcb)->encap = (uint8_t)v;
	return 0;
}

int
pfk_get_encap(
    struct pfk_engine *e, ipm_off pcb, uint8_t *out, size_t cap, size_t *len)
{
	return put_int(pcb_at(e, pcb)->encap, out, cap, len);
}

int
pfk_set_md5sig(struct pfk_engine *e, const struct ipm_profile *pf, ipm_off pcb,
    struct ipm_span value)
{
	int32_t v;
	int err;

	if (ipm_sw(pf, IPM_SW_TCP_MD5) == IPM_OFF)
		return PFK_ENOPROTOOPT;
	err = get_int(value, &v);
	if (err == 0)
		pcb_at(e, pcb)->tcp_md5 = v > 0;
	return err;
}

int
pfk_get_md5sig(struct pfk_engine *e, const struct ipm_profile *pf, ipm_off pcb,
    uint8_t *out, size_t cap, size_t *len)
{
	*len = 0;
	if (ipm_sw(pf, IPM_SW_TCP_MD5) == IPM_OFF)
		return PFK_ENOPROTOOPT;
	return put_int(pcb_at(e, pcb)->tcp_md5, out, cap, len);
}

/* --- which option ------------------------------------------------------------------------------ */

enum option {
	OPT_POLICY,
	OPT_ENCAP,
	OPT_MD5SIG,
	OPT_NONE
};

/* A level is a socket's by its family or, behind a protocol's own socket, by
 * its protocol. */
static const struct {
	int level, option;
	uint8_t family, proto; /* 0: any */
	enum option what;
} options[] = {
	{ 0, 21, 4, 0, OPT_POLICY },  /* [MAN-sockopt-01] */
	{ 41, 28, 6, 0, OPT_POLICY }, /* [MAN-sockopt-02] */
	{ IPM_PROTO_UDP, 1, 0, IPM_PROTO_UDP, OPT_ENCAP },
	{ IPM_PROTO_TCP, 16, 0, IPM_PROTO_TCP, OPT_MD5SIG },
};

static int
find_option(const struct ipm_pcb *pcb, int level, int option, enum option *what)
{
	*what = OPT_NONE;
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		if (options[i].level != level)
			continue;
		if (options[i].family != 0 && options[i].family != pcb->family)
			return PFK_EINVAL;
		if (options[i].proto != 0 &&
		    (options[i].proto != pcb->proto || pcb->raw))
			return PFK_EINVAL;
		if (options[i].option != option)
			return PFK_ENOPROTOOPT;
		*what = options[i].what;
		return 0;
	}
	return PFK_EINVAL;
}

int
pfk_setsockopt(struct pfk_engine *e, const struct ipm_profile *pf,
    const struct ipm_env *env, ipm_off pcb, bool privileged, int level,
    int option, struct ipm_span value)
{
	enum option what;
	int err = ipm_pcb_setopt(pcb_at(e, pcb), level, option, value);

	if (err >= 0)
		return err;
	err = find_option(pcb_at(e, pcb), level, option, &what);
	switch (what) {
	case OPT_POLICY:
		return pfk_set_policy(e, pf, env, pcb, privileged, value);
	case OPT_ENCAP:
		return pfk_set_encap(e, pcb, value);
	case OPT_MD5SIG:
		return pfk_set_md5sig(e, pf, pcb, value);
	case OPT_NONE:
		break;
	}
	return err;
}

int
pfk_getsockopt(struct pfk_engine *e, const struct ipm_profile *pf, ipm_off pcb,
    int level, int option, struct ipm_span given, uint8_t *out, size_t cap,
    size_t *len)
{
	enum option what;
	int err = find_option(pcb_at(e, pcb), level, option, &what);

	*len = 0;
	switch (what) {
	case OPT_POLICY:
		return pfk_get_policy(e, pf, pcb, given, out, cap, len);
	case OPT_ENCAP:
		return pfk_get_encap(e, pcb, out, cap, len);
	case OPT_MD5SIG:
		return pfk_get_md5sig(e, pf, pcb, out, cap, len);
	case OPT_NONE:
		break;
	}
	return err;
}
