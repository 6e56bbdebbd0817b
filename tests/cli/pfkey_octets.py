"""PF_KEY messages of FreeBSD, little endian, taken apart without the program."""
import ipaddress
import os
import struct

from common import TOP, load

SATYPES = {2: 'ah', 3: 'esp', 9: 'ipcomp', 11: 'tcp'}


def exts_of(raw):
    """{type: octets} of a message, in their order."""
    out, off = {}, 16
    while off < len(raw):
        n, kind = struct.unpack('<HH', raw[off:off + 4])
        assert n > 0 and off + 8 * n <= len(raw)
        assert kind not in out
        out[kind] = raw[off:off + 8 * n]
        off += 8 * n
    return out


def sockaddr(raw):
    """(family, address, port, scope), or None."""
    if raw[1] == 2 and raw[0] == 16:
        return (4, str(ipaddress.IPv4Address(raw[4:8])),
                struct.unpack('>H', raw[2:4])[0], 0)
    if raw[1] == 28 and raw[0] == 28:
        return (6, str(ipaddress.IPv6Address(raw[8:24])),
                struct.unpack('>H', raw[2:4])[0],
                struct.unpack('<I', raw[24:28])[0])
    return None


def sockaddr_text(raw):
    family, addr, _, scope = sockaddr(raw)
    return addr + (f'%{scope}' if family == 6 and scope else '')


def recorded():
    """(case, step) of the PF_KEY exchanges."""
    path = os.path.join(TOP, 'vectors', 'freebsd', 'pfkey-exchanges.json')
    for case in load(path)['cases']:
        for step in case['steps']:
            if step['op'] == 'pfkey':
                yield case['id'], step
