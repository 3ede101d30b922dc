#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Policies that change a thousand times a second under traffic: no packet is lost that both the old and the new list let pass, nothing
# leaves in clear, no slot, SA, SPI or memory leaks: hosts' packets both ways under a manual SA, the gateway's own, and those of a dynamic policy as
# generate-policy makes it (spec section 19). XI_SECONDS: how long (30).
. "$(dirname "$0")/lib.sh"
PACKETS=$((${XI_SECONDS:-30} * 1000))

FOLDER=/sys/fs/bpf/xdp-ipsec/${P}g1/v3
# in_use: policies in the list, slots in use, SAs, SPIs, and the data memory of xdp-ipsecd
in_use() {
	echo "$(xi 1 policy print count-only) $("$LIBDIR/slots.py" "$FOLDER" count -) $(xi 1 installed-sa print count-only)" \
		"$(bpftool -j map dump pinned "$FOLDER/xi_spi" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')" \
		"$(awk '/^VmData/ {print $2}' "/proc/${GW_PID[1]}/status") kB"
}

topo_up none
tunnel_up aes-128 sha1 replay=1024 || fatal "no tunnel"
in_ns a ip addr add 10.66.1.10/32 dev eth0 && in_ns b ip addr add 10.66.2.10/32 dev eth0 &&
	in_ns gw1 ip route add 10.66.1.0/24 via $HOST_A && in_ns gw2 ip route add 10.66.2.0/24 via $HOST_B || fatal "addresses"
K12=$(hex 16 k12) K21=$(hex 16 k21)
generate() { in_ns "gw$1" "$O/tests/lib/keeper" "${P}g$1" "${@:2}"; }
generate 1 0x301 0x300 "$K21" "$K12" $WAN1 $WAN2 generate 10.66.1.0 10.66.2.0 &&
	generate 2 0x300 0x301 "$K12" "$K21" $WAN2 $WAN1 generate 10.66.2.0 10.66.1.0 || fatal "dynamic policies"
check "the dynamic policy" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 -I 10.66.1.10 10.66.2.10
check "the gateway's own packets" in_ns gw1 ping -n -q -l 20 -c 20 -i 10 -w 5 -I $GW_LAN1 $HOST_B
check "the tunnel" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_B
capture_start r w1 w1
before=$(in_use)

bg gw1 changer "$O/tests/lib/changer" "${P}g1" 1000
CHANGER=$BG_PID
wait_for "grep -q ready $T/changer.log" || fatal "changer"
bg a there ping -n -q -c $PACKETS -i 0.001 -W 5 $HOST_B
bg b back ping -n -q -c $PACKETS -i 0.001 -W 5 $HOST_A
FEWER=$((PACKETS / 5))
bg gw1 own ping -n -q -c $FEWER -i 0.005 -W 5 -I $GW_LAN1 $HOST_B
bg a dynamic ping -n -q -c $FEWER -i 0.005 -W 5 -I 10.66.1.10 10.66.2.10
wait_for "[ \$(cat $T/there.log $T/back.log $T/own.log $T/dynamic.log | grep -c 'packet loss') = 4 ]" $((PACKETS / 50 + 20))
stop_pid "$CHANGER"
check "no packet of $PACKETS is lost there" grep -q "$PACKETS received, 0% packet loss" "$T/there.log" || note "$(cat "$T/there.log")"
check "nor back" grep -q "$PACKETS received, 0% packet loss" "$T/back.log" || note "$(cat "$T/back.log")"
check "nor of $FEWER of the gateway's own" grep -q "$FEWER received, 0% packet loss" "$T/own.log" || note "$(cat "$T/own.log")"
check "nor of $FEWER of the dynamic policy" grep -q "$FEWER received, 0% packet loss" "$T/dynamic.log" || note "$(cat "$T/dynamic.log")"
changes=$(awk '/^changes/ {print $2}' "$T/changer.log")
at_least "the policies changed all the while ($changes times)" "$changes" $((PACKETS / 4))
capture_stop w1 || not_ok "capture"
check "no cleartext" no_clear w1 --min $((PACKETS * 4))
is "nor of the others" "$(tcpdump -nn -r "$T/w1.pcap" 'net 10.0.0.0/8' 2>/dev/null | wc -l)" 0
is "nothing leaked" "$(in_use)" "$before"
is "nothing was dropped" "$(xi 1 statistics print | awk '$2 > 0')" ""
tap_done
