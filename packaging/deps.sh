#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# deps.sh check [WHAT]: 0 when every package of packaging/dependencies.txt (of the kind WHAT) is installed.
# deps.sh install: installs what is missing with apt-get.
set -eu
list=$(dirname "$0")/dependencies.txt
missing() {
	awk -v what="${1:-}" '!/^#/ && NF && (what == "" || $2 == what) {print $1}' "$list" | while read -r p; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
	done
}
m=$(missing "${2:-}")
[ -n "$m" ] || exit 0
case ${1:-} in
check)
	[ -z "${2:-}" ] || echo "missing packages: $(echo "$m" | tr '\n' ' ')- install them with: make deps" >&2
	exit 1
	;;
install)
	[ "$(id -u)" = 0 ] || { echo "packages are missing ($(echo "$m" | tr '\n' ' ')): run as root" >&2; exit 1; }
	echo "installing: $(echo "$m" | tr '\n' ' ')"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# shellcheck disable=SC2086 # one word a package
	apt-get install -y -qq --no-install-recommends $m >/dev/null
	;;
*) echo "usage: deps.sh check|install" >&2; exit 2 ;;
esac
