#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Original addresses first, then the final ones (spec 27.4), on every path alike, IPv4 and IPv6: a packet whose addresses before NAT one policy
# matches and whose addresses behind it another one does. It comes from the LAN, from the gateway itself, and from the LAN that is not attached;
# the counters of the policies say which one decided.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
SERVICE=10.55.0.5 SERVICE_6=2001:db8:55::5
in_ns gw2 ip addr add $SERVICE/32 dev lo && in_ns gw2 ip addr add $SERVICE_6/128 dev lo nodad || fatal "addresses"
# Of each family: the original destination, the final one, the final source. The items of gateway 1: 0, 1, 2 and 3, 4, 5.
for n in 1 2; do
	sa_policy $n "dst=$SERVICE/32" name=service && sa_policy $n name=lan spi=0x200 &&
		sa_policy $n "src=$WAN1/32" name=wan spi=0x300 &&
		sa_policy $n inner=6 "dst=$SERVICE_6/128" name=service6 spi=0x400 && sa_policy $n inner=6 name=lan6 spi=0x500 &&
		sa_policy $n inner=6 "src=$WAN1_6/128" name=wan6 spi=0x600 || fatal "policy"
	gw_attach $n && gw_start $n || fatal "start"
done
bg b udp4 "$LIBDIR/udpsweep.py" serve $HOST_B 7001 "$T/udp4.json"
bg b udp6 "$LIBDIR/udpsweep.py" serve $HOST_B_6 7001 "$T/udp6.json"
bg gw2 own4 "$LIBDIR/udpsweep.py" serve $SERVICE 7000 "$T/own4.json"
bg gw2 own6 "$LIBDIR/udpsweep.py" serve $SERVICE_6 7000 "$T/own6.json"
wait_for "grep -q ready $T/udp4.log && grep -q ready $T/udp6.log && grep -q ready $T/own4.log && grep -q ready $T/own6.log" || fatal "servers"
capture_start r w1 w1

nat() { # ip|ip6 DESTINATION-NAT SOURCE-NAT
	in_ns gw1 nft -f - <<-EOF_NFT
		table $1 order
		delete table $1 order
		table $1 order {
			chain pre { type nat hook prerouting priority dstnat; $2 }
			chain out { type nat hook output priority -100; $2 }
			chain post { type nat hook postrouting priority srcnat; $3 }
		}
	EOF_NFT
	in_ns gw1 conntrack -F 2>/dev/null
	true
}
counts() { # PROPERTY: of the policies of the family
	xi 1 policy print stats | awk -v items=" ${ITEMS[*]} " -v want="$1=" '
		/^ *[0-9]+ / {wanted = index(items, " " $1 " ")}
		wanted {for (i = 1; i <= NF; i++) if (index($i, want) == 1) printf "%d ", substr($i, length(want) + 1)}'
}
# Which of them have moved. How far does not matter: ping sends again what tc drops.
moved() { # BEFORE NOW
	awk -v a="$1" -v b="$2" 'BEGIN {n = split(a, x); split(b, y); for (i = 1; i <= n; i++) printf "%s ", (y[i] > x[i] ? "yes" : "no")}'
}
# decides WHAT PROPERTY WANT COMMAND...: which of the three policies of the family count
decides() {
	local what=$1 property=$2 want=$3 before
	shift 3
	before=$(counts "$property")
	"$@" >"$T/decides.out" 2>&1
	wait_for "[ \"\$(moved '$before' \"\$(counts $property)\")\" = '$want' ]" 3
	is "IPv$V, $FROM: $what: $property by original, final destination, final source" "$(moved "$before" "$(counts "$property")")" "$want"
}
from() { # COMMAND... from where the round is about
	if [ "$FROM" = gateway ]; then in_ns gw1 "$@"; else in_ns a "$@"; fi
}
echoes() { from ping -n -q -l 3 -c 3 -i 10 -w 5 -I "$SOURCE" "$1"; }
unanswered() { from ping -n -q -c 3 -i 0.02 -W 0.1 -I "$SOURCE" "$1"; }
answered() { check "IPv$V, $FROM: it has its answers" grep '3 received' "$T/decides.out" || note "$(cat "$T/decides.out"; drops_seen 1; drops_seen 2)"; }
round() {
	local to=$SERVICE service="ip daddr $SERVICE" host=$HOST_B table=ip out
	[ $V = 4 ] || to=$SERVICE_6 service="ip6 daddr $SERVICE_6" host=$HOST_B_6 table=ip6
	out=$host
	[ $V = 4 ] || out="[$host]"
	nat $table "$service udp dport 7000 dnat to $out:7001; $service dnat to $host;" ""
	decides "destination NAT" out-transformed "yes no no " echoes $to
	answered
	check "IPv$V, $FROM: with ports: UDP" from "$LIBDIR/udpsweep.py" sweep $to 7000 --bind $SOURCE --from 1 --to 20
	nat $table "" "oifname wan masquerade;"
	decides "source NAT" out-transformed "no yes no " echoes $host
	answered
	check "IPv$V, $FROM: source NAT: UDP" from "$LIBDIR/udpsweep.py" sweep $host 7001 --bind $SOURCE --from 1 --to 20
	nat $table "$service dnat to $host;" "oifname wan masquerade;"
	decides "both" out-transformed "yes no no " echoes $to
	answered
	xi 1 policy set "${ITEMS[0]}" action=discard || fatal "policy"
	decides "discard before NAT" out-dropped "yes no no " unanswered $to
	xi 1 policy set "${ITEMS[0]}" action=none || fatal "policy"
	nat $table "$service dnat to $host;" ""
	decides "none before NAT, encrypt behind it" out-transformed "no yes no " echoes $to
	answered
	xi 1 policy set "${ITEMS[1]}" action=discard || fatal "policy"
	decides "none before NAT, discard behind it" out-dropped "no yes no " unanswered $to
	xi 1 policy set "${ITEMS[0]}" action=encrypt && xi 1 policy set "${ITEMS[1]}" action=encrypt || fatal "policy"
	nat $table "" ""
}
for FROM in LAN gateway "LAN, not attached"; do
	[ "$FROM" != "LAN, not attached" ] || xi 1 interface detach lan 2>/dev/null || not_ok "detach"
	for V in 4 6; do
		ITEMS=(0 1 2) SOURCE=$HOST_A
		[ "$FROM" != gateway ] || SOURCE=$GW_LAN1
		[ $V = 4 ] || { ITEMS=(3 4 5) && SOURCE=$HOST_A_6; }
		[ "$FROM$V" != gateway6 ] || SOURCE=$GW_LAN1_6
		round
	done
done

# What cannot be given its addresses back is dropped: an upper layer whose sum we do not mend (RFC 3828: UDP-Lite).
nat ip "" "oifname wan masquerade;"
want=$(drops_seen 1 | drops_more out-errors OUT_NAT 3)
dropped=$(policystat 1 1 out-dropped)
in_ns gw1 python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 136)
s.bind((sys.argv[1], 0))
for _ in range(3):
    try:
        s.sendto(bytes((0x1b, 0x58, 0x1b, 0x59, 0, 8, 0x12, 0x34)), (sys.argv[2], 0))
    except OSError:  # the drop at tc egress
        pass' $GW_LAN1 $HOST_B
is "what cannot be undone is dropped: out-errors, OUT_NAT +3" "$(diff <(echo "$want") <(drops_seen 1))" ""
is "by its policy" "$(($(policystat 1 1 out-dropped) - dropped))" 3
nat ip "" ""

# What goes against a translated connection: the far side has opened one to an address that only destination NAT knows, or to one of the gateway's own,
# host A answers, and a policy protects host A's own address as well. The answers are judged as what they leave as (spec 27.4), from an attached LAN
# as from one that is not, where XDP sees host A's address first.
for n in 1 2; do
	sa_policy $n src=10.77.0.0/24 name=virtual spi=0x700 && sa_policy $n inner=6 src=fd77::/64 name=virtual6 spi=0x800 || fatal "policy"
done
answers() { # WHAT WANT TO
	decides "$1" out-transformed "$2" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 "$3"
	check "IPv$V, $FROM: $1 arrive" grep -q '3 received' "$T/decides.out"
}
for FROM in "LAN, not attached" LAN; do
	[ "$FROM" != LAN ] || xi 1 interface attach lan || not_ok "attach"
	nat ip "ip daddr 10.77.0.50 dnat to $HOST_A;" ""
	V=4 ITEMS=(0 1 6)
	answers "answers of an address that only NAT has" "no no yes " 10.77.0.50
	nat ip6 "ip6 daddr fd77::50 dnat to $HOST_A_6;" ""
	V=6 ITEMS=(3 4 7)
	answers "answers of an address that only NAT has" "no no yes " fd77::50
	V=4 ITEMS=(0 1 6)
	nat ip "ip daddr $GW_LAN1 icmp type echo-request ip saddr $HOST_B dnat to $HOST_A;" ""
	answers "answers of the gateway's own address" "no yes no " $GW_LAN1
	check "IPv4, $FROM: who asks host A itself has answers, too" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_A
	xi 1 policy set 1 action=none || fatal "policy"
	nat ip "ip daddr 10.77.0.50 dnat to $HOST_A;" ""
	answers "none for host A's own address" "no no yes " 10.77.0.50
	xi 1 policy set 1 action=discard || fatal "policy"
	answers "discard for host A's own address" "no no yes " 10.77.0.50
	xi 1 policy set 1 action=encrypt || fatal "policy"
done
capture_stop w1 || not_ok "capture"
is "nothing of it in clear" "$(tcpdump -nn -r "$T/w1.pcap" 'ip and net 10.0.0.0/8' 2>/dev/null | wc -l)" 0
is "nor of IPv6" "$(tcpdump -nn -r "$T/w1.pcap" 'ip6 and udp or icmp6 and (ip6[40] == 128 or ip6[40] == 129)' 2>/dev/null | wc -l)" 0
# A policy of action none that the packet leaves by counts it, also behind NAT, where no policy matches.
xi 1 policy add src-address=$LAN1 dst-address=$INTERNET/32 action=none &&
	xi 1 policy add src-address=$LAN1_6 dst-address=$INTERNET_6/128 action=none || fatal "policy"
nat ip "" "oifname wan masquerade;"
nat ip6 "" "oifname wan masquerade;"
accepted() { # WHAT ITEM COMMAND...
	local what=$1 item=$2 before
	before=$(policystat 1 "$item" out-accepted)
	shift 2
	check "$what: none, then masqueraded: it has its answers" "$@" ping -n -q -l 3 -c 3 -i 10 -w 5 -I "$SOURCE" "$TO"
	is "$what: out-accepted" "$(($(policystat 1 "$item" out-accepted) - before))" 3
}
SOURCE=$HOST_A TO=$INTERNET accepted "IPv4, LAN" 8 in_ns a
SOURCE=$GW_LAN1 TO=$INTERNET accepted "IPv4, gateway" 8 in_ns gw1
SOURCE=$HOST_A_6 TO=$INTERNET_6 accepted "IPv6, LAN" 9 in_ns a
SOURCE=$GW_LAN1_6 TO=$INTERNET_6 accepted "IPv6, gateway" 9 in_ns gw1
tap_done
