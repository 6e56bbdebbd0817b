"""Both sides of switches, one event each: what the words of
model/ipm_profile.def say, as FreeBSD's code, Linux's or a standard has it."""
import struct
import unittest
import zlib

from common import jsonl, pcap, run, temp

HOST = '''if red0 10.1.0.1/24 2001:db8:1::1/64
if blk1 192.0.2.1/24 2001:db8:b::1/64
route 10.2.0.0/16 via 192.0.2.2
route 2001:db8:2::/48 via 2001:db8:b::2
forward on
keysock k
'''
SHA1 = '-A hmac-sha1 0x000102030405060708090a0b0c0d0e0f10111213'
CTR = 'aes-ctr 0x000102030405060708090a0b0c0d0e0f00000000'
TUNNEL = f'''setkey add 192.0.2.1 192.0.2.2 esp 0x1000 -m tunnel \
-E null "" {SHA1} ;
setkey spdadd 10.1.0.0/24 10.2.0.0/16 any -P out ipsec \
esp/tunnel/192.0.2.1-192.0.2.2/require ;
'''
TUNNEL6 = f'''setkey add 2001:db8:b::1 2001:db8:b::2 esp 0x1000 -m tunnel \
-E null "" {SHA1} ;
setkey spdadd 2001:db8:1::/64 2001:db8:2::/48 any -P out ipsec \
esp/tunnel/2001:db8:b::1-2001:db8:b::2/require ;
'''
ADD = f'setkey add 192.0.2.1 192.0.2.2 esp %s -E null "" {SHA1} ;\n'
TRANSPORT = f'''setkey add 192.0.2.1 192.0.2.2 esp 0x1000 -E %s {SHA1} ;
setkey spdadd 192.0.2.1 192.0.2.2 any -P out ipsec esp/transport//%s ;
'''
OUT = 'out - udp src=192.0.2.1:5 dst=192.0.2.2:6 text=hello\n'


def head(kind, satype, version=2):
    return f'{version:02x}{kind:02x}00{satype:02x}02000000' + \
        '0100000001000000'


def ends():
    return ('03000500ff200000' '10020000c0000201' '0000000000000000'
            '03000600ff200000' '10020000c0000202' '0000000000000000')


def getspi(spi):
    one = spi.to_bytes(4, 'little').hex()
    return ('02010003' '0a000000' '01000000' '01000000' + ends() +
            '02001000' + one + one + '00000000')


def add(spi, cipher, kind=3, pid=1):
    """AES-CBC (12) or another cipher's number, HMAC-SHA1."""
    body = (f'02000100{spi:08x}000103{cipher:02x}00000000' + ends() +
            '03000900' '80000000' + '11' * 16 +
            '04000800' 'a0000000' + '22' * 20 + '00000000')
    return f'02{kind:02x}0003' + (2 + len(body) // 16).to_bytes(
        2, 'little').hex() + f'000001000000{pid:02x}000000' + body


def m_len(message):
    return message[8:12]


class Switches(unittest.TestCase):
    def sides(self, name, text, **values):
        """The scenario with each value and what it then expects."""
        for value, expected in values.items():
            value = value.lstrip('_').replace('_', '-')
            scenario = f'scenario 1\nprofile freebsd-2017\n' \
                f'switch {name}={value}\n{HOST}{text}{expected}'
            p = run('run', temp('switch.scn', scenario))
            self.assertEqual(p.returncode, 0,
                             f'{name}={value}\n{p.stdout}{p.stderr}')

    # --- tunnels -------------------------------------------------------------

    def test_tunnel_flow(self):
        """[ARCH2401-5.1.2.2-01] Linux and RFC 2401 copy it."""
        self.sides('tunnel-flow', TUNNEL6 +
                   'in red0 udp src=2001:db8:1::5:5 dst=2001:db8:2::7:7000 '
                   'flow=0x12345 text=hello\n'
                   .replace('2001:db8:1::5:5', '[2001:db8:1::5]:5')
                   .replace('2001:db8:2::7:7000', '[2001:db8:2::7]:7000'),
                   zero='> transmit blk1 ip.flow=0\n',
                   copy='> transmit blk1 ip.flow=74565\n')

    def test_tunnel_df(self):
        for df, want in ((0, 0), (1, 1)):
            self.sides('tunnel-df', TUNNEL +
                       f'in red0 udp src=10.1.0.5:5 dst=10.2.0.7:7 df={df} '
                       'text=hello\n', sysctl='> transmit blk1 ip.df=0\n',
                       copy=f'> transmit blk1 ip.df={want}\n')

    def test_outer_id_with_df(self):
        """Linux, sending 4: with DF the identification is 0."""
        self.sides('tunnel-df', TUNNEL +
                   'in red0 udp src=10.1.0.5:5 dst=10.2.0.7:7 df=1 id=9 '
                   'text=hello\n',
                   copy='> transmit blk1 ip.id=0 ip.ttl=64\n')

    def test_ecn_encap(self):
        """[ECN-RFC3168-07] [MAN-ecn-03] [MAN-ecn-05] CE and ECT(1) inside,
        net.inet.ipsec.ecn 0 and 1."""
        for ecn, tos, freebsd, gif, copy, ect0 in (
                (0, 0xab, 0xa8, 0x00, 0xab, 0xaa),
                (1, 0xab, 0xaa, 0xaa, 0xab, 0xaa),
                (1, 0xa9, 0xa9, 0xa8, 0xa9, 0xa9)):
            self.sides('ecn-encap', TUNNEL +
                       f'sysctl net.inet.ipsec.ecn={ecn}\n'
                       'in red0 udp src=10.1.0.5:5 dst=10.2.0.7:7 '
                       f'tos={tos} text=hello\n',
                       **{k: f'> transmit blk1 ip.tos={v}\n' for k, v in
                          (('freebsd', freebsd), ('gif', gif),
                           ('copy', copy), ('ect0', ect0))})

    # --- output --------------------------------------------------------------

    def test_esp_ctr_pad(self):
        """13 octets and the trailer's 2: up to 16, or to 4."""
        self.sides('esp-ctr-pad', TRANSPORT % (CTR, 'require') + OUT,
                   on=f'> transmit blk1 octets={20 + 8 + 8 + 16 + 12}\n',
                   off=f'> transmit blk1 octets={20 + 8 + 8 + 16 + 12}\n')
        self.sides('esp-ctr-pad', TRANSPORT % (CTR, 'require') +
                   OUT.replace('hello', 'hello...'),
                   on=f'> transmit blk1 octets={20 + 8 + 8 + 32 + 12}\n',
                   off=f'> transmit blk1 octets={20 + 8 + 8 + 20 + 12}\n')

    def test_deflev_3(self):
        """Q02: 3 lets the packet go in clear, or asks for an SA."""
        self.sides('deflev-3', 'sysctl net.inet.ipsec.esp_trans_deflev=3\n'
                   'setkey spdadd 192.0.2.1 192.0.2.2 any -P out ipsec '
                   'esp/transport//default ;\n' + OUT,
                   use='> transmit blk1 ip.proto=17\n',
                   require='> drop no-sa-out\n')

    # --- input ---------------------------------------------------------------

    def esp(self, name, body, **values):
        """A packet of an SA without cipher and integrity arrives."""
        packet = '00001000' '00000001' + body
        self.sides(name, 'setkey add 192.0.2.2 192.0.2.1 esp 0x1000 '
                   '-E null "" ;\nsocket udp4:7\nin blk1 ip '
                   f'src=192.0.2.2 dst=192.0.2.1 proto=50 hex={packet}\n',
                   **values)

    def test_esp_align4(self):
        """A UDP datagram of 9 octets, no padding: 19 octets of ESP."""
        self.esp('esp-align4', '00050007' '00090000' '61' '0011',
                 off='> deliver udp4:7 61\n', on='> drop bad-length\n')

    def test_esp_empty_payload(self):
        """Linux, receiving 3: padding 1, 2 and the trailer alone."""
        self.esp('esp-empty-payload', '0102' '0211',
                 off='> drop udp-bad\n', on='> drop empty-payload\n')

    def test_ipcomp_well_known(self):
        """[IPCOMP-3.3-05] CPI 2 without an SA, seen by an observer."""
        data = bytes.fromhex('0005000700140000') + b'aaaaaaaaaaaa'
        z = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = b'\x11\0\0\x02' + z.compress(data) + z.flush()
        ip = bytearray(struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(body),
                                   1, 0, 64, 108, 0, b'\xc0\0\2\1',
                                   b'\xc0\0\2\2'))
        total = sum(struct.unpack('>10H', ip))
        total = (total & 0xffff) + (total >> 16)
        ip[10:12] = struct.pack('>H', total ^ 0xffff)
        files = ('-c', temp('none.setkey', 'flush ;\n'), '-r',
                 temp('cpi2.pcap', pcap(101, [bytes(ip) + body])))
        for value, verdict in (('on', 'accept'), ('off', 'drop')):
            p = run('replay', '--json', '--switch',
                    f'ipcomp-well-known={value}', *files)
            self.assertEqual(jsonl(p.stdout)[1]['verdict'], verdict,
                             p.stdout)

    # --- sysctls -------------------------------------------------------------

    def test_sysctl_ah_offsetmask(self):
        self.sides('sysctl-ah-offsetmask',
                   'sysctl net.inet.ipsec.ah_offsetmask\n',
                   on='> value 0\n', off='> errno ENOENT\n')

    def test_sysctl_shared(self):
        """Q01: one def_policy for both families."""
        self.sides('sysctl-shared', 'sysctl net.inet.ipsec.def_policy=0\n'
                   'sysctl net.inet6.ipsec6.def_policy\n',
                   on='> value 0\n', off='> value 1\n')

    # --- PF_KEY --------------------------------------------------------------

    def test_low_spi(self):
        """Linux, PF_KEY 4."""
        self.sides('pfkey-low-spi', f'pfkey k {add(255, 12)}\n',
                   refuse='> pfkey k type=ADD errno=22\n',
                   accept='> pfkey k type=ADD errno=0\n')

    def test_update_keys(self):
        """A mature SA, and an UPDATE that names its keys again."""
        self.sides('pfkey-update-keys', f'pfkey k {add(4096, 12)}\n'
                   f'pfkey k {add(4096, 12, kind=2)}\n',
                   refuse='> pfkey k type=UPDATE errno=22\n',
                   ignore='> pfkey k type=UPDATE errno=0\n')

    def test_no_driver(self):
        """AH with AES-GMAC is listed, and no driver takes it."""
        m = add(4096, 0).replace('000103' '00', '00010b' '00').replace(
            '0003' + m_len(add(4096, 0)), '0002' + m_len(add(4096, 0)), 1)
        m = m.replace('03000900' '80000000' + '11' * 16, '').replace(
            '04000800' 'a0000000' + '22' * 20 + '00000000',
            '03000800' '80000000' + '22' * 16)
        m = m[:8] + (len(m) // 16).to_bytes(2, 'little').hex() + m[12:]
        self.sides('pfkey-no-driver', 'switch pfkey-gmac=refuse\n'
                   f'pfkey k {m}\n',
                   einval='> pfkey k type=ADD errno=22\n',
                   eopnotsupp='> pfkey k type=ADD errno=45\n')

    def test_update_of_another_pid(self):
        """Quirk 15: EINVAL, though the keys alone would not be refused."""
        for pid, err in ((1, 0), (2, 22)):
            self.sides('pfkey-update-keys', f'pfkey k {add(4096, 12)}\n'
                       f'pfkey k {add(4096, 12, kind=2, pid=pid)}\n',
                       ignore=f'> pfkey k type=UPDATE errno={err}\n')

    def test_private_extension(self):
        """FreeBSD's key engine knows no such extension."""
        own = ('0800f5f1' '00000000' '0700000000000000' +
               'aes-cbc'.encode().hex().ljust(48, '0') +
               'aes-cmac'.encode().hex().ljust(48, '0'))
        m = add(4096, 12).replace('04000800' 'a0000000' + '22' * 20 +
                                  '00000000', '03000800' '80000000' +
                                  '22' * 16)
        m = m[:8] + ((len(m) + len(own)) // 16).to_bytes(
            2, 'little').hex() + m[12:] + own
        self.sides('pfkey-private-extension', f'pfkey k {m}\n',
                   on='> pfkey k type=ADD errno=0\n',
                   off='> errno EINVAL\n> nothing\n')

    def test_parse_errors(self):
        """Linux, PF_KEY 1."""
        for message in (head(77, 3), head(10, 3, version=1)):
            self.sides('pfkey-parse-errors', f'pfkey k {message}\n',
                       freebsd='> pfkey k errno=22\n> errno 0\n',
                       linux='> errno EINVAL\n> nothing\n')
        twice = '02050003' '06000000' '01000000' '01000000' + \
            2 * ('02000100' '00001000' '00000000' '00000000')
        self.sides('pfkey-parse-errors', f'pfkey k {twice}\n',
                   freebsd='> errno EINVAL\n> nothing\n',
                   linux='> pfkey k type=GET errno=22\n> errno 0\n')

    def test_other_satypes(self):
        """Linux, PF_KEY 5."""
        self.sides('pfkey-other-satypes', f'pfkey k {head(7, 5)}\n',
                   eopnotsupp='> pfkey k type=REGISTER errno=45\n',
                   linux='> pfkey k type=REGISTER errno=0\n')
        self.sides('pfkey-other-satypes', f'pfkey k {head(10, 5)}\n',
                   eopnotsupp='> pfkey k type=DUMP errno=45\n',
                   linux='> pfkey k type=DUMP errno=22\n')

    def test_no_handler(self):
        self.sides('pfkey-no-handler', f'pfkey k {head(12, 0)}\n',
                   einval='> pfkey k errno=22\n',
                   eopnotsupp='> pfkey k errno=45\n')

    def test_flush_replies(self):
        """Linux, PF_KEY 3."""
        one, other = '> pfkey k type=FLUSH errno=0\n', \
            '> pfkey setkey type=FLUSH\n'
        self.sides('pfkey-flush-replies', ADD % '0x1000' +
                   f'pfkey k {head(9, 0)}\n', once=one + other,
                   twice=one + one + other)
        self.sides('pfkey-flush-replies', f'pfkey k {head(9, 0)}\n',
                   once=one, twice=one)

    def test_promisc(self):
        """Linux, PF_KEY 3: the answer to PROMISC comes twice."""
        self.sides('pfkey-promisc', f'pfkey k {head(11, 1)}\n',
                   plain=f'> pfkey k {head(11, 1)}\n' * 2,
                   wrapped=f'> pfkey k 020b0000{"04000000" + "0" * 16}'
                           f'{head(11, 1)}\n> pfkey k {head(11, 1)}\n')

    def test_policy_errno(self):
        """Linux, PF_KEY 2."""
        self.sides('pfkey-policy-errno', 'setkey spddelete 192.0.2.1 '
                   '192.0.2.2 any -P out ;\n',
                   einval='> pfkey setkey type=X_SPDDELETE errno=22\n',
                   enoent='> pfkey setkey type=X_SPDDELETE errno=2\n')

    def test_delete_all(self):
        self.sides('pfkey-delete-all', ADD % '0x1000' +
                   'setkey deleteall 192.0.2.1 192.0.2.2 esp ;\n',
                   all='> pfkey k type=DELETE errno=0\n'
                       '> pfkey setkey type=DELETE\n',
                   refuse='> pfkey setkey type=DELETE errno=22\n')

    def test_getspi_errno(self):
        """[PFKEY-3.1.1-03] The SPI that is asked for is taken."""
        self.sides('pfkey-getspi-errno', 'switch pfkey-getspi-fixed=free\n' +
                   ADD % '0x1000' + f'pfkey k {getspi(0x1000)}\n',
                   eexist='> pfkey k type=GETSPI errno=17\n',
                   enoent='> pfkey k type=GETSPI errno=2\n')

    def test_unknown_algorithm(self):
        self.sides('pfkey-unknown-algorithm', f'pfkey k {add(0x1000, 119)}\n',
                   einval='> pfkey k type=ADD errno=22\n',
                   enosys='> pfkey k type=ADD errno=78\n')

    def test_acquire_proposal(self):
        """Linux, PF_KEY 7: 8 octets, no combination."""
        scenario = 'setkey spdadd 192.0.2.1 192.0.2.2 any -P out ipsec ' \
            f'esp/transport//require ;\npfkey k {head(7, 3)}\n{OUT}'
        self.sides('pfkey-acquire-proposal', scenario,
                   empty='> pfkey k type=ACQUIRE PROPOSAL.replay=32\n'
                         '> drop no-sa-out\n',
                   combs='> pfkey k type=ACQUIRE '
                         'PROPOSAL.combs.0.encrypt=7\n> drop no-sa-out\n')

    def test_reqid_manual_max(self):
        """Quirk 25: an id of its own up to the limit, a drawn one above."""
        scenario = 'setkey spdadd 192.0.2.1 192.0.2.2 any -P out ipsec ' \
            'esp/transport//unique:20000 ;\nsetkey spddump ;\n'
        for value, reqid in (('32767', 20000), ('16383', 0x4001)):
            self.sides('reqid-manual-max', scenario,
                       **{'_' + value: '> pfkey setkey type=X_SPDDUMP '
                          f'X_POLICY.requests.0.reqid={reqid}\n'})


if __name__ == '__main__':
    unittest.main()
