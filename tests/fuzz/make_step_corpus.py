#!/usr/bin/env python3
"""Writes corpus/step: cases of the recordings as histories of two gateways.

The grammar is support/step_world.h's.  Some cases of each recording, one for
each kind (the first two words of its name); both hosts get the PF_KEY messages,
and what the first one sends on the wire arrives at the second, whole, changed
and twice.
"""
import json
import os
import re
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, '..', '..')
FILES = ('inbound', 'manual-bugs', 'natt', 'options-fragments',
         'outbound-algorithms', 'outbound-misc', 'policy-selection',
         'scenarios', 'socket-policy', 'sysctl-effects')
PFKEY, PACKET, CARRY, OUTPUT, SEND, CLOCK, SYSCTL = range(7)
SETOPT = 9
BOTH, THERE = 0x40, 0x80
INTERFACES = {'red0': 0, 'blk1': 1}
FREEBSD_13 = 3
A_FILE, PACKETS, LONGEST = 2, 6, 6000


def rows():
    """Names of the sysctls in the order of their table."""
    with open(os.path.join(TOP, 'model', 'ipm_sysctl.def')) as f:
        return re.findall(r'"(net\.[a-z0-9_.]+)"', f.read())


def step(what, octets):
    return struct.pack('<BH', what, len(octets)) + octets


def carry(cut=0, at=0, mask=0):
    return step(CARRY | THERE, struct.pack('<BHHB', 0, cut, at, mask))


def steps(case, names):
    packets = 0
    for s in case['steps']:
        op = s['op']
        if op == 'pfkey':
            yield step(PFKEY | BOTH, b'\x01' + bytes.fromhex(s['request']))
        elif op == 'inject' and packets < PACKETS:
            packets += 1
            yield step(PACKET, bytes([INTERFACES[s['if']]]) +
                       bytes.fromhex(s['packet']))
            yield carry()
        elif op == 'advance':
            yield step(CLOCK | BOTH, struct.pack('<H', s['seconds']))
        elif op == 'sysctl' and s['name'] in names:
            yield step(SYSCTL, struct.pack(
                '<HI', names.index(s['name']), s['value'] & 0xffffffff))
    for sock, port in ((1, 9000), (2, 9000)):
        for dst in (2, 3, 6, 7):
            yield step(SEND, struct.pack('<BBH', sock, dst, port) + b'a' * 90)
            yield carry()
            yield carry(at=40, mask=1)
            yield carry(cut=3)
    yield step(CLOCK | BOTH, struct.pack('<H', 61))


def main():
    names = rows()
    out = os.path.join(HERE, 'corpus', 'step')
    os.makedirs(out, exist_ok=True)
    for name in FILES:
        with open(os.path.join(TOP, 'vectors', 'freebsd',
                               name + '.json')) as f:
            cases = json.load(f)['cases']
        kinds = {}
        for case in cases:
            data = b''.join(steps(case, names))
            if len(data) < LONGEST and any(
                    s['op'] == 'pfkey' for s in case['steps']):
                kinds['-'.join(case['id'].split('-')[:2])] = (case['id'], data)
        for ident, data in list(kinds.values())[:A_FILE]:
            with open(os.path.join(out, ident.replace('+', '_')), 'wb') as f:
                f.write(bytes([FREEBSD_13]) + data)


main()
