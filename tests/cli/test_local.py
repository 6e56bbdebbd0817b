"""replay --local: the model in the place of a host or gateway."""
import struct
import unittest

from common import (capture, jsonl, octets, pcap, read_pcap, run, sidecar,
                    temp)

B = ('--local', '192.0.2.2', '--local', '2001:db8::2')
# What Linux sent and FreeBSD 13 would have sent, field by field.
DF = ('-s', 'net.inet.ipsec.dfbit=2')
HOSTS = ('esp-tp4-aes128cbc-sha1', 'esp-tp4-gcm128_16', 'esp-tp6-null-sha1',
         'ah-tp4-sha1', 'ah-tp6-sha1', 'comp-tp4-deflate',
         'compesp-tp4-aes128cbc-sha1', 'espah-tp4-aes128cbc-sha1',
         'natt-tp4-aes128cbc-sha1')
GATEWAYS = ('ah-tn4in6-sha1', 'comp-tn44-deflate',
            'compesp-tn44-aes128cbc-sha256', 'espah-tn44-aes128cbc-sha1',
            'natt-tn44-gcm128_16')


def files(name):
    return ('-c', capture(name + '.setkey'), '-r', capture(name + '.pcap'))


def frames(data):
    """Offsets of the frames' octets in a pcap, and their lengths."""
    off = 24
    while off < len(data):
        n = struct.unpack_from('<I', data, off + 8)[0]
        yield off + 16, n
        off += 16 + n


def hop(packet, by):
    """The IPv4 packet with its TTL changed and a right checksum."""
    b = bytearray(packet)
    b[8] += by
    b[10:12] = b'\0\0'
    n = (b[0] & 15) * 4
    total = sum(struct.unpack(f'>{n // 2}H', b[:n]))
    struct.pack_into('>H', b, 10, 0xffff - total % 0xffff)
    return bytes(b)


class Local(unittest.TestCase):
    def local(self, name, *args, profile='freebsd-13'):
        return run('replay', *B, '--profile', profile, *DF, *args,
                   *files(name))

    def test_hosts_agree(self):
        for name in HOSTS:
            p = self.local(name)
            self.assertEqual(p.returncode, 0, name + p.stdout[-400:])
            self.assertIn('0 dropped, 0 differ, 0 missing, 0 that', p.stdout)

    def test_gateways_agree(self):
        for name in GATEWAYS:
            p = self.local(name, '--forward')
            self.assertEqual(p.returncode, 0, name + p.stdout[-400:])

    def test_a_difference_is_told_by_field(self):
        """dfbit 0 clears the DF bit that Linux copied [MAN-dfbit-01]."""
        p = run('replay', *B, '--forward', '--json', '--profile',
                'freebsd-13', *files('espah-tn44-aes128cbc-sha1'))
        self.assertEqual(p.returncode, 1)
        rows = jsonl(p.stdout)
        diffs = [d for r in rows[1:-1] for d in r.get('diff', [])]
        self.assertTrue(diffs)
        self.assertEqual({d['field'] for d in diffs}, {'ip.df'})
        self.assertEqual(rows[-1]['summary']['differing'], len(diffs))

    def test_a_changed_octet_is_found(self):
        """TTL of the first frame that the gateway sent: 64 becomes 63."""
        name = 'espah-tn44-aes128cbc-sha1'
        data = bytearray(octets(capture(name + '.pcap')))
        for off, n in frames(data):
            ip = off + 14
            if bytes(data[ip + 12:ip + 16]) == bytes([192, 0, 2, 2]):
                self.assertEqual(data[ip + 8], 64)
                data[ip + 8] = 63
                sent = ip
                break
        args = ('replay', *B, '--forward', '--json', '--profile',
                'freebsd-13', *DF, '-c', capture(name + '.setkey'), '-r')
        p = run(*args, temp('ttl.pcap', bytes(data)))
        self.assertEqual(p.returncode, 1)
        self.assertIn('ip-checksum-bad', p.stdout)
        sum_ = struct.unpack_from('>H', data, sent + 10)[0] + 0x100
        struct.pack_into('>H', data, sent + 10,
                         sum_ % 0x10000 + sum_ // 0x10000)
        p = run(*args, temp('ttl.pcap', bytes(data)))
        self.assertEqual(p.returncode, 1)
        diffs = [d for r in jsonl(p.stdout)[1:-1]
                 for d in r.get('diff', [])]
        self.assertEqual(diffs, [{'field': 'ip.ttl', 'model': '64',
                                  'capture': '63'}])

    def test_two_sides_of_a_gateway(self):
        """-r is the clear side, --expect the wire: both directions agree."""
        name = 'espah-tn44-aes128cbc-sha1'
        wire = read_pcap(capture(name + '.pcap'))
        clear = []
        for n, f in enumerate(sidecar(name)['frames']):
            inner = bytes.fromhex(f['inner'])
            when = wire[n][0] * 1000000 + wire[n][1]
            if f['dir'] == 'B>A':  # in on the clear side, a hop earlier
                clear.append((when - 5, hop(inner, 1)))
            else:  # out there, a hop later
                clear.append((when + 5, hop(inner, -1)))
        clear.sort(key=lambda x: x[0])

        def judge(frames):
            path = temp('clear.pcap', pcap(101, [
                (t // 1000000, t % 1000000, len(x), x) for t, x in frames]))
            return run('replay', '--local', '192.0.2.2', '--forward',
                       '--json', '--profile', 'freebsd-13', *DF, '-c',
                       capture(name + '.setkey'), '-r', path, '--expect',
                       capture(name + '.pcap'))

        p = judge(clear)
        self.assertEqual(p.returncode, 0, p.stdout[-1500:] + p.stderr)
        s = jsonl(p.stdout)[-1]['summary']
        self.assertEqual(s['frames'], 2 * len(wire))
        self.assertEqual(s['outputs'], len(wire))
        # A packet that the clear side never shows, and one that differs.
        p = judge([x for x in clear if x != clear[0]])
        self.assertEqual(p.returncode, 1)
        spoiled = list(clear)
        at = next(i for i, x in enumerate(clear) if x[1][12:15] ==
                  bytes([10, 1, 0]))
        spoiled[at] = (clear[at][0], clear[at][1][:-1] + b'\xff')
        p = judge(spoiled)
        self.assertEqual(p.returncode, 1)
        self.assertIn('"diff":[{"field":"', p.stdout)

    def test_frames_have_the_members_of_replay(self):
        p = self.local('esp-tp4-aes128cbc-sha1', '--json')
        rows = jsonl(p.stdout)
        self.assertEqual(rows[0]['schema'], 'ipsecsim-replay')
        for r in rows[1:-1]:
            for member in ('frame', 'time', 'verdict', 'reason', 'layers'):
                self.assertIn(member, r)
            self.assertEqual('diff' in r, r['verdict'] == 'transmit')
        s = rows[-1]['summary']
        self.assertEqual(s['frames'], len(rows) - 2)
        self.assertEqual(s['inputs'] + s['outputs'], s['frames'])

    def test_wrong_key(self):
        name = 'esp-tp4-aes128cbc-sha1'
        text = octets(capture(name + '.setkey')).decode()
        at = text.index('-A hmac-sha1 0x') + 15
        text = text[:at] + ('0' if text[at] != '0' else '1') + text[at + 1:]
        p = run('replay', *B, '-c', temp('wrong.setkey', text), '-r',
                capture(name + '.pcap'))
        self.assertEqual(p.returncode, 1)
        self.assertIn('DROP icv-bad', p.stdout)

    def test_errors(self):
        name = 'esp-tp4-aes128cbc-sha1'
        cut = octets(capture(name + '.pcap'))[:3000]
        for args, what in (
                (B, 'needed'),
                (('--local', '192.0.2.300', *files(name)), '192.0.2.300'),
                ((*B, '--expect', 'x', *files(name)), '--forward'),
                ((*B, '--mtu', '9', *files(name)), '--mtu'),
                ((*B, '--profile', 'netbsd', *files(name)), 'netbsd'),
                ((*B, '-s', 'net.inet.ipsec.def_policy=3', *files(name)),
                 'def_policy'),
                ((*B, '-s', 'nonsense', *files(name)), 'nonsense'),
                ((*B, *files(name)[:2], '-r', temp('cut.pcap', cut)),
                 'cut.pcap'),
                ((*B, '-c', '/no/such', '-r', capture(name + '.pcap')),
                 '/no/such'),
                ((*B, '--profile', 'freebsd-2017',
                  *files('esp-tp4-ccm128_16')), 'freebsd-2017')):
            p = run('replay', *args)
            self.assertEqual(p.returncode, 2, args)
            self.assertEqual(p.stderr.count('\n'), 1, p.stderr)
            self.assertIn(what, p.stderr)


if __name__ == '__main__':
    unittest.main()
