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
tap_done
