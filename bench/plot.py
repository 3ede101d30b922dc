#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draws what bench/run.sh has measured: plot.py BENCH.json OUT.svg

Packets per second over packet size, a line for the forwarder and for each kind of gateway and direction. By gnuplot.
"""
import json
import subprocess
import sys

from report import NAMES


def lines(results):
    """[(title, [(bytes, packets/s)])], the forwarder first."""
    of = {}
    for r in results:
        title = NAMES[r["dut"]] + ("" if r["dut"] == "ceiling" else ", " + r["dir"])
        of.setdefault((list(NAMES).index(r["dut"]), title), []).append((r["len"], r["pps"]))
    return [(title, sorted(points)) for (_, title), points in sorted(of.items())]


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        result = json.load(f)
    drawn = lines(result["results"])
    script = [
        "set terminal svg size 800,500 background 'white'",
        f"set output '{sys.argv[2]}'",
        f"set title '{result['cpu']}, Linux {result['kernel']}, veth, one worker; engine {result['engine'] or 'unknown'}' noenhanced",
        "set xlabel 'bytes of the IP packet'",
        "set ylabel 'million packets a second'",
        "set xrange [0:1500]",
        "set yrange [0:]",
        "set grid",
        "set key outside bottom center horizontal",
        "plot " + ", ".join(f"'-' using 1:2 with linespoints title '{title}' noenhanced" for title, _ in drawn),
    ]
    for _, points in drawn:
        script += [f"{size} {pps / 1e6}" for size, pps in points] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)
    print(f"plot: {sys.argv[2]}")


main()
