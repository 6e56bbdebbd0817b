/*
 * The lower half of IP output: route, filter, fragments, identifications.
 * Expected values: outbound-sizes of the recordings (frag-*, mtu-*), RFC 791
 * 3.1 and 3.2, RFC 8200 4.5, RFC 6864 4.1.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/path_box.h"

struct fixture {
	struct path_box b;
	uint8_t octets[70000];
	struct ipm_pkt m;
};

static struct fixture *f;

static void
open_box(void)
{
	f = calloc(1, sizeof *f);
	cr_assert_not_null(f);
	path_box_open(&f->b);
}

static void
close_box(void)
{
	while (f->b.path.loop_first != NULL) {
		ipm_loop_enter(&f->b.path);
		ipm_loop_leave(&f->b.path);
	}
	path_box_close(&f->b);
	free(f);
}

TestSuite(ipout, .init = open_box, .fini = close_box);

static void
packet(const char *src, const char *dst, size_t payload)
{
	f->b.n_fx = 0;
	f->m = (struct ipm_pkt){ .p = f->octets, .rcvif = -1 };
	f->m.len = path_udp(f->octets, src, dst, 1111, 2222, payload);
}

static int
out(bool forwarding, enum ipm_reason *fate)
{
	*fate = IPM_R_OK;
	return ipm_ip_output(&f->b.path, &f->m, 0, forwarding, fate);
}

static uint64_t
stat(enum ipm_stat s)
{
	return f->b.s.stats.v[s];
}

Test(ipout, whole_packet_with_its_checksum)
{
	enum ipm_reason fate;
	struct ipm_ip ip;

	packet("192.0.2.1", "10.2.0.7", 8);
	ipm_store16(f->octets + 10, 0xdead);
	cr_expect_eq(out(false, &fate), 0);
	cr_expect_eq(fate, IPM_R_SENT);
	cr_assert_eq(path_count(&f->b, IPM_FX_TRANSMIT), 1);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->iface, PATH_BLK1);
	cr_expect_eq(
	    ipm_ip_parse(
		ipm_span(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet, 36), true,
		&ip),
	    IPM_R_OK);
	packet("10.1.0.5", "10.2.0.7", 8);
	f->m.forwarded = true;
	cr_expect_eq(out(true, &fate), 0);
	cr_expect_eq(fate, IPM_R_FORWARDED);
}

Test(ipout, no_route)
{
	enum ipm_reason fate;

	packet("192.0.2.1", "203.0.113.1", 8);
	cr_expect_eq(out(false, &fate), 65);
	cr_expect_eq(fate, IPM_R_NO_ROUTE);
	cr_expect_eq(stat(IPM_ST_IP_noroute), 1);
	packet("2001:db8:b::1", "2001:db8:9::1", 8);
	cr_expect_eq(out(false, &fate), 65);
	cr_expect_eq(fate, IPM_R_NO_ROUTE);
	cr_expect_eq(stat(IPM_ST_IP6_noroute), 1);
	cr_expect_eq(f->b.n_fx, 0);
}

/* RFC 1122 3.2.1.3 (g). */
Test(ipout, loopback_addresses_stay_inside)
{
	enum ipm_reason fate;

	packet("127.0.0.1", "192.0.2.2", 8);
	cr_expect_eq(out(false, &fate), 49);
	cr_expect_eq(fate, IPM_R_BAD_ADDRESS);
	cr_expect_eq(stat(IPM_ST_IP_badaddr), 1);
	packet("::1", "2001:db8:b::2", 8);
	cr_expect_eq(out(false, &fate), 49);
	cr_expect_eq(stat(IPM_ST_IP_badaddr), 1);
	packet("127.0.0.1", "127.0.0.1", 8);
	cr_expect_eq(out(false, &fate), 0);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->iface, PATH_LO0);
	cr_expect_not_null(f->b.path.loop_first);
}

Test(ipout, filter_refuses)
{
	enum ipm_reason fate;

	f->b.s.host.n_filters = 1;
	f->b.s.host.filter[0] =
	    (struct ipm_filter){ .at = IPM_FILTER_OUT, .proto = 17 };
	packet("192.0.2.1", "192.0.2.2", 8);
	cr_expect_eq(out(false, &fate), 13);
	cr_expect_eq(fate, IPM_R_FILTERED);
	cr_expect_eq(f->b.n_fx, 0);
}

/* --- fragments --------------------------------------------------------------- */

/* frag-esp-v4 with 3000 octets: 3100 octets behind the header give words 2000,
 * 20b9, 0172 and lengths 1500, 1500, 120. */
Test(ipout, fragments_of_ipv4)
{
	static const struct {
		uint16_t len, word;
	} rows[] = { { 1500, 0x2000 }, { 1500, 0x20b9 }, { 120, 0x0172 } };
	const struct path_fx *fx;
	enum ipm_reason fate;
	struct ipm_ip ip;
	size_t at = 20;

	packet("192.0.2.1", "192.0.2.2", 3060 - 8);
	cr_expect_eq(out(false, &fate), 0);
	cr_expect_eq(fate, IPM_R_SENT);
	cr_assert_eq(path_count(&f->b, IPM_FX_TRANSMIT), 3);
	for (size_t i = 0; i < 3; i++) {
		fx = path_nth(&f->b, IPM_FX_TRANSMIT, i);
		cr_expect_eq(fx->len, rows[i].len, "%zu", i);
		cr_expect_eq(
		    ipm_load16(fx->packet + 6), rows[i].word, "%zu", i);
		cr_expect_eq(ipm_load16(fx->packet + 4), 0x1234, "%zu", i);
		cr_expect_eq(
		    ipm_ip_parse(ipm_span(fx->packet, fx->len), true, &ip),
		    IPM_R_OK, "%zu", i);
		cr_expect_arr_eq(fx->packet + 20, f->octets + at, fx->len - 20);
		at += fx->len - 20;
	}
	cr_expect_eq(at, f->m.len);
	cr_expect_eq(stat(IPM_ST_IP_fragmented), 1);
	cr_expect_eq(stat(IPM_ST_IP_ofragments), 3);
}

/* Around the edge: 1500 goes whole, one octet more does not. */
Test(ipout, edge_of_the_mtu)
{
	enum ipm_reason fate;

	packet("192.0.2.1", "192.0.2.2", 1472);
	cr_expect_eq(out(false, &fate), 0);
	cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT), 1);
	packet("192.0.2.1", "192.0.2.2", 1473);
	cr_expect_eq(out(false, &fate), 0);
	cr_assert_eq(path_count(&f->b, IPM_FX_TRANSMIT), 2);
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 1)->len, 21);
	/* W14, mtu-4in4-*-dfbit1: with DF it ends here. */
	packet("192.0.2.1", "192.0.2.2", 1473);
	f->octets[6] = 0x40;
	cr_expect_eq(out(false, &fate), 40);
	cr_expect_eq(fate, IPM_R_TOO_BIG_DF);
	cr_expect_eq(stat(IPM_ST_IP_cantfrag), 1);
	cr_expect_eq(f->b.n_fx, 0);
	/* No room for 8 octets behind the header. */
	f->b.s.host.iface[PATH_BLK1].mtu = 27;
	packet("192.0.2.1", "192.0.2.2", 8);
	cr_expect_eq(out(false, &fate), 40);
	cr_expect_eq(stat(IPM_ST_IP_cantfrag), 2);
	f->b.s.host.iface[PATH_BLK1].mtu = 28;
	packet("192.0.2.1", "192.0.2.2", 8);
	cr_expect_eq(out(false, &fate), 0);
	cr_expect_eq(path_count(&f->b, IPM_FX_TRANSMIT), 2);
}

/* RFC 791 3.2: a fragment of a fragment keeps its place, and that more
 * follow. */
Test(ipout, fragments_of_a_fragment)
{
	enum ipm_reason fate;

	packet("10.1.0.5", "10.2.0.7", 1600);
	ipm_store16(f->octets + 6, 0x2000 | 100);
	cr_expect_eq(out(true, &fate), 0);
	cr_assert_eq(path_count(&f->b, IPM_FX_TRANSMIT), 2);
	cr_expect_eq(
	    ipm_load16(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->packet + 6),
	    0x2000 | 100);
	cr_expect_eq(
	    ipm_load16(path_nth(&f->b, IPM_FX_TRANSMIT, 1)->packet + 6),
	    0x2000 | (100 + 185));
}

/* RFC 791 3.1: options with the copied bit go into every fragment. */
Test(ipout, options_of_fragments)
{
	/* record route, router alert, no operation, stream id, end */
	static const uint8_t options[16] = { 7, 3, 4, 0x94, 4, 0, 0, 1, 0x88, 4,
		0x12, 0x34, 0, 0xff, 0xff, 0xff };
	static const uint8_t copied[12] = { 0x94, 4, 0, 0, 1, 0x88, 4, 0x12,
		0x34, 0, 0, 0 };
	const struct path_fx *fx;
	enum ipm_reason fate;

	packet("192.0.2.1", "192.0.2.2", 2000);
	memmove(f->octets + 36, f->octets + 20, f->m.len - 20);
	memcpy(f->octets + 20, options, 16);
	f->m.len += 16;
	f->octets[0] = 0x49;
	cr_expect_eq(out(false, &fate), 0);
	cr_assert_eq(path_count(&f->b, IPM_FX_TRANSMIT), 2);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 0);
	cr_expect_eq(fx->packet[0], 0x49);
	cr_expect_eq(fx->len, 36 + 1464);
	cr_expect_arr_eq(fx->packet + 20, options, 16);
	fx = path_nth(&f->b, IPM_FX_TRANSMIT, 1);
	cr_expect_eq(fx->packet[0], 0x48);
	cr_expect_arr_eq(fx->packet + 20, copied, 12);
	cr_expect_eq(fx->len, 32 + 2008 - 1464);
	cr_expect_eq(ipm_load16(fx->packet + 6), 1464 / 8);
}

/* frag-ah-v6 with 3000 octets: 1496, 1496 and the rest; words 0001, 05a9,
 * 0b50; the identification is the tape's. */
Test(ipout, fragments_of_ipv6)
{
	static const uint16_t words[] = { 0x0001, 0x05a9, 0x0b50 };
	const struct path_fx *fx;
	enum ipm_reason fate;
	size_t at = 40;

	packet("2001:db8:b::1", "2001:db8:b::2", 3000);
	cr_expect_eq(out(false, &fate), 0);
	cr_expect_eq(fate, IPM_R_SENT);
	cr_assert_eq(path_count(&f->b, IPM_FX_TRANSMIT), 3);
	for (size_t i = 0; i < 3; i++) {
		fx = path_nth(&f->b, IPM_FX_TRANSMIT, i);
		cr_expect_eq(fx->packet[6], 44, "%zu", i);
		cr_expect_eq(fx->packet[40], 17, "%zu", i);
		cr_expect_eq(ipm_load16(fx->packet + 42), words[i], "%zu", i);
		cr_expect_eq(ipm_load32(fx->packet + 44), 0x01020304);
		cr_expect_eq(
		    ipm_load16(fx->packet + 4), fx->len - 40, "%zu", i);
		cr_expect_arr_eq(fx->packet + 48, f->octets + at, fx->len - 48);
		at += fx->len - 48;
	}
	cr_expect_eq(path_nth(&f->b, IPM_FX_TRANSMIT, 0)->len, 1496);
	cr_expect_eq(at, f->m.len);
	cr_expect_eq(stat(IPM_ST_IP6_fragmented), 1);
	cr_expect_eq(stat(IPM_ST_IP6_ofragments), 3);

	f->b.tape.pos = f->b.tape.octets.len - 3;
	packet("2001:db8:b::1", "2001:db8:b::2", 3000);
	cr_expect_eq(out(false, &fate), 5);
	cr_expect_eq(fate, IPM_R_NO_RANDOM);
	cr_expect_eq(f->b.n_fx, 0);
	f->b.s.host.iface[PATH_BLK1].mtu = 55;
	cr_expect_eq(out(false, &fate), 40);
	cr_expect_eq(stat(IPM_ST_IP6_cantfrag), 1);
}

/* RFC 8200 5: a router does not. */
Test(ipout, forwarded_ipv6_is_not_fragmented)
{
	enum ipm_reason fate;

	packet("2001:db8:1::5", "2001:db8:2::7", 1453);
	cr_expect_eq(out(true, &fate), 40);
	cr_expect_eq(fate, IPM_R_TOO_BIG_DF);
	cr_expect_eq(stat(IPM_ST_IP6_cantfrag), 0);
	packet("2001:db8:1::5", "2001:db8:2::7", 1452);
	cr_expect_eq(out(true, &fate), 0);
}

/* --- identifications ------------------------------------------------------------ */

/* RFC 6864 4.1; facts datapath 3.5. */
Test(ipout, identifications)
{
	struct ipm_host *h = &f->b.s.host;
	uint16_t id;

	h->ip_id = 0xffff;
	cr_expect(ipm_ip_id(&f->b.path, false, &id));
	cr_expect_eq(id, 0xffff);
	cr_expect(ipm_ip_id(&f->b.path, true, &id));
	cr_expect_eq(id, 0, "DF: none is drawn");
	cr_expect(ipm_ip_id(&f->b.path, false, &id));
	cr_expect_eq(id, 0);
	h->rfc6864 = 0;
	cr_expect(ipm_ip_id(&f->b.path, true, &id));
	cr_expect_eq(id, 1);
	h->random_id = 1;
	cr_expect(ipm_ip_id(&f->b.path, true, &id));
	cr_expect_eq(id, 0x0102);
	cr_expect_eq(h->ip_id, 2);
	f->b.tape.octets.len = 3;
	cr_expect_not(ipm_ip_id(&f->b.path, false, &id));
}

/* --- the loopback interface -------------------------------------------------------- */

Test(ipout, loopback_without_memory)
{
	enum ipm_reason fate;

	f->b.mem.fail_at = 1;
	packet("192.0.2.1", "192.0.2.1", 8);
	cr_expect_eq(out(false, &fate), 55);
	cr_expect_eq(fate, IPM_R_NO_MEMORY);
	packet("192.0.2.1", "192.0.2.1", 20000);
	cr_expect_eq(out(false, &fate), 55);
	packet("2001:db8:b::1", "2001:db8:b::1", 20000);
	cr_expect_eq(out(false, &fate), 55);
	f->b.mem.fail_at = 0;
	cr_expect_null(f->b.path.loop_first);
}

/* In order, and none before the outermost entry point ends. */
Test(ipout, loopback_keeps_the_order)
{
	struct ipm_path *path = &f->b.path;
	enum ipm_reason fate;

	ipm_loop_enter(path);
	ipm_loop_enter(path);
	packet("192.0.2.1", "192.0.2.1", 8);
	cr_expect_eq(out(false, &fate), 0);
	packet("10.1.0.1", "10.1.0.1", 9);
	cr_expect_eq(out(false, &fate), 0);
	ipm_loop_leave(path);
	cr_expect_eq(stat(IPM_ST_IP_total), 0);
	f->b.n_fx = 0;
	f->b.s.host.filter_installed = 1;
	ipm_loop_leave(path);
	/* The two, and the answers that their port is closed. */
	cr_expect_eq(stat(IPM_ST_IP_total), 4);
	cr_expect_eq(path_nth(&f->b, IPM_FX_FILTER, 0)->len, 36);
	cr_expect_eq(path_nth(&f->b, IPM_FX_FILTER, 0)->iface, PATH_LO0);
	cr_expect_null(path->loop_last);
	cr_expect_eq(path->depth, 0);
}
