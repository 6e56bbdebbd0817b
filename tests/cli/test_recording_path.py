"""Steps of recordings in which packets move: every case passes, and a copy of
one with anything changed that the stack does not choose freely fails.
"""
import copy
import json
import os
import unittest

from common import TOP, jsonl, load, run, temp

FREEBSD = os.path.join(TOP, 'vectors', 'freebsd')
MOVING = ['outbound-algorithms', 'outbound-sizes', 'outbound-misc',
          'policy-selection', 'sysctl-effects', 'socket-policy', 'natt',
          'options-fragments', 'inbound', 'manual-bugs', 'scenarios']


def one(name, case_id):
    root = load(os.path.join(FREEBSD, name + '.json'))
    case = next(c for c in root['cases'] if c['id'] == case_id)
    return dict(root, cases=[copy.deepcopy(case)])


def check(root):
    p = run('check', temp('recording.json', json.dumps(root)))
    got = [x for x in jsonl(p.stdout) if 'case' in x]
    return got[0]


def steps(root, op):
    return [s for s in root['cases'][0]['steps'] if s['op'] == op]


def flip(digits, octet, bit=0x10):
    raw = bytearray.fromhex(digits)
    raw[octet] ^= bit
    return raw.hex()


class Recordings(unittest.TestCase):
    def test_every_case_passes(self):
        p = run('check', *(os.path.join(FREEBSD, n + '.json')
                           for n in MOVING))
        self.assertEqual(p.returncode, 0)
        total = jsonl(p.stdout)[-1]['summary']
        self.assertEqual(total['pass'], total['cases'])
        self.assertGreaterEqual(total['cases'], 1030)
        self.assertEqual(total['unsupported'], 0)


class Spoiled(unittest.TestCase):
    def fails(self, root, *words):
        x = check(root)
        self.assertEqual(x['result'], 'fail', x)
        for w in words:
            self.assertIn(w, x['why'])

    def every_octet(self, name, case_id, op, n=0):
        root = one(name, case_id)
        step = steps(root, op)[n]
        packet = step['emitted'][0]['packet']
        for i in range(len(packet) // 2):
            step['emitted'][0]['packet'] = flip(packet, i)
            self.fails(root, 'emitted/0/packet')

    def test_every_octet_of_a_protected_packet(self):
        self.every_octet('outbound-misc', 'flags-esp-aes-cbc-128-0-4', 'send')
        self.every_octet('outbound-misc', 'seq-v6', 'send')
        self.every_octet('natt', 'out-transport-null-4500-31001', 'send')
        self.every_octet('outbound-misc', 'ttl-ah-6in4', 'inject', 2)

    def test_every_octet_of_a_clear_packet(self):
        """But TCP's first number, which is the stack's choice and hides
        itself in the checksum."""
        root = one('policy-selection', 'mss-v4-None-None-None')
        step = steps(root, 'tcp-connect')[0]
        packet = step['emitted'][0]['packet']
        for i in range(len(packet) // 2):
            step['emitted'][0]['packet'] = flip(packet, i)
            self.fails(root, 'emitted/0/packet')

    def test_where_it_went(self):
        root = one('outbound-misc', 'seq-v4')
        steps(root, 'send')[0]['emitted'][0]['if'] = 'red0'
        self.fails(root, 'emitted/0/if: recorded red0, model blk1')

    def test_more_or_less_packets(self):
        for change in (lambda e: e.pop(), lambda e: e.append(e[0])):
            root = one('outbound-misc', 'seq-v4')
            change(steps(root, 'send')[1]['emitted'])
            self.fails(root, 'emitted: recorded')

    def test_counters(self):
        root = one('outbound-misc', 'seq-v4')
        delta = steps(root, 'send')[0]['counters_delta']
        delta['net.inet.esp.stats']['esps_output'] += 1
        self.fails(root, 'esps_output: recorded +2, model +1')
        del delta['net.inet.esp.stats']['esps_output']
        self.fails(root, 'esps_output: recorded +0, model +1')
        root = one('outbound-misc', 'seq-v4')
        delta = steps(root, 'send')[0]['counters_delta']
        delta['net.inet.esp.stats']['esps_new'] = 1
        self.assertEqual(check(root)['result'], 'unsupported')

    def test_errno(self):
        root = one('outbound-misc', 'seq-v4')
        steps(root, 'send')[0]['errno'] = 65
        self.fails(root, 'errno: recorded 65, model 0')

    def test_what_comes_of_time(self):
        """An advance shows what a send shows (README, Schema)."""
        root = one('outbound-misc', 'seq-v4')
        here = root['cases'][0]['steps']
        here.append({'op': 'advance', 'seconds': 1})
        self.assertEqual(check(root)['result'], 'pass')
        packet = steps(root, 'send')[0]['emitted'][0]
        for member, value, words in (
                ('emitted', [packet], 'emitted: recorded 1, the model 0'),
                ('delivered', [{}], 'delivered: recorded 1, the model 0'),
                ('counters_delta', {'net.inet.ip.stats': {'ips_total': 1}},
                 'ips_total: recorded +1, model +0')):
            here[-1] = {'op': 'advance', 'seconds': 1, member: value}
            self.fails(root, words)

    def test_fragments_whose_time_is_over(self):
        """ip_reass.c keeps them for 30 seconds, and counts each."""
        root = one('options-fragments', 'in-frag-esp-v4')
        here = root['cases'][0]['steps']
        first = next(i for i, s in enumerate(here)
                     if s['op'] == 'inject' and int(s['packet'][12:14], 16)
                     & 0x20)
        timeout = {'net.inet.ip.stats': {'ips_fragtimeout': 1}}
        del here[first + 1:]
        here.append({'op': 'advance', 'seconds': 29})
        here.append({'op': 'advance', 'seconds': 1,
                     'counters_delta': timeout})
        self.assertEqual(check(root)['result'], 'pass', check(root))
        del here[-1]['counters_delta']
        self.fails(root, 'ips_fragtimeout: recorded +0, model +1')

    def test_deliveries(self):
        for member, value, words in (
                ('payload', '00', 'delivered/0/payload'),
                ('from', '192.0.2.3', 'delivered/0/from'),
                ('from_port', 1, 'delivered/0/from_port'),
                ('socket', 'udp4:9001', 'delivered/0')):
            root = one('socket-policy', 'sock-v4-ipsec-in-nopolicy')
            step = next(s for s in steps(root, 'inject')
                        if s.get('delivered'))
            step['delivered'][0][member] = value
            self.fails(root, words)

    def test_hooks(self):
        for member, value in (('pfil', 'inet6'), ('dir', 'in'), ('if', 'red0'),
                              ('packet', None)):
            root = one('sysctl-effects', 'enc0-1-3-3')
            hook = steps(root, 'inject')[0]['pfil'][1]
            hook[member] = value or flip(hook['packet'], 10)
            self.fails(root, 'pfil/1/' + member)

    def test_enc0(self):
        for member in ('ipackets', 'ibytes', 'opackets', 'obytes'):
            root = one('sysctl-effects', 'enc0-1-3-3')
            steps(root, 'enc0-counters')[0][member] += 1
            self.fails(root, member + ': recorded')
        root = one('sysctl-effects', 'enc0-1-3-3')
        steps(root, 'enc0')[0]['up'] = 0
        self.fails(root, 'pfil')

    def test_acquires(self):
        root = one('policy-selection', 'blockacq-2-5')
        step = steps(root, 'send')[0]
        step['pfkey_received'][0] = flip(step['pfkey_received'][0], 20)
        self.fails(root, 'pfkey_received/0')
        del step['pfkey_received']
        self.fails(root, 'pfkey_received: recorded 0')


class Malformed(unittest.TestCase):
    def test_members(self):
        for op, member, value in (('send', 'to', 'nowhere'),
                                  ('send', 'to', None),
                                  ('send', 'to_port', 'x'),
                                  ('send', 'payload', '0'),
                                  ('send', 'socket', None)):
            root = one('outbound-misc', 'seq-v4')
            step = steps(root, op)[0]
            step[member] = value
            self.assertEqual(check(root)['result'], 'error', member)
        root = one('outbound-misc', 'seq-v4')
        steps(root, 'send')[0]['socket'] = 'sctp4:1'
        self.assertEqual(check(root)['result'], 'unsupported')
        for member, value, result in (('packet', 'zz', 'error'),
                                      ('if', None, 'error'),
                                      ('if', 'em9', 'unsupported')):
            root = one('sysctl-effects', 'enc0-1-3-3')
            steps(root, 'inject')[0][member] = value
            self.assertEqual(check(root)['result'], result, member)
        root = one('sysctl-effects', 'enc0-1-3-3')
        steps(root, 'enc0')[0]['up'] = 'yes'
        self.assertEqual(check(root)['result'], 'error')

    def test_octets_that_are_no_packet(self):
        for packet in ('', '45', '60' * 39, '45' * 20, 'ff' * 64):
            root = one('outbound-misc', 'seq-v4')
            steps(root, 'send')[0]['emitted'][0]['packet'] = packet
            self.assertEqual(check(root)['result'], 'fail', packet)


if __name__ == '__main__':
    unittest.main()
