#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""UDP datagrams of every size, there and back, both ends checking every byte.

  udpsweep.py serve ADDR PORT REPORT              echoes what is sound until SIGTERM, then writes REPORT (JSON)
  udpsweep.py sweep ADDR PORT [--bind ADDR] [--from 1] [--to 1472] [--pmtu want|dont] [--tries 5] [--limit 60]

A datagram's bytes follow from its size alone. --pmtu want is what an application gets that asks for nothing
(IP_PMTUDISC_WANT: DF set, the kernel fragments by the path MTU it has learned, the first datagram that was too big is
lost and shows as EMSGSIZE); dont sends with DF clear. sweep prints JSON: how many came back, which sizes needed
another try and why, which never came back and why; exit status 1 when one did not. It gives up after 25 of them.
"""
import argparse
import errno
import json
import random
import select
import signal
import socket
import sys
import time

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_WANT = 10, 23, 0, 1
TIMEOUT_S = 0.25


def content(size):
    return random.Random(size).randbytes(size)


def udp_socket(addr, pmtu):
    six = ":" in addr
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, IPV6_MTU_DISCOVER if six else IP_MTU_DISCOVER,
                 IP_PMTUDISC_DONT if pmtu == "dont" else IP_PMTUDISC_WANT)
    return s


def serve(a):
    s = udp_socket(a.addr, a.pmtu)
    s.bind((a.addr, a.port))
    seen = {"received": 0, "damaged": [], "errors": []}

    def stop(*_):
        with open(a.report, "w", encoding="ascii") as f:
            json.dump(seen, f)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    while True:
        data, peer = s.recvfrom(65536)
        seen["received"] += 1
        if data != content(len(data)):
            seen["damaged"].append(len(data))
            continue
        try:
            s.sendto(data, peer)
        except OSError as e:
            seen["errors"].append(f"{len(data)}: {e.strerror}")


def attempt(s, size, data):
    """None when the echo came back sound, else why not. Late echoes of other sizes are checked and put aside."""
    end = time.monotonic() + TIMEOUT_S
    try:
        s.send(data)
        while (left := end - time.monotonic()) > 0 and select.select([s], [], [], left)[0]:
            echo = s.recv(65536)
            if echo != content(len(echo)):
                return f"damaged echo of {len(echo)} bytes"
            if len(echo) == size:
                return None
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
    return "timeout"


def sweep(a):
    s = udp_socket(a.addr, a.pmtu)
    if a.bind:
        s.bind((a.bind, 0))
    s.connect((a.addr, a.port))
    result = {"ok": 0, "retried": {}, "failed": {}, "not tried": 0}
    end = time.monotonic() + a.limit
    for size in range(a.first, a.last + 1):
        data, why = content(size), []
        for _ in range(a.tries):
            why.append(attempt(s, size, data))
            if why[-1] is None or why[-1].startswith("damaged") or time.monotonic() > end:
                break
        if why[-1] is None:
            result["ok"] += 1
            if len(why) > 1:
                result["retried"][size] = why[:-1]
        else:
            result["failed"][size] = why
            if len(result["failed"]) == 25 or time.monotonic() > end:
                result["not tried"] = a.last - size
                break
    print(json.dumps(result))
    sys.exit(1 if result["failed"] else 0)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = p.add_subparsers(dest="command", required=True)
    server, client = commands.add_parser("serve"), commands.add_parser("sweep")
    for c in (server, client):
        c.add_argument("addr")
        c.add_argument("port", type=int)
        c.add_argument("--pmtu", choices=("want", "dont"), default="want")
    server.set_defaults(run=serve)
    server.add_argument("report")
    client.set_defaults(run=sweep)
    client.add_argument("--bind")
    client.add_argument("--from", dest="first", type=int, default=1)
    client.add_argument("--to", dest="last", type=int, default=1472)
    client.add_argument("--tries", type=int, default=5)
    client.add_argument("--limit", type=float, default=60, help="seconds in all")
    a = p.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
