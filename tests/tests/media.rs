//! What the appliance is loaded from, by what, and on which machines: the image as a stick, a disk and an
//! optical disc under both firmwares; edited as its user would; from the network.
//!
//! Each boot of the matrix must answer pings and obey its start-up file, and prints a row for the table in
//! `docs/boot.md` (`./run.sh bench boot`).

#[path = "media/matrix.rs"]
mod matrix;

use std::process::{Command, ExitCode};
use std::time::Duration;

use pollux_tests::PATIENCE;
use pollux_tests::appliance::{self, Appliance, Boot, START_LIMIT};
use pollux_tests::scratch::Scratch;
use pollux_tests::suite::Suite;

/// The longest that writing an image may take, the image maker's own build included.
const IMAGE_LIMIT: Duration = Duration::from_secs(900);
/// The longest that building the `bootloader` crate may take, its tools' download included.
const BUILD_LIMIT: Duration = Duration::from_secs(3000);
/// The longest that what was chosen in a menu may take to show.
const SHOWN_LIMIT: Duration = PATIENCE;
/// What every boot here must do at its start: VLAN 42 as the tests want it, and a device more.
const START_UP_FILE: &str = "\
# made by a test
ip link add link eth0 name eth0.42 type vlan id 42
ip addr add 10.10.10.11/24 dev eth0.42
ip link set eth0.42 up
evl net -ei eth0.42
evl net -N42
ip link add link eth0 name eth0.7 type vlan id 7
";

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    suite.test_alone("an_image_is_small_and_has_one_partition", || {
        let image = Image::new("plain.img", &[]);
        assert!(image.0.read().len() <= 32 << 20);
        assert_eq!(image.0.read()[446 + 16..510], [0; 48]);
    });
    suite.test_alone(
        "an_image_edited_with_mtools_boots_with_the_change",
        edited_image,
    );
    suite.test_alone("the_menu_has_a_memory_test", memory_test);
    suite.test_alone("words_with_blanks_reach_the_appliance", || {
        let words = "pollux.config=\"ip link add link eth0 name eth0.9 type vlan id 9; trace on\"";
        let image = Image::new("words.img", &["--append", words]);
        // Nothing but these two commands: no address, and so no reply.
        let mut appliance = image.boot(&["--firmware", "bios"]).spawn();
        appliance.console.wait_for_prompt(START_LIMIT);
        let status = appliance.status();
        assert!(status.has("device eth0.9"), "{status:?}");
        assert_eq!(status.value("console", "trace"), "on");
    });
    network_tests(&mut suite);
    suite.test_long("images_of_the_bootloader_crate_boot", bootloader_images);
    matrix::tests(&mut suite);
    suite.run()
}

/// Checks that what [`START_UP_FILE`] says was done.
fn assert_obedient(appliance: &mut Appliance) {
    let status = appliance.status();
    assert!(status.has("device eth0.7"), "{status:?}");
    assert_eq!(status.value("device eth0.42", "address"), "10.10.10.11/24");
}

// ---- an image, as its user has it -----------------------------------------------------------------

/// An image in a file.
struct Image(Scratch);

impl Image {
    /// One that `./run.sh image` writes of the kernel under test.
    fn new(name: &str, options: &[&str]) -> Self {
        let image = Scratch::new(name);
        let (kernel, path) = (appliance::kernel().display().to_string(), image.path());
        let arguments = [&["image", "--kernel", &kernel], options, &[path.as_str()]].concat();
        appliance::run(&arguments, IMAGE_LIMIT);
        Self(image)
    }

    fn boot(&self, options: &[&str]) -> Boot {
        Boot::from_medium(&[&["--image", self.0.path().as_str()], options].concat())
    }

    /// Runs one of mtools on its partition, which is where the table in its first sector says.
    fn mtools(&self, program: &str, arguments: &[&str]) -> String {
        let sector = self.0.read()[446 + 8..446 + 12]
            .try_into()
            .map(u32::from_le_bytes);
        let offset = u64::from(sector.expect("four octets")) * 512;
        let output = Command::new(program)
            .args(["-i", &format!("{}@@{offset}", self.0.path())])
            .args(arguments)
            .output()
            .expect("mtools are there");
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {output:?}"
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn edited_image() {
    let image = Image::new("edited.img", &[]);
    let (config, notes) = (Scratch::new("edited.conf"), Scratch::new("notes"));
    // As Windows' editor writes it.
    config.write(format!("\u{feff}{}", START_UP_FILE.replace('\n', "\r\n")));
    notes.write("what the appliance shall have\n");
    image.mtools("mcopy", &["-o", &config.path(), "::pollux.conf"]);
    image.mtools("mcopy", &[&notes.path(), "::files/My notes.txt"]);
    for options in [
        ["--firmware", "bios", "--medium", "usb"],
        ["--firmware", "uefi", "--medium", "cd"],
    ] {
        let mut appliance = image.boot(&options).start();
        appliance.peer.assert_pings(10);
        assert_obedient(&mut appliance);
        let log = appliance.console.log();
        assert!(!log.contains("unknown command"), "{log}");
        let files = appliance.console.command("ls");
        assert!(files.contains("My notes.txt"), "{files}");
        assert!(files.contains("pollux.conf"), "{files}");
    }
}

fn memory_test() {
    let image = Image::new("menu.img", &[]);
    // Nobody is in a hurry here.
    let menu = image.mtools("mtype", &["::boot/grub/grub.cfg"]);
    assert!(menu.contains("\nset timeout=1\n"), "{menu}");
    let patient = Scratch::new("grub.cfg");
    patient.write(menu.replace("\nset timeout=1\n", "\nset timeout=-1\n"));
    image.mtools("mcopy", &["-o", &patient.path(), "::boot/grub/grub.cfg"]);
    let mut appliance = image.boot(&["--firmware", "bios"]).spawn();
    let start = appliance.console.mark();
    appliance
        .console
        .wait_for(start, "console on the screen only", START_LIMIT);
    const DOWN: &[u8] = b"\x1b[B";
    for _ in 0..3 {
        appliance.console.type_bytes(DOWN);
    }
    appliance.console.type_bytes(b"\r");
    appliance
        .console
        .wait_for(start, "kept all 6 patterns\n", SHOWN_LIMIT);
    appliance.console.wait_for_prompt(START_LIMIT);
    appliance.peer.assert_pings(10);
}

// ---- the `bootloader` crate -------------------------------------------------------------------------

fn bootloader_images() {
    let [config, notes] = ["crate.conf", "crate-notes"].map(Scratch::new);
    config.write(START_UP_FILE);
    notes.write("from a ramdisk\n");
    let images = images_of_the_crate(
        "crate",
        &[
            "--config",
            &config.path(),
            "--file",
            &notes.path(),
            "--append",
            "pollux.trace=on",
        ],
    );
    for (firmware, image) in &images {
        let options = [
            "--image",
            &image.path(),
            "--firmware",
            firmware,
            "--medium",
            "sata",
        ];
        // It asks the BIOS for a picture, and does not go on without a graphics card.
        let mut appliance = Boot::from_medium(&options).qemu(&["-vga", "std"]).start();
        appliance.peer.assert_pings(100);
        assert_obedient(&mut appliance);
        assert_eq!(appliance.status().value("system", "boot"), "bootloader");
        assert_eq!(appliance.status().value("console", "trace"), "on");
        let files = appliance.console.command("ls");
        assert!(files.contains("-crate-notes"), "{files}");
        drop(appliance);
        let refused = Boot::from_medium(&options).with(&["--cpu", "qemu64,-tsc"]);
        let appliance = refused.qemu(&["-vga", "std"]).spawn();
        let mark = appliance.console.mark();
        let said = "pollux: this processor has no time stamp counter (TSC)";
        appliance.console.wait_for(mark, said, START_LIMIT);
    }
}

/// Images by the crate, for each firmware.
fn images_of_the_crate(name: &str, options: &[&str]) -> [(&'static str, Scratch); 2] {
    let base = Scratch::new(name);
    let (kernel, path) = (appliance::kernel().display().to_string(), base.path());
    let arguments = ["image", "--loader", "bootloader", "--kernel", &kernel];
    let arguments = [&arguments[..], options, &[path.as_str()]].concat();
    appliance::run(&arguments, BUILD_LIMIT);
    ["bios", "uefi"].map(|firmware| {
        let path = format!("{path}-{firmware}.img");
        (firmware, Scratch(path.into()))
    })
}

// ---- the network ----------------------------------------------------------------------------------

fn network_tests(suite: &mut Suite) {
    for firmware in ["bios", "uefi"] {
        suite.test_alone(&format!("the_network_boots_under_{firmware}"), move || {
            let (folder, config) = (Scratch::new("tftp"), Scratch::new("tftp.conf"));
            let notes = Scratch::new("tftp-notes");
            config.write(START_UP_FILE);
            notes.write("from a server\n");
            let place = folder.path();
            write_folder(
                &place,
                &["--config", &config.path(), "--file", &notes.path()],
            );
            let boot = Boot::from_medium(&["--tftp", &place, "--firmware", firmware]);
            let mut appliance = boot.start();
            appliance.peer.assert_pings(100);
            assert_obedient(&mut appliance);
            let files = appliance.console.command("ls");
            assert!(files.contains("-tftp-notes"), "{files}");
        });
    }
}

/// What a TFTP server serves, written to the folder `place`.
fn write_folder(place: &str, options: &[&str]) {
    let kernel = appliance::kernel().display().to_string();
    let arguments = ["image", "--loader", "network", "--kernel", &kernel];
    appliance::run(&[&arguments[..], options, &[place]].concat(), IMAGE_LIMIT);
}
