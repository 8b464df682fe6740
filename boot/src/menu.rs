//! GRUB's menu: the text of `grub.cfg`. Pure; [`crate::image`] puts it on the stick.
//!
//! The menu waits a second, then starts the appliance. It is shown on the screen and, where there is a
//! serial port, on that as well, so that the command line can be edited (key `e`) from either.

/// Where the kernel lies on the stick.
pub const KERNEL: &str = "boot/pollux";
/// Where the archive of files lies on the stick.
pub const FILES: &str = "boot/files.tar";

/// The menu which boots the appliance with `words` on its command line, and hands it [`FILES`] if
/// `with_files`.
pub fn configuration(words: &str, with_files: bool) -> String {
    let words: String = words
        .split_whitespace()
        .map(|word| format!(" {}", quoted(word)))
        .collect();
    let module = if with_files {
        format!("    module2 /{FILES}\n")
    } else {
        String::new()
    };
    format!(
        "\
if serial --unit=0 --speed=115200; then
    terminal_input console serial
    terminal_output console serial
fi
set timeout=1
set default=0
menuentry 'Pollux' {{
    multiboot2 /{KERNEL}{words}
{module}    boot
}}
"
    )
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
        let text = configuration("pollux.trace=on  pollux.panic=halt", false);
        assert!(
            text.contains(
                "\n    multiboot2 /boot/pollux pollux.trace=on pollux.panic=halt\n    boot\n}\n"
            ),
            "{text}"
        );
        assert!(!text.contains("module2"), "{text}");
    }

    #[test]
    fn hands_over_the_files_as_a_module() {
        let text = configuration("", true);
        assert!(
            text.contains(
                "\n    multiboot2 /boot/pollux\n    module2 /boot/files.tar\n    boot\n}\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_machine_without_a_serial_port_keeps_its_screen() {
        let text = configuration("", false);
        assert!(text.starts_with("if serial "), "{text}");
        assert!(text.contains("\nset timeout=1\n"), "{text}");
    }

    #[test]
    fn no_word_can_leave_its_quotes() {
        assert_eq!(quoted("a=$b;reboot"), "'a=$b;reboot'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("pollux.exit=0xf4"), "pollux.exit=0xf4");
    }
}
