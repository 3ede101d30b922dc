#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# NAT into a policy (spec 27.4): what no policy wants by its original addresses is looked up again by its final ones, and the answers, which come by
# the tunnel, are translated back: source NAT to an address of the gateway's own, to addresses that nobody has, destination NAT; from the LAN and
# from an interface that is not attached. Out of it, too: connections of the far side to an address that only destination NAT knows. Both families.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
VIRTUAL=10.77.0.0/24 SERVICE=10.55.0.5
VIRTUAL_6=2001:db8:77::/64 SERVICE_6=2001:db8:55::5
link b eth1 gw1 lan2 || fatal "a LAN that is not attached"
{
	in_ns b ip addr add 10.4.202.10/24 dev eth1 && in_ns gw1 ip addr add 10.4.202.1/24 dev lan2 &&
		in_ns b ip rule add from 10.4.202.10 lookup 100 && in_ns b ip route add default via 10.4.202.1 table 100
} || fatal "addresses"
sa_policy 1 "src=$VIRTUAL" && sa_policy 2 "src=$VIRTUAL" || fatal "policy"
sa_policy 1 "src=$GW_LAN1/32" name=own spi=0x200 && sa_policy 2 "src=$GW_LAN1/32" name=own spi=0x200 || fatal "policy"
sa_policy 1 inner=6 "src=$VIRTUAL_6" name=six spi=0x300 && sa_policy 2 inner=6 "src=$VIRTUAL_6" name=six spi=0x300 || fatal "policy"
for n in 1 2; do
	gw_attach $n && gw_start $n || fatal "start"
	in_ns gw$n sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 || fatal "sysctl"
done
serve() { # NS ADDRESS
	bg "$1" "tcp$2" iperf3 -s -B "$2"
	bg "$1" "udp$2" "$LIBDIR/udpsweep.py" serve "$2" 7001 "$T/udp$2.json"
	wait_for "grep -q listening $T/tcp$2.log && grep -q ready $T/udp$2.log" || fatal "servers"
}
serve b $HOST_B
serve b $HOST_B_6
capture_start r w1 w1

TABLE=ip
nat() { # STATEMENTS of nft
	in_ns gw1 nft -f - <<-EOF_NFT
		table $TABLE into
		delete table $TABLE into
		table $TABLE into {
			chain pre { type nat hook prerouting priority dstnat; $1 }
			chain post { type nat hook postrouting priority srcnat; $2 }
		}
	EOF_NFT
	in_ns gw1 conntrack -F 2>/dev/null
	true
}
reach() { # WHAT NS DESTINATION
	check "$1: ping" in_ns "$2" ping -n -q -l 5 -c 5 -i 10 -w 5 "$3"
	check "$1: UDP" in_ns "$2" "$LIBDIR/udpsweep.py" sweep "$3" 7001 --from 1 --to 60
	check "$1: TCP" in_ns "$2" timeout 20 iperf3 -c "$3" -n 2M
}
talk() { # WHAT POLICY TO
	local before
	before=$(policystat 1 "$2" in-transformed)
	reach "$1" a "$3"
	[ "$TABLE" = ip6 ] || check "$1: from an interface that is not attached" in_ns b ping -n -q -l 5 -c 5 -i 10 -w 5 -I 10.4.202.10 $SERVICE
	at_least "$1: the answers come by the tunnel" $(($(policystat 1 "$2" in-transformed) - before)) 100
}
refused() { # NS DESTINATION: is a datagram to a port that nobody has answered with an error about it?
	in_ns "$1" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
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
	is "$1: time exceeded" "$(in_ns "$2" ping -n -c 20 -i 0.02 -t 2 -W 0.5 -p 534543524554 "$3" | grep -c -e 'Time to live exceeded' -e 'Time exceeded')" 20
	check "$1: port unreachable" refused "$2" "$3"
	in_ns "$2" ping -n -q -c 1 -W 0.2 -M "do" -s 1450 "$3" >/dev/null 2>&1
	check "$1: too big" wait_for "in_ns $2 ip route get $3 | grep -q mtu"
	in_ns "$2" ip route flush cache && in_ns "$2" ip -6 route flush cache
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
from_afar() { # ADDRESS
	in_ns a nft 'table inet mute { chain in { type filter hook input priority 0; meta l4proto { icmp, ipv6-icmp } @th,0,8 { 8, 128 } counter drop; }; }' ||
		fatal "nft"
	in_ns b ping -n -q -c 30 -i 0.01 -W 0.1 "$1" >/dev/null
	is "what is not answered arrives, too: $1" "$(in_ns a nft list table inet mute | grep -o 'packets [0-9]*')" "packets 30"
	in_ns a nft delete table inet mute || fatal "nft"
	reach "from the far side: $1" b "$1"
	errors "from the far side: $1" b "$1"
}
serve a $HOST_A
serve a $HOST_A_6
nat "ip daddr 10.77.0.50 dnat to $HOST_A;" ""
from_afar 10.77.0.50

nat "" "oifname wan ip saddr 10.4.202.0/24 snat to 10.77.0.9;"
xi 1 policy set 0 src-address=$LAN1 2>/dev/null && xi 2 policy set 0 dst-address=$LAN1 2>/dev/null || fatal "policy"
nat "$dst" "ip saddr 10.4.202.0/24 snat to 10.1.202.99;"
talk "destination only" 0 $SERVICE
errors "destination only" a $SERVICE
nat "" ""
check "without NAT" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B

TABLE=ip6 dst="ip6 daddr $SERVICE_6 dnat to $HOST_B_6;"
nat "$dst" "oifname wan ip6 daddr $LAN2_6 snat to 2001:db8:77::10;"
talk "IPv6, to an address of nobody" 2 $HOST_B_6
errors "IPv6, to an address of nobody" a $HOST_B_6
talk "IPv6, source and destination" 2 $SERVICE_6
errors "IPv6, source and destination" a $SERVICE_6
nat "ip6 daddr 2001:db8:77::50 dnat to $HOST_A_6;" ""
from_afar 2001:db8:77::50
nat "" ""
capture_stop w1 || not_ok "capture"
is "nothing of it in clear" "$(tcpdump -nn -r "$T/w1.pcap" 'ip and net 10.0.0.0/8' 2>/dev/null | wc -l)" 0
is "nor of IPv6" "$(tcpdump -nn -r "$T/w1.pcap" "net $LAN1_6 or net $LAN2_6 or net $VIRTUAL_6 or host $SERVICE_6" 2>/dev/null | wc -l)" 0
tap_done
