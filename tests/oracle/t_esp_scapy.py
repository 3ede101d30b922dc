#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""ESP and AH against scapy's IPsec layer, an independent implementation: it opens what we seal, we open what it seals.

A matrix of protocol, mode, inner and outer family, cipher and authentication, with 64-bit sequence numbers, UDP encapsulation, IPv4
options and IPv6 extension headers; payload sizes around block and MTU boundaries. What scapy's layer lacks is added here: the high half
of the sequence number behind ESP with a separate algorithm, a right length in its UDP header, AES-GMAC for AH (RFC 4543) by the package
cryptography. Drives tests/lib/espcat of the build
folder O (default build). Prints TAP.
"""
import hashlib
import hmac
import os
import random
import struct
import subprocess
import sys

os.environ.setdefault("SCAPY_USE_LIBPCAP", "0")
try:
    import logging

    logging.getLogger("scapy").setLevel(logging.ERROR)
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from scapy.compat import raw
    from scapy.layers.inet import IP, IPOption_Router_Alert, IPOption_RR, UDP
    from scapy.layers.inet6 import (HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN,
                                    RouterAlert, in6_chksum)
    from scapy.layers.ipsec import AH, ESP, IPSecIntegrityError, SecurityAssociation, zero_mutable_fields
except ImportError as e:
    print(f"ok 1 - scapy's IPsec layer # SKIP {e}")
    print("1..1")
    sys.exit(0)

ESPCAT = os.path.join(os.environ.get("O", "build"), "tests/lib/espcat")
ENGINES = ("ipsec-mb", "openssl")
SPI, WINDOW = 0x1A2B3C4D, 64
ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::a1", "2001:db8::a2")}
INNER = {4: ("10.1.0.1", "10.2.0.1"), 6: ("2001:db8:1::1", "2001:db8:2::1")}
HIGH = 0x0BADCAFE  # high half of extended sequence numbers

# name here: name there, bytes of key and salt, bytes of ICV (AEAD)
ENC = {"null": ("NULL", 0, 0), "des": ("DES", 8, 0), "3des": ("3DES", 24, 0), "blowfish": ("Blowfish", 16, 0),
       "chacha20-poly1305": ("CHACHA20-POLY1305", 36, 16)}
for bits in (128, 192, 256):
    ENC[f"aes-{bits}"] = ("AES-CBC", bits // 8, 0)
    ENC[f"aes-{bits}-ctr"] = ("AES-CTR", bits // 8 + 4, 0)
    for tail, icv in (("", 16), ("-12", 12), ("-8", 8)):
        ENC[f"aes-{bits}-ccm{tail}"] = ("AES-CCM", bits // 8 + 3, icv)
    ENC[f"aes-{bits}-gcm"] = ("AES-GCM", bits // 8 + 4, 16)  # scapy's AES-GCM has the whole tag only
AUTH = {"null": ("NULL", 0), "md5": ("HMAC-MD5-96", 16), "sha1": ("HMAC-SHA1-96", 20), "sha256": ("SHA2-256-128", 32),
        "sha384": ("SHA2-384-192", 48), "sha512": ("SHA2-512-256", 64), "aes-cmac": ("AES-CMAC-96", 16)}
GMAC = [f"aes-{bits}-gmac" for bits in (128, 192, 256)]
AUTH |= {name: ("NULL", int(name[4:7]) // 8 + 4) for name in GMAC}  # in AH only
HASH = {"md5": ("md5", 12), "sha1": ("sha1", 12), "sha256": ("sha256", 16), "sha384": ("sha384", 24), "sha512": ("sha512", 32)}

# UDP payload: every remainder of a block of 16, and packets of about 1500 and 9000 bytes.
CORNERS = (0, 1, 2, 3, 6, 7, 8, 13, 14, 15, 1399, 1471, 1472, 8950)
FULL = sorted(set(range(0, 70)) | {n + d for n in range(80, 1473, 112) for d in (-1, 0, 1)} | set(range(1455, 1473)))

rnd = random.Random(4303)


class Gmac:
    """In place of scapy's AuthAlgo: RFC 4543 section 4, the ICV field of AH is an IV of 8 bytes and a tag of 16. The rest is scapy's."""
    icv_size = 24

    def __init__(self):
        self.iv = rnd.randbytes(8)

    @staticmethod
    def check_key(_):
        pass

    @staticmethod
    def covered(pkt, sending, esn_en, esn):
        return raw(zero_mutable_fields(pkt.copy(), sending)) + (struct.pack("!L", esn) if esn_en else b"")

    def sign(self, pkt, key, esn_en=False, esn=0):
        tag = AESGCM(key[:-4]).encrypt(key[-4:] + self.iv, b"", self.covered(pkt, True, esn_en, esn))
        pkt[AH].icv = self.iv + tag
        return pkt

    def verify(self, pkt, key, esn_en=False, esn=0):
        pkt[AH].icv, pkt[AH].padding = pkt[AH].icv[:24], pkt[AH].icv[24:]
        iv, tag = pkt[AH].icv[:8], pkt[AH].icv[8:]
        try:
            AESGCM(key[:-4]).decrypt(key[-4:] + iv, tag, self.covered(pkt, False, esn_en, esn))
        except InvalidTag as e:
            raise IPSecIntegrityError("AES-GMAC") from e


class Case:
    """One SA, for both sides."""

    def __init__(self, proto, mode, outer, inner, enc, auth, flags=(), sizes=CORNERS, headers=None):
        self.proto, self.mode, self.outer, self.inner = proto, mode, outer, inner
        self.enc, self.auth, self.flags, self.sizes, self.headers = enc, auth, flags, sizes, headers
        self.enc_key = rnd.randbytes(ENC[enc][1])
        self.auth_key = rnd.randbytes(AUTH[auth][1])
        self.esn = "esn" in flags
        # Done here: what scapy's ESP does not cover.
        self.own_icv = self.esn and proto == "esp" and not ENC[enc][2]
        self.name = (f"{proto} {mode} IPv{inner} in IPv{outer}, {enc}/{auth}" + "".join(f" {f}" for f in flags) +
                     (f" {headers}" if headers else ""))

    def scapy(self):
        src, dst = ENDS[self.outer]
        head = None
        if self.mode == "tunnel":
            head = IP(src=src, dst=dst) if self.outer == 4 else IPv6(src=src, dst=dst)
        auth = "null" if self.own_icv else self.auth
        keys = {"crypt_algo": ENC[self.enc][0], "crypt_key": self.enc_key, "crypt_icv_size": ENC[self.enc][2] or None}
        if self.proto == "ah":
            keys = {}
        sa = SecurityAssociation(ESP if self.proto == "esp" else AH, spi=SPI, auth_algo=AUTH[auth][0],
                                 auth_key=self.auth_key, tunnel_header=head, esn_en=self.esn,
                                 esn=HIGH if self.esn else 0, **keys)
        if auth in GMAC:
            sa.auth_algo = Gmac()
        return sa

    def line(self, verb, seq, packet):
        form = "+".join([f"{self.proto}-{self.mode}", *self.flags])
        keys = (k.hex() or "-" for k in (self.enc_key, self.auth_key))
        seq |= HIGH << 32 if self.esn else 0
        return " ".join([verb, form, self.enc, self.auth, *keys, hex(SPI), *ENDS[self.outer], str(seq), packet.hex()])

    def icv(self, data):
        name, size = HASH[self.auth]
        return hmac.new(self.auth_key, data + struct.pack("!L", HIGH), getattr(hashlib, name)).digest()[:size]

    def plain(self, size):
        src, dst = INNER[self.inner] if self.mode == "tunnel" else ENDS[self.inner]
        if self.inner == 4:
            options = [IPOption_Router_Alert(), IPOption_RR(length=11, routers=["1.2.3.4", "0.0.0.0"])]
            p = IP(src=src, dst=dst, ttl=rnd.randrange(2, 256), tos=rnd.randrange(256), id=rnd.randrange(65536),
                   flags=rnd.choice(["DF", 0]), options=options if self.headers else [])
        else:
            p = IPv6(src=src, dst=dst, hlim=rnd.randrange(2, 256), tc=rnd.randrange(256), fl=rnd.randrange(1 << 20))
            if self.headers in ("hop-by-hop", "all"):
                p /= IPv6ExtHdrHopByHop(options=[RouterAlert(), HBHOptUnknown(otype=0x3E, optdata=rnd.randbytes(7))])
            if self.headers == "all":
                p /= IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=rnd.randbytes(4))])
                p /= IPv6ExtHdrRouting(segleft=0, addresses=[])
            if self.headers in ("destination", "all"):
                p /= IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])
        p /= UDP(sport=1000, dport=2000) / rnd.randbytes(size)
        return p.__class__(raw(p))


def hop(case, packet):
    """The packet behind one router: TTL one less, checksum anew. Transport mode has none."""
    p = packet.copy()
    if case.mode == "transport":
        return raw(p)
    if case.inner == 4:
        p.ttl -= 1
        del p.chksum
    else:
        p.hlim -= 1
    return raw(p)


def parsed(data):
    return IP(data) if data[0] >> 4 == 4 else IPv6(data)


def relabel(outer, data, proto):
    """The packet, without options or extension headers, with its length and protocol made right."""
    if outer == 4:
        head = data[:2] + struct.pack("!H", len(data)) + data[4:9] + bytes([proto]) + b"\0\0" + data[12:20]
        total = sum(struct.unpack("!10H", head))
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        return head[:10] + struct.pack("!H", total ^ 0xFFFF) + head[12:] + data[20:]
    return data[:4] + struct.pack("!HB", len(data) - 40, proto) + data[7:]


def cut_udp(outer, data):
    """The same packet without its UDP header, which is checked; for scapy to open."""
    at = 20 if outer == 4 else 40
    sport, dport, length, chksum = struct.unpack("!HHHH", data[at:at + 8])
    assert (sport, dport, length) == (4500, 4500, len(data) - at), "UDP header"
    if outer == 4:
        assert chksum == 0, "UDP checksum over IPv4"
    else:
        assert in6_chksum(17, IPv6(data[:40]), data[40:]) == 0, "UDP checksum over IPv6"
    return relabel(outer, data[:at] + data[at + 8:], 50)


def put_udp(outer, data):
    at = 20 if outer == 4 else 40
    return relabel(outer, data[:at] + struct.pack("!HHHH", 4500, 4500, len(data) - at + 8, 0) + data[at:], 17)


def scapy_seal(case, packet, seq):
    data = raw(case.scapy().encrypt(packet, seq_num=seq))
    if case.own_icv:
        at = 20 if case.outer == 4 else 40
        data = relabel(case.outer, data + case.icv(data[at:]), 50)
    return put_udp(case.outer, data) if "udp" in case.flags else data


def scapy_open(case, data):
    if "udp" in case.flags:
        data = cut_udp(case.outer, data)
    if case.own_icv:
        size = HASH[case.auth][1]
        at = 20 if case.outer == 4 else 40
        assert case.icv(data[at:-size]) == data[-size:], "ICV with the high half"
        data = relabel(case.outer, data[:-size], 50)
    return raw(case.scapy().decrypt(parsed(data)))


def check_outer(case, data, packet, seq):
    """Spec section 15, RFC 6040 section 4.1 normal mode."""
    outer = parsed(data)
    assert (outer.src, outer.dst) == ENDS[case.outer] and outer.version == case.outer, outer.summary()
    tos = packet.tos if case.inner == 4 else packet.tc
    if case.outer == 4:
        assert outer.ihl == 5 and outer.ttl == 64 and outer.tos == tos and outer.frag == 0 and not outer.flags.MF
        assert outer.flags.DF == (packet.flags.DF if case.inner == 4 else 1)
        fresh = outer.copy()
        del fresh.chksum
        assert IP(raw(fresh)).chksum == outer.chksum, "outer checksum"
        assert outer.len == len(data)
    else:
        assert outer.hlim == 64 and outer.tc == tos and outer.plen == len(data) - 40
        assert outer.fl == (packet.fl if case.inner == 6 else 0)
    layer = ESP if case.proto == "esp" else AH
    assert outer[layer].spi == SPI and outer[layer].seq == seq


def we_seal(case, packets, answers):
    for i, (p, text) in enumerate(zip(packets, answers)):
        assert not text.isupper() or not text.isalpha(), f"UDP payload {case.sizes[i]}: {text}"
        data = bytes.fromhex(text)
        if case.mode == "tunnel":
            check_outer(case, data, p, i + 1)
        assert scapy_open(case, data) == hop(case, p), f"UDP payload {case.sizes[i]}: scapy opens another packet"


def we_open(case, packets, answers):
    for size, p, text in zip(case.sizes, packets, answers):
        # The outer header of scapy's tunnel is Not-ECT: the inner one stays as it was.
        assert text == raw(p).hex(), f"UDP payload {size}: {text[:60]}"


def damaged(case):
    """Lines with a packet that was changed on the way, or comes late, and what has to be said of them."""
    p = case.plain(100)
    sealed = scapy_seal(case, p, 7)
    head = len(sealed) - len(raw(parsed(sealed)[ESP if case.proto == "esp" else AH]))
    # The number, behind the header (what is encrypted or covered), the last byte of the ICV or of the packet.
    for at in (head + 7 if case.proto == "esp" else head + 11, head + 40, len(sealed) - 1):
        bad = bytearray(sealed)
        bad[at] ^= 0x10
        yield case.line("open", 0, bytes(bad)), "IN_ICV"
    if not case.esn:
        yield case.line("open", 7 + WINDOW, sealed), "IN_REPLAY_OLD"
    yield case.line("open", 7 + WINDOW - 1, sealed), raw(p).hex()
    src = ENDS[case.outer][0]
    yield case.line("open", 0, sealed).replace(src, src[:-1] + "9"), "IN_SA_SELECTOR"
    yield case.line("open", 0, sealed).replace(hex(SPI), "0x100"), "IN_NO_SA"


def scapy_refuses(case, text):
    ours = bytearray.fromhex(text)
    ours[-1] ^= 1
    try:
        scapy_open(case, bytes(ours))
    except (IPSecIntegrityError, AssertionError):
        return
    raise AssertionError("scapy accepts a damaged packet of ours")


FORMS = [("tunnel", 4, 4), ("tunnel", 4, 6), ("tunnel", 6, 4), ("tunnel", 6, 6), ("transport", 4, 4), ("transport", 6, 6)]


def matrix():
    pairs = [(enc, "null" if ENC[enc][2] else "sha1") for enc in ENC]
    pairs += [("aes-128", auth) for auth in AUTH if auth != "sha1" and auth not in GMAC] + [("null", "sha256")]
    esn = [("aes-128-gcm", "null"), ("aes-256-ccm", "null"), ("chacha20-poly1305", "null"), ("aes-128", "sha1"),
           ("null", "sha256"), ("aes-256-ctr", "sha512")]
    for mode, outer, inner in FORMS:
        for enc, auth in pairs:
            full = (mode, outer, inner) == FORMS[0] and (enc, auth) in (("aes-128-gcm", "null"), ("aes-128", "sha1"))
            few = CORNERS if enc in ("aes-128", "aes-128-gcm", "null") else CORNERS[::3]
            yield Case("esp", mode, outer, inner, enc, auth, sizes=FULL if full else few)
        for enc, auth in esn:
            yield Case("esp", mode, outer, inner, enc, auth, ("esn",), CORNERS[::3])
        for enc, auth in (("aes-128-gcm", "null"), ("aes-256", "sha256")):
            yield Case("esp", mode, outer, inner, enc, auth, ("udp",), CORNERS[::2])
        yield Case("esp", mode, outer, inner, "aes-128", "sha1", ("udp", "esn"), CORNERS[::4])
        for auth in AUTH:
            if auth == "null":
                continue
            full = (mode, outer, inner) == FORMS[0] and auth == "sha1"
            yield Case("ah", mode, outer, inner, "null", auth, sizes=FULL if full else CORNERS[::2])
            yield Case("ah", mode, outer, inner, "null", auth, ("esn",), CORNERS[::5])
        if outer == 4:
            yield from (Case("ah", mode, outer, inner, "null", auth, ("align8",), CORNERS[::4]) for auth in ("sha256", GMAC[0]))
    for proto, enc, auth in (("esp", "aes-128", "sha1"), ("ah", "null", "sha1"), ("ah", "null", GMAC[0])):
        yield Case(proto, "transport", 4, 4, enc, auth, headers="options", sizes=CORNERS[::2])
        for headers in ("hop-by-hop", "destination", "all"):
            yield Case(proto, "transport", 6, 6, enc, auth, headers=headers, sizes=CORNERS[::2])


def lines_of(case):
    """What is asked of espcat for a case: (what is tested, lines, judge of the answers)."""
    packets = [case.plain(n) for n in case.sizes]
    yield ("scapy opens ours", [case.line("seal", i + 1, raw(p)) for i, p in enumerate(packets)],
           lambda answers: we_seal(case, packets, answers))
    yield ("we open scapy's", [case.line("open", 0, scapy_seal(case, p, i + 1)) for i, p in enumerate(packets)],
           lambda answers: we_open(case, packets, answers))
    if (ENC[case.enc][2] or case.auth != "null") and "udp" not in case.flags and not case.headers:
        rows = list(damaged(case))

        def judge(answers):
            assert answers[:-1] == [want for _, want in rows], answers[:-1]
            scapy_refuses(case, answers[-1])

        yield "damage is refused", [line for line, _ in rows] + [case.line("seal", 7, raw(case.plain(50)))], judge


def espcat(engine, lines):
    env = dict(os.environ, XDP_IPSEC_ENGINE=engine)
    done = subprocess.run([ESPCAT], input="\n".join(lines) + "\n", capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise AssertionError(f"espcat: status {done.returncode}: {done.stderr.strip()}")
    out = done.stdout.split()
    assert len(out) == len(lines), f"{len(out)} answers to {len(lines)} lines"
    return out


def able(engine, cases):
    """The pairs of algorithms that the engine has."""
    first = {(c.enc, c.auth): c for c in cases}
    answers = espcat(engine, [c.line("seal", 1, raw(c.plain(0))) for c in first.values()])
    return {pair for pair, text in zip(first, answers) if text != "no-engine"}


def main():
    number = failed = 0
    work = []
    cases = list(matrix())
    pairs = {engine: able(engine, cases) for engine in ENGINES}
    for i, case in enumerate(cases):
        # The engines take turns; both do those with all sizes.
        can = [engine for engine in ENGINES if (case.enc, case.auth) in pairs[engine]]
        assert can, f"no engine has {case.enc}/{case.auth}"
        for engine in can if case.sizes is FULL else [can[i % len(can)]]:
            work += [(case, engine, *test) for test in lines_of(case)]
    answers = {engine: espcat(engine, [line for w in work if w[1] == engine for line in w[3]]) for engine in ENGINES}
    for case, engine, what, lines, judge in work:
        own, answers[engine] = answers[engine][:len(lines)], answers[engine][len(lines):]
        number += 1
        name = f"{number} - {case.name}, {engine}: {what}"
        try:
            judge(own)
            print(f"ok {name}")
        except Exception as e:  # whatever it was, the other tests still say something
            failed += 1
            print(f"not ok {name}\n# {type(e).__name__}: {e}")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
