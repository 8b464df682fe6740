"""Sends STAMP packets that scapy builds to a port of the loopback interface, and has scapy take apart what
comes back (RFC 8762). Run by tests/tests/stamp.rs.

    stamp.py PORT
"""

import socket
import sys

from scapy.contrib.stamp import (
    ErrorEstimate,
    STAMPSessionReflectorTestUnauthenticated as Reflected,
    STAMPSessionSenderTestUnauthenticated as Sent,
)


def main() -> None:
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.settimeout(10)
    wire.connect(("127.0.0.1", int(sys.argv[1])))
    reflected = 0
    last_sent = 0
    for sequence, ssid in [(0, 0), (1, 0), (0xFFFFFFFF, 0), (7, 42)]:
        sent = Sent(seq=sequence, ts=3_900_000_000 + reflected, ssid=ssid)
        sent.err_estimate = ErrorEstimate(S=1, Z=0, scale=3, multiplier=5)
        octets = bytes(sent)
        wire.send(octets)
        answer = wire.recv(2048)
        assert len(answer) == len(octets) == 44, (len(answer), len(octets))
        packet = Reflected(answer)
        # RFC 8762 §4.3.1: a stateless reflector returns the sequence number; what the sender said follows.
        assert packet.seq == sequence, packet.show(dump=True)
        assert packet.seq_sender == sequence, packet.show(dump=True)
        assert packet.ts_sender == sent.ts, packet.show(dump=True)
        # RFC 8762 §4.3: the time to live with which the packet came.
        assert packet.ttl_sender == 255, packet.show(dump=True)
        # RFC 8972 §3: the session identifier comes back.
        assert packet.ssid == ssid, packet.show(dump=True)
        # Received before it is sent, and later than the packet before.
        assert last_sent <= packet.ts_rx <= packet.ts, packet.show(dump=True)
        last_sent = packet.ts
        estimate = packet.err_estimate
        assert estimate.multiplier != 0, packet.show(dump=True)
        said = packet.err_estimate_sender
        assert (said.S, said.Z, said.scale, said.multiplier) == (1, 0, 3, 5), packet.show(dump=True)
        reflected += 1
    print(f"{reflected} packets reflected as they should be")


if __name__ == "__main__":
    main()
