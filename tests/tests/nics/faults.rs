//! Every fault that QEMU can play, on every card: after its end service is back within a second, nothing of the
//! configuration is lost, and the console says and counts what happened.
//!
//! Time here is the appliance's own, and the clock of its machine goes by the instructions that it carries out (QEMU's
//! `-icount`): however busy the machine is on which this runs, a second is a second.

use std::time::{Duration, Instant};

use pollux_tests::appliance::{Appliance, START_LIMIT};
use pollux_tests::peer::{Peer, VLAN};
use pollux_tests::scratch::Scratch;
use pollux_tests::suite::Suite;

use super::{Card, Registers, SAYING_LIMIT, on, vlans_get_no_answer};

/// A nanosecond for each instruction: so slow that what this side needs for its part counts half.
const CLOCK: [&str; 2] = ["-icount", "shift=0"];
/// The longest that service may be away after a fault's end, in nanoseconds.
const RETURN_LIMIT: u64 = 1_000_000_000;
/// How much longer QEMU's 8254x may be away when its receive control register was written, which is what it takes to
/// switch a receiver on: the model then discards nothing and delivers nothing for that long, whoever wrote.
const DEAFNESS: u64 = 1_000_000_000;
/// How long a transmitter may stand still before it is taken to hang.
const HANG_LIMIT: u64 = 2_100_000_000;

/// So many frames wait anywhere without being lost.
const FEW: usize = 20;
/// When nothing came for so long, nothing is under way any more.
const QUIET: Duration = Duration::from_millis(20);

/// What is configured besides what the appliance starts with.
const CONFIGURATION: [&str; 6] = [
    "ip link add link eth0 name eth0.77 type vlan id 77",
    "ip addr add 10.10.77.11/24 dev eth0.77",
    "ip link set dev eth0.77 up",
    "evl net -N+77,100-120,4000 -ei eth0.77",
    "ip neigh add 10.10.77.20 lladdr 02:00:00:00:00:20 dev eth0.77",
    "ip route add 10.99.0.0/16 via 10.10.77.20",
];
/// Everything that shows what is configured.
const SHOWN: [&str; 4] = [
    "config show",
    "evl net -n",
    "ethtool -a eth0",
    "ethtool -k eth0",
];

/// Intel's registers (82540EM SDM §13.4).
const RCTL: u64 = 0x0100;
const RDH: u64 = 0x2810;
const RDT: u64 = 0x2818;
const TDLEN: u64 = 0x3808;
/// Of the 82576 (datasheet §8.10.2): how large buffers are, and that they are as small as they can be, 1 KiB.
const SRRCTL: u64 = 0x280c;
const SMALL_BUFFERS: u32 = 1 << 25 | 1;
/// What the driver has in the first, and the same with buffers of 256 octets.
const RECEIVE: u32 = 0x0404_8002;
const RECEIVE_TINY: u32 = RECEIVE | 3 << 16;
/// Virtio's registers (virtio 1.2 §4.1.4.3), behind this base address register of QEMU's.
const VIRTIO_BAR: u8 = 4;
const DEVICE_STATUS: u64 = 20;
const QUEUE_SELECT: u64 = 22;
const QUEUE_DEVICE: u64 = 48;
const QUEUE_RESET: u64 = 58;
/// A device at work that asks to be reset (virtio 1.2 §2.1).
const NEEDS_RESET: u32 = 0x4f;

/// A device that has nothing but a memory full of ones, and the place of that in its configuration space.
const ONES: &str = "pci-testdev,addr=0x1e";
const ONES_SLOT: u32 = 0x1e;
const ROM_ADDRESS: u32 = 0x30;
const COMMAND: u32 = 0x04;

pub(super) fn add_to(suite: &mut Suite) {
    for nic in ["e1000", "virtio-net-pci"] {
        let name = format!("a_machine_that_stood_still_says_so_as_{nic}");
        suite.test_alone(&name, move || stands_still(nic));
    }
}

/// Does to the card whatever can be done to it.
pub(super) fn survives(card: &Card) {
    let scratch = Scratch::new("ones.rom");
    let mut boot = (card.boot)(card).with_pokes().qemu(&CLOCK);
    if card.registers != Registers::VirtioMmio {
        scratch.write([0xff; 16 << 10]);
        boot = boot.qemu(&["-device", &format!("{ONES},romfile={}", scratch.path())]);
    }
    let mut appliance = boot.start();
    let configuration = shown(&mut appliance);
    let mut victim = Victim {
        card,
        appliance,
        configuration,
    };
    // Of what was configured since, a restart keeps nothing.
    victim.is_restarted();
    for line in CONFIGURATION {
        victim.appliance.console.obeys(line);
    }
    let has_pauses = card.driver == "e1000";
    let said = victim.command("ethtool -A eth0 rx on tx on");
    assert_eq!(said.is_empty(), has_pauses, "{said}");
    victim.configuration = shown(&mut victim.appliance);
    victim.is_switched_off();
    victim.loses_its_link();
    victim.is_paused();
    match card.registers {
        Registers::Intel { deaf } => {
            victim.hangs();
            victim.runs_dry();
            if deaf {
                victim.is_overrun();
            } else if card.model == "82576" {
                victim.is_overrun_unawares();
            }
        }
        Registers::Virtio => {
            victim.hangs();
            victim.asks_for_a_reset();
            if card.model == "virtio-net" {
                victim.breaks_the_rules();
            }
        }
        Registers::VirtioPorts | Registers::VirtioMmio => victim.asks_for_a_reset(),
    }
    if card.registers != Registers::VirtioMmio {
        victim.vanishes();
    }
}

fn shown(appliance: &mut Appliance) -> [String; SHOWN.len()] {
    SHOWN.map(|line| appliance.console.command(line))
}

/// What a fault is known by.
struct Signs<'text> {
    /// What the console says, in this order.
    said: &'text [&'text str],
    /// Which counter counts it, if that is looked at here.
    counter: Option<&'text str>,
    /// How long it may take from the fault's end until frames are answered, in nanoseconds.
    limit: u64,
}

/// A card, and what is configured on it.
struct Victim<'card> {
    card: &'card Card,
    appliance: Appliance,
    configuration: [String; SHOWN.len()],
}

impl Victim<'_> {
    fn command(&mut self, line: &str) -> String {
        self.appliance.console.command(line)
    }

    /// The appliance's own time, in nanoseconds.
    fn time(&mut self) -> u64 {
        let printed = self.command("date -j");
        let digits = printed.split("\"uptime_ns\":").nth(1);
        let digits = digits.and_then(|digits| digits.split('}').next());
        let time = digits.and_then(|digits| digits.parse().ok());
        time.unwrap_or_else(|| panic!("no time in {printed}"))
    }

    /// How long it may be away when its receiver was switched on again.
    fn limit_after_reset(&self) -> u64 {
        match self.card.registers {
            Registers::Intel { deaf: true } => RETURN_LIMIT + DEAFNESS,
            _ => RETURN_LIMIT,
        }
    }

    /// Frames nobody reads the answers of.
    fn send_load(&mut self, count: usize) {
        for _ in 0..count {
            self.appliance.peer.send(&Peer::request(b"load"));
        }
    }

    /// Ends a fault, and sees that all is as before.
    fn recovers(&mut self, signs: &Signs<'_>, fault: &str, act: impl FnOnce(&mut Self)) {
        let before = signs
            .counter
            .map(|counter| self.appliance.card_counter(counter));
        let mark = self.appliance.console.mark();
        let began = self.time();
        act(self);
        if let Some(last) = signs.said.last() {
            let console = &self.appliance.console;
            console.wait_for(mark, last, SAYING_LIMIT);
        }
        let found = self.appliance.find(Instant::now() + START_LIMIT);
        let found = found.map(|_| self.time());
        let away = found.expect("an answer") - began;
        println!("\n    {fault}: back after {} ms", away / 1_000_000);
        assert!(away < signs.limit, "{fault}: away for {away} ns");
        let mut printed = &*self.appliance.console.since(mark);
        for said in signs.said {
            let rest = printed.split_once(said).map(|(_, rest)| rest);
            printed = rest.unwrap_or_else(|| panic!("{fault}: no `{said}` in {printed}"));
        }
        self.appliance.console.fresh_prompt();
        if let Some(counter) = signs.counter {
            let after = self.appliance.card_counter(counter);
            assert!(Some(after) > before, "{fault}: {counter} is {after}");
        }
        assert_eq!(shown(&mut self.appliance), self.configuration, "{fault}");
        self.appliance.peer.assert_pings(100);
        vlans_get_no_answer(&mut self.appliance, VLAN - 2..=VLAN + 2);
        self.appliance.counters().assert_complete();
    }

    /// With its rings in use, somebody presses the reset button. What is counted begins anew.
    fn is_restarted(&mut self) {
        self.send_load(200);
        let mark = self.appliance.console.mark();
        self.appliance.monitor("system_reset");
        self.appliance
            .console
            .wait_for(mark, "eth0: link up", START_LIMIT);
        let signs = Signs {
            said: &[],
            counter: None,
            limit: self.limit_after_reset(),
        };
        self.recovers(&signs, "restarted", |_| ());
    }

    /// Somebody switches the receiver off while traffic runs.
    fn is_switched_off(&mut self) {
        let signs = Signs {
            said: &["resetting it", "eth0: link down", "eth0: link up"],
            counter: Some("resets"),
            limit: self.limit_after_reset(),
        };
        self.recovers(&signs, "switched off", |victim| {
            victim.send_load(100);
            match victim.card.registers {
                Registers::Intel { .. } => victim.appliance.poke("writel", 0, RCTL, 0),
                _ => victim.write_status(0),
            }
            victim.send_load(20);
        });
    }

    /// Writes the status of a virtio device.
    fn write_status(&self, status: u32) {
        match self.card.registers {
            Registers::VirtioPorts => self.appliance.poke("outb", 0, 18, status),
            Registers::VirtioMmio => self.appliance.poke_at("writel", 0xfeb0_2e70, status),
            _ => self
                .appliance
                .poke("writeb", VIRTIO_BAR, DEVICE_STATUS, status),
        }
    }

    fn loses_its_link(&mut self) {
        let before = self.appliance.card_counter("link_down_events");
        let mark = self.appliance.console.mark();
        self.appliance.monitor("set_link n0 off");
        self.appliance
            .console
            .wait_for(mark, "eth0: link down", SAYING_LIMIT);
        self.appliance.console.fresh_prompt();
        assert_eq!(self.appliance.card_counter("link_down_events"), before + 1);
        let signs = Signs {
            said: &["eth0: link up"],
            counter: None,
            limit: RETURN_LIMIT,
        };
        self.recovers(&signs, "link up again", |victim| {
            victim.appliance.monitor("set_link n0 on");
        });
    }

    /// While nobody looks, more frames come than any ring holds. The clock of the appliance stands still meanwhile.
    fn is_paused(&mut self) {
        let signs = Signs {
            said: &[],
            counter: None,
            limit: RETURN_LIMIT,
        };
        self.recovers(&signs, "paused", |victim| {
            victim.appliance.monitor("stop");
            victim.send_load(2000);
            std::thread::sleep(Duration::from_secs(2));
            victim.appliance.monitor("cont");
        });
    }

    /// Its transmitter stands still, though it is switched on and has work.
    fn hangs(&mut self) {
        let said: &[&str] = match self.card.registers {
            Registers::Intel { .. } => &["it has frames to send and sends none; resetting it"],
            _ => &["it has work and makes no progress; resetting it"],
        };
        let signs = Signs {
            said,
            counter: Some("tx_timeout_count"),
            limit: HANG_LIMIT + self.limit_after_reset(),
        };
        self.recovers(&signs, "hung", |victim| {
            let appliance = &victim.appliance;
            if let Registers::Intel { .. } = victim.card.registers {
                // A ring without descriptors has none that is to be sent.
                appliance.poke("writel", 0, TDLEN, 0);
            } else {
                appliance.poke("writew", VIRTIO_BAR, QUEUE_SELECT, 1);
                appliance.poke("writew", VIRTIO_BAR, QUEUE_RESET, 1);
            }
            let mark = victim.appliance.console.mark();
            let deadline = Instant::now() + SAYING_LIMIT;
            // Again and again: what was answered before it stood still, or lost, is no work for it.
            while !victim.appliance.console.since(mark).contains(said[0]) {
                assert!(Instant::now() < deadline, "no hang was said");
                victim.send_load(2);
                victim.appliance.peer.receive(QUIET);
            }
            // What went out before it stood still.
            while victim.appliance.peer.receive(QUIET).is_some() {}
        });
    }

    /// Nothing is answered while no frame has a buffer, and nobody says or counts that.
    fn signs_without_buffers(&mut self) -> Signs<'static> {
        let answer = self.appliance.peer.receive(QUIET);
        assert_eq!(answer, None, "answered, and there was no buffer for it");
        Signs {
            said: &[],
            counter: None,
            limit: RETURN_LIMIT,
        }
    }

    /// It has no buffer left: what comes waits outside, and is answered once it has some again.
    fn runs_dry(&mut self) {
        let head = self.appliance.peek("readl", 0, RDH);
        let tail = self.appliance.peek("readl", 0, RDT);
        self.appliance.poke("writel", 0, RDT, head);
        self.send_load(FEW);
        let signs = self.signs_without_buffers();
        self.recovers(&signs, "ran dry", |victim| {
            victim.appliance.poke("writel", 0, RDT, tail);
            let answers = (0..FEW).map_while(|_| victim.appliance.peer.receive(SAYING_LIMIT));
            assert_eq!(answers.count(), FEW);
        });
    }

    /// Frames are longer than all the buffers which it has left.
    fn is_overrun(&mut self) {
        let mark = self.appliance.console.mark();
        let head = self.appliance.peek("readl", 0, RDH);
        let before = self.appliance.card_counter("rx_missed_errors");
        self.appliance.poke("writel", 0, RDT, (head + 2) % 256);
        self.appliance.poke("writel", 0, RCTL, RECEIVE_TINY);
        let said = "frames were lost, the card had no room for them";
        let deadline = Instant::now() + START_LIMIT;
        while !self.appliance.console.since(mark).contains(said) {
            assert!(Instant::now() < deadline, "no overrun was said");
            self.appliance.peer.send(&Peer::request(&[0x5a; 1400]));
            std::thread::sleep(Duration::from_millis(20));
        }
        self.appliance.console.fresh_prompt();
        let after = self.appliance.card_counter("rx_missed_errors");
        assert!(after > before, "rx_missed_errors is {after}");
        let signs = Signs {
            said: &[],
            counter: None,
            limit: self.limit_after_reset(),
        };
        self.recovers(&signs, "overrun", |victim| {
            let tail = head.wrapping_sub(1) % 256;
            victim.appliance.poke("writel", 0, RCTL, RECEIVE);
            victim.appliance.poke("writel", 0, RDT, tail);
        });
    }

    /// The same on a card that counts nothing of it.
    fn is_overrun_unawares(&mut self) {
        let head = self.appliance.peek("readl", 0, RDH);
        let tail = self.appliance.peek("readl", 0, RDT);
        let buffers = self.appliance.peek("readl", 0, SRRCTL);
        self.appliance.poke("writel", 0, SRRCTL, SMALL_BUFFERS);
        self.appliance.poke("writel", 0, RDT, (head + 1) % 256);
        for _ in 0..FEW {
            self.appliance.peer.send(&Peer::request(&[0x5a; 1400]));
        }
        let signs = self.signs_without_buffers();
        self.recovers(&signs, "overrun", |victim| {
            victim.appliance.poke("writel", 0, SRRCTL, buffers);
            victim.appliance.poke("writel", 0, RDT, tail);
        });
    }

    fn asks_for_a_reset(&mut self) {
        let signs = Signs {
            said: &["it asks to be reset; resetting it", "eth0: link up"],
            counter: Some("resets"),
            limit: RETURN_LIMIT,
        };
        self.recovers(&signs, "asked for a reset", |victim| {
            victim.write_status(NEEDS_RESET);
        });
    }

    /// It claims to have used more buffers than it was given.
    fn breaks_the_rules(&mut self) {
        let signs = Signs {
            said: &["resetting it", "eth0: link up"],
            counter: Some("protocol_errors"),
            limit: RETURN_LIMIT,
        };
        self.recovers(&signs, "broke the rules", |victim| {
            let appliance = &victim.appliance;
            appliance.poke("writew", VIRTIO_BAR, QUEUE_SELECT, 0);
            let low = appliance.peek("readl", VIRTIO_BAR, QUEUE_DEVICE);
            let high = appliance.peek("readl", VIRTIO_BAR, QUEUE_DEVICE + 4);
            let used = u64::from(high) << 32 | u64::from(low);
            let index = appliance.peek_at("readw", used + 2);
            appliance.poke_at("writew", used + 2, (index + 300) & 0xffff);
        });
    }

    /// Nothing answers at its registers, where all bits are set; then it is there again.
    fn vanishes(&mut self) {
        let slot = self.appliance.card_slot();
        let bar = match self.card.registers {
            Registers::Virtio => self.appliance.bar(VIRTIO_BAR),
            _ => self.appliance.bar(0),
        };
        let (vanished, downs) = (
            self.appliance.card_counter("vanished"),
            self.appliance.card_counter("link_down_events"),
        );
        let mark = self.appliance.console.mark();
        // It answers at no address, and something else at its.
        self.appliance.poke_configuration(slot, "outw", COMMAND, 0);
        if self.card.registers != Registers::VirtioPorts {
            let ones = bar as u32 | 1;
            self.appliance
                .poke_configuration(ONES_SLOT, "outl", ROM_ADDRESS, ones);
            self.appliance
                .poke_configuration(ONES_SLOT, "outw", COMMAND, 2);
            assert_eq!(self.appliance.peek_at("readl", bar), u32::MAX);
        }
        let said = "nothing answers at its registers, it is gone";
        self.appliance.console.wait_for(mark, said, SAYING_LIMIT);
        self.appliance.console.fresh_prompt();
        assert_eq!(self.appliance.card_counter("vanished"), vanished + 1);
        assert_eq!(self.appliance.card_counter("link_down_events"), downs + 1);
        assert_eq!(shown(&mut self.appliance), self.configuration, "vanished");
        let signs = Signs {
            said: &["it is there again; resetting it", "eth0: link up"],
            counter: Some("resets"),
            limit: self.limit_after_reset(),
        };
        self.recovers(&signs, "there again", |victim| {
            let appliance = &victim.appliance;
            appliance.poke_configuration(ONES_SLOT, "outw", COMMAND, 0);
            appliance.poke_configuration(ONES_SLOT, "outl", ROM_ADDRESS, 0);
            appliance.poke_configuration(slot, "outw", COMMAND, 7);
        });
    }
}

/// A host that has no time for its guest, which sees its clock jump.
fn stands_still(nic: &str) {
    let mut appliance = on(nic).with_monitor().start();
    let configuration = shown(&mut appliance);
    for _ in 0..2 {
        let before = standstills(&appliance);
        let deadline = Instant::now() + SAYING_LIMIT;
        signal(&appliance, "STOP");
        std::thread::sleep(Duration::from_millis(2500));
        signal(&appliance, "CONT");
        // A busy host may have it stand still once more by itself.
        while standstills(&appliance) == before {
            assert!(Instant::now() < deadline, "no standstill was said");
            std::thread::sleep(Duration::from_millis(20));
        }
        appliance.console.fresh_prompt();
        appliance.peer.assert_pings(500);
        assert_eq!(shown(&mut appliance), configuration);
        let status = appliance.status();
        // It is not taken for a fault of the card.
        assert!(!status.has_row("statistics eth0", "resets"), "{status:?}");
    }
}

/// How often it says to have stood still since the start: each time is numbered.
fn standstills(appliance: &Appliance) -> usize {
    let log = appliance.console.log();
    let said = log.split("the machine stood still for ").skip(1);
    let whole = said.filter(|said| said.contains(" since the start"));
    let count = |(number, said): (usize, &str)| {
        assert!(
            said.contains(&format!(" ms: time {number} since the start")),
            "{log}"
        );
    };
    (1..).zip(whole).map(count).count()
}

fn signal(appliance: &Appliance, name: &str) {
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &appliance.process().to_string()])
        .status();
    assert!(sent.is_ok_and(|sent| sent.success()), "no signal {name}");
}
