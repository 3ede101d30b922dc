#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Level use (spec sections 3.5, 6.2, 7.1): without an SA packets pass in clear both ways and are counted; a policy that is inactive, because its
# template is disabled, counts them too, but decides about nothing that another policy wants.
. "$(dirname "$0")/lib.sh"

topo_up none
in_ns r ip route add $LAN1 via $WAN1 || fatal "route"
xi 1 manual-sa add name=m esp-enc-algorithm=aes-128 esp-auth-algorithm=sha1 esp-enc-key="$(hex 16 use)" \
	esp-auth-key="$(hex 20 use)" esp-spi=0x101/0x100 || fatal "template"
xi 1 policy add src-address=$LAN1 dst-address=$INTERNET tunnel=yes level=use action=encrypt sa-src-address=$WAN1 \
	sa-dst-address=$WAN2 manual-sa=m || fatal "policy"
gw_attach 1 2>/dev/null && gw_start 1 || fatal "start"
received() { in_ns a ping -n -q -c "$1" -i 0.02 -W 0.5 $INTERNET | sed -n 's/.* \([0-9]*\) received.*/\1/p'; }
counts() { # of the policy: out-accepted in-accepted out-dropped in-dropped
	local p
	for p in out-accepted in-accepted out-dropped in-dropped; do printf '%s ' "$(policystat 1 "${1:-0}" $p)"; done
}

is "with its SAs it protects: the peer is not there, nothing comes back" "$(received 2)" 0
is "which is counted" "$(policystat 1 0 out-transformed)" 2
check "the template is disabled" xi 1 manual-sa disable m
is "packets pass in clear" "$(received 3)" 3
is "and are counted" "$(counts)" "3 3 0 0 "
is "nothing was dropped" "$(stat_get 1 out-no-states) $(stat_get 1 in-template-mismatches)" "0 0"
check "explain says so" eval "xi 1 explain src-address=$HOST_A dst-address=$INTERNET protocol=icmp | grep -q 'sent in clear: level use'"
check "the host's own packets, too" in_ns gw1 ping -n -q -l 2 -c 2 -i 10 -w 5 -I $GW_LAN1 $INTERNET
is "are counted" "$(counts)" "5 5 0 0 "
check "another policy wants them, though evaluated later" xi 1 policy add src-address=$LAN1 dst-address=192.0.2.0/24 action=discard
is "it decides" "$(received 2)" 0
is "by its own counters" "$(counts 1)" "0 0 2 0 "
is "the inactive one's stay" "$(counts)" "5 5 0 0 "
xi 1 policy remove 1 || not_ok "remove"
check "the template is enabled" xi 1 manual-sa enable m
is "it protects again" "$(received 2)" 0
is "counted anew" "$(policystat 1 0 out-transformed) $(counts)" "2 0 0 0 0 "

MAPS="/sys/fs/bpf/xdp-ipsec/${P}g1/$(ls "/sys/fs/bpf/xdp-ipsec/${P}g1")"
# An SA that the policy names and that cannot be used is not a missing one: what it was to protect does not leave in clear (spec 14.1).
for state in larval dead; do
	case $state in larval) reason=out-no-states ;; dead) reason=out-state-expired ;; esac
	"$LIBDIR/saseq.py" "$MAPS" 0x100 $state
	before=$(stat_get 1 $reason)
	is "SA $state: nothing in clear" "$(received 2)" 0
	is "SA $state: $reason" $(($(stat_get 1 $reason) - before)) 2
	is "SA $state: none passed" "$(policystat 1 0 out-accepted)" 0
done
"$LIBDIR/saseq.py" "$MAPS" 0x100 mature
is "usable again: it protects" "$(received 2) $(policystat 1 0 out-accepted)" "0 0"
is "in clear inbound is accepted" "$(in_ns r ping -n -q -c 2 -i 0.02 -W 0.3 -I $INTERNET $HOST_A >/dev/null; policystat 1 0 in-accepted)" 2
tap_done
