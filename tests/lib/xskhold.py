#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds queue 0 of an interface with an AF_XDP socket of its own, as another program would: xskhold.py DEV.

Says "bound" when it has it, and lets go when it is ended.
"""
import ctypes
import mmap
import signal
import socket
import struct
import sys

AF_XDP, SOL_XDP = 44, 283
XDP_RX_RING, XDP_UMEM_REG, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING = 2, 4, 5, 6
XDP_COPY = 2
FRAMES, FRAME = 64, 4096


def main():
    area = mmap.mmap(-1, FRAMES * FRAME)
    at = ctypes.addressof(ctypes.c_char.from_buffer(area))
    sock = socket.socket(AF_XDP, socket.SOCK_RAW)
    # struct xdp_umem_reg: addr, len, chunk_size, headroom, flags
    sock.setsockopt(SOL_XDP, XDP_UMEM_REG, struct.pack("=QQIII4x", at, FRAMES * FRAME, FRAME, 0, 0))
    for ring in (XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING):
        sock.setsockopt(SOL_XDP, ring, FRAMES)
    # struct sockaddr_xdp: family, flags, ifindex, queue, shared umem; Python knows no such address
    sa = struct.pack("=HHIII", AF_XDP, XDP_COPY, socket.if_nametoindex(sys.argv[1]), 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(sock.fileno(), sa, len(sa)) < 0:
        sys.exit(f"bind: errno {ctypes.get_errno()}")
    print("bound", flush=True)
    signal.pause()


main()
