#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Packets a peer or a stranger could send, made here and sent through AF_PACKET.

  forge.py [--dev DEV --dst-mac MAC [--src-mac MAC] | --out FILE] [--count N] clear|esp|raw ...

clear: a packet in clear (a spoof, when its addresses are the protected ones).
esp:   an IPv4-in-IPv4 ESP packet (RFC 4303) with the given keys, sound unless one of the options spoils it.
       ESP is put together by hand, ciphers and HMACs come from python3-cryptography: nothing of ours is in it.
raw:   ESP or AH with SPI and number, whatever they are, and bytes that no key fits; IPv4 or IPv6, as the addresses.

--out writes the first frame to a file instead (for bench/gen).
"""
import argparse
import os
import socket
import struct
import sys

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(src, dst, proto, payload, *, ttl=64, tos=0, ident=0, flags_off=0, total=None):
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload) if total is None else total, ident, flags_off, ttl, proto, 0,
        socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(src, dst, proto, payload):
    return struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + address(src) + address(dst) + payload


def address(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def udp(src, dst, sport, dport, data):
    length = 8 + len(data)
    pseudo = address(src) + address(dst) + (struct.pack("!II", length, 17) if ":" in src else struct.pack("!BBH", 0, 17, length))
    head = struct.pack("!HHHH", sport, dport, length, 0)
    return head[:6] + struct.pack("!H", checksum(pseudo + head + data) or 0xFFFF) + data


def icmp_echo(data, ident=0x1234, seq=1):
    head = struct.pack("!BBHHH", 8, 0, 0, ident, seq)
    return head[:2] + struct.pack("!H", checksum(head + data)) + head[4:] + data


def tcp_syn(src, dst, sport, dport):
    head = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 0x50, 2, 1024, 0, 0)
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 6, len(head))
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def upper(a, src, dst):
    data = a.payload.encode()
    if a.len:
        room = a.len - 28
        data = (data * (room // max(len(data), 1) + 1))[:room] if data else bytes(room)
    if a.proto == "udp":
        return 17, udp(src, dst, a.sport, a.dport, data)
    if a.proto == "tcp":
        return 6, tcp_syn(src, dst, a.sport, a.dport)
    return 1, icmp_echo(data)


def flip(data, offset):
    offset %= len(data)
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1:]


def seal(a, seq, text):
    """The ESP packet from the SPI on, RFC 4303 section 2; text: padded plaintext with its trailer."""
    # here: it takes longer to load than all else to run
    from cryptography.hazmat.primitives import hashes, hmac
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    head = struct.pack("!II", a.spi, seq & 0xFFFFFFFF)
    key = bytes.fromhex(a.enc_key)
    if a.wrong_key:
        key = flip(key, 0)
    if a.enc == "gcm":
        iv = struct.pack("!Q", a.iv if a.iv is not None else seq)
        return head + iv + AESGCM(key[:-4]).encrypt(key[-4:] + iv, text, head)
    if a.enc == "cbc":
        iv = os.urandom(16)
        enc = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        body = iv + enc.update(text) + enc.finalize()
    else:
        body = text
    if a.auth == "null":
        return head + body
    mac = hmac.HMAC(flip(bytes.fromhex(a.auth_key), 0) if a.wrong_auth_key else bytes.fromhex(a.auth_key),
                    hashes.SHA1() if a.auth == "sha1" else hashes.MD5())
    mac.update(head + body)
    return head + body + mac.finalize()[:12]


def esp_packet(a, seq):
    proto, body = upper(a, a.inner_src, a.inner_dst)
    inner = ipv4(a.inner_src, a.inner_dst, proto, body, ttl=a.inner_ttl, tos=a.inner_tos, ident=seq & 0xFFFF,
                 flags_off=0x4000 if a.df else 0, total=a.inner_total)
    if a.garbage:
        inner = b"\xff" * len(inner)
    for k in range(1, a.nest):
        inner = ipv4(a.outer_src, a.outer_dst, 50, esp_of(a, seq + 50 * k, inner), ident=seq & 0xFFFF)
    return esp_of(a, seq, inner)


def esp_of(a, seq, inner):
    align = 16 if a.enc == "cbc" else 4
    pad_len = -(len(inner) + 2) % align
    padding = bytes(range(1, pad_len + 1))
    if a.bad_pad:
        if not pad_len:
            pad_len += align
        padding = bytes([0x77] * pad_len)
    trailer = padding + bytes([pad_len if a.pad_len is None else a.pad_len, a.next_header])
    esp = seal(a, seq, inner + trailer)
    if a.flip is not None:
        esp = flip(esp, a.flip)
    if a.cut is not None:
        esp = esp[:a.cut]
    return esp


def cut(a, ident, packet):
    """The fragments of a whole IPv4 packet, RFC 791 section 3.2."""
    head, body = packet[:20], packet[20:]
    step = (a.fragment - 20) & ~7
    out = [ipv4(socket.inet_ntoa(head[12:16]), socket.inet_ntoa(head[16:20]), head[9], body[i:i + step], ident=ident,
                flags_off=(0x2000 if i + step < len(body) else 0) | i >> 3) for i in range(0, len(body), step)]
    return out[::-1] if a.reverse else out


def fragments(a, seq, esp):
    ident = 0x5000 + (seq & 0xFFF)
    df = 0x4000 if a.outer_df else 0
    if a.natt:  # RFC 3948 section 2.1, checksum zero
        esp = struct.pack("!HHHH", 4500, 4500, 8 + len(esp), 0) + esp
        whole = ipv4(a.outer_src, a.outer_dst, 17, esp, ident=ident)
        return cut(a, ident, whole) if a.fragment else [whole]
    if not a.fragment:
        return [ipv4(a.outer_src, a.outer_dst, 50, esp, tos=a.outer_tos, ident=ident, flags_off=df,
                     total=a.outer_total)]
    step = (a.fragment - 20) & ~7
    cuts = range(0, len(esp), step)
    out = [ipv4(a.outer_src, a.outer_dst, 50, esp[i:i + step], tos=a.outer_tos, ident=ident,
                flags_off=(0x2000 if i + step < len(esp) else 0) | i >> 3) for i in cuts]
    if a.drop_fragment is not None:
        del out[a.drop_fragment]
    if a.hostile:
        out = hostile(a, ident, esp, out)
    return out[::-1] if a.reverse else out


def hostile(a, ident, esp, sound):
    """Fragments as nobody sound sends them: RFC 8900 section 3, RFC 5722, RFC 1858."""
    def piece(at, end, more, data=None, src=a.outer_src):
        return ipv4(src, a.outer_dst, 50, esp[at:end] if data is None else data, ident=ident,
                    flags_off=(0x2000 if more else 0) | at >> 3)

    step, size = (a.fragment - 20) & ~7, len(esp)
    if a.hostile == "overlap":  # the second one begins 8 bytes early
        return [sound[0], piece(step - 8, 2 * step, True)] + sound[1:]
    if a.hostile == "overlap-other":  # the first one again, with other bytes
        return [sound[0], piece(0, step, True, bytes(step))] + sound[1:]
    if a.hostile == "teardrop":
        return [sound[0], piece(step - 16, step - 8, False)] + sound[1:]
    if a.hostile == "two-ends":
        return [piece(step, 2 * step, False), piece(step + 2 * step, 4 * step, False)] + sound
    if a.hostile == "duplicate":  # sound, but doubled by the network
        return [f for f in sound[:-1] for _ in range(2)] + sound[-1:]
    if a.hostile == "tiny":  # the SPI alone in the first one, if that were possible
        return [piece(0, 4, True)] + sound[1:]
    if a.hostile == "empty":
        return [piece(step, step, True)]
    if a.hostile == "odd":
        return [piece(0, step - 3, True)]
    if a.hostile == "far":
        return [piece(65528, 65528, False, bytes(400))]
    # flood: first fragments from as many sources as there are bytes
    return [piece(0, 64, True, src=f"198.18.{i // 250}.{i % 250 + 1}") for i in range(500)]


def sequences(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first, 0), int(last or first, 0) + 1)


def raw(a):
    """RFC 4303 section 2, RFC 4302 section 2 with an ICV of 12 bytes; as long as an AES-CBC packet of 3 blocks with such an ICV."""
    body = struct.pack("!II", a.spi, a.seq) + bytes(range(16 + 48 + 12))
    if a.proto == 51:
        body = struct.pack("!BBH", 4, 4, 0) + body
    body = body[:a.cut]
    return ipv6(a.src, a.dst, a.proto, body) if ":" in a.src else ipv4(a.src, a.dst, a.proto, body)


def packets(a):
    if a.kind == "raw":
        return [raw(a)]
    if a.kind == "clear":
        proto, body = upper(a, a.src, a.dst)
        if ":" in a.src:
            return [ipv6(a.src, a.dst, proto, body)]
        whole = ipv4(a.src, a.dst, proto, body, ttl=a.ttl, tos=a.tos, flags_off=0x4000 if a.df else 0)
        return cut(a, a.ident, whole) if a.fragment else [whole]
    return [p for seq in sequences(a.seq) for p in fragments(a, seq, esp_packet(a, seq))]


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def number(text):
    return int(text, 0)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dev")
    p.add_argument("--dst-mac", default="ff:ff:ff:ff:ff:ff")
    p.add_argument("--src-mac", help="default: that of DEV")
    p.add_argument("--out", help="write the first frame here, send nothing")
    p.add_argument("--count", type=number, default=1, help="send everything so many times")
    kinds = p.add_subparsers(dest="kind", required=True)
    clear, esp, plain = kinds.add_parser("clear"), kinds.add_parser("esp"), kinds.add_parser("raw")
    for k in (clear, esp, plain):
        k.add_argument("--count", type=number, default=argparse.SUPPRESS, help="as above")
    for k in (clear, esp):
        k.add_argument("--proto", choices=("udp", "tcp", "icmp"), default="udp")
        k.add_argument("--sport", type=number, default=4000)
        k.add_argument("--dport", type=number, default=4001)
        k.add_argument("--payload", default="forged")
        k.add_argument("--len", type=number, help="length of the (inner) IP packet: the payload is repeated")
        k.add_argument("--df", action="store_true", help="DF in the (inner) header")
    clear.add_argument("--src", required=True)
    clear.add_argument("--dst", required=True)
    clear.add_argument("--ttl", type=number, default=64)
    clear.add_argument("--tos", type=number, default=0)
    clear.add_argument("--fragment", type=number, help="in IP fragments of at most so many bytes")
    clear.add_argument("--ident", type=number, default=1, help="of the fragments")
    clear.add_argument("--reverse", action="store_true", help="last fragment first")
    plain.add_argument("--src", required=True)
    plain.add_argument("--dst", required=True)
    plain.add_argument("--proto", type=number, choices=(50, 51), required=True)
    plain.add_argument("--spi", type=number, required=True)
    plain.add_argument("--seq", type=number, default=5000)
    plain.add_argument("--cut", type=number, help="keep so many bytes of ESP or AH")
    esp.add_argument("--natt", action="store_true", help="in UDP, port 4500 at both ends")
    for name in ("outer-src", "outer-dst", "inner-src", "inner-dst"):
        esp.add_argument("--" + name, required=True)
    esp.add_argument("--enc", choices=("null", "cbc", "gcm"), default="gcm")
    esp.add_argument("--enc-key", default="", help="hex; gcm: with the 4 bytes of salt behind it")
    esp.add_argument("--auth", choices=("null", "md5", "sha1"), default="null")
    esp.add_argument("--auth-key", default="", help="hex")
    esp.add_argument("--spi", type=number, required=True)
    esp.add_argument("--seq", default="1", help="1,2,5-9: one packet each, in this order")
    esp.add_argument("--nest", type=number, default=1, help="so many ESP packets in each other; number + 50 is that of the next one inside")
    esp.add_argument("--iv", type=number, help="gcm: explicit IV, default the sequence number")
    esp.add_argument("--inner-ttl", type=number, default=64)
    esp.add_argument("--inner-tos", type=number, default=0)
    esp.add_argument("--outer-tos", type=number, default=0)
    esp.add_argument("--outer-df", action="store_true")
    spoil = esp.add_argument_group("spoiled packets")
    spoil.add_argument("--wrong-key", action="store_true", help="a bit of the cipher's key differs")
    spoil.add_argument("--wrong-auth-key", action="store_true")
    spoil.add_argument("--flip", type=number, help="flip a bit of this byte, counted from the SPI, negative from the end")
    spoil.add_argument("--cut", type=number, help="keep so many bytes from the SPI on, lengths in the header fit")
    spoil.add_argument("--outer-total", type=number, help="lie in the outer total length")
    spoil.add_argument("--inner-total", type=number, help="lie in the inner total length")
    spoil.add_argument("--bad-pad", action="store_true", help="padding is not 1,2,3...; the ICV is right")
    spoil.add_argument("--pad-len", type=number, help="lie in the pad length; the ICV is right")
    spoil.add_argument("--next-header", type=number, default=4, help="59: dummy packet")
    spoil.add_argument("--garbage", action="store_true", help="no IP header inside; the ICV is right")
    spoil.add_argument("--fragment", type=number, help="cut the ESP packet into IP fragments of at most so many bytes")
    spoil.add_argument("--drop-fragment", type=int, help="leave out the fragment with this index")
    spoil.add_argument("--hostile", choices=("overlap", "overlap-other", "teardrop", "two-ends", "duplicate", "tiny", "empty",
                                             "odd", "far", "flood"), help="with --fragment: spoils the fragments")
    spoil.add_argument("--reverse", action="store_true", help="last fragment first")
    return p.parse_args()


def main():
    a = arguments()
    if not a.dev and not a.out:
        sys.exit("forge.py: --dev or --out is needed")
    sock = None
    src_mac = a.src_mac
    if a.dev:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        sock.bind((a.dev, 0))
        src_mac = src_mac or sock.getsockname()[4].hex()
    macs = mac_bytes(a.dst_mac) + mac_bytes(src_mac or "02:00:00:00:00:01")
    frames = [macs + struct.pack("!H", ETH_P_IPV6 if p[0] >> 4 == 6 else ETH_P_IP) + p for p in packets(a)]
    if a.out:
        with open(a.out, "wb") as f:
            f.write(frames[0])
        return
    for _ in range(a.count):
        for frame in frames:
            sock.send(frame)


if __name__ == "__main__":
    main()
