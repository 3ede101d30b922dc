#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The other ways to run it: generic XDP, several queues and workers, `ip netns exec` (a private /sys for every command),
# interfaces that come and go, MAC addresses that change, a VLAN tag on what arrives.
export XI_QUEUES=2
. "$(dirname "$0")/lib.sh"

topo_up masquerade
for n in 1 2; do
	tunnel_add $n aes-128 sha1 || fatal "configuration"
done

# Gateway 1: everything through ip netns exec. Gateway 2: generic mode.
in_exec() { ip netns exec "$P-gw1" "$O/xdp-ipsec" --instance "${P}g1" "$@"; }
check "attach under ip netns exec" in_exec interface attach lan || fatal "attach"
check "attach a second under ip netns exec" in_exec interface attach wan queues=2 || fatal "attach"
gw_start 1 --workers 2 || fatal "start"
gw_attach 2 mode=generic || fatal "attach generic"
gw_start 2 --workers 1 || fatal "start"
capture_start r w1 w1

check "mode is shown" sh -c "$(declare -f in_ns xi); O=$O P=$P; xi 2 interface print | grep -q 'mode=generic'"
check "two queues are served" wait_for "in_exec interface print | grep -q 'sockets=2'"
for i in 1 2 3 4 5 6; do
	check "ping $i from A" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B
done
check "ping from B to the native gateway: into the stack" in_ns b ping -n -q -l 2 -c 2 -i 10 -w 5 $GW_LAN1
check "ping from A to the generic gateway: into the stack" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $GW_LAN2
bg b udp "$LIBDIR/udpsweep.py" serve $HOST_B 7001 "$T/udp.json"
wait_for "grep -q ready $T/udp.log" || fatal "echo server"
check "UDP of every size, generic mode and two queues" in_ns a "$LIBDIR/udpsweep.py" sweep $HOST_B 7001
nat_set 2 bypass
check "the generic gateway's own packets" in_ns gw2 ping -n -q -l 2 -c 2 -i 10 -w 5 -I $GW_LAN2 $HOST_A

# The routers' and hosts' addresses change below us.
in_ns r ip link set w1 address 02:00:00:00:aa:01
in_ns r ip neigh flush dev w1
in_ns gw1 ip neigh flush dev wan
check "the next hop has another MAC" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
in_ns gw1 ip link set lan address 02:00:00:00:aa:02
in_ns a ip neigh flush dev eth0
check "our own MAC has changed" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
in_ns gw1 ip link set wan mtu 1300
in_ns r ip link set w1 mtu 1300
check "our MTU has changed: fragments" wait_for "in_ns a ping -n -q -l 2 -c 2 -i 10 -w 1 -M dont -s 1400 $HOST_B"
check "our MTU has changed: path MTU" wait_for "in_ns a ping -n -q -c 1 -W 1 -M do -s 1150 $HOST_B"
in_ns gw1 ip link set wan mtu 1500
in_ns r ip link set w1 mtu 1500

# TTL: one less at each gateway. The second one's ICMP comes from its WAN address, which no policy covers and the router cannot return.
is "TTL 1 ends at the first gateway" "$(in_ns a ping -n -c 1 -t 1 -W 2 $HOST_B | grep -o "From $GW_LAN1")" "From $GW_LAN1"
capture_start b eth0 ttl icmp
in_ns a ping -n -q -c 1 -t 2 -W 0.3 $HOST_B >"$T/ttl2.out"
capture_stop ttl
is "TTL 2 ends at the second" "$("$LIBDIR/capture.py" count "$T/ttl.pcap" --dst $HOST_B)" 0
check "TTL 3 arrives" in_ns a ping -n -q -c 1 -t 3 -W 2 $HOST_B

# An interface that goes away and comes back.
in_ns gw1 ip link del lan
wait_for "! in_exec interface print | grep -q 'name=\"lan\".*state=running'" || not_ok "lan is gone"
check "one that vanished can be detached" in_exec interface detach lan
link a eth0 gw1 lan && in_ns a ip addr add $HOST_A/24 dev eth0 && in_ns a ip route add default via $GW_LAN1 &&
	in_ns gw1 ip addr add $GW_LAN1/24 dev lan || fatal "lan again"
check "and attached again" in_exec interface attach lan
check "ping after that" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B

# The host's firewall sees what comes out of a tunnel where the interface that the tunnel comes in by says so.
in_ns gw2 nft "table ip wall { chain through { type filter hook forward priority 0; ip saddr $HOST_A counter drop; }; }" || fatal "nft"
stopped() { in_ns gw2 nft list table ip wall | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'; }
check "the fast path passes by the firewall" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
is "which has seen nothing" "$(stopped)" 0
xi 2 interface detach wan && xi 2 interface attach wan mode=generic firewall=yes || fatal "attach with firewall=yes"
check "firewall=yes is shown" sh -c "$(declare -f in_ns xi); O=$O P=$P; xi 2 interface print detail | grep -q 'firewall=yes'"
check "and exported" sh -c "$(declare -f in_ns xi); O=$O P=$P; xi 2 export compact | tr -d '\\\n' | grep -q 'firewall=yes'"
for i in 1 2 3; do in_ns a ping -n -q -c 1 -W 0.2 $HOST_B >"$T/wall.out" 2>&1 && not_ok "ping $i through the firewall"; done
is "firewall=yes: it stops what comes out of the tunnel" "$(stopped)" 3
in_ns gw2 nft flush chain ip wall through && in_ns gw2 nft add rule ip wall through ip saddr $HOST_A counter accept || fatal "nft"
check "and lets through what it accepts" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
is "each packet" "$(stopped)" 3
check "UDP of every size through the firewall" in_ns a "$LIBDIR/udpsweep.py" sweep $HOST_B 7001

capture_stop w1 || not_ok "capture"
check "no cleartext" no_clear w1 --min 100
tap_done
