#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Nothing that a policy protects leaves in clear: before xdp-ipsecd starts, when it is killed, while it restarts, when policies and SAs
# change, and what the gateway itself sends. A stream of packets runs all the time; the capture on WAN is the judge.
. "$(dirname "$0")/lib.sh"

topo_up none # without NAT every leak shows its own addresses
for n in 1 2; do
	tunnel_add $n aes-128 sha1 || fatal "configuration"
done
capture_start r w1 w1
capture_start r w2 w2

# Policies first, then the programs: from the first packet on.
gw_attach 1 || fatal "attach"
gw_attach 2 || fatal "attach"
bg a stream ping -n -i 0.01 -s 200 $HOST_B
bg b stream2 ping -n -i 0.01 -s 200 $HOST_A
check "before the data plane runs packets are dropped and counted" stat_wait 1 out-errors 10
gw_start 1 || fatal "start"
gw_start 2 || fatal "start"
check "then they flow" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
seq_of() { xi "$1" installed-sa print detail | tr ' ' '\n' | awk -F= '/^direction=/{d=$2} /^seq=/{s[d]=$2} END{for (k in s) if (k ~ /out/) print s[k]}'; }

gw_kill9 1
killed=$(seq_of 1)
at_least "the sequence number survives the crash" "${killed:-0}" 10
errors=$(stat_get 1 out-errors)
check "after a crash packets are dropped and counted" stat_wait 1 out-errors $((errors + 20))
gw_start 1 || fatal "restart"
check "after the restart they flow again" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
at_least "with continued sequence numbers" "$(seq_of 1)" "$killed"
is "no replay seen by the peer" "$(stat_get 2 in-state-sequence-errors)" 0

for round in 1 2 3; do
	gw_kill9 1
	gw_start 1 || fatal "restart $round"
done
gw_stop 1
gw_start 1 || fatal "restart after a clean stop"
check "after five restarts" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B

# Changing the configuration under traffic.
for round in 1 2 3; do
	xi 1 policy set 0 comment="round $round" || not_ok "set comment"
	xi 1 manual-sa set m replay=64 || not_ok "set replay"
	xi 1 manual-sa set m replay=128 || not_ok "set replay"
	xi 1 policy set 0 priority=$round || not_ok "set priority"
	xi 1 installed-sa flush || not_ok "flush"
done
check "after changes under traffic" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B

# The configuration file gets lost: no command takes that for a configuration without policies.
conf=/etc/xdp-ipsec/${P}g1/ipsec.rsc
xi 1 export compact file="$T/copy.rsc" && mv "$conf" "$T/lost.rsc" || not_ok "export"
for command in start "import $T/copy.rsc" "policy add action=none" "peer add address=192.0.2.9" "interface attach lan"; do
	rc=0
	# shellcheck disable=SC2086
	xi 1 $command 2>"$T/err" || rc=$?
	is "file lost: $command is refused" "$rc $(grep -c "$conf is missing, but 1 encrypt or discard policy is in force" "$T/err")" "1 1"
done
check "no file came of it, the policy holds" eval "[ ! -e $conf ] && in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B"
check "a copy takes its place" eval "cp $T/copy.rsc $conf && xi 1 start"
check "and all goes on" eval "cmp -s <(xi 1 export compact | tail -n +3) <(tail -n +3 $T/copy.rsc) && in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B"

# The gateway's own packets, both by its LAN address and to the far host.
in_ns gw1 ip route replace 10.1.101.0/24 via 198.51.100.254 src $GW_LAN1
check "the gateway's own ping to the far LAN" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 -I $GW_LAN1 $HOST_B
bg b iperf iperf3 -s -B $HOST_B
wait_for "grep -q listening $T/iperf.log" || fatal "iperf3"
check "the gateway's own TCP" in_ns gw1 timeout 30 iperf3 -c $HOST_B -B $GW_LAN1 -n 5M
check "the gateway's own big UDP" in_ns gw1 ping -n -q -l 2 -c 2 -i 10 -w 5 -s 4000 -I $GW_LAN1 $HOST_B

# One interface taken off: the other still enforces.
xi 1 interface detach lan || not_ok "detach lan"
check "LAN not attached: tc egress on WAN still protects" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B
xi 1 interface attach lan || not_ok "attach lan"
check "attached again" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 $HOST_B

# LAN goes away and comes back while packets for it arrive in the tunnel; README names the route.
in_ns gw1 ip route add unreachable $LAN1 metric 4294967295
came=$(policystat 1 0 in-transformed)
in_ns gw1 ip link set lan down
check "packets for a LAN that is down arrive" wait_for "[ \"\$(policystat 1 0 in-transformed)\" -ge $((came + 30)) ]"
in_ns gw1 ip link set lan up
check "LAN is up again" wait_for "in_ns a ping -n -q -c 1 -W 1 $HOST_B"

stop_pid "${BG_PIDS[0]}" INT
stop_pid "${BG_PIDS[1]}" INT
capture_stop w1 || not_ok "capture w1"
capture_stop w2 || not_ok "capture w2"
check "no cleartext on the first WAN, ever" no_clear w1 --min 200
check "no cleartext on the second WAN, ever" no_clear w2 --min 200
tap_done
