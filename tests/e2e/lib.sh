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
# O: where the programs are. XI_QUEUES: receive queues of the gateways' interfaces. XI_MTU, XI_CAPTURE_KB: theirs, and tcpdump's buffer.

set -u
XI_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
O=${O:-build}
[[ $O == /* ]] || O=$XI_TOP/$O
P=xi$$
T=$(mktemp -d "${TMPDIR:-/tmp}/$P.XXXXXX")
LIBDIR=$XI_TOP/tests/lib
MARK_TRIES=0
TAP_N=0 TAP_FAILED=0 TAP_DONE=
NODES='a gw1 r gw2 b' GATEWAYS='1 2' # a test may add a gateway, or more, before topo_up
declare -A GW_PID=() CAP_PID=() CAP_NS=() CAP_DEV=() CAP_FILE=()
BG_PIDS=()

WAN1=198.51.100.1 WAN2=203.0.113.1 GW_LAN1=10.1.202.1 GW_LAN2=10.1.101.1
HOST_A=10.1.202.10 HOST_B=10.1.101.10 INTERNET=192.0.2.1
LAN1=10.1.202.0/24 LAN2=10.1.101.0/24
# after topo_ip6
WAN1_6=2001:db8:100::1 WAN2_6=2001:db8:200::1 GW_LAN1_6=2001:db8:1::1 GW_LAN2_6=2001:db8:2::1
HOST_A_6=2001:db8:1::10 HOST_B_6=2001:db8:2::10 INTERNET_6=2001:db8:ffff::1
LAN1_6=2001:db8:1::/64 LAN2_6=2001:db8:2::/64

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
	for n in $GATEWAYS; do
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
# A ping that is to be answered is "-l N -c N -i 10 -w 5": N at once, each of which must have its answer within 5 s. Without -w ping is content with one, and goes
# when twice the longest round trip, or an interval, has passed since the last one was sent, whatever -W says: on a busy machine it misses late answers.
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
	for n in $NODES; do
		ip netns add "$P-$n" || return 1
		in_ns $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || return 1
		in_ns $n ip link set lo up || return 1
	done
	for n in $NODES; do
		[[ $n == gw* || $n == r ]] || continue
		in_ns "$n" sysctl -qw net.ipv4.ip_forward=1 || return 1
		[[ $n == gw* ]] || continue
		in_ns "$n" sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 || return 1
	done
}

# topo_up [masquerade|bypass|none]: what the gateways' NAT does, see nat_set.
topo_up() {
	[ "$(id -u)" = 0 ] || { skip "everything" "needs root"; tap_done; }
	trap topo_exit EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 141' PIPE
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

# topo_ip6: IPv6 beside IPv4, after topo_up and before the gateways are attached. The router knows no way to the LANs.
topo_ip6() {
	{
		enable6 a eth0 && enable6 b eth0 && enable6 r lo w1 w2 && enable6 gw1 lo lan wan && enable6 gw2 lo lan wan &&
			addr6 a eth0 $HOST_A_6/64 && addr6 b eth0 $HOST_B_6/64 &&
			addr6 gw1 lan $GW_LAN1_6/64 && addr6 gw1 wan $WAN1_6/64 &&
			addr6 gw2 lan $GW_LAN2_6/64 && addr6 gw2 wan $WAN2_6/64 &&
			addr6 r w1 2001:db8:100::fe/64 && addr6 r w2 2001:db8:200::fe/64 && addr6 r lo $INTERNET_6/128 &&
			in_ns a ip route add default via $GW_LAN1_6 && in_ns b ip route add default via $GW_LAN2_6 &&
			in_ns gw1 ip route add default via 2001:db8:100::fe &&
			in_ns gw2 ip route add default via 2001:db8:200::fe
	} || fatal "set up IPv6"
}

# enable6 NS DEV...: without duplicate address detection, which nothing here would wait for.
enable6() {
	local ns=$1 dev
	shift
	for dev in all default "$@"; do
		in_ns "$ns" sysctl -qw "net.ipv6.conf.$dev.accept_dad=0" "net.ipv6.conf.$dev.accept_ra=0" || return 1
	done
	[[ $ns != gw* && $ns != r ]] || in_ns "$ns" sysctl -qw net.ipv6.conf.all.forwarding=1 || return 1
	in_ns "$ns" sysctl -qw net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.all.disable_ipv6=0
}

addr6() { in_ns "$1" ip addr add "$3" dev "$2" nodad; }

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
	trap '' PIPE # who reads the results may have gone
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
	for n in $GATEWAYS; do
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
	for n in $NODES; do
		[ -e "/run/netns/$P-$n" ] || continue
		# What a test started in a subshell is not in the lists above, but it is in a namespace of ours.
		for pid in $(ip netns pids "$P-$n"); do
			stop_pid "$pid"
		done
		ip netns del "$P-$n"
	done
	for n in $GATEWAYS; do
		rm -rf "/etc/xdp-ipsec/${P}g$n" "/run/xdp-ipsec/${P}g$n" "/sys/fs/bpf/xdp-ipsec/${P}g$n"
	done
	rm -rf "$T"
}

# bg NS LOG COMMAND...: runs it in the background until topo_down; its pid in BG_PID, output line by line in $T/LOG.log.
bg() {
	local ns=$1 log=$2
	shift 2
	rm -f "$T/$log.log" # who waits for a line of it must not find that of an earlier one
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

# iked_start N [OPTION...]: xdp-iked of gateway N, ready to negotiate when it returns; its log, of all starts, is $T/iked$N.log.
declare -A IKED_PID=()
iked_start() {
	local n=$1 from
	shift
	touch "$T/iked$n.log"
	from=$(($(wc -l <"$T/iked$n.log") + 1)) # what an earlier one said is not an answer to this start
	nsenter --net="/run/netns/$P-gw$n" "$O/xdp-iked" --instance "${P}g$n" "$@" >>"$T/iked$n.log" 2>&1 </dev/null &
	IKED_PID[$n]=$!
	BG_PIDS+=("${IKED_PID[$n]}")
	wait_for "xi $n status 2>/dev/null | grep -q . && tail -n +$from $T/iked$n.log | sed -n '/listening on UDP/,\$p' | grep -Eq 'connected to xdp-ipsecd|xdp-ipsecd does not run'"
}

# gw_stop N, iked_stop N: a clean end; the exit status of xdp-ipsecd or xdp-iked, 124 when it did not end within 10 s.
gw_stop() {
	local pid=${GW_PID[$1]:-}
	GW_PID[$1]=
	daemon_stop "$pid"
}

iked_stop() {
	local pid=${IKED_PID[$1]:-}
	IKED_PID[$1]=
	daemon_stop "$pid"
}

daemon_stop() { # PID
	local pid=$1
	[ -n "$pid" ] || return 1
	kill -TERM "$pid" 2>/dev/null
	if ! wait_for "[ ! -e /proc/$pid ] || grep -q ') Z' /proc/$pid/stat" 10; then
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null
		return 124
	fi
	wait "$pid" 2>/dev/null
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

# key_bytes ALGORITHM: as the command line wants it, salt included
key_bytes() {
	case $1 in
	*-128-ctr | *-128-gcm* | *-128-gmac) echo 20 ;;
	*-192-ctr | *-192-gcm* | *-192-gmac) echo 28 ;;
	*-256-ctr | *-256-gcm* | *-256-gmac) echo 36 ;;
	*-128-ccm*) echo 19 ;;
	*-192-ccm*) echo 27 ;;
	*-256-ccm*) echo 35 ;;
	chacha20-poly1305) echo 36 ;;
	des) echo 8 ;;
	*-128 | md5 | aes-xcbc | aes-cmac | blowfish | twofish) echo 16 ;;
	*-192 | 3des) echo 24 ;;
	*-256 | sha256) echo 32 ;;
	sha1) echo 20 ;;
	sha384) echo 48 ;;
	sha512) echo 64 ;;
	*) echo 0 ;;
	esac
}

# counter_mode ALGORITHM: does it need unsafe-aead=yes?
counter_mode() { [[ $1 == *-ctr || $1 == *-gcm* || $1 == *-ccm* || $1 == *-gmac || $1 == chacha20-* ]]; }

# tunnel_keys ENC AUTH [AH]: sets ENC_KEY12 AUTH_KEY12 AH_KEY12 (what gw1 sends with) and ENC_KEY21 AUTH_KEY21 AH_KEY21.
# shellcheck disable=SC2034 # for those who source this
tunnel_keys() {
	ENC_KEY12=$(hex "$(key_bytes "$1")" "enc12") ENC_KEY21=$(hex "$(key_bytes "$1")" "enc21")
	AUTH_KEY12=$(hex "$(key_bytes "$2")" "auth12") AUTH_KEY21=$(hex "$(key_bytes "$2")" "auth21")
	AH_KEY12=$(hex "$(key_bytes "${3:-null}")" "ah12") AH_KEY21=$(hex "$(key_bytes "${3:-null}")" "ah21")
}

# pair N OF21 OF12: in/out of gateway N.
pair() { if [ "$1" = 1 ]; then echo "$2/$3"; else echo "$3/$2"; fi; }

# sa_policy N [KEY=VALUE...]: a template and the policy that uses it, on gateway N; the other gateway's is its mirror.
#   mode=tunnel|transport  proto=esp|ah|ah,esp  enc= auth= (ESP) ah= (AH)     tunnel esp aes-128 sha1 sha1
#   inner=4|6 outer=4|6    of the protected packets (tunnel mode) and of the ends; 6: after topo_ip6                 4 4
#   src= dst=              prefixes as gw1 sees them: the LANs in tunnel mode, the gateways' own addresses in transport mode
#   name=m                 of the template
#   spi=0x100              ESP: gw1 sends with it and receives with the next one; AH: the same two and 0x80
#   policy:PROPERTY=VALUE  goes to the policy; any other PROPERTY=VALUE to the template (esn=yes nat-traversal=yes replay=...)
sa_policy() {
	local n=$1 arg mode=tunnel proto=esp enc=aes-128 auth=sha1 ah=sha1 inner=4 outer=4 name=m spi=0x100
	local src='' dst='' sa_src=$WAN1 sa_dst=$WAN2 tunnel=yes msa=(replay=128) pol=()
	shift
	for arg; do
		case $arg in
		mode=* | proto=* | enc=* | auth=* | ah=* | inner=* | outer=* | src=* | dst=* | name=* | spi=*)
			local "$arg" ;;
		policy:*) pol+=("${arg#policy:}") ;;
		*) msa+=("$arg") ;;
		esac
	done
	[ "$outer" = 4 ] || sa_src=$WAN1_6 sa_dst=$WAN2_6
	case $mode$inner in
	transport*) tunnel=no src=${src:-$sa_src} dst=${dst:-$sa_dst} ;;
	tunnel4) src=${src:-$LAN1} dst=${dst:-$LAN2} ;;
	tunnel6) src=${src:-$LAN1_6} dst=${dst:-$LAN2_6} ;;
	esac
	[[ $proto == *esp* ]] || enc=null auth=null
	[[ $proto == *ah* ]] || ah=null
	tunnel_keys "$enc" "$auth" "$ah"
	! { counter_mode "$enc" || counter_mode "$auth" || counter_mode "$ah"; } || msa+=(unsafe-aead=yes)
	[[ $proto != *esp* ]] || msa+=("esp-enc-algorithm=$enc" "esp-auth-algorithm=$auth"
		"esp-spi=$(pair "$n" "$(printf '0x%x' $((spi + 1)))" "$spi")")
	[[ $proto != *ah* ]] || msa+=("ah-algorithm=$ah" "ah-key=$(pair "$n" "$AH_KEY21" "$AH_KEY12")"
		"ah-spi=$(pair "$n" "$(printf '0x%x' $((spi + 0x81)))" "$(printf '0x%x' $((spi + 0x80)))")")
	[ -z "$ENC_KEY12" ] || msa+=("esp-enc-key=$(pair "$n" "$ENC_KEY21" "$ENC_KEY12")")
	[ -z "$AUTH_KEY12" ] || msa+=("esp-auth-key=$(pair "$n" "$AUTH_KEY21" "$AUTH_KEY12")")
	[ "$n" = 1 ] || set -- "$dst" "$src" "$sa_dst" "$sa_src"
	[ "$n" = 2 ] || set -- "$src" "$dst" "$sa_src" "$sa_dst"
	xi "$n" manual-sa add "name=$name" "${msa[@]}" &&
		xi "$n" policy add "src-address=$1" "dst-address=$2" "tunnel=$tunnel" "ipsec-protocols=$proto" \
			"sa-src-address=$3" "sa-dst-address=$4" action=encrypt "manual-sa=$name" "${pol[@]}"
}

# sa_up [KEY=VALUE...]: both gateways configured (sa_policy), attached and running.
sa_up() {
	local n
	for n in 1 2; do
		sa_policy $n "$@" && gw_attach $n && gw_start $n || return 1
	done
}

# sa_again [KEY=VALUE...]: both gateways' first policy and template are replaced by others; what runs goes on.
sa_again() {
	local n
	for n in 1 2; do
		xi $n policy remove 0 && xi $n manual-sa remove 0 && sa_policy $n "$@" || return 1
	done
}

# tunnel_add N ENC AUTH [manual-sa properties...]: ESP in tunnel mode, IPv4 in IPv4 (spec section 27).
tunnel_add() {
	local n=$1 enc=$2 auth=$3
	shift 3
	sa_policy "$n" "enc=$enc" "auth=$auth" "$@"
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

# reason_text SYMBOL: how `statistics print detail` calls the drop reason of bpf/abi/xi_drop.h.
reason_text() { sed -n "s/.*X($1, [A-Z_]*, \"\(.*\)\").*/\1/p" "$XI_TOP/bpf/abi/xi_drop.h"; }

# drops_seen N: a line for each counter of spec section 12 and each drop reason that is not 0: its name, tab, packets.
drops_seen() {
	xi "$1" statistics print detail | awk '
		NF == 2 && sub(":", "", $1) {print $1 "\t" $2}
		/^ *[0-9]+ +[0-9]+ / && $1 < 96 {n = $2; $1 = $2 = ""; sub("^ +", ""); print $0 "\t" n}' | sort
}

# drops_more COUNTER SYMBOL PACKETS: what drops_seen says, on standard input, when that many packets were dropped for that reason.
drops_more() {
	awk -F '\t' -v OFS='\t' -v counter="$1" -v reason="$(reason_text "$2")" -v n="$3" '
		$1 == counter {$2 += n}
		$1 == reason {$2 += n; known = 1}
		{print}
		END {if (!known) print reason, n}' | sort
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
	nsenter --net="/run/netns/$P-$1" tcpdump -Z root -nn -U --immediate-mode -B "${XI_CAPTURE_KB:-16384}" -s 0 -i "$2" -w "$file" \
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
