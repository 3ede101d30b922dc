#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Spec section 15, RFC 6040, RFC 4301 §5.1.2: the fields of inner and outer header on the wire, for the pairs of families.
# Gateway 1 is real; the peer is scapy at the router's end of its link.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
in_ns r sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 # nothing goes to gateway 2
sa_policy 1 && gw_attach 1 && gw_start 1 || fatal "no gateway"

SEQ=1
fields() { # INNER OUTER
	local verdict text before dropped=0 inner=$HOST_A,$HOST_B outer=$WAN1,$WAN2
	[ "$1" = 4 ] || inner=$HOST_A_6,$HOST_B_6
	[ "$2" = 4 ] || outer=$WAN1_6,$WAN2_6
	xi 1 policy remove 0 && xi 1 manual-sa remove 0 && sa_policy 1 "inner=$1" "outer=$2" || fatal "IPv$1 in IPv$2"
	before=$(stat_get 1 in-errors)
	while read -r verdict text; do
		case $verdict in
		ok) ok "IPv$1 in IPv$2: $text" ;;
		not) not_ok "IPv$1 in IPv$2: ${text#ok }" ;;
		dropped) dropped=$text ;;
		*) note "$verdict $text" ;;
		esac
	done < <("$LIBDIR/fields.py" --lan "/run/netns/$P-a,eth0,$(mac gw1 lan)" --wan "/run/netns/$P-r,w1,$(mac gw1 wan)" \
		--inner "$inner" --outer "$outer" --spi 0x100,0x101 --enc-key "$ENC_KEY12,$ENC_KEY21" \
		--auth-key "$AUTH_KEY12,$AUTH_KEY21" --seq $SEQ 2>&1)
	SEQ=$((SEQ + 1000)) # the keys stay, and with them the numbers that the gateway has seen
	is "IPv$1 in IPv$2: congestion that the inner packet cannot carry is counted" "$(($(stat_get 1 in-errors) - before))" "$dropped"
	at_least "IPv$1 in IPv$2: and there was some" "$dropped" 1
}

for inner in 4 6; do for outer in 4 6; do fields $inner $outer; done; done
is "nothing else was dropped" "$(xi 1 statistics print | awk '$1 != "in-errors:" && $2 > 0')" ""
tap_done
