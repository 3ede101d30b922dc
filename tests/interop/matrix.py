#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The combinations that a gateway of ours and a Linux kernel must both understand, as configurations of either.

  matrix.py make FOLDER [--only REGEX]... [--enc A,B,...] [--auth A,B,...] [--sequence N]
      FOLDER/gateway.rsc for `xdp-ipsec import`, FOLDER/guest.batch for `ip -batch`, FOLDER/{lan,own}{4,6}.json for echo.py,
      FOLDER/combinations.json for judge. --only: regular expressions that the names match; --enc, --auth: only what the gateway has.
      --sequence: the guest's last sent and highest received number.
  matrix.py judge FOLDER
      reads also FOLDER/result-SWEEP.json of each sweep, FOLDER/states (the guest's `ip -s xfrm state`), FOLDER/sas.json and sas-before.json (the
      gateway's `installed-sa print detail`, before the sweeps: the guest's states are new); prints lines "ok TEXT", "not ok TEXT",
      "note TEXT", "retried N", "echoed N".
  matrix.py missing
      reads `algorithms print` (JSON); prints what is in no combination.

Every combination has SPIs and keys of its own, and in the guest an address of its own, by which policies on both sides find it: behind
the guest in tunnel mode (answered to a host of the gateway's LAN), the end of the SA in transport mode (answered to the gateway).
"""
import argparse
import hashlib
import ipaddress
import json
import os
import re
import sys
from collections import namedtuple

# The gateway's and the guest's ends, the gateway's LAN, the guest's networks: tests/interop/lib.sh.
GATEWAY = {4: "198.51.100.1", 6: "2001:db8:100::1"}
GUEST = {4: "198.51.100.2", 6: "2001:db8:100::2"}
LAN_HOST = {4: "10.1.202.10", 6: "2001:db8:1::10"}
FAR = {4: "10.2.0.0", 6: "2001:db8:2::"}
OWN = {4: "10.9.0.0", 6: "2001:db8:9::"}
MTU = 1500
IP_HEADER = {4: 20, 6: 40}

# ip-xfrm's words (kind, name), key bytes, and the sizes of RFCs 3602, 3686, 4106, 4309, 4543, 7634, 4303.
Cipher = namedtuple("Cipher", "kind name key iv block icv")
CIPHERS = {
    "null": Cipher("enc", "ecb(cipher_null)", 0, 0, 4, 0),
    "des": Cipher("enc", "cbc(des)", 8, 8, 8, 0),
    "3des": Cipher("enc", "cbc(des3_ede)", 24, 8, 8, 0),
    "blowfish": Cipher("enc", "cbc(blowfish)", 16, 8, 8, 0),
    "twofish": Cipher("enc", "cbc(twofish)", 16, 16, 16, 0),
    "chacha20-poly1305": Cipher("aead", "rfc7539esp(chacha20,poly1305)", 36, 8, 4, 16),
}
for bits in (128, 192, 256):
    n = bits // 8
    CIPHERS |= {
        f"aes-{bits}": Cipher("enc", "cbc(aes)", n, 16, 16, 0),
        f"camellia-{bits}": Cipher("enc", "cbc(camellia)", n, 16, 16, 0),
        f"aes-{bits}-ctr": Cipher("enc", "rfc3686(ctr(aes))", n + 4, 8, 4, 0),
        f"aes-{bits}-gmac": Cipher("aead", "rfc4543(gcm(aes))", n + 4, 8, 4, 16),
    }
    for icv in (8, 12, 16):
        tail = "" if icv == 16 else f"-{icv}"
        CIPHERS |= {
            f"aes-{bits}-gcm{tail}": Cipher("aead", "rfc4106(gcm(aes))", n + 4, 8, 4, icv),
            f"aes-{bits}-ccm{tail}": Cipher("aead", "rfc4309(ccm(aes))", n + 3, 8, 4, icv),
        }
# Keys of other lengths that the gateway takes under one name.
CIPHERS |= {f"{name}:{n}": CIPHERS[name]._replace(key=n) for name, n in
            (("blowfish", 5), ("blowfish", 56), ("twofish", 24), ("twofish", 32))}
# RFCs 2403, 2404, 4868, 3566, 4494.
Auth = namedtuple("Auth", "name key icv")
AUTHS = {
    "null": Auth("digest_null", 0, 0),
    "md5": Auth("hmac(md5)", 16, 12),
    "sha1": Auth("hmac(sha1)", 20, 12),
    "sha256": Auth("hmac(sha256)", 32, 16),
    "sha384": Auth("hmac(sha384)", 48, 24),
    "sha512": Auth("hmac(sha512)", 64, 32),
    "aes-xcbc": Auth("xcbc(aes)", 16, 12),
    "aes-cmac": Auth("cmac(aes)", 16, 12),
}


class Combination:
    """proto: esp, ah or ah,esp. options: esn, udp, align8 (AH padded as Linux does by itself)."""

    def __init__(self, proto, mode, inner, outer, enc="null", auth="null", ah="null", options=()):
        self.proto, self.mode, self.inner, self.outer = proto, mode, inner, outer
        self.enc, self.auth, self.ah, self.options = enc, auth, ah, options

    @property
    def group(self):
        pair = f"IPv{self.inner} in IPv{self.outer}" if self.mode == "tunnel" else f"IPv{self.outer}"
        return " ".join([self.proto, self.mode, pair, *self.options])

    @property
    def name(self):
        what = [f"{self.enc}/{self.auth}"] if "esp" in self.proto else []
        return self.group + " " + " ".join(what + ([f"ah {self.ah}"] if "ah" in self.proto else []))

    def number(self, i):
        self.esp_spi = (0x1000000 + i, 0x2000000 + i)  # what the gateway receives, sends with
        self.ah_spi = (0x3000000 + i, 0x4000000 + i)
        self.reqid = i + 1
        base = FAR[self.inner] if self.mode == "tunnel" else OWN[self.outer]
        self.address = str(ipaddress.ip_address(base) + 256 + i)

    def key(self, what, length, outbound):
        return hashlib.shake_128(f"{self.name} {what} {outbound}".encode()).hexdigest(length)

    @property
    def ends(self):
        return GATEWAY[self.outer], self.address if self.mode == "transport" else GUEST[self.outer]

    @property
    def selectors(self):
        return (GATEWAY[self.outer] if self.mode == "transport" else LAN_HOST[self.inner]), self.address

    # --- sizes ---

    def wire_bytes(self, payload):
        """IP packet that carries a UDP payload, as RFC 4303 and RFC 4302 have it; written down apart from what is tested."""
        udp = payload + 8
        inner = udp + (IP_HEADER[self.inner] if self.mode == "tunnel" else 0)
        size = inner
        if "esp" in self.proto:
            c = CIPHERS[self.enc]
            size = 8 + c.iv + -(-(inner + 2) // c.block) * c.block + c.icv + AUTHS[self.auth].icv
        if "ah" in self.proto:
            to = 8 if self.outer == 6 or "align8" in self.options else 4
            size += -(-(12 + AUTHS[self.ah].icv) // to) * to
        return size + (8 if "udp" in self.options else 0) + IP_HEADER[self.outer]

    def sizes(self):
        most = max(p for p in range(1200, MTU) if self.wire_bytes(p) <= MTU)
        # Every residue of every block, around the largest that needs no fragments, around the largest unprotected one, of many fragments.
        plain = MTU - 8 - IP_HEADER[self.inner]
        all_of = {*range(18), 63, 64, 65, 1000, *range(most - 2, most + 3), plain - 1, plain, plain + 1, 2 * plain, 8000}
        # Linux drops ESP in UDP over IPv6 when the datagram is shorter than 48 bytes: xfrm6_udp_encap_rcv() counts a header that is not there.
        least = 88 if "udp" in self.options and self.outer == 6 else 0
        return sorted(p for p in all_of if self.wire_bytes(p) >= least)

    # --- the gateway's words ---

    def gateway_lines(self):
        sa = [f"name=m{self.reqid}", "replay=" + ("8192" if "esn" in self.options else "128")]
        if "esp" in self.proto:
            sa += [f"esp-enc-algorithm={self.enc.split(':')[0]}", f"esp-auth-algorithm={self.auth}",
                   f"esp-spi=0x{self.esp_spi[0]:x}/0x{self.esp_spi[1]:x}"]
            for word, what, n in (("esp-enc-key", "enc", CIPHERS[self.enc].key), ("esp-auth-key", "auth", AUTHS[self.auth].key)):
                if n:
                    sa.append(f"{word}={self.key(what, n, False)}/{self.key(what, n, True)}")
            if CIPHERS[self.enc].kind == "aead" or self.enc.endswith("-ctr"):
                sa.append("unsafe-aead=yes")
        if "ah" in self.proto:
            n = AUTHS[self.ah].key
            sa += [f"ah-algorithm={self.ah}", f"ah-key={self.key('ah', n, False)}/{self.key('ah', n, True)}",
                   f"ah-spi=0x{self.ah_spi[0]:x}/0x{self.ah_spi[1]:x}"]
        words = {"esn": "esn=yes", "udp": "nat-traversal=yes", "align8": "ah-align8=yes"}
        sa += [words[o] for o in self.options]
        src, dst = self.selectors
        local, remote = self.ends
        policy = [f"src-address={src}", f"dst-address={dst}", "tunnel=" + ("yes" if self.mode == "tunnel" else "no"),
                  f"ipsec-protocols={self.proto}", f"sa-src-address={local}", f"sa-dst-address={remote}", "action=encrypt",
                  f"manual-sa=m{self.reqid}"]
        return "add " + " ".join(sa), "add " + " ".join(policy)

    # --- the guest's words ---

    def guest_lines(self, sequence):
        local, remote = self.ends
        both = "esp" in self.proto and "ah" in self.proto
        transforms = []  # in the order of their application
        if "esp" in self.proto:
            transforms.append(("esp", self.mode, self.esp_spi))
        if "ah" in self.proto:
            transforms.append(("ah", "transport" if both else self.mode, self.ah_spi))
        for outbound, (src, dst) in ((True, (local, remote)), (False, (remote, local))):  # as the gateway sees it
            for proto, mode, spi in transforms:
                yield (f"xfrm state add src {src} dst {dst} proto {proto} spi 0x{spi[outbound]:x} reqid {self.reqid} mode {mode} "
                       f"replay-window {'4096' if 'esn' in self.options else '32'} {sequence} {self.guest_algorithms(proto, outbound)}")
            template = " ".join(f"tmpl src {src} dst {dst} proto {proto} reqid {self.reqid} mode {mode}"
                                for proto, mode, _ in transforms)
            a, b = self.selectors if outbound else self.selectors[::-1]
            yield f"xfrm policy add src {a} dst {b} dir {'in' if outbound else 'out'} priority 2 {template}"

    def guest_algorithms(self, proto, outbound):
        flags = (["esn"] if "esn" in self.options else []) + (["align4"] if proto == "ah" and "align8" not in self.options else [])
        flags += ["af-unspec"] if self.mode == "tunnel" and self.inner != self.outer else []
        words = ["flag " + " flag ".join(flags)] if flags else []
        if proto == "ah":
            a = AUTHS[self.ah]
            return " ".join(words + [f"auth-trunc {a.name} 0x{self.key('ah', a.key, outbound)} {a.icv * 8}"])
        if "udp" in self.options:
            words.append("encap espinudp 4500 4500 " + ("0.0.0.0" if self.outer == 4 else "::"))
        c, a = CIPHERS[self.enc], AUTHS[self.auth]
        key = f"0x{self.key('enc', c.key, outbound)}" if c.key else '""'
        words.append(f"{c.kind} {c.name} {key}" + (f" {c.icv * 8}" if c.kind == "aead" else ""))
        if c.kind == "enc" and a.key:
            words.append(f"auth-trunc {a.name} 0x{self.key('auth', a.key, outbound)} {a.icv * 8}")
        return " ".join(words)


FAMILIES = [("tunnel", 4, 4), ("tunnel", 6, 6), ("tunnel", 4, 6), ("tunnel", 6, 4), ("transport", 4, 4), ("transport", 6, 6)]


def sound(enc, auth):
    """AEAD goes alone; RFC 4303 §3.2: not both null; RFC 3686 §1: CTR never without authentication."""
    if CIPHERS[enc].kind == "aead":
        return auth == "null"
    if ":" in enc:
        return auth == "sha1"
    return auth != "null" or not (enc == "null" or enc.endswith("-ctr"))


def combinations():
    esp = [(e, a) for e in CIPHERS for a in AUTHS if sound(e, a)]
    ahs = [a for a in AUTHS if a != "null"]
    # With AH around it: every authentication over one cipher, every cipher under one authentication.
    bundle = [("aes-128", "sha1", a) for a in ahs] + [(e, "null" if c.kind == "aead" else "sha256", "sha256") for e, c in CIPHERS.items()]
    for family in FAMILIES:
        yield from (Combination("esp", *family, enc=e, auth=a) for e, a in esp)
        yield from (Combination("ah", *family, ah=a) for a in ahs)
        yield from (Combination("ah,esp", *family, enc=e, auth=a, ah=h) for e, a, h in bundle)
    # 64-bit sequence numbers (RFC 4303 §2.2.1, RFC 4302 §2.5.1) come into every computation of an ICV.
    for family in (FAMILIES[0], FAMILIES[5]):
        yield from (Combination("esp", *family, enc=e, auth=a, options=("esn",)) for e, a in esp if a != "null" or
                    CIPHERS[e].kind == "aead")
        yield from (Combination("ah", *family, ah=a, options=("esn",)) for a in ahs)
        yield from (Combination("ah,esp", *family, enc=e, auth=a, ah=h, options=("esn",)) for e, a, h in
                    [*bundle[:len(ahs)], ("aes-128-gcm", "null", "sha512")])
    # RFC 3948 changes nothing inside.
    for family in (FAMILIES[0], FAMILIES[3], FAMILIES[4]):
        yield from (Combination("esp", *family, enc=e, auth="null" if c.kind == "aead" else "sha1", options=("udp",))
                    for e, c in CIPHERS.items())
        yield Combination("esp", *family, enc="aes-128-gcm", options=("esn", "udp"))
    # Over IPv6 its checksum is not zero (RFC 8200 §8.1).
    for family in (FAMILIES[1], FAMILIES[2], FAMILIES[5]):
        for e in ("null", "3des", "aes-128", "aes-256-ctr", "aes-128-gcm", "aes-128-ccm-8", "chacha20-poly1305"):
            yield Combination("esp", *family, enc=e, auth="null" if CIPHERS[e].kind == "aead" else "sha1", options=("udp",))
        yield Combination("esp", *family, enc="aes-128", auth="sha256", options=("esn", "udp"))
    for family in (FAMILIES[0], FAMILIES[4]):
        yield from (Combination("ah", *family, ah=a, options=("align8",)) for a in ahs)
        yield from (Combination("ah,esp", *family, enc="aes-128", auth="sha1", ah=a, options=("align8",)) for a in ahs)


def guest_sequence(n):
    if not n:
        return ""
    low, high = f"0x{n & 0xffffffff:x}", f"0x{n >> 32:x}"
    return f"replay-seq {low} replay-oseq {low} replay-seq-hi {high} replay-oseq-hi {high}"


def sweeps(c):
    return f"{'lan' if c.mode == 'tunnel' else 'own'}{c.inner}"


def make(a):
    known = [c for c in combinations() if all(re.search(w, c.name) for w in a.only) and (not a.enc or c.enc in a.enc.split(",")) and
             (not a.auth or (c.auth in a.auth.split(",") and c.ah in a.auth.split(",")))]
    jobs = {f"{net}{family}": [] for net in ("lan", "own") for family in (4, 6)}
    gateway = {"manual-sa": [], "policy": []}
    # In transport mode the policy's addresses are those of ESP in UDP, too, which Linux judges before it takes ESP out of it.
    guest = [f"xfrm policy add src {net} dst {net} proto udp sport 4500 dport 4500 dir in priority 1" for net in ("0.0.0.0/0", "::/0")]
    for i, c in enumerate(known):
        c.number(i)
        sa, policy = c.gateway_lines()
        gateway["manual-sa"].append(sa)
        gateway["policy"].append(policy)
        guest += c.guest_lines(guest_sequence(a.sequence))
        jobs[sweeps(c)].append({"name": c.name, "to": c.address, "sizes": c.sizes()})

    def write(name, text):
        with open(os.path.join(a.folder, name), "w", encoding="ascii") as f:
            f.write(text)

    write("gateway.rsc", "".join(f"/ip ipsec {menu}\n" + "".join(line + "\n" for line in lines) for menu, lines in gateway.items()))
    write("guest.batch", "".join(line + "\n" for line in guest))
    for name, list_of in jobs.items():
        write(name + ".json", json.dumps(list_of))
    write("combinations.json", json.dumps([{"name": c.name, "group": c.group, "sweep": sweeps(c), "echoes": len(c.sizes()), "spi":
          ([*c.esp_spi] if "esp" in c.proto else []) + ([*c.ah_spi] if "ah" in c.proto else [])} for c in known]))
    print(len(known))


def guest_counts(path):
    """SPI -> (packets, packets refused) of `ip -s xfrm state`."""
    counts, spi = {}, None
    with open(path, encoding="ascii") as f:
        for line in f:
            if found := re.search(r"\bspi 0x([0-9a-f]+)", line):
                spi = int(found[1], 16)
                counts[spi] = [0, 0]
            elif found := re.search(r"\d+\(bytes\), (\d+)\(packets\)", line):
                counts[spi][0] = int(found[1])
            elif found := re.search(r"replay-window (\d+) replay (\d+) failed (\d+)", line):
                counts[spi][1] = sum(int(n) for n in found.groups())
    return counts


def judge(a):
    def read(name):
        with open(os.path.join(a.folder, name), encoding="ascii") as f:
            return json.load(f)

    results = {}
    opened, opened_before = ({int(sa["spi"], 16): sa["current-packets"] for sa in read(name) if sa["direction"] == "in"}
                             for name in ("sas.json", "sas-before.json"))
    counts = guest_counts(os.path.join(a.folder, "states"))
    groups, wrong = {}, {}
    for c in read("combinations.json"):
        if c["sweep"] not in results:
            results[c["sweep"]] = read(f"result-{c['sweep']}.json")
        why = [f"{size} bytes: {what}" for size, what in results[c["sweep"]]["failed"].get(c["name"], {}).items()]
        for spi in c["spi"]:
            packets, refused = counts.get(spi, (0, 0))
            if packets < c["echoes"]:
                why.append(f"SA 0x{spi:x} of the guest carried {packets} packets, wanted {c['echoes']}")
            if spi in opened and (n := opened[spi] - opened_before[spi]) != packets:
                why.append(f"SA 0x{spi:x}: the guest sent {packets} packets, the gateway opened {n}")
            if refused:
                why.append(f"SA 0x{spi:x} of the guest refused {refused} packets")
        groups[c["group"]] = groups.get(c["group"], 0) + 1
        if why:
            wrong.setdefault(c["group"], []).append((c["name"], why))
    for group, n in groups.items():
        if group not in wrong:
            print(f"ok {group}: {n} combinations of algorithms")
        for name, why in wrong.get(group, []):
            print(f"not ok {name}")
            print("note " + "; ".join(why[:6]))
    for word in ("retried", "echoed"):
        print(word, sum(r[word] for r in results.values()))
    for name, r in results.items():
        print(f"note {name}: {r['echoed']} echoes, {r['retried']} retried {' '.join(sorted(set(r.get('errors', []))))}")


def missing(_):
    # Linux has no AEAD in AH: tests/oracle has AES-GMAC.
    covered = {("cipher", n.split(":")[0]) for n, c in CIPHERS.items() if c.kind == "enc"}
    covered |= {("aead", n) for n, c in CIPHERS.items() if c.kind == "aead"}
    covered |= {("auth", n) for n in AUTHS} | {("ah-auth", f"aes-{bits}-gmac") for bits in (128, 192, 256)}
    print(*(f"{a['kind']} {a['name']}" for a in json.load(sys.stdin) if (a["kind"], a["name"]) not in covered))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = p.add_subparsers(dest="command", required=True)
    for name, run in (("make", make), ("judge", judge), ("missing", missing)):
        c = commands.add_parser(name)
        c.set_defaults(run=run)
        if run is not missing:
            c.add_argument("folder")
        if run is make:
            c.add_argument("--only", action="append", default=[])
            c.add_argument("--enc")
            c.add_argument("--auth")
            c.add_argument("--sequence", type=lambda s: int(s, 0), default=0)
    a = p.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
