# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Two gateways in network namespaces, for the tests in this folder and the demo (spec section 27):
#
#   a ───────────── gw1 ─────────────── r ─────────────── gw2 ───────────── b
#     eth0       lan   wan           w1   w2           wan   lan       eth0
#     10.1.202.10  .1  198.51.100.1  .254  203.0.113.254  .1   10.1.101.1  .10
#                                    lo: 192.0.2.1, the "internet"
#
# The router knows no way to 10.0.0.0/8: what leaves a gateway unprotected lives only when it was masqueraded.
# AF_XDP's transmissions are invisible to tcpdump on the gateway itself: captures are made at r (and at a, b).
#
# A test sources this file, calls topo_up, and ends with tap_done. Everything is named xi$$ and removed at exit, however
# the script ends. XI_SHELL=1: a shell in the set-up before it is removed, XI_SHELL=fail: only when something failed.
# O: where the programs are. XI_QUEUES: receive queues of the gateways' interfaces.

set -u
XI_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
O=${O:-build}
[[ $O == /* ]] || O=$XI_TOP/$O
P=xi$$
T=$(mktemp -d "${TMPDIR:-/tmp}/$P.XXXXXX")
LIBDIR=$XI_TOP/tests/lib
MARK_TRIES=0
TAP_N=0 TAP_FAILED=0 TAP_DONE=
declare -A GW_PID=() CAP_PID=() CAP_NS=() CAP_DEV=() CAP_FILE=()
BG_PIDS=()

WAN1=198.51.100.1 WAN2=203.0.113.1 GW_LAN1=10.1.202.1 GW_LAN2=10.1.101.1
HOST_A=10.1.202.10 HOST_B=10.1.101.10 INTERNET=192.0.2.1
LAN1=10.1.202.0/24 LAN2=10.1.101.0/24

# --- test results ---

ok() { # DESCRIPTION
	TAP_N=$((TAP_N + 1))
	echo "ok $TAP_N - $1"
}

not_ok() { # DESCRIPTION
	TAP_N=$((TAP_N + 1)) TAP_FAILED=$((TAP_FAILED + 1))
	echo "not ok $TAP_N - $1"
}

skip() { # DESCRIPTION REASON
	TAP_N=$((TAP_N + 1))
	echo "ok $TAP_N - $1 # SKIP $2"
}

note() { printf '%s\n' "$*" | sed 's/^/# /'; }

# check DESCRIPTION COMMAND...: ok when the command succeeds; its output is shown when it does not. It runs in this
# shell: gw_start and the like are at home in it.
check() {
	local what=$1
	shift
	if "$@" >"$T/check.out" 2>&1; then
		ok "$what"
	else
		not_ok "$what"
		note "failed: $*"$'\n'"$(tail -n 40 "$T/check.out")"
		return 1
	fi
}

# is DESCRIPTION GOT WANTED
is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		note "got \"$2\", wanted \"$3\""
		return 1
	fi
}

# at_least DESCRIPTION GOT WANTED (numbers)
at_least() {
	if [ "$2" -ge "$3" ] 2>/dev/null; then
		ok "$1"
	else
		not_ok "$1"
		note "got \"$2\", wanted at least $3"
		return 1
	fi
}

tap_done() {
	local n
	for n in 1 2; do
		[ -z "${GW_PID[$n]:-}" ] || gw_stop $n || not_ok "xdp-ipsecd of gateway $n ends cleanly (status $?)"
	done
	# programs built with SAN=1
	! grep -qsE 'Sanitizer|runtime error:' "$T"/*.log || not_ok "no report of a sanitizer"
	TAP_DONE=1
	echo "1..$TAP_N"
	[ "$TAP_FAILED" = 0 ] || exit 1
	exit 0
}

# fatal TEXT: nothing further can be tested.
fatal() {
	not_ok "$*"
	exit 1
}

# --- waiting ---

# wait_for CONDITION [SECONDS]: evaluates the condition until it is true; 1 after the deadline (10 s).
wait_for() {
	local end=$((${EPOCHREALTIME/[.,]/} + ${2:-10} * 1000000))
	while ! eval "$1" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		sleep 0.02
	done
}

# Ends a process of ours and waits for it. stop_pid PID [SIGNAL]
stop_pid() {
	kill "-${2:-TERM}" "$1" 2>/dev/null
	if ! wait_for "! kill -0 $1" 10; then
		note "process $1 did not end on ${2:-TERM}"
		kill -KILL "$1" 2>/dev/null
	fi
	wait "$1" 2>/dev/null
}

# --- topology ---

# in_ns NS COMMAND...: NS is a, gw1, r, gw2 or b.
in_ns() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$P-$ns" "$@"
}

# link NS DEV NS DEV: a veth pair without offloads (a partial checksum would be encrypted as it is).
link() {
	local q=${XI_QUEUES:-1} i
	ip link add "$2" netns "$P-$1" numrxqueues "$q" numtxqueues "$q" type veth \
		peer name "$4" netns "$P-$3" numrxqueues "$q" numtxqueues "$q" || return 1
	for i in "$1 $2" "$3 $4"; do
		# shellcheck disable=SC2086 # two words
		set -- $i
		in_ns "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null || return 1
		in_ns "$1" ip link set "$2" mtu "${XI_MTU:-1500}" up || return 1
	done
}

topo_namespaces() {
	local n
	for n in a gw1 r gw2 b; do
		ip netns add "$P-$n" || return 1
		in_ns $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || return 1
		in_ns $n ip link set lo up || return 1
	done
	for n in gw1 r gw2; do
		in_ns $n sysctl -qw net.ipv4.ip_forward=1 || return 1
	done
	for n in gw1 gw2; do
		in_ns $n sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 || return 1
	done
}

# topo_up [masquerade|bypass|none]: what the gateways' NAT does, see nat_set.
topo_up() {
	[ "$(id -u)" = 0 ] || { skip "everything" "needs root"; tap_done; }
	trap topo_exit EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	{
		topo_namespaces &&
			link a eth0 gw1 lan && link gw1 wan r w1 && link gw2 wan r w2 && link b eth0 gw2 lan &&
			in_ns a ip addr add $HOST_A/24 dev eth0 && in_ns a ip route add default via $GW_LAN1 &&
			in_ns b ip addr add $HOST_B/24 dev eth0 && in_ns b ip route add default via $GW_LAN2 &&
			in_ns gw1 ip addr add $GW_LAN1/24 dev lan && in_ns gw1 ip addr add $WAN1/24 dev wan &&
			in_ns gw2 ip addr add $GW_LAN2/24 dev lan && in_ns gw2 ip addr add $WAN2/24 dev wan &&
			in_ns gw1 ip route add default via 198.51.100.254 &&
			in_ns gw2 ip route add default via 203.0.113.254 &&
			in_ns r ip addr add 198.51.100.254/24 dev w1 && in_ns r ip addr add 203.0.113.254/24 dev w2 &&
			in_ns r ip addr add $INTERNET/32 dev lo &&
			nat_set 1 "${1:-masquerade}" && nat_set 2 "${1:-masquerade}"
	} || fatal "set up the namespaces"
}

# nat_set N masquerade|bypass|none: source NAT of what leaves by WAN; bypass: with the rule on top that spares the
# protected pair (spec section 27).
nat_set() {
	local spare='' masq='oifname "wan" masquerade' pair="ip saddr $LAN1 ip daddr $LAN2"
	[ "$1" = 1 ] || pair="ip saddr $LAN2 ip daddr $LAN1"
	[ "$2" != bypass ] || spare="$pair accept"
	[ "$2" != none ] || masq=''
	in_ns "gw$1" nft -f - <<-EOF_NFT
		table ip xinat
		delete table ip xinat
		table ip xinat {
			chain post {
				type nat hook postrouting priority srcnat;
				$spare
				$masq
			}
		}
	EOF_NFT
}

topo_exit() {
	local rc=$?
	trap - EXIT
	if [ -z "$TAP_DONE" ]; then
		[ "$TAP_FAILED" != 0 ] || not_ok "the script ended early with status $rc"
		echo "1..$TAP_N"
		[ "$rc" != 0 ] || rc=1
	fi
	[ "$TAP_FAILED" = 0 ] || dump_logs
	case ${XI_SHELL:-} in
	1) topo_shell ;;
	fail) [ "$TAP_FAILED" = 0 ] || topo_shell ;;
	esac
	topo_down
	exit "$rc"
}

dump_logs() {
	local n f
	for n in 1 2; do
		note "gw$n: $(timeout 5 "$O/xdp-ipsec" --instance "${P}g$n" statistics print 2>&1 | grep -v ': 0$')"
	done
	for f in "$T"/*.log; do
		[ ! -s "$f" ] || note "$f:"$'\n'"$(tail -n 40 "$f")"
	done
}

topo_shell() {
	echo "# namespaces $P-{a,gw1,r,gw2,b}, files in $T; in_ns NS CMD, xi N ARGS; leave with exit" >&2
	export P T O XI_TOP
	export -f in_ns xi
	bash --norc -i </dev/tty >/dev/tty 2>&1 || true
}

# Removes everything of this run: processes, namespaces, pins, configuration, run folders, files.
topo_down() {
	local n pid
	for pid in "${GW_PID[@]}" "${CAP_PID[@]}" "${BG_PIDS[@]}"; do
		[ -z "$pid" ] || stop_pid "$pid"
	done
	for n in a gw1 r gw2 b; do
		[ -e "/run/netns/$P-$n" ] || continue
		# What a test started in a subshell is not in the lists above, but it is in a namespace of ours.
		for pid in $(ip netns pids "$P-$n"); do
			stop_pid "$pid"
		done
		ip netns del "$P-$n"
	done
	for n in 1 2; do
		rm -rf "/etc/xdp-ipsec/${P}g$n" "/run/xdp-ipsec/${P}g$n" "/sys/fs/bpf/xdp-ipsec/${P}g$n"
	done
	rm -rf "$T"
}

# bg NS LOG COMMAND...: runs it in the background until topo_down; its pid in BG_PID, output line by line in $T/LOG.log.
bg() {
	local ns=$1 log=$2
	shift 2
	stdbuf -oL nsenter --net="/run/netns/$P-$ns" "$@" >"$T/$log.log" 2>&1 </dev/null &
	BG_PID=$!
	BG_PIDS+=("$BG_PID")
}

# --- gateways ---

# xi N ARGUMENTS...: the command line of gateway N.
xi() {
	local n=$1
	shift
	in_ns "gw$n" "$O/xdp-ipsec" --instance "${P}g$n" "$@"
}

# gw_start N [ARGUMENTS...]: starts xdp-ipsecd of gateway N, returns when it is ready; 1 when it is not within 20 s.
gw_start() {
	local n=$1 sock=$T/notify$1 waiter daemon first rc
	shift
	rm -f "$sock" "$T/notify$n.out" # what an earlier start left there is not an answer to this one
	"$LIBDIR/notify.py" "$sock" 20 >"$T/notify$n.out" 2>&1 &
	waiter=$!
	wait_for "grep -q bound $T/notify$n.out" || { kill $waiter; return 1; }
	NOTIFY_SOCKET=$sock nsenter --net="/run/netns/$P-gw$n" "$O/xdp-ipsecd" --instance "${P}g$n" "$@" \
		>"$T/gw$n.out" 2>>"$T/gw$n.log" </dev/null &
	daemon=$!
	wait -n -p first $waiter $daemon
	rc=$?
	if [ "$first" = "$daemon" ]; then
		note "xdp-ipsecd of gateway $n ended with status $rc: $(tail -n 5 "$T/gw$n.log")"
		kill $waiter 2>/dev/null
		wait $waiter 2>/dev/null
		return 1
	fi
	GW_PID[$n]=$daemon
	[ $rc = 0 ] || note "xdp-ipsecd of gateway $n was not ready within 20 s"
	return $rc
}

# gw_stop N: a clean end; the exit status of xdp-ipsecd, 124 when it did not end within 10 s.
gw_stop() {
	local pid=${GW_PID[$1]:-} rc
	[ -n "$pid" ] || return 1
	GW_PID[$1]=
	kill -TERM "$pid" 2>/dev/null
	if ! wait_for "[ ! -e /proc/$pid ] || grep -q ') Z' /proc/$pid/stat" 10; then
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null
		return 124
	fi
	wait "$pid" 2>/dev/null
	rc=$?
	return $rc
}

# gw_kill9 N: the data plane dies without a word.
gw_kill9() {
	local pid=${GW_PID[$1]:-}
	[ -n "$pid" ] || return 1
	GW_PID[$1]=
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return 0
}

# gw_attach N [ARGUMENTS...]: both interfaces of gateway N.
gw_attach() {
	local n=$1
	shift
	xi "$n" interface attach lan "$@" && xi "$n" interface attach wan "$@"
}

hex() { # BYTES SEED: a key that is the same in every run
	printf '%s' "$2" | sha512sum | head -c "$(($1 * 2))"
}

# key_bytes ALGORITHM: AEAD with its salt
key_bytes() {
	case $1 in
	aes-128-gcm) echo 20 ;;
	aes-192-gcm) echo 28 ;;
	aes-256-gcm) echo 36 ;;
	aes-128 | md5) echo 16 ;;
	aes-192) echo 24 ;;
	aes-256) echo 32 ;;
	sha1) echo 20 ;;
	*) echo 0 ;;
	esac
}

# tunnel_keys ENC AUTH: sets ENC_KEY12 AUTH_KEY12 (what gw1 sends with) and ENC_KEY21 AUTH_KEY21.
tunnel_keys() {
	ENC_KEY12=$(hex "$(key_bytes "$1")" "enc12") ENC_KEY21=$(hex "$(key_bytes "$1")" "enc21")
	AUTH_KEY12=$(hex "$(key_bytes "$2")" "auth12") AUTH_KEY21=$(hex "$(key_bytes "$2")" "auth21")
}

# tunnel_add N ENC AUTH [manual-sa properties...]: template "m" and the policy of gateway N, spec section 27.
# gw1 sends with SPI 0x100 and receives with 0x101.
tunnel_add() {
	local n=$1 enc=$2 auth=$3 args=()
	shift 3
	tunnel_keys "$enc" "$auth"
	[[ $enc != *gcm ]] || args+=(unsafe-aead=yes)
	if [ "$n" = 1 ]; then
		args+=(esp-spi=0x101/0x100)
		[ "$enc" = null ] || args+=("esp-enc-key=$ENC_KEY21/$ENC_KEY12")
		[ "$auth" = null ] || args+=("esp-auth-key=$AUTH_KEY21/$AUTH_KEY12")
	else
		args+=(esp-spi=0x100/0x101)
		[ "$enc" = null ] || args+=("esp-enc-key=$ENC_KEY12/$ENC_KEY21")
		[ "$auth" = null ] || args+=("esp-auth-key=$AUTH_KEY12/$AUTH_KEY21")
	fi
	xi "$n" manual-sa add name=m "esp-enc-algorithm=$enc/$enc" "esp-auth-algorithm=$auth/$auth" replay=128 \
		"${args[@]}" "$@" || return 1
	if [ "$n" = 1 ]; then
		xi 1 policy add src-address=$LAN1 dst-address=$LAN2 tunnel=yes sa-src-address=$WAN1 \
			sa-dst-address=$WAN2 action=encrypt manual-sa=m
	else
		xi 2 policy add src-address=$LAN2 dst-address=$LAN1 tunnel=yes sa-src-address=$WAN2 \
			sa-dst-address=$WAN1 action=encrypt manual-sa=m
	fi
}

# tunnel_up ENC AUTH [manual-sa properties...]: both gateways configured, attached and running.
tunnel_up() {
	local n
	for n in 1 2; do
		tunnel_add $n "$@" && gw_attach $n && gw_start $n || return 1
	done
}

# stat_get N COUNTER: one of the counters of spec section 12.
stat_get() {
	xi "$1" statistics print | awk -v want="$2:" '$1 == want {print $2; found = 1} END {exit !found}'
}

# stat_wait N COUNTER AT_LEAST [SECONDS]
stat_wait() {
	wait_for "[ \"\$(stat_get $1 $2)\" -ge $3 ]" "${4:-5}"
}

# policystat N ITEM PROPERTY: a property of `policy print stats`, by the item's number.
policystat() {
	xi "$1" policy print stats | awk -v item="$2" -v want="$3=" '
		/^ *[0-9]+ / {current = $1}
		current == item {
			for (i = 1; i <= NF; i++)
				if (index($i, want) == 1) {print substr($i, length(want) + 1); found = 1}
		}
		END {exit !found}'
}

# mac NS DEV
mac() { in_ns "$1" ip -br link show dev "$2" | awk '{print $3}'; }

# forge NS DEV TO_NS TO_DEV ARGUMENTS...: tests/lib/forge.py from NS, addressed to the other end's MAC.
forge() {
	local ns=$1 dev=$2 to
	to=$(mac "$3" "$4")
	shift 4
	in_ns "$ns" "$LIBDIR/forge.py" --dev "$dev" --dst-mac "$to" "$@"
}

# --- captures ---

# capture_start NS DEV NAME [FILTER]: captures into $T/NAME.pcap; returns when tcpdump listens.
capture_start() {
	local file=$T/$3.pcap filter=${4:+($4) or ether proto 0x88b5}
	rm -f "$T/tcpdump-$3.log"
	nsenter --net="/run/netns/$P-$1" tcpdump -Z root -nn -U --immediate-mode -B 16384 -s 0 -i "$2" -w "$file" \
		${filter:+"$filter"} >/dev/null 2>"$T/tcpdump-$3.log" </dev/null &
	CAP_PID[$3]=$! CAP_NS[$3]=$1 CAP_DEV[$3]=$2 CAP_FILE[$3]=$file
	wait_for "grep -q 'listening on' $T/tcpdump-$3.log" 10
}

# capture_sync NAME: returns when everything that passed until now is in the file: a marked frame sent now is in it.
capture_sync() {
	MARK_TRIES=$((MARK_TRIES + 1))
	local text="mark-$P-$MARK_TRIES"
	in_ns "${CAP_NS[$1]}" "$LIBDIR/capture.py" mark "${CAP_DEV[$1]}" "$text" &&
		wait_for "grep -qa $text ${CAP_FILE[$1]}" 10
}

# capture_stop NAME: all that passed is in the file, $T/NAME.pcap.
capture_stop() {
	local rc=0
	capture_sync "$1" || rc=1
	kill -INT "${CAP_PID[$1]}" 2>/dev/null
	wait "${CAP_PID[$1]}" 2>/dev/null
	CAP_PID[$1]=
	if ! grep -q '^0 packets dropped by kernel' "$T/tcpdump-$1.log"; then
		note "capture $1: $(grep dropped "$T/tcpdump-$1.log")"
		rc=1
	fi
	return $rc
}

# no_clear NAME [capture.py options]: shows that no cleartext is in the capture.
no_clear() {
	local file=$T/$1.pcap
	shift
	"$LIBDIR/capture.py" no-clear "$file" "$@"
}
