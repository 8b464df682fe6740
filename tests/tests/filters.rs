//! eBPF filters, compiled by clang, given with the kernel and put to work at the console.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use etherparse::{EtherType, PacketBuilder, SingleVlanHeader, VlanHeader, VlanId};
use pollux_tests::appliance::{Appliance, Boot, root};
use pollux_tests::peer::{ANSWER_LIMIT, APPLIANCE, APPLIANCE_MAC, PEER, PEER_MAC, Peer, VLAN};
use pollux_tests::suite::Suite;

/// The programs, of those in `ebpf/tests/programs`.
const PROGRAMS: [&str; 4] = ["drop", "accept", "udp_port", "unknown_helper"];

fn main() -> ExitCode {
    let objects: Vec<PathBuf> = PROGRAMS.iter().map(|program| compile(program)).collect();
    let mut boot = Boot::new().word("pollux.vlan-filter=software");
    for object in &objects {
        boot = boot.with(&["--file", &object.display().to_string()]);
    }
    let mut suite = Suite::new(boot);
    suite.test("a_filter_that_drops_everything_silences_the_card", drops);
    suite.test(
        "a_filter_takes_one_port_and_leaves_the_rest_in_band",
        one_port,
    );
    suite.test("a_filter_takes_untagged_frames_into_real_time", untagged);
    suite.test("a_bad_filter_leaves_the_old_one_in_place", refused);
    suite.run()
}

/// Compiles a program, as EVL's users do.
fn compile(program: &str) -> PathBuf {
    let folder = root().join("target/filters");
    std::fs::create_dir_all(&folder).expect("a folder for object files");
    let object = folder.join(program).with_extension("o");
    let source = root().join("ebpf/tests/programs").join(program);
    let status = Command::new("clang")
        .args(["-O2", "-g", "-target", "bpf", "-c", "-o"])
        .arg(&object)
        .arg(source.with_extension("c"))
        .status();
    let status = status.expect("clang, which ./run.sh setup installs");
    assert!(status.success(), "{program}: clang failed");
    object
}

/// Has a command carried out that prints nothing.
fn quietly(appliance: &mut Appliance, command: &str) {
    assert_eq!(appliance.console.command(command), "", "{command}");
}

fn drops(appliance: &mut Appliance) {
    appliance.peer.assert_pings(3);
    quietly(appliance, "evl net -Fdrop.o -i eth0");
    let before = appliance.counters();
    appliance.peer.send(&Peer::request(b"dropped"));
    quietly(appliance, "evl net -F -i eth0");
    // The frame was there before the filter went.
    appliance.peer.assert_pings(3);
    let moved = appliance.counters().since(&before);
    assert_eq!(moved.get("filtered"), 1, "{moved}");
}

fn one_port(appliance: &mut Appliance) {
    quietly(appliance, "evl net -Fudp_port.o -i eth0");
    let tag = SingleVlanHeader {
        vlan_id: VlanId::try_new(VLAN).expect("a VLAN"),
        ether_type: EtherType::IPV4,
        ..Default::default()
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, APPLIANCE_MAC)
        .vlan(VlanHeader::Single(tag))
        .ipv4(PEER.octets(), APPLIANCE.octets(), 64)
        .udp(40_000, 42_042)
        .write(&mut frame, b"Mellow sword!")
        .expect("fits");
    let mark = appliance.console.mark();
    appliance.peer.send(&frame);
    appliance
        .console
        .wait_for(mark, "Mellow sword!", ANSWER_LIMIT);
    // What is skipped is answered in-band.
    appliance.peer.assert_pings(5);
    let shown = appliance.status().value("port eth0", "filter").to_owned();
    assert!(shown.starts_with("udp_port "), "{shown}");
    assert!(shown.contains(" 1 accept 5 skip "), "{shown}");
    quietly(appliance, "evl net -F -i eth0");
    appliance.counters().assert_complete();
}

fn untagged(appliance: &mut Appliance) {
    quietly(appliance, "ip addr add 10.10.0.11/24 dev eth0");
    quietly(appliance, "evl net -Faccept.o -i eth0");
    let residence = |appliance: &mut Appliance| {
        let status = appliance.status();
        let count = status.value("residence eth0", "count");
        count.parse::<u64>().expect("a number")
    };
    let before = residence(appliance);
    let link = pollux_issuer::frame::Link {
        tag: None,
        ..Peer::link()
    };
    let own = [10, 10, 0, 11].into();
    let echo = pollux_issuer::frame::Echo::new(PEER, own, b"untagged and in real time");
    let answer = appliance.peer.exchange(&echo.request(&link));
    assert_eq!(answer[..6], PEER_MAC);
    // Only real-time answers have a residence.
    assert_eq!(residence(appliance), before + 1);
    quietly(appliance, "evl net -F -i eth0");
    quietly(appliance, "ip addr del 10.10.0.11/24 dev eth0");
}

fn refused(appliance: &mut Appliance) {
    quietly(appliance, "evl net -Fdrop.o -i eth0");
    let printed = appliance
        .console
        .command("evl net -Funknown_helper.o -i eth0");
    assert!(printed.starts_with("unknown_helper.o: "), "{printed}");
    let printed = appliance.console.command("evl net -Fnobody.o -i eth0");
    assert_eq!(
        printed,
        "nobody.o: no such file; 'ls' lists those there are\n"
    );
    let shown = appliance.status().value("port eth0", "filter").to_owned();
    assert!(shown.starts_with("drop_all "), "{shown}");
    quietly(appliance, "evl net -F -i eth0");
    appliance.peer.assert_pings(3);
}
