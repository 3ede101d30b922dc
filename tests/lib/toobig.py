#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sends ICMP "too big" about an ESP or AH packet, as a router between the gateways does or a stranger pretends.

  toobig.py --dev DEV --dst-mac MAC --src ROUTER --dst GATEWAY --quote SRC,DST --spi N --seq N --mtu N
            [--proto 50|51] [--udp SPORT,DPORT] [--quoted BYTES] [--bad-sum] [--code N]

The addresses say which family. --quoted: bytes of the quoted packet behind its IP header (64).
"""
import argparse
import socket
import struct

from forge import checksum, ipv4, mac_bytes, number


def ipv6(src, dst, proto, payload):
    head = struct.pack("!IHBB", 0x60000000, len(payload), proto, 64)
    return head + socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def protected(a):
    """What the quoted packet has behind its IP header: (protocol, bytes)."""
    body = struct.pack("!II", a.spi, a.seq & 0xFFFFFFFF)
    if a.proto == 51:
        body = struct.pack("!BBH", 4, 4, 0) + body
    body += bytes(1400)
    if a.udp:
        sport, dport = (int(x) for x in a.udp.split(","))
        return 17, struct.pack("!HHHH", sport, dport, 8 + len(body), 0) + body
    return a.proto, body


def message(a):
    src, dst = a.quote.split(",")
    proto, body = protected(a)
    if ":" in a.dst:
        quote = ipv6(src, dst, proto, body)[:40 + a.quoted]
        icmp = struct.pack("!BBHI", 2, a.code or 0, 0, a.mtu) + quote
        pseudo = (socket.inet_pton(socket.AF_INET6, a.src) + socket.inet_pton(socket.AF_INET6, a.dst) +
                  struct.pack("!II", len(icmp), 58))
        total = checksum(pseudo + icmp) ^ (1 if a.bad_sum else 0)
        return 0x86DD, ipv6(a.src, a.dst, 58, icmp[:2] + struct.pack("!H", total) + icmp[4:])
    quote = ipv4(src, dst, proto, body, flags_off=0x4000)[:20 + a.quoted]
    icmp = struct.pack("!BBHHH", 3, 4 if a.code is None else a.code, 0, 0, a.mtu) + quote
    total = checksum(icmp) ^ (1 if a.bad_sum else 0)
    return 0x0800, ipv4(a.src, a.dst, 1, icmp[:2] + struct.pack("!H", total) + icmp[4:])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("dev", "dst-mac", "src", "dst", "quote"):
        p.add_argument("--" + name, required=True)
    for name in ("spi", "seq", "mtu"):
        p.add_argument("--" + name, type=number, required=True)
    p.add_argument("--proto", type=number, default=50)
    p.add_argument("--udp")
    p.add_argument("--quoted", type=number, default=64)
    p.add_argument("--code", type=number)
    p.add_argument("--bad-sum", action="store_true")
    a = p.parse_args()
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((a.dev, 0))
    kind, packet = message(a)
    sock.send(mac_bytes(a.dst_mac) + sock.getsockname()[4] + struct.pack("!H", kind) + packet)


if __name__ == "__main__":
    main()
