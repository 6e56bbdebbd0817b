"""`ipsecsim replay` against the truth of the captures, and its contracts."""
import os
import struct
import unittest

from common import (capture, jsonl, names, octets, pcap, read_pcap, run, scratch,
                    sidecar, temp)


def replay(config, cap, *options):
    p = run('replay', '--json', '-c', config, '-r', cap, *options)
    lines = jsonl(p.stdout)
    return p, lines[0], lines[1:-1], lines[-1]['summary']


class Truth(unittest.TestCase):
    """Every capture, with either kind of configuration."""

    def counts_add_up(self, p, frames, summary):
        self.assertEqual(summary['frames'], len(frames))
        for key in ('verdicts', 'reasons'):
            self.assertEqual(sum(summary[key].values()), len(frames))
        self.assertEqual([f['frame'] for f in frames],
                         list(range(1, len(frames) + 1)))
        drops = sum(f['verdict'] == 'drop' for f in frames)
        self.assertEqual(summary['verdicts']['drop'], drops)
        self.assertEqual(p.returncode, 1 if drops else 0)

    def test_frames(self):
        for name in names():
            truth = sidecar(name)['frames']
            for end in ('.setkey', '.json'):
                p, head, frames, summary = replay(capture(name + end),
                                                  capture(name + '.pcap'))
                self.assertEqual(head['schema'], 'ipsecsim-replay')
                self.assertEqual(head['profile'], 'observer')
                self.assertEqual(len(frames), len(truth), name)
                self.counts_add_up(p, frames, summary)
                for got, want in zip(frames, truth):
                    self.frame(name, got, want)

    def frame(self, name, got, want):
        where = (name, want['n'])
        self.assertEqual(got['verdict'], want['verdict'], where)
        if want['verdict'] != 'accept':
            self.assertNotIn('inner', got, where)
            self.assertIn('completed_by', got, where)
            return
        self.assertEqual(got['inner'], want['inner'], where)
        self.assertEqual(len(got['layers']), len(want['layers']), where)
        for g, w in zip(got['layers'], want['layers']):
            for member, value in w.items():
                if member == 'cpi':
                    value = f'{value:#06x}'
                self.assertEqual(g.get(member), value, (*where, member))
        self.assertEqual(got['reason'], 'ok' if want['layers'] else
                         'not-compressed', where)

    def test_negatives(self):
        for name in names():
            truth = sidecar(name).get('negative')
            if not truth:
                continue
            p, _, frames, summary = replay(capture(name + '.setkey'),
                                           capture(name + '.neg.pcap'))
            self.counts_add_up(p, frames, summary)
            self.assertEqual(len(frames), len(truth), name)
            for got, want in zip(frames, truth):
                if 'needs' in want or want['verdict'] in ('unspecified',
                                                          'should-drop'):
                    continue
                self.assertEqual(got['verdict'], want['verdict'],
                                 (name, want))
                if want['verdict'] == 'accept' and 'inner' in want:
                    self.assertEqual(got['inner'], want['inner'],
                                     (name, want))

    # What the captures say was done to a packet, and the reason that fits.
    REASONS = {
        'replay of the previous packet': {'replayed'},
        'last ICV bit flipped': {'icv-bad'},
        'first ICV bit flipped': {'icv-bad'},
        'IV changed': {'icv-bad'},
        'SPI unknown': {'no-sa'},
        'SPI zero': {'no-sa'},
        'sequence number 0': {'seq-zero'},
        'ESP header only': {'bad-length'},
        'ESP header cut after 6 bytes': {'bad-length'},
        'AH header cut after 8 bytes': {'bad-length'},
        'AH without ICV': {'bad-length'},
        'AH payload length too large': {'bad-length'},
        'frame cut short of the IP length': {'truncated'},
        'sequence = highest - window size: just left of the window':
            {'left-of-window'},
        'pad length 255 exceeds the packet; valid ICV': {'pad-length-bad'},
        'next header 59 (dummy packet)': {'dummy'},
        'tunnel SA, next header 17': {'next-header-bad'},
        'inner version nibble 15': {'inner-bad'},
        'inner IPv4 header checksum wrong': {'inner-bad'},
        'inner packet 4 bytes shorter than its own length': {'inner-bad'},
        'NAT keepalive': {'nat-keepalive'},
        'non-ESP marker: belongs to IKE': {'ike'},
        'right ESP packet on the wrong UDP port': {'encap-mismatch'},
        'ESP without the UDP header on a UDP-encapsulated SA':
            {'encap-mismatch'},
        'unknown CPI': {'no-sa'},
        'compressed data is not a DEFLATE stream': {'inflate-failed'},
        'DEFLATE stream cut short': {'inflate-failed'},
        'decompresses to more than 65535 bytes': {'inflate-too-big'},
        'IPcomp header only': {'inflate-failed', 'bad-length'},
        'source address changed': {'icv-bad'},
    }

    def test_reasons_fit(self):
        seen = set()
        for name in names():
            truth = sidecar(name).get('negative')
            # Without integrity a changed packet is only garbage.
            if not truth or 'noauth' in name or name.startswith('replay-w0'):
                continue
            _, _, frames, _ = replay(capture(name + '.setkey'),
                                     capture(name + '.neg.pcap'))
            for got, want in zip(frames, truth):
                fits = self.REASONS.get(want['what'])
                # The header cut is a matter of IKE there, or of reading IP.
                if fits is None or want['verdict'] == 'unspecified' or (
                        want['what'] == 'IV changed' and 'comp' in name):
                    continue
                # With ESN a number left of the window is read as one of the
                # next 2^32 (RFC 4303 A2.2), and its ICV fails.
                if name.startswith('esn-') and 'left' in want['what']:
                    fits = {'icv-bad'}
                self.assertIn(got['reason'], fits, (name, want))
                seen.add(want['what'])
        self.assertEqual(seen, set(self.REASONS))

    def test_should_drop_needs_strict(self):
        for name in ('esp-tn44-gcm128_16', 'natt-tp4-aes128cbc-sha1'):
            truth = sidecar(name)['negative']
            _, _, frames, _ = replay(
                capture(name + '.setkey'), capture(name + '.neg.pcap'),
                '--switch', 'strict=on')
            tried = 0
            for got, want in zip(frames, truth):
                if want['verdict'] == 'should-drop':
                    self.assertEqual(got['verdict'], 'drop', want)
                    self.assertIn(got['reason'], ('pad-bad', 'ecn-bad'))
                    tried += 1
            self.assertGreaterEqual(tried, 2)


class Output(unittest.TestCase):
    NAME = 'esp-tn44-gcm128_16'

    def args(self, *more):
        return ('replay', '-c', capture(self.NAME + '.setkey'), '-r',
                capture(self.NAME + '.pcap'), *more)

    def test_clear_packets_are_written_with_their_times(self):
        out = os.path.join(scratch.name, 'clear.pcap')
        p = run(*self.args('-w', out, '-q'))
        self.assertEqual(p.returncode, 0)
        data = octets(out)
        self.assertEqual(struct.unpack('<I', data[:4])[0], 0xa1b23c4d)
        self.assertIn(struct.unpack('<I', data[20:24])[0] & 0xffff,
                      (12, 101))
        source = read_pcap(capture(self.NAME + '.pcap'))
        clear = read_pcap(out)
        truth = [(f, s) for f, s in zip(sidecar(self.NAME)['frames'], source)
                 if f['verdict'] == 'accept']
        self.assertEqual(len(clear), len(truth))
        for got, (want, frame) in zip(clear, truth):
            self.assertEqual(got[3].hex(), want['inner'])
            self.assertEqual(got[0], frame[0])
            self.assertEqual(got[1], frame[1] * 1000)

    def test_clear_packets_to_standard_output_leave_the_report_elsewhere(self):
        out = os.path.join(scratch.name, 'clear2.pcap')
        run(*self.args('-w', out, '-q'))
        p = run(*self.args('-w', '-'), stdin=b'')
        self.assertEqual(p.returncode, 0)
        self.assertEqual(p.stdout, octets(out))
        self.assertEqual(p.stderr.decode(), run(*self.args()).stdout)

    def test_text_has_a_line_a_frame_and_a_last_one_with_counts(self):
        p = run(*self.args())
        lines = p.stdout.splitlines()
        n = len(sidecar(self.NAME)['frames'])
        self.assertEqual(len(lines), n + 2)
        self.assertTrue(lines[0].split()[0] == 'frame')
        self.assertTrue(lines[-1].startswith(f'{n} frames: '))
        self.assertNotIn('\033', p.stdout)

    def test_quiet_prints_the_summary_alone(self):
        self.assertEqual(len(run(*self.args('-q')).stdout.splitlines()), 1)

    def test_explain_names_clauses(self):
        p = run(*self.args('--explain', '--json'))
        frame = jsonl(p.stdout)[1]
        steps = [s['step'] for s in frame['steps']]
        for want in ('lookup', 'window', 'icv', 'window-move', 'padding'):
            self.assertIn(want, steps)
        for s in frame['steps']:
            self.assertRegex(s['clause'], r'RFC \d+')

    def test_a_replayed_number_names_the_frame_that_took_it(self):
        p = run('replay', '-c', capture(self.NAME + '.setkey'), '-r',
                capture(self.NAME + '.neg.pcap'))
        line = p.stdout.splitlines()[3]
        self.assertIn('DROP replayed', line)
        self.assertIn('seq 2 was taken by frame 2 (window 32, top 2)', line)
        self.assertIn('RFC 4303 3.4.3', line)
        self.assertIn('esps_replay', line)
        self.assertEqual(p.returncode, 1)

    def test_keys_are_shown_on_request_alone(self):
        key = sidecar(self.NAME)['sas'][0]['encryption']['key']
        for more in ((), ('--json',), ('--explain', '--json')):
            self.assertNotIn(key, run(*self.args(*more)).stdout)
            self.assertIn(key,
                          run(*self.args('--show-keys', *more)).stdout)

    def test_standard_input_is_a_capture(self):
        data = octets(capture(self.NAME + '.pcap'))
        p = run('replay', '--json', '-c', capture(self.NAME + '.setkey'),
                '-r', '-', stdin=data)
        self.assertEqual(p.stdout.decode(), run(*self.args('--json')).stdout)

    def test_explain_command(self):
        p = run('explain', '-c', capture(self.NAME + '.setkey'), '-r',
                capture(self.NAME + '.neg.pcap'), '-n', '3')
        self.assertIn('replayed', p.stdout)
        self.assertIn('lookup', p.stdout)
        self.assertEqual(p.returncode, 1)
        p = run('explain', '-c', capture(self.NAME + '.setkey'), '-r',
                capture(self.NAME + '.pcap'), '-n', '9999')
        self.assertEqual(p.returncode, 2)

    def test_explain_speaks_of_its_frame_alone(self):
        """Frame 3 is dropped, frame 1 before it and frame 4 are not."""
        neg = capture(self.NAME + '.neg.pcap')
        _, _, frames, _ = replay(capture(self.NAME + '.setkey'), neg)
        for n, status in ((1, 0), (3, 1), (next(
                f['frame'] for f in frames
                if f['frame'] > 3 and f['verdict'] == 'accept'), 0)):
            p = run('explain', '--json', '-c',
                    capture(self.NAME + '.setkey'), '-r', neg, '-n', str(n))
            self.assertEqual(p.returncode, status)
            lines = jsonl(p.stdout)
            self.assertEqual(lines[0]['schema'], 'ipsecsim-replay')
            self.assertEqual([x.get('frame') for x in lines[1:-1]], [n])
            self.assertEqual(lines[-1]['summary']['frames'], 1)
            self.assertEqual(sum(lines[-1]['summary']['verdicts'].values()),
                             1)

    def test_explain_of_a_fragment_says_what_became_of_it(self):
        name = 'ah-tp4-frag-sha256'
        truth = sidecar(name)['frames']
        first = next(f['n'] for f in truth if f['verdict'] == 'fragment')
        p = run('explain', '--json', '-c', capture(name + '.setkey'), '-r',
                capture(name + '.pcap'), '-n', str(first))
        line = jsonl(p.stdout)[1]
        self.assertEqual(p.returncode, 0)
        self.assertEqual(line['verdict'], 'fragment')
        self.assertGreater(line['completed_by'], first)
        self.assertTrue(line['steps'])


class Links(unittest.TestCase):
    """The same packets under other link headers get the same verdicts."""

    def test_link_types(self):
        # type: header in front of an IPv4 or an IPv6 packet
        headers = {
            0: (b'\x02\0\0\0', b'\x1c\0\0\0'),
            9: (b'\xff\x03\x00\x21', b'\xff\x03\x00\x57'),
            50: (b'\xff\x03\x00\x21', b'\x00\x57'),
            12: (b'', b''), 101: (b'', b''),
            108: (b'\0\0\0\x02', b'\0\0\0\x18'),
            109: (struct.pack('<I', 2) + bytes(8),
                  struct.pack('>I', 28) + bytes(8)),
            113: (b'\0\0\0\1\0\6\2\0\0\0\0\x0b\0\0\x08\0',
                  b'\0\0\0\1\0\6\2\0\0\0\0\x0b\0\0\x86\xdd'),
            276: (b'\x08\0' + bytes(18), b'\x86\xdd' + bytes(18)),
            1: (bytes(12) + b'\x81\0\0\x07\x08\0',
                bytes(12) + b'\x88\xa8\0\1\x81\0\0\7\x86\xdd'),
            228: (b'', None), 229: (None, b''),
        }
        for v6, name in enumerate(('esp-tn44-gcm128_16',
                                   'esp-tn66-gcm256_16')):
            frames = [x[3][14:] for x in
                      read_pcap(capture(name + '.neg.pcap'))]
            config = capture(name + '.setkey')
            _, _, want, _ = replay(config, capture(name + '.neg.pcap'))
            for linktype, pair in headers.items():
                if pair[v6] is None:
                    continue
                path = temp('link.pcap', pcap(
                    linktype, [pair[v6] + f for f in frames]))
                _, _, got, _ = replay(config, path)
                # The link trailer of an Ethernet frame is no part of it.
                self.assertEqual(
                    [(f['verdict'], f['reason'], f.get('inner'))
                     for f in got],
                    [(f['verdict'], f['reason'], f.get('inner'))
                     for f in want], (name, linktype))

    def test_what_is_no_ip_is_bypassed(self):
        arp = bytes(12) + b'\x08\x06' + bytes(28)
        p, _, frames, _ = replay(capture('esp-tn44-gcm128_16.setkey'),
                                 temp('arp.pcap', pcap(1, [arp])))
        self.assertEqual(frames[0]['reason'], 'not-ip')
        self.assertEqual(p.returncode, 0)

    def test_a_capture_that_cut_a_frame_cannot_judge_it(self):
        frame = read_pcap(capture('esp-tn44-gcm128_16.pcap'))[0][3]
        path = temp('snap.pcap', pcap(1, [(0, 0, len(frame), frame[:60])]))
        _, _, frames, _ = replay(capture('esp-tn44-gcm128_16.setkey'), path)
        self.assertEqual((frames[0]['verdict'], frames[0]['reason']),
                         ('unjudged', 'snaplen'))

    def test_not_even_when_it_cut_the_link_header(self):
        """From no octet at all on, whatever the link type."""
        frame = read_pcap(capture('esp-tn44-gcm128_16.pcap'))[0][3]
        for linktype, header in ((1, frame[:14]), (101, b''),
                                 (108, b'\0\0\0\x02'),
                                 (113, bytes(14) + b'\x08\0')):
            whole = header + frame[14:]
            cuts = list(range(len(header) + 1)) + [len(whole) - 1]
            path = temp('snap.pcap', pcap(linktype, [
                (0, 0, len(whole), whole[:n]) for n in cuts]))
            _, _, frames, _ = replay(capture('esp-tn44-gcm128_16.setkey'),
                                     path)
            self.assertEqual([f['reason'] for f in frames],
                             ['snaplen'] * len(cuts), linktype)


class Waiting(unittest.TestCase):
    """Frames behind a fragment whose end is not known yet."""

    def test_more_than_can_wait(self):
        """Time stands still: the queue is bounded, nothing is lost."""
        def ip(ident, off, data):
            return struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(data),
                               ident, off, 64, 17, 0, bytes((10, 0, 0, 1)),
                               bytes((10, 0, 0, 2))) + data

        def summed(p):
            s = sum(struct.unpack('>10H', p[:20]))
            s = (s & 0xffff) + (s >> 16)
            s = (s & 0xffff) + (s >> 16)
            return p[:10] + struct.pack('>H', 0xffff - s) + p[12:]
        first = summed(ip(7, 0x2000, bytes(16)))
        last = summed(ip(7, 2, bytes(8)))
        plain = summed(ip(8, 0, bytes(8)))
        n = 70000
        path = temp('many.pcap', pcap(101, [
            (0, 0, len(p), p)
            for p in [first] + [plain] * n + [last]]))
        p, _, frames, summary = replay(capture('esp-tn44-gcm128_16.setkey'),
                                       path)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual([f['frame'] for f in frames],
                         list(range(1, n + 3)))
        self.assertEqual(summary['frames'], n + 2)
        self.assertEqual(sum(summary['reasons'].values()), n + 2)
        self.assertEqual(frames[0]['reason'], 'fragment')
        self.assertNotIn('completed_by', frames[0])


class BadInput(unittest.TestCase):
    CONFIG, CAPTURE = (capture('esp-tn44-gcm128_16.setkey'),
                       capture('esp-tn44-gcm128_16.pcap'))

    def fails(self, args, *words):
        p = run('replay', *args)
        self.assertEqual(p.returncode, 2, p.stdout + p.stderr)
        self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)
        for w in words:
            self.assertIn(w, p.stderr)
        return p

    def test_usage(self):
        self.fails(['-c', self.CONFIG], '-r')
        self.fails(['-r', self.CAPTURE], '-c')
        self.fails(['-c', self.CONFIG, '-r', self.CAPTURE, '--nope'],
                   '--nope')
        self.fails(['-c'], '-c')
        self.fails(['-c', self.CONFIG, '-r', self.CAPTURE, '--switch',
                    'strict=maybe'], 'strict=maybe')
        self.fails(['-c', self.CONFIG, '-r', self.CAPTURE, '--profile',
                    'solaris'], 'solaris')

    def test_the_input_is_not_written_over(self):
        data = octets(self.CAPTURE)
        path = temp('own.pcap', data)
        for out in (path, os.path.join(scratch.name, '.', 'own.pcap')):
            self.fails(['-c', self.CONFIG, '-r', path, '-w', out],
                       'own.pcap')
        with open(path, 'rb') as f:
            self.assertEqual(f.read(), data)

    def test_missing_files(self):
        self.fails(['-c', '/no/such', '-r', self.CAPTURE], '/no/such')
        self.fails(['-c', self.CONFIG, '-r', '/no/such'], '/no/such')

    def test_not_a_capture(self):
        self.fails(['-c', self.CONFIG, '-r', self.CONFIG],
                   'not a capture')
        self.fails(['-c', self.CONFIG, '-r', temp('empty', b'')],
                   'not a capture')

    def test_unknown_link_type(self):
        self.fails(['-c', self.CONFIG, '-r', temp('l.pcap', pcap(147, []))],
                   'link type')

    def test_a_dying_capture_is_judged_up_to_its_last_frame(self):
        data = octets(self.CAPTURE)
        frames = read_pcap(self.CAPTURE)
        # In the middle of the fourth frame.
        cut = 24 + sum(16 + len(f[3]) for f in frames[:3]) + 16 + 20
        p = self.fails(['--json', '-c', self.CONFIG, '-r',
                        temp('cut.pcap', data[:cut])], 'cut.pcap',
                       'frame 3')
        lines = jsonl(p.stdout)
        self.assertEqual(len(lines), 1 + 3 + 1)
        self.assertEqual(lines[-1]['summary']['frames'], 3)

    def config(self, change):
        lines = octets(capture('esp-tp4-aes128cbc-sha1.setkey')) \
            .decode().splitlines()
        out = change(lines)
        return temp('bad.setkey', '\n'.join(out) + '\n')

    def test_typo_in_line_7(self):
        path = self.config(lambda l: l[:6] + ['spdad x;'] + l[7:])
        self.fails(['-c', path, '-r', self.CAPTURE], 'bad.setkey:7:')

    def test_key_of_the_wrong_length(self):
        path = self.config(lambda l: [
            x.replace('-E aes-cbc 0x', '-E aes-cbc 0x00') for x in l])
        self.fails(['-c', path, '-r', self.CAPTURE], 'bad.setkey:5:',
                   '16, 24 or 32', 'not 17')

    def test_unknown_algorithm(self):
        path = self.config(lambda l: [
            x.replace('aes-cbc', 'aes-cbcx') for x in l])
        self.fails(['-c', path, '-r', self.CAPTURE], 'bad.setkey:5:',
                   'aes-cbcx')

    def test_duplicate_sa(self):
        path = self.config(lambda l: l[:5] + [l[4]] + l[5:])
        self.fails(['-c', path, '-r', self.CAPTURE], 'bad.setkey:6:')

    def test_a_wrong_key_drops_every_frame(self):
        path = self.config(lambda l: [
            x.replace('-A hmac-sha1 0x', '-A hmac-sha1 0x00')[:-3] + ';'
            if x.startswith('add') else x for x in l])
        p, _, frames, _ = replay(path,
                                 capture('esp-tp4-aes128cbc-sha1.pcap'))
        self.assertEqual({f['reason'] for f in frames
                          if f['verdict'] != 'fragment'}, {'icv-bad'})
        self.assertEqual(p.returncode, 1)


if __name__ == '__main__':
    unittest.main()
