#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a command did to the policy slots of an instance.

  slots.py FOLDER save FILE    slot and generation of every policy
  slots.py FOLDER count -      prints how many there are
  slots.py FOLDER diff FILE    prints how many of them are gone, and how many are new: "0 1"
FOLDER: /sys/fs/bpf/xdp-ipsec/INSTANCE/vN
"""
import json
import os
import struct
import sys

from saseq import map_memory

POLICY_BYTES = 224  # struct xi_policy


def slots(folder):
    spd, n = map_memory(os.path.join(folder, "xi_spd"), POLICY_BYTES)
    gens = ((slot, struct.unpack_from("I", spd, slot * POLICY_BYTES)[0]) for slot in range(n))
    return {f"{slot}.{gen}" for slot, gen in gens if gen}


def main():
    folder, what, file = sys.argv[1:]
    now = slots(folder)
    if what == "count":
        print(len(now))
        return
    if what == "save":
        with open(file, "w", encoding="ascii") as f:
            json.dump(sorted(now), f)
        return
    with open(file, encoding="ascii") as f:
        was = set(json.load(f))
    print(len(was - now), len(now - was))


main()
