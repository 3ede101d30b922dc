#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The menus key and certificate (spec sections 5, 23.4): every format that is read, what is refused, files and their rights, references from
# peers. Keys and certificates are made by openssl.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh
ETC=/etc/xdp-ipsec/$INST

# digest FILE: of an RSA key's modulus, whatever its format is called
modulus() { openssl rsa "$@" -noout -modulus 2>/dev/null; }
bits_of() { xi key print terse | sed -n "s/.* name=$1 key-size=\\([^ ]*\\).*/\\1/p"; }

# --- generate-key ---
is "1024 bits: no word" "$(xi key generate-key priv key-size=1024)" ""
is "2048 bits, the default, name=" "$(xi key generate-key name=big)" "For key bigger than 1024bit this may take a while.."
is "its size" "$(bits_of big)" 2048-bit
fails "other sizes" 1 "input does not match any value of key-size" key generate-key x key-size=1536
fails "no name" 1 "missing value(s) of argument(s) name" key generate-key key-size=1024
fails "a name twice" 1 "failure: already have such name" key generate-key priv key-size=1024
fails "a name that is a path" 1 "invalid value for argument name" key generate-key ../x key-size=1024
fails "another word" 2 'expected end of command (line 1 column 20) - no "y" here' key generate-key x y
is "public exponent 65537" "$(openssl rsa -in "$ETC/private/key/priv.pem" -noout -text | sed -n 's/publicExponent: \([0-9]*\).*/\1/p')" 65537
xi key export-pub-key priv file-name="$T/priv.pub"
is "export-pub-key: SubjectPublicKeyInfo" "$(head -1 "$T/priv.pub")" "-----BEGIN PUBLIC KEY-----"
is "of that key" "$(modulus -pubin -in "$T/priv.pub")" "$(modulus -in "$ETC/private/key/priv.pem")"
fails "export-pub-key: unknown" 1 "input does not match any value of key" key export-pub-key nobody file-name="$T/x"
fails "export-pub-key: no file" 1 "missing value(s) of argument(s) file-name" key export-pub-key priv
# what a killed writer has left beside, a private key perhaps, goes with the next change
touch "$ETC/private/key/.big.new" "$ETC/public/key/.other.new"
xi key remove big
is "nothing is left beside" "$(find "$ETC" -name '.*.new')" ""
xi key import "$T/priv.pub" name=pub
is "spec 5: printout" "$(xi key print)" 'Flags: P - private-key, R - rsa 
 #    NAME                                                               KEY-SIZE
 0 PR priv                                                               1024-bit
 1  R pub                                                                1024-bit'
is "private folder" "$(stat -c %a "$ETC/private" "$ETC/private/key" "$ETC/private/key/priv.pem" | xargs)" "700 700 600"
is "public folder" "$(stat -c %a "$ETC/public" "$ETC/public/key" "$ETC/public/key/priv.pem" | xargs)" "755 755 644"
is "no private part in the public file" "$(grep -c PRIVATE "$ETC/public/key/priv.pem")" 0
hasnt "keys are not exported" "$(xi export)" "key"

# --- formats ---
openssl genrsa -traditional 1024 >"$T/rsa.pem" 2>/dev/null
openssl rsa -in "$T/rsa.pem" -traditional -aes128 -passout pass:secret -out "$T/rsa-enc.pem" 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -in "$T/rsa.pem" -out "$T/p8.pem"
openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in "$T/rsa.pem" -out "$T/p8-enc.pem"
openssl rsa -in "$T/rsa.pem" -pubout -out "$T/spki.pem" 2>/dev/null
openssl rsa -in "$T/rsa.pem" -RSAPublicKey_out -out "$T/rsapub.pem" 2>/dev/null
openssl rsa -in "$T/rsa.pem" -outform DER -traditional -out "$T/rsa.der" 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -in "$T/rsa.pem" -outform DER -out "$T/p8.der"
openssl rsa -in "$T/rsa.pem" -pubout -outform DER -out "$T/spki.der" 2>/dev/null
openssl rsa -in "$T/rsa.pem" -RSAPublicKey_out -outform DER -out "$T/rsapub.der" 2>/dev/null
# the plain form, as plainrsa-gen writes it (RFC 3110 section 2)
openssl rsa -in "$T/rsa.pem" -noout -text 2>/dev/null | python3 -c '
import base64, re, sys
names = {"modulus": "Modulus", "publicExponent": "PublicExponent", "privateExponent": "PrivateExponent", "prime1": "Prime1",
         "prime2": "Prime2", "exponent1": "Exponent1", "exponent2": "Exponent2", "coefficient": "Coefficient"}
v = {}
for m in re.finditer(r"^(\w+):(?: (\d+) .*)?\n((?:    .*\n)*)", sys.stdin.read(), re.M):
    if m[1] in names:
        v[names[m[1]]] = int(m[2] or re.sub(r"[^0-9a-f]", "", m[3]), 10 if m[2] else 16)
n, e = v["Modulus"].to_bytes(128, "big"), v["PublicExponent"].to_bytes(3, "big")
pub = "0s" + base64.b64encode(bytes([len(e)]) + e + n).decode()
long = "0s" + base64.b64encode(bytes([0, 0, len(e)]) + e + n).decode()
where = sys.argv[1]
open(where + "/plain.pub", "w").write(f"# from plainrsa-gen\n: PUB {pub}\n")
open(where + "/plain-long.pub", "w").write(f"2001:db8::1 192.0.2.1 : PUB {long}\n")
open(where + "/plain-cut.pub", "w").write(f": PUB {pub[:-40]}\n")
body = "".join(f"\t{k}: 0x{x:x}\n" for k, x in v.items())
open(where + "/plain.key", "w").write(f"# : PUB {pub}\n: RSA\t{{\n\t# RSA 1024 bits\n\t# pubkey={pub}\n{body}  }}\n")
d = v["PrivateExponent"]
body = body.replace(f"PrivateExponent: 0x{d:x}", "PrivateExponent: 0x1234567")
open(where + "/plain-wrong.key", "w").write(f": RSA {{\n{body}}}\n")
' "$T"

# reads NAME FILE FLAGS ARGUMENTS...: the file is that key, with these flags
reads() {
	local name=$1 file=$2 flags=$3
	shift 3
	xi key import "$T/$file" name=k "$@" 2>"$T/err" || { not_ok "$name" "$(cat "$T/err")"; return; }
	xi key export-pub-key k file-name="$T/k.pub"
	is "$name" "$(xi key print terse from=k | cut -c 4-5) $(modulus -pubin -in "$T/k.pub")" "$flags $(modulus -in "$T/rsa.pem")"
	if [ "$flags" = PR ]; then
		is "$name: the private part" "$(modulus -in "$ETC/private/key/k.pem")" "$(modulus -in "$T/rsa.pem")"
	fi
	xi key remove k
	[ ! -e "$ETC/private/key/k.pem" ] || not_ok "$name: removed, but the private part is still there"
}
reads "PUBLIC KEY" spki.pem " R"
reads "RSA PUBLIC KEY" rsapub.pem " R"
reads "PRIVATE KEY" p8.pem PR
reads "ENCRYPTED PRIVATE KEY" p8-enc.pem PR passphrase=secret
reads "RSA PRIVATE KEY" rsa.pem PR
reads "RSA PRIVATE KEY, encrypted" rsa-enc.pem PR passphrase=secret
reads "DER: RSA PRIVATE KEY" rsa.der PR
reads "DER: PRIVATE KEY" p8.der PR
reads "DER: PUBLIC KEY" spki.der " R"
reads "DER: RSA PUBLIC KEY" rsapub.der " R"
reads "plain form: PUB" plain.pub " R"
reads "plain form: PUB behind addresses, long exponent length" plain-long.pub " R"
reads "plain form: RSA" plain.key PR
wrong="failure: wrong key file format or passphrase"
fails "wrong passphrase" 1 "$wrong" key import "$T/p8-enc.pem" name=k passphrase=other
fails "no passphrase" 1 "$wrong" key import "$T/rsa-enc.pem" name=k
fails "a key cut short" 1 "failure: RSA keys need at least 1024 bits" key import "$T/plain-cut.pub" name=k
fails "parts that do not belong together" 1 "$wrong" key import "$T/plain-wrong.key" name=k
head -c 200 "$T/rsa.der" >"$T/cut.der"
fails "DER cut short" 1 "$wrong" key import "$T/cut.der" name=k
: >"$T/empty"
fails "an empty file" 1 "$wrong" key import "$T/empty" name=k
fails "no such file" 1 "failure: could not read file" key import "$T/none" name=k
fails "a folder" 1 "failure: could not read file" key import "$T" name=k
openssl ecparam -genkey -name prime256v1 -noout -out "$T/ec.pem"
fails "another kind of key" 1 "$wrong" key import "$T/ec.pem" name=k
openssl genrsa 512 >"$T/small.pem" 2>/dev/null
fails "below 1024 bits" 1 "failure: RSA keys need at least 1024 bits" key import "$T/small.pem" name=k
fails "the file's name is no name for a key" 1 "invalid value for argument name" key import "$T/../$(basename "$T")/."
cp "$T/spki.pem" "$T/office2"
xi key import "$T/office2"
has "the name defaults to that of the file" "$(xi key print terse)" "name=office2"

# --- peers ---
xi peer add auth-method=rsa-key key=priv remote-key=pub 2>/dev/null
has "spec 4.1: shown for rsa-key" "$(xi peer print | tr -d '\n' | tr -s ' ')" "auth-method=rsa-key key=priv remote-key=pub generate-policy"
fails "a public key as own key" 1 "failure: no private key" peer add auth-method=rsa-key key=pub
fails "in use" 1 "failure: pub is used by peer" key remove pub
xi key set priv name="office 1" 2>/dev/null
has "renamed: the peer follows" "$(xi peer print)" 'key="office 1"'
is "and the private part" "$(ls "$ETC/private/key")" "office 1.pem"
fails "a name that is taken" 1 "failure: already have such name" key set pub name=office2
fails "no such item" 1 "no such item" key set nobody name=x
xi peer disable 0
xi key remove "office 1,pub"
is "no longer in use: removed" "$(xi key print count-only) $(ls "$ETC/private/key" | wc -l)" "1 0"
xi peer set 0 comment=x 2>"$T/err"
is "a disabled peer whose key is gone can be edited" "$? $(cat "$T/err")" "0 "
is "spec 3.3: an id never comes again" "$(xi key generate-key new key-size=1024; xi -j key print | python3 -c 'import json,sys; print([x[".id"] for x in json.load(sys.stdin)])' | tr -d "'")" "$(printf '[*%X, *%X]' 17 18)"

# --- certificates ---
ca() { openssl req -x509 -newkey rsa:1024 -nodes -keyout "$T/$1.key" -out "$T/$1.pem" -subj "/CN=$1" -days "$2" 2>/dev/null; }
ca root 3000
openssl req -newkey rsa:1024 -nodes -keyout "$T/me.key" -out "$T/me.csr" -subj "/C=LV/O=Example/CN=me" 2>/dev/null
printf 'subjectAltName=DNS:me.example.net\nbasicConstraints=CA:FALSE\n' >"$T/ext"
openssl x509 -req -in "$T/me.csr" -CA "$T/root.pem" -CAkey "$T/root.key" -set_serial 7 -extfile "$T/ext" -days 3000 -out "$T/me.pem" 2>/dev/null
openssl x509 -in "$T/me.pem" -outform DER -out "$T/me.der"
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\ncrlnumber=%s\ndefault_md=sha256\ndefault_crl_days=3000\n' "$T/index" "$T/number" >"$T/ca.cnf"
: >"$T/index"
echo 01 >"$T/number"
openssl ca -config "$T/ca.cnf" -gencrl -keyfile "$T/root.key" -cert "$T/root.pem" -out "$T/crl.pem" 2>/dev/null
count() { sed -n "s/ *$1: //p" "$T/out"; }
xi /certificate import file-name="$T/root.pem" >"$T/out"
is "import says what it found" "$(cat "$T/out")" '     certificates-imported: 1
     private-keys-imported: 0
             crls-imported: 0
       decryption-failures: 0
  keys-with-no-certificate: 0'
xi certificate import "$T/me.der" name=me >"$T/out"
is "DER" "$(count certificates-imported)" 1
xi certificate import "$T/me.der" name=again >"$T/out"
is "what is there already is not imported twice" "$(count certificates-imported) $(xi certificate print count-only)" "0 2"
xi certificate import "$T/me.key" >"$T/out"
is "the private key finds its certificate" "$(count private-keys-imported)" 1
openssl pkcs8 -topk8 -passout pass:secret -in "$T/root.key" -out "$T/root-enc.key"
xi certificate import "$T/root-enc.key" >"$T/out" 2>"$T/err"
is "wrong passphrase" "$(cat "$T/err")" "failure: wrong certificate file format or passphrase"
xi certificate import "$T/rsa.pem" name=orphan >"$T/out"
is "a key that belongs to none" "$(count keys-with-no-certificate) $(ls "$ETC/private/certificate")" "1 me.pem"
xi certificate import "$T/crl.pem" name=crl >"$T/out"
is "CRL" "$(count crls-imported)" 1
xi certificate import "$T/crl.pem" name=crl2 >"$T/out"
is "one of the same CA takes its place" "$(xi certificate print count-only)" 3
openssl ca -config "$T/ca.cnf" -gencrl -keyfile "$T/root.key" -cert "$T/root.pem" -out "$T/crl2.pem" -crl_lastupdate 20250102000000Z -crl_nextupdate 20350101000000Z 2>/dev/null
openssl ca -config "$T/ca.cnf" -gencrl -keyfile "$T/root.key" -cert "$T/root.pem" -out "$T/crl3.pem" -crl_lastupdate 20250102000000Z -crl_nextupdate 20350101000000Z 2>/dev/null
number() { openssl crl -in "$ETC/public/certificate/crl.pem" -noout -crlnumber; }
xi certificate import "$T/crl3.pem" >"$T/out" 2>"$T/err"
is "an older one does not: what it revokes stays revoked" "$(count crls-imported) $(number) $(cat "$T/err")" \
	"0 crlNumber=0x01 warning: crl is a newer revocation list of the same authority: it stays"
xi certificate remove crl
xi certificate import "$T/crl3.pem" name=crl >"$T/out" 2>"$T/err"
xi certificate import "$T/crl2.pem" >"$T/out" 2>"$T/err"
is "nor one of the same date with a smaller number" "$(count crls-imported) $(number)" "0 crlNumber=0x03"
xi certificate import "$T/crl.pem" >"$T/out"
is "but the newest does" "$(count crls-imported) $(number)" "1 crlNumber=0x01"
is "print" "$(xi certificate print terse | sed 's/serial-number=[^ ]* //; s/invalid-[a-z]*=[^ ]* [^ ]* //g')" \
	' 0  A  name=root.pem subject="CN=root" issuer="CN=root" trusted=yes 
 1 K   name=me subject="C=LV,O=Example,CN=me" issuer="CN=root" trusted=no 
 2 C   name=crl issuer="CN=root" trusted=no '
has "legend" "$(xi certificate print)" "Flags: K - private-key, A - authority, C - crl, E - expired"
has "detail" "$(xi certificate print detail)" 'subject-alt-name="DNS:me.example.net"'
has "serial number" "$(xi certificate print)" 'serial-number="07"'
is "private key: root only" "$(stat -c %a "$ETC/private/certificate/me.pem")" 600
cat "$T/me.pem" "$T/root.pem" "$T/me.key" >"$T/all.pem"
xi certificate remove 0,1,2
xi certificate import "$T/all.pem" name=all >"$T/out"
is "several in one file" "$(count certificates-imported) $(count private-keys-imported) $(xi certificate print terse | grep -o 'name=[^ ]*' | xargs)" \
	"2 1 name=all name=all_1"
xi certificate set all_1 trusted=no
has "trusted=no" "$(xi certificate print terse from=all_1)" "trusted=no"
xi certificate set all_1 trusted=yes name=root
has "trusted=yes, and renamed" "$(xi certificate print terse from=root)" "trusted=yes"
fails "only a CA can be trusted" 1 "failure: only a certificate authority can be trusted" certificate set all trusted=yes
xi peer set 0 disabled=no auth-method=rsa-signature certificate=all remote-certificate=root 2>/dev/null
fails "in use" 1 "failure: root is used by peer" certificate remove root
fails "own certificate without private key" 1 "failure: no private key" peer set 0 certificate=root
openssl req -newkey rsa:1024 -nodes -keyout "$T/old.key" -out "$T/old.csr" -subj /CN=old 2>/dev/null
printf 'new_certs_dir=%s\nserial=%s\npolicy=p\n[p]\ncommonName=supplied\n' "$T" "$T/number" >>"$T/ca.cnf"
openssl ca -batch -config "$T/ca.cnf" -selfsign -keyfile "$T/old.key" -in "$T/old.csr" -startdate 200101000000Z -enddate 210101000000Z \
	-notext -out "$T/old.pem" 2>/dev/null
xi certificate import "$T/old.pem" name=old >"$T/out"
is "flag E" "$(xi certificate print terse from=old | cut -c 4-6)" "  E"
openssl req -x509 -newkey rsa:512 -nodes -keyout "$T/t.key" -out "$T/t.pem" -subj /CN=t -days 10 2>/dev/null
if [ -s "$T/t.pem" ]; then
	fails "a certificate with a small key" 1 "failure: RSA keys need at least 1024 bits" certificate import "$T/t.pem"
fi
fails "neither certificate nor key" 1 "failure: wrong certificate file format or passphrase" certificate import "$T/ext"
echo "-----BEGIN CERTIFICATE-----" >"$T/half"
fails "half of one" 1 "failure: wrong certificate file format or passphrase" certificate import "$T/half"
echo junk >"$ETC/public/key/broken.pem"
has "a damaged file is left out and named" "$(xi key print 2>&1)" "warning: key broken is left out: its file is damaged"
done_testing
