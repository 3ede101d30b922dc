#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# ESP in UDP (RFC 3948) with a NAT between the gateways: gateway 2 sees gateway 1 as 203.0.113.254, with a port of the NAT's own.
. "$(dirname "$0")/lib.sh"

NAT=203.0.113.254
topo_up none

# nat PORT: gateway 1's packets get this source port
nat() {
	in_ns r nft -f - <<-EOF_NFT
		table ip natt
		delete table ip natt
		table ip natt {
			chain post {
				type nat hook postrouting priority srcnat;
				ip saddr $WAN1 udp sport 4500 snat to $NAT:$1
			}
		}
	EOF_NFT
}
nat 40500 || fatal "NAT"
in_ns r sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1 net.netfilter.nf_conntrack_udp_timeout_stream=1 || fatal "NAT"

# up KEY=VALUE...: both ends of an SA through the NAT
up() {
	sa_policy 1 nat-traversal=yes "$@" && sa_policy 2 nat-traversal=yes natt-port=40500 "$@" &&
		xi 2 policy set 0 sa-dst-address=$NAT
}

# udp_only NAME: at r's far side everything between the NAT and gateway 2 is UDP between the two ports
udp_only() {
	local udp
	udp=$("$LIBDIR/capture.py" only "$T/$1.pcap" $NAT $WAN2 17 --min "$2") || { echo "$udp"; return 1; }
	! tcpdump -nr "$T/$1.pcap" "udp and not (port 4500 and (port 40500 or port 40600))" 2>/dev/null | grep .
}

check "SAs through the NAT" up || fatal "no SA"
for n in 1 2; do { gw_attach $n && gw_start $n; } || fatal "start"; done
capture_start r w2 w2
check "ping from A to B" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
check "ping from B to A" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_A
bg b udp "$LIBDIR/udpsweep.py" serve $HOST_B 7001 "$T/udp.json"
wait_for "grep -q ready $T/udp.log" || fatal "echo server"
check "UDP of all sizes" in_ns a "$LIBDIR/udpsweep.py" sweep $HOST_B 7001 --from 1300
bg b iperf iperf3 -s -1 -B $HOST_B
wait_for "grep -q listening $T/iperf.log" || fatal "iperf3"
check "TCP" in_ns a timeout 30 iperf3 -c $HOST_B -n 5M
capture_stop w2 || not_ok "capture"
check "no cleartext" no_clear w2 --min 100
check "only UDP 4500, through the NAT" udp_only w2 100

# The NAT forgets and gives another port: seen by authentic packets, which are taken as before.
check "the NAT's mapping ages" wait_for '! in_ns r cat /proc/net/nf_conntrack | grep -q "dport=4500"' 20
nat 40600 || fatal "NAT"
connections() { in_ns gw2 grep -c "/${P}g2/data.sock" /proc/net/unix; } # the listening one included
before=$(connections)
bg gw2 events "$O/xdp-ipsec" --instance "${P}g2" monitor events
check "events are listened to" wait_for "[ \$(connections) -gt $before ]" 10
capture_start r w2 moved
in_ns a ping -n -q -c 3 -i 0.05 -W 0.3 $HOST_B >"$T/ping.out"
check "an event says the new port" wait_for "grep -q 'natt-mapping .*address=$NAT .*port=40600' $T/events.log" 5
capture_stop moved
at_least "what came from there was taken" "$(policystat 2 0 in-transformed)" 10
is "no drop for it" "$(stat_get 2 in-state-mismatches)" 0

# Keep-alives: gateway 1 has nothing to say for 20 s; those that arrive end in the XDP program.
capture_start r w1 alive "udp port 4500 and less 60"
check "a keep-alive after 20 s" wait_for "[ \$(\"$LIBDIR/capture.py\" count $T/alive.pcap --src $WAN1 --dst $WAN2 --proto 17) -ge 1 ]" 40
capture_stop alive
is "of one byte" "$(tcpdump -nr "$T/alive.pcap" "src $WAN1 and udp[4:2] = 9 and udp[8] = 0xff" 2>/dev/null | grep -c .)" \
	"$("$LIBDIR/capture.py" count "$T/alive.pcap" --src $WAN1 --proto 17)"
for n in 1 2; do
	is "gateway $n dropped only what was too big" \
		"$(xi $n statistics print | awk '$2 != 0 && $1 != "out-state-mode-errors:" {print $1 $2}')" ""
done

# Transport mode: the peer's checksums were over its own address (RFC 3948 §3.1.2).
nat 40500 || fatal "NAT"
check "the NAT's mapping ages" wait_for '! in_ns r cat /proc/net/nf_conntrack | grep -q "dport=4500"' 40
for n in 1 2; do { xi $n policy remove 0 && xi $n manual-sa remove 0; } || fatal "policy"; done
check "transport mode through the NAT" up mode=transport || fatal "no SA"
xi 2 policy set 0 dst-address=$NAT/32 || fatal "policy"
capture_start r w2 w2
bg gw2 iperf iperf3 -s -1 -B $WAN2
wait_for "grep -q listening $T/iperf.log" || fatal "iperf3"
check "transport: ping" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 $WAN2
check "transport: TCP" in_ns gw1 timeout 30 iperf3 -B $WAN1 -c $WAN2 -n 2M
capture_stop w2 || not_ok "capture"
check "transport: only UDP 4500, through the NAT" udp_only w2 100

# RFC 3948 without its UDP, and the reverse: another SA than the packet needs.
before=$(stat_get 2 in-state-mismatches)
{ xi 1 policy remove 0 && xi 1 manual-sa remove 0 && sa_policy 1 mode=transport; } || fatal "policy"
in_ns r nft add rule ip natt post ip saddr $WAN1 ip protocol esp snat to $NAT || fatal "NAT"
in_ns gw1 ping -n -q -c 2 -i 0.05 -W 0.2 $WAN2 >"$T/ping.out"
is "plain ESP for an SA in UDP: in-state-mismatches" $(($(stat_get 2 in-state-mismatches) - before)) 2
tap_done
