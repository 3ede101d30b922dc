#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Daemons that end or die under traffic and while SAs are renewed: no packet is lost where only xdp-iked goes, nothing leaves in clear whoever goes, and all
# is well again afterwards (spec section 14; design: restart takes over the SAs it finds).
. "$(dirname "$0")/lib.sh"

topo_up masquerade
xi 1 peer add address=$WAN2 secret=test && xi 2 peer add address=$WAN1 secret=test || fatal "peer"
for n in 1 2; do
	xi $n proposal set default lifetime=6s || fatal "proposal"
done
xi 1 policy add src-address=$LAN1 dst-address=$LAN2 sa-src-address=$WAN1 sa-dst-address=$WAN2 tunnel=yes || fatal "policy"
xi 2 policy add src-address=$LAN2 dst-address=$LAN1 sa-src-address=$WAN2 sa-dst-address=$WAN1 tunnel=yes || fatal "policy"
for n in 1 2; do
	gw_attach $n && gw_start $n && iked_start $n || fatal "start"
done
capture_start r w1 w1

made() { grep -c 'IPsec-SA established' "$T/iked$1.log"; }
listening() { grep -c 'listening on UDP' "$T/iked$1.log"; }
again() { # N: a further start of xdp-iked
	local before
	before=$(listening "$1")
	iked_start "$1" && wait_for "[ \$(listening $1) -gt $before ]"
}
traffic_start() { bg a traffic ping -n -q -i 0.02 -W 2 $HOST_B; traffic=$BG_PID; }
lost() { # ends the traffic; how many were lost, but for the one that may be on its way at the end
	kill -INT $traffic
	wait_for "grep -q transmitted $T/traffic.log" || return 1
	sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/traffic.log" | { read -r a b; echo $((a - b > 1 ? a - b : 0)); }
}
helper() { pgrep -P "${IKED_PID[$1]}"; }
renewed() { wait_for "[ \$(made $1) -gt $(made "$1") ]" 20; }

check "the tunnel comes up" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B
traffic_start
check "SAs are renewed under traffic" renewed 1
for n in 1 2; do
	stop_pid "${IKED_PID[$n]}"
	check "xdp-iked of gateway $n was stopped, starts again" again $n
	check "SAs are renewed" renewed $n
	pid=$(helper $n)
	kill -KILL "${IKED_PID[$n]}"
	wait "${IKED_PID[$n]}" 2>/dev/null
	check "its key process does not stay behind" wait_for "! kill -0 $pid"
	check "xdp-iked of gateway $n was killed, starts again" again $n
	check "SAs are renewed" renewed $n
done
is "no packet was lost" "$(lost)" 0
sent=$(sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p' "$T/traffic.log")
is "the policy counted on through all SAs: out" "$(policystat 1 0 out-transformed)" $((sent + 2))
at_least "and in" "$(policystat 1 0 in-transformed)" $((sent + 1))

# The process that stays root, with the private keys.
pid=$(helper 1)
traffic_start
kill -KILL "$pid"
wait "${IKED_PID[1]}"
is "without its key process xdp-iked ends with a failure" $? 1
check "and says why" grep -q 'the key process has ended' "$T/iked1.log"
check "it starts again" again 1
check "SAs are renewed" renewed 1
is "no packet was lost" "$(lost)" 0

# The data plane dies; SAs are renewed while it is away.
gw_kill9 1
check "xdp-ipsecd is killed: SAs are renewed all the same" renewed 1
in_ns a ping -n -q -c 3 -i 0.1 -W 1 $HOST_B >/dev/null
check "xdp-ipsecd starts again" gw_start 1
check "traffic" wait_for "in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B"
check "SAs are renewed" renewed 1

# Both at once.
gw_kill9 1
kill -KILL "${IKED_PID[1]}"
wait "${IKED_PID[1]}" 2>/dev/null
in_ns a ping -n -q -c 3 -i 0.1 -W 1 $HOST_B >/dev/null
check "both are killed: both start again" eval "gw_start 1 && again 1"
check "the tunnel comes up again" wait_for "in_ns a ping -n -q -c 1 -W 2 $HOST_B" 20
check "SAs are renewed" renewed 1
check "no SA is left over" wait_for "[ \"\$(xi 1 installed-sa print count-only 2>/dev/null)\" -le 4 ]" 20

capture_stop w1
check "nothing in clear" no_clear w1 --min 100
tap_done
