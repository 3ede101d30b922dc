#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make bench, the part of IKE: what negotiating costs the engine alone, and with many peers (bench/ike.c says how to read it).
#
#   O=build  ROUNDS=9  HANDSHAKES=400  PEERS=10000
set -u
cd "$(dirname "$0")/.." || exit 2
O=${O:-build}
exec "$O/bench/ike" "${ROUNDS:-9}" "${HANDSHAKES:-400}" "${PEERS:-10000}"
