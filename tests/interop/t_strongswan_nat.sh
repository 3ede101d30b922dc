#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# xdp-iked against strongSwan in the guest with a NAT between them: ESP in UDP by a Linux kernel (RFC 3947, 3948; spec section 21). gw1 of lib.sh is the NAT here
# and nothing else; the gateway is gw2, inside:
#
#   b ─────────── gw2 ───────────── gw1 (nftables) ───────── r ┄┄┄ guest
#     10.1.101.10   172.16.0.2   .1     198.51.100.1             198.51.100.2
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/charon.sh"
IN=172.16.0.2 NAT_IN=172.16.0.1

inside_up() {
	local n
	for n in gw2 b; do
		ip netns add "$P-$n" && in_ns $n ip link set lo up || return 1
	done
	in_ns gw2 sysctl -qw net.ipv4.ip_forward=1 && link gw2 wan gw1 in && link b eth0 gw2 lan &&
		in_ns gw1 ip addr add $NAT_IN/24 dev in && in_ns gw2 ip addr add $IN/24 dev wan && in_ns gw2 ip route add default via $NAT_IN &&
		in_ns gw2 ip addr add $GW_LAN2/24 dev lan && in_ns b ip addr add $HOST_B/24 dev eth0 && in_ns b ip route add default via $GW_LAN2
}
# nat DEVICE: source NAT of what leaves by it
nat() {
	in_ns gw1 nft -f - <<-EOT
		table ip xinat
		delete table ip xinat
		table ip xinat {
			chain post {
				type nat hook postrouting priority srcnat;
				oifname "$1" masquerade
			}
		}
	EOT
}
interop_up
inside_up && nat wan || fatal "set up the inside"
charon_start guest || fatal "charon"

# theirs ADDRESS ID ENCRYPTION MODE: strongSwan's configuration for the gateway that it knows by this address and this identity
theirs() {
	local ts="local_ts = 10.2.0.0/24"$'\n'"remote_ts = $LAN2"
	[ "$4" = tunnel ] || ts=''
	cat >"$CHARON/swanctl/$EPOCHREALTIME.conf" <<-EOT
	connections {
		t {
			version = 1
			local_addrs = $GUEST
			remote_addrs = $1
			proposals = aes128-sha1-modp1024
			local {
				auth = psk
				id = $GUEST
			}
			remote {
				auth = psk
				id = $2
			}
			children {
				t {
					$ts
					mode = $4
					esp_proposals = $3
				}
			}
		}
	}
	secrets {
		ike-t {
			id-1 = $GUEST
			id-2 = $2
			secret = test
		}
	}
	EOT
	# a name of its own: the guest may still have the old one's text
	charon_ctl --load-all --clear --file "$CHARON_THERE/swanctl/$(cd "$CHARON/swanctl" && printf '%s\n' [0-9]*.conf | tail -n 1)" >"$CHARON/load" 2>&1 &&
		! grep -q "failed" <(grep -v "opening" "$CHARON/load")
}
ours() { # PEER MODE
	xi 2 remote-peers kill-connections 2>/dev/null
	xi 2 policy remove 0 2>/dev/null
	xi 2 peer remove 0 2>/dev/null
	xi 2 peer add address="$1" secret=test nat-traversal=yes hash-algorithm=sha1 enc-algorithm=aes-128 dpd-interval=2s dpd-maximum-failures=2 || return 1
	if [ "$2" = tunnel ]; then
		xi 2 policy add src-address=$LAN2 dst-address=10.2.0.0/24 sa-src-address=$IN sa-dst-address="$1" tunnel=yes
	else
		xi 2 policy add src-address=$IN/32 dst-address="$1"/32 sa-src-address=$IN sa-dst-address="$1" tunnel=no
	fi
}
pings() { # FROM TO: the first ones may come before strongSwan has its SAs
	wait_for "in_ns $1 ping -n -q -c 5 -i 0.1 -W 2 $2 | grep -q ' [3-5] received'" 20
}
in_udp() { charon_ctl --list-sas | grep -q "INSTALLED, ${1^^}-in-UDP, ESP:$2"; }
lossless() { # LABEL COMMAND...: while packets go
	local label=$1
	shift
	bg b flood ping -n -q -c 60 -i 0.05 -W 2 10.2.0.1
	local flood=$BG_PID
	check "$label" "$@"
	wait "$flood"
	check "$label: no packet is lost" grep -q " 0% packet loss" "$T/flood.log"
}

# returns when there is a new ISAKMP SA
rekey1() {
	local before
	before=$(grep -c 'ISAKMP-SA established' "$T/iked2.log")
	charon_ctl --rekey --ike t && wait_for "[ \"\$(grep -c 'ISAKMP-SA established' $T/iked2.log)\" -gt $before ]" 10
}

xi 2 proposal set default enc-algorithms=aes-128 pfs-group=none && ours $GUEST tunnel || fatal "our configuration"
gw_attach 2 && gw_start 2 && iked_start 2 || fatal "start"
capture_start r w1 w1 "not udp port 500"

# We are behind the NAT.
check "strongSwan's configuration" theirs $WAN1 $IN aes128-sha1 tunnel || fatal "$(cat "$CHARON/load")"
check "behind the NAT, tunnel: we initiate" pings b 10.2.0.1
check "in UDP" in_udp tunnel AES_CBC-128/HMAC_SHA1_96
lossless "strongSwan rekeys phase 2" charon_ctl --rekey --child t
lossless "strongSwan rekeys phase 1" rekey1
check "traffic" pings b 10.2.0.1
check "Delete" xi 2 remote-peers kill-connections
check "strongSwan honours it" wait_for '[ -z "$(charon_ctl --list-sas)" ]' 10
check "our configuration" ours $GUEST transport
check "strongSwan's configuration" theirs $WAN1 $IN aes128gcm16 transport
xi 2 proposal set default enc-algorithms=aes-128-gcm 2>/dev/null
check "behind the NAT, transport: we initiate" pings gw2 "-I $IN $GUEST"
check "in UDP" in_udp transport AES_GCM_16-128

# strongSwan is behind the NAT.
xi 2 remote-peers kill-connections
nat in && in_ns gw1 conntrack -F 2>/dev/null
xi 2 proposal set default enc-algorithms=aes-128 2>/dev/null
check "our configuration" ours $NAT_IN tunnel
check "strongSwan's configuration" theirs $IN $IN aes128-sha1 tunnel
check "strongSwan behind the NAT, tunnel: it initiates" charon_ctl --initiate --child t --timeout 20
check "traffic" pings b 10.2.0.1
check "in UDP" in_udp tunnel AES_CBC-128/HMAC_SHA1_96
lossless "strongSwan rekeys phase 2" charon_ctl --rekey --child t
lossless "strongSwan rekeys phase 1" rekey1
xi 2 remote-peers kill-connections
check "our configuration" ours $NAT_IN transport
check "strongSwan's configuration" theirs $IN $IN aes256gcm16 transport
xi 2 proposal set default enc-algorithms=aes-256-gcm 2>/dev/null
check "strongSwan behind the NAT, transport: it initiates" charon_ctl --initiate --child t --timeout 20
check "traffic" pings gw2 "-I $IN $NAT_IN"
check "in UDP" in_udp transport AES_GCM_16-256

# NAT traversal drafts (spec section 21): the NAT spoils newer vendor IDs in first messages, so that both sides find only older ones in common. Vendor IDs are not
# under a HASH.
declare -A VID=([3947]=4a131c81070358455c5728f20e95452f [03]=7d9419a65310ca6f2c179d9215529d56 [02n]=90cb80913ebb696e086381b5ec427b1f)
spoil() { # VERSION...: an offset of 60 to 244 bytes in the datagram, in bits
	local v at
	{
		echo "table ip spoil"$'\n'"delete table ip spoil"$'\n'"table ip spoil {"$'\n'"chain pre {"$'\n'"type filter hook prerouting priority raw;"
		for v; do
			for ((at = 60; at < 244; at += 4)); do
				echo "udp dport 500 @th,$((at * 8)),128 0x${VID[$v]} @th,$((at * 8)),32 set 0x0 udp checksum set 0"
			done
		done
		echo "}"$'\n'"}"
	} | in_ns gw1 nft -f -
}
draft() { # MODE WHO VERSION NEWER...
	local mode=$1 who=$2 version=$3 peer=$GUEST from
	shift 3
	[ "$who" = we ] || peer=$NAT_IN
	check "our configuration" ours $peer "$mode" && spoil "$@" || return
	if [ "$who" = we ]; then check "strongSwan's configuration" theirs $WAN1 $IN aes128-sha1 "$mode"; else check "strongSwan's configuration" theirs $IN $IN aes128-sha1 "$mode"; fi
	[ "$who" = we ] || check "draft $version, $mode: strongSwan initiates" charon_ctl --initiate --child t --timeout 20
	if [ "$mode" = tunnel ]; then from='b 10.2.0.1'; else from="gw2 -I $IN $peer"; fi
	# shellcheck disable=SC2086 # two words
	check "draft $version, $mode: $([ "$who" = we ] && echo "we initiate" || echo traffic)" pings ${from%% *} "${from#* }"
	check "in UDP" in_udp "$mode" AES_CBC-128/HMAC_SHA1_96
}
xi 2 proposal set default enc-algorithms=aes-128 2>/dev/null
draft transport strongSwan '02\n' 3947
nat wan
draft transport we 03 3947
draft tunnel we 02 3947 03 02n
lossless "strongSwan rekeys phase 2 under draft 02" charon_ctl --rekey --child t
for d in 03 02; do
	check "strongSwan read the vendor ID of draft $d" guest "grep -q 'received draft-ietf-ipsec-nat-t-ike-$d vendor ID' $CHARON_LOG"
done
in_ns gw1 nft delete table ip spoil

# The NAT gives other ports, without a word: strongSwan's kernel tells it, and it follows.
# (A UDP checksum may be 0; nft does not know that.)
translate() { # PORT
	in_ns gw1 nft -f - <<-EOT
		table ip tr
		delete table ip tr
		table ip tr {
			chain pre {
				type filter hook prerouting priority raw;
				iifname in udp sport { 500, 4500 } notrack
				iifname wan udp dport $(($1 + 500)) notrack udp dport set 500 ip daddr set $IN
				iifname wan udp dport $(($1 + 4500)) notrack udp dport set 4500 ip daddr set $IN
			}
			chain post {
				type filter hook postrouting priority 0;
				oifname wan udp sport 500 udp sport set $(($1 + 500)) udp checksum set 0 ip saddr set $WAN1
				oifname wan udp sport 4500 udp sport set $(($1 + 4500)) udp checksum set 0 ip saddr set $WAN1
			}
		}
	EOT
}
there() { charon_ctl --list-sas | grep -q "remote.*$WAN1\\[$1\\]"; }
translate 10000
check "our configuration" ours $GUEST tunnel
check "strongSwan's configuration" theirs $WAN1 $IN aes128-sha1 tunnel
check "ports of the NAT's choice: we initiate" pings b 10.2.0.1
check "strongSwan has the port of the translation" there 14500
translate 30000
check "traffic by a new mapping" pings b 10.2.0.1
check "strongSwan follows" wait_for 'there 34500' 10
lossless "strongSwan rekeys phase 2 by the new mapping" charon_ctl --rekey --child t
lossless "strongSwan rekeys phase 1 by the new mapping" rekey1
check "Delete" xi 2 remote-peers kill-connections
check "strongSwan honours it" wait_for '[ -z "$(charon_ctl --list-sas)" ]' 10

capture_stop w1
is "nothing in clear" "$(tcpdump -nr "$T/w1.pcap" "src host $WAN1 and (icmp[0] == 0 or icmp[0] == 8) or net 10.0.0.0/8" 2>/dev/null | wc -l)" 0
at_least "ESP in UDP" "$(tcpdump -nr "$T/w1.pcap" 'udp port 4500' 2>/dev/null | wc -l)" 500
tap_done
