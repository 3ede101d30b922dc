#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Both protocols, ESP inside AH (ipsec-protocols=ah,esp): everything of the policy goes as AH with ESP in it; one of the two SAs is not enough
# in either direction (spec 6.2, 13.4).
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6

# bundle WHAT FROM-NS TO-NS TO W1 W2: traffic through it, seen at r
bundle() {
	local what=$1 from=$2 to_ns=$3 to=$4
	capture_start r w1 w1
	check "$what: ping" in_ns "$from" ping -n -q -l 5 -c 5 -i 10 -w 5 -p 5365637265747321 "$to"
	bg "$to_ns" udp "$LIBDIR/udpsweep.py" serve "$to" 7001 "$T/udp.json"
	wait_for "grep -q ready $T/udp.log" || fatal "echo server"
	check "$what: UDP" in_ns "$from" "$LIBDIR/udpsweep.py" sweep "$to" 7001 --from 1200 --to 1400
	stop_pid "$BG_PID"
	capture_stop w1 || not_ok "capture"
	check "$what: only AH between the gateways" "$LIBDIR/capture.py" only "$T/w1.pcap" "$5" "$6" 51 --min 100
	check "$what: and ESP in it: no cleartext" no_clear w1 --marker "Secret!Secret!" --min 100
}

check "both gateways come up" sa_up proto=ah,esp || fatal "no SA"
bundle "tunnel" a b $HOST_B $WAN1 $WAN2
fits=$(xi 1 -j installed-sa print detail | python3 -c 'import json, sys
print(*[s["mtu"] for s in json.load(sys.stdin) if s["flags"][0] == "ESP" and s["direction"] == "out"])')
check "installed-sa: what the ESP SA says fits, with the AH over it" in_ns a ping -n -q -c 1 -W 2 -M "do" -s $((fits - 28)) $HOST_B
check "and no more" eval "! in_ns a ping -n -q -c 1 -W 1 -M do -s $((fits - 27)) $HOST_B"

# Both SAs count and have numbers of their own; one that may not be used stops the whole.
maps="/sys/fs/bpf/xdp-ipsec/${P}g1/$(ls "/sys/fs/bpf/xdp-ipsec/${P}g1")"
ping_b() { in_ns a ping -n -q -c 2 -i 0.05 -W 0.2 $HOST_B >"$T/ping.out"; }
out_seq() { "$LIBDIR/saseq.py" "$maps" | awk '$2 == "out" {print $3}' | sort -u | wc -l; }
is "as many numbers of ESP as of AH" "$(out_seq)" 1
for spi in 0x100 0x180; do
	before=$(stat_get 1 out-state-expired)
	"$LIBDIR/saseq.py" "$maps" $spi dead
	ping_b
	is "SPI $spi dead: out-state-expired" $(($(stat_get 1 out-state-expired) - before)) 2
	before=$(stat_get 1 out-no-states) dropped=$(policystat 1 0 out-dropped)
	"$LIBDIR/saseq.py" "$maps" $spi larval
	ping_b
	is "SPI $spi larval: out-no-states" $(($(stat_get 1 out-no-states) - before)) 2
	is "SPI $spi larval: counted by the policy" $(($(policystat 1 0 out-dropped) - dropped)) 2
	"$LIBDIR/saseq.py" "$maps" $spi dying
	check "SPI $spi dying: used" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B
	"$LIBDIR/saseq.py" "$maps" $spi mature
done
for spi in 0x101 0x181; do
	before=$(stat_get 1 in-state-expired)
	"$LIBDIR/saseq.py" "$maps" $spi dead
	ping_b
	is "SPI $spi dead: in-state-expired" $(($(stat_get 1 in-state-expired) - before)) 2
	before=$(stat_get 1 in-state-invalid)
	"$LIBDIR/saseq.py" "$maps" $spi larval
	ping_b
	is "SPI $spi larval: in-state-invalid" $(($(stat_get 1 in-state-invalid) - before)) 2
	"$LIBDIR/saseq.py" "$maps" $spi mature
done
check "all mature again" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B

# The peer does half of what the policy asks for. AH in tunnel mode is no AH over an ESP packet: what it leaves is for nobody.
for proto in esp ah; do
	{ xi 2 policy remove 0 && xi 2 manual-sa remove 0 && sa_policy 2 "proto=$proto"; } || fatal "policy"
	before=$(stat_get 1 in-template-mismatches)
	capture_start a eth0 half "icmp"
	in_ns b ping -n -q -c 2 -i 0.05 -W 0.2 $HOST_A >"$T/ping.out"
	capture_stop half
	is "the peer sends only $proto: nothing arrives" "$("$LIBDIR/capture.py" count "$T/half.pcap" --src $HOST_B)" 0
	[ $proto = ah ] || is "in-template-mismatches" $(($(stat_get 1 in-template-mismatches) - before)) 2
done

check "transport mode in its place" sa_again mode=transport proto=ah,esp || fatal "no SA"
bundle "transport" gw1 gw2 $WAN2 $WAN1 $WAN2
check "IPv6 in its place" sa_again mode=transport outer=6 proto=ah,esp || fatal "no SA"
bundle "transport, IPv6" gw1 gw2 $WAN2_6 $WAN1_6 $WAN2_6
check "a tunnel of IPv6 in its place" sa_again inner=4 outer=6 proto=ah,esp || fatal "no SA"
bundle "IPv4 in IPv6" a b $HOST_B $WAN1_6 $WAN2_6
tap_done
