"""Fail if a test was skipped (or expected to fail) that is not listed.

The list has one rule a line, ``TEST : REASON``, both with shell wildcards; ``#`` begins a comment.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from fnmatch import fnmatchcase
from pathlib import Path


def rules(text: str) -> list[tuple[str, str]]:
    """The (test, reason) patterns of the list."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    pairs = [line.partition(" : ") for line in lines if line]
    return [(test.strip(), reason.strip()) for test, _, reason in pairs]


def skips(results: ET.Element) -> list[tuple[str, str]]:
    """(test, reason) of every skipped test in a JUnit file."""
    return [
        (f"{case.get('classname')}::{case.get('name')}", skipped.get("message") or "")
        for case in results.iter("testcase")
        for skipped in case.iter("skipped")
    ]


def main(results: str, allowed: str) -> int:
    """Print the skips and return 1 if one of them is not allowed."""
    permitted = rules(Path(allowed).read_text(encoding="utf-8"))
    tree = ET.parse(results).getroot()
    if next(tree.iter("testcase"), None) is None:  # not any(): an element without children is false
        print("no test was run")
        return 1
    status = 0
    for test, reason in skips(tree):
        known = any(fnmatchcase(test, t) and fnmatchcase(reason, r) for t, r in permitted)
        print(f"skipped{'' if known else ', but not in the list'}: {test} ({reason})")
        status |= not known
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
