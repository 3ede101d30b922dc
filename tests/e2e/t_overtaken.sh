#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# UDP whose later fragments come before the first one, with NAT traversal in use: ESP in UDP is opened, what is not IPsec reaches the stack
# whole, by the policies of what is whole (spec sections 13.5, 13.6); without a data plane the stack gets it as it comes.
. "$(dirname "$0")/lib.sh"

topo_up none
in_ns r ip route add $LAN1 via $WAN1 || fatal "route"
tunnel_up aes-128-gcm null nat-traversal=yes || fatal "no tunnel"
check "ping" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B || fatal "no tunnel"
capture_start a eth0 lan "udp"
tunnel_keys aes-128-gcm null
SEQ=5000
esp() { # as gateway 2 would send it, backwards
	forge r w1 gw1 wan esp --outer-src $WAN2 --outer-dst $WAN1 --inner-src $HOST_B --inner-dst $HOST_A --spi 0x101 --natt \
		--enc gcm --enc-key "$ENC_KEY21" --seq $SEQ --payload "esp-$SEQ " --reverse "$@"
}
for how in "--len 1400 --fragment 800" "--len 1400 --fragment 200" "--len 9000 --fragment 1500"; do
	SEQ=$((SEQ + 1))
	# shellcheck disable=SC2086
	esp $how
	check "ESP in UDP, $how" wait_for "grep -qa esp-$SEQ $T/lan.pcap"
done
is "no error" "$(xi 1 statistics print | awk '$2 != 0 {print $1 $2}')" ""

# Ordinary UDP for the gateway: a DNS-size answer and a large one, whole to the socket.
bg gw1 socket python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5353))
print("ready", flush=True)
while True:
    d, peer = s.recvfrom(65535)
    print(len(d), d[:12].decode().strip(), peer[0], flush=True)'
wait_for "grep -q ready $T/socket.log" || fatal "socket"
ID=100
clear() { # LENGTH SOURCE OPTIONS...
	local len=$1 src=$2
	shift 2
	ID=$((ID + 1))
	forge r w1 gw1 wan clear --src "$src" --dst $WAN1 --sport 53 --dport 5353 --payload "clear-$ID      " --len "$len" --ident $ID \
		--reverse "$@"
}
got() { check "$1" wait_for "grep -q '^$2 clear-$ID $3\$' $T/socket.log"; }
clear 1428 $INTERNET --fragment 600
got "1400 bytes, backwards" 1400 $INTERNET
clear 4028 $INTERNET --fragment 1500
got "4000 bytes, backwards" 4000 $INTERNET
clear 30028 $INTERNET --fragment 1500
got "30000 bytes, backwards" 30000 $INTERNET
for i in 1 2 3 4 5 6 7 8; do clear 1428 "198.51.100.$((20 + i))" --fragment 600; done
got "many at once" 1400 198.51.100.28
is "all of them" "$(grep -c '^1400 clear-' "$T/socket.log")" 9

# In clear from where a policy asks for protection: dropped, whatever the order; IKE is exempt.
check "a policy for the gateway itself" xi 1 policy add src-address=$WAN1/32 dst-address=192.0.2.9/32 action=encrypt level=require \
	sa-src-address=$WAN1 sa-dst-address=$WAN2 tunnel=yes
before=$(stat_get 1 in-template-mismatches)
clear 1428 192.0.2.9 --fragment 600
check "is dropped in clear" stat_wait 1 in-template-mismatches $((before + 1))
is "by its policy" "$(policystat 1 1 in-dropped)" 1
bg gw1 ike python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 500))
print("ready", flush=True)
print(len(s.recv(65535)), flush=True)'
wait_for "grep -q ready $T/ike.log" || fatal "socket"
forge r w1 gw1 wan clear --src 192.0.2.9 --dst $WAN1 --sport 500 --dport 500 --payload "ike" --len 2028 --ident 777 --reverse --fragment 600
check "IKE is not" wait_for "grep -q '^2000' $T/ike.log"

# Nobody to put it together: the stack does.
gw_stop 1 || not_ok "stop"
clear 1428 $INTERNET --fragment 600
got "without xdp-ipsecd" 1400 $INTERNET
capture_stop lan || not_ok "capture"
tap_done
