#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# VLAN devices, 802.1Q and QinQ, on both sides of two gateways. Few kernels of machines that run tests have them: the whole set-up is inside
# a machine that QEMU emulates, with Debian 12's own kernel (6.1), which is downloaded, not installed; see guest_vlan.sh for what is
# tested there. Also the proof that the programs load on that kernel.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
O=${O:-build}
[[ $O == /* ]] || O=$top/$O
VM=$O/vm
T=$(mktemp -d "${TMPDIR:-/tmp}/xivm.XXXXXX")
trap 'rm -rf "$T"' EXIT

fatal() {
	echo "not ok 1 - $*"
	echo "1..1"
	exit 1
}

# The package of the kernel, unpacked in $VM once.
kernel_get() {
	local pkg
	pkg=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$pkg" ] || return 1
	VER=${pkg#linux-image-}
	[ ! -e "$VM/$VER/ready" ] || return 0
	rm -rf "$VM"
	mkdir -p "$VM/$VER" && (cd "$VM" && apt-get -qq -o APT::Sandbox::User=root download "$pkg") &&
		dpkg-deb -x "$VM/$pkg"_*.deb "$VM/$VER" && depmod -b "$VM/$VER" "$VER" && rm "$VM"/*.deb && : >"$VM/$VER/ready"
}

# put FILE...: into the guest's root under the same name, with the libraries it needs.
put() {
	local f
	for f; do
		mkdir -p "$T/root$(dirname "$f")"
		cp -L "$f" "$T/root$f" || return 1
		ldd "$f" 2>/dev/null | grep -o '/[^ ]*'
	done | sort -u >"$T/libs"
	while read -r f; do
		[ -e "$T/root$f" ] || { mkdir -p "$T/root$(dirname "$f")" && cp -L "$f" "$T/root$f"; } || return 1
	done <"$T/libs"
}

root_make() {
	local m f n=100 legacy=/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so
	mkdir -p "$T/root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,proc,sys,dev,run,tmp,etc,modules} || return 1
	for f in bin sbin lib lib64; do ln -s "usr/$f" "$T/root/$f" || return 1; done
	put "$(command -v bash)" "$(command -v ip)" "$(command -v ethtool)" "$(command -v tcpdump)" "$(command -v ping)" \
		"$legacy" || return 1
	cp "$O/xdp-ipsec" "$O/xdp-ipsecd" "$T/root/bin/" || return 1
	for f in "$O/xdp-ipsec" "$O/xdp-ipsecd"; do
		ldd "$f" | grep -o '/[^ ]*' | while read -r m; do
			mkdir -p "$T/root$(dirname "$m")" && cp -L "$m" "$T/root$m"
		done
	done
	cp "$(command -v busybox)" "$T/root/bin/busybox" || return 1
	for m in veth 8021q bridge sch_ingress cls_bpf; do
		modprobe -d "$VM/$VER" -S "$VER" --show-depends "$m" || return 1
	done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' >"$T/modules"
	while read -r m; do
		n=$((n + 1))
		cp "$m" "$T/root/modules/$n-$(basename "$m")" || return 1
	done <"$T/modules"
	cp "$top/tests/e2e/guest_vlan.sh" "$T/root/init" && chmod +x "$T/root/init" &&
		(cd "$T/root" && find . | cpio -o -H newc --quiet >"$T/root.cpio")
}

[ "$(id -u)" = 0 ] || { echo "ok 1 - everything # SKIP needs root"; echo "1..1"; exit 0; }
kernel_get || fatal "Debian's kernel can be downloaded"
root_make || fatal "the guest's root is made"
timeout -k 5 180 qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -smp 1 -m 1024 -nodefaults -no-user-config -display none \
	-no-reboot -kernel "$VM/$VER/boot/vmlinuz-$VER" -initrd "$T/root.cpio" -serial "file:$T/console" \
	-append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on rdinit=/init" </dev/null || true
tr -d '\r' <"$T/console" | grep -aE '^(ok|not ok|1\.\.|# )'
grep -qa '^1\.\.' "$T/console" || {
	tail -n 30 "$T/console" | tr -d '\r' | sed 's/^/# /'
	echo "not ok 99 - the guest came to its end"
	exit 1
}
! grep -qa '^not ok' "$T/console"
