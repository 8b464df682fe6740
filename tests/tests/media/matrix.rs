//! Every loader, under every firmware, on every machine, from every medium, with changing memory and processors.

use std::sync::OnceLock;

use pollux_tests::appliance::Boot;
use pollux_tests::scratch::Scratch;
use pollux_tests::suite::Suite;

use super::{Image, START_UP_FILE, assert_obedient, images_of_the_crate, write_folder};

/// Adds them: a slice to every test run, all to the long one.
pub fn tests(suite: &mut Suite) {
    for machine in matrix() {
        let name = format!("boots_by_{}", machine.name());
        if machine.is_in_slice() {
            suite.test_alone(&name, move || boots(&machine));
        } else {
            suite.test_long(&name, move || boots(&machine));
        }
    }
}

/// A machine, and what it is started by.
#[derive(Clone, Copy, Debug)]
struct Machine {
    loader: &'static str,
    firmware: &'static str,
    machine: &'static str,
    medium: &'static str,
    memory: &'static str,
    cpu: &'static str,
}

/// The boots that are part of every test run: each firmware, machine and medium once. The network has tests of its own,
/// and the crate takes minutes to build.
const SLICE: [(&str, &str, &str); 8] = [
    ("bios", "pc", "usb2"),
    ("bios", "q35", "usb"),
    ("bios", "q35", "cd"),
    ("bios", "pc", "nvme"),
    ("uefi", "q35", "usb"),
    ("uefi", "pc", "cd"),
    ("uefi", "q35", "sata"),
    ("none", "microvm", "none"),
];

/// Every loader on every machine from every medium. Memory and processor change from one to the next, with
/// periods that have no common divisor.
fn matrix() -> Vec<Machine> {
    const MEMORY: [&str; 5] = ["32", "128", "6144", "512", "3072"];
    const CPUS: [&str; 6] = ["qemu64", "core2duo", "max", "Nehalem", "EPYC", "Haswell"];
    let mut combinations = Vec::new();
    for machine in ["pc", "q35"] {
        for medium in ["usb", "usb2", "sata", "nvme", "virtio", "cd"] {
            combinations.extend(["bios", "uefi"].map(|by| ("grub", by, machine, medium)));
        }
    }
    combinations.extend(["pc", "q35", "microvm"].map(|machine| ("pvh", "none", machine, "none")));
    for (loader, media) in [("grub", ["network"; 2]), ("bootloader", ["sata", "usb"])] {
        for (machine, medium) in ["pc", "q35"].into_iter().zip(media) {
            combinations.extend(["bios", "uefi"].map(|by| (loader, by, machine, medium)));
        }
    }
    let rows = combinations.into_iter().enumerate();
    rows.map(|(row, (loader, firmware, machine, medium))| {
        let mut memory = MEMORY[row % MEMORY.len()];
        if firmware == "uefi" && memory == "32" {
            // OVMF itself does not come up with less than 56.
            memory = "64";
        }
        let cpu = CPUS[row % CPUS.len()];
        Machine {
            loader,
            firmware,
            machine,
            medium,
            memory,
            cpu,
        }
    })
    .collect()
}

impl Machine {
    fn name(&self) -> String {
        let Self {
            loader,
            firmware,
            machine,
            medium,
            memory,
            cpu,
        } = self;
        format!("{loader}_{firmware}_{machine}_{medium}_{memory}_mib_{cpu}")
    }

    fn is_in_slice(&self) -> bool {
        self.loader != "bootloader" && SLICE.contains(&(self.firmware, self.machine, self.medium))
    }

    fn boot(&self) -> Boot {
        let boot = match (self.loader, self.medium) {
            ("pvh", _) => Boot::new().with(&["--config", &configuration()]),
            (_, "network") => {
                Boot::from_medium(&["--tftp", &folder(), "--firmware", self.firmware])
            }
            ("bootloader", medium) => {
                let options = ["--firmware", self.firmware, "--medium", medium];
                let boot = Boot::from_medium(&["--image", &image_of_the_crate(self.firmware)]);
                // It asks the BIOS for a picture, and does not go on without a graphics card.
                boot.with(&options).qemu(&["-vga", "std"])
            }
            (_, medium) => image().boot(&["--firmware", self.firmware, "--medium", medium]),
        };
        boot.with(&[
            "--machine",
            self.machine,
            "--memory",
            self.memory,
            "--cpu",
            self.cpu,
        ])
    }
}

/// The start-up file that all of them have.
fn configuration() -> String {
    static CONFIGURATION: OnceLock<Scratch> = OnceLock::new();
    let file = CONFIGURATION.get_or_init(|| {
        let file = Scratch::new("matrix.conf");
        file.write(START_UP_FILE);
        file
    });
    file.path()
}

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| Image::new("matrix.img", &["--config", &configuration()]))
}

fn folder() -> String {
    static FOLDER: OnceLock<Scratch> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = Scratch::new("matrix.tftp");
        write_folder(&folder.path(), &["--config", &configuration()]);
        folder
    });
    folder.path()
}

fn image_of_the_crate(firmware: &str) -> String {
    static IMAGES: OnceLock<[(&str, Scratch); 2]> = OnceLock::new();
    let images =
        IMAGES.get_or_init(|| images_of_the_crate("matrix-crate", &["--config", &configuration()]));
    let image = images.iter().find(|(by, _)| *by == firmware);
    image.expect("there is one for each firmware").1.path()
}

fn boots(machine: &Machine) {
    let mut appliance = machine.boot().start();
    appliance.peer.assert_pings(100);
    assert_obedient(&mut appliance);
    // Nothing that a loader complained of either.
    let log = appliance.console.log();
    assert!(!log.contains("error: "), "{log}");
    println!(
        "| {} | {} | {} | {} | {} MiB | {} | {:.1} |",
        machine.loader,
        machine.firmware,
        machine.machine,
        machine.medium,
        machine.memory,
        machine.cpu,
        appliance.first_arp_reply().as_secs_f64()
    );
}
