#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""UDP datagrams of given sizes to many addresses and back, both ends checking every byte.

  echo.py serve REPORT            echoes what is sound, from the address it was sent to, until SIGTERM, then writes REPORT (JSON)
  echo.py sweep JOBS [--bind A]   JOBS (JSON): [{"name": ..., "to": address, "sizes": [bytes, ...]}, ...]; A: of one family
                                  prints JSON: {"echoed": n, "retried": n, "failed": {name: {size: why}}}

A datagram's bytes follow from its size alone. DF is never set: what is too large is fragmented. The server also owns UDP port 4500
in both families and has the kernel take ESP out of it (RFC 3948).
"""
import argparse
import json
import random
import select
import signal
import socket
import struct
import sys
import time

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DONT = 10, 23, 0
IP_PKTINFO = 8
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
PORT = 7
# Under way at once: so few that neither the guest's receive ring nor anybody's room for fragments of one source is full.
TIMEOUT_S, TRIES, WINDOW, WINDOW_BYTES = 0.5, 4, 24, 40000


def content(size):
    return random.Random(size).randbytes(size)


def udp_socket(family):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return s


def listener(family):
    s = udp_socket(family)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    s.bind(("", PORT))
    return s


def from_where_it_went(family, ancillary):
    """Control message of the answer: its source is the question's destination."""
    for level, kind, data in ancillary:
        if family == socket.AF_INET and (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            return [(level, kind, struct.pack("@i4s4s", 0, data[8:12], data[8:12]))]
        if family == socket.AF_INET6 and (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, data[:16] + struct.pack("@i", 0))]
    return []


def serve(a):
    seen = {"received": 0, "damaged": [], "errors": []}

    def stop(*_):
        with open(a.report, "w", encoding="ascii") as f:
            json.dump(seen, f)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    poll = select.epoll()
    by_fd, encap = {}, []
    for family in (socket.AF_INET, socket.AF_INET6):
        encap.append(udp_socket(family))
        encap[-1].bind(("", 4500))
        encap[-1].setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
        s = listener(family)
        by_fd[s.fileno()] = s
        poll.register(s, select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in poll.poll():
            s = by_fd[fd]
            data, ancillary, _, peer = s.recvmsg(65536, 256)
            seen["received"] += 1
            if data != content(len(data)):
                seen["damaged"].append(len(data))
                continue
            try:
                s.sendmsg([data], from_where_it_went(s.family, ancillary), 0, peer)
            except OSError as e:
                seen["errors"].append(f"{len(data)} bytes to {peer[0]}: {e.strerror}")


def sweep(a):
    with open(a.jobs, encoding="ascii") as f:
        jobs = json.load(f)
    todo, names = [], {}
    for job in jobs:
        names[job["to"]] = job["name"]
        # Sizes of one address one after the other, addresses round about: no burst goes to one SA alone.
        todo += [(i, job["to"], size) for i, size in enumerate(job["sizes"])]
    todo = [(to, size) for _, to, size in sorted(todo, reverse=True)]
    socks = {}
    for family in (socket.AF_INET6 if ":" in to else socket.AF_INET for to in names):
        if family not in socks:
            s = socks[family] = udp_socket(family)
            if a.bind:
                s.bind((a.bind, 0))
    result = {"echoed": 0, "retried": 0, "failed": {}}
    under_way, alive = {}, set()  # (address, size): [deadline, tries, why]; addresses that answered

    def fail(key, why):
        result["failed"].setdefault(names[key[0]], {})[key[1]] = why

    def send(key, tries):
        why = "no answer"
        try:
            socks[socket.AF_INET6 if ":" in key[0] else socket.AF_INET].sendto(content(key[1]), (key[0], PORT))
        except OSError as e:
            why = e.strerror
        under_way[key] = [time.monotonic() + TIMEOUT_S, tries, why]

    while todo or under_way:
        while todo and len(under_way) < WINDOW and sum(size for _, size in under_way) < WINDOW_BYTES:
            send(todo.pop(), 1)
        for s in select.select(list(socks.values()), [], [], 0.05)[0]:
            try:
                data, peer = s.recvfrom(65536)
            except OSError as e:  # an ICMP error about some datagram: its deadline will tell
                result.setdefault("errors", []).append(e.strerror)
                continue
            key = (peer[0], len(data))
            if key in under_way:
                del under_way[key]
                if data == content(len(data)):
                    result["echoed"] += 1
                    alive.add(key[0])
                else:
                    fail(key, "damaged")
        now = time.monotonic()
        for key, (deadline, tries, why) in list(under_way.items()):
            if deadline > now:
                continue
            del under_way[key]
            # Where nothing ever came back, or three sizes did not, the rest would not either.
            lost = len(result["failed"].get(names[key[0]], {}))
            if tries == TRIES or lost >= (3 if key[0] in alive else 1):
                fail(key, why)
            else:
                result["retried"] += 1
                send(key, tries + 1)
    print(json.dumps(result))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = p.add_subparsers(dest="command", required=True)
    server, client = commands.add_parser("serve"), commands.add_parser("sweep")
    server.set_defaults(run=serve)
    server.add_argument("report")
    client.set_defaults(run=sweep)
    client.add_argument("jobs")
    client.add_argument("--bind")
    a = p.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
