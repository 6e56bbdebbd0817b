"""Ends of packets that no other scenario comes to."""
import packets as p
from text import (A4, A6, B4, B6, NET, X4, Y4, arrive, datagram, ends_ext,
                  expect, ext_key, ext_sa, from_red, message, policy, sa,
                  scenario)
from walks import with_dstopts


def fragments(*pieces, ident=77, proto=17):
    """Fragments of one packet: (offset, more, octets)."""
    return [p.ip4(B4, A4, proto, data, ident=ident, off=off, mf=more)
            for off, more, data in pieces]


def ip_input():
    good = datagram(B4, A4)
    body = ['socket udp4:9000',
            '# a header of 16 octets',
            arrive('blk1', bytes([0x44]) + good[1:]),
            *expect('drop ip-header-bad'),
            '# a checksum that is off by one',
            arrive('blk1', good[:11] + bytes([good[11] ^ 1]) + good[12:]),
            *expect('drop ip-checksum-bad'),
            '# fewer octets than the header says',
            arrive('blk1', good[:-3]), *expect('drop truncated'),
            '# addresses that no wire has',
            arrive('blk1', datagram('127.0.0.1', A4)),
            *expect('drop bad-address'),
            arrive('blk1', datagram('::1', A6)),
            *expect('drop bad-address'),
            '# TCP\'s checksum',
            'socket tcp4:8000',
            arrive('blk1', p.ip4(B4, A4, 6, p.tcp(B4, 1, A4, 8000,
                                                  check=0x1234))),
            *expect('drop segment-bad'),
            '# an option of 200 octets in a header of 24',
            arrive('blk1', p.ip4(B4, A4, 17, good[20:],
                                 options=b'\7\xc8\4\0')),
            *expect('drop option-bad', f'transmit blk1 ip.dst={B4} '
                    'ip.proto=1 icmp.type=12'),
            '# a loose source route beyond this host',
            arrive('blk1', p.ip4(B4, A4, 17, good[20:], options=bytes(
                [0x83, 7, 4]) + p.packed(Y4) + b'\1')),
            *expect('drop source-route', f'transmit blk1 ip.dst={B4} '
                    'ip.proto=1 icmp.type=3 icmp.code=5'),
            '# what nobody is to forward', 'forward off',
            arrive('red0', datagram(X4, Y4)), *expect('drop not-local')]
    scenario('ends-ip-input', 'packets that IP input refuses',
             'RFC 791 3.1; RFC 1122 3.2.1', *body)


def ip6_input():
    udp = p.udp(B6, 1111, A6, 9000, b'probe')
    body = ['socket udp6:9000',
            '# an options header that runs past the packet',
            arrive('blk1', p.ip6(B6, A6, 60, bytes([17, 9]) + bytes(6) +
                                 udp)),
            *expect('drop ext-header-bad', 'count ip6s_tooshort=1'),
            '# an unknown option that asks to be dropped in silence',
            arrive('blk1', p.ip6(B6, A6, 60, with_dstopts(
                17, udp, b'\x40\4abcd'))), *expect('drop option-unknown'),
            '# and one that wants to be told of',
            arrive('blk1', p.ip6(B6, A6, 60, with_dstopts(
                17, udp, b'\x80\4abcd'))),
            *expect('drop option-unknown', f'transmit blk1 ip.dst={B6} '
                    'ip.proto=58 icmp.type=4 icmp.code=2')]
    chain = udp
    for i in range(20):
        chain = with_dstopts(60 if i else 17, chain)
    body += ['# twenty headers',
             arrive('blk1', p.ip6(B6, A6, 60, chain)),
             *expect('drop too-many-headers', 'count ip6s_toomanyhdr=1')]
    scenario('ends-ip6-input', 'packets that IPv6 input refuses',
             'RFC 8200 4; ip6_input.c', *body)


def reassembly():
    whole = p.udp(B4, 1111, A4, 9000, bytes(range(32)))
    first, last = (0, 1, whole[:16]), (16, 0, whole[16:])
    one, two = fragments(first, last)
    body = ['socket udp4:9000', 'at 1000', arrive('blk1', one),
            *expect('fate fragment'), '# the same once more',
            arrive('blk1', one), *expect('fate frag-duplicate', 
                                         'drop frag-duplicate'),
            arrive('blk1', two),
            *expect(f'deliver udp4:9000 {bytes(range(32)).hex()}',
                    'fate ok', ids='ESP-3.4.1-04'),
            '# a middle piece whose length is no multiple of eight',
            arrive('blk1', fragments((0, 1, whole[:13]), ident=78)[0]),
            *expect('drop frag-bad'),
            '# more than a packet can be',
            arrive('blk1', fragments((65528, 0, bytes(100)), ident=79)[0]),
            *expect('drop frag-too-big'),
            '# the rest never comes', 'at 2000',
            arrive('blk1', fragments(first, ident=80)[0]),
            *expect('fate fragment'), 'after 29', expect('nothing'),
            'after 2', *expect('drop frag-timeout')]
    scenario('ends-reassembly', 'fragments', 'RFC 791 3.2; RFC 1122 3.3.2',
             *body)
    body = ['switch frag-overlap4=drop', 'socket udp4:9000',
            arrive('blk1', one), *expect('fate fragment'),
            '# eight octets come twice',
            arrive('blk1', fragments((8, 0, whole[8:]))[0])]
    body += expect('fate frag-overlap', 'drop frag-overlap',
                   'drop frag-overlap')
    scenario('ends-fragments-overlap', 'overlapping fragments, where they '
             'end their packet', 'RFC 5722 4', *body)
    body = ['switch frag-packets=1', 'socket udp4:9000',
            arrive('blk1', one), *expect('fate fragment'),
            arrive('blk1', fragments(first, ident=78)[0]),
            *expect('drop frag-table-full')]
    scenario('ends-fragments-full', 'no room for another incomplete packet',
             'RFC 1122 3.3.2', *body)


def ipcomp():
    small = p.udp(B4, 1111, A4, 9000, b'Qk7')
    body = ['switch ipcomp-expanded=refuse', 'socket udp4:9000',
            sa('ipcomp', 0x2000, B4, A4, 'transport'),
            '# what it holds did not get smaller',
            arrive('blk1', p.ip4(B4, A4, 108, p.ipcomp(0x2000, 17, small))),
            *expect('drop comp-expanded'),
            '# IPcomp in IPcomp',
            arrive('blk1', p.ip4(B4, A4, 108, p.ipcomp(
                0x2000, 108, p.ipcomp(0x2000, 17, small)))),
            *expect('drop comp-nested', 'count ipcomps_pdrops=1'),
            '# no end of the stream',
            arrive('blk1', p.ip4(B4, A4, 108, p.ipcomp(
                0x2000, 17, bytes(200))[:-2])),
            *expect('drop inflate-failed', 'count ipcomps_noxform=1',
                    ids='MAN-bugs-06'),
            '# zlib fails, in and out; later packets are none the worse',
            sa('ipcomp', 0x1000, A4, B4, 'transport'),
            policy(A4, B4, 'out', 'ipcomp/transport//require'),
            'fault inflate deflate',
            arrive('blk1', p.ip4(B4, A4, 108, p.ipcomp(
                0x2000, 17, p.udp(B4, 1, A4, 9000, b'a' * 99)))),
            *expect('drop inflate-failed', 'count ipcomps_noxform=1',
                    ids='MAN-bugs-06'),
            f'send udp4:9000 {B4} 7000 text={"a" * 99}',
            *expect('errno 0', 'drop deflate-failed',
                    'count ipcomps_noxform=1', ids='MAN-bugs-06'),
            'fault none',
            arrive('blk1', p.ip4(B4, A4, 108, p.ipcomp(
                0x2000, 17, p.udp(B4, 1, A4, 9000, b'a' * 99)))),
            *expect(f'deliver udp4:9000 text={"a" * 99}',
                    ids='MAN-bugs-06'),
            f'send udp4:9000 {B4} 7000 text={"a" * 99}',
            *expect('transmit blk1 ip.proto=108 ipcomp.nh=17 '
                    'ipcomp.flags=0 ipcomp.cpi=0x1000', ids='MAN-proto-04')]
    scenario('ends-ipcomp', 'what IPcomp refuses, and the BUGS of the page '
             'about zlib', 'RFC 3173 2; ipsec(4), BUGS', *body)


def output():
    body = ['socket udp4:9000', '# nothing leads there',
            f'out - udp src={A4}:9000 dst=198.51.100.7:7000 text=probe',
            *expect('errno EHOSTUNREACH', 'drop no-route'),
            '# sent as it is',
            f'send udp4:9000 {B4} 7000 text=probe',
            *expect('fate sent', 'transmit blk1 ip.proto=17'),
            '# forwarded as it is', arrive('red0', datagram(X4, Y4)),
            *expect('fate forwarded', 'transmit blk1 ip.proto=17'),
            '# 65535 octets, and ESP',
            sa('esp', 0x1000, A4, B4, 'transport'),
            policy(A4, B4, 'out', 'esp/transport//require'),
            f'out - udp src={A4}:9000 dst={B4}:7000 len=65507',
            *expect('errno EMSGSIZE', 'drop too-big', 'count esps_toobig=1'),
            '# no memory', 'fault nomem',
            f'send udp4:9000 {B4} 7000 text=probe',
            *expect('drop no-memory'), 'fault none',
            f'send udp4:9000 {B4} 7000 text=probe',
            *expect('transmit blk1 ip.proto=50')]
    scenario('ends-output', 'packets that do not leave, and some that do',
             'ip_output.c; xform_esp.c esp_output', *body)
    body = ['socket udp6:9000', 'send udp6:9000 2001:db8:b::2 7000 '
            'text=probe', *expect('drop no-source')]
    scenario('ends-no-source', 'an interface without an address of the '
             'family', 'RFC 1122 3.3.4.3', *body,
             host='if blk1 192.0.2.1/24\nroute 2001:db8:b::/64 dev blk1\n')
    body = ['socket udp4:9000', 'keysock ike',
            policy(A4, B4, 'out', 'esp/transport//require'), 'fault nomem',
            f'send udp4:9000 {B4} 7000 text=probe',
            *expect('errno ENOBUFS', 'drop acquire-failed',
                    'count ipsec:ips_out_nosa=1',
                    'count ipsec:ips_out_inval=1')]
    scenario('ends-acquire-failed', 'no memory to ask for an SA',
             'ipsec_output.c ipsec4_allocsa', *body)
    body = [f'setkey add 0.0.0.0 {B4} esp 0x1000 -m tunnel -E null "" '
            f'-A hmac-sha1 0x{p.KEY.hex()} ;',
            policy(NET[X4], NET[Y4], 'out', f'esp/tunnel/0.0.0.0-{B4}/'
                   'require'), from_red(X4, Y4),
            *expect('drop tunnel-ends-bad', 'count ipsec:ips_out_inval=1')]
    scenario('ends-tunnel-unspecified', 'a tunnel SA whose source no '
             'header can have', 'ipsec_output.c ipsec_encap', *body)
    natt = b''.join(bytes([1, 0, kind, 0, *value, 0, 0]) for kind, value in (
        (20, (2, 0)), (21, (0x11, 0x94)), (22, (0x11, 0x94))))
    body = ['socket udp6:9000', 'keysock ike', 'pfkey ike ' + message(
        3, 3, ext_sa(0x1000), ends_ext(A6, B6), ext_key(8, p.KEY),
        bytes([1, 0, 9, 0, 0, 0, 0, 0]), natt),
            expect('pfkey ike type=ADD errno=0'),
            policy(A6, B6, 'out', 'esp/transport//require'),
            f'send udp6:9000 {B6} 7000 text=probe',
            *expect('drop natt-ipv6')]
    scenario('ends-natt-ipv6', 'UDP encapsulation over IPv6',
             'ipsec_output.c ipsec_process_done: EAFNOSUPPORT', *body)
    key = '0x' + bytes(range(16)).hex()
    body = ['socket udp4:9000',
            f'setkey add {A4} {B4} esp 0x1000 -m transport -E aes-cbc {key} '
            f'-A hmac-sha1 0x{p.KEY.hex()} ;',
            policy(A4, B4, 'out', 'esp/transport//require'),
            'random 0011', f'send udp4:9000 {B4} 7000 text=probe',
            *expect('drop no-random')]
    scenario('ends-no-random', 'the tape of random octets is shorter than '
             'an IV', 'the model\'s own: a packet without its IV is not '
             'sent', *body)


def nested():
    packet = datagram(B4, A4)
    body = ['socket udp4:9000', sa('esp', 0x2000, B4, A4, 'tunnel')]
    for n in range(20):
        packet = p.ip4(B4, A4, 50, p.esp(0x2000, n + 1, 4, packet))
    body += [arrive('blk1', packet), *expect('drop nested-too-deep')]
    scenario('ends-nested', 'twenty tunnels in one another',
             'the model\'s own bound', *body)


def md5():
    body = ['socket tcp4:8000', 'setsockopt tcp4:8000 md5 1',
            '# no option in the SYN',
            arrive('blk1', p.ip4(B4, A4, 6, p.tcp(B4, 1111, A4, 8000))),
            *expect('drop tcp-signature')]
    scenario('ends-tcp-signature', 'a segment without its TCP-MD5 signature',
             'RFC 2385 2.0', *body)


TABLES = (ip_input, ip6_input, reassembly, ipcomp, output, nested, md5)
