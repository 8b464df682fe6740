//! One command, and its reply: what stands between the echo of the command and the next prompt.

use crate::line::Line;
use std::io::{self, Write};

const PROMPT: &str = "pollux> ";
/// What goes in front of a line that takes the place of what was shown of the terminal's line ends like one of these.
const ERASED: [&str; 2] = ["\x1b[K", "\x1b[J"];
/// What a command came to, as in a shell; asked like this, `$?` stays what it is for the next line.
const STATUS_QUESTION: &str = "echo -j $?";
/// How many milliseconds nothing may come.
const PATIENCE: u16 = 10_000;
/// The longest line that the appliance takes.
const LONGEST: usize = 256;

/// Why there is no reply. Prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It would be refused.
    #[error("a line of {0} octets: the appliance takes {LONGEST}, which 'base64 -w 76' keeps to")]
    TooLong(usize),
    /// It would be taken for a key.
    #[error("a command with a control character: the appliance would take it for a key")]
    Control,
    /// It goes on in the lines behind it, and there are none.
    #[error(
        "base64 takes the lines that follow it: give it and them as the input, './run.sh console <FILE'"
    )]
    Upload,
    /// It goes on to a line that did not come.
    #[error("the file ends with the line '{0}', which is missing; nothing of it is kept")]
    Unended(String),
    /// Nothing came.
    #[error("the appliance says nothing; is another console attached to it?")]
    Silent,
    /// It ended.
    #[error("the appliance has ended")]
    Ended,
    /// The line broke.
    #[error("{0}")]
    Line(#[from] io::Error),
}

/// What a terminal shows of a line: without carriage returns and without what was erased.
fn shown(line: &str) -> String {
    let shown = |line, end| str::rsplit(line, end).next().unwrap_or(line);
    let line = ERASED.into_iter().fold(line, shown);
    line.replace('\r', "")
}

/// Whether `line` can be typed.
fn check(line: &str) -> Result<(), AskError> {
    if line.len() > LONGEST {
        Err(AskError::TooLong(line.len()))
    } else if line.contains(char::is_control) {
        Err(AskError::Control)
    } else {
        Ok(())
    }
}

/// The line that ends the file which follows `command`, if one does.
fn end_of_file(command: &str) -> Option<&str> {
    let mut words = command
        .split_whitespace()
        .skip_while(|word| *word == "sudo");
    if words.next() != Some("base64") {
        return None;
    }
    let end = words.find_map(|word| word.strip_prefix("<<"))?;
    Some(match end.trim_matches(['\'', '"']) {
        "" => words.next()?,
        end => end,
    })
}

/// Whether this is said when `base64` is refused, so that no file follows.
fn is_refusal(said: &str) -> bool {
    let said = said.strip_prefix("{\"error\":\"").unwrap_or(said);
    said.starts_with("base64: ") || said.starts_with("'base64' ")
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused,
}

/// Has the appliance carry out `command`, prints the lines of the reply as they come, and asks what it came to. A file that
/// `base64` is to take is in the lines `behind` it.
pub fn ask(
    line: &Line,
    command: &str,
    behind: &mut dyn Iterator<Item = io::Result<String>>,
) -> Result<Outcome, AskError> {
    // A tab would be a key, too.
    let command = &command.replace('\t', " ");
    check(command)?;
    let mut typist = Typist {
        line,
        unread: Vec::new(),
    };
    let mut has_refused = false;
    typist.give_up()?;
    let replied = typist.reply(command, &mut |printed| {
        has_refused |= is_refusal(printed);
        print(printed)
    });
    match replied {
        // It was to end.
        Err(AskError::Ended) if command.split_whitespace().last() == Some("poweroff") => {
            return Ok(Outcome::Done);
        }
        other => other?,
    }
    if let Some(end) = end_of_file(command) {
        let typed = typist.type_file(end, behind, has_refused);
        if typed.is_err() {
            typist.give_up()?;
        }
        typed?;
    }
    // What the log says meanwhile is no answer.
    let mut outcome = Outcome::Done;
    typist.give_up()?;
    typist.reply(STATUS_QUESTION, &mut |printed| {
        match printed.trim_end() {
            "{\"text\":\"0\"}" => outcome = Outcome::Done,
            "{\"text\":\"1\"}" => outcome = Outcome::Refused,
            _ => {}
        }
        Ok(())
    })?;
    Ok(outcome)
}

fn print(printed: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(printed.as_bytes())?;
    output.flush()
}

/// Types lines, one after the other.
struct Typist<'a> {
    line: &'a Line,
    /// What came and was not read yet: the prompt, behind which the next line is echoed.
    unread: Vec<u8>,
}

impl Typist<'_> {
    /// Gives up what is half typed, by whomever: a line, or a file.
    fn give_up(&self) -> io::Result<()> {
        const CTRL_C: &[u8] = b"\x03";
        self.line.send(CTRL_C)
    }

    /// Types a file of which the lines are `behind` the command that takes it, up to the one that ends it. Where the command
    /// was refused, they are passed over.
    fn type_file(
        &mut self,
        end: &str,
        behind: &mut dyn Iterator<Item = io::Result<String>>,
        was_refused: bool,
    ) -> Result<(), AskError> {
        let mut is_empty = true;
        for typed in behind {
            let typed = typed?;
            if !was_refused {
                check(&typed)?;
                self.reply(&typed, &mut print)?;
            }
            if typed.trim() == end {
                return Ok(());
            }
            is_empty = false;
        }
        Err(match is_empty {
            true => AskError::Upload,
            false => AskError::Unended(end.to_owned()),
        })
    }

    /// Types `typed`, and hands the lines of the reply to `take` as they come.
    fn reply(
        &mut self,
        typed: &str,
        take: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<(), AskError> {
        self.line.send(format!("{typed}\r").as_bytes())?;
        let mut has_echo = false;
        loop {
            let mut room = [0; 4096];
            if !self.line.wait(PATIENCE)? {
                return Err(AskError::Silent);
            }
            let length = self.line.receive(&mut room)?;
            if length == 0 {
                return Err(AskError::Ended);
            }
            self.unread.extend_from_slice(&room[..length]);
            while let Some(end) = self.unread.iter().position(|&octet| octet == b'\n') {
                let printed: Vec<u8> = self.unread.drain(..=end).collect();
                let printed = shown(&String::from_utf8_lossy(&printed));
                if has_echo {
                    take(&printed)?;
                } else {
                    has_echo = printed.trim_end_matches('\n') == format!("{PROMPT}{typed}");
                }
            }
            if has_echo && shown(&String::from_utf8_lossy(&self.unread)) == PROMPT {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_a_key_or_is_too_long_is_not_typed() {
        assert!(check("status").is_ok() && check("").is_ok());
        assert!(matches!(check("ip\x1baddr"), Err(AskError::Control)));
        assert!(matches!(check("status\x03"), Err(AskError::Control)));
        let long = "x".repeat(LONGEST + 1);
        assert!(matches!(check(&long), Err(AskError::TooLong(257))));
    }

    #[test]
    fn a_file_is_behind_the_command_that_takes_one() {
        for (command, end) in [
            ("base64 -d > a.o <<END", Some("END")),
            (" sudo base64 -d >a.o <<'E'", Some("E")),
            ("base64 -d > a.o << EOF", Some("EOF")),
            ("base64 -d > a.o", None),
            ("base64 -h", None),
            ("echo base64 -d > a.o <<END", None),
            ("", None),
        ] {
            assert_eq!(end_of_file(command), end, "{command}");
        }
        assert!(is_refusal("base64: 'a/b' is not a name\n"));
        assert!(is_refusal("{\"error\":\"base64: 'a/b' is not a name\"}\n"));
        assert!(!is_refusal("[0] count=84\n"));
    }

    #[test]
    fn what_was_erased_is_not_shown() {
        assert_eq!(
            shown("pollux> sta\r\x1b[K[0] count=84\r\n"),
            "[0] count=84\n"
        );
        assert_eq!(
            shown("pollux> a line of two rows\r\x1b[1A\x1b[J[0] count=84\r\n"),
            "[0] count=84\n"
        );
        assert_eq!(shown("\r\x1b[Kpollux> "), PROMPT);
    }
}
