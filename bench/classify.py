#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Table, plot and bounds of bench/classify: classify.py ROUNDS OUT.svg

Per shape and number of policies the slowest of its packets, its ratio to one policy, and what packets of many flows cost, which the caches do
not have. The plot is drawn by gnuplot. The lines "bound: ..." say whether what is promised holds.
"""
import json
import subprocess
import sys

USUAL = ("site-to-site", "site-to-site-ipv6", "host-pairs", "wide-over-narrow", "ports-before-narrow", "ports-of-one-pair")  # others: documented, not bounded
LIMIT = 1.5
COLD = "cold"


def load(path):
    """Bytes a policy; {shape: {policies: {"add_ms": ..., match: row}}}."""
    memory, shapes = 0, {}
    with open(path, encoding="ascii") as f:
        for r in map(json.loads, f):
            if "memory_per_policy" in r:
                memory = r["memory_per_policy"]
                continue
            of = shapes.setdefault(r["shape"], {}).setdefault(r["policies"], {})
            if "match" in r:
                of[r["match"]] = r
            else:
                of["add_ms"] = r["add_ms"]
    return memory, shapes


def matches(of):
    return [r for name, r in of.items() if name not in ("add_ms", COLD)]


def table(shapes):
    print(f"{'search for the policy':22}{'policies':>9}{'slowest ns':>12} {'ratio':>8}  {'match':12}{'many flows ns':>14}{'one more, ms':>14}")
    for shape, sizes in shapes.items():
        for n, of in sorted(sizes.items()):
            worst = max(matches(of), key=lambda r: r["ratio"])
            print(f"{shape:22}{n:9}{worst['ns']:12} {worst['ratio']:8.2f}  {worst['match']:12}{of[COLD]['ns']:14}{of['add_ms']:14.1f}")


def plot(shapes, path):
    script = [
        "set terminal svg size 800,500 background 'white'",
        f"set output '{path}'",
        "set logscale xy",
        "set xlabel 'policies'",
        "set ylabel 'ns for one run of the XDP program (slowest packet of each shape)'",
        "set yrange [50:]",
        "set grid",
        "set key top left",
        "plot " + ", ".join(f"'-' using 1:2 with linespoints title '{shape}'" for shape in shapes),
    ]
    for sizes in shapes.values():
        script += [f"{n} {max(r['ns'] for r in matches(of))}" for n, of in sorted(sizes.items())] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def bounds(shapes):
    for shape in USUAL:
        ratio = max(r["ratio"] for of in shapes[shape].values() for r in matches(of))
        print(f"bound: {shape}: the slowest search is at most {LIMIT} times that with one policy: {ratio:.2f}: "
              f"{'holds' if ratio <= LIMIT else 'does not hold'}")


def main():
    memory, shapes = load(sys.argv[1])
    table(shapes)
    plot(shapes, sys.argv[2])
    print(f"memory: {memory} bytes a policy; plot: {sys.argv[2]}")
    bounds(shapes)


main()
