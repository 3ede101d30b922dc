#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Random policies, and packets for all of them, for tests/e2e/t_paths.sh. The same SEED gives the same.

  verdicts.py SEED policies                        one policy a line, as arguments of `policy add`
  verdicts.py SEED send MARK DEV MAC               the packets, from a neighbour: frames to MAC by DEV
  verdicts.py SEED send MARK -                     the same, as this host's own: a raw socket
  verdicts.py seen FILE.pcap MARK                  numbers of the packets in it, in clear

Sources are in 10.1.202.0/24, destinations in 192.0.2.0/24: no policy matches the other way round. MARK-NUMBER is the payload."""
import random
import re
import socket
import struct
import sys

PACKETS = 120
PORTS = [53, 80, 443]
SRC = ["10.1.202.10", "10.1.202.77", "10.1.202.200"]
DST = ["192.0.2.10", "192.0.2.77", "192.0.2.130", "192.0.2.200"]
ENDS = "tunnel=yes sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1"


def net(rnd, host):
    bits = rnd.choice([24, 25, 26, 32])
    word = struct.unpack("!I", socket.inet_aton(host))[0] & (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF
    return "%s/%d" % (socket.inet_ntoa(struct.pack("!I", word)), bits)


def policies(rnd):
    for _ in range(8):
        line = "src-address=%s dst-address=%s priority=%d" % (net(rnd, rnd.choice(SRC)), net(rnd, rnd.choice(DST)), rnd.randint(-1, 1))
        proto = rnd.choice(["all", "udp", "tcp", "icmp"])
        line += " protocol=" + proto
        if proto in ("udp", "tcp") and rnd.random() < 0.6:
            line += " dst-port=%d" % rnd.choice(PORTS)
        if proto in ("udp", "tcp") and rnd.random() < 0.2:
            line += " src-port=%d" % rnd.choice(PORTS)
        action = rnd.choice(["none", "discard", "encrypt", "encrypt", "encrypt"])
        line += " action=" + action
        if action == "encrypt":
            line += " level=%s %s" % (rnd.choice(["use", "require", "unique"]), ENDS)
            line += rnd.choice(["", " manual-sa=m"])
        print(line)


def checksum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    s = (s >> 16) + (s & 0xFFFF)
    return ~(s + (s >> 16)) & 0xFFFF


def packet(rnd, text):
    proto = rnd.choice([17, 17, 6, 1])
    src, dst, sport, dport = rnd.choice(SRC), rnd.choice(DST), rnd.choice(PORTS + [4000]), rnd.choice(PORTS + [4001])
    if proto == 17:
        body = struct.pack("!HHHH", sport, dport, 8 + len(text), 0)
    elif proto == 6:
        body = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 0x50, 0x10, 100, 0, 0)
    else:
        body = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body) + len(text), 1, 0, 64, proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + body + text, dst


def send(rnd, mark, dev, mac):
    if dev == "-":
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    else:
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind((dev, 0x0800))
    for i in range(PACKETS):
        data, dst = packet(rnd, b"%s-%d." % (mark.encode(), i))
        if dev == "-":
            s.sendto(data, (dst, 0))
        else:
            s.send(bytes.fromhex(mac.replace(":", "")) + b"\x02\x00\x00\x00\x00\x09\x08\x00" + data)


def main():
    if sys.argv[1] == "seen":
        data = open(sys.argv[2], "rb").read()
        print(*sorted({int(n) for n in re.findall(sys.argv[3].encode() + rb"-(\d+)\.", data)}))
        return
    rnd = random.Random(sys.argv[1] + sys.argv[2])
    if sys.argv[2] == "policies":
        policies(rnd)
    else:
        send(rnd, sys.argv[3], sys.argv[4], sys.argv[5] if len(sys.argv) > 5 else "")


main()
