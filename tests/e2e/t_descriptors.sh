#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A daemon that has no file descriptor left: it waits without spinning, takes half of nothing for the whole, and goes on when there are some again.
. "$(dirname "$0")/lib.sh"

XI_QUEUES=16
topo_up none
openssl req -x509 -newkey rsa:1024 -nodes -keyout "$T/ca.key" -out "$T/ca.pem" -subj "/CN=ca" -days 100 2>/dev/null
xi 1 certificate import file-name="$T/ca.pem" name=ca >"$T/import.log" && xi 1 peer add address=$WAN2 secret=test || fatal "configuration"
gw_attach 1 && gw_start 1 && iked_start 1 || fatal "start"

id_of() { awk -v f="$2:" '$1 == f {print $2}' "/proc/$1/status"; }
# room PID N: N descriptors are left to it. As its own user: that needs no capability.
room() {
	local n=$2 fd=0
	while [ "$n" -gt 0 ] || [ -h "/proc/$1/fd/$fd" ]; do
		[ -h "/proc/$1/fd/$fd" ] || n=$((n - 1))
		fd=$((fd + 1))
	done
	setpriv --reuid "$(id_of "$1" Uid)" --regid "$(id_of "$1" Gid)" --clear-groups prlimit --pid "$1" "--nofile=$fd:"
}
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; } # of processor time, 10 ms each
ask_status() { # SOCKET
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(30)
s.connect(sys.argv[1])
s.send(b"{\"cmd\":\"status\"}")
print(s.recv(32768).decode())' "$1"
}

one() { # WHO PID SOCKET LOG
	local asker was
	room "$2" 0
	ask_status "/run/xdp-ipsec/${P}g1/$3" >"$T/$1.answer" 2>"$T/$1.error" &
	asker=$!
	check "$1: no descriptor is left, and the log says so" wait_for "grep -q 'no control client can be let in, .*: Too many open files' $T/$4.log"
	was=$(ticks "$2")
	wait_for false 2 # what it takes of a processor in that time
	was=$(($(ticks "$2") - was))
	at_least "$1: it does not spin (took $was of 200 ticks)" $((20 - was)) 0
	room "$2" 8
	check "$1: who has waited gets an answer when there are some again" wait $asker
	check "$1: the right one" grep -q '"ok":true' "$T/$1.answer"
	is "$1: said once" "$(grep -c 'no control client' "$T/$4.log")" 1
	check "$1: the next one is let in at once" ask_status "/run/xdp-ipsec/${P}g1/$3"
}
one xdp-ipsecd "${GW_PID[1]}" data.sock gw1
one xdp-iked "${IKED_PID[1]}" ike.sock iked1

# A change comes with the configuration and the folder of certificates, for which there is no room; or there is, but not to read what is in them.
for left in 2 3 4; do
	room "${IKED_PID[1]}" $left
	xi 1 peer set 0 comment="$left" >"$T/set.log" 2>&1
	check "room for $left: a reload without certificates is refused, and whoever asked is told" grep -q 'the change is stored, but IKE may go on with what was before' "$T/set.log"
	is "room for $left: what was before goes on" "$(grep -c 'configuration reloaded' "$T/iked1.log")" 0
done
room "${IKED_PID[1]}" 16
check "with room again a change arrives" xi 1 peer set 0 comment=last
is "as a whole" "$(grep -c 'configuration reloaded' "$T/iked1.log")" 1
check "xdp-ipsecd ends cleanly" gw_stop 1

# One of them for each queue of each interface: of the soft limit it frees itself, the hard one it names.
limited() { # OPTION LIMIT
	local old
	old=$(ulimit "$1") || return 1
	ulimit "$1" "$2" && gw_start 1
	local rc=$?
	ulimit "$1" "$old"
	return $rc
}
check "a soft limit of 40 does not matter" limited -Sn 40
is "all queues are served, as by the first start" "$(grep -cE '(lan|wan): 16 queue' "$T/gw1.log")" 4
gw_stop 1
xi 1 policy add src-address=$LAN1 dst-address=$LAN2 action=encrypt tunnel=yes sa-src-address=$WAN1 sa-dst-address=$WAN2 2>/dev/null || fatal "policy"
capture_start r w1 w1 || fatal "capture"
(ulimit -n 64; in_ns gw1 "$O/xdp-ipsecd" --instance "${P}g1" >"$T/hard.log" 2>&1)
is "a hard limit of 64: xdp-ipsecd ends with an error" $? 1
check "and says why" grep -q 'error.*Too many open files' "$T/hard.log"
check "the socket that failed, too" grep -q 'cannot open an AF_XDP socket on .*: Too many open files' "$T/hard.log"
in_ns a ping -n -q -c 3 -i 0.1 -W 1 $HOST_B >/dev/null
capture_stop w1 || not_ok "capture"
check "nothing has left in clear" no_clear w1
tap_done
