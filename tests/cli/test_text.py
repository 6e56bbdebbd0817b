"""What a person is shown, and where: clauses, counters, terminals."""
import os
import pty
import re
import subprocess
import unittest

from common import (PROGRAM, capture, jsonl, octets, pcap, read_pcap, run,
                    sidecar, temp)


def neg(name, *options):
    return run('replay', '-c', capture(name + '.setkey'), '-r',
               capture(name + '.neg.pcap'), *options).stdout


class Clauses(unittest.TestCase):
    """A drop cites the document of the protocol that refused."""

    # Sections as the requirement tables of the documents have them.
    WANT = {
        'ah': {'replayed': 'RFC 4302 3.4.3', 'icv-bad': 'RFC 4302 3.4.4',
               'left-of-window': 'RFC 4302 3.4.3',
               'seq-zero': 'RFC 4302 3.3.2', 'bad-length': 'RFC 4302 2.2',
               'no-sa': 'RFC 4301 5.2'},
        'esp': {'replayed': 'RFC 4303 3.4.3', 'icv-bad': 'RFC 4303 3.4.4',
                'left-of-window': 'RFC 4303 3.4.3',
                'seq-zero': 'RFC 4303 3.3.3', 'bad-length': 'RFC 4303 2.4',
                'no-sa': 'RFC 4301 5.2'},
    }
    PREFIX = {'ah': 'ahs_', 'esp': 'esps_'}

    def test_lines(self):
        for proto, name in (('ah', 'ah-tp4-sha256'), ('ah', 'ah-tn66-sha256'),
                            ('esp', 'esp-tn44-gcm128_16')):
            seen = set()
            for line in neg(name).splitlines():
                m = re.match(r' *\d+ +[\d.]+ +(\S+) .* DROP (\S+)', line)
                if m is None or m.group(1) != proto:
                    continue
                reason = m.group(2)
                if reason in self.WANT[proto]:
                    self.assertIn('  ' + self.WANT[proto][reason] + '  ' +
                                  self.PREFIX[proto], line)
                    seen.add(reason)
            self.assertGreaterEqual(seen, {'replayed', 'icv-bad', 'no-sa'})

    def test_steps(self):
        for name, own, other in (
                ('ah-tp4-sha256', 'RFC 4302', 'RFC 4303'),
                ('esn-ah-tp4-sha256', 'RFC 4302', 'RFC 4303'),
                ('esp-tn44-gcm128_16', 'RFC 4303', 'RFC 4302')):
            p = run('replay', '--json', '--explain', '-c',
                    capture(name + '.setkey'), '-r', capture(name + '.pcap'))
            text = neg(name, '--explain')
            self.assertIn('[' + own, text)
            self.assertNotIn('[' + other, text)
            for frame in jsonl(p.stdout)[1:-1]:
                for s in frame['steps']:
                    self.assertNotIn(other, s['clause'])

    def test_a_bundle_cites_each_protocol_for_its_own_steps(self):
        p = run('replay', '--json', '--explain', '-c',
                capture('espah-tp4-aes128cbc-sha1.setkey'), '-r',
                capture('espah-tp4-aes128cbc-sha1.pcap'))
        steps = jsonl(p.stdout)[1]['steps']
        # The ESP inside has no ICV of its own there.
        clauses = [s['clause'] for s in steps
                   if s['step'] in ('icv', 'decrypt', 'padding')]
        self.assertEqual(clauses, ['RFC 4302 3.4.4', 'RFC 4303 3.4.4',
                                   'RFC 4303 2.4'])

    def test_explain_command(self):
        frames = jsonl(neg('ah-tp4-sha256', '--json'))[1:-1]
        n = next(f['frame'] for f in frames if f['reason'] == 'icv-bad')
        p = run('explain', '-c', capture('ah-tp4-sha256.setkey'), '-r',
                capture('ah-tp4-sha256.neg.pcap'), '-n', str(n))
        self.assertIn('clause RFC 4302 3.4.4', p.stdout)
        self.assertNotIn('RFC 4303', p.stdout)

    def test_a_cpi_has_four_digits(self):
        for line in neg('comp-tn44-deflate').splitlines():
            if 'DROP no-sa' in line:
                self.assertRegex(line, r'no SA for ipcomp 0x[0-9a-f]{4} > ')
                self.assertIn('ipcomps_notdb', line)
                return
        self.fail('no line')


class Terminal(unittest.TestCase):
    NAME = 'esp-tn44-gcm128_16'

    def on_a_terminal(self, args, stdout=True, stderr=False):
        """What a terminal is sent, for the streams that are one."""
        master, slave = pty.openpty()
        p = subprocess.Popen(
            [PROGRAM, *args], stdin=subprocess.DEVNULL,
            stdout=slave if stdout else subprocess.DEVNULL,
            stderr=slave if stderr else subprocess.DEVNULL)
        os.close(slave)
        out = b''
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            out += piece
        os.close(master)
        p.wait()
        return out.decode()

    def args(self, *more):
        return ['replay', '-c', capture(self.NAME + '.setkey'), '-r',
                capture(self.NAME + '.neg.pcap'), *more]

    def test_drops_are_red_on_a_terminal_alone(self):
        lines = self.on_a_terminal(self.args()).splitlines()
        plain = run(*self.args()).stdout.splitlines()
        self.assertEqual([re.sub('\033\\[[0-9;]*m', '', x) for x in lines],
                         plain)
        for line in lines[1:-1]:
            self.assertEqual('\033[1;31mDROP' in line, 'DROP' in line)
        self.assertNotIn('\033', ''.join(plain))
        self.assertNotIn('\033', self.on_a_terminal(self.args('--json')))

    def test_progress_is_shown_on_a_terminal_and_taken_away(self):
        frame = read_pcap(capture(self.NAME + '.pcap'))[0][3]
        path = temp('long.pcap', pcap(1, [frame] * 70000))
        args = ['replay', '-q', '-c', capture(self.NAME + '.setkey'), '-r',
                path]
        self.assertEqual(
            self.on_a_terminal(args, stdout=False, stderr=True),
            '\r65536 frames\r\033[K')
        self.assertEqual(run(*args).stderr, '')
        # The lines of the frames are not written over.
        both = self.on_a_terminal(args[:1] + args[2:], True, True)
        self.assertNotIn('65536 frames\r', both)


class Inputs(unittest.TestCase):
    NAME = 'esp-tn44-gcm128_16'

    def test_the_configuration_is_not_written_over(self):
        data = octets(capture(self.NAME + '.setkey'))
        path = temp('keys.setkey', data)
        link = path + '.link'
        os.symlink(path, link)
        for out in (path, link):
            p = run('replay', '-c', path, '-r', capture(self.NAME + '.pcap'),
                    '-w', out)
            self.assertEqual((p.returncode, p.stdout), (2, ''))
            self.assertEqual(len(p.stderr.splitlines()), 1)
            self.assertIn('configuration', p.stderr)
            self.assertEqual(octets(path), data)
        os.unlink(link)

    def test_options_given_twice(self):
        base = ['-c', capture(self.NAME + '.setkey'), '-r',
                capture(self.NAME + '.pcap')]
        for more in (base[:2], base[2:], ['-n', '1', '-n', '2']):
            p = run('explain', *base, *more)
            self.assertEqual(p.returncode, 2)
            self.assertIn('given twice: ' + more[0], p.stderr)

    def test_a_negative_capture_with_a_sidecar_as_configuration(self):
        for name in (self.NAME, 'ah-tp4-sha256', 'natt-tp4-aes128cbc-sha1',
                     'comp-tn44-deflate'):
            args = ['-r', capture(name + '.neg.pcap')]
            text = run('replay', '--json', '-c', capture(name + '.setkey'),
                       *args).stdout
            side = run('replay', '--json', '-c', capture(name + '.json'),
                       *args).stdout
            self.assertEqual(jsonl(text)[1:], jsonl(side)[1:], name)
            self.assertEqual(len(jsonl(side)[1:-1]),
                             len(sidecar(name)['negative']))


if __name__ == '__main__':
    unittest.main()
