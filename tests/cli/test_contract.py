"""What people's scripts depend on: names, forms, exit statuses.

The golden files pin forms and names.  What they say of packets is held to the
captures' truth by test_replay.py.
"""
import os
import re
import shlex
import subprocess
import unittest

from common import PROGRAM, TOP, capture, jsonl, octets, run

GOLDEN = os.path.join(TOP, 'tests', 'golden')


def golden(name):
    return octets(os.path.join(GOLDEN, name)).decode()


class Names(unittest.TestCase):
    """Tables grow at their end; no name changes or goes."""

    def grows(self, name, now):
        was = golden(name).splitlines()
        self.assertEqual(now[:len(was)], was)
        self.assertEqual(len(set(now)), len(now))

    def test_reasons(self):
        lines = jsonl(run('reasons', '--json').stdout)
        self.assertEqual(lines[0],
                         {'schema': 'ipsecsim-reasons', 'version': 1})
        rows = lines[1:-1]
        self.assertEqual(lines[-1]['summary']['reasons'], len(rows))
        self.grows('reasons.txt', [r['reason'] for r in rows])
        for r in rows:
            self.assertRegex(r['reason'], r'^[a-z0-9]+(-[a-z0-9]+)*$')
            self.assertEqual(sorted(r), sorted([
                'reason', 'verdict', 'clause', 'esp', 'ah', 'ipcomp',
                'errno', 'text']))
            self.assertNotRegex(r['text'], r'[^.]\.$')
        text = run('reasons').stdout
        for r in rows:
            self.assertIn(r['text'], text)

    def test_switches(self):
        rows = jsonl(run('profiles', '--json').stdout)[1:-1]
        now = [r['switch'] for r in rows]
        was = [line.split(' ', 1) for line in
               golden('profiles.txt').splitlines()]
        self.assertEqual(now[:len(was)], [w[0] for w in was])
        for row, (_, values) in zip(rows, was):
            # Words are added behind the ones that were.
            self.assertTrue(row['values'].startswith(values), row)
        for row in rows:
            self.assertEqual(list(row['profiles']), [
                'observer', 'manual', 'freebsd-2017', 'freebsd-13',
                'rfc2401', 'rfc4301', 'linux'])
            for value in row['profiles'].values():
                if row['values'] == 'number':
                    self.assertRegex(value, r'^\d+$')
                else:
                    self.assertIn(value, row['values'].split('|'), row)

    def test_every_switch_and_value_can_be_set(self):
        base = ('replay', '-q', '-c', capture('ah-tp4-sha1.setkey'), '-r',
                capture('ah-tp4-sha1.pcap'))
        for row in jsonl(run('profiles', '--json').stdout)[1:-1]:
            values = row['values'].split('|')
            for v in ['7'] if values == ['number'] else values:
                p = run(*base, '--switch', f"{row['switch']}={v}")
                self.assertNotEqual(p.returncode, 2, p.stderr)
        for profile in ('observer', 'manual', 'freebsd-2017', 'freebsd-13',
                        'rfc2401', 'rfc4301', 'linux'):
            p = run(*base, '--profile', profile)
            self.assertNotEqual(p.returncode, 2, p.stderr)

    def test_algorithms(self):
        rows = jsonl(run('crypto', 'list', '--json').stdout)[1:-1]
        self.grows('crypto.txt', [r['algorithm'] for r in rows])
        # Every name that the vectors' README lists has a row.
        families = {r['family'] for r in rows}
        for name in ('null des-cbc 3des-cbc aes-cbc aes-ctr camellia-cbc '
                     'camellia-ctr cast128-cbc blowfish-cbc twofish-cbc '
                     'serpent-cbc aes-gcm aes-ccm aes-gmac '
                     'chacha20-poly1305 hmac-md5 hmac-sha1 hmac-sha224 '
                     'hmac-sha256 hmac-sha384 hmac-sha512 hmac-ripemd160 '
                     'aes-xcbc-mac aes-cmac aes-xcbc-prf-128 '
                     'aes-cmac-prf-128 deflate tcp-md5 skipjack-cbc '
                     'keyed-md5 keyed-sha1').split():
            self.assertIn(name, families)


class Forms(unittest.TestCase):
    def test_text(self):
        p = run('replay', '-c', capture('esp-tn44-gcm128_16.setkey'), '-r',
                capture('esp-tn44-gcm128_16.neg.pcap'))
        self.assertEqual(p.stdout, golden('replay-neg.txt'))

    def test_json(self):
        p = run('replay', '--json', '-c',
                capture('ah-tp4-frag-sha256.setkey'), '-r',
                capture('ah-tp4-frag-sha256.pcap'))
        self.assertEqual(p.stdout, golden('replay-frag.jsonl'))

    def test_help_and_version(self):
        self.assertRegex(run('--version').stdout, r'^ipsecsim \d+\.\d+\.\d+$')
        top = run('--help')
        self.assertEqual(top.returncode, 0)
        for command in ('replay', 'explain', 'check', 'reasons', 'profiles',
                        'sysctl', 'stats'):
            self.assertIn(command, top.stdout)
            p = run(command, '--help')
            self.assertEqual((p.returncode, p.stderr), (0, ''))
            self.assertIn('usage: ipsecsim ' + command, p.stdout)

    def test_unknown_words_are_exit_2(self):
        for args in ((), ('frobnicate',), ('reasons', 'x'),
                     ('profiles', '--x'), ('crypto',), ('crypto', 'x'),
                     ('crypto', 'list', 'x')):
            p = run(*args)
            self.assertEqual(p.returncode, 2, args)
            self.assertNotEqual(p.stderr, '')


class Output(unittest.TestCase):
    def test_what_cannot_be_written_is_no_success(self):
        """Exit 3 and one line, whatever the command."""
        c = capture('esp-tn44-gcm128_16')
        for args in (['reasons'], ['reasons', '--json'], ['profiles'],
                     ['crypto', 'list'], ['sysctl', '-a'], ['stats'],
                     ['--help'], ['check', c + '.json'],
                     ['replay', '-q', '-c', c + '.setkey', '-r',
                      c + '.pcap']):
            with open('/dev/full', 'w') as full:
                p = subprocess.run([PROGRAM, *args], stdout=full,
                                   stderr=subprocess.PIPE, text=True)
            self.assertEqual(p.returncode, 3, args)
            self.assertEqual(len(p.stderr.splitlines()), 1, (args, p.stderr))


class Readme(unittest.TestCase):
    """Every command that the README shows runs; what it prints is shown."""

    TEXT = octets(os.path.join(TOP, 'README.md')).decode()

    def test_commands(self):
        commands = re.findall(r'^    (build/ipsecsim .*)$', self.TEXT, re.M)
        self.assertGreaterEqual(len(commands), 4)
        for command in commands:
            words = shlex.split(command)
            shell = ' '.join([shlex.quote(PROGRAM)] + words[1:])
            p = subprocess.run(shell, shell=True, cwd=TOP, timeout=120,
                               capture_output=True, text=True)
            self.assertIn(p.returncode, (0, 1), (command, p.stderr))
            self.assertEqual(p.stderr, '', command)

    def test_the_verdicts_shown_are_the_ones_printed(self):
        block = re.search(r'```\n(frame .*?)```', self.TEXT, re.S).group(1)
        real = golden('replay-neg.txt').splitlines()
        for line in block.splitlines():
            if line != '...':
                self.assertIn(line, real)

    def test_the_counts_shown_are_the_ones_printed(self):
        row = re.search(r'\(53 files\) \| (\d+) \| (\d+) \|', self.TEXT)
        cap = re.search(r'itself did \| (\d+) \| (\d+) \|', self.TEXT)
        rec = re.search(r'of recordings \| (\d+) \| (\d+) \|', self.TEXT)
        checks = re.findall(r'^    build/ipsecsim (check .*)$', self.TEXT,
                            re.M)
        sums = []
        for c in checks:
            p = subprocess.run(f'{shlex.quote(PROGRAM)} {c}', shell=True,
                               cwd=TOP, capture_output=True, text=True)
            sums.append(jsonl(p.stdout)[-1]['summary'])
        self.assertEqual([int(x) for x in row.groups()],
                         [sums[0]['cases'], sums[0]['pass']])
        for got, want in zip((cap, rec), sums[1:]):
            self.assertEqual([int(x) for x in got.groups()],
                             [want['cases'], want['pass']])


if __name__ == '__main__':
    unittest.main()
