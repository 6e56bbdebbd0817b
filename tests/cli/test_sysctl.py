"""ipsecsim sysctl and stats: forms, errors, and the recorded kernel."""
import os
import re
import unittest

from common import TOP, jsonl, load, octets, run, temp

GOLDEN = os.path.join(TOP, 'tests', 'golden')
PROFILES = ('observer', 'manual', 'freebsd-2017', 'freebsd-13', 'rfc2401',
            'rfc4301', 'linux')


def golden(name):
    return octets(os.path.join(GOLDEN, name)).decode()


def recording():
    return load(os.path.join(TOP, 'vectors', 'freebsd', 'sysctl.json'))


class Show(unittest.TestCase):
    def test_all_of_every_profile(self):
        for profile in PROFILES:
            p = run('sysctl', '-a', '--profile', profile)
            self.assertEqual((p.returncode, p.stderr), (0, ''))
            self.assertEqual(p.stdout, golden(f'sysctl-{profile}.txt'))

    def test_the_recorded_kernel(self):
        want = [f"{v['name']}: {v['default']}\n"
                for v in recording()['variables'] if 'default' in v]
        p = run('sysctl', '-a', '--profile', 'freebsd-13')
        self.assertEqual(p.stdout, ''.join(want))

    def test_the_manual_is_the_default(self):
        self.assertEqual(run('sysctl', '-a').stdout,
                         golden('sysctl-manual.txt'))

    def test_names_and_nodes(self):
        p = run('sysctl', 'net.inet.ipsec.ecn', 'net.enc.in')
        self.assertEqual(p.stdout, 'net.inet.ipsec.ecn: 0\n'
                         'net.enc.in.ipsec_filter_mask: 1\n'
                         'net.enc.in.ipsec_bpf_mask: 1\n')
        self.assertEqual(run('sysctl', '-n', 'net.key.spi_trycnt').stdout,
                         '1000\n')

    def test_descriptions(self):
        p = run('sysctl', '-d', 'net.key')
        rows = jsonl(run('sysctl', '--json', 'net.key').stdout)[1:-1]
        self.assertEqual(p.stdout, ''.join(
            f"{r['name']}: {r['effect']}\n" for r in rows))
        self.assertEqual(len(rows), 12)

    def test_statistics(self):
        for v in recording()['variables']:
            if v['type'] != 'opaque':
                continue
            size = v['size']
            p = run('sysctl', v['name'])
            self.assertEqual(p.stdout, f"{v['name']}: Format:I Length:{size} "
                             f"Dump:0x{'00' * 16}...\n")
            p = run('sysctl', '-x', v['name'])
            self.assertEqual(p.stdout, f"{v['name']}: Format:I Length:{size} "
                             f"Dump:0x{'00' * size}\n")
            p = run('sysctl', f"{v['name']}=0")
            self.assertEqual(p.stdout, f"{v['name']}: zeroed\n")
        shown = run('sysctl', '-ao').stdout.splitlines()
        self.assertEqual(sum('Length' in line for line in shown), 5)

    def test_json(self):
        lines = jsonl(run('sysctl', '-a', '--json', '--profile',
                          'freebsd-13').stdout)
        self.assertEqual(lines[0], {'schema': 'ipsecsim-sysctl', 'version': 1,
                                    'profile': 'freebsd-13'})
        rows = lines[1:-1]
        self.assertEqual(lines[-1], {'summary': {'variables': len(rows)}})
        self.assertEqual([r['name'] for r in rows],
                         [v['name'] for v in recording()['variables']])
        for r, v in zip(rows, recording()['variables']):
            self.assertEqual(r['type'], v['type'])
            self.assertEqual(r['writable'], v['writable'])
            if v['type'] == 'opaque':
                self.assertEqual(r['length'], v['size'])
            else:
                self.assertEqual(r['value'], v['default'])
            self.assertTrue({'oid', 'clause', 'effect', 'page'} <= set(r))
        row = jsonl(run('sysctl', '--json', '-x', 'net.inet.ah.stats')
                    .stdout)[1]
        self.assertEqual(row['octets'], '00' * 280)

    def test_switches(self):
        p = run('sysctl', '--switch', 'sysctl-regression=on',
                'net.inet.ipsec.test_replay')
        self.assertEqual(p.stdout, 'net.inet.ipsec.test_replay: 0\n')


class Set(unittest.TestCase):
    def test_in_their_order(self):
        p = run('sysctl', 'net.inet.ipsec.ecn=1', 'net.inet.ipsec.ecn=0x7',
                'net.inet.ipsec.ecn', 'net.inet.ipsec.ecn=-1')
        self.assertEqual(p.stdout, 'net.inet.ipsec.ecn: 0 -> 1\n'
                         'net.inet.ipsec.ecn: 1 -> 7\n'
                         'net.inet.ipsec.ecn: 7\n'
                         'net.inet.ipsec.ecn: 7 -> -1\n')

    def test_every_recorded_write(self):
        for w in recording()['writes']:
            if 'write' not in w:
                continue
            name = w['name']
            p = run('sysctl', '--profile', 'freebsd-13', '--json',
                    f"{name}={w['write']}")
            if w['errno'] == 0:
                row = jsonl(p.stdout)[1]
                self.assertEqual((p.returncode, row['value']),
                                 (0, w['reads_back']))
                continue
            self.assertEqual((p.returncode, p.stderr), (2, {
                1: f"ipsecsim sysctl: oid '{name}' is read only\n",
                22: f"ipsecsim sysctl: {name}={w['write']}: "
                    'Invalid argument\n'}[w['errno']]))

    def test_two_names_of_one_variable(self):
        args = ('net.inet6.ipsec6.def_policy=0', 'net.inet.ipsec.def_policy')
        for profile, value in (('manual', 1), ('freebsd-13', 0)):
            p = run('sysctl', '-n', '--profile', profile, *args)
            self.assertEqual(p.stdout, f'0\n{value}\n')

    def test_file(self):
        conf = temp('sysctl.conf', '# a comment\n\n'
                    ' net.inet.ipsec.dfbit = 2 # copy\r\n'
                    'net.key.debug=0x10')
        p = run('sysctl', '-n', '-f', conf, 'net.inet.ipsec.dfbit',
                'net.key.debug')
        self.assertEqual((p.returncode, p.stdout), (0, '2\n16\n2\n16\n'))
        p = run('sysctl', '-f', '-', 'net.key.debug',
                stdin='net.key.debug=3\n')
        self.assertEqual(p.stdout,
                         'net.key.debug: 0 -> 3\nnet.key.debug: 3\n')


class Errors(unittest.TestCase):
    def refused(self, args, text, **kw):
        p = run('sysctl', *args, **kw)
        self.assertEqual((p.returncode, p.stderr),
                         (2, 'ipsecsim sysctl: ' + text + '\n'), args)

    def test_arguments(self):
        for args, text in (
                (('x',), "unknown oid 'x'"),
                (('net.inet.ipsec.nope=1',),
                 "unknown oid 'net.inet.ipsec.nope'"),
                (('--profile', 'freebsd-13',
                  'net.inet.ipsec.ah_offsetmask'),
                 "unknown oid 'net.inet.ipsec.ah_offsetmask'"),
                (('net.key=1',), "oid 'net.key' isn't a leaf node"),
                (('',), "unknown oid ''"),
                (('=1',), "unknown oid ''"),
                (('net.key.debug=',), "net.key.debug: invalid integer ''"),
                (('net.key.debug=1x',),
                 "net.key.debug: invalid integer '1x'"),
                (('net.key.debug=99999999999999999999',),
                 "net.key.debug: invalid integer '99999999999999999999'"),
                (('net.key.debug=2147483648',),
                 'net.key.debug=2147483648: Invalid argument'),
                (('net.inet.ipsec.def_policy=2',),
                 'net.inet.ipsec.def_policy=2: Invalid argument'),
                (('\x1b[0m',), "unknown oid '\\x1b[0m'"),
                (('-z', 'net.key'), 'unknown option -z'),
                (('-', 'net.key'), 'unknown option -'),
                (('--nope',), 'unknown option --nope'),
                (('-f',), 'an argument is missing after -f'),
                (('--profile', 'x', '-a'), 'unknown profile x'),
                (('--switch', 'x', '-a'), 'no such switch or value '
                 '(ipsecsim profiles lists them): x'),
                ((), '-a, -f or a name is missing (--help tells more)'),
                (('-n',), '-a, -f or a name is missing (--help tells more)')):
            self.refused(args, text)

    def test_files(self):
        for text, line, why in (
                (b'net.key.debug=1\nnet.nope=1\n', 2,
                 "unknown oid 'net.nope'"),
                (b'\n\nnet.key.debug\n', 3,
                 'name=value expected: net.key.debug'),
                (b'net.key.debug=a\n', 1,
                 "net.key.debug: invalid integer 'a'"),
                (b'net.inet.ipsec.def_policy=7', 1,
                 'net.inet.ipsec.def_policy=7: Invalid argument'),
                (b'net.key.debug=1\0\n', 1, 'a NUL octet')):
            conf = temp('bad.conf', text)
            self.refused(('-f', conf), f'{conf}:{line}: {why}')
        self.refused(('-f', '/nonexistent/x'),
                     '/nonexistent/x: No such file or directory')
        self.refused(('-f', '/'), '/: Is a directory')

    def test_what_stood_before_is_printed(self):
        p = run('sysctl', 'net.key.debug=1', 'net.nope=1')
        self.assertEqual((p.returncode, p.stdout),
                         (2, 'net.key.debug: 0 -> 1\n'))


class Stats(unittest.TestCase):
    def test_text(self):
        p = run('stats')
        self.assertEqual((p.returncode, p.stderr), (0, ''))
        self.assertEqual(p.stdout, golden('stats.txt'))

    def test_json(self):
        lines = jsonl(run('stats', '--json').stdout)
        self.assertEqual(lines[0],
                         {'schema': 'ipsecsim-stats', 'version': 1})
        rows = lines[1:-1]
        self.assertEqual(lines[-1], {'summary': {'counters': len(rows)}})
        for r in rows:
            self.assertEqual(list(r), ['counter', 'protocol', 'sysctl',
                                       'places', 'netstat', 'counts'])
            self.assertNotEqual(r['counts'], '')
            self.assertNotIn('%', r['netstat'])
        # 276 numbers of struct espstat (size of the recorded variable).
        self.assertEqual(8 * sum(r['places'] for r in rows
                                 if r['protocol'] == 'esp'), 2208)

    def test_every_recorded_counter_is_listed(self):
        known = {(r['sysctl'], r['counter'])
                 for r in jsonl(run('stats', '--json').stdout)[1:-1]}
        seen = 0
        for name in ('inbound', 'outbound-algorithms', 'natt'):
            data = load(os.path.join(TOP, 'vectors', 'freebsd',
                                     name + '.json'))
            for case in data['cases']:
                for step in case['steps']:
                    for node, fields in step.get('counters_delta',
                                                 {}).items():
                        for field in fields:
                            field = re.sub(r'\[\d+\]$', '', field)
                            self.assertIn((node, field), known)
                            seen += 1
        self.assertGreater(seen, 1000)

    def test_one_protocol(self):
        for proto in ('ipsec', 'ipsec6', 'esp', 'ah', 'ipcomp', 'pfkey',
                      'ip', 'ip6', 'udp', 'icmp', 'icmp6', 'tcp'):
            rows = jsonl(run('stats', '--json', '-p', proto).stdout)[1:-1]
            self.assertEqual({r['protocol'] for r in rows}, {proto})

    def test_errors(self):
        for args, text in ((('x',), 'unknown argument x'),
                           (('-p',), 'an argument is missing after -p'),
                           (('-p', 'x'), 'unknown protocol x')):
            p = run('stats', *args)
            self.assertEqual((p.returncode, p.stderr),
                             (2, f'ipsecsim stats: {text}\n'))


if __name__ == '__main__':
    unittest.main()
