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
	check "$what: ping" in_ns gw1 ping -n -q -c 3 -i 0.05 -W 2 -I "$from" "$to"
	check "$what: ping the other way" in_ns gw2 ping -n -q -c 3 -i 0.05 -W 2 -I "$to" "$from"
	check "$what: ping of 8000 bytes, which the stack cuts" in_ns gw1 ping -n -q -c 3 -i 0.05 -W 2 -s 8000 -I "$from" "$to"
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
		awk '$2 != 0 && $1 !~ /^(out-state-mode-errors|in-template-mismatches|out-bundle-errors):/ {print $1 $2}')" ""
done
tap_done
