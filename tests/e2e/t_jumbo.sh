#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Interfaces with an MTU of 9000: packets of several frames go through the tunnel as any other (multi-buffer AF_XDP, Linux 6.6), in
# native and in generic mode; ESP alone in all sizes, then ESP inside AH in both modes and families.
# shellcheck disable=SC2034 # for lib.sh
XI_MTU=9000 XI_CAPTURE_KB=65536 # TCP at this MTU comes faster than tcpdump writes
. "$(dirname "$0")/lib.sh"

topo_up
topo_ip6
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
	check "ping of $len bytes, not to be cut" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 -M "do" -s $len $HOST_B
	check "and from the other side" in_ns b ping -n -q -l 2 -c 2 -i 10 -w 5 -M "do" -s $len $HOST_A
done
check "too long for the tunnel: the sender learns how much fits" \
	eval "in_ns a ping -n -c 1 -W 1 -M \"do\" -s 8972 $HOST_B | grep -q 'mtu ='"
in_ns a ip route flush cache
check "too long for the tunnel: cut behind it" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 -M dont -s 8972 $HOST_B
check "a datagram of many fragments" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 -M dont -s 30000 $HOST_B

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
check "the gateway's own jumbo packets" in_ns gw1 ping -n -q -l 2 -c 2 -i 10 -w 5 -M "do" -s 8000 -I $GW_LAN1 $HOST_B

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
# --- ESP inside AH ---

too_big() { for n in 1 2; do stat_get $n out-state-mode-errors; done | awk '{n += $1} END {print n}'; }
forget() { in_ns "$1" ip route flush cache && in_ns "$1" ip -6 route flush cache; } # what senders there have learned
# size_ping NS TO BYTES [OPTIONS...]: of so many bytes, IP header included
size_ping() {
	local ns=$1 hdr=28
	[[ $2 != *:* ]] || hdr=48
	in_ns "$ns" ping -n -i 0.02 -W 2 -s $(($3 - hdr)) "${@:4}" "$2"
}
whole() { # NS TO: sizes around those of frames come through whole
	local len
	for len in 1714 1792 2048 4096 8000; do size_ping "$1" "$2" $len -q -c 1 -M "do" || return 1; done
}
# bundle NAME FROM FROM-ADDRESS TO TO-ADDRESS FITS SA...: both ways, the SA as sa_policy() wants it
bundle() {
	local name=$1 dir ns to fits=$6 before
	check "$name" sa_again proto=ah,esp "${@:7}" || return
	before=$(too_big)
	forget "$2" && forget "$4"
	for dir in "$2 $5" "$4 $3"; do
		read -r ns to <<<"$dir"
		check "$name, $ns: not to be cut" whole "$ns" "$to"
		check "$name, $ns: $fits bytes, neither" size_ping "$ns" "$to" "$fits" -q -c 1 -M "do"
		is "$name, $ns: one byte more is too big, and the sender learns how much is not" \
			"$(size_ping "$ns" "$to" $((fits + 1)) -c 1 -M "do" 2>&1 | grep -ioE 'mtu ?[=:] ?[0-9]+' | grep -oE '[0-9]+' | head -n 1)" "$fits"
	done
	check "$name: in fragments" size_ping "$2" "$5" 30000 -q -c 2 -M dont
	check "$name: in fragments, the other way" size_ping "$4" "$3" 30000 -q -c 2 -M dont
	is "$name: that was all that was dropped" $(($(too_big) - before)) 2
}
capture_start r w1 bundle
# AH: 24 bytes; ESP with AES-CBC and SHA1: 8, IV 16, blocks of 16 with 2 bytes of trailer, ICV 12
bundle "bundle" a $HOST_A b $HOST_B 8910 enc=aes-128 auth=sha1
bundle "bundle, IPv6 in IPv4" a $HOST_A_6 b $HOST_B_6 8910 inner=6
bundle "bundle, IPv4 in IPv6" a $HOST_A b $HOST_B 8894 outer=6
bundle "bundle, IPv6 in IPv6" a $HOST_A_6 b $HOST_B_6 8894 inner=6 outer=6
bundle "bundle in transport mode" gw1 $WAN1 gw2 $WAN2 8930 mode=transport
bundle "bundle in transport mode, IPv6" gw1 $WAN1_6 gw2 $WAN2_6 8934 mode=transport outer=6
capture_stop bundle || not_ok "capture"
check "bundles: no cleartext" no_clear bundle --min 200
is "bundles: only AH in IPv4" "$("$LIBDIR/capture.py" count "$T/bundle.pcap" --src $WAN1)" \
	"$("$LIBDIR/capture.py" count "$T/bundle.pcap" --src $WAN1 --proto 51)"
is "bundles: nothing above 9000 bytes" \
	"$("$LIBDIR/capture.py" list "$T/bundle.pcap" | grep -o ' len=[0-9]*' | awk -F = '$2 > 9000' | wc -l)" 0

for n in 1 2; do
	is "gateway $n dropped only what was too big" \
		"$(xi $n statistics print | awk '$2 != 0 && $1 != "out-state-mode-errors:" {print $1 $2}')" ""
done
in_ns gw1 ip link set lan mtu 8000
check "a change of the MTU is in the log" wait_for "grep -q 'lan: MTU 8000, was 9000' $T/gw1.log"
tap_done
