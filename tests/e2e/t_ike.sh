#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The site-to-site example of spec section 27 with IKE, between two gateways of our own: one ping brings the tunnel up; nothing leaves in clear, whoever
# is killed.
. "$(dirname "$0")/lib.sh"

topo_up masquerade
peer() { # N REMOTE
	xi "$1" peer add address="$2" port=500 auth-method=pre-shared-key secret="test"
}
peer 1 $WAN2 && peer 2 $WAN1 || fatal "peer"
xi 1 policy add src-address=$LAN1 src-port=any dst-address=$LAN2 dst-port=any sa-src-address=$WAN1 sa-dst-address=$WAN2 tunnel=yes \
	action=encrypt proposal=default || fatal "policy"
xi 2 policy add src-address=$LAN2 src-port=any dst-address=$LAN1 dst-port=any sa-src-address=$WAN2 sa-dst-address=$WAN1 tunnel=yes \
	action=encrypt proposal=default || fatal "policy"
for n in 1 2; do
	gw_attach $n && gw_start $n && iked_start $n || fatal "start"
done
capture_start r w1 w1 "not udp port 500"

# Every thread of the daemon, and its key process: no capability to use or to get back, system calls filtered.
key_process() { cat "/proc/${IKED_PID[1]}/task/"*/children; }
said() { cat "/proc/$1/task/"*/status | awk -v f="$2:" '$1 == f {print $2}' | sort -u | paste -sd ' '; }
daemon_uid() { said "${IKED_PID[$1]}" Uid; }
check "the daemon is not root" test "$(daemon_uid 1)" -gt 0
at_least "it has a key process" "$(key_process | wc -w)" 1
for pid in "${IKED_PID[1]}" $(key_process); do
	who=daemon
	[ "$pid" = "${IKED_PID[1]}" ] || who="key process"
	for set in CapEff CapPrm CapInh CapAmb; do
		is "$who: no capabilities, $set" "$(said "$pid" $set)" 0000000000000000
	done
	is "$who: no new privileges" "$(said "$pid" NoNewPrivs)" 1
	is "$who: system calls are filtered" "$(said "$pid" Seccomp)" 2
done
is "the daemon has no groups left of root" "$(sed -n 's/^Groups:[[:space:]]*//p' "/proc/${IKED_PID[1]}/status")" ""

check "one ping brings the tunnel up, the first packet included" in_ns a ping -n -q -c 1 -W 5 $HOST_B
is "policy state" "$(policystat 1 0 ph2-state)" established
check "remote-peers shows one, established" wait_for "xi 1 remote-peers print 2>/dev/null | grep -q 'state=established'"
check "initiator here" wait_for "xi 1 remote-peers print 2>/dev/null | grep -q 'side=initiator'"
check "responder there" wait_for "xi 2 remote-peers print 2>/dev/null | grep -q 'side=responder'"
is "two SAs" "$(xi 1 installed-sa print count-only 2>/dev/null)" 2
check "3des and sha1, PFS, 24m/30m" wait_for "xi 1 installed-sa print terse 2>/dev/null | grep -q 'auth-algorithm=sha1 enc-algorithm=3des.*add-lifetime=24m/30m'"
check "more traffic" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_B
check "and back" in_ns b ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_A

# The daemon dies: SAs go on, and the next one takes them over.
kill -KILL "${IKED_PID[1]}"
wait "${IKED_PID[1]}" 2>/dev/null
check "xdp-iked is killed: traffic goes on" in_ns a ping -n -q -l 10 -c 10 -i 10 -w 5 $HOST_B
check "it starts again" iked_start 1
is "the SAs are still there" "$(xi 1 installed-sa print count-only 2>/dev/null)" 2
check "traffic" in_ns a ping -n -q -l 10 -c 10 -i 10 -w 5 $HOST_B

# The data plane dies: nothing in clear, and afterwards as before.
gw_kill9 1
in_ns a ping -n -q -c 3 -i 0.1 -W 1 $HOST_B >/dev/null
check "xdp-ipsecd starts again" gw_start 1
check "traffic" in_ns a ping -n -q -l 10 -c 10 -i 10 -w 5 $HOST_B

# Everything anew.
check "kill-connections" xi 1 remote-peers kill-connections
check "the SAs are gone here" wait_for "[ \"\$(xi 1 installed-sa print count-only 2>/dev/null)\" = 0 ]"
check "the tunnel comes up again" wait_for "in_ns a ping -n -q -c 1 -W 2 $HOST_B >/dev/null" 20

capture_stop w1
check "only ESP between the gateways" "$LIBDIR/capture.py" only-esp "$T/w1.pcap" $WAN1 $WAN2 --min 40
check "nothing in clear" no_clear w1 --min 40
for n in 1 2; do
	check "xdp-iked $n ends cleanly" iked_stop $n
done
tap_done
