#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make bench, the part of IKE beside strongSwan: the CPU time that the responder of a handshake takes (main mode with a pre-shared key, then quick mode without
# PFS), xdp-iked and charon in turn, each by all threads of all its processes, with SAs and policies installed. bench/ike_load.c is the initiator of both, in
# the router of tests/e2e/lib.sh; xdp-iked is on gateway 1 with 198.18.0.0/16 for its addresses, charon on gateway 2 (ESP in user space) with 198.19.0.0/16.
# Both log at their default level. charon's private values of modp2048 are as long as the group, its default; ours are of 320 bits (spec section 24.4).
#
#   O=build  ROUNDS=5  HANDSHAKES=100 (of each group and round)
. "$(dirname "$0")/../tests/e2e/lib.sh"
. "$(dirname "$0")/../tests/interop/charon.sh"
ROUNDS=${ROUNDS:-5} HANDSHAKES=${HANDSHAKES:-100}
GROUPS_OF="modp2048:modp2048 x25519:curve25519" # ours:strongSwan's

stop_with() {
	echo "bench: $*" >&2
	TAP_DONE=1
	exit 1
}

# Every address of both sides is there without being configured.
addresses() {
	topo_up none && in_ns r ip route add local 100.64.0.0/16 dev lo &&
		in_ns r ip route add 198.18.0.0/16 via $WAN1 && in_ns r ip route add 198.19.0.0/16 via $WAN2 &&
		in_ns gw1 ip route add local 198.18.0.0/16 dev lo && in_ns gw2 ip route add local 198.19.0.0/16 dev lo
}

ours_start() {
	local i
	{
		for ((i = 0; i < HANDSHAKES; i++)); do
			echo "/ip ipsec policy add src-address=11.0.0.$i/32 dst-address=10.0.0.$i/32 sa-src-address=198.18.0.$i sa-dst-address=100.64.0.$i tunnel=yes"
		done
		echo "/ip ipsec peer add address=100.64.0.0/16 secret=secret hash-algorithm=sha1 enc-algorithm=aes-128"
	} >"$T/ours.rsc"
	{
		xi 1 import "$T/ours.rsc" && xi 1 proposal set default auth-algorithms=sha1 enc-algorithms=aes-128 pfs-group=none && gw_attach 1
	} >"$T/ours.out" 2>&1 || return 1
	iked_start 1 || return 1
	OURS="${IKED_PID[1]} $(cat /proc/"${IKED_PID[1]}"/task/*/children)"
}

charon_ready() { # GROUP
	cat >"$CHARON/swanctl/swanctl.conf" <<-EOT
	connections {
		t {
			version = 1
			local_addrs = %any
			remote_addrs = %any
			proposals = aes128-sha1-$1
			unique = no
			local {
				auth = psk
			}
			remote {
				auth = psk
			}
			children {
				t {
					local_ts = 11.0.0.0/8
					remote_ts = 10.0.0.0/8
					esp_proposals = aes128-sha1
				}
			}
		}
	}
	secrets {
		ike-t {
			secret = "secret"
		}
	}
	EOT
	charon_load
}

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
load() { in_ns r "$O/bench/ike_load" "$1" "$HANDSHAKES" "$2" "${@:3}" | awk '{print $2}'; }

addresses && ours_start || stop_with "the set-up: $(tail -n 3 "$T"/*.out "$T"/iked1.log)"
CHARON_IKE_LOG=1 charon_start gw2 && CHARON_PID=$BG_PID || stop_with "charon"
echo "handshakes beside strongSwan: CPU of the responder (medians of $ROUNDS rounds of $HANDSHAKES)"
printf '  %-10s %12s %14s %18s\n' group 'xdp-iked us' 'strongSwan us' 'strongSwan/ours'
for group in $GROUPS_OF; do
	xi 1 peer set 0 dh-group="${group%:*}" >/dev/null 2>&1 && charon_ready "${group#*:}" || stop_with "configuration of $group: $(cat "$CHARON/load")"
	for ((i = 0; i <= ROUNDS; i++)); do # the first one warms
		# shellcheck disable=SC2086 # some processes
		a=$(load "${group%:*}" 198.18.0.0 $OURS) && b=$(load "${group%:*}" 198.19.0.0 "$CHARON_PID") && [ -n "$a" ] && [ -n "$b" ] ||
			stop_with "a round of $group failed: $(tail -n 3 "$T/iked1.log" "$CHARON_LOG")"
		[ $i = 0 ] || echo "$a" >>"$T/ours.${group%:*}"
		[ $i = 0 ] || echo "$b" >>"$T/theirs.${group%:*}"
	done
	awk -v g="${group%:*}" -v a="$(median <"$T/ours.${group%:*}")" -v b="$(median <"$T/theirs.${group%:*}")" \
		'BEGIN {printf "  %-10s %12.0f %14.0f %18.2f\n", g, a, b, b / a}'
done
TAP_DONE=1
