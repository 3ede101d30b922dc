# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# strongSwan's charon as a peer of xdp-iked (IKEv1): in a network namespace of tests/e2e/lib.sh with ESP in user space (kernel-libipsec, which knows
# tunnel mode in UDP only and pretends a NAT so that its peer uses port 4500), or in the guest of lib.sh, whose kernel has ESP and AH.

# charon_start NS|guest
charon_start() {
	CHARON_NS=$1
	if [ "$1" = guest ]; then
		CHARON=$T/guest/charon CHARON_THERE=/run/xi/charon CHARON_VICI=/run/vici CHARON_LOG=/run/charon.log
		charon_options kernel-netlink
		guest "STRONGSWAN_CONF=$CHARON_THERE/strongswan.conf /usr/lib/ipsec/charon >/run/charon.out 2>&1 & echo \$! >/run/charon.mine
			i=0
			until [ -S $CHARON_VICI ]; do
				[ \$((i += 1)) -lt 500 ] || exit 1
				sleep 0.02
			done"
		return
	fi
	CHARON=$T/charon CHARON_THERE=$T/charon CHARON_VICI=$T/charon/vici CHARON_LOG=$T/charon/log
	charon_options "kernel-libipsec kernel-netlink"
	# the name of its pid file is compiled in: a /run of its own
	bg "$1" charon unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs tmpfs /run && exec env STRONGSWAN_CONF="$1" /usr/lib/ipsec/charon' - "$CHARON/strongswan.conf"
	wait_for "[ -S $CHARON_VICI ]" 10
}

charon_options() { # PLUGINS
	mkdir -p "$CHARON/swanctl"/{x509,x509ca,private,conf.d}
	cat >"$CHARON/strongswan.conf" <<-EOT
	charon {
		load = random nonce x509 revocation constraints pubkey pkcs1 pkcs7 pkcs8 pem openssl gcrypt hmac kdf curve25519 $1 socket-default vici updown counters
		i_dont_care_about_security_and_use_aggressive_mode_psk = yes
		accept_private_algs = yes
		block_threshold = 100
		retransmit_tries = 3
		retransmit_timeout = 2.0
		install_routes = yes
		plugins {
			vici {
				socket = unix://$CHARON_VICI
			}
		}
		filelog {
			main {
				path = $CHARON_LOG
				flush_line = yes
				default = 1
				ike = ${CHARON_IKE_LOG:-2}
			}
		}
	}
	swanctl {
		load = pem pkcs1 pkcs8 x509 openssl random
	}
	EOT
}

charon_ctl() { # ARGUMENTS of swanctl
	if [ "$CHARON_NS" = guest ]; then
		guest "STRONGSWAN_CONF=$CHARON_THERE/strongswan.conf SWANCTL_DIR=$CHARON_THERE/swanctl swanctl ${*@Q} --uri unix://$CHARON_VICI"
		return
	fi
	in_ns "$CHARON_NS" env STRONGSWAN_CONF="$CHARON/strongswan.conf" SWANCTL_DIR="$CHARON/swanctl" swanctl "$@" --uri "unix://$CHARON_VICI"
}

# What the files of swanctl say, and no more.
charon_load() {
	charon_ctl --load-all --clear >"$CHARON/load" 2>&1 && ! grep -q "failed" <(grep -v "opening" "$CHARON/load")
}

# Certificates: a CA, a for us (a.crt, a.key, ca.crt in $T), b for strongSwan.
charon_pki() {
	local n
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/ca.key" -out "$T/ca.crt" -days 3650 -subj "/O=test/CN=ca" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign || return 1
	for n in a b; do
		openssl req -newkey rsa:2048 -nodes -keyout "$T/$n.key" -out "$T/$n.csr" -subj "/CN=$n/O=test" &&
			openssl x509 -req -in "$T/$n.csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -CAcreateserial -days 3650 -out "$T/$n.crt" || return 1
	done
	cp "$T/ca.crt" "$CHARON/swanctl/x509ca/" && cp "$T/b.crt" "$CHARON/swanctl/x509/" && cp "$T/b.key" "$CHARON/swanctl/private/"
}

# charon_conf LOCAL REMOTE LOCAL_NET REMOTE_NET IKE ESP AGGRESSIVE AUTH [LINES of the connection [LINES of the child]]; AUTH: psk, or pubkey
# with the certificate b.crt and identities of ours
charon_conf() {
	local cert='' rid=$2 lid="id = $1"
	if [ "$8" = pubkey ]; then
		cert='certs = b.crt' rid='"CN=a, O=test"' lid='' # its own: the subject, byte for byte
	fi
	cat >"$CHARON/swanctl/swanctl.conf" <<-EOT
	connections {
		t {
			version = 1
			local_addrs = $1
			remote_addrs = $2
			proposals = $5
			aggressive = $7
			${9:-}
			local {
				auth = $8
				$lid
				$cert
			}
			remote {
				auth = $8
				id = $rid
			}
			children {
				t {
					local_ts = $3
					remote_ts = $4
					esp_proposals = $6
					${10:-}
				}
			}
		}
	}
	secrets {
		ike-t {
			id-1 = $1
			id-2 = $2
			secret = "test"
		}
	}
	EOT
	charon_load
}
