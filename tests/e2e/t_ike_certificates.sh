#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Certificates that make no sense, at a running daemon: each is refused for what is wrong with it, in one line of the log, and the daemon is afterwards what it was
# before (spec section 23.2; tests/lib/certpeer.py has what each case is).
. "$(dirname "$0")/lib.sh"

peer() { in_ns r "$LIBDIR/certpeer.py" "$@"; }
topo_up none
check "certificates" peer make "$T" || fatal "certificates"
xi 1 certificate import file-name="$T/ca.pem" name=ca >"$T/import.log" && xi 1 certificate import file-name="$T/me.pem" name=me >>"$T/import.log" &&
	xi 1 certificate import file-name="$T/me.key" name=me >>"$T/import.log" &&
	xi 1 peer add address=198.51.100.0/24 auth-method=rsa-signature certificate=me hash-algorithm=sha1 enc-algorithm=aes-128 dh-group=modp1024 ||
	fatal "configuration"
gw_start 1 && gw_attach 1 && iked_start 1 || fatal "start"

# try NAME OUTCOME [TEXT]: from an address of its own; TEXT (a regular expression) is in the one line about it.
TRIED=() N=0
try() {
	local from=198.51.100.$((101 + N)) was got
	TRIED+=("$1") N=$((N + 1))
	in_ns r ip addr add "$from/24" dev w1
	was=$(wc -l <"$T/iked1.log")
	got=$(peer run "$T" "$from" $WAN1 "$1" 2>&1)
	tail -n +$((was + 1)) "$T/iked1.log" | grep -F "${from}[500] " | grep -v 'ISAKMP-SA established\|respond new phase' >"$T/said"
	if [ "$got" = "$2" ] && [ "$(grep -Ec "${3:-.}" "$T/said") $(wc -l <"$T/said")" = "$([ -z "${3:-}" ] && echo 0 0 || echo 1 1)" ]; then
		ok "$1: $2, ${3:-nothing in the log}"
	else
		not_ok "$1: $2, ${3:-nothing in the log}"
		note "$got: $(cat "$T/said")"
	fi
}
# again TIMES: each of those that take most, that often.
again() {
	local n
	for n in "PKCS#7 of 30" "20, its own last" "CA in between with a modulus of 16384 bits" "elliptic curve of its own" "circle"; do
		peer run "$T" 198.51.100.254 $WAN1 "$n" "$1"
	done | sort | uniq -c
}
memory() { awk '$1 == "VmRSS:" {print $2}' "/proc/${IKED_PID[1]}/status"; } # KiB

try "good" established
try "large" established
try "too large" refused 'no certificate of at most 16384 bytes'
try "huge" refused 'no certificate of at most 16384 bytes'
try "modulus of 16384 bits" refused 'a payload is too long'
try "exponent as long as the modulus" refused 'public exponent is not sound'
try "exponent 1" refused 'public exponent is not sound'
try "even exponent" refused 'public exponent is not sound'
try "even modulus" refused 'the signature does not fit'
try "modulus 0" refused 'at least 1024 bits'
try "512 bits" refused 'at least 1024 bits'
try "signed with MD5" refused 'signed with MD5 or older'
try "two algorithms" refused 'certificate signature failure'
try "expired" refused 'certificate has expired'
try "not yet valid" refused 'not yet valid'
try "no dates" refused 'certificate signature failure'
try "another CA of that name" refused 'certificate signature failure'
try "another CA of that name comes along" refused 'certificate signature failure'
try "issued by no CA" refused 'invalid CA certificate'
try "issued by a CA in between" established
try "CA in between with a modulus of 16384 bits" refused 'certificate signature failure'
try "issued by itself" refused 'self-signed certificate'
try "circle" refused 'unable to get local issuer certificate'
try "long name" established
try "name that is too long" refused 'a payload is too long'
try "control characters" refused 'the certificate of ".CN=a.x00b.x0Axdp-iked: all is well.x0D.x1B.31m.x07.x9B.xFF.*expired'
try "control characters, two bytes each" refused '.x00.x0A.x00.x0A.*expired'
try "control characters where they cannot be" refused '"\(a name that cannot be read\)": it cannot be read'
try "control characters, believed" established
try "name of another" refused "the name is not the certificate's subject"
try "NUL in the name" refused "the name is not the certificate's subject"
try "identity that is no name" refused '"\(a name that cannot be read\)", but the name is not the certificate'
try "empty identity" silent 'length does not fit the type of identity'
try "20, its own first" established
try "20, its own last" refused "the name is not the certificate's subject"
try "PKCS#7" established
try "PKCS#7 of nothing" refused 'no certificate with its identity in the PKCS#7 bundle'
try "PKCS#7 of 30" refused 'no certificate with its identity in the PKCS#7 bundle'
try "PKCS#7 that is none" refused 'no certificate with its identity in the PKCS#7 bundle'
try "revoked by what comes along" refused 'certificate revoked'
try "revoked by another of that name" established
try "CRL that is none" established
try "none" refused 'the peer sent no certificate \('
try "empty" silent 'empty certificate'
try "random bytes" refused 'the certificate of "/CN=peer": it cannot be read'
try "cut off" refused 'it cannot be read'
try "bytes behind it" refused 'it cannot be read'
try "encoding of nobody" refused 'no certificate in an encoding that is read here'
try "elliptic curve" refused 'it is no RSA key'
try "elliptic curve of its own" refused 'it is no RSA key'
try "signature of another key" refused 'the signature does not fit'

is "every case there is was tried" "$(printf '%s\n' "${TRIED[@]}" | sort)" "$(peer list | sort)"
is "nothing unprintable is in the log" "$(LC_ALL=C grep -c '[^ -~]' "$T/iked1.log")" 0
check "what is shown of peers has none, either" eval "xi 1 remote-peers print terse >$T/peers 2>&1 && [ -s $T/peers ] && ! LC_ALL=C grep -q '[^ -~]' $T/peers"

# Those that were refused last are kept for their next message, 64 of a network at most, and are in nobody's way.
again 20 >"$T/again"
was=$(memory)
is "those that take most, 250 times" "$(again 50 | xargs)" "250 refused"
# AddressSanitizer keeps what is freed: with SAN=1 there is nothing to be seen of it.
grep -q libasan "/proc/${IKED_PID[1]}/maps" ||
	at_least "the daemon has not grown (by $(($(memory) - was)) KiB)" $((was + 1024)) "$(memory)"
is "a good one is let in" "$(peer run "$T" 198.51.100.254 $WAN1 good)" established
check "it ends cleanly" iked_stop 1
tap_done
