#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# An interface that xdp-ipsecd cannot serve: the log (level error), `interface print`, the status and its JSON say which and why.
# A program that would look into the wrong BPF file system refuses, and does nothing behind the back of the one in the right one.
XI_QUEUES=32
. "$(dirname "$0")/lib.sh"

topo_up none
line_of() { xi 1 interface print terse | grep " name=$1 "; }
state_of() { line_of "$1" | grep -q " state=$2 "; }
said() { # DEV PATTERN: everywhere
	check "the log" grep -qE "ipsec,error interface $1 is not served: .*$2" "$T/gw1.log"
	check "print" grep -qE "not-served=\".*$2" <(line_of "$1")
	check "its state" state_of "$1" partly
	check "status" grep -qE "^ +$1 is not served: .*$2" <(xi 1)
	check "status as JSON" grep -qE "\"not-served\": \".*$2" <(xi 1 -j)
}

# VLAN tags stay in received frames while it is attached; what was set comes back.
rxvlan() { in_ns gw1 ethtool -k "$1" | awk '$1 == "rx-vlan-offload:" || $1 == "rx-vlan-stag-hw-parse:" {printf "%s ", $2}'; }
in_ns gw1 ethtool -K wan rxvlan off >/dev/null
in_ns gw1 ethtool -K lan rx-vlan-stag-hw-parse off >/dev/null
is "before: 802.1Q, 802.1ad" "$(rxvlan lan)$(rxvlan wan)" "on off off on "
gw_attach 1 queues=1 || fatal "attach"
is "attached" "$(rxvlan lan)$(rxvlan wan)" "off off off off "
xi 1 interface detach lan && xi 1 interface detach wan || not_ok "detach"
is "detached" "$(rxvlan lan)$(rxvlan wan)" "on off off on "

# Another program has the socket of a queue.
gw_attach 1 queues=1 || fatal "attach"
bg gw1 hold "$LIBDIR/xskhold.py" wan
wait_for "grep -q bound $T/hold.log" || fatal "another program's socket"
gw_start 1 --workers 1 || fatal "start"
said wan 'queue 0 of wan has an AF_XDP socket of another program'
check "the other one is served" state_of lan running
if line_of lan | grep -q not-served; then not_ok "lan has a reason"; else ok "lan has none"; fi
stop_pid "$BG_PID"
gw_stop 1 || not_ok "stop"
gw_start 1 --workers 1 || fatal "start"
check "the socket is free: served" state_of wan running
if xi 1 interface print terse | grep -q not-served; then not_ok "a reason stays"; else ok "no reason stays"; fi
xi 1 interface detach lan && xi 1 interface detach wan || not_ok "detach"
gw_stop 1 || not_ok "stop"

# Too few frames.
gw_attach 1 2>/dev/null || fatal "attach"
gw_start 1 --workers 1 --frames 4096 || fatal "start"
said wan 'packet buffers cannot serve'
xi 1 interface detach wan || not_ok "detach"
if xi 1 interface attach wan 2>"$T/err"; then not_ok "it is attached"; else ok "attaching it fails while xdp-ipsecd runs"; fi
check "with the reason" grep -q 'packet buffers cannot serve' "$T/err"
gw_stop 1 || not_ok "stop"

# `ip netns exec` hides /sys/fs/bpf; whose parent has ended finds the way out by pid 1 alone, which not every container lets read.
xdp_ipsecd="$O/xdp-ipsecd --instance ${P}g1 --workers 1"
if stat -L /proc/1/ns/mnt >/dev/null 2>&1; then
	skip "an orphan in ip netns exec" "pid 1 can be read"
else
	setsid bash -c "ip netns exec $P-gw1 $xdp_ipsecd 2>$T/orphan.log </dev/null & echo \$! >$T/orphan.pid"
	check "an orphan in ip netns exec refuses" wait_for "grep -q 'ipsec,error .ip netns exec. hides' $T/orphan.log" ||
		stop_pid "$(cat "$T/orphan.pid")"
fi

# A BPF file system of its own, mounted before we come.
in_ns gw1 unshare -m sh -c "umount -l /sys/fs/bpf; mount -t bpf bpf /sys/fs/bpf; exec timeout 5 $xdp_ipsecd" \
	2>"$T/other.log" </dev/null
is "xdp-ipsecd on another BPF file system: exit status" $? 1
check "the text" grep -q 'not in the BPF file system that this process sees' "$T/other.log"
in_ns gw1 unshare -m sh -c "umount -l /sys/fs/bpf; mount -t bpf bpf /sys/fs/bpf; exec $O/xdp-ipsec --instance ${P}g1 interface print" \
	2>"$T/other.log" </dev/null
is "xdp-ipsec there" $? 1
check "the text" grep -q 'not in the BPF file system that this process sees' "$T/other.log"
gw_start 1 --workers 1 || fatal "start"
check "in the right one all goes on" state_of lan running
xi 1 interface detach lan || not_ok "detach"
gw_stop 1 || not_ok "stop"
check "the run folder names no maps any more" test ! -e "/run/xdp-ipsec/${P}g1/maps.id"
tap_done
