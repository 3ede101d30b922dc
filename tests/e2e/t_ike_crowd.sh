#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Twenty peers that all begin at the same moment with one gateway, and each of their first packets is answered: with a secret and with certificates, in every mode,
# with a group that takes long. Gateway 1 has their twenty addresses, gateway 2 generates the policies.
. "$(dirname "$0")/lib.sh"

PEERS=20
topo_up none
local_of() { echo "198.51.100.$((100 + $1))"; }
net_of() { echo "10.50.$1.0/24"; }
{
	echo "/ip ipsec peer add address=$WAN2 secret=test dh-group=modp2048 enc-algorithm=aes-128 hash-algorithm=sha256"
	for ((i = 1; i <= PEERS; i++)); do
		in_ns gw1 ip addr add "$(local_of $i)/24" dev wan
		in_ns a ip addr add "10.50.$i.10/24" dev eth0
		in_ns gw1 ip addr add "10.50.$i.1/24" dev lan
		echo "/ip ipsec policy add src-address=$(net_of $i) dst-address=$LAN2 sa-src-address=$(local_of $i) sa-dst-address=$WAN2 tunnel=yes level=unique"
	done
} >"$T/crowd.rsc"
xi 1 - <"$T/crowd.rsc" 2>"$T/conf.log" && xi 2 peer add address=198.51.100.0/24 secret=test generate-policy=yes dh-group=modp2048 enc-algorithm=aes-128 hash-algorithm=sha256 send-initial-contact=no 2>>"$T/conf.log" ||
	fatal "configuration"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/ca.key" -out "$T/ca.pem" -days 100 -subj "/CN=ca" -addext basicConstraints=critical,CA:TRUE 2>/dev/null
for n in 1 2; do
	{ openssl req -newkey rsa:2048 -nodes -keyout "$T/me$n.key" -out "$T/me$n.csr" -subj "/CN=gw$n" &&
		openssl x509 -req -in "$T/me$n.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial -days 100 -out "$T/me$n.pem" &&
		xi $n certificate import file-name="$T/ca.pem" name=ca && xi $n certificate import file-name="$T/me$n.pem" name=me &&
		xi $n certificate import file-name="$T/me$n.key" name=me; } >"$T/pki$n.log" 2>&1 || fatal "certificates"
	gw_attach $n && gw_start $n && iked_start $n || fatal "start"
done
capture_start r w1 w1 || fatal "capture"
# all_at_once WHAT
all_at_once() {
	local i p answered=0 start=$EPOCHREALTIME pings=()
	for ((i = 1; i <= PEERS; i++)); do
		in_ns a ping -n -q -c 1 -W 20 -I "10.50.$i.10" $HOST_B >/dev/null 2>&1 &
		pings+=($!)
	done
	for p in "${pings[@]}"; do
		wait "$p" && answered=$((answered + 1))
	done
	is "$1: each first packet is answered" $answered $PEERS
	note "after $(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {print b - a}') s"
	is "$1: as many peers and SAs here" "$(counts 1)" "$PEERS $((2 * PEERS))"
	is "$1: and there" "$(counts 2)" "$PEERS $((2 * PEERS))"
}
counts() { echo "$(xi "$1" remote-peers print terse 2>/dev/null | grep -c state=established) $(xi "$1" installed-sa print count-only 2>/dev/null)"; }
again() { # PROPERTY=VALUE...: of both peer items
	xi 1 remote-peers kill-connections
	wait_for '[ "$(counts 1) $(counts 2)" = "0 0 0 0" ]' || return 1
	xi 1 peer set 0 "$@" 2>/dev/null && xi 2 peer set 0 "$@" 2>/dev/null
}
all_at_once "main mode"
check "other settings" again exchange-mode=aggressive && all_at_once "aggressive mode"
check "other settings" again exchange-mode=base && all_at_once "base mode"
check "other settings" again exchange-mode=main auth-method=rsa-signature certificate=me && all_at_once "certificates"
check "other settings" again exchange-mode=aggressive && all_at_once "certificates, aggressive mode"
check "other settings" again exchange-mode=main dh-group=modp8192 && all_at_once "modp8192"
wrong=$(cat "$T"/iked?.log | grep -E "error|time up" | grep -v "too many negotiations at a time") # 16 strangers: the others come again
is "nothing went wrong" "$wrong" ""
capture_stop w1 || not_ok "capture"
check "nothing in clear" no_clear w1 --min 40
tap_done
