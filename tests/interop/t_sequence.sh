#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# RFC 4303 §2.2.1 and appendix A, RFC 4302 §2.5.1 and appendix B: 64-bit sequence numbers, whose upper half is not sent, across 2^32 in both
# directions, and high ones.
. "$(dirname "$0")/lib.sh"
SEQ=$LIBDIR/saseq.py

pins() { echo "/sys/fs/bpf/xdp-ipsec/${P}g1/"v*; }

# start_at NUMBER: both sides have sent and received so many packets by every SA.
start_at() {
	check "numbers begin at $1" "$SEQ" "$(pins)" "$1"
	matrix_make "$ONLY" --sequence "$1" >/dev/null
	check "in the guest, too" guest "ip xfrm state flush && ip xfrm policy flush && ip -batch matrix/guest.batch"
}

interop_up
ONLY=' esn '
matrix_up "$ONLY"
for n in 0xfffffff5 0x4fffffff5 0x123456789abc; do
	start_at $n
	matrix_sweep
	is "every SA has counted on from $n" "$("$SEQ" "$(pins)" | awk -v from=$((n)) '$3 <= from' | head -n 3)" ""
done
matrix_done
tap_done
