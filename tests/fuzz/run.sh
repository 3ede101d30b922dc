#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# make fuzz: each fuzzer for FUZZ_TIME seconds, from its corpus in tests/fuzz/corpus/<name>. What it finds new goes to
# $O/fuzz/<name>/corpus (kept between runs, not in git). A crasher is minimised and saved as crash-<hash> in the corpus
# folder of the repository, where `make test` replays it from then on; the run fails. T=word picks by name.
set -u
cd "$(dirname "$0")/../.." || exit 2
O=${O:-build}
FUZZ_TIME=${FUZZ_TIME:-60}
crashed=0 ran=0

# save NAME FUZZER CRASHER: minimises within 30 s and saves.
save() {
	local small=$O/fuzz/$1/small hash
	rm -f "$small"
	"$2" -minimize_crash=1 -max_total_time=30 -exact_artifact_path="$small" "$3" >"$O/fuzz/$1/minimise.log" 2>&1
	[ -s "$small" ] || cp "$3" "$small"
	hash=$(sha1sum "$small" | cut -c 1-12)
	mv "$small" "tests/fuzz/corpus/$1/crash-$hash"
	echo "        saved as tests/fuzz/corpus/$1/crash-$hash ($(stat -c %s "tests/fuzz/corpus/$1/crash-$hash") bytes)"
}

fuzz() {
	local name=$1 fuzzer=$2 work=$O/fuzz/$1 rc=0 found
	mkdir -p "$work/corpus" "$work/crash" "tests/fuzz/corpus/$name"
	rm -f "$work"/crash/*
	"$fuzzer" -max_total_time="$FUZZ_TIME" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$work/crash/" "$work/corpus" "tests/fuzz/corpus/$name" >"$work/log" 2>&1 </dev/null || rc=$?
	printf '  FUZZ  %s: %s runs, %s\n' "$name" \
		"$(awk '/number_of_executed_units/ {print $2; f = 1} END {if (!f) print "?"}' "$work/log")" \
		"$([ $rc = 0 ] && echo "no crash" || echo "FAILED")"
	[ $rc != 0 ] || return 0
	grep -E '^(SUMMARY|==|.*runtime error)' "$work/log" | head -n 5 | sed 's/^/        /'
	for found in "$work"/crash/*; do
		[ -e "$found" ] || continue
		save "$name" "$fuzzer" "$found"
	done
	return 1
}

for f in "$O"/tests/fuzz/f_*; do
	n=$(basename "$f")
	[[ $n != *.* && $n != *_replay && $n == *${T:-}* && -x $f ]] || continue
	ran=$((ran + 1))
	fuzz "$n" "$f" || crashed=$((crashed + 1))
done
[ $ran != 0 ] || { echo "no fuzzer in $O/tests/fuzz: run make fuzz"; exit 1; }
echo "$ran fuzzers, $FUZZ_TIME s each, $crashed crashed"
[ $crashed = 0 ]
