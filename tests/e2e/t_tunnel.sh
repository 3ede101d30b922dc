#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The tunnel of spec section 27 with manual keys: everything between the two LANs goes, and only as ESP; everything else
# is masqueraded as before.
. "$(dirname "$0")/lib.sh"

topo_up masquerade
check "both gateways come up" tunnel_up aes-128-gcm null || fatal "no tunnel"
capture_start r w1 w1
capture_start r w2 w2

check "ping from A to B" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
check "ping from B to A" in_ns b ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_A
check "ping of the far gateway's LAN address" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $GW_LAN2

# What is not protected is masqueraded as before.
capture_start r w1 nat "icmp"
check "ping of the internet" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $INTERNET
capture_stop nat
is "the internet sees the gateway's address" \
	"$("$LIBDIR/capture.py" count "$T/nat.pcap" --src $WAN1 --dst $INTERNET --proto 1)" 3

# UDP of every size, DF clear (fragments) and set (then A learns the path MTU).
bg b udp1 "$LIBDIR/udpsweep.py" serve $HOST_B 7001 "$T/udp1.json"
wait_for "grep -q ready $T/udp1.log" || fatal "echo server"
bg b udp2 "$LIBDIR/udpsweep.py" serve $HOST_B 7002 "$T/udp2.json" --pmtu dont
wait_for "grep -q ready $T/udp2.log" || fatal "echo server"
check "UDP 1..1472 without DF: fragmented after encapsulation, reassembled by the peer" \
	in_ns a "$LIBDIR/udpsweep.py" sweep $HOST_B 7002 --pmtu dont --from 1300
at_least "and there were such fragments" "$("$LIBDIR/capture.py" list "$T/w1.pcap" | grep -c 'mf=1')" 10
check "UDP 1..1472 with DF" in_ns a "$LIBDIR/udpsweep.py" sweep $HOST_B 7001

# TCP both ways.
bg b iperf iperf3 -s -B $HOST_B
wait_for "grep -q listening $T/iperf.log" || fatal "iperf3"
for dir in "" -R; do
	# shellcheck disable=SC2086 # no word at all, or one
	in_ns a timeout 30 iperf3 -c $HOST_B -n 20M $dir -J >"$T/iperf.json"
	at_least "TCP ${dir:-forward}: all of 20 MB but what is under way at the end" \
		"$(python3 -c 'import json,sys; print(int(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"]))' "$T/iperf.json")" \
		12000000
done

capture_stop w1 || not_ok "capture w1"
capture_stop w2 || not_ok "capture w2"
check "no cleartext on the first WAN" no_clear w1 --min 1000
check "no cleartext on the second WAN" no_clear w2 --min 1000
check "only ESP between the gateways" "$LIBDIR/capture.py" only-esp "$T/w1.pcap" $WAN1 $WAN2 --min 1000

# What an operator sees.
at_least "policy counts what went out" "$(policystat 1 0 out-transformed)" 1000
at_least "policy counts what came in" "$(policystat 1 0 in-transformed)" 1000
is "policy state" "$(policystat 1 0 ph2-state)" established
for n in 1 2; do
	is "gateway $n dropped only what was too big" \
		"$(xi $n statistics print | awk '$2 != 0 && $1 != "out-state-mode-errors:" {print $1 $2}')" ""
done
check "a clean stop" gw_stop 1
tap_done
