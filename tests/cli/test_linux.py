"""Profile linux against what Linux 6.1 sent and answered (vectors/captures).

Every capture is played with the model in the place of gateway B, and every
PF_KEY message is handed to the key engine, its sockaddrs and policy requests
written as FreeBSD has them.
"""
import errno
import os
import struct
import unittest

from common import CAPTURES, capture, jsonl, load, names, octets, run, temp

B = ('--local', '192.0.2.2', '--local', '2001:db8::2', '--profile', 'linux')
# Captures that the model does not send as Linux did, with the reason.
OTHERWISE = {}
# The same of PF_KEY messages.
PFKEY_OTHERWISE = {
    'dump-all': 'a refused GETSPI leaves Linux an entry without SPI',
    'spdadd-fwd': 'there is no third direction',
    'spddump': 'the policy of the third direction is not among them',
    'spdget': 'the message names the id that Linux had given',
    'spddelete2': 'the message names the id that Linux had given',
    'spdsetidx': 'no policy at all is bypass for Linux',
}
# FreeBSD's numbers of the errors that the answers name.
BSD = {0: 0, errno.ENOENT: 2, errno.ESRCH: 3, errno.EEXIST: 17,
       errno.EINVAL: 22, errno.EMSGSIZE: 40, errno.EOPNOTSUPP: 45,
       errno.ENOSYS: 78}


def played(name):
    """Tunnel mode captures show a gateway, the others a host."""
    forward = ('--forward',) if '-tn' in name else ()
    return run('replay', *B, *forward, '--json',
               '-c', capture(name + '.setkey'), '-r', capture(name + '.pcap'))


class Captures(unittest.TestCase):
    def test_all_captures(self):
        """Linux, sending 1 (AH filled to 8, but with align4), 3 (CE as
        ECT(0), noecn), 4 (DF copied, but with nopmtudisc), 6 (IPcomp in the
        clear), 7 (stop at 2^32-1), UDP encapsulation over IPv6; receiving
        1 to 10 in what the captures hold."""
        self.assertGreater(len(names()), 70)
        for name in names():
            p = played(name)
            s = jsonl(p.stdout)[-1]['summary'] if p.stdout else p.stderr
            if name in OTHERWISE:
                self.assertNotEqual(p.returncode, 0, name)
                continue
            self.assertEqual(p.returncode, 0, f'{name} {s}')
            self.assertEqual((s['dropped'], s['differing'], s['missing'],
                              s['unseen']), (0, 0, 0, 0), name)
            self.assertEqual(s['frames'], s['inputs'] + s['outputs'])

    def other(self, name, switch):
        """The fields in which the model differs with the switch turned."""
        forward = ('--forward',) if '-tn' in name else ()
        p = run('replay', *B, *forward, '--switch', switch, '--json',
                '-c', capture(name + '.setkey'),
                '-r', capture(name + '.pcap'))
        self.assertEqual(p.returncode, 1, (name, p.stderr))
        return {d['field'] for r in jsonl(p.stdout)[1:-1]
                for d in r.get('diff', [])}

    def test_the_other_side(self):
        """Each sender's switch, turned, shows in these fields alone."""
        for name, switch, fields in (
                ('ah-tp4-sha256', 'ah-icv-pad=rfc4302',
                 {'ah.ahlen', 'ip.len'}),
                ('espah-tn44-aes128cbc-sha1', 'tunnel-df=sysctl', {'ip.df'}),
                ('esp-tn6in4-gcm128_16', 'tunnel-df=sysctl', {'ip.df'}),
                ('esp-tn44-aes128cbc-sha1', 'ecn-encap=copy', {'ip.tos'}),
                ('natt-tn66-aes128cbc-sha256', 'natt-ipv6=refuse',
                 {'packet'})):
            self.assertEqual(self.other(name, switch), fields, switch)

    def test_flags_are_refused(self):
        """FreeBSD's key engine knows none of Linux's flags."""
        name = 'esp-tn44-noecn-aes128cbc-sha1'
        p = run('replay', *B, '--forward', '--switch', 'pfkey-flags=freebsd',
                '-c', capture(name + '.setkey'),
                '-r', capture(name + '.pcap'))
        self.assertEqual(p.returncode, 2)
        self.assertIn('EINVAL', p.stderr)

    def test_sha2_256_by_its_number(self):
        """5 is cut to 96 bits by Linux; replay --local says 128 by name."""
        key = '0x' + '0b' * 32
        for bits, octets_ in (('96', 12), ('128', 16)):
            text = f'''scenario 1
switch pfkey-sha2-256={bits}
if red0 192.0.2.1/24
setkey add 192.0.2.1 192.0.2.2 ah 0x1000 -A hmac-sha2-256 {key} ; \
spdadd 192.0.2.1 192.0.2.2 any -P out ipsec ah/transport//require ;
out - udp src=192.0.2.1:5 dst=192.0.2.2:6 text=hello
> transmit red0 ip.proto=51 octets={20 + 12 + octets_ + 13}
'''
            p = run('run', temp('sha.scn', text))
            self.assertEqual(p.returncode, 0, p.stdout + p.stderr)


def sockaddr(b, at):
    for linux, freebsd in ((b'\2\0', b'\x10\2'), (b'\x0a\0', b'\x1c\x1c')):
        if b[at:at + 2] == linux:
            b[at:at + 2] = freebsd
            return


def requests(b, off, end):
    """ipsecrequests of 16 octets and their ends, as 8 octets have them."""
    out = b''
    while off + 16 <= end:
        size, proto, mode, level, _, reqid = struct.unpack_from(
            '<HHBBHI', b, off)
        if size < 16:
            break
        ends = b''
        if size > 16:
            half = (size - 16) // 2
            for at in (off + 16, off + 16 + half):
                sockaddr(b, at)
                ends += bytes(b[at:at + (16 if b[at] == 16 else 28)])
        out += struct.pack('<HHBBH', 8 + len(ends), proto, mode, level,
                           reqid) + ends
        off += size
    return out + bytes(-len(out) % 8)


def freebsd(message):
    b = bytearray(message)
    off = 16
    while off + 4 <= len(b):
        n, kind = struct.unpack_from('<HH', b, off)
        n *= 8
        if n == 0 or off + n > len(b):
            break
        if kind in (5, 6, 7, 23, 24) and n >= 24:
            sockaddr(b, off + 8)
        if kind == 18:
            ext = bytes(b[off:off + 16]) + requests(b, off + 16, off + n)
            b[off:off + n] = struct.pack('<H', len(ext) // 8) + ext[2:]
            n = len(ext)
        off += n
    if len(b) != len(message):
        struct.pack_into('<H', b, 4, len(b) // 8)
    return bytes(b)


TYPES = {'GETSPI': 1, 'UPDATE': 2, 'ADD': 3, 'DELETE': 4, 'GET': 5,
         'ACQUIRE': 6, 'REGISTER': 7, 'EXPIRE': 8, 'FLUSH': 9, 'DUMP': 10,
         'X_PROMISC': 11, 'X_PCHANGE': 12, 'X_SPDUPDATE': 13,
         'X_SPDADD': 14, 'X_SPDDELETE': 15, 'X_SPDGET': 16,
         'X_SPDACQUIRE': 17, 'X_SPDDUMP': 18, 'X_SPDFLUSH': 19,
         'X_SPDSETIDX': 20, 'X_SPDDELETE2': 22}


def play(profile, messages):
    lines = ''.join('1: ' + freebsd(m).hex() + '\n' for m in messages)
    p = run('pfkey', 'play', '--profile', profile, '--json',
            temp('linux.txt', '2:\n' + lines))
    assert p.returncode == 0, p.stderr
    return [r for r in jsonl(p.stdout) if 'event' in r]


def heads(event, socket):
    return [(TYPES.get(m['type'], m['type']), m['errno'], not m['exts'])
            for m in (r['message'] for r in event['received']
                      if r['socket'] == socket) if 'type' in m]


class Pfkey(unittest.TestCase):
    def asked(self):
        index = load(os.path.join(CAPTURES, 'pfkey', 'index.json'))
        for m in index['messages']:
            files = [f for f in m['files'] if '.request.' in f]
            if files and 'send_errno' in m:
                yield m, octets(os.path.join(CAPTURES, 'pfkey', files[0]))

    def test_all_messages(self):
        """PF_KEY 1 to 6: who refuses, with what, and who hears of it."""
        asked = list(self.asked())
        events = play('linux', [o for _, o in asked])
        self.assertEqual(len(events), len(asked))
        differ = set()
        for event, (m, _) in zip(events, asked):
            send = event['errno']
            want = [(r['type'], BSD[r['errno']], r['len'] == 16)
                    for r in m['replies']]
            if (send, heads(event, 1)) != (BSD[m['send_errno']], want):
                differ.add(m['name'])
            if 'other_socket' in m and m['name'] not in PFKEY_OTHERWISE:
                self.assertEqual([t for t, _, _ in heads(event, 2)],
                                 [r['type'] for r in m['other_socket']],
                                 m['name'])
        self.assertEqual(differ, set(PFKEY_OTHERWISE))

    def test_freebsd_answers_otherwise(self):
        """The same messages and profile freebsd-2017: what the switches of
        the key engine are there for."""
        asked = list(self.asked())
        events = play('freebsd-2017', [o for _, o in asked])
        got = {m['name']: (e['errno'], heads(e, 1))
               for e, (m, _) in zip(events, asked)}
        for name, want in {
                # pfkey-parse-errors
                'bad-version': (0, [(10, 22, True)]),
                'unknown-type': (0, [(77, 22, True)]),
                'duplicate-extension': (22, []),
                # pfkey-length-errno
                'length-too-large': (22, []), 'short-message': (22, []),
                # pfkey-other-satypes
                'register-rsvp': (0, [(7, 45, True)]),
                # pfkey-no-handler
                'pchange': (0, [(12, 22, True)]),
                # pfkey-policy-errno
                'spddelete-missing': (0, [(15, 22, False)]),
                # pfkey-flush-replies
                'flush-esp-before-acquire': (0, [(9, 0, True)]),
                # pfkey-promisc: the other copy is a wrapped one
                'promisc-off': (0, [(11, 0, True)]),
                # pfkey-low-spi, pfkey-unknown-algorithm
                'add-spi-reserved': (0, [(3, 22, False)]),
                'add-unknown-alg': (0, [(3, 22, False)]),
        }.items():
            self.assertEqual(got[name], want, name)
        # pfkey-delete-all: without an SPI, all of them go
        self.assertEqual(got['delete-no-spi'][1][0][1], 0)
        # pfkey-error-reply: the whole request comes back
        self.assertEqual(got['get-missing'], (0, [(5, 3, False)]))


if __name__ == '__main__':
    unittest.main()
