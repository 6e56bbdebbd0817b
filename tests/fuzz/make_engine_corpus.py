#!/usr/bin/env python3
"""Writes corpus/engine: recorded PF_KEY conversations as steps of fuzz_engine.

One case for each kind of conversation, the kinds being the first two words of a
case's name; GETSPI asks for its SPI by the draws of the fuzz
target, so later steps of a case may name another one.
"""
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, '..', '..', 'vectors', 'freebsd',
                      'pfkey-exchanges.json')
PROFILES = 7


def step(what, length, octets=b''):
    return struct.pack('<BH', what, length) + octets


def steps(case):
    for s in case['steps']:
        if s['op'] == 'advance':
            yield step(2, s['seconds'])
        else:
            octets = bytes.fromhex(s['request'])
            yield step(0, len(octets), octets)
            yield step(3, 0)


def main():
    out = os.path.join(HERE, 'corpus', 'engine')
    os.makedirs(out, exist_ok=True)
    with open(SOURCE) as f:
        cases = json.load(f)['cases']
    seen = set()
    for case in cases:
        kind = '-'.join(case['id'].split('-')[:2])
        if kind in seen or '(' in case['id']:
            continue
        profile = bytes([len(seen) % PROFILES])
        seen.add(kind)
        with open(os.path.join(out, case['id']), 'wb') as f:
            f.write(profile + b''.join(steps(case)))


main()
