#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The first process of the guest that tests/interop/lib.sh starts. The kernel's command line says:
#   xi.run=FOLDER      of this machine, writable: ID.cmd (made by a rename) is run by bash, its output goes to ID.out, its status to ID.rc
#   xi.addresses=A/N,...  of vec0      xi.local=A/N,...  networks that are the guest's own      xi.via=A,...  default routes
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run

value() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | tr ',' ' '; }

mkdir /run/xi
mount -t hostfs none /run/xi -o "$(value xi.run)"

# The root has no modules of this kernel, they are elsewhere. All at once: a modprobe for every name that the crypto code looks for
# would take half a minute.
mkdir -p /run/kmod/lib
ln -s /usr/lib/uml/modules /run/kmod/lib/modules
modprobe -d /run/kmod -a af_packet xfrm_user esp4 esp6 ah4 ah6 xfrm4_tunnel xfrm6_tunnel \
	drbg jitterentropy_rng authenc authencesn cbc ctr ecb gcm ccm ghash-generic seqiv echainiv hmac xcbc cmac sha512_generic \
	des_generic blowfish_generic twofish_generic camellia_generic chacha20poly1305 chacha_generic poly1305_generic
echo >/proc/sys/kernel/modprobe

sysctl -qw net.ipv6.ip_nonlocal_bind=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.all.accept_dad=0 \
	net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0
ip link set lo up
ip link set vec0 up
for a in $(value xi.addresses); do
	case $a in *:*) ip addr add "$a" dev vec0 nodad ;; *) ip addr add "$a" dev vec0 ;; esac
done
for a in $(value xi.local); do ip route add local "$a" dev lo; done
for a in $(value xi.via); do ip route add default via "$a"; done

cd /run/xi || exit 1
: >ready
while true; do
	for c in *.cmd; do
		[ -e "$c" ] || continue
		id=${c%.cmd}
		bash "$c" >"$id.out" 2>&1 </dev/null
		echo $? >"$id.tmp"
		rm "$c"
		mv "$id.tmp" "$id.rc"
	done
	sleep 0.02
done
