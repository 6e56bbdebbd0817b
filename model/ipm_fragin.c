/*
 * Fragments for this host: joined, or given up when their time is over.
 *
 * Source: RFC 791 3.2, RFC 8200 4.5; FreeBSD sys/netinet/ip_reass.c,
 * netinet6/frag6.c.
 */
#include <string.h>

#include "ipm_in.h"

/* What the reassembly tells, and to whom. */
struct reader {
	struct ipm_path *path;
	struct ipm_reass_lost lost;
};

static enum ipm_stat
lost_counter(uint8_t version, enum ipm_reason reason)
{
	bool late = reason == IPM_R_FRAG_TIMEOUT;

	if (version == 4)
		return late ? IPM_ST_IP_fragtimeout : IPM_ST_IP_fragdropped;
	return late ? IPM_ST_IP6_fragtimeout : IPM_ST_IP6_fragdropped;
}

/* An earlier fragment ends without a packet. */
static void
fragment_lost(void *ctx, uint64_t frame, enum ipm_reason reason, uint64_t by)
{
	struct reader *rd = ctx;

	(void)by;
	if (reason == IPM_R_OK)
		return;
	ipm_count(rd->path, lost_counter(rd->lost.version, reason));
	rd->path->effect(rd->path->ctx,
	    &(struct ipm_effect){ .kind = IPM_FX_DROP,
		.reason = reason,
		.iface = -1,
		.family = rd->lost.version,
		.frame = frame });
}

static struct ipm_reass_env
reass_env(struct reader *rd, unsigned flags)
{
	return (struct ipm_reass_env){ .arena = &rd->path->s->arena,
		.alloc = rd->path->env->alloc,
		.pf = rd->path->pf,
		.now = rd->path->env->sec,
		.tell = fragment_lost,
		.tell_ctx = rd,
		.lost = &rd->lost,
		.flags = flags };
}

/* RFC 8200 4.5: the sender of the first fragment is told (frag6_freef);
 * FreeBSD's ip_reass tells nobody. */
void
ipm_fragments_expire(struct ipm_path *path)
{
	struct reader rd = { .path = path };
	struct ipm_reass_env re = reass_env(&rd, 0);

	while (ipm_reass_expire(&path->s->reass, &re))
		if (rd.lost.len != 0)
			ipm_icmp_error(path,
			    ipm_span(rd.lost.first, rd.lost.len), rd.lost.flags,
			    IPM_ICMP6_TIMXCEED, IPM_ICMP6_TIMXCEED_REASSEMBLY,
			    0);
}

void
ipm_clock(struct ipm_path *path)
{
	ipm_loop_enter(path);
	ipm_fragments_expire(path);
	ipm_loop_leave(path);
}

enum ipm_go
ipm_in_reassemble(struct ipm_in *in, const struct ipm_ip *ip)
{
	struct ipm_path *path = in->path;
	struct reader rd = { .path = path };
	struct ipm_reass_env re = reass_env(&rd, in->m.flags);
	bool v4 = in->family == 4;
	struct ipm_span whole;
	size_t pieces;
	enum ipm_reason r;

	ipm_trace_add(path->trace, IPM_STEP_REASSEMBLE, IPM_R_OK, ip->frag_off,
	    ip->packet.len - ip->hlen);
	ipm_count(path, v4 ? IPM_ST_IP_fragments : IPM_ST_IP6_fragments);
	r = ipm_reass_add(&path->s->reass, &re, ip, in->frame,
	    path->work->reass, sizeof path->work->reass, &whole, &pieces);
	if (r == IPM_R_FRAG_PENDING)
		return ipm_in_end(in, r);
	if (r != IPM_R_OK)
		return ipm_in_drop(
		    in, v4 ? IPM_ST_IP_fragdropped : IPM_ST_IP6_fragdropped, r);
	ipm_count(path, v4 ? IPM_ST_IP_reassembled : IPM_ST_IP6_reassembled);
	ipm_trace_add(
	    path->trace, IPM_STEP_COMPLETE, IPM_R_OK, pieces, whole.len);
	memcpy(in->m.p, whole.p, whole.len);
	in->m.len = whole.len;
	return IPM_GO_ON;
}
