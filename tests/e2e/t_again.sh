#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# An attached interface is made anew, loses its programs, or comes back from another network namespace. Until it is attached again the
# guard in netfilter (bpf/guard.bpf.c) drops what policies protect, whoever runs.
. "$(dirname "$0")/lib.sh"

topo_up none
grep -q ' bpf_nf_link_attach$' /proc/kallsyms ||
	{ skip "everything" "this kernel has no BPF programs in netfilter"; tap_done; }
tunnel_up aes-128 sha1 2>/dev/null || fatal "no tunnel"
check "ping" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B

wan_up() { # what an interface loses with its life
	in_ns gw1 ip addr replace $WAN1/24 dev wan && in_ns gw1 ip link set wan up &&
		in_ns gw1 ip route replace default via 198.51.100.254
}
wan_anew() { # NAME of the capture on its other end
	in_ns gw1 ip link del wan 2>/dev/null
	link gw1 wan r w1 && in_ns r ip addr add 198.51.100.254/24 dev w1 && capture_start r w1 "$1" "icmp or esp" &&
		wan_up
}
own() { in_ns gw1 ping -n -q -c 2 -i 0.05 -W 0.2 -I $GW_LAN1 $HOST_B; }
none() { ! "$@"; }
silent() { # NAME MIN: of the capture, in which MIN packets and nothing in clear are
	capture_stop "$1" && no_clear "$1" --min "$2"
}

# --- made anew while nobody can attach it; LAN is not attached: what comes from there meets only WAN ---
xi 1 interface detach lan 2>/dev/null || not_ok "detach"
kill -STOP "${GW_PID[1]}"
wan_anew frozen || fatal "wan"
drops_seen 1 >"$T/before"
capture_start a eth0 inside udp
check "the gateway's own packets do not leave" none own
check "nor what it forwards" none in_ns a ping -n -q -c 2 -i 0.05 -W 0.2 $HOST_B
forge r w1 gw1 wan --count 3 clear --src $HOST_B --dst $HOST_A --sport 7 --dport 7 || not_ok "forge"
check "what arrives in clear" capture_stop inside
is "does not come in" "$("$LIBDIR/capture.py" count "$T/inside.pcap" --dst $HOST_A)" 0
is "each counts, and says why" "$(drops_seen 1)" \
	"$(drops_more out-errors OUT_UNATTACHED 4 <"$T/before" | drops_more in-errors IN_UNATTACHED 3)"
check "what no policy wants goes on" in_ns gw1 ping -n -q -l 2 -c 2 -i 10 -w 5 198.51.100.254
kill -CONT "${GW_PID[1]}"
check "xdp-ipsecd attaches it" wait_for 'xi 1 interface print | grep -q "name=\"wan\".*state=running"' 40
check "and they flow" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 -I $GW_LAN1 $HOST_B
check "none has left in clear" silent frozen 5

# --- its tc program taken off by somebody ---
capture_start r w1 bare
in_ns gw1 tc qdisc del dev wan clsact || not_ok "tc"
check "without tc egress the gateway's own packets do not leave" none own
check "the status says so" eval 'xi 1 status | grep -q "wan is not attached: what policies protect is dropped there"'
check "start attaches it again" xi 1 start
check "and they flow again" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 -I $GW_LAN1 $HOST_B

# --- another name: the programs stay on it ---
in_ns gw1 ip link set wan down
in_ns gw1 ip link set wan name uplink
in_ns gw1 ip link set uplink up
in_ns gw1 ip route replace default via 198.51.100.254
check "renamed it goes on" wait_for "in_ns gw1 ping -n -q -c 1 -W 1 -I $GW_LAN1 $HOST_B" 40
in_ns gw1 ip link set uplink down
in_ns gw1 ip link set uplink name wan
wan_up

# --- to another namespace and back, where it keeps its number but loses its tc program ---
number=$(in_ns gw1 cat /proc/net/dev_mcast | awk '$2 == "wan" {print $1; exit}')
kill -STOP "${GW_PID[1]}"
in_ns gw1 ip link set wan netns "$P-a" && in_ns a ip link set wan netns "$P-gw1" && wan_up || fatal "there and back"
is "its number is what it was" "$(in_ns gw1 cat /proc/net/dev_mcast | awk '$2 == "wan" {print $1; exit}')" "$number"
check "back from another namespace it lets nothing go" none own
kill -CONT "${GW_PID[1]}"
check "until it is attached again" wait_for "in_ns gw1 ping -n -q -c 1 -W 1 -I $GW_LAN1 $HOST_B" 40
check "nothing was in clear" silent bare 8

# --- where the namespace is that of pid 1, the guard needs nobody ---
check "stop" gw_stop 1
xi 1 interface detach wan 2>/dev/null
as_init() { nsenter --net="/run/netns/$P-gw1" unshare --pid --fork --mount-proc "$O/xdp-ipsec" --instance "${P}g1" "$@"; }
check "attach without xdp-ipsecd" as_init interface attach wan
wan_anew alone || fatal "wan"
check "with nobody there, the gateway's own packets do not leave" none own
in_ns gw1 ping -n -q -c 1 -W 2 198.51.100.254 >/dev/null || not_ok "the router answers"
check "none in clear" silent alone 1

# --- at the system's start it is not there yet ---
check "detach" as_init interface detach wan
in_ns gw1 ip link del wan
as_init interface attach lan 2>/dev/null || not_ok "attach lan"
sed -i 's/^add .*name=lan.*/&\nadd name=wan/' "/etc/xdp-ipsec/${P}g1/ipsec.rsc"
check "start tells what is missing" eval '! as_init start 2>"$T/start.err" && grep -q "no interface wan" "$T/start.err"'
check "start xdp-ipsecd" gw_start 1
kill -STOP "${GW_PID[1]}"
wan_anew late || fatal "wan"
check "when it comes it lets nothing go" none own
kill -CONT "${GW_PID[1]}"
check "xdp-ipsecd attaches it" wait_for 'xi 1 interface print | grep -q "name=\"wan\".*state=running"' 40
check "and they flow" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 -I $GW_LAN1 $HOST_B
check "none in clear" silent late 4
check "stop" gw_stop 1
as_init interface detach lan
check "detach" as_init interface detach wan
is "nothing is left" "$(ls -d "/sys/fs/bpf/xdp-ipsec/${P}g1" 2>/dev/null)" ""
tap_done
