#include "ipm_host.h"

#include <string.h>

void
ipm_host_init(struct ipm_host *h)
{
	*h = (struct ipm_host){ .ttl = 64, .hlim = 64, .rfc6864 = 1 };
}

static unsigned
bits_of(const struct ipm_addr *a)
{
	return (unsigned)ipm_addr_len(a) * 8;
}

static bool
addr_ok(const struct ipm_addr *a, uint8_t prefix)
{
	return (a->family == 4 || a->family == 6) && prefix <= bits_of(a);
}

/* --- setting up ------------------------------------------------------------ */

enum ipm_err
ipm_host_add_if(struct ipm_host *h, const char *name, uint32_t mtu,
    bool loopback, uint8_t *index)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IPM_IF_NAME_MAX)
		return IPM_ERR_BADARG;
	if (ipm_host_if(h, name) >= 0)
		return IPM_ERR_EXISTS;
	if (h->n_ifs == IPM_IFS_MAX)
		return IPM_ERR_NOMEM;
	*index = h->n_ifs++;
	h->iface[*index] =
	    (struct ipm_if){ .mtu = mtu, .up = 1, .loopback = loopback };
	memcpy(h->iface[*index].name, name, len + 1);
	return IPM_OK;
}

enum ipm_err
ipm_host_add_addr(
    struct ipm_host *h, uint8_t iface, const struct ipm_addr *a, uint8_t prefix)
{
	struct ipm_if *ifp;

	if (iface >= h->n_ifs || !addr_ok(a, prefix))
		return IPM_ERR_BADARG;
	if (ipm_host_owns(h, a))
		return IPM_ERR_EXISTS;
	ifp = &h->iface[iface];
	if (ifp->n_addrs == IPM_IF_ADDRS_MAX)
		return IPM_ERR_NOMEM;
	ifp->addr[ifp->n_addrs++] =
	    (struct ipm_ifaddr){ .addr = *a, .prefix = prefix };
	return IPM_OK;
}

/* Clears the bits of a behind the prefix. */
static void
clear_host_bits(struct ipm_addr *a, unsigned prefix)
{
	for (unsigned i = prefix; i < bits_of(a); i++)
		a->octet[i / 8] &= (uint8_t) ~(0x80U >> i % 8);
}

enum ipm_err
ipm_host_add_route(struct ipm_host *h, const struct ipm_addr *net,
    uint8_t prefix, uint8_t iface, const struct ipm_addr *gateway)
{
	struct ipm_route r = { .net = *net, .prefix = prefix, .iface = iface };

	if (iface >= h->n_ifs || !addr_ok(net, prefix))
		return IPM_ERR_BADARG;
	if (gateway != NULL && gateway->family != 0) {
		if (gateway->family != net->family)
			return IPM_ERR_BADARG;
		r.gateway = *gateway;
	}
	clear_host_bits(&r.net, prefix);
	for (size_t i = 0; i < h->n_routes; i++)
		if (h->route[i].prefix == prefix &&
		    ipm_addr_equal(&h->route[i].net, &r.net))
			return IPM_ERR_EXISTS;
	if (h->n_routes == IPM_ROUTES_MAX)
		return IPM_ERR_NOMEM;
	h->route[h->n_routes++] = r;
	return IPM_OK;
}

/* --- asking ---------------------------------------------------------------- */

uint8_t *
ipm_host_variable(struct ipm_host *h, const char *name)
{
	const struct {
		const char *name;
		uint8_t *at;
	} rows[] = {
		{ "net.inet.ip.ttl", &h->ttl },
		{ "net.inet6.ip6.hlim", &h->hlim },
		{ "net.inet.ip.forwarding", &h->forwarding4 },
		{ "net.inet6.ip6.forwarding", &h->forwarding6 },
		{ "net.inet.ip.rfc6864", &h->rfc6864 },
		{ "net.inet.ip.random_id", &h->random_id },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].at;
	return NULL;
}

int
ipm_host_if(const struct ipm_host *h, const char *name)
{
	for (int i = 0; i < h->n_ifs; i++)
		if (strcmp(h->iface[i].name, name) == 0)
			return i;
	return -1;
}

bool
ipm_host_owns(const struct ipm_host *h, const struct ipm_addr *a)
{
	for (size_t i = 0; i < h->n_ifs; i++)
		for (size_t k = 0; k < h->iface[i].n_addrs; k++)
			if (ipm_addr_equal(&h->iface[i].addr[k].addr, a))
				return true;
	return false;
}

/* The last address of the subnet [RFC 919]. */
static bool
is_last_of(const struct ipm_ifaddr *own, const struct ipm_addr *a)
{
	uint32_t host;

	if (own->addr.family != 4 || own->prefix > 30)
		return false;
	host = UINT32_MAX >> own->prefix;
	return (ipm_load32(own->addr.octet) | host) == ipm_load32(a->octet);
}

bool
ipm_host_is_broadcast(const struct ipm_host *h, const struct ipm_addr *a)
{
	if (a->family != 4)
		return false;
	if (ipm_load32(a->octet) == UINT32_MAX)
		return true;
	for (size_t i = 0; i < h->n_ifs; i++)
		for (size_t k = 0; k < h->iface[i].n_addrs; k++)
			if (!h->iface[i].loopback &&
			    is_last_of(&h->iface[i].addr[k], a))
				return true;
	return false;
}

bool
ipm_host_is_local(const struct ipm_host *h, const struct ipm_addr *a)
{
	return ipm_host_owns(h, a) || ipm_host_is_broadcast(h, a);
}

/* Zones count where both name one. */
static bool
in_net(const struct ipm_addr *a, const struct ipm_addr *net, unsigned prefix)
{
	if (a->family != net->family)
		return false;
	if (a->scope != 0 && net->scope != 0 && a->scope != net->scope)
		return false;
	return ipm_prefix_equal(a->octet, net->octet, prefix);
}

/* The first loopback interface that is up, or -1. */
static int
loopback(const struct ipm_host *h)
{
	for (int i = 0; i < h->n_ifs; i++)
		if (h->iface[i].loopback && h->iface[i].up)
			return i;
	return -1;
}

int
ipm_host_route(const struct ipm_host *h, const struct ipm_addr *dst,
    struct ipm_addr *gateway)
{
	int best = -1, prefix = -1;

	*gateway = (struct ipm_addr){ 0 };
	if (ipm_host_owns(h, dst) && loopback(h) >= 0)
		return loopback(h);
	for (int i = 0; i < h->n_ifs; i++) {
		const struct ipm_if *ifp = &h->iface[i];

		for (size_t k = 0; k < ifp->n_addrs && ifp->up; k++)
			if (ifp->addr[k].prefix > prefix &&
			    in_net(
				dst, &ifp->addr[k].addr, ifp->addr[k].prefix)) {
				best = i;
				prefix = ifp->addr[k].prefix;
			}
	}
	for (size_t i = 0; i < h->n_routes; i++) {
		const struct ipm_route *r = &h->route[i];

		if (r->prefix > prefix && h->iface[r->iface].up &&
		    in_net(dst, &r->net, r->prefix)) {
			best = r->iface;
			prefix = r->prefix;
			*gateway = r->gateway;
		}
	}
	return best;
}

/* How well an address serves: 0 not at all. */
static unsigned
fitness(const struct ipm_ifaddr *own, const struct ipm_addr *dst,
    const struct ipm_addr *next)
{
	unsigned fit = 1;

	if (own->addr.family != dst->family)
		return 0;
	if (ipm_addr_is_link_local(&own->addr) == ipm_addr_is_link_local(dst))
		fit += 2;
	if (in_net(next, &own->addr, own->prefix))
		fit += 1;
	return fit;
}

bool
ipm_host_source(
    const struct ipm_host *h, const struct ipm_addr *dst, struct ipm_addr *src)
{
	struct ipm_addr gateway;
	unsigned best = 0;
	int out;

	if (ipm_host_owns(h, dst)) {
		*src = *dst;
		return true;
	}
	out = ipm_host_route(h, dst, &gateway);
	if (out < 0)
		return false;
	for (size_t k = 0; k < h->iface[out].n_addrs; k++) {
		const struct ipm_ifaddr *own = &h->iface[out].addr[k];
		unsigned fit =
		    fitness(own, dst, gateway.family == 0 ? dst : &gateway);

		if (fit > best) {
			best = fit;
			*src = own->addr;
		}
	}
	return best != 0;
}

/* --- digest ---------------------------------------------------------------- */

static void
add_numbers(struct ipm_digest *d, const uint64_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ipm_digest_number(d, v[i]);
}

static void
add_iface(struct ipm_digest *d, const struct ipm_if *ifp)
{
	const uint64_t numbers[] = { ifp->mtu, ifp->up, ifp->loopback,
		ifp->n_addrs };

	ipm_digest_octets(d, (const uint8_t *)ifp->name, strlen(ifp->name) + 1);
	add_numbers(d, numbers, sizeof numbers / sizeof numbers[0]);
	for (size_t k = 0; k < ifp->n_addrs; k++) {
		ipm_digest_addr(d, &ifp->addr[k].addr);
		ipm_digest_number(d, ifp->addr[k].prefix);
	}
}

static void
add_filter(struct ipm_digest *d, const struct ipm_filter *f)
{
	const uint64_t numbers[] = { f->at, f->family, f->proto, f->src_prefix,
		f->dst_prefix };

	add_numbers(d, numbers, sizeof numbers / sizeof numbers[0]);
	ipm_digest_addr(d, &f->src);
	ipm_digest_addr(d, &f->dst);
}

void
ipm_host_digest(const struct ipm_host *h, struct ipm_digest *d)
{
	const uint64_t numbers[] = { h->n_ifs, h->n_routes, h->n_filters,
		h->forwarding4, h->forwarding6, h->filter_installed, h->enc_up,
		h->ttl, h->hlim, h->rfc6864, h->random_id, h->ip_id,
		h->enc_packets[0], h->enc_packets[1], h->enc_octets[0],
		h->enc_octets[1] };

	add_numbers(d, numbers, sizeof numbers / sizeof numbers[0]);
	for (size_t i = 0; i < h->n_ifs; i++)
		add_iface(d, &h->iface[i]);
	for (size_t i = 0; i < h->n_routes; i++) {
		ipm_digest_addr(d, &h->route[i].net);
		ipm_digest_number(d, h->route[i].prefix);
		ipm_digest_number(d, h->route[i].iface);
		ipm_digest_addr(d, &h->route[i].gateway);
	}
	for (size_t i = 0; i < h->n_filters; i++)
		add_filter(d, &h->filter[i]);
}
