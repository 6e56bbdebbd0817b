#!/usr/bin/python3
"""Makes the seeds of corpus/ah and corpus/ipcomp.

Run from the top of the tree; the result is committed.  SAs, keys and salt are
those of fuzz_ah.c.  Needs the `cryptography` package.
"""
import hashlib
import hmac
import os
import struct
import zlib

from cryptography.hazmat.primitives.ciphers import algorithms, aead
from cryptography.hazmat.primitives.cmac import CMAC

AH, IPCOMP = 'tests/fuzz/corpus/ah/', 'tests/fuzz/corpus/ipcomp/'
SALT, IV = bytes(range(0xa0, 0xa4)), bytes(range(0x10, 0x18))
SRC4, DST4 = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
NET6 = bytes.fromhex('20010db8000000000000000000000000')
SRC6, DST6, HOP6 = (NET6[:15] + bytes([n]) for n in (1, 2, 9))
UDP = struct.pack('>HHHH', 9000, 9000, 12, 0) + b'ah!\n'


def key(n):
    return bytes(range(1, n + 1))


def keyed(name, data, block=64):
    """RFC 1828: the key, the hash's own padding, the data, the key."""
    k = key(16)
    order = 'little' if name == 'md5' else 'big'
    fill = b'\x80' + bytes(block - 9 - 16) + (128).to_bytes(8, order)
    return hashlib.new(name, k + fill + data + k).digest()


def cmac(data):
    c = CMAC(algorithms.AES(key(16)))
    c.update(data)
    return c.finalize()


ROWS = (  # ICV octets, IV octets, ESN, old, function
    (12, 0, 0, 0, lambda d: bytes(12)),
    (12, 0, 0, 0, lambda d: hmac.new(key(16), d, 'md5').digest()),
    (12, 0, 0, 0, lambda d: hmac.new(key(20), d, 'sha1').digest()),
    (16, 0, 0, 0, lambda d: hmac.new(key(32), d, 'sha256').digest()),
    (32, 0, 1, 0, lambda d: hmac.new(key(64), d, 'sha512').digest()),
    (12, 0, 0, 0, cmac),
    (16, 8, 1, 0, lambda d: aead.AESGCM(key(16)).encrypt(SALT + IV, b'', d)),
    (16, 0, 0, 1, lambda d: keyed('md5', d)),
    (12, 0, 0, 0, lambda d: keyed('sha1', d)),
)


def checksum(h):
    s = sum(struct.unpack(f'>{len(h) // 2}H', h))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return struct.pack('>H', s ^ 0xffff)


def header(version, chain, proto, seen, length):
    """The IP header as it travels, and as the ICV sees it."""
    if version == 4:
        h = bytearray(struct.pack('>BBHHHBBH', 0x45 + len(chain) // 4, 3,
                                  20 + len(chain) + length, 0x1234, 0, 64,
                                  proto, 0) + SRC4 + DST4 + chain)
        s = bytes(h[:1]) + b'\0' + bytes(h[2:8]) + b'\0' + bytes(h[9:20])
        h[10:12] = checksum(bytes(h))
        return bytes(h), s + seen
    first = chain[0][0] if chain else proto
    octets = b''
    for i, (_, c) in enumerate(chain):
        nxt = chain[i + 1][0] if i + 1 < len(chain) else proto
        octets += bytes([nxt]) + c[1:]
    if chain:
        seen = octets if seen is None else octets[:1] + seen[1:]
    plen = struct.pack('>H', len(octets) + length)
    h = b'\x60\x12\x34\x56' + plen + bytes([first, 64]) + SRC6 + DST6
    s = b'\x60\0\0\0' + plen + bytes([first, 0]) + SRC6 + DST6
    return h + octets, s + (seen or b'')


def packet(row, version, chain, seen, nh=17, payload=UDP):
    icv_len, iv_len, esn, old, mac = ROWS[row]
    bare = (8 if old else 12) + iv_len + icv_len
    n = -(-bare // (4 if version == 4 else 8)) * (4 if version == 4 else 8)
    ah = struct.pack('>BBHI', nh, n // 4 - 2, 0, 0x1000)
    ah += b'' if old else struct.pack('>I', 1)
    ah += IV[:iv_len]
    fill = bytes(range(n - bare))
    wire, s = header(version, chain, 51, seen, n + len(payload))
    tail = struct.pack('>I', 7) if esn else b''
    icv = mac(s + ah + bytes(icv_len) + fill + payload + tail)[:icv_len]
    return wire + ah + icv + fill + payload


def clear(version, chain):
    return header(version, chain, 17, None if version == 6 else chain,
                  len(UDP))[0] + UDP


def save(folder, name, data):
    os.makedirs(folder, exist_ok=True)
    with open(folder + name, 'wb') as f:
        f.write(data)


def ah_seeds():
    rr = bytes.fromhex('0707040a00000100')
    ra = bytes.fromhex('94040000')
    hop = (0, bytes.fromhex('00003e04aabbccdd'))
    route = (43, bytes.fromhex('0002000000000000') + HOP6)
    atomic = (44, bytes.fromhex('0000000012345678'))
    for row, r in enumerate(ROWS):
        # observer; the rules of RFC 4302, of RFC 1826 for the old header,
        # which count TOS and class: not those seeds.
        if r[3]:
            continue
        lead = bytes([row, 0, 0, 0, 0])
        save(AH, f'{row:02}-v4', lead + packet(row, 4, b'', b''))
        save(AH, f'{row:02}-v6', lead + packet(row, 6, (), None))
    lead = bytes([2, 0, 0, 0, 0])
    save(AH, '02-rr', lead + packet(2, 4, rr, bytes(7) + b'\0'))
    save(AH, '02-ra', lead + packet(2, 4, ra, ra))
    save(AH, '02-hop', lead + packet(2, 6, (hop,),
                                     b'\0\0\x3e\4' + bytes(4)))
    save(AH, '02-route', lead + packet(2, 6, (route,), None))
    save(AH, '02-flipped', lead + packet(2, 4, b'', b'')[:-1] + b'\xff')
    save(AH, '02-short', lead + packet(2, 4, b'', b'')[:43])
    # Keyed MD5 of RFC 1826: TTL and checksum alone are zero.
    ah = struct.pack('>BBHI', 17, 4, 0, 0x1000)
    wire, s = header(4, b'', 51, b'', 24 + len(UDP))
    s = bytes([s[0], wire[1]]) + s[2:]
    icv = keyed('md5', s + ah + bytes(16) + UDP)
    save(AH, '07-old', bytes([7, 0, 2, 0, 0]) + wire + ah + icv + UDP)
    # To be protected: options, chains, routes still ahead; every rule.
    lsrr = bytes.fromhex('830b040a000002c000020900')
    ahead = (43, bytes.fromhex('0002000100000000') + HOP6)
    bad4, bad6 = bytes.fromhex('94050000'), (60, bytes.fromhex(
        '00003e05aabbccdd'))
    for name, version, chain in (
            ('rr-ra', 4, rr + ra), ('lsrr', 4, lsrr), ('bad', 4, bad4),
            ('unknown', 4, bytes.fromhex('4f04abcd')),
            ('ahead', 6, (ahead,)), ('hop-route', 6, (hop, route)),
            ('atomic', 6, (atomic,)), ('hop-atomic', 6, (hop, atomic)),
            ('bad', 6, (bad6,))):
        for rules in range(3):
            for out in (0, 4):
                save(AH, f'clear{version}-{name}-{rules}{out}',
                     bytes([3, 8 * (rules & 1), rules | out, 0x40, 0]) +
                     clear(version, chain))


def raw(data, level=9):
    c = zlib.compressobj(level, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()


def ipcomp_seeds():
    text = b'The quick brown fox jumps over the lazy dog. ' * 8
    head = bytes([17, 0, 0, 2])
    seeds = {
        'text': (0, 0, 3, head + raw(text)),
        'fixed': (0, 0, 2, head + raw(b'a')),
        'stored': (0, 0, 2, head + raw(text, 0)),
        'empty': (8, 0, 0, head + raw(b'')),
        'bomb': (0, 0, 0, head + raw(bytes(70000))),
        'no-room': (0, 8, 0, head + raw(bytes(65000))),
        'limit': (0, 3, 0, head + raw(bytes(64))),
        'limit-one-more': (0, 3, 0, head + raw(bytes(65))),
        'expanded': (16, 0, 0, head + raw(b'abc', 0)),
        'nested': (0, 0, 0, bytes([108, 0, 0, 2]) + raw(text)),
        'nested-taken': (32, 0, 0, bytes([108, 0, 0, 2]) + raw(text)),
        'flags': (0, 0, 0, bytes([6, 255, 0x12, 0x34]) + raw(text)),
        'cut': (0, 0, 0, head + raw(text)[:-3]),
        'left-over': (0, 0, 0, head + raw(text) + b'\0'),
        'block-3': (0, 0, 0, head + b'\7'),
        'wrapped': (0, 0, 0, head + zlib.compress(text)),
        'head-only': (0, 0, 0, head),
        'short': (0, 0, 0, head[:3]),
        'compress': (0, 0, 3, text),
        'compress-no-room': (0, 0, 2 | 4 | 8, text),
        'noise': (0, 0, 2, hashlib.shake_128(b'x').digest(200)),
        'threshold': (0, 0, 1, bytes(70)),
    }
    for name, (a, b, c, data) in seeds.items():
        save(IPCOMP, name, bytes([a, b, c]) + data)


ah_seeds()
ipcomp_seeds()
