#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Asserts facts about a capture file (pcap of Ethernet, as tcpdump -w writes it). Needs no library.

  capture.py no-clear FILE [--pair NET,NET] [--marker TEXT ...] [--min N]
        no packet from one protected network to the other, and none of the texts anywhere in any frame;
        --min: and the capture holds at least N frames (an empty capture proves nothing)
  capture.py only-esp FILE A B [--min N]
        all IP between the hosts A and B is ESP, at least N packets in each direction
  capture.py only FILE A B PROTO [--min N]
        the same of another protocol: 51 is AH
  capture.py count FILE [--src A] [--dst B] [--proto N] [--spi N] [--marker TEXT]
  capture.py list FILE      one line a packet: name=value ...
  capture.py mark DEV TEXT  sends a frame with TEXT out of DEV; the other commands ignore such frames
"""
import argparse
import ipaddress
import socket
import struct
import sys

ETH_MARK = 0x88B5  # IEEE 802 local experimental
PAIR = "10.1.202.0/24,10.1.101.0/24"


def frames(path):
    """Yields (seconds, bytes). A record cut short at the end of the file (tcpdump was killed) is left out."""
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < 24:
        sys.exit(f"{path}: not a capture file")
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if not order:
        sys.exit(f"{path}: not a pcap file")
    if struct.unpack(order + "I", data[20:24])[0] & 0xFFFF != 1:
        sys.exit(f"{path}: not a capture of Ethernet")
    at = 24
    while at + 16 <= len(data):
        sec, frac, caplen, _ = struct.unpack(order + "IIII", data[at:at + 16])
        at += 16
        if at + caplen > len(data):
            break
        yield sec + frac / 1e6, data[at:at + caplen]
        at += caplen


def network_layer(frame):
    """(ethertype, bytes behind it), through VLAN tags."""
    at = 12
    while at + 2 <= len(frame):
        kind = struct.unpack("!H", frame[at:at + 2])[0]
        at += 2
        if kind not in (0x8100, 0x88A8):
            return kind, frame[at:]
        at += 2
    return 0, b""


class Packet:
    """An IP packet of a frame: fields as numbers, addresses as text."""

    def __init__(self, when, frame, ip):
        self.when, self.frame = when, frame
        if ip[0] >> 4 == 4:
            self.read4(ip)
        else:
            self.read6(ip)
        self.spi = self.seq = None
        at = {50: 0, 51: 4}.get(self.proto)
        if at is not None and not self.offset and len(self.payload) >= at + 8:
            self.spi, self.seq = struct.unpack("!II", self.payload[at:at + 8])

    def read4(self, ip):
        ihl = (ip[0] & 15) * 4
        self.tos, self.len, self.id, flags_off, self.ttl, self.proto = struct.unpack("!xBHHHBB", ip[:10])
        self.df, self.mf, self.offset = bool(flags_off & 0x4000), bool(flags_off & 0x2000), (flags_off & 0x1FFF) * 8
        self.src, self.dst = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20])
        self.header_ok = self.sum(ip[:ihl]) == 0xFFFF
        self.payload = ip[ihl:self.len]

    def read6(self, ip):
        word, size, self.proto, self.ttl = struct.unpack("!IHBB", ip[:8])
        self.tos, self.len, self.id, self.df, self.mf, self.offset = word >> 20 & 255, 40 + size, 0, False, False, 0
        self.src, self.dst = (socket.inet_ntop(socket.AF_INET6, ip[i:i + 16]) for i in (8, 24))
        self.header_ok, at = self.len <= len(ip), 40
        while self.proto in (0, 43, 44, 60) and at + 8 <= len(ip) and not self.offset:
            if self.proto == 44:
                off, self.id = struct.unpack("!HI", ip[at + 2:at + 8])
                self.mf, self.offset = bool(off & 1), off & 0xFFF8
            length = 8 if self.proto == 44 else (ip[at + 1] + 1) * 8
            self.proto, at = ip[at], at + length
        self.payload = ip[at:self.len]

    @staticmethod
    def sum(head):
        total = sum(struct.unpack(f"!{len(head) // 2}H", head))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return total

    def __str__(self):
        names = "src dst proto len ttl tos id offset".split()
        text = " ".join(f"{n}={getattr(self, n)}" for n in names)
        text += f" df={int(self.df)} mf={int(self.mf)} header={'ok' if self.header_ok else 'bad'}"
        return text + (f" spi={self.spi:#x} seq={self.seq}" if self.spi is not None else "")


def read(path):
    """([all frames but marks], [IP packets])"""
    all_frames, packets = [], []
    for when, frame in frames(path):
        kind, ip = network_layer(frame)
        if kind == ETH_MARK:
            continue
        all_frames.append(frame)
        if kind == 0x0800 and len(ip) >= 20 and (ip[0] & 15) >= 5 and len(ip) >= (ip[0] & 15) * 4:
            packets.append(Packet(when, frame, ip))
        if kind == 0x86DD and len(ip) >= 40:
            packets.append(Packet(when, frame, ip))
    return all_frames, packets


def fail(text, *found):
    print(text)
    for f in found[:5]:
        print("  ", f)
    sys.exit(1)


def no_clear(a):
    all_frames, packets = read(a.file)
    one, two = (ipaddress.ip_network(n) for n in a.pair.split(","))

    def protected(p):
        src, dst = ipaddress.ip_address(p.src), ipaddress.ip_address(p.dst)
        return (src in one and dst in two) or (src in two and dst in one)

    leaked = [p for p in packets if protected(p)]
    if leaked:
        fail(f"{len(leaked)} packets of the protected pair in clear:", *leaked)
    for marker in a.marker:
        found = [f for f in all_frames if marker.encode() in f]
        if found:
            fail(f"{len(found)} frames with \"{marker}\" in clear:", *[f.hex() for f in found])
    if len(all_frames) < a.min:
        fail(f"only {len(all_frames)} frames captured, at least {a.min} wanted")
    print(f"{len(all_frames)} frames, no cleartext")


def only(a):
    between = [p for p in read(a.file)[1] if {p.src, p.dst} == {a.a, a.b}]
    other = [p for p in between if p.proto != a.proto]
    if other:
        fail(f"{len(other)} packets between {a.a} and {a.b} are not of protocol {a.proto}:", *other)
    bad = [p for p in between if not p.header_ok]
    if bad:
        fail(f"{len(bad)} packets with a wrong header checksum:", *bad)
    there, back = (sum(p.src == s for p in between) for s in (a.a, a.b))
    if min(there, back) < a.min:
        fail(f"{there} packets there, {back} back, at least {a.min} wanted")
    print(f"{there} packets there, {back} back, nothing else")


def count(a):
    tests = {"src": a.src, "dst": a.dst, "proto": a.proto, "spi": a.spi}
    tests = {k: v for k, v in tests.items() if v is not None}
    n = sum(all(getattr(p, k) == v for k, v in tests.items()) and (not a.marker or a.marker.encode() in p.frame)
            for p in read(a.file)[1])
    print(n)


def mark(a):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((a.dev, 0))
    # Multicast of the local kind: nobody answers it.
    frame = bytes.fromhex("03ffffffffff") + sock.getsockname()[4] + struct.pack("!H", ETH_MARK) + a.text.encode()
    sock.send(frame.ljust(60, b"\0"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = p.add_subparsers(dest="command", required=True)
    c = commands.add_parser("no-clear")
    c.set_defaults(run=no_clear)
    c.add_argument("file")
    c.add_argument("--pair", default=PAIR)
    c.add_argument("--marker", action="append", default=[])
    c.add_argument("--min", type=int, default=0)
    for name in ("only-esp", "only"):
        c = commands.add_parser(name)
        c.set_defaults(run=only, proto=50)
        c.add_argument("file")
        c.add_argument("a")
        c.add_argument("b")
        if name == "only":
            c.add_argument("proto", type=int)
        c.add_argument("--min", type=int, default=1)
    c = commands.add_parser("count")
    c.set_defaults(run=count)
    c.add_argument("file")
    for name in ("src", "dst", "marker"):
        c.add_argument("--" + name)
    for name in ("proto", "spi"):
        c.add_argument("--" + name, type=lambda s: int(s, 0))
    c = commands.add_parser("list")
    c.set_defaults(run=lambda a: [print(x) for x in read(a.file)[1]])
    c.add_argument("file")
    c = commands.add_parser("mark")
    c.set_defaults(run=mark)
    c.add_argument("dev")
    c.add_argument("text")
    a = p.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
