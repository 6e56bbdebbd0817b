"""setkey -D and -DP, printed from a recorded kernel's answers, against a second
printer written here from the format strings of lib/libipsec/pfkey_dump.c.
"""
import datetime
import struct
import unittest

from common import run, temp
from pfkey_octets import (SATYPES, exts_of, recorded, sockaddr,
                          sockaddr_text)

AUTH_13 = {3: 'hmac-sha1', 251: 'null', 252: 'tcp-md5', 5: 'hmac-sha2-256',
           6: 'hmac-sha2-384', 7: 'hmac-sha2-512', 9: 'aes-xcbc-mac',
           0: 'none'}
ENC_13 = {0: 'none', 11: 'null', 12: 'aes-cbc', 13: 'aes-ctr',
          20: 'aes-gcm-16'}
COMP = {0: 'none', 1: 'oui', 2: 'deflate', 3: 'lzs'}


def date(t):
    if t == 0:
        return ' ' * 20
    d = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=t)
    return d.strftime('%b %e %H:%M:%S %Y')


def key_dump(ext):
    bits, = struct.unpack('<H', ext[4:6])
    key = ext[8:8 + bits // 8]
    out = ''
    for i, octet in enumerate(key):
        if i and i % 32 == 0:
            out += '\n'
        if i % 4 == 0:
            out += ' '
        out += f'{octet:02x}'
    return out + '\n'


def life(exts, kind):
    e = exts.get(kind)
    return struct.unpack('<IQQQ', e[4:32]) if e else (0, 0, 0, 0)


def dump_sa(raw, now):
    e, satype = exts_of(raw), raw[3]
    reserved, seq, pid = struct.unpack('<HII', raw[6:16])
    spi, = struct.unpack('>I', e[1][4:8])
    flags, = struct.unpack('<I', e[1][12:16])
    mode = e[19][4]
    counter, reqid = struct.unpack('<II', e[19][8:16])
    ports = ['', '']
    if 20 in e:
        ports = [f'[{struct.unpack(">H", e[k][4:6])[0]}]' if k in e else ''
                 for k in (21, 22)]
    out = '{}{} {}{}\n'.format(sockaddr_text(e[5][8:]), ports[0],
                               sockaddr_text(e[6][8:]), ports[1])
    out += '\t{} mode={} spi={}(0x{:08x}) reqid={}(0x{:08x})\n'.format(
        'esp-udp' if satype == 3 and 20 in e else SATYPES[satype],
        ['any', 'transport', 'tunnel'][mode] if mode < 3 else mode,
        spi, spi, reqid, reqid)
    if 20 in e and (23 in e or 24 in e):
        out += '\tNAT:'
        for kind, name in ((23, 'OAI'), (24, 'OAR')):
            if kind in e:
                out += f' {name}={sockaddr_text(e[kind][8:])}'
        out += '\n'
    if satype == 9:
        out += f'\tC: {COMP.get(e[1][11], e[1][11])} '
    elif satype == 3 and 9 in e:
        out += f'\tE: {ENC_13.get(e[1][11], e[1][11])} ' + key_dump(e[9])
    if 8 in e:
        out += f'\tA: {AUTH_13.get(e[1][10], e[1][10])} ' + key_dump(e[8])
    replay = (struct.unpack('<I', e[26][4:8])[0] >> 3) if 26 in e else e[1][8]
    out += '\tseq=0x{:08x} replay={} flags=0x{:08x} state={} \n'.format(
        counter, replay, flags, ['larval', 'mature', 'dying', 'dead'][e[1][9]])
    if 2 in e:
        cur, hard, soft = life(e, 2), life(e, 3), life(e, 4)
        out += f'\tcreated: {date(cur[2])}\tcurrent: {date(now)}\n'
        # An unsigned long.
        age = (now - cur[2]) % 2 ** 64 if cur[2] else 0
        out += f'\tdiff: {age}(s)'
        out += f'\thard: {hard[2]}(s)\tsoft: {soft[2]}(s)\n'
        out += f'\tlast: {date(cur[3])}'
        out += f'\thard: {hard[3]}(s)\tsoft: {soft[3]}(s)\n'
        out += f'\tcurrent: {cur[1]}(bytes)'
        out += f'\thard: {hard[1]}(bytes)\tsoft: {soft[1]}(bytes)\n'
        out += f'\tallocated: {cur[0]}\thard: {hard[0]}\tsoft: {soft[0]}\n'
    return out + f'\tsadb_seq={seq} pid={pid} refcnt={reserved}\n'


def dump_side(ext, upper):
    family, _, port, _ = sockaddr(ext[8:])
    out = sockaddr_text(ext[8:])
    if ext[5] != (32 if family == 4 else 128):
        out += f'/{ext[5]}'
    if upper != 58:
        out += f'[{port}]' if port else '[any]'
    return out


def dump_policy(ext):
    kind, direction = struct.unpack('<HB', ext[4:7])
    out = ['any', 'in', 'out'][direction] + ' ' + [
        'discard', 'none', 'ipsec', 'entrust', 'bypass'][kind]
    off = 16
    while off < len(ext):
        n, proto, mode, level, reqid = struct.unpack('<HHBBH',
                                                     ext[off:off + 8])
        addrs = ''
        if n > 8:
            a = ext[off + 8:off + n]
            addrs = sockaddr_text(a) + '-' + sockaddr_text(a[a[0]:])
        out += '\n\t{}/{}/{}/{}{}'.format(
            {50: 'esp', 51: 'ah', 108: 'ipcomp'}[proto],
            ['any', 'transport', 'tunnel'][mode], addrs,
            ['default', 'use', 'require', 'unique'][level],
            '' if not reqid else f':{reqid}' if reqid <= 16383
            else f'#{reqid}')
        off += n
    return out


def dump_sp(raw, scope):
    e = exts_of(raw)
    reserved, seq, pid = struct.unpack('<HII', raw[6:16])
    upper = e[5][4]
    ports = sockaddr(e[5][8:])[2], sockaddr(e[6][8:])[2]
    out = f'{dump_side(e[5], upper)} {dump_side(e[6], upper)} '
    if upper == 255:
        out += 'any'
    elif upper == 58:
        out += 'icmp6' + (' {},{}'.format(*ports) if any(ports) else '')
    else:
        out += {4: 'ip4', 6: 'tcp', 17: 'udp', 1: 'icmp', 50: 'esp',
                51: 'ah', 132: 'sctp', 47: 'gre', 89: 'ospf', 0: 'ip',
                41: 'ipv6'}[upper]
    out += f'\n\t{dump_policy(e[18])}\n'
    if 2 in e:
        cur = life(e, 2)
        out += f'\tcreated: {date(cur[2])}  lastused: {date(cur[3])}\n'
    if 3 in e:
        hard = life(e, 3)
        out += f'\tlifetime: {hard[2]}(s) validtime: {hard[3]}(s)\n'
    ident, = struct.unpack('<I', e[18][8:12])
    out += f'\tspid={ident} seq={seq} pid={pid}'
    if scope:
        out += ' scope={} '.format({1: 'global', 2: 'ifnet', 4: 'pcb'}[
            e[18][7]])
    return out + f'\n\trefcnt={reserved}\n'


class Dumps(unittest.TestCase):
    def print(self, messages, *options):
        path = temp('dump.hex', '\n'.join(m.hex() for m in messages))
        p = run('pfkey', 'decode', '--setkey', *options, path)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout

    def replies(self, kinds):
        out = []
        for _, step in recorded():
            for r in step['replies']:
                raw = bytes.fromhex(r)
                if raw[1] in kinds and raw[2] == 0 and len(raw) > 16:
                    out.append(raw)
        return out

    def test_recorded_sas(self):
        sas = self.replies((5, 10))
        self.assertGreater(len(sas), 100)
        self.assertGreater(len({m[3] for m in sas}), 2)
        for now in (0, 100, 1486382400):
            self.assertEqual(
                self.print(sas, '--show-keys', '--now', str(now),
                           '--profile', 'freebsd-13'),
                ''.join(dump_sa(m, now) for m in sas))

    def test_recorded_policies(self):
        sps = self.replies((16, 18))
        self.assertGreater(len(sps), 50)
        for profile, scope in (('freebsd-13', True), ('manual', False)):
            self.assertEqual(self.print(sps, '--profile', profile),
                             ''.join(dump_sp(m, scope) for m in sps))

    def test_keys_are_hidden(self):
        sas = [m for m in self.replies((10,)) if 9 in exts_of(m)]
        text = self.print(sas)
        self.assertIn('<hidden: ', text)
        for m in sas:
            e = exts_of(m)
            for kind in (8, 9):
                if kind in e and len(e[kind]) >= 24:
                    self.assertNotIn(' '.join(key_dump(e[kind]).split()[:3]),
                                     text)
                    self.assertNotIn(e[kind][8:16].hex(), text)


if __name__ == '__main__':
    unittest.main()
