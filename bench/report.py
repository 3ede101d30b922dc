#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the table and the JSON of bench/run.sh from its rounds: report.py ROUNDS OUT.json BASELINE.json... --mode TEXT

A round of the gateway is divided by the mean of the forwarder's rounds just before and just after it; the ratio
shown is the median of these. "rate": packets/s; "per CPU": packets per second of CPU time (process and softirq thread).
"""
import argparse
import json
import os
import platform
import statistics
import sys

COST = 0.05  # of throughput, at most, for 10,000 policies in place of one

NAMES = {"ceiling": "AF_XDP forwarder", "gcm": "aes-128-gcm", "many": "the same, 10000 policies", "cbc": "aes-128-cbc + sha1"}


def load(path):
    rounds = []
    with open(path, encoding="ascii") as f:
        for line in f:
            r = json.loads(line)
            cpu_ns = r["cpu_ns"] + r["softirq_ns"]
            r["pps"] = r["packets"] * 1e9 / r["wall_ns"]
            r["cpu_ns_per_packet"] = cpu_ns / max(r["packets"], 1)
            r["busy"] = cpu_ns / r["wall_ns"]
            rounds.append(r)
    return rounds


def check(rounds):
    """What arrived must be what was to be measured: only ESP where we encrypt, only UDP elsewhere."""
    for r in rounds:
        kind = "esp" if r["dut"] != "ceiling" and r["dir"] == "encrypt" else "udp"
        if r[kind] != r["packets"] or not r["packets"]:
            sys.exit(f"bench: {r['dut']} {r['dir']} {r['len']}: {r['packets']} packets, {r[kind]} of them {kind}")


def ratios(rounds, key, name):
    """A round of (dut, dir, len) after the other, divided by the forwarder's rounds beside it."""
    of = []
    for r in sorted((r for r in rounds if (r["dut"], r["dir"], r["len"]) == key), key=lambda r: r["block"]):
        beside = [c for c in rounds if c["dut"] == "ceiling" and c["len"] == key[2] and abs(c["block"] - r["block"]) == 1]
        of.append(r[name] / statistics.mean(c[name] for c in beside))
    return of


def summary(rounds):
    table = []
    for key in sorted({(r["dut"], r["dir"], r["len"]) for r in rounds},
                      key=lambda k: (k[2], k[1] == "decrypt", list(NAMES).index(k[0]))):
        mine = [r for r in rounds if (r["dut"], r["dir"], r["len"]) == key]
        row = {"dut": key[0], "dir": key[1], "len": key[2], "rounds": len(mine)}
        for name in ("pps", "cpu_ns_per_packet", "busy"):
            row[name] = statistics.median(r[name] for r in mine)
        if key[0] != "ceiling":
            rate = ratios(rounds, key, "pps")
            cpu = [1 / r for r in ratios(rounds, key, "cpu_ns_per_packet")]
            row.update(ratio_rate=statistics.median(rate), ratio_cpu=statistics.median(cpu),
                       ratio_rate_min=min(rate), ratio_rate_max=max(rate))
        table.append(row)
    return table


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def gateway_engine(path):
    """What xdp-ipsecd's log calls its crypto engine, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                if "engine " in line:
                    return line.strip().rsplit("engine ", 1)[1]
    except OSError:
        pass
    return ""


def load_baseline(paths, engine):
    """The first tunnel's figures with the same engine: those of another CPU's say nothing here."""
    for path in paths:
        with open(path, encoding="utf-8") as f:
            old = json.load(f)
        if old["engine"] == engine:
            return {(r["dut"], r["dir"], r["len"]): r for r in old["results"]}
    return {}


def print_table(result, baseline):
    print(f"{result['cores']} cores of {result['cpu']}, Linux {result['kernel']}, veth, XDP {result['mode']} mode, "
          f"engine {result['engine'] or 'unknown'}")
    print(f"{'':28}{'':9}{'':>6} {'packets/s':>11} {'ns CPU':>8} {'ratio to the ceiling':>28}  {'baseline':>8}")
    print(f"{'':28}{'':9}{'bytes':>6} {'':>11} {'/packet':>8} {'rate':>6} {'(min-max)':>13} {'per CPU':>7}  {'per CPU':>8}")
    for r in result["results"]:
        way = "" if r["dut"] == "ceiling" else r["dir"]
        line = f"{NAMES[r['dut']]:28}{way:9}{r['len']:6d} {r['pps']:11,.0f} {r['cpu_ns_per_packet']:8.0f}"
        if r["dut"] != "ceiling":
            span = f"({r['ratio_rate_min']:.2f}-{r['ratio_rate_max']:.2f})"
            line += f" {r['ratio_rate']:6.2f} {span:>13} {r['ratio_cpu']:7.2f}"
            old = baseline.get((r["dut"], r["dir"], r["len"]))
            if old:
                line += f"  {r['ratio_cpu'] - old['ratio_cpu']:+8.2f}"
        print(line)
    if not baseline:
        print(f"no figures of the first tunnel with engine {result['engine'] or 'unknown'} to compare with")


def print_many(rounds):
    """What 10,000 policies cost against one. A round of the one is compared with the round of the other beside it; of each direction, all
    sizes together, the median decides, so that a disturbed round does not."""
    for direction in ("encrypt", "decrypt"):
        both = []
        for size in sorted({r["len"] for r in rounds if r["dut"] == "many" and r["dir"] == direction}):
            pairs = zip(ratios(rounds, ("many", direction, size), "pps"), ratios(rounds, ("gcm", direction, size), "pps"))
            of = [many / one - 1 for many, one in pairs]
            print(f"10000 policies against one, {direction} {size}: rate {statistics.median(of):+.1%} ({min(of):+.1%} to {max(of):+.1%})")
            both += of
        if both:
            cost = statistics.median(both)
            print(f"bound: 10000 policies cost at most {COST:.0%} of one's throughput, {direction}: {cost:+.1%}: "
                  f"{'holds' if cost >= -COST else 'does not hold'}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("rounds")
    p.add_argument("out")
    p.add_argument("baseline", nargs="+")
    p.add_argument("--mode", required=True)
    p.add_argument("--gateway-log", default="")
    a = p.parse_args()
    rounds = load(a.rounds)
    check(rounds)
    result = {"cores": os.cpu_count(), "cpu": cpu_model(), "kernel": platform.release(), "nic": "veth", "mode": a.mode,
              "engine": gateway_engine(a.gateway_log), "results": summary(rounds)}
    with open(a.out, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print_table(result, load_baseline(a.baseline, result["engine"]))
    print_many(rounds)


if __name__ == "__main__":
    main()
