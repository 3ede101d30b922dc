#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Interfaces with an MTU of 9000: packets of several frames go through the tunnel as any other (multi-buffer AF_XDP, Linux 6.6), in
# native and in generic mode.
# shellcheck disable=SC2034 # for lib.sh
XI_MTU=9000
. "$(dirname "$0")/lib.sh"

topo_up
if ! tunnel_add 1 aes-128-gcm null || ! xi 1 interface attach lan >"$T/attach.out" 2>&1; then
	grep -q 'need Linux 6.6' "$T/attach.out" || fatal "attach: $(cat "$T/attach.out")"
	ok "an MTU that this kernel cannot do is refused, with the largest possible: $(cat "$T/attach.out")"
	skip "jumbo frames" "AF_XDP of this kernel has one frame a packet (needs Linux 6.6)"
	tap_done
fi
check "the other interface is attached" xi 1 interface attach wan
check "the first gateway starts" gw_start 1
check "the second one comes up, in generic mode" eval 'tunnel_add 2 aes-128-gcm null &&
	xi 2 interface attach lan mode=generic && xi 2 interface attach wan mode=generic && gw_start 2'
capture_start r w1 w1
capture_start r w2 w2

# The host behind gw1 sends what fits exactly, one byte more, and every boundary of the frames (1792 received, 2048 sent).
for len in 56 1472 1700 1730 1763 1764 1765 1792 1950 2000 2048 2100 4000 4096 8000 8800 8900; do
	check "ping of $len bytes, not to be cut" in_ns a ping -n -q -c 2 -i 0.05 -W 2 -M "do" -s $len $HOST_B
	check "and from the other side" in_ns b ping -n -q -c 2 -i 0.05 -W 2 -M "do" -s $len $HOST_A
done
check "too long for the tunnel: the sender learns how much fits" \
	eval "in_ns a ping -n -c 1 -W 1 -M \"do\" -s 8972 $HOST_B | grep -q 'mtu ='"
in_ns a ip route flush cache
check "too long for the tunnel: cut behind it" in_ns a ping -n -q -c 3 -i 0.05 -W 2 -M dont -s 8972 $HOST_B
check "a datagram of many fragments" in_ns a ping -n -q -c 3 -i 0.05 -W 2 -M dont -s 30000 $HOST_B

bg b udp "$LIBDIR/udpsweep.py" serve $HOST_B 7001 "$T/udp.json"
wait_for "grep -q ready $T/udp.log" || fatal "echo server"
check "UDP of every size across the frame's boundaries" \
	in_ns a "$LIBDIR/udpsweep.py" sweep $HOST_B 7001 --from 1650 --to 2150
check "UDP of every size up to what fits" in_ns a "$LIBDIR/udpsweep.py" sweep $HOST_B 7001 --from 8700 --to 8880

bg b iperf iperf3 -s -B $HOST_B
wait_for "grep -q listening $T/iperf.log" || fatal "iperf3"
for dir in "" -R; do
	# shellcheck disable=SC2086 # no word at all, or one
	in_ns a timeout 30 iperf3 -c $HOST_B -n 20M $dir -J >"$T/iperf.json"
	at_least "TCP ${dir:-forward}" \
		"$(python3 -c 'import json,sys; print(int(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"]))' "$T/iperf.json")" \
		12000000
done
check "the gateway's own jumbo packets" in_ns gw1 ping -n -q -c 2 -i 0.05 -W 2 -M "do" -s 8000 -I $GW_LAN1 $HOST_B

capture_stop w1 || not_ok "capture w1"
capture_stop w2 || not_ok "capture w2"
check "no cleartext on the first WAN" no_clear w1 --min 1000
check "no cleartext on the second WAN" no_clear w2 --min 1000
check "only ESP between the gateways" "$LIBDIR/capture.py" only-esp "$T/w1.pcap" $WAN1 $WAN2 --min 1000
# The gateways' own fragments are as large as the path lets them be (spec section 15): all but the last one of a packet.
first_fragments() { tcpdump -nr "$T/$1.pcap" "ip proto 50 and ip[6:2] & 0x2000 != 0 and ip[6:2] & 0x1fff = 0 and ip[2:2] $2" 2>/dev/null | wc -l; }
for w in w1 w2; do
	at_least "$w: first fragments that fill the path" "$(first_fragments $w '> 8990')" 6
	is "$w: and none smaller" "$(first_fragments $w '<= 8990')" 0
done
at_least "and jumbo frames are among it" \
	"$("$LIBDIR/capture.py" list "$T/w1.pcap" | awk '{for (i = 1; i <= NF; i++) if ($i ~ /^len=/) {sub("len=", "", $i); if ($i > 8000) n++}} END {print n + 0}')" 100
for n in 1 2; do
	is "gateway $n dropped only what was too big" \
		"$(xi $n statistics print | awk '$2 != 0 && $1 != "out-state-mode-errors:" {print $1 $2}')" ""
done
in_ns gw1 ip link set lan mtu 8000
check "a change of the MTU is in the log" wait_for "grep -q 'lan: MTU 8000, was 9000' $T/gw1.log"
tap_done
