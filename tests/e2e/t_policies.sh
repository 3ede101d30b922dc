#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Policies of every protocol, mode and family (spec sections 6 and 9) as configured: they carry packets both ways, nothing of them
# leaves in clear, and installed-sa and ph2-state say what is (spec sections 7.1 and 10); flush and limits of SAs (spec section 14).
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
check "both gateways come up" sa_up || fatal "no tunnel"

# sa_list N: one line per SA: flag, direction, mode, state.
sa_list() {
	xi "$1" -j installed-sa print detail | python3 -c '
import json, sys
for s in json.load(sys.stdin):
    print(*[f for f in s["flags"] if f != "manual"], s["direction"], s["mode"], s["state"])' | sort
}

# wire FILTER: packets of the last capture that the filter matches
wire() { tcpdump -nr "$T/w1.pcap" "$1" 2>/dev/null | wc -l; }

try() { # PROTO MODE INNER OUTER
	local proto=$1 mode=$2 inner=$3 outer=$4 what="$1 $2, IPv$3 in IPv$4" from=a to=$HOST_B back=b to_back=$HOST_A src=$WAN1 out=50
	local list=''
	[ "$inner" = 4 ] || to=$HOST_B_6 to_back=$HOST_A_6
	[ "$outer" = 4 ] || src=$WAN1_6
	if [ "$mode" = transport ]; then
		from=gw1 back=gw2 to=$WAN2 to_back=$WAN1 what="$1 transport, IPv$4"
		[ "$outer" = 4 ] || to=$WAN2_6 to_back=$WAN1_6
	fi
	[[ $proto != *ah* ]] || out=51
	check "$what: configured" sa_again "proto=$proto" "mode=$mode" "inner=$inner" "outer=$outer" || return
	capture_start r w1 w1
	check "$what: there" in_ns $from ping -n -q -l 2 -c 2 -i 10 -w 5 $to
	check "$what: and back" in_ns $back ping -n -q -l 2 -c 2 -i 10 -w 5 $to_back
	capture_stop w1
	at_least "$what: protocol $out on the wire" "$(wire "src host $src and (ip proto $out or ip6 proto $out)")" 4
	is "$what: no cleartext" "$(wire "icmp or icmp6 and ip6[40] >= 128 and ip6[40] <= 129")" 0
	is "$what: established" "$(policystat 1 0 ph2-state)" established
	at_least "$what: out-transformed" "$(policystat 1 0 out-transformed)" 4
	at_least "$what: in-transformed" "$(policystat 1 0 in-transformed)" 4
	is "$what: in-dropped" "$(policystat 1 0 in-dropped)" 0
	case $proto in
	esp) list="ESP in $mode mature ESP out $mode mature" ;;
	ah) list="AH in $mode mature AH out $mode mature" ;;
	ah,esp) list="AH in transport mature AH out transport mature ESP in $mode mature ESP out $mode mature" ;;
	esac
	is "$what: SAs" "$(sa_list 1 | tr '\n' ' ')" "$list "
}

for proto in esp ah ah,esp; do
	for outer in 4 6; do
		for inner in 4 6; do
			try $proto tunnel $inner $outer
		done
		try $proto transport $outer $outer
	done
done

# Spec 10: manual SAs of the protocol are installed anew, sequence and replay go on, nothing is lost to the peer.
check "a bundle with 64-bit numbers" sa_again proto=ah,esp esn=yes
check "carries" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
seq() { xi 1 -j installed-sa print detail | python3 -c '
import json, sys
print(*[s[sys.argv[2]] for s in json.load(sys.stdin) if s["flags"][0] == sys.argv[1] and s["direction"] == "out"])' "$1" "$2"; }
ah=$(seq AH seq) esp=$(seq ESP seq)
is "64 bits are shown" "$(seq AH esn) $(seq ESP esn)" "True True"
check "flush of AH" xi 1 installed-sa flush sa-type=ah
is "bytes of AH start again" "$(seq AH current-bytes)" 0
at_least "those of ESP do not" "$(seq ESP current-bytes)" 100
check "the bundle is whole" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
check "flush of all" xi 1 installed-sa flush
check "the bundle is whole again" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
is "numbers went on" "$(seq AH seq) $(seq ESP seq)" "$((ah + 10)) $((esp + 10))"
is "no replay at the peer" "$(stat_get 2 in-state-sequence-errors)" 0

# Spec 14: nothing passes beyond the hard limit; soft is 80 %; flush installs anew. 840 bytes: ten inner packets of 84.
check "ten packets" sa_again lifebytes=840
is "soft/hard" "$(xi 1 -j installed-sa print | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["lifebytes"])')" "672/840"
check "seven pass" in_ns a ping -n -q -l 7 -c 7 -i 10 -w 5 $HOST_B
is "nothing is said yet" "$(sa_list 1 | tr '\n' ' ')" "ESP in tunnel mature ESP out tunnel mature "
check "the eighth passes" in_ns a ping -n -q -c 1 -W 2 $HOST_B
is "and is dying" "$(sa_list 1 | tr '\n' ' ')" "ESP in tunnel dying ESP out tunnel dying "
is "which is established" "$(policystat 1 0 ph2-state)" established
in_ns a ping -n -q -c 6 -i 0.02 -W 1 $HOST_B >"$T/ping.out"
is "two more pass" "$(grep -o '[0-9]* received' "$T/ping.out")" "2 received"
is "then it is dead" "$(sa_list 1 | tr '\n' ' ')" "ESP in tunnel dead ESP out tunnel dead "
is "and expired" "$(policystat 1 0 ph2-state)" expired
is "which is counted" "$(stat_get 1 out-state-expired)" 4
check "an edit of another policy does not revive it" xi 1 policy add action=none src-address=192.0.2.77 dst-address=192.0.2.78
is "it is dead still" "$(policystat 1 0 ph2-state)" expired
check "flush at both ends" eval "xi 1 installed-sa flush && xi 2 installed-sa flush"
check "and it goes again" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
is "established" "$(policystat 1 0 ph2-state)" established
tap_done
