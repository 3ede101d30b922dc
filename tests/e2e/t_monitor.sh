#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `monitor drops`: what is dropped shows up with its reason and what is known of it, from the XDP program, tc egress and workers; a flood
# is shown in part, and the rest is counted.
. "$(dirname "$0")/lib.sh"

topo_up bypass
tunnel_up aes-128-gcm null || fatal "no tunnel"
check "ping" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B || fatal "no tunnel"

watch() { # LOG ARGUMENTS...: monitor drops into $T/LOG.log; returns when it is heard of
	local log=$1 n
	shift
	n=$(listeners)
	bg gw1 "$log" "$O/xdp-ipsec" --instance "${P}g1" monitor drops "$@"
	wait_for "[ \$(listeners) -gt $n ]"
}
# xdp-ipsecd's connections: each monitor keeps one
listeners() { in_ns gw1 ss -xH state connected 2>/dev/null | grep -c "/${P}g1/data.sock"; }

esp() { # as in t_drops.sh
	tunnel_keys aes-128-gcm null
	forge r w1 gw1 wan esp --outer-src $WAN2 --outer-dst $WAN1 --inner-src $HOST_B --inner-dst $HOST_A --spi 0x101 \
		--enc gcm --enc-key "$ENC_KEY21" --payload forged "$@"
}
clear_wan() { forge r w1 gw1 wan clear "$@"; }
from_a() { forge a eth0 gw1 lan clear --src $HOST_A --dst $HOST_B "$@"; }
from_gw() { in_ns gw1 ping -n -q -c 1 -W 0.1 "$@" >/dev/null; true; }

watch all || fatal "monitor"
is "somebody listens" "$(listeners)" 1

# shows WHAT PATTERN... -- COMMAND...: a line of the monitor has all the patterns, which no line had before
shows() {
	local what=$1 all='' from
	shift
	while [ "$1" != -- ]; do
		all+="${all:+ | }grep -E -- '(^| )$1( |\$)'"
		shift
	done
	shift
	from=$(($(wc -l <"$T/all.log") + 1))
	"$@" || { not_ok "$what: sent"; return; }
	if wait_for "tail -n +$from $T/all.log | $all | grep -q ." 5; then
		ok "$what"
	else
		not_ok "$what"
		note "wanted: $all"$'\n'"$(tail -n +$from "$T/all.log")"
	fi
}

WAN_IN="direction=in interface=wan"
P0='policy=[*]1'
# from the XDP program
# shellcheck disable=SC2086 # lists of words
{
	set -f
	shows "cleartext of a policy" in-template-mismatches "text=\"arrived in clear although a policy requires protection\"" $WAN_IN $P0 \
		"src-address=$HOST_B" "dst-address=$HOST_A" protocol=17 length=[0-9]+ -- clear_wan --src $HOST_B --dst $HOST_A
	shows "an unknown SPI" in-no-states $WAN_IN spi=0x999 "src-address=$WAN2" "dst-address=$WAN1" protocol=50 -- esp --spi 0x999 --seq 1000
	shows "no SPI to read" in-header-errors $WAN_IN "src-address=$WAN2" -- esp --cut 3 --seq 2004
	# from the worker, before and after decryption
	shows "a wrong key" in-state-protocol-errors "text=\"ICV does not match: damaged packet or wrong key\"" $WAN_IN spi=0x101 \
		"src-address=$WAN2" "dst-address=$WAN1" protocol=50 -- esp --wrong-key --seq 2001
	shows "a bad padding" in-state-protocol-errors "text=\"ESP padding wrong after decryption\"" $WAN_IN spi=0x101 -- esp --bad-pad --seq 3000
	shows "not IP inside" in-state-mode-errors $WAN_IN spi=0x101 -- esp --garbage --seq 3002
	shows "outside the policy" in-no-policies $WAN_IN spi=0x101 "src-address=192.0.2.9" "dst-address=$HOST_A" -- esp --inner-src 192.0.2.9 --seq 3005
	shows "another peer" in-state-mismatches $WAN_IN spi=0x101 -- esp --outer-src 198.51.100.254 --seq 3006
	shows "a replay" in-state-sequence-errors "text=\"sequence number zero\"" $WAN_IN spi=0x101 -- esp --seq 0
	shows "too big with DF" out-state-mode-errors direction=out interface=lan $P0 spi=0x100 "src-address=$HOST_A" "dst-address=$HOST_B" \
		protocol=17 -- from_a --df --len 1500
	xi 1 policy add src-address=192.0.2.77/32 dst-address=$INTERNET/32 action=discard
	xi 1 policy add src-address=$WAN1/32 dst-address=$INTERNET/32 action=discard
	# from tc egress: the gateway's own
	shows "discard of the gateway's own packet" out-policy-blocked direction=out interface=wan 'policy=[*]3' "src-address=$WAN1" "dst-address=$INTERNET" \
		protocol=1 length=98 -- from_gw $INTERNET
	shows "discard of a LAN packet" out-policy-blocked direction=out interface=lan 'policy=[*]2' "src-address=192.0.2.77" "dst-address=$INTERNET" -- \
		forge a eth0 gw1 lan clear --src 192.0.2.77 --dst $INTERNET
	shows "discard, inbound" in-policy-blocked direction=in interface=wan "src-address=$INTERNET" dst-address=192.0.2.77 -- \
		clear_wan --src $INTERNET --dst 192.0.2.77
	xi 1 manual-sa disable m
	shows "no SA" out-no-states direction=out interface=lan $P0 "src-address=$HOST_A" "dst-address=$HOST_B" protocol=17 -- from_a
	xi 1 manual-sa enable m
	set +f
}

# filters
watch few reason=in-no-states interface=wan || fatal "monitor"
esp --spi 0x998 --seq 1000
check "reason= shows that one" wait_for "grep -q spi=0x998 $T/few.log"
clear_wan --src $HOST_B --dst $HOST_A
esp --spi 0x997 --seq 1001
check "and the next" wait_for "grep -q spi=0x997 $T/few.log"
is "and nothing else" "$(grep -vc in-no-states "$T/few.log")" 0
is "a wrong filter is refused" "$(xi 1 monitor drops reason=nonsense 2>&1 | head -1)" "input does not match any value of reason"
stop_pid "$BG_PID"

# A flood: what is shown and what is left out add up, and little is shown.
before=$(stat_get 1 in-template-mismatches) start=${EPOCHREALTIME/[.,]/}
: >"$T/all.log"
clear_wan_n() { forge r w1 gw1 wan --count "$1" clear --src $HOST_B --dst $HOST_A; }
clear_wan_n 100000
sent=$(($(stat_get 1 in-template-mismatches) - before)) took=$((${EPOCHREALTIME/[.,]/} - start))
total() { awk '/more dropped packets/ {n += $1; next} /in-template-mismatches/ {n++} END {print n + 0}' "$T/all.log"; }
is "a flood is counted" "$sent" 100000
check "shown or left out, each once" wait_for "[ \$(total) = 100000 ]" 5
shown=$(grep -c in-template-mismatches "$T/all.log")
# 50 at once and 50 a second of each CPU
most=$((50 * $(nproc) * (took / 1000000 + 2)))
check "$shown of them are shown, at most $most" test "$shown" -le "$most" -a "$shown" -ge 1
note "$sent packets in $((took / 1000)) ms"
check "traffic goes on" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B

# Nobody listens any more: nothing is written.
stop_pid "${BG_PIDS[0]}"
check "the last one has gone" wait_for "[ \$(listeners) = 0 ]"
tap_done
