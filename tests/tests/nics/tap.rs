//! Frames of this machine's own kernel, which go from memory to memory and are on no wire.
//!
//! Their checksums are partial: QEMU hands them on as they are to a card with `GUEST_CSUM`. A tap interface is made in
//! namespaces of its own, for which no rights are needed where the kernel lets everybody have them; where it does not, the test
//! is skipped: it counts as ignored.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use etherparse::{Ipv4Header, UdpHeader};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use pollux_tests::appliance::{Appliance, kernel};
use pollux_tests::forge;
use pollux_tests::peer::{ANSWER_LIMIT, APPLIANCE_MAC, PEER_MAC, hex};
use pollux_tests::scratch::Scratch;
use pollux_tests::suite::{Suite, skip};

use crate::checksums::{CHECKSUM, ECHO, UDP, datagram};

/// Set where the test runs in namespaces of its own.
const INSIDE: &str = "POLLUX_TESTS_INSIDE";
const TAP: &str = "tap0";
/// Has what is below /sys tell of the interfaces in here.
const MOUNT: &str = "mount -t sysfs sysfs /sys";

/// The addresses of the wire without VLANs, whose frames are in-band.
const OURS: &str = "10.10.20.10";
const THEIRS: &str = "10.10.20.11";
/// Nothing serves it.
const CLOSED: u16 = 9852;

/// Cards with the feature: with it in either version, and with either format of queues.
const CARDS: [&str; 3] = [
    "virtio-net-pci",
    "virtio-net-pci,disable-modern=on",
    "virtio-net-pci,packed=on",
];

/// Octets of the header in front of each frame of a socket with `PACKET_VNET_HDR` (packet(7)): of virtio's, in this machine's
/// byte order, flags, four fields that mean nothing here, where begins what the checksum covers, where from there it stands.
const HEADER: usize = 10;
/// Flags: the checksum is partial.
const PARTIAL: u8 = 1;
/// Where in UDP the checksum stands.
const OFFSET: u8 = 6;

nix::setsockopt_impl!(
    VirtioHeader,
    libc::SOL_PACKET,
    libc::PACKET_VNET_HDR,
    bool,
    nix::sys::socket::sockopt::SetBool
);
/// Has each frame of a packet socket begin with virtio's header.
#[derive(Clone, Copy, Debug)]
struct VirtioHeader;

pub fn add_to(suite: &mut Suite) {
    suite.test_alone(
        "what_needs_a_tap_interface_is_ignored_where_none_can_be_made",
        is_ignored_without,
    );
    for (index, nic) in CARDS.into_iter().enumerate() {
        let name = name_on(nic);
        let own = name.clone();
        let test = move || match std::env::var_os(INSIDE) {
            Some(_) => answers_the_kernel(nic),
            None => run_inside(&own),
        };
        match index {
            0 => suite.test_alone(&name, test),
            _ => suite.test_long(&name, test),
        }
    }
}

fn name_on(nic: &str) -> String {
    format!("partial_checksums_of_a_real_kernel_are_completed_{nic}")
}

/// Where the kernel lets only root have namespaces.
fn is_ignored_without() {
    let folder = Scratch::new("no-tap");
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let refusal = "#!/bin/sh\necho 'unshare failed:\nOperation not permitted' >&2; exit 1\n";
    let program = folder.0.join("setpriv");
    std::fs::write(&program, refusal).expect("a program");
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("is ours");
    let name = name_on(CARDS[0]);
    let own = std::env::current_exe().expect("this program has a name");
    let mut command = Command::new(own);
    command.args(["--exact", &name]).env("PATH", &folder.0);
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let reason = "no tap interface can be made here: unshare failed: Operation not permitted";
    let line = format!("test {name} ... ignored ({reason})\n");
    assert!(said.contains(&line), "{said}");
    assert!(
        said.contains("ok. 0 passed; 0 failed; 1 ignored;"),
        "{said}"
    );
}

/// Runs a test once more, where it may make a tap interface.
fn run_inside(name: &str) {
    let inside = |words: &[&OsStr]| {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "unshare"]);
        command.args(["--user", "--map-root-user", "--net", "--mount", "--"]);
        command.args(words).env(INSIDE, "yes");
        command
    };
    let make = format!("{MOUNT} && ip tuntap add dev {TAP} mode tap");
    let probe = inside(&["sh".as_ref(), "-c".as_ref(), make.as_ref()])
        .output()
        .expect("setpriv (util-linux) starts");
    if !probe.status.success() {
        let reason = String::from_utf8_lossy(&probe.stderr);
        skip(&format!("no tap interface can be made here: {reason}"));
    }
    let own = std::env::current_exe().expect("this program has a name");
    let words = [own.as_os_str(), "--exact".as_ref(), name.as_ref()];
    let mut command = inside(&words);
    command.args(["--include-ignored", "--nocapture"]);
    let ended = command
        .env("POLLUX_KERNEL", kernel())
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    let is_right = ended.status.success() && said.contains("1 passed");
    assert!(is_right, "{said}\n{complained}");
}

fn answers_the_kernel(nic: &str) {
    let ours = format!("{OURS}/24");
    for command in [
        MOUNT.to_owned(),
        "ip link set lo up".to_owned(),
        format!("ip tuntap add dev {TAP} mode tap"),
        format!("ip addr add {ours} dev {TAP}"),
        format!("ip link set {TAP} up"),
    ] {
        let status = Command::new("sh").args(["-c", &command]).status();
        assert!(status.expect("sh starts").success(), "{command}");
    }
    let boot = crate::on(nic).on_tap(TAP);
    let boot = match nic.contains("packed=on") {
        true => boot.word("pollux.virtio-queues=packed"),
        false => boot,
    };
    let mut appliance = boot.start();
    let console = &mut appliance.console;
    console.obeys(&format!("ip addr add {THEIRS}/24 dev eth0"));
    let features = console.command("ethtool -k eth0");
    assert!(features.contains("rx-checksumming: on\n"), "{features}");
    let wire = Tap::open();
    for state in ["on", "off"] {
        let command = format!("ethtool -K eth0 rx {state}");
        appliance.console.obeys(&command);
        answers_its_sockets(&wire);
        answers_with_a_tag(&wire);
    }
    quotes_what_a_wire_would_have_had(&wire);
    let moved = appliance.counters();
    moved.assert_complete();
    assert_eq!(moved.get("udp_checksum"), 0);
    wrong_ones_are_not_believed(&wire, &mut appliance);
}

/// Datagrams of a socket, without a VLAN: this kernel verifies the answers' checksums.
fn answers_its_sockets(wire: &Tap) {
    let socket = socket_to(ECHO);
    for length in [0, 1, 2, 17, 18, 19, 511, 1471, 1472] {
        let data: Vec<u8> = (0..length).map(|at| (at * 37 + length) as u8).collect();
        assert_eq!(socket.send(&data).expect("it is sent"), length);
        let mut answer = [0; 2048];
        let received = socket.recv(&mut answer).expect("an answer");
        assert_eq!(hex(&answer[..received]), hex(&data));
        // That it was what this is about.
        let (header, frame) = wire.next(|frame| is_udp_to(frame, ECHO));
        assert_eq!(header, partial(34), "{}", hex(&frame));
    }
}

/// The same in VLAN 42, as a kernel with a VLAN device sends it.
fn answers_with_a_tag(wire: &Tap) {
    for length in [0, 1, 18, 64, 1471, 1472] {
        let data: Vec<u8> = (0..length).map(|at| (at * 31 + length) as u8).collect();
        wire.send(partial(UDP as u8), &with_partial_checksum(&datagram(&data)));
        let (_, answer) = wire.next(|frame| frame.starts_with(&PEER_MAC));
        let (ipv4, udp, echoed) = parse(&answer[14..]);
        let sum = udp.calc_checksum_ipv4(&ipv4, echoed).expect("fits");
        assert_eq!(udp.checksum, sum, "{}", hex(&answer));
        assert_eq!(hex(echoed), hex(&data));
    }
}

/// An ICMP error holds the datagram as it would have been on a wire.
fn quotes_what_a_wire_would_have_had(wire: &Tap) {
    let socket = socket_to(CLOSED);
    socket.send(b"is anybody there?").expect("it is sent");
    let refused = socket.recv(&mut [0; 64]).expect_err("nobody is there");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let (header, _) = wire.next(|frame| is_udp_to(frame, CLOSED));
    assert_eq!(header, partial(34));
    let (_, error) = wire.next(is_icmp_error);
    assert_eq!(error[34..36], [3, 3], "{}", hex(&error));
    let (ipv4, udp, data) = parse(&error[42..]);
    assert_eq!(data, b"is anybody there?");
    let sum = udp.calc_checksum_ipv4(&ipv4, data).expect("fits");
    assert_eq!(udp.checksum, sum, "{}", hex(&error));
}

/// Where what stands there is no sum of a pseudo header, the datagram is taken for what it is.
fn wrong_ones_are_not_believed(wire: &Tap, appliance: &mut Appliance) {
    appliance.console.obeys("ethtool -K eth0 rx on");
    let mut wrong = with_partial_checksum(&datagram(b"wrong"));
    wrong[CHECKSUM] ^= 0x10;
    wire.send(partial(UDP as u8), &wrong);
    // Frames are answered in order.
    answers_with_a_tag(wire);
    assert_eq!(appliance.counters().get("udp_checksum"), 1);
}

fn socket_to(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((OURS, 0)).expect("the address is ours");
    socket.connect((THEIRS, port)).expect("there is a way");
    let limit = Some(ANSWER_LIMIT);
    socket.set_read_timeout(limit).expect("not zero");
    socket
}

/// A frame with a tag as it leaves a kernel that leaves its checksum to others: its place holds the pseudo header's sum.
fn with_partial_checksum(frame: &[u8]) -> Vec<u8> {
    let (ipv4, udp, _) = parse(&frame[forge::IPV4..]);
    let mut pseudo = [&ipv4.source[..], &ipv4.destination, &[0, 17]].concat();
    pseudo.extend(udp.length.to_be_bytes());
    let words = pseudo.as_chunks::<2>().0.iter();
    let sum: u32 = words.map(|&word| u32::from(u16::from_be_bytes(word))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let mut frame = frame.to_vec();
    frame[CHECKSUM..CHECKSUM + 2].copy_from_slice(&(sum as u16).to_be_bytes());
    frame
}

fn parse(packet: &[u8]) -> (Ipv4Header, UdpHeader, &[u8]) {
    let (ipv4, rest) = Ipv4Header::from_slice(packet).expect("IPv4");
    let rest = &rest[..usize::from(ipv4.total_len) - ipv4.header_len()];
    let (udp, data) = UdpHeader::from_slice(rest).expect("UDP");
    (ipv4, udp, data)
}

/// Whether a frame without a tag carries UDP to a port.
fn is_udp_to(frame: &[u8], port: u16) -> bool {
    frame.len() >= 42
        && frame[12..14] == [8, 0]
        && frame[23] == 17
        && frame[36..38] == port.to_be_bytes()
}

/// Whether a frame without a tag carries an ICMP error of the appliance.
fn is_icmp_error(frame: &[u8]) -> bool {
    frame.len() >= 42
        && frame[6..12] == APPLIANCE_MAC
        && frame[12..14] == [8, 0]
        && frame[23] == 1
        && frame[34] == 3
}

/// The header in front of a frame whose UDP begins there and has a partial checksum.
fn partial(start: u8) -> [u8; HEADER] {
    [PARTIAL, 0, 0, 0, 0, 0, start, 0, OFFSET, 0]
}

/// What passes the tap interface, in either direction, with virtio's headers.
struct Tap(OwnedFd);

impl Tap {
    fn open() -> Self {
        let family = AddressFamily::Packet;
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(family, SockType::Raw, flags, SockProtocol::EthAll);
        let socket = socket.expect("root's rights, which this namespace gives");
        setsockopt(&socket, VirtioHeader, &true).expect("packet sockets can");
        let limit = TimeVal::seconds(ANSWER_LIMIT.as_secs() as i64);
        setsockopt(&socket, sockopt::ReceiveTimeout, &limit).expect("sockets can");
        let all = nix::ifaddrs::getifaddrs().expect("there are some");
        let address: Option<LinkAddr> = all
            .filter(|interface| interface.interface_name == TAP)
            .find_map(|interface| interface.address?.as_link_addr().copied());
        bind(socket.as_raw_fd(), &address.expect("it was made")).expect("it is there");
        Self(socket)
    }

    fn send(&self, header: [u8; HEADER], frame: &[u8]) {
        let message = [&header[..], frame].concat();
        let sent = send(self.0.as_raw_fd(), &message, MsgFlags::empty());
        assert_eq!(sent, Ok(message.len()));
    }

    /// The next frame that is meant, with its header.
    fn next(&self, is_meant: impl Fn(&[u8]) -> bool) -> ([u8; HEADER], Vec<u8>) {
        loop {
            let mut message = [0; 4096];
            let length = recv(self.0.as_fd().as_raw_fd(), &mut message, MsgFlags::empty());
            let length = length.expect("a frame in time");
            let (header, frame) = message[..length].split_first_chunk().expect("a header");
            if is_meant(frame) {
                return (*header, frame.to_vec());
            }
        }
    }
}
