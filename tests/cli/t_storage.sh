#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The configuration file, export and import (spec section 3.7): round trips, what differs only, damage, crashes, concurrency.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh
CONF=/etc/xdp-ipsec/$INST/ipsec.rsc
K16=000102030405060708090a0b0c0d0e0f
body() { "$XI" --instance "$1" export "${@:2}" | tail -n +3; }

xi manual-sa add name="a b" esp-enc-algorithm=aes-128 esp-enc-key=$K16/$K16 esp-spi=101/100 lifetime=1w2d replay=128
xi policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-src-address=198.51.100.1 \
	sa-dst-address=203.0.113.1 manual-sa="a b" comment="quote \" and # and ; and 	tab, long enough to be folded somewhere in the middle"
xi policy add action=discard protocol=tcp dst-port=443 src-address=2001:db8::/32 dst-address=::/0
xi settings set max-sas=1000

has "header" "$(xi export | head -1)" "by xdp-ipsec $(cat packaging/VERSION)"
is "second line is a lone #" "$(xi export | sed -n 2p)" "#"
is "no line longer than 80" "$(xi export | awk 'length > 80' | wc -l)" 0
xi export file="$T/all"
is "export file= adds .rsc, 0600" "$(stat -c %a "$T/all.rsc")" 600
"$XI" --instance "${INST}b" import "$T/all.rsc" >"$T/import.out" 2>&1
is "import into an empty configuration: identical export" "$(body "${INST}b")" "$(body "$INST")"
is "compact too" "$(body "${INST}b" compact)" "$(body "$INST" compact)"
has "import says what it did" "$(cat "$T/import.out")" "policy: 2 added, 0 changed, 0 removed, 0 unchanged"
xi export compact file="$T/compact.rsc"
is "import of what is there changes nothing and is silent" "$(xi import "$T/compact.rsc" 2>&1)" ""
is "ids stay" "$(xi -j policy print | python3 -c 'import json,sys; print([x[".id"] for x in json.load(sys.stdin)])')" "['*1', '*2']"

printf '/ip ipsec policy\nadd action=discard protocol=tcp dst-port=443 src-address=2001:db8::/32 dst-address=::/0\nadd action=none\n' >"$T/less.rsc"
is "import changes only what differs" "$(xi import "$T/less.rsc")" "policy: 1 added, 0 changed, 1 removed, 1 unchanged"
is "kept items keep their id, new ones get a fresh one" \
	"$(xi -j policy print | python3 -c 'import json,sys; print([x[".id"] for x in json.load(sys.stdin)])')" "['*2', '*3']"
is "menus the file does not speak of stay" "$(xi manual-sa print count-only)" 1
is "import from standard input" "$(xi import - <"$T/all.rsc")" "policy: 1 added, 0 changed, 1 removed, 1 unchanged"

printf '/ip ipsec policy\nadd action=none\nadd action=none priority=9999999999\n' >"$T/bad.rsc"
fails "an error in the middle: nothing changed, line and column" 1 \
	"value of priority out of range (-2147483646..2147483647) (line 3 column 26)" import "$T/bad.rsc"
printf '/ip ipsec policy\nadd action=none comment="open\nadd' >"$T/bad.rsc"
fails "a syntax error: nothing changed" 2 "syntax error (line 2 column 25)" import "$T/bad.rsc"
printf '/ip ipsec manual-sa\nadd name=other\n' >"$T/bad.rsc"
fails "a template in use would vanish" 1 "input does not match any value of manual-sa" import "$T/bad.rsc"
fails "no such file" 1 "cannot read $T/none: No such file or directory" import "$T/none"
printf '/ip ipsec policy\nadd src-address=10.1.202.0/24 src-port=any dst-address=10.1.101.0/24 dst-port=any \\\n    sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1 tunnel=yes \\\n    action=encrypt proposal=default\n' >"$T/office1.rsc"
is "the policy of spec section 27 is imported verbatim" "$(xi import "$T/office1.rsc" 2>/dev/null)" \
	"policy: 1 added, 0 changed, 2 removed, 0 unchanged"

cp "$CONF" "$T/good"
{ cat "$T/good"; printf '/ip ipsec policy\nadd src-address=nonsense\n'; } >"$CONF"
lines=$(wc -l <"$CONF")
damaged="configuration file $CONF is damaged: invalid value for argument src-address (line $lines column 17); repair it or put a copy that export wrote in its place, nothing was changed"
fails "a damaged file: one sentence with the place" 1 "$damaged" policy print
fails "a damaged file is not overwritten" 1 "$damaged" policy add action=none
taken=
for n in $(seq 20 23 "$(stat -c %s "$T/good")"); do
	head -c "$n" "$T/good" >"$CONF"
	[ -n "$(tail -c 1 "$CONF" | tr -d '\n')" ] || continue
	"$XI" --instance "$INST" policy add action=none 2>"$T/err" && taken="$taken $n"
	grep -q 'is damaged' "$T/err" || taken="$taken $n"
done
is "a file cut within a line: refused" "$taken" ""
taken=
for n in $(seq 1 $(($(wc -l <"$T/good") - 1))); do
	head -n "$n" "$T/good" >"$CONF"
	"$XI" --instance "$INST" policy add action=none 2>"$T/err" && taken="$taken $n"
	grep -q 'is damaged: its end is missing' "$T/err" || taken="$taken $n"
done
is "a file cut at the end of a line: refused" "$taken" ""
{ cat "$T/good"; printf '/ip ipsec policy\nadd action=none src-address=10.9.9.0/24\n'; } >"$CONF"
is "a line added by hand is taken" "$(xi policy print terse | grep -c 10.9.9.0/24)" 1
grep -v '^#' "$T/good" >"$CONF"
is "a file by hand needs neither first nor last line" "$(xi policy print count-only)" "$(cp "$T/good" "$CONF"; xi policy print count-only)"
: >"$CONF"
fails "an empty file is not a configuration without policies" 1 "configuration file $CONF is damaged: it is empty; repair it or put a copy that export wrote in its place, nothing was changed" policy print
fails "nor is it applied" 1 "configuration file $CONF is damaged: it is empty; repair it or put a copy that export wrote in its place, nothing was changed" start
head -c 512 /dev/zero >"$CONF"
rc=0
xi start 2>"$T/err" || rc=$?
is "nor one of zeros" "$rc $(grep -c 'is damaged' "$T/err")" "1 1"
cp "$T/good" "$CONF"

echo garbage >"$CONF.new"
xi policy add action=none src-address=10.5.0.0/16 && has "a leftover of a writer that died is no obstacle" "$(xi export)" "10.5.0.0/16"
is "and nothing is left behind" "$(ls "$CONF.new" 2>/dev/null)" ""
sed -i 's/^# ids policy.*/# ids policy last=1 1 1/' "$CONF"
is "ids that cannot be are counted anew" "$(xi -j policy print | python3 -c 'import json,sys; print([x[".id"] for x in json.load(sys.stdin)])')" "['*1', '*2']"

# A holder of the lock that was stopped: whoever waits hears of it, and goes on when it may.
flock -o "${CONF%/*}/.lock" tail -f /dev/null &
holder=$!
until [ "$(ps -o comm= --ppid $holder)" = tail ]; do :; done
kill -STOP $holder
rm -f "$T/err"
xi policy set 0 comment=waited 2>"$T/err" &
waiter=$!
until [ -s "$T/err" ] || ! kill -0 $waiter 2>/dev/null; do sleep 0.02; done
kill -CONT $holder
kill "$(pgrep -P $holder)" $holder
wait $waiter
is "who waits for a stopped command hears for which" "$? $(cat "$T/err")" \
	"0 warning: flock (process $holder, which is stopped) holds ${CONF%/*}/.lock: waiting for it"
has "and does its work then" "$(xi export)" "comment=waited"

for i in $(seq 1 20); do xi policy add action=none src-address="10.66.$i.0/24" & done
wait
is "twenty writers at once: every change is there" "$(xi policy print terse | grep -c 'src-address=10.66')" 20

# Two thousand items: a round trip takes no longer than an operator waits.
python3 - >"$T/many.rsc" <<'END'
print("/ip ipsec policy")
for i in range(4000):
    print(f"add action=discard src-address=10.{i // 256}.{i % 256}.0/24 dst-address=10.200.0.0/16")
END
start=$(date +%s%N)
xi import "$T/many.rsc" >/dev/null
xi policy print count-only >"$T/count"
ms=$((($(date +%s%N) - start) / 1000000))
is "4000 policies" "$(cat "$T/count")" 4000
if [ $ms -lt 5000 ]; then ok "in $ms ms"; else not_ok "in $ms ms"; fi

# --- files are written beside and put in place: a full disk leaves what was there ---
mkdir "$T/full" && mount -t tmpfs -o size=64k tmpfs "$T/full" || not_ok "tmpfs"
echo before >"$T/full/all.rsc"
fails "export to a full disk" 1 "cannot write $T/full/all.rsc: No space left on device" export file="$T/full/all.rsc"
fails "print, too" 1 "cannot write $T/full/all.rsc: No space left on device" policy print detail file="$T/full/all.rsc"
is "leaves what was there, and nothing else" "$(ls -A "$T/full") $(cat "$T/full/all.rsc")" "all.rsc before"
umount "$T/full"
echo before >"$T/target" && ln -s target "$T/link.rsc"
xi settings export file="$T/link.rsc"
has "export behind a symbolic link" "$(cat "$T/target") $(readlink "$T/link.rsc")" "max-policies"
is "the file is 0600, the link stays" "$(stat -c %a "$T/target") $(readlink "$T/link.rsc")" "600 target"
mkfifo "$T/pipe.rsc"
xi settings export file="$T/pipe.rsc" &
is "export into a pipe" "$(tail -n +2 "$T/pipe.rsc")" "$(xi settings export | tail -n +2)"
cp "$CONF" "$T/good"
mount -t tmpfs -o size=16k tmpfs "${CONF%/*}" && head -n 2 "$T/many.rsc" | xi import - >/dev/null || not_ok "tmpfs"
fails "a disk that is full keeps the configuration that it has" 1 "cannot write $CONF.new: No space left on device" import "$T/many.rsc"
is "and nothing beside it" "$(ls -A "${CONF%/*}") $(xi policy print count-only)" $'.lock\nipsec.rsc 1'
mount -o remount,ro "${CONF%/*}"
fails "a file system for reading only" 1 "cannot open ${CONF%/*}/.lock: Read-only file system" policy add action=none
is "can be looked at" "$(xi policy print count-only)" 1
umount "${CONF%/*}"
cp "$T/good" "$CONF"

# --- lines from standard input: those that may are stored together ---
body "$INST" compact >"$T/imported"
cpu_ms() { # COMMAND...: of CPU that it took
	local TIMEFORMAT='%U %S'
	{ time "$@" >/dev/null 2>&1; } 2>"$T/time"
	awk '{printf "%d\n", ($1 + $2) * 1000}' "$T/time"
}
again() { printf '/ip ipsec policy\n' | xi import - >/dev/null; }
import=$(again; cpu_ms xi import "$T/many.rsc")
lines=$(again; cpu_ms xi - <"$T/many.rsc")
is "4000 lines make what their import makes" "$(body "$INST" compact)" "$(cat "$T/imported")"
if [ "$lines" -le $((import * 10 + 200)) ]; then
	ok "at a price of the same order ($lines ms of CPU, import $import ms)"
else
	not_ok "at a price of the same order ($lines ms of CPU, import $import ms)"
fi
again
xi settings set max-policies=1500
is "one too many: named with its place" "$(xi - <"$T/many.rsc" 2>&1)" \
	"failure: 1501 enabled policies, but max-policies in settings is 1500 (line 1502 column 1)"
is "those ahead of it are done, those behind it are not" "$(xi policy print count-only) $(xi policy print terse | tail -n 1 | grep -oE '\bsrc-address=10[^ ]*')" \
	"1500 src-address=10.5.219.0/24"
again
is "a line that is refused: with its place" "$({ head -n 21 "$T/many.rsc"; echo 'set 30 priority=1'; echo 'add'; } | xi - 2>&1)" "no such item (line 22 column 5)"
is "and a line that is none" "$({ echo policy; head -n 41 "$T/many.rsc" | tail -n 20; echo 'add comment="'; } | xi - 2>&1)" \
	"syntax error (line 22 column 13)"
is "what stood ahead of them is done" "$(xi policy print count-only)" 40
again
xi - <<-'END' 2>/dev/null
	manual-sa add name=t1
	policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-dst-address=192.0.2.1 manual-sa=t1
	manual-sa add name=t2
	policy add src-address=10.1.0.0/16 dst-address=10.3.0.0/16 tunnel=yes sa-dst-address=192.0.2.2 manual-sa=t2
	policy
	set 0 priority=1
	set 0,1 comment=both
	set 1 comment=second
	disable 0
	enable 0
	move 1 0
	remove 0
	add copy-from=1 dst-address=10.4.0.0/16
END
is "one after the other, whatever goes together" "$(xi policy print terse | grep -oE '^ *[0-9]+ X?|comment=[a-z]*|dst-address=10[^ ]*|priority=[0-9]+|manual-sa=t.' | xargs)" \
	"0 comment=second dst-address=10.3.0.0/16 manual-sa=t2 priority=0 1 comment=second dst-address=10.4.0.0/16 manual-sa=t2 priority=0"
for wait in 0.005 0.02 0.04 0.06; do
	again
	timeout -s KILL $wait "$XI" --instance "$INST" - <"$T/less.rsc" >/dev/null 2>&1
	timeout -s KILL $wait "$XI" --instance "$INST" - <"$T/many.rsc" >/dev/null 2>&1
	xi policy print count-only || echo failed
done >"$T/killed"
hasnt "killed in the middle: the file is whole" "$(cat "$T/killed")" failed
done_testing
