#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make bench: every part of it, and at the end what was promised. A part says "bound: WHAT: FIGURE: holds" or "... does not hold" for
# each of its promises; all go on to the end. Exit status 1 when one does not hold, or a part failed.
#
#   O=build; the variables of bench/run.sh, ike.sh and strongswan.sh
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 2
export O=${O:-build}
T=$(mktemp -d "${TMPDIR:-/tmp}/xball$$.XXXXXX") || exit 2
trap 'rm -rf "$T"' EXIT
trap 'exit 130' INT TERM HUP
FAILED=''

# part NAME COMMAND...
part() {
	local name=$1
	shift
	"$@" 2>&1 | tee "$T/$name" || FAILED+=" $name"
}

# shellcheck disable=SC2317 # by part
classify() { "$O/bench/classify" >"$O/classify.json" && bench/classify.py "$O/classify.json" "$O/classify.svg"; }

part run bash bench/run.sh
part classify classify
part ike bash bench/ike.sh
part strongswan bash bench/strongswan.sh
part plot bench/ike.py "$T/ike" "$T/strongswan" "$O/ike.svg"

echo
cat "$T"/* | sed -n 's/^bound: //p'
[ -z "$FAILED" ] || echo "failed:$FAILED"
[ -z "$FAILED" ] && ! grep -q '^bound: .*does not hold$' "$T"/*
