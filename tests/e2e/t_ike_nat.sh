#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# NAT traversal with xdp-iked on both sides (RFC 3947; spec section 21). r translates without state, so that the test says which ports there are:
# the initiator behind NAT, both behind NAT, a mapping that changes under traffic, two peers behind one address, keep-alives.
. "$(dirname "$0")/lib.sh"

NODES+=' gw3' GATEWAYS+=' 3'
NAT=203.0.113.254 WAN3=192.168.7.1 LAN3=10.1.203.0/24 GW_LAN3=10.1.203.1
topo_up none
{
	link gw3 wan r w3 && in_ns gw3 ip addr add $WAN3/24 dev wan && in_ns gw3 ip route add default via 192.168.7.254 &&
		in_ns r ip addr add 192.168.7.254/24 dev w3 && in_ns gw3 ip addr add $GW_LAN3/24 dev lo
} || fatal "a third gateway"

# translate PORT1 PORT3 FORWARD: gw1 and gw3 have the ports PORT1 + 500 (+ 4500) and PORT3 + 500 (+ 4500) of $NAT; FORWARD=yes: for gw1 $INTERNET is gw2.
translate() {
	local n port addr out='' in='' fwd=''
	for n in "$WAN1 $1" "$WAN3 $2"; do
		read -r addr port <<<"$n"
		for p in 500 4500; do
			out+="oifname w2 ip saddr $addr udp sport $p udp sport set $((port + p)) ip saddr set $NAT"$'\n'
			in+="iifname w2 ip daddr $NAT udp dport $((port + p)) udp dport set $p ip daddr set $addr"$'\n'
		done
	done
	if [ "$3" = yes ]; then
		fwd="iifname w1 ip daddr $INTERNET udp dport { 500, 4500 } ip daddr set $WAN2"
		out+="oifname w1 ip saddr $WAN2 udp sport { 500, 4500 } ip saddr set $INTERNET"$'\n'
	fi
	in_ns r nft -f - <<-EOF_NFT
		table ip tr
		delete table ip tr
		table ip tr {
			chain pre {
				type filter hook prerouting priority -300;
				$in
				$fwd
			}
			chain post {
				type filter hook postrouting priority 0;
				$out
			}
		}
	EOF_NFT
}
translate 10000 20000 no || fatal "NAT"

peer='secret=test nat-traversal=yes dpd-interval=disable-dpd'
# shellcheck disable=SC2086 # words
{
	xi 1 peer add address=$WAN2 $peer && xi 3 peer add address=$WAN2 $peer &&
		xi 2 peer add address=$NAT $peer generate-policy=yes &&
		xi 1 policy add src-address=$LAN1 dst-address=$LAN2 sa-src-address=$WAN1 sa-dst-address=$WAN2 tunnel=yes &&
		xi 3 policy add src-address=$LAN3 dst-address=$LAN2 sa-src-address=$WAN3 sa-dst-address=$WAN2 tunnel=yes
} || fatal "configuration"
for n in 1 2 3; do
	xi $n interface attach wan || fatal "attach"
	[ $n = 3 ] || xi $n interface attach lan || fatal "attach"
	gw_start $n && iked_start $n || fatal "start of gateway $n"
done
capture_start r w1 w1
capture_start r w2 w2

sas() { xi "$1" installed-sa print count-only 2>/dev/null; }
ping3() { in_ns gw3 ping -n -q -l "${1:-3}" -c "${1:-3}" -i 10 -w 5 -I $GW_LAN3 $HOST_B; }

# The initiator is behind NAT.
check "the initiator behind NAT: the tunnel comes up" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
is "SAs" "$(sas 1) $(sas 2)" "2 2"
check "and back" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_A
check "the responder has the ports of the translation" grep -q "ISAKMP-SA established $WAN2\\[4500\\]-$NAT\\[14500\\]" "$T/iked2.log"

# A second peer behind the same address, to the same responder: each has its own SAs.
check "two peers behind one NAT: the second comes up" ping3
is "SAs of both" "$(sas 1) $(sas 2) $(sas 3)" "2 4 2"
check "the first goes on" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_B
check "the second, too" ping3 20
check "both at once" sh -c "$(declare -f in_ns); P=$P; in_ns a ping -n -q -c 50 -i 0.02 -W 3 $HOST_B & p=\$!; in_ns gw3 ping -n -q -c 50 -i 0.02 -W 3 -I $GW_LAN3 $HOST_B && wait \$p"

# The translation of the first changes under traffic; what a stranger sends changes nothing, be it with an SPI of theirs.
stranger() { # SPI
	in_ns r python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 39999))
for i in range(5):
    s.sendto(int(sys.argv[3]).to_bytes(4, "big") + (100000 + i).to_bytes(4, "big") + bytes(112), (sys.argv[2], 4500))' $NAT $WAN2 "$1"
}
spi=$(sed -n "s/.*established: ESP.Tunnel $NAT\\[14500\\].* spi=\\([0-9]*\\).*/\\1/p" "$T/iked2.log" | tail -n 1)
before=$(stat_get 2 in-state-protocol-errors)
stranger "$spi"
check "a stranger's packets are refused" stat_wait 2 in-state-protocol-errors $((before + 5))
in_ns a ping -n -q -c 400 -i 0.02 -W 3 $HOST_B >"$T/moving.out" &
moving=$!
translate 30000 20000 no
check "the mapping changes: noticed" wait_for "grep -q 'is now at $NAT\\[34500\\]' $T/iked2.log" 10
wait $moving
at_least "traffic went on" "$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$T/moving.out")" 200
is "the stranger was not followed" "$(grep -c 39999 "$T/iked2.log")" 0
check "the second peer stayed where it was" ping3 20
is "no SA was made anew" "$(sas 1) $(sas 2) $(sas 3)" "2 4 2"
check "and back, by the new port" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_A

# Keep-alives: one byte, from behind the NAT, never from the one in front of it.
keepalives() { tcpdump -nn -r "$T/w2.pcap" "udp port 4500 and udp[4:2] = 9 and udp[8] = 0xff and src host $1" 2>/dev/null | wc -l; }
check "keep-alives come by without traffic" wait_for "[ \"\$(keepalives $NAT)\" -ge 3 ]" 60
is "not more often than every 20 s from a port" "$(tcpdump -tt -nn -r "$T/w2.pcap" "udp[4:2] = 9 and udp[8] = 0xff" 2>/dev/null | awk '
	{ if (($3 in last) && $1 - last[$3] < 15) often++; last[$3] = $1 } END { print often + 0 }')" 0
is "none from the side that is not behind NAT" "$(keepalives $WAN2)" 0

# Both behind NAT: the responder is reached by a forwarded port.
for n in 1 3; do
	xi $n remote-peers kill-connections
done
check "all gone" wait_for "[ \"\$(sas 1) \$(sas 2) \$(sas 3)\" = '0 0 0' ]" 15
translate 10000 20000 yes
xi 1 peer set 0 address=$INTERNET && xi 1 policy set 0 sa-dst-address=$INTERNET || fatal "reconfigure"
check "both behind NAT: the tunnel comes up" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
is "SAs of both behind NAT" "$(sas 1) $(sas 2)" "2 2"
check "and back" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_A

# The same two with a policy for each in place of generated ones.
for n in 1 3; do
	xi $n remote-peers kill-connections
done
check "all gone again" wait_for "[ \"\$(sas 1) \$(sas 2) \$(sas 3)\" = '0 0 0' ]" 15
xi 2 peer set 0 generate-policy=no || fatal "reconfigure"
for lan in $LAN1 $LAN3; do
	xi 2 policy add src-address=$LAN2 dst-address=$lan sa-src-address=$WAN2 sa-dst-address=$NAT tunnel=yes level=unique || fatal "policy"
done
check "a policy for each: the first" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
check "a policy for each: the second" ping3
is "SAs of both" "$(sas 1) $(sas 2) $(sas 3)" "2 4 2"
check "the first goes on" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_B
check "the second, too" ping3 20

capture_stop w1
capture_stop w2
check "nothing in clear (first)" no_clear w1 --min 20
check "nothing in clear (second)" no_clear w2 --min 20
is "no ESP outside UDP" "$(tcpdump -nn -r "$T/w2.pcap" 'ip proto 50' 2>/dev/null | wc -l)" 0
tap_done
