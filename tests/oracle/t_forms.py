#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Forms of packets that other stacks make and ours does not, and every header in front of AH, against code of this file's own.

Dummy packets and traffic flow padding (RFC 4303 sections 2.6, 2.7), padding up to 255 bytes, packets without payload; IPv4 options of every type
and IPv6 extension headers with options of every type, routes that are not finished, what routers change on the way (RFC 4302 section 3.3.3.1,
appendix A); UDP headers of ESP that are odd (RFC 3948). Cases, keys and espcat are those of t_esp_scapy.py. Prints TAP.
"""
import hashlib
import hmac
import os
import struct
import subprocess
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from t_esp_scapy import ENDS, ESPCAT, INNER, SPI, rnd

KEYS = {"aes-128": (16, 20), "aes-128-gcm": (20, 0), "null": (0, 20)}  # with sha1, but for the AEAD
PAIRS = (("aes-128", "sha1"), ("aes-128-gcm", "null"), ("null", "sha1"))
UDP, ESP, AH, IPIP, IPV6, NONE = 17, 50, 51, 4, 41, 59
HBH, ROUTING, DEST = 0, 43, 60


def addr(text):
    import socket
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ip4(src, dst, proto, payload, options=b"", ttl=64, tos=0, frag=0):
    hdr = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | hdr // 4, tos, hdr + len(payload), 77, frag, ttl, proto, 0) + addr(src) + addr(dst) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ip6(src, dst, proto, payload, hops=64, tc=0, label=0):
    return struct.pack("!IHBB", 6 << 28 | tc << 20 | label, len(payload), proto, hops) + addr(src) + addr(dst) + payload


def ip(family, ends, proto, payload, **fields):
    return (ip4 if family == 4 else ip6)(*ends, proto, payload, **fields)


def udp(size=20):
    return struct.pack("!HHHH", 1000, 2000, 8 + size, 0) + rnd.randbytes(size)


class Sa:
    def __init__(self, proto, mode, family, enc="null", auth="sha1", flags=()):
        self.proto, self.mode, self.family, self.enc, self.auth, self.flags = proto, mode, family, enc, auth, flags
        self.enc_key, self.auth_key = (rnd.randbytes(n) for n in KEYS[enc])
        self.seq = 0

    def line(self, verb, seq, packet):
        form = "+".join([f"{self.proto}-{self.mode}", *self.flags])
        keys = (k.hex() or "-" for k in (self.enc_key, self.auth_key))
        return " ".join([verb, form, self.enc, self.auth, *keys, hex(SPI), *ENDS[self.family], str(seq), packet.hex()])

    def mac(self, data):
        return hmac.new(self.auth_key, data, hashlib.sha1).digest()[:12]

    def esp(self, text):
        """ESP with the text as it is: payload, padding, trailer (RFC 4303 section 2)."""
        self.seq += 1
        head = struct.pack("!II", SPI, self.seq)
        if self.enc == "aes-128-gcm":
            iv = rnd.randbytes(8)
            return head + iv + AESGCM(self.enc_key[:16]).encrypt(self.enc_key[16:] + iv, text, head)
        if self.enc == "aes-128":
            iv = rnd.randbytes(16)
            cipher = Cipher(algorithms.AES(self.enc_key), modes.CBC(iv)).encryptor()
            head += iv
            text = cipher.update(text) + cipher.finalize()
        return head + text + self.mac(head + text)

    def text(self, payload, following, more=0):
        """Padding to the block, and `more` blocks of it."""
        block = 16 if self.enc == "aes-128" else 4
        pad = -(len(payload) + 2) % block + more * block
        return payload + bytes(range(1, pad + 1)) + bytes([pad, following])

    def packet(self, text, **fields):
        return ip(self.family, ENDS[self.family], ESP, self.esp(text), **fields)


def inner(family, sa):
    ends = INNER[family] if sa.mode == "tunnel" else ENDS[family]
    return ip(family, ends, UDP, udp())


def payload_of(family, sa):
    """What of an inner packet goes into the text, and its next header."""
    packet = inner(family, sa)
    if sa.mode == "tunnel":
        return packet, packet, IPIP if family == 4 else IPV6
    return packet, packet[20 if family == 4 else 40:], UDP


# --- rows: (title, line for espcat, what it has to answer) ---

def esp_rows():
    for enc, auth in PAIRS:
        for mode, outer, families in (("tunnel", 4, (4, 6)), ("tunnel", 6, (4, 6)), ("transport", 4, (4,)), ("transport", 6, (6,))):
            for family in families:
                sa = Sa("esp", mode, outer, enc, auth)
                name = f"{enc} {mode} IPv{family} in IPv{outer}"
                for size in (0, 1, 100, 1400):
                    text = sa.text(rnd.randbytes(size), NONE)
                    yield f"{name}: dummy packet of {size} bytes", sa.line("open", 0, sa.packet(text)), "-"
                packet, payload, proto = payload_of(family, sa)
                # Padding has one byte of length; a block of 16 makes 15 times 16 and what the block needs.
                for more in (1, 7, 15 if enc == "aes-128" else 62):
                    text = sa.text(payload, proto, more)
                    if text[-2] > 239:
                        yield f"{name}: {text[-2]} bytes of padding", sa.line("open", 0, sa.packet(text)), packet.hex()
                    yield f"{name}: {more} blocks of padding", sa.line("open", 0, sa.packet(text)), packet.hex()
                if mode == "tunnel":
                    for size in (1, 2, 3, 100, 1000):
                        text = sa.text(payload + rnd.randbytes(size), proto)
                        yield f"{name}: {size} bytes of traffic flow padding", sa.line("open", 0, sa.packet(text)), packet.hex()
                    text = sa.text(payload[:-1], proto)
                    yield f"{name}: a byte is missing inside", sa.line("open", 0, sa.packet(text)), "IN_MODE"
                    other = IPV6 if proto == IPIP else IPIP
                    yield f"{name}: next header of the other family", sa.line("open", 0, sa.packet(sa.text(payload, other))), "IN_MODE"
                    yield f"{name}: next header UDP", sa.line("open", 0, sa.packet(sa.text(payload, UDP))), "IN_MODE"
                # nothing inside but a header
                bare = ip(family, INNER[family] if mode == "tunnel" else ENDS[family], 253, b"")
                text = sa.text(bare if mode == "tunnel" else b"", proto if mode == "tunnel" else 253)
                yield f"{name}: no payload", sa.line("open", 0, sa.packet(text)), bare.hex()
                bad = bytearray(sa.text(payload, proto, 1))
                bad[-3] ^= 1
                yield f"{name}: padding is not 1, 2, 3", sa.line("open", 0, sa.packet(bytes(bad))), "IN_PADDING"


def udp_header(esp, length=None, chksum=0, sport=4500, dport=4500):
    return struct.pack("!HHHH", sport, dport, 8 + len(esp) if length is None else length, chksum) + esp


def natt_rows():
    for family in (4, 6):
        sa = Sa("esp", "tunnel", family, "aes-128-gcm", "null", ("udp",))
        packet, payload, proto = payload_of(4, sa)
        size = 8 + 16 + len(sa.text(payload, proto)) + 16

        def row(what, want, sa=sa, payload=payload, proto=proto, behind=b"", **fields):
            carried = udp_header(sa.esp(sa.text(payload, proto)), **fields) + behind
            return f"UDP over IPv{sa.family}: {what}", sa.line("open", 0, ip(sa.family, ENDS[sa.family], UDP, carried)), want

        # RFC 3948 section 2.1: the receiver must not depend on the checksum.
        yield row("checksum zero", packet.hex())
        yield row("a checksum that is wrong", packet.hex(), chksum=0x1234)
        yield row("another source port", packet.hex(), sport=61001)
        yield row("another port of ours", "IN_ENCAP", dport=4501)
        for length in (0, 7, 8, 9, size - 1, size + 1, 65535):
            yield row(f"length {length}", "IN_HEADER", length=length)
        yield row("bytes behind the datagram", "IN_HEADER", behind=b"\0\0")
        yield (f"UDP over IPv{family}: ESP without UDP", sa.line("open", 0, sa.packet(sa.text(payload, proto))), "IN_ENCAP")
        plain = Sa("esp", "tunnel", family, "aes-128-gcm", "null")
        carried = udp_header(plain.esp(plain.text(payload, proto)))
        yield (f"IPv{family}: ESP in UDP for an SA without", plain.line("open", 0, ip(family, ENDS[family], UDP, carried)), "IN_ENCAP")


# --- AH: the input of the ICV, by the words of RFC 4302 ---

# Appendix A1: included in the ICV calculation.
IMMUTABLE4 = {0, 1, 130, 133, 134, 148, 149}
LSRR, SSRR = 131, 137


def zeroed4(packet):
    hdr = (packet[0] & 15) * 4
    head, at = bytearray(packet[:hdr]), 20
    head[1] = head[8] = 0
    head[6:8] = head[10:12] = b"\0\0"
    while at < hdr and head[at] != 0:
        size = 1 if head[at] == 1 else head[at + 1]
        if head[at] in (LSRR, SSRR) and head[at + 2] <= size - 3:
            head[16:20] = head[at + size - 4:at + size]  # mutable but predictable
        if head[at] not in IMMUTABLE4:
            head[at:at + size] = bytes(size)
        at += size
    return bytes(head) + packet[hdr:]


def zeroed_options6(data):
    data, at = bytearray(data), 2
    while at < len(data):
        if data[at] == 0:
            at += 1
            continue
        size = data[at + 1]
        if data[at] & 0x20:
            data[at + 2:at + 2 + size] = bytes(size)
        at += 2 + size
    return bytes(data)


def zeroed6(packet):
    """The routes of this file are finished before this is asked for."""
    out, at, following = bytearray(struct.pack("!I", 6 << 28) + packet[4:7] + b"\0" + packet[8:40]), 40, packet[6]
    while following in (HBH, ROUTING, DEST):
        size = 8 * (packet[at + 1] + 1)
        header = packet[at:at + size]
        assert following != ROUTING or header[3] == 0
        out += header if following == ROUTING else zeroed_options6(header)
        following, at = header[0], at + size
    return bytes(out) + packet[at:]


def ah_at(packet):
    if packet[0] >> 4 == 4:
        return (packet[0] & 15) * 4
    at, following = 40, packet[6]
    while following != AH:
        following, at = packet[at], at + 8 * (packet[at + 1] + 1)
    return at


def put_icv(sa, packet):
    at = ah_at(packet) + 12
    empty = packet[:at] + bytes(12) + packet[at + 12:]
    icv = sa.mac((zeroed4 if packet[0] >> 4 == 4 else zeroed6)(empty))
    return empty[:at] + icv + empty[at + 12:]


def ah(sa, following, payload):
    sa.seq += 1
    pad = 0 if sa.family == 4 else -(12 + 12) % 8
    return struct.pack("!BBHII", following, (24 + pad) // 4 - 2, 0, SPI, sa.seq) + bytes(12 + pad) + payload


def options4(kind):
    """An option of that type, sound, with others around it."""
    if kind in (0, 1):
        return bytes([1, kind, 0, 0])
    if kind in (LSRR, SSRR):  # one address to come, two that were passed
        return bytes([kind, 15, 12]) + addr("192.0.2.77") + addr("192.0.2.78") + addr(ENDS[4][1]) + b"\0"
    data = rnd.randbytes(rnd.choice((2, 6, 10)))
    return bytes([148, 4, 0, 0, kind, 2 + len(data)]) + data


def ext(following, options):
    """A header of options, padded with PadN."""
    pad = -(2 + len(options)) % 8
    options += b"\0" if pad == 1 else bytes([1, pad - 2]) + bytes(pad - 2) if pad else b""
    return bytes([following, (2 + len(options)) // 8 - 1]) + options


def option6(kind):
    data = rnd.randbytes(rnd.randrange(12))
    return b"\0" if kind == 0 else bytes([kind, len(data)]) + data


def route(following, kind, left, hops):
    return bytes([following, 2 * len(hops), kind, left, 0, 0, 0, 0]) + b"".join(addr(h) for h in hops)


HOPS = ["2001:db8:f::1", "2001:db8:f::2", "2001:db8:f::3"]


def arrive6(packet):
    """RFC 2460 section 4.4 at each router of a route until it ends; hop limit less."""
    packet, at, following = bytearray(packet), 40, packet[6]
    while following in (HBH, ROUTING, DEST):
        if following == ROUTING:
            n, left = packet[at + 1] // 2, packet[at + 3]
            for i in range(n - left, n):
                hop = packet[at + 8 + 16 * i:at + 24 + 16 * i]
                packet[at + 8 + 16 * i:at + 24 + 16 * i], packet[24:40] = packet[24:40], hop
                packet[at + 3] -= 1
        following, at = packet[at], at + 8 * (packet[at + 1] + 1)
    packet[7] -= 3
    packet[1] ^= 0x35  # class and flow label are not covered
    packet[3] ^= 0x0F
    return bytes(packet)


def arrive4(packet):
    """The next hop of a source route is the destination; TTL, TOS, DF, and what routers write into options."""
    hdr = (packet[0] & 15) * 4
    head, at = bytearray(packet[:hdr]), 20
    head[1] ^= 0xFF
    head[6] ^= 0x40
    head[8] -= 3
    while at < hdr and head[at] != 0:
        size = 1 if head[at] == 1 else head[at + 1]
        if head[at] in (LSRR, SSRR):
            i = head[at + 2] - 1
            head[16:20], head[at + i:at + i + 4] = head[at + i:at + i + 4], addr("192.0.2.99")
            head[at + 2] += 4
        elif head[at] not in IMMUTABLE4 and size > 2:
            head[at + 2] ^= 0xA5
        at += size
    head[10:12] = b"\0\0"
    head[10:12] = struct.pack("!H", checksum(bytes(head)))
    return bytes(head) + packet[hdr:]


def plain4(kind):
    options = options4(kind)
    options += bytes(-len(options) % 4)
    first = "192.0.2.50" if kind in (LSRR, SSRR) else ENDS[4][1]
    return ip4(ENDS[4][0], first, UDP, udp(), options, tos=rnd.randrange(256), frag=rnd.choice((0, 0x4000)))


def chains6():
    """(name, headers as functions of what follows, first destination)."""
    dst = ENDS[6][1]
    for kind in range(256):
        yield f"options of type {kind}", [(HBH, lambda n, k=kind: ext(n, option6(k) + option6(0x3E))),
                                          (DEST, lambda n, k=kind: ext(n, option6(k) + option6(k ^ 0x20)))], dst, False
    for kind in (0, 2):
        for left in (0, 1, 2, 3) if kind == 0 else (0, 1):
            hops = HOPS[:3] if kind == 0 else HOPS[:1]
            if left:
                hops, first = [*hops[:-1], dst], "2001:db8:f::9"
            else:
                first = dst
            yield (f"routing header {kind} with {left} left", [
                (HBH, lambda n: ext(n, option6(5))), (DEST, lambda n: ext(n, option6(0x3E))),
                (ROUTING, lambda n, k=kind, le=left, h=hops: route(n, k, le, h)), (DEST, lambda n: ext(n, option6(0x1E)))], first, True)


def plain6(headers, first):
    data, following = udp(), UDP
    for kind, make in reversed(headers):
        data, following = make(following) + data, kind
    return ip6(ENDS[6][0], first, following, data, tc=rnd.randrange(256), label=rnd.randrange(1 << 20))


def split6(packet, routed):
    """Where AH and ESP go: behind hop-by-hop options, routing header, destination options in front of that (RFC 4302 section 3.1.1)."""
    at, following, next_at = 40, packet[6], 6
    while following in ((HBH, ROUTING, DEST) if routed else (HBH,)):
        was_route = following == ROUTING
        following, next_at, at = packet[at], at, at + 8 * (packet[at + 1] + 1)
        if was_route:
            break
    return at, next_at, following


def seal_front(sa, packet, body, proto, at, next_at):
    """The packet with `body` behind its first `at` bytes, which say so."""
    front = bytearray(packet[:at])
    front[next_at] = proto
    if front[0] >> 4 == 6:
        front[4:6] = struct.pack("!H", at - 40 + len(body))
    else:
        front[2:4] = struct.pack("!H", at + len(body))
        front[10:12] = b"\0\0"
        front[10:12] = struct.pack("!H", checksum(bytes(front)))
    return bytes(front) + body


def ah_rows():
    """(title, SA, plain packet, the packet as it arrives without AH, the protected one that arrives)."""
    sa = Sa("ah", "transport", 4)
    for kind in range(256):
        p = plain4(kind)
        at = (p[0] & 15) * 4
        sealed = seal_front(sa, p, ah(sa, UDP, p[at:]), AH, at, 9)
        arrived = put_icv(sa, arrive4(sealed))
        yield f"AH behind IPv4 option {kind}", sa, p, at, 9, arrived
    sa = Sa("ah", "transport", 6)
    for name, headers, first, routed in chains6():
        p = plain6(headers, first)
        at, next_at, following = split6(p, routed)
        sealed = seal_front(sa, p, ah(sa, following, p[at:]), AH, at, next_at)
        arrived = put_icv(sa, arrive6(sealed))
        yield f"AH behind {name}", sa, p, at, next_at, arrived


def without(packet, at, next_at):
    """The packet that arrived, without its AH."""
    size = 4 * (packet[at + 1] + 2)
    return seal_front(None, packet, packet[at + size:], packet[at], at, next_at)


def judge_ah_open(rows, answers):
    for (name, _, p, at, next_at, arrived), text in zip(rows, answers):
        yield name + ", opened", text, without(arrived, at, next_at).hex()


def judge_ah_sealed(rows, answers):
    """What we sealed, sent through the routers, has the ICV that this file computes."""
    for (name, sa, p, at, next_at, _), text in zip(rows, answers):
        try:
            packet = bytes.fromhex(text)
            got = (arrive4 if packet[0] >> 4 == 4 else arrive6)(packet)
            yield name + ", sealed", got.hex(), put_icv(sa, got).hex()
            yield name + ", what was sealed", without(packet, at, next_at).hex(), p.hex()
        except (ValueError, IndexError, AssertionError) as e:
            yield name + ", sealed", f"{text[:40]} {e}", "a packet"


def espcat(lines):
    done = subprocess.run([ESPCAT], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise AssertionError(f"espcat: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout.split()


def main():
    number = failed = 0

    def say(group, verdicts):
        nonlocal number, failed
        wrong = [(name, got, want) for name, got, want in verdicts if got != want]
        number += 1
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {group}: {len(verdicts)} packets")
        for name, got, want in wrong[:8]:
            print(f"# {name}: {got[:160]}, wanted {want[:160]}")

    for group, rows in (("ESP, dummy packets and padding of all kinds", list(esp_rows())), ("ESP in UDP, odd headers", list(natt_rows()))):
        answers = espcat([line for _, line, _ in rows])
        say(group, [(name, got, want) for (name, _, want), got in zip(rows, answers)])
    rows = list(ah_rows())
    say("AH of this file's making is opened", list(judge_ah_open(rows, espcat([sa.line("open", 0, got) for _, sa, _, _, _, got in rows]))))
    sealed = espcat([sa.line("seal", i + 1, p) for i, (_, sa, p, *_) in enumerate(rows)])
    say("AH of ours is right behind the routers", list(judge_ah_sealed(rows, sealed)))
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
