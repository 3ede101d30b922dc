#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# One packet, one verdict, whatever way it comes (spec 27.4): by XDP from an attached interface, forwarded from one that is not
# attached, or sent by the gateway itself. Random policies; the same packets each way; the same of them leave in clear, and the same
# counters move.
. "$(dirname "$0")/lib.sh"

topo_up none
in_ns gw1 sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.lan.rp_filter=0
link b eth1 gw1 lan2 || fatal "a second LAN"
in_ns gw1 sysctl -qw net.ipv4.conf.lan2.rp_filter=0
gw_attach 1 && gw_start 1 || fatal "start"
tunnel_keys aes-128 sha1
xi 1 manual-sa add name=m esp-enc-algorithm=aes-128 esp-auth-algorithm=sha1 esp-spi=0x101/0x100 \
	"esp-enc-key=$ENC_KEY21/$ENC_KEY12" "esp-auth-key=$AUTH_KEY21/$AUTH_KEY12" || fatal "manual-sa"
MAC_LAN=$(mac gw1 lan) MAC_LAN2=$(mac gw1 lan2)
V=$LIBDIR/verdicts.py

policy_counts() {
	xi 1 policy print stats | tr -s ' \n' ' ' | grep -oE '(out-accepted|out-dropped|out-transformed)=[0-9]+' | tr '\n' ' '
}
out_stats() { xi 1 statistics print | awk '$1 ~ /^out-/ {print $2}' | tr '\n' ' '; }
less() { # AFTER BEFORE: differences, column by column
	awk -v a="$1" -v b="$2" 'BEGIN {n = split(a, x); split(b, y)
		for (i = 1; i <= n; i++) {sub(/.*=/, "", x[i]); sub(/.*=/, "", y[i]); printf "%d ", x[i] - y[i]}}'
}
clear() { "$V" seen "$T/w1.pcap" "$1"; }
# every packet has left in clear, or was dropped or sealed by a policy (columns 2 and 3 of each)
settled() { # MARK BEFORE
	local n
	n=$(less "$(policy_counts)" "$2" | awk '{for (i = 1; i <= NF; i++) if (i % 3 != 1) s += $i} END {print s + 0}')
	[ $((n + $(clear "$1" | wc -w))) = 120 ]
}
way() { # SEED MARK NS DEV MAC: sets RESULT
	local before stats
	before=$(policy_counts) stats=$(out_stats)
	in_ns "$3" "$V" "$1" send "$2" "$4" "$5" || return 1
	wait_for "settled $2 '$before'" 10 || note "$2: not all packets are accounted for"
	RESULT="clear: $(clear "$2")"$'\n'"policies: $(less "$(policy_counts)" "$before")"$'\n'"statistics: $(less "$(out_stats)" "$stats")"
}

for seed in 1 2 3 4 5 6; do
	while read -r line; do
		# shellcheck disable=SC2086 # arguments
		xi 1 policy add $line 2>/dev/null || not_ok "policy add $line"
	done < <("$V" $seed policies)
	capture_start r w1 w1 || fatal "capture"
	way $seed "xdp$seed" a eth0 "$MAC_LAN"
	xdp=$RESULT
	way $seed "fwd$seed" b eth1 "$MAC_LAN2"
	is "set $seed: forwarded from an unattached interface as by XDP" "$RESULT" "$xdp"
	way $seed "own$seed" gw1 - ''
	is "set $seed: sent by the gateway itself as by XDP" "$RESULT" "$xdp"
	capture_stop w1 || not_ok "capture"
	note "$xdp"
	xi 1 policy remove 0,1,2,3,4,5,6,7 2>/dev/null || not_ok "policy remove"
done
tap_done
