#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A dynamic policy with its SAs, as generate-policy makes them (spec sections 6.1, 13.1, 19), made by tests/lib/keeper: it carries traffic, static
# policies of its priority and above come first, commands and restarts leave it alone, and what it protected never leaves in clear: below it stands
# the operator's discard.
. "$(dirname "$0")/lib.sh"

topo_up none
K12=$(hex 16 k12) K21=$(hex 16 k21)
for n in 1 2; do
	gw_attach $n && gw_start $n || fatal "start"
done
xi 1 policy add src-address=$LAN1 dst-address=10.1.0.0/16 action=discard priority=-1 comment=safety
xi 2 policy add src-address=$LAN2 dst-address=10.1.0.0/16 action=discard priority=-1
capture_start r w1 w1
generate() { # N
	local n=$1 pair=("0x101" "0x100" "$K21" "$K12" "$WAN1" "$WAN2" generate 10.1.202.0 10.1.101.0)
	[ "$n" = 1 ] || pair=("0x100" "0x101" "$K12" "$K21" "$WAN2" "$WAN1" generate 10.1.101.0 10.1.202.0)
	in_ns "gw$n" "$O/tests/lib/keeper" "${P}g$n" "${pair[@]}"
}
works() { in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B; }
sealed() { policystat 1 1 out-transformed; }

in_ns a ping -n -q -c 2 -i 0.02 -W 0.2 $HOST_B >/dev/null
is "before it the discard below holds" "$(stat_get 1 out-policy-blocked)" 2
check "made at both ends" eval "generate 1 && generate 2"
check "it carries traffic" works
is "policy state" "$(policystat 1 1 ph2-state)" established
is "counted out" "$(sealed)" 3
is "counted in" "$(policystat 1 1 in-transformed)" 3
check "shown with flag D" eval "xi 1 policy print | grep -q '^ 1  D src-address=10.1.202.0/24'"
check "the status counts it" eval "xi 1 status | grep -q 'policies: 1, 0 disabled, 0 inactive; 1 dynamic'"
check "without proposal, priority and manual-sa" eval "! xi 1 policy print from=1 | grep -qE 'proposal|priority|manual-sa'"
is "not exported" "$(xi 1 export | grep -c '10.1.101.0')" 0
xi 1 policy dump-kernel-policies
is "in the dump, before the static one of lower priority" "$(grep -o 'policy [a-z]* out: .*' "$T/gw1.log")" \
	"policy ipsec out: 10.1.202.0/24[0] - 10.1.101.0/24[0] "$'\n'"policy discard out: 10.1.202.0/24[0] - 10.1.0.0/16[0] "

# It is nobody's to change.
is "set is refused" "$(xi 1 policy set 1 level=use 2>&1)" "failure: can not change dynamic item"
is "disable is refused" "$(xi 1 policy disable 1 2>&1)" "failure: can not change dynamic item"
is "move is refused" "$(xi 1 policy move 1 0 2>&1)" "failure: can not change dynamic item"

# Static ones come and go.
bg a flood ping -n -q -c 200 -i 0.005 -W 2 $HOST_B
xi 1 policy add src-address=192.0.2.9/32 dst-address=192.0.2.10/32 action=none place-before=0
xi 1 policy set 0 dst-address=192.0.2.11/32
xi 1 policy remove 0
check "commands end" wait_for "grep -q 'packet loss' $T/flood.log" 20
check "changes of static policies lose none of its packets" grep -q "200 received, 0% packet loss" "$T/flood.log"
xi 1 policy add src-address=$HOST_A/32 dst-address=$HOST_B/32 action=discard
blocked=$(stat_get 1 out-policy-blocked)
in_ns a ping -n -q -c 2 -i 0.02 -W 0.2 $HOST_B >/dev/null
is "a static one of equal priority comes first" "$(($(stat_get 1 out-policy-blocked) - blocked))" 2
xi 1 policy remove 1
check "and is gone" works

# Plaintext of its networks does not come in.
capture_stop w1 || not_ok "capture"
check "no cleartext on the WAN" no_clear w1 --min 400
before=$(stat_get 1 in-template-mismatches)
forge r w1 gw1 wan clear --src $HOST_B --dst $HOST_A
is "plaintext is refused" "$(($(stat_get 1 in-template-mismatches) - before))" 1
is "and counted with it" "$(policystat 1 1 in-dropped)" 1

capture_start r w1 w1

# The data plane comes and goes.
gw_stop 1 || not_ok "stop"
in_ns a ping -n -q -c 2 -i 0.02 -W 0.2 $HOST_B >/dev/null && not_ok "nobody seals"
check "a new xdp-ipsecd" gw_start 1
check "has it still" works

# It goes with its SAs.
check "remove" xi 1 policy remove 1
is "no policy" "$(xi 1 policy print count-only)" 1
is "no SA" "$(xi 1 installed-sa print count-only)" 0
blocked=$(stat_get 1 out-policy-blocked)
in_ns a ping -n -q -c 2 -i 0.02 -W 0.2 $HOST_B >/dev/null
is "the discard below holds again" "$(($(stat_get 1 out-policy-blocked) - blocked))" 2
capture_stop w1 || not_ok "capture"
check "no cleartext on the WAN" no_clear w1 --min 6
tap_done
