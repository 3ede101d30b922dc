#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# How queues, frames and threads go together: what the threads may do, few frames, interfaces with few and many queues, and packets that
# are lost in front of a worker.
. "$(dirname "$0")/lib.sh"

XI_QUEUES=2 topo_up none
for n in 1 2; do
	tunnel_add $n aes-128-gcm null || fatal "configuration"
done
gw_start 1 --workers 2 || fatal "start"
gw_attach 2 && gw_start 2 || fatal "second gateway"

# The kernel picks the transmit queue by a hash that is seeded at boot: what is to arrive on one queue is told to.
xps() { # NS DEV QUEUE: what NS sends by DEV arrives on this queue of the other end
	local q all
	all=$(ip netns exec "$P-$1" cat /sys/devices/system/cpu/online | tr , '\n' |
		awk -F- '{for (i = $1; i <= ($2 == "" ? $1 : $2); i++) m += 2 ^ i} END {printf "%x", m}')
	for q in 0 1; do
		ip netns exec "$P-$1" sh -c "echo $([ $q = "$3" ] && echo "$all" || echo 0) >/sys/class/net/$2/queues/tx-$q/xps_cpus" ||
			return 1
	done
}
xps a eth0 0 || fatal "this kernel cannot choose a transmit queue"

# --- threads that read packets have no capability ---
check "attach lan" xi 1 interface attach lan queues=1 || fatal "attach"
caps() { # NAME-PATTERN FIELD: of gateway 1's threads
	local t
	for t in "/proc/${GW_PID[1]}"/task/*; do
		grep -qE "^$1\$" "$t/comm" && awk -v f="$2:" '$1 == f {print $2}' "$t/status"
	done | sort -u
}
is "the workers have no capabilities" "$(caps 'xi-worker[0-9]+' CapEff) $(caps 'xi-worker[0-9]+' CapPrm)" \
	"0000000000000000 0000000000000000"
is "the main thread has NET_ADMIN, NET_RAW, IPC_LOCK, BPF" "$(caps 'xdp-ipsecd' CapPrm)" 0000008000007000
is "no thread gets new ones" "$(caps '.*' NoNewPrivs)" 1

# --- the second interface has more queues: the internal pair is spread anew ---
check "attach wan, two queues" xi 1 interface attach wan || fatal "attach"
for q in 0 1; do
	if xps r w1 $q 2>/dev/null; then
		check "packets for the stack that arrive on queue $q" in_ns b ping -n -q -l 5 -c 5 -i 10 -w 5 $GW_LAN1
		check "packets that are forwarded, queue $q" in_ns b ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_A
	else
		skip "packets that arrive on queue $q" "this kernel cannot choose a transmit queue"
	fi
done
is "nothing was lost on the way into the stack" "$(stat_get 1 in-errors)" 0
check "wan detached, lan stays" xi 1 interface detach wan
check "attached again" xi 1 interface attach wan
check "ping after that" in_ns b ping -n -q -l 5 -c 5 -i 10 -w 5 $GW_LAN1

# --- two workers seal by one SA: no number twice, none left out ---
check "lan with both queues" eval "xi 1 interface detach lan 2>/dev/null; xi 1 interface attach lan"
for q in 0 1; do # each CPU sends by a queue of its own
	ip netns exec "$P-a" sh -c "echo $((q + 1)) >/sys/class/net/eth0/queues/tx-$q/xps_cpus" || not_ok "xps"
done
queue_packets() { in_ns gw1 ethtool -S lan | awk -v q="rx_queue_$1_xdp_packets:" '$1 == q {print $2}'; }
rx0=$(queue_packets 0) rx1=$(queue_packets 1)
capture_start r w1 two "esp and src host $WAN1"
for q in 0 1; do
	bg a two$q taskset -c $q ping -n -q -c 1000 -i 0.0005 -W 5 $HOST_B
done
check "nothing is lost" wait_for "grep -q ' 0% packet loss' $T/two0.log && grep -q ' 0% packet loss' $T/two1.log" 30
capture_stop two || not_ok "capture"
at_least "packets of the first queue" $(($(queue_packets 0) - rx0)) 500
at_least "packets of the second queue" $(($(queue_packets 1) - rx1)) 500
"$LIBDIR/capture.py" list "$T/two.pcap" | sed -n 's/.* seq=\([0-9]*\).*/\1/p' | sort -n >"$T/numbers"
is "2000 packets, 2000 numbers in a row" \
	"$(wc -l <"$T/numbers") $(uniq "$T/numbers" | wc -l) $(($(tail -n 1 "$T/numbers") - $(head -n 1 "$T/numbers") + 1))" "2000 2000 2000"
xps a eth0 0 || not_ok "xps"
check "lan with one queue again" eval "xi 1 interface detach lan 2>/dev/null; xi 1 interface attach lan queues=1"

# --- packets that a worker has no time for are counted ---
drops() { xi 1 statistics print | awk '{n += $2} END {print n + 0}'; }
balance() { echo $(($(drops) + $(policystat 1 0 out-transformed) - start)); }
start=$(($(drops) + $(policystat 1 0 out-transformed)))
lost=$(stat_get 1 in-buffer-errors)
kill -STOP "${GW_PID[1]}"
forge a eth0 gw1 lan --count 6000 clear --src $HOST_A --dst $HOST_B || not_ok "flood"
kill -CONT "${GW_PID[1]}"
check "sent = sealed + counted drops" wait_for '[ "$(balance)" = 6000 ]' 5 || note "$(balance) of 6000"
at_least "with more than 3000 lost before the worker" "$(($(stat_get 1 in-buffer-errors) - lost))" 3000

# --- few frames: each socket gets its share ---
check "stop" gw_stop 1
check "start with one worker, 4096 frames, $((2 + 2 + 1)) sockets" gw_start 1 --workers 1 --frames 4096
check "ping with few frames" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_B
for i in 0 1; do
	in_ns gw1 ip link add big$i numrxqueues 32 numtxqueues 32 type veth peer name peer$i numrxqueues 32 numtxqueues 32
	in_ns gw1 ip link set big$i up
	in_ns gw1 ip link set peer$i up
done
check "32 more sockets" xi 1 interface attach big0
check "ping after the frames were shared out anew" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_B
check "another 32 are refused" eval '! xi 1 interface attach big1 2>"$T/err"'
check "with the reason and what to do" grep -qE '4096 packet buffers cannot serve .*--frames' "$T/err"
check "the others go on" in_ns a ping -n -q -l 20 -c 20 -i 10 -w 5 $HOST_B

# --- an interface that goes away and comes back is attached again by xdp-ipsecd ---
in_ns gw1 ip link del lan
check "the status says what is missing" eval 'wait_for "xi 1 status | grep -q \"lan is not attached: what policies protect is dropped there\""'
link a eth0 gw1 lan && in_ns gw1 ip addr add $GW_LAN1/24 dev lan && in_ns gw1 ip link set lan mtu 1400 || fatal "lan again"
check "the log says it" wait_for 'grep -q "lan was made anew" $T/gw1.log'
is "once" "$(grep -c "lan was made anew" "$T/gw1.log")" 1
check "it is attached" wait_for 'xi 1 interface print | grep -q "name=\"lan\".*state=running"'
in_ns a ip addr add $HOST_A/24 dev eth0 && in_ns a ip route add default via $GW_LAN1
check "ping" in_ns a ping -n -q -l 5 -c 5 -i 10 -w 5 $HOST_B
tap_done
