# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Common to tests/cli: an instance of its own, TAP lines, cleaning up. Source it; call done_testing at the end.
# No interfaces are needed and no maps are made: only the configuration is exercised.
O=${O:-build}
XI=$O/xdp-ipsec
INST=t$$$RANDOM
T=$(mktemp -d "/tmp/xi-cli.XXXXXX")
TAP_N=0
export TZ=UTC

cleanup() {
	umount "$T/full" "/etc/xdp-ipsec/$INST" 2>/dev/null
	rm -rf "$T" "/etc/xdp-ipsec/$INST" "/run/xdp-ipsec/$INST" "/etc/xdp-ipsec/${INST}b" "/run/xdp-ipsec/${INST}b"
}
trap cleanup EXIT

if [ "$(id -u)" != 0 ]; then
	echo "ok 1 - configuration # SKIP needs root for /etc/xdp-ipsec"
	echo "1..1"
	exit 0
fi

xi() { "$XI" --instance "$INST" "$@"; }

ok() {
	TAP_N=$((TAP_N + 1))
	echo "ok $TAP_N - $1"
}

not_ok() {
	TAP_N=$((TAP_N + 1))
	echo "not ok $TAP_N - $1"
	shift
	for line in "$@"; do printf '%s\n' "$line" | sed 's/^/# /'; done
}

# is NAME GOT WANTED
is() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got: $2" "wanted: $3"; fi; }

# has NAME TEXT PIECE
has() { if [[ $2 == *"$3"* ]]; then ok "$1"; else not_ok "$1" "got: $2" "wanted in it: $3"; fi; }

# hasnt NAME TEXT PIECE
hasnt() { if [[ $2 != *"$3"* ]]; then ok "$1"; else not_ok "$1" "got: $2" "not wanted in it: $3"; fi; }

# fails NAME STATUS STDERR ARGUMENTS...: exit status, the exact text on stderr, nothing on stdout, file unchanged.
fails() {
	local name=$1 status=$2 text=$3 rc=0 before after
	shift 3
	before=$(cat "/etc/xdp-ipsec/$INST/ipsec.rsc" 2>/dev/null)
	xi "$@" >"$T/out" 2>"$T/err" || rc=$?
	after=$(cat "/etc/xdp-ipsec/$INST/ipsec.rsc" 2>/dev/null)
	if [ $rc = "$status" ] && [ "$(cat "$T/err")" = "$text" ] && [ ! -s "$T/out" ] && [ "$before" = "$after" ]; then
		ok "$name"
	else
		not_ok "$name" "status $rc, wanted $status" "stderr: $(cat "$T/err")" "wanted: $text" "stdout: $(cat "$T/out")"
	fi
}

done_testing() { echo "1..$TAP_N"; }
