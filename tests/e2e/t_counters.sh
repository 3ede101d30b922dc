#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every counter of spec section 12 is provoked, on the way through XDP and by the host's own packets where both lead to it, and only that one
# moves, by as many as were sent, with one reason, which `monitor drops` shows; the policy's counters of 7.1 and those of an SA. First with ESP, in IPv4 tunnels; then what AH,
# transport mode, ESP inside AH and IPv6 do otherwise. Gateway 1 is real, there is no second.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
in_ns r sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 # nothing goes on to gateway 2
for ns in a gw1; do                      # and nobody answers what arrives
	in_ns $ns nft 'table ip quiet { chain in { type filter hook input priority 0; udp dport 4001 drop; }; }' || fatal "nft"
done
tunnel_add 1 aes-128-gcm null && gw_attach 1 && gw_start 1 || fatal "no gateway"
maps="/sys/fs/bpf/xdp-ipsec/${P}g1/$(ls "/sys/fs/bpf/xdp-ipsec/${P}g1")"
GW_LAN1_MAC=02:00:00:00:00:77 # not the gateway's
SEQ=1000

# --- senders: each sends $N packets ---

esp() { # as gateway 2 would send it, unless said otherwise; each packet has a number of its own
	SEQ=$((SEQ + 500))
	forge r w1 gw1 wan esp --outer-src $WAN2 --outer-dst $WAN1 --inner-src $HOST_B --inner-dst $HOST_A --spi 0x101 \
		--enc gcm --enc-key "$ENC_KEY21" --seq "$SEQ-$((SEQ + N - 1))" "$@"
}
clear_wan() { forge r w1 gw1 wan --count "$N" clear --src $HOST_B --dst $HOST_A "$@"; }
from_a() { forge a eth0 gw1 lan --count "$N" clear --src $HOST_A --dst $HOST_B "$@"; }
own() { # SOURCE DESTINATION [LENGTH]: the gateway's own; with a length: DF
	in_ns gw1 python3 -c 'import socket, sys
six, probe = ":" in sys.argv[1], 3 if sys.argv[4] != "9" else 0
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
# IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: IP_PMTUDISC_PROBE
s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 23 if six else 10, probe)
s.bind((sys.argv[1], 4000))
for _ in range(int(sys.argv[3])):
    try:
        s.sendto(bytes(int(sys.argv[4])), (sys.argv[2], 4001))
    except OSError:  # a drop at tc egress
        pass' "$1" "$2" "$N" "${3:-9}"
}
from_host() { own $GW_LAN1 $HOST_B "$@"; }
# PROTOCOL SPI OPTIONS...: for one of gateway 1's SAs, but with no sound ICV
raw() { forge r w1 gw1 wan --count "$N" raw --src $WAN2 --dst $WAN1 --proto "$1" --spi "$2" "${@:3}"; }
raw6() { raw "$@" --src $WAN2_6 --dst $WAN1_6; }

# --- states ---

sa() { "$LIBDIR/saseq.py" "$maps" "$@"; }
poke() { "$LIBDIR/poke.py" "$maps" "$@"; }
discard() { xi 1 policy disable 0 && xi 1 policy add src-address=$LAN1 dst-address=$LAN2 action=discard; }
no_discard() { xi 1 policy remove 1 && xi 1 policy enable 0; }
other_peer() {
	xi 1 policy add src-address=$LAN1 dst-address=10.1.101.0/25 tunnel=yes sa-src-address=$WAN1 sa-dst-address=203.0.113.9 \
		action=encrypt priority=5
}
no_other_peer() { xi 1 policy remove 1; }
renewed() { xi 1 'manual-sa disable m; manual-sa enable m'; } # numbers begin anew: two commands, not the sum of both
# The kernel's answer to a changed route comes to the worker when it asks: packets until it has.
unroutable() {
	in_ns gw1 ip route add unreachable $WAN2/32 &&
		wait_for 'b=$(stat_get 1 out-bundle-errors); N=1 from_a; stat_wait 1 out-bundle-errors $((b + 1)) 2' 20
}
routable() {
	in_ns gw1 ip route del unreachable $WAN2/32 &&
		wait_for 'b=$(policystat 1 0 out-transformed); N=1 from_a; wait_for "[ \$(policystat 1 0 out-transformed) -gt $b ]" 2' 20
}

# --- the table ---
# COUNTER | PACKETS | BEFORE | PROVOKE | AFTER | REASON (bpf/abi/xi_drop.h)
table() {
	cat <<-'EOF_TABLE'
		in-errors|3||esp --outer-tos 3 --inner-tos 0||IN_ECN
		in-buffer-errors|2||esp --nest 7||IN_NESTED
		in-header-errors|3||esp --cut 6||IN_HEADER
		in-header-errors|3||esp --cut 3||IN_HEADER
		in-no-states|3||esp --spi 0x999||IN_NO_SA
		in-state-protocol-errors|3||esp --wrong-key||IN_ICV
		in-state-protocol-errors|3||esp --bad-pad||IN_PADDING
		in-state-protocol-errors|3||esp --cut 20||IN_LENGTH
		in-state-mode-errors|3||esp --garbage||IN_MODE
		in-state-sequence-errors|2|N=1 esp --seq 900000 && settled|N=1 esp --seq 900000; N=1 esp --seq 900000||IN_REPLAY_DUP
		in-state-sequence-errors|3||esp --seq 800000-800002||IN_REPLAY_OLD
		in-state-sequence-errors|2||N=1 esp --seq 0; N=1 esp --seq 0|renewed|IN_REPLAY_ZERO
		in-state-expired|3|sa 0x101 dead|esp|sa 0x101 mature|IN_EXPIRED
		in-state-mismatches|3||esp --outer-src 198.51.100.254||IN_SA_SELECTOR
		in-state-invalid|3|sa 0x101 larval|esp|sa 0x101 mature|IN_SA_INVALID
		in-template-mismatches|3||clear_wan||IN_PLAIN
		in-template-mismatches|3||clear_wan --dst $GW_LAN1||IN_PLAIN
		in-template-mismatches|3|other_peer|esp|no_other_peer|IN_TEMPLATE
		in-no-policies|3||esp --inner-src 192.0.2.9||IN_NO_POLICY
		in-policy-blocked|3|discard|clear_wan|no_discard|IN_BLOCKED
		in-policy-blocked|3|discard|clear_wan --dst $GW_LAN1|no_discard|IN_BLOCKED
		in-policy-errors|3|poke begin 2|clear_wan|poke begin -2|IN_LOOKUP
		in-policy-errors|3|poke begin 2|clear_wan --dst $GW_LAN1|poke begin -2|IN_LOOKUP
		in-policy-errors|3|poke begin 2|esp --sport 4100|poke begin -2|IN_LOOKUP
		out-errors|3||from_a_astray||OUT_OTHERHOST
		out-errors|3||from_a --src 10.1.202.255||OUT_SOURCE
		out-bundle-errors|3|unroutable|from_a||OUT_NO_ROUTE
		out-bundle-errors|3||from_host|routable|OUT_NO_ROUTE
		out-bundle-check-errors|3|poke sa-out 0x101|from_a||OUT_BUNDLE_CHECK
		out-bundle-check-errors|3||from_host|poke sa-out 0x100|OUT_BUNDLE_CHECK
		out-no-states|3|xi 1 manual-sa disable m|from_a||OUT_NO_SA
		out-no-states|3||from_host|xi 1 manual-sa enable m|OUT_NO_SA
		out-no-states|3|sa 0x100 larval|from_a||OUT_NO_SA
		out-no-states|3||from_host|sa 0x100 mature|OUT_NO_SA
		out-state-mode-errors|3||from_a --df --len 1500||OUT_TOO_BIG
		out-state-mode-errors|3||from_host 1472||OUT_TOO_BIG
		out-state-sequence-errors|3|sa 4294967295|from_a||OUT_SEQUENCE
		out-state-sequence-errors|3||from_host|sa 1000|OUT_SEQUENCE
		out-state-expired|3|sa 0x100 dead|from_a||OUT_EXPIRED
		out-state-expired|3||from_host|sa 0x100 mature|OUT_EXPIRED
		out-policy-blocked|3|discard|from_a||OUT_BLOCKED
		out-policy-blocked|3||from_host|no_discard|OUT_BLOCKED
		out-policy-dead|3|poke policy-gen 1|from_a||OUT_POLICY_DEAD
		out-policy-dead|3||from_host|poke policy-gen -1|OUT_POLICY_DEAD
		out-policy-errors|3|poke begin 2|from_host|poke begin -2|OUT_LOOKUP
	EOF_TABLE
}
# out-state-protocol-errors comes last: the engine refuses a packet only when it does not fit the SA's keys, and the worker must be started anew for that.

from_a_astray() {
	in_ns a "$LIBDIR/forge.py" --dev eth0 --dst-mac $GW_LAN1_MAC --count "$N" clear --src $HOST_A --dst $HOST_B
}
# What was sent until now has been judged: a packet that is counted for sure comes behind it on the same queue.
settled() {
	local before
	before=$(stat_get 1 in-state-mode-errors)
	N=1 esp --seq 900001 --garbage && stat_wait 1 in-state-mode-errors $((before + 1)) 15
}

watch_drops() { # until xdp-ipsecd ends
	bg gw1 drops "$O/xdp-ipsec" --instance "${P}g1" monitor drops
	wait_for "in_ns gw1 ss -xH state connected | grep -q '/${P}g1/data.sock'" || fatal "monitor"
}
watch_drops
# watched COUNTER REASON LINE: the monitor has said so since that line, in the counter's direction, and where
watched() { tail -n "+$3" "$T/drops.log" | grep -F " $1 " | grep -F "text=\"$(reason_text "$2")\"" | grep -q "direction=${1%%-*} .*interface=[a-z]"; }

row() { # COUNTER PACKETS BEFORE PROVOKE AFTER REASON
	local counter=$1 N=$2 provoke=$4 after=$5 first want got line
	{ [ -z "$3" ] || eval "$3"; } >"$T/row.out" 2>&1 || { not_ok "$counter: $3"; note "$(cat "$T/row.out")"; }
	first=$(drops_seen 1)
	want=$(drops_more "$counter" "$6" "$N" <<<"$first")
	line=$(($(wc -l <"$T/drops.log") + 1))
	eval "$provoke" >"$T/row.out" 2>&1 || { not_ok "$counter: $provoke"; note "$(cat "$T/row.out")"; }
	wait_for 'got=$(drops_seen 1) && [ "$got" = "$want" ]' 15
	wait_for "watched $counter $6 $line" 5 || got+=$'\n'"in no line of the monitor: $(tail -n "+$line" "$T/drops.log")"
	{ [ -z "$after" ] || eval "$after"; } >"$T/row.out" 2>&1 || { not_ok "$counter: $after"; note "$(cat "$T/row.out")"; }
	if [ "$got" = "$want" ]; then
		ok "$counter, $6 +$N: ${3:+$3; }$provoke"
	else
		not_ok "$counter, $6 +$N: ${3:+$3; }$provoke"
		note "$(diff <(echo "$want") <(echo "$got"))"
	fi
}

snapshot() { xi 1 statistics print | awk '{print $1, $2}' | tr -d ':'; }

while IFS='|' read -r counter packets before provoke after reason <&3; do
	row "$counter" "$packets" "$before" "$provoke" "$after" "$reason"
done 3< <(table)
is "every counter is in the table, or the one below" \
	"$(comm -3 <(table | cut -d '|' -f 1 | sort -u) <(snapshot | cut -d ' ' -f 1 | sort) | tr -d '\t')" "out-state-protocol-errors"

# --- the policy's counters, spec 7.1 ---
# ACTION OR LEVEL | SA: there or missing | PROVOKE | the policy's COUNTER | with a drop, that of section 12
policy_table() {
	cat <<-'EOF_TABLE'
		none|there|clear_wan|in-accepted
		none|there|clear_wan --dst $GW_LAN1|in-accepted
		none|there|esp|in-accepted
		none|there|esp --inner-dst $GW_LAN1|in-accepted
		none|there|from_a|out-accepted
		none|there|from_host|out-accepted
		none|missing|from_a|out-accepted
		none|missing|from_host|out-accepted
		discard|there|clear_wan|in-dropped|in-policy-blocked
		discard|there|clear_wan --dst $GW_LAN1|in-dropped|in-policy-blocked
		discard|there|esp|in-dropped|in-policy-blocked
		discard|there|esp --inner-dst $GW_LAN1|in-dropped|in-policy-blocked
		discard|there|from_a|out-dropped|out-policy-blocked
		discard|there|from_host|out-dropped|out-policy-blocked
		discard|missing|from_a|out-dropped|out-policy-blocked
		discard|missing|from_host|out-dropped|out-policy-blocked
		use|there|clear_wan|in-accepted
		use|there|clear_wan --dst $GW_LAN1|in-accepted
		use|there|esp|in-transformed
		use|there|esp --inner-dst $GW_LAN1|in-transformed
		use|there|from_a|out-transformed
		use|there|from_host|out-transformed
		use|missing|from_a|out-accepted
		use|missing|from_host|out-accepted
		require|there|clear_wan|in-dropped|in-template-mismatches
		require|there|clear_wan --dst $GW_LAN1|in-dropped|in-template-mismatches
		require|there|esp|in-transformed
		require|there|esp --inner-dst $GW_LAN1|in-transformed
		require|there|from_a|out-transformed
		require|there|from_host|out-transformed
		require|missing|from_a|out-dropped|out-no-states
		require|missing|from_host|out-dropped|out-no-states
		unique|there|clear_wan|in-dropped|in-template-mismatches
		unique|there|clear_wan --dst $GW_LAN1|in-dropped|in-template-mismatches
		unique|there|esp|in-transformed
		unique|there|esp --inner-dst $GW_LAN1|in-transformed
		unique|there|from_a|out-transformed
		unique|there|from_host|out-transformed
		unique|missing|from_a|out-dropped|out-no-states
		unique|missing|from_host|out-dropped|out-no-states
	EOF_TABLE
}

# The policy, and another one that has the SA installed whatever the first one says.
xi 1 policy add src-address=10.8.0.0/24 dst-address=10.9.0.0/24 tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2 action=encrypt \
	manual-sa=m || fatal "policy"

policy_is() { # ACTION|LEVEL there|missing
	local ph2=established
	renewed || return 1
	[ "$2" = there ] || ph2=no-phase2
	case $1 in
	none | discard) xi 1 policy set 0 "action=$1" && ph2=no-phase2 ;;
	*) xi 1 policy set 0 action=encrypt "level=$1" ;;
	esac || return 1
	case $1,$2 in
	use,missing) poke sa-out 0 && return ;; # with a disabled template the policy would not be in force
	*,missing) xi 1 manual-sa disable m || return 1 ;;
	esac
	is "$1, SA $2: ph2-state" "$(policystat 1 0 ph2-state)" $ph2
}
of_policy() { # its six counters
	xi 1 policy print stats | awk '/^ *[0-9]+ / {n = $1}
		n == 0 {for (i = 1; i <= NF; i++) if (split($i, a, "=") == 2 && a[1] ~ /^(in|out)-[adt]/) print a[1], a[2]}'
}
raised() { awk -v c="$1" -v n="$2" '$1 == c {$2 += n} {print}'; } # COUNTER NUMBER: that counter of standard input

policy_row() { # ACTION|LEVEL SA PROVOKE COUNTER DROP
	local what="$1, SA $2: $3" counter=$4 N=3 want want_drops got drops
	[ "$1 $2" = "$LAST" ] || policy_is "$1" "$2" || not_ok "$1, SA $2"
	LAST="$1 $2"
	want=$(of_policy | raised "$counter" $N)
	want_drops=$(snapshot | raised "$5" $N)
	eval "$3" >"$T/row.out" 2>&1 || { not_ok "$what: sent"; note "$(cat "$T/row.out")"; }
	wait_for "[ \$(policystat 1 0 $counter) = $(awk -v c="$counter" '$1 == c {print $2}' <<<"$want") ]" 15
	got=$(of_policy) drops=$(snapshot)
	if [ "$got" = "$want" ] && [ "$drops" = "$want_drops" ] && [ "$(wc -l <<<"$got")" = 6 ]; then
		ok "$what: $counter +$N${5:+, $5 +$N}"
	else
		not_ok "$what: $counter +$N${5:+, $5 +$N}"
		note "$(diff <(echo "$want") <(echo "$got"))"$'\n'"$(diff <(echo "$want_drops") <(echo "$drops"))"
	fi
}

LAST=
while IFS='|' read -r action state provoke counter drop <&3; do
	policy_row "$action" "$state" "$provoke" "$counter" "$drop"
done 3< <(policy_table)

# --- those of an SA, spec section 10 ---
# DIRECTION | PROVOKE | by how much it raises: current-bytes current-packets icv-errors replay-errors other-errors
# Inbound only what is accepted is traffic; bytes are those of the inner packets (spec 14.2).
sa_table() {
	cat <<-'EOF_TABLE'
		in|esp --len 100|300 3 0 0 0
		in|esp --wrong-key|0 0 3 0 0
		in|esp --bad-pad|0 0 3 0 0
		in|N=1 esp --seq 1000|0 0 0 1 0
		in|N=1 esp --seq 0|0 0 0 1 0
		in|esp --garbage|0 0 0 0 3
		in|esp --outer-src 198.51.100.254|0 0 0 0 3
		out|from_a --len 100|300 3 0 0 0
		out|from_host 72|300 3 0 0 0
	EOF_TABLE
}
of_sa() { # DIRECTION
	xi 1 -j installed-sa print detail | python3 -c '
import json, sys
sa = next(x for x in json.load(sys.stdin) if x["direction"] == sys.argv[1])
print(*(sa[p] for p in ("current-bytes", "current-packets", "icv-errors", "replay-errors", "other-errors")))' "$1"
}
sum() { # two lines of numbers, one below the other
	awk 'NR == 1 {split($0, a)} NR == 2 {for (i = 1; i <= NF; i++) printf("%s%d", (i > 1 ? " " : ""), a[i] + $i)}'
}
sa_row() { # DIRECTION PROVOKE RAISES
	local N=3 want
	want=$(printf '%s\n' "$(of_sa "$1")" "$3" | sum)
	eval "$2" >"$T/row.out" 2>&1 || not_ok "$1, $2: sent"
	wait_for "[ '$want' = \"\$(of_sa $1)\" ]" 15
	is "SA $1: $2: bytes, packets, errors of ICV, replay, other +($3)" "$(of_sa "$1")" "$want"
}

policy_is require there
renewed
is "an SA that was not used has no usetime and no last-use" "$(xi 1 installed-sa print detail | grep -cE 'usetime=|last-use=')" 0
SEQ=100000
N=1 esp --seq 5000
wait_for '[ "$(of_sa in | cut -d " " -f 2)" = 1 ]' 15
is "and one that was has both" "$(xi 1 installed-sa print detail | grep -oE 'usetime=|last-use=' | sort -u | wc -l)" 2
while IFS='|' read -r direction provoke raises <&3; do
	sa_row "$direction" "$provoke" "$raises"
done 3< <(sa_table)

# --- AH, transport mode, ESP inside AH, IPv6: policies 2 to 5, as `table` ---

PEER3=203.0.113.9
sa_policy 1 name=ah proto=ah spi=0x400 dst=10.41.0.0/16 && sa_policy 1 name=transport mode=transport spi=0x500 &&
	xi 1 policy set 3 dst-address=$PEER3/32 sa-dst-address=$PEER3 &&
	sa_policy 1 name=both proto=ah,esp spi=0x600 dst=10.42.0.0/16 && sa_policy 1 name=six inner=6 outer=6 spi=0x700 || fatal "policies"
tunnel_keys aes-128-gcm null # again those that esp() takes
forms() {
	cat <<-'EOF_TABLE'
		in-header-errors|3||raw 51 0x481 --cut 6||IN_HEADER
		in-no-states|3||raw 51 0x999||IN_NO_SA
		in-state-protocol-errors|3||raw 51 0x481||IN_ICV
		in-state-protocol-errors|3||raw 51 0x481 --cut 20||IN_LENGTH
		in-state-sequence-errors|3||raw 51 0x481 --seq 0||IN_REPLAY_ZERO
		in-state-sequence-errors|3|sa 900000|raw 51 0x481 --seq 1|sa 1000|IN_REPLAY_OLD
		in-state-expired|3|sa 0x481 dead|raw 51 0x481|sa 0x481 mature|IN_EXPIRED
		in-state-mismatches|3||raw 51 0x481 --src 198.51.100.254||IN_SA_SELECTOR
		in-state-invalid|3|sa 0x481 larval|raw 51 0x481|sa 0x481 mature|IN_SA_INVALID
		in-template-mismatches|3||clear_wan --src 10.41.0.5||IN_PLAIN
		in-template-mismatches|3||esp --inner-src 10.41.0.5||IN_TEMPLATE
		out-no-states|3|sa 0x480 larval|from_a --dst 10.41.0.5||OUT_NO_SA
		out-no-states|3||own $GW_LAN1 10.41.0.5|sa 0x480 mature|OUT_NO_SA
		out-state-mode-errors|3||from_a --dst 10.41.0.5 --df --len 1500||OUT_TOO_BIG
		out-state-sequence-errors|3|sa 4294967295|from_a --dst 10.41.0.5||OUT_SEQUENCE
		out-state-sequence-errors|3||own $GW_LAN1 10.41.0.5|sa 1000|OUT_SEQUENCE
		out-state-expired|3|sa 0x480 dead|from_a --dst 10.41.0.5|sa 0x480 mature|OUT_EXPIRED
		in-state-protocol-errors|3||raw 50 0x501 --src $PEER3||IN_ICV
		in-state-expired|3|sa 0x501 dead|raw 50 0x501 --src $PEER3|sa 0x501 mature|IN_EXPIRED
		in-state-mismatches|3||raw 50 0x501||IN_SA_SELECTOR
		in-template-mismatches|3||clear_wan --src $PEER3 --dst $WAN1||IN_PLAIN
		out-bundle-errors|3|xi 1 policy set 3 dst-address=203.0.113.0/24|own $WAN1 203.0.113.77|xi 1 policy set 3 dst-address=$PEER3/32|OUT_ENDPOINTS
		out-no-states|3|sa 0x500 larval|own $WAN1 $PEER3|sa 0x500 mature|OUT_NO_SA
		out-state-mode-errors|3||own $WAN1 $PEER3 1472||OUT_TOO_BIG
		out-state-sequence-errors|3|sa 4294967295|own $WAN1 $PEER3|sa 1000|OUT_SEQUENCE
		out-state-expired|3|sa 0x500 dead|own $WAN1 $PEER3|sa 0x500 mature|OUT_EXPIRED
		in-state-protocol-errors|3||raw 51 0x681||IN_ICV
		in-template-mismatches|3||esp --inner-src 10.42.0.5||IN_TEMPLATE
		out-no-states|3|sa 0x680 larval|from_a --dst 10.42.0.5||OUT_NO_SA
		out-no-states|3||own $GW_LAN1 10.42.0.5|sa 0x680 mature|OUT_NO_SA
		out-state-mode-errors|3||from_a --dst 10.42.0.5 --df --len 1500||OUT_TOO_BIG
		out-state-sequence-errors|3|sa 4294967295|from_a --dst 10.42.0.5|sa 1000|OUT_SEQUENCE
		out-state-expired|3|sa 0x680 dead|from_a --dst 10.42.0.5|sa 0x680 mature|OUT_EXPIRED
		in-header-errors|3||raw6 50 0x701 --cut 6||IN_HEADER
		in-no-states|3||raw6 50 0x999||IN_NO_SA
		in-state-protocol-errors|3||raw6 50 0x701||IN_ICV
		in-state-sequence-errors|3||raw6 50 0x701 --seq 0||IN_REPLAY_ZERO
		in-state-expired|3|sa 0x701 dead|raw6 50 0x701|sa 0x701 mature|IN_EXPIRED
		in-state-mismatches|3||raw 50 0x701 --src 2001:db8:100::fe --dst $WAN1_6||IN_SA_SELECTOR
		in-state-invalid|3|sa 0x701 larval|raw6 50 0x701|sa 0x701 mature|IN_SA_INVALID
		in-template-mismatches|3||clear_wan --src $HOST_B_6 --dst $HOST_A_6||IN_PLAIN
		in-template-mismatches|3||clear_wan --src $HOST_B_6 --dst $GW_LAN1_6||IN_PLAIN
		in-policy-errors|3|poke begin 2|clear_wan --src $HOST_B_6 --dst $HOST_A_6|poke begin -2|IN_LOOKUP
		out-no-states|3|sa 0x700 larval|from_a6||OUT_NO_SA
		out-no-states|3||own $GW_LAN1_6 $HOST_B_6|sa 0x700 mature|OUT_NO_SA
		out-state-mode-errors|3||from_a6 --len 1480||OUT_TOO_BIG
		out-state-mode-errors|3||own $GW_LAN1_6 $HOST_B_6 1452||OUT_TOO_BIG
		out-state-sequence-errors|3|sa 4294967295|from_a6||OUT_SEQUENCE
		out-state-sequence-errors|3||own $GW_LAN1_6 $HOST_B_6|sa 1000|OUT_SEQUENCE
		out-state-expired|3|sa 0x700 dead|from_a6|sa 0x700 mature|OUT_EXPIRED
		out-policy-dead|3|poke policy-gen 1|from_a6||OUT_POLICY_DEAD
		out-policy-dead|3||own $GW_LAN1_6 $HOST_B_6|poke policy-gen -1|OUT_POLICY_DEAD
		out-policy-errors|3|poke begin 2|own $GW_LAN1_6 $HOST_B_6|poke begin -2|OUT_LOOKUP
		in-policy-blocked|3|xi 1 policy set 5 action=discard|clear_wan --src $HOST_B_6 --dst $HOST_A_6||IN_BLOCKED
		out-policy-blocked|3||from_a6||OUT_BLOCKED
		out-policy-blocked|3||own $GW_LAN1_6 $HOST_B_6||OUT_BLOCKED
	EOF_TABLE
}
from_a6() { forge a eth0 gw1 lan --count "$N" clear --src $HOST_A_6 --dst $HOST_B_6 "$@"; }
while IFS='|' read -r counter packets before provoke after reason <&3; do
	row "$counter" "$packets" "$before" "$provoke" "$after" "$reason"
done 3< <(forms)

# --- out-state-protocol-errors: OpenSSL refuses to finish what it encrypts as long as a file is there ---

cat >"$T/refuse.c" <<-'EOF_C'
	#define _GNU_SOURCE
	#include <dlfcn.h>
	#include <stdlib.h>
	#include <unistd.h>
	int EVP_EncryptFinal_ex(void *ctx, unsigned char *out, int *len);
	int EVP_EncryptFinal_ex(void *ctx, unsigned char *out, int *len)
	{
		int (*real)(void *, unsigned char *, int *) = (int (*)(void *, unsigned char *, int *))dlsym(RTLD_NEXT, "EVP_EncryptFinal_ex");

		return access(getenv("XI_REFUSE"), F_OK) == 0 ? 0 : real(ctx, out, len);
	}
EOF_C
gw_stop 1 || not_ok "stop"
gcc -shared -fPIC -o "$T/refuse.so" "$T/refuse.c" || fatal "gcc"
LD_PRELOAD=$T/refuse.so XI_REFUSE=$T/refuse XDP_IPSEC_ENGINE=openssl ASAN_OPTIONS=verify_asan_link_order=0 gw_start 1 || fatal "start"
check "it seals" wait_for 'b=$(policystat 1 0 out-transformed); N=1 from_a; wait_for "[ \$(policystat 1 0 out-transformed) -gt $b ]" 2' 20
watch_drops
: >"$T/refuse"
row out-state-protocol-errors 3 "" from_a "" OUT_ENGINE
row out-state-protocol-errors 3 "" from_host 'rm "$T/refuse"' OUT_ENGINE
check "and seals again" wait_for 'b=$(policystat 1 0 out-transformed); N=1 from_a; wait_for "[ \$(policystat 1 0 out-transformed) -gt $b ]" 2' 20
tap_done
