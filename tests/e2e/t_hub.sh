#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Hub and spoke: what comes out of one tunnel and belongs into another is judged by its own addresses, before the hub's masquerade
# could rewrite them (spec 27.4). Gateway 1 is the hub, host B talks to a third site, 10.9.0.0/16, behind 203.0.113.99.
. "$(dirname "$0")/lib.sh"

topo_up masquerade
tunnel_up aes-128 sha1 || fatal "no tunnel"
THIRD=10.9.0.0/16
xi 2 policy add src-address=$LAN2 dst-address=$THIRD tunnel=yes sa-src-address=$WAN2 sa-dst-address=$WAN1 \
	action=encrypt manual-sa=m || fatal "policy"
xi 1 policy add src-address=$THIRD dst-address=$LAN2 tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2 \
	action=encrypt manual-sa=m || fatal "policy"
capture_start r w1 w1
ping_third() { in_ns b ping -n -q -c 3 -i 0.05 -W 0.3 10.9.0.1; }

# No policy for the rest of the way: forwarded in clear, as any traffic between two sites that nobody protects.
ping_third >"$T/ping.out"
at_least "without a policy the hub forwards" "$("$LIBDIR/capture.py" count "$T/w1.pcap" --src $WAN1 --dst 10.9.0.1)" 1
capture_stop w1
capture_start r w1 w1

out=("src-address=$LAN2" "dst-address=$THIRD")
xi 1 policy add "${out[@]}" action=discard || fatal "policy"
ping_third >"$T/ping.out"
is "discard: dropped" "$(stat_get 1 out-policy-blocked)" 3
xi 1 policy remove 2
xi 1 manual-sa add name=third esp-spi=0x301/0x300 esp-enc-algorithm=aes-128/aes-128 esp-auth-algorithm=sha1/sha1 \
	"esp-enc-key=$(hex 16 t1)/$(hex 16 t2)" "esp-auth-key=$(hex 20 t3)/$(hex 20 t4)" || fatal "manual-sa"
xi 1 manual-sa disable third
xi 1 policy add "${out[@]}" tunnel=yes action=encrypt sa-src-address=$WAN1 sa-dst-address=203.0.113.99 manual-sa=third
ping_third >"$T/ping.out"
is "no SA: dropped" "$(stat_get 1 out-no-states)" 3
is "and counted by its policy" "$(policystat 1 2 out-dropped)" 3
xi 1 manual-sa enable third
ping_third >"$T/ping.out"
check "with an SA: sealed again" wait_for '[ "$(policystat 1 2 out-transformed)" = 3 ]' 3

# A policy whose SA is to be negotiated: the first packet asks for it and is sealed when it is there (spec 13.3 step 6).
xi 1 policy remove 2
xi 1 policy add "${out[@]}" tunnel=yes action=encrypt sa-src-address=$WAN1 sa-dst-address=203.0.113.99 || fatal "policy"
bg gw1 keeper "$O/tests/lib/keeper" "${P}g1" 0x401 0x400 "$(hex 16 n1)" "$(hex 16 n2)" $WAN1 203.0.113.99 300
wait_for "grep -q ready $T/keeper.log" || fatal "keeper"
ping_third >"$T/ping.out"
check "without an SA one is asked for, and the packets wait for it" \
	wait_for '[ "$(policystat 1 2 out-transformed)" = 3 ]' 3
is "one acquire" "$(grep -c '"event":"acquire"' "$T/keeper.log")" 1
is "nothing was dropped" "$(stat_get 1 out-no-states)" 3

# firewall=yes: the host's firewall sees what goes from one tunnel into another (spec 13.4 step 6), and what it lets through is sealed, masquerade or not.
# What comes before the next hop is known is dropped.
in_ns gw1 nft "table ip wall { chain through { type filter hook forward priority 0; ip saddr $LAN2 ip daddr $THIRD counter drop; }; }" || fatal "nft"
walled() { in_ns gw1 nft list table ip wall | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'; }
ping_once() { in_ns b ping -n -q -c 1 -W 0.1 10.9.0.1 >"$T/ping.out"; }
xi 1 interface detach wan && xi 1 interface attach wan firewall=yes || fatal "attach with firewall=yes"
check "firewall=yes: it sees what goes into another tunnel" wait_for 'ping_once; [ "$(walled)" -ge 3 ]'
is "and nothing passes it by" "$(policystat 1 2 out-transformed)" 3
in_ns gw1 nft flush chain ip wall through && in_ns gw1 nft add rule ip wall through ip saddr $LAN2 ip daddr $THIRD counter accept || fatal "nft"
check "what it accepts is sealed" wait_for 'ping_once; [ "$(policystat 1 2 out-transformed)" -ge 6 ]'
is "each packet" "$(($(walled) + 3))" "$(policystat 1 2 out-transformed)"
capture_stop w1
is "ESP of the second tunnel on the wire" "$("$LIBDIR/capture.py" count "$T/w1.pcap" --src $WAN1 --dst 203.0.113.99 --spi 0x300)" 3
is "nothing to the third site in clear" "$("$LIBDIR/capture.py" count "$T/w1.pcap" --dst 10.9.0.1)" 0
check "no cleartext" no_clear w1 --pair $LAN2,$THIRD --min 6
check "the first tunnel still works" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B
tap_done
