#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The guest of the tests in this folder: it boots, has XFRM, is reached in both families, and returns what its commands say.
. "$(dirname "$0")/lib.sh"

interop_up
is "a command's output" "$(guest 'echo text; echo more >&2')" $'text\nmore'
guest 'exit 7'
is "a command's status" $? 7
check "XFRM is there" guest 'ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto ah spi 256 mode transport \
	auth-trunc "hmac(sha256)" 0x2222222222222222222222222222222222222222222222222222222222222222 128 && ip xfrm state flush'
check "modules are found" guest 'ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 256 mode tunnel \
	enc "cbc(twofish)" 0x22222222222222222222222222222222 && ip xfrm state flush'
check "its root cannot be written" guest "! touch '$XI_TOP/README.md' 2>/dev/null"
for to in $GUEST $GUEST_6; do
	check "ping from the gateway to $to" in_ns gw1 ping -n -q -l 3 -c 3 -i 10 -w 5 "$to"
done
for to in ${FAR%.0/16}.77 ${OWN%.0/16}.78 ${FAR_6%/64}77 ${OWN_6%/64}78; do
	check "ping from the LAN to $to" in_ns a ping -n -q -l 3 -c 3 -i 10 -w 5 "$to"
done
tap_done
