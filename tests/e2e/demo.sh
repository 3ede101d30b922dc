#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# make demo: two gateways in network namespaces protect the traffic between two LANs (spec section 27, manual keys).
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

say "Gateway 1: keys, policy, interfaces, data plane"
tunnel_keys aes-128-gcm null
cat <<EOT
\$ xdp-ipsec manual-sa add name=m esp-enc-algorithm=aes-128-gcm/aes-128-gcm esp-auth-algorithm=null/null \\
      esp-enc-key=.../... esp-spi=0x101/0x100 replay=128 unsafe-aead=yes
\$ xdp-ipsec policy add src-address=$LAN1 dst-address=$LAN2 tunnel=yes sa-src-address=$WAN1 \\
      sa-dst-address=$WAN2 action=encrypt manual-sa=m
\$ xdp-ipsecd &
\$ xdp-ipsec interface attach lan
\$ xdp-ipsec interface attach wan
EOT
for n in 1 2; do
	step tunnel_add $n aes-128-gcm null 2>"$T/warnings$n.log"
	step gw_start $n
	step gw_attach $n
done
show interface print

say "Host A pings host B; the router in the middle sees"
capture_start r w1 w1
step run in_ns a ping -n -c 3 -i 0.2 -W 2 $HOST_B
step in_ns a ping -n -q -c 2 -i 0.05 -W 2 $INTERNET >/dev/null
capture_stop w1
tcpdump -nn -t -r "$T/w1.pcap" 'ip' 2>/dev/null | head -n 12
step "$LIBDIR/capture.py" only-esp "$T/w1.pcap" $WAN1 $WAN2 --min 3
step no_clear w1 --min 6
echo "(only ESP between the gateways; the ping of the internet is masqueraded as before)"

say "TCP, host A to host B"
bg b iperf iperf3 -s -B $HOST_B
step wait_for "grep -q listening $T/iperf.log"
step in_ns a iperf3 -c $HOST_B -t 2 -f m | grep -E 'receiver'

say "Cleartext with an address of the far LAN arrives at gateway 1's WAN, then xdp-ipsecd is killed"
forge r w1 gw1 wan clear --src $HOST_B --dst $HOST_A --count 3
step stat_wait 1 in-template-mismatches 3
gw_kill9 1
in_ns a ping -n -q -c 2 -i 0.1 -W 1 $HOST_B >/dev/null
show statistics print detail | awk '$2 != 0 {print}' # what was dropped, and why
step gw_start 1
step run in_ns a ping -n -q -c 2 -i 0.1 -W 2 $HOST_B

say "What gateway 1 shows"
show policy print stats
show installed-sa print detail
say "Done: everything is removed again"
TAP_DONE=1
exit 0
