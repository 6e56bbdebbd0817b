#!/usr/bin/env python3
"""Writes corpus/input: cases of the recordings as steps of fuzz_input.

One case for each kind, the kind being the first two words of its name,
mutated packets and IPcomp included; no more than 12 packets of each.
"""
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, '..', '..')
FILES = ('inbound', 'manual-bugs', 'natt', 'options-fragments',
         'policy-selection', 'scenarios', 'sysctl-effects')
INTERFACES = {'red0': 1, 'blk1': 2}
FREEBSD_13 = 3
PACKETS = 12


def variables():
    """Names of the sysctls in the order of their enum, as far as used."""
    with open(os.path.join(TOP, 'model', 'ipm_sysvar.def')) as f:
        return [line[11:line.index(',')] for line in f
                if line.startswith('IPM_SYSVAR(')]


def variable(name):
    """The enum's name of a sysctl's name."""
    last = name.rsplit('.', 1)[1].upper()
    family = '6' if 'inet6' in name else '4'
    direction = name.split('.')[2].upper() if name.startswith('net.enc') \
        else ''
    for guess in (last, last + family,
                  last.replace('IPSEC', 'ENC_' + direction)):
        if guess in ALL:
            return ALL.index(guess)
    return None


def step(what, octets):
    return struct.pack('<BH', what, len(octets)) + octets


def steps(case):
    packets = 0
    for s in case['steps']:
        op = s['op']
        if op == 'pfkey':
            yield step(0, bytes.fromhex(s['request']))
        elif op == 'inject' and packets < PACKETS:
            packets += 1
            yield step(INTERFACES[s['if']], bytes.fromhex(s['packet']))
        elif op == 'advance':
            yield step(4, bytes([min(s['seconds'], 255)]))
        elif op == 'sysctl' and variable(s['name']) is not None:
            yield step(3, bytes([variable(s['name']), s['value'] & 255]))


def main():
    out = os.path.join(HERE, 'corpus', 'input')
    os.makedirs(out, exist_ok=True)
    seen = set()
    for name in FILES:
        path = os.path.join(TOP, 'vectors', 'freebsd', name + '.json')
        with open(path) as f:
            cases = json.load(f)['cases']
        for case in cases:
            kind = (name, '-'.join(case['id'].split('-')[:2]))
            data = b''.join(steps(case))
            if kind in seen or len(data) > 12000 or not any(
                    s['op'] == 'inject' for s in case['steps']):
                continue
            seen.add(kind)
            where = os.path.join(out, case['id'].replace('+', '_'))
            with open(where, 'wb') as f:
                f.write(bytes([FREEBSD_13]) + data)


ALL = variables()
main()
