#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Source NAT on the gateways takes nothing out of the tunnel (spec 27.4): the gateway's own packets under a plain masquerade rule, and
# what the stack forwards from an interface that is not attached. Judge: nothing for the far LAN on the WAN, whatever its source.
. "$(dirname "$0")/lib.sh"

topo_up masquerade
tunnel_up aes-128 sha1 || fatal "no tunnel"
capture_start r w1 w1
for kind in masquerade bypass; do
	nat_set 1 $kind
	check "$kind: the gateway's own ping" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 -I $GW_LAN1 $HOST_B
	check "$kind: the gateway's own ping in fragments" in_ns gw1 ping -n -q -l 2 -c 2 -i 10 -w 5 -s 4000 -I $GW_LAN1 $HOST_B
	bg b "iperf$kind" iperf3 -s -1 -B $HOST_B
	wait_for "grep -q listening $T/iperf$kind.log" || fatal "iperf3"
	check "$kind: the gateway's own TCP" in_ns gw1 timeout 30 iperf3 -c $HOST_B -B $GW_LAN1 -n 2M
done
bg b udp "$LIBDIR/udpsweep.py" serve $HOST_B 7001 "$T/udp.json"
wait_for "grep -q ready $T/udp.log" || fatal "echo server"
nat_set 1 masquerade
check "the gateway's own UDP" in_ns gw1 "$LIBDIR/udpsweep.py" sweep $HOST_B 7001 --bind $GW_LAN1 --from 1 --to 200

xi 1 interface detach lan 2>"$T/detach.err" || not_ok "detach"
check "LAN not attached: ping" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
check "LAN not attached: UDP" in_ns a "$LIBDIR/udpsweep.py" sweep $HOST_B 7001 --from 1 --to 100
bg b iperf3 iperf3 -s -1 -B $HOST_B
wait_for "grep -q listening $T/iperf3.log" || fatal "iperf3"
check "LAN not attached: TCP" in_ns a timeout 30 iperf3 -c $HOST_B -n 2M
check "LAN not attached: the internet is still masqueraded" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $INTERNET
xi 1 interface attach lan || not_ok "attach"
check "attached again" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B

# ICMP errors about decrypted packets quote them: they take the tunnel, too (RFC 4301 section 6.2).
is "time exceeded of the far gateway arrives" "$(in_ns a ping -n -c 1 -t 2 -W 2 -p 5345435245540a $HOST_B | grep -c "From $WAN2.*Time to live exceeded")" 1
check "host unreachable of the far gateway arrives" sh -c "$(declare -f in_ns); P=$P; in_ns a ping -n -c 1 -W 5 -p 534543524554 -s 400 10.1.101.77 | grep -q 'Unreachable'"

# What the stack would not forward for its source is not sealed either (rp_filter is 1 here).
capture_start b eth0 lanb "udp port 4001"
spoof() { forge "$1" "$2" gw1 "$3" clear --src "$4" --dst $HOST_B --dport 4001 --payload spoofed; }
before=$(stat_get 1 out-errors)
spoof r w1 wan 10.1.202.55
spoof r w1 wan $GW_LAN1
spoof a eth0 lan $GW_LAN1
check "spoofed sources are dropped and counted" stat_wait 1 out-errors $((before + 3))
spoof a eth0 lan $HOST_A
check "a sound one arrives" wait_for "grep -qa spoofed $T/lanb.pcap"
capture_stop lanb
is "only that one" "$("$LIBDIR/capture.py" count "$T/lanb.pcap" --dst $HOST_B)" 1
in_ns gw1 sysctl -qw net.ipv4.ip_forward=0
spoof a eth0 lan $HOST_A
check "forwarding off: dropped" stat_wait 1 out-errors $((before + 4))
# Without rp_filter these two hold all the same. xdp-ipsecd hears of the change: the first packets may be sooner.
no_rpf() { in_ns gw1 sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.lan.rp_filter=0 net.ipv4.conf.wan.rp_filter=0; }
no_rpf
before=$(stat_get 1 out-errors)
check "forwarding off, no rp_filter: dropped" wait_for \
	"spoof a eth0 lan $HOST_A; [ \"\$(stat_get 1 out-errors)\" -ge $((before + 3)) ]"
in_ns gw1 sysctl -qw net.ipv4.ip_forward=1
no_rpf
check "forwarding on again" wait_for "in_ns a ping -n -q -c 1 -W 1 $HOST_B"
before=$(stat_get 1 out-errors)
spoof r w1 wan $GW_LAN1
check "our own source, no rp_filter: dropped" stat_wait 1 out-errors $((before + 1))
in_ns gw1 sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.lan.rp_filter=1 net.ipv4.conf.wan.rp_filter=1

# ICMP errors are let in only when what they quote was sent through this tunnel, and by whom they go to. (Last: the numbers leave the peer behind.)
tunnel_keys aes-128 sha1
quoted() { # SEQUENCE QUOTED-SOURCE QUOTED-DESTINATION
	in_ns r "$LIBDIR/quoted.py" --dev w1 --dst-mac "$(mac gw1 wan)" --outer-src $WAN2 --outer-dst $WAN1 --to $HOST_A \
		--quote "$2,$3" --enc-key "$ENC_KEY21" --auth-key "$AUTH_KEY21" --spi 0x101 --seq "$1"
}
capture_start a eth0 lana "icmp and src $WAN2"
before=$(stat_get 1 in-no-policies)
quoted 900001 $HOST_A 192.0.2.7
check "a quote of what is not protected is refused" stat_wait 1 in-no-policies $((before + 1))
quoted 900002 10.1.202.77 $HOST_B
check "a quote of another host's packet is refused" stat_wait 1 in-no-policies $((before + 2))
quoted 900003 $HOST_A $HOST_B
check "a sound one arrives" wait_for "grep -qa quoted $T/lana.pcap"
capture_stop lana
is "only that one" "$("$LIBDIR/capture.py" count "$T/lana.pcap" --src $WAN2)" 1

capture_stop w1 || not_ok "capture"
is "nothing for the far LAN in clear, whatever its source" \
	"$(tcpdump -nn -r "$T/w1.pcap" '(dst net 10.1.0.0/16 or src net 10.1.0.0/16) and not udp port 4001' 2>/dev/null | wc -l)" 0
check "no quoted payload in clear" "$LIBDIR/capture.py" no-clear "$T/w1.pcap" --pair 10.99.0.0/16,10.98.0.0/16 --marker SECRET --min 20
tap_done
