//! eBPF filters, compiled by clang, given with the kernel and put to work at the console.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use etherparse::{EtherType, PacketBuilder, SingleVlanHeader, VlanHeader, VlanId};
use pollux_tests::appliance::{Appliance, Boot, START_LIMIT, root};
use pollux_tests::console::PROMPT;
use pollux_tests::peer::{ANSWER_LIMIT, APPLIANCE, APPLIANCE_MAC, PEER, PEER_MAC, Peer, VLAN};
use pollux_tests::suite::Suite;

/// The programs: those that users are shown, and one that is refused.
const PROGRAMS: [&str; 10] = [
    "examples/filters/accept",
    "examples/filters/beyond",
    "examples/filters/count",
    "examples/filters/drop",
    "examples/filters/loop",
    "examples/filters/packet_port",
    "examples/filters/qinq",
    "examples/filters/seven",
    "examples/filters/udp_port",
    "ebpf/tests/programs/unknown_helper",
];

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
    suite.test(
        "a_filter_is_replaced_between_two_frames_of_a_stream",
        replaced,
    );
    suite.test("a_filter_looks_through_two_tags", two_tags);
    suite.test("a_verdict_that_is_none_counts_as_skip", seven);
    suite.test("a_filter_that_loops_is_taken_out", loops);
    suite.test("the_verdict_at_a_fault_is_configured", on_fault);
    suite.test("a_filter_that_reads_beyond_the_frame_drops_it", beyond);
    suite.test("a_filter_counts_and_is_tuned_at_the_console", counts);
    suite.test("a_filter_is_pasted_at_the_console", pasted);
    suite.test(
        "a_file_of_the_greatest_length_is_pasted_at_the_console",
        pasted_whole,
    );
    suite.test(
        "a_paste_that_is_wrong_or_given_up_leaves_nothing",
        not_pasted,
    );
    suite.run()
}

/// Compiles a program, as EVL's users do.
fn compile(program: &str) -> PathBuf {
    let folder = root().join("target/filters");
    std::fs::create_dir_all(&folder).expect("a folder for object files");
    let source = root().join(program);
    let object = folder.join(source.file_name().expect("a name"));
    let object = object.with_extension("o");
    let status = Command::new("clang")
        .args(["-O2", "-g", "-target", "bpf", "-c", "-o"])
        .arg(&object)
        .arg(source.with_extension("c"))
        .status();
    let status = status.expect("clang, which ./run.sh setup installs");
    assert!(status.success(), "{program}: clang failed");
    object
}

fn drops(appliance: &mut Appliance) {
    // One is a whole card's, whichever of its devices is named.
    let said = appliance.console.command("evl net -Fdrop.o -i eth0.42");
    assert_eq!(
        said,
        "eth0: the filter decides about all frames of eth0, not only about those of eth0.42\n"
    );
    appliance.console.obeys("evl net -F -i eth0.42");
    appliance.peer.assert_pings(3);
    appliance.console.obeys("evl net -Fdrop.o -i eth0");
    let before = appliance.counters();
    appliance.peer.send(&Peer::request(b"dropped"));
    appliance.console.obeys("evl net -F -i eth0");
    // The frame was there before the filter went.
    appliance.peer.assert_pings(3);
    let moved = appliance.counters().since(&before);
    assert_eq!(moved.get("filtered"), 1, "{moved}");
}

fn one_port(appliance: &mut Appliance) {
    for name in ["udp_port", "packet_port"] {
        takes_one_port(appliance, name);
    }
}

fn takes_one_port(appliance: &mut Appliance, name: &str) {
    appliance
        .console
        .obeys(&format!("evl net -F{name}.o -i eth0"));
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
    assert!(shown.starts_with(&format!("{name} ")), "{shown}");
    assert!(shown.contains(" accept 1 skip 5 "), "{shown}");
    // The first of its runs was timed.
    assert!(shown.contains(" ns max "), "{shown}");
    appliance.console.obeys("evl net -F -i eth0");
    appliance.counters().assert_complete();
}

fn untagged(appliance: &mut Appliance) {
    appliance
        .console
        .obeys("ip addr add 10.10.0.11/24 dev eth0");
    appliance.console.obeys("evl net -Faccept.o -i eth0");
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
    let question = pollux_issuer::frame::arp_request(PEER_MAC, PEER, own, None);
    let answer = appliance.peer.exchange(&question);
    assert_eq!(answer[..6], PEER_MAC);
    assert_eq!(residence(appliance), before + 2, "what is not IPv4, too");
    appliance.console.obeys("evl net -F -i eth0");
    appliance
        .console
        .obeys("ip addr del 10.10.0.11/24 dev eth0");
}

fn refused(appliance: &mut Appliance) {
    appliance.console.obeys("evl net -Fdrop.o -i eth0");
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
    appliance.console.obeys("evl net -F -i eth0");
    appliance.peer.assert_pings(3);
}

/// Two programs of which each drops what comes: were a frame judged by neither, it would be answered.
fn replaced(appliance: &mut Appliance) {
    const ROUNDS: usize = 40;
    const FRAMES: usize = 25;
    let request = Peer::request(b"whatever is there");
    appliance.console.obeys("evl net -Fdrop.o -i eth0");
    let before = appliance.counters();
    for round in 0..ROUNDS {
        let (program, is_good) = match round % 3 {
            0 => ("beyond", true),
            1 => ("drop", true),
            _ => ("unknown_helper", false),
        };
        let mark = appliance.console.mark();
        let line = format!("evl net -F{program}.o -i eth0\r");
        appliance.console.type_bytes(line.as_bytes());
        // On their way before, while and after it is carried out.
        for _ in 0..FRAMES {
            appliance.peer.send(&request);
        }
        let said = appliance
            .console
            .wait_for(mark, PROMPT, ANSWER_LIMIT)
            .replace('\r', "");
        assert_eq!(!said.contains("is not supported"), is_good, "{said}");
    }
    let sent = (ROUNDS * FRAMES) as u64;
    let deadline = Instant::now() + ANSWER_LIMIT;
    let mut moved = appliance.counters().since(&before);
    while moved.get("filtered") < sent && Instant::now() < deadline {
        moved = appliance.counters().since(&before);
    }
    assert_eq!(moved.get("filtered"), sent, "{moved}");
    assert_eq!(moved.get("answered"), 0, "{moved}");
    appliance.console.obeys("evl net -F -i eth0");
    appliance.peer.assert_pings(3);
}

/// What `status` says of the filter.
fn filter_of(appliance: &mut Appliance) -> String {
    appliance.status().value("port eth0", "filter").to_owned()
}

fn two_tags(appliance: &mut Appliance) {
    appliance.console.obeys("evl net -Fqinq.o -i eth0");
    let vlan = |id| VlanId::try_new(id).expect("a VLAN");
    for (outer, inner) in [(7, 100), (100, 7), (7, 7)] {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(PEER_MAC, APPLIANCE_MAC)
            .double_vlan(vlan(outer), vlan(inner))
            .ipv4(PEER.octets(), APPLIANCE.octets(), 64)
            .udp(40_000, 7)
            .write(&mut frame, b"two tags")
            .expect("fits");
        appliance.peer.send(&frame);
    }
    // Behind them, and with one tag that is another.
    appliance.peer.assert_pings(2);
    let shown = filter_of(appliance);
    assert!(shown.starts_with("qinq "), "{shown}");
    assert!(shown.contains(" drop 0 accept 2 skip 0 "), "{shown}");
    appliance.console.obeys("evl net -F -i eth0");
}

fn seven(appliance: &mut Appliance) {
    appliance.console.obeys("evl net -Fseven.o -i eth0");
    // In-band, and answered there.
    appliance.peer.assert_pings(3);
    let shown = appliance.console.command("bpftool prog show");
    assert!(
        shown.contains("  skip 3  vlan 0  unknown 3 (last 7)"),
        "{shown}"
    );
    appliance.console.obeys("evl net -F -i eth0");
}

fn loops(appliance: &mut Appliance) {
    const FAULTS: usize = 100;
    appliance.console.obeys("evl net -Floop.o -i eth0");
    let mark = appliance.console.mark();
    // The VLAN rule applies at each fault, and when the program is gone.
    appliance.peer.assert_pings(FAULTS as u64 + 3);
    let said = appliance
        .console
        .wait_for(mark, "the VLAN rule applies", ANSWER_LIMIT);
    assert!(
        said.contains("eBPF program taken out after 100 faults, the last at instruction "),
        "{said}"
    );
    assert!(said.contains("out of fuel"), "{said}");
    let shown = appliance.console.command("bpftool prog show");
    assert!(shown.starts_with("eth0: taken out at "), "{shown}");
    assert!(
        shown.contains(" s: loop, because it had 100 faults, the last at instruction "),
        "{shown}"
    );
    appliance.console.obeys("evl net -F -i eth0");
    assert_eq!(appliance.console.command("bpftool prog show"), "");
}

fn on_fault(appliance: &mut Appliance) {
    appliance.console.obeys("evl net -Floop.o -i eth0");
    appliance
        .console
        .obeys("bpftool prog set id 1 on-fault drop fault-limit 3");
    let config = appliance.console.command("config show");
    let again = "evl net -Floop.o -i eth0\nbpftool prog set id 1 on-fault drop fault-limit 3\n";
    assert!(config.contains(again), "{config}");
    let before = appliance.counters();
    let mark = appliance.console.mark();
    for _ in 0..3 {
        appliance.peer.send(&Peer::request(b"at fault"));
    }
    appliance
        .console
        .wait_for(mark, "taken out after 3 faults", ANSWER_LIMIT);
    appliance.peer.assert_pings(3);
    let moved = appliance.counters().since(&before);
    assert_eq!(moved.get("filtered"), 3, "{moved}");
}

fn beyond(appliance: &mut Appliance) {
    appliance.console.obeys("evl net -Fbeyond.o -i eth0");
    let before = appliance.counters();
    appliance.peer.send(&Peer::request(b"too short"));
    let shown = appliance.console.command("bpftool prog show");
    let moved = appliance.counters().since(&before);
    appliance.console.obeys("evl net -F -i eth0");
    assert_eq!(moved.get("filtered"), 1, "{moved}");
    assert!(
        shown.contains("drop 1  accept 0  skip 0  vlan 0  unknown 0  short 1\n"),
        "{shown}"
    );
    assert!(shown.contains("\tfaults 0  "), "{shown}");
}

fn counts(appliance: &mut Appliance) {
    appliance.console.obeys("evl net -Fcount.o -i eth0");
    // A limit of 1,500 octets in the array, none of which was there before.
    appliance
        .console
        .obeys("bpftool map update name limits key 0 0 0 0 value hex dc 5 0 0 0 0 0 0 0 0 0 0");
    appliance.peer.assert_pings(5);
    assert_eq!(
        appliance.console.command("bpftool map dump name per_vlan"),
        "key: 2a 00  value: 05 00 00 00 00 00 00 00\nFound 1 element\n"
    );
    appliance
        .console
        .obeys("bpftool map update name limits key 0 0 0 0 value 20 0 0 0 0 0 0 0 0 0 0 0");
    let before = appliance.counters();
    appliance
        .peer
        .send(&Peer::request(b"longer than twenty octets"));
    let counted = "bpftool map lookup name per_vlan key 42 0";
    assert_eq!(
        appliance.console.command(counted),
        "key: 2a 00  value: 06 00 00 00 00 00 00 00\n"
    );
    let moved = appliance.counters().since(&before);
    assert_eq!(moved.get("filtered"), 1, "{moved}");
    appliance.console.obeys("evl net -F -i eth0");
}

/// A file as the program `base64` prints it.
fn base64_of(file: &str) -> String {
    let object = root().join("target/filters").join(file);
    let output = Command::new("base64").arg(object).output();
    let output = output.expect("base64 is there");
    String::from_utf8(output.stdout).expect("text")
}

/// A program at the beginning of as much as a file may have. What is behind its last section does not matter.
fn pasted_whole(appliance: &mut Appliance) {
    const GREATEST: usize = 128 << 10;
    let folder = root().join("target/filters");
    let mut octets = std::fs::read(folder.join("drop.o")).expect("it was compiled");
    let more = (octets.len()..GREATEST).map(|place| (place * 7 + place / 256) as u8);
    octets.extend(more);
    std::fs::write(folder.join("greatest.bin"), octets).expect("room for a file");
    let mark = appliance.console.mark();
    let paste = format!(
        "base64 -d > greatest.o <<END\n{}END\n",
        base64_of("greatest.bin")
    );
    appliance.console.type_bytes(paste.as_bytes());
    let said = format!("greatest.o: {GREATEST} octets\n");
    appliance.console.wait_for(mark, &said, START_LIMIT);
    appliance.console.obeys("evl net -Fgreatest.o -i eth0");
    let shown = filter_of(appliance);
    assert!(shown.starts_with("drop_all a04f5eef06a7f555 "), "{shown}");
    appliance.console.obeys("evl net -F -i eth0");
    appliance.peer.assert_pings(3);
}

fn pasted(appliance: &mut Appliance) {
    let text = base64_of("drop.o");
    let mark = appliance.console.mark();
    let paste = format!("base64 -d > pasted.o <<END\n{text}END\n");
    appliance.console.type_bytes(paste.as_bytes());
    let size = std::fs::metadata(root().join("target/filters/drop.o"));
    let size = size.expect("it was compiled").len();
    let said = format!("pasted.o: {size} octets\n");
    appliance.console.wait_for(mark, &said, ANSWER_LIMIT);
    let listed = appliance.console.command("ls");
    assert!(listed.contains(&format!("{size} pasted.o\n")), "{listed}");
    appliance.console.obeys("evl net -Fpasted.o -i eth0");
    let shown = filter_of(appliance);
    assert!(shown.starts_with("drop_all a04f5eef06a7f555 "), "{shown}");
    // The filter is in force without it, too.
    appliance.console.obeys("rm pasted.o");
    let listed = appliance.console.command("ls");
    assert!(!listed.contains("pasted.o"), "{listed}");
    assert_eq!(filter_of(appliance), shown);
    let refused = appliance.console.command("rm drop.o");
    assert!(
        refused.contains("drop.o: it came with the kernel and stays; only"),
        "{refused}"
    );
    assert_eq!(appliance.console.command("ls"), listed);
    appliance.console.obeys("evl net -F -i eth0");
}

fn not_pasted(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(b"base64 -d > bad.o <<END\nAAAA\nAA?A\nstatus\nEND\n");
    let said = appliance
        .console
        .wait_for(mark, "; nothing is kept\n", ANSWER_LIMIT);
    assert!(
        said.contains("bad.o: line 2: no base64: Invalid symbol 63, offset 2; nothing"),
        "{said}"
    );
    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(b"base64 -d > bad.o <<END\nAAAA\n\x03");
    appliance
        .console
        .wait_for(mark, "^C: the file is not kept\n", ANSWER_LIMIT);
    let listed = appliance.console.command("ls");
    assert!(!listed.contains("bad.o"), "{listed}");
}
