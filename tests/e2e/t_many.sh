#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A hundred thousand policies: they are taken by one import, packets find theirs, and a command that changes one policy leaves the
# slots, counters and SAs of all others alone and costs no more for each policy that is there than with a tenth of them.
. "$(dirname "$0")/lib.sh"
MANY=100000

# rules N: that many narrow policies, and the tunnel's behind them.
rules() {
	python3 - "$1" <<-'END'
		import sys
		print("/ip ipsec policy")
		for i in range(int(sys.argv[1])):
		    print(f"add action=discard src-address=10.{100 + i % 100}.{i // 100 % 256}.0/24 dst-address=20.{i >> 16}.{i >> 8 & 255}.{i & 255}/32")
	END
	sed -n '/^add/,$p' "$T/one.rsc"
}

# cpu_ms COMMAND...: milliseconds of CPU it took; its output in $T/cpu.out.
cpu_ms() {
	local TIMEFORMAT='%U %S'
	{ time "$@" >"$T/cpu.out" 2>&1; } 2>"$T/cpu.time" || return 1
	awk '{printf "%d\n", ($1 + $2) * 1000}' "$T/cpu.time"
}

FOLDER=/sys/fs/bpf/xdp-ipsec/${P}g1/v3
slots() { "$LIBDIR/slots.py" "$FOLDER" "$1" "$T/slots"; }

topo_up none
check "room for 131072 policies" xi 1 settings set max-policies=131072
tunnel_up aes-128 sha1 || fatal "no tunnel"
xi 1 policy export compact >"$T/one.rsc"

rules $((MANY / 10)) >"$T/tenth.rsc"
rules $MANY >"$T/many.rsc"
is "import of a tenth" "$(xi 1 import "$T/tenth.rsc" 2>&1)" \
	"policy: $((MANY / 10)) added, 0 changed, 0 removed, 1 unchanged"
tenth=$(cpu_ms xi 1 policy add action=none src-address=10.9.0.0/16)
check "one more and one less" xi 1 policy remove $((MANY / 10 + 1))
is "import of all: what is there stays" "$(xi 1 import "$T/many.rsc" 2>&1)" \
	"policy: $((MANY / 10 * 9)) added, 0 changed, 0 removed, $((MANY / 10 + 1)) unchanged"
is "all are there" "$(xi 1 policy print count-only)" $((MANY + 1))
check "the last of them carries packets" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
is "and counts them" "$(policystat 1 $MANY out-transformed)" 5
explained=$(xi 1 explain src-address=10.100.0.1 dst-address=20.0.0.0 protocol=udp)
check "the first one is found" grep -q "at place 0: 10.100.0.0" <<<"$explained" || note "$explained"

slots save
all=$(cpu_ms xi 1 policy add action=none src-address=10.9.0.0/16)
is "add: one slot" "$(slots diff)" "0 1"
note "CPU of an add: $tenth ms with $((MANY / 10)), $all ms with $MANY policies"
at_least "ten times as many cost at most twenty times" $((tenth * 20 + 100)) "$all"
slots save
check "set" xi 1 policy set $((MANY + 1)) src-address=10.8.0.0/16
is "set: one slot for another" "$(slots diff)" "1 1"
slots save
check "move to the front" xi 1 policy move $((MANY + 1)) 0
is "move: no slot" "$(slots diff)" "0 0"
check "remove" xi 1 policy remove 0
is "remove: one slot" "$(slots diff)" "1 0"
check "the tunnel still carries" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
is "its counter went on" "$(policystat 1 $MANY out-transformed)" 10
# an import is compared with what is there without asking each item for each
some=$(cpu_ms xi 1 policy add action=none src-address=10.9.0.0/16)
sed 's/src-address=10\.1[0-9][0-9]/src-address=10.99/' "$T/tenth.rsc" >"$T/others.rsc"
others=$(cpu_ms xi 1 import "$T/others.rsc")
is "import of others over them" "$(cat "$T/cpu.out")" \
	"policy: $((MANY / 10)) added, 0 changed, $((MANY + 1)) removed, 1 unchanged"
note "CPU of the import: $others ms, of an add before it $some ms"
at_least "it costs no more than ten commands" $((some * 10)) "$others"
check "back to one" xi 1 import "$T/one.rsc"
check "which carries, too" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
is "with its counter" "$(policystat 1 0 out-transformed)" 15
tap_done
