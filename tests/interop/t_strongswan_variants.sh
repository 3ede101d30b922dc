#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# xdp-iked against strongSwan in the guest of lib.sh: IPv6, identities, chains of certificates, IKE fragments, several proposals, selectors with ports, lifetimes
# that differ, and what only strongSwan asks for. Every case is a peer item, a proposal, a policy and an address of the guest, all configured at once: we
# initiate them all, then strongSwan does, then both at the same time. XI_ONLY=REGEX: only the cases whose names match.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/charon.sh"

NAMES=()
declare -A OUTER=() INNER=() PEER=() PROPOSAL=() POLICY=() CONN=() LOCAL=() REMOTE=() CHILD=() WANT=() WHO=() PROBE=() NUMBER=()
# v NAME KEY=TEXT...: a case. outer, inner: family; peer, proposal, policy: words of ours, behind the defaults; conn, local, remote, child: lines of strongSwan's,
# with ";" between them; NET, HOST, BASE: what is behind the guest, LAN: behind us; want: what strongSwan says of the SA; who: us, them, both can initiate;
# nobody: it must not come up; probe: ping, tcp (to port 80), udp (1701 to 1701), none
v() {
	local n=$1 a
	shift
	[[ $n =~ ${XI_ONLY:-} ]] || return 0
	NUMBER[$n]=${#NAMES[@]} OUTER[$n]=4 INNER[$n]=4 WANT[$n]='TUNNEL, ESP:AES_CBC-128/HMAC_SHA1_96' WHO[$n]=both PROBE[$n]=ping
	NAMES+=("$n")
	for a; do
		case $a in
		outer=*) OUTER[$n]=${a#*=} ;;
		inner=*) INNER[$n]=${a#*=} ;;
		peer=*) PEER[$n]=${a#*=} ;;
		proposal=*) PROPOSAL[$n]=${a#*=} ;;
		policy=*) POLICY[$n]=${a#*=} ;;
		conn=*) CONN[$n]=${a#*=} ;;
		local=*) LOCAL[$n]=${a#*=} ;;
		remote=*) REMOTE[$n]=${a#*=} ;;
		child=*) CHILD[$n]=${a#*=} ;;
		want=*) WANT[$n]=${a#*=} ;;
		who=*) WHO[$n]=${a#*=} ;;
		probe=*) PROBE[$n]=${a#*=} ;;
		*) fatal "case $n: $a" ;;
		esac
	done
}
CERT='auth-method=rsa-signature certificate=a send-initial-contact=no' RSA='auth = pubkey;certs = b.crt' A='auth = pubkey;id = "CN=a, O=test"'

v "IPv6 in IPv6" outer=6 inner=6
v "IPv4 in IPv6" outer=6
v "IPv6 in IPv4" inner=6
v "IPv6, certificates" outer=6 inner=6 "peer=$CERT" "local=$RSA" "remote=$A"
v "IPv6, aggressive" outer=6 inner=6 peer=exchange-mode=aggressive conn='aggressive = yes'
v "IPv6, transport" outer=6 inner=6 policy=tunnel=no child='mode = transport' 'want=TRANSPORT, ESP:AES_CBC-128/HMAC_SHA1_96'
v "several ESP proposals of theirs" child='esp_proposals = aes256-sha256,aes128gcm16,camellia128-sha1,aes128-sha1'
# strongSwan itself offers only the first one of each kind under IKEv1
v "several ESP transforms of theirs" who=us child='esp_proposals = aes256-aes128-sha256-sha1'
v "several ESP algorithms of ours" proposal='enc-algorithms=aes-256-gcm,aes-256,aes-192,3des,aes-128 auth-algorithms=sha512,sha256,sha1' \
	child='esp_proposals = aes128-sha1'
v "AEAD and others, both" proposal='enc-algorithms=aes-256-gcm,aes-256 auth-algorithms=sha256,sha1' \
	child='esp_proposals = aes256gcm16-aes128gcm16,aes256-sha256' 'want=TUNNEL, ESP:AES_GCM_16-256'
v "several IKE proposals of theirs" conn='proposals = aes256-sha512-modp4096,aes256gcm16-prfsha256-modp2048,3des-md5-modp1024,aes128-sha1-modp1024'
v "several IKE transforms of theirs" who=us conn='proposals = aes256-aes128-sha256-sha1-modp2048-modp1024'
v "default proposals of strongSwan" who=us conn='proposals = default' peer='enc-algorithm=aes-128 hash-algorithm=sha256 dh-group=modp3072' \
	child='esp_proposals = default' proposal='enc-algorithms=aes-128 auth-algorithms=sha256' want='TUNNEL, ESP:AES_CBC-128/HMAC_SHA2_256_128'
v "default proposals, AEAD" who=us conn='proposals = default' peer='enc-algorithm=aes-256 hash-algorithm=sha512 dh-group=ecp256' \
	child='esp_proposals = default' proposal='enc-algorithms=aes-256-gcm auth-algorithms=sha256' want='TUNNEL, ESP:AES_GCM_16-256'
v "64-bit sequence numbers or not" who=them child='esp_proposals = aes128-sha1-esn-noesn' 'want=TUNNEL, ESP:AES_CBC-128/HMAC_SHA1_96/ESN'
v "compression" child='ipcomp = yes'
v "protocol and port" policy='protocol=tcp dst-port=80' child='local_ts = NET[tcp/80];remote_ts = LAN[tcp]' probe=tcp
v "protocol" policy='protocol=icmp' child='local_ts = NET[icmp];remote_ts = LAN[icmp]'
v "a port of both, transport" policy='tunnel=no protocol=udp src-port=1701 dst-port=1701' \
	child='mode = transport;local_ts = dynamic[udp/1701];remote_ts = dynamic[udp/1701]' probe=udp 'want=TRANSPORT, ESP:AES_CBC-128/HMAC_SHA1_96'
v "L2TP client" who=them peer='exchange-mode=main-l2tp generate-policy=yes' policy=disabled=yes \
	child='mode = transport;local_ts = dynamic[udp];remote_ts = dynamic[udp/1701]' probe=none 'want=TRANSPORT, ESP:AES_CBC-128/HMAC_SHA1_96'
v "host to host" policy='src-address=10.1.202.10/32 dst-address=HOST/32' child='local_ts = HOST;remote_ts = 10.1.202.10'
v "range that is a network" child='local_ts = BASE.0-BASE.255'
v "host name, main-l2tp" peer='exchange-mode=main-l2tp' local='auth = psk;id = @peer.example.org'
v "host name, aggressive" peer='exchange-mode=aggressive my-id-user-fqdn=gw@example.org' conn='aggressive = yes' local='auth = psk;id = @peer.example.org' \
	remote='auth = psk;id = gw@example.org'
v "key ID, aggressive" peer='exchange-mode=aggressive' conn='aggressive = yes' local='auth = psk;id = keyid:abcd'
v "distinguished name with a secret, aggressive" peer='exchange-mode=aggressive' conn='aggressive = yes' local='auth = psk;id = "CN=x, O=test"'
v "certificate, host name" "peer=$CERT" local='auth = pubkey;certs = fqdn.crt;id = fqdn.example.org' "remote=$A"
v "certificate, mailbox" "peer=$CERT my-id-user-fqdn=a@example.org certificate=mail" local='auth = pubkey;certs = fqdn.crt;id = b@example.org' \
	'remote=auth = pubkey;id = a@example.org'
v "certificate, address" "peer=$CERT" local='auth = pubkey;certs = fqdn.crt;id = 198.51.100.99' "remote=$A"
v "their intermediate CA" "peer=$CERT" local='auth = pubkey;certs = chain.crt' "remote=$A"
v "our intermediate CA" "peer=$CERT certificate=achain" "local=$RSA" 'remote=auth = pubkey;id = "CN=achain, O=test"'
v "intermediate CAs, forced fragments" "peer=$CERT certificate=achain" local='auth = pubkey;certs = chain.crt' \
	'remote=auth = pubkey;id = "CN=achain, O=test"' conn='fragmentation = force'
v "intermediate CAs, aggressive" "peer=$CERT certificate=achain exchange-mode=aggressive" local='auth = pubkey;certs = chain.crt' \
	'remote=auth = pubkey;id = "CN=achain, O=test"' conn='fragmentation = yes;aggressive = yes'
v "pinned certificate" "peer=$CERT remote-certificate=b" "local=$RSA" "remote=$A"
v "no certificate request" "peer=$CERT" "local=$RSA" "remote=$A" conn='send_certreq = no'
v "short lifetimes of theirs" conn='rekey_time = 1h' child='rekey_time = 20m;life_time = 25m'
v "lifetime exact" peer='proposal-check=exact lifetime=1h' proposal='lifetime=25m' conn='rekey_time = 54m;over_time = 6m;rand_time = 0' \
	child='rekey_time = 20m;life_time = 25m'
v "lifetime strict" peer='proposal-check=strict lifetime=1d' proposal='lifetime=1h' conn='rekey_time = 54m;over_time = 6m' child='rekey_time = 20m;life_time = 25m'
v "lifetime claim" peer='proposal-check=claim lifetime=10m' proposal='lifetime=5m' conn='rekey_time = 54m;over_time = 6m' child='rekey_time = 20m;life_time = 25m'
v "bytes and packets" child='life_bytes = 100000000;life_packets = 1000000'
v "NAT traversal offered, no NAT" peer=nat-traversal=yes
v "UDP forced by them" peer=nat-traversal=yes conn='encap = yes' 'want=TUNNEL-in-UDP, ESP:AES_CBC-128/HMAC_SHA1_96'
v "UDP forced by them, transport" peer=nat-traversal=yes policy=tunnel=no conn='encap = yes' child='mode = transport' \
	'want=TRANSPORT-in-UDP, ESP:AES_CBC-128/HMAC_SHA1_96'
v "UDP forced by them, IPv6" outer=6 peer=nat-traversal=yes conn='encap = yes' 'want=TUNNEL-in-UDP, ESP:AES_CBC-128/HMAC_SHA1_96'
v "UDP forced by them, aggressive" peer='nat-traversal=yes exchange-mode=aggressive' conn='encap = yes;aggressive = yes' \
	'want=TUNNEL-in-UDP, ESP:AES_CBC-128/HMAC_SHA1_96'
v "everything" policy='dst-address=0.0.0.0/0' child='local_ts = 0.0.0.0/0'
v "XAUTH" who=nobody local='auth = psk;};local-2 {;auth = xauth;xauth_id = joe'
v "mode config" who=nobody conn='vips = 0.0.0.0'
v "IKEv2" who=nobody conn='version = 2'

# addresses of case N
at() { [ "${OUTER[$1]}" = 6 ] && printf '2001:db8:100::%x:1\n' $((${NUMBER[$1]} + 16)) || echo "198.51.100.$((${NUMBER[$1]} + 100))"; }
here() { [ "${OUTER[$1]}" = 6 ] && echo $WAN1_6 || echo $WAN1; }
base() { [ "${INNER[$1]}" = 6 ] && echo "2001:db8:2:0:${NUMBER[$1]}:" || echo "10.2.${NUMBER[$1]}"; }
net() { [ "${INNER[$1]}" = 6 ] && echo "$(base "$1"):/80" || echo "$(base "$1").0/24"; }
host() { [ "${INNER[$1]}" = 6 ] && echo "$(base "$1"):1" || echo "$(base "$1").1"; }
lan() { [ "${INNER[$1]}" = 6 ] && echo $LAN1_6 || echo $LAN1; }
words() { # NAME TEXT: the case's own addresses in it
	local t=$2
	t=${t//NET/$(net "$1")} t=${t//HOST/$(host "$1")} t=${t//BASE/$(base "$1")} t=${t//LAN/$(lan "$1")}
	printf '%s' "$t"
}
transport() { [[ ${POLICY[$1]:-} == *tunnel=no* || ${CHILD[$1]:-} == *transport* ]]; }

# add NAME LATER...: words with defaults that later ones replace
add() {
	local w out='' k
	local -A seen=()
	local -a rev=()
	for w in "$@"; do rev=("$w" "${rev[@]}"); done
	for w in "${rev[@]}"; do
		k=${w%%=*}
		[ -z "${seen[$k]:-}" ] || continue
		seen[$k]=1 out="$w $out"
	done
	echo "add $out"
}

ours() {
	local n
	echo "/ip ipsec peer"
	for n in "${NAMES[@]}"; do
		add address="$(at "$n")" secret=test hash-algorithm=sha1 enc-algorithm=aes-128 dh-group=modp1024 dpd-interval=disable-dpd comment="${n// /_}" ${PEER[$n]:-}
	done
	echo "/ip ipsec proposal"$'\n'"set default enc-algorithms=aes-128 auth-algorithms=sha1 pfs-group=none"
	for n in "${NAMES[@]}"; do
		add name="p${NUMBER[$n]}" enc-algorithms=aes-128 auth-algorithms=sha1 pfs-group=none ${PROPOSAL[$n]:-}
	done
	echo "/ip ipsec policy"
	for n in "${NAMES[@]}"; do
		local src dst
		src=$(lan "$n") dst=$(net "$n")
		! transport "$n" || src=$(here "$n") dst=$(at "$n")
		# shellcheck disable=SC2046 # one word a property
		add src-address="$src" dst-address="$dst" tunnel=yes sa-src-address="$(here "$n")" sa-dst-address="$(at "$n")" proposal="p${NUMBER[$n]}" level=unique $(words "$n" "${POLICY[$n]:-}")
	done
}

theirs() {
	local n ts
	echo "connections {"
	for n in "${NAMES[@]}"; do
		ts="local_ts = $(net "$n");remote_ts = $(lan "$n")"
		! transport "$n" || ts=''
		# what stands later replaces what stands before
		cat <<-EOT | tr ';' '\n'
		c${NUMBER[$n]} {
			version = 1
			local_addrs = $(at "$n")
			remote_addrs = $(here "$n")
			proposals = aes128-sha1-modp1024
			unique = never
			${CONN[$n]:-}
			local {
				${LOCAL[$n]:-auth = psk;id = $(at "$n")}
			}
			remote {
				${REMOTE[$n]:-auth = psk;id = $(here "$n")}
			}
			children {
				k${NUMBER[$n]} {
					$ts
					$([[ ${CHILD[$n]:-} == *ah_proposals* ]] || echo "esp_proposals = aes128-sha1")
					$(words "$n" "${CHILD[$n]:-}")
				}
			}
		}
		EOT
	done
	echo "}"$'\n'"secrets {"
	for n in "${NAMES[@]}"; do
		echo "ike-c${NUMBER[$n]} {"$'\n'"id-1 = $(at "$n")"$'\n'"secret = test"$'\n'"}"
	done
	echo "ike-x {"$'\n'"id-1 = $WAN1"$'\n'"id-2 = $WAN1_6"$'\n'"id-3 = gw@example.org"$'\n'"secret = test"$'\n'"}"
	echo "}"
}

issue() { # NAME CA SUBJECT EXTENSION...
	local n=$1 ca=$2 subject=$3
	shift 3
	openssl req -newkey rsa:2048 -nodes -keyout "$T/$n.key" -out "$T/$n.csr" -subj "$subject" &&
		openssl x509 -req -in "$T/$n.csr" -CA "$T/$ca.crt" -CAkey "$T/$ca.key" -CAcreateserial -days 3650 -out "$T/$n.crt" -extfile <(printf '%s\n' "$@")
}
pki() {
	charon_pki &&
		issue fqdn ca /CN=fqdn/O=test "subjectAltName=DNS:fqdn.example.org,email:b@example.org,IP:198.51.100.99" &&
		issue mail ca /CN=mail/O=test "subjectAltName=email:a@example.org" &&
		issue mid ca /CN=mid/O=test basicConstraints=critical,CA:TRUE keyUsage=keyCertSign,cRLSign &&
		issue mid2 ca /CN=mid2/O=test basicConstraints=critical,CA:TRUE keyUsage=keyCertSign,cRLSign &&
		issue mid3 mid2 /CN=mid3/O=test basicConstraints=critical,CA:TRUE keyUsage=keyCertSign,cRLSign &&
		issue chain mid /O=test/CN=chain "subjectAltName=DNS:chain.example.org" &&
		issue achain mid3 /CN=achain/O=test "subjectAltName=DNS:achain.example.org" || return 1
	cp "$T"/{fqdn,chain}.crt "$CHARON/swanctl/x509/" && cp "$T"/{fqdn,chain}.key "$CHARON/swanctl/private/" && cp "$T/mid.crt" "$CHARON/swanctl/x509ca/" || return 1
	mkdir -p "$CHARON/swanctl/x509crl" && : >"$T/index.txt" && echo 01 >"$T/crlnumber" &&
		printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\ncrlnumber=%s\ndefault_md=sha256\ndefault_crl_days=30\n' "$T/index.txt" "$T/crlnumber" >"$T/ca.cnf" &&
		openssl ca -config "$T/ca.cnf" -gencrl -keyfile "$T/ca.key" -cert "$T/ca.crt" -out "$T/ca.crl" && cp "$T/ca.crl" "$CHARON/swanctl/x509crl/"
	local f
	for f in ca a a:key mail mail:key mid2 mid3 achain achain:key b; do
		if [[ $f == *:* ]]; then xi 1 certificate import file-name="$T/${f/:/.}" name="${f%:*}"; else xi 1 certificate import file-name="$T/$f.crt" name="$f"; fi || return 1
	done
	xi 1 certificate import file-name="$T/ca.crl" name=crl
}

guest_addresses() {
	local n
	for n in "${NAMES[@]}"; do
		if [ "${OUTER[$n]}" = 6 ]; then echo "ip addr add $(at "$n")/64 dev vec0 nodad || exit 1"; else echo "ip addr add $(at "$n")/24 dev vec0 || exit 1"; fi
	done
}

probe() { # NAME
	local from=a to opts=()
	to=$(host "$1")
	if transport "$1"; then from=gw1 to=$(at "$1") opts=(-I "$(here "$1")"); fi
	case ${PROBE[$1]} in
	ping) wait_for "in_ns $from ping ${opts[*]} -n -q -c 3 -i 0.05 -W 3 $to | grep -q ' [23] received'" 20 && echo answers ;;
	tcp) wait_for "in_ns $from python3 -c 'import socket
try: socket.create_connection((\"$to\", 80), 3)
except ConnectionRefusedError: print(\"refused\")' | grep refused" 20 && echo answers ;;
	udp) in_ns $from python3 -c "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((\"$WAN1\", 1701)); s.sendto(b\"x\", (\"$to\", 1701))"
		wait_for "charon_ctl --list-sas | grep -q 'k${NUMBER[$1]}:.*INSTALLED'" 20 && echo answers ;;
	none) echo answers ;;
	esac
}
# probe_all us|them [NAME...]: eight at a time, those that this side can initiate
probe_all() {
	local who=$1 n pids=()
	shift
	for n in "${@:-${NAMES[@]}}"; do
		[[ ${WHO[$n]} == both || ${WHO[$n]} == "$who" ]] || continue
		probe "$n" >"$T/probe.${NUMBER[$n]}" &
		pids+=($!)
		[ ${#pids[@]} != 8 ] || { wait "${pids[@]}"; pids=(); }
	done
	[ ${#pids[@]} = 0 ] || wait "${pids[@]}"
}
judge() { # us|them
	local n i label got
	charon_ctl --list-sas >"$T/sas" 2>&1
	for n in "${NAMES[@]}"; do
		[[ ${WHO[$n]} == both || ${WHO[$n]} == "$1" ]] || continue
		i=${NUMBER[$n]}
		label="$n: $([ "$1" = us ] && echo "we initiate" || echo "strongSwan initiates")"
		got=$(awk -v c="k$i:" '$1 == c && /INSTALLED/ { sub(/.*INSTALLED, /, ""); sa = $0; n++; next } END { print n "x " sa }' "$T/sas")
		is "$label" "$(cat "$T/probe.$i"), $got" "answers, 1x ${WANT[$n]}"
	done
}
# initiate SECONDS NAME...: the guest's commands, eight at a time; prints those that did not come up
initiate() {
	local n i=0 seconds=$1
	shift
	echo "export STRONGSWAN_CONF=$CHARON_THERE/strongswan.conf"
	for n; do
		echo "swanctl --initiate --child k${NUMBER[$n]} --timeout $seconds --uri unix://$CHARON_VICI >/dev/null || echo k${NUMBER[$n]} &"
		[ $(((i += 1) % 8)) != 0 ] || echo wait
	done
	echo wait
}
# those MODULO WHO...: THOSE are every second, third, ... of the cases
those() {
	local n modulo=$1 i=0
	shift
	THOSE=()
	for n in "${NAMES[@]}"; do
		[[ " $* " == *" ${WHO[$n]} "* ]] || continue
		[ $(((i += 1) % modulo)) != 0 ] || THOSE+=("$n")
	done
}
# (Of compression strongSwan leaves a reserved number.)
nothing_left() {
	wait_for '[ -z "$(charon_ctl --list-sas)$(guest "ip xfrm state | grep -E \"proto (esp|ah)\"")" ]' 10 && return
	charon_ctl --list-sas
	guest "ip xfrm state"
	return 1
}

interop_up
charon_start guest || fatal "charon"
check "certificates" pki || fatal "certificates"
theirs >"$CHARON/swanctl/swanctl.conf"
check "addresses of the guest" guest "$(guest_addresses)" || fatal "addresses"
check "strongSwan's configuration" charon_load || fatal "$(cat "$CHARON/load")"
ours >"$T/ours.rsc"
check "our configuration" xi 1 import "$T/ours.rsc" || fatal "our configuration"
gw_attach 1 && gw_start 1 && iked_start 1 || fatal "start"
capture_start r w1 w1 "not esp"

probe_all us
judge us
check "kill-connections" xi 1 remote-peers kill-connections
check "strongSwan honours the Deletes" nothing_left

those 1 both them
is "strongSwan initiates all of them" "$(guest "$(initiate 20 "${THOSE[@]}")" 2>&1)" ""
probe_all them
judge them
check "kill-connections" xi 1 remote-peers kill-connections
check "strongSwan honours the Deletes" nothing_left

# Both at the same time: whatever comes of it, traffic goes.
those 3 both
guest "$(initiate 20 "${THOSE[@]}")" >"$T/both" &
both=$!
probe_all us "${THOSE[@]}"
wait $both
is "both initiate: strongSwan has its SAs" "$(cat "$T/both")" ""
for n in "${THOSE[@]}"; do
	is "$n: both initiate" "$(cat "$T/probe.${NUMBER[$n]}")" answers
done

# What is refused is said in the log.
if [ -z "${XI_ONLY:-}" ]; then
	those 1 nobody
	for n in "${THOSE[@]}"; do
		guest "$(initiate 1 "$n")" >/dev/null 2>&1 # one by one: the log takes 20 lines a second of strangers
	done
	check "XAUTH is named" grep -q "auth-method: auth(65001), not pre-shared-key" "$T/iked1.log"
	check "mode config is named" grep -q "$(at "mode config").* wants XAUTH or mode config" "$T/iked1.log"
	check "IKEv2 is named" wait_for "grep -q '$(at IKEv2).* begins with IKEv2' $T/iked1.log"
	check "strongSwan hears of the former" guest "grep -q 'received INVALID_SYNTAX error notify' $CHARON_LOG"
	check "and of the latter" guest "grep -q 'ignoring INFORMATIONAL_V1 IKEv1 exchange on IKEv2 SA' $CHARON_LOG"
fi
capture_stop w1
fragments() { tcpdump -nr "$T/w1.pcap" "udp port 500 and src host $1 and udp[24] = 132" 2>/dev/null | wc -l; }
if [[ "intermediate CAs, forced fragments" =~ ${XI_ONLY:-} ]]; then
	at_least "IKE fragments of ours" "$(fragments $WAN1)" 10
	at_least "IKE fragments of strongSwan's" "$(fragments "$(at "intermediate CAs, forced fragments")")" 4
fi
is "nothing in clear" "$(tcpdump -nr "$T/w1.pcap" "src host $WAN1 and icmp or net 10.0.0.0/8 or icmp6 and (ip6[40] = 128 or ip6[40] = 129)" 2>/dev/null | head -n 3)" ""
tap_done
