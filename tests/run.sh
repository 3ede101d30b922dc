#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs every test and adds up their TAP lines: "ok", "not ok", "ok ... # SKIP reason". T=word picks by file name.
# Prints each test file's result; the whole output of a failed one; ends with "N passed, N failed, N skipped".
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
O=${O:-build}
export O CMOCKA_MESSAGE_OUTPUT=TAP
logs=$O/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0 broken=()

run_one() {
	local name=$1 log start rc=0 p f s
	shift
	[[ $name == *${T:-}* ]] || return 0
	log=$logs/${name//\//_}.log
	start=$SECONDS
	printf '  TEST  %s' "$name"
	timeout -k 10 900 "$@" >"$log" 2>&1 </dev/null || rc=$?
	s=$(grep -cE '^ok .*# SKIP' "$log")
	p=$(($(grep -cE '^ok ' "$log") - s))
	f=$(grep -cE '^not ok ' "$log")
	# A file that died, or ran nothing, has failed whatever it printed.
	if [ "$rc" != 0 ] && [ "$f" = 0 ]; then f=1; fi
	if [ $((p + f + s)) = 0 ]; then f=1; fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf ': %d passed, %d failed, %d skipped (%d s)\n' "$p" "$f" "$s" $((SECONDS - start))
	grep -E '^ok .*# SKIP' "$log" | sed 's/^/        /'
	if [ "$f" != 0 ]; then
		broken+=("$name")
		sed 's/^/        /' "$log" | tail -n 80
	elif [ -n "${V:-}" ]; then
		sed 's/^/        /' "$log"
	fi
}

for t in "$O"/tests/unit/t_*; do [[ $t == *.* ]] || run_one "unit/$(basename "$t")" "$t"; done
for t in "$O"/tests/fuzz/f_*_replay; do
	n=$(basename "$t" _replay)
	run_one "fuzz/$n" "$t" "tests/fuzz/corpus/$n"
done
for t in tests/oracle/t_*.py tests/cli/t_*; do
	[ -e "$t" ] && run_one "$(basename "$(dirname "$t")")/$(basename "$t")" "$t"
done
if [ "$(id -u)" = 0 ]; then
	for t in "$O"/tests/bpf/t_*; do [[ $t == *.* ]] || run_one "bpf/$(basename "$t")" "$t"; done
	for t in tests/e2e/t_*.sh tests/interop/t_*.sh; do
		run_one "$(basename "$(dirname "$t")")/$(basename "$t")" bash "$t"
	done
else
	echo "  not root: the tests in tests/bpf, tests/e2e and tests/interop need it"
	failed=$((failed + 1))
fi
[ ${#broken[@]} = 0 ] || echo "failed: ${broken[*]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
