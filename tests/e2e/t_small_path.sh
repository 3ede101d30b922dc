#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A path of 576 bytes between gateways whose own interfaces know nothing of it: IKE with certificates, whose messages come in fragments, datagrams that are larger,
# with and without DF, and TCP, in both directions (spec section 15; RFC 1191, 791).
. "$(dirname "$0")/lib.sh"

PATH_MTU=576
topo_up none
in_ns r ip route replace 203.0.113.0/24 dev w2 mtu lock $PATH_MTU && in_ns r ip route replace 198.51.100.0/24 dev w1 mtu lock $PATH_MTU || fatal "the small path"
pki() {
	local n
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/ca.key" -out "$T/ca.pem" -days 100 -subj "/CN=ca" -addext basicConstraints=critical,CA:TRUE || return 1
	for n in 1 2; do
		openssl req -newkey rsa:2048 -nodes -keyout "$T/me$n.key" -out "$T/me$n.csr" -subj "/O=$(hex 30 $n)/CN=gw$n" &&
			openssl x509 -req -in "$T/me$n.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial -days 100 -out "$T/me$n.pem" &&
			xi $n certificate import file-name="$T/ca.pem" name=ca && xi $n certificate import file-name="$T/me$n.pem" name=me &&
			xi $n certificate import file-name="$T/me$n.key" name=me || return 1
	done
}
site() { # N LOCAL_NET REMOTE_NET LOCAL REMOTE
	xi "$1" peer add address="$5" auth-method=rsa-signature certificate=me enc-algorithm=aes-128 hash-algorithm=sha256 dh-group=modp2048 &&
		xi "$1" policy add src-address="$2" dst-address="$3" sa-src-address="$4" sa-dst-address="$5" tunnel=yes
}
check "certificates" pki || fatal "certificates"
site 1 $LAN1 $LAN2 $WAN1 $WAN2 && site 2 $LAN2 $LAN1 $WAN2 $WAN1 || fatal "configuration"
for n in 1 2; do
	gw_attach $n && gw_start $n && iked_start $n || fatal "start"
done
capture_start r w2 w2 && capture_start r w1 w1 || fatal "capture"
check "the tunnel comes up, the first packet included" in_ns a ping -n -q -c 1 -W 10 $HOST_B
is "by certificates" "$(xi 2 remote-peers print 2>/dev/null | grep -c 'state=established')" 1
at_least "IKE came in fragments" "$(tcpdump -nn -r "$T/w1.pcap" 'src net 203.0.113.0/24 and ip[6:2] & 0x3fff != 0 and ip[9] = 17' 2>/dev/null | wc -l)" 4

other() { if [ "$1" = a ]; then echo $HOST_B; else echo $HOST_A; fi; }
# said HOST SIZE: the MTU in the answer to a datagram with DF of that size
said() { in_ns "$1" ping -n -M "do" -c 1 -W 1 -s $(($2 - 28)) "$(other "$1")" 2>&1 | sed -n 's/.*Frag needed and DF set (mtu = \([0-9]*\)).*/\1/p'; }
tcp() { # HOST: a million bytes from it
	local to=b at
	[ "$1" = a ] || to=a
	at=$(other "$1")
	bg $to tcp python3 -c "import socket; s = socket.create_server(('$at', 7070)); print('ready', flush=True); c = s.accept()[0]; n = 0
while d := c.recv(65536): n += len(d)
print('got', n, flush=True)"
	wait_for "grep -q ready $T/tcp.log" || return 1
	in_ns "$1" timeout 20 python3 -c "import socket; s = socket.create_connection(('$at', 7070), 5); s.sendall(bytes(1000000)); s.close()" || return 1
	wait_for "grep -qx 'got 1000000' $T/tcp.log"
}
# By default Linux takes no MTU below 552 for true.
for h in a b; do
	in_ns $h sysctl -qw net.ipv4.route.min_pmtu=68
done
for h in a b; do
	# the first one that is too large goes as far as the router, whose answer teaches the gateway
	in_ns $h ping -n -q -M "do" -c 1 -W 1 -s 1372 "$(other $h)" >/dev/null
	in_ns $h ip route flush cache
	check "$h, with DF: 1400 bytes are refused with what fits" wait_for "mtu=\$(said $h 1400) && [ -n \"\$mtu\" ] && [ \$mtu -lt $PATH_MTU ]" 10
	mtu=$(in_ns $h ip route get "$(other $h)" | sed -n 's/.* mtu \([0-9]*\).*/\1/p')
	at_least "$h: that wastes little (mtu $mtu)" "${mtu:-0}" 500
	check "$h, with DF: that size arrives" in_ns $h ping -n -q -M "do" -l 10 -c 10 -i 10 -w 5 -s $((mtu - 28)) "$(other $h)"
	in_ns $h ip route flush cache
	check "$h, without DF: 1400 bytes arrive" in_ns $h ping -n -q -M dont -l 10 -c 10 -i 10 -w 5 -s 1372 "$(other $h)"
	check "$h: TCP" tcp $h
done
capture_stop w1 && capture_stop w2 || not_ok "captures"
# Where the path is small nothing larger has come out of it.
is "nothing larger has passed" "$(tcpdump -nn -r "$T/w2.pcap" "dst net 203.0.113.0/24 and greater $((PATH_MTU + 15))" 2>/dev/null | wc -l)" 0
check "nothing in clear" no_clear w1
check "nothing in clear" no_clear w2
tap_done
