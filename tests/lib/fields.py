#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a tunnel does to the fields of the inner and outer header, seen on the wire at both sides of a gateway: DSCP, ECN (RFC 6040 §4.1, §4.2
in all 16 combinations), DF, TTL or hop limit, flow label, identification (RFC 4301 §5.1.2, RFC 6864, spec section 15). What transport mode leaves
as it is.

Reads lines of standard input:

  --proto PROTO --lan NETNS,DEV,MAC --wan NETNS,DEV,MAC --inner SRC,DST --outer SRC,DST --spi OUT,IN --enc-key OUT,IN
  --auth-key OUT,IN --ah-key OUT,IN --seq N [--few] [--transport NETNS]

PROTO is esp, ah or ah,esp (AH over the packet that ESP made, in transport mode). SRC is the gateway's side, DST the peer's, OUT what the gateway
sends; NETNS (a path) and DEV are the other ends of its links, MAC its own. ESP is AES-CBC with HMAC-SHA1-96, AH HMAC-SHA1-96 with an SPI that is
0x80 higher, made and opened by scapy; sequence numbers begin at N. --few: two values of DSCP instead of all. --transport: the ends of the SA talk
to each other, the gateway from its own network namespace. Prints "ok TEXT", "not ok TEXT", "note TEXT" and "dropped N" for each line, then "end".
"""
import argparse
import copy
import ctypes
import logging
import os
import select
import socket
import sys
import time

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.ipsec import AH, ESP, SecurityAssociation, zero_mutable_fields  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

PORT, CLONE_NEWNET, DEADLINE_S = 4001, 0x40000000, 3
IP_MTU_DISCOVER, IP_RECVTTL, IPV6_MTU_DISCOVER = 10, 12, 23  # linux/in.h, linux/in6.h
NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3
# RFC 6040 §4.2, figure 4: [inner][outer] -> what is forwarded, None: dropped
DECAPSULATED = {
    NOT_ECT: {NOT_ECT: NOT_ECT, ECT0: NOT_ECT, ECT1: NOT_ECT, CE: None},
    ECT0: {NOT_ECT: ECT0, ECT0: ECT0, ECT1: ECT1, CE: CE},
    ECT1: {NOT_ECT: ECT1, ECT0: ECT1, ECT1: ECT1, CE: CE},
    CE: {NOT_ECT: CE, ECT0: CE, ECT1: CE, CE: CE},
}


def inside(netns, call):
    libc, home = ctypes.CDLL(None, use_errno=True), os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(netns, os.O_RDONLY)
    if libc.setns(there, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    try:
        return call()
    finally:
        libc.setns(home, CLONE_NEWNET)
        os.close(home)
        os.close(there)


class Side:
    """A device in another network namespace: sends and receives whole frames."""

    def __init__(self, text):
        self.netns, self.dev, self.gateway_mac = text.split(",")
        self.socket = inside(self.netns, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((self.dev, 3))
        self.mac = self.socket.getsockname()[4].hex(":")

    def send(self, packet):
        self.socket.send(bytes(Ether(src=self.mac, dst=self.gateway_mac) / packet))

    def frames(self, until):
        """Frames from the gateway, as scapy's IP or IPv6, until the time."""
        while (left := until - time.monotonic()) > 0 and select.select([self.socket], [], [], left)[0]:
            frame, where = self.socket.recvfrom(65536)
            if where[2] != socket.PACKET_OUTGOING and frame[6:12] == bytes.fromhex(self.gateway_mac.replace(":", "")):
                kind = frame[12:14]
                if kind == b"\x08\x00":
                    yield IP(frame[14:])
                elif kind == b"\x86\xdd":
                    yield IPv6(frame[14:])


def header(src, dst, *, tos=0, ttl=64, df=0, ident=0, label=0):
    if ":" in src:
        return IPv6(src=src, dst=dst, tc=tos, hlim=ttl, fl=label)
    return IP(src=src, dst=dst, tos=tos, ttl=ttl, flags="DF" if df else 0, id=ident)


def facts(p):
    """The fields of a header, by the words that header() takes."""
    if isinstance(p, IPv6):
        return {"tos": p.tc, "ttl": p.hlim, "label": p.fl}
    return {"tos": p.tos, "ttl": p.ttl, "df": int(p.flags.DF), "ident": p.id}


def checksum_ok(p):
    if isinstance(p, IPv6):
        return True
    again = p.copy()
    del again.chksum
    return IP(bytes(again)).chksum == p.chksum


def case_of(p):
    """The number of the case that a UDP datagram of ours carries, or None."""
    if p.haslayer(UDP) and p[UDP].dport == PORT and bytes(p[UDP].payload)[:5] == b"case ":
        return int(bytes(p[UDP].payload)[5:10])
    return None


def datagram(head, number):
    return head / UDP(sport=PORT, dport=PORT) / Raw(b"case %05d" % number)


class Verdicts:
    def __init__(self):
        self.done, self.wrong = 0, []

    def want(self, what, got, wanted):
        self.done += 1
        if got != wanted:
            self.wrong.append(f"{what}: {got}, wanted {wanted}")

    def close(self, title):
        print(f"{'not ok' if self.wrong or not self.done else 'ok'} {title} ({self.done} facts)")
        for w in self.wrong[:8]:
            print("note", w)


def again(p):
    """The packet read anew from its bytes."""
    return (IPv6 if bytes(p)[0] >> 4 == 6 else IP)(bytes(p))


class Sas:
    """The SAs of one direction, 0 what the gateway sends."""

    def __init__(self, a, i, outer=None):
        both, spi = a.proto == "ah,esp", int(a.spi.split(",")[i], 0)
        self.esp = self.ah = None
        if "esp" in a.proto:
            self.esp = SecurityAssociation(
                ESP, spi=spi, crypt_algo="AES-CBC", crypt_key=bytes.fromhex(a.enc_key.split(",")[i]), auth_algo="HMAC-SHA1-96",
                auth_key=bytes.fromhex(a.auth_key.split(",")[i]), tunnel_header=outer, seq_num=a.seq)
        if "ah" in a.proto:
            self.ah = SecurityAssociation(
                AH, spi=spi + 0x80, auth_algo="HMAC-SHA1-96", auth_key=bytes.fromhex(a.ah_key.split(",")[i]),
                tunnel_header=None if both else outer, seq_num=a.seq)
            self.ah.auth_algo = copy.copy(self.ah.auth_algo)
            self.ah.auth_algo.sign = self.sign

    def sign(self, p, key, **_):
        """scapy would sign the ESP packet that it finds behind the AH."""
        mac = self.ah.auth_algo.new_mac(key)
        mac.update(bytes(zero_mutable_fields(p.copy(), sending=True)))
        p[AH].icv = mac.finalize()[:self.ah.auth_algo.icv_size]
        return p

    def are_of(self, p):
        return p.haslayer(AH if self.ah else ESP)

    def seal(self, p, outer=None):
        """outer: the tunnel's header, None in transport mode."""
        if self.esp:
            self.esp.tunnel_header = outer
            p = self.esp.encrypt(p)
        elif outer:
            self.ah.tunnel_header = outer
        return again(self.ah.encrypt(again(p))) if self.ah else p

    def open(self, p):
        if self.ah:
            p = again(self.ah.decrypt(p))
        return again(self.esp.decrypt(p)) if self.esp else p


# --- what the gateway sends ---

def outbound(a, lan, wan):
    inner, outer = a.inner.split(","), a.outer.split(",")
    cases = [dict(tos=tos) for tos in ((0, 1, 2, 3, 0xB8, 0xB9, 0xBA, 0xBB) if a.few else range(256))]
    cases += [dict(ttl=t, df=df, ident=ident, tos=0x2E << 2) for t in (2, 3, 64, 255) for df in (0, 1) for ident in (0, 0x1234)]
    cases += [dict(label=label) for label in (1, 0xABCDE, 0xFFFFF)] if ":" in inner[0] else []
    sas = Sas(a, 0, header(*outer))
    seen, ids = {}, []
    start = time.monotonic()
    for n, case in enumerate(cases):
        lan.send(datagram(header(*inner, **case), n))
    for p in wan.frames(start + DEADLINE_S + 5):
        if p.src != outer[0] or not sas.are_of(p):
            continue
        outside, right = facts(p), checksum_ok(p)
        opened = sas.open(p)
        number = case_of(opened)
        if number is not None:
            seen[number] = (outside, facts(opened), right and checksum_ok(opened))
            ids.append(outside.get("ident"))
        if len(seen) == len(cases):
            break
    v = {w: Verdicts() for w in ("tos", "ttl", "df", "label", "rest")}
    for n, case in enumerate(cases):
        if n not in seen:
            v["rest"].want(f"{case}", "did not come", "comes")
            continue
        out, ins, right = seen[n]
        before = {"tos": 0, "ttl": 64, "df": 0, "ident": 0, "label": 0} | case
        v["tos"].want(f"outer DSCP and ECN of {case}", out["tos"], before["tos"])
        v["tos"].want(f"inner DSCP and ECN of {case}", ins["tos"], before["tos"])
        v["ttl"].want(f"outer TTL of {case}", out["ttl"], 64)
        v["ttl"].want(f"inner TTL of {case}", ins["ttl"], before["ttl"] - 1)
        v["rest"].want(f"header checksums of {case}", right, True)
        if "df" in out:  # that of inner IPv4; IPv6 is never fragmented on its way
            v["df"].want(f"outer DF of {case}", out["df"], before["df"] if "df" in ins else 1)
        if "df" in ins:
            v["df"].want(f"inner DF of {case}", ins["df"], before["df"])
            v["rest"].want(f"inner identification of {case}", ins["ident"], before["ident"])
        if "label" in out:
            v["label"].want(f"outer flow label of {case}", out["label"], before["label"])
        if "label" in ins:
            v["label"].want(f"inner flow label of {case}", ins["label"], before["label"])
    v["tos"].close(f"sent: DSCP is copied, ECN is copied (RFC 6040 §4.1), {'8' if a.few else 'all 256'} values")
    v["ttl"].close("sent: outer TTL 64, inner one less (RFC 4301 §5.1.2)")
    if v["df"].done:
        v["df"].close("sent: DF of the inner packet outside, too (RFC 4301 §8.1)")
    if v["label"].done:
        v["label"].close("sent: flow label (RFC 4301 §5.1.2.2)")
    if ids and ids[0] is not None:
        v["rest"].want("identifications that come twice", len(ids) - len(set(ids)), 0)
    v["rest"].close("sent: header checksums, identification (RFC 6864 §4.1)")


# --- what the gateway lets in ---

def inbound(a, lan, wan):
    inner, outer = a.inner.split(","), a.outer.split(",")
    cases = [(dict(tos=do << 2 | eo), dict(tos=di << 2 | ei))
             for eo in range(4) for ei in range(4) for do, di in (((46, 34),) if a.few else ((do, di) for do in (0, 10, 46) for di in (0, 34, 63)))]
    cases += [(dict(ttl=to, df=df), dict(ttl=ti, df=di, ident=ident)) for to in (1, 255) for ti in (2, 64, 255)
              for df in (0, 1) for di in (0, 1) for ident in (0, 0x4321)]
    cases += [(dict(label=lo), dict(label=li)) for lo in (0, 0x12345) for li in (0, 0xFEDCB)]
    sas = Sas(a, 1)
    sink = inside(lan.netns, lambda: socket.socket(socket.AF_INET6 if ":" in inner[0] else socket.AF_INET, socket.SOCK_DGRAM))
    sink.bind(("", PORT))  # or else the host answers with ICMP
    for n, (out, ins) in enumerate(cases):
        wan.send(sas.seal(datagram(header(inner[1], inner[0], **ins), n), header(outer[1], outer[0], **out)))
    last = len(cases) - 1
    seen = {}
    for p in lan.frames(time.monotonic() + DEADLINE_S):
        number = case_of(p)
        if number is not None:
            seen[number] = (facts(p), checksum_ok(p))
        if number == last:
            break
    v = {w: Verdicts() for w in ("ecn", "ttl", "rest")}
    dropped = 0
    for n, (out, ins) in enumerate(cases):
        outside = {"tos": 0} | out
        before = {"tos": 0, "ttl": 64, "df": 0, "ident": 0, "label": 0} | ins
        ecn = DECAPSULATED[before["tos"] & 3][outside["tos"] & 3]
        what = f"{ins} in {out}"
        dropped += ecn is None
        if ecn is None or n not in seen:
            v["ecn"].want(what, "comes" if n in seen else "dropped", "dropped" if ecn is None else "comes")
            continue
        got, right = seen[n]
        v["ecn"].want(f"DSCP and ECN of {what}", got["tos"], before["tos"] & ~3 | ecn)
        v["ttl"].want(f"TTL of {what}", got["ttl"], before["ttl"] - 1)
        v["rest"].want(f"header checksum of {what}", right, True)
        for word in ("df", "ident", "label"):
            if word in got:
                v["rest"].want(f"{word} of {what}", got[word], before[word])
    v["ecn"].close("received: all 16 combinations of ECN (RFC 6040 §4.2), DSCP of the inner packet stays")
    v["ttl"].close("received: inner TTL one less, the outer one does not matter")
    v["rest"].close("received: DF, identification, flow label and checksum of the inner packet")
    print(f"dropped {dropped}")


# --- transport mode ---

def own_socket(a, v6):
    s = inside(a.transport, lambda: socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM))
    s.bind(("", PORT))
    for level, kind in (((socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS), (socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT)) if v6 else
                        ((socket.IPPROTO_IP, socket.IP_RECVTOS), (socket.IPPROTO_IP, IP_RECVTTL))):
        s.setsockopt(level, kind, 1)
    s.settimeout(DEADLINE_S)
    return s


def transport_out(a, s, wan):
    """The header is the host's own, as without protection."""
    src, dst = a.outer.split(",")
    v6, sas, v = ":" in src, Sas(a, 0), Verdicts()
    discover = (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if v6 else (socket.IPPROTO_IP, IP_MTU_DISCOVER)
    cases = [dict(tos=tos, ttl=ttl, df=df) for tos in (0, 1, 2, 3, 0xB8, 0xBB) for ttl in (1, 64, 255) for df in (0, 1)]
    for n, c in enumerate(cases):
        s.setsockopt(*((socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if v6 else (socket.IPPROTO_IP, socket.IP_TOS)), c["tos"])
        s.setsockopt(*((socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if v6 else (socket.IPPROTO_IP, socket.IP_TTL)), c["ttl"])
        s.setsockopt(*discover, 2 if c["df"] else 0)
        s.sendto(b"case %05d" % n, (dst, PORT))
    seen = {}
    for p in wan.frames(time.monotonic() + DEADLINE_S):
        if p.src != src or not sas.are_of(p):
            continue
        outside, right = facts(p), checksum_ok(p)
        number = case_of(opened := sas.open(p))
        if number is not None:
            seen[number] = (outside, right, facts(opened))
        if len(seen) == len(cases):
            break
    for n, c in enumerate(cases):
        got, right, opened = seen.get(n, ({}, False, {}))
        v.want(f"{c}", {w: got.get(w) for w in c if w != "df" or not v6}, {w: c[w] for w in c if w != "df" or not v6})
        v.want(f"checksum of {c}", right, True)
        v.want(f"what AH covers of {c}", opened, got)
    v.close("sent in transport mode: DSCP, ECN, TTL, DF as the host has set them")


def transport_in(a, s, wan):
    """ECN and DSCP of the one header there is come up to the socket, CE among them."""
    src, dst = a.outer.split(",")
    v6, sas, v = ":" in src, Sas(a, 1), Verdicts()
    cases = [dict(tos=tos, ttl=ttl) for tos in (0, 1, 2, 3, 0xB8, 0xBB) for ttl in (1, 64, 255)]
    for n, c in enumerate(cases):
        wan.send(sas.seal(datagram(header(dst, src, df=n & 1, ident=n, **c), n)))
    seen = {}
    try:
        while len(seen) < len(cases):
            data, ancillary, _, _ = s.recvmsg(2048, 256)
            got = {kind: int.from_bytes(value[:4], "little") for _, kind, value in ancillary}
            seen[int(data[5:10])] = ({"tos": got.get(socket.IPV6_TCLASS), "ttl": got.get(socket.IPV6_HOPLIMIT)} if v6 else
                                     {"tos": got.get(socket.IP_TOS), "ttl": got.get(socket.IP_TTL)})
    except TimeoutError:
        pass
    for n, c in enumerate(cases):
        v.want(f"{c}", seen.get(n), c)
    v.close("received in transport mode: DSCP, ECN, TTL as they came")


def run(a):
    lan, wan = Side(a.lan), Side(a.wan)
    if a.transport:
        s = own_socket(a, ":" in a.outer)
        transport_out(a, s, wan)
        transport_in(a, s, wan)
        return
    outbound(a, lan, wan)
    inbound(a, lan, wan)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("proto", "lan", "wan", "inner", "outer", "spi", "enc-key", "auth-key", "ah-key"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--seq", type=int, default=1)
    p.add_argument("--few", action="store_true")
    p.add_argument("--transport")
    for line in sys.stdin:
        run(p.parse_args(line.split()))
        print("end", flush=True)


if __name__ == "__main__":
    main()
