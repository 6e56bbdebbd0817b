"""`ipsecsim setkey`: scripts on a key engine that begins empty.

Expected texts are the tool's (sbin/setkey), errno values the kernel's.
"""
import os
import unittest

from common import capture, run, temp

ADD = 'add 192.0.2.1 192.0.2.2 '
AES = '-E rijndael-cbc 0x00112233445566778899aabbccddeeff'
SHA1 = '-A hmac-sha1 0x000102030405060708090a0b0c0d0e0f10111213'
ESP = f'{ADD}esp 0x1001 -m tunnel -r 4 {AES} {SHA1};\n'
POLICY = ('spdadd 10.0.1.0/24 10.0.2.0/24 any -P out ipsec '
          'esp/tunnel/192.0.2.1-192.0.2.2/require;\n')

ESP_DUMP = '''192.0.2.1 192.0.2.2
\tesp mode=tunnel spi=4097(0x00001001) reqid=0(0x00000000)
\tE: rijndael-cbc  00112233 44556677 8899aabb ccddeeff
\tA: hmac-sha1  00010203 04050607 08090a0b 0c0d0e0f 10111213
\tseq=0x00000000 replay=4 flags=0x00000040 state=mature 
\tcreated: Feb  6 12:00:00 2017\tcurrent: Feb  6 12:00:10 2017
\tdiff: 10(s)\thard: 0(s)\tsoft: 0(s)
\tlast:                     \thard: 0(s)\tsoft: 0(s)
\tcurrent: 0(bytes)\thard: 0(bytes)\tsoft: 0(bytes)
\tallocated: 0\thard: 0\tsoft: 0
\tsadb_seq=0 pid=1 refcnt=1
'''
POLICY_DUMP = '''10.0.1.0/24[any] 10.0.2.0/24[any] any
\tout ipsec
\tesp/tunnel/192.0.2.1-192.0.2.2/require
\tspid=1 seq=0 pid=1{}
\trefcnt=1
'''


def script(text, *options):
    return run('setkey', '-f', '-', *options, stdin=text)


class Scripts(unittest.TestCase):
    def said(self, text, out, status, *options):
        p = script(text, *options)
        self.assertEqual((p.stdout, p.stderr, p.returncode),
                         (out, '', status), text)

    def test_an_sa_is_added_and_printed(self):
        self.said(ESP, ESP_DUMP, 0, '-D', '--after', '10', '--show-keys')

    def test_keys_are_hidden(self):
        p = script(ESP, '-D', '-v')
        self.assertEqual(p.returncode, 0)
        self.assertIn('\tE: rijndael-cbc  <hidden: 16 octets>\n', p.stdout)
        self.assertIn('\tA: hmac-sha1  <hidden: 20 octets>\n', p.stdout)
        self.assertNotIn('00112233', p.stdout)
        self.assertNotIn('10111213', p.stdout)

    def test_a_policy_is_added_and_printed(self):
        """[MAN-pfkey-02]"""
        self.said(POLICY, POLICY_DUMP.format(''), 0, '-DP', '--profile',
                  'freebsd-2017')
        self.said(POLICY, POLICY_DUMP.format(' scope=global '), 0, '-D',
                  '-P', '--switch', 'policy-scope=on')

    def test_scopes(self):
        for letter, out in (('g', POLICY_DUMP.format(' scope=global ')),
                            ('t', 'No SPD entries.\n')):
            self.said(POLICY, out, 0, '-DP' + letter, '--profile',
                      'freebsd-13')

    def test_statements_print_what_they_ask_for(self):
        p = script(ESP + 'get 192.0.2.1 192.0.2.2 esp 0x1001; dump esp;',
                   '--show-keys')
        # GET holds the SA once more.
        self.assertEqual(
            p.stdout.replace('current: Feb  6 12:00:00',
                             'current: Feb  6 12:00:10').replace(
                                 'diff: 0', 'diff: 10'),
            ESP_DUMP.replace('refcnt=1', 'refcnt=2') + ESP_DUMP)
        self.said(POLICY + 'spddump;', POLICY_DUMP.format(''), 0)

    def test_errors_of_the_kernel_are_told_and_passed(self):
        """[PFKEY-1.4-03] One line each, with the line of the semicolon."""
        rows = [
            (ESP + ESP, 'The result of line 2: File exists.\n'),
            (ADD + f'esp 255\n {AES}\n;',
             'The result of line 3: Invalid argument.\n'),
            # setkey's own -A null sends no key, which the kernel wants.
            (ADD + f'ah 256 -A null;',
             'The result of line 1: Invalid argument.\n'),
            (ADD + f'esp 256 -lh 10 {AES};',
             'The result of line 1: Invalid argument.\n'),
            (ADD + 'ipcomp 0x1000 -C lzs;',
             'The result of line 1: Invalid argument.\n'),
            (ADD + f'256 {AES};',
             'The result of line 1: Invalid argument.\n'),
            ('get 192.0.2.1 192.0.2.2 esp 256;',
             'The result of line 1: No such process.\n'),
            ('delete 192.0.2.1 192.0.2.2 esp 256;',
             'The result of line 1: No such process.\n'),
            (POLICY + POLICY, 'The result of line 2: File exists.\n'),
            ('spddelete ::1 ::2 any -P in;',
             'The result of line 1: Invalid argument.\n'),
            ('spdadd ::1 ::2 any -P in bypass;',
             'The result of line 1: Invalid argument.\n'),
            ('spdadd ::1 ::2 any -P in ipsec;',
             'The result of line 1: Invalid argument.\n'),
            ('spdadd 10.0.0.1/33 10.0.0.2 any -P in none;',
             'The result of line 1: Invalid argument.\n'),
        ]
        for text, out in rows:
            self.said(text, out, 1, '--profile', 'freebsd-2017')
        # What comes behind is carried out.
        p = script(ESP + ESP + ADD + f'esp 0x1002 -m tunnel {AES};', '-D')
        self.assertEqual(p.stdout.count('state=mature'), 2)
        self.assertEqual(p.returncode, 1)

    def test_empty_databases_are_an_answer(self):
        self.said('flush;\nspdflush;', '', 0)
        self.said('dump;\n\nspddump;', 'The result of line 1: No SAD '
                  'entries.\nThe result of line 3: No SPD entries.\n', 0)
        for option, out in (('-D', 'No SAD entries.\n'),
                            ('-DP', 'No SPD entries.\n')):
            p = run('setkey', option)
            self.assertEqual((p.stdout, p.returncode), (out, 0))
        self.assertEqual(run('setkey', '-F').stdout, '')
        self.assertEqual(run('setkey', '-FP').stdout, '')

    def test_a_script_stops_where_it_cannot_be_read(self):
        """What stands in front of that has been carried out."""
        self.said(ESP + ESP + 'foo;\n' + ESP,
                  'The result of line 2: File exists.\n'
                  'line 3: syntax error at [foo]\nparse failed, line 3.\n',
                  1)
        self.said('dump;\n' + ADD + 'esp 256 -E rijndael-cbc 0x00;',
                  'The result of line 1: No SAD entries.\n'
                  'line 2: Invalid key length at [<hidden>]\n'
                  'parse failed, line 2.\n', 1)
        self.said(ADD + 'ah 256 -A aes-xcbc-mac "0123456789abcdef";',
                  'line 1: Not supported at [<hidden>]\n'
                  'parse failed, line 1.\n', 1, '--profile', 'freebsd-2017')
        # Words that the later tool no longer has.
        for profile, status in (('freebsd-2017', 0), ('freebsd-13', 1)):
            p = script(ADD + 'ah 256 -A hmac-md5 "0123456789abcdef";',
                       '--profile', profile)
            self.assertEqual(p.returncode, status, p.stdout)
        # A dump asked for is not made.
        self.said('foo;', 'line 1: syntax error at [foo]\n'
                  'parse failed, line 1.\n', 1, '-D')

    def test_warnings_stand_in_front_of_what_they_are_about(self):
        self.said('dump;\ndelete ::1 ::2 esp 256 -m tunnel;',
                  'The result of line 1: No SAD entries.\n'
                  'line 2: WARNING: mode is obsolete at [;]\n'
                  'The result of line 2: No such process.\n', 1)

    def test_removal(self):
        other = ADD + f'ah 0x1002 {SHA1};\n'
        rows = [('flush;', 0), ('flush esp;', 1), ('flush ah;', 1),
                ('flush ipcomp;', 2),
                ('delete 192.0.2.1 192.0.2.2 esp 0x1001;', 1),
                ('deleteall 192.0.2.1 192.0.2.2 ah;', 1),
                ('deleteall 192.0.2.2 192.0.2.1 ah;', 2)]
        for text, left in rows:
            p = script(ESP + other + text, '-D')
            self.assertEqual(p.stdout.count('state=mature'), left, text)
        for text, left in (('spdflush;', 0),
                           ('spddelete 10.0.1.0/24 10.0.2.0/24 any -P out '
                            'none;', 0)):
            p = script(POLICY + text, '-DP')
            self.assertEqual(p.stdout.count('spid='), left, text)
        p = script(ESP + POLICY, '-F', '-D')
        self.assertEqual(p.stdout, 'No SAD entries.\n')

    def test_pairs_of_addresses(self):
        hosts = temp('hosts', '192.0.2.1 a\n2001:db8::1 a\n'
                     '2001:db8::2 b\n2001:db8::3 b\n')
        p = script('add a b tcp 0x1000 -A tcp-md5 "x";', '-D', '--hosts',
                   hosts)
        self.assertEqual(p.returncode, 0, p.stdout)
        self.assertEqual(sorted(x for x in p.stdout.splitlines()
                                if not x.startswith('\t')),
                         ['2001:db8::1 2001:db8::2',
                          '2001:db8::1 2001:db8::3'])

    def test_ports_may_have_names(self):
        """[service] of a table in the form of services(5): UDP's numbers, its
        names in their case, aliases."""
        table = temp('services', '# a comment\n'
                     'isakmp  500/tcp\nisakmp\t500/udp   ike # IKE\n\n'
                     'both 7/sctp\nboth 65535/udp')
        text = ('spdadd 10.0.0.1[%s] 10.0.0.2[any] udp -P out none;')
        for word, port in (('isakmp', '500'), ('ike', '500'),
                           ('both', '65535'), ('4500', '4500')):
            p = script(text % word, '-DP', '--services', table)
            self.assertEqual(p.returncode, 0, p.stdout)
            self.assertIn(f'10.0.0.1[{port}] 10.0.0.2[any] udp\n', p.stdout)
        for word in ('IKE', 'isakm', 'isakmpd', '65536'):
            p = script(text % word, '-DP', '--services', table)
            self.assertEqual(p.returncode, 1, word)
            self.assertIn('servname not supported', p.stdout)
        self.assertEqual(script(text % 'isakmp', '-DP').returncode, 1)

    def test_lifetimes_pass(self):
        text = ADD + f'esp 256 -m tunnel -lh 20 -ls 10 {AES};'
        for after, state in ((5, 'mature'), (15, 'dying')):
            p = script(text, '-D', '--after', str(after))
            self.assertIn(f'state={state} \n', p.stdout)
            self.assertIn(f'\tdiff: {after}(s)\thard: 20(s)\tsoft: 10(s)\n',
                          p.stdout)
        p = script(text, '-D', '--after', '25')
        self.assertEqual(p.stdout, 'No SAD entries.\n')

    def test_the_short_form(self):
        p = script(ESP, '-D', '-l', '--after', '70')
        self.assertEqual(
            p.stdout,
            'time p   s spi      ltime   src -> dst\n'
            '0110 esp M 00001001 ???/??? #255 192.0.2.1 -> '
            '#255 192.0.2.2\n')

    def test_keys_of_tcp_md5(self):
        """[ALG-TCPMD5-10] 1 to 80 octets; others are refused without a word
        of their own."""
        for n, status in ((0, 1), (1, 0), (80, 0), (81, 1)):
            p = script(ADD + f'tcp 0x1000 -A tcp-md5 "{"k" * n}";')
            self.assertEqual((p.stdout, p.returncode), (
                'parse failed, line 1.\n' if status else '', status))

    def test_large_windows(self):
        for n in (0, 255, 256, 1000):
            p = script(ADD + f'esp 256 -m tunnel -r {n} {AES};', '-D')
            self.assertIn(f' replay={n} ', p.stdout)

    def test_a_dump_that_does_not_fit_the_socket(self):
        """[MAN-bugs-04] What did not fit is missing, and the tool waits for
        the last message in vain."""
        text = ''.join(f'{ADD}esp {256 + i} -m tunnel {AES} {SHA1};\n'
                       for i in range(1000))
        p = script(text, '-D')
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stderr,
                         'recv: Resource temporarily unavailable\n')
        # 184 octets each and two of the sender's address in 128 KiB.
        self.assertEqual(p.stdout.count('state=mature'), 131072 // 186)

    def test_a_message_that_is_too_long_for_the_kernel(self):
        rule = ' esp/tunnel/192.0.2.1-192.0.2.2/use'
        text = ('spdadd 10.0.0.1 10.0.0.2 any -P in ipsec' + 60 * rule +
                ';\nflush;')
        p = script(text)
        self.assertEqual((p.stdout, p.stderr, p.returncode),
                         ('', 'send: No buffer space available\n', 1))

    def test_verbose_shows_both_ways(self):
        p = script('flush;', '-v')
        self.assertEqual(p.stdout.count('FLUSH'), 2)


class Configurations(unittest.TestCase):
    def test_each_capture(self):
        """A gateway's SAs and policies, as its files say them."""
        for name in ('esp-tn44-aes128cbc-sha1', 'ah-tp4-sha1',
                     'compah-tp4-sha1', 'espah-tp6-aes256cbc-sha256',
                     'natt-tn44-gcm128_16'):
            with open(capture(name + '.setkey')) as f:
                text = f.read()
            p = run('setkey', '-c', capture(name + '.setkey'), '-D')
            self.assertEqual((p.returncode, p.stderr), (0, ''), name)
            self.assertEqual(p.stdout.count('state=mature'),
                             text.count('\nadd '), name)
            q = run('setkey', '-c', capture(name + '.setkey'), '-DP')
            self.assertEqual((q.returncode, q.stderr), (0, ''), name)
            self.assertEqual(q.stdout.count('\tspid='),
                             text.count('\nspdadd '), name)
            # The script way comes to the same.
            for option, want in (('-D', p.stdout), ('-DP', q.stdout)):
                r = run('setkey', '-f', capture(name + '.setkey'), option)
                self.assertEqual(r.stdout, want, name)

    def test_a_sidecar(self):
        p = run('setkey', '-c', capture('ah-tp4-sha1.json'), '-D')
        q = run('setkey', '-c', capture('ah-tp4-sha1.setkey'), '-D')
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual(sorted(p.stdout.replace('flags=0x00000000',
                                                 'flags=0x00000040')),
                         sorted(q.stdout))

    def test_strictly_read(self):
        bad = temp('bad.conf', ESP + 'add 192.0.2.1 esq;\n')
        for args in (('-c', bad, '-D'), ('--state', bad, '-D')):
            p = run('setkey', *args)
            self.assertEqual(p.returncode, 2)
            self.assertEqual(p.stdout, '')
            self.assertTrue(p.stderr.startswith(f'ipsecsim: {bad}:2:'),
                            p.stderr)
            self.assertEqual(p.stderr.count('\n'), 1)

    def test_what_the_engine_refuses_ends_it(self):
        # One SPI, two protocols: a list of SAs has no objection.
        two = temp('two.conf', ESP + ADD + f'ah 0x1001 {SHA1};\n')
        p = run('setkey', '-c', two, '-D', '--profile', 'freebsd-2017')
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stdout, '')
        self.assertEqual(p.stderr, f'ipsecsim: {two}:2: the engine refuses '
                         'this: File exists\n')

    def test_states_come_first(self):
        one = temp('one.conf', ESP)
        p = run('setkey', '--state', one, '-f', '-', '-D',
                stdin='flush;')
        self.assertEqual(p.stdout, 'No SAD entries.\n')
        p = run('setkey', '--state', one, '-c', '-D', stdin=ESP)
        self.assertTrue(p.stdout.startswith(
            'The result of line 1: File exists.\n192.0.2.1 192.0.2.2\n'))

    def test_what_pf_key_cannot_say(self):
        seq = temp('seq.conf', ADD + f'esp 256 -m tunnel -seq 5 {AES};\n')
        p = run('setkey', '-c', seq, '-D')
        self.assertEqual(p.returncode, 0)
        self.assertEqual(p.stderr, f'ipsecsim: {seq}:1: warning: PF_KEY '
                         'cannot say -seq\n')
        p = script(f'{ADD}esp 256 -m tunnel -seq 5 {AES};')
        self.assertEqual(p.stdout,
                         'line 1: WARNING: PF_KEY cannot say -seq\n')
        ctr = temp('ctr.conf', ADD + 'ah 256 -A aes-cmac '
                   '"0123456789abcdef";\n')
        p = run('setkey', '-c', ctr, '-D')
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stderr, f'ipsecsim: {ctr}:1: PF_KEY has no number '
                         'for its algorithm\n')


class Usage(unittest.TestCase):
    def test_bad_usage(self):
        rows = [(), ('-x',), ('-xx',), ('-h',), ('-q',), ('-f',), ('-Df',),
                ('file',), ('-f', '-', '-f', '-'), ('--now', 'x', '-D'),
                ('--now', '-1', '-D'), ('--now',), ('--profile', 'x', '-D'),
                ('--switch', 'x=y', '-D'), ('--bogus', '-D'),
                ('--encode', '-f', '-'), ('--encode', '--show-keys'),
                ('-f', '/nonexistent'), ('-c', '/nonexistent', '-D'),
                ('--hosts', '/nonexistent', '-D'),
                ('--services', '/nonexistent', '-D'),
                ('-D', '--now', '99999999999999999999')]
        for args in rows:
            p = run('setkey', *args, stdin='')
            self.assertEqual(p.returncode, 2, args)
            self.assertEqual(p.stdout, '', args)
            self.assertEqual(p.stderr.count('\n'), 1, (args, p.stderr))

    def test_promiscuous_mode_has_no_kernel(self):
        self.assertIn('running system', run('setkey', '-x').stderr)

    def test_help(self):
        p = run('setkey', '--help')
        self.assertEqual((p.returncode, p.stderr), (0, ''))
        self.assertIn('-DP', p.stdout)

    def test_a_bad_table_of_hosts(self):
        bad = temp('hosts.bad', '::1 a\nb c\n')
        p = run('setkey', '--hosts', bad, '-D')
        self.assertEqual(p.returncode, 2)
        self.assertEqual(p.stderr,
                         f'ipsecsim: {bad}:2: a numeric address expected\n')

    def test_a_bad_table_of_services(self):
        for line in ('a', 'a 5', 'a 5/', 'a x/udp', 'a 65536/udp', 'a /udp',
                     'a -1/udp', 'a 5x/udp'):
            bad = temp('services.bad', 'ok 5/udp\n' + line + '\n')
            p = run('setkey', '--services', bad, '-D')
            self.assertEqual(p.returncode, 2, line)
            self.assertEqual(p.stderr, f'ipsecsim: {bad}:2: a name, then its '
                             'port and protocol as in 500/udp, expected\n')

    def test_letters_may_stand_in_a_row(self):
        path = temp('row.conf', ESP)
        p = run('setkey', '-vDaf', path)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn('state=mature', p.stdout)


if __name__ == '__main__':
    unittest.main()
