"""IP packets with ESP, AH, IPcomp and UDP around them, out of the standards'
text and hashlib alone: what scenarios let arrive, and what they expect.

Integrity is HMAC-SHA-1-96 with KEY, encryption NULL, so that every octet can
be read in the scenario.
"""
import hashlib
import hmac
import ipaddress
import struct
import zlib

KEY = bytes(range(20))


def packed(address):
    return ipaddress.ip_address(address).packed


def ones_sum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def checksum(data):
    return ~ones_sum(data) & 0xffff


def ip4(src, dst, proto, payload, tos=0, df=0, ttl=64, ident=0x1234,
        options=b'', mf=0, off=0):
    hl = 5 + len(options) // 4
    head = struct.pack(
        '>BBHHHBBH4s4s', 0x40 | hl, tos, hl * 4 + len(payload), ident,
        df << 14 | mf << 13 | off // 8, ttl, proto, 0, packed(src),
        packed(dst)) + options
    head = head[:10] + struct.pack('>H', checksum(head)) + head[12:]
    return head + payload


def ip6(src, dst, nh, payload, tos=0, hlim=64, flow=0):
    return struct.pack('>IHBB16s16s', 6 << 28 | tos << 20 | flow,
                       len(payload), nh, hlim, packed(src),
                       packed(dst)) + payload


def is6(address):
    return ':' in address


def ip(src, dst, proto, payload, tos=0, df=0, ttl=64):
    if is6(src):
        return ip6(src, dst, proto, payload, tos, ttl)
    return ip4(src, dst, proto, payload, tos, df, ttl)


def pseudo(src, dst, proto, length):
    if is6(src):
        return packed(src) + packed(dst) + struct.pack('>II', length, proto)
    return packed(src) + packed(dst) + struct.pack('>HH', proto, length)


def udp(src, sport, dst, dport, payload, check=None):
    """`check`: this checksum; None: the right one."""
    head = struct.pack('>HHHH', sport, dport, 8 + len(payload), 0)
    if check is None:
        check = checksum(pseudo(src, dst, 17, 8 + len(payload)) + head +
                         payload) or 0xffff
    return head[:6] + struct.pack('>H', check) + payload


def tcp(src, sport, dst, dport, flags=2, payload=b'', check=None):
    head = struct.pack('>HHIIBBHHH', sport, dport, 1000, 0, 0x50, flags,
                       65535, 0, 0)
    if check is None:
        check = checksum(pseudo(src, dst, 6, 20 + len(payload)) + head +
                         payload)
    return head[:16] + struct.pack('>H', check) + head[18:] + payload


def echo(payload=b'ping', kind=8):
    head = struct.pack('>BBHHH', kind, 0, 0, 1, 1)
    return (head[:2] + struct.pack('>H', checksum(head + payload)) +
            head[4:] + payload)


def echo6(src, dst, payload=b'ping'):
    head = struct.pack('>BBHHH', 128, 0, 0, 1, 1)
    check = checksum(pseudo(src, dst, 58, 8 + len(payload)) + head + payload)
    return head[:2] + struct.pack('>H', check) + head[4:] + payload


def mac(data, key=KEY):
    return hmac.new(key, data, hashlib.sha1).digest()[:12]


def esp(spi, seq, nh, payload, auth=True, pad=None, padlen=None, key=KEY):
    """RFC 4303 2: SPI, number, payload, padding to 4, ICV."""
    if pad is None:
        pad = bytes(range(1, 1 + -(len(payload) + 2) % 4))
    if padlen is None:
        padlen = len(pad)
    body = (struct.pack('>II', spi, seq) + payload + pad +
            bytes([padlen, nh]))
    return body + (mac(body, key) if auth else b'')


def ah(packet, spi, seq, cleartos=True, mask=0, key=KEY):
    """RFC 4302 3.3.3 for IPv4 without options, and for IPv6 without
    extension headers: the packet with AH behind its IP header."""
    six = packet[0] >> 4 == 6
    hlen = 40 if six else 20
    nh = packet[6] if six else packet[9]
    size = 24
    head = bytearray(packet[:hlen])
    body = packet[hlen:]
    if six:
        head[4:6] = struct.pack('>H', len(body) + size)
        head[6] = 51
    else:
        head[2:4] = struct.pack('>H', hlen + len(body) + size)
        head[9] = 51
        head[10:12] = b'\0\0'
        head[10:12] = struct.pack('>H', checksum(bytes(head)))
    fixed = struct.pack('>BBHII', nh, size // 4 - 2, 0, spi, seq)
    zeroed = bytearray(head)
    if six:
        zeroed[0:4] = b'\x60\0\0\0'
        zeroed[7] = 0
    else:
        if cleartos:
            zeroed[1] = 0
        field = struct.unpack('>H', zeroed[6:8])[0] & mask
        zeroed[6:8] = struct.pack('>H', field)
        zeroed[8] = 0
        zeroed[10:12] = b'\0\0'
    icv = mac(bytes(zeroed) + fixed + bytes(12) + body, key)
    return bytes(head) + fixed + icv + body


def ipcomp(cpi, nh, payload):
    c = zlib.compressobj(9, zlib.DEFLATED, -12)
    return (struct.pack('>BBH', nh, 0, cpi) + c.compress(payload) +
            c.flush())


def routed(packet, tos=None):
    """The packet behind a router: one hop less, perhaps another TOS."""
    p = bytearray(packet)
    if p[0] >> 4 == 6:
        p[7] -= 1
        if tos is not None:
            p[0] = 0x60 | tos >> 4
            p[1] = (tos & 15) << 4 | p[1] & 15
        return bytes(p)
    p[8] -= 1
    if tos is not None:
        p[1] = tos
    p[10:12] = b'\0\0'
    p[10:12] = struct.pack('>H', checksum(bytes(p[:(p[0] & 15) * 4])))
    return bytes(p)
