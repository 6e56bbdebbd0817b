"""What ipsec(4) says besides its sysctls."""
import packets as p
from text import (A4, B4, C4, NET, X4, Y4, arrive, datagram, ends_ext, expect,
                  ext_key, ext_sa, message, policy, sa, scenario)


def protocols():
    body = ['socket udp4:9000']
    key = '0x' + bytes(range(16)).hex()
    text = 'a' * 120
    for i, (proto, number) in enumerate((('esp', 50), ('ah', 51),
                                         ('ipcomp', 108))):
        peer = f'10.2.{i}.7'
        body += [sa(proto, 0x1000 + i, A4, peer, 'transport'),
                 policy(A4, peer, 'out', f'{proto}/transport//require'),
                 f'send udp4:9000 {peer} 7000 text={text}',
                 *expect(f'transmit blk1 ip.src={A4} ip.dst={peer} '
                         f'ip.proto={number}', ids='MAN-proto-01')]
    body += ['# AH hides nothing: the payload stands behind it',
             f'send udp4:9000 10.2.1.7 7000 text={text}',
             *expect('transmit blk1 ah.nh=17 udp.dport=7000 '
                     f'udp.data={text.encode().hex()}', ids='MAN-proto-02'),
             '# AES-CBC does: 8 + 16 + 128 + 14 + 2 + 12 behind 20, of which '
             'the IV alone is known beforehand',
             f'setkey add {A4} {B4} esp 0x2000 -m transport -E aes-cbc {key}'
             f' -A hmac-sha1 0x{p.KEY.hex()} ;',
             policy(A4, B4, 'out', 'esp/transport//require')]
    # openssl enc -aes-128-cbc -nopad -K 000102..0f -iv 0 of the UDP header
    # and the first eight letters: 23281b5800806997 6161616161616161.
    cbc = '00' * 16 + '54d9c024df5e9729d610cf97fc6af787'
    body += ['random ' + '00' * 16,
             f'send udp4:9000 {B4} 7000 text={text}',
             *expect(f'transmit blk1 ip.proto=50 esp.data=0x{cbc}..',
                     ids='MAN-proto-03')]
    scenario('page-protocols', 'the three protocols', 'ipsec(4), '
             'DESCRIPTION; RFC 3602: openssl enc -aes-128-cbc over the first '
             'block', *body)


def modes():
    body = [sa('esp', 0x1000, X4, Y4, 'transport'),
            sa('esp', 0x1001, A4, B4, 'tunnel'),
            policy(X4, Y4, 'out', 'esp/transport//require'),
            policy(NET[X4], '10.2.9.0/24', 'out',
                   f'esp/tunnel/{A4}-{B4}/require')]
    clear = datagram(X4, Y4, dport=7000)
    inner = datagram(X4, '10.2.9.7', dport=7000)
    body += ['# transport mode keeps the addresses', arrive('red0', clear),
             *expect(f'transmit blk1 ip.src={X4} ip.dst={Y4} ip.proto=50 '
                     'esp.data=0x' +
                     p.esp(0x1000, 1, 17, clear[20:])[8:].hex(),
                     ids='MAN-mode-02'),
             '# tunnel mode holds the packet whole', arrive('red0', inner),
             *expect(f'transmit blk1 ip.src={A4} ip.dst={B4} ip.proto=50 '
                     'esp.data=0x' + p.esp(0x1001, 1, 4, p.routed(
                         inner))[8:].hex(), ids='MAN-mode-03')]
    scenario('page-modes', 'the two modes', 'ipsec(4), DESCRIPTION; RFC '
             '4303 3.1', *body)


def sockets():
    body = ['socket udp4:9000', 'socket udp4:9001',
            '# one socket\'s policy is its own',
            'setsockopt udp4:9000 policy4 "out ipsec esp/transport//require"',
            expect('errno 0', ids='MAN-sockopt-01'),
            f'send udp4:9000 {B4} 7000 text=probe',
            *expect('drop no-sa-out', ids='MAN-spd-01'),
            f'send udp4:9001 {B4} 7000 text=probe',
            *expect('transmit blk1 ip.proto=17', ids='MAN-spd-01'),
            '# the default is everybody\'s',
            'sysctl net.inet.ipsec.def_policy=0',
            f'send udp4:9001 {B4} 7000 text=probe',
            *expect('errno EACCES', 'drop policy-discard',
                    ids='MAN-spd-01'),
            '# what enters is not what leaves: out does not touch it',
            policy(B4, A4, 'in'), arrive('blk1', datagram(B4, A4)),
            *expect('deliver udp4:9000 text=probe', ids='MAN-sockopt-04'),
            '# bypass is for the privileged',
            'setsockopt udp4:9001 policy4 "out bypass" unprivileged',
            expect('errno EACCES', ids='MAN-sockopt-08'),
            f'send udp4:9001 {B4} 7000 text=probe',
            *expect('errno EACCES', 'drop policy-discard',
                    ids='MAN-sockopt-08'),
            'setsockopt udp4:9001 policy4 "out bypass"',
            expect('errno 0', ids='MAN-sockopt-07'),
            f'send udp4:9001 {B4} 7000 text=probe',
            *expect('transmit blk1 ip.proto=17', ids='MAN-sockopt-07'),
            '# entrust gives it back to the SPD',
            'setsockopt udp4:9000 policy4 "out entrust"',
            expect('errno 0', ids='MAN-sockopt-06'),
            policy(A4, B4, 'out'), f'send udp4:9000 {B4} 7000 text=probe',
            *expect('transmit blk1 ip.proto=17', ids='MAN-sockopt-06')]
    scenario('page-sockets', 'policies of sockets and of the host',
             'ipsec(4), Policy management', *body)


def levels():
    body = ['socket udp4:9000',
            sa('esp', 0x1000, A4, B4, 'transport', '-u 7'),
            policy(A4, B4, 'out', 'esp/transport//unique:8'),
            '# unique: another identifier is another SA',
            f'send udp4:9000 {B4} 7000 text=probe',
            *expect('drop no-sa-out', ids='MAN-level-04'),
            sa('esp', 0x1001, A4, B4, 'transport', '-u 8'),
            f'send udp4:9000 {B4} 7000 text=probe',
            *expect('transmit blk1 esp.spi=0x1001', ids='MAN-level-03')]
    scenario('page-levels', 'level unique', 'ipsec(4), Policy management',
             *body)


def originals():
    """Original addresses on an SA, told by GET."""
    exts = b''.join(bytes([1, 0, kind, 0, *value, 0, 0]) for kind, value in (
        (20, (2, 0)), (21, (0x11, 0x94)), (22, (0x11, 0x94))))
    oai = (bytes([3, 0, 23, 0, 255, 32, 0, 0, 16, 2, 0, 0]) +
           p.packed('10.9.0.5') + bytes(8))
    body = ['keysock ike', 'pfkey ike ' + message(
        3, 3, ext_sa(0x2000), ends_ext(B4, A4), ext_key(8, p.KEY),
        bytes([1, 0, 9, 0, 0, 0, 0, 0]),
        bytes([2, 0, 19, 0, 1, 0, 0, 0]) + bytes(8), exts, oai),
        expect('pfkey ike type=ADD errno=0 version=2', ids='MAN-pfkey-01'),
        'pfkey ike ' + message(5, 3, ext_sa(0x2000), ends_ext(B4, A4)),
        *expect('pfkey ike type=GET errno=0 SA.spi=0x00002000 '
                'X_NAT_T_OAI.addrs.0.addr=10.9.0.5',
                ids='MAN-nattcksum-05')]
    scenario('page-original-addresses', 'original addresses of an SA',
             'ipsec(4), natt_cksum_policy; pfkeyv2.h', *body)


def enc():
    body = ['enc0 up', 'socket udp4:9000',
            sa('esp', 0x1000, A4, B4, 'transport'),
            sa('esp', 0x1001, A4, C4, 'transport'),
            sa('esp', 0x2000, B4, A4, 'transport'),
            policy(A4, '192.0.2.0/24', 'out', 'esp/transport//require')]
    for spi, dst in ((0x1000, B4), (0x1001, C4)):
        body += ['# every SA\'s packets pass enc0',
                 f'send udp4:9000 {dst} 7000 text=probe',
                 *expect('transmit blk1 ip.proto=50',
                         f'tap out:before:{spi:#010x}:0x0c00 ip.proto=17 '
                         'udp.dport=7000',
                         f'tap out:after:{spi:#010x}:0x0c00 ip.proto=17',
                         ids='MAN-enc-06')]
    body += ['filter block enc-out proto=17',
             f'send udp4:9000 {B4} 7000 text=probe',
             *expect('drop filtered', 'tap out:before:0x00001000:0x0c00 '
                     'udp.dport=7000', 'filter enc-out:enc0 udp.dport=7000',
                     'nothing', ids='MAN-enc-01'),
             'filter block enc-in proto=17',
             arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                 0x2000, 1, 17, p.udp(B4, 1, A4, 9000, b'probe')))),
             *expect('drop filtered', 'filter in:blk1 ip.proto=50',
                     'filter enc-in:enc0 udp.dport=9000', ids='MAN-enc-02')]
    scenario('page-enc', 'all IPsec traffic passes enc0', 'ipsec(4); enc(4)',
             *body)


TABLES = (protocols, modes, sockets, levels, originals, enc)
