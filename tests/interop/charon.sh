# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# strongSwan's charon in a network namespace of tests/e2e/lib.sh, as a peer of xdp-iked: IKEv1, ESP in user space (kernel-libipsec, which knows
# tunnel mode in UDP only and pretends a NAT so that its peer uses port 4500). Everything is in $T/charon.

charon_start() { # NS
	local d=$T/charon
	CHARON_NS=$1
	mkdir -p "$d/swanctl"/{x509,x509ca,private,conf.d}
	cat >"$d/strongswan.conf" <<-EOT
	charon {
		load = random nonce x509 revocation constraints pubkey pkcs1 pkcs7 pkcs8 pem openssl gcrypt hmac kdf curve25519 kernel-libipsec kernel-netlink socket-default vici updown counters
		i_dont_care_about_security_and_use_aggressive_mode_psk = yes
		accept_private_algs = yes
		retransmit_tries = 3
		retransmit_timeout = 2.0
		install_routes = yes
		plugins {
			vici {
				socket = unix://$d/vici
			}
		}
		filelog {
			main {
				path = $d/log
				flush_line = yes
				default = 1
				ike = 2
			}
		}
	}
	swanctl {
		load = pem pkcs1 pkcs8 x509 openssl random
	}
	EOT
	# the name of its pid file is compiled in: a /run of its own
	bg "$1" charon unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs tmpfs /run && exec env STRONGSWAN_CONF="$1" /usr/lib/ipsec/charon' - "$d/strongswan.conf"
	wait_for "[ -S $d/vici ]" 10
}

charon_ctl() { # ARGUMENTS of swanctl
	in_ns "$CHARON_NS" env STRONGSWAN_CONF="$T/charon/strongswan.conf" SWANCTL_DIR="$T/charon/swanctl" swanctl "$@" --uri "unix://$T/charon/vici"
}

# charon_conf LOCAL REMOTE LOCAL_NET REMOTE_NET IKE ESP AGGRESSIVE AUTH [LINES of the connection [LINES of the child]]; AUTH: psk, or pubkey
# with the certificate b.crt and identities of ours
charon_conf() {
	local cert='' rid=$2 lid="id = $1"
	if [ "$8" = pubkey ]; then
		cert='certs = b.crt' rid='"CN=a, O=test"' lid='' # its own: the subject, byte for byte
	fi
	cat >"$T/charon/swanctl/swanctl.conf" <<-EOT
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
	charon_ctl --load-all --clear >"$T/charon/load" 2>&1 && ! grep -q "failed" <(grep -v "opening" "$T/charon/load")
}
