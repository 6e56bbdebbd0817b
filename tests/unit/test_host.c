/*
 * The host: its tables, routes, source addresses.  Expected values: the
 * topology and the packets of the recordings, RFC 919, RFC 6724 5.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "support/path_box.h"

static struct ipm_host
recorded(void)
{
	static struct path_box b;
	struct ipm_host h;

	path_box_open(&b);
	h = b.s.host;
	path_box_close(&b);
	return h;
}

Test(host, begins_with_the_defaults_of_the_page)
{
	struct ipm_host h;

	memset(&h, 0xff, sizeof h);
	ipm_host_init(&h);
	cr_expect_eq(h.ttl, 64);
	cr_expect_eq(h.hlim, 64);
	cr_expect_eq(h.rfc6864, 1);
	cr_expect_eq(h.n_ifs + h.n_routes + h.n_filters, 0);
	cr_expect_eq(h.forwarding4 + h.forwarding6 + h.enc_up, 0);
}

Test(host, refuses_what_no_table_holds)
{
	struct ipm_host h;
	struct ipm_addr a = path_addr("192.0.2.1"), six = path_addr("2001::1");
	struct ipm_addr none = { 0 };
	char name[3] = "i0";
	uint8_t i;

	ipm_host_init(&h);
	cr_expect_eq(ipm_host_add_if(&h, "", 1500, false, &i), IPM_ERR_BADARG);
	cr_expect_eq(ipm_host_add_if(&h, "0123456789abcdef", 1500, false, &i),
	    IPM_ERR_BADARG);
	cr_expect_eq(
	    ipm_host_add_if(&h, "0123456789abcde", 1500, false, &i), IPM_OK);
	cr_expect_eq(i, 0);
	cr_expect_eq(ipm_host_add_if(&h, "0123456789abcde", 1500, false, &i),
	    IPM_ERR_EXISTS);
	for (unsigned k = 1; k < IPM_IFS_MAX; k++) {
		name[1] = (char)('0' + k);
		cr_expect_eq(
		    ipm_host_add_if(&h, name, 1500, false, &i), IPM_OK);
		cr_expect_eq(i, k);
	}
	cr_expect_eq(
	    ipm_host_add_if(&h, "one", 1500, false, &i), IPM_ERR_NOMEM);

	cr_expect_eq(ipm_host_add_addr(&h, 8, &a, 24), IPM_ERR_BADARG);
	cr_expect_eq(ipm_host_add_addr(&h, 0, &a, 33), IPM_ERR_BADARG);
	cr_expect_eq(ipm_host_add_addr(&h, 0, &none, 0), IPM_ERR_BADARG);
	cr_expect_eq(ipm_host_add_addr(&h, 0, &six, 129), IPM_ERR_BADARG);
	cr_expect_eq(ipm_host_add_addr(&h, 0, &a, 24), IPM_OK);
	cr_expect_eq(ipm_host_add_addr(&h, 1, &a, 24), IPM_ERR_EXISTS);
	for (unsigned k = 1; k < IPM_IF_ADDRS_MAX; k++) {
		a.octet[3]++;
		cr_expect_eq(ipm_host_add_addr(&h, 0, &a, 32), IPM_OK);
	}
	a.octet[3]++;
	cr_expect_eq(ipm_host_add_addr(&h, 0, &a, 32), IPM_ERR_NOMEM);

	a = path_addr("10.0.0.0");
	cr_expect_eq(ipm_host_add_route(&h, &a, 8, 8, NULL), IPM_ERR_BADARG);
	cr_expect_eq(ipm_host_add_route(&h, &a, 33, 0, NULL), IPM_ERR_BADARG);
	cr_expect_eq(ipm_host_add_route(&h, &a, 8, 0, &six), IPM_ERR_BADARG);
	for (unsigned k = 0; k < IPM_ROUTES_MAX; k++) {
		a.octet[1] = (uint8_t)k;
		cr_expect_eq(ipm_host_add_route(&h, &a, 16, 0, NULL), IPM_OK);
	}
	a.octet[2] = 7; /* host bits do not make another net */
	cr_expect_eq(ipm_host_add_route(&h, &a, 16, 0, NULL), IPM_ERR_EXISTS);
	cr_expect_eq(ipm_host_add_route(&h, &a, 24, 0, NULL), IPM_ERR_NOMEM);
}

/* Where the recorded node sent packets. */
Test(host, routes_by_the_longest_prefix)
{
	static const struct {
		const char *dst;
		int iface;
		const char *gateway; /* NULL: on the link */
	} rows[] = {
		{ "10.1.0.5", PATH_RED0, NULL },
		{ "10.2.0.7", PATH_BLK1, "192.0.2.2" },
		{ "192.0.2.2", PATH_BLK1, NULL },
		{ "10.1.0.1", PATH_LO0, NULL },
		{ "192.0.2.1", PATH_LO0, NULL },
		{ "127.0.0.1", PATH_LO0, NULL },
		{ "127.9.9.9", PATH_LO0, NULL },
		{ "203.0.113.200", -1, NULL },
		{ "2001:db8:1::5", PATH_RED0, NULL },
		{ "2001:db8:2::7", PATH_BLK1, "2001:db8:b::2" },
		{ "2001:db8:b::1", PATH_LO0, NULL },
		{ "2001:db8:3::1", -1, NULL },
	};
	struct ipm_host h = recorded();
	struct ipm_addr gw, want, net;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct ipm_addr dst = path_addr(rows[i].dst);

		cr_expect_eq(
		    ipm_host_route(&h, &dst, &gw), rows[i].iface, "row %zu", i);
		if (rows[i].gateway == NULL) {
			cr_expect_eq(gw.family, 0, "row %zu", i);
		} else {
			want = path_addr(rows[i].gateway);
			cr_expect(ipm_addr_equal(&gw, &want), "row %zu", i);
		}
	}
	/* A longer route wins, whatever the order; a default one loses. */
	net = path_addr("10.2.3.0");
	cr_expect_eq(ipm_host_add_route(&h, &net, 24, PATH_RED0, NULL), IPM_OK);
	net = path_addr("0.0.0.0");
	gw = path_addr("10.1.0.9");
	cr_expect_eq(ipm_host_add_route(&h, &net, 0, PATH_RED0, &gw), IPM_OK);
	net = path_addr("10.2.3.4");
	cr_expect_eq(ipm_host_route(&h, &net, &gw), PATH_RED0);
	cr_expect_eq(gw.family, 0);
	net = path_addr("203.0.113.200");
	cr_expect_eq(ipm_host_route(&h, &net, &gw), PATH_RED0);
	cr_expect_eq(gw.octet[3], 9);
	/* An interface that is down leads nowhere. */
	h.iface[PATH_BLK1].up = 0;
	net = path_addr("10.2.0.7");
	cr_expect_eq(ipm_host_route(&h, &net, &gw), PATH_RED0);
	h.iface[PATH_RED0].up = 0;
	cr_expect_eq(ipm_host_route(&h, &net, &gw), -1);
	/* Without a loopback interface an own address is one of its net. */
	h = recorded();
	h.iface[PATH_LO0].up = 0;
	net = path_addr("192.0.2.1");
	cr_expect_eq(ipm_host_route(&h, &net, &gw), PATH_BLK1);
}

/* "unbound" and "own address" of outbound-misc: local-origin, any-policy. */
Test(host, chooses_the_source_of_the_leaving_interface)
{
	static const char *const rows[][2] = {
		{ "10.2.0.7", "192.0.2.1" },
		{ "192.0.2.2", "192.0.2.1" },
		{ "10.1.0.5", "10.1.0.1" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "10.1.0.1", "10.1.0.1" },
		{ "127.0.0.1", "127.0.0.1" },
		{ "2001:db8:2::7", "2001:db8:b::1" },
		{ "2001:db8:1::5", "2001:db8:1::1" },
	};
	struct ipm_host h = recorded();
	struct ipm_addr src, dst, want;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		dst = path_addr(rows[i][0]);
		want = path_addr(rows[i][1]);
		cr_expect(ipm_host_source(&h, &dst, &src), "row %zu", i);
		cr_expect(ipm_addr_equal(&src, &want), "row %zu", i);
	}
	dst = path_addr("203.0.113.1");
	cr_expect_not(ipm_host_source(&h, &dst, &src));

	/* The gateway's net decides between two addresses of one interface. */
	want = path_addr("198.51.100.1");
	cr_expect_eq(ipm_host_add_addr(&h, PATH_BLK1, &want, 24), IPM_OK);
	dst = path_addr("203.0.113.0");
	src = path_addr("198.51.100.2");
	cr_expect_eq(ipm_host_add_route(&h, &dst, 24, PATH_BLK1, &src), IPM_OK);
	cr_expect(ipm_host_source(&h, &dst, &src));
	cr_expect(ipm_addr_equal(&src, &want));
	/* ... and the first one serves where none is on it. */
	dst = path_addr("203.0.114.0");
	cr_expect_eq(ipm_host_add_route(&h, &dst, 24, PATH_BLK1, NULL), IPM_OK);
	want = path_addr("192.0.2.1");
	cr_expect(ipm_host_source(&h, &dst, &src));
	cr_expect(ipm_addr_equal(&src, &want));
}

/* RFC 6724 5 rule 2. */
Test(host, link_local_serves_the_link_alone)
{
	struct ipm_host h;
	struct ipm_addr link = path_addr("fe80::1"), peer, src, want;
	uint8_t i;

	ipm_host_init(&h);
	cr_assert_eq(ipm_host_add_if(&h, "em0", 1500, false, &i), IPM_OK);
	link.scope = 1;
	cr_assert_eq(ipm_host_add_addr(&h, i, &link, 64), IPM_OK);
	want = path_addr("2001:db8::1");
	cr_assert_eq(ipm_host_add_addr(&h, i, &want, 64), IPM_OK);
	peer = path_addr("2001:db8::2");
	cr_expect(ipm_host_source(&h, &peer, &src));
	cr_expect(ipm_addr_equal(&src, &want));
	peer = path_addr("fe80::2");
	peer.scope = 1;
	cr_expect(ipm_host_source(&h, &peer, &src));
	cr_expect(ipm_addr_equal(&src, &link));
	peer.scope = 2;
	cr_expect_not(ipm_host_source(&h, &peer, &src));
}

/* RFC 919 7; RFC 3021: a net of two addresses has no broadcast. */
Test(host, knows_its_own_and_the_broadcast)
{
	static const struct {
		const char *addr;
		bool owns, broadcast;
	} rows[] = {
		{ "10.1.0.1", true, false },
		{ "10.1.0.2", false, false },
		{ "10.1.0.255", false, true },
		{ "10.1.1.255", false, false },
		{ "255.255.255.255", false, true },
		{ "127.255.255.255", false, false },
		{ "127.0.0.1", true, false },
		{ "2001:db8:1::1", true, false },
		{ "2001:db8:1::2", false, false },
		{ "198.51.100.1", false, false },
	};
	struct ipm_host h = recorded();
	struct ipm_addr a = path_addr("198.51.100.0");

	cr_assert_eq(ipm_host_add_addr(&h, PATH_RED0, &a, 31), IPM_OK);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		a = path_addr(rows[i].addr);
		cr_expect_eq(ipm_host_owns(&h, &a), rows[i].owns, "%zu", i);
		cr_expect_eq(
		    ipm_host_is_broadcast(&h, &a), rows[i].broadcast, "%zu", i);
		cr_expect_eq(ipm_host_is_local(&h, &a),
		    rows[i].owns || rows[i].broadcast, "%zu", i);
	}
	cr_expect_eq(ipm_host_if(&h, "blk1"), PATH_BLK1);
	cr_expect_eq(ipm_host_if(&h, "blk"), -1);
}

static uint64_t
digest(const struct ipm_host *h)
{
	struct ipm_digest d = IPM_DIGEST_INIT;

	ipm_host_digest(h, &d);
	return d.h;
}

/* Each member changes the digest; what lies behind the counts does not. */
Test(host, digest_sees_every_member)
{
	struct ipm_host was = recorded(), h;
	uint64_t before = digest(&was), seen[32];
	size_t n = 0;

#define CHANGED(change)                                        \
	do {                                                   \
		h = was;                                       \
		change;                                        \
		seen[n] = digest(&h);                          \
		cr_expect_neq(seen[n], before, "%s", #change); \
		n++;                                           \
	} while (0)
	CHANGED(h.iface[1].mtu = 1400);
	CHANGED(h.iface[1].up = 0);
	CHANGED(h.iface[1].loopback = 1);
	CHANGED(h.iface[1].name[0] = 'x');
	CHANGED(h.iface[1].addr[0].prefix = 25);
	CHANGED(h.iface[1].addr[0].addr.octet[3] = 9);
	CHANGED(h.iface[1].n_addrs--);
	CHANGED(h.route[0].prefix = 17);
	CHANGED(h.route[0].iface = 0);
	CHANGED(h.route[0].net.octet[0] = 11);
	CHANGED(h.route[0].gateway.octet[3] = 3);
	CHANGED(h.n_routes--);
	CHANGED(h.n_filters = 1);
	CHANGED(h.forwarding4 = 0);
	CHANGED(h.forwarding6 = 0);
	CHANGED(h.filter_installed = 1);
	CHANGED(h.enc_up = 1);
	CHANGED(h.ttl = 63);
	CHANGED(h.hlim = 63);
	CHANGED(h.rfc6864 = 0);
	CHANGED(h.random_id = 1);
	CHANGED(h.ip_id = 1);
	CHANGED(h.enc_packets[0] = 1);
	CHANGED(h.enc_packets[1] = 1);
	CHANGED(h.enc_octets[0] = 1);
	CHANGED(h.enc_octets[1] = 1);
#undef CHANGED
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			cr_expect_neq(seen[i], seen[k], "%zu %zu", i, k);
	h = was;
	h.route[5].prefix = 9;
	cr_expect_eq(digest(&h), before);
}

/* Each name is one variable, and no other name is any. */
Test(host, variables)
{
	static const char *const names[] = { "net.inet.ip.ttl",
		"net.inet6.ip6.hlim", "net.inet.ip.forwarding",
		"net.inet6.ip6.forwarding", "net.inet.ip.rfc6864",
		"net.inet.ip.random_id" };
	struct ipm_host h;

	ipm_host_init(&h);
	for (uint8_t i = 0; i < 6; i++) {
		cr_assert_not_null(ipm_host_variable(&h, names[i]));
		*ipm_host_variable(&h, names[i]) = (uint8_t)(10 + i);
	}
	cr_expect_eq(h.ttl, 10);
	cr_expect_eq(h.hlim, 11);
	cr_expect_eq(h.forwarding4, 12);
	cr_expect_eq(h.forwarding6, 13);
	cr_expect_eq(h.rfc6864, 14);
	cr_expect_eq(h.random_id, 15);
	cr_expect_null(ipm_host_variable(&h, "net.inet.ip.tt"));
	cr_expect_null(ipm_host_variable(&h, ""));
}
