#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Table and plot of bench/classify: classify.py ROUNDS OUT.svg

Per shape and number of policies the slowest of its packets (matched by the first policy, the last, none), in ns, and its ratio to one
policy. Fails when a usual shape is more than 1.5 times slower than with one policy. The plot is drawn by gnuplot.
"""
import json
import subprocess
import sys

WORST = "ports-of-one-pair"  # documented, not bounded
LIMIT = 1.5


def load(path):
    memory, rows = 0, {}
    with open(path, encoding="ascii") as f:
        for r in map(json.loads, f):
            if "memory_per_policy" in r:
                memory = r["memory_per_policy"]
            else:
                rows.setdefault(r["shape"], {}).setdefault(r["policies"], []).append(r)
    return memory, rows


def table(rows):
    """Prints it; the names of shapes that are too slow."""
    slow = []
    print(f"{'search for the policy':24} {'policies':>9} {'ns':>8} {'ratio':>8} {'one more, ms':>13}")
    for shape, sizes in rows.items():
        for n, of in sorted(sizes.items()):
            ratio = max(r["ratio"] for r in of)
            print(f"{shape:24} {n:9} {max(r['ns'] for r in of):8} {ratio:8.2f} {of[0]['add_ms']:13.1f}")
            if shape != WORST and ratio > LIMIT:
                slow.append(f"{shape} with {n} policies: {ratio:.2f} times one policy")
    return slow


def plot(rows, path):
    script = [
        "set terminal svg size 800,500 background 'white'",
        f"set output '{path}'",
        "set logscale xy",
        "set xlabel 'policies'",
        "set ylabel 'ns for one run of the XDP program (slowest of first, last, no match)'",
        "set yrange [50:]",
        "set grid",
        "set key top left",
        "plot " + ", ".join(f"'-' using 1:2 with linespoints title '{shape}'" for shape in rows),
    ]
    for sizes in rows.values():
        script += [f"{n} {max(r['ns'] for r in of)}" for n, of in sorted(sizes.items())] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def main():
    memory, rows = load(sys.argv[1])
    slow = table(rows)
    plot(rows, sys.argv[2])
    print(f"memory: {memory} bytes a policy; plot: {sys.argv[2]}")
    if slow:
        sys.exit("bench: too slow: " + "; ".join(slow))


main()
