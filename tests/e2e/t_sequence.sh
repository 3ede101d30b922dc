#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# RFC 4303 §3.3.3, §3.4.3, RFC 4106 §2: no number twice under one key, sent or received, whatever is taken away meanwhile.
. "$(dirname "$0")/lib.sh"

topo_up bypass
tunnel_up aes-128-gcm null || fatal "no tunnel"
check "ping" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B || fatal "no tunnel"
tunnel_keys aes-128-gcm null

sound() { # SEQ: as gateway 2 would send it
	forge r w1 gw1 wan esp --outer-src $WAN2 --outer-dst $WAN1 --inner-src $HOST_B --inner-dst $HOST_A --spi 0x101 \
		--enc gcm --enc-key "$ENC_KEY21" --payload "sound-$1" --seq "$1"
}

accepted() { policystat 1 0 in-transformed; }
refused() { stat_get 1 in-state-sequence-errors; }

# takes WHAT SEQ, refuses WHAT SEQ
takes() {
	local before
	before=$(accepted)
	sound "$2"
	check "$1" wait_for "[ \$(accepted) -gt $before ]" 3
}
refuses() {
	local before
	before=$(refused)
	sound "$2"
	check "$1" stat_wait 1 in-state-sequence-errors $((before + 1)) 3
}

# seq_of N DIRECTION
seq_of() {
	xi "$1" -j installed-sa print detail | python3 -c '
import json, sys
print(max(x["seq"] for x in json.load(sys.stdin) if x["direction"] == sys.argv[1]))' "$2"
}

takes "a packet" 50000
refuses "its replay" 50000
xi 1 policy disable 0
xi 1 policy enable 0
refuses "its replay, after disable and enable of the policy" 50000
refuses "an older one that never came" 49999
takes "what comes next" 50001

# The template's own disable and enable: the peer begins anew.
xi 1 manual-sa disable m
xi 1 manual-sa enable m
takes "number 1, after disable and enable of the template" 1
refuses "its replay" 1

# Sending goes on while both interfaces are taken off.
takes "a high number" 60000
in_ns a ping -n -q -f -w 3 $HOST_B >/dev/null 2>&1 &
flood=$!
wait_for "[ \$(seq_of 1 out) -gt 10000 ]" 5
sent=$(seq_of 1 out)
xi 1 interface detach lan
xi 1 interface detach wan
kill $flood 2>/dev/null
wait $flood 2>/dev/null
gw_stop 1
check "the maps are gone" [ ! -e "/sys/fs/bpf/xdp-ipsec/${P}g1" ]
gw_attach 1 && gw_start 1 || not_ok "up again"
at_least "what was sent is not sent again" "$(seq_of 1 out)" "$sent"
refuses "what was received is a replay, after the maps were gone" 60000
takes "what comes next, after the maps were gone" 60001
before=$(policystat 2 0 in-transformed)
in_ns a ping -n -q -c 3 -i 0.05 -W 1 $HOST_B >/dev/null # the answers carry numbers that we used above
check "the peer takes what is sent now" wait_for "[ \$(policystat 2 0 in-transformed) -ge $((before + 3)) ]" 3

# Where they cannot be written down the maps stay, which know them: when xdp-ipsecd ends, and when the last interface would go.
mkdir -p "/run/xdp-ipsec/${P}g1/seq.new/in-the-way"
sent=$(seq_of 1 out)
xi 1 interface detach lan 2>/dev/null
xi 1 interface detach wan 2>/dev/null
gw_stop 1
check "numbers that cannot be written down: the log says so" grep -q "seq.new: File exists" "$T/gw1.log"
gw_attach 1 2>/dev/null && gw_start 1 || not_ok "up again"
at_least "what was sent is not sent again" "$(seq_of 1 out)" "$sent"
gw_stop 1
xi 1 interface detach lan 2>/dev/null
check "the last interface is not detached then" eval '! xi 1 interface detach wan 2>"$T/last.err"'
check "and it is said why" grep -q "seq.new: File exists" "$T/last.err"
is "it stays attached" "$(in_ns gw1 ip link show wan | grep -c prog/xdp)" 1
rm -r "/run/xdp-ipsec/${P}g1/seq.new"
gw_attach 1 2>/dev/null
gw_start 1 || not_ok "up once more"
at_least "what was sent is not sent again" "$(seq_of 1 out)" "$sent"
before=$(policystat 2 0 in-transformed)
in_ns a ping -n -q -c 3 -i 0.05 -W 1 $HOST_B >/dev/null
check "and the peer takes it" wait_for "[ \$(policystat 2 0 in-transformed) -ge $((before + 3)) ]" 3

# Commands that take SAs away and bring them back are killed at any moment, and xdp-ipsecd with them, under traffic.
capture_start r w1 killed "src $WAN1 or icmp"
nsenter --net="/run/netns/$P-a" ping -n -q -i 0.002 -w 60 $HOST_B >/dev/null 2>&1 &
flood=$!
kill_cli() { # TENS-OF-MS ARGUMENTS...: killed after so long, done or not
	timeout -s KILL "0.0$1" nsenter --net="/run/netns/$P-gw1" "$O/xdp-ipsec" --instance "${P}g1" "${@:2}"
}
for i in {0..35}; do
	case $((i % 4)) in
	0) kill_cli $((i % 7 + 1)) manual-sa disable m ;;
	1) kill_cli $((i % 7 + 1)) installed-sa flush ;;
	2) kill_cli $((i % 7 + 1)) policy set 0 level=unique "priority=$i" ;;
	3) xi 1 manual-sa enable m ;;
	esac
	[ $((i % 12)) != 11 ] || { gw_kill9 1 && gw_start 1; }
done >/dev/null 2>&1
check "after killed commands: the next one" xi 1 manual-sa enable m
check "and traffic" wait_for "in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B"
check "in the capture is enough of it" wait_for "[ \"\$(\"$LIBDIR/capture.py\" list \"$T/killed.pcap\" | wc -l)\" -ge 120 ]"
kill $flood
wait $flood 2>/dev/null
capture_stop killed || not_ok "capture"
check "nothing in clear" no_clear killed --min 100
# RFC 4106 §3.1: the IV of AES-GCM is the number
is "no number twice" "$("$LIBDIR/capture.py" list "$T/killed.pcap" | grep -o 'spi=[^ ]* seq=[^ ]*' | sort | uniq -d | wc -l)" 0

kill -STOP "${GW_PID[1]}"
start=$EPOCHSECONDS
status=$(xi 1 status)
check "status of a stopped daemon comes within 4 s" [ $((EPOCHSECONDS - start)) -le 4 ]
check "and says that it does not answer" grep -q "runs (pid ${GW_PID[1]}) but does not answer" <<<"$status"
kill -CONT "${GW_PID[1]}"
tap_done
