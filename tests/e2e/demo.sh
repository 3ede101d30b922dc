#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# make demo: two gateways in network namespaces protect the traffic between two LANs (spec section 27): IKE, ESP, nothing in clear.
. "$(dirname "$0")/lib.sh"
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
run() { printf '%s$ %s\n' "$2" "${*:3}"; "$@"; }               # run in_ns NS COMMAND...
show() { printf 'gw1$ xdp-ipsec %s\n' "$*"; xi 1 "$@" 2>/dev/null; } # a command on gateway 1
ok() { :; } # this is no test; check still stops on a failure
step() { "$@" || { echo "demo failed: $*" >&2; exit 1; }; }
[ "$(id -u)" = 0 ] || { echo "make demo needs root: it makes network namespaces" >&2; exit 1; }

say "Two gateways, a router between them, a host behind each (network namespaces, MTU 1500)"
cat <<'EOT'
  host A          gateway 1            router            gateway 2         host B
  10.1.202.10 --- 10.1.202.1           "internet"        10.1.101.1 --- 10.1.101.10
                  198.51.100.1 ------- 192.0.2.1 ------- 203.0.113.1
EOT
topo_up masquerade

say "Gateway 1: peer, policy, interfaces, data plane, IKE daemon (gateway 2 mirrored)"
cat <<EOT
\$ xdp-ipsec peer add address=$WAN2 port=500 auth-method=pre-shared-key secret="test"
\$ xdp-ipsec policy add src-address=$LAN1 src-port=any dst-address=$LAN2 dst-port=any \\
      sa-src-address=$WAN1 sa-dst-address=$WAN2 tunnel=yes action=encrypt proposal=default
\$ xdp-ipsec interface attach lan
\$ xdp-ipsec interface attach wan
\$ xdp-ipsecd &
\$ xdp-iked &
EOT
site() { # N LOCAL_NET REMOTE_NET LOCAL REMOTE
	xi "$1" peer add address="$5" port=500 auth-method=pre-shared-key secret="test" &&
		xi "$1" policy add src-address="$2" src-port=any dst-address="$3" dst-port=any sa-src-address="$4" sa-dst-address="$5" \
			tunnel=yes action=encrypt proposal=default
} 2>"$T/warnings$1.log"
step site 1 $LAN1 $LAN2 $WAN1 $WAN2
step site 2 $LAN2 $LAN1 $WAN2 $WAN1
for n in 1 2; do
	step gw_start $n
	step gw_attach $n
	step iked_start $n
done
show interface print

say "Host A pings host B: the first packet waits for the SAs; the router in the middle sees"
capture_start r w1 w1
step run in_ns a ping -n -c 3 -i 0.2 -W 5 $HOST_B
step in_ns a ping -n -q -c 2 -i 0.05 -W 2 $INTERNET >/dev/null
capture_stop w1
tcpdump -nn -t -r "$T/w1.pcap" 'ip' 2>/dev/null | cut -c 1-150 | head -n 18
step no_clear w1 --min 6
echo "(main mode, quick mode, then only ESP between the gateways; the ping of the internet is masqueraded as before)"
show remote-peers print
show installed-sa print
show policy print stats
cat "$T/iked1.log"

say "TCP, host A to host B: 3DES, the default proposal; then both are set to AES-128-GCM"
bg b iperf iperf3 -s -B $HOST_B
step wait_for "grep -q listening $T/iperf.log"
step in_ns a iperf3 -c $HOST_B -t 2 -f m | grep -E 'receiver'
printf 'gw1$ xdp-ipsec proposal set default enc-algorithms=aes-128-gcm\n'
for n in 1 2; do
	step xi $n proposal set default enc-algorithms=aes-128-gcm
done
step xi 1 remote-peers kill-connections
step wait_for "in_ns a ping -n -q -c 1 -W 2 $HOST_B" 20
step in_ns a iperf3 -c $HOST_B -t 2 -f m | grep -E 'receiver'

say "Cleartext with an address of the far LAN arrives at gateway 1's WAN, then xdp-ipsecd is killed"
forge r w1 gw1 wan clear --src $HOST_B --dst $HOST_A --count 3
step stat_wait 1 in-template-mismatches 3
gw_kill9 1
in_ns a ping -n -q -c 2 -i 0.1 -W 1 $HOST_B >/dev/null
show statistics print detail | awk '$2 != 0 {print}' # what was dropped, and why
step gw_start 1
step run in_ns a ping -n -q -c 2 -i 0.1 -W 2 $HOST_B

say "The IKE daemon is killed and started: the SAs go on; then everything is negotiated anew"
kill -KILL "${IKED_PID[1]}"
wait "${IKED_PID[1]}" 2>/dev/null
step run in_ns a ping -n -q -c 3 -i 0.1 -W 2 $HOST_B
step iked_start 1
step xi 1 remote-peers kill-connections
step wait_for "in_ns a ping -n -q -c 1 -W 2 $HOST_B" 20

say "What gateway 1 shows"
show policy print stats
show installed-sa print detail
say "Done: everything is removed again"
TAP_DONE=1
exit 0
