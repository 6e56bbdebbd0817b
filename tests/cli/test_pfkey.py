"""The PF_KEY codec against messages of real kernels.

Linux 6.1 (vectors/captures/pfkey) and FreeBSD 13 (vectors/freebsd): what is
decoded is encoded again to the same octets, what is no message is told.
"""
import glob
import json
import os
import subprocess
import unittest

from common import CAPTURES, PROGRAM, TOP, jsonl, load, octets, run, temp


def words(hexed):
    """Octets that the header states."""
    return int.from_bytes(bytes.fromhex(hexed)[4:6], 'little') * 8


def whole(hexed):
    """Lengths of header and extensions fit (some requests are broken on
    purpose, and X_PROMISC passes them on)."""
    raw = bytes.fromhex(hexed)
    if len(raw) < 16 or words(hexed) != len(raw):
        return False
    off = 16
    while off < len(raw):
        n = int.from_bytes(raw[off:off + 2], 'little') * 8
        if n == 0 or off + n > len(raw):
            return False
        off += n
    return True


def linux_messages():
    return [octets(f).hex() for f in
            sorted(glob.glob(os.path.join(CAPTURES, 'pfkey', '*.bin')))]


def freebsd_messages(accepted=True):
    """Everything the kernel said, and the requests it took (or did not)."""
    out = []
    for case in load(os.path.join(TOP, 'vectors', 'freebsd',
                                  'pfkey-exchanges.json'))['cases']:
        for s in case['steps']:
            if s['op'] != 'pfkey':
                continue
            if (s['send_errno'] == 0) == accepted:
                out.append(s['request'])
            if accepted:
                out += s['replies']
    return out


def decode(messages, *options):
    path = temp('messages.hex', '\n'.join(messages))
    return run('pfkey', 'decode', '--json', *options, path)


def encode(lines, *options):
    text = '\n'.join(json.dumps(x) for x in lines)
    p = subprocess.run([PROGRAM, 'pfkey', 'encode', *options, '-'],
                       input=text, capture_output=True, text=True)
    return p, p.stdout.split()


class Identity(unittest.TestCase):
    """[PFKEY-2-01] [PFKEY-2.1-01] [PFKEY-2.2-01] [PFKEY-2.2-02]
    [PFKEY-2.3.1-01] [PFKEY-2.3.4-05]"""

    def same(self, dialect, messages):
        messages = [m for m in messages if whole(m)]
        for i in range(0, len(messages), 300):
            part = messages[i:i + 300]
            p = decode(part, '--show-keys', '--dialect', dialect)
            got = jsonl(p.stdout)[1:-1]
            self.assertEqual(p.stderr, '')
            self.assertEqual(len(got), len(part))
            q, back = encode(got, '--dialect', dialect)
            self.assertEqual((q.returncode, q.stderr), (0, ''))
            self.assertEqual(back, part)
            # [PFKEY-2-01] The other byte order says the same.
            q, turned = encode(got, '--dialect', dialect, '--order', 'be')
            p = decode(turned, '--show-keys', '--dialect', dialect,
                       '--order', 'be')
            self.assertEqual(jsonl(p.stdout)[1:-1], got)
        return len(messages)

    def test_linux(self):
        self.assertGreaterEqual(self.same('linux', linux_messages()), 160)

    def test_freebsd(self):
        self.assertGreaterEqual(self.same('freebsd', freebsd_messages()),
                                1500)

    def test_pieces_are_named(self):
        """Nearly nothing is left as raw octets."""
        p = decode([m for m in freebsd_messages() if whole(m)],
                   '--show-keys')
        exts = [e for m in jsonl(p.stdout)[1:-1] for e in m['exts']]
        raw = [e for e in exts if 'tail' in e]
        self.assertLess(len(raw), len(exts) / 100)


class Fields(unittest.TestCase):
    ADD = next(m for m in freebsd_messages() if m.startswith('0203')
               and whole(m) and len(m) > 200)

    def test_an_add_reads_as_its_octets_say(self):
        m = jsonl(decode([self.ADD], '--show-keys').stdout)[1]
        raw = bytes.fromhex(self.ADD)
        self.assertEqual(m['type'], 'ADD')
        self.assertEqual(m['seq'], int.from_bytes(raw[8:12], 'little'))
        sa = next(e for e in m['exts'] if e['ext'] == 'SA')
        at = next(i for i in range(16, len(raw), 8)
                  if raw[i:i + 4] == b'\2\0\1\0')
        self.assertEqual(int(sa['spi'], 16),
                         int.from_bytes(raw[at + 4:at + 8], 'big'))
        self.assertEqual(sa['replay'], raw[at + 8])
        src = next(e for e in m['exts'] if e['ext'] == 'ADDRESS_SRC')
        self.assertIn(src['addrs'][0]['family'], (2, 28))

    def test_keys_are_hidden(self):
        shown = jsonl(decode([self.ADD], '--show-keys').stdout)[1]
        keys = [e['key'] for e in shown['exts'] if 'key' in e]
        self.assertTrue(any(len(k) >= 16 for k in keys))
        for options in ((), ('--dialect', 'netbsd')):
            hidden = decode([self.ADD], *options).stdout
            text = run('pfkey', 'decode', self.ADD).stdout
            for k in keys:
                if len(k) >= 16:
                    self.assertNotIn(k, hidden)
                    self.assertNotIn(k, text)
        p, _ = encode(jsonl(decode([self.ADD]).stdout))
        self.assertEqual(p.returncode, 2)
        self.assertIn('--show-keys', p.stderr)

    def test_dialects_differ_by_table(self):
        """The same numbers have other names [facts of the headers]."""
        for dialect, name in (('freebsd', 'X_SPDADD'), ('netbsd', 'X_SPDADD'),
                              ('linux', 'X_SPDADD'), ('openbsd',
                                                      'X_GRPSPIS')):
            m = jsonl(decode(['020e0000020000000100000002000000'],
                             '--dialect', dialect).stdout)[1]
            self.assertEqual(m['type'], name)
        m = jsonl(decode(['020a0002020000000100000002000000'],
                         '--dialect', 'openbsd').stdout)[1]
        self.assertEqual(m['satype'], 'esp')


class Broken(unittest.TestCase):
    """[PFKEY-2.1-03] [PFKEY-2.3-05]"""

    def test_every_truncation_is_told(self):
        full = Fields.ADD
        for n in range(2, len(full), 2):
            p = run('pfkey', 'decode', full[:n])
            self.assertEqual(p.returncode, 1, n)
            self.assertEqual(len(p.stderr.splitlines()), 1)
            self.assertIn('octet', p.stderr)

    def test_every_length_field_is_checked(self):
        raw = bytearray.fromhex(Fields.ADD)
        off, offsets = 16, [4]
        while off < len(raw):
            offsets.append(off)
            off += int.from_bytes(raw[off:off + 2], 'little') * 8
        for at in offsets:
            for v in (0, 0xffff):
                bad = bytearray(raw)
                bad[at:at + 2] = v.to_bytes(2, 'little')
                self.assertEqual(run('pfkey', 'decode',
                                     bad.hex()).returncode, 1)

    def test_usage(self):
        for args in ((), ('frob',), ('decode',), ('decode', '--x', '00'),
                     ('decode', '--dialect', 'plan9', '00'),
                     ('decode', '--order', 'pdp', '00'),
                     ('decode', '/no/such/file'),
                     ('encode', '/no/such/file')):
            p = run('pfkey', *args)
            self.assertEqual(p.returncode, 2, args)
            self.assertEqual(len(p.stderr.splitlines()), 1)
        p, _ = encode(['x'])
        self.assertEqual(p.returncode, 2)
        p, _ = encode([{'type': 'ADD', 'exts': [{'ext': 'NOSUCH'}]}])
        self.assertIn('NOSUCH', p.stderr)


if __name__ == '__main__':
    unittest.main()
