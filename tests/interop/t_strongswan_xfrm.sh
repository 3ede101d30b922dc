#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# xdp-iked against strongSwan whose ESP and AH are those of a Linux kernel (the guest of lib.sh): raw ESP and AH in both modes. Every case is a peer, a proposal
# and a policy of its own, all of them configured at once; first we initiate all of them, then strongSwan does. Then both rekey under traffic, and each dies.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/charon.sh"

# peers: name, the guest's address, ours and strongSwan's phase 1, authentication
PEERS=(
	"m 198.51.100.11 main        aes-128/sha1/modp1024   aes128-sha1-modp1024   psk"
	"g 198.51.100.12 aggressive  aes-256/sha256/modp2048 aes256-sha256-modp2048 psk"
	"c 198.51.100.13 main        aes-256/sha256/x25519   aes256-sha256-curve25519 pubkey"
	"d 198.51.100.14 aggressive  3des/md5/modp1536       3des-md5-modp1536      pubkey"
	"t 198.51.100.15 main        aes-128/sha1/modp1024   aes128-sha1-modp1024   psk"
	"u 198.51.100.16 main        aes-128/sha1/modp1024   aes128-sha1-modp1024   psk"
	"v 198.51.100.17 aggressive  aes-128/sha512/ecp256   aes128-sha512-ecp256   psk"
	"w 198.51.100.18 main        aes-128/sha384/modp2048 aes128-sha384-modp2048 pubkey"
	"r 198.51.100.19 main        aes-128/sha1/modp1024   aes128-sha1-modp1024   psk" # we rekey: lifetimes of 8 s and 5 s
)
# cases: peer, protocol, mode, our cipher and authentication and PFS group, strongSwan's proposal, what strongSwan then says of the SA
CASES=(
	"m esp tunnel aes-128        sha1     none     aes128-sha1            AES_CBC-128/HMAC_SHA1_96"
	"m esp tunnel aes-128        sha1     modp1024 aes128-sha1-modp1024   AES_CBC-128/HMAC_SHA1_96/MODP_1024"
	"m esp tunnel aes-192        sha1     modp2048 aes192-sha1-modp2048   AES_CBC-192/HMAC_SHA1_96/MODP_2048"
	"m esp tunnel aes-256        sha1     x25519   aes256-sha1-curve25519 AES_CBC-256/HMAC_SHA1_96/CURVE_25519"
	"m esp tunnel des            sha1     none     des-sha1               DES_CBC/HMAC_SHA1_96"
	"m esp tunnel 3des           sha1     none     3des-sha1              3DES_CBC/HMAC_SHA1_96"
	"m esp tunnel blowfish       sha1     none     blowfish128-sha1       BLOWFISH_CBC-128/HMAC_SHA1_96"
	"m esp tunnel twofish        sha1     none     twofish128-sha1        TWOFISH_CBC-128/HMAC_SHA1_96"
	"m esp tunnel camellia-128   sha1     none     camellia128-sha1       CAMELLIA_CBC-128/HMAC_SHA1_96"
	"m esp tunnel camellia-192   sha1     none     camellia192-sha1       CAMELLIA_CBC-192/HMAC_SHA1_96"
	"m esp tunnel camellia-256   sha1     none     camellia256-sha1       CAMELLIA_CBC-256/HMAC_SHA1_96"
	"m esp tunnel null           sha1     none     null-sha1              NULL/HMAC_SHA1_96"
	"m esp tunnel aes-128-ctr    sha1     none     aes128ctr-sha1         AES_CTR-128/HMAC_SHA1_96"
	"m esp tunnel aes-256-ctr    sha256   none     aes256ctr-sha256       AES_CTR-256/HMAC_SHA2_256_128"
	"m esp tunnel aes-128-gcm    sha1     none     aes128gcm16            AES_GCM_16-128"
	"m esp tunnel aes-192-gcm    sha1     none     aes192gcm16            AES_GCM_16-192"
	"m esp tunnel aes-256-gcm    sha1     modp2048 aes256gcm16-modp2048   AES_GCM_16-256/MODP_2048"
	"m esp tunnel aes-128-gcm-12 sha1     none     aes128gcm12            AES_GCM_12-128"
	"m esp tunnel aes-256-gcm-8  sha1     none     aes256gcm8             AES_GCM_8-256"
	"m esp tunnel aes-128-ccm    sha1     none     aes128ccm16            AES_CCM_16-128"
	"m esp tunnel aes-256-ccm-12 sha1     none     aes256ccm12            AES_CCM_12-256"
	"m esp tunnel aes-192-ccm-8  sha1     none     aes192ccm8             AES_CCM_8-192"
	"m esp tunnel aes-128        aes-xcbc none     aes128-aesxcbc         AES_CBC-128/AES_XCBC_96"
	"m esp tunnel aes-128        md5      none     aes128-md5             AES_CBC-128/HMAC_MD5_96"
	"m esp tunnel aes-128        sha256   none     aes128-sha256          AES_CBC-128/HMAC_SHA2_256_128"
	"m esp tunnel aes-128        sha384   none     aes128-sha384          AES_CBC-128/HMAC_SHA2_384_192"
	"m esp tunnel aes-128        sha512   none     aes128-sha512          AES_CBC-128/HMAC_SHA2_512_256"
	"m ah  tunnel aes-128        md5      none     md5                    HMAC_MD5_96"
	"m ah  tunnel aes-128        sha1     none     sha1                   HMAC_SHA1_96"
	"m ah  tunnel aes-128        sha1     modp1536 sha1-modp1536          HMAC_SHA1_96/MODP_1536"
	"m ah  tunnel aes-128        sha256   none     sha256                 HMAC_SHA2_256_128"
	"m ah  tunnel aes-128        sha384   none     sha384                 HMAC_SHA2_384_192"
	"m ah  tunnel aes-128        sha512   none     sha512                 HMAC_SHA2_512_256"
	"m ah  tunnel aes-128        aes-xcbc none     aesxcbc                AES_XCBC_96"
	"g esp tunnel aes-128        sha1     none     aes128-sha1            AES_CBC-128/HMAC_SHA1_96"
	"g ah  tunnel aes-128        sha1     modp1024 sha1-modp1024          HMAC_SHA1_96/MODP_1024"
	"c esp tunnel aes-256        sha256   modp2048 aes256-sha256-modp2048 AES_CBC-256/HMAC_SHA2_256_128/MODP_2048"
	"c ah  tunnel aes-128        sha1     none     sha1                   HMAC_SHA1_96"
	"d esp tunnel aes-128        sha1     none     aes128-sha1            AES_CBC-128/HMAC_SHA1_96"
	"d ah  tunnel aes-128        md5      modp1024 md5-modp1024           HMAC_MD5_96/MODP_1024"
	"t esp transport aes-128     sha1     none     aes128-sha1            AES_CBC-128/HMAC_SHA1_96"
	"u ah  transport aes-128     sha1     none     sha1                   HMAC_SHA1_96"
	"v esp transport aes-256-gcm sha1     ecp256   aes256gcm16-ecp256     AES_GCM_16-256/ECP_256"
	"w ah  transport aes-128     md5      modp1024 md5-modp1024           HMAC_MD5_96/MODP_1024"
	"r esp tunnel aes-128        sha1     none     aes128-sha1            AES_CBC-128/HMAC_SHA1_96"
)
declare -A ADDRESS=() WORDS=() THEIRS=() AUTH=()
declare -a LABEL=() TO=()

peers_read() {
	local p name address exchange words theirs auth
	for p in "${PEERS[@]}"; do
		read -r name address exchange words theirs auth <<<"$p"
		ADDRESS[$name]=$address THEIRS[$name]="$exchange $theirs" AUTH[$name]=$auth
		IFS=/ read -r enc hash group <<<"$words"
		WORDS[$name]="exchange-mode=$exchange enc-algorithm=$enc hash-algorithm=$hash dh-group=$group secret=test dpd-interval=2s dpd-maximum-failures=2"
		[ "$name" != r ] || WORDS[r]+=" lifetime=8s"
		[ "$auth" = psk ] || WORDS[$name]+=" auth-method=rsa-signature certificate=a"
		# by that name strongSwan knows one peer: they would end each other's SAs
		[ "$auth" = psk ] || WORDS[$name]+=" send-initial-contact=no"
	done
}

# our configuration, and LABEL and TO of the cases
ours() {
	local i peer proto mode enc auth pfs name
	echo "/ip ipsec peer"
	for name in "${!ADDRESS[@]}"; do echo "add address=${ADDRESS[$name]}/32 ${WORDS[$name]}"; done
	echo "/ip ipsec proposal"
	for i in "${!CASES[@]}"; do
		read -r peer proto mode enc auth pfs _ <<<"${CASES[$i]}"
		echo "add name=p$i enc-algorithms=$enc auth-algorithms=$auth pfs-group=$pfs$([ "$peer" != r ] || echo " lifetime=5s")"
	done
	echo "/ip ipsec policy"
	for i in "${!CASES[@]}"; do
		read -r peer proto mode _ <<<"${CASES[$i]}"
		if [ "$mode" = tunnel ]; then
			echo "add src-address=$LAN1 dst-address=10.2.$i.0/24 tunnel=yes ipsec-protocols=$proto sa-src-address=$WAN1 sa-dst-address=${ADDRESS[$peer]} proposal=p$i level=unique"
		else
			echo "add src-address=$WAN1/32 dst-address=${ADDRESS[$peer]}/32 tunnel=no ipsec-protocols=$proto sa-src-address=$WAN1 sa-dst-address=${ADDRESS[$peer]} proposal=p$i level=unique"
		fi
	done
}

labels() {
	local i peer proto mode enc auth pfs exchange label
	for i in "${!CASES[@]}"; do
		read -r peer proto mode enc auth pfs _ <<<"${CASES[$i]}"
		exchange=${THEIRS[$peer]%% *}
		label="${proto^^} $mode"
		[ "$proto" = ah ] || label+=" $enc"
		[[ $proto$enc == esp*-?cm* ]] || label+=" $auth"
		[ "$pfs" = none ] || label+=" PFS $pfs"
		LABEL[i]="$exchange ${AUTH[$peer]}: $label"
		if [ "$mode" = tunnel ]; then TO[i]=10.2.$i.1; else TO[i]=${ADDRESS[$peer]}; fi
	done
}

# strongSwan's configuration
theirs() {
	local i name peer proto mode enc auth pfs proposal exchange phase1
	echo "connections {"
	for name in "${!ADDRESS[@]}"; do
		read -r exchange phase1 <<<"${THEIRS[$name]}"
		cat <<-EOT
		$name {
			version = 1
			local_addrs = ${ADDRESS[$name]}
			remote_addrs = $WAN1
			proposals = $phase1
			aggressive = $([ "$exchange" = main ] && echo no || echo yes)
			unique = replace
			$([[ $name == [mcr] ]] || echo "dpd_delay = 2s"$'\n'"dpd_timeout = 8s")
			local {
				auth = ${AUTH[$name]}
				$([ "${AUTH[$name]}" = psk ] && echo "id = ${ADDRESS[$name]}" || echo "certs = b.crt")
			}
			remote {
				auth = ${AUTH[$name]}
				id = $([ "${AUTH[$name]}" = psk ] && echo $WAN1 || echo '"CN=a, O=test"')
			}
			children {
		EOT
		for i in "${!CASES[@]}"; do
			read -r peer proto mode enc auth pfs proposal _ <<<"${CASES[$i]}"
			[ "$peer" = "$name" ] || continue
			echo "c$i {"
			[ "$mode" = transport ] || echo "local_ts = 10.2.$i.0/24"$'\n'"remote_ts = $LAN1"
			echo "mode = $mode"$'\n'"${proto}_proposals = $proposal"$'\n'"}"
		done
		echo "}"$'\n'"}"
	done
	echo "}"$'\n'"secrets {"
	for name in "${!ADDRESS[@]}"; do
		echo "ike-$name {"$'\n'"id-1 = ${ADDRESS[$name]}"$'\n'"id-2 = $WAN1"$'\n'"secret = test"$'\n'"}"
	done
	echo "}"
}

guest_addresses() {
	local name
	for name in "${!ADDRESS[@]}"; do echo "ip addr add ${ADDRESS[$name]}/24 dev vec0 || exit 1"; done
}

# ping_all: from a or gw1 to each case's address, eight at a time; PINGED[i] says whether enough came back. The first packets may be lost while
# strongSwan, after message 3, makes its SAs.
declare -a PINGED=()
ping_one() { # ADDRESS
	local from=(a ping)
	[[ $1 == 10.2.* ]] || from=(gw1 ping -I "$WAN1")
	wait_for "in_ns ${from[*]} -n -q -c 5 -i 0.1 -W 3 $1 | grep -q ' [3-5] received'" 20 && echo pings
}
ping_all() {
	local i pids=()
	for i in "${!CASES[@]}"; do
		ping_one "${TO[$i]}" >"$T/ping.$i" &
		pids+=($!)
		[ $((i % 8)) != 7 ] || { wait "${pids[@]}"; pids=(); }
	done
	wait "${pids[@]}"
	for i in "${!CASES[@]}"; do PINGED[i]=$(cat "$T/ping.$i"); done
}

# judge WHO: a line for each case: packets came back, and strongSwan says what the SA is and that it was used.
judge() {
	local i peer proto mode enc auth pfs proposal wanted got
	charon_ctl --list-sas >"$T/sas" 2>&1
	for i in "${!CASES[@]}"; do
		read -r peer proto mode enc auth pfs proposal wanted <<<"${CASES[$i]}"
		[ "$peer" != r ] || continue # has predecessors and successors
		wanted="${mode^^}, ${proto^^}:$wanted"
		got=$(awk -v c="c$i:" '$1 == c && /INSTALLED/ { sub(/.*INSTALLED, /, ""); sa = $0; n++; next }
			$1 == "in" && sa != "" && !used { used = $0 !~ / 0 packets/ } /^  [a-z]/ && $1 != c { if (sa != "") exit }
			END { print n "x " sa (used ? "" : ", not used") }' "$T/sas")
		is "${LABEL[$i]}: $1" "${PINGED[$i]}, $got" "pings, 1x $wanted"
	done
}

interop_up
charon_start guest || fatal "charon"
check "certificates" charon_pki || fatal "certificates"
peers_read
labels
theirs >"$CHARON/swanctl/swanctl.conf"
check "addresses of the guest" guest "$(guest_addresses)" || fatal "addresses"
check "strongSwan's configuration" charon_load || fatal "$(cat "$CHARON/load")"
xi 1 certificate import file-name="$T/ca.crt" name=ca && xi 1 certificate import file-name="$T/a.crt" name=a &&
	xi 1 certificate import file-name="$T/a.key" name=a || fatal "import"
ours >"$T/ours.rsc"
check "our configuration" xi 1 import "$T/ours.rsc" || fatal "our configuration"
gw_attach 1 && gw_start 1 && iked_start 1 || fatal "start"
capture_start r w1 w1 "not udp port 500"

ping_all
judge "we initiate"
check "kill-connections" xi 1 remote-peers kill-connections
check "strongSwan honours the Deletes" wait_for '[ -z "$(charon_ctl --list-sas)$(guest "ip xfrm state")" ]' 10 || note "$(charon_ctl --list-sas)"

# strongSwan initiates, eight at a time as well
initiate() {
	local i
	for i in "${!CASES[@]}"; do
		[[ ${CASES[$i]} != r* ]] || continue
		echo "swanctl --initiate --child c$i --timeout 20 --uri unix://$CHARON_VICI >/dev/null || echo c$i &"
		[ $((i % 8)) != 7 ] || echo wait
	done
	echo wait
}
is "strongSwan initiates all of them" "$(guest "export STRONGSWAN_CONF=$CHARON_THERE/strongswan.conf; $(initiate)")" ""
ping_all
judge "strongSwan initiates"

# case PEER PROTOCOL: the number of its first one
case_of() {
	local i
	for i in "${!CASES[@]}"; do
		[[ ${CASES[$i]} != "$1 $2 "* ]] || { echo "$i"; return; }
	done
}

# Rekeying of both phases by both sides while packets go: each is answered.
FLOODED="m:esp m:ah g:esp c:ah t:esp u:ah r:esp"
declare -A FLOOD=()
flood_start() {
	local f i
	for f in $FLOODED; do
		i=$(case_of "${f%:*}" "${f#*:}")
		if [[ ${TO[$i]} == 10.2.* ]]; then
			bg a "flood-$f" ping -n -q -c 300 -i 0.05 -W 2 "${TO[$i]}"
		else
			bg gw1 "flood-$f" ping -n -q -c 300 -i 0.05 -W 2 -I $WAN1 "${TO[$i]}"
		fi
		FLOOD[$f]=$BG_PID
	done
}
rekeys() { # N
	local f i
	echo "export STRONGSWAN_CONF=$CHARON_THERE/strongswan.conf"
	for f in $FLOODED; do
		i=$(case_of "${f%:*}" "${f#*:}")
		[ "${f%:*}" = r ] || echo "swanctl --rekey --child c$i --uri unix://$CHARON_VICI >/dev/null || echo c$i"
	done
	[ "$1" = 2 ] || for f in m g c t u; do
		echo "swanctl --rekey --ike $f --uri unix://$CHARON_VICI >/dev/null || echo $f"
	done
}
made() { grep -c "$1" "$T/iked1.log"; } # PATTERN: so many since the start
before1=$(made 'respond new phase 1') before2=$(made 'respond new phase 2') own1=$(made 'initiate new phase 1') own2=$(made 'initiate new phase 2')
flood_start
for n in 1 2 3; do
	is "strongSwan rekeys, $n" "$(guest "$(rekeys $n)")" ""
done
wait "${FLOOD[@]}"
for f in $FLOODED; do
	check "no packet is lost: ${LABEL[$(case_of "${f%:*}" "${f#*:}")]}$([[ $f != r* ]] || echo ", rekeyed by us")" grep -q " 0% packet loss" "$T/flood-$f.log"
done
at_least "strongSwan made phase 1 anew" "$(($(made 'respond new phase 1') - before1))" 5
at_least "strongSwan made phase 2 anew" "$(($(made 'respond new phase 2') - before2))" 12
at_least "we made phase 1 anew" "$(($(made 'initiate new phase 1') - own1))" 1
at_least "we made phase 2 anew" "$(($(made 'initiate new phase 2') - own2))" 2

# strongSwan dies and comes back without its SAs: its INITIAL-CONTACT in message 5 ends ours between these two, and no others.
charon_dies() { guest "kill -9 \$(cat /run/charon.mine); ip xfrm state flush; ip xfrm policy flush; rm -f $CHARON_VICI"; }
sas() { xi 1 installed-sa print terse 2>/dev/null | grep -c "$1"; } # of the peers whose addresses match
up() { # PEER PROTOCOL: a packet gets through
	local to=${TO[$(case_of "$1" "$2")]}
	wait_for "in_ns a ping -n -q -c 1 -W 2 $to" 20
}
charon_dies
at_least "SAs of the one that died" "$(sas "${ADDRESS[m]}")" 40
check "strongSwan comes back" charon_start guest && charon_load || fatal "charon"
check "and initiates" charon_ctl --initiate --child c0 --timeout 10
check "its INITIAL-CONTACT ends the old SAs" wait_for '[ "$(sas "${ADDRESS[m]}")" = 2 ]' 10
check "traffic" up m esp

# It dies for good: dead peer detection ends the rest (RFC 3706).
charon_dies
check "a dead strongSwan is noticed: its SAs go" wait_for '[ "$(sas 198.51.100)" = 0 ]' 40
check "and the log says so" grep -q "seems to be dead" "$T/iked1.log"
charon_start guest && charon_load || fatal "charon"
check "it is back: m" up m esp
check "it is back: m, AH" up m ah
check "it is back: g" up g esp

# We die: strongSwan notices where it does dead peer detection; where it does not, our INITIAL-CONTACT in message 5 ends what it has left.
in_charon() { charon_ctl --list-sas | grep -q "$1"; }
stop_pid "${IKED_PID[1]}" KILL
check "a dead xdp-iked is noticed by strongSwan" wait_for '! in_charon "^g:"' 40
check "not where it does not look" in_charon "^ *c$(case_of m ah):"
gw_kill9 1
xi 1 interface detach lan && xi 1 interface detach wan && rm -rf "/sys/fs/bpf/xdp-ipsec/${P}g1" && gw_attach 1 && gw_start 1 && iked_start 1 || fatal "start"
check "we are back without our SAs" up m esp
check "our INITIAL-CONTACT ends strongSwan's old ones" wait_for '! in_charon "^ *c$(case_of m ah):"' 5
check "and not the new ones" up m esp

capture_stop w1
check "nothing in clear from the LAN" no_clear w1 --min 400
# The guest's own echoes are in clear when strongSwan has taken its policies away: not ours to judge.
is "and none of our own" "$(tcpdump -nr "$T/w1.pcap" "src host $WAN1 and (icmp[0] == 0 or icmp[0] == 8)" 2>/dev/null | head -n 5)" ""
tap_done
