"""Capture files: the same packets in every format give the same objects."""
import struct
import unittest

from common import capture, jsonl, octets, pcap, read_pcap, run, temp

NAME = 'esp-tn44-gcm128_16'
CONFIG = capture(NAME + '.setkey')
FRAMES = read_pcap(capture(NAME + '.neg.pcap'))
TRAFFIC = capture(NAME + '.pcap')


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    n = 12 + len(body)
    return struct.pack(order + 'II', kind, n) + body + \
        struct.pack(order + 'I', n)


def section(order):
    return block(order, 0x0a0d0d0a,
                 struct.pack(order + 'IHHq', 0x1a2b3c4d, 1, 0, -1))


def interface(order, resolution=None, linktype=1):
    options = b''
    if resolution is not None:
        options = struct.pack(order + 'HHB3xHH', 9, 1, resolution, 0, 0)
    return block(order, 1, struct.pack(order + 'HHI', linktype, 0, 0)
                 + options)


def packet(order, ticks, data, wire=None, which=0):
    return block(order, 6, struct.pack(
        order + 'IIIII', which, ticks >> 32, ticks & 0xffffffff, len(data),
        len(data) if wire is None else wire) + data)


def simple(order, data):
    return block(order, 3, struct.pack(order + 'I', len(data)) + data)


def replay(data, *options):
    p = run('replay', '--json', '-c', CONFIG, '-r', temp('in.pcap', data),
            *options)
    return p, jsonl(p.stdout)[1:-1]


def without_time(frames):
    return [{k: v for k, v in f.items() if k != 'time'} for f in frames]


class Formats(unittest.TestCase):
    WANT = replay(octets(capture(NAME + '.neg.pcap')))[1]

    def test_pcap_in_both_byte_orders_and_resolutions(self):
        for order in '<>':
            for magic, unit in ((0xa1b2c3d4, 1000), (0xa1b23c4d, 1)):
                data = struct.pack(order + 'IHHiIII', magic, 2, 4, 0, 0,
                                   262144, 1)
                for n, f in enumerate(FRAMES):
                    data += struct.pack(order + 'IIII', n, 123456,
                                        len(f[3]), f[2]) + f[3]
                p, got = replay(data)
                self.assertEqual(p.stderr, '')
                self.assertEqual(without_time(got), without_time(self.WANT))
                self.assertEqual([f['time'] for f in got], [
                    f'{n}.{123456 * unit:09}' for n in range(len(FRAMES))])

    def test_pcapng_in_both_byte_orders_and_any_resolution(self):
        for order in '<>':
            # Resolution octet, ticks of 7.5 seconds.
            for octet, ticks in ((None, 7500000), (6, 7500000), (3, 7500),
                                 (9, 7500000000), (0x8a, 7680),
                                 (0x80 | 20, 15 << 19)):
                data = section(order) + interface(order, octet)
                for f in FRAMES:
                    data += packet(order, ticks, f[3], f[2])
                p, got = replay(data)
                self.assertEqual(p.stderr, '', (order, octet))
                self.assertEqual(without_time(got), without_time(self.WANT))
                self.assertEqual({f['time'] for f in got}, {'7.500000000'})

    def test_pcapng_sections_interfaces_and_other_blocks(self):
        half = len(FRAMES) // 2
        for order in '<>':
            data = section(order) + interface(order) + interface(order, 9)
            data += block(order, 4, bytes(4))
            for n, f in enumerate(FRAMES[:half]):
                data += packet(order, 10, f[3], which=n % 2)
            data += section(order) + block(order, 0x40000bad, b'custom') + \
                interface(order)
            for f in FRAMES[half:]:
                data += simple(order, f[3])
            p, got = replay(data)
            self.assertEqual(p.stderr, '')
            self.assertEqual(without_time(got), without_time(self.WANT))

    def test_pcapng_whose_byte_order_changes_ends_with_an_error(self):
        """libpcap reads no such file; nothing is guessed."""
        data = section('<') + interface('<') + packet('<', 1, FRAMES[0][3])
        data += section('>') + interface('>') + packet('>', 2, FRAMES[1][3])
        p, got = replay(data)
        self.assertEqual(p.returncode, 2)
        self.assertEqual(len(p.stderr.splitlines()), 1)
        self.assertEqual(without_time(got), without_time(self.WANT[:1]))

    def test_pcapng_with_two_link_types_ends_with_an_error(self):
        data = section('<') + interface('<')
        data += packet('<', 1, FRAMES[0][3])
        data += interface('<', linktype=101)
        data += packet('<', 2, FRAMES[1][3][14:], which=1)
        p, got = replay(data)
        self.assertEqual(p.returncode, 2)
        self.assertEqual(len(p.stderr.splitlines()), 1)
        self.assertIn('after frame 1', p.stderr)
        self.assertEqual(without_time(got), without_time(self.WANT[:1]))


class Cut(unittest.TestCase):
    """Frames that are whole are judged; what is left over is an error."""

    def cuts(self, head, blocks):
        data = head + b''.join(blocks)
        ends = [len(head)]
        for b in blocks:
            ends.append(ends[-1] + len(b))
        for n in range(len(head), len(data) + 1):
            p = run('replay', '-q', '--json', '-c', CONFIG, '-r',
                    temp('cut.pcap', data[:n]))
            whole = sum(e <= n for e in ends) - 1
            self.assertEqual(p.returncode, 0 if n in ends else 2, n)
            self.assertEqual(len(p.stderr.splitlines()), n not in ends)
            if n not in ends:
                self.assertIn(f'cut.pcap: the capture breaks off after '
                              f'frame {whole}: ', p.stderr)
            self.assertEqual(jsonl(p.stdout)[-1]['summary']['frames'],
                             whole)

    def test_pcap(self):
        data = octets(TRAFFIC)
        first = struct.unpack('<I', data[32:36])[0]
        blocks = [data[24:40 + first]]
        second = struct.unpack('<I', data[40 + first + 8:52 + first])[0]
        blocks.append(data[40 + first:56 + first + second])
        self.cuts(data[:24], blocks)

    def test_pcapng(self):
        frames = read_pcap(TRAFFIC)
        self.cuts(section('<') + interface('<'),
                  [packet('<', 1, f[3]) for f in frames[:2]])

    def test_a_head_that_is_cut_is_no_capture(self):
        for data in (octets(TRAFFIC)[:24], section('<') + interface('<')):
            for n in range(len(data)):
                p = run('replay', '-c', CONFIG, '-r',
                        temp('head.pcap', data[:n]))
                self.assertEqual((p.returncode, p.stdout), (2, ''), n)
                self.assertEqual(len(p.stderr.splitlines()), 1)
                self.assertIn('head.pcap: not a capture', p.stderr)


class Times(unittest.TestCase):
    FRAME = read_pcap(TRAFFIC)[0][3]

    def times(self, stamps, nano):
        data = pcap(1, [(s, f, len(self.FRAME), self.FRAME)
                        for s, f in stamps], nano)
        p, frames = replay(data)
        self.assertEqual(p.stderr, '')
        return [f['time'] for f in frames]

    def test_seconds_run_to_2106(self):
        self.assertEqual(
            self.times([(0x7fffffff, 1), (0x80000000, 2), (0xffffffff, 3)],
                       True),
            ['2147483647.000000001', '2147483648.000000002',
             '4294967295.000000003'])

    def test_a_fraction_that_is_none_carries_over(self):
        """Some tools write such; the time keeps its form."""
        self.assertEqual(
            self.times([(5, 1000000000), (5, 2000000001)], True),
            ['6.000000000', '7.000000001'])
        self.assertEqual(self.times([(5, 1000000), (5, 2500000)], False),
                         ['6.000000000', '7.500000000'])
        for nano in (False, True):
            for t in self.times([(5, 0xffffffff), (5, 0x80000000)], nano):
                self.assertRegex(t, r'^\d+\.\d{9}$')

    def test_clear_packets_keep_a_time_past_2038(self):
        out = temp('late-out.pcap', b'')
        data = pcap(1, [(0xfffffff0, 999999999, len(self.FRAME),
                         self.FRAME)], True)
        p, _ = replay(data, '-w', out)
        self.assertEqual(p.returncode, 0)
        self.assertEqual(read_pcap(out)[0][:2], (0xfffffff0, 999999999))

    def test_time_that_goes_back_completes_a_fragment(self):
        """Merged captures: the pieces' order in the file is what counts."""
        name = 'ah-tp4-frag-sha256'
        frames = read_pcap(capture(name + '.pcap'))
        want = run('replay', '--json', '-c', capture(name + '.setkey'), '-r',
                   capture(name + '.pcap')).stdout
        path = temp('back.pcap', pcap(1, [
            (100000 - n, 0, f[2], f[3]) for n, f in enumerate(frames)]))
        got = run('replay', '--json', '-c', capture(name + '.setkey'), '-r',
                  path).stdout
        self.assertEqual(without_time(jsonl(got)), without_time(jsonl(want)))


if __name__ == '__main__':
    unittest.main()
