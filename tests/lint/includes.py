#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may include whom: includes are written from the repository's root, so each line shows the room.

Usage: includes.py FILE... Prints file:line: text for each include that breaks a rule; exit status 1 when there are any.
"""
import re
import sys

# Room -> rooms it may include, besides itself. "skel" are the generated skeletons. libc and libraries are free.
ALLOWED = {
    "bpf/abi": ["bpf/abi"],
    "bpf/lib": ["bpf/abi", "bpf"],  # bpf/maps.h
    "bpf": ["bpf/abi", "bpf/lib"],
    "user/base": [],
    "user/crypto": ["user/base", "bpf/abi"],
    "user/maps": ["user/base", "user/crypto", "bpf/abi"],
    "user/conf": ["user/base", "user/crypto", "bpf/abi"],
    "user/ipsec": ["user/base", "user/crypto", "bpf/abi"],
    "user/io": ["user/base", "bpf/abi"],
    "user/route": ["user/base", "bpf/abi"],
    "user/attach": ["user/base", "user/io", "user/maps", "user/route", "bpf/abi", "skel"],
    "user/worker": ["user/", "bpf/abi", "bpf/lib"],  # parse.h
    "user/cli": ["user/", "bpf/abi"],
    "ike": ["bpf/abi", "user/base", "user/crypto", "user/maps", "user/conf", "ike"],
    "tests": ["bpf", "bpf/", "user/", "ike", "tests", "skel"],
    "bench": ["bpf", "bpf/", "user/", "ike", "bench", "tests/lib", "skel"],
}
# The contract stands alone: nothing but <linux/types.h>.
SYSTEM_ONLY = {"bpf/abi": ["linux/types.h"]}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    """The longest room that the path lies in, or None."""
    best = None
    for room in ALLOWED:
        if path.startswith(room + "/") and (best is None or len(room) > len(best)):
            best = room
    return best


def complaint(room, kind, target):
    if kind == "<":
        only = SYSTEM_ONLY.get(room)
        return None if only is None or target in only else f"{room} includes only <{'>, <'.join(only)}>"
    other = room_of(target)
    if other is None:
        return "includes are written from the repository's root"
    if target.endswith(".skel.h"):
        return None if "skel" in ALLOWED[room] else f"{room} may not include skeletons"
    allowed = other == room or any(other == a or (a.endswith("/") and other.startswith(a)) for a in ALLOWED[room])
    return None if allowed else f"{room} may not include {other}"


def main():
    bad = 0
    for path in sys.argv[1:]:
        room = room_of(path)
        if room is None:
            print(f"{path}:1: no room of this name in tests/lint/includes.py")
            bad = 1
            continue
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                found = INCLUDE.match(line)
                text = found and complaint(room, *found.groups())
                if text:
                    print(f"{path}:{number}: {text}: {line.strip()}")
                    bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
