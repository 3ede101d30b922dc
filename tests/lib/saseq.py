#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads or sets sequence numbers and states of SAs in the pinned maps of an instance, as xdp-ipsecd or a key daemon would (bpf/abi/xi_sa.h):
a test need not send 2^32 packets or wait for a lifetime.

  saseq.py FOLDER             one line an SA: SPI in|out NUMBER
  saseq.py FOLDER NUMBER      sets the last number sent and the highest received, of all
  saseq.py FOLDER SPI STATE   larval, mature, dying or dead: sets the state of the SAs with this SPI
FOLDER: /sys/fs/bpf/xdp-ipsec/INSTANCE/vN
"""
import ctypes
import mmap
import os
import struct
import sys

SYS_BPF, BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD = 321, 7, 15
SA_BYTES, RT_BYTES = 512, 128  # struct xi_sa, xi_sa_rt
DIR_IN = 0
STATES = {"larval": 1, "mature": 2, "dying": 3, "dead": 4}


def bpf(command, attributes):
    libc = ctypes.CDLL(None, use_errno=True)
    memory = ctypes.create_string_buffer(attributes, 128)
    r = libc.syscall(SYS_BPF, command, memory, len(attributes))
    if r < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r


def map_memory(path, element):
    name = ctypes.create_string_buffer(path.encode())
    fd = bpf(BPF_OBJ_GET, struct.pack("QII", ctypes.addressof(name), 0, 0))
    info = ctypes.create_string_buffer(88)
    bpf(BPF_OBJ_GET_INFO_BY_FD, struct.pack("IIQ", fd, len(info), ctypes.addressof(info)))
    _, _, _, value, elements = struct.unpack("5I", info.raw[:20])
    if value != element:
        sys.exit(f"{path}: elements of {value} bytes, this script knows {element}")
    return mmap.mmap(fd, -(-value * elements // mmap.PAGESIZE) * mmap.PAGESIZE), elements


def set_state(sas, n, spi, state):
    found = [s * SA_BYTES for s in range(n) if struct.unpack_from("!I", sas, s * SA_BYTES + 12)[0] == spi]
    for at in found:
        sas[at + 4] = STATES[state]
    if not found:
        sys.exit(f"no SA with SPI {spi:#x}")


def main():
    folder = sys.argv[1]
    if len(sys.argv) > 3:
        set_state(*map_memory(os.path.join(folder, "xi_sad"), SA_BYTES), int(sys.argv[2], 0), sys.argv[3])
        return
    number = int(sys.argv[2], 0) if len(sys.argv) > 2 else None
    sas, n = map_memory(os.path.join(folder, "xi_sad"), SA_BYTES)
    rts, _ = map_memory(os.path.join(folder, "xi_sa_rt"), RT_BYTES)
    for slot in range(n):
        gen, _, direction = struct.unpack_from("IBB", sas, slot * SA_BYTES)
        if not gen:
            continue
        at = slot * RT_BYTES + (8 if direction == DIR_IN else 0)  # seq_top, seq_out
        if number is not None:
            struct.pack_into("Q", rts, at, number)
        else:
            spi = struct.unpack_from("!I", sas, slot * SA_BYTES + 12)[0]
            print(f"0x{spi:x}", "in" if direction == DIR_IN else "out", struct.unpack_from("Q", rts, at)[0])


if __name__ == "__main__":
    main()
