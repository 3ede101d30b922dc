#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every reason of bpf/abi/xi_drop.h is named by a test: XI_DROP_OUT_NAT in C, OUT_NAT in scripts (those that pass: XI_PASS_USE, PASS_USE).

And each has a text of its own: `statistics print detail` says nothing else.

Usage: reasons.py HEADER FILE... Prints the reasons that none of the files names, and texts that stand twice.
"""
import re
import sys


def reasons(text):
    """(symbol, its name in C, its text)"""
    for macro, prefix in (("XI_DROPS", "XI_DROP_"), ("XI_PASSES", "XI_")):
        body = re.search(rf"#define {macro}\(X\)(.*?)\n\n", text, re.S).group(1)
        for symbol, words in re.findall(r'\bX\((\w+),([^"]*"(?:[^"]*"[\s\\]*")*[^"]*)"', body):
            yield symbol, prefix + symbol, "".join(words.split('"')[1::2])


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        wanted = list(reasons(f.read()))
    named = {True: set(), False: set()}
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            named[path.endswith((".c", ".h"))].update(re.findall(r"\w+", f.read()))
    texts = [text for _, _, text in wanted]
    findings = [f"{c}: no test names it" for symbol, c, _ in wanted if c not in named[True] and symbol not in named[False]]
    findings += [f"{c}: another reason has the text \"{text}\"" for _, c, text in wanted if texts.count(text) > 1]
    for finding in findings:
        print(finding)
    sys.exit(bool(findings) or len(wanted) < 60)


main()
