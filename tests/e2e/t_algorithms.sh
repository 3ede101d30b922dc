#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every pair of algorithms carries packets of sizes around a block between two gateways, with either engine at either end;
# scapy opens what it sees on the wire, so that the two do not only agree with each other.
. "$(dirname "$0")/lib.sh"

topo_up bypass
tunnel_up null sha1 || fatal "no tunnel"

ROUND=0
try() { # ENC AUTH
	local enc=$1 auth=$2 n cap
	ROUND=$((ROUND + 1)) cap=c-$ROUND-$1-$2
	for n in 1 2; do
		xi $n policy remove 0 && xi $n manual-sa remove m && tunnel_add $n "$enc" "$auth" || {
			not_ok "$enc/$auth is configured"
			return
		}
	done
	capture_start r w1 "$cap"
	for size in 0 1 15 16 17 100 1372; do
		check "$enc/$auth carries ping -s $size" in_ns a ping -n -q -c 1 -W 2 -s $size $HOST_B
	done
	capture_stop "$cap" || not_ok "capture"
	if [ "$enc" = null ]; then # the addresses are readable in there, as they must be
		at_least "$enc/$auth: ESP on the wire" "$("$LIBDIR/capture.py" count "$T/$cap.pcap" --src $WAN1 --dst $WAN2 --proto 50)" 7
	else
		check "$enc/$auth: no cleartext" no_clear "$cap" --min 14
	fi
	check "$enc/$auth: scapy opens all of it" "$LIBDIR/openesp.py" "$T/$cap.pcap" --src $WAN1 --dst $WAN2 --enc "$enc" \
		--auth "$auth" --enc-key "$ENC_KEY12" --auth-key "$AUTH_KEY12" --spi 0x100 --min 7
}

for auth in sha1 md5; do
	for enc in null aes-128 aes-192 aes-256; do
		try $enc $auth
	done
done
try aes-256 null
for enc in aes-128-gcm aes-192-gcm aes-256-gcm; do
	try $enc null
done

# The same with the portable engine at one end.
gw_stop 2
XDP_IPSEC_ENGINE=openssl gw_start 2 || fatal "openssl engine"
check "the engine is shown" sh -c "$(declare -f in_ns xi); O=$O P=$P; xi 2 installed-sa print detail | grep -q openssl || xi 2 status | grep -qi openssl"
try aes-256 sha1
try aes-128-gcm null

# The others, with the portable engine still at one end and all that this CPU has at the other. What is on the wire is for
# tests/oracle and tests/interop.
carries() { # ENC AUTH
	local n cap=d-$1-$2
	for n in 1 2; do
		xi $n policy remove 0 && xi $n manual-sa remove m && tunnel_add $n "$1" "$2" || {
			not_ok "$1/$2 is configured"
			return
		}
	done
	capture_start r w1 "$cap"
	check "$1/$2 carries packets" ping_sizes
	capture_stop "$cap" || not_ok "capture"
	[ "$1" = null ] || [[ $1 == *gmac ]] || check "$1/$2: no cleartext" no_clear "$cap" --min 6
}
ping_sizes() {
	local size
	for size in 0 15 1372; do in_ns a ping -n -q -c 1 -W 2 -s $size $HOST_B || return 1; done
}
for pair in des/md5 3des/sha1 blowfish/sha256 twofish/sha384 camellia-128/sha512 camellia-192/aes-xcbc camellia-256/aes-cmac \
	aes-128-ctr/sha256 aes-192-ctr/aes-cmac aes-256-ctr/sha1 null/sha512 null/aes-xcbc; do
	carries "${pair%/*}" "${pair#*/}"
done
for enc in aes-{128,192,256}-{gcm,ccm}-{12,8} aes-{128,192,256}-{ccm,gmac} chacha20-poly1305; do
	carries "$enc" null
done
check "twofish is shown with its engine" sh -c "$(declare -f in_ns xi); O=$O P=$P; xi 1 algorithms print | grep -q 'twofish.* nettle'"
tap_done
