#!/usr/bin/python3
"""Makes packet.setkey, the seeds of corpus/packet and corpus/pcap, and the bad
ones of corpus/setkey and corpus/sidecar.

Seeds are frames of vectors/captures and packets built with scapy.  Run from
the top of the tree; the result is committed.
"""
import glob
import json
import os
import struct

from scapy.all import (ICMP, IP, TCP, UDP, IPOption_Router_Alert, IPOption_RR,
                       IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw, RouterAlert)

PACKET, PCAP = 'tests/fuzz/corpus/packet/', 'tests/fuzz/corpus/pcap/'
CAPTURES = 'vectors/captures/'
# In the order of ipm_linktypes.
(NULL, ETHERNET, PPP, RAW12, RAW14, PPP_HDLC, RAW, LOOP, ENC, SLL, IPV4, IPV6,
 SLL2) = range(13)


def frames_of(path):
    data = open(path, 'rb').read()
    off, out = 24, []
    while off < len(data):
        caplen = struct.unpack('<I', data[off + 8:off + 12])[0]
        out.append(data[off + 16:off + 16 + caplen])
        off += 16 + caplen
    return out


def emit(name, linktype, profile, frames):
    with open(PACKET + name, 'wb') as f:
        f.write(bytes([linktype, profile]))
        for x in frames:
            f.write(struct.pack('>H', len(x)) + x)


def setkey():
    seen, lines = set(), []
    for path in sorted(glob.glob(CAPTURES + '*.setkey')):
        for line in open(path):
            word = line.split()
            if line.startswith('add ') and tuple(word[2:5]) not in seen:
                seen.add(tuple(word[2:5]))
                lines.append(line)
    with open('tests/fuzz/packet.setkey', 'w') as f:
        f.write('# The SAs of all captures, and some without integrity, so '
                'that any octets\n# get past the ICV.\n')
        f.writelines(lines)
        for spi, mode in ((0x1000, 'tunnel -r 4'), (0x1001, 'transport')):
            f.write(f'add 192.0.2.1 192.0.2.2 esp {spi:#x} -m {mode} '
                    '-E null "" ;\n')
        f.write('add 192.0.2.1 192.0.2.2 esp 0x1002 -m any '
                f'-E aes-cbc 0x{"00" * 16} ;\n')
        f.write('add 2001:db8::1 2001:db8::2 esp 0x1003 -m any -E null "" ;\n')


def from_captures():
    skip = ('replay-', 'aes192', 'aes256cbc-sha', 'cam128', 'cast', 'md5-sha')
    for path in sorted(glob.glob(CAPTURES + '*.pcap')):
        name = os.path.basename(path)[:-5]
        if any(k in name for k in skip):
            continue
        # Compressed packets are the long ones.
        limit = 600 if 'comp' in name else 260
        frames = [x for x in frames_of(path) if len(x) <= limit]
        if 'comp' in name and '.neg' not in name:
            frames = [x for x in frames if len(x) > 120] + frames[:2]
        if '.neg' in name:
            frames = frames[26:60:3] or frames
        if frames:
            emit(name, ETHERNET, 0, frames[:6])
    emit('fragments', ETHERNET, 0,
         frames_of(CAPTURES + 'ah-tp4-frag-sha256.pcap')[16:24])


def link_types():
    frame = frames_of(CAPTURES + 'esp-tn44-gcm128_16.pcap')[0]
    ip = frame[14:]
    ip6 = frames_of(CAPTURES + 'esp-tn66-gcm256_16.pcap')[0][14:]
    mac = frame[:12]
    emit('lt-null', NULL, 0, [b'\x02\0\0\0' + ip, b'\0\0\0\x02' + ip,
                              b'\x1c\0\0\0' + ip6])
    emit('lt-ppp', PPP, 0, [b'\xff\x03\x00\x21' + ip, b'\x00\x57' + ip6,
                            b'\x21' + ip])
    emit('lt-ppp-hdlc', PPP_HDLC, 0, [b'\xff\x03\x00\x57' + ip6])
    emit('lt-raw', RAW, 1, [ip, ip6])
    emit('lt-raw12', RAW12, 2, [ip, ip6])
    emit('lt-raw14', RAW14, 3, [ip])
    emit('lt-loop', LOOP, 4, [b'\0\0\0\x02' + ip])
    emit('lt-enc', ENC, 5, [b'\x02\0\0\0' + bytes(8) + ip,
                            b'\0\0\0\x1c' + bytes(8) + ip6])
    emit('lt-sll', SLL, 6, [b'\0\0\0\1\0\6\2\0\0\0\0\x0b\0\0\x08\0' + ip])
    emit('lt-sll2', SLL2, 0,
         [b'\x08\0\0\0\0\0\0\2\0\1\0\6\2\0\0\0\0\x0b\0\0' + ip])
    emit('lt-ipv4', IPV4, 0, [ip])
    emit('lt-ipv6', IPV6, 0, [ip6])
    emit('lt-vlan', ETHERNET, 0, [
        mac + b'\x81\0\0\x05\x08\0' + ip,
        mac + b'\x88\xa8\0\x05\x81\0\0\6\x08\0' + ip,
        mac + b'\x88\x64\x11\0\0\1\0\x20\0\x21' + ip,
        mac + struct.pack('>H', len(ip) + 8) + b'\xaa\xaa\3\0\0\0\x08\0' + ip,
        mac + b'\x08\x06' + bytes(28)])


def built():
    base = IPv6(src='2001:db8::1', dst='2001:db8::2')
    pay = b'A' * 64

    def frag6(off, more, ident, body):
        return bytes(base / IPv6ExtHdrFragment(nh=17, offset=off, m=more,
                                               id=ident) / body)

    emit('ip6-ext', RAW, 0, [
        bytes(base / IPv6ExtHdrHopByHop(options=[RouterAlert()])
              / IPv6ExtHdrDestOpt()
              / IPv6ExtHdrRouting(addresses=['2001:db8::9'], segleft=0)
              / UDP(sport=1, dport=2) / b'x'),
        bytes(base / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / UDP()),
        bytes(base / IPv6ExtHdrFragment(offset=0, m=0, id=1) / UDP() / b'y')])
    emit('ip6-frag', RAW, 0, [
        frag6(0, 1, 7, bytes(UDP(sport=1, dport=2, len=72)) + pay[:16]),
        frag6(1, 1, 7, pay[:16]), frag6(3, 0, 8, pay[:16]),
        frag6(0, 1, 8, pay[:24])])

    def frag4(off, more, n, ident=9):
        return bytes(IP(src='192.0.2.1', dst='192.0.2.2', id=ident, proto=17,
                        frag=off, flags='MF' if more else 0) / Raw(pay[:n]))

    for profile in range(7):
        emit(f'ip4-frag-{profile}', RAW, profile, [
            frag4(0, 1, 16), frag4(1, 1, 16), frag4(4, 0, 8),
            frag4(2, 1, 24), frag4(0, 1, 16), frag4(3, 1, 16),
            frag4(0, 1, 13, 10), frag4(0, 1, 16, 11), frag4(2, 0, 9, 11)])

    def esp(spi, body):
        return bytes(IP(src='192.0.2.1', dst='192.0.2.2', proto=50)
                     / Raw(struct.pack('>II', spi, 1) + body))

    inner = bytes(IP(src='10.1.0.5', dst='10.2.0.7') / ICMP())
    emit('esp-null', RAW, 0, [
        esp(0x1000, inner + b'\1\2\2\4'), esp(0x1001, bytes(8) + b'\0\x3b'),
        esp(0x1001, bytes(ICMP()) + b'\0\1'),
        esp(0x1001, bytes(8) + b'\1\2\2\xff')])
    emit('ip4-options', RAW, 0, [
        bytes(IP(src='192.0.2.1', dst='192.0.2.2',
                 options=[IPOption_RR(), IPOption_Router_Alert()]) / ICMP())])
    emit('tcp', RAW, 0, [
        bytes(IP(src='192.0.2.1', dst='192.0.2.2')
              / TCP(options=[('MSS', 1460), (19, bytes(16))]) / b'hi')])


def capture_files():
    for name in ('esp-tp4-gcm128_16', 'comp-tp4-deflate'):
        data = open(CAPTURES + name + '.pcap', 'rb').read()
        open(PCAP + name, 'wb').write(data[:24 + 3 * 140])
        open(PCAP + name + '-cut', 'wb').write(data[:24 + 100])
        open(PCAP + 'empty', 'wb').write(data[:24])
        open(PCAP + 'unknown-link-type', 'wb').write(data[:20] + b'\x93\0\0\0')
    block = struct.pack('<IIIHHqI', 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0, -1, 28)
    block += struct.pack('<IIHHII', 1, 20, 101, 0, 65535, 20)
    packet = bytes(IP(src='10.1.0.5', dst='10.2.0.7') / ICMP())
    block += struct.pack('<IIIIIII', 6, 60, 0, 1, 0, 28, 28) + packet
    block += struct.pack('<I', 60)
    open(PCAP + 'pcapng', 'wb').write(block)


# Each of these earns another error.
BAD_SETKEY = [
    'add', 'add x y esp 1;', 'add 1.2.3.4 ::1 esp 0x1000 -E null "";',
    'add -4 ::1 ::1 esp 0x1000 -E null "";', 'get 1.2.3.4 1.2.3.4 esp 1;',
    'dump esp;', 'spddump;', 'dump;', 'flush ah;', 'spdflush;',
    'delete 1.2.3.4 1.2.3.4 esp 0x1000;', 'deleteall 1.2.3.4 1.2.3.4 esp;',
    'deleteall 1.2.3.4 1.2.3.4;', 'add 1.2.3.4 1.2.3.4 0x1000;',
    'spdadd tagged "x" -P in none;', 'spdadd 1.2.3.4 1.2.3.4 any -P;',
    'spdadd 1.2.3.4/24[80] 1.2.3.4[any] tcp -P out ipsec esp/transport//use;',
    'spdadd 1.2.3.4[http] 1.2.3.4 tcp -P in none;',
    'spdadd 1.2.3.4[0] 1.2.3.4[99999] udp -P in none;',
    'spdadd ::/0 ::/0 icmp6 1,2 -P in discard;',
    'spdadd ::/0 ::/0 icmp6 300,2 -P in discard;',
    'spdadd ::/0 ::/0 tcp 1,2 -P in discard;',
    'spdadd ::/0 ::/0 nosuchproto -P in discard;',
    'spdadd ::/0 ::/0 icmp6 1, -P in none;',
    'spddelete ::/0 ::/0 any -P out;', 'spdadd ::/129 ::/0 any -P in none;',
    'add 1.2.3.4 1.2.3.4 esp 0 -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 77 -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 0x100000000 -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 4294967296 -E null "";',
    'add 1.2.3.4 1.2.3.4 ipcomp 0x12345 -C deflate -R;',
    'add 1.2.3.4 1.2.3.4 ipcomp 100 -C deflate;',
    'add 1.2.3.4 1.2.3.4 ipcomp 2 -C deflate;',
    'add 1.2.3.4 1.2.3.4 ipcomp 1000 -C lzs;',
    'add 1.2.3.4 1.2.3.4 ipcomp 1000 -esn -C deflate;',
    'add 1.2.3.4 1.2.3.4 ipcomp 1000 -r 4 -C deflate;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -natt 1.2.3.4[0] 1.2.3.4[4500] -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 1000 -natt ::1[1] 1.2.3.4[4500] -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 1000 -natt 1.2.3.4 1.2.3.4 -E null "";',
    'add 1.2.3.4 1.2.3.4 esp-old 1000 -r 4 -E null "";',
    'add 1.2.3.4 1.2.3.4 esp-old 1000 -esn -E null "";',
    'add 1.2.3.4 1.2.3.4 ah-old 1000 -A keyed-md5 0x11;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -flag nosuch -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 1000 -seq 99999999999999999999 -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 1000 -seq 9999999999 -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 1000 -f zero-pad -f nocyclic-seq -lh 9 -ls 5 '
    '-u 7 -m any -E des-cbc 0x1122334455667788;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -E aes-cbc 0x1;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -E aes-cbc 0x;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -E aes-cbc 12;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -E aes-cbc word;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -E nosuch 0x11;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -E null "" -A nosuch 0x11;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -E null "" -A hmac-md5 0x11;',
    'add 1.2.3.4 1.2.3.4 esp 1000 -E null "unclosed',
    'add 1.2.3.4 1.2.3.4 ah 1000 -E null "";',
    'add 1.2.3.4 1.2.3.4 tcp 0x1000 -A tcp-md5 "secret";',
    'add fe80::1%2 fe80::2%2 esp 0x1000 -E null "";',
    'add 1.2.3.4 1.2.3.4 esp 0x1000 -E null "";\n' * 2,
    '# only a comment\n', '\x01', '{', 'flush; ?',
    'frobnicate;', 'add ' + 'a' * 100 + ' b esp 1;',
    # What the tool reads, or refuses in its own words.
    'add a a esp 4294967552 -r 300 -lh 5 -E simple -A null;',
    'add -46 a b esp-old 256 -E des-32iv 0x0011;',
    'add -n4 a b esp 256 -E des-deriv 0x0011;',
    'get a b ah 1 -m tunnel;\ndelete a b ah 1;\ndeleteall a b;',
    'spdadd a/257[80] b[any] 300 -P out ipsec esp/transport//unique:5;',
    'spdadd ::1 b icmp6 300,65535 -P in ipsec ah/tunnel/::1-::2/use;',
    'spddelete ::1 b 58 1, -P in;', 'spdadd tagged "x" -P in none;',
    'add ::1 b ipcomp 5 -C lzs -R; add ::1 b esp 256 -natt ::3[1] ::4[2] '
    '-esn -E aes-ccm-12 "0123456789abcdefsal";',
]


def bad_setkey():
    for n, text in enumerate(BAD_SETKEY):
        with open(f'tests/fuzz/corpus/setkey/bad-{n:02}', 'w') as f:
            f.write(text)


def bad_sidecars():
    sa = {'proto': 'esp', 'spi': '0x00001000', 'mode': 'tunnel',
          'src': '192.0.2.1', 'dst': '192.0.2.2', 'reqid': 1,
          'encryption': {'algorithm': 'aes-gcm', 'key': '00' * 16,
                         'salt': '00' * 4, 'icv_bits': 128},
          'authentication': {'algorithm': 'none'}}
    base = {'schema': 'ipsec-capture', 'version': 1, 'sas': [sa]}
    wrong = [7, -1, 1e9, 'x', '', None, True, [], {}, 1.5, 2**40, [1], 'zz']
    docs = [base, 7, [], dict(base, version=2), dict(base, schema='x'),
            {k: v for k, v in base.items() if k != 'version'},
            {k: v for k, v in base.items() if k != 'sas'},
            dict(base, sas=[sa, sa])]
    for key in ('sas', 'esn', 'replay_window', 'initial_seq', 'udp_encap',
                'sa_flags', 'frames', 'negative'):
        docs += [dict(base, **{key: w}) for w in wrong[:9]]
    docs += [dict(base, initial_seq={'hi': 1, 'lo': 2}, esn=True),
             dict(base, initial_seq={'hi': 1}),
             dict(base, initial_seq={'hi': 'x', 'lo': 2}),
             dict(base, sa_flags=['noecn', 'nosuch'])]
    for key in sa:
        docs += [dict(base, sas=[dict(sa, **{key: w})]) for w in wrong]
        docs.append(dict(base, sas=[{k: v for k, v in sa.items()
                                     if k != key}]))
    for key in ('algorithm', 'key', 'salt', 'icv_bits'):
        docs += [dict(base, sas=[dict(sa, encryption=dict(
            sa['encryption'], **{key: w}))]) for w in wrong]
    docs += [dict(base, sas=[dict(sa, **x)]) for x in (
        {'proto': 'ah'}, {'proto': 'ipcomp'}, {'dst': '::1'},
        {'proto': 'ipcomp', 'compression': 'deflate'},
        {'proto': 'ipcomp', 'compression': 'lzs'}, {'mode': 'any'},
        {'authentication': {'algorithm': 'hmac-sha1', 'key': '00' * 20,
                            'icv_bits': 96}},
        {'encryption': {'algorithm': 'aes-cbc', 'key': 'AB' * 16}},
        {'encryption': {'algorithm': 'aes-cbc', 'key': '0' * 5000}},
        {'spi': '0x123456789'}, {'spi': '0x'}, {'spi': '0x0'})]
    seen = set()
    for doc in docs:
        text = json.dumps(doc, separators=(',', ':'))
        if text not in seen:
            with open(f'tests/fuzz/corpus/sidecar/bad-{len(seen):03}',
                      'w') as f:
                f.write(text)
            seen.add(text)


def pfkey():
    """A message of each kind that the kernels' messages have."""
    out = 'tests/fuzz/corpus/pfkey/'
    os.makedirs(out, exist_ok=True)
    seen = set()

    def take(selector, raw, name):
        if len(raw) < 16:
            return
        kinds, off = [raw[1]], 16
        while off + 4 <= len(raw) and raw[off:off + 2] != b'\0\0':
            kinds.append(raw[off + 2])
            off += int.from_bytes(raw[off:off + 2], 'little') * 8
        key = (selector, tuple(kinds))
        if key not in seen and len(raw) < 600:
            seen.add(key)
            open(out + name, 'wb').write(bytes([selector]) + raw)

    for path in sorted(glob.glob(CAPTURES + 'pfkey/*.bin')):
        take(3, open(path, 'rb').read(), 'linux-' + os.path.basename(path))
    cases = json.load(open('vectors/freebsd/pfkey-exchanges.json'))['cases']
    for case in cases:
        for n, step in enumerate(case['steps']):
            for m in [step.get('request', '')] + step.get('replies', []):
                take(0, bytes.fromhex(m),
                     f"freebsd-{case['id']}-{n}")


os.makedirs(PACKET, exist_ok=True)
os.makedirs(PCAP, exist_ok=True)
setkey()
from_captures()
link_types()
built()
capture_files()
bad_setkey()
bad_sidecars()
pfkey()
