"""`ipsecsim check`: every vector and capture holds, a spoiled copy fails."""
import copy
import glob
import json
import os
import re
import shutil
import unittest

from common import (CAPTURES, TOP, capture, jsonl, load, names, octets,
                    run, scratch, temp)

VECTORS = sorted(glob.glob(os.path.join(TOP, 'vectors', 'rfc', '*.json'))
                 + glob.glob(os.path.join(TOP, 'vectors', 'public', '*.json')))


def summary(p):
    return jsonl(p.stdout)[-1]['summary']


def flip(digits):
    """The last bit of a hexadecimal string."""
    return digits[:-1] + '%x' % (int(digits[-1], 16) ^ 1)


class Vectors(unittest.TestCase):
    def test_every_case_holds(self):
        p = run('check', *VECTORS)
        s = summary(p)
        want = sum(len(load(f)['cases']) for f in VECTORS)
        self.assertEqual(p.returncode, 0)
        self.assertEqual(s['cases'], want)
        self.assertEqual(s['pass'], want)
        self.assertGreaterEqual(want, 2500)
        self.assertEqual(s['files'], len(VECTORS))

    def test_header_and_one_object_a_case(self):
        p = run('check', VECTORS[0])
        lines = jsonl(p.stdout)
        self.assertEqual(lines[0],
                         {'schema': 'ipsecsim-check', 'version': 1})
        ids = [c['id'] for c in load(VECTORS[0])['cases']]
        self.assertEqual([x['case'] for x in lines[1:-1]], ids)
        for x in lines[1:-1]:
            self.assertEqual(sorted(x), ['case', 'file', 'result', 'why'])

    def test_spoiled_output_fails(self):
        """One bit of any output of any file, in its first valid cases."""
        tried = 0
        for path in VECTORS:
            j = load(path)
            done = set()
            for case in j['cases']:
                op = case['operation']
                if case['result'] != 'valid' or op in done:
                    continue
                done.add(op)
                for member in ('icv', 'ciphertext', 'payload', 'original',
                               'plaintext', 'compressed', 'esp'):
                    if not case.get(member):
                        continue
                    if member == 'esp' and 'packet' in case:
                        continue
                    bad = copy.deepcopy(j)
                    bad['cases'] = [dict(case)]
                    bad['cases'][0][member] = flip(case[member])
                    p = run('check', temp('spoiled.json', json.dumps(bad)))
                    self.assertEqual(p.returncode, 1,
                                     (path, case['id'], member, p.stdout))
                    tried += 1
        self.assertGreater(tried, 100)

    def test_invalid_called_valid_and_the_reverse_fail(self):
        for path in VECTORS:
            j = load(path)
            kinds = {c['result']: c for c in reversed(j['cases'])}
            for result, case in kinds.items():
                other = {'valid': 'invalid', 'invalid': 'valid'}[result]
                bad = dict(j, cases=[dict(case, result=other)])
                p = run('check', temp('turned.json', json.dumps(bad)))
                self.assertEqual(p.returncode, 1, (path, case['id']))

    def test_reason_must_fit_the_comment(self):
        j = load(os.path.join(
            TOP, 'vectors', 'rfc', 'constructed-esp-broken.json'))
        case = next(c for c in j['cases'] if c['comment'] == 'icv first bit')
        bad = dict(j, cases=[dict(case, comment='pad first')])
        p = run('check', temp('misfit.json', json.dumps(bad)))
        self.assertEqual(p.returncode, 1)
        self.assertIn('does not fit', p.stdout)

    def test_an_unknown_comment_still_needs_the_layer_to_refuse(self):
        """A packet that never reaches its SA proves nothing about ESP."""
        j = load(os.path.join(
            TOP, 'vectors', 'rfc', 'constructed-esp-broken.json'))
        case = next(c for c in j['cases'] if c['comment'] == 'icv first bit')
        for comment in ('of a new kind', None):
            new = dict(case, comment=comment)
            if comment is None:
                del new['comment']
            p = run('check', temp('new.json',
                                  json.dumps(dict(j, cases=[new]))))
            self.assertEqual(p.returncode, 0, p.stdout)
            sa = dict(case['sa'], spi='0x0badc0de')
            p = run('check', temp('nosa.json', json.dumps(
                dict(j, cases=[dict(new, sa=sa)]))))
            self.assertEqual(p.returncode, 1, p.stdout)
            self.assertIn('no-sa', p.stdout)

    def test_lengths_that_do_not_fit_are_refused(self):
        """An error where the case should hold, a pass where it should not."""
        path = os.path.join(TOP, 'vectors', 'rfc', 'gcm-spec-aes-gcm.json')
        j = load(path)
        case = j['cases'][0]
        for result, want in (('valid', 2), ('invalid', 0)):
            bad = dict(case, icv=case['icv'] + '00' * 8, result=result)
            p = run('check', temp('long.json',
                                  json.dumps(dict(j, cases=[bad]))))
            self.assertEqual(p.returncode, want, p.stdout)

    def test_a_choice_the_standard_forbids_a_sender_fails(self):
        """Right ICV over padding that RFC 4303 2.4 does not allow."""
        j = load(os.path.join(
            TOP, 'vectors', 'rfc', 'constructed-esp-broken.json'))
        case = next(c for c in j['cases'] if c['comment'] == 'pad first')
        case = dict(case, result='valid')
        # A receiver that need not look takes it; the judge of senders looks.
        del case['fails_after_authentication']
        p = run('check', temp('pads.json',
                              json.dumps(dict(j, cases=[case]))))
        self.assertEqual(p.returncode, 1, p.stdout)
        self.assertNotIn('refused', p.stdout)


class Captures(unittest.TestCase):
    def test_every_frame_agrees(self):
        p = run('check', '-q', '--allow-unsupported',
                *(capture(n + '.json') for n in names()))
        s = summary(p)
        self.assertEqual(p.returncode, 0, p.stdout[:2000])
        self.assertEqual((s['fail'], s['error'], s['unsupported']),
                         (0, 0, 0))
        self.assertGreater(s['pass'], 11300)

    def policies(self, change):
        """The capture beside policies that were changed (None: none)."""
        name = 'ah-tn44-sha1'
        p, d, path = self.spoil(name, lambda j: None)
        text = octets(capture(name + '.setkey')).decode()
        if change is not None:
            with open(os.path.join(d, name + '.setkey'), 'w') as f:
                f.write(change(text))
        return run('check', '-q', path)

    def test_unsupported_is_a_failure_unless_allowed(self):
        """Without NAME.setkey nobody can say what the policies are."""
        p = self.policies(None)
        self.assertEqual(p.returncode, 1)
        for x in jsonl(p.stdout)[1:-1]:
            self.assertEqual(x['result'], 'unsupported')
            self.assertIn('policy', x['why'])
        self.assertGreater(summary(p)['unsupported'], 0)

    def test_policies_decide(self):
        """[ARCH-5.2-08] [ARCH-5.2-12]"""
        self.assertEqual(self.policies(lambda t: t).returncode, 0)
        for change in (lambda t: t.replace('/require', '/use'),
                       lambda t: t.replace('10.1.0.0/24', '10.0.0.0/8')):
            p = self.policies(change)
            self.assertEqual(p.returncode, 1)
            self.assertTrue(self.failed(p))
        p = self.policies(lambda t: t.replace('-P in', '-P inn'))
        self.assertEqual(p.returncode, 2)
        self.assertRegex(p.stderr, r'ah-tn44-sha1\.setkey:\d+:\d+: ')
        p = self.policies(lambda t: re.sub(r'spdadd.*', '', t))
        self.assertEqual(p.returncode, 2)

    def spoil(self, name, change):
        """Checks a copy of one capture after change(sidecar)."""
        d = os.path.join(scratch.name, 'copy')
        shutil.rmtree(d, ignore_errors=True)
        os.mkdir(d)
        for end in ('.pcap', '.neg.pcap'):
            shutil.copy(os.path.join(CAPTURES, name + end), d)
        j = load(capture(name + '.json'))
        change(j)
        path = os.path.join(d, name + '.json')
        with open(path, 'w') as f:
            json.dump(j, f)
        return run('check', '-q', '--allow-unsupported', path), d, path

    def failed(self, p):
        return [x['case'] for x in jsonl(p.stdout)[1:-1]
                if x['result'] == 'fail']

    def test_spoiled_truth_fails(self):
        name = 'esp-tn44-gcm128_16'

        def first(member, value):
            def change(j):
                j['frames'][0][member] = value
            return change

        def layer(member, value):
            def change(j):
                j['frames'][0]['layers'][0][member] = value
            return change

        inner = load(capture(name + '.json'))['frames'][0]['inner']
        for change in (first('verdict', 'drop'), first('inner', flip(inner)),
                       first('layers', []), layer('seq', 7),
                       layer('padlen', 77), layer('nh', 41),
                       layer('iv', '0011223344556677'),
                       layer('spi', '0x00000001')):
            p, _, _ = self.spoil(name, change)
            self.assertEqual(self.failed(p), ['frame/1'])
            self.assertEqual(p.returncode, 1)

    def test_spoiled_negative_fails_for_the_right_side(self):
        name = 'esp-tn44-gcm128_16'

        def change(j):
            j['negative'][0]['verdict'] = 'drop'
            j['negative'][1]['linux'] = 'drop'
        p, _, _ = self.spoil(name, change)
        self.assertEqual(self.failed(p), ['neg/1', 'neg/2:linux'])

    def test_frames_that_are_missing_or_too_many_fail(self):
        name = 'esp-tn44-gcm128_16'
        p, _, _ = self.spoil(name, lambda j: j['frames'].pop())
        self.assertEqual(len(self.failed(p)), 1)
        p, _, _ = self.spoil(
            name, lambda j: j['frames'].append(j['frames'][0]))
        self.assertEqual(len(self.failed(p)), 1)

    def test_an_entry_that_cannot_be_compared_is_an_error(self):
        def first(part, member, value):
            def change(j):
                if value is None:
                    del j[part][0][member]
                else:
                    j[part][0][member] = value
            return change
        for change in (first('frames', 'inner', 5),
                       first('frames', 'inner', None),
                       first('frames', 'layers', {}),
                       first('frames', 'verdict', 'acept'),
                       first('frames', 'verdict', None),
                       first('negative', 'linux', 3),
                       first('negative', 'verdict', 'dorp')):
            p, _, _ = self.spoil('esp-tn44-gcm128_16', change)
            self.assertEqual(p.returncode, 2)
            self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)
            self.assertEqual(summary(p)['error'], 1)

    def test_no_negatives_means_that_none_are_there(self):
        def change(j):
            j['negative'] = []
        p, _, _ = self.spoil('esp-tn44-gcm128_16', change)
        want = len(load(capture('esp-tn44-gcm128_16.json'))['negative'])
        self.assertEqual(len(self.failed(p)), want)
        self.assertEqual(p.returncode, 1)

    def test_a_wrong_key_fails(self):
        def change(j):
            j['sas'][0]['encryption']['key'] = '00' * 16
        p, _, _ = self.spoil('esp-tn44-gcm128_16', change)
        self.assertGreater(len(self.failed(p)), 10)

    def test_the_three_keys_of_3des_stand_in_the_order_of_sending(self):
        """[PFKEY-2.3.4-03] One extension for both directions: a Linux kernel's
        packets are opened and sealed again with the keys as it had them, and
        with no other order of the three."""
        name = 'esp-tp4-3des-sha1'
        for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)):
            def change(j):
                for sa in j['sas']:
                    key = sa['encryption']['key']
                    sa['encryption']['key'] = ''.join(
                        key[16 * i:16 * i + 16] for i in order)
            p, _, _ = self.spoil(name, change)
            frames = [x for x in load(capture(name + '.json'))['frames']
                      if x['verdict'] == 'accept']
            self.assertGreater(len(frames), 20)
            self.assertEqual({x['dir'] for x in frames}, {'A>B', 'B>A'})
            want = [] if order == (0, 1, 2) else [
                'frame/%d' % x['n'] for x in frames]
            self.assertEqual([x for x in self.failed(p)
                              if x.startswith('frame/')], want, order)

    def test_a_missing_capture_is_exit_2(self):
        p, d, path = self.spoil('esp-tn44-gcm128_16', lambda j: None)
        self.assertEqual(p.returncode, 0)
        os.remove(os.path.join(d, 'esp-tn44-gcm128_16.neg.pcap'))
        p = run('check', '-q', path)
        self.assertEqual(p.returncode, 2)
        self.assertEqual(len(p.stderr.splitlines()), 1)
        self.assertIn('esp-tn44-gcm128_16.neg.pcap', p.stderr)


class BadInput(unittest.TestCase):
    def one_line(self, data, *words):
        p = run('check', temp('bad.json', data))
        self.assertEqual(p.returncode, 2, p.stdout)
        self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)
        self.assertIn('bad.json', p.stderr)
        for w in words:
            self.assertIn(w, p.stderr)

    def test_not_json_names_the_line(self):
        self.one_line('{\n"schema": }', ':2:')

    def test_no_schema(self):
        self.one_line('{}', 'schema')

    def test_unknown_schema(self):
        self.one_line('{"schema": "x"}', 'x')

    def test_wrong_version(self):
        self.one_line('{"schema":"ipsec-vectors","version":2,"cases":[]}',
                      'version')

    def test_no_cases(self):
        self.one_line('{"schema":"ipsec-vectors","version":1}', 'cases')

        self.one_line('{"schema":"ipsec-vectors","version":1,"cases":[]}',
                      'at least one')

    def test_members_of_an_sa(self):
        j = load(os.path.join(TOP, 'vectors', 'rfc', 'constructed-esp.json'))
        for member, value in (('mode', 'tunel'), ('seq_lo', 'x'),
                              ('seq_lo', -1), ('seq_hi', 1 << 32)):
            case = j['cases'][0]
            case = dict(case, sa=dict(case['sa'], **{member: value}))
            self.one_line(json.dumps(dict(j, cases=[case])), 'sa.mode'
                          if member == 'mode' else member)

    def test_a_file_name_of_any_octets(self):
        path = os.path.join(scratch.name, 'na\udcffme.json')
        shutil.copy(VECTORS[0], path)
        p = run('check', path)
        self.assertEqual(p.returncode, 0)
        self.assertIn('na?me.json', jsonl(p.stdout)[1]['file'])

    def test_a_bad_case_is_an_error_and_the_rest_is_run(self):
        j = load(VECTORS[0])
        j['cases'] = [dict(j['cases'][0], packet='zz'), j['cases'][1]]
        p = run('check', temp('half.json', json.dumps(j)))
        lines = jsonl(p.stdout)
        self.assertEqual([x['result'] for x in lines[1:-1]],
                         ['error', 'pass'])
        self.assertEqual(p.returncode, 2)

    def test_missing_file(self):
        p = run('check', '/nonexistent.json')
        self.assertEqual(p.returncode, 2)
        self.assertIn('/nonexistent.json', p.stderr)

    def test_unknown_option_and_no_file(self):
        self.assertEqual(run('check', '--frobnicate').returncode, 2)
        self.assertEqual(run('check').returncode, 2)


if __name__ == '__main__':
    unittest.main()
