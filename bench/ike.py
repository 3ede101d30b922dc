#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draws what handshakes cost: ike.py IKE STRONGSWAN OUT.svg, of what bench/ike.sh and bench/strongswan.sh have printed.

Left the CPU time of both ends of a handshake beside that of its Diffie-Hellman operations alone, right that of a responder beside strongSwan's. By gnuplot.
"""
import re
import subprocess
import sys

PURE = re.compile(r"  (\S+) +(\S+) +\d+ +([\d.]+) +([\d.]+) +[\d.]+ +[\d.]+$")  # group, pfs, handshakes/s, us, pure us, ratio ...
BESIDE = re.compile(r"  (\S+) +(\d+) +(\d+) +[\d.]+$")  # group, xdp-iked us, strongSwan us, ratio


def bars(title, names, rows):
    """A panel of gnuplot: rows of (label, figure, figure)."""
    data = "\n".join(f'"{label}" {a} {b}' for label, a, b in rows)
    return [
        f"set title '{title}'",
        f"set xrange [-0.6:{len(rows) - 0.4}]",
        f"$data << EOD\n{data}\nEOD",
        f"plot $data using 2:xtic(1) title '{names[0]}', '' using 3 title '{names[1]}'",
    ]


def figures(path, pattern):
    with open(path, encoding="ascii") as f:
        found = [m.groups() for m in map(pattern.match, f) if m]
    return found or sys.exit(f"{path}: no figures")


def main():
    pure = [(group + ("" if pfs == "none" else r"\nwith PFS"), dh, us) for group, pfs, us, dh in figures(sys.argv[1], PURE)]
    script = [
        "set terminal svg size 1100,450 background 'white'",
        f"set output '{sys.argv[3]}'",
        "set style data histogram",
        "set style histogram clustered gap 1",
        "set style fill solid 0.8 noborder",
        "set ylabel 'us of CPU time a handshake'",
        "set yrange [0:]",
        "set grid y",
        "set key above",
        "set bmargin 3",
        "set multiplot layout 1,2",
        *bars("both ends, in one process", ("Diffie-Hellman alone", "whole handshake"), pure),
        *bars("responder", ("xdp-iked", "strongSwan"), figures(sys.argv[2], BESIDE)),
        "unset multiplot",
    ]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)
    print(f"plot: {sys.argv[3]}")


main()
