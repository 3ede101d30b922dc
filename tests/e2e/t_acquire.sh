#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A packet that needs an SA which does not exist: it asks for one and waits for it (spec 13.3 step 6). tests/lib/keeper stands in for
# the IKE daemon: it knows the keys of both gateways beforehand.
. "$(dirname "$0")/lib.sh"

topo_up masquerade
K12=$(hex 16 k12) K21=$(hex 16 k21)
for n in 1 2; do
	gw_attach $n && gw_start $n || fatal "start"
done
xi 1 policy add src-address=$LAN1 dst-address=$LAN2 tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2
xi 2 policy add src-address=$LAN2 dst-address=$LAN1 tunnel=yes sa-src-address=$WAN2 sa-dst-address=$WAN1

keeper() { # N [DELAY_MS]: until keeper_stop
	local n=$1 pair=("0x101" "0x100" "$K21" "$K12" "$WAN1" "$WAN2")
	[ "$n" = 1 ] || pair=("0x100" "0x101" "$K12" "$K21" "$WAN2" "$WAN1")
	bg "gw$n" "keeper$n" "$O/tests/lib/keeper" "${P}g$n" "${pair[@]}" "${2:-0}"
	KEEPER[n]=$BG_PID
	wait_for "grep -q ready $T/keeper$n.log"
}
KEEPER=()
acquires() { grep -c '"event":"acquire"' "$T/keeper$1.log"; }
capture_start r w1 w1

# Nobody makes SAs: dropped at once, as ever.
in_ns a ping -n -q -c 2 -i 0.05 -W 1 $HOST_B >/dev/null
is "without anybody who negotiates the packets are dropped" "$(stat_get 1 out-no-states)" 2
is "and counted with the policy" "$(policystat 1 0 out-dropped)" 2

# Nobody answers: three wait, the others are dropped, one acquire.
keeper 1 -1 || fatal "keeper"
in_ns a ping -n -q -c 10 -i 0.02 -W 1 $HOST_B >/dev/null
is "one acquire for ten packets" "$(acquires 1)" 1
check "it names the packet" grep -q "\"src-address\":\"$HOST_A\",\"dst-address\":\"$HOST_B\",\"protocol\":1," "$T/keeper1.log"
check "and the peer" grep -q "\"sa-src-address\":\"$WAN1\",\"sa-dst-address\":\"$WAN2\",\"mode\":\"tunnel\"" "$T/keeper1.log"
is "three of them wait" "$(stat_get 1 out-no-states)" 9
stop_pid "${KEEPER[1]}"
check "who negotiates is gone: what waited is dropped" stat_wait 1 out-no-states 12
is "dropped once each" "$(policystat 1 0 out-dropped)" 12

# Who negotiates comes back: it has not heard what was asked before, so it is asked again at once.
# The first packet arrives when the answer does.
keeper 2 || fatal "keeper"
in_ns b ping -n -q -c 1 -W 1 $HOST_A >/dev/null # the far gateway has its SAs, as a responder would
check "the peer is ready" wait_for "[ \"\$(policystat 2 0 ph2-state)\" = established ]"
keeper 1 700 || fatal "keeper"
check "the first packets arrive, though the SA came 0.7 s later" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
is "one acquire" "$(acquires 1)" 1
is "policy state" "$(policystat 1 0 ph2-state)" established
check "then all go at once" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_B
is "no acquire more" "$(acquires 1)" 1
is "nothing was dropped" "$(stat_get 1 out-no-states)" 12
# A command that has nothing to do with it leaves the negotiated SAs alone.
xi 1 policy add src-address=192.0.2.9/32 dst-address=192.0.2.10/32 action=discard
check "another policy comes: the SAs stay" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B

# A policy changed while traffic goes: what both versions allow is not lost.
bg a flood ping -n -q -c 400 -i 0.005 -W 2 $HOST_B
for i in 1 2 3 4 5 6 7 8; do
	xi 1 policy add src-address=192.0.2.$i/32 dst-address=192.0.2.11/32 action=discard place-before=0
done
wait_for "grep -q 'packet loss' $T/flood.log" 20
check "eight new policies in front of it: no packet lost" grep -q "400 received, 0% packet loss" "$T/flood.log"

capture_stop w1 || not_ok "capture"
check "no cleartext on the WAN" no_clear w1 --min 100
tap_done
