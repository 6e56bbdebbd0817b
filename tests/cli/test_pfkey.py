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

    def test_the_line_of_a_bad_message_is_named(self):
        """Of hexadecimal text, also of a message over several lines."""
        add = Fields.ADD
        path = temp('cut.hex', '\n'.join(['', add, add[:40], add[40:], '',
                                          add[:-16]]) + '\n')
        p = run('pfkey', 'decode', path)
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stderr, 'ipsecsim: %s:6: octet 4: sadb_msg_len is '
                         'not the length of the message\n' % path)
        path = temp('odd.hex', add + '\n' + add[:-1] + '\n\n')
        p = run('pfkey', 'decode', path)
        self.assertEqual(p.returncode, 2)
        self.assertEqual(p.stderr, 'ipsecsim: %s:2: an odd number of '
                         'hexadecimal digits\n' % path)

    def test_an_empty_file_is_told(self):
        path = temp('empty', '')
        for verb in ('decode', 'encode', 'lint', 'play'):
            p = run('pfkey', verb, path)
            self.assertEqual((p.returncode, p.stderr),
                             (2, 'ipsecsim: %s: empty\n' % path), verb)
            self.assertEqual((run('pfkey', verb, TOP).returncode,
                              run('pfkey', verb, TOP).stderr),
                             (2, 'ipsecsim: %s: Is a directory\n' % TOP))

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
                     ('encode', '/no/such/file'), ('lint',), ('play',),
                     ('lint', '--state', '00'), ('play', '--all', '00'),
                     ('lint', '--profile', 'freebsd-99', '00'),
                     ('lint', '--profile'), ('play', '--now', 'x', '-'),
                     ('lint', '/no/such/file'), ('play', '/no/such/file')):
            p = run('pfkey', *args)
            self.assertEqual(p.returncode, 2, args)
            self.assertEqual(len(p.stderr.splitlines()), 1)
        p, _ = encode(['x'])
        self.assertEqual(p.returncode, 2)
        p, _ = encode([{'type': 'ADD', 'exts': [{'ext': 'NOSUCH'}]}])
        self.assertIn('NOSUCH', p.stderr)


def flip(digits, octet, bit=1):
    raw = bytearray.fromhex(digits)
    raw[octet] ^= bit
    return raw.hex()


class Lint(unittest.TestCase):
    """[PFKEY-2.1-02] [PFKEY-2.1-03] [PFKEY-2.1-04] [PFKEY-2.3-01]
    [PFKEY-2.3-03] [PFKEY-2.3.3-01]"""

    def lint(self, *args):
        return jsonl(run('pfkey', 'lint', '--json', *args).stdout)

    def test_a_good_message(self):
        p = run('pfkey', 'lint', Fields.ADD)
        self.assertEqual((p.returncode, p.stderr), (0, ''))
        self.assertEqual(p.stdout.count('\n'), 1)
        got = self.lint(Fields.ADD)
        self.assertEqual(got[0], {'schema': 'ipsecsim-pfkey-lint',
                                  'version': 1, 'profile': 'manual'})
        self.assertEqual(got[1]['findings'], [])
        self.assertEqual(got[-1], {'summary': {'messages': 1,
                                               'findings': 0}})

    def test_the_field_the_errno_and_how(self):
        bad = flip(Fields.ADD, 0)
        p = run('pfkey', 'lint', bad)
        self.assertEqual(p.returncode, 1)
        self.assertEqual(len(p.stdout.splitlines()), 1)
        for word in ('argument: octet 0: freebsd: sadb_msg.version: EINVAL '
                     'in the answer: ', 'RFC 2367'):
            self.assertIn(word, p.stdout)
        f = self.lint(bad)[1]['findings'][0]
        self.assertEqual((f['rule'], f['offset'], f['ext'], f['field'],
                          f['errno'], f['how']),
                         ('HDR_VERSION', 0, None, 'version', 'EINVAL',
                          'answer'))

    def test_four_kernels_differ(self):
        """A datagram one octet short."""
        got = self.lint('--all', Fields.ADD[:-2])[1:-1]
        self.assertEqual([(x['dialect'], x['findings'][0]['errno'],
                           x['findings'][0]['how']) for x in got],
                         [('freebsd', 'EINVAL', 'send'),
                          ('netbsd', 'EINVAL', 'answer'),
                          ('openbsd', 'EINVAL', 'send'),
                          ('linux', 'EMSGSIZE', 'send')])

    def test_every_recorded_request(self):
        """The first finding is the recorded errno; lines are datagrams."""
        steps = [s for c in load(os.path.join(
            TOP, 'vectors', 'freebsd', 'pfkey-exchanges.json'))['cases']
            for s in c['steps'] if s['op'] == 'pfkey' and s['request']]
        path = temp('requests.hex', '\n'.join(s['request'] for s in steps))
        got = self.lint('--profile', 'freebsd-13', path)[1:-1]
        self.assertEqual(len(got), len(steps))
        found = 0
        for x, s in zip(got, steps):
            if not x['findings']:
                self.assertEqual(s['send_errno'], 0)
                continue
            found += 1
            f = x['findings'][0]
            number = {'EINVAL': 22, 'EOPNOTSUPP': 45, 'ENOBUFS': 55,
                      'EPROTONOSUPPORT': 43, 'EAFNOSUPPORT': 47}[f['errno']]
            self.assertEqual(
                (s['send_errno'], s.get('reply_errno') or 0),
                (number, 0) if f['how'] == 'send' else (0, number), x)
        self.assertGreater(found, 120)
        self.assertEqual([x['line'] for x in got],
                         list(range(1, len(steps) + 1)))

    def test_messages_of_a_kernel(self):
        reply = next(m for m in freebsd_messages()
                     if m.startswith('0207') and len(m) > 64)
        p = run('pfkey', 'lint', '--from-kernel', reply)
        self.assertEqual(p.returncode, 0, p.stdout)
        p = run('pfkey', 'lint', '--from-kernel', Fields.ADD)
        self.assertEqual(p.returncode, 1)
        self.assertIn('KEY_', p.stdout)
        self.assertIn('does not send', p.stdout)

    def test_raw_files_are_split(self):
        """Each message of the file by its header's length."""
        raw = bytes.fromhex(Fields.ADD) + bytes.fromhex(flip(Fields.ADD, 0))
        p = run('pfkey', 'lint', temp('two.bin', raw))
        self.assertEqual(p.returncode, 1)
        self.assertIn('two.bin: octet %d' % (len(Fields.ADD) // 2),
                      p.stdout)

    def test_no_key_is_shown(self):
        raw = bytes.fromhex(Fields.ADD)
        for octet in range(0, len(raw), 3):
            out = run('pfkey', 'lint', '--all',
                      flip(Fields.ADD, octet)).stdout
            m = jsonl(decode([Fields.ADD], '--show-keys').stdout)[1]
            for e in m['exts']:
                if len(e.get('key', '')) >= 16:
                    self.assertNotIn(e['key'], out)

    def test_unreadable(self):
        p = run('pfkey', 'lint', temp('odd.hex', 'abc\n'))
        self.assertEqual(p.returncode, 2)
        self.assertIn('odd.hex:1:', p.stderr)
        p = run('pfkey', 'lint', temp('empty', ''))
        self.assertEqual(p.returncode, 2)


REGISTER = '02070003020000000100000092100000'
DUMP = '020a0000020000000100000092100000'
FLUSH = '02090000020000000100000092100000'


class Play(unittest.TestCase):
    """[PFKEY-1.4-02] [PFKEY-1.4-05] [PFKEY-3.1.10-01]"""

    def play(self, text, *options):
        p = run('pfkey', 'play', '--json', *options,
                temp('play.hex', text))
        self.assertEqual((p.returncode, p.stderr), (0, ''))
        return jsonl(p.stdout)

    def test_a_recorded_case(self):
        """The same answers as the kernel's, decoded."""
        path = os.path.join(TOP, 'vectors', 'freebsd',
                            'pfkey-exchanges.json')
        case = next(c for c in load(path)['cases']
                    if c['id'] == 'pfkey-flush2')
        p = run('pfkey', 'play', '--json', '--show-keys', '--profile',
                'freebsd-13', '--now', '3', '--case', case['id'], path)
        self.assertEqual(p.returncode, 0)
        got = jsonl(p.stdout)
        self.assertEqual(got[1], {'case': 'pfkey-flush2'})
        events = [x for x in got if 'event' in x]
        self.assertEqual(len(events), len(case['steps']))
        for x, s in zip(events, case['steps']):
            self.assertEqual(x['errno'], s['send_errno'])
            want = jsonl(decode(s['replies'], '--show-keys').stdout)[1:-1]
            self.assertEqual([r['message'] for r in x['received']], want)

    def test_what_a_promiscuous_socket_hears(self):
        """The message within, and that it was wrapped; keys hidden there,
        too."""
        on = '020b000102000000' + 8 * '00'
        text = '2:%s\n1:%s\n1:%s\n' % (on, Fields.ADD, DUMP)
        events = [x for x in self.play(text) if 'event' in x]
        got = [[(r['socket'], r['message'].get('type'),
                 r.get('wrapped', False)) for r in x['received']]
               for x in events]
        self.assertEqual(got[0][-2:], [(2, 'X_PROMISC', True),
                                       (2, 'X_PROMISC', False)])
        self.assertEqual(got[1], [(1, 'ADD', False), (2, 'ADD', True),
                                  (2, 'ADD', False)])
        self.assertEqual(got[2], [(1, 'DUMP', False), (2, 'DUMP', True)])
        self.assertEqual(events[2]['received'][0]['message'],
                         events[2]['received'][1]['message'])
        p = run('pfkey', 'play', temp('play.hex', text))
        self.assertIn('  2 < X_PROMISC of DUMP version=2', p.stdout)
        self.assertNotIn('fault', p.stdout)
        self.assertEqual(p.stdout.count('key_octets='), 4)

    def test_sockets_and_time(self):
        add = Fields.ADD
        got = self.play('# two sockets\n2:\n1: %s\n@ 5\n  %s\n2:%s\n' %
                        (add, DUMP, FLUSH), '--now', '1000')
        events = [x for x in got if 'event' in x]
        self.assertEqual([x.get('socket') for x in events],
                         [1, None, 1, 2])
        # ADD is told to all, DUMP to its asker, FLUSH to all.
        self.assertEqual([[r['socket'] for r in x['received']]
                          for x in events], [[1, 2], [], [1], [1, 2]])
        self.assertEqual(events[1]['seconds'], 5)
        cur = next(e for e in events[2]['received'][0]['message']['exts']
                   if e['ext'] == 'LIFETIME_CURRENT')
        self.assertEqual(cur['addtime'], 1000)

    def test_send_fails(self):
        got = self.play('0207\n')
        self.assertEqual((got[1]['errno'], got[1]['errno_name'],
                          got[1]['received']), (22, 'EINVAL', []))

    def test_all_inputs_say_the_same(self):
        messages = [REGISTER, Fields.ADD, DUMP]
        want = self.play('\n'.join(messages))
        raw = run('pfkey', 'play', '--json', temp(
            'play.bin', b''.join(bytes.fromhex(m) for m in messages)))
        self.assertEqual(jsonl(raw.stdout), want)
        lines = decode(messages, '--show-keys').stdout
        j = run('pfkey', 'play', '--json', temp('play.jsonl', lines))
        self.assertEqual(jsonl(j.stdout), want)
        root = {'schema': 'ipsec-recording', 'version': 1, 'cases': [
            {'id': 'x', 'steps': [{'op': 'pfkey', 'request': m}
                                  for m in messages]}]}
        r = run('pfkey', 'play', '--json', temp('play.json',
                                                json.dumps(root)))
        self.assertEqual([x for x in jsonl(r.stdout) if 'case' not in x],
                         want)

    def test_runs_are_the_same(self):
        getspi = next(m for m in freebsd_messages()
                      if m.startswith('0201') and m[4:6] == '00')
        self.assertEqual(self.play(getspi), self.play(getspi))

    def test_state(self):
        got = self.play(Fields.ADD, '--state')
        state = {x['state']: x['messages'] for x in got if 'state' in x}
        self.assertEqual(sorted(state), ['sad', 'spd'])
        self.assertEqual([m['type'] for m in state['sad']], ['DUMP'])
        self.assertEqual(state['spd'], [])
        text = run('pfkey', 'play', '--state',
                   temp('play.hex', Fields.ADD)).stdout
        self.assertIn('state=mature', text)

    def test_keys_are_hidden(self):
        m = jsonl(decode([Fields.ADD], '--show-keys').stdout)[1]
        keys = [e['key'] for e in m['exts'] if len(e.get('key', '')) >= 16]
        self.assertTrue(keys)
        text = '%s\n%s\n%s\n' % (Fields.ADD, DUMP, Fields.ADD[:-16])
        path = temp('keys.hex', text)
        for options in ((), ('--json',), ('--state',)):
            out = run('pfkey', 'play', *options, path).stdout
            for k in keys:
                self.assertNotIn(k, out)
        out = run('pfkey', 'play', '--json', '--show-keys', path).stdout
        self.assertIn(keys[0], out)

    def test_bad_input(self):
        for text in ('xyz\n', '@ x\n', '@\n', '0: 00\n', '65: 00\n',
                     'a: 00\n', '000\n', '{"type": 5\n',
                     '{"type": "ADD", "exts": [{"ext": "NOSUCH"}]}\n'):
            p = run('pfkey', 'play', temp('bad.hex', '\n' + text))
            self.assertEqual(p.returncode, 2, text)
            self.assertEqual(len(p.stderr.splitlines()), 1, text)
            self.assertIn('bad.hex:2: ', p.stderr)
        path = os.path.join(TOP, 'vectors', 'freebsd', 'scenarios.json')
        p = run('pfkey', 'play', '--case', 'nosuch', path)
        self.assertEqual(p.returncode, 2)
        self.assertIn('nosuch', p.stderr)
        p = run('pfkey', 'play', temp('empty', ''))
        self.assertEqual(p.returncode, 2)

    def test_what_is_not_played_is_said(self):
        path = os.path.join(TOP, 'vectors', 'freebsd', 'scenarios.json')
        p = run('pfkey', 'play', '--case', 'rekey', path)
        self.assertEqual(p.returncode, 0)
        self.assertIn('(inject is not played)', p.stdout)


if __name__ == '__main__':
    unittest.main()
