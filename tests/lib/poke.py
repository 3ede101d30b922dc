#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Puts the pinned maps of an instance into a state that lasts microseconds in life: a policy or SA that changes under a packet's feet.

  poke.py FOLDER begin N         adds N to xi_meta.spd_begin; with 2 every search in the policies finds them changed meanwhile
  poke.py FOLDER policy-gen N    adds N to the generation of every policy's slot: not the one its rule in the classifier names
  poke.py FOLDER sa-out SPI      every policy's reference of its outbound SA names the SA with this SPI, whatever that is; 0: none
FOLDER: /sys/fs/bpf/xdp-ipsec/INSTANCE/vN
"""
import os
import struct
import sys

from saseq import SA_BYTES, map_memory

META_BYTES, POLICY_BYTES = 256, 224  # struct xi_meta, xi_policy
SPD_BEGIN, SA_OUT = 80, 104


def add(memory, at, form, n):
    struct.pack_into(form, memory, at, struct.unpack_from(form, memory, at)[0] + n)


def policies(folder):
    """Its memory, and the offsets of the slots in use."""
    spd, n = map_memory(os.path.join(folder, "xi_spd"), POLICY_BYTES)
    return spd, [at for at in range(0, n * POLICY_BYTES, POLICY_BYTES) if struct.unpack_from("I", spd, at)[0]]


def reference(folder, spi):
    """XI_REF of the SA."""
    if not spi:
        return 0
    sas, n = map_memory(os.path.join(folder, "xi_sad"), SA_BYTES)
    for slot in range(n):
        gen = struct.unpack_from("I", sas, slot * SA_BYTES)[0]
        if gen and struct.unpack_from("!I", sas, slot * SA_BYTES + 12)[0] == spi:
            return gen << 32 | slot
    sys.exit(f"no SA with SPI {spi:#x}")


def main():
    folder, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3], 0)
    if what == "begin":
        add(map_memory(os.path.join(folder, "xi_meta"), META_BYTES)[0], SPD_BEGIN, "Q", n)
        return
    spd, used = policies(folder)
    for at in used:
        if what == "policy-gen":
            add(spd, at, "I", n)
        elif what == "sa-out":
            struct.pack_into("Q", spd, at + SA_OUT, reference(folder, n))
        else:
            sys.exit(__doc__)


main()
