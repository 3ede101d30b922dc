#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Policies that change a thousand times a second under traffic: no packet is lost that both the old and the new list let pass, nothing
# leaves in clear, no slot, SA, SPI or memory leaks. XI_SECONDS: how long (30).
. "$(dirname "$0")/lib.sh"
PACKETS=$((${XI_SECONDS:-30} * 1000))

FOLDER=/sys/fs/bpf/xdp-ipsec/${P}g1/v2
# in_use: policies in the list, slots in use, SAs, SPIs, and the data memory of xdp-ipsecd
in_use() {
	echo "$(xi 1 policy print count-only) $("$LIBDIR/slots.py" "$FOLDER" count -) $(xi 1 installed-sa print count-only)" \
		"$(bpftool -j map dump pinned "$FOLDER/xi_spi" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')" \
		"$(awk '/^VmData/ {print $2}' "/proc/${GW_PID[1]}/status") kB"
}

topo_up none
tunnel_up aes-128 sha1 replay=1024 || fatal "no tunnel"
check "the tunnel" in_ns a ping -n -q -c 20 -i 0.01 -W 2 $HOST_B
capture_start r w1 w1
before=$(in_use)

bg gw1 changer "$O/tests/lib/changer" "${P}g1" 1000
CHANGER=$BG_PID
wait_for "grep -q ready $T/changer.log" || fatal "changer"
bg a there ping -n -q -c $PACKETS -i 0.001 -W 5 $HOST_B
bg b back ping -n -q -c $PACKETS -i 0.001 -W 5 $HOST_A
wait_for "grep -q 'packet loss' $T/there.log && grep -q 'packet loss' $T/back.log" $((PACKETS / 50 + 20))
stop_pid "$CHANGER"
check "no packet of $PACKETS is lost there" grep -q "$PACKETS received, 0% packet loss" "$T/there.log" || note "$(cat "$T/there.log")"
check "nor back" grep -q "$PACKETS received, 0% packet loss" "$T/back.log" || note "$(cat "$T/back.log")"
changes=$(awk '/^changes/ {print $2}' "$T/changer.log")
at_least "the policies changed all the while ($changes times)" "$changes" $((PACKETS / 4))
capture_stop w1 || not_ok "capture"
check "no cleartext" no_clear w1 --min $((PACKETS * 4))
is "nothing leaked" "$(in_use)" "$before"
is "nothing was dropped" "$(xi 1 statistics print | awk '$2 > 0')" ""
tap_done
