#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Multicast that the gateway's stack forwards by routes of its own: from the LAN it is judged when it leaves (spec 13.3 step 2), out of a tunnel by
# the policy of the SA (13.4), and then again when it leaves. No SA is used or asked for to carry it. Gateway 1 is real, there is no second.
. "$(dirname "$0")/lib.sh"

topo_up none
in_ns r sysctl -qw net.ipv4.ip_forward=0
OUT=239.2.2.2 IN=239.3.3.3
bg gw1 mroute "$LIBDIR/mroute.py" $HOST_A,$OUT,$GW_LAN1,$WAN1 $HOST_B,$IN,$WAN1,$GW_LAN1
wait_for "grep -q . $T/mroute.log" || fatal "mroute"
if ! grep -q ready "$T/mroute.log"; then
	skip "forwarded multicast" "$(cat "$T/mroute.log")"
	tap_done
fi
tunnel_add 1 aes-128-gcm null && gw_attach 1 && gw_start 1 || fatal "no gateway"
capture_start r w1 w1 && capture_start a eth0 lan || fatal "capture"
ends=(tunnel=yes action=encrypt "sa-src-address=$WAN1" "sa-dst-address=$WAN2")

from_lan() { forge a eth0 gw1 lan --count 3 clear --src $HOST_A --dst $OUT --payload "$1"; }
echo 1000 >"$T/seq" # also for what runs in a subshell
from_tunnel() { # MARK DESTINATION
	local seq=$(($(cat "$T/seq") + 10))
	echo $seq >"$T/seq"
	forge r w1 gw1 wan esp --outer-src $WAN2 --outer-dst $WAN1 --inner-src $HOST_B --inner-dst "$2" --spi 0x101 \
		--enc gcm --enc-key "$ENC_KEY21" --seq $seq-$((seq + 2)) --payload "$1"
}
seen() { # CAPTURE MARK: how many of them, after all that was sent has passed
	capture_sync "$1" && "$LIBDIR/capture.py" count "$T/$1.pcap" --proto 17 --marker "$2"
}
sealed() { capture_sync w1 && "$LIBDIR/capture.py" list "$T/w1.pcap" | grep -c 'src=198.51.100.1 .*spi=0x100'; }
# moved COUNTER COMMAND...: by how much the command moves it; 3 are waited for
moved() {
	local counter=$1 before
	before=$(stat_get 1 "$counter")
	shift
	"$@" >"$T/moved.out" 2>&1
	stat_wait 1 "$counter" $((before + 3)) 2
	echo $(($(stat_get 1 "$counter") - before))
}

# --- from the LAN ---
from_lan lan-no-policy || fatal "forge"
wait_for '[ "$(seen w1 lan-no-policy)" = 3 ]'
is "no policy: forwarded in clear" "$(seen w1 lan-no-policy)" 3
xi 1 policy add src-address=$LAN1 dst-address=224.0.0.0/4 "${ends[@]}" manual-sa=m place-before=0 || fatal "policy"
is "encrypt, with an SA: dropped as out-no-states" "$(moved out-no-states from_lan lan-encrypt)" 3
is "counted by the policy" "$(policystat 1 0 out-dropped)" 3
xi 1 policy set 0 level=use || fatal "policy"
is "level use: dropped, too" "$(moved out-no-states from_lan lan-use)" 3
xi 1 policy set 0 manual-sa=none || fatal "policy"
is "level use without an SA: dropped, too" "$(moved out-no-states from_lan lan-bare)" 3
xi 1 policy set 0 level=require || fatal "policy"
is "encrypt, to be negotiated: dropped" "$(moved out-no-states from_lan lan-require)" 3
xi 1 policy set 0 action=discard || fatal "policy"
is "discard: dropped as out-policy-blocked" "$(moved out-policy-blocked from_lan lan-discard)" 3
xi 1 policy set 0 action=none || fatal "policy"
from_lan lan-none
wait_for '[ "$(seen w1 lan-none)" = 3 ]'
is "none: forwarded in clear" "$(seen w1 lan-none)" 3
is "and counted" "$(policystat 1 0 out-accepted)" 3
for mark in encrypt use bare require discard; do
	is "$mark: none of it in clear" "$(seen w1 lan-$mark)" 0
done
is "nothing was sealed" "$(sealed)" 0
xi 1 policy remove 0

# --- out of the tunnel ---
is "a group that no policy lets in: dropped as in-no-policies" "$(moved in-no-policies from_tunnel tunnel-none $IN)" 3
xi 1 policy add src-address=224.0.0.0/4 dst-address=$LAN2 "${ends[@]}" manual-sa=m || fatal "policy"
from_tunnel tunnel-in $IN
wait_for '[ "$(seen lan tunnel-in)" = 3 ]'
is "a group that a policy lets in: the stack forwards it" "$(seen lan tunnel-in)" 3
is "counted by that policy" "$(policystat 1 1 in-transformed)" 3
is "in clear it does not come in" "$(moved in-template-mismatches forge r w1 gw1 wan --count 3 clear --src $HOST_B --dst $IN --payload clear)" 3
xi 1 policy add src-address=$LAN2 dst-address=224.0.0.0/4 "${ends[@]}" manual-sa=m || fatal "policy"
is "to be protected when it leaves: dropped as out-no-states" "$(moved out-no-states from_tunnel tunnel-encrypt $IN)" 3
is "a group without a route is the stack's, from the first packet on" \
	"$(from_tunnel tunnel-other 239.9.9.9 && wait_for '[ "$(policystat 1 1 in-transformed)" = 9 ]' && policystat 1 1 in-transformed)" 9
xi 1 policy set 2 manual-sa=none sa-dst-address=203.0.113.77 || fatal "policy"
before=$(stat_get 1 out-no-states)
from_tunnel tunnel-other2 239.9.9.10
wait_for '[ "$(policystat 1 1 in-transformed)" = 12 ]'
is "nor does it wait for an SA" "$(policystat 1 1 in-transformed) $(($(stat_get 1 out-no-states) - before))" "12 0"
is "nothing of it on the LAN" "$(seen lan tunnel-encrypt)$(seen lan clear)" 00
is "nothing was sealed, not the first packet of a flow either" "$(sealed)" 0
is "nothing left in clear" "$(seen w1 tunnel-)" 0
capture_stop w1 && capture_stop lan || not_ok "capture"
tap_done
