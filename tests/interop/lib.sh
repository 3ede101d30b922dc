# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# One gateway of ours against a Linux kernel's own IPsec (XFRM), which runs as a process of this machine: Debian's package
# user-mode-linux, ready in three seconds.
#
#   a ───────────── gw1 ──────────────── r ┄┄┄┄┄┄┄ guest
#     eth0       lan   wan             w1  raw   vec0
#     10.1.202.10  .1  198.51.100.1     socket   198.51.100.2
#                                                10.2.0.0/16  behind it, in tunnels         2001:db8:2::/64
#                                                10.9.0.0/16  its own, in transport mode    2001:db8:9::/64
#
# The guest's root is this machine's, read-only (hostfs), so it has ip, python3, tcpdump as they are here; every address of its
# two networks is its own (a local route), which gives each SA an address to itself.
# A test sources this file, calls interop_up, and ends with tap_done; see tests/e2e/lib.sh for the rest.

. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
GUEST=198.51.100.2 GUEST_6=2001:db8:100::2
FAR=10.2.0.0/16 FAR_6=2001:db8:2::/64 OWN=10.9.0.0/16 OWN_6=2001:db8:9::/64
GUEST_MAC=02:58:00:00:00:02

# interop_up: namespaces, addresses, guest.
interop_up() {
	[ "$(id -u)" = 0 ] || { skip "everything" "needs root"; tap_done; }
	trap topo_exit EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 141' PIPE
	local n
	{
		for n in a gw1 r; do
			ip netns add "$P-$n" && in_ns $n ip link set lo up || return 1
		done
		in_ns r sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 &&
			in_ns gw1 sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 &&
			link a eth0 gw1 lan && link gw1 wan r w1 &&
			enable6 a eth0 && enable6 gw1 lo lan wan &&
			in_ns a ip addr add $HOST_A/24 dev eth0 && in_ns a ip route add default via $GW_LAN1 &&
			addr6 a eth0 $HOST_A_6/64 && in_ns a ip route add default via $GW_LAN1_6 &&
			in_ns gw1 ip addr add $GW_LAN1/24 dev lan && in_ns gw1 ip addr add $WAN1/24 dev wan &&
			addr6 gw1 lan $GW_LAN1_6/64 && addr6 gw1 wan $WAN1_6/64 &&
			in_ns gw1 ip route add $FAR via $GUEST && in_ns gw1 ip route add $OWN via $GUEST &&
			in_ns gw1 ip route add $FAR_6 via $GUEST_6 && in_ns gw1 ip route add $OWN_6 via $GUEST_6
	} || fatal "set up the namespaces"
	guest_start
}

# guest_start: returns when the guest runs commands. Without the package, or when it does not boot, the test has failed.
guest_start() {
	local kernel
	kernel=$(command -v linux.uml) || fatal "linux.uml is not there: package user-mode-linux"
	mkdir "$T/guest" "$T/uml"
	nsenter --net="/run/netns/$P-r" "$kernel" mem=256M umid=guest "uml_dir=$T/uml" root=/dev/root rootfstype=hostfs \
		rootflags=/ ro "init=$XI_TOP/tests/interop/guest.sh" con=null ssl=null con0=null,fd:1 console=tty0 quiet panic=-1 \
		"vec0:transport=raw,ifname=w1,mac=$GUEST_MAC,depth=128,gro=0" "xi.run=$T/guest" \
		"xi.addresses=$GUEST/24,$GUEST_6/64" "xi.local=$FAR,$OWN,$FAR_6,$OWN_6" "xi.via=$WAN1,$WAN1_6" \
		>"$T/guest.log" 2>&1 </dev/null &
	GUEST_PID=$!
	BG_PIDS+=("$GUEST_PID")
	wait_for "[ -e $T/guest/ready ] || ! kill -0 $GUEST_PID" 60
	[ -e "$T/guest/ready" ] || fatal "the guest boots"
}

# guest COMMANDS: run by the guest's bash; their output, their exit status. Their input is a file of this machine: guest <FILE.
guest() {
	local id=$T/guest/$EPOCHREALTIME.$BASHPID rc
	printf '%s\n' "$*" >"$id.tmp"
	mv "$id.tmp" "$id.cmd"
	wait_for "[ -e $id.rc ] || ! kill -0 $GUEST_PID" "${GUEST_TIMEOUT:-60}"
	[ -e "$id.rc" ] || { note "the guest did not end: $*"; return 125; }
	cat "$id.out"
	rc=$(cat "$id.rc")
	return "$rc"
}

# --- the matrix: many combinations configured at once, see matrix.py ---

M=$T/guest/matrix # as the guest sees it: matrix, in the folder where its commands run
MATRIX=$XI_TOP/tests/interop/matrix.py ECHO=$XI_TOP/tests/interop/echo.py

# matrix_make ONLY [matrix.py's options...]
matrix_make() {
	local only=$1
	shift
	"$MATRIX" make "$M" --only "$only" ${XI_ENC:+--enc "$XI_ENC"} ${XI_AUTH:+--auth "$XI_AUTH"} "$@"
}

# matrix_up ONLY: both sides configured, gateway running, the guest echoes.
matrix_up() {
	mkdir -p "$M"
	at_least "combinations" "$(matrix_make "$1")" 1 || fatal "no combinations"
	check "the gateway takes all of them" xi 1 import "$M/gateway.rsc" || fatal "no configuration"
	is "and could do all of them" "$(grep 'is inactive\|is invalid' "$T/check.out" | head -n 3)" ""
	gw_attach 1 2>/dev/null && gw_start 1 || fatal "the gateway starts"
	check "the guest takes all of them" guest "ip -batch matrix/guest.batch" || fatal "no configuration"
	guest "'$ECHO' serve matrix/served >matrix/echo.log 2>&1 & echo \$! >matrix/echo.pid"
	check "the guest answers" wait_for "grep -q ready $M/echo.log" 20 || fatal "no echo: $(cat "$M/echo.log")"
}

# matrix_sweep: datagrams of every size to every combination and back; a line of results for each group of combinations.
matrix_sweep() {
	local net family jobs ns bind verdict text retried=9999 echoed=0 before
	before=$(stat_get 1 out-state-mode-errors)
	xi 1 -j installed-sa print detail >"$M/sas-before.json"
	for net in lan own; do
		for family in 4 6; do
			jobs=$M/$net$family.json
			[ "$(cat "$jobs")" != "[]" ] || continue
			case $net$family in
			lan*) ns=a bind=() ;;
			own4) ns=gw1 bind=(--bind "$WAN1") ;;
			own6) ns=gw1 bind=(--bind "$WAN1_6") ;;
			esac
			in_ns $ns "$ECHO" sweep "$jobs" "${bind[@]}" >"$M/result-$net$family.json" 2>"$T/sweep.log" ||
				not_ok "sweep $net$family: $(tail -n 3 "$T/sweep.log")"
		done
	done
	guest "ip -s xfrm state" >"$M/states"
	xi 1 -j installed-sa print detail >"$M/sas.json"
	while read -r verdict text; do
		case $verdict in
		ok) ok "$text" ;;
		not) not_ok "${text#ok }" ;;
		retried) retried=$text ;;
		echoed) echoed=$text ;;
		*) note "$text" ;;
		esac
	done < <("$MATRIX" judge "$M" 2>&1 || echo "not ok the results can be read")
	is "nothing was refused in the guest" "$(guest "awk '\$2 > 0' /proc/net/xfrm_stat")" ""
	# IPv6: the sender has to learn how large a packet may be. The guest's receive ring is short, and the machine may be busy.
	at_least "less than 1 % was sent again but for ICMP's sake" "$((echoed / 100 + $(stat_get 1 out-state-mode-errors) - before))" "$retried"
	is "nothing was dropped by the gateway" "$(xi 1 statistics print | awk '$2 > 0 && $1 != "out-state-mode-errors:"')" ""
}

# matrix_done: nothing arrived damaged in the guest.
matrix_done() {
	guest "kill \$(cat matrix/echo.pid)"
	check "the guest reports" wait_for "[ -s $M/served ]"
	is "what arrived in the guest was sound" "$(python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
print(r["damaged"][:5] + r["errors"][:5])' "$M/served")" "[]"
}
