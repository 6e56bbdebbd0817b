"""Writes the scenarios of vectors/scenarios.  Their packets come from
packets.py, which knows nothing of the model, and what they expect from the
sources that each of them names, never from the model.

usage: python3 tools/scenarios [DIRECTORY]
"""
import os
import sys

import page
import reasons
import sysctls
import text
import walks

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))))


def main():
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        TOP, 'vectors', 'scenarios')
    for table in (sysctls.TABLES + walks.TABLES + reasons.TABLES +
                  page.TABLES):
        table()
    for name, lines in text.scenarios.items():
        with open(os.path.join(where, name + '.scn'), 'w') as f:
            f.write(lines)


if __name__ == '__main__':
    main()
