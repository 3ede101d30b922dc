#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Policies and templates of every protocol, mode and family on the command line (spec sections 6 and 9): what is refused and
# with which words, what is inactive and why, and that all of it survives export and import. Every rule by itself:
# tests/unit/t_conf_plan.c.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh
K16=000102030405060708090a0b0c0d0e0f
L16=101112131415161718191a1b1c1d1e1f

body() { "$XI" --instance "$1" export "${@:2}" | tail -n +3; }

# state NAME WANTED PROPERTIES...: a policy of these properties is made, judged and removed. WANTED: "" = active, else the reason.
state() {
	local name=$1 want=$2 got
	shift 2
	xi policy add "$@" 2>"$T/warn" || {
		not_ok "$name" "refused: $(cat "$T/warn")"
		return
	}
	got=$(xi -j policy print | python3 -c 'import json,sys; print(json.load(sys.stdin)[-1].get("reason", ""))')
	is "$name" "$got" "$want"
	if [ -n "$want" ]; then
		has "$name: the command says it" "$(cat "$T/warn")" "is inactive: $want; the packets it matches are dropped"
		has "$name: flag I" "$(xi policy print terse)" " 0 I  "
	else
		hasnt "$name: no warning" "$(cat "$T/warn")" "warning"
		has "$name: no flag" "$(xi policy print terse)" " 0    "
	fi
	xi policy remove 0
}

xi manual-sa add name=both esp-auth-algorithm=sha256 esp-auth-key=$K16$K16/$L16$L16 esp-enc-algorithm=camellia-128 \
	esp-enc-key=$K16/$L16 esp-spi=101/102 ah-algorithm=aes-cmac ah-key=$K16/$L16 ah-spi=101/102 replay=8192 esn=yes
xi manual-sa add name=esp esp-auth-algorithm=sha1 esp-auth-key=${K16}01020304 esp-spi=201/202
xi manual-sa add name=ah ah-algorithm=md5/aes-xcbc ah-key=$K16/$L16 ah-spi=301/302
xi manual-sa add name=half ah-algorithm=md5/null ah-key=$K16/ ah-spi=401/402 esp-enc-algorithm=null/des esp-enc-key=/0011223344556677
xi manual-sa add name=bad ah-algorithm=sha512 ah-key=$K16 ah-spi=501/502 2>/dev/null
xi manual-sa add name=off ah-algorithm=md5 ah-key=$K16 ah-spi=301/602 disabled=yes
is "templates" "$(xi -j manual-sa print | python3 -c 'import json,sys; print([x["flags"] for x in json.load(sys.stdin)])')" \
	"[[], [], [], [], ['invalid'], ['disabled']]"

ENDS="sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1"
ENDS6="sa-src-address=2001:db8::1 sa-dst-address=2001:db8::2"
NETS="src-address=10.1.0.0/16 dst-address=10.2.0.0/16"
NETS6="src-address=2001:db8:1::/64 dst-address=2001:db8:2::/64"
# Transport mode between networks is accepted, and carries nothing (spec 6.3).
# shellcheck disable=SC2086 # several words
has "tunnel=yes forgotten" "$(xi policy add $NETS $ENDS manual-sa=both 2>&1)" "policy 0: tunnel=no carries packets from sa-src-address"
has "one end is enough" "$(xi policy set 0 src-address=198.51.100.0/24 2>&1)" "policy 0: tunnel=no carries packets"
hasnt "both ends are in" "$(xi policy set 0 dst-address=203.0.113.0/24 2>&1)" "tunnel=no carries"
hasnt "nor in the way of others" "$(xi policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 action=discard 2>&1)" "tunnel=no carries"
xi policy remove 0,1 2>/dev/null

for protos in esp ah ah,esp; do
	# shellcheck disable=SC2086 # several words
	state "$protos, tunnel, IPv4" "" tunnel=yes ipsec-protocols=$protos $NETS $ENDS manual-sa=both
	# shellcheck disable=SC2086
	state "$protos, tunnel, IPv6" "" tunnel=yes ipsec-protocols=$protos $NETS6 $ENDS6 manual-sa=both
	# shellcheck disable=SC2086
	state "$protos, transport, IPv4" "" ipsec-protocols=$protos src-address=198.51.0.0/16 dst-address=203.0.113.1 $ENDS manual-sa=both
	# shellcheck disable=SC2086
	state "$protos, transport, IPv6" "" ipsec-protocols=$protos src-address=2001:db8::/64 dst-address=2001:db8::/64 $ENDS6 manual-sa=both
	# shellcheck disable=SC2086
	state "$protos, IPv6 in IPv4" "" tunnel=yes ipsec-protocols=$protos $NETS6 $ENDS manual-sa=both
	# shellcheck disable=SC2086
	state "$protos, IPv4 in IPv6" "" tunnel=yes ipsec-protocols=$protos $NETS $ENDS6 manual-sa=both
done
# shellcheck disable=SC2086
{
	state "AH asked, ESP there" "manual-sa esp has no AH algorithm" tunnel=yes ipsec-protocols=ah $NETS $ENDS manual-sa=esp
	state "both asked, ESP there" "manual-sa esp has no AH algorithm" tunnel=yes ipsec-protocols=ah,esp $NETS $ENDS manual-sa=esp
	state "ESP asked, AH there" "manual-sa ah has no ESP algorithm" tunnel=yes $NETS $ENDS manual-sa=ah
	state "AH in, none out" "manual-sa half has no AH algorithm" tunnel=yes ipsec-protocols=ah $NETS $ENDS manual-sa=half
	state "ESP out, both null in" "manual-sa half has no ESP algorithm" tunnel=yes $NETS $ENDS manual-sa=half
	state "invalid template" "manual-sa bad is invalid: incoming key of ah-key has 16 bytes, sha512 needs 64" tunnel=yes \
		ipsec-protocols=ah $NETS $ENDS manual-sa=bad
	state "disabled template" "manual-sa off is disabled" tunnel=yes ipsec-protocols=ah $NETS $ENDS manual-sa=off
	state "no template: to be negotiated" "" tunnel=yes $NETS $ENDS
	state "tunnel without its far end" "tunnel=yes needs sa-dst-address" tunnel=yes $NETS manual-sa=esp
	state "transport without it, to a net" "tunnel=no needs sa-dst-address or one host as dst-address" $NETS manual-sa=esp
	state "transport without it, to a host" "" src-address=10.1.0.0/16 dst-address=10.2.0.9 sa-src-address=10.1.0.1 manual-sa=esp
	state "transport without it, to a host of IPv6" "" src-address=2001:db8::1 dst-address=2001:db8::2 \
		sa-src-address=2001:db8::1 manual-sa=esp
	xi manual-sa enable off 2>"$T/warn"
	has "an incoming AH SPI twice" "$(cat "$T/warn")" "manual-sa off is invalid: incoming ah-spi 0x301 is taken by ah"
	xi manual-sa disable off
	xi policy add tunnel=yes ipsec-protocols=ah,esp $NETS $ENDS manual-sa=both
	xi policy add tunnel=yes ipsec-protocols=ah,esp $NETS6 $ENDS manual-sa=both level=unique 2>"$T/warn"
	has "unique wants its SAs alone" "$(cat "$T/warn")" \
		"incoming esp-spi 0x101 is in use by another policy with other ends, mode, keys or level=unique"
	xi policy set 1 level=require
	has "and shared they are active" "$(xi policy print terse from=1)" " 1    "
	fails "transport mode: families" 1 "failure: address families do not match" \
		policy add src-address=10.1.0.1 dst-address=10.2.0.1 $ENDS6 manual-sa=both
	fails "set, too" 1 "failure: address families do not match" policy set 1 tunnel=no
}
fails "no protocols" 1 "failure: action encrypt needs ipsec-protocols" policy add ipsec-protocols=
fails "unknown protocol" 1 "input does not match any value of ipsec-protocols" policy add ipsec-protocols=ah,ipcomp
fails "tcp-mss" 1 "value of tcp-mss out of range (536..65495)" policy add tcp-mss=100
fails "AH behind NAT" 1 "failure: AH covers the addresses that NAT rewrites: nat-traversal=yes needs ah-algorithm=null" \
	manual-sa set ah nat-traversal=yes
fails "esn without replay" 1 "failure: esn=yes needs replay of 4 bytes or more" manual-sa set esp esn=yes
fails "AES-CTR alone" 1 "failure: aes-192-ctr needs an esp-auth-algorithm other than null" \
	manual-sa add name=x esp-enc-algorithm=aes-192-ctr unsafe-aead=yes
fails "AEAD with more" 1 "failure: aes-128-ccm-8 authenticates by itself and needs esp-auth-algorithm=null" \
	manual-sa add name=x esp-enc-algorithm=aes-128-ccm-8 esp-auth-algorithm=md5 unsafe-aead=yes
fails "GMAC in AH" 1 "failure: aes-128-gmac is not safe with manual keys; for laboratory use set unsafe-aead=yes" \
	manual-sa add name=x ah-algorithm=aes-128-gmac
fails "GMAC is no ESP authentication" 1 "input does not match any value of esp-auth-algorithm" \
	manual-sa add name=x esp-auth-algorithm=aes-128-gmac
fails "a key of odd length" 1 "invalid value for argument ah-key" manual-sa set ah ah-key=123
fails "SPI below 0x100" 1 "value of ah-spi out of range (0x100..0xFFFFFFFF)" manual-sa set ah ah-spi=0x101/ff
has "GMAC is warned about at print" "$(xi manual-sa add name=gmac ah-algorithm=aes-256-gmac unsafe-aead=yes \
	ah-key=$K16${K16}01020304/$L16${L16}01020304 ah-spi=701; xi manual-sa print 2>&1 >/dev/null)" "manual-sa gmac uses aes-256-gmac with manual keys"

# shellcheck disable=SC2086
for i in 1 2 3 4 5 6; do xi policy add src-address=10.9.$i.0/24 dst-address=10.2.0.0/16 tunnel=yes manual-sa=esp 2>/dev/null; done
xi policy set 2 level=use 2>/dev/null
has "status says what is not enforceable" "$(xi)" \
	"               policy 3 is inactive: tunnel=yes needs sa-dst-address; its packets are dropped"
has "and what passes for it" "$(xi)" "policy 2 is inactive: tunnel=yes needs sa-dst-address; its packets pass in clear"
has "a few of many" "$(xi)" "and 1 more: see policy print detail"
is "as JSON all" "$(xi -j | python3 -c 'import json,sys; print([(x["policy"], x["packets"]) for x in json.load(sys.stdin)["policies"]["not-enforceable"]])')" \
	"[(2, 'pass'), (3, 'dropped'), (4, 'dropped'), (5, 'dropped'), (6, 'dropped'), (7, 'dropped')]"
xi policy remove 2,3,4,5,6,7

# [E] never changes a [B] printout; every property with a value of its own survives.
hasnt "defaults of extensions are not printed" "$(xi manual-sa print terse from=esp; xi policy print terse from=0)" "natt-port"
hasnt "nor of policies" "$(xi policy print terse)" "tcp-mss"
xi manual-sa add name=udp esp-enc-algorithm=chacha20-poly1305 esp-enc-key=$K16${K16}01020304/$L16${L16}05060708 esp-spi=0x801/0x802 \
	unsafe-aead=yes nat-traversal=yes natt-port=40000 lifetime=1w2d lifebytes=9223372036854775807 lifepackets=1000000
xi manual-sa set ah ah-align8=yes
# shellcheck disable=SC2086
xi policy add src-address=2001:db8:3::/64 dst-address=2001:db8:2::/64 tunnel=yes $ENDS manual-sa=udp tcp-mss=1200
xi policy set 0 tcp-mss=off
has "what is not default is" "$(xi manual-sa print terse from=udp)" \
	"unsafe-aead=yes nat-traversal=yes natt-port=40000 lifebytes=9223372036854775807 lifepackets=1000000 "
has "of policies, too" "$(xi policy print terse)" "priority=0 tcp-mss=1200 "
has "off" "$(xi policy print terse)" "priority=0 tcp-mss=off "
xi export file="$T/all"
"$XI" --instance "${INST}b" import "$T/all.rsc" >"$T/import.out" 2>&1
is "export, import, export: byte for byte" "$(body "${INST}b")" "$(body "$INST")"
xi export compact file="$T/compact"
is "the same compact, which changes nothing" "$("$XI" --instance "${INST}b" import "$T/compact.rsc" 2>&1)" ""
is "and byte for byte" "$(body "${INST}b" compact)" "$(body "$INST" compact)"
done_testing
