"""The parts that scenarios are made of: a host with a protected side (red0)
and an open one (blk1), SAs, policies, packets, expectations."""
import packets as p

KEY = '0x' + p.KEY.hex()
A4, B4, C4 = '192.0.2.1', '192.0.2.2', '192.0.2.3'
A6, B6, C6 = '2001:db8:b::1', '2001:db8:b::2', '2001:db8:b::3'
X4, Y4 = '10.1.0.5', '10.2.0.7'
X6, Y6 = '2001:db8:1::5', '2001:db8:2::7'
NET = {X4: '10.1.0.0/24', Y4: '10.2.0.0/16', X6: '2001:db8:1::/64',
       Y6: '2001:db8:2::/48'}
HOST = '''if red0 mtu 1500 10.1.0.1/24 2001:db8:1::1/64
if blk1 mtu 1500 192.0.2.1/24 2001:db8:b::1/64
route 10.2.0.0/16 via 192.0.2.2
route 2001:db8:2::/48 via 2001:db8:b::2
forward on
'''
FREEBSD = ('freebsd-2017', 'freebsd-13')
KERNELS = 'vectors/freebsd (the recorded kernel)'

scenarios = {}


def scenario(name, title, source, *body, profile='manual', host=HOST):
    """Each element of the body is a line or several."""
    if name in scenarios:
        raise ValueError(name)
    lines = ['scenario 1', f'title "{title}"',
             *(f'# Expected values: {s}' for s in source.split('; ')),
             f'profile {profile}', host.rstrip('\n')]
    for part in body:
        lines += [part] if isinstance(part, str) else part
    scenarios[name] = '\n'.join(x.rstrip('\n') for x in lines) + '\n'


def ends(six, inwards=False):
    a, b = (A6, B6) if six else (A4, B4)
    return (b, a) if inwards else (a, b)


def sa(proto, spi, src, dst, mode='', extra=''):
    """A manual SA of setkey(8); mode '' is any."""
    alg = {'esp': f'-E null "" -A hmac-sha1 {KEY}',
           'ah': f'-A hmac-sha1 {KEY}', 'ipcomp': '-C deflate'}[proto]
    if mode:
        mode = f'-m {mode} '
    if extra:
        extra += ' '
    return (f'setkey add {src} {dst} {proto} {spi:#x} {mode}{extra}{alg} ;')


def policy(src, dst, way, *requests, upper='any'):
    return (f'setkey spdadd {src} {dst} {upper} -P {way} '
            f'{"ipsec " if requests else "none"}{" ".join(requests)} ;')


def arrive(iface, packet):
    return f'in {iface} {packet.hex()}'


def expect(*what, ids=''):
    out = []
    for w in what:
        out.append('> ' + w)
    if ids:
        out = [f'{line}  [{ids}]' for line in out]
    return out


def from_red(src, dst, tos=0, df=0, text='probe', sport=1111, dport=7000):
    df = f' df={df}' if df else ''
    tos = f' tos={tos:#04x}' if tos else ''
    s, d = (f'[{x}]' if p.is6(x) else x for x in (src, dst))
    return (f'in red0 udp src={s}:{sport} dst={d}:{dport}{tos}{df} '
            f'text={text}')


def datagram(src, dst, payload=b'probe', sport=1111, dport=9000, tos=0,
             check=None, ttl=64):
    return p.ip(src, dst, 17, p.udp(src, sport, dst, dport, payload, check),
                tos=tos, ttl=ttl)


def words(*numbers):
    return b''.join(n.to_bytes(4, 'little') for n in numbers)


def message(kind, satype, *exts, seq=1):
    body = b''.join(exts)
    return (bytes([2, kind, 0, satype]) +
            (2 + len(body) // 8).to_bytes(2, 'little') + bytes(2) +
            words(seq, 0) + body).hex()


def ends_ext(src, dst):
    out = b''
    for kind, a in ((5, src), (6, dst)):
        if p.is6(a):
            out += (bytes([5, 0, kind, 0, 255, 128, 0, 0, 28, 28, 0, 0]) +
                    bytes(4) + p.packed(a) + bytes(8))
        else:
            out += (bytes([3, 0, kind, 0, 255, 32, 0, 0, 16, 2, 0, 0]) +
                    p.packed(a) + bytes(8))
    return out


def ext_sa(spi, auth=3, enc=11, replay=0, flags=0):
    return (bytes([2, 0, 1, 0]) + spi.to_bytes(4, 'big') +
            bytes([replay, 1, auth, enc]) + words(flags))


def ext_key(kind, key):
    return (bytes([(8 + -(-len(key) // 8) * 8) // 8, 0, kind, 0]) +
            (len(key) * 8).to_bytes(2, 'little') + bytes(2) + key +
            bytes(-len(key) % 8))


def getspi(low=None, high=None, seq=1, satype=3):
    span = b'' if low is None else (bytes([2, 0, 16, 0]) +
                                    words(low, high, 0))
    return message(1, satype, ends_ext(B4, A4), span, seq=seq)


REGISTER = {x: message(7, n) for x, n in
            (('ah', 2), ('esp', 3), ('ipcomp', 9))}
