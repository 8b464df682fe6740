//! The STAMP reflector (RFC 8762), judged by programs that other people wrote: `stamp-suite` as the
//! Session-Sender, and scapy's dissector of the reflected packets.
//!
//! They talk to a socket on the loopback interface; what they send there is put into the frames of the
//! appliance's VLAN, and what comes back out of them.

use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use etherparse::{EtherType, PacketBuilder, SingleVlanHeader, SlicedPacket, TransportSlice};
use etherparse::{VlanHeader, VlanId};
use pollux_tests::PATIENCE;
use pollux_tests::appliance::{Appliance, Boot, root};
use pollux_tests::peer::{APPLIANCE, APPLIANCE_MAC, PEER, PEER_MAC, VLAN};
use pollux_tests::suite::Suite;

/// The port of STAMP.
const STAMP: u16 = 862;
/// What the senders' packets are sent with, as RFC 8762 §4.2.1 has it (from RFC 5357 §4.1.2).
const TIME_TO_LIVE: u8 = 255;
/// The longest that a program may take.
const LIMIT: Duration = PATIENCE;
/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    suite.test("stamp_suite_gets_all_its_packets_back", stamp_suite);
    suite.test("scapy_reads_what_is_reflected", scapy);
    suite.run()
}

fn stamp_suite(appliance: &mut Appliance) {
    let program = root().join("cache/stamp-suite/bin/stamp-suite");
    let mut command = Command::new(program);
    command.args(["-r", "127.0.0.1", "-c", "20", "-d", "20", "-L", "10", "-R"]);
    let (printed, exchanged) = carry(appliance, |port| {
        command.args(["-p", &port.to_string()]);
        command
    });
    assert_eq!(exchanged, 20, "{printed}");
    for line in ["Packets sent: 20", "Packets received: 20"] {
        assert!(printed.contains(line), "no '{line}' in\n{printed}");
    }
}

fn scapy(appliance: &mut Appliance) {
    let (printed, exchanged) = carry(appliance, |port| {
        // The one for which the system has scapy.
        let mut command = Command::new("/usr/bin/python3");
        let script = root().join("tests/scapy/stamp.py");
        command.arg(script).arg(port.to_string());
        command
    });
    assert_eq!(exchanged, 4, "{printed}");
    assert!(
        printed.contains("4 packets reflected as they should be"),
        "{printed}"
    );
}

/// Runs the program that `make` makes for a port of the loopback interface, and carries its datagrams to
/// the reflector and back. Returns what it printed, and how many datagrams were exchanged.
fn carry(appliance: &mut Appliance, make: impl FnOnce(u16) -> Command) -> (String, u32) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(LOOK)).expect("a timeout");
    let mut command = make(socket.local_addr().expect("bound").port());
    let mut program = Running(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}")),
    );
    let deadline = Instant::now() + LIMIT;
    let (mut packet, mut exchanged) = ([0; 2048], 0);
    let status = loop {
        assert!(Instant::now() < deadline, "{command:?} does not end");
        match socket.recv_from(&mut packet) {
            Ok((length, SocketAddr::V4(sender))) => {
                let reflected = reflect(appliance, sender.port(), &packet[..length]);
                socket.send_to(&reflected, sender).expect("a receiver");
                exchanged += 1;
            }
            _ => {
                if let Some(status) = program.0.try_wait().expect("a child") {
                    break status;
                }
            }
        }
    };
    let mut printed = String::new();
    let mut stdout = program.0.stdout.take().expect("piped");
    stdout.read_to_string(&mut printed).expect("text");
    assert!(status.success(), "{command:?}: {status}\n{printed}");
    (printed, exchanged)
}

/// A program, ended when it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a packet to the reflector, and returns what it reflects.
fn reflect(appliance: &mut Appliance, source_port: u16, data: &[u8]) -> Vec<u8> {
    let tag = SingleVlanHeader {
        vlan_id: VlanId::try_new(VLAN).expect("a VLAN"),
        ether_type: EtherType::IPV4,
        ..Default::default()
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, APPLIANCE_MAC)
        .vlan(VlanHeader::Single(tag))
        .ipv4(PEER.octets(), APPLIANCE.octets(), TIME_TO_LIVE)
        .udp(source_port, STAMP)
        .write(&mut frame, data)
        .expect("fits");
    let answer = appliance.peer.exchange(&frame);
    let packet = SlicedPacket::from_ethernet(&answer).expect("a frame");
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        panic!("not UDP: {packet:?}");
    };
    assert_eq!(
        (udp.source_port(), udp.destination_port()),
        (STAMP, source_port)
    );
    udp.payload().to_vec()
}
