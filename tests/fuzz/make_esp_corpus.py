#!/usr/bin/python3
"""Makes the seeds of corpus/esp with the `cryptography` package.

Run from the top of the tree; the result is committed.  SAs, keys and salt are
those of fuzz_esp.c.
"""
import hmac
import struct

from cryptography.hazmat.primitives.ciphers import (Cipher, algorithms, aead,
                                                    modes)
from scapy.all import ICMP, IP, IPv6, ICMPv6EchoRequest

DIR = 'tests/fuzz/corpus/esp/'
SALT = bytes(range(0xa0, 0xa4))
IV = bytes(range(0x10, 0x20))
HEAD, ESN = struct.pack('>II', 0x1000, 1), struct.pack('>I', 7)


def key(n, at=0):
    return bytes(range(at + 1, at + n + 1))


def body(payload, block, nh, pad=None):
    n = -(len(payload) + 2) % block if pad is None else pad
    return payload + bytes(range(1, n + 1)) + bytes([n, nh])


def crypt(alg, mode, data):
    e = Cipher(alg, mode).encryptor()
    return e.update(data) + e.finalize()


def mac(name, data, key_len, icv_len):
    return hmac.new(key(key_len, 32), data, name).digest()[:icv_len]


def aad(esn):
    return HEAD[:4] + (ESN if esn else b'') + HEAD[4:]


def packet(sa, p, nh, pad=None):
    iv8 = IV[:8]
    if sa == 0:
        return HEAD + body(p, 4, nh, pad)
    if sa in (1, 5, 6, 13):
        e = HEAD + IV + crypt(algorithms.AES(key(16)), modes.CBC(IV),
                              body(p, 16, nh, pad))
        tail = ESN if sa == 6 else b''
        return e + {1: b'', 13: bytes(12)}.get(
            sa, mac('sha1', e + tail, 20, 12))
    if sa == 2:
        ctr = SALT + iv8 + b'\0\0\0\1'
        return HEAD + iv8 + crypt(algorithms.AES(key(16)), modes.CTR(ctr),
                                  body(p, 4, nh, pad))
    if sa == 3:     # RFC 1827; DES is 3DES with one key
        return HEAD[:4] + iv8 + crypt(algorithms.TripleDES(key(8) * 3),
                                      modes.CBC(iv8), body(p, 8, nh, pad))
    if sa == 4:
        e = HEAD + body(p, 4, nh, pad)
        return e + mac('sha256', e, 32, 16)
    if sa in (7, 8):
        return HEAD + iv8 + aead.AESGCM(key(16)).encrypt(
            SALT + iv8, body(p, 4, nh, pad), aad(sa == 8))
    if sa in (9, 10):
        b = body(p, 4, nh, pad)
        return HEAD + iv8 + b + aead.AESGCM(key(16)).encrypt(
            SALT + iv8, b'', aad(sa == 10) + iv8 + b)
    if sa == 11:
        return HEAD + iv8 + aead.AESCCM(key(16), 8).encrypt(
            SALT[:3] + iv8, body(p, 4, nh, pad), aad(False))
    return HEAD + iv8 + aead.ChaCha20Poly1305(key(32)).encrypt(
        SALT + iv8, body(p, 4, nh, pad), aad(True))


def main():
    v4 = bytes(IP(src='10.1.0.5', dst='10.2.0.7', tos=2) / ICMP() / b'abcd')
    v6 = bytes(IPv6(src='2001:db8:a::1', dst='2001:db8:b::1', tc=1) /
               ICMPv6EchoRequest(data=b'abcd'))
    for sa in range(14):
        seeds = {'v4': (v4, 4, None), 'v6': (v6, 41, None),
                 'tfc': (v4 + bytes(16), 4, None), 'dummy': (b'', 59, None)}
        for name, (p, nh, pad) in seeds.items():
            with open(f'{DIR}{sa:02}-{name}', 'wb') as f:
                f.write(bytes([sa, 8, 3 if name == 'v4' else 1]) +
                        packet(sa, p, nh, pad))
    p = bytearray(packet(0, v4, 4))
    p[-2] = 200
    for name, data in (('pad-length', bytes(p)), ('short', HEAD)):
        with open(f'{DIR}00-{name}', 'wb') as f:
            f.write(bytes([0, 0, 0]) + data)


main()
