#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The manual's property lists are those of the table. To renew them: tests/cli/t_manual.sh --write
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
page=user/cli/xdp-ipsec.8
want=$("$O/xdp-ipsec" --man-properties)
have=$(sed -n '/^.\\" properties: begin/,/^.\\" properties: end/p' $page | sed '1d;$d')
if [ "${1:-}" = --write ]; then
	{
		sed '/^.\\" properties: begin/q' $page
		printf '%s\n' "$want"
		sed -n '/^.\\" properties: end/,$p' $page
	} >"$page.new" && mv "$page.new" $page
	exit
fi
if [ "$have" = "$want" ]; then
	echo "ok 1 - property lists of the manual"
else
	echo "not ok 1 - property lists of the manual: run tests/cli/t_manual.sh --write"
	diff <(printf '%s\n' "$have") <(printf '%s\n' "$want") | head -20 | sed 's/^/# /'
fi
n=1
for v in $("$O/xdp-ipsec" --help | awk '/^  [a-z]/ {print $1}'); do
	n=$((n + 1))
	if sed 's/\\-/-/g' $page | grep -q "$v"; then echo "ok $n - the manual has $v"; else echo "not ok $n - the manual has $v"; fi
done
while read -r v; do
	n=$((n + 1))
	if sed 's/\\-/-/g' $page | grep -qx ".B $v"; then echo "ok $n - the manual explains $v"; else echo "not ok $n - the manual explains $v"; fi
done < <(sed -n '/^#define XI_STATS(X)/,/^$/s/.*"\(.*\)").*/\1/p' bpf/abi/xi_drop.h)
for p in $page user/worker/xdp-ipsecd.8 ike/daemon/xdp-iked.8; do
	n=$((n + 1))
	if warned=$(groff -man -ww -z -Tutf8 $p 2>&1) && [ -z "$warned" ]; then
		echo "ok $n - no warning about $p"
	else
		echo "not ok $n - no warning about $p"
		sed 's/^/# /' <<<"$warned"
	fi
done
echo "1..$n"
