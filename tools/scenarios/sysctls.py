"""One scenario for each class of values of each sysctl."""
import packets as p
from text import (A4, A6, B4, B6, C4, FREEBSD, HOST, KERNELS, KEY, NET, X4,
                  X6, Y4, Y6, arrive, datagram, ends, expect, from_red,
                  getspi, message, policy, REGISTER, sa, scenario)

# --- net.inet.ipsec.dfbit ---------------------------------------------------

def dfbit():
    for value in (0, 1, 2, -1):
        body = [f'sysctl net.inet.ipsec.dfbit={value}',
                sa('esp', 0x1000, A4, B4, 'tunnel'),
                sa('ah', 0x1001, A4, B4, 'tunnel'),
                sa('esp', 0x1002, A4, C4, 'transport'),
                policy(NET[X4], '10.2.0.0/24', 'out',
                       f'esp/tunnel/{A4}-{B4}/require'),
                policy(NET[X4], '10.2.1.0/24', 'out',
                       f'ah/tunnel/{A4}-{B4}/require'),
                policy(NET[X6], NET[Y6], 'out',
                       f'esp/tunnel/{A4}-{B4}/require'),
                policy(A4, C4, 'out', 'esp/transport//require')]
        ids = {0: 'MAN-dfbit-01', 1: 'MAN-dfbit-02'}.get(
            value, 'MAN-dfbit-03')
        for name, dst, proto in (('esp', Y4, 50), ('ah', '10.2.1.7', 51)):
            for inner in (0, 1):
                outer = inner if value not in (0, 1) else value
                body += [f'# {name} tunnel, inner DF {inner}',
                         from_red(X4, dst, df=inner)]
                body += expect(f'transmit blk1 ip.proto={proto} '
                               f'ip.df={outer}', ids=ids)
        body += ['# an IPv6 packet inside: DF with every value but 0',
                 from_red(X6, Y6)]
        body += expect(f'transmit blk1 ip.proto=50 ip.df={int(value != 0)}',
                       ids='MAN-dfbit-06')
        for inner in (0, 1):
            body += [f'# transport mode keeps DF {inner}',
                     f'out - udp src={A4}:9000 dst={C4}:7000 df={inner} '
                     'text=probe']
            body += expect(f'transmit blk1 ip.proto=50 ip.df={inner}',
                           ids='MAN-dfbit-05')
        scenario(f'sysctl-dfbit-{value if value >= 0 else "minus-1"}',
                 f'dfbit {value}: DF of a tunnel packet\'s outer header',
                 'ipsec(4), dfbit; ' + KERNELS + ', sysctl-effects '
                 'dfbit-*', *body)


# --- ecn --------------------------------------------------------------------

TUNNELS = (('4in4', X4, Y4, False), ('6in4', X6, Y6, False),
           ('6in6', X6, Y6, True), ('4in6', X4, Y4, True))


def outer_tos(profile, value, tos):
    """ipsec(4) with gif(4): 0 clears the octet, else all but CE's bit; the
    kernels: 0 clears the ECN field, 1 makes CE ECT(0), else all bits."""
    if profile == 'manual':
        return tos & 0xfe if value else 0
    if value == 0:
        return tos & 0xfc
    if value == 1 and tos & 3 == 3:
        return tos & 0xfc | 2
    return tos


def inner_tos(profile, value, outer, inner):
    if profile == 'manual' and value:
        return inner | outer & 1
    return inner


def ecn():
    for profile in ('manual',) + FREEBSD:
        for six in (False, True):
            for value in (0, 1, 2, -1):
                ecn_out(profile, six, value)
                ecn_in(profile, six, value)


def ecn_name(six):
    return 'net.inet6.ipsec6.ecn' if six else 'net.inet.ipsec.ecn'


def ecn_file(way, profile, six, value):
    return (f'sysctl-{"ecn6" if six else "ecn"}-{way}-'
            f'{value if value >= 0 else "minus-1"}-{profile}')


def ecn_ids(profile, six, value, way):
    if six:
        return 'MAN-ecn-07'
    if profile == 'manual':
        return {('out', True): 'MAN-ecn-03', ('out', False): 'MAN-ecn-05',
                ('in', True): 'MAN-ecn-04', ('in', False): 'MAN-ecn-06'}[
                    way, value != 0]
    if value == 1 and way == 'out':
        return 'ECN-RFC3168-16'
    return 'MAN-ecn-01' if value else 'MAN-ecn-02'


def ecn_source(profile):
    if profile == 'manual':
        return 'ipsec(4), ecn, and gif(4), to which it points'
    return KERNELS + ', sysctl-effects ecn-*'


def ecn_out(profile, six, value):
    """The sysctl of the outer header's family rules, the other stands
    still at 0."""
    body = [f'sysctl {ecn_name(six)}={value}']
    for outer6 in (False, True):
        body.append(sa('esp', 0x1006 if outer6 else 0x1004, *ends(outer6),
                       'tunnel'))
    for name, src, _, outer6 in TUNNELS:
        a, b = ends(outer6)
        net = {'4in4': '10.2.0.0/24', '6in4': '2001:db8:2:0::/64',
               '6in6': '2001:db8:2:1::/64', '4in6': '10.2.1.0/24'}[name]
        body.append(policy(NET[src], net, 'out',
                           f'esp/tunnel/{a}-{b}/require'))
    for name, src, _, outer6 in TUNNELS:
        dst = {'4in4': '10.2.0.7', '6in4': '2001:db8:2::7',
               '6in6': '2001:db8:2:1::7', '4in6': '10.2.1.7'}[name]
        for tos in (0xb8, 0xb9, 0xba, 0xbb):
            have = outer_tos(profile, value if outer6 == six else 0, tos)
            body += [from_red(src, dst, tos=tos)]
            body += expect(
                f'transmit blk1 ip.tos={have:#04x} esp.spi='
                f'{0x1006 if outer6 else 0x1004:#x}',
                ids=ecn_ids(profile, outer6, value if outer6 == six else 0,
                            'out'))
    scenario(ecn_file('out', profile, six, value),
             f'{ecn_name(six)} {value}: the outer TOS of four tunnels',
             ecn_source(profile), *body, profile=profile)


def ecn_in(profile, six, value):
    body = [f'sysctl {ecn_name(six)}={value}']
    for spi, (name, dst, src, outer6) in enumerate(TUNNELS, 0x2000):
        a, b = ends(outer6, True)
        body += [sa('esp', spi, a, b, 'tunnel')]
    for spi, (name, dst, src, outer6) in enumerate(TUNNELS, 0x2000):
        if outer6 != six and value != 1:
            continue  # the other family is looked at once
        a, b = ends(outer6, True)
        seq = 0
        for inner in range(4):
            for outer in range(4):
                seq += 1
                packet = datagram(src, dst, tos=0xb8 | inner, dport=7000)
                wire = p.ip(a, b, 50, p.esp(
                    spi, seq, 41 if p.is6(src) else 4, packet),
                    tos=0xb8 | outer)
                tos = inner_tos(profile, value if outer6 == six else 0,
                                0xb8 | outer, 0xb8 | inner)
                body += [f'# {name}, inner ECN {inner:02b}, outer '
                         f'{outer:02b}', arrive('blk1', wire)]
                body += expect(
                    f'transmit red0 {p.routed(packet, tos).hex()}',
                    ids=ecn_ids(profile, outer6,
                                value if outer6 == six else 0, 'in'))
    scenario(ecn_file('in', profile, six, value),
             f'{ecn_name(six)} {value}: sixteen combinations of ECN fields '
             'at a tunnel\'s exit', ecn_source(profile), *body,
             profile=profile)


# --- ah_cleartos, ah_offsetmask ---------------------------------------------

def cleartos():
    for name, short in (('net.inet.ipsec.ah_cleartos', 'ipsec'),
                        ('net.inet.ah.ah_cleartos', 'ah')):
        for value in (0, 1, 2):
            clear = value != 0
            ids = 'MAN-cleartos-01' if clear else 'MAN-cleartos-02'
            body = [f'sysctl {name}={value}', 'socket udp4:9000',
                    sa('ah', 0x2000, B4, A4, 'transport'),
                    sa('ah', 0x2001, B4, A4, 'tunnel'),
                    sa('ah', 0x1000, X4, Y4, 'transport'),
                    policy(X4, Y4, 'out', 'ah/transport//require')]
            seq = 0
            for covered in (False, True):
                seq += 1
                plain = datagram(B4, A4, tos=0x10)
                body += ['# the TOS 0x10 is ' + (
                    'covered' if covered else 'zero') + ' for the ICV',
                    arrive('blk1', p.ah(plain, 0x2000, seq,
                                        cleartos=not covered))]
                body += expect(*(
                    ['deliver udp4:9000 text=probe', 'fate ok']
                    if covered != clear else
                    ['drop icv-bad', 'count ahs_badauth=1']), ids=ids)
                tun = p.ip4(B4, A4, 4, datagram(Y4, X4), tos=0x10)
                body += [arrive('blk1', p.ah(tun, 0x2001, seq,
                                             cleartos=not covered))]
                body += expect(*(
                    ['transmit red0 ip.src=10.2.0.7 ip.ttl=63']
                    if covered != clear else
                    ['drop icv-bad', 'count ahs_badauth=1']), ids=ids)
            plain = datagram(X4, Y4, tos=0x10, dport=7000)
            wire = p.ah(p.routed(plain), 0x1000, 1, cleartos=clear)
            body += ['# sent: the ICV follows, the TOS on the wire stays',
                     arrive('red0', plain)]
            body += expect(f'transmit blk1 {wire.hex()}',
                           ids='MAN-cleartos-04')
            scenario(f'sysctl-ah-cleartos-{short}-{value}',
                     f'{name} {value}: the TOS octet under AH',
                     'ipsec(4), ah_cleartos; RFC 4302 3.3.3.1.1; '
                     + KERNELS + ', sysctl-effects ah_cleartos-*', *body)


def offsetmask_body(mask, honoured, ids):
    body = ['socket udp4:9000',
            sa('ah', 0x2000, B4, A4, 'transport'),
            sa('ah', 0x1000, X4, Y4, 'transport'),
            policy(X4, Y4, 'out', 'ah/transport//require')]
    seq = 0
    for covered in (0, 0x4000):
        for df in (0, 1):
            seq += 1
            plain = p.ip4(B4, A4, 17, p.udp(B4, 1111, A4, 9000, b'probe'),
                          df=df)
            good = not df or (honoured & 0x4000) == covered
            body += [f'# DF {df}, the ICV computed with mask {covered:#06x}',
                     arrive('blk1', p.ah(plain, 0x2000, seq, mask=covered))]
            body += expect(*(
                ['deliver udp4:9000 text=probe'] if good else
                ['drop icv-bad', 'count ahs_badauth=1']), ids=ids)
    seq = 0
    for df in (0, 1):
        seq += 1
        plain = p.ip4(X4, Y4, 17, p.udp(X4, 1111, Y4, 7000, b'probe'), df=df)
        body += [f'# sent with DF {df}', arrive('red0', plain)]
        wire = p.ah(p.routed(plain), 0x1000, seq, mask=honoured)
        body += expect(f'transmit blk1 {wire.hex()}', ids=ids)
    return body


def offsetmask():
    name = 'net.inet.ipsec.ah_offsetmask'
    for mask in (0, 0x4000, 0xffff):
        ids = 'MAN-offsetmask-03' if mask else 'MAN-offsetmask-02'
        scenario(f'sysctl-ah-offsetmask-{mask:04x}-manual',
                 f'ah_offsetmask {mask:#06x}: flags and offset under AH',
                 'ipsec(4), ah_offsetmask',
                 f'sysctl {name}={mask:#06x}',
                 *offsetmask_body(mask, mask, ids))
    scenario('inert-ah-offsetmask-freebsd-2017',
             'ah_offsetmask is stored and looked at by nothing',
             'FreeBSD 11 and 12, xform_ah.c: the variable is not read',
             f'sysctl {name}=0x4000',
             f'sysctl {name}', expect('value 0x4000', ids='MAN-sysctl-01'),
             *offsetmask_body(0x4000, 0, 'MAN-offsetmask-01'),
             profile='freebsd-2017')
    scenario('sysctl-ah-offsetmask-freebsd-13',
             'ah_offsetmask does not exist; flags and offset count as zero',
             KERNELS + ', sysctl and sysctl-effects ah_offset*',
             f'sysctl {name}', expect('errno ENOENT', ids='MAN-sysctl-01'),
             *offsetmask_body(0, 0, 'MAN-offsetmask-02'),
             profile='freebsd-13')


# --- filtertunnel -----------------------------------------------------------

def filtertunnel():
    for six in (False, True):
        name = ('net.inet6.ipsec6' if six else 'net.inet.ipsec') + \
            '.filtertunnel'
        ids = 'MAN-filtertunnel-04' if six else 'MAN-filtertunnel-03'
        for value in (0, 1, 2):
            body = [f'sysctl {name}={value}', 'socket udp4:9000',
                    'socket udp6:9000',
                    'filter block in proto=17']
            seq = 0
            for spi, (tun, dst, src, outer6) in enumerate(TUNNELS, 0x2000):
                a, b = ends(outer6, True)
                inner6 = p.is6(src)
                packet = datagram(src, dst, dport=7000)
                seq += 1
                body += [sa('esp', spi, a, b, 'tunnel'), f'# {tun} tunnel',
                         arrive('blk1', p.ip(a, b, 50, p.esp(
                             spi, 1, 41 if inner6 else 4, packet)))]
                hit = value != 0 and inner6 == six
                body += expect(*(['drop filtered'] if hit else [
                    f'transmit red0 {p.routed(packet).hex()}']),
                    ids=ids if inner6 == six else 'MAN-filtertunnel-05')
            for spi, (s6, a, b) in ((0x3000, (False, B4, A4)),
                                    (0x3001, (True, B6, A6))):
                body += [sa('esp', spi, a, b, 'transport'),
                         f'# transport mode, IPv{6 if s6 else 4}' + (
                             ', which does not enter IPv6 input again'
                             if s6 else ''),
                         arrive('blk1', p.ip(a, b, 50, p.esp(
                             spi, 1, 17, p.udp(a, 1, b, 9000, b'probe'))))]
                hit = value != 0 and not s6 and not six
                body += expect(*(['drop filtered'] if hit else [
                    f'deliver udp{6 if s6 else 4}:9000 text=probe']),
                    ids=ids)
            body += ['# what never was in a tunnel is filtered anyhow',
                     arrive('blk1', datagram(B6, A6) if six else
                            datagram(B4, A4))]
            body += expect('drop filtered', ids=ids)
            scenario(f'sysctl-filtertunnel{"6" if six else "4"}-{value}',
                     f'{name} {value}: does the input filter see what came '
                     'out of ESP?', 'ipsec(4), filtertunnel; ' + KERNELS +
                     ', sysctl-effects filtertunnel-*', *body)


# --- natt_cksum_policy ------------------------------------------------------

def encapsulated(spi, seq, nh, payload, sport=4500, dport=4500):
    return p.ip4(B4, A4, 17, p.udp(B4, sport, A4, dport,
                                   p.esp(spi, seq, nh, payload), check=0))


def natt():
    orig = '10.9.0.5'  # the peer's address behind its NAT
    name = 'net.inet.ipsec.natt_cksum_policy'
    good = p.udp(B4, 1111, A4, 9000, b'probe')
    theirs = p.udp(orig, 1111, A4, 9000, b'probe')
    wrong = p.udp(B4, 1111, A4, 9000, b'probe', check=0x1234)
    none = p.udp(B4, 1111, A4, 9000, b'probe', check=0)
    fixed = int.from_bytes(good[6:8], 'big')

    def tapped(spi, check, *rest, ids):
        return expect(f'tap in:before:{spi:#010x}:0x0c00 udp.sum={check:#x}',
                      *rest, ids=ids)

    for value in (0, 1, 2):
        full = value != 0
        body = [f'sysctl {name}={value}', 'enc0 up',
                'socket udp4:4500', 'setsockopt udp4:4500 encap 2',
                'socket udp4:9000', 'socket tcp4:8000',
                sa('esp', 0x2000, B4, A4, 'transport',
                   f'-natt {B4}[4500] {A4}[4500]'),
                sa('esp', 0x2001, B4, A4, 'transport',
                   f'-natt {orig}[4500] {A4}[4500]'),
                sa('esp', 0x2002, B4, A4, 'tunnel',
                   f'-natt {B4}[4500] {A4}[4500]')]
        ids = 'MAN-nattcksum-02' if full else 'MAN-nattcksum-04'
        body += ['# no original addresses, the checksum is right',
                 arrive('blk1', encapsulated(0x2000, 1, 17, good)),
                 tapped(0x2000, fixed if full else 0,
                        'deliver udp4:9000 text=probe', ids=ids),
                 '# it is wrong: computed anew, or ignored',
                 arrive('blk1', encapsulated(0x2000, 2, 17, wrong)),
                 tapped(0x2000, fixed if full else 0,
                        'deliver udp4:9000 text=probe', ids=ids),
                 '# there is none',
                 arrive('blk1', encapsulated(0x2000, 3, 17, none)),
                 tapped(0x2000, fixed if full else 0,
                        'deliver udp4:9000 text=probe',
                        ids='MAN-nattcksum-02' if full else
                        'NATT-3.1.2-06')]
        syn = p.tcp(B4, 1111, A4, 8000, check=0x1234)
        right = int.from_bytes(p.tcp(B4, 1111, A4, 8000)[16:18], 'big')
        body += ['# TCP: computed anew, or believed as it stands',
                 arrive('blk1', encapsulated(0x2000, 4, 6, syn)),
                 expect('tap in:before:0x00002000:0x0c00 tcp.sum='
                        f'{right if full else 0x1234:#x}',
                        'transmit blk1 tcp.flags=0x12', ids=ids)]
        ids = 'MAN-nattcksum-02' if full else 'MAN-nattcksum-03'
        body += ['# original addresses: the difference is added',
                 arrive('blk1', encapsulated(0x2001, 1, 17, theirs)),
                 tapped(0x2001, fixed, 'deliver udp4:9000 text=probe',
                        ids=ids)]
        bad = int.from_bytes(theirs[6:8], 'big') ^ 0x0101
        moved = p.ones_sum(
            (~bad & 0xffff).to_bytes(2, 'big') +
            b''.join((~x & 0xffff).to_bytes(2, 'big') for x in (
                int.from_bytes(p.packed(orig)[:2], 'big'),
                int.from_bytes(p.packed(orig)[2:], 'big'))) +
            p.packed(B4))
        body += ['# and what was wrong stays wrong',
                 arrive('blk1', encapsulated(
                     0x2001, 2, 17, p.udp(orig, 1111, A4, 9000, b'probe',
                                          check=bad))),
                 tapped(0x2001, fixed if full else ~moved & 0xffff,
                        *(['deliver udp4:9000 text=probe'] if full else
                          ['drop udp-bad']), ids=ids),
                 '# where there was none, none is made',
                 arrive('blk1', encapsulated(0x2001, 3, 17, none)),
                 tapped(0x2001, fixed if full else 0,
                        'deliver udp4:9000 text=probe',
                        ids='MAN-nattcksum-02' if full else
                        'NATT-3.1.2-06')]
        inner = p.ip4(Y4, X4, 17, p.udp(Y4, 1, X4, 7000, b'probe',
                                        check=0x1234))
        body += ['# what a tunnel holds is left alone',
                 arrive('blk1', encapsulated(0x2002, 1, 4, inner)),
                 expect(f'transmit red0 {p.routed(inner).hex()}',
                        ids='MAN-nattcksum-01')]
        scenario(f'sysctl-natt-cksum-policy-{value}',
                 f'natt_cksum_policy {value}: checksums behind a NAT',
                 'ipsec(4), natt_cksum_policy; RFC 3948 3.1.2; ' + KERNELS +
                 ', natt cksum-*', *body)


# --- check_policy_history ---------------------------------------------------

def history():
    name = 'net.inet.ipsec.check_policy_history'
    for profile in ('manual',) + FREEBSD:
        for value in (0, 1, 2):
            on = value != 0
            both = profile == 'manual'  # the page: addresses; else dst
            host = HOST.replace('192.0.2.1/24', '192.0.2.1/24 192.0.2.9/24')
            body = [f'sysctl {name}={value}', 'socket udp4:9000',
                    sa('esp', 0x2000, B4, A4, 'tunnel'),
                    sa('esp', 0x2001, C4, A4, 'tunnel'),
                    sa('esp', 0x2002, B4, '192.0.2.9', 'tunnel'),
                    sa('esp', 0x2003, B4, A4, 'transport'),
                    sa('ah', 0x2004, B4, A4, 'transport'),
                    sa('esp', 0x2005, B4, A4),
                    policy(NET[Y4], NET[X4], 'in',
                           f'esp/tunnel/{B4}-{A4}/require'),
                    policy(B4, A4, 'in', 'esp/transport//require',
                           upper='udp')]
            clear = datagram(Y4, X4, dport=7000)

            def through(text, spi, src, dst, taken, ids):
                body.extend(['# ' + text, arrive('blk1', p.ip4(
                    src, dst, 50, p.esp(spi, 1, 4, clear)))])
                body.extend(expect(*(
                    [f'transmit red0 {p.routed(clear).hex()}'] if taken else
                    ['drop policy-mismatch', 'count ipsec:ips_in_polvio=1']),
                    ids=ids))

            ids = 'MAN-policyhist-02' if on else 'MAN-policyhist-01'
            through('the SA that the policy names', 0x2000, B4, A4, True,
                    ids)
            through('another gateway\'s SA', 0x2001, C4, A4,
                    not on or not both, 'MAN-policyhist-05' if on else ids)
            through('an SA that ends at another address of this host',
                    0x2002, B4, '192.0.2.9', not on,
                    'MAN-policyhist-05' if on else ids)
            through('an SA of no particular mode', 0x2005, B4, A4, True, ids)
            host4 = datagram(B4, A4)
            inner = host4[20:]
            body += ['# ESP transport, as the policy wants it',
                     arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                         0x2003, 1, 17, inner)))]
            body += expect('deliver udp4:9000 text=probe', ids=ids)
            body += ['# the same in a tunnel',
                     arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                         0x2000, 2, 4, host4)))]
            body += expect(*(
                ['drop policy-mismatch', 'count ipsec:ips_in_polvio=1']
                if on else ['deliver udp4:9000 text=probe']),
                ids='MAN-policyhist-04' if on else ids)
            body += ['# under AH instead of ESP',
                     arrive('blk1', p.ah(host4, 0x2004, 1))]
            body += expect('drop policy-mismatch',
                           'count ipsec:ips_in_polvio=1',
                           ids='MAN-policyhist-03')
            scenario(f'sysctl-check-policy-history-{value}-{profile}',
                     f'check_policy_history {value}: by which SAs a packet '
                     'came', ('ipsec(4), check_policy_history' if both else
                              'ipsec.c ipsec_check_history; ' + KERNELS +
                              ', inbound history-*'), *body,
                     profile=profile, host=host)


# --- def_policy -------------------------------------------------------------

def def_policy():
    for profile in ('manual',) + FREEBSD:
        shared = profile != 'manual'
        for six in (False, True):
            name = ('net.inet6.ipsec6' if six else 'net.inet.ipsec') + \
                '.def_policy'
            for value in (0, 1):
                body = [f'sysctl {name}={value}', *expect(
                            'errno 0', ids='MAN-defpolicy-06'),
                        'socket udp4:9000', 'socket udp6:9000']
                for s6 in (False, True):
                    drop = value == 0 and (shared or s6 == six)
                    ids = {(0, False): 'MAN-defpolicy-02',
                           (1, False): 'MAN-defpolicy-03',
                           (0, True): 'MAN-defpolicy-04',
                           (1, True): 'MAN-defpolicy-05'}[
                               int(not drop), s6]
                    n = 6 if s6 else 4
                    group = 'ipsec6' if s6 else 'ipsec'
                    a, b = ends(s6)
                    body += [f'# IPv{n}: sent',
                             f'send udp{n}:9000 {b} 7000 text=probe']
                    body += expect(*(
                        ['errno EACCES', 'drop policy-discard',
                         f'count {group}:ips_out_polvio=1'] if drop else
                        ['errno 0', f'transmit blk1 ip.proto=17']), ids=ids)
                    body += ['# received', arrive('blk1', datagram(b, a))]
                    body += expect(*(
                        ['drop policy-mismatch',
                         f'count {group}:ips_in_polvio=1'] if drop else
                        [f'deliver udp{n}:9000 text=probe']), ids=ids)
                    x, y = (X6, Y6) if s6 else (X4, Y4)
                    packet = datagram(x, y, dport=7000)
                    fast = shared and not s6
                    body += ['# forwarded' + (
                        ': with an empty SPD the fast path asks nobody'
                        if fast and drop else ''), arrive('red0', packet)]
                    body += expect(*(
                        ['drop policy-mismatch',
                         f'count {group}:ips_in_polvio=1']
                        if drop and not fast else
                        [f'transmit blk1 {p.routed(packet).hex()}']),
                        ids=ids)
                    body += ['# a policy of its own decides',
                             policy(b, a, 'in'), policy(a, b, 'out'),
                             arrive('blk1', datagram(b, a))]
                    body += expect(f'deliver udp{n}:9000 text=probe',
                                   ids='MAN-defpolicy-01')
                    if not s6:
                        body += ['# and now the SPD is not empty',
                                 arrive('red0', packet)]
                        body += expect(*(
                            ['drop policy-mismatch',
                             f'count {group}:ips_in_polvio=1'] if drop else
                            [f'transmit blk1 {p.routed(packet).hex()}']),
                            ids='MAN-defpolicy-01')
                scenario(
                    f'sysctl-def-policy{"6" if six else "4"}-{value}-'
                    f'{profile}', f'{name} {value}: packets under no policy',
                    ('ipsec(4), def_policy' if not shared else KERNELS +
                     ', sysctl-effects def_policy-*'), *body,
                    profile=profile)
    body = []
    for name in ('net.inet.ipsec.def_policy', 'net.inet6.ipsec6.def_policy'):
        for value in (2, 3, -1):
            body += [f'sysctl {name}={value}',
                     expect('errno EINVAL', ids='MAN-defpolicy-06')]
        body += [f'sysctl {name}', expect('value 1',
                                          ids='MAN-defpolicy-06')]
    scenario('sysctl-def-policy-refused',
             'def_policy takes 0 and 1, nothing else',
             'key.c sysctl_def_policy; ' + KERNELS + ', sysctl', *body)


# --- the eight levels -------------------------------------------------------

LEVELS = tuple(
    (f'net.inet{"6.ipsec6" if six else ".ipsec"}.{proto}_'
     f'{"net" if mode == "tunnel" else "trans"}_deflev', six, proto, mode)
    for six in (False, True) for proto in ('esp', 'ah')
    for mode in ('transport', 'tunnel'))


def deflev():
    for profile in ('manual', 'freebsd-2017', 'freebsd-13'):
        for number, (name, six, proto, mode) in enumerate(LEVELS, 4):
            for value in (0, 1, 2, 3, 4):
                one_deflev(profile, number, name, value)


def one_deflev(profile, number, name, value):
    require = value == 2 or value in (0, 4) or (
        value == 3 and profile == 'manual')
    rewritten = value in (0, 4)
    body = [f'sysctl {name}={value}', 'sysctl net.inet.ipsec.debug=1']
    if profile == 'manual':
        body += ['sysctl net.inet6.ipsec6.debug=1']
    seen = set()
    body.append('# one policy of level default for each of the eight, none '
                'has an SA')
    probes = []
    for i, (other, s6, proto, mode) in enumerate(LEVELS):
        a, b = ends(s6)
        dst = f'2001:db8:2:{i}::7' if s6 else f'10.2.{i}.7'
        hosts = f'{a}-{b}' if mode == 'tunnel' else ''
        body.append(policy(a, dst, 'out', f'{proto}/{mode}/{hosts}/default'))
        body.append(policy(dst, a, 'in', f'{proto}/{mode}/'
                           + (f'{b}-{a}' if hosts else '') + '/default'))
        mine = other == name and require
        s, d = (f'[{x}]' if s6 else x for x in (a, dst))
        group = 'ipsec6' if s6 else 'ipsec'
        ids = f'MAN-deflev-{4 + i:02d}'
        n = 6 if s6 else 4
        probes += [f'# {other}',
                   f'out - udp src={s}:9000 dst={d}:7000 text=probe']
        logs = []
        if rewritten and s6 == name.startswith('net.inet6') and \
                s6 not in seen:
            logs.append('log level-rewritten')
        seen.add(s6)
        logs.insert(0, 'log out-no-sa')
        probes += expect(*(
            ['drop no-sa-out', 'errno 0', f'count {group}:ips_out_nosa=1',
             f'count {group}:ips_out_inval=1'] if mine else
            ['transmit blk1 ip.proto=17', 'errno 0',
             f'count {group}:ips_out_nosa=1',
             f'count {group}:ips_out_inval=0']), *logs, ids=ids)
        probes += ['# and a clear packet comes in',
                   arrive('blk1', datagram(dst, a))]
        probes += expect(*(
            ['drop policy-mismatch', f'count {group}:ips_in_polvio=1']
            if mine else [f'deliver udp{n}:9000 text=probe']), ids=ids)
    body += ['socket udp4:9000', 'socket udp6:9000'] + probes
    if rewritten:
        body += ['# what is no level was rewritten at its first use',
                 f'sysctl {name}', expect('value 2', ids='MAN-deflev-01')]
    short = name.split('.', 1)[1].replace('inet.ipsec.', '').replace(
        'inet6.ipsec6.', '6-').replace('_', '-')
    scenario(f'sysctl-deflev-{short}-{value}-{profile}',
             f'{name} {value}: requests of level default',
             'ipsec(4), *_deflev; ' + (
                 'level 3 is unique, which requires' if profile == 'manual'
                 else KERNELS + ', sysctl-effects deflev-*, scenarios '
                 'deflev-readback'), *body, profile=profile)


# --- the three switches -----------------------------------------------------

def enables():
    names = ('esp', 'ah', 'ipcomp')
    number = {'esp': 50, 'ah': 51, 'ipcomp': 108}
    stat = {'esp': 'esps', 'ah': 'ahs', 'ipcomp': 'ipcomps'}
    for which, name in enumerate(names):
        for value in (0, 1, 2):
            body = [f'sysctl net.inet.{name}.{name}_enable={value}',
                    'socket udp4:9000', 'socket udp6:9000']
            for i, proto in enumerate(names):
                for s6 in (False, True):
                    a, b = ends(s6)
                    n = 6 if s6 else 4
                    group = 'ipsec6' if s6 else 'ipsec'
                    spi = 0x1000 + 16 * i + n
                    dst = f'2001:db8:2:{i}::7' if s6 else f'10.2.{i}.7'
                    level = 'use'
                    off = proto == name and value == 0
                    ids = (f'MAN-enable-{5 + which:02d}' if value == 0 else
                           'MAN-enable-01')
                    body += [sa(proto, spi, a, dst, 'transport'),
                             sa(proto, spi + 0x1000, dst, a, 'transport'),
                             policy(a, dst, 'out',
                                    f'{proto}/transport//{level}'),
                             f'# {proto}, IPv{n}: sent',
                             f'send udp{n}:9000 {dst} 7000 text={"a" * 120}']
                    body += expect(*(
                        ['errno EHOSTUNREACH', 'drop proto-disabled',
                         f'count {stat[proto]}_pdrops=1',
                         f'count {group}:ips_out_inval=1'] if off else
                        ['errno 0',
                         f'transmit blk1 ip.proto={number[proto]}']),
                        ids=ids)
                    inner = p.udp(dst, 1111, a, 9000, b'a' * 120)
                    if proto == 'esp':
                        packet = p.ip(dst, a, 50, p.esp(
                            spi + 0x1000, 1, 17, inner))
                    elif proto == 'ah':
                        packet = p.ah(p.ip(dst, a, 17, inner), spi + 0x1000,
                                      1)
                    else:
                        packet = p.ip(dst, a, 108, p.ipcomp(
                            spi + 0x1000, 17, inner))
                    body += ['# received', arrive('blk1', packet)]
                    body += expect(*(
                        ['drop proto-disabled',
                         f'count {stat[proto]}_input=1',
                         f'count {stat[proto]}_pdrops=1'] if off else
                        [f'deliver udp{n}:9000 text={"a" * 120}']), ids=ids)
            scenario(f'sysctl-{name}-enable-{value}',
                     f'{name}_enable {value}: the protocol, in and out',
                     'ipsec(4), *_enable; ' + KERNELS +
                     ', sysctl-effects enable-*', *body)


# --- ctr_compatibility ------------------------------------------------------

def ctr():
    name = 'net.inet.esp.ctr_compatibility'
    key = '0x' + bytes(range(20)).hex()
    for value in (0, 1, 2):
        unit = 16 if value else 4
        body = [f'sysctl {name}={value}', 'socket udp4:9000',
                f'setkey add {A4} {B4} esp 0x1000 -m transport -E aes-ctr '
                f'{key} -A hmac-sha1 {KEY} ;',
                policy(A4, B4, 'out', 'esp/transport//require')]
        for n in (1, 6, 14, 22, 30):
            plain = 8 + n + 2
            octets = 20 + 8 + 8 + -(-plain // unit) * unit + 12
            body += [f'send udp4:9000 {B4} 7000 text={"a" * n}']
            body += expect(f'transmit blk1 octets={octets} ip.proto=50')
        scenario(f'sysctl-ctr-compatibility-{value}',
                 f'{name} {value}: AES-CTR fills blocks of {unit}',
                 'FreeBSD 13 xform_esp.c; ' + KERNELS + ', outbound-misc '
                 'ctr-*', *body, profile='freebsd-13')
    for profile, unit in (('manual', 4), ('freebsd-2017', 16)):
        body = ['socket udp4:9000',
                f'setkey add {A4} {B4} esp 0x1000 -m transport -E aes-ctr '
                f'{key} -A hmac-sha1 {KEY} ;',
                policy(A4, B4, 'out', 'esp/transport//require'),
                f'sysctl {name}', expect('errno ENOENT')]
        for n in (1, 6, 14):
            octets = 20 + 8 + 8 + -(-(8 + n + 2) // unit) * unit + 12
            body += [f'send udp4:9000 {B4} 7000 text={"a" * n}']
            body += expect(f'transmit blk1 octets={octets} ip.proto=50')
        scenario(f'ctr-compatibility-{profile}',
                 'ctr_compatibility does not exist yet; AES-CTR fills '
                 f'blocks of {unit}', 'RFC 3686 3.1' if unit == 4 else
                 'FreeBSD 12 xform_esp.c: the block size of AES-CTR is 16',
                 *body, profile=profile)


# --- net.key ----------------------------------------------------------------

def oldsa():
    for value in (0, 1, 2):
        body = [f'sysctl net.key.preferred_oldsa={value}',
                'socket udp4:9000',
                policy(A4, B4, 'out', 'esp/transport//require')]
        for spi in (0x1000, 0x1001, 0x1002):
            body += [f'at {spi - 0x1000 + 1000}',
                     sa('esp', spi, A4, B4, 'transport'),
                     f'send udp4:9000 {B4} 7000 text=probe']
            body += expect('transmit blk1 esp.spi='
                           f'{0x1000 if value else spi:#x}')
        body += ['# the others serve when that one is gone',
                 f'setkey delete {A4} {B4} esp '
                 f'{0x1000 if value else 0x1002:#x} ;',
                 f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('transmit blk1 esp.spi=0x1001')
        scenario(f'sysctl-preferred-oldsa-{value}',
                 f'net.key.preferred_oldsa {value}: the '
                 f'{"oldest" if value else "newest"} SA sends',
                 'key.c key_allocsa_policy; ' + KERNELS +
                 ', inbound preferred_oldsa-*, scenarios rekey', *body)


def blockacq():
    for count, life, sends in ((0, 20, 14), (2, 20, 14), (10, 20, 27),
                               (10, 5, 14), (10, 0, 6)):
        # The other one has its default, and does not come to act.
        body = [f'sysctl net.key.blockacq_count={count}' if life == 20 else
                f'sysctl net.key.blockacq_lifetime={life}',
                'socket udp4:9000', 'keysock ike',
                f'pfkey ike {REGISTER["esp"]}', 'at 1000',
                policy(A4, B4, 'out', 'esp/transport//require')]
        # With a lifetime of 20 all packets come in one second, so that
        # the count alone decides; else one each second.
        step = 0 if life == 20 else 1
        made, left, now = None, 0, 1000
        for i in range(sends):
            body += [f'# packet {i + 1}',
                     f'send udp4:9000 {B4} 7000 text=probe']
            asks = made is None or left > count
            if made is None:
                left = 0
            if asks:
                made, left = now, 0
            else:
                left += 1
            body += expect('drop no-sa-out', 'errno 0', *(
                ['pfkey ike type=ACQUIRE satype=esp seq=1'
                 if life != 0 and (life == 20) else
                 'pfkey ike type=ACQUIRE satype=esp'] if asks else []))
            if step:
                body += ['after 1']
                now += 1
                if made is not None and now - made > life:
                    made = None
        scenario(f'sysctl-blockacq-{count}-{life}',
                 f'blockacq_count {count}, blockacq_lifetime {life}: which '
                 'packets ask for an SA',
                 'key.c key_acquire, key_getacq, key_flush_acq; ' + KERNELS +
                 ', policy-selection blockacq-*', *body)


def larval():
    for value in (5, 30, 2):
        body = [f'sysctl net.key.larval_lifetime={value}', 'keysock ike',
                'at 1000', f'pfkey ike {getspi(0x1000, 0x1000)}',
                expect('pfkey ike type=GETSPI SA.spi=0x00001000 errno=0'),
                f'at {1000 + value - 1}',
                '# it waits for its keys still: the SPI is taken',
                sa('esp', 0x1000, B4, A4)]
        body += expect('pfkey setkey type=ADD errno=17')
        body += [f'at {1000 + value}', '# and now it is gone, without a '
                 'word', expect('nothing'), sa('esp', 0x1000, B4, A4)]
        body += expect('pfkey ike type=ADD errno=0',
                       'pfkey setkey type=ADD errno=0')
        scenario(f'sysctl-larval-lifetime-{value}',
                 f'larval_lifetime {value}: how long an SA waits for its '
                 'keys', 'key.c key_flush_sad; ' + KERNELS +
                 ', scenarios larval-lifetime-*', *body)


def spis():
    body = ['sysctl net.key.spi_minval=0x500',
            'sysctl net.key.spi_maxval=0x500', 'keysock ike',
            f'pfkey ike {getspi()}',
            expect('pfkey ike type=GETSPI SA.spi=0x00000500 errno=0'),
            '# the only one is taken', f'pfkey ike {getspi(seq=2)}',
            expect('pfkey ike type=GETSPI errno=17'),
            '# a range of the message\'s own does not ask the sysctls',
            f'pfkey ike {getspi(0x700, 0x700, seq=3)}',
            expect('pfkey ike type=GETSPI SA.spi=0x00000700 errno=0')]
    scenario('sysctl-spi-range', 'spi_minval, spi_maxval: GETSPI without a '
             'range', 'key.c key_do_getnewspi; RFC 2367 3.1.1; ' + KERNELS +
             ', scenarios spi-range-*', *body)
    for tries in (1, 2):
        body = [f'sysctl net.key.spi_trycnt={tries}', 'keysock ike',
                f'pfkey ike {getspi(0x700, 0x700)}',
                expect('pfkey ike type=GETSPI SA.spi=0x00000700 errno=0'),
                '# the first draw gives 0x700 again, the second 0x701',
                'random 0000000001000001',
                f'pfkey ike {getspi(0x700, 0x701, seq=2)}',
                expect('pfkey ike type=GETSPI ' + (
                    'errno=17' if tries == 1 else
                    'SA.spi=0x00000701 errno=0'))]
        scenario(f'sysctl-spi-trycnt-{tries}',
                 f'spi_trycnt {tries}: how often GETSPI draws',
                 'key.c key_do_getnewspi', *body)


def proposals():
    """AH: strongest first, those of at least ah_keymin; ESP by number,
    those that take keys of esp_keymin."""
    ealgs = ((11, 0, 2048), (12, 128, 256), (13, 128, 256), (20, 128, 256),
             (23, 128, 256))
    aalgs = ((7, 512), (6, 384), (5, 256), (3, 160))
    for espmin, ahmin in ((256, 128), (128, 160), (257, 161), (2049, 384),
                           (192, 257), (256, 385), (256, 513)):
        body = [f'sysctl net.key.esp_keymin={espmin}',
                f'sysctl net.key.ah_keymin={ahmin}', 'socket udp4:9000',
                'keysock ike', f'pfkey ike {REGISTER["esp"]}',
                policy(A4, f'{B4}[7001]', 'out', 'esp/transport//require',
                       upper='udp'),
                policy(A4, f'{B4}[7002]', 'out', 'ah/transport//require',
                       upper='udp')]
        combs = [f'PROPOSAL.combs.{i}.encrypt={n} '
                 f'PROPOSAL.combs.{i}.encrypt_minbits={max(low, espmin)} '
                 f'PROPOSAL.combs.{i}.encrypt_maxbits={high}'
                 for i, (n, low, high) in enumerate(
                     a for a in ealgs if a[2] >= espmin)]
        body += [f'send udp4:9000 {B4} 7001 text=probe']
        body += expect('drop no-sa-out', 'pfkey ike type=ACQUIRE satype=esp '
                       + (f'PROPOSAL.combs={len(combs)} ' + ' '.join(combs)
                          if combs else 'exts=3'))
        combs = [f'PROPOSAL.combs.{i}.auth={n} '
                 f'PROPOSAL.combs.{i}.auth_minbits={bits}'
                 for i, (n, bits) in enumerate(
                     a for a in aalgs if a[1] >= ahmin)]
        body += [f'send udp4:9000 {B4} 7002 text=probe']
        body += expect('drop no-sa-out', 'pfkey ike type=ACQUIRE satype=ah '
                       + (f'PROPOSAL.combs={len(combs)} ' + ' '.join(combs)
                          if combs else 'exts=3'))
        body += ['# SAs themselves may have shorter keys',
                 sa('ah', 0x1000, A4, B4, 'transport'),
                 expect('pfkey ike type=ADD errno=0',
                        'pfkey setkey type=ADD errno=0'),
                 f'send udp4:9000 {B4} 7002 text=probe']
        body += expect('transmit blk1 ip.proto=51')
        scenario(f'sysctl-keymin-{espmin}-{ahmin}',
                 f'esp_keymin {espmin}, ah_keymin {ahmin}: what an ACQUIRE '
                 'proposes', 'key.c key_getcomb_esp, key_getcomb_ah; '
                 + KERNELS + ', scenarios keymin-*', *body,
                 profile='freebsd-13')
    for profile in ('freebsd-13',):
        for value in (0, 1):
            n = len(ealgs) * (len(aalgs) if value else 1)
            combs = []
            for i in range(n):
                alg = ealgs[i // len(aalgs) if value else i][0]
                combs += [f'PROPOSAL.combs.{i}.encrypt={alg}',
                          f'PROPOSAL.combs.{i}.auth=0']
            body = [f'sysctl net.key.esp_auth={value}', 'socket udp4:9000',
                    'keysock ike', f'pfkey ike {REGISTER["esp"]}',
                    policy(A4, f'{B4}[7001]', 'out',
                           'esp/transport//require', upper='udp'),
                    f'send udp4:9000 {B4} 7001 text=probe']
            body += expect('drop no-sa-out',
                           'pfkey ike type=ACQUIRE satype=esp '
                           f'PROPOSAL.combs={n} ' + ' '.join(
                               combs[:20]))
            scenario(f'sysctl-esp-auth-{value}-{profile}',
                     f'esp_auth {value}: one proposal for each pair of '
                     'algorithms, which the kernel then leaves without '
                     'authentication', KERNELS + ', scenarios keymin-*',
                     *body, profile=profile)
    for value in (0, 1):
        body = [f'sysctl net.key.esp_auth={value}', 'socket udp4:9000',
                'keysock ike', f'pfkey ike {REGISTER["esp"]}',
                policy(A4, f'{B4}[7001]', 'out', 'esp/transport//require',
                       upper='udp'),
                f'send udp4:9000 {B4} 7001 text=probe']
        body += expect('drop no-sa-out', 'pfkey ike type=ACQUIRE satype=esp'
                       + ' PROPOSAL.combs.0.auth=' + ('7' if value else '0')
                       + ' PROPOSAL.combs.1.auth=' + ('6' if value else '0'))
        scenario(f'sysctl-esp-auth-{value}-manual',
                 f'esp_auth {value}: proposals for ESP with authentication, '
                 'as meant', 'key.c key_getcomb_esp, whose copy of an empty '
                 'combination over the AH part is left out', *body)


# --- statistics -------------------------------------------------------------

def statistics():
    body = ['socket udp4:9000', 'socket udp6:9000',
            '# one refused packet of each kind',
            arrive('blk1', p.ip4(B4, A4, 50, p.esp(0x9999, 1, 17, b'abcd'))),
            expect('drop no-sa', 'count esps_notdb=1', 'count esps_input=1'),
            arrive('blk1', p.ah(datagram(B4, A4), 0x9999, 1)),
            expect('drop no-sa', 'count ahs_notdb=1'),
            arrive('blk1', p.ip4(B4, A4, 108, p.ipcomp(9, 17, b'a' * 99))),
            expect('drop no-sa', 'count ipcomps_notdb=1'),
            policy(B4, A4, 'in', 'esp/transport//require'),
            policy(B6, A6, 'in', 'esp/transport//require'),
            arrive('blk1', datagram(B4, A4)),
            expect('drop policy-mismatch', 'count ipsec:ips_in_polvio=1'),
            arrive('blk1', datagram(B6, A6)),
            expect('drop policy-mismatch', 'count ipsec6:ips_in_polvio=1')]
    all_of = (('net.inet.esp.stats', 'esps_notdb'),
              ('net.inet.ah.stats', 'ahs_notdb'),
              ('net.inet.ipcomp.stats', 'ipcomps_notdb'),
              ('net.inet.ipsec.ipsecstats', 'ipsec:ips_in_polvio'),
              ('net.inet6.ipsec6.ipsecstats', 'ipsec6:ips_in_polvio'))
    for name, counter in all_of:
        body += [f'# {name}: this structure, and no other',
                 f'sysctl {name}=0',
                 expect(*(f'count {c}={-1 if c == counter else 0}'
                          for _, c in all_of))]
    body += [arrive('blk1', datagram(B4, A4)),
             expect('drop policy-mismatch', 'count ipsec:ips_in_polvio=1')]
    scenario('sysctl-stats', 'statistics become zero when they are written',
             'the SYSCTL_VNET_PCPUSTAT of each structure', *body)


# --- enc(4) -----------------------------------------------------------------

def enc():
    for what in ('bpf', 'filter'):
        for mask in (0, 1, 2, 3):
            for way in ('in', 'out'):
                enc_one(way, what, mask)
    for profile, seen in (('freebsd-13', True), ('manual', False)):
        body = ['enc0 up', 'sysctl net.enc.in.ipsec_bpf_mask=4',
                'sysctl net.enc.out.ipsec_bpf_mask=4', 'socket udp4:9000',
                sa('esp', 0x1000, A4, B4, 'transport'),
                sa('esp', 0x2000, B4, A4, 'transport'),
                policy(A4, B4, 'out', 'esp/transport//require'),
                arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                    0x2000, 1, 17, p.udp(B4, 1, A4, 9000, b'probe'))))]
        body += expect('deliver udp4:9000 text=probe', *(
            ['tap in:before:0x00002000:0x0c00'] if seen else []), 'nothing')
        body += [f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('transmit blk1 ip.proto=50', *(
            ['tap out:before:0x00001000:0x0c00'] if seen else []), 'nothing')
        body += ['# what the filter refuses is not behind it',
                 'filter block enc-in proto=17',
                 'filter block enc-out proto=17',
                 arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                     0x2000, 2, 17, p.udp(B4, 1, A4, 9000, b'probe'))))]
        body += expect('drop filtered', 'filter in:blk1',
                       'filter enc-in:enc0', 'nothing')
        body += [f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('drop filtered', 'filter enc-out:enc0', 'nothing')
        scenario(f'sysctl-enc-bpf-4-{profile}',
                 'bit 4 of the bpf masks: behind the packet filter, ' +
                 ('where it exists' if seen else 'of a later FreeBSD'),
                 'if_enc.c of FreeBSD 13: where the filter looks, by the '
                 'filter mask 1 that is before the header goes or comes'
                 if seen else 'enc(4) of 2017 knows '
                 'bits 1 and 2', *body, profile=profile)


def enc_one(way, what, mask):
    name = f'net.enc.{way}.ipsec_{what}_mask'
    other = f'net.enc.{way}.ipsec_{"filter" if what == "bpf" else "bpf"}_mask'
    ids = 'MAN-enc-03' if way == 'in' else 'MAN-enc-04'
    body = [f'sysctl {name}={mask}', f'sysctl {other}={3 - mask}',
            'enc0 up', 'socket udp4:9000', 'filter watch']
    masks = {what: mask, 'filter' if what == 'bpf' else 'bpf': 3 - mask}
    for i, (tun, x, y, outer6) in enumerate(TUNNELS):
        a, b = ends(outer6)
        inner = datagram(x, y, dport=7000)
        if way == 'out':
            net = f'2001:db8:2:{i}::/64' if p.is6(y) else f'10.2.{i}.0/24'
            y = net.replace('0/24', '7').replace('/64', '7')
            inner = datagram(x, y, dport=7000)
            body += [sa('esp', 0x1000 + i, a, b, 'tunnel', f'-u {i + 1}'),
                     policy(NET[x], net, 'out',
                            f'esp/tunnel/{a}-{b}/unique:{i + 1}')]
            before = bytearray(inner)
            # forwarded: one hop less, IPv4's checksum to be made yet
            before[7 if p.is6(x) else 8] -= 1
            outs = [before.hex(), f'ip.src={a} ip.dst={b} '
                    f'ip.proto={41 if p.is6(x) else 4} ip2.src={x}']
            spi = 0x1000 + i
            body += [f'# {tun} tunnel', arrive('red0', inner)]
            first = [f'transmit blk1 ip.src={a} ip.proto=50 esp.spi={spi:#x}']
        else:
            inner = datagram(y, x, dport=7000)
            body += [sa('esp', 0x2000 + i, b, a, 'tunnel'),
                     f'# {tun} tunnel', arrive('blk1', p.ip(
                         b, a, 50, p.esp(0x2000 + i, 1,
                                         41 if p.is6(x) else 4, inner)))]
            outer = bytearray(p.ip(b, a, 41 if p.is6(x) else 4, inner))
            if outer6:  # the kernel's hook comes before the length's repair
                outer[4:6] = len(p.esp(0, 0, 4, inner)).to_bytes(2, 'big')
            outs = [outer.hex(), inner.hex()]
            spi = 0x2000 + i
            first = [f'transmit red0 {p.routed(inner).hex()}']
        more = []
        for bit, place, packet in ((1, 'before', outs[0]),
                                   (2, 'after', outs[1])):
            if masks['bpf'] & bit:
                more.append(f'tap {way}:{place}:{spi:#010x}:0x0c00 {packet}')
            if masks['filter'] & bit:
                more.append(f'filter enc-{way}:enc0 {packet}')
        came, left = ('blk1', 'red0') if way == 'in' else ('red0', 'blk1')
        body += expect(*first, f'filter in:{came}', *more,
                       f'filter out:{left}', 'nothing', ids=ids)
    scenario(f'sysctl-enc-{way}-{what}-{mask}',
             f'{name} {mask}: what enc0 shows to ' +
             ('a capture' if what == 'bpf' else 'a packet filter'),
             'enc(4); ' + KERNELS + ', sysctl-effects enc0-*', *body)


# --- logs -------------------------------------------------------------------

def debug():
    """One error of each family with debug off and on."""
    for profile in ('manual',) + FREEBSD:
        shared = profile != 'manual'
        for six in (False, True):
            name = ('net.inet6.ipsec6' if six else 'net.inet.ipsec') + \
                '.debug'
            for value in (0, 1, 2):
                body = [f'sysctl {name}={value}', 'socket udp4:9000',
                        'socket udp6:9000']
                for s6 in (False, True):
                    a, b = ends(s6)
                    logs = value != 0 and (shared or s6 == six)
                    ids = 'MAN-debug-02' if s6 else 'MAN-debug-01'
                    body += [f'# IPv{6 if s6 else 4}: an unknown SPI',
                             arrive('blk1', p.ip(b, a, 50, p.esp(
                                 0x9999, 1, 17, b'a' * 12)))]
                    body += expect('drop no-sa', 'count esps_notdb=1',
                                   *(['log no-sa'] if logs else []),
                                   'nothing', ids=ids)
                    body += ['# a policy without its SA',
                             policy(a, b, 'out', 'esp/transport//use'),
                             f'send udp{6 if s6 else 4}:9000 {b} 7000 '
                             'text=probe']
                    body += expect('transmit blk1 ip.proto=17',
                                   *(['log out-no-sa'] if logs else []),
                                   'nothing', ids='MAN-debug-03')
                scenario(
                    f'sysctl-debug{"6" if six else "4"}-{value}-{profile}',
                    f'{name} {value}: log lines, and nothing else',
                    'ipsec(4), debug' if not shared else
                    'ipsec.c: one variable under both names',
                    *body, profile=profile)
    key_debug()


def key_debug():
    """keydb.h: 0x10 the key engine, 0x40 IPsec; 1 stamps, 2 data, 4 dumps."""
    for value in (0, 0x11, 0x12, 0x14, 0x17, 0x41, 0x42, 0x44, 0x47, 0x77,
                  0x10, 7):
        logs = {kind: [f'log {kind}-{what}' for bit, what in
                       ((1, 'stamp'), (2, 'data'), (4, 'dump'))
                       if value & bit and value & area]
                for kind, area in (('key', 0x10), ('ipsec', 0x40))}
        body = [f'sysctl net.key.debug={value:#x}', 'socket udp4:9000',
                'keysock k', f'pfkey k {message(9, 0)}']
        body += expect('pfkey k type=FLUSH errno=0', *logs['key'],
                       'nothing')
        body += [policy(A4, B4, 'out'), f'send udp4:9000 {B4} 7000 text=a']
        body += expect('transmit blk1 ip.proto=17', *logs['ipsec'],
                       'nothing')
        scenario(f'sysctl-key-debug-{value:02x}',
                 f'net.key.debug {value:#x}: what the key engine and the '
                 'look-ups log', 'keydb.h KEYDEBUG_*', *body)


# --- crypto_support ---------------------------------------------------------

def crypto_support():
    """The one driver counts as software: hardware alone finds none; without
    a flag the value is a driver's number, and there is none but 0."""
    for profile in ('manual',) + FREEBSD:
        for value in (0, 5, 0x01000000, 0x02000000, 0x03000000):
            good = value not in (5, 0x01000000)
            refused = 45 if profile == 'freebsd-13' else 22
            body = ['socket udp4:9000', sa('esp', 0x1000, A4, B4,
                                           'transport'),
                    policy(A4, B4, 'out', 'esp/transport//require'),
                    f'sysctl net.inet.ipsec.crypto_support={value:#x}']
            for i, proto in enumerate(('esp', 'ah', 'ipcomp'), 0x2000):
                body += [sa(proto, i, A4, C4, 'transport')]
                body += expect('pfkey setkey type=ADD errno='
                               f'{0 if good else refused}',
                               ids='MAN-crypto-01')
            body += ['# an SA that there is works on',
                     f'send udp4:9000 {B4} 7000 text=probe']
            body += expect('transmit blk1 ip.proto=50 esp.seq=1')
            body += ['# none is never sent for in the clear',
                     policy(A4, C4, 'out', 'esp/transport//require'),
                     f'send udp4:9000 {C4} 7000 text=probe']
            body += expect('transmit blk1 ip.proto=50' if good else
                           'drop no-sa-out', ids='MAN-crypto-01')
            scenario(f'sysctl-crypto-support-{value:08x}-{profile}',
                     f'crypto_support {value:#x}: which drivers may serve',
                     'crypto.c crypto_newsession, crypto_select_driver',
                     *body, profile=profile)


# --- what changes nothing ---------------------------------------------------

def exercise(start):
    """A bit of everything: ESP, AH and IPcomp in and out, GETSPI."""
    n = start + 1
    seq = start * 2 + 1
    body = []
    for i, (proto, number) in enumerate((('esp', 50), ('ah', 51),
                                         ('ipcomp', 108))):
        peer = f'10.2.{i}.7'
        inner = p.udp(peer, 1111, A4, 9000, b'a' * 120)
        wire = {'esp': lambda: p.ip4(peer, A4, 50, p.esp(
                    0x2000 + i, n, 17, inner)),
                'ah': lambda: p.ah(p.ip4(peer, A4, 17, inner), 0x2000 + i,
                                   n),
                'ipcomp': lambda: p.ip4(peer, A4, 108, p.ipcomp(
                    0x2000 + i, 17, inner))}[proto]()
        body += [f'send udp4:9000 {peer} 7000 text={"a" * 120}']
        body += expect(f'transmit blk1 ip.proto={number}' + (
            f' {proto}.seq={n}' if proto != 'ipcomp' else ''))
        body += [arrive('blk1', wire)]
        body += expect(f'deliver udp4:9000 text={"a" * 120}')
    body += [f"pfkey k {getspi(0x700, 0x7ff, seq=seq)}"]
    body += expect("pfkey k type=GETSPI errno=0")
    body += [sa('ah', 0x5000 + n, A4, B4)]
    body += expect('pfkey k type=ADD errno=0', 'pfkey setkey type=ADD '
                   'errno=0')
    return body


def inert():
    set_up = ['socket udp4:9000', 'keysock k', 'seed 7']
    for i, proto in enumerate(('esp', 'ah', 'ipcomp')):
        peer = f'10.2.{i}.7'
        set_up += [sa(proto, 0x1000 + i, A4, peer, 'transport'),
                   sa(proto, 0x2000 + i, peer, A4, 'transport'),
                   policy(A4, peer, 'out', f'{proto}/transport//require')]
    for name, short, default, values, profile in (
            ('net.key.int_random', 'int-random', 60, (0, 1, -1), 'manual'),
            ('net.inet.ipsec.async_crypto', 'async-crypto', 0, (1, -1),
             'freebsd-13')):
        body = set_up + [f'sysctl {name}', expect(f'value {default}')]
        body += exercise(0)
        for i, value in enumerate(values, 1):
            body += [f'# {name} {value}: all as before',
                     f'sysctl {name}={value}', expect('errno 0', 'nothing'),
                     f'sysctl {name}', expect(f'value {value}')]
            body += exercise(i)
        scenario(f'inert-{short}', f'{name} changes nothing',
                 KERNELS + ', sysctl', *body, profile='freebsd-13'
                 if profile != 'manual' else 'manual')
    body = set_up[:]
    for name, value in (('net.key.spdcache.maxentries', 0),
                        ('net.key.spdcache.threshold', 32)):
        body += [f'sysctl {name}', expect(f'value {value}'),
                 f'sysctl {name}=1', expect('errno EPERM', 'nothing'),
                 f'sysctl {name}', expect(f'value {value}')]
    scenario('inert-spdcache', 'the cache of policies cannot be set at run '
             'time', KERNELS + ', sysctl', *body, profile='freebsd-13')

# --- kernel option REGRESSION -----------------------------------------------

def regression():
    for name, which in (('test_replay', 0), ('test_integrity', 1)):
        for value in (0, 1):
            on = value != 0
            body = ['switch sysctl-regression=on',
                    f'sysctl net.inet.ipsec.{name}={value}',
                    'socket udp4:9000',
                    sa('esp', 0x1000, A4, B4, 'transport'),
                    sa('ah', 0x1001, X4, Y4, 'transport'),
                    policy(A4, B4, 'out', 'esp/transport//require'),
                    policy(X4, Y4, 'out', 'ah/transport//require')]
            for n in (1, 2):
                seq = 0 if on and which == 0 else n
                udp = p.udp(A4, 9000, B4, 7000, b'probe')
                esp = p.esp(0x1000, seq, 17, udp)
                clear = datagram(X4, Y4, dport=7000)
                wire = p.ah(p.routed(clear), 0x1001, seq)
                if on and which == 1:
                    esp = esp[:-12] + bytes(12)
                    wire = wire[:32] + bytes(12) + wire[44:]
                body += [f'send udp4:9000 {B4} 7000 text=probe',
                         *expect(f'transmit blk1 esp.seq={seq} '
                                 f'esp.data=0x{esp[8:].hex()}'),
                         arrive('red0', clear),
                         *expect(f'transmit blk1 {wire.hex()}')]
            scenario(f'sysctl-{name.replace("_", "-")}-{value}',
                     f'net.inet.ipsec.{name} {value}: what tests of the '
                     'peer ask for', 'FreeBSD option REGRESSION, '
                     'xform_esp.c, xform_ah.c', *body)


TABLES = (dfbit, ecn, cleartos, offsetmask, filtertunnel, natt, history,
          def_policy, deflev, enables, ctr, oldsa, blockacq, larval, spis,
          proposals, statistics, enc, debug, crypto_support, inert,
          regression)
