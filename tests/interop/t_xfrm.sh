#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Protocol × mode × family inside × family outside × cipher × authentication × size, against the guest's XFRM: all of them configured
# at once on both sides, then datagrams of every size there and back, every byte checked at both ends.
# XI_ONLY=REGEX: only combinations whose names match ("^ah tunnel", "aes-128-gcm").
. "$(dirname "$0")/lib.sh"
MATRIX=$XI_TOP/tests/interop/matrix.py ECHO=$XI_TOP/tests/interop/echo.py
M=$T/guest/matrix
SECONDS=0
took() { note "$1: $SECONDS s"; SECONDS=0; }

interop_up
took "boot"
mkdir "$M"
# What is there so far; the rest comes with its parts.
ONLY='^esp tunnel IPv4 in IPv4 [^eu]' ENC=null,aes-128,aes-192,aes-256,aes-128-gcm,aes-192-gcm,aes-256-gcm AUTH=null,md5,sha1
note "$("$MATRIX" make "$M" --only "${XI_ONLY:-$ONLY}" --enc "${XI_ENC:-$ENC}" --auth "${XI_AUTH:-$AUTH}") combinations"
check "the gateway takes all of them" xi 1 import "$M/gateway.rsc" || fatal "no configuration"
took "gateway"
gw_attach 1 && gw_start 1 || fatal "the gateway starts"
took "attach, start"
check "the guest takes all of them" guest "ip -batch matrix/guest.batch" || fatal "no configuration"
guest "'$ECHO' serve matrix/served >matrix/echo.log 2>&1 & echo \$! >matrix/echo.pid"
check "the guest answers" wait_for "grep -q ready $M/echo.log" 20 || fatal "no echo: $(cat "$M/echo.log")"
took "guest"

for net in lan own; do
	for family in 4 6; do
		jobs=$M/$net$family.json
		[ "$(cat "$jobs")" != "[]" ] || continue
		case $net$family in
		lan*) ns=a bind=() ;;
		own4) ns=gw1 bind=(--bind "$WAN1") ;;
		own6) ns=gw1 bind=(--bind "$WAN1_6") ;;
		esac
		check "datagrams $net$family" in_ns $ns "$ECHO" sweep "$jobs" "${bind[@]}"
		cp "$T/check.out" "$M/result-$net$family.json"
		took "$net$family"
	done
done
guest "ip -s xfrm state" >"$M/states"
while read -r verdict text; do
	case $verdict in
	ok) ok "$text" ;;
	not) not_ok "${text#ok }" ;;
	*) note "$text" ;;
	esac
done < <("$MATRIX" judge "$M")
is "nothing was refused in the guest" "$(guest "awk '\$2 > 0' /proc/net/xfrm_stat")" ""
is "nothing was dropped by the gateway" "$(xi 1 statistics print | awk '$2 > 0')" ""
guest "kill \$(cat matrix/echo.pid)"
check "the guest reports" wait_for "[ -s $M/served ]"
is "what arrived in the guest was sound" "$(python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
print(r["damaged"][:5] + r["errors"][:5])' "$M/served")" "[]"
took "judged"
tap_done
