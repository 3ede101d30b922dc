#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Fragments of ESP as a peer's path makes them, and as nobody sound sends them (RFC 8900 section 3): each fragment that does not become part
# of a whole is counted once, under its name, and nothing of it reaches the LAN.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
tunnel_up aes-128-gcm null || fatal "no tunnel"
check "ping" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B || fatal "no tunnel"
capture_start a eth0 lan "udp or icmp"

snapshot() { xi 1 statistics print | awk '{print $1, $2}' | tr -d ':'; }
esp() { # forge.py esp options: from the router towards gateway 1, as gateway 2 would send
	tunnel_keys aes-128-gcm null
	forge r w1 gw1 wan esp --outer-src $WAN2 --outer-dst $WAN1 --inner-src $HOST_B --inner-dst $HOST_A --spi 0x101 \
		--enc gcm --enc-key "$ENC_KEY21" --len 1400 --fragment 400 "$@"
}
SEQ=5000
arrives() { # WHAT OPTIONS...: a datagram that is sound all the same
	local what=$1
	shift
	SEQ=$((SEQ + 1))
	esp --seq $SEQ --payload "sound-$SEQ " "$@"
	check "$what" wait_for "grep -qa sound-$SEQ $T/lan.pcap"
}
# dropped WHAT COUNTER REASON NUMBER OPTIONS...: exactly that counter moves, by NUMBER, for that reason, and nothing arrives
dropped() {
	local what=$1 counter=$2 reason=$3 number=$4 want after
	shift 4
	SEQ=$((SEQ + 1))
	want=$(drops_seen 1 | drops_more "$counter" "$reason" "$number")
	esp --seq $SEQ --payload "hostile-$SEQ" "$@"
	wait_for 'after=$(drops_seen 1) && [ "$after" = "$want" ]' "${WAIT:-10}"
	is "$what: $counter, $reason +$number" "$(diff <(echo "$want") <(echo "$after"))" ""
}

before=$(snapshot)
arrives "fragments in order"
arrives "fragments backwards" --reverse
arrives "fragments down to 8 bytes of payload each, 100 of them" --len 700 --fragment 28
arrives "in two, with options of the tunnel" --fragment 1000 --outer-tos 0xb8
arrives "9000 bytes" --len 9000 --fragment 1500
arrives "60000 bytes, backwards" --len 60000 --fragment 1500 --reverse
is "none of it is an error" "$(snapshot)" "$before"
dup=$(stat_get 1 in-header-errors)
arrives "doubled by the network" --hostile duplicate
is "the second ones are counted" "$(($(stat_get 1 in-header-errors) - dup))" 3
# The datagrams of 1400 bytes inside are 1452 outside: 4 fragments of 376, 376, 376 and 304 bytes.
dropped "an overlap takes all along" in-header-errors IN_FRAG_BAD 5 --hostile overlap
dropped "other bytes in the same place" in-header-errors IN_FRAG_BAD 5 --hostile overlap-other
dropped "teardrop" in-header-errors IN_FRAG_BAD 5 --hostile teardrop
dropped "two ends" in-header-errors IN_FRAG_BAD 6 --hostile two-ends
dropped "no payload" in-header-errors IN_FRAG_BAD 1 --hostile empty
dropped "a length that is no multiple of 8" in-header-errors IN_FRAG_BAD 1 --hostile odd
dropped "behind 65535" in-header-errors IN_FRAG_BAD 1 --hostile far
arrives "after all that"
dropped "a flood from 500 sources keeps 64" in-buffer-errors IN_FRAG_FULL 436 --hostile flood
arrives "a fresh datagram gets through the flood"
WAIT=20 dropped "one that is not complete ages" in-errors IN_FRAG_OLD 66 --drop-fragment 1
capture_stop lan || not_ok "capture"
is "nothing hostile arrived" "$("$LIBDIR/capture.py" count "$T/lan.pcap" --marker hostile)" 0
tap_done
