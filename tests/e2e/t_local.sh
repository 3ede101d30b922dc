#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Policies as wide as they can be (the LAN to everywhere, the gateway's own address to everywhere): what is for the gateway's own addresses, to
# many, or IKE of its own is treated as spec 13.3 to 13.5 say, IKE of others is not exempt, and what IPsec makes is not looked up again.
. "$(dirname "$0")/lib.sh"

topo_up none
tunnel_keys aes-128 sha1
for n in 1 2; do
	xi $n manual-sa add name=m replay=128 esp-enc-algorithm=aes-128 esp-auth-algorithm=sha1 "esp-spi=$(pair $n 0x101 0x100)" \
		"esp-enc-key=$(pair $n "$ENC_KEY21" "$ENC_KEY12")" "esp-auth-key=$(pair $n "$AUTH_KEY21" "$AUTH_KEY12")" || fatal "manual-sa"
done
ends1=(tunnel=yes action=encrypt "sa-src-address=$WAN1" "sa-dst-address=$WAN2" manual-sa=m)
ends2=(tunnel=yes action=encrypt "sa-src-address=$WAN2" "sa-dst-address=$WAN1" manual-sa=m)
xi 1 policy add src-address=$LAN1 dst-address=0.0.0.0/0 "${ends1[@]}" || fatal "policy"
xi 2 policy add src-address=0.0.0.0/0 dst-address=$LAN1 "${ends2[@]}" || fatal "policy"
in_ns r nft 'table ip quiet { chain in { type filter hook input priority 0; udp dport { 500, 501 } drop; }; }' || fatal "nft" # no ICMP
for n in 1 2; do
	gw_attach $n && gw_start $n || fatal "start"
done
capture_start r w1 w1

counts() { # ITEM: of a policy of gateway 1
	local p
	for p in in-accepted in-dropped in-transformed out-accepted out-dropped out-transformed; do
		printf '%s ' "$(policystat 1 "$1" $p)"
	done
}
less() { awk -v a="$1" -v b="$2" 'BEGIN {n = split(a, x); split(b, y); for (i = 1; i <= n; i++) printf "%d ", x[i] - y[i]}'; }
# moves WHAT ITEM COUNTS COMMAND...: by how much the command moves the six counters of the policy
moves() {
	local what=$1 item=$2 want=$3 before
	shift 3
	before=$(counts "$item")
	"$@" >"$T/moves.out" 2>&1
	wait_for "[ \"\$(less \"\$(counts $item)\" '$before')\" = '$want' ]" 3
	is "$what: in accepted, dropped, transformed, out the same" "$(less "$(counts "$item")" "$before")" "$want"
}
udp() { # NS SOURCE SPORT DESTINATION DPORT [OPTION]: three datagrams, "marked"
	in_ns "$1" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
s.bind((sys.argv[1], int(sys.argv[2])))
for _ in range(3):
    try:
        s.sendto(b"marked", (sys.argv[3], int(sys.argv[4])))
    except PermissionError:  # a drop at tc egress
        pass' "$2" "$3" "$4" "$5"
}

check "the LAN reaches the far LAN" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
check "and the far LAN it" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_A

# --- the gateway's own addresses ---
# The answer leaves the gateway under a policy that no rule of the list takes it out of, and what comes is judged like all that comes.
is "its LAN address is in a protected network: in clear it does not answer" \
	"$(in_ns a ping -n -q -c 3 -i 0.02 -W 0.3 $GW_LAN1 | grep -o '[0-9]* received')" "0 received"
is "which is in-template-mismatches" "$(stat_get 1 in-template-mismatches)" 3
moves "and counted" 0 "0 3 0 0 0 0 " in_ns a ping -n -q -c 3 -i 0.02 -W 0.3 $GW_LAN1
check "its WAN address is in no policy as a destination of its own: no outbound policy is asked for what stays here" \
	in_ns a ping -n -q -c 3 -i 0.02 -W 1 $WAN1
moves "nor counted" 0 "0 0 0 0 0 0 " in_ns a ping -n -q -c 3 -i 0.02 -W 1 $WAN1
xi 1 policy add src-address=$LAN1 dst-address=$LAN1 action=none place-before=0 || fatal "policy"
check "a none policy above makes the LAN address answer" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $GW_LAN1
moves "which counts both ways" 0 "3 0 0 3 0 0 " in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $GW_LAN1
check "the far LAN reaches the LAN address through the tunnel" in_ns b ping -n -q -l 3 -c 3 -i 10 -w 5 $GW_LAN1
check "the gateway's own, from its LAN address" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 -I $GW_LAN1 $HOST_B

# --- to many ---
bg gw1 keeper "$O/tests/lib/keeper" "${P}g1" 0x201 0x200 "$(hex 16 a)" "$(hex 16 b)" $WAN1 $WAN2 -1
wait_for "grep -q ready $T/keeper.log" || fatal "keeper"
xi 1 policy add src-address=$LAN1 dst-address=224.0.0.0/4 tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2 place-before=0 || fatal "policy"
no_states() { stat_get 1 out-no-states; }
before=$(no_states)
moves "multicast of the gateway, to be negotiated: dropped" 0 "0 0 0 0 3 0 " udp gw1 $GW_LAN1 4000 239.1.1.1 4001
is "as out-no-states" "$(($(no_states) - before))" 3
moves "what arrives to many from the LAN is not outbound" 0 "0 0 0 0 0 0 " udp a $HOST_A 4000 239.1.1.1 4001
is "nobody was asked for an SA" "$(grep -c '"event":"acquire"' "$T/keeper.log")" 0
stop_pid "$BG_PID"
xi 1 policy set 0 manual-sa=m
before=$(no_states)
moves "with an SA: dropped all the same" 0 "0 0 0 0 3 0 " udp gw1 $GW_LAN1 4000 239.1.1.1 4001
is "as out-no-states" "$(($(no_states) - before))" 3
xi 1 policy set 0 level=use
moves "level use: dropped, an SA does not carry it" 0 "0 0 0 0 3 0 " udp gw1 $GW_LAN1 4000 239.1.1.1 4001
xi 1 policy set 0 level=require action=discard
before=$(stat_get 1 out-policy-blocked)
moves "discard" 0 "0 0 0 0 3 0 " udp gw1 $GW_LAN1 4000 239.1.1.1 4001
is "as out-policy-blocked" "$(($(stat_get 1 out-policy-blocked) - before))" 3
xi 1 policy set 0 action=none
moves "none: sent" 0 "0 0 0 3 0 0 " udp gw1 $GW_LAN1 4000 239.1.1.1 4001
xi 1 policy remove 0
moves "limited broadcast, which the policy for all matches" 1 "0 0 0 0 3 0 " udp gw1 $GW_LAN1 4000 255.255.255.255 4001
moves "broadcast of the LAN, by the none policy" 0 "0 0 0 3 0 0 " udp gw1 $GW_LAN1 4000 10.1.202.255 4001
xi 1 policy remove 0
moves "broadcast of the LAN, by the policy for all" 0 "0 0 0 0 3 0 " udp gw1 $GW_LAN1 4000 10.1.202.255 4001
moves "broadcast from the LAN is plaintext for this host" 0 "0 3 0 0 0 0 " udp a $HOST_A 4000 10.1.202.255 4001
moves "limited broadcast from the LAN is in no policy" 0 "0 0 0 0 0 0 " udp a $HOST_A 4000 255.255.255.255 4001

# --- IKE ---
xi 1 policy add "src-address=$WAN1/32" dst-address=0.0.0.0/0 "${ends1[@]}" || fatal "policy"
in_ns gw1 nft 'table ip quiet { chain in { type filter hook input priority 0; udp dport 500 counter; udp dport { 500, 501 } drop; }; }' || fatal "nft"
arrived() { in_ns gw1 nft list table ip quiet | sed -n 's/.*udp dport 500 counter packets \([0-9]*\).*/\1/p'; }
in_clear() { "$LIBDIR/capture.py" count "$T/w1.pcap" --proto 17 "$@"; }
moves "IKE of the gateway's own" 1 "0 0 0 0 0 0 " udp gw1 $WAN1 500 $INTERNET 500
capture_sync w1
is "leaves in clear" "$(in_clear --src $WAN1 --dst $INTERNET)" 3
moves "to port 500, from another port: protected" 1 "0 0 0 0 0 3 " udp gw1 $WAN1 501 $INTERNET 500
moves "IKE to the gateway" 1 "0 0 0 0 0 0 " udp r $INTERNET 4000 $WAN1 500
is "arrives" "$(arrived)" 3
moves "from port 500, to another: dropped" 1 "0 3 0 0 0 0 " udp r $INTERNET 500 $WAN1 501
moves "IKE of a host behind it: protected" 0 "0 0 0 0 0 3 " udp a $HOST_A 500 $INTERNET 500
capture_sync w1
is "nothing of it in clear" "$(in_clear --src $HOST_A)" 0
xi 1 policy disable 0
xi 1 policy add "src-address=$WAN1/32" dst-address=$INTERNET/32 protocol=udp action=discard place-before=0 || fatal "policy"
nat_set 1 masquerade
moves "under the gateway's address by masquerade, too: judged by its final addresses" 0 "0 0 0 0 3 0 " udp a $HOST_A 500 $INTERNET 500
nat_set 1 none
xi 1 policy remove 0
xi 1 policy enable 0

# --- our own product, which the policy of the gateway's address matches, too ---
check "the tunnel works" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
in_ns gw1 ip neigh flush dev wan
check "by the slow way out as well" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
check "in fragments" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 -s 4000 $HOST_B
capture_stop w1 || not_ok "capture"
is "one ESP header each, nothing in itself" "$("$LIBDIR/capture.py" list "$T/w1.pcap" | grep -c 'src=198.51.100.1 .*spi=0x100' | awk '{print ($1 > 10)}')" 1
check "no cleartext" no_clear w1 --min 20
tap_done
