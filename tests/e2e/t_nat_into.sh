#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# NAT into a policy (spec 27.4): what no policy wants by its original addresses is looked up again by its final ones, and the answers, which come by
# the tunnel, are translated back: source NAT to an address of the gateway's own, to addresses that nobody has, destination NAT; from the LAN and
# from an interface that is not attached. Out of it, too: connections of the far side to an address that only destination NAT knows.
. "$(dirname "$0")/lib.sh"

topo_up none
VIRTUAL=10.77.0.0/24 SERVICE=10.55.0.5
link b eth1 gw1 lan2 || fatal "a LAN that is not attached"
{
	in_ns b ip addr add 10.4.202.10/24 dev eth1 && in_ns gw1 ip addr add 10.4.202.1/24 dev lan2 &&
		in_ns b ip rule add from 10.4.202.10 lookup 100 && in_ns b ip route add default via 10.4.202.1 table 100
} || fatal "addresses"
sa_policy 1 "src=$VIRTUAL" && sa_policy 2 "src=$VIRTUAL" || fatal "policy"
sa_policy 1 "src=$GW_LAN1/32" name=own spi=0x200 && sa_policy 2 "src=$GW_LAN1/32" name=own spi=0x200 || fatal "policy"
for n in 1 2; do
	gw_attach $n && gw_start $n || fatal "start"
done
in_ns gw1 sysctl -qw net.ipv4.icmp_ratelimit=0 && in_ns gw2 sysctl -qw net.ipv4.icmp_ratelimit=0 || fatal "sysctl"
bg b tcp iperf3 -s -B $HOST_B
wait_for "grep -q listening $T/tcp.log" || fatal "iperf3"
bg b udp "$LIBDIR/udpsweep.py" serve $HOST_B 7001 "$T/udp.json"
wait_for "grep -q ready $T/udp.log" || fatal "echo server"
capture_start r w1 w1

nat() { # STATEMENTS of nft
	in_ns gw1 nft -f - <<-EOF_NFT
		table ip into
		delete table ip into
		table ip into {
			chain pre { type nat hook prerouting priority dstnat; $1 }
			chain post { type nat hook postrouting priority srcnat; $2 }
		}
	EOF_NFT
	in_ns gw1 conntrack -F 2>/dev/null
	true
}
talk() { # WHAT POLICY TO
	local before
	before=$(policystat 1 "$2" in-transformed)
	check "$1: ping" in_ns a ping -n -q -c 5 -i 0.02 -W 1 "$3"
	check "$1: UDP" in_ns a "$LIBDIR/udpsweep.py" sweep "$3" 7001 --from 1 --to 60
	check "$1: TCP" in_ns a timeout 20 iperf3 -c "$3" -n 2M
	check "$1: from an interface that is not attached" in_ns b ping -n -q -c 5 -i 0.02 -W 1 -I 10.4.202.10 $SERVICE
	at_least "$1: the answers come by the tunnel" $(($(policystat 1 "$2" in-transformed) - before)) 100
}
refused() { # NS DESTINATION: is a datagram to a port that nobody has answered with an error about it?
	in_ns "$1" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 7009))
s.settimeout(2)
s.send(b"SECRET")
try:
    s.recv(9)
except ConnectionRefusedError:
    sys.exit(0)
sys.exit(1)' "$2"
}
# ICMP errors about what was translated: they quote it, and who gets them must know it again.
errors() { # WHAT NS DESTINATION
	is "$1: time exceeded" "$(in_ns "$2" ping -n -c 20 -i 0.02 -t 2 -W 0.5 -p 534543524554 "$3" | grep -c 'Time to live exceeded')" 20
	check "$1: port unreachable" refused "$2" "$3"
	in_ns "$2" ping -n -q -c 1 -W 1 -M "do" -s 1450 "$3" >/dev/null 2>&1
	check "$1: too big" wait_for "in_ns $2 ip route get $3 | grep -q mtu"
	in_ns "$2" ip route flush cache
}
dst="ip daddr $SERVICE dnat to $HOST_B;"
nat "$dst" "oifname wan ip daddr $LAN2 snat to $GW_LAN1;"
talk "to the gateway's own address" 1 $HOST_B
nat "$dst" "oifname wan ip daddr $LAN2 snat to 10.77.0.10-10.77.0.20;"
talk "to addresses of nobody" 0 $HOST_B
errors "to addresses of nobody" a $HOST_B
talk "source and destination" 0 $SERVICE
errors "source and destination" a $SERVICE

# What the far side sends to an address that no network has and only destination NAT knows. No answer teaches anybody about it at first.
nat "ip daddr 10.77.0.50 dnat to $HOST_A;" ""
in_ns a nft 'table ip mute { chain in { type filter hook input priority 0; icmp type echo-request counter drop; }; }' || fatal "nft"
in_ns b ping -n -q -c 30 -i 0.01 -W 0.1 10.77.0.50 >/dev/null
is "what is not answered arrives, too" "$(in_ns a nft list table ip mute | grep -o 'packets [0-9]*')" "packets 30"
in_ns a nft delete table ip mute || fatal "nft"
bg a udp2 "$LIBDIR/udpsweep.py" serve $HOST_A 7001 "$T/udp2.json"
bg a tcp2 iperf3 -s -B $HOST_A
wait_for "grep -q ready $T/udp2.log && grep -q listening $T/tcp2.log" || fatal "servers"
check "from the far side: ping" in_ns b ping -n -q -c 5 -i 0.02 -W 1 10.77.0.50
check "from the far side: UDP" in_ns b "$LIBDIR/udpsweep.py" sweep 10.77.0.50 7001 --from 1 --to 60
check "from the far side: TCP" in_ns b timeout 20 iperf3 -c 10.77.0.50 -n 2M
errors "from the far side" b 10.77.0.50

nat "" "oifname wan ip saddr 10.4.202.0/24 snat to 10.77.0.9;"
xi 1 policy set 0 src-address=$LAN1 2>/dev/null && xi 2 policy set 0 dst-address=$LAN1 2>/dev/null || fatal "policy"
nat "$dst" "ip saddr 10.4.202.0/24 snat to 10.1.202.99;"
talk "destination only" 0 $SERVICE
errors "destination only" a $SERVICE
nat "" ""
check "without NAT" in_ns a ping -n -q -c 3 -i 0.05 -W 2 $HOST_B
capture_stop w1 || not_ok "capture"
is "nothing of it in clear" "$(tcpdump -nn -r "$T/w1.pcap" 'ip and net 10.0.0.0/8' 2>/dev/null | wc -l)" 0
tap_done
