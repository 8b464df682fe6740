#!/usr/bin/env python3
"""Reads the counters of an appliance over its serial console: read_counters.py SOCKET [COMMAND]

docs/console.md says how SOCKET is made. For a USB adapter, open /dev/ttyUSB0 at 115200 baud in its place.
Exit status: 0 it was answered, 1 the appliance says what is wrong with COMMAND, 2 nothing could be asked.
"""
import json, socket, sys

PROMPT = b"\npollux> "

def give_up(reason):
    print(f"read_counters.py: {reason}", file=sys.stderr)
    sys.exit(2)

def ask(console, command):
    console.sendall(b"\x03" + command.encode() + b"\r")  # Ctrl-C gives up what somebody left half typed
    text = b""
    while not (command.encode() + b"\r\n" in text and text.replace(b"\r", b"").endswith(PROMPT)):
        received = console.recv(4096)
        if not received:
            give_up("the appliance ended before it answered")
        text += received
    reply = text.split(command.encode() + b"\r", 1)[1]
    return json.loads(reply.replace(b"\r", b"").rsplit(PROMPT, 1)[0] or "null")  # a change says nothing

if not 2 <= len(sys.argv) <= 3:
    give_up("usage: read_counters.py SOCKET [COMMAND]")
command = sys.argv[2] if len(sys.argv) > 2 else "show drops -j"
if not {"-j", "-json", "--json"} & set(command.split()):
    give_up(f"'{command}' is not answered in JSON; with -j it is")
with socket.socket(socket.AF_UNIX) as console:
    try:
        console.connect(sys.argv[1])
        answer = ask(console, command)
    except OSError as error:
        give_up(f"{sys.argv[1]}: {error.strerror or error}")
print(json.dumps(answer))
sys.exit(1 if isinstance(answer, dict) and "error" in answer else 0)
