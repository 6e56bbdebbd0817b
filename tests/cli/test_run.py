"""Scenarios: run, record, bisect, sweep."""
import glob
import json
import os
import struct
import unittest

from common import TOP, jsonl, run, temp

HOST = '''scenario 1
if red0 mtu 1500 10.1.0.1/24 2001:db8:1::1/64
if blk1 mtu 1500 192.0.2.1/24 2001:db8:b::1/64
route 10.2.0.0/16 via 192.0.2.2
route 2001:db8:2::/48 via 2001:db8:b::2
forward on
'''
KEY = '0x000102030405060708090a0b0c0d0e0f10111213'
REGISTER = '02070002020000000100000000000000'  # of AH
TUNNEL = HOST + f'''setkey add 192.0.2.1 192.0.2.2 esp 0x1000 -m tunnel \
-E null "" -A hmac-sha1 {KEY} ;
setkey spdadd 10.1.0.0/24 10.2.0.0/16 any -P out ipsec \
esp/tunnel/192.0.2.1-192.0.2.2/require ;
'''
PACKET = 'in red0 udp src=10.1.0.5:5 dst=10.2.0.7:7000 df=1 text=hello\n'
SENT = ('> transmit blk1 ip.src=192.0.2.1 ip.dst=192.0.2.2 ip.proto=50 '
        'ip.df=%d esp.spi=0x1000 esp.seq=1\n')


class Scenarios(unittest.TestCase):
    def scenario(self, text, *args, command='run'):
        return run(command, *args, temp('s.scn', text))

    def test_holds(self):
        p = self.scenario(TUNNEL + PACKET + SENT % 0)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        self.assertIn('1 expectations hold, 0 do not', p.stdout)

    def test_does_not_hold(self):
        p = self.scenario(TUNNEL + PACKET + SENT % 1)
        self.assertEqual(p.returncode, 1)
        self.assertIn(':10: ip.df is 0, not 1', p.stdout)

    def test_more_than_expected(self):
        """An event with expectations may do nothing else."""
        p = self.scenario(TUNNEL + PACKET + '> fate forwarded\n')
        self.assertEqual(p.returncode, 1, p.stdout)
        self.assertIn('transmit blk1 came of it as well', p.stdout)
        p = self.scenario(TUNNEL + PACKET + '> nothing\n')
        self.assertEqual(p.returncode, 1)

    def test_ids_stand_in_json(self):
        p = self.scenario(TUNNEL + PACKET + SENT.strip() % 0 +
                          '  [MAN-dfbit-01]\n', '--json')
        lines = jsonl(p.stdout)
        self.assertEqual(lines[0], {'schema': 'ipsecsim-run', 'version': 1})
        self.assertEqual(lines[1]['id'], 'MAN-dfbit-01')
        self.assertEqual(lines[1]['result'], 'pass')
        self.assertEqual(lines[-1]['summary']['pass'], 1)

    def test_pfkey_and_sockets(self):
        p = self.scenario(HOST + f'''keysock watcher
setkey add 192.0.2.1 192.0.2.2 esp 0x1000 -E null "" -A hmac-sha1 {KEY} ;
> pfkey watcher type=ADD SA.spi=0x00001000 errno=0
> pfkey setkey type=ADD
setkey add 192.0.2.1 192.0.2.2 esp 0x1000 -E null "" -A hmac-sha1 {KEY} ;
> pfkey setkey type=ADD errno=17
socket udp4:9000
setsockopt udp4:9000 policy4 "out bypass" unprivileged
> errno EACCES
setsockopt udp4:9000 policy4 "in ipsec esp/transport//require"
> errno 0
setsockopt udp4:9000 encap 2
getsockopt udp4:9000 encap
> value 2
sysctl net.inet.ipsec.def_policy=2
> errno EINVAL
sysctl net.inet.ipsec.dfbit=2
sysctl net.inet.ipsec.dfbit
> value 2
''')
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def test_members_of_lists(self):
        text = HOST + f'''keysock ike
pfkey ike {REGISTER}
setkey spdadd 192.0.2.1 192.0.2.2 any -P out ipsec ah/transport//require ;
out - udp src=192.0.2.1:1 dst=192.0.2.2:2 text=x
> drop no-sa-out
> pfkey ike type=ACQUIRE PROPOSAL.combs=%s PROPOSAL.combs.%s.auth=7
'''
        # SHA2-512, 384, 256, SHA-1, MD5 (key.c key_getcomb_ah).
        p = self.scenario(text % (5, 0))
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        p = self.scenario(text % (4, 0))
        self.assertIn('PROPOSAL.combs is 5, not 4', p.stdout)
        p = self.scenario(text % (5, 1))
        self.assertIn('combs.1.auth is 6, not 7', p.stdout)
        p = self.scenario(text % (5, 5))
        self.assertIn('combs.5.auth is not there', p.stdout)

    def test_first_octets_of_data(self):
        for want, status in (('0x00010203..', 0), ('0x00010204..', 1),
                             ('0x000..', 1), ('0x..', 1),
                             ('0x' + '00' * 90 + '..', 1)):
            p = self.scenario(HOST + 'in red0 udp src=10.1.0.5:5 '
                              'dst=10.2.0.7:7 len=64\n'
                              f'> transmit blk1 data={want}\n'
                              .replace('data=', 'udp.data='))
            self.assertEqual(p.returncode, status, p.stdout + p.stderr)

    def test_sent(self):
        text = TUNNEL + 'sent 192.0.2.2 esp 0x1000 %s\n' + PACKET
        p = self.scenario(text % 41 + '> transmit blk1 esp.seq=42\n')
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        for bad, what in (('x', 'expected ADDRESS esp|ah SPI NUMBER'),):
            p = self.scenario(text % bad)
            self.assertEqual(p.returncode, 2)
            self.assertIn(what, p.stderr)
        p = self.scenario(TUNNEL + 'sent 192.0.2.2 ah 0x1000 1\n')
        self.assertEqual(p.returncode, 2)
        self.assertIn(':9: there is no such SA', p.stderr)

    def test_nothing_means_logs_as_well(self):
        text = HOST + '''sysctl net.inet.ipsec.debug=%d
setkey spdadd 192.0.2.1 192.0.2.2 any -P out ipsec ah/transport//use ;
out - udp src=192.0.2.1:1 dst=192.0.2.2:2 text=x
> transmit blk1 ip.proto=17
> nothing
'''
        self.assertEqual(self.scenario(text % 0).returncode, 0)
        p = self.scenario(text % 1)
        self.assertEqual(p.returncode, 1)
        self.assertIn('log out-no-sa came of it as well', p.stdout)

    def test_record_runs_again(self):
        p = self.scenario(TUNNEL + PACKET, command='record')
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn('> fate forwarded', p.stdout)
        again = self.scenario(p.stdout)
        self.assertEqual(again.returncode, 0, again.stdout)
        self.assertIn('0 do not', again.stdout)

    def test_record_hides_keys(self):
        text = HOST + f'''setkey add 192.0.2.1 192.0.2.2 esp 0x1000 \
-E null "" -A hmac-sha1 {KEY} ;
setkey dump esp ;
'''
        p = self.scenario(text, command='record')
        shown = [x for x in p.stdout.splitlines() if x.startswith('>')]
        self.assertFalse([x for x in shown if KEY[2:] in x], shown)
        p = self.scenario(text, '--show-keys', command='record')
        shown = [x for x in p.stdout.splitlines() if x.startswith('>')]
        self.assertTrue([x for x in shown if KEY[2:] in x])

    def test_the_clock_ends_fragments(self):
        """A packet whose rest never comes [ARCH-5.2-01]; RFC 1122 3.3.2."""
        head = bytes.fromhex('45000024000720004011' '0000'
                             '0a010005' '0a010001')
        total = sum(struct.unpack('>10H', head))
        head = (head[:10] + struct.pack('>H', 0xffff - total % 0xffff) +
                head[12:])
        frag = head.hex() + '0005232800180000' '0011223344556677'
        for profile, last in (('freebsd-13', 30), ('rfc4301', 60)):
            p = self.scenario(HOST + f'in red0 {frag}\n> fate fragment\n'
                              f'after {last - 1}\n> nothing\n'
                              'after 2\n> drop frag-timeout\n'
                              '> count ips_fragtimeout=1\n',
                              '--profile', profile)
            self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def test_record_a_case(self):
        """A recorded case runs as a scenario and sends what was recorded."""
        path = os.path.join(TOP, 'vectors', 'freebsd', 'sysctl-effects.json')
        p = run('record', '--case', 'ecn-out-one-6in6-inet', path)
        self.assertEqual(p.returncode, 2)
        p = run('record', '--show-keys', '--case', 'no-such-case', path)
        self.assertEqual(p.returncode, 2)
        p = run('record', '--show-keys', '--case', 'ecn-out-one-6in6-inet',
                path)
        self.assertEqual(p.returncode, 0, p.stderr)
        with open(path) as f:
            case = next(c for c in json.load(f)['cases']
                        if c['id'] == 'ecn-out-one-6in6-inet')
        recorded = [e['packet'] for s in case['steps']
                    for e in s.get('emitted', [])]
        sent = [x.split()[3] for x in p.stdout.splitlines()
                if x.startswith('> transmit')]
        self.assertEqual(len(sent), len(recorded))
        for a, b in zip(sent, recorded):
            # NULL cipher and no free choice but the flow label.
            self.assertEqual(a[80:], b[80:])
        again = self.scenario(p.stdout)
        self.assertEqual(again.returncode, 0, again.stdout)

    def recorded(self, name, case):
        path = os.path.join(TOP, 'vectors', 'freebsd', name + '.json')
        p = run('record', '--show-keys', '--case', case, path)
        self.assertEqual(p.returncode, 0, p.stderr)
        again = self.scenario(p.stdout)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        with open(path) as f:
            case = next(c for c in json.load(f)['cases'] if c['id'] == case)
        sent = [x.split() for x in p.stdout.splitlines()
                if x.startswith('> transmit')]
        return ([bytes.fromhex(e['packet']) for s in case['steps']
                 for e in s.get('emitted', [])],
                [bytes.fromhex(x[3]) for x in sent if x[2] != 'lo0'])

    def test_record_a_case_that_sends_to_itself(self):
        a, b = self.recorded('outbound-misc', 'any-policy')
        self.assertEqual([len(x) for x in a], [len(x) for x in b])

    def test_record_a_case_that_sets_the_ttl(self):
        a, b = self.recorded('outbound-misc', 'ttl-ah-4in4')
        self.assertEqual([x[8] for x in a], [x[8] for x in b])
        self.assertIn(99, [x[8] for x in b])

    def test_variables_of_the_host(self):
        """net.inet.ip.* and net.inet6.ip6.* that lie beside IPsec's."""
        text = 'scenario 1\nif a 192.0.2.1/24\n'
        for name, first in (('net.inet.ip.ttl', 64),
                            ('net.inet6.ip6.hlim', 64),
                            ('net.inet.ip.forwarding', 0),
                            ('net.inet6.ip6.forwarding', 0),
                            ('net.inet.ip.rfc6864', 1),
                            ('net.inet.ip.random_id', 0)):
            text += (f'sysctl {name}\n> value {first}\nsysctl {name}=5\n'
                     f'> nothing\nsysctl {name}\n> value 5\n')
        p = self.scenario(text)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        p = self.scenario('scenario 1\nsysctl net.inet.ip.ttl=256\n')
        self.assertEqual(p.returncode, 2)
        self.assertIn(':2: net.inet.ip.ttl takes 0 to 255', p.stderr)

    def test_lines_about_the_host_set_no_counter_back(self):
        """The identifications of packets go on (ip_fillid)."""
        send = 'send udp4:9 192.0.2.2 9 text=a\n'
        path = temp('s.scn', 'scenario 1\nif a 192.0.2.1/24\n'
                    'socket udp4:9\n' + send + 'forward on\n' + send
                    + 'sysctl net.inet.ip.ttl=9\n' + send)
        p = run('record', path)
        sent = [bytes.fromhex(x.split()[3]) for x in p.stdout.splitlines()
                if x.startswith('> transmit')]
        ids = [int.from_bytes(x[4:6], 'big') for x in sent]
        self.assertEqual(ids, [ids[0], ids[0] + 1, ids[0] + 2])
        self.assertEqual([x[8] for x in sent], [64, 64, 9])

    def test_an_errno_without_sa(self):
        p = self.scenario('scenario 1\nif a 192.0.2.1/24\nsocket udp4:9\n'
                          'send udp4:9 10.0.0.1 9 text=a\n'
                          '> fate no-source\n> drop no-source\n'
                          '> errno ENETUNREACH\n')
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def test_bisect_expectations(self):
        p = self.scenario(TUNNEL + PACKET + SENT % 1, command='bisect')
        self.assertEqual(p.returncode, 1)
        self.assertIn(':9: in red0', p.stdout)
        self.assertIn('ip.df is 0, not 1', p.stdout)
        p = self.scenario(TUNNEL + PACKET + SENT % 0, command='bisect')
        self.assertEqual(p.returncode, 0)

    def test_bisect_profiles(self):
        """GETSPI of one free SPI is refused by the kernel's inverted test."""
        getspi = ('02010003' '0a000000' '00000000' 'd2040000'
                  '03000500ff200000' '10020000c0000201' '0000000000000000'
                  '03000600ff200000' '10020000c0000202' '0000000000000000'
                  '0200100000100000' '0010000000000000')
        text = HOST + f'keysock k\npfkey k {getspi}\n'
        p = self.scenario(text, '--profile', 'manual', '--against',
                          'freebsd-2017', command='bisect')
        self.assertEqual(p.returncode, 1, p.stdout + p.stderr)
        self.assertIn('pfkey k', p.stdout)
        p = self.scenario(HOST, '--profile', 'manual', '--against',
                          'freebsd-2017', command='bisect')
        self.assertEqual(p.returncode, 0)

    def test_sweep_shows_the_whole_bad_word(self):
        for word in ('net.inet.ipsec.dfbit=0,1x,2', 'net.inet.ipsec.ecn='):
            p = run('sweep', word, temp('s.scn', HOST))
            self.assertEqual(p.returncode, 2)
            self.assertTrue(p.stderr.endswith(' at ' + word + '\n'),
                            p.stderr)

    def test_sweep(self):
        """dfbit: 0 clears, 1 sets, 2 copies [MAN-dfbit-01]."""
        p = run('sweep', '--json', 'net.inet.ipsec.dfbit=0,1,2',
                temp('s.scn', TUNNEL + PACKET))
        self.assertEqual(p.returncode, 0, p.stderr)
        rows = jsonl(p.stdout)
        self.assertEqual(rows[0]['schema'], 'ipsecsim-sweep')
        changed = [sorted(c['field'] for c in r['changes'])
                   for r in rows[1:-1]]
        self.assertEqual(changed[0], [])
        for c in changed[1:]:
            self.assertIn('ip.df', c)
        self.assertEqual(rows[-1]['summary'],
                         {'combinations': 3, 'changed': 2})

    def test_errors_name_the_line(self):
        for text, line, what in (
                ('', 0, 'begins with'),
                ('scenario 2\n', 1, 'version'),
                ('scenario 1\n> nothing\n', 2, 'before any event'),
                ('scenario 1\nfly away\n', 2, 'no event'),
                ('scenario 1\nif\n', 2, 'takes'),
                ('scenario 1\nif red0 10.1.0.300/24\n', 2, '10.1.0.300'),
                ('scenario 1\nif red0 mtu 7\n', 2, 'mtu'),
                ('scenario 1\nprofile netbsd\n', 2, 'no profile'),
                ('scenario 1\nswitch x=y\n', 2, 'no switch'),
                ('scenario 1\nin red0 45\n', 2, 'no interface'),
                ('scenario 1\nif red0\nin red0 4x\n', 3, 'hexadecimal'),
                ('scenario 1\nif red0\nin red0 udp src=1.2.3.4\n', 3,
                 'one family'),
                ('scenario 1\nsetkey add 1.2.3.4 ;\n', 2, 'setkey:1'),
                ('scenario 1\nclose udp4:9\n', 2, 'no socket'),
                ('scenario 1\nsocket tap4:9\n', 2, 'expected'),
                ('scenario 1\nat 5\nat 4\n', 3, 'go back'),
                ('scenario 1\nfault tired\n', 2, 'tired'),
                ('scenario 1\ntitle "open\n', 2, 'quote'),
                ('scenario 1\nat 5\n> melt\n', 3, 'cannot be expected'),
                ('scenario 1\nroute 1.0.0.0/8 by 2.2.2.2\n', 2, 'via')):
            p = self.scenario(text)
            self.assertEqual(p.returncode, 2, text)
            self.assertEqual(p.stderr.count('\n'), 1, p.stderr)
            self.assertIn(what, p.stderr)
            if line:
                self.assertIn(f's.scn:{line}', p.stderr)

    def test_bad_usage(self):
        for args in (('run',), ('run', '--profile'), ('run', '/no/such'),
                     ('record',), ('sweep', temp('s.scn', HOST)),
                     ('sweep', 'x', temp('s.scn', HOST)),
                     ('sweep', 'net.x=1', temp('s.scn', TUNNEL + PACKET)),
                     ('sweep', 'net.inet.ipsec.ecn=1', temp('s.scn', HOST)),
                     ('bisect', '--against', 'none', temp('s.scn', HOST))):
            p = run(*args)
            self.assertEqual(p.returncode, 2, args)
            self.assertEqual(p.stderr.count('\n'), 1, p.stderr)

    def test_shipped_scenarios_hold(self):
        files = sorted(glob.glob(os.path.join(TOP, 'vectors', 'scenarios',
                                              '*.scn')))
        if files:
            p = run('run', '-q', *files)
            self.assertEqual(p.returncode, 0, p.stdout + p.stderr)


if __name__ == '__main__':
    unittest.main()
