#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Answers on an ike.sock as xdp-iked does (user/base/ikesock.h), for tests of the command line.

  fakeiked.py SOCKET LOG [PEERS] [ERROR]
LOG gets one line a request: the request, then for each descriptor that came along its size and the folder or file it is. PEERS: how many
remote peers there are (the answer comes in pages of 2). ERROR: what every reload is answered with. Prints "ready" and runs until it is killed.
"""
import array
import json
import os
import socket
import stat
import sys


def peer(n):
    row = {"local-address": "198.51.100.1", "remote-address": f"203.0.113.{n + 1}", "local-port": 500, "remote-port": 500 + n,
           "state": "established", "side": "responder", "exchange-mode": "main", "established": 686, "expires-in": 85714,
           "natt": 0, "ph2-total": 1, "dpd-failures": 0, "id": f"203.0.113.{n + 1}"}
    if n % 2:
        row.update({"state": "message-1-sent", "side": "initiator", "established": -1, "expires-in": -1, "natt": 2, "id": ""})
    return row


def answer(request, peers, error):
    cmd = request["cmd"]
    if cmd == "reload" and error:
        return {"ok": False, "error": error}
    if cmd == "peers":
        first = request["from"]
        reply = {"ok": True, "peers": [peer(n) for n in range(first, min(first + 2, peers))]}
        if first + 2 < peers:
            reply["next"] = first + 2
        return reply
    if cmd == "status":
        return {"ok": True, "pid": os.getpid(), "peers": peers, "children": 0, "counts": {"ike-malformed": 3}}
    if cmd == "flush":
        return {"ok": True, "count": 0}
    return {"ok": True}


def describe(fd):
    st = os.fstat(fd)
    kind = "folder" if stat.S_ISDIR(st.st_mode) else f"file {st.st_size}"
    os.close(fd)
    return kind


def main():
    path, log = sys.argv[1:3]
    peers = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    error = sys.argv[4] if len(sys.argv) > 4 else ""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(8)
    print("ready", flush=True)
    while True:
        conn, _ = listener.accept()
        text, control, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(4 * 8))
        if not text:
            continue
        fds = array.array("i")
        for _, _, data in control:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        with open(log, "a", encoding="ascii") as f:
            f.write(" ".join([text.decode()] + [describe(fd) for fd in fds]) + "\n")
        conn.send(json.dumps(answer(json.loads(text), peers, error)).encode())
        conn.close()


main()
