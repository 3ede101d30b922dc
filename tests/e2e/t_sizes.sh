#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Sizes (spec section 15): path MTU learned from routers and not from liars, exact answers to senders, fragments both ways, the segment
# size of TCP, and fragments that nobody sound sends.
. "$(dirname "$0")/lib.sh"

topo_up none
topo_ip6
sa_up enc=aes-128 auth=sha1 || fatal "no tunnel"
check "ping" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B || fatal "no tunnel"

sa_print() { xi "$1" installed-sa print detail; }
# learned N: path MTU of gateway N's outbound SA, as shown. outbound N NAME: another property of it.
outbound() { sa_print "$1" | tr '\n' ' ' | sed 's/ [0-9]\+ [A-Z]* *[A-Z]* *spi=/\nspi=/g' | grep 'direction=out' | grep -o " $2=[^ ]*" | head -n 1 | cut -d = -f 2; }
learned() { outbound "$1" path-mtu; }

# narrow MTU: the router's link to gateway 2, in both families.
narrow() {
	in_ns r ip route replace 203.0.113.0/24 dev w2 proto kernel scope link src 203.0.113.254 mtu lock "$1" &&
		in_ns r ip -6 route replace 2001:db8:200::/64 dev w2 proto kernel metric 256 mtu lock "$((1280 > $1 ? 1280 : $1))"
}
wide() { narrow 1500; }
forget() { in_ns a ip route flush cache && in_ns a ip -6 route flush cache; } # what host A has learned

# answer [-6] SIZE: the MTU that an ICMP error tells A about a ping of SIZE bytes that must not be cut
answer() {
	local hdr=28 dst=$HOST_B
	[ "$1" != -6 ] || { hdr=48 dst=$HOST_B_6; shift; }
	forget
	in_ns a ping -n -c 2 -i 0.2 -W 1 -M "do" -s $(($1 - hdr)) "$dst" 2>&1 | grep -ioE 'mtu ?= ?[0-9]+|mtu=[0-9]+' | grep -oE '[0-9]+' | head -n 1
}
# fits [-6] SIZE: a ping of exactly SIZE bytes, not to be cut, comes back
fits() {
	local hdr=28 dst=$HOST_B
	[ "$1" != -6 ] || { hdr=48 dst=$HOST_B_6; shift; }
	forget
	in_ns a ping -n -q -c 1 -W 2 -M "do" -s $(($1 - hdr)) "$dst"
}

misfit() { ! fits "$@"; }

# --- a router between the gateways has a smaller MTU (RFC 1191, RFC 4301 section 8.2) ---

is "nothing is learned yet" "$(learned 1)" unknown
mtu=$(answer 1500)
is "AES-CBC and SHA1 over 1500 bytes leave" "$mtu" 1438
check "exactly that fits" fits "$mtu"
narrow 1300
in_ns a ping -n -q -c 1 -W 0.3 -M "do" -s 1372 $HOST_B >/dev/null
check "the router's word is heard" wait_for '[ "$(learned 1)" = 1300 ]' 5
mtu=$(answer 1400)
is "the sender is told what fits through 1300 bytes" "$mtu" 1230
capture_start r w1 narrow "esp"
check "exactly that fits" fits "$mtu"
check "one byte more does not" misfit $((mtu + 1))
check "larger ones with DF clear come as fragments" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 -M dont -s 3000 $HOST_B
capture_stop narrow || not_ok "capture"
is "no packet of the tunnel is larger than the path" \
	"$("$LIBDIR/capture.py" list "$T/narrow.pcap" | grep "src=$WAN1" | awk '{for (i = 1; i <= NF; i++) if ($i ~ /^len=/ && substr($i, 5) + 0 > 1300) n++} END {print n + 0}')" 0
at_least "and there were fragments" "$("$LIBDIR/capture.py" list "$T/narrow.pcap" | grep -c 'mf=1')" 3

# --- liars (RFC 4301 section 8.2.1, RFC 5927 section 7) ---

wide
for n in 1 2; do
	xi $n manual-sa disable m && xi $n manual-sa enable m || not_ok "fresh SAs"
done
check "ping with fresh SAs" in_ns a ping -n -q -c 40 -i 0.01 -W 2 $HOST_B
is "fresh SAs have learned nothing" "$(learned 1)" unknown
seq=$(outbound 1 seq)
lie() { # ARGUMENTS...: to gateway 1 about its last packet, unless said otherwise
	in_ns r "$LIBDIR/toobig.py" --dev w1 --dst-mac "$(mac gw1 wan)" --src 198.51.100.254 --dst $WAN1 --quote "$WAN1,$WAN2" \
		--spi 0x100 --seq "$seq" --mtu 1000 "$@"
}
lie --spi 0x102
lie --spi 0x101
lie --seq $((seq + 1))
lie --seq 0
lie --quote "$WAN1,203.0.113.9"
lie --quote "198.51.100.9,$WAN2"
lie --proto 51
lie --udp 4500,4500
lie --mtu 1500
lie --mtu 65535
lie --bad-sum
lie --code 1
lie --quoted 7
check "after all lies" in_ns a ping -n -q -c 1 -W 2 $HOST_B
is "no lie is believed" "$(learned 1)" unknown
lie --seq $((seq - 20)) --mtu 1401
check "one that is right is" wait_for '[ "$(learned 1)" = 1401 ]' 5
lie --mtu 1450
lie --mtu 1400
check "only ever less" wait_for '[ "$(learned 1)" = 1400 ]' 5
lie --mtu 0
check "RFC 1191 section 7.1: a router that says none" wait_for '[ "$(learned 1)" = 1006 ]' 5
lie --mtu 68
check "never below 552" wait_for '[ "$(learned 1)" = 552 ]' 5
check "and what is cut for that arrives" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 -M dont -s 5000 $HOST_B

# --- TCP (RFC 6691) ---

# mss FILE FLAGS: segment sizes in SYN (2) or SYN-ACK (18) packets
mss() { tcpdump -nn -r "$T/$1.pcap" "tcp[13] & 18 = $2 or (ip6[6] = 6 and ip6[53] & 18 = $2)" 2>/dev/null | grep -o 'mss [0-9]*' | sort -u | tr '\n' ' '; }
tcp_once() { # FAMILY: one connection from A to B
	local v=AF_INET b=$HOST_B
	[ "$1" = 4 ] || v=AF_INET6 b=$HOST_B_6
	bg b tcp python3 -c "import socket; s = socket.create_server(('$b', 7070), family=socket.$v); print('ready', flush=True); c = s.accept()[0]; n = 0
while d := c.recv(65536): n += len(d)
c.sendall(b'%d' % n)"
	wait_for "grep -q ready $T/tcp.log" || return 1
	in_ns a python3 -c "import socket; s = socket.create_connection(('$b', 7070), 5); s.settimeout(10); s.sendall(bytes(300000)); s.shutdown(1); print(s.recv(99).decode())" |
		grep -qx 300000
}
mss_seen() { # FAMILY: runs one, with captures $T/mssa.pcap, $T/mssb.pcap
	capture_start a eth0 mssa "tcp or ip6" && capture_start b eth0 mssb "tcp or ip6" || return 1
	forget
	check "TCP over IPv$1" tcp_once "$1"
	capture_stop mssa && capture_stop mssb
}
wide
for n in 1 2; do
	xi $n manual-sa disable m && xi $n manual-sa enable m
done
mss_seen 4
is "the SYN is clamped on its way out" "$(mss mssb 2)" "mss 1398 "
is "the SYN-ACK is" "$(mss mssa 18)" "mss 1398 "
check "traffic" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
seq=$(outbound 1 seq)
lie --mtu 1300
wait_for '[ "$(learned 1)" = 1300 ]' 5 || not_ok "learned"
mss_seen 4
is "by the path: SYN" "$(mss mssb 2)" "mss 1190 "
is "and inbound: SYN-ACK" "$(mss mssa 18)" "mss 1190 "
xi 1 policy set 0 tcp-mss=900 || not_ok "tcp-mss=900"
mss_seen 4
is "a fixed size" "$(mss mssb 2)$(mss mssa 18)" "mss 900 mss 900 "
xi 1 policy set 0 tcp-mss=off && xi 2 policy set 0 tcp-mss=off || not_ok "tcp-mss=off"
capture_start b eth0 mssoff tcp
in_ns a timeout 1 python3 -c "import socket; socket.create_connection(('$HOST_B', 7071), 1)" 2>/dev/null
capture_stop mssoff
is "off" "$(mss mssoff 2)" "mss 1460 "

# --- every form (RFC 8201, RFC 8200 section 5, RFC 4459) ---

wide
sizes() { # NAME PROTO INNER OUTER FITS1500 FITS1400 [TEMPLATE...]: what fits into 1500 and into 1400 bytes of path
	local name=$1 six='' to=$HOST_B
	[ "$3" = 4 ] || six=-6 to=$HOST_B_6
	wide
	check "$name: set up" sa_again "proto=$2" "inner=$3" "outer=$4" "${@:7}" || return
	check "$name: ping" wait_for "in_ns a ping -n -q -c 1 -W 1 $to"
	mtu=$(answer $six 1500)
	is "$name: what fits into 1500 bytes" "$mtu" "$5"
	check "$name: it does" fits $six "$mtu"
	check "$name: no more does" misfit $six $((mtu + 1))
	narrow 1400
	in_ns a ping -n -q -c 1 -W 0.3 -M "do" -s $((mtu - 48)) $to >/dev/null
	check "$name: the router's word is heard" wait_for 'sa_print 1 | grep -q " path-mtu=1400"' 5
	mtu=$(answer $six 1400)
	is "$name: what fits into 1400 bytes" "$mtu" "$6"
	check "$name: it does" fits $six "$mtu"
	check "$name: no more does" misfit $six $((mtu + 1))
	check "$name: 8000 bytes" wait_for "in_ns a ping -n -q -l 3 -c 3 -i 10 -w 1 ${six:--M dont} -s 8000 $to"
}
# AES-CBC with SHA1: 8 bytes of ESP, 16 of IV, text in blocks of 16 with 2 bytes of trailer, 12 of ICV; AH and its own IP header: 44
sizes "IPv6 in IPv6" esp 6 6 1422 1310
sizes "IPv4 in IPv6" esp 4 6 1422 1310
sizes "ESP in UDP" esp 4 4 1422 1326 nat-traversal=yes
sizes "ESP in UDP, IPv6" esp 6 6 1406 1310 nat-traversal=yes
sizes "bundle" ah,esp 6 4 1406 1310
sizes "IPv6 in IPv4" esp 6 4 1438 1342
mss_seen 6
is "IPv6: the SYN is clamped by the path" "$(mss mssb 2)" "mss 1282 "
is "IPv6: the SYN-ACK, too" "$(mss mssa 18)" "mss 1282 "
narrow 700
in_ns a ping -n -q -c 1 -W 0.3 -M "do" -s 1200 $HOST_B_6 >/dev/null
check "IPv6 in IPv4: a path of 700 bytes" wait_for '[ "$(learned 1)" = 700 ]' 5
is "nobody is told less than 1280" "$(answer -6 1300)" 1280
capture_start r w1 six700 esp
check "1280 bytes come through" fits -6 1280
capture_stop six700 || not_ok "capture"
at_least "in fragments" "$("$LIBDIR/capture.py" list "$T/six700.pcap" | grep "src=$WAN1" | grep -c 'mf=1')" 1
tap_done
