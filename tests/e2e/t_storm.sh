#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Acquires under a flood (spec 13.3 step 6): one for each policy (each reqid of level unique) at a time, a bounded number a second whatever is sent at
# policies without SAs, none lost for good, every packet dropped under one counter and with its policy; without a peer the daemon says so, not once
# for each packet; what waited when the daemon has no answer is dropped.
. "$(dirname "$0")/lib.sh"

topo_up none
POLICIES=200
gw_attach 1 && gw_start 1 || fatal "start"
capture_start r w1 w1 "not udp port 500"
{
	echo "policy"
	for ((i = 0; i < POLICIES; i++)); do
		echo "add src-address=$LAN1 dst-address=10.9.0.$i/32 tunnel=yes level=unique sa-src-address=$WAN1 sa-dst-address=$WAN2"
	done
} >"$T/policies"
check "$POLICIES policies to be negotiated" xi 1 import "$T/policies" || fatal "policies"

flood() { # TIMES [FIRST] [LAST]: a packet to each, that often; sets SENT
	local first=${2:-0} last=${3:-$((POLICIES - 1))}
	in_ns a python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[1])):
    for i in range(int(sys.argv[2]), int(sys.argv[3]) + 1):
        s.sendto(b"flood", ("10.9.0.%d" % i, 4001))' "$1" "$first" "$last"
	SENT=$(($1 * (last - first + 1)))
}
keeper() {
	bg gw1 keeper "$O/tests/lib/keeper" "${P}g1" 0x501 0x500 "$(hex 16 q1)" "$(hex 16 q2)" $WAN1 $WAN2 "$1"
	wait_for "grep -q ready $T/keeper.log" || fatal "keeper"
}
events() { grep -c '"event":"acquire"' "$T/keeper.log"; }
of() { grep -o "\"$1\":[^,}]*" "$T/keeper.log" | sort | uniq -c | awk '{print $1}' | sort -n | tail -n 1; } # how often the same one, at most
kinds() { grep -o "\"$1\":[^,}]*" "$T/keeper.log" | sort -u | wc -l; }
dropped() { stat_get 1 out-no-states; }

keeper -1
begin=${EPOCHREALTIME/[.,]/}
flood 40
check "the flood has been judged" wait_for "[ \$((\$(dropped) + 3 * \$(events))) -ge $((SENT / 2)) ]" # a ring may have overflowed
first=$(events) took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
at_least "acquires at once" "$first" 16
at_least "but no more than 32, and 100 a second, of each of the two workers ($first in $took ms)" $((2 * (32 + 100 * (took + 1000) / 1000))) "$first"
# All of them in time: who was not asked for in the first burst is so by a later packet.
check "by and by each policy has its acquire" wait_for "flood 1; [ \"\$(events)\" -ge $POLICIES ]" 20
flood 5
is "one each, and no more" "$(events)" $POLICIES
is "by policy" "$(kinds policy) $(of policy)" "$POLICIES 1"
is "by reqid" "$(kinds reqid) $(of reqid)" "$POLICIES 1"
is "level unique is said" "$(kinds level)" 1
stop_pid "$BG_PID"
check "who negotiates has gone: nothing waits any more" wait_for '[ "$(xi 1 policy print stats | grep -oE "out-dropped=[0-9]+" | awk -F= "{s += \$2} END {print s}")" = "$(dropped)" ]'

# --- xdp-iked, and no peer ---
xi 1 policy remove "$(seq -s, 1 $((POLICIES - 1)))" 2>/dev/null
iked_start 1 || fatal "xdp-iked"
said() { grep -c "no configuration found for $WAN2" "$T/iked1.log"; }
before=$(dropped) begin=${EPOCHREALTIME/[.,]/}
flood 2000 0 0
check "each packet is dropped as out-no-states" wait_for "[ \"\$(dropped)\" = $((before + SENT)) ]"
took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000000))
at_least "no peer: the log says so" "$(said)" 1
at_least "not for each packet: once a second" $((took + 2)) "$(said)"
xi 1 peer add address=$WAN2 secret=test disabled=yes || fatal "peer"
before=$(dropped)
flood 3 0 0
check "a disabled peer is as none" wait_for "[ \"\$(dropped)\" = $((before + 3)) ]"

# --- the peer is there ---
xi 2 policy add src-address=10.9.0.0/32 dst-address=$LAN1 tunnel=yes sa-src-address=$WAN2 sa-dst-address=$WAN1 level=unique || fatal "policy"
in_ns b ip addr add 10.9.0.0/32 dev lo && in_ns gw2 ip route add 10.9.0.0/32 via $HOST_B || fatal "address"
xi 2 peer add address=$WAN1 secret=test && gw_attach 2 && gw_start 2 && iked_start 2 || fatal "gateway 2"
check "the peer is enabled" xi 1 peer enable 0
check "and the tunnel comes up, the first packet included" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 10.9.0.0
capture_stop w1 || not_ok "capture"
is "nothing in clear, ever" "$("$LIBDIR/capture.py" count "$T/w1.pcap" --src $HOST_A)" 0
tap_done
