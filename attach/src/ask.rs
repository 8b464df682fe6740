//! One command, and its reply: what stands between the echo of the command and the next prompt.

use crate::line::Line;
use std::io::{self, Write};

const PROMPT: &str = "pollux> ";
/// Goes in front of a line that takes the place of what was shown of the terminal's line.
const ERASE_LINE: &str = "\x1b[K";
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
    let line = line.rsplit(ERASE_LINE).next().unwrap_or(line);
    line.replace('\r', "")
}

/// Has the appliance carry out `command`, and prints the lines of the reply as they come.
pub fn ask(line: &Line, command: &str) -> Result<(), AskError> {
    if command.len() > LONGEST {
        return Err(AskError::TooLong(command.len()));
    }
    // Ctrl-C gives up what somebody left half typed.
    line.send(format!("\x03{command}\r").as_bytes())?;
    let mut text = Vec::new();
    let mut has_echo = false;
    let mut output = io::stdout().lock();
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
                output.write_all(printed.as_bytes())?;
            } else {
                has_echo = printed.trim_end_matches('\n') == format!("{PROMPT}{command}");
            }
        }
        output.flush()?;
        if has_echo && shown(&String::from_utf8_lossy(&text)) == PROMPT {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_erased_is_not_shown() {
        assert_eq!(
            shown("pollux> sta\r\x1b[K[0] count=84\r\n"),
            "[0] count=84\n"
        );
        assert_eq!(shown("\r\x1b[Kpollux> "), PROMPT);
    }
}
