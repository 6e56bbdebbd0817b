"""The scenarios of vectors/scenarios and examples/scenarios: they hold, they
reach every reason and every sysctl, and a sysctl set otherwise shows."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

from common import CAPTURES, PROGRAM, TOP, jsonl, pcap, run, temp

import test_reasons

WHERE = os.path.join(TOP, 'vectors', 'scenarios')
EXAMPLES = os.path.join(TOP, 'examples', 'scenarios')
FILES = sorted(glob.glob(os.path.join(WHERE, '*.scn')))
SYSCTL = re.compile(r'sysctl ([a-z0-9_.]+)=(\S+)$')
FREEBSD = ('freebsd-2017', 'freebsd-13')

# Reasons of whole frames, before there is a packet for a host.
FRAMES = {
    'not-ip': lambda: pcap(101, [b'\x10' + bytes(30)]),
    'link-bad': lambda: pcap(1, [b'short']),
    'snaplen': lambda: pcap(101, [(0, 0, 100, test_reasons.INNER[:22])]),
    # An SA whose key libcrypto and libgcrypt have no cipher for.
    'no-provider': lambda: pcap(101, test_reasons.CASES['no-provider']),
}

# (name, profile or None) that change nothing, and the scenario that shows it.
INERT = {
    ('net.inet.ipsec.ah_offsetmask', 'freebsd-2017'):
        'inert-ah-offsetmask-freebsd-2017',
    ('net.key.int_random', None): 'inert-int-random',
    ('net.inet.ipsec.async_crypto', None): 'inert-async-crypto',
    # Read-only: the write itself is refused whatever the value.
    ('net.key.spdcache.maxentries', None): 'inert-spdcache',
    ('net.key.spdcache.threshold', None): 'inert-spdcache',
}


def lines_of(path):
    with open(path) as f:
        return f.read().splitlines()


def profile_of(lines):
    for line in lines:
        if line.startswith('profile '):
            return line.split()[1]
    return 'manual'


def switch_of(lines, name):
    for line in lines:
        if line.startswith(f'switch {name}='):
            return line.split('=')[1]
    return None


def key_logs(value):
    """What net.key.debug says of the key engine, and of look-ups."""
    return (value & 7 if value & 0x10 else 0,
            value & 7 if value & 0x40 else 0)


def nonzero(v):
    return int(v != 0)


def classes(name, lines):
    """(class of a value, one value of each class): of two classes packets,
    messages, counters or log lines differ."""
    profile = profile_of(lines)
    freebsd = profile in FREEBSD
    last = name.rsplit('.', 1)[1]
    if last == 'def_policy':
        return (lambda v: v if v in (0, 1) else 'refused'), (0, 1, 2)
    if last.endswith('_deflev'):
        three = switch_of(lines, 'deflev-3') or (
            'use' if freebsd else 'require')
        if switch_of(lines, 'deflev-3'):
            # That scenario reads the 3 back and has no log.
            return (lambda v: v), (1, 2, 3)
        return (lambda v: {1: 'use', 2: 'require', 3: three}.get(
            v, 'rewritten')), (0, 1, 2, 3, 4)
    if last == 'dfbit':
        return (lambda v: v if v in (0, 1) else 'copy'), (0, 1, 2, 7)
    if last == 'ecn':
        if freebsd and any('at a tunnel' in x for x in lines[:3]):
            return (lambda v: 'input does not look'), (0, 1, 2)
        rule = switch_of(lines, 'ecn-encap') or (
            'freebsd' if freebsd else 'gif')
        if rule in ('copy', 'ect0'):
            return (lambda v: 'the rule does not ask'), (0, 1, 2)
        if rule == 'freebsd':
            return (lambda v: v if v in (0, 1) else 'copy'), (0, 1, 2, -1)
        return nonzero, (0, 1, 2)
    if last == 'ah_offsetmask':
        return (lambda v: v & 0x4000), (0, 0x4000)
    if last in ('ipsec_bpf_mask', 'ipsec_filter_mask'):
        bits = 7 if last == 'ipsec_bpf_mask' and profile == 'freebsd-13' \
            else 3
        return (lambda v: v & bits), (0, 1, 2, 3, 4)
    if name == 'net.key.debug':
        return key_logs, (0, 0x11, 0x12, 0x14, 0x41, 0x42, 0x44, 0x77)
    if last == 'esp_keymin':
        return (lambda v: v if v <= 257 else 'none'), (128, 256, 257, 2049)
    if last == 'ah_keymin':
        return (lambda v: sum(v > bits for bits in (160, 256, 384, 512))), \
            (128, 161, 257, 385, 513)
    if last in ('blockacq_count', 'blockacq_lifetime', 'larval_lifetime',
                'spi_minval', 'spi_maxval'):
        return (lambda v: v), None  # every number its own
    if last == 'crypto_support':
        return (lambda v: v in (0, 0x02000000, 0x03000000)), \
            (0, 5, 0x01000000, 0x02000000, 0x03000000)
    if last == 'spi_trycnt':
        return (lambda v: v), (1, 2)
    return nonzero, (0, 1)


def others(name, value, lines):
    """Values of every other class."""
    of, all_of = classes(name, lines)
    if all_of is None:
        return [value + 1, value - 1] if value > 0 else [value + 1]
    return [v for v in all_of if of(v) != of(value)]


def run_all(*paths, quiet=True):
    return run('run', '--json', *(['-q'] if quiet else []), *paths)


class Scenarios(unittest.TestCase):
    def test_all_hold(self):
        self.assertGreater(len(FILES), 460)
        p = run_all(*FILES)
        self.assertEqual(p.returncode, 0, p.stderr + '\n'.join(
            str(x) for x in jsonl(p.stdout)[1:20]))
        summary = jsonl(p.stdout)[-1]['summary']
        self.assertEqual(summary['fail'], 0)
        self.assertEqual(summary['files'], len(FILES))
        self.assertGreater(summary['pass'], 9000)

    def test_each_expects_something_and_says_whence(self):
        for path in FILES:
            lines = lines_of(path)
            self.assertTrue(any(x.startswith('>') for x in lines), path)
            self.assertTrue(any(x.startswith('# Expected values: ')
                                for x in lines), path)

    def test_requirements_exist(self):
        known = set()
        for path in glob.glob(os.path.join(TOP, 'vectors', 'requirements',
                                           '*.tsv')):
            known |= {x.split('\t')[0] for x in lines_of(path)}
        for path in FILES + glob.glob(os.path.join(EXAMPLES, '*.scn')):
            for line in lines_of(path):
                m = re.search(r'\[([A-Za-z0-9.-]+)\]$', line)
                if line.startswith('>') and m:
                    self.assertIn(m[1], known, f'{path}: {line}')

    def test_tool_writes_them(self):
        """tools/scenarios gives these files, octet for octet."""
        with tempfile.TemporaryDirectory() as where:
            subprocess.run([sys.executable, os.path.join(
                TOP, 'tools', 'scenarios'), where], check=True)
            made = sorted(os.listdir(where))
            self.assertEqual(made, [os.path.basename(f) for f in FILES])
            for name in made:
                with open(os.path.join(where, name), 'rb') as f:
                    new = f.read()
                with open(os.path.join(WHERE, name), 'rb') as f:
                    self.assertEqual(new, f.read(), name)

    def test_examples_hold(self):
        files = sorted(glob.glob(os.path.join(EXAMPLES, '*.scn')))
        self.assertGreaterEqual(len(files), 5)
        p = run_all(*files)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)


class Reasons(unittest.TestCase):
    def from_scenarios(self):
        out = set()
        for path in FILES:
            for line in lines_of(path):
                m = re.match(r'> (?:drop|fate) (\S+)', line)
                if m:
                    out.add(m[1])
        return out

    def from_captures(self):
        out = set()
        for sidecar in glob.glob(os.path.join(CAPTURES, '*.json')):
            for end in ('.pcap', '.neg.pcap'):
                path = sidecar[:-5] + end
                if os.path.exists(path):
                    p = run('replay', '-q', '--json', '-c', sidecar, '-r',
                            path)
                    out |= set(jsonl(p.stdout)[-1]['summary']['reasons'])
        return out

    def from_frames(self):
        out = set()
        for reason, frames in FRAMES.items():
            p = run('replay', '-q', '--json', '-c',
                    temp('sas.setkey', test_reasons.SAS), '-r',
                    temp('frame.pcap', frames()))
            reasons = jsonl(p.stdout)[-1]['summary']['reasons']
            self.assertEqual(list(reasons), [reason])
            out |= set(reasons)
        return out

    def test_every_row_is_reached(self):
        table = {x['reason'] for x in
                 jsonl(run('reasons', '--json').stdout)[1:-1]}
        seen = (self.from_scenarios() | self.from_captures() |
                self.from_frames())
        self.assertEqual(sorted(table - seen), [])


class Sysctls(unittest.TestCase):
    def names(self):
        out = {}
        for profile in ('manual', 'freebsd-2017', 'freebsd-13'):
            p = run('sysctl', '-a', '--json', '--profile', profile,
                    '--switch', 'sysctl-regression=on')
            self.assertEqual(p.returncode, 0, p.stderr)
            out[profile] = [x['name'] for x in jsonl(p.stdout)[1:-1]]
        return out

    def written(self):
        """(name, value, profile) of each line that writes one."""
        for path in FILES:
            lines = lines_of(path)
            for n, line in enumerate(lines):
                m = SYSCTL.match(line)
                if m:
                    yield path, lines, n, m[1], int(m[2], 0)

    @staticmethod
    def inert(name, lines):
        return INERT.get((name, None)) or INERT.get(
            (name, profile_of(lines)))

    def test_each_is_written_in_a_scenario(self):
        written = {name for _, _, _, name, _ in self.written()}
        every = {n for names in self.names().values() for n in names}
        self.assertEqual(every - written, set())
        # And none that no profile has.
        self.assertEqual({n for n in written if n not in every}, set())

    def test_each_class_of_values_is_there(self):
        have = {}
        for _, lines, _, name, value in self.written():
            of, _ = classes(name, lines)
            have.setdefault(name, set()).add(of(value))
        for name, seen in have.items():
            if (name, None) in INERT or name.endswith('stats'):
                continue
            of, all_of = classes(name, ['profile manual'])
            if all_of is None:
                continue
            for v in all_of:
                if name.rsplit('.', 1)[1] in ('esp_keymin',):
                    continue  # each number below 256 is its own
                self.assertIn(of(v), seen, f'{name}={v}')

    def test_inert_ones_have_their_scenario(self):
        for (name, _), scenario in INERT.items():
            text = '\n'.join(lines_of(os.path.join(WHERE,
                                                   scenario + '.scn')))
            self.assertIn(f'sysctl {name}=', text)

    def planted(self):
        """(file, line, value instead): each must make the scenario fail."""
        for path, lines, n, name, value in self.written():
            if self.inert(name, lines):
                continue
            if name.endswith('stats'):
                # Every write makes them zero: leave it out.
                yield path, lines, n, None
                continue
            for other in others(name, value, lines):
                yield path, lines, n, f'sysctl {name}={other}'

    def test_other_values_show(self):
        """Planted faults: a scenario with one of its sysctls set to a value
        of another class does not hold."""
        alike, count = [], 0
        with tempfile.TemporaryDirectory() as where:
            made = []
            for path, lines, n, instead in self.planted():
                new = lines[:n] + (['seed 0'] if instead is None else
                                   [instead]) + lines[n + 1:]
                name = os.path.join(where, f'{count}.scn')
                with open(name, 'w') as f:
                    f.write('\n'.join(new) + '\n')
                made.append((name, f'{os.path.basename(path)}:{n + 1}: '
                             f'{lines[n]} -> {instead}'))
                count += 1
            failed = set()
            for at in range(0, len(made), 200):
                p = run_all(*[m[0] for m in made[at:at + 200]])
                self.assertEqual(p.returncode, 1, p.stderr)
                failed |= {x['file'] for x in jsonl(p.stdout)[1:-1]}
            alike = [what for name, what in made if name not in failed]
        self.assertGreater(count, 900)
        self.assertEqual(alike, [], '\n'.join(alike))


if __name__ == '__main__':
    unittest.main()
