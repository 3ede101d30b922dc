#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Packets that must not pass, each counted under its name of spec section 12, and only there.
. "$(dirname "$0")/lib.sh"

topo_up bypass
tunnel_up aes-128-gcm null || fatal "no tunnel"
check "ping" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B || fatal "no tunnel"
capture_start a eth0 lan "udp or icmp"

snapshot() { xi 1 statistics print | awk '{print $1, $2}' | tr -d ':'; }

env_n() { # NUMBER COMMAND...: with that many packets
	local N=$1
	shift
	"$@"
}

# drops WHAT COUNTER NUMBER COMMAND...: exactly that counter of gateway 1 moves, by NUMBER, and nothing arrives at A.
drops() {
	local what=$1 counter=$2 number=$3 before after want
	shift 3
	before=$(snapshot)
	"$@" || { not_ok "$what: sent"; return; }
	want=$(awk -v c="$counter" -v n="$number" '$1 == c {$2 += n} {print}' <<<"$before")
	wait_for "[ \"\$(stat_get 1 $counter)\" -ge \$(awk -v c=$counter '\$1 == c {print \$2}' <<<'$want') ]" 3
	after=$(snapshot)
	if [ "$after" = "$want" ]; then
		ok "$what: $counter +$number"
	else
		not_ok "$what: $counter +$number"
		note "$(diff <(echo "$want") <(echo "$after"))"
	fi
}

esp() { # forge.py esp options: from the router towards gateway 1, as gateway 2 would send, unless said otherwise
	tunnel_keys aes-128-gcm null
	forge r w1 gw1 wan esp --outer-src $WAN2 --outer-dst $WAN1 --inner-src $HOST_B --inner-dst $HOST_A --spi 0x101 \
		--enc gcm --enc-key "$ENC_KEY21" --payload forged "$@"
}
clear_wan() { forge r w1 gw1 wan --count "${N:-1}" clear "$@"; }

dropped=$(policystat 1 0 in-dropped)
drops "cleartext from the far LAN on WAN" in-template-mismatches 3 env_n 3 clear_wan --src $HOST_B --dst $HOST_A
drops "cleartext from the far LAN to the gateway" in-template-mismatches 1 clear_wan --src $HOST_B --dst $GW_LAN1
drops "a cleartext fragment from the far LAN" in-template-mismatches 1 clear_wan --src 10.1.101.99 --dst $HOST_A --proto tcp
is "the policy counts them as dropped" "$(($(policystat 1 0 in-dropped) - dropped))" 5
drops "wrong SPI" in-no-states 2 esp --spi 0x999 --seq 1000,1001
drops "wrong key" in-state-protocol-errors 2 esp --wrong-key --seq 2000,2001
drops "a flipped bit" in-state-protocol-errors 1 esp --flip 30 --seq 2002
drops "a flipped bit in the ICV" in-state-protocol-errors 1 esp --flip -1 --seq 2003
drops "truncated: no sequence number" in-header-errors 1 esp --cut 6 --seq 2004
drops "truncated: no SPI" in-header-errors 1 esp --cut 3 --seq 2004
drops "truncated: shorter than IV and ICV" in-state-protocol-errors 1 esp --cut 20 --seq 2005
drops "truncated: part of the ICV" in-state-protocol-errors 1 esp --cut 60 --seq 2006
drops "authentic, bad padding" in-state-protocol-errors 1 esp --bad-pad --seq 3000
drops "authentic, pad length beyond the packet" in-state-protocol-errors 1 esp --pad-len 255 --seq 3001
drops "authentic, not IP inside" in-state-mode-errors 1 esp --garbage --seq 3002
drops "authentic, inner length lies" in-state-mode-errors 1 esp --inner-total 4000 --seq 3003
drops "authentic, wrong next header" in-state-mode-errors 1 esp --next-header 17 --seq 3004
drops "authentic, outside the policy" in-no-policies 1 esp --inner-src 192.0.2.9 --seq 3005
drops "authentic, from another source than the peer" in-state-mismatches 1 esp --outer-src 198.51.100.254 --seq 3006

sound() { esp --seq "$1" --payload "sound-$1"; }
sound 4000
check "a sound packet of the oracle arrives" wait_for "grep -qa sound-4000 $T/lan.pcap"
drops "replayed" in-state-sequence-errors 1 sound 4000
drops "left of the window" in-state-sequence-errors 1 sound 2900
drops "sequence number 0" in-state-sequence-errors 1 sound 0
sound 3990
check "late but inside the window arrives" wait_for "grep -qa sound-3990 $T/lan.pcap"
drops "late and replayed" in-state-sequence-errors 1 sound 3990
before=$(snapshot)
esp --next-header 59 --seq 4010
sound 4011
check "after a dummy packet" wait_for "grep -qa sound-4011 $T/lan.pcap"
is "a dummy packet is no error" "$(snapshot)" "$before"
esp --seq 4020 --len 1400 --fragment 600 --payload "sound-fragments"
check "a fragmented ESP packet arrives" wait_for "grep -qa sound-fragments $T/lan.pcap"
before=$(snapshot)
esp --seq 4021 --len 1400 --fragment 600 --drop-fragment 1 --payload "sound-incomplete"
sound 4022
check "after an incomplete one" wait_for "grep -qa sound-4022 $T/lan.pcap"

# Outbound.
from_a() { forge a eth0 gw1 lan --count "${N:-1}" clear --src $HOST_A --dst $HOST_B "$@"; }
drops "too big with DF" out-state-mode-errors 1 from_a --df --len 1500
xi 1 policy disable 0
xi 1 policy add src-address=$LAN1 dst-address=$LAN2 action=discard
drops "discard, outbound" out-policy-blocked 1 from_a
drops "discard, inbound" in-policy-blocked 1 clear_wan --src $HOST_B --dst $HOST_A
xi 1 policy remove 1
xi 1 policy enable 0
xi 1 manual-sa disable m
drops "no SA: the policy fails closed" out-no-states 2 env_n 2 from_a
drops "no SA inbound" in-no-states 1 esp --seq 5000
drops "no SA: cleartext still does not come in" in-template-mismatches 1 clear_wan --src $HOST_B --dst $HOST_A
xi 1 manual-sa enable m
xi 1 manual-sa set m lifetime=1s
check "lifetime: gone after its time" wait_for 'before=$(stat_get 1 out-state-expired) && from_a && stat_wait 1 out-state-expired $((before + 1)) 1' 5
drops "past its lifetime, outbound" out-state-expired 1 from_a
drops "past its lifetime, inbound" in-state-expired 1 esp --seq 6000
xi 1 manual-sa set m lifetime=0s
check "ping again" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B

# What the kernel loses between tc and the workers: an end of the pair that takes nothing stands for a queue that is full.
pair_loses() { # WHAT COUNTER REASON END NODE SOURCE TO
	local want
	want=$(drops_seen 1 | drops_more "$2" "$3" 3)
	in_ns gw1 ip link set "$4" down
	in_ns "$5" ping -n -q -c 3 -i 0.02 -W 0.2 -I "$6" "$7" >/dev/null
	wait_for "[ \"\$(stat_get 1 $2)\" -gt $(stat_get 1 "$2") ]" 3
	is "$1: $2, $3 +3" "$(diff <(echo "$want") <(drops_seen 1))" ""
	in_ns gw1 ip link set "$4" up
	check "the internal interfaces are up again" in_ns "$5" ping -n -q -l 3 -c 3 -i 10 -w 5 -I "$6" "$7"
}
pair_loses "own packets on their way to a worker" out-errors OUT_PAIR xi1 gw1 $GW_LAN1 $HOST_B
pair_loses "decrypted ones on their way into the stack" in-buffer-errors IN_PAIR xi0 b $HOST_B $GW_LAN1

capture_stop lan || not_ok "capture"
is "nothing forged arrived" "$("$LIBDIR/capture.py" count "$T/lan.pcap" --dst $HOST_A --proto 17 --marker forged)" 0
xi 1 statistics print detail >"$T/detail.txt"
check "every drop has a reason in words" grep -q "arrived in clear although a policy requires protection" "$T/detail.txt"
tap_done
