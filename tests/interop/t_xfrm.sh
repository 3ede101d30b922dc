#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Protocol × mode × family inside × family outside × cipher × authentication × size, against the guest's XFRM: all of them configured
# at once on both sides, then datagrams of every size there and back, every byte checked at both ends.
# XI_ONLY=REGEX: only combinations whose names match ("^ah tunnel", "aes-128-gcm"). XI_ENC, XI_AUTH: only these algorithms, with commas.
. "$(dirname "$0")/lib.sh"

interop_up
is "every algorithm is in some combination" "$(xi 1 -j algorithms print | "$MATRIX" missing)" ""
matrix_up "${XI_ONLY:-}"
matrix_sweep
matrix_done
tap_done
