#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Lifetimes of SAs without any IKE daemon (spec section 14): packets, bytes and time. What is beyond the hard limit is dropped to the
# packet, events say so once each, and a manual SA stays dead until it is edited.
. "$(dirname "$0")/lib.sh"

topo_up
check "both gateways come up; those of the second one's SAs live for 10 packets" eval '
	tunnel_add 1 aes-128 sha1 && gw_attach 1 && gw_start 1 &&
	tunnel_add 2 aes-128 sha1 lifepackets=10 && gw_attach 2 && gw_start 2' || fatal "no tunnel"

# connections N: of its data.sock, the listening one included.
connections() { in_ns "gw$1" grep -c "/${P}g$1/data.sock" /proc/net/unix; }
# monitor N NAME: prints the events of gateway N into $T/NAME.log from now on.
monitor() {
	local before
	before=$(connections "$1")
	bg "gw$1" "$2" "$O/xdp-ipsec" --instance "${P}g$1" monitor events
	wait_for "[ \$(connections $1) -gt $before ]" || not_ok "monitor events"
}
# events NAME EVENT DIRECTION LIMIT: how many of them.
events() { grep -c " $2 .*direction=$3 .*limit=$4" "$T/$1.log"; }
# received COUNT: pings from A that many times, one after the other; prints how many answers came.
received() { in_ns a ping -n -q -c "$1" -i 0.02 -W 1 -s "${2:-56}" $HOST_B | sed -n 's/.* \([0-9]*\) received.*/\1/p'; }
state() { xi "$1" installed-sa print terse | grep -o 'state=[a-z]*' | sort | uniq -c | tr -s ' \n' ' '; }

monitor 2 packets
is "packets: ten go there and back" "$(received 13)" 10
is "those beyond are dropped where the limit is, inbound" "$(stat_get 2 in-state-expired)" 3
is "none came as far as to be sent" "$(stat_get 2 out-state-expired)" 0
is "the other gateway has nothing to drop" "$(stat_get 1 out-state-expired)" 0
in_ns b ping -n -q -c 2 -i 0.02 -W 1 $HOST_A >/dev/null
is "and outbound" "$(stat_get 2 out-state-expired)" 2
for dir in in out; do
	check "soft limit, $dir" wait_for "grep -q ' sa-soft .*direction=$dir .*limit=packets' $T/packets.log"
	check "hard limit, $dir" wait_for "grep -q ' sa-hard .*direction=$dir .*limit=packets' $T/packets.log"
done
is "state" "$(state 2)" " 2 state=dead "

# Spec section 9: dead until edited.
check "a command that concerns another item changes nothing" xi 2 policy add src-address=10.9.9.0/24 action=none
is "still dead" "$(received 1)" 0
check "the template is edited: bytes instead" xi 2 manual-sa set m lifepackets=0 lifebytes=5500
monitor 2 bytes
is "bytes: 5 packets of 1000 go, the sixth would be beyond" "$(received 8 972)" 5
is "also a short one is dropped then" "$(received 1 10)" 0
is "bytes that were used" "$(xi 2 installed-sa print terse | grep -o 'current-bytes=[0-9]*' | sort -u)" "current-bytes=5000"
check "events" wait_for "grep -q ' sa-hard .*direction=in .*limit=bytes' $T/bytes.log"
is "soft is 80 percent: 4400, passed as well" "$(events bytes sa-soft in bytes)" 1

check "the template is edited: time" xi 2 manual-sa set m lifebytes=0 lifetime=4s
monitor 2 time
at_least "within it packets go" "$(received 3)" 3
check "soft after 80 percent" wait_for "grep -q ' sa-soft .*direction=out .*limit=time' $T/time.log" 8
is "dying is used on" "$(received 1)" 1
check "hard" wait_for "grep -q ' sa-hard .*direction=out .*limit=time' $T/time.log" 8
out=$(stat_get 2 out-state-expired) in=$(stat_get 2 in-state-expired)
is "nothing goes" "$(received 2)" 0
is "dropped inbound" "$(stat_get 2 in-state-expired)" $((in + 2))
in_ns b ping -n -q -c 1 -W 1 $HOST_A >/dev/null
is "dropped outbound" "$(stat_get 2 out-state-expired)" $((out + 1))
for what in soft hard; do
	for dir in in out; do
		is "sa-$what, $dir, once" "$(events time "sa-$what" $dir time)" 1
	done
done
check "without a limit it lives again" xi 2 manual-sa set m lifetime=0s
is "packets go" "$(received 2)" 2
is "state" "$(state 2)" " 2 state=mature "
tap_done
