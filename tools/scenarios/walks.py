"""What the kernel does against the manual page or the standards, step by
step: each on both sides of its switch."""
import zlib

import packets as p
from text import (A4, A6, B4, B6, C4, FREEBSD, KERNELS, KEY, NET, X4, X6, Y4,
                  Y6, arrive, datagram, ends, ends_ext, expect, ext_key,
                  ext_sa, from_red, message, policy, REGISTER, sa, scenario,
                  words)

HISTORY = 'sysctl net.inet.ipsec.check_policy_history'


def polvio(six=False):
    return ['drop policy-mismatch',
            f'count {"ipsec6" if six else "ipsec"}:ips_in_polvio=1']


def went_on(packet):
    return [f'transmit red0 {p.routed(packet).hex()}']


def bundle4(inner, seq=1):
    """[B>A AH ESP [inner]]"""
    return p.ah(p.ip4(B4, A4, 50, p.esp(
        0x2001, seq, 41 if inner[0] >> 4 == 6 else 4, inner)), 0x2000, seq)


def control(history, seq):
    """That the history is asked for, or not: ESP in a tunnel where the
    policy wants transport mode."""
    packet = datagram(B6, A6)
    return ['# in comparison: ESP in a tunnel, where transport is wanted',
            arrive('blk1', p.ip6(B6, A6, 50, p.esp(0x2fff, seq, 41,
                                                   packet))),
            *expect(*(polvio(True) if history else
                      ['deliver udp6:9000 text=probe']),
                    ids='MAN-policyhist-04')]


CONTROL = ['socket udp6:9000', sa('esp', 0x2fff, B6, A6, 'tunnel'),
           policy(B6, A6, 'in', 'esp/transport//require', upper='udp')]


# --- AH and tunnels: the BUGS of ipsec(4) -----------------------------------

def w1():
    """An inbound policy that requires an AH tunnel."""
    for marks, taken4, taken6, what in (
            ('kept', True, True, 'what AH said is never forgotten'),
            ('ip6-input', True, False, 'IPv6 input forgets what AH said'),
            ('decap', False, False, 'the exit of a tunnel forgets what AH '
             'said, as the BUGS of the page have it')):
        body = [f'switch auth-marks={marks}',
                *CONTROL, sa('ah', 0x2000, B4, A4, 'tunnel'),
                policy(NET[Y4], NET[X4], 'in',
                       f'ah/tunnel/{B4}-{A4}/require'),
                policy(NET[Y6], NET[X6], 'in',
                       f'ah/tunnel/{B4}-{A4}/require')]
        seq = 0
        for history in (0, 1):
            body += [f'{HISTORY}={history}']
            for six, taken in ((False, taken4), (True, taken6)):
                inner = datagram(*((Y6, X6) if six else (Y4, X4)))
                seq += 1
                body += [arrive('blk1', p.ah(p.ip4(
                    B4, A4, 41 if six else 4, inner), 0x2000, seq))]
                body += expect(*(went_on(inner) if taken else polvio(six)),
                               ids='MAN-bugs-02')
            body += control(history, history + 1)
        scenario(f'walk-ah-tunnel-{marks}', 'an inbound policy that '
                 f'requires an AH tunnel: {what}',
                 ('ipsec(4), BUGS' if marks == 'decap' else
                  'ip6_input.c; ' + KERNELS + ', manual-bugs bugs-ah-tunnel-*'
                  if marks == 'ip6-input' else 'RFC 4301 5.2'), *body)


def w3():
    """esp/tunnel/use ah/transport/require, the page's example."""
    for marks, taken in (('kept', True), ('ip6-input', True),
                         ('decap', False)):
        for first in ('use', 'require'):
            bundle = (f'esp/tunnel/{B4}-{A4}/{first}',
                      f'ah/transport/{B4}-{A4}/require')
            body = [f'switch auth-marks={marks}', 'socket udp4:9000',
                    *CONTROL,
                    sa('ah', 0x2000, B4, A4, 'transport'),
                    sa('esp', 0x2001, B4, A4, 'tunnel'),
                    policy(NET[Y4], NET[X4], 'in', *bundle),
                    policy(NET[Y6], NET[X6], 'in', *bundle),
                    policy('192.0.2.0/24', '192.0.2.0/24', 'in', *bundle,
                           upper='udp')]
            seq = 0
            for history in (0, 1):
                body += [f'{HISTORY}={history}']
                cases = ((datagram(Y4, X4), taken and not history, False),
                         (datagram(Y6, X6), marks == 'kept' and
                          not history, True))
                for inner, good, six in cases:
                    seq += 1
                    body += [arrive('blk1', bundle4(inner, seq))]
                    body += expect(*(went_on(inner) if good else
                                     polvio(six)), ids='MAN-bugs-03')
                seq += 1
                body += ['# between the hosts themselves the selector holds '
                         'the SA\'s destination',
                         arrive('blk1', bundle4(datagram(B4, A4), seq))]
                body += expect(*(['deliver udp4:9000 text=probe'] if taken
                                 else polvio()), ids='MAN-bugs-03')
                body += control(history, history + 1)
            scenario(f'walk-esp-tunnel-{first}-ah-transport-{marks}',
                     f'esp/tunnel/{first} ah/transport/require: does the '
                     'bundle that the page warns of pass?',
                     'ipsec(4), BUGS' if marks == 'decap' else
                     'ipsec.c ipsec_in_reject; ' + KERNELS +
                     ', manual-bugs', *body)


def w3_six():
    """The bundle with IPv6 outside: quirk 10 as well."""
    for value in ('open', 'leave'):
        esp = p.esp(0x2001, 1, 17, p.udp(B6, 1111, A6, 9000, b'probe'))
        packet = p.ah(p.ip6(B6, A6, 50, esp), 0x2000, 1)
        body = [f'switch ip6-nested-ipsec={value}', 'socket udp6:9000',
                sa('ah', 0x2000, B6, A6, 'transport'),
                sa('esp', 0x2001, B6, A6, 'transport'),
                arrive('blk1', packet)]
        if value == 'open':
            body += expect('deliver udp6:9000 text=probe', ids='AH-3.4-01')
        else:
            body += ['# parameter problem, unknown next header; the pointer '
                     'is the octet behind the AH that names it']
            body += expect('drop no-protocol', 'transmit blk1 ip.proto=58 '
                           'icmp.type=4 icmp.code=1', 'count ahs_input=1',
                           'count esps_input=0')
        scenario(f'quirk-10-ip6-nested-{value}',
                 'ESP behind AH in IPv6 transport mode',
                 'RFC 4302 3.4' if value == 'open' else
                 'ipsec_input.c ipsec6_common_input_cb; ' + KERNELS +
                 ', manual-bugs', *body)


def w5():
    """A foreign SA satisfies a policy that names another."""
    for profile in ('manual',) + FREEBSD:
        body = [*CONTROL, sa('esp', 0x2000, C4, A4, 'tunnel'),
                policy(NET[Y4], NET[X4], 'in',
                       f'esp/tunnel/{B4}-{A4}/require')]
        inner = datagram(Y4, X4)
        for history in (0, 1):
            good = not history or profile != 'manual'
            body += [f'{HISTORY}={history}',
                     arrive('blk1', p.ip4(C4, A4, 50, p.esp(
                         0x2000, 1 + history, 4, inner)))]
            body += expect(*(went_on(inner) if good else polvio()),
                           ids='MAN-policyhist-05' if history else
                           'MAN-policyhist-01')
            body += control(history, history + 1)
        scenario(f'walk-foreign-sa-{profile}', 'a peer sends with its own '
                 'SA what another one\'s policy protects',
                 'ipsec(4), check_policy_history' if profile == 'manual'
                 else 'ipsec.c ipsec_check_history', *body,
                 profile=profile)


# --- sending ----------------------------------------------------------------

def w6():
    """require without an SA, and use: quirks 18 and 31."""
    body = ['socket udp4:9000', 'keysock ike',
            policy(A4, B4, 'out', 'esp/transport//require'),
            '# nobody has registered: nothing is said to anybody',
            f'send udp4:9000 {B4} 7000 text=probe']
    body += expect('errno 0', 'drop no-sa-out', 'count ipsec:ips_out_nosa=1',
                   'count ipsec:ips_out_inval=1', ids='MAN-level-02')
    body += [f'pfkey ike {REGISTER["esp"]}', 'at 100',
             '# the record of the first ACQUIRE counts all the same',
             policy(A4, C4, 'out', 'esp/transport//require'),
             f'send udp4:9000 {C4} 7000 text=probe']
    body += expect('errno 0', 'drop no-sa-out',
                   'pfkey ike type=ACQUIRE satype=esp errno=0 pid=0',
                   'count ipsec:ips_out_nosa=1',
                   'count ipsec:ips_out_inval=1', ids='MAN-deflev-03')
    body += [policy(A4, '192.0.2.4', 'out', 'esp/transport//use'),
             f'send udp4:9000 192.0.2.4 7000 text=probe']
    body += expect('errno 0', 'transmit blk1 ip.proto=17',
                   'pfkey ike type=ACQUIRE satype=esp',
                   'count ipsec:ips_out_nosa=1',
                   'count ipsec:ips_out_inval=0', ids='MAN-level-01')
    body += ['# switched off, the level does not soften it',
             'sysctl net.inet.esp.esp_enable=0']
    for dst in (B4, '192.0.2.4'):
        body += [f'send udp4:9000 {dst} 7000 text=probe']
        body += expect('errno EHOSTUNREACH', 'drop proto-disabled',
                       'count esps_pdrops=1', 'count ipsec:ips_out_inval=1',
                       ids='MAN-enable-05')
    body += ['# discard, in comparison, tells the sender',
             f'setkey spdadd {A4} 192.0.2.5 any -P out discard ;',
             'send udp4:9000 192.0.2.5 7000 text=probe']
    body += expect('errno EACCES', 'drop policy-discard',
                   'count ipsec:ips_out_polvio=1', ids='MAN-sockopt-05')
    scenario('walk-require-without-sa',
             'quirks 18, 31: a policy requires what no SA gives',
             'ipsec_output.c ipsec4_allocsa; ' + KERNELS +
             ', policy-selection acquire-*, sysctl-effects enable-*', *body)


def w7():
    """Replay: both forms, the table of sequence numbers."""
    table = ((1, 'accept', 'accept'), (2, 'accept', 'accept'),
             (2, 'replayed', 'replayed'), (50, 'accept', 'accept'),
             (19, 'accept', 'accept'), (18, 'left-of-window', 'accept'),
             (17, 'left-of-window', 'accept'),
             (17, 'left-of-window', 'accept'), (50, 'replayed', 'replayed'),
             (0, 'seq-zero', 'seq-zero'))
    for value in ('off', 'on'):
        for proto in ('esp', 'ah'):
            body = [f'switch replay-old-accept={value}', 'socket udp4:9000',
                    sa(proto, 0x2000, B4, A4, 'transport', '-r 4')]
            stat = {'esp': 'esps', 'ah': 'ahs'}[proto]
            clear = datagram(B4, A4)
            for seq, fixed, defect in table:
                want = defect if value == 'on' else fixed
                body += [arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                    0x2000, seq, 17, clear[20:])) if proto == 'esp' else
                    p.ah(clear, 0x2000, seq))]
                req = proto.upper()
                ids = {'left-of-window': f'{req}-3.4.3-' + (
                    '11' if req == 'ESP' else '07'),
                    'replayed': f'{req}-3.4.3-' + (
                        '07' if req == 'ESP' else '05')}.get(
                            want, f'{req}-3.4.3-' + (
                                '13' if req == 'ESP' else '07'))
                body += expect(*(
                    ['deliver udp4:9000 text=probe',
                     f'count {stat}_replay=0'] if want == 'accept' else
                    [f'drop {want}', f'count {stat}_replay=1']), ids=ids)
            scenario(f'quirk-25-replay-{proto}-{value}',
                     'a window of 32 and packets left of it' +
                     (', which the kernel of 2017 let in'
                      if value == 'on' else ''),
                     'RFC 4303 3.4.3' if value == 'off' else
                     'FreeBSD-SA-20:02, ipsec.c ipsec_chkreplay', *body)


def w8():
    """The optional tail of a bundle: quirk 21."""
    for value in ('sent', 'lost'):
        body = [f'switch bundle-tail={value}', 'socket udp4:9000',
                sa('esp', 0x1000, A4, B4, 'transport'),
                policy(A4, B4, 'out', 'esp/transport//require',
                       'ah/transport//use'),
                f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('errno 0', *(
            ['drop bundle-tail-lost'] if value == 'lost' else
            ['transmit blk1 ip.proto=50']), 'count esps_output=1',
            'count ipsec:ips_out_bundlesa=1', 'count ipsec:ips_out_nosa=1')
        body += ['# the other way round nothing is lost',
                 sa('ah', 0x1001, A4, C4, 'transport'),
                 policy(A4, C4, 'out', 'esp/transport//use',
                        'ah/transport//require'),
                 f'send udp4:9000 {C4} 7000 text=probe']
        body += expect('errno 0', 'transmit blk1 ip.proto=51 ah.nh=17',
                       'count ipsec:ips_out_nosa=1')
        scenario(f'quirk-21-bundle-tail-{value}',
                 'a bundle whose second, optional SA is missing',
                 'ipsec_output.c ipsec_process_done' if value == 'lost'
                 else 'RFC 4301 5.1', *body)
    body = ['socket udp4:9000',
            sa('esp', 0x1000, A4, B4, 'transport',
               f'-natt {A4}[4500] {B4}[4500]'),
            sa('ah', 0x1001, A4, B4, 'transport'),
            policy(A4, B4, 'out', 'esp/transport//require'),
            f'send udp4:9000 {B4} 7000 text=probe']
    body += expect('transmit blk1 ip.proto=17 udp.sport=4500 '
                   'udp.dport=4500 udp.sum=0', ids='NATT-2.1-02')
    body += [f'setkey spddelete {A4} {B4} any -P out ;',
             policy(A4, B4, 'out', 'esp/transport//require',
                    'ah/transport//require'),
             '# only the last SA is asked',
             f'send udp4:9000 {B4} 7000 text=probe']
    body += expect('transmit blk1 ip.proto=51 ah.nh=50', ids='NATT-1-02')
    scenario('quirk-21-natt-in-bundle', 'UDP encapsulation of a bundle',
             'ipsec_output.c ipsec_process_done', *body)


def w9():
    body = [sa('ah', 0x1000, A4, B4, 'transport'),
            policy(NET[X4], NET[Y4], 'out', f'esp/tunnel/{A4}-{B4}/use',
                   f'ah/transport/{A4}-{B4}/require'),
            '# the transport request\'s SA ends elsewhere than the packet',
            from_red(X4, Y4)]
    body += expect(f'transmit blk1 ip.src={A4} ip.dst={B4} ip.proto=51 '
                   f'ah.nh=4 ip2.src={X4} ip2.dst={Y4} udp.dport=7000')
    scenario('walk-transport-request-encapsulates',
             'a missing optional tunnel, then a transport request with ends '
             'of its own', 'ipsec_output.c ipsec4_perform_request, the '
             '"proxy" rule', *body)


def w10():
    """Inbound policies with ports: quirk 14."""
    for value, dropped in (('never', False), ('socket', True),
                           ('always', True)):
        body = [f'switch policy-in-ports={value}', 'socket udp4:9000',
                'socket tcp4:8000',
                policy(f'{B4}', f'{A4}[9000]', 'in',
                       'esp/transport//require', upper='udp'),
                policy(f'{B4}', f'{A4}[8000]', 'in',
                       'esp/transport//require', upper='tcp'),
                arrive('blk1', datagram(B4, A4))]
        body += expect(*(polvio() if dropped else
                         ['deliver udp4:9000 text=probe']),
                       ids='MAN-pfkey-03')
        body += [arrive('blk1', p.ip4(B4, A4, 6, p.tcp(B4, 1111, A4,
                                                       8000)))]
        body += expect(*(polvio() if dropped else
                         ['transmit blk1 ip.proto=6 tcp.flags=0x12']),
                       ids='MAN-pfkey-03')
        body += ['# outbound ports always count',
                 policy(f'{A4}[9000]', f'{B4}', 'out',
                        'esp/transport//require', upper='udp'),
                 f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('errno 0', 'drop no-sa-out', ids='MAN-pfkey-03')
        scenario(f'quirk-14-in-ports-{value}',
                 'an inbound policy that names a port',
                 'ipsec.c ipsec_getpolicy; ' + KERNELS + ', policy-selection '
                 'selectors-v4' if value == 'never' else
                 'RFC 4301 5.2' if value == 'always' else
                 'FreeBSD 11 ipsec.c', *body)


def w11():
    """ECN at a tunnel's exit: quirk 11, all rules, sixteen combinations."""
    def drop_ce(inner, outer):  # RFC 3168 9.1.1, full functionality
        if outer == 3:
            return None if inner == 0 else 3
        return inner

    def limited(inner, outer):  # RFC 3168 9.1.2
        return None if outer == 3 and inner != 3 else inner

    def rfc6040(inner, outer):  # RFC 6040 4.2
        if inner == 0:
            return None if outer == 3 else 0
        if outer == 3 or inner == 3:
            return 3
        return 1 if 1 in (inner, outer) else inner

    def ce(inner, outer):  # RFC 4301 5.1.2.1
        return 3 if outer == 3 and inner else inner

    rules = {'none': (lambda i, o: i, 'ECN-RFC3168-05'),
             'ce': (ce, 'ECN-RFC4301-02'),
             'rfc6040': (rfc6040, 'ECN-RFC6040-04'),
             'drop-ce': (drop_ce, 'ECN-RFC3168-11'),
             'limited': (limited, 'ECN-RFC3168-13'),
             'gif': (lambda i, o: i | o & 1, 'MAN-ecn-04')}
    for value, (rule, ids) in rules.items():
        body = ['switch ecn-decap-sysctl=off', f'switch ecn-decap={value}',
                sa('esp', 0x2000, B4, A4, 'tunnel')]
        if value == 'rfc6040':
            body.insert(0, 'switch strict=on')
        seq = 0
        for inner in range(4):
            for outer in range(4):
                seq += 1
                packet = datagram(Y4, X4, tos=inner)
                out = rule(inner, outer)
                body += [f'# inner {inner:02b}, outer {outer:02b}',
                         arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                             0x2000, seq, 4, packet), tos=outer))]
                body += expect(
                    'drop ecn-bad' if out is None else
                    f'transmit red0 {p.routed(packet, out).hex()}', ids=ids)
        scenario(f'quirk-11-ecn-{value}', 'the ECN field at a tunnel\'s '
                 f'exit, rule {value}', {
                     'none': 'ipsec_input.c; ' + KERNELS + ', sysctl-effects '
                     'ecn-in-*', 'ce': 'RFC 4301 5.1.2.1',
                     'rfc6040': 'RFC 6040 4.2', 'drop-ce': 'RFC 3168 9.1.1',
                     'limited': 'RFC 3168 9.1.2', 'gif': 'gif(4)'}[value],
                 *body)


def w12():
    """IPcomp tunnels and packets too small for them: quirk 12."""
    for value in ('open', 'leave'):
        body = [f'switch ipcomp-plain-tunnel6={value}']
        for six in (False, True):
            a, b = ends(six)
            x, y = (X6, Y6) if six else (X4, Y4)
            inner = datagram(y, x, b'ab')
            body += [sa('ipcomp', 0x1000 + six, a, b, 'tunnel'),
                     sa('ipcomp', 0x2000 + six, b, a, 'tunnel'),
                     policy(NET[x], NET[y], 'out',
                            f'ipcomp/tunnel/{a}-{b}/require'),
                     '# out: too small, a plain tunnel packet',
                     from_red(x, y, text='ab')]
            body += expect(f'transmit blk1 ip.src={a} '
                           f'ip.proto={41 if six else 4}',
                           'count ipcomps_threshold=1',
                           'count ipcomps_output=0', ids='IPCOMP-2.2-03')
            body += ['# in', arrive('blk1', p.ip(
                b, a, 41 if six else 4, inner))]
            if six and value == 'leave':
                body += expect('drop no-protocol', 'transmit blk1 '
                               'ip.proto=58 icmp.type=4 icmp.code=1',
                               'count ipcomps_input=0')
            else:
                body += expect(*went_on(inner), 'count ipcomps_input=1')
        scenario(f'quirk-12-plain-tunnel6-{value}',
                 'an IPcomp tunnel and a packet too small for it',
                 'xform_ipcomp.c ipcomp6_nonexp_encapcheck', *body)
    for value in ('refuse', 'wrap'):
        big = p.udp(B4, 1111, A4, 9000, b'', check=0)
        bomb = p.ipcomp(0x2000, 17, big + b'\0' * 70000)
        body = [f'switch ipcomp-limit={value}', 'socket udp4:9000',
                sa('ipcomp', 0x2000, B4, A4, 'transport'),
                '# a ratio of more than four is nothing special',
                arrive('blk1', p.ip4(B4, A4, 108, p.ipcomp(
                    0x2000, 17, p.udp(B4, 1111, A4, 9000, b'a' * 4000)))),
                expect(f'deliver udp4:9000 text={"a" * 4000}',
                       ids='MAN-proto-04'),
                '# 70008 octets from fewer than 200',
                arrive('blk1', p.ip4(B4, A4, 108, bomb))]
        if value == 'refuse':
            body += expect('drop inflate-too-big', 'count ipcomps_noxform=1')
        else:
            body += ['# 70028 in sixteen bits is 4492: that much is looked '
                     'at, and the UDP length is 8',
                     *expect('deliver udp4:9000', 'count ipcomps_hist[2]=1')]
        scenario(f'quirk-12-limit-{value}', 'data that inflate to more than '
                 'a packet can be', 'RFC 3173 2.1' if value == 'refuse' else
                 'xform_ipcomp.c, cryptodeflate.c', *body)


def w13():
    """esp_enable and ESP in UDP: quirk 13."""
    for value in ('obey', 'ignore'):
        esp = p.esp(0x2000, 1, 17, p.udp(B4, 1111, A4, 9000, b'probe'))
        body = [f'switch natt-esp-enable={value}', 'socket udp4:9000',
                'socket udp4:4500', 'setsockopt udp4:4500 encap 2',
                sa('esp', 0x2000, B4, A4, 'transport',
                   f'-natt {B4}[4500] {A4}[4500]'),
                'sysctl net.inet.esp.esp_enable=0',
                arrive('blk1', p.ip4(B4, A4, 50, esp)),
                *expect('drop proto-disabled', 'count esps_pdrops=1',
                        ids='MAN-enable-05'),
                arrive('blk1', p.ip4(B4, A4, 17, p.udp(
                    B4, 4500, A4, 4500, esp, check=0)))]
        body += expect(*(['drop proto-disabled', 'count esps_pdrops=1']
                         if value == 'obey' else
                         ['deliver udp4:9000 text=probe']),
                       ids='MAN-enable-05')
        scenario(f'quirk-13-natt-esp-enable-{value}',
                 'esp_enable 0 and ESP in UDP', 'ipsec(4), esp_enable'
                 if value == 'obey' else 'udpencap.c udp_ipsec_input', *body)
    body = ['socket udp4:9000', 'socket udp4:4500',
            'setsockopt udp4:4500 encap 2',
            sa('esp', 0x2000, B4, A4, 'transport',
               f'-natt {B4}[4500] {A4}[4500]'),
            policy(B4, A4, 'in', 'esp/transport//require', upper='udp')]
    wire = [p.ip4(B4, A4, 17, p.udp(B4, 4500, A4, 4500, p.esp(
        0x2000, n, 17, p.udp(B4, 1111, A4, 9000, b'probe')), check=0))
        for n in (1, 2)]
    body += ['# the policy is asked for the outer datagram first',
             arrive('blk1', wire[0]), *expect(*polvio()),
             'setsockopt udp4:4500 policy4 "in bypass"',
             expect('errno 0', ids='MAN-sockopt-07'),
             arrive('blk1', wire[1]),
             *expect('deliver udp4:9000 text=probe', ids='MAN-sockopt-07')]
    scenario('quirk-13-natt-policy', 'a policy that covers the encapsulated '
             'datagrams as well, and IKE\'s bypass',
             'udp_usrreq.c udp_append; ipsec(4), IKE sockets', *body)


def w14():
    """A big forwarded packet with DF."""
    for value in (0, 1, 2):
        body = [f'sysctl net.inet.ipsec.dfbit={value}',
                sa('esp', 0x1000, A4, B4, 'tunnel'),
                policy(NET[X4], NET[Y4], 'out',
                       f'esp/tunnel/{A4}-{B4}/require')]
        for inner in (1, 0):
            body += ['# with DF: no ICMP for its sender, either' if inner
                     else '# without DF',
                     f'in red0 udp src={X4}:1111 dst={Y4}:7000 df={inner} '
                     'len=1472']
            ids = {0: 'MAN-dfbit-01', 1: 'MAN-dfbit-02'}.get(
                value, 'MAN-dfbit-03')
            if value == 0 or value == 2 and not inner:
                # 20 + 8 + 1500 + 2 + 2 + 12 = 1544
                body += expect('transmit blk1 octets=1500 ip.df=0 ip.mf=1 '
                               'ip.off=0 ip.proto=50',
                               'transmit blk1 octets=64 ip.df=0 ip.mf=0 '
                               'ip.off=185', ids=ids)
            else:
                body += expect('drop too-big-df', 'count ips_cantfrag=1',
                               ids=ids)
        scenario(f'walk-big-packet-dfbit-{value}',
                 f'dfbit {value}: 1500 octets that must not be fragmented '
                 'enter a tunnel', 'ip_output.c behind ipsec_output.c; ' +
                 KERNELS + ', outbound-sizes mtu-*', *body)


# --- quirks without a walk --------------------------------------------------

def q01():
    four, six = 'net.inet.ipsec', 'net.inet6.ipsec6'
    for value in ('off', 'on'):
        both = value == 'on'
        body = [f'switch sysctl-shared={value}', 'socket udp6:9000',
                f'sysctl {four}.def_policy=0', f'sysctl {six}.def_policy',
                expect(f'value {0 if both else 1}', ids='MAN-defpolicy-06'),
                f'send udp6:9000 {B6} 7000 text=probe']
        body += expect(*(['errno EACCES', 'drop policy-discard'] if both
                         else ['transmit blk1 ip.proto=17']),
                       ids='MAN-defpolicy-06')
        body += ['# the IPv4 one is 0 at any rate', 'socket udp4:9000',
                 f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('errno EACCES', 'drop policy-discard',
                       ids='MAN-defpolicy-02')
        body += [f'sysctl {six}.debug=1', arrive('blk1', p.ip6(
            B6, A6, 50, p.esp(0x9999, 1, 17, bytes(16))))]
        body += expect('drop no-sa', 'log no-sa', ids='MAN-debug-02')
        body += [f'sysctl {four}.debug',
                 expect(f'value {1 if both else 0}', ids='MAN-debug-02')]
        scenario(f'quirk-01-shared-{value}', 'def_policy and debug of the '
                 'two families', 'ipsec(4)' if value == 'off' else
                 'ipsec.c; ' + KERNELS + ', sysctl', *body)


def q02():
    for value in ('require', 'use'):
        body = [f'switch deflev-3={value}',
                'sysctl net.inet.ipsec.esp_trans_deflev=3',
                'socket udp4:9000',
                policy(A4, B4, 'out', 'esp/transport//default'),
                f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('drop no-sa-out' if value == 'require' else
                       'transmit blk1 ip.proto=17', ids='MAN-deflev-01')
        body += ['sysctl net.inet.ipsec.esp_trans_deflev',
                 expect('value 3', ids='MAN-deflev-01')]
        scenario(f'quirk-02-deflev-3-{value}', 'a level sysctl of 3',
                 'ipsec(4), level unique' if value == 'require' else
                 'ipsec.c ipsec_get_reqlevel; ' + KERNELS +
                 ', sysctl-effects deflev-*-3-*', *body)


def q03():
    for value in ('off', 'on'):
        clear = datagram(X4, Y4)
        body = [f'switch fast-forward={value}',
                'sysctl net.inet.ipsec.def_policy=0', arrive('red0', clear)]
        body += expect(*(
            [f'transmit blk1 {p.routed(clear).hex()}'] if value == 'on' else
            polvio()), ids='MAN-defpolicy-02')
        body += ['# any policy of the SPD ends it',
                 policy(A4, C4, 'out'), arrive('red0', clear)]
        body += expect(*polvio(), ids='MAN-defpolicy-02')
        scenario(f'quirk-03-fast-forward-{value}', 'forwarding with an '
                 'empty SPD', 'ipsec(4), def_policy' if value == 'off' else
                 'ip_fastfwd.c; ' + KERNELS + ', sysctl-effects '
                 'def_policy-0-0', *body)


def q04():
    for value in ('check', 'skip'):
        body = [f'switch policy-without-socket={value}',
                policy(B4, A4, 'in', 'esp/transport//require'),
                arrive('blk1', datagram(B4, A4, dport=7))]
        body += expect(*(polvio() if value == 'check' else
                         ['drop no-socket', 'transmit blk1 ip.proto=1 '
                          'icmp.type=3 icmp.code=3']), ids='MAN-level-02')
        body += [arrive('blk1', p.ip4(B4, A4, 6, p.tcp(B4, 1111, A4, 7)))]
        body += expect(*(polvio() if value == 'check' else
                         ['drop no-socket', 'transmit blk1 ip.proto=6 '
                          'tcp.flags=0x14']), ids='MAN-level-02')
        body += ['# what has a last header is always asked',
                 arrive('blk1', p.ip4(B4, A4, 1, p.echo()))]
        body += expect(*polvio(), ids='MAN-level-02')
        scenario(f'quirk-04-without-socket-{value}', 'a clear packet to a '
                 'closed port, under a policy that requires ESP',
                 'RFC 4301 5.2' if value == 'check' else
                 'ipsec_input.c ipsec4_input, udp_usrreq.c', *body)


def with_dstopts(inner_nh, rest, data=b'\1\4\0\0\0\0'):
    return bytes([inner_nh, 0]) + data + rest


def q05():
    for value in ('last', 'first'):
        packet = p.ip6(B6, A6, 60, with_dstopts(50, p.esp(
            0x2000, 1, 17, p.udp(B6, 1111, A6, 9000, b'probe'))))
        body = [f'switch ip6-protocol-octet={value}', 'socket udp6:9000',
                'enc0 up', sa('esp', 0x2000, B6, A6, 'transport'),
                arrive('blk1', packet)]
        body += expect('tap in:before:0x00002000:0x0c00 ip.proto=' +
                       ('60 dstopts.nh=17' if value == 'last' else '17'),
                       'deliver udp6:9000 text=probe')
        scenario(f'quirk-05-protocol-octet-{value}', 'where an IPv6 packet '
                 'with options names what ESP held', 'RFC 4303 3.1.1'
                 if value == 'last' else 'ipsec_input.c: protoff is 6',
                 *body)


def q06():
    """A destination option that may change in flight (type 0x3e)."""
    for value in ('data', 'whole'):
        body = [f'switch ah-ip6-option={value}', 'socket udp6:9000',
                sa('ah', 0x2000, B6, A6, 'transport')]
        option = b'\x3e\4abcd'
        udp = p.udp(B6, 1111, A6, 9000, b'probe')
        for n, zeroed in ((1, b'\x3e\4\0\0\0\0'), (2, bytes(6))):
            fixed = bytes([17, 4, 0, 0]) + (0x2000).to_bytes(4, 'big') + \
                n.to_bytes(4, 'big')
            plain = p.ip6(B6, A6, 60, bytes(8 + 24) + udp)
            head = b'\x60\0\0\0' + plain[4:7] + b'\0' + plain[8:40]
            icv = p.mac(head + bytes([51, 0]) + zeroed + fixed + bytes(12) +
                        udp)
            wire = plain[:40] + bytes([51, 0]) + option + fixed + icv + udp
            good = (n == 1) == (value == 'data')
            body += ['# the ICV over type, length and zeros' if n == 1 else
                     '# over zeros alone', arrive('blk1', wire)]
            body += expect(*(['deliver udp6:9000 text=probe'] if good else
                             ['drop icv-bad', 'count ahs_badauth=1']),
                           ids='AH-3.3.3.1.2.2-01')
        scenario(f'quirk-06-ah-option-{value}', 'AH and an IPv6 option that '
                 'may change in flight', 'RFC 4302 3.3.3.1.2.2'
                 if value == 'data' else 'xform_ah.c ah_massage_headers; ' +
                 KERNELS + ', options-fragments in-ext-dst-mutable', *body)


def q07():
    pads = ((b'\1\2', 2, ('ignore', 'last', 'full'), 'as it should be'),
            (b'\xff\2', 2, ('ignore', 'last'), 'the last octet is right'),
            (b'\1\xff', 2, ('ignore',), 'the last octet is wrong'),
            (b'\0\0', 2, ('ignore',), 'zeros'))
    for value in ('ignore', 'last', 'full'):
        body = [f'switch esp-pad-check={value}', 'socket udp4:9000',
                sa('esp', 0x2000, B4, A4, 'transport'),
                sa('esp', 0x2001, B4, A4, 'transport', '-f random-pad')]
        for n, (pad, padlen, good, what) in enumerate(pads, 1):
            udp = p.udp(B4, 1111, A4, 9000, b'abcd')
            body += ['# ' + what, arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                0x2000, n, 17, udp, pad=pad, padlen=padlen)))]
            body += expect(*(['deliver udp4:9000 text=abcd']
                             if value in good else
                             ['drop pad-bad', 'count esps_badenc=1']),
                           ids='ESP-3.4.4.1-05')
            if value == 'last':
                body += ['# an SA whose padding is random takes all',
                         arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                             0x2001, n, 17, udp, pad=pad)))]
                body += expect('deliver udp4:9000 text=abcd')
        scenario(f'quirk-07-pad-{value}', 'how much of ESP\'s padding a '
                 'receiver looks at', {
                     'ignore': 'Linux esp_input', 'full': 'RFC 4303 3.4.4.1',
                     'last': 'xform_esp.c esp_input_cb; ' + KERNELS +
                     ', inbound pad-*'}[value], *body)


def q08():
    key = '0x' + bytes(range(20)).hex()
    for value in ('badauth', 'noxform'):
        body = [f'switch esp-bad-tag={value}', 'socket udp4:9000',
                f'setkey add {B4} {A4} esp 0x2000 -m transport -E '
                f'aes-gcm-16 {key} ;',
                arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                    0x2000, 1, 17, bytes(64), auth=False)))]
        body += expect('drop icv-bad',
                       f'count esps_badauth={int(value == "badauth")}',
                       f'count esps_noxform={int(value == "noxform")}',
                       ids='ESP-3.4.4.2-02')
        scenario(f'quirk-08-bad-tag-{value}', 'a wrong tag of AES-GCM and '
                 'its counter', 'FreeBSD 13 xform_esp.c' if value ==
                 'badauth' else 'FreeBSD 12 xform_esp.c, EBADMSG', *body)


def q09():
    for value in ('refuse', 'accept'):
        body = [f'switch tunnel-sa-transport-payload6={value}']
        for six in (False, True):
            a, b = ends(six, True)
            n = 6 if six else 4
            body += [f'socket udp{n}:9000', sa('esp', 0x2000 + six, a, b,
                                               'tunnel'),
                     arrive('blk1', p.ip(a, b, 50, p.esp(
                         0x2000 + six, 1, 17,
                         p.udp(a, 1111, b, 9000, b'probe'))))]
            body += expect(*(
                ['deliver udp6:9000 text=probe'] if six and
                value == 'accept' else ['drop next-header-bad',
                                        'count esps_nopf=1']))
        scenario(f'quirk-09-tunnel-payload-{value}',
                 'a tunnel SA whose packet holds no IP packet',
                 'RFC 4301 5.2' if value == 'refuse' else
                 'ipsec_input.c; ' + KERNELS + ', inbound nh-v6-tunnel-17',
                 *body)


def q17():
    hbh = b'\1\4\0\0\0\0'  # PadN
    for value in ('behind', 'front'):
        inner = p.ip6(X6, Y6, 0, with_dstopts(17, p.udp(
            X6, 1111, Y6, 7000, b'probe'), hbh))
        body = [f'switch ip6-ipsec-place={value}',
                sa('esp', 0x1000, X6, Y6, 'transport'),
                policy(X6, Y6, 'out', 'esp/transport//require'),
                arrive('red0', inner)]
        body += expect('transmit blk1 ' + (
            'ip.proto=0 hopopts.nh=50 esp.seq=1' if value == 'behind' else
            'ip.proto=50 esp.seq=1'), ids='ESP-3.1.1-02')
        scenario(f'quirk-17-ip6-place-{value}', 'where transport mode puts '
                 'ESP in an IPv6 packet with options', 'RFC 4301 4.1, RFC '
                 '4303 3.1.1' if value == 'behind' else
                 'ipsec_output.c: 40 and 6 always', *body)


def q19():
    for value in ('stop', 'wrap'):
        body = [f'switch esp-seq-overflow={value}', 'socket udp4:9000',
                sa('esp', 0x1000, A4, B4, 'transport',
                   '-r 4 -f nocyclic-seq'),
                sa('ah', 0x1001, A4, C4, 'transport',
                   '-r 4 -f nocyclic-seq'),
                policy(A4, B4, 'out', 'esp/transport//require'),
                policy(A4, C4, 'out', 'ah/transport//require'),
                f'sent {B4} esp 0x1000 4294967294',
                f'sent {C4} ah 0x1001 4294967294',
                f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('transmit blk1 esp.seq=4294967295',
                       ids='ESP-3.3.3-02')
        body += [f'send udp4:9000 {B4} 7000 text=probe']
        body += expect(*(['drop seq-overflow', 'count esps_wrap=1']
                         if value == 'stop' else
                         ['transmit blk1 esp.seq=0', 'count esps_wrap=0']),
                       ids='ESP-3.3.3-02')
        body += ['# AH stops always, and its sender is told',
                 f'send udp4:9000 {C4} 7000 text=probe',
                 *expect('transmit blk1 ah.seq=4294967295',
                         ids='AH-3.3.2-02'),
                 f'send udp4:9000 {C4} 7000 text=probe',
                 *expect('errno EACCES', 'drop seq-overflow',
                         'count ahs_wrap=1', ids='AH-3.3.2-02')]
        scenario(f'quirk-19-seq-overflow-{value}', 'the last sequence '
                 'number', 'RFC 4303 3.3.3' if value == 'stop' else
                 'xform_esp.c esp_output: no overflow test', *body)


def q20():
    """A payload that deflate makes one octet smaller."""
    text = ''.join(chr(33 + (i * 37 + i * i * 11 + i // 7) % 90)
                   for i in range(96))

    def saving(t):
        c = zlib.compressobj(6, zlib.DEFLATED, -12)
        data = p.udp(A4, 9000, B4, 7000, t.encode())
        return len(data) - len(c.compress(data) + c.flush())
    run = 0
    while saving(text + 'a' * run) < 2:
        run += 1
    text += 'a' * run
    assert 1 <= saving(text) <= 3, saving(text)
    for value in ('with-header', 'without'):
        body = [f'switch ipcomp-gain={value}', 'socket udp4:9000',
                sa('ipcomp', 0x1000, A4, B4, 'transport'),
                policy(A4, B4, 'out', 'ipcomp/transport//require'),
                f'send udp4:9000 {B4} 7000 hex={text.encode().hex()}']
        body += expect(*(
            ['transmit blk1 ip.proto=17', 'count ipcomps_uncompr=1']
            if value == 'with-header' else
            ['transmit blk1 ip.proto=108', 'count ipcomps_uncompr=0']),
            ids='IPCOMP-2.2-01')
        scenario(f'quirk-20-gain-{value}', 'a payload that shrinks by less '
                 'than the header of IPcomp', 'RFC 3173 2.2'
                 if value == 'with-header' else
                 'xform_ipcomp.c ipcomp_output_cb', *body)


def q22():
    body = ['socket udp4:9000', sa('esp', 0x1000, A4, B4, 'transport'),
            policy(A4, B4, 'out', 'esp/transport//require'),
            'fault cipher', f'send udp4:9000 {B4} 7000 text=probe',
            *expect('errno 0', 'drop crypto-failed',
                    'count esps_noxform=1'),
            'fault none', f'send udp4:9000 {B4} 7000 text=probe',
            '# the number of the lost packet is spent',
            *expect('errno 0', 'transmit blk1 esp.seq=2')]
    scenario('quirk-22-errors-behind-crypto', 'the sender is not told what '
             'fails behind the crypto layer', 'xform_esp.c esp_output_cb, '
             'ipsec_output.c', *body)


def q23():
    for value in ('send', 'suppress'):
        body = [f'switch icmp-about-decrypted={value}',
                sa('esp', 0x2000, B4, A4, 'tunnel'),
                sa('ah', 0x2001, B4, A4, 'tunnel')]
        old = datagram(Y4, X4, ttl=1)
        body += ['# its last hop is here',
                 arrive('blk1', p.ip4(B4, A4, 50, p.esp(0x2000, 1, 4,
                                                        old)))]
        body += expect('drop ttl-exceeded', *(
            [f'transmit blk1 ip.dst={Y4} ip.proto=1 icmp.type=11']
            if value == 'send' else []))
        body += ['# a closed port', arrive('blk1', p.ip4(
            B4, A4, 50, p.esp(0x2000, 2, 4, datagram(B4, A4, dport=7))))]
        body += expect('drop no-socket', *(
            [f'transmit blk1 ip.dst={B4} ip.proto=1 icmp.type=3 icmp.code=3']
            if value == 'send' else []))
        body += ['# AH alone keeps nobody from answering',
                 arrive('blk1', p.ah(p.ip4(B4, A4, 4, old), 0x2001, 1))]
        body += expect('drop ttl-exceeded',
                       f'transmit blk1 ip.dst={Y4} ip.proto=1 icmp.type=11')
        scenario(f'quirk-23-icmp-{value}', 'ICMP errors about packets that '
                 'came in ESP', 'RFC 1812 4.3.2' if value == 'send' else
                 'ip_icmp.c icmp_error', *body)


def q24():
    for value in ('all', 'first'):
        body = [f'switch out-sa-heads={value}', 'socket udp4:9000',
                'keysock ike', sa('esp', 0x1000, A4, B4, 'transport'),
                policy(A4, B4, 'out', 'esp/transport//require'),
                '# a newer head that fits, in which the keys are missing',
                'pfkey ike ' + message(
                    1, 3, ends_ext(A4, B4), bytes([2, 0, 16, 0]) +
                    words(0x3000, 0x30ff, 0),
                    bytes([2, 0, 19, 0]) + words(1 | 0, 0, 77)),
                expect('pfkey ike type=GETSPI errno=0'),
                f'send udp4:9000 {B4} 7000 text=probe']
        body += expect('errno 0', 'transmit blk1 esp.spi=0x1000'
                       if value == 'all' else 'drop no-sa-out')
        scenario(f'quirk-24-heads-{value}', 'an SA that fits, behind a '
                 'newer head without one', 'RFC 4301 4.4.2' if value ==
                 'all' else 'key.c key_allocsa_policy', *body)


def ext_life(kind, allocations):
    return (bytes([4, 0, kind, 0]) + words(allocations) + bytes(24))


def q26():
    body = ['socket udp4:9000', 'keysock ike',
            'pfkey ike ' + message(
                3, 3, ext_sa(0x1000), ext_life(3, 1), ext_life(4, 1),
                ends_ext(A4, B4), ext_key(8, p.KEY),
                bytes([1, 0, 9, 0, 0, 0, 0, 0])),
            expect('pfkey ike type=ADD errno=0 '
                   'LIFETIME_HARD.allocations=1'),
            policy(A4, B4, 'out', 'esp/transport//require')]
    for n in (1, 2, 3):
        body += [f'send udp4:9000 {B4} 7000 text=probe',
                 *expect(f'transmit blk1 esp.seq={n}'), 'after 2',
                 expect('nothing')]
    scenario('quirk-26-allocations', 'a lifetime in packets is kept, told, '
             'and never over', 'key.c key_timehandler; ' + KERNELS +
             ', inbound lifetime-alloc', *body)


def q27():
    key = '0x' + bytes(range(20)).hex()
    body = ['socket udp4:9000',
            f'setkey add {A4} {B4} esp 0x1000 -m transport -E aes-gcm-16 '
            f'{key} ;', policy(A4, B4, 'out', 'esp/transport//require')]
    for n in range(3):
        body += [f'send udp4:9000 {B4} 7000 text=probe',
                 *expect(f'transmit blk1 esp.seq={n + 1} '
                         f'esp.data=0x{n:016x}..')]
    body += ['# the same SA once more begins at 0 again',
             f'setkey delete {A4} {B4} esp 0x1000 ;',
             f'setkey add {A4} {B4} esp 0x1000 -m transport -E aes-gcm-16 '
             f'{key} ;', f'send udp4:9000 {B4} 7000 text=probe',
             *expect('transmit blk1 esp.seq=1 esp.data=0x0000000000000000..')]
    scenario('quirk-27-iv-counter', 'IVs of counter modes count from 0',
             'xform_esp.c esp_output; ' + KERNELS + ', outbound-algorithms',
             *body)


def q28():
    for value in ('salted', 'bare', 'refuse'):
        key = bytes(range(20 if value == 'salted' else 16))
        body = [f'switch pfkey-gmac={value}', 'keysock ike',
                'pfkey ike ' + message(
                    3, 2, ext_sa(0x1000, auth=11, enc=0),
                    ends_ext(A4, B4), ext_key(8, key))]
        body += expect('pfkey ike type=ADD errno=' + (
            '22' if value == 'refuse' else '0'))
        scenario(f'quirk-28-gmac-{value}', 'an AH SA with AES-GMAC',
                 {'salted': 'RFC 4543 5.4', 'bare': 'FreeBSD 12 key.c',
                  'refuse': KERNELS + ', pfkey-exchanges'}[value], *body)


def q29():
    for value in ('accept', 'refuse'):
        body = [f'switch pfkey-old-headers={value}', 'keysock ike',
                'pfkey ike ' + message(
                    3, 2, ext_sa(0x1000, auth=3, enc=0, flags=1),
                    ends_ext(A4, B4), ext_key(8, p.KEY))]
        body += expect('pfkey ike type=ADD errno=' + (
            '0' if value == 'accept' else '22'))
        scenario(f'quirk-29-old-{value}', 'an SA of the AH of RFC 1826',
                 'RFC 1826' if value == 'accept' else 'xform_ah.c ah_init0',
                 *body)


def q30():
    for value in ('other', 'beyond'):
        body = [f'switch ah-histogram={value}', 'socket udp4:9000',
                f'setkey add {B4} {A4} ah 0x2000 -m transport -A null ;',
                arrive('blk1', bytes())]
        # AH with NULL: twelve octets of zero for the ICV.
        good = bytearray(p.ah(datagram(B4, A4), 0x2000, 1))
        good[32:44] = bytes(12)
        body[-1] = arrive('blk1', bytes(good))
        body += expect('deliver udp4:9000 text=probe', *(
            ['count ahs_hist_other=1'] if value == 'other' else
            ['count ahs_hist_other=0']))
        scenario(f'quirk-30-histogram-{value}', 'the use of an integrity '
                 'algorithm numbered 251', 'xform_ah.c, sizes of struct '
                 'ahstat', *body)


def q32():
    for value in ('consume', 'deliver'):
        body = [f'switch natt-keepalive={value}', 'socket udp4:4500',
                'setsockopt udp4:4500 encap 2',
                arrive('blk1', p.ip4(B4, A4, 17, p.udp(
                    B4, 4500, A4, 4500, b'\xff', check=0)))]
        body += expect(*(['fate nat-keepalive'] if value == 'consume' else
                         ['deliver udp4:4500 ff']), ids='NATT-2.3-03')
        body += ['# the non-ESP marker: IKE\'s',
                 arrive('blk1', p.ip4(B4, A4, 17, p.udp(
                     B4, 4500, A4, 4500, b'\0\0\0\0ike')))]
        body += expect('deliver udp4:4500 00000000696b65',
                       ids='NATT-2.2-01')
        scenario(f'quirk-32-keepalive-{value}', 'a NAT keepalive',
                 'RFC 3948 2.3' if value == 'consume' else
                 'udpencap.c udp_ipsec_input; ' + KERNELS + ', natt', *body)


# --- other switches of the data path ----------------------------------------

def sides(name, title, source, values, make):
    """One scenario for each value of a switch."""
    for value in values:
        scenario(f'switch-{name}-{value}', title, source,
                 f'switch {name}={value}', *make(value))


def esp_receiver():
    def dummy(value):
        return ['socket raw4:59', sa('esp', 0x2000, B4, A4, 'transport'),
                arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                    0x2000, 1, 59, b'abcd'))),
                *expect(*(['drop dummy', 'count esps_input=1',
                           'count esps_badenc=0'] if value == 'drop' else
                          ['deliver raw4:59']), ids='ESP-3.4.4.1-06')]
    sides('esp-dummy', 'ESP with next header 59', 'RFC 4303 2.6; '
          'FreeBSD 12: 59 is a protocol like another', ('drop', 'pass'),
          dummy)

    def empty(value):
        return ['socket raw4:253', sa('esp', 0x2000, B4, A4, 'transport'),
                arrive('blk1', p.ip4(B4, A4, 50, p.esp(0x2000, 1, 253,
                                                       b''))),
                *expect('drop empty-payload' if value == 'on' else
                        'deliver raw4:253')]
    sides('esp-empty-payload', 'ESP that holds nothing', 'RFC 4303 2.4; '
          'Linux xfrm_input', ('off', 'on'), empty)

    def unauthenticated(value):
        packet = p.ip4(B4, A4, 50, p.esp(0x2000, 5, 17, p.udp(
            B4, 1111, A4, 9000, b'probe'), auth=False))
        return ['socket udp4:9000',
                f'setkey add {B4} {A4} esp 0x2000 -m transport -r 4 '
                '-E null "" ;',
                arrive('blk1', packet),
                *expect('deliver udp4:9000 text=probe'),
                arrive('blk1', packet),
                *expect('drop replayed' if value == 'on' else
                        'deliver udp4:9000 text=probe',
                        ids='ESP-3.4.3-02')]
    sides('replay-without-integrity', 'a window without integrity',
          'RFC 4303 3.4.3; ipsec.c ipsec_updatereplay', ('off', 'on'),
          unauthenticated)

    def zero(value):
        body = ['socket udp4:9000',
                sa('esp', 0x2000, B4, A4, 'transport', '-r 4')]
        udp = p.udp(B4, 1111, A4, 9000, b'probe')
        for seq, refused, in_window in (
                (0, 'seq-zero', 'seq-zero'), (5, None, None),
                (0, 'seq-zero', None), (0, 'seq-zero', 'replayed')):
            end = in_window if value == 'in-window' else refused
            body += [arrive('blk1', p.ip4(B4, A4, 50, p.esp(
                0x2000, seq, 17, udp)))]
            body += expect(f'drop {end}' if end else
                           'deliver udp4:9000 text=probe')
        return body
    sides('replay-zero', 'sequence number 0', 'RFC 4303 3.3.3; FreeBSD 13 '
          'ipsec.c ipsec_chkreplay', ('refuse', 'in-window'), zero)

    def late(value):
        udp = p.udp(B4, 1111, A4, 9000, b'probe')
        bad = bytearray(p.esp(0x2000, 3, 17, udp))
        bad[-1] ^= 1
        return ['socket udp4:9000',
                sa('esp', 0x2000, B4, A4, 'transport', '-r 4'),
                arrive('blk1', p.ip4(B4, A4, 50, p.esp(0x2000, 90, 17,
                                                       udp))),
                *expect('deliver udp4:9000 text=probe'),
                '# left of the window, and forged',
                arrive('blk1', p.ip4(B4, A4, 50, bytes(bad))),
                *expect('drop icv-bad' if value == 'on' else
                        'drop left-of-window', ids='ESP-3.4.3-11'),
                '# left of the window, and authentic',
                arrive('blk1', p.ip4(B4, A4, 50, p.esp(0x2000, 3, 17,
                                                       udp))),
                *expect('drop left-of-window', 'count esps_replay=1',
                        ids='ESP-3.4.3-11')]
    sides('replay-left-late', 'when a number left of the window is refused',
          'RFC 4303 3.4.3; FreeBSD 13 ipsec.c', ('off', 'on'), late)


def natt_receiver():
    udp = p.udp(B4, 1111, A4, 9000, b'probe')
    start = ['socket udp4:9000', 'socket udp4:4500',
             'setsockopt udp4:4500 encap 2',
             sa('esp', 0x2000, B4, A4, 'transport',
                f'-natt {B4}[4500] {A4}[4500]')]

    def ports(value):
        return start + [
            arrive('blk1', p.ip4(B4, A4, 17, p.udp(
                B4, 31001, A4, 4500, p.esp(0x2000, 1, 17, udp), check=0))),
            *expect(*(['deliver udp4:9000 text=probe']
                      if value == 'any-source' else
                      ['drop encap-mismatch', 'count esps_notdb=1']),
                    ids='NATT-ports-02')]
    sides('natt-ports', 'another source port than the SA has',
          'RFC 3948 2.1; udpencap.c udp_ipsec_input',
          ('any-source', 'exact'), ports)

    def plain(value):
        return start + [
            arrive('blk1', p.ip4(B4, A4, 50, p.esp(0x2000, 1, 17, udp))),
            *expect('deliver udp4:9000 text=probe' if value == 'accept'
                    else 'drop encap-mismatch', ids='NATT-ports-03')]
    sides('natt-plain-esp', 'plain ESP for an SA of UDP encapsulation',
          'RFC 3948 2.1; ipsec_input.c looks at no port',
          ('refuse', 'accept'), plain)

    def short(value):
        data = bytes.fromhex('000020001122')
        return start + [
            arrive('blk1', p.ip4(B4, A4, 17, p.udp(B4, 4500, A4, 4500,
                                                   data))),
            *expect(*([f'deliver udp4:4500 {data.hex()}'] if value == 8
                      else ['drop bad-length']), ids='NATT-2.3-04')]
    sides('natt-short', 'six octets on the port of encapsulation',
          'RFC 3948 2.3; Linux xfrm4_udp_encap_rcv', (3, 8), short)


def ipcomp_receiver():
    start = ['socket udp4:9000', 'socket raw4:253',
             sa('ipcomp', 0x2000, B4, A4, 'transport')]
    udp = p.udp(B4, 1111, A4, 9000, b'a' * 99)

    def empty(value):
        return start + [
            '# a stored block of nothing, a fixed one of nothing',
            arrive('blk1', p.ip4(B4, A4, 108, bytes.fromhex(
                'fd002000' '000000ffff' '0300'))),
            *expect('deliver raw4:253' if value == 'accept' else
                    'drop empty-payload')]
    sides('ipcomp-empty', 'data that inflate to nothing', 'RFC 3173 2.1; '
          'Linux ipcomp_decompress', ('accept', 'refuse'), empty)

    def nested(value):
        return start + [
            arrive('blk1', p.ip4(B4, A4, 108, p.ipcomp(
                0x2000, 108, p.ipcomp(0x2000, 17, udp)))),
            *expect(*([f'deliver udp4:9000 text={"a" * 99}']
                      if value == 'accept' else
                      ['drop comp-nested', 'count ipcomps_pdrops=1']))]
    sides('ipcomp-nested', 'IPcomp in IPcomp', 'xform_ipcomp.c '
          'ipcomp_input', ('refuse', 'accept'), nested)


def incomplete():
    def seconds(value):
        piece = p.udp(B4, 1111, A4, 9000, bytes(24))[:16]
        return ['at 1000', arrive('blk1', p.ip4(
            B4, A4, 17, piece, ident=7, mf=1)), *expect('fate fragment'),
            f'at {1000 + value - 1}', expect('nothing'),
            f'at {1000 + value}', *expect('drop frag-timeout')]
    sides('frag-seconds4', 'how long an incomplete packet is kept',
          'RFC 1122 3.3.2', (10, 60), seconds)

    def pieces(value):
        whole = p.udp(B4, 1111, A4, 9000, bytes(32))
        body = ['socket udp4:9000']
        for n in range(5):
            body += [arrive('blk1', p.ip4(
                B4, A4, 17, whole[8 * n:8 * n + 8], ident=7, off=8 * n,
                mf=n < 4))]
            if value == 3 and n == 3:
                body += expect(*['drop frag-table-full'] * 4)
                break
            body += expect('fate fragment' if n < 4 else
                           'deliver udp4:9000')
        return body
    sides('frag-pieces', 'how many fragments of one packet are kept',
          'ip_reass.c maxfragsperpacket', (3, 5), pieces)


def senders():
    def ecn(value):
        rules = {'freebsd': lambda v, t: t & 0xfc if v == 0 else
                 (t & 0xfc | 2 if v == 1 and t & 3 == 3 else t),
                 'gif': lambda v, t: t & 0xfe if v else 0,
                 'copy': lambda v, t: t,
                 'ect0': lambda v, t: t & 0xfc | 2 if t & 3 == 3 else t}
        body = [sa('esp', 0x1000, A4, B4, 'tunnel'),
                policy(NET[X4], NET[Y4], 'out',
                       f'esp/tunnel/{A4}-{B4}/require')]
        for v in (0, 1, 2):
            body += [f'sysctl net.inet.ipsec.ecn={v}']
            for tos in (0xb8, 0xb9, 0xba, 0xbb):
                body += [from_red(X4, Y4, tos=tos), *expect(
                    f'transmit blk1 ip.tos={rules[value](v, tos):#04x}',
                    ids={'copy': 'ECN-RFC6040-01', 'ect0':
                         'ECN-RFC3168-07', 'gif': 'MAN-ecn-03',
                         'freebsd': 'ECN-RFC3168-16'}[value])]
        return body
    sides('ecn-encap', 'the ECN field at a tunnel\'s entrance',
          'ip_ecn.c; gif(4); RFC 4301 5.1.2.1; RFC 3168 9.1.1',
          ('freebsd', 'gif', 'copy', 'ect0'), ecn)

    def ports(value):
        return [sa('esp', 0x1000, A6, B6, 'tunnel'),
                policy(X6, f'{Y6}[7000]', 'out',
                       f'esp/tunnel/{A6}-{B6}/require', upper='udp'),
                from_red(X6, Y6), *expect(
                    'transmit blk1 ip.proto=' + (
                        '50' if value == 'on' else '17'),
                    ids='MAN-pfkey-03')]
    sides('policy-forward-ports', 'a policy with a port and a forwarded '
          'packet', 'RFC 4301 5.1; ipsec_output.c ipsec6_forward; ' +
          KERNELS + ', policy-selection', ('off', 'on'), ports)

    def fill(value):
        key = '0x' + bytes(range(32)).hex()
        body = ['socket udp4:9000', 'socket udp6:9000']
        for n, (a, b) in ((4, (A4, B4)), (6, (A6, B6))):
            to = {'rfc4302': 4 if n == 4 else 8, '4': 4, '8': 8}[value]
            octets = -(-28 // to) * to
            body += [f'setkey add {a} {b} ah {0x1000 + n:#x} -m transport '
                     f'-A hmac-sha2-256 {key} ;',
                     policy(a, b, 'out', 'ah/transport//require'),
                     f'send udp{n}:9000 {b} 7000 text=probe', *expect(
                         f'transmit blk1 ah.ahlen={octets // 4 - 2}',
                         ids='AH-2.6-02')]
        return body
    sides('ah-icv-pad', 'to how many octets AH is filled',
          'RFC 4302 2.6; xform_ah.c', ('rfc4302', '4', '8'), fill)


def tables():
    def offset(value):
        return ['sysctl net.inet.ipsec.ah_offsetmask',
                *expect('value 0' if value == 'on' else 'errno ENOENT',
                        ids='MAN-sysctl-01')]
    sides('sysctl-ah-offsetmask', 'does ah_offsetmask exist?', 'ipsec(4); ' +
          KERNELS + ', sysctl', ('on', 'off'), offset)

    def later(value):
        body = []
        for name in ('net.inet.ipsec.async_crypto',
                     'net.inet.esp.ctr_compatibility',
                     'net.key.spdcache.threshold'):
            body += [f'sysctl {name}', expect(
                'errno ' + ('0' if value == 'on' else 'ENOENT'))]
        return body
    sides('sysctl-later', 'variables of later FreeBSD', KERNELS +
          ', sysctl', ('on', 'off'), later)

    def md5(value):
        return ['socket tcp4:8000', 'setsockopt tcp4:8000 md5 1', expect(
            'errno ' + ('0' if value == 'on' else 'ENOPROTOOPT'))]
    sides('tcp-md5', 'has the kernel TCP-MD5?', 'tcp(4)', ('on', 'off'),
          md5)

    def sums(value):
        good = datagram(B4, A4)
        return ['socket udp4:9000', arrive(
            'blk1', good[:11] + bytes([good[11] ^ 1]) + good[12:]),
            *expect('deliver udp4:9000 text=probe' if value == 'ignore'
                    else 'drop ip-checksum-bad')]
    sides('ip-checksum', 'a wrong header checksum', 'RFC 1122 3.2.1.2',
          ('ignore', 'check'), sums)


TABLES = (w1, w3, w3_six, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, q01,
          q02, q03, q04, q05, q06, q07, q08, q09, q17, q19, q20, q22, q23,
          q24, q26, q27, q28, q29, q30, q32, esp_receiver, natt_receiver,
          ipcomp_receiver, incomplete, senders, tables)
