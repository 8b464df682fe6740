#!/usr/bin/env python3
"""Reads the counters of an appliance over its serial console: read_counters.py SOCKET [COMMAND]

docs/console.md says how SOCKET is made. For a USB adapter, open /dev/ttyUSB0 at 115200 baud in its place.
"""
import json, socket, sys

PROMPT = b"\npollux> "

def ask(console, command):
    console.sendall(b"\x03" + command.encode() + b"\r")  # Ctrl-C gives up what somebody left half typed
    text = b""
    while not (command.encode() + b"\r\n" in text and text.replace(b"\r", b"").endswith(PROMPT)):
        text += console.recv(4096)
    reply = text.split(command.encode() + b"\r", 1)[1]
    return json.loads(reply.replace(b"\r", b"").rsplit(PROMPT, 1)[0] or "null")  # a change says nothing

with socket.socket(socket.AF_UNIX) as console:
    console.connect(sys.argv[1])
    print(json.dumps(ask(console, sys.argv[2] if len(sys.argv) > 2 else "show drops -j")))
