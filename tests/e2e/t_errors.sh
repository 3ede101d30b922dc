#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What an operator gets wrong: one sentence that names the thing and the next step, exit status 1 (2 for misuse), nothing half done.
. "$(dirname "$0")/lib.sh"

topo_up none
leftovers() { # what attach makes, in gateway 1
	in_ns gw1 ip -br link | grep -E "^xi[01]"
	in_ns gw1 ip link show | grep -c "prog/xdp"
	in_ns gw1 tc qdisc show | grep clsact
	ls "/sys/fs/bpf/xdp-ipsec/${P}g1" 2>/dev/null
}
before=$(leftovers)

# refused STATUS PATTERN ARGUMENTS...: exit status, one line on stderr that matches, nothing made
refused() {
	local status=$1 pattern=$2 rc=0 lines
	shift 2
	xi 1 "$@" >"$T/out" 2>"$T/err" || rc=$?
	lines=$(grep -vc '^warning' "$T/err")
	if [ $rc = "$status" ] && grep -qE "$pattern" "$T/err" && [ "$lines" = 1 ] && [ "$(leftovers)" = "$before" ]; then
		ok "$*: $(tail -n 1 "$T/err")"
	else
		not_ok "$*"
		note "status $rc, wanted $status, pattern $pattern: $(cat "$T/err")"$'\n'"$(leftovers)"
	fi
}

refused 1 'no.* interface .*nosuch|interface .*nosuch' interface attach nosuch
refused 1 'lo' interface attach lo
refused 1 'not attached' interface detach lan
refused 1 'queues' interface attach lan queues=9
refused 1 'input does not match any value of mode' interface attach lan mode=fast
refused 2 'bad command name interfac3' interfac3 print
refused 2 'expected end of command' policy add src-adress=10.0.0.0/8
refused 1 'invalid value for argument src-address' policy add src-address=10.0.0.0/99
refused 1 'value of priority out of range' policy add priority=99999999999
refused 1 'input does not match any value of manual-sa' policy add manual-sa=none-such
refused 1 'no such item' policy remove 7
refused 1 'missing value' manual-sa add
refused 1 'unsafe-aead' manual-sa add name=x esp-enc-algorithm=aes-128-gcm/aes-128-gcm
is "nothing was stored" "$(xi 1 policy print count-only)$(xi 1 manual-sa print count-only)" 00

# An occupied XDP slot.
mkfifo "$T/sink.in"
nsenter --net="/run/netns/$P-gw1" "$O/bench/sink" lan >"$T/sink.out" 2>&1 <"$T/sink.in" &
sink=$!
exec 9>"$T/sink.in" # it ends when its commands do
BG_PIDS+=("$sink")
if wait_for "in_ns gw1 ip link show lan | grep -q prog/xdp"; then
	before=$(leftovers)
	refused 1 'sink_xdp \(id [0-9]+\)' interface attach lan
else
	not_ok "the sink holds the XDP slot"
fi
exec 9>&-
stop_pid "$sink"
wait_for "! in_ns gw1 ip link show lan | grep -q prog/xdp"
before=$(leftovers)

# Pins of another version of the ABI.
mkdir -p "/sys/fs/bpf/xdp-ipsec/${P}g1/v99"
before=$(leftovers)
refused 1 '99' interface attach lan
rmdir "/sys/fs/bpf/xdp-ipsec/${P}g1/v99"
before=$(leftovers)

# A damaged configuration file.
xi 1 policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 action=none || not_ok "policy add"
conf=/etc/xdp-ipsec/${P}g1/ipsec.rsc
cp "$conf" "$T/good.rsc"
echo 'add src-address="10.' >>"$conf"
cp "$conf" "$T/bad.rsc"
refused 1 'line' policy print
refused 1 'line' policy add action=none
refused 1 'line' interface attach lan
check "the damaged file is left as it is" cmp "$conf" "$T/bad.rsc"
cp "$T/good.rsc" "$conf"
check "repaired, it works" xi 1 policy print
echo garbage >"$T/import.rsc"
refused 2 'bad command name garbage' import "$T/import.rsc"
check "a bad import changes nothing" cmp "$conf" "$T/good.rsc"

# Rights.
rc=0
in_ns gw1 setpriv --reuid 65534 --clear-groups "$O/xdp-ipsec" --instance "${P}g1" interface attach lan 2>"$T/err" || rc=$?
is "without rights: exit status" $rc 1
check "without rights: the text" grep -q "not enough permissions" "$T/err"

# The daemon.
rc=0
in_ns gw1 "$O/xdp-ipsecd" --workers 0 2>"$T/err" || rc=$?
is "xdp-ipsecd misuse: exit status" $rc 2
gw_start 1 || fatal "start"
rc=0
in_ns gw1 "$O/xdp-ipsecd" --instance "${P}g1" 2>"$T/err" || rc=$?
is "a second xdp-ipsecd: exit status" $rc 1
check "a second xdp-ipsecd: the text" grep -q "already runs" "$T/err"

# On and off, again and again.
check "attach" gw_attach 1
count() { bpftool prog list | grep -c '^[0-9]'; bpftool map list | grep -c '^[0-9]'; bpftool link list | grep -c '^[0-9]'; in_ns gw1 ip -br link | wc -l; in_ns gw1 tc qdisc show; }
xi 1 interface detach lan
xi 1 interface detach wan
before=$(count)
failed=0
for ((i = 0; i < 20; i++)); do
	xi 1 interface attach lan 2>/dev/null && xi 1 interface detach lan 2>/dev/null || failed=$((failed + 1))
done
is "attach and detach twenty times" $failed 0
# Programs and maps go when the kernel's last reader is through with them.
check "nothing is left behind" wait_for '[ "$(count)" = "$before" ]' 10 || note "$before"$'\n'"$(count)"
tap_done
