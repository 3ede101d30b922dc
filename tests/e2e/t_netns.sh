#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# An instance belongs to one network namespace: another one is refused while it lives, and nothing of one that is gone is taken
# for attached (the same names and indexes come back there).
. "$(dirname "$0")/lib.sh"

topo_up none
tunnel_up aes-128 sha1 || fatal "no tunnel"
check "ping" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
elsewhere() { in_ns r "$O/xdp-ipsec" --instance "${P}g1" "$@" 2>"$T/err"; }
if elsewhere interface attach w1; then not_ok "attach in the wrong namespace"; else
	check "the text says so" grep -q "belongs to another network namespace" "$T/err"
fi
if elsewhere interface detach lan; then not_ok "detach in the wrong namespace"; else ok "detach in the wrong namespace is refused"; fi
check "nothing has changed" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B

# The gateway loses its namespace with everything in it; a new one with the same names and indexes takes its place.
seq_of() { xi 1 installed-sa print detail | tr ' ' '\n' | awk -F= '/^direction=/{d=$2} /^seq=/{s[d]=$2} END{print s["out"]}'; }
last=$(seq_of)
gw_kill9 1
ip netns del "$P-gw1"
wait_for "! in_ns a ip link show eth0"
ip netns add "$P-gw1"
in_ns gw1 ip link set lo up
in_ns gw1 sysctl -qw net.ipv4.ip_forward=1
link a eth0 gw1 lan && link gw1 wan r w1 && in_ns a ip addr add $HOST_A/24 dev eth0 &&
	in_ns a ip route add default via $GW_LAN1 && in_ns gw1 ip addr add $GW_LAN1/24 dev lan &&
	in_ns gw1 ip addr add $WAN1/24 dev wan && in_ns gw1 ip route add default via 198.51.100.254 &&
	in_ns r ip addr add 198.51.100.254/24 dev w1 || fatal "the second namespace"
capture_start r w1 w1
check "start attaches again" xi 1 start
is "three programs: lan, wan, xi1" "$(in_ns gw1 ip link show | grep -c prog/xdp)" 3
in_ns a ping -n -q -c 2 -i 0.05 -W 0.2 $HOST_B >/dev/null
gw_start 1 || fatal "start"
check "ping through the new one" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
at_least "sequence numbers went on" "$(seq_of)" "$last"
capture_stop w1 || not_ok "capture"
check "no cleartext" no_clear w1 --min 6
tap_done
