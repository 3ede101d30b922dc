#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Commands and their exit status: add, set, remove, move, print, JSON, -n, standard input.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/cli/lib.sh
. tests/cli/lib.sh
K16=000102030405060708090a0b0c0d0e0f
K20=000102030405060708090a0b0c0d0e0f10111213

is "version" "$("$XI" --version)" "xdp-ipsec $(cat packaging/VERSION)"
has "help" "$("$XI" --help)" "manual-sa"
has "a menu alone shows its help" "$(xi policy)" "src-address"
has "status without a command" "$(xi)" "xdp-ipsecd: does not run"
is "status as JSON" "$(xi -j | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["instance"], d["data-plane"])')" "$INST None"
is "empty policy list" "$(xi policy print)" "Flags: X - disabled, D - dynamic, I - inactive "
is "statistics without maps are zero" "$(xi statistics print | awk '{s += $2} END {print NR, s}')" "25 0"
is "installed-sa without maps" "$(xi installed-sa print)" "Flags: A - AH, E - ESP, P - pfs "
has "algorithms" "$(xi algorithms print)" "camellia-256 "
is "algorithms: who does them" "$(xi -j algorithms print | python3 -c '
import json, sys
d = {(a["kind"], a["name"]): a for a in json.load(sys.stdin)}
print(len(d), d["aead", "aes-128-gcm"]["icv-size"], d["cipher", "twofish"]["engine"], d["cipher", "blowfish"]["key-size"],
      {a["status"] for a in d.values()}, d["auth", "md5"]["level"], d["auth", "sha256"]["rfc"])')" \
	"47 16 nettle 5-56 {'ok'} must-not 4868"
is "algorithms with one engine only" "$(XDP_IPSEC_ENGINE=ipsec-mb xi algorithms print terse from=6 2>&1)" \
	" 6 X name=blowfish kind=cipher key-size=5-56 icv-size=0 engine=none status=disabled failed=none level=must-not rfc=2451 "
is "flush without maps" "$(xi installed-sa flush sa-type=esp 2>&1)" ""

is "manual-sa add prints nothing" "$(xi manual-sa add name=m esp-enc-algorithm=aes-128 esp-auth-algorithm=sha1 \
	esp-enc-key=$K16 esp-auth-key=$K20 esp-spi=101/100 2>&1)" ""
is "policy add prints nothing" "$(xi /ip ipsec policy add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes \
	sa-src-address=198.51.100.1 sa-dst-address=203.0.113.1 manual-sa=m comment="two words" 2>&1)" ""
has "comment as given by the shell" "$(xi policy print)" ";;; two words"
is "abbreviations" "$(xi pol pri count-only)" "1"
is "the file is 0600" "$(stat -c %a "/etc/xdp-ipsec/$INST/ipsec.rsc")" 600
is "its folder is 0700" "$(stat -c %a "/etc/xdp-ipsec/$INST")" 700
hasnt "keys are masked" "$(xi manual-sa print detail; xi -j manual-sa print; xi manual-sa print terse)" "$K16"
has "keys on request" "$(xi manual-sa print show-sensitive)" "$K16/$K16"
hasnt "export hide-sensitive" "$(xi export hide-sensitive)" "$K16"
has "export has keys" "$(xi export)" "$K16"

warning=$(xi policy add src-address=10.1.0.0/16 dst-address=10.3.0.0/16 tunnel=yes manual-sa=m 2>&1)
is "what cannot work is said" "$warning" \
	"warning: policy 1 is inactive: tunnel=yes needs sa-dst-address; the packets it matches are dropped"
has "and flagged" "$(xi policy print from=1)" " 1 I  src-address=10.1.0.0/16"
has "AEAD is warned about at print" "$(xi manual-sa add name=g esp-enc-algorithm=aes-128-gcm unsafe-aead=yes \
	esp-enc-key=${K16}01020304 esp-spi=300; xi manual-sa print 2>&1 >/dev/null)" "manual-sa g uses aes-128-gcm with manual keys"

is "JSON" "$(xi -j policy print stats | python3 -c '
import json, sys
p = json.load(sys.stdin)
print([x["number"] for x in p], p[0][".id"], p[0]["comment"], p[1]["flags"], p[0]["in-transformed"], p[0]["tunnel"])')" \
	"[0, 1] *1 two words ['inactive'] 0 True"
is "JSON error" "$(xi -j policy remove 9 2>/dev/null)" '{"error": "no such item"}'

xi policy disable 1 && has "disable" "$(xi policy print terse from=1)" " 1 X  "
xi policy enable 1 2>/dev/null && xi policy set 0,1 priority=5 2>/dev/null
is "set of several" "$(xi policy print terse | grep -c priority=5)" 2
xi policy move 1 0 2>/dev/null
has "move" "$(xi policy print terse from=0)" "dst-address=10.3.0.0/16"
is "ids are not used again" "$(xi policy remove 0 && xi policy add action=none && xi -j policy print |
	python3 -c 'import json,sys; print([x[".id"] for x in json.load(sys.stdin)])')" "['*1', '*3']"
is "reference by id and by name" "$(xi policy set '*3' comment=x && xi manual-sa comment g comment=y && xi export compact | grep -cE 'comment=(x|y)')" 2

before=$(cat "/etc/xdp-ipsec/$INST/ipsec.rsc")
xi -n policy remove 0 && xi -n manual-sa add name=n && xi -n interface detach nothing 2>/dev/null
is "-n changes nothing" "$(cat "/etc/xdp-ipsec/$INST/ipsec.rsc")" "$before"

printf 'policy\nadd action=none src-address=10.9.0.0/16 dst-address=10.8.0.0/16\nprint terse\nmove 2 0\nset 2 comment=moved\n' |
	xi - >"$T/session" 2>&1
has "standard input: numbers of the last print stay valid" "$(xi policy print from=0)" ";;; moved"
is "standard input stops at the first error" \
	"$(printf 'policy set 0 comment=a\npolicy set 0 priority=x\npolicy set 0 comment=b\n' | xi - 2>&1)" \
	"invalid value for argument priority (line 2 column 23)"
is "what came before it is done" "$(xi policy print terse from=0 | grep -o 'comment=[a-z]*')" "comment=a"
is "one quoted line" "$(xi '/ip ipsec policy print count-only; manual-sa print count-only' 2>/dev/null | tr '\n' ' ')" "3 2 "

fails "unknown command" 2 "bad command name frob (line 1 column 8)" policy frob
fails "a word with control characters is shown without" 2 'bad command name ?[31mred (line 1 column 8)' policy $'\e[31mred'
fails "unknown menu" 2 "bad command name address (line 1 column 5)" /ip address print
fails "unknown property" 2 'expected end of command (line 1 column 12) - no property "frob" here' policy add frob=1
fails "stray word" 2 'expected end of command (line 1 column 14) - no "frob" here' policy print frob
fails "E-ENUM" 1 "input does not match any value of action" policy add action=drop
fails "E-AMBIG" 1 "ambiguous value of level, more than one possible value matches input" policy add level=u
fails "E-RANGE" 1 "value of src-port out of range (0..65535)" policy add protocol=tcp src-port=65536
fails "E-VALUE" 1 "invalid value for argument src-address" policy add src-address=x
fails "E-VALUE, time" 1 "invalid time value for argument lifetime" manual-sa set m lifetime=x
fails "E-MISS" 1 "missing value(s) of argument(s) name" manual-sa add
fails "E-ITEM" 1 "no such item" policy remove 77
fails "E-FAIL, families" 1 "failure: address families do not match" policy add src-address=::1 dst-address=1.2.3.4
fails "E-FAIL, name" 1 "failure: already have such name" manual-sa add name=m
fails "E-FAIL, in use" 1 "failure: m is used by policy" manual-sa remove m
fails "read-only menu" 2 "bad command name set (line 1 column 14)" installed-sa set 0
fails "flush type" 1 "input does not match any value of sa-type" installed-sa flush sa-type=x
fails "no such interface" 1 "failure: there is no interface no-such-nic: see ip link for the names" interface attach no-such-nic
fails "detach of nothing" 1 "failure: no-such-nic is not attached" interface detach no-such-nic
fails "unknown option" 2 "unknown option --frob: see xdp-ipsec --help" --frob policy print
is "bad instance" "$("$XI" --instance 'a/b' policy print 2>&1; echo $?)" \
	"instance name \"a/b\": only letters, digits, '-' and '_' are allowed
2"
xi settings set max-policies=16
for i in $(seq 1 17); do echo "add action=none src-address=10.77.$i.0/24 dst-address=10.0.0.0/8"; done >"$T/many"
fails "more policies than the table holds" 1 "failure: 17 enabled policies, but max-policies in settings is 16" \
	import <(
		echo "/ip ipsec policy"
		cat "$T/many"
	)
is "no rights: says so and what to do" "$(setpriv --reuid=65534 --regid=65534 --clear-groups "$XI" --instance "$INST" policy print 2>&1)" \
	"not enough permissions (9): cannot read /etc/xdp-ipsec/$INST/ipsec.rsc, run as root"
is "help is --help" "$(xi help)" "$(xi --help)"
is "help of a menu" "$(xi policy help; xi policy '?')" "$(xi policy; xi policy)"
is "help of a command" "$(xi policy move '?' | head -1)" "  move ITEMS [DESTINATION]"
has "with properties" "$(xi policy add '?')" "src-address          source prefix"
has "and their defaults" "$(xi peer add '?')" "dead; 1..100; default: 5"
has "help of monitor" "$(xi monitor)" "drops [reason=COUNTER|NUMBER]"
fails "an item may be called help" 1 "no such item" policy remove help
fails "help of what is not there" 2 "bad command name polcy (line 1 column 1)" polcy '?'
# script(1) runs the line by $SHELL, and %q writes what bash reads.
tty() { SHELL=/bin/bash script -qec "$(printf '%q ' "$XI" --instance "$INST" "$@")" /dev/null | tr -d '\r'; }
is "a person is told the values" "$(tty policy add level=x)" "input does not match any value of level
  (it is one of use, require, unique)"
is "and what is missing" "$(tty policy add proposal=x)" "input does not match any value of proposal
  (there is no proposal x)"
is "and which file" "$(tty key import /nonexistent)" "failure: could not read file
  (/nonexistent: No such file or directory)"
is "no escape reaches the terminal" "$(tty policy remove $'x\e[31m')" "no such item
  (there is no x?[31m in policy)"
is "and where to look" "$(tty policy frob)" "bad command name frob (line 1 column 8)
  (xdp-ipsec policy shows what there is)"
hasnt "help of a menu without order" "$(xi interface)" "place-before"
hasnt "help of what is only shown has no stray ;" "$(xi interface)" "; 
"
xi settings set max-policies=4096
xi import - <<<'/ip ipsec policy
add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 tunnel=yes sa-dst-address=192.0.2.1
add src-address=10.1.0.0/16 dst-address=10.2.0.0/16 action=none' >"$T/import" 2>&1
has "why inactive, in detail" "$(COLUMNS=200 xi policy print detail from=1 | tr -s ' \n' ' ')" \
	'reason="same selectors as policy 0, which is evaluated earlier"'
hasnt "why inactive, not in short" "$(xi policy print from=1)" 'reason='
has "status: nothing enforces" "$(xi)" "nothing is attached: no policy is enforced, packets of the 1 enabled encrypt policy pass in clear"
has "level=use, inactive: says that it passes in clear" "$(xi policy set 0 level=use sa-dst-address=:: 2>&1)" "the packets it matches pass in clear"
xi export hide-sensitive >"$T/hidden"
before=$(xi export | grep -v "^#")
xi import "$T/hidden" >"$T/import" 2>&1
is "import of what hides the keys keeps them" "$(xi export | grep -v "^#")" "$before"
xi import - <<<'/ip ipsec manual-sa
add name=m esp-enc-algorithm=aes-128 esp-enc-key=""' >"$T/import" 2>&1
has "and an empty key is an empty key" "$(xi manual-sa export)" 'esp-enc-key="" esp-spi'
done_testing
