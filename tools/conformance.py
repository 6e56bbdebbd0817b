#!/usr/bin/env python3
"""Writes CONFORMANCE.md from the requirement tables and the sources.

A requirement is cited by its id in square brackets, [ESP-3.4.3-20], where it
is implemented (model/, pfkey/, harness/) and again where it is tested (tests/,
vectors/scenarios/).
With --check nothing is written: the exit status tells whether the file on disk
is what would be written, and whether every id that is cited exists.
"""
import collections
import csv
import glob
import os
import re
import sys

TABLES = ('vectors/requirements/requirements-core.tsv',
          'vectors/requirements/requirements-extra.tsv')
EXCEPTIONS = 'vectors/requirements/exceptions.tsv'
OUT = 'CONFORMANCE.md'
ID = r'(?:[A-Z][A-Z0-9]+-[A-Za-z0-9.]+(?:-[A-Za-z0-9.]+)*-\d+)'
BRACKET = re.compile(r'\[(' + ID + r'(?:[, ]+' + ID + r')*)\]')
RANGE = re.compile(r'\[(' + ID + r')\.\.(\d+)\]')
SCENARIOS = 'vectors/scenarios'
SOURCES = ('model', 'pfkey', 'harness', 'tests')
ENDINGS = ('.c', '.h', '.def', '.l', '.y', '.py', '.sh')


def rows():
    out = collections.OrderedDict()
    for path in TABLES:
        with open(path, newline='') as f:
            for r in csv.reader(f, delimiter='\t', quoting=csv.QUOTE_NONE):
                if r[0] != 'id':
                    out[r[0]] = r
    return out


def exceptions():
    out = {}
    with open(EXCEPTIONS) as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                ident, reason = line.rstrip('\n').split('\t', 1)
                out[ident] = reason
    return out


def expand(match):
    """[ESP-A2.2-01..04] names four."""
    first, last = match.group(1), match.group(2)
    stem, start = first.rsplit('-', 1)
    return [f'{stem}-{n:0{len(start)}d}'
            for n in range(int(start), int(last) + 1)]


def citations():
    code = collections.defaultdict(set)
    test = collections.defaultdict(set)
    for top in SOURCES:
        for path in sorted(glob.glob(top + '/**', recursive=True)):
            if not path.endswith(ENDINGS) or not os.path.isfile(path):
                continue
            text = open(path, encoding='utf-8', errors='replace').read()
            found = [i for m in BRACKET.finditer(text)
                     for i in re.split(r'[, ]+', m.group(1))]
            found += [i for m in RANGE.finditer(text) for i in expand(m)]
            for ident in found:
                (test if top == 'tests' else code)[ident].add(path)
    for line in scenario_lines():
        for m in BRACKET.finditer(line):
            test[m.group(1)].add(SCENARIOS)
    return code, test


def scenario_lines():
    """What scenarios expect; they are many, and stand under one name."""
    for path in sorted(glob.glob(SCENARIOS + '/*.scn')):
        with open(path, encoding='utf-8') as f:
            for line in f:
                if line.startswith('>'):
                    yield line


def reasons():
    text = open('model/ipm_verdict.def').read()
    pat = re.compile(r'^IPM_REASON\((\w+),\s*"([^"]+)",\s*(\w+),\s*"([^"]+)"',
                     re.M)
    return pat.findall(text)


def reason_tests(reason_rows):
    out = collections.defaultdict(set)
    for path in sorted(glob.glob('tests/**/*', recursive=True)):
        if not path.endswith(ENDINGS + ('.txt', '.jsonl')):
            continue
        text = open(path, encoding='utf-8', errors='replace').read()
        for name, word, _, _ in reason_rows:
            if re.search(r'\bIPM_R_' + name + r'\b', text) or \
                    f'"{word}"' in text or f"'{word}'" in text:
                out[name].add(path)
    words = {m.group(1) for m in (
        re.match(r'> (?:drop|fate) (\S+)', x) for x in scenario_lines())
        if m}
    for name, word, _, _ in reason_rows:
        if word in words:
            out[name].add(SCENARIOS)
    return out


def files(paths):
    return '<br>'.join(sorted(os.path.basename(p) for p in paths))


def document():
    table, why = rows(), exceptions()
    code, test = citations()
    unknown = sorted((set(code) | set(test) | set(why)) - set(table))
    state, areas = {}, collections.OrderedDict()
    for ident, r in table.items():
        if ident in why:
            s = 'exception'
        elif test.get(ident):
            s = 'tested'
        elif code.get(ident):
            s = 'code only'
        else:
            s = 'open'
        state[ident] = s
        areas.setdefault(r[5], collections.Counter())[s] += 1
    kinds = ('tested', 'code only', 'exception', 'open')
    out = ['# Conformance', '',
           'Made by `tools/conformance.py` from `vectors/requirements/` and '
           'the ids cited in the sources; do not',
           'edit. `tested`: cited by a test; `code only`: implemented, no '
           'test cites it yet; `open`: neither; what',
           'waits for the key engine and the data path is open.', '',
           '| area | ' + ' | '.join(kinds) + ' | all |',
           '| --- |' + ' ---: |' * (len(kinds) + 1)]
    total = collections.Counter()
    for area, n in areas.items():
        total.update(n)
        out.append(f'| {area} | ' + ' | '.join(str(n[k]) for k in kinds)
                   + f' | {sum(n.values())} |')
    out.append('| **all** | ' + ' | '.join(str(total[k]) for k in kinds)
               + f' | {sum(total.values())} |')
    out += ['', '## Requirements', '',
            '| id | clause | level | requirement | code | tests | state |',
            '| --- | --- | --- | --- | --- | --- | --- |']
    for ident, r in table.items():
        text = r[6].replace('|', '\\|')
        text = text if len(text) <= 100 else text[:97] + '...'
        s = state[ident]
        s = f'exception: {why[ident]}' if s == 'exception' else s
        out.append(f'| {ident} | {r[1]} {r[2]} | {r[3]} | {text} | '
                   f'{files(code.get(ident, ()))} | '
                   f'{files(test.get(ident, ()))} | {s} |')
    rr = reasons()
    rt = reason_tests(rr)
    out += ['', '## Reasons', '',
            '| reason | verdict | clause | tests that reach it |',
            '| --- | --- | --- | --- |']
    for name, word, verdict, clause in rr:
        out.append(f'| {word} | {verdict.lower()} | {clause} | '
                   f'{files(rt.get(name, ()))} |')
    return '\n'.join(out) + '\n', unknown


def main():
    text, unknown = document()
    for ident in unknown:
        print(f'{ident}: cited, but in no requirement table',
              file=sys.stderr)
    if '--check' not in sys.argv:
        open(OUT, 'w').write(text)
    elif not os.path.exists(OUT) or open(OUT).read() != text:
        print(f'{OUT} is not what tools/conformance.py makes',
              file=sys.stderr)
        return 1
    return 1 if unknown else 0


sys.exit(main())
