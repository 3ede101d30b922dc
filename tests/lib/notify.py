#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The service manager's end of sd_notify(3): notify.py SOCKET SECONDS

Makes the datagram socket, prints "bound", and ends with 0 when READY=1 has arrived, with 1 after SECONDS.
"""
import os
import socket
import sys
import time


def main():
    path, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    print("bound", flush=True)
    try:
        while (left := end - time.monotonic()) > 0:
            s.settimeout(left)
            if b"READY=1" in s.recv(4096).split(b"\n"):
                return 0
    except socket.timeout:
        pass
    finally:
        os.unlink(path)
    return 1


if __name__ == "__main__":
    sys.exit(main())
