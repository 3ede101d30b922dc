#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make bench: our gateway against a bare AF_XDP forwarder on the same veths, in one run.
#
#   src: gen ── s0 ═══ lan ── device under test ── wan ═══ d0 ── sink :dst
#
# The source has CPU 1 for itself (and with it the reception by the device's NICs), the device under test and what its
# transmissions raise have CPU 0. Rounds are interleaved, forwarder, gateway, forwarder, gateway..., and each round of
# the gateway is compared with the forwarder's rounds beside it: other work on a noisy machine hits both. Medians.
# encrypt: UDP packets of 64, 512, 1408 bytes become ESP. decrypt: ESP packets (replay window off: the
# same packet is sent again and again) become UDP packets of those sizes; the ceiling is that of the size inside.
#
# many: aes-128-gcm with 9,999 policies of other networks that are evaluated first.
#
#   O=build  ROUNDS=6  RUN_MS=600  LENS="64 512 1408"  ALGS="gcm many cbc"  DIRS="encrypt decrypt"  RATE=0 (packets/s, 0: all)
# Output: a table and the difference from the first tunnel on such a CPU (bench/baseline-*.json); $O/bench.json and
# $O/bench.svg, its plot.
set -u
cd "$(dirname "$0")/.." || exit 2
O=${O:-build}
[[ $O == /* ]] || O=$PWD/$O
ROUNDS=${ROUNDS:-6} RUN_MS=${RUN_MS:-600} WARM_MS=${WARM_MS:-150} RATE=${RATE:-0}
LENS=${LENS:-64 512 1408} ALGS=${ALGS-gcm many cbc} DIRS=${DIRS:-encrypt decrypt}
GW_CPU=0 GEN_CPU=1
P=xb$$
T=$(mktemp -d "${TMPDIR:-/tmp}/$P.XXXXXX")
DUT_PID='' GEN_PID='' ALG=''

fail() {
	echo "bench: $*" >&2
	exit 1
}

in_ns() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$P-$ns" "$@"
}

# quiet LOG COMMAND...: its output only when it fails.
quiet() {
	local log=$T/$1.log
	shift
	"$@" >>"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "failed: $*"; }
}

mac() { in_ns "$1" ip -br link show dev "$2" | awk '{print $3}'; }

wait_for() { # CONDITION SECONDS
	local end=$((${EPOCHREALTIME/[.,]/} + $2 * 1000000))
	while ! eval "$1" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		sleep 0.01
	done
}

# stop PID [NAME]: ends a program of ours and waits for it.
stop() {
	[ -n "$1" ] || return 0
	kill -TERM "$1" 2>/dev/null
	wait_for "! kill -0 $1" 10 || kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

clean_up() {
	local n alg
	trap - EXIT
	stop "$GEN_PID"
	stop "$DUT_PID"
	stop "${SINK_dst_PID:-}"
	stop "${SINK_src_PID:-}"
	for n in src dut dst; do
		[ ! -e "/run/netns/$P-$n" ] || ip netns del "$P-$n"
	done
	for alg in $ALGS; do
		rm -rf "/etc/xdp-ipsec/$P$alg" "/run/xdp-ipsec/$P$alg" "/sys/fs/bpf/xdp-ipsec/$P$alg"
	done
	rm -rf "$T"
}

# --- topology ---

veth() { # DUT_DEV NS DEV
	quiet topo ip link add "$1" netns "$P-dut" numrxqueues 1 numtxqueues 1 type veth \
		peer name "$3" netns "$P-$2" numrxqueues 1 numtxqueues 1
	quiet topo in_ns dut ethtool -K "$1" tx off rx off tso off gso off gro off
	quiet topo in_ns "$2" ethtool -K "$3" tx off rx off tso off gso off gro off
	quiet topo in_ns dut ip link set "$1" up
	quiet topo in_ns "$2" ip link set "$3" up
}

topology() {
	local n
	for n in src dut dst; do
		quiet topo ip netns add "$P-$n"
		quiet topo in_ns $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
		quiet topo in_ns $n ip link set lo up
	done
	veth lan src s0
	veth wan dst d0
	quiet topo in_ns dut sysctl -qw net.ipv4.ip_forward=1
	quiet topo in_ns dut ip addr add 10.1.202.1/24 dev lan
	quiet topo in_ns dut ip addr add 198.51.100.1/24 dev wan
	quiet topo in_ns dut ip route add default via 198.51.100.254
	# The far ends drop everything: nobody there answers ARP.
	quiet topo in_ns dut ip neigh replace 10.1.202.10 lladdr "$(mac src s0)" dev lan nud permanent
	quiet topo in_ns dut ip neigh replace 198.51.100.254 lladdr "$(mac dst d0)" dev wan nud permanent
}

# Both far ends count and drop. Two coprocesses: commands in, JSON out.
sinks() {
	local l
	{ coproc SINK_dst { exec nsenter --net="/run/netns/$P-dst" "$O/bench/sink" d0 2>"$T/sink-dst.log"; } } 2>/dev/null
	{ coproc SINK_src { exec nsenter --net="/run/netns/$P-src" "$O/bench/sink" s0 2>"$T/sink-src.log"; } } 2>/dev/null
	read -r -t 10 l <&"${SINK_dst[0]}" && read -r -t 10 l <&"${SINK_src[0]}" && [ "$l" = ready ] ||
		fail "the sinks do not start: $(cat "$T"/sink-*.log)"
}

# ask dst|src COMMAND: the sink's answer in ANSWER.
ask() {
	if [ "$1" = dst ]; then
		echo "$2" >&"${SINK_dst[1]}"
		read -r -t 30 ANSWER <&"${SINK_dst[0]}"
	else
		echo "$2" >&"${SINK_src[1]}"
		read -r -t 30 ANSWER <&"${SINK_src[0]}"
	fi || fail "no answer from the sink"
}

# --- devices under test ---

# What is measured, and its source, go before other work on the machine. With sched_autogroup nice(2) counts only within
# a session: a session of its own, whose group gets the same value.
# shellcheck disable=SC2016 # for the inner shell
FIRST=(setsid sh -c 'echo -15 >/proc/self/autogroup 2>/dev/null; exec nice -n -15 "$@"' sh)

forwarder_start() {
	"${FIRST[@]}" nsenter --net="/run/netns/$P-dut" "$O/bench/fwd" lan wan "$(mac src s0)" "$(mac dst d0)" $GW_CPU \
		>"$T/fwd.out" 2>"$T/fwd.log" &
	DUT_PID=$!
	wait_for "grep -q ready $T/fwd.out" 10 || fail "the forwarder does not start: $(cat "$T/fwd.log")"
}

forwarder_stop() {
	stop "$DUT_PID"
	DUT_PID=
	MODE=$(sed -n 's/.*"mode":"\([^"]*\)".*/\1/p' "$T/fwd.out")
}

xi() { in_ns dut "$O/xdp-ipsec" --instance "$P$ALG" "$@"; }

hex() { printf '%s' "$2" | sha512sum | head -c "$(($1 * 2))"; } # BYTES SEED

# Site to site, each for the addresses of a headquarters and a branch.
many_policies() {
	awk 'BEGIN {
		print "/ip ipsec policy"
		for (i = 0; i < 9999; i++)
			printf "add action=discard src-address=10.%d.%d.0/24 dst-address=20.%d.%d.0/24\n", 10 + int(i / 256), i % 256, \
				int(i / 256), i % 256
	}' >"$T/many.rsc"
	quiet gw xi settings set max-policies=16384
	quiet gw xi import "$T/many.rsc"
}

# SPI 0x101 comes in, 0x100 goes out; replay=0 for the same ESP packet over and over.
gateway_configure() {
	local sa
	case $ALG in
	gcm | many)
		sa=(esp-enc-algorithm=aes-128-gcm/aes-128-gcm esp-auth-algorithm=null/null unsafe-aead=yes
			"esp-enc-key=$(hex 20 in)/$(hex 20 out)")
		FORGE=(--enc gcm --enc-key "$(hex 20 in)")
		;;
	cbc)
		sa=(esp-enc-algorithm=aes-128/aes-128 esp-auth-algorithm=sha1/sha1
			"esp-enc-key=$(hex 16 in)/$(hex 16 out)" "esp-auth-key=$(hex 20 auth-in)/$(hex 20 auth-out)")
		FORGE=(--enc cbc --enc-key "$(hex 16 in)" --auth sha1 --auth-key "$(hex 20 auth-in)")
		;;
	esac
	[ "$ALG" != many ] || many_policies
	quiet gw xi manual-sa add name=m "${sa[@]}" esp-spi=0x101/0x100 replay=0
	quiet gw xi policy add src-address=10.1.202.0/24 dst-address=10.1.101.0/24 tunnel=yes \
		sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1 action=encrypt manual-sa=m
	for len in $LENS; do
		quiet forge tests/lib/forge.py --out "$T/esp-$ALG-$len" --src-mac "$(mac dst d0)" --dst-mac "$(mac dut wan)" \
			esp --outer-src 203.0.113.1 --outer-dst 198.51.100.1 --inner-src 10.1.101.10 \
			--inner-dst 10.1.202.10 --spi 0x101 --len "$len" "${FORGE[@]}"
	done
}

gateway_start() {
	local sock=$T/notify waiter
	quiet gw xi interface attach lan
	quiet gw xi interface attach wan
	: >"$T/notify.out" # of the round before: it would be taken for the word of this one
	tests/lib/notify.py "$sock" 20 >"$T/notify.out" 2>&1 &
	waiter=$!
	wait_for "grep -q bound $T/notify.out" 10 || fail "notify.py: $(cat "$T/notify.out")"
	NOTIFY_SOCKET=$sock "${FIRST[@]}" nsenter --net="/run/netns/$P-dut" taskset -c $GW_CPU "$O/xdp-ipsecd" \
		--instance "$P$ALG" --workers 1 --cpus $GW_CPU >"$T/gw-$ALG.log" 2>&1 &
	DUT_PID=$!
	wait $waiter || { tail -n 20 "$T/gw-$ALG.log" >&2; fail "xdp-ipsecd is not ready"; }
}

gateway_stop() {
	stop "$DUT_PID"
	DUT_PID=
	quiet gw xi interface detach lan
	quiet gw xi interface detach wan
}

# --- rounds ---

gen_start() { # NS ARGUMENTS...
	local ns=$1
	shift
	"${FIRST[@]}" nsenter --net="/run/netns/$P-$ns" "$O/bench/gen" "$@" >"$T/gen.out" 2>"$T/gen.log" &
	GEN_PID=$!
}

gen_stop() {
	stop "$GEN_PID"
	GEN_PID=
}

# one_round DUT DIR LEN: a line of JSON in $T/rounds.
one_round() {
	local to=dst
	if [ "$1" != ceiling ] && [ "$2" = decrypt ]; then
		to=src
		gen_start dst d0 $GEN_CPU "$RATE" frame "$T/esp-$1-$3"
	else
		gen_start src s0 $GEN_CPU "$RATE" udp 10.1.202.10 10.1.101.10 "$(mac src s0)" "$(mac dut lan)" "$3"
	fi
	ask $to "wait 5000"
	if [[ $ANSWER != *true* ]]; then
		cat "$T/gen.log" >&2
		[ "$1" = ceiling ] || { tail -n 20 "$T/gw-$1.log"; xi statistics print | grep -v ': 0$'; } >&2
		fail "nothing arrives: $1 $2 $3"
	fi
	ask $to "measure $DUT_PID $GW_CPU $WARM_MS $RUN_MS"
	gen_stop
	printf '{"dut":"%s","dir":"%s","len":%d,"block":%d,%s\n' "$1" "$2" "$3" "$BLOCK" "${ANSWER#\{}" >>"$T/rounds"
}

ceiling_block() {
	forwarder_start
	for len in $LENS; do one_round ceiling encrypt "$len"; done
	forwarder_stop
	BLOCK=$((BLOCK + 1))
}

gateway_block() {
	ALG=$1
	gateway_start
	for dir in $DIRS; do
		for len in $LENS; do one_round "$ALG" "$dir" "$len"; done
	done
	gateway_stop
	BLOCK=$((BLOCK + 1))
}

[ "$(id -u)" = 0 ] || fail "needs root: it makes network namespaces"
[ "$(nproc)" -ge 2 ] || fail "needs two CPUs: one for the source, one for the device under test"
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
topology
sinks
for ALG in $ALGS; do gateway_configure; done
BLOCK=0
ceiling_block
for ((r = 0; r < ROUNDS; r++)); do
	for alg in $ALGS; do
		gateway_block "$alg"
		ceiling_block
	done
done
bench/report.py "$T/rounds" "$O/bench.json" bench/baseline-*.json --mode "$MODE" \
	--gateway-log "$T/gw-${ALGS%% *}.log" || fail "report"
bench/plot.py "$O/bench.json" "$O/bench.svg" || fail "plot"
