#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Opens the ESP packets of a capture with scapy, an implementation that is not ours, and checks what is inside: an IPv4
packet with a right header checksum, every TTL 63 (forwarded once), sequence numbers without a repeat.

  openesp.py FILE --src A --dst B --spi N --enc ALG --auth ALG [--enc-key HEX] [--auth-key HEX] [--min N]
"""
import argparse
import logging
import sys

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import IP  # noqa: E402
from scapy.layers.ipsec import ESP, SecurityAssociation  # noqa: E402
from scapy.utils import PcapReader  # noqa: E402

ENC = {"null": "NULL", "aes-128": "AES-CBC", "aes-192": "AES-CBC", "aes-256": "AES-CBC",
       "aes-128-gcm": "AES-GCM", "aes-192-gcm": "AES-GCM", "aes-256-gcm": "AES-GCM"}
AUTH = {"null": "NULL", "md5": "HMAC-MD5-96", "sha1": "HMAC-SHA1-96"}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("file")
    for name in ("src", "dst", "enc", "auth"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--spi", type=lambda s: int(s, 0), required=True)
    p.add_argument("--enc-key", default="")
    p.add_argument("--auth-key", default="")
    p.add_argument("--min", type=int, default=1)
    a = p.parse_args()
    sa = SecurityAssociation(ESP, spi=a.spi, crypt_algo=ENC[a.enc], crypt_key=bytes.fromhex(a.enc_key) or None,
                             auth_algo=AUTH[a.auth], auth_key=bytes.fromhex(a.auth_key) or None,
                             tunnel_header=IP(src=a.src, dst=a.dst))
    seen = set()
    for frame in PcapReader(a.file):
        if not frame.haslayer(IP) or frame[IP].src != a.src or frame[IP].dst != a.dst or frame[IP].proto != 50:
            continue
        outer = IP(bytes(frame[IP]))
        seq = int.from_bytes(bytes(outer.payload)[4:8], "big")  # first: decrypt() takes the payload away
        inner = sa.decrypt(outer)
        whole = IP(bytes(inner))
        fresh = whole.copy()
        del fresh.chksum
        if IP(bytes(fresh)).chksum != whole.chksum:
            sys.exit(f"inner header checksum {whole.chksum:#x} is wrong")
        if whole.ttl != 63:
            sys.exit(f"inner TTL {whole.ttl}, wanted 63")
        if seq in seen or seq == 0:
            sys.exit(f"sequence number {seq} twice")
        seen.add(seq)
    if len(seen) < a.min:
        sys.exit(f"{len(seen)} packets, wanted {a.min}")


main()
