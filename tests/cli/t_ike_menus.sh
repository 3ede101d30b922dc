#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The menus peer, proposal and remote-peers (spec sections 4, 8, 11, 27): print and export as in the spec's examples, errors, warnings,
# references; and what xdp-iked is told, by an xdp-iked that only writes down what it hears (tests/lib/fakeiked.py).
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh
CONF=/etc/xdp-ipsec/$INST/ipsec.rsc
RUN=/run/xdp-ipsec/$INST
IKED=
body() { "$XI" --instance "$1" export "${@:2}" | tail -n +3; }
stop_iked() {
	[ -z "$IKED" ] || { kill "$IKED"; wait "$IKED"; } 2>/dev/null
	IKED=
	rm -f "$RUN/ike.sock"
}
trap 'stop_iked; cleanup' EXIT
# start_iked ARGUMENTS...: of fakeiked.py behind the socket
start_iked() {
	mkdir -p "$RUN"
	: >"$T/heard"
	mkfifo "$T/ready.$$"
	tests/lib/fakeiked.py "$RUN/ike.sock" "$T/heard" "$@" >"$T/ready.$$" 2>"$T/iked.err" &
	IKED=$!
	read -r _ <"$T/ready.$$"
	rm "$T/ready.$$"
}
heard() { cat "$T/heard"; : >"$T/heard"; }

# --- spec 4.2 ---
xi peer add address=198.51.100.1/32 secret=test 2>"$T/warn"
is "spec 4.2: printout" "$(xi peer print show-sensitive)" 'Flags: X - disabled 
 0   address=198.51.100.1/32 port=500 auth-method=pre-shared-key secret="test" 
     generate-policy=no exchange-mode=main send-initial-contact=yes 
     nat-traversal=no my-id-user-fqdn="" proposal-check=obey 
     hash-algorithm=md5 enc-algorithm=3des dh-group=modp1024 lifetime=1d 
     lifebytes=0 dpd-interval=2m dpd-maximum-failures=5 '
has "the secret is masked unless asked for" "$(xi peer print)" 'secret="*****"'
is "spec 4.2: export" "$(xi peer export | tail -n +3)" '/ip ipsec peer
add address=198.51.100.1/32 auth-method=pre-shared-key comment="" dh-group=\
    modp1024 disabled=no dpd-interval=2m dpd-maximum-failures=5 enc-algorithm=\
    3des exchange-mode=main generate-policy=no hash-algorithm=md5 lifebytes=0 \
    lifetime=1d my-id-user-fqdn="" nat-traversal=no port=500 proposal-check=\
    obey secret=test send-initial-contact=yes'
has "spec 28: weak values are warned about" "$(cat "$T/warn")" \
	"warning: peer 0: hash-algorithm=md5, enc-algorithm=3des, dh-group=modp1024 are weak by today's measure"
has "xdp-iked does not run: said" "$(cat "$T/warn")" \
	"warning: xdp-iked of instance $INST does not run: nothing is negotiated until it is started"
hasnt "hide-sensitive" "$(xi export hide-sensitive)" "test"
is "values that are not weak: no word about them" \
	"$(xi peer add address=192.0.2.1 disabled=yes hash-algorithm=sha256 enc-algorithm=aes-256 dh-group=x25519 2>&1 | grep -c weak)" 0
xi peer add address=192.0.2.1 hash-algorithm=sha1 enc-algorithm=aes-128 dh-group=ec2n185 2>"$T/warn"
has "spec 24.5: a weak group" "$(cat "$T/warn")" "warning: peer 2: dh-group=ec2n185 is weak by today's measure"
xi peer enable 1 2>"$T/warn"
xi peer set 2 comment=x 2>"$T/warn"
has "spec 4.1: equal prefixes, the earlier wins" "$(cat "$T/warn")" \
	"warning: peer 2 has the address of peer 1, which stands before it: it has no effect"
is "spec 3.4: a comment stands first" "$(xi peer print from=2 | sed -n 2p)" " 2   ;;; x"
fails "E-ENUM" 1 "input does not match any value of enc-algorithm" peer add enc-algorithm=twofish
fails "E-VALUE" 1 "invalid value for argument address" peer add address=nowhere
fails "secret: odd number of digits" 1 "invalid value for argument secret" peer add secret=0x123
fails "dpd-interval 0s" 1 "value of dpd-interval out of range (1..4294967295)" peer set 0 dpd-interval=0s
fails "lifetime 0" 1 "value of lifetime out of range (1..4294967295)" peer set 0 lifetime=0
fails "no such key" 1 "input does not match any value of key" peer add auth-method=rsa-key key=none
fails "no such certificate" 1 "input does not match any value of remote-certificate" peer set 0 remote-certificate=none
fails "move: only ordered menus" 2 "bad command name move (line 1 column 6)" peer move 0

# --- spec section 8 ---
is "spec 8: printout of the built-in proposal" "$(xi proposal print)" 'Flags: X - disabled 
 0   name="default" auth-algorithms=sha1 enc-algorithms=3des lifetime=30m 
     pfs-group=modp1024 '
is "export: set default" "$(xi proposal export | tail -n +3)" '/ip ipsec proposal
set default auth-algorithms=sha1 comment="" disabled=no enc-algorithms=3des \
    lifetime=30m name=default pfs-group=modp1024'
is "compact: nothing to say" "$(xi proposal export compact | tail -n +3)" ""
fails "remove default" 1 "failure: can not remove default proposal" proposal remove default
fails "rename default" 1 "failure: can not rename default proposal" proposal set 0 name=x
fails "null with null" 1 "failure: null encryption needs authentication" proposal add name=x enc-algorithms=null auth-algorithms=null
fails "name" 1 "missing value(s) of argument(s) name" proposal add lifetime=1h
xi proposal add name=strong auth-algorithms=sha512,sha256 enc-algorithms=aes-128-gcm,aes-256 pfs-group=ecp256 2>"$T/warn"
hasnt "a strong proposal" "$(cat "$T/warn")" "weak"
xi policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-dst-address=192.0.2.1 proposal=strong 2>/dev/null
fails "unknown proposal" 1 "input does not match any value of proposal" policy add proposal=weak
fails "in use" 1 "failure: strong is used by policy" proposal remove strong
xi proposal add name=later 2>/dev/null
fails "the name of an item behind it" 1 "failure: already have such name" proposal set strong name=later
xi proposal remove later 2>/dev/null
xi proposal set strong name="very strong" 2>/dev/null
has "renamed: the policy follows" "$(xi policy print)" 'proposal="very strong"'
xi proposal disable "very strong" 2>"$T/warn"
has "spec 6.4: disabled proposal, inactive policy" "$(cat "$T/warn")" \
	"policy 0 is inactive: proposal very strong is disabled; the packets it matches are dropped"
has "flag I" "$(xi policy print terse)" " 0 I  "
xi proposal set "very strong" disabled=no auth-algorithms=null 2>/dev/null
xi policy set 0 ipsec-protocols=ah 2>"$T/warn"
has "no transform for AH" "$(cat "$T/warn")" "policy 0 is inactive: proposal very strong yields no AH transform"

# --- round trips ---
xi peer set 0 secret=0x00ff my-id-user-fqdn="me@example.net" comment="a \"b\"" 2>/dev/null
xi export file="$T/all"
"$XI" --instance "${INST}b" import "$T/all.rsc" >/dev/null 2>&1
is "import into an empty configuration: identical export" "$(body "${INST}b")" "$(body "$INST")"
is "compact too" "$(body "${INST}b" compact)" "$(body "$INST" compact)"
is "import of what is there changes nothing and is silent" "$(xi import "$T/all.rsc" 2>&1 | grep -v inactive)" ""
xi export hide-sensitive file="$T/hidden"
xi import "$T/hidden.rsc" >"$T/out" 2>&1
has "import of hide-sensitive keeps secrets" "$(xi export)" "secret=0x00ff"
printf '/ip ipsec proposal\n' >"$T/none.rsc"
is "import of an empty proposal menu while a policy uses one" "$(xi import "$T/none.rsc" 2>&1)" "input does not match any value of proposal"
rm -rf "/etc/xdp-ipsec/$INST"

# --- spec 27, item 1: verbatim ---
xi - >"$T/out" 2>"$T/err" <<'END'
/ip ipsec peer
add address=203.0.113.1 port=500 auth-method=pre-shared-key secret="test"
/ip ipsec policy
add src-address=10.1.202.0/24 src-port=any dst-address=10.1.101.0/24 dst-port=any \
    sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1 tunnel=yes \
    action=encrypt proposal=default
END
is "spec 27: the commands are accepted verbatim" "$? $(cat "$T/out")" "0 "
is "and are there" "$(body "$INST" compact)" '/ip ipsec policy
add dst-address=10.1.101.0/24 sa-dst-address=203.0.113.1 sa-src-address=\
    198.51.100.1 src-address=10.1.202.0/24 tunnel=yes
/ip ipsec peer
add address=203.0.113.1/32 secret=test'

# --- xdp-iked ---
has "status: peers, but no xdp-iked" "$(xi status)" "xdp-iked: does not run: nothing is negotiated with the 1 enabled peer"
is "remote-peers without xdp-iked: empty, and said" "$(xi remote-peers print 2>&1)" \
	"warning: xdp-iked of instance $INST does not run"
start_iked 3
xi peer set 0 comment=one 2>"$T/warn"
is "a changed peer: xdp-iked hears of it, with the stored configuration" "$(heard)" "{\"cmd\":\"reload\"} file $(stat -c %s "$CONF")"
hasnt "no word of it" "$(cat "$T/warn")" "xdp-iked"
xi policy set 0 comment=two
is "a changed policy" "$(heard | cut -d' ' -f1)" '{"cmd":"reload"}'
xi proposal set default lifetime=1h 2>/dev/null
is "a changed proposal" "$(heard | cut -d' ' -f1)" '{"cmd":"reload"}'
xi manual-sa add name=m
is "what does not concern it: nothing" "$(heard)" ""
xi peer set 0 comment=one 2>/dev/null
is "a change that changes nothing: nothing" "$(heard)" ""
xi -n peer set 0 comment=three 2>/dev/null
is "-n: nothing" "$(heard)" ""
xi key generate-key k key-size=1024
is "a new key: the folder comes along" "$(heard)" "{\"cmd\":\"reload\"} file $(stat -c %s "$CONF") folder"
has "status" "$(xi status)" "xdp-iked: runs, pid $IKED, 3 remote peers, 0 negotiated"
has "its counters" "$(xi status)" "ike-malformed=3"
heard >/dev/null
is "spec 11: printout" "$(xi remote-peers print | head -2)" ' 0 local-address=198.51.100.1 remote-address=203.0.113.1 state=established 
   side=responder established=11m26s '
is "pages" "$(heard)" '{"cmd":"peers","from":0}
{"cmd":"peers","from":2}'
has "being negotiated: without time" "$(xi remote-peers print terse)" \
	" 1 local-address=198.51.100.1 remote-address=203.0.113.2 state=message-1-sent side=initiator "
has "detail" "$(xi remote-peers print detail from=0 | tr -d '\n' | tr -s ' ')" \
	'local-port=500 remote-port=500 exchange-mode=main natt-peer=no ph2-total=1 dpd-failures=0 id="203.0.113.1" expires-in=23h48m34s'
is "count-only" "$(xi remote-peers print count-only)" 3
fails "read-only" 2 "bad command name add (line 1 column 14)" remote-peers add
heard >/dev/null
xi remote-peers kill-connections
is "kill-connections" "$? $(heard)" '0 {"cmd":"kill"}'
stop_iked
start_iked 0 "the maps are gone"
xi peer set 0 comment=four 2>"$T/warn"
is "a reload that fails: stored, and said" "$? $(grep -c 'comment=four' "$CONF") $(grep xdp-iked "$T/warn")" \
	"0 1 warning: xdp-iked: the maps are gone; the change is stored, but IKE may go on with what was before"
stop_iked
xi remote-peers kill-connections 2>"$T/warn"
is "kill-connections without xdp-iked" "$? $(cat "$T/warn")" \
	"0 warning: xdp-iked of instance $INST does not run: the SAs are removed without telling the peers"
done_testing
