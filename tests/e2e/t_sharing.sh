#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Level and SA sharing (spec section 6.2) with xdp-iked on both sides: policies of level require with the same ends, mode and protocols share SAs,
# those of level unique have their own, of their own reqid, and only the SA of a unique policy satisfies it; use asks for none. Changes of
# policies (spec 6.4): SAs that only the changed one uses go, on both sides; order, priority and comment leave all alone.
. "$(dirname "$0")/lib.sh"

topo_up none
NETS=(10.1.101 10.2.101 10.3.101) # behind gateway 2
for i in 1 2; do
	in_ns b ip addr add "${NETS[i]}.10/24" dev eth0 && in_ns gw2 ip addr add "${NETS[i]}.1/24" dev lan || fatal "addresses"
done
xi 1 peer add address=$WAN2 secret=test && xi 2 peer add address=$WAN1 secret=test || fatal "peer"
for net in "${NETS[@]}"; do
	xi 1 policy add src-address=$LAN1 "dst-address=$net.0/24" sa-src-address=$WAN1 sa-dst-address=$WAN2 tunnel=yes || fatal "policy"
	xi 2 policy add "src-address=$net.0/24" dst-address=$LAN1 sa-src-address=$WAN2 sa-dst-address=$WAN1 tunnel=yes || fatal "policy"
done
for n in 1 2; do
	gw_attach $n && gw_start $n && iked_start $n || fatal "start"
done
bg gw1 monitor "$O/xdp-ipsec" --instance "${P}g1" monitor events
wait_for "[ -s /proc/$BG_PID/stat ]"
capture_start r w1 w1 "not udp port 500"

to() { in_ns a ping -n -q -l "${2:-3}" -c "${2:-3}" -i 10 -w 5 "${NETS[$1]}.10"; }
from() { in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 -I "${NETS[$1]}.10" $HOST_A; }
# SAs, and pairs of them by the one that sends: the other stays some seconds longer for what is on its way (spec 20.2).
sas() { xi "$1" -j installed-sa print detail 2>/dev/null | python3 -c '
import json, sys
print(len([s for s in json.load(sys.stdin) if s["state"] in ("mature", "dying") and s["src-address"] in sys.argv[1:]]))' "${@:2}"; }
pairs() { if [ "$1" = 1 ]; then sas 1 $WAN1; else sas 2 $WAN2; fi; }
spis() { xi "$1" -j installed-sa print detail 2>/dev/null | python3 -c 'import json, sys; print(*sorted(s["spi"] for s in json.load(sys.stdin)))'; }
out() { policystat 1 "$1" out-transformed; }
both() { xi 1 "$@" 2>/dev/null && xi 2 "$@" 2>/dev/null; }
settled() { wait_for "[ \"\$(pairs 1) \$(pairs 2)\" = '$1 $1' ]" 10; } # by Deletes

# --- require ---
check "require: the first policy's traffic brings SAs" to 0
check "the second one's rides on them" to 1
check "and that of the third" to 2
check "and the way back" eval "from 0 && from 1 && from 2"
is "one pair of SAs on either side" "$(pairs 1) $(pairs 2) $(sas 1 $WAN1 $WAN2)" "1 1 2"
is "each counts its own" "$(out 0) $(out 1) $(out 2)" "6 6 6"
is "none was dropped" "$(stat_get 1 out-no-states) $(stat_get 2 in-template-mismatches)" "0 0"

# A policy that comes later shares what is there.
was=$(spis 1)
both policy remove 2
check "a policy is removed: the SAs, which others use, stay" to 1
xi 1 policy add src-address=$LAN1 dst-address=10.3.101.0/24 sa-src-address=$WAN1 sa-dst-address=$WAN2 tunnel=yes || fatal "policy"
xi 2 policy add src-address=10.3.101.0/24 dst-address=$LAN1 sa-src-address=$WAN2 sa-dst-address=$WAN1 tunnel=yes || fatal "policy"
check "it comes back" to 2
is "and shares them" "$(spis 1)" "$was"

# --- what leaves SAs alone, and what does not (spec 6.4) ---
bg a flood ping -n -q -c 200 -i 0.01 -W 2 "${NETS[1]}.10"
for _ in 1 2 3 4 5; do
	for change in "comment=other" "priority=7" "priority=0" "comment="; do
		both policy set 1 "$change" || not_ok "$change"
	done
	both policy move 2 0 || not_ok "move"
	both policy move 0 || not_ok "move to the end"
done
wait_for "grep -q 'packet loss' $T/flood.log" 20
check "comment, priority and place change: no packet lost" grep -q '200 received, 0% packet loss' "$T/flood.log"
is "the SAs are the same" "$(spis 1)" "$was"
check "of three that share them two are disabled" both policy disable 0,2
check "the third has them still" to 1
is "the same" "$(spis 1)" "$was"
check "the last one is disabled" both policy disable 1
check "the SAs are gone on both sides" settled 0
check "those that receive, too, in a while" wait_for "[ \"\$(sas 1 $WAN1 $WAN2)\" = 0 ]" 10
check "all are enabled" both policy enable 0,1,2
check "the next packet brings new SAs" to 1
check "a pair" settled 1

# --- unique ---
check "unique: set" both policy set 0,1,2 level=unique
check "changing the level removes the SAs" settled 0
check "the first" to 0
is "an SA pair of its own" "$(pairs 1) $(pairs 2)" "1 1"
check "the second asks for another" to 1
is "has it" "$(pairs 1) $(pairs 2)" "2 2"
check "the third" to 2
is "has one, too" "$(pairs 1) $(pairs 2)" "3 3"
check "the way back" eval "from 0 && from 1 && from 2"
is "again no more" "$(pairs 1) $(pairs 2)" "3 3"
is "each by its own reqid" "$(xi 1 -j installed-sa print detail | python3 -c '
import collections, json, sys
n = collections.Counter(s["reqid"] for s in json.load(sys.stdin))
print(len(n), 0 in n, set(n.values()))')" "3 False {2}"
is "nothing was dropped" "$(stat_get 1 in-template-mismatches) $(stat_get 2 in-template-mismatches)" "0 0"
check "one is removed" xi 1 policy disable 2
check "its SAs go, on both sides, the others stay" settled 2
check "and work" eval "to 0 && to 1"
xi 1 policy enable 2 2>/dev/null

# --- require here, unique there: traffic of one policy rides on the SA of another, and the other side does not have it (spec 6.2) ---
check "require on this side only" eval "xi 1 policy set 0,1,2 level=require 2>/dev/null && settled 0"
check "the first policy's traffic passes" to 0
before=$(stat_get 2 in-state-mismatches)
to 1 >"$T/ping.out"
at_least "the second one's rides on its SA and is refused there" "$(($(stat_get 2 in-state-mismatches) - before))" 1
is "no packet of it arrived" "$(grep -o '[0-9]* received' "$T/ping.out")" "0 received"
check "unique on both sides" eval "xi 1 policy set 0,1,2 level=unique 2>/dev/null && settled 0"
check "and it passes" eval "to 1 && to 0"

# --- use ---
in_ns r ip route add 10.1.202.0/24 via $WAN1 && in_ns r ip route add 10.2.101.0/24 via $WAN2 || fatal "routes"
check "use" both policy set 1 level=use
check "the other's SAs stay" settled 1
acquires() { grep -c 'initiate new phase 2 negotiation' "$T/iked1.log"; }
before=$(acquires)
capture_start r w1 use
check "without an SA packets pass in clear" to 1
capture_stop use
is "and in clear they are" "$("$LIBDIR/capture.py" count "$T/use.pcap" --src $HOST_A --dst 10.2.101.10)" 3
is "nobody was asked" "$(acquires)" "$before"
is "counted as accepted" "$(policystat 1 1 out-accepted) $(policystat 1 1 in-accepted)" "3 3"
check "the other side requires: it negotiates" eval "xi 2 policy set 1 level=require 2>/dev/null; from 1"
check "and with its SA this side protects, too" to 1
at_least "counted as transformed" "$(policystat 1 1 out-transformed)" 3
capture_stop w1
check "nothing of the others in clear" no_clear w1 --min 100
tap_done
