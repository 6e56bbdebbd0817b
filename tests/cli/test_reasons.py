"""Every reason of the table is reached, and the list of those that are not
reached from a capture is short and says where they are tested instead."""
import struct
import unittest
import zlib

from common import capture, jsonl, octets, pcap, read_pcap, run, temp

# Reached by a fault of provider or memory, or when sealing: in unit tests.
ELSEWHERE = {
    'no-memory': 'tests/unit/test_reass.c',
    'crypto-failed': 'tests/unit/test_esp.c',
    'too-big': 'tests/unit/test_tunnel.c',
}

# Of the data path: replay without policies never gets there.
DATA_PATH = {
    'tests/unit/test_input.c': [
        'forwarded',
        'policy-mismatch',
        'proto-disabled',
        'filtered',
        'not-local',
        'bad-address',
        'ttl-exceeded',
        'source-route',
        'option-unknown',
        'too-many-headers',
        'segment-bad',
        'no-socket',
        'no-protocol',
        'tcp-signature',
    ],
    'tests/unit/test_output.c': [
        'sent',
        'policy-discard',
        'no-sa-out',
        'acquire-failed',
        'bundle-tail-lost',
        'seq-overflow',
        'tunnel-ends-bad',
        'natt-ipv6',
        'deflate-failed',
        'no-random',
        'no-route',
        'no-source',
        'too-big-df',
    ],
}
ELSEWHERE.update({r: path for path, rs in DATA_PATH.items() for r in rs})

SAS = '''
add 192.0.2.1 192.0.2.2 esp 0x1000 -m transport -E null "";
add 192.0.2.1 192.0.2.2 esp 0x1001 -m tunnel -E null "";
add 192.0.2.1 192.0.2.2 esp 0x1002 -m tunnel -E twofish-cbc 0x%s;
add 192.0.2.1 192.0.2.2 esp 0x1003 -m transport -natt 192.0.2.1[4500] 192.0.2.2[4500] -E null "";
add 192.0.2.1 192.0.2.2 ipcomp 0x1004 -m transport -C deflate;
''' % ('00' * 24)


def checksum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def ip4(proto, payload, options=b'', frag=0, total=None, src=1, ident=1):
    hlen = 20 + len(options)
    head = struct.pack('>BBHHHBBH', 0x40 | hlen // 4, 0,
                       hlen + len(payload) if total is None else total,
                       ident, frag, 64, proto, 0)
    head += bytes([192, 0, 2, src, 192, 0, 2, 2]) + options
    return head[:10] + struct.pack('>H', checksum(head)) + head[12:] + payload


def ip6(nh, payload):
    return struct.pack('>IHBB', 6 << 28, len(payload), nh, 64) + \
        bytes(15) + b'\1' + bytes(15) + b'\2' + payload


def esp(spi, payload, nh, seq=1):
    pad = -(len(payload) + 2) % 4
    return struct.pack('>II', spi, seq) + payload + \
        bytes(range(1, pad + 1)) + bytes([pad, nh])


def deflate(data, level=9):
    z = zlib.compressobj(level, zlib.DEFLATED, -15)
    return z.compress(data) + z.flush()


def ipcomp(nh, stream, cpi=0x1004):
    return struct.pack('>BBH', nh, 0, cpi) + stream


def nested(depth):
    p = bytes(8)
    nh = 17
    for _ in range(depth):
        p, nh = esp(0x1000, p, nh), 50
    return ip4(50, p)


def udp(payload, length=None, dport=4500):
    return struct.pack('>HHHH', 4500, dport, 8 + len(payload)
                       if length is None else length, 0) + payload


INNER = ip4(1, bytes(8))

# reason: frames; the last one ends for it.  A tuple adds options.
CASES = {
    'ok': [ip4(50, esp(0x1001, INNER, 4))],
    'not-compressed': [ip4(6, bytes(20))],
    'clear': [ip4(17, udp(b'x', dport=53), src=7)],
    'fragment': [ip4(17, bytes(16), frag=0x2000)],
    'ip-header-bad': [ip4(50, b'', total=19)],
    'ip-checksum-bad': [bytes(a ^ b for a, b in zip(
        INNER, bytes(10) + b'\1' + bytes(17)))],
    'truncated': [INNER[:-1]],
    'not-ip': [b'\x10' + bytes(30)],
    'ext-header-bad': [ip6(60, b'\0\0' + b'\1\4' + bytes(4)
                           + b'\x11\0' + bytes(6))],
    'option-bad': [ip4(17, bytes(8), options=b'\x07\x09\x04\0')],
    'frag-bad': [ip4(17, bytes(13), frag=0x2000)],
    'frag-duplicate': [ip4(17, bytes(16), frag=0x2000)] * 2,
    'frag-too-big': [ip4(17, bytes(64), frag=0x1fff)],
    'frag-overlap': [ip6(44, b'\x11\0\0\1' + bytes(4) + bytes(16)),
                     ip6(44, b'\x11\0\0\x09' + bytes(4) + b'x' * 16)],
    'udp-bad': [ip4(17, udp(bytes(8), length=99))],
    'nat-keepalive': [ip4(17, udp(b'\xff'))],
    'ike': [ip4(17, udp(bytes(12)))],
    'encap-mismatch': [ip4(50, esp(0x1003, bytes(8), 17))],
    'no-sa': [ip4(50, esp(0x9999, bytes(8), 17))],
    'no-provider': [ip4(50, esp(0x1002, bytes(62), 4))],
    'bad-length': [ip4(50, struct.pack('>II', 0x1000, 1))],
    'pad-length-bad': [ip4(50, struct.pack('>II', 0x1000, 1)
                           + bytes(2) + b'\xff\x04')],
    'pad-bad': (['--switch', 'esp-pad-check=full'],
                [ip4(50, struct.pack('>II', 0x1000, 1) + bytes(8)
                     + b'\0\0\2\x11')]),
    'dummy': [ip4(50, esp(0x1000, bytes(8), 59))],
    'empty-payload': (['--profile', 'linux'],
                      [ip4(50, esp(0x1000, b'', 17))]),
    'next-header-bad': [ip4(50, esp(0x1001, bytes(20), 17))],
    'inner-bad': [ip4(50, esp(0x1001, b'\x50' + INNER[1:], 4))],
    'ecn-bad': (['--switch', 'strict=on'],
                [bytes.fromhex('4503') + ip4(50, esp(0x1001, INNER, 4))[2:10]
                 + b'' + ip4(50, esp(0x1001, INNER, 4))[10:]]),
    'nested-too-deep': [nested(17)],
    'comp-nested': [ip4(108, ipcomp(108, deflate(bytes(400))))],
    'inflate-failed': [ip4(108, ipcomp(17, b'\xff\xff\xff'))],
    'inflate-too-big': [ip4(108, ipcomp(17, deflate(bytes(70000))))],
    'comp-expanded': (['--profile', 'linux'],
                      [ip4(108, ipcomp(17, deflate(b'abc', 0)))]),
}


class Reasons(unittest.TestCase):
    def judge(self, frames, options=(), linktype=101):
        path = temp('reason.pcap', pcap(linktype, frames))
        p = run('replay', '--json', '-c', temp('sas.setkey', SAS), '-r',
                path, *options)
        self.assertEqual(p.stderr, '')
        return [x['reason'] for x in jsonl(p.stdout)[1:-1]]

    def reached(self):
        out = set()
        for reason, case in CASES.items():
            options, frames = case if isinstance(case, tuple) else ([], case)
            if reason == 'ecn-bad':
                # Outer CE, with the checksum that goes with it.
                f = bytearray(frames[0])
                f[10:12] = b'\0\0'
                f[10:12] = struct.pack('>H', checksum(bytes(f[:20])))
                frames = [bytes(f)]
            got = self.judge(frames, options)
            self.assertEqual(got[-1], reason)
            out.add(reason)
        out.add(self.judge([b'short'], linktype=1)[0])
        self.assertIn('link-bad', out)
        return out

    def from_captures(self):
        """Those that need keys, from real packets."""
        out = set()
        for name in ('esp-tn44-gcm128_16', 'ah-tp4-sha1'):
            p = run('replay', '--json', '-c', capture(name + '.setkey'),
                    '-r', capture(name + '.neg.pcap'))
            out |= {x['reason'] for x in jsonl(p.stdout)[1:-1]}
        return out

    def in_time(self):
        """Time, table and snaplen."""
        out = set()
        frag = ip4(17, bytes(16), frag=0x2000)
        late = [(0, 0, len(frag), frag), (31, 0, len(INNER), INNER)]
        got = self.judge(late)
        self.assertEqual(got[0], 'frag-timeout')
        out.add(got[0])
        many = [ip4(17, bytes(16), frag=0x2000, ident=n) for n in (1, 2)]
        got = self.judge(many, ['--switch', 'frag-packets=1'])
        self.assertEqual(got, ['fragment', 'frag-table-full'])
        out.add(got[1])
        got = self.judge([(0, 0, len(INNER), INNER[:22])])
        self.assertEqual(got, ['snaplen'])
        out.add(got[0])
        return out

    def test_every_reason_is_reached(self):
        table = {x['reason'] for x in
                 jsonl(run('reasons', '--json').stdout)[1:-1]}
        seen = self.reached() | self.from_captures() | self.in_time()
        self.assertEqual(table - seen, set(ELSEWHERE))
        for reason, path in ELSEWHERE.items():
            word = 'IPM_R_' + reason.upper().replace('-', '_')
            self.assertIn(word, octets(capture('../../' + path)).decode())

    def test_nesting_below_the_limit_is_opened(self):
        self.assertEqual(self.judge([nested(16)]), ['ok'])

    def test_frames_in_are_verdicts_out_for_any_octets(self):
        """Whatever the frame, it has one verdict (seeded, repeatable)."""
        state = 1
        frames = []
        good = [x[3][14:] for x in
                read_pcap(capture('esp-tn44-gcm128_16.neg.pcap'))]
        for n in range(3000):
            state = state * 6364136223846793005 + 1442695040888963407 & \
                (1 << 64) - 1
            f = bytearray(good[n % len(good)])
            for k in range(state >> 61):
                f[(state >> (7 * k)) % len(f)] ^= state >> (k + 3) & 0xff
            frames.append(bytes(f[:len(f) - (state >> 40) % 9]))
        self.assertEqual(len(self.judge(frames)), 3000)


if __name__ == '__main__':
    unittest.main()
