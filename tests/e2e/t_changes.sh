#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A change of a policy takes effect for the next packet (spec 6.4), whatever way it comes: from the LAN, from an interface that is not attached, by
# the gateway itself, in clear from the WAN, or while it waits for an SA. Nothing that an encrypt policy in force matched leaves in clear, in the
# middle of a change neither; what both the old and the new list protect is not lost.
. "$(dirname "$0")/lib.sh"

topo_up none
link b eth1 gw1 lan2 || fatal "a LAN that is not attached"
LAN3=10.4.202.0/24
in_ns b ip addr add 10.4.202.10/24 dev eth1 && in_ns gw1 ip addr add 10.4.202.1/24 dev lan2 || fatal "addresses"
in_ns b ip rule add from 10.4.202.10 lookup 100 && in_ns b ip route add default via 10.4.202.1 table 100 || fatal "route"
tunnel_up aes-128 sha1 || fatal "no tunnel"
xi 1 policy add copy-from=0 src-address=$LAN3 && xi 2 policy add copy-from=0 dst-address=$LAN3 || fatal "policy"
capture_start r w1 w1
check "the tunnel" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B

# send NS SOURCE MARK: three datagrams with that text for the far LAN
send() {
	in_ns "$1" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 0))
for _ in range(3):
    try:
        s.sendto(sys.argv[2].encode(), ("10.1.101.77", 4001))
    except PermissionError:  # a drop at tc egress
        pass' "$2" "$3"
}
everyone() { # MARK: all three ways out
	send a $HOST_A "$1-lan."
	send gw1 $GW_LAN1 "$1-own."
	send b 10.4.202.10 "$1-fwd."
}
in_clear() { "$LIBDIR/capture.py" count "$T/w1.pcap" --proto 17 --marker "$1"; }
sum() { # PROPERTY: of all policies of gateway 1
	xi 1 policy print stats | grep -oE "$1=[0-9]+" | awk -F= '{s += $2} END {print s + 0}'
}

# --- the next packet ---
# change PROTECTS COMMAND...: nine packets behind the command: none in clear, or all of them
TURN=0
change() {
	local want=$1 ok=1
	shift
	TURN=$((TURN + 1))
	xi 1 "$@" 2>/dev/null || ok=0
	everyone "turn$TURN"
	SEEN+=("$want turn$TURN: $*")
	[ $ok = 1 ] || not_ok "$*"
}
SEEN=()
for _ in 1 2 3 4 5; do
	change clear policy set 0,1 action=none
	change protected policy set 0,1 action=encrypt
	change clear policy disable 0,1
	change protected policy enable 0,1
	change clear policy set 0,1 dst-address=10.1.102.0/24
	change protected policy set 0,1 dst-address=$LAN2
	change clear policy add src-address=0.0.0.0/0 dst-address=$LAN2 action=none place-before=0
	change protected policy move 0
	change clear policy set 2 priority=1
	change protected policy set 2 priority=-1
	change protected policy set 2 action=discard
	change dropped policy move 2 0
	change dropped policy set 0 priority=5
	change dropped policy remove 1,2
	xi 1 policy remove 0
	for src in $LAN1 $LAN3; do
		xi 1 policy add "src-address=$src" dst-address=$LAN2 tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2 manual-sa=m
	done
	change protected policy set 0,1 comment=again
	change protected policy set 0,1 level=unique
	xi 1 policy set 0,1 level=require 2>/dev/null
done
capture_sync w1
bad=0
for row in "${SEEN[@]}"; do
	want=9 mark=${row#* }
	[ "${row%% *}" = clear ] || want=0
	n=$(in_clear "${mark%%:*}-")
	[ "$n" = $want ] || { bad=$((bad + 1)); note "$row: $n in clear"; }
done
is "of ${#SEEN[@]} changes each holds for the next packet, whatever way it comes" $bad 0

# --- in the middle of a change ---
capture_start r w1 w1b
xi 1 policy add src-address=10.0.0.0/8 dst-address=10.1.0.0/17 action=discard priority=-10 || fatal "policy"
bg a flood ping -n -q -i 0.002 $HOST_B
bg gw1 flood2 ping -n -q -i 0.002 -I $GW_LAN1 $HOST_B
FLOODS=("${BG_PIDS[@]: -2}")
wait_for '[ "$(policystat 1 0 out-transformed)" -ge 50 ]' || not_ok "the stream runs"
for i in 1 2 3 4 5 6 7 8; do
	xi 1 policy disable 0 && xi 1 policy enable 0
	xi 1 policy set 0 src-address=10.1.202.128/25 && xi 1 policy set 0 src-address=$LAN1
	xi 1 policy set 0 action=discard && xi 1 policy set 0 action=encrypt
	xi 1 policy set 0 priority=-20 && xi 1 policy set 0 priority=0
	xi 1 policy set 0 level=unique && xi 1 policy set 0 level=require
	xi 1 policy set 0 sa-dst-address=203.0.113.9 && xi 1 policy set 0 sa-dst-address=$WAN2
	xi 1 manual-sa disable m && xi 1 manual-sa enable m
	xi 1 policy move 2 0 && xi 1 policy set 0 priority=3 && xi 1 policy set 0 priority=-10 && xi 1 policy move 0
done 2>/dev/null
for p in "${FLOODS[@]}"; do stop_pid "$p" INT; done
capture_stop w1b || not_ok "capture"
check "over a discard of the lowest priority nothing leaves in clear" no_clear w1b --min 100
at_least "it dropped what nobody else wanted" "$(stat_get 1 out-policy-blocked)" 1
xi 1 manual-sa disable m 2>/dev/null
xi 2 manual-sa disable m 2>/dev/null
xi 1 manual-sa enable m 2>/dev/null
xi 2 manual-sa enable m 2>/dev/null
check "and it works" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
bg a flood ping -n -q -c 300 -i 0.005 -W 2 $HOST_B
for i in 1 2 3 4 5; do
	xi 1 policy add src-address=$LAN1 dst-address=10.1.0.0/17 tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2 manual-sa=m place-before=0
	xi 1 policy disable 1
	xi 1 policy move 0 2
	xi 1 policy enable 0
	xi 1 policy remove 1
	xi 1 policy set 0 priority=$i
done 2>/dev/null
wait_for "grep -q 'packet loss' $T/flood.log" 20
check "what the old and the new list protect is not lost" grep -q "300 received, 0% packet loss" "$T/flood.log"

# --- inbound: in clear from the WAN ---
plain() { forge r w1 gw1 wan --count 3 clear --src $HOST_B --dst $HOST_A; }
for i in 1 2 3 4 5; do
	xi 1 policy set 0 action=none 2>/dev/null
	plain
	wait_for '[ "$(policystat 1 0 in-accepted)" = 3 ]' 3 || not_ok "in clear, action none: $(policystat 1 0 in-accepted)"
	xi 1 policy set 0 action=encrypt 2>/dev/null
	plain
	wait_for '[ "$(policystat 1 0 in-dropped)" = 3 ]' 3 || not_ok "in clear, action encrypt: $(policystat 1 0 in-dropped)"
	[ "$(policystat 1 0 in-accepted)" = 0 ] || not_ok "the counters of a changed policy begin at 0"
done
ok "inbound, too"

# --- while packets wait for an SA ---
xi 1 policy remove 0,1,2 2>/dev/null
xi 1 policy add src-address=$LAN1 dst-address=$LAN2 tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2 || fatal "policy"
keeper() { # DELAY_MS
	bg gw1 keeper "$O/tests/lib/keeper" "${P}g1" 0x501 0x500 "$(hex 16 q1)" "$(hex 16 q2)" $WAN1 $WAN2 "$1"
	wait_for "grep -q ready $T/keeper.log" || fatal "keeper"
}
waits() { # MARK: three packets that wait
	send a $HOST_A "$1."
	wait_for "[ \"\$(grep -c acquire $T/keeper.log)\" -ge 1 ]" 3 || not_ok "$1: asked for"
}
# queued MARK COUNTER COMMAND...: three packets wait, then the command: they are dropped under the counter
queued() {
	local mark=$1 counter=$2 before
	shift 2
	keeper -1
	waits "$mark"
	before=$(stat_get 1 "$counter")
	check "$mark: $*" xi 1 "$@"
	check "$mark: what waited is dropped, $counter" stat_wait 1 "$counter" $((before + 3))
	stop_pid "$BG_PID"
}
queued remove out-policy-dead policy disable 0
xi 1 policy enable 0
queued none out-policy-dead policy set 0 action=none
xi 1 policy set 0 action=encrypt
queued use out-policy-dead policy set 0 level=use
xi 1 policy set 0 level=require
queued above out-policy-dead policy add src-address=$LAN1 dst-address=$LAN2 protocol=udp action=discard place-before=0
xi 1 policy remove 0
xi 1 policy disable 0 && xi 1 policy enable 0 # nothing asked for
queued aside out-policy-dead policy add src-address=$LAN1 dst-address=$LAN2 protocol=udp action=none priority=1 place-before=0
xi 1 policy remove 0
xi 1 policy disable 0 && xi 1 policy enable 0
keeper -1
waits peer
check "another peer" xi 1 policy set 0 sa-dst-address=203.0.113.9
check "another peer: what waited asks for its SA" wait_for "grep -q '\"sa-dst-address\":\"203.0.113.9\"' $T/keeper.log" 5
before=$(stat_get 1 out-no-states)
stop_pid "$BG_PID"
check "and is dropped when nobody makes it" stat_wait 1 out-no-states $((before + 3))
xi 1 policy set 0 sa-dst-address=$WAN2
keeper 700
waits comment
check "comment" xi 1 policy set 0 comment=new
check "priority" xi 1 policy set 0 priority=4
check "place" xi 1 policy add src-address=192.0.2.7/32 dst-address=192.0.2.8/32 action=discard place-before=0
check "what waited is sent by the SA that comes" wait_for '[ "$(policystat 1 1 out-transformed)" = 3 ]' 5
stop_pid "$BG_PID"
xi 1 policy remove 0
# another encrypt policy takes them over, which has an SA
xi 1 policy set 0 protocol=tcp && xi 1 policy set 0 protocol=all || not_ok "anew"
keeper -1
waits taken
check "a policy with an SA comes above" xi 1 policy add src-address=$LAN1 dst-address=$LAN2 protocol=udp tunnel=yes sa-src-address=$WAN1 \
	sa-dst-address=$WAN2 manual-sa=m priority=9 place-before=0
check "what waited goes by it" wait_for '[ "$(policystat 1 0 out-transformed)" = 3 ]' 5
stop_pid "$BG_PID"
capture_stop w1 || not_ok "capture"
for mark in remove none use above aside peer comment taken; do
	is "$mark: nothing that waited left in clear" "$(in_clear "$mark.")" 0
done
tap_done
