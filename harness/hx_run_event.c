/* The events of a scenario: one row a verb. */
#include "hx_run_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hx_make.h"
#include "hx_salist.h"
#include "hx_setkey_msg.h"
#include "ipm_sysctl.h"
#include "pfk_policy.h"

bool
hx_run_no(char *why, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, len, fmt, ap);
	va_end(ap);
	return false;
}

uint32_t
hx_name_id(const struct hx_names *n, const char *name)
{
	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->name[i], name) == 0)
			return n->id[i];
	return 0;
}

const char *
hx_name_of(const struct hx_names *n, uint32_t id)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->id[i] == id)
			return n->name[i];
	return "?";
}

static bool
add_name(struct hx_names *n, const char *name, uint32_t id)
{
	size_t len = strlen(name);

	if (n->n == HX_NAMES_MAX || len >= sizeof n->name[0])
		return false;
	memcpy(n->name[n->n], name, len + 1);
	n->id[n->n++] = id;
	return true;
}

static void
drop_name(struct hx_names *n, const char *name)
{
	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->name[i], name) == 0) {
			n->n--;
			memmove(n->name[i], n->name[n->n], sizeof n->name[0]);
			n->id[i] = n->id[n->n];
			return;
		}
}

static bool
addr_of(const char *text, struct ipm_addr *a)
{
	return hx_addr_parse(text, strlen(text), a);
}

/* --- the host ------------------------------------------------------------------ */

static void
tell_host(struct hx_run *r)
{
	const struct pfk_event ev = { .kind = PFK_EV_HOST, .host = &r->host };
	const struct ipm_host *now = &r->x.m.e.ipm.host;

	/* What counts on is no line's to set back. */
	r->host.ip_id = now->ip_id;
	memcpy(r->host.enc_packets, now->enc_packets, sizeof now->enc_packets);
	memcpy(r->host.enc_octets, now->enc_octets, sizeof now->enc_octets);
	hx_run_step(r, &ev);
}

static bool
ev_nothing(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	(void)r, (void)l, (void)go, (void)why, (void)len;
	return true;
}

static bool
ev_seed(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	int64_t v;

	if (!hx_number(l->word[1], &v))
		return hx_run_no(why, len, "%s is no number", l->word[1]);
	if (go)
		r->x.seed = (uint64_t)v;
	return true;
}

static bool
if_word(struct hx_run *r, const char *w, const char *next, uint8_t index,
    bool go, bool *used_next, char *why, size_t len)
{
	struct ipm_addr a;
	uint8_t prefix;
	int64_t v;

	*used_next = false;
	if (strcmp(w, "loopback") == 0) {
		r->host.iface[index].loopback = go;
		return true;
	}
	if (strcmp(w, "mtu") == 0) {
		if (next == NULL || !hx_number_to(next, 65535, &v) || v < 68)
			return hx_run_no(why, len, "mtu takes 68 to 65535");
		if (go)
			r->host.iface[index].mtu = (uint32_t)v;
		*used_next = true;
		return true;
	}
	if (!hx_net(w, &a, &prefix))
		return hx_run_no(why, len, "%s is no address/prefix", w);
	if (go && ipm_host_add_addr(&r->host, index, &a, prefix) != IPM_OK)
		return hx_run_no(why, len, "too many addresses");
	return true;
}

/* if NAME [loopback] [mtu N] [ADDR/PREFIX]... */
static bool
ev_if(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	uint8_t index = 0;

	if (go &&
	    ipm_host_add_if(&r->host, l->word[1], 1500, false, &index) !=
		IPM_OK)
		return hx_run_no(why, len,
		    "interface %s: its name is taken or too long, or there "
		    "are too many",
		    l->word[1]);
	for (size_t i = 2; i < l->n; i++) {
		bool used;

		if (!if_word(r, l->word[i],
			i + 1 < l->n ? l->word[i + 1] : NULL, index, go, &used,
			why, len))
			return false;
		i += used;
	}
	if (go)
		tell_host(r);
	return true;
}

/* route NET/PREFIX via ADDR | dev IF */
static bool
ev_route(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct ipm_addr net, via = { 0 }, dummy;
	uint8_t prefix;
	int iface;

	if (!hx_net(l->word[1], &net, &prefix))
		return hx_run_no(
		    why, len, "%s is no address/prefix", l->word[1]);
	if (strcmp(l->word[2], "via") == 0) {
		if (!addr_of(l->word[3], &via))
			return hx_run_no(
			    why, len, "%s is no address", l->word[3]);
	} else if (strcmp(l->word[2], "dev") != 0)
		return hx_run_no(why, len, "expected via ADDRESS or dev NAME");
	if (!go)
		return true;
	iface = via.family != 0 ? ipm_host_route(&r->host, &via, &dummy)
				: ipm_host_if(&r->host, l->word[3]);
	if (iface < 0)
		return hx_run_no(
		    why, len, "no interface leads to %s", l->word[3]);
	if (ipm_host_add_route(&r->host, &net, prefix, (uint8_t)iface, &via) !=
	    IPM_OK)
		return hx_run_no(
		    why, len, "the route is there or one too many");
	tell_host(r);
	return true;
}

/* forward off | on | 4 | 6 */
static bool
ev_forward(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	const char *w = l->word[1];
	bool on = strcmp(w, "on") == 0;
	bool four = on || strcmp(w, "4") == 0, six = on || strcmp(w, "6") == 0;

	if (!four && !six && strcmp(w, "off") != 0)
		return hx_run_no(why, len, "forward takes on, off, 4 or 6");
	if (go) {
		r->host.forwarding4 = four;
		r->host.forwarding6 = six;
		tell_host(r);
	}
	return true;
}

/* host FIELD=VALUE... */
static bool
ev_host(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	const struct {
		const char *name;
		uint8_t *at;
	} fields[] = { { "ttl=", &r->host.ttl }, { "hlim=", &r->host.hlim },
		{ "rfc6864=", &r->host.rfc6864 },
		{ "random_id=", &r->host.random_id } };

	for (size_t i = 1; i < l->n; i++) {
		size_t k = 0, n = sizeof fields / sizeof fields[0];
		int64_t v;

		while (k < n &&
		    strncmp(l->word[i], fields[k].name,
			strlen(fields[k].name)) != 0)
			k++;
		if (k == n ||
		    !hx_number_to(l->word[i] + strlen(fields[k].name), 255, &v))
			return hx_run_no(why, len,
			    "%s: expected ttl, hlim, rfc6864 or random_id and "
			    "a number",
			    l->word[i]);
		if (go)
			*fields[k].at = (uint8_t)v;
	}
	if (go)
		tell_host(r);
	return true;
}

static bool
ev_enc0(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	bool up = strcmp(l->word[1], "up") == 0;

	if (!up && strcmp(l->word[1], "down") != 0)
		return hx_run_no(why, len, "enc0 goes up or down");
	if (go) {
		r->host.enc_up = up;
		tell_host(r);
	}
	return true;
}

static const char *const filter_places[] = { [IPM_FILTER_IN] = "in",
	[IPM_FILTER_OUT] = "out",
	[IPM_FILTER_ENC_IN] = "enc-in",
	[IPM_FILTER_ENC_OUT] = "enc-out" };

static bool
filter_word(struct ipm_filter *f, const char *w)
{
	int64_t v;

	if (strncmp(w, "proto=", 6) == 0 && hx_number_to(w + 6, 254, &v)) {
		f->proto = (uint8_t)v;
		return true;
	}
	if (strcmp(w, "family=4") == 0 || strcmp(w, "family=6") == 0) {
		f->family = (uint8_t)(w[7] - '0');
		return true;
	}
	if (strncmp(w, "src=", 4) == 0)
		return hx_net(w + 4, &f->src, &f->src_prefix);
	return strncmp(w, "dst=", 4) == 0 &&
	    hx_net(w + 4, &f->dst, &f->dst_prefix);
}

/* filter none | watch | block PLACE [family=] [proto=] [src=] [dst=] */
static bool
ev_filter(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct ipm_filter f = { .proto = 255 };
	size_t at = 0;

	if (strcmp(l->word[1], "none") == 0 && l->n == 2) {
		if (go) {
			r->host.n_filters = 0;
			r->host.filter_installed = 0;
			tell_host(r);
		}
		return true;
	}
	if (strcmp(l->word[1], "watch") == 0 && l->n == 2) {
		if (go) {
			r->host.filter_installed = 1;
			tell_host(r);
		}
		return true;
	}
	if (strcmp(l->word[1], "block") != 0 || l->n < 3)
		return hx_run_no(
		    why, len, "filter takes none, watch or block PLACE");
	while (at < 4 && strcmp(l->word[2], filter_places[at]) != 0)
		at++;
	if (at == 4)
		return hx_run_no(
		    why, len, "a filter blocks in, out, enc-in or enc-out");
	f.at = (uint8_t)at;
	for (size_t i = 3; i < l->n; i++)
		if (!filter_word(&f, l->word[i]))
			return hx_run_no(why, len,
			    "%s: expected family=, proto=, src= or dst=",
			    l->word[i]);
	if (!go)
		return true;
	if (r->host.n_filters == IPM_FILTERS_MAX)
		return hx_run_no(why, len, "too many filters");
	r->host.filter[r->host.n_filters++] = f;
	r->host.filter_installed = 1;
	tell_host(r);
	return true;
}

/* --- time, chance, faults ------------------------------------------------------ */

static bool
ev_at(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	const struct pfk_event ev = { .kind = PFK_EV_CLOCK };
	int64_t v;

	if (!hx_number_to(l->word[1], INT64_MAX, &v))
		return hx_run_no(
		    why, len, "%s is no number of seconds", l->word[1]);
	if (!go)
		return true;
	if (strcmp(l->word[0], "after") == 0)
		v += (int64_t)r->x.sec;
	if ((uint64_t)v < r->x.sec)
		return hx_run_no(why, len, "time does not go back");
	r->x.sec = (uint64_t)v;
	hx_run_step(r, &ev);
	return true;
}

static bool
ev_random(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct hx_octets o;

	if (!hx_hex_read(l->word[1], &o))
		return hx_run_no(why, len, "expected hexadecimal digits");
	if (go) {
		hx_octets_free(&r->x.random);
		r->x.random = o;
	} else
		hx_octets_free(&o);
	return true;
}

static bool
ev_fault(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	static const struct {
		const char *name;
		unsigned bit;
	} faults[] = { { "none", 0 }, { "cipher", IPM_FAULT_CIPHER },
		{ "deflate", IPM_FAULT_DEFLATE },
		{ "inflate", IPM_FAULT_INFLATE },
		{ "nomem", IPM_FAULT_NOMEM } };
	struct pfk_event ev = { .kind = PFK_EV_FAULT };
	unsigned mask = 0;

	for (size_t i = 1; i < l->n; i++) {
		size_t k = 0;

		while (k < 5 && strcmp(l->word[i], faults[k].name) != 0)
			k++;
		if (k == 5)
			return hx_run_no(why, len,
			    "%s: expected none, cipher, deflate, inflate or "
			    "nomem",
			    l->word[i]);
		mask |= faults[k].bit;
	}
	ev.value = mask;
	if (go)
		hx_run_step(r, &ev);
	return true;
}

/* A variable of the host that lies outside the tables of IPsec. */
static bool
host_sysctl(struct hx_run *r, const char *name, int64_t value, bool go,
    char *why, size_t len)
{
	if (value < 0 || value > UINT8_MAX)
		return hx_run_no(why, len, "%s takes 0 to 255", name);
	if (go) {
		*ipm_host_variable(&r->host, name) = (uint8_t)value;
		tell_host(r);
	}
	return true;
}

static bool
ev_sysctl(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	char *eq = strchr(l->word[1], '=');
	struct pfk_event ev = { .kind = PFK_EV_SYSCTL, .name = l->word[1] };
	const uint8_t *host;
	char name[128];

	if (eq == NULL) {
		if (!go)
			return true;
		r->out = (struct pfk_outcome){ 0 };
		host = ipm_host_variable(&r->host, l->word[1]);
		if (host != NULL) {
			r->value = *host;
			r->has_value = true;
			return true;
		}
		r->out.err = ipm_sysctl_get(
		    &r->x.m.e.ipm.sysctls, &r->x.m.pf, l->word[1], &r->value);
		r->has_value = r->out.err == 0;
		return true;
	}
	if ((size_t)(eq - l->word[1]) >= sizeof name ||
	    !hx_number(eq + 1, &ev.value))
		return hx_run_no(why, len, "%s is no number", eq + 1);
	memcpy(name, l->word[1], (size_t)(eq - l->word[1]));
	name[eq - l->word[1]] = '\0';
	ev.name = name;
	if (ipm_host_variable(&r->host, name) != NULL)
		return host_sysctl(r, name, ev.value, go, why, len);
	if (go)
		hx_run_step(r, &ev);
	return true;
}

/* --- sockets ------------------------------------------------------------------- */

/* udp4:9000, udp4:192.0.2.1:9000, udp6:[2001:db8::1]:9000, raw4:50, tcp4:80 */
static bool
socket_of(const char *name, struct ipm_pcb *p)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} kinds[] = { { "udp", 17 }, { "tcp", 6 }, { "raw", 0 } };
	const char *at = name + 4, *colon;
	size_t k = 0;
	int64_t v;

	memset(p, 0, sizeof *p);
	while (k < 3 && strncmp(name, kinds[k].name, 3) != 0)
		k++;
	if (k == 3 || (name[3] != '4' && name[3] != '6'))
		return false;
	p->family = (uint8_t)(name[3] - '0');
	p->proto = kinds[k].proto;
	p->laddr.family = p->faddr.family = p->family;
	if (name[4] == '\0')
		return k == 1; /* "tcp4": a socket to connect with */
	if (*at++ != ':')
		return false;
	colon = strrchr(at, ':');
	if (colon != NULL) {
		size_t n = (size_t)(colon - at);

		if (n > 2 && at[0] == '[' && at[n - 1] == ']') {
			at++;
			n -= 2;
		}
		if (!hx_addr_parse(at, n, &p->laddr) ||
		    p->laddr.family != p->family)
			return false;
		at = colon + 1;
	}
	if (!hx_number_to(at, k == 2 ? 255 : 65535, &v))
		return false;
	if (k == 2) {
		p->proto = (uint8_t)v;
		p->raw = 1;
	} else
		p->lport = (uint16_t)v;
	p->listening = k == 1;
	return true;
}

/* socket NAME [to ADDR PORT] */
static bool
ev_socket(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_SOCKET };
	int64_t v;

	if (!socket_of(l->word[1], &ev.pcb))
		return hx_run_no(why, len,
		    "%s: expected udp4:PORT, udp4:ADDRESS:PORT, tcp4:PORT, "
		    "raw4:PROTOCOL (or 6, an address in [ ])",
		    l->word[1]);
	if (l->n != 2) {
		if (l->n != 5 || strcmp(l->word[2], "to") != 0 ||
		    !addr_of(l->word[3], &ev.pcb.faddr) ||
		    ev.pcb.faddr.family != ev.pcb.family ||
		    !hx_number_to(l->word[4], 65535, &v))
			return hx_run_no(why, len, "expected to ADDRESS PORT");
		ev.pcb.fport = (uint16_t)v;
		ev.pcb.listening = 0;
	}
	if (!go)
		return true;
	if (hx_name_id(&r->socks, l->word[1]) != 0)
		return hx_run_no(why, len, "%s is open", l->word[1]);
	ev.pcb.id = (uint32_t)r->x.m.event + 1;
	hx_run_step(r, &ev);
	if (r->out.err == 0 && !add_name(&r->socks, l->word[1], ev.pcb.id))
		return hx_run_no(why, len, "too many sockets");
	return true;
}

static bool
known(const struct hx_names *n, const char *name, uint32_t *id, char *why,
    size_t len)
{
	*id = hx_name_id(n, name);
	return *id != 0 || hx_run_no(why, len, "no socket %s is open", name);
}

static bool
ev_close(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_CLOSE };

	if (!go)
		return true;
	if (!known(&r->socks, l->word[1], &ev.sock, why, len))
		return false;
	drop_name(&r->socks, l->word[1]);
	hx_run_step(r, &ev);
	return true;
}

/* FreeBSD's numbers of the options that IPsec knows. */
static const struct {
	const char *name;
	int level, option;
} options[] = { { "policy4", 0, 21 }, { "policy6", 41, 28 }, { "encap", 17, 1 },
	{ "md5", 6, 16 } };

/* A name of the list, or LEVEL:OPTION in numbers. */
static bool
opt_of(const char *name, struct pfk_event *ev)
{
	const char *colon = strchr(name, ':');
	char level[16];
	int64_t l, o;

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		if (strcmp(options[i].name, name) == 0) {
			ev->level = options[i].level;
			ev->option = options[i].option;
			return true;
		}
	if (colon == NULL || (size_t)(colon - name) >= sizeof level)
		return false;
	memcpy(level, name, (size_t)(colon - name));
	level[colon - name] = '\0';
	if (!hx_number_to(level, INT32_MAX, &l) ||
	    !hx_number_to(colon + 1, INT32_MAX, &o))
		return false;
	ev->level = (int)l;
	ev->option = (int)o;
	return true;
}

/* The octets of an option's value: hexadecimal digits, a number (32 bits), or
 * a policy's text. */
static bool
opt_value(const char *text, bool policy, uint8_t *out, size_t cap, size_t *len,
    char *why, size_t why_len)
{
	struct hx_octets o;
	int64_t v;
	size_t at;

	if (strncmp(text, "hex=", 4) == 0
		? hx_make_payload(text, &o)
		: policy && strlen(text) >= 16 && hx_hex_read(text, &o)) {
		bool fits = o.len <= cap;

		if (fits)
			memcpy(out, o.p, *len = o.len);
		hx_octets_free(&o);
		return fits || hx_run_no(why, why_len, "the value is too long");
	}
	if (!policy && hx_number_to(text, INT32_MAX, &v)) {
		*len = 4;
		for (size_t i = 0; i < 4; i++)
			out[i] = (uint8_t)(v >> 8 * i);
		return true;
	}
	if (policy) {
		enum pfk_eipsec e = pfk_policy_parse(
		    &hx_setkey_codec, text, out, cap, len, &at);

		return e == PFK_E_NO_ERROR ||
		    hx_run_no(why, why_len, "policy at offset %zu: %s", at,
			pfk_eipsec_text((int)e));
	}
	return hx_run_no(why, why_len, "%s is no value", text);
}

/* setsockopt NAME OPTION VALUE [unprivileged]
 * getsockopt NAME OPTION [VALUE] */
static bool
ev_opt(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	bool set = l->word[0][0] == 's';
	struct pfk_event ev = { .kind = set ? PFK_EV_SETOPT : PFK_EV_GETOPT,
		.privileged = set };
	uint8_t value[PFK_OPT_MAX];
	size_t n = 0;

	if (!opt_of(l->word[2], &ev))
		return hx_run_no(why, len,
		    "%s: expected policy4, policy6, encap, md5 or "
		    "LEVEL:OPTION",
		    l->word[2]);
	if (l->n > 3 &&
	    !opt_value(l->word[3], l->word[2][0] == 'p', value, sizeof value,
		&n, why, len))
		return false;
	if (l->n == 5) {
		if (strcmp(l->word[4], "unprivileged") != 0)
			return hx_run_no(why, len, "expected unprivileged");
		ev.privileged = false;
	}
	if (!go)
		return true;
	if (!known(&r->socks, l->word[1], &ev.sock, why, len))
		return false;
	ev.octets = ipm_span(value, n);
	hx_run_step(r, &ev);
	return true;
}

/* --- PF_KEY -------------------------------------------------------------------- */

/* keysock NAME [rcvbuf N] */
static bool
ev_keysock(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_KEYSOCK };
	int64_t v = 0;

	if (l->n != 2 &&
	    (l->n != 4 || strcmp(l->word[2], "rcvbuf") != 0 ||
		!hx_number_to(l->word[3], UINT32_MAX, &v)))
		return hx_run_no(why, len, "expected rcvbuf OCTETS");
	if (!go)
		return true;
	ev.sock = hx_name_id(&r->keys, l->word[1]);
	if (ev.sock == 0) {
		hx_run_step(r, &ev);
		ev.sock = r->out.value;
		if (r->out.err == 0 && !add_name(&r->keys, l->word[1], ev.sock))
			return hx_run_no(why, len, "too many sockets");
	}
	if (l->n == 4) {
		ev.kind = PFK_EV_KEYRCVBUF;
		ev.value = v;
		hx_run_step(r, &ev);
	}
	return true;
}

static bool
ev_keyclose(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_KEYCLOSE };

	if (!go)
		return true;
	if (!known(&r->keys, l->word[1], &ev.sock, why, len))
		return false;
	drop_name(&r->keys, l->word[1]);
	hx_run_step(r, &ev);
	return true;
}

static bool
ev_pfkey(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_PFKEY };
	struct hx_octets o = { 0 };
	bool ok = true;

	if (l->word[2][0] != '\0' && !hx_hex_read(l->word[2], &o))
		return hx_run_no(why, len, "expected hexadecimal digits");
	if (go)
		ok = known(&r->keys, l->word[1], &ev.sock, why, len);
	if (go && ok) {
		ev.octets = hx_span(&o);
		hx_run_step(r, &ev);
	}
	hx_octets_free(&o);
	return ok;
}

#define SETKEY_SOCKET "setkey"

static bool
send_msgs(
    struct hx_run *r, const struct hx_setkey_msgs *m, char *why, size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_KEYSOCK };

	ev.sock = hx_name_id(&r->keys, SETKEY_SOCKET);
	if (ev.sock == 0) {
		hx_run_step(r, &ev);
		ev.sock = r->out.value;
		if (r->out.err != 0 ||
		    !add_name(&r->keys, SETKEY_SOCKET, ev.sock))
			return hx_run_no(why, len, "too many sockets");
	}
	for (size_t i = 0; i < m->n; i++) {
		ev.kind = PFK_EV_PFKEY;
		ev.octets = hx_span(&m->msg[i].octets);
		hx_run_step(r, &ev);
	}
	return true;
}

/* setkey STATEMENT: the rest of the line is setkey(8)'s language. */
static bool
ev_setkey(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	const char *text = l->text + strlen("setkey");
	struct hx_setkey script;
	struct hx_setkey_msgs msgs = { 0 };
	struct hx_err err;
	bool ok = true;

	if (!hx_setkey_parse(text, strlen(text), "setkey", &script, &err))
		return hx_run_no(why, len, "%s", err.text);
	for (size_t i = 0; ok && i < script.n; i++) {
		const char *unsaid = hx_setkey_unsaid(&script.stmt[i]);
		enum ipm_err e = unsaid != NULL
		    ? IPM_ERR_UNSUPPORTED
		    : hx_setkey_compile(&script.stmt[i], 0, &msgs);

		if (e != IPM_OK)
			ok = hx_run_no(why, len,
			    "PF_KEY cannot say this statement%s%s",
			    unsaid == NULL ? "" : ": ",
			    unsaid == NULL ? "" : unsaid);
	}
	if (ok && go)
		ok = send_msgs(r, &msgs, why, len);
	hx_setkey_msgs_free(&msgs);
	hx_setkey_free(&script);
	return ok;
}

/* sent DESTINATION esp|ah SPI NUMBER: the SA has sent so many packets. */
static bool
ev_sent(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct ipm_state *st = &r->x.m.e.ipm;
	struct ipm_addr dst;
	struct ipm_sa *sa;
	ipm_off off;
	bool ah = strcmp(l->word[2], "ah") == 0;
	int64_t spi, n;

	if (!addr_of(l->word[1], &dst) ||
	    (!ah && strcmp(l->word[2], "esp") != 0) ||
	    !hx_number_to(l->word[3], UINT32_MAX, &spi) ||
	    !hx_number_to(l->word[4], INT64_MAX, &n))
		return hx_run_no(
		    why, len, "expected ADDRESS esp|ah SPI NUMBER");
	if (!go)
		return true;
	off = ipm_sad_find(&st->sad, &st->arena, &dst,
	    ah ? IPM_PROTO_AH : IPM_PROTO_ESP, (uint32_t)spi);
	if (off == 0)
		return hx_run_no(why, len, "there is no such SA");
	sa = ipm_arena_at(&st->arena, off);
	sa->out_seq = (uint64_t)n;
	return true;
}

/* --- packets ------------------------------------------------------------------- */

/* in IF PACKET */
static bool
ev_in(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_PACKET };
	struct hx_octets o;

	if (!hx_make_packet(l->word + 2, l->n - 2, &o, why, len))
		return false;
	if (go) {
		ev.iface = ipm_host_if(&r->host, l->word[1]);
		ev.octets = hx_span(&o);
		if (ev.iface >= 0)
			hx_run_step(r, &ev);
	}
	hx_octets_free(&o);
	return !go || ev.iface >= 0 ||
	    hx_run_no(why, len, "no interface %s", l->word[1]);
}

/* out SOCKET|- PACKET */
static bool
ev_out(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_OUTPUT };
	struct hx_octets o;
	bool ok;

	if (!hx_make_packet(l->word + 2, l->n - 2, &o, why, len))
		return false;
	ok = !go || strcmp(l->word[1], "-") == 0 ||
	    known(&r->socks, l->word[1], &ev.sock, why, len);
	if (go && ok) {
		ev.octets = hx_span(&o);
		hx_run_step(r, &ev);
	}
	hx_octets_free(&o);
	return ok;
}

/* send SOCKET ADDR PORT [text=.. | hex=..] */
static bool
ev_send(struct hx_run *r, const struct hx_scen_line *l, bool go, char *why,
    size_t len)
{
	struct pfk_event ev = { .kind = PFK_EV_SEND };
	struct hx_octets o = { 0 };
	int64_t port;
	bool ok;

	if (!addr_of(l->word[2], &ev.addr) ||
	    !hx_number_to(l->word[3], 65535, &port))
		return hx_run_no(why, len, "expected ADDRESS PORT");
	if (l->n == 5 && !hx_make_payload(l->word[4], &o))
		return hx_run_no(why, len, "expected text= or hex=");
	ok = !go || known(&r->socks, l->word[1], &ev.sock, why, len);
	if (go && ok) {
		ev.port = (uint16_t)port;
		ev.octets = hx_span(&o);
		hx_run_step(r, &ev);
	}
	hx_octets_free(&o);
	return ok;
}

static const struct hx_verb verbs[] = {
	{ "scenario", 1, 1, ev_nothing, false },
	{ "title", 1, HX_SCEN_WORDS, ev_nothing, false },
	{ "profile", 1, 1, ev_nothing, false }, /* hx_run_open's */
	{ "switch", 1, 1, ev_nothing, false },
	{ "seed", 1, 1, ev_seed, false },
	{ "if", 1, HX_SCEN_WORDS, ev_if, false },
	{ "route", 3, 3, ev_route, false },
	{ "forward", 1, 1, ev_forward, false },
	{ "host", 1, 4, ev_host, false },
	{ "enc0", 1, 1, ev_enc0, false },
	{ "filter", 1, 6, ev_filter, false },
	{ "at", 1, 1, ev_at, false },
	{ "after", 1, 1, ev_at, false },
	{ "random", 1, 1, ev_random, false },
	{ "fault", 1, 4, ev_fault, false },
	{ "sysctl", 1, 1, ev_sysctl, false },
	{ "socket", 1, 4, ev_socket, false },
	{ "close", 1, 1, ev_close, false },
	{ "setsockopt", 3, 4, ev_opt, false },
	{ "getsockopt", 2, 3, ev_opt, false },
	{ "keysock", 1, 3, ev_keysock, false },
	{ "keyclose", 1, 1, ev_keyclose, false },
	{ "pfkey", 2, 2, ev_pfkey, false },
	{ "setkey", 1, HX_SCEN_WORDS, ev_setkey, false },
	{ "sent", 4, 4, ev_sent, false },
	{ "in", 2, HX_SCEN_WORDS, ev_in, true },
	{ "out", 2, HX_SCEN_WORDS, ev_out, true },
	{ "send", 3, 4, ev_send, true },
};

const struct hx_verb *
hx_verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}
