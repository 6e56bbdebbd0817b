#include "hx_show.h"

#include <inttypes.h>
#include <string.h>

#include "wire/ipm_upper.h"

static void
put_hex(FILE *out, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		(void)putc(digits[p[i] >> 4], out);
		(void)putc(digits[p[i] & 15], out);
	}
}

static const char *
verdict_of(const struct ipm_observation *o)
{
	return ipm_verdict_name(ipm_reasons[o->reason].verdict);
}

/* A step's sentence: %1 %2 decimal, %x1 %x2 hexadecimal, %r its result. */
static void
put_step_text(FILE *out, const struct ipm_step *s)
{
	for (const char *p = ipm_steps[s->id].text; *p != '\0'; p++) {
		bool hex = p[0] == '%' && p[1] == 'x';
		uint64_t v;

		if (p[0] != '%') {
			(void)putc(*p, out);
			continue;
		}
		p += hex ? 2 : 1;
		if (*p == 'r') {
			(void)fputs(ipm_reasons[s->reason].name, out);
			continue;
		}
		v = *p == '1' ? s->a : s->b;
		(void)fprintf(out, hex ? "0x%" PRIx64 : "%" PRIu64, v);
	}
}

/* --- JSON --------------------------------------------------------------- */

static void
json_layer(FILE *out, const struct ipm_layer *l, bool values)
{
	char a[46];

	(void)fprintf(out, "{\"proto\":\"%s\"", ipm_layer_name(l->kind));
	if (l->kind == IPM_L_IPCOMP)
		(void)fprintf(out, ",\"cpi\":\"0x%04" PRIx32 "\"", l->spi);
	else if (l->kind == IPM_L_ESP || l->kind == IPM_L_AH)
		(void)fprintf(out, ",\"spi\":\"0x%08" PRIx32 "\"", l->spi);
	(void)fprintf(out, ",\"src\":\"%s\"", ipm_addr_text(&l->src, a));
	(void)fprintf(out, ",\"dst\":\"%s\"", ipm_addr_text(&l->dst, a));
	if (l->kind == IPM_L_UDP_ENCAP)
		(void)fprintf(
		    out, ",\"sport\":%u,\"dport\":%u", l->sport, l->dport);
	if (l->has_sa)
		(void)fprintf(out, ",\"mode\":\"%s\"",
		    ipm_mode_name((enum ipm_mode)l->mode));
	if (l->has_seq)
		(void)fprintf(out, ",\"seq\":%" PRIu32, l->seq);
	if (l->has_seq_hi)
		(void)fprintf(out, ",\"seq_hi\":%" PRIu32, l->seq_hi);
	if (l->has_nh)
		(void)fprintf(out, ",\"nh\":%u", l->nh);
	if (l->has_iv) {
		(void)fputs(",\"iv\":\"", out);
		put_hex(out, l->iv, l->ivlen);
		(void)putc('"', out);
	}
	if (l->has_pad)
		(void)fprintf(out, ",\"padlen\":%u", l->padlen);
	if (l->has_ahlen)
		(void)fprintf(out, ",\"ahlen\":%u", l->ahlen);
	if (l->tfc != 0)
		(void)fprintf(out, ",\"tfc\":%" PRIu32, l->tfc);
	if (values && l->icv_len != 0 && l->has_computed) {
		(void)fputs(",\"icv_computed\":\"", out);
		put_hex(out, l->computed, l->icv_len);
		(void)fputs("\",\"icv_received\":\"", out);
		put_hex(out, l->received, l->icv_len);
		(void)putc('"', out);
	}
	(void)putc('}', out);
}

static void
json_steps(FILE *out, const struct ipm_trace *t)
{
	(void)fputs(",\"steps\":[", out);
	for (size_t i = 0; i < t->n; i++) {
		const struct ipm_step *s = &t->step[i];

		(void)fprintf(out,
		    "%s{\"step\":\"%s\",\"result\":\"%s\",\"clause\":\"%s\","
		    "\"text\":\"",
		    i == 0 ? "" : ",", ipm_steps[s->id].name,
		    ipm_reasons[s->reason].name, ipm_trace_clause(t, i));
		put_step_text(out, s);
		(void)fputs("\"}", out);
	}
	(void)putc(']', out);
	if (t->lost != 0)
		(void)fprintf(out, ",\"steps_lost\":%zu", t->lost);
}

void
hx_show_layers(FILE *out, const struct ipm_observation *o, bool values)
{
	(void)putc('[', out);
	for (size_t i = 0; i < o->n_layers; i++) {
		if (i != 0)
			(void)putc(',', out);
		json_layer(out, &o->layer[i], values);
	}
	(void)putc(']', out);
}

void
hx_show_json(FILE *out, const struct hx_judged *j)
{
	const struct ipm_observation *o = j->o;
	const struct ipm_reason_row *row = &ipm_reasons[o->reason];

	(void)fprintf(out,
	    "{\"frame\":%" PRIu64 ",\"time\":\"%" PRIu64 ".%09" PRIu32
	    "\",\"verdict\":\"%s\",\"reason\":\"%s\",\"layers\":",
	    j->number, j->sec, j->nsec, verdict_of(o), row->name);
	hx_show_layers(out, o, j->trace != NULL);
	if (j->completed_by != 0)
		(void)fprintf(
		    out, ",\"completed_by\":%" PRIu64, j->completed_by);
	if (j->taken_by != 0)
		(void)fprintf(out, ",\"taken_by\":%" PRIu64, j->taken_by);
	if (row->verdict == IPM_V_ACCEPT) {
		(void)fputs(",\"inner\":\"", out);
		put_hex(out, o->inner.p, o->inner.len);
		(void)putc('"', out);
	}
	if (j->trace != NULL)
		json_steps(out, j->trace);
	(void)fputs("}\n", out);
}

/* --- text ---------------------------------------------------------------- */

static const char *
icmp_name(uint8_t proto, unsigned type)
{
	static const struct {
		uint8_t proto, type;
		const char *name;
	} rows[] = {
		{ IPM_PROTO_ICMP, 0, "echo reply" },
		{ IPM_PROTO_ICMP, 3, "unreachable" },
		{ IPM_PROTO_ICMP, 5, "redirect" },
		{ IPM_PROTO_ICMP, 8, "echo request" },
		{ IPM_PROTO_ICMP, 11, "time exceeded" },
		{ IPM_PROTO_ICMPV6, 1, "unreachable" },
		{ IPM_PROTO_ICMPV6, 2, "packet too big" },
		{ IPM_PROTO_ICMPV6, 3, "time exceeded" },
		{ IPM_PROTO_ICMPV6, 128, "echo request" },
		{ IPM_PROTO_ICMPV6, 129, "echo reply" },
		{ IPM_PROTO_ICMPV6, 133, "router solicitation" },
		{ IPM_PROTO_ICMPV6, 134, "router advertisement" },
		{ IPM_PROTO_ICMPV6, 135, "neighbour solicitation" },
		{ IPM_PROTO_ICMPV6, 136, "neighbour advertisement" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].proto == proto && rows[i].type == type)
			return rows[i].name;
	return NULL;
}

static void
put_tcp_flags(FILE *out, const struct ipm_ip *ip)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} flags[] = { { 0x02, "syn" }, { 0x10, "ack" }, { 0x01, "fin" },
		{ 0x04, "rst" }, { 0x08, "psh" } };
	size_t off = ip->hlen + 13;
	uint8_t bits = off < ip->packet.len ? ip->packet.p[off] : 0;

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if ((bits & flags[i].bit) != 0)
			(void)fprintf(out, " %s", flags[i].name);
}

static void
put_upper(FILE *out, const struct ipm_ip *ip)
{
	struct ipm_upper u;
	const char *icmp;

	ipm_upper_parse(ip, &u);
	switch (u.proto) {
	case IPM_PROTO_ICMP:
	case IPM_PROTO_ICMPV6:
		(void)fputs(u.proto == IPM_PROTO_ICMP ? "icmp" : "icmp6", out);
		icmp = u.has_ports ? icmp_name(u.proto, u.sport) : NULL;
		if (icmp != NULL)
			(void)fprintf(out, " %s", icmp);
		else if (u.has_ports)
			(void)fprintf(
			    out, " type %u code %u", u.sport, u.dport);
		return;
	case IPM_PROTO_TCP:
	case IPM_PROTO_UDP:
		(void)fputs(u.proto == IPM_PROTO_TCP ? "tcp" : "udp", out);
		if (u.has_ports)
			(void)fprintf(out, " %u > %u", u.sport, u.dport);
		if (u.proto == IPM_PROTO_TCP && u.has_ports)
			put_tcp_flags(out, ip);
		return;
	case IPM_PROTO_ESP:
		(void)fputs("esp", out);
		return;
	case IPM_PROTO_AH:
		(void)fputs("ah", out);
		return;
	default:
		(void)fprintf(out, "protocol %u", u.proto);
		return;
	}
}

void
hx_show_packet(FILE *out, struct ipm_span packet)
{
	struct ipm_ip ip;
	char a[46];
	enum ipm_reason r = ipm_ip_parse(packet, false, &ip);

	if (ip.version == 0) {
		(void)fprintf(out, "%zu octets", packet.len);
		return;
	}
	(void)fputs(ipm_addr_text(&ip.src, a), out);
	(void)fprintf(out, " > %s  ", ipm_addr_text(&ip.dst, a));
	if (r == IPM_R_OK) {
		put_upper(out, &ip);
		if (ip.fragment)
			(void)fprintf(
			    out, " fragment at %" PRIu32, ip.frag_off);
		(void)fputs(", ", out);
	}
	(void)fprintf(out, "%zu octets", packet.len);
}

static const char *
counter_prefix(const struct ipm_observation *o, const char **set)
{
	const struct ipm_reason_row *row = &ipm_reasons[o->reason];

	*set = "-";
	if (o->n_layers == 0)
		return "";
	switch (o->layer[o->n_layers - 1].kind) {
	case IPM_L_ESP:
	case IPM_L_UDP_ENCAP:
		*set = row->esp;
		return "esps_";
	case IPM_L_AH:
		*set = row->ah;
		return "ahs_";
	case IPM_L_IPCOMP:
		*set = row->ipcomp;
		return "ipcomps_";
	case IPM_L_IPIP: /* ip_encap's affair, which counts elsewhere */
	case IPM_N_LAYER_KINDS:
		break;
	}
	return "";
}

/* "esps_wrap esps_replay"; nothing where FreeBSD counts nothing. */
static void
put_counters(FILE *out, const struct ipm_observation *o)
{
	const char *set, *prefix = counter_prefix(o, &set);

	if (strcmp(set, "-") == 0)
		return;
	(void)fputs("  ", out);
	for (;;) {
		size_t n = strcspn(set, " ");

		(void)fprintf(out, "%s%.*s", prefix, (int)n, set);
		if (set[n] == '\0')
			return;
		(void)putc(' ', out);
		set += n + 1;
	}
}

static uint64_t
full_seq(const struct ipm_layer *l)
{
	return (uint64_t)(l->has_seq_hi ? l->seq_hi : 0) << 32 | l->seq;
}

/* Why a frame was dropped, in words that end the search. */
static void
put_why(FILE *out, const struct hx_judged *j)
{
	const struct ipm_observation *o = j->o;
	const struct ipm_layer *l =
	    o->n_layers == 0 ? NULL : &o->layer[o->n_layers - 1];
	char a[46];

	if (o->reason == IPM_R_REPLAYED && l != NULL) {
		(void)fprintf(out, "seq %" PRIu64 " was taken", full_seq(l));
		if (j->taken_by != 0)
			(void)fprintf(out, " by frame %" PRIu64, j->taken_by);
		(void)fprintf(out, " (window %" PRIu32 ", top %" PRIu64 ")",
		    l->window, l->top);
	} else if (o->reason == IPM_R_LEFT_OF_WINDOW && l != NULL) {
		(void)fprintf(out,
		    "seq %" PRIu64 " is left of the window (window %" PRIu32
		    ", top %" PRIu64 ")",
		    full_seq(l), l->window, l->top);
	} else if (o->reason == IPM_R_ICV_BAD && l != NULL && l->has_computed) {
		/* The first octets, unless the difference lies further in. */
		bool all =
		    l->icv_len < 3 || memcmp(l->computed, l->received, 3) == 0;
		size_t n = all ? l->icv_len : 3;

		(void)fputs("computed ", out);
		put_hex(out, l->computed, n);
		(void)fprintf(out, "%s, received ", all ? "" : "..");
		put_hex(out, l->received, n);
		(void)fputs(all ? "" : "..", out);
	} else if (o->reason == IPM_R_NO_SA && l != NULL) {
		(void)fprintf(out,
		    l->kind == IPM_L_IPCOMP
			? "no SA for %s 0x%04" PRIx32 " > %s"
			: "no SA for %s 0x%08" PRIx32 " > %s",
		    ipm_layer_name(l->kind), l->spi, ipm_addr_text(&l->dst, a));
	} else {
		(void)fputs(ipm_reasons[o->reason].text, out);
	}
	(void)fprintf(out, "  %s", ipm_observation_clause(o));
	put_counters(out, o);
}

/* "ah+esp 0x4e697e6e > 192.0.2.2": the names outermost first, the SPI of the
 * layer that refused, or else of the outermost. */
static void
sa_text(const struct ipm_observation *o, char *buf, size_t len)
{
	const struct ipm_layer *l = NULL;
	size_t n = 0;
	char a[46];

	buf[0] = '\0';
	for (size_t i = 0; i < o->n_layers; i++) {
		const struct ipm_layer *k = &o->layer[i];

		if (k->kind == IPM_L_UDP_ENCAP)
			continue;
		if (l == NULL || ipm_reasons[o->reason].verdict == IPM_V_DROP)
			l = k;
		n += (size_t)snprintf(buf + n, len - n, "%s%s",
		    n == 0 ? "" : "+", ipm_layer_name(k->kind));
		if (n >= len)
			return;
	}
	if (l == NULL) {
		if (o->has_addrs)
			(void)snprintf(
			    buf, len, "- > %s", ipm_addr_text(&o->dst, a));
		return;
	}
	if (l->kind == IPM_L_IPIP)
		(void)snprintf(
		    buf + n, len - n, " > %s", ipm_addr_text(&l->dst, a));
	else
		(void)snprintf(buf + n, len - n,
		    l->kind == IPM_L_IPCOMP ? " 0x%04" PRIx32 " > %s"
					    : " 0x%08" PRIx32 " > %s",
		    l->spi, ipm_addr_text(&l->dst, a));
}

static void
seq_text(const struct ipm_observation *o, char *buf, size_t len)
{
	buf[0] = '\0';
	for (size_t i = 0; i < o->n_layers; i++)
		if (o->layer[i].has_seq)
			(void)snprintf(
			    buf, len, "%" PRIu64, full_seq(&o->layer[i]));
}

void
hx_show_heading(FILE *out)
{
	(void)fprintf(out, "%5s  %9s  %-33s %10s  %s\n", "frame", "time", "sa",
	    "seq", "verdict");
}

void
hx_show_line(FILE *out, const struct hx_judged *j)
{
	const struct ipm_observation *o = j->o;
	const struct ipm_reason_row *row = &ipm_reasons[o->reason];
	bool drop = row->verdict == IPM_V_DROP;
	char sa[80], seq[24], verdict[48], time[40];

	sa_text(o, sa, sizeof sa);
	seq_text(o, seq, sizeof seq);
	(void)snprintf(time, sizeof time, "%" PRIu64 ".%06" PRIu64,
	    j->since_ns / 1000000000, j->since_ns % 1000000000 / 1000);
	if (drop)
		(void)snprintf(verdict, sizeof verdict, "DROP %s", row->name);
	else if (row->verdict == IPM_V_ACCEPT && o->reason == IPM_R_OK)
		(void)snprintf(verdict, sizeof verdict, "accept");
	else
		(void)snprintf(
		    verdict, sizeof verdict, "%s %s", verdict_of(o), row->name);
	(void)fprintf(out, "%5" PRIu64 "  %9s  %-33s %10s  %s%-19s%s ",
	    j->number, time, sa, seq, drop && j->colour ? "\033[1;31m" : "",
	    verdict, drop && j->colour ? "\033[0m" : "");
	if (drop)
		put_why(out, j);
	else if (j->completed_by != 0)
		(void)fprintf(
		    out, "completed by frame %" PRIu64, j->completed_by);
	else if (row->verdict == IPM_V_ACCEPT || o->reason == IPM_R_CLEAR)
		hx_show_packet(out, o->inner);
	else
		(void)fputs(row->text, out);
	(void)putc('\n', out);
	if (j->trace == NULL)
		return;
	for (size_t i = 0; i < j->trace->n; i++) {
		const struct ipm_step *s = &j->trace->step[i];

		(void)fprintf(out, "%7s%-12s ", "", ipm_steps[s->id].name);
		put_step_text(out, s);
		(void)fprintf(out, "  [%s]\n", ipm_trace_clause(j->trace, i));
	}
	if (j->trace->lost != 0)
		(void)fprintf(out, "%7s(%zu more steps)\n", "", j->trace->lost);
}

static void
hex_dump(FILE *out, struct ipm_span s)
{
	for (size_t off = 0; off < s.len; off += 16) {
		(void)fprintf(out, "    %04zx ", off);
		for (size_t i = off; i < off + 16 && i < s.len; i++)
			(void)fprintf(out, " %02x", s.p[i]);
		(void)putc('\n', out);
	}
}

void
hx_show_full(FILE *out, const struct hx_judged *j)
{
	const struct ipm_observation *o = j->o;
	const struct ipm_reason_row *row = &ipm_reasons[o->reason];

	hx_show_line(out, j);
	(void)fprintf(out, "\n  verdict %s, reason %s: %s\n", verdict_of(o),
	    row->name, row->text);
	if (strcmp(row->clause, "-") != 0)
		(void)fprintf(out, "  clause %s\n", ipm_observation_clause(o));
	if (row->err != 0)
		(void)fprintf(out, "  FreeBSD errno %d\n", row->err);
	for (size_t i = 0; i < o->n_layers; i++) {
		(void)fprintf(out, "  layer %zu ", i + 1);
		json_layer(out, &o->layer[i], true);
		(void)putc('\n', out);
	}
	if (row->verdict == IPM_V_ACCEPT) {
		(void)fprintf(
		    out, "  inner packet, %zu octets\n", o->inner.len);
		hex_dump(out, o->inner);
	}
}
