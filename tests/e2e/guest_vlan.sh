#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The first process of the guest of t_vlan.sh. TAP lines on the console, then the machine is switched off.
#
#   a ───────────────── gw1 ──────────────── r ──────────────── gw2 ───────────────── b
#     eth0           lan   wan        w1  bridge  w2        wan   lan            eth0
#     .10  10.1.202.10 .1  .100  198.51.100.1/.2  .100            .20.5  10.1.101.1 .10
#     .11  10.2.202.10 .1  .200.30  203.0.113.1/.2  .200.30       .12    10.2.101.1 .10
#
# .20 and .200 are 802.1ad, the rest 802.1Q. The first pair of LANs goes by WAN VLAN 100, the second one by QinQ. Attached are lan and wan.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /tmp /etc
echo root:x:0:0:root:/:/bin/sh >/etc/passwd # tcpdump asks
for m in /modules/*.ko; do insmod "$m"; done
N=0
ok() { N=$((N + 1)); echo "ok $N - $1"; }
not_ok() {
	N=$((N + 1))
	echo "not ok $N - $1"
	tail -n 12 /tmp/out | sed 's/^/# /'
}
check() { # DESCRIPTION COMMAND...
	local what=$1
	shift
	if "$@" >/tmp/out 2>&1; then ok "$what"; else not_ok "$what"; fi
}
in_ns() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" "$@"
}
# Until it succeeds, 10 s at most.
soon() {
	local end=$((SECONDS + 10))
	until "$@"; do
		[ "$SECONDS" -lt $end ] || return 1
		sleep 0.2
	done
}

link() { # NS DEV NS DEV: tags stand in the frames, as on a wire; a veth would hand them on beside them, unseen by XDP
	local i
	ip link add "$2" netns "$1" type veth peer name "$4" netns "$3" || return 1
	for i in "$1 $2" "$3 $4"; do
		# shellcheck disable=SC2086 # two words
		set -- $i
		in_ns "$1" ethtool -K "$2" tx off rx off tso off gso off gro off txvlan off tx-vlan-stag-hw-insert off >/dev/null
		in_ns "$1" ip link set "$2" up || return 1
	done
}

vlan() { # NS LOWER NAME PROTOCOL ID [ADDRESS]
	in_ns "$1" ip link add link "$2" name "$3" type vlan protocol "$4" id "$5" && in_ns "$1" ip link set "$3" up &&
		{ [ -z "${6:-}" ] || in_ns "$1" ip addr add "$6" dev "$3"; }
}

topo() {
	local n
	for n in a gw1 r gw2 b; do
		ip netns add $n && in_ns $n ip link set lo up || return 1
		in_ns $n sysctl -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || return 1
	done
	for n in gw1 gw2; do
		in_ns $n sysctl -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 || return 1
	done
	link a eth0 gw1 lan && link gw1 wan r w1 && link gw2 wan r w2 && link b eth0 gw2 lan &&
		in_ns r ip link add br0 type bridge && in_ns r ip link set w1 master br0 && in_ns r ip link set w2 master br0 &&
		in_ns r ip link set br0 up &&
		vlan a eth0 eth0.10 802.1Q 10 10.1.202.10/24 && vlan a eth0 eth0.11 802.1Q 11 10.2.202.10/24 &&
		vlan gw1 lan lan.10 802.1Q 10 10.1.202.1/24 && vlan gw1 lan lan.11 802.1Q 11 10.2.202.1/24 &&
		vlan b eth0 eth0.20 802.1ad 20 && vlan b eth0.20 eth0.20.5 802.1Q 5 10.1.101.10/24 &&
		vlan b eth0 eth0.12 802.1Q 12 10.2.101.10/24 &&
		vlan gw2 lan lan.20 802.1ad 20 && vlan gw2 lan.20 lan.20.5 802.1Q 5 10.1.101.1/24 &&
		vlan gw2 lan lan.12 802.1Q 12 10.2.101.1/24 &&
		for n in 1 2; do
			vlan gw$n wan wan.100 802.1Q 100 198.51.100.$n/24 && vlan gw$n wan wan.200 802.1ad 200 &&
				vlan gw$n wan.200 wan.200.30 802.1Q 30 203.0.113.$n/24 || return 1
		done &&
		in_ns a ip route add 10.1.101.0/24 via 10.1.202.1 && in_ns a ip route add 10.2.101.0/24 via 10.2.202.1 &&
		in_ns b ip route add 10.1.202.0/24 via 10.1.101.1 && in_ns b ip route add 10.2.202.0/24 via 10.2.101.1 &&
		in_ns gw1 ip route add 10.1.101.0/24 via 198.51.100.2 && in_ns gw1 ip route add 10.2.101.0/24 via 203.0.113.2 &&
		in_ns gw2 ip route add 10.1.202.0/24 via 198.51.100.1 && in_ns gw2 ip route add 10.2.202.0/24 via 203.0.113.1
}

xi() {
	local n=$1
	shift
	in_ns "gw$n" xdp-ipsec --instance "g$n" "$@"
}

K1=00112233445566778899aabbccddeeff K2=ffeeddccbbaa99887766554433221100
A1=000102030405060708090a0b0c0d0e0f10111213 A2=131211100f0e0d0c0b0a09080706050403020100

# tunnel N PAIR WAN-PREFIX SPI SPI: 10.PAIR.{202,101}.0/24 between .1 and .2 of the prefix.
tunnel() {
	local n=$1 me=202 peer=101 o=2 k=$K2/$K1 a=$A2/$A1 spi=$5/$4
	[ "$n" = 1 ] || { me=101 peer=202 o=1 k=$K1/$K2 a=$A1/$A2 spi=$4/$5; }
	xi "$n" manual-sa add "name=m$2" esp-enc-algorithm=aes-128/aes-128 esp-auth-algorithm=sha1/sha1 "esp-enc-key=$k" \
		"esp-auth-key=$a" "esp-spi=$spi" replay=128 &&
		xi "$n" policy add "src-address=10.$2.$me.0/24" "dst-address=10.$2.$peer.0/24" tunnel=yes action=encrypt \
			"sa-src-address=$3.$n" "sa-dst-address=$3.$o" "manual-sa=m$2"
}

gateway() { # N
	tunnel "$1" 1 198.51.100 0x100 0x101 && tunnel "$1" 2 203.0.113 0x200 0x201 &&
		xi "$1" interface attach lan && xi "$1" interface attach wan || return 1
	in_ns "gw$1" xdp-ipsecd --instance "g$1" >"/tmp/gw$1.log" 2>&1 </dev/null &
}

# many NS ADDRESS [ARGUMENTS]: the first ones may go the slow way and be lost; then none.
many() {
	local ns=$1 to=$2
	shift 2
	soon in_ns "$ns" ping -n -q -c 1 -W 1 "$@" "$to" && in_ns "$ns" ping -n -q -c 20 -i 0.05 -W 3 "$@" "$to"
}

capture() { # NS DEV FILE
	nsenter --net="/run/netns/$1" tcpdump -Z root -nn -U -s 0 -i "$2" -w "/tmp/$3.pcap" >/dev/null 2>"/tmp/$3.log" &
	CAPS="$CAPS $!"
	soon grep -q listening "/tmp/$3.log"
}

seen() { tcpdump -Z root -nn -r "/tmp/${2:-w1}.pcap" "$1" 2>/dev/null | wc -l; } # FILTER [FILE]

# The VLAN device of gateway 1 anew, under another index.
vlan_again() {
	in_ns gw1 ip link del lan.10 && vlan gw1 lan lan.10 802.1Q 10 10.1.202.1/24
}

check "namespaces with VLAN and QinQ devices" topo
check "gateway 1 takes VLANs with its interfaces" gateway 1
check "gateway 2 takes VLANs with its interfaces" gateway 2
check "a VLAN device itself is refused" sh -c '! nsenter --net=/run/netns/gw1 xdp-ipsec --instance g1 interface attach wan.100 && true'
CAPS=
check "captures" capture r w1 w1
check "and on gateway 1, which does not see what AF_XDP sends" capture gw1 wan own
check "VLAN to VLAN over VLAN to QinQ: ping from A to B" many a 10.1.101.10
check "ping from B to A" many b 10.1.202.10
check "over QinQ: ping from A to B" many a 10.2.101.10
check "over QinQ: ping from B to A" many b 10.2.202.10
check "large packets" many a 10.1.101.10 -s 1300
check "for the gateway itself: into the VLAN device it came by" many a 10.1.101.1
check "the same over QinQ" many a 10.2.101.1
check "the gateway's own packets" many gw1 10.1.101.10 -I 10.1.202.1
check "the gateway's own packets over QinQ" many gw1 10.2.101.10 -I 10.2.202.1
check "a VLAN device made anew" vlan_again
check "ping through it" many a 10.1.101.10
in_ns gw1 ip link del lan.11
check "nothing comes through one that is gone" sh -c '! nsenter --net=/run/netns/b ping -n -q -c 3 -i 0.2 -W 1 10.2.202.10'
# shellcheck disable=SC2086 # several words
kill $CAPS
# shellcheck disable=SC2086
wait $CAPS 2>/dev/null
one=$(seen 'vlan 100 and ip proto 50') two=$(seen 'vlan 200 and vlan 30 and ip proto 50') all=$(seen '')
clear=$(($(seen 'vlan 100 and icmp') + $(seen 'vlan 200 and vlan 30 and icmp') + $(seen 'not vlan and not arp')))
arp=$(($(seen 'vlan 100 and arp') + $(seen 'vlan 200 and vlan 30 and arp'))) own=$(seen '' own)
echo "# frames: $all, ESP with tag 100: $one, with tags 200 and 30: $two, ARP: $arp; the stack of gateway 1 saw $own"
cat /tmp/w1.log /tmp/own.log >/tmp/out
check "ESP carries tag 100" [ "$one" -ge 240 ]
check "ESP carries tags 200, 30" [ "$two" -ge 160 ]
check "nothing in clear, nothing without tags, nothing else" [ "$clear.$((all - one - two - arp))" = 0.0 ]
check "most of it by AF_XDP" [ $((all > 400 && own <= 100)) = 1 ]
for n in 1 2; do
	xi $n statistics print | awk '$2 != 0 {print "# gateway '$n':", $0}'
done
grep -hE 'error|warning' /tmp/gw?.log | sed 's/^/# /'
echo "1..$N"
sync
poweroff -f
