"""`ipsecsim check` on recordings of a FreeBSD 13 network stack.

The recordings pass, or stop at a step whose kind the program does not play and
says so; a copy with one octet changed fails and names the field.
"""
import copy
import glob
import json
import os
import unittest

from common import TOP, jsonl, load, run, temp

FREEBSD = os.path.join(TOP, 'vectors', 'freebsd')
FILES = sorted(glob.glob(os.path.join(FREEBSD, '*.json')))


def recording(name):
    return load(os.path.join(FREEBSD, name + '.json'))


PFKEY = recording('pfkey-exchanges')


def cases(p):
    return {x['case']: x for x in jsonl(p.stdout) if 'case' in x}


def one(case_id, root=PFKEY):
    """A recording of this case alone, to be spoiled."""
    case = next(c for c in root['cases'] if c['id'] == case_id)
    return dict(root, cases=[copy.deepcopy(case)])


def check(root, *options):
    p = run('check', *options, temp('recording.json', json.dumps(root)))
    got = [x for x in jsonl(p.stdout) if 'case' in x]
    return p, got[0] if got else None


def flip(digits, octet, bit=1):
    raw = bytearray.fromhex(digits)
    raw[octet] ^= bit
    return raw.hex()


def ext(message, number):
    """Where the extension of this type begins."""
    raw = bytes.fromhex(message)
    off = 16
    while int.from_bytes(raw[off + 2:off + 4], 'little') != number:
        off += int.from_bytes(raw[off:off + 2], 'little') * 8
    return off


class Recordings(unittest.TestCase):
    """[PFKEY-1.4-01] [PFKEY-1.4-02] [PFKEY-1.4-03] [PFKEY-1.6-04]
    [PFKEY-2.1-06] [PFKEY-3.1.3-01] [PFKEY-3.1.4-01] [PFKEY-3.1.5-01]
    [PFKEY-3.1.9-01] [PFKEY-3.1.10-01] [PFKEY-3.1.10-02]"""

    def test_nothing_differs(self):
        p = run('check', '-q', *FILES)
        bad = [x for x in jsonl(p.stdout) if x.get('result') in
               ('fail', 'error')]
        self.assertEqual(bad, [])
        self.assertEqual(p.stderr, '')

    def test_pfkey_exchanges_all_pass(self):
        p = run('check', os.path.join(FREEBSD, 'pfkey-exchanges.json'))
        self.assertEqual(p.returncode, 0)
        got = cases(p)
        self.assertEqual(len(got), len(PFKEY['cases']))
        self.assertGreaterEqual(len(got), 402)
        self.assertEqual({x['result'] for x in got.values()}, {'pass'})

    def test_every_variable_and_write(self):
        path = os.path.join(FREEBSD, 'sysctl.json')
        root = load(path)
        p = run('check', path)
        self.assertEqual(p.returncode, 0)
        self.assertEqual(len(cases(p)), len(root['variables']) +
                         len(root['writes']) +
                         len(root['manual_page_variables']))

    def test_large_dumps(self):
        """[MAN-bugs-04] [MAN-bugs-05] What does not fit is missing, and
        nothing says so."""
        p = run('check', os.path.join(FREEBSD, 'manual-bugs.json'))
        got = {k: v for k, v in cases(p).items() if k.startswith('dump-')}
        self.assertGreaterEqual(len(got), 21)
        self.assertEqual({x['result'] for x in got.values()}, {'pass'})

    def test_what_is_not_played_is_said(self):
        for path in FILES:
            p = run('check', '-q', path)
            for x in jsonl(p.stdout):
                if x.get('result') == 'unsupported':
                    self.assertRegex(x['why'], r'^step \d+: (op|setsockopt|'
                                     r'getsockopt|bulk) ')


class Spoiled(unittest.TestCase):
    def fails(self, root, *words):
        p, x = check(root)
        self.assertEqual((p.returncode, x['result']), (1, 'fail'), x)
        for w in words:
            self.assertIn(w, x['why'])
        return x

    def test_one_octet_of_a_reply_names_its_field(self):
        root = one('pfkey-dump-satype3')
        reply = root['cases'][0]['steps'][3]['replies'][0]
        sa, sa2 = ext(reply, 1), ext(reply, 19)
        src, cur = ext(reply, 5), ext(reply, 2)
        for octet, field in ((2, 'sadb_msg.errno'), (3, 'sadb_msg.satype'),
                             (6, 'sadb_msg.reserved'), (8, 'sadb_msg.seq'),
                             (13, 'sadb_msg.pid'), (sa + 4, 'SA.spi'),
                             (sa + 8, 'SA.replay'), (sa + 9, 'SA.state'),
                             (sa + 10, 'SA.auth'), (sa + 14, 'SA.flags'),
                             (sa2 + 4, 'X_SA2.mode'),
                             (sa2 + 12, 'X_SA2.reqid'),
                             (cur + 16, 'LIFETIME_CURRENT.addtime'),
                             (src + 4, 'ADDRESS_SRC.proto'),
                             (src + 5, 'ADDRESS_SRC.prefixlen'),
                             (src + 12, 'ADDRESS_SRC.addrs')):
            bad = copy.deepcopy(root)
            bad['cases'][0]['steps'][3]['replies'][0] = flip(reply, octet)
            self.fails(bad, 'step 3', 'replies/0', 'octet %d,' % octet,
                       field + ':', 'recorded', 'model')

    def test_values_are_shown_in_hexadecimal(self):
        root = one('pfkey-dump-satype3')
        step = root['cases'][0]['steps'][3]
        at = ext(step['replies'][0], 1) + 4
        spi = step['replies'][0][2 * at:2 * at + 8]
        step['replies'][0] = flip(step['replies'][0], at)
        x = self.fails(root)
        self.assertIn('recorded %08x, model %s' % (int(spi, 16) ^ 1 << 24,
                                                   spi), x['why'])

    def test_keys_are_hidden(self):
        root = one('pfkey-dump-satype3')
        step = root['cases'][0]['steps'][3]
        reply = step['replies'][0]
        at = ext(reply, 9) + 8
        step['replies'][0] = flip(reply, at + 3)
        p, x = check(root)
        self.assertIn('KEY_ENCRYPT.key', x['why'])
        self.assertIn('hidden', x['why'])
        for n in range(at, at + 12):
            self.assertNotIn(reply[2 * n:2 * n + 8], p.stdout)

    def test_a_reply_more_or_less(self):
        for change in (lambda r: r.append(r[0]), lambda r: r.pop()):
            root = one('pfkey-dump-satype2')
            change(root['cases'][0]['steps'][4]['replies'])
            self.fails(root, 'step 4', 'replies: recorded')

    def test_the_other_socket(self):
        root = one('pfkey-flush2')
        step = root['cases'][0]['steps'][0]
        self.assertEqual(step['other_socket_received'], 'same')
        step['other_socket_received'] = []
        self.fails(root, 'step 0', 'other_socket_received: recorded 0')
        step['other_socket_received'] = [flip(step['replies'][0], 9)]
        self.fails(root, 'other_socket_received/0', 'sadb_msg.seq')

    def test_send_errno(self):
        root = one('pfkey-hdr-short1')
        root['cases'][0]['steps'][0]['send_errno'] = 0
        self.fails(root, 'step 0: send_errno: recorded 0, model 22')

    def test_an_expire_is_missed(self):
        case = next(c for c in PFKEY['cases'] for s in c['steps']
                    if s.get('pfkey_received'))
        root = one(case['id'])
        for s in root['cases'][0]['steps']:
            if s.get('pfkey_received'):
                del s['pfkey_received']
                break
        self.fails(root, 'pfkey_received: recorded 0')

    def test_the_clock_counts(self):
        case = next(c for c in PFKEY['cases'] for s in c['steps']
                    if s.get('pfkey_received'))
        root = one(case['id'])
        for s in root['cases'][0]['steps']:
            if s['op'] == 'advance':
                s['seconds'] += 60
                break
        self.fails(root)

    def test_sysctl(self):
        root = one('spi-range-500-50f', recording('scenarios'))
        root['cases'][0]['steps'][0]['errno'] = 2
        self.fails(root, 'step 0: errno: recorded 2, model 0')
        root = dict(recording('sysctl'))
        root['writes'] = [dict(root['writes'][0], reads_back=7)]
        self.fails(dict(root, variables=[], manual_page_variables=[]),
                   'reads_back: recorded 7')

    def test_dump(self):
        for member, value in (('messages_received', 43),
                              ('bytes_received', 1), ('send_errno', 55)):
            root = one('dump-DUMP-50-0', recording('manual-bugs'))
            root['cases'][0]['steps'][1][member] = value
            self.fails(root, member + ': recorded %d' % value)
        root = one('dump-DUMP-50-0', recording('manual-bugs'))
        step = root['cases'][0]['steps'][1]
        step['last_reply'] = flip(step['last_reply'], 8)
        self.fails(root, 'last_reply: octet 8, sadb_msg.seq')
        root = one('dump-DUMP-50-0', recording('manual-bugs'))
        root['cases'][0]['steps'][0]['failed'] = 1
        self.fails(root, 'failed: recorded 1, model 0')

    def test_socket_policy(self):
        root = recording('socket-policy')
        case = next(c for c in root['cases'] for s in c['steps']
                    if s['op'] == 'getsockopt' and len(s['value_out']) > 32)
        bad = one(case['id'], root)
        for s in bad['cases'][0]['steps']:
            if s['op'] == 'getsockopt' and len(s['value_out']) > 32:
                s['value_out'] = flip(s['value_out'], 20)
                break
        self.fails(bad, 'value_out: octet 20')

    def test_the_profile_decides(self):
        """[PFKEY-3.1.1-02] A free SPI is refused by FreeBSD 13 and granted
        by the manual's kernel."""
        root = one('pfkey-getspi-1000-1000')
        self.assertEqual(check(root)[1]['result'], 'pass')
        self.assertEqual(check(root, '--profile', 'freebsd-13')[1]['result'],
                         'pass')
        p, x = check(root, '--profile', 'manual')
        self.assertEqual((p.returncode, x['result']), (1, 'fail'))


class Free(unittest.TestCase):
    """What a stack may choose is taken from the recording, and nothing
    else is."""

    def test_spi_of_getspi(self):
        root = one('spi-range-500-50f', recording('scenarios'))
        steps = [s for s in root['cases'][0]['steps'] if s['op'] == 'pfkey']
        taken = {s['replies'][0][48:56] for s in steps if s['replies']}
        free = next('%08x' % n for n in range(0x500, 0x510)
                    if '%08x' % n not in taken)
        reply = steps[0]['replies'][0]
        steps[0]['replies'][0] = reply[:40] + free + reply[48:]
        self.assertEqual(reply[40:48], reply[40:48].lower())
        self.assertEqual(check(root)[1]['result'], 'pass')
        steps[0]['replies'][0] = reply[:40] + '00000600' + reply[48:]
        self.assertEqual(check(root)[1]['result'], 'fail')

    def test_octets_that_nobody_writes(self):
        root = one('spi-range-500-50f', recording('scenarios'))
        step = next(s for s in root['cases'][0]['steps']
                    if s['op'] == 'pfkey')
        for octet in range(24, 32):
            step['replies'][0] = flip(step['replies'][0], octet, 0x40)
        self.assertEqual(check(root)[1]['result'], 'pass')
        step['replies'][0] = flip(step['replies'][0], 32)
        self.assertEqual(check(root)[1]['result'], 'fail')

    def test_ids_of_policies(self):
        case = next(c for c in PFKEY['cases']
                    if c['steps'][0].get('type') == 'X_SPDADD'
                    and c['steps'][0]['reply_errno'] == 0
                    and {s['type'] for s in c['steps']} <=
                    {'X_SPDADD', 'DUMP', 'X_SPDDUMP'})
        root = one(case['id'])
        for s in root['cases'][0]['steps']:
            for i, m in enumerate(s.get('replies', [])):
                if m[2:4] in ('0e', '0d', '14', '12') and m[4:6] == '00':
                    at = ext(m, 18) + 8
                    s['replies'][i] = m[:2 * at] + '4d000000' + \
                        m[2 * at + 8:]
            if isinstance(s.get('other_socket_received'), list):
                self.assertEqual(s['other_socket_received'], [])
        self.assertEqual(check(root)[1]['result'], 'pass')


class Unreadable(unittest.TestCase):
    def test_unknown_op(self):
        root = one('pfkey-flush2')
        root['cases'][0]['steps'].insert(2, {'op': 'reboot'})
        p, x = check(root)
        self.assertEqual((p.returncode, x['result'], x['why']),
                         (1, 'unsupported', 'step 2: op reboot'))
        p, x = check(root, '--allow-unsupported')
        self.assertEqual(p.returncode, 0)
        # What differs before it is a difference.
        reply = root['cases'][0]['steps'][1]['replies'][0]
        root['cases'][0]['steps'][1]['replies'][0] = flip(reply, 8)
        p, x = check(root, '--allow-unsupported')
        self.assertEqual((p.returncode, x['result']), (1, 'fail'))

    def error(self, change):
        root = one('pfkey-flush2')
        change(root['cases'][0])
        p, x = check(root)
        self.assertEqual((p.returncode, x['result']), (2, 'error'), x)
        self.assertEqual(len(p.stderr.splitlines()), 1)
        return x['why']

    def test_malformed_steps(self):
        def step(member, value):
            def change(case):
                if value is None:
                    del case['steps'][0][member]
                else:
                    case['steps'][0][member] = value
            return change
        self.assertIn('request', self.error(step('request', '0z')))
        self.assertIn('request', self.error(step('request', '012')))
        self.assertIn('request', self.error(step('request', None)))
        self.assertIn('send_errno', self.error(step('send_errno', None)))
        self.assertIn('replies', self.error(step('replies', 5)))
        self.assertIn('replies', self.error(step('replies', [7])))
        self.assertIn('op', self.error(step('op', None)))
        self.assertIn('other', self.error(step('other_socket_received',
                                               'others')))
        self.assertIn('seconds', self.error(
            lambda c: c['steps'].insert(0, {'op': 'advance',
                                            'seconds': -1})))
        self.error(lambda c: c.pop('steps'))
        self.error(lambda c: c.pop('id'))

    def test_no_case_is_no_success(self):
        path = temp('none.json', json.dumps(dict(PFKEY, cases=[])))
        p = run('check', path)
        self.assertEqual((p.returncode, p.stderr),
                         (2, 'ipsecsim: %s: a recording without cases\n' % path))

    def test_files(self):
        text = json.dumps(one('pfkey-flush2'))
        for n in (0, 1, 40, len(text) // 2, len(text) - 1):
            p = run('check', temp('cut.json', text[:n]))
            self.assertEqual(p.returncode, 2, n)
            self.assertEqual(len(p.stderr.splitlines()), 1)
        p = run('check', '/no/such/recording.json')
        self.assertEqual(p.returncode, 2)
        self.assertIn('/no/such/recording.json', p.stderr)
        p = run('check', temp('none.json', json.dumps(
            {'schema': 'ipsec-recording', 'version': 1})))
        self.assertEqual(p.returncode, 2)
        p = run('check', '--profile', 'freebsd-99', FILES[0])
        self.assertEqual(p.returncode, 2)
        p = run('check', '--profile')
        self.assertEqual(p.returncode, 2)


if __name__ == '__main__':
    unittest.main()
