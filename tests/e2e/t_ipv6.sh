#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# IPv6 inside, outside or both (spec 6.3: the families of inner and outer header may differ): everything of the pair goes, and only as ESP.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6

# traffic INNER OUTER: all kinds of it through the tunnel, seen at r
traffic() {
	local what="IPv$1 in IPv$2" far=$HOST_B near=$HOST_A gw=$GW_LAN2 pair=$LAN1,$LAN2 w1=$WAN1 w2=$WAN2
	[ "$1" = 4 ] || far=$HOST_B_6 near=$HOST_A_6 gw=$GW_LAN2_6 pair=$LAN1_6,$LAN2_6
	[ "$2" = 4 ] || w1=$WAN1_6 w2=$WAN2_6
	capture_start r w1 w1
	check "$what: ping from A to B" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 "$far"
	check "$what: ping from B to A" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 "$near"
	check "$what: ping of the far gateway" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 "$gw"
	bg b "udp$1$2" "$LIBDIR/udpsweep.py" serve "$far" 7001 "$T/udp.json"
	wait_for "grep -q ready $T/udp$1$2.log" || fatal "echo server"
	check "$what: UDP of all sizes; the sender learns the path MTU" in_ns a "$LIBDIR/udpsweep.py" sweep "$far" 7001 --to 1452
	stop_pid "$BG_PID"
	bg b "iperf$1$2" iperf3 -s -1 -B "$far"
	wait_for "grep -q listening $T/iperf$1$2.log" || fatal "iperf3"
	check "$what: TCP" in_ns a timeout 30 iperf3 -c "$far" -n 5M
	capture_stop w1 || not_ok "capture"
	check "$what: no cleartext" no_clear w1 --pair "$pair" --min 100
	check "$what: only ESP between the gateways" "$LIBDIR/capture.py" only-esp "$T/w1.pcap" "$w1" "$w2" --min 100
	at_least "$what: policy counts what went out" "$(policystat 1 0 out-transformed)" 100
	at_least "$what: policy counts what came in" "$(policystat 1 0 in-transformed)" 100
}

check "both gateways come up" sa_up inner=6 outer=6 || fatal "no tunnel"
traffic 6 6
check "the unprotected rest goes as before" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 $INTERNET_6

# A plain packet of the protected pair from outside.
in_ns r ip route add $LAN1_6 via $WAN1_6
before=$(stat_get 1 in-template-mismatches)
in_ns r ip addr add 2001:db8:2::66/128 dev lo nodad
in_ns r ping -n -q -c 2 -i 0.05 -W 0.3 -I 2001:db8:2::66 $HOST_A_6 >"$T/ping.out"
is "in clear from outside: dropped" $(($(stat_get 1 in-template-mismatches) - before)) 2
in_ns r ip addr del 2001:db8:2::66/128 dev lo
in_ns r ip route del $LAN1_6

# A hop limit that is used up at the far gateway: its answer comes back through the tunnel (RFC 4301 §6.2).
in_ns a ping -n -c 1 -W 2 -t 2 $HOST_B_6 >"$T/ping.out"
check "time exceeded of the far gateway comes back" grep -q "exceeded" "$T/ping.out"

for pair in "6 4" "4 6"; do
	# shellcheck disable=SC2086 # two words
	set -- $pair
	check "another tunnel in its place" sa_again "inner=$1" "outer=$2" || fatal "no tunnel"
	traffic "$1" "$2"
done
for n in 1 2; do
	is "gateway $n dropped only what was too big or forged" \
		"$(xi $n statistics print | awk '$2 != 0 && $1 !~ /^(out-state-mode-errors|in-template-mismatches):/ {print $1 $2}')" ""
done
tap_done
