"""docs/profiles.md: its switches, values and tests exist; nothing is left
out."""
import os
import re
import unittest

from common import TOP, jsonl, run

PROFILES = ('observer', 'manual', 'freebsd-2017', 'freebsd-13', 'rfc2401',
            'rfc4301', 'linux')
# Every quirk of the kernel and of PF_KEY, every row of the tables of
# disagreements, every behaviour of Linux in vectors/captures/README.md.
LISTS = {'Q': 32, 'M': 14, 'T': 11, 'P': 37, 'S': 7, 'R': 10, 'K': 8,
         'C': 21, 'D': 14}
# Rows that no test of their own is known for; this list only shrinks.
UNTESTED = {'M11', 'M14', 'T02', 'T10', 'C12'}


def source(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        return f.read()


def rows():
    for line in source('docs/profiles.md').splitlines():
        cells = [c.strip() for c in line.strip('|').split('|')]
        if line.startswith('|') and re.fullmatch(r'[A-Z]\d+', cells[0]):
            yield cells


class Table(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows = list(rows())
        cls.switches = {r['switch']: r for r in
                        jsonl(run('profiles', '--json').stdout)[1:-1]}

    def test_every_number_occurs(self):
        seen = {row[0] for row in self.rows}
        for letter, n in LISTS.items():
            digits = 1 if letter in 'SRK' else 2
            want = {f'{letter}{i:0{digits}d}' for i in range(1, n + 1)}
            self.assertEqual({i for i in seen if i[0] == letter}, want)
        readme = source('vectors/captures/README.md')
        tail = readme[readme.index('## Where Linux does'):]
        counts = [int(m) for m in re.findall(r'^(\d+)\. ', tail, re.M)]
        self.assertEqual([n for n, m in zip(counts, counts[1:] + [1])
                          if m == 1],
                         [LISTS['S'], LISTS['R'], LISTS['K']])

    def test_every_switch_has_a_row(self):
        named = {row[2].strip('`') for row in self.rows} - {'-'}
        self.assertEqual(named, set(self.switches))

    def test_values(self):
        """As the program has them, and its words allow."""
        for row in self.rows:
            if row[2] == '-':
                continue
            s = self.switches[row[2].strip('`')]
            values = row[3].split()
            if len(values) == 1:
                values *= len(PROFILES)
            self.assertEqual(values, [str(s['profiles'][p])
                                      for p in PROFILES], row)
            for v in values:
                if s['values'] == 'number':
                    self.assertTrue(v.isdigit(), row)
                else:
                    self.assertIn(v, s['values'].split('|'), row)

    def test_tests_exist(self):
        self.assertEqual({row[0] for row in self.rows if row[4] == 'none'},
                         UNTESTED)
        for row in self.rows:
            if row[4] == 'none':
                self.assertEqual(row[2], '-', row)
                continue
            where, _, name = row[4].strip('`').partition(':')
            text = source(os.path.join('tests', where))
            if where.endswith('.py'):
                self.assertIn(f'    def {name}(', text, row)
            else:
                suite, case = name.split('.')
                self.assertRegex(text, rf'Test\({suite}, {case}\b', row)

    def test_no_switch_has_a_reason(self):
        for row in self.rows:
            if row[2] == '-':
                self.assertGreater(len(row[3].split()), 3, row)


if __name__ == '__main__':
    unittest.main()
