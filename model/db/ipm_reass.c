/*
 * Implementation notes.  A packet is a list of pieces in order of offset; a
 * piece holds its fragment's header too, since the one at offset 0 gives the
 * whole packet its header.
 *
 * Overlapping IPv4 pieces: `first` and `last` keep both and let the order of
 * writing decide; `bsd` trims as FreeBSD's list does (octets of a piece that
 * starts at or before the new one stay, those of a later start give way);
 * `drop` gives the packet up, and so does IPv6 always.  An overlap is looked
 * for before the ends are compared: RFC 5722 4 wants the whole packet gone.
 */
#include "ipm_reass.h"

#include <string.h>

struct piece {
	uint64_t frame;
	ipm_off next;
	uint32_t order;    /* of arrival */
	uint32_t off, len; /* of the payload that counts */
	uint32_t skip;     /* payload octets trimmed in front */
	uint32_t hlen;     /* header octets in data */
	uint32_t size;     /* octets of the whole record */
	uint8_t more, tos;
	uint8_t nh;        /* IPv6: of the fragment header */
	uint16_t prev_off; /* IPv6: offset of the octet naming it */
	uint32_t flags;    /* the caller's */
	uint8_t data[];    /* header, payload */
};

struct packet {
	struct ipm_addr src, dst;
	uint64_t born;
	uint32_t id;
	uint32_t total; /* payload octets; 0 not known yet */
	uint32_t n_pieces, n_seen;
	ipm_off next, pieces;
	uint8_t version, proto;
	uint8_t dead; /* refused until its time is over */
	uint8_t ecn;  /* codepoints seen: bit 0 Not-ECT ... bit 3 CE */
};

enum {
	SAW_NOT_ECT = 1 << 0,
	SAW_CE = 1 << 3
};

void
ipm_reass_init(struct ipm_reass *t)
{
	*t = (struct ipm_reass){ 0 };
}

static struct packet *
packet_at(const struct ipm_reass_env *e, ipm_off off)
{
	return ipm_arena_at(e->arena, off);
}

static struct piece *
piece_at(const struct ipm_reass_env *e, ipm_off off)
{
	return ipm_arena_at(e->arena, off);
}

static void
append(struct ipm_reass_lost *l, const uint8_t *p, size_t len)
{
	size_t room = sizeof l->first - l->len;

	if (len > room)
		len = room;
	memcpy(l->first + l->len, p, len);
	l->len += len;
}

/* The fragment at offset 0, its own header back in its place. */
static void
keep_first(
    struct ipm_reass_lost *l, const struct packet *p, const struct piece *f)
{
	uint8_t header[8] = { f->nh, 0, 0, f->more };

	ipm_store32(header + 4, p->id);
	l->flags = f->flags;
	append(l, f->data, f->hlen);
	append(l, header, sizeof header);
	append(l, f->data + f->hlen, f->len);
}

static void
note_lost(const struct ipm_reass_env *e, const struct packet *p)
{
	struct ipm_reass_lost *l = e->lost;

	if (l == NULL)
		return;
	l->version = p->version;
	l->flags = 0;
	l->len = 0;
	if (p->version == 6 && p->pieces != 0 &&
	    piece_at(e, p->pieces)->off == 0)
		keep_first(l, p, piece_at(e, p->pieces));
}

/* Tells of every piece and returns its memory. */
static void
give_pieces(const struct ipm_reass_env *e, struct packet *p,
    enum ipm_reason reason, uint64_t by)
{
	ipm_off off = p->pieces;

	note_lost(e, p);
	while (off != 0) {
		struct piece *f = piece_at(e, off);
		ipm_off next = f->next;

		if (e->tell != NULL && f->frame != by)
			e->tell(e->tell_ctx, f->frame, reason, by);
		ipm_arena_give(e->arena, off, f->size);
		off = next;
	}
	p->pieces = 0;
	p->n_pieces = 0;
}

static void
unlink_packet(struct ipm_reass *t, const struct ipm_reass_env *e, ipm_off off)
{
	ipm_off prev = 0, at = t->first;

	while (at != off) {
		prev = at;
		at = packet_at(e, at)->next;
	}
	if (prev == 0)
		t->first = packet_at(e, off)->next;
	else
		packet_at(e, prev)->next = packet_at(e, off)->next;
	if (t->last == off)
		t->last = prev;
	t->count--;
	ipm_arena_give(e->arena, off, sizeof(struct packet));
}

bool
ipm_reass_expire(struct ipm_reass *t, const struct ipm_reass_env *e)
{
	for (ipm_off off = t->first; off != 0; off = packet_at(e, off)->next) {
		struct packet *p = packet_at(e, off);
		uint32_t limit = ipm_sw(e->pf,
		    p->version == 4 ? IPM_SW_FRAG_TIME4 : IPM_SW_FRAG_TIME6);

		if (e->now - p->born < limit || e->now <= p->born)
			continue;
		give_pieces(e, p, IPM_R_FRAG_TIMEOUT, 0);
		unlink_packet(t, e, off);
		return true;
	}
	return false;
}

/* RFC 791 3.2 names the protocol too, RFC 8200 4.5 does not. */
static bool
same_packet(const struct packet *p, const struct ipm_ip *ip)
{
	return p->version == ip->version && p->id == ip->frag_id &&
	    ipm_addr_equal(&p->src, &ip->src) &&
	    ipm_addr_equal(&p->dst, &ip->dst) &&
	    (p->version == 6 || p->proto == ip->frag_nh);
}

static ipm_off
find(const struct ipm_reass *t, const struct ipm_reass_env *e,
    const struct ipm_ip *ip)
{
	for (ipm_off off = t->first; off != 0; off = packet_at(e, off)->next)
		if (same_packet(packet_at(e, off), ip))
			return off;
	return 0;
}

static ipm_off
begin(
    struct ipm_reass *t, const struct ipm_reass_env *e, const struct ipm_ip *ip)
{
	ipm_off off = ipm_arena_take(e->arena, e->alloc, sizeof(struct packet));
	struct packet *p;

	if (off == 0)
		return 0;
	p = packet_at(e, off);
	p->src = ip->src;
	p->dst = ip->dst;
	p->born = e->now;
	p->id = ip->frag_id;
	p->version = ip->version;
	p->proto = ip->frag_nh;
	if (t->last == 0)
		t->first = off;
	else
		packet_at(e, t->last)->next = off;
	t->last = off;
	t->count++;
	return off;
}

/* The fragment in hand. */
struct frag {
	const struct ipm_ip *ip;
	uint64_t frame;
	struct ipm_span payload;
	uint32_t off, end;
};

static uint32_t
end_of(const struct piece *q)
{
	return q->off + q->len;
}

/* What no packet can have a piece of. */
static enum ipm_reason
check_alone(const struct frag *f)
{
	size_t head =
	    f->ip->version == 4 ? f->ip->hlen : f->ip->frag_hdr - IPM_IP6_HLEN;

	if (f->payload.len == 0 || (f->ip->more && f->payload.len % 8 != 0))
		return IPM_R_FRAG_BAD;
	return head + f->end > 65535 ? IPM_R_FRAG_TOO_BIG : IPM_R_OK;
}

/* Two ends, or a piece that wants more behind the end. */
static bool
ends_differ(
    const struct packet *p, const struct ipm_reass_env *e, const struct frag *f)
{
	if (p->total != 0 &&
	    (f->end > p->total || f->ip->more != (f->end < p->total)))
		return true;
	if (f->ip->more)
		return false;
	for (ipm_off at = p->pieces; at != 0;) {
		const struct piece *q = piece_at(e, at);

		if (end_of(q) > f->end || (q->more && end_of(q) == f->end))
			return true;
		at = q->next;
	}
	return false;
}

/*
 * RFC 3168 5.3: a congestion mark on any fragment is not lost, and never goes
 * to a packet of which another fragment is Not-ECT.  As FreeBSD does, the
 * fragment that brings the contradiction is dropped, the others are kept.
 */
static uint8_t
ecn_with(const struct packet *p, const struct frag *f)
{
	return (uint8_t)(p->ecn | 1U << (f->ip->tos & 3));
}

static bool
ecn_mixed(const struct packet *p, const struct frag *f)
{
	unsigned both = SAW_CE | SAW_NOT_ECT;

	return (ecn_with(p, f) & both) == both;
}

/* Are all octets of the fragment there?  The pieces are in order of offset. */
static bool
covered(
    const struct packet *p, const struct ipm_reass_env *e, const struct frag *f)
{
	uint32_t have = f->off;

	for (ipm_off at = p->pieces; at != 0;) {
		const struct piece *q = piece_at(e, at);

		if (q->off <= have && end_of(q) > have)
			have = end_of(q);
		at = q->next;
	}
	return have >= f->end;
}

static bool
same_octets(const struct piece *q, const struct frag *f)
{
	return q->skip == 0 && q->off == f->off && q->len == f->payload.len &&
	    q->more == f->ip->more &&
	    memcmp(q->data + q->hlen, f->payload.p, q->len) == 0;
}

/* Does the fragment meet a piece?  An exact copy is told apart. */
static bool
overlaps(const struct packet *p, const struct ipm_reass_env *e,
    const struct frag *f, bool *copy)
{
	bool any = false;

	*copy = false;
	for (ipm_off at = p->pieces; at != 0;) {
		const struct piece *q = piece_at(e, at);

		*copy = *copy || same_octets(q, f);
		any = any || (q->off < f->end && f->off < end_of(q));
		at = q->next;
	}
	return any;
}

static enum ipm_reason
keep(const struct ipm_reass_env *e, ipm_off packet, const struct frag *f,
    ipm_off *made)
{
	const struct ipm_ip *ip = f->ip;
	size_t hlen = ip->version == 4 ? ip->hlen : ip->frag_hdr;
	size_t size = sizeof(struct piece) + hlen + f->payload.len;
	ipm_off off = ipm_arena_take(e->arena, e->alloc, size), *link;
	struct packet *p = packet_at(e, packet);
	struct piece *n;

	if (off == 0)
		return IPM_R_NO_MEMORY;
	n = piece_at(e, off);
	n->frame = f->frame;
	n->order = p->n_seen++;
	n->off = f->off;
	n->len = (uint32_t)f->payload.len;
	n->hlen = (uint32_t)hlen;
	n->size = (uint32_t)size;
	n->more = ip->more;
	n->tos = ip->tos;
	n->nh = ip->frag_nh;
	n->prev_off = (uint16_t)ip->frag_prev_off;
	n->flags = e->flags;
	memcpy(n->data, ip->packet.p, hlen);
	memcpy(n->data + hlen, f->payload.p, f->payload.len);

	/* In order of offset; of equal ones the earlier arrival first. */
	link = &p->pieces;
	while (*link != 0 && piece_at(e, *link)->off <= n->off)
		link = &piece_at(e, *link)->next;
	n->next = *link;
	*link = off;
	p->n_pieces++;
	p->ecn = ecn_with(p, f);
	if (!ip->more)
		p->total = f->end;
	*made = off;
	return IPM_R_OK;
}

static void
trim_head(struct piece *q, uint32_t n)
{
	q->off += n;
	q->len -= n;
	q->skip += n;
}

/*
 * [freebsd ip_reass.c ip_reass] What starts at or before the new piece keeps
 * its octets, what starts behind it gives way; a piece left with nothing goes.
 * The new one has octets of its own: covered() has said so.
 */
static void
trim_bsd(const struct ipm_reass_env *e, struct packet *p, ipm_off made)
{
	struct piece *n = piece_at(e, made);

	for (ipm_off at = p->pieces; at != made;) {
		const struct piece *q = piece_at(e, at);

		if (end_of(q) > n->off)
			trim_head(n, end_of(q) - n->off);
		at = q->next;
	}
	while (n->next != 0) {
		struct piece *q = piece_at(e, n->next);
		ipm_off gone = n->next;

		if (q->off >= end_of(n))
			return;
		if (end_of(q) > end_of(n)) {
			trim_head(q, end_of(n) - q->off);
			return;
		}
		if (e->tell != NULL)
			e->tell(e->tell_ctx, q->frame, IPM_R_FRAG_DUPLICATE,
			    n->frame);
		n->next = q->next;
		p->n_pieces--;
		ipm_arena_give(e->arena, gone, q->size);
	}
}

static bool
complete(const struct packet *p, const struct ipm_reass_env *e)
{
	uint32_t have = 0;

	if (p->total == 0)
		return false;
	for (ipm_off at = p->pieces; at != 0;) {
		const struct piece *q = piece_at(e, at);

		if (q->off > have)
			return false;
		if (end_of(q) > have)
			have = end_of(q);
		at = q->next;
	}
	return have == p->total;
}

/* Writes the pieces in order of arrival, or against it. */
static void
write_pieces(const struct packet *p, const struct ipm_reass_env *e,
    uint8_t *out, bool first_wins)
{
	for (uint32_t i = 0; i < p->n_seen; i++) {
		uint32_t want = first_wins ? p->n_seen - 1 - i : i;

		for (ipm_off at = p->pieces; at != 0;) {
			const struct piece *q = piece_at(e, at);

			if (q->order == want)
				memcpy(out + q->off,
				    q->data + q->hlen + q->skip, q->len);
			at = q->next;
		}
	}
}

/* The header is that of the first piece that began the packet. */
static const struct piece *
head_piece(const struct packet *p, const struct ipm_reass_env *e)
{
	const struct piece *best = NULL;

	for (ipm_off at = p->pieces; at != 0;) {
		const struct piece *q = piece_at(e, at);

		if (q->off - q->skip == 0 &&
		    (best == NULL || q->order < best->order))
			best = q;
		at = q->next;
	}
	return best;
}

static enum ipm_reason
assemble(const struct packet *p, const struct ipm_reass_env *e, uint8_t *out,
    size_t cap, struct ipm_span *packet)
{
	const struct piece *h = head_piece(p, e);
	size_t total;

	if (h == NULL)
		return IPM_R_FRAG_BAD;
	total = h->hlen + p->total;
	if (total > cap)
		return IPM_R_NO_MEMORY;
	memcpy(out, h->data, h->hlen);
	write_pieces(p, e, out + h->hlen,
	    ipm_sw(e->pf, IPM_SW_FRAG_OVERLAP4) == IPM_OVERLAP_FIRST);
	if ((p->ecn & SAW_CE) != 0)
		ipm_ip_set_tos(out, p->version, h->tos | 3);
	/* [ESP-3.4.1-04] More-fragments and offset go; DF stays as it came. */
	if (p->version == 4)
		ipm_store16(out + 6, ipm_load16(out + 6) & 0xc000);
	if (!ipm_ip_rewrite(out, p->version, h->hlen, total,
		p->version == 4 ? SIZE_MAX : h->prev_off, h->nh))
		return IPM_R_FRAG_TOO_BIG;
	*packet = ipm_span(out, total);
	return IPM_R_OK;
}

/* The packet is given up; an IPv6 one is remembered as such (RFC 5722 4). */
static enum ipm_reason
give_up(struct ipm_reass *t, const struct ipm_reass_env *e, ipm_off off,
    enum ipm_reason reason)
{
	struct packet *p = packet_at(e, off);

	give_pieces(e, p, reason, 0);
	if (reason == IPM_R_FRAG_OVERLAP)
		p->dead = 1;
	else
		unlink_packet(t, e, off);
	return reason;
}

/*
 * May the fragment join the packet?  IPM_R_OK, or why it does not; *overlap
 * tells that pieces need trimming.
 */
static enum ipm_reason
admit(struct ipm_reass *t, const struct ipm_reass_env *e, ipm_off off,
    const struct frag *f, uint32_t rule, bool *overlap)
{
	struct packet *p = packet_at(e, off);
	bool copy;

	if (p->dead)
		return IPM_R_FRAG_OVERLAP;
	*overlap = overlaps(p, e, f, &copy);
	if (*overlap && !copy && rule == IPM_OVERLAP_DROP)
		return give_up(t, e, off, IPM_R_FRAG_OVERLAP);
	if (ends_differ(p, e, f) || ecn_mixed(p, f))
		return IPM_R_FRAG_BAD;
	if (copy ||
	    (*overlap && rule != IPM_OVERLAP_LAST && covered(p, e, f))) {
		p->ecn = ecn_with(p, f);
		return IPM_R_FRAG_DUPLICATE;
	}
	if (p->n_pieces >= ipm_sw(e->pf, IPM_SW_FRAG_PIECES))
		return give_up(t, e, off, IPM_R_FRAG_FULL);
	return IPM_R_OK;
}

enum ipm_reason
ipm_reass_add(struct ipm_reass *t, const struct ipm_reass_env *e,
    const struct ipm_ip *ip, uint64_t frame, uint8_t *out, size_t cap,
    struct ipm_span *packet, size_t *pieces)
{
	uint32_t rule = ip->version == 6 ? IPM_OVERLAP_DROP
					 : ipm_sw(e->pf, IPM_SW_FRAG_OVERLAP4);
	struct frag f = { .ip = ip, .frame = frame, .off = ip->frag_off };
	ipm_off off = find(t, e, ip), made;
	enum ipm_reason reason;
	bool overlap = false;
	struct packet *p;

	f.payload = ipm_span_from(ip->packet, ip->hlen);
	f.end = f.off + (uint32_t)f.payload.len;
	reason = check_alone(&f);
	if (reason != IPM_R_OK)
		return reason;
	if (off != 0) {
		reason = admit(t, e, off, &f, rule, &overlap);
		if (reason != IPM_R_OK)
			return reason;
	} else {
		if (t->count >= ipm_sw(e->pf, IPM_SW_FRAG_PACKETS))
			return IPM_R_FRAG_FULL;
		off = begin(t, e, ip);
		if (off == 0)
			return IPM_R_NO_MEMORY;
	}
	reason = keep(e, off, &f, &made);
	p = packet_at(e, off);
	if (reason != IPM_R_OK) {
		if (p->n_pieces == 0)
			unlink_packet(t, e, off);
		return reason;
	}
	if (overlap && rule == IPM_OVERLAP_BSD)
		trim_bsd(e, p, made);
	if (!complete(p, e))
		return IPM_R_FRAG_PENDING;
	reason = assemble(p, e, out, cap, packet);
	*pieces = p->n_pieces;
	give_pieces(e, p, reason, frame);
	unlink_packet(t, e, off);
	return reason;
}

void
ipm_reass_digest(
    const struct ipm_reass *t, const struct ipm_arena *a, struct ipm_digest *d)
{
	ipm_digest_number(d, t->count);
	for (ipm_off off = t->first; off != 0;) {
		const struct packet *p = ipm_arena_at(a, off);

		ipm_digest_octets(d, p->src.octet, sizeof p->src.octet);
		ipm_digest_octets(d, p->dst.octet, sizeof p->dst.octet);
		ipm_digest_number(d, p->born);
		ipm_digest_number(d, p->id);
		ipm_digest_number(d, p->total);
		ipm_digest_number(d, p->version);
		ipm_digest_number(d, p->proto);
		ipm_digest_number(d, p->dead);
		ipm_digest_number(d, p->ecn);
		ipm_digest_number(d, p->n_pieces);
		for (ipm_off at = p->pieces; at != 0;) {
			const struct piece *q = ipm_arena_at(a, at);

			ipm_digest_number(d, q->frame);
			ipm_digest_number(d, q->order);
			ipm_digest_number(d, q->off);
			ipm_digest_number(d, q->len);
			ipm_digest_number(d, q->skip);
			ipm_digest_number(d, q->more);
			ipm_digest_number(d, q->hlen);
			ipm_digest_number(d, q->nh);
			ipm_digest_number(d, q->flags);
			ipm_digest_octets(d, q->data, q->hlen);
			ipm_digest_octets(
			    d, q->data + q->hlen + q->skip, q->len);
			at = q->next;
		}
		off = p->next;
	}
}
