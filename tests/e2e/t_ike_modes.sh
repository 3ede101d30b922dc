#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# xdp-iked between two gateways of our own: what other implementations lack (base mode, bare RSA keys, EC2N), every exchange with every
# authentication, AH, both protocols, transport mode, generated policies, NAT in between, and a peer that dies (spec sections 4, 16, 17, 19, 20.4, 21).
. "$(dirname "$0")/lib.sh"

topo_up none
keys() {
	local n
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/ca.key" -out "$T/ca.crt" -days 3650 -subj "/O=test/CN=ca" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign || return 1
	for n in 1 2; do
		openssl req -newkey rsa:2048 -nodes -keyout "$T/c$n.key" -out "$T/c$n.csr" -subj "/CN=gw$n/O=test" &&
			openssl x509 -req -in "$T/c$n.csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -CAcreateserial -days 3650 -out "$T/c$n.crt" &&
			xi $n certificate import file-name="$T/ca.crt" name=ca && xi $n certificate import file-name="$T/c$n.crt" name=me &&
			xi $n certificate import file-name="$T/c$n.key" name=me && xi $n key generate-key name=own key-size=2048 &&
			xi $n key export-pub-key key=own file-name="$T/pub$n.pem" || return 1
	done
	xi 1 key import file-name="$T/pub2.pem" name=far && xi 2 key import file-name="$T/pub1.pem" name=far
}
check "certificates and keys" keys || fatal "keys"
xi 1 peer add address=$WAN2 secret=test dpd-interval=2s dpd-maximum-failures=2 && xi 2 peer add address=$WAN1 secret=test || fatal "peer"
xi 1 policy add src-address=$LAN1 dst-address=$LAN2 sa-src-address=$WAN1 sa-dst-address=$WAN2 tunnel=yes || fatal "policy"
xi 2 policy add src-address=$LAN2 dst-address=$LAN1 sa-src-address=$WAN2 sa-dst-address=$WAN1 tunnel=yes || fatal "policy"
for n in 1 2; do
	gw_attach $n && gw_start $n && iked_start $n || fatal "start"
done
capture_start r w1 w1 "not udp"

dynamic() { xi 2 policy print terse 2>/dev/null | grep -cE '^ *[0-9]+ +D'; }
sas() { xi "$1" installed-sa print count-only 2>/dev/null; }
clean() {
	xi 1 remote-peers kill-connections
	wait_for "[ \"\$(sas 1)\" = 0 ] && [ \"\$(sas 2)\" = 0 ]" 15 # those of a bundle linger 5 s (spec 20.2)
}
both() { xi 1 "$@" >/dev/null 2>&1 && xi 2 "$@" >/dev/null 2>&1; }

# one LABEL SAS COMMAND...: the same change on both, then a ping from here and, all anew, one from there
one() {
	local label=$1 want=$2
	shift 2
	clean || not_ok "$label: the Deletes of kill-connections are heard" # before the change, which drops phase 1 without any (spec 4.2)
	both "$@" || { not_ok "$label: configuration"; return 1; }
	check "$label: we initiate" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B
	is "$label: SAs" "$(sas 1) $(sas 2)" "$want $want"
	clean
	check "$label: the other initiates" in_ns b ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_A
}
for mode in main main-l2tp aggressive base; do
	one "$mode, pre-shared key" 2 peer set 0 auth-method=pre-shared-key exchange-mode=$mode
	one "$mode, certificates" 2 peer set 0 auth-method=rsa-signature certificate=me exchange-mode=$mode
	one "$mode, keys" 2 peer set 0 auth-method=rsa-key key=own remote-key=far exchange-mode=$mode
	one "$mode, whichever key fits" 2 peer set 0 auth-method=rsa-key key=own remote-key= exchange-mode=$mode
done
check "the key that fits is named" grep -q 'the signature is that of key "far"' "$T/iked1.log"
clean
both peer set 0 auth-method=pre-shared-key exchange-mode=main
for g in ec2n155 ec2n185 modp768 modp6144 x25519; do
	clean
	both proposal set default pfs-group=$g
	one "group $g" 2 peer set 0 dh-group=$g
done
clean
both peer set 0 dh-group=modp1024
both proposal set default pfs-group=none
one "AH" 2 policy set 0 ipsec-protocols=ah
one "AH over ESP" 4 policy set 0 ipsec-protocols=ah,esp
clean
both policy set 0 ipsec-protocols=esp
for c in twofish blowfish des camellia-192 aes-256-ctr aes-256-gcm; do
	one "cipher $c" 2 proposal set default enc-algorithms=$c
done
one "null, authenticated by SHA-512" 2 proposal set default enc-algorithms=null auth-algorithms=sha512
both proposal set default enc-algorithms=aes-128 auth-algorithms=sha1

# A wrong certificate authority: nothing comes up, the reason is in the log.
clean
both peer set 0 auth-method=rsa-signature certificate=me
xi 2 certificate remove ca
clean
in_ns a ping -n -q -c 1 -W 1 $HOST_B >/dev/null
check "a certificate of nobody we trust is refused, with the reason" wait_for "grep -qE 'phase 1 with $WAN1.*(certificate|issuer|CA)' $T/iked2.log" 5
is "no SA" "$(xi 1 installed-sa print terse 2>/dev/null | grep -c state=mature)" 0
clean
both peer set 0 auth-method=pre-shared-key

# generate-policy: gateway 2 has no policy; gateway 1's is taken over, and goes with its SAs.
xi 2 peer set 0 generate-policy=yes 2>/dev/null
xi 2 policy remove 0 2>/dev/null
clean
check "generate-policy: the initiator's policy is taken" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
is "a dynamic policy" "$(dynamic)" 1
clean
check "it goes with its SAs" wait_for "[ \"\$(dynamic)\" = 0 ]" 10
xi 2 peer set 0 generate-policy=no 2>/dev/null
in_ns a ping -n -q -c 1 -W 1 $HOST_B >/dev/null
check "without it the selectors are refused, and the log says so" wait_for "grep -q 'no policy found' $T/iked2.log" 5
xi 2 policy add src-address=$LAN2 dst-address=$LAN1 sa-src-address=$WAN2 sa-dst-address=$WAN1 tunnel=yes

# Transport mode for the gateways' own traffic.
xi 1 policy add src-address=$WAN1 dst-address=$WAN2 protocol=icmp sa-src-address=$WAN1 sa-dst-address=$WAN2
xi 2 policy add src-address=$WAN2 dst-address=$WAN1 protocol=icmp sa-src-address=$WAN2 sa-dst-address=$WAN1
check "transport mode between the gateways" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 $WAN2
both policy remove 1

# The peer dies without a word: DPD takes its SAs away (2 s, then 5 s for each of two probes), and the tunnel comes back when it does.
clean
check "traffic" in_ns a ping -n -q -l 2 -c 2 -i 10 -w 5 $HOST_B
kill -KILL "${IKED_PID[2]}"
wait "${IKED_PID[2]}" 2>/dev/null
check "DPD: the peer is dead" wait_for "grep -q 'seems to be dead' $T/iked1.log" 30
is "its SAs are gone" "$(sas 1)" 0
check "it is back" iked_start 2
check "the tunnel comes up again" wait_for "in_ns a ping -n -q -c 1 -W 2 $HOST_B >/dev/null" 20

capture_stop w1
check "nothing in clear" no_clear w1 --min 0
tap_done
