#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Nothing sleeps for luck: in tests and benchmarks a sleep stands only inside a loop that waits for a condition.

Usage: sleep.py FILE... Prints each sleep in tests/ and bench/ that no while, until or for encloses, judged by indentation.
"""
import re
import sys

SLEEP = re.compile(r"(^|[^\w.-])(sleep\s+[\d.$\"]|(time\.)?sleep\(|u?sleep\(|nanosleep\(|clock_nanosleep\()")
LOOP = re.compile(r"^\s*(while|until|for|do)\b")


def indent(line):
    return len(line.expandtabs(8)) - len(line.expandtabs(8).lstrip())


def in_loop(lines, at):
    depth = indent(lines[at])
    if LOOP.match(lines[at]):
        return True
    for line in reversed(lines[:at]):
        if line.strip() and indent(line) < depth:
            if LOOP.match(line):
                return True
            depth = indent(line)
    return False


def main():
    bad = 0
    for path in sys.argv[1:]:
        if not path.startswith(("tests/", "bench/")) or path.startswith("tests/lint/"):
            continue
        with open(path, encoding="utf-8") as f:
            lines = f.read().split("\n")
        for at, line in enumerate(lines):
            code = line.split("#")[0] if path.endswith((".sh", ".py")) else line
            if SLEEP.search(code) and not in_loop(lines, at):
                print(f"{path}:{at + 1}: sleeps outside a loop that waits for a condition: {line.strip()}")
                bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
