#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Spec section 15, RFC 6040, RFC 4301 §5.1.2: the fields of inner and outer header on the wire, for ESP, AH and both, and the pairs of families;
# in transport mode those of the one header there is. Gateway 1 is real; the peer is scapy at the router's end of its link.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
in_ns r sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 # nothing goes to gateway 2
sa_policy 1 && gw_attach 1 && gw_start 1 || fatal "no gateway"

coproc FIELDS { exec "$LIBDIR/fields.py" 2>&1; } # one for all: it takes half a second to start
BG_PIDS+=("$FIELDS_PID")
SEQ=1
fields() { # MODE PROTO INNER OUTER [options of fields.py]
	local verdict text before dropped='' inner=$HOST_A,$HOST_B outer=$WAN1,$WAN2 name="$2, IPv$3 in IPv$4"
	[ "$3" = 4 ] || inner=$HOST_A_6,$HOST_B_6
	[ "$4" = 4 ] || outer=$WAN1_6,$WAN2_6
	[ "$1" = tunnel ] || name="$2, IPv$4"
	xi 1 policy remove 0 && xi 1 manual-sa remove 0 && sa_policy 1 "mode=$1" "proto=$2" "inner=$3" "outer=$4" || fatal "$name"
	tunnel_keys aes-128 sha1 sha1 # the same ones; those that the policy does not need, too
	before=$(stat_get 1 in-errors)
	echo "--proto $2 --lan /run/netns/$P-a,eth0,$(mac gw1 lan) --wan /run/netns/$P-r,w1,$(mac gw1 wan) --inner $inner --outer $outer" \
		"--spi 0x100,0x101 --enc-key $ENC_KEY12,$ENC_KEY21 --auth-key $AUTH_KEY12,$AUTH_KEY21 --ah-key $AH_KEY12,$AH_KEY21" \
		"--seq $SEQ ${*:5}" >&"${FIELDS[1]}"
	while read -r verdict text <&"${FIELDS[0]}" || fatal "$name: fields.py ended"; do
		case $verdict in
		end) break ;;
		ok) ok "$name: $text" ;;
		not) not_ok "$name: ${text#ok }" ;;
		dropped) dropped=$text ;;
		*) note "$verdict $text" ;;
		esac
	done
	SEQ=$((SEQ + 1000)) # the keys stay, and with them the numbers that the gateway has seen
	[ "$1" = tunnel ] || return 0
	is "$name: congestion that the inner packet cannot carry is counted" "$(($(stat_get 1 in-errors) - before))" "$dropped"
	at_least "$name: and there was some" "$dropped" 1
}

for inner in 4 6; do for outer in 4 6; do
	if [ $inner = $outer ]; then fields tunnel esp $inner $outer; else fields tunnel esp $inner $outer --few; fi
	fields tunnel ah $inner $outer --few
	fields tunnel ah,esp $inner $outer --few
done; done
for outer in 4 6; do for proto in esp ah ah,esp; do
	fields transport $proto $outer $outer --transport "/run/netns/$P-gw1"
done; done
is "nothing else was dropped" "$(xi 1 statistics print | awk '$1 != "in-errors:" && $2 > 0')" ""
tap_done
