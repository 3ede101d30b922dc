#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Certificates of all kinds that make no sense, and an IKEv1 initiator (main mode, RSA signatures, aes-128, sha1, modp1024) that presents them.

  certpeer.py make FOLDER              ca.pem, ca.key and me.pem, me.key (of the responder), and the keys of the peers: once
  certpeer.py list                     names of the cases
  certpeer.py run FOLDER FROM TO CASE [TIMES]
                                       one phase 1, or so many; prints "established", "refused" (a notify came) or "silent" for each
What each case is stands in CASES. The certificates are put together here byte by byte: no library makes them like that.
"""
import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import subprocess
import sys
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

# --- DER ---


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    size = bytes([n]) if n < 128 else bytes([0x80 | (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + size + body


def seq(*parts):
    return tlv(0x30, *parts)


def integer(n):
    return tlv(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = bytes([first * 40 + second])
    for n in rest:
        part = [n & 0x7F]
        while n := n >> 7:
            part.insert(0, 0x80 | n & 0x7F)
        out += bytes(part)
    return tlv(6, out)


NULL = b"\x05\x00"
ALGORITHM = {"sha256": ("1.2.840.113549.1.1.11", hashlib.sha256, "2.16.840.1.101.3.4.2.1"),
             "sha1": ("1.2.840.113549.1.1.5", hashlib.sha1, "1.3.14.3.2.26"),
             "md5": ("1.2.840.113549.1.1.4", hashlib.md5, "1.2.840.113549.2.5")}


def algorithm(md):
    return seq(oid(ALGORITHM[md][0]), NULL)


def name(cn, tag=12):  # UTF8String
    return seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(tag, cn))))


def when(offset):
    return tlv(24, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + offset * 86400)).encode())


# --- RSA ---


class Key:
    def __init__(self, n, e, d=None):
        self.n, self.e, self.d = n, e, d

    def raw(self, text):
        """PKCS#1 type 1 padding over the text itself; a public key alone signs with nonsense."""
        k = (self.n.bit_length() + 7) // 8
        block = int.from_bytes(b"\0\1" + b"\xff" * (k - len(text) - 3) + b"\0" + text, "big")
        return (pow(block, self.d, self.n) if self.d else block % self.n).to_bytes(k, "big")

    def sign(self, md, text):
        info = seq(seq(oid(ALGORITHM[md][2]), NULL), tlv(4, ALGORITHM[md][1](text).digest()))
        return self.raw(info)

    def spki(self):
        return seq(seq(oid("1.2.840.113549.1.1.1"), NULL), tlv(3, b"\0", seq(integer(self.n), integer(self.e))))


def new_key(bits):
    if bits >= 1024:
        k = rsa.generate_private_key(65537, bits).private_numbers()
        return Key(k.public_numbers.n, k.public_numbers.e, k.d)
    text = subprocess.run(["openssl", "genrsa", str(bits)], check=True, capture_output=True).stdout
    text = subprocess.run(["openssl", "rsa", "-text", "-noout"], input=text, check=True, capture_output=True).stdout.decode()
    part = {}
    for line in text.splitlines():
        if not line.startswith(" "):
            at = line.split(":")[0]
            part[at] = ""
        else:
            part[at] += line.strip().replace(":", "")
    return Key(int(part["modulus"], 16), 65537, int(part["privateExponent"], 16))


# --- certificates ---


def extension(number, value, critical=False):
    return seq(oid(number), b"\x01\x01\xff" if critical else b"", tlv(4, value))


def basic(ca):
    return extension("2.5.29.19", seq(b"\x01\x01\xff" if ca else b""), True)


def cert(subject, spki, issuer, key, md="sha256", outer=None, since=-1, until=100, extensions=(), serial=5):
    """subject, issuer: DER names; key signs."""
    tbs = seq(tlv(0xA0, integer(2)), integer(serial), algorithm(md), issuer, seq(when(since), when(until)), subject, spki,
              tlv(0xA3, seq(*extensions)) if extensions else b"")
    return seq(tbs, algorithm(outer or md), tlv(3, b"\0", key.sign(outer or md, tbs)))


def crl(issuer, key, revoked):
    tbs = seq(integer(1), algorithm("sha256"), issuer, when(-1), when(100), seq(*(seq(integer(s), when(-1)) for s in revoked)))
    return seq(tbs, algorithm("sha256"), tlv(3, b"\0", key.sign("sha256", tbs)))


def pkcs7(*certs):
    return seq(oid("1.2.840.113549.1.7.2"),
               tlv(0xA0, seq(integer(1), tlv(0x31), seq(oid("1.2.840.113549.1.7.1")), tlv(0xA0, *certs), tlv(0x31))))


def pem(kind, der):
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"


class Make:
    """What the cases are made of."""

    def __init__(self, folder):
        with open(os.path.join(folder, "keys"), encoding="ascii") as f:
            self.keys = {k: Key(*v) for k, v in json.load(f).items()}
        self.ca, self.peer, self.other = self.keys["ca"], self.keys["peer"], self.keys["other"]
        self.issuer, self.me = name(b"ca"), name(b"peer")

    def leaf(self, subject=None, spki=None, **more):
        more = {"issuer": self.issuer, "key": self.ca, **more}
        return cert(subject or self.me, spki or self.peer.spki(), **more)

    def mid(self, ca=True, **more):
        more = {"issuer": self.issuer, "key": self.ca, **more}
        return cert(name(b"mid"), self.other.spki(), extensions=[basic(ca)], **more)

    def filled(self, size):
        """A good one of that many bytes, by an extension that nobody knows."""
        spare = size - len(self.leaf(extensions=[extension("1.2.3.4", bytes(40000))])) + 40000
        return self.leaf(extensions=[extension("1.2.3.4", bytes(spare))])


X509, CRL, PKCS7 = 4, 7, 1
MANY_BITS = (1 << 16383) + (0x1234567 << 9000) + 0x8001  # nobody has the factors
T61, BMP = 20, 30  # kinds of strings
EVIL = b"a\0b\nxdp-iked: all is well\r\x1b[31m\x07\x9b\xff\xe2\x80\xae"


def x509(*certs):
    return [(X509, c) for c in certs]


def loop(m):
    a = cert(name(b"a"), m.other.spki(), name(b"b"), m.ca, extensions=[basic(True)])
    b = cert(name(b"b"), m.ca.spki(), name(b"a"), m.other, extensions=[basic(True)])
    return x509(m.leaf(issuer=name(b"a"), key=m.other), a, b)


def explicit_curve():
    key = subprocess.run(["openssl", "ecparam", "-genkey", "-name", "sect571r1", "-param_enc", "explicit"], check=True, capture_output=True)
    return subprocess.run(["openssl", "ec", "-pubout", "-outform", "DER"], input=key.stdout, check=True, capture_output=True).stdout


def plain_curve():
    key = subprocess.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1"], check=True, capture_output=True)
    return subprocess.run(["openssl", "ec", "-pubout", "-outform", "DER"], input=key.stdout, check=True, capture_output=True).stdout


# name: (payloads, the identity if it is not "peer", the key that signs if it is not peer's)
CASES = {
    "good": lambda m: (x509(m.leaf()),),
    "large": lambda m: (x509(m.filled(16384)),),
    "too large": lambda m: (x509(m.filled(16385)),),
    "huge": lambda m: (x509(m.filled(60000)),),
    "modulus of 16384 bits": lambda m: (x509(m.leaf(spki=Key(MANY_BITS, 65537).spki())), None, Key(MANY_BITS, 65537)),
    "exponent as long as the modulus": lambda m: (x509(m.leaf(spki=Key(m.peer.n, m.peer.n - 2).spki())),),
    "exponent 1": lambda m: (x509(m.leaf(spki=Key(m.peer.n, 1).spki())), None, Key(m.peer.n, 1, 1)),
    "even exponent": lambda m: (x509(m.leaf(spki=Key(m.peer.n, 2).spki())),),
    "even modulus": lambda m: (x509(m.leaf(spki=Key(m.peer.n - 1, 3).spki())),),
    "modulus 0": lambda m: (x509(m.leaf(spki=Key(0, 3).spki())),),
    "512 bits": lambda m: (x509(m.leaf(spki=m.keys["short"].spki())), None, m.keys["short"]),
    "signed with MD5": lambda m: (x509(m.leaf(md="md5")),),
    "two algorithms": lambda m: (x509(m.leaf(md="sha256", outer="sha1")),),
    "expired": lambda m: (x509(m.leaf(since=-20, until=-1)),),
    "not yet valid": lambda m: (x509(m.leaf(since=1)),),
    "no dates": lambda m: (x509(m.leaf().replace(when(-1)[2:10], b"99999999")),),
    "another CA of that name": lambda m: (x509(m.leaf(key=m.other)),),
    "another CA of that name comes along": lambda m: (
        x509(m.leaf(key=m.other), cert(m.issuer, m.other.spki(), m.issuer, m.other, extensions=[basic(True)])),),
    "issued by no CA": lambda m: (x509(m.leaf(issuer=name(b"mid"), key=m.other), m.mid(ca=False)),),
    "issued by a CA in between": lambda m: (x509(m.leaf(issuer=name(b"mid"), key=m.other), m.mid()),),
    "CA in between with a modulus of 16384 bits": lambda m: (
        x509(m.leaf(issuer=name(b"mid"), key=Key(MANY_BITS, 65537)),
             cert(name(b"mid"), Key(MANY_BITS, 65537).spki(), m.issuer, m.ca, extensions=[basic(True)])),),
    "issued by itself": lambda m: (x509(m.leaf(issuer=m.me, key=m.peer)),),
    "circle": lambda m: (loop(m),),
    "long name": lambda m: (x509(m.leaf(subject=name(b"n" * 1500))), name(b"n" * 1500)),
    "name that is too long": lambda m: (x509(m.leaf(subject=name(b"n" * 3000))), name(b"n" * 3000)),
    "control characters": lambda m: (x509(m.leaf(subject=name(EVIL, T61), since=-9, until=-1)), name(EVIL, T61)),
    "control characters, two bytes each": lambda m: (x509(m.leaf(subject=name(b"\0\n" * 9, BMP), since=-9, until=-1)), name(b"\0\n" * 9, BMP)),
    "control characters where they cannot be": lambda m: (x509(m.leaf(subject=name(EVIL))), name(EVIL)),
    "control characters, believed": lambda m: (x509(m.leaf(subject=name(EVIL, T61))), name(EVIL, T61)),
    "name of another": lambda m: (x509(m.leaf(subject=name(b"somebody"))),),
    "NUL in the name": lambda m: (x509(m.leaf(subject=name(b"peer\0.example.org"))),),
    "identity that is no name": lambda m: (x509(m.leaf()), b"\xff" * 40),
    "empty identity": lambda m: (x509(m.leaf()), b""),
    "20, its own first": lambda m: (x509(m.leaf(), *[m.leaf(subject=name(b"n%d" % i)) for i in range(19)]),),
    "20, its own last": lambda m: (x509(*[m.leaf(subject=name(b"n%d" % i)) for i in range(19)], m.leaf()),),
    "PKCS#7": lambda m: ([(PKCS7, pkcs7(m.leaf(subject=name(b"n")), m.leaf()))],),
    "PKCS#7 of nothing": lambda m: ([(PKCS7, pkcs7())],),
    "PKCS#7 of 30": lambda m: ([(PKCS7, pkcs7(*[m.leaf(subject=name(b"n%d" % i)) for i in range(30)]))],),
    "PKCS#7 that is none": lambda m: ([(PKCS7, os.urandom(500))],),
    "revoked by what comes along": lambda m: (x509(m.leaf()) + [(CRL, crl(m.issuer, m.ca, [5]))],),
    "revoked by another of that name": lambda m: (x509(m.leaf()) + [(CRL, crl(m.issuer, m.other, [5]))],),
    "CRL that is none": lambda m: (x509(m.leaf()) + [(CRL, os.urandom(500))] * 5,),
    "none": lambda m: ([],),
    "empty": lambda m: ([(X509, b"")],),
    "random bytes": lambda m: ([(X509, b"\x30\x82\x02\x00" + os.urandom(512))],),
    "cut off": lambda m: (x509(m.leaf()[:-9]),),
    "bytes behind it": lambda m: (x509(m.leaf() + b"\0"),),
    "encoding of nobody": lambda m: ([(200, m.leaf())],),
    "elliptic curve": lambda m: (x509(m.leaf(spki=plain_curve())),),
    "elliptic curve of its own": lambda m: (x509(m.leaf(spki=explicit_curve())),),
    "signature of another key": lambda m: (x509(m.leaf()), None, m.other),
}


def make(folder):
    keys = {"ca": new_key(2048), "peer": new_key(1024), "other": new_key(1024), "short": new_key(512)}
    with open(os.path.join(folder, "keys"), "w", encoding="ascii") as f:
        json.dump({k: (v.n, v.e, v.d) for k, v in keys.items()}, f)
    ca = keys["ca"]
    for which, subject, key, ext in (("ca", name(b"ca"), ca, [basic(True)]), ("me", name(b"me"), None, [])):
        if key is None:
            private = rsa.generate_private_key(65537, 1024)
            key = Key(private.public_key().public_numbers().n, 65537)
            with open(os.path.join(folder, "me.key"), "wb") as f:
                f.write(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        with open(os.path.join(folder, which + ".pem"), "w", encoding="ascii") as f:
            f.write(pem("CERTIFICATE", cert(subject, key.spki(), name(b"ca"), ca, extensions=ext, serial=3)))


# --- main mode (RFC 2409 section 5.1) ---

SA, ID, CERT, SIG, KE, NONCE = 1, 5, 6, 9, 4, 10
PRIME = int("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
            "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
            "49286651ECE65381FFFFFFFFFFFFFFFF", 16)
TERMS = b"".join(struct.pack(">HH", 0x8000 | k, v) for k, v in ((1, 7), (14, 128), (2, 2), (3, 3), (4, 2), (11, 1), (12, 28800)))
TRANSFORM = struct.pack(">BBHBBH", 0, 0, 8 + len(TERMS), 1, 1, 0) + TERMS
SA_BODY = struct.pack(">II", 1, 1) + struct.pack(">BBHBBBB", 0, 0, 8 + len(TRANSFORM), 1, 1, 0, 1) + TRANSFORM


def chain(*payloads):
    out = b""
    for i, (_, body) in enumerate(payloads):
        follows = payloads[i + 1][0] if i + 1 < len(payloads) else 0
        out += struct.pack(">BBH", follows, 0, 4 + len(body)) + body
    return payloads[0][0], out


def payloads_of(first, text):
    found = {}
    while first and len(text) >= 4:
        follows, _, size = struct.unpack(">BBH", text[:4])
        found.setdefault(first, text[4:size])
        first, text = follows, text[size:]
    return found


class Phase1:
    def __init__(self, source, to):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((source, 500))
        self.sock.connect((to, 500))
        self.mine, self.theirs = os.urandom(8), bytes(8)

    def say(self, first, body, encrypted=0):
        self.sock.send(self.mine + self.theirs + struct.pack(">BBBBII", first, 0x10, 2, encrypted, 0, 28 + len(body)) + body)

    def hear(self, exchange=2, wait=5):
        """The next message: of main mode (2), or whatever else comes first."""
        self.sock.settimeout(wait)
        text = b""
        while text[:8] != self.mine:  # what is about earlier ones
            text = self.sock.recv(65535)
        self.theirs = text[8:16] if text[18] == exchange else self.theirs
        return text[18], text[16], text[28:]

    def run(self, certs, identity, key):
        def prf(k, *parts):
            return hmac.new(k, b"".join(parts), hashlib.sha1).digest()
        self.say(*chain((SA, SA_BODY)))
        self.hear()
        x, ni = int.from_bytes(os.urandom(32), "big"), os.urandom(16)
        gxi = pow(2, x, PRIME).to_bytes(128, "big")
        self.say(*chain((KE, gxi), (NONCE, ni)))
        _, first, text = self.hear()
        got = payloads_of(first, text)
        gxy = pow(int.from_bytes(got[KE], "big"), x, PRIME).to_bytes(128, "big")
        cookies = self.mine + self.theirs
        skeyid = prf(ni + got[NONCE], gxy)
        d = prf(skeyid, gxy, cookies, b"\0")
        a = prf(skeyid, d, gxy, cookies, b"\1")
        e = prf(skeyid, a, gxy, cookies, b"\2")
        iv = hashlib.sha1(gxi + got[KE]).digest()[:16]
        idii = struct.pack(">BBH", 9, 0, 0) + identity
        proof = key.raw(prf(skeyid, gxi, got[KE], cookies, SA_BODY, idii))
        first, text = chain((ID, idii), *((CERT, bytes([c]) + der) for c, der in certs), (SIG, proof))
        text += bytes(-len(text) % 16)
        box = Cipher(algorithms.AES(e[:16]), modes.CBC(iv)).encryptor()
        self.say(first, box.update(text) + box.finalize(), 1)
        return "established" if self.hear(wait=3)[0] == 2 else "refused"


def run(folder, source, to, case, times="1"):
    m = Make(folder)
    certs, *rest = CASES[case](m)
    identity = rest[0] if rest and rest[0] is not None else m.me
    key = rest[1] if len(rest) > 1 else m.peer
    for _ in range(int(times)):
        phase1 = Phase1(source, to)
        try:
            print(phase1.run(certs, identity, key))
        except TimeoutError:
            print("silent")
        phase1.sock.close()


def main():
    if sys.argv[1] == "make":
        make(sys.argv[2])
    elif sys.argv[1] == "list":
        print("\n".join(CASES))
    else:
        run(*sys.argv[2:])


if __name__ == "__main__":
    main()
