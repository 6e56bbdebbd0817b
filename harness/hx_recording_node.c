/* The recorded node: topology S of vectors/freebsd/README.md, and sockets by
 * their names. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "hx_recording_path.h"

/* Topology S.  lo0's packets are not in the recordings. */
static const struct {
	const char *name;
	uint32_t mtu;
	bool loopback;
} ifaces[] = {
	{ "red0", 1500, false },
	{ "blk1", 1500, false },
	{ "lo0", 16384, true },
};

static const struct {
	uint8_t iface;
	const char *addr;
	uint8_t prefix;
} addrs[] = {
	{ 0, "10.1.0.1", 24 },
	{ 0, "2001:db8:1::1", 64 },
	{ 1, "192.0.2.1", 24 },
	{ 1, "2001:db8:b::1", 64 },
	{ 2, "127.0.0.1", 8 },
	{ 2, "::1", 128 },
};

static const struct {
	const char *net;
	uint8_t prefix, iface;
	const char *gateway;
} routes[] = {
	{ "10.2.0.0", 16, 1, "192.0.2.2" },
	{ "2001:db8:2::", 48, 1, "2001:db8:b::2" },
};

static const struct {
	const char *name;
	uint8_t family, proto;
	bool raw;
} socket_kinds[] = {
	{ "udp4", 4, 17, false },
	{ "udp6", 6, 17, false },
	{ "tcp4", 4, 6, false },
	{ "tcp6", 6, 6, false },
	{ "raw4", 4, 0, true },
	{ "raw6", 6, 0, true },
};

bool
hx_node_address(const char *text, struct ipm_addr *a)
{
	*a = (struct ipm_addr){ .family = strchr(text, ':') == NULL ? 4 : 6 };
	return inet_pton(a->family == 4 ? AF_INET : AF_INET6, text, a->octet) ==
	    1;
}

uint32_t
hx_node_socket_id(const char *name)
{
	uint32_t id = 2166136261U;

	for (const char *p = name; *p != '\0'; p++)
		id = (id ^ (uint8_t)*p) * 16777619U;
	return id;
}

/* "udp4:9000", "udp4:10.1.0.1:9001", "raw4:47", "tcp4". */
static bool
read_name(const char *name, struct ipm_pcb *as)
{
	const char *colon = strchr(name, ':'), *port = strrchr(name, ':');
	char text[64];
	size_t i = 0;

	while (i < sizeof socket_kinds / sizeof socket_kinds[0] &&
	    strncmp(name, socket_kinds[i].name, 4) != 0)
		i++;
	if (i == sizeof socket_kinds / sizeof socket_kinds[0])
		return false;
	*as = (struct ipm_pcb){ .id = hx_node_socket_id(name),
		.family = socket_kinds[i].family,
		.proto = socket_kinds[i].proto,
		.raw = socket_kinds[i].raw };
	as->laddr.family = as->faddr.family = as->family;
	if (colon == NULL)
		return true;
	if (as->raw) {
		as->proto = (uint8_t)strtoul(colon + 1, NULL, 10);
		return true;
	}
	as->lport = (uint16_t)strtoul(port + 1, NULL, 10);
	if (port == colon)
		return true;
	if ((size_t)(port - colon) > sizeof text)
		return false;
	memcpy(text, colon + 1, (size_t)(port - colon) - 1);
	text[port - colon - 1] = '\0';
	return hx_node_address(text, &as->laddr);
}

ipm_off
hx_node_open(struct hx_node *n, const struct ipm_pcb *as)
{
	ipm_off off = 0;

	(void)ipm_pcb_open(
	    &n->e.ipm.pcbs, &n->e.ipm.arena, &n->check->engine.alloc, as, &off);
	return off;
}

ipm_off
hx_node_socket(struct hx_node *n, const char *name)
{
	struct ipm_pcb as;
	ipm_off off = ipm_pcb_by_id(
	    &n->e.ipm.pcbs, &n->e.ipm.arena, hx_node_socket_id(name));

	if (off != 0)
		return off;
	return read_name(name, &as) ? hx_node_open(n, &as) : 0;
}

static bool
standing_sockets(struct hx_node *n)
{
	static const struct {
		const char *name;
		uint8_t family;
	} listeners[] = { { "listen4", 4 }, { "listen6", 6 } };

	if (hx_node_socket(n, "udp4:9000") == 0 ||
	    hx_node_socket(n, "udp6:9000") == 0)
		return false;
	for (size_t i = 0; i < 2; i++) {
		struct ipm_pcb as = { .id =
					  hx_node_socket_id(listeners[i].name),
			.family = listeners[i].family,
			.proto = IPM_PROTO_TCP,
			.lport = 8000,
			.listening = 1 };

		as.laddr.family = as.faddr.family = as.family;
		if (hx_node_open(n, &as) == 0)
			return false;
	}
	return true;
}

/* Were packet filters' hooks installed?  They show themselves in what a step
 * recorded. */
static bool
has_hooks(const json_t *steps)
{
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		if (json_object_get(step, "pfil") != NULL)
			return true;
	}
	return false;
}

bool
hx_node_begin(struct hx_node *n, const json_t *one)
{
	struct ipm_host *h = &n->e.ipm.host;
	const json_t *mtu = json_object_get(one, "mtu");
	const json_t *forwarding = json_object_get(one, "forwarding");
	struct ipm_addr a, gw;
	uint8_t index;

	for (size_t i = 0; i < sizeof ifaces / sizeof ifaces[0]; i++)
		(void)ipm_host_add_if(h, ifaces[i].name,
		    json_is_integer(mtu) && !ifaces[i].loopback
			? (uint32_t)json_integer_value(mtu)
			: ifaces[i].mtu,
		    ifaces[i].loopback, &index);
	for (size_t i = 0; i < sizeof addrs / sizeof addrs[0]; i++)
		if (hx_node_address(addrs[i].addr, &a))
			(void)ipm_host_add_addr(
			    h, addrs[i].iface, &a, addrs[i].prefix);
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
		if (hx_node_address(routes[i].net, &a) &&
		    hx_node_address(routes[i].gateway, &gw))
			(void)ipm_host_add_route(
			    h, &a, routes[i].prefix, routes[i].iface, &gw);
	h->forwarding4 = h->forwarding6 = json_integer_value(forwarding) != 0;
	h->filter_installed = has_hooks(json_object_get(one, "steps"));
	return standing_sockets(n);
}
