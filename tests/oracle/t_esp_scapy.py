#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""ESP against scapy's IPsec layer, an independent implementation: it opens what we seal, we open what it seals.

Every pair of algorithms, tunnel mode, IPv4 in IPv4, UDP payloads around block boundaries up to 1472 bytes, both of our
engines. Drives tests/lib/espcat of the build folder O (default build). Prints TAP.
"""
import os
import random
import subprocess
import sys

os.environ.setdefault("SCAPY_USE_LIBPCAP", "0")
try:
    import logging

    logging.getLogger("scapy").setLevel(logging.ERROR)
    from scapy.compat import raw
    from scapy.layers.inet import IP, UDP
    from scapy.layers.ipsec import ESP, IPSecIntegrityError, SecurityAssociation
except ImportError as e:
    print(f"ok 1 - scapy's IPsec layer # SKIP {e}")
    print("1..1")
    sys.exit(0)

ESPCAT = os.path.join(os.environ.get("O", "build"), "tests/lib/espcat")
SRC, DST, SPI = "192.0.2.1", "192.0.2.2", 0x1A2B3C4D
ENC = {"null": ("NULL", 0), "aes-128": ("AES-CBC", 16), "aes-192": ("AES-CBC", 24), "aes-256": ("AES-CBC", 32),
       "aes-128-gcm": ("AES-GCM", 20), "aes-192-gcm": ("AES-GCM", 28), "aes-256-gcm": ("AES-GCM", 36)}
AUTH = {"null": ("NULL", 0), "md5": ("HMAC-MD5-96", 16), "sha1": ("HMAC-SHA1-96", 20)}
SIZES = sorted(set(range(0, 70)) | {n + d for n in range(80, 1473, 112) for d in (-1, 0, 1)} | set(range(1455, 1473)))

rnd = random.Random(4303)


class Pair:
    """One pair of algorithms with keys, for both sides."""

    def __init__(self, enc, auth):
        self.enc, self.auth = enc, auth
        self.enc_key = rnd.randbytes(ENC[enc][1])
        self.auth_key = rnd.randbytes(AUTH[auth][1])

    def scapy(self):
        return SecurityAssociation(ESP, spi=SPI, crypt_algo=ENC[self.enc][0], crypt_key=self.enc_key,
                                   auth_algo=AUTH[self.auth][0], auth_key=self.auth_key,
                                   tunnel_header=IP(src=SRC, dst=DST))

    def line(self, verb, seq, packet):
        keys = (k.hex() or "-" for k in (self.enc_key, self.auth_key))
        return " ".join([verb, self.enc, self.auth, *keys, hex(SPI), SRC, DST, str(seq), packet.hex() or "-"])


def espcat(engine, lines):
    env = dict(os.environ, XDP_IPSEC_ENGINE=engine)
    done = subprocess.run([ESPCAT], input="\n".join(lines) + "\n", capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise AssertionError(f"espcat: status {done.returncode}: {done.stderr.strip()}")
    out = done.stdout.split()
    assert len(out) == len(lines), f"{len(out)} answers to {len(lines)} lines"
    return out


def inner(size):
    p = IP(src="10.1.0.1", dst="10.2.0.1", ttl=rnd.randrange(2, 256), tos=rnd.randrange(256), id=rnd.randrange(65536),
           flags=rnd.choice(["DF", 0])) / UDP(sport=1000, dport=2000) / rnd.randbytes(size)
    return IP(raw(p))


def hop(packet):
    """The packet behind one router: TTL one less, checksum anew."""
    p = packet.copy()
    p.ttl -= 1
    del p.chksum
    return raw(p)


def check_outer(outer, packet, seq):
    assert outer.version == 4 and outer.ihl == 5 and outer.proto == 50 and outer.ttl == 64, outer.summary()
    assert (outer.src, outer.dst) == (SRC, DST) and outer.tos == packet.tos and outer.frag == 0
    assert outer.flags.DF == packet.flags.DF and not outer.flags.MF
    fresh = outer.copy()
    del fresh.chksum
    assert IP(raw(fresh)).chksum == outer.chksum, "outer checksum"
    assert outer[ESP].spi == SPI and outer[ESP].seq == seq


def we_seal(pair, engine):
    packets = [inner(n) for n in SIZES]
    out = espcat(engine, [pair.line("seal", i + 1, raw(p)) for i, p in enumerate(packets)])
    for i, (p, text) in enumerate(zip(packets, out)):
        outer = IP(bytes.fromhex(text))
        check_outer(outer, p, i + 1)
        got = raw(pair.scapy().decrypt(outer))
        assert got == hop(p), f"UDP payload {SIZES[i]}: scapy opens another packet"


def we_open(pair, engine):
    packets = [inner(n) for n in SIZES]
    sealed = [raw(pair.scapy().encrypt(p, seq_num=i + 1)) for i, p in enumerate(packets)]
    out = espcat(engine, [pair.line("open", 0, s) for s in sealed])
    for size, p, text in zip(SIZES, packets, out):
        # The outer header of scapy's tunnel is Not-ECT: the inner one stays as it was.
        assert text == raw(p).hex(), f"UDP payload {size}: {text[:60]}"


def damage(pair, engine):
    """Each side refuses what was changed on the way (only with an ICV)."""
    p = inner(100)
    sealed = bytearray(raw(pair.scapy().encrypt(p, seq_num=7)))
    lines = []
    for at in (20 + 4, 20 + 8 + 20, len(sealed) - 1):
        bad = bytearray(sealed)
        bad[at] ^= 0x10
        lines.append(pair.line("open", 0, bytes(bad)))
    lines.append(pair.line("open", 7 + 64, bytes(sealed)))
    lines.append(pair.line("open", 7 + 63, bytes(sealed)))
    lines.append(pair.line("open", 0, bytes(sealed)).replace(SRC, "192.0.2.9"))
    lines.append(pair.line("open", 0, bytes(sealed)).replace(hex(SPI), "0x100"))
    out = espcat(engine, lines)
    want = ["IN_ICV"] * 3 + ["IN_REPLAY_OLD", raw(p).hex(), "IN_SA_SELECTOR", "IN_NO_SA"]
    assert out == want, out
    ours = bytearray.fromhex(espcat(engine, [pair.line("seal", 7, raw(p))])[0])
    ours[60] ^= 1
    try:
        pair.scapy().decrypt(IP(bytes(ours)))
    except IPSecIntegrityError:
        return
    raise AssertionError("scapy accepts a damaged packet of ours")


def main():
    number = failed = 0
    for enc in ENC:
        for auth in AUTH:
            if "gcm" in enc and auth != "null":
                continue
            pair = Pair(enc, auth)
            tests = [(we_seal, "scapy opens ours"), (we_open, "we open scapy's")]
            if "gcm" in enc or auth != "null":
                tests.append((damage, "damage is refused"))
            for func, what in tests:
                for engine in ("ipsec-mb", "openssl"):
                    number += 1
                    name = f"{number} - {enc}/{auth}, {engine}: {what}"
                    try:
                        func(pair, engine)
                        print(f"ok {name}", flush=True)
                    except Exception as e:  # whatever it was, the other tests still say something
                        failed += 1
                        print(f"not ok {name}\n# {type(e).__name__}: {e}", flush=True)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
