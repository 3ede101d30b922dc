#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sends an ICMP error (host unreachable) inside ESP, made by scapy, as a gateway on the far side would.

  quoted.py --dev DEV --dst-mac MAC --outer-src A --outer-dst B --to HOST --quote SRC,DST --seq N --enc-key HEX --auth-key HEX --spi N
"""
import argparse
import logging

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, UDP  # noqa: E402
from scapy.layers.ipsec import ESP, SecurityAssociation  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.sendrecv import sendp  # noqa: E402


def main():
    p = argparse.ArgumentParser()
    for name in ("dev", "dst-mac", "outer-src", "outer-dst", "to", "quote", "enc-key", "auth-key"):
        p.add_argument("--" + name, required=True)
    for name in ("spi", "seq"):
        p.add_argument("--" + name, type=lambda s: int(s, 0), required=True)
    a = p.parse_args()
    src, dst = a.quote.split(",")
    sa = SecurityAssociation(ESP, spi=a.spi, seq_num=a.seq, crypt_algo="AES-CBC", crypt_key=bytes.fromhex(a.enc_key),
                             auth_algo="HMAC-SHA1-96", auth_key=bytes.fromhex(a.auth_key),
                             tunnel_header=IP(src=a.outer_src, dst=a.outer_dst))
    error = IP(src=a.outer_src, dst=a.to) / ICMP(type=3, code=1) / IP(src=src, dst=dst) / UDP(sport=9, dport=10) / b"quoted"
    sendp(Ether(dst=a.dst_mac) / sa.encrypt(IP(bytes(error))), iface=a.dev, verbose=False)


main()
