//! One command, and its reply: what stands between the echo of the command and the next prompt.

use crate::line::Line;
use std::io::{self, Write};

const PROMPT: &str = "pollux> ";
/// What goes in front of a line that takes the place of what was shown of the terminal's line ends like one of these.
const ERASED: [&str; 2] = ["\x1b[K", "\x1b[J"];
/// How many milliseconds nothing may come.
const PATIENCE: u16 = 10_000;
/// The longest line that the appliance takes.
const LONGEST: usize = 256;

/// Why there is no reply. Prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It would be refused.
    #[error("a command of {0} octets: the appliance takes {LONGEST}")]
    TooLong(usize),
    /// It would be taken for a key.
    #[error(
        "a command with a control character, such as a tab: the appliance would take it for a key"
    )]
    Control,
    /// It goes on in the lines behind it.
    #[error("base64 takes the lines that follow it: paste it and them into './run.sh console'")]
    Upload,
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

/// Whether `command` is one that can be carried out like this: one line, and one reply.
fn check(command: &str) -> Result<(), AskError> {
    let mut words = command
        .split_whitespace()
        .skip_while(|word| *word == "sudo");
    if command.len() > LONGEST {
        Err(AskError::TooLong(command.len()))
    } else if command.contains(char::is_control) {
        Err(AskError::Control)
    } else if words.next() == Some("base64") && words.next() == Some("-d") {
        Err(AskError::Upload)
    } else {
        Ok(())
    }
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused,
}

/// Has the appliance carry out `command`, prints the lines of the reply as they come, and asks what it came to.
pub fn ask(line: &Line, command: &str) -> Result<Outcome, AskError> {
    check(command)?;
    let mut output = io::stdout().lock();
    let mut print = |printed: &str| {
        output.write_all(printed.as_bytes())?;
        output.flush()
    };
    match reply(line, command, &mut print) {
        // It was to end.
        Err(AskError::Ended) if command.split_whitespace().last() == Some("poweroff") => {
            return Ok(Outcome::Done);
        }
        other => other?,
    }
    // As a shell is asked. What the log says meanwhile is no answer.
    let mut outcome = Outcome::Done;
    reply(line, "echo $?", &mut |printed| {
        match printed.trim_end() {
            "0" => outcome = Outcome::Done,
            "1" => outcome = Outcome::Refused,
            _ => {}
        }
        Ok(())
    })?;
    Ok(outcome)
}

/// Types `command`, and hands the lines of the reply to `take` as they come.
fn reply(
    line: &Line,
    command: &str,
    take: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(), AskError> {
    // Ctrl-C gives up what somebody left half typed.
    line.send(format!("\x03{command}\r").as_bytes())?;
    let mut text = Vec::new();
    let mut has_echo = false;
    loop {
        let mut room = [0; 4096];
        if !line.wait(PATIENCE)? {
            return Err(AskError::Silent);
        }
        let length = line.receive(&mut room)?;
        if length == 0 {
            return Err(AskError::Ended);
        }
        text.extend_from_slice(&room[..length]);
        while let Some(end) = text.iter().position(|&octet| octet == b'\n') {
            let printed: Vec<u8> = text.drain(..=end).collect();
            let printed = shown(&String::from_utf8_lossy(&printed));
            if has_echo {
                take(&printed)?;
            } else {
                has_echo = printed.trim_end_matches('\n') == format!("{PROMPT}{command}");
            }
        }
        if has_echo && shown(&String::from_utf8_lossy(&text)) == PROMPT {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_reply_of_its_own_is_not_asked() {
        for command in ["status", "echo base64 -d", "base64 -h", ""] {
            assert!(check(command).is_ok(), "{command}");
        }
        assert!(matches!(check("ip\taddr"), Err(AskError::Control)));
        assert!(matches!(check("status\x03"), Err(AskError::Control)));
        for command in ["base64 -d > a.o <<END", " sudo base64 -d >a.o <<E"] {
            assert!(matches!(check(command), Err(AskError::Upload)), "{command}");
        }
        let long = "x".repeat(LONGEST + 1);
        assert!(matches!(check(&long), Err(AskError::TooLong(257))));
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
