//! GRUB's part: how it finds the stick or the server that it came from, and the menu there, the text of
//! `grub.cfg`. Pure; [`crate::write`] puts it where it belongs.
//!
//! The menu waits a second, then starts the appliance. It is shown on the screen and, where there is a
//! serial port, on that as well, so that the command line can be edited (key `e`) from either.

use std::fmt::Write;

/// Where the menu lies on the stick.
pub const PLACE: &str = "boot/grub/grub.cfg";

/// What GRUB carries out first, from within itself: it looks where it was loaded from, as a partition of a
/// disk, as the volume that lies on a disc as a file, and only then anywhere. `stick` is what all the menu's
/// paths begin with.
pub const FIND_STICK: &str = r#"
regexp --set=1:device '^\(([^)]*)\)' "$cmdpath"
if [ -f "($device)/pollux.fat" ]; then
    loopback volume "($device)/pollux.fat"
    set root=volume
elif [ -f "($device,msdos1)/boot/pollux" ]; then
    set root="$device,msdos1"
elif [ -f "($device)/boot/pollux" ]; then
    set root="$device"
else
    search --no-floppy --set=root --file /boot/pollux
fi
set stick="($root)"
export stick
set prefix="$stick/boot/grub"
configfile "$prefix/grub.cfg"
"#;

/// The same, loaded from the network: what follows lies beside it on its server.
pub const FIND_SERVER: &str = r#"
if [ -n "$net_default_server" ]; then set server="$net_default_server"; else set server="$pxe_default_server"; fi
regexp --set=1:folder '^\([^)]*\)(.*)$' "$cmdpath"
set root="tftp,$server"
set stick="($root)$folder"
export stick
set prefix="$stick/boot/grub"
configfile "$prefix/grub.cfg"
"#;

/// Which files the menu hands to the appliance.
#[derive(Clone, Copy, Debug)]
pub enum Files<'content> {
    /// All that are in the folder when it looks.
    Found,
    /// Those of these names: nobody can look into a folder of a TFTP server.
    Listed(&'content [String]),
}

/// The entries: their titles, and the words that they add.
const ENTRIES: [(&str, &str); 6] = [
    ("Pollux", ""),
    ("Pollux, tracing every answered ping", " pollux.trace=on"),
    (
        "Pollux, VLANs filtered by software only",
        " pollux.vlan-filter=software",
    ),
    (
        "Pollux, after a test of its buffers' memory",
        " pollux.memory-test",
    ),
    (
        "Pollux, console on the serial line only",
        " pollux.console=serial",
    ),
    (
        "Pollux, console on the screen only",
        " pollux.console=screen",
    ),
];

/// The menu which boots the appliance with `words` on its command line, its start-up file, and `files`.
pub fn configuration(words: &str, files: Files<'_>) -> String {
    let words: String = split(words)
        .map(|word| format!(" {}", quoted(&word)))
        .collect();
    // Whether a file is there, GRUB finds out by looking into its folder.
    let is_there = match files {
        Files::Found => r#"[ -f "$stick/pollux.conf" ]"#,
        Files::Listed(_) => "true",
    };
    let modules = match files {
        Files::Found => r#"    for file in "$stick"/files/*; do
        if [ -f "$file" ]; then module2 "$file" "$file"; fi
    done
"#
        .into(),
        Files::Listed(names) => {
            names.iter().fold(String::new(), |mut modules, name| {
                let name = quoted(name);
                // Writing to a string cannot fail.
                let _ = writeln!(modules, "    module2 \"$stick\"/files/{name} {name}");
                modules
            })
        }
    };
    let entries: String = ENTRIES
        .iter()
        .map(|(title, word)| format!("menuentry {} {{ appliance{word} }}\n", quoted(title)))
        .collect();
    format!(
        r#"# Seconds in which another entry can be chosen.
set timeout=1
set default=0

# Words for the appliance's command line go to the end of the line that begins with multiboot2.
function appliance {{
    set start_up=""
    if {is_there}; then set start_up=pollux.config-file=pollux.conf; fi
    multiboot2 "$stick/boot/pollux" $start_up "$@"{words}
    if [ -n "$start_up" ]; then module2 "$stick/pollux.conf" pollux.conf; fi
{modules}    # The picture that the appliance asks for. A machine without a screen has text, which is no mistake.
    set gfxpayload=1024x768x32,1024x768,auto,text
    boot
}}

if serial --unit=0 --speed=115200; then
    terminal_input console serial
    terminal_output console serial
fi
{entries}"#
    )
}

/// The words of a command line, in which quotes hold blanks together; without these quotes.
fn split(words: &str) -> impl Iterator<Item = String> {
    let mut is_quoted = false;
    let parts = words.split(move |c: char| {
        is_quoted ^= c == '"';
        c.is_whitespace() && !is_quoted
    });
    parts
        .map(|word| word.replace('"', ""))
        .filter(|word| !word.is_empty())
}

/// `word` as GRUB's shell reads it back unchanged: within single quotes only the quote itself is
/// special (GRUB manual §16.1.2).
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-=/:,+".contains(c);
    if word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boots_the_kernel_with_its_words() {
        let text = configuration("pollux.trace=on  pollux.panic=halt", Files::Found);
        let line = "\n    multiboot2 \"$stick/boot/pollux\" $start_up \"$@\" pollux.trace=on pollux.panic=halt\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_word_with_blanks_is_one_word_of_grubs() {
        let text = configuration(
            "pollux.config=\"trace on; status\" pollux.test",
            Files::Found,
        );
        let line = " \"$@\" 'pollux.config=trace on; status' pollux.test\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn hands_over_what_is_in_the_folder_or_what_was_there() {
        let text = configuration("", Files::Found);
        assert!(
            text.contains("\n    for file in \"$stick\"/files/*; do\n"),
            "{text}"
        );
        let names = ["a.o".to_owned(), "two words".to_owned()];
        let text = configuration("", Files::Listed(&names));
        let lines = "\n    module2 \"$stick\"/files/a.o a.o\n    module2 \"$stick\"/files/'two words' 'two words'\n    #";
        assert!(text.contains(lines), "{text}");
        assert!(!text.contains("for file"), "{text}");
    }

    #[test]
    fn a_title_can_hold_an_apostrophe() {
        let text = configuration("", Files::Found);
        let entry = r"menuentry 'Pollux, after a test of its buffers'\'' memory' { appliance pollux.memory-test }";
        assert!(text.contains(entry), "{text}");
    }

    #[test]
    fn a_machine_without_a_serial_port_keeps_its_screen() {
        let text = configuration("", Files::Found);
        assert!(text.contains("\nif serial "), "{text}");
    }

    #[test]
    fn a_machine_without_a_screen_is_told_so_behind_what_the_appliance_asks_for() {
        let text = configuration("", Files::Found);
        // The command that reads the appliance's own wish comes first.
        let behind = text.split("multiboot2 \"$stick/boot/pollux\"").nth(1);
        let behind = behind.expect("it is loaded");
        assert!(
            behind.contains("\n    set gfxpayload=1024x768x32,1024x768,auto,text\n    boot\n"),
            "{text}"
        );
    }

    #[test]
    fn no_word_can_leave_its_quotes() {
        assert_eq!(quoted("a=$b;reboot"), "'a=$b;reboot'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("pollux.exit=0xf4"), "pollux.exit=0xf4");
    }
}
