#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Transport mode for the gateways' own connections, in both directions: TCP with segmentation left to the stack, UDP, ICMP; ESP and AH, IPv4
# and IPv6. And from the gateway itself through a tunnel.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6

bytes() { python3 -c 'import json, sys; print(int(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"]))' "$1"; }

# talk WHAT FROM TO: all kinds of connections between two addresses of the gateways
talk() {
	local what=$1 from=$2 to=$3 dir
	check "$what: ping" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 -I "$from" "$to"
	check "$what: ping the other way" in_ns gw2 ping -n -q -l 3 -c 3 -i 10 -w 5 -I "$to" "$from"
	check "$what: ping of 8000 bytes, which the stack cuts" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 -s 8000 -I "$from" "$to"
	bg gw2 udp "$LIBDIR/udpsweep.py" serve "$to" 7001 "$T/udp.json"
	wait_for "grep -q ready $T/udp.log" || fatal "echo server"
	check "$what: UDP of all sizes" in_ns gw1 "$LIBDIR/udpsweep.py" sweep "$to" 7001 --bind "$from" --from 1200 --to 1452
	stop_pid "$BG_PID"
	bg gw2 iperf iperf3 -s -B "$to"
	wait_for "grep -q listening $T/iperf.log" || fatal "iperf3"
	for dir in "" -R; do
		# shellcheck disable=SC2086 # no word at all, or one
		in_ns gw1 timeout 30 iperf3 -B "$from" -c "$to" -n 12M $dir -J >"$T/iperf.json"
		at_least "$what: TCP ${dir:-forward}" "$(bytes "$T/iperf.json")" 5000000
	done
	stop_pid "$BG_PID"
}

# mode PROTO FAMILY NUMBER: transport mode between the gateways, seen at r
mode() {
	local what="$1, IPv$2" w1=$WAN1 w2=$WAN2
	[ "$2" = 4 ] || w1=$WAN1_6 w2=$WAN2_6
	capture_start r w1 w1
	talk "$what" "$w1" "$w2"
	capture_stop w1 || not_ok "capture"
	check "$what: nothing else between the gateways" "$LIBDIR/capture.py" only "$T/w1.pcap" "$w1" "$w2" "$3" --min 500
	at_least "$what: policy counts what went out" "$(policystat 1 0 out-transformed)" 500
	at_least "$what: policy counts what came in" "$(policystat 1 0 in-transformed)" 500
}

check "both gateways come up" sa_up mode=transport || fatal "no SA"
mode esp 4 50
# Spec 6.3: what the policy protects but is not from end to end does not leave.
for n in 1 2; do
	xi $n policy add "src-address=$([ $n = 1 ] && echo $LAN1 || echo $WAN2/32)" \
		"dst-address=$([ $n = 1 ] && echo $WAN2/32 || echo $LAN1)" tunnel=no action=encrypt manual-sa=m \
		"sa-src-address=$([ $n = 1 ] && echo $WAN1 || echo $WAN2)" \
		"sa-dst-address=$([ $n = 1 ] && echo $WAN2 || echo $WAN1)" || fatal "policy"
done
capture_start r w1 wide
in_ns a ping -n -q -c 3 -i 0.05 -W 0.2 $WAN2 >"$T/ping.out"
is "a host behind the gateway: dropped" "$(stat_get 1 out-bundle-errors)" 3
capture_stop wide
is "and not in clear" "$("$LIBDIR/capture.py" count "$T/wide.pcap" --src $HOST_A)" 0
for n in 1 2; do xi $n policy remove 1; done

# Plaintext for a connection that must be protected.
in_ns r ip addr add $WAN2/32 dev lo
before=$(stat_get 1 in-template-mismatches)
in_ns r ping -n -q -c 2 -i 0.05 -W 0.2 -I $WAN2 $WAN1 >"$T/ping.out"
is "in clear from outside: dropped" $(($(stat_get 1 in-template-mismatches) - before)) 2
in_ns r ip addr del $WAN2/32 dev lo

# Spec 13.4: what came by a transport SA whose policy is another one by now. The SA alone lets nothing past the policies; it does no harm either.
in_ns gw1 nft 'table ip left { chain in { type filter hook input priority 0; udp dport 4001 counter drop; }; }' || fatal "nft"
arrived() { in_ns gw1 nft list table ip left | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'; }
# left_over WHAT COUNTER: three datagrams by the SA move that counter by three, or arrive
left_over() {
	local what=$1 counter=$2 before
	count() { if [ "$counter" = arrives ]; then arrived; else stat_get 1 "$counter"; fi; }
	before=$(count)
	in_ns gw2 python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 4000))
for _ in range(3):
    s.sendto(b"left over", (sys.argv[2], 4001))' $WAN2 $WAN1
	wait_for '[ "$(count)" -ge $((before + 3)) ]' 3
	is "left over, $what: $counter" $(($(count) - before)) 3
}
left_over "its own policy" arrives
xi 1 policy set 0 protocol=tcp
left_over "no policy any more" arrives
xi 1 policy add "src-address=$WAN1/32" "dst-address=$WAN2/32" protocol=udp action=none place-before=0 || fatal "policy"
left_over "none" arrives
is "counted as accepted" "$(policystat 1 0 in-accepted)" 3
xi 1 policy set 0 action=discard
left_over "discard" in-policy-blocked
xi 1 policy set 0 action=encrypt tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2
left_over "a tunnel" in-template-mismatches
xi 1 policy set 0 level=use
left_over "a tunnel of level use" arrives
xi 1 policy set 0 level=unique tunnel=no
left_over "an SA of its own" in-template-mismatches
xi 1 policy set 0 level=require sa-dst-address=$INTERNET
left_over "another peer" in-template-mismatches
xi 1 policy remove 0
xi 1 policy disable 0
left_over "its policy disabled, and the SA gone with it" in-no-states
xi 1 policy enable 0 && xi 1 policy set 0 protocol=all
left_over "its own policy again" arrives

for row in "esp 6 50" "ah 4 51" "ah 6 51"; do
	# shellcheck disable=SC2086 # three words
	set -- $row
	check "other SAs in their place" sa_again mode=transport "proto=$1" "outer=$2" || fatal "no SA"
	mode "$1" "$2" "$3"
done

# Tunnel mode from the gateway itself, by its LAN address.
check "a tunnel in their place" sa_again inner=4 outer=4 || fatal "no tunnel"
capture_start r w1 w1
talk "tunnel from the gateway itself" $GW_LAN1 $GW_LAN2
capture_stop w1 || not_ok "capture"
check "no cleartext" no_clear w1 --min 500
check "only ESP between the gateways" "$LIBDIR/capture.py" only-esp "$T/w1.pcap" $WAN1 $WAN2 --min 500
for n in 1 2; do
	is "gateway $n dropped nothing else" "$(xi $n statistics print |
		awk '$2 != 0 && $1 !~ /^(out-state-mode-errors|in-template-mismatches|in-policy-blocked|in-no-states|out-bundle-errors):/ {print $1 $2}')" ""
done
tap_done
