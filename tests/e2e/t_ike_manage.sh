#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What an operator does to a running xdp-iked: flush, changes of peers, proposals and policies, an expired SA, and what the log says when the two sides do
# not agree (spec 4.2, 6.4, 7, 10, 11, 26).
. "$(dirname "$0")/lib.sh"

SECRET=zaq1-xsw2-secret
topo_up masquerade
site() { # N LOCAL_NET REMOTE_NET LOCAL REMOTE
	xi "$1" peer add address="$5" secret=$SECRET &&
		xi "$1" policy add src-address="$2" dst-address="$3" sa-src-address="$4" sa-dst-address="$5" tunnel=yes
}
site 1 $LAN1 $LAN2 $WAN1 $WAN2 && site 2 $LAN2 $LAN1 $WAN2 $WAN1 || fatal "configuration"
for n in 1 2; do
	gw_start $n && gw_attach $n && iked_start $n || fatal "start"
done
capture_start r w1 w1 "not udp port 500"

sas() { xi "$1" installed-sa print count-only 2>/dev/null; }
spis() { xi 1 installed-sa print terse 2>/dev/null | grep -o 'spi=[0-9A-Fx]*' | sort | tr '\n' ' '; }
peers() { xi "$1" remote-peers print terse 2>/dev/null | grep -c 'state=established'; }
phase1s() { grep -c 'initiate new phase 1' "$T/iked1.log"; }
pings() { in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B; }
both() { xi 1 "$@" >/dev/null 2>&1 && xi 2 "$@" >/dev/null 2>&1; }
none() { wait_for "[ \"\$(sas 1)\$(sas 2)\" = 00 ]" 15; }

is "before the first packet" "$(policystat 1 0 ph2-state)" no-phase2
check "the tunnel comes up" pings
is "policy state" "$(policystat 1 0 ph2-state)" established

# the ports are taken: nothing of the other instance stays
check "another daemon beside it" eval "! nsenter --net=/run/netns/$P-gw1 $O/xdp-iked --instance ${P}gx >$T/second.log 2>&1"
check "says why it does not start" grep -q 'cannot listen on UDP port 500: Address already in use' "$T/second.log"
check "and leaves no maps" test ! -e "/sys/fs/bpf/xdp-ipsec/${P}gx"
rm -rf "/run/xdp-ipsec/${P}gx" "/etc/xdp-ipsec/${P}gx"

# flush (spec 10): Deletes for the SAs, phase 1 stays
was=$(spis)
check "flush of AH" xi 1 installed-sa flush sa-type=ah
is "leaves ESP alone" "$(spis)" "$was"
check "flush" xi 1 installed-sa flush
check "empties both ends" none
is "policy state" "$(policystat 1 0 ph2-state)" no-phase2
is "phase 1 stays" "$(peers 1) $(peers 2)" "1 1"
check "the next packet makes new SAs" pings
is "under the phase 1 that is there" "$(phase1s)" 1

# changes touch what they concern (spec 4.2)
was=$(spis)
check "another peer" xi 1 peer add address=192.0.2.77 secret=other
is "leaves the SAs alone" "$(spis)" "$was"
is "and phase 1" "$(peers 1)" 1
check "a proposal that nobody uses" xi 1 proposal add name=spare
is "neither does that" "$(spis) $(peers 1)" "$was 1"
check "a changed peer" xi 1 peer set 0 dpd-interval=30s
check "drops its phase 1" wait_for "[ \"\$(peers 1)\" = 0 ]"
is "the SAs go on" "$(spis)" "$was"
check "with traffic" pings
check "another proposal" xi 1 proposal set default lifetime=20m
is "is for the next negotiation" "$(spis)" "$was"
check "its SAs are flushed; without a phase 1 the peer is not told" both installed-sa flush
check "traffic" pings
is "by a second phase 1" "$(phase1s)" 2
check "the new lifetime holds" wait_for "xi 1 installed-sa print terse 2>/dev/null | grep -q add-lifetime=16m/20m"
check "a policy goes" xi 1 policy disable 0
check "and takes its SAs from both ends" none
check "it comes back" xi 1 policy enable 0
check "traffic" pings

# the other end dies, the SAs run out (spec 14)
both installed-sa flush
check "both ends are empty" none
check "short lives" both proposal set default lifetime=4s
check "traffic" in_ns a ping -n -q -c 1 -W 5 $HOST_B
kill -KILL "${IKED_PID[2]}"
wait "${IKED_PID[2]}" 2>/dev/null
check "without the peer's daemon they expire" wait_for "[ \"\$(policystat 1 0 ph2-state)\" = expired ]" 20
check "the log says so" wait_for "grep -q 'IPsec-SA expired' $T/iked1.log" 10
begun() { grep -c 'initiate new phase [12]' "$T/iked1.log"; }
asks() { # a packet begins a negotiation, with nobody there to answer
	local n
	n=$(begun)
	in_ns a ping -n -q -c 1 -W 1 $HOST_B >/dev/null
	wait_for "[ \$(begun) -gt $n ]" 5
}
check "what renews them goes" xi 1 remote-peers kill-connections
check "a packet asks for an SA" asks
check "kill-connections while that is under way" xi 1 remote-peers kill-connections
check "the next packet asks anew, at once" asks
check "the daemon is started again" iked_start 2
check "and kill-connections" xi 1 remote-peers kill-connections
check "a longer life" both proposal set default lifetime=30m
check "brings the tunnel back" wait_for "in_ns a ping -n -q -c 1 -W 2 $HOST_B" 30

# no agreement: who, which message, what was offered, the first difference, the setting
again() {
	xi 1 remote-peers kill-connections
	both installed-sa flush
	none
	in_ns a ping -n -q -c 1 -W 1 $HOST_B >/dev/null
}
says() { wait_for "grep -q '$2' $T/iked$1.log" 10; }
check "another hash here" xi 1 peer set 0 hash-algorithm=sha256
again
check "the responder names the setting" says 2 'no suitable proposal found.*we have 3des md5 .*offered was 3des sha256 .*differs: hash-algorithm'
check "the initiator says what it offered" says 1 'NO-PROPOSAL-CHOSEN.*main mode, initiator.*we have 3des sha256 pre-shared-key modp1024.*compare'
check "another exchange" xi 1 peer set 0 exchange-mode=aggressive
again
check "the responder names both" says 2 'is not answered: it begins aggressive mode, exchange-mode of the peer item is main'
xi 1 peer set 0 exchange-mode=main >/dev/null 2>&1
xi 1 peer set 0 hash-algorithm=md5 >/dev/null 2>&1
check "another cipher in phase 2" xi 1 proposal set default enc-algorithms=aes-256
again
check "the responder names the setting" says 2 'no suitable proposal found.*quick mode.*first difference: encryption algorithm.*they: .*aes-256.*we: .*3des.*to change: enc-algorithms'
check "the initiator says what it offered" says 1 'phase2 negotiation failed.*NO-PROPOSAL-CHOSEN to what we offered: ESP tunnel, aes-256.*compare proposal default'
was=$(grep -c 'initiate new phase 2' "$T/iked1.log") since=$SECONDS
in_ns a ping -n -q -c 100 -i 0.01 -W 1 $HOST_B >/dev/null
was=$(($(grep -c 'initiate new phase 2' "$T/iked1.log") - was)) since=$((SECONDS - since + 2))
at_least "of 100 packets none starts another one within a second of a failure ($was in at most $since s)" $since $was
xi 1 proposal set default enc-algorithms=3des >/dev/null 2>&1
check "another network" xi 1 policy set 0 dst-address=10.1.0.0/16
again
check "the responder says that it has no policy" says 2 'no policy found: 10.1.0.0/16.*message 1 of quick mode from.*to change: '
xi 1 policy set 0 dst-address=$LAN2 >/dev/null 2>&1
check "no peer" xi 1 peer disable 0
again
check "is said, too" says 1 "no configuration found for $WAN2"
xi 1 peer enable 0 >/dev/null 2>&1
check "an address that is not ours" xi 1 policy set 0 sa-src-address=198.51.100.77
again
check "is said with the setting" says 1 "198.51.100.77\[500\] to $WAN2\[500\] could not be sent: .*sa-src-address"
xi 1 policy set 0 sa-src-address=$WAN1 >/dev/null 2>&1
check "all right again" wait_for "in_ns a ping -n -q -c 1 -W 2 $HOST_B" 40

# a terminal that goes
for pid in "${IKED_PID[1]}" "${GW_PID[1]}"; do
	name=$(cat "/proc/$pid/comm") && kill -HUP "$pid"
	check "SIGHUP ends $name cleanly" wait "$pid"
done
GW_PID[1]=

is "no secret is in the logs" "$(cat "$T"/iked?.log "$T"/gw?.log | grep -c "$SECRET")" 0
capture_stop w1
check "nothing in clear" no_clear w1 --min 20
tap_done
