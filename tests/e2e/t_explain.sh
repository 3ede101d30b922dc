#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What an operator is told: `explain` says what becomes of a packet, and that is what becomes of it; asking counts nothing.
# `policy dump-kernel-policies` writes what is in force to the log.
. "$(dirname "$0")/lib.sh"

topo_up none
check "both gateways come up" tunnel_up aes-128-gcm null || fatal "no tunnel"
xi 1 policy add src-address=$LAN1 dst-address=192.0.2.7/32 action=discard
xi 1 policy add src-address=0.0.0.0/0 dst-address=192.0.2.8/32 action=none priority=5
in_ns a ping -n -q -c 3 -i 0.05 -W 2 $HOST_B >/dev/null # next hops are known

verdict() { # GATEWAY ARGUMENTS...: the last step
	local n=$1
	shift
	xi "$n" explain "$@" | sed -n 's/^ *verdict: //p'
}

before=$(xi 1 statistics print; xi 1 policy print stats)
is "into the tunnel" "$(verdict 1 src-address=$HOST_A dst-address=$HOST_B protocol=udp src-port=1 dst-port=2)" "protected and sent"
xi 1 explain src-address=$HOST_A dst-address=$HOST_B protocol=icmp >"$T/steps"
check "it names the SA" grep -q "sa: esp spi=0x100 $WAN1 -> $WAN2 tunnel mode, mature" "$T/steps"
check "and the next hop" grep -q "next-hop: 198.51.100.254 by wan" "$T/steps"
mtu=$(sed -n 's/^ *mtu: \([0-9]*\) bytes.*/\1/p' "$T/steps")
check "ports that are not given are told" grep -q "^ *ports: not all given: 0 for the rest" <(xi 1 explain src-address=$HOST_A dst-address=$HOST_B protocol=udp dst-port=2)
is "delivered here" "$(verdict 1 src-address=$HOST_A dst-address=$GW_LAN1 protocol=tcp src-port=1 dst-port=22)" "delivered to this host"
is "no policy" "$(verdict 1 src-address=$HOST_A dst-address=$INTERNET protocol=icmp)" "sent in clear: no policy matches"
is "action none" "$(verdict 1 src-address=$HOST_A dst-address=192.0.2.8 protocol=icmp)" "sent in clear: policy action none"
is "discard" "$(verdict 1 src-address=$HOST_A dst-address=192.0.2.7 protocol=icmp)" \
	"dropped, out-policy-blocked: policy action discard, outbound"
is "clear from where a tunnel comes from" "$(verdict 1 src-address=$HOST_B dst-address=$HOST_A protocol=icmp direction=in)" \
	"dropped, in-template-mismatches: arrived in clear although a policy requires protection"
is "own packets arrive nowhere" "$(verdict 1 src-address=$GW_LAN1 dst-address=$HOST_B protocol=icmp)" "protected and sent"
is "but one that says it is ours does" "$(verdict 1 src-address=$GW_LAN1 dst-address=$INTERNET protocol=icmp direction=in)" "goes on"
is "own IKE" "$(verdict 1 src-address=$WAN1 dst-address=$WAN2 protocol=udp src-port=500 dst-port=500)" \
	"sent: IKE of this host's own, which no policy looks at"
is "IKE for us" "$(verdict 1 src-address=$WAN2 dst-address=$WAN1 protocol=udp src-port=1 dst-port=500)" \
	"delivered to this host: IKE, which no policy looks at"
xi 1 policy add src-address=$WAN1/32 dst-address=203.0.113.9/32 action=discard
is "port 4500 is like any other without NAT traversal" \
	"$(verdict 1 src-address=203.0.113.9 dst-address=$WAN1 protocol=udp src-port=1 dst-port=4500)" \
	"dropped, in-policy-blocked: policy action discard, inbound"
is "as a source, too" "$(verdict 1 src-address=$WAN1 dst-address=203.0.113.9 protocol=udp src-port=4500 dst-port=1)" \
	"dropped, out-policy-blocked: policy action discard, outbound"
xi 1 policy remove 3 || not_ok "remove"
is "ESP for us" "$(verdict 1 src-address=$WAN2 dst-address=$WAN1 protocol=50)" \
	"IPsec for this host: opened by the SA of its SPI, dropped if there is none"
is "nothing was counted" "$(xi 1 statistics print; xi 1 policy print stats)" "$before"

# The mtu it names is what fits, to the byte.
check "a packet of that size goes with DF" in_ns a ping -n -q -c 1 -W 2 -M "do" -s $((mtu - 28)) $HOST_B
in_ns a ping -n -q -c 1 -W 1 -M "do" -s $((mtu - 27)) $HOST_B >"$T/ping" 2>&1
check "one byte more does not" grep -qE "0 received|mtu" "$T/ping"

# The gateway's outer address goes: the SA keeps it.
ip -n "$P-gw1" addr add 198.51.100.9/24 dev wan
ip -n "$P-gw1" addr del $WAN1/24 dev wan
ip -n "$P-gw1" addr replace 198.51.100.9/24 dev wan
ip -n "$P-gw1" route replace default via 198.51.100.254
check "an SA from an address that is not ours any more" wait_for "xi 1 explain src-address=$HOST_A dst-address=$HOST_B protocol=icmp |
	grep -q 'no route to the peer from the SA.s source, which is no address of this host'"
ip -n "$P-gw1" addr add $WAN1/24 dev wan
ip -n "$P-gw1" addr del 198.51.100.9/24 dev wan
ip -n "$P-gw1" addr replace $WAN1/24 dev wan
ip -n "$P-gw1" route replace default via 198.51.100.254
check "the address comes back" wait_for "[ \"\$(verdict 1 src-address=$HOST_A dst-address=$HOST_B protocol=icmp)\" = 'protected and sent' ]"

xi 1 manual-sa disable m
is "no SA" "$(verdict 1 src-address=$HOST_A dst-address=$HOST_B protocol=icmp direction=out)" \
	"dropped, out-no-states: policy requires an SA, none is usable"
in_ns a ping -n -q -c 1 -W 1 $HOST_B >/dev/null
check "and so it is" stat_wait 1 out-no-states 1
check "as JSON" sh -c "nsenter --net=/run/netns/$P-gw1 $O/xdp-ipsec -j --instance ${P}g1 explain src-address=$HOST_A \
	dst-address=$HOST_B protocol=icmp | python3 -c 'import json,sys; assert json.load(sys.stdin)[-1][\"step\"] == \"verdict\"'"

# Spec 7.2: three lines each, in evaluation order, nothing on the terminal.
is "dump-kernel-policies prints nothing" "$(xi 1 policy dump-kernel-policies 2>&1)" ""
sed -n 's/^[0-9:]* ipsec,debug,packet //p' "$T/gw1.log" >"$T/dump"
is "and writes the policies in their order" "$(cat "$T/dump")" "policy none fwd: 192.0.2.8[0] - 0.0.0.0/0[0] 
policy none in: 192.0.2.8[0] - 0.0.0.0/0[0] 
policy none out: 0.0.0.0/0[0] - 192.0.2.8[0] 
policy discard fwd: 192.0.2.7[0] - ${LAN1}[0] 
policy discard in: 192.0.2.7[0] - ${LAN1}[0] 
policy discard out: ${LAN1}[0] - 192.0.2.7[0] "
xi 1 manual-sa enable m
# A policy of xdp-iked's, and multicast.
xi 1 policy add src-address=$LAN1 dst-address=10.7.0.0/16 tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2 place-before=0 2>/dev/null
is "nobody negotiates" "$(verdict 1 src-address=$HOST_A dst-address=10.7.0.1 protocol=icmp)" \
	"dropped, out-no-states: policy requires an SA, none is usable"
check "xdp-iked" iked_start 1
is "nor is there anybody to negotiate with" "$(verdict 1 src-address=$HOST_A dst-address=10.7.0.1 protocol=icmp)" \
	"dropped, out-no-states: policy requires an SA, none is usable"
xi 1 explain src-address=$HOST_A dst-address=10.7.0.1 protocol=icmp >"$T/steps"
check "which is said" grep -q "sa: none: no enabled peer item has $WAN2, nothing is negotiated" "$T/steps"
xi 1 peer add address=203.0.113.0/25 secret=s nat-traversal=yes 2>/dev/null || not_ok "peer"
natt=$(verdict 1 src-address=$WAN2 dst-address=$WAN1 protocol=udp src-port=1 dst-port=4500)
is "with NAT traversal it is IKE's" "$natt" "delivered to this host: IKE, which no policy looks at"
is "an SA is asked for" "$(verdict 1 src-address=$HOST_A dst-address=10.7.0.1 protocol=icmp)" \
	"waits for the SA, with two more packets of this policy at most, then it is sent"
xi 1 policy set 0 tunnel=no 2>/dev/null || not_ok "transport mode"
is "not for what only a tunnel carries" "$(verdict 1 src-address=$HOST_A dst-address=10.7.0.1 protocol=icmp)" \
	"dropped, out-bundle-errors: transport mode, but the packet's addresses are not the SA's endpoints"
xi 1 policy set 0 tunnel=yes || not_ok "tunnel"
xi 1 policy set 0 dst-address=224.0.0.0/4 || not_ok "multicast"
is "multicast goes into no tunnel" "$(verdict 1 src-address=$GW_LAN1 dst-address=239.1.1.1 protocol=udp)" \
	"dropped, out-no-states: policy requires an SA, none is usable"
xi 1 policy set 0 level=use || not_ok "level"
is "of level use, too" "$(verdict 1 src-address=$GW_LAN1 dst-address=239.1.1.1 protocol=udp)" \
	"dropped, out-no-states: policy requires an SA, none is usable"
xi 1 policy remove 0 2>/dev/null || not_ok "remove"
stop_pid "${IKED_PID[1]}"
# Word for word those of the spec, the hour aside; ports, both families, order by priority.
xi 1 policy add "src-address=$WAN1/32" "dst-address=$WAN2/32" action=encrypt priority=9
xi 1 policy add src-address=2001:db8:1::/64 dst-address=2001:db8:2::7/128 protocol=tcp src-port=443 dst-port=any action=encrypt \
	tunnel=yes "sa-src-address=$WAN1" "sa-dst-address=$WAN2" level=use priority=8
lines=$(wc -l <"$T/gw1.log")
xi 1 policy dump-kernel-policies
tail -n "+$((lines + 1))" "$T/gw1.log" | grep 'ipsec,debug,packet' >"$T/dump"
is "each line has the hour in front" "$(grep -cvE '^[0-2][0-9]:[0-5][0-9]:[0-5][0-9] ipsec,debug,packet policy ' "$T/dump")" 0
is "as the spec has them" "$(cut -d ' ' -f 2- "$T/dump")" "ipsec,debug,packet policy ipsec fwd: 203.0.113.1[0] - 198.51.100.1[0] 
ipsec,debug,packet policy ipsec in: 203.0.113.1[0] - 198.51.100.1[0] 
ipsec,debug,packet policy ipsec out: 198.51.100.1[0] - 203.0.113.1[0] 
ipsec,debug,packet policy ipsec fwd: 2001:db8:2::7[0] - 2001:db8:1::/64[443] 
ipsec,debug,packet policy ipsec in: 2001:db8:2::7[0] - 2001:db8:1::/64[443] 
ipsec,debug,packet policy ipsec out: 2001:db8:1::/64[443] - 2001:db8:2::7[0] 
ipsec,debug,packet policy none fwd: 192.0.2.8[0] - 0.0.0.0/0[0] 
ipsec,debug,packet policy none in: 192.0.2.8[0] - 0.0.0.0/0[0] 
ipsec,debug,packet policy none out: 0.0.0.0/0[0] - 192.0.2.8[0] 
ipsec,debug,packet policy ipsec fwd: 10.1.101.0/24[0] - 10.1.202.0/24[0] 
ipsec,debug,packet policy ipsec in: 10.1.101.0/24[0] - 10.1.202.0/24[0] 
ipsec,debug,packet policy ipsec out: 10.1.202.0/24[0] - 10.1.101.0/24[0] 
ipsec,debug,packet policy discard fwd: 192.0.2.7[0] - 10.1.202.0/24[0] 
ipsec,debug,packet policy discard in: 192.0.2.7[0] - 10.1.202.0/24[0] 
ipsec,debug,packet policy discard out: 10.1.202.0/24[0] - 192.0.2.7[0] "
xi 1 policy remove 3,4 2>/dev/null || not_ok "remove"

# The interfaces it passes: are they attached and served?
check "which interfaces" eval "xi 1 explain src-address=$HOST_A dst-address=$HOST_B protocol=icmp >$T/steps"
check "arrives" grep -q "arrives-by: lan, attached, 1 of 1 queue(s) served" "$T/steps"
check "leaves" grep -q "leaves-by: wan, attached, 1 of 1 queue(s) served" "$T/steps"
xi 1 interface detach lan 2>/dev/null
check "not attached" eval "xi 1 explain src-address=$HOST_A dst-address=$HOST_B protocol=icmp | grep -q 'arrives-by: lan, not attached'"
is "the stack brings it to the WAN, where it is protected" \
	"$(verdict 1 src-address=$HOST_A dst-address=$HOST_B protocol=icmp)" "protected and sent"
check "and so it is" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B
xi 1 interface attach lan 2>/dev/null && xi 1 interface detach wan 2>/dev/null || not_ok "the other way round"
is "what the host sends where nothing is attached" "$(verdict 1 src-address=$GW_LAN1 dst-address=$HOST_B protocol=icmp)" \
	"sent in clear: wan, by which it leaves, is not attached"
is "what comes by the LAN" "$(verdict 1 src-address=$HOST_A dst-address=$HOST_B protocol=icmp)" "protected and sent"
xi 1 interface attach wan 2>/dev/null || not_ok "attach"
gw_stop 1 || not_ok "stop"
is "without xdp-ipsecd" "$(verdict 1 src-address=$HOST_A dst-address=$HOST_B protocol=icmp)" \
	"dropped, out-errors: to be protected, but no xdp-ipsecd serves this interface and queue"
before=$(stat_get 1 out-errors)
in_ns a ping -n -q -c 1 -W 0.2 $HOST_B >/dev/null
is "and so it is" "$(stat_get 1 out-errors)" $((before + 1))

# What the stack has to say: forwarding, NAT, a broadcast of its own.
gw_start 1 || fatal "start"
in_ns gw1 sysctl -qw net.ipv4.conf.lan.forwarding=0
toward_b=("src-address=$HOST_A" "dst-address=$HOST_B" protocol=icmp)
source="dropped, out-errors: source address fails the reverse path check, or forwarding is off"
check "forwarding is off" wait_for "[ \"\$(verdict 1 ${toward_b[*]})\" = '$source' ]"
check "it names it" eval "xi 1 explain ${toward_b[*]} | grep -q 'forwarding: is off on lan (sysctl net.ipv4.conf.lan.forwarding)'"
is "what no policy matches" "$(verdict 1 src-address=$HOST_A dst-address=$INTERNET protocol=icmp)" \
	"not forwarded: the stack drops it (no policy matches)"
before=$(stat_get 1 out-errors)
in_ns a ping -n -q -c 1 -W 0.2 $HOST_B >/dev/null
is "and so it is" "$(stat_get 1 out-errors)" $((before + 1))
in_ns gw1 sysctl -qw net.ipv4.conf.lan.forwarding=1
check "on again" wait_for "[ \"\$(verdict 1 ${toward_b[*]})\" = 'protected and sent' ]"
xi 1 policy add src-address=$LAN1 dst-address=10.1.202.255/32 tunnel=yes action=encrypt "sa-src-address=$WAN1" "sa-dst-address=$WAN2" manual-sa=m ||
	not_ok "policy"
is "a broadcast of this host" "$(verdict 1 src-address=$GW_LAN1 dst-address=10.1.202.255 protocol=udp)" \
	"dropped, out-no-states: policy requires an SA, none is usable"
is "one that arrives" "$(verdict 1 src-address=$HOST_A dst-address=10.1.202.255 protocol=udp)" "delivered to this host"
in_ns gw1 nft -f - <<-EOF_NFT
	table ip explained {
		chain pre { type nat hook prerouting priority dstnat; ip daddr 10.77.0.50 dnat to $HOST_A; }
	}
EOF_NFT
check "NAT" eval "xi 1 explain src-address=$HOST_A dst-address=$INTERNET protocol=icmp | grep -q 'nat: this host has NAT'"
for n in 1 2; do
	sa_policy $n src=10.77.0.0/24 name=virtual spi=0x700 || not_ok "policy"
done
check "a connection to what only NAT knows" in_ns b ping -n -q -l 2 -c 2 -i 10 -w 5 10.77.0.50
is "its answers" "$(verdict 1 "${toward_b[@]}")" "judged when it leaves, by the addresses it has then"

wrong() { # DESCRIPTION ERROR ARGUMENTS...
	local what=$1 text=$2
	shift 2
	is "$what" "$(xi 1 explain "$@" 2>&1)" "$text"
}
wrong "an argument is missing" "missing value(s) of argument(s) protocol" src-address=$HOST_A dst-address=$HOST_B
wrong "no address" "invalid value for argument src-address" src-address=x dst-address=$HOST_B protocol=6
wrong "two families" "failure: address families do not match" src-address=$HOST_A dst-address=::1 protocol=6
wrong "port out of range" "value of dst-port out of range (0..65535)" src-address=$HOST_A dst-address=$HOST_B \
	protocol=udp dst-port=65536
tap_done
