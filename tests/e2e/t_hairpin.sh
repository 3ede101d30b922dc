#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A gateway with one interface: the host behind it and the router towards the peer are on the same wire. What is to be protected leaves by the
# interface it came in by, and so does what was decrypted; native and generic mode, both families, too big, in fragments, forged, and with
# xdp-ipsecd killed; redirects of the kernel. Host A gets a second leg for that: eth1 on a bridge with gateway 1's WAN and the router.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
one_wire() {
	in_ns r ip link add br0 type bridge && in_ns r ip link set w1 master br0 && link a eth1 r a1 &&
		in_ns r ip link set a1 master br0 && in_ns r sysctl -qw net.ipv6.conf.br0.accept_dad=0 && in_ns r ip link set br0 up &&
		in_ns r ip addr flush dev w1 && in_ns r ip addr add 198.51.100.254/24 dev br0 && addr6 r br0 2001:db8:100::fe/64 &&
		in_ns a ip link del eth0 && in_ns a ip addr add $HOST_A/24 dev eth1 && enable6 a eth1 && addr6 a eth1 $HOST_A_6/64 &&
		in_ns a ip route add default via $GW_LAN1 && in_ns a ip route add default via $GW_LAN1_6 &&
		in_ns gw1 ip addr add $GW_LAN1/24 dev wan && addr6 gw1 wan $GW_LAN1_6/64 &&
		in_ns gw1 sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.wan.send_redirects=0
}
one_wire || fatal "set up the wire"
sa_policy 1 && sa_policy 2 && sa_policy 1 inner=6 name=six spi=0x600 && sa_policy 2 inner=6 name=six spi=0x600 || fatal "policy"
gw_attach 2 && gw_start 2 || fatal "start"
GW_MAC=$(mac gw1 wan)

# clear NAME SOURCE DESTINATION: frames that gateway 1 sent with these networks in clear
clear() { tcpdump -nr "$T/$1.pcap" "ether src $GW_MAC and src net $2 and dst net $3" 2>/dev/null | wc -l; }

hairpin() { # MODE
	local v src dst host=$HOST_B lan1=$LAN1 lan2=$LAN2 before
	xi 1 interface attach wan mode="$1" 2>/dev/null && gw_start 1 || fatal "start, $1"
	capture_start r w1 w1
	capture_start r w2 w2
	for v in 4 6; do
		[ $v = 4 ] || host=$HOST_B_6 lan1=$LAN1_6 lan2=$LAN2_6
		check "$1, IPv$v: ping" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $host
		check "$1, IPv$v: of 4000 bytes (IPv6: the first is told the MTU)" wait_for "in_ns a ping -n -q -l 3 -c 3 -i 10 -w 1 -s 4000 $host"
		in_ns a ping -n -q -c 2 -i 0.05 -W 1 -M "do" -s 1450 $host >"$T/big" 2>&1
		check "$1, IPv$v: too big: the sender is told on the wire it came by" wait_for "in_ns a ip route get $host | grep -q mtu"
		bg b "iperf$1$v" iperf3 -s -1 -B $host
		wait_for "grep -q listening $T/iperf$1$v.log" || fatal "iperf3"
		check "$1, IPv$v: TCP" in_ns a timeout 30 iperf3 -c $host -n 2M
		capture_sync w1
		is "$1, IPv$v: nothing from the gateway to the far LAN in clear" "$(clear w1 $lan1 $lan2)" 0
		at_least "$1, IPv$v: what was decrypted leaves by the same wire" "$(clear w1 $lan2 $lan1)" 10
	done
	check "$1: from the far side" in_ns b ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_A
	check "$1: a neighbour that is not in the kernel's table any more" eval "in_ns gw1 ip neigh flush dev wan && in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B"
	is "$1: counted by the policy" "$(policystat 1 0 in-dropped) $(policystat 1 0 out-dropped) $(policystat 1 0 out-accepted)" "0 0 0"
	before=$(stat_get 1 in-template-mismatches)
	forge a eth1 gw1 wan clear --src $HOST_B --dst $HOST_A
	forge r br0 gw1 wan clear --src $HOST_B --dst $GW_LAN1
	check "$1: forged on the wire" stat_wait 1 in-template-mismatches $((before + 2))
	before=$(stat_get 1 out-errors)
	gw_kill9 1
	in_ns a ping -n -q -c 3 -i 0.02 -W 0.2 $HOST_B >"$T/ping.out"
	is "$1: killed: dropped" "$(($(stat_get 1 out-errors) - before))" 3
	capture_stop w1 || not_ok "capture"
	is "$1: nothing in clear after that" "$(clear w1 $LAN1 $LAN2)" 0
	capture_stop w2 || not_ok "capture"
	check "$1: no cleartext on the way to the peer" no_clear w2 --min 100
	xi 1 interface detach wan 2>/dev/null || not_ok "detach"
}
hairpin native
hairpin generic

# The kernel would tell the far host of a shorter way, where its network is on the wire, too, and quote what has just come out of the tunnel.
xi 1 interface attach wan firewall=yes 2>/dev/null && gw_start 1 || fatal "start"
in_ns gw1 sysctl -qw net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.wan.send_redirects=1
in_ns gw1 ip route add $LAN2 dev wan && in_ns gw1 ip route add $LAN2_6 dev wan || fatal "routes"
for host in $HOST_B $HOST_B_6; do in_ns gw1 ip neigh replace $host lladdr "$(mac r br0)" dev wan || fatal "neighbour"; done
capture_start r w1 w1
redirects() { drops_seen 1 | sed -n "s/^$(reason_text OUT_REDIRECT)\t//p"; }
for to in $HOST_A $HOST_A_6; do
	before=$(redirects)
	check "a redirect about what came out of the tunnel is dropped: to $to" \
		wait_for "in_ns b ping -n -q -c 1 -W 1 $to && [ \$((\$(redirects))) -gt $((before)) ]"
done
capture_stop w1 || not_ok "capture"
is "and none is sent" "$(tcpdump -nr "$T/w1.pcap" 'icmp[0] == 5 or icmp6 and ip6[40] == 137' 2>/dev/null | wc -l)" 0
tap_done
