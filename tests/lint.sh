#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# make lint: one line a check; the findings of those that fail; exit status 1 when there are any.
# TIDY=1 adds clang-tidy. Checks that need more than a line of shell are in tests/lint/.
set -u
cd "$(dirname "$0")/.." || exit 2
O=${O:-build}
findings=0

# Everything of ours that lint reads, with or without git.
mapfile -t all < <(find bpf user ike tests bench packaging .ci -type f ! -path '*/__pycache__/*' 2>/dev/null | sort)
pick() { printf '%s\n' "${all[@]}" | grep -E "$1"; }
mapfile -t c_files < <(pick '\.[ch]$')
mapfile -t user_c < <(pick '^(user|ike|bench|tests)/.*\.c$' | grep -v '\.bpf\.c$')
mapfile -t scripts < <(for f in "${all[@]}"; do
	[[ $f == *.sh ]] || head -c 64 "$f" | head -n 1 | grep -qE '^#!.*\b(ba|da)?sh\b' && echo "$f"
done 2>/dev/null)
mapfile -t tests < <(pick '^tests/.*\.(c|h|sh|py)$' | grep -v '^tests/\(lint\|fuzz\)')
mapfile -t python < <(pick '\.py$')

# run NAME COMMAND...: the command prints findings and fails when there are any.
run() {
	local name=$1 out start=${EPOCHREALTIME/[.,]/} rc=0
	shift
	out=$("$@" 2>&1) || rc=$?
	printf '  LINT  %-12s %s (%d ms)\n' "$name" "$([ $rc = 0 ] && echo ok || echo FAILED)" \
		$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	[ $rc = 0 ] || { findings=$((findings + 1)); printf '%s\n' "$out" | head -n 60 | sed 's/^/        /'; }
}

format() {
	local f n bad=0
	for f in "${c_files[@]}"; do
		n=$(clang-format --dry-run "$f" 2>&1 | grep -c 'clang-format-violations')
		[ "$n" = 0 ] || { echo "$f: $n places; clang-format -i mends it"; bad=1; }
	done
	return $bad
}

analyse() {
	local files
	mapfile -t files < <(printf '%s\n' "${user_c[@]}" | grep -v '^tests/')
	cppcheck --quiet -j "$(nproc)" --std=c11 --language=c --enable=warning,performance,portability \
		--inline-suppr --suppressions-list=tests/lint/cppcheck.txt --error-exitcode=1 \
		--template='{file}:{line}: {severity}: {message} [{id}]' \
		-I. -I"$O" -D__x86_64__ -D_GNU_SOURCE -DXI_VERSION='"0"' "${files[@]}"
}

# Costs a second and more for each file: only when asked for, TIDY=1.
tidy() {
	printf '%s\0' "${user_c[@]}" | grep -zE '^(user|ike)/' | xargs -0 -P "$(nproc)" -n 4 sh -c \
		'O=$1; shift; clang-tidy --quiet "$@" -- -std=gnu11 -I. -I"$O" -D_GNU_SOURCE -DXI_VERSION="\"0\"" 2>/dev/null' sh "$O"
}

# SPDX line first (behind #! in scripts); bpf programs under both licenses.
spdx() {
	local f line want bad=0
	for f in "${c_files[@]}" "${scripts[@]}" "${python[@]}"; do
		line=$(grep -m 1 -vE '^#!|^# shellcheck|^""?"?$' "$f")
		case $f in
		*.bpf.c | bpf/lib/* | bpf/maps.h) want='GPL-2.0-only OR BSD-2-Clause' ;;
		bpf/abi/*) want='BSD-2-Clause OR GPL-2.0-only' ;;
		bench/sink.h) want='GPL-2.0-only OR BSD-2-Clause' ;;
		*) want='BSD-2-Clause' ;;
		esac
		[[ $line == *"SPDX-License-Identifier: $want"* ]] && continue
		echo "$f: the first line must be SPDX-License-Identifier: $want"
		bad=1
	done
	return $bad
}

too_long() {
	awk 'FNR == 1 && NR > 1 && n > 800 {print file ": " n " lines, at most 800"; bad = 1}
		{file = FILENAME; n = FNR}
		END {if (n > 800) {print file ": " n " lines, at most 800"; bad = 1}; exit bad}' \
		"${c_files[@]}" "${scripts[@]}" "${python[@]}"
}

abi() {
	[ -e tests/unit/t_abi.c ] || { echo "tests/unit/t_abi.c is not there"; return 1; }
	make --no-print-directory O="$O" "$O/tests/unit/t_abi" && "$O/tests/unit/t_abi"
}

run format format
run cppcheck analyse
[ -z "${TIDY:-}" ] || run clang-tidy tidy
run shellcheck shellcheck -S warning -x -P SCRIPTDIR "${scripts[@]}"
run python python3 -c 'import ast, sys; [ast.parse(open(f).read(), f) for f in sys.argv[1:]]' "${python[@]}"
run includes tests/lint/includes.py "${c_files[@]}"
run sleep tests/lint/sleep.py "${scripts[@]}" "${python[@]}" "${user_c[@]}"
run reasons tests/lint/reasons.py bpf/abi/xi_drop.h "${tests[@]}"
run spdx spdx
run length too_long
run abi abi
[ $findings = 0 ] || { echo "lint: $findings checks failed"; exit 1; }
