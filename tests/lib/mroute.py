#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Static multicast routes of the network namespace it runs in, for as long as it runs.

  mroute.py SOURCE,GROUP,FROM,TO ...

FROM and TO are addresses of the interfaces. Prints "ready" when all are in force; exit 2: the kernel has no multicast routing.
"""
import signal
import socket
import struct
import sys

MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC = 200, 202, 204  # linux/mroute.h
MAXVIFS = 32


def main():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
    try:
        s.setsockopt(socket.IPPROTO_IP, MRT_INIT, struct.pack("i", 1))
    except OSError as e:
        print(f"no multicast routing: {e}", flush=True)
        return 2
    vifs = {}
    for route in sys.argv[1:]:
        source, group, came, to = route.split(",")
        for addr in (came, to):
            if addr not in vifs:
                vifs[addr] = len(vifs)
                # struct vifctl: number, flags, threshold, rate limit, local, remote address
                s.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF,
                             struct.pack("HBBI4s4s", vifs[addr], 0, 1, 0, socket.inet_aton(addr), bytes(4)))
        ttls = bytearray(MAXVIFS)
        ttls[vifs[to]] = 1
        # struct mfcctl: origin, group, parent, TTLs, counters, expiry
        s.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC,
                     struct.pack("4s4sH32sIIIi", socket.inet_aton(source), socket.inet_aton(group), vifs[came], bytes(ttls), 0, 0, 0, 0))
    print("ready", flush=True)
    signal.pause()


sys.exit(main())
